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

#include "memforensics/heap.h"
#include "memforensics/image.h"
#include "memforensics/space.h"
#include "memforensics/target.h"

#include "base/vec.h"
#include "forge_glibc_generations.h"
#include "unit.h"

#define FORGE_DATA  UINT64_C(0x7f0000200000)
#define FORGE_HEAP  UINT64_C(0x555555600000)
#define FORGE_ARENA UINT64_C(0x7f1000000000)
#define FORGE_MMAP  UINT64_C(0x7f0800000000)
#define FORGE_KEY   UINT64_C(0x5eed5eed5eed5eed)

enum {
	FORGE_PAGE = 4096,
	FORGE_DATA_SIZE = 0x10000,
	FORGE_HEAP_SIZE = 0x100000,
	FORGE_MAIN_ARENA = 0xc60, /* in the data */
	FORGE_PARAMETERS = 0x300,
	FORGE_ARENA_HEAPS = 2,
	FORGE_ARENA_HEAP_SIZE = 0x21000,
	FORGE_HEAP_MAX = 64 << 20,
	FORGE_ARENAS = 4,
	/* of 2.36, for those who forge that */
	FORGE_BINS = 112,
	FORGE_TOP = 96,
	FORGE_FASTBINS = 16,
	FORGE_STATE_SIZE = 2200,
	FORGE_FIRST_CHUNK = 0x8d0, /* of an arena's first heap */
};

enum forge_state {
	FORGE_IN_USE,
	FORGE_SMALL, /* free, in its small or large bin */
	FORGE_UNSORTED,
	FORGE_FAST,
	FORGE_TCACHE,
	FORGE_IS_TOP, /* not for forge_chunk: for the records */
	FORGE_IS_OVERHEAD,
};

struct forge_memory {
	uint64_t base;
	size_t size;
	uint8_t *bytes;	      /* NULL: address space only */
	const uint8_t *pages; /* flags; NULL: all present */
	const char *path;
};

/** Where chunks of an arena are appended, one behind the other. */
struct forge_segment {
	uint64_t next, end;
	unsigned arena; /* index in forge.truth */
	bool previous_free;
	uint64_t previous_size;
};

struct forge_record {
	uint64_t address, size;
	enum forge_state state;
	unsigned arena;
};

/** What has been forged of an arena. */
struct forge_truth {
	uint64_t address; /* of its malloc_state */
	uint64_t newest;  /* heap, of other than the main arena */
	uint64_t system;
	struct mf_amount in_use, tcache, fastbin, free, top;
	struct mf_amount small, large, unsorted; /* free, by its bin */
	uint64_t overhead;
	unsigned heaps;
};

struct forge {
	union {
		uint64_t next; /* where the next chunk goes */
		struct forge_segment main;
	};
	uint64_t tcache; /* user address of the one that caches */
	const struct forge_generation *generation;
	uint32_t page;
	MF_VEC(struct forge_memory) memory;
	MF_VEC(struct forge_record) records;
	struct forge_truth truth[FORGE_ARENAS];
	unsigned arenas;
	struct mf_amount mmapped;
	struct mf_target *target;
	struct mf_image *image;
	struct mf_space *space;
	struct mf_heap *model;
};

/* ---- memory ------------------------------------------------------------- */

/** Zeroed memory that can be written; "[heap]", a path, or "". */
static inline void forge_map(struct forge *forge, uint64_t base, size_t size,
			     const char *path)
{
	mf_vec_push(&forge->memory,
		    (struct forge_memory){ base, size, calloc(1, size), NULL,
					   path });
}

static inline struct forge_memory *forge_memory_at(struct forge *forge,
						   uint64_t address)
{
	mf_vec_foreach(memory, &forge->memory)
		if (memory->bytes && address >= memory->base &&
		    address < memory->base + memory->size)
			return memory;
	fail_msg("nothing is forged at %#llx", (unsigned long long)address);
	return NULL;
}

static inline uint8_t *forge_at(struct forge *forge, uint64_t address)
{
	struct forge_memory *memory = forge_memory_at(forge, address);

	assert_true(address + 8 <= memory->base + memory->size);
	return memory->bytes + (address - memory->base);
}

