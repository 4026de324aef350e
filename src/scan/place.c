/*
 * Finds out what an address is from the models: regions, chunks, threads and
 * modules, in that order of detail.
 */
#include "scan/place.h"

#include <string.h>

enum {
	RED_ZONE = 128, /* below the stack pointer, and still in use */
	HEADER = 16,	/* of glibc's chunks: sizes of two of them */
	BORROWED = 8,	/* a chunk in use has the next one's first word, too */
	SHARED = 16,	/* of a shared object: its counts before it */
	STATE_SIZE = 2200, /* of glibc's malloc_state, about */
};

const char *mf_place_kind_name(enum mf_place_kind kind)
{
	static const char *const names[MF_PLACE_KINDS] = {
		[MF_PLACE_REGISTER] = "register",
		[MF_PLACE_STACK] = "stack",
		[MF_PLACE_TLS] = "tls",
		[MF_PLACE_MODULE] = "module",
		[MF_PLACE_MEMORY] = "memory",
		[MF_PLACE_CHUNK] = "chunk",
		[MF_PLACE_UNUSED] = "unused",
		[MF_PLACE_ALLOCATOR] = "allocator",
		[MF_PLACE_NOWHERE] = "nowhere",
	};

	return names[kind];
}

static uint64_t sum_static_tls(struct mf_image *image)
{
	size_t count;
	const struct mf_module *modules = mf_image_modules(image, &count);
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += mf_image_tls_size(image, &modules[i]);
	return sum;
}

void mf_places_init(struct mf_places *places, struct mf_target *target,
		    struct mf_image *image, struct mf_types *types)
{
	*places = (struct mf_places){
		.target = target,
		.image = image,
		.types = types,
		.static_tls = image ? sum_static_tls(image) : 0,
	};
}

/* ---- chunks ---------------------------------------------------------------- */

static uint64_t add_saturated(uint64_t left, uint64_t right)
{
	uint64_t sum;

	return __builtin_add_overflow(left, right, &sum) ? UINT64_MAX : sum;
}

/* The bytes of CHUNK that are its user's: [*START, *END). */
static void user_bytes(const struct mf_chunk *chunk, uint64_t *start,
		       uint64_t *end)
{
	*start = chunk->address;
	*end = add_saturated(chunk->address, chunk->size);
	if (strcmp(chunk->allocator->name, "glibc") != 0)
		return;
	*start += MF_MIN((uint64_t)HEADER, *end - *start);
	if (chunk->kind == MF_KIND_IN_USE || chunk->kind == MF_KIND_TCACHE ||
	    chunk->kind == MF_KIND_FASTBIN)
		*end = add_saturated(*end, BORROWED);
}

static bool is_of_state(const struct mf_allocator *allocator, uint64_t address)
{
	for (size_t i = 0; i < allocator->arena_count; i++)
		if (address - allocator->arenas[i].address < STATE_SIZE)
			return true;
	return false;
}

/* The thread cache whose table the chunk is that begins at USER, or NULL. */
static const struct mf_thread_cache *
cache_at(const struct mf_allocator *allocator, uint64_t user)
{
	for (size_t i = 0; user && i < allocator->tcache_count; i++)
		if (allocator->tcaches[i].address == user)
			return &allocator->tcaches[i];
	return NULL;
}

/* Its arenas' states and its thread caches' tables: USER is the user's address
 * of the chunk that ADDRESS is in, or 0. */
static bool is_of_allocators(const struct mf_heap *heap, uint64_t address,
			     uint64_t user,
			     const struct mf_thread_cache **cache)
{
	mf_heap_foreach_allocator(allocator, heap)
		if (is_of_state(allocator, address) ||
		    (*cache = cache_at(allocator, user)))
			return true;
	return false;
}

/* The chunk before ADDRESS, if its last word is there: behind it, in the next
 * one's header or in no chunk at all. */
static bool chunk_that_borrows(const struct mf_heap *heap, uint64_t address,
			       struct mf_place *place)
{
	struct mf_chunk chunk;
	uint64_t user, user_end;

	if (address < BORROWED ||
	    !mf_heap_chunk_at(heap, address - BORROWED, &chunk))
		return false;
	user_bytes(&chunk, &user, &user_end);
	if (address >= user_end)
		return false;
	place->chunk = chunk;
	place->user = user;
	place->user_end = user_end;
	return true;
}

static bool chunk_at(const struct mf_heap *heap, uint64_t address,
		     struct mf_place *place)
{
	if (!mf_heap_chunk_at(heap, address, &place->chunk))
		return chunk_that_borrows(heap, address, place);
	user_bytes(&place->chunk, &place->user, &place->user_end);
	if (address < place->user)
		chunk_that_borrows(heap, address, place);
	return true;
}

