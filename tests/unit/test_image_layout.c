/*
 * Struct layouts: of the victim as its compiler laid it out, through every
 * form of DWARF at hand; of libc from its debug package; and names demangled.
 */
#include <time.h>

#include "image_util.h"

struct inner {
	short a;
	int b[5];
};

/* As in victim_source. */
struct outer {
	char first;
	union {
		long u;
		double d;
	};
	struct {
		int deep;
		const struct inner *pointer;
	} named;
	struct inner array[3][2];
	unsigned low : 3, high : 21;
	struct outer *next;
};

#define AT(field, path, bytes)                                           \
	{                                                                \
		.name = (path), .offset = offsetof(struct outer, field), \
		.size = (bytes)                                          \
	}
#define MEMBER(field, path)  AT(field, path, sizeof(((struct outer *)0)->field))
#define POINTER(field, path) AT(field, path, sizeof(void *))

static void expect_layout(struct victim *victim, const char *near)
{
	const struct mf_member truth[] = {
		MEMBER(first, "first"),
		MEMBER(u, "u"),
		MEMBER(d, "d"),
		MEMBER(named, "named"),
		MEMBER(named.deep, "named.deep"),
		POINTER(named.pointer, "named.pointer"),
		MEMBER(array, "array"),
		POINTER(next, "next"),
		{ .name = "absent", .offset = -1 },
		{ .name = "named.absent", .offset = -1 },
		{ .name = "first.absent", .offset = -1 },
		{ .name = "", .offset = -1 },
	};
	struct mf_member members[MF_ARRAY_SIZE(truth)];
	const struct mf_module *module = main_module(victim->image);
	uint64_t size;

	for (size_t i = 0; i < MF_ARRAY_SIZE(truth); i++)
		members[i] = (struct mf_member){ .name = truth[i].name };
	assert_true(mf_image_struct_layout(victim->image, module, near, "outer",
					   members, MF_ARRAY_SIZE(members),
					   &size));
	assert_int_equal(size, sizeof(struct outer));
	for (size_t i = 0; i < MF_ARRAY_SIZE(truth); i++) {
		assert_int_equal(members[i].offset, truth[i].offset);
		assert_int_equal(members[i].size, truth[i].size);
	}
}

/* NAME is declared on the line of the victim's source that has TEXT. */
static void expect_line(struct victim *victim, const char *name,
			const char *text)
{
	const char *end = strstr(victim_source, text);
	struct mf_line line = { NULL, 0 };
	unsigned wanted = 1;

	assert_non_null(end);
	for (const char *at = victim_source; at < end; at++)
		wanted += *at == '\n';
	assert_true(mf_image_line_at(victim->image, said_symbol(victim, name),
				     &line));
	assert_int_equal(line.line, wanted);
	assert_non_null(strstr(line.file, ".c"));
}

static void expect_all(const char *path)
{
	struct victim victim = start_victim(path, NULL);
	struct mf_member member = { .name = "first", .offset = 5 };
	struct mf_line line;
	uint64_t size;

	look_at(&victim, &(struct mf_image_options){ .no_debuginfo = true });
	expect_layout(&victim, "main");
	expect_layout(&victim, "hidden");
	expect_layout(&victim, "outer_variable");
	expect_layout(&victim, "hidden_variable");
	expect_line(&victim, "hidden", "{ return x * 3");
	expect_line(&victim, "outer_variable", "} outer_variable =");
	expect_line(&victim, "hidden_variable", "static struct outer hidden_");
	expect_line(&victim, "zeroes", "char zeroes[");
	assert_false(mf_image_line_at(
		victim.image, said_symbol(&victim, "zeroes") + 1, &line));
	assert_false(mf_image_line_at(victim.image, 0x1000, &line));
	assert_false(mf_image_struct_layout(victim.image,
					    main_module(victim.image), "main",
					    "absent", &member, 1, &size));
	assert_int_equal(member.offset, -1);
	assert_false(mf_image_struct_layout(victim.image,
					    main_module(victim.image), "nobody",
					    "outer", &member, 1, &size));
	end_victim(&victim);
}

static void test_forms(void **state)
{
	static const char *const forms[][2] = {
		{ "-gdwarf-5", NULL },
		{ "-gdwarf-4", NULL },
		{ "-gdwarf-3", "-gstrict-dwarf" },
		{ "-gdwarf-4", "-fdebug-types-section" },
		{ "-gz", NULL },
	};

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(forms); i++) {
		mf_auto_free char *path =
			build_victim("form", forms[i][0], forms[i][1]);

		assert_non_null(path);
		expect_all(path);
	}
}

/* Clang writes no table of address ranges. */
static void test_without_ranges(void **state)
{
	mf_auto_free char *path = build_victim("ranges", NULL, NULL);

	(void)state;
	assert_int_equal(
		RUN("objcopy", "--remove-section=.debug_aranges", path), 0);
	expect_all(path);
}

