/*
 * glibc's heap walked in forged memory: each state of a chunk is counted once
 * and rightly, pages that trim would give back are those of its rules, and a
 * heap that lies gives findings.
 */
#include "forge_glibc.h"

enum {
	PAGE = 4096,
	HEAP_PAGES = FORGE_HEAP_SIZE / PAGE,
};

static uint64_t sum_of(const struct mf_arena_figures *figures)
{
	return figures->in_use.bytes + figures->tcache.bytes +
	       figures->fastbin.bytes + figures->free.bytes +
	       figures->top.bytes + figures->overhead + figures->unread;
}

static void test_counts_each_state(void **state)
{
	const struct mf_allocator *glibc;
	const struct mf_arena_figures *figures;
	struct forge forge;

	(void)state;
	forge_init(&forge);
	forge_tcache(&forge);
	for (unsigned i = 0; i < 5; i++)
		forge_chunk(&forge, 0x30, FORGE_TCACHE);
	for (unsigned i = 0; i < 3; i++)
		forge_chunk(&forge, 0x40, FORGE_FAST);
	forge_chunk(&forge, 0x100, FORGE_SMALL);
	forge_chunk(&forge, 0x20, FORGE_IN_USE);
	forge_chunk(&forge, 0x500, FORGE_UNSORTED);
	forge_chunk(&forge, 0x1000, FORGE_IN_USE);
	forge_finish(&forge);
	glibc = forge_read(&forge, NULL);
	assert_non_null(glibc);
	figures = &glibc->figures;
	assert_int_equal(figures->tcache.count, 5);
	assert_int_equal(figures->tcache.bytes, 5 * 0x30);
	assert_int_equal(figures->fastbin.count, 3);
	assert_int_equal(figures->fastbin.bytes, 3 * 0x40);
	assert_int_equal(figures->free.count, 2);
	assert_int_equal(figures->free.bytes, 0x600);
	assert_int_equal(figures->in_use.count, 3);
	assert_int_equal(figures->in_use.bytes, 0x290 + 0x20 + 0x1000);
	assert_int_equal(figures->top.count, 1);
	assert_int_equal(figures->system, FORGE_HEAP_SIZE);
	assert_int_equal(sum_of(figures), FORGE_HEAP_SIZE);
	assert_int_equal(figures->unread, 0);
	assert_int_equal(glibc->arena_count, 1);
	assert_int_equal(glibc->arenas[0].corrupt_count, 0);
	assert_false(glibc->arenas[0].in_flight);
	forge_deinit(&forge);
}

static void test_bins_by_kind(void **state)
{
	const struct mf_allocator *glibc;
	const struct mf_arena *arena;
	struct forge forge;

	(void)state;
	forge_init(&forge);
	forge_tcache(&forge);
	forge_chunk(&forge, 0x50, FORGE_FAST);
	forge_chunk(&forge, 0x200, FORGE_SMALL);
	forge_chunk(&forge, 0x20, FORGE_IN_USE);
	forge_chunk(&forge, 0x200, FORGE_UNSORTED);
	forge_chunk(&forge, 0x20, FORGE_IN_USE);
	forge_finish(&forge);
	glibc = forge_read(&forge, NULL);
	assert_non_null(glibc);
	arena = &glibc->arenas[0];
	assert_int_equal(arena->bin_count, 3);
	assert_int_equal(arena->bins[0].kind, MF_BIN_FAST);
	assert_int_equal(arena->bins[0].index, 3);
	assert_int_equal(arena->bins[1].kind, MF_BIN_UNSORTED);
	assert_int_equal(arena->bins[1].amount.bytes, 0x200);
	assert_int_equal(arena->bins[2].kind, MF_BIN_SMALL);
	assert_int_equal(arena->bins[2].index, 0x20);
	forge_deinit(&forge);
}

