/*
 * Which pages of a process are looked for in its copy, and which are not there:
 * asks the process for those once, just after it was let go, so that it may do
 * what it likes, and even end, while its copy is read.
 */
#include "target/view.h"

#include <errno.h>

#include "base/memory.h"
#include "base/search.h"
#include "target/live.h"

enum {
	RUNS_MAX = 1 << 20, /* of all mappings: 24 MiB */
	KEPT_LEAST = 1 << 20,
};

void mf_view_end(struct mf_view *view)
{
	mf_mappings_clear(&view->before);
	mf_mappings_clear(&view->merged);
	mf_vec_deinit(&view->parts);
	mf_vec_deinit(&view->kept);
	mf_vec_deinit(&view->runs);
	*view = (struct mf_view){ 0 };
}

void mf_view_begin(struct mf_target *target)
{
	struct mf_view *view = &mf_live_of(target)->view;

	mf_view_end(view);
	view->before = target->mappings;
	view->status = target->info.status;
	target->mappings = (struct mf_mappings){ 0 };
}

/* ---- the process's pages -------------------------------------------------- */

struct recorder {
	struct mf_view *view;
	struct mf_page_counts counts;
	uint64_t page_size;
};

static void record_run(void *context, uint64_t start, uint64_t end,
		       uint8_t flags)
{
	struct recorder *recorder = context;
	uint64_t pages = (end - start) / recorder->page_size;

	if (flags & MF_PAGE_PRESENT)
		recorder->counts.present += pages;
	if (flags & MF_PAGE_SWAPPED)
		recorder->counts.swapped += pages;
	if (flags & MF_PAGE_PRESENT && flags & MF_PAGE_FILE)
		recorder->counts.file += pages;
	if (recorder->view->runs.count <= RUNS_MAX)
		mf_vec_push(&recorder->view->runs,
			    (struct mf_view_run){ start, end, flags });
}

/* Which pages the process has, and how many. */
static void record(struct mf_target *target, struct mf_view_part *part,
		   struct mf_page_counts *ret)
{
	struct mf_live *live = mf_live_of(target);
	const struct mf_range range = { part->start, part->end };
	struct recorder recorder = {
		.view = &live->view,
		.page_size = target->info.page_size,
	};

	part->first = live->view.runs.count;
	part->recorded = mf_pagemap_scan(target, live->copy.own_pagemap, &range,
					 record_run, &recorder) == 0 &&
			 live->view.runs.count <= RUNS_MAX;
	/* memory that is gone has no pages to show */
	if (live->view.runs.count == part->first)
		part->recorded = mf_live_has_own_memory(live);
	if (!part->recorded)
		live->view.runs.count = part->first;
	part->last = live->view.runs.count;
	*ret = recorder.counts;
}

/* ---- mappings ------------------------------------------------------------- */

static void add_part(struct mf_target *target, struct mf_mapping *mapping,
		     const struct mf_mapping *before, enum mf_route route)
{
	struct mf_view *view = &mf_live_of(target)->view;
	struct mf_view_part part = {
		.start = mapping->start,
		.end = mapping->end,
		.route = route,
		.of_file = mapping->inode && !(mapping->perms & MF_PERM_SHARED),
	};
	struct mf_page_counts counts;

	record(target, &part, &counts);
	if (!mapping->usage_known)
		mf_view_estimate(before, &counts, target->info.page_size,
				 mapping);
	mf_vec_push(&view->parts, part);
	if (route != MF_ROUTE_PROCESS)
		return;
	view->kept_bytes += mapping->usage.rss + mapping->usage.swap;
	mf_vec_push(&view->kept,
		    (struct mf_range){ mapping->start, mapping->end });
}

static void add_kept(struct mf_target *target, const struct mf_mapping *before)
{
	struct mf_mapping mapping = *before;

	add_part(target, &mapping, before, MF_ROUTE_PROCESS);
	mf_live_of(target)->view.is_kept_whole = true;
	mf_mappings_add(&target->mappings, &mapping);
}

static void add_mapping(struct mf_target *target,
			const struct mf_mapping *before,
			const struct mf_mapping *copy)
{
	struct mf_mapping mapping = *copy;
	enum mf_route route = mf_view_merge_mapping(before, &mapping);

	if (route != MF_ROUTE_COPY)
		add_part(target, &mapping, before, route);
	mf_mappings_add(&target->mappings, &mapping);
}

