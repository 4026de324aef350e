/*
 * The rules about what chunks are known to be: zlib streams, over each
 * threshold and below it.
 */
#include "facts_util.h"

static void forge_streams(struct forged *forged, uint64_t count,
			  uint64_t threads)
{
	forged->info.thread_count = threads;
	glibc_figures(forged)->in_use.bytes = MIB(200);
	forged->facts.pattern_count = 1;
	forged->facts.patterns[0] = (struct mf_size_pattern){
		.code = "zlib-inflate",
		.name = "zlib inflate streams",
		.origin = "zlib",
		.count = count,
		.bytes = count * (7168 + 32784),
		.part_count = 2,
		.parts = { { 7168, count, 1 }, { 32784, count, 1 } },
	};
}

static void names_streams(void **state)
{
	struct forged *forged = *state;
	const struct mf_finding *finding;

	forge_streams(forged, 4000, 20);
	finding = expect_finding(forged, "zlib-streams",
				 "4 000 zlib inflate streams, not ended, have "
				 "152.4 MiB: 76% of what is in use");
	assert_int_equal(finding->severity, MF_SEVERITY_WARNING);
	assert_int_equal(finding->bytes, 4000 * (7168 + 32784));
	assert_int_equal(evidence_of(finding, "streams"), 4000);
	assert_string_equal(evidence_text_of(finding, "chunks"),
			    "4000 of 7168 B, 4000 of 32784 B");
}

static void says_less_of_few(void **state)
{
	struct forged *forged = *state;

	forge_streams(forged, 300, 20);
	assert_int_equal(expect_finding(forged, "zlib-streams",
					"300 zlib inflate streams, not ended, "
					"have 11.4 MiB: 6% of what is in use")
				 ->severity,
			 MF_SEVERITY_INFO);
}

static void is_calm_about_streams_at_work(void **state)
{
	struct forged *forged = *state;

	forge_streams(forged, 4000, 1001);
	expect_finding(forged, "zlib-streams", NULL);
	forge_streams(forged, 4000, 1000);
	expect_finding(forged, "zlib-streams",
		       "4 000 zlib inflate streams, not ended, have "
		       "152.4 MiB: 76% of what is in use");
}

static void is_calm_about_few_bytes(void **state)
{
	struct forged *forged = *state;

	forge_streams(forged, 209, 1);
	expect_finding(forged, "zlib-streams", NULL);
	forge_streams(forged, 210, 1);
	expect_finding(forged, "zlib-streams",
		       "210 zlib inflate streams, not ended, have 8.0 MiB: "
		       "4% of what is in use");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FORGED_TEST(names_streams),
		FORGED_TEST(says_less_of_few),
		FORGED_TEST(is_calm_about_streams_at_work),
		FORGED_TEST(is_calm_about_few_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
