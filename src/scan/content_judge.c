/*
 * The judge of blocks that any processor can do, and which ones this one can.
 */
#include "base/compiler.h"
#include "scan/content_kernel.h"

enum mf_content
mf_content_judge_portable(const uint8_t *block, uint64_t used,
			  const struct mf_content_clusters *clusters,
			  struct mf_content_masks *masks)
{
	return judge_words(block, used, clusters, masks);
}

size_t mf_content_judges(struct mf_content_kernel ret[MF_CONTENT_JUDGES])
{
	mf_content_judge *wide = mf_content_judge_avx2();
	mf_content_judge *widest = mf_content_judge_avx512();
	size_t count = 0;

	if (widest)
		ret[count++].judge = widest;
	if (wide)
		ret[count++].judge = wide;
	ret[count++].judge = mf_content_judge_portable;
	return count;
}

void mf_content_clusters_init(struct mf_content_clusters *clusters,
			      const struct mf_pointer_index *index)
{
	const uint64_t bias = UINT64_C(1) << 63;
	uint64_t first = UINT64_MAX, end = 0;

	for (unsigned i = 0; i < MF_POINTER_CLUSTERS; i++) {
		const struct mf_pointer_cluster *cluster = &index->clusters[i];

		/* an unsigned comparison, by one of signed numbers; nothing is
		 * below the lowest of them */
		clusters->start[i] = cluster->start - bias;
		clusters->below[i] = (int64_t)(cluster->size + bias);
		if (!cluster->size)
			continue;
		first = MF_MIN(first, cluster->start);
		end = MF_MAX(end, cluster->start + cluster->size);
	}
	clusters->first = first - bias;
	clusters->reach = (int64_t)((first < end ? end - first : 0) + bias);
}
