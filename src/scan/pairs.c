/*
 * The set of pairs, and marks of pairs without wide vectors.
 */
#include "scan/pairs.h"

#include <assert.h>
#include <endian.h>

#include "base/memory.h"

enum {
	STEP = 8,
	WORD = 64,
	FEW = 2, /* marks of a word that are listed anyway */
};

/* ---- the set ---------------------------------------------------------------- */

void mf_pairs_init(struct mf_pairs *pairs)
{
	*pairs = (struct mf_pairs){ 0 };
	for (unsigned i = 0; i < MF_ARRAY_SIZE(pairs->eighths); i++)
		pairs->eighths[i] = (uint8_t)(i ^ 1);
}

void mf_pairs_add_eighth(struct mf_pairs *pairs, uint8_t byte)
{
	uint8_t *place = &pairs->eighths[byte & 15];

	assert(byte < 0x80 && ((*place ^ byte) & 15 || *place == byte));
	*place = byte;
}

void mf_pairs_add(struct mf_pairs *pairs, uint8_t first, uint8_t second)
{
	unsigned pair = first | (unsigned)second << 8;
	size_t at = pairs->count;

	assert(at < MF_PAIRS_MOST);
	if (pairs->bits[pair >> 6] >> (pair & 63) & 1)
		return;
	pairs->bits[pair >> 6] |= UINT64_C(1) << (pair & 63);
	pairs->pairs[at][0] = first;
	pairs->pairs[at][1] = second;
	pairs->count++;
}

/* ---- finding ------------------------------------------------------------------ */

static inline uint64_t bit_of(const struct mf_pairs *pairs, unsigned pair)
{
	return pairs->bits[pair >> 6 & 1023] >> (pair & 63);
}

/* The bits of eight offsets. */
static uint64_t mark_eight(const struct mf_pairs *pairs, uint64_t word,
			   unsigned behind)
{
	uint64_t marks = mf_pairs_has_eighth(pairs, (uint8_t)word);

	for (unsigned i = 0; i < STEP - 1; i++)
		marks |= (bit_of(pairs, word >> 8 * i & 0xffff) & 1) << i;
	return marks | (bit_of(pairs, (unsigned)(word >> 56) | behind << 8) & 1)
			       << (STEP - 1);
}

void mf_pairs_mark_portable(const struct mf_pairs *pairs, const uint8_t *bytes,
			    size_t count, uint64_t *ret)
{
	bool zeros = mf_pairs_has(pairs, (const uint8_t[]){ 0, 0 }) ||
		     mf_pairs_has_eighth(pairs, 0);

	for (size_t i = 0; i < count; i++) {
		ret[i] = 0;
		for (unsigned at = 0; at < 64; at += STEP, bytes += STEP) {
			uint64_t word = le64toh(mf_load(uint64_t, bytes));

			if (word || bytes[STEP] || zeros)
				ret[i] |= mark_eight(pairs, word, bytes[STEP])
					  << at;
		}
	}
}

#if !defined(__x86_64__)
size_t mf_pairs_x86_64(mf_pairs_mark *ret)
{
	(void)ret;
	return 0;
}
#endif

size_t mf_pairs_kernels(mf_pairs_mark ret[MF_PAIRS_KERNELS])
{
	size_t count = mf_pairs_x86_64(ret);

	ret[count++] = mf_pairs_mark_portable;
	return count;
}

/* ---- listing ------------------------------------------------------------------ */

/* Of 0, what does not matter. */
static inline unsigned lowest_bit(uint64_t mask)
{
	return (unsigned)__builtin_ctzll(mask | UINT64_C(1) << (WORD - 1));
}

/* Most words have a few marks or none, and branches on how many would be
 * foreseen badly. */
size_t mf_pairs_list_portable(const uint64_t *marks, size_t count,
			      uint32_t from, uint32_t *ret)
{
	size_t used = 0;

	for (size_t i = 0; i < count; i++, from += WORD) {
		uint64_t left = marks[i];

		for (unsigned k = 0; k < FEW; k++) {
			/* of none, a place that is overwritten */
			ret[used] = from + lowest_bit(left);
			used += left != 0;
			left &= left - 1;
		}
		for (; MF_UNLIKELY(left); left &= left - 1)
			ret[used++] = from + lowest_bit(left);
	}
	return used;
}

#if !defined(__x86_64__)
mf_pairs_list mf_pairs_list_x86_64(void)
{
	return NULL;
}
#endif

mf_pairs_list mf_pairs_list_best(void)
{
	mf_pairs_list list = mf_pairs_list_x86_64();

	return list ? list : mf_pairs_list_portable;
}
