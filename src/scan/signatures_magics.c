/*
 * The table of signatures, put in order by first bytes: rows that begin alike
 * follow each other.
 */
#include "scan/signatures_magics.h"

#include <assert.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>

static bool is_small_letter(uint8_t byte)
{
	return byte >= 'a' && byte <= 'z';
}

/* Where its first pair is that not all texts are full of. */
static size_t lead_of(const struct mf_signature *signature)
{
	const uint8_t *magic = (const uint8_t *)signature->magic;

	for (size_t at = 0; at + 2 <= signature->size; at++)
		if (!is_small_letter(magic[at]) ||
		    !is_small_letter(magic[at + 1]))
			return at;
	return 0;
}

static void add_row(struct mf_magics *rows, uint16_t row)
{
	const struct mf_signature *signature = &rows->rows[row];
	const uint8_t *magic = (const uint8_t *)signature->magic;
	struct mf_magic_head *head = &rows->heads[row];
	size_t size = MF_MIN((size_t)signature->size, sizeof(head->bytes));
	uint16_t *chain;

	memcpy(&head->bytes, magic, size);
	memset(&head->mask, 0xff, size);
	if (signature->where == MF_SIGN_BEGINS) {
		/* the last one is tried first */
		rows->next[row] = rows->beginning;
		rows->beginning = row;
		return;
	}
	if (signature->where == MF_SIGN_ALIGNED) {
		chain = &rows->aligned[magic[0]];
		mf_pairs_add_eighth(&rows->pairs, magic[0]);
	} else {
		head->lead = lead_of(signature);
		magic += head->lead;
		chain = &rows->first[magic[0] | magic[1] << 8];
		mf_pairs_add(&rows->pairs, magic[0], magic[1]);
		rows->longest = MF_MAX(rows->longest,
				       (size_t)signature->at + signature->size);
	}
	while (*chain != MF_MAGICS_NO_ROW)
		chain = &rows->next[*chain];
	*chain = row;
}

/* ---- tests of chains ----------------------------------------------------------- */

enum {
	ALIGNED = 8,
	TESTED = 8, /* bytes, from the pair on */
	WORD = 64,  /* of marks */
	PART = 32,  /* words whose marks are listed at once */
};

/* What is said of the bytes from a row's pair on. */
struct tested {
	uint8_t mask[TESTED], value[TESTED], some[TESTED];
};

static struct tested tested_of(const struct mf_magics *rows, uint16_t row)
{
	const struct mf_signature *signature = &rows->rows[row];
	size_t lead = rows->heads[row].lead;
	struct tested tested = { 0 };

	for (size_t i = 0; i < TESTED; i++) {
		size_t at = lead + i;

		if (at < signature->size) {
			tested.mask[i] = UINT8_MAX;
			tested.value[i] = (uint8_t)signature->magic[at];
		} else if (at < sizeof(signature->clear)) {
			tested.mask[i] = signature->clear[at];
		}
		if (at < sizeof(signature->some))
			tested.some[i] = signature->some[at];
	}
	return tested;
}

/* What is said of both. */
static void widen(struct tested *tested, const struct tested *other)
{
	for (size_t i = 0; i < TESTED; i++) {
		tested->mask[i] &= other->mask[i];
		tested->mask[i] &=
			(uint8_t) ~(tested->value[i] ^ other->value[i]);
		tested->value[i] &= tested->mask[i];
		tested->some[i] |= other->some[i];
	}
}

static bool is_any(const uint8_t bits[TESTED])
{
	uint64_t word = mf_load(uint64_t, bits);

	return word != 0;
}

static void make_test(const struct mf_magics *rows, uint16_t row,
		      struct mf_magic_test *ret)
{
	struct tested all = tested_of(rows, row);
	bool knows_some = is_any(all.some);

