/*
 * Writes an ELF core: header, program headers, notes, then the pages of each
 * segment. Where everything is, is known before the first byte is written; the
 * file is written from front to back.
 */
#include "target/core_write.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/units.h"
#include "target/arch.h"

enum {
	WINDOW_BYTES = 1 << 20, /* read and written at once */
	PACKED_LEAST = 50,	/* memory is packed to a fiftieth at best */
};

struct writer {
	struct mf_target *target;
	const struct mf_core_options *options;
	struct mf_core_plan plan;
	struct mf_core_note_source *notes;
	struct mf_core_sink *sink;
	uint64_t notes_at, notes_size, data_at;
	uint64_t done_bytes, unread_pages;
	uint8_t *bytes, *flags;
};

static void writer_deinit(struct writer *writer)
{
	mf_core_plan_deinit(&writer->plan);
	mf_core_note_source_destroy(writer->notes);
	mf_core_sink_destroy(writer->sink);
	free(writer->bytes);
	free(writer->flags);
}

/* ---- headers -------------------------------------------------------------------- */

/* Numbers that the ELF header has no room for are in a section's header. */
static bool has_section(const struct mf_core_plan *plan)
{
	return plan->segments.count + 1 >= PN_XNUM;
}

static void place(struct writer *writer)
{
	const struct mf_core_plan *plan = &writer->plan;
	uint64_t page_size = writer->target->info.page_size;

	writer->notes_at = sizeof(Elf64_Ehdr) +
			   (plan->segments.count + 1) * sizeof(Elf64_Phdr);
	if (has_section(plan))
		writer->notes_at += sizeof(Elf64_Shdr);
	writer->notes_size = mf_core_write_notes(writer->notes, NULL);
	writer->data_at =
		(writer->notes_at + writer->notes_size + page_size - 1) /
		page_size * page_size;
}

static void put_header(struct writer *writer)
{
	const struct mf_core_plan *plan = &writer->plan;
	size_t segments = plan->segments.count + 1;
	Elf64_Ehdr header = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
			     __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
				     ? ELFDATA2MSB
				     : ELFDATA2LSB,
			     EV_CURRENT },
		.e_type = ET_CORE,
		.e_machine = mf_arch_machine,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(header),
		.e_ehsize = sizeof(header),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = has_section(plan) ? PN_XNUM : (Elf64_Half)segments,
	};

	if (has_section(plan)) {
		header.e_shoff = sizeof(header) + segments * sizeof(Elf64_Phdr);
		header.e_shentsize = sizeof(Elf64_Shdr);
		header.e_shnum = 1;
	}
	mf_core_sink_put(writer->sink, &header, sizeof(header));
}

static void put_section(struct writer *writer)
{
	const Elf64_Shdr section = {
		.sh_type = SHT_NULL,
		.sh_size = 1,
		.sh_info = (Elf64_Word)writer->plan.segments.count + 1,
	};

	if (has_section(&writer->plan))
		mf_core_sink_put(writer->sink, &section, sizeof(section));
}

static void put_program_headers(struct writer *writer)
{
	Elf64_Phdr header = {
		.p_type = PT_NOTE,
		.p_offset = writer->notes_at,
		.p_filesz = writer->notes_size,
		.p_align = 4,
	};
	uint64_t offset = writer->data_at;

	mf_core_sink_put(writer->sink, &header, sizeof(header));
	mf_vec_foreach(segment, &writer->plan.segments) {
		unsigned perms = segment->perms;

		header = (Elf64_Phdr){
			.p_type = PT_LOAD,
			.p_flags = (perms & MF_PERM_READ ? PF_R : 0U) |
				   (perms & MF_PERM_WRITE ? PF_W : 0U) |
				   (perms & MF_PERM_EXEC ? PF_X : 0U),
			.p_offset = offset,
			.p_vaddr = segment->start,
			.p_filesz = segment->file_end - segment->start,
			.p_memsz = segment->end - segment->start,
			.p_align = writer->target->info.page_size,
		};
		offset += header.p_filesz;
		mf_core_sink_put(writer->sink, &header, sizeof(header));
	}
}

/* ---- pages ----------------------------------------------------------------------- */

static void put_window(struct writer *writer, uint64_t address, size_t count)
{
	const struct mf_core_options *options = writer->options;
	size_t page_size = writer->target->info.page_size;

	if (options->edit)
		options->edit(options->context, address, writer->bytes,
			      count * page_size);
	mf_core_sink_put_sparse(writer->sink, writer->bytes, count * page_size,
				page_size);
	for (size_t i = 0; i < count; i++)
		writer->unread_pages +=
			(writer->flags[i] & MF_PAGE_UNREADABLE) != 0;
}

static struct mf_error *cancelled(const struct writer *writer)
{
	const struct mf_core_options *options = writer->options;

