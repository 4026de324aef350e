/*
 * What the words of a block look like, written once for vectors of any width.
 * Who has wider ones than any processor has defines, before it includes this,
 *   MF_LANES       words of a vector
 *   MF_KERNEL      attributes of the function
 *   MF_MASK_OF(v)  a bit for each word of V (all ones or zero), the first lowest
 */
#ifndef MF_SCAN_CONTENT_KERNEL_H
#define MF_SCAN_CONTENT_KERNEL_H

#include <string.h>

#include "scan/content.h"

#ifndef MF_LANES
#define MF_LANES 2
#define MF_KERNEL
#define MF_MASK_OF(v)                                \
	({                                           \
		words mask_ = (v) & (words){ 1, 2 }; \
		(unsigned)(mask_[0] | mask_[1]);     \
	})
#endif

/* clang-format off */
typedef uint64_t words __attribute__((vector_size(MF_LANES * 8)));
typedef int64_t signed_words __attribute__((vector_size(MF_LANES * 8)));
typedef uint32_t halves __attribute__((vector_size(MF_LANES * 8)));
typedef uint16_t quarters __attribute__((vector_size(MF_LANES * 8)));
typedef uint8_t bytes __attribute__((vector_size(MF_LANES * 8)));
typedef int8_t signed_bytes __attribute__((vector_size(MF_LANES * 8)));
/* clang-format on */

/* Addresses, by where they lie. */
#define LOOKS_LIKE_POINTERS(at, clusters)                                      \
	({                                                                     \
		words like_ = (at) ^ (at);                                     \
		for (unsigned c_ = 0; c_ < (clusters)->count; c_++)            \
			like_ |= (words)((signed_words)((at) -                 \
							(clusters)             \
								->start[c_]) < \
					 (clusters)->below[c_]);               \
		like_;                                                         \
	})

/*
 * ASCII with zeros behind or between, four letters at least in a row; or four
 * letters of UTF-16.
 */
#define LOOKS_LIKE_TEXT(at)                                              \
	({                                                               \
		bytes chars_ = (bytes)(at);                              \
		bytes printed_ = ((bytes)((signed_bytes)chars_ > 0x1f) & \
				  (bytes)(chars_ != 0x7f)) |             \
				 (bytes)(chars_ - 9 < 5);                \
		bytes allowed_ = printed_ | (bytes)(chars_ == 0);        \
		halves four_ = (halves)((halves)printed_ == ~0U);        \
		words narrow_ = (words)((words)allowed_ == ~0UL) &       \
				(words)((words)four_ != 0);              \
		quarters wide_ = (quarters)((quarters)(at)-0x20 < 0x5f); \
		narrow_ | (words)((words)wide_ == ~0UL);                 \
	})

/* One number below 2^31, or two below 2^20; signed ones too. */
#define LOOKS_LIKE_INTEGERS(at)                                           \
	({                                                                \
		words one_ = (words)((((at) + 0x80000000UL) >> 32) == 0); \
		halves two_ =                                             \
			(halves)((((halves)(at) + 0x100000) >> 21) == 0); \
		one_ | (words)((words)two_ == ~0UL);                      \
	})

/*
 * One double from 2^-31 to 2^33, or two floats from 2^-16 to 2^16 (or one and
 * 0): their exponents, moved so that a test of some bits does.
 */
#define LOOKS_LIKE_REALS(at)                                                   \
	({                                                                     \
		words one_ =                                                   \
			(words)(((((at) >> 52) + 0x20) & 0x7c0) == 0x400);     \
		halves two_ = (halves)(((((halves)(at) >> 23) + 17) & 0xe0) == \
				       0x80) |                                 \
			      (halves)((halves)(at) == 0);                     \
		one_ | (words)((words)two_ == ~0UL);                           \
	})

MF_KERNEL static inline void
look_at_words(const uint8_t *block, const struct mf_content_clusters *clusters,
	      struct mf_content_masks *ret)
{
	struct mf_content_masks masks = { 0 };

	for (unsigned i = 0; i < MF_CONTENT_WORDS; i += MF_LANES) {
		words at;

		memcpy(&at, block + 8 * (size_t)i, sizeof(at));
		masks.zero |= (uint64_t)MF_MASK_OF((words)(at == 0)) << i;
		masks.text |= (uint64_t)MF_MASK_OF(LOOKS_LIKE_TEXT(at)) << i;
		masks.pointer |=
			(uint64_t)MF_MASK_OF(LOOKS_LIKE_POINTERS(at, clusters))
			<< i;
		masks.integer |= (uint64_t)MF_MASK_OF(LOOKS_LIKE_INTEGERS(at))
				 << i;
		masks.real |= (uint64_t)MF_MASK_OF(LOOKS_LIKE_REALS(at)) << i;
	}
	masks.pointer &= ~masks.zero;
	masks.text &= ~(masks.zero | masks.pointer);
	masks.integer &= ~(masks.zero | masks.pointer | masks.text);
	masks.real &=
		~(masks.zero | masks.pointer | masks.text | masks.integer);
	*ret = masks;
}

#endif
