/*
 * What the browser does for each key, where the view has no better idea.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/units.h"
#include "tui/browse.h"

enum {
	WHEEL = 3, /* rows */
};

/* The row under the cursor; false: there is none. */
static bool row_of(struct mf_pane *pane, uint64_t *ret)
{
	if (!pane || !mf_list_count(&pane->list))
		return false;
	*ret = mf_list_row(&pane->list, pane->list.cursor);
	return true;
}

static bool subject_of(struct mf_browser *browser, struct mf_subject *ret)
{
	struct mf_pane *pane = mf_browser_pane(browser);
	uint64_t row;

	if (row_of(pane, &row) && pane->ops->subject &&
	    pane->ops->subject(pane, row, ret))
		return true;
	mf_browser_say(browser,
		       "this row has no address of its own: Enter goes "
		       "in");
	return false;
}

/* ---- moving -------------------------------------------------------------------- */

static void move(struct mf_pane *pane, enum mf_request request)
{
	struct mf_list *list = &pane->list;
	uint64_t count = mf_list_count(list);

	switch (request) {
	case MF_REQUEST_UP:
		mf_list_move(list, -1);
		break;
	case MF_REQUEST_DOWN:
		mf_list_move(list, 1);
		break;
	case MF_REQUEST_PAGE_UP:
		mf_list_page(list, false);
		break;
	case MF_REQUEST_PAGE_DOWN:
		mf_list_page(list, true);
		break;
	case MF_REQUEST_FIRST:
		mf_list_go(list, 0);
		break;
	default:
		mf_list_go(list, count ? count - 1 : 0);
	}
}

static void enter(struct mf_browser *browser)
{
	struct mf_pane *pane = mf_browser_pane(browser);
	struct mf_subject subject;
	uint64_t row;

	if (!row_of(pane, &row))
		return;
	if (pane->ops->enter)
		mf_browser_complain(browser, pane->ops->enter(pane, row));
	else if (pane->ops->subject && pane->ops->subject(pane, row, &subject))
		mf_browser_complain(browser,
				    mf_browser_open_bytes(browser, subject.at));
}

static void show_beside(struct mf_browser *browser, bool next)
{
	size_t count;
	const struct mf_view_ops *const *views = mf_views(&count);
	size_t by = next ? 1 : count - 1;

	mf_browser_show(browser, views[(browser->root + by) % count]);
}

/* ---- finding --------------------------------------------------------------------- */

static void find(struct mf_browser *browser, bool forward)
{
	struct mf_pane *pane = mf_browser_pane(browser);

	if (!browser->wanted)
		mf_browser_say(browser, "nothing was searched yet: /");
	else if (pane && pane->ops->find)
		pane->ops->find(pane, browser->wanted, forward);
	else if (pane)
		mf_list_find(&pane->list, browser->wanted, forward);
}

static void search(struct mf_browser *browser)
{
	char *text = mf_browser_ask(browser, "search: ", NULL);

	if (text && *text) {
		free(browser->wanted);
		browser->wanted = text;
		find(browser, true);
	} else {
		free(text);
	}
}

static void filter(struct mf_browser *browser)
{
	struct mf_pane *pane = mf_browser_pane(browser);
	mf_auto_free char *text = NULL;

	if (!pane)
		return;
	text = mf_browser_ask(browser, "only rows with: ", pane->list.filter);
	if (text && *text && pane->ops->flatten)
		pane->ops->flatten(pane);
	if (text)
		mf_list_filter(&pane->list, text);
}

static void go_to(struct mf_browser *browser)
{
	mf_auto_free char *text = mf_browser_ask(browser, "go to: ", NULL);

	if (text && *text)
		mf_act_goto(browser, text);
}

/* ---- sorting ----------------------------------------------------------------------- */

static void sort_by(struct mf_browser *browser, unsigned column,
		    bool descending)
{
	struct mf_pane *pane = mf_browser_pane(browser);

	if (pane->ops->flatten)
		pane->ops->flatten(pane);
	if (pane->ops->sort && pane->ops->sort(pane, column, descending))
		mf_list_note_order(&pane->list, column, descending);
	else
		mf_list_sort(&pane->list, column, descending);
}