static inline void forge_set(struct forge *forge, uint64_t address,
			     uint64_t value)
{
	memcpy(forge_at(forge, address), &value, sizeof(value));
}

static inline void forge_set32(struct forge *forge, uint64_t address,
			       uint32_t value)
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

static inline uint64_t forge_round_up(uint64_t value, uint64_t to)
{
	return (value + to - 1) / to * to;
}

/* ---- malloc_par --------------------------------------------------------- */

static inline uint64_t forge_par(const struct forge *forge, uint32_t offset)
{
	assert_true(offset < forge->generation->par.size);
	return FORGE_DATA + FORGE_PARAMETERS + offset;
}

static inline void forge_parameters(struct forge *forge)
{
	const struct forge_par_offsets *par = &forge->generation->par;

	forge_set(forge, forge_par(forge, 0), 131072);	/* trim_threshold */
	forge_set(forge, forge_par(forge, 8), 131072);	/* top_pad */
	forge_set(forge, forge_par(forge, 16), 131072); /* mmap_threshold */
	forge_set(forge, forge_par(forge, par->arena_test), 8);
	forge_set32(forge, forge_par(forge, par->n_mmaps_max), 65536);
	if (par->tcache_bins == FORGE_NONE)
		return;
	forge_set(forge, forge_par(forge, par->tcache_bins), 64);
	forge_set(forge, forge_par(forge, par->tcache_max_bytes),
		  forge->generation->first < 243 ? 1032 : 1041);
	forge_set(forge, forge_par(forge, par->tcache_count),
		  forge->generation->tcache_count);
}

/** sbrk, or what stood in for it, first gave memory here. */
static inline void forge_sbrk_base(struct forge *forge, uint64_t base)
{
	forge_set(forge, forge_par(forge, forge->generation->par.sbrk_base),
		  base);
}

/* ---- malloc_state ------------------------------------------------------- */

/* The list head, as the chunk that it poses as. */
static inline uint64_t forge_bin_of(const struct forge *forge, uint64_t arena,
				    unsigned index)
{
	return arena + forge->generation->state.bins + 16 * (uint64_t)index -
	       32;
}

/** Of 2.36's main arena. */
static inline uint64_t forge_bin(unsigned index)
{
	return forge_main_arena() + FORGE_BINS + 16 * (uint64_t)(index - 1) -
	       16;
}

static inline void forge_state_init(struct forge *forge, uint64_t arena,
				    bool contiguous)
{
	const struct forge_state_offsets *state = &forge->generation->state;
	/* until 2.26 the lowest bit says that fast bins are empty */
	uint32_t flags = forge->generation->first <= 226 ? 1 : 0;

	for (unsigned i = 1; i <= 127; i++) {
		uint64_t bin = forge_bin_of(forge, arena, i);

		forge_set(forge, bin + 16, bin);
		forge_set(forge, bin + 24, bin);
	}
	forge_set32(forge, arena + 4, flags | (contiguous ? 0 : 2));
	forge_set(forge, arena + state->top, forge_bin_of(forge, arena, 1));
	forge_set(forge, arena + state->next, arena);
	if (state->attached_threads != FORGE_NONE)
		forge_set(forge, arena + state->attached_threads, 1);
	forge->truth[forge->arenas++].address = arena;
}

/** BYTES more from the kernel. */
static inline void forge_grow(struct forge *forge, unsigned arena,
			      uint64_t bytes)
{
	const struct forge_state_offsets *state = &forge->generation->state;
	struct forge_truth *truth = &forge->truth[arena];

	truth->system += bytes;
	forge_set(forge, truth->address + state->system_mem, truth->system);
	forge_set(forge, truth->address + state->max_system_mem, truth->system);
}

/** A process with malloc's state and nothing allocated yet. */
static inline void forge_start(struct forge *forge,
			       const struct forge_generation *generation,
			       uint32_t page)
{
	*forge = (struct forge){ .generation = generation, .page = page };
	forge_map(forge, FORGE_DATA, FORGE_DATA_SIZE, "/lib/libc.so.6");
	forge_parameters(forge);
	forge_state_init(forge, forge_main_arena(), true);
}

