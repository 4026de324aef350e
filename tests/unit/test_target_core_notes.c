/*
 * Our own notes of a core: what is written is read again as it was, and bytes
 * that lie give what came before the lie.
 */
#include <elf.h>
#include <string.h>

#include "base/memory.h"
#include "target/core_notes.h"
#include "unit.h"

/* ---- the process ------------------------------------------------------------ */

static struct mf_core_process a_process(const char *const *cmdline,
					const struct mf_partial *partials,
					size_t count)
{
	struct mf_core_process process = {
		.tool = "9.8.7",
		.taken_s = 1700000000,
		.has_files = true,
		.info = { .pid = 4321,
			  .nspid = 7,
			  .exe = "/opt/a b\n\x1b[31m",
			  .comm = "worker",
			  .cmdline = cmdline,
			  .thread_count = 12,
			  .arch = "x86_64",
			  .page_size = 16384,
			  .user_end = UINT64_C(1) << 56,
			  .tls_above = true,
			  .age_ms = 123456789,
			  .limits = { .cgroup_memory_max = UINT64_MAX,
				      .cgroup_memory_current = 1,
				      .cgroup_file = 2,
				      .cgroup_slab = 3,
				      .address_space = 4,
				      .stack = 8 << 20,
				      .max_map_count = 65530,
				      .memory_available = UINT64_MAX - 1,
				      .cpu_quota = 0.33333,
				      .cpus = 64 },
			  .status = { 1, 2, 3, 4, 5, 6, 7, 8, 9 } },
		.impact = { .stop = MF_STOP_BRIEF,
			    .why = "--stop brief",
			    .racy = true,
			    .pause_ran_out = true,
			    .stops = 2,
			    .pause_ms = 12.345678,
			    .longest_pause_ms = 11.5,
			    .bytes_read = 99,
			    .pages_faulted_in = 5 },
		.partials = partials,
		.partial_count = count,
	};

	return process;
}

static void a_process_is_read_as_it_was_written(void **state)
{
	const char *const cmdline[] = { "/bin/x", "", "two words", "\n", NULL };
	const struct mf_partial partials[] = { { "stop", "it would not" },
					       { "memory", "no" } };
	struct mf_core_process process = a_process(cmdline, partials, 2), got;
	struct mf_pool pool = { 0 };
	MF_AUTO_BUFFER(note);

	(void)state;
	mf_core_put_process(&note, &process);
	assert_true(mf_core_get_process(note.text, note.size, &pool, &got));
	assert_string_equal(got.tool, process.tool);
	assert_int_equal(got.taken_s, process.taken_s);
	assert_true(got.has_files);
	assert_string_equal(got.info.exe, process.info.exe);
	assert_string_equal(got.info.comm, "worker");
	assert_string_equal(got.info.arch, "x86_64");
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(got.info.cmdline[i], cmdline[i]);
	assert_null(got.info.cmdline[4]);
	assert_int_equal(got.info.pid, 4321);
	assert_int_equal(got.info.nspid, 7);
	assert_int_equal(got.info.thread_count, 12);
	assert_int_equal(got.info.page_size, 16384);
	assert_int_equal(got.info.user_end, UINT64_C(1) << 56);
	assert_true(got.info.tls_above);
	assert_int_equal(got.info.age_ms, 123456789);
	assert_memory_equal(&got.info.limits, &process.info.limits,
			    offsetof(struct mf_limits, cpus));
	assert_int_equal(got.info.limits.cpus, 64);
	assert_memory_equal(&got.info.status, &process.info.status,
			    sizeof(got.info.status));
	assert_int_equal(got.impact.stop, MF_STOP_BRIEF);
	assert_string_equal(got.impact.why, "--stop brief");
	assert_true(got.impact.racy && got.impact.pause_ran_out);
	assert_int_equal(got.impact.stops, 2);
	assert_true(got.impact.pause_ms == 12.345678);
	assert_true(got.impact.longest_pause_ms == 11.5);
	assert_int_equal(got.impact.bytes_read, 99);
	assert_int_equal(got.impact.pages_faulted_in, 5);
	assert_int_equal(got.partial_count, 2);
	assert_string_equal(got.partials[0].what, "stop");
	assert_string_equal(got.partials[1].why, "no");
	mf_pool_deinit(&pool);
}

