/*
 * Opens a live process without stopping it: who it is, what may be read of it,
 * and its mappings.
 */
#include "target/live.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "target/arch.h"
#include "target/copy.h"
#include "target/decide.h"

enum {
	ARGUMENTS_MAX = 4096,
	ARGUMENT_BYTES_MAX = 1 << 20,
};

/* ---- what reads memory -------------------------------------------------- */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void mf_live_open_memory(struct mf_target *target)
{
	struct mf_live *live = mf_live_of(target);
	char why[512];
	int number;

	close_fd(&live->mem);
	close_fd(&live->pagemap);
	live->mem = openat(live->memory_proc, "mem", O_RDONLY | O_CLOEXEC);
	live->pagemap =
		openat(live->memory_proc, "pagemap", O_RDONLY | O_CLOEXEC);
	number = errno;
	target->info.abilities &=
		~(unsigned)(MF_CAN_READ | MF_CAN_RESIDENCY | MF_CAN_STOP);
	if (live->pagemap >= 0)
		target->info.abilities |= MF_CAN_RESIDENCY;
	if (live->mem >= 0 && live->pagemap >= 0) {
		target->info.abilities |= MF_CAN_READ | MF_CAN_STOP;
		return;
	}
	mf_refusal_explain(live->proc, live->pid, number, why, sizeof(why));
	mf_target_note_partial(target, "memory", "%s", why);
}

/* End of file once the memory is gone; else an error, or the byte. */
static bool has_memory(int mem)
{
	char byte;

	return mem >= 0 && pread(mem, &byte, 1, 0) != 0;
}

bool mf_live_has_memory(const struct mf_live *live)
{
	return has_memory(live->mem);
}

bool mf_live_has_own_memory(const struct mf_live *live)
{
	return has_memory(live->copy.pid ? live->copy.own_mem : live->mem);
}

struct mf_error *mf_live_gone(struct mf_target *target)
{
	struct mf_live *live = mf_live_of(target);

	if (!live->copy.pid)
		return mf_refusal_gone(live->proc, live->pid);
	live->lost_copy = true;
	return mf_refusal_lost_copy(live->pid);
}

static bool live_lost_copy(struct mf_target *target)
{
	struct mf_live *live = mf_live_of(target);

	if (live->copy.pid && !mf_live_has_memory(live))
		live->lost_copy = true;
	return live->lost_copy;
}

static bool live_has_copy(struct mf_target *target)
{
	return mf_live_of(target)->copy.pid != 0 && !live_lost_copy(target);
}

static bool live_has_ended(struct mf_target *target)
{
	return !mf_live_has_own_memory(mf_live_of(target));
}

/* ---- mappings ------------------------------------------------------------ */

struct refresh {
	struct mf_target *target;
	struct mf_mapping current; /* its path is in the pool already */
	bool any;
	uint64_t end; /* of the mappings so far */
};

/* A process that runs while it is read can show a range twice. */
static void finish_mapping(struct refresh *refresh)
{
	struct mf_mapping *mapping = &refresh->current;

	if (!refresh->any)
		return;
	refresh->any = false;
	if (mapping->start < refresh->end)
		mapping->start = refresh->end;
	if (mapping->start >= mapping->end)
		return;
	refresh->end = mapping->end;
	mf_mappings_add(&refresh->target->mappings, mapping);
}

static void take_line(struct refresh *refresh, const char *line)
{
	struct mf_mapping mapping;
	char *path;

	if (!mf_maps_parse_head(line, &mapping)) {
		if (refresh->any)
			mf_maps_parse_detail(line, &refresh->current);
		return;
	}
	finish_mapping(refresh);
	path = mf_strdup(mapping.path);
	mapping.deleted = mf_maps_strip_deleted(path);
	mapping.path =
		*path ? mf_pool_strdup(&refresh->target->mappings.pool, path)
		      : "";
	free(path);
	refresh->current = mapping;
	refresh->any = true;
}

static struct mf_error *refuse_mappings(struct mf_target *target, int number)
{
	const struct mf_live *live = mf_live_of(target);

	if (live->copy.pid && !mf_live_has_memory(live))
		return mf_live_gone(target);
	return mf_refusal_mappings(live->proc, live->pid, number);
}

static struct mf_error *read_maps(struct mf_target *target, int fd)
{
	struct refresh refresh = { .target = target };
	mf_auto_free char *line = mf_calloc(MF_MAPS_LINE, 1);
	FILE *stream = fdopen(fd, "r");
	int got, number;

