/*
 * The tracer, in a process of its own. PTRACE_SEIZE and PTRACE_INTERRUPT only:
 * when it dies at any point the kernel lets every thread go, and none stays
 * stopped. Between the first interrupt and the last detach it allocates
 * nothing.
 *
 * Stops are looked at with WNOWAIT and never consumed: a thread that was about
 * to take a signal keeps it even when we are killed.
 *
 * Threads that will not stop (a vfork parent waits in the kernel until its
 * child is done) are waited for a quarter of the pause, then counted. They run
 * nothing of their own before they stop.
 */
#include "target/holder.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "target/proc.h"
#include "target/remote.h"

enum {
	TIDS = 1 << 22, /* PID_MAX_LIMIT of a 64-bit kernel */
	TICK_US = 1000,
	PASSES_MAX = 1000,
	RUNNING_PASSES = 16, /* that new threads are looked for unhurriedly */
	LEAST_NICE = -20,
	LATE_NS = 1000000000, /* less than what main waits for an answer */
	ENDS_MS = 10,	      /* that one takes to end which was killed */
	BEYOND_MS = 2500,     /* the pause; more than what main waits */
	SEIZE_MS = 500,	      /* one thread, while others may be held */
};

/* Which tids are in shared->threads. */
static unsigned char known_tids[TIDS / 8];

static bool is_known(pid_t tid)
{
	return known_tids[tid / 8] & (1U << (tid % 8));
}

static void set_known(pid_t tid, bool known)
{
	unsigned char bit = (unsigned char)(1U << (tid % 8));

	if (known)
		known_tids[tid / 8] |= bit;
	else
		known_tids[tid / 8] &= (unsigned char)~bit;
}

uint64_t mf_tracer_held_ns(const struct mf_tracer *tracer)
{
	return tracer->started_ns ? mf_now_ns() - tracer->started_ns : 0;
}

/* ---- catching every thread ------------------------------------------------ */

/* linux/dirent.h's, which has no header outside the kernel. */
struct entry {
	uint64_t inode;
	int64_t offset;
	unsigned short length;
	unsigned char type;
	char name[];
};

/* 0 when TID is ours now, or has ended; else errno. */
static int seize(struct mf_tracer *tracer, pid_t tid)
{
	struct mf_holder_shared *shared = tracer->shared;
	struct mf_held_thread *thread;
	char path[32], text[256];
	const char *state;

	if (shared->count == MF_HOLDER_THREADS)
		return E2BIG;
	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) != 0) {
		int number = errno;

		if (number == ESRCH)
			return 0;
		/* a thread that has ended cannot be seized either */
		snprintf(path, sizeof(path), "%d/stat", (int)tid);
		if (mf_proc_read_text(tracer->task, path, text, sizeof(text)) <
		    0)
			return 0;
		state = strrchr(text, ')');
		if (state && strlen(state) > 2 && strchr("ZX", state[2]))
			return 0;
		return number;
	}
	thread = &shared->threads[shared->count++];
	thread->tid = tid;
	thread->kind = MF_HELD_NEW;
	thread->is_free = false;
	thread->signal = 0;
	thread->registers.size = 0;
	set_known(tid, true);
	return 0;
}

int mf_tracer_each_thread(struct mf_tracer *tracer, mf_visit_thread *visit)
{
	static _Alignas(8) char buffer[32768];
	long got;
	int number;

	if (lseek(tracer->task, 0, SEEK_SET) < 0)
		return errno;
	while ((got = syscall(SYS_getdents64, tracer->task, buffer,
			      sizeof(buffer))) > 0) {
		for (long at = 0; at < got;) {
			const struct entry *entry =
				(const struct entry *)(buffer + at);
			long tid = strtol(entry->name, NULL, 10);

			at += entry->length;
			if (tid <= 0 || tid >= TIDS)
				continue;
			number = visit(tracer, (pid_t)tid);
			if (number)
				return number;
		}
	}
	return got < 0 ? errno : 0;
}

