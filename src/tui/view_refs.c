/*
 * Who points at an address, or at what holds it; the paths from roots to it;
 * and the steps of one path. Where a row's word is can be asked about in turn,
 * so that one goes from holder to holder, and back.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/units.h"
#include "tui/gather.h"
#include "tui/views.h"

enum {
	DEPTH = 8, /* steps of a path */
};

/* ARGUMENT of the view of steps. */
struct steps_argument {
	struct mf_gathered *from;
	const struct mf_kept_table *steps; /* its */
};

struct refs {
	struct mf_sheet sheet;
	uint64_t at;
};

/* ---- reading ------------------------------------------------------------------ */

static struct mf_error *find_refs(struct mf_gather *gather,
				  const struct mf_view *view)
{
	const struct mf_refs_options options = { .depth = gather->number };
	const struct mf_scan_range range = {
		.start = gather->start,
		.end = gather->start + 1,
	};
	const struct mf_scan_input input = {
		.target = view->target,
		.image = view->image,
		.space = view->space,
		.heap = view->heap,
		.ranges = &range,
		.range_count = 1,
	};
	struct mf_frames *frames = NULL;
	struct mf_refs *refs = NULL;
	struct mf_error *error;

	MF_TRY(mf_refs_create(view->target, view->image, &options, &refs));
	error = mf_gather_frames(view, &frames);
	if (!error)
		error = mf_refs_read(refs, &input);
	if (!error) {
		mf_refs_name_frames(refs, mf_frames_namer(frames));
		mf_refs_write(refs, gather->report);
	}
	mf_refs_destroy(refs);
	mf_frames_destroy(frames);
	return error;
}

static void ask_for(struct mf_pane *pane, unsigned depth, const char *what)
{
	const struct refs *refs = pane->state;
	struct mf_gather *gather = mf_gather_create(what, find_refs);

	gather->start = refs->at;
	gather->number = depth;
	mf_sheet_ask(pane, gather);
}

static void open_for(struct mf_pane *pane, const struct mf_subject *subject)
{
	struct refs *refs = pane->state;

	refs->at = subject->at;
	refs->sheet.again(pane);
}

/* ---- words ---------------------------------------------------------------------- */

enum column {
	WHERE,
	ADDRESS,
	POINTS,
	CONFIDENCE,
	COLUMNS,
};

static const struct mf_view_column columns[COLUMNS] = {
	[WHERE] = { "who points there", MF_VALUE_TEXT, 24, 'W',
		    MF_COLUMN_FILL },
	[ADDRESS] = { "at", MF_VALUE_ADDRESS, 14, 'A', MF_COLUMN_IF_ROOM },
	[POINTS] = { "to its", MF_VALUE_TEXT, 12, 'P', MF_COLUMN_IF_ROOM },
	[CONFIDENCE] = { "confidence", MF_VALUE_TEXT, 10, 'O',
			 MF_COLUMN_IF_ROOM },
};

static const char *const of_words[COLUMNS] = {
	[WHERE] = "where",
	[ADDRESS] = "address",
	[POINTS] = "points",
	[CONFIDENCE] = "confidence",
};

static const struct mf_sheet_form words_form = { NULL, "references", of_words };

static void ask_words(struct mf_pane *pane)
{
	ask_for(pane, 1, "looking for who points there");
}

static void words_ready(struct mf_pane *pane, int stage)
{
	const struct refs *refs = pane->state;

	(void)stage;
	mf_sheet_take(pane, mf_sheet_table(&refs->sheet, words_form.table),
		      &words_form);
}

static struct mf_error *refs_open(struct mf_pane *pane, const void *argument)
{
	struct refs *refs = pane->state;

	refs->sheet.again = ask_words;
	refs->sheet.ready = words_ready;
	open_for(pane, argument);
	return NULL;
}

static const char *refs_waits(struct mf_pane *pane)
{
	const char *waits = mf_sheet_waits(pane);

	return waits || pane->list.filter ? waits : "no word points there";
}

static bool add_target(const struct refs *refs, struct mf_strip *line)
{
	const struct mf_kept_table *targets =
		mf_sheet_table(&refs->sheet, "targets");

	mf_strip_printf(line, MF_TINT_TITLE, " 0x%" PRIx64 "  ", refs->at);
	if (targets)
		mf_strip_put(line, MF_TINT_TITLE,
			     mf_kept_text(targets, 0, "where"));
	return true;
}

static bool refs_head(struct mf_pane *pane, unsigned number,
		      struct mf_strip *line)
{
	const struct refs *refs = pane->state;

	switch (number) {
	case 0:
		return add_target(refs, line);
	case 1:
		mf_strip_put(line, MF_TINT_KEY, " t");
		mf_strip_put(line, MF_TINT_DIM, ": paths from roots   ");
		mf_strip_put(line, MF_TINT_KEY, "w");
		mf_strip_put(line, MF_TINT_DIM, ": who points at that one   ");
		mf_strip_put(line, MF_TINT_KEY, "Enter");
		mf_strip_put(line, MF_TINT_DIM, ": its bytes");
		return true;
	default:
		return number == 2 && mf_sheet_moment(pane, line);
	}
}

/* A register has no address. */
static bool refs_subject(struct mf_pane *pane, uint64_t row,
			 struct mf_subject *ret)
{
	const struct refs *refs = pane->state;
	struct mf_value at = mf_kept_value(refs->sheet.table, row, "address");

