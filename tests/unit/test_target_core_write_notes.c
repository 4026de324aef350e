/*
 * What the notes of a core say of a forged target, by the structures of
 * sys/procfs.h; and the whole of it compressed, and read again as a target of
 * its own.
 */
#include <sys/procfs.h>
#include <zstd.h>

#include "core_write_util.h"

/* ---- notes ------------------------------------------------------------------------ */

/* Notes are aligned to four bytes only. */
static void take_note(const struct place *place, uint32_t type, unsigned index,
		      void *to, size_t size)
{
	size_t there = 0;
	const void *bytes = find_note(place, "CORE", type, index, &there);

	assert_non_null(bytes);
	assert_int_equal(there, size);
	memcpy(to, bytes, size);
}

static void forge_thread(struct place *place, pid_t tid)
{
	struct mf_thread thread = { .tid = tid,
				    .comm = "a\nb",
				    .state = 'S',
				    .registers_known = true,
				    .pc = 0x1000 + (uint64_t)tid,
				    .sp = 0x2000,
				    .tp = 0x3000 };

	for (size_t i = 0; i < MF_ARRAY_SIZE(thread.general); i++)
		thread.general[i] = (uint64_t)tid * 1000 + i;
	mf_target_forge_thread(place->target, &thread);
}

static void the_main_thread_comes_first(void **state)
{
	static const pid_t order[] = { 100, 7, 101 };
	struct place *place = *state;
	struct elf_prstatus status;
	size_t size = 0;

	forge_thread(place, 101);
	forge_thread(place, 7);
	forge_thread(place, 100);
	write_core(place, false);
	assert_int_equal(place->written.threads, 3);
	for (unsigned i = 0; i < MF_ARRAY_SIZE(order); i++) {
		take_note(place, NT_PRSTATUS, i, &status, sizeof(status));
		assert_int_equal(status.pr_pid, order[i]);
	}
	assert_null(find_note(place, "CORE", NT_PRSTATUS, 3, &size));
}

static void threads_that_have_ended_have_no_registers(void **state)
{
	const struct mf_thread ended = { .tid = 100, .state = 'Z' };
	struct place *place = *state;
	struct elf_prstatus status;
	size_t size;

	mf_target_forge_thread(place->target, &ended);
	forge_thread(place, 102);
	forge_thread(place, 101);
	write_core(place, false);
	take_note(place, NT_PRSTATUS, 0, &status, sizeof(status));
	assert_int_equal(status.pr_pid, 101);
	take_note(place, NT_PRSTATUS, 1, &status, sizeof(status));
	assert_int_equal(status.pr_pid, 102);
	assert_null(find_note(place, "CORE", NT_PRSTATUS, 2, &size));
	assert_int_equal(place->written.threads, 3);
}

static void without_threads_there_is_one_note(void **state)
{
	struct place *place = *state;
	struct elf_prstatus status;

	write_core(place, false);
	take_note(place, NT_PRSTATUS, 0, &status, sizeof(status));
	assert_int_equal(status.pr_pid, 100);
	assert_int_equal(place->load_count, 0);
}

static void files_are_named_as_they_are(void **state)
{
	static const uint8_t none[1];
	static const uint64_t wanted[] = { 2, PAGE,    0x10000, 0x11000,
					   3, 0x20000, 0x21000, 0 };
	struct place *place = *state;
	const char *files;
	size_t size = 0;

	forge(place, 0x10000, 1,
	      (struct mf_mapping){ .perms = RX,
				   .inode = 1,
				   .offset = 3 * PAGE,
				   .path = "/a\\012b" },
	      none);
	forge(place, 0x20000, 1,
	      (struct mf_mapping){ .perms = RX,
				   .inode = 2,
				   .deleted = true,
				   .path = "/gone" },
	      none);
	forge(place, 0x30000, 1, (struct mf_mapping){ .perms = RW }, none);
	write_core(place, false);
	files = find_note(place, "CORE", NT_FILE, 0, &size);
	assert_non_null(files);
	assert_memory_equal(files, wanted, sizeof(wanted));
	assert_int_equal(size, sizeof(wanted) + sizeof("/a\nb") +
				       sizeof("/gone (deleted)"));
	assert_memory_equal(files + sizeof(wanted), "/a\nb\0/gone (deleted)",
			    size - sizeof(wanted));
}

