/*
 * How a live target is held: asks the holder, and takes over what it found.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "target/copy.h"
#include "target/decide.h"
#include "target/holder_link.h"

enum {
	/* who asks for a copy gets it, if it can be had in this time at all */
	ASKED_PAUSE_NS = 2000000000,
};

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

	target->impact.why = "nothing was held yet";
	target->impact.racy = true;
	if (!error && status.tracer) {
		target->info.abilities &= ~(unsigned)MF_CAN_STOP;
		explain_tracer(target, status.tracer);
	}
	if (target->options.stop == MF_STOP_NONE ||
	    !mf_target_can(target, MF_CAN_STOP))
		return;
	live->holder = mf_holder_create();
	if (live->holder && !mf_holder_start(live))
		mf_hold_close(target);
}

void mf_hold_close(struct mf_target *target)
{
	struct mf_live *live = mf_live_of(target);

	mf_copy_drop(target);
	mf_holder_destroy(live->holder);
	live->holder = NULL;
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
	struct mf_thread thread = { .tid = tid };
	mf_auto_error struct mf_error *error = NULL;
	struct mf_proc_stat stat;
	char path[64];

	snprintf(path, sizeof(path), "task/%d/comm", (int)tid);
	if (mf_proc_read_text(live->proc, path, thread.comm,
			      sizeof(thread.comm)) < 0)
		thread.comm[0] = '\0';
	/* what it did before it was stopped nobody saw; but how long */
	snprintf(path, sizeof(path), "task/%d/stat", (int)tid);
	error = mf_proc_read_stat(live->proc, path, &stat);
	if (!error)
		thread.cpu_ms = mf_proc_ticks_ms(stat.cpu_ticks);
	mf_arch_fill_thread(registers, &thread);
	mf_vec_push(&target->threads, thread);
}

/* Those that were not held, and are no more, ended before the stop. */
static void drop_ended(struct mf_target *target, size_t known,
		       const bool *is_held)
{
	const struct mf_live *live = mf_live_of(target);
	size_t kept = 0;

	for (size_t i = 0; i < target->threads.count; i++) {
		const struct mf_thread thread = target->threads.items[i];
		char path[64];

		snprintf(path, sizeof(path), "task/%d", (int)thread.tid);
		if (i < known && !is_held[i] &&
		    faccessat(live->proc, path, F_OK, 0) != 0)
			continue;
		target->threads.items[kept++] = thread;
	}
	target->threads.count = kept;
}

/* What it waited in was read before the stop: it may have gone on since. */
static void take_registers(const struct mf_registers *registers,
			   struct mf_thread *thread)
{
	int64_t call = thread->in_syscall ? thread->syscall : -1;

	mf_arch_fill_thread(registers, thread);
	if (!thread->in_syscall || thread->syscall != call)
		thread->wait_channel[0] = '\0';
}

/* Registers of the threads read before the stop, and the threads since. */
static void take_threads(struct mf_target *target)
{
	const struct mf_holder_shared *shared =
		mf_live_of(target)->holder->shared;
	size_t known = target->threads.count;
	mf_auto_free bool *is_held = mf_new_array(known + 1, bool);

	mf_vec_sort(&target->threads, compare_threads);
	for (unsigned i = 0; i < shared->count; i++) {
		const struct mf_held_thread *held = &shared->threads[i];
		struct mf_thread *thread;

		if (held->kind == MF_HELD_GONE)
			continue;
		thread = bsearch(&held->tid, target->threads.items, known,
				 sizeof(*thread), compare_tid);
		if (!thread) {
			add_late_thread(target, held->tid, &held->registers);
			continue;
		}
		is_held[thread - target->threads.items] = true;
		take_registers(&held->registers, thread);
	}
	drop_ended(target, known, is_held);
	if (shared->unstopped)
		mf_target_note_partial(
			target, "threads",
			"%u did not stop within a quarter of --max-pause (a "
			"vfork parent, or waiting in the kernel)",
			shared->unstopped);
}

/* Why the holder could not; NULL: the process is gone. */
static const char *explain_failure(struct mf_target *target, int number)
{
	switch (number) {
	case 0:
		return "the holder was ended";
	case ESRCH:
		return NULL;
	case ETIMEDOUT:
		return "its threads could not be stopped within --max-pause";
	case EPERM:
		return "ptrace is not permitted (another tracer came first, or "
		       "seccomp forbids it)";
	case E2BIG:
		return "it has too many threads";
	default:
		return mf_pool_strdup(&target->pool, strerror(number));
	}
}

static void add_pause(struct mf_target *target)
{
	struct mf_impact *impact = &target->impact;
	uint64_t pause_ns =
		atomic_load(&mf_live_of(target)->holder->shared->pause_ns);
	double pause_ms = (double)pause_ns / 1000000.0;

	mf_debug("target", "held for %.2f ms", pause_ms);
	impact->pause_ms += pause_ms;
	impact->longest_pause_ms = MF_MAX(impact->longest_pause_ms, pause_ms);
}

