/*
 * Our own notes in a core say more than a core does; those that are damaged
 * are left out.
 */
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "core_util.h"

static const uint64_t place = 0x7f0000000000;

enum {
	PID = 4711,
	DATA = PF_R | PF_W,
};

static void add_process(struct core *core)
{
	static const char *const cmdline[] = { "a program", "with words",
					       NULL };
	static const struct mf_partial missing[] = { { "memory", "busy" } };
	struct mf_core_process process = {
		.tool = "1.2.3",
		.info = { .pid = PID,
			  .nspid = 7,
			  .exe = "/opt/exe",
			  .comm = "comm",
			  .cmdline = cmdline,
			  .arch = mf_arch_name,
			  .page_size = CORE_PAGE,
			  .thread_count = 2,
			  .age_ms = 1234,
			  .limits = { .cpus = 3, .cpu_quota = 1.5 },
			  .status = { .vm_rss = 777 * CORE_PAGE } },
		.impact = { .stop = MF_STOP_BRIEF,
			    .why = "asked",
			    .racy = true },
		.partials = missing,
		.partial_count = 1,
		.taken_s = 1700000000,
	};
	MF_AUTO_BUFFER(text);

	mf_core_put_process(&text, &process);
	core_note(core, MF_NOTE_OWNER, MF_NOTE_PROCESS, text.text, text.size);
}

static void add_mappings(struct core *core)
{
	static const char *const paths[] = { "[heap]", "/opt/data", "" };
	MF_AUTO_BUFFER(text);

	for (uint64_t i = 0; i < MF_ARRAY_SIZE(paths); i++) {
		struct mf_mapping mapping = {
			.start = place + i * 16 * CORE_PAGE,
			.end = place + i * 16 * CORE_PAGE + 8 * CORE_PAGE,
			.perms = MF_PERM_READ | MF_PERM_WRITE,
			.vm_flags = MF_VM_NORESERVE,
			.inode = i == 1 ? 99 : 0,
			.path = paths[i],
			.usage_known = true,
			.usage = { .rss = (i + 1) * CORE_PAGE,
				   .pss = 100 + i,
				   .swap = CORE_PAGE },
		};

		mf_core_put_mapping(&text, &mapping);
	}
	core_note(core, MF_NOTE_OWNER, MF_NOTE_MAPPINGS, text.text, text.size);
}

static void add_threads(struct core *core)
{
	struct mf_thread threads[] = {
		{ .tid = PID,
		  .comm = "main",
		  .state = 'S',
		  .cpu_ms = 55,
		  .registers_known = true },
		{ .tid = PID + 1,
		  .comm = "lost",
		  .state = 'D',
		  .pc = 0x11,
		  .sp = 0x22 },
	};
	MF_AUTO_BUFFER(text);

	mf_core_put_thread(&text, &threads[0]);
	mf_core_put_thread(&text, &threads[1]);
	core_note(core, MF_NOTE_OWNER, MF_NOTE_THREADS, text.text, text.size);
}

/* Of the second thread, and of one that no other note knows. */
static void add_waits(struct core *core)
{
	static const char text[] = "4712 futex_wait\0"
				   "4713 nowhere";

	core_note(core, MF_NOTE_OWNER, MF_NOTE_WAITS, text, sizeof(text));
}

static void add_residency(struct core *core)
{
	struct mf_core_runs runs;
	MF_AUTO_BUFFER(text);

	mf_core_put_runs(&runs, &text, CORE_PAGE);
	mf_core_put_run(&runs, place, place + CORE_PAGE, MF_PAGE_PRESENT);
	mf_core_put_run(&runs, place + CORE_PAGE, place + 2 * CORE_PAGE,
			MF_PAGE_SWAPPED);
	mf_core_put_run(&runs, place + 3 * CORE_PAGE, place + 6 * CORE_PAGE,
			MF_PAGE_PRESENT | MF_PAGE_HUGE);
	mf_core_end_runs(&runs);
	core_note(core, MF_NOTE_OWNER, MF_NOTE_RESIDENCY, text.text, text.size);
}

/* Loads of what is resident only, as ours are. */
static void forge(struct core *core)
{
	core_begin(core);
	core_add_thread(core, PID, place + 0x500);
	core_add_thread(core, PID + 1, 0);
	core_load(core, place, 1, 1, DATA);
	core_fill(core, 0, "first", 5);
	core_load(core, place + 3 * CORE_PAGE, 2, 2, DATA);
	core_fill(core, 1, "fifth", 5);
}

