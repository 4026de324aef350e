/*
 * Opens and closes views over the models of a moment, and waits for whatever
 * comes next: a key, the worker, a signal, the end of the process.
 */
#include "tui/browser.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "tui/browse.h"

enum {
	TICK_MS = 150, /* between two looks at how far work is */
};

/* ---- for views ------------------------------------------------------------------ */

const struct mf_models *mf_browser_models(const struct mf_browser *browser)
{
	return browser->models;
}

struct mf_worker *mf_browser_worker(const struct mf_browser *browser)
{
	return browser->worker;
}

struct mf_bytes *mf_browser_bytes(const struct mf_browser *browser)
{
	return browser->bytes;
}

bool mf_browser_is_utf8(const struct mf_browser *browser)
{
	(void)browser;
	return mf_terminal_is_utf8();
}

bool mf_browser_wants_bytes(const struct mf_browser *browser)
{
	return browser->options.bytes;
}

void mf_browser_say(struct mf_browser *browser, const char *format, ...)
{
	MF_AUTO_BUFFER(text);
	va_list arguments;

	va_start(arguments, format);
	mf_buffer_vprintf(&text, format, arguments);
	va_end(arguments);
	free(browser->message);
	browser->message = mf_strdup(mf_buffer_text(&text));
	browser->message_is_bad = false;
}

void mf_browser_complain(struct mf_browser *browser, struct mf_error *error)
{
	if (!error)
		return;
	if (error->why)
		mf_browser_say(browser, "%s: %s", error->what, error->why);
	else
		mf_browser_say(browser, "%s", error->what);
	browser->message_is_bad = true;
	mf_error_destroy(error);
}

void mf_browser_changed(struct mf_pane *pane)
{
	mf_list_renew(&pane->list);
}

bool mf_browser_is_tagged(const struct mf_browser *browser, uint64_t start,
			  uint64_t end)
{
	for (size_t i = 0; i < browser->tags.count; i++)
		if (browser->tags.items[i].start < end &&
		    start < browser->tags.items[i].end)
			return true;
	return false;
}

/* ---- panes --------------------------------------------------------------------------- */

const char *mf_browser_lacks(const struct mf_browser *browser,
			     const struct mf_view_ops *ops)
{
	const struct mf_models *models = browser->models;

	if (!models)
		return browser->failure ? browser->failure
					: "reading the mappings";
	/* bytes would be of another moment */
	if (ops->needs == MF_NEEDS_SPACE &&
	    !(browser->follows && ops == &mf_view_hex))
		return NULL;
	if (!models->whole && browser->follows)
		return "the mappings alone are followed: r reads the memory";
	if (!models->whole)
		return browser->failure ? browser->failure
					: "reading the memory; this comes "
					  "with it";
	if (ops->needs == MF_NEEDS_WHOLE)
		return NULL;
	if (!(models->facts.abilities & MF_CAN_READ))
		return "the bytes of this target cannot be read";
	if (ops->needs == MF_NEEDS_HEAP && !models->heap)
		return "its heaps could not be read";
	return NULL;
}

static void destroy_pane(struct mf_pane *pane)
{
	if (!pane)
		return;
	mf_worker_forget(pane->browser->worker, pane);
	if (pane->ops->close)
		pane->ops->close(pane);
	mf_list_deinit(&pane->list);
	free(pane->state);
	free(pane->crumb);
	free(pane);
}

static struct mf_error *create_pane(struct mf_browser *browser,
				    const struct mf_view_ops *ops,
				    const void *argument, const char *crumb,
				    struct mf_pane **ret)
{
	const char *lack = mf_browser_lacks(browser, ops);
	struct mf_pane *pane;
	struct mf_error *error;

	if (lack)
		return mf_error_create(MF_ERROR_FAILED, "%s", lack);
	pane = mf_new(struct mf_pane);
	pane->ops = ops;
	pane->browser = browser;
	pane->state = mf_calloc(1, ops->size + 1);
	pane->crumb = mf_strdup(crumb);
	mf_list_init(&pane->list, &mf_pane_source, pane);
	error = ops->open ? ops->open(pane, argument) : NULL;
	if (error) {
		destroy_pane(pane);
		return error;
	}
	*ret = pane;
	return NULL;
}

struct mf_pane *mf_browser_pane(const struct mf_browser *browser)
{
	if (browser->over.count)
		return browser->over.items[browser->over.count - 1];
	return browser->roots[browser->root];
}

struct mf_error *mf_browser_open(struct mf_browser *browser,
				 const struct mf_view_ops *ops,
				 const void *argument, const char *crumb)
{
	struct mf_pane *pane = NULL;

	if (browser->over.count >= MF_BROWSE_DEPTH)
		return mf_error_create(MF_ERROR_FAILED,
				       "too many views lie over each other: "
				       "Backspace goes back");
	MF_TRY(create_pane(browser, ops, argument, crumb, &pane));
	mf_vec_push(&browser->over, pane);
	return NULL;
}