/* dwz moves what units share to units of their own. */
static void test_dwz(void **state)
{
	mf_auto_free char *path = NULL;

	(void)state;
	if (RUN("dwz", "--version") != 0) {
		print_message("no dwz here\n");
		skip();
	}
	path = build_victim("dwz", NULL, NULL);
	assert_int_equal(RUN("dwz", path), 0);
	expect_all(path);
}

static double cpu_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static void expect_nothing(struct victim *victim)
{
	struct mf_member member = { .name = "next" };
	const struct mf_module *libc;
	uint64_t size;

	mf_image_destroy(victim->image);
	assert_null(mf_image_create(
		victim->target,
		&(struct mf_image_options){ .no_debuginfo = true },
		&victim->image));
	libc = module_named(victim->image, "libc.so");
	assert_int_equal(
		address_of(victim, libc, "main_arena", MF_SYMBOLS_DEBUG), 0);
	assert_false(mf_image_struct_layout(victim->image, libc, "malloc",
					    "malloc_state", &member, 1, &size));
}

/* What malloc/malloc.c and nptl/descr.h have; false without debug symbols. */
static bool expect_libc(struct victim *victim)
{
	struct mf_member members[] = { { .name = "next" },
				       { .name = "system_mem" },
				       { .name = "top" } };
	struct mf_member tid = { .name = "tid" };
	const struct mf_module *libc = module_named(victim->image, "libc.so");
	double start = cpu_ms();
	uint64_t size, par;

	if (!address_of(victim, libc, "main_arena", MF_SYMBOLS_DEBUG))
		return false;
	par = address_of(victim, libc, "mp_", MF_SYMBOLS_DEBUG);
	assert_true(par > libc->start && par < libc->end);
	assert_true(mf_image_struct_layout(victim->image, libc, "main_arena",
					   "malloc_state", members, 3, &size));
	assert_true(size > 2048 && size < 4096);
	assert_true(members[0].offset > members[2].offset);
	assert_int_equal(members[1].size, 8);
	assert_true(mf_image_struct_layout(victim->image, libc,
					   "pthread_create", "pthread", &tid, 1,
					   &size));
	assert_int_equal(tid.size, 4);
	print_message("%.1f ms of CPU\n", cpu_ms() - start);
	return true;
}

static void test_libc(void **state)
{
	char *path = build_victim("libc", NULL, NULL);
	struct victim victim = start_victim(path, NULL);
	bool found;

	(void)state;
	free(path);
	look_at(&victim, &(struct mf_image_options){ 0 });
	found = expect_libc(&victim);
	if (found)
		expect_nothing(&victim);
	end_victim(&victim);
	if (!found) {
		print_message("no debug package of libc here\n");
		skip();
	}
}

static void expect_name(const char *mangled, const char *name)
{
	mf_auto_free char *text = mf_demangle(mangled);

	assert_string_equal(text, name);
}

static void test_demangle(void **state)
{
	(void)state;
	expect_name("malloc", "malloc");
	expect_name("", "");
	expect_name("_Z", "_Z");
	expect_name("_ZN3foo3barEi", "foo::bar(int)");
	expect_name("_ZNSt6vectorIiSaIiEE9push_backERKi",
		    "std::vector<int, std::allocator<int> >::push_back(int "
		    "const&)");
	expect_name("_ZN4core3fmt9Formatter3pad17h0123456789abcdefE",
		    "core::fmt::Formatter::pad");
	expect_name("_RNvCs1234_7mycrate3foo", "mycrate::foo");
	expect_name("_RNvXCs1", "_RNvXCs1");
}

/* A name of a few hundred letters that would be larger than memory. */
static void test_demangle_bombs(void **state)
{
	MF_AUTO_BUFFER(name);
	mf_auto_free char *text = NULL;
	mf_auto_free char *deep = NULL;

	(void)state;
	/* Each pair takes the last one twice. */
	mf_buffer_puts(&name, "_Z1fSt4pairIiiE");
	for (unsigned i = 0; i < 30; i++)
		mf_buffer_printf(
			&name, "S_IS%c_S%c_E",
			i ? (i < 10 ? '0' + (int)i : 'A' + (int)i - 10) : '0',
			i ? (i < 10 ? '0' + (int)i : 'A' + (int)i - 10) : '0');
	text = mf_demangle(name.text);
	assert_true(strlen(text) < 64 * 1024);
	mf_buffer_clear(&name);
	mf_buffer_puts(&name, "_Z1f");
	mf_buffer_pad(&name, 'P', 7000);
	mf_buffer_putc(&name, 'i');
	deep = mf_demangle(name.text);
	assert_true(strlen(deep) < 64 * 1024);
	mf_buffer_pad(&name, 'P', 100000);
	free(deep);
	deep = mf_demangle(name.text);
	assert_string_equal(deep, name.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_without_ranges),
		cmocka_unit_test(test_dwz),
		cmocka_unit_test(test_libc),
		cmocka_unit_test(test_demangle),
		cmocka_unit_test(test_demangle_bombs),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
