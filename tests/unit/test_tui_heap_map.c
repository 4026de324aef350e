/*
 * The cells of a heap's map: what a page is by the chunks on it, and what a cell
 * is by its pages.
 */
#include "tui/heap_map.h"
#include "unit.h"

enum {
	PAGE = 4096,
	PAGES = 8,
};

#define START UINT64_C(0x7f0000000000)

static void add(struct mf_heap_map *map, uint64_t *at, uint64_t size,
		enum mf_chunk_kind kind)
{
	const struct mf_chunk chunk = {
		.address = *at,
		.size = size,
		.kind = kind,
	};

	mf_heap_map_add(map, &chunk);
	*at += size;
}

static struct mf_heap_map *make(void)
{
	static const uint8_t flags[PAGES] = {
		MF_PAGE_PRESENT,
		MF_PAGE_PRESENT,
		MF_PAGE_PRESENT,
		MF_PAGE_SWAPPED,
		0,
		MF_PAGE_PRESENT,
		MF_PAGE_PRESENT,
		MF_PAGE_ZERO,
	};
	struct mf_heap_map *map =
		mf_heap_map_create(START, START + PAGES * PAGE, PAGE);
	uint64_t at = START;

	mf_heap_map_set_pages(map, 0, flags, PAGES);
	add(map, &at, 0x30, MF_KIND_OVERHEAD);
	add(map, &at, 3000, MF_KIND_IN_USE);
	add(map, &at, PAGE - 0x30 - 3000, MF_KIND_FREE);
	/* page 1: a little in use in much that is free */
	add(map, &at, 32, MF_KIND_IN_USE);
	add(map, &at, PAGE - 32, MF_KIND_FREE);
	add(map, &at, PAGE, MF_KIND_TCACHE);
	/* pages 3 and 4: one chunk, the second page of which went back */
	add(map, &at, (uint64_t)2 * PAGE, MF_KIND_UNSORTED);
	add(map, &at, PAGE, MF_KIND_UNREAD);
	/* pages 6 and 7: the top was never touched behind its first page */
	add(map, &at, (uint64_t)2 * PAGE, MF_KIND_TOP);
	mf_heap_map_finish(map);
	return map;
}

static void a_page_is_what_most_of_it_is(void **state)
{
	static const char wanted[] = "#pcf."
				     "o"
				     "t.";
	struct mf_heap_map *map = make();

	(void)state;
	assert_int_equal(mf_heap_map_pages(map), PAGES);
	for (uint64_t i = 0; i < PAGES; i++)
		assert_int_equal(
			mf_cell_look(mf_heap_map_cell(map, i, 1))->sign,
			wanted[i]);
	assert_int_equal(mf_heap_map_counts(map)[MF_CELL_RETURNED], 2);
	assert_int_equal(mf_heap_map_counts(map)[MF_CELL_PINNED], 1);
	mf_heap_map_destroy(map);
}

static void a_cell_is_what_most_of_its_pages_are(void **state)
{
	struct mf_heap_map *map = make();

	(void)state;
	assert_int_equal(mf_heap_map_cell(map, 4, 4), MF_CELL_RETURNED);
	/* behind the last page there is nothing that counts */
	assert_int_equal(mf_heap_map_cell(map, 6, 1), MF_CELL_TOP);
	assert_int_equal(mf_heap_map_cell(map, 7, 100), MF_CELL_RETURNED);
	assert_int_equal(mf_heap_map_cell(map, 100, 4), MF_CELL_OTHER);
	mf_heap_map_destroy(map);
}

/* Malloc handed it out, and nothing was ever written there. */
static void what_is_in_use_and_not_there_is_told_apart(void **state)
{
	struct mf_heap_map *map =
		mf_heap_map_create(START, START + 2 * PAGE, PAGE);
	uint64_t at = START;

	(void)state;
	add(map, &at, PAGE, MF_KIND_IN_USE);
	add(map, &at, PAGE, MF_KIND_FREE);
	mf_heap_map_finish(map);
	assert_int_equal(mf_heap_map_cell(map, 0, 1), MF_CELL_UNTOUCHED);
	assert_int_equal(mf_heap_map_cell(map, 1, 1), MF_CELL_RETURNED);
	mf_heap_map_destroy(map);
}

static void what_lies_outside_is_left_out(void **state)
{
	static const uint8_t there[] = { MF_PAGE_PRESENT, MF_PAGE_PRESENT };
	struct mf_heap_map *map =
		mf_heap_map_create(START + 16, START + PAGE + 100, PAGE);
	uint64_t at = START - PAGE;

	(void)state;
	mf_heap_map_set_pages(map, 0, there, 2);
	mf_heap_map_set_pages(map, 1, there, 2);
	add(map, &at, (uint64_t)2 * PAGE, MF_KIND_IN_USE);
	add(map, &at, (uint64_t)9 * PAGE, MF_KIND_TOP);
	mf_heap_map_finish(map);
	assert_int_equal(mf_heap_map_pages(map), 2);
	assert_int_equal(mf_heap_map_cell(map, 0, 1), MF_CELL_IN_USE);
	assert_int_equal(mf_heap_map_cell(map, 1, 1), MF_CELL_TOP);
	mf_heap_map_destroy(map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_is_what_most_of_it_is),
		cmocka_unit_test(a_cell_is_what_most_of_its_pages_are),
		cmocka_unit_test(what_is_in_use_and_not_there_is_told_apart),
		cmocka_unit_test(what_lies_outside_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
