/*
 * Rules about what the kernel counts: limits that are near, swap, files and
 * shared memory that are read as a leak, pages that are shared, locked, lazily
 * freed or huge, and page tables.
 */
#include <inttypes.h>
#include <string.h>

#include "analysis/judge.h"
#include "base/units.h"

enum {
	LARGE = 64 * MF_MIB,
	VERY_LARGE = 256 * MF_MIB,
	PTE_SHARE = 512, /* bytes that one byte of a dense page table maps */
};

static const enum mf_class anonymous[] = {
	MF_CLASS_ANON,	       MF_CLASS_BSS,	    MF_CLASS_HEAP,
	MF_CLASS_ARENA,	       MF_CLASS_MMAP_CHUNK, MF_CLASS_STACK,
	MF_CLASS_THREAD_STACK, MF_CLASS_JEMALLOC,   MF_CLASS_TCMALLOC,
	MF_CLASS_MIMALLOC,     MF_CLASS_MUSL_HEAP,  MF_CLASS_GO_HEAP,
	MF_CLASS_JAVA_HEAP,    MF_CLASS_JAVA_CODE,  MF_CLASS_JAVA_METASPACE,
	MF_CLASS_PYTHON_ARENA, MF_CLASS_V8_HEAP,    MF_CLASS_JIT,
	MF_CLASS_COUNT,
};

static bool is_known(uint64_t value)
{
	return value && value != UINT64_MAX;
}

/* ---- limits -------------------------------------------------------------- */

static void judge_limit(struct mf_judge *judge, const struct mf_facts *facts)
{
	const struct mf_limits *limits = &facts->info->limits;
	uint64_t most = limits->cgroup_memory_max, used, cache, left;

	if (!is_known(most) || !is_known(limits->cgroup_memory_current) ||
	    !mf_is_large(facts->rss, most, 10, 0))
		return;
	used = limits->cgroup_memory_current;
	cache = is_known(limits->cgroup_file) ? limits->cgroup_file : 0;
	used -= MF_MIN(used, cache);
	left = most - MF_MIN(most, used);
	if (mf_is_large(left, most, 15, 0))
		return;
	mf_judge_find(judge,
		      mf_is_large(left, most, 5, 0) ? MF_SEVERITY_WARNING
						    : MF_SEVERITY_CRITICAL,
		      facts->rss,
		      "near the limit: its cgroup uses %s of %s without page "
		      "cache, %s is left",
		      mf_judge_size(judge, used), mf_judge_size(judge, most),
		      mf_judge_size(judge, left));
	mf_judge_evidence(judge, "limit", mf_size(most));
	mf_judge_evidence(judge, "used", mf_size(used));
	mf_judge_evidence(judge, "page_cache", mf_size(cache));
	mf_judge_evidence(judge, "rss", mf_size(facts->rss));
	mf_judge_advise(judge,
			"cat /proc/%s/cgroup   # the group whose memory.max "
			"ends it",
			mf_judge_pid(judge));
}

static void judge_address_space(struct mf_judge *judge,
				const struct mf_facts *facts)
{
	uint64_t most = facts->info->limits.address_space;
	uint64_t size = facts->info->status.vm_size;

	if (!is_known(most) || !mf_is_large(size, most, 90, 0))
		return;
	mf_judge_find(judge, MF_SEVERITY_WARNING, size,
		      "VIRT is %s, and RLIMIT_AS ends it at %s",
		      mf_judge_size(judge, size), mf_judge_size(judge, most));
	mf_judge_evidence(judge, "virtual", mf_size(size));
	mf_judge_evidence(judge, "limit", mf_size(most));
	mf_judge_advise(judge, "prlimit --pid %s --as=%" PRIu64,
			mf_judge_pid(judge),
			most < UINT64_MAX / 2 ? most * 2 : most);
}

