/*
 * The steps from masks to texts on x86-64, by the vectors of AVX2.
 */
#if defined(__x86_64__)

#include "scan/text_bits.h"

#define AVX2 __attribute__((target("avx2")))

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

static const struct mf_text_steps avx2 = {
	.join = join,
	.spread = spread,
	.widen = widen,
	.begin = begin,
};

const struct mf_text_steps *mf_text_steps_x86_64(void)
{
	return __builtin_cpu_supports("avx2") ? &avx2 : NULL;
}

#else

typedef int mf_text_bits_not_x86_64;

#endif
