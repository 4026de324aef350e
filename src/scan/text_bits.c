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

const struct mf_text_steps mf_text_steps_portable = {
	.join = join,
	.spread = spread,
	.widen = widen,
	.begin = begin,
};

#if !defined(__x86_64__)
const struct mf_text_steps *mf_text_steps_x86_64(void)
{
	return NULL;
}
#endif

const struct mf_text_steps *mf_text_steps_best(void)
{
	const struct mf_text_steps *steps = mf_text_steps_x86_64();

	return steps ? steps : &mf_text_steps_portable;
}
