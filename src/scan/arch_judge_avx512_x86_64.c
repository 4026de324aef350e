/*
 * The judge of blocks with the widest vectors of x86-64, whose comparisons give
 * masks: what is asked of bytes is put together as eight bits a word.
 */
#include "scan/content.h"

#if defined(__x86_64__)

#include <immintrin.h>

/* AddressSanitizer's frames are not aligned to 64 bytes: what is kept on the
 * stack between two steps would be misplaced there. */
#define MF_KERNEL \
	__attribute__((target("avx512bw,bmi2,popcnt"), no_sanitize("address")))
#define MF_OWN_LOOKS

enum {
	LANES = 8, /* words of a vector */
	VECTORS = MF_CONTENT_WORDS / LANES,
	SPACE = 0x20,
	DELETE = 0x7f,
	CONTROLS = 9, /* tab to return */
	CONTROL_COUNT = 5,
};

MF_KERNEL static inline __m512i vector_at(const uint8_t *block, unsigned i)
{
	return _mm512_loadu_si512(block + (size_t)64 * i);
}

MF_KERNEL static inline __m512i each(uint64_t word)
{
	return _mm512_set1_epi64((long long)word);
}

/* A function that gives a bit for each word of a block: MASK, of vector AT. */
#define LOOK(name, mask)                                                       \
	MF_KERNEL static inline uint64_t name(                                 \
		const uint8_t *block, const struct mf_content_clusters *near)  \
	{                                                                      \
		uint64_t all = 0;                                              \
                                                                               \
		(void)near;                                                    \
		_Pragma("GCC unroll 8") for (unsigned i = 0; i < VECTORS; i++) \
		{                                                              \
			__m512i at = vector_at(block, i);                      \
                                                                               \
			all |= (uint64_t)(mask) << (i * LANES);                \
		}                                                              \
		return all;                                                    \
	}

/* Bits of AT that are in MASK are none. */
#define IS_CLEAR(at, mask) ((unsigned)_mm512_testn_epi64_mask(at, each(mask)))

#define IS_NEAR(at, near, i)                                  \
	((unsigned)_mm512_cmplt_epi64_mask(                   \
		_mm512_sub_epi64(at, each((near)->start[i])), \
		each((uint64_t)(near)->below[i])))

LOOK(find_zeros, IS_CLEAR(at, UINT64_MAX))
LOOK(find_between,
     (unsigned)_mm512_cmplt_epi64_mask(_mm512_sub_epi64(at, each(near->first)),
				       each((uint64_t)near->reach)))
LOOK(find_near, IS_NEAR(at, near, 0) | IS_NEAR(at, near, 1) |
			IS_NEAR(at, near, 2) | IS_NEAR(at, near, 3))

/* Most blocks without pointers have no word that lies between them, either. */
MF_KERNEL static inline uint64_t
find_pointers(const uint8_t *block, const struct mf_content_clusters *near)
{
	return find_between(block, near) ? find_near(block, near) : 0;
}

/* One number below 2^31, or two below 2^20; signed ones too. */
LOOK(find_integers,
     IS_CLEAR(_mm512_add_epi64(at, each(UINT64_C(1) << 31)),
	      UINT64_C(0xffffffff00000000)) |
	     IS_CLEAR(_mm512_add_epi32(at, _mm512_set1_epi32(1 << 20)),
		      UINT64_C(0xffe00000ffe00000)))

/* Of a double: ((at >> 52) + 0x20 & 0x7c0) == 0x400. */
LOOK(find_doubles,
     IS_CLEAR(_mm512_xor_epi64(_mm512_add_epi64(at, each(UINT64_C(0x20) << 52)),
			       each(UINT64_C(0x400) << 52)),
	      UINT64_C(0x7c0) << 52))

/* Of the halves of eight words that are floats, or 0: a bit each. */
MF_KERNEL static inline uint64_t floats_of(__m512i at)
{
	__m512i moved = _mm512_xor_epi32(
		_mm512_add_epi32(at, _mm512_set1_epi32(17 << 23)),
		_mm512_set1_epi32(0x80 << 23));

	return _mm512_testn_epi32_mask(moved, _mm512_set1_epi32(0xe0 << 23)) |
	       _mm512_testn_epi32_mask(at, at);
}

MF_KERNEL static inline uint64_t
find_reals(const uint8_t *block, const struct mf_content_clusters *near)
{
	const uint64_t evens = UINT64_C(0x5555555555555555);
	uint64_t all = find_doubles(block, near);

	for (unsigned half = 0; half < 2; half++) {
		uint64_t floats = 0;

		for (unsigned i = 0; i < 4; i++)
			floats |= floats_of(vector_at(block, half * 4 + i))
				  << (i * 2 * LANES);
		all |= _pext_u64(floats & floats >> 1, evens) << (half * 32);
	}
	return all;
}

/* What the bytes of a block are, a bit each: eight of them are a word's. */
struct looks {
	uint64_t shown[VECTORS], controls[VECTORS], zero[VECTORS];
};

MF_KERNEL static inline void look_at_bytes(const uint8_t *block,
					   struct looks *ret)
{
	for (unsigned i = 0; i < VECTORS; i++) {
		__m512i at = vector_at(block, i);

		ret->shown[i] = _mm512_mask_cmplt_epi8_mask(
			_mm512_cmpge_epi8_mask(at, _mm512_set1_epi8(SPACE)), at,
			_mm512_set1_epi8(DELETE));
		ret->controls[i] = _mm512_cmplt_epu8_mask(
			_mm512_sub_epi8(at, _mm512_set1_epi8(CONTROLS)),
			_mm512_set1_epi8(CONTROL_COUNT));
		ret->zero[i] = _mm512_testn_epi8_mask(at, at);
	}
}

/* Words of which all bits that are in MASK are set in LOOKS. */
MF_KERNEL static inline uint64_t all_of(__m512i looks, int mask)
{
	__m512i wanted = _mm512_set1_epi8((char)mask);

	return _mm512_cmpeq_epi8_mask(_mm512_and_si512(looks, wanted), wanted);
}

/* Letters and zeros, four letters side by side; or letters of UTF-16. */
MF_KERNEL static inline uint64_t
find_text(const uint8_t *block, const struct mf_content_clusters *near)
{
	struct looks looks;
	__m512i shown, zero, printed, evens = _mm512_set1_epi8(0x55);

	(void)near;
	look_at_bytes(block, &looks);
	shown = _mm512_loadu_si512(looks.shown);
	zero = _mm512_loadu_si512(looks.zero);
	printed = _mm512_or_si512(shown, _mm512_loadu_si512(looks.controls));
	return (all_of(_mm512_or_si512(printed, zero), 0xff) &
		(all_of(printed, 0x0f) | all_of(printed, 0xf0))) |
	       all_of(_mm512_or_si512(_mm512_and_si512(shown, evens),
				      _mm512_andnot_si512(evens, zero)),
		      0xff);
}

#include "scan/content_kernel.h"

MF_KERNEL static enum mf_content
judge_avx512(const uint8_t *block, uint64_t used,
	     const struct mf_content_clusters *clusters,
	     struct mf_content_masks *masks)
{
	return judge_words(block, used, clusters, masks);
}

mf_content_judge *mf_content_judge_avx512(void)
{
	if (__builtin_cpu_supports("avx512bw") &&
	    __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt"))
		return judge_avx512;
	return NULL;
}

#else

mf_content_judge *mf_content_judge_avx512(void)
{
	return NULL;
}

#endif
