/*
 * A growable string of bytes, always followed by a NUL.
 */
#ifndef MF_BASE_BUFFER_H
#define MF_BASE_BUFFER_H

#include <stdarg.h>
#include <stddef.h>

#include "base/compiler.h"

struct mf_buffer {
	char *text; /* NULL until something is added */
	size_t size, capacity;
};

void mf_buffer_add(struct mf_buffer *buffer, const void *bytes, size_t size);
void mf_buffer_puts(struct mf_buffer *buffer, const char *text);
void mf_buffer_putc(struct mf_buffer *buffer, char c);
void mf_buffer_pad(struct mf_buffer *buffer, char c, size_t count);
void mf_buffer_printf(struct mf_buffer *buffer, const char *format, ...)
	MF_PRINTF(2, 3);
void mf_buffer_vprintf(struct mf_buffer *buffer, const char *format,
		       va_list arguments) MF_PRINTF(2, 0);

/** The text, "" when nothing was added; stays the buffer's. */
const char *mf_buffer_text(const struct mf_buffer *buffer);

/** Gives the text away (free() it) and empties the buffer. */
char *mf_buffer_take(struct mf_buffer *buffer);

void mf_buffer_clear(struct mf_buffer *buffer);
void mf_buffer_deinit(struct mf_buffer *buffer);

/** A buffer that frees itself at the end of its scope. */
#define MF_AUTO_BUFFER(name) \
	mf_cleanup(mf_buffer_deinit) struct mf_buffer name = { 0 }

#endif
