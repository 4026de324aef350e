/*
 * Holding a live process: all its threads, no longer than allowed, and let go
 * whatever becomes of who holds.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ptrace.h>

#include "target_util.h"

enum {
	THREADS = 20,
	SECOND = 1000000000,
	WAKE_TRIES = 100000,
};

#define WATCHED UINT64_C(0x123456789ab0)

static void *shared_page;
static volatile uint64_t *counter; /* in it */

static void *count_up(void *argument)
{
	(void)argument;
	for (;;)
		++*counter;
	return NULL;
}

static void *pause_for_ever(void *argument)
{
	(void)argument;
	for (;;)
		pause();
	return NULL;
}

/* One thread counts in memory that the test sees too; others wait. */
static void *count_in_threads(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, count_up, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&thread, NULL, pause_for_ever, NULL);
	return NULL;
}

static void set_up(struct child *child, void *(*work)(void))
{
	shared_page = mmap(NULL, CHILD_PAGE, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(shared_page != MAP_FAILED);
	counter = shared_page;
	start_child(child, work);
}

static void tear_down(const struct child *child)
{
	end_child(child);
	munmap(shared_page, CHILD_PAGE);
}

/* Returns once the counter moved on. */
static void await_count(void)
{
	uint64_t before = *counter;

	while (*counter == before)
		sched_yield();
}

static void assert_free(pid_t pid)
{
	int tracer;
	char state = state_of(pid, &tracer);

	assert_int_equal(tracer, 0);
	assert_true(state != 't' && state != 'T');
}

/* Names and values are in one order: that of the stack pointer is known. */
static void assert_register_names(const struct mf_thread *thread)
{
	const char *name;
	bool found = false;

	for (size_t i = 0; (name = mf_target_register_name(i)); i++) {
		if (strcmp(name, "rsp") != 0 && strcmp(name, "sp") != 0)
			continue;
		assert_int_equal(thread->general[i], thread->sp);
		found = true;
	}
	assert_true(found);
}

static void test_all_threads(void **state)
{
	struct child child;
	struct mf_target *target;
	const struct mf_thread *threads;
	struct mf_impact impact;
	uint64_t before;
	size_t count;

	(void)state;
	set_up(&child, count_in_threads);
	await_count();
	target = open_child(&child, MF_STOP_BRIEF, 60ULL * SECOND);
	fail_on(mf_target_hold(target));
	fail_on(mf_target_hold(target));
	assert_true(mf_target_is_still(target));
	before = *counter;
	threads = mf_target_threads(target, &count);
	assert_int_equal(count, THREADS + 2);
	for (size_t i = 0; i < count; i++) {
		assert_true(threads[i].registers_known);
		assert_true(threads[i].sp && threads[i].pc && threads[i].tp);
		assert_register_names(&threads[i]);
		assert_true(!i || threads[i - 1].tid < threads[i].tid);
		assert_non_null(mf_target_mapping_at(target, threads[i].sp));
	}
	for (int i = 0; i < 1000; i++)
		sched_yield();
	mf_target_release(target);
	assert_true(mf_target_is_still(target));
	assert_true(*counter == before);
	mf_target_release(target);
	assert_false(mf_target_is_still(target));
	await_count();
	assert_free(child.pid);
	mf_target_get_impact(target, &impact);
	assert_int_equal(impact.stop, MF_STOP_BRIEF);
	assert_int_equal(impact.stops, 1);
	assert_true(impact.pause_ms > 0);
	assert_false(impact.racy);
	mf_target_release(target);
	mf_target_close(target);
	tear_down(&child);
}

static void test_time_is_over(void **state)
{
	struct child child;
	struct mf_target *target;
	struct mf_impact impact;

	(void)state;
	set_up(&child, count_in_threads);
	target = open_child(&child, MF_STOP_BRIEF, SECOND);
	fail_on(mf_target_hold(target));
	/* nobody lets go, and it runs on all the same */
	while (mf_target_is_still(target))
		sched_yield();
	await_count();
	mf_target_get_impact(target, &impact);
	mf_target_release(target);
	mf_target_get_impact(target, &impact);
	assert_true(impact.racy);
	assert_true(impact.pause_ran_out);
	assert_true(impact.pause_ms >= 1000);
	/* and can be held again */
	fail_on(mf_target_hold(target));
	assert_true(mf_target_is_still(target));
	mf_target_close(target);
	await_count();
	assert_free(child.pid);
	tear_down(&child);
}

/* The tracer of PID, once there is one. */
static pid_t tracer_of(pid_t pid)
{
	int tracer;

	state_of(pid, &tracer);
	return tracer;
}

static void test_holder_is_killed(void **state)
{
	struct child child;
	struct mf_target *target;
	struct mf_impact impact;

	(void)state;
	set_up(&child, count_in_threads);
	target = open_child(&child, MF_STOP_BRIEF, 60ULL * SECOND);
	fail_on(mf_target_hold(target));
	assert_true(tracer_of(child.pid) > 0);
	kill(tracer_of(child.pid), SIGKILL);
	await_count();
	assert_false(mf_target_is_still(target));
	mf_target_release(target);
	mf_target_get_impact(target, &impact);
	assert_true(impact.racy);
	assert_false(impact.pause_ran_out);
	assert_free(child.pid);
	/* a new one takes its place */
	fail_on(mf_target_hold(target));
	assert_true(mf_target_is_still(target));
	mf_target_close(target);
	assert_free(child.pid);
	tear_down(&child);
}

/* A whole memforensics dies while it holds. */
static void test_we_are_killed(void **state)
{
	struct child child;
	int held[2];
	char byte;
	pid_t pid;

	(void)state;
	set_up(&child, count_in_threads);
	assert_int_equal(pipe(held), 0);
	pid = fork();
	if (pid == 0) {
		struct mf_target *target =
			open_child(&child, MF_STOP_BRIEF, 600ULL * SECOND);

		fail_on(mf_target_hold(target));
		if (write(held[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(held[0], &byte, 1), 1);
	assert_true(tracer_of(child.pid) > 0);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	await_count();
	while (tracer_of(child.pid))
		sched_yield();
	assert_free(child.pid);
	close(held[0]);
	close(held[1]);
	tear_down(&child);
}

static void test_stopped_stays_stopped(void **state)
{
	struct child child;
	struct mf_target *target;
	int tracer;

	(void)state;
	set_up(&child, count_in_threads);
	kill(child.pid, SIGSTOP);
	while (state_of(child.pid, &tracer) != 'T')
		sched_yield();
	target = open_child(&child, MF_STOP_BRIEF, 60ULL * SECOND);
	fail_on(mf_target_hold(target));
	assert_true(mf_target_is_still(target));
	mf_target_release(target);
	/* It wakes up in the kernel to go back into its own stop. */
	for (unsigned i = 0;
	     i < WAKE_TRIES && state_of(child.pid, &tracer) != 'T'; i++)
		sched_yield();
	assert_int_equal(state_of(child.pid, &tracer), 'T');
	assert_int_equal(tracer, 0);
	mf_target_close(target);
	kill(child.pid, SIGCONT);
	await_count();
	tear_down(&child);
}

static void *vfork_later(void *argument)
{
	(void)argument;
	if (vfork() == 0) /* NOLINT(clang-analyzer-security.*) */
		for (;;)
			pause(); /* NOLINT(clang-analyzer-unix.Vfork) */
	return NULL;
}

/* The parent of a vfork waits in the kernel: it is not waited for for ever. */
static void *count_and_vfork(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, count_up, NULL);
	pthread_create(&thread, NULL, vfork_later, NULL);
	return NULL;
}

static bool has_state(pid_t pid, char wanted)
{
	struct mf_target_options options = { .stop = MF_STOP_NONE };
	struct mf_target *target;
	const struct mf_thread *threads;
	bool found = false;
	size_t count;

	fail_on(mf_target_open_live(pid, &options, &target));
	threads = mf_target_threads(target, &count);
	for (size_t i = 0; i < count; i++)
		found |= threads[i].state == wanted;
	mf_target_close(target);
	return found;
}

static pid_t child_of_thread(pid_t pid)
{
	char command[128], line[64] = "";
	FILE *stream;

	snprintf(command, sizeof(command), "cat /proc/%d/task/*/children",
		 (int)pid);
	stream = popen(command, "r"); /* NOLINT(cert-env33-c): a test */
	assert_non_null(stream);
	assert_non_null(fgets(line, sizeof(line), stream));
	pclose(stream);
	return (pid_t)strtol(line, NULL, 10);
}

static void test_vfork(void **state)
{
	struct child child;
	struct mf_target *target;
	const struct mf_partial *partials;
	size_t count;
	pid_t grandchild;

	(void)state;
	set_up(&child, count_and_vfork);
	while (!has_state(child.pid, 'D'))
		sched_yield();
	grandchild = child_of_thread(child.pid);
	target = open_child(&child, MF_STOP_BRIEF, 2ULL * SECOND);
	fail_on(mf_target_hold(target));
	assert_true(mf_target_is_still(target));
	partials = mf_target_partials(target, &count);
	assert_int_equal(count, 1);
	assert_string_equal(partials[0].what, "threads");
	mf_target_release(target);
	await_count();
	mf_target_close(target);
	assert_free(child.pid);
	kill(grandchild, SIGKILL);
	tear_down(&child);
}

static void test_auto(void **state)
{
	struct child child;
	struct mf_target *target;
	struct mf_impact impact;

	(void)state;
	set_up(&child, count_in_threads);
	target = open_child(&child, MF_STOP_AUTO, 1000);
	fail_on(mf_target_hold(target));
	mf_target_release(target);
	mf_target_get_impact(target, &impact);
	assert_int_equal(impact.stop, MF_STOP_NONE);
	assert_int_equal(impact.stops, 0);
	assert_true(impact.racy);
	assert_non_null(strstr(impact.why, "is over --max-pause"));
	mf_target_close(target);
	target = open_child(&child, MF_STOP_AUTO, 60ULL * SECOND);
	fail_on(mf_target_hold(target));
	mf_target_release(target);
	mf_target_get_impact(target, &impact);
	assert_int_equal(impact.stop, MF_STOP_SNAPSHOT);
	assert_false(impact.racy);
	assert_non_null(strstr(impact.why, "fits --max-pause"));
	mf_target_close(target);
	tear_down(&child);
}

/* Another tracer is there: read, not stopped, and it says who. */
static void test_traced_already(void **state)
{
	struct child child;
	struct mf_target *target;
	struct mf_impact impact;
	char name[64];
	uint64_t value;

	(void)state;
	set_up(&child, count_in_threads);
	assert_int_equal(ptrace(PTRACE_SEIZE, child.pid, NULL, NULL), 0);
	target = open_child(&child, MF_STOP_BRIEF, 60ULL * SECOND);
	assert_false(mf_target_can(target, MF_CAN_STOP));
	assert_true(mf_target_can(target, MF_CAN_READ));
	fail_on(mf_target_hold(target));
	mf_target_get_impact(target, &impact);
	assert_int_equal(impact.stop, MF_STOP_NONE);
	snprintf(name, sizeof(name), "by process %d (", (int)getpid());
	assert_non_null(strstr(impact.why, name));
	assert_true(mf_target_read_u64(target, (uintptr_t)&counter, &value));
	assert_int_equal(value, (uintptr_t)counter);
	mf_target_close(target);
	tear_down(&child);
}

/* ---- what the kernel has ---------------------------------------------------- */

static void count_word(const char *holder, uint64_t value, void *data)
{
	*(int *)data += !strcmp(holder, "epoll") && value == WATCHED;
}

static int count_words(struct mf_target *target)
{
	int count = 0;

	mf_target_each_kernel_word(target, count_word, &count);
	return count;
}

/* A copy has what the kernel had then, whatever became of it. */
static void test_kernel_words_of_a_copy(void **state)
{
	struct epoll_event event = { .events = EPOLLIN,
				     .data = { .u64 = WATCHED } };
	int watched = eventfd(0, EFD_CLOEXEC);
	int watcher = epoll_create1(EPOLL_CLOEXEC); /* the child's, too */
	struct mf_target *target;
	struct child child;
	bool is_copied;

	(void)state;
	assert_int_equal(epoll_ctl(watcher, EPOLL_CTL_ADD, watched, &event), 0);
	start_child(&child, NULL);
	target = open_child(&child, MF_STOP_SNAPSHOT, 2 * (uint64_t)SECOND);
	mf_target_want_kernel_words(target);
	fail_on(mf_target_hold(target));
	is_copied = mf_target_info(target)->kind == MF_TARGET_SNAPSHOT;
	if (is_copied) {
		assert_int_equal(count_words(target), 1);
		epoll_ctl(watcher, EPOLL_CTL_DEL, watched, NULL);
		assert_int_equal(count_words(target), 1);
		mf_target_release(target);
		assert_int_equal(count_words(target), 1);
		mf_target_drop_copy(target);
		assert_int_equal(count_words(target), 0);
	}
	mf_target_close(target);
	end_child(&child);
	close(watcher);
	close(watched);
	if (!is_copied)
		skip(); /* not on this processor */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_threads),
		cmocka_unit_test(test_kernel_words_of_a_copy),
		cmocka_unit_test(test_time_is_over),
		cmocka_unit_test(test_holder_is_killed),
		cmocka_unit_test(test_we_are_killed),
		cmocka_unit_test(test_stopped_stays_stopped),
		cmocka_unit_test(test_vfork),
		cmocka_unit_test(test_auto),
		cmocka_unit_test(test_traced_already),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
