/*
 * Lines that a view makes once, of text that is not a table, and what Enter on
 * one of them means.
 */
#ifndef MF_TUI_ROWS_H
#define MF_TUI_ROWS_H

#include "tui/view.h"

struct mf_text_row {
	char *text; /* as it was given: not escaped yet */
	enum mf_tint tint;
	unsigned indent;
	char mark; /* two columns before the text; 0: none */
	/* drawn before the text: a bar of this ratio; negative: none */
	double bar;
	int kind;	/* the view's own, for enter */
	uint64_t value; /* the same */
};

struct mf_text_rows {
	MF_VEC(struct mf_text_row) rows;
};

void mf_text_rows_deinit(struct mf_text_rows *rows);

/** Adds a line; the row is the caller's to change until the next is added. */
struct mf_text_row *mf_text_rows_add(struct mf_text_rows *rows,
				     enum mf_tint tint, unsigned indent,
				     const char *format, ...) MF_PRINTF(4, 5);

/** The same of a paragraph, in lines of WIDTH columns. */
void mf_text_rows_wrap(struct mf_text_rows *rows, enum mf_tint tint,
		       unsigned indent, unsigned width, const char *text);

/** The first row that Enter leads on from (its kind is not 0); 0: none is. */
uint64_t mf_text_rows_first_link(const struct mf_text_rows *rows);

void mf_text_row_draw(const struct mf_text_row *row, struct mf_strip *line);

#endif
