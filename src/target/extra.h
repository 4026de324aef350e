/*
 * What a core file wants to know beyond the door: the signals and the extended
 * registers of threads, and the kernel's own record of the process.
 */
#ifndef MF_TARGET_EXTRA_H
#define MF_TARGET_EXTRA_H

#include <signal.h>

#include "base/buffer.h"
#include "target/target.h"

/** Of one thread; what it points to lives until the next one is asked for, or
 * the hold or the copy ends. */
struct mf_thread_extra {
	int signal; /* that it was about to take, or is stopped by; 0: none */
	bool siginfo_known;
	siginfo_t siginfo;
	/* NT_X86_XSTATE, or else NT_FPREGSET: SIZE bytes (0: not known), which
	 * are zeros past the first STORED */
	const unsigned char *extended;
	size_t size, stored;
};

struct mf_process_extra {
	struct mf_buffer auxv; /* empty: not known */
	pid_t ppid, pgrp, sid;
	uid_t uid;
	gid_t gid;
	int nice;
	char state; /* of /proc */
	uint64_t flags;
};

/**
 * Of the thread with TID, when options.extended_registers asked for it before
 * the hold; false: nothing is known.
 */
bool mf_target_thread_extra(struct mf_target *target, pid_t tid,
			    struct mf_thread_extra *ret);

/** What is not known stays 0. RET->auxv is the caller's to end. */
void mf_target_process_extra(struct mf_target *target,
			     struct mf_process_extra *ret);

#endif
