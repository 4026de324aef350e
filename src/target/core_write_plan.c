/*
 * Decides which pages go into a core: resident ones, of the mappings that the
 * kernel would write too (Linux fs/coredump.c, vma_dump_size, with the default
 * filter 0x33). Absent pages that read as zeros belong to a segment's memory
 * but not to its bytes in the file; those that are in swap, or in a file alone,
 * belong to no segment.
 *
 * Runs that lie close together share a segment: debuggers look through all
 * segments for each address.
 */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/memory.h"
#include "target/core_notes.h"
#include "target/core_write.h"

enum {
	GAP_PAGES = 4,	      /* that a segment has between its runs */
	SEGMENTS_MAX = 60000, /* more, and wider gaps are tried */
	GAP_GROWTH = 4,
};

/* No gap between pages is wider: what lies in one is in the file, too, be it
 * as a hole, and is read over. More segments do less harm. */
static const uint64_t gap_most = UINT64_C(1) << 20;

/** What of a mapping is in the core. */
enum policy {
	NOTHING,
	HEADER,	  /* its first page; the others are in its file */
	RESIDENT, /* pages that are present */
	WHOLE,	  /* absent ones too, from their file or the kernel */
};

/* ---- what a mapping is ------------------------------------------------------- */

static bool is_elf(struct mf_target *target, const struct mf_mapping *mapping)
{
	char magic[SELFMAG];

	return !mapping->offset && mapping->perms & MF_PERM_READ &&
	       mf_target_try_read(target, mapping->start, magic, SELFMAG) &&
	       memcmp(magic, ELFMAG, SELFMAG) == 0;
}

/* Shared memory that no name leads to dies with the process. */
static bool is_kept_elsewhere(const struct mf_mapping *mapping)
{
	return mapping->inode && !mapping->deleted;
}

static enum policy usual_policy(struct mf_target *target,
				const struct mf_mapping *mapping, bool has_anon)
{
	if (mapping->vm_flags & MF_VM_DONTDUMP)
		return NOTHING;
	if (strcmp(mapping->path, "[vdso]") == 0)
		return WHOLE;
	if (mapping->perms & MF_PERM_SHARED) {
		if (mapping->vm_flags & MF_VM_HUGETLB)
			return NOTHING;
		if (!is_kept_elsewhere(mapping))
			return RESIDENT;
	} else if (mf_mapping_has_no_file(mapping) || has_anon) {
		return RESIDENT;
	}
	return is_elf(target, mapping) ? HEADER : NOTHING;
}

/* The files of modules, by device and inode. */
static uint64_t file_key(const struct mf_mapping *mapping)
{
	return mf_hash64(mapping->inode) ^
	       ((uint64_t)mapping->dev_major << 32 | mapping->dev_minor);
}

static void add_modules(struct mf_target *target, struct mf_map *modules)
{
	size_t count;
	const struct mf_mapping *mappings = mf_target_mappings(target, &count);

	for (size_t i = 0; i < count; i++)
		if (mappings[i].inode && mf_mapping_is_memory(&mappings[i]) &&
		    is_elf(target, &mappings[i]))
			mf_map_set(modules, file_key(&mappings[i]), 1);
}

static enum policy full_policy(const struct mf_mapping *mapping,
			       const struct mf_map *modules)
{
	if (mapping->perms & MF_PERM_SHARED)
		return RESIDENT;
	return strcmp(mapping->path, "[vdso]") == 0 ||
			       (mapping->inode &&
				mf_map_has(modules, file_key(mapping)))
		       ? WHOLE
		       : RESIDENT;
}

/* ---- which pages are there ---------------------------------------------------- */

struct survey {
	struct mf_core_runs runs;
	bool has_anon; /* of the mapping that is looked at */
};

static void survey_run(void *context, uint64_t start, uint64_t end,
		       uint8_t flags)
{
	const uint8_t there = MF_PAGE_PRESENT | MF_PAGE_SWAPPED;
	struct survey *survey = context;

	if (flags & there && !(flags & MF_PAGE_FILE))
		survey->has_anon = true;
	mf_core_put_run(&survey->runs, start, end, flags);
}

