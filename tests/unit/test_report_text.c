/*
 * Whole text reports, as a terminal would show them.
 */
#include "memforensics/report.h"

#include "report_util.h"

static const struct mf_column columns[] = {
	{ "class", "class", MF_VALUE_TEXT, 0 },
	{ "regions", "regions", MF_VALUE_COUNT, 0 },
	{ "rss", "rss", MF_VALUE_SIZE, 0 },
	{ "share", "share", MF_VALUE_RATIO, MF_SHOW_BAR },
	{ "swap", "swap", MF_VALUE_SIZE, MF_SHOW_IF_ANY },
	{ "start", "", MF_VALUE_ADDRESS, MF_SHOW_DATA_ONLY },
	{ "path", "path", MF_VALUE_TEXT, MF_SHOW_FILL },
};

static const struct mf_table regions = {
	.key = "regions",
	.title = "What RSS is made of",
	.columns = columns,
	.column_count = MF_ARRAY_SIZE(columns),
	.empty = "no mapping",
};

static void put_region(struct mf_report *report, const char *class,
		       uint64_t count, uint64_t rss, const char *path)
{
	mf_report_row(report, (struct mf_value[]){
				      mf_text(class),
				      mf_count(count),
				      mf_size(rss),
				      mf_ratio((double)rss / (64 << 20)),
				      mf_size(0),
				      mf_address(0x1000),
				      mf_text(path),
			      });
}

static void put_regions(struct mf_report *report, const struct mf_table *table)
{
	mf_report_table_begin(report, table);
	put_region(report, "heap", 1234567, 48 << 20, "[heap]");
	put_region(report, "text", 12, 15 << 20,
		   "/usr/lib/x86_64-linux-gnu/a/rather/deep/folder/"
		   "with-many-parts/libsomething.so.2.0.1");
	put_region(report, "guard", 7, 0, "");
	put_region(report, "tls", 1, 512, NULL);
	mf_report_total(report, (struct mf_value[]){
					mf_text("total"),
					mf_count(1234587),
					mf_size(63 << 20),
					mf_none(),
					mf_size(0),
					mf_none(),
					mf_none(),
				});
	mf_report_table_end(report);
}

static void a_table_is_aligned_and_fits(void **state)
{
	struct output output;

	(void)state;
	put_regions(output_open(&output, (struct mf_report_options){ 0 }),
		    &regions);
	output_expect(
		&output,
		"What RSS is made of\n"
		"  class    regions       rss  share              path\n"
		"  heap   1 234 567  48.0 MiB   75.0% ███████▌    [heap]\n"
		"  text          12  15.0 MiB   23.4% ██▍         …/deep/folder/with-many-parts/libsomething.so.2.0.1\n"
		"  guard          7         0    0.0%\n"
		"  tls            1   512   B    0.0% ▏           -\n"
		"  ──────────────────────────────────────────────────────────────────────────────────────────────────\n"
		"  total  1 234 587  63.0 MiB\n");
}

static void a_table_fits_80_columns_of_ascii(void **state)
{
	struct output output;
	struct mf_report *report;

	(void)state;
	report = output_open_in("C", &output,
				(struct mf_report_options){ .width = 80 });
	put_regions(report, &regions);
	output_expect(
		&output,
		"What RSS is made of\n"
		"  class    regions       rss  share              path\n"
		"  heap   1 234 567  48.0 MiB   75.0% ########    [heap]\n"
		"  text          12  15.0 MiB   23.4% ##          ...-parts/libsomething.so.2.0.1\n"
		"  guard          7         0    0.0%\n"
		"  tls            1   512   B    0.0%             -\n"
		"  ------------------------------------------------------------------------------\n"
		"  total  1 234 587  63.0 MiB\n");
}

