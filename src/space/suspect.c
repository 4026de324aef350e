/*
 * Which regions deserve a second look, and how much: code that can be written,
 * code in anonymous memory, ELF images there, large memory that nobody owns,
 * many equal pieces of it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "space/model.h"

enum {
	LARGE = MF_MIB,	   /* bytes, of what is worth a look */
	EQUAL_COUNT = 4,   /* that many of one size are no accident */
	HEADER_PAGES = 64, /* searched for the first resident page */
};

static const struct {
	unsigned suspicion;
	double weight; /* chance that it is worth the look */
} weights[] = {
	{ MF_SUSPECT_ELF_HEADER, 0.8 },
	{ MF_SUSPECT_ANON_EXEC, 0.6 },
	{ MF_SUSPECT_EXEC_WRITE, 0.5 },
	{ MF_SUSPECT_EQUAL_SIZED, 0.2 },
};

static bool is_nobodys(const struct mf_region *region)
{
	return region->class == MF_CLASS_ANON && !region->certainty;
}

/* Runtimes write and run their code; their claim says that they do. */
static bool is_runtime_code(const struct mf_region *region)
{
	return region->class == MF_CLASS_JIT ||
	       region->class == MF_CLASS_JAVA_CODE ||
	       region->class == MF_CLASS_V8_HEAP;
}

static bool is_fileless(const struct mf_region *region)
{
	return region->class == MF_CLASS_ANON ||
	       region->class == MF_CLASS_MEMFD ||
	       region->class == MF_CLASS_SHARED ||
	       region->class == MF_CLASS_STACK ||
	       region->class == MF_CLASS_HEAP ||
	       region->class == MF_CLASS_THREAD_STACK;
}

static unsigned suspect_code(const struct mf_region *region)
{
	unsigned perms = region->mapping->perms, suspicions = 0;

	if (!(perms & MF_PERM_EXEC) || is_runtime_code(region))
		return 0;
	if (perms & MF_PERM_WRITE)
		suspicions |= MF_SUSPECT_EXEC_WRITE;
	if (is_fileless(region))
		suspicions |= MF_SUSPECT_ANON_EXEC;
	return suspicions;
}

/* The first page of the region that is in RAM, near its start. */
static bool find_first_page(struct mf_space *space,
			    const struct mf_region *region, uint64_t *ret)
{
	uint8_t flags[HEADER_PAGES] = { 0 };
	uint64_t pages = (region->end - region->start) / space->page;
	size_t count = MF_MIN(pages, (uint64_t)HEADER_PAGES);
	mf_auto_error struct mf_error *error =
		mf_target_residency(space->target, region->start, count, flags);

	for (size_t i = 0; !error && i < count; i++) {
		if (flags[i] & MF_PAGE_PRESENT) {
			*ret = region->start + i * space->page;
			return true;
		}
	}
	return false;
}

static bool has_elf_header(struct mf_space *space,
			   const struct mf_region *region)
{
	static const char magic[] = { 0x7f, 'E', 'L', 'F' };
	char bytes[sizeof(magic)];
	uint64_t page;

	return region->class == MF_CLASS_ANON &&
	       region->mapping->perms & MF_PERM_READ &&
	       (region->usage.rss || !region->usage_known) &&
	       mf_target_can(space->target, MF_CAN_READ | MF_CAN_RESIDENCY) &&
	       find_first_page(space, region, &page) &&
	       mf_target_try_read(space->target, page, bytes, sizeof(bytes)) &&
	       memcmp(bytes, magic, sizeof(magic)) == 0;
}

static bool may_be_equal(const struct mf_region *region)
{
	return is_nobodys(region) && region->end - region->start >= LARGE &&
	       !(region->mapping->perms & MF_PERM_SHARED);
}

static int compare_sizes(const void *left, const void *right)
{
	const struct mf_region *a = *(struct mf_region *const *)left;
	const struct mf_region *b = *(struct mf_region *const *)right;
	uint64_t one = a->end - a->start, other = b->end - b->start;

	return (one > other) - (one < other);
}

static void suspect_equal(struct mf_space *space)
{
	MF_VEC(struct mf_region *) equal = { 0 };

	mf_vec_foreach(region, &space->view->regions)
		if (may_be_equal(region))
			mf_vec_push(&equal, region);
	mf_vec_sort(&equal, compare_sizes);
	for (size_t i = 0, end; i < equal.count; i = end) {
		for (end = i + 1; end < equal.count; end++)
			if (compare_sizes(&equal.items[i], &equal.items[end]))
				break;
		for (size_t j = i; end - i >= EQUAL_COUNT && j < end; j++)
			equal.items[j]->suspicions |= MF_SUSPECT_EQUAL_SIZED;
	}
	mf_vec_deinit(&equal);
}

/* From 0.1 at a MiB, a little more with each doubling, to 0.5 at a GiB. */
static double weigh_size(uint64_t rss)
{
	double weight = 0.1;

	for (uint64_t size = LARGE; size * 2 <= rss && weight < 0.5; size *= 2)
		weight += 0.04;
	return weight;
}

static double score_of(const struct mf_region *region)
{
	double innocent = 1;

	for (size_t i = 0; i < MF_ARRAY_SIZE(weights); i++)
		if (region->suspicions & weights[i].suspicion)
			innocent *= 1 - weights[i].weight;
	if (region->suspicions & MF_SUSPECT_UNCLAIMED)
		innocent *= 1 - weigh_size(region->usage.rss);
	return 1 - innocent;
}

void mf_space_suspect(struct mf_space *space)
{
	suspect_equal(space);
	mf_vec_foreach(region, &space->view->regions) {
		region->suspicions |= suspect_code(region);
		if (has_elf_header(space, region))
			region->suspicions |= MF_SUSPECT_ELF_HEADER;
		if (is_nobodys(region) && region->usage.rss >= LARGE)
			region->suspicions |= MF_SUSPECT_UNCLAIMED;
		region->suspicion_score = score_of(region);
	}
}
