/*
 * The main arena where it is not one piece, in every generation of glibc:
 * others moved the break, or there was none to be had and mmap stood in.
 */
#include "forge_glibc_worlds.h"

/* What somebody else's sbrk may leave: text, and what looks like chunks until
 * one follows it. */
static void forge_foreign(struct forge *forge, uint64_t bytes)
{
	uint64_t at = forge->main.next, end = at + bytes;

	forge_gap(forge, &forge->main, bytes);
	memset(forge_at(forge, at), 'x', 64);
	at = forge_round_up(at + 64, 16);
	for (unsigned i = 0; i < 8 && at + 0x40 < end; i++, at += 0x30)
		forge_set(forge, at + 8, 0x31);
}

/* In use up to LEFT bytes before the next page but PAGES. */
static void fill_up_to(struct forge *forge, struct forge_segment *segment,
		       unsigned pages, uint64_t left)
{
	uint64_t end = forge_round_up(segment->next, forge->page) +
		       (uint64_t)pages * forge->page - left;

	forge_append(forge, segment, end - segment->next, FORGE_IN_USE);
}

/* ---- gaps in the break's memory --------------------------------------------- */

static void test_gap(void **state)
{
	const struct world *world = *state;
	struct forge forge;

	start_world(world, &forge);
	fill(world, &forge, &forge.main, true);
	/* the old top became a free chunk before two fenceposts */
	fill_up_to(&forge, &forge.main, 1, 0x220);
	forge_chunk(&forge, 0x200, FORGE_UNSORTED);
	forge_fence_main(&forge, &forge.main, 2);
	/* aligned for malloc, as its first sbrk after them was */
	forge_foreign(&forge, 0x1230);
	fill(world, &forge, &forge.main, false);
	forge_finish(&forge);
	expect_read(&forge, world->page);
	forge_deinit(&forge);
}

/* Of 48 bytes three fenceposts were made; of 32, two and nothing else. */
static void test_short_fences(void **state)
{
	const struct world *world = *state;
	struct forge forge;

	start_world(world, &forge);
	fill(world, &forge, &forge.main, true);
	fill_up_to(&forge, &forge.main, 1, 0x30);
	forge_fence_main(&forge, &forge.main, 3);
	forge_foreign(&forge, 0x800);
	fill(world, &forge, &forge.main, false);
	fill_up_to(&forge, &forge.main, 0, 0x20);
	forge_fence_main(&forge, &forge.main, 2);
	forge_foreign(&forge, 0x10);
	forge_chunk(&forge, 0x90, FORGE_IN_USE);
	forge_finish(&forge);
	expect_read(&forge, world->page);
	forge_deinit(&forge);
}

/* Nothing was taken yet of what came after the gap. */
static void test_gap_before_top(void **state)
{
	const struct world *world = *state;
	struct forge forge;

	start_world(world, &forge);
	fill(world, &forge, &forge.main, true);
	fill_up_to(&forge, &forge.main, 1, 0x20);
	forge_fence_main(&forge, &forge.main, 2);
	forge_foreign(&forge, 0x1230);
	forge_finish(&forge);
	expect_read(&forge, world->page);
	forge_deinit(&forge);
}

/* A static program's early sbrk: malloc's first chunk is not at the start. */
static void test_late_base(void **state)
{
	const struct world *world = *state;
	const uint64_t early = 0xd40;
	struct forge forge;

	forge_start(&forge, world->generation, world->page);
	forge_map(&forge, FORGE_HEAP, FORGE_HEAP_SIZE, "[heap]");
	memset(forge_at(&forge, FORGE_HEAP), 'x', early);
	forge_sbrk_base(&forge, FORGE_HEAP + early);
	forge_grow(&forge, 0, FORGE_HEAP_SIZE - early);
	forge.main =
		(struct forge_segment){ .next = FORGE_HEAP + early,
					.end = FORGE_HEAP + FORGE_HEAP_SIZE };
	fill(world, &forge, &forge.main, true);
	forge_finish(&forge);
	expect_read(&forge, world->page);
	forge_deinit(&forge);
}