	if (!options->is_cancelled || !options->is_cancelled(options->context))
		return NULL;
	return mf_error_why(mf_error_create(MF_ERROR_FAILED, "cannot write %s",
					    options->path),
			    "it was interrupted; nothing is left of it");
}

static struct mf_error *put_segment(struct writer *writer,
				    const struct mf_core_load *segment)
{
	size_t page_size = writer->target->info.page_size;
	uint64_t at = segment->start;

	while (at < segment->file_end) {
		uint64_t size =
			MF_MIN(segment->file_end - at, (uint64_t)WINDOW_BYTES);

		MF_TRY(mf_target_read_pages(writer->target, at,
					    size / page_size, writer->bytes,
					    writer->flags));
		put_window(writer, at, size / page_size);
		at += size;
		writer->done_bytes += size;
		mf_progress("writing", writer->done_bytes,
			    writer->plan.file_bytes + 1);
		MF_TRY(mf_core_sink_error(writer->sink));
		MF_TRY(cancelled(writer));
	}
	return NULL;
}

/* ---- the file -------------------------------------------------------------------- */

/* What there is to be had smaller: some callers have regions, some are whole. */
static const char *room_hint(const struct mf_core_options *options)
{
	if (options->ranges)
		return "a folder on another disk, or fewer regions";
	return options->compress ? "a folder on another disk"
				 : "a folder on another disk, or --compress "
				   "zstd";
}

static struct mf_error *check_room(const struct writer *writer, int fd)
{
	uint64_t needed = writer->plan.data_bytes, there;
	char texts[2][MF_UNIT_TEXT];
	struct statvfs status;

	if (writer->options->compress)
		needed /= PACKED_LEAST;
	needed += writer->data_at;
	/* some file systems do not say what they have: ramfs, unlimited tmpfs */
	if (fstatvfs(fd, &status) != 0 || !status.f_blocks)
		return NULL;
	there = (uint64_t)status.f_bavail * status.f_frsize;
	if (needed <= there)
		return NULL;
	return mf_error_hint(
		mf_error_why(mf_error_create(MF_ERROR_FAILED, "cannot write %s",
					     writer->options->path),
			     "it takes %s%s, and there is %s of free space",
			     writer->options->compress ? "at least " : "",
			     mf_format_size(texts[0], needed),
			     mf_format_size(texts[1], there)),
		"%s", room_hint(writer->options));
}

static struct mf_error *check_max_size(const struct writer *writer)
{
	const struct mf_core_options *options = writer->options;
	uint64_t needed = writer->plan.data_bytes + writer->data_at;
	char texts[2][MF_UNIT_TEXT];

	if (!options->max_size || needed <= options->max_size)
		return NULL;
	return mf_error_hint(
		mf_error_why(mf_error_create(MF_ERROR_FAILED, "cannot write %s",
					     options->path),
			     "it would be %s, and at most %s are allowed",
			     mf_format_size(texts[0], needed),
			     mf_format_size(texts[1], options->max_size)),
		"%sa larger --max-size",
		options->ranges ? "fewer regions, or " : "");
}

static struct mf_error *write_all(struct writer *writer)
{
	put_header(writer);
	put_program_headers(writer);
	put_section(writer);
	mf_core_write_notes(writer->notes, writer->sink);
	mf_core_sink_skip(writer->sink,
			  writer->data_at - mf_core_sink_size(writer->sink));
	MF_TRY(mf_core_sink_error(writer->sink));
	mf_vec_foreach(segment, &writer->plan.segments)
		MF_TRY(put_segment(writer, segment));
	return mf_core_sink_end(writer->sink);
}

static void note_unread(const struct writer *writer)
{
	if (writer->unread_pages)
		mf_target_note_partial(
			writer->target, "pages",
			"%llu could not be read when they were "
			"to be written: zeros in the core",
			(unsigned long long)writer->unread_pages);
}

struct mf_error *mf_target_write_core(struct mf_target *target, int fd,
				      const struct mf_core_options *options,
				      struct mf_core_written *ret)
{
	mf_cleanup(writer_deinit) struct writer writer = {
		.target = target,
		.options = options,
	};
	size_t window =
		MF_MAX((size_t)WINDOW_BYTES, (size_t)target->info.page_size);

	MF_TRY(mf_core_plan_make(target, options, &writer.plan));
	writer.notes =
		mf_core_note_source_create(target, &writer.plan, options->full);
	place(&writer);
	MF_TRY(check_max_size(&writer));
	MF_TRY(check_room(&writer, fd));
	writer.sink = mf_core_sink_create(fd, options->path, options->compress);
	writer.bytes = mf_calloc(window, 1);
	writer.flags = mf_calloc(window / target->info.page_size, 1);
	MF_TRY(write_all(&writer));
	note_unread(&writer);
	ret->size = mf_core_sink_size(writer.sink);
	ret->segments = writer.plan.segments.count;
	mf_target_threads(target, &ret->threads);
	return NULL;
}
