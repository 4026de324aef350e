/*
 * Every generation of glibc, with pages of 4 KiB and of 64 KiB, read without
 * symbols out of forged memory: arenas, heaps, fenceposts, lists, thread
 * caches and mmapped chunks, each figure to the byte.
 */
#include "forge_glibc_worlds.h"

enum {
	HUGE_PAGE = 2 << 20,
};

/* ---- the main arena ----------------------------------------------------- */

static void test_main_arena(void **state)
{
	const struct world *world = *state;
	struct forge forge;
	uint64_t rest;

	start_world(world, &forge);
	fill(world, &forge, &forge.main, true);
	rest = forge_chunk(&forge, 0x410, FORGE_UNSORTED);
	forge_set(&forge,
		  forge_main_arena() + world->generation->state.last_remainder,
		  rest);
	forge_chunk(&forge, 0x20, FORGE_IN_USE);
	/* the top takes what borders it */
	if (has_fast(world))
		forge_chunk(&forge, 0x60, FORGE_FAST);
	forge_finish(&forge);
	expect_read(&forge, world->page);
	forge_deinit(&forge);
}

/* No fast bin and no other arena tells whether links are mangled. */
static void test_tcache_alone(void **state)
{
	const struct world *world = *state;
	struct forge forge;

	if (!has_tcache(world))
		return;
	start_world(world, &forge);
	forge_tcache(&forge);
	fill_tcache(&forge, &forge.main);
	forge_tcache(&forge);
	fill_tcache(&forge, &forge.main);
	forge_finish(&forge);
	expect_read(&forge, world->page);
	forge_deinit(&forge);
}

/* ---- several arenas ------------------------------------------------------- */

/* An arena of one heap, which is its newest and has been made smaller. */
static void add_small_arena(const struct world *world, struct forge *forge)
{
	const uint32_t attached = world->generation->state.attached_threads;
	struct forge_segment segment =
		forge_new_arena(forge, forge_arena_heap(8), 0x80000);

	fill(world, forge, &segment, false);
	forge_top(forge, &segment);
	if (attached != FORGE_NONE)
		forge_set(forge, forge->truth[segment.arena].address + attached,
			  0);
}

/* An arena of five heaps, each full one with another end. */
static void add_large_arena(const struct world *world, struct forge *forge)
{
	struct forge_segment segment =
		forge_new_arena(forge, forge_arena_heap(0), 0x40000);
	unsigned arena = segment.arena;

	/* the old top became a free chunk before both fenceposts */
	fill(world, forge, &segment, true);
	forge_append(forge, &segment, segment.end - segment.next - 0x20,
		     FORGE_UNSORTED);
	forge_fence_heap(forge, &segment, false);
	/* it had 64 bytes: the least that is a chunk beside fenceposts */
	segment =
		forge_more(forge, arena, forge_arena_heap(3), 0x20000, 0x20000);
	forge_append(forge, &segment, segment.end - segment.next - 0x40,
		     FORGE_IN_USE);
	forge_append(forge, &segment, 0x20,
		     has_fast(world) ? FORGE_FAST : FORGE_UNSORTED);
	forge_fence_heap(forge, &segment, false);
	/* it had 32: room for fenceposts only */
	segment =
		forge_more(forge, arena, forge_arena_heap(1), 0x20000, 0x20000);
	forge_append(forge, &segment, segment.end - segment.next - 0x20,
		     FORGE_IN_USE);
	forge_fence_heap(forge, &segment, false);
	/* it had 48: neither a chunk, nor nothing */
	segment =
		forge_more(forge, arena, forge_arena_heap(2), 0x20000, 0x20000);
	forge_append(forge, &segment, segment.end - segment.next - 0x30,
		     FORGE_IN_USE);
	forge_header(forge, &segment, 0x20, 0x20, FORGE_IS_OVERHEAD);
	forge_fence_heap(forge, &segment, true);
	/* it was larger once: more is committed than used */
	segment =
		forge_more(forge, arena, forge_arena_heap(5), 0x30000, 0x50000);
	fill(world, forge, &segment, false);
	forge_top(forge, &segment);
}

