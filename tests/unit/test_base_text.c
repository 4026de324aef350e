/*
 * Buffers, escaping and units: what people and parsers get to see.
 */

#include "base/buffer.h"
#include "base/escape.h"
#include "base/units.h"
#include "unit.h"

static void buffer_grows_and_gives_its_text_away(void **state)
{
	struct mf_buffer buffer = { 0 };
	char *text;

	(void)state;
	assert_string_equal(mf_buffer_text(&buffer), "");
	mf_buffer_add(&buffer, "", 0);
	mf_buffer_puts(&buffer, "one");
	mf_buffer_putc(&buffer, ' ');
	mf_buffer_printf(&buffer, "%d%s", 2, "!");
	mf_buffer_pad(&buffer, '.', 3);
	assert_string_equal(mf_buffer_text(&buffer), "one 2!...");
	assert_int_equal(buffer.size, 9);
	mf_buffer_clear(&buffer);
	assert_string_equal(mf_buffer_text(&buffer), "");
	for (int i = 0; i < 10000; i++)
		mf_buffer_putc(&buffer, 'x');
	text = mf_buffer_take(&buffer);
	assert_int_equal(strlen(text), 10000);
	assert_null(buffer.text);
	free(text);
	text = mf_buffer_take(&buffer);
	assert_string_equal(text, "");
	free(text);
}

static void utf8_is_told_from_what_is_not(void **state)
{
	static const struct {
		const char *text;
		size_t size, length;
	} cases[] = {
		{ "a", 1, 1 },
		{ "\xc3\xa9", 2, 2 },	      /* e acute */
		{ "\xe2\x82\xac", 3, 3 },     /* euro */
		{ "\xf0\x9f\x98\x80", 4, 4 }, /* a face */
		{ "", 0, 0 },
		{ "\x80", 1, 0 },	      /* continuation alone */
		{ "\xc3", 1, 0 },	      /* cut off */
		{ "\xe2\x82", 2, 0 },	      /* cut off */
		{ "\xc0\xaf", 2, 0 },	      /* overlong */
		{ "\xe0\x80\xaf", 3, 0 },     /* overlong */
		{ "\xf0\x80\x80\xaf", 4, 0 }, /* overlong */
		{ "\xed\xa0\x80", 3, 0 },     /* surrogate */
		{ "\xf4\x90\x80\x80", 4, 0 }, /* beyond the last */
		{ "\xff", 1, 0 },
		{ "\xc3(", 2, 0 },
	};

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(cases); i++)
		assert_int_equal(mf_utf8_length(cases[i].text, cases[i].size),
				 cases[i].length);
	assert_int_equal(mf_utf8_columns("a\xc3\xa9\xe2\x82\xac"), 3);
	/* Han take two, an accent that combines none */
	assert_int_equal(mf_utf8_columns("a\xe6\xbc\xa2\xe5\xad\x97"), 5);
	assert_int_equal(mf_utf8_columns("e\xcc\x81"), 1);
	assert_int_equal(mf_utf8_fit("a\xe6\xbc\xa2\xe5\xad\x97", 4), 4);
	assert_int_equal(mf_utf8_fit("a\xe6\xbc\xa2\xe5\xad\x97", 5), 7);
	assert_int_equal(mf_utf8_fit("e\xcc\x81"
				     "b",
				     1),
			 3);
}

static void hostile_text_is_shown_not_obeyed(void **state)
{
	static const struct {
		const char *text, *escaped;
	} cases[] = {
		{ "plain", "plain" },
		{ "\xc3\xa9t\xc3\xa9", "\xc3\xa9t\xc3\xa9" },
		{ "\033[31mred", "\\x1b[31mred" },
		{ "two\nlines\t", "two\\x0alines\\x09" },
		{ "\x7f", "\\x7f" },
		{ "\xc2\x9b", "\\u009b" }, /* C1: CSI */
		{ "\xe2\x80\xae\xe2\x80\xac",
		  "\\u202e\\u202c" },		       /* right to left */
		{ "\xe2\x80\xa8", "\\u2028" },	       /* line separator */
		{ "\xef\xbb\xbf", "\\ufeff" },	       /* byte order mark */
		{ "\xff\xfe", "\\xff\\xfe" },	       /* not UTF-8 */
		{ "a\xc3", "a\\xc3" },		       /* cut off */
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" }, /* surrogate */
	};

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(cases); i++) {
		char *escaped = mf_escaped(cases[i].text);

		assert_string_equal(escaped, cases[i].escaped);
		free(escaped);
	}
}

static void every_byte_is_escaped_to_clean_text(void **state)
{
	(void)state;
	for (unsigned first = 1; first < 256; first++)
		for (unsigned second = 1; second < 256; second++) {
			char text[3] = { (char)first, (char)second, 0 };
			char *escaped = mf_escaped(text), *again;

			for (const char *at = escaped; *at; at++)
				assert_true((unsigned char)*at >= 0x20 &&
					    *at != 0x7f);
			again = mf_escaped(escaped);
			assert_string_equal(again, escaped);
			free(again);
			free(escaped);
		}
}

