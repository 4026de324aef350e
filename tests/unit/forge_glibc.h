/*
 * Forges the memory of a process that uses glibc's malloc, of any generation
 * and page size: a libc with main_arena and mp_ in its data (no symbols), heaps
 * of chunks in every state, further arenas, thread caches, mmapped chunks, gaps.
 * What it forges it also counts: forge->truth is what a reader has to find.
 *
 * forge_init, forge_tcache, forge_chunk, forge_finish: glibc 2.36 with one heap.
 */
#ifndef MF_TESTS_FORGE_GLIBC_H
#define MF_TESTS_FORGE_GLIBC_H

#include "forge_glibc_state.h"

/* ---- chunks ------------------------------------------------------------------- */

static inline void forge_add(struct mf_amount *amount, uint64_t bytes)
{
	amount->count++;
	amount->bytes += bytes;
}

static inline void forge_count_chunk(struct forge_truth *truth, uint64_t size,
				     enum forge_state state)
{
	struct mf_amount *const amounts[] = {
		[FORGE_IN_USE] = &truth->in_use, [FORGE_SMALL] = &truth->free,
		[FORGE_UNSORTED] = &truth->free, [FORGE_FAST] = &truth->fastbin,
		[FORGE_TCACHE] = &truth->tcache, [FORGE_IS_TOP] = &truth->top,
	};

	if (state == FORGE_IS_OVERHEAD) {
		truth->overhead += size;
		return;
	}
	forge_add(amounts[state], size);
	if (state == FORGE_UNSORTED)
		forge_add(&truth->unsorted, size);
	else if (state == FORGE_SMALL)
		forge_add(size < 1024 ? &truth->small : &truth->large, size);
}

/* A header of SIZE bytes with FLAGS, and what its place says of the chunk
 * before it; the chunk behind it begins at the end of BYTES. */
static inline uint64_t forge_header(struct forge *forge,
				    struct forge_segment *segment,
				    uint64_t bytes, uint64_t size_field,
				    enum forge_state state)
{
	uint64_t at = segment->next;

	assert_true(bytes <= segment->end - at);
	forge_set(forge, at + 8, size_field | !segment->previous_free);
	if (segment->previous_free)
		forge_set(forge, at, segment->previous_size);
	mf_vec_push(&forge->records,
		    (struct forge_record){ at, bytes, state, segment->arena });
	forge_count_chunk(&forge->truth[segment->arena], bytes, state);
	segment->next += bytes;
	segment->previous_free =
		state == FORGE_SMALL || state == FORGE_UNSORTED;
	segment->previous_size = bytes;
	return at;
}

/** Appends a chunk of SIZE bytes to SEGMENT; its address. */
static inline uint64_t forge_append(struct forge *forge,
				    struct forge_segment *segment,
				    uint64_t size, enum forge_state state)
{
	struct forge_truth *truth = &forge->truth[segment->arena];
	/* NON_MAIN_ARENA is only on what has been handed out. */
	uint64_t flags = segment->arena && state != FORGE_UNSORTED ? 4 : 0;
	uint64_t chunk =
		forge_header(forge, segment, size, size | flags, state);

	if (state == FORGE_SMALL)
		forge_bin_chunk(forge, truth, chunk, size);
	else if (state == FORGE_UNSORTED)
		forge_link(forge, forge_bin_of(forge, truth->address, 1),
			   chunk);
	else if (state == FORGE_FAST)
		forge_fast_chunk(forge, truth, chunk, size);
	else if (state == FORGE_TCACHE)
		forge_cache_chunk(forge, chunk, size);
	return chunk;
}

/** Appends a chunk of SIZE bytes to the main arena's heap; its address. */
static inline uint64_t forge_chunk(struct forge *forge, uint64_t size,
				   enum forge_state state)
{
	return forge_append(forge, &forge->main, size, state);
}

/** Nobody's bytes: a gap that others made. */
static inline void forge_gap(struct forge *forge, struct forge_segment *segment,
			     uint64_t bytes)
{
	assert_false(segment->previous_free);
	assert_true(bytes <= segment->end - segment->next);
	mf_vec_push(&forge->records,
		    (struct forge_record){ segment->next, bytes,
					   FORGE_IS_OVERHEAD, segment->arena });
	forge->truth[segment->arena].overhead += bytes;
	segment->next += bytes;
}

/** The end of the main arena's memory where the next is elsewhere: COUNT
 * headers of 16 bytes; three when the old top had but 48. */
static inline void forge_fence_main(struct forge *forge,
				    struct forge_segment *segment,
				    unsigned count)
{
	while (count--)
		forge_header(forge, segment, 16, 16, FORGE_IS_OVERHEAD);
	assert_int_equal(segment->next % forge->page, 0);
}

