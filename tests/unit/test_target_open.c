/*
 * What cannot be opened, and what is known of what can.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "target_util.h"

static void check_refused(pid_t pid, enum mf_error_code code, const char *why)
{
	struct mf_target_options options = { .stop = MF_STOP_NONE };
	struct mf_target *target = NULL;
	struct mf_error *error = mf_target_open_live(pid, &options, &target);

	assert_non_null(error);
	assert_int_equal(error->code, code);
	assert_non_null(error->hint);
	if (!strstr(error->why, why))
		print_error("%s, not %s\n", error->why, why);
	assert_non_null(strstr(error->why, why));
	mf_error_destroy(error);
}

static void test_missing(void **state)
{
	struct child child;

	(void)state;
	start_child(&child, NULL);
	end_child(&child);
	check_refused(child.pid, MF_ERROR_NO_PROCESS, "no such process");
	check_refused(0, MF_ERROR_NO_PROCESS, "no such process");
	check_refused(-1, MF_ERROR_NO_PROCESS, "no such process");
}

static void test_zombie(void **state)
{
	siginfo_t info;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(0);
	waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
	check_refused(pid, MF_ERROR_NO_PROCESS, "zombie");
	waitpid(pid, NULL, 0);
}

static void execute(int signal_number)
{
	(void)signal_number;
	execl("/bin/sleep", "sleep", "1000", (char *)NULL);
	_exit(127);
}

static void *execute_when_told(void)
{
	signal(SIGUSR1, execute);
	return NULL;
}

static bool is_sleep(pid_t pid)
{
	char path[64], name[32] = "";
	FILE *stream;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	stream = fopen(path, "r");
	assert_non_null(stream);
	assert_non_null(fgets(name, sizeof(name), stream));
	fclose(stream);
	return strcmp(name, "sleep\n") == 0;
}

static void check_gone(struct mf_error *error, const char *why)
{
	assert_non_null(error);
	assert_int_equal(error->code, MF_ERROR_NO_PROCESS);
	assert_non_null(strstr(error->why, why));
	assert_non_null(error->hint);
	mf_error_destroy(error);
}

/* Its memory is another's now, and is not mixed with what is known of it. */
static void test_gone_while_read(void **state)
{
	struct mf_target_options options = { .stop = MF_STOP_NONE };
	struct mf_target *target;
	struct child child;

	(void)state;
	start_child(&child, execute_when_told);
	fail_on(mf_target_open_live(child.pid, &options, &target));
	kill(child.pid, SIGUSR1);
	while (!is_sleep(child.pid))
		sched_yield();
	check_gone(mf_target_refresh(target), "another program");
	mf_target_close(target);
	fail_on(mf_target_open_live(child.pid, &options, &target));
	end_child(&child);
	check_gone(mf_target_refresh(target), "ended");
	mf_target_close(target);
}

static void test_kernel_thread(void **state)
{
	(void)state;
	if (access("/proc/2/comm", R_OK) != 0)
		skip(); /* not in this namespace */
	check_refused(2, MF_ERROR_UNSUPPORTED, "kernel thread");
}

static volatile pid_t *shared_tid;

static void *tell_tid(void *argument)
{
	*shared_tid = (pid_t)syscall(SYS_gettid);
	for (;;)
		pause();
	return argument;
}

static void *start_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, tell_tid, NULL);
	while (!*shared_tid)
		sched_yield();
	return NULL;
}

