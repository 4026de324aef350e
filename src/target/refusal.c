/*
 * Why a process cannot be read, and what to type instead: asks the kernel in
 * the order in which it decides (ptrace(2), "Ptrace access mode checking";
 * Documentation/admin-guide/LSM/Yama.rst).
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "target/live.h"

enum {
	PF_KTHREAD = 0x00200000, /* linux/sched.h */
	COMM = 32,
};

static void read_comm(pid_t pid, char *comm, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	if (mf_proc_read_text(AT_FDCWD, path, comm, size) < 0)
		snprintf(comm, size, "?");
}

static bool is_proc_hidden(void)
{
	char text[16384];

	if (mf_proc_read_text(AT_FDCWD, "/proc/self/mountinfo", text,
			      sizeof(text)) < 0)
		return false;
	return strstr(text, "hidepid=") && !strstr(text, "hidepid=0") &&
	       !strstr(text, "hidepid=off");
}

struct mf_error *mf_refusal_missing(pid_t pid)
{
	struct mf_error *error = mf_error_create(
		MF_ERROR_NO_PROCESS, "cannot open process %d", (int)pid);

	if (is_proc_hidden() && geteuid() != 0)
		return mf_error_hint(
			mf_error_why(error, "no such process, or /proc is "
					    "mounted with hidepid"),
			"sudo memforensics %d", (int)pid);
	mf_error_why(error, "no such process");
	return mf_error_hint(error, "pgrep -a NAME lists process ids");
}

static struct mf_error *refuse(enum mf_error_code code, pid_t pid)
{
	return mf_error_create(code, "cannot open process %d", (int)pid);
}

static struct mf_error *refuse_zombie(pid_t pid, pid_t parent)
{
	struct mf_error *error = refuse(MF_ERROR_NO_PROCESS, pid);
	char comm[COMM];

	read_comm(parent, comm, sizeof(comm));
	mf_error_why(error,
		     "it has ended (a zombie): its memory is gone; its parent "
		     "%d (%s) has not waited for it",
		     (int)parent, comm);
	return mf_error_hint(error,
			     "memforensics %d, if it is the parent that "
			     "matters",
			     (int)parent);
}

struct mf_error *mf_refusal_check(int proc, pid_t pid,
				  const struct mf_proc_status *status,
				  const struct mf_proc_stat *stat)
{
	(void)proc;
	if (status->tgid != pid)
		return mf_error_hint(
			mf_error_why(refuse(MF_ERROR_NO_PROCESS, pid),
				     "it is a thread of process %d",
				     (int)status->tgid),
			"memforensics %d", (int)status->tgid);
	if (stat->flags & PF_KTHREAD)
		return mf_error_hint(
			mf_error_why(refuse(MF_ERROR_UNSUPPORTED, pid),
				     "it is the kernel thread %s: it has no "
				     "memory of its own",
				     status->name),
			"slabtop and /proc/meminfo show the kernel's memory");
	if ((status->state == 'Z' || status->state == 'X') &&
	    status->threads <= 1)
		return refuse_zombie(pid, status->ppid);
	return NULL;
}

struct mf_error *mf_refusal_check_class(int proc, pid_t pid)
{
	unsigned char ident[EI_NIDENT];
	int fd = openat(proc, "exe", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, ident, sizeof(ident));

	if (fd >= 0)
		close(fd);
	if (got != (ssize_t)sizeof(ident) ||
	    memcmp(ident, ELFMAG, SELFMAG) != 0 ||
	    ident[EI_CLASS] != ELFCLASS32)
		return NULL;
	return mf_error_hint(
		mf_error_why(refuse(MF_ERROR_UNSUPPORTED, pid),
			     "it is a 32-bit process; only 64-bit ones are "
			     "understood"),
		"cat /proc/%d/maps > FILE; memforensics maps FILE", (int)pid);
}

/* ---- permission -------------------------------------------------------- */

static const char *user_name(uid_t uid, char *text, size_t size)
{
	const struct passwd *entry = getpwuid(uid);

	snprintf(text, size, "%s", entry ? entry->pw_name : "unknown");
	return text;
}

static int yama_scope(void)
{
	char text[16];

	if (mf_proc_read_text(AT_FDCWD, "/proc/sys/kernel/yama/ptrace_scope",
			      text, sizeof(text)) < 0)
		return 0;
	return (int)strtol(text, NULL, 10);
}

/* A process that is not dumpable has its /proc files owned by root. */
static bool is_dumpable(int proc, uid_t euid)
{
	struct stat status;

	return fstatat(proc, "maps", &status, 0) != 0 || status.st_uid == euid;
}

static bool is_other_namespace(int proc)
{
	char theirs[64] = "", ours[64] = "";

	if (readlinkat(proc, "ns/user", theirs, sizeof(theirs) - 1) < 0 ||
	    readlink("/proc/self/ns/user", ours, sizeof(ours) - 1) < 0)
		return false;
	return strcmp(theirs, ours) != 0;
}

