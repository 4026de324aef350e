/*
 * Tables of a report that nobody prints.
 */
#include "memforensics/report.h"

#include "unit.h"

static struct mf_report *keep(size_t top)
{
	const struct mf_report_options options = {
		.format = MF_FORMAT_KEPT,
		.top = top,
	};

	return mf_report_create(NULL, &options);
}

static void all_of_a_table_is_a_copy(void **state)
{
	char name[] = "name", text[] = "text", word[] = "word";
	const char *list[] = { word, NULL };
	int number = 5;
	struct mf_column columns[] = {
		{ name, NULL, MF_VALUE_TEXT, 0 },
		{ "list", "list", MF_VALUE_LIST, 0 },
		{ "numbers", "numbers", MF_VALUE_NUMBERS, 0 },
	};
	struct mf_table table = {
		.key = name,
		.columns = columns,
		.column_count = 3,
	};
	const struct mf_value values[] = {
		mf_text(text),
		mf_list(list),
		mf_numbers(&number, 1),
	};
	struct mf_report *report = keep(0);
	const struct mf_kept_table *kept;

	(void)state;
	mf_report_begin(report, "command");
	mf_report_line(report, "%s", "no table");
	mf_report_table_begin(report, &table);
	mf_report_row(report, values);
	mf_report_total(report, values);
	mf_report_table_end(report);
	memset(name, 'x', 4);
	memset(text, 'x', 4);
	memset(word, 'x', 4);
	memset(columns, 0, sizeof(columns));
	number = 0;
	kept = mf_report_kept_table(report, "name");
	assert_non_null(kept);
	assert_string_equal(kept->table.columns[0].key, "name");
	assert_int_equal(kept->row_count, 1);
	assert_string_equal(kept->rows[0][0].text, "text");
	assert_string_equal(kept->rows[0][1].list[0], "word");
	assert_null(kept->rows[0][1].list[1]);
	assert_int_equal(kept->rows[0][2].numbers.items[0], 5);
	assert_string_equal(kept->total[0].text, "text");
	assert_null(mf_report_kept_table(report, "other"));
	mf_report_destroy(report);
}

static const struct mf_column columns[] = {
	{ "id", "id", MF_VALUE_ID, 0 },
};

static const struct mf_table outer = {
	.key = "outer",
	.columns = columns,
	.column_count = 1,
};

static const struct mf_table inner = {
	.key = "inner",
	.columns = columns,
	.column_count = 1,
};

static void tables_inside_of_rows_know_these(void **state)
{
	struct mf_report *report = keep(2);
	const struct mf_kept_table *const *tables;
	size_t count;

	(void)state;
	mf_report_table_begin(report, &outer);
	for (uint64_t i = 0; i < 3; i++) {
		struct mf_value value = mf_id(i);

		mf_report_row_open(report, &value);
		mf_report_table_begin(report, &inner);
		mf_report_row(report, &value);
		mf_report_table_end(report);
		mf_report_row_close(report);
	}
	mf_report_table_end(report);
	tables = mf_report_kept_tables(report, &count);
	assert_int_equal(count, 4);
	for (size_t i = 0; i < 3; i++) {
		assert_string_equal(tables[i]->table.key, "inner");
		assert_ptr_equal(tables[i]->around, tables[3]);
		assert_int_equal(tables[i]->around_row, i);
		assert_int_equal(tables[i]->rows[0][0].number, i);
	}
	assert_null(tables[3]->around);
	assert_int_equal(tables[3]->row_count, 2);
	assert_int_equal(tables[3]->left_out, 1);
	mf_report_destroy(report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_a_table_is_a_copy),
		cmocka_unit_test(tables_inside_of_rows_know_these),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