static bool is_first_descending(const struct mf_view_column *column)
{
	return column->flags & MF_COLUMN_DESCENDING;
}

static bool can_sort(struct mf_browser *browser)
{
	struct mf_pane *pane = mf_browser_pane(browser);

	if (pane && pane->ops->columns && pane->ops->values)
		return true;
	mf_browser_say(browser, "there are no columns here to sort by");
	return false;
}

static void sort_beside(struct mf_browser *browser, bool next)
{
	const struct mf_pane *pane = mf_browser_pane(browser);
	unsigned count, column;

	if (!can_sort(browser))
		return;
	count = (unsigned)pane->ops->column_count;
	column = (pane->list.column + (next ? 1 : count - 1)) % count;
	if (!pane->list.sorted)
		column = next ? 0 : count - 1;
	sort_by(browser, column,
		is_first_descending(&pane->ops->columns[column]));
}

static void sort_reverse(struct mf_browser *browser)
{
	const struct mf_pane *pane = mf_browser_pane(browser);

	if (can_sort(browser))
		sort_by(browser, pane->list.column, !pane->list.descending);
}

/* The key of a column, pressed again, turns its order round. */
static bool sort_by_key(struct mf_browser *browser, int code)
{
	const struct mf_pane *pane = mf_browser_pane(browser);

	if (!pane || !pane->ops->columns || !pane->ops->values)
		return false;
	for (unsigned i = 0; i < pane->ops->column_count; i++) {
		const struct mf_view_column *column = &pane->ops->columns[i];
		bool again = pane->list.sorted && pane->list.column == i;

		if (!column->key || column->key != code)
			continue;
		sort_by(browser, i,
			again ? !pane->list.descending
			      : is_first_descending(column));
		return true;
	}
	return false;
}

/* ---- about a row --------------------------------------------------------------------- */

static void show_bytes(struct mf_browser *browser)
{
	struct mf_subject subject;

	if (subject_of(browser, &subject))
		mf_browser_complain(browser,
				    mf_browser_open_bytes(browser, subject.at));
}

/* Which of the tags SUBJECT is; their number: none. */
static size_t tag_of(const struct mf_browser *browser,
		     const struct mf_subject *subject)
{
	size_t i = 0;

	while (i < browser->tags.count &&
	       (browser->tags.items[i].start != subject->start ||
		browser->tags.items[i].end != subject->end))
		i++;
	return i;
}

/* False: there is no room for more. */
static bool set_tag(struct mf_browser *browser,
		    const struct mf_subject *subject, bool tagged)
{
	size_t at = tag_of(browser, subject);

	if (tagged == (at < browser->tags.count))
		return true;
	if (!tagged)
		browser->tags.items[at] =
			browser->tags.items[--browser->tags.count];
	else if (browser->tags.count < MF_BROWSE_TAGS)
		mf_vec_push(&browser->tags, *subject);
	else
		return false;
	return true;
}

static void tell_tags(struct mf_browser *browser)
{
	char size[MF_UNIT_TEXT];
	uint64_t bytes = 0;

	if (!browser->tags.count) {
		mf_browser_say(browser, "nothing is tagged");
		return;
	}
	for (size_t i = 0; i < browser->tags.count; i++)
		bytes += browser->tags.items[i].end -
			 browser->tags.items[i].start;
	mf_browser_say(browser, "tagged: %zu, %s (o: into a file, U: none)",
		       browser->tags.count, mf_format_size(size, bytes));
}

