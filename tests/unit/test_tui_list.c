/*
 * Rows that are moved through, searched, filtered and sorted without being kept.
 */
#include <inttypes.h>

#include "tui/list.h"
#include "unit.h"

/* Row N has the number N * STEP % COUNT, and a text that says it. */
struct rows {
	uint64_t count, step;
	uint64_t fetched; /* texts and keys that were asked for */
};

static uint64_t count(void *data)
{
	const struct rows *rows = data;

	return rows->count;
}

static uint64_t number(const struct rows *rows, uint64_t row)
{
	return row * rows->step % rows->count;
}

static void text(void *data, uint64_t row, struct mf_buffer *into)
{
	struct rows *rows = data;

	rows->fetched++;
	mf_buffer_printf(into, "Row %" PRIu64, number(rows, row));
}

static bool key(void *data, uint64_t row, unsigned column, uint64_t *ret,
		struct mf_buffer *into)
{
	struct rows *rows = data;

	rows->fetched++;
	if (column == 0) {
		*ret = number(rows, row);
		return true;
	}
	mf_buffer_printf(into, "%c", (int)('a' + number(rows, row) % 26));
	return false;
}

static const struct mf_list_source source = {
	.count = count,
	.text = text,
	.key = key,
};

/* To its end, in steps of a few rows. */
static enum mf_list_news finish(struct mf_list *list)
{
	enum mf_list_news news;

	do
		news = mf_list_work(list, 100);
	while (news == MF_LIST_BUSY);
	return news;
}

static bool finds(struct mf_list *list, const char *wanted, bool forward)
{
	mf_list_find(list, wanted, forward);
	return finish(list) == MF_LIST_DONE;
}

static void sort(struct mf_list *list, unsigned column, bool descending)
{
	mf_list_sort(list, column, descending);
	finish(list);
}

static void filter(struct mf_list *list, const char *wanted)
{
	mf_list_filter(list, wanted);
	finish(list);
}

static void ten_million_rows_are_moved_through_unfetched(void **state)
{
	struct rows rows = { .count = 10000000, .step = 1 };
	struct mf_list list;

	(void)state;
	mf_list_init(&list, &source, &rows);
	mf_list_settle(&list, 20);
	assert_int_equal(mf_list_count(&list), 10000000);
	mf_list_go(&list, UINT64_MAX);
	assert_int_equal(list.cursor, 9999999);
	assert_int_equal(list.top, 9999980);
	mf_list_move(&list, -25);
	assert_int_equal(list.cursor, 9999974);
	assert_int_equal(list.top, 9999974);
	mf_list_move(&list, INT64_MIN);
	assert_int_equal(list.cursor, 0);
	mf_list_move(&list, INT64_MAX);
	assert_int_equal(list.cursor, 9999999);
	assert_int_equal(rows.fetched, 0);
	assert_null(list.index);
	mf_list_deinit(&list);
}

static void a_screen_is_filled_to_its_last_line(void **state)
{
	struct rows rows = { .count = 30, .step = 1 };
	struct mf_list list;

	(void)state;
	mf_list_init(&list, &source, &rows);
	mf_list_settle(&list, 10);
	mf_list_go(&list, 29);
	assert_int_equal(list.top, 20);
	mf_list_settle(&list, 25);
	assert_int_equal(list.top, 5);
	mf_list_settle(&list, 40);
	assert_int_equal(list.top, 0);
	assert_int_equal(list.cursor, 29);
	rows.count = 3;
	mf_list_settle(&list, 40);
	assert_int_equal(list.cursor, 2);
	rows.count = 0;
	mf_list_settle(&list, 0);
	assert_int_equal(list.cursor, 0);
	mf_list_move(&list, 5);
	assert_int_equal(list.cursor, 0);
	assert_false(finds(&list, "Row", true));
	mf_list_deinit(&list);
}