static int seize_if_new(struct mf_tracer *tracer, pid_t tid)
{
	return is_known(tid) ? 0 : seize(tracer, tid);
}

/* Seizes the threads that are new; *FOUND says how many. */
static int seize_new(struct mf_tracer *tracer, unsigned *found)
{
	unsigned before = tracer->shared->count;
	int number = mf_tracer_each_thread(tracer, seize_if_new);

	*found = tracer->shared->count - before;
	return number;
}

/*
 * A thread that executes a program waits for the end of all others, and that of
 * one which we trace is not complete before we have looked. If we seize another
 * one just then, we wait for the first: both for ever. Our own end undoes it; and
 * main may not be there to see to that. All 0: no longer. Returns what was left
 * of the time that was set before.
 */
static struct itimerspec end_by(struct itimerspec when)
{
	static timer_t timer;
	static bool is_there;
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL,
				  .sigev_signo = SIGVTALRM };
	struct itimerspec before = { 0 };

	if (!is_there)
		is_there = timer_create(CLOCK_MONOTONIC, &event, &timer) == 0;
	if (is_there)
		timer_settime(timer, 0, &when, &before);
	return before;
}

static struct itimerspec end_in(uint64_t milliseconds)
{
	return end_by((struct itimerspec){
		.it_value.tv_sec = (time_t)(milliseconds / 1000),
		.it_value.tv_nsec = (long)(milliseconds % 1000) * 1000000,
	});
}

bool mf_tracer_interrupt(struct mf_tracer *tracer, pid_t tid)
{
	struct itimerspec before = end_in(SEIZE_MS);
	bool seized = ptrace(PTRACE_SEIZE, tid, NULL, NULL) == 0;

	end_by(before);
	if (!seized)
		return false;
	if (!tracer->started_ns)
		tracer->started_ns = mf_now_ns();
	ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
	return true;
}

static void interrupt(struct mf_tracer *tracer, unsigned first)
{
	if (!tracer->started_ns)
		tracer->started_ns = mf_now_ns();
	for (unsigned i = first; i < tracer->shared->count; i++)
		ptrace(PTRACE_INTERRUPT, tracer->shared->threads[i].tid, NULL,
		       NULL);
}

/* ---- what each thread was doing -------------------------------------------- */

/* The thread has stopped with STATUS (waitid's si_status). */
static void take_stop(struct mf_held_thread *thread, int status)
{
	int signal_number = status & 0x7f;

	if (status >> 8 == 0) {
		thread->kind = MF_HELD_SIGNAL;
		thread->signal = signal_number;
	} else if (signal_number == SIGTRAP) {
		thread->kind = MF_HELD_STOPPED;
	} else {
		thread->kind = MF_HELD_GROUP;
	}
	/* a stop that was there before us has its EINTR of right */
	if (mf_arch_get_registers(thread->tid, &thread->registers) &&
	    thread->kind != MF_HELD_GROUP)
		mf_arch_undo_eintr(thread->tid, &thread->registers);
}

/* Looks once, or waits (at most a tick), for THREAD to stop or end. */
void mf_tracer_look_at(struct mf_held_thread *thread, int options)
{
	siginfo_t info = { .si_pid = 0 };

	if (waitid(P_PID, (id_t)thread->tid, &info,
		   WSTOPPED | WEXITED | WNOWAIT | __WALL | options) != 0) {
		if (errno == ECHILD)
			thread->kind = MF_HELD_GONE;
		return;
	}
	if (!info.si_pid)
		return;
	if (info.si_code == CLD_TRAPPED || info.si_code == CLD_STOPPED) {
		take_stop(thread, info.si_status);
		return;
	}
	waitid(P_PID, (id_t)thread->tid, &info, WEXITED | WNOHANG | __WALL);
	thread->kind = MF_HELD_GONE;
}

