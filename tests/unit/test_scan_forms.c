/*
 * What strings are counted as: sketches of what is heaviest, shapes, and what
 * texts begin with.
 */
#include <ctype.h>
#include <stdio.h>

#include "strings_util.h"

/* ---- sketches ------------------------------------------------------------------- */

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* What is said is true, whatever the stream: a thing had at least what was
 * counted, at most that and the doubt; and what is not there at most `unseen`.
 */
static void check_sketch(uint32_t noted_below)
{
	enum {
		THINGS = 20000,
		SETS = 64,
		WORKERS = 3,
		STREAM = 400000
	};
	struct mf_sketch sketches[WORKERS];
	struct mf_sketch_sum sum;
	uint64_t *truth = mf_new_array(THINGS, uint64_t);
	uint8_t *met = mf_new_array(THINGS, uint8_t);
	uint32_t seed = 7;

	mf_sketch_sum_init(&sum, SETS, 8);
	for (int w = 0; w < WORKERS; w++)
		mf_sketch_init(&sketches[w], SETS, 8, noted_below);
	for (int i = 0; i < STREAM; i++) {
		uint64_t thing = next_random(&seed) % THINGS;
		uint64_t size;

		/* a few are much more often than others */
		thing = thing * (next_random(&seed) % 1000) / 1000 *
			(next_random(&seed) % 1000) / 1000;
		size = 6 + thing % 50;
		truth[thing] += size;
		mf_sketch_add(&sketches[next_random(&seed) % WORKERS],
			      &(struct mf_sighting){ mf_hash64(thing + 1),
						     thing, size });
	}
	for (int w = 0; w < WORKERS; w++) {
		mf_sketch_sum_add(&sum, &sketches[w], NULL);
		mf_sketch_deinit(&sketches[w]);
	}
	mf_sketch_sum_sort(&sum);
	for (size_t i = 0; i < sum.count; i++) {
		const struct mf_sketch_item *item = &sum.items[i];

		assert_false(met[item->first]);
		met[item->first] = 1;
		assert_true(item->bytes <= truth[item->first]);
		assert_true(truth[item->first] <= item->bytes + item->doubt);
		assert_int_equal(item->bytes, item->count * item->size);
		if (i)
			assert_true(item[-1].bytes >= item->bytes);
	}
	for (size_t i = 0; i < THINGS; i++)
		assert_true(met[i] || truth[i] <= sum.unseen);
	mf_sketch_sum_deinit(&sum);
	free(truth);
	free(met);
}

static void test_sketch(void **state)
{
	(void)state;
	check_sketch(0);
	check_sketch(30);
	check_sketch(100);
}

/* ---- shapes --------------------------------------------------------------------- */

static void test_shapes(void **state)
{
	static const struct {
		const char *text, *shape;
	} cases[] = {
		{ "no digits at all", "" },
		{ "user:12345", "user:\1" },
		{ "12345", "\1" },
		{ "192.168.0.1:80", "\1:\1" },
		{ "HTTP/1.1 200.", "HTTP/\1 \1." },
		{ "lib.so.6.0.30b", "lib.so.\1.\1b" },
		{ "x86_64", "x\1_\1" },
		{ "at 0x7ffdeadbeef0 in", "at \2 in" },
		{ "md5 d41d8cd98f00b204e9800998ecf8427e", "md\1 \2" },
		{ "commit 0631e898", "commit \2" },
		{ "id=123e4567-e89b-12d3-a456-426614174000;", "id=\3;" },
		{ "id=deadbeef-e89b-12d3-a456-426614174000", "id=\3" },
		{ "2026-11-21T15:02:11Z start", "\4 start" },
		{ "2026-11-21 15:02:11,123 x", "\4 x" },
		{ "[2026-11-21T15:02:11.123456+01:00]", "[\4]" },
		{ "at 15:02:11 \t", "at \4" },
		{ "2026-11-21", "\4" },
		{ "k=a1B2c3D4e5F6g7H8i9J0k1", "k=\5" },
		{ "caf\xc3\xa9 7", "caf\xc3\xa9 \1" },
		{ "\xe0\xb0\xb0 none", "" },
	};

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(cases); i++) {
		uint8_t shape[MF_SHAPE_TEXT + 1] = { 0 };
		char text[128] = "";

		snprintf(text, sizeof(text), "%s", cases[i].text);
		shape[mf_shape_make((const uint8_t *)text, strlen(text), shape,
				    MF_SHAPE_TEXT)] = 0;
		assert_string_equal((char *)shape, cases[i].shape);
	}
}

/* A key of Redis, behind its length; returns that. */
static uint64_t put_led(struct bytes *bytes, const char *name, int number)
{
	char key[32];
	int size = snprintf(key, sizeof(key), "%s:%d", name, number);

	put(bytes, (uint8_t[]){ (uint8_t)(size << 3) }, 1);
	put(bytes, key, (size_t)size + 1);
	return (uint64_t)size;
}

