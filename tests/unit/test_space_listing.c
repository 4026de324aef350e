/*
 * Saved listings: the two of the Curve case, where everything is by shape.
 */
#include "space_util.h"

static struct mf_target *open_listing(const char *path)
{
	struct mf_target *target = NULL;

	must(mf_target_open_listing(path, 0, &target));
	return target;
}

/* A metadata server: glibc arenas beside a Go runtime's, lines left out. */
static const char mds[] =
	"c000000000-c004000000 go-heap Go-shaped\n"
	"559f0e2b9000-559f0eb9f000 text curve-mds\n"
	"559f0eb9f000-559f0ebc1000 rodata curve-mds\n"
	"559f0ebc1000-559f0ebc2000 data curve-mds\n"
	"559f0ebc2000-559f0f590000 bss curve-mds\n"
	"559f1110a000-559f113e2000 heap brk heap\n"
	"7f6124000000-7f6124027000 arena arena-shaped\n"
	"7f6124027000-7f6128000000 arena-reserve arena-shaped\n"
	"7f612b7ff000-7f612b800000 guard guard-shaped\n"
	"7f612b800000-7f612c000000 thread-stack stack-shaped\n"
	"7f612c000000-7f612c021000 arena arena-shaped\n"
	"7f612c021000-7f6130000000 arena-reserve arena-shaped\n"
	"7f6188cff000-7f6188efe000 elf-gap\n"
	"7f61895b7000-7f61895cf000 text libpthread-2.24.so\n"
	"7f61895cf000-7f61897ce000 elf-gap libpthread-2.24.so\n"
	"7f61897ce000-7f61897cf000 rodata libpthread-2.24.so\n"
	"7f61897cf000-7f61897d0000 data libpthread-2.24.so\n"
	"7f61897d0000-7f61897d4000 bss libpthread-2.24.so\n"
	"7f61897d4000-7f61897d8000 text libuuid.so.1.3.0\n"
	"7f61897d8000-7f61899d7000 elf-gap libuuid.so.1.3.0\n"
	"7f61899d7000-7f61899d8000 rodata libuuid.so.1.3.0\n"
	"7f61899d8000-7f61899d9000 data libuuid.so.1.3.0\n"
	"7f61899d9000-7f618a34b000 text libetcdclient.so\n"
	"7f618a34b000-7f618a54b000 elf-gap libetcdclient.so\n"
	"7f618a54b000-7f618abb2000 rodata libetcdclient.so\n"
	"7f618abb2000-7f618abfb000 data libetcdclient.so\n"
	"7f618abfb000-7f618ac1e000 bss libetcdclient.so\n"
	"7f618ac1e000-7f618ac41000 text ld-2.24.so\n"
	"7f618ac4a000-7f618ae35000 anon\n"
	"7f618ae41000-7f618ae42000 rodata ld-2.24.so\n"
	"7f618ae42000-7f618ae43000 data ld-2.24.so\n"
	"7f618ae43000-7f618ae44000 bss ld-2.24.so\n"
	"7fffffd19000-7fffffd3a000 stack main stack\n"
	"7fffffdec000-7fffffdee000 vvar [vvar]\n"
	"7fffffdee000-7fffffdf0000 vdso vdso\n"
	"ffffffffff600000-ffffffffff601000 vsyscall vsyscall\n";

/* Two threads, 100 blocks of 4 KiB each. */
static const char threads[] =
	"56127705a000-56127705b000 text memory_test\n"
	"56127725a000-56127725b000 rodata memory_test\n"
	"56127725b000-56127725c000 data memory_test\n"
	"5612784b9000-5612784da000 heap brk heap\n"
	"7f0df0000000-7f0df0065000 arena arena-shaped\n"
	"7f0df0065000-7f0df4000000 arena-reserve arena-shaped\n"
	"7f0df8000000-7f0df8065000 arena arena-shaped\n"
	"7f0df8065000-7f0dfc000000 arena-reserve arena-shaped\n"
	"7f0dff467000-7f0dff468000 guard guard-shaped\n"
	"7f0dff468000-7f0dffc68000 thread-stack stack-shaped\n"
	"7f0dffc68000-7f0dffc69000 guard guard-shaped\n"
	"7f0dffc69000-7f0e00469000 thread-stack stack-shaped\n"
	"7f0e00469000-7f0e005fe000 text libc-2.24.so\n"
	"7f0e005fe000-7f0e007fe000 elf-gap libc-2.24.so\n"
	"7f0e007fe000-7f0e00802000 rodata libc-2.24.so\n"
	"7f0e00802000-7f0e00804000 data libc-2.24.so\n"
	"7f0e00804000-7f0e00808000 bss libc-2.24.so\n"
	"7f0e00808000-7f0e00820000 text libpthread-2.24.so\n"
	"7f0e00820000-7f0e00a1f000 elf-gap libpthread-2.24.so\n"
	"7f0e00a1f000-7f0e00a20000 rodata libpthread-2.24.so\n"
	"7f0e00a20000-7f0e00a21000 data libpthread-2.24.so\n"
	"7f0e00a21000-7f0e00a25000 bss libpthread-2.24.so\n"
	"7f0e00a25000-7f0e00a48000 text ld-2.24.so\n"
	"7f0e00c31000-7f0e00c35000 anon\n"
	"7f0e00c48000-7f0e00c49000 rodata ld-2.24.so\n"
	"7f0e00c49000-7f0e00c4a000 data ld-2.24.so\n"
	"7f0e00c4a000-7f0e00c4b000 bss ld-2.24.so\n"
	"7ffe340be000-7ffe340df000 stack main stack\n"
	"7ffe3415c000-7ffe3415e000 vvar [vvar]\n"
	"7ffe3415e000-7ffe34160000 vdso vdso\n"
	"ffffffffff600000-ffffffffff601000 vsyscall vsyscall\n";

