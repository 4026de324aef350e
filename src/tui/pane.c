/*
 * Rows of a view as the list and the screen want them: as a line, as a text to
 * search, as a key to sort by.
 */
#include <inttypes.h>

#include "base/clock.h"
#include "tui/browse.h"
#include "tui/columns.h"

enum {
	TEXT_WIDTH = 400, /* columns of a row that is searched */
	PATIENCE_NS = 200000000,
};

static uint64_t count_rows(void *data)
{
	struct mf_pane *pane = data;

	return pane->ops->count(pane);
}

void mf_frame_row(struct mf_pane *pane, uint64_t row, unsigned width,
		  struct mf_strip *line)
{
	struct mf_value values[MF_VIEW_COLUMNS] = { 0 };
	const struct mf_view_ops *ops = pane->ops;

	if (!ops->columns || ops->line) {
		ops->line(pane, row, line);
		return;
	}
	ops->values(pane, row, values);
	mf_columns_row(ops, values,
		       ops->tint ? ops->tint(pane, row) : MF_TINT_PLAIN,
		       ops->depth ? ops->depth(pane, row) : 0, width, line);
}

static void add_line(struct mf_pane *pane, uint64_t row, struct mf_buffer *text)
{
	mf_cleanup(mf_strip_deinit) struct mf_strip line;

	mf_strip_init(&line, mf_terminal_is_utf8());
	mf_frame_row(pane, row, TEXT_WIDTH, &line);
	mf_buffer_puts(text, mf_buffer_text(&line.text));
}

/* All that a wide screen would show, but not where: millions of rows may be
 * looked at. */
static void text_of(void *data, uint64_t row, struct mf_buffer *text)
{
	struct mf_value values[MF_VIEW_COLUMNS] = { 0 };
	struct mf_pane *pane = data;
	const struct mf_view_ops *ops = pane->ops;

	if (!ops->columns || ops->line) {
		add_line(pane, row, text);
		return;
	}
	ops->values(pane, row, values);
	for (size_t i = 0; i < ops->column_count; i++) {
		if (ops->columns[i].flags & MF_COLUMN_BAR ||
		    values[i].type == MF_VALUE_NONE)
			continue;
		mf_buffer_puts(text, "  ");
		mf_value_write(text, values[i], mf_terminal_is_utf8(),
			       mf_browser_wants_bytes(pane->browser));
	}
}

static bool key_of(void *data, uint64_t row, unsigned column, uint64_t *ret,
		   struct mf_buffer *text)
{
	struct mf_value values[MF_VIEW_COLUMNS] = { 0 };
	struct mf_pane *pane = data;

	pane->ops->values(pane, row, values);
	if (mf_column_key(values[column], ret))
		return true;
	mf_value_write(text, values[column], true, true);
	return false;
}

/* Esc, or anything that ends the program. */
static bool wants_to_stop(void)
{
	struct mf_key key;

	if (mf_terminal_ending())
		return true;
	while ((key = mf_terminal_key()).kind != MF_KEY_NOTHING) {
		enum mf_request request =
			key.kind == MF_KEY_NAMED || key.kind == MF_KEY_TEXT
				? mf_key_request(key.code)
				: MF_REQUEST_NONE;

		if (request == MF_REQUEST_CANCEL ||
		    request == MF_REQUEST_QUIT || request == MF_REQUEST_END)
			return true;
	}
	return false;
}

bool mf_pane_is_cancelled(struct mf_pane *pane, uint64_t done, uint64_t total)
{
	struct mf_browser *browser = pane->browser;
	uint64_t now = mf_now_ns();

	if (done == 0 || !browser->busy_since)
		browser->busy_since = now;
	if (now - browser->busy_since < PATIENCE_NS)
		return false;
	browser->busy_since = now;
	mf_browser_say(browser,
		       "%" PRIu64 " %% of %" PRIu64 " rows (Esc: stop)",
		       total ? done * 100 / total : 0, total);
	mf_frame_draw(browser);
	return wants_to_stop();
}

const struct mf_list_source mf_pane_source = {
	.count = count_rows,
	.text = text_of,
	.key = key_of,
};
