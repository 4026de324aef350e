/*
 * What a view is to the browser: rows that are fetched by number, in one table
 * of functions. The browser does the rest: moving, searching, filtering,
 * sorting, tagging, writing to a file, going in and out.
 *
 * To add a view:
 *  1. Write src/tui/view_<name>.c: its state, its functions, and as last lines
 *     a const struct mf_view_ops. Declare it in views.h. A view with a digit of
 *     its own also goes into the array in views.c; others are opened from rows
 *     (mf_browser_open).
 *  2. open: look at mf_browser_models(pane->browser), which do not change and
 *     live as long as the pane; fill pane->state (size zeroed bytes). A view
 *     whose needs are not there yet is not opened: the browser says that they
 *     are on their way. Return errors; never draw one.
 *  3. Rows: count, and either values (typed, one for each of columns, as a
 *     report's row; then sorting works and the browser draws) or line (the view
 *     draws each row itself). Both are called for rows on the screen, again and
 *     again: they do not read the target, and do not allocate without bound. A
 *     text in values may be of the target; it has to live until the next call
 *     only.
 *  4. What takes long, or reads the target, is a job (worker.h): its struct
 *     starts with a struct mf_job whose pane is the view's; ask for it in open,
 *     with mf_worker_ask(mf_browser_worker(...)), and take what it found in
 *     its done, by calling mf_browser_changed. Meanwhile count is 0, and waits
 *     says so. A job must not hold anything of the pane.
 *  5. subject: which addresses a row is about. With it `x`, `e`, `w`, Space and
 *     `o` work on the row; part: all ranges of a row that stands for many.
 *     enter: what Enter opens.
 *  6. handle: requests that mean something else here, before the browser gets
 *     them; true: done with it.
 *  7. close: free what open and done took; jobs are forgotten before it.
 *  8. Rows come with text of the target: put it into lines with mf_strip_put and
 *     mf_strip_cell, which escape it, never otherwise.
 *  9. Test rows without a terminal in tests/unit, and the screen in
 *     tests/tui/<name>.bats.
 */
#ifndef MF_TUI_VIEW_H
#define MF_TUI_VIEW_H

#include "tui/browser.h"
#include "tui/keys.h"
#include "tui/list.h"
#include "tui/strip.h"

enum mf_view_needs {
	MF_NEEDS_SPACE,	 /* mappings are enough, those of a listing too */
	MF_NEEDS_WHOLE,	 /* all models */
	MF_NEEDS_HEAP,	 /* and one of its heaps */
	MF_NEEDS_MEMORY, /* and bytes can be read */
};

enum mf_column_flag {
	MF_COLUMN_FILL = 1 << 0,       /* takes what room is left */
	MF_COLUMN_BAR = 1 << 1,	       /* a RATIO, drawn */
	MF_COLUMN_DESCENDING = 1 << 2, /* sorted: the greatest first */
	MF_COLUMN_IF_ROOM = 1 << 3,    /* goes, the last one first */
};

struct mf_view_column {
	const char *header;
	enum mf_value_type type;
	unsigned width; /* FILL: at least */
	char key;	/* that sorts by it; 0: none. A capital. */
	unsigned flags; /* MF_COLUMN_* */
};

/** Addresses, [start, end); at: the one that is pointed at. */
struct mf_subject {
	uint64_t start, end, at;
};

struct mf_view_ops {
	const char *name;    /* "regions": in the bar, and after `:` */
	const char *summary; /* for help; one line */
	unsigned brief;	     /* letters of its name, in a bar of little room */
	char digit;	     /* that shows it; 0: it is opened from rows */
	enum mf_view_needs needs;
	size_t size;			      /* of its state */
	const struct mf_view_column *columns; /* NULL: `line` draws the rows */
	size_t column_count;		      /* MF_VIEW_COLUMNS at most */
	/** ARGUMENT is mf_browser_open's; NULL for a view with a digit. */
	struct mf_error *(*open)(struct mf_pane *pane, const void *argument);
	void (*close)(struct mf_pane *pane);
	uint64_t (*count)(struct mf_pane *pane);
	void (*values)(struct mf_pane *pane, uint64_t row,
		       struct mf_value *values);
	void (*line)(struct mf_pane *pane, uint64_t row, struct mf_strip *line);
	/** How a row of values looks; NULL: plain. */
	enum mf_tint (*tint)(struct mf_pane *pane, uint64_t row);
	/** Set in by so many columns (trees), in the first column; NULL: 0. */
	unsigned (*depth)(struct mf_pane *pane, uint64_t row);
	/** Lines above the rows, LINE at a time, until false. NULL: none. */
	bool (*head)(struct mf_pane *pane, unsigned number,
		     struct mf_strip *line);
	/** False: the row is about no address. NULL: none is. */
	bool (*subject)(struct mf_pane *pane, uint64_t row,
			struct mf_subject *ret);
	/** Of a row that stands for many ranges, which has no subject: range
	 * NUMBER; false: there are no more. NULL: no row is such. */
	bool (*part)(struct mf_pane *pane, uint64_t row, uint64_t number,
		     struct mf_subject *ret);
	/** NULL, or an error that the status line tells. */
	struct mf_error *(*enter)(struct mf_pane *pane, uint64_t row);
	bool (*handle)(struct mf_pane *pane, enum mf_request request);
	/** Goes to the next of TEXT, or will. NULL: rows are searched as they
	 * are shown. */
	void (*find)(struct mf_pane *pane, const char *text, bool forward);
	/** Rows come in the order of COLUMN from now on, or will; false: the
	 * list has to put them in order. NULL: it always has. */
	bool (*sort)(struct mf_pane *pane, unsigned column, bool descending);
	/** Rows are about to be sorted or filtered: a tree becomes a list. */
	void (*flatten)(struct mf_pane *pane);
	/** What is open and what is not, for when it is opened on another
	 * moment, and that then. NULL: nothing is to be kept. */
	uint64_t (*keep)(struct mf_pane *pane);
	void (*restore)(struct mf_pane *pane, uint64_t kept);
	/** Adds what the status line says of it. NULL: which row of how many. */
	void (*status)(struct mf_pane *pane, struct mf_buffer *text);
	/** Instead of rows, as long as there are none: "reading strings". */
	const char *(*waits)(struct mf_pane *pane);
};

enum {
	MF_VIEW_COLUMNS = 24,
};

/** A view that is open. */
struct mf_pane {
	const struct mf_view_ops *ops;
	struct mf_browser *browser;
	void *state;
	struct mf_list list;
	uint64_t begins; /* where its cursor was when it was opened */
	char *crumb;	 /* what it is of: "arena 3"; "" the whole */
};

#endif
