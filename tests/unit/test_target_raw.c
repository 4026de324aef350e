/*
 * Ranges of forged targets as plain files: which bytes, where the holes are,
 * what is told of what could not be read.
 */
#include "core_write_util.h"

static const uint8_t pages[8] = { IN, OUT, IN, SWAP, BAD, ZERO, IN, IN };

static void forge_pages(struct place *place)
{
	struct mf_mapping mapping = {
		.start = 0x10000,
		.end = 0x18000,
		.perms = RW,
		.path = "",
	};

	/* the last page is there, and zeros */
	memset(place->bytes + 7 * (size_t)PAGE, 0, PAGE);
	mf_target_forge_mapping(place->target, &mapping, place->bytes, pages);
}

static struct mf_error *try_raw(struct place *place,
				struct mf_raw_options *options,
				struct mf_raw_range *ranges, size_t count)
{
	int fd = open(place->path, O_RDWR | O_TRUNC | O_CLOEXEC);
	struct mf_error *error;

	assert_true(fd >= 0);
	options->path = place->path;
	error = mf_target_write_raw(place->target, fd, options, ranges, count);
	close(fd);
	return error;
}

static void write_raw(struct place *place, struct mf_raw_options *options,
		      struct mf_raw_range *ranges, size_t count)
{
	struct mf_error *error = try_raw(place, options, ranges, count);

	if (error)
		fail_msg("%s: %s", error->what, error->why);
	read_back(place);
}

static void expect_filled(const struct place *place, size_t page, uint8_t byte)
{
	const uint8_t *bytes = place->core;

	for (size_t i = 0; i < PAGE; i++)
		if (bytes[page * PAGE + i] != byte)
			fail_msg("page %zu: byte %zu is %u, not %u", page, i,
				 bytes[page * PAGE + i], byte);
}

static void each_page_is_where_it_belongs(void **state)
{
	static const uint8_t expected[8] = { 1, 0, 3, 0, 0, 0, 7, 0 };
	struct mf_raw_options options = { 0 };
	struct mf_raw_range range = { .start = 0x10000, .end = 0x18000 };
	struct place *place = *state;
	struct stat status;
	size_t count;

	forge_pages(place);
	write_raw(place, &options, &range, 1);
	assert_int_equal(place->size, 8 * PAGE);
	for (size_t i = 0; i < 8; i++)
		expect_filled(place, i, expected[i]);
	assert_int_equal(range.file_offset, 0);
	assert_int_equal(range.present, 4 * PAGE);
	assert_int_equal(range.written, 3 * PAGE);
	assert_int_equal(range.swapped, PAGE);
	assert_int_equal(range.unread, PAGE);
	assert_int_equal(stat(place->path, &status), 0);
	assert_true(status.st_blocks * 512 <= 3 * PAGE);
	mf_target_partials(place->target, &count);
	assert_int_equal(count, 2);
}

static void ranges_follow_each_other(void **state)
{
	struct mf_raw_options options = { 0 };
	struct mf_raw_range ranges[] = {
		{ .start = 0x10ffe, .end = 0x11002 },
		{ .start = 0x12800, .end = 0x12900 },
		{ .start = 0x16ff0, .end = 0x17010 },
	};
	struct place *place = *state;
	const uint8_t *bytes;

	forge_pages(place);
	write_raw(place, &options, ranges, 3);
	assert_int_equal(place->size, 4 + 0x100 + 0x20);
	bytes = place->core;
	assert_memory_equal(bytes, "\1\1\0\0", 4);
	assert_int_equal(bytes[4], 3);
	assert_int_equal(bytes[4 + 0xff], 3);
	assert_int_equal(bytes[4 + 0x100], 7);
	assert_int_equal(bytes[4 + 0x10f], 7);
	assert_int_equal(bytes[4 + 0x110], 0);
	assert_int_equal(ranges[1].file_offset, 4);
	assert_int_equal(ranges[2].file_offset, 4 + 0x100);
	assert_int_equal(ranges[0].unread + ranges[1].unread +
				 ranges[2].unread + ranges[0].swapped,
			 0);
}

static void what_is_not_mapped_is_told(void **state)
{
	struct mf_raw_options options = { 0 };
	struct mf_raw_range range = { .start = 0xf000, .end = 0x11000 };
	struct place *place = *state;

	forge_pages(place);
	write_raw(place, &options, &range, 1);
	expect_filled(place, 0, 0);
	expect_filled(place, 1, 1);
	assert_int_equal(range.unread, PAGE);
}

/* 16 GiB (half of what valgrind can map), of which one page is there. */
static void what_was_set_aside_costs_nothing(void **state)
{
	struct mf_raw_options options = { 0 };
	struct mf_raw_range range = { .start = 0x10000, .end = 0x18000 };
	struct place *place = *state;
	struct mf_mapping none = {
		.start = UINT64_C(1) << 41,
		.end = (UINT64_C(1) << 41) + (UINT64_C(1) << 34),
		.perms = RW,
		.path = "",
		.usage_known = true,
	};
	struct mf_raw_range both[2] = { { 0 } };

	forge_pages(place);
	mf_target_forge_mapping(place->target, &none, NULL, NULL);
	both[0] = range;
	both[1].start = none.start + 5;
	both[1].end = none.end;
	write_raw(place, &options, both, 2);
	assert_true(place->size == 8 * PAGE + (UINT64_C(1) << 34) - 5);
	assert_int_equal(both[1].written, 0);
	assert_int_equal(both[1].present, 0);
	forget_core(place);
}

