/*
 * Forges the memory of a process whose main arena holds what a test asks for:
 * a libc with main_arena and mp_ in its data (glibc 2.36's layout, no symbols),
 * and a heap of chunks. A second arena of two heaps of its own can be added.
 */
#ifndef MF_TESTS_FORGE_GLIBC_H
#define MF_TESTS_FORGE_GLIBC_H

#include "memforensics/heap.h"
#include "memforensics/image.h"
#include "memforensics/space.h"
#include "memforensics/target.h"

#include "unit.h"

#define FORGE_DATA  UINT64_C(0x7f0000200000)
#define FORGE_HEAP  UINT64_C(0x555555600000)
#define FORGE_ARENA UINT64_C(0x7f1000000000)

enum {
	FORGE_DATA_SIZE = 0x4000,
	FORGE_HEAP_SIZE = 0x100000,
	FORGE_MAIN_ARENA = 0xc60, /* in the data */
	FORGE_PARAMETERS = 0x300,
	FORGE_BINS = 112,
	FORGE_TOP = 96,
	FORGE_FASTBINS = 16,
	FORGE_STATE_SIZE = 2200,
	FORGE_FIRST_CHUNK = 0x8d0, /* of an arena's first heap */
	FORGE_ARENA_HEAPS = 2,
	FORGE_ARENA_HEAP_SIZE = 0x21000,
	FORGE_HEAP_MAX = 64 << 20,
};

enum forge_state {
	FORGE_IN_USE,
	FORGE_SMALL, /* free, in its small or large bin */
	FORGE_UNSORTED,
	FORGE_FAST,
	FORGE_TCACHE,
};

struct forge_memory {
	uint64_t base;
	size_t size;
	uint8_t *bytes;
};

struct forge {
	struct forge_memory data, heap, arena[FORGE_ARENA_HEAPS];
	uint64_t next;	 /* where the next chunk goes */
	uint64_t tcache; /* user address of its struct */
	bool previous_free;
	uint64_t previous_size;
	struct mf_target *target;
	struct mf_image *image;
	struct mf_space *space;
	struct mf_heap *model;
};

static inline uint8_t *forge_at(struct forge *forge, uint64_t address)
{
	struct forge_memory *memory =
		address >= FORGE_ARENA + FORGE_HEAP_MAX ? &forge->arena[1]
		: address >= FORGE_ARENA		? &forge->arena[0]
		: address >= forge->data.base		? &forge->data
							: &forge->heap;

	assert_true(address >= memory->base &&
		    address + 8 <= memory->base + memory->size);
	return memory->bytes + (address - memory->base);
}

static inline void forge_set(struct forge *forge, uint64_t address,
			     uint64_t value)
{
	memcpy(forge_at(forge, address), &value, sizeof(value));
}

static inline uint64_t forge_get(struct forge *forge, uint64_t address)
{
	uint64_t value;

	memcpy(&value, forge_at(forge, address), sizeof(value));
	return value;
}

static inline uint64_t forge_main_arena(void)
{
	return FORGE_DATA + FORGE_MAIN_ARENA;
}

static inline uint64_t forge_bin(unsigned index)
{
	return forge_main_arena() + FORGE_BINS + 16 * (uint64_t)(index - 1) -
	       16;
}

static inline void forge_parameters(struct forge *forge)
{
	uint64_t at = FORGE_DATA + FORGE_PARAMETERS;

	forge_set(forge, at, 131072);	   /* trim_threshold */
	forge_set(forge, at + 8, 131072);  /* top_pad */
	forge_set(forge, at + 16, 131072); /* mmap_threshold */
	forge_set(forge, at + 24, 8);	   /* arena_test */
	forge_set(forge, at + 64, 65536);  /* n_mmaps_max, after n_mmaps */
	forge_set(forge, at + 96, FORGE_HEAP);
	forge_set(forge, at + 104, 64);
	forge_set(forge, at + 112, 1032);
	forge_set(forge, at + 120, 7);
}

static inline void forge_init(struct forge *forge)
{
	*forge = (struct forge){
		.data = { FORGE_DATA, FORGE_DATA_SIZE,
			  calloc(1, FORGE_DATA_SIZE) },
		.heap = { FORGE_HEAP, FORGE_HEAP_SIZE,
			  calloc(1, FORGE_HEAP_SIZE) },
		.next = FORGE_HEAP,
	};
	for (unsigned i = 1; i <= 127; i++) {
		forge_set(forge, forge_bin(i) + 16, forge_bin(i));
		forge_set(forge, forge_bin(i) + 24, forge_bin(i));
	}
	forge_set(forge, forge_main_arena() + 2160, forge_main_arena());
	forge_set(forge, forge_main_arena() + 2176, 1);
	forge_parameters(forge);
}

