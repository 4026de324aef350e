/*
 * Chunks counted by size: what the census and the figures of arenas share.
 */
#ifndef MF_HEAP_CHUNK_CENSUS_H
#define MF_HEAP_CHUNK_CENSUS_H

#include "memforensics/heap.h"

#include "heap/chunk_log.h"

enum {
	MF_CLASSES_PER_DOUBLING = 4,
	MF_SIZE_CLASSES = 64 * MF_CLASSES_PER_DOUBLING,
};

/** Four classes a doubling: of 8 granules and more the upper three bits. */
static inline unsigned mf_size_class_index(uint64_t size)
{
	uint64_t granules = size / MF_GRANULE;
	unsigned high = 63 - (unsigned)__builtin_clzll(granules | 1);

	if (granules < MF_CLASSES_PER_DOUBLING * 2)
		return (unsigned)granules;
	return (high - 1) * MF_CLASSES_PER_DOUBLING +
	       (unsigned)(granules >> (high - 2) & 3);
}

/** The chunks in use of SIZE bytes; 0: there are none. */
typedef uint64_t (*mf_size_counter)(uint64_t size, const void *data);

/**
 * The known patterns that sizes make, most bytes first; *ret has room for
 * MF_SIZE_PATTERNS. Returns how many (size_patterns.c).
 */
size_t mf_size_patterns_find(mf_size_counter count, const void *data,
			     struct mf_size_pattern *ret);

#endif
