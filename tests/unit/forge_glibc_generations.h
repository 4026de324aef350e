/*
 * What glibc's malloc looks like in memory, from 2.17 to 2.44, x86-64 and
 * aarch64: its structs as each generation's source declares them, so that it is
 * the compiler who says the offsets, and nothing here has been taken from the
 * tables that the tests are to prove.
 */
#ifndef MF_TESTS_FORGE_GLIBC_GENERATIONS_H
#define MF_TESTS_FORGE_GLIBC_GENERATIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FORGE_NONE UINT32_MAX /* no such field */

/* ---- malloc_state ------------------------------------------------------- */

struct forge_state_2_17 {
	int32_t mutex, flags;
	uint64_t fastbins[10];
	uint64_t top, last_remainder;
	uint64_t bins[254];
	uint32_t binmap[4];
	uint64_t next, next_free;
	uint64_t system_mem, max_system_mem;
};

struct forge_state_2_23 {
	int32_t mutex, flags;
	uint64_t fastbins[10];
	uint64_t top, last_remainder;
	uint64_t bins[254];
	uint32_t binmap[4];
	uint64_t next, next_free, attached_threads;
	uint64_t system_mem, max_system_mem;
};

struct forge_state_2_27 {
	int32_t mutex, flags, have_fastchunks;
	uint64_t fastbins[10];
	uint64_t top, last_remainder;
	uint64_t bins[254];
	uint32_t binmap[4];
	uint64_t next, next_free, attached_threads;
	uint64_t system_mem, max_system_mem;
};

struct forge_state_2_43 {
	int32_t mutex, flags;
	uint64_t top, last_remainder;
	uint64_t bins[254];
	uint32_t binmap[4];
	uint64_t next, next_free, attached_threads;
	uint64_t system_mem, max_system_mem;
};

struct forge_state_offsets {
	uint32_t have_fastchunks, fastbins, top, last_remainder, bins, binmap,
		next, next_free, attached_threads, system_mem, max_system_mem,
		size;
};

#define FORGE_STATE_COMMON(type)                                 \
	.top = offsetof(struct type, top),                       \
	.last_remainder = offsetof(struct type, last_remainder), \
	.bins = offsetof(struct type, bins),                     \
	.binmap = offsetof(struct type, binmap),                 \
	.next = offsetof(struct type, next),                     \
	.next_free = offsetof(struct type, next_free),           \
	.system_mem = offsetof(struct type, system_mem),         \
	.max_system_mem = offsetof(struct type, max_system_mem), \
	.size = sizeof(struct type)

/* ---- malloc_par --------------------------------------------------------- */

struct forge_par_2_17 {
	uint64_t trim_threshold, top_pad, mmap_threshold, arena_test, arena_max;
	int32_t n_mmaps, n_mmaps_max, max_n_mmaps, no_dyn_threshold;
	uint64_t mmapped_mem, max_mmapped_mem, max_total_mem;
	uint64_t sbrk_base;
};

struct forge_par_2_24 {
	uint64_t trim_threshold, top_pad, mmap_threshold, arena_test, arena_max;
	int32_t n_mmaps, n_mmaps_max, max_n_mmaps, no_dyn_threshold;
	uint64_t mmapped_mem, max_mmapped_mem;
	uint64_t sbrk_base;
};

struct forge_par_2_26 {
	uint64_t trim_threshold, top_pad, mmap_threshold, arena_test, arena_max;
	int32_t n_mmaps, n_mmaps_max, max_n_mmaps, no_dyn_threshold;
	uint64_t mmapped_mem, max_mmapped_mem;
	uint64_t sbrk_base;
	uint64_t tcache_bins, tcache_max_bytes, tcache_count,
		tcache_unsorted_limit;
};

