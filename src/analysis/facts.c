/*
 * Answers what several rules ask of the facts.
 */
#include "analysis/facts.h"

#include <string.h>

#include "base/compiler.h"

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
	mf_usage_add(&sum->usage, &total->usage);
}

struct mf_class_total mf_facts_sum(const struct mf_facts *facts,
				   const enum mf_class *classes)
{
	struct mf_class_total sum = { .class = classes[0],
				      .usage.lacks = MF_FIGURES_ALL };

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