/** The end of a heap that is full: a header of 16 and one of 0 bytes, or, as
 * when the old top had 48, LONE, the one of 0. */
static inline void forge_fence_heap(struct forge *forge,
				    struct forge_segment *segment, bool lone)
{
	if (!lone)
		forge_header(forge, segment, 16, 16, FORGE_IS_OVERHEAD);
	forge_header(forge, segment, 16, 0, FORGE_IS_OVERHEAD);
	assert_int_equal(segment->next, segment->end);
}

/** The rest of SEGMENT becomes its arena's top. */
static inline void forge_top(struct forge *forge, struct forge_segment *segment)
{
	uint64_t size = segment->end - segment->next;
	uint64_t top = forge_header(forge, segment, size, size, FORGE_IS_TOP);

	forge_set(forge,
		  forge->truth[segment->arena].address +
			  forge->generation->state.top,
		  top);
}

/** A new tcache struct, in a chunk of SEGMENT, from now on takes chunks. */
static inline void forge_tcache_in(struct forge *forge,
				   struct forge_segment *segment)
{
	const struct forge_tcache_shape *shape = &forge->generation->tcache;
	uint16_t left = (uint16_t)forge->generation->tcache_count;

	assert_true(shape->chunk_size);
	forge->tcache =
		forge_append(forge, segment, shape->chunk_size, FORGE_IN_USE) +
		16;
	for (unsigned i = 0; shape->slots_left && i < shape->bins; i++)
		memcpy(forge_at(forge, forge->tcache + 2 * (uint64_t)i), &left,
		       2);
}

/** The first chunk: the tcache struct, as in a real process. */
static inline void forge_tcache(struct forge *forge)
{
	forge_tcache_in(forge, &forge->main);
}

/** The rest becomes the top; system_mem is all of the heap. */
static inline void forge_finish(struct forge *forge)
{
	forge_top(forge, &forge->main);
}

/* ---- further arenas ---------------------------------------------------------- */

/** A heap of SIZE bytes at BASE, of which COMMITTED can be used, for ARENA,
 * whose newest it is; the rest of its heap_max is reserved. */
static inline struct forge_segment forge_heap(struct forge *forge,
					      unsigned arena, uint64_t base,
					      uint64_t size, uint64_t committed)
{
	struct forge_truth *truth = &forge->truth[arena];
	uint64_t header = forge->generation->heap_info;

	forge_map(forge, base, committed, "");
	mf_vec_push(&forge->memory,
		    (struct forge_memory){ .base = base + committed,
					   .size = forge->heap_max - committed,
					   .path = "" });
	forge_set(forge, base, truth->address);
	forge_set(forge, base + 8, truth->newest);
	forge_set(forge, base + 16, size);
	forge_set(forge, base + 24, committed);
	if (header >= sizeof(struct forge_heap_info_2_35))
		forge_set(forge, base + 32, forge->page);
	truth->newest = base;
	truth->heaps++;
	truth->overhead += header;
	return (struct forge_segment){ .next = base + header,
				       .end = base + size,
				       .arena = arena };
}

/** A new arena in the ring, and its first heap of SIZE bytes. */
static inline struct forge_segment forge_new_arena(struct forge *forge,
						   uint64_t base, uint64_t size)
{
	const struct forge_state_offsets *state = &forge->generation->state;
	uint64_t address = base + forge->generation->heap_info;
	uint64_t next = forge_main_arena() + state->next;
	unsigned arena = forge->arenas;
	struct forge_segment segment;
	uint64_t first;

	assert_true(arena < FORGE_ARENAS);
	forge->truth[arena].address = address;
	segment = forge_heap(forge, arena, base, size, size);
	forge_state_init(forge, address, false);
	forge_set(forge, address + state->next, forge_get(forge, next));
	forge_set(forge, next, address);
	forge_grow(forge, arena, size);
	first = forge_round_up(address + state->size, 16);
	forge->truth[arena].overhead += first - address;
	segment.next = first;
	return segment;
}

/** A further heap, that holds chunks from its start on. */
static inline struct forge_segment forge_more(struct forge *forge,
					      unsigned arena, uint64_t base,
					      uint64_t size, uint64_t committed)
{
	forge_grow(forge, arena, size);
	return forge_heap(forge, arena, base, size, committed);
}

static inline uint64_t forge_arena_heap(unsigned number)
{
	return FORGE_ARENA + (uint64_t)number * FORGE_HEAP_MAX;
}

