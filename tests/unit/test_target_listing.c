/*
 * Saved listings: what maps, smaps and every pmap print, and files that are
 * none of these.
 */
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "memforensics/target.h"

#include "unit.h"

/* Opens TEXT as a file of its own. */
static struct mf_error *open_text(const char *text, size_t size, unsigned index,
				  struct mf_target **ret)
{
	char path[] = "/tmp/mf-listing.XXXXXX";
	struct mf_error *error;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, size), size);
	close(fd);
	error = mf_target_open_listing(path, index, ret);
	unlink(path);
	return error;
}

static struct mf_target *open_good(const char *text, unsigned index)
{
	struct mf_target *target = NULL;
	struct mf_error *error = open_text(text, strlen(text), index, &target);

	if (error)
		print_error("%s: %s\n", error->what, error->why);
	assert_null(error);
	return target;
}

static void check_bad(const char *text, size_t size, const char *why)
{
	struct mf_target *target = NULL;
	struct mf_error *error = open_text(text, size, 0, &target);

	assert_non_null(error);
	assert_null(target);
	if (!strstr(error->why, why))
		print_error("%s, not %s\n", error->why, why);
	assert_non_null(strstr(error->why, why));
	mf_error_destroy(error);
}

static const struct mf_mapping *mapping(const struct mf_target *target,
					size_t index, size_t count)
{
	size_t found;
	const struct mf_mapping *mappings = mf_target_mappings(target, &found);

	assert_int_equal(found, count);
	assert_true(index < count);
	return &mappings[index];
}

static const char maps[] =
	"55d0a000-55d0c000 r-xp 00002000 fe:01 247498      /usr/bin/a b\n"
	"55d0e000-55d10000 rw-p 00000000 00:00 0           [heap]\n"
	"7f000000-7f001000 r--s 0000f000 08:10 7 /old file (deleted)\n"
	"7f001000-7f002000 ---p 00000000 00:00 0 \n"
	"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n";

static void test_maps(void **state)
{
	struct mf_target *target = open_good(maps, 0);
	const struct mf_mapping *at = mapping(target, 0, 5);

	(void)state;
	assert_true(at->start == 0x55d0a000 && at->end == 0x55d0c000);
	assert_int_equal(at->perms, MF_PERM_READ | MF_PERM_EXEC);
	assert_int_equal(at->offset, 0x2000);
	assert_int_equal(at->dev_major, 0xfe);
	assert_int_equal(at->dev_minor, 1);
	assert_int_equal(at->inode, 247498);
	assert_string_equal(at->path, "/usr/bin/a b");
	assert_false(at->usage_known);
	assert_string_equal(mapping(target, 1, 5)->path, "[heap]");
	at = mapping(target, 2, 5);
	assert_int_equal(at->perms, MF_PERM_READ | MF_PERM_SHARED);
	assert_string_equal(at->path, "/old file");
	assert_true(at->deleted);
	assert_string_equal(mapping(target, 3, 5)->path, "");
	assert_int_equal(mf_target_info(target)->kind, MF_TARGET_LISTING);
	assert_int_equal(mf_target_info(target)->abilities, MF_CAN_MAPPINGS);
	assert_string_equal(mf_target_info(target)->arch, "x86_64");
	mf_target_close(target);
}

static const char smaps[] =
	"7f000000-7f008000 rw-p 00000000 00:00 0 \n"
	"Size:                 32 kB\nKernelPageSize:        4 kB\n"
	"Rss:                  20 kB\nPss:                  10 kB\n"
	"Shared_Dirty:          4 kB\nPrivate_Dirty:        8 kB\n"
	"Anonymous:            16 kB\nLazyFree:             12 kB\n"
	"AnonHugePages:         0 kB\nSwap:                 24 kB\n"
	"SwapPss:              99 kB\nLocked:               28 kB\n"
	"THPeligible:           1\nProtectionKey:         0\n"
	"VmFlags: rd wr mr lo dd io hg \n"
	"7f008000-7f009000 r--p 00000000 00:00 0 [anon:x: y]\n"
	"Rss:                   0 kB\nVmFlags: rd\n";

static void test_smaps(void **state)
{
	struct mf_target *target = open_good(smaps, 0);
	const struct mf_mapping *at = mapping(target, 0, 2);
	const struct mf_usage *usage = &at->usage;

	(void)state;
	assert_true(at->usage_known);
	assert_int_equal(usage->rss, 20 << 10);
	assert_int_equal(usage->pss, 10 << 10);
	assert_int_equal(usage->dirty, 12 << 10);
	assert_int_equal(usage->anon, 16 << 10);
	assert_int_equal(usage->lazyfree, 12 << 10);
	assert_int_equal(usage->swap, 24 << 10);
	assert_int_equal(usage->locked, 28 << 10);
	assert_int_equal(usage->lacks, 0);
	assert_int_equal(mapping(target, 1, 2)->usage.lacks,
			 MF_FIGURES_ALL & ~MF_FIGURE_RSS);
	assert_int_equal(at->vm_flags, MF_VM_LOCKED | MF_VM_DONTDUMP |
					       MF_VM_IO | MF_VM_HUGEPAGE);
	assert_string_equal(mapping(target, 1, 2)->path, "[anon:x: y]");
	assert_true(mf_target_can(target, MF_CAN_USAGE));
	assert_int_equal(mf_target_info(target)->status.vm_rss, 20 << 10);
	mf_target_close(target);
}