static void a_last_column_goes_on_below(void **state)
{
	static const struct mf_column wrapped[] = {
		{ "what", "what", MF_VALUE_TEXT, 0 },
		{ "line", "is made of", MF_VALUE_TEXT, MF_SHOW_WRAP },
	};
	static const struct mf_table table = {
		.key = "groups",
		.columns = wrapped,
		.column_count = MF_ARRAY_SIZE(wrapped),
	};
	static const char *const lines[] = {
		"71% text, mostly HTTP headers; 18% pointers into arena 3",
		"100% zeros",
		"aWordThatIsLongerThanAnyLineOfTheColumnMayBe and more",
		"",
	};
	struct output output;
	struct mf_report *report;

	(void)state;
	report =
		output_open(&output, (struct mf_report_options){ .width = 40 });
	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < MF_ARRAY_SIZE(lines); i++)
		mf_report_row(report, (struct mf_value[]){ mf_text("arena"),
							   mf_text(lines[i]) });
	mf_report_table_end(report);
	output_expect(&output, "  what   is made of\n"
			       "  arena  71% text, mostly HTTP headers;\n"
			       "         18% pointers into arena 3\n"
			       "  arena  100% zeros\n"
			       "  arena  aWordThatIsLongerThanAnyLineOfT\n"
			       "         heColumnMayBe and more\n"
			       "  arena\n");
}

static void top_rows_say_how_many_more(void **state)
{
	struct output output;
	struct mf_report *report;
	struct mf_table table = regions;

	(void)state;
	table.top = 1;
	report = output_open(&output,
			     (struct mf_report_options){ .bytes = true });
	put_regions(report, &table);
	output_expect(
		&output,
		"What RSS is made of\n"
		"  class    regions       rss  share              path\n"
		"  heap   1 234 567  50331648   75.0% ███████▌    [heap]\n"
		"  … 3 more (--top 4 shows all)\n"
		"  ─────────────────────────────────────────────────────\n"
		"  total  1 234 587  66060288\n");
	report = output_open(&output, (struct mf_report_options){ .top = 2 });
	put_regions(report, &table);
	output_expect(
		&output,
		"What RSS is made of\n"
		"  class    regions       rss  share              path\n"
		"  heap   1 234 567  48.0 MiB   75.0% ███████▌    [heap]\n"
		"  text          12  15.0 MiB   23.4% ██▍         …/deep/folder/with-many-parts/libsomething.so.2.0.1\n"
		"  … 2 more (--top 4 shows all)\n"
		"  ──────────────────────────────────────────────────────────────────────────────────────────────────\n"
		"  total  1 234 587  63.0 MiB\n");
}

static void colour_marks_titles_zeros_and_totals(void **state)
{
	struct output output;
	struct mf_table table = regions;

	(void)state;
	table.column_count = 3;
	put_regions(output_open(&output,
				(struct mf_report_options){ .color = true }),
		    &table);
	output_expect(
		&output,
		"\033[1mWhat RSS is made of\033[0m\n"
		"  \033[2mclass\033[0m    \033[2mregions\033[0m       \033[2mrss\033[0m\n"
		"  heap   1 234 567  48.0 MiB\n"
		"  text          12  15.0 MiB\n"
		"  guard          7         \033[2m0\033[0m\n"
		"  tls            1   512   B\n"
		"  \033[2m──────────────────────────\033[0m\n"
		"  \033[1mtotal\033[0m  \033[1m1 234 587\033[0m  \033[1m63.0 MiB\033[0m\n");
}

/* The last columns go first, and only as many as must. */
static void columns_give_way_where_there_is_no_room(void **state)
{
	static const int tids[] = { 11, 22, 33 };
	static const struct mf_column many[] = {
		{ "name", "name", MF_VALUE_TEXT, 0 },
		{ "one", "first number", MF_VALUE_COUNT, MF_SHOW_IF_ROOM },
		{ "tids", "threads", MF_VALUE_NUMBERS, 0 },
		{ "two", "second number", MF_VALUE_COUNT, MF_SHOW_IF_ROOM },
	};
	static const struct mf_table table = { .key = "rows",
					       .columns = many,
					       .column_count = 4 };
	static const unsigned widths[] = { 80, 40, 20 };
	struct output output;

	(void)state;
	output_open(&output, (struct mf_report_options){ .width = 80 });
	for (size_t i = 0; i < MF_ARRAY_SIZE(widths); i++) {
		struct mf_report *report = mf_report_create(
			output.stream,
			&(struct mf_report_options){ .width = widths[i] });

		mf_report_table_begin(report, &table);
		mf_report_row(report, (struct mf_value[]){
					      mf_text("a"),
					      mf_count(1),
					      mf_numbers(tids, 3),
					      mf_count(2),
				      });
		mf_report_table_end(report);
		mf_report_destroy(report);
	}
	output_expect(&output,
		      "  name  first number  threads     second number\n"
		      "  a                1  11, 22, 33              2\n"
		      "  name  first number  threads\n"
		      "  a                1  11, 22, 33\n"
		      "  name  threads\n"
		      "  a     11, 22, 33\n");
}