static void test_process(void **state)
{
	const struct mf_target_info *info;
	struct mf_impact impact;
	struct mf_target *target;
	struct core core;

	(void)state;
	forge(&core);
	add_process(&core);
	core_finish(&core);
	target = core_open(&core, NULL);
	info = mf_target_info(target);
	assert_int_equal(info->kind, MF_TARGET_CORE);
	assert_int_equal(info->pid, PID);
	assert_int_equal(info->nspid, 7);
	assert_string_equal(info->exe, "/opt/exe");
	assert_string_equal(info->cmdline[1], "with words");
	assert_string_equal(info->origin, "memforensics 1.2.3");
	assert_int_equal(info->taken_s, 1700000000);
	assert_int_equal(info->age_ms, 1234);
	assert_int_equal(info->limits.cpus, 3);
	assert_int_equal(info->status.vm_rss, 777 * CORE_PAGE);
	assert_true(core_lacks(target, "memory", "busy"));
	mf_target_get_impact(target, &impact);
	assert_int_equal(impact.stop, MF_STOP_NONE);
	assert_string_equal(impact.why, "a core file");
	assert_true(impact.racy);
	mf_target_close(target);
	core_end(&core);
}

static void test_mappings(void **state)
{
	const struct mf_mapping *mappings;
	struct mf_target *target;
	struct core core;
	size_t count;

	(void)state;
	forge(&core);
	add_mappings(&core);
	core_finish(&core);
	target = core_open(&core, NULL);
	mappings = mf_target_mappings(target, &count);
	assert_int_equal(count, 3);
	assert_string_equal(mappings[0].path, "[heap]");
	assert_int_equal(mappings[1].inode, 99);
	assert_int_equal(mappings[0].vm_flags, MF_VM_NORESERVE);
	assert_true(mappings[2].usage_known);
	assert_int_equal(mappings[2].usage.rss, 3 * CORE_PAGE);
	assert_false(mappings[2].usage.lacks & MF_FIGURE_RSS);
	mf_target_close(target);
	core_end(&core);
}

static void test_threads(void **state)
{
	const struct mf_thread *threads;
	struct mf_target *target;
	struct core core;
	size_t count;

	(void)state;
	forge(&core);
	add_threads(&core);
	add_waits(&core);
	core_finish(&core);
	target = core_open(&core, NULL);
	threads = mf_target_threads(target, &count);
	assert_int_equal(count, 2);
	assert_string_equal(threads[0].comm, "main");
	assert_int_equal(threads[0].state, 'S');
	assert_int_equal(threads[0].cpu_ms, 55);
	assert_true(threads[0].registers_known);
	assert_int_equal(threads[0].sp, place + 0x500);
	assert_false(threads[1].registers_known);
	assert_int_equal(threads[1].sp, 0x22);
	assert_string_equal(threads[0].wait_channel, "");
	assert_string_equal(threads[1].wait_channel, "futex_wait");
	mf_target_close(target);
	core_end(&core);
}

static void test_residency(void **state)
{
	const uint8_t expected[] = {
		MF_PAGE_PRESENT,
		MF_PAGE_SWAPPED,
		0,
		MF_PAGE_PRESENT | MF_PAGE_HUGE,
		MF_PAGE_PRESENT | MF_PAGE_HUGE,
		MF_PAGE_PRESENT | MF_PAGE_HUGE,
		0,
		0,
	};
	uint8_t flags[8], bytes[8 * CORE_PAGE];
	struct mf_error *error;
	struct mf_target *target;
	struct core core;

	(void)state;
	forge(&core);
	add_mappings(&core);
	add_residency(&core);
	core_finish(&core);
	target = core_open(&core, NULL);
	error = mf_target_residency(target, place, 8, flags);
	assert_null(error);
	assert_memory_equal(flags, expected, sizeof(expected));
	error = mf_target_read_pages(target, place, 8, bytes, flags);
	assert_null(error);
	assert_memory_equal(bytes, "first", 5);
	assert_memory_equal(bytes + 4 * CORE_PAGE, "fifth", 5);
	assert_false(core_lacks(target, "residency", ""));
	/* the sixth was there, and is not in the core */
	assert_true(flags[5] & MF_PAGE_UNREADABLE);
	assert_int_equal(flags[4], expected[4]);
	mf_target_close(target);
	core_end(&core);
}

/* What a file of the same name has now is not what the process saw, unless it
 * is the very file and nobody wrote to it. */
