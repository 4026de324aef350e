/*
 * obmalloc's arenas chunk by chunk, and their figures: blocks, which have no
 * header, in pools, which have one; free pools; and what alignment cuts off.
 * An arena goes back to the kernel by itself once all of its pools are free:
 * what is free in the others stays.
 */
#include <stdlib.h>

#include "base/search.h"
#include "heap/cpython_pools.h"
#include "heap/residence.h"

/* ---- chunks ---------------------------------------------------------------- */

struct visit {
	const struct mf_cpython_pools *pools;
	const struct mf_allocator *info;
	struct mf_chunk_range range;
	mf_chunk_visitor visitor;
	void *data;
};

static bool show(const struct visit *visit, uint64_t start, uint64_t end,
		 enum mf_chunk_kind kind)
{
	bool nobodys = kind == MF_KIND_OVERHEAD || kind == MF_KIND_UNREAD;
	const struct mf_chunk chunk = {
		.address = start,
		.size = end - start,
		.user = start,
		.usable = nobodys ? 0 : end - start,
		.kind = kind,
		.arena = 0,
		.allocator = visit->info,
	};

	if (start >= end || start >= visit->range.end ||
	    end <= visit->range.start)
		return true;
	return visit->visitor(&chunk, visit->data);
}

static bool show_blocks(const struct visit *visit,
			const struct mf_cpython_pool *pool, uint64_t start)
{
	uint64_t count = mf_cpython_block_count(visit->pools, pool), index = 0;

	if (visit->range.start > start)
		index = (visit->range.start - start) / pool->size;
	for (; index < count; index++) {
		uint64_t block = start + index * pool->size;
		bool unused =
			mf_cpython_block_is_free(visit->pools, pool, index);

		if (block >= visit->range.end)
			break;
		if (!show(visit, block, block + pool->size,
			  unused ? MF_KIND_FREE : MF_KIND_IN_USE))
			return false;
	}
	return true;
}

static bool show_pool(const struct visit *visit,
		      const struct mf_cpython_pool *pool, uint64_t start)
{
	uint64_t end = start + visit->pools->pool_size;
	uint64_t first = start + MF_CPYTHON_POOL_HEADER;

	switch ((enum mf_cpython_content)pool->content) {
	case MF_CPYTHON_USED:
		return show(visit, start, first, MF_KIND_OVERHEAD) &&
		       show_blocks(visit, pool, first) &&
		       show(visit,
			    first + pool->size * mf_cpython_block_count(
							 visit->pools, pool),
			    end, MF_KIND_OVERHEAD);
	case MF_CPYTHON_EMPTY:
		return show(visit, start, first, MF_KIND_OVERHEAD) &&
		       show(visit, first, end, MF_KIND_FREE);
	case MF_CPYTHON_FRESH:
		return show(visit, start, end, MF_KIND_FREE);
	case MF_CPYTHON_TORN:
		return show(visit, start, end, MF_KIND_UNREAD);
	}
	return true;
}

static bool show_arena(const struct visit *visit,
		       const struct mf_cpython_arena *arena)
{
	const struct mf_cpython_pools *pools = visit->pools;
	uint64_t first = mf_cpython_pool_at(pools, arena, 0);
	uint32_t number = 0;

	if (!show(visit, arena->start, first, MF_KIND_OVERHEAD))
		return false;
	if (visit->range.start > first)
		number = (uint32_t)MF_MIN((visit->range.start - first) /
						  pools->pool_size,
					  (uint64_t)arena->count);
	for (; number < arena->count; number++) {
		uint64_t start = mf_cpython_pool_at(pools, arena, number);

		if (start >= visit->range.end)
			return true;
		if (!show_pool(visit, &pools->pools.items[arena->pool + number],
			       start))
			return false;
	}
	return show(visit, mf_cpython_pool_at(pools, arena, arena->count),
		    arena->start + pools->arena_size, MF_KIND_OVERHEAD);
}

/* Index of the first arena that ends behind ADDRESS. */
static size_t near(const struct mf_cpython_pools *pools, uint64_t address)
{
	return mf_count_leading(pools->arenas.items, pools->arenas.count, arena,
				arena->start + pools->arena_size <= address);
}

