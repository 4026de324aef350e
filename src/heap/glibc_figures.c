/*
 * Makes the door's figures of the tallies: each arena's, and those over all.
 */
#include <stdlib.h>

#include "heap/glibc_tally.h"

enum {
	RANGES_KEPT = 1 << 20, /* of all arenas: 16 MiB */
	NAMES_MOST = 1024,     /* pinners that are looked at */
	FASTBINS_OLD = 8,      /* their place up to glibc 2.26 */
	CORRUPTION = 4,	       /* malloc_state.flags, glibc 2.22 to 2.26 */
};

/* ---- arenas ------------------------------------------------------------------------- */

static void *copy(struct mf_pool *pool, const void *items, size_t size)
{
	void *to = mf_pool_alloc(pool, size ? size : 1);

	if (size)
		memcpy(to, items, size);
	return to;
}

static void publish_tables(struct mf_glibc_tally *sum, struct mf_arena *info)
{
	struct mf_pool *pool = sum->glibc->context->pool;
	size_t classes = 0, bins = 0;

	for (size_t i = 0; i < MF_SIZE_CLASSES; i++)
		if (sum->classes[i].in_use.count || sum->classes[i].free.count)
			sum->classes[classes++] = sum->classes[i];
	for (size_t i = 0; i < MF_GLIBC_BINS_KEPT; i++)
		if (sum->bins[i].amount.count)
			sum->bins[bins++] = sum->bins[i];
	info->histogram =
		copy(pool, sum->classes, classes * sizeof(*sum->classes));
	info->histogram_count = classes;
	info->bins = copy(pool, sum->bins, bins * sizeof(*sum->bins));
	info->bin_count = bins;
	info->pinners =
		mf_glibc_pinners_publish(sum->glibc, &sum->search.arena);
	info->pinner_count = sum->search.arena.count;
	info->top_pinners = sum->top_pinners;
	info->top_pinner_count = sum->top_pinner_count;
}

static void publish_ranges(struct mf_glibc_tally *sum, struct mf_arena *info)
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
static void publish_corruption(struct mf_glibc *glibc,
			       struct mf_glibc_arena *arena,
			       struct mf_arena *info)
{
	info->in_flight = arena->damage_count || arena->changed ||
			  mf_glibc_may_consolidate(glibc, arena);
	info->consistency = glibc->ran ? MF_RACY : MF_EXACT;
	if (info->in_flight && !mf_glibc_is_caught(glibc, arena)) {
		info->in_flight = false;
		info->consistency = MF_DAMAGED;
	} else if (info->in_flight || info->locked) {
		info->consistency = MF_IN_FLIGHT;
	}
	if (info->consistency != MF_DAMAGED || !arena->damage.count)
		return;
	mf_glibc_publish_damage(glibc, arena, info);
}

/* The figures add up to system_mem; what is missing was not read. */
static void settle(struct mf_glibc *glibc, struct mf_glibc_arena *arena,
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
	if (!mf_glibc_is_caught(glibc, arena))
		mf_target_note_partial(
			glibc->target, "glibc arenas",
			"of arena %u %llu bytes were found, its system_mem is "
			"%llu",
			arena->index, (unsigned long long)sum,
			(unsigned long long)figures->system);
	if (sum < figures->system)
		figures->unread += figures->system - sum;
	else
		figures->system = sum;
}

/* Only those glibcs have fast bins right behind the flags. */
static bool is_skipped(const struct mf_glibc *glibc,
		       const struct mf_glibc_arena *arena)
{
	return glibc->layout->fastbins == FASTBINS_OLD &&
	       arena->flags & CORRUPTION;
}

static void make_arena(struct mf_glibc *glibc, struct mf_glibc_arena *arena,
		       struct mf_glibc_ranges *ranges, struct mf_arena *info)
{
	mf_auto_free struct mf_glibc_tally *sum = mf_new(struct mf_glibc_tally);
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
	sum->skipped = is_skipped(glibc, arena);
	sum->search.glibc = glibc;
	sum->search.arena.room = MF_GLIBC_PINNERS;
	sum->figures = &info->figures;
	while ((segment = mf_glibc_segment_numbered(glibc, next))) {
		mf_glibc_tally_segment(sum, segment);
		next = segment->next;
	}
	info->figures.pinned_bytes = info->figures.retained.pinned;
	settle(glibc, arena, &info->figures);
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

static void add_unused(struct mf_unused *to, const struct mf_unused *from)
{
	to->bytes += from->bytes;
	to->resident += from->resident;
	to->swapped += from->swapped;
	to->absent += from->absent;
}

static void add_retained(struct mf_retained *to, const struct mf_retained *from)
{
	to->pinned += from->pinned;
	to->headers += from->headers;
	to->main_top += from->main_top;
	to->tops += from->tops;
	to->tcache += from->tcache;
	to->locked += from->locked;
	to->hugetlb += from->hugetlb;
	to->skipped += from->skipped;
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
	add_unused(&to->unused, &from->unused);
	add_retained(&to->retained, &from->retained);
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

	glibc->names_left = NAMES_MOST;
	info->figures = (struct mf_arena_figures){ 0 };
	info->consistency = glibc->mmapped_moved ? MF_IN_FLIGHT
			    : glibc->ran	 ? MF_RACY
						 : MF_EXACT;
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
	info->resident_hugetlb = mf_glibc_hugetlb_resident(glibc);
	publish_parameters(glibc, info);
	note_cut_ranges(glibc, &ranges);
	mf_vec_deinit(&ranges.items);
}
