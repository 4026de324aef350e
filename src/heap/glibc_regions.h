/*
 * What the two files of the main arena share: its claims, and the regions that
 * it has where it cannot have the break.
 */
#ifndef MF_HEAP_GLIBC_REGIONS_H
#define MF_HEAP_GLIBC_REGIONS_H

#include "heap/glibc.h"

#define MF_GLIBC_MAIN_LABEL "main arena"

/** Claims SEGMENT as memory of the main arena. */
void mf_glibc_claim_main(struct mf_glibc *glibc,
			 const struct mf_glibc_segment *segment,
			 enum mf_class class, const char *proof);

/** Walks regions from mmap until *FOUND bytes are all of the main arena. */
void mf_glibc_find_regions(struct mf_glibc *glibc, struct mf_window *window,
			   uint64_t *found);

#endif
