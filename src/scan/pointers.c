/*
 * The index of regions by address: clusters, in each a table of granules.
 */
#include "scan/pointers.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/vec.h"

enum {
	GRANULES_MAX = 1 << 16, /* of a cluster */
	LEAST_SHIFT = 12,
	FEW = 4, /* regions of a granule that are looked at one by one */
};

/* A gap between two regions, by which clusters are told apart. */
struct gap {
	uint64_t size;
	uint64_t before, after; /* end of the one, start of the other */
};

static bool may_hold_data(const struct mf_region *region)
{
	switch (region->class) {
	case MF_CLASS_RESERVE:
	case MF_CLASS_ARENA_RESERVE:
	case MF_CLASS_GUARD:
	case MF_CLASS_VVAR:
	case MF_CLASS_VSYSCALL:
	case MF_CLASS_DEVICE:
		return false;
	default:
		return true;
	}
}

/* The largest gaps, at most one fewer than clusters; by address. */
struct gaps {
	struct gap items[MF_POINTER_CLUSTERS - 1];
	size_t count;
};

static void note_gap(struct gaps *gaps, const struct gap *gap)
{
	size_t least = 0;

	if (gaps->count < MF_ARRAY_SIZE(gaps->items)) {
		gaps->items[gaps->count++] = *gap;
		return;
	}
	for (size_t i = 1; i < gaps->count; i++)
		if (gaps->items[i].size < gaps->items[least].size)
			least = i;
	if (gap->size > gaps->items[least].size) {
		/* stays in order of addresses */
		for (size_t i = least; i + 1 < gaps->count; i++)
			gaps->items[i] = gaps->items[i + 1];
		gaps->items[gaps->count - 1] = *gap;
	}
}

static void find_gaps(const struct mf_pointer_index *index, struct gaps *gaps,
		      uint64_t *start, uint64_t *end)
{
	bool any = false;

	for (size_t i = 0; i < index->region_count; i++) {
		const struct mf_region *region = &index->regions[i];

		if (!may_hold_data(region))
			continue;
		if (!any)
			*start = region->start;
		else if (region->start > *end)
			note_gap(gaps, &(struct gap){ region->start - *end,
						      *end, region->start });
		*end = region->end;
		any = true;
	}
	if (!any)
		*start = *end = 0;
}

static void fill_cluster(const struct mf_pointer_index *index,
			 struct mf_pointer_cluster *cluster)
{
	size_t granules, region = 0;

	cluster->shift = LEAST_SHIFT;
	while ((cluster->size >> cluster->shift) >= GRANULES_MAX)
		cluster->shift++;
	granules = (cluster->size >> cluster->shift) + 1;
	cluster->first = mf_new_array(granules, uint32_t);
	for (size_t i = 0; i < granules; i++) {
		uint64_t at = cluster->start + (i << cluster->shift);

		while (region < index->region_count &&
		       index->regions[region].end <= at)
			region++;
		cluster->first[i] = (uint32_t)region;
	}
}

void mf_pointer_index_init(struct mf_pointer_index *index,
			   const struct mf_space *space)
{
	struct gaps gaps = { .count = 0 };
	uint64_t start = 0, end = 0;

	*index = (struct mf_pointer_index){ 0 };
	index->regions = mf_space_regions(space, &index->region_count);
	find_gaps(index, &gaps, &start, &end);
	for (size_t i = 0; i <= gaps.count; i++) {
		struct mf_pointer_cluster *cluster = &index->clusters[i];

		cluster->start = start;
		cluster->size =
			(i < gaps.count ? gaps.items[i].before : end) - start;
		if (cluster->size)
			fill_cluster(index, cluster);
		if (i < gaps.count)
			start = gaps.items[i].after;
	}
}

void mf_pointer_index_deinit(struct mf_pointer_index *index)
{
	for (size_t i = 0; i < MF_POINTER_CLUSTERS; i++)
		free(index->clusters[i].first);
	*index = (struct mf_pointer_index){ 0 };
}

/* The first region of [LOW, HIGH) that ends behind WORD. */
static uint32_t search(const struct mf_pointer_index *index, uint64_t word,
		       uint32_t low, uint32_t high)
{
	while (high - low > FEW) {
		uint32_t middle = low + (high - low) / 2;

		if (index->regions[middle].end <= word)
			low = middle + 1;
		else
			high = middle;
	}
	while (low < high && index->regions[low].end <= word)
		low++;
	return low;
}

static uint32_t region_in(const struct mf_pointer_index *index,
			  const struct mf_pointer_cluster *cluster,
			  uint64_t word)
{
	size_t granule = (word - cluster->start) >> cluster->shift;
	size_t last = (cluster->size - 1) >> cluster->shift;
	uint32_t low = cluster->first[granule];
	uint32_t high = granule < last ? cluster->first[granule + 1] + 1
				       : (uint32_t)index->region_count;
	uint32_t found;

	high = MF_MIN(high, (uint32_t)index->region_count);
	found = search(index, word, low, high);
	if (found >= index->region_count ||
	    index->regions[found].start > word ||
	    !may_hold_data(&index->regions[found]))
		return MF_NO_REGION;
	return found;
}

uint32_t mf_pointer_region(const struct mf_pointer_index *index, uint64_t word)
{
	for (unsigned i = 0; i < MF_POINTER_CLUSTERS; i++) {
		const struct mf_pointer_cluster *cluster = &index->clusters[i];

		if (word - cluster->start < cluster->size)
			return region_in(index, cluster, word);
	}
	return MF_NO_REGION;
}