static void too_much_is_refused_before(void **state)
{
	struct mf_raw_options options = { .max_size = 3 * PAGE };
	struct mf_raw_range range = { .start = 0x10000, .end = 0x18000 };
	struct place *place = *state;
	struct mf_error *error;
	struct stat status;

	forge_pages(place);
	error = try_raw(place, &options, &range, 1);
	assert_non_null(error);
	assert_non_null(strstr(error->why, "16.0 KiB, and at most 12.0 KiB"));
	mf_error_destroy(error);
	assert_int_equal(stat(place->path, &status), 0);
	assert_int_equal(status.st_size, 0);
	options.max_size = 4 * PAGE;
	write_raw(place, &options, &range, 1);
	/* a stream has no holes */
	options.is_stream = true;
	error = try_raw(place, &options, &range, 1);
	assert_non_null(error);
	mf_error_destroy(error);
}

static void a_stream_gets_the_holes_too(void **state)
{
	struct mf_raw_options options = { .is_stream = true };
	struct mf_raw_range range = { .start = 0x10000, .end = 0x18000 };
	struct place *place = *state;
	uint8_t bytes[8 * PAGE + 1];
	size_t got = 0;
	int ends[2];

	forge_pages(place);
	assert_int_equal(pipe(ends), 0);
	options.path = "a pipe";
	assert_null(mf_target_write_raw(place->target, ends[1], &options,
					&range, 1));
	close(ends[1]);
	for (ssize_t some;
	     (some = read(ends[0], bytes + got, sizeof(bytes) - got)) > 0;)
		got += (size_t)some;
	close(ends[0]);
	assert_int_equal(got, 8 * PAGE);
	assert_int_equal(bytes[0], 1);
	assert_int_equal(bytes[PAGE], 0);
	assert_int_equal(bytes[2 * PAGE], 3);
	assert_int_equal(bytes[8 * PAGE - 1], 0);
}

static void blank_threes(void *context, uint64_t address, uint8_t *bytes,
			 size_t size)
{
	uint64_t *first = context;

	if (!*first)
		*first = address;
	for (size_t i = 0; i < size; i++)
		if (bytes[i] == 3)
			bytes[i] = 0;
}

static void bytes_may_be_changed(void **state)
{
	uint64_t first = 0;
	struct mf_raw_options options = { .edit = blank_threes,
					  .context = &first };
	struct mf_raw_range range = { .start = 0x10123, .end = 0x13000 };
	struct place *place = *state;
	const uint8_t *bytes;

	forge_pages(place);
	write_raw(place, &options, &range, 1);
	bytes = place->core;
	assert_true(first == 0x10123);
	assert_int_equal(bytes[0], 1);
	assert_int_equal(bytes[0x12000 - 0x10123], 0);
	/* pages as the file has them: the first ends in its second */
	assert_true(range.written <= PAGE);
}

static bool yes(void *context)
{
	(void)context;
	return true;
}

static void it_can_be_ended(void **state)
{
	struct mf_raw_options options = { .is_cancelled = yes };
	struct mf_raw_range range = { .start = 0x10000, .end = 0x18000 };
	struct place *place = *state;
	struct mf_error *error;

	forge_pages(place);
	error = try_raw(place, &options, &range, 1);
	assert_non_null(error);
	assert_non_null(strstr(error->why, "interrupted"));
	mf_error_destroy(error);
}

/* ---- as a core ------------------------------------------------------------- */

static void a_core_has_just_the_ranges(void **state)
{
	static const struct mf_address_range ranges[] = {
		{ 0x12000, 0x12001 },
		{ 0x16800, 0x18000 },
		{ 0x20000, 0x21000 },
	};
	static const uint8_t file_pages[2] = { OUT, OUT };
	struct mf_core_options options = { .ranges = ranges, .range_count = 3 };
	struct place *place = *state;
	struct mf_mapping code = {
		.start = 0x20000,
		.end = 0x22000,
		.perms = RX,
		.inode = 5,
		.path = "/lib/x",
	};
	const Elf64_Phdr *loads;

	forge_pages(place);
	mf_target_forge_mapping(place->target, &code,
				place->bytes + 8 * (size_t)PAGE, file_pages);
	assert_null(try_write(place, &options));
	read_back(place);
	place->header = place->core;
	loads = (const Elf64_Phdr *)((const char *)place->core +
				     place->header->e_phoff) +
		1;
	assert_int_equal(place->header->e_phnum, 4);
	assert_true(loads[0].p_vaddr == 0x12000 && loads[0].p_memsz == PAGE);
	assert_true(loads[1].p_vaddr == 0x16000 &&
		    loads[1].p_memsz == 2 * PAGE);
	/* absent, but of a file: its bytes are asked for */
	assert_true(loads[2].p_vaddr == 0x20000 && loads[2].p_filesz == PAGE);
	assert_int_equal(((const char *)place->core)[loads[0].p_offset], 3);
	assert_int_equal(((const char *)place->core)[loads[2].p_offset], 9);
	options.max_size = PAGE;
	mf_error_destroy(try_write(place, &options));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_page_is_where_it_belongs),
		TEST(ranges_follow_each_other),
		TEST(what_is_not_mapped_is_told),
		TEST(what_was_set_aside_costs_nothing),
		TEST(too_much_is_refused_before),
		TEST(a_stream_gets_the_holes_too),
		TEST(bytes_may_be_changed),
		TEST(it_can_be_ended),
		TEST(a_core_has_just_the_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