/** The main arena's first memory: [BASE, BASE + SIZE), named PATH. */
static inline void forge_main(struct forge *forge, uint64_t base, uint64_t size,
			      const char *path)
{
	forge_map(forge, base, size, path);
	forge_sbrk_base(forge, base);
	forge_grow(forge, 0, size);
	forge->main =
		(struct forge_segment){ .next = base, .end = base + size };
}

static inline void forge_init(struct forge *forge)
{
	forge_start(forge, forge_generation(236), FORGE_PAGE);
	forge_main(forge, FORGE_HEAP, FORGE_HEAP_SIZE, "[heap]");
}

/* ---- lists ------------------------------------------------------------------ */

/** The bin of a free chunk of SIZE bytes. */
static inline unsigned forge_bin_index(uint64_t size)
{
	if (size < 1024)
		return (unsigned)(size / 16);
	if (size <= 0xc30)
		return 48 + (unsigned)(size / 64);
	if (size <= 0x2a30)
		return 91 + (unsigned)(size / 512);
	if (size <= 0xaff0)
		return 110 + (unsigned)(size / 4096);
	if (size <= 0x27ff0)
		return 119 + (unsigned)(size / 32768);
	return size <= 0xbfff0 ? 124 + (unsigned)(size / 262144) : 126;
}

/* Puts CHUNK into the circular list of HEAD, behind AFTER. */
static inline void forge_link_after(struct forge *forge, uint64_t after,
				    uint64_t chunk)
{
	uint64_t before = forge_get(forge, after + 16);

	forge_set(forge, chunk + 16, before);
	forge_set(forge, chunk + 24, after);
	forge_set(forge, after + 16, chunk);
	forge_set(forge, before + 24, chunk);
}

/** Puts CHUNK first into the circular list of HEAD. */
static inline void forge_link(struct forge *forge, uint64_t head,
			      uint64_t chunk)
{
	forge_link_after(forge, head, chunk);
}

static inline uint64_t forge_size(struct forge *forge, uint64_t chunk)
{
	return forge_get(forge, chunk + 8) & ~UINT64_C(7);
}

/* The first of each size is in a second ring, in the same order. */
static inline void forge_skip_ring(struct forge *forge, uint64_t head)
{
	uint64_t first = forge_get(forge, head + 16), last = first;

	forge_set(forge, first + 32, first);
	forge_set(forge, first + 40, first);
	for (uint64_t at = forge_get(forge, first + 16); at != head;
	     at = forge_get(forge, at + 16)) {
		bool leads = forge_size(forge, at) != forge_size(forge, last);

		forge_set(forge, at + 32, leads ? first : 0);
		forge_set(forge, at + 40, leads ? last : 0);
		if (!leads)
			continue;
		forge_set(forge, last + 32, at);
		forge_set(forge, first + 40, at);
		last = at;
	}
}

/* Largest first. */
static inline void forge_link_sorted(struct forge *forge, uint64_t head,
				     uint64_t chunk)
{
	uint64_t after = head, size = forge_size(forge, chunk);

	while (forge_get(forge, after + 16) != head &&
	       forge_size(forge, forge_get(forge, after + 16)) >= size)
		after = forge_get(forge, after + 16);
	forge_link_after(forge, after, chunk);
	forge_skip_ring(forge, head);
}

static inline void forge_bin_chunk(struct forge *forge,
				   struct forge_truth *truth, uint64_t chunk,
				   uint64_t size)
{
	unsigned index = forge_bin_index(size);
	uint64_t head = forge_bin_of(forge, truth->address, index);
	uint64_t map = truth->address + forge->generation->state.binmap +
		       index / 32 * 4;
	uint32_t bits;

	memcpy(&bits, forge_at(forge, map), sizeof(bits));
	forge_set32(forge, map, bits | UINT32_C(1) << index % 32);
	if (index < 64)
		forge_link(forge, head, chunk);
	else
		forge_link_sorted(forge, head, chunk);
}

