/*
 * A set of pairs of bytes that is looked for at every offset: the first stage
 * of scanners that know many beginnings.
 */
#ifndef MF_SCAN_PAIRS_H
#define MF_SCAN_PAIRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	MF_PAIRS_MOST = 256,
	MF_PAIRS_BEHIND = 33, /* bytes behind the last that may be read */
};

struct mf_pairs {
	uint64_t bits[1024]; /* of each pair, first byte low */
	/*
	 * The same, coarser: each pair is in one of sixteen groups, a bit each
	 * in two tables, by what the halves of its two bytes may be. A pair can
	 * be in the set only if some group has all four of its halves.
	 */
	uint8_t halves[2][4][16]; /* first low, first high, second low, high */
	uint8_t pairs[MF_PAIRS_MOST][2], group[MF_PAIRS_MOST];
	size_t count;
};

void mf_pairs_add(struct mf_pairs *pairs, uint8_t first, uint8_t second);
/** When all were added, before they are looked for. */
void mf_pairs_settle(struct mf_pairs *pairs);

static inline bool mf_pairs_has(const struct mf_pairs *pairs,
				const uint8_t *bytes)
{
	unsigned pair = bytes[0] | (unsigned)bytes[1] << 8;

	return pairs->bits[pair >> 6] >> (pair & 63) & 1;
}

/**
 * The first offset from FROM at which a pair stands that is in the set, below
 * SIZE; else SIZE. The pair at SIZE - 1 has its second byte behind that.
 */
typedef size_t (*mf_pairs_find)(const struct mf_pairs *pairs,
				const uint8_t *bytes, size_t from, size_t size);

/** For any processor. */
size_t mf_pairs_find_portable(const struct mf_pairs *pairs,
			      const uint8_t *bytes, size_t from, size_t size);

/** The best for the one that this runs on. */
mf_pairs_find mf_pairs_best(void);

/** That of x86-64, where the processor can do it, or NULL. */
mf_pairs_find mf_pairs_x86_64(void);

#endif