/* Somebody watches the cgroup when it has a limit. */
static void judge_cgroup(struct mf_judge *judge, const struct mf_facts *facts)
{
	const struct mf_limits *limits = &facts->info->limits;
	uint64_t all = limits->cgroup_memory_current;

	if (!is_known(limits->cgroup_memory_max) || !is_known(all))
		return;
	if (is_known(limits->cgroup_file) &&
	    mf_is_large(limits->cgroup_file, all, 50, VERY_LARGE)) {
		mf_judge_find(judge, MF_SEVERITY_INFO, limits->cgroup_file,
			      "%s of its cgroup's %s is page cache: "
			      "reclaimable, not a leak",
			      mf_judge_size(judge, limits->cgroup_file),
			      mf_judge_size(judge, all));
		mf_judge_evidence(judge, "page_cache",
				  mf_size(limits->cgroup_file));
		mf_judge_evidence(judge, "cgroup", mf_size(all));
	}
	if (is_known(limits->cgroup_slab) &&
	    mf_is_large(limits->cgroup_slab, all, 20, VERY_LARGE)) {
		mf_judge_find(judge, MF_SEVERITY_WARNING, limits->cgroup_slab,
			      "%s of its cgroup's %s is kernel slab: files and "
			      "sockets, not RSS",
			      mf_judge_size(judge, limits->cgroup_slab),
			      mf_judge_size(judge, all));
		mf_judge_evidence(judge, "slab", mf_size(limits->cgroup_slab));
		mf_judge_evidence(judge, "cgroup", mf_size(all));
		mf_judge_advise(judge, "sudo slabtop -o -s c | head   # dentry "
				       "and inode caches, socket buffers");
	}
}

/* ---- swap ------------------------------------------------------------------ */

static void judge_swap(struct mf_judge *judge, const struct mf_facts *facts)
{
	uint64_t swap = mf_facts_sum(facts, anonymous).usage.swap;

	if (!mf_is_large(swap, facts->rss + swap, 10, LARGE))
		return;
	mf_judge_find(judge,
		      mf_is_large(swap, facts->rss + swap, 25, VERY_LARGE)
			      ? MF_SEVERITY_WARNING
			      : MF_SEVERITY_INFO,
		      swap, "%s more of it is in swap: RSS shows only %s",
		      mf_judge_size(judge, swap),
		      mf_judge_size(judge, facts->rss));
	mf_judge_evidence(judge, "swap", mf_size(swap));
	mf_judge_evidence(judge, "rss", mf_size(facts->rss));
}

/* ---- files and shared memory --------------------------------------------------- */

static const struct mf_region *largest_of(const struct mf_facts *facts,
					  const enum mf_class *classes)
{
	const struct mf_region *largest = NULL;

	for (size_t i = 0; i < facts->region_count; i++)
		for (const enum mf_class *at = classes; *at != MF_CLASS_COUNT;
		     at++)
			if (facts->regions[i].class == *at &&
			    (!largest ||
			     facts->regions[i].usage.rss > largest->usage.rss))
				largest = &facts->regions[i];
	return largest;
}

static void judge_files(struct mf_judge *judge, const struct mf_facts *facts)
{
	static const enum mf_class classes[] = { MF_CLASS_FILE, MF_CLASS_TEXT,
						 MF_CLASS_RODATA,
						 MF_CLASS_COUNT };
	struct mf_class_total files = mf_facts_sum(facts, classes);
	uint64_t cache =
		files.usage.rss - MF_MIN(files.usage.rss, files.usage.anon);
	const struct mf_region *largest;

	if (files.usage.lacks & MF_FIGURE_ANON ||
	    !mf_is_large(cache, facts->rss, 30, LARGE))
		return;
	largest = largest_of(facts, classes);
	mf_judge_find(judge, MF_SEVERITY_INFO, cache,
		      "%s of RSS, %s, is mapped files: reclaimable page "
		      "cache, not a leak",
		      mf_judge_size(judge, cache),
		      mf_judge_share(judge, cache, facts->rss));
	mf_judge_evidence(judge, "file_rss", mf_size(cache));
	mf_judge_evidence(judge, "rss", mf_size(facts->rss));
	if (largest && largest->mapping) {
		mf_judge_evidence(
			judge, "largest",
			mf_text(mf_judge_text(judge, largest->mapping->path)));
		mf_judge_evidence(judge, "largest_rss",
				  mf_size(largest->usage.rss));
	}
}

