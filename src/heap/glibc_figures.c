/*
 * Makes the door's figures: goes once over each segment's log, joined with the
 * marks of its links, and adds up chunks by state, size, bin and page.
 */
#include <stdlib.h>

#include "heap/glibc_trim.h"

enum {
	SIZE_CLASSES = 256,
	CLASSES_PER_DOUBLING = 4,
	PINNERS_KEPT = 8,
	BINS_KEPT = MF_GLIBC_FASTBINS + MF_GLIBC_BINS,
	RANGES_KEPT = 1 << 20, /* of all arenas: 16 MiB */
};

/* Chunks in use, side by side, between two runs of free memory. */
struct group {
	uint64_t start, bytes;
};

struct accumulator {
	struct mf_glibc *glibc;
	struct mf_glibc_arena *arena;
	struct mf_glibc_segment *segment;
	struct mf_arena_figures *figures;
	struct mf_size_class classes[SIZE_CLASSES];
	struct mf_bin bins[BINS_KEPT];
	struct mf_pinner pinners[PINNERS_KEPT];
	size_t pinner_count;
	struct mf_glibc_run run, previous_run; /* open, and the one before */
	struct group group;		       /* between them */
	struct mf_glibc_ranges *ranges;	       /* NULL: not asked for */
};

/* ---- sizes and bins ------------------------------------------------------- */

/* Four classes a doubling: 16 granules and up share their upper three bits. */
static unsigned size_class(uint64_t size)
{
	uint64_t granules = size / MF_GRANULE;
	unsigned high = 63 - (unsigned)__builtin_clzll(granules | 1);

	if (granules < CLASSES_PER_DOUBLING * 2)
		return (unsigned)granules;
	return (high - 1) * CLASSES_PER_DOUBLING +
	       (unsigned)(granules >> (high - 2) & 3);
}

static void add_amount(struct mf_amount *amount, uint64_t size)
{
	amount->count++;
	amount->bytes += size;
}

static void add_to_class(struct accumulator *sum, uint64_t size, bool in_use)
{
	struct mf_size_class *class = &sum->classes[size_class(size)];

	if (!class->min || size < class->min)
		class->min = size;
	class->max = MF_MAX(class->max, size);
	add_amount(in_use ? &class->in_use : &class->free, size);
}

static void add_to_bin(struct accumulator *sum, enum mf_chunk_kind kind,
		       uint64_t size)
{
	unsigned index = mf_glibc_bin_index(size);
	struct mf_bin *bin;

	if (kind == MF_KIND_FASTBIN) {
		index = (unsigned)(size / MF_GRANULE - 2);
		if (index >= MF_GLIBC_FASTBINS)
			return;
		bin = &sum->bins[index];
		bin->kind = MF_BIN_FAST;
	} else {
		if (kind == MF_KIND_UNSORTED)
			index = 1;
		bin = &sum->bins[MF_GLIBC_FASTBINS + index];
		bin->kind = index == 1	  ? MF_BIN_UNSORTED
			    : index <= 63 ? MF_BIN_SMALL
					  : MF_BIN_LARGE;
	}
	bin->index = index;
	add_amount(&bin->amount, size);
}

/* ---- runs of free memory --------------------------------------------------- */

/* PAGES would go back if the group were free; its own bytes are none that it
 * pins. */
static void keep_pinner(struct accumulator *sum, uint64_t pages)
{
	uint64_t bytes = pages * sum->glibc->page_size;
	uint64_t own = MF_MIN(bytes, sum->group.bytes);
	struct mf_pinner pinner = {
		.address = sum->group.start,
		.size = sum->group.bytes,
		.pinned_bytes = bytes - own,
	};
	size_t at = sum->pinner_count;

	if (!pinner.pinned_bytes)
		return;
	if (at == PINNERS_KEPT) {
		if (sum->pinners[at - 1].pinned_bytes >= pinner.pinned_bytes)
			return;
		at--;
	} else {
		sum->pinner_count++;
	}
	for (; at && sum->pinners[at - 1].pinned_bytes < pinner.pinned_bytes;
	     at--)
		sum->pinners[at] = sum->pinners[at - 1];
	sum->pinners[at] = pinner;
}

/* A run has ended: what trim makes of it, and who keeps it from the one
 * before. IS_TOP: it is, or has become, the main arena's top. */
