/*
 * The generations of glibc's malloc_state and malloc_par, x86-64 and aarch64
 * alike (glibc 2.17 to 2.44, malloc/malloc.c and malloc/arena.c).
 */
#include "heap/glibc.h"

/* clang-format off */
static const struct mf_glibc_layout layouts[] = {
	{ .versions = "2.43-2.44", .first = 243, .last = 244,
	  .fastbins = MF_GLIBC_ABSENT, .top = 8,
	  .last_remainder = 16, .bins = 24, .next = 2072, .next_free = 2080,
	  .attached_threads = 2088, .system_mem = 2096,
	  .max_system_mem = 2104, .size = 2112 },
	{ .versions = "2.27-2.42", .first = 227, .last = 242,
	  .fastbins = 16, .top = 96,
	  .last_remainder = 104, .bins = 112, .next = 2160, .next_free = 2168,
	  .attached_threads = 2176, .system_mem = 2184,
	  .max_system_mem = 2192, .size = 2200 },
	{ .versions = "2.23-2.26", .first = 223, .last = 226,
	  .fastbins = 8, .top = 88,
	  .last_remainder = 96, .bins = 104, .next = 2152, .next_free = 2160,
	  .attached_threads = 2168, .system_mem = 2176,
	  .max_system_mem = 2184, .size = 2192 },
	{ .versions = "2.17-2.22", .first = 217, .last = 222,
	  .fastbins = 8, .top = 88,
	  .last_remainder = 96, .bins = 104, .next = 2152, .next_free = 2160,
	  .attached_threads = MF_GLIBC_ABSENT, .system_mem = 2168,
	  .max_system_mem = 2176, .size = 2184 },
};

/* trim_threshold, top_pad, mmap_threshold, arena_test and arena_max stand at
 * 0, 8, 16, 24 and 32 in all of them. */
static const struct mf_glibc_parameters_layout parameters_layouts[] = {
	{ .versions = "2.43-2.44", .first = 243, .last = 244,
	  .thp_pagesize = 48, .hp_pagesize = 56,
	  .n_mmaps = 68, .n_mmaps_max = 72, .max_n_mmaps = 76,
	  .no_dyn_threshold = 80, .mmapped_mem = 88, .max_mmapped_mem = 96,
	  .sbrk_base = 104, .tcache_bins = 112, .tcache_max_bytes = 120,
	  .tcache_count = 128, .size = 136 },
	{ .versions = "2.35-2.42", .first = 235, .last = 242,
	  .thp_pagesize = 40, .hp_pagesize = 48,
	  .n_mmaps = 60, .n_mmaps_max = 64, .max_n_mmaps = 68,
	  .no_dyn_threshold = 72, .mmapped_mem = 80, .max_mmapped_mem = 88,
	  .sbrk_base = 96, .tcache_bins = 104, .tcache_max_bytes = 112,
	  .tcache_count = 120, .size = 136 },
	{ .versions = "2.26-2.34", .first = 226, .last = 234,
	  .thp_pagesize = MF_GLIBC_ABSENT,
	  .hp_pagesize = MF_GLIBC_ABSENT, .n_mmaps = 40, .n_mmaps_max = 44,
	  .max_n_mmaps = 48, .no_dyn_threshold = 52, .mmapped_mem = 56,
	  .max_mmapped_mem = 64, .sbrk_base = 72, .tcache_bins = 80,
	  .tcache_max_bytes = 88, .tcache_count = 96, .size = 112 },
	{ .versions = "2.24-2.25", .first = 224, .last = 225,
	  .thp_pagesize = MF_GLIBC_ABSENT,
	  .hp_pagesize = MF_GLIBC_ABSENT, .n_mmaps = 40, .n_mmaps_max = 44,
	  .max_n_mmaps = 48, .no_dyn_threshold = 52, .mmapped_mem = 56,
	  .max_mmapped_mem = 64, .sbrk_base = 72,
	  .tcache_bins = MF_GLIBC_ABSENT, .tcache_max_bytes = MF_GLIBC_ABSENT,
	  .tcache_count = MF_GLIBC_ABSENT, .size = 80 },
	{ .versions = "2.17-2.23", .first = 217, .last = 223,
	  .thp_pagesize = MF_GLIBC_ABSENT,
	  .hp_pagesize = MF_GLIBC_ABSENT, .n_mmaps = 40, .n_mmaps_max = 44,
	  .max_n_mmaps = 48, .no_dyn_threshold = 52, .mmapped_mem = 56,
	  .max_mmapped_mem = 64, .sbrk_base = 80,
	  .tcache_bins = MF_GLIBC_ABSENT, .tcache_max_bytes = MF_GLIBC_ABSENT,
	  .tcache_count = MF_GLIBC_ABSENT, .size = 88 },
};

/* First row and number of rows of parameters_layouts for each layout. */
static const struct {
	size_t first, count;
} parameters_of[] = { { 0, 1 }, { 1, 2 }, { 2, 3 }, { 4, 1 } };
/* clang-format on */

const struct mf_glibc_layout *mf_glibc_layouts(size_t *count)
{
	*count = MF_ARRAY_SIZE(layouts);
	return layouts;
}

const struct mf_glibc_parameters_layout *
mf_glibc_parameters_layouts(const struct mf_glibc_layout *layout, size_t *count)
{
	for (size_t i = 0; i < MF_ARRAY_SIZE(layouts); i++) {
		if (layouts[i].bins != layout->bins ||
		    layouts[i].system_mem != layout->system_mem)
			continue;
		*count = parameters_of[i].count;
		return &parameters_layouts[parameters_of[i].first];
	}
	*count = MF_ARRAY_SIZE(parameters_layouts);
	return parameters_layouts;
}

/* malloc.c, largebin_index_64: the same in all versions. */
unsigned mf_glibc_bin_index(uint64_t size)
{
	static const struct {
		unsigned shift, last, base;
	} steps[] = {
		{ 6, 48, 48 },	{ 9, 20, 91 },	{ 12, 10, 110 },
		{ 15, 4, 119 }, { 18, 2, 124 },
	};

	if (size < 1024)
		return (unsigned)(size / MF_GRANULE);
	for (size_t i = 0; i < MF_ARRAY_SIZE(steps); i++)
		if (size >> steps[i].shift <= steps[i].last)
			return steps[i].base +
			       (unsigned)(size >> steps[i].shift);
	return 126;
}
