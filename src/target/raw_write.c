/*
 * Writes the bytes of ranges one behind the other, as they are. Pages that are
 * not there, and those of zeros, are holes; what a stream has no holes for is
 * zeros. Nothing is looked at twice, and memory that was only set aside is
 * passed over, however much of it there is.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/units.h"
#include "target/core_write.h"

enum {
	WINDOW_BYTES = 1 << 20, /* read and written at once */
	SPAN_PAGES = 1 << 16,	/* whose runs are looked up at once */
};

struct run {
	uint64_t start, end;
	uint8_t flags;
};

struct writer {
	struct mf_target *target;
	const struct mf_raw_options *options;
	struct mf_core_sink *sink;
	struct mf_raw_range *range; /* that is being written */
	uint64_t page_size;
	uint64_t total, done;	  /* bytes of all ranges */
	uint64_t swapped, unread; /* of all ranges */
	MF_VEC(struct run) runs;
	uint8_t *bytes, *flags;
};

static void writer_deinit(struct writer *writer)
{
	mf_core_sink_destroy(writer->sink);
	mf_vec_deinit(&writer->runs);
	free(writer->bytes);
	free(writer->flags);
}

static uint64_t page_floor(const struct writer *writer, uint64_t address)
{
	return address & -writer->page_size;
}

/* ---- what is there ------------------------------------------------------------ */

/* Its absent pages have bytes, too. */
static bool is_of_file(const struct mf_mapping *mapping)
{
	return !mf_mapping_has_no_file(mapping) ||
	       strcmp(mapping->path, "[vdso]") == 0;
}

/* Bytes that the file behind MAPPING has on disk, or in memory. */
static uint64_t bytes_of_file(struct mf_target *target,
			      const struct mf_mapping *mapping)
{
	uint64_t size = mapping->end - mapping->start;
	struct mf_error *error;
	struct stat status;
	int fd;

	if (!mapping->inode)
		return size;
	error = mf_target_open_file(target, mapping, &fd);
	if (error) {
		mf_error_destroy(error);
		return size;
	}
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
		size = MF_MIN(size, (uint64_t)status.st_blocks * 512);
	close(fd);
	return size;
}

/* Bytes of START..END, of one mapping, that a file would hold. */
static struct mf_error *count_part(const struct writer *writer,
				   const struct mf_mapping *mapping,
				   uint64_t start, uint64_t end, uint64_t *data)
{
	struct mf_raw_range *range = writer->range;
	struct mf_page_counts counts = { 0 };
	uint64_t present, whole = 0;

	if (!mf_mapping_is_memory(mapping))
		return NULL;
	MF_TRY(mf_target_count_pages(
		writer->target, page_floor(writer, start),
		page_floor(writer, end + writer->page_size - 1), &counts));
	present = MF_MIN(counts.present * writer->page_size, end - start);
	range->present += present;
	if (is_of_file(mapping))
		whole = bytes_of_file(writer->target, mapping);
	whole = MF_MIN(whole, end - start);
	*data += MF_MAX(present, whole);
	if (mf_target_reads_swapped(writer->target))
		*data += counts.swapped * writer->page_size;
	return NULL;
}

/* The mapping at ADDRESS, or NULL; where it, or what is no mapping, ends. */
static const struct mf_mapping *part_at(const struct writer *writer,
					uint64_t address, uint64_t limit,
					uint64_t *end)
{
	size_t count;
	const struct mf_mapping *mapping =
		mf_target_mapping_at(writer->target, address);
	const struct mf_mapping *all =
		mf_target_mappings(writer->target, &count);

	*end = limit;
	if (mapping) {
		*end = MF_MIN(limit, mapping->end);
		return mapping;
	}
	for (size_t i = 0; i < count; i++)
		if (all[i].start > address) {
			*end = MF_MIN(limit, all[i].start);
			break;
		}
	return NULL;
}

static struct mf_error *count_range(const struct writer *writer, uint64_t *data)
{
	const struct mf_raw_range *range = writer->range;
	uint64_t at = range->start, end;

	for (; at < range->end; at = end) {
		const struct mf_mapping *mapping =
			part_at(writer, at, range->end, &end);

		if (mapping)
			MF_TRY(count_part(writer, mapping, at, end, data));
	}
	return NULL;
}

/* ---- whether there is room ------------------------------------------------------ */

static struct mf_error *refuse(const struct writer *writer)
{
	return mf_error_create(MF_ERROR_FAILED, "cannot write %s",
			       writer->options->path);
}

static struct mf_error *check_max_size(const struct writer *writer,
				       uint64_t data)
{
	const struct mf_raw_options *options = writer->options;
	uint64_t size = options->is_stream ? writer->total : data;
	char texts[2][MF_UNIT_TEXT];

	if (!options->max_size || size <= options->max_size)
		return NULL;
	return mf_error_hint(
		mf_error_why(refuse(writer),
			     "it would be %s, and at most %s are allowed",
			     mf_format_size(texts[0], size),
			     mf_format_size(texts[1], options->max_size)),
		options->is_stream ? "-o FILE, which can have holes; or a "
				     "larger --max-size"
				   : "fewer regions, or a larger --max-size");
}

