/*
 * What the browser does about the process itself: looks anew, marks a moment,
 * and compares with it.
 */
#include <stdlib.h>

#include "base/units.h"
#include "tui/browse.h"

bool mf_browser_shows_file(const struct mf_browser *browser)
{
	return browser->models->facts.kind == MF_TARGET_CORE ||
	       browser->models->facts.kind == MF_TARGET_LISTING;
}

/* The heaps of one moment and the mappings of another are no comparison. */
bool mf_browser_is_settled(const struct mf_browser *browser)
{
	return browser->models &&
	       (browser->models->whole || browser->failure || browser->follows);
}

void mf_act_refresh(struct mf_browser *browser)
{
	if (!browser->models) {
		mf_browser_say(browser, "it is being looked at");
		return;
	}
	if (mf_browser_shows_file(browser)) {
		mf_browser_say(browser, "a file stays what it is");
		return;
	}
	if (browser->ended) {
		mf_browser_say(browser, "the process has ended: there is "
					"nothing newer to see");
		return;
	}
	if (!mf_browser_is_settled(browser)) {
		mf_browser_say(browser, "it is being looked at");
		return;
	}
	mf_follow_end(browser);
	mf_browser_let_go(browser);
	free(browser->failure);
	browser->failure = NULL;
	mf_worker_look_again(browser->worker);
}

/* ---- marks ----------------------------------------------------------------------------- */

static bool check_settled(struct mf_browser *browser)
{
	if (mf_browser_is_settled(browser))
		return true;
	mf_browser_say(browser, "the memory is still being read");
	return false;
}

void mf_act_mark(struct mf_browser *browser)
{
	struct mf_mark mark = { .text = NULL };
	struct mf_error *error;
	char when[MF_UNIT_TEXT];

	if (!check_settled(browser))
		return;
	error = mf_mark_take(browser->models, &mark);
	if (error) {
		mf_browser_complain(browser, error);
		return;
	}
	mf_mark_deinit(&browser->mark);
	browser->mark = mark;
	browser->marked_moment = browser->moment;
	mf_browser_say(browser,
		       "marked the moment of %s; r looks anew, d shows what "
		       "changed",
		       mf_format_clock(when, mark.taken_s));
}

void mf_act_difference(struct mf_browser *browser)
{
	const struct mf_pane *pane = mf_browser_pane(browser);

	if (!check_settled(browser) ||
	    (pane && pane->ops == &mf_view_difference))
		return;
	if (!browser->mark.text)
		mf_browser_say(browser, "no moment is marked yet: m marks this "
					"one");
	else if (browser->marked_moment == browser->moment)
		mf_browser_say(browser, "this is the moment that is marked: r "
					"looks anew");
	else if (browser->mark.whole != browser->models->whole)
		mf_browser_say(browser,
			       browser->mark.whole
				       ? "the mark has heaps, and this moment "
					 "mappings alone: r reads them"
				       : "the mark has mappings alone: m "
					 "marks this moment");
	else
		mf_browser_complain(
			browser, mf_browser_open(browser, &mf_view_difference,
						 &browser->mark, ""));
}
