/*
 * Rules about free memory in glibc's heaps: what would go back to the kernel,
 * what is pinned, what is gone already, and what sits in swap or caches.
 * Free is not reclaimable: only whole pages that are present count.
 */
#include <inttypes.h>

#include "analysis/judge.h"
#include "base/units.h"

enum {
	LARGE = 64 * MF_MIB,
	WORTH_A_WORD = 16 * MF_MIB, /* when it is a good part of RSS */
	TCACHE_COUNT = 7,	    /* chunks a size class keeps, by default */
};

static bool is_retained(const struct mf_facts *facts,
			const struct mf_arena_figures *all)
{
	return mf_is_large(all->trimmable_bytes, facts->rss, 10, LARGE) ||
	       mf_is_large(all->trimmable_bytes, facts->rss, 25, WORTH_A_WORD);
}

static bool is_pinned(const struct mf_arena_figures *all)
{
	uint64_t resident = all->free.resident;

	return mf_is_large(resident, all->resident, 30, LARGE) &&
	       !mf_is_large(all->trimmable_bytes, resident, 25, 0);
}

static void judge_retention(struct mf_judge *judge,
			    const struct mf_facts *facts)
{
	const struct mf_arena_figures *all = &mf_facts_glibc(facts)->figures;
	uint64_t back = all->trimmable_bytes;
	double mib = (double)back / MF_MIB;

	if (!is_retained(facts, all))
		return;
	mf_judge_find(
		judge, back < LARGE ? MF_SEVERITY_INFO : MF_SEVERITY_WARNING,
		back,
		"retention: malloc_trim would return %s of %s RSS, "
		"free in glibc's heaps",
		mf_judge_size(judge, back), mf_judge_size(judge, facts->rss));
	mf_judge_evidence(judge, "trimmable", mf_size(back));
	mf_judge_evidence(judge, "free_resident",
			  mf_size(mf_free_resident(all)));
	mf_judge_evidence(judge, "in_use", mf_size(all->in_use.bytes));
	mf_judge_evidence(judge, "rss", mf_size(facts->rss));
	/* 10 to 55 ms for 400 MiB, as malloc_trim was measured. */
	mf_judge_evidence(judge, "trim_ms_at_least", mf_ms(mib * 0.025));
	mf_judge_evidence(judge, "trim_ms_at_most", mf_ms(mib * 0.14));
	mf_judge_advise_trim(judge, facts);
}

static const struct mf_pinner *worst_pinner(const struct mf_allocator *glibc,
					    const struct mf_arena **arena)
{
	const struct mf_pinner *worst = NULL;

	for (size_t i = 0; i < glibc->arena_count; i++) {
		const struct mf_arena *at = &glibc->arenas[i];

		if (!at->pinner_count)
			continue;
		if (worst && at->pinners[0].pinned_bytes <= worst->pinned_bytes)
			continue;
		worst = &at->pinners[0];
		*arena = at;
	}
	return worst;
}

static void judge_pinned(struct mf_judge *judge, const struct mf_facts *facts)
{
	const struct mf_allocator *glibc = mf_facts_glibc(facts);
	const struct mf_arena_figures *all = &glibc->figures;
	uint64_t resident = all->free.resident;
	const struct mf_arena *arena = NULL;
	const struct mf_pinner *pinner;

	if (!is_pinned(all))
		return;
	mf_judge_find(judge, MF_SEVERITY_WARNING,
		      resident - all->trimmable_bytes,
		      "fragmentation: chunks in use pin %s of free memory; "
		      "malloc_trim returns %s",
		      mf_judge_size(judge, resident - all->trimmable_bytes),
		      mf_judge_size(judge, all->trimmable_bytes));
	mf_judge_evidence(judge, "free_resident", mf_size(resident));
	mf_judge_evidence(judge, "trimmable", mf_size(all->trimmable_bytes));
	mf_judge_evidence(judge, "pinned", mf_size(all->pinned_bytes));
	mf_judge_evidence(judge, "in_use", mf_size(all->in_use.bytes));
	pinner = worst_pinner(glibc, &arena);
	if (pinner) {
		mf_judge_evidence(judge, "pinner", mf_address(pinner->address));
		mf_judge_evidence(judge, "pinner_size", mf_size(pinner->size));
		mf_judge_evidence(judge, "pinner_pins",
				  mf_size(pinner->pinned_bytes));
		mf_judge_evidence(judge, "pinner_arena", mf_id(arena->index));
	}
	mf_judge_advise(judge,
			"memforensics arenas %s --json | "
			"jq '.allocators[].arenas[]?.pinners[:3]'",
			mf_judge_pid(judge));
	mf_judge_advise_environment(judge, "LD_PRELOAD=libjemalloc.so.2",
				    "slabs by size fragment less");
}

static void judge_returned(struct mf_judge *judge, const struct mf_facts *facts)
{
	const struct mf_arena_figures *all = &mf_facts_glibc(facts)->figures;

	if (!mf_is_large(all->free.already_returned, all->free.bytes, 50,
			 LARGE))
		return;
	mf_judge_find(judge, MF_SEVERITY_INFO, all->free.already_returned,
		      "%s of the %s that glibc counts as free is returned "
		      "already: no RSS",
		      mf_judge_size(judge, all->free.already_returned),
		      mf_judge_size(judge, all->free.bytes));
	mf_judge_evidence(judge, "free", mf_size(all->free.bytes));
	mf_judge_evidence(judge, "already_returned",
			  mf_size(all->free.already_returned));
	mf_judge_evidence(judge, "free_resident", mf_size(all->free.resident));
}

