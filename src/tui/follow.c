/*
 * Looks at the mappings again and again, which stops nothing, as long as nobody
 * has gone into something that would vanish with them.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/units.h"
#include "tui/browse.h"
#include "tui/models.h"

enum {
	SECONDS_MOST = 86400,
};

/* A look; it is the worker's because it may take its time. */
struct look_job {
	struct mf_job job;
	struct mf_browser *browser;
	pid_t pid;
	struct mf_models *models;
};

static uint64_t now_ms(void)
{
	return mf_now_ns() / 1000000;
}

static struct mf_error *look(struct mf_job *job, const struct mf_view *view)
{
	struct look_job *own = (struct look_job *)job;

	(void)view;
	own->models = mf_models_list(own->pid, NULL);
	if (own->models)
		return NULL;
	return mf_error_create(MF_ERROR_FAILED,
			       "its mappings cannot be read any more");
}

static bool is_wanted(const struct mf_browser *browser)
{
	return browser->interval_s && !browser->ended && !browser->over.count;
}

static void take(struct mf_job *job, const struct mf_error *error)
{
	struct look_job *own = (struct look_job *)job;
	struct mf_browser *browser = own->browser;

	browser->looks = false;
	browser->next_look_ms = now_ms() + browser->interval_s * 1000;
	if (error) {
		browser->interval_s = 0;
		mf_browser_say(browser, "%s", error->what);
	} else if (own->models && is_wanted(browser)) {
		browser->follows = true;
		mf_browser_take(browser, own->models);
		own->models = NULL;
	}
}

static void destroy(struct mf_job *job)
{
	struct look_job *own = (struct look_job *)job;

	mf_models_destroy(own->models);
	free(own);
}

static void ask(struct mf_browser *browser)
{
	struct look_job *own = mf_new(struct look_job);

	own->job = (struct mf_job){
		.what = "", /* too short to be told */
		.run = look,
		.done = take,
		.destroy = destroy,
		.urgent = true,
		.alone = true,
	};
	own->browser = browser;
	own->pid = browser->models->facts.pid;
	browser->looks = true;
	mf_worker_ask(browser->worker, &own->job);
}

int mf_follow_tick(struct mf_browser *browser)
{
	uint64_t now = now_ms();

	if (!is_wanted(browser) || browser->looks || !browser->models)
		return -1;
	if (now < browser->next_look_ms)
		return (int)(browser->next_look_ms - now);
	ask(browser);
	return -1;
}

void mf_follow_end(struct mf_browser *browser)
{
	browser->interval_s = 0;
	browser->looks = browser->follows = false;
}

void mf_follow_tell(const struct mf_browser *browser, struct mf_buffer *text)
{
	if (!browser->interval_s || browser->ended)
		return;
	mf_buffer_printf(text, "mappings every %" PRIu64 " s%s, ",
			 browser->interval_s,
			 browser->over.count ? " (waits for Backspace)" : "");
}

/* ---- the key ------------------------------------------------------------------ */

static bool can_follow(struct mf_browser *browser)
{
	if (!mf_browser_is_settled(browser)) {
		mf_browser_say(browser, "the memory is still being read");
		return false;
	}
	if (browser->ended || browser->models->facts.pid <= 0 ||
	    mf_browser_shows_file(browser)) {
		mf_browser_say(browser, "there is no process to look at");
		return false;
	}
	return true;
}

void mf_act_follow(struct mf_browser *browser)
{
	mf_auto_free char *text = NULL;
	uint64_t seconds = 0;

	if (!can_follow(browser))
		return;
	text = mf_browser_ask(browser,
			      "look at the mappings every ... seconds (0: no "
			      "more): ",
			      browser->interval_s ? "0" : "2");
	if (!text)
		return;
	if (*text && !mf_parse_number(text, &seconds))
		mf_browser_say(browser, "that is no number of seconds: %s",
			       text);
	else if (seconds > SECONDS_MOST)
		mf_browser_say(browser, "a day is the longest");
	else
		browser->interval_s = seconds;
	browser->next_look_ms = 0;
}
