/*
 * What a block is: what most of its words look like; and of words that look
 * like nothing, whether they are text of another script, or all alike in
 * likelihood, as what was compressed or encrypted is.
 */
#include <string.h>

#include "base/memory.h"
#include "scan/content.h"

enum {
	ZEROS = 16,	   /* one word in so many may be something else */
	LEAST_SAMPLE = 64, /* bytes that randomness can be told of */
	SAMPLE_WORDS = 32, /* of a block; every other one will do */
	NIBBLES = 16,
	CHI_LIMIT = 60, /* of 15 degrees of freedom: 1 in millions is above */
};

static unsigned count(uint64_t mask)
{
	return (unsigned)__builtin_popcountll(mask);
}

/* Most of what is not zero. */
static bool is_most(unsigned part, unsigned whole)
{
	return part * 3 >= whole * 2;
}

/* ---- like what was compressed ------------------------------------------------ */

struct histogram {
	uint16_t values[256];
	unsigned total;
};

/* Every other word, where there are enough. */
static void sample(const uint8_t *block, uint64_t used,
		   struct histogram *histogram)
{
	const uint64_t every_other = UINT64_C(0x5555555555555555);

	if (count(used & every_other) * 8 >= LEAST_SAMPLE)
		used &= every_other;
	*histogram = (struct histogram){ .total = count(used) * 8 };
	for (; used; used &= used - 1) {
		const uint8_t *word = block + 8 * __builtin_ctzll(used);

		for (unsigned i = 0; i < 8; i++)
			histogram->values[word[i]]++;
	}
}

/* How many different values N random bytes have: 256 (1 - (255/256)^N). */
static double expected_different(unsigned n)
{
	double missing = 256, kept = 255.0 / 256;

	for (; n; n >>= 1) {
		if (n & 1)
			missing *= kept;
		kept *= kept;
	}
	return 256 - missing;
}

/* High halves of bytes are as likely as each other; in sounds, pictures and
 * code they are not. */
static bool is_even(const struct histogram *histogram)
{
	double expected = (double)histogram->total / NIBBLES, chi = 0;

	for (unsigned i = 0; i < NIBBLES; i++) {
		unsigned seen = 0;
		double off;

		for (unsigned k = 0; k < NIBBLES; k++)
			seen += histogram->values[i * NIBBLES + k];
		off = seen - expected;
		chi += off * off / expected;
	}
	return chi < CHI_LIMIT;
}

static bool is_random(const uint8_t *block, uint64_t used)
{
	struct histogram histogram;
	unsigned different = 0;

	if (count(used) * 8 < LEAST_SAMPLE)
		return false;
	sample(block, used, &histogram);
	for (unsigned i = 0; i < MF_ARRAY_SIZE(histogram.values); i++)
		different += histogram.values[i] != 0;
	return different >= 0.85 * expected_different(histogram.total) &&
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

/* ---- all ------------------------------------------------------------------------ */

static enum mf_content judge_others(const uint8_t *block,
				    const struct mf_content_masks *masks,
				    uint64_t used)
{
	uint64_t others = used & ~(masks->zero | masks->pointer);

	if (is_random(block, others))
		return MF_CONTENT_COMPRESSED;
	if (is_utf8(block, others))
		return MF_CONTENT_TEXT;
	return MF_CONTENT_MIXED;
}

enum mf_content mf_content_judge(const uint8_t *block,
				 const struct mf_content_masks *masks,
				 uint64_t used)
{
	unsigned all = count(used), left = all - count(masks->zero & used);
	unsigned text = count(masks->text & used);
	unsigned integers = count(masks->integer & used);
	unsigned reals = count(masks->real & used);
	unsigned pointers = count(masks->pointer & used);

	if (!all)
		return MF_CONTENT_MIXED;
	if (left * ZEROS <= all)
		return MF_CONTENT_ZERO;
	if (is_most(text, left))
		return MF_CONTENT_TEXT;
	if (is_most(pointers, left))
		return MF_CONTENT_POINTERS;
	if (is_most(integers + reals, left))
		return integers >= reals ? MF_CONTENT_INTEGERS
					 : MF_CONTENT_FLOATS;
	if (is_most(left - pointers - integers - reals, left))
		return judge_others(block, masks, used);
	return MF_CONTENT_MIXED;
}