static uint64_t deleted_shared(const struct mf_facts *facts)
{
	uint64_t rss = 0;

	/* memfd and anonymous shared memory have no name to begin with. */
	for (size_t i = 0; i < facts->region_count; i++) {
		const struct mf_region *region = &facts->regions[i];

		if (region->class == MF_CLASS_SHARED && region->mapping &&
		    region->mapping->deleted &&
		    strcmp(region->mapping->path, "/dev/zero") != 0)
			rss += region->usage.rss;
	}
	return rss;
}

static void judge_shared(struct mf_judge *judge, const struct mf_facts *facts)
{
	static const enum mf_class classes[] = { MF_CLASS_SHARED,
						 MF_CLASS_MEMFD,
						 MF_CLASS_COUNT };
	struct mf_class_total shared = mf_facts_sum(facts, classes);
	uint64_t deleted = deleted_shared(facts);
	const char *pss;

	if (!mf_is_large(shared.usage.rss, facts->rss, 10, LARGE))
		return;
	pss = mf_judge_size(judge, shared.usage.pss);
	mf_judge_find(judge, MF_SEVERITY_INFO, shared.usage.rss,
		      "%s of RSS is shared memory: its share of it is %s (PSS)",
		      mf_judge_size(judge, shared.usage.rss),
		      shared.usage.lacks & MF_FIGURE_PSS ? "not known" : pss);
	mf_judge_evidence(judge, "shared_rss", mf_size(shared.usage.rss));
	mf_judge_evidence(judge, "shared_pss",
			  shared.usage.lacks & MF_FIGURE_PSS
				  ? mf_none()
				  : mf_size(shared.usage.pss));
	mf_judge_evidence(judge, "deleted_rss", mf_size(deleted));
	mf_judge_advise(judge, "ls -lS /dev/shm; ipcs -m   # who keeps it");
}

/* ---- pages of a special kind ------------------------------------------------------ */

static void judge_forked(struct mf_judge *judge, const struct mf_facts *facts)
{
	struct mf_usage usage = mf_facts_sum(facts, anonymous).usage;
	uint64_t shared = usage.rss - MF_MIN(usage.rss, usage.pss);

	if (!usage.pss || !mf_is_large(shared, facts->rss, 20, LARGE))
		return;
	mf_judge_find(judge, MF_SEVERITY_INFO, shared,
		      "%s of RSS is shared with processes of the same fork: "
		      "add up PSS, not RSS",
		      mf_judge_size(judge, shared));
	mf_judge_evidence(judge, "anonymous_rss", mf_size(usage.rss));
	mf_judge_evidence(judge, "anonymous_pss", mf_size(usage.pss));
	mf_judge_advise(judge, "grep -E 'Rss|Pss' /proc/%s/smaps_rollup",
			mf_judge_pid(judge));
}

static void judge_lazyfree(struct mf_judge *judge, const struct mf_facts *facts)
{
	uint64_t lazy = mf_facts_sum(facts, anonymous).usage.lazyfree;

	if (!mf_is_large(lazy, facts->rss, 10, LARGE))
		return;
	mf_judge_find(judge, MF_SEVERITY_INFO, lazy,
		      "%s of RSS is freed lazily (MADV_FREE): the kernel takes "
		      "it when it needs it",
		      mf_judge_size(judge, lazy));
	mf_judge_evidence(judge, "lazyfree", mf_size(lazy));
	mf_judge_evidence(judge, "rss", mf_size(facts->rss));
	if (mf_facts_has(facts, "go"))
		mf_judge_advise_environment(judge, "GODEBUG=madvdontneed=1",
					    "RSS then shows what is used");
}

