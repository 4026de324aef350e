/*
 * Knows which bytes a terminal can be shown.
 */
#include "base/escape.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"

static size_t sequence_length(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first <= 0xdf)
		return 2;
	if (first >= 0xe0 && first <= 0xef)
		return 3;
	if (first >= 0xf0 && first <= 0xf4)
		return 4;
	return 0;
}

static uint32_t decode(const char *text, size_t length)
{
	static const unsigned char masks[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	uint32_t point = (unsigned char)text[0] & masks[length];

	for (size_t i = 1; i < length; i++)
		point = point << 6 | ((unsigned char)text[i] & 0x3f);
	return point;
}

size_t mf_utf8_length(const char *text, size_t size)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t length = size ? sequence_length((unsigned char)text[0]) : 0;
	uint32_t point;

	if (!length || length > size)
		return 0;
	for (size_t i = 1; i < length; i++)
		if (((unsigned char)text[i] & 0xc0) != 0x80)
			return 0;
	point = decode(text, length);
	if (point < least[length] || point > 0x10ffff ||
	    (point >= 0xd800 && point <= 0xdfff))
		return 0;
	return length;
}

/* Characters that a terminal gives two columns, or none: whatever the locale of
 * this program is, the terminal has its own. */
static const struct {
	uint32_t first, last;
	unsigned columns;
} widths[] = {
	{ 0x0300, 0x036f, 0 },	 /* accents that combine */
	{ 0x1100, 0x115f, 2 },	 /* Hangul */
	{ 0x2e80, 0x303e, 2 },	 /* radicals, punctuation */
	{ 0x3041, 0xa4cf, 2 },	 /* kana, Han, Yi */
	{ 0xa960, 0xa97f, 2 },	 /* Hangul */
	{ 0xac00, 0xd7a3, 2 },	 /* the same */
	{ 0xf900, 0xfaff, 2 },	 /* Han */
	{ 0xfe30, 0xfe6f, 2 },	 /* punctuation */
	{ 0xff01, 0xff60, 2 },	 /* full width */
	{ 0xffe0, 0xffe6, 2 },	 /* the same */
	{ 0x1f300, 0x1f64f, 2 }, /* pictures */
	{ 0x1f680, 0x1f6ff, 2 }, /* the same */
	{ 0x1f900, 0x1f9ff, 2 }, /* the same */
	{ 0x20000, 0x3fffd, 2 }, /* Han */
};

static size_t columns_of(uint32_t point)
{
	if (point < widths[0].first)
		return 1;
	for (size_t i = 0; i < MF_ARRAY_SIZE(widths); i++)
		if (point >= widths[i].first && point <= widths[i].last)
			return widths[i].columns;
	return 1;
}

/* Of the character at TEXT; sets *length to its bytes. */
static size_t columns_at(const char *text, size_t size, size_t *length)
{
	*length = mf_utf8_length(text, size);
	if (*length > 1)
		return columns_of(decode(text, *length));
	*length = 1;
	return ((unsigned char)text[0] & 0xc0) != 0x80;
}

size_t mf_utf8_columns(const char *text)
{
	size_t columns = 0, size = strlen(text);

	for (size_t at = 0, length; at < size; at += length)
		columns += columns_at(text + at, size - at, &length);
	return columns;
}

size_t mf_utf8_fit(const char *text, size_t columns)
{
	size_t size = strlen(text), taken = 0, at = 0, length;

	for (; at < size; at += length) {
		taken += columns_at(text + at, size - at, &length);
		if (taken > columns)
			break;
	}
	return at;
}

static bool is_unsafe(uint32_t point)
{
	return point < 0x20 || (point >= 0x7f && point < 0xa0) ||
	       (point >= 0x200b && point <= 0x200f) ||
	       (point >= 0x2028 && point <= 0x202e) ||
	       (point >= 0x2066 && point <= 0x2069) || point == 0xfeff;
}

/* Bytes at TEXT that mean themselves everywhere: most texts are of such. */
static size_t plain_run(const char *text, size_t size)
{
	size_t at = 0;

	while (at < size && text[at] >= 0x20 && text[at] < 0x7f)
		at++;
	return at;
}

void mf_escape_text(struct mf_buffer *buffer, const char *text, size_t size)
{
	for (size_t at = 0; at < size;) {
		size_t plain = plain_run(text + at, size - at), length;
		uint32_t point;

		mf_buffer_add(buffer, text + at, plain);
		at += plain;
		if (at == size)
			return;
		length = mf_utf8_length(text + at, size - at);
		point = length ? decode(text + at, length) : 0;
		if (!length) {
			mf_buffer_printf(buffer, "\\x%02x",
					 (unsigned char)text[at]);
			at++;
			continue;
		}
		if (!is_unsafe(point))
			mf_buffer_add(buffer, text + at, length);
		else if (point < 0x80)
			mf_buffer_printf(buffer, "\\x%02x", point);
		else
			mf_buffer_printf(buffer, "\\u%04x", point);
		at += length;
	}
}

char *mf_escaped(const char *text)
{
	struct mf_buffer buffer = { 0 };

	mf_escape_text(&buffer, text, strlen(text));
	return mf_buffer_take(&buffer);
}
