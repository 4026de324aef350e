/*
 * Masks of text bytes on x86-64: AVX-512 where it is, or AVX2, else SSE2.
 * Comparisons of bytes are signed there: 0x80 and above are below zero.
 */
#if defined(__x86_64__)

#include <immintrin.h>

#include "scan/text_masks.h"

enum {
	BELOW_SPACE = 0x1f,
	TAB = 0x09,
	DELETE = 0x7f,
	LEADS = -64,  /* 0xc0: whatever is less, and high, follows */
	LEADS2 = -63, /* one before 0xc2 */
	LEADS3 = -33, /* one before 0xe0 */
	LEADS4 = -17, /* one before 0xf0 */
	NEVER = -11,  /* 0xf5 */
	/* those that not each byte may follow */
	CHOOSY2 = -62,	    /* 0xc2 */
	CHOOSY3 = -32,	    /* 0xe0 */
	CHOOSY3_HIGH = -19, /* 0xed */
	CHOOSY4 = -16,	    /* 0xf0 */
	CHOOSY4_HIGH = -12, /* 0xf4 */
};

/* ---- SSE2 ---------------------------------------------------------------- */

static inline uint64_t bits16(__m128i v, unsigned shift)
{
	return (uint64_t)(uint16_t)_mm_movemask_epi8(v) << shift;
}

static inline __m128i between16(__m128i v, int after, int before)
{
	return _mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8((char)after)),
			     _mm_cmplt_epi8(v, _mm_set1_epi8((char)before)));
}

static inline __m128i is16(__m128i v, int byte)
{
	return _mm_cmpeq_epi8(v, _mm_set1_epi8((char)byte));
}

static inline __m128i choosy16(__m128i v)
{
	__m128i threes = _mm_or_si128(is16(v, CHOOSY3), is16(v, CHOOSY3_HIGH));
	__m128i fours = _mm_or_si128(is16(v, CHOOSY4), is16(v, CHOOSY4_HIGH));

	return _mm_or_si128(is16(v, CHOOSY2), _mm_or_si128(threes, fours));
}

static inline __m128i load16(const uint8_t *bytes)
{
	return _mm_loadu_si128((const __m128i_u *)(const void *)bytes);
}

static inline void high16(struct mf_text_masks *masks, size_t at, __m128i v,
			  unsigned shift)
{
	__m128i follows = _mm_cmplt_epi8(v, _mm_set1_epi8((char)LEADS));

	masks->follows[at] |= bits16(follows, shift);
	masks->leads2[at] |= bits16(between16(v, LEADS2, LEADS3 + 1), shift);
	masks->leads3[at] |= bits16(between16(v, LEADS3, LEADS4 + 1), shift);
	masks->leads4[at] |= bits16(between16(v, LEADS4, NEVER), shift);
	masks->choosy[at] |= bits16(choosy16(v), shift);
}

static inline void add16(struct mf_text_masks *masks, size_t at, __m128i v,
			 unsigned shift)
{
	__m128i shown =
		_mm_andnot_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8(DELETE)),
				 _mm_cmpgt_epi8(v, _mm_set1_epi8(BELOW_SPACE)));
	__m128i tab = _mm_cmpeq_epi8(v, _mm_set1_epi8(TAB));

	masks->plain[at] |= bits16(_mm_or_si128(shown, tab), shift);
	masks->zero[at] |=
		bits16(_mm_cmpeq_epi8(v, _mm_setzero_si128()), shift);
}

/* Of those of COUNT words that have high bytes, and zeros for the others. */
static void make_high_sse2(const uint8_t *bytes, size_t count,
			   struct mf_text_masks *ret)
{
	for (size_t i = 0; i < count; i++) {
		size_t at = MF_TEXT_FIRST + i;

		ret->follows[at] = ret->leads2[at] = ret->leads3[at] = 0;
		ret->leads4[at] = ret->choosy[at] = 0;
		for (unsigned byte = 0; byte < 64; byte += 16) {
			__m128i v = load16(bytes + i * 64 + byte);

			if (_mm_movemask_epi8(v))
				high16(ret, at, v, byte);
		}
	}
}

static bool make_sse2(const uint8_t *bytes, size_t count,
		      struct mf_text_masks *ret)
{
	__m128i high = _mm_setzero_si128();

	for (size_t i = 0; i < count; i++) {
		size_t at = MF_TEXT_FIRST + i;

		ret->plain[at] = ret->zero[at] = 0;
		for (unsigned byte = 0; byte < 64; byte += 16) {
			__m128i v = load16(bytes + i * 64 + byte);

			high = _mm_or_si128(high, v);
			add16(ret, at, v, byte);
		}
	}
	if (!_mm_movemask_epi8(high))
		return false;
	make_high_sse2(bytes, count, ret);
	return true;
}

/* ---- AVX2 ---------------------------------------------------------------- */

#define AVX2 __attribute__((target("avx2")))