/* A screen that becomes small and large again shows what it did. */
static void a_screen_grows_back(void **state)
{
	struct rows rows = { .count = 50, .step = 1 };
	struct mf_list list;

	(void)state;
	mf_list_init(&list, &source, &rows);
	mf_list_go(&list, 4);
	assert_int_equal(list.top, 0);
	mf_list_settle(&list, 20);
	assert_int_equal(list.top, 0);
	mf_list_settle(&list, 1);
	assert_int_equal(list.top, 4);
	mf_list_settle(&list, 20);
	assert_int_equal(list.top, 0);
	assert_int_equal(list.cursor, 4);
	/* nothing had been pushed out */
	mf_list_go(&list, 40);
	mf_list_go(&list, 25);
	assert_int_equal(list.top, 21);
	mf_list_settle(&list, 22);
	assert_int_equal(list.top, 21);
	mf_list_deinit(&list);
}

/* From where the cursor stands at the top, too. */
static void a_page_moves_the_screen(void **state)
{
	struct rows rows = { .count = 50, .step = 1 };
	struct mf_list list;

	(void)state;
	mf_list_init(&list, &source, &rows);
	mf_list_settle(&list, 20);
	mf_list_page(&list, true);
	assert_int_equal(list.top, 19);
	assert_int_equal(list.cursor, 19);
	mf_list_page(&list, true);
	mf_list_page(&list, true);
	assert_int_equal(list.top, 30);
	assert_int_equal(list.cursor, 49);
	mf_list_page(&list, false);
	assert_int_equal(list.top, 11);
	assert_int_equal(list.cursor, 30);
	mf_list_page(&list, false);
	assert_int_equal(list.top, 0);
	mf_list_deinit(&list);
}

static void what_is_found_comes_round(void **state)
{
	struct rows rows = { .count = 100, .step = 1 };
	struct mf_list list;

	(void)state;
	mf_list_init(&list, &source, &rows);
	mf_list_settle(&list, 10);
	assert_true(finds(&list, "row 7", true));
	assert_int_equal(list.cursor, 7);
	assert_true(finds(&list, "row 7", true));
	assert_int_equal(list.cursor, 70);
	assert_true(finds(&list, "Row 7", false));
	assert_int_equal(list.cursor, 7);
	assert_true(finds(&list, "row 7", false));
	assert_int_equal(list.cursor, 79);
	/* capitals matter where there are some */
	assert_false(finds(&list, "ROW 7", true));
	assert_int_equal(list.cursor, 79);
	/* the only one is found again */
	assert_true(finds(&list, "row 99", true));
	assert_true(finds(&list, "row 99", false));
	assert_int_equal(list.cursor, 99);
	mf_list_deinit(&list);
}

static void an_order_is_kept_until_it_is_taken_back(void **state)
{
	struct rows rows = { .count = 101, .step = 37 };
	struct mf_list list;
	uint64_t row;

	(void)state;
	mf_list_init(&list, &source, &rows);
	mf_list_settle(&list, 10);
	mf_list_go(&list, 3);
	sort(&list, 0, true);
	assert_int_equal(list.cursor, 0);
	for (uint64_t i = 0; i < 101; i++)
		assert_int_equal(number(&rows, mf_list_row(&list, i)), 100 - i);
	sort(&list, 0, false);
	for (uint64_t i = 0; i < 101; i++)
		assert_int_equal(number(&rows, mf_list_row(&list, i)), i);
	/* texts, and those that are equal as they come */
	sort(&list, 1, false);
	for (uint64_t i = 1; i < 101; i++) {
		uint64_t left = mf_list_row(&list, i - 1);
		uint64_t right = mf_list_row(&list, i);
		uint64_t a = number(&rows, left) % 26,
			 b = number(&rows, right) % 26;

		assert_true(a < b || (a == b && left < right));
	}
	mf_list_go(&list, 7);
	row = mf_list_row(&list, 7);
	assert_int_not_equal(row, 7);
	mf_list_reset(&list);
	assert_null(list.index);
	assert_int_equal(list.cursor, row);
	mf_list_deinit(&list);
}

