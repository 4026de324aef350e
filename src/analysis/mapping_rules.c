/*
 * Rules about the address space: how many mappings, what is only reserved, what
 * is files or shared memory, what is nobody's, and what looks like code where
 * none should be.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/judge.h"
#include "base/units.h"
#include "base/vec.h"

enum {
	LARGE = 64 * MF_MIB,
	RESERVED_GIB = 4,
};

/* ---- too many ------------------------------------------------------------- */

static int compare_kinds(const void *left, const void *right)
{
	const struct mf_mapping *a = *(const struct mf_mapping *const *)left;
	const struct mf_mapping *b = *(const struct mf_mapping *const *)right;
	uint64_t one = a->end - a->start, other = b->end - b->start;

	if (one != other)
		return one < other ? -1 : 1;
	if (a->perms != b->perms)
		return a->perms < b->perms ? -1 : 1;
	return strcmp(a->path, b->path);
}

/* The mapping of which (size, permissions, file) there are most. */
static const struct mf_mapping *most_repeated(const struct mf_facts *facts,
					      size_t *count)
{
	MF_VEC(const struct mf_mapping *) sorted = { 0 };
	const struct mf_mapping *most = NULL;
	size_t start = 0;

	for (size_t i = 0; i < facts->mapping_count; i++)
		mf_vec_push(&sorted, &facts->mappings[i]);
	mf_vec_sort(&sorted, compare_kinds);
	*count = 0;
	for (size_t i = 0; i < sorted.count; i++) {
		if (compare_kinds(&sorted.items[start], &sorted.items[i]) != 0)
			start = i;
		if (i - start + 1 > *count) {
			*count = i - start + 1;
			most = sorted.items[start];
		}
	}
	mf_vec_deinit(&sorted);
	return most;
}

static void judge_count(struct mf_judge *judge, const struct mf_facts *facts)
{
	uint64_t most = facts->info->limits.max_map_count;
	const struct mf_mapping *repeated;
	size_t times;

	if (!most || most == UINT64_MAX ||
	    !mf_is_large(facts->mapping_count, most, 80, 0))
		return;
	repeated = most_repeated(facts, &times);
	mf_judge_find(judge,
		      mf_is_large(facts->mapping_count, most, 95, 0)
			      ? MF_SEVERITY_CRITICAL
			      : MF_SEVERITY_WARNING,
		      0,
		      "%s mappings of at most %s: mmap and malloc fail at the "
		      "limit",
		      mf_judge_count(judge, facts->mapping_count),
		      mf_judge_count(judge, most));
	mf_judge_evidence(judge, "mappings", mf_count(facts->mapping_count));
	mf_judge_evidence(judge, "max_map_count", mf_count(most));
	mf_judge_evidence(judge, "most_repeated", mf_count(times));
	if (repeated) {
		mf_judge_evidence(judge, "repeated_size",
				  mf_size(repeated->end - repeated->start));
		mf_judge_evidence(
			judge, "repeated_path",
			mf_text(mf_judge_text(judge, repeated->path)));
	}
	mf_judge_advise(judge, "sudo sysctl -w vm.max_map_count=%" PRIu64,
			most * 2);
	mf_judge_advise(judge,
			"awk '{print $2,$6}' /proc/%s/maps | sort | uniq -c | "
			"sort -rn | head   # which repeat",
			mf_judge_pid(judge));
}

/* ---- only reserved --------------------------------------------------------- */

static bool is_reserved(const struct mf_mapping *mapping)
{
	return !(mapping->perms &
		 (MF_PERM_READ | MF_PERM_WRITE | MF_PERM_EXEC)) ||
	       mapping->vm_flags & MF_VM_NORESERVE;
}