static void put_text(struct bytes *bytes, const char *name, int number)
{
	char text[32];

	snprintf(text, sizeof(text), "%s%d", name, number);
	put(bytes, text, strlen(text) + 1);
}

/* TEXT is there COUNT times; all of it holds HELD bytes, from FIRST on. */
static void expect_held(const struct mf_sketch_sum *sum, const char *text,
			uint64_t count, uint64_t held, uint64_t first)
{
	const struct mf_sketch_item *item = find_in(sum, text);

	assert_non_null(item);
	assert_int_equal(item->count, count);
	assert_int_equal(item->bytes, held);
	assert_int_equal(item->first, first);
}

static void expect_count(const struct mf_sketch_sum *sum, const char *text,
			 uint64_t count)
{
	const struct mf_sketch_item *item = find_in(sum, text);

	assert_non_null(item);
	assert_int_equal(item->count, count);
}

/* Keys of Redis have their length before them, where it can be a letter. */
static void test_led(void **state)
{
	struct bytes bytes = { 0 };
	struct forged_scan forged;
	const struct mf_strings *strings;
	uint64_t held = 0;

	(void)state;
	for (int i = 90; i < 110; i++) {
		held += put_led(&bytes, "user", i);
		/* a word that only happens to begin with a letter */
		put_text(&bytes, "Xavier_", i);
	}
	forged_scan_init(&forged, bytes.all, bytes.size);
	strings = scan(&forged, 0);
	expect_held(&strings->sums.shapes, "user:\1", 20, held,
		    FORGED_SCAN_ADDRESS + 1);
	expect_count(&strings->sums.shapes, "Xavier_\1", 20);
	forged_scan_deinit(&forged);
}

/* Of those of one length the first letter is the same, and often some digits:
 * they begin as the others do, with less in common. */
static void test_led_beginnings(void **state)
{
	struct bytes bytes = { 0 };
	struct forged_scan forged;
	const struct mf_strings *strings;
	uint64_t held = 0;

	(void)state;
	for (int i = 95; i < 106; i++) {
		held += put_led(&bytes, "session", i);
		put_text(&bytes, "Xessions:", i);
	}
	forged_scan_init(&forged, bytes.all, bytes.size);
	strings = scan(&forged, 0);
	expect_held(&strings->sums.prefixes, "session:", 11, held,
		    FORGED_SCAN_ADDRESS + 1);
	expect_count(&strings->sums.prefixes, "Xessions:", 11);
	forged_scan_deinit(&forged);
}

/* In records, other fields stand right beside a text, and are any characters. */
static void test_strays(void **state)
{
	struct bytes bytes = { 0 };
	struct forged_scan forged;
	const struct mf_strings *strings;
	uint64_t held = 0;

	(void)state;
	for (int i = 0; i < 60; i++) {
		char key[32];
		int size = snprintf(key, sizeof(key), "user%d@it", 100 + i);

		/* of a number beside it nobody knows the digits any more */
		held += (uint64_t)size + (i % 3 && isdigit('!' + i));
		if (i % 3)
			put(&bytes, (uint8_t[]){ (uint8_t)('!' + i) }, 1);
		put(&bytes, key, (size_t)size + 1);
		/* few differ so little that it is a part of each */
		snprintf(key, sizeof(key), "file%d.%c", 100 + i, 'a' + i % 9);
		put(&bytes, key, strlen(key) + 1);
		snprintf(key, sizeof(key), "name%d!%c", 100 + i, '!' + i);
		put(&bytes, key, strlen(key) + 1);
	}
	forged_scan_init(&forged, bytes.all, bytes.size);
	strings = scan(&forged, 0);
	expect_held(&strings->sums.shapes, "user\1@it", 60, held,
		    FORGED_SCAN_ADDRESS);
	expect_count(&strings->sums.shapes, "file\1.a", 7);
	expect_count(&strings->sums.shapes, "name\1!", 60);
	forged_scan_deinit(&forged);
}

/* Forms that differ in their last bytes alone do not drive each other out. */
static void test_spread(void **state)
{
	struct bytes bytes = { 0 };
	struct forged_scan forged;
	const struct mf_strings *strings;

	(void)state;
	for (int i = 0; i < 300; i++) {
		char text[32];

		snprintf(text, sizeof(text), "item%c%c%d", 'a' + i / 20,
			 'a' + i % 20, 10 + i % 90);
		put(&bytes, text, strlen(text) + 1);
	}
	forged_scan_init(&forged, bytes.all, bytes.size);
	strings = scan(&forged, 0);
	assert_int_equal(strings->sums.shapes.unseen, 0);
	assert_int_equal(strings->sums.prefixes.unseen, 0);
	forged_scan_deinit(&forged);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sketch),
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_led),
		cmocka_unit_test(test_led_beginnings),
		cmocka_unit_test(test_strays),
		cmocka_unit_test(test_spread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
