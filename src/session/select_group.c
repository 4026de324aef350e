/*
 * Selected pieces as ranges, each in the group that it is told of with: an
 * arena, what an allocator calls alike, or its region alone.
 */
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/search.h"
#include "session/select_match.h"

static const struct mf_matched_heap *heap_at(const struct mf_matcher *matcher,
					     uint64_t start, uint64_t end)
{
	size_t i = mf_range_after(matcher->heaps.items, matcher->heaps.count,
				  start);

	if (i == matcher->heaps.count || matcher->heaps.items[i].start >= end)
		return NULL;
	return &matcher->heaps.items[i];
}

static const char *label_of(const struct mf_region *region)
{
	if (*region->label)
		return region->label;
	return *region->mapping->path ? region->mapping->path
				      : mf_class_name(region->class);
}

/* What has the same key is one group. */
static uint64_t key_of(const struct mf_piece *piece,
		       const struct mf_region *region,
		       const struct mf_matched_heap *heap)
{
	if (heap)
		return mf_hash64((heap->allocator + 1) << 32 | heap->arena);
	if (mf_is_allocated(region) && !region->suspicions &&
	    region->class != MF_CLASS_HEAP && region->class != MF_CLASS_ARENA)
		return mf_hash_text(region->label,
				    mf_hash64(~(uint64_t)region->class));
	return mf_hash64(piece->region) ^ UINT64_C(0x5bd1e9955bd1e995);
}

static void add_group(struct mf_matcher *matcher, const struct mf_piece *piece,
		      const struct mf_region *region,
		      const struct mf_matched_heap *heap)
{
	struct mf_scan_group *group = mf_vec_add(&matcher->groups);

	group->class = region->class;
	group->start = piece->start;
	if (heap && heap->arena)
		group->label = mf_asprintf("arena %u", heap->arena);
	else
		group->label =
			mf_strdup(heap ? "main arena" : label_of(region));
}

static uint32_t group_of(struct mf_matcher *matcher, struct mf_map *keys,
			 const struct mf_piece *piece)
{
	const struct mf_region *region = &matcher->regions[piece->region];
	const struct mf_matched_heap *heap = NULL;
	const uint64_t *known;
	uint64_t key;

	if (region->class == MF_CLASS_HEAP || region->class == MF_CLASS_ARENA)
		heap = heap_at(matcher, piece->start, piece->end);
	key = key_of(piece, region, heap);
	known = mf_map_get(keys, key);
	if (known)
		return (uint32_t)*known;
	mf_map_set(keys, key, matcher->groups.count);
	add_group(matcher, piece, region, heap);
	return (uint32_t)matcher->groups.count - 1;
}

void mf_select_group(struct mf_matcher *matcher, struct mf_selection *ret)
{
	mf_cleanup(mf_map_deinit) struct mf_map keys = { 0 };
	size_t count = matcher->pieces.count;

	*ret = (struct mf_selection){
		.ranges = mf_new_array(count + 1, struct mf_scan_range),
		.range_count = count,
	};
	for (size_t i = 0; i < count; i++) {
		const struct mf_piece *piece = &matcher->pieces.items[i];

		ret->ranges[i] = (struct mf_scan_range){
			.start = piece->start,
			.end = piece->end,
			.group = group_of(matcher, &keys, piece),
		};
		ret->bytes += piece->end - piece->start;
	}
	ret->groups = matcher->groups.items;
	ret->group_count = matcher->groups.count;
	matcher->groups.items = NULL;
}

void mf_selection_deinit(struct mf_selection *selection)
{
	for (size_t i = 0; i < selection->group_count; i++) {
		union {
			const char *constant;
			char *own;
		} label = { .constant = selection->groups[i].label };

		free(label.own);
	}
	free(selection->groups);
	free(selection->ranges);
	*selection = (struct mf_selection){ 0 };
}
