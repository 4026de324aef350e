/*
 * What is looked for in all bytes of a window, by each of the ways that this
 * processor has: all of them see the same.
 */
#include "base/memory.h"
#include "scan/pairs.h"
#include "scan/text_bits.h"
#include "unit.h"

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void check_class(const struct mf_text_masks *masks, unsigned byte)
{
	size_t at = MF_TEXT_FIRST + byte / 64;
	unsigned bit = byte % 64;

	assert_int_equal(masks->plain[at] >> bit & 1,
			 byte == 9 || (byte >= 32 && byte < 127));
	assert_int_equal(masks->zero[at] >> bit & 1, byte == 0);
	assert_int_equal(masks->follows[at] >> bit & 1,
			 byte >= 0x80 && byte < 0xc0);
	assert_int_equal(masks->leads2[at] >> bit & 1,
			 byte >= 0xc2 && byte < 0xe0);
	assert_int_equal(masks->leads3[at] >> bit & 1,
			 byte >= 0xe0 && byte < 0xf0);
	assert_int_equal(masks->leads4[at] >> bit & 1,
			 byte >= 0xf0 && byte < 0xf5);
	assert_int_equal(masks->choosy[at] >> bit & 1,
			 byte == 0xc2 || byte == 0xe0 || byte == 0xed ||
				 byte == 0xf0 || byte == 0xf4);
}

static void test_masks(void **state)
{
	enum {
		WORDS = MF_TEXT_PART + MF_TEXT_BEHIND
	};
	uint8_t *bytes = mf_calloc_aligned(64, (size_t)WORDS * 64);
	struct mf_text_masks *plain = mf_new(struct mf_text_masks);
	struct mf_text_masks *other = mf_new(struct mf_text_masks);
	mf_text_masks_make kernels[MF_TEXT_MASKS_KERNELS];
	size_t count = mf_text_masks_kernels(kernels);
	uint64_t seed = 88172645463325252;

	(void)state;
	for (size_t i = 0; i < (size_t)WORDS * 64; i++)
		bytes[i] = i < 256 ? (uint8_t)i : (uint8_t)next_random(&seed);
	assert_true(mf_text_masks_portable(bytes, WORDS, plain));
	for (size_t i = 0; i < count; i++) {
		assert_true(kernels[i](bytes, WORDS, other));
		assert_memory_equal(plain, other, sizeof(*plain));
		assert_false(kernels[i](bytes, 2, other));
		assert_true(kernels[i](bytes, 3, other));
	}
	for (unsigned byte = 0; byte < 256; byte++)
		check_class(plain, byte);
	free(bytes);
	free(plain);
	free(other);
}

/* Words of all kinds of bits, few or many of them set. */
static void fill_words(uint64_t *words, size_t count, uint64_t *seed)
{
	for (size_t i = 0; i < count; i++) {
		words[i] = next_random(seed);
		if (i % 3 == 0)
			words[i] |= next_random(seed) | next_random(seed);
		if (i % 3 == 1)
			words[i] &= next_random(seed) & next_random(seed);
	}
}

struct found {
	uint64_t runs[MF_TEXT_ALL], wide[MF_TEXT_ALL];
};

static void do_steps(const struct mf_text_steps *steps,
		     struct mf_text_bits *bits, struct found *ret,
		     uint64_t *high, uint64_t *wide)
{
	steps->join(bits);
	*high = steps->spread(bits);
	steps->widen(bits);
	*wide = steps->begin(bits, ret->runs, ret->wide);
}

/* Each step of STEPS does what the portable one does. */
static void check_steps(const struct mf_text_steps *steps, uint64_t *seed)
{
	struct mf_text_bits *one = mf_new(struct mf_text_bits);
	struct mf_text_bits *other = mf_new(struct mf_text_bits);
	struct found *found = mf_new_array(2, struct found);
	uint64_t high[2], wide[2];

	for (uint32_t least = 1; least <= 9; least++) {
		fill_words((uint64_t *)one,
			   offsetof(struct mf_text_bits, least) /
				   sizeof(uint64_t),
			   seed);
		one->least = least;
		one->even = UINT64_C(0x5555555555555555) << least % 2;
		memcpy(other, one, sizeof(*one));
		do_steps(&mf_text_steps_portable, one, &found[0], &high[0],
			 &wide[0]);
		do_steps(steps, other, &found[1], &high[1], &wide[1]);
		assert_memory_equal(one, other, sizeof(*one));
		assert_memory_equal(&found[0], &found[1], sizeof(*found));
		assert_int_equal(high[0], high[1]);
		assert_int_equal(wide[0], wide[1]);
	}
	free(one);
	free(other);
	free(found);
}

static void test_steps(void **state)
{
	const struct mf_text_steps *steps[MF_TEXT_STEPS];
	size_t count = mf_text_steps_all(steps);
	uint64_t seed = 4711;

	(void)state;
	for (size_t i = 0; i < count; i++)
		check_steps(steps[i], &seed);
}