static void check_data_file(uint64_t taken_s, uint64_t inode_change, bool read)
{
	char path[] = "/tmp/mf-core-XXXXXX", byte = 0;
	int fd = mkstemp(path);
	struct mf_core_process process = {
		.tool = "1",
		.info = { .exe = "",
			  .comm = "",
			  .arch = "",
			  .page_size = CORE_PAGE },
		.impact.why = "",
		.taken_s = taken_s,
	};
	struct stat status;
	struct mf_target *target;
	struct core core;
	MF_AUTO_BUFFER(text);
	MF_AUTO_BUFFER(maps);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "data", 4), 4);
	assert_int_equal(fstat(fd, &status), 0);
	forge(&core);
	mf_core_put_process(&text, &process);
	core_note(&core, MF_NOTE_OWNER, MF_NOTE_PROCESS, text.text, text.size);
	mf_core_put_mapping(&maps,
			    &(struct mf_mapping){
				    .start = place + 64 * CORE_PAGE,
				    .end = place + 65 * CORE_PAGE,
				    .inode = status.st_ino + inode_change,
				    .dev_major = major(status.st_dev),
				    .dev_minor = minor(status.st_dev),
				    .perms = MF_PERM_READ,
				    .path = path,
			    });
	core_note(&core, MF_NOTE_OWNER, MF_NOTE_MAPPINGS, maps.text, maps.size);
	core_finish(&core);
	target = core_open(&core, NULL);
	assert_int_equal(
		mf_target_try_read(target, place + 64 * CORE_PAGE, &byte, 1),
		read);
	assert_int_equal(byte, read ? 'd' : 0);
	assert_int_equal(core_lacks(target, "files", ""), !read);
	mf_target_close(target);
	core_end(&core);
	close(fd);
	unlink(path);
}

static void test_data_file(void **state)
{
	const uint64_t later = UINT64_C(1) << 40;

	(void)state;
	check_data_file(later, 0, true);
	check_data_file(later, 1, false);
	check_data_file(1, 0, false);
	check_data_file(0, 0, false);
}

/* ---- damaged ------------------------------------------------------------------ */

static void check_damaged(uint32_t type, const void *bytes, size_t size,
			  const char *what)
{
	struct mf_target *target;
	struct core core;
	char text[6] = "";

	forge(&core);
	core_note(&core, MF_NOTE_OWNER, type, bytes, size);
	core_finish(&core);
	target = core_open(&core, NULL);
	assert_true(core_lacks(target, what, "damaged"));
	assert_true(mf_target_try_read(target, place, text, 5));
	assert_string_equal(text, "first");
	mf_target_close(target);
	core_end(&core);
}

static void test_damaged(void **state)
{
	static const char unaligned[] =
		"7f0000000123-7f0000002000 rw-p 00000000 00:00 0 \n";
	static const char overfull[] =
		"7f0000000000-7f0000002000 rw-p 00000000 00:00 0 \n"
		"Rss: 12 kB\n";
	static const unsigned char other_pages[] = {
		0x80, 0x80, 0x01, 1, 1, 1
	};
	static const unsigned char endless[] = { 0x80, 0x20, 0xff, 0xff };

	(void)state;
	check_damaged(MF_NOTE_PROCESS, "format 99", 10, "process");
	check_damaged(MF_NOTE_MAPPINGS, "nonsense\n", 9, "mappings");
	check_damaged(MF_NOTE_MAPPINGS, unaligned, sizeof(unaligned) - 1,
		      "mappings");
	check_damaged(MF_NOTE_MAPPINGS, overfull, sizeof(overfull) - 1,
		      "mappings");
	check_damaged(MF_NOTE_MAPPINGS, "", 0, "mappings");
	check_damaged(MF_NOTE_THREADS, "x y z", 6, "threads");
	check_damaged(MF_NOTE_WAITS, "x y z", 6, "wait channels");
	check_damaged(MF_NOTE_RESIDENCY, other_pages, sizeof(other_pages),
		      "residency");
	check_damaged(MF_NOTE_RESIDENCY, endless, sizeof(endless), "residency");
}

/* Of each note there is one: a second is not read. */
static void test_twice(void **state)
{
	const struct mf_partial *partials;
	struct mf_target *target;
	struct core core;
	size_t count, found = 0;

	(void)state;
	forge(&core);
	add_mappings(&core);
	for (size_t i = 0; i < 100; i++)
		core_note(&core, MF_NOTE_OWNER, MF_NOTE_PROCESS,
			  "format 1\0missing-what a\0missing-why b", 38);
	core_finish(&core);
	target = core_open(&core, NULL);
	mf_target_mappings(target, &count);
	assert_int_equal(count, 3);
	partials = mf_target_partials(target, &count);
	for (size_t i = 0; i < count; i++)
		found += strcmp(partials[i].what, "a") == 0;
	assert_int_equal(found, 1);
	mf_target_close(target);
	core_end(&core);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_process),
		cmocka_unit_test(test_mappings),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_residency),
		cmocka_unit_test(test_data_file),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
