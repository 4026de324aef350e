/*
 * The notes of a core file: its threads and their registers, what the process
 * was, what the kernel told it at its start, and which files it had mapped.
 * Cores have many notes that nobody here asks for; they are passed over
 * without being read.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>

#include "base/memory.h"
#include "base/units.h"
#include "target/arch.h"
#include "target/core.h"
#include "target/core_notes.h"

enum {
	RECORDS_MAX = 1 << 22,
	THREADS_MAX = 1 << 20,
	OWNER_MAX = 16, /* bytes of an owner's name that tell it */
	OWN_MAX = 16,	/* notes of our own, one of each type; more may come */
	FILES_MAX = 4,	/* lists of files that are read until one is good */
	OWN_BYTES_MAX = 256 << 20,
	NAMES_MAX = 1 << 20,
	FILES_BYTES_MAX = 64 << 20, /* the kernel's own limit is 16 MiB */
	AUXV_MAX = 4096,
	PAGE_SIZE_MAX = 1 << 16,
	PAGE_SIZE_MIN = 4096,
};

/** One note, where its bytes are. */
struct record {
	char owner[OWNER_MAX + 1];
	uint32_t type;
	uint64_t offset, size; /* of its bytes in the file */
};

struct reader {
	struct mf_target *target;
	struct mf_core *core;
	uint64_t held;	    /* bytes left of the notes at hand */
	unsigned count;	    /* of records */
	size_t bad_names;   /* of NT_FILE */
	unsigned lists;	    /* of those, that were read */
	bool any_registers; /* a thread was seen */
	struct record own[OWN_MAX];
	size_t own_count;
};

/* The bytes of RECORD in new memory and a NUL after them, or NULL. */
static uint8_t *take_bytes(const struct reader *reader,
			   const struct record *record, size_t most)
{
	uint8_t *bytes;

	if (record->size > most)
		return NULL;
	bytes = mf_calloc(1, record->size + 1);
	if (mf_core_file_read(reader->core->file, record->offset, bytes,
			      record->size) == record->size)
		return bytes;
	free(bytes);
	return NULL;
}

/* ---- threads ----------------------------------------------------------- */

static void take_status(struct reader *reader, const struct record *record)
{
	struct elf_prstatus status;
	struct mf_registers registers = { 0 };
	struct mf_thread thread = { 0 };

	if (record->size != sizeof(status) ||
	    reader->target->threads.count == THREADS_MAX ||
	    mf_core_file_read(reader->core->file, record->offset, &status,
			      sizeof(status)) != sizeof(status) ||
	    status.pr_pid <= 0)
		return;
	thread.tid = status.pr_pid;
	if (mf_arch_take_registers(&status.pr_reg, sizeof(status.pr_reg),
				   &registers))
		mf_arch_fill_thread(&registers, &thread);
	thread.cpu_ms = (uint64_t)status.pr_utime.tv_sec * 1000 +
			(uint64_t)status.pr_utime.tv_usec / 1000 +
			(uint64_t)status.pr_stime.tv_sec * 1000 +
			(uint64_t)status.pr_stime.tv_usec / 1000;
	/* gdb leaves the times out; who has run at all has used some */
	thread.cpu_unknown =
		!status.pr_utime.tv_sec && !status.pr_utime.tv_usec &&
		!status.pr_stime.tv_sec && !status.pr_stime.tv_usec;
	mf_vec_push(&reader->target->threads, thread);
	reader->any_registers = true;
}

static struct mf_thread *last_thread(const struct reader *reader)
{
	return reader->any_registers
		       ? &reader->target->threads
				  .items[reader->target->threads.count - 1]
		       : NULL;
}

/* On some machines the thread pointer is no general register. */
static void take_pointer(struct reader *reader, const struct record *record)
{
	struct mf_thread *thread = last_thread(reader);
	uint64_t pointer;

	if (thread && record->size >= sizeof(pointer) &&
	    mf_core_file_read(reader->core->file, record->offset, &pointer,
			      sizeof(pointer)) == sizeof(pointer))
		thread->tp = pointer;
}

static void take_call(struct reader *reader, const struct record *record)
{
	struct mf_thread *thread = last_thread(reader);
	int32_t number;

	if (!thread || record->size != sizeof(number) ||
	    mf_core_file_read(reader->core->file, record->offset, &number,
			      sizeof(number)) != sizeof(number))
		return;
	thread->in_syscall = number >= 0;
	thread->syscall = number;
}

/* ---- the process ------------------------------------------------------- */

static void take_process(struct reader *reader, const struct record *record)
{
	struct mf_target_info *info = &reader->target->info;
	struct mf_pool *pool = &reader->target->pool;
	struct elf_prpsinfo process;
	const char **list;
	size_t length;

	if (record->size != sizeof(process) || info->pid ||
	    mf_core_file_read(reader->core->file, record->offset, &process,
			      sizeof(process)) != sizeof(process))
		return;
	info->pid = info->nspid = process.pr_pid > 0 ? process.pr_pid : 0;
	info->comm = mf_pool_strndup(
		pool, process.pr_fname,
		strnlen(process.pr_fname, sizeof(process.pr_fname)));
	list = mf_pool_alloc(pool, 2 * sizeof(*list));
	length = strnlen(process.pr_psargs, sizeof(process.pr_psargs));
	/* the kernel puts a blank after each argument */
	while (length && process.pr_psargs[length - 1] == ' ')
		length--;
	list[0] = mf_pool_strndup(pool, process.pr_psargs, length);
	if (*list[0])
		info->cmdline = list;
}

