/*
 * The worlds that the layouts of glibc are tested in: every generation, with
 * pages of two sizes; and what an arena is filled with there.
 */
#ifndef MF_TESTS_FORGE_GLIBC_WORLDS_H
#define MF_TESTS_FORGE_GLIBC_WORLDS_H

#include <stdio.h>

#include "forge_glibc_expect.h"

enum {
	WORLD_NAME = 96,
	WORLD_THEMES = 12,
	WORLD_PAGES = 2,
};

/* What a test is made with. */
struct world {
	const struct forge_generation *generation;
	uint32_t page;
};

static const uint32_t world_page_sizes[WORLD_PAGES] = { 4096, 65536 };

static inline bool has_fast(const struct world *world)
{
	return world->generation->state.fastbins != FORGE_NONE;
}

static inline bool has_tcache(const struct world *world)
{
	return world->generation->tcache.chunk_size != 0;
}

/* Free chunks have no free neighbours. */
static inline void fill_free(struct forge *forge, struct forge_segment *segment)
{
	static const struct {
		uint64_t size;
		enum forge_state state;
	} chunks[] = {
		{ 0x20, FORGE_SMALL },	    { 0x90, FORGE_SMALL },
		{ 0x90, FORGE_SMALL },	    { 0x3f0, FORGE_SMALL },
		{ 0x400, FORGE_SMALL },	    { 0x430, FORGE_SMALL },
		{ 0x430, FORGE_SMALL },	    { 0x410, FORGE_SMALL },
		{ 0xc40, FORGE_SMALL },	    { 0x1000, FORGE_SMALL },
		{ 0x2a40, FORGE_SMALL },    { 0x5000, FORGE_SMALL },
		{ 0x110, FORGE_UNSORTED },  { 0x2300, FORGE_UNSORTED },
		{ 0x3010, FORGE_UNSORTED },
	};

	for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
		forge_append(forge, segment, chunks[i].size, chunks[i].state);
		forge_append(forge, segment, 0x20 + 0x10 * i, FORGE_IN_USE);
	}
}

static inline void fill_fast(struct forge *forge, struct forge_segment *segment)
{
	static const uint64_t sizes[] = { 0x20, 0x20, 0x40, 0x80, 0xb0, 0x20 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		forge_append(forge, segment, sizes[i], FORGE_FAST);
		forge_append(forge, segment, 0x40, FORGE_IN_USE);
	}
	/* consolidated, these three are one */
	forge_append(forge, segment, 0x1800, FORGE_SMALL);
	forge_append(forge, segment, 0x40, FORGE_FAST);
	forge_append(forge, segment, 0x11900, FORGE_UNSORTED);
	forge_append(forge, segment, 0x50, FORGE_IN_USE);
}

/* As many of a size as it takes, and the largest that it takes. */
static inline void fill_tcache(struct forge *forge,
			       struct forge_segment *segment)
{
	for (unsigned i = 0; i < forge->generation->tcache_count; i++)
		forge_append(forge, segment, 0x30, FORGE_TCACHE);
	forge_append(forge, segment, 0x20, FORGE_TCACHE);
	forge_append(forge, segment, 0x100, FORGE_TCACHE);
	forge_append(forge, segment, 0x410, FORGE_TCACHE);
	forge_append(forge, segment, 0x410, FORGE_TCACHE);
}

static inline void fill(const struct world *world, struct forge *forge,
			struct forge_segment *segment, bool caches)
{
	if (caches && has_tcache(world)) {
		forge_tcache_in(forge, segment);
		fill_tcache(forge, segment);
	}
	forge_append(forge, segment, 0x1230, FORGE_IN_USE);
	fill_free(forge, segment);
	if (has_fast(world))
		fill_fast(forge, segment);
}

static inline void start_world(const struct world *world, struct forge *forge)
{
	forge_start(forge, world->generation, world->page);
	forge_main(forge, FORGE_HEAP, FORGE_HEAP_SIZE, "[heap]");
}

static inline const struct mf_allocator *expect_read(struct forge *forge,
						     uint64_t top_unit)
{
	const struct mf_allocator *glibc = forge_read(forge, NULL);
	const struct mf_allocator *all;
	size_t count, copies = 0;

	assert_non_null(glibc);
	expect_forged(forge, glibc, top_unit);
	all = mf_heap_allocators(forge->model, &count);
	for (size_t i = 0; i < count; i++)
		copies += strcmp(all[i].name, "glibc") == 0;
	assert_int_equal(copies, 1);
	return glibc;
}

/** What is tested in every world; NAME NULL: no more. */
struct world_theme {
	const char *name;
	CMUnitTestFunction run;
};

/** Runs each of THEMES in every world; what main returns. */
static inline int run_worlds(const struct world_theme themes[WORLD_THEMES])
{
	enum {
		WORLDS = FORGE_GENERATIONS * WORLD_PAGES
	};
	static struct world worlds[WORLDS];
	static char names[WORLDS * WORLD_THEMES][WORLD_NAME];
	static struct CMUnitTest tests[WORLDS * WORLD_THEMES];
	size_t count = 0;

	for (size_t i = 0; i < WORLDS; i++) {
		worlds[i].generation = &forge_generations[i / WORLD_PAGES];
		worlds[i].page = world_page_sizes[i % WORLD_PAGES];
		for (size_t j = 0; j < WORLD_THEMES && themes[j].name; j++) {
			snprintf(names[count], WORLD_NAME,
				 "%s: %s, pages of %u", themes[j].name,
				 worlds[i].generation->versions,
				 worlds[i].page);
			tests[count] = (struct CMUnitTest){
				.name = names[count],
				.test_func = themes[j].run,
				.initial_state = &worlds[i],
			};
			count++;
		}
	}
	return _cmocka_run_group_tests("worlds", tests, count, NULL, NULL);
}

#endif
