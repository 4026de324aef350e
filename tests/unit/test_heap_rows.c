/*
 * What people read of thread caches: which of them are damaged.
 */
#include "base/vec.h"
#include "heap/heap_rows.h"
#include "report_util.h"

/* The line of a cache of thread 77; so many bytes of its heap were not read. */
static void expect_state(enum mf_consistency consistency, uint64_t unread,
			 bool valid, const char *expected)
{
	struct mf_arena arena = { .main = true, .consistency = consistency };
	const struct mf_thread_cache cache = {
		.tid = 77,
		.arena = &arena,
		.valid = valid,
		.amount = { 3, 288 },
	};
	const struct mf_allocator glibc = {
		.name = "glibc",
		.consistency = consistency,
		.figures.unread = unread,
		.arenas = &arena,
		.arena_count = 1,
		.tcaches = &cache,
		.tcache_count = 1,
	};
	const struct mf_heap_rows rows = { .detail = MF_HEAP_VERBOSE };
	struct output output = { 0 };
	struct mf_heap_writer writer = {
		.report = output_open(&output, (struct mf_report_options){ 0 }),
		.rows = &rows,
		.allocator = &glibc,
	};
	const char *line;

	mf_vec_push(&writer.worst, &arena);
	mf_heap_write_detail(&writer);
	mf_vec_deinit(&writer.worst);
	assert_null(mf_report_end(output.report));
	mf_report_destroy(output.report);
	fclose(output.stream);
	line = strstr(output.text, "\n      77");
	assert_non_null(line);
	line = strstr(line, "288 B");
	assert_non_null(line);
	line += strlen("288 B");
	line += strspn(line, " ");
	assert_int_equal(strcspn(line, "\n"), strlen(expected));
	assert_memory_equal(line, expected, strlen(expected));
	free(output.text);
}

static void only_a_damaged_cache_is_called_so(void **state)
{
	(void)state;
	expect_state(MF_EXACT, 0, true, "");
	expect_state(MF_EXACT, 0, false, "damaged");
	expect_state(MF_EXACT, 4096, false, "not proved");
	expect_state(MF_DAMAGED, 4096, false, "damaged");
	expect_state(MF_RACY, 0, false, "not proved");
	expect_state(MF_IN_FLIGHT, 0, false, "not proved");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_a_damaged_cache_is_called_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
