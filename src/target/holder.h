/*
 * The process that traces. It is forked when the target is opened, stops and
 * resumes on request, and resumes on its own when the time is over or when we
 * are gone; when it dies itself, the kernel resumes the target. What it finds
 * is in memory that both share.
 */
#ifndef MF_TARGET_HOLDER_H
#define MF_TARGET_HOLDER_H

#include <signal.h>
#include <stdatomic.h>

#include "target/arch.h"
#include "target/rates.h"

enum {
	MF_HOLDER_THREADS = 1 << 16,
	MF_REAP_MS = 1000, /* that MF_ASK_REAP waits for a thread at most */
	MF_HOLDER_STACKS = 1 << 16,
	MF_HOLDER_ACTORS = 64,
	MF_HOLDER_EXTENDED = 1 << 27, /* bytes; no page before it is used */
};

enum mf_held_kind {
	MF_HELD_NEW,	 /* seized, not stopped yet */
	MF_HELD_STOPPED, /* by our interrupt */
	MF_HELD_SIGNAL,	 /* about to take a signal, which it still gets */
	MF_HELD_GROUP,	 /* it was stopped before us, and stays so */
	MF_HELD_GONE,
};

/** What a core has besides; holder_extra.c. */
struct mf_held_extra {
	bool known, siginfo_known;
	int signal;
	uint64_t at; /* of its extended registers, in shared->extended */
	size_t size;
	uint32_t stored; /* bytes there; the rest of SIZE are zeros */
	siginfo_t siginfo;
};

struct mf_held_thread {
	pid_t tid;
	enum mf_held_kind kind;
	bool is_free; /* it was let go */
	int signal;   /* to hand on when it is let go */
	struct mf_registers registers;
	struct mf_held_extra extra;
};

enum mf_holder_state {
	MF_HOLDER_IDLE,
	MF_HOLDER_HOLDS,
};

/** A mapping that is a stack: what lies below its stack pointer is dead. */
struct mf_stack {
	uint64_t start, end;
	uint64_t is_main; /* the kernel's own, of the main thread */
};

/** Code by the file that has it. */
struct mf_code_place {
	uint64_t inode, offset; /* inode 0: no file has it */
	uint32_t dev_major, dev_minor;
};

/** What a copy needs; main fills it in before it asks. */
struct mf_copy_plan {
	struct mf_remote_code code;
	struct mf_code_place call, sigreturn; /* the same, in any program */
	unsigned actor_count;
	pid_t actors[MF_HOLDER_ACTORS]; /* threads that may reap a copy */
	unsigned count;
	struct mf_stack stacks[MF_HOLDER_STACKS]; /* ascending */
};

enum mf_copy_outcome {
	MF_COPY_TAKEN,
	MF_COPY_STOPPED,   /* it is stopped, and stays so: nobody can act */
	MF_COPY_NO_THREAD, /* none can act */
	MF_COPY_NAMESPACE, /* a child of it would be in another pid namespace */
	MF_COPY_SECCOMP,   /* seccomp is in the way: number is mf_seccomp */
	MF_COPY_FAILED,	   /* clone failed, with number */
	MF_COPY_LATE,	   /* it took longer than the pause may */
};

/** What became of the last MF_ASK_COPY. */
struct mf_copy_result {
	unsigned outcome; /* enum mf_copy_outcome */
	int number;	  /* errno */
	pid_t pid;	  /* of the copy; 0: none */
	pid_t nspid;	  /* the same, as its parent sees it */
	pid_t actor;	  /* the thread that made it */
	unsigned touched; /* pages of the target that were brought in */
	uint64_t clone_ns;
};

struct mf_holder_shared {
	_Atomic unsigned state;	   /* enum mf_holder_state */
	_Atomic unsigned ran_out;  /* the last hold ended by itself */
	_Atomic uint64_t pause_ns; /* of the last hold, once it is over */
	uint64_t caught_ns; /* from the first interrupt to the last stop */
	unsigned unstopped; /* threads that would not stop in time */
	struct mf_rates rates;
	struct mf_copy_plan plan;
	struct mf_copy_result copy;
	unsigned count;
	struct mf_held_thread threads[MF_HOLDER_THREADS];
	bool wants_extra; /* main's; as long as the holder lives */
	size_t extended_used;
	_Alignas(64) unsigned char extended[MF_HOLDER_EXTENDED];
};

