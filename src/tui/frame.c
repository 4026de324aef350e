/*
 * The screen: who is looked at, the bar of views, where in it one is, rows, and
 * the status line. What a small screen has no room for goes, rows last.
 */
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "base/units.h"
#include "tui/browse.h"
#include "tui/columns.h"

enum {
	HEADS = 12,	/* lines above the rows that a view may have */
	ROWS_LEAST = 3, /* of rows, before what is above them goes */
	TABS_FROM = 7,	/* lines that a screen has to have for them */
	CRUMBS_FROM = 9,
	HEAD_FROM = 5,
};

struct frame {
	struct mf_browser *browser;
	unsigned rows, columns; /* of the screen */
	unsigned y;		/* the next line to draw */
	struct mf_strip line;
};

static void flush_line(struct frame *frame, enum mf_tint over)
{
	mf_terminal_line(frame->y, 0, frame->columns, &frame->line, over);
	frame->y++;
	mf_strip_clear(&frame->line);
}

/* ---- above ------------------------------------------------------------------- */

static void add_moment(struct mf_strip *line, const struct mf_browser *browser)
{
	const struct mf_models *models = browser->models;
	const char *state = "live";
	char text[MF_UNIT_TEXT];

	mf_format_clock(text, models->facts.taken_s);
	if (models->facts.kind == MF_TARGET_CORE)
		state = "core of";
	else if (models->facts.kind == MF_TARGET_LISTING)
		state = "listing of";
	else if (models->frozen)
		state = "frozen at";
	else if (models->whole)
		state = "read at";
	else
		state = "mappings of";
	mf_strip_printf(line, MF_TINT_HEAD, " | %s %s", state, text);
	if (browser->ended)
		mf_strip_put(line, MF_TINT_HEAD, " | ended since");
}

static void draw_title(struct frame *frame)
{
	const struct mf_browser *browser = frame->browser;
	const struct mf_models *models = browser->models;
	struct mf_strip *line = &frame->line;

	mf_strip_put(line, MF_TINT_HEAD, " memforensics");
	if (models) {
		const struct mf_facts *facts = &models->facts;

		if (*facts->comm)
			mf_strip_printf(line, MF_TINT_HEAD, " | %s",
					facts->comm);
		if (facts->pid)
			mf_strip_printf(line, MF_TINT_HEAD, " %d",
					(int)facts->pid);
		if (mf_space_rss_is_known(models->space)) {
			mf_strip_put(line, MF_TINT_HEAD, " | RSS ");
			mf_strip_value(line, MF_TINT_HEAD,
				       mf_size(mf_space_rss(models->space)));
		}
		add_moment(line, browser);
	}
	mf_strip_pad(line, frame->columns);
	flush_line(frame, MF_TINT_PLAIN);
}

/* How much of the names of views the bar has room for; of the one that is shown
 * it always has all. */
enum names {
	NAMES_WHOLE,
	NAMES_BRIEF,
	NAMES_NONE,
};

/* Text of a view in the bar of them. */
static void add_tab(struct mf_strip *line, const struct mf_view_ops *ops,
		    bool shown, enum names names)
{
	mf_strip_printf(line, MF_TINT_KEY, " %c", ops->digit);
	if (shown)
		mf_strip_printf(line, MF_TINT_TAB, "[%s]", ops->name);
	else if (names == NAMES_WHOLE)
		mf_strip_printf(line, MF_TINT_DIM, " %s ", ops->name);
	else if (names == NAMES_BRIEF)
		mf_strip_printf(line, MF_TINT_DIM, " %.*s ", (int)ops->brief,
				ops->name);
}

/* The bar up to the tab that column X is in, which is returned; NULL: all. */
static const struct mf_view_ops *add_tabs(struct mf_strip *line,
					  const struct mf_browser *browser,
					  enum names names, unsigned x)
{
	size_t count;
	const struct mf_view_ops *const *views = mf_views(&count);

