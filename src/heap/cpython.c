/*
 * CPython's object allocator in a process. Its arenas (256 KiB, 1 MiB from 3.10
 * on) are listed in an array of arena_object; a word of the interpreter's data
 * points at it. An arena is proved by its pools, whose headers hold the arena's
 * index in that array. What is larger than 512 bytes is malloc's, not ours.
 * Source: CPython 2.7 to 3.13, Objects/obmalloc.c, pycore_obmalloc.h.
 */
#include "heap/cpython.h"

#include <stdlib.h>

#include "heap/allocators.h"
#include "heap/cpython_pools.h"

enum {
	MOST_ARENAS = 1 << 20,
	MOST_CANDIDATES = 1 << 16,
	ARENA_INDEX = 32, /* offset in a pool's header: u32 */
	SIZE_INDEX = 36,  /* u32 */
	MOST_SIZE_INDEX = 64,
	ALWAYS_ASKED = 256, /* arenas whose pools are looked at; of more ... */
	ASKED_EVERY = 16,
};

/* One entry of the array. */
struct arena_object {
	uint64_t address;      /* 0: no arena */
	uint64_t pool_address; /* the next pool never used */
	uint32_t free_pools, total_pools;
	uint64_t free_list, next, previous;
};

struct geometry {
	uint64_t arena, pool;
};

static const struct geometry geometries[] = {
	{ 1 << 20, 16 << 10 }, /* from 3.10 on */
	{ 256 << 10, 4 << 10 },
};

/* ---- the array ------------------------------------------------------------------ */

static bool fits(struct mf_target *target, const struct arena_object *object,
		 const struct geometry *geometry)
{
	uint64_t pools = geometry->arena / geometry->pool;
	const struct mf_mapping *mapping;

	if (object->address % 4096 || object->address >> 57 ||
	    object->pool_address % geometry->pool ||
	    object->pool_address < object->address ||
	    object->pool_address > object->address + geometry->arena ||
	    object->free_pools > object->total_pools ||
	    object->total_pools !=
		    pools - (object->address % geometry->pool != 0))
		return false;
	mapping = mf_anon_at(target, object->address);
	return mapping && mapping->end >= object->address + geometry->arena;
}

/* The first pool of an arena that was ever used says the arena's index. */
static bool pool_agrees(struct mf_target *target,
			const struct arena_object *object, uint64_t index,
			const struct geometry *geometry)
{
	uint64_t pool = mf_align_down(object->address + geometry->pool - 1,
				      geometry->pool);
	uint32_t header[2];

	if (object->pool_address <= pool)
		return true; /* none was used yet */
	return mf_target_try_read(target, pool + ARENA_INDEX, header,
				  sizeof(header)) &&
	       header[0] == index &&
	       header[SIZE_INDEX / 4 - ARENA_INDEX / 4] < MOST_SIZE_INDEX;
}

/* Of very many arenas some are asked: each costs a read under the stop. */
static bool is_asked(uint64_t index)
{
	return index < ALWAYS_ASKED || index % ASKED_EVERY == 0;
}

/* A way through the array. */
struct cursor {
	struct mf_target *target;
	struct mf_reader *reader;
	uint64_t array, index;
	const struct geometry *geometry;
	unsigned last_unused; /* entries that end the list of unused ones */
};

/* Unused entries are in one list, which ends once. */
static bool is_unused(struct cursor *cursor, const struct arena_object *object)
{
	if (!object->next)
		return ++cursor->last_unused == 1;
	return object->next > cursor->array &&
	       (object->next - cursor->array) % sizeof(*object) == 0 &&
	       (object->next - cursor->array) / sizeof(*object) < MOST_ARENAS;
}

/* The next arena at or after the cursor; false at the array's end. */
static bool next_arena(struct cursor *cursor, struct arena_object *ret)
{
	for (; cursor->index < MOST_ARENAS; cursor->index++) {
		if (!mf_reader_read(cursor->reader,
				    cursor->array +
					    cursor->index * sizeof(*ret),
				    ret, sizeof(*ret)))
			return false;
		if (ret->address)
			return fits(cursor->target, ret, cursor->geometry) &&
			       (!is_asked(cursor->index) ||
				pool_agrees(cursor->target, ret, cursor->index,
					    cursor->geometry));
		if (!is_unused(cursor, ret))
			return false;
	}
	return false;
}

