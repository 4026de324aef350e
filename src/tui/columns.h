/*
 * Which columns of a view a screen has room for, and how wide they are. Knows no
 * terminal.
 */
#ifndef MF_TUI_COLUMNS_H
#define MF_TUI_COLUMNS_H

#include "tui/view.h"

enum {
	MF_COLUMN_GAP = 2,  /* blanks between columns */
	MF_COLUMN_MARK = 1, /* before the first: the tag */
};

/** The heads; that of the column that LIST is sorted by is marked. */
void mf_columns_head(const struct mf_view_ops *ops, const struct mf_list *list,
		     unsigned width, struct mf_strip *line);

/** A row, set in by DEPTH in the column that fills. */
void mf_columns_row(const struct mf_view_ops *ops,
		    const struct mf_value *values, enum mf_tint tint,
		    unsigned depth, unsigned width, struct mf_strip *line);

/** VALUE as the number by which it is sorted; false: it is a text. */
bool mf_column_key(struct mf_value value, uint64_t *ret);

#endif