/* The whole pages of a free chunk, but for that of its header. */
static void test_trims_whole_present_pages(void **state)
{
	const struct mf_trim_range *ranges;
	const struct mf_allocator *glibc;
	uint8_t pages[HEAP_PAGES];
	struct forge forge;

	(void)state;
	memset(pages, MF_PAGE_PRESENT, sizeof(pages));
	forge_init(&forge);
	forge_tcache(&forge);
	forge_chunk(&forge, PAGE - 0x290, FORGE_IN_USE);
	/* From page 1 on: pages 2 to 8 are whole behind the header. */
	forge_chunk(&forge, 8 * PAGE, FORGE_UNSORTED);
	forge_chunk(&forge, FORGE_HEAP + FORGE_HEAP_SIZE - 0x40 - forge.next,
		    FORGE_IN_USE);
	forge_finish(&forge);
	pages[4] = 0;
	pages[5] = MF_PAGE_PRESENT | MF_PAGE_ZERO;
	pages[6] = MF_PAGE_SWAPPED;
	glibc = forge_read(&forge, pages);
	assert_non_null(glibc);
	assert_int_equal(glibc->figures.trimmable_pages, 4);
	ranges = glibc->arenas[0].trim_ranges;
	assert_int_equal(glibc->arenas[0].trim_range_count, 2);
	assert_int_equal(ranges[0].start, FORGE_HEAP + 2 * PAGE);
	assert_int_equal(ranges[0].end, FORGE_HEAP + 4 * PAGE);
	assert_int_equal(ranges[1].start, FORGE_HEAP + 7 * PAGE);
	assert_int_equal(ranges[1].end, FORGE_HEAP + 9 * PAGE);
	assert_int_equal(glibc->figures.free.resident, 5 * PAGE);
	assert_int_equal(glibc->figures.free.swapped, PAGE);
	assert_int_equal(glibc->figures.free.already_returned, 2 * PAGE);
	forge_deinit(&forge);
}

static void test_trims_the_top(void **state)
{
	const struct mf_allocator *glibc;
	struct forge forge;

	(void)state;
	forge_init(&forge);
	forge_tcache(&forge);
	forge_finish(&forge);
	glibc = forge_read(&forge, NULL);
	assert_non_null(glibc);
	/* The last 33 bytes of what remains stay. */
	assert_int_equal(glibc->figures.trimmable_pages, HEAP_PAGES - 1);
	forge_deinit(&forge);
}

/* A size field that was written over: one row, and the walk goes on. */
static void test_goes_on_after_damage(void **state)
{
	const struct mf_allocator *glibc;
	uint64_t victim = 0;
	struct forge forge;

	(void)state;
	forge_init(&forge);
	forge_tcache(&forge);
	for (unsigned i = 0; i < 200; i++) {
		uint64_t chunk = forge_chunk(&forge, 0x60, FORGE_IN_USE);

		if (i == 100)
			victim = chunk;
	}
	forge_finish(&forge);
	forge_set(&forge, victim + 8, UINT64_C(0x4141414141414141));
	glibc = forge_read(&forge, NULL);
	assert_non_null(glibc);
	assert_int_equal(glibc->arenas[0].corrupt_count, 1);
	assert_int_equal(glibc->arenas[0].corrupt[0].address, victim);
	assert_int_equal(glibc->figures.unread, 0x60);
	assert_int_equal(glibc->figures.in_use.count, 200);
	assert_int_equal(sum_of(&glibc->figures), FORGE_HEAP_SIZE);
	forge_deinit(&forge);
}

static void test_sees_a_list_that_lies(void **state)
{
	const struct mf_allocator *glibc;
	struct forge forge;
	uint64_t chunk;

	(void)state;
	forge_init(&forge);
	forge_tcache(&forge);
	chunk = forge_chunk(&forge, 0x300, FORGE_UNSORTED);
	forge_chunk(&forge, 0x20, FORGE_IN_USE);
	forge_finish(&forge);
	forge_set(&forge, chunk + 16, FORGE_HEAP + 0x40);
	glibc = forge_read(&forge, NULL);
	assert_non_null(glibc);
	assert_true(glibc->arenas[0].corrupt_count > 0);
	assert_int_equal(sum_of(&glibc->figures), FORGE_HEAP_SIZE);
	forge_deinit(&forge);
}

static void test_survives_a_circular_fast_bin(void **state)
{
	const struct mf_allocator *glibc;
	struct forge forge;
	uint64_t chunk;

	(void)state;
	forge_init(&forge);
	forge_tcache(&forge);
	chunk = forge_chunk(&forge, 0x40, FORGE_FAST);
	forge_chunk(&forge, 0x40, FORGE_FAST);
	forge_finish(&forge);
	forge_set(&forge, chunk + 16, (chunk + 16) >> 12 ^ chunk);
	glibc = forge_read(&forge, NULL);
	assert_non_null(glibc);
	assert_int_equal(glibc->figures.fastbin.count, 2);
	assert_int_equal(glibc->arenas[0].corrupt_count, 1);
	forge_deinit(&forge);
}

