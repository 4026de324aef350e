/*
 * Looks for pairs of bytes, eight offsets at a time, and past zeros faster.
 */
#include "scan/pairs.h"

#include "base/memory.h"

enum {
	STEP = 8,
};

static inline uint64_t bit_of(const struct mf_pairs *pairs, unsigned pair)
{
	return pairs->bits[pair >> 6 & 1023] >> (pair & 63);
}

size_t mf_pairs_find(const struct mf_pairs *pairs, const uint8_t *bytes,
		     size_t from, size_t size)
{
	bool zeros = mf_pairs_has(pairs, (const uint8_t[]){ 0, 0 });
	size_t at = from;

	for (; at + STEP <= size; at += STEP) {
		uint64_t word = mf_load(uint64_t, bytes + at);
		uint64_t any;

		if (!word && !bytes[at + STEP] && !zeros)
			continue;
		any = bit_of(pairs, word & 0xffff) |
		      bit_of(pairs, word >> 8 & 0xffff) |
		      bit_of(pairs, word >> 16 & 0xffff) |
		      bit_of(pairs, word >> 24 & 0xffff) |
		      bit_of(pairs, word >> 32 & 0xffff) |
		      bit_of(pairs, word >> 40 & 0xffff) |
		      bit_of(pairs, word >> 48) |
		      bit_of(pairs, (unsigned)(word >> 56) |
					    (unsigned)bytes[at + STEP] << 8);
		if (any & 1)
			break;
	}
	while (at < size && !mf_pairs_has(pairs, bytes + at))
		at++;
	return at < size ? at : size;
}
