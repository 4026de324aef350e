/*
 * Rules about stacks, mappings, the kernel's counts and runtimes, each over and
 * below its thresholds.
 */
#include "facts_util.h"

static void set_rss(struct forged *forged, uint64_t rss)
{
	forged->facts.rss = forged->facts.rss_explained = rss;
}

/* ---- stacks -------------------------------------------------------------- */

static void many_threads_and_their_stacks(void **state)
{
	struct forged *forged = *state;
	const struct mf_finding *finding;

	set_rss(forged, MIB(400));
	forged->facts.stacks.live = 10020;
	forged->facts.stacks.live_rss = MIB(64);
	finding = expect_finding(
		forged, "thread-stacks",
		"10 020 threads: their stacks hold 64.0 MiB in RAM, 16% of RSS");
	assert_int_equal(finding->severity, MF_SEVERITY_WARNING);
	forged->facts.stacks.live = 499;
	forged->facts.stacks.live_rss = MIB(63);
	expect_finding(forged, "thread-stacks", NULL);
}

static void stacks_of_gone_threads(void **state)
{
	struct forged *forged = *state;
	const struct mf_finding *finding;

	forged->facts.stacks.cached = 200;
	forged->facts.stacks.cached_rss = MIB(2);
	finding = expect_finding(
		forged, "cached-stacks",
		"200 stacks of threads that are gone hold 2.0 MiB in RAM");
	assert_int_equal(finding->severity, MF_SEVERITY_INFO);
	forged->facts.stacks.cached = 5;
	expect_finding(forged, "cached-stacks", NULL);
}

static void huge_pages_under_stacks(void **state)
{
	struct forged *forged = *state;

	set_rss(forged, GIB(4));
	forged->facts.stacks = (struct mf_stack_census){ .live = 1000,
							 .live_rss = MIB(2000),
							 .thp = MIB(1900) };
	expect_finding(
		forged, "huge-stacks",
		"huge pages fill thread stacks: 2.0 MiB each on average, 2.0 GiB in all");
	forged->facts.stacks.thp = 0;
	expect_finding(forged, "huge-stacks", NULL);
}

/* ---- mappings --------------------------------------------------------------- */

static void mappings_near_their_limit(void **state)
{
	struct forged *forged = *state;
	const struct mf_finding *finding;

	for (unsigned i = 0; i < 80; i++)
		forge_region(forged, MF_CLASS_ANON, i * MIB(2),
			     i % 4 ? 8192 : 4096);
	forged->info.limits.max_map_count = 100;
	finding = expect_finding(
		forged, "mapping-count",
		"80 mappings of at most 100: mmap and malloc fail at the limit");
	assert_int_equal(finding->severity, MF_SEVERITY_WARNING);
	assert_int_equal(evidence_of(finding, "most_repeated"), 60);
	assert_int_equal(evidence_of(finding, "repeated_size"), 8192);
	assert_string_equal(finding->advice[0],
			    "sudo sysctl -w vm.max_map_count=200");
	forged->info.limits.max_map_count = 84;
	finding = expect_finding(
		forged, "mapping-count",
		"80 mappings of at most 84: mmap and malloc fail at the limit");
	assert_int_equal(finding->severity, MF_SEVERITY_CRITICAL);
	forged->info.limits.max_map_count = 101;
	expect_finding(forged, "mapping-count", NULL);
	forged->info.limits.max_map_count = UINT64_MAX;
	expect_finding(forged, "mapping-count", NULL);
}

static void reserved_space_is_no_memory(void **state)
{
	struct forged *forged = *state;
	struct mf_region *region =
		forge_region(forged, MF_CLASS_RESERVE, GIB(64), GIB(64));

	region->usage.rss = forged->mappings[0].usage.rss = 0;
	forged->mappings[0].perms = 0;
	expect_finding(
		forged, "reserved-only",
		"VIRT is 64.0 GiB, but 64.0 GiB of it is reserved address space: no memory");
	forged->mappings[0].perms = MF_PERM_READ;
	expect_finding(forged, "reserved-only", NULL);
	forged->mappings[0].vm_flags = MF_VM_NORESERVE;
	expect_finding(
		forged, "reserved-only",
		"VIRT is 64.0 GiB, but 64.0 GiB of it is reserved address space: no memory");
}