static void take_auxv(struct reader *reader, const struct record *record)
{
	struct mf_core_auxv *auxv = &reader->core->auxv;
	const struct {
		uint64_t type, *to;
	} wanted[] = {
		{ AT_PHDR, &auxv->programs },
		{ AT_BASE, &auxv->base },
		{ AT_ENTRY, &auxv->entry },
		{ AT_RANDOM, &auxv->random },
		{ AT_EXECFN, &auxv->execfn },
		{ AT_SYSINFO_EHDR, &auxv->vdso },
		{ AT_PAGESZ, &auxv->page_size },
	};
	mf_auto_free uint8_t *bytes = take_bytes(reader, record, AUXV_MAX);

	if (bytes && record->size >= sizeof(auxv->first)) {
		memcpy(auxv->first, bytes, sizeof(auxv->first));
		auxv->first_known = true;
	}
	for (size_t at = 0; bytes && record->size - at >= sizeof(Elf64_auxv_t);
	     at += sizeof(Elf64_auxv_t)) {
		const Elf64_auxv_t entry = mf_load(Elf64_auxv_t, bytes + at);

		for (size_t i = 0; i < MF_ARRAY_SIZE(wanted); i++)
			if (entry.a_type == wanted[i].type)
				*wanted[i].to = entry.a_un.a_val;
	}
}

/* ---- mapped files ------------------------------------------------------ */

/** What NT_FILE begins with, and what it has of each mapping. */
struct files_head {
	uint64_t count, page_size;
};

struct files_entry {
	uint64_t start, end, page;
};

static void add_name(struct reader *reader, const struct files_entry *entry,
		     uint64_t unit, const char *path)
{
	struct mf_core *core = reader->core;
	struct mf_core_name name = { .start = entry->start, .end = entry->end };
	char *own;

	if (entry->start >= entry->end || entry->start % PAGE_SIZE_MIN ||
	    entry->end % PAGE_SIZE_MIN ||
	    __builtin_mul_overflow(entry->page, unit, &name.offset) ||
	    name.offset > UINT64_MAX / 2 || !*path) {
		reader->bad_names++;
		return;
	}
	own = mf_pool_strdup(&core->pool, path);
	name.deleted = mf_maps_strip_deleted(own);
	name.path = own;
	mf_vec_push(&core->names, name);
}

/* False: it makes no sense. */
static bool add_names(struct reader *reader, const uint8_t *bytes, size_t size)
{
	struct files_head head;
	const char *path, *end;

	if (size < sizeof(head))
		return false;
	head = mf_load(struct files_head, bytes);
	if (head.count > NAMES_MAX ||
	    head.count > (size - sizeof(head)) / sizeof(struct files_entry))
		return false;
	path = (const char *)bytes + sizeof(head) +
	       head.count * sizeof(struct files_entry);
	end = (const char *)bytes + size;
	for (uint64_t i = 0; i < head.count; i++) {
		const struct files_entry entry =
			mf_load(struct files_entry,
				bytes + sizeof(head) + i * sizeof(entry));

		if (path >= end) {
			reader->bad_names += head.count - i;
			break;
		}
		add_name(reader, &entry, head.page_size, path);
		path += strlen(path) + 1;
	}
	return true;
}

static void take_files(struct reader *reader, const struct record *record)
{
	mf_auto_free uint8_t *bytes = NULL;

	if (reader->core->names.count || reader->lists++ >= FILES_MAX)
		return;
	bytes = take_bytes(reader, record, FILES_BYTES_MAX);
	if (!bytes || !add_names(reader, bytes, record->size))
		reader->bad_names++;
}

static int compare_names(const void *left, const void *right)
{
	const struct mf_core_name *a = left, *b = right;

	return (a->start > b->start) - (a->start < b->start);
}

/* Ascending, and none over another. */
static void settle_names(struct reader *reader)
{
	struct mf_core *core = reader->core;
	uint64_t end = 0;
	size_t kept = 0;

	mf_vec_sort(&core->names, compare_names);
	for (size_t i = 0; i < core->names.count; i++) {
		const struct mf_core_name name = core->names.items[i];

		if (name.start < end) {
			reader->bad_names++;
			continue;
		}
		end = name.end;
		core->names.items[kept++] = name;
	}
	core->names.count = kept;
	for (size_t i = 0; i < kept; i++) {
		struct mf_core_name *name = &core->names.items[i];
		struct mf_core_object *object =
			mf_core_object(core, name->path);

		name->path = object->path;
		name->identity = (uint64_t)(object - core->objects.items) + 1;
		if (!name->offset && object->start == object->end) {
			object->start = name->start;
			object->end = name->end;
		}
	}
}

