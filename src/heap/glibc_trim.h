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

static inline bool mf_glibc_run_is_empty(const struct mf_glibc_run *run)
{
	return run->start == run->end;
}

/** Bytes of a range by where they are. */
struct mf_glibc_residence {
	uint64_t resident, swapped, absent;
};

/** Where the bytes of [START, END) of SEGMENT are; no target. */
struct mf_glibc_residence
mf_glibc_residence(const struct mf_glibc *glibc,
		   const struct mf_glibc_segment *segment, uint64_t start,
		   uint64_t end);

/** Whole pages handed to the kernel; those from STOP on it refuses. */
struct mf_glibc_release {
	uint64_t start, stop, end;
	bool huge; /* it refuses a huge page mapping; else locked memory */
};

/** Bytes that mtrim asks the kernel to take of RUN, whatever becomes of it. */
uint64_t mf_glibc_trim_wish(const struct mf_glibc *glibc,
			    const struct mf_glibc_run *run);

/** Of RUN, by mtrim. */
struct mf_glibc_release mf_glibc_release_run(const struct mf_glibc *glibc,
					     const struct mf_glibc_run *run);

/** Of the main arena's TOP (with the run before it), by systrim. */
struct mf_glibc_release mf_glibc_release_top(const struct mf_glibc *glibc,
					     const struct mf_glibc_run *top);

/** Of another arena's TOP, when what was freed last became part of it. */
struct mf_glibc_release mf_glibc_release_heap(const struct mf_glibc *glibc,
					      const struct mf_glibc_run *top);

/** Bytes of RELEASE that are in RAM and go. */
static inline uint64_t mf_glibc_released(const struct mf_glibc *glibc,
					 const struct mf_glibc_segment *segment,
					 const struct mf_glibc_release *release)
{
	return mf_glibc_residence(glibc, segment, release->start, release->stop)
		.resident;
}

/** What malloc_trim would give back, page by page. */
struct mf_glibc_ranges {
	MF_VEC(struct mf_trim_range) items;
	size_t room; /* for so many more */
	bool cut;    /* there was none left */
};

/** Adds the pages of RELEASE that are in RAM and go. */
void mf_glibc_list_released(const struct mf_glibc *glibc,
			    const struct mf_glibc_segment *segment,
			    const struct mf_glibc_release *release,
			    struct mf_glibc_ranges *ranges);

/** Adds to RETAINED why bytes of RUN in RAM stay, RELEASE being of it. */
void mf_glibc_add_retained(const struct mf_glibc *glibc,
			   const struct mf_glibc_segment *segment,
			   const struct mf_glibc_run *run,
			   const struct mf_glibc_release *release,
			   struct mf_retained *retained);

#endif