/* A struct that looks like a tcache, but whose lists are none. */
static void test_believes_no_false_tcache(void **state)
{
	const struct mf_allocator *glibc;
	struct forge forge;
	uint64_t fake;

	(void)state;
	forge_init(&forge);
	forge_tcache(&forge);
	forge_chunk(&forge, 0x30, FORGE_TCACHE);
	fake = forge_chunk(&forge, 0x290, FORGE_IN_USE) + 16;
	forge_chunk(&forge, 0x30, FORGE_IN_USE);
	forge_finish(&forge);
	*forge_at(&forge, fake) = 1;
	forge_set(&forge, fake + 128, FORGE_HEAP + 0x300);
	glibc = forge_read(&forge, NULL);
	assert_non_null(glibc);
	assert_int_equal(glibc->figures.tcache.count, 1);
	assert_int_equal(glibc->figures.in_use.count, 3);
	forge_deinit(&forge);
}

/* What would be left over of a free chunk was too little to be one. */
static void test_believes_a_tcache_in_a_larger_chunk(void **state)
{
	const struct mf_allocator *glibc;
	struct forge forge;
	uint64_t other, cached;

	(void)state;
	forge_init(&forge);
	forge_tcache(&forge);
	forge_chunk(&forge, 0x30, FORGE_TCACHE);
	other = forge_chunk(&forge, 0x2a0, FORGE_IN_USE) + 16;
	cached = forge_chunk(&forge, 0x30, FORGE_IN_USE) + 16;
	forge_finish(&forge);
	*forge_at(&forge, other + 2) = 1;
	forge_set(&forge, other + 128 + 8, cached);
	forge_set(&forge, cached, cached >> 12);
	glibc = forge_read(&forge, NULL);
	assert_non_null(glibc);
	assert_int_equal(glibc->figures.tcache.count, 2);
	assert_int_equal(glibc->figures.in_use.count, 2);
	forge_deinit(&forge);
}

static void test_finds_the_pinner(void **state)
{
	const struct mf_allocator *glibc;
	struct forge forge;
	uint64_t pinner;

	(void)state;
	forge_init(&forge);
	forge_tcache(&forge);
	forge_chunk(&forge, 0x4000, FORGE_UNSORTED);
	pinner = forge_chunk(&forge, 0x60, FORGE_IN_USE);
	forge_finish(&forge);
	glibc = forge_read(&forge, NULL);
	assert_non_null(glibc);
	assert_int_equal(glibc->arenas[0].pinner_count, 1);
	assert_int_equal(glibc->arenas[0].pinners[0].address, pinner);
	assert_int_equal(glibc->arenas[0].pinners[0].size, 0x60);
	forge_deinit(&forge);
}

/* A size field that is zero is damage, no end of the heap. */
static void test_takes_a_zero_for_no_fence(void **state)
{
	const struct mf_allocator *glibc;
	uint64_t victim = 0;
	struct forge forge;

	(void)state;
	forge_init(&forge);
	forge_tcache(&forge);
	for (unsigned i = 0; i < 200; i++) {
		uint64_t chunk = forge_chunk(&forge, 0x60, FORGE_IN_USE);

		if (i == 100)
			victim = chunk;
	}
	forge_finish(&forge);
	forge_set(&forge, victim + 8, 0);
	glibc = forge_read(&forge, NULL);
	assert_non_null(glibc);
	assert_int_equal(glibc->arenas[0].corrupt_count, 1);
	assert_int_equal(glibc->arenas[0].corrupt[0].address, victim);
	/* nor does it say whether the chunk before it is in use */
	assert_int_equal(glibc->figures.in_use.count, 199);
	assert_int_equal(glibc->figures.unread, 2 * 0x60);
	forge_deinit(&forge);
}

static void start_arena(struct forge *forge)
{
	forge_init(forge);
	forge_tcache(forge);
	forge_finish(forge);
	forge_arena(forge);
}

static void test_walks_heaps_to_their_fences(void **state)
{
	const uint64_t size = 2 * FORGE_ARENA_HEAP_SIZE;
	const struct mf_allocator *glibc;
	const struct mf_arena *arena;
	struct forge forge;

	(void)state;
	start_arena(&forge);
	glibc = forge_read(&forge, NULL);
	assert_non_null(glibc);
	assert_int_equal(glibc->arena_count, 2);
	arena = &glibc->arenas[1];
	assert_int_equal(arena->corrupt_count, 0);
	assert_false(arena->in_flight);
	assert_int_equal(arena->heap_count, 2);
	assert_int_equal(arena->figures.system, size);
	assert_int_equal(sum_of(&arena->figures), size);
	assert_int_equal(arena->figures.overhead,
			 FORGE_FIRST_CHUNK + 0x30 + 0x20);
	assert_int_equal(arena->figures.top.bytes,
			 FORGE_ARENA_HEAP_SIZE - 0x30);
	forge_deinit(&forge);
}

