/*
 * Whole JSON reports; each is parsed again by jansson as well.
 */
#include <jansson.h>
#include <math.h>

#include "memforensics/report.h"

#include "report_util.h"

static const struct mf_report_options json = { .format = MF_FORMAT_JSON };

static const struct mf_column columns[] = {
	{ "name", "name", MF_VALUE_TEXT, 0 },
	{ "size", "size", MF_VALUE_SIZE, 0 },
	{ "eyes", "eyes", MF_VALUE_TEXT, MF_SHOW_TEXT_ONLY },
	{ "start", "start", MF_VALUE_ADDRESS, MF_SHOW_DATA_ONLY },
};

static const struct mf_table table = {
	.key = "regions",
	.title = "Regions",
	.columns = columns,
	.column_count = MF_ARRAY_SIZE(columns),
};

static const struct mf_table for_eyes = {
	.key = "eyes",
	.columns = columns,
	.column_count = MF_ARRAY_SIZE(columns),
	.show = MF_SHOW_TEXT_ONLY,
};

static void put_row(struct mf_report *report, const char *name, uint64_t size,
		    bool open)
{
	const struct mf_value values[] = {
		mf_text(name),
		mf_size(size),
		mf_text("x"),
		mf_address(size),
	};

	if (open)
		mf_report_row_open(report, values);
	else
		mf_report_row(report, values);
}

