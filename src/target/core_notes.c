/*
 * Knows how our notes are written and read. See core_notes.h for their form.
 */
#include "target/core_notes.h"

#include <elf.h>
#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum {
	TEXT_MAX = 1 << 20, /* of one value */
	LIST_MAX = 4096,    /* arguments, notes of what is missing */
};

/* ---- notes ---------------------------------------------------------------- */

static void pad(struct mf_buffer *to)
{
	mf_buffer_pad(to, '\0', -to->size & 3);
}

void mf_core_add_note(struct mf_buffer *to, const char *owner, uint32_t type,
		      const void *bytes, size_t size)
{
	Elf64_Nhdr header = {
		.n_namesz = (uint32_t)strlen(owner) + 1,
		.n_descsz = (uint32_t)size,
		.n_type = type,
	};

	mf_buffer_add(to, &header, sizeof(header));
	mf_buffer_add(to, owner, header.n_namesz);
	pad(to);
	mf_buffer_add(to, bytes, size);
	pad(to);
}

/* ---- the process: which key is which field --------------------------------- */

enum form {
	TEXT,	 /* const char * */
	NUMBER,	 /* uint64_t */
	NUMBER4, /* unsigned, uint32_t, pid_t */
	FLAG,	 /* bool */
	NANO,	 /* double, as a whole number of billionths */
	NANO_MS, /* double of milliseconds, in nanoseconds */
};

struct field {
	const char *key;
	enum form form;
	size_t offset; /* in struct mf_core_process */
};

#define AT(field) offsetof(struct mf_core_process, field)

static const struct field fields[] = {
	{ "tool", TEXT, AT(tool) },
	{ "taken", NUMBER, AT(taken_s) },
	{ "has-files", FLAG, AT(has_files) },
	{ "pid", NUMBER4, AT(info.pid) },
	{ "nspid", NUMBER4, AT(info.nspid) },
	{ "exe", TEXT, AT(info.exe) },
	{ "comm", TEXT, AT(info.comm) },
	{ "threads", NUMBER4, AT(info.thread_count) },
	{ "arch", TEXT, AT(info.arch) },
	{ "page-size", NUMBER4, AT(info.page_size) },
	{ "user-end", NUMBER, AT(info.user_end) },
	{ "tls-above", FLAG, AT(info.tls_above) },
	{ "age-ms", NUMBER, AT(info.age_ms) },
	{ "cgroup-memory-max", NUMBER, AT(info.limits.cgroup_memory_max) },
	{ "cgroup-memory-current", NUMBER,
	  AT(info.limits.cgroup_memory_current) },
	{ "cgroup-file", NUMBER, AT(info.limits.cgroup_file) },
	{ "cgroup-slab", NUMBER, AT(info.limits.cgroup_slab) },
	{ "address-space", NUMBER, AT(info.limits.address_space) },
	{ "stack", NUMBER, AT(info.limits.stack) },
	{ "max-map-count", NUMBER, AT(info.limits.max_map_count) },
	{ "memory-available", NUMBER, AT(info.limits.memory_available) },
	{ "cpu-quota-e9", NANO, AT(info.limits.cpu_quota) },
	{ "cpus", NUMBER4, AT(info.limits.cpus) },
	{ "vm-size", NUMBER, AT(info.status.vm_size) },
	{ "vm-rss", NUMBER, AT(info.status.vm_rss) },
	{ "rss-anon", NUMBER, AT(info.status.rss_anon) },
	{ "rss-file", NUMBER, AT(info.status.rss_file) },
	{ "rss-shmem", NUMBER, AT(info.status.rss_shmem) },
	{ "vm-swap", NUMBER, AT(info.status.vm_swap) },
	{ "vm-lck", NUMBER, AT(info.status.vm_lck) },
	{ "vm-pin", NUMBER, AT(info.status.vm_pin) },
	{ "vm-pte", NUMBER, AT(info.status.vm_pte) },
	{ "stop-why", TEXT, AT(impact.why) },
	{ "racy", FLAG, AT(impact.racy) },
	{ "pause-ran-out", FLAG, AT(impact.pause_ran_out) },
	{ "stops", NUMBER4, AT(impact.stops) },
	{ "pause-ns", NANO_MS, AT(impact.pause_ms) },
	{ "longest-pause-ns", NANO_MS, AT(impact.longest_pause_ms) },
	{ "bytes-read", NUMBER, AT(impact.bytes_read) },
	{ "pages-faulted-in", NUMBER, AT(impact.pages_faulted_in) },
};

