/*
 * Lines of a screen, without a screen: what is cut, padded and escaped, rows of
 * bytes, columns that fit, and keys.
 */
#include <curses.h>
#include <locale.h>

#include "tui/columns.h"
#include "tui/hex.h"
#include "tui/keys.h"
#include "tui/rows.h"
#include "tui/views.h"
#include "unit.h"

static struct mf_strip strip(bool utf8)
{
	struct mf_strip ret;

	mf_strip_init(&ret, utf8);
	return ret;
}

/* Compares, and empties. */
static void holds(struct mf_strip *line, const char *text)
{
	assert_string_equal(mf_buffer_text(&line->text), text);
	assert_int_equal(line->columns, mf_text_columns(text, strlen(text)));
	mf_strip_clear(line);
}

/* ---- lines ------------------------------------------------------------------ */

static void cells_are_cut_and_padded(void **state)
{
	struct mf_strip line = strip(true);

	(void)state;
	mf_strip_cell(&line, MF_TINT_PLAIN, "abc", 5, false);
	mf_strip_cell(&line, MF_TINT_PLAIN, "12", 4, true);
	holds(&line, "abc    12");
	mf_strip_cell(&line, MF_TINT_PLAIN, "abcdefgh", 5, false);
	holds(&line, "abcd…");
	mf_strip_cell(&line, MF_TINT_PLAIN, "äöüßé", 3, true);
	holds(&line, "äö…");
	/* a character of two columns is not cut in half */
	mf_strip_cell(&line, MF_TINT_PLAIN, "日本語", 4, false);
	holds(&line, "日… ");
	mf_strip_deinit(&line);
	line = strip(false);
	mf_strip_cell(&line, MF_TINT_PLAIN, "abcdefgh", 5, false);
	holds(&line, "abc..");
	mf_strip_deinit(&line);
}

static void a_terminal_gets_no_codes_of_a_target(void **state)
{
	struct mf_strip line = strip(true);

	(void)state;
	mf_strip_put(&line, MF_TINT_PLAIN, "a\033[31mb\n\xff\u202e");
	holds(&line, "a\\x1b[31mb\\x0a\\xff\\u202e");
	/* a mark that has no place of its own */
	mf_strip_put(&line, MF_TINT_PLAIN, "e\u0301");
	holds(&line, "e\\u0301");
	mf_strip_value(&line, MF_TINT_PLAIN, mf_text("\033]0;x\a"));
	holds(&line, "\\x1b]0;x\\x07");
	mf_strip_deinit(&line);
	line = strip(false);
	mf_strip_put(&line, MF_TINT_PLAIN, "ä");
	holds(&line, "\\u00e4");
	mf_strip_deinit(&line);
}

static void bars_are_as_long_as_what_they_show(void **state)
{
	struct mf_strip line = strip(true);

	(void)state;
	mf_strip_bar(&line, MF_TINT_BAR, 0.5, 4);
	holds(&line, "██  ");
	mf_strip_bar(&line, MF_TINT_BAR, 0.0001, 4);
	holds(&line, "▏   ");
	mf_strip_bar(&line, MF_TINT_BAR, 7, 4);
	holds(&line, "████");
	mf_strip_bar(&line, MF_TINT_BAR, -1, 2);
	holds(&line, "  ");
	mf_strip_deinit(&line);
	line = strip(false);
	mf_strip_bar(&line, MF_TINT_BAR, 0.5, 4);
	holds(&line, "##  ");
	mf_strip_deinit(&line);
}

static void paragraphs_break_at_blanks(void **state)
{
	struct mf_text_rows rows = { 0 };

	(void)state;
	mf_text_rows_wrap(&rows, MF_TINT_PLAIN, 2, 10, "one two three four");
	assert_int_equal(rows.rows.count, 2);
	assert_string_equal(rows.rows.items[0].text, "one two");
	assert_string_equal(rows.rows.items[1].text, "three four");
	mf_text_rows_wrap(&rows, MF_TINT_PLAIN, 2, 4, "abcdefghi");
	assert_string_equal(rows.rows.items[2].text, "abcd");
	assert_string_equal(rows.rows.items[4].text, "i");
	mf_text_rows_wrap(&rows, MF_TINT_PLAIN, 0, 4, "");
	assert_string_equal(rows.rows.items[5].text, "");
	mf_text_rows_deinit(&rows);
}

/* ---- bytes --------------------------------------------------------------------- */

static void bytes_are_shown_in_groups(void **state)
{
	struct mf_hex_row row = {
		.address = 0x7f0000001000,
		.state = MF_BYTES_READ,
		.bytes = "0123456789\0\n~\x7f\xff",
		.count = 16,
		.group = 1,
		.cursor = -1,
	};
	struct mf_strip line = strip(true);

	(void)state;
	mf_hex_write(&row, &line);
	holds(&line, "7f0000001000  30 31 32 33 34 35 36 37  "
		     "38 39 00 0a 7e 7f ff 00 0123456789..~...");
	row.group = 2;
	mf_hex_write(&row, &line);
	holds(&line, "7f0000001000  3130 3332 3534 3736  "
		     "3938 0a00 7f7e 00ff 0123456789..~...");
	row.group = 8;
	mf_hex_write(&row, &line);
	holds(&line, "7f0000001000  3736353433323130 00ff7f7e0a003938 "
		     "0123456789..~...");
	row.group = 1;
	row.count = 3;
	mf_hex_write(&row, &line);
	holds(&line, "7f0000001000  30 31 32"
		     "                    "
		     "                     012");
	mf_strip_deinit(&line);
}

