/*
 * Cores that are cut off, and cores that lie: what they hold is given, what is
 * missing is said, and nothing else happens.
 */

#include "core_util.h"

static const uint64_t place = 0x7f0000000000;

enum {
	DATA = PF_R | PF_W,
};

/* ---- refused ---------------------------------------------------------------- */

static void check_refused(struct core *core, const char *why)
{
	const struct mf_target_options options = { 0 };
	struct mf_target *target = NULL;
	struct mf_error *error;

	core_finish(core);
	error = mf_target_open_core(core->path, &options, &target);
	assert_non_null(error);
	assert_int_equal(error->code, MF_ERROR_UNSUPPORTED);
	assert_non_null(error->hint);
	if (!strstr(error->why, why))
		print_error("%s, not %s\n", error->why, why);
	assert_non_null(strstr(error->why, why));
	mf_error_destroy(error);
	core_end(core);
}

static void test_refused(void **state)
{
	struct core core;

	(void)state;
	core_begin(&core);
	core.header.e_ident[EI_CLASS] = ELFCLASS32;
	check_refused(&core, "32-bit");
	core_begin(&core);
	core.header.e_ident[EI_DATA] = ELFDATA2MSB;
	check_refused(&core, "big-endian");
	core_begin(&core);
	core.header.e_machine = EM_S390;
	check_refused(&core, "another kind of machine");
	core_begin(&core);
	core.header.e_type = ET_DYN;
	check_refused(&core, "a program or a library");
	core_begin(&core);
	core.header.e_type = ET_REL;
	check_refused(&core, "an object file");
	core_begin(&core);
	core.header.e_phentsize = 32;
	check_refused(&core, "program headers");
}

static void test_short_header(void **state)
{
	const struct mf_target_options options = { 0 };
	struct mf_target *target = NULL;
	struct mf_error *error;
	struct core core;

	(void)state;
	core_begin(&core);
	core_put(&core, 0, ELFMAG, SELFMAG);
	error = mf_target_open_core(core.path, &options, &target);
	assert_non_null(error);
	assert_non_null(strstr(error->why, "within its header"));
	mf_error_destroy(error);
	core_end(&core);
}

/* ---- cut off ---------------------------------------------------------------- */

static void test_truncated(void **state)
{
	struct mf_error *error;
	struct mf_target *target;
	struct core core;
	uint8_t flags[4];

	(void)state;
	core_begin(&core);
	core_load(&core, place, 4, 4, DATA);
	core_fill(&core, 0, "begin", 5);
	core_fill(&core, 1, "middle", 6);
	core_finish(&core);
	assert_int_equal(
		ftruncate(core.fd, CORE_LOADS + CORE_PAGE + CORE_PAGE / 2), 0);
	target = core_open(&core, NULL);
	error = mf_target_residency(target, place, 4, flags);
	assert_null(error);
	assert_int_equal(flags[0], MF_PAGE_PRESENT);
	for (size_t i = 1; i < 4; i++)
		assert_int_equal(flags[i], MF_PAGE_UNREADABLE);
	assert_true(mf_target_try_read(target, place, flags, 4));
	assert_memory_equal(flags, "begi", 4);
	assert_false(mf_target_try_read(target, place + CORE_PAGE, flags, 1));
	assert_true(core_lacks(target, "core file", "10.0 KiB"));
	mf_target_close(target);
	core_end(&core);
}

/* A disk that was full: the file lost its end while we had it open. */
static void test_truncated_later(void **state)
{
	uint8_t flags[4], bytes[4 * CORE_PAGE];
	struct mf_error *error;
	struct mf_target *target;
	struct core core;

	(void)state;
	core_begin(&core);
	core_load(&core, place, 4, 4, DATA);
	for (size_t i = 0; i < 4; i++)
		core_fill(&core, i, "all", 3);
	core_finish(&core);
	target = core_open(&core, NULL);
	assert_int_equal(ftruncate(core.fd, CORE_LOADS + 2 * CORE_PAGE), 0);
	error = mf_target_read_pages(target, place, 4, bytes, flags);
	assert_null(error);
	assert_int_equal(flags[1], MF_PAGE_PRESENT);
	assert_true(flags[2] & MF_PAGE_UNREADABLE);
	assert_true(flags[3] & MF_PAGE_UNREADABLE);
	assert_int_equal(bytes[3 * CORE_PAGE], 0);
	assert_true(core_lacks(target, "core file", "changed meanwhile"));
	mf_target_close(target);
	core_end(&core);
}