AVX2 static inline uint64_t bits32(__m256i low, __m256i high)
{
	return (uint32_t)_mm256_movemask_epi8(low) |
	       (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32;
}

AVX2 static inline __m256i plain32(__m256i v)
{
	__m256i shown = _mm256_andnot_si256(
		_mm256_cmpeq_epi8(v, _mm256_set1_epi8(DELETE)),
		_mm256_cmpgt_epi8(v, _mm256_set1_epi8(BELOW_SPACE)));

	return _mm256_or_si256(shown,
			       _mm256_cmpeq_epi8(v, _mm256_set1_epi8(TAB)));
}

AVX2 static inline __m256i zero32(__m256i v)
{
	return _mm256_cmpeq_epi8(v, _mm256_setzero_si256());
}

AVX2 static inline __m256i follows32(__m256i v)
{
	return _mm256_cmpgt_epi8(_mm256_set1_epi8((char)LEADS), v);
}

AVX2 static inline __m256i between32(__m256i v, int after, int before)
{
	return _mm256_and_si256(
		_mm256_cmpgt_epi8(v, _mm256_set1_epi8((char)after)),
		_mm256_cmpgt_epi8(_mm256_set1_epi8((char)before), v));
}

AVX2 static inline __m256i is32(__m256i v, int byte)
{
	return _mm256_cmpeq_epi8(v, _mm256_set1_epi8((char)byte));
}

AVX2 static inline __m256i choosy32(__m256i v)
{
	__m256i threes =
		_mm256_or_si256(is32(v, CHOOSY3), is32(v, CHOOSY3_HIGH));
	__m256i fours =
		_mm256_or_si256(is32(v, CHOOSY4), is32(v, CHOOSY4_HIGH));

	return _mm256_or_si256(is32(v, CHOOSY2),
			       _mm256_or_si256(threes, fours));
}

AVX2 static inline __m256i load32(const uint8_t *bytes)
{
	return _mm256_loadu_si256((const __m256i_u *)(const void *)bytes);
}

AVX2 static inline void high32(struct mf_text_masks *masks, size_t at,
			       __m256i a, __m256i b)
{
	masks->follows[at] = bits32(follows32(a), follows32(b));
	masks->leads2[at] = bits32(between32(a, LEADS2, LEADS3 + 1),
				   between32(b, LEADS2, LEADS3 + 1));
	masks->leads3[at] = bits32(between32(a, LEADS3, LEADS4 + 1),
				   between32(b, LEADS3, LEADS4 + 1));
	masks->leads4[at] = bits32(between32(a, LEADS4, NEVER),
				   between32(b, LEADS4, NEVER));
	masks->choosy[at] = bits32(choosy32(a), choosy32(b));
}

AVX2 static bool make_avx2(const uint8_t *bytes, size_t count,
			   struct mf_text_masks *ret)
{
	__m256i high = _mm256_setzero_si256();

	for (size_t i = 0; i < count; i++) {
		__m256i a = load32(bytes + i * 64);
		__m256i b = load32(bytes + i * 64 + 32);

		high = _mm256_or_si256(high, _mm256_or_si256(a, b));
		ret->plain[MF_TEXT_FIRST + i] = bits32(plain32(a), plain32(b));
		ret->zero[MF_TEXT_FIRST + i] = bits32(zero32(a), zero32(b));
	}
	if (!_mm256_movemask_epi8(high))
		return false;
	for (size_t i = 0; i < count; i++)
		high32(ret, MF_TEXT_FIRST + i, load32(bytes + i * 64),
		       load32(bytes + i * 64 + 32));
	return true;
}

/* ---- AVX-512 ------------------------------------------------------------- */

#define AVX512 __attribute__((target("avx512bw")))

AVX512 static inline __m512i each64(int byte)
{
	return _mm512_set1_epi8((char)byte);
}

AVX512 static inline uint64_t between64(__m512i v, int after, int before)
{
	return _mm512_mask_cmplt_epi8_mask(
		_mm512_cmpgt_epi8_mask(v, each64(after)), v, each64(before));
}

AVX512 static inline uint64_t is64(__m512i v, int byte)
{
	return _mm512_cmpeq_epi8_mask(v, each64(byte));
}

AVX512 static inline void high64(struct mf_text_masks *masks, size_t at,
				 __m512i v)
{
	masks->follows[at] = _mm512_cmplt_epi8_mask(v, each64(LEADS));
	masks->leads2[at] = between64(v, LEADS2, LEADS3 + 1);
	masks->leads3[at] = between64(v, LEADS3, LEADS4 + 1);
	masks->leads4[at] = between64(v, LEADS4, NEVER);
	masks->choosy[at] = is64(v, CHOOSY2) | is64(v, CHOOSY3) |
			    is64(v, CHOOSY3_HIGH) | is64(v, CHOOSY4) |
			    is64(v, CHOOSY4_HIGH);
}

AVX512 static bool make_avx512(const uint8_t *bytes, size_t count,
			       struct mf_text_masks *ret)
{
	__m512i high = _mm512_setzero_si512();

	for (size_t i = 0; i < count; i++) {
		__m512i v = _mm512_loadu_si512(bytes + i * 64);

		high = _mm512_or_si512(high, v);
		ret->plain[MF_TEXT_FIRST + i] =
			between64(v, BELOW_SPACE, DELETE) |
			_mm512_cmpeq_epi8_mask(v, each64(TAB));
		ret->zero[MF_TEXT_FIRST + i] = _mm512_testn_epi8_mask(v, v);
	}
	if (!_mm512_movepi8_mask(high))
		return false;
	for (size_t i = 0; i < count; i++)
		high64(ret, MF_TEXT_FIRST + i,
		       _mm512_loadu_si512(bytes + i * 64));
	return true;
}

size_t mf_text_masks_x86_64(mf_text_masks_make *ret)
{
	size_t count = 0;

	if (__builtin_cpu_supports("avx512bw"))
		ret[count++] = make_avx512;
	if (__builtin_cpu_supports("avx2"))
		ret[count++] = make_avx2;
	ret[count++] = make_sse2;
	return count;
}

#else

typedef int mf_text_masks_not_x86_64;

#endif
