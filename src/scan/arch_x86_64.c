/*
 * The judge of blocks with the wider vectors that some x86-64 processors have.
 */
#include "scan/content.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define MF_LANES  4
#define MF_KERNEL __attribute__((target("avx2,popcnt")))
#define MF_MASK_OF(v) \
	((unsigned)_mm256_movemask_pd(_mm256_castsi256_pd((__m256i)(v))))

#include "scan/content_kernel.h"

MF_KERNEL static enum mf_content
judge_avx2(const uint8_t *block, uint64_t used,
	   const struct mf_content_clusters *clusters,
	   struct mf_content_masks *masks)
{
	return judge_words(block, used, clusters, masks);
}

mf_content_judge *mf_content_judge_avx2(void)
{
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt"))
		return judge_avx2;
	return NULL;
}

#else

mf_content_judge *mf_content_judge_avx2(void)
{
	return NULL;
}

#endif