static const char *const stop_names[] = {
	[MF_STOP_NONE] = "none",
	[MF_STOP_BRIEF] = "brief",
	[MF_STOP_SNAPSHOT] = "snapshot",
};

/* ---- the process: written -------------------------------------------------- */

static void put_text(struct mf_buffer *to, const char *key, const char *value)
{
	mf_buffer_printf(to, "%s %s", key, value);
	mf_buffer_putc(to, '\0');
}

static void put_number(struct mf_buffer *to, const char *key, uint64_t value)
{
	mf_buffer_printf(to, "%s %" PRIu64, key, value);
	mf_buffer_putc(to, '\0');
}

static uint64_t scaled(double value, double scale)
{
	/* past it, a double has no room for units */
	return value > 0 && value * scale < 9e15
		       ? (uint64_t)llround(value * scale)
		       : 0;
}

static void put_field(struct mf_buffer *to, const struct field *field,
		      const struct mf_core_process *process)
{
	const char *from = (const char *)process + field->offset;
	const char *text;

	switch (field->form) {
	case TEXT:
		text = mf_load(const char *, from);
		put_text(to, field->key, text ? text : "");
		break;
	case NUMBER:
		put_number(to, field->key, mf_load(uint64_t, from));
		break;
	case NUMBER4:
		put_number(to, field->key, mf_load(uint32_t, from));
		break;
	case FLAG:
		put_number(to, field->key, mf_load(bool, from));
		break;
	case NANO:
		put_number(to, field->key, scaled(mf_load(double, from), 1e9));
		break;
	case NANO_MS:
		put_number(to, field->key, scaled(mf_load(double, from), 1e6));
		break;
	}
}

void mf_core_put_process(struct mf_buffer *to,
			 const struct mf_core_process *process)
{
	const char *const *argument = process->info.cmdline;

	put_number(to, "format", MF_NOTE_FORMAT);
	for (size_t i = 0; i < MF_ARRAY_SIZE(fields); i++)
		put_field(to, &fields[i], process);
	if (process->impact.stop < MF_ARRAY_SIZE(stop_names) &&
	    stop_names[process->impact.stop])
		put_text(to, "stop", stop_names[process->impact.stop]);
	for (; argument && *argument; argument++)
		put_text(to, "argument", *argument);
	for (size_t i = 0; i < process->partial_count; i++) {
		put_text(to, "missing-what", process->partials[i].what);
		put_text(to, "missing-why", process->partials[i].why);
	}
}

/* ---- the process: read ------------------------------------------------------ */

struct reader {
	struct mf_pool *pool;
	struct mf_core_process *process;
	MF_VEC(const char *) arguments;
	MF_VEC(struct mf_partial) partials;
	const char *what; /* of the note of what is missing that comes next */
};

static void reader_deinit(struct reader *reader)
{
	mf_vec_deinit(&reader->arguments);
	mf_vec_deinit(&reader->partials);
}

static bool read_number(const char *value, uint64_t *ret)
{
	return mf_scan_decimal(&value, ret) && !*value;
}

static bool get_field(struct reader *reader, const struct field *field,
		      const char *value)
{
	char *to = (char *)reader->process + field->offset;
	uint64_t number;
	uint32_t number4;
	double real;
	bool flag;

	if (field->form == TEXT) {
		const char *text = mf_pool_strdup(reader->pool, value);

		memcpy(to, &text, sizeof(text));
		return true;
	}
	if (!read_number(value, &number))
		return false;
	if (field->form == NUMBER) {
		memcpy(to, &number, sizeof(number));
	} else if (field->form == NUMBER4) {
		number4 = (uint32_t)number;
		if (number > INT32_MAX)
			return false;
		memcpy(to, &number4, sizeof(number4));
	} else if (field->form == FLAG) {
		flag = number != 0;
		memcpy(to, &flag, sizeof(flag));
	} else {
		real = (double)number / (field->form == NANO ? 1e9 : 1e6);
		memcpy(to, &real, sizeof(real));
	}
	return true;
}