static const char pmap_x[] =
	"3760:   bash -c x y\n"
	"Address           Kbytes     RSS   Dirty Mode  Mapping\n"
	"000055f251914000     188     180       0 r---- bash\n"
	"000055f251a22000      16      16      12 rw---   [ anon ]\n"
	"00007ffe340be000     132      12      12 rw---   [ stack ]\n"
	"00007ffe34200000       4       4       4 rw-s- a b\n"
	"---------------- ------- ------- ------- \n"
	"total kB             340     212      28\n";

static void test_pmap_x(void **state)
{
	struct mf_target *target = open_good(pmap_x, 0);
	const struct mf_mapping *at = mapping(target, 0, 4);

	(void)state;
	assert_true(at->end - at->start == 188 << 10);
	assert_int_equal(at->usage.rss, 180 << 10);
	assert_string_equal(at->path, "bash");
	at = mapping(target, 1, 4);
	assert_string_equal(at->path, "");
	assert_int_equal(at->perms, MF_PERM_READ | MF_PERM_WRITE);
	assert_int_equal(at->usage.dirty, 12 << 10);
	assert_string_equal(mapping(target, 2, 4)->path, "[stack]");
	at = mapping(target, 3, 4);
	assert_true(at->perms & MF_PERM_SHARED);
	assert_string_equal(at->path, "a b");
	assert_int_equal(mf_target_info(target)->pid, 3760);
	assert_string_equal(mf_target_info(target)->cmdline[0], "bash -c x y");
	mf_target_close(target);
}

/* An older one: other columns, and what is not known as a dash. */
static const char pmap_old[] =
	"12:   a\n"
	"Address           Kbytes     RSS    Anon  Locked Mode   Mapping\n"
	"0000000000400000       8       -       -       - r-x--  a\n"
	"0000000000601000       4       -       -       - rw---  a\n"
	"----------------  ------  ------  ------  ------\n"
	"total kB              12       -       -       -\n";

static void test_pmap_old(void **state)
{
	struct mf_target *target = open_good(pmap_old, 0);

	(void)state;
	assert_false(mapping(target, 0, 2)->usage_known);
	assert_false(mf_target_can(target, MF_CAN_USAGE));
	assert_int_equal(mapping(target, 1, 2)->perms,
			 MF_PERM_READ | MF_PERM_WRITE);
	mf_target_close(target);
}

static const char pmap_xx[] =
	"9:   a\n"
	"         Address Perm   Offset Device  Inode Size KernelPageSize Rss "
	"Anonymous THPeligible        VmFlags Mapping\n"
	"    55f251914000 rw-p 00000000  fe:00 247101  188             4 180 "
	"       16           0 rd wr mr dd ht a name\n"
	"    55f251a14000 rw-p 00000000  00:00      0    8             4   8 "
	"        8           0          rd wr \n"
	"                                             ==== ============== ==\n"
	"                                              196              8 8 KB\n";

static void test_pmap_xx(void **state)
{
	struct mf_target *target = open_good(pmap_xx, 0);
	const struct mf_mapping *at = mapping(target, 0, 2);

	(void)state;
	assert_int_equal(at->vm_flags, MF_VM_DONTDUMP | MF_VM_HUGETLB);
	assert_int_equal(at->usage.anon, 16 << 10);
	assert_int_equal(at->inode, 247101);
	assert_string_equal(at->path, "a name");
	assert_string_equal(mapping(target, 1, 2)->path, "");
	mf_target_close(target);
}

static const char pmap_plain[] = "3760:   bash\n"
				 "000055f251914000    188K r---- bash\n"
				 "00007ffe340be000    132K rw---   [ stack ]\n"
				 " total              320K\n";

static void test_pmap_plain(void **state)
{
	struct mf_target *target = open_good(pmap_plain, 0);

	(void)state;
	assert_true(mapping(target, 0, 2)->end == 0x55f251943000);
	assert_string_equal(mapping(target, 1, 2)->path, "[stack]");
	mf_target_close(target);
}

