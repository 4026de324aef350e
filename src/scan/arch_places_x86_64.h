/*
 * Where the bits of a word are, sixteen of them at once, by AVX-512.
 */
#ifndef MF_SCAN_ARCH_PLACES_X86_64_H
#define MF_SCAN_ARCH_PLACES_X86_64_H

#if defined(__x86_64__)

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

enum {
	MF_PLACES_AT_ONCE = 16, /* that are written, whatever there is */
};

#define MF_PLACES __attribute__((target("avx512bw,avx512vbmi2,bmi,popcnt")))

static inline bool mf_places_supported(void)
{
	return __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512vbmi2") &&
	       __builtin_cpu_supports("bmi") &&
	       __builtin_cpu_supports("popcnt");
}

/** Writes those of the first bits of WORD, and behind them what is none. */
MF_PLACES static inline void mf_places_put(uint64_t word, uint32_t base,
					   uint32_t *ret)
{
	const __m512i each = _mm512_set_epi64(
		0x3f3e3d3c3b3a3938, 0x3736353433323130, 0x2f2e2d2c2b2a2928,
		0x2726252423222120, 0x1f1e1d1c1b1a1918, 0x1716151413121110,
		0x0f0e0d0c0b0a0908, 0x0706050403020100);
	__m128i places =
		_mm512_castsi512_si128(_mm512_maskz_compress_epi8(word, each));

	_mm512_storeu_si512(ret,
			    _mm512_add_epi32(_mm512_cvtepu8_epi32(places),
					     _mm512_set1_epi32((int32_t)base)));
}

/** Writes those of all bits; returns how many. */
MF_PLACES static inline uint32_t mf_places_list(uint64_t word, uint32_t base,
						uint32_t *ret)
{
	uint32_t count = (uint32_t)__builtin_popcountll(word);

	mf_places_put(word, base, ret);
	for (uint32_t i = MF_PLACES_AT_ONCE; MF_UNLIKELY(i < count);
	     i += MF_PLACES_AT_ONCE) {
		for (uint32_t k = 0; k < MF_PLACES_AT_ONCE; k++)
			word &= word - 1;
		mf_places_put(word, base, ret + i);
	}
	return count;
}

#endif

#endif
