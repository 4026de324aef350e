/*
 * Why an arena's memory is kept, in words. Knows no terminal.
 */
#ifndef MF_TUI_ARENA_TEXT_H
#define MF_TUI_ARENA_TEXT_H

#include "memforensics/heap.h"

#include "base/buffer.h"

/** "main", "arena 3". */
void mf_tui_arena_name(struct mf_buffer *text, const struct mf_arena *arena);

/** Malloc's, and no thread's: only glibc's say whose they are. */
bool mf_tui_arena_is_orphan(const struct mf_allocator *allocator,
			    const struct mf_arena *arena);

/** A few words: "orphan, trimmable"; the most important first. */
void mf_tui_arena_why(struct mf_buffer *text,
		      const struct mf_allocator *allocator,
		      const struct mf_arena *arena);

/**
 * Sentence NUMBER of why it is kept, from 0; false: there are no more. ARENA
 * NULL: of all the allocator's. BYTES: sizes are plain numbers.
 */
bool mf_tui_arena_reason(struct mf_buffer *text,
			 const struct mf_allocator *allocator,
			 const struct mf_arena *arena, unsigned number,
			 bool bytes);

#endif
