/*
 * Makes the notes of a core: those that the kernel writes (Linux
 * fs/binfmt_elf.c, fill_note_info), in its order, and ours. They are written
 * twice, first for their size; a thread's vector registers are never all in
 * memory at once.
 */
#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>
#include <time.h>

#include "base/memory.h"
#include "target/arch.h"
#include "target/core_notes.h"
#include "target/core_write.h"
#include "target/extra.h"

struct mf_core_note_source {
	struct mf_target *target;
	struct mf_process_extra extra;
	struct mf_buffer files, process, mappings, threads, waits, kernel;
	const struct mf_buffer *runs;
};

/* ---- one note --------------------------------------------------------------------- */

struct out {
	struct mf_core_sink *sink; /* NULL: for the size alone */
	uint64_t size;
};

static void put_bytes(struct out *out, const void *bytes, size_t size)
{
	if (out->sink && size)
		mf_core_sink_put(out->sink, bytes, size);
	out->size += size;
}

static void put_padding(struct out *out)
{
	static const char zeros[4];

	put_bytes(out, zeros, -out->size & 3);
}

static void put_note(struct out *out, const char *owner, uint32_t type,
		     const void *bytes, size_t size)
{
	const Elf64_Nhdr header = {
		.n_namesz = (uint32_t)strlen(owner) + 1,
		.n_descsz = (uint32_t)size,
		.n_type = type,
	};

	put_bytes(out, &header, sizeof(header));
	put_bytes(out, owner, header.n_namesz);
	put_padding(out);
	put_bytes(out, bytes, size);
	put_padding(out);
}

static void put_buffer(struct out *out, const char *owner, uint32_t type,
		       const struct mf_buffer *buffer)
{
	/* a note's size has 32 bits */
	if (buffer->size && buffer->size < UINT32_MAX - 3)
		put_note(out, owner, type, buffer->text, buffer->size);
}

/* ---- threads --------------------------------------------------------------------- */

static void put_status(struct out *out,
		       const struct mf_core_note_source *source,
		       const struct mf_thread *thread,
		       const struct mf_thread_extra *extra)
{
	struct elf_prstatus status;

	memset(&status, 0, sizeof(status));
	status.pr_info.si_signo = extra->signal;
	status.pr_cursig = (short)extra->signal;
	status.pr_pid = thread->tid;
	status.pr_ppid = source->extra.ppid;
	status.pr_pgrp = source->extra.pgrp;
	status.pr_sid = source->extra.sid;
	status.pr_utime.tv_sec = (long)(thread->cpu_ms / 1000);
	status.pr_utime.tv_usec = (long)(thread->cpu_ms % 1000 * 1000);
	status.pr_fpvalid = extra->size != 0;
	mf_arch_general_set(thread, &status.pr_reg, sizeof(status.pr_reg));
	put_note(out, "CORE", NT_PRSTATUS, &status, sizeof(status));
}

static void put_extended(struct out *out, const struct mf_thread_extra *extra)
{
	_Alignas(64) unsigned char bytes[MF_ARCH_EXTENDED] = { 0 };
	size_t size = MF_MIN(extra->size, sizeof(bytes)), float_size;

	if (!size)
		return;
	memcpy(bytes, extra->extended, MF_MIN(extra->stored, size));
	float_size = mf_arch_float_set(bytes, size);
	if (float_size)
		put_note(out, "CORE", NT_FPREGSET, bytes, float_size);
	if (size == float_size)
		return;
	memcpy(bytes, extra->extended, MF_MIN(extra->stored, size));
	size = mf_arch_trim_extended(bytes, size);
	put_note(out, "LINUX", mf_arch_extended_note, bytes, size);
}

/* ---- the process ------------------------------------------------------------------ */

static void fill_arguments(const struct mf_target_info *info, char *to,
			   size_t size)
{
	MF_AUTO_BUFFER(text);

	for (const char *const *at = info->cmdline; at && *at; at++) {
		if (text.size)
			mf_buffer_putc(&text, ' ');
		mf_buffer_puts(&text, *at);
		if (text.size >= size)
			break;
	}
	size = MF_MIN(text.size, size - 1);
	if (size)
		memcpy(to, text.text, size);
}

