/*
 * What changed since the mark: the rows of the command `diff`, classes first,
 * then regions, arenas and sizes of chunks, of each the greatest growth first.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/units.h"
#include "tui/gather.h"
#include "tui/mark.h"
#include "tui/views.h"

enum column {
	GROWTH,
	BEFORE,
	AFTER,
	KIND,
	KEY,
	BEFORE_COUNT,
	AFTER_COUNT,
	COLUMNS,
};

static const struct mf_view_column columns[COLUMNS] = {
	[GROWTH] = { "growth", MF_VALUE_DELTA, 11, 'D', MF_COLUMN_DESCENDING },
	[BEFORE] = { "at the mark", MF_VALUE_SIZE, 11, 'B',
		     MF_COLUMN_DESCENDING },
	[AFTER] = { "now", MF_VALUE_SIZE, 10, 'S', MF_COLUMN_DESCENDING },
	[KIND] = { "what", MF_VALUE_TEXT, 10, 'W', 0 },
	[KEY] = { "", MF_VALUE_TEXT, 16, 'K', MF_COLUMN_FILL },
	[BEFORE_COUNT] = { "number", MF_VALUE_COUNT, 9, 0,
			   MF_COLUMN_DESCENDING | MF_COLUMN_IF_ROOM },
	[AFTER_COUNT] = { "number now", MF_VALUE_COUNT, 10, 'C',
			  MF_COLUMN_DESCENDING | MF_COLUMN_IF_ROOM },
};

static const char *const keys[COLUMNS] = {
	[GROWTH] = "delta",
	[BEFORE] = "before",
	[AFTER] = "after",
	[KIND] = "what",
	[KEY] = "key",
	[BEFORE_COUNT] = "before_count",
	[AFTER_COUNT] = "after_count",
};

static const struct mf_sheet_form form = { NULL, "diff", keys };

struct difference {
	struct mf_sheet sheet;
	uint64_t since_s; /* when the mark was taken, since 1970 */
};

/* Its text is that of both, one after the other: the first has START bytes, and
 * both have END. */
static struct mf_error *compare(struct mf_gather *gather,
				const struct mf_view *view)
{
	const char *const texts[] = { gather->text,
				      gather->text + gather->start };
	const size_t sizes[] = { gather->start, gather->end - gather->start };

	(void)view;
	return mf_mark_compare(texts, sizes, gather->report, &gather->said);
}

static void ready(struct mf_pane *pane, int stage)
{
	struct difference *difference = pane->state;

	(void)stage;
	mf_sheet_take(pane, mf_sheet_table(&difference->sheet, form.table),
		      &form);
}

static struct mf_error *difference_open(struct mf_pane *pane,
					const void *argument)
{
	const struct mf_mark *before = argument;
	struct difference *difference = pane->state;
	struct mf_mark now = { .text = NULL };
	struct mf_gather *gather;

	MF_TRY(mf_mark_take(mf_browser_models(pane->browser), &now));
	gather = mf_gather_create("comparing with the mark", compare);
	gather->job.alone = true;
	gather->start = before->size;
	gather->end = before->size + now.size;
	gather->text = mf_calloc(1, gather->end + 1);
	memcpy(gather->text, before->text, before->size);
	memcpy(gather->text + before->size, now.text, now.size);
	mf_mark_deinit(&now);
	difference->since_s = before->taken_s;
	difference->sheet.ready = ready;
	mf_sheet_ask(pane, gather);
	return NULL;
}

static enum mf_tint difference_tint(struct mf_pane *pane, uint64_t row)
{
	const struct difference *difference = pane->state;
	struct mf_value delta =
		mf_kept_value(difference->sheet.table, row, "delta");

	return delta.type == MF_VALUE_DELTA && delta.delta < 0 ? MF_TINT_DIM
							       : MF_TINT_PLAIN;
}

/* Regions of one address space are told by where they are. */
static bool difference_subject(struct mf_pane *pane, uint64_t row,
			       struct mf_subject *ret)
{
	const struct difference *difference = pane->state;
	const char *key = mf_kept_text(difference->sheet.table, row, "key");
	uint64_t at;

	if (strncmp(key, "0x", 2) != 0)
		return false;
	at = strtoull(key, NULL, 16);
	*ret = (struct mf_subject){ .start = at, .end = at + 1, .at = at };
	return at != 0;
}

static bool difference_head(struct mf_pane *pane, unsigned number,
			    struct mf_strip *line)
{
	const struct difference *difference = pane->state;
	const struct mf_models *models = mf_browser_models(pane->browser);
	uint64_t now = models->facts.taken_s;
	char when[MF_UNIT_TEXT], passed[MF_UNIT_TEXT];

	if (number == 1 && difference->sheet.from->said) {
		mf_strip_printf(line, MF_TINT_TITLE, " %s",
				difference->sheet.from->said);
		return true;
	}
	if (number)
		return false;
	now = now > difference->since_s ? now - difference->since_s : 0;
	mf_strip_printf(line, MF_TINT_DIM, " since the mark at %s, %s before%s",
			mf_format_clock(when, difference->since_s),
			mf_format_time(passed, (double)now * 1000),
			models->whole ? "" : "; of mappings alone");
	return true;
}

const struct mf_view_ops mf_view_difference = {
	.name = "difference",
	.summary = "what changed since the mark (m marks, d shows this)",
	.needs = MF_NEEDS_SPACE,
	.size = sizeof(struct difference),
	.columns = columns,
	.column_count = COLUMNS,
	.open = difference_open,
	.close = mf_sheet_close,
	.count = mf_sheet_count,
	.values = mf_sheet_values,
	.tint = difference_tint,
	.head = difference_head,
	.subject = difference_subject,
	.waits = mf_sheet_waits,
};
