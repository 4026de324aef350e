/*
 * Who could be told of a copy's end in place of the thread that is to take its
 * status: a thread that waits for any kind of child (__WALL, __WCLONE), and one
 * that runs, for it may come to such a wait. These stand still from before the
 * copy is given back until its status was taken. A thread that is blocked in
 * any other call is left alone.
 *
 * All of it is bounded: there may be many threads, and on a busy machine they
 * take their time to stop. But one that was interrupted begins no wait before
 * it has stopped.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "target/holder.h"
#include "target/proc.h"
#include "target/remote.h"

enum {
	WAITERS = 64,	 /* that are stopped, at most */
	LOOKS = 4096,	 /* at threads, while all run */
	FEW_LOOKS = 256, /* while one does not */
	PASSES = 3,	 /* a thread may go on while others are looked at */
	TICK_US = 1000,
	STOP_NS = 10000000, /* for all of them to stop */
	ARGUMENTS = 6,
};

/* One at a time; nothing is allocated here. */
static struct {
	struct mf_held_thread held[WAITERS];
	unsigned count;
	unsigned looks; /* that are left */
	pid_t actor;
	bool runs; /* who runs is stopped, too */
} waiters;

/* ---- who it is ----------------------------------------------------------- */

/* Which argument of a call says what is waited for; -1: it does not wait. */
static int options_of(long call)
{
	switch (call) {
	case SYS_wait4:
		return 2;
	case SYS_waitid:
		return 3;
	default:
		return -1;
	}
}

/* TEXT of /proc/PID/task/TID/syscall: "running", "NUMBER ARGUMENT.. SP PC", or
 * "-1 SP PC". */
static bool may_be_told(const char *text)
{
	uint64_t arguments[ARGUMENTS];
	int options;
	char *at;
	long call;

	if (strncmp(text, "running", strlen("running")) == 0)
		return waiters.runs;
	call = strtol(text, &at, 10);
	options = options_of(call);
	if (at == text || options < 0)
		return false;
	for (int i = 0; i < ARGUMENTS; i++)
		arguments[i] = strtoull(at, &at, 0);
	return arguments[options] & (uint64_t)(unsigned)(__WALL | __WCLONE);
}

static bool is_held(pid_t tid)
{
	for (unsigned i = 0; i < waiters.count; i++)
		if (waiters.held[i].tid == tid)
			return true;
	return tid == waiters.actor;
}

/* ---- stopping them ------------------------------------------------------- */

static int stop_waiter(struct mf_tracer *tracer, pid_t tid)
{
	char path[32], text[512];

	if (waiters.count == WAITERS || !waiters.looks)
		return E2BIG;
	if (is_held(tid))
		return 0;
	waiters.looks--;
	snprintf(path, sizeof(path), "%d/syscall", (int)tid);
	if (mf_proc_read_text(tracer->task, path, text, sizeof(text)) <= 0 ||
	    !may_be_told(text) || !mf_tracer_interrupt(tracer, tid))
		return 0;
	waiters.held[waiters.count++] = (struct mf_held_thread){ .tid = tid };
	return 0;
}

static void await_stops(uint64_t deadline_ns)
{
	mf_remote_set_tick(TICK_US);
	for (unsigned i = 0; i < waiters.count; i++) {
		struct mf_held_thread *thread = &waiters.held[i];

		while (thread->kind == MF_HELD_NEW && mf_now_ns() < deadline_ns)
			mf_tracer_look_at(thread, 0);
		if (thread->kind == MF_HELD_NEW)
			mf_tracer_look_at(thread, WNOHANG);
	}
	mf_remote_set_tick(0);
}

static void stop_some(struct mf_tracer *tracer, int passes, unsigned looks)
{
	uint64_t deadline_ns = mf_now_ns() + STOP_NS;
	unsigned before;

	do {
		before = waiters.count;
		waiters.looks = looks;
		mf_tracer_each_thread(tracer, stop_waiter);
		await_stops(deadline_ns);
	} while (waiters.count > before && --passes);
}

void mf_tracer_stop_waiters(struct mf_tracer *tracer, pid_t actor)
{
	mf_tracer_release_late_waiters(tracer);
	waiters.actor = actor;
	waiters.runs = false;
	stop_some(tracer, 1, LOOKS);
}

void mf_tracer_stop_runners(struct mf_tracer *tracer)
{
	waiters.runs = true;
	stop_some(tracer, PASSES, FEW_LOOKS);
}

/* ---- letting them go ----------------------------------------------------- */

void mf_tracer_release_waiters(struct mf_tracer *tracer)
{
	for (unsigned i = 0; i < waiters.count; i++) {
		struct mf_held_thread *thread = &waiters.held[i];

		if (thread->kind == MF_HELD_NEW)
			mf_tracer_look_at(thread, WNOHANG);
		if (thread->kind != MF_HELD_NEW)
			mf_tracer_detach(tracer, thread);
	}
}

void mf_tracer_release_late_waiters(struct mf_tracer *tracer)
{
	mf_tracer_let_late_go(tracer, waiters.held, waiters.count);
	waiters.count = 0;
}