	mf_strip_clear(line);
	for (size_t i = 0; i < count; i++) {
		add_tab(line, views[i], i == browser->root, names);
		if (x < line->columns)
			return views[i];
	}
	return NULL;
}

static enum names choose_names(struct mf_strip *line,
			       const struct mf_browser *browser,
			       unsigned columns)
{
	for (enum names names = NAMES_WHOLE; names < NAMES_NONE; names++) {
		add_tabs(line, browser, names, UINT_MAX);
		if (line->columns <= columns)
			return names;
	}
	return NAMES_NONE;
}

static void draw_tabs(struct frame *frame)
{
	enum names names =
		choose_names(&frame->line, frame->browser, frame->columns);

	add_tabs(&frame->line, frame->browser, names, UINT_MAX);
	flush_line(frame, MF_TINT_PLAIN);
}

const struct mf_view_ops *mf_frame_view_at(const struct mf_browser *browser,
					   int y, int x)
{
	mf_cleanup(mf_strip_deinit) struct mf_strip line;
	unsigned rows, columns;

	mf_terminal_size(&rows, &columns);
	mf_strip_init(&line, false);
	if (y != 1 || rows < TABS_FROM || x < 0)
		return NULL;
	return add_tabs(&line, browser, choose_names(&line, browser, columns),
			(unsigned)x);
}

static void add_crumb(struct mf_strip *line, const struct mf_pane *pane)
{
	mf_strip_put(line, MF_TINT_TITLE, pane->ops->name);
	if (*pane->crumb)
		mf_strip_printf(line, MF_TINT_TITLE, " %s", pane->crumb);
}

/* But for the first SKIPPED. */
static void add_crumbs(struct mf_strip *line, const struct mf_browser *browser,
		       size_t skipped)
{
	const struct mf_pane *root = browser->roots[browser->root];

	mf_strip_clear(line);
	mf_strip_put(line, MF_TINT_DIM, " ");
	if (skipped)
		mf_strip_put(line, MF_TINT_DIM, line->utf8 ? "…" : "..");
	else if (root)
		add_crumb(line, root);
	for (size_t i = skipped ? skipped - 1 : 0; i < browser->over.count;
	     i++) {
		mf_strip_put(line, MF_TINT_DIM, " > ");
		add_crumb(line, browser->over.items[i]);
	}
}

/* Where one is stays in sight, and of how one came there what has room. */
static void draw_crumbs(struct frame *frame)
{
	const struct mf_browser *browser = frame->browser;
	size_t skipped = 0;

	do
		add_crumbs(&frame->line, browser, skipped);
	while (frame->line.columns > frame->columns &&
	       skipped++ < browser->over.count);
	flush_line(frame, MF_TINT_PLAIN);
}

/* ---- rows ---------------------------------------------------------------------- */

static bool is_tagged(struct mf_pane *pane, uint64_t row)
{
	const struct mf_view_ops *ops = pane->ops;
	struct mf_subject subject;

	if (!pane->browser->tags.count)
		return false;
	if (!(ops->subject && ops->subject(pane, row, &subject)) &&
	    !(ops->part && ops->part(pane, row, 0, &subject)))
		return false;
	return mf_browser_is_tagged(pane->browser, subject.start, subject.end);
}

static void draw_row(struct frame *frame, struct mf_pane *pane,
		     uint64_t position)
{
	uint64_t row = mf_list_row(&pane->list, position);
	bool tagged = is_tagged(pane, row);
	enum mf_tint over = position == pane->list.cursor ? MF_TINT_CURSOR
			    : tagged			  ? MF_TINT_TAGGED
							  : MF_TINT_PLAIN;
	struct mf_strip mark;

	mf_frame_row(pane, row, frame->columns, &frame->line);
	flush_line(frame, over);
	if (!tagged)
		return;
	mf_strip_init(&mark, false);
	mf_strip_put(&mark, MF_TINT_TAGGED, "*");
	mf_terminal_line(frame->y - 1, 0, 1, &mark, over);
	mf_strip_deinit(&mark);
}

