/*
 * Gathers what the rules judge from the other rooms, and answers what several
 * rules ask of it.
 */
#include "analysis/facts.h"

#include <string.h>

#include "base/compiler.h"

void mf_facts_gather(const struct mf_analysis_input *input,
		     struct mf_facts *ret)
{
	struct mf_impact impact;

	*ret = (struct mf_facts){ .info = mf_target_info(input->target) };
	ret->mappings = mf_target_mappings(input->target, &ret->mapping_count);
	ret->regions = mf_space_regions(input->space, &ret->region_count);
	ret->totals = mf_space_totals(input->space, &ret->total_count);
	if (input->heap)
		ret->allocators =
			mf_heap_allocators(input->heap, &ret->allocator_count);
	mf_space_stack_census(input->space, &ret->stacks);
	ret->rss = mf_space_rss(input->space);
	ret->rss_explained = mf_space_rss_explained(input->space);
	mf_target_get_impact(input->target, &impact);
	ret->racy = impact.racy;
}

const struct mf_allocator *mf_facts_glibc(const struct mf_facts *facts)
{
	for (size_t i = 0; i < facts->allocator_count; i++) {
		const struct mf_allocator *allocator = &facts->allocators[i];

		if (allocator->supported && !strcmp(allocator->name, "glibc"))
			return allocator;
	}
	return NULL;
}

bool mf_facts_has(const struct mf_facts *facts, const char *allocator)
{
	for (size_t i = 0; i < facts->allocator_count; i++)
		if (!strcmp(facts->allocators[i].name, allocator))
			return true;
	return false;
}

uint64_t mf_facts_parameter(const struct mf_allocator *allocator,
			    const char *name, uint64_t otherwise)
{
	for (size_t i = 0; i < allocator->parameter_count; i++)
		if (!strcmp(allocator->parameters[i].name, name))
			return allocator->parameters[i].value;
	return otherwise;
}

static void add_total(struct mf_class_total *sum,
		      const struct mf_class_total *total)
{
	sum->regions += total->regions;
	sum->size += total->size;
	sum->usage.rss += total->usage.rss;
	sum->usage.pss += total->usage.pss;
	sum->usage.anon += total->usage.anon;
	sum->usage.dirty += total->usage.dirty;
	sum->usage.swap += total->usage.swap;
	sum->usage.lazyfree += total->usage.lazyfree;
	sum->usage.thp += total->usage.thp;
	sum->usage.locked += total->usage.locked;
}

struct mf_class_total mf_facts_sum(const struct mf_facts *facts,
				   const enum mf_class *classes)
{
	struct mf_class_total sum = { .class = classes[0] };

	for (; *classes != MF_CLASS_COUNT; classes++)
		for (size_t i = 0; i < facts->total_count; i++)
			if (facts->totals[i].class == *classes)
				add_total(&sum, &facts->totals[i]);
	return sum;
}

bool mf_is_large(uint64_t part, uint64_t whole, double percent, uint64_t floor)
{
	return part && part >= floor &&
	       (double)part >= (double)whole * percent / 100;
}

uint64_t mf_free_resident(const struct mf_arena_figures *figures)
{
	return figures->free.resident + figures->top_resident;
}
