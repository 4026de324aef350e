/*
 * Text from a target is hostile: it never meets a terminal or a JSON parser
 * before it went through here.
 */
#ifndef MF_BASE_ESCAPE_H
#define MF_BASE_ESCAPE_H

#include <stddef.h>

#include "base/buffer.h"

/**
 * Length of the valid UTF-8 character at TEXT (1 to 4), or 0 when the bytes
 * are not one (overlong, surrogate, cut off at SIZE).
 */
size_t mf_utf8_length(const char *text, size_t size);

/** How many terminal columns the UTF-8 TEXT takes: Han and the like take two. */
size_t mf_utf8_columns(const char *text);
/** Bytes of TEXT that fit into COLUMNS. */
size_t mf_utf8_fit(const char *text, size_t columns);

/**
 * Adds TEXT with control characters (C0, DEL, C1, line and direction
 * separators) and invalid bytes as \xNN or \uNNNN, so that a terminal shows
 * them and obeys none.
 */
void mf_escape_text(struct mf_buffer *buffer, const char *text, size_t size);

/** The same as a string of its own; free() it. */
char *mf_escaped(const char *text);

#endif
