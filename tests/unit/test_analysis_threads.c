/*
 * Threads by name, equal stacks as one, and system calls as people read them,
 * of forged threads.
 */
#include <sys/syscall.h>

#include "analysis/threads.h"
#include "unit.h"

static struct mf_thread_facts *add(struct mf_thread_census *census,
				   const char *name)
{
	struct mf_thread_facts *facts = mf_vec_add(&census->threads);

	facts->thread.tid = (int)census->threads.count;
	facts->thread.state = 'S';
	snprintf(facts->thread.comm, sizeof(facts->thread.comm), "%s", name);
	return facts;
}

static struct mf_thread_census *make_census(void)
{
	return mf_new(struct mf_thread_census);
}

/* ---- names --------------------------------------------------------------------- */

static const struct mf_thread_group *
group_of(const struct mf_thread_census *census, size_t thread)
{
	return &census->groups.items[census->threads.items[thread].group];
}

static void test_numbers_do_not_count(void **state)
{
	struct mf_thread_census *census = make_census();

	(void)state;
	add(census, "worker-1");
	add(census, "main");
	add(census, "worker-20")->thread.state = 'R';
	add(census, "worker-3");
	mf_thread_census_group(census);
	assert_int_equal(census->groups.count, 2);
	assert_string_equal(group_of(census, 0)->name, "worker-<number>");
	assert_ptr_equal(group_of(census, 0), group_of(census, 2));
	assert_ptr_equal(group_of(census, 0), group_of(census, 3));
	assert_string_equal(group_of(census, 1)->name, "main");
	assert_int_equal(group_of(census, 0)->count, 3);
	assert_string_equal(group_of(census, 0)->states,
			    "2 sleeping, 1 running");
	/* the largest first */
	assert_ptr_equal(group_of(census, 0), census->groups.items);
	mf_thread_census_destroy(census);
}

static void test_a_number_that_all_have_stays(void **state)
{
	struct mf_thread_census *census = make_census();

	(void)state;
	add(census, "http-8080-1");
	add(census, "http-8080-2");
	add(census, "C2 Compiler");
	add(census, "C2 Compiler");
	add(census, "7");
	mf_thread_census_group(census);
	assert_int_equal(census->groups.count, 3);
	assert_string_equal(group_of(census, 0)->name, "http-8080-<number>");
	assert_string_equal(group_of(census, 2)->name, "C2 Compiler");
	assert_string_equal(group_of(census, 4)->name, "7");
	mf_thread_census_destroy(census);
}

/* As long as a name can be, of nothing but numbers, empty, and with the byte
 * that stands for a number. */
static void test_odd_names(void **state)
{
	struct mf_thread_census *census = make_census();

	(void)state;
	add(census, "123456789012345");
	add(census, "1a2b3c4d5e6f7g8");
	add(census, "");
	add(census, "\1\1\1");
	add(census, "\0017\1");
	mf_thread_census_group(census);
	assert_string_equal(group_of(census, 0)->name, "123456789012345");
	assert_string_equal(group_of(census, 1)->name, "1a2b3c4d5e6f7g8");
	assert_string_equal(group_of(census, 2)->name, "");
	mf_thread_census_destroy(census);
}

static void test_sums_and_arenas(void **state)
{
	static const unsigned arenas[] = { 3, 0, 1, 1, 7 };
	struct mf_thread_census *census = make_census();
	const struct mf_thread_group *group;

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(arenas); i++) {
		struct mf_thread_facts *facts = add(census, "w");

		facts->allocator = "glibc";
		facts->arena = arenas[i];
		facts->thread.cpu_ms = 10;
		facts->tcache = (struct mf_amount){ 2, 64 };
		facts->has_stack = i != 4;
		facts->stack.end = 0x10000;
		facts->stack.usage.rss = 0x2000;
	}
	census->threads.items[0].thread.cpu_unknown = true;
	mf_thread_census_group(census);
	group = group_of(census, 0);
	assert_string_equal(group->arenas, "0-1, 3, 7");
	assert_int_equal(group->arena_count, 4);
	assert_int_equal(group->cpu_ms, 40);
	assert_true(group->cpu_known);
	assert_int_equal(group->stacks, 4);
	assert_int_equal(group->stack_size, 0x40000);
	assert_int_equal(group->stack_rss, 0x8000);
	assert_int_equal(group->tcache.bytes, 320);
	mf_thread_census_destroy(census);
}

/* ---- equal stacks ---------------------------------------------------------------- */

static void set_frames(struct mf_thread_facts *facts,
		       const struct mf_frame *frames, size_t count)
{
	facts->unwound = true;
	facts->frames = (struct mf_stack){
		.tid = facts->thread.tid,
		.frames = frames,
		.frame_count = count,
	};
}

static void test_equal_functions_fold(void **state)
{
	static const struct mf_frame waits[] = {
		{ .pc = 0x1000, .symbol = "wait", .offset = 3 },
		{ .pc = 0x2000, .symbol = "main", .offset = 8 },
	};
	static const struct mf_frame waits_elsewhere[] = {
		{ .pc = 0x1009, .symbol = "wait", .offset = 12 },
		{ .pc = 0x2009, .symbol = "main", .offset = 17 },
	};
	static const struct mf_frame reads[] = {
		{ .pc = 0x1800, .symbol = "read" },
		{ .pc = 0x2000, .symbol = "main" },
	};
	struct mf_thread_census *census = make_census();

	(void)state;
	set_frames(add(census, "a"), reads, 2);
	set_frames(add(census, "b"), waits, 2);
	set_frames(add(census, "c"), waits_elsewhere, 2);
	set_frames(add(census, "d"), waits, 1);
	add(census, "e");
	census->threads.items[0].thread.cpu_ms = 5;
	mf_thread_census_fold(census);
	assert_int_equal(census->folds.count, 3);
	assert_int_equal(census->folds.items[0].count, 2);
	assert_int_equal(census->folds.items[0].threads[0], 1);
	assert_int_equal(census->folds.items[0].threads[1], 2);
	assert_ptr_equal(census->folds.items[0].frames, waits);
	/* of those with as many threads, that with more time first */
	assert_int_equal(census->folds.items[1].threads[0], 0);
	assert_int_equal(census->threads.items[3].fold, 2);
	mf_thread_census_destroy(census);
}

