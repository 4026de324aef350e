/*
 * Main's side of a copy: where the target's stacks are and which of its code a
 * remote call can run through; reading the copy in place of the process; and
 * what is left of copies when their owner was killed: zombies that nobody waits
 * for, told by how they ended.
 */
#include "target/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "target/holder_link.h"
#include "target/remote.h"
#include "target/seccomp.h"

enum {
	CODE_WINDOW = 65536,  /* bytes of code looked at at once */
	CODE_OVERLAP = 16,    /* an instruction sequence may lie across two */
	CODE_MAX = 256 << 20, /* bytes of code looked at in all */
	CHILDREN_MAX = 65536,
	DROP_MS = 20000, /* that the end of a copy takes at most */
	/* fields of /proc/PID/stat, from 1 */
	FIELD_STATE = 3,
	FIELD_EXIT_SIGNAL = 38,
	FIELD_EXIT_CODE = 52,
};

/* ---- what the holder needs ---------------------------------------------- */

static void plan_stacks(const struct mf_target *target,
			struct mf_copy_plan *plan)
{
	const struct mf_mappings *mappings = &target->mappings;

	plan->count = 0;
	for (size_t i = 0; i < mappings->count; i++)
		mf_plan_add_stack(plan, i ? &mappings->items[i - 1] : NULL,
				  &mappings->items[i]);
}

/* The main thread first: it is likely to be there later, too. */
static void plan_actors(struct mf_target *target, struct mf_copy_plan *plan)
{
	size_t count;
	const struct mf_thread *threads = mf_target_threads(target, &count);

	plan->actor_count = 0;
	plan->actors[plan->actor_count++] = target->info.pid;
	for (size_t i = 0; i < count && plan->actor_count < MF_HOLDER_ACTORS;
	     i++)
		if (threads[i].tid != target->info.pid)
			plan->actors[plan->actor_count++] = threads[i].tid;
}

static bool is_found(const struct mf_remote_code *code)
{
	return code->call && code->sigreturn;
}

struct code_search {
	struct mf_target *target;
	struct mf_remote_code *code;
	uint8_t *window, *flags;
	uint64_t left; /* bytes still looked at */
	bool resident; /* only for a call, in pages that are there */
};

static bool is_over(const struct code_search *search)
{
	if (!search->left)
		return true;
	return search->resident ? search->code->call != 0
				: is_found(search->code);
}

/* A call through other pages would bring them into the target. */
static void hide_absent(const struct code_search *search, size_t pages)
{
	uint32_t page_size = search->target->info.page_size;

	for (size_t i = 0; i < pages; i++)
		if (!(search->flags[i] & MF_PAGE_PRESENT))
			memset(search->window + i * page_size, 0, page_size);
}

static void search_mapping(struct code_search *search,
			   const struct mf_mapping *mapping)
{
	uint32_t page_size = search->target->info.page_size;
	uint64_t at = mapping->start;

	while (at < mapping->end && !is_over(search)) {
		uint64_t size =
			MF_MIN(mapping->end - at, (uint64_t)CODE_WINDOW);
		mf_auto_error struct mf_error *error = mf_target_read_pages(
			search->target, at, size / page_size, search->window,
			search->flags);

		if (error)
			return;
		if (search->resident)
			hide_absent(search, size / page_size);
		mf_arch_find_code(search->window, size, at, search->code);
		search->left -= MF_MIN(search->left, size);
		at += size;
	}
}

/* In the C library, or else in whatever code there is. */
static void search_code(struct code_search *search)
{
	static const char *const likely[] = { "/libc", "/ld-musl", "" };
	const struct mf_mappings *mappings = &search->target->mappings;

	for (size_t i = 0; i < MF_ARRAY_SIZE(likely); i++)
		for (size_t j = 0; j < mappings->count; j++) {
			const struct mf_mapping *mapping = &mappings->items[j];

			if (is_over(search))
				return;
			if (mapping->perms & MF_PERM_EXEC && mapping->inode &&
			    strstr(mapping->path, likely[i]))
				search_mapping(search, mapping);
		}
}