static void an_empty_table_says_so(void **state)
{
	struct output output;
	struct mf_table silent = regions;
	struct mf_report *report =
		output_open(&output, (struct mf_report_options){ 0 });

	(void)state;
	silent.empty = NULL;
	mf_report_table_begin(report, &silent);
	mf_report_table_end(report);
	mf_report_table_begin(report, &regions);
	mf_report_total(report, NULL);
	mf_report_table_end(report);
	output_expect(&output, "What RSS is made of\n"
			       "  no mapping\n");
}

static void a_table_for_data_is_not_shown(void **state)
{
	struct output output;
	struct mf_table table = regions;

	(void)state;
	table.show = MF_SHOW_DATA_ONLY;
	put_regions(output_open(&output, (struct mf_report_options){ 0 }),
		    &table);
	output_expect(&output, "");
}

static void hostile_texts_are_escaped(void **state)
{
	struct output output;
	struct mf_report *report =
		output_open(&output, (struct mf_report_options){ 0 });
	const struct mf_field fields[] = {
		{ "exe", NULL, mf_text("/tmp/\033]0;owned\a"), 0 },
	};

	(void)state;
	mf_report_line(report, "%s", "line\nbreak \xff");
	mf_report_fields(report, "target", NULL, fields, 1);
	mf_report_table_begin(report, &regions);
	put_region(report, "\033[2J", 0, 1, "a\rb\xe2\x80\xa8\xc3");
	mf_report_table_end(report);
	output_expect(
		&output,
		"line\\x0abreak \\xff\n"
		"  exe  /tmp/\\x1b]0;owned\\x07\n"
		"\n"
		"What RSS is made of\n"
		"  class    regions  rss  share              path\n"
		"  \\x1b[2J        0  1 B    0.0% ▏           a\\x0db\\u2028\\xc3\n");
}

static void every_type_of_value_has_its_form(void **state)
{
	static const char *const list[] = { "one", "two\n", NULL };
	const struct mf_field fields[] = {
		{ "none", NULL, mf_none(), 0 },
		{ "yes", NULL, mf_bool(true), 0 },
		{ "no", NULL, mf_bool(false), 0 },
		{ "count", NULL, mf_count(UINT64_MAX), 0 },
		{ "id", NULL, mf_id(1234567), 0 },
		{ "size", NULL, mf_size(UINT64_MAX), 0 },
		{ "small", NULL, mf_size(17), 0 },
		{ "grown", NULL, mf_delta(3 << 20), 0 },
		{ "shrunk", NULL, mf_delta(INT64_MIN), 0 },
		{ "same", NULL, mf_delta(0), 0 },
		{ "address", NULL, mf_address(0x7fff12345000), 0 },
		{ "ratio", NULL, mf_ratio(0.12345), 0 },
		{ "nan", NULL, mf_ratio(0.0 / 0.0), 0 },
		{ "time", NULL, mf_ms(3.14159), 0 },
		{ "list", "A list", mf_list(list), 0 },
		{ "text", "Text", mf_text(""), 0 },
		{ "null", "Null", mf_text(NULL), 0 },
		{ "data", NULL, mf_count(1), MF_SHOW_DATA_ONLY },
		{ "any", NULL, mf_count(0), MF_SHOW_IF_ANY },
	};
	struct output output;
	struct mf_report *report =
		output_open(&output, (struct mf_report_options){ 0 });

	(void)state;
	mf_report_fields(report, NULL, "Values", fields, MF_ARRAY_SIZE(fields));
	mf_report_fields(report, NULL, "Nothing to see", &fields[17], 2);
	output_expect(&output, "Values\n"
			       "  none     -\n"
			       "  yes      yes\n"
			       "  no\n"
			       "  count    18 446 744 073 709 551 615\n"
			       "  id       1234567\n"
			       "  size     16.0 EiB\n"
			       "  small    17 B\n"
			       "  grown    +3.0 MiB\n"
			       "  shrunk   -8.0 EiB\n"
			       "  same     0\n"
			       "  address  0x7fff12345000\n"
			       "  ratio    12.3%\n"
			       "  nan      -\n"
			       "  time     3.1 ms\n"
			       "  A list   one, two\\x0a\n"
			       "  Text\n"
			       "  Null     -\n");
}

