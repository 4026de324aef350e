/*
 * What follows from the masks of a part of a window: which bytes are of whole
 * characters, and where texts may begin. No step asks a single bit: they are
 * loops over words that compilers make of vectors, for each width of these.
 */
#ifndef MF_SCAN_TEXT_BITS_H
#define MF_SCAN_TEXT_BITS_H

#include "scan/text_masks.h"

struct mf_text_bits {
	struct mf_text_masks masks;
	uint64_t text[MF_TEXT_ROOM]; /* bytes of characters */
	/* Characters of UTF-16 that begin there: of ASCII, and zeros. */
	uint64_t one[MF_TEXT_ROOM], null[MF_TEXT_ROOM];
	uint32_t least;
	uint64_t even; /* bytes at even addresses */
};

enum {
	MF_TEXT_BLOCK = 64, /* words of bits that are listed at once, at most */
	MF_TEXT_GROUP = 16, /* and so many bits of one */
	/* a run and a gap take two bits, and one run is there before */
	MF_TEXT_RUNS = MF_TEXT_BLOCK * 32 + 1,
};

/** Where runs of set bits begin and end: the i-th of both are of one run. */
struct mf_text_list {
	uint32_t start_count, end_count;
	uint32_t starts[MF_TEXT_RUNS + MF_TEXT_GROUP];
	uint32_t ends[MF_TEXT_RUNS + MF_TEXT_GROUP];
};

/**
 * The steps, in their order; of each word the one behind it must be there, and
 * the one before the first.
 */
struct mf_text_steps {
	/* leads become characters whose bytes all follow; choosy those among
	 * them that are to be asked */
	void (*join)(struct mf_text_bits *bits);
	/* text of them; says which bits of some word are other than ASCII */
	uint64_t (*spread)(struct mf_text_bits *bits);
	/* one and null */
	void (*widen)(struct mf_text_bits *bits);
	/*
	 * of text, one and null, in RUNS where LEAST bytes of text, or six,
	 * begin; and in WIDE four characters of `one`, or, behind a `null`,
	 * four that are none, at an even address; all of that is one word
	 */
	uint64_t (*begin)(const struct mf_text_bits *bits,
			  uint64_t *restrict runs, uint64_t *restrict wide);
	/*
	 * adds the runs of COUNT words of BITS, the first of which stands at
	 * BASE, to a list whose last run is open where *CARRY is 1; that is
	 * set for the next words
	 */
	void (*list)(const uint64_t *bits, size_t count, uint32_t base,
		     uint64_t *carry, struct mf_text_list *ret);
};

/** For any processor. */
extern const struct mf_text_steps mf_text_steps_portable;

enum {
	MF_TEXT_STEPS = 3,
};

/** Those that this processor can do, the best first; returns how many. */
size_t mf_text_steps_all(const struct mf_text_steps *ret[MF_TEXT_STEPS]);
const struct mf_text_steps *mf_text_steps_best(void);
/** Those of x86-64; 0 elsewhere. */
size_t mf_text_steps_x86_64(const struct mf_text_steps **ret);

/* ---- the loops ----------------------------------------------------------- */

#define MF_TEXT_INLINE __attribute__((always_inline)) static inline

/** Word AT of MASK, COUNT bits further. */
MF_TEXT_INLINE uint64_t mf_text_ahead(const uint64_t *mask, size_t at,
				      unsigned count)
{
	return mask[at] >> count | mask[at + 1] << (64 - count);
}

MF_TEXT_INLINE void mf_text_join(struct mf_text_bits *bits)
{
	struct mf_text_masks *masks = &bits->masks;

	for (size_t i = MF_TEXT_FIRST; i < MF_TEXT_FIRST + MF_TEXT_ALL; i++) {
		uint64_t follows = mf_text_ahead(masks->follows, i, 1);
		uint64_t all;

		masks->leads2[i] &= follows;
		follows &= mf_text_ahead(masks->follows, i, 2);
		masks->leads3[i] &= follows;
		follows &= mf_text_ahead(masks->follows, i, 3);
		masks->leads4[i] &= follows;
		all = masks->leads2[i] | masks->leads3[i] | masks->leads4[i];
		masks->choosy[i] &= all;
	}
}

MF_TEXT_INLINE uint64_t mf_text_spread(struct mf_text_bits *bits)
{
	const struct mf_text_masks *masks = &bits->masks;
	uint64_t high = 0;

	for (size_t i = MF_TEXT_FIRST; i < MF_TEXT_FIRST + MF_TEXT_ALL; i++) {
		uint64_t of4 = masks->leads4[i], last4 = masks->leads4[i - 1];
		uint64_t of3 = masks->leads3[i] | of4;
		uint64_t last3 = masks->leads3[i - 1] | last4;
		uint64_t of2 = masks->leads2[i] | of3;
		uint64_t last2 = masks->leads2[i - 1] | last3;

		of2 |= of2 << 1 | of3 << 2 | of4 << 3 | last2 >> 63 |
		       last3 >> 62 | last4 >> 61;
		bits->text[i] = masks->plain[i] | of2;
		high |= of2;
	}
	return high;
}

