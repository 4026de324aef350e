/*
 * Who keeps free memory from going back: chunks in use between two runs of
 * free ones. What their end would give is worked out by malloc_trim's own
 * rules: all three as one run, less what the two runs give already.
 */
#include "heap/glibc_pinners.h"

enum {
	FAST_MAX = 0x80, /* global_max_fast, unless tuned */
};

void mf_glibc_pinners_begin(struct mf_glibc_pinner_search *search,
			    const struct mf_glibc_segment *segment)
{
	search->segment = segment;
	search->before = (struct mf_glibc_run){ 0, 0 };
	search->group = (struct mf_glibc_group){ 0 };
	search->recent_count = 0;
	search->heap.count = 0;
	search->heap.room = MF_GLIBC_HEAP_PINNERS;
}

/* ---- what an end of theirs would give --------------------------------------- */

static struct mf_glibc_release release_as(const struct mf_glibc *glibc,
					  const struct mf_glibc_run *run,
					  enum mf_glibc_run_kind kind)
{
	if (kind == MF_GLIBC_RUN_MAIN_TOP)
		return mf_glibc_release_top(glibc, run);
	if (kind == MF_GLIBC_RUN_TOP)
		return mf_glibc_release_heap(glibc, run);
	return mf_glibc_release_run(glibc, run);
}

/* What AFTER gives without them; another arena's top is not asked. */
static struct mf_glibc_release release_now(const struct mf_glibc *glibc,
					   const struct mf_glibc_run *after,
					   enum mf_glibc_run_kind kind)
{
	if (kind != MF_GLIBC_RUN_TOP && !mf_glibc_run_is_empty(after))
		return release_as(glibc, after, kind);
	return (struct mf_glibc_release){ after->end, after->end, after->end,
					  false };
}

/* Bytes that go from the group's memory and the pages at its sides: those of
 * the two runs go anyway. */
static uint64_t gain_of(const struct mf_glibc_pinner_search *search,
			const struct mf_glibc_release *all,
			const struct mf_glibc_release *before,
			const struct mf_glibc_release *after)
{
	const struct mf_glibc *glibc = search->glibc;
	uint64_t now, then;

	then = mf_glibc_released(glibc, search->segment, all);
	now = mf_glibc_released(glibc, search->segment, before) +
	      mf_glibc_released(glibc, search->segment, after);
	return then > now ? then - now : 0;
}

/* The same without counting the pages that go anyway, which may be many: what
 * lies between the two runs' releases. */
static uint64_t gain_between(const struct mf_glibc_pinner_search *search,
			     const struct mf_glibc_release *all,
			     const struct mf_glibc_release *before,
			     const struct mf_glibc_release *after)
{
	struct mf_glibc_release middle = *all;

	if (before->start < before->end)
		middle.start = before->end;
	if (after->start < after->end)
		middle.stop = after->start;
	return middle.start < middle.stop
		       ? mf_glibc_released(search->glibc, search->segment,
					   &middle)
		       : 0;
}

/* Where the run would begin that their end makes. */
static uint64_t start_of_merged(const struct mf_glibc_pinner_search *search)
{
	return mf_glibc_run_is_empty(&search->before) ? search->group.start
						      : search->before.start;
}

static bool is_refused(const struct mf_glibc_release *release)
{
	return release->stop != release->end;
}

/* ---- the worst ------------------------------------------------------------- */

static uint64_t pinned_by(const struct mf_glibc_pinner *pinner)
{
	return pinner->gain - (pinner->group.end - pinner->group.start);
}

static bool is_worse(const struct mf_glibc_pinner_list *list, uint64_t pinned)
{
	return list->count < list->room ||
	       pinned_by(&list->items[list->count - 1]) < pinned;
}

static void keep(struct mf_glibc_pinner_list *list,
		 const struct mf_glibc_pinner *pinner)
{
	size_t at = list->count;

	if (!is_worse(list, pinned_by(pinner)))
		return;
	if (at == list->room)
		at--;
	else
		list->count++;
	for (; at && pinned_by(&list->items[at - 1]) < pinned_by(pinner); at--)
		list->items[at] = list->items[at - 1];
	list->items[at] = *pinner;
}

/* Most pin little; that is said without a look at their pages. */
static bool may_matter(const struct mf_glibc_pinner_search *search,
		       const struct mf_glibc_run *all,
		       const struct mf_glibc_run *after)
{
	const struct mf_glibc *glibc = search->glibc;
	uint64_t bytes = search->group.end - search->group.start;
	uint64_t most = mf_glibc_trim_wish(glibc, all);
	uint64_t given = mf_glibc_trim_wish(glibc, &search->before) +
			 mf_glibc_trim_wish(glibc, after);

	if (most <= bytes + given)
		return false;
	most -= bytes + given;
	return is_worse(&search->arena, most) || is_worse(&search->heap, most);
}

