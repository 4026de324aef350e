/*
 * Growable arrays of any type: declare MF_VEC(struct mf_thread) threads = {0},
 * push, index .items up to .count, free with mf_vec_deinit.
 */
#ifndef MF_BASE_VEC_H
#define MF_BASE_VEC_H

#include <stddef.h>
#include <stdlib.h>

#include "base/memory.h"

#define MF_VEC(type)                    \
	struct {                        \
		type *items;            \
		size_t count, capacity; \
	}

/** Room for at least TOTAL items in all. */
#define mf_vec_reserve(vec, total)                                         \
	do {                                                               \
		size_t mf_total_ = (total);                                \
		if (mf_total_ > (vec)->capacity) {                         \
			(vec)->capacity = mf_total_;                       \
			(vec)->items = mf_realloc((vec)->items, mf_total_, \
						  sizeof(*(vec)->items));  \
		}                                                          \
	} while (0)

/** Appends one item (the further arguments are its value). */
#define mf_vec_push(vec, ...)                                               \
	do {                                                                \
		if ((vec)->count == (vec)->capacity)                        \
			mf_vec_reserve((vec), (vec)->capacity               \
						      ? (vec)->capacity * 2 \
						      : 8);                 \
		(vec)->items[(vec)->count++] = (__VA_ARGS__);               \
	} while (0)

/** Appends one zeroed item and gives its address. */
#define mf_vec_add(vec)                                                        \
	({                                                                     \
		if ((vec)->count == (vec)->capacity)                           \
			mf_vec_reserve((vec), (vec)->capacity                  \
						      ? (vec)->capacity * 2    \
						      : 8);                    \
		memset(&(vec)->items[(vec)->count], 0, sizeof(*(vec)->items)); \
		&(vec)->items[(vec)->count++];                                 \
	})

/** COMPARE as for qsort. */
#define mf_vec_sort(vec, compare)                                \
	do {                                                     \
		if ((vec)->count > 1)                            \
			qsort((vec)->items, (vec)->count,        \
			      sizeof(*(vec)->items), (compare)); \
	} while (0)

#define mf_vec_foreach(item, vec)                          \
	for (__typeof__((vec)->items) item = (vec)->items; \
	     item < (vec)->items + (vec)->count; item++)

#define mf_vec_deinit(vec)                          \
	do {                                        \
		free((vec)->items);                 \
		(vec)->items = NULL;                \
		(vec)->count = (vec)->capacity = 0; \
	} while (0)

#endif