static void judge_reserve(struct mf_judge *judge, const struct mf_facts *facts)
{
	uint64_t virtual_size = 0, reserved = 0;

	for (size_t i = 0; i < facts->mapping_count; i++) {
		const struct mf_mapping *mapping = &facts->mappings[i];
		uint64_t size = mapping->end - mapping->start;

		virtual_size += size;
		if (is_reserved(mapping))
			reserved += size - MF_MIN(size, mapping->usage.rss);
	}
	if (virtual_size / 8 < facts->rss ||
	    !mf_is_large(reserved, virtual_size - facts->rss, 50,
			 (uint64_t)RESERVED_GIB * MF_GIB))
		return;
	mf_judge_find(judge, MF_SEVERITY_INFO, 0,
		      "VIRT is %s, but %s of it is reserved address space: no "
		      "memory",
		      mf_judge_size(judge, virtual_size),
		      mf_judge_size(judge, reserved));
	mf_judge_evidence(judge, "virtual", mf_size(virtual_size));
	mf_judge_evidence(judge, "reserved", mf_size(reserved));
	mf_judge_evidence(judge, "rss", mf_size(facts->rss));
}

/* ---- many equal ---------------------------------------------------------------- */

static int compare_sizes(const void *left, const void *right)
{
	const struct mf_region *a = *(const struct mf_region *const *)left;
	const struct mf_region *b = *(const struct mf_region *const *)right;
	uint64_t one = a->end - a->start, other = b->end - b->start;

	return (one > other) - (one < other);
}

struct group {
	uint64_t size, rss;
	size_t count;
};

/* The group of equal regions with most in RAM. */
static struct group largest_group(const struct mf_facts *facts)
{
	MF_VEC(const struct mf_region *) equal = { 0 };
	struct group group = { 0 }, largest = { 0 };

	for (size_t i = 0; i < facts->region_count; i++)
		if (facts->regions[i].suspicions & MF_SUSPECT_EQUAL_SIZED)
			mf_vec_push(&equal, &facts->regions[i]);
	mf_vec_sort(&equal, compare_sizes);
	mf_vec_foreach(region, &equal) {
		uint64_t size = (*region)->end - (*region)->start;

		if (size != group.size)
			group = (struct group){ .size = size };
		group.count++;
		group.rss += (*region)->usage.rss;
		if (group.rss > largest.rss)
			largest = group;
	}
	mf_vec_deinit(&equal);
	return largest;
}

static void judge_equal(struct mf_judge *judge, const struct mf_facts *facts)
{
	struct group group = largest_group(facts);

	if (!mf_is_large(group.rss, facts->rss, 10, LARGE))
		return;
	mf_judge_find(judge, MF_SEVERITY_INFO, group.rss,
		      "%zu equal regions of %s that nobody claims hold %s: "
		      "chunks of a pool?",
		      group.count, mf_judge_size(judge, group.size),
		      mf_judge_size(judge, group.rss));
	mf_judge_evidence(judge, "count", mf_count(group.count));
	mf_judge_evidence(judge, "size", mf_size(group.size));
	mf_judge_evidence(judge, "rss", mf_size(group.rss));
	mf_judge_advise(judge,
			"memforensics maps %s --json | jq '.regions[] "
			"| select(.size == %" PRIu64 ")'",
			mf_judge_pid(judge), group.size);
}

/* ---- nobody's ------------------------------------------------------------------- */

static void judge_unclaimed(struct mf_judge *judge,
			    const struct mf_facts *facts)
{
	uint64_t unclaimed = facts->rss - facts->rss_explained;
	const struct mf_region *largest = NULL;

	if (!mf_is_large(unclaimed, facts->rss, 20, LARGE))
		return;
	for (size_t i = 0; i < facts->region_count; i++) {
		const struct mf_region *region = &facts->regions[i];

		if (region->class == MF_CLASS_ANON &&
		    (!largest || region->usage.rss > largest->usage.rss))
			largest = region;
	}
	mf_judge_find(judge, MF_SEVERITY_INFO, unclaimed,
		      "%s of RSS, %s, is anonymous memory that nothing here "
		      "claims",
		      mf_judge_size(judge, unclaimed),
		      mf_judge_share(judge, unclaimed, facts->rss));
	mf_judge_evidence(judge, "unclaimed", mf_size(unclaimed));
	if (largest) {
		mf_judge_evidence(judge, "largest", mf_address(largest->start));
		mf_judge_evidence(judge, "largest_rss",
				  mf_size(largest->usage.rss));
	}
	mf_judge_advise(judge,
			"memforensics maps %s --json | jq '.regions[] | "
			"select(.class == \"anon\")'",
			mf_judge_pid(judge));
}

/* ---- code where none should be --------------------------------------------------- */