/* The geometry of the arenas in the array at ADDRESS, or NULL: it is none. */
static const struct geometry *array_geometry(struct mf_target *target,
					     uint64_t address)
{
	struct arena_object object;

	if (!mf_target_try_read(target, address, &object, sizeof(object)))
		return NULL;
	/* the first arena made is seldom given back */
	for (size_t i = 0; i < MF_ARRAY_SIZE(geometries); i++)
		if (object.address && object.pool_address != object.address &&
		    fits(target, &object, &geometries[i]) &&
		    pool_agrees(target, &object, 0, &geometries[i]))
			return &geometries[i];
	return NULL;
}

/* ---- words of the interpreter's data ------------------------------------------- */

/* Where the words stand that lead to everything else; 0: not found. */
struct places {
	uint64_t array, stack;
};

struct cpython {
	struct places places;
	uint64_t foreseen; /* bytes of arenas, before the stop */
	struct mf_cpython_pools pools;
};

struct search {
	struct mf_target *target;
	struct mf_range data;
	struct places places;
	unsigned candidates;
};

static bool may_be_array(struct search *search, uint64_t value)
{
	return value >= 0x10000 && value % 16 == 0 && value >> 57 == 0 &&
	       !mf_range_has(search->data, value) &&
	       mf_anon_at(search->target, value) &&
	       ++search->candidates <= MOST_CANDIDATES;
}

static bool search_words(void *data, const struct mf_words *words)
{
	struct search *search = data;
	struct places *places = &search->places;

	for (size_t i = 0; i < words->count; i++) {
		const uint64_t *word = &words->words[i];
		uint64_t address = words->address + i * sizeof(*word);

		if (!places->stack &&
		    words->count - i >= MF_CPYTHON_STACK_WORDS &&
		    mf_cpython_is_stack(search->target, word))
			places->stack = address;
		if (!places->array && may_be_array(search, *word) &&
		    array_geometry(search->target, *word))
			places->array = address;
	}
	return !places->array || !places->stack;
}

static struct places find_places(struct mf_target *target,
				 const struct mf_module *module)
{
	struct search search = {
		.target = target,
		.data = mf_module_data(module),
	};

	mf_scan_words(target, search.data, search_words, &search);
	return search.places;
}

/* Bytes of all arenas, as far as that is known while the process runs. */
static uint64_t count_bytes(struct mf_target *target,
			    const struct places *places)
{
	struct cursor cursor = { .target = target };
	struct arena_object object;
	uint64_t count = 0;

	if (!places->array ||
	    !mf_target_read_u64(target, places->array, &cursor.array))
		return 0;
	cursor.geometry = array_geometry(target, cursor.array);
	if (!cursor.geometry)
		return 0;
	cursor.reader = mf_reader_create(target);
	for (; next_arena(&cursor, &object); cursor.index++)
		count++;
	mf_reader_destroy(cursor.reader);
	return count * cursor.geometry->arena;
}

/* ---- claiming ----------------------------------------------------------------------- */

static void add_pools(struct mf_cpython_pools *pools, struct cursor *cursor,
		      const struct arena_object *object)
{
	mf_cpython_pools_add(pools, cursor->reader,
			     &(struct mf_cpython_entry){
				     .address = object->address,
				     .fresh = object->pool_address,
				     .index = (uint32_t)cursor->index,
				     .free_pools = object->free_pools,
				     .total_pools = object->total_pools,
			     });
}

/* POOLS: NULL when nobody asked for chunks. */
static uint64_t claim_arenas(struct mf_heap_context *context,
			     const struct mf_allocator_instance *instance,
			     struct cursor *cursor,
			     struct mf_cpython_pools *pools)
{
	struct arena_object object;
	uint64_t count = 0;

	if (pools) {
		pools->arena_size = cursor->geometry->arena;
		pools->pool_size = cursor->geometry->pool;
	}
	for (; next_arena(cursor, &object); cursor->index++, count++) {
		if (pools)
			add_pools(pools, cursor, &object);
		mf_instance_claim(
			context, instance,
			(struct mf_claim){
				.start = object.address,
				.end = object.address + cursor->geometry->arena,
				.class = MF_CLASS_PYTHON_ARENA,
				.certainty = MF_BY_STRUCTURE,
				.label = "python arenas",
				.proof = "in obmalloc's array, and its pools "
					 "say their place in it",
			});
	}
	return count;
}

/* What was found before the stop is asked again, at the same places. */
static const struct geometry *
settle_places(struct mf_target *target,
	      const struct mf_allocator_instance *instance,
	      struct places *places, uint64_t *array)
{
	const struct geometry *geometry;

