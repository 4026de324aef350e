/*
 * Glyphs, colours and values of the text report.
 */
#include "report/style.h"

#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/memory.h"
#include "base/units.h"

enum {
	ELLIPSIS_LEAST = 2, /* fewer columns hold no sense, only an ellipsis */
};

static bool locale_is_utf8(void)
{
	locale_t locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
	bool utf8;

	if (!locale)
		return false;
	utf8 = !strcmp(nl_langinfo_l(CODESET, locale), "UTF-8");
	freelocale(locale);
	return utf8;
}

struct mf_style mf_style_from(const struct mf_report_options *options)
{
	return (struct mf_style){
		.color = options->color,
		.utf8 = locale_is_utf8(),
		.bytes = options->bytes,
	};
}

const char *mf_style_glyph(const struct mf_style *style, enum mf_glyph glyph)
{
	static const char *const glyphs[][2] = {
		[MF_GLYPH_ELLIPSIS] = { "...", "…" },
		[MF_GLYPH_RULE] = { "-", "─" },
		[MF_GLYPH_INFO] = { "-", "•" },
		[MF_GLYPH_WARNING] = { "!", "▲" },
		[MF_GLYPH_CRITICAL] = { "X", "✖" },
	};

	return glyphs[glyph][style->utf8];
}

void mf_style_paint(struct mf_buffer *buffer, const struct mf_style *style,
		    enum mf_paint paint)
{
	static const char *const codes[] = {
		[MF_PAINT_NONE] = "",
		[MF_PAINT_TITLE] = "\033[1m",
		[MF_PAINT_DIM] = "\033[2m",
		[MF_PAINT_BAR] = "\033[36m",
		[MF_PAINT_INFO] = "\033[32m",
		[MF_PAINT_WARNING] = "\033[1;33m",
		[MF_PAINT_CRITICAL] = "\033[1;31m",
	};

	if (style->color)
		mf_buffer_puts(buffer, codes[paint]);
}

void mf_style_plain(struct mf_buffer *buffer, const struct mf_style *style,
		    enum mf_paint paint)
{
	if (style->color && paint != MF_PAINT_NONE)
		mf_buffer_puts(buffer, "\033[0m");
}

static uint32_t decode(const char *text, size_t length)
{
	uint32_t point = (unsigned char)text[0] & (0xffu >> (length + 1));

	for (size_t i = 1; i < length; i++)
		point = point << 6 | ((unsigned char)text[i] & 0x3f);
	return point;
}

/* Our own texts use a few characters that have a plain twin. */
static const char *plain_twin(const char *text, size_t length)
{
	static const char *const twins[][2] = {
		{ "…", "..." }, { "×", "x" },  { "→", "->" }, { "≥", ">=" },
		{ "≤", "<=" },	{ "—", "--" }, { "–", "-" },  { "·", "." },
		{ "½", "1/2" }, { "µ", "u" },  { "≈", "~" },  { "←", "<-" },
	};

	for (size_t i = 0; i < MF_ARRAY_SIZE(twins); i++)
		if (strlen(twins[i][0]) == length &&
		    !memcmp(twins[i][0], text, length))
			return twins[i][1];
	return NULL;
}

static void add_ascii(struct mf_buffer *buffer, const char *text)
{
	size_t size = strlen(text);

	for (size_t at = 0, length; at < size; at += length) {
		const char *twin;

		length =
			MF_MAX(mf_utf8_length(text + at, size - at), (size_t)1);
		twin = length > 1 ? plain_twin(text + at, length) : NULL;
		if (twin)
			mf_buffer_puts(buffer, twin);
		else if (length > 1)
			mf_buffer_printf(buffer,
					 length > 3 ? "\\U%08" PRIx32
						    : "\\u%04" PRIx32,
					 decode(text + at, length));
		else
			mf_buffer_putc(buffer, text[at]);
	}
}

void mf_style_text(struct mf_buffer *buffer, const struct mf_style *style,
		   const char *text)
{
	MF_AUTO_BUFFER(escaped);

	if (style->utf8) {
		mf_escape_text(buffer, text, strlen(text));
		return;
	}
	mf_escape_text(&escaped, text, strlen(text));
	add_ascii(buffer, mf_buffer_text(&escaped));
}

static void add_size(struct mf_buffer *buffer, const struct mf_style *style,
		     uint64_t bytes)
{
	char text[MF_UNIT_TEXT];

	mf_buffer_puts(buffer,
		       mf_format_bytes(text, bytes, style->bytes || !bytes));
}

static void add_delta(struct mf_buffer *buffer, const struct mf_style *style,
		      int64_t delta)
{
	uint64_t size = delta < 0 ? -(uint64_t)delta : (uint64_t)delta;

	if (delta)
		mf_buffer_putc(buffer, delta < 0 ? '-' : '+');
	add_size(buffer, style, size);
}

static void add_list(struct mf_buffer *buffer, const struct mf_style *style,
		     const char *const *list)
{
	for (size_t i = 0; list && list[i]; i++) {
		mf_buffer_puts(buffer, i ? ", " : "");
		mf_style_text(buffer, style, list[i]);
	}
}