/* Waits for all to stop: a tick wakes each wait, so that none is for ever. */
static void await_stops(struct mf_tracer *tracer)
{
	struct mf_holder_shared *shared = tracer->shared;
	uint64_t patience = tracer->max_pause_ns / 4;

	shared->unstopped = 0;
	mf_remote_set_tick(TICK_US);
	for (unsigned i = 0; i < shared->count; i++) {
		struct mf_held_thread *thread = &shared->threads[i];

		while (thread->kind == MF_HELD_NEW &&
		       mf_tracer_held_ns(tracer) < patience)
			mf_tracer_look_at(thread, 0);
		if (thread->kind == MF_HELD_NEW)
			mf_tracer_look_at(thread, WNOHANG);
		shared->unstopped += thread->kind == MF_HELD_NEW;
	}
	mf_remote_set_tick(0);
}

/* ---- letting go -------------------------------------------------------------- */

/* One that had stopped, and does not stand there: it was killed, by another that
 * executes a program, say. That one waits until this has been looked at. */
static bool has_ended(struct mf_held_thread *thread)
{
	if (thread->kind == MF_HELD_NEW)
		return false;
	for (int i = 0; i < ENDS_MS && thread->kind != MF_HELD_GONE; i++) {
		if (i)
			poll(NULL, 0, 1);
		mf_tracer_look_at(thread, WNOHANG);
	}
	return thread->kind == MF_HELD_GONE;
}

void mf_tracer_detach(struct mf_tracer *tracer, struct mf_held_thread *thread)
{
	if (thread->is_free)
		return;
	thread->is_free = true;
	if (thread->kind == MF_HELD_NEW)
		mf_tracer_look_at(thread, WNOHANG);
	if (thread->kind != MF_HELD_GONE &&
	    ptrace(PTRACE_DETACH, thread->tid, NULL,
		   mf_remote_pointer((uint64_t)thread->signal)) != 0 &&
	    !has_ended(thread))
		tracer->leftover = true;
	set_known(thread->tid, false);
}

void mf_tracer_let_go(struct mf_tracer *tracer, pid_t tid)
{
	struct mf_holder_shared *shared = tracer->shared;

	atomic_store(&shared->state, MF_HOLDER_IDLE);
	for (unsigned i = 0; i < shared->count; i++)
		if (shared->threads[i].tid != tid)
			mf_tracer_detach(tracer, &shared->threads[i]);
	atomic_store(&shared->pause_ns, mf_tracer_held_ns(tracer));
}

/*
 * A thread that did not stop in time, on a busy machine for want of a processor,
 * cannot be let go before it has: the kernel would do it when we end, but then
 * the copy ends, too.
 */
void mf_tracer_let_late_go(struct mf_tracer *tracer,
			   struct mf_held_thread *threads, unsigned count)
{
	uint64_t began_ns = mf_now_ns();

	mf_remote_set_tick(TICK_US);
	for (unsigned i = 0; i < count; i++) {
		struct mf_held_thread *thread = &threads[i];

		if (thread->kind != MF_HELD_NEW)
			continue;
		while (thread->kind == MF_HELD_NEW &&
		       mf_now_ns() - began_ns < LATE_NS)
			mf_tracer_look_at(thread, 0);
		thread->is_free = false;
		mf_tracer_detach(tracer, thread);
	}
	mf_remote_set_tick(0);
}

/* False when some would still not stop. */
static bool let_late_go(struct mf_tracer *tracer)
{
	tracer->leftover = false;
	mf_tracer_let_late_go(tracer, tracer->shared->threads,
			      tracer->shared->count);
	return !tracer->leftover;
}

/* ---- requests ------------------------------------------------------------------ */