static void expect_class(const struct forge *forge, uint64_t address,
			 enum mf_class class)
{
	const struct mf_region *region =
		mf_space_region_at(forge->space, address);

	assert_non_null(region);
	assert_int_equal(region->class, class);
}

static void test_arenas(void **state)
{
	const struct world *world = *state;
	const struct mf_allocator *glibc;
	struct forge forge;

	start_world(world, &forge);
	fill(world, &forge, &forge.main, true);
	add_large_arena(world, &forge);
	/* the other thread freed what the first had allocated */
	if (has_tcache(world))
		forge_chunk(&forge, 0x200, FORGE_TCACHE);
	add_small_arena(world, &forge);
	forge_finish(&forge);
	glibc = expect_read(&forge, world->page);
	assert_string_equal(glibc->version, world->generation->said);
	expect_class(&forge, forge_arena_heap(0), MF_CLASS_ARENA);
	expect_class(&forge, forge_arena_heap(5) + 0x4ffff, MF_CLASS_ARENA);
	expect_class(&forge, forge_arena_heap(5) + 0x50000,
		     MF_CLASS_ARENA_RESERVE);
	expect_class(&forge, forge_arena_heap(6) - 1, MF_CLASS_ARENA_RESERVE);
	expect_class(&forge, FORGE_HEAP, MF_CLASS_HEAP);
	forge_deinit(&forge);
}

/* As after an earlier trim, and in memory that was never written to. */
static void test_holes(void **state)
{
	const struct world *world = *state;
	struct forge forge;

	start_world(world, &forge);
	fill(world, &forge, &forge.main, true);
	forge_chunk(&forge, 0x30000, FORGE_UNSORTED);
	forge_chunk(&forge, 0x20, FORGE_IN_USE);
	add_large_arena(world, &forge);
	add_small_arena(world, &forge);
	forge_finish(&forge);
	forge_holes(&forge);
	expect_read(&forge, world->page);
	forge_deinit(&forge);
}

/* The last thread of each arena has ended, or is the only one there. */
static void test_threads_of_arenas(void **state)
{
	const struct world *world = *state;
	const uint32_t attached = world->generation->state.attached_threads;
	const struct mf_allocator *glibc;

	for (unsigned threads = 0; threads < 3; threads++) {
		struct forge forge;

		start_world(world, &forge);
		forge_chunk(&forge, 0x100, FORGE_IN_USE);
		forge_finish(&forge);
		add_small_arena(world, &forge);
		if (attached != FORGE_NONE)
			forge_set(&forge, forge_main_arena() + attached,
				  threads);
		glibc = forge_read(&forge, NULL);
		expect_forged(&forge, glibc, world->page);
		assert_int_equal(glibc->arenas[0].attached_threads,
				 attached == FORGE_NONE ? 0 : threads);
		assert_int_equal(glibc->arenas[1].attached_threads, 0);
		forge_deinit(&forge);
	}
}

/* ---- mmapped chunks ------------------------------------------------------- */

static void test_mmapped(void **state)
{
	const struct world *world = *state;
	const uint64_t page = world->page;
	/* where the first address that is 32-aligned finds room */
	const uint64_t nearest = world->generation->first < 243 ? 48 : 16;
	uint64_t at = FORGE_MMAP;
	struct forge forge;

	start_world(world, &forge);
	forge_chunk(&forge, 0x100, FORGE_IN_USE);
	forge_finish(&forge);
	/* neighbours that the kernel merged, and a page of somebody else's */
	forge_map(&forge, at, 64 * page, "");
	forge_mmapped(&forge, at, 3 * page, 0);
	forge_mmapped(&forge, at + 3 * page, 5 * page, nearest);
	forge_set(&forge, at + 8 * page, 0x1234);
	forge_set(&forge, at + 8 * page + 8, 0x5002);
	forge_mmapped(&forge, at + 9 * page, 4 * page, 0x1000 - 16);
	forge_mmapped(&forge, at + 13 * page, 9 * page, 4 * page - 16);
	forge_mmapped(&forge, at + 22 * page, 40 * page, 0x40 - 16);
	at += 128 * page;
	forge_map(&forge, at, 33 * page, "");
	forge_mmapped(&forge, at, 33 * page, 0);
	expect_read(&forge, world->page);
	expect_class(&forge, at, MF_CLASS_MMAP_CHUNK);
	expect_class(&forge, FORGE_MMAP + 3 * page, MF_CLASS_MMAP_CHUNK);
	forge_deinit(&forge);
}

