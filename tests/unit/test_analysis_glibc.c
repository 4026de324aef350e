/*
 * Rules about glibc's heaps, each over and below its thresholds.
 */
#include "facts_util.h"

static void a_shell_is_calm(void **state)
{
	struct forged *forged = *state;
	const struct mf_finding *finding = expect_finding(
		forged, "nothing-stands-out",
		"nothing stands out: RSS is 4.0 MiB, and 100% of it is explained");
	size_t count;

	mf_analysis_findings(forged->analysis, &count);
	assert_int_equal(count, 1);
	assert_int_equal(finding->severity, MF_SEVERITY_INFO);
	assert_null(finding->advice[0]);
}

static void retention_is_what_trim_returns(void **state)
{
	struct forged *forged = *state;
	const struct mf_finding *finding;

	forged->facts.rss = forged->facts.rss_explained = MIB(500);
	glibc_figures(forged)->trimmable_bytes = MIB(64) - 1;
	expect_finding(forged, "retention", NULL);
	glibc_figures(forged)->trimmable_bytes = MIB(64);
	finding = expect_finding(
		forged, "retention",
		"retention: malloc_trim would return 64.0 MiB of 500.0 MiB RSS, free in glibc's heaps");
	assert_int_equal(finding->severity, MF_SEVERITY_WARNING);
	assert_int_equal(finding->bytes, MIB(64));
	assert_int_equal(evidence_of(finding, "trimmable"), MIB(64));
	/* Below a tenth of RSS it is not worth the words. */
	forged->facts.rss = MIB(641);
	expect_finding(forged, "retention", NULL);
}

/* In a small process less is worth a word, but no alarm. */
static void a_good_part_of_a_small_process_is_told(void **state)
{
	struct forged *forged = *state;
	const struct mf_finding *finding;

	forged->facts.rss = forged->facts.rss_explained = MIB(160);
	glibc_figures(forged)->trimmable_bytes = MIB(52);
	finding = expect_finding(
		forged, "retention",
		"retention: malloc_trim would return 52.0 MiB of 160.0 MiB RSS, free in glibc's heaps");
	assert_int_equal(finding->severity, MF_SEVERITY_INFO);
	glibc_figures(forged)->trimmable_bytes = MIB(39);
	expect_finding(forged, "retention", NULL);
	forged->facts.rss = forged->facts.rss_explained = MIB(20);
	glibc_figures(forged)->trimmable_bytes = MIB(15);
	expect_finding(forged, "retention", NULL);
}

static void a_mixture_is_told_by_its_figures(void **state)
{
	struct forged *forged = *state;
	struct mf_arena_figures *all = glibc_figures(forged);

	forged->facts.rss = forged->facts.rss_explained = MIB(160);
	all->system = all->resident = MIB(150);
	all->in_use.bytes = MIB(110);
	all->free.bytes = all->free.resident = MIB(40);
	expect_finding(
		forged, "heap-mixture",
		"glibc's heaps hold 150.0 MiB of 160.0 MiB RSS: 110.0 MiB in use, 40.0 MiB free");
	all->trimmable_bytes = MIB(75); /* then that is the answer */
	expect_finding(forged, "heap-mixture", NULL);
	all->trimmable_bytes = 0;
	all->in_use.bytes = MIB(130); /* live data */
	expect_finding(forged, "heap-mixture", NULL);
	assert_non_null(find_code(forged, "live-data"));
}

static void trim_is_advised_in_the_language_of_the_process(void **state)
{
	struct forged *forged = *state;
	const struct mf_finding *finding;
	const char *title =
		"retention: malloc_trim would return 64.0 MiB of 500.0 MiB RSS, free in glibc's heaps";

	forged->facts.rss = forged->facts.rss_explained = MIB(500);
	glibc_figures(forged)->trimmable_bytes = MIB(64);
	finding = expect_finding(forged, "retention", title);
	assert_string_equal(
		finding->advice[0],
		"malloc_trim(0);   /* in the program, after a peak */");
	forge_allocator(forged, "hotspot", 0);
	finding = expect_finding(forged, "retention", title);
	assert_string_equal(finding->advice[0],
			    "jcmd 4242 System.trim_native_heap");
	forged->allocators[1].name = "cpython";
	finding = expect_finding(forged, "retention", title);
	assert_non_null(strstr(finding->advice[0], "ctypes"));
}

