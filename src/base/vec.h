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

/* ITEMS with room for TOTAL of them; grows by doubling. */
static inline void *mf_vec_grown(void *items, size_t *capacity, size_t total,
				 size_t size)
{
	if (MF_LIKELY(total <= *capacity))
		return items;
	*capacity = *capacity ? *capacity * 2 : 8;
	*capacity = MF_MAX(total, *capacity);
	return mf_realloc(items, *capacity, size);
}

#define mf_vec_item_size(vec) sizeof(__typeof__(*(vec)->items))

/** Room for at least TOTAL items in all. */
#define mf_vec_reserve(vec, total)                                          \
	((void)((vec)->items = mf_vec_grown((vec)->items, &(vec)->capacity, \
					    (total), mf_vec_item_size(vec))))

/** Appends one item (the further arguments are its value). */
#define mf_vec_push(vec, ...)                                 \
	do {                                                  \
		mf_vec_reserve((vec), (vec)->count + 1);      \
		(vec)->items[(vec)->count++] = (__VA_ARGS__); \
	} while (0)

/** Appends one zeroed item and gives its address. */
#define mf_vec_add(vec)                                                        \
	({                                                                     \
		mf_vec_reserve((vec), (vec)->count + 1);                       \
		memset(&(vec)->items[(vec)->count], 0, mf_vec_item_size(vec)); \
		&(vec)->items[(vec)->count++];                                 \
	})

/** COMPARE as for qsort. */
#define mf_vec_sort(vec, compare)                                \
	do {                                                     \
		if ((vec)->count > 1)                            \
			qsort((vec)->items, (vec)->count,        \
			      mf_vec_item_size(vec), (compare)); \
	} while (0)

#define mf_vec_foreach(item, vec)                          \
	for (__typeof__((vec)->items) item = (vec)->items; \
	     (vec)->count && item < (vec)->items + (vec)->count; item++)

#define mf_vec_deinit(vec)                          \
	do {                                        \
		free((vec)->items);                 \
		(vec)->items = NULL;                \
		(vec)->count = (vec)->capacity = 0; \
	} while (0)

#endif