static void a_filter_and_an_order_go_together(void **state)
{
	struct rows rows = { .count = 1000, .step = 1 };
	struct mf_list list;

	(void)state;
	mf_list_init(&list, &source, &rows);
	mf_list_settle(&list, 10);
	sort(&list, 0, true);
	filter(&list, "99");
	assert_int_equal(mf_list_count(&list), 19);
	assert_int_equal(mf_list_row(&list, 0), 999);
	assert_int_equal(mf_list_row(&list, 18), 99);
	rows.count = 500;
	mf_list_renew(&list);
	finish(&list);
	assert_int_equal(mf_list_count(&list), 5);
	filter(&list, "");
	assert_int_equal(mf_list_count(&list), 500);
	assert_int_equal(mf_list_row(&list, 0), 499);
	mf_list_reset(&list);
	assert_int_equal(mf_list_row(&list, 0), 0);
	assert_null(list.filter);
	mf_list_deinit(&list);
}

static void of_too_many_rows_the_foremost_are_kept(void **state)
{
	const uint64_t most = MF_LIST_MOST;
	struct rows rows = { .count = 2 * most + 1, .step = 1234577 };
	struct mf_list list;

	(void)state;
	mf_list_init(&list, &source, &rows);
	mf_list_settle(&list, 10);
	sort(&list, 0, true);
	assert_int_equal(mf_list_count(&list), most);
	assert_int_equal(list.left_out, most + 1);
	for (uint64_t i = 0; i < most; i += 997)
		assert_int_equal(number(&rows, mf_list_row(&list, i)),
				 rows.count - 1 - i);
	mf_list_deinit(&list);
}

static void what_is_stopped_changes_nothing(void **state)
{
	struct rows rows = { .count = 100000, .step = 7 };
	struct mf_list list;

	(void)state;
	mf_list_init(&list, &source, &rows);
	mf_list_settle(&list, 10);
	assert_false(mf_list_stop(&list));
	sort(&list, 0, false);
	mf_list_sort(&list, 1, true);
	assert_int_equal(mf_list_work(&list, 5000), MF_LIST_BUSY);
	assert_true(mf_list_stop(&list));
	mf_list_filter(&list, "5");
	assert_int_equal(mf_list_work(&list, 5000), MF_LIST_BUSY);
	assert_true(mf_list_stop(&list));
	mf_list_find(&list, "no such", true);
	assert_int_equal(mf_list_work(&list, 5000), MF_LIST_BUSY);
	assert_true(mf_list_stop(&list));
	assert_int_equal(mf_list_work(&list, 5000), MF_LIST_IDLE);
	assert_false(list.descending);
	assert_int_equal(list.column, 0);
	assert_null(list.filter);
	assert_int_equal(mf_list_count(&list), 100000);
	assert_int_equal(number(&rows, mf_list_row(&list, 77)), 77);
	mf_list_deinit(&list);
}

/* No step looks at more rows than it was told to, and the rows that are shown
 * are moved through meanwhile. */
static void it_goes_on_little_by_little(void **state)
{
	struct rows rows = { .count = 100000, .step = 7 };
	enum mf_list_news news = MF_LIST_BUSY;
	uint64_t done = 0, total = 0, steps = 0;
	struct mf_list list;

	(void)state;
	mf_list_init(&list, &source, &rows);
	mf_list_settle(&list, 10);
	mf_list_sort(&list, 1, false);
	assert_int_equal(rows.fetched, 0);
	while (news == MF_LIST_BUSY) {
		uint64_t before = rows.fetched;

		assert_string_equal(mf_list_progress(&list, &done, &total),
				    "sorting");
		assert_int_equal(done, before);
		assert_int_equal(total, 100000);
		mf_list_move(&list, 1);
		assert_int_equal(mf_list_row(&list, list.cursor), ++steps);
		news = mf_list_work(&list, 50);
		assert_in_range(rows.fetched - before, 0, 50);
	}
	assert_int_equal(news, MF_LIST_DONE);
	assert_int_equal(rows.fetched, 100000);
	assert_null(mf_list_progress(&list, &done, &total));
	assert_int_equal(number(&rows, mf_list_row(&list, 0)) % 26, 0);
	assert_int_equal(number(&rows, mf_list_row(&list, 99999)) % 26, 25);
	mf_list_deinit(&list);
}

