/*
 * Every kind of damage, forged into a heap that is whole but for it: it is
 * named, at the right chunk and with the right neighbours, and all the rest of
 * the heap is counted as if nothing were.
 */
#include "forge_glibc.h"

#define TEXT UINT64_C(0x4847464544434241) /* "ABCDEFGH" */

enum {
	CHUNK = 0x60,
	CHUNKS = 100,
	VICTIM = 50,
};

static uint64_t sum_of(const struct mf_arena_figures *figures)
{
	return figures->in_use.bytes + figures->tcache.bytes +
	       figures->fastbin.bytes + figures->free.bytes +
	       figures->top.bytes + figures->overhead + figures->unread;
}

/* A heap whose chunks in use lie side by side. */
struct heap {
	struct forge forge;
	uint64_t chunks[CHUNKS];
};

static void start(struct heap *heap)
{
	forge_init(&heap->forge);
	forge_tcache(&heap->forge);
	for (unsigned i = 0; i < CHUNKS; i++)
		heap->chunks[i] =
			forge_chunk(&heap->forge, CHUNK, FORGE_IN_USE);
}

/* The one finding, of KIND at ADDRESS, in arena ARENA. */
static const struct mf_corruption *only(struct forge *forge, unsigned arena,
					const char *kind, uint64_t address)
{
	const struct mf_allocator *glibc = forge_read(forge, NULL);
	const struct mf_arena *found;

	assert_non_null(glibc);
	assert_true(arena < glibc->arena_count);
	found = &glibc->arenas[arena];
	for (size_t i = 0; i < found->corrupt_count; i++)
		print_message("  %#llx %s: %s (%s)\n",
			      (unsigned long long)found->corrupt[i].address,
			      found->corrupt[i].kind, found->corrupt[i].what,
			      found->corrupt[i].cause);
	assert_int_equal(found->corrupt_count, 1);
	assert_string_equal(found->corrupt[0].kind, kind);
	assert_int_equal(found->corrupt[0].address, address);
	assert_non_null(found->corrupt[0].cause);
	assert_false(found->in_flight);
	assert_int_equal(sum_of(&found->figures), found->figures.system);
	return &found->corrupt[0];
}

/* What was forged of ARENA is what was found, LOST bytes excepted. */
static void expect_truth(const struct forge *forge, unsigned arena,
			 uint64_t lost)
{
	const struct mf_allocator *glibc =
		mf_heap_allocators(forge->model, &(size_t){ 0 });
	const struct mf_arena_figures *figures = &glibc->arenas[arena].figures;
	const struct forge_truth *truth = &forge->truth[arena];

	assert_int_equal(figures->unread, lost);
	assert_int_equal(figures->in_use.bytes + lost, truth->in_use.bytes);
	assert_int_equal(figures->tcache.bytes, truth->tcache.bytes);
	assert_int_equal(figures->fastbin.bytes, truth->fastbin.bytes);
	assert_int_equal(figures->free.bytes, truth->free.bytes);
	assert_int_equal(figures->top.bytes, truth->top.bytes);
	assert_int_equal(figures->overhead, truth->overhead);
}

static void expect_chunk(const struct mf_neighbour *chunk, uint64_t address,
			 uint64_t size, const char *state)
{
	assert_int_equal(chunk->address, address);
	assert_int_equal(chunk->size, size);
	assert_string_equal(chunk->state, state);
}

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
		cmocka_unit_test(test_a_high_water_mark_that_lies),
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
		cmocka_unit_test(test_a_text_in_a_cached_chunk),
		cmocka_unit_test(test_a_cached_chunk_that_leads_outside),
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