static void test_no_program_headers(void **state)
{
	struct mf_target *target;
	struct core core;
	size_t count;

	(void)state;
	core_begin(&core);
	core_finish(&core);
	assert_int_equal(ftruncate(core.fd, sizeof(Elf64_Ehdr)), 0);
	target = core_open(&core, NULL);
	mf_target_mappings(target, &count);
	assert_int_equal(count, 0);
	assert_true(core_lacks(target, "core file", "program headers"));
	assert_true(core_lacks(target, "threads", ""));
	mf_target_close(target);
	core_end(&core);
}

/* ---- lies ------------------------------------------------------------------- */

static void check_mappings(struct core *core, const uint64_t *bounds,
			   size_t count)
{
	const struct mf_mapping *mappings;
	struct mf_target *target;
	size_t found;

	core_finish(core);
	target = core_open(core, NULL);
	mappings = mf_target_mappings(target, &found);
	assert_int_equal(found, count);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(mappings[i].start, bounds[2 * i]);
		assert_int_equal(mappings[i].end, bounds[2 * i + 1]);
	}
	assert_true(core_lacks(target, "core file", "make no sense"));
	mf_target_close(target);
	core_end(core);
}

static void test_overlap(void **state)
{
	const uint64_t bounds[] = { place, place + 4 * CORE_PAGE,
				    place + 4 * CORE_PAGE,
				    place + 6 * CORE_PAGE };
	struct core core;

	(void)state;
	core_begin(&core);
	core_load(&core, place + 2 * CORE_PAGE, 4, 4, DATA);
	core_load(&core, place, 4, 4, DATA);
	core_load(&core, place + CORE_PAGE, 2, 2, DATA);
	check_mappings(&core, bounds, 2);
}

/* The bytes of what is left of a segment are its own. */
static void test_overlap_bytes(void **state)
{
	struct mf_target *target;
	struct core core;
	char byte;

	(void)state;
	core_begin(&core);
	core_load(&core, place, 2, 2, DATA);
	core_load(&core, place + CORE_PAGE, 3, 3, DATA);
	core_fill(&core, 0, "0", 1);
	core_fill(&core, 1, "1", 1);
	core_fill(&core, 2, "2", 1);
	core_finish(&core);
	target = core_open(&core, NULL);
	assert_true(
		mf_target_try_read(target, place + 2 * CORE_PAGE, &byte, 1));
	assert_int_equal(byte, '1');
	assert_true(
		mf_target_try_read(target, place + 3 * CORE_PAGE, &byte, 1));
	assert_int_equal(byte, '2');
	mf_target_close(target);
	core_end(&core);
}

static void test_senseless(void **state)
{
	const uint64_t bounds[] = { place, place + CORE_PAGE };
	struct core core;

	(void)state;
	core_begin(&core);
	core_load(&core, place, 1, 1, DATA);
	core_load(&core, place + 0x123, 1, 1, DATA);
	core_load(&core, UINT64_MAX - 0xfff, 4, 1, DATA);
	core_load(&core, UINT64_MAX - 0xfff, 1, 1, DATA)->p_memsz = 0xfff;
	core_load(&core, place + 16 * CORE_PAGE, 1, 2, DATA);
	core_load(&core, place + 32 * CORE_PAGE, 1, 1, DATA)->p_offset =
		UINT64_MAX - 7;
	core_load(&core, place + 48 * CORE_PAGE, 0, 0, DATA);
	check_mappings(&core, bounds, 1);
}

/* Bytes that are past the end of the file are missing, not zeros. */
static void test_offset_beyond(void **state)
{
	struct mf_target *target;
	struct core core;
	char byte;

	(void)state;
	core_begin(&core);
	core_load(&core, place, 1, 1, DATA)->p_offset = UINT64_C(1) << 50;
	core_finish(&core);
	target = core_open(&core, NULL);
	assert_false(mf_target_try_read(target, place, &byte, 1));
	assert_true(core_lacks(target, "core file", "cut off"));
	mf_target_close(target);
	core_end(&core);
}

static void test_huge(void **state)
{
	struct mf_page_counts counts;
	struct mf_error *error;
	struct mf_target *target;
	struct core core;

	(void)state;
	core_begin(&core);
	core_load(&core, place, 1, 1, DATA)->p_memsz = UINT64_C(1) << 56;
	core_fill(&core, 0, "x", 1);
	core_finish(&core);
	target = core_open(&core, NULL);
	error = mf_target_count_pages(target, place,
				      place + (UINT64_C(1) << 56), &counts);
	assert_null(error);
	assert_int_equal(counts.present, 1);
	mf_target_close(target);
	core_end(&core);
}

