/*
 * The small files of /proc/PID: status and stat of a process or thread, as
 * numbers.
 */
#ifndef MF_TARGET_PROC_H
#define MF_TARGET_PROC_H

#include "memforensics/target.h"

/** Of /proc/PID/status; sets are bit N-1 for signal N. */
struct mf_proc_status {
	char name[64];
	char state;
	pid_t tgid, ppid, tracer, nspid;
	uid_t uid, euid;
	unsigned threads, seccomp;
	bool has_memory; /* false: kernel thread or zombie */
	uint64_t pending, shared_pending, blocked, ignored, caught;
	struct mf_status memory;
};

/** Of /proc/PID/stat. */
struct mf_proc_stat {
	char state;
	uint64_t flags; /* PF_*, linux/sched.h */
	uint64_t cpu_ticks, start_ticks;
};

/** Reads "status" below DIRECTORY (AT_FDCWD too). */
struct mf_error *mf_proc_read_status(int directory, const char *path,
				     struct mf_proc_status *ret) MF_MUST_CHECK;
struct mf_error *mf_proc_read_stat(int directory, const char *path,
				   struct mf_proc_stat *ret) MF_MUST_CHECK;

/** From the text of such a file. Allocates nothing. */
bool mf_proc_parse_stat(const char *text, struct mf_proc_stat *ret);

/**
 * Reads a small file below DIRECTORY into TEXT without its last newline: its
 * length, or -1 and errno. Allocates nothing.
 */
ssize_t mf_proc_read_text(int directory, const char *path, char *text,
			  size_t size);

/** The number that follows KEY at the start of a line of TEXT. */
bool mf_proc_find_number(const char *text, const char *key, unsigned base,
			 uint64_t *ret);

/** Ticks of CONFIG_HZ as milliseconds. */
uint64_t mf_proc_ticks_ms(uint64_t ticks);

#endif
