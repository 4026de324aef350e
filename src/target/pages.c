/*
 * Reads whole pages of a live process. Only pages that are present are
 * touched, so that nothing is faulted in; the rest is filled in from what is
 * known of it: zeros, the file, or the kernel's own. process_vm_readv takes many
 * ranges in one call, and is quicker; /proc/PID/mem is the way where that is
 * refused, for pages that are another process's, too, and for present ones that
 * the process itself may not read.
 */
#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/uio.h>
#include <unistd.h>

#include "target/ahead.h"
#include "target/arch.h"
#include "target/live.h"

enum {
	RUN_LEAST = 4, /* pages, on average, that are worth a call */
};

struct batch {
	struct mf_target *target;
	uint64_t start; /* of the window */
	uint8_t *bytes, *flags;
	struct mf_source source;
	bool failed;  /* a page that was there could not be read */
	uint64_t got; /* bytes that the kernel copied */
	struct iovec local[IOV_MAX], remote[IOV_MAX];
	size_t count;
};

static void mark_unreadable(struct batch *batch, uint64_t address, size_t size)
{
	uint64_t page_size = batch->target->info.page_size;
	size_t first = (address - batch->start) / page_size;
	size_t last = (address + size - 1 - batch->start) / page_size;

	batch->failed = true;
	memset(batch->flags + first, MF_PAGE_UNREADABLE, last - first + 1);
	memset(batch->bytes + first * page_size, 0,
	       (last - first + 1) * page_size);
}

static void count_bytes(struct batch *batch, ssize_t got)
{
	batch->got += (uint64_t)got;
	batch->target->impact.bytes_read += (uint64_t)got;
}

/* Others read the target meanwhile. */
static ssize_t copy_from_file(const struct batch *batch, uint64_t address,
			      void *to, size_t size)
{
	ssize_t got;
	int code;

	mf_target_let_others(batch->target);
	got = pread(batch->source.mem, to, size, (off_t)address);
	code = errno;
	mf_target_go_on(batch->target);
	errno = code;
	return got;
}

/* Reads one range; a page that fails is marked. */
static void read_by_file(struct batch *batch, uint64_t address, size_t size)
{
	uint64_t page_size = batch->target->info.page_size;
	uint64_t end = address + size;

	while (address < end) {
		uint8_t *to = batch->bytes + (address - batch->start);
		ssize_t got = copy_from_file(batch, address, to, end - address);

		if (got < 0 && errno == EINTR)
			continue;
		if (got > 0) {
			count_bytes(batch, got);
			address += (uint64_t)got;
			continue;
		}
		mark_unreadable(batch, address,
				page_size - address % page_size);
		address += page_size - address % page_size;
	}
}

/* Takes SIZE bytes off the front of the batch's ranges from FIRST on. */
static size_t advance(struct batch *batch, size_t first, size_t size)
{
	while (first < batch->count && size >= batch->remote[first].iov_len) {
		size -= batch->remote[first].iov_len;
		first++;
	}
	if (first < batch->count && size) {
		struct iovec *local = &batch->local[first];
		struct iovec *remote = &batch->remote[first];

		local->iov_base = (uint8_t *)local->iov_base + size;
		remote->iov_base = (uint8_t *)remote->iov_base + size;
		local->iov_len -= size;
		remote->iov_len -= size;
	}
	return first;
}

/* What the fast way could not read: one page by the slow way. */
static size_t retry_page(struct batch *batch, size_t first)
{
	uint64_t page_size = batch->target->info.page_size;
	uint64_t address = (uintptr_t)batch->remote[first].iov_base;
	size_t size = MF_MIN(batch->remote[first].iov_len,
			     page_size - address % page_size);

	read_by_file(batch, address, size);
	return advance(batch, first, size);
}

static void flush_by_file(struct batch *batch, size_t first)
{
	for (; first < batch->count; first++)
		read_by_file(batch, (uintptr_t)batch->remote[first].iov_base,
			     batch->remote[first].iov_len);
}

/* The rest of the batch's ranges, in one call. */
static ssize_t copy_ranges(const struct batch *batch, size_t first)
{
	size_t count = batch->count - first;
	ssize_t got;
	int code;

	mf_target_let_others(batch->target);
	got = process_vm_readv(batch->source.tid, batch->local + first, count,
			       batch->remote + first, count, 0);
	code = errno;
	mf_target_go_on(batch->target);
	errno = code;
	return got;
}

static void flush(struct batch *batch)
{
	struct mf_live *live = mf_live_of(batch->target);
	size_t first = 0;

	while (first < batch->count && !live->no_vm_readv &&
	       !batch->source.shares) {
		ssize_t got = copy_ranges(batch, first);

		if (got > 0) {
			count_bytes(batch, got);
			first = advance(batch, first, (size_t)got);
		} else if (got < 0 && (errno == ENOSYS || errno == EPERM)) {
			live->no_vm_readv = true;
		} else if (got == 0 || errno == EFAULT) {
			first = retry_page(batch, first);
		} else if (errno != EINTR) {
			break;
		}
	}
	flush_by_file(batch, first);
	batch->count = 0;
}