/* More program headers than the field can say are counted in a section. */
static void check_many(uint32_t said, size_t mappings, bool lies)
{
	Elf64_Shdr section = { .sh_info = said };
	struct mf_target *target;
	struct core core;
	size_t count;

	core_begin(&core);
	core_load(&core, place, 1, 1, DATA);
	core_load(&core, place + 2 * CORE_PAGE, 1, 1, DATA);
	core.header.e_phnum = PN_XNUM;
	core.header.e_shnum = 1;
	core.header.e_shoff = 2 * CORE_PAGE;
	core_put(&core, core.header.e_shoff, &section, sizeof(section));
	core_finish(&core);
	target = core_open(&core, NULL);
	mf_target_mappings(target, &count);
	assert_int_equal(count, mappings);
	assert_int_equal(core_lacks(target, "core file", "program headers"),
			 lies);
	mf_target_close(target);
	core_end(&core);
}

static void test_many(void **state)
{
	(void)state;
	check_many(UINT32_MAX, 2, true);
	check_many(70000, 2, true);
}

/* As many as a process with the largest max_map_count has. */
static void test_really_many(void **state)
{
	enum {
		COUNT = 70000
	};
	Elf64_Shdr section = { .sh_info = COUNT };
	struct mf_target *target;
	struct core core;
	size_t count;

	(void)state;
	core_begin(&core);
	core.header.e_phnum = PN_XNUM;
	core.header.e_shnum = 1;
	core.header.e_shoff = CORE_PAGE;
	core.header.e_phoff = 2 * CORE_PAGE;
	core.next = UINT64_C(16) << 20;
	for (unsigned i = 0; i < COUNT; i++)
		core_load(&core, place + 2 * CORE_PAGE * (uint64_t)i, 1, 0,
			  DATA);
	core_put(&core, 0, &core.header, sizeof(core.header));
	core_put(&core, CORE_PAGE, &section, sizeof(section));
	core_put(&core, core.header.e_phoff, core.programs.items,
		 core.programs.count * sizeof(Elf64_Phdr));
	target = core_open(&core, NULL);
	mf_target_mappings(target, &count);
	assert_int_equal(count, COUNT);
	assert_false(core_lacks(target, "core file", ""));
	mf_target_close(target);
	core_end(&core);
}

/* ---- notes that lie --------------------------------------------------------- */

static void test_note_sizes(void **state)
{
	const Elf64_Nhdr endless = { 5, UINT32_MAX - 3, NT_PRSTATUS };
	struct mf_target *target;
	struct core core;
	size_t count;

	(void)state;
	core_begin(&core);
	core_note(&core, "CORE", NT_PRSTATUS, "short", 6);
	core_note(&core, "CORE", NT_PRPSINFO, "short", 6);
	core_note(&core, "CORE", NT_AUXV, "short", 6);
	core_note(&core, "CORE", NT_FILE, "short", 6);
	core_note(&core, "LINUX", NT_ARM_TLS, "lone thr", 8);
	core_add_thread(&core, 7, place);
	mf_buffer_add(&core.notes, &endless, sizeof(endless));
	mf_buffer_add(&core.notes, "CORE\0\0\0\0", 8);
	core_finish(&core);
	target = core_open(&core, NULL);
	mf_target_threads(target, &count);
	assert_int_equal(count, 1);
	mf_target_close(target);
	core_end(&core);
}

static void test_files(void **state)
{
	const struct core_file files[] = {
		{ place, place + CORE_PAGE, 0, "/a" },
		{ place, place + CORE_PAGE, 0, "/over/it" },
		{ place + 4 * CORE_PAGE, place + 2 * CORE_PAGE, 0, "/back" },
		{ place + 8 * CORE_PAGE, place + 9 * CORE_PAGE, UINT64_MAX / 2,
		  "/far" },
		{ place + 12 * CORE_PAGE, place + 13 * CORE_PAGE + 1, 0,
		  "/odd" },
		{ place + 16 * CORE_PAGE, place + 17 * CORE_PAGE, 0, "" },
	};
	const uint64_t lie[2] = { UINT64_MAX / 8, CORE_PAGE };
	struct mf_target *target;
	struct core core;
	size_t count;

	(void)state;
	core_begin(&core);
	core_note(&core, "CORE", NT_FILE, lie, sizeof(lie));
	core_add_files(&core, files, MF_ARRAY_SIZE(files));
	core_finish(&core);
	target = core_open(&core, NULL);
	mf_target_mappings(target, &count);
	assert_int_equal(count, 1);
	assert_true(core_lacks(target, "core file", "names of mapped files"));
	mf_target_close(target);
	core_end(&core);
}

