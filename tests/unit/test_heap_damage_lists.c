/*
 * Damage to bins, tcaches and fast bins, forged into a heap that is whole but for
 * it: it is named, at the right chunk and with the right neighbours, and all the
 * rest of the heap is counted as if nothing were.
 */
#include "damage_util.h"

/* ---- bins ------------------------------------------------------------------- */

/* Three free chunks of one size, apart from each other, in the list's order. */
static void start_bin(struct heap *heap, uint64_t size, uint64_t chunks[3])
{
	start(heap);
	for (unsigned i = 3; i--;) {
		chunks[i] = forge_chunk(&heap->forge, size, FORGE_SMALL);
		forge_chunk(&heap->forge, CHUNK, FORGE_IN_USE);
	}
	forge_finish(&heap->forge);
}

static void test_a_broken_fd(void **state)
{
	const struct mf_corruption *row;
	uint64_t chunks[3];
	struct heap heap;

	(void)state;
	start_bin(&heap, 0x100, chunks);
	forge_set(&heap.forge, chunks[1] + 16, TEXT);
	row = only(&heap.forge, 0, "fd", chunks[1]);
	assert_string_equal(row->text, "ABCDEFGH");
	expect_chunk(&row->chunk, chunks[1], 0x100, "free");
	expect_chunk(&row->previous, chunks[1] - CHUNK, CHUNK, "in_use");
	expect_chunk(&row->next, chunks[1] + 0x100, CHUNK, "in_use");
	expect_truth(&heap.forge, 0, 0);
	forge_deinit(&heap.forge);
}

static void test_a_broken_bk(void **state)
{
	uint64_t chunks[3];
	struct heap heap;

	(void)state;
	start_bin(&heap, 0x100, chunks);
	forge_set(&heap.forge, chunks[1] + 24, TEXT);
	only(&heap.forge, 0, "bk", chunks[1]);
	expect_truth(&heap.forge, 0, 0);
	forge_deinit(&heap.forge);
}

static void test_a_bin_that_loops(void **state)
{
	uint64_t chunks[3];
	struct heap heap;

	(void)state;
	start_bin(&heap, 0x100, chunks);
	forge_set(&heap.forge, chunks[2] + 16, chunks[0]);
	only(&heap.forge, 0, "fd", chunks[2]);
	expect_truth(&heap.forge, 0, 0);
	forge_deinit(&heap.forge);
}

static void test_a_bin_that_leads_to_a_chunk_in_use(void **state)
{
	uint64_t chunks[3];
	struct heap heap;

	(void)state;
	start_bin(&heap, 0x100, chunks);
	forge_set(&heap.forge, chunks[0] + 16, heap.chunks[VICTIM]);
	only(&heap.forge, 0, "fd", chunks[0]);
	expect_truth(&heap.forge, 0, 0);
	forge_deinit(&heap.forge);
}

static void test_a_chunk_that_leads_to_itself(void **state)
{
	uint64_t chunks[3];
	struct heap heap;

	(void)state;
	start_bin(&heap, 0x100, chunks);
	forge_set(&heap.forge, chunks[0] + 16, chunks[0]);
	forge_set(&heap.forge, chunks[0] + 24, chunks[0]);
	only(&heap.forge, 0, "double-free", chunks[0]);
	expect_truth(&heap.forge, 0, 0);
	forge_deinit(&heap.forge);
}

static void take_out(struct forge *forge, uint64_t chunk)
{
	uint64_t fd = forge_get(forge, chunk + 16);
	uint64_t bk = forge_get(forge, chunk + 24);

	forge_set(forge, bk + 16, fd);
	forge_set(forge, fd + 24, bk);
}

static void test_a_chunk_in_the_wrong_bin(void **state)
{
	uint64_t chunks[3];
	struct heap heap;

	(void)state;
	start_bin(&heap, 0x100, chunks);
	take_out(&heap.forge, chunks[1]);
	forge_link(&heap.forge, forge_bin(17), chunks[1]);
	forge_set32(&heap.forge, forge_main_arena() + FORGE_BINS + 2032,
		    3U << 16);
	only(&heap.forge, 0, "wrong-bin", chunks[1]);
	expect_truth(&heap.forge, 0, 0);
	forge_deinit(&heap.forge);
}