static void test_thread(void **state)
{
	struct child child;
	char why[64];

	(void)state;
	shared_tid = mmap(NULL, CHILD_PAGE, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	start_child(&child, start_thread);
	snprintf(why, sizeof(why), "it is a thread of process %d",
		 (int)child.pid);
	check_refused(*shared_tid, MF_ERROR_NO_PROCESS, why);
	end_child(&child);
}

static void *leave_leader(void *argument)
{
	(void)argument;
	for (;;)
		pause();
	return NULL;
}

/* The leader ends, its memory lives on in another thread. */
static void test_dead_leader(void **state)
{
	struct mf_target *target;
	struct child child = { .pid = fork() };
	pthread_t thread;
	uint64_t value;
	int tracer;

	(void)state;
	if (child.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pthread_create(&thread, NULL, leave_leader, NULL);
		syscall(SYS_exit, 0);
	}
	skip_in_valgrind();
	while (state_of(child.pid, &tracer) != 'Z')
		sched_yield();
	target = open_child(&child, MF_STOP_BRIEF, 10000000000ULL);
	fail_on(mf_target_hold(target));
	assert_true(mf_target_is_still(target));
	assert_true(mf_target_read_u64(target, (uintptr_t)&shared_tid, &value));
	mf_target_close(target);
	end_child(&child);
}

static void test_info(void **state)
{
	struct child child;
	struct mf_target *target;
	const struct mf_target_info *info;
	char exe[4096] = "";
	cpu_set_t cpus;

	(void)state;
	start_child(&child, NULL);
	target = open_child(&child, MF_STOP_NONE, 0);
	info = mf_target_info(target);
	assert_true(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0);
	assert_int_equal(info->kind, MF_TARGET_LIVE);
	assert_int_equal(info->pid, child.pid);
	assert_int_equal(info->nspid, child.pid);
	assert_string_equal(info->exe, exe);
	assert_non_null(strstr(info->cmdline[0], "test_target_open"));
	assert_null(info->cmdline[1]);
	assert_int_equal(info->thread_count, 1);
	assert_int_equal(info->page_size, getpagesize());
	assert_true(info->status.vm_rss > 0);
	assert_true(info->status.vm_size > info->status.vm_rss);
	assert_int_equal(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
	assert_int_equal(info->limits.cpus, CPU_COUNT(&cpus));
	assert_true(info->limits.max_map_count > 1000);
	assert_true(info->limits.memory_available > 1000);
	mf_target_close(target);
	end_child(&child);
}

/* As another user, it says whose it is and what to type. */
static void test_other_user(void **state)
{
	int status;
	struct child child;
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip();
	start_child(&child, NULL);
	pid = fork();
	if (pid == 0) {
		if (setgid(65534) != 0 || setuid(65534) != 0)
			_exit(1);
		check_refused(child.pid, MF_ERROR_PERMISSION,
			      "it belongs to user root");
		_exit(0);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	end_child(&child);
}

/* The same user, but not dumpable. */
static void test_not_dumpable(void **state)
{
	int ready[2], status;
	pid_t pid;
	char byte;

	(void)state;
	skip_in_valgrind();
	if (geteuid() != 0)
		skip();
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		pid_t victim;

		if (setgid(65534) != 0 || setuid(65534) != 0)
			_exit(1);
		victim = fork();
		if (victim == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			prctl(PR_SET_DUMPABLE, 0);
			if (write(ready[1], "", 1) != 1)
				_exit(1);
			for (;;)
				pause();
		}
		if (read(ready[0], &byte, 1) != 1)
			_exit(1);
		check_refused(victim, MF_ERROR_PERMISSION, "not dumpable");
		_exit(0);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	close(ready[0]);
	close(ready[1]);
}

/* The file is the one that is mapped, not one of the same name. */
static void *map_and_replace(void)
{
	char path[] = "/tmp/mf-file.XXXXXX";
	int fd = mkstemp(path);
	void *at;

	if (write(fd, "old", 3) != 3)
		return NULL;
	at = mmap(NULL, CHILD_PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	unlink(path);
	close(fd);
	return at;
}

static void test_deleted_file(void **state)
{
	struct child child;
	struct mf_target *target;
	const struct mf_mapping *mapping;
	char bytes[3];
	int fd = -1;

	(void)state;
	if (geteuid() != 0)
		skip();
	start_child(&child, map_and_replace);
	target = open_child(&child, MF_STOP_NONE, 0);
	mapping = mf_target_mapping_at(target, child.address);
	assert_non_null(mapping);
	assert_true(mapping->deleted);
	assert_null(strstr(mapping->path, "deleted"));
	fail_on(mf_target_open_file(target, mapping, &fd));
	assert_int_equal(read(fd, bytes, 3), 3);
	assert_memory_equal(bytes, "old", 3);
	close(fd);
	mf_target_close(target);
	end_child(&child);
}

static void test_forged(void **state)
{
	static uint8_t bytes[4 * CHILD_PAGE];
	static const uint8_t pages[] = { MF_PAGE_PRESENT, MF_PAGE_SWAPPED, 0,
					 MF_PAGE_PRESENT };
	struct mf_target *target = mf_target_create_forged();
	struct mf_mapping mapping = { .start = 0x10000,
				      .end = 0x14000,
				      .path = "[heap]" };
	struct mf_page_counts counts;
	uint32_t value;

	(void)state;
	memset(bytes, 0x5a, sizeof(bytes));
	mf_target_forge_mapping(target, &mapping, bytes, pages);
	mapping.start = 0x8000;
	mapping.end = 0x9000;
	mf_target_forge_mapping(target, &mapping, NULL, NULL);
	assert_true(mf_target_read_u32(target, 0x10000, &value));
	assert_int_equal(value, 0x5a5a5a5a);
	assert_false(mf_target_read_u32(target, 0x10ffe, &value));
	assert_true(mf_target_read_u32(target, 0x12000, &value));
	assert_int_equal(value, 0);
	assert_true(mf_target_read_u32(target, 0x8000, &value));
	assert_false(mf_target_read_u32(target, 0x9000, &value));
	fail_on(mf_target_count_pages(target, 0, UINT64_MAX, &counts));
	assert_int_equal(counts.present, 2);
	assert_int_equal(counts.swapped, 1);
	assert_int_equal(mf_target_mapping_at(target, 0x8fff)->start, 0x8000);
	assert_null(mf_target_mapping_at(target, 0x9000));
	fail_on(mf_target_hold(target));
	assert_true(mf_target_is_still(target));
	mf_target_note_partial(target, "a", "%d", 1);
	mf_target_note_partial(target, "a", "%d", 1);
	size_t count;
	mf_target_partials(target, &count);
	assert_int_equal(count, 1);
	mf_target_close(target);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_zombie),
		cmocka_unit_test(test_gone_while_read),
		cmocka_unit_test(test_kernel_thread),
		cmocka_unit_test(test_thread),
		cmocka_unit_test(test_dead_leader),
		cmocka_unit_test(test_info),
		cmocka_unit_test(test_other_user),
		cmocka_unit_test(test_not_dumpable),
		cmocka_unit_test(test_deleted_file),
		cmocka_unit_test(test_forged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