static void equal_regions_are_a_pool(void **state)
{
	struct forged *forged = *state;
	const struct mf_finding *finding;

	set_rss(forged, MIB(500));
	for (unsigned i = 0; i < 12; i++)
		forge_region(forged, MF_CLASS_ANON, i * GIB(1),
			     i < 7 ? MIB(16) : MIB(4))
			->suspicions = MF_SUSPECT_EQUAL_SIZED;
	finding = expect_finding(
		forged, "equal-regions",
		"7 equal regions of 16.0 MiB that nobody claims hold 112.0 MiB: chunks of a pool?");
	assert_int_equal(evidence_of(finding, "count"), 7);
	set_rss(forged, MIB(1500));
	expect_finding(forged, "equal-regions", NULL);
}

static void memory_that_nobody_claims(void **state)
{
	struct forged *forged = *state;
	const struct mf_finding *finding;

	forged->facts.rss = MIB(500);
	forged->facts.rss_explained = MIB(400);
	forge_region(forged, MF_CLASS_ANON, GIB(1), MIB(30));
	forge_region(forged, MF_CLASS_ANON, GIB(2), MIB(70));
	finding = expect_finding(
		forged, "unclaimed-memory",
		"100.0 MiB of RSS, 20%, is anonymous memory that nothing here claims");
	assert_int_equal(evidence_of(finding, "largest"), GIB(2));
	forged->facts.rss_explained = MIB(401);
	expect_finding(forged, "unclaimed-memory", NULL);
}

static void code_where_none_should_be(void **state)
{
	struct forged *forged = *state;
	struct mf_region *region =
		forge_region(forged, MF_CLASS_ANON, 0x10000, 65536);
	const struct mf_finding *finding;

	region->suspicions = MF_SUSPECT_EXEC_WRITE;
	finding = expect_finding(
		forged, "writable-code",
		"1 region, 64.0 KiB, can be both written and executed, and no runtime claims it");
	assert_int_equal(finding->severity, MF_SEVERITY_INFO);
	region = forge_region(forged, MF_CLASS_ANON, 0x50000, 65536);
	region->suspicions = MF_SUSPECT_ELF_HEADER;
	region->suspicion_score = 0.8;
	finding = expect_finding(
		forged, "elf-in-memory",
		"anonymous memory at 0x50000 begins like an ELF file (1 such region)");
	assert_int_equal(finding->severity, MF_SEVERITY_WARNING);
	assert_string_equal(
		finding->advice[0],
		"memforensics maps 4242 --json | jq '.regions[] | select(.start == \"0x50000\")'");
}

static void arenas_of_a_listing(void **state)
{
	struct forged *forged = *state;

	forged->info.kind = MF_TARGET_LISTING;
	forged->info.pid = 0;
	forged->facts.allocator_count = 0;
	set_rss(forged, GIB(4));
	forge_total(forged, MF_CLASS_ARENA, GIB(3))->regions = 62;
	assert_string_equal(
		expect_finding(
			forged, "arenas-not-walked",
			"62 arena heaps of glibc hold 3.0 GiB of 4.0 GiB RSS; live or free needs the process")
			->advice[0],
		"sudo memforensics arenas PID   # where it runs");
	forged->totals[0].usage.rss = MIB(900);
	expect_finding(forged, "arenas-not-walked", NULL);
}

static void a_listing_without_sizes_has_a_verdict(void **state)
{
	struct forged *forged = *state;

	forged->info.kind = MF_TARGET_LISTING;
	forged->facts.allocator_count = 0;
	set_rss(forged, 0);
	forge_region(forged, MF_CLASS_ANON, 0x10000, 65536);
	expect_finding(
		forged, "nothing-stands-out",
		"nothing stands out in 1 mappings (their resident sizes are not known)");
}

/* An allocator that nobody here knows: calm would be a claim. */
static void what_nobody_claims_is_no_calm(void **state)
{
	struct forged *forged = *state;

	forged->facts.rss = MIB(20);
	forged->facts.rss_explained = MIB(4);
	expect_finding(
		forged, "nothing-stands-out",
		"nothing large stands out, but nothing here claims 16.0 MiB of 20.0 MiB RSS");
	forged->facts.rss_explained = MIB(18);
	expect_finding(
		forged, "nothing-stands-out",
		"nothing stands out: RSS is 20.0 MiB, and 90% of it is explained");
}

/* ---- the kernel's counts --------------------------------------------------------- */