static void close_run(struct accumulator *sum, bool is_top)
{
	struct mf_glibc *glibc = sum->glibc;
	struct mf_glibc_run run = sum->run;
	struct mf_arena_figures *figures = sum->figures;
	uint64_t pages;

	sum->run = (struct mf_glibc_run){ 0, 0 };
	if (run.start == run.end)
		return;
	if (sum->previous_run.start != sum->previous_run.end)
		keep_pinner(sum, mf_glibc_trim_gain(glibc, sum->segment,
						    &sum->previous_run, &run,
						    is_top));
	sum->previous_run = run;
	sum->group = (struct group){ 0, 0 };
	pages = is_top ? mf_glibc_trim_top(glibc, sum->segment, &run,
					   sum->ranges)
		       : mf_glibc_trim_run(glibc, sum->segment, &run,
					   sum->ranges);
	figures->trimmable_pages += pages;
	figures->trimmable_bytes += pages * glibc->page_size;
	sum->segment->figures.trimmable += pages * glibc->page_size;
	if (!is_top)
		figures->pinned_bytes += mf_glibc_residence(glibc, sum->segment,
							    run.start, run.end)
						 .resident -
					 pages * glibc->page_size;
}

/* Chunks of fast bins merge into runs, as malloc_trim consolidates them. */
static void extend_run(struct accumulator *sum, uint64_t address, uint64_t size)
{
	if (sum->run.start == sum->run.end)
		sum->run.start = address;
	sum->run.end = address + size;
}

static void extend_group(struct accumulator *sum, uint64_t address,
			 uint64_t size)
{
	close_run(sum, false);
	if (!sum->group.bytes)
		sum->group.start = address;
	sum->group.bytes += size;
}

/* ---- chunks -------------------------------------------------------------------- */

static void add_free(struct accumulator *sum, enum mf_chunk_kind kind,
		     uint64_t address, uint64_t size)
{
	struct mf_free_amount *amount = &sum->figures->free;
	struct mf_glibc_residence where = mf_glibc_residence(
		sum->glibc, sum->segment, address, address + size);

	amount->count++;
	amount->bytes += size;
	amount->resident += where.resident;
	amount->swapped += where.swapped;
	amount->already_returned += where.absent;
	add_amount(&sum->segment->figures.free, size);
	sum->figures->largest_free = MF_MAX(sum->figures->largest_free, size);
	add_to_bin(sum, kind, size);
	add_to_class(sum, size, false);
	extend_run(sum, address, size);
}

static void add_top(struct accumulator *sum, uint64_t address, uint64_t size)
{
	struct mf_arena_figures *figures = sum->figures;

	add_amount(&figures->top, size);
	figures->top_resident += mf_glibc_residence(sum->glibc, sum->segment,
						    address, address + size)
					 .resident;
	figures->largest_free = MF_MAX(figures->largest_free, size);
	add_to_class(sum, size, false);
	if (sum->arena->main) {
		extend_run(sum, address, size);
		close_run(sum, true);
	} else {
		/* A run before another arena's top becomes top: not trimmed. */
		sum->run = (struct mf_glibc_run){ 0, 0 };
	}
}

static void add_chunk(struct accumulator *sum, enum mf_chunk_kind kind,
		      uint64_t address, uint64_t size)
{
	switch (kind) {
	case MF_KIND_IN_USE:
		add_amount(&sum->figures->in_use, size);
		add_amount(&sum->segment->figures.in_use, size);
		add_to_class(sum, size, true);
		extend_group(sum, address, size);
		break;
	case MF_KIND_TCACHE:
		add_amount(&sum->figures->tcache, size);
		add_to_class(sum, size, false);
		extend_group(sum, address, size);
		break;
	case MF_KIND_FASTBIN:
		add_amount(&sum->figures->fastbin, size);
		add_to_bin(sum, kind, size);
		add_to_class(sum, size, false);
		extend_run(sum, address, size);
		break;
	case MF_KIND_FREE:
	case MF_KIND_UNSORTED:
		add_free(sum, kind, address, size);
		break;
	case MF_KIND_TOP:
		add_top(sum, address, size);
		break;
	case MF_KIND_OVERHEAD:
		sum->figures->overhead += size;
		close_run(sum, false);
		sum->previous_run = sum->run;
		break;
	case MF_KIND_UNREAD:
		sum->figures->unread += size;
		close_run(sum, false);
		sum->previous_run = sum->run;
		break;
	case MF_KIND_MMAPPED: /* in no segment */
	case MF_KINDS:
		break;
	}
}

/* ---- segments -------------------------------------------------------------------- */

static uint64_t segment_resident(const struct mf_glibc *glibc,
				 const struct mf_glibc_segment *segment)
{
	return mf_glibc_residence(glibc, segment, segment->memory_start,
				  segment->memory_start +
					  segment->page_count *
						  (uint64_t)glibc->page_size)
		.resident;
}

static void add_segment(struct accumulator *sum,
			struct mf_glibc_segment *segment)
{
	struct mf_glibc_cursor cursor = mf_glibc_cursor(segment);
	struct mf_glibc_chunk chunk;