static void put_psinfo(struct out *out,
		       const struct mf_core_note_source *source)
{
	static const char states[] = "RSDTZW"; /* the kernel's own order */
	const struct mf_target_info *info = &source->target->info;
	const struct mf_process_extra *extra = &source->extra;
	struct elf_prpsinfo psinfo;
	const char *state = extra->state ? strchr(states, extra->state) : NULL;

	memset(&psinfo, 0, sizeof(psinfo));
	psinfo.pr_state = (char)(state ? state - states : 0);
	psinfo.pr_sname = extra->state ? extra->state : 'R';
	psinfo.pr_zomb = psinfo.pr_sname == 'Z';
	psinfo.pr_nice = (char)extra->nice;
	psinfo.pr_flag = extra->flags;
	psinfo.pr_uid = extra->uid;
	psinfo.pr_gid = extra->gid;
	psinfo.pr_pid = info->pid;
	psinfo.pr_ppid = extra->ppid;
	psinfo.pr_pgrp = extra->pgrp;
	psinfo.pr_sid = extra->sid;
	memcpy(psinfo.pr_fname, info->comm,
	       strnlen(info->comm, sizeof(psinfo.pr_fname) - 1));
	fill_arguments(info, psinfo.pr_psargs, sizeof(psinfo.pr_psargs));
	put_note(out, "CORE", NT_PRPSINFO, &psinfo, sizeof(psinfo));
}

static void put_process(struct out *out,
			const struct mf_core_note_source *source,
			const struct mf_thread_extra *extra)
{
	put_psinfo(out, source);
	put_note(out, "CORE", NT_SIGINFO, &extra->siginfo,
		 sizeof(extra->siginfo));
	put_buffer(out, "CORE", NT_AUXV, &source->extra.auxv);
	put_buffer(out, "CORE", NT_FILE, &source->files);
}

static void put_thread(struct out *out,
		       const struct mf_core_note_source *source,
		       const struct mf_thread *thread, bool is_first)
{
	struct mf_thread_extra extra;

	if (!mf_target_thread_extra(source->target, thread->tid, &extra))
		extra = (struct mf_thread_extra){ 0 };
	put_status(out, source, thread, &extra);
	if (is_first)
		put_process(out, source, &extra);
	else if (extra.siginfo_known)
		put_note(out, "CORE", NT_SIGINFO, &extra.siginfo,
			 sizeof(extra.siginfo));
	put_extended(out, &extra);
}

/* A main thread that has ended waits for the others, without registers. */
static bool is_alive(const struct mf_thread *thread)
{
	return thread->registers_known || !strchr("ZX", thread->state) ||
	       !thread->state;
}

/* The one that debuggers show first: the main thread, if it lives. */
static const struct mf_thread *find_first(const struct mf_thread *threads,
					  size_t count, pid_t pid)
{
	const struct mf_thread *first = NULL;

	for (size_t i = 0; i < count; i++)
		if (is_alive(&threads[i]) && (!first || threads[i].tid == pid))
			first = &threads[i];
	return first;
}

uint64_t mf_core_write_notes(struct mf_core_note_source *source,
			     struct mf_core_sink *sink)
{
	const struct mf_thread nobody = { .tid = source->target->info.pid };
	struct out out = { .sink = sink };
	size_t count;
	const struct mf_thread *threads =
		mf_target_threads(source->target, &count);
	const struct mf_thread *first =
		find_first(threads, count, source->target->info.pid);

	/* without any status, no debugger takes it for a core */
	put_thread(&out, source, first ? first : &nobody, true);
	for (size_t i = 0; i < count; i++)
		if (&threads[i] != first && is_alive(&threads[i]))
			put_thread(&out, source, &threads[i], false);
	put_buffer(&out, MF_NOTE_OWNER, MF_NOTE_PROCESS, &source->process);
	put_buffer(&out, MF_NOTE_OWNER, MF_NOTE_MAPPINGS, &source->mappings);
	put_buffer(&out, MF_NOTE_OWNER, MF_NOTE_THREADS, &source->threads);
	put_buffer(&out, MF_NOTE_OWNER, MF_NOTE_KERNEL, &source->kernel);
	put_buffer(&out, MF_NOTE_OWNER, MF_NOTE_RESIDENCY, source->runs);
	/* readers of old take five */
	put_buffer(&out, MF_NOTE_OWNER, MF_NOTE_WAITS, &source->waits);
	return out.size;
}

