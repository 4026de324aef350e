/*
 * The sums over one arena's chunks.
 */
#ifndef MF_HEAP_GLIBC_TALLY_H
#define MF_HEAP_GLIBC_TALLY_H

#include "heap/chunk_census.h"
#include "heap/glibc_pinners.h"

enum {
	MF_GLIBC_BINS_KEPT = MF_GLIBC_FASTBINS + MF_GLIBC_BINS,
};

struct mf_glibc_tally {
	struct mf_glibc *glibc;
	struct mf_glibc_arena *arena;
	struct mf_glibc_segment *segment;
	struct mf_arena_figures *figures;
	struct mf_glibc_ranges *ranges; /* NULL: not asked for */
	bool skipped;			/* by malloc_trim */
	struct mf_glibc_run run; /* the free chunks that were just read */
	struct mf_glibc_run top;
	struct mf_glibc_pinner_search search;
	const struct mf_top_pinner *top_pinners;
	size_t top_pinner_count;
	struct mf_size_class classes[MF_SIZE_CLASSES];
	struct mf_bin bins[MF_GLIBC_BINS_KEPT];
};

/** Goes over SEGMENT's log once: its own figures, and its share of TALLY. */
void mf_glibc_tally_segment(struct mf_glibc_tally *tally,
			    struct mf_glibc_segment *segment);

#endif
