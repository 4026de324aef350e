/*
 * Lays out a table of the text report: which columns are shown, how wide they
 * are, and where a cell must be cut.
 */
#include "report/text_table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/memory.h"
#include "base/pool.h"
#include "base/units.h"
#include "base/vec.h"

enum {
	GAP = 2,
	KEPT_ROWS = 4096,
	KEPT_BYTES = 4 * MF_MIB,
	CELL_COLUMNS = 1024, /* a target's text may be of any length */
	FILL_LEAST = 12,
	FILL_COMFORT = 24, /* before other columns give way */
	BAR_COLUMNS = 10,
};

struct cell {
	const char *text;
	enum mf_paint paint;
	bool empty;
};

struct row {
	struct cell *cells;
	const char *inside; /* what is set in under it, or NULL */
	bool total;
};

struct column {
	unsigned width;
	bool shown, right;
	bool filled; /* some cell is not empty */
	bool units;  /* some cell has a binary unit */
};

struct mf_text_table {
	const struct mf_table *table;
	struct mf_text_layout layout;
	struct column *columns;
	struct mf_pool pool; /* the kept rows */
	MF_VEC(struct row) rows;
	size_t kept_bytes;
	uint64_t seen;	/* rows given */
	bool frozen;	/* head and kept rows are printed */
	bool more_told; /* how many rows are not shown */
	bool row_open;
	struct mf_buffer inside;
};

struct mf_text_table *mf_text_table_create(const struct mf_table *table,
					   const struct mf_text_layout *layout)
{
	struct mf_text_table *ret = mf_new(struct mf_text_table);

	ret->table = table;
	ret->layout = *layout;
	ret->columns = mf_new_array(table->column_count, struct column);
	for (size_t i = 0; i < table->column_count; i++) {
		const struct mf_column *column = &table->columns[i];

		ret->columns[i].shown = !(column->show & MF_SHOW_DATA_ONLY);
		ret->columns[i].right = column->type != MF_VALUE_TEXT &&
					column->type != MF_VALUE_LIST &&
					column->type != MF_VALUE_NUMBERS &&
					column->type != MF_VALUE_BOOL &&
					!(column->show & MF_SHOW_BAR);
	}
	return ret;
}

void mf_text_table_destroy(struct mf_text_table *table)
{
	if (!table)
		return;
	free(table->columns);
	mf_vec_deinit(&table->rows);
	mf_pool_deinit(&table->pool);
	mf_buffer_deinit(&table->inside);
	free(table);
}

/* ---- cells -------------------------------------------------------------- */

static void add_bar_cell(struct mf_buffer *text, const struct mf_style *style,
			 double ratio)
{
	mf_buffer_printf(text, "%5.1f%% ", isfinite(ratio) ? ratio * 100 : 0);
	mf_style_bar(text, style, ratio, BAR_COLUMNS);
}

static void add_cell(struct mf_buffer *text, const struct mf_style *style,
		     const struct mf_column *column, struct mf_value value)
{
	MF_AUTO_BUFFER(whole);

	if (column->show & MF_SHOW_BAR && value.type == MF_VALUE_RATIO) {
		add_bar_cell(text, style, value.real);
		return;
	}
	mf_style_value(&whole, style, value);
	mf_style_cut(text, style, mf_buffer_text(&whole), CELL_COLUMNS);
}

static struct row make_row(struct mf_text_table *table,
			   const struct mf_value *values, bool total)
{
	size_t count = table->table->column_count;
	struct row row = {
		.cells = mf_pool_alloc(&table->pool,
				       count * sizeof(struct cell)),
		.total = total,
	};
	MF_AUTO_BUFFER(text);

	for (size_t i = 0; i < count; i++) {
		const struct mf_column *column = &table->table->columns[i];
		struct cell *cell = &row.cells[i];

		cell->text = "";
		cell->empty = mf_style_is_empty(values[i]);
		if (!table->columns[i].shown)
			continue;
		/* A sum of nothing in particular stays blank. */
		if (total && values[i].type == MF_VALUE_NONE)
			continue;
		mf_buffer_clear(&text);
		add_cell(&text, table->layout.style, column, values[i]);
		cell->text = mf_pool_strdup(&table->pool, text.text);
		cell->paint = cell->empty		   ? MF_PAINT_DIM
			      : column->show & MF_SHOW_BAR ? MF_PAINT_BAR
							   : MF_PAINT_NONE;
		table->kept_bytes += text.size;
	}
	return row;
}

/* "512 B" below "1.5 KiB" has its digits where the others have theirs. */
static bool is_plain_bytes(const char *text)
{
	size_t length = strlen(text);

	return length > 2 && !strcmp(text + length - 2, " B");
}

