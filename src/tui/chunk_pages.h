/*
 * The chosen chunks of a heap as numbered rows, without keeping them: where each
 * run of some hundred of them begins and ends, so that a row costs the walk over
 * one run. Knows no terminal.
 */
#ifndef MF_TUI_CHUNK_PAGES_H
#define MF_TUI_CHUNK_PAGES_H

#include "memforensics/heap.h"

enum {
	MF_CHUNK_PAGE_ROWS = 512, /* of one run, at most */
};

/** Which chunks, in which order. */
struct mf_chunk_wish {
	const struct mf_allocator *allocator; /* NULL: any */
	uint64_t start, end;		      /* that they touch; 0, 0: any */
	bool one_arena;
	unsigned arena;		     /* with one_arena; MF_NO_ARENA is one */
	unsigned kinds;		     /* 1 << MF_KIND_*, together; 0: any */
	uint64_t min_size, max_size; /* max_size 0: any */
	bool by_size;		     /* the largest first; else by address */
};

/** ALLOCATOR is CHUNK's, whose own is a copy. */
static inline bool mf_chunk_is_of(const struct mf_chunk *chunk,
				  const struct mf_allocator *allocator)
{
	const struct mf_allocator *own = chunk->allocator;

	return own == allocator || (own->name == allocator->name &&
				    own->module == allocator->module &&
				    own->load == allocator->load);
}

struct mf_chunk_pages;

/**
 * Goes over the chunks once or twice. IS_CANCELLED is asked now and then; true
 * ends it, and then, or where there are more sizes than there is room for, NULL
 * is returned. HEAP has to outlive the pages.
 */
struct mf_chunk_pages *mf_chunk_pages_create(const struct mf_heap *heap,
					     const struct mf_chunk_wish *wish,
					     bool (*is_cancelled)(void *data),
					     void *data);
void mf_chunk_pages_destroy(struct mf_chunk_pages *pages);

/** How many chunks there are, and their bytes. */
struct mf_amount mf_chunk_pages_amount(const struct mf_chunk_pages *pages);

/** The chunk that is row NUMBER, below the amount's count. */
void mf_chunk_pages_get(struct mf_chunk_pages *pages, uint64_t number,
			struct mf_chunk *ret);

#endif