/* 400-byte chunks, one in four kept: much is free, nothing goes back. */
static void pinned_fragmentation_names_the_pinner(void **state)
{
	static const struct mf_pinner small = { .address = 0x1000,
						.size = 64,
						.pinned_bytes = 4096 };
	static const struct mf_pinner large = { .address = 0x7f0000001000,
						.size = 400,
						.pinned_bytes = 65536 };
	struct forged *forged = *state;
	struct mf_arena_figures *all = glibc_figures(forged);
	struct mf_arena *arena = forge_arena(forged);
	const struct mf_finding *finding;

	forged->facts.rss = forged->facts.rss_explained = MIB(450);
	all->resident = MIB(440);
	all->free.bytes = all->free.resident = MIB(312);
	all->trimmable_bytes = MIB(2);
	all->pinned_bytes = MIB(310);
	forged->arenas[0].pinners = &small;
	forged->arenas[0].pinner_count = 1;
	arena->pinners = &large;
	arena->pinner_count = 1;
	finding = expect_finding(
		forged, "pinned-fragmentation",
		"fragmentation: chunks in use pin 310.0 MiB of free memory; malloc_trim returns 2.0 MiB");
	assert_int_equal(evidence_of(finding, "pinner"), 0x7f0000001000);
	assert_int_equal(evidence_of(finding, "pinner_arena"), 1);
	assert_int_equal(finding->bytes, MIB(310));
	all->trimmable_bytes = MIB(78);
	expect_finding(forged, "pinned-fragmentation", NULL);
	all->trimmable_bytes = 0;
	all->free.resident = MIB(131); /* not 30 % */
	expect_finding(forged, "pinned-fragmentation", NULL);
}

static void what_is_gone_already_is_no_rss(void **state)
{
	struct forged *forged = *state;
	struct mf_arena_figures *all = glibc_figures(forged);

	all->free.bytes = MIB(405);
	all->free.already_returned = MIB(301);
	expect_finding(
		forged, "already-returned",
		"301.0 MiB of the 405.0 MiB that glibc counts as free is returned already: no RSS");
	all->free.already_returned = MIB(202);
	expect_finding(forged, "already-returned", NULL);
	all->free.bytes = MIB(60);
	all->free.already_returned = MIB(60);
	expect_finding(forged, "already-returned", NULL);
}

static void free_chunks_in_swap_are_told(void **state)
{
	struct forged *forged = *state;
	struct mf_arena_figures *all = glibc_figures(forged);

	all->free.swapped = MIB(100);
	expect_finding(
		forged, "free-in-swap",
		"100.0 MiB of swap holds nothing but free chunks of glibc's heaps");
	all->free.swapped = MIB(63);
	expect_finding(forged, "free-in-swap", NULL);
}

static void caches_of_many_threads_add_up(void **state)
{
	struct forged *forged = *state;
	struct mf_arena_figures *all = glibc_figures(forged);
	const char *title =
		"64.0 MiB of freed chunks waits in thread caches (60.0 MiB) and fast bins (4.0 MiB)";
	const struct mf_finding *finding;

	forged->facts.rss = forged->facts.rss_explained = MIB(400);
	all->tcache.bytes = MIB(60);
	all->fastbin.bytes = MIB(4);
	finding = expect_finding(forged, "cached-chunks", title);
	assert_non_null(strstr(finding->advice[0], "tcache_count=0"));
	forge_parameter(forged, "tcache_count", 2000);
	finding = expect_finding(forged, "cached-chunks", title);
	assert_non_null(strstr(finding->advice[0], "tcache_count=7"));
	all->tcache.bytes = MIB(59);
	expect_finding(forged, "cached-chunks", NULL);
}

/* 20 arenas, each with FREE_EACH bytes of free chunks in RAM. */
static void forge_spread(struct forged *forged, uint64_t free_each)
{
	struct mf_arena_figures *all = glibc_figures(forged);

	forged->info.thread_count = 40;
	forged->facts.rss = forged->facts.rss_explained = MIB(1000);
	all->resident = MIB(800);
	all->free.resident = free_each * 20;
	while (forged->allocators[0].arena_count < 20)
		forge_arena(forged);
	for (size_t i = 0; i < 20; i++)
		forged->arenas[i].figures.free.resident = free_each;
}

