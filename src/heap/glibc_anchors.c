/*
 * Chunks that are known from elsewhere than their neighbours: from bins, fast
 * bins, tcaches and tops. Behind damage the walk goes on from them.
 */
#include <stdlib.h>

#include "base/search.h"
#include "heap/glibc.h"

enum {
	ANCHORS_TRIED = 16,
};

static int by_address(const void *a, const void *b)
{
	const uint64_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

static void add_anchors(struct mf_glibc *glibc,
			const struct mf_glibc_arena *arena)
{
	mf_vec_push(&glibc->anchors, arena->top);
	for (unsigned i = 0; i < MF_GLIBC_FASTBINS; i++)
		mf_vec_push(&glibc->anchors, arena->fastbins[i]);
	for (unsigned i = 0; i < MF_GLIBC_BINS; i++) {
		mf_vec_push(&glibc->anchors, arena->bins[i][0]);
		mf_vec_push(&glibc->anchors, arena->bins[i][1]);
	}
}

/* Where lists and tops say that chunks are, gathered at the first damage. */
static void gather_anchors(struct mf_glibc *glibc)
{
	if (glibc->anchors.count)
		return;
	mf_vec_foreach(arena, &glibc->arenas)
		add_anchors(glibc, arena);
	mf_vec_foreach(tcache, &glibc->tcaches)
		for (unsigned i = 0; i < MF_GLIBC_TCACHE_BINS_MAX; i++)
			if (tcache->entries[i])
				mf_vec_push(&glibc->anchors,
					    tcache->entries[i] -
						    MF_GLIBC_CHUNK_HEADER);
	mf_vec_sort(&glibc->anchors, by_address);
}

static size_t first_anchor(const struct mf_glibc *glibc, uint64_t from)
{
	return mf_count_leading(glibc->anchors.items, glibc->anchors.count,
				anchor, *anchor < from);
}

uint64_t mf_glibc_find_anchor(struct mf_glibc *glibc,
			      const struct mf_glibc_arena *arena,
			      struct mf_window *window, uint64_t from,
			      uint64_t end)
{
	uint64_t spent = glibc->effort;
	uint64_t found = 0, chain_end;

	gather_anchors(glibc);
	for (size_t i = first_anchor(glibc, from), tried = 0;
	     !found && tried < ANCHORS_TRIED && i < glibc->anchors.count; i++) {
		uint64_t at = glibc->anchors.items[i];

		if (at >= end)
			break;
		if (at % MF_GRANULE || (i && at == glibc->anchors.items[i - 1]))
			continue;
		tried++;
		/* So few are looked at whatever was spent before. */
		glibc->effort = 0;
		if (mf_glibc_is_chain(glibc, arena, window, at,
				      MF_GLIBC_RESYNC_CHUNKS, &chain_end))
			found = at;
		spent += glibc->effort;
	}
	glibc->effort = spent;
	return found;
}
