/*
 * Damage to headers, tops and heaps, forged into a heap that is whole but for
 * it: it is named, at the right chunk and with the right neighbours, and all the
 * rest of the heap is counted as if nothing were.
 */
#include "damage_util.h"

/* ---- headers ------------------------------------------------------------ */

static void test_a_text_over_a_header(void **state)
{
	const struct mf_corruption *row;
	struct heap heap;
	uint64_t victim;

	(void)state;
	start(&heap);
	forge_finish(&heap.forge);
	victim = heap.chunks[VICTIM];
	forge_set(&heap.forge, victim, TEXT);
	forge_set(&heap.forge, victim + 8, TEXT);
	row = only(&heap.forge, 0, "size", victim);
	assert_string_equal(row->text, "ABCDEFGHABCDEFGH");
	assert_int_equal(row->lost, CHUNK);
	expect_chunk(&row->previous, victim - CHUNK, CHUNK, "in_use");
	expect_chunk(&row->next, victim + CHUNK, CHUNK, "in_use");
	expect_truth(&heap.forge, 0, CHUNK);
	forge_deinit(&heap.forge);
}

/* Two of them far from each other: both are gone over. */
static void test_goes_on_after_each(void **state)
{
	const struct mf_allocator *glibc;
	struct heap heap;

	(void)state;
	start(&heap);
	forge_finish(&heap.forge);
	forge_set(&heap.forge, heap.chunks[10] + 8, TEXT);
	forge_set(&heap.forge, heap.chunks[80] + 8, TEXT);
	glibc = forge_read(&heap.forge, NULL);
	assert_non_null(glibc);
	assert_int_equal(glibc->arenas[0].corrupt_count, 2);
	assert_int_equal(glibc->arenas[0].corrupt[0].address, heap.chunks[10]);
	assert_int_equal(glibc->arenas[0].corrupt[1].address, heap.chunks[80]);
	expect_truth(&heap.forge, 0, 2 * CHUNK);
	forge_deinit(&heap.forge);
}

/* Its size leads over chunks that lists know: it is what is wrong, not they. */
static void test_a_size_that_grew(void **state)
{
	const struct mf_corruption *row;
	uint64_t victim, known;
	struct heap heap;

	(void)state;
	start(&heap);
	victim = forge_chunk(&heap.forge, CHUNK, FORGE_IN_USE);
	known = forge_chunk(&heap.forge, 0x40, FORGE_FAST);
	for (unsigned i = 0; i < CHUNKS; i++)
		forge_chunk(&heap.forge, CHUNK, FORGE_IN_USE);
	forge_finish(&heap.forge);
	forge_set(&heap.forge, victim + 8, (CHUNK + 0x40 + 0x20) | 1);
	row = only(&heap.forge, 0, "size", victim);
	expect_chunk(&row->chunk, victim, CHUNK, "in_use");
	expect_chunk(&row->previous, victim - CHUNK, CHUNK, "in_use");
	expect_chunk(&row->next, known, 0x40, "fastbin");
	expect_truth(&heap.forge, 0, 0);
	forge_deinit(&heap.forge);
}

static void test_a_previous_size(void **state)
{
	const struct mf_corruption *row;
	uint64_t free_chunk, victim;
	struct heap heap;

	(void)state;
	start(&heap);
	free_chunk = forge_chunk(&heap.forge, 0x100, FORGE_SMALL);
	victim = forge_chunk(&heap.forge, CHUNK, FORGE_IN_USE);
	forge_finish(&heap.forge);
	forge_set(&heap.forge, victim, TEXT);
	row = only(&heap.forge, 0, "prev-size", victim);
	assert_string_equal(row->text, "ABCDEFGH");
	expect_chunk(&row->previous, free_chunk, 0x100, "free");
	expect_chunk(&row->chunk, victim, CHUNK, "in_use");
	expect_truth(&heap.forge, 0, 0);
	forge_deinit(&heap.forge);
}

static void test_a_closing_zero(void **state)
{
	const struct mf_corruption *row;
	struct heap heap;
	uint64_t victim;

	(void)state;
	start(&heap);
	victim = forge_chunk(&heap.forge, 0x100, FORGE_IN_USE);
	forge_finish(&heap.forge);
	*forge_at(&heap.forge, victim + 8) = 0;
	row = only(&heap.forge, 0, "prev-inuse", victim);
	expect_chunk(&row->previous, heap.chunks[CHUNKS - 1], CHUNK, "in_use");
	expect_truth(&heap.forge, 0, 0);
	forge_deinit(&heap.forge);
}

