/*
 * Rules about few chunks that hold much of glibc's memory: heaps that little
 * keeps alive, a break that cannot fall, free memory that is locked, and peaks
 * that are over.
 */
#include <inttypes.h>

#include "analysis/judge.h"
#include "base/units.h"

enum {
	LARGE = 64 * MF_MIB,
	WORTH_A_WORD = 16 * MF_MIB,
	HEAP_LEAST = MF_MIB, /* committed */
	FEW = 16,	     /* chunks */
	LITTLE = 64,	     /* in use is no more than one byte in so many */
};

static void add_type(struct mf_judge *judge, const char *type)
{
	if (type && *type)
		mf_judge_evidence(judge, "chunk_type",
				  mf_text(mf_judge_text(judge, type)));
}

/* ---- heaps ------------------------------------------------------------------ */

struct held {
	size_t heaps;
	uint64_t count, bytes; /* of what holds them */
	uint64_t cached;       /* of these in tcaches */
	uint64_t resident, space, trimmable;
	const struct mf_pinner *pinner; /* one of them, if any shows */
};

/* An arena's first heap has the arena itself in it, and never goes. */
static bool is_first(const struct mf_arena *arena,
		     const struct mf_arena_heap *heap)
{
	return arena->address >= heap->start &&
	       arena->address - heap->start < heap->committed;
}

static bool is_held_by_few(const struct mf_arena *arena,
			   const struct mf_arena_heap *heap)
{
	uint64_t count = heap->in_use.count + heap->tcache.count;

	return !arena->main && !is_first(arena, heap) && count &&
	       count <= FEW && heap->committed >= HEAP_LEAST &&
	       (heap->in_use.bytes + heap->tcache.bytes) * LITTLE <=
		       heap->committed;
}

static void add_held(struct held *held, const struct mf_arena_heap *heap)
{
	held->heaps++;
	held->count += heap->in_use.count + heap->tcache.count;
	held->bytes += heap->in_use.bytes + heap->tcache.bytes;
	held->cached += heap->tcache.count;
	held->resident += heap->resident;
	held->space += heap->committed + heap->reserved;
	held->trimmable += heap->trimmable;
	if (!held->pinner && heap->pinner_count)
		held->pinner = &heap->pinners[0];
}

static struct held find_held(const struct mf_allocator *glibc)
{
	struct held held = { 0 };

	for (size_t i = 0; i < glibc->arena_count; i++) {
		const struct mf_arena *arena = &glibc->arenas[i];

		for (size_t j = 0; j < arena->heap_count; j++)
			if (is_held_by_few(arena, &arena->heaps[j]))
				add_held(&held, &arena->heaps[j]);
	}
	return held;
}

static void judge_held(struct mf_judge *judge, const struct mf_facts *facts)
{
	struct held held = find_held(mf_facts_glibc(facts));

	if (held.resident < WORTH_A_WORD)
		return;
	mf_judge_find(
		judge,
		held.resident < LARGE ? MF_SEVERITY_INFO : MF_SEVERITY_WARNING,
		held.resident,
		"%s chunk%s of %s in all hold%s %zu heap%s of %s (%s of it in "
		"RAM)",
		mf_judge_count(judge, held.count), held.count == 1 ? "" : "s",
		mf_judge_size(judge, held.bytes), held.count == 1 ? "s" : "",
		held.heaps, held.heaps == 1 ? "" : "s",
		mf_judge_size(judge, held.space),
		mf_judge_size(judge, held.resident));
	mf_judge_evidence(judge, "heaps", mf_count(held.heaps));
	mf_judge_evidence(judge, "chunks", mf_count(held.count));
	mf_judge_evidence(judge, "chunk_bytes", mf_size(held.bytes));
	mf_judge_evidence(judge, "in_tcaches", mf_count(held.cached));
	mf_judge_evidence(judge, "resident", mf_size(held.resident));
	mf_judge_evidence(judge, "address_space", mf_size(held.space));
	mf_judge_evidence(judge, "trimmable", mf_size(held.trimmable));
	if (held.pinner) {
		mf_judge_evidence(judge, "chunk",
				  mf_address(held.pinner->address));
		add_type(judge, held.pinner->type);
	}
	mf_judge_advise(judge,
			"memforensics arenas %s --json | jq '.allocators[]."
			"arenas[]?.heaps[] | select(.in_use.count < 17)'",
			mf_judge_pid(judge));
	mf_judge_advise_trim(judge, facts);
}

/* ---- the break ---------------------------------------------------------------- */

/* The fewest that free so much: each counts those above it too. */
static const struct mf_top_pinner *find_lid(const struct mf_arena *arena,
					    uint64_t *count, uint64_t *bytes)
{
	*count = *bytes = 0;
	for (size_t i = 0; i < arena->top_pinner_count; i++) {
		const struct mf_top_pinner *pinner = &arena->top_pinners[i];

		*count += pinner->count;
		*bytes += pinner->size;
		if (pinner->break_bytes >= LARGE && *count <= FEW &&
		    *bytes * LITTLE <= pinner->break_bytes)
			return pinner;
	}
	return NULL;
}

