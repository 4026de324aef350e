/*
 * What nothing reaches: groups of leaks that nothing holds, then of those that
 * hang on them; Enter says where they are.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/units.h"
#include "tui/gather.h"
#include "tui/views.h"

enum column {
	RETAINED,
	BYTES,
	COUNT,
	EACH,
	WHAT,
	CONFIDENCE,
	FIRST,
	COLUMNS,
};

static const struct mf_view_column columns[COLUMNS] = {
	[RETAINED] = { "with held", MF_VALUE_SIZE, 10, 'H',
		       MF_COLUMN_DESCENDING },
	[BYTES] = { "bytes", MF_VALUE_SIZE, 10, 'B', MF_COLUMN_DESCENDING },
	[COUNT] = { "count", MF_VALUE_COUNT, 9, 'C', MF_COLUMN_DESCENDING },
	[EACH] = { "each", MF_VALUE_SIZE, 10, 'E',
		   MF_COLUMN_DESCENDING | MF_COLUMN_IF_ROOM },
	[WHAT] = { "what", MF_VALUE_TEXT, 20, 'W', MF_COLUMN_FILL },
	[CONFIDENCE] = { "confidence", MF_VALUE_TEXT, 10, 'O',
			 MF_COLUMN_IF_ROOM },
	[FIRST] = { "first at", MF_VALUE_ADDRESS, 14, 'A', MF_COLUMN_IF_ROOM },
};

static const char *const keys[COLUMNS] = {
	[RETAINED] = "retained", [BYTES] = "bytes", [COUNT] = "count",
	[EACH] = "size",	 [WHAT] = "what",   [CONFIDENCE] = "confidence",
	[FIRST] = "example",
};

static const struct mf_sheet_form form = { NULL, "groups", keys };

struct leaks {
	struct mf_sheet sheet; /* its table: what nothing holds */
	const struct mf_kept_table *held;
};

/* ---- reading ------------------------------------------------------------------ */

static void tell(const struct mf_leaks_totals *totals, struct mf_buffer *text)
{
	char count[MF_UNIT_TEXT], size[MF_UNIT_TEXT];

	if (!totals->leaked.count) {
		mf_buffer_printf(
			text,
			"Nothing is leaked: all %s chunks and "
			"mappings in use are reached.",
			mf_format_count(count, totals->reachable.count));
		return;
	}
	mf_buffer_printf(text, "%s leaked, %s",
			 mf_format_count(count, totals->leaked.count),
			 mf_format_size(size, totals->leaked.bytes));
	mf_buffer_printf(text, "; %s, %s are reached",
			 mf_format_count(count, totals->reachable.count),
			 mf_format_size(size, totals->reachable.bytes));
}

static struct mf_error *find_leaks(struct mf_gather *gather,
				   const struct mf_view *view)
{
	const struct mf_leaks_options options = { .all = false };
	const struct mf_scan_input input = {
		.target = view->target,
		.image = view->image,
		.space = view->space,
		.heap = view->heap,
	};
	struct mf_leaks *leaks = NULL;
	struct mf_leaks_totals totals;
	struct mf_error *error;
	MF_AUTO_BUFFER(text);

	MF_TRY(mf_leaks_create(view->target, view->image, &options, &leaks));
	error = mf_leaks_read(leaks, &input);
	if (!error) {
		mf_leaks_get_totals(leaks, &totals);
		tell(&totals, &text);
		gather->said = mf_strdup(mf_buffer_text(&text));
		mf_leaks_write(leaks, gather->report, 0);
	}
	mf_leaks_destroy(leaks);
	return error;
}

static void ask(struct mf_pane *pane)
{
	mf_sheet_ask(pane, mf_gather_create("looking for what nothing reaches",
					    find_leaks));
}

/* All of them first, as data; then for people those that nothing holds, and
 * those that hang on them. */