/* A row that stands for many: all of them, as the first is. */
static void tag(struct mf_browser *browser)
{
	struct mf_pane *pane = mf_browser_pane(browser);
	struct mf_subject subject;
	uint64_t row = 0, number = 1;
	bool tagged, many, room;

	many = row_of(pane, &row) && pane->ops->part &&
	       pane->ops->part(pane, row, 0, &subject);
	if (!many && !subject_of(browser, &subject))
		return;
	tagged = tag_of(browser, &subject) == browser->tags.count;
	room = set_tag(browser, &subject, tagged);
	while (room && many && pane->ops->part(pane, row, number++, &subject))
		room = set_tag(browser, &subject, tagged);
	mf_list_move(&pane->list, 1);
	if (room)
		tell_tags(browser);
	else
		mf_browser_say(browser, "no more than %d can be tagged",
			       MF_BROWSE_TAGS);
}

static void show_view_about(struct mf_browser *browser, const char *name)
{
	const struct mf_view_ops *ops = mf_view_find(name);
	struct mf_subject subject;
	char crumb[24];

	if (!ops) {
		mf_browser_say(browser, "there is no view of that");
		return;
	}
	if (!subject_of(browser, &subject))
		return;
	snprintf(crumb, sizeof(crumb), "0x%" PRIx64, subject.at);
	mf_browser_complain(browser,
			    mf_browser_open(browser, ops, &subject, crumb));
}

/* ---- the process ----------------------------------------------------------------------- */

static bool is_help(const struct mf_pane *pane)
{
	return pane && pane->ops == &mf_view_help;
}

static void help(struct mf_browser *browser)
{
	const struct mf_pane *pane = mf_browser_pane(browser);

	if (is_help(pane))
		mf_browser_close_top(browser);
	else if (browser->models)
		mf_browser_complain(
			browser, mf_browser_open(browser, &mf_view_help,
						 pane ? pane->ops : NULL, ""));
}

static void cancel(struct mf_browser *browser)
{
	struct mf_pane *pane = mf_browser_pane(browser);
	struct mf_work_state state;

	if (pane && mf_list_stop(&pane->list)) {
		mf_browser_say(browser, "stopped: the rows are as they were");
		return;
	}
	mf_worker_state(browser->worker, &state);
	if (is_help(mf_browser_pane(browser))) {
		mf_browser_close_top(browser);
	} else if (state.busy || state.waiting) {
		mf_worker_cancel(browser->worker);
		mf_browser_say(browser, "stopping");
	}
}

/* Who reads help wants to leave it, not the program. */
static void quit(struct mf_browser *browser)
{
	if (is_help(mf_browser_pane(browser)))
		mf_browser_close_top(browser);
	else
		browser->done = true;
}

/* ---- all --------------------------------------------------------------------------------- */

static void act_on_row(struct mf_browser *browser, enum mf_request request)
{
	switch (request) {
	case MF_REQUEST_HEX:
		show_bytes(browser);
		break;
	case MF_REQUEST_EXPLAIN:
		show_view_about(browser, "explain");
		break;
	case MF_REQUEST_REFERRERS:
		show_view_about(browser, "refs");
		break;
	case MF_REQUEST_TAG:
		tag(browser);
		break;
	case MF_REQUEST_UNTAG:
		browser->tags.count = 0;
		break;
	case MF_REQUEST_OUTPUT:
		mf_act_output(browser);
		break;
	default:
		mf_browser_say(browser, "that key means nothing here");
	}
}

static void act_on_rows(struct mf_browser *browser, enum mf_request request)
{
	switch (request) {
	case MF_REQUEST_RIGHT:
	case MF_REQUEST_ENTER:
		enter(browser);
		break;
	case MF_REQUEST_LEFT:
	case MF_REQUEST_BACK:
		mf_browser_close_top(browser);
		break;
	case MF_REQUEST_SEARCH:
		search(browser);
		break;
	case MF_REQUEST_SEARCH_NEXT:
	case MF_REQUEST_SEARCH_PREVIOUS:
		find(browser, request == MF_REQUEST_SEARCH_NEXT);
		break;
	case MF_REQUEST_FILTER:
		filter(browser);
		break;
	case MF_REQUEST_SORT_PREVIOUS:
	case MF_REQUEST_SORT_NEXT:
		sort_beside(browser, request == MF_REQUEST_SORT_NEXT);
		break;
	case MF_REQUEST_SORT_REVERSE:
		sort_reverse(browser);
		break;
	default:
		act_on_row(browser, request);
	}
}