static void test_without_names_addresses_count(void **state)
{
	static const struct mf_frame here[] = { { .pc = 0x1000 } };
	static const struct mf_frame there[] = { { .pc = 0x1001 } };
	static const struct mf_frame named[] = { { .pc = 0x1000,
						   .symbol = "f" } };
	static const struct mf_frame handled[] = {
		{ .pc = 0x1000, .symbol = "f", .signal = true },
	};
	static const struct mf_module module = { .name = "m" };
	static const struct mf_frame other[] = {
		{ .pc = 0x1000, .symbol = "f", .module = &module },
	};
	struct mf_thread_census *census = make_census();

	(void)state;
	set_frames(add(census, "a"), here, 1);
	set_frames(add(census, "b"), there, 1);
	set_frames(add(census, "c"), here, 1);
	set_frames(add(census, "d"), named, 1);
	set_frames(add(census, "e"), handled, 1);
	set_frames(add(census, "f"), other, 1);
	set_frames(add(census, "g"), NULL, 0);
	mf_thread_census_fold(census);
	assert_int_equal(census->folds.count, 6);
	assert_int_equal(census->folds.items[0].count, 2);
	mf_thread_census_destroy(census);
}

static void name_is(const char *symbol, const char *name)
{
	const struct mf_frame frame = { .pc = 0x1234, .symbol = symbol };
	MF_AUTO_BUFFER(text);

	mf_thread_name_frame(&frame, &text);
	assert_string_equal(mf_buffer_text(&text), name);
}

static void test_names_of_functions(void **state)
{
	(void)state;
	name_is("main", "main");
	name_is("ns::Pool::run(int, char const*)", "ns::Pool::run");
	name_is("ns::Pool::run() const", "ns::Pool::run");
	name_is("f(int (*)(char))", "f");
	name_is("f(A*, B) [clone .constprop.0]", "f");
	name_is("std::vector<int, A<B> >::push_back<int>(int&&)",
		"std::vector<int, A<B> >::push_back");
	name_is("ns::Less::operator()(int, int) const", "ns::Less::operator()");
	name_is("S::operator<(S const&)", "S::operator<");
	name_is("core::ops::function::FnOnce::call_once",
		"core::ops::function::FnOnce::call_once");
	name_is("run(", "run(");
	name_is(")", ")");
	name_is("(x)", "(x)");
	name_is("", "");
	name_is(NULL, "0x1234");
}

static void test_names_without_symbols(void **state)
{
	static const struct mf_module module = { .name = "libx.so",
						 .bias = 0x1000 };
	const struct mf_frame frame = { .pc = 0x1234, .module = &module };
	MF_AUTO_BUFFER(text);

	(void)state;
	mf_thread_name_frame(&frame, &text);
	assert_string_equal(mf_buffer_text(&text), "libx.so+0x234");
}

/* ---- calls ----------------------------------------------------------------------- */

static void call_is(int64_t number, const uint64_t *arguments,
		    const char *wanted)
{
	struct mf_thread thread = {
		.in_syscall = true,
		.syscall = number,
		.arguments_known = true,
	};
	MF_AUTO_BUFFER(text);

	memcpy(thread.arguments, arguments, sizeof(thread.arguments));
	mf_thread_describe_call(&thread, &text);
	assert_string_equal(mf_buffer_text(&text), wanted);
}

static void test_calls(void **state)
{
	const uint64_t few[] = { 5, 2, 3, 4, 5, 6 };
	const uint64_t futex[] = { 0x7f00, 0x189, 0, 0, 0, 0 };
	const uint64_t odd[] = { 0x7f00, 0x77, 0, 0, 0, 0 };
	const uint64_t any[] = { (uint32_t)-1, 0, 0, 0, 0, 0 };

	(void)state;
	call_is(SYS_read, few, "read(fd 5)");
	call_is(SYS_epoll_pwait, few, "epoll_pwait(fd 5)");
	call_is(SYS_ppoll, few, "ppoll(2 fds)");
	call_is(SYS_futex, futex, "futex(0x7f00, wait_bitset)");
	call_is(SYS_futex, odd, "futex(0x7f00, 0x77)");
	call_is(SYS_wait4, any, "wait4(pid -1)");
	call_is(SYS_munmap, (const uint64_t[6]){ 0x1000, 8192 },
		"munmap(0x1000, 8.0 KiB)");
	call_is(SYS_getpid, few, "getpid");
	call_is(99999, few, "system call 99999");
}

static void test_no_call(void **state)
{
	const struct mf_thread thread = { .syscall = -1 };
	MF_AUTO_BUFFER(text);

	(void)state;
	mf_thread_describe_call(&thread, &text);
	assert_int_equal(text.size, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers_do_not_count),
		cmocka_unit_test(test_a_number_that_all_have_stays),
		cmocka_unit_test(test_odd_names),
		cmocka_unit_test(test_sums_and_arenas),
		cmocka_unit_test(test_equal_functions_fold),
		cmocka_unit_test(test_without_names_addresses_count),
		cmocka_unit_test(test_names_of_functions),
		cmocka_unit_test(test_names_without_symbols),
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_no_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
