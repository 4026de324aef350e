/*
 * Reads the seccomp filters of a stopped thread (PTRACE_SECCOMP_GET_FILTER) and
 * asks each of them about the calls that are to be made in that thread. The
 * kernel runs all filters and obeys the strictest, so all have to agree.
 *
 * A filter is only read by who has CAP_SYS_ADMIN and no filter of its own, and
 * only as long as the kernel keeps what the program gave it (CONFIG_CHECKPOINT_
 * RESTORE). What cannot be read may kill the process: it counts as forbidden.
 */
#include "target/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/compiler.h"
#include "target/arch.h"
#include "target/cbpf.h"
#include "target/proc.h"

enum {
	FILTERS_MAX = 512,
	STATUS_TEXT = 8192,
	CAP_ADMIN = 21,	      /* CAP_SYS_ADMIN, linux/capability.h */
	GET_FILTER = 0x420c,  /* PTRACE_SECCOMP_GET_FILTER */
	ALL_BUT_FIRST = 0x3e, /* arguments that are known before */
	ALL_BUT_SECOND = 0x3d,
	EVERY = 0x3f,
};

/* What is called in the thread, or in its copy. The stack of a clone, and which
 * child is waited for, are not known yet. */
static const struct mf_cbpf_call calls[] = {
	{ .number = SYS_clone,
	  .known = ALL_BUT_SECOND,
	  .arguments = { CLONE_FILES } },
	{ .number = SYS_rt_sigreturn },
	{ .number = SYS_wait4,
	  .known = ALL_BUT_FIRST,
	  .arguments = { 0, 0, WNOHANG | __WCLONE } },
	{ .number = SYS_exit_group },
	{ .number = SYS_close_range,
	  .known = EVERY,
	  .arguments = { 0, UINT32_MAX, CLOSE_RANGE_UNSHARE } },
};

/* A copy that shares its files for as long as it lives is a copy, too. */
static bool is_answer_good(uint32_t answer, unsigned number)
{
	return answer == SECCOMP_RET_ALLOW || answer == SECCOMP_RET_LOG ||
	       (answer == SECCOMP_RET_ERRNO && number == SYS_close_range);
}

/* The mode of /proc/PID/status, or -1. */
static int read_mode(int directory, const char *path)
{
	static char text[STATUS_TEXT];
	uint64_t mode;

	if (mf_proc_read_text(directory, path, text, sizeof(text)) < 0)
		return -1;
	/* a kernel without seccomp has no such line */
	return mf_proc_find_number(text, "Seccomp:", 10, &mode) ? (int)mode : 0;
}

static enum mf_seccomp ask_filter(const struct sock_filter *filter,
				  size_t count)
{
	enum mf_seccomp worst = MF_SECCOMP_ALLOWS;

	for (size_t i = 0; i < MF_ARRAY_SIZE(calls); i++) {
		uint32_t answer = SECCOMP_RET_KILL_PROCESS;

		if (!mf_cbpf_run(filter, count, &calls[i], &answer)) {
			worst = MF_SECCOMP_UNKNOWN;
			continue;
		}
		answer &= SECCOMP_RET_ACTION_FULL;
		if (!is_answer_good(answer, (unsigned)calls[i].number))
			return MF_SECCOMP_DENIES;
	}
	return worst;
}

static enum mf_seccomp ask_filters(pid_t tid)
{
	static struct sock_filter filter[BPF_MAXINSNS];
	enum mf_seccomp worst = MF_SECCOMP_ALLOWS;

	for (unsigned i = 0; i < FILTERS_MAX; i++) {
		enum mf_seccomp answer;
		long count;

		/* the kernel never gives more than BPF_MAXINSNS */
		errno = 0;
		count = ptrace((enum __ptrace_request)GET_FILTER, tid,
			       mf_remote_pointer(i), filter);
		if (count < 0 && errno == ENOENT && i)
			return worst;
		if (count <= 0 || count > BPF_MAXINSNS)
			return MF_SECCOMP_HIDDEN;
		answer = ask_filter(filter, (size_t)count);
		if (answer == MF_SECCOMP_DENIES)
			return answer;
		worst = MF_MAX(worst, answer);
	}
	return MF_SECCOMP_HIDDEN;
}

enum mf_seccomp mf_seccomp_check(int task, pid_t tid)
{
	char path[32];

	snprintf(path, sizeof(path), "%d/status", (int)tid);
	switch (read_mode(task, path)) {
	case SECCOMP_MODE_DISABLED:
		return MF_SECCOMP_ALLOWS;
	case SECCOMP_MODE_STRICT:
		return MF_SECCOMP_STRICT;
	case SECCOMP_MODE_FILTER:
		return ask_filters(tid);
	default:
		return MF_SECCOMP_HIDDEN;
	}
}

bool mf_seccomp_is_readable(void)
{
	static char text[STATUS_TEXT];
	uint64_t mode = 0, capabilities = 0;

	if (mf_proc_read_text(AT_FDCWD, "/proc/self/status", text,
			      sizeof(text)) < 0)
		return false;
	mf_proc_find_number(text, "Seccomp:", 10, &mode);
	mf_proc_find_number(text, "CapEff:", 16, &capabilities);
	return !mode && capabilities & (UINT64_C(1) << CAP_ADMIN);
}

const char *mf_seccomp_text(enum mf_seccomp answer)
{
	static const char *const texts[] = {
		[MF_SECCOMP_STRICT] = "seccomp's strict mode forbids it",
		[MF_SECCOMP_DENIES] = "its seccomp filter forbids it",
		[MF_SECCOMP_UNKNOWN] = "what its seccomp filter would do "
				       "depends on what is not known before",
		[MF_SECCOMP_HIDDEN] =
			"its seccomp filter cannot be read (that "
			"takes CAP_SYS_ADMIN, and no filter here)",
	};

	return texts[answer];
}
