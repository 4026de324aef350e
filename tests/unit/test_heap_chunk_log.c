/*
 * The compact chunk log and its links: what goes in comes out.
 */
#include "heap/chunk_log.h"
#include "unit.h"

static void test_log_gives_back_what_it_got(void **state)
{
	static const uint64_t sizes[] = {
		16,
		32,
		0x1f0,
		0x200,
		0x410,
		65536,
		UINT64_C(1) << 30,
		UINT64_C(1) << 46,
		0x10,
		0x250,
		0x290,
		4080,
	};
	struct mf_chunk_log log = { 0 };
	enum mf_chunk_state got_state;
	uint64_t got;
	size_t offset = 0;

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(sizes); i++)
		mf_chunk_log_add(&log, sizes[i], i % MF_CHUNK_STATES);
	for (size_t i = 0; i < MF_ARRAY_SIZE(sizes); i++) {
		assert_true(mf_chunk_log_next(&log, &offset, &got, &got_state));
		assert_int_equal(got, sizes[i]);
		assert_int_equal(got_state, i % MF_CHUNK_STATES);
	}
	assert_false(mf_chunk_log_next(&log, &offset, &got, &got_state));
	mf_chunk_log_deinit(&log);
}

static void test_small_chunks_take_one_byte(void **state)
{
	struct mf_chunk_log log = { 0 };

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		mf_chunk_log_add(&log, 0xf0, MF_CHUNK_IN_USE);
	assert_int_equal(log.bytes.count, 1000);
	mf_chunk_log_deinit(&log);
}

static void test_log_cut_short_ends(void **state)
{
	struct mf_chunk_log log = { 0 };
	enum mf_chunk_state got_state;
	uint64_t got;
	size_t offset = 0;

	(void)state;
	mf_chunk_log_add(&log, UINT64_C(1) << 40, MF_CHUNK_FREE);
	log.bytes.count--;
	assert_false(mf_chunk_log_next(&log, &offset, &got, &got_state));
	mf_chunk_log_deinit(&log);
}

static void test_links_are_found_by_address(void **state)
{
	const uint64_t start = UINT64_C(0x7f1234560000);
	struct mf_link_table table;

	(void)state;
	mf_link_table_init(&table, start + 0x8d0);
	for (uint64_t i = 0; i < 5000; i++)
		mf_link_table_add(&table, start + 0x8d0 + i * 0x50,
				  i % 7 ? start + i * 16 : 0,
				  i % 3 ? 0x50 : 0x2000, i % 2);
	for (uint64_t i = 0; i < 5000; i++) {
		struct mf_link *link =
			mf_link_table_find(&table, start + 0x8d0 + i * 0x50);

		assert_non_null(link);
		assert_int_equal(mf_link_next(link),
				 i % 7 ? start + i * 16 : 0);
		assert_int_equal(link->granules, i % 3 ? 5 : 0);
		assert_int_equal(link->free, i % 2);
		assert_null(mf_link_table_find(&table,
					       start + 0x8d0 + i * 0x50 + 16));
	}
	assert_null(mf_link_table_find(&table, start - 16));
	assert_null(mf_link_table_find(&table, start + 0x10000000));
	mf_link_table_deinit(&table);
}

static void test_links_leave_empty_pages_out(void **state)
{
	struct mf_link_table table;

	(void)state;
	mf_link_table_init(&table, 0x10000);
	mf_link_table_add(&table, 0x10010, 0x20010, 32, false);
	mf_link_table_add(&table, 0x90010, 0, 32, false);
	assert_non_null(mf_link_table_find(&table, 0x10010));
	assert_non_null(mf_link_table_find(&table, 0x90010));
	assert_null(mf_link_table_find(&table, 0x50010));
	mf_link_table_deinit(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_log_gives_back_what_it_got),
		cmocka_unit_test(test_small_chunks_take_one_byte),
		cmocka_unit_test(test_log_cut_short_ends),
		cmocka_unit_test(test_links_are_found_by_address),
		cmocka_unit_test(test_links_leave_empty_pages_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