static void add_ratio(struct mf_buffer *buffer, double ratio)
{
	if (isfinite(ratio))
		mf_buffer_printf(buffer, "%.1f%%", ratio * 100);
	else
		mf_buffer_putc(buffer, '-');
}

void mf_style_value(struct mf_buffer *buffer, const struct mf_style *style,
		    struct mf_value value)
{
	char text[MF_UNIT_TEXT];

	switch (value.type) {
	case MF_VALUE_NONE:
		mf_buffer_putc(buffer, '-');
		break;
	case MF_VALUE_BOOL:
		mf_buffer_puts(buffer, value.boolean ? "yes" : "");
		break;
	case MF_VALUE_COUNT:
		mf_buffer_puts(buffer, mf_format_count(text, value.number));
		break;
	case MF_VALUE_ID:
		mf_buffer_printf(buffer, "%" PRIu64, value.number);
		break;
	case MF_VALUE_SIZE:
		add_size(buffer, style, value.number);
		break;
	case MF_VALUE_DELTA:
		add_delta(buffer, style, value.delta);
		break;
	case MF_VALUE_ADDRESS:
		mf_buffer_printf(buffer, "0x%" PRIx64, value.number);
		break;
	case MF_VALUE_RATIO:
		add_ratio(buffer, value.real);
		break;
	case MF_VALUE_MS:
		mf_buffer_puts(buffer, mf_format_time(text, value.real));
		break;
	case MF_VALUE_TEXT:
		mf_style_text(buffer, style, value.text);
		break;
	case MF_VALUE_LIST:
		add_list(buffer, style, value.list);
		break;
	case MF_VALUE_NUMBERS:
		for (size_t i = 0; i < value.numbers.count; i++)
			mf_buffer_printf(buffer, "%s%d", i ? ", " : "",
					 value.numbers.items[i]);
		break;
	}
}

void mf_value_write(struct mf_buffer *buffer, struct mf_value value, bool utf8,
		    bool bytes)
{
	const struct mf_style style = { .utf8 = utf8, .bytes = bytes };

	mf_style_value(buffer, &style, value);
}

void mf_style_bar(struct mf_buffer *buffer, const struct mf_style *style,
		  double ratio, unsigned columns)
{
	static const char *const eighths[] = { "",  "▏", "▎", "▍",
					       "▌", "▋", "▊", "▉" };
	unsigned steps = style->utf8 ? 8 : 1, filled, used;

	ratio = isfinite(ratio) ? fmin(fmax(ratio, 0), 1) : 0;
	filled = (unsigned)lround(ratio * columns * steps);
	/* A little is not nothing. */
	if (!filled && ratio > 0)
		filled = style->utf8;
	for (used = 0; used < filled / steps; used++)
		mf_buffer_puts(buffer, style->utf8 ? "█" : "#");
	if (filled % steps) {
		mf_buffer_puts(buffer, eighths[filled % steps]);
		used++;
	}
	mf_buffer_pad(buffer, ' ', columns - used);
}

/* Bytes that go, so that at least COLUMNS of TEXT are gone. */
static size_t bytes_to_drop(const char *text, size_t columns)
{
	size_t end = mf_utf8_fit(text, columns);
	size_t left = mf_utf8_columns(text) - mf_utf8_columns(text + end);

	/* a wide character goes as a whole */
	return left < columns ? mf_utf8_fit(text, columns + 1) : end;
}

void mf_style_cut(struct mf_buffer *buffer, const struct mf_style *style,
		  const char *text, unsigned columns)
{
	const char *ellipsis = mf_style_glyph(style, MF_GLYPH_ELLIPSIS);
	size_t have = mf_utf8_columns(text);
	size_t mark = mf_utf8_columns(ellipsis), keep;

	if (have <= columns) {
		mf_buffer_puts(buffer, text);
		return;
	}
	keep = columns > mark + ELLIPSIS_LEAST ? columns - mark : 0;
	if (text[0] == '/') {
		mf_buffer_puts(buffer, ellipsis);
		mf_buffer_puts(buffer, text + bytes_to_drop(text, have - keep));
		return;
	}
	mf_buffer_add(buffer, text, mf_utf8_fit(text, keep));
	mf_buffer_puts(buffer, ellipsis);
}

size_t mf_style_fit(const char *text, unsigned columns)
{
	size_t end = mf_utf8_fit(text, columns), blank = end;

	if (!text[end])
		return end;
	while (blank && text[blank] != ' ')
		blank--;
	return blank ? blank : end;
}

bool mf_style_is_empty(struct mf_value value)
{
	switch (value.type) {
	case MF_VALUE_NONE:
		return true;
	case MF_VALUE_BOOL:
		return !value.boolean;
	case MF_VALUE_ID:
		return false;
	case MF_VALUE_COUNT:
	case MF_VALUE_SIZE:
	case MF_VALUE_ADDRESS:
		return !value.number;
	case MF_VALUE_DELTA:
		return !value.delta;
	case MF_VALUE_RATIO:
	case MF_VALUE_MS:
		return !(fabs(value.real) > 0);
	case MF_VALUE_TEXT:
		return !*value.text;
	case MF_VALUE_LIST:
		return !value.list || !value.list[0];
	case MF_VALUE_NUMBERS:
		return !value.numbers.count;
	}
	return false;
}
