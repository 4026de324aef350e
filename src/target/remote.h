/*
 * System calls inside a target: prepare, act, cure. For the process that traces
 * it (the holder) only.
 *
 * The thread that acts can be left alone at any moment: below its stack pointer
 * lies a signal frame with its state, and the call returns into it. So when we
 * are killed in the middle, the thread puts itself back.
 */
#ifndef MF_TARGET_REMOTE_H
#define MF_TARGET_REMOTE_H

#include "target/arch.h"

struct mf_remote {
	struct mf_frames frames;
	unsigned char below[MF_FRAMES]; /* what was where the frames are */
	struct mf_registers registers;	/* as they were */
	const struct mf_remote_code *code;
	uint64_t mask; /* of signals, as it was */
	pid_t tid;
	pid_t child; /* that the call has made; 0: none */
	int memory;  /* of TID, open as long as the frames are there; or -1 */
};

/** What a thread is to call; arguments as system calls take them. */
struct mf_remote_call {
	long number;
	uint64_t arguments[MF_CALL_ARGUMENTS];
	/* argument 1 is the stack pointer of a child: its frame */
	bool makes_child;
	uint64_t deadline_ns; /* of mf_now_ns; then it is interrupted, once: */
	unsigned options;     /* PTRACE_O_* that stay in force meanwhile */
	void (*entered)(void *context); /* it stands in the call's door; once */
	void (*overdue)(void *context); /* the thread is still waited for */
	void *context;
};

/**
 * Makes TID ready to act: it is in a stop of PTRACE_INTERRUPT. Its stack must
 * have room from FLOOR up to TOP (0: up to what lies below its own stack
 * pointer), all of it dead. Nothing but dead memory is changed yet. 0, or
 * errno.
 */
int mf_remote_prepare(struct mf_remote *remote, pid_t tid,
		      const struct mf_remote_code *code, uint64_t floor,
		      uint64_t top);

/**
 * Makes the call. 0 and *RET, what it returned; or errno when it was not made.
 * In any case mf_remote_cure is next.
 */
int mf_remote_act(struct mf_remote *remote, const struct mf_remote_call *call,
		  int64_t *ret);

/**
 * TID stopped in a restartable sequence, which ends it: takes it to where the
 * kernel would take it when it runs on. False when it is in none, or cannot be
 * taken there; else *REGISTERS are the new ones.
 */
bool mf_remote_leave_sequence(pid_t tid, struct mf_registers *registers);

/** When it is not to act after all: undoes mf_remote_prepare. */
void mf_remote_leave(struct mf_remote *remote);

/** Puts everything back as it was; the thread stays stopped. */
void mf_remote_cure(struct mf_remote *remote);

/**
 * Makes ALONE of the child that REMOTE has made, which is in the stop that it
 * was born in: it may act too, and ends where it is left alone. Never cured.
 */
bool mf_remote_take_child(const struct mf_remote *remote,
			  struct mf_remote *alone);

/** Puts back what the frames replaced in PID, a copy of the target. */
void mf_remote_clean(const struct mf_remote *remote, pid_t pid);

/** True while CODE is what PID has in its memory. */
bool mf_remote_knows(pid_t pid, const struct mf_remote_code *code);

/** Wakes waits of this process up each tick; 0: no longer. */
void mf_remote_set_tick(long microseconds);

#endif
