/*
 * All views.
 */
#ifndef MF_TUI_VIEWS_H
#define MF_TUI_VIEWS_H

#include "tui/view.h"

extern const struct mf_view_ops mf_view_overview, mf_view_regions,
	mf_view_findings, mf_view_advice, mf_view_hex, mf_view_help,
	mf_view_arenas, mf_view_arena, mf_view_heap, mf_view_chunks;
extern const struct mf_view_ops mf_view_strings, mf_view_types, mf_view_places,
	mf_view_threads, mf_view_stacks, mf_view_frames, mf_view_leaks,
	mf_view_leak, mf_view_explain, mf_view_refs, mf_view_paths,
	mf_view_steps, mf_view_difference;

/** Those with a digit, in the order of Tab. */
const struct mf_view_ops *const *mf_views(size_t *count);

/** Any view, by its name; NULL: there is none. */
const struct mf_view_ops *mf_view_find(const char *name);

/** ARGUMENT of the view of regions; NULL: all of them, as a tree. */
struct mf_regions_argument {
	enum mf_class class; /* the only one */
};

/** ARGUMENT of the view of one arena. */
struct mf_arena_argument {
	const struct mf_allocator *allocator;
	const struct mf_arena *arena; /* NULL: the allocator's, together */
};

/** ARGUMENT of the view of one heap of an arena. */
struct mf_heap_argument {
	const struct mf_allocator *allocator;
	const struct mf_arena *arena;
	const struct mf_arena_heap *heap;
};

/** Puts the cursor of the view of threads on TID, or does when it is read. */
void mf_view_threads_seek(struct mf_pane *pane, uint64_t tid);

/** ARGUMENT of the view of bytes. */
struct mf_hex_argument {
	uint64_t start, end; /* 0, 0: the region that `at` is in */
	uint64_t at;
};

#endif
