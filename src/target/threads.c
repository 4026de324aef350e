/*
 * The threads of a live process as /proc shows them without a stop. Those
 * that are blocked show their program counter and stack pointer too
 * (/proc/PID/task/TID/syscall).
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "target/live.h"

enum {
	THREADS_MAX = 1 << 20,
};

/* "running", "NR A1 .. A6 SP PC", or "-1 SP PC". */
static void read_syscall(int task, const char *tid, struct mf_thread *thread)
{
	char path[64], text[512];
	uint64_t values[9] = { 0 };
	const char *at = text;
	size_t count = 0;
	char *end;

	snprintf(path, sizeof(path), "%.20s/syscall", tid);
	if (mf_proc_read_text(task, path, text, sizeof(text)) <= 0 ||
	    isalpha((unsigned char)*at))
		return;
	for (; count < MF_ARRAY_SIZE(values); count++, at = end) {
		values[count] = strtoull(at, &end, 0);
		if (end == at)
			break;
	}
	if (count != 9 && count != 3)
		return;
	thread->sp = values[count - 2];
	thread->pc = values[count - 1];
	thread->in_syscall = count == 9;
	thread->syscall = count == 9 ? (int64_t)values[0] : -1;
	thread->arguments_known = thread->in_syscall;
	if (thread->in_syscall)
		memcpy(thread->arguments, values + 1,
		       sizeof(thread->arguments));
}

/* "0": it waits nowhere, or nobody may know. */
static void read_wait_channel(int task, const char *tid,
			      struct mf_thread *thread)
{
	char path[64], text[MF_WAIT_CHANNEL];

	snprintf(path, sizeof(path), "%.20s/wchan", tid);
	if (mf_proc_read_text(task, path, text, sizeof(text)) > 0 &&
	    strcmp(text, "0") != 0)
		memcpy(thread->wait_channel, text, sizeof(text));
}

static bool read_thread(const struct mf_target *target, int task,
			const char *tid, struct mf_thread *ret)
{
	struct mf_thread thread = { 0 };
	struct mf_proc_stat stat;
	struct mf_error *error;
	char path[64];

	snprintf(path, sizeof(path), "%.20s/stat", tid);
	error = mf_proc_read_stat(task, path, &stat);
	if (error) {
		mf_error_destroy(error);
		return false;
	}
	thread.tid = (pid_t)strtol(tid, NULL, 10);
	thread.state = stat.state;
	thread.cpu_ms = mf_proc_ticks_ms(stat.cpu_ticks);
	snprintf(path, sizeof(path), "%.20s/comm", tid);
	if (mf_proc_read_text(task, path, thread.comm, sizeof(thread.comm)) < 0)
		thread.comm[0] = '\0';
	read_syscall(task, tid, &thread);
	if (target->options.wait_channels && thread.in_syscall)
		read_wait_channel(task, tid, &thread);
	*ret = thread;
	return true;
}

void mf_threads_read(struct mf_target *target)
{
	struct mf_live *live = mf_live_of(target);
	int task =
		openat(live->proc, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = task < 0 ? NULL : fdopendir(task);
	const struct dirent *entry;
	struct mf_thread thread;

	target->threads.count = 0;
	if (!directory) {
		if (task >= 0)
			close(task);
		return;
	}
	while (target->threads.count < THREADS_MAX &&
	       /* NOLINTNEXTLINE(concurrency-mt-unsafe): our own stream */
	       (entry = readdir(directory)))
		if (isdigit((unsigned char)*entry->d_name) &&
		    read_thread(target, task, entry->d_name, &thread))
			mf_vec_push(&target->threads, thread);
	closedir(directory);
}