static void the_limit_counts_without_page_cache(void **state)
{
	struct forged *forged = *state;
	struct mf_limits *limits = &forged->info.limits;
	const struct mf_finding *finding;

	set_rss(forged, GIB(7));
	limits->cgroup_memory_max = GIB(8);
	limits->cgroup_memory_current = GIB(8);
	limits->cgroup_file = GIB(1);
	finding = expect_finding(
		forged, "limit-near",
		"near the limit: its cgroup uses 7.0 GiB of 8.0 GiB without page cache, 1.0 GiB is left");
	assert_int_equal(finding->severity, MF_SEVERITY_WARNING);
	limits->cgroup_file = MIB(100);
	finding = expect_finding(
		forged, "limit-near",
		"near the limit: its cgroup uses 7.9 GiB of 8.0 GiB without page cache, 100.0 MiB is left");
	assert_int_equal(finding->severity, MF_SEVERITY_CRITICAL);
	/* Somebody else fills it. */
	set_rss(forged, MIB(5));
	expect_finding(forged, "limit-near", NULL);
	set_rss(forged, GIB(7));
	limits->cgroup_file = GIB(2);
	expect_finding(forged, "limit-near", NULL);
}

static void the_address_space_has_a_limit(void **state)
{
	struct forged *forged = *state;

	forged->info.status.vm_size = GIB(9);
	forged->info.limits.address_space = GIB(10);
	assert_string_equal(
		expect_finding(
			forged, "address-space-limit",
			"VIRT is 9.0 GiB, and RLIMIT_AS ends it at 10.0 GiB")
			->advice[0],
		"prlimit --pid 4242 --as=21474836480");
	forged->info.limits.address_space = GIB(11);
	expect_finding(forged, "address-space-limit", NULL);
}

static void the_cgroup_counts_more_than_rss(void **state)
{
	struct forged *forged = *state;
	struct mf_limits *limits = &forged->info.limits;

	limits->cgroup_memory_current = GIB(6);
	limits->cgroup_file = GIB(5);
	expect_finding(forged, "cgroup-not-rss", NULL); /* nobody watches */
	limits->cgroup_memory_max = GIB(16);
	expect_finding(
		forged, "cgroup-not-rss",
		"5.0 GiB of its cgroup's 6.0 GiB is page cache: reclaimable, not a leak");
	limits->cgroup_file = 0;
	limits->cgroup_slab = GIB(2);
	expect_finding(
		forged, "cgroup-not-rss",
		"2.0 GiB of its cgroup's 6.0 GiB is kernel slab: files and sockets, not RSS");
}

static void swap_hides_from_rss(void **state)
{
	struct forged *forged = *state;
	struct mf_class_total *total = forge_total(forged, MF_CLASS_HEAP, 0);

	set_rss(forged, MIB(500));
	total->usage.swap = MIB(500);
	expect_finding(
		forged, "swapped",
		"500.0 MiB more of it is in swap: RSS shows only 500.0 MiB");
	total->usage.swap = MIB(50);
	expect_finding(forged, "swapped", NULL);
}

static void files_and_shared_memory_are_no_leak(void **state)
{
	struct forged *forged = *state;
	const struct mf_finding *finding;

	set_rss(forged, MIB(1000));
	forge_region(forged, MF_CLASS_FILE, GIB(1), MIB(600))->mapping =
		&(const struct mf_mapping){ .path = "/data/index\n" };
	forge_total(forged, MF_CLASS_FILE, MIB(600));
	forge_total(forged, MF_CLASS_SHARED, MIB(128))->usage.pss = MIB(16);
	finding = expect_finding(
		forged, "file-pages",
		"600.0 MiB of RSS, 60%, is mapped files: reclaimable page cache, not a leak");
	assert_int_equal(evidence_of(finding, "largest_rss"), MIB(600));
	expect_finding(
		forged, "shared-memory",
		"128.0 MiB of RSS is shared memory: its share of it is 16.0 MiB (PSS)");
	forged->totals[1].usage.pss = 0;
	forged->totals[1].usage.lacks = MF_FIGURE_PSS;
	expect_finding(
		forged, "shared-memory",
		"128.0 MiB of RSS is shared memory: its share of it is not known (PSS)");
	forged->totals[0].usage.lacks = MF_FIGURE_ANON;
	expect_finding(forged, "file-pages", NULL);
	forged->totals[0].usage.lacks = 0;
	forged->totals[0].usage.anon = MIB(400);
	forged->totals[1].usage.rss = MIB(63);
	expect_finding(forged, "file-pages", NULL);
	expect_finding(forged, "shared-memory", NULL);
}

