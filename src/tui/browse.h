/*
 * The browser's own state, which its parts share: browser.c opens, closes and
 * waits, frame.c draws, act.c does what keys ask for.
 */
#ifndef MF_TUI_BROWSE_H
#define MF_TUI_BROWSE_H

#include "memforensics/tui.h"

#include "tui/mark.h"
#include "tui/terminal.h"
#include "tui/views.h"

enum {
	MF_BROWSE_VIEWS = 16,  /* with a digit, at most */
	MF_BROWSE_TAGS = 4096, /* at most */
	MF_BROWSE_DEPTH = 64,  /* views over each other */
};

/** Where somebody was in a view, for when it is opened again. */
struct mf_kept_place {
	bool moved; /* else: where the view itself begins */
	uint64_t cursor, top;
	char *filter; /* NULL: none */
	bool sorted, descending;
	unsigned column;
	uint64_t shape; /* the view's own: keep and restore of its table */
};

struct mf_browser {
	struct mf_browse_options options;
	struct mf_worker *worker;
	struct mf_models *models;		/* NULL: none have come */
	struct mf_bytes *bytes;			/* of these models */
	struct mf_pane *roots[MF_BROWSE_VIEWS]; /* NULL: not opened yet */
	struct mf_kept_place places[MF_BROWSE_VIEWS];
	size_t root; /* the view that is shown, or lies below the others */
	MF_VEC(struct mf_pane *) over; /* opened from rows, the last is shown */
	MF_VEC(struct mf_subject) tags;
	MF_VEC(struct mf_key) held_keys; /* that wait for rows */
	size_t held_next;		 /* of them */
	struct mf_mark mark;
	uint64_t moment, marked_moment; /* numbers of moments; 0: none */
	char *message;			/* NULL: none */
	bool message_is_bad;
	char *failure;	     /* why there are no models; NULL */
	char *wanted;	     /* what was searched last; NULL */
	int process;	     /* a descriptor of it; -1 */
	bool ended;	     /* the process has */
	uint64_t interval_s; /* between looks at the mappings; 0: none */
	uint64_t next_look_ms;
	bool looks;   /* one is under way */
	bool follows; /* the mappings that are shown are of such a look */
	bool done;
	int signal;	     /* that ended it; 0 */
	bool suspends;	     /* as soon as the target is let go */
	unsigned first_row;  /* of the screen, that a row of the view is on */
	uint64_t busy_since; /* ns; of rows that are written; 0 */
};

/** The view that is shown; NULL: what it needs has not come. */
struct mf_pane *mf_browser_pane(const struct mf_browser *browser);
void mf_browser_close_top(struct mf_browser *browser);
/** All panes and models: nothing of the moment is left. */
void mf_browser_let_go(struct mf_browser *browser);
/** Shows MODELS, which are the browser's now, instead of those it has. */
void mf_browser_take(struct mf_browser *browser, struct mf_models *models);
/** Why the view of OPS cannot be shown now; NULL: it can. */
const char *mf_browser_lacks(const struct mf_browser *browser,
			     const struct mf_view_ops *ops);

/** Back to the shell, if that was asked for, as soon as the target runs. */
void mf_browser_suspend(struct mf_browser *browser);

/** Draws all of it. */
void mf_frame_draw(struct mf_browser *browser);
/** The same but for what has not changed: QUESTION and what was typed. */
void mf_frame_prompt(struct mf_browser *browser, const char *question,
		     const char *text, size_t cursor);
/** The view of the bar of views that column X is in; NULL: none. */
const struct mf_view_ops *mf_frame_view_at(const struct mf_browser *browser,
					   int y, int x);
/** How a row of PANE's values looks, in WIDTH columns. */
void mf_frame_row(struct mf_pane *pane, uint64_t row, unsigned width,
		  struct mf_strip *line);

/** Does what KEY asks for. */
void mf_act(struct mf_browser *browser, struct mf_key key);
/** Goes where TEXT says: an address, a symbol, "arena:3", a view. */
void mf_act_goto(struct mf_browser *browser, const char *text);
/** Asks for a path, and writes what is tagged, or the rows, there. */
void mf_act_output(struct mf_browser *browser);

/** What may be done at once, of what a key began. */
void mf_work_begin(struct mf_browser *browser);
/** A little of what looks at all rows of the view that is shown. */
enum mf_list_news mf_work_on_rows(struct mf_browser *browser);
/** The next key that is to be obeyed now; false: there is none. */
bool mf_work_next_key(struct mf_browser *browser, struct mf_key *ret);
/** The next key that had to wait; false: there is none. */
bool mf_work_held_key(struct mf_browser *browser, struct mf_key *ret);

/** Shows a core or a listing; BROWSER has models. */
bool mf_browser_shows_file(const struct mf_browser *browser);
/** What is shown is all of one moment: nothing of it is still being read. */
bool mf_browser_is_settled(const struct mf_browser *browser);
/** Takes a new view of the process. */
void mf_act_refresh(struct mf_browser *browser);
/** Keeps the figures of this moment. */
void mf_act_mark(struct mf_browser *browser);
/** Opens what changed since then. */
void mf_act_difference(struct mf_browser *browser);

/** Asks for an interval at which the mappings are looked at. */
void mf_act_follow(struct mf_browser *browser);
/** Looks, if it is time; else ms until then; -1: something else comes first. */
int mf_follow_tick(struct mf_browser *browser);
/** No more looks: all of it is read anew. */
void mf_follow_end(struct mf_browser *browser);
/** Adds to what the status line says. */
void mf_follow_tell(const struct mf_browser *browser, struct mf_buffer *text);

/** Esc was pressed in long work, DONE of TOTAL rows of which are done; and says
 * now and then how far it is. */
bool mf_pane_is_cancelled(struct mf_pane *pane, uint64_t done, uint64_t total);
/** How the rows of panes are searched and sorted. */
extern const struct mf_list_source mf_pane_source;

#endif
