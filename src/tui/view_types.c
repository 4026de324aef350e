/*
 * What the program's memory holds, by kind: objects by their types, tasks,
 * formats, and what the bytes of each arena and region are like.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "tui/scanned.h"
#include "tui/views.h"

enum column {
	BYTES,
	BAR,
	COUNT,
	WHAT,
	DETAIL,
	FIRST,
	CONFIDENCE,
	EVIDENCE,
	COLUMNS,
};

static const struct mf_view_column columns[COLUMNS] = {
	[BYTES] = { "bytes", MF_VALUE_SIZE, 10, 'B', MF_COLUMN_DESCENDING },
	[BAR] = { "", MF_VALUE_RATIO, 8, 0, MF_COLUMN_BAR | MF_COLUMN_IF_ROOM },
	[COUNT] = { "count", MF_VALUE_COUNT, 9, 'C', MF_COLUMN_DESCENDING },
	[WHAT] = { "what", MF_VALUE_TEXT, 28, 'W', MF_COLUMN_FILL },
	[DETAIL] = { "", MF_VALUE_TEXT, 14, 'D', MF_COLUMN_IF_ROOM },
	[FIRST] = { "first at", MF_VALUE_ADDRESS, 14, 'A', MF_COLUMN_IF_ROOM },
	[CONFIDENCE] = { "confidence", MF_VALUE_TEXT, 10, 'O',
			 MF_COLUMN_IF_ROOM },
	[EVIDENCE] = { "known by", MF_VALUE_TEXT, 10, 'E', MF_COLUMN_IF_ROOM },
};

enum form {
	OBJECTS,
	TASKS,
	FORMATS,
	CONTENT,
	FORMS,
};

static const char *const of_objects[COLUMNS] = {
	[BYTES] = "bytes",	 [COUNT] = "count",
	[WHAT] = "type",	 [DETAIL] = "language",
	[FIRST] = "example",	 [CONFIDENCE] = "confidence",
	[EVIDENCE] = "evidence",
};

static const char *const of_tasks[COLUMNS] = {
	[BYTES] = "bytes",  [COUNT] = "count",	 [WHAT] = "future",
	[DETAIL] = "state", [FIRST] = "example", [EVIDENCE] = "evidence",
};

static const char *const of_formats[COLUMNS] = {
	[BYTES] = "bytes",    [COUNT] = "count", [WHAT] = "name",
	[DETAIL] = "example", [FIRST] = "first",
};

static const char *const of_content[COLUMNS] = {
	[BYTES] = "scanned_bytes",
	[WHAT] = "made_of",
	[DETAIL] = "label",
	[FIRST] = "start",
};

static const struct mf_sheet_form forms[FORMS] = {
	[OBJECTS] = { "types", "objects", of_objects },
	[TASKS] = { "tasks", "tasks", of_tasks },
	[FORMATS] = { "formats", "signatures", of_formats },
	[CONTENT] = { "content", "groups", of_content },
};

struct types {
	struct mf_sheet sheet;
	size_t form;
	uint64_t largest; /* bytes of a row */
};

static struct mf_error *read_types(struct mf_gather *gather,
				   const struct mf_view *view)
{
	const struct mf_scan_options options = {
		.wanted = MF_SCAN_OBJECTS | MF_SCAN_TASKS | MF_SCAN_SIGNATURES |
			  MF_SCAN_CONTENT,
	};

	return mf_scanned_gather(gather, view, &options, false);
}

static void ask(struct mf_pane *pane)
{
	mf_sheet_ask(pane,
		     mf_gather_create("reading what memory holds", read_types));
}

static void show(struct mf_pane *pane, size_t form)
{
	struct types *types = pane->state;
	const struct mf_kept_table *table =
		mf_sheet_table(&types->sheet, forms[form].table);

	types->form = form;
	types->largest = 0;
	for (size_t i = 0; table && i < table->row_count; i++)
		types->largest = MF_MAX(
			types->largest,
			mf_kept_value(table, i, forms[form].columns[BYTES])
				.number);
	mf_sheet_take(pane, table, &forms[form]);
}