/* A file of holes has room for any number of them. */
static void test_many_lists(void **state)
{
	const struct core_file file = { place, place + CORE_PAGE, 0, "/a" };
	const uint64_t lie[2] = { UINT64_MAX / 8, CORE_PAGE };

	(void)state;
	for (size_t lies = 3; lies < 5; lies++) {
		struct mf_target *target;
		struct core core;
		size_t count;

		core_begin(&core);
		for (size_t i = 0; i < lies; i++)
			core_note(&core, "CORE", NT_FILE, lie, sizeof(lie));
		core_add_files(&core, &file, 1);
		core_finish(&core);
		target = core_open(&core, NULL);
		mf_target_mappings(target, &count);
		assert_int_equal(count, lies == 3);
		mf_target_close(target);
		core_end(&core);
	}
}

static void test_few_names(void **state)
{
	const uint64_t words[] = { 3,
				   CORE_PAGE,
				   place,
				   place + CORE_PAGE,
				   0,
				   place + 2 * CORE_PAGE,
				   place + 3 * CORE_PAGE,
				   0,
				   place + 4 * CORE_PAGE,
				   place + 5 * CORE_PAGE,
				   0 };
	struct mf_target *target;
	struct core core;
	MF_AUTO_BUFFER(text);
	size_t count;

	(void)state;
	mf_buffer_add(&text, words, sizeof(words));
	mf_buffer_add(&text, "/a", 3);
	core_begin(&core);
	core_note(&core, "CORE", NT_FILE, text.text, text.size);
	core_finish(&core);
	target = core_open(&core, NULL);
	mf_target_mappings(target, &count);
	assert_int_equal(count, 1);
	assert_true(core_lacks(target, "core file", "2 names of mapped files"));
	mf_target_close(target);
	core_end(&core);
}

/* What is missing is more than a number can say, and is not nothing. */
static void test_all_missing(void **state)
{
	struct mf_target *target;
	struct core core;

	(void)state;
	core_begin(&core);
	for (size_t i = 0; i < 4; i++) {
		Elf64_Phdr *notes = core_program(&core, PT_NOTE);

		notes->p_offset = UINT64_C(1) << 61;
		notes->p_filesz = UINT64_C(1) << 62;
	}
	core_finish(&core);
	target = core_open(&core, NULL);
	assert_true(core_lacks(target, "core file", "cut off"));
	mf_target_close(target);
	core_end(&core);
}

static void test_page_size(void **state)
{
	const uint64_t sizes[] = { 0, 1, 12345, UINT64_C(1) << 40 };

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(sizes); i++) {
		const uint64_t auxv[] = { AT_PAGESZ, sizes[i] };
		struct mf_target *target;
		struct core core;

		core_begin(&core);
		core_add_auxv(&core, auxv, 1);
		core_load(&core, place, 1, 1, DATA);
		core_finish(&core);
		target = core_open(&core, NULL);
		assert_int_equal(mf_target_info(target)->page_size, CORE_PAGE);
		mf_target_close(target);
		core_end(&core);
	}
}

/* A core may name any file: what is none is not opened. */
static void test_device(void **state)
{
	const struct core_file files[] = {
		{ place, place + 2 * CORE_PAGE, 0, "/dev/null" },
		{ place + 4 * CORE_PAGE, place + 5 * CORE_PAGE, 0, "/tmp" },
	};
	struct mf_target *target;
	struct core core;
	char byte;

	(void)state;
	core_begin(&core);
	core_add_files(&core, files, MF_ARRAY_SIZE(files));
	core_finish(&core);
	target = core_open(&core, NULL);
	assert_false(mf_target_try_read(target, place, &byte, 1));
	assert_false(
		mf_target_try_read(target, place + 4 * CORE_PAGE, &byte, 1));
	mf_target_close(target);
	core_end(&core);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_short_header),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_truncated_later),
		cmocka_unit_test(test_no_program_headers),
		cmocka_unit_test(test_overlap),
		cmocka_unit_test(test_overlap_bytes),
		cmocka_unit_test(test_senseless),
		cmocka_unit_test(test_offset_beyond),
		cmocka_unit_test(test_huge),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_really_many),
		cmocka_unit_test(test_note_sizes),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_many_lists),
		cmocka_unit_test(test_few_names),
		cmocka_unit_test(test_all_missing),
		cmocka_unit_test(test_page_size),
		cmocka_unit_test(test_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