/* Regions with SUSPICION: how many, their size, and the worst of them. */
static size_t count_suspects(const struct mf_facts *facts, unsigned suspicion,
			     uint64_t *size, const struct mf_region **worst)
{
	size_t count = 0;

	*size = 0;
	for (size_t i = 0; i < facts->region_count; i++) {
		const struct mf_region *region = &facts->regions[i];

		if (!(region->suspicions & suspicion))
			continue;
		count++;
		*size += region->end - region->start;
		if (count == 1 ||
		    region->suspicion_score > (*worst)->suspicion_score)
			*worst = region;
	}
	return count;
}

static void say_suspects(struct mf_judge *judge, size_t count, uint64_t size,
			 const struct mf_region *worst)
{
	mf_judge_evidence(judge, "regions", mf_count(count));
	mf_judge_evidence(judge, "size", mf_size(size));
	mf_judge_evidence(judge, "worst", mf_address(worst->start));
	mf_judge_evidence(judge, "score", mf_ratio(worst->suspicion_score));
	mf_judge_advise(judge,
			"memforensics maps %s --json | jq '.regions[] | "
			"select(.start == \"0x%" PRIx64 "\")'",
			mf_judge_pid(judge), worst->start);
}

static void judge_elf(struct mf_judge *judge, const struct mf_facts *facts)
{
	const struct mf_region *worst = NULL;
	uint64_t size;
	size_t count =
		count_suspects(facts, MF_SUSPECT_ELF_HEADER, &size, &worst);

	if (!count)
		return;
	mf_judge_find(judge, MF_SEVERITY_WARNING, size,
		      "anonymous memory at 0x%" PRIx64
		      " begins like an ELF file "
		      "(%zu such region%s)",
		      worst->start, count, count == 1 ? "" : "s");
	say_suspects(judge, count, size, worst);
}

static void judge_exec_write(struct mf_judge *judge,
			     const struct mf_facts *facts)
{
	const struct mf_region *worst = NULL;
	uint64_t size;
	size_t count =
		count_suspects(facts, MF_SUSPECT_EXEC_WRITE, &size, &worst);

	if (!count)
		return;
	mf_judge_find(judge, MF_SEVERITY_INFO, size,
		      "%zu region%s, %s, can be both written and executed, and "
		      "no runtime claims %s",
		      count, count == 1 ? "" : "s", mf_judge_size(judge, size),
		      count == 1 ? "it" : "them");
	say_suspects(judge, count, size, worst);
}

/* ---- arenas of a listing ---------------------------------------------------------- */

static void judge_unwalked(struct mf_judge *judge, const struct mf_facts *facts)
{
	static const enum mf_class classes[] = { MF_CLASS_ARENA,
						 MF_CLASS_COUNT };
	struct mf_class_total arenas = mf_facts_sum(facts, classes);

	if (mf_facts_glibc(facts) ||
	    !mf_is_large(arenas.usage.rss, facts->rss, 25, LARGE))
		return;
	mf_judge_find(judge, MF_SEVERITY_WARNING, arenas.usage.rss,
		      "%s arena heaps of glibc hold %s of %s RSS; live or free "
		      "needs the process",
		      mf_judge_count(judge, arenas.regions),
		      mf_judge_size(judge, arenas.usage.rss),
		      mf_judge_size(judge, facts->rss));
	mf_judge_evidence(judge, "heaps", mf_count(arenas.regions));
	mf_judge_evidence(judge, "rss", mf_size(arenas.usage.rss));
	mf_judge_advise(judge, "sudo memforensics arenas %s   # where it runs",
			mf_judge_pid(judge));
}

static const struct mf_rule rules[] = {
	{ "mapping-count", 0, judge_count },
	{ "reserved-only", MF_NEED_USAGE | MF_IS_REMARK, judge_reserve },
	{ "equal-regions", MF_NEED_USAGE, judge_equal },
	{ "unclaimed-memory", MF_NEED_USAGE, judge_unclaimed },
	{ "elf-in-memory", 0, judge_elf },
	{ "writable-code", 0, judge_exec_write },
	{ "arenas-not-walked", MF_NEED_USAGE, judge_unwalked },
};

const struct mf_rules mf_mapping_rules = { rules, MF_ARRAY_SIZE(rules) };