struct mf_error *mf_browser_open_bytes(struct mf_browser *browser,
				       uint64_t address)
{
	const struct mf_hex_argument argument = { .at = address };
	char crumb[24];

	snprintf(crumb, sizeof(crumb), "0x%" PRIx64, address);
	return mf_browser_open(browser, &mf_view_hex, &argument, crumb);
}

void mf_browser_close_top(struct mf_browser *browser)
{
	if (browser->over.count)
		destroy_pane(browser->over.items[--browser->over.count]);
}

static void deinit_place(struct mf_kept_place *place)
{
	free(place->filter);
	*place = (struct mf_kept_place){ .filter = NULL };
}

static void keep_place(struct mf_pane *pane, struct mf_kept_place *place)
{
	const struct mf_list *list = &pane->list;

	deinit_place(place);
	place->moved = list->cursor != pane->begins || list->top;
	place->cursor = list->cursor;
	place->top = list->top;
	/* rows that are made later are in no order yet */
	if (!pane->ops->keep)
		return;
	place->shape = pane->ops->keep(pane);
	place->filter = list->filter ? mf_strdup(list->filter) : NULL;
	place->sorted = list->sorted;
	place->descending = list->descending;
	place->column = list->column;
}

static void restore_place(struct mf_pane *pane,
			  const struct mf_kept_place *place)
{
	if (pane->ops->restore)
		pane->ops->restore(pane, place->shape);
	if (place->filter)
		mf_list_filter(&pane->list, place->filter);
	if (place->sorted)
		mf_list_sort(&pane->list, place->column, place->descending);
	if (place->moved)
		mf_list_then_go(&pane->list, place->cursor, place->top);
}

/* What it needs may be there now. */
static void open_root(struct mf_browser *browser)
{
	size_t count;
	const struct mf_view_ops *ops = mf_views(&count)[browser->root];
	struct mf_pane *pane = NULL;

	if (browser->roots[browser->root] || mf_browser_lacks(browser, ops))
		return;
	mf_browser_complain(browser,
			    create_pane(browser, ops, NULL, "", &pane));
	browser->roots[browser->root] = pane;
	if (!pane)
		return;
	pane->begins = pane->list.cursor;
	restore_place(pane, &browser->places[browser->root]);
}

void mf_browser_show(struct mf_browser *browser, const struct mf_view_ops *ops)
{
	size_t count;
	const struct mf_view_ops *const *views = mf_views(&count);

	while (browser->over.count)
		mf_browser_close_top(browser);
	for (size_t i = 0; i < count; i++)
		if (views[i] == ops)
			browser->root = i;
	open_root(browser);
}

/* ---- moments ---------------------------------------------------------------------------- */

void mf_browser_let_go(struct mf_browser *browser)
{
	browser->held_keys.count = browser->held_next = 0;
	while (browser->over.count)
		mf_browser_close_top(browser);
	for (size_t i = 0; i < MF_BROWSE_VIEWS; i++) {
		struct mf_pane *pane = browser->roots[i];

		if (!pane)
			continue;
		keep_place(pane, &browser->places[i]);
		destroy_pane(pane);
		browser->roots[i] = NULL;
	}
	mf_bytes_destroy(browser->bytes);
	browser->bytes = NULL;
	mf_models_destroy(browser->models);
	browser->models = NULL;
}

static void watch_process(struct mf_browser *browser)
{
	const struct mf_facts *facts = &browser->models->facts;

	if (browser->process >= 0 || browser->ended || facts->pid <= 0 ||
	    (facts->kind != MF_TARGET_LIVE &&
	     facts->kind != MF_TARGET_SNAPSHOT))
		return;
	browser->process = (int)syscall(SYS_pidfd_open, facts->pid, 0);
	browser->ended = browser->process < 0 && errno == ESRCH;
}

void mf_browser_take(struct mf_browser *browser, struct mf_models *models)
{
	mf_browser_let_go(browser);
	browser->models = models;
	browser->moment++;
	browser->bytes =
		mf_bytes_create(browser->worker, models->facts.page_size);
	watch_process(browser);
	open_root(browser);
}