/* ---- parameters ------------------------------------------------------------ */

/* Where this generation has the field; UINT64_MAX where it has none. */
static uint64_t set_wide(struct forge *forge, uint32_t offset, uint64_t value)
{
	if (offset == FORGE_NONE)
		return UINT64_MAX;
	forge_set(forge, forge_par(forge, offset), value);
	return value;
}

/* All that can be tuned, tuned; each to another value. */
static void test_parameters(void **state)
{
	const struct world *world = *state;
	const struct forge_par_offsets *par = &world->generation->par;
	const struct mf_allocator *glibc;
	uint64_t thp, hp, most;
	struct forge forge;

	start_world(world, &forge);
	forge_chunk(&forge, 0x100, FORGE_IN_USE);
	forge_finish(&forge);
	forge_set(&forge, forge_par(&forge, 0), 0x600000);
	forge_set(&forge, forge_par(&forge, 8), 0x50000);
	forge_set(&forge, forge_par(&forge, 16), 0x300000);
	forge_set(&forge, forge_par(&forge, par->arena_test), 8);
	forge_set(&forge, forge_par(&forge, par->arena_test) + 8, 5);
	forge_set32(&forge, forge_par(&forge, par->n_mmaps_max), 4711);
	forge_set32(&forge, forge_par(&forge, par->no_dyn_threshold), 1);
	thp = set_wide(&forge, par->thp_pagesize, HUGE_PAGE);
	hp = set_wide(&forge, par->hp_pagesize, 2 * HUGE_PAGE);
	most = set_wide(&forge, par->tcache_max_bytes, 900);
	glibc = forge_read(&forge, NULL);
	expect_forged(&forge, glibc, thp == UINT64_MAX ? world->page : thp);
	assert_int_equal(forge_parameter(glibc, "trim_threshold"), 0x600000);
	assert_int_equal(forge_parameter(glibc, "top_pad"), 0x50000);
	assert_int_equal(forge_parameter(glibc, "mmap_threshold"), 0x300000);
	assert_int_equal(forge_parameter(glibc, "mmap_threshold_dynamic"), 0);
	assert_int_equal(forge_parameter(glibc, "arena_test"), 8);
	assert_int_equal(forge_parameter(glibc, "arena_max"), 5);
	assert_int_equal(forge_parameter(glibc, "n_mmaps_max"), 4711);
	assert_int_equal(forge_parameter(glibc, "thp_pagesize"), thp);
	assert_int_equal(forge_parameter(glibc, "hp_pagesize"), hp);
	assert_int_equal(forge_parameter(glibc, "tcache_max_bytes"), most);
	forge_deinit(&forge);
}

/* ---- nothing allocated yet ---------------------------------------------------- */

/* Until 2.41 the first malloc makes the lists, then the start of the process. */
static void test_unused(void **state)
{
	const struct world *world = *state;
	const struct forge_state_offsets *fields = &world->generation->state;
	const struct mf_allocator *glibc;
	struct forge forge;

	forge_start(&forge, world->generation, world->page);
	if (world->generation->first < 242)
		memset(forge_at(&forge, forge_main_arena()), 0, fields->next);
	glibc = forge_read(&forge, NULL);
	assert_non_null(glibc);
	expect_no_partial(&forge);
	assert_int_equal(glibc->arena_count, 1);
	assert_int_equal(glibc->figures.system, 0);
	assert_int_equal(glibc->figures.in_use.count, 0);
	assert_int_equal(glibc->figures.free.count, 0);
	assert_int_equal(glibc->figures.top.bytes, 0);
	assert_int_equal(glibc->mmapped.count, 0);
	assert_int_equal(glibc->arenas[0].corrupt_count, 0);
	forge_deinit(&forge);
}

