/*
 * Our own memory. Running out of it ends the program: none of these return
 * NULL. Sizes that come from a target are bounded before they get here.
 */
#ifndef MF_BASE_MEMORY_H
#define MF_BASE_MEMORY_H

#include <stddef.h>
#include <string.h>

#include "base/compiler.h"

/** Zeroed memory for COUNT items of SIZE bytes; free() it. */
void *mf_calloc(size_t count, size_t size)
	__attribute__((malloc, alloc_size(1, 2), returns_nonnull));

/** SIZE zeroed bytes at a multiple of ALIGNMENT, a power of two; free() it. */
void *mf_calloc_aligned(size_t alignment, size_t size)
	__attribute__((malloc, alloc_align(1), alloc_size(2), returns_nonnull));

/** Resizes POINTER to COUNT items of SIZE bytes; new bytes are not zeroed. */
void *mf_realloc(void *pointer, size_t count, size_t size)
	__attribute__((alloc_size(2, 3), returns_nonnull));

char *mf_strdup(const char *text)
	__attribute__((malloc, nonnull, returns_nonnull));
char *mf_strndup(const char *text, size_t size)
	__attribute__((malloc, nonnull, returns_nonnull));

/** Formatted text of its own; free() it. */
char *mf_asprintf(const char *format, ...)
	__attribute__((malloc, returns_nonnull)) MF_PRINTF(1, 2);

/** For mf_cleanup: frees what the variable points to. */
void mf_free_pointer(void *pointer_to_pointer);

#define mf_new(type)		  mf_calloc(1, sizeof(type))
#define mf_new_array(count, type) mf_calloc((count), sizeof(type))
#define mf_auto_free		  mf_cleanup(mf_free_pointer)

/** The bytes at POINTER as a number; no alignment asked. */
#define mf_load(type, pointer)                                    \
	({                                                        \
		type mf_value_;                                   \
		memcpy(&mf_value_, (pointer), sizeof(mf_value_)); \
		mf_value_;                                        \
	})

#endif