/* Puts CHUNK first into the circular list of HEAD. */
static inline void forge_link(struct forge *forge, uint64_t head,
			      uint64_t chunk)
{
	uint64_t first = forge_get(forge, head + 16);

	forge_set(forge, chunk + 16, first);
	forge_set(forge, chunk + 24, head);
	forge_set(forge, head + 16, chunk);
	forge_set(forge, first + 24, chunk);
}

static inline void forge_push(struct forge *forge, uint64_t head,
			      uint64_t member, uint64_t place)
{
	forge_set(forge, place, place >> 12 ^ forge_get(forge, head));
	forge_set(forge, head, member);
}

/** Appends a chunk of SIZE bytes; its address. */
static inline uint64_t forge_chunk(struct forge *forge, uint64_t size,
				   enum forge_state state)
{
	uint64_t chunk = forge->next;
	bool is_free = state == FORGE_SMALL || state == FORGE_UNSORTED;

	forge_set(forge, chunk + 8, size | !forge->previous_free);
	if (forge->previous_free)
		forge_set(forge, chunk, forge->previous_size);
	forge->next += size;
	forge->previous_free = is_free;
	forge->previous_size = size;
	if (state == FORGE_SMALL)
		forge_link(forge, forge_bin((unsigned)(size / 16)), chunk);
	else if (state == FORGE_UNSORTED)
		forge_link(forge, forge_bin(1), chunk);
	else if (state == FORGE_FAST)
		forge_push(forge,
			   forge_main_arena() + FORGE_FASTBINS +
				   8 * (size / 16 - 2),
			   chunk, chunk + 16);
	else if (state == FORGE_TCACHE) {
		uint64_t bin = size / 16 - 2;
		uint64_t counts = forge->tcache + 2 * bin;
		uint16_t count;

		memcpy(&count, forge_at(forge, counts), 2);
		count++;
		memcpy(forge_at(forge, counts), &count, 2);
		forge_push(forge, forge->tcache + 128 + 8 * bin, chunk + 16,
			   chunk + 16);
	}
	return chunk;
}

/** The first chunk: the tcache struct, as in a real process. */
static inline void forge_tcache(struct forge *forge)
{
	forge->tcache = forge_chunk(forge, 0x290, FORGE_IN_USE) + 16;
}

/** The rest becomes the top; system_mem is all of the heap. */
static inline void forge_finish(struct forge *forge)
{
	uint64_t size = FORGE_HEAP + FORGE_HEAP_SIZE - forge->next;

	forge_set(forge, forge->next + 8, size | !forge->previous_free);
	if (forge->previous_free)
		forge_set(forge, forge->next, forge->previous_size);
	forge_set(forge, forge_main_arena() + FORGE_TOP, forge->next);
	forge_set(forge, forge_main_arena() + 2184, FORGE_HEAP_SIZE);
	forge_set(forge, forge_main_arena() + 2192, FORGE_HEAP_SIZE);
}

static inline uint64_t forge_arena_heap(unsigned number)
{
	return FORGE_ARENA + (uint64_t)number * FORGE_HEAP_MAX;
}

/** Where the chunks of heap NUMBER of the second arena begin. */
static inline uint64_t forge_arena_chunks(unsigned number)
{
	return forge_arena_heap(number) + (number ? 0x30 : FORGE_FIRST_CHUNK);
}

/**
 * A second arena: in its first heap chunks of 0x100 bytes in use up to
 * fenceposts, in its second nothing but its top.
 */