static struct mf_error *check_disk(const struct writer *writer, int fd,
				   uint64_t data)
{
	char texts[2][MF_UNIT_TEXT];
	struct statvfs status;
	uint64_t there;

	/* some file systems do not say what they have: ramfs, unlimited tmpfs */
	if (writer->options->is_stream || fstatvfs(fd, &status) != 0 ||
	    !status.f_blocks)
		return NULL;
	there = (uint64_t)status.f_bavail * status.f_frsize;
	if (data <= there)
		return NULL;
	return mf_error_hint(
		mf_error_why(refuse(writer),
			     "it takes %s, and there is %s of free space",
			     mf_format_size(texts[0], data),
			     mf_format_size(texts[1], there)),
		"a folder on another disk, or fewer regions");
}

/* ---- bytes ------------------------------------------------------------------------ */

static struct mf_error *advance(struct writer *writer, uint64_t size)
{
	const struct mf_raw_options *options = writer->options;

	writer->done += size;
	mf_progress("writing", writer->done, writer->total + 1);
	MF_TRY(mf_core_sink_error(writer->sink));
	if (!options->is_cancelled || !options->is_cancelled(options->context))
		return NULL;
	return mf_error_why(refuse(writer),
			    "it was interrupted; nothing is left of it");
}

static struct mf_error *skip(struct writer *writer, uint64_t start,
			     uint64_t end)
{
	if (start >= end)
		return NULL;
	mf_core_sink_skip(writer->sink, end - start);
	return advance(writer, end - start);
}

/* Bytes of the range on the page at ADDRESS. */
static uint64_t bytes_on(const struct writer *writer, uint64_t address)
{
	uint64_t start = MF_MAX(address, writer->range->start);
	uint64_t end = MF_MIN(address + writer->page_size, writer->range->end);

	return end - start;
}

static void note_flags(struct writer *writer, uint64_t address, size_t count)
{
	for (size_t i = 0; i < count; i++, address += writer->page_size) {
		if (writer->flags[i] & MF_PAGE_SWAPPED)
			writer->range->swapped += bytes_on(writer, address);
		else if (writer->flags[i] & MF_PAGE_UNREADABLE)
			writer->range->unread += bytes_on(writer, address);
	}
}

/* START..END, which need not be whole pages, but is at most a window. */
static struct mf_error *put_window(struct writer *writer, uint64_t start,
				   uint64_t end)
{
	const struct mf_raw_options *options = writer->options;
	uint64_t first = page_floor(writer, start);
	size_t count = (size_t)((end - first + writer->page_size - 1) /
				writer->page_size);
	uint8_t *bytes = writer->bytes + (start - first);

	MF_TRY(mf_target_read_pages(writer->target, first, count, writer->bytes,
				    writer->flags));
	note_flags(writer, first, count);
	if (options->edit)
		options->edit(options->context, start, bytes, end - start);
	writer->range->written += mf_core_sink_put_sparse(
		writer->sink, bytes, end - start, writer->page_size);
	return advance(writer, end - start);
}

static struct mf_error *put_bytes(struct writer *writer, uint64_t start,
				  uint64_t end)
{
	while (start < end) {
		uint64_t next = page_floor(writer, start) + WINDOW_BYTES;

		next = MF_MIN(next, end);
		MF_TRY(put_window(writer, start, next));
		start = next;
	}
	return NULL;
}

static void keep_run(void *context, uint64_t start, uint64_t end, uint8_t flags)
{
	struct writer *writer = context;
	struct run *last = writer->runs.count
				   ? &writer->runs.items[writer->runs.count - 1]
				   : NULL;

	/* which kind of page it is makes no difference here */
	flags &= MF_PAGE_PRESENT | MF_PAGE_SWAPPED | MF_PAGE_UNREADABLE;
	if (!flags)
		return;
	if (last && last->end == start && last->flags == flags)
		last->end = end;
	else
		mf_vec_push(&writer->runs, (struct run){ start, end, flags });
}

/* START..END of memory without a file: what is between runs is zeros. */
static struct mf_error *put_span(struct writer *writer, uint64_t start,
				 uint64_t end)
{
	uint64_t at = start;

	writer->runs.count = 0;
	MF_TRY(mf_target_visit_runs(
		writer->target, page_floor(writer, start),
		page_floor(writer, end + writer->page_size - 1), keep_run,
		writer));
	mf_vec_foreach(run, &writer->runs) {
		uint64_t from = MF_MAX(run->start, start);
		uint64_t to = MF_MIN(run->end, end);

		MF_TRY(skip(writer, at, from));
		MF_TRY(put_bytes(writer, from, to));
		at = to;
	}
	return skip(writer, at, end);
}

/* Nothing of it was ever touched: it need not be looked through. */
static bool is_untouched(const struct mf_mapping *mapping)
{
	const struct mf_usage *usage = &mapping->usage;

	return mapping->usage_known &&
	       !(usage->lacks & (MF_FIGURE_RSS | MF_FIGURE_SWAP)) &&
	       !usage->rss && !usage->swap &&
	       !(mapping->vm_flags & MF_VM_HUGETLB);
}

