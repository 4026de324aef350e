/*
 * The look at words that any processor can do, and which one is taken here.
 */
#include "scan/content_kernel.h"

void mf_content_look_portable(const uint8_t *block,
			      const struct mf_content_clusters *clusters,
			      struct mf_content_masks *ret)
{
	look_at_words(block, clusters, ret);
}

mf_content_look *mf_content_best_look(void)
{
	mf_content_look *look = mf_content_arch_look();

	return look ? look : mf_content_look_portable;
}

void mf_content_clusters_init(struct mf_content_clusters *clusters,
			      const struct mf_pointer_index *index)
{
	const uint64_t bias = UINT64_C(1) << 63;

	*clusters = (struct mf_content_clusters){ 0 };
	for (unsigned i = 0; i < MF_POINTER_CLUSTERS; i++) {
		const struct mf_pointer_cluster *cluster = &index->clusters[i];
		unsigned at = clusters->count;

		if (!cluster->size)
			continue;
		/* an unsigned comparison, by one of signed numbers */
		clusters->start[at] = cluster->start - bias;
		clusters->below[at] = (int64_t)(cluster->size + bias);
		clusters->count++;
	}
}
