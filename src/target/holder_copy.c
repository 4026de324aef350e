/*
 * How the holder makes a copy of a process that it holds, and ends it without a
 * trace. The copy is a child of the target that is born with its files shared
 * (so that none is held open) and gives them up, sends no signal when it ends,
 * and never runs: it stays in a stop, and ends with the holder.
 *
 * One thread of the target makes it, and takes its exit status later: one whose
 * stack has room, and that is in no restartable sequence. Between, nobody in
 * the target can see it but by waiting for __WALL or __WCLONE, and not even
 * then while it is traced. When it is given back to its parent, the thread that
 * takes its status already stands in the door of the call.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "target/holder.h"
#include "target/proc.h"
#include "target/remote.h"
#include "target/seccomp.h"

enum {
	TRIES = 64,	      /* threads that are tried, of many */
	TLS_MAX = 65536,      /* what lies above the thread pointer, at most */
	FRAMES_LIKELY = 4096, /* bytes that frames take, or few more */
	UNUSED_SIZE = 8192,   /* bytes of a stack that was never used */
	TICK_US = 1000,
	RETRY_NS = 300000000, /* for a thread to be where it can act */
	RETRY_MS = 2,
	EXITING = 4,				 /* PF_EXITING, linux/sched.h */
	STOP_NS = MF_REAP_MS * INT64_C(1000000), /* for one thread to stop */
};

/* One at a time: large, and nothing is allocated here. */
static struct mf_remote remote;

/* ---- the thread that acts ------------------------------------------------ */

static int compare_stack(const void *key, const void *element)
{
	uint64_t address = *(const uint64_t *)key;
	const struct mf_stack *stack = element;

	return (address >= stack->end) - (address < stack->start);
}

static const struct mf_stack *stack_at(const struct mf_copy_plan *plan,
				       uint64_t address)
{
	return bsearch(&address, plan->stacks, plan->count,
		       sizeof(*plan->stacks), compare_stack);
}

/*
 * A thread that runs on a stack of its own: the kernel's, or one that has the
 * thread's control block at its top and a guard below. Others (of coroutines)
 * may be too small, and lie among data.
 */
static const struct mf_stack *own_stack(const struct mf_copy_plan *plan,
					const struct mf_thread *thread)
{
	const struct mf_stack *stack = stack_at(plan, thread->sp);

	if (!stack || stack->is_main)
		return stack;
	return thread->tp > thread->sp && thread->tp <= stack->end &&
			       stack->end - thread->tp <= TLS_MAX
		       ? stack
		       : NULL;
}

/* Reads COUNT entries of the pagemap from page START on. */
static bool read_pagemap(int task, pid_t tid, uint64_t start, uint64_t *entries,
			 size_t count)
{
	size_t size = count * sizeof(*entries);
	char path[32];
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "%d/pagemap", (int)tid);
	fd = openat(task, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	got = pread(fd, entries, size, (off_t)(start * sizeof(*entries)));
	close(fd);
	return got == (ssize_t)size;
}

/* Pages of SIZE bytes below TOP that are not there; */
static unsigned count_absent(const struct mf_tracer *tracer, pid_t tid,
			     uint64_t top, uint64_t size)
{
	const uint64_t present = UINT64_C(1) << 63;
	uint64_t page_size = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t first = (top - size) / page_size;
	uint64_t count = (top - 1) / page_size + 1 - first;
	uint64_t entries[MF_FRAMES / 4096 + 2];
	unsigned absent = 0;

	if (!read_pagemap(tracer->task, tid, first, entries, count))
		return 0;
	for (uint64_t i = 0; i < count; i++)
		absent += !(entries[i] & present);
	return absent;
}

/* Frames must not be what brings a page of a stack in, where another thread's
 * need not do that. */
