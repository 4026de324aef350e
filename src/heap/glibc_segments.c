/*
 * The pieces of memory that arenas are made of: for each non-main arena its
 * heaps, newest first, linked by their heap_info (glibc malloc/arena.c).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/search.h"
#include "heap/glibc.h"

enum {
	HEAPS_MAX = 1 << 20,
	PLACES_MAX = 1 << 20, /* looked at for heaps behind breaks, in all */
	PAGES_MAX = 1 << 28,  /* of all segments: a byte is kept for each */
};

/* The first four words of heap_info, the same in all versions. */
struct heap_info {
	uint64_t arena, previous, size, mprotect_size;
};

struct mf_glibc_segment *mf_glibc_add_segment(struct mf_glibc *glibc,
					      unsigned arena, uint64_t base,
					      uint64_t end)
{
	uint64_t start = mf_glibc_page_down(glibc, base);
	size_t pages = (end - start + glibc->page_size - 1) / glibc->page_size;
	struct mf_glibc_segment *segment;
	struct mf_error *error;
	uint8_t *flags;

	if (pages > PAGES_MAX - glibc->segment_pages) {
		mf_target_note_partial(glibc->target, "glibc heaps",
				       "one at 0x%llx claims to have %llu "
				       "bytes, too many with those before, "
				       "and was not read",
				       (unsigned long long)base,
				       (unsigned long long)(end - base));
		return NULL;
	}
	flags = mf_calloc(pages, 1);
	error = mf_target_residency(glibc->target, start, pages, flags);
	if (error) {
		mf_error_destroy(error);
		free(flags);
		return NULL;
	}
	glibc->segment_pages += pages;
	segment = mf_vec_add(&glibc->segments);
	segment->arena = arena;
	segment->memory_start = start;
	segment->base = base;
	segment->end = segment->committed_end = segment->reserved_end = end;
	segment->pages = flags;
	segment->page_count = pages;
	mf_link_table_init(&segment->links, start);
	return segment;
}

void mf_glibc_refresh_residency(struct mf_glibc *glibc)
{
	mf_vec_foreach(segment, &glibc->segments)
		mf_error_destroy(mf_target_residency(
			glibc->target, segment->memory_start,
			segment->page_count, segment->pages));
}

static bool is_sane(const struct mf_glibc *glibc, const struct heap_info *info,
		    const struct mf_glibc_arena *arena)
{
	uint32_t page = glibc->page_size;

	return info->arena == arena->address && info->size &&
	       info->size <= info->mprotect_size &&
	       info->mprotect_size <= glibc->heap_max &&
	       info->size % page == 0 && info->mprotect_size % page == 0 &&
	       info->previous % glibc->heap_max == 0;
}

static uint64_t first_chunk(const struct mf_glibc *glibc,
			    const struct mf_glibc_arena *arena, uint64_t heap)
{
	uint64_t at = heap + glibc->heap_header_size;

	if (arena->address == at)
		at += glibc->layout->size;
	return (at + MF_GRANULE - 1) & ~(uint64_t)(MF_GRANULE - 1);
}

static bool add_heap(struct mf_glibc *glibc, const struct mf_glibc_arena *arena,
		     uint64_t heap, const struct heap_info *info)
{
	struct mf_glibc_segment *segment = mf_glibc_add_segment(
		glibc, arena->index, heap, heap + info->size);

	if (!segment)
		return false;
	segment->start = first_chunk(glibc, arena, heap);
	segment->committed_end = heap + info->mprotect_size;
	segment->reserved_end = heap + glibc->heap_max;
	return true;
}

static void claim_heap(struct mf_glibc *glibc,
		       const struct mf_glibc_segment *segment, unsigned number,
		       unsigned count)
{
	char label[64];

	snprintf(label, sizeof(label), "arena %u heap %u/%u", segment->arena,
		 number, count);
	mf_space_claim(glibc->context->space,
		       &(struct mf_claim){
			       .start = segment->memory_start,
			       .end = segment->committed_end,
			       .class = MF_CLASS_ARENA,
			       .certainty = MF_BY_STRUCTURE,
			       .label = label,
			       .owner = glibc->owner,
			       .proof = "heap_info, and the arena ring closes",
		       });
	mf_space_claim(glibc->context->space,
		       &(struct mf_claim){
			       .start = segment->committed_end,
			       .end = segment->reserved_end,
			       .class = MF_CLASS_ARENA_RESERVE,
			       .certainty = MF_BY_STRUCTURE,
			       .label = label,
			       .owner = glibc->owner,
			       .proof = "behind the heap, up to its size limit",
		       });
}

/* Newest first, as the chain goes; numbered from the oldest, which is 1. */
static void claim_heaps(struct mf_glibc *glibc, size_t first)
{
	unsigned count = (unsigned)(glibc->segments.count - first);

	for (unsigned i = 0; i < count; i++)
		claim_heap(glibc, &glibc->segments.items[first + i], count - i,
			   count);
}

/* An arena's heaps as they are found. */
struct search {
	struct mf_glibc *glibc;
	struct mf_map seen; /* heaps of all arenas; none is met twice */
	unsigned places;    /* looked at for those of all arenas */
	struct mf_glibc_arena *arena;
	uint64_t total; /* bytes of this one's */
};

static bool read_heap(const struct search *search, uint64_t heap,
		      struct heap_info *ret)
{
	return mf_target_try_read(search->glibc->target, heap, ret,
				  sizeof(*ret));
}

static bool add_found(struct search *search, uint64_t heap,
		      const struct heap_info *info)
{
	search->total += info->size;
	return add_heap(search->glibc, search->arena, heap, info);
}