/* Types, if there are any; else the first of the others that has rows. */
static void ready(struct mf_pane *pane, int stage)
{
	struct types *types = pane->state;

	(void)stage;
	show(pane, mf_forms_next(&types->sheet, forms, FORMS, FORMS - 1));
}

static struct mf_error *types_open(struct mf_pane *pane, const void *argument)
{
	struct types *types = pane->state;

	(void)argument;
	types->sheet.again = ask;
	types->sheet.ready = ready;
	ask(pane);
	return NULL;
}

static void types_values(struct mf_pane *pane, uint64_t row,
			 struct mf_value *values)
{
	const struct types *types = pane->state;

	mf_sheet_values(pane, row, values);
	if (types->largest && values[BYTES].type == MF_VALUE_SIZE)
		values[BAR] = mf_ratio((double)values[BYTES].number /
				       (double)types->largest);
}

static enum mf_tint types_tint(struct mf_pane *pane, uint64_t row)
{
	const struct types *types = pane->state;

	return strcmp(mf_kept_text(types->sheet.table, row, "confidence"),
		      "low") == 0
		       ? MF_TINT_DIM
		       : MF_TINT_PLAIN;
}

static bool types_head(struct mf_pane *pane, unsigned number,
		       struct mf_strip *line)
{
	const struct types *types = pane->state;

	if (number)
		return number == 1 && mf_sheet_moment(pane, line);
	mf_strip_put(line, MF_TINT_PLAIN, " ");
	mf_forms_head(pane, forms, FORMS, types->form, line);
	return true;
}

static bool types_subject(struct mf_pane *pane, uint64_t row,
			  struct mf_subject *ret)
{
	const struct types *types = pane->state;
	struct mf_value at = mf_kept_value(types->sheet.table, row,
					   forms[types->form].columns[FIRST]);

	if (at.type != MF_VALUE_ADDRESS || !at.number)
		return false;
	ret->start = ret->at = at.number;
	ret->end = at.number + 1;
	return true;
}

/* By a word that all of its objects have, and where: at their beginning. */
static bool has_word(const struct mf_kept_table *table, uint64_t row)
{
	static const char *const proofs[] = { "rtti", "symbol", "address" };
	const char *evidence = mf_kept_text(table, row, "evidence");

	if (!strcmp(mf_kept_text(table, row, "language"), "rust"))
		return false;
	for (size_t i = 0; i < MF_ARRAY_SIZE(proofs); i++)
		if (!strcmp(evidence, proofs[i]))
			return true;
	return false;
}

static struct mf_error *types_enter(struct mf_pane *pane, uint64_t row)
{
	const struct types *types = pane->state;
	const struct mf_kept_table *table = types->sheet.table;
	struct mf_subject subject;

	if (!types_subject(pane, row, &subject)) {
		mf_browser_say(pane->browser, "this row is about no address");
		return NULL;
	}
	if (types->form != OBJECTS || !has_word(table, row))
		return mf_browser_open_bytes(pane->browser, subject.at);
	return mf_browser_open(
		pane->browser, &mf_view_places,
		&(struct mf_places_argument){
			.kind = MF_FIND_POINTER,
			.text = "objects",
			.example = subject.at,
			.about = mf_kept_text(table, row, "type"),
		},
		"");
}

static bool types_handle(struct mf_pane *pane, enum mf_request request)
{
	struct types *types = pane->state;

	if (request != MF_REQUEST_TREE || !types->sheet.table)
		return mf_sheet_handle(pane, request);
	show(pane, mf_forms_next(&types->sheet, forms, FORMS, types->form));
	mf_browser_changed(pane);
	mf_list_go(&pane->list, 0);
	return true;
}

const struct mf_view_ops mf_view_types = {
	.name = "types",
	.brief = 4,
	.summary = "objects by type (t: tasks, formats, kinds of bytes)",
	.digit = '6',
	.needs = MF_NEEDS_MEMORY,
	.size = sizeof(struct types),
	.columns = columns,
	.column_count = COLUMNS,
	.open = types_open,
	.close = mf_sheet_close,
	.count = mf_sheet_count,
	.values = types_values,
	.tint = types_tint,
	.head = types_head,
	.subject = types_subject,
	.enter = types_enter,
	.handle = types_handle,
	.waits = mf_sheet_waits,
};