static void arena_spread_counts_cpus_and_savings(void **state)
{
	struct forged *forged = *state;
	const char *title =
		"arena spread: 20 arenas for 40 threads keep 400.0 MiB free in RAM, 50% of their memory";
	const struct mf_finding *finding;

	forge_spread(forged, MIB(20));
	finding = expect_finding(forged, "arena-spread", title);
	assert_int_equal(evidence_of(finding, "saving_at_most"), MIB(360));
	assert_int_equal(evidence_of(finding, "arena_limit"), 16);
	assert_string_equal(
		finding->advice[0],
		"export MALLOC_ARENA_MAX=2   # then restart it: saves up to 360.0 MiB");
	/* The quota counts, not the machine. */
	forged->info.limits.cpus = 64;
	expect_finding(forged, "arena-spread", NULL);
	forged->info.limits.cpu_quota = 1.5;
	expect_finding(forged, "arena-spread", title);
	forged->info.thread_count = 1;
	expect_finding(
		forged, "arena-spread",
		"arena spread: 20 arenas for 1 thread keep 400.0 MiB free in RAM, 50% of their memory");
	forge_spread(forged, MIB(9)); /* 180 MiB are not 25 % */
	expect_finding(forged, "arena-spread", NULL);
	forged->allocators[0].arena_count = 7;
	forge_spread(forged, MIB(20));
	forged->allocators[0].arena_count = 7;
	expect_finding(forged, "arena-spread", NULL);
}

static void arenas_without_threads_are_orphans(void **state)
{
	struct forged *forged = *state;
	struct mf_arena *arena = forge_arena(forged);
	const struct mf_finding *finding;

	arena->attached_threads = 0;
	arena->figures.resident = MIB(20);
	arena->figures.in_use.bytes = MIB(5);
	finding = expect_finding(
		forged, "orphan-arenas",
		"1 arena with 20.0 MiB in RAM serves no thread any more (5.0 MiB of it in use)");
	assert_int_equal(finding->severity, MF_SEVERITY_INFO);
	arena = forge_arena(forged);
	arena->attached_threads = 0;
	arena->figures.resident = MIB(44);
	finding = expect_finding(
		forged, "orphan-arenas",
		"2 arenas with 64.0 MiB in RAM serve no thread any more (5.0 MiB of it in use)");
	assert_int_equal(finding->severity, MF_SEVERITY_WARNING);
	arena->attached_threads = 1;
	forged->arenas[1].figures.resident = MIB(15);
	expect_finding(forged, "orphan-arenas", NULL);
}

static void tops_of_other_arenas_stay(void **state)
{
	struct forged *forged = *state;
	struct mf_arena *arena = forge_arena(forged);

	forged->facts.rss = forged->facts.rss_explained = MIB(200);
	forged->arenas[0].figures.top_resident = MIB(500);
	arena->figures.top_resident = MIB(64);
	expect_finding(
		forged, "arena-tops",
		"the top of 1 arena holds 64.0 MiB free in RAM, which malloc_trim leaves there");
	arena->figures.top_resident = MIB(63);
	expect_finding(forged, "arena-tops", NULL);
	forge_arena(forged)->figures.top_resident = MIB(1);
	expect_finding(
		forged, "arena-tops",
		"the tops of 2 arenas hold 64.0 MiB free in RAM, which malloc_trim leaves there");
}

static void a_trained_threshold_keeps_large_blocks(void **state)
{
	static const struct mf_size_class histogram[] = {
		{ 32, 1024, { 0, 0 }, { 10, MIB(20) } },
		{ MF_MIB, 32 * MF_MIB, { 0, 0 }, { 10, MIB(100) } },
	};
	struct forged *forged = *state;

	glibc_figures(forged)->free.bytes = MIB(120);
	forged->arenas[0].histogram = histogram;
	forged->arenas[0].histogram_count = 2;
	forged->arenas[0].figures.top.bytes = MIB(10);
	forge_parameter(forged, "mmap_threshold", MIB(32));
	forge_parameter(forged, "mmap_threshold_dynamic", 1);
	expect_finding(
		forged, "trained-threshold",
		"the mmap threshold grew to 32.0 MiB: 90.0 MiB of free chunks are of 128 KiB or more");
	/* Set by hand, it was not trained. */
	forged->parameters[1].value = 0;
	expect_finding(forged, "trained-threshold", NULL);
	forged->parameters[1].value = 1;
	forged->parameters[0].value = 128 * MF_KIB;
	expect_finding(forged, "trained-threshold", NULL);
}