static void add_range(struct batch *batch, size_t first, size_t last)
{
	uint64_t page_size = batch->target->info.page_size;
	size_t size = (last - first) * page_size, i = batch->count++;

	if (batch->source.runs)
		mf_view_note_kept(batch->target);
	batch->local[i].iov_base = batch->bytes + first * page_size;
	batch->remote[i].iov_base =
		mf_remote_pointer(batch->start + first * page_size);
	batch->local[i].iov_len = batch->remote[i].iov_len = size;
	if (batch->count == IOV_MAX)
		flush(batch);
}

/* ---- pages that are not there ------------------------------------------ */

/* Absent pages [FIRST, LAST) of MAPPING, from its file. */
static void read_from_file(struct batch *batch,
			   const struct mf_mapping *mapping, size_t first,
			   size_t last)
{
	uint64_t page_size = batch->target->info.page_size;
	const struct mf_open_file *file =
		mf_files_cached(batch->target, mapping);
	uint64_t offset = batch->start + first * page_size - mapping->start +
			  mapping->offset;
	uint8_t *to = batch->bytes + first * page_size;
	size_t size = (last - first) * page_size, used = 0;
	ssize_t got;

	memset(to, 0, size);
	while (file && used < size) {
		got = pread(file->fd, to + used, size - used,
			    (off_t)(offset + used));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		used += (size_t)got;
	}
	/* the last page of a file is shorter; those behind it are no memory */
	used = (used + page_size - 1) / page_size * page_size;
	if (used < size)
		memset(batch->flags + first + used / page_size,
		       MF_PAGE_UNREADABLE, (size - used) / page_size);
}

/*
 * The kernel maps the same bytes into every process, and each has only those
 * pages of its own that it has used: ours has the rest.
 */
static void read_vdso(const struct batch *batch,
		      const struct mf_mapping *mapping, size_t first,
		      size_t last)
{
	uint64_t page_size = batch->target->info.page_size;
	const uint8_t *own = mf_remote_pointer(getauxval(AT_SYSINFO_EHDR));
	uint64_t offset = batch->start + first * page_size - mapping->start;
	size_t size = (last - first) * page_size, there = 0;
	uint8_t *to = batch->bytes + first * page_size;
	Elf64_Ehdr header;

	memset(to, 0, size);
	if (!own)
		return;
	memcpy(&header, own, sizeof(header));
	/* the section headers are what is last in it */
	there = header.e_shoff + (size_t)header.e_shnum * header.e_shentsize;
	if (offset < there)
		memcpy(to, own + offset, MF_MIN(size, there - offset));
}

static void fill_absent(struct batch *batch, size_t first, size_t last)
{
	uint64_t page_size = batch->target->info.page_size;

	while (first < last) {
		uint64_t address = batch->start + first * page_size;
		const struct mf_mapping *mapping =
			mf_target_mapping_at(batch->target, address);
		size_t part = last;

		if (mapping)
			part = MF_MIN(last, (mapping->end - batch->start) /
						    page_size);
		if (mapping && mapping->inode)
			read_from_file(batch, mapping, first, part);
		else if (mapping && strcmp(mapping->path, "[vdso]") == 0)
			read_vdso(batch, mapping, first, part);
		else
			memset(batch->bytes + first * page_size, 0,
			       (part - first) * page_size);
		first = part;
	}
}

/* ---- windows ------------------------------------------------------------ */

enum treatment {
	TOUCH,
	ABSENT,
	ZEROS
};

static enum treatment treatment_of(const struct mf_target *target,
				   uint8_t flags)
{
	if (flags & (MF_PAGE_UNREADABLE | MF_PAGE_ZERO))
		return ZEROS;
	if (flags & MF_PAGE_PRESENT)
		return TOUCH;
	if (flags & MF_PAGE_SWAPPED)
		return target->options.read_swapped ? TOUCH : ZEROS;
	return ABSENT;
}

/* The end of the pages that are treated as FIRST is. */
static size_t end_of_alike(const struct mf_target *target, const uint8_t *flags,
			   size_t first, size_t last)
{
	enum treatment treatment = treatment_of(target, flags[first]);
	size_t next = first + 1;

	while (next < last && treatment_of(target, flags[next]) == treatment)
		next++;
	return next;
}

/* What is touched is in memory then: the process's, or only the copy's. */
static void bring_in(struct batch *batch, size_t first, size_t count)
{
	const struct mf_live *live = mf_live_of(batch->target);
	bool is_copy = live->copy.pid && !batch->source.runs;
	uint8_t *flags = batch->flags + first;

	for (size_t i = 0; i < count; i++) {
		if (!(flags[i] & MF_PAGE_SWAPPED))
			continue;
		batch->target->impact.pages_faulted_in += !is_copy;
		flags[i] = (flags[i] & (uint8_t)~MF_PAGE_SWAPPED) |
			   MF_PAGE_PRESENT;
	}
}

static void fill_in(struct batch *batch, enum treatment treatment, size_t first,
		    size_t last)
{
	size_t page_size = batch->target->info.page_size;

	if (treatment == ABSENT)
		fill_absent(batch, first, last);
	else
		memset(batch->bytes + first * page_size, 0,
		       (last - first) * page_size);
}

