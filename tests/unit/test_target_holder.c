/*
 * Threads that we hold while another one of their process executes a program:
 * that one waits for their end, which is not complete before their tracer has
 * looked. It must come to run its program, whatever we do meanwhile.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "target/holder.h"
#include "target/proc.h"
#include "target_util.h"

/* In memory that all share. */
struct told {
	_Atomic pid_t idle, executes;
	_Atomic bool go;
};

static struct told *told;

static void *idle(void *argument)
{
	(void)argument;
	told->idle = (pid_t)syscall(SYS_gettid);
	for (;;)
		pause();
	return NULL;
}

static void *execute(void *argument)
{
	(void)argument;
	told->executes = (pid_t)syscall(SYS_gettid);
	while (!told->go)
		sched_yield();
	execl("/bin/sleep", "sleep", "1000", (char *)NULL);
	_exit(1);
}

static void *start_both(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, idle, NULL);
	pthread_create(&thread, NULL, execute, NULL);
	while (!told->idle || !told->executes)
		sched_yield();
	return NULL;
}

static bool executed(pid_t pid)
{
	char path[64], comm[32] = "";
	FILE *stream;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	stream = fopen(path, "r");
	if (!stream)
		_exit(10);
	if (!fgets(comm, sizeof(comm), stream))
		_exit(11);
	fclose(stream);
	return strcmp(comm, "sleep\n") == 0;
}

/* Holds the idle thread until the other one has ended it. */
static void hold_until_it_ends(struct mf_tracer *tracer,
			       struct mf_held_thread *held)
{
	char path[64], text[512];
	struct mf_proc_stat stat = { 0 };

	held->tid = told->idle;
	if (!mf_tracer_interrupt(tracer, held->tid))
		_exit(12);
	while (held->kind == MF_HELD_NEW)
		mf_tracer_look_at(held, 0);
	if (held->kind != MF_HELD_STOPPED)
		_exit(13);
	told->go = true;
	snprintf(path, sizeof(path), "%d/stat", (int)held->tid);
	while (stat.state != 'Z')
		if (mf_proc_read_text(tracer->task, path, text, sizeof(text)) <
			    0 ||
		    !mf_proc_parse_stat(text, &stat))
			_exit(14);
}

static void run(void (*work)(struct mf_tracer *tracer, pid_t pid), int *status)
{
	struct mf_tracer tracer = { 0 };
	struct child child;
	char path[64];
	pid_t pid;

	told = mmap(NULL, CHILD_PAGE, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(told != MAP_FAILED);
	start_child(&child, start_both);
	snprintf(path, sizeof(path), "/proc/%d/task", (int)child.pid);
	tracer.task = open(path, O_RDONLY | O_DIRECTORY);
	assert_true(tracer.task >= 0);
	pid = fork();
	if (pid == 0) {
		work(&tracer, child.pid);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, status, 0), pid);
	while (!executed(child.pid))
		sched_yield();
	close(tracer.task);
	end_child(&child);
	munmap(told, CHILD_PAGE);
}

static void let_go(struct mf_tracer *tracer, pid_t pid)
{
	struct mf_held_thread held = { 0 };

	hold_until_it_ends(tracer, &held);
	mf_tracer_detach(tracer, &held);
	if (tracer->leftover || held.kind != MF_HELD_GONE)
		_exit(15);
	/* not because we end */
	while (!executed(pid))
		sched_yield();
}

static void test_held_thread_ends(void **state)
{
	int status;

	(void)state;
	run(let_go, &status);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void seize(struct mf_tracer *tracer, pid_t pid)
{
	struct mf_held_thread held = { 0 };

	(void)pid;
	hold_until_it_ends(tracer, &held);
	mf_tracer_interrupt(tracer, told->executes);
}

/* Both would wait for each other; some kernels do not let it come to that. */
static void test_seizing_ends_us(void **state)
{
	int status;

	(void)state;
	run(seize, &status);
	assert_true(WIFEXITED(status) ||
		    (WIFSIGNALED(status) && WTERMSIG(status) == SIGVTALRM));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_held_thread_ends),
		cmocka_unit_test(test_seizing_ends_us),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
