/*
 * What looks at all rows of a view, between keys: a little at a time, so that no
 * key waits for long. But keys that mean the row under the cursor, typed while
 * it is still searched for, mean the one that is found.
 */
#include <time.h>

#include "base/clock.h"
#include "tui/browse.h"

enum {
	SLICE_MS = 5,	 /* between two looks for keys */
	AT_ONCE_MS = 25, /* of a processor: as long as a key may take */
	ROWS = 8,	 /* between two looks at the clock */
	HELD_MOST = 256,
};

static uint64_t own_time_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static enum mf_list_news work_for(struct mf_browser *browser, unsigned ms,
				  uint64_t (*now_ns)(void))
{
	struct mf_pane *pane = mf_browser_pane(browser);
	uint64_t until = now_ns() + ms * UINT64_C(1000000);
	enum mf_list_news news;

	if (!pane)
		return MF_LIST_IDLE;
	do
		news = mf_list_work(&pane->list, ROWS);
	while (news == MF_LIST_BUSY && now_ns() < until);
	if (news == MF_LIST_NOT_FOUND) {
		mf_browser_say(browser, "not found: %s", browser->wanted);
		browser->held_keys.count = browser->held_next = 0;
	}
	return news;
}

void mf_work_begin(struct mf_browser *browser)
{
	const struct mf_pane *pane = mf_browser_pane(browser);
	uint64_t done, total;

	if (pane && mf_list_progress(&pane->list, &done, &total) && !done)
		work_for(browser, AT_ONCE_MS, own_time_ns);
}

enum mf_list_news mf_work_on_rows(struct mf_browser *browser)
{
	return work_for(browser, SLICE_MS, mf_now_ns);
}

/* ---- keys ------------------------------------------------------------------------ */

static enum mf_request request_of(struct mf_key key)
{
	if (key.kind != MF_KEY_NAMED &&
	    (key.kind != MF_KEY_TEXT || key.code > 0x7e))
		return MF_REQUEST_NONE;
	return mf_key_request(key.code);
}

static bool means_row(enum mf_request request)
{
	switch (request) {
	case MF_REQUEST_ENTER:
	case MF_REQUEST_RIGHT:
	case MF_REQUEST_HEX:
	case MF_REQUEST_EXPLAIN:
	case MF_REQUEST_REFERRERS:
	case MF_REQUEST_TAG:
	case MF_REQUEST_SEARCH_NEXT:
	case MF_REQUEST_SEARCH_PREVIOUS:
		return true;
	default:
		return false;
	}
}

/* It was read, and is obeyed when the rows are there. */
static bool holds(struct mf_browser *browser, struct mf_key key)
{
	const struct mf_pane *pane = mf_browser_pane(browser);
	enum mf_request request = request_of(key);

	if (request == MF_REQUEST_CANCEL || request == MF_REQUEST_QUIT ||
	    request == MF_REQUEST_END) {
		browser->held_keys.count = browser->held_next = 0;
		return false;
	}
	if (!pane || !pane->list.work || key.kind == MF_KEY_RESIZE ||
	    (!browser->held_keys.count && !means_row(request)))
		return false;
	if (browser->held_keys.count < HELD_MOST)
		mf_vec_push(&browser->held_keys, key);
	return true;
}

bool mf_work_held_key(struct mf_browser *browser, struct mf_key *ret)
{
	if (browser->held_next == browser->held_keys.count) {
		browser->held_keys.count = browser->held_next = 0;
		return false;
	}
	*ret = browser->held_keys.items[browser->held_next++];
	return true;
}

bool mf_work_next_key(struct mf_browser *browser, struct mf_key *ret)
{
	const struct mf_pane *pane = mf_browser_pane(browser);
	bool waits = pane && pane->list.work;

	if (!waits && mf_work_held_key(browser, ret))
		return true;
	while ((*ret = mf_terminal_key()).kind != MF_KEY_NOTHING)
		if (!holds(browser, *ret))
			return true;
	return false;
}
