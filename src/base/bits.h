/*
 * Long rows of bits, 64 a word, the first the lowest.
 */
#ifndef MF_BASE_BITS_H
#define MF_BASE_BITS_H

#include <stdint.h>

/**
 * The first bit, from AT on, that is set in WORDS (FLIP 0) or clear in them
 * (FLIP all ones), or END.
 */
static inline uint32_t mf_bits_next(const uint64_t *words, uint32_t at,
				    uint32_t end, uint64_t flip)
{
	const uint32_t width = 64;
	uint64_t word;

	if (at >= end)
		return end;
	word = (words[at / width] ^ flip) & (~UINT64_C(0) << (at % width));
	for (at /= width; !word; word = words[at] ^ flip)
		if (++at * width >= end)
			return end;
	at = at * width + (uint32_t)__builtin_ctzll(word);
	return at < end ? at : end;
}

#endif