static void sizes_are_written_in_binary_units(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{ 0, "0 B" },
		{ 1023, "1023 B" },
		{ 1024, "1.0 KiB" },
		{ 1536, "1.5 KiB" },
		{ 1048524, "1023.9 KiB" },
		{ 1048525, "1.0 MiB" }, /* not 1024.0 KiB */
		{ UINT64_C(1) << 30, "1.0 GiB" },
		{ UINT64_MAX, "16.0 EiB" },
	};
	char text[MF_UNIT_TEXT];

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(cases); i++)
		assert_string_equal(mf_format_size(text, cases[i].bytes),
				    cases[i].text);
}

static void counts_and_times(void **state)
{
	char text[MF_UNIT_TEXT];

	(void)state;
	assert_string_equal(mf_format_count(text, 0), "0");
	assert_string_equal(mf_format_count(text, 999), "999");
	assert_string_equal(mf_format_count(text, 1000), "1 000");
	assert_string_equal(mf_format_count(text, UINT64_MAX),
			    "18 446 744 073 709 551 615");
	assert_string_equal(mf_format_time(text, 0.061), "0.06 ms");
	assert_string_equal(mf_format_time(text, 0.999), "1.0 ms");
	assert_string_equal(mf_format_time(text, 3.14), "3.1 ms");
	assert_string_equal(mf_format_time(text, 999.96), "1.0 s");
	assert_string_equal(mf_format_time(text, 1234), "1.2 s");
	assert_string_equal(mf_format_time(text, 240000), "4 min");
	assert_string_equal(mf_format_utc(text, 1763737331),
			    "2025-11-21T15:02:11Z");
	assert_string_equal(mf_format_utc(text, UINT64_MAX),
			    "9999-12-31T23:59:59Z");
	assert_int_equal(strlen(mf_format_date(text, 1763737331)), 19);
	assert_true(strlen(mf_format_time(text, 1e300)) < MF_UNIT_TEXT);
}

static void numbers_and_sizes_are_parsed_or_refused(void **state)
{
	static const struct {
		const char *text;
		bool valid;
		uint64_t value;
	} cases[] = {
		{ "0", true, 0 },
		{ "4096", true, 4096 },
		{ "0x1000", true, 4096 },
		{ "64M", true, 64 << 20 },
		{ "64MiB", true, 64 << 20 },
		{ "64mB", true, 64 << 20 },
		{ "1.5G", true, UINT64_C(3) << 29 },
		{ "2T", true, UINT64_C(2) << 40 },
		{ "18446744073709551615", true, UINT64_MAX },
		{ "18446744073709551616", false, 0 },
		{ "99999999T", false, 0 },
		{ "", false, 0 },
		{ "M", false, 0 },
		{ "-1", false, 0 },
		{ " 1", false, 0 },
		{ "1Q", false, 0 },
		{ "1Mx", false, 0 },
		{ "0x", false, 0 },
		{ "0x10M", false, 0 },
		{ "1e3", false, 0 },
		{ "1.2.3M", false, 0 },
		{ "1.5", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(cases); i++) {
		uint64_t value = 0;

		if (mf_parse_size(cases[i].text, &value) != cases[i].valid)
			fail_msg("%s", cases[i].text);
		if (cases[i].valid)
			assert_int_equal(value, cases[i].value);
	}
}

static void times_are_parsed_or_refused(void **state)
{
	static const struct {
		const char *text;
		bool valid;
		uint64_t ns;
	} cases[] = {
		{ "0", true, 0 },
		{ "50ms", true, 50000000 },
		{ "1.5s", true, 1500000000 },
		{ "2m", true, UINT64_C(120000000000) },
		{ "1h", true, UINT64_C(3600000000000) },
		{ "10us", true, 10000 },
		{ "5", false, 0 },
		{ "ms", false, 0 },
		{ "-1s", false, 0 },
		{ "1e9s", false, 0 },
		{ "9999999999h", false, 0 },
		{ "0x10s", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(cases); i++) {
		uint64_t ns = 0;

		if (mf_parse_time(cases[i].text, &ns) != cases[i].valid)
			fail_msg("%s", cases[i].text);
		if (cases[i].valid)
			assert_int_equal(ns, cases[i].ns);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buffer_grows_and_gives_its_text_away),
		cmocka_unit_test(utf8_is_told_from_what_is_not),
		cmocka_unit_test(hostile_text_is_shown_not_obeyed),
		cmocka_unit_test(every_byte_is_escaped_to_clean_text),
		cmocka_unit_test(sizes_are_written_in_binary_units),
		cmocka_unit_test(counts_and_times),
		cmocka_unit_test(numbers_and_sizes_are_parsed_or_refused),
		cmocka_unit_test(times_are_parsed_or_refused),
	};

	return cmocka_run_group_tests_name("base text", tests, NULL, NULL);
}