/* Pages [FIRST, LAST) of the window, which all come from batch->source. */
static void read_part(struct batch *batch, size_t first, size_t last)
{
	struct mf_target *target = batch->target;
	uint8_t *flags = batch->flags;
	size_t next;

	for (; first < last; first = next) {
		enum treatment treatment = treatment_of(target, flags[first]);

		next = end_of_alike(target, flags, first, last);
		if (treatment != TOUCH) {
			fill_in(batch, treatment, first, next);
			continue;
		}
		if (target->options.read_swapped)
			bring_in(batch, first, next - first);
		add_range(batch, first, next);
	}
	flush(batch);
}

static void batch_init(struct batch *batch, struct mf_target *target,
		       uint64_t start, uint8_t *bytes, uint8_t *flags)
{
	/* large: set field by field */
	batch->target = target;
	batch->start = start;
	batch->bytes = bytes;
	batch->flags = flags;
	batch->count = 0;
	batch->failed = false;
	batch->got = 0;
}

struct mf_error *mf_pages_read(struct mf_target *target, uint64_t start,
			       size_t count, void *bytes, uint8_t *flags)
{
	struct mf_live *live = mf_live_of(target);
	uint64_t page_size = target->info.page_size;
	struct batch batch;

	batch_init(&batch, target, start, bytes, flags);
	if (live->mem < 0)
		return mf_error_create(MF_ERROR_PERMISSION,
				       "cannot read memory of process %d",
				       (int)live->pid);
	for (size_t first = 0, last; first < count; first = last) {
		uint64_t upto = mf_view_source(
			target, start + first * page_size,
			start + count * page_size, &batch.source);

		last = (upto - start) / page_size;
		read_part(&batch, first, last);
	}
	/* memory that is gone (exit, exec) has no pages */
	if ((batch.failed || !batch.got) && !mf_live_has_memory(live))
		return mf_live_gone(target);
	return NULL;
}

/* ---- ahead -------------------------------------------------------------- */

static ssize_t copy_unit(const struct mf_ahead_from *from, uint64_t source,
			 void *to, size_t size)
{
	const struct iovec local = { to, size };
	const struct iovec remote = { mf_remote_pointer(source), size };

	return process_vm_readv(from->tid, &local, 1, &remote, 1, 0);
}

static ssize_t copy_unit_from_file(const struct mf_ahead_from *from,
				   uint64_t source, void *to, size_t size)
{
	size_t used = 0;
	ssize_t got;

	while (used < size) {
		got = pread(from->fd, (uint8_t *)to + used, size - used,
			    (off_t)(source + used));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		used += (size_t)got;
	}
	return (ssize_t)used;
}

/* Ahead, each run is a call of its own; at once they are one, unless they come
 * by the file. */
static bool is_worth_it(const struct batch *batch, size_t count)
{
	size_t runs = 0, pages = 0, next;

	for (size_t first = 0; first < count; first = next) {
		next = end_of_alike(batch->target, batch->flags, first, count);
		if (treatment_of(batch->target, batch->flags[first]) != TOUCH)
			continue;
		runs++;
		pages += next - first;
	}
	return runs && (batch->source.shares || pages / runs >= RUN_LEAST);
}

/* What is touched becomes units; false: that is too much. */
static bool add_units(const struct batch *batch, size_t count)
{
	const struct mf_target *target = batch->target;
	const struct mf_ahead_from from = {
		.copy = batch->source.shares ? copy_unit_from_file : copy_unit,
		.tid = batch->source.tid,
		.fd = batch->source.mem,
	};
	size_t page_size = target->info.page_size, next;

	for (size_t first = 0; first < count; first = next) {
		next = end_of_alike(target, batch->flags, first, count);
		if (treatment_of(target, batch->flags[first]) != TOUCH)
			continue;
		if (!mf_ahead_add(target->ahead, &from,
				  batch->start + first * page_size,
				  batch->bytes + first * page_size,
				  (next - first) * page_size))
			return false;
	}
	return true;
}

static void fill_others(struct batch *batch, size_t count)
{
	size_t next;

	for (size_t first = 0; first < count; first = next) {
		enum treatment treatment =
			treatment_of(batch->target, batch->flags[first]);

		next = end_of_alike(batch->target, batch->flags, first, count);
		if (treatment != TOUCH)
			fill_in(batch, treatment, first, next);
	}
}

bool mf_pages_begin(struct mf_target *target, const struct mf_target_span *span)
{
	const struct mf_live *live = mf_live_of(target);
	uint64_t end = span->start + span->count * target->info.page_size;
	struct batch batch;

	batch_init(&batch, target, span->start, span->bytes, span->flags);
	if (live->mem < 0 || target->options.read_swapped ||
	    mf_view_source(target, span->start, end, &batch.source) != end ||
	    batch.source.runs)
		return false;
	batch.source.shares |= live->no_vm_readv;
	if (!is_worth_it(&batch, span->count) ||
	    !add_units(&batch, span->count))
		return false;
	fill_others(&batch, span->count);
	return true;
}
