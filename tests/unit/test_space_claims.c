/*
 * Claims: cutting, certainty, conflicts, absurd ones; usage of what was cut;
 * suspicions; sums.
 */
#include <stdio.h>
#include <unistd.h>

#include "space_util.h"

static void surer_claim_wins(void **state)
{
	struct mf_target *target = mf_target_create_forged();
	struct mf_space *space;

	(void)state;
	add_mapping(target, 0x10000, 16, RW, "");
	space = make_space(target);
	assert_drawn(space, "10000-20000 anon\n");
	claim(space, 0x12000, 0x15000, MF_CLASS_JEMALLOC, MF_BY_CONTENT);
	claim(space, 0x14000, 0x18000, MF_CLASS_GO_HEAP, MF_BY_NAME);
	claim(space, 0x11000, 0x13000, MF_CLASS_ARENA, MF_BY_STRUCTURE);
	assert_drawn(space, "10000-11000 anon\n"
			    "11000-13000 arena arena\n"
			    "13000-15000 jemalloc jemalloc\n"
			    "15000-18000 go-heap go-heap\n"
			    "18000-20000 anon\n");
	assert_int_equal(mf_space_region_at(space, 0x14fff)->class,
			 MF_CLASS_JEMALLOC);
	assert_int_equal(mf_space_region_at(space, 0x14fff)->certainty,
			 MF_BY_CONTENT);
	assert_string_equal(mf_space_region_at(space, 0x14fff)->proof,
			    "a test says so");
	assert_null(mf_space_region_at(space, 0xffff));
	assert_null(mf_space_region_at(space, 0x20000));
	mf_space_destroy(space);
	mf_target_close(target);
}

static void claims_cross_mappings_and_holes(void **state)
{
	struct mf_target *target = mf_target_create_forged();
	struct mf_space *space;

	(void)state;
	add_mapping(target, 0x10000, 1, RW, "");
	add_mapping(target, 0x11000, 1, RO, "");
	add_mapping(target, 0x20000, 2, RW, "");
	space = make_space(target);
	claim(space, 0x1000, 0x21000, MF_CLASS_V8_HEAP, MF_BY_CONTENT);
	claim(space, 0x21000, 0x90000, MF_CLASS_V8_HEAP, MF_BY_STRUCTURE);
	/* One thing in two mappings is two regions, in one mapping one. */
	assert_drawn(space, "10000-11000 v8-heap v8-heap\n"
			    "11000-12000 v8-heap v8-heap\n"
			    "20000-22000 v8-heap v8-heap\n");
	assert_int_equal(mf_space_region_at(space, 0x21000)->certainty,
			 MF_BY_STRUCTURE);
	mf_space_destroy(space);
	mf_target_close(target);
}

static void absurd_claims_are_refused(void **state)
{
	struct mf_target *target = mf_target_create_forged();
	struct mf_space *space;

	(void)state;
	add_mapping(target, 0x10000, 4, RW, "");
	add_mapping(target, UINT64_C(0xffffffffff600000), 1, RX, "");
	space = make_space(target);
	claim(space, 0x11000, 0x11000, MF_CLASS_ARENA, MF_BY_STRUCTURE);
	claim(space, 0x12000, 0x11000, MF_CLASS_ARENA, MF_BY_STRUCTURE);
	claim(space, 0x11000, 0x12000, MF_CLASS_COUNT, MF_BY_STRUCTURE);
	claim(space, 0x11000, 0x12000, MF_CLASS_ARENA, 0);
	claim(space, 0x11000, 0x12000, MF_CLASS_ARENA, 9);
	assert_drawn(space, "10000-14000 anon\n"
			    "ffffffffff600000-ffffffffff601000 anon\n");
	/* What is no whole page is rounded to those that it touches. */
	claim(space, 0x11d40, 0x12001, MF_CLASS_HEAP, MF_BY_STRUCTURE);
	claim(space, UINT64_C(0xffffffffff600800), UINT64_MAX,
	      MF_CLASS_VSYSCALL, MF_BY_NAME);
	assert_drawn(space,
		     "10000-11000 anon\n"
		     "11000-13000 heap heap\n"
		     "13000-14000 anon\n"
		     "ffffffffff600000-ffffffffff601000 vsyscall vsyscall\n");
	mf_space_destroy(space);
	mf_target_close(target);
}