static bool act_on_program(struct mf_browser *browser, enum mf_request request)
{
	switch (request) {
	case MF_REQUEST_NEXT_VIEW:
	case MF_REQUEST_PREVIOUS_VIEW:
		show_beside(browser, request == MF_REQUEST_NEXT_VIEW);
		return true;
	case MF_REQUEST_REFRESH:
		mf_act_refresh(browser);
		return true;
	case MF_REQUEST_MARK:
		mf_act_mark(browser);
		return true;
	case MF_REQUEST_DIFFERENCE:
		mf_act_difference(browser);
		return true;
	case MF_REQUEST_INTERVAL:
		mf_act_follow(browser);
		return true;
	case MF_REQUEST_CANCEL:
		cancel(browser);
		return true;
	case MF_REQUEST_HELP:
		help(browser);
		return true;
	case MF_REQUEST_REDRAW:
		mf_terminal_redraw();
		return true;
	case MF_REQUEST_SUSPEND:
		browser->suspends = true;
		return true;
	case MF_REQUEST_QUIT:
		quit(browser);
		return true;
	case MF_REQUEST_END:
		browser->done = true;
		return true;
	default:
		return false;
	}
}

static void act_on(struct mf_browser *browser, enum mf_request request)
{
	struct mf_pane *pane = mf_browser_pane(browser);

	if (pane && pane->ops->handle && pane->ops->handle(pane, request))
		return;
	if (act_on_program(browser, request))
		return;
	if (request == MF_REQUEST_GOTO && browser->models)
		go_to(browser);
	else if (!pane)
		mf_browser_say(browser, "that has to wait until it is read");
	else if (request <= MF_REQUEST_LAST && request != MF_REQUEST_LEFT &&
		 request != MF_REQUEST_RIGHT)
		move(pane, request);
	else
		act_on_rows(browser, request);
}

static bool show_by_digit(struct mf_browser *browser, int code)
{
	size_t count;
	const struct mf_view_ops *const *views = mf_views(&count);

	for (size_t i = 0; i < count; i++)
		if (views[i]->digit == code) {
			mf_browser_show(browser, views[i]);
			return true;
		}
	return false;
}

static void click(struct mf_browser *browser, const struct mf_key *key)
{
	const struct mf_view_ops *view =
		mf_frame_view_at(browser, key->y, key->x);
	struct mf_pane *pane = mf_browser_pane(browser);
	uint64_t position;

	if (view) {
		mf_browser_show(browser, view);
		return;
	}
	if (!pane || key->y < (int)browser->first_row)
		return;
	position = pane->list.top + (uint64_t)key->y - browser->first_row;
	if (position >= mf_list_count(&pane->list) ||
	    position - pane->list.top >= pane->list.height)
		return;
	/* a second time on the same row goes in */
	if (position == pane->list.cursor)
		enter(browser);
	else
		mf_list_go(&pane->list, position);
}

static void wheel(struct mf_browser *browser, int64_t by)
{
	struct mf_pane *pane = mf_browser_pane(browser);

	if (pane)
		mf_list_move(&pane->list, by);
}

void mf_act(struct mf_browser *browser, struct mf_key key)
{
	enum mf_request request;

	switch (key.kind) {
	case MF_KEY_CLICK:
		click(browser, &key);
		return;
	case MF_KEY_WHEEL_UP:
		wheel(browser, -WHEEL);
		return;
	case MF_KEY_WHEEL_DOWN:
		wheel(browser, WHEEL);
		return;
	default:
		break;
	}
	/* characters of other scripts have numbers that named keys have, too */
	if (key.kind == MF_KEY_TEXT && key.code > 0x7e)
		return;
	request = mf_key_request(key.code);
	if (request != MF_REQUEST_NONE)
		act_on(browser, request);
	else if (!show_by_digit(browser, key.code) &&
		 !sort_by_key(browser, key.code))
		mf_browser_say(browser,
			       "that key means nothing here (?: help)");
}
