/*
 * Rows that are looked at a screen at a time: where the cursor is, which part is
 * shown, and, when asked for, an order and a filter. Rows are fetched by their
 * number when they are needed and never kept; an order or a filter keeps four
 * bytes a row, of a bounded number of rows. What looks at all rows (an order, a
 * filter, a search) is only begun by those who ask for it, and goes on a little
 * at a time (mf_list_work); meanwhile the list is as it was. Knows no terminal.
 */
#ifndef MF_TUI_LIST_H
#define MF_TUI_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

enum {
	MF_LIST_MOST = 1 << 20, /* rows that an order or a filter keeps */
};

/** Where rows come from. DATA is the list's. */
struct mf_list_source {
	uint64_t (*count)(void *data);
	/** What is searched and filtered: the row as it is shown. */
	void (*text)(void *data, uint64_t row, struct mf_buffer *text);
	/**
	 * Of a row, by what it is sorted by COLUMN: numbers ascend as *ret does
	 * and true is returned; texts are added to TEXT, and false is.
	 */
	bool (*key)(void *data, uint64_t row, unsigned column, uint64_t *ret,
		    struct mf_buffer *text);
};

struct mf_list {
	const struct mf_list_source *source;
	void *data;
	uint64_t cursor, top; /* positions among the rows that are shown */
	unsigned height;      /* rows that a screen has room for */
	char *filter;	      /* NULL: none */
	bool sorted, descending;
	unsigned column; /* that it is sorted by */
	bool given;	 /* that order: rows come in it by themselves */
	uint32_t *index; /* rows in the order shown; NULL: as they come */
	uint64_t index_count;
	uint64_t
		left_out; /* rows that belonged into the index, and had no room */
	struct mf_list_work *work; /* NULL: nothing is under way */
};

void mf_list_init(struct mf_list *list, const struct mf_list_source *source,
		  void *data);
void mf_list_deinit(struct mf_list *list);

/** Rows that are shown. */
uint64_t mf_list_count(const struct mf_list *list);
/** Number of the row at POSITION, for the source. */
uint64_t mf_list_row(const struct mf_list *list, uint64_t position);
/** Position of ROW, or of the one nearest to it that is shown. */
uint64_t mf_list_position(const struct mf_list *list, uint64_t row);

/** Rows may have come or gone, or the screen changed: all in bounds again. */
void mf_list_settle(struct mf_list *list, unsigned height);
/** By so many rows, as far as there are. */
void mf_list_move(struct mf_list *list, int64_t by);
/** By a screen: the screen moves, and the cursor with it. */
void mf_list_page(struct mf_list *list, bool down);
void mf_list_go(struct mf_list *list, uint64_t position);

/* Each of these begins, and ends what was begun and is not done. */

/** Shows only rows with FILTER in them (NULL or "": all), in the list's order. */
void mf_list_filter(struct mf_list *list, const char *filter);
/** The same for an order; then the first row is shown. */
void mf_list_sort(struct mf_list *list, unsigned column, bool descending);
/** Rows come in that order by themselves: nothing has to be kept of it. */
void mf_list_note_order(struct mf_list *list, unsigned column, bool descending);
/** As rows come, all of them. */
void mf_list_reset(struct mf_list *list);
/** Rows have changed: they are as they come until filter and order, that there
 * are or were begun, are done anew. */
void mf_list_renew(struct mf_list *list);
/** The cursor goes to the next row with TEXT, or the one before, going round. */
void mf_list_find(struct mf_list *list, const char *text, bool forward);
/** When the last of these is done, the cursor and the first row of the screen go
 * there. */
void mf_list_then_go(struct mf_list *list, uint64_t cursor, uint64_t top);

enum mf_list_news {
	MF_LIST_IDLE, /* nothing is under way */
	MF_LIST_BUSY,
	MF_LIST_DONE,
	MF_LIST_NOT_FOUND, /* done, and no row has it */
};

/** Goes on with what was begun: looks at ROWS more rows, or does as much. */
enum mf_list_news mf_list_work(struct mf_list *list, unsigned rows);
/** Leaves it: the list stays as it is. False: nothing was under way. */
bool mf_list_stop(struct mf_list *list);
/** "sorting", and how far it is; NULL: nothing is under way. */
const char *mf_list_progress(const struct mf_list *list, uint64_t *done,
			     uint64_t *total);

/** TEXT has WANTED in it; capitals matter only where WANTED has some. */
bool mf_list_matches(const char *text, const char *wanted);

#endif