static void equals_conflict_and_the_first_stands(void **state)
{
	struct mf_target *target = mf_target_create_forged();
	struct mf_space *space;
	const struct mf_partial *notes;
	size_t count;

	(void)state;
	add_mapping(target, 0x10000, 4, RW, "");
	space = make_space(target);
	claim(space, 0x10000, 0x12000, MF_CLASS_ARENA, MF_BY_CONTENT);
	claim(space, 0x10000, 0x12000, MF_CLASS_ARENA, MF_BY_CONTENT);
	mf_target_partials(target, &count);
	assert_int_equal(count, 0);
	claim(space, 0x11000, 0x13000, MF_CLASS_JEMALLOC, MF_BY_CONTENT);
	notes = mf_target_partials(target, &count);
	assert_int_equal(count, 1);
	assert_non_null(strstr(notes[0].why, "arena"));
	assert_non_null(strstr(notes[0].why, "jemalloc"));
	assert_drawn(space, "10000-12000 arena arena\n"
			    "12000-13000 jemalloc jemalloc\n"
			    "13000-14000 anon\n");
	mf_space_destroy(space);
	mf_target_close(target);
}

static void names_give_way(void **state)
{
	struct mf_target *target = mf_target_create_forged();
	struct mf_space *space;
	size_t count;

	(void)state;
	add_mapping(target, 0x10000, 4, RW, "[heap]");
	add_mapping(target, 0x20000, 4, NONE, "");
	space = make_space(target);
	claim(space, 0x10000, 0x14000, MF_CLASS_TCMALLOC, MF_BY_NAME);
	claim(space, 0x20000, 0x22000, MF_CLASS_GO_HEAP, MF_BY_SHAPE);
	mf_target_partials(target, &count);
	assert_int_equal(count, 0);
	assert_drawn(space, "10000-14000 tcmalloc tcmalloc\n"
			    "20000-22000 go-heap go-heap\n"
			    "22000-24000 reserve\n");
	mf_space_destroy(space);
	mf_target_close(target);
}

enum {
	MODEL_PAGES = 600,
	MODEL_CLAIMS = 3000,
};

/* Against the plainest model there is: one entry a page. */
static void random_claims_agree_with_a_model(void **state)
{
	struct mf_target *target = mf_target_create_forged();
	struct mf_space *space;
	unsigned char classes[MODEL_PAGES] = { 0 };
	unsigned char certainties[MODEL_PAGES] = { 0 };
	unsigned random = 12345;

	(void)state;
	add_mapping(target, PAGE, MODEL_PAGES / 2, RW, "");
	add_mapping(target, (1 + MODEL_PAGES / 2) * PAGE, MODEL_PAGES / 2, RW,
		    "");
	space = make_space(target);
	for (int i = 0; i < MODEL_CLAIMS; i++) {
		unsigned start, end, class, certainty;

		random = random * 1103515245 + 12345;
		start = (random >> 8) % MODEL_PAGES;
		random = random * 1103515245 + 12345;
		end = MF_MIN(start + 1 + (random >> 8) % 9, MODEL_PAGES + 0U);
		random = random * 1103515245 + 12345;
		class = 1 + (random >> 8) % (MF_CLASS_COUNT - 1);
		certainty = 1 + (random >> 20) % 4;
		claim(space, (start + 1) * PAGE, (end + 1) * PAGE,
		      (enum mf_class) class, (enum mf_certainty)certainty);
		for (unsigned at = start; at < end; at++) {
			if (certainty <= certainties[at])
				continue;
			certainties[at] = (unsigned char)certainty;
			classes[at] = (unsigned char)class;
		}
	}
	for (unsigned at = 0; at < MODEL_PAGES; at++) {
		const struct mf_region *region =
			mf_space_region_at(space, (at + 1) * PAGE + 8);

		assert_non_null(region);
		assert_int_equal(region->class, classes[at]);
		assert_int_equal(region->certainty, certainties[at]);
	}
	mf_space_destroy(space);
	mf_target_close(target);
}