static inline void forge_arena(struct forge *forge)
{
	uint64_t state = FORGE_ARENA + 0x30, at = forge_arena_chunks(0);
	uint64_t end = FORGE_ARENA + FORGE_ARENA_HEAP_SIZE;

	for (unsigned i = 0; i < FORGE_ARENA_HEAPS; i++) {
		uint64_t heap = forge_arena_heap(i);

		forge->arena[i] =
			(struct forge_memory){ heap, FORGE_ARENA_HEAP_SIZE,
					       calloc(1,
						      FORGE_ARENA_HEAP_SIZE) };
		forge_set(forge, heap, state);
		forge_set(forge, heap + 8, i ? FORGE_ARENA : 0);
		forge_set(forge, heap + 16, FORGE_ARENA_HEAP_SIZE);
		forge_set(forge, heap + 24, FORGE_ARENA_HEAP_SIZE);
	}
	for (unsigned i = 1; i <= 127; i++) {
		uint64_t bin = state + FORGE_BINS + 16 * (uint64_t)i - 32;

		forge_set(forge, bin + 16, bin);
		forge_set(forge, bin + 24, bin);
	}
	forge_set(forge, state + FORGE_TOP, forge_arena_chunks(1));
	forge_set(forge, forge_arena_chunks(1) + 8,
		  (FORGE_ARENA_HEAP_SIZE - 0x30) | 1);
	forge_set(forge, state + 2160, forge_main_arena());
	forge_set(forge, forge_main_arena() + 2160, state);
	forge_set(forge, state + 2184, 2 * FORGE_ARENA_HEAP_SIZE);
	forge_set(forge, state + 2192, 2 * FORGE_ARENA_HEAP_SIZE);
	for (; end - at >= 0x140; at += 0x100)
		forge_set(forge, at + 8, 0x100 | 5);
	forge_set(forge, at + 8, (end - at - 0x20) | 5);
	forge_set(forge, end - 0x18, 0x10 | 1);
	forge_set(forge, end - 8, 1);
}

/** Makes the target of what was forged, reads it, and gives its glibc. */
static inline const struct mf_allocator *forge_read(struct forge *forge,
						    const uint8_t *heap_pages)
{
	const struct mf_heap_options options = { .no_symbols = true,
						 .trim_ranges = true };
	const struct mf_image_options image_options = { .no_debuginfo = true };
	const struct mf_allocator *allocators;
	size_t count;

	forge->target = mf_target_create_forged();
	mf_target_forge_mapping(
		forge->target,
		&(struct mf_mapping){ .start = FORGE_HEAP,
				      .end = FORGE_HEAP + FORGE_HEAP_SIZE,
				      .perms = MF_PERM_READ | MF_PERM_WRITE,
				      .path = "[heap]" },
		forge->heap.bytes, heap_pages);
	mf_target_forge_mapping(
		forge->target,
		&(struct mf_mapping){ .start = FORGE_DATA - 0x1000,
				      .end = FORGE_DATA,
				      .inode = 7,
				      .perms = MF_PERM_READ | MF_PERM_EXEC,
				      .path = "/lib/libc.so.6" },
		NULL, NULL);
	mf_target_forge_mapping(
		forge->target,
		&(struct mf_mapping){ .start = FORGE_DATA,
				      .end = FORGE_DATA + FORGE_DATA_SIZE,
				      .offset = 0x1000,
				      .inode = 7,
				      .perms = MF_PERM_READ | MF_PERM_WRITE,
				      .path = "/lib/libc.so.6" },
		forge->data.bytes, NULL);
	for (unsigned i = 0; i < FORGE_ARENA_HEAPS; i++)
		if (forge->arena[i].bytes)
			mf_target_forge_mapping(
				forge->target,
				&(struct mf_mapping){
					.start = forge_arena_heap(i),
					.end = forge_arena_heap(i) +
					       FORGE_ARENA_HEAP_SIZE,
					.perms = MF_PERM_READ | MF_PERM_WRITE,
					.path = "" },
				forge->arena[i].bytes, NULL);
	assert_null(
		mf_image_create(forge->target, &image_options, &forge->image));
	assert_null(
		mf_space_create(forge->target, forge->image, &forge->space));
	assert_null(mf_heap_create(forge->target, forge->image, &options,
				   &forge->model));
	assert_null(mf_heap_read(forge->model, forge->space));
	assert_null(mf_heap_finish(forge->model));
	allocators = mf_heap_allocators(forge->model, &count);
	for (size_t i = 0; i < count; i++)
		if (strcmp(allocators[i].name, "glibc") == 0)
			return &allocators[i];
	return NULL;
}

static inline void forge_deinit(struct forge *forge)
{
	mf_heap_destroy(forge->model);
	mf_space_destroy(forge->space);
	mf_image_destroy(forge->image);
	mf_target_close(forge->target);
	free(forge->data.bytes);
	free(forge->heap.bytes);
	for (unsigned i = 0; i < FORGE_ARENA_HEAPS; i++)
		free(forge->arena[i].bytes);
}

#endif