struct forge_par_2_35 {
	uint64_t trim_threshold, top_pad, mmap_threshold, arena_test, arena_max;
	uint64_t thp_pagesize, hp_pagesize;
	int32_t hp_flags;
	int32_t n_mmaps, n_mmaps_max, max_n_mmaps, no_dyn_threshold;
	uint64_t mmapped_mem, max_mmapped_mem;
	uint64_t sbrk_base;
	uint64_t tcache_bins, tcache_max_bytes, tcache_count,
		tcache_unsorted_limit;
};

struct forge_par_2_43 {
	uint64_t trim_threshold, top_pad, mmap_threshold, arena_test, arena_max;
	int32_t thp_mode;
	uint64_t thp_pagesize, hp_pagesize;
	int32_t hp_flags;
	int32_t n_mmaps, n_mmaps_max, max_n_mmaps, no_dyn_threshold;
	uint64_t mmapped_mem, max_mmapped_mem;
	uint64_t sbrk_base;
	uint64_t tcache_bins, tcache_max_bytes, tcache_count,
		tcache_unsorted_limit;
};

/* Without the last field it is 2.44's. */
struct forge_par_2_44 {
	uint64_t trim_threshold, top_pad, mmap_threshold, arena_test, arena_max;
	int32_t thp_mode;
	uint64_t thp_pagesize, hp_pagesize;
	int32_t hp_flags;
	int32_t n_mmaps, n_mmaps_max, max_n_mmaps, no_dyn_threshold;
	uint64_t mmapped_mem, max_mmapped_mem;
	uint64_t sbrk_base;
	uint64_t tcache_bins, tcache_max_bytes, tcache_count;
};

struct forge_par_offsets {
	uint32_t arena_test, thp_mode, thp_pagesize, hp_pagesize, n_mmaps,
		n_mmaps_max, max_n_mmaps, no_dyn_threshold, mmapped_mem,
		max_mmapped_mem, max_total_mem, sbrk_base, tcache_bins,
		tcache_max_bytes, tcache_count, tcache_unsorted_limit, size;
};

#define FORGE_PAR_COMMON(type)                                       \
	.arena_test = offsetof(struct type, arena_test),             \
	.n_mmaps = offsetof(struct type, n_mmaps),                   \
	.n_mmaps_max = offsetof(struct type, n_mmaps_max),           \
	.max_n_mmaps = offsetof(struct type, max_n_mmaps),           \
	.no_dyn_threshold = offsetof(struct type, no_dyn_threshold), \
	.mmapped_mem = offsetof(struct type, mmapped_mem),           \
	.max_mmapped_mem = offsetof(struct type, max_mmapped_mem),   \
	.sbrk_base = offsetof(struct type, sbrk_base),               \
	.size = sizeof(struct type)

#define FORGE_PAR_TCACHE(type)                                       \
	.tcache_bins = offsetof(struct type, tcache_bins),           \
	.tcache_max_bytes = offsetof(struct type, tcache_max_bytes), \
	.tcache_count = offsetof(struct type, tcache_count)

/* ---- heap_info and tcache_perthread_struct ---------------------------------- */

struct forge_heap_info_2_17 {
	uint64_t arena, previous, size, mprotect_size;
};

struct forge_heap_info_2_35 {
	uint64_t arena, previous, size, mprotect_size, pagesize;
	uint8_t padding[8];
};

struct forge_tcache_2_26 {
	uint8_t counts[64];
	uint64_t entries[64];
};

struct forge_tcache_2_30 {
	uint16_t counts[64];
	uint64_t entries[64];
};

struct forge_tcache_2_42 {
	uint16_t num_slots[76];
	uint64_t entries[76];
};

struct forge_tcache_shape {
	uint32_t chunk_size, bins, count_size, entries;
	bool slots_left; /* counters say how many more it takes */
};

enum forge_key {
	FORGE_NO_KEY,
	FORGE_KEY_IS_TCACHE, /* its struct's address */
	FORGE_KEY_IS_RANDOM, /* one number of the process */
};

