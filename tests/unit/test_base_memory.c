/*
 * Vectors, searches, maps, pools and errors.
 */
#include <errno.h>

#include "base/error.h"
#include "base/map.h"
#include "base/pool.h"
#include "base/search.h"
#include "base/vec.h"
#include "unit.h"

static int compare_ints(const void *a, const void *b)
{
	int left = mf_load(int, a), right = mf_load(int, b);

	return (left > right) - (left < right);
}

static void vectors_grow_sort_and_end(void **state)
{
	MF_VEC(int) numbers = { 0 };
	int expected = 0;

	(void)state;
	mf_vec_sort(&numbers, compare_ints);
	for (int i = 1000; i-- > 0;)
		mf_vec_push(&numbers, i);
	assert_int_equal(numbers.count, 1000);
	mf_vec_sort(&numbers, compare_ints);
	mf_vec_foreach(number, &numbers)
		assert_int_equal(*number, expected++);
	*mf_vec_add(&numbers) += 7;
	assert_int_equal(numbers.items[1000], 7);
	mf_vec_reserve(&numbers, 5000);
	assert_true(numbers.capacity >= 5000);
	mf_vec_deinit(&numbers);
	assert_int_equal(numbers.count, 0);
	assert_null(numbers.items);
}

struct span {
	uint64_t start, end;
};

static void searches_find_the_place_among_the_sorted(void **state)
{
	static const struct span spans[] = { { 1, 2 }, { 4, 6 }, { 6, 9 } };
	/* of each address: the first that ends behind it */
	static const size_t after[] = { 0, 0, 1, 1, 1, 1, 2, 2, 2, 3, 3 };
	struct span *none = NULL;

	(void)state;
	for (uint64_t at = 0; at < MF_ARRAY_SIZE(after); at++)
		assert_int_equal(
			mf_range_after(spans, MF_ARRAY_SIZE(spans), at),
			after[at]);
	for (size_t count = 0; count <= MF_ARRAY_SIZE(after); count++)
		for (size_t low = 0; low < 4; low++)
			assert_int_equal(
				mf_count_leading(after, count, one, *one < low),
				MF_MIN(count, ((size_t[]){ 0, 2, 6, 9 })[low]));
	assert_int_equal(mf_range_after(none, 0, 1), 0);
	assert_null(mf_range_at(none, 0, 1));
}

static void searches_find_the_range_that_holds(void **state)
{
	static const struct span spans[] = {
		{ 1, 2 },
		{ 4, 6 },
		{ 6, 9 },
		{ UINT64_MAX - 1, UINT64_MAX },
	};

	(void)state;
	for (uint64_t at = 0; at < 12; at++) {
		const struct span *found =
			mf_range_at(spans, MF_ARRAY_SIZE(spans), at);
		const struct span *held = NULL;

		for (size_t i = 0; i < MF_ARRAY_SIZE(spans); i++)
			if (spans[i].start <= at && at < spans[i].end)
				held = &spans[i];
		assert_ptr_equal(found, held);
	}
	assert_ptr_equal(
		mf_range_at(spans, MF_ARRAY_SIZE(spans), UINT64_MAX - 1),
		&spans[3]);
	assert_null(mf_range_at(spans, MF_ARRAY_SIZE(spans), UINT64_MAX));
}

static void maps_find_what_was_set(void **state)
{
	struct mf_map map = { 0 };
	uint64_t sum = 0;

	(void)state;
	assert_null(mf_map_get(&map, 0));
	for (uint64_t key = 0; key < 100000; key++)
		assert_true(mf_map_set(&map, key << 12, key));
	assert_false(mf_map_set(&map, 0, 42));
	assert_int_equal(map.count, 100000);
	for (uint64_t key = 1; key < 100000; key++)
		assert_int_equal(*mf_map_get(&map, key << 12), key);
	assert_int_equal(*mf_map_get(&map, 0), 42);
	assert_false(mf_map_has(&map, 1));
	mf_map_foreach(entry, &map)
		sum += entry->value;
	assert_int_equal(sum, UINT64_C(99999) * 100000 / 2 + 42);
	mf_map_deinit(&map);
	assert_null(mf_map_get(&map, 0));
}

static void pools_give_zeroed_aligned_memory(void **state)
{
	static const size_t sizes[] = { 0, 1, 15, 16, 17, 16384, 100000, 3 };
	struct mf_pool pool = { 0 };

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(sizes); i++) {
		unsigned char *bytes = mf_pool_alloc(&pool, sizes[i]);

		assert_int_equal((uintptr_t)bytes % 16, 0);
		for (size_t at = 0; at < sizes[i]; at++)
			assert_int_equal(bytes[at], 0);
		if (sizes[i])
			memset(bytes, 0xff, sizes[i]);
	}
	assert_string_equal(mf_pool_printf(&pool, "%s-%d", "a", 1), "a-1");
	assert_string_equal(mf_pool_strndup(&pool, "abcdef", 3), "abc");
	assert_string_equal(mf_pool_strdup(&pool, ""), "");
	mf_pool_deinit(&pool);
	assert_null(pool.blocks);
}

static struct mf_error *fail_through(struct mf_error *error)
{
	MF_TRY(error);
	return NULL;
}

static void errors_say_what_why_and_hint(void **state)
{
	mf_auto_error struct mf_error *error = NULL;

	(void)state;
	assert_null(fail_through(NULL));
	error = fail_through(mf_error_from_errno(EPERM, "cannot read %d", 7));
	assert_int_equal(error->code, MF_ERROR_PERMISSION);
	assert_string_equal(error->what, "cannot read 7");
	assert_string_equal(error->why, "Operation not permitted");
	assert_null(error->hint);
	assert_ptr_equal(mf_error_why(error, "because %s", "so"), error);
	assert_ptr_equal(mf_error_hint(error, "sudo"), error);
	assert_string_equal(error->why, "because so");
	assert_string_equal(error->hint, "sudo");
}

static void errno_decides_the_exit_code(void **state)
{
	static const struct {
		int number;
		enum mf_error_code code;
	} cases[] = {
		{ EPERM, MF_ERROR_PERMISSION },
		{ EACCES, MF_ERROR_PERMISSION },
		{ ESRCH, MF_ERROR_NO_PROCESS },
		{ ENOENT, MF_ERROR_FAILED },
	};

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(cases); i++) {
		mf_auto_error struct mf_error *error =
			mf_error_from_errno(cases[i].number, "x");

		assert_int_equal(error->code, cases[i].code);
	}
	mf_error_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_grow_sort_and_end),
		cmocka_unit_test(searches_find_the_place_among_the_sorted),
		cmocka_unit_test(searches_find_the_range_that_holds),
		cmocka_unit_test(maps_find_what_was_set),
		cmocka_unit_test(pools_give_zeroed_aligned_memory),
		cmocka_unit_test(errors_say_what_why_and_hint),
		cmocka_unit_test(errno_decides_the_exit_code),
	};

	return cmocka_run_group_tests_name("base memory", tests, NULL, NULL);
}