static bool prepare_on(const struct mf_tracer *tracer,
		       const struct mf_held_thread *held, bool may_touch)
{
	struct mf_copy_result *copy = &tracer->shared->copy;
	const struct mf_copy_plan *plan = tracer->plan;
	struct mf_thread thread = { .tid = held->tid };
	uint64_t top = mf_arch_stack_end(&held->registers);
	const struct mf_stack *stack;
	unsigned touched;

	if (held->kind != MF_HELD_STOPPED || !held->registers.size ||
	    top < MF_FRAMES)
		return false;
	mf_arch_fill_thread(&held->registers, &thread);
	stack = own_stack(plan, &thread);
	if (!stack)
		return false;
	touched = count_absent(tracer, held->tid, top, FRAMES_LIKELY);
	if ((touched && !may_touch) ||
	    mf_remote_prepare(&remote, held->tid, &plan->code, stack->start,
			      0) != 0)
		return false;
	copy->touched += touched;
	return true;
}

static bool prepare_on_stack(const struct mf_tracer *tracer,
			     const struct mf_held_thread *held)
{
	return prepare_on(tracer, held, false);
}

static bool prepare_on_fresh_stack(const struct mf_tracer *tracer,
				   const struct mf_held_thread *held)
{
	return prepare_on(tracer, held, true);
}

/* UNUSED_SIZE bytes, until the next call; NULL: they cannot be read. */
static const unsigned char *read_unused(pid_t tid, uint64_t start)
{
	static unsigned char bytes[UNUSED_SIZE];
	struct iovec local = { bytes, sizeof(bytes) };
	struct iovec part = { mf_remote_pointer(start), sizeof(bytes) };

	return process_vm_readv(tid, &local, 1, &part, 1, 0) ==
			       (ssize_t)sizeof(bytes)
		       ? bytes
		       : NULL;
}

static bool wipe_unused(pid_t tid, uint64_t start)
{
	static unsigned char zeros[UNUSED_SIZE];
	struct iovec local = { zeros, sizeof(zeros) };
	struct iovec part = { mf_remote_pointer(start), sizeof(zeros) };

	return process_vm_writev(tid, &local, 1, &part, 1, 0) ==
	       (ssize_t)sizeof(zeros);
}

static bool is_zero(pid_t tid, uint64_t start)
{
	const unsigned char *bytes = read_unused(tid, start);

	for (size_t i = 0; bytes && i < UNUSED_SIZE; i++)
		if (bytes[i])
			return false;
	return bytes != NULL;
}

/* Pages that were never there, nor in swap; or zeros, as we leave them. */
static bool is_unused(const struct mf_tracer *tracer, pid_t tid, uint64_t start,
		      unsigned *absent)
{
	const uint64_t present = UINT64_C(1) << 63, swapped = present >> 1;
	uint64_t page_size = (uint64_t)sysconf(_SC_PAGESIZE), any = 0;
	uint64_t entries[UNUSED_SIZE / 4096];
	size_t count = UNUSED_SIZE / page_size;

	*absent = 0;
	if (!count ||
	    !read_pagemap(tracer->task, tid, start / page_size, entries, count))
		return false;
	for (size_t i = 0; i < count; i++) {
		any |= entries[i];
		*absent += !(entries[i] & present);
	}
	return !(any & swapped) && (!(any & present) || is_zero(tid, start));
}

/* Threads that all run on stacks of coroutines: the main stack's unused end. */
static bool prepare_on_unused(const struct mf_tracer *tracer,
			      const struct mf_held_thread *held)
{
	const struct mf_copy_plan *plan = tracer->plan;
	unsigned absent;

	if (held->kind != MF_HELD_STOPPED || !held->registers.size)
		return false;
	for (unsigned i = 0; i < plan->count; i++) {
		const struct mf_stack *stack = &plan->stacks[i];

		if (!stack->is_main ||
		    stack->end - stack->start <= UNUSED_SIZE ||
		    !is_unused(tracer, held->tid, stack->start, &absent))
			continue;
		if (mf_remote_prepare(&remote, held->tid, &plan->code,
				      stack->start,
				      stack->start + UNUSED_SIZE) != 0)
			return false;
		tracer->shared->copy.touched += absent;
		return true;
	}
	return false;
}

