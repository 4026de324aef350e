/*
 * malloc_trim's rules on forged heaps: what goes back, why the rest stays, and
 * who pins it.
 */
#include "forge_glibc.h"

#define PAGE UINT64_C(4096)

enum {
	HEAP_PAGES = FORGE_HEAP_SIZE / 4096,
	CORRUPTION = 4, /* malloc_state.flags of 2.22 to 2.26 */
};

static const struct mf_allocator *read_forged(struct forge *forge)
{
	const struct mf_allocator *glibc = forge_read(forge, NULL);

	assert_non_null(glibc);
	return glibc;
}

/* Fills up to the next page's start. */
static void fill_page(struct forge *forge)
{
	uint64_t left = PAGE - forge->main.next % PAGE;

	if (left < 0x20)
		left += PAGE;
	forge_chunk(forge, left, FORGE_IN_USE);
}

static uint64_t sum_retained(const struct mf_retained *retained)
{
	return retained->pinned + retained->headers + retained->main_top +
	       retained->tops + retained->tcache + retained->locked +
	       retained->hugetlb + retained->skipped;
}

static void check_sums(const struct mf_arena_figures *figures)
{
	const struct mf_unused *unused = &figures->unused;

	assert_int_equal(unused->bytes,
			 figures->free.bytes + figures->fastbin.bytes +
				 figures->tcache.bytes + figures->top.bytes);
	assert_int_equal(unused->bytes,
			 unused->resident + unused->swapped + unused->absent);
	assert_int_equal(unused->resident,
			 figures->trimmable_bytes +
				 sum_retained(&figures->retained));
}

/* One chunk of each kind, and nothing left over. */
static void test_every_byte_has_its_reason(void **state)
{
	const struct mf_arena_figures *figures;
	struct forge forge;

	(void)state;
	forge_init(&forge);
	forge_tcache(&forge);
	fill_page(&forge);
	/* pages 1 to 8: the header keeps the first one whole */
	forge_chunk(&forge, 8 * PAGE, FORGE_UNSORTED);
	forge_chunk(&forge, 0x40, FORGE_TCACHE);
	/* 64 bytes into page 9: pages 10 to 11, and half of 12 */
	forge_chunk(&forge, 3 * PAGE + 0x800, FORGE_UNSORTED);
	forge_chunk(&forge, 0x20, FORGE_IN_USE);
	forge_finish(&forge);
	figures = &read_forged(&forge)->figures;
	assert_int_equal(figures->retained.headers, PAGE);
	assert_int_equal(figures->retained.tcache, 0x40);
	assert_int_equal(figures->retained.pinned, PAGE - 0x40 + 0x800 + 0x40);
	assert_int_equal(figures->pinned_bytes, figures->retained.pinned);
	/* from page 12 on; one byte more than a least chunk stays */
	assert_int_equal(figures->retained.main_top, PAGE - 0x860);
	assert_int_equal(figures->trimmable_pages, 7 + 2 + HEAP_PAGES - 13);
	check_sums(figures);
	forge_deinit(&forge);
}

/* Fast bins merge with what is free beside them, and with the top. */
static void test_fast_bins_merge(void **state)
{
	const struct mf_allocator *glibc;
	struct forge forge;

	(void)state;
	forge_init(&forge);
	forge_tcache(&forge);
	fill_page(&forge);
	forge_chunk(&forge, 0x40, FORGE_FAST);
	forge_chunk(&forge, 2 * PAGE, FORGE_UNSORTED);
	forge_chunk(&forge, 0x40, FORGE_FAST);
	forge_chunk(&forge, 0x40, FORGE_FAST);
	forge_chunk(&forge, PAGE - 0xc0, FORGE_IN_USE);
	forge_chunk(&forge, 0x80, FORGE_FAST);
	forge_finish(&forge);
	glibc = read_forged(&forge);
	/* page 2, and all after the 33 bytes that begin in page 4 */
	assert_int_equal(glibc->figures.trimmable_pages, 1 + HEAP_PAGES - 5);
	assert_int_equal(glibc->figures.retained.headers, PAGE);
	assert_int_equal(glibc->figures.retained.pinned, 0xc0);
	check_sums(&glibc->figures);
	forge_deinit(&forge);
}