static void test_a_chunk_in_no_bin(void **state)
{
	uint64_t chunks[3];
	struct heap heap;

	(void)state;
	start_bin(&heap, 0x100, chunks);
	take_out(&heap.forge, chunks[1]);
	only(&heap.forge, 0, "unlisted", chunks[1]);
	expect_truth(&heap.forge, 0, 0);
	forge_deinit(&heap.forge);
}

static void test_a_binmap_that_lies(void **state)
{
	uint64_t chunks[3];
	struct heap heap;

	(void)state;
	start_bin(&heap, 0x100, chunks);
	forge_set32(&heap.forge, forge_main_arena() + FORGE_BINS + 2032, 0);
	only(&heap.forge, 0, "binmap", forge_main_arena());
	expect_truth(&heap.forge, 0, 0);
	forge_deinit(&heap.forge);
}

static void test_a_broken_ring(void **state)
{
	struct heap heap;
	uint64_t small;

	(void)state;
	start(&heap);
	forge_chunk(&heap.forge, 0x520, FORGE_SMALL);
	forge_chunk(&heap.forge, CHUNK, FORGE_IN_USE);
	small = forge_chunk(&heap.forge, 0x500, FORGE_SMALL);
	forge_chunk(&heap.forge, CHUNK, FORGE_IN_USE);
	forge_finish(&heap.forge);
	forge_set(&heap.forge, small + 32, TEXT);
	only(&heap.forge, 0, "skip-list", small);
	expect_truth(&heap.forge, 0, 0);
	forge_deinit(&heap.forge);
}

/* Chunks that are free, but not sorted yet, are in no bin of their size. */
static void test_unsorted_chunks_are_no_damage(void **state)
{
	const struct mf_allocator *glibc;
	struct heap heap;

	(void)state;
	start(&heap);
	for (unsigned i = 0; i < 10; i++) {
		forge_chunk(&heap.forge, 0x100 + i % 3 * 0x400,
			    i % 2 ? FORGE_SMALL : FORGE_UNSORTED);
		forge_chunk(&heap.forge, CHUNK, FORGE_IN_USE);
	}
	forge_finish(&heap.forge);
	glibc = forge_read(&heap.forge, NULL);
	assert_non_null(glibc);
	assert_int_equal(glibc->arenas[0].corrupt_count, 0);
	expect_truth(&heap.forge, 0, 0);
	forge_deinit(&heap.forge);
}

/* Where lists lead through pages in swap nothing can be said of them. */
static void test_swapped_lists_are_no_damage(void **state)
{
	uint8_t pages[FORGE_HEAP_SIZE / FORGE_PAGE];
	const struct mf_allocator *glibc;
	struct heap heap;

	(void)state;
	memset(pages, MF_PAGE_PRESENT, sizeof(pages));
	start(&heap);
	for (unsigned i = 0; i < 100; i++) {
		forge_chunk(&heap.forge, 0x100, FORGE_SMALL);
		forge_chunk(&heap.forge, CHUNK, FORGE_IN_USE);
	}
	forge_finish(&heap.forge);
	pages[5] = MF_PAGE_SWAPPED;
	glibc = forge_read(&heap.forge, pages);
	assert_non_null(glibc);
	assert_int_equal(glibc->arenas[0].corrupt_count, 0);
	assert_true(glibc->arenas[0].figures.unread > 0);
	forge_deinit(&heap.forge);
}

/* What was not found is not known to be no chunk. */
static void test_a_list_into_memory_that_is_nowhere(void **state)
{
	uint64_t system = FORGE_HEAP_SIZE + 0x1000, chunk;
	const struct mf_arena *arena;
	struct heap heap;

	(void)state;
	start(&heap);
	chunk = forge_chunk(&heap.forge, 0x500, FORGE_UNSORTED);
	forge_chunk(&heap.forge, CHUNK, FORGE_IN_USE);
	forge_finish(&heap.forge);
	forge_set(&heap.forge, forge_main_arena() + 2184, system);
	forge_set(&heap.forge, forge_main_arena() + 2192, system);
	forge_set(&heap.forge, chunk + 16, UINT64_C(0x10000000));
	arena = forge_read(&heap.forge, NULL)->arenas;
	assert_int_equal(arena->figures.unread, 0x1000);
	assert_int_equal(arena->corrupt_count, 0);
	forge_deinit(&heap.forge);
}

