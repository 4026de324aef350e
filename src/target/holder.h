/*
 * The process that traces. It is forked when the target is opened, stops and
 * resumes on request, and resumes on its own when the time is over or when we
 * are gone; when it dies itself, the kernel resumes the target. What it finds
 * is in memory that both share.
 */
#ifndef MF_TARGET_HOLDER_H
#define MF_TARGET_HOLDER_H

#include <stdatomic.h>

#include "target/arch.h"

enum {
	MF_HOLDER_THREADS = 1 << 16,
};

enum mf_held_kind {
	MF_HELD_NEW,	 /* seized, not stopped yet */
	MF_HELD_STOPPED, /* by our interrupt */
	MF_HELD_SIGNAL,	 /* about to take a signal, which it still gets */
	MF_HELD_GROUP,	 /* it was stopped before us, and stays so */
	MF_HELD_GONE,
};

struct mf_held_thread {
	pid_t tid;
	enum mf_held_kind kind;
	int signal; /* to hand on when it is let go */
	struct mf_registers registers;
};

enum mf_holder_state {
	MF_HOLDER_IDLE,
	MF_HOLDER_HOLDS,
};

struct mf_holder_shared {
	_Atomic unsigned state;	   /* enum mf_holder_state */
	_Atomic unsigned ran_out;  /* the last hold ended by itself */
	_Atomic uint64_t pause_ns; /* of the last hold, once it is over */
	uint64_t caught_ns; /* from the first interrupt to the last stop */
	unsigned unstopped; /* threads that would not stop in time */
	unsigned count;
	struct mf_held_thread threads[MF_HOLDER_THREADS];
};

/** What main asks; each but MF_ASK_QUIT is answered by a number (errno). */
enum mf_ask {
	MF_ASK_HOLD,
	MF_ASK_RELEASE,
	MF_ASK_QUIT,
};

struct mf_holder_request {
	uint32_t ask; /* enum mf_ask */
	uint32_t reserved;
	uint64_t max_pause_ns;
};

struct mf_holder_answer {
	uint32_t ask;	/* what it answers */
	int32_t number; /* 0, or errno */
};

/** The holder's whole life; TASK is /proc/PID/task. Never returns. */
void mf_holder_run(int socket, int task,
		   struct mf_holder_shared *shared) MF_NORETURN;

#endif
