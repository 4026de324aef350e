/*
 * What rules judge: the figures of the other rooms as plain data, so that a
 * test can forge them.
 */
#ifndef MF_ANALYSIS_FACTS_H
#define MF_ANALYSIS_FACTS_H

#include "memforensics/analysis.h"

struct mf_facts {
	const struct mf_target_info *info;
	const struct mf_mapping *mappings;
	size_t mapping_count;
	const struct mf_region *regions;
	size_t region_count;
	const struct mf_class_total *totals;
	size_t total_count;
	const struct mf_allocator *allocators; /* none: no heap was read */
	size_t allocator_count;
	/* what chunks in use are by their sizes, most bytes first */
	struct mf_size_pattern patterns[MF_SIZE_PATTERNS];
	size_t pattern_count;
	struct mf_stack_census stacks;
	uint64_t rss, rss_explained; /* bytes */
	bool racy;		     /* it ran while it was read */
};

/** The glibc whose heaps were walked (malloc's owner first), or NULL. */
const struct mf_allocator *mf_facts_glibc(const struct mf_facts *facts);
bool mf_facts_has(const struct mf_facts *facts, const char *allocator);

/** The parameter NAME, or OTHERWISE. */
uint64_t mf_facts_parameter(const struct mf_allocator *allocator,
			    const char *name, uint64_t otherwise);

/** What the classes that END with MF_CLASS_COUNT use together. */
struct mf_class_total mf_facts_sum(const struct mf_facts *facts,
				   const enum mf_class *classes);

/** PART is at least PERCENT of WHOLE, and at least FLOOR. */
bool mf_is_large(uint64_t part, uint64_t whole, double percent, uint64_t floor);

/** Bytes of bins and tops that are in RAM. */
uint64_t mf_free_resident(const struct mf_arena_figures *figures);

#endif
