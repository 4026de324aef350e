/*
 * Whether seccomp would let a thread make the system calls that a copy of its
 * process takes.
 */
#ifndef MF_TARGET_SECCOMP_H
#define MF_TARGET_SECCOMP_H

#include <stdbool.h>
#include <sys/types.h>

enum mf_seccomp {
	MF_SECCOMP_ALLOWS, /* every call that is needed */
	MF_SECCOMP_STRICT,
	MF_SECCOMP_DENIES,  /* a filter forbids one, or kills, or asks */
	MF_SECCOMP_UNKNOWN, /* what a filter says cannot be foretold */
	MF_SECCOMP_HIDDEN,  /* its filters cannot be read */
};

/**
 * Looks through every filter of thread TID, which this process has in a ptrace
 * stop, for clone(CLONE_FILES), rt_sigreturn, wait4, exit_group and close_range
 * (which may fail, but not kill). TASK is /proc/PID/task. Changes nothing of the
 * thread, allocates nothing; takes some microseconds a filter.
 */
enum mf_seccomp mf_seccomp_check(int task, pid_t tid);

/** Whether filters of others can be read at all by this process. */
bool mf_seccomp_is_readable(void);

/** Why there is no copy, as a part of a sentence; of ALLOWS: NULL. */
const char *mf_seccomp_text(enum mf_seccomp answer);

#endif