/* Sizes as they were measured in the real ones. */
_Static_assert(sizeof(struct forge_state_2_17) == 2184, "2.17-2.22");
_Static_assert(sizeof(struct forge_state_2_23) == 2192, "2.23-2.26");
_Static_assert(sizeof(struct forge_state_2_27) == 2200, "2.27-2.42");
_Static_assert(sizeof(struct forge_state_2_43) == 2112, "2.43-2.44");
_Static_assert(sizeof(struct forge_par_2_17) == 88, "2.17-2.23");
_Static_assert(sizeof(struct forge_par_2_24) == 80, "2.24-2.25");
_Static_assert(sizeof(struct forge_par_2_26) == 112, "2.26-2.34");
_Static_assert(sizeof(struct forge_par_2_35) == 136, "2.35-2.42");
_Static_assert(sizeof(struct forge_par_2_43) == 144, "2.43");
_Static_assert(sizeof(struct forge_par_2_44) == 136, "2.44");
_Static_assert(sizeof(struct forge_heap_info_2_17) == 0x20, "2.17-2.34");
_Static_assert(sizeof(struct forge_heap_info_2_35) == 0x30, "2.35-2.44");

/* ---- the generations ------------------------------------------------------------ */

struct forge_generation {
	const char *versions;
	const char *said; /* the versions that its structures leave over */
	unsigned first;	  /* of them: 217 is 2.17 */
	struct forge_state_offsets state;
	struct forge_par_offsets par;
	struct forge_tcache_shape tcache; /* chunk_size 0: there is none */
	uint32_t heap_info;		  /* its size */
	enum forge_key key;
	bool mangled;		    /* links of fast bins and tcaches */
	uint32_t mmapped_shortfall; /* of an mmapped chunk's size field */
	unsigned tcache_count;
};

#define FORGE_STATE_2_17                                                     \
	{                                                                    \
		FORGE_STATE_COMMON(forge_state_2_17),                        \
			.fastbins =                                          \
				offsetof(struct forge_state_2_17, fastbins), \
			.have_fastchunks = FORGE_NONE,                       \
			.attached_threads = FORGE_NONE                       \
	}
#define FORGE_STATE_2_23                                                      \
	{                                                                     \
		FORGE_STATE_COMMON(forge_state_2_23),                         \
			.fastbins =                                           \
				offsetof(struct forge_state_2_23, fastbins),  \
			.have_fastchunks = FORGE_NONE,                        \
			.attached_threads = offsetof(struct forge_state_2_23, \
						     attached_threads)        \
	}
#define FORGE_STATE_2_27                                                      \
	{                                                                     \
		FORGE_STATE_COMMON(forge_state_2_27),                         \
			.fastbins =                                           \
				offsetof(struct forge_state_2_27, fastbins),  \
			.have_fastchunks = offsetof(struct forge_state_2_27,  \
						    have_fastchunks),         \
			.attached_threads = offsetof(struct forge_state_2_27, \
						     attached_threads)        \
	}
#define FORGE_STATE_2_43                                                       \
	{                                                                      \
		FORGE_STATE_COMMON(forge_state_2_43),                          \
			.fastbins = FORGE_NONE, .have_fastchunks = FORGE_NONE, \
			.attached_threads = offsetof(struct forge_state_2_43,  \
						     attached_threads)         \
	}

#define FORGE_PAR_OLD                                       \
	.thp_mode = FORGE_NONE, .thp_pagesize = FORGE_NONE, \
	.hp_pagesize = FORGE_NONE
#define FORGE_PAR_NO_TCACHE                                        \
	.tcache_bins = FORGE_NONE, .tcache_max_bytes = FORGE_NONE, \
	.tcache_count = FORGE_NONE, .tcache_unsorted_limit = FORGE_NONE
#define FORGE_PAR_2_17                                                   \
	{                                                                \
		FORGE_PAR_COMMON(forge_par_2_17), FORGE_PAR_OLD,         \
			.max_total_mem = offsetof(struct forge_par_2_17, \
						  max_total_mem),        \
			FORGE_PAR_NO_TCACHE                              \
	}
