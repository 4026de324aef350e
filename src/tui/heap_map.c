/*
 * Sums the bytes of each page as chunks go by, and keeps one byte a page.
 */
#include "tui/heap_map.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum part {
	PART_IN_USE,
	PART_CACHED,
	PART_FREE,
	PART_TOP,
	PART_OTHER,
	PARTS,
};

struct mf_heap_map {
	uint64_t start, end, page_size;
	uint64_t count; /* of pages */
	uint8_t *there; /* of each page: it is in RAM, or in swap */
	uint8_t *cells; /* of each page: enum mf_cell */
	uint64_t page;	/* the one that is being summed up */
	uint64_t parts[PARTS];
	uint64_t counts[MF_CELLS];
};

const struct mf_cell_look *mf_cell_look(enum mf_cell cell)
{
	static const struct mf_cell_look looks[MF_CELLS] = {
		[MF_CELL_OTHER] = { 'o', MF_TINT_DIM, "other" },
		[MF_CELL_IN_USE] = { '#', MF_TINT_IN_USE, "in use" },
		[MF_CELL_UNTOUCHED] = { 'u', MF_TINT_DIM, "untouched" },
		[MF_CELL_PINNED] = { 'p', MF_TINT_PINNED, "pinned" },
		[MF_CELL_CACHED] = { 'c', MF_TINT_CACHED, "cached" },
		[MF_CELL_FREE] = { 'f', MF_TINT_FREE, "free in RAM" },
		[MF_CELL_RETURNED] = { '.', MF_TINT_RETURNED, "not there" },
		[MF_CELL_TOP] = { 't', MF_TINT_TOP, "top" },
	};

	return &looks[cell];
}

struct mf_heap_map *mf_heap_map_create(uint64_t start, uint64_t end,
				       uint32_t page_size)
{
	struct mf_heap_map *map = mf_new(struct mf_heap_map);

	map->page_size = page_size;
	map->start = start - start % page_size;
	map->end = MF_MAX(end, map->start);
	map->count = (map->end - map->start + page_size - 1) / page_size;
	map->there = mf_calloc(map->count + 1, 1);
	map->cells = mf_calloc(map->count + 1, 1);
	return map;
}

void mf_heap_map_destroy(struct mf_heap_map *map)
{
	if (!map)
		return;
	free(map->there);
	free(map->cells);
	free(map);
}

void mf_heap_map_set_pages(struct mf_heap_map *map, uint64_t first,
			   const uint8_t *flags, size_t count)
{
	for (size_t i = 0; i < count && first + i < map->count; i++)
		map->there[first + i] =
			(flags[i] & (MF_PAGE_PRESENT | MF_PAGE_SWAPPED)) != 0;
}

/* ---- pages ---------------------------------------------------------------------- */

/* What is free on a page that is there because of others is pinned; where these
 * have the greater part of it, the page is theirs. */
static enum mf_cell cell_of(const uint64_t parts[PARTS], bool there)
{
	uint64_t unused = parts[PART_FREE] + parts[PART_TOP];
	uint64_t kept = parts[PART_IN_USE] + parts[PART_CACHED];

	if (!there)
		return parts[PART_IN_USE] > unused ? MF_CELL_UNTOUCHED
						   : MF_CELL_RETURNED;
	if (!unused && !kept)
		return MF_CELL_OTHER;
	if (kept && unused > kept)
		return MF_CELL_PINNED;
	if (kept)
		return parts[PART_CACHED] > parts[PART_IN_USE] ? MF_CELL_CACHED
							       : MF_CELL_IN_USE;
	return parts[PART_TOP] > parts[PART_FREE] ? MF_CELL_TOP : MF_CELL_FREE;
}

static void end_page(struct mf_heap_map *map)
{
	enum mf_cell cell;

	if (map->page >= map->count)
		return;
	cell = cell_of(map->parts, map->there[map->page]);
	map->cells[map->page] = (uint8_t)cell;
	map->counts[cell]++;
	map->page++;
	memset(map->parts, 0, sizeof(map->parts));
}

static enum part part_of(enum mf_chunk_kind kind)
{
	switch (kind) {
	case MF_KIND_IN_USE:
	case MF_KIND_MMAPPED:
		return PART_IN_USE;
	case MF_KIND_TCACHE:
	case MF_KIND_FASTBIN:
		return PART_CACHED;
	case MF_KIND_FREE:
	case MF_KIND_UNSORTED:
		return PART_FREE;
	case MF_KIND_TOP:
		return PART_TOP;
	default:
		return PART_OTHER;
	}
}

void mf_heap_map_add(struct mf_heap_map *map, const struct mf_chunk *chunk)
{
	uint64_t at = MF_MAX(chunk->address, map->start);
	uint64_t end = MF_MIN(chunk->address + chunk->size, map->end);
	enum part part = part_of(chunk->kind);

	while (at < end) {
		uint64_t page = (at - map->start) / map->page_size;
		uint64_t page_end = map->start + (page + 1) * map->page_size;
		uint64_t upto = MF_MIN(end, page_end);

		while (map->page < page)
			end_page(map);
		if (map->page == page)
			map->parts[part] += upto - at;
		at = upto;
	}
}

void mf_heap_map_finish(struct mf_heap_map *map)
{
	while (map->page < map->count)
		end_page(map);
}

/* ---- cells ---------------------------------------------------------------------- */

uint64_t mf_heap_map_pages(const struct mf_heap_map *map)
{
	return map->count;
}

const uint64_t *mf_heap_map_counts(const struct mf_heap_map *map)
{
	return map->counts;
}

enum mf_cell mf_heap_map_cell(const struct mf_heap_map *map, uint64_t first,
			      uint64_t count)
{
	uint64_t counts[MF_CELLS] = { 0 };
	enum mf_cell most = MF_CELL_OTHER;

	for (uint64_t i = 0; i < count && first + i < map->count; i++)
		counts[map->cells[first + i]]++;
	for (enum mf_cell cell = 0; cell < MF_CELLS; cell++)
		if (counts[cell] > counts[most])
			most = cell;
	return most;
}