static struct mf_error *put_part(struct writer *writer,
				 const struct mf_mapping *mapping,
				 uint64_t start, uint64_t end)
{
	uint64_t span = SPAN_PAGES * writer->page_size, next;

	if (!mapping || !mf_mapping_is_memory(mapping)) {
		writer->range->unread += end - start;
		return skip(writer, start, end);
	}
	if (is_of_file(mapping))
		return put_bytes(writer, start, end);
	/* of a process that runs, what was read of it may be long ago */
	if (is_untouched(mapping) && mf_target_is_still(writer->target))
		return skip(writer, start, end);
	for (; start < end; start = next) {
		next = MF_MIN(end, page_floor(writer, start) + span);
		MF_TRY(put_span(writer, start, next));
	}
	return NULL;
}

static struct mf_error *put_range(struct writer *writer)
{
	struct mf_raw_range *range = writer->range;
	uint64_t at = range->start, end;

	for (; at < range->end; at = end) {
		const struct mf_mapping *mapping =
			part_at(writer, at, range->end, &end);

		MF_TRY(put_part(writer, mapping, at, end));
	}
	return NULL;
}

/* ---- what was not there any more --------------------------------------------------- */

static uint64_t bytes_unmapped(struct writer *writer)
{
	const struct mf_raw_range *range = writer->range;
	uint64_t at = range->start, end, bytes = 0;

	for (; at < range->end; at = end)
		if (!part_at(writer, at, range->end, &end))
			bytes += end - at;
	return bytes;
}

/* Memory that a running process gave back meanwhile looks absent. */
static struct mf_error *look_for_vanished(struct writer *writer,
					  struct mf_raw_range *ranges,
					  size_t count)
{
	enum mf_target_kind kind = mf_target_info(writer->target)->kind;

	if ((kind != MF_TARGET_LIVE && kind != MF_TARGET_SNAPSHOT) ||
	    mf_target_is_still(writer->target))
		return NULL;
	MF_TRY(mf_target_refresh(writer->target));
	for (size_t i = 0; i < count; i++) {
		uint64_t gone;

		writer->range = &ranges[i];
		gone = bytes_unmapped(writer);
		ranges[i].unread = MF_MAX(ranges[i].unread, gone);
	}
	return NULL;
}

static void tell_unread(struct writer *writer,
			const struct mf_raw_range *ranges, size_t count)
{
	uint64_t swapped = 0, unread = 0;
	char text[MF_UNIT_TEXT];

	for (size_t i = 0; i < count; i++) {
		swapped += ranges[i].swapped;
		unread += ranges[i].unread;
	}
	if (swapped)
		mf_target_note_partial(writer->target, "swap",
				       "%s of the regions are in swap, and "
				       "zeros in the file: --read-swapped "
				       "brings them in",
				       mf_format_size(text, swapped));
	if (unread)
		mf_target_note_partial(writer->target, "regions",
				       "%s of them could not be read, and are "
				       "zeros in the file",
				       mf_format_size(text, unread));
}

/* ---- the file ---------------------------------------------------------------------- */

/* Where each range is, and what it takes. */
static struct mf_error *plan(struct writer *writer, struct mf_raw_range *ranges,
			     size_t count, uint64_t *data)
{
	for (size_t i = 0; i < count; i++) {
		ranges[i] = (struct mf_raw_range){
			.start = ranges[i].start,
			.end = ranges[i].end,
			.file_offset = writer->total,
		};
		writer->range = &ranges[i];
		writer->total += ranges[i].end - ranges[i].start;
		MF_TRY(count_range(writer, data));
	}
	if (writer->total > INT64_MAX)
		return mf_error_hint(
			mf_error_why(refuse(writer),
				     "no file can be that large"),
			"fewer regions: class:CLASS, or addresses");
	return NULL;
}

struct mf_error *mf_target_write_raw(struct mf_target *target, int fd,
				     const struct mf_raw_options *options,
				     struct mf_raw_range *ranges, size_t count)
{
	mf_cleanup(writer_deinit) struct writer writer = {
		.target = target,
		.options = options,
		.page_size = target->info.page_size,
	};
	size_t window = MF_MAX((size_t)WINDOW_BYTES, (size_t)writer.page_size);
	uint64_t data = 0;

	MF_TRY(plan(&writer, ranges, count, &data));
	MF_TRY(check_max_size(&writer, data));
	MF_TRY(check_disk(&writer, fd, data));
	writer.sink = mf_core_sink_create(fd, options->path, false);
	mf_core_sink_begin(writer.sink, options->offset, options->is_stream);
	writer.bytes = mf_calloc(window + writer.page_size, 1);
	writer.flags = mf_calloc(window / writer.page_size + 1, 1);
	for (size_t i = 0; i < count; i++) {
		writer.range = &ranges[i];
		MF_TRY(put_range(&writer));
	}
	MF_TRY(mf_core_sink_end(writer.sink));
	MF_TRY(look_for_vanished(&writer, ranges, count));
	tell_unread(&writer, ranges, count);
	return NULL;
}
