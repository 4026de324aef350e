/*
 * What is known of each thread, put together from those who know a part of it:
 * the target (state, time, call), the space (its stack), the heap (its arena and
 * its cache).
 */
#include "analysis/threads.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"

struct work {
	const struct mf_analysis_input *input;
	const struct mf_thread_choice *choice;
	struct mf_thread_census *census;
	struct mf_map index_of_tid;
};

/* False: there is no such thread. */
static bool find(const struct work *work, int tid, struct mf_thread_facts **ret)
{
	const uint64_t *index = mf_map_get(&work->index_of_tid, (uint64_t)tid);

	if (tid <= 0 || !index)
		return false;
	*ret = &work->census->threads.items[*index];
	return true;
}

static bool is_chosen(const struct mf_thread_choice *choice, int tid)
{
	for (size_t i = 0; i < choice->tid_count; i++)
		if (choice->tids[i] == tid)
			return true;
	return !choice->tids;
}

static void take_threads(struct work *work)
{
	struct mf_thread_census *census = work->census;
	size_t count;
	const struct mf_thread *threads =
		mf_target_threads(work->input->target, &count);

	for (size_t i = 0; i < count; i++) {
		struct mf_thread_facts *facts;

		if (!is_chosen(work->choice, threads[i].tid))
			continue;
		mf_map_set(&work->index_of_tid, (uint64_t)threads[i].tid,
			   census->threads.count);
		facts = mf_vec_add(&census->threads);
		facts->thread = threads[i];
		facts->index = i;
	}
}

/* ---- stacks ----------------------------------------------------------------- */

static bool is_on(const struct mf_thread_facts *facts,
		  const struct mf_stack_bounds *stack)
{
	return facts->thread.sp >= stack->start &&
	       facts->thread.sp < stack->end;
}

/* A thread in the order of stack pointers. */
struct standing {
	uint64_t sp;
	struct mf_thread_facts *facts;
};

static int by_sp(const void *left, const void *right)
{
	const struct standing *a = left, *b = right;

	return (a->sp > b->sp) - (a->sp < b->sp);
}

static int compare_sp(const void *key, const void *element)
{
	const struct mf_stack_bounds *stack = key;
	const struct standing *standing = element;

	if (standing->sp < stack->start)
		return 1;
	return standing->sp >= stack->end ? -1 : 0;
}

static void give(struct mf_thread_facts *facts,
		 const struct mf_stack_bounds *stack)
{
	if (facts->has_stack)
		return;
	facts->has_stack = true;
	facts->stack = *stack;
}

/* Of nobody in particular: of the thread whose stack pointer is in it. */
static void give_by_sp(struct work *work, const struct mf_stack_bounds *stacks,
		       size_t count)
{
	struct mf_thread_census *census = work->census;
	size_t total = census->threads.count;
	mf_auto_free struct standing *sorted =
		mf_new_array(total + 1, struct standing);

	for (size_t i = 0; i < total; i++) {
		struct mf_thread_facts *facts = &census->threads.items[i];

		sorted[i] = (struct standing){ facts->thread.sp, facts };
	}
	qsort(sorted, total, sizeof(*sorted), by_sp);
	for (size_t i = 0; i < count; i++) {
		const struct standing *found;

		if (stacks[i].cached || stacks[i].tid)
			continue;
		found = bsearch(&stacks[i], sorted, total, sizeof(*sorted),
				compare_sp);
		if (found)
			give(found->facts, &stacks[i]);
	}
}

static void name_elsewhere(struct work *work, struct mf_thread_facts *facts)
{
	const struct mf_region *region;

	if (!facts->thread.sp ||
	    (facts->has_stack && is_on(facts, &facts->stack)))
		return;
	region = mf_space_region_at(work->input->space, facts->thread.sp);
	if (!region)
		return;
	facts->elsewhere = mf_pool_strdup(
		&work->census->pool,
		*region->label ? region->label : mf_class_name(region->class));
}

static void take_stacks(struct work *work)
{
	mf_auto_free struct mf_stack_bounds *stacks = NULL;
	size_t count = mf_space_list_stacks(work->input->space, &stacks);
	struct mf_thread_facts *facts;

	for (size_t i = 0; i < count; i++)
		if (!stacks[i].cached && find(work, stacks[i].tid, &facts))
			give(facts, &stacks[i]);
	give_by_sp(work, stacks, count);
	mf_vec_foreach(each, &work->census->threads)
		name_elsewhere(work, each);
}

/* ---- arenas and caches ------------------------------------------------------ */

static void take_arena(struct work *work, const struct mf_allocator *allocator,
		       const struct mf_arena *arena)
{
	for (size_t i = 0; i < arena->thread_count; i++) {
		struct mf_thread_facts *facts;

		if (!find(work, arena->threads[i], &facts) || facts->allocator)
			continue;
		facts->allocator =
			mf_pool_strdup(&work->census->pool, allocator->name);
		facts->arena = arena->index;
	}
}

