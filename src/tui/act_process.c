/*
 * What the browser does about the process itself: looks anew, marks a moment,
 * and compares with it.
 */
#include <stdlib.h>
#include <time.h>

#include "tui/browse.h"

void mf_act_refresh(struct mf_browser *browser)
{
	if (!browser->models) {
		mf_browser_say(browser, "it is being looked at");
		return;
	}
	if (browser->models->facts.kind == MF_TARGET_CORE ||
	    browser->models->facts.kind == MF_TARGET_LISTING) {
		mf_browser_say(browser, "a file stays what it is");
		return;
	}
	if (browser->ended) {
		mf_browser_say(browser, "the process has ended: there is "
					"nothing newer to see");
		return;
	}
	if (!browser->models->whole && !browser->failure && !browser->follows) {
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

/* The heaps of one moment and the mappings of another are no comparison. */
static bool is_settled(struct mf_browser *browser)
{
	if (browser->models &&
	    (browser->models->whole || browser->failure || browser->follows))
		return true;
	mf_browser_say(browser, "the memory is still being read");
	return false;
}

void mf_act_mark(struct mf_browser *browser)
{
	struct mf_mark mark = { .text = NULL };
	struct mf_error *error;
	time_t taken;
	char when[16] = "";
	struct tm local;

	if (!is_settled(browser))
		return;
	error = mf_mark_take(browser->models, &mark);
	if (error) {
		mf_browser_complain(browser, error);
		return;
	}
	mf_mark_deinit(&browser->mark);
	browser->mark = mark;
	browser->marked_moment = browser->moment;
	taken = (time_t)mark.taken_s;
	if (localtime_r(&taken, &local))
		strftime(when, sizeof(when), "%H:%M:%S", &local);
	mf_browser_say(browser,
		       "marked the moment of %s; r looks anew, d shows what "
		       "changed",
		       when);
}

void mf_act_difference(struct mf_browser *browser)
{
	const struct mf_pane *pane = mf_browser_pane(browser);

	if (!is_settled(browser) || (pane && pane->ops == &mf_view_difference))
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