/* ---- what looks like it ----------------------------------------------------- */

/* Another generation's arena that was never used: 2.17-2.22 have no mark. */
static void forge_unused_decoy(struct forge *forge, uint64_t at,
			       const struct forge_generation *other)
{
	forge_set(forge, at + other->state.next, at);
	if (other->state.attached_threads != FORGE_NONE)
		forge_set(forge, at + other->state.attached_threads, 1);
}

/* Parameters as they are at first; sbrk_base is nothing of ours. */
static void forge_parameters_decoy(struct forge *forge, uint64_t at,
				   const struct forge_generation *other)
{
	forge_set(forge, at, 131072);
	forge_set(forge, at + 8, 131072);
	forge_set(forge, at + 16, 131072);
	forge_set(forge, at + other->par.arena_test, 8);
	forge_set32(forge, at + other->par.n_mmaps_max, 65536);
	forge_set(forge, at + other->par.sbrk_base, 0x5000);
}

static void forge_decoys(struct forge *forge,
			 const struct forge_generation *other)
{
	uint64_t main_arena = forge_main_arena();

	forge_unused_decoy(forge, FORGE_DATA + 0x100, other);
	/* list heads without a ring, before and behind */
	for (uint64_t i = 0; i < 127; i++) {
		uint64_t head = FORGE_DATA + 0x1000 + 16 * i;

		forge_set(forge, head + 16, head);
		forge_set(forge, head + 24, head);
	}
	forge_parameters_decoy(forge, FORGE_DATA + 0x2000, other);
	forge_parameters_decoy(forge, FORGE_DATA + 0xb000, other);
	forge_unused_decoy(forge, FORGE_DATA + 0xc000, other);
	/* copies of the real one, whose lists lead elsewhere */
	memcpy(forge_at(forge, FORGE_DATA + 0x3000),
	       forge_at(forge, main_arena), forge->generation->state.size);
	memcpy(forge_at(forge, FORGE_DATA + 0xa000),
	       forge_at(forge, main_arena), forge->generation->state.size);
}

static void test_decoys(void **state)
{
	const struct world *world = *state;

	for (unsigned i = 0; i < FORGE_GENERATIONS; i++) {
		struct forge forge;

		start_world(world, &forge);
		fill(world, &forge, &forge.main, true);
		forge_finish(&forge);
		add_small_arena(world, &forge);
		forge_decoys(&forge, &forge_generations[i]);
		expect_read(&forge, world->page);
		forge_deinit(&forge);
	}
}

/* ---- another machine -------------------------------------------------------- */

/* aarch64 has addresses of 48 bits, and uses the highest. */
static void test_high_addresses(void **state)
{
	const struct world *world = *state;
	const uint64_t brk_base = UINT64_C(0xaaaae5a10000);
	const uint64_t heaps = UINT64_C(0xffff90000000);
	const uint64_t mmapped = UINT64_C(0xfffff7000000);
	struct forge_segment segment;
	struct forge forge;

	forge_start(&forge, world->generation, world->page);
	forge.user_end = UINT64_C(1) << 48;
	forge_main(&forge, brk_base, FORGE_HEAP_SIZE, "[heap]");
	fill(world, &forge, &forge.main, true);
	segment = forge_new_arena(&forge, heaps, 0x40000);
	fill(world, &forge, &segment, true);
	forge_append(&forge, &segment, segment.end - segment.next - 0x20,
		     FORGE_UNSORTED);
	forge_fence_heap(&forge, &segment, false);
	segment = forge_more(&forge, segment.arena, heaps + 2 * FORGE_HEAP_MAX,
			     0x20000, 0x30000);
	forge_top(&forge, &segment);
	/* one thread's cache holds chunks of both */
	if (has_tcache(world))
		forge_chunk(&forge, 0x200, FORGE_TCACHE);
	forge_finish(&forge);
	forge_map(&forge, mmapped, 0x90000, "");
	forge_mmapped(&forge, mmapped, 0x90000, 0x1000 - 16);
	expect_read(&forge, world->page);
	forge_deinit(&forge);
}

