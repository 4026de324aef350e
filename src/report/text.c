/*
 * The text sink: headings at the margin, what belongs to them set in by two,
 * what is inside a row set in under it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/memory.h"
#include "base/vec.h"
#include "report/sink.h"
#include "report/style.h"
#include "report/text_table.h"

enum {
	STEP = 2, /* columns that what belongs to something is set in */
	DEFAULT_WIDTH = 100,
	WRAP_LEAST = 24,
	FIELD_LEAST = 12,
	MARK_WIDTH = 12, /* of "x critical  " */
};

struct text_report {
	struct mf_report report;
	struct mf_style style;
	unsigned width;
	MF_VEC(struct mf_text_table *) tables; /* open, outermost first */
	struct mf_buffer out;
	bool started; /* something stands above */
};

static struct text_report *text_of(struct mf_report *report)
{
	return (struct text_report *)report;
}

static struct mf_text_table *innermost(struct text_report *text)
{
	return text->tables.count ? text->tables.items[text->tables.count - 1]
				  : NULL;
}

static bool is_hidden(struct text_report *text)
{
	struct mf_text_table *table = innermost(text);

	return table && mf_text_table_is_row_hidden(table);
}

/* Columns left of what is printed now. */
static unsigned base_of(struct text_report *text)
{
	struct mf_text_table *table = innermost(text);

	return table ? mf_text_table_indent(table) + STEP : 0;
}

static bool needs_gap(struct text_report *text)
{
	return text->started && !text->tables.count;
}

/* Sends OUT to the row that waits for its widths, or to the stream. */
static void flush(struct text_report *text)
{
	for (size_t i = text->tables.count; i-- > 0;)
		if (mf_text_table_keep_inside(text->tables.items[i],
					      &text->out))
			return;
	fwrite(mf_buffer_text(&text->out), 1, text->out.size,
	       text->report.stream);
	text->started = text->started || text->out.size;
	mf_buffer_clear(&text->out);
}

/* ---- paragraphs ----------------------------------------------------------- */

/* A number and its unit, "12.5 MiB", are one word. */
static size_t word_length(const char *words)
{
	static const char *const units[] = { "B",   "KiB", "MiB", "GiB",
					     "TiB", "PiB", "ms",  "s" };
	size_t length = strcspn(words, " "), unit;

	if (!length || words[length - 1] < '0' || words[length - 1] > '9' ||
	    words[length] != ' ')
		return length;
	unit = strcspn(words + length + 1, " ,;:)");
	for (size_t i = 0; i < MF_ARRAY_SIZE(units); i++)
		if (strlen(units[i]) == unit &&
		    !memcmp(units[i], words + length + 1, unit))
			return length + 1 + strcspn(words + length + 1, " ");
	return length;
}

/*
 * Adds WORDS from column AT on; what does not fit goes on in the next line
 * from column HANG.
 */
static void wrap(struct text_report *text, const char *words, unsigned at,
		 unsigned hang)
{
	unsigned width = MF_MAX(text->width, hang + WRAP_LEAST);
	bool first = true;

	while (*words) {
		size_t length = word_length(words);
		MF_AUTO_BUFFER(word);
		size_t columns;

		mf_buffer_add(&word, words, length);
		columns = mf_utf8_columns(mf_buffer_text(&word));
		if (!first && at + 1 + columns > width) {
			mf_buffer_putc(&text->out, '\n');
			mf_buffer_pad(&text->out, ' ', hang);
			at = hang;
		} else if (!first) {
			mf_buffer_putc(&text->out, ' ');
			at++;
		}
		mf_buffer_puts(&text->out, mf_buffer_text(&word));
		at += (unsigned)columns;
		words += length + (words[length] == ' ');
		first = false;
	}
}

static void text_line(struct mf_report *report, const char *line)
{
	struct text_report *text = text_of(report);
	size_t margin = strspn(line, " ");
	unsigned indent;
	MF_AUTO_BUFFER(escaped);

	if (is_hidden(text))
		return;
	mf_style_text(&escaped, &text->style, line + margin);
	if (escaped.size) {
		indent = base_of(text) + (unsigned)margin;
		mf_buffer_pad(&text->out, ' ', indent);
		wrap(text, escaped.text, indent, indent);
	}
	mf_buffer_putc(&text->out, '\n');
	flush(text);
}

