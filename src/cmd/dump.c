/*
 * `dump`: regions to a file, as they are or as a core. The file appears under
 * its name when it is whole; what is told of each region is the report, and the
 * index.
 */
#include "cmd/dump.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/units.h"

/* What goes into a pipe unasked: holes are zeros there. */
static const uint64_t stream_most = UINT64_C(64) << 30;

/* ---- options ------------------------------------------------------------------- */

static struct mf_error *set_index(struct mf_settings *settings,
				  const char *value)
{
	settings->index = value;
	return NULL;
}

static const char *const as_words[] = { "raw", "core", NULL };

static struct mf_error *set_as(struct mf_settings *settings, const char *value)
{
	unsigned word = 0;

	MF_TRY(mf_option_word("as", value, as_words, &word));
	settings->as_core = word != 0;
	return NULL;
}

static struct mf_error *set_skip_free(struct mf_settings *settings,
				      const char *value)
{
	(void)value;
	settings->skip_free = settings->walk_heaps = true;
	return NULL;
}

static struct mf_error *set_max_size(struct mf_settings *settings,
				     const char *value)
{
	if (mf_parse_size(value, &settings->max_size) && settings->max_size)
		return NULL;
	return mf_error_hint(
		mf_error_why(mf_error_create(MF_ERROR_USAGE,
					     "--max-size does not take '%s'",
					     value),
			     "it takes a size such as 512M or 2G"),
		"memforensics dump --help");
}

static const struct mf_option options[] = {
	{ .name = "as",
	  .argument = "raw|core",
	  .summary = "plain bytes, or an ELF core of just these regions (raw)",
	  .completion = MF_COMPLETE_WORDS,
	  .words = as_words,
	  .set = set_as },
	{ .name = "index",
	  .argument = "FILE",
	  .summary = "write to FILE, as JSON, where in the dump each region is",
	  .completion = MF_COMPLETE_FILE,
	  .set = set_index },
	{ .name = "skip-free",
	  .summary = "zeros for the bytes of chunks that are not in use",
	  .set = set_skip_free },
	{ .name = "max-size",
	  .argument = "SIZE",
	  .summary = "write nothing if it would be more than SIZE on disk",
	  .set = set_max_size },
};

static struct mf_error *check_stream(const struct mf_settings *settings)
{
	if (settings->as_core)
		return mf_error_usage(
			"cannot write a core to standard output",
			"it has holes, which only a file can have", "-o FILE");
	if (isatty(STDOUT_FILENO))
		return mf_error_usage("cannot write to a terminal",
				      "bytes of a process would upset it",
				      "-o FILE, or a pipe: ... -o - | xxd");
	if (settings->report.format != MF_FORMAT_TEXT)
		return mf_error_usage(
			"cannot write both the report and the regions to "
			"standard output",
			"one could not be told from the other",
			"--index FILE, which has the same of each region");
	return NULL;
}

