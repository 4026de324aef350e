/*
 * Marks pairs of bytes on x86-64: with AVX-512 the classes of 64 bytes are looked
 * up at once, with AVX2 those of the halves of 32.
 */
#if defined(__x86_64__)

#include <immintrin.h>

#include "scan/arch_places_x86_64.h"
#include "scan/pairs.h"

/* ---- AVX2 ---------------------------------------------------------------- */

#define AVX2 __attribute__((target("avx2")))

enum {
	LANES = 32,
	WORD = 64,
	HALF = 0x0f,
};

AVX2 static inline __m256i load(const uint8_t *bytes)
{
	return _mm256_loadu_si256((const __m256i_u *)(const void *)bytes);
}

AVX2 static inline __m256i twice(const uint8_t *table)
{
	return _mm256_broadcastsi128_si256(
		_mm_loadu_si128((const __m128i_u *)(const void *)table));
}

/* The tables of the halves of both bytes, of eight groups each. */
struct tables {
	__m256i halves[2][4];
	__m256i eighths;
};

AVX2 static inline struct tables read_tables(const struct mf_pairs *pairs)
{
	struct tables tables;

	for (unsigned i = 0; i < 2; i++)
		for (unsigned k = 0; k < 4; k++)
			tables.halves[i][k] = twice(pairs->halves[i][k]);
	tables.eighths = twice(pairs->eighths);
	return tables;
}

/* The groups that have all four halves, a bit each. */
AVX2 static inline __m256i look_up(const __m256i tables[4],
				   const __m256i halves[4])
{
	__m256i first =
		_mm256_and_si256(_mm256_shuffle_epi8(tables[0], halves[0]),
				 _mm256_shuffle_epi8(tables[1], halves[1]));
	__m256i second =
		_mm256_and_si256(_mm256_shuffle_epi8(tables[2], halves[2]),
				 _mm256_shuffle_epi8(tables[3], halves[3]));

	return _mm256_and_si256(first, second);
}

AVX2 static inline uint32_t candidates(const struct tables *tables,
				       const uint8_t *bytes)
{
	__m256i half = _mm256_set1_epi8(HALF);
	__m256i first = load(bytes), second = load(bytes + 1);
	const __m256i halves[4] = {
		_mm256_and_si256(first, half),
		_mm256_and_si256(_mm256_srli_epi16(first, 4), half),
		_mm256_and_si256(second, half),
		_mm256_and_si256(_mm256_srli_epi16(second, 4), half),
	};
	__m256i groups = _mm256_or_si256(look_up(tables->halves[0], halves),
					 look_up(tables->halves[1], halves));
	__m256i eighths = _mm256_cmpeq_epi8(
		_mm256_shuffle_epi8(tables->eighths, first), first);

	groups = _mm256_or_si256(
		groups, _mm256_and_si256(eighths, _mm256_set1_epi64x(0xff)));
	return ~(uint32_t)_mm256_movemask_epi8(
		_mm256_cmpeq_epi8(groups, _mm256_setzero_si256()));
}

AVX2 static void mark_avx2(const struct mf_pairs *pairs, const uint8_t *bytes,
			   size_t count, uint64_t *ret)
{
	const struct tables tables = read_tables(pairs);

	for (size_t i = 0; i < count; i++, bytes += WORD) {
		uint64_t low = candidates(&tables, bytes);
		uint64_t high = candidates(&tables, bytes + LANES);

		ret[i] = high << LANES | low;
	}
}

/* ---- AVX-512 ------------------------------------------------------------- */

#define AVX512 __attribute__((target("avx512bw,avx512vbmi")))

/* The classes of all bytes. */
struct classes {
	__m512i low[2], high[2];
};

AVX512 static inline struct classes read_classes(const uint8_t classes[256])
{
	return (struct classes){
		{ _mm512_loadu_si512(classes),
		  _mm512_loadu_si512(classes + 64) },
		{ _mm512_loadu_si512(classes + 128),
		  _mm512_loadu_si512(classes + 192) },
	};
}

AVX512 static inline __m512i classify(const struct classes *classes,
				      __m512i bytes)
{
	__m512i low = _mm512_permutex2var_epi8(classes->low[0], bytes,
					       classes->low[1]);
	__m512i high = _mm512_permutex2var_epi8(classes->high[0], bytes,
						classes->high[1]);

	return _mm512_mask_blend_epi8(_mm512_movepi8_mask(bytes), low, high);
}

AVX512 static void mark_avx512(const struct mf_pairs *pairs,
			       const uint8_t *bytes, size_t count,
			       uint64_t *ret)
{
	const struct classes first = read_classes(pairs->classes[0]);
	const struct classes second = read_classes(pairs->classes[1]);
	const __m512i eighth = _mm512_set1_epi64(MF_PAIRS_EIGHTH);

	for (size_t i = 0; i < count; i++, bytes += WORD) {
		__m512i one = _mm512_loadu_si512(bytes);
		__m512i other = _mm512_loadu_si512(bytes + 1);

		ret[i] = _mm512_test_epi8_mask(
			classify(&first, one),
			_mm512_or_si512(classify(&second, other), eighth));
	}
}

_Static_assert((int)MF_PAIRS_LISTED >= (int)MF_PLACES_AT_ONCE,
	       "room for these");

MF_PLACES static size_t list_avx512(const uint64_t *marks, size_t count,
				    uint32_t from, uint32_t *ret)
{
	size_t used = 0;

	for (size_t i = 0; i < count; i++, from += WORD)
		used += mf_places_list(marks[i], from, ret + used);
	return used;
}

mf_pairs_list mf_pairs_list_x86_64(void)
{
	return mf_places_supported() ? list_avx512 : NULL;
}

size_t mf_pairs_x86_64(mf_pairs_mark *ret)
{
	size_t count = 0;

	if (__builtin_cpu_supports("avx512bw") &&
	    __builtin_cpu_supports("avx512vbmi"))
		ret[count++] = mark_avx512;
	if (__builtin_cpu_supports("avx2"))
		ret[count++] = mark_avx2;
	return count;
}

#endif