static void long_fields_are_wrapped_or_cut(void **state)
{
	const char *path = "/srv/a/path/that/does/not/fit/into/forty/columns";
	const struct mf_field fields[] = {
		{ "cut", NULL, mf_text(path), MF_SHOW_FILL },
		{ "end", NULL, mf_text(path + 1), MF_SHOW_FILL },
		{ "whole", NULL,
		  mf_text("words that are wrapped below the "
			  "first one"),
		  0 },
	};
	struct output output;
	struct mf_report *report =
		output_open(&output, (struct mf_report_options){ .width = 40 });

	(void)state;
	mf_report_fields(report, NULL, NULL, fields, 3);
	mf_report_line(report, "  a paragraph that is set in by two columns "
			       "stays so");
	mf_report_line(report, "%s", "");
	mf_report_line(report, "end");
	output_expect(&output, "  cut    …oes/not/fit/into/forty/columns\n"
			       "  end    srv/a/path/that/does/not/fit/i…\n"
			       "  whole  words that are wrapped below\n"
			       "         the first one\n"
			       "  a paragraph that is set in by two\n"
			       "  columns stays so\n"
			       "\n"
			       "end\n");
}

static void put_arenas(struct mf_report *report)
{
	static const struct mf_column arena_columns[] = {
		{ "index", "arena", MF_VALUE_ID, 0 },
		{ "system", "system", MF_VALUE_SIZE, 0 },
	};
	static const struct mf_table arenas = {
		.key = "arenas",
		.title = "Arenas",
		.columns = arena_columns,
		.column_count = 2,
		.top = 2,
	};
	static const struct mf_table heaps = {
		.key = "heaps",
		.columns = arena_columns,
		.column_count = 2,
	};
	const struct mf_field fields[] = {
		{ "count", "in use", mf_count(5), 0 },
	};

	mf_report_table_begin(report, &arenas);
	for (unsigned i = 0; i < 3; i++) {
		mf_report_row_open(
			report,
			(struct mf_value[]){ mf_id(i), mf_size(1 << 20 << i) });
		mf_report_fields(report, "in_use", NULL, fields, 1);
		mf_report_table_begin(report, &heaps);
		mf_report_row(report, (struct mf_value[]){ mf_id(100000 + i),
							   mf_size(512) });
		mf_report_table_end(report);
		mf_report_line(report, "pinned by chunk %u", i);
		mf_report_row_close(report);
	}
	mf_report_table_end(report);
}

static void what_is_inside_a_row_is_set_in(void **state)
{
	struct output output;

	(void)state;
	put_arenas(output_open(&output, (struct mf_report_options){ 0 }));
	output_expect(&output, "Arenas\n"
			       "  arena   system\n"
			       "      0  1.0 MiB\n"
			       "    in use  5\n"
			       "     arena  system\n"
			       "    100000   512 B\n"
			       "    pinned by chunk 0\n"
			       "      1  2.0 MiB\n"
			       "    in use  5\n"
			       "     arena  system\n"
			       "    100001   512 B\n"
			       "    pinned by chunk 1\n"
			       "  … 1 more (--top 3 shows all)\n");
}

static const char *const advice[] = { "jcmd 1 System.trim_native_heap",
				      "MALLOC_ARENA_MAX=2", NULL };
