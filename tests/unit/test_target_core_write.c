/*
 * Cores of forged targets: which pages are in the file, where, and what is said
 * of the rest. What is expected follows from the rules of core(5) and from the
 * flags of the pages; the file is looked at as elf(5) says.
 */
#include <gelf.h>
#include <signal.h>
#include <sys/resource.h>

#include "core_write_util.h"

enum {
	MANY = 70000,
};

/* ---- which pages --------------------------------------------------------------- */

static void what_is_resident_is_written(void **state)
{
	static const uint8_t pages[20] = { OUT, OUT, OUT, OUT, OUT, OUT, IN,
					   IN,	OUT, IN,  OUT, OUT, OUT, OUT,
					   OUT, OUT, IN,  OUT, OUT, OUT };
	struct place *place = *state;

	forge(place, 0x10000, 20, (struct mf_mapping){ .perms = RW }, pages);
	write_core(place, false);
	assert_int_equal(place->load_count, 3);
	expect_load(place, 0, 0x10000, 0, 6 * PAGE);
	/* a page between two is a hole of the file; six are not in it */
	expect_load(place, 1, 0x16000, 4 * PAGE, 10 * PAGE);
	expect_load(place, 2, 0x20000, PAGE, 4 * PAGE);
	assert_int_equal(place->loads[0].p_flags, PF_R | PF_W);
	expect_page(place, 0x16000, 7);
	expect_page(place, 0x17000, 8);
	expect_page(place, 0x18000, 0);
	expect_page(place, 0x19000, 10);
	expect_page(place, 0x20000, 17);
}

/* Its bytes are not known: not even as zeros. */
static void swapped_and_unreadable_pages_are_left_out(void **state)
{
	static const uint8_t pages[7] = { IN, SWAP, IN, BAD, ZERO, OUT, IN };
	struct place *place = *state;

	forge(place, 0x10000, 7, (struct mf_mapping){ .perms = RW }, pages);
	write_core(place, false);
	assert_int_equal(place->load_count, 3);
	expect_load(place, 0, 0x10000, PAGE, PAGE);
	expect_load(place, 1, 0x12000, PAGE, PAGE);
	/* two zero pages are not worth a segment */
	expect_load(place, 2, 0x14000, 3 * PAGE, 3 * PAGE);
}

static void reservations_are_left_out(void **state)
{
	static const uint8_t none[4], some[4] = { OUT, IN, OUT, OUT };
	struct place *place = *state;

	forge(place, 0x10000, 4, (struct mf_mapping){ .perms = 0 }, none);
	forge(place, 0x20000, 4, (struct mf_mapping){ .perms = 0 }, some);
	forge(place, 0x30000, 4,
	      (struct mf_mapping){ .perms = RW, .vm_flags = MF_VM_IO }, NULL);
	forge(place, 0x40000, 4, (struct mf_mapping){ .perms = RW }, none);
	write_core(place, false);
	assert_int_equal(place->load_count, 2);
	expect_load(place, 0, 0x21000, PAGE, PAGE);
	assert_int_equal(place->loads[0].p_flags, 0);
	expect_load(place, 1, 0x40000, 0, 4 * PAGE);
}

/* Mappings of files, and what is in a core of each, and in a full one. */
static const struct file_case {
	struct mf_mapping mapping;
	uint8_t pages[2];
	size_t pages_in_core, pages_in_full;
} file_cases[] = {
	{ { .perms = RX, .inode = 5, .path = "/lib/x" },
	  { IN_FILE, IN_FILE },
	  0,
	  2 },
	{ { .perms = RX, .inode = 5, .path = "/lib/x" }, { OUT, OUT }, 0, 0 },
	/* a page of its own makes the kernel write all of it */
	{ { .perms = RW, .inode = 5, .path = "/lib/x" },
	  { IN, IN_FILE },
	  2,
	  2 },
	{ { .perms = RW, .inode = 5, .path = "/lib/x" },
	  { IN_FILE, IN_FILE },
	  0,
	  2 },
	{ { .perms = RW | MF_PERM_SHARED, .inode = 6, .path = "/dev/shm/x" },
	  { IN_FILE, IN_FILE },
	  0,
	  2 },
	/* no name leads to it any more */
	{ { .perms = RW | MF_PERM_SHARED,
	    .inode = 6,
	    .path = "/dev/shm/x",
	    .deleted = true },
	  { IN_FILE, OUT },
	  1,
	  1 },
	{ { .perms = RW | MF_PERM_SHARED,
	    .inode = 7,
	    .path = "/anon_hugepage",
	    .deleted = true,
	    .vm_flags = MF_VM_HUGETLB },
	  { IN_FILE, IN_FILE },
	  0,
	  2 },
	{ { .perms = RW,
	    .inode = 7,
	    .path = "/anon_hugepage",
	    .deleted = true,
	    .vm_flags = MF_VM_HUGETLB },
	  { IN, IN },
	  2,
	  2 },
	{ { .perms = RW, .vm_flags = MF_VM_DONTDUMP }, { IN, IN }, 0, 2 },
	{ { .perms = RX, .path = "[vdso]" }, { IN, OUT }, 2, 2 },
};

