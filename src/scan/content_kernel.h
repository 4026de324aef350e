/*
 * What the words of a block look like, written once for vectors of any width.
 * Who has wider ones than any processor has defines, before it includes this,
 *   MF_LANES       words of a vector
 *   MF_KERNEL      attributes of the function
 *   MF_MASK_OF(v)  a bit for each word of V (all ones or zero), the first lowest
 * or, before that, MF_OWN_LOOKS and the functions of LOOK_AT_ALL by other means.
 */
#ifndef MF_SCAN_CONTENT_KERNEL_H
#define MF_SCAN_CONTENT_KERNEL_H

#include <string.h>

#include "scan/content.h"

#ifndef MF_OWN_LOOKS

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

/* Addresses, by where they lie: in one of four clusters, some of them empty. */
#define LOOKS_LIKE_POINTERS(at, near)                                          \
	((words)((signed_words)((at) - (near)->start[0]) < (near)->below[0]) | \
	 (words)((signed_words)((at) - (near)->start[1]) < (near)->below[1]) | \
	 (words)((signed_words)((at) - (near)->start[2]) < (near)->below[2]) | \
	 (words)((signed_words)((at) - (near)->start[3]) < (near)->below[3]))

_Static_assert(MF_POINTER_CLUSTERS == 4, "as many as are looked into");

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

/* A function that gives a bit for each word of a block of which LOOKS is true.
 */
#define LOOK_AT_ALL(name, looks)                                              \
	MF_KERNEL static inline uint64_t name(                                \
		const uint8_t *block, const struct mf_content_clusters *near) \
	{                                                                     \
		uint64_t all = 0;                                             \
                                                                              \
		(void)near;                                                   \
		_Pragma("GCC unroll 32") for (unsigned i = 0;                 \
					      i < MF_CONTENT_WORDS;           \
					      i += MF_LANES)                  \
		{                                                             \
			words at;                                             \
                                                                              \
			memcpy(&at, block + 8 * (size_t)i, sizeof(at));       \
			all |= (uint64_t)MF_MASK_OF(looks) << i;              \
		}                                                             \
		return all;                                                   \
	}

LOOK_AT_ALL(find_zeros, (words)(at == 0))
LOOK_AT_ALL(find_text, LOOKS_LIKE_TEXT(at))
LOOK_AT_ALL(find_pointers, LOOKS_LIKE_POINTERS(at, near))
LOOK_AT_ALL(find_integers, LOOKS_LIKE_INTEGERS(at))
LOOK_AT_ALL(find_reals, LOOKS_LIKE_REALS(at))

#endif

MF_KERNEL static inline unsigned count_bits(uint64_t mask)
{
	return (unsigned)__builtin_popcountll(mask);
}

/* Most of what is not zero. */
MF_KERNEL static inline bool is_most(unsigned part, unsigned whole)
{
	return part * 3 >= whole * 2;
}

/* Words that are neither text nor pointers: LEFT of the block's are not zero,
 * POINTERS are. */
MF_KERNEL static inline enum mf_content
judge_numbers(const uint8_t *block, uint64_t used, unsigned left,
	      unsigned pointers, struct mf_content_masks *masks)
{
	uint64_t known = masks->zero | masks->text | masks->pointer;
	unsigned integers, reals;

	masks->integer = find_integers(block, NULL) & ~known;
	integers = count_bits(masks->integer & used);
	if (is_most(integers, left))
		return MF_CONTENT_INTEGERS;
	known |= masks->integer;
	masks->real = find_reals(block, NULL) & ~known;
	reals = count_bits(masks->real & used);
	if (is_most(integers + reals, left))
		return integers >= reals ? MF_CONTENT_INTEGERS
					 : MF_CONTENT_FLOATS;
	if (is_most(left - pointers - integers - reals, left))
		return mf_content_judge_others(
			block, used & ~(masks->zero | masks->pointer));
	return MF_CONTENT_MIXED;
}

/* The dearer looks are not taken where the cheaper ones tell all. */
MF_KERNEL static inline enum mf_content
judge_words(const uint8_t *block, uint64_t used,
	    const struct mf_content_clusters *clusters,
	    struct mf_content_masks *masks)
{
	unsigned all = count_bits(used), left, pointers;

	*masks = (struct mf_content_masks){ 0 };
	masks->zero = find_zeros(block, NULL);
	left = count_bits(used & ~masks->zero);
	if (left * MF_CONTENT_ZEROS <= all)
		return MF_CONTENT_ZERO;
	masks->text = find_text(block, NULL) & ~masks->zero;
	if (is_most(count_bits(masks->text & used), left))
		return MF_CONTENT_TEXT;
	masks->pointer =
		find_pointers(block, clusters) & ~(masks->zero | masks->text);
	pointers = count_bits(masks->pointer & used);
	if (is_most(pointers, left))
		return MF_CONTENT_POINTERS;
	return judge_numbers(block, used, left, pointers, masks);
}

#endif
