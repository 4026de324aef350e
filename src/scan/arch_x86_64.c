/*
 * The look at words with the wider vectors that some x86-64 processors have.
 */
#include "scan/content.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define MF_LANES  4
#define MF_KERNEL __attribute__((target("avx2")))
#define MF_MASK_OF(v) \
	((unsigned)_mm256_movemask_pd(_mm256_castsi256_pd((__m256i)(v))))

#include "scan/content_kernel.h"

MF_KERNEL static void look_avx2(const uint8_t *block,
				const struct mf_content_clusters *clusters,
				struct mf_content_masks *ret)
{
	look_at_words(block, clusters, ret);
}

mf_content_look *mf_content_arch_look(void)
{
	return __builtin_cpu_supports("avx2") ? look_avx2 : NULL;
}

#else

mf_content_look *mf_content_arch_look(void)
{
	return NULL;
}

#endif