static size_t pages_in_file(const struct place *place, uint64_t start)
{
	uint64_t size = 0;

	for (size_t i = 0; i < place->load_count; i++)
		if (place->loads[i].p_vaddr >= start &&
		    place->loads[i].p_vaddr < start + 0x10000)
			size += place->loads[i].p_filesz;
	return size / PAGE;
}

static void files_are_written_as_the_kernel_does(void **state)
{
	struct place *place = *state;

	for (size_t i = 0; i < MF_ARRAY_SIZE(file_cases); i++)
		forge(place, (i + 1) << 16, 2, file_cases[i].mapping,
		      file_cases[i].pages);
	write_core(place, false);
	for (size_t i = 0; i < MF_ARRAY_SIZE(file_cases); i++)
		if (pages_in_file(place, (i + 1) << 16) !=
		    file_cases[i].pages_in_core)
			fail_msg("case %zu", i);
	write_core(place, true);
	for (size_t i = 0; i < MF_ARRAY_SIZE(file_cases); i++)
		if (pages_in_file(place, (i + 1) << 16) !=
		    file_cases[i].pages_in_full)
			fail_msg("case %zu of a full one", i);
}

/* By its build-id others find the file; a full core needs no file. */
static void a_module_has_its_first_page(void **state)
{
	static const uint8_t head[3] = { OUT, IN_FILE, OUT };
	static const uint8_t text[2] = { OUT, OUT };
	const struct mf_mapping mapping = { .perms = RX,
					    .inode = 9,
					    .path = "/bin/x" };
	struct mf_mapping rest = mapping;
	struct place *place = *state;

	rest.offset = 3 * PAGE;
	memcpy(place->bytes, ELFMAG, SELFMAG);
	forge(place, 0x10000, 3, mapping, head);
	forge(place, 0x13000, 2, rest, text);
	write_core(place, false);
	assert_int_equal(place->load_count, 1);
	expect_load(place, 0, 0x10000, PAGE, PAGE);
	assert_memory_equal((const char *)place->core +
				    place->loads[0].p_offset,
			    ELFMAG, SELFMAG);
	write_core(place, true);
	expect_load(place, 0, 0x10000, 3 * PAGE, 3 * PAGE);
	expect_load(place, 1, 0x13000, 2 * PAGE, 2 * PAGE);
}

/* ---- many ------------------------------------------------------------------------ */

static void many_runs_share_segments(void **state)
{
	struct place *place = *state;
	mf_auto_free uint8_t *pages = mf_calloc(MANY, 6);
	struct mf_mapping mapping = { .start = 0x100000,
				      .end = 0x100000 +
					     UINT64_C(6) * MANY * PAGE,
				      .perms = RW,
				      .path = "" };
	struct stat status;

	for (size_t i = 0; i < MANY; i++)
		pages[i * 6] = IN;
	mf_target_forge_mapping(place->target, &mapping, NULL, pages);
	write_core(place, false);
	assert_true(place->load_count < 60000);
	assert_int_equal(place->loads[0].p_vaddr, mapping.start);
	assert_int_equal(stat(place->path, &status), 0);
	/* all of it is zeros: holes */
	assert_true(status.st_blocks * 512 < 8 << 20);
}

/* A kind of target of its own: forging sorts each time. */
static struct mf_error *all_runs(struct mf_target *target, uint64_t start,
				 uint64_t end, mf_run_visit *visit,
				 void *context)
{
	(void)target;
	visit(context, start, end, MF_PAGE_PRESENT);
	return NULL;
}

static struct mf_error *no_bytes(struct mf_target *target, uint64_t start,
				 size_t count, void *bytes,
				 uint8_t *flags) /* NOLINT: the table's */
{
	(void)start;
	(void)flags;
	memset(bytes, 0x5a, count * target->info.page_size);
	return NULL;
}

