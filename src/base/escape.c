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

size_t mf_utf8_columns(const char *text)
{
	size_t columns = 0;

	for (; *text; text++)
		columns += ((unsigned char)*text & 0xc0) != 0x80;
	return columns;
}

static bool is_unsafe(uint32_t point)
{
	return point < 0x20 || (point >= 0x7f && point < 0xa0) ||
	       (point >= 0x200b && point <= 0x200f) ||
	       (point >= 0x2028 && point <= 0x202e) ||
	       (point >= 0x2066 && point <= 0x2069) || point == 0xfeff;
}

void mf_escape_text(struct mf_buffer *buffer, const char *text, size_t size)
{
	for (size_t at = 0; at < size;) {
		size_t length = mf_utf8_length(text + at, size - at);
		uint32_t point = length ? decode(text + at, length) : 0;

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