/* Every cut and every changed byte is read without harm. */
static void a_damaged_process_gives_what_it_has(void **state)
{
	const char *const cmdline[] = { "/bin/x", NULL };
	const struct mf_partial partial = { "stop", "it would not" };
	struct mf_core_process process = a_process(cmdline, &partial, 1), got;
	MF_AUTO_BUFFER(note);

	(void)state;
	mf_core_put_process(&note, &process);
	for (size_t i = 0; i < note.size; i++) {
		mf_auto_free char *bytes = mf_calloc(note.size, 1);
		struct mf_pool pool = { 0 };

		memcpy(bytes, note.text, note.size);
		(void)mf_core_get_process(bytes, i, &pool, &got);
		assert_non_null(got.info.exe);
		assert_non_null(got.info.cmdline);
		bytes[i] ^= 0x41;
		(void)mf_core_get_process(bytes, note.size, &pool, &got);
		assert_non_null(got.info.comm);
		assert_false(got.info.page_size & (got.info.page_size - 1));
		mf_pool_deinit(&pool);
	}
}

static bool process_of(const char *bytes, size_t size,
		       struct mf_core_process *got, struct mf_pool *pool)
{
	return mf_core_get_process(bytes, size, pool, got);
}

#define PROCESS_OF(text, got, pool) \
	process_of((text), sizeof(text), (got), (pool))

static void what_is_unknown_is_passed_over(void **state)
{
	struct mf_pool pool = { 0 };
	struct mf_core_process got;

	(void)state;
	assert_true(PROCESS_OF("format 1\0color blue\0pid 5", &got, &pool));
	assert_int_equal(got.info.pid, 5);
	assert_int_equal(got.info.limits.stack, UINT64_MAX);
	assert_int_equal(got.impact.stop, MF_STOP_NONE);
	assert_false(PROCESS_OF("format 2\0pid 5", &got, &pool));
	assert_false(PROCESS_OF("format 1\0pid 99999999999", &got, &pool));
	assert_false(PROCESS_OF("format 1\0pid -1", &got, &pool));
	assert_false(PROCESS_OF("format 1\0page-size 12288", &got, &pool));
	assert_int_equal(got.info.page_size, 4096);
	assert_true(PROCESS_OF("format 1\0missing-why b\0missing-what a", &got,
			       &pool));
	assert_int_equal(got.partial_count, 0);
	mf_pool_deinit(&pool);
}

/* ---- mappings ---------------------------------------------------------------- */

static void mappings_are_read_as_they_were_written(void **state)
{
	const struct mf_mapping written[] = {
		{ .start = 0x1000,
		  .end = 0x3000,
		  .offset = 0x2000,
		  .inode = 77,
		  .dev_major = 0xfe,
		  .dev_minor = 3,
		  .perms = MF_PERM_READ | MF_PERM_EXEC,
		  .path = "/usr/lib/a b.so",
		  .deleted = true,
		  .usage_known = true,
		  .vm_flags = MF_VM_HUGEPAGE | MF_VM_UFFD | MF_VM_IO,
		  .usage = { 0x3000, 0x1000, 0x2000, 0x1000, 0x400, 0x800,
			     0xc00, 0, .lacks = MF_FIGURE_LOCKED } },
		{ .start = 0x3000,
		  .end = UINT64_C(0xffffffffff601000),
		  .perms = MF_PERM_WRITE | MF_PERM_SHARED,
		  .path = "" },
	};
	struct mf_mappings got = { 0 };
	MF_AUTO_BUFFER(note);

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(written); i++)
		mf_core_put_mapping(&note, &written[i]);
	assert_true(mf_core_get_mappings(note.text, note.size, &got));
	assert_int_equal(got.count, MF_ARRAY_SIZE(written));
	for (size_t i = 0; i < MF_ARRAY_SIZE(written); i++) {
		const struct mf_mapping *a = &written[i], *b = &got.items[i];

		assert_int_equal(a->start, b->start);
		assert_int_equal(a->end, b->end);
		assert_int_equal(a->offset, b->offset);
		assert_int_equal(a->inode, b->inode);
		assert_int_equal(a->dev_major, b->dev_major);
		assert_int_equal(a->dev_minor, b->dev_minor);
		assert_int_equal(a->perms, b->perms);
		assert_int_equal(a->vm_flags, b->vm_flags);
		assert_int_equal(a->deleted, b->deleted);
		assert_int_equal(a->usage_known, b->usage_known);
		assert_string_equal(a->path, b->path);
		assert_int_equal(a->usage.lacks, b->usage.lacks);
		assert_memory_equal(&a->usage, &b->usage,
				    offsetof(struct mf_usage, lacks));
	}
	mf_mappings_clear(&got);
}

