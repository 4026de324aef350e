/*
 * What a line takes: only text that a terminal shows and does not obey, whose
 * columns are counted as the terminal will.
 */
#include "tui/strip.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <wchar.h>

#include "base/escape.h"

void mf_strip_init(struct mf_strip *line, bool utf8)
{
	*line = (struct mf_strip){ .utf8 = utf8 };
}

void mf_strip_clear(struct mf_strip *line)
{
	mf_buffer_clear(&line->text);
	line->tints.count = 0;
	line->columns = 0;
}

void mf_strip_deinit(struct mf_strip *line)
{
	mf_buffer_deinit(&line->text);
	mf_vec_deinit(&line->tints);
}

/* ---- columns ----------------------------------------------------------------- */

static wchar_t decode(const char *text, size_t length)
{
	static const unsigned char masks[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	wchar_t point = (unsigned char)text[0] & masks[length];

	for (size_t i = 1; i < length; i++)
		point = point << 6 | ((unsigned char)text[i] & 0x3f);
	return point;
}

/* Of the character at TEXT; sets *length to its bytes. Negative: it is none that
 * has a place of its own, or its width is not known here. */
static int columns_at(const char *text, size_t size, size_t *length)
{
	*length = mf_utf8_length(text, size);
	if (*length == 0) {
		*length = 1;
		return -1;
	}
	if (*length == 1)
		return 1;
	return wcwidth(decode(text, *length));
}

unsigned mf_text_columns(const char *text, size_t size)
{
	unsigned columns = 0;

	for (size_t at = 0, length; at < size; at += length) {
		int wide = columns_at(text + at, size - at, &length);

		columns += wide > 0 ? (unsigned)wide : 0;
	}
	return columns;
}

size_t mf_text_fit(const char *text, size_t size, unsigned columns)
{
	unsigned taken = 0;
	size_t at = 0, length;

	for (; at < size; at += length) {
		int wide = columns_at(text + at, size - at, &length);

		taken += wide > 0 ? (unsigned)wide : 0;
		if (taken > columns)
			break;
	}
	return at;
}

/* ---- adding --------------------------------------------------------------------- */

static void set_tint(struct mf_strip *line, enum mf_tint tint)
{
	size_t count = line->tints.count;

	if (count && line->tints.items[count - 1].tint == tint)
		return;
	mf_vec_push(&line->tints, (struct mf_tinted){ line->text.size, tint });
}

/* TEXT is escaped already, but may have characters of no column, or such as the
 * locale does not have. */
static void add_shown(struct mf_strip *line, const char *text, size_t size)
{
	for (size_t at = 0, length; at < size; at += length) {
		int wide = columns_at(text + at, size - at, &length);

		if (length == 1 || (wide > 0 && line->utf8)) {
			mf_buffer_add(&line->text, text + at, length);
			line->columns += wide > 0 ? (unsigned)wide : 1;
			continue;
		}
		size_t before = line->text.size;

		mf_buffer_printf(&line->text, "\\u%04x",
				 (unsigned)decode(text + at, length));
		line->columns += (unsigned)(line->text.size - before);
	}
}

void mf_strip_put(struct mf_strip *line, enum mf_tint tint, const char *text)
{
	MF_AUTO_BUFFER(escaped);

	mf_escape_text(&escaped, text, strlen(text));
	set_tint(line, tint);
	add_shown(line, mf_buffer_text(&escaped), escaped.size);
}

void mf_strip_printf(struct mf_strip *line, enum mf_tint tint,
		     const char *format, ...)
{
	MF_AUTO_BUFFER(text);
	va_list arguments;

	va_start(arguments, format);
	mf_buffer_vprintf(&text, format, arguments);
	va_end(arguments);
	mf_strip_put(line, tint, mf_buffer_text(&text));
}

void mf_strip_pad(struct mf_strip *line, unsigned column)
{
	if (line->columns >= column)
		return;
	if (!line->tints.count)
		set_tint(line, MF_TINT_PLAIN);
	mf_buffer_pad(&line->text, ' ', column - line->columns);
	line->columns = column;
}

static void add_cut(struct mf_strip *line, const struct mf_strip *whole,
		    unsigned columns)
{
	const char *ellipsis = line->utf8 ? "…" : "..";
	unsigned mark = line->utf8 ? 1 : 2;
	const char *text = mf_buffer_text(&whole->text);
	size_t fit = mf_text_fit(text, whole->text.size,
				 columns > mark ? columns - mark : columns);

	add_shown(line, text, fit);
	if (columns > mark)
		add_shown(line, ellipsis, strlen(ellipsis));
}

void mf_strip_cell(struct mf_strip *line, enum mf_tint tint, const char *text,
		   unsigned columns, bool right)
{
	mf_cleanup(mf_strip_deinit) struct mf_strip whole;
	unsigned end = line->columns + columns;

	mf_strip_init(&whole, line->utf8);
	mf_strip_put(&whole, tint, text);
	set_tint(line, tint);
	if (right && whole.columns < columns)
		mf_strip_pad(line, end - whole.columns);
	if (whole.columns <= columns)
		add_shown(line, mf_buffer_text(&whole.text), whole.text.size);
	else
		add_cut(line, &whole, columns);
	mf_strip_pad(line, end);
}

void mf_strip_bar(struct mf_strip *line, enum mf_tint tint, double ratio,
		  unsigned columns)
{
	static const char *const eighths[] = { "",  "▏", "▎", "▍",
					       "▌", "▋", "▊", "▉" };
	unsigned steps = line->utf8 ? 8 : 1, end = line->columns + columns;
	unsigned filled;

	ratio = isfinite(ratio) ? fmin(fmax(ratio, 0), 1) : 0;
	filled = (unsigned)lround(ratio * columns * steps);
	/* a little is not nothing */
	if (ratio > 0 && !filled && line->utf8)
		filled = 1;
	set_tint(line, tint);
	for (unsigned i = 0; i < filled / steps; i++)
		add_shown(line, line->utf8 ? "█" : "#",
			  line->utf8 ? strlen("█") : 1);
	if (filled % steps)
		add_shown(line, eighths[filled % steps],
			  strlen(eighths[filled % steps]));
	mf_strip_pad(line, end);
}

void mf_strip_value(struct mf_strip *line, enum mf_tint tint,
		    struct mf_value value)
{
	MF_AUTO_BUFFER(text);

	mf_value_write(&text, value, line->utf8, line->bytes);
	set_tint(line, tint);
	add_shown(line, mf_buffer_text(&text), text.size);
}
