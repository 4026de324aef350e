/*
 * Copies of a live process: they stand still while it runs on, nobody in it can
 * see them, and nothing of them stays, whoever is killed.
 */
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "target_util.h"

enum {
	ROUNDS = 30,
	PAGES = 64,
	LONG_PAUSE = 2000000000,
	EXIT_SIGNAL = 38, /* fields of /proc/PID/stat */
	STATE = 3,
	THREADS = 20,
};

/* Memory that the test and the target share. */
static volatile uint64_t *shared_turns;

/* Private pages that are all written with the same number, again and again. */
static uint64_t (*pages)[CHILD_PAGE / sizeof(uint64_t)];

static void *write_pages(void *argument)
{
	(void)argument;
	for (uint64_t turn = 1;; turn++) {
		for (int i = 0; i < PAGES; i++)
			pages[i][turn % 8] = turn;
		*shared_turns = turn;
	}
	return NULL;
}

static void *start_writing(void)
{
	pthread_t thread;

	pages = mmap(NULL, PAGES * sizeof(*pages), PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_create(&thread, NULL, write_pages, NULL);
	return pages;
}

static void set_up(struct child *child, void *(*work)(void))
{
	void *page = mmap(NULL, CHILD_PAGE, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(page != MAP_FAILED);
	shared_turns = page;
	start_child(child, work);
}

static void await_turn(void)
{
	uint64_t before = *shared_turns;

	while (*shared_turns < before + 2)
		sched_yield();
}

/* Fills LIST with the children of all threads of PID; how many. */
static unsigned children_of(pid_t pid, pid_t *list, unsigned room)
{
	char command[128], text[1024] = "", *at = text, *end;
	unsigned count = 0;
	FILE *stream;

	snprintf(command, sizeof(command),
		 "cat /proc/%d/task/*/children 2>/dev/null", (int)pid);
	stream = popen(command, "r"); /* NOLINT(cert-env33-c): a test */
	assert_non_null(stream);
	assert_true(fread(text, 1, sizeof(text) - 1, stream) < sizeof(text));
	pclose(stream);
	for (; count < room; at = end) {
		long one = strtol(at, &end, 10);

		if (end == at)
			break;
		list[count++] = (pid_t)one;
	}
	return count;
}

/* Open files of PID. */
static unsigned count_files(pid_t pid)
{
	char path[64];
	unsigned count = 0;
	DIR *directory;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	directory = opendir(path);
	assert_non_null(directory);
	while (readdir(directory)) /* NOLINT(concurrency-mt-unsafe) */
		count++;
	closedir(directory);
	return count - 2; /* . and .. */
}

static bool is_snapshot(const struct mf_target *target)
{
	struct mf_impact impact;

	mf_target_get_impact(target, &impact);
	return impact.stop == MF_STOP_SNAPSHOT;
}

/* All pages of the copy, and again: the same, and of one moment. */
static void assert_frozen(const struct child *child, struct mf_target *target)
{
	static uint64_t seen[2][PAGES][CHILD_PAGE / sizeof(uint64_t)];
	uint64_t most[PAGES] = { 0 };

	fail_on(mf_target_read_pages(target, child->address, PAGES, seen[0],
				     NULL));
	await_turn();
	fail_on(mf_target_read_pages(target, child->address, PAGES, seen[1],
				     NULL));
	assert_memory_equal(seen[0], seen[1], sizeof(seen[0]));
	for (int i = 0; i < PAGES; i++)
		for (int j = 0; j < 8; j++)
			most[i] = MF_MAX(most[i], seen[0][i][j]);
	/* pages are written in order: at most one step lies between them */
	for (int i = 1; i < PAGES; i++)
		assert_true(most[i] == most[i - 1] ||
			    most[i] + 1 == most[i - 1]);
	assert_true(most[0] - most[PAGES - 1] <= 1);
}

static void assert_free(pid_t pid)
{
	int tracer;
	char state = state_of(pid, &tracer);

	assert_int_equal(tracer, 0);
	assert_true(state != 't' && state != 'T');
}

static void test_frozen(void **state)
{
	struct child child;
	struct mf_target *target;
	struct mf_impact impact;
	pid_t children[8];

	(void)state;
	set_up(&child, start_writing);
	await_turn();
	for (int round = 0; round < ROUNDS; round++) {
		target = open_child(&child, MF_STOP_SNAPSHOT, LONG_PAUSE);
		fail_on(mf_target_hold(target));
		if (!is_snapshot(target))
			skip(); /* not on this processor */
		assert_int_equal(mf_target_info(target)->kind,
				 MF_TARGET_SNAPSHOT);
		assert_true(mf_target_is_still(target));
		assert_int_equal(children_of(child.pid, children, 8), 1);
		assert_int_equal(stat_field(children[0], EXIT_SIGNAL), 0);
		assert_free(child.pid);
		assert_true(count_files(child.pid) > 0);
		/* before Linux 5.9 it shares those of its parent */
		if (close_range(~0U, ~0U, 0) == 0)
			assert_int_equal(count_files(children[0]), 0);
		assert_frozen(&child, target);
		mf_target_release(target);
		assert_frozen(&child, target);
		mf_target_drop_copy(target);
		assert_int_equal(children_of(child.pid, children, 8), 0);
		mf_target_get_impact(target, &impact);
		assert_int_equal(impact.stops, 2);
		assert_false(impact.racy);
		assert_true(impact.longest_pause_ms <= impact.pause_ms);
		mf_target_close(target);
	}
	await_turn();
	assert_free(child.pid);
	end_child(&child);
}

/* Registers are those of the stop, of every thread. */
static void test_registers(void **state)
{
	const struct mf_thread *threads;
	struct child child;
	struct mf_target *target;
	size_t count;

	(void)state;
	set_up(&child, start_writing);
	target = open_child(&child, MF_STOP_SNAPSHOT, LONG_PAUSE);
	fail_on(mf_target_hold(target));
	threads = mf_target_threads(target, &count);
	assert_int_equal(count, 2);
	for (size_t i = 0; i < count; i++) {
		assert_true(threads[i].registers_known);
		assert_true(threads[i].sp && threads[i].pc && threads[i].tp);
	}
	mf_target_close(target);
	end_child(&child);
}

/* ---- who is killed ---------------------------------------------------------- */

/* A process of its own that makes a copy, says so, and waits. */
static pid_t hold_elsewhere(const struct child *child)
{
	int held[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(held), 0);
	pid = fork();
	if (pid == 0) {
		struct mf_target *target =
			open_child(child, MF_STOP_SNAPSHOT, LONG_PAUSE);

		fail_on(mf_target_hold(target));
		if (write(held[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(held[0], &byte, 1), 1);
	close(held[0]);
	close(held[1]);
	return pid;
}

static void end_process(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_we_are_killed(void **state)
{
	pid_t children[8], pid;
	struct child child;

	(void)state;
	set_up(&child, start_writing);
	for (int round = 0; round < ROUNDS / 3; round++) {
		pid = hold_elsewhere(&child);
		end_process(pid);
		/* the holder sees it, and leaves nothing */
		while (children_of(child.pid, children, 8))
			sched_yield();
	}
	await_turn();
	assert_free(child.pid);
	end_child(&child);
}

static void test_holder_is_killed(void **state)
{
	pid_t children[8], holders[8], pid;
	struct child child;
	struct mf_target *target;

	(void)state;
	set_up(&child, start_writing);
	for (int round = 0; round < ROUNDS / 3; round++) {
		pid = hold_elsewhere(&child);
		assert_int_equal(children_of(pid, holders, 8), 1);
		kill(holders[0], SIGKILL);
		while (children_of(child.pid, children, 8) == 1 &&
		       stat_field(children[0], STATE) == 0 &&
		       state_of(children[0], &(int){ 0 }) != 'Z')
			sched_yield();
		end_process(pid);
		await_turn();
		assert_free(child.pid);
	}
	/* each took what the one before had left */
	assert_int_equal(children_of(child.pid, children, 8), 1);
	/* whoever stops it next leaves it clean */
	target = open_child(&child, MF_STOP_BRIEF, LONG_PAUSE);
	fail_on(mf_target_hold(target));
	mf_target_close(target);
	assert_int_equal(children_of(child.pid, children, 8), 0);
	end_child(&child);
}

/* The one that traces for this process. */
static pid_t find_holder(void)
{
	char path[64], comm[32];
	pid_t children[8];
	unsigned count = children_of(getpid(), children, 8);

	for (unsigned i = 0; i < count; i++) {
		FILE *stream;

		snprintf(path, sizeof(path), "/proc/%d/comm", (int)children[i]);
		stream = fopen(path, "r");
		if (!stream)
			continue; /* the one that looked for them */
		if (fgets(comm, sizeof(comm), stream) &&
		    strcmp(comm, "mf-holder\n") == 0) {
			fclose(stream);
			return children[i];
		}
		fclose(stream);
	}
	fail();
	return 0;
}

/* Who has lost the holder, and the copy with it, leaves nothing either. */
static void test_holder_is_lost(void **state)
{
	struct child child;
	struct mf_target *target;
	pid_t children[8];

	(void)state;
	set_up(&child, start_writing);
	target = open_child(&child, MF_STOP_SNAPSHOT, LONG_PAUSE);
	fail_on(mf_target_hold(target));
	if (!is_snapshot(target))
		skip(); /* not on this processor */
	kill(find_holder(), SIGKILL);
	assert_int_equal(children_of(child.pid, children, 8), 1);
	mf_target_close(target);
	assert_int_equal(children_of(child.pid, children, 8), 0);
	await_turn();
	assert_free(child.pid);
	end_child(&child);
}

/* A copy that somebody kills is taken at once, while we still look at it. */
static void test_copy_is_killed(void **state)
{
	struct child child;
	struct mf_target *target;
	pid_t children[8];

	(void)state;
	set_up(&child, start_writing);
	target = open_child(&child, MF_STOP_SNAPSHOT, LONG_PAUSE);
	fail_on(mf_target_hold(target));
	if (!is_snapshot(target))
		skip(); /* not on this processor */
	assert_int_equal(children_of(child.pid, children, 8), 1);
	kill(children[0], SIGKILL);
	while (children_of(child.pid, children, 8))
		sched_yield();
	assert_false(mf_target_is_still(target));
	mf_target_close(target);
	await_turn();
	assert_free(child.pid);
	end_child(&child);
}

static void *work_in_namespace(void)
{
	pid_t *first = mmap(NULL, CHILD_PAGE, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (unshare(CLONE_NEWPID) != 0)
		return NULL;
	*first = fork();
	if (*first)
		return first;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	start_writing();
	for (;;)
		pause();
}

/* The first process of a pid namespace ends when all others in it have. */
static void test_namespace_ends(void **state)
{
	struct child child;
	struct mf_target *target;
	struct mf_target_options options = { .stop = MF_STOP_SNAPSHOT,
					     .max_pause_ns = LONG_PAUSE };
	pid_t first[8];
	int tracer;

	(void)state;
	set_up(&child, work_in_namespace);
	if (!child.address) {
		end_child(&child);
		skip(); /* only root makes namespaces here */
	}
	assert_int_equal(children_of(child.pid, first, 8), 1);
	await_turn();
	fail_on(mf_target_open_live(first[0], &options, &target));
	fail_on(mf_target_hold(target));
	kill(first[0], SIGKILL);
	/* its parent never waits: a zombie is all that stays of it */
	while (state_of(first[0], &tracer) != 'Z')
		sched_yield();
	while (stat_field(first[0], THREADS) > 1)
		sched_yield();
	mf_target_close(target);
	end_child(&child);
}

/* Zombies of its own are not ours to take. */
static void *leave_zombies(void)
{
	if (fork() == 0)
		_exit(0);
	if (fork() == 0)
		raise(SIGKILL);
	return start_writing();
}

static void test_zombies_of_others(void **state)
{
	pid_t children[8];
	struct child child;
	struct mf_target *target;

	(void)state;
	set_up(&child, leave_zombies);
	target = open_child(&child, MF_STOP_SNAPSHOT, LONG_PAUSE);
	fail_on(mf_target_hold(target));
	assert_int_equal(children_of(child.pid, children, 8),
			 is_snapshot(target) ? 3 : 2);
	mf_target_close(target);
	assert_int_equal(children_of(child.pid, children, 8), 2);
	end_child(&child);
}

/* ---- what cannot be copied ---------------------------------------------------- */

static void test_stopped(void **state)
{
	struct child child;
	struct mf_target *target;
	struct mf_impact impact;
	int tracer;

	(void)state;
	set_up(&child, start_writing);
	kill(child.pid, SIGSTOP);
	while (state_of(child.pid, &tracer) != 'T')
		sched_yield();
	target = open_child(&child, MF_STOP_SNAPSHOT, LONG_PAUSE);
	fail_on(mf_target_hold(target));
	mf_target_get_impact(target, &impact);
	assert_int_not_equal(impact.stop, MF_STOP_SNAPSHOT);
	mf_target_close(target);
	while (state_of(child.pid, &tracer) != 'T')
		sched_yield();
	assert_int_equal(tracer, 0);
	kill(child.pid, SIGCONT);
	await_turn();
	end_child(&child);
}

/* A folder of v2's tree that we may freeze; false: there is none here. */
static bool make_cgroup(char *folder, size_t size)
{
	static const char *const mounts[] = { "/sys/fs/cgroup",
					      "/sys/fs/cgroup/unified" };
	char path[128];

	for (size_t i = 0; i < MF_ARRAY_SIZE(mounts); i++) {
		snprintf(folder, size, "%s/mf-test-%d", mounts[i],
			 (int)getpid());
		if (mkdir(folder, 0755) != 0)
			continue;
		snprintf(path, sizeof(path), "%s/cgroup.freeze", folder);
		if (access(path, W_OK) == 0)
			return true;
		rmdir(folder);
	}
	return false;
}

static bool write_number(const char *folder, const char *name, int number)
{
	char path[128];
	FILE *stream;
	bool is_written;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	stream = fopen(path, "w");
	is_written = stream && fprintf(stream, "%d\n", number) > 0;
	return stream && fclose(stream) == 0 && is_written;
}

static void freeze(const char *folder)
{
	char path[128], text[256] = "";
	FILE *stream;

	assert_true(write_number(folder, "cgroup.freeze", 1));
	snprintf(path, sizeof(path), "%s/cgroup.events", folder);
	while (!strstr(text, "frozen 1")) {
		stream = fopen(path, "r");
		assert_non_null(stream);
		text[fread(text, 1, sizeof(text) - 1, stream)] = '\0';
		fclose(stream);
	}
}

static bool has_blocked_signals(pid_t pid)
{
	char path[64], line[256];
	unsigned long long blocked = 0;
	FILE *stream;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	stream = fopen(path, "r");
	assert_non_null(stream);
	while (fgets(line, sizeof(line), stream))
		if (strncmp(line, "SigBlk:", 7) == 0)
			blocked = strtoull(line + 7, NULL, 16);
	fclose(stream);
	return blocked != 0;
}

/* A thread of a paused container would make no call before it is thawed. */
static void test_frozen_cgroup(void **state)
{
	char folder[64];
	struct child child;
	struct mf_target *target;
	pid_t children[8];

	(void)state;
	set_up(&child, start_writing);
	if (!make_cgroup(folder, sizeof(folder))) {
		end_child(&child);
		skip(); /* no cgroup v2 that we may write to */
	}
	assert_true(write_number(folder, "cgroup.procs", (int)child.pid));
	freeze(folder);
	target = open_child(&child, MF_STOP_SNAPSHOT, LONG_PAUSE);
	fail_on(mf_target_hold(target));
	assert_false(is_snapshot(target));
	mf_target_close(target);
	assert_false(has_blocked_signals(child.pid));
	assert_true(write_number(folder, "cgroup.freeze", 0));
	await_turn();
	assert_int_equal(children_of(child.pid, children, 8), 0);

	/* frozen in the meantime: left as it was */
	target = open_child(&child, MF_STOP_SNAPSHOT, LONG_PAUSE);
	fail_on(mf_target_hold(target));
	freeze(folder);
	mf_target_close(target);
	assert_false(has_blocked_signals(child.pid));
	assert_true(write_number(folder, "cgroup.freeze", 0));
	await_turn();
	assert_free(child.pid);
	end_child(&child);
	assert_int_equal(rmdir(folder), 0);
}

/* ---- targets that go elsewhere ---------------------------------------------- */

static void execute(int number)
{
	(void)number;
	execl("/bin/sleep", "sleep", "1000", (char *)NULL);
	_exit(1);
}

static void *exec_when_told(void)
{
	signal(SIGUSR1, execute);
	return start_writing();
}

static void await_exec(pid_t pid)
{
	char path[64], comm[32] = "";
	FILE *stream;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	while (strcmp(comm, "sleep\n") != 0) {
		stream = fopen(path, "r");
		assert_non_null(stream);
		assert_non_null(fgets(comm, sizeof(comm), stream));
		fclose(stream);
	}
}

/* The program that runs then has other code and other stacks. */
static void test_target_executes(void **state)
{
	struct child child;
	struct mf_target *target;
	uint8_t page[CHILD_PAGE];
	pid_t children[8];

	(void)state;
	set_up(&child, exec_when_told);
	target = open_child(&child, MF_STOP_SNAPSHOT, LONG_PAUSE);
	fail_on(mf_target_hold(target));
	if (!is_snapshot(target))
		skip(); /* not on this processor */
	kill(child.pid, SIGUSR1);
	await_exec(child.pid);
	assert_true(mf_target_is_still(target));
	fail_on(mf_target_read_pages(target, child.address, 1, page, NULL));
	assert_int_equal(children_of(child.pid, children, 8), 1);
	mf_target_close(target);
	assert_int_equal(children_of(child.pid, children, 8), 0);
	assert_free(child.pid);
	end_child(&child);
}

static void test_target_ends(void **state)
{
	struct child child;
	struct mf_target *target;
	uint8_t page[CHILD_PAGE];

	(void)state;
	set_up(&child, start_writing);
	target = open_child(&child, MF_STOP_SNAPSHOT, LONG_PAUSE);
	fail_on(mf_target_hold(target));
	if (!is_snapshot(target))
		skip(); /* not on this processor */
	end_child(&child);
	assert_true(mf_target_is_still(target));
	fail_on(mf_target_read_pages(target, child.address, 1, page, NULL));
	mf_target_drop_copy(target);
	mf_target_close(target);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frozen),
		cmocka_unit_test(test_registers),
		cmocka_unit_test(test_we_are_killed),
		cmocka_unit_test(test_holder_is_killed),
		cmocka_unit_test(test_holder_is_lost),
		cmocka_unit_test(test_copy_is_killed),
		cmocka_unit_test(test_namespace_ends),
		cmocka_unit_test(test_zombies_of_others),
		cmocka_unit_test(test_stopped),
		cmocka_unit_test(test_frozen_cgroup),
		cmocka_unit_test(test_target_executes),
		cmocka_unit_test(test_target_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