static void plan_code(struct mf_target *target, struct mf_remote_code *code)
{
	mf_auto_free uint8_t *window = mf_calloc(CODE_WINDOW, 1);
	mf_auto_free uint8_t *flags =
		mf_calloc(CODE_WINDOW / target->info.page_size, 1);
	struct code_search search = {
		.target = target,
		.code = code,
		.window = window,
		.flags = flags,
		.left = CODE_MAX,
		.resident = true,
	};

	*code = (struct mf_remote_code){ 0, 0 };
	search_code(&search);
	search.resident = false;
	search.left = CODE_MAX;
	search_code(&search);
}

/* False when it is not found: code that was known before may come again. */
static bool find_code(struct mf_target *target, struct mf_copy_plan *plan)
{
	struct mf_remote_code code = plan->code;

	if (!mf_remote_knows(mf_live_of(target)->pid, &code))
		plan_code(target, &code);
	if (!is_found(&code))
		return false;
	plan->code = code;
	plan->call = mf_plan_place(mf_target_mapping_at(target, code.call),
				   code.call);
	plan->sigreturn = mf_plan_place(
		mf_target_mapping_at(target, code.sigreturn), code.sigreturn);
	return true;
}

static bool fill_plan(struct mf_target *target, struct mf_copy_plan *plan)
{
	plan_stacks(target, plan);
	plan_actors(target, plan);
	return find_code(target, plan);
}

const char *mf_copy_plan(struct mf_target *target)
{
	struct mf_copy_plan *plan = &mf_live_of(target)->holder->shared->plan;

	if (!fill_plan(target, plan))
		return "no code to call the kernel with was found in it";
	return NULL;
}

/* ---- reading it ------------------------------------------------------------ */

static const char *explain_clone(struct mf_target *target, int number)
{
	if (number == EAGAIN)
		return "it may have no more tasks (RLIMIT_NPROC, pids.max, or "
		       "the system's own limit)";
	if (number == ENOMEM)
		return "there is no memory for the copy's page tables";
	return mf_pool_strdup(&target->pool, strerror(number));
}

static const char *explain_outcome(struct mf_target *target,
				   const struct mf_copy_result *copy)
{
	switch ((enum mf_copy_outcome)copy->outcome) {
	case MF_COPY_STOPPED:
		return "it is stopped, and a stopped process makes no copy";
	case MF_COPY_NO_THREAD:
		return copy->number == EBUSY
			       ? "none of its threads stopped in time"
			       : "none of its threads can make one now";
	case MF_COPY_NAMESPACE:
		return "its children would be in another pid namespace";
	case MF_COPY_SECCOMP:
		return mf_seccomp_text((enum mf_seccomp)copy->number);
	case MF_COPY_LATE:
		return "it took longer than --max-pause";
	default:
		return explain_clone(target, copy->number);
	}
}