static const char *name_in_folder(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool stat_folder(const char *path, struct stat *ret)
{
	mf_auto_free char *folder =
		mf_asprintf("%.*s.", (int)(name_in_folder(path) - path), path);

	return stat(folder, ret) == 0;
}

/* Both would be the same file, however they are written. */
static bool is_same_path(const char *a, const char *b)
{
	struct stat folders[2];

	return !strcmp(name_in_folder(a), name_in_folder(b)) &&
	       stat_folder(a, &folders[0]) && stat_folder(b, &folders[1]) &&
	       folders[0].st_dev == folders[1].st_dev &&
	       folders[0].st_ino == folders[1].st_ino;
}

static struct mf_error *check(const struct mf_settings *settings)
{
	if (!settings->output && !settings->to_stdout)
		return mf_error_usage("where to?", "dump writes a file",
				      "-o FILE, or -o - for a pipe");
	if (settings->index && !strcmp(settings->index, "-"))
		return mf_error_usage(
			"cannot write the index to standard output",
			"the report is there",
			"--json, which has the same of each region");
	if (settings->index && settings->output &&
	    is_same_path(settings->index, settings->output))
		return mf_error_usage(
			"cannot write the regions and the index to one "
			"file",
			"the one would take the place of the other",
			"another name for --index");
	return settings->to_stdout ? check_stream(settings) : NULL;
}

/* ---- what is dumped ------------------------------------------------------------- */

static void forget(struct mf_dump *dump)
{
	free(dump->ranges);
	free(dump->parts);
	mf_pool_deinit(&dump->pool);
	dump->ranges = NULL;
	dump->parts = NULL;
	dump->count = 0;
	dump->left_out = 0;
}

static void dump_deinit(struct mf_dump *dump)
{
	forget(dump);
	mf_output_destroy(dump->output);
	mf_output_destroy(dump->index);
	if (dump->holds_signals)
		mf_signals_release(&dump->signals);
}

static void describe(struct mf_dump_part *part, const struct mf_region *region,
		     struct mf_pool *pool)
{
	static const struct {
		unsigned perm;
		char letter;
	} letters[] = {
		{ MF_PERM_READ, 'r' },
		{ MF_PERM_WRITE, 'w' },
		{ MF_PERM_EXEC, 'x' },
		{ MF_PERM_SHARED, 's' },
	};
	unsigned perms = region->mapping->perms;

	memcpy(part->perms, "---p", sizeof(part->perms));
	for (size_t i = 0; i < MF_ARRAY_SIZE(letters); i++)
		if (perms & letters[i].perm)
			part->perms[i] = letters[i].letter;
	part->class = region->class;
	part->label = mf_pool_strdup(
		pool, *region->label ? region->label : region->mapping->path);
}

static void take(struct mf_dump *dump, const struct mf_view *view,
		 const struct mf_selection *selection)
{
	dump->count = selection->range_count;
	dump->ranges = mf_new_array(dump->count + 1, struct mf_raw_range);
	dump->parts = mf_new_array(dump->count + 1, struct mf_dump_part);
	for (size_t i = 0; i < dump->count; i++) {
		const struct mf_scan_range *range = &selection->ranges[i];

		dump->ranges[i].start = range->start;
		dump->ranges[i].end = range->end;
		describe(&dump->parts[i],
			 mf_space_region_at(view->space, range->start),
			 &dump->pool);
	}
}

/* ---- while the target stands still -------------------------------------------------- */

static void leave_out(void *context, uint64_t address, uint8_t *bytes,
		      size_t size)
{
	struct mf_dump *dump = context;

	dump->left_out +=
		mf_heap_blank_unused(dump->heap, address, bytes, size);
}

static mf_bytes_edit *edit_of(const struct mf_dump *dump)
{
	return dump->settings->skip_free && dump->heap ? leave_out : NULL;
}

static struct mf_error *write_raw(struct mf_dump *dump)
{
	const struct mf_raw_options raw = {
		.path = mf_dump_path(dump),
		.offset = dump->offset,
		.is_stream = dump->is_stream,
		.max_size = dump->settings->max_size || !dump->is_stream
				    ? dump->settings->max_size
				    : stream_most,
		.edit = edit_of(dump),
		.is_cancelled = mf_signals_want_end,
		.context = dump,
	};

	return mf_target_write_raw(dump->target, mf_output_fd(dump->output),
				   &raw, dump->ranges, dump->count);
}

static struct mf_error *write_core(struct mf_dump *dump)
{
	mf_auto_free struct mf_address_range *ranges =
		mf_new_array(dump->count + 1, struct mf_address_range);
	const struct mf_core_options core = {
		.path = mf_dump_path(dump),
		.ranges = ranges,
		.range_count = dump->count,
		.max_size = dump->settings->max_size,
		.edit = edit_of(dump),
		.is_cancelled = mf_signals_want_end,
		.context = dump,
	};
	uint64_t page = mf_target_info(dump->target)->page_size;

	for (size_t i = 0; i < dump->count; i++) {
		struct mf_raw_range *range = &dump->ranges[i];
		struct mf_page_counts pages = { 0 };

		ranges[i] =
			(struct mf_address_range){ range->start, range->end };
		MF_TRY(mf_target_count_pages(dump->target, range->start & -page,
					     (range->end + page - 1) & -page,
					     &pages));
		range->present = pages.present * page;
		range->swapped = mf_target_reads_swapped(dump->target)
					 ? 0
					 : pages.swapped * page;
	}
	return mf_target_write_core(dump->target, mf_output_fd(dump->output),
				    &core, &dump->core);
}

/* From the beginning, also where this is not the first time. */
static struct mf_error *begin_file(struct mf_dump *dump)
{
	int fd = mf_output_fd(dump->output);

	if (dump->is_stream && dump->began)
		return mf_error_hint(
			mf_error_why(mf_error_create(MF_ERROR_FAILED,
						     "cannot go on"),
				     "the copy of the process was ended, and "
				     "what is in the pipe cannot be taken "
				     "back"),
			"--stop brief, which takes no memory");
	dump->began = true;
	if (!dump->is_stream && ftruncate(fd, (off_t)dump->offset) != 0)
		return mf_error_from_errno(errno, "cannot write %s",
					   mf_dump_path(dump));
	return NULL;
}

static void note_pause(struct mf_dump *dump)
{
	struct mf_impact impact;

	mf_target_get_impact(dump->target, &impact);
	if (impact.stop == MF_STOP_BRIEF && !mf_target_is_still(dump->target))
		mf_target_note_partial(
			dump->target, "consistency",
			"--max-pause was over before all of it was written; "
			"the rest is of the running process");
}

static struct mf_error *read_regions(const struct mf_view *view, void *context)
{
	mf_cleanup(mf_selection_deinit) struct mf_selection selection = { 0 };
	struct mf_dump *dump = context;

	forget(dump);
	dump->target = view->target;
	dump->heap = view->heap;
	MF_TRY(mf_select_resolve(dump->run->select, view, &selection));
	take(dump, view, &selection);
	MF_TRY(begin_file(dump));
	if (!dump->holds_signals && !dump->is_stream) {
		mf_signals_hold(&dump->signals);
		dump->holds_signals = true;
	}
	MF_TRY(dump->settings->as_core ? write_core(dump) : write_raw(dump));
	note_pause(dump);
	return NULL;
}

/* No more than is in memory, whatever was asked for. */
static uint64_t foresee(struct mf_target *target, void *context)
{
	(void)context;
	return mf_target_info(target)->status.vm_rss;
}

/* ---- the files -------------------------------------------------------------------- */

/* A shell may have made a file of standard output, which can have holes. */
static void look_at_stdout(struct mf_dump *dump)
{
	int flags = fcntl(STDOUT_FILENO, F_GETFL);
	off_t at = lseek(STDOUT_FILENO, 0, SEEK_CUR);
	struct stat status;

	dump->is_stream = true;
	if (at < 0 || flags < 0 || flags & O_APPEND ||
	    fstat(STDOUT_FILENO, &status) != 0 || !S_ISREG(status.st_mode) ||
	    at < status.st_size)
		return;
	dump->is_stream = false;
	dump->offset = (uint64_t)at;
}

static struct mf_error *open_files(struct mf_dump *dump)
{
	const struct mf_settings *settings = dump->settings;

	MF_TRY(mf_output_create(settings->output ? settings->output : "-",
				settings->force, &dump->output));
	if (!settings->output)
		look_at_stdout(dump);
	if (settings->index)
		MF_TRY(mf_output_create(settings->index, settings->force,
					&dump->index));
	return NULL;
}

/* ---- a run ----------------------------------------------------------------------- */

static struct mf_error *commit(struct mf_dump *dump)
{
	MF_TRY(mf_dump_write_index(dump));
	MF_TRY(mf_output_commit(dump->output));
	if (dump->index)
		MF_TRY(mf_output_commit(dump->index));
	fstat(mf_output_fd(dump->output), &dump->status);
	/* what a shell writes there next comes behind it */
	if (!dump->settings->output && !dump->is_stream)
		lseek(STDOUT_FILENO, 0, SEEK_END);
	if (dump->holds_signals)
		mf_signals_release(&dump->signals);
	dump->holds_signals = false;
	return NULL;
}

static struct mf_error *run_dump(struct mf_run *run)
{
	mf_cleanup(dump_deinit) struct mf_dump dump = {
		.run = run,
		.settings = run->settings,
	};
	const struct mf_session_pass pass = {
		.foresee = foresee,
		.read = read_regions,
		.context = &dump,
	};

	MF_TRY(open_files(&dump));
	MF_TRY(mf_session_run_pass(run->session, &pass));
	MF_TRY(commit(&dump));
	if (run->settings->output)
		return mf_dump_write_report(&dump);
	mf_dump_warn_partial(&dump);
	return NULL;
}

const struct mf_command mf_command_dump = {
	.name = "dump",
	.summary = "regions to a file, byte for byte",
	.description =
		"Writes the bytes of the regions, one behind the other in the "
		"order of their addresses, as gdb's dump memory does.\nPages "
		"that are not there, and pages of zeros, are holes of the "
		"file: it takes no more of the disk than there is.\n"
		"What is in swap, or could not be read, is a hole too, is told "
		"in the report and the index, and makes the exit code 2.\n"
		"With --as core the file is an ELF core with just these "
		"regions, and all threads, that gdb and every command here "
		"open.\n"
		"With --skip-free the bytes of heap chunks that are free, "
		"cached or top are zeros, but for their headers and the links "
		"of their lists (32 bytes of each, 48 of large ones).\n"
		"Only its owner may read the file: it holds what the process "
		"knew.",
	.options = options,
	.option_count = MF_ARRAY_SIZE(options),
	.arguments = "REGION...",
	.arguments_least = 1,
	.takes_regions = true,
	.check = check,
	.needs = MF_CAN_READ | MF_CAN_RESIDENCY,
	.own_file = true,
	.no_walk = true,
	.run = run_dump,
};
