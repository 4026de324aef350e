/*
 * Finds the words of windows that point into ranges. Which of many are kept
 * does not depend on who came first: those at the lowest addresses.
 */
#include "scan/hits.h"

#include <stdlib.h>

enum {
	WORD = 8,
	TAG_SHIFT = 48,
};

#define PLAIN_MASK ((UINT64_C(1) << TAG_SHIFT) - 1)

struct mf_hits_worker {
	const struct mf_hits *hits;
	struct mf_hit_list lists[MF_HIT_FROM];
	uint64_t *by_region, *by_range;
	uint64_t hidden;
};

static uint64_t *new_counts(const struct mf_space *space)
{
	size_t count;

	mf_space_regions(space, &count);
	return mf_new_array(count + 1, uint64_t);
}

void mf_hits_init(struct mf_hits *hits, const struct mf_space *space,
		  const struct mf_graph *graph, size_t kept)
{
	*hits = (struct mf_hits){
		.space = space,
		.graph = graph,
		.kept = kept,
		.by_region = new_counts(space),
	};
}

void mf_hits_deinit(struct mf_hits *hits)
{
	mf_vec_deinit(&hits->ranges);
	for (int i = 0; i < MF_HIT_FROM; i++)
		mf_vec_deinit(&hits->lists[i].hits);
	free(hits->by_region);
	hits->by_region = NULL;
}

/* ---- ranges ---------------------------------------------------------------- */

void mf_hits_add_range(struct mf_hits *hits, uint64_t start, uint64_t end)
{
	if (start < end)
		mf_vec_push(&hits->ranges,
			    (struct mf_hit_range){ start, end, 0 });
}

static int by_start(const void *a, const void *b)
{
	const struct mf_hit_range *left = a, *right = b;

	return (left->start > right->start) - (left->start < right->start);
}

void mf_hits_seal(struct mf_hits *hits)
{
	size_t kept = 0;

	mf_vec_sort(&hits->ranges, by_start);
	for (size_t i = 0; i < hits->ranges.count; i++) {
		struct mf_hit_range range = hits->ranges.items[i];
		struct mf_hit_range *last = hits->ranges.items + kept - 1;

		if (kept && range.start < last->end)
			last->end = MF_MAX(last->end, range.end);
		else
			hits->ranges.items[kept++] = range;
	}
	hits->ranges.count = kept;
	if (!kept)
		return;
	hits->low = hits->ranges.items[0].start;
	hits->high = hits->ranges.items[kept - 1].end;
}

static const struct mf_hit_range *range_at(const struct mf_hits *hits,
					   uint64_t address)
{
	const struct mf_hit_range *base = hits->ranges.items;
	size_t count = hits->ranges.count;

	if (address - hits->low >= hits->high - hits->low)
		return NULL;
	while (count > 1) {
		size_t half = count / 2;

		if (base[half].start <= address)
			base += half;
		count -= half;
	}
	return address < base->start || address >= base->end ? NULL : base;
}

const struct mf_hit_range *mf_hits_around(const struct mf_hits *hits,
					  uint64_t address)
{
	return range_at(hits, address);
}

static const struct mf_hit_range *wanted_at(const struct mf_hits *hits,
					    uint64_t address)
{
	const struct mf_hit_range *range = range_at(hits, address);

	return range && hits->exact && address != range->start ? NULL : range;
}

const struct mf_hit_range *mf_hits_range_of(const struct mf_hits *hits,
					    uint64_t value, bool *tagged)
{
	const struct mf_hit_range *range = wanted_at(hits, value);

	*tagged = false;
	if (range || !hits->tagged || value == (value & PLAIN_MASK))
		return range;
	*tagged = true;
	return wanted_at(hits, value & PLAIN_MASK);
}

/* ---- lists ----------------------------------------------------------------- */

static int by_slot(const void *a, const void *b)
{
	const struct mf_hit *left = a, *right = b;

	return (left->slot > right->slot) - (left->slot < right->slot);
}

static void keep_first(struct mf_hit_list *list, size_t kept)
{
	mf_vec_sort(&list->hits, by_slot);
	list->hits.count = MF_MIN(list->hits.count, kept);
}