	if (!stream) {
		close(fd);
		return mf_error_from_errno(ENOMEM, "cannot read the mappings");
	}
	while ((got = mf_maps_read_line(stream, line)) > 0)
		take_line(&refresh, line);
	finish_mapping(&refresh);
	number = ferror(stream) ? errno : got < 0 ? EIO : 0;
	fclose(stream);
	return number ? refuse_mappings(target, number) : NULL;
}

/* Figures that are the process's own, of the same moment as the mappings. */
static void read_own_status(struct mf_target *target)
{
	struct mf_proc_status status;
	mf_auto_error struct mf_error *error = mf_proc_read_status(
		mf_live_of(target)->memory_proc, "status", &status);

	if (!error && status.has_memory)
		target->info.status = status.memory;
}

static struct mf_error *read_mappings(struct mf_target *target)
{
	const struct mf_live *live = mf_live_of(target);
	int fd = openat(live->memory_proc, "smaps", O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		target->info.abilities |= MF_CAN_USAGE;
	else
		fd = openat(live->memory_proc, "maps", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return refuse_mappings(target, errno);
	return read_maps(target, fd);
}

static struct mf_error *live_refresh(struct mf_target *target)
{
	const struct mf_live *live = mf_live_of(target);
	/* a copy stands still: nothing of it changes */
	bool is_known = live->copy.pid && mf_view_recall(target);

	if (!is_known)
		MF_TRY(read_mappings(target));
	if (!target->mappings.count ||
	    (live->mem >= 0 && !mf_live_has_memory(live)))
		return mf_live_gone(target);
	if (!live->copy.pid)
		read_own_status(target);
	else if (!is_known)
		mf_view_merge(target);
	return NULL;
}

/* ---- who it is ------------------------------------------------------------ */

static void read_exe(struct mf_target *target, int proc)
{
	char path[PATH_MAX + 1];
	ssize_t size = readlinkat(proc, "exe", path, sizeof(path) - 1);

	if (size < 0)
		return;
	path[size] = '\0';
	mf_maps_strip_deleted(path);
	target->info.exe = mf_pool_strdup(&target->pool, path);
}

static void read_cmdline(struct mf_target *target, int proc)
{
	MF_AUTO_BUFFER(text);
	mf_auto_error struct mf_error *error =
		mf_file_read_at(proc, "cmdline", &text);
	size_t size = MF_MIN(text.size, (size_t)ARGUMENT_BYTES_MAX);
	size_t count = 0, at = 0;
	char *copy;
	const char **list;

	if (error || !size)
		return;
	copy = mf_pool_alloc(&target->pool, size + 1);
	memcpy(copy, text.text, size);
	for (size_t i = 0; i < size; i++)
		count += !copy[i];
	count = MF_MIN(count + 1, (size_t)ARGUMENTS_MAX);
	list = mf_pool_alloc(&target->pool, (count + 1) * sizeof(*list));
	for (size_t i = 0; i < count && at < size; i++) {
		list[i] = copy + at;
		at += strlen(copy + at) + 1;
	}
	target->info.cmdline = list;
}

static uint64_t age_ms(const struct mf_proc_stat *stat)
{
	uint64_t started = mf_proc_ticks_ms(stat->start_ticks), now;
	struct timespec time;

	clock_gettime(CLOCK_BOOTTIME, &time);
	now = (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
	return now > started ? now - started : 0;
}

static void fill_info(struct mf_target *target,
		      const struct mf_proc_status *status,
		      const struct mf_proc_stat *stat)
{
	struct mf_live *live = mf_live_of(target);
	struct mf_target_info *info = &target->info;
	char comm[64];

	info->kind = MF_TARGET_LIVE;
	info->abilities = MF_CAN_MAPPINGS | MF_CAN_THREADS | MF_CAN_FILES;
	info->pid = live->pid;
	info->nspid = status->nspid ? status->nspid : live->pid;
	info->root =
		mf_pool_printf(&target->pool, "/proc/%d/root", (int)live->pid);
	info->page_size = (uint32_t)sysconf(_SC_PAGESIZE);
	info->arch = mf_arch_name;
	info->user_end = mf_arch_user_end;
	info->tls_above = mf_arch_tls_above;
	info->thread_count = status->threads;
	info->age_ms = age_ms(stat);
	info->status = status->memory;
	if (mf_proc_read_text(live->proc, "comm", comm, sizeof(comm)) >= 0)
		info->comm = mf_pool_strdup(&target->pool, comm);
	read_exe(target, live->proc);
	read_cmdline(target, live->proc);
	mf_limits_read(live->proc, live->pid, &info->limits);
}

/* ---- opening --------------------------------------------------------------- */

/* A leader that ended leaves its memory to the other threads. */
static void find_memory(struct mf_live *live, struct mf_proc_status *status)
{
	char path[64];
	int task =
		openat(live->proc, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = task < 0 ? NULL : fdopendir(task);
	const struct dirent *entry;
	struct mf_proc_status other;

	while (directory &&
	       /* NOLINTNEXTLINE(concurrency-mt-unsafe): our own stream */
	       (entry = readdir(directory))) {
		mf_auto_error struct mf_error *error = NULL;

		snprintf(path, sizeof(path), "%.20s/status", entry->d_name);
		if (entry->d_name[0] == '.')
			continue;
		error = mf_proc_read_status(task, path, &other);
		if (error || !other.has_memory)
			continue;
		*strchr(path, '/') = '\0';
		live->memory_tid = (pid_t)strtol(path, NULL, 10);
		close_fd(&live->memory_proc);
		live->memory_proc =
			openat(task, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		status->memory = other.memory;
		break;
	}
	if (directory)
		closedir(directory);
}

static void live_close(struct mf_target *target)
{
	struct mf_live *live = mf_live_of(target);

	mf_hold_close(target);
	mf_files_close(live);
	close_fd(&live->mem);
	close_fd(&live->pagemap);
	close_fd(&live->memory_proc);
	close_fd(&live->proc);
	mf_vec_deinit(&live->words.list);
	free(live);
}

static const struct mf_target_ops live_ops = {
	.close = live_close,
	.refresh = live_refresh,
	.runs = mf_pagemap_runs,
	.read = mf_pages_read,
	.begin = mf_pages_begin,
	.open_file = mf_files_open,
	.read_threads = mf_threads_read,
	.hold = mf_hold_begin,
	.release = mf_hold_end,
	.drop_copy = mf_copy_drop,
	.lost_copy = live_lost_copy,
	.has_copy = live_has_copy,
	.has_ended = live_has_ended,
	.refuse_copy = mf_decide_against_keeping,
	.is_still = mf_hold_is_still,
	.thread_extra = mf_live_thread_extra,
	.process_extra = mf_live_process_extra,
	.kernel_words = mf_live_kernel_words,
};

static struct mf_error *read_status(struct mf_live *live,
				    struct mf_proc_status *status,
				    struct mf_proc_stat *stat)
{
	struct mf_error *error =
		mf_proc_read_status(live->proc, "status", status);

	if (!error)
		error = mf_proc_read_stat(live->proc, "stat", stat);
	if (!error || error->code != MF_ERROR_NO_PROCESS)
		return error;
	mf_error_destroy(error);
	return mf_refusal_gone(live->proc, live->pid);
}

static struct mf_error *open_process(struct mf_target *target)
{
	struct mf_live *live = mf_live_of(target);
	struct mf_proc_status status = { 0 };
	struct mf_proc_stat stat = { 0 };
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d", (int)live->pid);
	live->proc = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (live->proc < 0)
		return mf_refusal_missing(live->pid);
	live->memory_proc = fcntl(live->proc, F_DUPFD_CLOEXEC, 0);
	live->memory_tid = live->pid;
	MF_TRY(read_status(live, &status, &stat));
	MF_TRY(mf_refusal_check(live->proc, live->pid, &status, &stat));
	MF_TRY(mf_refusal_check_class(live->proc, live->pid));
	if (!status.has_memory)
		find_memory(live, &status);
	fill_info(target, &status, &stat);
	mf_live_open_memory(target);
	mf_hold_prepare(target);
	mf_live_want_extra(target);
	return mf_target_refresh(target);
}

struct mf_error *mf_target_open_live(pid_t pid,
				     const struct mf_target_options *options,
				     struct mf_target **ret)
{
	struct mf_live *live;
	struct mf_target *target;
	struct mf_error *error;

	if (pid <= 0)
		return mf_refusal_missing(pid);
	live = mf_new(struct mf_live);
	target = mf_target_create(&live_ops, live);
	target->options = *options;
	live->pid = pid;
	live->proc = live->memory_proc = live->mem = live->pagemap = -1;
	error = open_process(target);
	if (error) {
		mf_target_close(target);
		return error;
	}
	*ret = target;
	return NULL;
}