enum {
	MANY_MAPPINGS = 50000,
	MANY_CLAIMS = 100000,
};

/* From the last to the first, so that every claim cuts before all others. */
static void many_mappings_and_claims(void **state)
{
	char path[] = "/tmp/memforensics-test-XXXXXX";
	FILE *file = fdopen(mkstemp(path), "w");
	struct mf_target *target = NULL;
	struct mf_space *space;
	size_t count;

	(void)state;
	assert_non_null(file);
	for (uint64_t i = 1; i <= MANY_MAPPINGS; i++)
		fprintf(file, "%08llx-%08llx rw-p 00000000 00:00 0\n",
			(unsigned long long)i << 16,
			(unsigned long long)(i << 16) + 0x8000);
	fclose(file);
	must(mf_target_open_listing(path, 0, &target));
	unlink(path);
	space = make_space(target);
	for (uint64_t i = MANY_CLAIMS; i-- > 0;) {
		uint64_t start = ((i / 2 + 1) << 16) + i % 2 * 0x4000 + 0x1000;

		claim(space, start, start + 0x1000, MF_CLASS_MMAP_CHUNK,
		      MF_BY_CONTENT);
	}
	must(mf_space_settle(space));
	mf_space_regions(space, &count);
	assert_int_equal(count, 5 * MANY_MAPPINGS);
	assert_int_equal(mf_space_region_at(space, 0x15000)->class,
			 MF_CLASS_MMAP_CHUNK);
	assert_int_equal(mf_space_region_at(space, 0x16000)->class,
			 MF_CLASS_ANON);
	mf_space_destroy(space);
	mf_target_close(target);
}

/* ---- usage ---------------------------------------------------------------- */

static void forge_used(struct mf_target *target, const uint8_t *pages,
		       struct mf_usage usage)
{
	static uint8_t bytes[8 * PAGE];

	mf_target_forge_mapping(target,
				&(struct mf_mapping){
					.start = 0x10000,
					.end = 0x18000,
					.perms = RW,
					.path = "",
					.usage_known = true,
					.usage = usage,
				},
				bytes, pages);
}

static void split_usage_adds_up(void **state)
{
	static const uint8_t pages[8] = { MF_PAGE_PRESENT,
					  MF_PAGE_PRESENT,
					  MF_PAGE_SWAPPED,
					  MF_PAGE_ZERO,
					  MF_PAGE_PRESENT | MF_PAGE_FILE,
					  0,
					  MF_PAGE_PRESENT,
					  0 };
	struct mf_target *target = mf_target_create_forged();
	struct mf_space *space;
	const struct mf_region *regions;
	size_t count;

	(void)state;
	forge_used(target, pages,
		   (struct mf_usage){ .rss = 4 * PAGE,
				      .pss = 4 * PAGE - 100,
				      .anon = 3 * PAGE,
				      .dirty = 3 * PAGE,
				      .swap = PAGE });
	space = make_space(target);
	claim(space, 0x12000, 0x14000, MF_CLASS_ARENA, MF_BY_STRUCTURE);
	claim(space, 0x14000, 0x15000, MF_CLASS_BSS, MF_BY_STRUCTURE);
	must(mf_space_settle(space));
	regions = mf_space_regions(space, &count);
	assert_int_equal(count, 4);
	assert_int_equal(regions[0].usage.rss, 2 * PAGE);
	assert_int_equal(regions[0].usage.anon, 2 * PAGE);
	assert_int_equal(regions[0].usage.swap, 0);
	assert_int_equal(regions[1].usage.rss, 0);
	assert_int_equal(regions[1].usage.swap, PAGE);
	assert_int_equal(regions[2].usage.rss, PAGE);
	assert_int_equal(regions[2].usage.anon, 0);
	assert_int_equal(regions[3].usage.rss, PAGE);
	assert_int_equal(regions[3].usage.anon, PAGE);
	assert_int_equal(regions[0].usage.pss + regions[1].usage.pss +
				 regions[2].usage.pss + regions[3].usage.pss,
			 4 * PAGE - 100);
	assert_int_equal(regions[0].usage.dirty + regions[2].usage.dirty +
				 regions[3].usage.dirty,
			 3 * PAGE);
	assert_int_equal(mf_space_rss(space), 4 * PAGE);
	assert_int_equal(mf_space_rss_explained(space), PAGE);
	mf_space_destroy(space);
	mf_target_close(target);
}