	while ((row = rows->next[row]) != MF_MAGICS_NO_ROW) {
		struct tested one = tested_of(rows, row);

		knows_some = knows_some && is_any(one.some);
		widen(&all, &one);
	}
	ret->mask = mf_load(uint64_t, all.mask);
	ret->value = mf_load(uint64_t, all.value);
	/* its magic is not all zeros */
	ret->some = knows_some ? mf_load(uint64_t, all.some) : UINT64_MAX;
}

static void make_tests(struct mf_magics *rows)
{
	size_t count = 1;

	rows->tests[0] = (struct mf_magic_test){ 0 };
	for (size_t i = 0; i < MF_ARRAY_SIZE(rows->first); i++) {
		if (rows->first[i] == MF_MAGICS_NO_ROW)
			continue;
		assert(count < MF_ARRAY_SIZE(rows->tests));
		make_test(rows, rows->first[i], &rows->tests[count]);
		rows->test_of[i] = (uint8_t)count++;
	}
	for (size_t i = 0; i < MF_ARRAY_SIZE(rows->aligned); i++) {
		if (rows->aligned[i] == MF_MAGICS_NO_ROW)
			continue;
		assert(count < MF_ARRAY_SIZE(rows->tests));
		make_test(rows, rows->aligned[i], &rows->tests[count]);
		rows->aligned_test_of[i] = (uint8_t)count++;
	}
}

static inline unsigned passes(const struct mf_magic_test *test, uint64_t word)
{
	return !((word ^ test->value) & test->mask) & !!(word & test->some);
}

/* 1: a row can be at BYTES; without a branch: nobody can foresee it. */
static inline unsigned can_be_at(const struct mf_magics *magics,
				 const uint8_t *bytes, size_t offset)
{
	uint64_t word = mf_load(uint64_t, bytes);
	unsigned pair = bytes[0] | (unsigned)bytes[1] << 8;
	unsigned aligned = magics->aligned_test_of[bytes[0]];

	aligned &= offset % ALIGNED ? 0 : UINT_MAX;
	return passes(&magics->tests[magics->test_of[pair]], word) |
	       passes(&magics->tests[aligned], word);
}

size_t mf_magics_find(const struct mf_magics *magics, const uint8_t *bytes,
		      size_t size, size_t from, uint32_t ret[MF_MAGICS_PLACES])
{
	size_t words = MF_MIN((size - from + WORD - 1) / WORD,
			      (size_t)MF_MAGICS_PART / WORD);
	uint64_t marks[MF_MAGICS_PART / WORD];
	size_t found, kept = 0;

	magics->mark(&magics->pairs, bytes + from, words, marks);
	found = magics->list(marks, words, (uint32_t)from, ret);
	for (size_t i = 0; i < found; i++) {
		size_t at = ret[i];

		ret[kept] = (uint32_t)at;
		kept += can_be_at(magics, bytes + at, at) |
			(at + TESTED > size);
	}
	return kept;
}

static void rows_init(struct mf_magics *rows)
{
	mf_pairs_mark kernels[MF_PAIRS_KERNELS];

	rows->rows = mf_signatures(&rows->count);
	mf_pairs_kernels(kernels);
	rows->mark = kernels[0];
	rows->list = mf_pairs_list_best();
	rows->heads = mf_new_array(rows->count, struct mf_magic_head);
	rows->next = mf_new_array(rows->count, uint16_t);
	memset(rows->first, 0xff, sizeof(rows->first));
	memset(rows->aligned, 0xff, sizeof(rows->aligned));
	memset(rows->next, 0xff, rows->count * sizeof(*rows->next));
	rows->beginning = MF_MAGICS_NO_ROW;
	mf_pairs_init(&rows->pairs);
	for (size_t i = 0; i < rows->count; i++)
		add_row(rows, (uint16_t)i);
	mf_pairs_settle(&rows->pairs);
	make_tests(rows);
}

/* Made once: they are the same for all scanners. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct mf_magics all_rows;

static void make_rows(void)
{
	rows_init(&all_rows);
}

const struct mf_magics *mf_magics(void)
{
	pthread_once(&once, make_rows);
	return &all_rows;
}
