/*
 * What `dump` says of the regions that it wrote: in its report, and in the
 * index.
 */
#include "base/log.h"
#include "base/units.h"
#include "cmd/dump.h"

enum {
	DATA = MF_SHOW_DATA_ONLY,
	SHOWN = 12, /* regions in text */
};

const char *mf_dump_path(const struct mf_dump *dump)
{
	return dump->settings->output ? dump->settings->output
				      : "standard output";
}

enum {
	START,
	END,
	SIZE,
	OFFSET,
	PERMS,
	CLASS,
	LABEL,
	PRESENT,
	WRITTEN,
	SWAPPED,
	UNREAD,
	COLUMNS,
};

static const struct mf_column columns[COLUMNS] = {
	[START] = { "start", "start", MF_VALUE_ADDRESS, 0 },
	[END] = { "end", NULL, MF_VALUE_ADDRESS, DATA },
	[SIZE] = { "size", "size", MF_VALUE_SIZE, 0 },
	[OFFSET] = { "file_offset", "at", MF_VALUE_SIZE, DATA },
	[PERMS] = { "perms", "perm", MF_VALUE_TEXT, 0 },
	[CLASS] = { "class", "class", MF_VALUE_TEXT, 0 },
	[LABEL] = { "label", "what", MF_VALUE_TEXT, MF_SHOW_FILL },
	[PRESENT] = { "present_bytes", "in RAM", MF_VALUE_SIZE, 0 },
	[WRITTEN] = { "written_bytes", "written", MF_VALUE_SIZE,
		      MF_SHOW_IF_ANY },
	[SWAPPED] = { "swapped_bytes", "in swap", MF_VALUE_SIZE,
		      MF_SHOW_IF_ANY },
	[UNREAD] = { "unread_bytes", "unread", MF_VALUE_SIZE, MF_SHOW_IF_ANY },
};

static void write_ranges(const struct mf_dump *dump, struct mf_report *report)
{
	static const struct mf_table table = {
		.key = "ranges",
		.columns = columns,
		.column_count = COLUMNS,
		.top = SHOWN,
	};
	bool raw = !dump->settings->as_core;

	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < dump->count; i++) {
		const struct mf_raw_range *range = &dump->ranges[i];
		const struct mf_dump_part *part = &dump->parts[i];
		const struct mf_value row[COLUMNS] = {
			[START] = mf_address(range->start),
			[END] = mf_address(range->end),
			[SIZE] = mf_size(range->end - range->start),
			[OFFSET] =
				raw ? mf_size(range->file_offset) : mf_none(),
			[PERMS] = mf_text(part->perms),
			[CLASS] = mf_text(mf_class_name(part->class)),
			[LABEL] = mf_text(part->label),
			[PRESENT] = mf_size(range->present),
			[WRITTEN] = raw ? mf_size(range->written) : mf_none(),
			[SWAPPED] = mf_size(range->swapped),
			[UNREAD] = raw ? mf_size(range->unread) : mf_none(),
		};

		mf_report_row(report, row);
	}
	mf_report_table_end(report);
}

struct mf_error *mf_dump_write_index(const struct mf_dump *dump)
{
	const struct mf_report_options as_json = { .format = MF_FORMAT_JSON };
	struct mf_report *report;
	struct mf_error *error;

	if (!dump->index)
		return NULL;
	report = mf_report_create(mf_output_stream(dump->index), &as_json);
	mf_report_begin(report, dump->run->command->name);
	write_ranges(dump, report);
	error = mf_report_end(report);
	mf_report_destroy(report);
	return error;
}

static void write_file(struct mf_run *run, const struct mf_dump *dump)
{
	const struct mf_field fields[] = {
		{ "path", NULL, mf_text(mf_dump_path(dump)), DATA },
		{ "form", NULL,
		  mf_text(dump->settings->as_core ? "core" : "raw"), DATA },
		{ "size", NULL, mf_size((uint64_t)dump->status.st_size), DATA },
		{ "bytes", NULL,
		  mf_size((uint64_t)dump->status.st_blocks * 512), DATA },
		{ "left_out", NULL,
		  dump->settings->skip_free ? mf_size(dump->left_out)
					    : mf_none(),
		  DATA },
	};

	mf_report_fields(run->report, "file", NULL, fields,
			 MF_ARRAY_SIZE(fields));
}

static void write_text(struct mf_run *run, const struct mf_dump *dump)
{
	char texts[3][MF_UNIT_TEXT];
	uint64_t total = 0;

	for (size_t i = 0; i < dump->count; i++)
		total += dump->ranges[i].end - dump->ranges[i].start;
	mf_report_line(run->report, "%s: %zu region%s of %s, %s on disk",
		       mf_dump_path(dump), dump->count,
		       dump->count == 1 ? "" : "s",
		       mf_report_size(run->report, texts[0], total),
		       mf_report_size(run->report, texts[1],
				      (uint64_t)dump->status.st_blocks * 512));
	if (dump->settings->skip_free)
		mf_report_line(
			run->report,
			"left out: %s of chunks that are not in use",
			mf_report_size(run->report, texts[2], dump->left_out));
	if (dump->settings->as_core)
		mf_run_tell_core(run, mf_dump_path(dump));
}

struct mf_error *mf_dump_write_report(const struct mf_dump *dump)
{
	struct mf_run *run = dump->run;

	MF_TRY(mf_run_begin_bare(run));
	write_file(run, dump);
	write_text(run, dump);
	write_ranges(dump, run->report);
	mf_run_write_foot(run);
	return mf_run_end(run);
}

/* Where the report would stand are the bytes. */
void mf_dump_warn_partial(const struct mf_dump *dump)
{
	size_t count;
	const struct mf_partial *partials =
		mf_target_partials(dump->target, &count);

	for (size_t i = 0; i < count; i++)
		mf_warn("%s: %s", partials[i].what, partials[i].why);
}
