/*
 * The figures of jemalloc's arenas, from the model of its extents and where
 * their pages are. Trimmable is what a purge gives back: dirty and muzzy pages.
 */
#include <stdlib.h>
#include <string.h>

#include "heap/jemalloc_model.h"
#include "heap/residence.h"

enum {
	MOST_CLASSES = 256,
};

struct arena_sums {
	struct mf_arena_figures figures;
	struct mf_size_class classes[MOST_CLASSES];
	uint64_t torn;
	unsigned index;
};

struct counting {
	struct mf_jemalloc_model *model;
	struct mf_heap_context *context;
	struct mf_residence residence;
	struct mf_map index; /* jemalloc's arena -> place in arenas */
	MF_VEC(struct arena_sums *) arenas;
};

/* ---- one extent ------------------------------------------------------------ */

static struct arena_sums *sums_of(struct counting *counting, unsigned arena)
{
	const uint64_t *place = mf_map_get(&counting->index, arena);
	struct arena_sums *sums;

	if (place)
		return counting->arenas.items[*place];
	mf_map_set(&counting->index, arena, counting->arenas.count);
	sums = mf_new(struct arena_sums);
	sums->index = arena;
	mf_vec_push(&counting->arenas, sums);
	return sums;
}

static void add_used(struct arena_sums *sums, unsigned size_class,
		     uint64_t size)
{
	sums->figures.in_use.count++;
	sums->figures.in_use.bytes += size;
	sums->classes[size_class].in_use.count++;
	sums->classes[size_class].in_use.bytes += size;
}

/* Free for the program, but only its thread gives it back. */
static void add_cached(struct counting *counting, struct arena_sums *sums,
		       const struct mf_jemalloc_kept *extent, uint64_t start)
{
	struct mf_arena_figures *sum = &sums->figures;
	struct mf_size_class *class = &sums->classes[extent->size_class];
	uint64_t size = mf_jemalloc_class_size(extent->size_class);
	struct mf_whereabouts where =
		mf_residence_find(&counting->residence, start, start + size);

	sum->tcache.count++;
	sum->tcache.bytes += size;
	class->free.count++;
	class->free.bytes += size;
	sum->unused.bytes += size;
	sum->unused.resident += where.resident;
	sum->unused.swapped += where.swapped;
	sum->unused.absent += where.absent;
	sum->retained.tcache += where.resident;
}

static void count_region(struct counting *counting, struct arena_sums *sums,
			 const struct mf_jemalloc_kept *slab, uint64_t index)
{
	struct mf_arena_figures *figures = &sums->figures;
	struct mf_size_class *class = &sums->classes[slab->size_class];
	uint64_t region = mf_jemalloc_class_size(slab->size_class);
	uint64_t start = slab->start + index * region;
	uint64_t resident = figures->unused.resident;

	if (mf_jemalloc_region_is_cached(counting->model, slab, index)) {
		add_cached(counting, sums, slab, start);
		return;
	}
	if (!mf_jemalloc_region_is_free(counting->model, slab, index)) {
		add_used(sums, slab->size_class, region);
		return;
	}
	mf_residence_add_free(&counting->residence, figures, start, region);
	class->free.count++;
	class->free.bytes += region;
	figures->retained.pinned += figures->unused.resident - resident;
	figures->pinned_bytes = figures->retained.pinned;
}

static void count_slab(struct counting *counting, struct arena_sums *sums,
		       const struct mf_jemalloc_kept *slab)
{
	uint64_t region = mf_jemalloc_class_size(slab->size_class);
	uint64_t count = mf_jemalloc_kept_size(counting->model, slab) / region;

	for (uint64_t i = 0; i < count; i++)
		count_region(counting, sums, slab, i);
}

static void count_spare(struct counting *counting,
			struct mf_arena_figures *figures, uint64_t start,
			uint64_t size)
{
	uint64_t resident = figures->unused.resident;

	mf_residence_add_free(&counting->residence, figures, start, size);
	resident = figures->unused.resident - resident;
	figures->trimmable_bytes += resident;
	figures->trimmable_pages += resident / counting->residence.page_size;
}

static void count_extent(struct counting *counting,
			 const struct mf_jemalloc_kept *extent)
{
	struct arena_sums *sums = sums_of(counting, extent->arena);
	struct mf_arena_figures *figures = &sums->figures;
	uint64_t size = mf_jemalloc_kept_size(counting->model, extent);
	uint64_t object = mf_jemalloc_class_size(extent->size_class);

	figures->system += size;
	figures->resident +=
		mf_residence_find(&counting->residence, extent->start,
				  extent->start + size)
			.resident;
	switch ((enum mf_jemalloc_content)extent->content) {
	case MF_JEMALLOC_SLAB:
		count_slab(counting, sums, extent);
		break;
	case MF_JEMALLOC_OBJECT:
		add_used(sums, extent->size_class, object);
		figures->overhead += size - object;
		break;
	case MF_JEMALLOC_CACHED:
		add_cached(counting, sums, extent,
			   extent->start + extent->offset);
		figures->overhead += size - object;
		break;
	case MF_JEMALLOC_SPARE:
		count_spare(counting, figures, extent->start, size);
		break;
	case MF_JEMALLOC_TORN:
		figures->unread += size;
		sums->torn++;
		break;
	}
}

