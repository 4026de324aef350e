/*
 * Gathers what the rules judge from the doors of the other rooms.
 */
#include <string.h>

#include "analysis/facts.h"
#include "analysis/judge.h"

static void gather_patterns(const struct mf_heap *heap, struct mf_facts *facts)
{
	const struct mf_chunk_choice all = { 0 };
	struct mf_chunk_census *census = mf_chunk_census_create(heap, &all);

	memcpy(facts->patterns, census->patterns, sizeof(facts->patterns));
	facts->pattern_count = census->pattern_count;
	mf_chunk_census_destroy(census);
}

/* Pointers stay those of the rooms. */
static struct mf_facts gather(const struct mf_analysis_input *input)
{
	struct mf_facts facts = { .info = mf_target_info(input->target) };
	struct mf_impact impact;

	facts.mappings =
		mf_target_mappings(input->target, &facts.mapping_count);
	facts.regions = mf_space_regions(input->space, &facts.region_count);
	facts.totals = mf_space_totals(input->space, &facts.total_count);
	facts.allocators =
		mf_heap_allocators(input->heap, &facts.allocator_count);
	if (input->heap)
		gather_patterns(input->heap, &facts);
	mf_space_stack_census(input->space, &facts.stacks);
	facts.rss = mf_space_rss(input->space);
	facts.rss_explained = mf_space_rss_explained(input->space);
	mf_target_get_impact(input->target, &impact);
	facts.racy = impact.racy;
	return facts;
}

struct mf_analysis *mf_analysis_create(const struct mf_analysis_input *input)
{
	struct mf_facts facts = gather(input);

	return mf_analysis_judge(&facts);
}