static uint64_t end_of(const struct mf_mappings *mappings)
{
	return mappings->count ? mappings->items[mappings->count - 1].end : 0;
}

/* Mappings from *NEXT on that end by UPTO, and that no child gets. */
static void add_missing(struct mf_target *target, size_t *next, uint64_t upto)
{
	const struct mf_mappings *before = &mf_live_of(target)->view.before;

	for (; *next < before->count; ++*next) {
		const struct mf_mapping *mapping = &before->items[*next];

		if (mapping->end > upto)
			return;
		if (mapping->vm_flags & MF_VM_DONTFORK &&
		    mapping->start >= end_of(&target->mappings))
			add_kept(target, mapping);
	}
}

static void merge(struct mf_target *target, const struct mf_mappings *copies)
{
	const struct mf_mappings *before = &mf_live_of(target)->view.before;
	size_t next = 0;

	for (size_t i = 0; i < copies->count; i++) {
		const struct mf_mapping *copy = &copies->items[i];
		const struct mf_mapping *old = NULL;

		add_missing(target, &next, copy->start);
		if (next < before->count &&
		    before->items[next].start < copy->end)
			old = &before->items[next];
		add_mapping(target, old, copy);
	}
	add_missing(target, &next, UINT64_MAX);
}

void mf_view_merge(struct mf_target *target)
{
	struct mf_view *view = &mf_live_of(target)->view;
	struct mf_mappings copies = target->mappings;

	target->mappings = (struct mf_mappings){ 0 };
	merge(target, &copies);
	mf_mappings_clear(&copies);
	target->info.status = view->status;
	mf_view_merge_status(&view->before, &target->mappings,
			     &target->info.status);
	mf_mappings_clear(&view->before);
	view->merged = target->mappings;
	target->mappings = (struct mf_mappings){ 0 };
	mf_view_recall(target);
}

bool mf_view_recall(struct mf_target *target)
{
	const struct mf_mappings *merged = &mf_live_of(target)->view.merged;

	for (size_t i = 0; i < merged->count; i++)
		mf_mappings_add(&target->mappings, &merged->items[i]);
	return merged->count > 0;
}

/* ---- pages ------------------------------------------------------------------ */

static const struct mf_view_part *part_at(const struct mf_view *view,
					  uint64_t address)
{
	return mf_range_at(view->parts.items, view->parts.count, address);
}

/* The first run of PART that ends after ADDRESS. */
static size_t run_after(const struct mf_view *view,
			const struct mf_view_part *part, uint64_t address)
{
	return part->first + mf_range_after(&view->runs.items[part->first],
					    part->last - part->first, address);
}

struct visitor {
	const struct mf_view *view;
	const struct mf_view_part *part;
	mf_run_visit *visit;
	void *context;
	uint64_t at; /* all before it was visited */
	bool any;
};

/* A huge page that the process had, and the copy has no more, was taken back
 * from it; one of a file can be had again. */
static uint8_t recorded_flags(const struct mf_view_part *part,
			      const struct mf_view_run *run)
{
	if (part->route == MF_ROUTE_RESERVED && !(run->flags & MF_PAGE_FILE))
		return MF_PAGE_UNREADABLE;
	return run->flags;
}

static void visit_recorded(const struct visitor *visitor, uint64_t start,
			   uint64_t end)
{
	const struct mf_view *view = visitor->view;
	const struct mf_view_part *part = visitor->part;

	for (size_t i = run_after(view, part, start); i < part->last; i++) {
		const struct mf_view_run *run = &view->runs.items[i];

		if (run->start >= end)
			return;
		visitor->visit(visitor->context, MF_MAX(start, run->start),
			       MF_MIN(end, run->end),
			       recorded_flags(part, run));
	}
}

static void visit_copied(void *context, uint64_t start, uint64_t end,
			 uint8_t flags)
{
	struct visitor *visitor = context;

	if (visitor->part)
		visit_recorded(visitor, visitor->at, start);
	visitor->visit(visitor->context, start, end, flags);
	visitor->at = end;
	visitor->any = true;
}