static size_t mappings_of(const char *text, bool sound)
{
	struct mf_mappings got = { 0 };
	size_t count;

	assert_int_equal(mf_core_get_mappings(text, strlen(text), &got), sound);
	count = got.count;
	mf_mappings_clear(&got);
	return count;
}

static void mappings_that_lie_end_the_list(void **state)
{
	mf_auto_free char *path = mf_calloc(MF_MAPS_LINE + 100, 1);

	(void)state;
	assert_int_equal(mappings_of("", true), 0);
	assert_int_equal(mappings_of("Rss: 4 kB\n", false), 0);
	assert_int_equal(mappings_of("1000-2000 r--p 0 0:0 0\n"
				     "1000-3000 r--p 0 0:0 0\n",
				     false),
			 1);
	assert_int_equal(mappings_of("2000-1000 r--p 0 0:0 0\n", false), 0);
	/* without its newline, the last line is one all the same */
	assert_int_equal(mappings_of("1000-2000 r--p 0 0:0 0 /x", true), 1);
	memset(path, 'a', MF_MAPS_LINE + 99);
	/* NOLINTNEXTLINE(bugprone-not-null-terminated-result): it goes on */
	memcpy(path, "1000-2000 r--p 0 0:0 0 ", 23);
	assert_int_equal(mappings_of(path, false), 0);
}

/* ---- threads -------------------------------------------------------------------- */

struct seen {
	struct mf_thread threads[4];
	size_t count;
};

static void see_thread(void *context, const struct mf_thread *thread)
{
	struct seen *seen = context;

	assert_true(seen->count < MF_ARRAY_SIZE(seen->threads));
	seen->threads[seen->count++] = *thread;
}

static void threads_are_read_as_they_were_written(void **state)
{
	const struct mf_thread thread = {
		.tid = 5,
		.comm = "a b\n\xff",
		.state = 'S',
		.cpu_ms = UINT64_MAX,
		.pc = 0x7fffffffffff,
		.sp = UINT64_MAX,
		.in_syscall = true,
		.syscall = -1,
		.registers_known = true,
	};
	struct mf_thread nameless = { .tid = 6, .state = 'R' };
	struct seen seen = { 0 };
	MF_AUTO_BUFFER(note);

	(void)state;
	mf_core_put_thread(&note, &thread);
	mf_core_put_thread(&note, &nameless);
	assert_true(
		mf_core_get_threads(note.text, note.size, see_thread, &seen));
	assert_int_equal(seen.count, 2);
	assert_memory_equal(&seen.threads[0], &thread, sizeof(thread));
	assert_memory_equal(&seen.threads[1], &nameless, sizeof(nameless));
	seen.count = 0;
	assert_false(mf_core_get_threads(note.text, note.size - 1, see_thread,
					 &seen));
	assert_int_equal(seen.count, 1);
}