/* Runs of set bits are listed as one sees them bit by bit. */
static void check_list(const struct mf_text_steps *steps, const uint64_t *words,
		       size_t count, uint64_t carry)
{
	struct mf_text_list *list = mf_new(struct mf_text_list);
	uint32_t starts = 0, ends = 0;
	uint64_t last = carry;
	bool before = carry;

	steps->list(words, count, 640, &last, list);
	for (uint32_t at = 0; at < count * 64; at++) {
		bool now = words[at / 64] >> at % 64 & 1;

		if (now && !before)
			assert_int_equal(list->starts[starts++], 640 + at);
		if (!now && before)
			assert_int_equal(list->ends[ends++], 640 + at);
		before = now;
	}
	assert_int_equal(list->start_count, starts);
	assert_int_equal(list->end_count, ends);
	assert_int_equal(last, before);
	free(list);
}

static void test_list(void **state)
{
	const struct mf_text_steps *steps[MF_TEXT_STEPS];
	size_t count = mf_text_steps_all(steps);
	uint64_t words[MF_TEXT_BLOCK], seed = 99;

	(void)state;
	for (size_t i = 0; i < count; i++)
		for (unsigned round = 0; round < 40; round++) {
			fill_words(words, MF_TEXT_BLOCK, &seed);
			for (size_t k = 0; k < round % 16; k++)
				words[next_random(&seed) % MF_TEXT_BLOCK] =
					k % 2 ? ~UINT64_C(0) : 0;
			if (round == 39)
				for (size_t k = 0; k < MF_TEXT_BLOCK; k++)
					words[k] = UINT64_C(0x5555555555555555);
			check_list(steps[i], words, 1 + round % MF_TEXT_BLOCK,
				   round % 2);
		}
}

static bool is_marked(const struct mf_pairs *pairs, const uint8_t *bytes,
		      size_t at)
{
	return mf_pairs_has(pairs, bytes + at) ||
	       (at % 8 == 0 && mf_pairs_has_eighth(pairs, bytes[at]));
}

/* Each kernel marks all pairs of a set, and few others. */
static void test_pairs(void **state)
{
	enum {
		WORDS = 512,
		SET = 100
	};
	struct mf_pairs *pairs = mf_new(struct mf_pairs);
	size_t size = (size_t)WORDS * 64;
	uint8_t *bytes = mf_calloc(size + MF_PAIRS_BEHIND, 1);
	uint64_t *marks = mf_new_array(WORDS, uint64_t), seed = 7;
	mf_pairs_mark kernels[MF_PAIRS_KERNELS];
	size_t count = mf_pairs_kernels(kernels), there = 0;

	(void)state;
	mf_pairs_init(pairs);
	for (unsigned i = 0; i < 8; i++)
		mf_pairs_add_eighth(pairs, (uint8_t)(i * 17));
	for (unsigned i = 0; i < SET; i++)
		mf_pairs_add(pairs, (uint8_t)(next_random(&seed) % 64),
			     (uint8_t)next_random(&seed));
	mf_pairs_settle(pairs);
	for (size_t i = 0; i < size + MF_PAIRS_BEHIND; i++)
		bytes[i] =
			(uint8_t)(next_random(&seed) % (i & 4096 ? 64 : 256));
	for (size_t i = 0; i < size; i++)
		there += is_marked(pairs, bytes, i);
	assert_true(there);
	for (size_t k = 0; k < count; k++) {
		size_t marked = 0;

		kernels[k](pairs, bytes, WORDS, marks);
		for (size_t i = 0; i < size; i++) {
			bool mark = marks[i / 64] >> i % 64 & 1;

			marked += mark;
			assert_true(mark || !is_marked(pairs, bytes, i));
		}
		assert_true(marked < size / 2);
	}
	/* the portable one marks nothing else */
	for (size_t i = 0; i < size; i++)
		there -= marks[i / 64] >> i % 64 & 1;
	assert_int_equal(there, 0);
	free(pairs);
	free(bytes);
	free(marks);
}

/* The best way to list marks lists what the portable one does. */
static void test_pairs_list(void **state)
{
	enum {
		WORDS = 64
	};
	uint64_t marks[WORDS], seed = 31;
	uint32_t *one = mf_new_array(WORDS * 64 + MF_PAIRS_LISTED, uint32_t);
	uint32_t *other = mf_new_array(WORDS * 64 + MF_PAIRS_LISTED, uint32_t);

	(void)state;
	for (size_t round = 0; round < 60; round++) {
		size_t words = round % WORDS + 1, count, bits = 0;

		fill_words(marks, WORDS, &seed);
		for (size_t k = 0; k < round % 9; k++)
			marks[next_random(&seed) % WORDS] =
				k % 2 ? ~UINT64_C(0) : 0;
		count = mf_pairs_list_portable(marks, words, 4096, one);
		assert_int_equal(
			mf_pairs_list_best()(marks, words, 4096, other), count);
		assert_memory_equal(one, other, count * sizeof(*one));
		for (size_t at = 0; at < words * 64; at++)
			if (marks[at / 64] >> at % 64 & 1)
				assert_int_equal(one[bits++], 4096 + at);
		assert_int_equal(bits, count);
	}
	free(one);
	free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_masks),	   cmocka_unit_test(test_steps),
		cmocka_unit_test(test_list),	   cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_pairs_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