static void test_a_flag_of_another_arena(void **state)
{
	struct heap heap;
	uint64_t victim;

	(void)state;
	start(&heap);
	forge_finish(&heap.forge);
	victim = heap.chunks[VICTIM];
	forge_set(&heap.forge, victim + 8, CHUNK | 5);
	only(&heap.forge, 0, "flags", victim);
	expect_truth(&heap.forge, 0, 0);
	forge_deinit(&heap.forge);
}

static void test_two_free_neighbours(void **state)
{
	uint64_t first, second;
	struct heap heap;

	(void)state;
	start(&heap);
	first = forge_chunk(&heap.forge, 0x100, FORGE_SMALL);
	second = forge_chunk(&heap.forge, 0x120, FORGE_SMALL);
	forge_chunk(&heap.forge, CHUNK, FORGE_IN_USE);
	forge_finish(&heap.forge);
	expect_chunk(&only(&heap.forge, 0, "free-neighbours", second)->previous,
		     first, 0x100, "free");
	expect_truth(&heap.forge, 0, 0);
	forge_deinit(&heap.forge);
}

/* ---- the top, and a heap's end --------------------------------------------- */

static void test_a_text_over_top(void **state)
{
	const struct mf_corruption *row;
	struct heap heap;
	uint64_t top;

	(void)state;
	start(&heap);
	top = heap.forge.next;
	forge_finish(&heap.forge);
	forge_set(&heap.forge, top, TEXT);
	forge_set(&heap.forge, top + 8, TEXT);
	row = only(&heap.forge, 0, "top-size", top);
	assert_string_equal(row->text, "ABCDEFGHABCDEFGH");
	expect_chunk(&row->previous, heap.chunks[CHUNKS - 1], CHUNK, "in_use");
	assert_null(row->next.state);
	expect_truth(&heap.forge, 0, 0);
	forge_deinit(&heap.forge);
}

static void test_a_top_that_ends_too_soon(void **state)
{
	struct heap heap;
	uint64_t top;

	(void)state;
	start(&heap);
	top = heap.forge.next;
	forge_finish(&heap.forge);
	forge_set(&heap.forge, top + 8, 0x2000 | 1);
	only(&heap.forge, 0, "top-size", top);
	expect_truth(&heap.forge, 0, 0);
	forge_deinit(&heap.forge);
}

static void test_a_free_chunk_before_top(void **state)
{
	struct heap heap;
	uint64_t top;

	(void)state;
	start(&heap);
	forge_chunk(&heap.forge, 0x100, FORGE_SMALL);
	top = heap.forge.next;
	forge_finish(&heap.forge);
	only(&heap.forge, 0, "free-before-top", top);
	expect_truth(&heap.forge, 0, 0);
	forge_deinit(&heap.forge);
}

static void start_arena(struct heap *heap)
{
	start(heap);
	forge_finish(&heap->forge);
	forge_arena(&heap->forge);
}

static void test_a_top_of_another_arena(void **state)
{
	uint64_t top = forge_arena_chunks(1);
	struct heap heap;

	(void)state;
	start_arena(&heap);
	forge_set(&heap.forge, top + 8, TEXT);
	only(&heap.forge, 1, "top-size", top);
	expect_truth(&heap.forge, 1, 0);
	forge_deinit(&heap.forge);
}

static void test_a_text_over_the_fence(void **state)
{
	uint64_t fence = FORGE_ARENA + FORGE_ARENA_HEAP_SIZE - 0x20;
	struct heap heap;

	(void)state;
	start_arena(&heap);
	forge_set(&heap.forge, fence + 8, TEXT);
	forge_set(&heap.forge, fence + 16, TEXT);
	forge_set(&heap.forge, fence + 24, TEXT);
	assert_int_equal(only(&heap.forge, 1, "fence", fence)->lost, 0x20);
	forge_deinit(&heap.forge);
}