static void ready(struct mf_pane *pane, int stage)
{
	struct leaks *leaks = pane->state;
	const struct mf_kept_table *found[3] = { NULL };
	size_t count, seen = 0;
	const struct mf_kept_table *const *tables =
		mf_report_kept_tables(leaks->sheet.from->report, &count);

	(void)stage;
	for (size_t i = 0; i < count && seen < MF_ARRAY_SIZE(found); i++)
		if (!strcmp(tables[i]->table.key, form.table))
			found[seen++] = tables[i];
	mf_sheet_take(pane, found[1], &form);
	leaks->held = found[2];
}

static struct mf_error *leaks_open(struct mf_pane *pane, const void *argument)
{
	struct leaks *leaks = pane->state;

	(void)argument;
	leaks->sheet.again = ask;
	leaks->sheet.ready = ready;
	ask(pane);
	return NULL;
}

/* ---- rows ----------------------------------------------------------------------- */

/* The table that ROW is in, and its number there. */
static const struct mf_kept_table *table_of(const struct leaks *leaks,
					    uint64_t *row)
{
	const struct mf_kept_table *free_ones = leaks->sheet.table;

	if (*row < free_ones->row_count)
		return free_ones;
	*row -= free_ones->row_count;
	return leaks->held;
}

static bool is_held(const struct leaks *leaks, uint64_t row)
{
	return row >= leaks->sheet.table->row_count;
}

static uint64_t leaks_count(struct mf_pane *pane)
{
	const struct leaks *leaks = pane->state;

	return mf_sheet_count(pane) +
	       (leaks->held ? leaks->held->row_count : 0);
}

static void leaks_values(struct mf_pane *pane, uint64_t row,
			 struct mf_value *values)
{
	const struct leaks *leaks = pane->state;
	const struct mf_kept_table *table = table_of(leaks, &row);

	for (size_t i = 0; i < COLUMNS; i++)
		values[i] = mf_kept_value(table, row, keys[i]);
}

static unsigned leaks_depth(struct mf_pane *pane, uint64_t row)
{
	return is_held(pane->state, row) ? 2 : 0;
}

static enum mf_tint leaks_tint(struct mf_pane *pane, uint64_t row)
{
	const struct leaks *leaks = pane->state;
	bool held = is_held(leaks, row);
	const struct mf_kept_table *table = table_of(leaks, &row);
	const char *confidence = mf_kept_text(table, row, "confidence");

	if (held || !strcmp(confidence, "low"))
		return MF_TINT_DIM;
	return strcmp(confidence, "high") ? MF_TINT_PLAIN : MF_TINT_WARNING;
}

static bool leaks_head(struct mf_pane *pane, unsigned number,
		       struct mf_strip *line)
{
	const struct leaks *leaks = pane->state;
	const struct mf_gathered *from = leaks->sheet.from;

	if (number)
		return number == 1 && mf_sheet_moment(pane, line);
	if (!from->said)
		return false;
	mf_strip_printf(line, MF_TINT_TITLE, " %s", from->said);
	return true;
}

static bool leaks_subject(struct mf_pane *pane, uint64_t row,
			  struct mf_subject *ret)
{
	const struct mf_kept_table *table = table_of(pane->state, &row);

	ret->start = ret->at = mf_kept_value(table, row, "example").number;
	ret->end = ret->start + mf_kept_value(table, row, "size").number;
	return true;
}

/* ---- where they are --------------------------------------------------------------- */

/* ARGUMENT of the view of one group. */
struct group {
	struct mf_gathered *from;
	const struct mf_kept_table *table;
	uint64_t row;
};

struct leak_group {
	struct mf_sheet sheet;
	const char *const *addresses; /* the report's */
	uint64_t count, all, size;
	const char *reason, *what;
};

static struct mf_error *leaks_enter(struct mf_pane *pane, uint64_t row)
{
	const struct leaks *leaks = pane->state;
	const struct mf_kept_table *table = table_of(leaks, &row);
	const struct group group = { leaks->sheet.from, table, row };

	return mf_browser_open(pane->browser, &mf_view_leak, &group, "");
}

