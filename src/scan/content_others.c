/*
 * Blocks whose words look like nothing: text of another script, or bytes all
 * alike in likelihood, as what was compressed or encrypted has them.
 */
#include <string.h>

#include "base/memory.h"
#include "scan/content.h"

enum {
	VALUES = 256,
	SAMPLE = 64,	      /* bytes of a block that are enough */
	USUAL_DIFFERENT = 46, /* least_different of so many */
	LEAST_SAMPLE = 64,
	NIBBLES = 16,
	CHI_LIMIT = 70, /* of 15 degrees of freedom: 1 in millions is above */
};

/* ---- like what was compressed ------------------------------------------------ */

/* Of the bytes of a sample. */
struct histogram {
	uint8_t high[NIBBLES]; /* how many have that high half */
	unsigned total, different;
};

/* Words from all over the block, as many as a sample needs. */
static uint64_t choose(uint64_t used)
{
	/* every other word, every fourth, every eighth */
	static const uint64_t masks[] = { UINT64_C(0x5555555555555555),
					  UINT64_C(0x1111111111111111),
					  UINT64_C(0x0101010101010101) };

	for (size_t i = MF_ARRAY_SIZE(masks); i; i--)
		if (__builtin_popcountll(used & masks[i - 1]) * 8 >= SAMPLE)
			return used & masks[i - 1];
	return used;
}

static void sample(const uint8_t *block, uint64_t used,
		   struct histogram *histogram)
{
	uint8_t there[VALUES] = { 0 };

	used = choose(used);
	*histogram = (struct histogram){
		.total = (unsigned)__builtin_popcountll(used) * 8,
	};
	for (; used; used &= used - 1) {
		uint64_t word =
			mf_load(uint64_t, block + 8 * __builtin_ctzll(used));

		for (unsigned i = 0; i < 8; i++, word >>= 8) {
			uint8_t byte = (uint8_t)word;

			histogram->different += !there[byte];
			there[byte] = 1;
			histogram->high[byte >> 4]++;
		}
	}
}

/*
 * The fewest different values among N bytes that are random: four fifths of
 * 256 (1 - (255/256)^N), which are to be expected.
 */
static double least_different(unsigned n)
{
	double missing = VALUES, kept = (double)(VALUES - 1) / VALUES;

	if (n == SAMPLE)
		return USUAL_DIFFERENT;
	for (; n; n >>= 1) {
		if (n & 1)
			missing *= kept;
		kept *= kept;
	}
	return 0.8 * (VALUES - missing);
}

/* High halves of bytes are as likely as each other; in sounds, pictures and
 * code they are not. */
static bool is_even(const struct histogram *histogram)
{
	int64_t total = histogram->total, chi = 0;

	for (unsigned i = 0; i < NIBBLES; i++) {
		int64_t off = histogram->high[i] * NIBBLES - total;

		chi += off * off;
	}
	return chi < CHI_LIMIT * NIBBLES * total;
}

static bool is_random(const uint8_t *block, uint64_t used)
{
	struct histogram histogram;

	sample(block, used, &histogram);
	if (histogram.total < LEAST_SAMPLE)
		return false;
	return histogram.different >= least_different(histogram.total) &&
	       is_even(&histogram);
}

/* ---- text of other scripts ---------------------------------------------------- */

/* Bytes of the character at AT, of which LEFT bytes may be; 0: it is none. */
static unsigned utf8_length(const uint8_t *at, size_t left)
{
	unsigned length = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;

	if (at[0] < 0x80)
		return at[0] >= 0x20 || (at[0] >= '\t' && at[0] <= '\r');
	if (at[0] < 0xc2 || at[0] > 0xf4 || length > left)
		return 0;
	for (unsigned i = 1; i < length; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	return length;
}

/* Nine of ten bytes belong to characters; what lies between is zero. */
static bool is_utf8(const uint8_t *block, uint64_t used)
{
	unsigned good = 0, bad = 0;

	for (size_t i = 0; i < MF_CONTENT_BLOCK;) {
		unsigned length;

		if (!(used >> (i / 8) & 1)) {
			i += 8;
			continue;
		}
		length = utf8_length(block + i, MF_CONTENT_BLOCK - i);
		good += length;
		bad += !length && block[i];
		i += length ? length : 1;
	}
	return good && bad * 9 <= good;
}

enum mf_content mf_content_judge_others(const uint8_t *block, uint64_t used)
{
	if (is_random(block, used))
		return MF_CONTENT_COMPRESSED;
	if (is_utf8(block, used))
		return MF_CONTENT_TEXT;
	return MF_CONTENT_MIXED;
}