/* Along the chain, newest first; where it breaks, or 0. */
static uint64_t follow_heaps(struct search *search)
{
	struct mf_glibc *glibc = search->glibc;
	struct mf_glibc_arena *arena = search->arena;
	uint64_t heap = arena->top & ~(glibc->heap_max - 1);

	for (unsigned i = 0; heap && i < HEAPS_MAX; i++) {
		struct heap_info info;

		if (!read_heap(search, heap, &info) ||
		    !is_sane(glibc, &info, arena) ||
		    !mf_map_set(&search->seen, heap, 1)) {
			mf_glibc_note_damage(glibc, arena, MF_DAMAGE_HEAP_INFO,
					     heap,
					     "no heap_info of this arena here");
			return heap;
		}
		if (search->total + info.size > arena->system_mem &&
		    search->total + info.size > arena->max_system_mem) {
			mf_glibc_note_damage(glibc, arena, MF_DAMAGE_SYSTEM_MEM,
					     heap,
					     "heaps are larger than the "
					     "arena's system_mem");
			arena->incomplete = true;
			return 0;
		}
		if (!add_found(search, heap, &info)) {
			arena->incomplete = true;
			return 0;
		}
		heap = info.previous;
	}
	return 0;
}

/* Those behind a break say whose they are. */
static void find_others(struct search *search)
{
	const struct mf_glibc *glibc = search->glibc;
	size_t count;
	const struct mf_mapping *mappings =
		mf_target_mappings(glibc->target, &count);

	for (size_t i = 0; i < count; i++) {
		uint64_t heap = (mappings[i].start + glibc->heap_max - 1) &
				~(glibc->heap_max - 1);

		if ((mappings[i].perms & (MF_PERM_READ | MF_PERM_WRITE)) !=
		    (MF_PERM_READ | MF_PERM_WRITE))
			continue;
		for (; heap < mappings[i].end; heap += glibc->heap_max) {
			struct heap_info info;

			if (++search->places > PLACES_MAX)
				return;
			if (read_heap(search, heap, &info) &&
			    is_sane(glibc, &info, search->arena) &&
			    search->total + info.size <=
				    search->arena->system_mem &&
			    mf_map_set(&search->seen, heap, 1))
				add_found(search, heap, &info);
		}
	}
}

/* The heap whose header is damaged, if it is not another arena's, has the bytes
 * that no other one has. */
static void restore_heap(struct search *search, uint64_t heap)
{
	struct mf_glibc *glibc = search->glibc;
	const struct mf_mapping *mapping =
		mf_target_mapping_at(glibc->target, heap);
	uint64_t size = search->arena->system_mem - search->total;
	struct heap_info info;

	if (!mapping || !size || size > glibc->heap_max ||
	    size % glibc->page_size || size > mapping->end - heap ||
	    !(mapping->perms & MF_PERM_WRITE) ||
	    !read_heap(search, heap, &info) ||
	    (info.arena != search->arena->address &&
	     mf_map_has(&glibc->arena_index, info.arena)) ||
	    !mf_map_set(&search->seen, heap, 1))
		return;
	info.size = info.mprotect_size = size;
	add_found(search, heap, &info);
}

static void find_heaps_of(struct search *search, struct mf_glibc_arena *arena)
{
	struct mf_glibc *glibc = search->glibc;
	size_t first = glibc->segments.count;
	uint64_t broken;

	search->arena = arena;
	search->total = 0;
	broken = follow_heaps(search);
	if (broken) {
		find_others(search);
		restore_heap(search, broken);
	}
	arena->incomplete |= search->total != arena->system_mem;
	if (arena->incomplete && !broken && !arena->damage_count)
		mf_glibc_note_damage(glibc, arena, MF_DAMAGE_SYSTEM_MEM,
				     arena->address,
				     "system_mem is %llu, but its heaps have "
				     "%llu",
				     (unsigned long long)arena->system_mem,
				     (unsigned long long)search->total);
	for (size_t i = first; i < glibc->segments.count; i++) {
		struct mf_glibc_segment *segment = &glibc->segments.items[i];

		segment->has_top = arena->top >= segment->start &&
				   arena->top < segment->end;
	}
	claim_heaps(glibc, first);
}

struct mf_error *mf_glibc_find_heaps(struct mf_glibc *glibc)
{
	struct search search = { .glibc = glibc };

	mf_vec_foreach(arena, &glibc->arenas)
		if (!arena->main && arena->system_mem)
			find_heaps_of(&search, arena);
	mf_map_deinit(&search.seen);
	return NULL;
}

static int by_address(const void *a, const void *b)
{
	const struct mf_glibc_segment *left = a, *right = b;

	return left->start < right->start ? -1 : left->start > right->start;
}

struct mf_glibc_segment *mf_glibc_segment_at(struct mf_glibc *glibc,
					     uint64_t address)
{
	size_t i = mf_range_after(glibc->segments.items, glibc->segments.count,
				  address);

	if (i == glibc->segments.count ||
	    glibc->segments.items[i].memory_start > address)
		return NULL;
	return &glibc->segments.items[i];
}

void mf_glibc_sort_segments(struct mf_glibc *glibc)
{
	mf_vec_sort(&glibc->segments, by_address);
	mf_vec_foreach(arena, &glibc->arenas) {
		arena->first_segment = SIZE_MAX;
		arena->segment_count = 0;
	}
	for (size_t i = glibc->segments.count; i--;) {
		struct mf_glibc_segment *segment = &glibc->segments.items[i];
		struct mf_glibc_arena *arena =
			&glibc->arenas.items[segment->arena];

		segment->next = arena->first_segment;
		arena->first_segment = i;
		arena->segment_count++;
	}
}
