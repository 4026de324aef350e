/*
 * All that is known of an address, in lines; where a line names an address,
 * that is what its keys are about. First without who points there, which takes
 * longer.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "tui/gather.h"
#include "tui/rows.h"
#include "tui/views.h"

enum stage {
	QUICK,
	WHOLE,
};

enum {
	WIDTH = 200, /* columns of a line of the report: it does not cut */
	WRAP = 78,
	KEYS = 13, /* columns that names of what is told take */
};

struct explain {
	struct mf_sheet sheet;
	uint64_t at;
	bool looking; /* for who points there */
	struct mf_text_rows rows;
};

/* ---- reading ------------------------------------------------------------------ */

static struct mf_error *write_text(const struct mf_explain *explain,
				   struct mf_gather *gather)
{
	const struct mf_report_options options = {
		.format = MF_FORMAT_TEXT,
		.width = WIDTH,
	};
	size_t size = 0;
	FILE *stream = open_memstream(&gather->said, &size);
	struct mf_report *report;
	struct mf_error *error;

	if (!stream)
		return mf_error_create(MF_ERROR_FAILED, "out of memory");
	report = mf_report_create(stream, &options);
	mf_report_begin(report, "explain");
	mf_explain_write(explain, report);
	error = mf_report_end(report);
	mf_report_destroy(report);
	fclose(stream);
	return error;
}

static struct mf_error *read_all(struct mf_gather *gather,
				 const struct mf_view *view)
{
	const struct mf_explain_options options = {
		.no_refs = gather->stage == QUICK,
	};
	const struct mf_scan_input input = {
		.target = view->target,
		.image = view->image,
		.space = view->space,
		.heap = view->heap,
	};
	struct mf_explain *explain = NULL;
	struct mf_frames *frames = NULL;
	struct mf_spot spot;
	char text[24];
	struct mf_error *error;

	snprintf(text, sizeof(text), "0x%" PRIx64, gather->start);
	MF_TRY(mf_spot_parse(text, &spot));
	MF_TRY(mf_explain_create(view->target, view->image, &options,
				 &explain));
	error = mf_gather_frames(view, &frames);
	if (!error)
		error = mf_explain_read(explain, &input, &spot, 1);
	if (!error) {
		mf_explain_name_frames(explain, mf_frames_namer(frames));
		error = write_text(explain, gather);
	}
	mf_explain_destroy(explain);
	mf_frames_destroy(frames);
	return error;
}

static void ask_for(struct mf_pane *pane, enum stage stage)
{
	const struct explain *explain = pane->state;
	struct mf_gather *gather = mf_gather_create(
		stage == QUICK ? "looking at the address"
			       : "looking for who points there",
		read_all);

	gather->stage = stage;
	gather->start = explain->at;
	gather->job.urgent = stage == QUICK;
	mf_sheet_ask(pane, gather);
}

static void ask(struct mf_pane *pane)
{
	ask_for(pane, QUICK);
}

/* ---- lines ---------------------------------------------------------------------- */

/* A line that is too long goes on below, beside the name of what is told. */
static void add_line(struct mf_text_rows *rows, enum mf_tint tint,
		     const char *line)
{
	size_t length = strlen(line), first = mf_text_fit(line, length, WRAP);

	if (first < length)
		while (first > KEYS && line[first] != ' ')
			first--;
	if (first <= KEYS)
		first = length;
	mf_text_rows_add(rows, tint, 1, "%.*s", (int)first, line);
	line += first;
	line += strspn(line, " ");
	if (*line)
		mf_text_rows_wrap(rows, tint, 1 + KEYS, WRAP - KEYS, line);
}

static void split(struct mf_text_rows *rows, char *text)
{
	bool first = true;
	char *line;

	while ((line = strsep(&text, "\n"))) {
		if (!*line && (first || !text))
			continue;
		add_line(rows, first ? MF_TINT_TITLE : MF_TINT_PLAIN, line);
		first = false;
	}
}

static void ready(struct mf_pane *pane, int stage)
{
	struct explain *explain = pane->state;
	mf_auto_free char *text = mf_strdup(
		explain->sheet.from->said ? explain->sheet.from->said : "");

	mf_text_rows_deinit(&explain->rows);
	explain->rows = (struct mf_text_rows){ 0 };
	split(&explain->rows, text);
	explain->looking = stage == QUICK;
	if (stage == QUICK)
		ask_for(pane, WHOLE);
}

static struct mf_error *explain_open(struct mf_pane *pane, const void *argument)
{
	const struct mf_subject *subject = argument;
	struct explain *explain = pane->state;

	explain->at = subject->at;
	explain->sheet.again = ask;
	explain->sheet.ready = ready;
	ask(pane);
	return NULL;
}

static void explain_close(struct mf_pane *pane)
{
	struct explain *explain = pane->state;

	mf_text_rows_deinit(&explain->rows);
	mf_sheet_close(pane);
}

static uint64_t explain_count(struct mf_pane *pane)
{
	const struct explain *explain = pane->state;

	return explain->rows.rows.count;
}

static void explain_line(struct mf_pane *pane, uint64_t row,
			 struct mf_strip *line)
{
	const struct explain *explain = pane->state;

	mf_text_row_draw(&explain->rows.rows.items[row], line);
}

static bool explain_head(struct mf_pane *pane, unsigned number,
			 struct mf_strip *line)
{
	return !number && mf_sheet_moment(pane, line);
}

/* The first address that is mapped, of those in the line. */
static bool address_in(const char *line, uint64_t *ret)
{
	const char *at = strstr(line, "0x");
	char *end;

	if (!at)
		return false;
	*ret = strtoull(at, &end, 16);
	return end > at + 2;
}

static bool explain_subject(struct mf_pane *pane, uint64_t row,
			    struct mf_subject *ret)
{
	const struct explain *explain = pane->state;

	ret->at = explain->at;
	address_in(explain->rows.rows.items[row].text, &ret->at);
	ret->start = ret->at;
	ret->end = ret->at + 1;
	return true;
}

static void explain_status(struct mf_pane *pane, struct mf_buffer *text)
{
	const struct explain *explain = pane->state;

	mf_buffer_puts(text, explain->sheet.from->trouble
				     ? "who points there was not looked for"
			     : explain->looking
				     ? "who points there: looking"
				     : "Enter: bytes  w: who points there");
}

const struct mf_view_ops mf_view_explain = {
	.name = "explain",
	.summary = "what is at an address",
	.needs = MF_NEEDS_MEMORY,
	.size = sizeof(struct explain),
	.open = explain_open,
	.close = explain_close,
	.count = explain_count,
	.line = explain_line,
	.head = explain_head,
	.subject = explain_subject,
	.handle = mf_sheet_handle,
	.status = explain_status,
	.waits = mf_sheet_waits,
};
