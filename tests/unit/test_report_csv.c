/*
 * Whole CSV reports.
 */
#include "memforensics/report.h"

#include "report_util.h"

static const struct mf_report_options csv = { .format = MF_FORMAT_CSV };

static const struct mf_column columns[] = {
	{ "name", "name", MF_VALUE_TEXT, 0 },
	{ "size", "size", MF_VALUE_SIZE, 0 },
	{ "eyes", "eyes", MF_VALUE_TEXT, MF_SHOW_TEXT_ONLY },
};

static const struct mf_table table = {
	.key = "regions",
	.columns = columns,
	.column_count = MF_ARRAY_SIZE(columns),
};

static void put_row(struct mf_report *report, const char *name, uint64_t size,
		    bool open)
{
	const struct mf_value values[] = {
		mf_text(name),
		mf_size(size),
		mf_text("x"),
	};

	if (open)
		mf_report_row_open(report, values);
	else
		mf_report_row(report, values);
}

static void the_first_table_starts_at_once(void **state)
{
	struct mf_table second = table, eyes = table, nothing = table;
	struct output output;
	struct mf_report *report = output_open(&output, csv);

	(void)state;
	nothing.key = "nothing";
	second.key = "totals";
	eyes.show = MF_SHOW_TEXT_ONLY;
	mf_report_begin(report, "maps");
	mf_report_heading(report, "no");
	mf_report_table_begin(report, &eyes);
	put_row(report, "no", 1, false);
	mf_report_table_end(report);
	mf_report_table_begin(report, &table);
	put_row(report, "a", 1, false);
	put_row(report, NULL, UINT64_MAX, false);
	mf_report_total(report, NULL);
	mf_report_table_end(report);
	mf_report_table_begin(report, &nothing);
	mf_report_table_end(report);
	mf_report_table_begin(report, &second);
	put_row(report, "b", 2, false);
	mf_report_table_end(report);
	output_expect(&output, "name,size\r\n"
			       "a,1\r\n"
			       ",18446744073709551615\r\n"
			       "\r\n"
			       "# totals\r\n"
			       "name,size\r\n"
			       "b,2\r\n");
}

static void texts_are_quoted_where_needed(void **state)
{
	struct output output;
	struct mf_report *report = output_open(&output, csv);

	(void)state;
	mf_report_begin(report, "maps");
	mf_report_table_begin(report, &table);
	put_row(report, "comma, quote \"", 1, false);
	put_row(report, "line\r\nbreak \xff", 1, false);
	put_row(report, " space", 1, false);
	mf_report_table_end(report);
	output_expect(&output, "name,size\r\n"
			       "\"comma, quote \"\"\",1\r\n"
			       "line\\x0d\\x0abreak \\xff,1\r\n"
			       "\" space\",1\r\n");
}

static void formulas_are_marked(void **state)
{
	struct output output;
	struct mf_report *report = output_open(&output, csv);

	(void)state;
	mf_report_begin(report, "scan");
	mf_report_table_begin(report, &table);
	put_row(report, "=1+1", 1, false);
	put_row(report, "@sum", 1, false);
	put_row(report, "'=1+1", 1, false);
	put_row(report, "-2+cmd|' /C calc'!D2", 1, false);
	put_row(report, "+HYPERLINK(\"x\")", 1, false);
	put_row(report, "---p", 1, false);
	put_row(report, "--type=gpu", 1, false);
	put_row(report, "'quoted'", 1, false);
	put_row(report, "a=b", 1, false);
	mf_report_table_end(report);
	output_expect(&output, "name,size\r\n"
			       "'=1+1,1\r\n"
			       "'@sum,1\r\n"
			       "''=1+1,1\r\n"
			       "'-2+cmd|' /C calc'!D2,1\r\n"
			       "\"'+HYPERLINK(\"\"x\"\")\",1\r\n"
			       "---p,1\r\n"
			       "--type=gpu,1\r\n"
			       "'quoted',1\r\n"
			       "a=b,1\r\n");
}

static void every_type_of_value_has_its_form(void **state)
{
	static const char *const list[] = { "one", "two,", NULL };
	const struct mf_field fields[] = {
		{ "none", NULL, mf_none(), 0 },
		{ "bool", NULL, mf_bool(true), 0 },
		{ "id", NULL, mf_id(1234567), 0 },
		{ "eyes", NULL, mf_id(1), MF_SHOW_TEXT_ONLY },
		{ "delta", NULL, mf_delta(-5), 0 },
		{ "address", NULL, mf_address(0x7f00), 0 },
		{ "ratio", NULL, mf_ratio(0.25), 0 },
		{ "ms", NULL, mf_ms(3.14159), 0 },
		{ "list", NULL, mf_list(list), 0 },
		{ "tids", NULL, mf_numbers((const int[]){ 7, 8 }, 2), 0 },
	};
	struct output output;
	struct mf_report *report = output_open(&output, csv);

	(void)state;
	mf_report_fields(report, "target", NULL, fields, 10);
	mf_report_fields(report, "nothing", NULL, &fields[3], 1);
	output_expect(
		&output,
		"# target\r\n"
		"none,bool,id,delta,address,ratio,ms,list,tids\r\n"
		",true,1234567,-5,0x7f00,0.25,3.142,\"one; two,\",7; 8\r\n");
}

