/*
 * How a live target is held: asks the holder, and takes over what it found.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "target/decide.h"
#include "target/holder.h"

enum {
	ANSWER_MS = 2000, /* what an answer takes at most, beyond the pause */
};

struct mf_holder {
	pid_t pid; /* 0: not running */
	int socket;
	struct mf_holder_shared *shared;
};

/* ---- the holder's process ----------------------------------------------------- */

static bool start_holder(struct mf_live *live)
{
	struct mf_holder *holder = live->holder;
	int pair[2], task = openat(live->proc, "task",
				   O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (task < 0)
		return false;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
		close(task);
		return false;
	}
	atomic_store(&holder->shared->state, MF_HOLDER_IDLE);
	holder->pid = fork();
	if (holder->pid == 0)
		mf_holder_run(pair[1], task, holder->shared);
	close(task);
	close(pair[1]);
	holder->socket = pair[0];
	if (holder->pid > 0)
		return true;
	close(pair[0]);
	holder->pid = 0;
	return false;
}

/* End of file makes it let go and end. */
static void stop_holder(struct mf_holder *holder)
{
	if (!holder->pid)
		return;
	close(holder->socket);
	while (waitpid(holder->pid, NULL, 0) < 0 && errno == EINTR)
		;
	holder->pid = 0;
}

static void explain_tracer(struct mf_target *target, pid_t tracer)
{
	struct mf_live *live = mf_live_of(target);
	char path[64], comm[32];

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)tracer);
	if (mf_proc_read_text(AT_FDCWD, path, comm, sizeof(comm)) < 0)
		snprintf(comm, sizeof(comm), "?");
	live->no_hold = mf_pool_printf(
		&target->pool, "it is traced already, by process %d (%s)",
		(int)tracer, comm);
}

