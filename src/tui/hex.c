/*
 * Draws a row of bytes.
 */
#include "tui/hex.h"

#include <inttypes.h>
#include <string.h>

enum {
	ADDRESS_COLUMNS = 14, /* with what is behind it */
};

static enum mf_tint tint_of(const struct mf_hex_row *row, unsigned at,
			    unsigned size)
{
	unsigned mask = ((1U << size) - 1) << at;

	if (row->cursor >= (int)at && row->cursor < (int)(at + size))
		return MF_TINT_CURSOR;
	if (row->borders & mask)
		return MF_TINT_BORDER;
	return row->pointers & mask ? MF_TINT_POINTER : MF_TINT_PLAIN;
}

static void add_blank(struct mf_strip *line)
{
	mf_strip_put(line, MF_TINT_PLAIN, " ");
}

/* A number of so many bytes, the highest first. */
static void add_group(const struct mf_hex_row *row, unsigned at,
		      struct mf_strip *line)
{
	enum mf_tint tint = tint_of(row, at, row->group);

	for (unsigned i = row->group; i-- > 0;) {
		if (row->state != MF_BYTES_READ)
			mf_strip_put(line, MF_TINT_ABSENT,
				     row->state == MF_BYTES_COMING ? ".."
								   : "--");
		else if (at + i >= row->count)
			mf_strip_put(line, MF_TINT_PLAIN, "  ");
		else
			mf_strip_printf(line, tint, "%02x", row->bytes[at + i]);
	}
}

static const char *word_of(enum mf_bytes_state state)
{
	static const char *const words[] = {
		[MF_BYTES_COMING] = "reading",
		[MF_BYTES_READ] = "",
		[MF_BYTES_ABSENT] = "no page here",
		[MF_BYTES_SWAPPED] = "in swap",
		[MF_BYTES_UNREADABLE] = "not readable",
	};

	return words[state];
}

static void add_characters(const struct mf_hex_row *row, struct mf_strip *line)
{
	for (unsigned i = 0; i < row->count; i++) {
		uint8_t byte = row->bytes[i];
		const char text[2] = { byte >= ' ' && byte < 0x7f ? (char)byte
								  : '.',
				       '\0' };
		enum mf_tint tint = tint_of(row, i, 1);

		if (tint == MF_TINT_PLAIN && text[0] == '.' && byte != '.')
			tint = MF_TINT_DIM;
		mf_strip_put(line, tint, text);
	}
}

void mf_hex_write(const struct mf_hex_row *row, struct mf_strip *line)
{
	mf_strip_printf(line, MF_TINT_DIM, "%012" PRIx64, row->address);
	mf_strip_pad(line, ADDRESS_COLUMNS);
	for (unsigned at = 0; at < MF_HEX_ROW; at += row->group) {
		add_group(row, at, line);
		add_blank(line);
		if (at + row->group == MF_HEX_ROW / 2 && row->group < 8)
			add_blank(line);
	}
	if (row->state == MF_BYTES_READ)
		add_characters(row, line);
	else
		mf_strip_put(line, MF_TINT_ABSENT, word_of(row->state));
}