static void assert_listing(const char *path, const char *expected)
{
	struct mf_target *target = open_listing(path);
	struct mf_space *space = make_space(target);

	assert_drawn(space, expected);
	must(mf_space_settle(space));
	assert_drawn(space, expected);
	mf_space_destroy(space);
	mf_target_close(target);
}

static void curve_mds(void **state)
{
	(void)state;
	assert_listing("fixtures/maps/curve-mds.pmap", mds);
}

static void curve_threads(void **state)
{
	(void)state;
	assert_listing("fixtures/maps/curve-threads.pmap", threads);
}

/* The figures are those of the listing's own last line. */
static void sums_are_the_listings_own(void **state)
{
	struct mf_target *target =
		open_listing("fixtures/maps/curve-threads.pmap");
	struct mf_space *space = make_space(target);
	struct mf_stack_census census;
	const struct mf_class_total *totals;
	uint64_t size = 0;
	size_t count;

	(void)state;
	must(mf_space_settle(space));
	totals = mf_space_totals(space, &count);
	for (size_t i = 0; i < count; i++) {
		size += totals[i].size;
		if (totals[i].class == MF_CLASS_ARENA) {
			assert_int_equal(totals[i].regions, 2);
			assert_int_equal(totals[i].usage.rss, 808 << 10);
		}
	}
	assert_int_equal(size, 153800 << 10);
	assert_int_equal(mf_space_rss(space), 2224 << 10);
	assert_int_equal(mf_space_rss_explained(space), (2224 - 16) << 10);
	mf_space_stack_census(space, &census);
	assert_int_equal(census.live, 2);
	assert_int_equal(census.live_rss, 16 << 10);
	assert_int_equal(census.cached, 0);
	mf_space_destroy(space);
	mf_target_close(target);
}

/* What no name says is marked as a guess. */
static void shapes_are_marked(void **state)
{
	struct mf_target *target = open_listing("fixtures/maps/curve-mds.pmap");
	struct mf_space *space = make_space(target);
	const struct mf_region *regions;
	size_t count;

	(void)state;
	regions = mf_space_regions(space, &count);
	for (size_t i = 0; i < count; i++) {
		if (regions[i].mapping->path[0] == '[')
			assert_int_equal(regions[i].certainty, MF_BY_NAME);
		else if (regions[i].class == MF_CLASS_ANON)
			assert_int_equal(regions[i].certainty, 0);
		else
			assert_int_equal(regions[i].certainty, MF_BY_SHAPE);
	}
	mf_space_destroy(space);
	mf_target_close(target);
}

/* 64 MiB-aligned alone is no arena, 8 MiB alone no stack. */
static void half_a_shape_is_none(void **state)
{
	enum {
		MIB = 1 << 20
	};
	struct mf_target *target = mf_target_create_forged();
	struct mf_space *space;

	(void)state;
	add_mapping(target, UINT64_C(0x7f0000000000), 64 * MIB / PAGE, RW, "");
	add_mapping(target, UINT64_C(0x7f1000000000), 33, RW, "");
	add_mapping(target, UINT64_C(0x7f1000021000), 16, NONE, "");
	add_mapping(target, UINT64_C(0x7f2000000000), 8 * MIB / PAGE, RW, "");
	add_mapping(target, UINT64_C(0x7f3000000000), 1, NONE, "");
	add_mapping(target, UINT64_C(0x7f3000001000), 33, RW, "");
	space = make_space(target);
	assert_drawn(space, "7f0000000000-7f0004000000 anon\n"
			    "7f1000000000-7f1000021000 anon\n"
			    "7f1000021000-7f1000031000 reserve\n"
			    "7f2000000000-7f2000800000 anon\n"
			    "7f3000000000-7f3000001000 reserve\n"
			    "7f3000001000-7f3000022000 anon\n");
	mf_space_destroy(space);
	mf_target_close(target);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(curve_mds),
		cmocka_unit_test(curve_threads),
		cmocka_unit_test(sums_are_the_listings_own),
		cmocka_unit_test(shapes_are_marked),
		cmocka_unit_test(half_a_shape_is_none),
	};

	return cmocka_run_group_tests_name("space listing", tests, NULL, NULL);
}