/* What somebody asked for by its address is in the core, whatever it is. */
static enum policy asked_policy(const struct mf_core_options *options,
				const struct mf_mapping *mapping)
{
	for (size_t i = 0; i < options->range_count; i++)
		if (options->ranges[i].start < mapping->end &&
		    options->ranges[i].end > mapping->start)
			return mf_mapping_has_no_file(mapping) &&
					       strcmp(mapping->path,
						      "[vdso]") != 0
				       ? RESIDENT
				       : WHOLE;
	return NOTHING;
}

static struct mf_error *take_survey(struct mf_target *target,
				    const struct mf_core_options *options,
				    struct mf_buffer *runs, uint8_t *policies)
{
	bool full = options->full;
	size_t count;
	const struct mf_mapping *mappings = mf_target_mappings(target, &count);
	mf_cleanup(mf_map_deinit) struct mf_map modules = { 0 };
	struct survey survey;

	if (full && !options->ranges)
		add_modules(target, &modules);
	mf_core_put_runs(&survey.runs, runs, target->info.page_size);
	for (size_t i = 0; i < count; i++) {
		if (!mf_mapping_is_memory(&mappings[i]))
			continue;
		survey.has_anon = false;
		MF_TRY(mf_target_visit_runs(target, mappings[i].start,
					    mappings[i].end, survey_run,
					    &survey));
		if (options->ranges)
			policies[i] =
				(uint8_t)asked_policy(options, &mappings[i]);
		else
			policies[i] =
				(uint8_t)(full ? full_policy(&mappings[i],
							     &modules)
					       : usual_policy(target,
							      &mappings[i],
							      survey.has_anon));
	}
	mf_core_end_runs(&survey.runs);
	return NULL;
}

/* ---- segments -------------------------------------------------------------------- */

enum kind {
	DATA, /* bytes */
	VOID, /* addresses without bytes */
	HOLE, /* not in the core */
};

struct planner {
	struct mf_core_plan *plan;
	const struct mf_mapping *mappings;
	const uint8_t *policies;
	const struct mf_core_options *options;
	size_t count;
	size_t range; /* the first that may not be behind us */
	size_t index; /* of the mapping that is being covered */
	uint64_t at;  /* up to where it is, 0: nothing yet */
	uint64_t page_size, gap;
	bool is_open; /* the last segment may grow */
	bool reads_swapped;
};

static enum kind kind_of(const struct planner *planner, enum policy policy,
			 uint8_t flags)
{
	const struct mf_mapping *mapping = &planner->mappings[planner->index];

	if (policy == NOTHING || flags & MF_PAGE_UNREADABLE ||
	    (flags & MF_PAGE_SWAPPED && !planner->reads_swapped))
		return HOLE;
	if (policy == WHOLE ||
	    (policy == RESIDENT && flags && !(flags & MF_PAGE_ZERO)))
		return DATA;
	/* nobody reads zeros where a file has bytes, or none may read */
	return mapping->perms && mf_mapping_has_no_file(mapping) ? VOID : HOLE;
}

static void add_data(struct planner *planner, uint64_t start, uint64_t end)
{
	struct mf_core_plan *plan = planner->plan;
	struct mf_core_load *last = NULL;

	plan->data_bytes += end - start;
	if (planner->is_open)
		last = &plan->segments.items[plan->segments.count - 1];
	if (!last || start - last->file_end > planner->gap) {
		last = mf_vec_add(&plan->segments);
		last->start = last->file_end = start;
		last->perms = planner->mappings[planner->index].perms;
		planner->is_open = true;
	}
	last->file_end = last->end = end;
}

static void add_void(struct planner *planner, uint64_t start, uint64_t end)
{
	struct mf_core_plan *plan = planner->plan;
	struct mf_core_load *last;

	if (planner->is_open) {
		plan->segments.items[plan->segments.count - 1].end = end;
		return;
	}
	last = mf_vec_add(&plan->segments);
	last->start = last->file_end = start;
	last->end = end;
	last->perms = planner->mappings[planner->index].perms;
	planner->is_open = true;
}

static void add_span(struct planner *planner, uint64_t start, uint64_t end,
		     enum kind kind)
{
	if (start >= end)
		return;
	if (kind == DATA)
		add_data(planner, start, end);
	else if (kind == VOID)
		add_void(planner, start, end);
	else
		planner->is_open = false;
}