/*
 * Asks the holder to stop all threads: *WHY is NULL when it did, else why it
 * could not.
 */
static struct mf_error *ask(struct mf_target *target, uint32_t what,
			    uint64_t max_pause_ns, const char **why)
{
	struct mf_live *live = mf_live_of(target);
	const struct mf_holder_request request = {
		.ask = what,
		.max_pause_ns = max_pause_ns,
	};
	int number = 0;
	bool is_answered = (live->holder->pid || mf_holder_start(live)) &&
			   mf_holder_ask(live->holder, &request, &number);

	if (is_answered && !number) {
		*why = NULL;
		mf_debug("target", "%u threads stopped in %.2f ms",
			 live->holder->shared->count,
			 (double)live->holder->shared->caught_ns / 1000000.0);
		return NULL;
	}
	*why = explain_failure(target, is_answered ? number : 0);
	return *why ? NULL : mf_refusal_gone(live->proc, live->pid);
}

static void note_stop(struct mf_target *target)
{
	target->impact.stops++;
	if (!target->was_stopped)
		target->impact.racy = false;
	target->was_stopped = true;
}

static struct mf_error *stop_target(struct mf_target *target)
{
	struct mf_live *live = mf_live_of(target);
	struct mf_error *error;
	const char *why;

	MF_TRY(ask(target, MF_ASK_HOLD, target->options.max_pause_ns, &why));
	if (why) {
		mf_decide_instead(target, MF_STOP_BRIEF, why);
		return mf_target_refresh(target);
	}
	live->holding = true;
	note_stop(target);
	error = mf_target_refresh(target);
	if (error) {
		mf_hold_end(target);
		return error;
	}
	take_threads(target);
	return NULL;
}

/* *WHY: NULL, or why there is no copy. */
static struct mf_error *copy_target(struct mf_target *target, const char **why)
{
	uint64_t max_pause_ns = target->options.max_pause_ns;
	struct mf_error *error;

	/* first: of many descriptors they take their time */
	mf_live_keep_words(target, false);
	/* the stacks as they are now, and the figures that a copy lacks */
	MF_TRY(mf_target_refresh(target));
	*why = mf_copy_plan(target);
	if (*why)
		return NULL;
	if (target->options.stop == MF_STOP_SNAPSHOT)
		max_pause_ns = MF_MAX(max_pause_ns, (uint64_t)ASKED_PAUSE_NS);
	MF_TRY(ask(target, MF_ASK_COPY, max_pause_ns, why));
	if (*why)
		return NULL;
	mf_live_keep_words(target, true);
	add_pause(target);
	*why = mf_copy_open(target);
	if (*why) {
		/* it was stopped, and nothing came of it */
		target->impact.stops++;
		return NULL;
	}
	note_stop(target);
	mf_view_begin(target);
	error = mf_target_refresh(target);
	if (error) {
		mf_copy_drop(target);
		return error;
	}
	take_threads(target);
	return NULL;
}

struct mf_error *mf_hold_begin(struct mf_target *target)
{
	enum mf_stop stop;
	const char *why;

	mf_copy_drop(target);
	mf_live_of(target)->lost_copy = false;
	target->info.kind = MF_TARGET_LIVE;
	mf_threads_read(target);
	target->threads_known = true;
	stop = mf_decide_stop(target);
	if (stop != MF_STOP_NONE)
		mf_copy_reap_leftovers(target);
	if (stop == MF_STOP_SNAPSHOT) {
		MF_TRY(copy_target(target, &why));
		if (!why)
			return NULL;
		stop = mf_decide_instead(target, MF_STOP_SNAPSHOT, why);
	}
	if (stop == MF_STOP_BRIEF)
		return stop_target(target);
	return mf_target_refresh(target);
}

struct mf_holder_shared *mf_hold_shared(const struct mf_live *live)
{
	return live->holder ? live->holder->shared : NULL;
}

bool mf_hold_is_still(struct mf_target *target)
{
	const struct mf_live *live = mf_live_of(target);
	const struct mf_holder *holder = live->holder;

	if (!holder || !mf_holder_is_there(holder))
		return false;
	if (live->copy.pid)
		return mf_live_has_memory(live);
	return atomic_load(&holder->shared->state) == MF_HOLDER_HOLDS;
}

void mf_hold_end(struct mf_target *target)
{
	const struct mf_holder_request request = { .ask = MF_ASK_RELEASE };
	struct mf_live *live = mf_live_of(target);
	bool still = mf_hold_is_still(target);
	int number;

	if (!live->holding)
		return;
	live->holding = false;
	if (!still) {
		target->impact.racy = true;
		target->impact.pause_ran_out |=
			atomic_load(&live->holder->shared->ran_out) != 0;
	}
	mf_holder_ask(live->holder, &request, &number);
	add_pause(target);
}
