/*
 * Searching what is sorted.
 */
#ifndef MF_BASE_SEARCH_H
#define MF_BASE_SEARCH_H

#include <stddef.h>

/**
 * How many of COUNT sorted ITEMS come first for which TEST is true: it is an
 * expression of ITEM, a pointer to one of them, and false of all behind the
 * first of which it is false.
 */
#define mf_count_leading(items, count, item, test)                        \
	({                                                                \
		size_t low_ = 0, high_ = (count);                         \
		while (low_ < high_) {                                    \
			size_t middle_ = low_ + (high_ - low_) / 2;       \
			__typeof__(&(items)[0]) item = &(items)[middle_]; \
			if (test)                                         \
				low_ = middle_ + 1;                       \
			else                                              \
				high_ = middle_;                          \
		}                                                         \
		low_;                                                     \
	})

#endif