static void add_cell_text(struct mf_buffer *buffer,
			  const struct mf_text_table *table, size_t column,
			  const char *text)
{
	const struct column *layout = &table->columns[column];

	if (layout->units && is_plain_bytes(text))
		mf_buffer_printf(buffer, "%.*s   B", (int)strlen(text) - 2,
				 text);
	else if (table->table->columns[column].show & MF_SHOW_WRAP)
		mf_buffer_add(buffer, text, mf_style_fit(text, layout->width));
	else if (table->table->columns[column].show & MF_SHOW_FILL)
		mf_style_cut(buffer, table->layout.style, text, layout->width);
	else
		mf_buffer_puts(buffer, text);
}

/* ---- widths --------------------------------------------------------------- */

static const char *header_of(const struct mf_text_table *table, size_t column)
{
	const char *header = table->table->columns[column].header;

	return header ? header : "";
}

static void measure_row(struct mf_text_table *table, const struct row *row)
{
	for (size_t i = 0; i < table->table->column_count; i++) {
		struct column *column = &table->columns[i];
		const char *text = row->cells[i].text;
		size_t columns = mf_utf8_columns(text);

		columns += column->units && is_plain_bytes(text) ? 2 : 0;
		column->width = MF_MAX(column->width, (unsigned)columns);
	}
}

/* Facts about a column that its cells' widths depend on. */
static void survey(struct mf_text_table *table)
{
	mf_vec_foreach(row, &table->rows) {
		for (size_t i = 0; i < table->table->column_count; i++) {
			struct column *column = &table->columns[i];
			enum mf_value_type type = table->table->columns[i].type;

			column->filled = column->filled || !row->cells[i].empty;
			if (type == MF_VALUE_SIZE || type == MF_VALUE_DELTA)
				column->units =
					column->units ||
					strstr(row->cells[i].text, "iB");
		}
	}
}

/* Rows that are still to come may fill a column, so it stays for them. */
static void drop_columns(struct mf_text_table *table, bool more)
{
	for (size_t i = 0; i < table->table->column_count; i++)
		if (table->table->columns[i].show & MF_SHOW_IF_ANY && !more &&
		    !table->columns[i].filled)
			table->columns[i].shown = false;
}

static unsigned total_width(const struct mf_text_table *table)
{
	unsigned width = 0, shown = 0;

	for (size_t i = 0; i < table->table->column_count; i++)
		if (table->columns[i].shown) {
			width += table->columns[i].width;
			shown++;
		}
	return width + (shown ? (shown - 1) * GAP : 0);
}

static bool is_elastic(const struct mf_column *column)
{
	return column->show & (MF_SHOW_FILL | MF_SHOW_WRAP);
}

static struct column *widest_fill(struct mf_text_table *table)
{
	struct column *widest = NULL;

	for (size_t i = 0; i < table->table->column_count; i++) {
		struct column *column = &table->columns[i];

		if (!column->shown || !is_elastic(&table->table->columns[i]) ||
		    column->width <= FILL_LEAST ||
		    column->width <= mf_utf8_columns(header_of(table, i)))
			continue;
		if (!widest || column->width > widest->width)
			widest = column;
	}
	return widest;
}

/* The width when every column that may be cut is cut as far as is comfortable. */
static unsigned comfortable_width(struct mf_text_table *table)
{
	unsigned width = total_width(table);

	for (size_t i = 0; i < table->table->column_count; i++) {
		const struct column *column = &table->columns[i];
		size_t least = MF_MAX((size_t)FILL_COMFORT,
				      mf_utf8_columns(header_of(table, i)));

		if (column->shown && is_elastic(&table->table->columns[i]) &&
		    column->width > least)
			width -= column->width - (unsigned)least;
	}
	return width;
}

static void drop_if_no_room(struct mf_text_table *table, unsigned room)
{
	for (size_t i = table->table->column_count; i-- > 0;) {
		if (comfortable_width(table) <= room)
			return;
		if (table->table->columns[i].show & MF_SHOW_IF_ROOM)
			table->columns[i].shown = false;
	}
}

static void fit_width(struct mf_text_table *table)
{
	unsigned room = table->layout.width > table->layout.indent
				? table->layout.width - table->layout.indent
				: 0;

	drop_if_no_room(table, room);
	while (total_width(table) > room) {
		struct column *column = widest_fill(table);

		if (!column)
			return;
		column->width--;
	}
}