static void expect_json(struct output *output, const char *expected)
{
	json_t *parsed;

	assert_null(mf_report_end(output->report));
	fflush(output->stream);
	parsed = json_loads(output->text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(parsed);
	json_decref(parsed);
	mf_report_destroy(output->report);
	fclose(output->stream);
	assert_string_equal(output->text, expected);
	free(output->text);
}

static void a_run_is_one_object(void **state)
{
	struct output output;
	struct mf_report *report = output_open(&output, json);
	const struct mf_field fields[] = {
		{ "pid", "Process", mf_id(42), 0 },
		{ "eyes", NULL, mf_count(1), MF_SHOW_TEXT_ONLY },
		{ "exe", NULL, mf_none(), MF_SHOW_DATA_ONLY },
	};

	(void)state;
	mf_report_begin(report, "maps");
	mf_report_heading(report, "not here");
	mf_report_line(report, "nor here");
	mf_report_fields(report, "target", "Target", fields, 3);
	mf_report_table_begin(report, &table);
	put_row(report, "a", 1, false);
	put_row(report, "b", 2, false);
	mf_report_total(report, NULL);
	mf_report_table_end(report);
	mf_report_table_begin(report, &for_eyes);
	put_row(report, "hidden", 1, true);
	mf_report_fields(report, "f", NULL, fields, 3);
	mf_report_row_close(report);
	mf_report_table_end(report);
	mf_report_fields(report, NULL, NULL, fields, 3);
	expect_json(&output,
		    "{\n"
		    "  \"schema\": 1,\n"
		    "  \"tool\": {\"name\": \"memforensics\", "
		    "\"version\": \"" MF_VERSION "\"},\n"
		    "  \"command\": \"maps\",\n"
		    "  \"target\": {\"pid\": 42, \"exe\": null},\n"
		    "  \"regions\": [\n"
		    "    {\"name\": \"a\", \"size\": 1, \"start\": \"0x1\"},\n"
		    "    {\"name\": \"b\", \"size\": 2, \"start\": \"0x2\"}\n"
		    "  ],\n"
		    "  \"pid\": 42,\n"
		    "  \"exe\": null\n"
		    "}\n");
}

static void rows_and_objects_nest(void **state)
{
	struct output output;
	struct mf_report *report = output_open(&output, json);
	const struct mf_field fields[] = { { "count", NULL, mf_count(3), 0 } };

	(void)state;
	mf_report_begin(report, "arenas");
	mf_report_object_open(report, "outer");
	mf_report_table_begin(report, &table);
	put_row(report, "a", 1, true);
	mf_report_fields(report, "in_use", NULL, fields, 1);
	mf_report_table_begin(report, &table);
	put_row(report, "b", 2, false);
	mf_report_table_end(report);
	mf_report_fields(report, NULL, NULL, fields, 1);
	mf_report_row_close(report);
	put_row(report, "c", 3, true);
	mf_report_row_close(report);
	mf_report_table_end(report);
	mf_report_object_close(report);
	mf_report_object_open(report, "nothing");
	mf_report_object_close(report);
	mf_report_table_begin(report, &table);
	mf_report_table_end(report);
	expect_json(&output,
		    "{\n"
		    "  \"schema\": 1,\n"
		    "  \"tool\": {\"name\": \"memforensics\", "
		    "\"version\": \"" MF_VERSION "\"},\n"
		    "  \"command\": \"arenas\",\n"
		    "  \"outer\": {\n"
		    "    \"regions\": [\n"
		    "      {\"name\": \"a\", \"size\": 1, \"start\": \"0x1\",\n"
		    "        \"in_use\": {\"count\": 3},\n"
		    "        \"regions\": [\n"
		    "          {\"name\": \"b\", \"size\": 2, "
		    "\"start\": \"0x2\"}\n"
		    "        ],\n"
		    "        \"count\": 3\n"
		    "      },\n"
		    "      {\"name\": \"c\", \"size\": 3, \"start\": \"0x3\"}\n"
		    "    ]\n"
		    "  },\n"
		    "  \"nothing\": {},\n"
		    "  \"regions\": []\n"
		    "}\n");
}

/* The values of one report, as they stand in its object "v". */
static void expect_values(const struct mf_field *fields, size_t count,
			  const char *expected)
{
	struct output output;
	struct mf_report *report = output_open(&output, json);
	char *start;

	mf_report_begin(report, "x");
	mf_report_fields(report, "v", NULL, fields, count);
	assert_null(mf_report_end(report));
	mf_report_destroy(report);
	fclose(output.stream);
	start = strstr(output.text, "\"v\": ");
	assert_non_null(start);
	assert_string_equal(start + 5, expected);
	free(output.text);
}

static void numbers_are_exact(void **state)
{
	const struct mf_field fields[] = {
		{ "a", NULL, mf_count(UINT64_MAX), 0 },
		{ "b", NULL, mf_size((uint64_t)INT64_MAX + 1), 0 },
		{ "c", NULL, mf_delta(INT64_MIN), 0 },
		{ "d", NULL, mf_address(UINT64_MAX), 0 },
		{ "e", NULL, mf_ratio(1.0 / 3), 0 },
		{ "f", NULL, mf_ratio(0.1 + 0.2), 0 },
		{ "g", NULL, mf_ms(123456789.1239), 0 },
		{ "h", NULL, mf_ratio(NAN), 0 },
		{ "i", NULL, mf_ms(INFINITY), 0 },
		{ "j", NULL, mf_bool(true), 0 },
		{ "k", NULL, mf_bool(false), 0 },
		{ "l", NULL, mf_numbers((const int[]){ 7, -1 }, 2), 0 },
		{ "m", NULL, mf_numbers(NULL, 0), 0 },
	};

	(void)state;
	expect_values(fields, MF_ARRAY_SIZE(fields),
		      "{\"a\": 18446744073709551615, "
		      "\"b\": 9223372036854775808, "
		      "\"c\": -9223372036854775808, "
		      "\"d\": \"0xffffffffffffffff\", "
		      "\"e\": 0.333333, \"f\": 0.3, \"g\": 123456789.124, "
		      "\"h\": null, \"i\": null, \"j\": true, \"k\": false, "
		      "\"l\": [7, -1], \"m\": []}\n"
		      "}\n");
}

static void hostile_strings_stay_valid(void **state)
{
	static const char *const list[] = { "\xff\xfe", "\"", NULL };
	const struct mf_field fields[] = {
		{ "quotes", NULL, mf_text("a\"b\\c"), 0 },
		{ "bytes", NULL, mf_text("\xff\xc3(\xed\xa0\x80"), 0 },
		{ "control", NULL, mf_text("\033[0m\n\x7f"), 0 },
		{ "utf8", NULL, mf_text("\xc3\xa9 \xf0\x9f\x98\x80"), 0 },
		{ "list", NULL, mf_list(list), 0 },
		{ "empty", NULL, mf_list(NULL), 0 },
		{ "null", NULL, mf_text(NULL), 0 },
		{ "key\"\n", NULL, mf_count(1), 0 },
	};

	(void)state;
	expect_values(fields, MF_ARRAY_SIZE(fields),
		      "{\"quotes\": \"a\\\"b\\\\c\", "
		      "\"bytes\": \"\\\\xff\\\\xc3(\\\\xed\\\\xa0\\\\x80\", "
		      "\"control\": \"\\\\x1b[0m\\\\x0a\\\\x7f\", "
		      "\"utf8\": \"\xc3\xa9 \xf0\x9f\x98\x80\", "
		      "\"list\": [\"\\\\xff\\\\xfe\", \"\\\"\"], "
		      "\"empty\": [], \"null\": null, "
		      "\"key\\\"\\\\x0a\": 1}\n"
		      "}\n");
}

/* Any bytes at all give a document that a parser takes. */
static void random_bytes_parse(void **state)
{
	struct output output;
	struct mf_report *report = output_open(&output, json);
	unsigned seed = 1;
	json_t *parsed;

	(void)state;
	mf_report_begin(report, "x");
	mf_report_table_begin(report, &table);
	for (unsigned i = 0; i < 20000; i++) {
		char text[24] = "";

		for (unsigned at = 0; at < sizeof(text) - 1; at++) {
			seed = seed * 1103515245 + 12345;
			text[at] = (char)(seed >> 16 & 0xff);
		}
		put_row(report, text, seed, i % 3 == 0);
		if (i % 3 == 0)
			mf_report_row_close(report);
	}
	mf_report_table_end(report);
	assert_null(mf_report_end(report));
	mf_report_destroy(report);
	fclose(output.stream);
	parsed = json_loads(output.text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(parsed);
	assert_int_equal(json_array_size(json_object_get(parsed, "regions")),
			 20000);
	json_decref(parsed);
	free(output.text);
}

static void findings_are_written_once(void **state)
{
	static const char *const advice[] = { "do this", NULL };
	const struct mf_field evidence[] = {
		{ "free", NULL, mf_size(3), 0 },
	};
	const struct mf_finding finding = {
		.code = "retention",
		.severity = MF_SEVERITY_WARNING,
		.title = "3 B",
		.bytes = 3,
		.evidence = evidence,
		.evidence_count = 1,
		.advice = advice,
	};
	struct output output;
	struct mf_report *report = output_open(&output, json);

	(void)state;
	mf_report_begin(report, "attach");
	mf_report_findings(report, &finding, 1, MF_FINDINGS_VERDICT);
	mf_report_findings(report, &finding, 1, MF_FINDINGS_ADVICE);
	expect_json(&output,
		    "{\n"
		    "  \"schema\": 1,\n"
		    "  \"tool\": {\"name\": \"memforensics\", "
		    "\"version\": \"" MF_VERSION "\"},\n"
		    "  \"command\": \"attach\",\n"
		    "  \"findings\": [\n"
		    "    {\"code\": \"retention\", \"severity\": \"warning\", "
		    "\"title\": \"3 B\", \"bytes\": 3, "
		    "\"evidence\": {\"free\": 3}, "
		    "\"advice\": [\"do this\"]}\n"
		    "  ]\n"
		    "}\n");
}

/* An interrupted command still leaves a document that parses. */
static void what_is_open_is_closed_at_the_end(void **state)
{
	struct output output;
	struct mf_report *report = output_open(&output, json);

	(void)state;
	mf_report_begin(report, "x");
	mf_report_object_open(report, "o");
	mf_report_table_begin(report, &table);
	put_row(report, "a", 1, true);
	expect_json(&output,
		    "{\n"
		    "  \"schema\": 1,\n"
		    "  \"tool\": {\"name\": \"memforensics\", "
		    "\"version\": \"" MF_VERSION "\"},\n"
		    "  \"command\": \"x\",\n"
		    "  \"o\": {\n"
		    "    \"regions\": [\n"
		    "      {\"name\": \"a\", \"size\": 1, \"start\": \"0x1\"}\n"
		    "    ]\n"
		    "  }\n"
		    "}\n");
}

static void many_rows_stream(void **state)
{
	FILE *stream = tmpfile();
	struct mf_report *report = mf_report_create(stream, &json);

	(void)state;
	mf_report_begin(report, "x");
	mf_report_table_begin(report, &table);
	for (uint64_t i = 0; i < 100000; i++)
		put_row(report, "row", i, false);
	/* Nothing is kept for the end. */
	assert_true(ftell(stream) > 4000000);
	mf_report_table_end(report);
	assert_null(mf_report_end(report));
	mf_report_destroy(report);
	fclose(stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_run_is_one_object),
		cmocka_unit_test(rows_and_objects_nest),
		cmocka_unit_test(numbers_are_exact),
		cmocka_unit_test(hostile_strings_stay_valid),
		cmocka_unit_test(random_bytes_parse),
		cmocka_unit_test(findings_are_written_once),
		cmocka_unit_test(what_is_open_is_closed_at_the_end),
		cmocka_unit_test(many_rows_stream),
	};

	return cmocka_run_group_tests_name("report json", tests, NULL, NULL);
}