bool mf_cpython_pools_each(const struct mf_cpython_pools *pools,
			   const struct mf_allocator *info,
			   struct mf_chunk_range range, mf_chunk_visitor visit,
			   void *data)
{
	const struct visit all = { pools, info, range, visit, data };

	if (!pools->holds)
		return true;
	for (size_t i = near(pools, range.start); i < pools->arenas.count;
	     i++) {
		const struct mf_cpython_arena *arena = &pools->arenas.items[i];

		if (arena->start >= range.end)
			break;
		if (!show_arena(&all, arena))
			return false;
	}
	return true;
}

/* ---- figures --------------------------------------------------------------- */

struct counting {
	struct mf_cpython_pools *pools;
	struct mf_residence residence;
};

static bool count_chunk(const struct mf_chunk *chunk, void *data)
{
	struct counting *counting = data;
	struct mf_cpython_pools *pools = counting->pools;
	struct mf_arena_figures *figures = &pools->arena.figures;
	struct mf_amount *sum = NULL;

	switch (chunk->kind) {
	case MF_KIND_IN_USE:
		sum = &pools->classes[chunk->size / 8 - 1].in_use;
		figures->in_use.count++;
		figures->in_use.bytes += chunk->size;
		break;
	case MF_KIND_FREE:
		if (chunk->size <= MF_CPYTHON_LARGEST)
			sum = &pools->classes[chunk->size / 8 - 1].free;
		mf_residence_add_free(&counting->residence, figures,
				      chunk->address, chunk->size);
		break;
	case MF_KIND_UNREAD:
		figures->unread += chunk->size;
		break;
	default:
		figures->overhead += chunk->size;
		break;
	}
	if (sum) {
		sum->count++;
		sum->bytes += chunk->size;
	}
	return true;
}

static void publish_classes(struct mf_cpython_pools *pools,
			    struct mf_heap_context *context)
{
	struct mf_size_class *shown = mf_pool_alloc(
		context->pool, sizeof(pools->classes) /* all, at most */);

	pools->arena.histogram = shown;
	for (size_t i = 0; i < MF_ARRAY_SIZE(pools->classes); i++) {
		if (!pools->classes[i].in_use.count &&
		    !pools->classes[i].free.count)
			continue;
		shown[pools->arena.histogram_count] = pools->classes[i];
		shown[pools->arena.histogram_count].min = (i + 1) * 8;
		shown[pools->arena.histogram_count++].max = (i + 1) * 8;
	}
}

static void count_memory(struct counting *counting)
{
	struct mf_arena_figures *figures = &counting->pools->arena.figures;
	uint64_t size = counting->pools->arena_size;

	mf_vec_foreach(arena, &counting->pools->arenas) {
		figures->system += size;
		figures->resident +=
			mf_residence_find(&counting->residence, arena->start,
					  arena->start + size)
				.resident;
	}
	figures->max_system = figures->system;
	figures->pinned_bytes = figures->free.resident;
	figures->retained.pinned = figures->unused.resident;
}

void mf_cpython_pools_count(struct mf_cpython_pools *pools,
			    struct mf_heap_context *context,
			    struct mf_allocator *info)
{
	struct counting *counting = mf_new(struct counting);
	struct mf_arena *arena = &pools->arena;
	struct mf_impact impact;

	counting->pools = pools;
	counting->residence.target = context->target;
	counting->residence.page_size =
		mf_target_info(context->target)->page_size;
	mf_cpython_pools_each(pools, info,
			      (struct mf_chunk_range){ 0, UINT64_MAX },
			      count_chunk, counting);
	count_memory(counting);
	free(counting);
	publish_classes(pools, context);
	mf_target_get_impact(context->target, &impact);
	arena->in_flight = pools->torn || pools->odd;
	arena->consistency = impact.racy	? MF_RACY
			     : arena->in_flight ? MF_IN_FLIGHT
						: MF_EXACT;
	info->figures = arena->figures;
	info->consistency = arena->consistency;
	info->arenas = arena;
	info->arena_count = 1;
}
