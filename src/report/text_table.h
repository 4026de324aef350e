/*
 * A table of the text report. Columns need widths, so rows are kept until the
 * table ends or too many have come; then the widths are frozen and rows pass.
 */
#ifndef MF_REPORT_TEXT_TABLE_H
#define MF_REPORT_TEXT_TABLE_H

#include "memforensics/report.h"

#include "base/buffer.h"
#include "report/style.h"

struct mf_text_table;

struct mf_text_layout {
	const struct mf_style *style;
	unsigned base;	 /* columns left of the title */
	unsigned indent; /* columns left of the rows */
	unsigned width;	 /* of the screen */
	size_t top;	 /* rows to show; 0: all */
	bool gap;	 /* an empty line before the table */
	bool hidden;	 /* nothing of it is shown */
};

/** TABLE stays the caller's, and alive. */
struct mf_text_table *mf_text_table_create(const struct mf_table *table,
					   const struct mf_text_layout *layout);
void mf_text_table_destroy(struct mf_text_table *table);

/* What can be printed now is added to OUT. */
void mf_text_table_row(struct mf_text_table *table,
		       const struct mf_value *values, struct mf_buffer *out);
void mf_text_table_total(struct mf_text_table *table,
			 const struct mf_value *values, struct mf_buffer *out);
void mf_text_table_end(struct mf_text_table *table, struct mf_buffer *out);

/** What comes until the close is inside the last row. */
void mf_text_table_open_row(struct mf_text_table *table);
void mf_text_table_close_row(struct mf_text_table *table);
/** The last row is not shown (nor what is in it). */
bool mf_text_table_is_row_hidden(const struct mf_text_table *table);
/**
 * Takes OUT, which stands inside the open row, until that row is printed. False
 * when OUT can be printed now: no row is open, or it is printed already; or too
 * much has gathered, then OUT becomes all that waited.
 */
bool mf_text_table_keep_inside(struct mf_text_table *table,
			       struct mf_buffer *out);
unsigned mf_text_table_indent(const struct mf_text_table *table);

#endif
