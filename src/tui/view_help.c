/*
 * The help of `?`: made of the table of keys, the list of views, and the columns
 * of the view that it was asked from.
 */
#include <string.h>

#include "tui/rows.h"
#include "tui/views.h"

enum {
	KEYS_COLUMNS = 16,
	QUESTION_COLUMNS = 24,
};

/* What people come for, and the keys that lead there. */
static const struct {
	const char *question, *keys;
} ways[] = {
	{ "where its memory went", "1; Enter on a class: its regions" },
	{ "the largest arena", "3 S; Enter: why it is kept" },
	{ "what is in an arena", "Enter on a heap: a map; on a size: chunks" },
	{ "who points at a text",
	  "5; Enter: where it is; w: who points there" },
	{ "a region into a file", "2; Enter opens, Space tags, o writes it" },
};

static void add_row(struct mf_text_rows *rows, const char *keys,
		    const char *help)
{
	mf_text_rows_add(rows, MF_TINT_PLAIN, 2, "%-*s %s", KEYS_COLUMNS, keys,
			 help);
}

static void add_ways(struct mf_text_rows *rows)
{
	mf_text_rows_add(rows, MF_TINT_TITLE, 0, "%s", "how to find");
	for (size_t i = 0; i < MF_ARRAY_SIZE(ways); i++)
		mf_text_rows_add(rows, MF_TINT_PLAIN, 2, "%-*s %s",
				 QUESTION_COLUMNS, ways[i].question,
				 ways[i].keys);
	mf_text_rows_add(rows, MF_TINT_PLAIN, 0, "%s", "");
}

static void add_columns(struct mf_text_rows *rows,
			const struct mf_view_ops *from)
{
	if (!from || !from->columns)
		return;
	mf_text_rows_add(rows, MF_TINT_PLAIN, 0, "%s", "");
	mf_text_rows_add(rows, MF_TINT_TITLE, 0,
			 "columns of %s (again: the other way round)",
			 from->name);
	for (size_t i = 0; i < from->column_count; i++) {
		const char key[2] = { from->columns[i].key, '\0' };

		if (*key)
			mf_text_rows_add(rows, MF_TINT_PLAIN, 2,
					 "%-*s sort by \"%s\"", KEYS_COLUMNS,
					 key, from->columns[i].header);
	}
}

static void add_views(struct mf_text_rows *rows)
{
	size_t count;
	const struct mf_view_ops *const *views = mf_views(&count);

	mf_text_rows_add(rows, MF_TINT_TITLE, 0, "%s", "views");
	for (size_t i = 0; i < count; i++)
		mf_text_rows_add(rows, MF_TINT_PLAIN, 2, "%c %-*s %s",
				 views[i]->digit, KEYS_COLUMNS - 2,
				 views[i]->name, views[i]->summary);
}

static void add_keys(struct mf_text_rows *rows)
{
	size_t count;
	const struct mf_key_row *keys = mf_key_rows(&count);
	const char *group = "views";

	for (size_t i = 0; i < count; i++) {
		if (strcmp(keys[i].group, group) != 0 &&
		    strcmp(keys[i].group, "views") != 0) {
			group = keys[i].group;
			mf_text_rows_add(rows, MF_TINT_PLAIN, 0, "%s", "");
			mf_text_rows_add(rows, MF_TINT_TITLE, 0, "%s", group);
		}
		if (strcmp(keys[i].group, "views") != 0)
			add_row(rows, keys[i].keys, keys[i].help);
	}
}

static void add_view_keys(struct mf_text_rows *rows)
{
	size_t count;
	const struct mf_key_row *keys = mf_key_rows(&count);

	for (size_t i = 0; i < count; i++)
		if (!strcmp(keys[i].group, "views"))
			add_row(rows, keys[i].keys, keys[i].help);
}

static struct mf_error *help_open(struct mf_pane *pane, const void *argument)
{
	struct mf_text_rows *rows = pane->state;

	add_ways(rows);
	add_views(rows);
	add_view_keys(rows);
	add_columns(rows, argument);
	add_keys(rows);
	return NULL;
}

static void help_close(struct mf_pane *pane)
{
	mf_text_rows_deinit(pane->state);
}

static uint64_t help_count(struct mf_pane *pane)
{
	const struct mf_text_rows *rows = pane->state;

	return rows->rows.count;
}

static void help_line(struct mf_pane *pane, uint64_t row, struct mf_strip *line)
{
	const struct mf_text_rows *rows = pane->state;

	mf_text_row_draw(&rows->rows.items[row], line);
}

const struct mf_view_ops mf_view_help = {
	.name = "help",
	.summary = "the keys",
	.needs = MF_NEEDS_SPACE,
	.size = sizeof(struct mf_text_rows),
	.open = help_open,
	.close = help_close,
	.count = help_count,
	.line = help_line,
};
