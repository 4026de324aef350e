/*
 * A forged heap to damage, and what is expected of a look at it. For the tests
 * of damage.
 */
#ifndef MF_TESTS_DAMAGE_UTIL_H
#define MF_TESTS_DAMAGE_UTIL_H

#include "forge_glibc.h"

#define TEXT UINT64_C(0x4847464544434241) /* "ABCDEFGH" */

enum {
	CHUNK = 0x60,
	CHUNKS = 100,
	VICTIM = 50,
};

static inline uint64_t sum_of(const struct mf_arena_figures *figures)
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

static inline void start(struct heap *heap)
{
	forge_init(&heap->forge);
	forge_tcache(&heap->forge);
	for (unsigned i = 0; i < CHUNKS; i++)
		heap->chunks[i] =
			forge_chunk(&heap->forge, CHUNK, FORGE_IN_USE);
}

/* The one finding, of KIND at ADDRESS, in arena ARENA. */
static inline const struct mf_corruption *
only(struct forge *forge, unsigned arena, const char *kind, uint64_t address)
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
static inline void expect_truth(const struct forge *forge, unsigned arena,
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

static inline void expect_chunk(const struct mf_neighbour *chunk,
				uint64_t address, uint64_t size,
				const char *state)
{
	assert_int_equal(chunk->address, address);
	assert_int_equal(chunk->size, size);
	assert_string_equal(chunk->state, state);
}

#endif
