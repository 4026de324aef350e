/*
 * Fuzzes what tells the kinds of bytes: which words of a block count, where
 * addresses lie and how references of Java's look, then blocks. Every way that
 * this processor has of judging a block must say the same as the plain one.
 */
#include <string.h>

#include "base/compiler.h"
#include "base/memory.h"
#include "fuzz.h"
#include "scan/content.h"

enum {
	USED_AT = 0, /* the words of the input */
	JAVA_AT = 8,
	CLUSTERS_AT = 16,
	BLOCKS_AT = CLUSTERS_AT + 16 * MF_POINTER_CLUSTERS,
	BLOCKS_MOST = 16,
};

static struct mf_content_clusters read_clusters(const uint8_t *data)
{
	struct mf_content_clusters clusters;
	struct mf_pointer_index index = { 0 };

	/* as an index has them: apart, and ascending */
	for (unsigned i = 0; i < MF_POINTER_CLUSTERS; i++) {
		uint64_t start = mf_load(uint64_t, data + 16 * i);
		uint64_t size = mf_load(uint64_t, data + 16 * i + 8);

		index.clusters[i].start = (uint64_t)i << 45 | start >> 20;
		index.clusters[i].size = size >> 20;
	}
	mf_content_clusters_init(&clusters, &index);
	return clusters;
}

static void judge(const uint8_t *block, uint64_t used,
		  const struct mf_content_clusters *clusters)
{
	struct mf_content_kernel kernels[MF_CONTENT_JUDGES];
	size_t count = mf_content_judges(kernels);
	struct mf_content_masks plain, other;
	enum mf_content class =
		mf_content_judge_portable(block, used, clusters, &plain);

	FUZZ_AT_MOST(class, MF_CONTENTS - 1);
	for (size_t i = 0; i < count; i++) {
		FUZZ_EQUAL(kernels[i].judge(block, used, clusters, &other),
			   class);
		FUZZ_EQUAL(memcmp(&plain, &other, sizeof(plain)), 0);
	}
}

static void describe(const uint8_t *block, uint64_t used, uint64_t java)
{
	const struct mf_content_java references = { (uint32_t)java,
						    (uint32_t)(java >> 32) };
	const uint64_t bytes = 8 * (uint64_t)__builtin_popcountll(used);
	unsigned printed;
	enum mf_content_text text = mf_content_text_of(block, used, &printed);

	FUZZ_AT_MOST(text, MF_TEXTS - 1);
	FUZZ_AT_MOST(printed, bytes);
	FUZZ_AT_MOST(mf_content_judge_others(block, used), MF_CONTENTS - 1);
	mf_content_is_java(block, used, &references);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mf_content_clusters clusters;
	uint64_t used, java;
	uint8_t *block;

	if (size < BLOCKS_AT)
		return 0;
	used = mf_load(uint64_t, data + USED_AT);
	java = mf_load(uint64_t, data + JAVA_AT);
	clusters = read_clusters(data + CLUSTERS_AT);
	/* of just that size, so that a sanitizer sees a byte too far */
	block = mf_calloc(MF_CONTENT_BLOCK, 1);
	for (unsigned i = 0; i < BLOCKS_MOST; i++) {
		size_t at = BLOCKS_AT + (size_t)i * MF_CONTENT_BLOCK;

		if (at >= size)
			break;
		memset(block, 0, MF_CONTENT_BLOCK);
		memcpy(block, data + at,
		       MF_MIN(size - at, (size_t)MF_CONTENT_BLOCK));
		judge(block, used | 1, &clusters);
		describe(block, used | 1, java);
	}
	free(block);
	return 0;
}
