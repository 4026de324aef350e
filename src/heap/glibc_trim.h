/*
 * Runs of free memory and what malloc_trim(0) would give back of them.
 */
#ifndef MF_HEAP_GLIBC_TRIM_H
#define MF_HEAP_GLIBC_TRIM_H

#include "heap/glibc.h"

/** Adjacent free chunks, as malloc_consolidate leaves them: [start, end). */
struct mf_glibc_run {
	uint64_t start, end; /* equal: none */
};

/** Bytes of a range by where they are. */
struct mf_glibc_residence {
	uint64_t resident, swapped, absent;
};

/** Where the bytes of [START, END) of SEGMENT are; no target. */
struct mf_glibc_residence
mf_glibc_residence(const struct mf_glibc *glibc,
		   const struct mf_glibc_segment *segment, uint64_t start,
		   uint64_t end);

/** What malloc_trim would give back, page by page. */
struct mf_glibc_ranges {
	MF_VEC(struct mf_trim_range) items;
	size_t room; /* for so many more */
	bool cut;    /* there was none left */
};

/**
 * Pages of RUN that mtrim would release and that are there; RANGES (NULL: not
 * wanted) gets them too.
 */
uint64_t mf_glibc_trim_run(const struct mf_glibc *glibc,
			   const struct mf_glibc_segment *segment,
			   const struct mf_glibc_run *run,
			   struct mf_glibc_ranges *ranges);

/** Pages of TOP (with the run before it) that systrim would release. */
uint64_t mf_glibc_trim_top(const struct mf_glibc *glibc,
			   const struct mf_glibc_segment *segment,
			   const struct mf_glibc_run *top,
			   struct mf_glibc_ranges *ranges);

/**
 * Pages more that could be released, were the chunks between BEFORE and AFTER
 * freed too; AFTER_IS_TOP: it is the main arena's top.
 */
uint64_t mf_glibc_trim_gain(const struct mf_glibc *glibc,
			    const struct mf_glibc_segment *segment,
			    const struct mf_glibc_run *before,
			    const struct mf_glibc_run *after,
			    bool after_is_top);

#endif
