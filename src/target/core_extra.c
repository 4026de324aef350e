/*
 * What a core that was read has for one that is written of it: the auxiliary
 * vector, who the process was, and of each thread its signal and its extended
 * registers. Where these are in the file is noted in passing; they are read
 * when somebody asks.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>

#include "base/map.h"
#include "base/memory.h"
#include "target/arch.h"
#include "target/core.h"
#include "target/extra.h"

enum {
	THREADS_MAX = 1 << 20,
	AUXV_MAX = 4096,
};

struct place {
	uint64_t offset, size; /* size 0: it is not there */
};

struct thread_places {
	struct place status, siginfo, floats, extended;
};

struct mf_core_places {
	MF_VEC(struct thread_places) threads; /* in the file's order */
	struct place auxv, psinfo;
	struct mf_map index_of_tid; /* filled when it is first asked for */
	bool is_indexed;
	_Alignas(64) unsigned char extended[MF_ARCH_EXTENDED];
};

void mf_core_places_destroy(struct mf_core_places *places)
{
	if (!places)
		return;
	mf_vec_deinit(&places->threads);
	mf_map_deinit(&places->index_of_tid);
	free(places);
}

static struct thread_places *last_thread(struct mf_core_places *places)
{
	return places->threads.count
		       ? &places->threads.items[places->threads.count - 1]
		       : NULL;
}

void mf_core_note_place(struct mf_core *core, uint32_t type, uint64_t offset,
			uint64_t size)
{
	const struct place place = { offset, size };
	struct mf_core_places *places = core->places;
	struct thread_places *thread;

	if (!places)
		places = core->places = mf_new(struct mf_core_places);
	if (type == NT_PRSTATUS && places->threads.count < THREADS_MAX)
		mf_vec_add(&places->threads)->status = place;
	thread = last_thread(places);
	if (type == NT_AUXV)
		places->auxv = place;
	else if (type == NT_PRPSINFO)
		places->psinfo = place;
	else if (type == NT_SIGINFO && thread)
		thread->siginfo = place;
	else if (type == NT_FPREGSET && thread)
		thread->floats = place;
	else if (type == mf_arch_extended_note && thread)
		thread->extended = place;
}

static bool read_place(const struct mf_core *core, const struct place *place,
		       void *bytes, size_t size)
{
	return place->size == size &&
	       mf_core_file_read(core->file, place->offset, bytes, size) ==
		       size;
}

static void read_extended(const struct mf_core *core,
			  const struct thread_places *thread,
			  struct mf_thread_extra *ret)
{
	struct mf_core_places *places = core->places;
	const struct place *place =
		thread->extended.size ? &thread->extended : &thread->floats;

	if (!place->size || place->size > sizeof(places->extended) ||
	    !read_place(core, place, places->extended, place->size))
		return;
	ret->extended = places->extended;
	ret->size = ret->stored = place->size;
}

static bool read_status(const struct mf_core *core,
			const struct thread_places *thread,
			struct elf_prstatus *ret)
{
	return read_place(core, &thread->status, ret, sizeof(*ret)) &&
	       ret->pr_pid > 0;
}

static void index_threads(const struct mf_core *core)
{
	struct mf_core_places *places = core->places;
	struct elf_prstatus status;

	places->is_indexed = true;
	for (size_t i = 0; i < places->threads.count; i++)
		if (read_status(core, &places->threads.items[i], &status))
			mf_map_set(&places->index_of_tid,
				   (uint64_t)status.pr_pid, i);
}

bool mf_core_thread_extra(struct mf_target *target, pid_t tid,
			  struct mf_thread_extra *ret)
{
	const struct mf_core *core = mf_core_of(target);
	const struct thread_places *thread;
	struct elf_prstatus status;
	const uint64_t *index;

	if (!core->places)
		return false;
	if (!core->places->is_indexed)
		index_threads(core);
	index = mf_map_get(&core->places->index_of_tid, (uint64_t)tid);
	if (!index)
		return false;
	thread = &core->places->threads.items[*index];
	if (!read_status(core, thread, &status))
		return false;
	*ret = (struct mf_thread_extra){ .signal = status.pr_cursig };
	ret->siginfo_known = read_place(core, &thread->siginfo, &ret->siginfo,
					sizeof(ret->siginfo));
	read_extended(core, thread, ret);
	return true;
}

void mf_core_process_extra(struct mf_target *target,
			   struct mf_process_extra *ret)
{
	const struct mf_core *core = mf_core_of(target);
	const struct mf_core_places *places = core->places;
	unsigned char auxv[AUXV_MAX];
	struct elf_prpsinfo psinfo;

	if (!places)
		return;
	if (places->auxv.size <= sizeof(auxv) &&
	    read_place(core, &places->auxv, auxv, places->auxv.size))
		mf_buffer_add(&ret->auxv, auxv, places->auxv.size);
	if (!read_place(core, &places->psinfo, &psinfo, sizeof(psinfo)))
		return;
	ret->ppid = psinfo.pr_ppid;
	ret->pgrp = psinfo.pr_pgrp;
	ret->sid = psinfo.pr_sid;
	ret->uid = psinfo.pr_uid;
	ret->gid = psinfo.pr_gid;
	/* NOLINTNEXTLINE(bugprone-signed-char-misuse,cert-str34-c): -20 to 19 */
	ret->nice = psinfo.pr_nice;
	ret->state = psinfo.pr_sname;
	ret->flags = psinfo.pr_flag;
}
