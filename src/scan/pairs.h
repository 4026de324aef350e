/*
 * A set of pairs of bytes that is looked for at every offset: the first stage
 * of scanners that know many beginnings. It is told as masks, so that nothing is
 * begun anew where a pair is found.
 */
#ifndef MF_SCAN_PAIRS_H
#define MF_SCAN_PAIRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	MF_PAIRS_MOST = 256,
	MF_PAIRS_BEHIND = 1, /* bytes behind the last that are read */
	MF_PAIRS_KERNELS = 3,
	MF_PAIRS_EIGHTH = 0x80, /* of the first byte's classes */
};

struct mf_pairs {
	uint64_t bits[1024]; /* of each pair, first byte low */
	/*
	 * The same, coarser: each pair is in one of sixteen groups, a bit each
	 * in two tables, by what the halves of its two bytes may be. A pair can
	 * be in the set only if some group has all four of its halves.
	 */
	uint8_t halves[2][4][16]; /* first low, first high, second low, high */
	/*
	 * Coarser than the bits but finer than these: of the first byte and of
	 * the second, in which of seven groups it is. The eighth bit says that
	 * the byte is one of those below.
	 */
	uint8_t classes[2][256];
	uint8_t pairs[MF_PAIRS_MOST][2], group[MF_PAIRS_MOST];
	size_t count;
	/* bytes that are looked for at every eighth offset, by their low
	 * halves; where there is none, one of another half */
	uint8_t eighths[16];
};

void mf_pairs_init(struct mf_pairs *pairs);

void mf_pairs_add(struct mf_pairs *pairs, uint8_t first, uint8_t second);
/** BYTE, below 0x80 and with a low half of its own, at every eighth offset. */
void mf_pairs_add_eighth(struct mf_pairs *pairs, uint8_t byte);
/** When all were added, before they are looked for. */
void mf_pairs_settle(struct mf_pairs *pairs);

static inline bool mf_pairs_has(const struct mf_pairs *pairs,
				const uint8_t *bytes)
{
	unsigned pair = bytes[0] | (unsigned)bytes[1] << 8;

	return pairs->bits[pair >> 6] >> (pair & 63) & 1;
}

static inline bool mf_pairs_has_eighth(const struct mf_pairs *pairs,
				       uint8_t byte)
{
	return pairs->eighths[byte & 15] == byte;
}

/**
 * Fills COUNT words of RET: bit I of each says whether a pair of the set may
 * begin at byte I of its 64, or one of the other bytes stands there. All that do
 * are marked; which marks are of something else, mf_pairs_has tells.
 */
typedef void (*mf_pairs_mark)(const struct mf_pairs *pairs,
			      const uint8_t *bytes, size_t count,
			      uint64_t *ret);

/** For any processor: exact. */
void mf_pairs_mark_portable(const struct mf_pairs *pairs, const uint8_t *bytes,
			    size_t count, uint64_t *ret);

/** Those that this processor can do, the best first; returns how many. */
size_t mf_pairs_kernels(mf_pairs_mark ret[MF_PAIRS_KERNELS]);

/** Those of x86-64; 0 elsewhere. */
size_t mf_pairs_x86_64(mf_pairs_mark *ret);

enum {
	MF_PAIRS_LISTED = 16, /* that may be written beyond the last */
};

/**
 * Lists the offsets of MARKS of COUNT words, ascending; the first word stands at
 * FROM. Returns how many.
 */
typedef size_t (*mf_pairs_list)(const uint64_t *marks, size_t count,
				uint32_t from, uint32_t *ret);

/** For any processor. */
size_t mf_pairs_list_portable(const uint64_t *marks, size_t count,
			      uint32_t from, uint32_t *ret);
/** The best that this processor can do. */
mf_pairs_list mf_pairs_list_best(void);
/** That of x86-64, or NULL. */
mf_pairs_list mf_pairs_list_x86_64(void);

#endif