	if (at.type != MF_VALUE_ADDRESS)
		return false;
	ret->start = ret->at = at.number;
	ret->end = at.number + sizeof(uint64_t);
	return true;
}

/* What paths and words are of: the same address. */
static struct mf_subject own_subject(const struct refs *refs)
{
	return (struct mf_subject){
		.start = refs->at,
		.end = refs->at + 1,
		.at = refs->at,
	};
}

static bool refs_handle(struct mf_pane *pane, enum mf_request request)
{
	const struct refs *refs = pane->state;
	const struct mf_subject subject = own_subject(refs);

	if (request != MF_REQUEST_TREE)
		return mf_sheet_handle(pane, request);
	mf_browser_complain(pane->browser,
			    mf_browser_open(pane->browser, &mf_view_paths,
					    &subject, pane->crumb));
	return true;
}

const struct mf_view_ops mf_view_refs = {
	.name = "refs",
	.summary = "who points at an address (t: paths from roots)",
	.needs = MF_NEEDS_MEMORY,
	.size = sizeof(struct refs),
	.columns = columns,
	.column_count = COLUMNS,
	.open = refs_open,
	.close = mf_sheet_close,
	.count = mf_sheet_count,
	.values = mf_sheet_values,
	.head = refs_head,
	.subject = refs_subject,
	.handle = refs_handle,
	.waits = refs_waits,
};

/* ---- paths ----------------------------------------------------------------------- */

static const struct mf_view_column path_columns[] = {
	{ "steps", MF_VALUE_ID, 6, 'S', 0 },
	{ "root", MF_VALUE_TEXT, 10, 'R', MF_COLUMN_IF_ROOM },
	{ "path from a root (Enter: its steps)", MF_VALUE_TEXT, 24, 'P',
	  MF_COLUMN_FILL },
};

static const char *const of_paths[] = { "length", "root", "path" };
static const struct mf_sheet_form paths_form = { NULL, "paths", of_paths };

static void ask_paths(struct mf_pane *pane)
{
	ask_for(pane, DEPTH, "looking for roots");
}

static void paths_ready(struct mf_pane *pane, int stage)
{
	const struct refs *refs = pane->state;

	(void)stage;
	mf_sheet_take(pane, mf_sheet_table(&refs->sheet, paths_form.table),
		      &paths_form);
}

static struct mf_error *paths_open(struct mf_pane *pane, const void *argument)
{
	struct refs *refs = pane->state;

	refs->sheet.again = ask_paths;
	refs->sheet.ready = paths_ready;
	open_for(pane, argument);
	return NULL;
}

static bool paths_head(struct mf_pane *pane, unsigned number,
		       struct mf_strip *line)
{
	const struct refs *refs = pane->state;

	if (number)
		return number == 1 && mf_sheet_moment(pane, line);
	return add_target(refs, line);
}

static const char *paths_waits(struct mf_pane *pane)
{
	const char *waits = mf_sheet_waits(pane);

	return waits || pane->list.filter
		       ? waits
		       : "no root holds it, within eight steps";
}

static struct mf_error *paths_enter(struct mf_pane *pane, uint64_t row)
{
	const struct refs *refs = pane->state;
	const struct mf_kept_table *steps = mf_sheet_table_inside(
		&refs->sheet, "steps", refs->sheet.table, row);
	const struct steps_argument argument = { refs->sheet.from, steps };

	return mf_browser_open(pane->browser, &mf_view_steps, &argument, "");
}

const struct mf_view_ops mf_view_paths = {
	.name = "paths",
	.summary = "what holds an address, from a root on",
	.needs = MF_NEEDS_MEMORY,
	.size = sizeof(struct refs),
	.columns = path_columns,
	.column_count = MF_ARRAY_SIZE(path_columns),
	.open = paths_open,
	.close = mf_sheet_close,
	.count = mf_sheet_count,
	.values = mf_sheet_values,
	.head = paths_head,
	.enter = paths_enter,
	.handle = mf_sheet_handle,
	.waits = paths_waits,
};

/* ---- steps ----------------------------------------------------------------------- */

static const struct mf_view_column step_columns[] = {
	{ "who", MF_VALUE_TEXT, 24, 0, MF_COLUMN_FILL },
	{ "at", MF_VALUE_ADDRESS, 14, 0, MF_COLUMN_IF_ROOM },
	{ "points to", MF_VALUE_ADDRESS, 14, 0, MF_COLUMN_IF_ROOM },
};

static const char *const of_steps[] = { "where", "address", "value" };
static const struct mf_sheet_form steps_form = { NULL, "steps", of_steps };

static struct mf_error *steps_open(struct mf_pane *pane, const void *argument)
{
	const struct steps_argument *asked = argument;

	mf_sheet_share(pane, asked->from);
	mf_sheet_take(pane, asked->steps, &steps_form);
	return NULL;
}

const struct mf_view_ops mf_view_steps = {
	.name = "steps",
	.summary = "one path, from its root to the end",
	.needs = MF_NEEDS_MEMORY,
	.size = sizeof(struct refs),
	.columns = step_columns,
	.column_count = MF_ARRAY_SIZE(step_columns),
	.open = steps_open,
	.close = mf_sheet_close,
	.count = mf_sheet_count,
	.values = mf_sheet_values,
	.subject = refs_subject,
	.waits = mf_sheet_waits,
};