/* Stops every thread: 0, or errno. */
static int catch_all(struct mf_tracer *tracer)
{
	struct mf_holder_shared *shared = tracer->shared;
	unsigned interrupted = 0, found = 0;
	int number;

	for (int pass = 0; pass < PASSES_MAX; pass++) {
		/* seized threads run on: seize all before stopping any */
		number = seize_new(tracer, &found);
		if (number)
			return number;
		if (!found && interrupted == shared->count)
			return shared->count ? 0 : ESRCH;
		/* one that makes threads all the time is to stop all the same */
		if (found && !tracer->started_ns && pass < RUNNING_PASSES)
			continue;
		interrupt(tracer, interrupted);
		interrupted = shared->count;
		await_stops(tracer);
		if (mf_tracer_held_ns(tracer) > tracer->max_pause_ns)
			return ETIMEDOUT;
	}
	return ETIMEDOUT;
}

static bool send_answer(const struct mf_tracer *tracer, uint32_t ask,
			int number)
{
	struct mf_holder_answer answer = { .ask = ask, .number = number };

	return send(tracer->socket, &answer, sizeof(answer), MSG_NOSIGNAL) ==
	       (ssize_t)sizeof(answer);
}

/* MF_ASK_REAP, when nobody asks. */
static int reap_unasked(struct mf_tracer *tracer, pid_t child)
{
	int number;

	end_in(MF_REAP_MS + BEYOND_MS);
	number = mf_tracer_reap(tracer, child);
	end_in(0);
	return number;
}

/*
 * A copy that was killed must not stay with us: a pid namespace that ends waits
 * for it.
 */
static void await_copy(struct mf_tracer *tracer)
{
	struct mf_copy_result *copy = &tracer->shared->copy;
	struct pollfd poll_fds[] = {
		{ .fd = tracer->socket, .events = POLLIN },
		{ .fd = (int)syscall(SYS_pidfd_open, copy->pid, 0),
		  .events = POLLIN },
	};
	int got;

	if (poll_fds[1].fd < 0)
		return;
	do
		got = poll(poll_fds, MF_ARRAY_SIZE(poll_fds), -1);
	while (got < 0 && errno == EINTR);
	close(poll_fds[1].fd);
	if (got <= 0 || !poll_fds[1].revents || poll_fds[0].revents)
		return;
	/* else main asks for it once more */
	if (reap_unasked(tracer, copy->nspid) == 0)
		copy->nspid = 0;
}

/* True when a request came; false when the other side is gone. */
static bool receive(struct mf_tracer *tracer, struct mf_holder_request *request)
{
	ssize_t got;

	if (tracer->shared->copy.pid)
		await_copy(tracer);
	do
		got = recv(tracer->socket, request, sizeof(*request), 0);
	while (got < 0 && errno == EINTR);
	return got == (ssize_t)sizeof(*request) && request->ask != MF_ASK_QUIT;
}

/* Waits for a request as long as the pause may last: false when it is over. */
static bool await_request(const struct mf_tracer *tracer)
{
	struct pollfd poll_fd = { .fd = tracer->socket, .events = POLLIN };
	int got;

	do {
		uint64_t held = mf_tracer_held_ns(tracer), left;
		struct timespec timeout;

		if (held >= tracer->max_pause_ns)
			return false;
		left = tracer->max_pause_ns - held;
		timeout.tv_sec = (time_t)(left / 1000000000);
		timeout.tv_nsec = (long)(left % 1000000000);
		got = ppoll(&poll_fd, 1, &timeout, NULL);
	} while (got < 0 && errno == EINTR);
	return got > 0;
}

