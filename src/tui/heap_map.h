/*
 * A map of one heap: what each of its pages is, and what each cell of so many
 * pages is. Knows no terminal.
 */
#ifndef MF_TUI_HEAP_MAP_H
#define MF_TUI_HEAP_MAP_H

#include "memforensics/heap.h"

#include "tui/strip.h"

/** Of a page, or of a cell: what most of it is. */
enum mf_cell {
	MF_CELL_OTHER, /* headers, gaps, what could not be read */
	MF_CELL_IN_USE,
	MF_CELL_UNTOUCHED, /* in use, and not there */
	MF_CELL_PINNED,	   /* mostly free, and there for a chunk in use */
	MF_CELL_CACHED,	   /* in tcaches and fast bins */
	MF_CELL_FREE,	   /* free, and in RAM or swap */
	MF_CELL_RETURNED,  /* free, and not there */
	MF_CELL_TOP,	   /* not handed out yet, and in RAM or swap */
	MF_CELLS,
};

struct mf_cell_look {
	char sign;
	enum mf_tint tint;
	const char *name;
};

const struct mf_cell_look *mf_cell_look(enum mf_cell cell);

struct mf_heap_map;

/** Of [start, end); chunks and pages are added, then it is finished. */
struct mf_heap_map *mf_heap_map_create(uint64_t start, uint64_t end,
				       uint32_t page_size);
void mf_heap_map_destroy(struct mf_heap_map *map);

/** FLAGS (MF_PAGE_*) of COUNT pages, of which the first is number FIRST. */
void mf_heap_map_set_pages(struct mf_heap_map *map, uint64_t first,
			   const uint8_t *flags, size_t count);
/** In the order of addresses, after the pages. */
void mf_heap_map_add(struct mf_heap_map *map, const struct mf_chunk *chunk);
void mf_heap_map_finish(struct mf_heap_map *map);

uint64_t mf_heap_map_pages(const struct mf_heap_map *map);
/** Pages of each kind. */
const uint64_t *mf_heap_map_counts(const struct mf_heap_map *map);
/** What most of COUNT pages from FIRST on are. */
enum mf_cell mf_heap_map_cell(const struct mf_heap_map *map, uint64_t first,
			      uint64_t count);

#endif