static void add_title(struct text_report *text, const char *title)
{
	if (needs_gap(text))
		mf_buffer_putc(&text->out, '\n');
	mf_buffer_pad(&text->out, ' ', base_of(text));
	mf_style_paint(&text->out, &text->style, MF_PAINT_TITLE);
	mf_style_text(&text->out, &text->style, title);
	mf_style_plain(&text->out, &text->style, MF_PAINT_TITLE);
	mf_buffer_putc(&text->out, '\n');
}

static void text_heading(struct mf_report *report, const char *heading)
{
	struct text_report *text = text_of(report);

	if (is_hidden(text))
		return;
	add_title(text, heading);
	flush(text);
}

/* ---- fields ------------------------------------------------------------------ */

static bool is_shown(const struct mf_field *field)
{
	return !(field->show & MF_SHOW_DATA_ONLY) &&
	       !(field->show & MF_SHOW_IF_ANY &&
		 mf_style_is_empty(field->value));
}

static const char *label_of(const struct mf_field *field)
{
	return field->label ? field->label : field->key;
}

static void add_field(struct text_report *text, const struct mf_field *field,
		      unsigned indent, unsigned label_width)
{
	unsigned at = indent + label_width + STEP;
	unsigned room = text->width > at ? text->width - at : 0;
	const char *label = label_of(field);
	size_t columns = mf_utf8_columns(label);
	MF_AUTO_BUFFER(value);

	mf_style_value(&value, &text->style, field->value);
	mf_buffer_pad(&text->out, ' ', indent);
	mf_style_paint(&text->out, &text->style, MF_PAINT_DIM);
	mf_buffer_puts(&text->out, label);
	mf_style_plain(&text->out, &text->style, MF_PAINT_DIM);
	if (value.size)
		mf_buffer_pad(&text->out, ' ', label_width - columns + STEP);
	if (field->show & MF_SHOW_FILL)
		mf_style_cut(&text->out, &text->style, mf_buffer_text(&value),
			     MF_MAX(room, (unsigned)FIELD_LEAST));
	else
		wrap(text, mf_buffer_text(&value), at, at);
	mf_buffer_putc(&text->out, '\n');
}

static void text_fields(struct mf_report *report, const char *key,
			const char *title, const struct mf_field *fields,
			size_t count)
{
	struct text_report *text = text_of(report);
	unsigned indent = base_of(text), label_width = 0, shown = 0;

	(void)key;
	if (is_hidden(text))
		return;
	for (size_t i = 0; i < count; i++) {
		if (!is_shown(&fields[i]))
			continue;
		shown++;
		label_width =
			MF_MAX(label_width,
			       (unsigned)mf_utf8_columns(label_of(&fields[i])));
	}
	if (!shown)
		return;
	if (title)
		add_title(text, title);
	if (title || !text->tables.count)
		indent += STEP;
	for (size_t i = 0; i < count; i++)
		if (is_shown(&fields[i]))
			add_field(text, &fields[i], indent, label_width);
	flush(text);
}

/* ---- tables -------------------------------------------------------------------- */

static void text_table_begin(struct mf_report *report,
			     const struct mf_table *table)
{
	struct text_report *text = text_of(report);
	size_t top = report->options.top;
	struct mf_text_layout layout = {
		.style = &text->style,
		.base = base_of(text),
		.indent = base_of(text),
		.width = text->width,
		.top = table->show & MF_SHOW_WHOLE ? 0
		       : top			   ? top
						   : table->top,
		.gap = table->title && needs_gap(text),
		.hidden = is_hidden(text) || table->show & MF_SHOW_DATA_ONLY,
	};

	if (table->title || !text->tables.count)
		layout.indent += STEP;
	mf_vec_push(&text->tables, mf_text_table_create(table, &layout));
}

static void text_row(struct mf_report *report, const struct mf_value *values,
		     bool open)
{
	struct text_report *text = text_of(report);
	struct mf_text_table *table = innermost(text);

	mf_text_table_row(table, values, &text->out);
	flush(text);
	if (open)
		mf_text_table_open_row(table);
}

static void text_row_close(struct mf_report *report)
{
	mf_text_table_close_row(innermost(text_of(report)));
}

static void text_total(struct mf_report *report, const struct mf_value *values)
{
	struct text_report *text = text_of(report);

	mf_text_table_total(innermost(text), values, &text->out);
	flush(text);
}