#define FORGE_PAR_2_24                                                   \
	{                                                                \
		FORGE_PAR_COMMON(forge_par_2_24), FORGE_PAR_OLD,         \
			.max_total_mem = FORGE_NONE, FORGE_PAR_NO_TCACHE \
	}
#define FORGE_PAR_2_26                                                        \
	{                                                                     \
		FORGE_PAR_COMMON(forge_par_2_26), FORGE_PAR_OLD,              \
			.max_total_mem = FORGE_NONE,                          \
			FORGE_PAR_TCACHE(forge_par_2_26),                     \
			.tcache_unsorted_limit = offsetof(                    \
				struct forge_par_2_26, tcache_unsorted_limit) \
	}
#define FORGE_PAR_2_35                                                         \
	{                                                                      \
		FORGE_PAR_COMMON(forge_par_2_35),                              \
			.thp_mode = FORGE_NONE,                                \
			.thp_pagesize =                                        \
				offsetof(struct forge_par_2_35, thp_pagesize), \
			.hp_pagesize =                                         \
				offsetof(struct forge_par_2_35, hp_pagesize),  \
			.max_total_mem = FORGE_NONE,                           \
			FORGE_PAR_TCACHE(forge_par_2_35),                      \
			.tcache_unsorted_limit = offsetof(                     \
				struct forge_par_2_35, tcache_unsorted_limit)  \
	}
#define FORGE_PAR_2_43                                                         \
	{                                                                      \
		FORGE_PAR_COMMON(forge_par_2_43),                              \
			.thp_mode = offsetof(struct forge_par_2_43, thp_mode), \
			.thp_pagesize =                                        \
				offsetof(struct forge_par_2_43, thp_pagesize), \
			.hp_pagesize =                                         \
				offsetof(struct forge_par_2_43, hp_pagesize),  \
			.max_total_mem = FORGE_NONE,                           \
			FORGE_PAR_TCACHE(forge_par_2_43),                      \
			.tcache_unsorted_limit = offsetof(                     \
				struct forge_par_2_43, tcache_unsorted_limit)  \
	}
#define FORGE_PAR_2_44                                                         \
	{                                                                      \
		FORGE_PAR_COMMON(forge_par_2_44),                              \
			.thp_mode = offsetof(struct forge_par_2_44, thp_mode), \
			.thp_pagesize =                                        \
				offsetof(struct forge_par_2_44, thp_pagesize), \
			.hp_pagesize =                                         \
				offsetof(struct forge_par_2_44, hp_pagesize),  \
			.max_total_mem = FORGE_NONE,                           \
			FORGE_PAR_TCACHE(forge_par_2_44),                      \
			.tcache_unsorted_limit = FORGE_NONE                    \
	}

#define FORGE_TCACHE_2_26                                                  \
	{                                                                  \
		0x250, 64, 1, offsetof(struct forge_tcache_2_26, entries), \
			false                                              \
	}
#define FORGE_TCACHE_2_30                                                  \
	{                                                                  \
		0x290, 64, 2, offsetof(struct forge_tcache_2_30, entries), \
			false                                              \
	}
#define FORGE_TCACHE_2_42(chunk_size)                                     \
	{                                                                 \
		chunk_size, 76, 2,                                        \
			offsetof(struct forge_tcache_2_42, entries), true \
	}