MF_TEXT_INLINE void mf_text_widen(struct mf_text_bits *bits)
{
	const struct mf_text_masks *masks = &bits->masks;

	for (size_t i = MF_TEXT_FIRST; i < MF_TEXT_FIRST + MF_TEXT_ALL; i++) {
		uint64_t behind = mf_text_ahead(masks->zero, i, 1);

		bits->one[i] = masks->plain[i] & behind;
		bits->null[i] = masks->zero[i] & behind;
	}
}

/** How many bytes of text are looked for where LEAST are asked for. */
MF_TEXT_INLINE uint32_t mf_text_asked(uint32_t least)
{
	return least >= 6 ? 6 : least >= 4 ? 4 : least >= 2 ? 2 : 1;
}

/* Of a word and the next, where so many bytes of TEXT begin. */
MF_TEXT_INLINE uint64_t mf_text_run(uint64_t text, uint64_t next,
				    uint32_t least)
{
	uint64_t two = text & (text >> 1 | next << 63);
	uint64_t next_two = next & next >> 1;
	uint64_t four = two & (two >> 2 | next_two << 62);
	uint64_t next_four = next_two & next_two >> 2;
	uint64_t six = four & (four >> 2 | next_four << 62);

	return least >= 6 ? six : least >= 4 ? four : least >= 2 ? two : text;
}

/* In which 2, 4 or 8 bytes from each on a bit of MASK is set. */
#define MF_TEXT_ANY(mask, next, count) \
	((mask) | (mask) >> (count) | (next) << (64 - (count)))
#define MF_TEXT_EACH(mask, next, count) \
	((mask) & ((mask) >> (count) | (next) << (64 - (count))))

MF_TEXT_INLINE uint64_t mf_text_begin_of(const struct mf_text_bits *bits,
					 uint64_t *restrict runs,
					 uint64_t *restrict wide,
					 uint32_t least)
{
	/* ASCII is not read in pairs: so many bytes of it are too many */
	const uint64_t asked = least >= 4 ? ~UINT64_C(0) : 0;
	const uint64_t even = bits->even;
	const uint64_t *texts = bits->text + MF_TEXT_FIRST;
	const uint64_t *ones = bits->one + MF_TEXT_FIRST;
	const uint64_t *zeros = bits->null + MF_TEXT_FIRST;
	uint64_t all = 0;

	for (size_t i = 0; i < MF_TEXT_ALL; i++) {
		uint64_t two = MF_TEXT_EACH(ones[i], ones[i + 1], 2);
		uint64_t next_two = ones[i + 1] & ones[i + 1] >> 2;
		uint64_t four = MF_TEXT_EACH(two, next_two, 4);
		uint64_t null = zeros[i], next_null = zeros[i + 1];
		uint64_t nulls = MF_TEXT_ANY(null, next_null, 2);
		uint64_t next_nulls = next_null | next_null >> 2;
		/* the word before the first is there, too */
		uint64_t start = null << 2 | *(zeros + i - 1) >> 62;
		uint64_t run = mf_text_run(texts[i], texts[i + 1], least);
		uint64_t next_run = mf_text_run(texts[i + 1], 0, least);

		start &= ~MF_TEXT_ANY(nulls, next_nulls, 4) & even;
		start &= ~(MF_TEXT_EACH(run, next_run, 2) & asked);
		runs[i] = run;
		wide[i] = four | start;
		all |= four | start;
	}
	return all;
}

/* Nearly always it is the same number. */
MF_TEXT_INLINE uint64_t mf_text_begin(const struct mf_text_bits *bits,
				      uint64_t *restrict runs,
				      uint64_t *restrict wide)
{
	return bits->least >= 6
		       ? mf_text_begin_of(bits, runs, wide, 6)
		       : mf_text_begin_of(bits, runs, wide, bits->least);
}

/* Lists where the bits of a word are, the first of which stands at BASE, and may
 * write MF_TEXT_GROUP more; returns how many there are. */
typedef uint32_t mf_text_list_word(uint64_t word, uint32_t base, uint32_t *ret);

/* Any processor's. */
static inline uint32_t mf_text_list_bits(uint64_t word, uint32_t base,
					 uint32_t *ret)
{
	uint32_t count = (uint32_t)__builtin_popcountll(word), i = 0;

	do {
		for (uint32_t k = 0; k < 4; k++) {
			ret[i++] =
				base +
				(word ? (uint32_t)__builtin_ctzll(word) : 64);
			word &= word - 1;
		}
	} while (word);
	return count;
}

MF_TEXT_INLINE void mf_text_list(const uint64_t *bits, size_t count,
				 uint32_t base, uint64_t *carry,
				 mf_text_list_word *list_word,
				 struct mf_text_list *ret)
{
	uint32_t starts = ret->start_count, ends = ret->end_count;
	uint64_t last = *carry;

	for (size_t i = 0; i < count; i++, base += 64) {
		uint64_t before = bits[i] << 1 | last;

		last = bits[i] >> 63;
		if (!(bits[i] ^ before))
			continue;
		starts += list_word(bits[i] & ~before, base,
				    ret->starts + starts);
		ends += list_word(~bits[i] & before, base, ret->ends + ends);
	}
	ret->start_count = starts;
	ret->end_count = ends;
	*carry = last;
}

#endif