/* What the mapping lacks, its pieces lack, and so does their sum. */
static void what_is_not_known_stays_so(void **state)
{
	static const uint8_t pages[8] = { MF_PAGE_PRESENT };
	struct mf_target *target = mf_target_create_forged();
	const struct mf_class_total *totals;
	const struct mf_region *regions;
	struct mf_space *space;
	size_t count;

	(void)state;
	forge_used(target, pages,
		   (struct mf_usage){ .rss = PAGE, .lacks = MF_FIGURE_PSS });
	mf_target_forge_mapping(target,
				&(struct mf_mapping){ .start = 0x20000,
						      .end = 0x21000,
						      .perms = RW,
						      .path = "" },
				NULL, NULL);
	space = make_space(target);
	claim(space, 0x12000, 0x14000, MF_CLASS_ARENA, MF_BY_STRUCTURE);
	claim(space, 0x20000, 0x21000, MF_CLASS_BSS, MF_BY_STRUCTURE);
	must(mf_space_settle(space));
	regions = mf_space_regions(space, &count);
	assert_int_equal(count, 4);
	assert_int_equal(regions[1].usage.lacks, MF_FIGURE_PSS);
	assert_int_equal(regions[3].usage.lacks, MF_FIGURES_ALL);
	totals = mf_space_totals(space, &count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(totals[i].usage.lacks,
				 totals[i].class == MF_CLASS_BSS
					 ? MF_FIGURES_ALL
					 : MF_FIGURE_PSS);
	mf_space_destroy(space);
	mf_target_close(target);
}

/* Where nothing is, there are no pages to go over one by one. */
static void most_of_the_address_space_is_absent(void **state)
{
	const uint64_t start = 0x10000, end = UINT64_C(1) << 46;
	struct mf_target *target = mf_target_create_forged();
	const struct mf_region *regions;
	struct mf_space *space;
	size_t count;

	(void)state;
	mf_target_forge_mapping(target,
				&(struct mf_mapping){ .start = start,
						      .end = end,
						      .perms = RW,
						      .path = "",
						      .usage_known = true },
				NULL, NULL);
	space = make_space(target);
	claim(space, start + PAGE, end - PAGE, MF_CLASS_ARENA, MF_BY_STRUCTURE);
	must(mf_space_settle(space));
	regions = mf_space_regions(space, &count);
	assert_int_equal(count, 3);
	assert_int_equal(regions[1].usage.rss, 0);
	assert_true(regions[1].usage_known);
	mf_space_destroy(space);
	mf_target_close(target);
}

/* The process ran on between the kernel's sums and the count of pages. */
static void split_usage_adds_up_when_pages_changed(void **state)
{
	static const uint8_t pages[8] = { MF_PAGE_PRESENT, MF_PAGE_PRESENT };

	(void)state;
	for (uint64_t rss = 0; rss <= 8; rss++) {
		struct mf_target *target = mf_target_create_forged();
		struct mf_space *space;
		const struct mf_region *regions;
		uint64_t sum = 0, pss = 0;
		size_t count;

		forge_used(target, pages,
			   (struct mf_usage){ .rss = rss * PAGE,
					      .pss = rss * 1001,
					      .lazyfree = rss * PAGE });
		space = make_space(target);
		claim(space, 0x11000, 0x17000, MF_CLASS_ARENA, MF_BY_CONTENT);
		must(mf_space_settle(space));
		regions = mf_space_regions(space, &count);
		assert_int_equal(count, 3);
		for (size_t i = 0; i < count; i++) {
			assert_true(regions[i].usage.rss <=
				    regions[i].end - regions[i].start);
			sum += regions[i].usage.rss;
			pss += regions[i].usage.pss;
		}
		assert_int_equal(sum, rss * PAGE);
		assert_int_equal(pss, rss * 1001);
		assert_int_equal(mf_space_rss(space), rss * PAGE);
		mf_space_destroy(space);
		mf_target_close(target);
	}
}

static void totals_are_sorted(void **state)
{
	struct mf_target *target = mf_target_create_forged();
	struct mf_space *space;
	const struct mf_class_total *totals;
	size_t count;

	(void)state;
	forge_used(target, NULL, (struct mf_usage){ .rss = 8 * PAGE });
	add_mapping(target, 0x20000, 4, NONE, "");
	add_mapping(target, 0x30000, 9, NONE, "");
	add_mapping(target, 0x40000, 20, RW, "/dev/shm/x");
	space = make_space(target);
	claim(space, 0x10000, 0x11000, MF_CLASS_BSS, MF_BY_CONTENT);
	must(mf_space_settle(space));
	totals = mf_space_totals(space, &count);
	assert_int_equal(count, 4);
	assert_int_equal(totals[0].class, MF_CLASS_ANON);
	assert_int_equal(totals[0].usage.rss, 7 * PAGE);
	assert_int_equal(totals[1].class, MF_CLASS_BSS);
	assert_int_equal(totals[2].class, MF_CLASS_SHARED);
	assert_int_equal(totals[3].class, MF_CLASS_RESERVE);
	assert_int_equal(totals[3].regions, 2);
	assert_int_equal(totals[3].size, 13 * PAGE);
	mf_space_destroy(space);
	mf_target_close(target);
}

/* ---- suspicions -------------------------------------------------------------- */

static void forge_resident(struct mf_target *target, uint64_t start,
			   uint64_t size, unsigned perms, const uint8_t *bytes)
{
	mf_target_forge_mapping(
		target,
		&(struct mf_mapping){ .start = start,
				      .end = start + size,
				      .perms = perms,
				      .path = "",
				      .usage_known = true,
				      .usage = { .rss = size } },
		bytes, NULL);
}

static void suspicions_have_reasons(void **state)
{
	enum {
		MIB = 1 << 20
	};
	uint8_t *bytes = calloc(1, MIB);
	struct mf_target *target = mf_target_create_forged();
	struct mf_space *space;
	const struct mf_region *region;

	(void)state;
	memcpy(bytes + 0, "\177ELF", 4);
	forge_resident(target, 0x1000000, PAGE, RW, bytes);
	forge_resident(target, 0x2000000, PAGE, RW | MF_PERM_EXEC,
		       bytes + PAGE);
	forge_resident(target, 0x3000000, PAGE, RW | MF_PERM_EXEC,
		       bytes + PAGE);
	for (unsigned i = 4; i < 8; i++)
		forge_resident(target, i * UINT64_C(0x1000000), MIB, RW, bytes);
	forge_resident(target, 0x9000000, PAGE, RW, bytes + PAGE);
	space = make_space(target);
	claim(space, 0x3000000, 0x3001000, MF_CLASS_JIT, MF_BY_CONTENT);
	claim(space, 0x7000000, 0x7100000, MF_CLASS_JEMALLOC, MF_BY_CONTENT);
	must(mf_space_settle(space));
	assert_int_equal(mf_space_region_at(space, 0x1000000)->suspicions,
			 MF_SUSPECT_ELF_HEADER);
	assert_int_equal(mf_space_region_at(space, 0x2000000)->suspicions,
			 MF_SUSPECT_EXEC_WRITE | MF_SUSPECT_ANON_EXEC);
	assert_int_equal(mf_space_region_at(space, 0x3000000)->suspicions, 0);
	/* Three of one size are no crowd. */
	region = mf_space_region_at(space, 0x4000000);
	assert_int_equal(region->suspicions,
			 MF_SUSPECT_UNCLAIMED | MF_SUSPECT_ELF_HEADER);
	assert_true(region->suspicion_score > 0.8 &&
		    region->suspicion_score < 1);
	assert_int_equal(mf_space_region_at(space, 0x9000000)->suspicions, 0);
	assert_true(mf_space_region_at(space, 0x9000000)->suspicion_score == 0);
	mf_space_destroy(space);
	mf_target_close(target);
	free(bytes);
}

static void four_of_one_size_are_a_crowd(void **state)
{
	enum {
		MIB = 1 << 20
	};
	struct mf_target *target = mf_target_create_forged();
	struct mf_space *space;

	(void)state;
	for (unsigned i = 1; i < 5; i++)
		add_mapping(target, i * UINT64_C(0x10000000), 3 * MIB / PAGE,
			    RW, "");
	space = make_space(target);
	must(mf_space_settle(space));
	for (unsigned i = 1; i < 5; i++)
		assert_int_equal(
			mf_space_region_at(space, i * UINT64_C(0x10000000))
				->suspicions,
			MF_SUSPECT_EQUAL_SIZED);
	mf_space_destroy(space);
	mf_target_close(target);
}

static void words_are_all_there(void **state)
{
	enum mf_class class;

	(void)state;
	for (unsigned i = 0; i < MF_CLASS_COUNT; i++) {
		assert_true(mf_class_parse(mf_class_name((enum mf_class)i),
					   &class));
		assert_int_equal(class, i);
	}
	assert_false(mf_class_parse("nonsense", &class));
	assert_string_equal(mf_class_name(MF_CLASS_ARENA_RESERVE),
			    "arena-reserve");
	assert_string_equal(mf_certainty_name(MF_BY_STRUCTURE), "structure");
	for (unsigned bit = MF_SUSPECT_EXEC_WRITE; bit <= MF_SUSPECT_ANON_EXEC;
	     bit <<= 1)
		assert_true(*mf_suspicion_text(bit));
	assert_string_equal(mf_suspicion_text(0), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(surer_claim_wins),
		cmocka_unit_test(claims_cross_mappings_and_holes),
		cmocka_unit_test(absurd_claims_are_refused),
		cmocka_unit_test(equals_conflict_and_the_first_stands),
		cmocka_unit_test(names_give_way),
		cmocka_unit_test(random_claims_agree_with_a_model),
		cmocka_unit_test(many_mappings_and_claims),
		cmocka_unit_test(split_usage_adds_up),
		cmocka_unit_test(what_is_not_known_stays_so),
		cmocka_unit_test(split_usage_adds_up_when_pages_changed),
		cmocka_unit_test(most_of_the_address_space_is_absent),
		cmocka_unit_test(totals_are_sorted),
		cmocka_unit_test(suspicions_have_reasons),
		cmocka_unit_test(four_of_one_size_are_a_crowd),
		cmocka_unit_test(words_are_all_there),
	};

	return cmocka_run_group_tests_name("space claims", tests, NULL, NULL);
}