typedef bool mf_prepare(const struct mf_tracer *tracer,
			const struct mf_held_thread *held);

static bool prepare(const struct mf_tracer *tracer,
		    struct mf_held_thread *threads, unsigned count)
{
	static mf_prepare *const ways[] = { prepare_on_stack,
					    prepare_on_fresh_stack,
					    prepare_on_unused };

	for (size_t way = 0; way < MF_ARRAY_SIZE(ways); way++)
		for (unsigned i = 0; i < count; i++)
			if (ways[way](tracer, &threads[i]))
				return true;
	return false;
}

static bool choose_actor(const struct mf_tracer *tracer,
			 struct mf_held_thread *threads, unsigned count)
{
	if (prepare(tracer, threads, count))
		return true;
	for (unsigned i = 0; i < count; i++)
		if (threads[i].kind == MF_HELD_STOPPED &&
		    mf_remote_leave_sequence(threads[i].tid,
					     &threads[i].registers) &&
		    prepare(tracer, &threads[i], 1))
			return true;
	return false;
}

/* False also where one of its threads is not known to stand elsewhere. */
static bool nobody_stands_in(const struct mf_holder_shared *shared,
			     uint64_t start, uint64_t end)
{
	for (unsigned i = 0; i < shared->count; i++) {
		const struct mf_held_thread *held = &shared->threads[i];
		struct mf_thread thread = { .tid = held->tid };

		if (held->kind == MF_HELD_GONE)
			continue;
		if (held->is_free || held->kind == MF_HELD_NEW ||
		    !held->registers.size)
			return false;
		mf_arch_fill_thread(&held->registers, &thread);
		if (thread.sp >= start && thread.sp <= end)
			return false;
	}
	return true;
}

/*
 * A holder that was killed has left its frames at the unused end of a stack, and
 * the thread has gone on from there since: zeros, as we leave them. All threads
 * are held.
 */
static bool sweep_unused(const struct mf_tracer *tracer, pid_t tid)
{
	const struct mf_copy_plan *plan = &tracer->shared->plan;
	bool any = false;

	for (unsigned i = 0; i < plan->count; i++) {
		uint64_t start = plan->stacks[i].start;
		const unsigned char *bytes;

		if (!plan->stacks[i].is_main ||
		    plan->stacks[i].end - start <= UNUSED_SIZE ||
		    !nobody_stands_in(tracer->shared, start,
				      start + UNUSED_SIZE))
			continue;
		bytes = read_unused(tid, start);
		if (bytes &&
		    mf_arch_has_frames(bytes, UNUSED_SIZE, start, &plan->code))
			any |= wipe_unused(tid, start);
	}
	return any;
}

static bool is_stopped(const struct mf_holder_shared *shared)
{
	for (unsigned i = 0; i < shared->count; i++)
		if (shared->threads[i].kind == MF_HELD_GROUP)
			return true;
	return false;
}

static bool has_any_stopped(const struct mf_holder_shared *shared)
{
	for (unsigned i = 0; i < shared->count; i++)
		if (shared->threads[i].kind == MF_HELD_STOPPED)
			return true;
	return false;
}

/* A child of TID would be in its own pid namespace. */
static bool keeps_namespace(int task, pid_t tid)
{
	char path[64], own[64], child[64];
	ssize_t size, child_size;

	snprintf(path, sizeof(path), "%d/ns/pid", (int)tid);
	size = readlinkat(task, path, own, sizeof(own));
	snprintf(path, sizeof(path), "%d/ns/pid_for_children", (int)tid);
	child_size = readlinkat(task, path, child, sizeof(child));
	return size > 0 && size == child_size &&
	       memcmp(own, child, (size_t)size) == 0;
}

/* ---- making it -------------------------------------------------------------- */

static void let_others_go(void *context)
{
	struct mf_tracer *tracer = context;

	mf_tracer_let_go(tracer, remote.tid);
}

