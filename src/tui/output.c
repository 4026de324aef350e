/*
 * `o`: tagged regions, byte for byte, or the rows of the screen, to a file that
 * only its owner may read and that appears when it is whole.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/units.h"
#include "tui/browse.h"
#include "tui/columns.h"

enum {
	ASK_EVERY = 1 << 12, /* rows between two looks at what was pressed */
};

/* ---- rows ------------------------------------------------------------------------ */

static bool ends_in(const char *path, const char *end)
{
	size_t length = strlen(path), tail = strlen(end);

	return length >= tail && !strcmp(path + length - tail, end);
}

/* A column's key: its head, as a name of data. */
static const char *key_of(const struct mf_view_column *column, size_t number,
			  char text[32])
{
	size_t length = strcspn(column->header, " (");

	if (!length || length > 30)
		snprintf(text, 32, "column%zu", number + 1);
	else
		snprintf(text, 32, "%.*s", (int)length, column->header);
	return text;
}

static bool is_stopped(struct mf_pane *pane, uint64_t row, uint64_t count)
{
	return row % ASK_EVERY == 0 && mf_pane_is_cancelled(pane, row, count);
}

static struct mf_error *stopped(void)
{
	return mf_error_create(MF_ERROR_FAILED, "stopped: nothing is written");
}

/* As a report of one table. */
static struct mf_error *write_table(struct mf_pane *pane, FILE *stream,
				    enum mf_report_format format)
{
	const struct mf_report_options options = { .format = format };
	const struct mf_view_ops *ops = pane->ops;
	struct mf_column columns[MF_VIEW_COLUMNS];
	char keys[MF_VIEW_COLUMNS][32];
	const struct mf_table table = {
		.key = ops->name,
		.columns = columns,
		.column_count = ops->column_count,
	};
	struct mf_report *report = mf_report_create(stream, &options);
	uint64_t count = mf_list_count(&pane->list);
	bool was_stopped = false;
	struct mf_error *error;

	for (size_t i = 0; i < ops->column_count; i++)
		columns[i] = (struct mf_column){
			.key = key_of(&ops->columns[i], i, keys[i]),
			.header = ops->columns[i].header,
			.type = ops->columns[i].type,
		};
	mf_report_begin(report, "browse");
	mf_report_table_begin(report, &table);
	for (uint64_t i = 0; i < count; i++) {
		struct mf_value values[MF_VIEW_COLUMNS] = { 0 };

		was_stopped = is_stopped(pane, i, count);
		if (was_stopped)
			break;
		ops->values(pane, mf_list_row(&pane->list, i), values);
		mf_report_row(report, values);
	}
	mf_report_table_end(report);
	error = mf_report_end(report);
	mf_report_destroy(report);
	return error || !was_stopped ? error : stopped();
}

static struct mf_error *write_lines(struct mf_pane *pane, FILE *stream)
{
	uint64_t count = mf_list_count(&pane->list);
	unsigned rows, columns;

	mf_terminal_size(&rows, &columns);
	for (uint64_t i = 0; i < count; i++) {
		mf_cleanup(mf_strip_deinit) struct mf_strip line;

		mf_strip_init(&line, mf_terminal_is_utf8());
		if (is_stopped(pane, i, count))
			return stopped();
		mf_frame_row(pane, mf_list_row(&pane->list, i),
			     MF_MAX(columns, 100U), &line);
		fprintf(stream, "%s\n", mf_buffer_text(&line.text));
	}
	return NULL;
}

static struct mf_error *write_rows(struct mf_pane *pane, const char *path)
{
	struct mf_output *output = NULL;
	struct mf_error *error = NULL;

	MF_TRY(mf_output_create(path, false, &output));
	if (!pane->ops->columns || !pane->ops->values)
		error = write_lines(pane, mf_output_stream(output));
	else
		error = write_table(pane, mf_output_stream(output),
				    ends_in(path, ".json")  ? MF_FORMAT_JSON
				    : ends_in(path, ".csv") ? MF_FORMAT_CSV
							    : MF_FORMAT_TEXT);
	if (!error)
		error = mf_output_commit(output);
	mf_output_destroy(output);
	return error;
}

/* ---- bytes ------------------------------------------------------------------------- */

struct dump_job {
	struct mf_job job;
	struct mf_browser *browser;
	struct mf_output *output;
	char *path;
	struct mf_raw_range *ranges;
	size_t count;
};

static bool is_cancelled(void *context)
{
	return mf_job_is_cancelled(context);
}

static struct mf_error *dump(struct mf_job *job, const struct mf_view *view)
{
	struct dump_job *dumping = (struct dump_job *)job;
	const struct mf_raw_options options = {
		.path = dumping->path,
		.is_cancelled = is_cancelled,
		.context = job,
	};

	MF_TRY(mf_target_write_raw(view->target, mf_output_fd(dumping->output),
				   &options, dumping->ranges, dumping->count));
	return mf_output_commit(dumping->output);
}

