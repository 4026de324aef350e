/*
 * The steps from masks to texts by the vectors that any processor of this kind
 * has.
 */
#include "scan/text_bits.h"

static void join(struct mf_text_bits *bits)
{
	mf_text_join(bits);
}

static uint64_t spread(struct mf_text_bits *bits)
{
	return mf_text_spread(bits);
}

static void widen(struct mf_text_bits *bits)
{
	mf_text_widen(bits);
}

static uint64_t begin(const struct mf_text_bits *bits, uint64_t *restrict runs,
		      uint64_t *restrict wide)
{
	return mf_text_begin(bits, runs, wide);
}

static void list(const uint64_t *bits, size_t count, uint32_t base,
		 uint64_t *carry, struct mf_text_list *ret)
{
	mf_text_list(bits, count, base, carry, mf_text_list_bits, ret);
}

const struct mf_text_steps mf_text_steps_portable = {
	.join = join,
	.spread = spread,
	.widen = widen,
	.begin = begin,
	.list = list,
};

#if !defined(__x86_64__)
size_t mf_text_steps_x86_64(const struct mf_text_steps **ret)
{
	(void)ret;
	return 0;
}
#endif

size_t mf_text_steps_all(const struct mf_text_steps *ret[MF_TEXT_STEPS])
{
	size_t count = mf_text_steps_x86_64(ret);

	ret[count++] = &mf_text_steps_portable;
	return count;
}

const struct mf_text_steps *mf_text_steps_best(void)
{
	const struct mf_text_steps *steps[MF_TEXT_STEPS];

	mf_text_steps_all(steps);
	return steps[0];
}