/** Where the chunks of heap NUMBER of 2.36's second arena begin. */
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
	struct forge_segment first = forge_new_arena(forge, forge_arena_heap(0),
						     FORGE_ARENA_HEAP_SIZE);
	struct forge_segment second =
		forge_more(forge, first.arena, forge_arena_heap(1),
			   FORGE_ARENA_HEAP_SIZE, FORGE_ARENA_HEAP_SIZE);

	while (first.end - first.next >= 0x140)
		forge_append(forge, &first, 0x100, FORGE_IN_USE);
	forge_append(forge, &first, first.end - first.next - 0x20,
		     FORGE_IN_USE);
	forge_fence_heap(forge, &first, false);
	forge_top(forge, &second);
}

/* ---- mmapped chunks ------------------------------------------------------------ */

/**
 * A chunk OFFSET bytes into its mapping of SIZE bytes at BASE, which exists
 * already (forge_map). An aligned one leaves the header at its start as it was.
 */
static inline void forge_mmapped(struct forge *forge, uint64_t base,
				 uint64_t size, uint64_t offset)
{
	const struct forge_par_offsets *par = &forge->generation->par;
	uint64_t less = forge->generation->mmapped_shortfall;

	forge_set(forge, base + 8, (size - less) | 2);
	forge_set(forge, base + offset, offset);
	forge_set(forge, base + offset + 8, (size - offset - less) | 2);
	forge_add(&forge->mmapped, size);
	forge_set32(forge, forge_par(forge, par->n_mmaps),
		    (uint32_t)forge->mmapped.count);
	forge_set(forge, forge_par(forge, par->mmapped_mem),
		  forge->mmapped.bytes);
	/* there have been more */
	forge_set32(forge, forge_par(forge, par->max_n_mmaps),
		    (uint32_t)forge->mmapped.count + 2);
	forge_set(forge, forge_par(forge, par->max_mmapped_mem),
		  forge->mmapped.bytes + FORGE_GIVEN_BACK);
	if (par->max_total_mem != FORGE_NONE)
		forge_set(forge, forge_par(forge, par->max_total_mem),
			  forge->mmapped.bytes);
}

/* ---- reading what was forged ------------------------------------------------------- */

static inline void forge_mapping(struct forge *forge,
				 const struct forge_memory *memory)
{
	bool is_file = memory->path[0] == '/';
	unsigned perms = memory->bytes ? MF_PERM_READ | MF_PERM_WRITE : 0;

	mf_target_forge_mapping(
		forge->target,
		&(struct mf_mapping){ .start = memory->base,
				      .end = memory->base + memory->size,
				      .offset = is_file ? forge->page : 0,
				      .inode = is_file ? 7 : 0,
				      .perms = perms,
				      .vm_flags = memory->vm_flags,
				      .path = memory->path },
		memory->bytes, memory->pages);
}

/** Makes the target of what was forged. */
static inline void forge_open(struct forge *forge)
{
	forge->target = mf_target_create_forged();
	mf_target_forge_page_size(forge->target, forge->page);
	if (forge->user_end)
		mf_target_forge_user_end(forge->target, forge->user_end);
	mf_target_forge_mapping(
		forge->target,
		&(struct mf_mapping){ .start = FORGE_DATA - forge->page,
				      .end = FORGE_DATA,
				      .inode = 7,
				      .perms = MF_PERM_READ | MF_PERM_EXEC,
				      .path = "/lib/libc.so.6" },
		NULL, NULL);
	mf_vec_foreach(memory, &forge->memory)
		forge_mapping(forge, memory);
}

/** Reads the target that was made, and gives its glibc, or NULL. */
static inline const struct mf_allocator *forge_model(struct forge *forge)
{
	const struct mf_heap_options options = { .no_symbols = true,
						 .trim_ranges = true };
	const struct mf_image_options image_options = { .no_debuginfo = true };
	const struct mf_allocator *allocators;
	size_t count;

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

/** Makes the target and reads it. HEAP_PAGES: flags of the main heap's pages;
 * NULL: all present. */
static inline const struct mf_allocator *forge_read(struct forge *forge,
						    const uint8_t *heap_pages)
{
	if (heap_pages)
		forge_memory_at(forge, FORGE_HEAP)->pages = heap_pages;
	forge_open(forge);
	return forge_model(forge);
}

static inline void forge_deinit(struct forge *forge)
{
	mf_heap_destroy(forge->model);
	mf_space_destroy(forge->space);
	mf_image_destroy(forge->image);
	mf_target_close(forge->target);
	mf_vec_foreach(memory, &forge->memory) {
		free(memory->bytes);
		free(memory->own_pages);
	}
	mf_vec_deinit(&forge->memory);
	mf_vec_deinit(&forge->records);
}

#endif
