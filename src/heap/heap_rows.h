/*
 * What the files that write allocators for people share.
 */
#ifndef MF_HEAP_HEAP_ROWS_H
#define MF_HEAP_HEAP_ROWS_H

#include "memforensics/heap.h"
#include "memforensics/report.h"

struct mf_arena_list {
	const struct mf_arena **items;
	size_t count, capacity;
};

/** One allocator being written. */
struct mf_heap_writer {
	struct mf_report *report;
	const struct mf_heap_rows *rows;
	const struct mf_allocator *allocator;
	const struct mf_allocator *owner; /* of malloc; NULL: not known */
	struct mf_arena_list worst;	  /* arenas, the worst first */
};

/** "fast", "unsorted", "small" or "large". */
const char *mf_bin_kind_name(enum mf_bin_kind kind);

/** The parameters of ALLOCATOR to SHOW, as many as it has; to be freed. */
struct mf_field *mf_heap_parameters(const struct mf_allocator *allocator,
				    unsigned show);

/** Damage and what pins memory; and, when verbose, the worst arena's inside. */
void mf_heap_write_detail(const struct mf_heap_writer *writer);

/** Where unused memory is, what malloc_trim makes of it, and who pins it. */
void mf_heap_write_trim(const struct mf_heap_writer *writer);

/** Why it does not give back what is pinned: "stays: ...". */
const char *mf_heap_pinned(const struct mf_allocator *allocator);

/** What people call ARENA: "main", or its number in TEXT (MF_UNIT_TEXT bytes). */
const char *mf_arena_name(char *text, const struct mf_arena *arena);

#endif
