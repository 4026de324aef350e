/*
 * The end of claiming: usage, suspicions and the sums over classes.
 */
#include <stdlib.h>

#include "space/model.h"

static int compare_totals(const void *left, const void *right)
{
	const struct mf_class_total *a = left, *b = right;

	if (a->usage.rss != b->usage.rss)
		return a->usage.rss < b->usage.rss ? 1 : -1;
	if (a->size != b->size)
		return a->size < b->size ? 1 : -1;
	return (a->class > b->class) - (a->class < b->class);
}

static void make_totals(struct mf_space *space)
{
	struct mf_class_total sums[MF_CLASS_COUNT] = { 0 };

	mf_vec_foreach(region, &space->view->regions) {
		struct mf_class_total *sum = &sums[region->class];

		sum->class = region->class;
		if (!sum->regions++)
			sum->usage.lacks = MF_FIGURES_ALL;
		sum->size += region->end - region->start;
		mf_usage_add(&sum->usage, &region->usage);
	}
	for (size_t i = 0; i < MF_CLASS_COUNT; i++)
		if (sums[i].regions)
			mf_vec_push(&space->totals, sums[i]);
	mf_vec_sort(&space->totals, compare_totals);
}

/* Guard zones may cut a stack in two; its claim is still one. */
static void count_stacks(struct mf_space *space)
{
	struct mf_stack_census *census = &space->stacks;
	const struct mf_claim_record *last = NULL;

	mf_vec_foreach(region, &space->view->regions) {
		const struct mf_claim_record *record;
		bool fresh;

		if (region->class != MF_CLASS_THREAD_STACK)
			continue;
		record = mf_space_claim_at(space, region->start);
		if (!record)
			continue;
		fresh = record != last;
		last = record;
		census->thp += region->usage.thp;
		if (record->cached) {
			census->cached += fresh;
			census->cached_rss += region->usage.rss;
		} else {
			census->live += fresh;
			census->live_rss += region->usage.rss;
		}
	}
}

struct mf_error *mf_space_settle(struct mf_space *space)
{
	size_t count;

	if (space->settled)
		return NULL;
	mf_space_regions(space, &count);
	MF_TRY(mf_space_measure(space));
	space->settled = true;
	mf_space_suspect(space);
	make_totals(space);
	count_stacks(space);
	return NULL;
}

const struct mf_class_total *mf_space_totals(const struct mf_space *space,
					     size_t *count)
{
	*count = space->totals.count;
	return space->totals.items;
}

static uint64_t sum_rss(const struct mf_space *space, bool with_anon)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < space->totals.count; i++)
		if (with_anon || space->totals.items[i].class != MF_CLASS_ANON)
			sum += space->totals.items[i].usage.rss;
	return sum;
}

uint64_t mf_space_rss(const struct mf_space *space)
{
	return sum_rss(space, true);
}

bool mf_space_rss_is_known(const struct mf_space *space)
{
	for (size_t i = 0; i < space->totals.count; i++)
		if (!(space->totals.items[i].usage.lacks & MF_FIGURE_RSS))
			return true;
	return false;
}

bool mf_space_rss_is_whole(const struct mf_space *space)
{
	mf_vec_foreach(region, &space->view->regions)
		if (!region->usage_known)
			return false;
	return true;
}

uint64_t mf_space_rss_explained(const struct mf_space *space)
{
	return sum_rss(space, false);
}

void mf_space_stack_census(const struct mf_space *space,
			   struct mf_stack_census *ret)
{
	*ret = space->stacks;
}