/* MEMBER becomes the first of the single list of HEAD; its link is at PLACE. */
static inline void forge_push(struct forge *forge, uint64_t head,
			      uint64_t member, uint64_t place)
{
	uint64_t next = forge_get(forge, head);

	forge_set(forge, place,
		  forge->generation->mangled ? place >> 12 ^ next : next);
	forge_set(forge, head, member);
}

static inline void forge_fast_chunk(struct forge *forge,
				    const struct forge_truth *truth,
				    uint64_t chunk, uint64_t size)
{
	const struct forge_state_offsets *state = &forge->generation->state;
	uint32_t flags;

	assert_int_not_equal(state->fastbins, FORGE_NONE);
	forge_push(forge,
		   truth->address + state->fastbins + 8 * (size / 16 - 2),
		   chunk, chunk + 16);
	if (state->have_fastchunks != FORGE_NONE) {
		forge_set32(forge, truth->address + state->have_fastchunks, 1);
		return;
	}
	memcpy(&flags, forge_at(forge, truth->address + 4), sizeof(flags));
	forge_set32(forge, truth->address + 4, flags & ~UINT32_C(1));
}

/* A counter goes up, or (2.42) says that one less will fit. */
static inline void forge_count_cached(struct forge *forge, uint64_t bin)
{
	const struct forge_tcache_shape *shape = &forge->generation->tcache;
	uint8_t *at = forge_at(forge, forge->tcache + shape->count_size * bin);
	uint16_t count = *at;

	if (shape->count_size == 2)
		memcpy(&count, at, sizeof(count));
	count = (uint16_t)(shape->slots_left ? count - 1 : count + 1);
	memcpy(at, &count, shape->count_size);
}

static inline void forge_cache_chunk(struct forge *forge, uint64_t chunk,
				     uint64_t size)
{
	const struct forge_generation *generation = forge->generation;
	uint64_t bin = size / 16 - 2;

	assert_true(forge->tcache && bin < 64);
	forge_count_cached(forge, bin);
	forge_push(forge, forge->tcache + generation->tcache.entries + 8 * bin,
		   chunk + 16, chunk + 16);
	if (generation->key != FORGE_NO_KEY)
		forge_set(forge, chunk + 24,
			  generation->key == FORGE_KEY_IS_TCACHE ? forge->tcache
								 : FORGE_KEY);
}

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
 * whose newest it is; the rest of its 64 MiB is reserved. */
static inline struct forge_segment forge_heap(struct forge *forge,
					      unsigned arena, uint64_t base,
					      uint64_t size, uint64_t committed)
{
	struct forge_truth *truth = &forge->truth[arena];
	uint64_t header = forge->generation->heap_info;

	forge_map(forge, base, committed, "");
	mf_vec_push(&forge->memory,
		    (struct forge_memory){ .base = base + committed,
					   .size = FORGE_HEAP_MAX - committed,
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
	forge_set32(forge, forge_par(forge, par->max_n_mmaps),
		    (uint32_t)forge->mmapped.count);
	forge_set(forge, forge_par(forge, par->mmapped_mem),
		  forge->mmapped.bytes);
	forge_set(forge, forge_par(forge, par->max_mmapped_mem),
		  forge->mmapped.bytes);
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
				      .path = memory->path },
		memory->bytes, memory->pages);
}

/** Makes the target of what was forged. */
static inline void forge_open(struct forge *forge)
{
	forge->target = mf_target_create_forged();
	mf_target_forge_page_size(forge->target, forge->page);
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

/** Makes the target, reads it, and gives its glibc, or NULL. HEAP_PAGES: flags
 * of the main heap's pages; NULL: all present. */
static inline const struct mf_allocator *forge_read(struct forge *forge,
						    const uint8_t *heap_pages)
{
	const struct mf_heap_options options = { .no_symbols = true,
						 .trim_ranges = true };
	const struct mf_image_options image_options = { .no_debuginfo = true };
	const struct mf_allocator *allocators;
	size_t count;

	if (heap_pages)
		forge_memory_at(forge, FORGE_HEAP)->pages = heap_pages;
	forge_open(forge);
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
	mf_vec_foreach(memory, &forge->memory)
		free(memory->bytes);
	mf_vec_deinit(&forge->memory);
	mf_vec_deinit(&forge->records);
}

#endif