static void live_data_is_no_retention(void **state)
{
	struct forged *forged = *state;
	struct mf_arena_figures *all = glibc_figures(forged);

	forged->facts.rss = forged->facts.rss_explained = MIB(1100);
	all->system = all->resident = MIB(1000);
	all->in_use = (struct mf_amount){ 5000000, MIB(930) };
	expect_finding(
		forged, "live-data",
		"live data: 93% of glibc's 1000.0 MiB is in use: a leak or a cache, not retention");
	all->in_use.bytes = MIB(840);
	expect_finding(forged, "live-data", NULL);
	all->in_use.bytes = MIB(930);
	forged->facts.rss = MIB(2100); /* most is something else */
	expect_finding(forged, "live-data", NULL);
}

static void corruption_is_critical_when_it_held_still(void **state)
{
	static const struct mf_corruption broken = {
		.address = 0x7f0000001010,
		.what = "size 0x41414141 leaves the heap",
		.kind = "size",
		.cause = "overflow: the chunk before it",
		.previous = { 0x7f0000001000, 0x10, "in_use" },
	};
	struct forged *forged = *state;
	const struct mf_finding *finding;

	forged->arenas[0].corrupt = &broken;
	forged->arenas[0].corrupt_count = 1;
	finding = expect_finding(
		forged, "heap-corruption",
		"heap corruption at 0x7f0000001010: size 0x41414141 leaves the heap");
	assert_int_equal(finding->severity, MF_SEVERITY_CRITICAL);
	assert_string_equal(evidence_text_of(finding, "cause"), broken.cause);
	assert_string_equal(evidence_text_of(finding, "kind"), "size");
	assert_int_equal(evidence_of(finding, "previous"),
			 broken.previous.address);
	forged->facts.racy = true;
	expect_finding(forged, "heap-corruption", NULL);
	forged->facts.racy = false;
	forged->arenas[0].in_flight = true;
	expect_finding(forged, "heap-corruption", NULL);
	expect_finding(
		forged, "arenas-in-flight",
		"1 of 1 arenas changed or were locked while they were read: not exact");
	/* That is a remark, no answer. */
	assert_non_null(find_code(forged, "nothing-stands-out"));
}

static void without_a_walk_no_glibc_rule_speaks(void **state)
{
	struct forged *forged = *state;

	forged->facts.rss = forged->facts.rss_explained = MIB(500);
	glibc_figures(forged)->trimmable_bytes = MIB(400);
	forged->allocators[0].supported = false;
	expect_finding(forged, "retention", NULL);
	forged->facts.allocator_count = 0;
	expect_finding(forged, "retention", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FORGED_TEST(a_shell_is_calm),
		FORGED_TEST(retention_is_what_trim_returns),
		FORGED_TEST(a_good_part_of_a_small_process_is_told),
		FORGED_TEST(a_mixture_is_told_by_its_figures),
		FORGED_TEST(trim_is_advised_in_the_language_of_the_process),
		FORGED_TEST(pinned_fragmentation_names_the_pinner),
		FORGED_TEST(what_is_gone_already_is_no_rss),
		FORGED_TEST(free_chunks_in_swap_are_told),
		FORGED_TEST(caches_of_many_threads_add_up),
		FORGED_TEST(arena_spread_counts_cpus_and_savings),
		FORGED_TEST(arenas_without_threads_are_orphans),
		FORGED_TEST(tops_of_other_arenas_stay),
		FORGED_TEST(a_trained_threshold_keeps_large_blocks),
		FORGED_TEST(live_data_is_no_retention),
		FORGED_TEST(corruption_is_critical_when_it_held_still),
		FORGED_TEST(without_a_walk_no_glibc_rule_speaks),
	};

	return cmocka_run_group_tests_name("analysis glibc", tests, NULL, NULL);
}