static void explain_yama(int scope, pid_t pid, char *text, size_t size)
{
	static const char *const reasons[] = {
		"",
		"Yama (kernel.yama.ptrace_scope = 1) lets only a parent read "
		"it",
		"Yama (kernel.yama.ptrace_scope = 2) lets only those with "
		"CAP_SYS_PTRACE read it",
		"Yama (kernel.yama.ptrace_scope = 3) lets nobody read it, not "
		"even root, until a reboot",
	};

	if (scope == 3)
		snprintf(text, size, "%s", reasons[3]);
	else if (scope == 2)
		snprintf(text, size, "%s: sudo memforensics %d", reasons[2],
			 (int)pid);
	else
		snprintf(text, size,
			 "%s: sudo memforensics %d, or sysctl "
			 "kernel.yama.ptrace_scope=0",
			 reasons[1], (int)pid);
}

/* Nothing is refused then: this machine, or our own limits, lack something. */
static bool is_shortage(int number)
{
	return number == EMFILE || number == ENFILE || number == ENOMEM;
}

void mf_refusal_explain(int proc, pid_t pid, int number, char *text,
			size_t size)
{
	struct mf_proc_status status = { 0 };
	mf_auto_error struct mf_error *error =
		mf_proc_read_status(proc, "status", &status);
	char name[64];
	int scope = yama_scope();

	if (is_shortage(number)) {
		snprintf(text, size, "%s", strerror(number));
	} else if (error || status.state == 'Z' || status.state == 'X') {
		snprintf(text, size, "it has ended");
	} else if (scope != 3 && geteuid() != 0 && status.uid != geteuid()) {
		snprintf(text, size,
			 "it belongs to user %s (%u): sudo memforensics %d",
			 user_name(status.uid, name, sizeof(name)),
			 (unsigned)status.uid, (int)pid);
	} else if (scope != 3 && geteuid() != 0 &&
		   !is_dumpable(proc, status.euid)) {
		snprintf(text, size,
			 "it is not dumpable (set-user-id, file capabilities "
			 "or PR_SET_DUMPABLE): sudo memforensics %d",
			 (int)pid);
	} else if (scope == 3 || (geteuid() != 0 && scope > 0)) {
		explain_yama(scope, pid, text, size);
	} else if (is_other_namespace(proc)) {
		snprintf(text, size,
			 "it is in another user namespace, where "
			 "CAP_SYS_PTRACE is missing: run memforensics on the "
			 "host as root");
	} else {
		snprintf(text, size,
			 "CAP_SYS_PTRACE is missing or a security module "
			 "(seccomp, SELinux, AppArmor) forbids it: in a "
			 "container, add --cap-add SYS_PTRACE");
	}
}

struct mf_error *mf_refusal_gone(int proc, pid_t pid)
{
	struct mf_proc_status status = { 0 };
	mf_auto_error struct mf_error *unread =
		mf_proc_read_status(proc, "status", &status);
	struct mf_error *error = mf_error_create(
		MF_ERROR_NO_PROCESS, "cannot read process %d", (int)pid);

	if (!unread && (status.has_memory || status.threads > 1)) {
		mf_error_why(error, "it began another program, or its main "
				    "thread ended, while it was read");
		return mf_error_hint(error, "memforensics %d, once more",
				     (int)pid);
	}
	mf_error_why(error, "it has ended");
	return mf_error_hint(error, "pgrep -a NAME lists process ids");
}

struct mf_error *mf_refusal_lost_copy(pid_t pid)
{
	struct mf_error *error =
		mf_error_create(MF_ERROR_FAILED,
				"cannot read the copy of process %d", (int)pid);

	mf_error_why(error, "the copy was killed, most likely because memory "
			    "ran out");
	return mf_error_hint(error, "memforensics --stop brief %d", (int)pid);
}

struct mf_error *mf_refusal_mappings(int proc, pid_t pid, int number)
{
	char why[512];
	char *hint;
	struct mf_error *error;

	if (number == ESRCH || number == ENOENT)
		return mf_refusal_gone(proc, pid);
	if (is_shortage(number))
		return mf_error_hint(
			mf_error_from_errno(number, "cannot open process %d",
					    (int)pid),
			number == ENOMEM ? "ulimit -v" : "ulimit -n 64");
	mf_refusal_explain(proc, pid, number, why, sizeof(why));
	hint = strstr(why, ": sudo ");
	if (!hint)
		hint = strstr(why, ": in a container, ");
	if (hint) {
		*hint = '\0';
		hint += 2;
	}
	error = mf_error_why(refuse(MF_ERROR_PERMISSION, pid), "%s", why);
	return hint ? mf_error_hint(error, "%s", hint) : error;
}