static void what_is_not_there_is_said(void **state)
{
	struct mf_hex_row row = {
		.address = 0x1000,
		.state = MF_BYTES_ABSENT,
		.count = 16,
		.group = 8,
		.cursor = -1,
	};
	struct mf_strip line = strip(false);

	(void)state;
	mf_hex_write(&row, &line);
	holds(&line, "000000001000  ---------------- ---------------- "
		     "no page here");
	row.state = MF_BYTES_COMING;
	mf_hex_write(&row, &line);
	holds(&line, "000000001000  ................ ................ "
		     "reading");
	mf_strip_deinit(&line);
}

/* ---- columns --------------------------------------------------------------------- */

static const struct mf_view_column columns[] = {
	{ "size", MF_VALUE_SIZE, 8, 'S', MF_COLUMN_DESCENDING },
	{ "what", MF_VALUE_TEXT, 10, 0, MF_COLUMN_FILL },
	{ "rarely", MF_VALUE_COUNT, 6, 0, MF_COLUMN_IF_ROOM },
};

static const struct mf_view_ops table = {
	.name = "table",
	.columns = columns,
	.column_count = MF_ARRAY_SIZE(columns),
};

static void columns_give_way_on_narrow_screens(void **state)
{
	const struct mf_value values[] = { mf_size(1536), mf_text("a\tb"),
					   mf_count(12345) };
	struct mf_strip line = strip(true);

	(void)state;
	mf_columns_row(&table, values, MF_TINT_PLAIN, 0, 32, &line);
	holds(&line, "  1.5 KiB  a\\x09b         12 345");
	mf_columns_row(&table, values, MF_TINT_PLAIN, 2, 32, &line);
	holds(&line, "  1.5 KiB    a\\x09b       12 345");
	mf_columns_row(&table, values, MF_TINT_PLAIN, 0, 24, &line);
	holds(&line, "  1.5 KiB  a\\x09b       ");
	mf_strip_deinit(&line);
}

static void numbers_are_sorted_as_numbers(void **state)
{
	uint64_t less, more;

	(void)state;
	assert_true(mf_column_key(mf_delta(-5), &less));
	assert_true(mf_column_key(mf_delta(3), &more));
	assert_true(less < more);
	assert_true(mf_column_key(mf_ratio(0.25), &less));
	assert_true(mf_column_key(mf_ratio(0.5), &more));
	assert_true(less < more);
	assert_true(mf_column_key(mf_none(), &less));
	assert_int_equal(less, 0);
	assert_false(mf_column_key(mf_text("x"), &less));
}

/* ---- keys -------------------------------------------------------------------------- */

static void every_key_has_one_meaning(void **state)
{
	size_t count;
	const struct mf_key_row *rows = mf_key_rows(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		const char *keys = rows[i].keys;

		while (*keys) {
			size_t length = strcspn(keys, " ");
			int code = mf_key_code(keys, length);

			assert_int_not_equal(code, -1);
			assert_int_equal(mf_key_request(code), rows[i].request);
			keys += length + (keys[length] == ' ');
		}
		assert_true(*rows[i].help);
	}
	assert_int_equal(mf_key_request(KEY_UP), MF_REQUEST_UP);
	assert_int_equal(mf_key_request('\r'), MF_REQUEST_ENTER);
	assert_int_equal(mf_key_request('\b'), MF_REQUEST_BACK);
	assert_int_equal(mf_key_request('c' & 0x1f), MF_REQUEST_END);
	assert_int_equal(mf_key_request('Z'), MF_REQUEST_NONE);
}

static void views_and_columns_have_keys_of_their_own(void **state)
{
	size_t count;
	const struct mf_view_ops *const *views = mf_views(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		const struct mf_view_ops *view = views[i];

		assert_ptr_equal(mf_view_find(view->name), view);
		assert_true(view->digit >= '0' && view->digit <= '9');
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(views[j]->digit, view->digit);
		assert_true(view->column_count <= MF_VIEW_COLUMNS);
		for (size_t j = 0; j < view->column_count; j++) {
			char key = view->columns[j].key;

			if (!key)
				continue;
			assert_int_equal(mf_key_request(key), MF_REQUEST_NONE);
			for (size_t k = 0; k < j; k++)
				assert_int_not_equal(view->columns[k].key, key);
		}
	}
}

static void test_wide_characters(void **state)
{
	static const char han[] = "\xe6\xbc\xa2\xe5\xad\x97"; /* two */
	struct mf_strip line;

	(void)state;
	assert_int_equal(mf_text_columns(han, strlen(han)), 4);
	assert_int_equal(mf_text_fit(han, strlen(han), 3), 3);
	mf_strip_init(&line, true);
	mf_strip_cell(&line, MF_TINT_PLAIN, han, 6, false);
	assert_int_equal(line.columns, 6);
	assert_string_equal(mf_buffer_text(&line.text),
			    "\xe6\xbc\xa2\xe5\xad\x97  ");
	mf_strip_clear(&line);
	/* cut: one of them, and what says so, and never a half */
	mf_strip_cell(&line, MF_TINT_PLAIN, han, 3, false);
	assert_int_equal(line.columns, 3);
	mf_strip_deinit(&line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wide_characters),
		cmocka_unit_test(cells_are_cut_and_padded),
		cmocka_unit_test(a_terminal_gets_no_codes_of_a_target),
		cmocka_unit_test(bars_are_as_long_as_what_they_show),
		cmocka_unit_test(paragraphs_break_at_blanks),
		cmocka_unit_test(bytes_are_shown_in_groups),
		cmocka_unit_test(what_is_not_there_is_said),
		cmocka_unit_test(columns_give_way_on_narrow_screens),
		cmocka_unit_test(numbers_are_sorted_as_numbers),
		cmocka_unit_test(every_key_has_one_meaning),
		cmocka_unit_test(views_and_columns_have_keys_of_their_own),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
