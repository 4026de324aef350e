/*
 * A set of pairs of bytes that is looked for at every offset: the first stage
 * of scanners that know many beginnings.
 */
#ifndef MF_SCAN_PAIRS_H
#define MF_SCAN_PAIRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mf_pairs {
	uint64_t bits[1024]; /* of each pair, first byte low */
};

static inline void mf_pairs_add(struct mf_pairs *pairs, uint8_t first,
				uint8_t second)
{
	unsigned pair = first | (unsigned)second << 8;

	pairs->bits[pair >> 6] |= UINT64_C(1) << (pair & 63);
}

static inline bool mf_pairs_has(const struct mf_pairs *pairs,
				const uint8_t *bytes)
{
	unsigned pair = bytes[0] | (unsigned)bytes[1] << 8;

	return pairs->bits[pair >> 6] >> (pair & 63) & 1;
}

/**
 * The first offset from FROM at which a pair stands that is in the set, below
 * SIZE; else SIZE. A byte behind the last is read.
 */
size_t mf_pairs_find(const struct mf_pairs *pairs, const uint8_t *bytes,
		     size_t from, size_t size);

#endif
