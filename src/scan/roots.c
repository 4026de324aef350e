/*
 * Says of each region what it is to those who ask what is reachable, and of
 * stacks which part: live from the stack pointer on; of a thread that is gone
 * only what libc still needs of its descriptor; dead otherwise.
 */
#include "scan/roots.h"

#include <string.h>

#include "base/map.h"

enum {
	RED_ZONE = 128,
	WORD = 8,
	DESCRIPTOR_ALIGN = 64,
	DESCRIPTOR_ROOM = 16384, /* from a block's end down to its descriptor */
	TLS_SLACK = 512,	 /* what aligns the blocks of modules */
	PARTS_MAX = 64,		 /* of one stack, that perms divide */
};

const char *mf_root_kind_name(enum mf_root_kind kind)
{
	static const char *const names[MF_ROOT_GROUPS] = {
		[MF_ROOT_REGISTER] = "register", [MF_ROOT_STACK] = "stack",
		[MF_ROOT_TLS] = "tls",		 [MF_ROOT_MODULE] = "module",
		[MF_ROOT_SHARED] = "shared",	 [MF_ROOT_RUNTIME] = "runtime",
		[MF_ROOT_KERNEL] = "kernel",	 [MF_ROOT_UNREAD] = "unread",
		[MF_ROOT_NODES] = "node",	 [MF_ROOT_DEAD] = "dead",
	};

	return names[kind];
}

struct search {
	struct mf_target *target;
	const struct mf_heap *heap;
	const struct mf_roots_options *options;
	const struct mf_region *regions;
	size_t region_count;
	const struct mf_thread *threads;
	size_t thread_count;
	struct mf_map lowest;  /* of a region by its start: stack pointer */
	struct mf_map pointer; /* of a region by its start: thread pointer */
	bool divides_jemalloc;
	struct mf_roots *roots;
};

static void add(struct search *search, const struct mf_region *region,
		uint64_t start, enum mf_root_kind kind)
{
	struct mf_roots *roots = search->roots;
	uint64_t end = region->end;

	/* the last one goes as far as this one begins */
	if (roots->ranges.count &&
	    roots->ranges.items[roots->ranges.count - 1].end > start)
		roots->ranges.items[roots->ranges.count - 1].end = start;
	if (start < end)
		mf_vec_push(&roots->ranges, (struct mf_root_range){
						    .start = start,
						    .end = end,
						    .kind = kind,
						    .region = region,
					    });
}

/* ---- stacks ---------------------------------------------------------------- */

static bool is_stack(const struct mf_region *region)
{
	return region->class == MF_CLASS_STACK ||
	       region->class == MF_CLASS_THREAD_STACK;
}

static const struct mf_region *stack_at(const struct search *search,
					uint64_t address)
{
	size_t first = 0, count = search->region_count;
	const struct mf_region *region;

	if (!address || !count)
		return NULL;
	while (count > 1) {
		size_t half = count / 2;

		if (search->regions[first + half].start <= address)
			first += half;
		count -= half;
	}
	region = &search->regions[first];
	return address >= region->start && address < region->end &&
			       is_stack(region)
		       ? region
		       : NULL;
}

/* A stack that two threads stand on is in use from the lower one on. */
static void note_lowest(struct mf_map *map, const struct mf_region *region,
			uint64_t address)
{
	const uint64_t *lowest;

	if (!region)
		return;
	lowest = mf_map_get(map, region->start);
	if (!lowest || *lowest > address)
		mf_map_set(map, region->start, address);
}

static void note_threads(struct search *search)
{
	search->threads =
		mf_target_threads(search->target, &search->thread_count);
	for (size_t i = 0; i < search->thread_count; i++) {
		const struct mf_thread *thread = &search->threads[i];

		note_lowest(&search->lowest, stack_at(search, thread->sp),
			    thread->sp);
		note_lowest(&search->pointer, stack_at(search, thread->tp),
			    thread->tp);
		search->roots->blind += !thread->registers_known;
	}
}

/* Where the descriptor of a thread that is gone begins, at the end of REGION;
 * it points to itself. Its end, if there is none. */
static uint64_t find_descriptor(const struct search *search,
				const struct mf_region *region)
{
	uint64_t room =
		MF_MIN(region->end - region->start, (uint64_t)DESCRIPTOR_ROOM);
	uint64_t at = region->end - room;

	if (mf_target_info(search->target)->tls_above)
		return at;
	for (at += -at % DESCRIPTOR_ALIGN; at < region->end;
	     at += DESCRIPTOR_ALIGN) {
		uint64_t words[3];

		if (mf_target_try_read(search->target, at, words,
				       sizeof(words)) &&
		    words[0] == at && words[2] == at)
			return at;
	}
	return region->end;
}

static bool is_cached(const struct mf_region *region)
{
	return strncmp(region->label, "cached", strlen("cached")) == 0;
}