static void get_stop(struct reader *reader, const char *value)
{
	for (unsigned i = 0; i < MF_ARRAY_SIZE(stop_names); i++)
		if (stop_names[i] && strcmp(stop_names[i], value) == 0)
			reader->process->impact.stop = (enum mf_stop)i;
}

static void get_partial(struct reader *reader, const char *why)
{
	struct mf_partial partial = { .what = reader->what };

	if (!reader->what || reader->partials.count == LIST_MAX)
		return;
	partial.why = mf_pool_strdup(reader->pool, why);
	mf_vec_push(&reader->partials, partial);
	reader->what = NULL;
}

static bool get_record(struct reader *reader, const char *key, size_t key_size,
		       const char *value)
{
	for (size_t i = 0; i < MF_ARRAY_SIZE(fields); i++)
		if (strlen(fields[i].key) == key_size &&
		    memcmp(fields[i].key, key, key_size) == 0)
			return get_field(reader, &fields[i], value);
	if (strncmp(key, "stop ", 5) == 0)
		get_stop(reader, value);
	else if (strncmp(key, "argument ", 9) == 0 &&
		 reader->arguments.count < LIST_MAX)
		mf_vec_push(&reader->arguments,
			    mf_pool_strdup(reader->pool, value));
	else if (strncmp(key, "missing-what ", 13) == 0)
		reader->what = mf_pool_strdup(reader->pool, value);
	else if (strncmp(key, "missing-why ", 12) == 0)
		get_partial(reader, value);
	return true;
}

/* The lists outlive the reader in the pool. */
static void keep_lists(struct reader *reader)
{
	struct mf_core_process *process = reader->process;
	size_t arguments = reader->arguments.count * sizeof(char *);
	size_t partials = reader->partials.count * sizeof(struct mf_partial);
	const char **list =
		mf_pool_alloc(reader->pool, arguments + sizeof(char *));
	struct mf_partial *notes = mf_pool_alloc(reader->pool, partials + 1);

	if (arguments)
		memcpy(list, reader->arguments.items, arguments);
	if (partials)
		memcpy(notes, reader->partials.items, partials);
	process->info.cmdline = list;
	process->partials = notes;
	process->partial_count = reader->partials.count;
}

static struct mf_core_process unknown_process(void)
{
	struct mf_core_process process = {
		.tool = "",
		.info = { .exe = "",
			  .comm = "",
			  .arch = "",
			  .page_size = 4096,
			  .user_end = UINT64_C(1) << 47 },
		.impact = { .stop = MF_STOP_NONE, .why = "" },
	};

	memset(&process.info.limits, 0xff, sizeof(process.info.limits));
	process.info.limits.cpu_quota = 0;
	process.info.limits.cpus = 0;
	return process;
}

static bool is_page_size(uint64_t size)
{
	return size >= 1024 && size <= (1U << 20) && !(size & (size - 1));
}

/* The record at *AT, which is moved past it; NULL when none ends there. */
static const char *next_record(const char **at, const char *end)
{
	const char *record = *at, *nul;

	nul = record < end ? memchr(record, '\0', (size_t)(end - record))
			   : NULL;
	if (!nul || nul - record > TEXT_MAX)
		return NULL;
	*at = nul + 1;
	return record;
}

bool mf_core_get_process(const void *bytes, size_t size, struct mf_pool *pool,
			 struct mf_core_process *ret)
{
	mf_cleanup(reader_deinit) struct reader reader = { .pool = pool,
							   .process = ret };
	const char *at = bytes, *end = at + size, *record;
	bool sound = true;