static void take_cache(struct work *work, const struct mf_thread_cache *cache)
{
	struct mf_thread_facts *facts;

	if (!cache->valid || !find(work, cache->tid, &facts))
		return;
	facts->tcache_known = true;
	facts->tcache.count += cache->amount.count + cache->mmapped.count;
	facts->tcache.bytes += cache->amount.bytes + cache->mmapped.bytes;
}

static void take_heap(struct work *work)
{
	mf_heap_foreach_allocator(allocator, work->input->heap) {
		for (size_t k = 0; k < allocator->arena_count; k++)
			take_arena(work, allocator, &allocator->arenas[k]);
		for (size_t k = 0; k < allocator->tcache_count; k++)
			take_cache(work, &allocator->tcaches[k]);
	}
}

/* ---- what it does ----------------------------------------------------------- */

const char *mf_thread_state_word(char state)
{
	switch (state) {
	case 'R':
		return "running";
	case 'S':
		return "sleeping";
	case 'D':
		return "disk sleep";
	case 'T':
		return "stopped";
	case 't':
		return "traced";
	case 'Z':
		return "ended";
	case 'X':
		return "dead";
	case 'I':
		return "idle";
	case 'P':
		return "parked";
	default:
		return "unknown";
	}
}

static void describe_calls(struct mf_thread_census *census)
{
	MF_AUTO_BUFFER(text);

	mf_vec_foreach(facts, &census->threads) {
		mf_buffer_clear(&text);
		mf_thread_describe_call(&facts->thread, &text);
		if (text.size)
			facts->call = mf_pool_strdup(&census->pool, text.text);
	}
}

/* ---- order ------------------------------------------------------------------ */

static int compare(uint64_t left, uint64_t right)
{
	return (left > right) - (left < right);
}

static int by_tid(const void *left, const void *right)
{
	const struct mf_thread_facts *a = left, *b = right;

	return compare((uint64_t)a->thread.tid, (uint64_t)b->thread.tid);
}

static uint64_t cpu_of(const struct mf_thread_facts *facts)
{
	return facts->thread.cpu_unknown ? 0 : facts->thread.cpu_ms;
}

static int by_cpu(const void *left, const void *right)
{
	const struct mf_thread_facts *a = left, *b = right;
	int order = compare(cpu_of(b), cpu_of(a));

	return order ? order : by_tid(left, right);
}

static int by_name(const void *left, const void *right)
{
	const struct mf_thread_facts *a = left, *b = right;
	int order = strverscmp(a->thread.comm, b->thread.comm);

	return order ? order : by_tid(left, right);
}

static int by_stack(const void *left, const void *right)
{
	const struct mf_thread_facts *a = left, *b = right;
	int order = compare(b->stack.usage.rss, a->stack.usage.rss);

	return order ? order : by_tid(left, right);
}

static void sort(struct mf_thread_census *census, enum mf_thread_order order)
{
	static int (*const orders[])(const void *, const void *) = {
		[MF_THREADS_BY_CPU] = by_cpu,
		[MF_THREADS_BY_TID] = by_tid,
		[MF_THREADS_BY_NAME] = by_name,
		[MF_THREADS_BY_STACK] = by_stack,
	};

	mf_vec_sort(&census->threads, orders[order]);
}

struct mf_thread_census *
mf_thread_census_create(const struct mf_analysis_input *input,
			const struct mf_thread_choice *choice)
{
	struct work work = {
		.input = input,
		.choice = choice,
		.census = mf_new(struct mf_thread_census),
	};

	work.census->is_core =
		mf_target_info(input->target)->kind == MF_TARGET_CORE;
	take_threads(&work);
	take_stacks(&work);
	take_heap(&work);
	mf_map_deinit(&work.index_of_tid);
	describe_calls(work.census);
	sort(work.census, choice->order);
	mf_thread_census_group(work.census);
	return work.census;
}

void mf_thread_census_destroy(struct mf_thread_census *census)
{
	if (!census)
		return;
	mf_vec_deinit(&census->threads);
	mf_vec_deinit(&census->groups);
	mf_vec_deinit(&census->folds);
	mf_pool_deinit(&census->pool);
	free(census);
}

const struct mf_thread_facts *
mf_thread_census_threads(const struct mf_thread_census *census, size_t *count)
{
	*count = census->threads.count;
	return census->threads.items;
}

void mf_thread_census_unwind(struct mf_thread_census *census,
			     struct mf_stacks *stacks)
{
	size_t count = mf_stacks_count(stacks);

	mf_vec_foreach(facts, &census->threads) {
		if (facts->index >= count)
			continue;
		mf_stacks_unwind(stacks, facts->index, &facts->frames);
		facts->unwound = facts->frames.tid == facts->thread.tid;
	}
	mf_thread_census_fold(census);
}

const struct mf_thread_fold *
mf_thread_census_folds(const struct mf_thread_census *census, size_t *count)
{
	*count = census->folds.count;
	return census->folds.items;
}
