/*
 * Rules about glibc's arenas one by one: too many of them, those that no
 * thread uses, tops that stay, a threshold that was trained upwards, live data
 * rather than free, and broken ones.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "analysis/judge.h"
#include "base/memory.h"
#include "base/units.h"

enum {
	LARGE = 64 * MF_MIB,
	ORPHAN_LEAST = 16 * MF_MIB,
	ARENAS_MANY = 8,
	ARENAS_PER_CPU = 8, /* glibc's own limit */
	ARENAS_ADVISED = 2,
	MMAP_THRESHOLD = 128 * MF_KIB, /* before it is trained */
};

/* ---- spread ------------------------------------------------------------- */

static int compare_sizes_down(const void *left, const void *right)
{
	uint64_t a = mf_load(uint64_t, left), b = mf_load(uint64_t, right);

	return (a < b) - (a > b);
}

/* Free bytes in RAM outside the KEPT arenas that hold most of them. */
static uint64_t free_outside(const struct mf_allocator *glibc, size_t kept)
{
	mf_auto_free uint64_t *free_bytes =
		mf_new_array(glibc->arena_count, uint64_t);
	uint64_t sum = 0;

	for (size_t i = 0; i < glibc->arena_count; i++)
		free_bytes[i] = mf_free_resident(&glibc->arenas[i].figures);
	qsort(free_bytes, glibc->arena_count, sizeof(*free_bytes),
	      compare_sizes_down);
	for (size_t i = kept; i < glibc->arena_count; i++)
		sum += free_bytes[i];
	return sum;
}

static struct mf_value known_count(uint64_t count)
{
	return count ? mf_count(count) : mf_none();
}

static void judge_spread(struct mf_judge *judge, const struct mf_facts *facts)
{
	const struct mf_allocator *glibc = mf_facts_glibc(facts);
	const struct mf_limits *limits = &facts->info->limits;
	uint64_t free_bytes = mf_free_resident(&glibc->figures), saving;
	double cpus = limits->cpu_quota > 0 ? limits->cpu_quota : limits->cpus;
	uint64_t most = mf_facts_parameter(glibc, "arena_max", 0);

	if (glibc->arena_count < ARENAS_MANY ||
	    (double)glibc->arena_count <= 2 * cpus ||
	    !mf_is_large(free_bytes, glibc->figures.resident, 25, LARGE))
		return;
	saving = free_outside(glibc, ARENAS_ADVISED);
	mf_judge_find(
		judge, MF_SEVERITY_WARNING, free_bytes,
		"arena spread: %zu arenas for %u thread%s keep %s free in "
		"RAM, %s of their memory",
		glibc->arena_count, facts->info->thread_count,
		facts->info->thread_count == 1 ? "" : "s",
		mf_judge_size(judge, free_bytes),
		mf_judge_share(judge, free_bytes, glibc->figures.resident));
	mf_judge_evidence(judge, "arenas", mf_count(glibc->arena_count));
	if (!most)
		most = (uint64_t)limits->cpus * ARENAS_PER_CPU;
	mf_judge_evidence(judge, "arena_limit", known_count(most));
	mf_judge_evidence(judge, "threads",
			  mf_count(facts->info->thread_count));
	mf_judge_evidence(judge, "cpus", known_count(limits->cpus));
	if (limits->cpu_quota > 0)
		mf_judge_evidence(judge, "cpu_quota",
				  mf_ratio(limits->cpu_quota));
	mf_judge_evidence(judge, "free_resident", mf_size(free_bytes));
	mf_judge_evidence(judge, "saving_at_most", mf_size(saving));
	mf_judge_advise(judge,
			"export MALLOC_ARENA_MAX=%d   "
			"# then restart it: saves up to %s",
			ARENAS_ADVISED, mf_judge_size(judge, saving));
}

/* ---- orphans ---------------------------------------------------------------- */