/* A part of a stack under a part that a thread stands in. */
static bool is_below_sp(const struct search *search,
			const struct mf_region *region)
{
	size_t left = search->region_count - (size_t)(region - search->regions);
	const struct mf_region *end = region + MF_MIN(left, (size_t)PARTS_MAX);

	for (const struct mf_region *above = region + 1;
	     above < end && above->start == above[-1].end &&
	     !strcmp(above->label, region->label);
	     above++)
		if (mf_map_has(&search->lowest, above->start))
			return true;
	return false;
}

static void add_live(struct search *search, const struct mf_region *region,
		     uint64_t sp)
{
	uint64_t below = MF_MIN(sp - region->start, (uint64_t)RED_ZONE);
	uint64_t live = (sp - below) / WORD * WORD;
	const uint64_t *tp = mf_map_get(&search->pointer, region->start);
	uint64_t tls = search->options->static_tls + TLS_SLACK;

	if (search->options->dead)
		add(search, region, region->start, MF_ROOT_DEAD);
	add(search, region, live, MF_ROOT_STACK);
	if (!tp)
		return;
	tls = mf_target_info(search->target)->tls_above
		      ? 0
		      : MF_MIN(tls, *tp - region->start);
	if (*tp - tls > live)
		add(search, region, (*tp - tls) / WORD * WORD, MF_ROOT_TLS);
}

static void add_stack(struct search *search, const struct mf_region *region)
{
	const uint64_t *sp = mf_map_get(&search->lowest, region->start);
	bool cached = is_cached(region);

	if (sp) {
		add_live(search, region, *sp);
		return;
	}
	/* nobody knows where its thread stands: all of it may be in use */
	if (!cached && !is_below_sp(search, region)) {
		add(search, region, region->start, MF_ROOT_STACK);
		return;
	}
	if (search->options->dead)
		add(search, region, region->start, MF_ROOT_DEAD);
	if (cached)
		add(search, region, find_descriptor(search, region),
		    MF_ROOT_TLS);
}

/* ---- heaps ----------------------------------------------------------------- */

static bool see_any(const struct mf_chunk *chunk, void *data)
{
	(void)chunk;
	*(bool *)data = true;
	return false;
}

static bool has_chunks(const struct search *search,
		       const struct mf_region *region)
{
	bool any = false;

	if (search->heap)
		mf_heap_each_chunk(search->heap, region->start, region->end,
				   see_any, &any);
	return any;
}

/* jemalloc's own structures point to all that it has: where its chunks are
 * known, what else it has is no root. */
static bool knows_jemalloc(const struct mf_heap *heap)
{
	size_t known = 0;

	mf_heap_foreach_allocator(allocator, heap) {
		if (strcmp(allocator->name, "jemalloc") != 0)
			continue;
		if (!allocator->supported)
			return false;
		known++;
	}
	return known != 0;
}

static void add_heap(struct search *search, const struct mf_region *region)
{
	if (has_chunks(search, region)) {
		add(search, region, region->start, MF_ROOT_NODES);
		return;
	}
	if (region->class == MF_CLASS_JEMALLOC && search->divides_jemalloc)
		return;
	search->roots->undivided += region->end - region->start;
	add(search, region, region->start, MF_ROOT_RUNTIME);
}

/* ---- regions --------------------------------------------------------------- */

static bool is_written(const struct mf_region *region)
{
	return region->mapping->perms & MF_PERM_WRITE;
}

/* It has pages of its own, though they are not to be written to any more. */
static bool was_written(const struct mf_region *region)
{
	return is_written(region) ||
	       (region->usage_known && region->usage.anon);
}

/* What was mapped at once and protected in parts is one: a word to one part is
 * all that a program needs to find the others. */
static bool is_part(const struct search *search, const struct mf_region *region)
{
	const struct mf_roots *roots = search->roots;
	const struct mf_mapping *below;

	if (!roots->mappings.count ||
	    roots->mappings.items[roots->mappings.count - 1].end !=
		    region->start)
		return false;
	below = region[-1].mapping;
	return below->perms != region->mapping->perms &&
	       !strcmp(below->path, region->mapping->path);
}

static void add_mapping(struct search *search, const struct mf_region *region)
{
	struct mf_roots *roots = search->roots;

	add(search, region, region->start, MF_ROOT_NODES);
	if (is_part(search, region)) {
		roots->mappings.items[roots->mappings.count - 1].end =
			region->end;
		return;
	}
	mf_vec_push(&roots->mappings,
		    (struct mf_graph_mapping){ region->start, region->end });
}

static void add_if(struct search *search, const struct mf_region *region,
		   bool is_wanted, enum mf_root_kind kind)
{
	if (is_wanted)
		add(search, region, region->start, kind);
}

/* Devices, and what belongs to the kernel: not read. */
static void skip_device(struct search *search, const struct mf_region *region)
{
	search->roots->has_rings |= region->class == MF_CLASS_IO_URING;
	if (is_written(region))
		search->roots->devices += region->end - region->start;
}