static void test_a_chunk_over_the_fence(void **state)
{
	uint64_t end = FORGE_ARENA + FORGE_ARENA_HEAP_SIZE, last = 0;
	struct heap heap;

	(void)state;
	start_arena(&heap);
	for (uint64_t at = forge_arena_chunks(0); at < end - 0x20;
	     at += forge_size(&heap.forge, at))
		last = at;
	forge_set(&heap.forge, last + 8, (end - last) | 5);
	only(&heap.forge, 1, "fence", end);
	forge_deinit(&heap.forge);
}

/* The newest heap's header, or an older one's: its memory is found again. */
static void test_a_text_over_a_heap_info(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		const struct mf_corruption *row;
		struct heap heap;

		start_arena(&heap);
		for (unsigned j = 0; j < 4; j++)
			forge_set(&heap.forge, forge_arena_heap(i) + 8 * j,
				  TEXT);
		row = only(&heap.forge, 1, "heap-info", forge_arena_heap(i));
		assert_memory_equal(row->text, "ABCDEFGHABCDEFGH", 16);
		expect_truth(&heap.forge, 1, 0);
		forge_deinit(&heap.forge);
	}
}

static void test_a_heap_size_that_lies(void **state)
{
	struct heap heap;

	(void)state;
	start_arena(&heap);
	forge_set(&heap.forge, FORGE_ARENA + 16, 0x1234);
	only(&heap.forge, 1, "heap-info", FORGE_ARENA);
	expect_truth(&heap.forge, 1, 0);
	forge_deinit(&heap.forge);
}

static void test_a_system_mem_that_lies(void **state)
{
	uint64_t field = FORGE_ARENA + 0x30 + 2184;
	struct heap heap;

	(void)state;
	start_arena(&heap);
	forge_set(&heap.forge, field, FORGE_ARENA_HEAP_SIZE * 3 / 2);
	only(&heap.forge, 1, "system-mem", FORGE_ARENA + 0x30);
	forge_deinit(&heap.forge);
}

/* Nothing of what is there is damaged, but not all was found. */
static void test_memory_that_is_nowhere(void **state)
{
	uint64_t system = FORGE_HEAP_SIZE + 0x1000;
	const struct mf_partial *partials;
	const struct mf_arena *arena;
	struct heap heap;
	size_t count;

	(void)state;
	start(&heap);
	forge_finish(&heap.forge);
	forge_set(&heap.forge, forge_main_arena() + 2184, system);
	forge_set(&heap.forge, forge_main_arena() + 2192, system);
	arena = forge_read(&heap.forge, NULL)->arenas;
	assert_int_equal(arena->corrupt_count, 0);
	assert_int_equal(arena->figures.system, system);
	assert_int_equal(arena->figures.unread, 0x1000);
	partials = mf_target_partials(heap.forge.target, &count);
	assert_int_equal(count, 2); /* the forge has no files to read */
	assert_string_equal(partials[1].what, "glibc arenas");
	forge_deinit(&heap.forge);
}

static void test_a_high_water_mark_that_lies(void **state)
{
	struct heap heap;

	(void)state;
	start_arena(&heap);
	forge_set(&heap.forge, forge_main_arena() + 2192, FORGE_HEAP_SIZE / 2);
	only(&heap.forge, 0, "system-mem", forge_main_arena());
	expect_truth(&heap.forge, 0, 0);
	forge_deinit(&heap.forge);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_text_over_a_header),
		cmocka_unit_test(test_goes_on_after_each),
		cmocka_unit_test(test_a_size_that_grew),
		cmocka_unit_test(test_a_previous_size),
		cmocka_unit_test(test_a_closing_zero),
		cmocka_unit_test(test_a_flag_of_another_arena),
		cmocka_unit_test(test_two_free_neighbours),
		cmocka_unit_test(test_a_text_over_top),
		cmocka_unit_test(test_a_top_that_ends_too_soon),
		cmocka_unit_test(test_a_free_chunk_before_top),
		cmocka_unit_test(test_a_top_of_another_arena),
		cmocka_unit_test(test_a_text_over_the_fence),
		cmocka_unit_test(test_a_chunk_over_the_fence),
		cmocka_unit_test(test_a_text_over_a_heap_info),
		cmocka_unit_test(test_a_heap_size_that_lies),
		cmocka_unit_test(test_a_system_mem_that_lies),
		cmocka_unit_test(test_memory_that_is_nowhere),
		cmocka_unit_test(test_a_high_water_mark_that_lies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