static void judge_orphans(struct mf_judge *judge, const struct mf_facts *facts)
{
	const struct mf_allocator *glibc = mf_facts_glibc(facts);
	uint64_t resident = 0, in_use = 0, unused = 0, trimmable = 0;
	size_t count = 0;

	for (size_t i = 0; i < glibc->arena_count; i++) {
		const struct mf_arena *arena = &glibc->arenas[i];

		if (arena->main || arena->attached_threads ||
		    arena->figures.resident < ORPHAN_LEAST)
			continue;
		count++;
		resident += arena->figures.resident;
		in_use += arena->figures.in_use.bytes;
		unused += arena->figures.unused.resident;
		trimmable += arena->figures.trimmable_bytes;
	}
	if (!count)
		return;
	mf_judge_find(judge,
		      resident < LARGE ? MF_SEVERITY_INFO : MF_SEVERITY_WARNING,
		      resident,
		      "%zu arena%s with %s in RAM serve%s no thread any more "
		      "(%s of it in use)",
		      count, count == 1 ? "" : "s",
		      mf_judge_size(judge, resident), count == 1 ? "s" : "",
		      mf_judge_size(judge, in_use));
	mf_judge_evidence(judge, "arenas", mf_count(count));
	mf_judge_evidence(judge, "resident", mf_size(resident));
	mf_judge_evidence(judge, "in_use", mf_size(in_use));
	mf_judge_evidence(judge, "unused_resident", mf_size(unused));
	mf_judge_evidence(judge, "trimmable", mf_size(trimmable));
	mf_judge_advise_environment(judge, "MALLOC_ARENA_MAX=2",
				    "threads that come and go share arenas");
}

/* ---- tops --------------------------------------------------------------------- */

static void judge_tops(struct mf_judge *judge, const struct mf_facts *facts)
{
	const struct mf_allocator *glibc = mf_facts_glibc(facts);
	uint64_t threshold =
		mf_facts_parameter(glibc, "trim_threshold", MMAP_THRESHOLD);
	uint64_t bytes = 0;
	size_t count = 0;

	/* malloc_trim gives back the main arena's top, and no other's. */
	for (size_t i = 0; i < glibc->arena_count; i++) {
		const struct mf_arena *arena = &glibc->arenas[i];

		if (arena->main || !arena->figures.top_resident)
			continue;
		bytes += arena->figures.top_resident;
		count++;
	}
	if (!mf_is_large(bytes, facts->rss, 10, LARGE))
		return;
	mf_judge_find(judge, MF_SEVERITY_WARNING, bytes,
		      "the top%s of %zu arena%s hold%s %s free in RAM, which "
		      "malloc_trim leaves there",
		      count == 1 ? "" : "s", count, count == 1 ? "" : "s",
		      count == 1 ? "s" : "", mf_judge_size(judge, bytes));
	mf_judge_evidence(judge, "arenas", mf_count(count));
	mf_judge_evidence(judge, "top_resident", mf_size(bytes));
	mf_judge_evidence(judge, "trim_threshold", mf_size(threshold));
	mf_judge_advise_environment(judge, "MALLOC_TRIM_THRESHOLD_=131072",
				    "free shrinks the tops itself");
	mf_judge_advise_environment(judge, "MALLOC_ARENA_MAX=2", "fewer tops");
}

/* ---- trained threshold ---------------------------------------------------------- */

/* Free chunks of a size that was mapped once; the top is none. */
static uint64_t large_free(const struct mf_arena *arena)
{
	uint64_t top = arena->figures.top.bytes, sum = 0;

	for (size_t i = 0; i < arena->histogram_count; i++)
		if (arena->histogram[i].min >= MMAP_THRESHOLD)
			sum += arena->histogram[i].free.bytes;
	if (top < MMAP_THRESHOLD)
		return sum;
	return sum > top ? sum - top : 0;
}

