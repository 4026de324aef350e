/*
 * Lines of text.
 */
#include "tui/rows.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum {
	BAR_COLUMNS = 10,
};

void mf_text_rows_deinit(struct mf_text_rows *rows)
{
	mf_vec_foreach(row, &rows->rows)
		free(row->text);
	mf_vec_deinit(&rows->rows);
}

struct mf_text_row *mf_text_rows_add(struct mf_text_rows *rows,
				     enum mf_tint tint, unsigned indent,
				     const char *format, ...)
{
	struct mf_text_row *row = mf_vec_add(&rows->rows);
	MF_AUTO_BUFFER(text);
	va_list arguments;

	va_start(arguments, format);
	mf_buffer_vprintf(&text, format, arguments);
	va_end(arguments);
	row->text = mf_strdup(mf_buffer_text(&text));
	row->tint = tint;
	row->indent = indent;
	row->bar = -1;
	return row;
}

/* Bytes of TEXT that go into one line, blanks at its end not counted. */
static size_t line_of(const char *text, unsigned width)
{
	size_t size = strlen(text);
	size_t fit = mf_text_fit(text, size, width), at = fit;

	if (fit == size)
		return size;
	while (at && text[at] != ' ')
		at--;
	return at ? at : MF_MAX(fit, (size_t)1);
}

void mf_text_rows_wrap(struct mf_text_rows *rows, enum mf_tint tint,
		       unsigned indent, unsigned width, const char *text)
{
	do {
		size_t size = line_of(text, width);

		mf_text_rows_add(rows, tint, indent, "%.*s", (int)size, text);
		text += size;
		text += strspn(text, " ");
	} while (*text);
}

uint64_t mf_text_rows_first_link(const struct mf_text_rows *rows)
{
	for (size_t i = 0; i < rows->rows.count; i++)
		if (rows->rows.items[i].kind)
			return i;
	return 0;
}

void mf_text_row_draw(const struct mf_text_row *row, struct mf_strip *line)
{
	if (row->mark && row->indent >= 2) {
		mf_strip_pad(line, row->indent - 2);
		mf_strip_printf(line, row->tint, "%c", row->mark);
	}
	mf_strip_pad(line, row->indent);
	if (row->bar >= 0) {
		mf_strip_bar(line, MF_TINT_BAR, row->bar, BAR_COLUMNS);
		mf_strip_put(line, MF_TINT_PLAIN, "  ");
	}
	mf_strip_put(line, row->tint, row->text);
}
