/*
 * Which chunks of a heap are meant (places, kinds, sizes), and their order: by
 * address as the allocators show them, or by size with a bounded heap of the
 * best that are not yet shown.
 */
#include <stdlib.h>

#include "memforensics/heap.h"

#include "base/memory.h"

enum {
	MOST_KEPT = 1 << 18, /* chunks that are put in order at once */
};

/* ---- by address ---------------------------------------------------------- */

struct choosing {
	const struct mf_chunk_choice *choice;
	uint64_t shown_end; /* of the range before this one; 0: it is first */
	mf_chunk_visitor visit;
	void *data;
	bool ended;
};

static bool is_chosen(const struct mf_chunk_choice *choice,
		      const struct mf_chunk *chunk)
{
	if (choice->kinds && !(choice->kinds & 1U << chunk->kind))
		return false;
	if (chunk->size < choice->min_size ||
	    (choice->max_size && chunk->size > choice->max_size))
		return false;
	return !choice->accepts || choice->accepts(chunk, choice->data);
}

static bool choose(const struct mf_chunk *chunk, void *data)
{
	struct choosing *choosing = data;

	/* it reaches into two ranges */
	if (chunk->address < choosing->shown_end)
		return true;
	if (!is_chosen(choosing->choice, chunk))
		return true;
	choosing->ended = !choosing->visit(chunk, choosing->data);
	return !choosing->ended;
}

void mf_heap_each_chosen(const struct mf_heap *heap,
			 const struct mf_chunk_choice *choice,
			 mf_chunk_visitor visit, void *data)
{
	struct choosing choosing = {
		.choice = choice,
		.visit = visit,
		.data = data,
	};

	if (!choice->ranges) {
		mf_heap_each_chunk(heap, 0, UINT64_MAX, choose, &choosing);
		return;
	}
	for (size_t i = 0; i < choice->range_count && !choosing.ended; i++) {
		const struct mf_chunk_range *range = &choice->ranges[i];

		mf_heap_each_chunk(heap, range->start, range->end, choose,
				   &choosing);
		choosing.shown_end = range->end;
	}
}

/* ---- by size ------------------------------------------------------------- */

/* Those that come first of all that come after the last one shown, with the one
 * that comes last of them on top. */
struct ranking {
	struct mf_chunk *kept;
	size_t count, capacity;
	struct mf_chunk last; /* shown; size 0: none */
};

/* LEFT comes before RIGHT. */
static bool precedes(const struct mf_chunk *left, const struct mf_chunk *right)
{
	if (left->size != right->size)
		return left->size > right->size;
	if (left->address != right->address)
		return left->address < right->address;
	return (uintptr_t)left->allocator < (uintptr_t)right->allocator;
}

static void swap(struct mf_chunk *left, struct mf_chunk *right)
{
	struct mf_chunk kept = *left;

	*left = *right;
	*right = kept;
}

static void sift_up(struct mf_chunk *items, size_t at)
{
	while (at && precedes(&items[(at - 1) / 2], &items[at])) {
		swap(&items[(at - 1) / 2], &items[at]);
		at = (at - 1) / 2;
	}
}

static void sift_down(struct mf_chunk *items, size_t count)
{
	size_t at = 0;

	for (;;) {
		size_t child = at * 2 + 1;

		if (child >= count)
			return;
		if (child + 1 < count &&
		    precedes(&items[child], &items[child + 1]))
			child++;
		if (!precedes(&items[at], &items[child]))
			return;
		swap(&items[at], &items[child]);
		at = child;
	}
}

static bool rank(const struct mf_chunk *chunk, void *data)
{
	struct ranking *ranking = data;

	if (ranking->last.size && !precedes(&ranking->last, chunk))
		return true;
	if (ranking->count < ranking->capacity) {
		ranking->kept[ranking->count] = *chunk;
		sift_up(ranking->kept, ranking->count++);
		return true;
	}
	if (precedes(chunk, &ranking->kept[0])) {
		ranking->kept[0] = *chunk;
		sift_down(ranking->kept, ranking->count);
	}
	return true;
}

static int by_rank(const void *a, const void *b)
{
	return precedes(a, b) ? -1 : precedes(b, a);
}

void mf_heap_each_by_size(const struct mf_heap *heap,
			  const struct mf_chunk_choice *choice, uint64_t limit,
			  mf_chunk_visitor visit, void *data)
{
	uint64_t left = limit ? limit : UINT64_MAX;
	struct ranking ranking = { 0 };

	ranking.capacity = MF_MIN(left, (uint64_t)MOST_KEPT);
	ranking.kept = mf_new_array(ranking.capacity, struct mf_chunk);
	do {
		ranking.count = 0;
		mf_heap_each_chosen(heap, choice, rank, &ranking);
		qsort(ranking.kept, ranking.count, sizeof(*ranking.kept),
		      by_rank);
		for (size_t i = 0; i < ranking.count && left; i++, left--)
			if (!visit(&ranking.kept[i], data))
				left = 1;
		if (ranking.count)
			ranking.last = ranking.kept[ranking.count - 1];
	} while (left && ranking.count == ranking.capacity);
	free(ranking.kept);
}