static void judge_threshold(struct mf_judge *judge,
			    const struct mf_facts *facts)
{
	const struct mf_allocator *glibc = mf_facts_glibc(facts);
	uint64_t threshold = mf_facts_parameter(glibc, "mmap_threshold", 0);
	uint64_t large = 0;

	if (threshold <= MMAP_THRESHOLD ||
	    !mf_facts_parameter(glibc, "mmap_threshold_dynamic", 1))
		return;
	for (size_t i = 0; i < glibc->arena_count; i++)
		large += large_free(&glibc->arenas[i]);
	if (!mf_is_large(large, glibc->figures.free.bytes, 25, LARGE))
		return;
	mf_judge_find(judge, MF_SEVERITY_INFO, large,
		      "the mmap threshold grew to %s: %s of free chunks are of "
		      "128 KiB or more",
		      mf_judge_size(judge, threshold),
		      mf_judge_size(judge, large));
	mf_judge_evidence(judge, "mmap_threshold", mf_size(threshold));
	mf_judge_evidence(judge, "large_free", mf_size(large));
	mf_judge_evidence(judge, "free", mf_size(glibc->figures.free.bytes));
	mf_judge_advise_environment(judge, "MALLOC_MMAP_THRESHOLD_=131072",
				    "large blocks go back when freed");
	mf_judge_advise(judge, "mallopt(M_MMAP_THRESHOLD, 131072);   "
			       "/* the same, at the program's start */");
}

/* ---- live data --------------------------------------------------------------------- */

static void judge_live(struct mf_judge *judge, const struct mf_facts *facts)
{
	const struct mf_allocator *glibc = mf_facts_glibc(facts);
	const struct mf_arena_figures *all = &glibc->figures;
	uint64_t live = all->in_use.bytes + glibc->mmapped.bytes;
	uint64_t whole = all->system + glibc->mmapped.bytes;
	uint64_t resident = all->resident + glibc->mmapped_resident;

	if (!mf_is_large(live, whole, 85, LARGE) ||
	    !mf_is_large(resident, facts->rss, 50, LARGE))
		return;
	mf_judge_find(judge, MF_SEVERITY_INFO, resident,
		      "live data: %s of glibc's %s is in use: a leak or a "
		      "cache, not retention",
		      mf_judge_share(judge, live, whole),
		      mf_judge_size(judge, whole));
	mf_judge_evidence(judge, "in_use", mf_size(all->in_use.bytes));
	mf_judge_evidence(judge, "mmapped", mf_size(glibc->mmapped.bytes));
	mf_judge_evidence(judge, "chunks",
			  mf_count(all->in_use.count + glibc->mmapped.count));
	mf_judge_evidence(judge, "system", mf_size(all->system));
	mf_judge_evidence(judge, "resident", mf_size(resident));
	mf_judge_advise(judge,
			"memforensics arenas %s --json -o before.json   "
			"# later again: what grows, leaks or is kept",
			mf_judge_pid(judge));
}

/* ---- broken or busy ------------------------------------------------------------------ */

/* A heap that changes while it is read looks broken; that proves nothing. */
static bool may_be_torn(const struct mf_facts *facts,
			const struct mf_arena *arena)
{
	return facts->racy || arena->in_flight;
}

static void tell_neighbour(struct mf_judge *judge, const char *where,
			   const char *size, const struct mf_neighbour *chunk)
{
	if (!chunk->state)
		return;
	mf_judge_evidence(judge, where, mf_address(chunk->address));
	mf_judge_evidence(judge, size, mf_size(chunk->size));
}

/* What did it, and which chunk it probably came from. */
static void tell_damage(struct mf_judge *judge, const struct mf_corruption *row)
{
	if (row->kind)
		mf_judge_evidence(judge, "kind",
				  mf_text(mf_judge_text(judge, row->kind)));
	if (row->cause)
		mf_judge_evidence(judge, "cause",
				  mf_text(mf_judge_text(judge, row->cause)));
	if (row->text)
		mf_judge_evidence(judge, "text",
				  mf_text(mf_judge_text(judge, row->text)));
	tell_neighbour(judge, "previous", "previous_size", &row->previous);
	tell_neighbour(judge, "next", "next_size", &row->next);
}