/* As the kernel's first choice when memory runs out. */
static void offer(pid_t pid)
{
	static const char most[] = "1000";
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)pid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, most, sizeof(most) - 1) < 0)
		errno = 0;
	close(fd);
}

/* Waits for the stop that the child is born in; false when it has none. */
static bool await_birth(pid_t pid)
{
	siginfo_t info = { .si_pid = 0 };
	int got;

	do
		got = waitid(P_PID, (id_t)pid, &info,
			     WSTOPPED | WEXITED | WNOWAIT | __WALL);
	while (got < 0 && errno == EINTR);
	return got == 0 && info.si_code == CLD_TRAPPED;
}

static enum mf_copy_outcome clone_it(struct mf_tracer *tracer)
{
	struct mf_copy_result *copy = &tracer->shared->copy;
	const struct mf_remote_call call = {
		.number = SYS_clone,
		.arguments = { CLONE_FILES },
		.makes_child = true,
		.deadline_ns = tracer->started_ns + tracer->max_pause_ns,
		.overdue = let_others_go,
		.context = tracer,
	};
	uint64_t began_ns = mf_now_ns();
	bool is_born = false, is_late;
	int64_t result = 0;

	mf_remote_set_tick(TICK_US);
	copy->number = mf_remote_act(&remote, &call, &result);
	copy->clone_ns = mf_now_ns() - began_ns;
	if (remote.child) {
		copy->pid = remote.child;
		copy->nspid = (pid_t)result;
		is_born = await_birth(remote.child);
		/* first: one that is killed is known as ours by this */
		offer(copy->pid);
		ptrace(PTRACE_SETOPTIONS, copy->pid, NULL,
		       mf_remote_pointer(PTRACE_O_EXITKILL));
	}
	mf_remote_cure(&remote);
	mf_remote_set_tick(0);
	if (!copy->number && result < 0)
		copy->number = (int)-result;
	is_late = began_ns + copy->clone_ns > call.deadline_ns;
	if (is_late)
		return MF_COPY_LATE;
	return is_born ? MF_COPY_TAKEN : MF_COPY_FAILED;
}

static bool choose_any(const struct mf_tracer *tracer)
{
	struct mf_holder_shared *shared = tracer->shared;
	unsigned count = MF_MIN(shared->count, (unsigned)TRIES);

	if (choose_actor(tracer, shared->threads, count))
		return true;
	return count && sweep_unused(tracer, shared->threads[0].tid) &&
	       choose_actor(tracer, shared->threads, count);
}

static enum mf_copy_outcome make_copy(struct mf_tracer *tracer)
{
	struct mf_holder_shared *shared = tracer->shared;
	enum mf_copy_outcome outcome;

	if (is_stopped(shared))
		return MF_COPY_STOPPED;
	if (!choose_any(tracer)) {
		shared->copy.number = has_any_stopped(shared) ? 0 : EBUSY;
		return MF_COPY_NO_THREAD;
	}
	shared->copy.actor = remote.tid;
	shared->copy.number = (int)mf_seccomp_check(tracer->task, remote.tid);
	outcome = !keeps_namespace(tracer->task, remote.tid) ? MF_COPY_NAMESPACE
		  : shared->copy.number			     ? MF_COPY_SECCOMP
							     : clone_it(tracer);
	if (outcome == MF_COPY_NAMESPACE || outcome == MF_COPY_SECCOMP)
		mf_remote_leave(&remote);
	return outcome;
}

void mf_tracer_make_copy(struct mf_tracer *tracer)
{
	struct mf_copy_result *copy = &tracer->shared->copy;

	*copy = (struct mf_copy_result){ 0 };
	tracer->plan = &tracer->shared->plan;
	copy->outcome = make_copy(tracer);
}

static void let_all_go(void *context)
{
	mf_tracer_let_go(context, 0);
}