static void test_locked_memory_stays(void **state)
{
	static const unsigned flags[] = { MF_VM_LOCKED, MF_VM_HUGETLB };

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(flags); i++) {
		const struct mf_arena_figures *figures;
		struct forge forge;

		forge_init(&forge);
		forge_tcache(&forge);
		fill_page(&forge);
		forge_chunk(&forge, 8 * PAGE, FORGE_UNSORTED);
		forge_chunk(&forge, 0x20, FORGE_IN_USE);
		forge_finish(&forge);
		forge_memory_at(&forge, FORGE_HEAP)->vm_flags = flags[i];
		figures = &read_forged(&forge)->figures;
		assert_int_equal(figures->retained.locked +
					 figures->retained.hugetlb,
				 7 * PAGE);
		assert_int_equal(figures->retained.hugetlb != 0, i == 1);
		/* the break falls over locked memory */
		assert_int_equal(figures->trimmable_pages, HEAP_PAGES - 10);
		check_sums(figures);
		forge_deinit(&forge);
	}
}

static void test_other_tops_stay(void **state)
{
	const struct mf_allocator *glibc;
	struct forge forge;

	(void)state;
	forge_init(&forge);
	forge_tcache(&forge);
	forge_arena(&forge);
	forge_finish(&forge);
	glibc = read_forged(&forge);
	assert_int_equal(glibc->arenas[1].figures.trimmable_bytes, 0);
	assert_int_equal(glibc->arenas[1].figures.retained.tops,
			 FORGE_ARENA_HEAP_SIZE - 0x30);
	assert_false(glibc->arenas[1].heaps[0].newest);
	assert_true(glibc->arenas[1].heaps[1].newest);
	check_sums(&glibc->arenas[0].figures);
	check_sums(&glibc->arenas[1].figures);
	check_sums(&glibc->figures);
	forge_deinit(&forge);
}

/* Arenas that glibc 2.22 to 2.26 found corrupt are left alone; the same bit
 * means nothing to others. */
static void test_corrupt_arenas_are_skipped(void **state)
{
	static const unsigned versions[] = { 223, 236 };

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(versions); i++) {
		const struct mf_arena_figures *figures;
		struct forge forge;

		forge_start(&forge, forge_generation(versions[i]), FORGE_PAGE);
		forge_main(&forge, FORGE_HEAP, FORGE_HEAP_SIZE, "[heap]");
		forge_chunk(&forge, PAGE, FORGE_IN_USE);
		forge_chunk(&forge, 8 * PAGE, FORGE_UNSORTED);
		forge_chunk(&forge, 0x20, FORGE_IN_USE);
		forge_finish(&forge);
		forge_set32(&forge, forge_main_arena() + 4, CORRUPTION);
		figures = &read_forged(&forge)->figures;
		if (versions[i] == 223) {
			assert_int_equal(figures->trimmable_pages, 0);
			assert_int_equal(figures->retained.skipped,
					 figures->unused.resident);
		} else {
			assert_true(figures->trimmable_pages > 7);
			assert_int_equal(figures->retained.skipped, 0);
		}
		check_sums(figures);
		forge_deinit(&forge);
	}
}

/* ---- pinners ------------------------------------------------------------------ */