static void tell_dump(struct mf_job *job, const struct mf_error *error)
{
	struct dump_job *dumping = (struct dump_job *)job;
	uint64_t bytes = 0;
	char size[MF_UNIT_TEXT];

	if (error) {
		mf_browser_say(dumping->browser, "%s%s%s", error->what,
			       error->why ? ": " : "",
			       error->why ? error->why : "");
		return;
	}
	for (size_t i = 0; i < dumping->count; i++)
		bytes += dumping->ranges[i].end - dumping->ranges[i].start;
	mf_browser_say(dumping->browser, "%zu range%s, %s, written to %s",
		       dumping->count, dumping->count == 1 ? "" : "s",
		       mf_format_size(size, bytes), dumping->path);
}

static void destroy_dump(struct mf_job *job)
{
	struct dump_job *dumping = (struct dump_job *)job;

	mf_output_destroy(dumping->output);
	free(dumping->path);
	free(dumping->ranges);
	free(dumping);
}

static int by_start(const void *a, const void *b)
{
	const struct mf_raw_range *left = a, *right = b;

	return (left->start > right->start) - (left->start < right->start);
}

/* All that a view of bytes shows. */
static void take_shown(struct mf_pane *pane, struct dump_job *dumping)
{
	struct mf_subject first, last;
	uint64_t count = pane->ops->count(pane);

	if (!count || !pane->ops->subject(pane, 0, &first) ||
	    !pane->ops->subject(pane, count - 1, &last))
		return;
	dumping->ranges = mf_new_array(1, struct mf_raw_range);
	dumping->ranges[0] =
		(struct mf_raw_range){ .start = first.start, .end = last.end };
	dumping->count = 1;
}

/* Ascending, and never overlapping, however they were tagged. */
static void take_tags(const struct mf_browser *browser,
		      struct dump_job *dumping)
{
	size_t count = 0;

	dumping->ranges =
		mf_new_array(browser->tags.count + 1, struct mf_raw_range);
	for (size_t i = 0; i < browser->tags.count; i++) {
		dumping->ranges[i].start = browser->tags.items[i].start;
		dumping->ranges[i].end = browser->tags.items[i].end;
	}
	qsort(dumping->ranges, browser->tags.count, sizeof(*dumping->ranges),
	      by_start);
	for (size_t i = 0; i < browser->tags.count; i++) {
		struct mf_raw_range range = dumping->ranges[i];

		if (count && range.start <= dumping->ranges[count - 1].end)
			dumping->ranges[count - 1].end = MF_MAX(
				dumping->ranges[count - 1].end, range.end);
		else
			dumping->ranges[count++] = range;
	}
	dumping->count = count;
}

static struct mf_error *write_bytes(struct mf_browser *browser,
				    const char *path)
{
	struct mf_output *output = NULL;
	struct dump_job *dumping;

	if (!(browser->models->facts.abilities & MF_CAN_READ))
		return mf_error_create(MF_ERROR_FAILED,
				       "the bytes of this target cannot be "
				       "read");
	MF_TRY(mf_output_create(path, false, &output));
	dumping = mf_new(struct dump_job);
	dumping->job = (struct mf_job){
		.what = "writing regions",
		.run = dump,
		.done = tell_dump,
		.destroy = destroy_dump,
	};
	dumping->browser = browser;
	dumping->output = output;
	dumping->path = mf_strdup(path);
	if (browser->tags.count)
		take_tags(browser, dumping);
	else
		take_shown(mf_browser_pane(browser), dumping);
	mf_worker_ask(browser->worker, &dumping->job);
	return NULL;
}

/* ---- asking --------------------------------------------------------------------------- */

static char *default_path(const struct mf_browser *browser,
			  const struct mf_pane *pane)
{
	const struct mf_facts *facts = &browser->models->facts;
	mf_auto_free char *name =
		mf_strdup(*facts->comm ? facts->comm : "core");

	/* a name from the target is no path */
	for (char *at = name; *at; at++)
		if (*at == '/' || *at < ' ' || *at == 0x7f)
			*at = '_';
	if (browser->tags.count)
		return mf_asprintf("%s-%d-0x%" PRIx64 ".bin", name,
				   (int)facts->pid,
				   browser->tags.items[0].start);
	if (pane->ops == &mf_view_hex)
		return mf_asprintf("%s-%d-bytes.bin", name, (int)facts->pid);
	return mf_asprintf("%s-%d-%s.%s", name, (int)facts->pid,
			   pane->ops->name, pane->ops->columns ? "csv" : "txt");
}

void mf_act_output(struct mf_browser *browser)
{
	struct mf_pane *pane = mf_browser_pane(browser);
	mf_auto_free char *preset = NULL, *path = NULL;
	struct mf_error *error;

	if (!pane)
		return;
	preset = default_path(browser, pane);
	path = mf_browser_ask(browser,
			      browser->tags.count ? "tagged regions to: "
			      : pane->ops == &mf_view_hex ? "these bytes to: "
							  : "these rows to: ",
			      preset);
	if (!path || !*path)
		return;
	if (!strcmp(path, "-")) {
		mf_browser_say(browser, "not to the screen: name a file");
		return;
	}
	browser->busy_since = 0;
	if (browser->tags.count || pane->ops == &mf_view_hex) {
		mf_browser_complain(browser, write_bytes(browser, path));
		return;
	}
	error = write_rows(pane, path);
	if (error)
		mf_browser_complain(browser, error);
	else
		mf_browser_say(browser, "%" PRIu64 " rows written to %s",
			       mf_list_count(&pane->list), path);
}
