/*
 * Rules about few chunks that hold much, each over and below its thresholds.
 */
#include "facts_util.h"

enum {
	BIG_HEAP = 64 << 20,
};

/* A second heap of an arena, full but for what the test says. */
static struct mf_arena_heap heap_of(uint64_t start, uint64_t count,
				    uint64_t bytes)
{
	return (struct mf_arena_heap){
		.start = start,
		.committed = BIG_HEAP,
		.resident = BIG_HEAP,
		.in_use = { count, bytes },
		.trimmable = MIB(60),
	};
}

static void few_chunks_hold_heaps(void **state)
{
	static const struct mf_pinner pinner = { .address = 0x7f0008000030,
						 .size = 288,
						 .count = 3,
						 .type = "Session" };
	struct forged *forged = *state;
	struct mf_arena *arena = forge_arena(forged);
	struct mf_arena_heap heaps[] = {
		heap_of(0x7f0004000000, 3, 288),
		heap_of(0x7f0008000000, 3, 288),
	};
	const struct mf_finding *finding;

	arena->address = 0x7f0004000030; /* in the first one */
	arena->heaps = heaps;
	arena->heap_count = 2;
	heaps[1].pinners = &pinner;
	heaps[1].pinner_count = 1;
	finding = expect_finding(
		forged, "held-heaps",
		"3 chunks of 288 B in all hold 1 heap of 64.0 MiB (64.0 MiB of it in RAM)");
	assert_int_equal(finding->severity, MF_SEVERITY_WARNING);
	assert_int_equal(evidence_of(finding, "chunk"), 0x7f0008000030);
	assert_int_equal(evidence_of(finding, "trimmable"), MIB(60));
	/* a cached one counts as well */
	heaps[1].in_use = (struct mf_amount){ 0, 0 };
	heaps[1].tcache = (struct mf_amount){ 1, 64 };
	heaps[1].resident = MIB(16);
	finding = expect_finding(
		forged, "held-heaps",
		"1 chunk of 64 B in all holds 1 heap of 64.0 MiB (16.0 MiB of it in RAM)");
	assert_int_equal(finding->severity, MF_SEVERITY_INFO);
	heaps[1].resident = MIB(15);
	expect_finding(forged, "held-heaps", NULL);
	heaps[1].resident = MIB(64);
	heaps[1].in_use = (struct mf_amount){ 16, 1000 };
	expect_finding(forged, "held-heaps", NULL);
	heaps[1].in_use = (struct mf_amount){ 3, MIB(2) };
	expect_finding(forged, "held-heaps", NULL);
}

static void few_chunks_hold_the_break(void **state)
{
	static struct mf_top_pinner pinners[] = {
		{ .address = 0x5000,
		  .size = 96,
		  .count = 1,
		  .break_bytes = 4096 },
		{ .address = 0x4000,
		  .size = 64,
		  .count = 2,
		  .break_bytes = MIB(100),
		  .type = "" },
	};
	struct forged *forged = *state;
	struct mf_arena *arena = &forged->arenas[0];
	const struct mf_finding *finding;

	arena->figures.free.resident = MIB(70);
	arena->top_pinners = pinners;
	arena->top_pinner_count = 2;
	finding = expect_finding(
		forged, "held-break",
		"3 chunks of 160 B in all at the end of the heap keep the break from falling by 100.0 MiB");
	assert_int_equal(finding->bytes, MIB(70));
	assert_int_equal(evidence_of(finding, "chunk"), 0x4000);
	pinners[1].break_bytes = MIB(63);
	expect_finding(forged, "held-break", NULL);
	pinners[1].break_bytes = MIB(100);
	pinners[0].count = 15;
	expect_finding(forged, "held-break", NULL);
}

static void locked_free_memory_stays(void **state)
{
	struct forged *forged = *state;

	forged->facts.rss = forged->facts.rss_explained = MIB(500);
	glibc_figures(forged)->retained.locked = MIB(64);
	expect_finding(
		forged, "locked-free",
		"64.0 MiB of free memory is locked (mlock): malloc_trim cannot return it");
	glibc_figures(forged)->retained.locked = MIB(63);
	expect_finding(forged, "locked-free", NULL);
	glibc_figures(forged)->retained.locked = MIB(64);
	forged->facts.rss = MIB(641);
	expect_finding(forged, "locked-free", NULL);
}

static void a_peak_is_remembered(void **state)
{
	struct forged *forged = *state;
	struct mf_arena_figures *all = glibc_figures(forged);
	struct mf_arena *arena = forge_arena(forged);
	const struct mf_finding *finding;

	all->max_system = MIB(400);
	all->in_use.bytes = MIB(100);
	all->unused.resident = MIB(7);
	arena->figures.max_system = MIB(300);
	finding = expect_finding(
		forged, "past-peak",
		"arenas peaked at 400.0 MiB: 100.0 MiB is in use now, 7.0 MiB unused in RAM");
	assert_int_equal(evidence_of(finding, "arena"), 1);
	all->unused.resident = MIB(75);
	expect_finding(forged, "past-peak", NULL);
	all->unused.resident = MIB(7);
	all->in_use.bytes = MIB(101);
	expect_finding(forged, "past-peak", NULL);
	all->max_system = MIB(127);
	all->in_use.bytes = MIB(1);
	expect_finding(forged, "past-peak", NULL);
}

/* malloc_trim would abort there. */
static void damage_is_not_to_be_trimmed(void **state)
{
	static const struct mf_corruption row = { .address = 0x1000,
						  .what = "bad" };
	static const char title[] =
		"retention: malloc_trim would return 64.0 MiB of 500.0 MiB RSS, free in glibc's heaps";
	struct forged *forged = *state;
	const struct mf_finding *finding;

	forged->facts.rss = forged->facts.rss_explained = MIB(500);
	glibc_figures(forged)->trimmable_bytes = MIB(64);
	forged->arenas[0].corrupt = &row;
	forged->arenas[0].corrupt_count = 1;
	finding = expect_finding(forged, "retention", title);
	assert_null(strstr(finding->advice[0], "malloc_trim(0)"));
	forged->arenas[0].corrupt_count = 0;
	finding = expect_finding(forged, "retention", title);
	assert_non_null(strstr(finding->advice[0], "malloc_trim(0)"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FORGED_TEST(few_chunks_hold_heaps),
		FORGED_TEST(few_chunks_hold_the_break),
		FORGED_TEST(locked_free_memory_stays),
		FORGED_TEST(a_peak_is_remembered),
		FORGED_TEST(damage_is_not_to_be_trimmed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