static void arguments_are_cut_to_their_room(void **state)
{
	struct place *place = *state;
	char large[200];
	const char *const cmdline[] = { "one", "", large, NULL };
	struct elf_prpsinfo psinfo;

	memset(large, 'x', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	place->target->info.cmdline = cmdline;
	place->target->info.comm = "a name of more than sixteen letters";
	write_core(place, false);
	take_note(place, NT_PRPSINFO, 0, &psinfo, sizeof(psinfo));
	assert_memory_equal(psinfo.pr_fname, "a name of more \0", 16);
	assert_memory_equal(psinfo.pr_psargs, "one  xxx", 8);
	assert_int_equal(psinfo.pr_psargs[79], 0);
	assert_int_equal(psinfo.pr_psargs[78], 'x');
}

/* ---- compressed, and read again -------------------------------------------------- */

static void unpacked_it_is_the_same_file(void **state)
{
	static const uint8_t pages[8] = {
		IN, OUT, IN, IN, ZERO, SWAP, IN, OUT
	};
	struct place *place = *state;
	struct mf_core_options options = { .compress = true };
	mf_auto_free void *plain = NULL, *unpacked = NULL;
	size_t size;

	forge(place, 0x10000, 8, (struct mf_mapping){ .perms = RW }, pages);
	forge(place, 0x40000, 60, (struct mf_mapping){ .perms = RW }, NULL);
	forge_thread(place, 100);
	/* what the first has read is said in the notes of the second */
	write_core(place, false);
	place->target->impact.bytes_read = 0;
	write_core(place, false);
	size = place->size;
	plain = mf_calloc(size, 1);
	memcpy(plain, place->core, size);
	place->target->impact.bytes_read = 0;
	assert_null(try_write(place, &options));
	assert_int_equal(place->written.size, size);
	read_back(place);
	assert_true(place->size < size / 2);
	unpacked = mf_calloc(size, 1);
	assert_int_equal(
		ZSTD_decompress(unpacked, size, place->core, place->size),
		size);
	assert_memory_equal(unpacked, plain, size);
}

static void expect_same_pages(struct mf_target *left, struct mf_target *right,
			      uint64_t start, size_t count)
{
	mf_auto_free uint8_t *a = mf_calloc(count, PAGE);
	mf_auto_free uint8_t *b = mf_calloc(count, PAGE);
	mf_auto_free uint8_t *a_flags = mf_calloc(count, 1);
	mf_auto_free uint8_t *b_flags = mf_calloc(count, 1);

	assert_null(mf_target_read_pages(left, start, count, a, a_flags));
	assert_null(mf_target_read_pages(right, start, count, b, b_flags));
	assert_memory_equal(a_flags, b_flags, count);
	assert_memory_equal(a, b, count * PAGE);
}

static void it_is_read_as_it_was(void **state)
{
	static const uint8_t pages[10] = { IN,	 OUT,  IN, IN | MF_PAGE_HUGE,
					   ZERO, SWAP, IN, OUT,
					   BAD,	 IN };
	const struct mf_target_options options = { 0 };
	struct place *place = *state;
	struct mf_target *core = NULL;
	const struct mf_thread *threads;
	size_t count;

	forge(place, 0x10000, 10, (struct mf_mapping){ .perms = RW }, pages);
	forge(place, 0x40000, 4,
	      (struct mf_mapping){ .perms = RW,
				   .path = "[heap]",
				   .usage_known = true,
				   .usage = { .rss = 4 * PAGE, .pss = 1024 } },
	      NULL);
	forge_thread(place, 100);
	forge_thread(place, 101);
	write_core(place, false);
	assert_null(mf_target_open_core(place->path, &options, &core));
	expect_same_pages(place->target, core, 0x10000, 10);
	expect_same_pages(place->target, core, 0x40000, 4);
	assert_int_equal(mf_target_mappings(core, &count)[1].usage.pss, 1024);
	assert_int_equal(count, 2);
	threads = mf_target_threads(core, &count);
	assert_int_equal(count, 2);
	assert_string_equal(threads[1].comm, "a\nb");
	assert_int_equal(threads[1].pc, 0x1000 + 101);
	assert_int_equal(threads[1].general[15], 101015);
	assert_int_equal(mf_target_info(core)->taken_s, 1700000000);
	mf_target_close(core);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_main_thread_comes_first),
		TEST(threads_that_have_ended_have_no_registers),
		TEST(without_threads_there_is_one_note),
		TEST(files_are_named_as_they_are),
		TEST(arguments_are_cut_to_their_room),
		TEST(unpacked_it_is_the_same_file),
		TEST(it_is_read_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