static void text_table_end(struct mf_report *report)
{
	struct text_report *text = text_of(report);
	struct mf_text_table *table = innermost(text);

	mf_text_table_end(table, &text->out);
	mf_text_table_destroy(table);
	text->tables.count--;
	flush(text);
}

/* ---- findings ------------------------------------------------------------------ */

static void add_verdict(struct text_report *text,
			const struct mf_finding *finding)
{
	static const struct {
		enum mf_glyph glyph;
		enum mf_paint paint;
	} marks[] = {
		[MF_SEVERITY_INFO] = { MF_GLYPH_INFO, MF_PAINT_INFO },
		[MF_SEVERITY_WARNING] = { MF_GLYPH_WARNING, MF_PAINT_WARNING },
		[MF_SEVERITY_CRITICAL] = { MF_GLYPH_CRITICAL,
					   MF_PAINT_CRITICAL },
	};
	enum mf_paint paint = marks[finding->severity].paint;
	unsigned base = base_of(text), at = base + MARK_WIDTH;
	MF_AUTO_BUFFER(title);

	mf_buffer_pad(&text->out, ' ', base);
	mf_style_paint(&text->out, &text->style, paint);
	mf_buffer_printf(
		&text->out, "%s %-8s",
		mf_style_glyph(&text->style, marks[finding->severity].glyph),
		mf_severity_name(finding->severity));
	mf_style_plain(&text->out, &text->style, paint);
	mf_buffer_puts(&text->out, "  ");
	mf_style_text(&title, &text->style, finding->title);
	wrap(text, mf_buffer_text(&title), at, at);
	mf_buffer_putc(&text->out, '\n');
}

/* Advice is never wrapped: it is there to be pasted. */
static void add_advice(struct text_report *text,
		       const struct mf_finding *finding)
{
	unsigned indent = base_of(text) + STEP;

	mf_buffer_pad(&text->out, ' ', indent);
	mf_style_paint(&text->out, &text->style, MF_PAINT_DIM);
	mf_buffer_printf(&text->out, "%s:", finding->code);
	mf_style_plain(&text->out, &text->style, MF_PAINT_DIM);
	mf_buffer_putc(&text->out, '\n');
	for (size_t i = 0; finding->advice[i]; i++) {
		mf_buffer_pad(&text->out, ' ', indent + STEP);
		mf_style_text(&text->out, &text->style, finding->advice[i]);
		mf_buffer_putc(&text->out, '\n');
	}
}

static void add_all_advice(struct text_report *text,
			   const struct mf_finding *findings, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (findings[i].advice && findings[i].advice[0])
			add_advice(text, &findings[i]);
}

static void text_findings(struct mf_report *report,
			  const struct mf_finding *findings, size_t count,
			  unsigned parts)
{
	struct text_report *text = text_of(report);

	if (is_hidden(text))
		return;
	if (parts & MF_FINDINGS_VERDICT)
		for (size_t i = 0; i < count; i++)
			add_verdict(text, &findings[i]);
	if (parts & MF_FINDINGS_ADVICE)
		add_all_advice(text, findings, count);
	flush(text);
}

/* ---- the sink ------------------------------------------------------------------- */

static void text_open(struct mf_report *report)
{
	struct text_report *text = text_of(report);

	text->style = mf_style_from(&report->options);
	text->width =
		report->options.width ? report->options.width : DEFAULT_WIDTH;
}

static void text_close(struct mf_report *report)
{
	struct text_report *text = text_of(report);

	mf_vec_foreach(table, &text->tables)
		mf_text_table_destroy(*table);
	mf_vec_deinit(&text->tables);
	mf_buffer_deinit(&text->out);
}

static void text_begin(struct mf_report *report, const char *command)
{
	(void)report;
	(void)command;
}

static struct mf_error *text_end(struct mf_report *report)
{
	(void)report;
	return NULL;
}

static void text_object_open(struct mf_report *report, const char *key)
{
	(void)report;
	(void)key;
}

static void text_object_close(struct mf_report *report)
{
	(void)report;
}

const struct mf_report_ops mf_report_text_ops = {
	.size = sizeof(struct text_report),
	.open = text_open,
	.close = text_close,
	.begin = text_begin,
	.end = text_end,
	.fields = text_fields,
	.table_begin = text_table_begin,
	.row = text_row,
	.row_close = text_row_close,
	.total = text_total,
	.table_end = text_table_end,
	.object_open = text_object_open,
	.object_close = text_object_close,
	.line = text_line,
	.heading = text_heading,
	.findings = text_findings,
};
