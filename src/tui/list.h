/*
 * Rows that are looked at a screen at a time: where the cursor is, which part is
 * shown, and, when asked for, an order and a filter. Rows are fetched by their
 * number when they are needed and never kept; an order or a filter keeps four
 * bytes a row, of a bounded number of rows. Knows no terminal.
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
	/**
	 * Asked now and then in long work, DONE of TOTAL rows of which are done:
	 * true gives it up. NULL: never.
	 */
	bool (*is_cancelled)(void *data, uint64_t done, uint64_t total);
};

struct mf_list {
	const struct mf_list_source *source;
	void *data;
	uint64_t cursor, top; /* positions among the rows that are shown */
	unsigned height;      /* rows that a screen has room for */
	char *filter;	      /* NULL: none */
	bool sorted, descending;
	unsigned column; /* that it is sorted by */
	uint32_t *index; /* rows in the order shown; NULL: as they come */
	uint64_t index_count;
	uint64_t
		left_out; /* rows that belonged into the index, and had no room */
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
void mf_list_go(struct mf_list *list, uint64_t position);
/** By a screen: the screen moves, and the cursor with it. */
void mf_list_page(struct mf_list *list, bool down);

/**
 * Shows only rows with FILTER in them (NULL or "": all), in the list's order;
 * false: cancelled, and nothing changed.
 */
bool mf_list_filter(struct mf_list *list, const char *filter);
/** The same for an order. */
bool mf_list_sort(struct mf_list *list, unsigned column, bool descending);
/** Rows come in that order by themselves: nothing has to be kept of it. */
void mf_list_note_order(struct mf_list *list, unsigned column, bool descending);
/** As rows come, all of them. */
void mf_list_reset(struct mf_list *list);
/** The same filter and order over rows that have changed; false: cancelled, and
 * there is neither any more. */
bool mf_list_renew(struct mf_list *list);

/**
 * Moves the cursor to the next row with TEXT, or the one before, going round;
 * false: there is none, or it was cancelled.
 */
bool mf_list_find(struct mf_list *list, const char *text, bool forward);

/** TEXT has WANTED in it; capitals matter only where WANTED has some. */
bool mf_list_matches(const char *text, const char *wanted);

#endif