static void judge_free_in_swap(struct mf_judge *judge,
			       const struct mf_facts *facts)
{
	const struct mf_arena_figures *all = &mf_facts_glibc(facts)->figures;

	if (all->free.swapped < LARGE)
		return;
	mf_judge_find(judge, MF_SEVERITY_WARNING, all->free.swapped,
		      "%s of swap holds nothing but free chunks of glibc's "
		      "heaps",
		      mf_judge_size(judge, all->free.swapped));
	mf_judge_evidence(judge, "free_swapped", mf_size(all->free.swapped));
	mf_judge_evidence(judge, "free", mf_size(all->free.bytes));
	mf_judge_evidence(judge, "swap", mf_size(facts->info->status.vm_swap));
	mf_judge_advise_trim(judge, facts);
}

static void judge_caches(struct mf_judge *judge, const struct mf_facts *facts)
{
	const struct mf_allocator *glibc = mf_facts_glibc(facts);
	const struct mf_arena_figures *all = &glibc->figures;
	uint64_t bytes = all->tcache.bytes + all->fastbin.bytes;
	uint64_t count =
		mf_facts_parameter(glibc, "tcache_count", TCACHE_COUNT);

	if (!mf_is_large(bytes, facts->rss, 10, LARGE))
		return;
	mf_judge_find(judge, MF_SEVERITY_WARNING, bytes,
		      "%s of freed chunks waits in thread caches (%s) and fast "
		      "bins (%s)",
		      mf_judge_size(judge, bytes),
		      mf_judge_size(judge, all->tcache.bytes),
		      mf_judge_size(judge, all->fastbin.bytes));
	mf_judge_evidence(judge, "tcache", mf_size(all->tcache.bytes));
	mf_judge_evidence(judge, "fastbin", mf_size(all->fastbin.bytes));
	mf_judge_evidence(judge, "tcache_count", mf_count(count));
	mf_judge_evidence(judge, "threads",
			  mf_count(facts->info->thread_count));
	if (all->tcache.bytes > all->fastbin.bytes)
		mf_judge_advise_environment(
			judge,
			count > TCACHE_COUNT
				? "GLIBC_TUNABLES=glibc.malloc.tcache_count=7"
				: "GLIBC_TUNABLES=glibc.malloc.tcache_count=0",
			"threads cache less");
	else
		mf_judge_advise(judge, "malloc_trim(0);   /* in the program: "
				       "it empties the fast bins first */");
}

/* Neither nearly all live nor mostly free: the figures speak. */
static void judge_mixture(struct mf_judge *judge, const struct mf_facts *facts)
{
	const struct mf_allocator *glibc = mf_facts_glibc(facts);
	const struct mf_arena_figures *all = &glibc->figures;
	uint64_t resident = all->resident + glibc->mmapped_resident;
	uint64_t live = all->in_use.bytes + glibc->mmapped.bytes;

	if (!mf_is_large(resident, facts->rss, 50, LARGE) ||
	    mf_is_large(live, all->system + glibc->mmapped.bytes, 85, 0) ||
	    mf_is_large(all->trimmable_bytes, resident, 50, 0) ||
	    is_pinned(all))
		return;
	mf_judge_find(judge, MF_SEVERITY_INFO, resident,
		      "glibc's heaps hold %s of %s RSS: %s in use, %s free",
		      mf_judge_size(judge, resident),
		      mf_judge_size(judge, facts->rss),
		      mf_judge_size(judge, live),
		      mf_judge_size(judge, mf_free_resident(all)));
	mf_judge_evidence(judge, "resident", mf_size(resident));
	mf_judge_evidence(judge, "in_use", mf_size(live));
	mf_judge_evidence(judge, "free_resident",
			  mf_size(mf_free_resident(all)));
	mf_judge_evidence(judge, "trimmable", mf_size(all->trimmable_bytes));
	mf_judge_evidence(judge, "pinned", mf_size(all->pinned_bytes));
	mf_judge_advise(judge,
			"memforensics arenas %s --json -o before.json   "
			"# later again: what grows?",
			mf_judge_pid(judge));
}

static const struct mf_rule rules[] = {
	{ "retention", MF_NEED_USAGE | MF_NEED_GLIBC, judge_retention },
	{ "pinned-fragmentation", MF_NEED_USAGE | MF_NEED_GLIBC, judge_pinned },
	{ "heap-mixture", MF_NEED_USAGE | MF_NEED_GLIBC, judge_mixture },
	{ "already-returned", MF_NEED_GLIBC, judge_returned },
	{ "free-in-swap", MF_NEED_GLIBC, judge_free_in_swap },
	{ "cached-chunks", MF_NEED_USAGE | MF_NEED_GLIBC, judge_caches },
};

const struct mf_rules mf_glibc_rules = { rules, MF_ARRAY_SIZE(rules) };