static void use_copy(struct mf_live *live, pid_t pid, int proc)
{
	live->copy = (struct mf_copy){
		.pid = pid,
		.own_tid = live->memory_tid,
		.own_proc = live->memory_proc,
		.own_mem = live->mem,
		.own_pagemap = live->pagemap,
	};
	live->memory_tid = pid;
	live->memory_proc = proc;
	live->mem = live->pagemap = -1;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void use_process(struct mf_live *live)
{
	close_fd(live->mem);
	close_fd(live->pagemap);
	close_fd(live->memory_proc);
	live->mem = live->copy.own_mem;
	live->pagemap = live->copy.own_pagemap;
	live->memory_proc = live->copy.own_proc;
	live->memory_tid = live->copy.own_tid;
	live->copy = (struct mf_copy){ 0 };
	mf_view_end(&live->view);
}

/* False when it is gone already: TARGET is read as before then. */
static bool open_copy(struct mf_target *target, pid_t pid)
{
	struct mf_live *live = mf_live_of(target);
	unsigned abilities = target->info.abilities;
	size_t partials = target->partials.count;
	char path[64];
	int proc;

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	proc = pid ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (proc < 0)
		return false;
	use_copy(live, pid, proc);
	mf_live_open_memory(target);
	if (mf_live_has_memory(live))
		return true;
	target->info.abilities = abilities;
	target->partials.count = partials;
	return false;
}

/* Pages of the process that remote calls have brought in. */
static void note_touched(struct mf_target *target)
{
	struct mf_copy_result *copy = &mf_live_of(target)->holder->shared->copy;

	target->impact.pages_faulted_in += copy->touched;
	copy->touched = 0;
}

const char *mf_copy_open(struct mf_target *target)
{
	struct mf_live *live = mf_live_of(target);
	const struct mf_copy_result *copy = &live->holder->shared->copy;

	note_touched(target);
	if (copy->outcome != MF_COPY_TAKEN) {
		mf_copy_drop(target);
		return explain_outcome(target, copy);
	}
	mf_debug("target", "thread %d made the copy %d in %.2f ms",
		 (int)copy->actor, (int)copy->pid,
		 (double)copy->clone_ns / 1000000.0);
	if (!open_copy(target, copy->pid)) {
		mf_copy_drop(target);
		return "the copy was killed at once";
	}
	target->info.kind = MF_TARGET_SNAPSHOT;
	return NULL;
}

/* ---- ending it ---------------------------------------------------------------- */

/* It runs another program now, which has other code and other stacks. */
static void plan_anew(struct mf_target *target)
{
	const struct mf_target_options options = { .stop = MF_STOP_NONE };
	struct mf_live *live = mf_live_of(target);
	struct mf_target *fresh;
	mf_auto_error struct mf_error *error =
		mf_target_open_live(live->pid, &options, &fresh);

	if (error)
		return;
	fill_plan(fresh, &live->holder->shared->plan);
	mf_target_close(fresh);
}

/* False once the process itself has ended: others wait for its children. */
static bool is_there(const struct mf_live *live)
{
	struct mf_proc_stat stat;
	struct mf_error *error = mf_proc_read_stat(live->proc, "stat", &stat);
	bool there = !error && stat.state != 'Z' && stat.state != 'X';

	mf_error_destroy(error);
	return there;
}

/* Takes the exit status of CHILD, by its number in the target's namespace; 0, or
 * errno. */
static int reap_once(struct mf_target *target, pid_t child)
{
	struct mf_live *live = mf_live_of(target);
	const struct mf_holder_request request = {
		.ask = MF_ASK_REAP,
		.child = child,
		.max_pause_ns = MF_REAP_MS * UINT64_C(1000000),
	};
	double pause_ms;
	int number = 0;

	/* the one that made the copy may have been killed */
	if (!live->holder || (!live->holder->pid && !mf_holder_start(live)) ||
	    !mf_holder_ask(live->holder, &request, &number))
		return EAGAIN;
	pause_ms = (double)atomic_load(&live->holder->shared->pause_ns) /
		   1000000.0;
	mf_debug("target", "reaped copy %d in %.2f ms: %s", (int)child,
		 pause_ms, strerror(number));
	note_touched(target);
	target->impact.stops++;
	target->impact.pause_ms += pause_ms;
	target->impact.longest_pause_ms =
		MF_MAX(target->impact.longest_pause_ms, pause_ms);
	return number;
}

/* In the program that was planned for, or another that has the same code; else
 * in that which it runs now. */
static void reap(struct mf_target *target, pid_t child)
{
	const struct mf_live *live = mf_live_of(target);
	int number = reap_once(target, child);

	if (number && is_there(live) &&
	    !mf_remote_knows(live->pid, &live->holder->shared->plan.code)) {
		plan_anew(target);
		number = reap_once(target, child);
	}
	if (number && is_there(live))
		mf_note("what is left of the copy (process %d, which has ended) "
			"is reaped by the next run: %s",
			(int)child, strerror(number));
}

void mf_copy_drop(struct mf_target *target)
{
	/* memory of many gigabytes is not given back at once */
	const struct mf_holder_request request = {
		.ask = MF_ASK_DROP, .max_pause_ns = DROP_MS * UINT64_C(1000000)
	};
	struct mf_live *live = mf_live_of(target);
	struct mf_holder_shared *shared;
	pid_t child;
	int number;

	if (!live->holder)
		return;
	shared = live->holder->shared;
	child = shared->copy.nspid;
	if (live->copy.pid) {
		use_process(live);
		mf_holder_ask(live->holder, &request, &number);
	}
	shared->copy.nspid = 0;
	if (child && is_there(live))
		reap(target, child);
}

/* ---- what others have left ------------------------------------------------------- */

static int64_t field(const char *stat, unsigned number)
{
	const char *at = strrchr(stat, ')');

	for (unsigned i = FIELD_STATE; at && i < number; i++)
		at = strchr(at + 2, ' ');
	return at && at[1] ? strtoll(at + 1, NULL, 10) : -1;
}

static bool was_offered(pid_t pid)
{
	char path[64], text[32];

	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)pid);
	return mf_proc_read_text(AT_FDCWD, path, text, sizeof(text)) > 0 &&
	       strcmp(text, "1000") == 0;
}