/* ---- what is read once -------------------------------------------------------- */

/* The kernel names files as they are; maps has a newline in octal. */
static void add_path(struct mf_buffer *to, const struct mf_mapping *mapping)
{
	for (const char *at = mapping->path; *at; at++) {
		if (strncmp(at, "\\012", 4) == 0) {
			mf_buffer_putc(to, '\n');
			at += 3;
		} else {
			mf_buffer_putc(to, *at);
		}
	}
	if (mapping->deleted)
		mf_buffer_puts(to, " (deleted)");
	mf_buffer_putc(to, '\0');
}

static void add_word(struct mf_buffer *to, uint64_t word)
{
	mf_buffer_add(to, &word, sizeof(word));
}

/* NT_FILE: count, page size, start and end and page of each, then names. */
static void fill_files(struct mf_core_note_source *source)
{
	size_t count, with_file = 0;
	const struct mf_mapping *mappings =
		mf_target_mappings(source->target, &count);
	uint64_t page_size = source->target->info.page_size;

	for (size_t i = 0; i < count; i++)
		with_file += mappings[i].inode && *mappings[i].path;
	add_word(&source->files, with_file);
	add_word(&source->files, page_size);
	for (size_t i = 0; i < count; i++) {
		if (!mappings[i].inode || !*mappings[i].path)
			continue;
		add_word(&source->files, mappings[i].start);
		add_word(&source->files, mappings[i].end);
		add_word(&source->files, mappings[i].offset / page_size);
	}
	for (size_t i = 0; i < count; i++)
		if (mappings[i].inode && *mappings[i].path)
			add_path(&source->files, &mappings[i]);
}

static void fill_process(struct mf_core_note_source *source, bool full)
{
	struct mf_target *target = source->target;
	struct mf_core_process process = {
		.tool = MF_VERSION,
		.info = target->info,
		.taken_s = target->info.taken_s ? target->info.taken_s
						: (uint64_t)time(NULL),
		.has_files = full,
	};

	mf_target_get_impact(target, &process.impact);
	process.partials = mf_target_partials(target, &process.partial_count);
	mf_core_put_process(&source->process, &process);
}

/* Who is not stopped does not show them. */
static void note_registers(struct mf_target *target,
			   const struct mf_thread *threads, size_t count)
{
	size_t lacking = 0;

	for (size_t i = 0; i < count; i++)
		lacking += is_alive(&threads[i]) && !threads[i].registers_known;
	if (lacking)
		mf_target_note_partial(
			target, "registers",
			"those of %zu of %zu threads are not known, as they "
			"were not stopped: zeros in the core",
			lacking, count);
}

static void add_kernel_word(const char *holder, uint64_t value, void *data)
{
	mf_core_put_kernel_word(data, holder, value);
}

struct mf_core_note_source *
mf_core_note_source_create(struct mf_target *target,
			   const struct mf_core_plan *plan, bool full)
{
	struct mf_core_note_source *source = mf_new(struct mf_core_note_source);
	size_t count;
	const struct mf_mapping *mappings = mf_target_mappings(target, &count);
	const struct mf_thread *threads;

	source->target = target;
	source->runs = &plan->runs;
	mf_target_process_extra(target, &source->extra);
	fill_files(source);
	for (size_t i = 0; i < count; i++)
		mf_core_put_mapping(&source->mappings, &mappings[i]);
	threads = mf_target_threads(target, &count);
	note_registers(target, threads, count);
	fill_process(source, full);
	for (size_t i = 0; i < count; i++) {
		mf_core_put_thread(&source->threads, &threads[i]);
		mf_core_put_wait(&source->waits, &threads[i]);
	}
	mf_target_each_kernel_word(target, add_kernel_word, &source->kernel);
	return source;
}

void mf_core_note_source_destroy(struct mf_core_note_source *source)
{
	if (!source)
		return;
	mf_buffer_deinit(&source->extra.auxv);
	mf_buffer_deinit(&source->files);
	mf_buffer_deinit(&source->process);
	mf_buffer_deinit(&source->mappings);
	mf_buffer_deinit(&source->threads);
	mf_buffer_deinit(&source->waits);
	mf_buffer_deinit(&source->kernel);
	free(source);
}
