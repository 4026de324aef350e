/*
 * Chooses the regions that may hold pointers, and of stacks the part in use.
 */
#include "scan/sources.h"

#include <string.h>

#include "base/map.h"

enum {
	RED_ZONE = 128,
	WORD = 8,
};

struct search {
	const struct mf_space *space;
	struct mf_map lowest; /* of a region by its start: stack pointer */
};

static bool is_stack(const struct mf_region *region)
{
	return region->class == MF_CLASS_STACK ||
	       region->class == MF_CLASS_THREAD_STACK;
}

/* A stack that two threads stand on is in use from the lower one on. */
static void note_stack(struct search *search, uint64_t sp)
{
	const struct mf_region *region =
		sp ? mf_space_region_at(search->space, sp) : NULL;
	const uint64_t *lowest;

	if (!region || !is_stack(region))
		return;
	lowest = mf_map_get(&search->lowest, region->start);
	if (!lowest || *lowest > sp)
		mf_map_set(&search->lowest, region->start, sp);
}

static bool is_wanted_class(enum mf_class class)
{
	switch (class) {
	case MF_CLASS_GUARD:
	case MF_CLASS_RESERVE:
	case MF_CLASS_ARENA_RESERVE:
	case MF_CLASS_DEVICE:
	case MF_CLASS_IO_URING:
	case MF_CLASS_VVAR:
	case MF_CLASS_VSYSCALL:
		return false;
	default:
		return true;
	}
}

/* What is read-only now may have been written to before: by the linker. */
static bool may_hold(const struct mf_region *region)
{
	unsigned perms = region->mapping->perms;

	if (!(perms & MF_PERM_READ) || !is_wanted_class(region->class))
		return false;
	if (perms & MF_PERM_WRITE)
		return true;
	return region->class == MF_CLASS_RODATA &&
	       (!region->usage_known || region->usage.anon);
}

/* Where the part of a stack that is in use begins; its end: nowhere. */
static uint64_t begin_of_stack(const struct search *search,
			       const struct mf_region *region)
{
	const uint64_t *sp = mf_map_get(&search->lowest, region->start);
	uint64_t below;

	if (!sp)
		return strncmp(region->label, "cached", strlen("cached")) == 0
			       ? region->end
			       : region->start;
	below = MF_MIN(*sp - region->start, (uint64_t)RED_ZONE);
	return (*sp - below) / WORD * WORD;
}

static void add_region(const struct search *search,
		       const struct mf_region *region, struct mf_sources *ret)
{
	uint64_t start = region->start;

	if (is_stack(region))
		start = begin_of_stack(search, region);
	if (start >= region->end)
		return;
	mf_vec_push(&ret->ranges,
		    (struct mf_scan_range){ start, region->end, 0 });
	ret->bytes += region->end - start;
}

void mf_sources_find(struct mf_target *target, const struct mf_space *space,
		     struct mf_sources *ret)
{
	struct search search = { .space = space };
	size_t count;
	const struct mf_thread *threads = mf_target_threads(target, &count);
	const struct mf_region *regions;

	*ret = (struct mf_sources){ .group = { .label = "" } };
	for (size_t i = 0; i < count; i++)
		note_stack(&search, threads[i].sp);
	regions = mf_space_regions(space, &count);
	for (size_t i = 0; i < count; i++)
		if (may_hold(&regions[i]))
			add_region(&search, &regions[i], ret);
	mf_map_deinit(&search.lowest);
}

void mf_sources_deinit(struct mf_sources *sources)
{
	mf_vec_deinit(&sources->ranges);
}