	sum->segment = segment;
	sum->run = sum->previous_run = (struct mf_glibc_run){ 0, 0 };
	sum->group = (struct group){ 0, 0 };
	sum->figures->overhead += segment->start - segment->base;
	while (mf_glibc_next_chunk(&cursor, &chunk))
		add_chunk(sum, chunk.kind, chunk.address, chunk.size);
	close_run(sum, false);
	segment->figures.start = segment->memory_start;
	segment->figures.committed =
		segment->committed_end - segment->memory_start;
	segment->figures.reserved =
		segment->reserved_end - segment->committed_end;
	segment->figures.resident = segment_resident(sum->glibc, segment);
	sum->figures->resident += segment->figures.resident;
}

/* ---- arenas ------------------------------------------------------------------------- */

static void *copy(struct mf_pool *pool, const void *items, size_t size)
{
	void *to = mf_pool_alloc(pool, size ? size : 1);

	if (size)
		memcpy(to, items, size);
	return to;
}

static void publish_tables(struct accumulator *sum, struct mf_arena *info)
{
	struct mf_pool *pool = sum->glibc->context->pool;
	size_t classes = 0, bins = 0;

	for (size_t i = 0; i < SIZE_CLASSES; i++)
		if (sum->classes[i].in_use.count || sum->classes[i].free.count)
			sum->classes[classes++] = sum->classes[i];
	for (size_t i = 0; i < BINS_KEPT; i++)
		if (sum->bins[i].amount.count)
			sum->bins[bins++] = sum->bins[i];
	info->histogram =
		copy(pool, sum->classes, classes * sizeof(*sum->classes));
	info->histogram_count = classes;
	info->bins = copy(pool, sum->bins, bins * sizeof(*sum->bins));
	info->bin_count = bins;
	info->pinners = copy(pool, sum->pinners,
			     sum->pinner_count * sizeof(*sum->pinners));
	info->pinner_count = sum->pinner_count;
}

static void publish_ranges(struct accumulator *sum, struct mf_arena *info)
{
	struct mf_glibc_ranges *ranges = sum->ranges;

	if (!ranges)
		return;
	info->trim_ranges =
		copy(sum->glibc->context->pool, ranges->items.items,
		     ranges->items.count * sizeof(*ranges->items.items));
	info->trim_range_count = ranges->items.count;
	ranges->items.count = 0;
}

static void publish_heaps(struct mf_glibc *glibc,
			  const struct mf_glibc_arena *arena,
			  struct mf_arena *info)
{
	size_t count = arena->segment_count, next = arena->first_segment;
	struct mf_arena_heap *heaps = mf_pool_alloc(
		glibc->context->pool, (count ? count : 1) * sizeof(*heaps));
	const struct mf_glibc_segment *segment;

	while ((segment = mf_glibc_segment_numbered(glibc, next))) {
		heaps[info->heap_count++] = segment->figures;
		next = segment->next;
	}
	info->heaps = heaps;
}

/* What is caught in the middle of a change is no damage. */
static void publish_corruption(const struct mf_glibc *glibc,
			       const struct mf_glibc_arena *arena,
			       struct mf_arena *info)
{
	struct mf_corruption *rows;

	info->in_flight = arena->corrupt_count || arena->changed;
	info->consistency = glibc->ran ? MF_RACY : MF_EXACT;
	if (info->in_flight && !mf_glibc_is_caught(glibc, arena)) {
		info->in_flight = false;
		info->consistency = MF_DAMAGED;
	} else if (info->in_flight || info->locked) {
		info->consistency = MF_IN_FLIGHT;
	}
	if (info->consistency != MF_DAMAGED || !arena->corrupt.count)
		return;
	rows = mf_pool_alloc(glibc->context->pool,
			     arena->corrupt.count * sizeof(*rows));
	memcpy(rows, arena->corrupt.items,
	       arena->corrupt.count * sizeof(*rows));
	info->corrupt = rows;
	info->corrupt_count = arena->corrupt.count;
}

/* The figures add up to system_mem; what is missing was not read. */
static void settle(struct mf_glibc_arena *arena,
		   struct mf_arena_figures *figures)
{
	uint64_t sum = figures->in_use.bytes + figures->tcache.bytes +
		       figures->fastbin.bytes + figures->free.bytes +
		       figures->top.bytes + figures->overhead + figures->unread;

	figures->system = arena->lies ? sum : arena->system_mem;
	figures->max_system = arena->lies ? sum : arena->max_system_mem;
	if (sum == figures->system)
		return;
	arena->changed = true;
	if (sum < figures->system)
		figures->unread += figures->system - sum;
	else
		figures->system = sum;
}

static void make_arena(struct mf_glibc *glibc, struct mf_glibc_arena *arena,
		       struct mf_glibc_ranges *ranges, struct mf_arena *info)
{
	mf_auto_free struct accumulator *sum = mf_new(struct accumulator);
	struct mf_glibc_segment *segment;
	size_t next = arena->first_segment;