void mf_hold_prepare(struct mf_target *target)
{
	struct mf_live *live = mf_live_of(target);
	struct mf_proc_status status;
	mf_auto_error struct mf_error *error =
		mf_proc_read_status(live->proc, "status", &status);
	struct mf_holder *holder;
	void *shared;

	target->impact.why = "nothing was held yet";
	target->impact.racy = true;
	if (!error && status.tracer) {
		target->info.abilities &= ~(unsigned)MF_CAN_STOP;
		explain_tracer(target, status.tracer);
	}
	if (target->options.stop == MF_STOP_NONE ||
	    !mf_target_can(target, MF_CAN_STOP))
		return;
	shared = mmap(NULL, sizeof(struct mf_holder_shared),
		      PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (shared == MAP_FAILED)
		return;
	holder = mf_new(struct mf_holder);
	holder->shared = shared;
	live->holder = holder;
	if (!start_holder(live))
		mf_hold_close(target);
}

void mf_hold_close(struct mf_target *target)
{
	struct mf_live *live = mf_live_of(target);

	if (!live->holder)
		return;
	stop_holder(live->holder);
	munmap(live->holder->shared, sizeof(*live->holder->shared));
	free(live->holder);
	live->holder = NULL;
}

/* ---- asking --------------------------------------------------------------------- */

static bool await_answer(const struct mf_holder *holder, uint32_t ask,
			 int timeout_ms, int *number)
{
	struct pollfd poll_fd = { .fd = holder->socket, .events = POLLIN };
	struct mf_holder_answer answer;
	int got;

	do
		got = poll(&poll_fd, 1, timeout_ms);
	while (got < 0 && errno == EINTR);
	if (got <= 0 ||
	    recv(holder->socket, &answer, sizeof(answer), 0) !=
		    (ssize_t)sizeof(answer) ||
	    answer.ask != ask)
		return false;
	*number = answer.number;
	return true;
}

/* False when the holder is gone or does not answer; it is ended then. */
static bool ask_holder(struct mf_holder *holder, uint32_t ask,
		       uint64_t max_pause_ns, int *number)
{
	struct mf_holder_request request = { .ask = ask,
					     .max_pause_ns = max_pause_ns };
	uint64_t wait_ms = max_pause_ns / 1000000 + ANSWER_MS;

	if (holder->pid &&
	    send(holder->socket, &request, sizeof(request), MSG_NOSIGNAL) ==
		    (ssize_t)sizeof(request) &&
	    await_answer(holder, ask, (int)MF_MIN(wait_ms, (uint64_t)3600000),
			 number))
		return true;
	if (holder->pid)
		kill(holder->pid, SIGKILL);
	stop_holder(holder);
	return false;
}

/* ---- what the holder found ---------------------------------------------------------- */

static int compare_tid(const void *key, const void *element)
{
	const pid_t *tid = key;
	const struct mf_thread *thread = element;

	return (*tid > thread->tid) - (*tid < thread->tid);
}

static int compare_threads(const void *left, const void *right)
{
	const struct mf_thread *thread = left;

	return compare_tid(&thread->tid, right);
}

static void add_late_thread(struct mf_target *target, pid_t tid,
			    const struct mf_registers *registers)
{
	struct mf_live *live = mf_live_of(target);
	struct mf_thread thread = { .tid = tid, .state = 't' };
	char path[64];

	snprintf(path, sizeof(path), "task/%d/comm", (int)tid);
	if (mf_proc_read_text(live->proc, path, thread.comm,
			      sizeof(thread.comm)) < 0)
		thread.comm[0] = '\0';
	mf_arch_fill_thread(registers, &thread);
	mf_vec_push(&target->threads, thread);
}

/* Registers of the threads read before the stop, and the threads since. */
static void take_threads(struct mf_target *target)
{
	const struct mf_holder_shared *shared =
		mf_live_of(target)->holder->shared;
	size_t known = target->threads.count;

	mf_vec_sort(&target->threads, compare_threads);
	for (unsigned i = 0; i < shared->count; i++) {
		const struct mf_held_thread *held = &shared->threads[i];
		struct mf_thread *thread;

		if (held->kind == MF_HELD_GONE)
			continue;
		thread = bsearch(&held->tid, target->threads.items, known,
				 sizeof(*thread), compare_tid);
		if (thread)
			mf_arch_fill_thread(&held->registers, thread);
		else
			add_late_thread(target, held->tid, &held->registers);
	}
	if (shared->unstopped)
		mf_target_note_partial(
			target, "threads",
			"%u did not stop within a quarter of --max-pause (a "
			"vfork parent, or waiting in the kernel)",
			shared->unstopped);
}

static struct mf_error *explain_failure(struct mf_target *target, int number)
{
	struct mf_live *live = mf_live_of(target);
	const char *why = "the holder was ended";

	if (number == ESRCH)
		return mf_refusal_gone(live->proc, live->pid);
	if (number == ETIMEDOUT)
		why = "its threads could not be stopped within --max-pause";
	else if (number == EPERM)
		why = "ptrace is not permitted (another tracer came first, or "
		      "seccomp forbids it)";
	else if (number == E2BIG)
		why = "it has too many threads";
	else if (number)
		why = mf_pool_strdup(&target->pool, strerror(number));
	mf_decide_instead(target, MF_STOP_BRIEF, why);
	return NULL;
}

static struct mf_error *stop_target(struct mf_target *target)
{
	struct mf_live *live = mf_live_of(target);
	struct mf_holder *holder = live->holder;
	struct mf_error *error;
	int number = 0;

	if (!holder->pid && !start_holder(live))
		return explain_failure(target, 0);
	if (!ask_holder(holder, MF_ASK_HOLD, target->options.max_pause_ns,
			&number))
		return explain_failure(target, 0);
	if (number)
		return explain_failure(target, number);
	mf_debug("target", "%u threads stopped in %.2f ms",
		 holder->shared->count,
		 (double)holder->shared->caught_ns / 1000000.0);
	live->holding = true;
	target->impact.stops++;
	if (!target->was_stopped)
		target->impact.racy = false;
	target->was_stopped = true;
	error = mf_target_refresh(target);
	if (error) {
		mf_hold_end(target);
		return error;
	}
	take_threads(target);
	return NULL;
}

struct mf_error *mf_hold_begin(struct mf_target *target)
{
	mf_threads_read(target);
	target->threads_known = true;
	if (mf_decide_stop(target) == MF_STOP_BRIEF)
		return stop_target(target);
	return mf_target_refresh(target);
}

bool mf_hold_is_still(struct mf_target *target)
{
	struct mf_holder *holder = mf_live_of(target)->holder;
	struct pollfd poll_fd = { .events = POLLIN };

	if (!holder || !holder->pid ||
	    atomic_load(&holder->shared->state) != MF_HOLDER_HOLDS)
		return false;
	/* a holder that was killed closed its end */
	poll_fd.fd = holder->socket;
	return poll(&poll_fd, 1, 0) == 0;
}

static void add_pause(struct mf_impact *impact, uint64_t pause_ns)
{
	double pause_ms = (double)pause_ns / 1000000.0;

	impact->pause_ms += pause_ms;
	impact->longest_pause_ms = MF_MAX(impact->longest_pause_ms, pause_ms);
}

void mf_hold_end(struct mf_target *target)
{
	struct mf_live *live = mf_live_of(target);
	struct mf_holder *holder = live->holder;
	bool still = mf_hold_is_still(target);
	int number;

	if (!live->holding)
		return;
	live->holding = false;
	if (!still) {
		target->impact.racy = true;
		target->impact.pause_ran_out |=
			atomic_load(&holder->shared->ran_out) != 0;
	}
	ask_holder(holder, MF_ASK_RELEASE, 0, &number);
	mf_debug("target", "held for %.2f ms",
		 (double)atomic_load(&holder->shared->pause_ns) / 1000000.0);
	add_pause(&target->impact, atomic_load(&holder->shared->pause_ns));
}