static void draw_heads(struct frame *frame, struct mf_pane *pane)
{
	for (unsigned i = 0; i < HEADS && pane->ops->head; i++) {
		mf_strip_clear(&frame->line);
		if (frame->y + ROWS_LEAST + 2 > frame->rows ||
		    !pane->ops->head(pane, i, &frame->line))
			break;
		flush_line(frame, MF_TINT_PLAIN);
	}
	mf_strip_clear(&frame->line);
	if (!pane->ops->columns || frame->rows < HEAD_FROM)
		return;
	mf_columns_head(pane->ops, &pane->list, frame->columns, &frame->line);
	flush_line(frame, MF_TINT_PLAIN);
}

static void draw_note(struct frame *frame, const char *text)
{
	frame->y++;
	mf_strip_printf(&frame->line, MF_TINT_DIM, "  %s", text);
	flush_line(frame, MF_TINT_PLAIN);
}

static void draw_empty(struct frame *frame, struct mf_pane *pane)
{
	const char *waits = pane->ops->waits ? pane->ops->waits(pane) : NULL;

	if (waits)
		draw_note(frame, waits);
	else if (pane->list.filter)
		draw_note(frame, "no row has that (\\ and Enter: all rows)");
	else
		draw_note(frame, "there is nothing to show");
}

static void draw_rows(struct frame *frame, struct mf_pane *pane)
{
	unsigned height;
	uint64_t count;

	draw_heads(frame, pane);
	frame->browser->first_row = frame->y;
	height = frame->rows > frame->y + 1 ? frame->rows - frame->y - 1 : 0;
	mf_list_settle(&pane->list, height);
	count = mf_list_count(&pane->list);
	if (!count)
		draw_empty(frame, pane);
	for (uint64_t i = 0; i < height && pane->list.top + i < count; i++)
		draw_row(frame, pane, pane->list.top + i);
}

static void draw_pane(struct frame *frame)
{
	struct mf_browser *browser = frame->browser;
	struct mf_pane *pane = mf_browser_pane(browser);
	size_t count;
	const char *lack;

	if (pane) {
		draw_rows(frame, pane);
		return;
	}
	lack = mf_browser_lacks(browser, mf_views(&count)[browser->root]);
	draw_note(frame, lack ? lack : "there is nothing to show");
}

/* ---- below ----------------------------------------------------------------------- */

static void add_place(struct mf_buffer *text, struct mf_pane *pane)
{
	const struct mf_list *list = &pane->list;
	uint64_t count = mf_list_count(list);
	char number[MF_UNIT_TEXT], of[MF_UNIT_TEXT];

	if (pane->ops->status)
		pane->ops->status(pane, text);
	else
		mf_buffer_printf(
			text, "%s of %s",
			mf_format_count(number, count ? list->cursor + 1 : 0),
			mf_format_count(of, count));
	if (list->filter)
		mf_buffer_printf(text, ", with \"%s\"", list->filter);
	if (list->left_out)
		mf_buffer_printf(text, ", the first of %s",
				 mf_format_count(of, count + list->left_out));
}

static void add_progress(struct mf_strip *line, const char *what, uint64_t done,
			 uint64_t total)
{
	mf_strip_put(line, MF_TINT_HEAD, what);
	if (total && done < total)
		mf_strip_printf(line, MF_TINT_HEAD, " %" PRIu64 "%%",
				done * 100 / total);
	mf_strip_put(line, MF_TINT_HEAD, line->utf8 ? "…" : "...");
}