static void what_is_inside_rows_follows_flat(void **state)
{
	const struct mf_field fields[] = { { "count", NULL, mf_count(3), 0 } };
	struct mf_table inner = table, innermost = table;
	struct output output;
	struct mf_report *report = output_open(&output, csv);

	(void)state;
	inner.key = "arenas";
	innermost.key = "heaps";
	mf_report_begin(report, "arenas");
	mf_report_object_open(report, "all");
	mf_report_table_begin(report, &table);
	for (unsigned i = 0; i < 2; i++) {
		put_row(report, i ? "b,b" : "a", i, true);
		mf_report_fields(report, "in_use", NULL, fields, 1);
		mf_report_fields(report, NULL, NULL, fields, 1);
		mf_report_table_begin(report, &inner);
		put_row(report, "i", 10 + i, true);
		mf_report_table_begin(report, &innermost);
		put_row(report, "ii", 20 + i, false);
		mf_report_table_end(report);
		mf_report_row_close(report);
		mf_report_table_end(report);
		mf_report_row_close(report);
	}
	mf_report_table_end(report);
	mf_report_object_close(report);
	mf_report_fields(report, NULL, NULL, fields, 1);
	output_expect(&output,
		      "name,size\r\n"
		      "a,0\r\n"
		      "\"b,b\",1\r\n"
		      "\r\n# all.regions.in_use\r\n"
		      "all.regions.name,count\r\n"
		      "a,3\r\n"
		      "\"b,b\",3\r\n"
		      "\r\n# all.regions.values\r\n"
		      "all.regions.name,count\r\n"
		      "a,3\r\n"
		      "\"b,b\",3\r\n"
		      "\r\n# all.regions.arenas\r\n"
		      "all.regions.name,name,size\r\n"
		      "a,i,10\r\n"
		      "\"b,b\",i,11\r\n"
		      "\r\n# all.regions.arenas.heaps\r\n"
		      "all.regions.name,all.regions.arenas.name,name,size\r\n"
		      "a,i,ii,20\r\n"
		      "\"b,b\",i,ii,21\r\n"
		      "\r\n# values\r\n"
		      "count\r\n"
		      "3\r\n");
}

static void findings_are_a_table(void **state)
{
	static const char *const advice[] = { "do this", "or that", NULL };
	const struct mf_field evidence[] = {
		{ "free", NULL, mf_size(3), 0 },
		{ "pinner", NULL, mf_address(16), 0 },
	};
	const struct mf_finding findings[] = {
		{ "retention", MF_SEVERITY_CRITICAL, "3 B, free", 3, evidence,
		  2, advice },
		{ "healthy", MF_SEVERITY_INFO, "calm", 0, NULL, 0, NULL },
	};
	struct output output;
	struct mf_report *report = output_open(&output, csv);

	(void)state;
	mf_report_findings(report, findings, 2, MF_FINDINGS_VERDICT);
	mf_report_findings(report, findings, 2, MF_FINDINGS_ADVICE);
	output_expect(&output,
		      "code,severity,title,bytes,advice\r\n"
		      "retention,critical,\"3 B, free\",3,do this; or that\r\n"
		      "healthy,info,calm,0,\r\n"
		      "\r\n# findings.evidence\r\n"
		      "findings.code,key,value\r\n"
		      "retention,free,3\r\n"
		      "retention,pinner,0x10\r\n");
}

static void a_million_rows_stream(void **state)
{
	FILE *stream = tmpfile();
	struct mf_report *report = mf_report_create(stream, &csv);

	(void)state;
	mf_report_table_begin(report, &table);
	for (unsigned i = 0; i < 1000000; i++)
		put_row(report, "row", i, false);
	/* Nothing is kept for the end. */
	assert_true(ftell(stream) > 11000000);
	mf_report_table_end(report);
	assert_null(mf_report_end(report));
	mf_report_destroy(report);
	fclose(stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_table_starts_at_once),
		cmocka_unit_test(texts_are_quoted_where_needed),
		cmocka_unit_test(formulas_are_marked),
		cmocka_unit_test(every_type_of_value_has_its_form),
		cmocka_unit_test(what_is_inside_rows_follows_flat),
		cmocka_unit_test(findings_are_a_table),
		cmocka_unit_test(a_million_rows_stream),
	};

	return cmocka_run_group_tests_name("report csv", tests, NULL, NULL);
}