/* A zombie that sent no signal, and was killed as a copy or ended as one. */
static bool is_leftover(pid_t pid)
{
	char path[64], text[1024];
	const char *state;
	int64_t code;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (mf_proc_read_text(AT_FDCWD, path, text, sizeof(text)) < 0)
		return false;
	state = strrchr(text, ')');
	if (!state || strncmp(state, ") Z", 3) != 0 ||
	    field(text, FIELD_EXIT_SIGNAL) != 0)
		return false;
	code = field(text, FIELD_EXIT_CODE);
	return code == MF_COPY_STATUS << 8 ||
	       (code == SIGKILL && was_offered(pid));
}

static void reap_leftover(struct mf_target *target, pid_t pid)
{
	struct mf_live *live = mf_live_of(target);
	struct mf_proc_status status;
	char path[64];
	mf_auto_error struct mf_error *error = NULL;

	if (!is_leftover(pid))
		return;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	error = mf_proc_read_status(AT_FDCWD, path, &status);
	if (error)
		return;
	fill_plan(target, &live->holder->shared->plan);
	mf_note("a copy that an earlier run had left is reaped");
	reap(target, status.nspid ? status.nspid : pid);
}

static void reap_children(struct mf_target *target, pid_t tid)
{
	MF_AUTO_BUFFER(text);
	mf_auto_free char *path = mf_asprintf("task/%d/children", (int)tid);
	mf_auto_error struct mf_error *error =
		mf_file_read_at(mf_live_of(target)->proc, path, &text);
	const char *at = error ? "" : mf_buffer_text(&text);
	char *end;

	for (unsigned i = 0; i < CHILDREN_MAX; i++, at = end) {
		long pid = strtol(at, &end, 10);

		if (end == at)
			break;
		reap_leftover(target, (pid_t)pid);
	}
}

void mf_copy_reap_leftovers(struct mf_target *target)
{
	struct mf_live *live = mf_live_of(target);
	size_t count;
	const struct mf_thread *threads = mf_target_threads(target, &count);

	if (live->sought_leftovers || !live->holder)
		return;
	live->sought_leftovers = true;
	for (size_t i = 0; i < MF_MIN(count, (size_t)MF_HOLDER_ACTORS); i++)
		reap_children(target, threads[i].tid);
}