static bool find_chunk(const struct mf_places *places, struct mf_place *place)
{
	uint64_t address = place->address;

	if (!places->heap || !chunk_at(places->heap, address, place))
		return false;
	if (place->chunk.kind == MF_KIND_OVERHEAD)
		place->kind = MF_PLACE_ALLOCATOR;
	else if (place->chunk.kind != MF_KIND_IN_USE &&
		 place->chunk.kind != MF_KIND_MMAPPED)
		place->kind = MF_PLACE_UNUSED;
	else
		place->kind = is_of_allocators(places->heap, address,
					       place->user, &place->cache)
				      ? MF_PLACE_ALLOCATOR
				      : MF_PLACE_CHUNK;
	place->in_chunk = true;
	return true;
}

/* ---- threads --------------------------------------------------------------- */

static bool is_in(const struct mf_region *region, uint64_t address)
{
	return address >= region->start && address < region->end;
}

static bool is_tls_of(const struct mf_places *places,
		      const struct mf_thread *thread,
		      const struct mf_place *place)
{
	const struct mf_region *region = place->region;
	const struct mf_target_info *info = mf_target_info(places->target);
	uint64_t first = thread->tp;

	if (!thread->tp || !is_in(region, thread->tp))
		return false;
	if (region->class == MF_CLASS_TLS)
		return true;
	if (!info->tls_above)
		first -= MF_MIN(places->static_tls, first - region->start);
	return place->address >= first;
}

static void find_thread(const struct mf_places *places, struct mf_place *place)
{
	bool is_stack = place->region->class == MF_CLASS_STACK ||
			place->region->class == MF_CLASS_THREAD_STACK;
	size_t count;
	const struct mf_thread *threads =
		mf_target_threads(places->target, &count);

	place->kind = is_stack ? MF_PLACE_UNUSED : MF_PLACE_TLS;
	for (size_t i = 0; i < count; i++) {
		const struct mf_thread *thread = &threads[i];
		uint64_t from = 0;

		if (is_tls_of(places, thread, place)) {
			place->kind = MF_PLACE_TLS;
			from = thread->tp;
		} else if (is_stack && thread->sp &&
			   is_in(place->region, thread->sp)) {
			if (place->address >= thread->sp - RED_ZONE)
				place->kind = MF_PLACE_STACK;
			from = thread->sp;
		}
		if (!from)
			continue;
		place->tid = thread->tid;
		place->has_distance = true;
		place->distance = (int64_t)(place->address - from);
		if (place->kind == MF_PLACE_TLS)
			return;
	}
}

/* Nobody knows where its thread stands: then all of it may be in use. */
static void find_stack_without_thread(struct mf_place *place)
{
	if (place->kind == MF_PLACE_UNUSED && !place->tid &&
	    strncmp(place->region->label, "cached", strlen("cached")) != 0)
		place->kind = MF_PLACE_STACK;
}

/* ---- regions --------------------------------------------------------------- */

static bool is_module_class(enum mf_class class)
{
	switch (class) {
	case MF_CLASS_TEXT:
	case MF_CLASS_RODATA:
	case MF_CLASS_DATA:
	case MF_CLASS_BSS:
	case MF_CLASS_ELF_GAP:
	case MF_CLASS_VDSO:
		return true;
	default:
		return false;
	}
}

static enum mf_place_kind kind_of_region(const struct mf_places *places,
					 const struct mf_place *place)
{
	enum mf_class class = place->region->class;
	const struct mf_thread_cache *cache;

	if (is_of_allocators(places->heap, place->address, 0, &cache))
		return MF_PLACE_ALLOCATOR;
	if (is_module_class(class))
		return MF_PLACE_MODULE;
	/* heap headers, and what no chunk was made of */
	if (class == MF_CLASS_ARENA || class == MF_CLASS_ARENA_RESERVE)
		return MF_PLACE_ALLOCATOR;
	return MF_PLACE_MEMORY;
}

void mf_place_find(const struct mf_places *places, uint64_t address,
		   struct mf_place *ret)
{
	*ret = (struct mf_place){ .kind = MF_PLACE_NOWHERE,
				  .address = address };
	ret->region = mf_space_region_at(places->space, address);
	if (!ret->region)
		return;
	if (find_chunk(places, ret))
		return;
	if (ret->region->class == MF_CLASS_STACK ||
	    ret->region->class == MF_CLASS_THREAD_STACK ||
	    ret->region->class == MF_CLASS_TLS) {
		find_thread(places, ret);
		find_stack_without_thread(ret);
		return;
	}
	ret->kind = kind_of_region(places, ret);
	if (places->image)
		ret->module = mf_image_module_at(places->image, address);
}

/* ---- types and symbols ----------------------------------------------------- */

static bool try_type(const struct mf_places *places, uint64_t address,
		     struct mf_place *place)
{
	struct mf_type type;
	uint64_t word;

	if (address > place->user_end - sizeof(word) ||
	    !mf_target_read_u64(places->target, address, &word) ||
	    !mf_types_at(places->types, word, &type) || type.offset != 0)
		return false;
	place->type = type.name;
	place->language = type.language;
	place->evidence = type.evidence;
	place->type_word = word;
	return true;
}

static void try_task(const struct mf_places *places, struct mf_place *place)
{
	struct mf_type type;

	if (!mf_types_task_at(places->types, place->user, &type))
		return;
	place->type = type.name;
	place->language = type.language;
	place->evidence = type.evidence;
}

