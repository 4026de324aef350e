/*
 * glibc's malloc as an allocator of the heap room: when its parts run.
 */
#include "heap/glibc.h"

#include <stdlib.h>

#include "base/log.h"
#include "heap/allocators.h"

enum {
	ATTEMPTS = 3,	   /* at a heap that changes while it is read */
	TORN_SHARE = 1000, /* of its bytes may be lost without another */
};

static void forget_walk(struct mf_glibc *glibc)
{
	mf_vec_foreach(segment, &glibc->segments) {
		free(segment->pages);
		mf_chunk_log_deinit(&segment->log);
		mf_link_table_deinit(&segment->links);
		mf_vec_deinit(&segment->marks);
	}
	glibc->segments.count = 0;
	glibc->segment_pages = 0;
	glibc->tcaches.count = 0;
	glibc->anchors.count = 0;
	mf_map_deinit(&glibc->tcache_index);
	glibc->large.count = 0;
	mf_map_deinit(&glibc->large_index);
	glibc->brk = 0;
	glibc->lost_bytes = 0;
	glibc->effort = 0;
	glibc->blames = 0;
}

/* A main arena that could not have the break has its memory all over the
 * address space; only a walk finds it. */
static struct mf_error *claim_scattered_main(struct mf_glibc *glibc)
{
	struct mf_window window;
	struct mf_error *error;

	if (!glibc->arenas.count ||
	    !(glibc->arenas.items[0].flags & MF_GLIBC_NONCONTIGUOUS))
		return NULL;
	mf_window_init(&window, glibc->target);
	error = mf_glibc_walk_main(glibc, &window);
	mf_window_deinit(&window);
	return error;
}

static struct mf_error *claim(struct mf_heap_context *context,
			      struct mf_allocator_instance *instance)
{
	struct mf_glibc *glibc = instance->state;

	forget_walk(glibc);
	MF_TRY(mf_glibc_read_state(glibc));
	MF_TRY(mf_glibc_find_heaps(glibc));
	mf_glibc_find_mmapped(glibc, false);
	if (!context->options->no_walk)
		return NULL;
	MF_TRY(claim_scattered_main(glibc));
	mf_glibc_find_mmapped(glibc, true);
	return NULL;
}

static void mark_changed(struct mf_glibc *glibc)
{
	mf_target_forget(glibc->target);
	mf_vec_foreach(arena, &glibc->arenas) {
		struct mf_glibc_arena now;

		if (!mf_glibc_read_arena(glibc, arena->address, &now))
			continue;
		arena->changed |= now.top != arena->top ||
				  now.top_size != arena->top_size ||
				  now.system_mem != arena->system_mem;
		mf_vec_deinit(&now.threads);
	}
}

static struct mf_error *walk_once(struct mf_glibc *glibc)
{
	struct mf_window window;
	struct mf_error *error;

	mf_glibc_read_thread_caches(glibc);
	mf_glibc_detect_mangling(glibc);
	mf_window_init(&window, glibc->target);
	error = mf_glibc_walk_heaps(glibc, &window);
	if (!error)
		error = mf_glibc_walk_main(glibc, &window);
	if (!error && window.error) {
		error = window.error;
		window.error = NULL;
	}
	mf_window_deinit(&window);
	return error;
}

/* So much of a running heap could not be followed that it is worth another
 * look. */
static bool is_torn(struct mf_glibc *glibc)
{
	uint64_t system = 0;

	mf_vec_foreach(arena, &glibc->arenas)
		system += arena->system_mem;
	return glibc->lost_bytes > system / TORN_SHARE;
}

static struct mf_error *walk(struct mf_heap_context *context,
			     struct mf_allocator_instance *instance)
{
	struct mf_glibc *glibc = instance->state;
	size_t threads;

	for (unsigned attempt = 1;; attempt++) {
		bool still = mf_target_is_still(context->target);

		MF_TRY(walk_once(glibc));
		if (!still)
			mark_changed(glibc);
		if (still || attempt == ATTEMPTS || !is_torn(glibc))
			break;
		mf_debug("heap", "heap changed under the walk, once more");
		MF_TRY(claim(context, instance));
	}
	mf_glibc_find_mmapped(glibc, true);
	if (mf_target_reads_swapped(glibc->target))
		mf_glibc_refresh_residency(glibc);
	glibc->ran = !mf_target_is_still(context->target);
	mf_target_threads(context->target, &threads);
	glibc->single = threads == 1;
	mf_glibc_find_suspects(glibc);
	mf_glibc_sort_segments(glibc);
	mf_glibc_check_bins(glibc);
	return NULL;
}

static struct mf_error *thread_caches(struct mf_heap_context *context,
				      struct mf_allocator_instance *instance)
{
	struct mf_glibc *glibc = instance->state;

	(void)context;
	mf_glibc_read_thread_caches(glibc);
	mf_glibc_count_caches(glibc);
	return NULL;
}

static struct mf_error *finish(struct mf_heap_context *context,
			       struct mf_allocator_instance *instance)
{
	struct mf_glibc *glibc = instance->state;

	if (context->options->no_walk) {
		if (context->options->thread_caches)
			mf_glibc_publish_caches(glibc, &instance->info);
		return NULL;
	}
	mf_glibc_sort_mmapped(glibc);
	mf_glibc_resolve_lists(glibc);
	mf_glibc_make_figures(glibc, &instance->info);
	mf_glibc_deduce_version(glibc, instance);
	mf_glibc_publish_tcaches(glibc, &instance->info);
	return NULL;
}

static void close_instance(struct mf_allocator_instance *instance)
{
	struct mf_glibc *glibc = instance->state;

	if (!glibc)
		return;
	forget_walk(glibc);
	mf_vec_deinit(&glibc->segments);
	mf_vec_deinit(&glibc->tcaches);
	mf_vec_deinit(&glibc->large);
	mf_vec_deinit(&glibc->suspects);
	mf_vec_deinit(&glibc->mmapped_chunks);
	mf_vec_deinit(&glibc->mapped);
	mf_vec_deinit(&glibc->anchors);
	mf_vec_foreach(arena, &glibc->arenas) {
		mf_vec_deinit(&arena->threads);
		mf_vec_deinit(&arena->damage);
	}
	mf_vec_deinit(&glibc->arenas);
	mf_map_deinit(&glibc->arena_index);
	mf_map_deinit(&glibc->dtvs);
	mf_map_deinit(&glibc->owners);
	free(glibc->tls_slots);
	free(glibc);
}

static uint64_t foresee(const struct mf_allocator_instance *instance)
{
	return mf_glibc_foresee(instance->state);
}

const struct mf_allocator_ops mf_glibc_ops = {
	.name = "glibc",
	.probe = mf_glibc_probe,
	.claim = claim,
	.walk = walk,
	.thread_caches = thread_caches,
	.foresee = foresee,
	.finish = finish,
	.each_chunk = mf_glibc_each_chunk,
	.close = close_instance,
};