/*
 * Gives up the files that the copy shares with the target: else whoever waits
 * for the end of one would wait for the copy, too, when the target ends. Where
 * the kernel does not know how (before 5.9), they stay shared. The target must
 * not run meanwhile: for a moment the copy has some of its files to itself, and
 * what the target closed then would stay open.
 */
static void leave_files(struct mf_tracer *tracer)
{
	const struct mf_remote_call call = {
		.number = SYS_close_range,
		.arguments = { 0, UINT32_MAX, CLOSE_RANGE_UNSHARE },
		.deadline_ns = tracer->started_ns + tracer->max_pause_ns,
		.overdue = let_all_go,
		.context = tracer,
		.options = PTRACE_O_EXITKILL,
	};
	static struct mf_remote alone;
	int64_t result;

	if (!mf_remote_take_child(&remote, &alone))
		return;
	mf_remote_set_tick(TICK_US);
	mf_remote_act(&alone, &call, &result);
	mf_remote_set_tick(0);
}

void mf_tracer_finish_copy(struct mf_tracer *tracer)
{
	if (tracer->shared->copy.outcome != MF_COPY_TAKEN)
		return;
	leave_files(tracer);
	mf_remote_clean(&remote, tracer->shared->copy.pid);
}

/* ---- ending it ----------------------------------------------------------------- */

/* Nobody else sees what is left of it before its tracer has let it go. */
void mf_tracer_end_copy(struct mf_tracer *tracer)
{
	const struct mf_copy_result *copy = &tracer->shared->copy;
	siginfo_t info;

	if (!copy->pid)
		return;
	kill(copy->pid, SIGKILL);
	while (waitid(P_PID, (id_t)copy->pid, &info,
		      WEXITED | WNOWAIT | __WALL) < 0 &&
	       errno == EINTR)
		;
}

/* From now on its parent sees it: that one is to take it at once. */
static void give_back(void *context)
{
	struct mf_copy_result *copy = context;
	siginfo_t info;

	if (!copy->pid)
		return;
	while (waitid(P_PID, (id_t)copy->pid, &info, WEXITED | __WALL) < 0 &&
	       errno == EINTR)
		;
	copy->pid = 0;
}

/* 0; ESRCH: it has ended, or is about to. EBUSY: one that waits for a child of
 * its own, say, would not stop. */
static int will_stop(int task, pid_t tid)
{
	char path[32], text[512];
	struct mf_proc_stat stat;

	snprintf(path, sizeof(path), "%d/stat", (int)tid);
	if (mf_proc_read_text(task, path, text, sizeof(text)) < 0 ||
	    !mf_proc_parse_stat(text, &stat) || strchr("ZX", stat.state) ||
	    stat.flags & EXITING)
		return ESRCH;
	return strchr("SR", stat.state) ? 0 : EBUSY;
}

/* On a busy machine it may have to wait for a processor until it stops; it would
 * not run anyway. */
static bool stop_one(struct mf_tracer *tracer, pid_t tid,
		     struct mf_held_thread *thread)
{
	uint64_t began_ns = mf_now_ns();

	*thread = (struct mf_held_thread){ .tid = tid };
	if (!mf_tracer_interrupt(tracer, tid))
		return false;
	mf_remote_set_tick(TICK_US);
	while (thread->kind == MF_HELD_NEW && mf_now_ns() - began_ns < STOP_NS)
		mf_tracer_look_at(thread, 0);
	mf_remote_set_tick(0);
	return true;
}

static bool is_planned(const struct mf_tracer *tracer,
		       const struct mf_held_thread *held)
{
	struct mf_thread thread = { .tid = held->tid };

	mf_arch_fill_thread(&held->registers, &thread);
	return stack_at(tracer->plan, thread.sp) &&
	       mf_remote_knows(held->tid, &tracer->plan->code);
}

/* It may run another program by now, or on a stack that is new. */
static bool choose_or_plan_anew(struct mf_tracer *tracer,
				struct mf_held_thread *thread)
{
	if (choose_actor(tracer, thread, 1))
		return true;
	return thread->kind == MF_HELD_STOPPED && !is_planned(tracer, thread) &&
	       mf_tracer_plan_anew(tracer, thread->tid) &&
	       choose_actor(tracer, thread, 1);
}