static void pages_of_special_kinds(void **state)
{
	struct forged *forged = *state;
	struct mf_class_total *heap =
		forge_total(forged, MF_CLASS_GO_HEAP, MIB(800));

	set_rss(forged, MIB(1000));
	heap->usage.pss = MIB(400);
	heap->usage.lazyfree = MIB(150);
	forged->info.status.vm_lck = MIB(60);
	forged->info.status.vm_pin = MIB(40);
	forged->info.status.vm_pte = MIB(70);
	expect_finding(
		forged, "fork-shared",
		"400.0 MiB of RSS is shared with processes of the same fork: add up PSS, not RSS");
	expect_finding(
		forged, "lazily-freed",
		"150.0 MiB of RSS is freed lazily (MADV_FREE): the kernel takes it when it needs it");
	expect_finding(
		forged, "locked-memory",
		"100.0 MiB is locked or pinned in RAM (mlock, registered buffers)");
	expect_finding(
		forged, "page-tables",
		"page tables take 70.0 MiB beside 1000.0 MiB RSS: sparse or shared mappings");
	set_rss(forged, GIB(20));
	expect_finding(forged, "fork-shared", NULL);
	expect_finding(forged, "lazily-freed", NULL);
	expect_finding(forged, "locked-memory", NULL);
	expect_finding(forged, "page-tables", NULL);
}

static void huge_pages_keep_free_chunks(void **state)
{
	struct forged *forged = *state;

	set_rss(forged, MIB(1000));
	glibc_figures(forged)->resident = MIB(900);
	glibc_figures(forged)->free.resident = MIB(300);
	glibc_figures(forged)->trimmable_bytes = MIB(200);
	forge_total(forged, MF_CLASS_HEAP, MIB(900))->usage.thp = MIB(800);
	expect_finding(
		forged, "huge-pages",
		"huge pages make up 800.0 MiB of glibc's heaps, of which 300.0 MiB is free but in RAM");
	forged->totals[0].usage.thp = MIB(200);
	expect_finding(forged, "huge-pages", NULL);
}

/* ---- runtimes ------------------------------------------------------------------------ */

static void two_allocators_at_once(void **state)
{
	struct forged *forged = *state;

	set_rss(forged, MIB(1000));
	forge_allocator(forged, "go", MIB(400));
	forge_allocator(forged, "jemalloc", MIB(300));
	forged->allocators[0].resident = MIB(200);
	expect_finding(
		forged, "two-allocators",
		"two allocators: jemalloc holds 300.0 MiB and glibc 200.0 MiB; tune the one that grows");
	forged->allocators[0].resident = MIB(99);
	expect_finding(forged, "two-allocators", NULL);
}

static void another_allocator_has_its_own_commands(void **state)
{
	struct forged *forged = *state;
	const char *title =
		"jemalloc holds 600.0 MiB of 1000.0 MiB RSS: malloc_trim and glibc's figures do not apply";
	const struct mf_finding *finding;

	set_rss(forged, MIB(1000));
	forge_allocator(forged, "jemalloc", MIB(600));
	finding = expect_finding(forged, "other-allocator", title);
	assert_non_null(strstr(finding->advice[0], "arena.4096.purge"));
	forged->info.comm = "redis-server";
	finding = expect_finding(forged, "other-allocator", title);
	assert_non_null(strstr(finding->advice[0], "redis-cli MEMORY PURGE"));
	forged->allocators[1].resident = MIB(399);
	expect_finding(forged, "other-allocator", NULL);
}

static void slabs_that_are_pinned_are_no_matter_of_a_purge(void **state)
{
	struct forged *forged = *state;
	struct mf_allocator *jemalloc;
	const struct mf_finding *finding;

	set_rss(forged, MIB(1000));
	forge_allocator(forged, "jemalloc", MIB(600));
	jemalloc = &forged->allocators[1];
	jemalloc->supported = true;
	jemalloc->figures.retained.pinned = MIB(200);
	jemalloc->figures.trimmable_bytes = MIB(30);
	finding = expect_finding(
		forged, "pinned-slabs",
		"slabs: 200.0 MiB that is free is pinned by objects in use; a purge would return 30.0 MiB");
	assert_string_equal(
		finding->advice[0],
		"memforensics chunks 4242 --state free   # of which sizes");
	finding = expect_finding(
		forged, "other-allocator",
		"jemalloc holds 600.0 MiB of 1000.0 MiB RSS: malloc_trim and glibc's figures do not apply");
	assert_non_null(finding->advice[0]);
	jemalloc->figures.trimmable_bytes = MIB(29);
	finding = expect_finding(
		forged, "other-allocator",
		"jemalloc holds 600.0 MiB of 1000.0 MiB RSS: malloc_trim and glibc's figures do not apply");
	assert_null(finding->advice[0]);
	jemalloc->figures.retained.pinned = MIB(199);
	expect_finding(forged, "pinned-slabs", NULL);
	jemalloc->figures.retained.pinned = MIB(200);
	jemalloc->supported = false;
	expect_finding(forged, "pinned-slabs", NULL);
}