/* PART: NULL, or what the process had besides. */
static int copied_runs(struct mf_target *target,
		       const struct mf_view_part *part,
		       const struct mf_range *range, struct visitor *visitor)
{
	struct mf_live *live = mf_live_of(target);
	int number;

	visitor->part = part;
	visitor->at = range->start;
	number = mf_pagemap_scan(target, live->pagemap, range, visit_copied,
				 visitor);
	if (!number && !visitor->any && !mf_live_has_memory(live))
		return ESRCH;
	if (!number && part)
		visit_recorded(visitor, visitor->at, range->end);
	return number;
}

/* The few pages that a random number generator has wiped are not. */
static bool is_worth_it(const struct mf_view *view)
{
	return view->is_kept_whole || view->kept_bytes >= KEPT_LEAST;
}

/* Of PART the process has to be asked now. */
static int own_runs(struct mf_target *target, const struct mf_view_part *part,
		    const struct mf_range *range, const struct visitor *visitor)
{
	struct mf_live *live = mf_live_of(target);
	bool is_kept = part->route == MF_ROUTE_PROCESS;
	int number = mf_pagemap_scan(target, live->copy.own_pagemap, range,
				     visitor->visit, visitor->context);

	if (mf_live_has_own_memory(live))
		return number;
	/* its file is read instead */
	if (!is_kept && part->of_file)
		return 0;
	visitor->visit(visitor->context, range->start, range->end,
		       MF_PAGE_UNREADABLE);
	if (!is_kept || is_worth_it(&live->view))
		mf_target_note_partial(target, "snapshot",
				       "the process ended before all of its "
				       "memory that is not in the copy was "
				       "read");
	return 0;
}

int mf_view_runs(struct mf_target *target, const struct mf_range *range,
		 mf_run_visit *visit, void *context)
{
	const struct mf_view *view = &mf_live_of(target)->view;
	const struct mf_view_part *part = part_at(view, range->start);
	struct visitor visitor = {
		.view = view,
		.part = part,
		.visit = visit,
		.context = context,
	};

	if (!part || part->route == MF_ROUTE_RESERVED)
		return copied_runs(target, part, range, &visitor);
	if (part->route == MF_ROUTE_PROCESS || !part->recorded)
		return own_runs(target, part, range, &visitor);
	visit_recorded(&visitor, range->start, range->end);
	return 0;
}

/* ---- bytes ------------------------------------------------------------------ */

/* Some of its pages of its own (anonymous ones) may be others', too. */
static bool may_share(const struct mf_mapping *mapping)
{
	const struct mf_usage *usage = &mapping->usage;

	if (!mapping->usage_known ||
	    usage->lacks & (MF_FIGURE_RSS | MF_FIGURE_PSS | MF_FIGURE_ANON))
		return true;
	return usage->anon && usage->pss < usage->rss;
}

/* From START on, up to what is returned, END at most, *SHARES is the same. */
static uint64_t alike_upto(const struct mf_target *target, uint64_t start,
			   uint64_t end, bool *shares)
{
	const struct mf_mappings *all = &target->mappings;
	size_t i = mf_range_after(all->items, all->count, start);

	*shares = i < all->count && may_share(&all->items[i]);
	for (; i < all->count && all->items[i].start < end; i++)
		if (may_share(&all->items[i]) != *shares)
			return MF_MAX(start, all->items[i].start);
	return end;
}

uint64_t mf_view_source(const struct mf_target *target, uint64_t start,
			uint64_t end, struct mf_source *ret)
{
	const struct mf_live *live = mf_live_of(target);

	*ret = (struct mf_source){
		.tid = live->memory_tid,
		.mem = live->mem,
		.shares = true,
	};
	if (!live->copy.pid)
		return alike_upto(target, start, end, &ret->shares);
	for (size_t i = 0; i < live->view.kept.count; i++) {
		const struct mf_range *kept = &live->view.kept.items[i];

		if (kept->end <= start)
			continue;
		if (kept->start > start)
			return MF_MIN(end, kept->start);
		*ret = (struct mf_source){
			.tid = live->copy.own_tid,
			.mem = live->copy.own_mem,
			.runs = true,
		};
		return MF_MIN(end, kept->end);
	}
	return end;
}

void mf_view_note_kept(struct mf_target *target)
{
	if (is_worth_it(&mf_live_of(target)->view))
		mf_target_note_partial(
			target, "snapshot",
			"what the program keeps from its children "
			"(MADV_DONTFORK, MADV_WIPEONFORK) is not in the copy: "
			"it was read from the running process");
}