/* Takes CHILD's exit status in THREAD, which is stopped. */
static int take_status(struct mf_tracer *tracer, struct mf_held_thread *thread,
		       pid_t child)
{
	const struct mf_remote_call call = {
		.number = SYS_wait4,
		.arguments = { (uint64_t)child, 0, WNOHANG | __WCLONE },
		.deadline_ns = mf_now_ns() + STOP_NS,
		.entered = give_back,
		.context = &tracer->shared->copy,
	};
	int64_t result = 0;
	int number;

	/* another thread than the one that made it, or with a filter since */
	if (mf_seccomp_check(tracer->task, thread->tid) != MF_SECCOMP_ALLOWS)
		return EPERM;
	if (!choose_or_plan_anew(tracer, thread))
		return EBUSY;
	mf_tracer_stop_runners(tracer);
	mf_remote_set_tick(TICK_US);
	number = mf_remote_act(&remote, &call, &result);
	mf_remote_set_tick(0);
	mf_remote_cure(&remote);
	/* another thread may have executed a program, which ends this one */
	if (number)
		return number == ESRCH ? EBUSY : number;
	if (result == child || result == -ECHILD)
		return 0;
	return result < 0 ? (int)-result : EAGAIN;
}

/* The same in thread TID. */
static int take_status_in(struct mf_tracer *tracer, pid_t tid, pid_t child)
{
	struct mf_held_thread thread;
	int number = will_stop(tracer->task, tid);
	bool stopped;

	/* it may stop a moment later; or another tracer has gone then */
	if (number)
		return number;
	number = EBUSY;
	mf_tracer_stop_waiters(tracer, tid);
	stopped = stop_one(tracer, tid, &thread);
	if (stopped)
		number = take_status(tracer, &thread, child);
	/* first: if it was killed, the end of these comes before its own */
	mf_tracer_release_waiters(tracer);
	if (stopped)
		mf_tracer_detach(tracer, &thread);
	return number;
}

static int reap_once(struct mf_tracer *tracer, pid_t child)
{
	const struct mf_copy_plan *plan = &tracer->shared->plan;
	struct mf_held_thread first = { .tid = plan->actors[0] };
	uint64_t began_ns = mf_now_ns();
	int number = ESRCH, answer;

	tracer->plan = plan;
	tracer->started_ns = 0;
	for (unsigned i = 0; i < plan->actor_count && !tracer->leftover &&
			     mf_now_ns() - began_ns < STOP_NS;
	     i++) {
		answer = take_status_in(tracer, plan->actors[i], child);
		if (answer != ESRCH)
			number = answer;
		if (!answer)
			break;
	}
	atomic_store(&tracer->shared->pause_ns, mf_tracer_held_ns(tracer));
	mf_tracer_release_late_waiters(tracer);
	/* a thread of ours that executes a program goes on by this number */
	mf_tracer_let_late_go(tracer, &first, 1);
	return number;
}

/* When none of its threads can act now, one of them may a moment later. */
static int reap(struct mf_tracer *tracer, pid_t child)
{
	uint64_t began_ns = mf_now_ns();
	int number;

	do {
		number = reap_once(tracer, child);
		if (number == EBUSY || number == ENOSPC)
			poll(NULL, 0, RETRY_MS);
	} while ((number == EBUSY || number == ENOSPC) && !tracer->leftover &&
		 mf_now_ns() - began_ns < RETRY_NS);
	return number;
}

int mf_tracer_reap(struct mf_tracer *tracer, pid_t child)
{
	int number = ESRCH;

	/* else giving it back would wait for its end, with threads held */
	mf_tracer_end_copy(tracer);
	if (tracer->shared->plan.code.call)
		number = reap(tracer, child);
	give_back(&tracer->shared->copy);
	return number;
}