const struct mf_view_ops mf_view_leaks = {
	.name = "leaks",
	.brief = 4,
	.summary = "allocations that nothing reaches",
	.digit = '8',
	.needs = MF_NEEDS_HEAP,
	.size = sizeof(struct leaks),
	.columns = columns,
	.column_count = COLUMNS,
	.open = leaks_open,
	.close = mf_sheet_close,
	.count = leaks_count,
	.values = leaks_values,
	.tint = leaks_tint,
	.depth = leaks_depth,
	.head = leaks_head,
	.subject = leaks_subject,
	.enter = leaks_enter,
	.handle = mf_sheet_handle,
	.waits = mf_sheet_waits,
};

static struct mf_error *leak_open(struct mf_pane *pane, const void *argument)
{
	const struct group *group = argument;
	struct leak_group *leak = pane->state;
	struct mf_value list =
		mf_kept_value(group->table, group->row, "addresses");

	mf_sheet_share(pane, group->from);
	leak->addresses = list.type == MF_VALUE_LIST ? list.list : NULL;
	while (leak->addresses && leak->addresses[leak->count])
		leak->count++;
	leak->all = mf_kept_value(group->table, group->row, "count").number;
	leak->size = mf_kept_value(group->table, group->row, "size").number;
	leak->reason = mf_kept_text(group->table, group->row, "reason");
	leak->what = mf_kept_text(group->table, group->row, "what");
	return NULL;
}

static uint64_t leak_count(struct mf_pane *pane)
{
	const struct leak_group *leak = pane->state;

	return leak->count;
}

static uint64_t address_at(const struct mf_pane *pane, uint64_t row)
{
	const struct leak_group *leak = pane->state;

	return strtoull(leak->addresses[row], NULL, 16);
}

static const struct mf_view_column leak_columns[] = {
	{ "address", MF_VALUE_ADDRESS, 14, 'A', 0 },
	{ "size", MF_VALUE_SIZE, 10, 'S', MF_COLUMN_DESCENDING },
	{ "in", MF_VALUE_TEXT, 20, 0, MF_COLUMN_FILL },
};

static void leak_values(struct mf_pane *pane, uint64_t row,
			struct mf_value *values)
{
	const struct leak_group *leak = pane->state;
	uint64_t address = address_at(pane, row);
	const struct mf_region *region = mf_space_region_at(
		mf_browser_models(pane->browser)->space, address);

	values[0] = mf_address(address);
	values[1] = mf_size(leak->size);
	values[2] = region ? mf_text(region->label) : mf_none();
}

static bool leak_head(struct mf_pane *pane, unsigned number,
		      struct mf_strip *line)
{
	const struct leak_group *leak = pane->state;
	char text[MF_UNIT_TEXT];

	switch (number) {
	case 0:
		mf_strip_printf(line, MF_TINT_TITLE, " %s ",
				mf_format_count(text, leak->all));
		mf_strip_put(line, MF_TINT_TITLE, leak->what);
		if (leak->all > leak->count)
			mf_strip_printf(line, MF_TINT_DIM,
					", the first %s are here",
					mf_format_count(text, leak->count));
		return true;
	case 1:
		mf_strip_printf(line, MF_TINT_DIM, " why: %s", leak->reason);
		return true;
	default:
		return number == 2 && mf_sheet_moment(pane, line);
	}
}

static bool leak_subject(struct mf_pane *pane, uint64_t row,
			 struct mf_subject *ret)
{
	const struct leak_group *leak = pane->state;

	ret->start = ret->at = address_at(pane, row);
	ret->end = ret->start + MF_MAX(leak->size, (uint64_t)1);
	return true;
}

const struct mf_view_ops mf_view_leak = {
	.name = "leak",
	.summary = "where leaks of one kind are",
	.needs = MF_NEEDS_MEMORY,
	.size = sizeof(struct leak_group),
	.columns = leak_columns,
	.column_count = MF_ARRAY_SIZE(leak_columns),
	.open = leak_open,
	.close = mf_sheet_close,
	.count = leak_count,
	.values = leak_values,
	.head = leak_head,
	.subject = leak_subject,
};