	*info = (struct mf_arena){
		.index = arena->index,
		.address = arena->address,
		.main = arena->main,
		.locked = arena->mutex == 1 || arena->mutex == 2,
		.attached_threads = arena->attached_threads,
		.threads = arena->threads.items,
		.thread_count = arena->threads.count,
	};
	sum->glibc = glibc;
	sum->arena = arena;
	sum->ranges = ranges;
	sum->figures = &info->figures;
	while ((segment = mf_glibc_segment_numbered(glibc, next))) {
		add_segment(sum, segment);
		next = segment->next;
	}
	settle(arena, &info->figures);
	publish_tables(sum, info);
	publish_ranges(sum, info);
	publish_heaps(glibc, arena, info);
	publish_corruption(glibc, arena, info);
}

/* ---- all of them ----------------------------------------------------------------------- */

static void add_amounts(struct mf_amount *to, const struct mf_amount *from)
{
	to->count += from->count;
	to->bytes += from->bytes;
}

static void add_figures(struct mf_arena_figures *to,
			const struct mf_arena_figures *from)
{
	to->system += from->system;
	to->max_system += from->max_system;
	to->resident += from->resident;
	add_amounts(&to->in_use, &from->in_use);
	add_amounts(&to->tcache, &from->tcache);
	add_amounts(&to->fastbin, &from->fastbin);
	add_amounts(&to->top, &from->top);
	to->free.count += from->free.count;
	to->free.bytes += from->free.bytes;
	to->free.resident += from->free.resident;
	to->free.swapped += from->free.swapped;
	to->free.already_returned += from->free.already_returned;
	to->overhead += from->overhead;
	to->unread += from->unread;
	to->trimmable_bytes += from->trimmable_bytes;
	to->trimmable_pages += from->trimmable_pages;
	to->largest_free = MF_MAX(to->largest_free, from->largest_free);
	to->pinned_bytes += from->pinned_bytes;
	to->top_resident += from->top_resident;
}

static void publish_parameters(struct mf_glibc *glibc,
			       struct mf_allocator *info)
{
	const struct mf_glibc_parameters *from = &glibc->parameters;
	const struct mf_parameter all[] = {
		{ "mmap_threshold", from->mmap_threshold },
		{ "mmap_threshold_dynamic", from->no_dyn_threshold == UINT64_MAX
						    ? UINT64_MAX
						    : !from->no_dyn_threshold },
		{ "trim_threshold", from->trim_threshold },
		{ "top_pad", from->top_pad },
		{ "arena_max", from->arena_max },
		{ "arena_test", from->arena_test },
		{ "n_mmaps_max", from->n_mmaps_max },
		{ "tcache_count", from->tcache_count },
		{ "tcache_max_bytes", from->tcache_max_bytes },
		{ "thp_pagesize", from->thp_pagesize },
		{ "hp_pagesize", from->hp_pagesize },
	};
	struct mf_parameter *to =
		mf_pool_alloc(glibc->context->pool, sizeof(all));

	for (size_t i = 0; i < MF_ARRAY_SIZE(all); i++)
		if (all[i].value != UINT64_MAX)
			to[info->parameter_count++] = all[i];
	info->parameters = to;
}

static void note_cut_ranges(const struct mf_glibc *glibc,
			    const struct mf_glibc_ranges *ranges)
{
	if (ranges->cut)
		mf_target_note_partial(glibc->target, "trim ranges",
				       "only the first %d are listed",
				       RANGES_KEPT);
}

void mf_glibc_make_figures(struct mf_glibc *glibc, struct mf_allocator *info)
{
	struct mf_glibc_ranges ranges = { .room = RANGES_KEPT };
	bool listed = glibc->context->options->trim_ranges;
	size_t count = glibc->arenas.count;
	struct mf_arena *arenas = mf_pool_alloc(
		glibc->context->pool, (count ? count : 1) * sizeof(*arenas));

	info->figures = (struct mf_arena_figures){ 0 };
	info->consistency = glibc->ran ? MF_RACY : MF_EXACT;
	info->parameter_count = 0;
	for (size_t i = 0; i < count; i++) {
		make_arena(glibc, &glibc->arenas.items[i],
			   listed ? &ranges : NULL, &arenas[i]);
		add_figures(&info->figures, &arenas[i].figures);
		info->consistency =
			MF_MAX(info->consistency, arenas[i].consistency);
	}
	info->arenas = arenas;
	info->arena_count = count;
	info->mmapped = glibc->mmapped;
	info->mmapped_mapped = glibc->mmapped_mapped;
	info->mmapped_resident = glibc->mmapped_resident;
	publish_parameters(glibc, info);
	note_cut_ranges(glibc, &ranges);
	mf_vec_deinit(&ranges.items);
}