/* The object's own vtable, or that behind the counts of one that is shared; or
 * a task. */
void mf_place_read_type(const struct mf_places *places, struct mf_place *place)
{
	if (!places->types || place->kind != MF_PLACE_CHUNK ||
	    place->user_end - place->user < sizeof(uint64_t))
		return;
	if (!try_type(places, place->user, place) &&
	    place->user_end - place->user > SHARED)
		try_type(places, place->user + SHARED, place);
	if (!place->type)
		try_task(places, place);
}

void mf_place_find_symbol(const struct mf_places *places,
			  struct mf_place *place)
{
	const struct mf_frame_namer *namer = places->namer;
	struct mf_symbol symbol;

	if (namer && place->kind == MF_PLACE_STACK && place->tid)
		place->function = namer->name(namer->context, place->tid,
					      place->address, &place->frame);
	if (!places->image || !place->module ||
	    !mf_image_symbol_at(places->image, place->address, &symbol))
		return;
	place->symbol = symbol.name;
	place->symbol_start = symbol.address;
	place->symbol_size = symbol.size;
}

/* ---- as text --------------------------------------------------------------- */

static void print_distance(struct mf_buffer *text, const char *from,
			   int64_t distance)
{
	uint64_t size = distance < 0 ? -(uint64_t)distance : (uint64_t)distance;

	mf_buffer_printf(text, "%s%c%#llx", from, distance < 0 ? '-' : '+',
			 (unsigned long long)size);
}

static void print_offset(struct mf_buffer *text, uint64_t offset)
{
	if (offset)
		print_distance(text, "", (int64_t)offset);
}

static void print_thread(const struct mf_place *place, struct mf_buffer *text)
{
	bool is_tls = place->kind == MF_PLACE_TLS;

	mf_buffer_printf(text, "%s", is_tls ? "TLS" : "stack");
	if (place->tid)
		mf_buffer_printf(text, " of thread %d", place->tid);
	if (!place->has_distance)
		return;
	mf_buffer_printf(text, " at ");
	print_distance(text, is_tls ? "tp" : "sp", place->distance);
	if (place->function)
		mf_buffer_printf(text, ", in %s", place->function);
}

static void print_module(const struct mf_place *place, struct mf_buffer *text)
{
	const struct mf_region *region = place->region;

	if (place->symbol) {
		mf_buffer_printf(text, "%s:%s", place->module->name,
				 place->symbol);
		print_offset(text, place->address - place->symbol_start);
		return;
	}
	mf_buffer_printf(text, "%s %s",
			 place->module ? place->module->name : region->label,
			 mf_class_name(region->class));
	print_offset(text, place->address - region->start);
}

const char *mf_chunk_state_words(enum mf_chunk_kind kind)
{
	switch (kind) {
	case MF_KIND_IN_USE:
		return "in use";
	case MF_KIND_TCACHE:
		return "in a tcache";
	case MF_KIND_FASTBIN:
		return "in a fastbin";
	case MF_KIND_UNSORTED:
		return "free";
	default:
		return mf_heap_chunk_kind_name(kind);
	}
}

/* What malloc has made for a thread of its own accord. */
static void print_cache(const struct mf_place *place, struct mf_buffer *text)
{
	mf_buffer_printf(text, "%s's tcache table",
			 place->chunk.allocator->name);
	if (place->address >= place->user)
		print_offset(text, place->address - place->user);
	if (place->cache->tid)
		mf_buffer_printf(text, " of thread %d", place->cache->tid);
}

static void print_chunk(const struct mf_place *place, struct mf_buffer *text)
{
	bool in_use = place->kind == MF_PLACE_CHUNK ||
		      place->kind == MF_PLACE_ALLOCATOR;

	if (place->cache) {
		print_cache(place, text);
		return;
	}
	if (place->type)
		mf_buffer_printf(text, "%s at %#llx", place->type,
				 (unsigned long long)place->user);
	else
		mf_buffer_printf(text, "%schunk %#llx", in_use ? "" : "unused ",
				 (unsigned long long)place->user);
	if (place->address < place->user)
		mf_buffer_printf(text, " (header)");
	else
		print_offset(text, place->address - place->user);
}

static void print_memory(const struct mf_place *place, struct mf_buffer *text)
{
	const struct mf_region *region = place->region;

	mf_buffer_printf(text, "%s",
			 *region->label ? region->label
					: mf_class_name(region->class));
	print_offset(text, place->address - region->start);
}

void mf_place_print(const struct mf_place *place, struct mf_buffer *text)
{
	if (place->register_name)
		mf_buffer_printf(text, "%s of thread %d", place->register_name,
				 place->tid);
	else if (!place->region)
		mf_buffer_printf(text, "no memory");
	else if (place->in_chunk)
		print_chunk(place, text);
	else if (place->kind == MF_PLACE_STACK || place->kind == MF_PLACE_TLS)
		print_thread(place, text);
	else if (place->module)
		print_module(place, text);
	else
		print_memory(place, text);
}
