/*
 * Sixteen bytes as a line: in groups, as characters, with what is an address and
 * what is the header of a chunk told apart. Knows no target.
 */
#ifndef MF_TUI_HEX_H
#define MF_TUI_HEX_H

#include "tui/bytes.h"
#include "tui/strip.h"

enum {
	MF_HEX_ROW = 16,
};

struct mf_hex_row {
	uint64_t address;
	enum mf_bytes_state state;
	uint8_t bytes[MF_HEX_ROW];
	unsigned count;	   /* of them, from the first on */
	unsigned borders;  /* bit I: byte I is of a chunk's header */
	unsigned pointers; /* the same: of a word that is an address */
	unsigned group;	   /* 1, 2, 4 or 8: little-endian numbers of so many */
	int cursor;	   /* the byte that is pointed at; negative: none */
};

void mf_hex_write(const struct mf_hex_row *row, struct mf_strip *line);

#endif