/* Of a span, what lies in the ranges that were asked for. */
static void add_asked(struct planner *planner, uint64_t start, uint64_t end,
		      enum kind kind)
{
	const struct mf_core_options *options = planner->options;
	uint64_t page = planner->page_size;

	for (; options->ranges && planner->range < options->range_count;
	     planner->range++) {
		const struct mf_address_range *range =
			&options->ranges[planner->range];
		uint64_t from = MF_MAX(start, range->start & -page);
		uint64_t to = MF_MIN(end, (range->end + page - 1) & -page);

		if (from >= end)
			break;
		if (to <= from)
			continue;
		add_span(planner, start, from, HOLE);
		add_span(planner, from, to, kind);
		start = to;
		if (to == end)
			break;
	}
	add_span(planner, start, end, options->ranges ? HOLE : kind);
}

/* Pages of the current mapping, from where it is covered to END. */
static void cover(struct planner *planner, uint64_t end, uint8_t flags)
{
	const struct mf_mapping *mapping = &planner->mappings[planner->index];
	enum policy policy = planner->policies[planner->index];
	uint64_t at = planner->at;

	if (policy == HEADER && at == mapping->start && at < end) {
		at += planner->page_size;
		add_span(planner, mapping->start, at, DATA);
	}
	add_asked(planner, at, end, kind_of(planner, policy, flags));
	planner->at = MF_MAX(at, end);
}

static void enter(struct planner *planner, size_t index)
{
	planner->index = index;
	planner->is_open = false;
	if (index < planner->count)
		planner->at = planner->mappings[index].start;
}

/* Ends the current mapping: what is left of it is absent. */
static void leave(struct planner *planner)
{
	cover(planner, planner->mappings[planner->index].end, 0);
	enter(planner, planner->index + 1);
}

static void plan_run(void *context, uint64_t start, uint64_t end, uint8_t flags)
{
	struct planner *planner = context;

	while (start < end && planner->index < planner->count) {
		const struct mf_mapping *mapping =
			&planner->mappings[planner->index];

		if (start >= mapping->end) {
			leave(planner);
			continue;
		}
		if (start > planner->at)
			cover(planner, start, 0);
		start = MF_MIN(end, mapping->end);
		if (start > planner->at)
			cover(planner, start, flags);
	}
}

static void plan_segments(struct mf_target *target,
			  const struct mf_core_options *options,
			  const uint8_t *policies, uint64_t gap,
			  struct mf_core_plan *plan)
{
	struct planner planner = {
		.plan = plan,
		.options = options,
		.policies = policies,
		.page_size = target->info.page_size,
		.gap = gap,
		.reads_swapped = mf_target_reads_swapped(target),
	};

	plan->segments.count = 0;
	plan->data_bytes = plan->file_bytes = 0;
	planner.mappings = mf_target_mappings(target, &planner.count);
	enter(&planner, 0);
	if (!mf_core_get_runs(plan->runs.text, plan->runs.size,
			      &planner.page_size, plan_run, &planner))
		return;
	while (planner.index < planner.count)
		leave(&planner);
	mf_vec_foreach(segment, &plan->segments)
		plan->file_bytes += segment->file_end - segment->start;
}

struct mf_error *mf_core_plan_make(struct mf_target *target,
				   const struct mf_core_options *options,
				   struct mf_core_plan *ret)
{
	size_t count;
	mf_auto_free uint8_t *policies = NULL;
	uint64_t gap = (uint64_t)GAP_PAGES * target->info.page_size;

	*ret = (struct mf_core_plan){ 0 };
	mf_target_mappings(target, &count);
	policies = mf_calloc(count + 1, sizeof(*policies));
	MF_TRY(take_survey(target, options, &ret->runs, policies));
	do {
		plan_segments(target, options, policies, gap, ret);
		gap *= GAP_GROWTH;
	} while (ret->segments.count > SEGMENTS_MAX && gap <= gap_most);
	return NULL;
}

void mf_core_plan_deinit(struct mf_core_plan *plan)
{
	mf_vec_deinit(&plan->segments);
	mf_buffer_deinit(&plan->runs);
}