	*places = ((const struct cpython *)instance->state)->places;
	for (unsigned attempt = 0; attempt < 2; attempt++) {
		geometry = places->array && mf_target_read_u64(target,
							       places->array,
							       array)
				   ? array_geometry(target, *array)
				   : NULL;
		if (geometry || attempt)
			break;
		*places = find_places(target, instance->module);
	}
	return geometry;
}

static void make_model(struct mf_heap_context *context,
		       struct mf_allocator_instance *instance,
		       struct mf_cpython_pools *pools)
{
	const char *why = mf_cpython_pools_settle(pools);

	if (why) {
		mf_instance_explain(context, instance, "%s", why);
		return;
	}
	instance->info.supported = true;
	instance->info.layout = "inferred";
	instance->info.why = "walked by its pools";
	mf_cpython_pools_count(pools, context, &instance->info);
}

static struct mf_error *claim(struct mf_heap_context *context,
			      struct mf_allocator_instance *instance)
{
	struct cpython *cpython = instance->state;
	struct mf_cpython_pools *pools =
		context->options->no_walk ? NULL : &cpython->pools;
	struct places places;
	struct cursor cursor = {
		.target = context->target,
		.reader = mf_reader_create(context->target),
	};

	cursor.geometry = settle_places(context->target, instance, &places,
					&cursor.array);
	if (cursor.geometry) {
		uint64_t count =
			claim_arenas(context, instance, &cursor, pools);
		const struct mf_parameter parameters[] = {
			{ "arenas", count },
			{ "arena_size", cursor.geometry->arena },
			{ "pool_size", cursor.geometry->pool },
			{ "data_stack_chunks",
			  mf_cpython_claim_stacks(context, instance,
						  places.stack) },
		};

		mf_instance_parameters(context, instance, parameters,
				       MF_ARRAY_SIZE(parameters));
		if (pools)
			make_model(context, instance, pools);
		mf_instance_explain(context, instance, "arenas: %llu",
				    (unsigned long long)count);
	} else {
		mf_cpython_claim_stacks(context, instance, places.stack);
		mf_instance_explain(context, instance,
				    "no arenas found: its objects come from "
				    "malloc, or no interpreter was started");
	}
	mf_reader_destroy(cursor.reader);
	return NULL;
}

static uint64_t foresee(const struct mf_allocator_instance *instance)
{
	return ((const struct cpython *)instance->state)->foreseen;
}

static bool each_chunk(const struct mf_allocator_instance *instance,
		       struct mf_chunk_range range, mf_chunk_visitor visit,
		       void *data)
{
	const struct cpython *cpython = instance->state;

	return mf_cpython_pools_each(&cpython->pools, &instance->info, range,
				     visit, data);
}

static void close_instance(struct mf_allocator_instance *instance)
{
	struct cpython *cpython = instance->state;

	if (cpython)
		mf_cpython_pools_deinit(&cpython->pools);
	free(cpython);
	instance->state = NULL;
}

/* ---- recognising ---------------------------------------------------------------------- */

static const char *const symbols[] = {
	"_PyRuntime", /* 3.7 on */
	"PyObject_Malloc",
	NULL,
};

static const struct mf_signature signature = { .symbols = symbols };

/* Py_Version (3.11 on) is 0x030b02f0 for 3.11.2; else the name says 3.9. */
static const char *find_version(struct mf_heap_context *context,
				const struct mf_module *module)
{
	uint64_t address, size;
	const char *digits;
	uint32_t number;

	if (mf_image_find_symbol(context->image, module, "Py_Version",
				 MF_SYMBOLS_EXPORTED, &address, &size) &&
	    mf_target_read_u32(context->target, address, &number) &&
	    number >> 24 == 3)
		return mf_pool_printf(context->pool, "%u.%u.%u", number >> 24,
				      number >> 16 & 0xff, number >> 8 & 0xff);
	digits = strstr(module->name, "python");
	return digits ? mf_version_in(context, digits, strlen(digits)) : "";
}

static const char *match(struct mf_heap_context *context,
			 const struct mf_module *module)
{
	return mf_signature_match(context, module, &signature);
}

static void added(struct mf_heap_context *context,
		  struct mf_allocator_instance *instance)
{
	struct cpython *cpython = mf_new(struct cpython);

	cpython->places = find_places(context->target, instance->module);
	cpython->foreseen = count_bytes(context->target, &cpython->places);
	instance->state = cpython;
	instance->info.version = find_version(context, instance->module);
}

const struct mf_allocator_ops mf_cpython_ops = {
	.name = "cpython",
	.match = match,
	.added = added,
	.claim = claim,
	.foresee = foresee,
	.each_chunk = each_chunk,
	.close = close_instance,
};