static void take_news(struct mf_browser *browser)
{
	struct mf_models *models;
	struct mf_error *error;
	char *warning;

	/* before anything is taken: what comes later wakes again */
	mf_worker_hear(browser->worker);
	models = mf_worker_take_models(browser->worker);
	if (models)
		mf_browser_take(browser, models);
	mf_worker_take_jobs(browser->worker);
	warning = mf_worker_take_warning(browser->worker);
	if (warning)
		mf_browser_say(browser, "%s", warning);
	free(warning);
	error = mf_worker_take_error(browser->worker);
	if (!error)
		return;
	free(browser->failure);
	browser->failure =
		error->why ? mf_asprintf("%s: %s", error->what, error->why)
			   : mf_strdup(error->what);
	mf_browser_complain(browser, error);
}

/* ---- waiting ---------------------------------------------------------------------------- */

static void note_end(struct mf_browser *browser)
{
	close(browser->process);
	browser->process = -1;
	browser->ended = true;
}

void mf_browser_suspend(struct mf_browser *browser)
{
	browser->suspends |= mf_terminal_takes_suspension();
	if (!browser->suspends)
		return;
	if (!mf_worker_suspend(browser->worker)) {
		mf_browser_say(browser, "to the shell as soon as the process "
					"runs again");
		return;
	}
	browser->suspends = false;
	mf_terminal_suspend();
	mf_worker_resume(browser->worker);
}

/* ms until something is to be drawn or done; -1: not before something comes */
static int next_wait(struct mf_browser *browser)
{
	int wait = mf_follow_tick(browser);
	struct mf_work_state state;

	mf_worker_state(browser->worker, &state);
	if (state.busy && (wait < 0 || wait > TICK_MS))
		wait = TICK_MS;
	return wait;
}

/* Waits for FDS, and works meanwhile, as long as there is work. */
static void wait_for(struct mf_browser *browser, struct pollfd *fds,
		     size_t count)
{
	uint64_t until = mf_now_ns() + TICK_MS * UINT64_C(1000000);
	enum mf_list_news news;

	while ((news = mf_work_on_rows(browser)) == MF_LIST_BUSY)
		if (poll(fds, count, 0) || mf_now_ns() >= until)
			return;
	/* what is done is to be drawn */
	poll(fds, count, news == MF_LIST_IDLE ? next_wait(browser) : 0);
}

/* Until something comes; false: it is to end. */
static bool wait_for_something(struct mf_browser *browser)
{
	struct pollfd fds[] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = mf_terminal_signal_fd(), .events = POLLIN },
		{ .fd = mf_worker_fd(browser->worker), .events = POLLIN },
		{ .fd = browser->process, .events = POLLIN },
	};

	/* a search or a prompt may have seen it, and made an end of itself */
	browser->signal = mf_terminal_ending();
	if (browser->signal)
		return false;
	wait_for(browser, fds, MF_ARRAY_SIZE(fds));
	browser->signal = mf_terminal_ending();
	/* the terminal is gone */
	if (fds[0].revents & (POLLHUP | POLLERR | POLLNVAL))
		browser->done = true;
	if (browser->signal || browser->done)
		return false;
	if (fds[3].revents & POLLIN)
		note_end(browser);
	take_news(browser);
	return true;
}

static void take_key(struct mf_browser *browser, struct mf_key key)
{
	if (key.kind == MF_KEY_RESIZE)
		return;
	free(browser->message);
	browser->message = NULL;
	mf_act(browser, key);
	mf_work_begin(browser);
}

static void take_keys(struct mf_browser *browser)
{
	struct mf_key key;

	while (!browser->done && mf_work_next_key(browser, &key))
		take_key(browser, key);
}

static void loop(struct mf_browser *browser)
{
	do {
		take_keys(browser);
		if (browser->done)
			return;
		mf_browser_suspend(browser);
		browser->signal = mf_terminal_ending();
		if (browser->signal)
			return;
		mf_frame_draw(browser);
	} while (wait_for_something(browser));
}

/* ---- all ------------------------------------------------------------------------------------ */

static void deinit(struct mf_browser *browser)
{
	mf_vec_deinit(&browser->over);
	mf_vec_deinit(&browser->tags);
	mf_vec_deinit(&browser->held_keys);
	mf_mark_deinit(&browser->mark);
	for (size_t i = 0; i < MF_BROWSE_VIEWS; i++)
		deinit_place(&browser->places[i]);
	free(browser->message);
	free(browser->failure);
	free(browser->wanted);
	if (browser->process >= 0)
		close(browser->process);
}

struct mf_error *mf_browse(struct mf_session *session,
			   const struct mf_browse_options *options,
			   struct mf_browse_end *ret)
{
	struct mf_browser browser = { .options = *options, .process = -1 };

	MF_TRY(mf_terminal_open(options->color));
	browser.worker = mf_worker_start(session, options);
	loop(&browser);
	mf_terminal_close();
	mf_browser_let_go(&browser);
	ret->signal = browser.signal;
	ret->busy = !mf_worker_stop(browser.worker);
	deinit(&browser);
	return NULL;
}