/** What main asks; each but MF_ASK_QUIT is answered by a number (errno). */
enum mf_ask {
	MF_ASK_HOLD,
	MF_ASK_COPY,	/* stop it, make a copy, let it go: shared->copy */
	MF_ASK_RELEASE, /* let it go */
	MF_ASK_DROP,	/* end the copy */
	MF_ASK_REAP,	/* a copy that ended (request.child), from its parent */
	MF_ASK_MEASURE, /* shared->rates; while nothing is held */
	MF_ASK_QUIT,
};

struct mf_holder_request {
	uint32_t ask;  /* enum mf_ask */
	int32_t child; /* of MF_ASK_REAP: its pid as its parent sees it */
	uint64_t max_pause_ns;
};

struct mf_holder_answer {
	uint32_t ask;	/* what it answers */
	int32_t number; /* 0, or errno */
};

/** The holder's whole life; TASK is /proc/PID/task. Never returns. */
void mf_holder_run(int socket, int task,
		   struct mf_holder_shared *shared) MF_NORETURN;

/* ---- the holder's own parts --------------------------------------------- */

struct mf_tracer {
	int socket, task;
	struct mf_holder_shared *shared;
	const struct mf_copy_plan *plan; /* main's, or one made anew */
	uint64_t started_ns;		 /* of the first interrupt */
	uint64_t max_pause_ns;
	bool leftover; /* some thread could not be let go */
};

/** Since the first interrupt; 0 when there was none. */
uint64_t mf_tracer_held_ns(const struct mf_tracer *tracer);

typedef int mf_visit_thread(struct mf_tracer *tracer, pid_t tid);

/** Calls VISIT for each thread that the target has now, until one returns an
 * errno, which is returned; or 0. */
int mf_tracer_each_thread(struct mf_tracer *tracer, mf_visit_thread *visit);

/** Seizes TID and has it stop; false when it is not ours to stop. */
bool mf_tracer_interrupt(struct mf_tracer *tracer, pid_t tid);

/** Looks once (WNOHANG), or waits a tick (0), for THREAD to stop or end. */
void mf_tracer_look_at(struct mf_held_thread *thread, int options);

/** Lets all threads go but TID (0: all). */
void mf_tracer_let_go(struct mf_tracer *tracer, pid_t tid);

/** Lets THREAD go. */
void mf_tracer_detach(struct mf_tracer *tracer, struct mf_held_thread *thread);

/** Lets those of COUNT threads go that had not stopped when they were to be
 * let go; says in tracer->leftover whether some still do not. */
void mf_tracer_let_late_go(struct mf_tracer *tracer,
			   struct mf_held_thread *threads, unsigned count);

/* holder_copy.c */

/** With all threads stopped: makes a copy, and says in shared->copy how. One
 * that came too late is there still. */
void mf_tracer_make_copy(struct mf_tracer *tracer);

/** Before the target runs again: makes the copy independent of it. */
void mf_tracer_finish_copy(struct mf_tracer *tracer);

/** Kills the copy, if there is one, and waits until it has ended; it is still
 * seen by nobody else. mf_tracer_reap is next. */
void mf_tracer_end_copy(struct mf_tracer *tracer);

/** Stops one thread, which takes the exit status of CHILD. 0, or errno. */
int mf_tracer_reap(struct mf_tracer *tracer, pid_t child);

/* holder_waiters.c */

/** Stops threads that wait where they could be told of a copy's end before
 * ACTOR is; not too many. */
void mf_tracer_stop_waiters(struct mf_tracer *tracer, pid_t actor);

/** With that one stopped: stops those, too, that could come to such a wait. */
void mf_tracer_stop_runners(struct mf_tracer *tracer);

/** Lets them all go. */
void mf_tracer_release_waiters(struct mf_tracer *tracer);

/** Once nobody else is held: lets those of them go that had not stopped. */
void mf_tracer_release_late_waiters(struct mf_tracer *tracer);

/* holder_plan.c; main plans by the first two, too */

/** Adds MAPPING to the stacks of PLAN if it is one; BEFORE (or NULL) is the
 * mapping below it. */
void mf_plan_add_stack(struct mf_copy_plan *plan,
		       const struct mf_mapping *before,
		       const struct mf_mapping *mapping);

/** What of its file MAPPING (or NULL) has at ADDRESS. */
struct mf_code_place mf_plan_place(const struct mf_mapping *mapping,
				   uint64_t address);

/** Makes tracer->plan for the program that TID, which is stopped, runs now;
 * false when that has none of the code that main knows of. */
bool mf_tracer_plan_anew(struct mf_tracer *tracer, pid_t tid);

/* holder_extra.c */

/** Of stopped threads, if main wants it: thread->extra. */
void mf_holder_read_extra(struct mf_holder_shared *shared);

#endif
