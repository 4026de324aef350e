/*
 * The table of signatures by their first bytes: which rows are tried where.
 */
#ifndef MF_SCAN_SIGNATURES_MAGICS_H
#define MF_SCAN_SIGNATURES_MAGICS_H

#include "scan/pairs.h"
#include "scan/signatures.h"

enum {
	MF_MAGICS_NO_ROW = UINT16_MAX,
};

/** The first bytes of a magic, as far as eight of them go. */
struct mf_magic_head {
	uint64_t bytes, mask;
	size_t lead; /* of its bytes before the pair that it is found by */
};

/** What is true of eight bytes where a row of a chain can be, from its pair on:
 * bits that are the same in all of them, and bits of which one is set. */
struct mf_magic_test {
	uint64_t mask, value, some;
};

struct mf_magics {
	const struct mf_signature *rows;
	struct mf_magic_head *heads; /* of each row */
	size_t count;
	uint16_t first[1 << 16]; /* of each pair, those of any place */
	uint16_t aligned[UINT8_MAX + 1];
	uint16_t beginning; /* of a chunk: those that are nowhere else */
	uint16_t *next;	    /* of each row: that which is tried after it */
	size_t longest;	    /* magic, and where it is */
	/* of each pair, and of each byte of those that are aligned: the test
	 * of its chain; the first one is never passed */
	uint8_t test_of[1 << 16], aligned_test_of[UINT8_MAX + 1];
	struct mf_magic_test tests[MF_PAIRS_MOST];
	struct mf_pairs pairs;
	mf_pairs_mark mark;
	mf_pairs_list list;
};

/** Made when first asked for; any thread may. */
const struct mf_magics *mf_magics(void);

/** ROW's magic stands at BYTES, eight of which are readable. */
static inline bool mf_magic_is_at(const struct mf_magics *magics, uint16_t row,
				  const uint8_t *bytes)
{
	const struct mf_signature *signature = &magics->rows[row];
	const struct mf_magic_head *head = &magics->heads[row];
	const size_t size = sizeof(head->bytes);

	return ((mf_load(uint64_t, bytes) ^ head->bytes) & head->mask) == 0 &&
	       (signature->size <= size ||
		!memcmp(bytes + size, signature->magic + size,
			signature->size - size));
}

enum {
	MF_MAGICS_PART = 4096, /* bytes that are looked at in one go */
	MF_MAGICS_PLACES = MF_MAGICS_PART + MF_PAIRS_LISTED,
};

/**
 * The offsets in RET, ascending, of the bytes at FROM (which is a multiple of
 * 64) and behind it at which the pair of a row stands that may be there: of a
 * part of SIZE bytes, behind which 64 are readable. Returns how many.
 */
size_t mf_magics_find(const struct mf_magics *magics, const uint8_t *bytes,
		      size_t size, size_t from, uint32_t ret[MF_MAGICS_PLACES]);

#endif
