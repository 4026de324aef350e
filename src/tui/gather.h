/*
 * Tables that take reading: a job gathers them into a report that is kept, and
 * the panes that show its rows share it.
 */
#ifndef MF_TUI_GATHER_H
#define MF_TUI_GATHER_H

#include "tui/view.h"

enum {
	MF_GATHER_ROWS = 200000, /* of a table that are kept */
};

/** What was gathered; the screen's. */
struct mf_gathered {
	unsigned users;		  /* panes */
	struct mf_report *report; /* MF_FORMAT_KEPT; NULL: not there yet */
	char *said;		  /* text that came with it; NULL: none */
	char *trouble;		  /* why there is none; NULL */
};

/** The job. RUN fills report, and said if it likes. */
struct mf_gather {
	struct mf_job job;
	struct mf_error *(*run)(struct mf_gather *gather,
				const struct mf_view *view);
	struct mf_report *report;
	char *said;
	/* what is asked for, as RUN takes it */
	uint64_t start, end;
	unsigned number;
	char *text; /* the job's; NULL */
	int stage;  /* told to ready */
};

/** How a table is shown: columns of it by their keys, one for each of the
 * view's; NULL: none. */
struct mf_sheet_form {
	const char *name; /* of several, in the head; NULL */
	const char *table;
	const char *const *columns;
};

/** A pane's table: the first member of its state. */
struct mf_sheet {
	struct mf_gathered *from;	   /* NULL: nothing was asked for */
	const struct mf_kept_table *table; /* shown; NULL: none */
	int columns[MF_VIEW_COLUMNS];	   /* of the table; -1: none */
	/* Asks once more, after it was stopped; NULL: cannot be. */
	void (*again)(struct mf_pane *pane);
	/* The report is there: what is shown of it. */
	void (*ready)(struct mf_pane *pane, int stage);
	const char *what; /* "reading strings" */
};

/** Asks for it: WHAT is said meanwhile. To be filled in, then mf_sheet_ask. */
struct mf_gather *
mf_gather_create(const char *what,
		 struct mf_error *(*how)(struct mf_gather *gather,
					 const struct mf_view *view));
void mf_sheet_ask(struct mf_pane *pane, struct mf_gather *gather);
/** For a RUN: stacks as they are now, to name frames by; the caller's. */
struct mf_error *mf_gather_frames(const struct mf_view *view,
				  struct mf_frames **ret) MF_MUST_CHECK;
/** Shows rows of what another pane has. */
void mf_sheet_share(struct mf_pane *pane, struct mf_gathered *from);

/** Shows TABLE (NULL: nothing) as FORM says. */
void mf_sheet_take(struct mf_pane *pane, const struct mf_kept_table *table,
		   const struct mf_sheet_form *form);
/** The first table of that key of what was gathered; NULL. */
const struct mf_kept_table *mf_sheet_table(const struct mf_sheet *sheet,
					   const char *key);
/** The one that is inside of ROW of AROUND; NULL. */
const struct mf_kept_table *
mf_sheet_table_inside(const struct mf_sheet *sheet, const char *key,
		      const struct mf_kept_table *around, uint64_t row);

/** Of ROW of TABLE the value of the column KEY; none: there is no such. */
struct mf_value mf_kept_value(const struct mf_kept_table *table, uint64_t row,
			      const char *key);
/** The same, if it is a text; else "". */
const char *mf_kept_text(const struct mf_kept_table *table, uint64_t row,
			 const char *key);

/* For the views' tables of functions. */
void mf_sheet_close(struct mf_pane *pane);
uint64_t mf_sheet_count(struct mf_pane *pane);
void mf_sheet_values(struct mf_pane *pane, uint64_t row,
		     struct mf_value *values);
const char *mf_sheet_waits(struct mf_pane *pane);
/** Enter, where there are no rows because it was stopped. */
bool mf_sheet_handle(struct mf_pane *pane, enum mf_request request);
/** False, or a line: that it was read later than the rest. */
bool mf_sheet_moment(const struct mf_pane *pane, struct mf_strip *line);

#endif
