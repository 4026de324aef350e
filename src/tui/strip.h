/*
 * One line of a screen before it meets a terminal: text that is safe to show,
 * and how each part of it is to look. Knows no terminal, so that views can be
 * tested without one.
 */
#ifndef MF_TUI_STRIP_H
#define MF_TUI_STRIP_H

#include <stdbool.h>
#include <stddef.h>

#include "memforensics/report.h"

#include "base/buffer.h"
#include "base/vec.h"

/** How a part of a line looks; terminal.c says in which colours. */
enum mf_tint {
	MF_TINT_PLAIN,
	MF_TINT_TITLE,
	MF_TINT_DIM,
	MF_TINT_BAR,
	MF_TINT_INFO,
	MF_TINT_WARNING,
	MF_TINT_CRITICAL,
	MF_TINT_KEY,	 /* a key that can be pressed */
	MF_TINT_HEAD,	 /* the bars above and below, heads of columns */
	MF_TINT_TAB,	 /* the view that is shown, in the bar of views */
	MF_TINT_CURSOR,	 /* laid over a line: the row that is pointed at */
	MF_TINT_TAGGED,	 /* the same: a row that is tagged */
	MF_TINT_FOUND,	 /* what a search found */
	MF_TINT_POINTER, /* hex: a word that is an address */
	MF_TINT_BORDER,	 /* hex: the header of a chunk */
	MF_TINT_ABSENT,	 /* hex: no page is there */
	MF_TINT_IN_USE,	 /* maps of heaps: chunks in use, ... */
	MF_TINT_FREE,
	MF_TINT_RETURNED,
	MF_TINT_CACHED,
	MF_TINT_TOP,
	MF_TINT_PINNED,
	MF_TINTS,
};

struct mf_tinted {
	size_t at; /* byte of the text from which on it looks so */
	enum mf_tint tint;
};

struct mf_strip {
	struct mf_buffer text;
	MF_VEC(struct mf_tinted) tints;
	unsigned columns; /* that the text takes */
	bool utf8;	  /* else ASCII alone is added */
	bool bytes;	  /* sizes are plain numbers */
};

void mf_strip_init(struct mf_strip *line, bool utf8);
void mf_strip_clear(struct mf_strip *line);
void mf_strip_deinit(struct mf_strip *line);

/** Columns that UTF-8 TEXT takes in a terminal. */
unsigned mf_text_columns(const char *text, size_t size);
/** Bytes of TEXT that fit into COLUMNS. */
size_t mf_text_fit(const char *text, size_t size, unsigned columns);

/** Adds TEXT, which may come from a target: it is escaped. */
void mf_strip_put(struct mf_strip *line, enum mf_tint tint, const char *text);
void mf_strip_printf(struct mf_strip *line, enum mf_tint tint,
		     const char *format, ...) MF_PRINTF(3, 4);

/**
 * Adds TEXT in exactly COLUMNS columns, cut with an ellipsis, or padded: on its
 * left when RIGHT.
 */
void mf_strip_cell(struct mf_strip *line, enum mf_tint tint, const char *text,
		   unsigned columns, bool right);

/** Blanks up to COLUMN, if it does not reach there. */
void mf_strip_pad(struct mf_strip *line, unsigned column);

/** RATIO of COLUMNS as a bar, padded to them. */
void mf_strip_bar(struct mf_strip *line, enum mf_tint tint, double ratio,
		  unsigned columns);

/** Adds VALUE as reports have it. */
void mf_strip_value(struct mf_strip *line, enum mf_tint tint,
		    struct mf_value value);

#endif