	*ret = unknown_process();
	record = next_record(&at, end);
	sound = record && strcmp(record, "format 1") == 0;
	while (sound && at < end) {
		const char *blank;

		record = next_record(&at, end);
		blank = record ? strchr(record, ' ') : NULL;
		sound = blank &&
			get_record(&reader, record, (size_t)(blank - record),
				   blank + 1);
	}
	keep_lists(&reader);
	if (!is_page_size(ret->info.page_size)) {
		ret->info.page_size = 4096;
		sound = false;
	}
	return sound;
}

/* ---- mappings ---------------------------------------------------------------- */

static void put_path(struct mf_buffer *to, const char *path)
{
	for (; *path; path++)
		if (*path == '\n')
			mf_buffer_puts(to, "\\012");
		else
			mf_buffer_putc(to, *path);
}

static void put_usage(struct mf_buffer *to, const struct mf_usage *usage)
{
	const struct {
		const char *key;
		uint64_t bytes;
		unsigned figure;
	} lines[] = {
		{ "Rss", usage->rss, MF_FIGURE_RSS },
		{ "Pss", usage->pss, MF_FIGURE_PSS },
		{ "Private_Dirty", usage->dirty, MF_FIGURE_DIRTY },
		{ "Anonymous", usage->anon, MF_FIGURE_ANON },
		{ "LazyFree", usage->lazyfree, MF_FIGURE_LAZYFREE },
		{ "AnonHugePages", usage->thp, MF_FIGURE_THP },
		{ "Swap", usage->swap, MF_FIGURE_SWAP },
		{ "Locked", usage->locked, MF_FIGURE_LOCKED },
	};

	for (size_t i = 0; i < MF_ARRAY_SIZE(lines); i++)
		if (!(usage->lacks & lines[i].figure))
			mf_buffer_printf(to, "%s: %" PRIu64 " kB\n",
					 lines[i].key, lines[i].bytes / 1024);
}

static void put_vm_flags(struct mf_buffer *to, unsigned flags)
{
	static const char names[][3] = { "io", "pf", "ht", "lo", "gd",
					 "dc", "dd", "hg", "nr", "um" };

	mf_buffer_puts(to, "VmFlags:");
	for (size_t i = 0; i < MF_ARRAY_SIZE(names); i++)
		if (flags & mf_maps_vm_flag(names[i]))
			mf_buffer_printf(to, " %s", names[i]);
	mf_buffer_putc(to, '\n');
}

void mf_core_put_mapping(struct mf_buffer *to, const struct mf_mapping *mapping)
{
	mf_buffer_printf(to,
			 "%" PRIx64 "-%" PRIx64 " %c%c%c%c %08" PRIx64
			 " %02" PRIx32 ":%02" PRIx32 " %" PRIu64 " ",
			 mapping->start, mapping->end,
			 mapping->perms & MF_PERM_READ ? 'r' : '-',
			 mapping->perms & MF_PERM_WRITE ? 'w' : '-',
			 mapping->perms & MF_PERM_EXEC ? 'x' : '-',
			 mapping->perms & MF_PERM_SHARED ? 's' : 'p',
			 mapping->offset, mapping->dev_major,
			 mapping->dev_minor, mapping->inode);
	put_path(to, mapping->path ? mapping->path : "");
	mf_buffer_puts(to, mapping->deleted ? " (deleted)\n" : "\n");
	if (mapping->usage_known)
		put_usage(to, &mapping->usage);
	if (mapping->vm_flags)
		put_vm_flags(to, mapping->vm_flags);
}

/* Copies the line at *AT to LINE (MF_MAPS_LINE bytes); false: too long. */
static bool next_line(const char **at, const char *end, char *line)
{
	size_t left = (size_t)(end - *at);
	const char *newline = memchr(*at, '\n', left);
	size_t size = newline ? (size_t)(newline - *at) : left;

	if (size >= MF_MAPS_LINE || memchr(*at, '\0', size))
		return false;
	memcpy(line, *at, size);
	line[size] = '\0';
	*at += size + (newline != NULL);
	return true;
}

