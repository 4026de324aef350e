/*
 * The steps from masks to texts on x86-64, by the vectors of AVX2 and AVX-512
 * and the bit instructions that came with them.
 */
#if defined(__x86_64__)

#include "scan/arch_places_x86_64.h"
#include "scan/text_bits.h"

#define AVX2 __attribute__((target("avx2,bmi,popcnt")))

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
	mf_text_list(bits, count, base, carry, mf_text_list_bits, ret);
}

static const struct mf_text_steps avx2 = {
	.join = join,
	.spread = spread,
	.widen = widen,
	.begin = begin,
	.list = list,
};

/* ---- AVX-512: the bits of a word are listed at once ------------------------ */

_Static_assert((int)MF_TEXT_GROUP >= (int)MF_PLACES_AT_ONCE, "room for these");

MF_PLACES static void list_avx512(const uint64_t *bits, size_t count,
				  uint32_t base, uint64_t *carry,
				  struct mf_text_list *ret)
{
	mf_text_list(bits, count, base, carry, mf_places_list, ret);
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
	if (mf_places_supported())
		ret[count++] = &avx512;
	ret[count++] = &avx2;
	return count;
}

#else

typedef int mf_text_bits_not_x86_64;

#endif
