/*
 * Searching what is sorted.
 */
#ifndef MF_BASE_SEARCH_H
#define MF_BASE_SEARCH_H

#include <stddef.h>
#include <stdint.h>

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

/**
 * The index of the first of COUNT sorted RANGES, each with a start and an end,
 * that ends behind ADDRESS; COUNT where there is none.
 */
#define mf_range_after(ranges, count, address)             \
	({                                                 \
		const uint64_t address_ = (address);       \
		mf_count_leading(ranges, (count), range_,  \
				 range_->end <= address_); \
	})

/** The one of COUNT sorted RANGES that holds ADDRESS, or NULL. */
#define mf_range_at(ranges, count, address)                                \
	({                                                                 \
		__typeof__(&(ranges)[0]) all_ = (ranges);                  \
		const size_t all_count_ = (count);                         \
		const uint64_t wanted_ = (address);                        \
		const size_t after_ = mf_count_leading(                    \
			all_, all_count_, range_, range_->end <= wanted_); \
		after_ == all_count_ || all_[after_].start > wanted_       \
			? NULL                                             \
			: &all_[after_];                                   \
	})

#endif