static void settle_widths(struct mf_text_table *table, bool more)
{
	survey(table);
	drop_columns(table, more);
	for (size_t i = 0; i < table->table->column_count; i++)
		table->columns[i].width =
			(unsigned)mf_utf8_columns(header_of(table, i));
	mf_vec_foreach(row, &table->rows)
		measure_row(table, row);
	fit_width(table);
}

/* ---- printing --------------------------------------------------------------- */

/* Spaces are owed until something follows them: no line ends in one. */
struct line {
	struct mf_buffer *out;
	const struct mf_style *style;
	size_t owed;
};

static void line_put(struct line *line, const char *text, enum mf_paint paint)
{
	size_t length = strlen(text), tail = 0;

	while (tail < length && text[length - tail - 1] == ' ')
		tail++;
	if (tail < length) {
		mf_buffer_pad(line->out, ' ', line->owed);
		mf_style_paint(line->out, line->style, paint);
		mf_buffer_add(line->out, text, length - tail);
		mf_style_plain(line->out, line->style, paint);
		line->owed = 0;
	}
	line->owed += tail;
}

static void put_cell(struct line *line, const struct column *column,
		     const char *text, enum mf_paint paint)
{
	size_t have = mf_utf8_columns(text);
	size_t pad = column->width > have ? column->width - have : 0;

	line->owed += column->right ? pad : 0;
	line_put(line, text, paint);
	line->owed += (column->right ? 0 : pad) + GAP;
}

static void put_head(struct mf_text_table *table, struct mf_buffer *out)
{
	struct line line = { out, table->layout.style, table->layout.indent };
	bool any = false;

	for (size_t i = 0; i < table->table->column_count; i++) {
		const char *header = header_of(table, i);

		if (!table->columns[i].shown)
			continue;
		put_cell(&line, &table->columns[i], header, MF_PAINT_DIM);
		any = any || *header;
	}
	if (any)
		mf_buffer_putc(out, '\n');
}

static void put_rule(struct mf_text_table *table, struct mf_buffer *out)
{
	const char *rule = mf_style_glyph(table->layout.style, MF_GLYPH_RULE);
	unsigned width = total_width(table);

	mf_buffer_pad(out, ' ', table->layout.indent);
	mf_style_paint(out, table->layout.style, MF_PAINT_DIM);
	for (unsigned i = 0; i < width; i++)
		mf_buffer_puts(out, rule);
	mf_style_plain(out, table->layout.style, MF_PAINT_DIM);
	mf_buffer_putc(out, '\n');
}

/* What did not fit into a row's last column. */
static void put_rest(struct mf_text_table *table, const struct row *row,
		     struct mf_buffer *out)
{
	size_t last = table->table->column_count - 1, fits;
	const struct column *column = &table->columns[last];
	const char *text = row->cells[last].text;
	size_t left = table->layout.indent + total_width(table) - column->width;

	if (!column->shown || !column->width ||
	    !(table->table->columns[last].show & MF_SHOW_WRAP))
		return;
	for (;;) {
		fits = mf_style_fit(text, column->width);
		text += fits + (text[fits] == ' ');
		if (!*text)
			return;
		mf_buffer_pad(out, ' ', left);
		mf_buffer_add(out, text, mf_style_fit(text, column->width));
		mf_buffer_putc(out, '\n');
	}
}

static void put_row(struct mf_text_table *table, const struct row *row,
		    struct mf_buffer *out)
{
	struct line line = { out, table->layout.style, table->layout.indent };
	MF_AUTO_BUFFER(text);

	for (size_t i = 0; i < table->table->column_count; i++) {
		if (!table->columns[i].shown)
			continue;
		mf_buffer_clear(&text);
		add_cell_text(&text, table, i, row->cells[i].text);
		put_cell(&line, &table->columns[i], mf_buffer_text(&text),
			 row->total ? MF_PAINT_TITLE : row->cells[i].paint);
	}
	mf_buffer_putc(out, '\n');
	put_rest(table, row, out);
	if (row->inside)
		mf_buffer_puts(out, row->inside);
}

static void put_title(struct mf_text_table *table, struct mf_buffer *out)
{
	const struct mf_text_layout *layout = &table->layout;

	if (layout->gap)
		mf_buffer_putc(out, '\n');
	if (!table->table->title)
		return;
	mf_buffer_pad(out, ' ', layout->base);
	mf_style_paint(out, layout->style, MF_PAINT_TITLE);
	mf_style_text(out, layout->style, table->table->title);
	mf_style_plain(out, layout->style, MF_PAINT_TITLE);
	mf_buffer_putc(out, '\n');
}

static bool has_more(const struct mf_text_table *table)
{
	return table->layout.top && table->seen > table->layout.top;
}