static void test_pinners(void **state)
{
	const struct mf_allocator *glibc;
	const struct mf_pinner *pinner;
	struct forge forge;
	uint64_t first;

	(void)state;
	forge_init(&forge);
	forge_tcache(&forge);
	fill_page(&forge);
	/* to 0x100 before the end of page 3, and from 0x100 behind it on */
	forge_chunk(&forge, 3 * PAGE - 0x100, FORGE_UNSORTED);
	first = forge_chunk(&forge, 0xc0, FORGE_IN_USE);
	forge_chunk(&forge, 0x100, FORGE_TCACHE);
	forge_chunk(&forge, 0x40, FORGE_IN_USE);
	forge_chunk(&forge, 3 * PAGE - 0x100, FORGE_UNSORTED);
	fill_page(&forge);
	forge_finish(&forge);
	glibc = read_forged(&forge);
	assert_true(glibc->arenas[0].pinner_count >= 1);
	pinner = &glibc->arenas[0].pinners[0];
	assert_int_equal(pinner->address, first);
	assert_int_equal(pinner->size, 0x200);
	assert_int_equal(pinner->count, 3);
	assert_int_equal(pinner->cached, 1);
	/* the pages that they lie on, both of them */
	assert_int_equal(pinner->evicted_bytes, 2 * PAGE);
	assert_int_equal(pinner->pinned_bytes, 2 * PAGE - 0x200);
	assert_string_equal(pinner->type, "");
	assert_int_equal(glibc->arenas[0].heaps[0].pinner_count,
			 MF_MIN(glibc->arenas[0].pinner_count, (size_t)3));
	assert_int_equal(glibc->arenas[0].heaps[0].pinners[0].address, first);
	forge_deinit(&forge);
}

/* The struct of a thread's cache is named. */
static void test_a_pinner_that_is_a_tcache(void **state)
{
	const struct mf_allocator *glibc;
	struct forge forge;

	(void)state;
	forge_init(&forge);
	fill_page(&forge);
	forge_chunk(&forge, 3 * PAGE - 0x100, FORGE_UNSORTED);
	forge_tcache(&forge);
	forge_chunk(&forge, 3 * PAGE - 0x190, FORGE_UNSORTED);
	forge_chunk(&forge, 0x20, FORGE_TCACHE);
	fill_page(&forge);
	forge_finish(&forge);
	glibc = read_forged(&forge);
	assert_true(glibc->arenas[0].pinner_count >= 1);
	assert_int_equal(glibc->arenas[0].pinners[0].address,
			 forge.tcache - 16);
	assert_string_equal(glibc->arenas[0].pinners[0].type,
			    "tcache_perthread_struct");
	forge_deinit(&forge);
}

/* What the break could fall by: each with those above it. */
static void test_what_holds_up_the_break(void **state)
{
	const struct mf_allocator *glibc;
	const struct mf_top_pinner *pinners;
	uint64_t low, high;
	struct forge forge;

	(void)state;
	forge_init(&forge);
	forge_tcache(&forge);
	fill_page(&forge);
	forge_chunk(&forge, 10 * PAGE, FORGE_UNSORTED);
	low = forge_chunk(&forge, 0x100, FORGE_IN_USE);
	forge_chunk(&forge, 20 * PAGE, FORGE_UNSORTED);
	high = forge_chunk(&forge, 0x40, FORGE_IN_USE);
	forge_finish(&forge);
	glibc = read_forged(&forge);
	assert_int_equal(glibc->arenas[0].top_pinner_count, 3);
	pinners = glibc->arenas[0].top_pinners;
	assert_int_equal(pinners[0].address, high);
	assert_int_equal(pinners[0].break_bytes, (HEAP_PAGES - 12) * PAGE);
	assert_int_equal(pinners[1].address, low);
	assert_int_equal(pinners[1].break_bytes, (HEAP_PAGES - 2) * PAGE);
	assert_int_equal(pinners[2].address, FORGE_HEAP);
	assert_int_equal(pinners[2].count, 2);
	assert_int_equal(pinners[2].break_bytes, (HEAP_PAGES - 1) * PAGE);
	forge_deinit(&forge);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_byte_has_its_reason),
		cmocka_unit_test(test_fast_bins_merge),
		cmocka_unit_test(test_locked_memory_stays),
		cmocka_unit_test(test_other_tops_stay),
		cmocka_unit_test(test_corrupt_arenas_are_skipped),
		cmocka_unit_test(test_pinners),
		cmocka_unit_test(test_a_pinner_that_is_a_tcache),
		cmocka_unit_test(test_what_holds_up_the_break),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