static void test_sees_damage_in_a_heap(void **state)
{
	const struct mf_allocator *glibc;
	const struct mf_arena *arena;
	struct forge forge;
	uint64_t victim = forge_arena_chunks(0) + 0x4000;

	(void)state;
	start_arena(&forge);
	forge_set(&forge, victim + 8, 0);
	glibc = forge_read(&forge, NULL);
	assert_non_null(glibc);
	arena = &glibc->arenas[1];
	assert_int_equal(arena->corrupt_count, 1);
	assert_int_equal(arena->corrupt[0].address, victim);
	assert_int_equal(arena->figures.unread, 0x200);
	assert_int_equal(sum_of(&arena->figures), 2 * FORGE_ARENA_HEAP_SIZE);
	forge_deinit(&forge);
}

/* The first heap says that the second came before it. */
static void test_survives_a_ring_of_heaps(void **state)
{
	const struct mf_allocator *glibc;
	struct forge forge;

	(void)state;
	start_arena(&forge);
	forge_set(&forge, FORGE_ARENA + 8, forge_arena_heap(1));
	forge_set(&forge, FORGE_ARENA + 0x30 + 2184, UINT64_C(1) << 60);
	glibc = forge_read(&forge, NULL);
	assert_non_null(glibc);
	assert_int_equal(glibc->arenas[1].heap_count, 2);
	/* the ring, and system_mem */
	assert_int_equal(glibc->arenas[1].corrupt_count, 2);
	forge_deinit(&forge);
}

static void test_believes_no_impossible_figures(void **state)
{
	const uint64_t size = 2 * FORGE_ARENA_HEAP_SIZE;
	const uint64_t fields = FORGE_ARENA + 0x30;
	const struct mf_allocator *glibc;
	const struct mf_arena *arena;
	struct forge forge;

	(void)state;
	start_arena(&forge);
	forge_set(&forge, fields, 0xdead);		     /* mutex */
	forge_set(&forge, fields + 2176, UINT64_C(1) << 63); /* threads */
	forge_set(&forge, fields + 2184, UINT64_C(1) << 60); /* system_mem */
	glibc = forge_read(&forge, NULL);
	assert_non_null(glibc);
	arena = &glibc->arenas[1];
	assert_int_equal(arena->corrupt_count, 3);
	assert_false(arena->locked);
	assert_int_equal(arena->attached_threads, 0);
	assert_int_equal(arena->figures.system, size);
	assert_int_equal(sum_of(&arena->figures), size);
	forge_deinit(&forge);
}

static void test_sees_a_top_that_lies(void **state)
{
	const struct mf_allocator *glibc;
	struct forge forge;

	(void)state;
	start_arena(&forge);
	forge_set(&forge, forge_main_arena() + FORGE_TOP, FORGE_HEAP + 0x18);
	glibc = forge_read(&forge, NULL);
	assert_non_null(glibc);
	assert_int_equal(glibc->arenas[0].corrupt_count, 1);
	forge_deinit(&forge);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts_each_state),
		cmocka_unit_test(test_bins_by_kind),
		cmocka_unit_test(test_trims_whole_present_pages),
		cmocka_unit_test(test_trims_the_top),
		cmocka_unit_test(test_goes_on_after_damage),
		cmocka_unit_test(test_sees_a_list_that_lies),
		cmocka_unit_test(test_survives_a_circular_fast_bin),
		cmocka_unit_test(test_believes_no_false_tcache),
		cmocka_unit_test(test_believes_a_tcache_in_a_larger_chunk),
		cmocka_unit_test(test_finds_the_pinner),
		cmocka_unit_test(test_takes_a_zero_for_no_fence),
		cmocka_unit_test(test_walks_heaps_to_their_fences),
		cmocka_unit_test(test_sees_damage_in_a_heap),
		cmocka_unit_test(test_survives_a_ring_of_heaps),
		cmocka_unit_test(test_believes_no_impossible_figures),
		cmocka_unit_test(test_sees_a_top_that_lies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