/* What is asked for while something is under way is done together with it. */
static void wishes_add_up(void **state)
{
	struct rows rows = { .count = 1000, .step = 1 };
	struct mf_list list;

	(void)state;
	mf_list_init(&list, &source, &rows);
	mf_list_settle(&list, 10);
	mf_list_filter(&list, "99");
	mf_list_work(&list, 10);
	mf_list_sort(&list, 0, true);
	mf_list_work(&list, 10);
	mf_list_then_go(&list, 5, 2);
	assert_int_equal(finish(&list), MF_LIST_DONE);
	assert_int_equal(mf_list_count(&list), 19);
	assert_int_equal(mf_list_row(&list, 0), 999);
	assert_int_equal(list.cursor, 5);
	assert_int_equal(list.top, 2);
	assert_string_equal(list.filter, "99");
	mf_list_deinit(&list);
}

/* Rows that have changed are as they come until the filter is done anew, even
 * where nobody said so. */
static void rows_that_changed_are_never_looked_up_by_old_numbers(void **state)
{
	struct rows rows = { .count = 1000, .step = 1 };
	struct mf_list list;

	(void)state;
	mf_list_init(&list, &source, &rows);
	mf_list_settle(&list, 10);
	filter(&list, "99");
	rows.count = 200;
	mf_list_renew(&list);
	assert_int_equal(mf_list_count(&list), 200);
	assert_null(list.filter);
	mf_list_work(&list, 50);
	for (uint64_t i = 0; i < 200; i++)
		assert_true(mf_list_row(&list, i) < 200);
	rows.count = 100;
	assert_int_equal(finish(&list), MF_LIST_DONE);
	assert_int_equal(mf_list_count(&list), 1);
	assert_int_equal(mf_list_row(&list, 0), 99);
	assert_string_equal(list.filter, "99");
	mf_list_deinit(&list);
}

/* An order that rows come in by themselves is shown, and costs nothing. */
static void a_given_order_is_not_sorted_by(void **state)
{
	struct rows rows = { .count = 1000, .step = 7 };
	struct mf_list list;

	(void)state;
	mf_list_init(&list, &source, &rows);
	mf_list_settle(&list, 10);
	mf_list_note_order(&list, 0, true);
	assert_true(list.sorted);
	assert_null(list.work);
	filter(&list, "99");
	assert_true(list.sorted);
	assert_int_equal(mf_list_count(&list), 19);
	/* texts of all rows, keys of none */
	assert_int_equal(rows.fetched, 1000);
	for (uint64_t i = 1; i < 19; i++)
		assert_true(mf_list_row(&list, i - 1) < mf_list_row(&list, i));
	mf_list_deinit(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ten_million_rows_are_moved_through_unfetched),
		cmocka_unit_test(a_screen_is_filled_to_its_last_line),
		cmocka_unit_test(a_screen_grows_back),
		cmocka_unit_test(a_page_moves_the_screen),
		cmocka_unit_test(what_is_found_comes_round),
		cmocka_unit_test(an_order_is_kept_until_it_is_taken_back),
		cmocka_unit_test(a_filter_and_an_order_go_together),
		cmocka_unit_test(of_too_many_rows_the_foremost_are_kept),
		cmocka_unit_test(what_is_stopped_changes_nothing),
		cmocka_unit_test(it_goes_on_little_by_little),
		cmocka_unit_test(wishes_add_up),
		cmocka_unit_test(
			rows_that_changed_are_never_looked_up_by_old_numbers),
		cmocka_unit_test(a_given_order_is_not_sorted_by),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