/* ---- all of them ------------------------------------------------------- */

struct kind {
	const char *owner;
	uint32_t type;
	void (*take)(struct reader *reader, const struct record *record);
};

static const struct kind kinds[] = {
	{ "CORE", NT_PRSTATUS, take_status },
	{ "CORE", NT_PRPSINFO, take_process },
	{ "CORE", NT_AUXV, take_auxv },
	{ "CORE", NT_FILE, take_files },
	{ "LINUX", NT_ARM_TLS, take_pointer },
	{ "LINUX", NT_ARM_SYSTEM_CALL, take_call },
};

/* Taken last: they say more of what the others say. */
static void keep_own(struct reader *reader, const struct record *record)
{
	if (strcmp(record->owner, MF_NOTE_OWNER) != 0 ||
	    reader->own_count == OWN_MAX)
		return;
	for (size_t i = 0; i < reader->own_count; i++)
		if (reader->own[i].type == record->type)
			return;
	reader->own[reader->own_count++] = *record;
}

static void take_own(struct reader *reader)
{
	for (size_t i = 0; i < reader->own_count; i++) {
		mf_auto_free uint8_t *bytes =
			take_bytes(reader, &reader->own[i], OWN_BYTES_MAX);

		if (bytes)
			mf_core_take_own(reader->target, reader->own[i].type,
					 bytes, reader->own[i].size);
		else
			mf_target_note_partial(reader->target, "core file",
					       "a note of memforensics in it "
					       "cannot be read");
	}
}

static void take_record(struct reader *reader, const struct record *record)
{
	keep_own(reader, record);
	if (strcmp(record->owner, "CORE") == 0 ||
	    strcmp(record->owner, "LINUX") == 0)
		mf_core_note_place(reader->core, record->type, record->offset,
				   record->size);
	for (size_t i = 0; i < MF_ARRAY_SIZE(kinds); i++)
		if (record->type == kinds[i].type &&
		    strcmp(record->owner, kinds[i].owner) == 0)
			kinds[i].take(reader, record);
}

/* The record at *OFFSET, of HELD bytes at most; moves *OFFSET past it. */
static bool next_record(struct reader *reader, uint64_t *offset, uint64_t end,
			struct record *ret)
{
	uint8_t bytes[sizeof(Elf64_Nhdr) + OWNER_MAX] = { 0 };
	size_t got = mf_core_file_read(reader->core->file, *offset, bytes,
				       MF_MIN(sizeof(bytes), end - *offset));
	const Elf64_Nhdr header = mf_load(Elf64_Nhdr, bytes);
	uint64_t at = *offset + sizeof(header) +
		      ((header.n_namesz + UINT64_C(3)) & ~UINT64_C(3));
	size_t length = MF_MIN(header.n_namesz, (uint32_t)OWNER_MAX);

	/* a hole of the file is no note */
	if (got < sizeof(header) || (!header.n_namesz && !header.n_type) ||
	    at > end || header.n_descsz > end - at)
		return false;
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->owner, bytes + sizeof(header), length);
	ret->type = header.n_type;
	ret->offset = at;
	ret->size = header.n_descsz;
	*offset = MF_MIN(at + ((header.n_descsz + UINT64_C(3)) & ~UINT64_C(3)),
			 end);
	return true;
}

static void read_notes(struct reader *reader,
		       const struct mf_core_segment *notes)
{
	uint64_t at = notes->offset, end = notes->offset + notes->held;
	struct record record;

	while (end - at >= sizeof(Elf64_Nhdr) &&
	       reader->count++ < RECORDS_MAX &&
	       next_record(reader, &at, end, &record))
		take_record(reader, &record);
}

/* Its times are those of all threads together, the kernel says. */
static void describe_main_thread(struct mf_target *target)
{
	mf_vec_foreach(thread, &target->threads) {
		if (thread->tid != target->info.pid)
			continue;
		snprintf(thread->comm, sizeof(thread->comm), "%s",
			 target->info.comm);
		thread->cpu_unknown |= target->threads.count > 1;
	}
}

void mf_core_read_records(struct mf_target *target)
{
	struct reader reader = { .target = target, .core = mf_core_of(target) };
	uint64_t page_size;

	mf_vec_foreach(notes, &reader.core->notes)
		read_notes(&reader, notes);
	settle_names(&reader);
	describe_main_thread(target);
	page_size = reader.core->auxv.page_size;
	if (page_size >= PAGE_SIZE_MIN && page_size <= PAGE_SIZE_MAX &&
	    !(page_size & (page_size - 1)))
		target->info.page_size = (uint32_t)page_size;
	take_own(&reader);
	target->info.thread_count = (unsigned)target->threads.count;
	if (reader.bad_names)
		mf_target_note_partial(target, "core file",
				       "%zu names of mapped files make no "
				       "sense",
				       reader.bad_names);
	if (!target->threads.count)
		mf_target_note_partial(target, "threads",
				       "the core has no notes of them");
}