/* Sorted only now and then. */
static void list_push(struct mf_hit_list *list, const struct mf_hit *hit,
		      size_t kept)
{
	list->total++;
	if (list->hits.count >= 2 * kept)
		keep_first(list, kept);
	mf_vec_push(&list->hits, *hit);
}

static size_t region_of(const struct mf_space *space, uint64_t address)
{
	size_t count;
	const struct mf_region *regions = mf_space_regions(space, &count);
	const struct mf_region *region = mf_space_region_at(space, address);

	return region ? (size_t)(region - regions) : count;
}

void mf_hits_note(struct mf_hits *hits, const struct mf_hit *hit)
{
	list_push(&hits->lists[hit->chunk ? MF_HIT_CHUNK : MF_HIT_ROOT], hit,
		  hits->kept);
	hits->by_region[region_of(hits->space, hit->slot)]++;
}

/* ---- windows --------------------------------------------------------------- */

struct mf_hits_worker *mf_hits_worker_create(const struct mf_hits *hits)
{
	struct mf_hits_worker *worker = mf_new(struct mf_hits_worker);

	worker->hits = hits;
	worker->by_region = new_counts(hits->space);
	worker->by_range = mf_new_array(hits->ranges.count + 1, uint64_t);
	return worker;
}

static void look_at(struct mf_hits_worker *worker, const struct mf_hit *hit)
{
	const struct mf_hits *hits = worker->hits;
	bool tagged;
	const struct mf_hit_range *range =
		mf_hits_range_of(hits, hit->value, &tagged);

	if (!range)
		return;
	if (mf_graph_is_hidden(hits->graph, hit->slot)) {
		worker->hidden++;
		return;
	}
	list_push(&worker->lists[hit->chunk ? MF_HIT_CHUNK : MF_HIT_ROOT], hit,
		  hits->kept);
	worker->by_region[region_of(hits->space, hit->slot)]++;
	worker->by_range[range - hits->ranges.items]++;
}

static void scan_piece(struct mf_hits_worker *worker,
		       const struct mf_scan_window *window,
		       const struct mf_scan_piece *piece)
{
	const uint64_t low = worker->hits->low;
	const uint64_t span = worker->hits->high - low;
	const uint64_t mask = worker->hits->tagged ? PLAIN_MASK : UINT64_MAX;
	uint32_t at = (piece->start + WORD - 1) & ~(WORD - 1U);

	for (; at + WORD <= piece->end; at += WORD) {
		uint64_t value = mf_load(uint64_t, window->bytes + at);

		if (MF_UNLIKELY((value & mask) - low < span))
			look_at(worker, &(struct mf_hit){
						.slot = window->address + at,
						.value = value,
						.chunk = piece->chunk,
					});
	}
}

void mf_hits_window(struct mf_hits_worker *worker,
		    const struct mf_scan_window *window)
{
	for (uint32_t i = 0; i < window->piece_count; i++)
		scan_piece(worker, window, &window->pieces[i]);
}

void mf_hits_merge(struct mf_hits *hits, struct mf_hits_worker *worker)
{
	size_t count;

	mf_space_regions(hits->space, &count);
	for (int i = 0; i < MF_HIT_FROM; i++) {
		uint64_t total = hits->lists[i].total + worker->lists[i].total;

		mf_vec_foreach(hit, &worker->lists[i].hits)
			list_push(&hits->lists[i], hit, hits->kept);
		hits->lists[i].total = total;
		mf_vec_deinit(&worker->lists[i].hits);
	}
	for (size_t i = 0; i <= count; i++)
		hits->by_region[i] += worker->by_region[i];
	for (size_t i = 0; i < hits->ranges.count; i++)
		hits->ranges.items[i].words += worker->by_range[i];
	hits->hidden += worker->hidden;
	free(worker->by_range);
	free(worker->by_region);
	free(worker);
}

void mf_hits_finish(struct mf_hits *hits)
{
	for (int i = 0; i < MF_HIT_FROM; i++)
		keep_first(&hits->lists[i], hits->kept);
}
