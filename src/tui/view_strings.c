/*
 * Strings that the program has: by text, by shape, and by what they begin with;
 * first whichever says most of where the bytes are.
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
	TEXT,
	FIRST,
	EXAMPLE,
	COLUMNS,
};

static const struct mf_view_column columns[COLUMNS] = {
	[BYTES] = { "bytes", MF_VALUE_SIZE, 10, 'B', MF_COLUMN_DESCENDING },
	[BAR] = { "", MF_VALUE_RATIO, 8, 0, MF_COLUMN_BAR | MF_COLUMN_IF_ROOM },
	[COUNT] = { "count", MF_VALUE_COUNT, 9, 'C', MF_COLUMN_DESCENDING },
	[TEXT] = { "text", MF_VALUE_TEXT, 20, 'T', MF_COLUMN_FILL },
	[FIRST] = { "first at", MF_VALUE_ADDRESS, 14, 'A', MF_COLUMN_IF_ROOM },
	[EXAMPLE] = { "such as", MF_VALUE_TEXT, 36, 'E', MF_COLUMN_IF_ROOM },
};

enum form {
	BY_TEXT,
	BY_SHAPE,
	BY_BEGINNING,
	FORMS,
};

static const char *const of_texts[COLUMNS] = {
	[BYTES] = "bytes",
	[COUNT] = "count",
	[TEXT] = "visible",
	[FIRST] = "first",
};

static const char *const of_shapes[COLUMNS] = {
	[BYTES] = "bytes", [COUNT] = "count",	  [TEXT] = "shape",
	[FIRST] = "first", [EXAMPLE] = "example",
};

static const struct mf_sheet_form forms[FORMS] = {
	[BY_TEXT] = { "texts", "strings", of_texts },
	[BY_SHAPE] = { "shapes", "string_shapes", of_shapes },
	[BY_BEGINNING] = { "beginnings", "string_prefixes", of_texts },
};

struct strings {
	struct mf_sheet sheet;
	size_t form;
};

static struct mf_error *read_strings(struct mf_gather *gather,
				     const struct mf_view *view)
{
	const struct mf_scan_options options = { .wanted = MF_SCAN_STRINGS };

	return mf_scanned_gather(gather, view, &options, false);
}

static void ask(struct mf_pane *pane)
{
	mf_sheet_ask(pane, mf_gather_create("reading strings", read_strings));
}

static void show(struct mf_pane *pane, size_t form)
{
	struct strings *strings = pane->state;

	strings->form = form;
	mf_sheet_take(pane, mf_sheet_table(&strings->sheet, forms[form].table),
		      &forms[form]);
}

static uint64_t largest_of(const struct mf_sheet *sheet, size_t form)
{
	const struct mf_kept_table *table =
		mf_sheet_table(sheet, forms[form].table);

	return table ? mf_kept_value(table, 0, "bytes").number : 0;
}

/* Many texts that differ in a number alone are seen as shapes; the same text
 * many times is seen as itself. */
static void ready(struct mf_pane *pane, int stage)
{
	struct strings *strings = pane->state;

	(void)stage;
	show(pane, largest_of(&strings->sheet, BY_SHAPE) >
				   largest_of(&strings->sheet, BY_TEXT)
			   ? BY_SHAPE
			   : BY_TEXT);
}

static struct mf_error *strings_open(struct mf_pane *pane, const void *argument)
{
	struct strings *strings = pane->state;

	(void)argument;
	strings->sheet.again = ask;
	strings->sheet.ready = ready;
	ask(pane);
	return NULL;
}

static void strings_values(struct mf_pane *pane, uint64_t row,
			   struct mf_value *values)
{
	const struct strings *strings = pane->state;
	uint64_t largest = largest_of(&strings->sheet, strings->form);

	mf_sheet_values(pane, row, values);
	if (largest)
		values[BAR] = mf_ratio((double)values[BYTES].number /
				       (double)largest);
}

static bool strings_head(struct mf_pane *pane, unsigned number,
			 struct mf_strip *line)
{
	const struct strings *strings = pane->state;

	if (number)
		return number == 1 && mf_sheet_moment(pane, line);
	mf_strip_put(line, MF_TINT_PLAIN, " ");
	mf_forms_head(pane, forms, FORMS, strings->form, line);
	return true;
}

static bool strings_subject(struct mf_pane *pane, uint64_t row,
			    struct mf_subject *ret)
{
	const struct strings *strings = pane->state;
	const struct mf_kept_table *table = strings->sheet.table;
	uint64_t length = mf_kept_value(table, row, "length").number;

	ret->start = ret->at = mf_kept_value(table, row, "first").number;
	ret->end = ret->start + (length ? length : 1);
	return true;
}

/* What has no address but that of the first: where something is hidden. */
static struct mf_error *strings_enter(struct mf_pane *pane, uint64_t row)
{
	const struct strings *strings = pane->state;
	const struct mf_kept_table *table = strings->sheet.table;
	const char *text = mf_kept_text(table, row,
					strings->form == BY_TEXT    ? "text"
					: strings->form == BY_SHAPE ? "shape"
								    : "prefix");
	bool wide = !strcmp(mf_kept_text(table, row, "encoding"), "utf-16le");
	mf_auto_free char *pattern = NULL;

	if (!*text || mf_text_is_masked(text))
		return mf_browser_open_bytes(
			pane->browser,
			mf_kept_value(table, row, "first").number);
	pattern = strings->form == BY_SHAPE ? mf_shape_pattern(text)
		  : wide		    ? mf_wide_pattern(text)
					    : mf_strdup(text);
	if (!*pattern)
		return mf_browser_open_bytes(
			pane->browser,
			mf_kept_value(table, row, "first").number);
	return mf_browser_open(pane->browser, &mf_view_places,
			       &(struct mf_places_argument){
				       .kind = strings->form == BY_SHAPE
						       ? MF_FIND_REGEX
					       : wide ? MF_FIND_HEX
						      : MF_FIND_TEXT,
				       .text = pattern,
				       .about = text,
			       },
			       "");
}

static bool strings_handle(struct mf_pane *pane, enum mf_request request)
{
	struct strings *strings = pane->state;

	if (request != MF_REQUEST_TREE || !strings->sheet.table)
		return mf_sheet_handle(pane, request);
	show(pane, mf_forms_next(&strings->sheet, forms, FORMS, strings->form));
	mf_browser_changed(pane);
	mf_list_go(&pane->list, 0);
	return true;
}

const struct mf_view_ops mf_view_strings = {
	.name = "strings",
	.brief = 3,
	.summary = "texts: which, how many, how large (t: by shape, beginning)",
	.digit = '5',
	.needs = MF_NEEDS_MEMORY,
	.size = sizeof(struct strings),
	.columns = columns,
	.column_count = COLUMNS,
	.open = strings_open,
	.close = mf_sheet_close,
	.count = mf_sheet_count,
	.values = strings_values,
	.head = strings_head,
	.subject = strings_subject,
	.enter = strings_enter,
	.handle = strings_handle,
	.waits = mf_sheet_waits,
};