/* ---- no break -------------------------------------------------------------------- */

/* SIZE bytes at BASE that mmap gave in place of sbrk. */
static void next_region(struct forge *forge, uint64_t base, uint64_t size)
{
	forge_grow(forge, 0, size);
	forge->main =
		(struct forge_segment){ .next = base, .end = base + size };
}

static void set_noncontiguous(struct forge *forge)
{
	uint64_t at = forge_main_arena() + 4;
	uint32_t flags;

	memcpy(&flags, forge_at(forge, at), sizeof(flags));
	forge_set32(forge, at, flags | 2);
}

static void end_region(struct forge *forge)
{
	fill_up_to(forge, &forge->main, 0, 0x320);
	forge_chunk(forge, 0x300, FORGE_UNSORTED);
	forge_fence_main(forge, &forge->main, 2);
	assert_int_equal(forge->main.next, forge->main.end);
}

/* As long as it takes: the chunks, then one in use up to the end. */
static void fill_region(const struct world *world, struct forge *forge,
			bool caches)
{
	fill(world, forge, &forge->main, caches);
	forge_chunk(forge,
		    forge->main.end - forge->page - forge->main.next + 0x400,
		    FORGE_IN_USE);
}

/* Beside each other, behind what is another's, and far away. */
static void add_regions(const struct world *world, struct forge *forge)
{
	const uint64_t page = world->page;

	forge_map(forge, FORGE_MMAP, 0x400000, "");
	memset(forge_at(forge, FORGE_MMAP), 'x', page);
	next_region(forge, FORGE_MMAP + page, 0x100000);
	fill_region(world, forge, false);
	end_region(forge);
	next_region(forge, forge->main.end, 0x100000);
	fill_region(world, forge, false);
	end_region(forge);
	forge_map(forge, FORGE_MMAP + 0x1000000, 0x110000, "");
	next_region(forge, FORGE_MMAP + 0x1000000, 0x110000);
	fill(world, forge, &forge->main, false);
	forge_finish(forge);
}

/* The break was blocked when the first heap was full. */
static void test_blocked_later(void **state)
{
	const struct world *world = *state;
	struct forge forge;

	start_world(world, &forge);
	set_noncontiguous(&forge);
	fill_region(world, &forge, true);
	end_region(&forge);
	add_regions(world, &forge);
	expect_read(&forge, 0);
	forge_deinit(&forge);
}

/* There never was a break: mp_ says that the first region is it. */
static void test_blocked_always(void **state)
{
	const struct world *world = *state;
	const uint64_t base = FORGE_MMAP + 0x2000000;
	struct forge forge;

	forge_start(&forge, world->generation, world->page);
	set_noncontiguous(&forge);
	forge_sbrk_base(&forge, base);
	forge_map(&forge, base, 0x100000, "");
	next_region(&forge, base, 0x100000);
	fill_region(world, &forge, true);
	end_region(&forge);
	add_regions(world, &forge);
	expect_read(&forge, 0);
	forge_deinit(&forge);
}

/* One region, and its top: no break ends there, so none can be moved. */
static void test_lone_region(void **state)
{
	const struct world *world = *state;
	struct forge forge;

	forge_start(&forge, world->generation, world->page);
	set_noncontiguous(&forge);
	forge_main(&forge, FORGE_MMAP, 0x100000, "");
	fill(world, &forge, &forge.main, true);
	forge_finish(&forge);
	expect_read(&forge, 0);
	forge_deinit(&forge);
}

int main(void)
{
	static const struct world_theme themes[WORLD_THEMES] = {
		{ "gap", test_gap },
		{ "short fences", test_short_fences },
		{ "gap before top", test_gap_before_top },
		{ "late base", test_late_base },
		{ "break blocked later", test_blocked_later },
		{ "break blocked always", test_blocked_always },
		{ "lone region", test_lone_region },
	};

	return run_worlds(themes);
}