static void judge_break(struct mf_judge *judge, const struct mf_facts *facts)
{
	const struct mf_allocator *glibc = mf_facts_glibc(facts);
	const struct mf_arena *main = NULL;
	const struct mf_top_pinner *lid;
	uint64_t count, bytes;

	for (size_t i = 0; i < glibc->arena_count && !main; i++)
		if (glibc->arenas[i].main)
			main = &glibc->arenas[i];
	lid = main ? find_lid(main, &count, &bytes) : NULL;
	if (!lid)
		return;
	mf_judge_find(
		judge, MF_SEVERITY_INFO,
		MF_MIN(lid->break_bytes, mf_free_resident(&main->figures)),
		"%s chunk%s of %s in all at the end of the heap keep%s "
		"the break from falling by %s",
		mf_judge_count(judge, count), count == 1 ? "" : "s",
		mf_judge_size(judge, bytes), count == 1 ? "s" : "",
		mf_judge_size(judge, lid->break_bytes));
	mf_judge_evidence(judge, "chunk", mf_address(lid->address));
	add_type(judge, lid->type);
	mf_judge_evidence(judge, "chunks", mf_count(count));
	mf_judge_evidence(judge, "chunk_bytes", mf_size(bytes));
	mf_judge_evidence(judge, "break_bytes", mf_size(lid->break_bytes));
	mf_judge_evidence(judge, "free_resident",
			  mf_size(mf_free_resident(&main->figures)));
	mf_judge_evidence(judge, "trimmable",
			  mf_size(main->figures.trimmable_bytes));
	mf_judge_advise(judge,
			"malloc_trim(0);   /* gives back the pages below too; "
			"free() alone never does */");
}

/* ---- locked --------------------------------------------------------------------- */

static void judge_locked(struct mf_judge *judge, const struct mf_facts *facts)
{
	const struct mf_arena_figures *all = &mf_facts_glibc(facts)->figures;
	uint64_t locked = all->retained.locked;

	if (!mf_is_large(locked, facts->rss, 10, LARGE))
		return;
	mf_judge_find(judge, MF_SEVERITY_WARNING, locked,
		      "%s of free memory is locked (mlock): malloc_trim cannot "
		      "return it",
		      mf_judge_size(judge, locked));
	mf_judge_evidence(judge, "locked_free", mf_size(locked));
	mf_judge_evidence(judge, "trimmable", mf_size(all->trimmable_bytes));
	mf_judge_evidence(judge, "vm_lck", mf_size(facts->info->status.vm_lck));
	mf_judge_advise(judge, "munlockall(); malloc_trim(0); "
			       "mlockall(MCL_CURRENT | MCL_FUTURE);   "
			       "/* in the program, after a peak */");
}

/* ---- peaks ---------------------------------------------------------------------- */

static const struct mf_arena *find_peak(const struct mf_allocator *glibc)
{
	const struct mf_arena *worst = &glibc->arenas[0];

	for (size_t i = 1; i < glibc->arena_count; i++)
		if (glibc->arenas[i].figures.max_system >
		    worst->figures.max_system)
			worst = &glibc->arenas[i];
	return worst;
}

/* What is still there others tell; this is of what is gone. */
static void judge_peak(struct mf_judge *judge, const struct mf_facts *facts)
{
	const struct mf_allocator *glibc = mf_facts_glibc(facts);
	const struct mf_arena_figures *all = &glibc->figures;
	uint64_t unused = all->unused.resident;
	const struct mf_arena *worst;

	if (!glibc->arena_count || all->max_system / 4 < all->in_use.bytes ||
	    all->max_system - all->in_use.bytes < 2 * LARGE ||
	    mf_is_large(unused, all->max_system - all->in_use.bytes, 25, 0))
		return;
	worst = find_peak(glibc);
	mf_judge_find(judge, MF_SEVERITY_INFO, unused,
		      "arenas peaked at %s: %s is in use now, %s unused in "
		      "RAM",
		      mf_judge_size(judge, all->max_system),
		      mf_judge_size(judge, all->in_use.bytes),
		      mf_judge_size(judge, unused));
	mf_judge_evidence(judge, "max_system", mf_size(all->max_system));
	mf_judge_evidence(judge, "system", mf_size(all->system));
	mf_judge_evidence(judge, "in_use", mf_size(all->in_use.bytes));
	mf_judge_evidence(judge, "unused_resident", mf_size(unused));
	mf_judge_evidence(judge, "arena", mf_id(worst->index));
	mf_judge_evidence(judge, "arena_max_system",
			  mf_size(worst->figures.max_system));
	mf_judge_evidence(judge, "arena_in_use",
			  mf_size(worst->figures.in_use.bytes));
}

static const struct mf_rule rules[] = {
	{ "held-heaps", MF_NEED_GLIBC, judge_held },
	{ "held-break", MF_NEED_GLIBC, judge_break },
	{ "locked-free", MF_NEED_USAGE | MF_NEED_GLIBC, judge_locked },
	{ "past-peak", MF_NEED_GLIBC | MF_IS_REMARK, judge_peak },
};

const struct mf_rules mf_holder_rules = { rules, MF_ARRAY_SIZE(rules) };