static void test_several(void **state)
{
	char text[sizeof(pmap_x) + sizeof(maps) + sizeof(pmap_plain) + 1];
	struct mf_target *target = NULL;
	struct mf_error *error;

	(void)state;
	snprintf(text, sizeof(text), "%s\n%s%s", pmap_x, maps, pmap_plain);
	target = open_good(text, 0);
	mapping(target, 0, 4);
	mf_target_close(target);
	target = open_good(text, 1);
	mapping(target, 0, 5);
	assert_int_equal(mf_target_info(target)->pid, 0);
	mf_target_close(target);
	target = open_good(text, 2);
	mapping(target, 0, 2);
	assert_int_equal(mf_target_info(target)->pid, 3760);
	mf_target_close(target);
	error = open_text(text, strlen(text), 3, &target);
	assert_non_null(error);
	assert_non_null(strstr(error->why, "3 listings"));
	mf_error_destroy(error);
	/* twice the same: addresses go back */
	snprintf(text, sizeof(text), "%.*s%.*s", 120, maps, 120, maps);
	target = open_good(text, 1);
	mf_target_close(target);
}

static void test_left_out(void **state)
{
	const struct mf_partial *partials;
	struct mf_target *target =
		open_good("1000-2000 rw-p 00000000 00:00 0\n    .....\n"
			  "9000-a000 rw-p 00000000 00:00 0\n",
			  0);
	size_t count;

	(void)state;
	mapping(target, 0, 2);
	partials = mf_target_partials(target, &count);
	assert_int_equal(count, 1);
	assert_string_equal(partials[0].what, "mappings");
	mf_target_close(target);
}

static void test_bad_files(void **state)
{
	static const char *const bad[][2] = {
		{ "", "line 1" },
		{ "hello\n", "line 1: is no mapping" },
		{ "2000-1000 rw-p 00000000 00:00 0\n", "line 1" },
		{ "1000-2000 rwzp 00000000 00:00 0\n", "line 1" },
		{ "1001-2000 rw-p 00000000 00:00 0\n", "whole pages" },
		{ "10000000000000000-20000000000000000 rw-p 0 0:0 0\n",
		  "line 1" },
		{ "1000-2000 rw-p 00000000 00:00 0\n"
		  "1800-3000 rw-p 00000000 00:00 0\n",
		  "line 2: overlaps" },
		{ "1000-2000 rw-p 00000000 00:00 0\nRss  4 kB\n",
		  "line 2: is no mapping" },
		{ "Address Kbytes RSS Mode Mapping\n"
		  "1000 99999999999999999999 0 rw--- a\n",
		  "line 2" },
		{ "Address Kbytes RSS Mode Mapping\n"
		  "ffffffffffffe000 16 0 rw--- a\n",
		  "line 2" },
		{ "Address Kbytes RSS Mode Mapping\n1000 0 0 rw--- a\n",
		  "line 2" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		check_bad(bad[i][0], strlen(bad[i][0]), bad[i][1]);
	check_bad("1000-2000 rw-p 0 0:0 0\n\0\n", 25, "line 2: is too long");
}

static void test_long_line(void **state)
{
	size_t size = 100000;
	char *text = malloc(size);

	(void)state;
	assert_non_null(text);
	memset(text, 'a', size);
	check_bad(text, size, "line 1: is too long");
	free(text);
}

static void test_no_file(void **state)
{
	struct mf_target *target = NULL;
	struct mf_error *error =
		mf_target_open_listing("/nonexistent", 0, &target);

	(void)state;
	assert_non_null(error);
	mf_error_destroy(error);
	error = mf_target_open_listing("/", 0, &target);
	assert_non_null(error);
	assert_string_equal(error->why, "it is a folder");
	mf_error_destroy(error);
}

static uint64_t rss_of(const struct mf_target *target)
{
	return mf_target_info(target)->status.vm_rss;
}

/* The sums that pmap itself printed under them. */
static void test_curve(void **state)
{
	struct mf_target *target = NULL;
	const struct mf_mapping *mappings;
	uint64_t size = 0, pss = 0;
	size_t count;

	(void)state;
	assert_null(mf_target_open_listing("fixtures/maps/curve-threads.pmap",
					   0, &target));
	mappings = mf_target_mappings(target, &count);
	assert_int_equal(count, 31);
	for (size_t i = 0; i < count; i++) {
		size += mappings[i].end - mappings[i].start;
		pss += mappings[i].usage.pss;
	}
	assert_int_equal(size, 153800 << 10);
	assert_int_equal(rss_of(target), 2224 << 10);
	assert_int_equal(pss, 943 << 10);
	mf_target_close(target);
	assert_null(mf_target_open_listing("fixtures/maps/curve-mds.pmap", 0,
					   &target));
	mf_target_partials(target, &count);
	assert_int_equal(count, 1);
	mappings = mf_target_mappings(target, &count);
	assert_true(mappings[0].start == UINT64_C(0xc000000000));
	mf_target_close(target);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_maps),
		cmocka_unit_test(test_smaps),
		cmocka_unit_test(test_pmap_x),
		cmocka_unit_test(test_pmap_old),
		cmocka_unit_test(test_pmap_xx),
		cmocka_unit_test(test_pmap_plain),
		cmocka_unit_test(test_several),
		cmocka_unit_test(test_left_out),
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_no_file),
		cmocka_unit_test(test_curve),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