/* True when main goes on; false when it is gone. */
static bool hold(struct mf_tracer *tracer, uint32_t ask, uint64_t max_pause_ns)
{
	struct mf_holder_shared *shared = tracer->shared;
	struct mf_holder_request request;
	bool goes_on = true;
	int number;

	shared->count = 0;
	atomic_store(&shared->ran_out, 0);
	atomic_store(&shared->pause_ns, 0);
	tracer->started_ns = 0;
	tracer->max_pause_ns = max_pause_ns;
	number = catch_all(tracer);
	shared->caught_ns = mf_tracer_held_ns(tracer);
	mf_holder_read_extra(shared);
	if (!number && ask == MF_ASK_COPY) {
		mf_tracer_make_copy(tracer);
		mf_tracer_finish_copy(tracer);
	}
	if (number || ask == MF_ASK_COPY) {
		mf_tracer_let_go(tracer, 0);
		if (ask == MF_ASK_COPY && tracer->leftover &&
		    !let_late_go(tracer))
			shared->copy.outcome = MF_COPY_LATE;
		/* not before: the end of a large one takes its time, too */
		if (shared->copy.outcome == MF_COPY_LATE)
			mf_tracer_end_copy(tracer);
		return send_answer(tracer, ask, number);
	}
	atomic_store(&shared->state, MF_HOLDER_HOLDS);
	goes_on = send_answer(tracer, ask, 0);
	if (goes_on && !await_request(tracer)) {
		atomic_store(&shared->ran_out, 1);
		mf_tracer_let_go(tracer, 0);
		return true;
	}
	goes_on = goes_on && receive(tracer, &request);
	mf_tracer_let_go(tracer, 0);
	return goes_on && send_answer(tracer, request.ask, 0);
}

static void ignore_tick(int signal_number)
{
	(void)signal_number;
}

static void set_up_signals(void)
{
	struct sigaction action = { .sa_handler = ignore_tick };
	sigset_t none;

	sigaction(SIGALRM, &action, NULL);
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	action.sa_handler = SIG_DFL;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGVTALRM, &action, NULL);
	action.sa_flags = SA_NOCLDSTOP; /* stops are waited for */
	sigaction(SIGCHLD, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* A terminal or pipe of ours must not stay open because of the holder. */
static void close_others(int first, int second)
{
	unsigned low = (unsigned)MF_MIN(first, second);
	unsigned high = (unsigned)MF_MAX(first, second);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; i < 3; i++)
		dup2(null, i);
	if (low > 3)
		close_range(3, low - 1, 0);
	if (high > low + 1)
		close_range(low + 1, high - 1, 0);
	close_range(high + 1, ~0U, 0);
}

/* True when main goes on; false when it is gone. */
static bool obey(struct mf_tracer *tracer,
		 const struct mf_holder_request *request)
{
	int number = 0;

	switch ((enum mf_ask)request->ask) {
	case MF_ASK_HOLD:
	case MF_ASK_COPY:
		return hold(tracer, request->ask, request->max_pause_ns);
	case MF_ASK_DROP:
		mf_tracer_end_copy(tracer);
		break;
	case MF_ASK_REAP:
		number = mf_tracer_reap(tracer, request->child);
		break;
	case MF_ASK_MEASURE:
		number = mf_rates_measure(&tracer->shared->rates);
		break;
	default:
		break;
	}
	return send_answer(tracer, request->ask, number);
}

void mf_holder_run(int socket, int task, struct mf_holder_shared *shared)
{
	struct mf_tracer tracer = { .socket = socket,
				    .task = task,
				    .shared = shared,
				    .plan = &shared->plan };
	struct mf_holder_request request;
	bool goes_on = true;

	setpgid(0, 0);
	prctl(PR_SET_NAME, "mf-holder");
	/* the target waits for it; where that is not allowed, so be it */
	setpriority(PRIO_PROCESS, 0, LEAST_NICE);
	set_up_signals();
	close_others(socket, task);
	while (!tracer.leftover && goes_on && receive(&tracer, &request)) {
		end_in(request.max_pause_ns / 1000000 + BEYOND_MS);
		goes_on = obey(&tracer, &request);
		end_in(0);
	}
	mf_tracer_end_copy(&tracer);
	if (shared->copy.nspid && !tracer.leftover)
		reap_unasked(&tracer, shared->copy.nspid);
	/* what is still ours is let go by the kernel now */
	_exit(0);
}
