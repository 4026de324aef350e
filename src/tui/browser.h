/*
 * The browser, as views see it: its models, its worker, what it can open, and
 * what it says.
 */
#ifndef MF_TUI_BROWSER_H
#define MF_TUI_BROWSER_H

#include "tui/bytes.h"
#include "tui/worker.h"

struct mf_browser;
struct mf_pane;
struct mf_subject;
struct mf_view_ops;

/** Of the moment that is browsed; never NULL while a pane is open. */
const struct mf_models *mf_browser_models(const struct mf_browser *browser);
struct mf_worker *mf_browser_worker(const struct mf_browser *browser);
struct mf_bytes *mf_browser_bytes(const struct mf_browser *browser);
bool mf_browser_is_utf8(const struct mf_browser *browser);
/** Sizes are to be plain numbers. */
bool mf_browser_wants_bytes(const struct mf_browser *browser);

/**
 * Opens a view of OPS over the one that is shown; Backspace returns. CRUMB says
 * of what. Errors: of its open; then nothing has changed.
 */
struct mf_error *mf_browser_open(struct mf_browser *browser,
				 const struct mf_view_ops *ops,
				 const void *argument, const char *crumb)
	MF_MUST_CHECK;
/** The bytes at ADDRESS, in its region. */
struct mf_error *mf_browser_open_bytes(struct mf_browser *browser,
				       uint64_t address) MF_MUST_CHECK;
/** Shows the view of OPS, one with a digit, as it was left. */
void mf_browser_show(struct mf_browser *browser, const struct mf_view_ops *ops);

/** Says something in the status line, until the next key. */
void mf_browser_say(struct mf_browser *browser, const char *format, ...)
	MF_PRINTF(2, 3);
/** Says why something could not be done, and destroys ERROR. */
void mf_browser_complain(struct mf_browser *browser, struct mf_error *error);

/** PANE has other rows now. */
void mf_browser_changed(struct mf_pane *pane);

/** Asks for a line; the caller's, to free(); NULL: Esc was pressed. */
char *mf_browser_ask(struct mf_browser *browser, const char *question,
		     const char *preset);

/** Some of [start, end) is tagged. */
bool mf_browser_is_tagged(const struct mf_browser *browser, uint64_t start,
			  uint64_t end);

#endif
