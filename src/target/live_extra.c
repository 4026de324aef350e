/*
 * Knows where a live process's part of extra.h comes from: what the holder has
 * read of its threads, and /proc.
 */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "target/extra.h"
#include "target/holder.h"
#include "target/live.h"

enum {
	SMALL = 8192,
};

void mf_live_want_extra(struct mf_target *target)
{
	struct mf_holder_shared *shared = mf_hold_shared(mf_live_of(target));

	if (shared)
		shared->wants_extra = target->options.extended_registers;
}

static void fill_thread(const struct mf_holder_shared *shared,
			const struct mf_held_extra *held,
			struct mf_thread_extra *ret)
{
	*ret = (struct mf_thread_extra){
		.signal = held->signal,
		.siginfo_known = held->siginfo_known,
		.siginfo = held->siginfo,
		.extended = shared->extended + held->at,
		.size = held->size,
		.stored = held->stored,
	};
}

bool mf_live_thread_extra(struct mf_target *target, pid_t tid,
			  struct mf_thread_extra *ret)
{
	struct mf_live *live = mf_live_of(target);
	const struct mf_holder_shared *shared = mf_hold_shared(live);

	/* both sides are in about the same order: go on where we were */
	for (unsigned i = 0; shared && i < shared->count; i++) {
		unsigned at = (live->next_extra + i) % shared->count;

		if (shared->threads[at].tid != tid)
			continue;
		live->next_extra = at + 1;
		if (!shared->threads[at].extra.known)
			return false;
		fill_thread(shared, &shared->threads[at].extra, ret);
		return true;
	}
	return false;
}

static void read_stat(int proc, struct mf_process_extra *ret)
{
	char text[SMALL], state = 0;
	unsigned long flags = 0;
	const char *at;

	if (mf_proc_read_text(proc, "stat", text, sizeof(text)) <= 0)
		return;
	at = strrchr(text, ')');
	if (!at ||
	    /* NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers */
	    sscanf(at + 1,
		   " %c %d %d %d %*d %*d %lu %*u %*u %*u %*u %*u %*u %*d %*d"
		   " %*d %d",
		   &state, &ret->ppid, &ret->pgrp, &ret->sid, &flags,
		   &ret->nice) != 6)
		return;
	ret->state = state;
	ret->flags = flags;
}

static void read_ids(int proc, struct mf_process_extra *ret)
{
	char text[SMALL];
	uint64_t number;

	if (mf_proc_read_text(proc, "status", text, sizeof(text)) <= 0)
		return;
	if (mf_proc_find_number(text, "Uid:", 10, &number))
		ret->uid = (uid_t)number;
	if (mf_proc_find_number(text, "Gid:", 10, &number))
		ret->gid = (gid_t)number;
}

void mf_live_process_extra(struct mf_target *target,
			   struct mf_process_extra *ret)
{
	struct mf_live *live = mf_live_of(target);
	mf_auto_error struct mf_error *error =
		mf_file_read_at(live->memory_proc, "auxv", &ret->auxv);

	if (error)
		mf_buffer_clear(&ret->auxv);
	read_stat(live->proc, ret);
	read_ids(live->proc, ret);
}