static bool add_mapping(struct mf_mappings *to, const char *line)
{
	uint64_t end = to->count ? to->items[to->count - 1].end : 0;
	struct mf_mapping mapping;
	mf_auto_free char *path = NULL;

	if (!mf_maps_parse_head(line, &mapping) || mapping.start < end ||
	    to->count == MF_NOTE_MAPPINGS_MAX)
		return false;
	path = mf_strdup(mapping.path);
	mapping.deleted = mf_maps_strip_deleted(path);
	mapping.path = path;
	mf_mappings_add(to, &mapping);
	return true;
}

bool mf_core_get_mappings(const void *bytes, size_t size,
			  struct mf_mappings *ret)
{
	mf_auto_free char *line = mf_calloc(MF_MAPS_LINE, 1);
	const char *at = bytes, *end = at + size;
	size_t before = ret->count;

	while (at < end) {
		if (!next_line(&at, end, line))
			return false;
		if (ret->count > before &&
		    mf_maps_parse_detail(line, &ret->items[ret->count - 1]))
			continue;
		if (!add_mapping(ret, line))
			return false;
	}
	return true;
}

/* ---- threads ------------------------------------------------------------------ */

void mf_core_put_thread(struct mf_buffer *to, const struct mf_thread *thread)
{
	mf_buffer_printf(to,
			 "%d %d %" PRIu64 " %d %d %" PRIu64 " %" PRIx64
			 " %" PRIx64 " %.15s",
			 (int)thread->tid, thread->state & 0x7f, thread->cpu_ms,
			 thread->registers_known, thread->in_syscall,
			 (uint64_t)thread->syscall, thread->pc, thread->sp,
			 thread->comm);
	mf_buffer_putc(to, '\0');
}

static bool scan_field(const char **at, uint64_t *ret, uint64_t most)
{
	return mf_scan_decimal(at, ret) && *ret <= most &&
	       mf_scan_char(at, ' ');
}

static bool get_thread(const char *record, struct mf_thread *ret)
{
	struct mf_thread thread = { 0 };
	uint64_t tid, state, known, in_call, call;

	if (!scan_field(&record, &tid, INT32_MAX) ||
	    !scan_field(&record, &state, 127) ||
	    !scan_field(&record, &thread.cpu_ms, UINT64_MAX) ||
	    !scan_field(&record, &known, 1) ||
	    !scan_field(&record, &in_call, 1) ||
	    !scan_field(&record, &call, UINT64_MAX) ||
	    !mf_scan_hex(&record, &thread.pc) || !mf_scan_char(&record, ' ') ||
	    !mf_scan_hex(&record, &thread.sp) || !mf_scan_char(&record, ' ') ||
	    strlen(record) >= sizeof(thread.comm))
		return false;
	memcpy(thread.comm, record, strlen(record) + 1);
	thread.tid = (pid_t)tid;
	thread.state = (char)state;
	thread.registers_known = known;
	thread.in_syscall = in_call;
	thread.syscall = (int64_t)call;
	*ret = thread;
	return true;
}

bool mf_core_get_threads(const void *bytes, size_t size,
			 mf_core_thread_visit *visit, void *context)
{
	const char *at = bytes, *end = at + size;

	for (size_t i = 0; at < end; i++) {
		const char *record = next_record(&at, end);
		struct mf_thread thread;

		if (!record || i == MF_NOTE_THREADS_MAX ||
		    !get_thread(record, &thread))
			return false;
		visit(context, &thread);
	}
	return true;
}

void mf_core_put_wait(struct mf_buffer *to, const struct mf_thread *thread)
{
	if (!*thread->wait_channel)
		return;
	mf_buffer_printf(to, "%d %s", (int)thread->tid, thread->wait_channel);
	mf_buffer_putc(to, '\0');
}

bool mf_core_get_waits(const void *bytes, size_t size,
		       mf_core_wait_visit *visit, void *context)
{
	const char *at = bytes, *end = at + size;

	for (size_t i = 0; at < end; i++) {
		const char *record = next_record(&at, end);
		uint64_t tid;

		if (!record || i == MF_NOTE_THREADS_MAX ||
		    !scan_field(&record, &tid, INT32_MAX) ||
		    strlen(record) >= MF_WAIT_CHANNEL)
			return false;
		visit(context, (pid_t)tid, record);
	}
	return true;
}