/* ---- all of them ----------------------------------------------------------- */

static void add_amount(struct mf_amount *sum, struct mf_amount amount)
{
	sum->count += amount.count;
	sum->bytes += amount.bytes;
}

static void add_figures(struct mf_arena_figures *sum,
			const struct mf_arena_figures *figures)
{
	sum->system += figures->system;
	sum->max_system += figures->max_system;
	sum->resident += figures->resident;
	add_amount(&sum->in_use, figures->in_use);
	add_amount(&sum->tcache, figures->tcache);
	sum->free.count += figures->free.count;
	sum->free.bytes += figures->free.bytes;
	sum->free.resident += figures->free.resident;
	sum->free.swapped += figures->free.swapped;
	sum->free.already_returned += figures->free.already_returned;
	sum->overhead += figures->overhead;
	sum->unread += figures->unread;
	sum->trimmable_bytes += figures->trimmable_bytes;
	sum->trimmable_pages += figures->trimmable_pages;
	sum->largest_free = MF_MAX(sum->largest_free, figures->largest_free);
	sum->pinned_bytes += figures->pinned_bytes;
	sum->unused.bytes += figures->unused.bytes;
	sum->unused.resident += figures->unused.resident;
	sum->unused.swapped += figures->unused.swapped;
	sum->unused.absent += figures->unused.absent;
	sum->retained.pinned += figures->retained.pinned;
	sum->retained.tcache += figures->retained.tcache;
}

static void publish_classes(struct counting *counting,
			    const struct arena_sums *sums,
			    struct mf_arena *arena)
{
	struct mf_size_class *shown;
	size_t count = 0;

	for (unsigned i = 0; i < MOST_CLASSES; i++)
		count += sums->classes[i].in_use.count ||
			 sums->classes[i].free.count;
	shown = mf_pool_alloc(counting->context->pool,
			      count * sizeof(struct mf_size_class));
	arena->histogram = shown;
	for (unsigned i = 0; i < MOST_CLASSES; i++) {
		if (!sums->classes[i].in_use.count &&
		    !sums->classes[i].free.count)
			continue;
		*shown = sums->classes[i];
		shown->min = shown->max = mf_jemalloc_class_size(i);
		shown++;
	}
	arena->histogram_count = count;
}

static int by_index(const void *a, const void *b)
{
	const struct arena_sums *left = *(struct arena_sums *const *)a;
	const struct arena_sums *right = *(struct arena_sums *const *)b;

	return (left->index > right->index) - (left->index < right->index);
}

static void publish(struct counting *counting, struct mf_allocator *info)
{
	struct mf_impact impact;

	mf_target_get_impact(counting->context->target, &impact);
	mf_vec_sort(&counting->arenas, by_index);
	info->figures = (struct mf_arena_figures){ 0 };
	info->consistency = impact.racy ? MF_RACY : MF_EXACT;
	mf_vec_foreach(at, &counting->arenas) {
		struct arena_sums *sums = *at;
		struct mf_arena arena = {
			.index = sums->index,
			.in_flight = sums->torn != 0,
			.consistency = impact.racy  ? MF_RACY
				       : sums->torn ? MF_IN_FLIGHT
						    : MF_EXACT,
		};

		sums->figures.max_system = sums->figures.system;
		arena.figures = sums->figures;
		publish_classes(counting, sums, &arena);
		add_figures(&info->figures, &sums->figures);
		info->consistency =
			MF_MAX(info->consistency, arena.consistency);
		mf_vec_push(&counting->model->arenas, arena);
	}
	info->arenas = counting->model->arenas.items;
	info->arena_count = counting->model->arenas.count;
}

void mf_jemalloc_model_count(struct mf_jemalloc_model *model,
			     struct mf_heap_context *context,
			     struct mf_allocator *info)
{
	struct counting *counting = mf_new(struct counting);

	counting->model = model;
	counting->context = context;
	counting->residence.target = context->target;
	counting->residence.page_size =
		mf_target_info(context->target)->page_size;
	mf_vec_foreach(extent, &model->extents)
		count_extent(counting, extent);
	publish(counting, info);
	mf_vec_foreach(sums, &counting->arenas)
		free(*sums);
	mf_vec_deinit(&counting->arenas);
	mf_map_deinit(&counting->index);
	free(counting);
}
