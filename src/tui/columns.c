/*
 * Lays typed values out in the columns of a screen.
 */
#include "tui/columns.h"

#include <math.h>
#include <string.h>

enum {
	FILL_LEAST = 12,
	FILL_WANTED = 40,
	BAR_LEAST = 4,
};

static bool is_right(const struct mf_view_column *column)
{
	return column->type != MF_VALUE_TEXT && column->type != MF_VALUE_LIST &&
	       column->type != MF_VALUE_NUMBERS &&
	       !(column->flags & MF_COLUMN_BAR);
}

static unsigned sum_of(const struct mf_view_ops *ops, const unsigned *widths)
{
	unsigned sum = MF_COLUMN_MARK, shown = 0;

	for (size_t i = 0; i < ops->column_count; i++) {
		if (!widths[i])
			continue;
		sum += widths[i];
		shown++;
	}
	return sum + (shown ? (shown - 1) * MF_COLUMN_GAP : 0);
}

static bool drop_one(const struct mf_view_ops *ops, unsigned *widths)
{
	for (size_t i = ops->column_count; i-- > 0;)
		if (widths[i] && ops->columns[i].flags & MF_COLUMN_IF_ROOM) {
			widths[i] = 0;
			return true;
		}
	return false;
}

/* Texts are read, a bar is only looked at. */
static void shorten_bars(const struct mf_view_ops *ops, unsigned *widths,
			 size_t fill)
{
	for (size_t i = 0; i < ops->column_count; i++)
		while (ops->columns[i].flags & MF_COLUMN_BAR &&
		       widths[i] > BAR_LEAST && widths[fill] < FILL_WANTED) {
			widths[i]--;
			widths[fill]++;
		}
}

/* Widths of the columns of OPS in WIDTH columns of a screen; 0: not shown. */
static void fit(const struct mf_view_ops *ops, unsigned width,
		unsigned widths[MF_VIEW_COLUMNS])
{
	unsigned sum;

	for (size_t i = 0; i < ops->column_count; i++) {
		const struct mf_view_column *column = &ops->columns[i];

		widths[i] = column->width;
		if (column->flags & MF_COLUMN_FILL)
			widths[i] = column->width ? column->width : FILL_LEAST;
	}
	while (sum_of(ops, widths) > width && drop_one(ops, widths))
		;
	sum = sum_of(ops, widths);
	for (size_t i = 0; i < ops->column_count; i++)
		if (widths[i] && ops->columns[i].flags & MF_COLUMN_FILL &&
		    sum < width) {
			widths[i] += width - sum;
			shorten_bars(ops, widths, i);
			break;
		}
}

static void add_head(const struct mf_view_ops *ops, const struct mf_list *list,
		     size_t column, unsigned width, struct mf_strip *line)
{
	MF_AUTO_BUFFER(text);

	mf_buffer_puts(&text, ops->columns[column].header);
	if (list->sorted && list->column == column)
		mf_buffer_puts(&text, !line->utf8 ? list->descending ? "v" : "^"
				      : list->descending ? "▾"
							 : "▴");
	mf_strip_cell(line, MF_TINT_HEAD, mf_buffer_text(&text), width,
		      is_right(&ops->columns[column]));
}

void mf_columns_head(const struct mf_view_ops *ops, const struct mf_list *list,
		     unsigned width, struct mf_strip *line)
{
	unsigned widths[MF_VIEW_COLUMNS], at = MF_COLUMN_MARK;

	fit(ops, width, widths);
	mf_strip_put(line, MF_TINT_HEAD, "");
	for (size_t i = 0; i < ops->column_count; i++) {
		if (!widths[i])
			continue;
		mf_strip_pad(line, at);
		add_head(ops, list, i, widths[i], line);
		at += widths[i] + MF_COLUMN_GAP;
	}
	mf_strip_pad(line, width);
}

static void add_cell(const struct mf_view_column *column, struct mf_value value,
		     enum mf_tint tint, unsigned width, struct mf_strip *line)
{
	MF_AUTO_BUFFER(text);

	if (column->flags & MF_COLUMN_BAR && value.type == MF_VALUE_RATIO) {
		mf_strip_bar(line, MF_TINT_BAR, value.real, width);
		return;
	}
	if (value.type != MF_VALUE_NONE || is_right(column))
		mf_value_write(&text, value, line->utf8, line->bytes);
	mf_strip_cell(line, tint, mf_buffer_text(&text), width,
		      is_right(column));
}

void mf_columns_row(const struct mf_view_ops *ops,
		    const struct mf_value *values, enum mf_tint tint,
		    unsigned depth, unsigned width, struct mf_strip *line)
{
	unsigned widths[MF_VIEW_COLUMNS], at = MF_COLUMN_MARK;

	fit(ops, width, widths);
	for (size_t i = 0; i < ops->column_count; i++) {
		unsigned in = 0;

		if (!widths[i])
			continue;
		if (ops->columns[i].flags & MF_COLUMN_FILL)
			in = MF_MIN(depth, widths[i] / 2);
		mf_strip_pad(line, at + in);
		add_cell(&ops->columns[i], values[i], tint, widths[i] - in,
			 line);
		at += widths[i] + MF_COLUMN_GAP;
	}
}

/* Doubles that are not negative are in the order of their bits. */
static uint64_t key_of_real(double real)
{
	uint64_t bits;

	real = isfinite(real) && real > 0 ? real : 0;
	memcpy(&bits, &real, sizeof(bits));
	return bits;
}

bool mf_column_key(struct mf_value value, uint64_t *ret)
{
	switch (value.type) {
	case MF_VALUE_NONE:
		*ret = 0;
		return true;
	case MF_VALUE_BOOL:
		*ret = value.boolean;
		return true;
	case MF_VALUE_COUNT:
	case MF_VALUE_ID:
	case MF_VALUE_SIZE:
	case MF_VALUE_ADDRESS:
		*ret = value.number;
		return true;
	case MF_VALUE_DELTA:
		*ret = (uint64_t)value.delta ^ UINT64_C(1) << 63;
		return true;
	case MF_VALUE_RATIO:
	case MF_VALUE_MS:
		*ret = key_of_real(value.real);
		return true;
	case MF_VALUE_TEXT:
	case MF_VALUE_LIST:
	case MF_VALUE_NUMBERS:
		break;
	}
	return false;
}