/* clang-format off */
static const struct forge_generation forge_generations[] = {
	{ "2.17-2.22", "2.17-2.22", 217, FORGE_STATE_2_17, FORGE_PAR_2_17, { 0 },
	  0x20, FORGE_NO_KEY, false, 0, 0 },
	/* A distribution brought attached_threads to its 2.17. */
	{ "2.17 with attached_threads, 2.23", "2.23", 223, FORGE_STATE_2_23,
	  FORGE_PAR_2_17, { 0 }, 0x20, FORGE_NO_KEY, false, 0, 0 },
	{ "2.24-2.25", "2.24-2.25", 224, FORGE_STATE_2_23, FORGE_PAR_2_24, { 0 },
	  0x20, FORGE_NO_KEY, false, 0, 0 },
	{ "2.26", "2.26", 226, FORGE_STATE_2_23, FORGE_PAR_2_26, FORGE_TCACHE_2_26,
	  0x20, FORGE_NO_KEY, false, 0, 7 },
	{ "2.27-2.28", "2.27-2.29", 227, FORGE_STATE_2_27, FORGE_PAR_2_26, FORGE_TCACHE_2_26,
	  0x20, FORGE_NO_KEY, false, 0, 7 },
	{ "2.29", "2.27-2.29", 229, FORGE_STATE_2_27, FORGE_PAR_2_26, FORGE_TCACHE_2_26,
	  0x20, FORGE_KEY_IS_TCACHE, false, 0, 7 },
	{ "2.30-2.31", "2.30-2.31", 230, FORGE_STATE_2_27, FORGE_PAR_2_26, FORGE_TCACHE_2_30,
	  0x20, FORGE_KEY_IS_TCACHE, false, 0, 7 },
	{ "2.32-2.33", "2.32-2.34", 232, FORGE_STATE_2_27, FORGE_PAR_2_26, FORGE_TCACHE_2_30,
	  0x20, FORGE_KEY_IS_TCACHE, true, 0, 7 },
	{ "2.34", "2.32-2.34", 234, FORGE_STATE_2_27, FORGE_PAR_2_26, FORGE_TCACHE_2_30,
	  0x20, FORGE_KEY_IS_RANDOM, true, 0, 7 },
	{ "2.35-2.41", "2.35-2.41", 235, FORGE_STATE_2_27, FORGE_PAR_2_35, FORGE_TCACHE_2_30,
	  0x30, FORGE_KEY_IS_RANDOM, true, 0, 7 },
	{ "2.35-2.38 without tunables", "2.35-2.38", 235, FORGE_STATE_2_27, FORGE_PAR_2_26,
	  FORGE_TCACHE_2_30, 0x30, FORGE_KEY_IS_RANDOM, true, 0, 7 },
	{ "2.42", "2.42", 242, FORGE_STATE_2_27, FORGE_PAR_2_35,
	  FORGE_TCACHE_2_42(0x300), 0x30, FORGE_KEY_IS_RANDOM, true, 0, 7 },
	{ "2.43", "2.43", 243, FORGE_STATE_2_43, FORGE_PAR_2_43,
	  FORGE_TCACHE_2_42(0x310), 0x30, FORGE_KEY_IS_RANDOM, true, 16, 16 },
	{ "2.43 with a smaller tcache", "2.43-2.44", 243, FORGE_STATE_2_43, FORGE_PAR_2_43,
	  FORGE_TCACHE_2_42(0x300), 0x30, FORGE_KEY_IS_RANDOM, true, 16, 16 },
	{ "2.44", "2.43-2.44", 244, FORGE_STATE_2_43, FORGE_PAR_2_44,
	  FORGE_TCACHE_2_42(0x300), 0x30, FORGE_KEY_IS_RANDOM, true, 16, 16 },
};
/* clang-format on */

enum {
	FORGE_GENERATIONS =
		sizeof(forge_generations) / sizeof(forge_generations[0]),
};

/** The generation whose first version is FIRST (236 is in that of 235). */
static inline const struct forge_generation *forge_generation(unsigned first)
{
	const struct forge_generation *found = &forge_generations[0];

	for (unsigned i = 0; i < FORGE_GENERATIONS; i++)
		if (forge_generations[i].first <= first &&
		    forge_generations[i].first > found->first)
			found = &forge_generations[i];
	return found;
}

#endif
