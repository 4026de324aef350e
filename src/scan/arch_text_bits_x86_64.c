/*
 * The steps from masks to texts on x86-64, by the vectors of AVX2 and AVX-512
 * and the bit instructions that came with them.
 */
#if defined(__x86_64__)

#include <immintrin.h>

#include "scan/text_bits.h"

#define AVX2   __attribute__((target("avx2,bmi,popcnt")))
#define AVX512 __attribute__((target("avx512bw,avx512vbmi2,bmi,popcnt")))

AVX2 static void join(struct mf_text_bits *bits)
{
	mf_text_join(bits);
}

AVX2 static uint64_t spread(struct mf_text_bits *bits)
{
	return mf_text_spread(bits);
}

AVX2 static void widen(struct mf_text_bits *bits)
{
	mf_text_widen(bits);
}

AVX2 static uint64_t begin(const struct mf_text_bits *bits,
			   uint64_t *restrict runs, uint64_t *restrict wide)
{
	return mf_text_begin(bits, runs, wide);
}

AVX2 static void list(const uint64_t *bits, size_t count, uint32_t base,
		      uint64_t *carry, struct mf_text_list *ret)
{
	mf_text_list(bits, count, base, carry, ret);
}

static const struct mf_text_steps avx2 = {
	.join = join,
	.spread = spread,
	.widen = widen,
	.begin = begin,
	.list = list,
};

/* ---- AVX-512: the bits of a word are listed at once ------------------------ */

enum {
	AT_ONCE = MF_TEXT_GROUP,
};

/* Writes where the first bits of WORD are, and behind them what is none. */
AVX512 static inline void put_bits(__mmask64 word, __m512i base, uint32_t *ret)
{
	const __m512i each = _mm512_set_epi64(
		0x3f3e3d3c3b3a3938, 0x3736353433323130, 0x2f2e2d2c2b2a2928,
		0x2726252423222120, 0x1f1e1d1c1b1a1918, 0x1716151413121110,
		0x0f0e0d0c0b0a0908, 0x0706050403020100);
	__m128i places =
		_mm512_castsi512_si128(_mm512_maskz_compress_epi8(word, each));

	_mm512_storeu_si512(
		ret, _mm512_add_epi32(_mm512_cvtepu8_epi32(places), base));
}

/* The same of all of them; returns how many. */
AVX512 static inline uint32_t list_bits(uint64_t word, uint32_t base,
					uint32_t *ret)
{
	const __m512i bases = _mm512_set1_epi32((int32_t)base);
	uint32_t count = (uint32_t)__builtin_popcountll(word);

	put_bits(word, bases, ret);
	if (__builtin_expect(count <= AT_ONCE, 1))
		return count;
	for (uint32_t i = 0; i < count; i += AT_ONCE) {
		put_bits(word, bases, ret + i);
		for (uint32_t k = 0; k < AT_ONCE; k++)
			word &= word - 1;
	}
	return count;
}

AVX512 static void list_avx512(const uint64_t *bits, size_t count,
			       uint32_t base, uint64_t *carry,
			       struct mf_text_list *ret)
{
	uint32_t starts = ret->start_count, ends = ret->end_count;
	uint64_t last = *carry;

	for (size_t i = 0; i < count; i++, base += 64) {
		uint64_t before = bits[i] << 1 | last;

		last = bits[i] >> 63;
		if (!(bits[i] ^ before))
			continue;
		starts += list_bits(bits[i] & ~before, base,
				    ret->starts + starts);
		ends += list_bits(~bits[i] & before, base, ret->ends + ends);
	}
	ret->start_count = starts;
	ret->end_count = ends;
	*carry = last;
}

static const struct mf_text_steps avx512 = {
	.join = join,
	.spread = spread,
	.widen = widen,
	.begin = begin,
	.list = list_avx512,
};

/* ---- what there is --------------------------------------------------------- */

size_t mf_text_steps_x86_64(const struct mf_text_steps **ret)
{
	size_t count = 0;

	if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi") ||
	    !__builtin_cpu_supports("popcnt"))
		return 0;
	if (__builtin_cpu_supports("avx512bw") &&
	    __builtin_cpu_supports("avx512vbmi2"))
		ret[count++] = &avx512;
	ret[count++] = &avx2;
	return count;
}

#else

typedef int mf_text_bits_not_x86_64;

#endif