static void add_other(struct search *search, const struct mf_region *region)
{
	bool shared = region->mapping->perms & MF_PERM_SHARED;

	switch (region->class) {
	case MF_CLASS_TEXT:
	case MF_CLASS_VDSO:
		add_if(search, region, is_written(region), MF_ROOT_MODULE);
		return;
	case MF_CLASS_RODATA:
		add_if(search, region,
		       was_written(region) || !region->usage_known,
		       MF_ROOT_MODULE);
		return;
	case MF_CLASS_DATA:
	case MF_CLASS_BSS:
	case MF_CLASS_ELF_GAP:
		add(search, region, region->start, MF_ROOT_MODULE);
		return;
	case MF_CLASS_TLS:
		add(search, region, region->start, MF_ROOT_TLS);
		return;
	case MF_CLASS_FILE:
	case MF_CLASS_SHARED:
	case MF_CLASS_MEMFD:
		add_if(search, region, was_written(region), MF_ROOT_SHARED);
		return;
	case MF_CLASS_ANON:
	case MF_CLASS_HUGETLB:
		if (shared)
			add(search, region, region->start, MF_ROOT_SHARED);
		else
			add_mapping(search, region);
		return;
	default:
		add_heap(search, region);
	}
}

static void add_region(struct search *search, const struct mf_region *region)
{
	if (!(region->mapping->perms & MF_PERM_READ))
		return;
	switch (region->class) {
	case MF_CLASS_GUARD:
	case MF_CLASS_RESERVE:
	case MF_CLASS_ARENA_RESERVE:
	case MF_CLASS_VVAR:
	case MF_CLASS_VSYSCALL:
		return;
	case MF_CLASS_DEVICE:
	case MF_CLASS_IO_URING:
		skip_device(search, region);
		return;
	case MF_CLASS_STACK:
	case MF_CLASS_THREAD_STACK:
		add_stack(search, region);
		return;
	default:
		add_other(search, region);
	}
}

/* ---- words ----------------------------------------------------------------- */

static void add_registers(struct search *search)
{
	for (size_t i = 0; i < search->thread_count; i++) {
		const struct mf_thread *thread = &search->threads[i];
		const char *name;

		if (!thread->registers_known)
			continue;
		for (size_t k = 0; (name = mf_target_register_name(k)); k++)
			mf_vec_push(&search->roots->words,
				    (struct mf_root_word){
					    .kind = MF_ROOT_REGISTER,
					    .value = thread->general[k],
					    .tid = thread->tid,
					    .holder = name,
				    });
	}
}

static void add_kernel_word(const char *holder, uint64_t value, void *data)
{
	struct mf_roots *roots = data;

	mf_vec_push(&roots->words, (struct mf_root_word){
					   .kind = MF_ROOT_KERNEL,
					   .value = value,
					   .holder = holder,
				   });
}

/* ---- all of it ------------------------------------------------------------- */

static void make_scanned(struct mf_roots *roots)
{
	for (int i = 0; i < MF_ROOT_GROUPS; i++)
		roots->groups[i].label = mf_root_kind_name(i);
	mf_vec_foreach(range, &roots->ranges)
		mf_vec_push(&roots->scanned, (struct mf_scan_range){
						     range->start,
						     range->end,
						     (uint32_t)range->kind,
					     });
}

void mf_roots_find(struct mf_target *target, const struct mf_space *space,
		   const struct mf_heap *heap,
		   const struct mf_roots_options *options, struct mf_roots *ret)
{
	struct search search = {
		.target = target,
		.heap = heap,
		.options = options,
		.divides_jemalloc = knows_jemalloc(heap),
		.roots = ret,
	};

	*ret = (struct mf_roots){ 0 };
	search.regions = mf_space_regions(space, &search.region_count);
	note_threads(&search);
	for (size_t i = 0; i < search.region_count; i++)
		add_region(&search, &search.regions[i]);
	add_registers(&search);
	mf_target_each_kernel_word(target, add_kernel_word, ret);
	make_scanned(ret);
	mf_map_deinit(&search.lowest);
	mf_map_deinit(&search.pointer);
}

void mf_roots_deinit(struct mf_roots *roots)
{
	mf_vec_deinit(&roots->ranges);
	mf_vec_deinit(&roots->words);
	mf_vec_deinit(&roots->mappings);
	mf_vec_deinit(&roots->scanned);
}

const struct mf_root_range *mf_roots_at(const struct mf_roots *roots,
					uint64_t address)
{
	size_t first = 0, count = roots->ranges.count;
	const struct mf_root_range *range;

	if (!count)
		return NULL;
	while (count > 1) {
		size_t half = count / 2;

		if (roots->ranges.items[first + half].start <= address)
			first += half;
		count -= half;
	}
	range = &roots->ranges.items[first];
	return address >= range->start && address < range->end ? range : NULL;
}

enum mf_root_kind mf_roots_kind_at(const struct mf_roots *roots, uint64_t slot)
{
	const struct mf_root_range *range = mf_roots_at(roots, slot);

	if (!range)
		return MF_ROOT_NODES;
	return range->kind == MF_ROOT_NODES ? MF_ROOT_UNREAD : range->kind;
}