static void threads_that_lie_end_the_list(void **state)
{
	static const char *const records[] = {
		"",
		"x",
		"5 83 0 0 0 0 0 0",
		"5 830 0 0 0 0 0 0 a",
		"99999999999 83 0 0 0 0 0 0 a",
		"5 83 0 2 0 0 0 0 a",
		"5 83 0 1 0 0 0 0 a-name-of-sixteen",
		"5 83 99999999999999999999 1 0 0 0 0 a",
	};
	struct seen seen = { 0 };

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(records); i++)
		assert_false(mf_core_get_threads(
			records[i], strlen(records[i]) + 1, see_thread, &seen));
	assert_int_equal(seen.count, 0);
}

/* ---- where they wait --------------------------------------------------------------- */

struct waits {
	pid_t tids[4];
	char channels[4][MF_WAIT_CHANNEL];
	size_t count;
};

static void see_wait(void *context, pid_t tid, const char *channel)
{
	struct waits *waits = context;

	assert_true(waits->count < MF_ARRAY_SIZE(waits->tids));
	assert_true(strlen(channel) < MF_WAIT_CHANNEL);
	waits->tids[waits->count] = tid;
	memcpy(waits->channels[waits->count++], channel, strlen(channel) + 1);
}

static void waits_are_read_as_they_were_written(void **state)
{
	const struct mf_thread threads[] = {
		{ .tid = 5, .wait_channel = "futex_wait" },
		{ .tid = 6 },
		{ .tid = 7, .wait_channel = "a b\n\xff" },
	};
	struct waits waits = { .count = 0 };
	MF_AUTO_BUFFER(note);

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(threads); i++)
		mf_core_put_wait(&note, &threads[i]);
	assert_true(mf_core_get_waits(note.text, note.size, see_wait, &waits));
	assert_int_equal(waits.count, 2);
	assert_int_equal(waits.tids[0], 5);
	assert_string_equal(waits.channels[0], "futex_wait");
	assert_int_equal(waits.tids[1], 7);
	assert_string_equal(waits.channels[1], "a b\n\xff");
	waits.count = 0;
	assert_false(
		mf_core_get_waits(note.text, note.size - 1, see_wait, &waits));
	assert_int_equal(waits.count, 1);
}

static void waits_that_lie_end_the_list(void **state)
{
	static const char *const records[] = {
		"",	"x",
		"5",	"99999999999 a",
		"-5 a", "5 a-name-of-more-than-forty-bytes-is-cut-off",
	};
	struct waits waits = { .count = 0 };

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(records); i++)
		assert_false(mf_core_get_waits(
			records[i], strlen(records[i]) + 1, see_wait, &waits));
	assert_int_equal(waits.count, 0);
}

/* ---- residency ------------------------------------------------------------------- */

struct run {
	uint64_t start, end;
	uint8_t flags;
};

struct runs {
	struct run items[8];
	size_t count;
};

static void see_run(void *context, uint64_t start, uint64_t end, uint8_t flags)
{
	struct runs *runs = context;

	assert_true(runs->count < MF_ARRAY_SIZE(runs->items));
	runs->items[runs->count++] = (struct run){ start, end, flags };
}

static void assert_run(const struct run *run, uint64_t start, uint64_t end,
		       unsigned flags)
{
	assert_int_equal(run->start, start);
	assert_int_equal(run->end, end);
	assert_int_equal(run->flags, flags);
}