/* ---- huge pages ------------------------------------------------------------------ */

/* aarch64, 2.43 and later: heaps and the break grow by 2 MiB. */
static void test_grows_by_huge_pages(void **state)
{
	const struct world *world = *state;
	const struct forge_par_offsets *par = &world->generation->par;
	struct forge_segment segment;
	struct forge forge;

	if (par->thp_mode == FORGE_NONE)
		return;
	forge_start(&forge, world->generation, world->page);
	forge_main(&forge, FORGE_HEAP, 3 * HUGE_PAGE, "[heap]");
	forge_set32(&forge, forge_par(&forge, par->thp_mode), 1);
	forge_set(&forge, forge_par(&forge, par->thp_pagesize), HUGE_PAGE);
	fill(world, &forge, &forge.main, true);
	forge_finish(&forge);
	segment = forge_new_arena(&forge, forge_arena_heap(0), HUGE_PAGE);
	forge_set(&forge, forge_arena_heap(0) + 32, HUGE_PAGE);
	fill(world, &forge, &segment, false);
	forge_append(&forge, &segment, segment.end - segment.next - 0x20,
		     FORGE_UNSORTED);
	forge_fence_heap(&forge, &segment, false);
	segment = forge_more(&forge, segment.arena, forge_arena_heap(1),
			     HUGE_PAGE, 2 * HUGE_PAGE);
	forge_set(&forge, forge_arena_heap(1) + 32, HUGE_PAGE);
	forge_top(&forge, &segment);
	expect_read(&forge, HUGE_PAGE);
	forge_deinit(&forge);
}

/* With glibc.malloc.hugetlb=2 heaps had four huge pages of room until 2.41. */
static void test_heaps_of_huge_pages(void **state)
{
	const struct world *world = *state;
	const struct forge_par_offsets *par = &world->generation->par;
	const unsigned first = world->generation->first;
	struct forge_segment segment;
	struct forge forge;
	uint64_t base;

	if (par->hp_pagesize == FORGE_NONE)
		return;
	start_world(world, &forge);
	forge.heap_max = first < 242 ? 4 * HUGE_PAGE : FORGE_HEAP_MAX;
	base = FORGE_ARENA + 3 * forge.heap_max;
	forge_set(&forge, forge_par(&forge, par->hp_pagesize), HUGE_PAGE);
	fill(world, &forge, &forge.main, true);
	forge_finish(&forge);
	segment = forge_new_arena(&forge, base, HUGE_PAGE);
	fill(world, &forge, &segment, true);
	forge_append(&forge, &segment, segment.end - segment.next - 0x20,
		     FORGE_IN_USE);
	forge_fence_heap(&forge, &segment, false);
	segment = forge_more(&forge, segment.arena, base + forge.heap_max,
			     2 * HUGE_PAGE, 2 * HUGE_PAGE);
	forge_top(&forge, &segment);
	expect_read(&forge, world->page);
	forge_deinit(&forge);
}

int main(void)
{
	static const struct world_theme themes[WORLD_THEMES] = {
		{ "main arena", test_main_arena },
		{ "tcache alone", test_tcache_alone },
		{ "arenas and heaps", test_arenas },
		{ "holes", test_holes },
		{ "threads of arenas", test_threads_of_arenas },
		{ "mmapped chunks", test_mmapped },
		{ "parameters", test_parameters },
		{ "unused", test_unused },
		{ "decoys", test_decoys },
		{ "high addresses", test_high_addresses },
		{ "huge pages", test_grows_by_huge_pages },
		{ "heaps of huge pages", test_heaps_of_huge_pages },
	};

	return run_worlds(themes);
}
