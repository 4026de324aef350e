/*
 * Forged facts for the tests of the rules: a calm process to begin with, and
 * checks of what was found.
 */
#ifndef MF_TESTS_FACTS_UTIL_H
#define MF_TESTS_FACTS_UTIL_H

#include "analysis/judge.h"
#include "base/escape.h"
#include "base/memory.h"
#include "base/units.h"
#include "unit.h"

#define MIB(n) ((uint64_t)(n)*MF_MIB)
#define GIB(n) ((uint64_t)(n)*MF_GIB)

enum {
	MOST = 128,
};

struct forged {
	struct mf_facts facts;
	struct mf_target_info info;
	struct mf_class_total totals[MF_CLASS_COUNT];
	struct mf_allocator allocators[4];
	struct mf_parameter parameters[4];
	struct mf_arena arenas[MOST];
	struct mf_region regions[MOST];
	struct mf_mapping mappings[MOST];
	struct mf_analysis *analysis;
};

/* A shell: 4 MiB, one arena, no limits. */
static inline struct forged *forge(void)
{
	struct forged *forged = mf_new(struct forged);

	forged->info = (struct mf_target_info){
		.kind = MF_TARGET_FORGED,
		.pid = 4242,
		.exe = "/bin/sh",
		.comm = "sh",
		.thread_count = 1,
		.page_size = 4096,
		.limits = {
			.cgroup_memory_max = UINT64_MAX,
			.cgroup_memory_current = UINT64_MAX,
			.cgroup_file = UINT64_MAX,
			.cgroup_slab = UINT64_MAX,
			.address_space = UINT64_MAX,
			.stack = MIB(8),
			.max_map_count = 65530,
			.memory_available = GIB(8),
			.cpus = 2,
		},
	};
	forged->allocators[0] = (struct mf_allocator){
		.name = "glibc",
		.version = "2.36",
		.supported = true,
		.owns_malloc = true,
		.resident = MIB(1),
		.figures = {
			.system = MIB(1),
			.resident = MIB(1),
			.in_use = { 1000, MF_KIB * 900 },
			.top = { 1, MF_KIB * 100 },
		},
		.parameters = forged->parameters,
		.arenas = forged->arenas,
		.arena_count = 1,
	};
	forged->arenas[0] = (struct mf_arena){
		.main = true,
		.attached_threads = 1,
		.figures = forged->allocators[0].figures,
	};
	forged->facts = (struct mf_facts){
		.info = &forged->info,
		.mappings = forged->mappings,
		.regions = forged->regions,
		.totals = forged->totals,
		.allocators = forged->allocators,
		.allocator_count = 1,
		.stacks = { .live = 1, .live_rss = MF_KIB * 64 },
		.rss = MIB(4),
		.rss_explained = MIB(4),
	};
	return forged;
}

static inline struct mf_arena_figures *glibc_figures(struct forged *forged)
{
	return &forged->allocators[0].figures;
}

static inline void forge_parameter(struct forged *forged, const char *name,
				   uint64_t value)
{
	struct mf_allocator *glibc = &forged->allocators[0];

	forged->parameters[glibc->parameter_count++] =
		(struct mf_parameter){ name, value };
}

static inline struct mf_arena *forge_arena(struct forged *forged)
{
	struct mf_allocator *glibc = &forged->allocators[0];
	struct mf_arena *arena = &forged->arenas[glibc->arena_count];

	arena->index = (unsigned)glibc->arena_count++;
	arena->attached_threads = 1;
	return arena;
}

static inline struct mf_allocator *
forge_allocator(struct forged *forged, const char *name, uint64_t resident)
{
	struct mf_allocator *allocator =
		&forged->allocators[forged->facts.allocator_count++];

	allocator->name = name;
	allocator->resident = resident;
	return allocator;
}

static inline struct mf_class_total *
forge_total(struct forged *forged, enum mf_class class, uint64_t rss)
{
	struct mf_class_total *total =
		&forged->totals[forged->facts.total_count++];

	total->class = class;
	total->regions = 1;
	total->size = rss;
	total->usage.rss = total->usage.pss = rss;
	return total;
}

static inline struct mf_region *forge_region(struct forged *forged,
					     enum mf_class class,
					     uint64_t start, uint64_t rss)
{
	size_t at = forged->facts.region_count++;
	struct mf_region *region = &forged->regions[at];
	struct mf_mapping *mapping = &forged->mappings[at];

	forged->facts.mapping_count = forged->facts.region_count;
	mapping->start = region->start = start;
	mapping->end = region->end = start + rss;
	mapping->path = "";
	mapping->perms = MF_PERM_READ | MF_PERM_WRITE;
	mapping->usage.rss = region->usage.rss = rss;
	region->mapping = mapping;
	region->class = class;
	return region;
}

static inline const struct mf_finding *find_code(const struct forged *forged,
						 const char *code)
{
	size_t count;
	const struct mf_finding *findings =
		mf_analysis_findings(forged->analysis, &count);

	for (size_t i = 0; i < count; i++)
		if (!strcmp(findings[i].code, code))
			return &findings[i];
	return NULL;
}

/* Every title fits one line of 100 columns beside its mark. */
static inline void check_findings(const struct forged *forged)
{
	size_t count;
	const struct mf_finding *findings =
		mf_analysis_findings(forged->analysis, &count);

	assert_true(count > 0);
	for (size_t i = 0; i < count; i++) {
		if (mf_utf8_columns(findings[i].title) > 88)
			fail_msg("too long: %s", findings[i].title);
		assert_null(strchr(findings[i].title, '\n'));
		for (size_t j = 0; findings[i].advice[j]; j++)
			assert_true(strlen(findings[i].advice[j]) > 5);
	}
	for (size_t i = 1; i < count; i++)
		assert_true(findings[i - 1].severity >= findings[i].severity);
}

/* Judges; CODE must be found with this title (NULL: must not be found). */
static inline const struct mf_finding *
expect_finding(struct forged *forged, const char *code, const char *title)
{
	const struct mf_finding *finding;

	mf_analysis_destroy(forged->analysis);
	forged->analysis = mf_analysis_judge(&forged->facts);
	check_findings(forged);
	finding = find_code(forged, code);
	if (!title) {
		if (finding)
			fail_msg("unexpected: %s", finding->title);
		return NULL;
	}
	if (!finding) {
		fail_msg("not found: %s", code);
		return NULL;
	}
	assert_string_equal(finding->title, title);
	return finding;
}

static inline const struct mf_value *
evidence_value_of(const struct mf_finding *finding, const char *key)
{
	for (size_t i = 0; i < finding->evidence_count; i++)
		if (!strcmp(finding->evidence[i].key, key))
			return &finding->evidence[i].value;
	fail_msg("no evidence %s", key);
	return NULL;
}

static inline uint64_t evidence_of(const struct mf_finding *finding,
				   const char *key)
{
	return evidence_value_of(finding, key)->number;
}

static inline const char *evidence_text_of(const struct mf_finding *finding,
					   const char *key)
{
	return evidence_value_of(finding, key)->text;
}

static inline int setup_forged(void **state)
{
	*state = forge();
	return 0;
}

static inline int teardown_forged(void **state)
{
	struct forged *forged = *state;

	mf_analysis_destroy(forged->analysis);
	free(forged);
	return 0;
}

#define FORGED_TEST(test) \
	cmocka_unit_test_setup_teardown(test, setup_forged, teardown_forged)

#endif