static void add_work(struct mf_strip *line, const struct mf_browser *browser)
{
	const struct mf_pane *pane = mf_browser_pane(browser);
	struct mf_work_state state;
	uint64_t done, total;
	const char *what =
		pane ? mf_list_progress(&pane->list, &done, &total) : NULL;

	if (what) {
		add_progress(line, what, done, total);
		mf_strip_put(line, MF_TINT_HEAD, " (Esc: stop)");
		return;
	}
	mf_worker_state(browser->worker, &state);
	if (state.busy && *state.what)
		add_progress(line, state.what, state.done, state.total);
}

static void draw_status(struct frame *frame)
{
	struct mf_browser *browser = frame->browser;
	struct mf_pane *pane = mf_browser_pane(browser);
	mf_cleanup(mf_strip_deinit) struct mf_strip right;
	MF_AUTO_BUFFER(text);

	mf_strip_init(&right, frame->line.utf8);
	add_work(&right, browser);
	if (browser->message)
		mf_buffer_puts(&text, browser->message);
	else if (browser->ended)
		mf_buffer_puts(&text, "the process has ended; this is what it "
				      "was");
	else if (pane) {
		mf_follow_tell(browser, &text);
		add_place(&text, pane);
	}
	mf_strip_put(&frame->line, MF_TINT_HEAD, " ");
	mf_strip_put(&frame->line, MF_TINT_HEAD, mf_buffer_text(&text));
	if (!right.columns)
		mf_strip_put(&right, MF_TINT_HEAD,
			     pane && pane->ops == &mf_view_help
				     ? "q: back "
				     : "?: help  q: end ");
	if (frame->line.columns + 2 + right.columns <= frame->columns) {
		mf_strip_pad(&frame->line, frame->columns - right.columns);
		mf_strip_put(&frame->line, MF_TINT_HEAD,
			     mf_buffer_text(&right.text));
	}
	mf_strip_pad(&frame->line, frame->columns);
	frame->y = frame->rows - 1;
	flush_line(frame, browser->message && browser->message_is_bad
				  ? MF_TINT_CRITICAL
				  : MF_TINT_PLAIN);
}

/* ---- all --------------------------------------------------------------------------- */

static void draw_all(struct frame *frame)
{
	mf_terminal_erase();
	if (frame->rows >= 2)
		draw_title(frame);
	if (frame->rows >= TABS_FROM)
		draw_tabs(frame);
	if (frame->rows >= CRUMBS_FROM)
		draw_crumbs(frame);
	draw_pane(frame);
	draw_status(frame);
}

static struct frame make_frame(struct mf_browser *browser)
{
	struct frame frame = { .browser = browser };

	mf_terminal_size(&frame.rows, &frame.columns);
	mf_strip_init(&frame.line, mf_terminal_is_utf8());
	frame.line.bytes = browser->options.bytes;
	return frame;
}

void mf_frame_draw(struct mf_browser *browser)
{
	struct frame frame = make_frame(browser);

	draw_all(&frame);
	mf_terminal_cursor(0, -1);
	mf_terminal_flush();
	mf_strip_deinit(&frame.line);
}

void mf_frame_prompt(struct mf_browser *browser, const char *question,
		     const char *text, size_t cursor)
{
	struct frame frame = make_frame(browser);
	unsigned left, before, skip = 0;

	draw_all(&frame);
	mf_strip_clear(&frame.line);
	mf_strip_put(&frame.line, MF_TINT_KEY, question);
	left = frame.line.columns;
	before = mf_text_columns(text, cursor);
	/* the end of what is typed stays in sight */
	if (left + before + 1 > frame.columns)
		skip = left + before + 1 - frame.columns;
	mf_strip_put(&frame.line, MF_TINT_PLAIN,
		     text + mf_text_fit(text, strlen(text), skip));
	mf_strip_pad(&frame.line, frame.columns);
	frame.y = frame.rows - 1;
	flush_line(&frame, MF_TINT_PLAIN);
	mf_terminal_cursor((int)frame.rows - 1, (int)(left + before - skip));
	mf_terminal_flush();
	mf_strip_deinit(&frame.line);
}