static void runs_are_read_as_they_were_written(void **state)
{
	const uint64_t top = UINT64_C(0xffffffffff600000);
	struct mf_core_runs writer;
	struct runs got = { 0 };
	uint64_t page_size = 0;
	MF_AUTO_BUFFER(note);

	(void)state;
	mf_core_put_runs(&writer, &note, 4096);
	mf_core_put_run(&writer, 0x1000, 0x3000, MF_PAGE_PRESENT);
	mf_core_put_run(&writer, 0x3000, 0x4000, MF_PAGE_PRESENT);
	mf_core_put_run(&writer, 0x4000, 0x5000, MF_PAGE_SWAPPED);
	mf_core_put_run(&writer, 0x9000, 0xa000, MF_PAGE_SWAPPED);
	mf_core_put_run(&writer, 0x9000, 0xa000, MF_PAGE_PRESENT); /* twice */
	mf_core_put_run(&writer, top, top + 0x1000, 0xff);
	mf_core_end_runs(&writer);
	assert_true(mf_core_get_runs(note.text, note.size, &page_size, see_run,
				     &got));
	assert_int_equal(page_size, 4096);
	assert_int_equal(got.count, 4);
	assert_run(&got.items[0], 0x1000, 0x4000, MF_PAGE_PRESENT);
	assert_run(&got.items[1], 0x4000, 0x5000, MF_PAGE_SWAPPED);
	assert_run(&got.items[2], 0x9000, 0xa000, MF_PAGE_SWAPPED);
	assert_run(&got.items[3], top, top + 0x1000, 0xff);
	got.count = 0;
	assert_false(mf_core_get_runs(note.text, note.size - 1, &page_size,
				      see_run, &got));
	assert_int_equal(got.count, 3);
}

static void runs_that_lie_end_the_list(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
	} notes[] = {
		{ "", 0 },
		{ "\x80", 1 },
		{ "\x05", 1 },		       /* a page of five bytes */
		{ "\x80\x20\x01\x00\x01", 5 }, /* no pages */
		{ "\x80\x20\x01\x01", 4 },     /* no flags */
		{ "\x80\x20\x01\x01\x80\x02", 6 },
		/* more pages than there are addresses */
		{ "\x80\x20\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01",
		  14 },
		{ "\x80\x20\xff\xff\xff\xff\xff\xff\xff\x07\xff\x7f\x01", 13 },
		/* a number of more than 64 bits */
		{ "\x80\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x01\x01",
		  14 },
	};
	struct runs got = { 0 };
	uint64_t page_size;

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(notes); i++)
		assert_false(mf_core_get_runs(notes[i].bytes, notes[i].size,
					      &page_size, see_run, &got));
	assert_int_equal(got.count, 0);
}

/* ---- the note ---------------------------------------------------------------------- */

static void a_note_is_padded_as_elf_wants_it(void **state)
{
	Elf64_Nhdr header;
	MF_AUTO_BUFFER(notes);

	(void)state;
	mf_core_add_note(&notes, "CORE", NT_PRSTATUS, "abcde", 5);
	mf_core_add_note(&notes, MF_NOTE_OWNER, MF_NOTE_THREADS, "", 0);
	assert_int_equal(notes.size, 12 + 8 + 8 + 12 + 16);
	memcpy(&header, notes.text, sizeof(header));
	assert_int_equal(header.n_namesz, 5);
	assert_int_equal(header.n_descsz, 5);
	assert_int_equal(header.n_type, NT_PRSTATUS);
	assert_memory_equal(notes.text + 12, "CORE\0\0\0\0abcde\0\0\0", 16);
	memcpy(&header, notes.text + 28, sizeof(header));
	assert_int_equal(header.n_namesz, 13);
	assert_int_equal(header.n_type, MF_NOTE_THREADS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_is_read_as_it_was_written),
		cmocka_unit_test(a_damaged_process_gives_what_it_has),
		cmocka_unit_test(what_is_unknown_is_passed_over),
		cmocka_unit_test(mappings_are_read_as_they_were_written),
		cmocka_unit_test(mappings_that_lie_end_the_list),
		cmocka_unit_test(threads_are_read_as_they_were_written),
		cmocka_unit_test(threads_that_lie_end_the_list),
		cmocka_unit_test(waits_are_read_as_they_were_written),
		cmocka_unit_test(waits_that_lie_end_the_list),
		cmocka_unit_test(runs_are_read_as_they_were_written),
		cmocka_unit_test(runs_that_lie_end_the_list),
		cmocka_unit_test(a_note_is_padded_as_elf_wants_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
