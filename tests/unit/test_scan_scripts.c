/*
 * UTF-16 of scripts other than Latin: what is a text of one, and what only looks
 * like it.
 */
#include <stdio.h>

#include "strings_util.h"

/* Texts without four characters of ASCII in a row, each behind a zero. */
static const struct {
	const char16_t *wide;
	const char *text;
} foreign[] = {
	{ u"Привет, мир", "Привет, мир" },
	{ u"Я иду домой", "Я иду домой" },
	{ u"«Ошибка №5»", "«Ошибка №5»" },
	{ u"Καλημέρα κόσμε", "Καλημέρα κόσμε" },
	{ u"שלום עולם טוב", "שלום עולם טוב" },
	{ u"مرحبا بالعالم", "مرحبا بالعالم" },
	{ u"வணக்கம் உலகம்", "வணக்கம் உலகம்" },
	{ u"สวัสดีชาวโลก", "สวัสดีชาวโลก" },
	{ u"我们不能打开这个文件。", "我们不能打开这个文件。" },
	{ u"このファイルは開けません", "このファイルは開けません" },
	{ u"이 파일을 열 수 없습니다", "이 파일을 열 수 없습니다" },
};

/* Each of so many. */
static void put_foreign(struct bytes *bytes, size_t step)
{
	put(bytes, "\0\0", 2);
	for (size_t i = 0; i < MF_ARRAY_SIZE(foreign); i += step) {
		put_wide(bytes, foreign[i].wide);
		put(bytes, "\0\0", 2);
	}
}

static void test_scripts(void **state)
{
	struct bytes bytes = { 0 };
	struct forged_scan forged;
	const struct mf_strings *strings;

	(void)state;
	put_foreign(&bytes, 1);
	forged_scan_init(&forged, bytes.all, bytes.size);
	strings = scan(&forged, 0);
	for (size_t i = 0; i < MF_ARRAY_SIZE(foreign); i++)
		if (!find_in(&strings->sums.texts, foreign[i].text))
			fail_msg("no \"%s\"", foreign[i].text);
	assert_int_equal(strings->sums.totals[MF_STRING_UTF16].count,
			 MF_ARRAY_SIZE(foreign));
	forged_scan_deinit(&forged);
}

/* What could be such a text, and is none. */
static void test_no_scripts(void **state)
{
	static const char16_t *const others[] = {
		u"\1мирмирмир\1",		    /* does not stand alone */
		u"Привет \u4e2d\u6587\u4e2d\u6587", /* of two scripts */
		u"\x410\x411\x412\x413\x414\x415\x416", /* rises */
		u"\x410\x410\x410\x410\x410\x410\x410", /* repeats */
		u"\x6162\x6463\x6261\x7a41\x6162\x7564\x6162\x6161",
		u"\x7890\x5634\x7f12",			 /* a pointer */
		u"\x9e77\x5cf3\x6f4d\x7d11\x8a9f\x7e53", /* seldom ones */
		u"мир",
		u"да нет",
	};
	struct bytes bytes = { 0 };
	struct forged_scan forged;

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(others); i++) {
		put(&bytes, "\0\0", 2);
		put_wide(&bytes, others[i]);
	}
	put(&bytes, "\0\0", 2);
	forged_scan_init(&forged, bytes.all, bytes.size);
	scan(&forged, 0);
	if (((struct mf_strings *)forged.scanner)
		    ->sums.totals[MF_STRING_UTF16]
		    .count)
		fail_msg("%s", forged_scan_json(&forged));
	forged_scan_deinit(&forged);
}

/* Short strings of ASCII, one behind the other, as compilers keep them. */
static void test_short_strings(void **state)
{
	static const char kept[] = "1\0"
				   "9\0"
				   "2\0"
				   "1\0"
				   "2021103L\0"
				   "1\0"
				   "9\0"
				   "210\0"
				   "13\0"
				   "12\0"
				   "7\0"
				   "1\0"
				   "2\0"
				   "1\0"
				   "201\0"
				   "1\0"
				   "39\0";
	struct bytes bytes = { 0 };
	struct forged_scan forged;
	const struct mf_strings *strings;

	(void)state;
	put(&bytes, kept, sizeof(kept));
	forged_scan_init(&forged, bytes.all, bytes.size);
	strings = scan(&forged, 0);
	if (strings->sums.totals[MF_STRING_UTF16].count)
		fail_msg("%s", forged_scan_json(&forged));
	assert_non_null(find_in(&strings->sums.texts, "2021103L"));
	forged_scan_deinit(&forged);
}

/* Of a quarter of a million random values of 16 bytes none is a text. */
static void test_no_scripts_by_chance(void **state)
{
	enum {
		VALUES = 1 << 15,
		ROUNDS = 32,
		EACH = 24
	};
	uint8_t *bytes = mf_calloc(VALUES, EACH);
	uint64_t seed = 1, count = 0;

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct forged_scan forged;

		for (size_t i = 0; i < (size_t)VALUES * EACH; i++) {
			seed = seed * UINT64_C(6364136223846793005) + 1;
			bytes[i] = i % EACH < 16 ? (uint8_t)(seed >> 56) : 0;
		}
		forged_scan_init(&forged, bytes, (size_t)VALUES * EACH);
		count += scan(&forged, 0)->sums.totals[MF_STRING_UTF16].count;
		forged_scan_deinit(&forged);
	}
	assert_int_equal(count, 0);
	free(bytes);
}

static void test_cut_scripts(void **state)
{
	struct bytes bytes = { 0 };

	(void)state;
	put_foreign(&bytes, 3);
	expect_same(&bytes, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scripts),
		cmocka_unit_test(test_no_scripts),
		cmocka_unit_test(test_short_strings),
		cmocka_unit_test(test_no_scripts_by_chance),
		cmocka_unit_test(test_cut_scripts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
