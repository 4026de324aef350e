/*
 * Residency and reads of a live process, compared with what the process knows
 * of its own pages; and that looking changes nothing in it.
 */
#include <fcntl.h>

#include "target/live.h"
#include "target_util.h"

enum {
	PAGES = 64,
};

/* Page I: I % 4 == 0 written, 1 read only (zero page), 2 and 3 untouched. */
static void *make_pattern(void)
{
	char *at =
		mmap(NULL, (size_t)PAGES * CHILD_PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	madvise(at, (size_t)PAGES * CHILD_PAGE, MADV_NOHUGEPAGE);
	for (int i = 0; i < PAGES; i++) {
		if (i % 4 == 0)
			memset(at + (size_t)i * CHILD_PAGE, i + 1, CHILD_PAGE);
		else if (i % 4 == 1)
			(void)*(volatile char *)(at + (size_t)i * CHILD_PAGE);
	}
	return at;
}

static uint8_t expected_flags(int i)
{
	return i % 4 == 0 ? MF_PAGE_PRESENT : i % 4 == 1 ? MF_PAGE_ZERO : 0;
}

static void check_pattern(struct mf_target *target, uint64_t address,
			  bool zero_known)
{
	uint8_t flags[PAGES], *bytes = malloc((size_t)PAGES * CHILD_PAGE);
	struct mf_page_counts counts;

	assert_non_null(bytes);
	fail_on(mf_target_read_pages(target, address, PAGES, bytes, flags));
	for (int i = 0; i < PAGES; i++) {
		if (zero_known || i % 4 != 1)
			assert_int_equal(flags[i], expected_flags(i));
		for (int k = 0; k < CHILD_PAGE; k++)
			assert_int_equal(bytes[i * CHILD_PAGE + k],
					 i % 4 ? 0 : i + 1);
	}
	fail_on(mf_target_count_pages(target, address,
				      address + (uint64_t)PAGES * CHILD_PAGE,
				      &counts));
	if (zero_known) {
		assert_int_equal(counts.present, PAGES / 4);
		assert_int_equal(counts.zero, PAGES / 4);
	}
	assert_int_equal(counts.swapped, 0);
	free(bytes);
}

static void test_pattern(void **state)
{
	struct child child;
	struct mf_target *target;

	(void)state;
	start_child(&child, make_pattern);
	target = open_child(&child, MF_STOP_NONE, 0);
	check_pattern(target, child.address, true);
	/* and by the pagemap alone */
	mf_live_of(target)->no_scan = true;
	mf_target_forget(target);
	check_pattern(target, child.address, geteuid() == 0);
	/* and by /proc/PID/mem */
	mf_live_of(target)->no_vm_readv = true;
	check_pattern(target, child.address, geteuid() == 0);
	mf_target_close(target);
	end_child(&child);
}

/* Both ways to know give the same for every page of a whole process. */
static void test_ways_agree(void **state)
{
	struct child child;
	struct mf_target *target;
	const struct mf_mapping *mappings;
	size_t count;

	(void)state;
	if (geteuid() != 0)
		skip(); /* the zero page cannot be told by the pagemap then */
	start_child(&child, make_pattern);
	target = open_child(&child, MF_STOP_NONE, 0);
	mappings = mf_target_mappings(target, &count);
	for (size_t i = 0; i < count; i++) {
		size_t pages =
			(mappings[i].end - mappings[i].start) / CHILD_PAGE;
		uint8_t *scan, *map;

		if (pages > CHILD_LARGE / CHILD_PAGE)
			continue;
		scan = malloc(pages);
		map = malloc(pages);
		assert_true(scan && map);
		mf_live_of(target)->no_scan = false;
		fail_on(mf_target_residency(target, mappings[i].start, pages,
					    scan));
		mf_live_of(target)->no_scan = true;
		fail_on(mf_target_residency(target, mappings[i].start, pages,
					    map));
		for (size_t k = 0; k < pages; k++)
			assert_int_equal(scan[k] & ~MF_PAGE_HUGE, map[k]);
		free(scan);
		free(map);
	}
	mf_target_close(target);
	end_child(&child);
}

/* Counted page by page it is what smaps says, mapping by mapping. */
static void test_counts_are_smaps(void **state)
{
	struct child child;
	struct mf_target *target;
	const struct mf_mapping *mappings;
	struct mf_page_counts counts;
	size_t count;

	(void)state;
	start_child(&child, make_pattern);
	target = open_child(&child, MF_STOP_NONE, 0);
	mappings = mf_target_mappings(target, &count);
	assert_true(count > 5);
	for (size_t i = 0; i < count; i++) {
		if (mappings[i].vm_flags & (MF_VM_IO | MF_VM_PFNMAP) ||
		    mappings[i].start >> 63)
			continue;
		fail_on(mf_target_count_pages(target, mappings[i].start,
					      mappings[i].end, &counts));
		assert_int_equal(counts.present * CHILD_PAGE,
				 mappings[i].usage.rss);
	}
	mf_target_close(target);
	end_child(&child);
}

/* Reads every byte that can be read, and looks at what that did. */
static void test_reading_changes_nothing(void **state)
{
	static uint8_t window[256 * CHILD_PAGE];
	struct child child;
	struct mf_target *target;
	const struct mf_mapping *mappings;
	unsigned long long rss, minor, major;
	struct mf_impact impact;
	size_t count;

	(void)state;
	start_child(&child, make_pattern);
	rss = stat_field(child.pid, 24);
	minor = stat_field(child.pid, 10);
	major = stat_field(child.pid, 12);
	target = open_child(&child, MF_STOP_NONE, 0);
	mappings = mf_target_mappings(target, &count);
	for (size_t i = 0; i < count; i++)
		for (uint64_t at = mappings[i].start;
		     at < mappings[i].end &&
		     mappings[i].end - mappings[i].start <= CHILD_LARGE;
		     at += sizeof(window))
			fail_on(mf_target_read_pages(
				target, at,
				MF_MIN(sizeof(window), mappings[i].end - at) /
					CHILD_PAGE,
				window, NULL));
	mf_target_get_impact(target, &impact);
	assert_int_equal(impact.pages_faulted_in, 0);
	assert_true(impact.bytes_read > 0);
	assert_int_equal(stat_field(child.pid, 24), rss);
	assert_int_equal(stat_field(child.pid, 10), minor);
	assert_int_equal(stat_field(child.pid, 12), major);
	mf_target_close(target);
	end_child(&child);
}

static void *map_own_file(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);

	/* never touched: not a page of it is in this process */
	return mmap(NULL, 8 * CHILD_PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
}

static void test_absent_file_pages(void **state)
{
	struct child child;
	struct mf_target *target;
	uint8_t bytes[2 * CHILD_PAGE], flags[2], file[2 * CHILD_PAGE];
	struct mf_page_counts counts;
	int fd = open("/proc/self/exe", O_RDONLY);

	(void)state;
	assert_int_equal(read(fd, file, sizeof(file)), sizeof(file));
	close(fd);
	start_child(&child, map_own_file);
	target = open_child(&child, MF_STOP_NONE, 0);
	fail_on(mf_target_read_pages(target, child.address, 2, bytes, flags));
	assert_int_equal(flags[0], 0);
	assert_memory_equal(bytes, file, sizeof(file));
	fail_on(mf_target_count_pages(target, child.address,
				      child.address + 8 * CHILD_PAGE, &counts));
	assert_int_equal(counts.present, 0);
	mf_target_close(target);
	end_child(&child);
}

static void *make_protected(void)
{
	char *at = make_pattern();

	mprotect(at, (size_t)PAGES * CHILD_PAGE, PROT_NONE);
	return at;
}

/* What the process itself may not read is read all the same. */
static void test_protected(void **state)
{
	struct child child;
	struct mf_target *target;

	(void)state;
	start_child(&child, make_protected);
	target = open_child(&child, MF_STOP_NONE, 0);
	check_pattern(target, child.address, true);
	mf_target_close(target);
	end_child(&child);
}

static void *make_file(void)
{
	int fd = memfd_create("short", 0);

	if (ftruncate(fd, CHILD_PAGE + 100) != 0)
		return NULL;
	return mmap(NULL, 4 * CHILD_PAGE, PROT_READ, MAP_SHARED, fd, 0);
}

static void test_behind_end_of_file(void **state)
{
	struct child child;
	struct mf_target *target;
	uint8_t bytes[4 * CHILD_PAGE], flags[4];

	(void)state;
	if (geteuid() != 0)
		skip(); /* map_files wants privilege */
	start_child(&child, make_file);
	target = open_child(&child, MF_STOP_NONE, 0);
	fail_on(mf_target_read_pages(target, child.address, 4, bytes, flags));
	assert_int_equal(flags[0], 0);
	assert_int_equal(flags[1], 0);
	assert_int_equal(flags[2], MF_PAGE_UNREADABLE);
	assert_int_equal(flags[3], MF_PAGE_UNREADABLE);
	mf_target_close(target);
	end_child(&child);
}

static void test_small_reads(void **state)
{
	struct child child;
	struct mf_target *target;
	uint8_t bytes[16];
	uint64_t value;

	(void)state;
	start_child(&child, make_pattern);
	target = open_child(&child, MF_STOP_NONE, 0);
	/* over the end of a page into a zero page */
	fail_on(mf_target_read(target, child.address + CHILD_PAGE - 8, bytes,
			       sizeof(bytes)));
	assert_int_equal(bytes[7], 1);
	assert_int_equal(bytes[8], 0);
	assert_true(mf_target_read_u64(target, child.address, &value));
	assert_true(value == UINT64_C(0x0101010101010101));
	assert_false(mf_target_read_u64(target, 8, &value));
	assert_false(mf_target_read_u64(target, UINT64_MAX - 3, &value));
	assert_false(mf_target_try_read(target, UINT64_MAX - 65536, bytes, 16));
	mf_target_close(target);
	end_child(&child);
}

/* As a server and its workers have them, or one that saves in the background. */
static void *make_shared(void)
{
	size_t size = (size_t)PAGES * CHILD_PAGE;
	char *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int ends[2];
	pid_t worker;
	char byte;

	madvise(at, size, MADV_NOHUGEPAGE);
	memset(at, 1, size);
	if (pipe(ends) != 0)
		_exit(1);
	worker = fork();
	if (worker < 0)
		_exit(1);
	if (worker)
		return at;
	/* as long as there is somebody who could write */
	close(ends[1]);
	while (read(ends[0], &byte, 1) < 0)
		;
	_exit(0);
}

static struct mf_usage usage_of(const struct child *child)
{
	struct mf_target *target = open_child(child, MF_STOP_NONE, 0);
	const struct mf_mapping *mapping =
		mf_target_mapping_at(target, child->address);
	struct mf_usage usage;

	assert_non_null(mapping);
	assert_true(mapping->usage_known);
	usage = mapping->usage;
	mf_target_close(target);
	return usage;
}

/* Pages that others have, too, are not copied by looking at them. */
static void check_shared(enum mf_stop stop)
{
	const uint64_t pause_ns = 10000000000;
	uint8_t bytes[PAGES * CHILD_PAGE], flags[PAGES];
	struct mf_usage before, after;
	struct mf_target *target;
	struct child child;

	start_child(&child, make_shared);
	target = open_child(&child, stop, pause_ns);
	fail_on(mf_target_hold(target));
	before = usage_of(&child);
	assert_true(before.pss < before.rss);
	fail_on(mf_target_read_pages(target, child.address, PAGES, bytes,
				     flags));
	assert_int_equal(bytes[sizeof(bytes) - 1], 1);
	mf_target_forget(target);
	fail_on(mf_target_begin_pages(target, child.address, PAGES, bytes,
				      flags));
	fail_on(mf_target_finish_pages(target));
	after = usage_of(&child);
	assert_int_equal(after.pss, before.pss);
	assert_int_equal(after.rss, before.rss);
	mf_target_release(target);
	mf_target_close(target);
	end_child(&child);
}

static void test_shared_stays_shared(void **state)
{
	(void)state;
	check_shared(MF_STOP_NONE);
	check_shared(MF_STOP_BRIEF);
	check_shared(MF_STOP_SNAPSHOT);
}

static void test_process_ends(void **state)
{
	struct child child;
	struct mf_target *target;
	uint8_t bytes[CHILD_PAGE];
	struct mf_error *error;

	(void)state;
	start_child(&child, make_pattern);
	target = open_child(&child, MF_STOP_NONE, 0);
	end_child(&child);
	error = mf_target_read_pages(target, child.address, 1, bytes, NULL);
	assert_non_null(error);
	assert_int_equal(error->code, MF_ERROR_NO_PROCESS);
	mf_error_destroy(error);
	error = mf_target_refresh(target);
	assert_non_null(error);
	assert_int_equal(error->code, MF_ERROR_NO_PROCESS);
	mf_error_destroy(error);
	mf_target_close(target);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pattern),
		cmocka_unit_test(test_ways_agree),
		cmocka_unit_test(test_counts_are_smaps),
		cmocka_unit_test(test_reading_changes_nothing),
		cmocka_unit_test(test_absent_file_pages),
		cmocka_unit_test(test_protected),
		cmocka_unit_test(test_behind_end_of_file),
		cmocka_unit_test(test_small_reads),
		cmocka_unit_test(test_shared_stays_shared),
		cmocka_unit_test(test_process_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