static const char *const no_advice[] = { NULL };
static const struct mf_finding findings[] = {
	{ "retention", MF_SEVERITY_CRITICAL,
	  "2.6 GiB of 6.8 GiB RSS is free memory that malloc_trim(0) would "
	  "return, which is more than fits here",
	  1, NULL, 0, advice },
	{ "already-returned", MF_SEVERITY_INFO, "1.0 GiB is gone", 1, NULL, 0,
	  no_advice },
	{ "arenas", MF_SEVERITY_WARNING, "41 arenas", 1, NULL, 0, advice },
};

static void findings_are_verdicts_then_advice(void **state)
{
	struct output output;
	struct mf_report *report =
		output_open(&output, (struct mf_report_options){ 0 });

	(void)state;
	mf_report_heading(report, "Verdict");
	mf_report_findings(report, findings, 3, MF_FINDINGS_VERDICT);
	mf_report_heading(report, "What to do");
	mf_report_findings(report, findings, 3, MF_FINDINGS_ADVICE);
	output_expect(
		&output,
		"Verdict\n"
		"✖ critical  2.6 GiB of 6.8 GiB RSS is free memory that malloc_trim(0) would return, which is more\n"
		"            than fits here\n"
		"• info      1.0 GiB is gone\n"
		"▲ warning   41 arenas\n"
		"\n"
		"What to do\n"
		"  retention:\n"
		"    jcmd 1 System.trim_native_heap\n"
		"    MALLOC_ARENA_MAX=2\n"
		"  arenas:\n"
		"    jcmd 1 System.trim_native_heap\n"
		"    MALLOC_ARENA_MAX=2\n");
}

static void findings_have_severity_without_colour_or_utf8(void **state)
{
	struct output output;
	struct mf_report *report;

	(void)state;
	report = output_open_in("POSIX", &output,
				(struct mf_report_options){ 0 });
	mf_report_findings(report, &findings[1], 2, MF_FINDINGS_VERDICT);
	mf_report_line(report, "4 × 16 MiB → \xf0\x9f\x98\x80");
	output_expect(&output, "- info      1.0 GiB is gone\n"
			       "! warning   41 arenas\n"
			       "4 x 16 MiB -> \\U0001f600\n");
}

/* The first rows decide the widths, and no column may be dropped for them. */
static void a_million_rows_stream(void **state)
{
	static const struct mf_column few[] = {
		{ "n", "n", MF_VALUE_ID, 0 },
		{ "late", "late", MF_VALUE_SIZE, MF_SHOW_IF_ANY },
	};
	static const struct mf_table table = { .key = "rows",
					       .columns = few,
					       .column_count = 2 };
	FILE *stream = tmpfile();
	const struct mf_report_options options = { .top = 0 };
	struct mf_report *report = mf_report_create(stream, &options);
	long shown_before_end;
	char line[64], last[64] = "";

	(void)state;
	mf_report_table_begin(report, &table);
	for (uint64_t i = 1; i <= 1000000; i++)
		mf_report_row(
			report,
			(struct mf_value[]){
				mf_id(i), mf_size(i == 1000000 ? 4096 : 0) });
	shown_before_end = ftell(stream);
	mf_report_total(report,
			(struct mf_value[]){ mf_none(), mf_size(4096) });
	mf_report_table_end(report);
	assert_null(mf_report_end(report));
	mf_report_destroy(report);
	/* Nothing was kept for the end. */
	assert_true(shown_before_end > 13000000);
	rewind(stream);
	assert_non_null(fgets(line, sizeof(line), stream));
	assert_string_equal(line, "     n  late\n");
	assert_non_null(fgets(line, sizeof(line), stream));
	assert_string_equal(line, "     1     0\n");
	while (fgets(line, sizeof(line), stream))
		if (strstr(line, "1000000"))
			memcpy(last, line, sizeof(last));
	assert_string_equal(last, "  1000000  4.0 KiB\n");
	fclose(stream);
}

