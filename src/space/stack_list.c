/*
 * Stacks as a list, made of the regions that are claimed as such: guard zones
 * may lie below one, or cut it in two.
 */
#include <stdio.h>
#include <string.h>

#include "space/model.h"

struct list {
	struct mf_stack_bounds *items;
	size_t count, capacity;
};

static int tid_of(const struct mf_space *space, const struct mf_region *region)
{
	int tid;

	if (region->class == MF_CLASS_STACK)
		return (int)mf_target_info(space->target)->pid;
	/* NOLINTNEXTLINE(cert-err34-c): what claim_stack has written */
	return sscanf(region->owner, "tid %d", &tid) == 1 ? tid : 0;
}

static bool is_stack(const struct mf_region *region)
{
	return region->class == MF_CLASS_STACK ||
	       region->class == MF_CLASS_THREAD_STACK;
}

/* Guards have the label and the owner of the stack that they are of. */
static bool is_of_same(const struct mf_region *left,
		       const struct mf_region *right)
{
	return left->end == right->start &&
	       strcmp(left->label, right->label) == 0 &&
	       strcmp(left->owner, right->owner) == 0;
}

static bool is_guard_of(const struct mf_region *guard,
			const struct mf_region *next)
{
	return guard->class == MF_CLASS_GUARD && is_of_same(guard, next);
}

static struct mf_stack_bounds *begin(const struct mf_space *space,
				     struct list *list,
				     const struct mf_region *region)
{
	const struct mf_claim_record *record =
		mf_space_claim_at(space, region->start);
	struct mf_stack_bounds *stack = mf_vec_add(list);

	stack->tid = tid_of(space, region);
	stack->main = region->class == MF_CLASS_STACK;
	stack->cached = record && record->cached;
	stack->start = region->start;
	stack->usage.lacks = MF_FIGURES_ALL;
	stack->usage_known = true;
	return stack;
}

static void add(struct mf_stack_bounds *stack, const struct mf_region *region)
{
	stack->end = region->end;
	stack->usage_known &= region->usage_known;
	mf_usage_add(&stack->usage, &region->usage);
}

size_t mf_space_list_stacks(const struct mf_space *space,
			    struct mf_stack_bounds **ret)
{
	size_t count;
	const struct mf_region *regions = mf_space_regions(space, &count);
	const struct mf_claim_record *last = NULL;
	struct mf_stack_bounds *stack = NULL;
	struct list list = { 0 };
	uint64_t guard = 0;

	for (size_t i = 0; i < count; i++) {
		const struct mf_region *region = &regions[i];
		const struct mf_claim_record *record;

		if (i && !is_guard_of(&regions[i - 1], region))
			guard = 0;
		if (region->class == MF_CLASS_GUARD) {
			guard += region->end - region->start;
			continue;
		}
		if (!is_stack(region))
			continue;
		record = mf_space_claim_at(space, region->start);
		if (!stack || !record || record != last)
			stack = begin(space, &list, region);
		last = record;
		stack->guard += guard;
		add(stack, region);
	}
	*ret = list.items;
	return list.count;
}