static const struct mf_target_ops many_ops = {
	.runs = all_runs,
	.read = no_bytes,
};

static void more_segments_than_a_header_can_say(void **state)
{
	struct place *place = *state;
	size_t count;
	int fd;
	Elf *elf;

	mf_target_close(place->target);
	place->target = mf_target_create(&many_ops, NULL);
	for (uint64_t i = 0; i < MANY; i++) {
		const struct mf_mapping mapping = {
			.start = (2 * i + 16) * PAGE,
			.end = (2 * i + 17) * PAGE,
			.perms = RW,
		};

		mf_mappings_add(&place->target->mappings, &mapping);
	}
	write_core(place, false);
	assert_int_equal(place->load_count, MANY);
	assert_int_equal(place->header->e_phnum, PN_XNUM);
	expect_load(place, MANY - 1, (2 * (MANY - 1) + 16) * PAGE, PAGE, PAGE);
	elf_version(EV_CURRENT);
	fd = open(place->path, O_RDONLY | O_CLOEXEC);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	assert_int_equal(elf_getphdrnum(elf, &count), 0);
	assert_int_equal(count, MANY + 1);
	elf_end(elf);
	close(fd);
}

/* One page in 1024 of what is larger than one. */
static struct mf_error *far_runs(struct mf_target *target, uint64_t start,
				 uint64_t end, mf_run_visit *visit,
				 void *context)
{
	(void)target;
	for (; start < end; start += UINT64_C(1024) * PAGE)
		visit(context, start, start + PAGE, MF_PAGE_PRESENT);
	return NULL;
}

static const struct mf_target_ops far_ops = {
	.runs = far_runs,
	.read = no_bytes,
};

/* However many segments there are, they are not made fewer by terabytes of
 * holes. */
static void what_lies_far_apart_shares_none(void **state)
{
	struct place *place = *state;
	struct mf_mapping mapping = { .perms = RW, .path = "" };
	size_t count = 0;

	mf_target_close(place->target);
	place->target = mf_target_create(&far_ops, NULL);
	for (uint64_t i = 0; i < 60000; i++) {
		mapping.start = (2 * i + 16) * PAGE;
		mapping.end = mapping.start + PAGE;
		mf_mappings_add(&place->target->mappings, &mapping);
	}
	mapping.start = UINT64_C(1) << 40;
	mapping.end = mapping.start + UINT64_C(100) * 1024 * PAGE;
	mf_mappings_add(&place->target->mappings, &mapping);
	write_core(place, false);
	for (size_t i = 0; i < place->load_count; i++)
		count += place->loads[i].p_vaddr >= mapping.start;
	assert_int_equal(count, 100);
}

/* ---- what cannot be written ----------------------------------------------------- */

static bool always(void *context)
{
	++*(int *)context;
	return true;
}

static void it_can_be_cancelled(void **state)
{
	struct place *place = *state;
	int asked = 0;
	struct mf_core_options options = { .is_cancelled = always,
					   .context = &asked };
	mf_auto_error struct mf_error *error = NULL;

	forge(place, 0x10000, 4, (struct mf_mapping){ .perms = RW }, NULL);
	error = try_write(place, &options);
	assert_non_null(error);
	assert_non_null(strstr(error->why, "interrupted"));
	assert_int_equal(asked, 1);
}

static void a_file_that_cannot_grow_is_an_error(void **state)
{
	struct place *place = *state;
	struct mf_core_options options = { 0 };
	struct rlimit before, small;
	struct mf_error *error;

	forge(place, 0x10000, 60, (struct mf_mapping){ .perms = RW }, NULL);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 20 * PAGE;
	signal(SIGXFSZ, SIG_IGN);
	for (int compress = 0; compress < 2; compress++) {
		/* in one frame, 60 pages of one byte each are not many */
		small.rlim_cur = compress ? 64 : 20 * PAGE;
		options.compress = compress;
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
		error = try_write(place, &options);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
		assert_non_null(error);
		assert_non_null(strstr(error->what, place->path));
		mf_error_destroy(error);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_resident_is_written),
		TEST(swapped_and_unreadable_pages_are_left_out),
		TEST(reservations_are_left_out),
		TEST(files_are_written_as_the_kernel_does),
		TEST(a_module_has_its_first_page),
		TEST(many_runs_share_segments),
		TEST(more_segments_than_a_header_can_say),
		TEST(what_lies_far_apart_shares_none),
		TEST(it_can_be_cancelled),
		TEST(a_file_that_cannot_grow_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