/* A table inside a row may be long, too. */
static void a_long_table_inside_a_row_streams(void **state)
{
	static const struct mf_column one[] = {
		{ "text", "text", MF_VALUE_TEXT, 0 },
	};
	static const struct mf_table outer = { .key = "outer",
					       .title = "Outer",
					       .columns = one,
					       .column_count = 1 };
	static const struct mf_table inner = { .key = "inner",
					       .columns = one,
					       .column_count = 1 };
	FILE *stream = tmpfile();
	const struct mf_report_options options = { 0 };
	struct mf_report *report = mf_report_create(stream, &options);
	char line[64];

	(void)state;
	mf_report_table_begin(report, &outer);
	mf_report_row_open(report, (struct mf_value[]){ mf_text("o1") });
	mf_report_table_begin(report, &inner);
	for (unsigned i = 0; i < 1000000; i++)
		mf_report_row(report, (struct mf_value[]){ mf_text("inner") });
	assert_true(ftell(stream) > 5000000);
	mf_report_table_end(report);
	mf_report_row_close(report);
	mf_report_row(report, (struct mf_value[]){ mf_text("o2") });
	mf_report_table_end(report);
	assert_null(mf_report_end(report));
	mf_report_destroy(report);
	rewind(stream);
	for (size_t i = 0; i < 1000005; i++) {
		const char *expected = i == 0	      ? "Outer\n"
				       : i == 1	      ? "  text\n"
				       : i == 2	      ? "  o1\n"
				       : i == 3	      ? "    text\n"
				       : i == 1000004 ? "  o2\n"
						      : "    inner\n";

		assert_non_null(fgets(line, sizeof(line), stream));
		assert_string_equal(line, expected);
	}
	assert_null(fgets(line, sizeof(line), stream));
	fclose(stream);
}

static void an_error_is_three_lines(void **state)
{
	mf_auto_error struct mf_error *error =
		mf_error_create(MF_ERROR_PERMISSION, "cannot attach to 123");
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	(void)state;
	mf_error_why(error, "it is root's\033[0m");
	mf_error_hint(error, "sudo memforensics 123");
	mf_report_error(stream, error);
	fclose(stream);
	assert_string_equal(text, "memforensics: cannot attach to 123\n"
				  "  why: it is root's\\x1b[0m\n"
				  "  try: sudo memforensics 123\n");
	free(text);
}

static void a_full_disk_is_an_error(void **state)
{
	FILE *stream = fopen("/dev/full", "w");
	const struct mf_report_options options = { 0 };
	struct mf_report *report = mf_report_create(stream, &options);
	struct mf_error *error;

	(void)state;
	mf_report_line(report, "lost");
	error = mf_report_end(report);
	assert_non_null(error);
	assert_string_equal(error->what, "cannot write the report");
	assert_string_equal(error->why, "No space left on device");
	mf_error_destroy(error);
	mf_report_destroy(report);
	fclose(stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_table_is_aligned_and_fits),
		cmocka_unit_test(a_table_fits_80_columns_of_ascii),
		cmocka_unit_test(a_last_column_goes_on_below),
		cmocka_unit_test(top_rows_say_how_many_more),
		cmocka_unit_test(colour_marks_titles_zeros_and_totals),
		cmocka_unit_test(columns_give_way_where_there_is_no_room),
		cmocka_unit_test(an_empty_table_says_so),
		cmocka_unit_test(a_table_for_data_is_not_shown),
		cmocka_unit_test(hostile_texts_are_escaped),
		cmocka_unit_test(every_type_of_value_has_its_form),
		cmocka_unit_test(long_fields_are_wrapped_or_cut),
		cmocka_unit_test(what_is_inside_a_row_is_set_in),
		cmocka_unit_test(findings_are_verdicts_then_advice),
		cmocka_unit_test(findings_have_severity_without_colour_or_utf8),
		cmocka_unit_test(a_million_rows_stream),
		cmocka_unit_test(a_long_table_inside_a_row_streams),
		cmocka_unit_test(an_error_is_three_lines),
		cmocka_unit_test(a_full_disk_is_an_error),
	};

	return cmocka_run_group_tests_name("report text", tests, NULL, NULL);
}
