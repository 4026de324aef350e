/*
 * What is looked for in all bytes of a window, by each of the ways that this
 * processor has: all of them see the same.
 */
#include "base/memory.h"
#include "scan/pairs.h"
#include "scan/text_masks.h"
#include "unit.h"

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void test_masks(void **state)
{
	enum {
		WORDS = 512
	};
	uint8_t *bytes = mf_calloc_aligned(64, (size_t)WORDS * 64);
	struct mf_text_masks *plain = mf_new_array(WORDS, struct mf_text_masks);
	struct mf_text_masks *other = mf_new_array(WORDS, struct mf_text_masks);
	mf_text_masks_make kernels[MF_TEXT_MASKS_KERNELS];
	size_t count = mf_text_masks_kernels(kernels);
	uint64_t seed = 88172645463325252;

	(void)state;
	for (size_t i = 0; i < (size_t)WORDS * 64; i++)
		bytes[i] = i < 256 ? (uint8_t)i : (uint8_t)next_random(&seed);
	mf_text_masks_portable(bytes, WORDS, plain);
	for (size_t i = 0; i < count; i++) {
		kernels[i](bytes, WORDS, other);
		assert_memory_equal(plain, other, WORDS * sizeof(*plain));
	}
	for (size_t i = 0; i < 256; i++) {
		const struct mf_text_masks *masks = &plain[i / 64];
		unsigned bit = i % 64;

		assert_int_equal(masks->plain >> bit & 1,
				 i == 9 || (i >= 32 && i < 127));
		assert_int_equal(masks->zero >> bit & 1, i == 0);
		assert_int_equal(masks->follows >> bit & 1,
				 i >= 0x80 && i < 0xc0);
		assert_int_equal(masks->leads2 >> bit & 1,
				 i >= 0xc2 && i < 0xe0);
		assert_int_equal(masks->leads3 >> bit & 1,
				 i >= 0xe0 && i < 0xf0);
		assert_int_equal(masks->leads4 >> bit & 1,
				 i >= 0xf0 && i < 0xf5);
		assert_int_equal(masks->choosy >> bit & 1,
				 i == 0xc2 || i == 0xe0 || i == 0xed ||
					 i == 0xf0 || i == 0xf4);
	}
	free(bytes);
	free(plain);
	free(other);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_masks),
		cmocka_unit_test(test_pairs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