static void put_more(struct mf_text_table *table, struct mf_buffer *out)
{
	const struct mf_style *style = table->layout.style;
	uint64_t hidden = table->seen - table->layout.top;
	char count[MF_UNIT_TEXT];

	if (!has_more(table) || table->more_told)
		return;
	table->more_told = true;
	mf_buffer_pad(out, ' ', table->layout.indent);
	mf_style_paint(out, style, MF_PAINT_DIM);
	mf_buffer_printf(out, "%s %s more (--top %llu shows all)",
			 mf_style_glyph(style, MF_GLYPH_ELLIPSIS),
			 mf_format_count(count, hidden),
			 (unsigned long long)table->seen);
	mf_style_plain(out, style, MF_PAINT_DIM);
	mf_buffer_putc(out, '\n');
}

static void put_kept_rows(struct mf_text_table *table, struct mf_buffer *out)
{
	mf_vec_foreach(row, &table->rows) {
		if (row->total) {
			put_more(table, out);
			put_rule(table, out);
		}
		put_row(table, row, out);
	}
}

/* The next rows need no keeping. */
static void forget_rows(struct mf_text_table *table)
{
	table->rows.count = 0;
	mf_pool_deinit(&table->pool);
}

static void freeze(struct mf_text_table *table, struct mf_buffer *out)
{
	settle_widths(table, true);
	put_title(table, out);
	put_head(table, out);
	put_kept_rows(table, out);
	forget_rows(table);
	table->frozen = true;
}

/* ---- rows ------------------------------------------------------------------ */

static bool is_full(const struct mf_text_table *table)
{
	return table->rows.count >= KEPT_ROWS || table->kept_bytes > KEPT_BYTES;
}

void mf_text_table_row(struct mf_text_table *table,
		       const struct mf_value *values, struct mf_buffer *out)
{
	table->seen++;
	if (mf_text_table_is_row_hidden(table))
		return;
	if (!table->frozen && is_full(table))
		freeze(table, out);
	if (table->frozen) {
		struct row row = make_row(table, values, false);

		put_row(table, &row, out);
		forget_rows(table);
		return;
	}
	mf_vec_push(&table->rows, make_row(table, values, false));
}

void mf_text_table_total(struct mf_text_table *table,
			 const struct mf_value *values, struct mf_buffer *out)
{
	struct row row;

	if (table->layout.hidden || !table->seen)
		return;
	row = make_row(table, values, true);
	if (!table->frozen) {
		mf_vec_push(&table->rows, row);
		return;
	}
	put_more(table, out);
	put_rule(table, out);
	put_row(table, &row, out);
	forget_rows(table);
}

static void put_empty(struct mf_text_table *table, struct mf_buffer *out)
{
	if (!table->table->empty)
		return;
	put_title(table, out);
	mf_buffer_pad(out, ' ', table->layout.indent);
	mf_style_text(out, table->layout.style, table->table->empty);
	mf_buffer_putc(out, '\n');
}

void mf_text_table_end(struct mf_text_table *table, struct mf_buffer *out)
{
	if (table->layout.hidden)
		return;
	if (!table->seen) {
		put_empty(table, out);
		return;
	}
	if (table->frozen) {
		put_more(table, out);
		return;
	}
	settle_widths(table, false);
	put_title(table, out);
	put_head(table, out);
	put_kept_rows(table, out);
	put_more(table, out);
}

void mf_text_table_open_row(struct mf_text_table *table)
{
	table->row_open = true;
	mf_buffer_clear(&table->inside);
}

void mf_text_table_close_row(struct mf_text_table *table)
{
	struct row *row;

	table->row_open = false;
	if (!table->inside.size)
		return;
	row = &table->rows.items[table->rows.count - 1];
	row->inside = mf_pool_strdup(&table->pool, table->inside.text);
	table->kept_bytes += table->inside.size;
	mf_buffer_clear(&table->inside);
}

bool mf_text_table_is_row_hidden(const struct mf_text_table *table)
{
	return table->layout.hidden || has_more(table);
}

bool mf_text_table_keep_inside(struct mf_text_table *table,
			       struct mf_buffer *out)
{
	struct mf_buffer *inside = &table->inside;

	if (!table->row_open || table->frozen)
		return false;
	mf_buffer_add(inside, mf_buffer_text(out), out->size);
	mf_buffer_clear(out);
	if (inside->size <= KEPT_BYTES)
		return true;
	freeze(table, out);
	mf_buffer_add(out, mf_buffer_text(inside), inside->size);
	mf_buffer_deinit(inside);
	return false;
}

unsigned mf_text_table_indent(const struct mf_text_table *table)
{
	return table->layout.indent;
}