static void managed_and_native_memory(void **state)
{
	struct forged *forged = *state;
	const struct mf_finding *finding;

	set_rss(forged, MIB(6800));
	forge_allocator(forged, "hotspot", MIB(3100));
	forge_total(forged, MF_CLASS_JAVA_HEAP, MIB(2900));
	forge_total(forged, MF_CLASS_JAVA_METASPACE, MIB(200));
	forge_total(forged, MF_CLASS_ARENA, MIB(3400));
	finding = expect_finding(
		forged, "native-memory",
		"native memory: malloc holds 3.3 GiB of 6.6 GiB RSS, outside the 3.0 GiB of Java");
	assert_non_null(strstr(finding->advice[0], "VM.native_memory"));
	finding = expect_finding(
		forged, "managed-heap",
		"the Java heap holds 2.8 GiB of 6.6 GiB RSS: its own tools say what is in it");
	assert_string_equal(finding->advice[0],
			    "jcmd 4242 GC.class_histogram | head -20");
	forged->totals[0].usage.rss = MIB(1000);
	forged->totals[2].usage.rss = MIB(1300);
	expect_finding(forged, "native-memory", NULL);
	expect_finding(forged, "managed-heap", NULL);
}

static void the_worst_comes_first(void **state)
{
	struct forged *forged = *state;
	const struct mf_finding *findings;
	size_t count;

	set_rss(forged, MIB(1000));
	glibc_figures(forged)->trimmable_bytes = MIB(300);
	glibc_figures(forged)->free.swapped = MIB(500);
	glibc_figures(forged)->free.bytes = MIB(1300);
	glibc_figures(forged)->free.already_returned = MIB(800);
	expect_finding(
		forged, "retention",
		"retention: malloc_trim would return 300.0 MiB of 1000.0 MiB RSS, free in glibc's heaps");
	findings = mf_analysis_findings(forged->analysis, &count);
	assert_int_equal(count, 3);
	assert_string_equal(findings[0].code, "free-in-swap");
	assert_string_equal(findings[1].code, "retention");
	assert_string_equal(findings[2].code, "already-returned");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FORGED_TEST(many_threads_and_their_stacks),
		FORGED_TEST(stacks_of_gone_threads),
		FORGED_TEST(huge_pages_under_stacks),
		FORGED_TEST(mappings_near_their_limit),
		FORGED_TEST(reserved_space_is_no_memory),
		FORGED_TEST(equal_regions_are_a_pool),
		FORGED_TEST(memory_that_nobody_claims),
		FORGED_TEST(code_where_none_should_be),
		FORGED_TEST(arenas_of_a_listing),
		FORGED_TEST(a_listing_without_sizes_has_a_verdict),
		FORGED_TEST(what_nobody_claims_is_no_calm),
		FORGED_TEST(the_limit_counts_without_page_cache),
		FORGED_TEST(the_address_space_has_a_limit),
		FORGED_TEST(the_cgroup_counts_more_than_rss),
		FORGED_TEST(swap_hides_from_rss),
		FORGED_TEST(files_and_shared_memory_are_no_leak),
		FORGED_TEST(pages_of_special_kinds),
		FORGED_TEST(huge_pages_keep_free_chunks),
		FORGED_TEST(two_allocators_at_once),
		FORGED_TEST(another_allocator_has_its_own_commands),
		FORGED_TEST(slabs_that_are_pinned_are_no_matter_of_a_purge),
		FORGED_TEST(managed_and_native_memory),
		FORGED_TEST(the_worst_comes_first),
	};

	return cmocka_run_group_tests_name("analysis process", tests, NULL,
					   NULL);
}
