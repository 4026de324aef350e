/*
 * Which words are addresses: those that lie in a region. Mappings come in a few
 * clusters (program and heap; libraries and what was mapped; stacks), so that
 * hardly a word that is no address passes the first test.
 */
#ifndef MF_SCAN_POINTERS_H
#define MF_SCAN_POINTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "memforensics/space.h"

enum {
	MF_POINTER_CLUSTERS = 4,
};

#define MF_NO_REGION UINT32_MAX

/** Regions that lie near each other: [start, start + size). */
struct mf_pointer_cluster {
	uint64_t start, size; /* size 0: there is none */
	unsigned shift;	      /* of a granule's size */
	uint32_t *first; /* of each granule: the first region that ends in it
			    or behind it */
};

struct mf_pointer_index {
	struct mf_pointer_cluster clusters[MF_POINTER_CLUSTERS];
	const struct mf_region *regions; /* the space's */
	size_t region_count;
};

/** SPACE, settled, must live as long. Regions that cannot hold data (guards,
 * reserves, devices) are left out. */
void mf_pointer_index_init(struct mf_pointer_index *index,
			   const struct mf_space *space);
void mf_pointer_index_deinit(struct mf_pointer_index *index);

/** Whether WORD may be an address at all: quick, and right but for gaps. */
static inline bool mf_pointer_may_be(const struct mf_pointer_index *index,
				     uint64_t word)
{
	bool may = false;

	for (unsigned i = 0; i < MF_POINTER_CLUSTERS; i++)
		may |= word - index->clusters[i].start <
		       index->clusters[i].size;
	return may;
}

/** Index of the region that WORD points into, or MF_NO_REGION. */
uint32_t mf_pointer_region(const struct mf_pointer_index *index, uint64_t word);

#endif
