/*
 * Where all that a row counts is: addresses that a pattern was found at.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/units.h"
#include "tui/scanned.h"
#include "tui/views.h"

struct places {
	struct mf_sheet sheet;
	enum mf_find_kind kind;
	char *text;
	uint64_t example;
	char *about;
};

enum column {
	ADDRESS,
	CONTEXT,
	WHERE,
};

static const struct mf_view_column columns[] = {
	[ADDRESS] = { "address", MF_VALUE_ADDRESS, 14, 'A', 0 },
	[CONTEXT] = { "what is there", MF_VALUE_TEXT, 32, 'C', MF_COLUMN_FILL },
	[WHERE] = { "where", MF_VALUE_TEXT, 18, 'W', MF_COLUMN_IF_ROOM },
};

static const char *const keys[] = {
	[ADDRESS] = "address",
	[CONTEXT] = "context",
	[WHERE] = "where",
};

static const struct mf_sheet_form form = { NULL, "matches", keys };

static struct mf_error *find(struct mf_gather *gather,
			     const struct mf_view *view)
{
	const struct mf_scan_pattern pattern = {
		.kind = (enum mf_find_kind)gather->number,
		.text = gather->text,
	};
	const struct mf_scan_options options = {
		.wanted = MF_SCAN_MATCHES,
		.all_strings = true,
		.patterns = &pattern,
		.pattern_count = 1,
	};

	if (pattern.kind == MF_FIND_POINTER)
		MF_TRY(mf_target_read(view->target, gather->end, &gather->start,
				      sizeof(gather->start)));
	return mf_scanned_gather(gather, view, &options,
				 pattern.kind == MF_FIND_POINTER);
}

static void ask(struct mf_pane *pane)
{
	const struct places *places = pane->state;
	struct mf_gather *gather =
		mf_gather_create("looking for all of them", find);

	gather->number = places->kind;
	gather->text = mf_strdup(places->text);
	gather->end = places->example;
	mf_sheet_ask(pane, gather);
}

static void ready(struct mf_pane *pane, int stage)
{
	struct places *places = pane->state;

	(void)stage;
	mf_sheet_take(pane, mf_sheet_table(&places->sheet, form.table), &form);
}

static struct mf_error *places_open(struct mf_pane *pane, const void *argument)
{
	const struct mf_places_argument *asked = argument;
	struct places *places = pane->state;

	places->kind = asked->kind;
	places->text = mf_strdup(asked->text);
	places->example = asked->example;
	places->about = mf_strdup(asked->about);
	places->sheet.again = ask;
	places->sheet.ready = ready;
	ask(pane);
	return NULL;
}

static void places_close(struct mf_pane *pane)
{
	struct places *places = pane->state;

	mf_sheet_close(pane);
	free(places->text);
	free(places->about);
}

static bool places_head(struct mf_pane *pane, unsigned number,
			struct mf_strip *line)
{
	const struct places *places = pane->state;
	const struct mf_kept_table *counts =
		mf_sheet_table(&places->sheet, "match_counts");
	struct mf_value count;
	char text[MF_UNIT_TEXT];

	if (number)
		return number == 1 && mf_sheet_moment(pane, line);
	mf_strip_put(line, MF_TINT_TITLE, " ");
	mf_strip_put(line, MF_TINT_TITLE, places->about);
	if (!counts)
		return true;
	count = mf_kept_value(counts, 0, "count");
	if (count.type != MF_VALUE_COUNT)
		return true;
	mf_strip_printf(line, MF_TINT_DIM, "  found %s times",
			mf_format_count(text, count.number));
	if (count.number > mf_sheet_count(pane))
		mf_strip_printf(line, MF_TINT_DIM, ", the first %s are here",
				mf_format_count(text, mf_sheet_count(pane)));
	return true;
}

static bool places_subject(struct mf_pane *pane, uint64_t row,
			   struct mf_subject *ret)
{
	const struct places *places = pane->state;
	struct mf_value at = mf_kept_value(places->sheet.table, row, "address");
	struct mf_value size = mf_kept_value(places->sheet.table, row, "size");

	if (at.type != MF_VALUE_ADDRESS)
		return false;
	ret->start = ret->at = at.number;
	ret->end = at.number + (size.number ? size.number : 1);
	return true;
}

const struct mf_view_ops mf_view_places = {
	.name = "places",
	.summary = "every address at which it is",
	.needs = MF_NEEDS_MEMORY,
	.size = sizeof(struct places),
	.columns = columns,
	.column_count = MF_ARRAY_SIZE(columns),
	.open = places_open,
	.close = places_close,
	.count = mf_sheet_count,
	.values = mf_sheet_values,
	.head = places_head,
	.subject = places_subject,
	.handle = mf_sheet_handle,
	.waits = mf_sheet_waits,
};