static void judge_corruption(struct mf_judge *judge,
			     const struct mf_facts *facts)
{
	const struct mf_allocator *glibc = mf_facts_glibc(facts);
	const struct mf_arena *first = NULL;
	const struct mf_corruption *row;
	size_t places = 0, arenas = 0;

	for (size_t i = 0; i < glibc->arena_count; i++) {
		const struct mf_arena *arena = &glibc->arenas[i];

		if (!arena->corrupt_count || may_be_torn(facts, arena))
			continue;
		first = first ? first : arena;
		places += arena->corrupt_count;
		arenas++;
	}
	if (!first)
		return;
	row = &first->corrupt[0];
	mf_judge_find(judge, MF_SEVERITY_CRITICAL, first->figures.system,
		      "heap corruption at 0x%" PRIx64 ": %s%s", row->address,
		      row->what, places > 1 ? ", and more" : "");
	mf_judge_evidence(judge, "places", mf_count(places));
	mf_judge_evidence(judge, "arenas", mf_count(arenas));
	mf_judge_evidence(judge, "arena", mf_id(first->index));
	mf_judge_evidence(judge, "address", mf_address(row->address));
	mf_judge_evidence(judge, "what",
			  mf_text(mf_judge_text(judge, row->what)));
	tell_damage(judge, row);
	mf_judge_advise(judge,
			"memforensics arenas %s   # each damaged chunk, its "
			"neighbours, and what usually does that",
			mf_judge_pid(judge));
	mf_judge_advise(judge,
			"valgrind PROGRAM, or built with -fsanitize=address   "
			"# stops at the write itself");
	mf_judge_advise_environment(judge,
				    "LD_PRELOAD=libc_malloc_debug.so.0 "
				    "GLIBC_TUNABLES=glibc.malloc.check=3",
				    "aborts where it breaks");
}

static void judge_in_flight(struct mf_judge *judge,
			    const struct mf_facts *facts)
{
	const struct mf_allocator *glibc = mf_facts_glibc(facts);
	uint64_t system = 0;
	size_t count = 0;

	for (size_t i = 0; i < glibc->arena_count; i++) {
		const struct mf_arena *arena = &glibc->arenas[i];

		if (!arena->in_flight)
			continue;
		system += arena->figures.system;
		count++;
	}
	if (!count)
		return;
	mf_judge_find(judge, MF_SEVERITY_INFO, system,
		      "%zu of %zu arenas changed or were locked while they "
		      "were read: not exact",
		      count, glibc->arena_count);
	mf_judge_evidence(judge, "arenas", mf_count(count));
	mf_judge_evidence(judge, "system", mf_size(system));
	if (facts->racy)
		mf_judge_advise(judge, "memforensics arenas %s --stop brief",
				mf_judge_pid(judge));
}

static const struct mf_rule rules[] = {
	{ "arena-spread", MF_NEED_USAGE | MF_NEED_GLIBC, judge_spread },
	{ "orphan-arenas", MF_NEED_GLIBC, judge_orphans },
	{ "arena-tops", MF_NEED_USAGE | MF_NEED_GLIBC, judge_tops },
	{ "trained-threshold", MF_NEED_GLIBC, judge_threshold },
	{ "live-data", MF_NEED_USAGE | MF_NEED_GLIBC, judge_live },
	{ "heap-corruption", MF_NEED_GLIBC, judge_corruption },
	{ "arenas-in-flight", MF_NEED_GLIBC | MF_IS_REMARK, judge_in_flight },
};

const struct mf_rules mf_arena_rules = { rules, MF_ARRAY_SIZE(rules) };