/* ---- what the kernel kept ------------------------------------------------------ */

void mf_core_put_kernel_word(struct mf_buffer *to, const char *holder,
			     uint64_t word)
{
	mf_buffer_printf(to, "%" PRIx64 " %s", word, holder);
	mf_buffer_putc(to, '\0');
}

bool mf_core_get_kernel_words(const void *bytes, size_t size,
			      mf_core_kernel_visit *visit, void *context)
{
	const char *at = bytes, *end = at + size;

	for (size_t i = 0; at < end; i++) {
		const char *record = next_record(&at, end);
		uint64_t word;

		if (!record || i == MF_NOTE_KERNEL_MAX ||
		    !mf_scan_hex(&record, &word) || !mf_scan_char(&record, ' '))
			return false;
		visit(context, record, word);
	}
	return true;
}

/* ---- residency ----------------------------------------------------------------- */

static void put_leb128(struct mf_buffer *to, uint64_t value)
{
	unsigned char bytes[10];
	size_t count = 0;

	do {
		bytes[count] = value & 0x7f;
		value >>= 7;
		if (value)
			bytes[count] |= 0x80;
		count++;
	} while (value);
	mf_buffer_add(to, bytes, count);
}

static bool get_leb128(const unsigned char **at, const unsigned char *end,
		       uint64_t *ret)
{
	uint64_t value = 0;

	for (unsigned shift = 0; *at < end && shift < 64; shift += 7) {
		uint64_t part = *(*at)++;

		if (shift == 63 && part > 1)
			return false;
		value |= (part & 0x7f) << shift;
		if (!(part & 0x80)) {
			*ret = value;
			return true;
		}
	}
	return false;
}

void mf_core_put_runs(struct mf_core_runs *runs, struct mf_buffer *to,
		      uint64_t page_size)
{
	*runs = (struct mf_core_runs){ .to = to, .page_size = page_size };
	put_leb128(to, page_size);
}

void mf_core_end_runs(struct mf_core_runs *runs)
{
	if (runs->start == runs->end)
		return;
	put_leb128(runs->to, (runs->start - runs->put) / runs->page_size);
	put_leb128(runs->to, (runs->end - runs->start) / runs->page_size);
	put_leb128(runs->to, runs->flags);
	runs->put = runs->start = runs->end;
}

void mf_core_put_run(void *context, uint64_t start, uint64_t end, uint8_t flags)
{
	struct mf_core_runs *runs = context;

	if (start >= end || start < runs->end)
		return;
	if (start != runs->end || flags != runs->flags ||
	    runs->start == runs->end) {
		mf_core_end_runs(runs);
		runs->start = start;
		runs->flags = flags;
	}
	runs->end = end;
}

static bool get_run(const unsigned char **at, const unsigned char *end,
		    uint64_t page_size, uint64_t *from, uint64_t *to,
		    uint8_t *flags)
{
	uint64_t gap, pages, bits;

	if (!get_leb128(at, end, &gap) || !get_leb128(at, end, &pages) ||
	    !get_leb128(at, end, &bits) || bits > UINT8_MAX || !pages)
		return false;
	*flags = (uint8_t)bits;
	return !__builtin_mul_overflow(gap, page_size, &gap) &&
	       !__builtin_mul_overflow(pages, page_size, &pages) &&
	       !__builtin_add_overflow(*to, gap, from) &&
	       !__builtin_add_overflow(*from, pages, to);
}

bool mf_core_get_runs(const void *bytes, size_t size, uint64_t *page_size,
		      mf_run_visit *visit, void *context)
{
	const unsigned char *at = bytes, *end = at + size;
	uint64_t from, to = 0;
	uint8_t flags;

	if (!get_leb128(&at, end, page_size) || !is_page_size(*page_size))
		return false;
	while (at < end) {
		if (!get_run(&at, end, *page_size, &from, &to, &flags))
			return false;
		visit(context, from, to, flags);
	}
	return true;
}