/* Into another arena's top goes what free merges with it, and that looks at the
 * top then; what it puts into a fast bin merges later, and nobody looks. */
static bool is_seen(const struct mf_glibc_pinner_search *search,
		    enum mf_glibc_run_kind kind)
{
	return kind != MF_GLIBC_RUN_TOP ||
	       search->glibc->layout->fastbins == MF_GLIBC_ABSENT ||
	       search->group.last_size > FAST_MAX;
}

static void weigh(struct mf_glibc_pinner_search *search,
		  const struct mf_glibc_run *after, enum mf_glibc_run_kind kind)
{
	const struct mf_glibc *glibc = search->glibc;
	const struct mf_glibc_group *group = &search->group;
	struct mf_glibc_pinner pinner = { .group = *group };
	struct mf_glibc_run run = {
		start_of_merged(search),
		mf_glibc_run_is_empty(after) ? group->end : after->end,
	};
	struct mf_glibc_release all, head, tail;

	if (!is_seen(search, kind) ||
	    (kind == MF_GLIBC_RUN_HOLE && !may_matter(search, &run, after)))
		return;
	all = release_as(glibc, &run, kind);
	head = mf_glibc_release_run(glibc, &search->before);
	tail = release_now(glibc, after, kind);
	pinner.gain = kind != MF_GLIBC_RUN_HOLE || is_refused(&all) ||
				      is_refused(&head) || is_refused(&tail)
			      ? gain_of(search, &all, &head, &tail)
			      : gain_between(search, &all, &head, &tail);
	if (pinner.gain <= group->end - group->start)
		return;
	keep(&search->arena, &pinner);
	keep(&search->heap, &pinner);
}

void mf_glibc_pinners_add_run(struct mf_glibc_pinner_search *search,
			      const struct mf_glibc_run *run,
			      enum mf_glibc_run_kind kind)
{
	if (search->group.count) {
		size_t at = search->recent_count++ % MF_GLIBC_TOP_PINNERS;

		weigh(search, run, kind);
		search->recent[at] = search->group;
		search->recent_start[at] = start_of_merged(search);
	}
	search->before = *run;
	search->group = (struct mf_glibc_group){ 0 };
}

void mf_glibc_pinners_break(struct mf_glibc_pinner_search *search)
{
	const struct mf_glibc_run none = { 0, 0 };

	if (search->group.count)
		weigh(search, &none, MF_GLIBC_RUN_HOLE);
	search->group = (struct mf_glibc_group){ 0 };
	search->before = none;
	search->recent_count = 0;
}

/* ---- for the door ------------------------------------------------------------ */

const struct mf_pinner *
mf_glibc_pinners_publish(struct mf_glibc *glibc,
			 const struct mf_glibc_pinner_list *list)
{
	struct mf_pinner *pinners = mf_pool_alloc(
		glibc->context->pool, (list->count + 1) * sizeof(*pinners));

	for (size_t i = 0; i < list->count; i++) {
		const struct mf_glibc_pinner *from = &list->items[i];

		pinners[i] = (struct mf_pinner){
			.address = from->group.start,
			.size = from->group.end - from->group.start,
			.pinned_bytes = pinned_by(from),
			.count = from->group.count,
			.cached = from->group.cached,
			.evicted_bytes = from->gain,
			.type = mf_glibc_chunk_name(glibc, from->group.start,
						    from->group.first_size),
		};
	}
	return pinners;
}

const struct mf_top_pinner *
mf_glibc_pinners_publish_top(struct mf_glibc *glibc,
			     const struct mf_glibc_pinner_search *search,
			     const struct mf_glibc_run *top, size_t *count)
{
	size_t all = search->recent_count;
	struct mf_top_pinner *pinners;

	*count = MF_MIN(all, (size_t)MF_GLIBC_TOP_PINNERS);
	pinners = mf_pool_alloc(glibc->context->pool,
				(*count + 1) * sizeof(*pinners));
	for (size_t i = 0; i < *count; i++) {
		size_t at = (all - 1 - i) % MF_GLIBC_TOP_PINNERS;
		const struct mf_glibc_group *group = &search->recent[at];
		struct mf_glibc_run run = { search->recent_start[at],
					    top->end };
		struct mf_glibc_release release =
			mf_glibc_release_top(glibc, &run);

		pinners[i] = (struct mf_top_pinner){
			.address = group->start,
			.size = group->end - group->start,
			.count = group->count,
			.cached = group->cached,
			.type = mf_glibc_chunk_name(glibc, group->start,
						    group->first_size),
			.break_bytes = release.end - release.start,
		};
	}
	/* a break that others moved on cannot shrink at all */
	if (*count && !pinners[*count - 1].break_bytes)
		*count = 0;
	return pinners;
}