/* ---- tcaches and fast bins ---------------------------------------------------- */

/* Lists of three in each of four sizes; in CHUNKS that of 0x60, in its order. */
static void start_cache(struct heap *heap, uint64_t chunks[3])
{
	start(heap);
	for (unsigned i = 3; i--;) {
		chunks[i] = forge_chunk(&heap->forge, 0x60, FORGE_TCACHE);
		for (unsigned size = 0x20; size < 0x50; size += 0x10)
			forge_chunk(&heap->forge, size, FORGE_TCACHE);
	}
	forge_finish(&heap->forge);
}

static void mangle(struct forge *forge, uint64_t chunk, uint64_t next)
{
	forge_set(forge, chunk + 16, (chunk + 16) >> 12 ^ next);
}

static void test_a_text_in_a_cached_chunk(void **state)
{
	const struct mf_corruption *row;
	uint64_t chunks[3];
	struct heap heap;

	(void)state;
	start_cache(&heap, chunks);
	forge_set(&heap.forge, chunks[1] + 16, TEXT);
	row = only(&heap.forge, 0, "tcache-link", chunks[1]);
	expect_chunk(&row->chunk, chunks[1], 0x60, "tcache");
	assert_memory_equal(row->text, "ABCDEFGH", 8);
	forge_deinit(&heap.forge);
}

static void test_a_cached_chunk_that_leads_outside(void **state)
{
	uint64_t chunks[3];
	struct heap heap;

	(void)state;
	start_cache(&heap, chunks);
	mangle(&heap.forge, chunks[1], UINT64_C(0x10000000));
	only(&heap.forge, 0, "tcache-link", chunks[1]);
	forge_deinit(&heap.forge);
}

/* It may be a chunk of that arena whose memory was not all found. */
static void test_a_cached_chunk_of_an_incomplete_arena(void **state)
{
	const struct mf_allocator *glibc;
	uint64_t chunks[3];
	struct heap heap;

	(void)state;
	start_cache(&heap, chunks);
	forge_arena(&heap.forge);
	forge_set(&heap.forge,
		  FORGE_ARENA + 0x30 + heap.forge.generation->state.system_mem,
		  FORGE_ARENA_HEAP_SIZE * 3 / 2);
	mangle(&heap.forge, chunks[1], UINT64_C(0x10000000));
	glibc = forge_read(&heap.forge, NULL);
	assert_int_equal(glibc->arena_count, 2);
	assert_int_equal(glibc->arenas[0].corrupt_count, 0);
	assert_int_equal(glibc->arenas[1].corrupt_count, 1);
	forge_deinit(&heap.forge);
}

static void test_a_cache_that_loops(void **state)
{
	uint64_t chunks[3];
	struct heap heap;

	(void)state;
	start_cache(&heap, chunks);
	mangle(&heap.forge, chunks[2], chunks[0] + 16);
	only(&heap.forge, 0, "double-free", chunks[0]);
	expect_truth(&heap.forge, 0, 0);
	forge_deinit(&heap.forge);
}

static void test_a_cache_that_leads_into_a_chunk(void **state)
{
	const struct mf_corruption *row;
	uint64_t chunks[3];
	struct heap heap;

	(void)state;
	start_cache(&heap, chunks);
	forge_set(&heap.forge, heap.forge.tcache + 128 + 8 * 4,
		  heap.chunks[VICTIM] + 0x30);
	row = only(&heap.forge, 0, "tcache-entry", heap.chunks[VICTIM] + 0x20);
	expect_chunk(&row->chunk, heap.chunks[VICTIM], CHUNK, "in_use");
	forge_deinit(&heap.forge);
}