static void judge_locked(struct mf_judge *judge, const struct mf_facts *facts)
{
	const struct mf_status *status = &facts->info->status;
	uint64_t locked = status->vm_lck + status->vm_pin;

	if (!mf_is_large(locked, facts->rss, 5, LARGE))
		return;
	mf_judge_find(judge, MF_SEVERITY_INFO, locked,
		      "%s is locked or pinned in RAM (mlock, registered "
		      "buffers)",
		      mf_judge_size(judge, locked));
	mf_judge_evidence(judge, "locked", mf_size(status->vm_lck));
	mf_judge_evidence(judge, "pinned", mf_size(status->vm_pin));
}

static void judge_page_tables(struct mf_judge *judge,
			      const struct mf_facts *facts)
{
	uint64_t tables = facts->info->status.vm_pte;

	if (!mf_is_large(tables, facts->rss, 300.0 / PTE_SHARE, LARGE))
		return;
	mf_judge_find(judge, MF_SEVERITY_WARNING, tables,
		      "page tables take %s beside %s RSS: sparse or shared "
		      "mappings",
		      mf_judge_size(judge, tables),
		      mf_judge_size(judge, facts->rss));
	mf_judge_evidence(judge, "page_tables", mf_size(tables));
	mf_judge_evidence(judge, "dense", mf_size(facts->rss / PTE_SHARE));
	mf_judge_evidence(judge, "rss", mf_size(facts->rss));
}

/* Huge pages hold free chunks in RAM that small ones would have let go. */
static void judge_huge(struct mf_judge *judge, const struct mf_facts *facts)
{
	static const enum mf_class classes[] = { MF_CLASS_HEAP, MF_CLASS_ARENA,
						 MF_CLASS_COUNT };
	const struct mf_allocator *glibc = mf_facts_glibc(facts);
	uint64_t huge = mf_facts_sum(facts, classes).usage.thp;
	uint64_t free_bytes = mf_free_resident(&glibc->figures);

	if (!mf_is_large(huge, facts->rss, 30, VERY_LARGE) ||
	    !mf_is_large(free_bytes, glibc->figures.resident, 20, LARGE))
		return;
	mf_judge_find(judge, MF_SEVERITY_INFO, huge,
		      "huge pages make up %s of glibc's heaps, of which %s is "
		      "free but in RAM",
		      mf_judge_size(judge, huge),
		      mf_judge_size(judge, free_bytes));
	mf_judge_evidence(judge, "thp", mf_size(huge));
	mf_judge_evidence(judge, "free_resident", mf_size(free_bytes));
	mf_judge_evidence(judge, "resident", mf_size(glibc->figures.resident));
	mf_judge_advise(judge, "echo madvise | sudo tee "
			       "/sys/kernel/mm/transparent_hugepage/enabled");
}

static const struct mf_rule rules[] = {
	{ "limit-near", MF_NEED_USAGE, judge_limit },
	{ "address-space-limit", 0, judge_address_space },
	{ "cgroup-not-rss", 0, judge_cgroup },
	{ "swapped", MF_NEED_USAGE, judge_swap },
	{ "file-pages", MF_NEED_USAGE, judge_files },
	{ "shared-memory", MF_NEED_USAGE, judge_shared },
	{ "fork-shared", MF_NEED_USAGE, judge_forked },
	{ "lazily-freed", MF_NEED_USAGE, judge_lazyfree },
	{ "locked-memory", MF_NEED_USAGE, judge_locked },
	{ "page-tables", MF_NEED_USAGE, judge_page_tables },
	{ "huge-pages", MF_NEED_USAGE | MF_NEED_GLIBC, judge_huge },
};

const struct mf_rules mf_kernel_rules = { rules, MF_ARRAY_SIZE(rules) };
