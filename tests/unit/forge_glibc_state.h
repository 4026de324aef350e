/*
 * What a forged process has beside its chunks: its memory, malloc's parameters
 * and arenas, and the lists that chunks are put into. For forge_glibc.h.
 */
#ifndef MF_TESTS_FORGE_GLIBC_STATE_H
#define MF_TESTS_FORGE_GLIBC_STATE_H

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
	FORGE_MAIN_ARENA = 0x7c60, /* in the data */
	FORGE_PARAMETERS = 0x7300,
	FORGE_ARENA_HEAPS = 2,
	FORGE_ARENA_HEAP_SIZE = 0x21000,
	FORGE_HEAP_MAX = 64 << 20,
	FORGE_ARENAS = 4,
	FORGE_GIVEN_BACK = 0x30000, /* of an arena's memory, earlier */
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
	uint8_t *own_pages; /* by forge_holes */
	unsigned vm_flags;
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
	uint64_t address;      /* of its malloc_state */
	uint64_t newest;       /* heap, of other than the main arena */
	uint64_t system, most; /* now, and ever */
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
	uint64_t heap_max; /* address space of a heap */
	uint64_t user_end; /* 0: as on x86-64 */
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
		    (struct forge_memory){ .base = base,
					   .size = size,
					   .bytes = calloc(1, size),
					   .path = path });
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

/** Of the pages that hold only zeros some are not there, some the zero page. */
static inline void forge_holes(struct forge *forge)
{
	static const uint8_t flags[] = { 0, MF_PAGE_PRESENT,
					 MF_PAGE_PRESENT | MF_PAGE_ZERO };

	mf_vec_foreach(memory, &forge->memory) {
		size_t pages = memory->size / forge->page;

		if (!memory->bytes || memory->path[0] == '/')
			continue;
		memory->own_pages = calloc(1, pages);
		memory->pages = memory->own_pages;
		for (size_t i = 0; i < pages; i++) {
			const uint8_t *bytes = memory->bytes + i * forge->page;
			bool zero = !bytes[0] &&
				    !memcmp(bytes, bytes + 1, forge->page - 1);

			memory->own_pages[i] = flags[zero ? i % 3 : 1];
		}
	}
}

static inline bool forge_is_resident(const struct forge *forge,
				     uint64_t address)
{
	for (size_t i = 0; i < forge->memory.count; i++) {
		const struct forge_memory *memory = &forge->memory.items[i];

		if (memory->bytes && address >= memory->base &&
		    address < memory->base + memory->size)
			return !memory->pages ||
			       memory->pages[(address - memory->base) /
					     forge->page] == MF_PAGE_PRESENT;
	}
	return false;
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
	truth->most = truth->system + FORGE_GIVEN_BACK;
	forge_set(forge, truth->address + state->max_system_mem, truth->most);
}

/** A process with malloc's state and nothing allocated yet. */
static inline void forge_start(struct forge *forge,
			       const struct forge_generation *generation,
			       uint32_t page)
{
	*forge = (struct forge){ .generation = generation,
				 .page = page,
				 .heap_max = FORGE_HEAP_MAX };
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

#endif