static void test_a_cached_chunk_of_another_size(void **state)
{
	uint64_t chunks[3];
	struct heap heap;

	(void)state;
	start_cache(&heap, chunks);
	forge_set(&heap.forge, heap.forge.tcache + 128 + 8 * 4,
		  heap.forge.tcache);
	only(&heap.forge, 0, "tcache-entry", heap.forge.tcache - 16);
	forge_deinit(&heap.forge);
}

static void test_a_cache_that_miscounts(void **state)
{
	uint64_t chunks[3];
	struct heap heap;

	(void)state;
	start_cache(&heap, chunks);
	*forge_at(&heap.forge, heap.forge.tcache + 2 * 4) = 7;
	only(&heap.forge, 0, "tcache-count", heap.forge.tcache - 16);
	expect_truth(&heap.forge, 0, 0);
	forge_deinit(&heap.forge);
}

static void test_a_chunk_in_a_cache_and_a_fast_bin(void **state)
{
	uint64_t chunks[3];
	struct heap heap;

	(void)state;
	start_cache(&heap, chunks);
	/* the last of its list: its link, which ends both, is right for both */
	forge_set(&heap.forge, forge_main_arena() + FORGE_FASTBINS + 8 * 4,
		  chunks[2]);
	only(&heap.forge, 0, "double-free", chunks[2]);
	forge_deinit(&heap.forge);
}

static void test_a_text_in_a_fast_bin(void **state)
{
	struct heap heap;
	uint64_t chunk;

	(void)state;
	start(&heap);
	forge_chunk(&heap.forge, 0x40, FORGE_FAST);
	chunk = forge_chunk(&heap.forge, 0x40, FORGE_FAST);
	forge_finish(&heap.forge);
	forge_set(&heap.forge, chunk + 16, TEXT);
	expect_chunk(&only(&heap.forge, 0, "fast-link", chunk)->chunk, chunk,
		     0x40, "fastbin");
	forge_deinit(&heap.forge);
}

static void test_a_fast_bin_that_leads_into_a_chunk(void **state)
{
	struct heap heap;
	uint64_t chunk;

	(void)state;
	start(&heap);
	chunk = forge_chunk(&heap.forge, 0x40, FORGE_FAST);
	forge_finish(&heap.forge);
	mangle(&heap.forge, chunk, heap.chunks[VICTIM] + 0x10);
	only(&heap.forge, 0, "fast-link", chunk);
	expect_truth(&heap.forge, 0, 0);
	forge_deinit(&heap.forge);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_broken_fd),
		cmocka_unit_test(test_a_broken_bk),
		cmocka_unit_test(test_a_bin_that_loops),
		cmocka_unit_test(test_a_bin_that_leads_to_a_chunk_in_use),
		cmocka_unit_test(test_a_chunk_that_leads_to_itself),
		cmocka_unit_test(test_a_chunk_in_the_wrong_bin),
		cmocka_unit_test(test_a_chunk_in_no_bin),
		cmocka_unit_test(test_a_binmap_that_lies),
		cmocka_unit_test(test_a_broken_ring),
		cmocka_unit_test(test_unsorted_chunks_are_no_damage),
		cmocka_unit_test(test_swapped_lists_are_no_damage),
		cmocka_unit_test(test_a_list_into_memory_that_is_nowhere),
		cmocka_unit_test(test_a_text_in_a_cached_chunk),
		cmocka_unit_test(test_a_cached_chunk_that_leads_outside),
		cmocka_unit_test(test_a_cached_chunk_of_an_incomplete_arena),
		cmocka_unit_test(test_a_cache_that_loops),
		cmocka_unit_test(test_a_cache_that_leads_into_a_chunk),
		cmocka_unit_test(test_a_cached_chunk_of_another_size),
		cmocka_unit_test(test_a_cache_that_miscounts),
		cmocka_unit_test(test_a_chunk_in_a_cache_and_a_fast_bin),
		cmocka_unit_test(test_a_text_in_a_fast_bin),
		cmocka_unit_test(test_a_fast_bin_that_leads_into_a_chunk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
