/*
 * Where the bytes of ranges are: in RAM, in swap or nowhere, asked for in
 * windows that follow who asks. Private to the heap room.
 */
#ifndef MF_HEAP_RESIDENCE_H
#define MF_HEAP_RESIDENCE_H

#include "memforensics/heap.h"

enum {
	MF_RESIDENCE_WINDOW = 8192, /* pages that are asked for at once */
};

/** Zeroed but for the first two. */
struct mf_residence {
	struct mf_target *target;
	uint64_t page_size;
	uint64_t start, end; /* of the window */
	uint8_t flags[MF_RESIDENCE_WINDOW];
};

struct mf_whereabouts {
	uint64_t resident, swapped, absent; /* bytes */
};

/** Where the bytes of [START, END) are. */
struct mf_whereabouts mf_residence_find(struct mf_residence *residence,
					uint64_t start, uint64_t end);

/** Adds a free chunk, [START, START + SIZE), to FIGURES. */
void mf_residence_add_free(struct mf_residence *residence,
			   struct mf_arena_figures *figures, uint64_t start,
			   uint64_t size);

#endif
