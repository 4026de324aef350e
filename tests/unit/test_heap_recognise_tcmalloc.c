/*
 * tcmalloc's page map, forged: spans that agree with it are claimed, stale and
 * lying elements are not, and without one it is only named.
 */
#include "recognise_util.h"

static const uint64_t at = UINT64_C(0x7f1240000000);
static const uint64_t far = UINT64_C(0x7f3000000000);

enum {
	TC_PAGE = 8192,
	TC_LEAF = 18,
	TC_ROOT = 17,
};

static void forge_span(struct forged_process *process, uint64_t leaf,
		       uint64_t span, uint64_t start, uint64_t pages)
{
	uint64_t page = start / TC_PAGE, mask = (1 << TC_LEAF) - 1;

	forge_u64(process, span, page);
	forge_u64(process, span + 8, pages);
	forge_u64(process, leaf + 8 * (page & mask), span);
	forge_u64(process, leaf + 8 * ((page + pages - 1) & mask), span);
}

static void by_its_page_map(void **state)
{
	struct forged_process *process = forge_process_with(
		"/lib/libtcmalloc.so.4", "tc_malloc", (8 << TC_ROOT) + 4096);
	const uint64_t leaf = at + (64 << 20);

	(void)state;
	forge_anon(process, at, 16 << 20);
	forge_anon(process, leaf, 8 << TC_LEAF);
	forge_anon(process, far, 1 << 16);
	forge_u64(process, forged_data + 8 + 8 * (at / TC_PAGE >> TC_LEAF),
		  leaf);
	for (uint64_t i = 0; i < 6; i++)
		forge_span(process, leaf, far + 48 * i, at + i * 4 * TC_PAGE,
			   4);
	forge_span(process, leaf, far + 480, at + 100 * TC_PAGE, 10);
	/* stale inside a span: passed over; and one that lies */
	forge_u64(process, leaf + 8 * ((at / TC_PAGE + 105) & 0x3ffff), far);
	forge_u64(process, leaf + 8 * ((at / TC_PAGE + 300) & 0x3ffff), 64);
	assert_int_equal(forge_recognise(process, &mf_tcmalloc_ops), 1);
	assert_claim(process, at, at + 24 * TC_PAGE, "tcmalloc spans");
	assert_claim(process, at + 100 * TC_PAGE, at + 110 * TC_PAGE,
		     "tcmalloc spans");
	assert_claim(process, leaf, leaf + (8 << TC_LEAF), "tcmalloc page map");
	assert_claim(process, far, far + 4096, "tcmalloc metadata");
	assert_int_equal(forged_parameter(process, "spans"), 7);
	assert_int_equal(forged_parameter(process, "page_size"), TC_PAGE);
	forge_end(process);
}

/* Guard pages at the start of blocks split mappings, not spans. */
static void with_protected_pages(void **state)
{
	struct forged_process *process = forge_process_with(
		"/lib/libtcmalloc.so.4", "tc_malloc", (8 << TC_ROOT) + 4096);
	const uint64_t leaf = at + (64 << 20);

	(void)state;
	forge_anon(process, leaf, 8 << TC_LEAF);
	forge_anon(process, far, 1 << 16);
	forge_u64(process, forged_data + 8 + 8 * (at / TC_PAGE >> TC_LEAF),
		  leaf);
	for (uint64_t i = 0; i < 6; i++) {
		uint64_t start = at + i * 4 * TC_PAGE;

		forge_memory(process, start, 4096, MF_PERM_READ, "");
		forge_anon(process, start + 4096, 4 * TC_PAGE - 4096);
		forge_span(process, leaf, far + 48 * i, start, 4);
	}
	assert_int_equal(forge_recognise(process, &mf_tcmalloc_ops), 1);
	assert_claim(process, at, at + 24 * TC_PAGE, "tcmalloc spans");
	assert_int_equal(forged_parameter(process, "spans"), 6);
	forge_end(process);
}

static void stripped_and_unused(void **state)
{
	struct forged_process *process =
		forge_process_with("/usr/bin/static", NULL, 1 << 20);

	(void)state;
	process->image.modules[0].section = "google_malloc";
	assert_int_equal(forge_recognise(process, &mf_tcmalloc_ops), 1);
	assert_non_null(
		strstr(process->heap.instances[0].info.why, "google_malloc"));
	assert_non_null(
		strstr(process->heap.instances[0].info.why, "not in use"));
	assert_int_equal(process->space.claim_count, 0);
	forge_end(process);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_its_page_map),
		cmocka_unit_test(with_protected_pages),
		cmocka_unit_test(stripped_and_unused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
