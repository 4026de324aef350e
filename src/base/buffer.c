/*
 * The growable string of bytes.
 */
#include "base/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum {
	PRINTED = 32, /* bytes, that most of what is printed has room in */
};

static void reserve(struct mf_buffer *buffer, size_t more)
{
	size_t wanted = buffer->size + more + 1;

	if (wanted <= buffer->capacity)
		return;
	buffer->capacity = MF_MAX(wanted, buffer->capacity * 2);
	buffer->text = mf_realloc(buffer->text, buffer->capacity, 1);
}

void mf_buffer_add(struct mf_buffer *buffer, const void *bytes, size_t size)
{
	reserve(buffer, size);
	memcpy(buffer->text + buffer->size, bytes, size);
	buffer->size += size;
	buffer->text[buffer->size] = '\0';
}

void mf_buffer_puts(struct mf_buffer *buffer, const char *text)
{
	mf_buffer_add(buffer, text, strlen(text));
}

void mf_buffer_putc(struct mf_buffer *buffer, char c)
{
	mf_buffer_add(buffer, &c, 1);
}

void mf_buffer_pad(struct mf_buffer *buffer, char c, size_t count)
{
	reserve(buffer, count);
	memset(buffer->text + buffer->size, c, count);
	buffer->size += count;
	buffer->text[buffer->size] = '\0';
}

void mf_buffer_vprintf(struct mf_buffer *buffer, const char *format,
		       va_list arguments)
{
	va_list copy;
	size_t room;
	int length;

	reserve(buffer, PRINTED);
	room = buffer->capacity - buffer->size;
	va_copy(copy, arguments);
	length = vsnprintf(buffer->text + buffer->size, room, format, copy);
	va_end(copy);
	if (length < 0) {
		buffer->text[buffer->size] = '\0';
		return;
	}
	if ((size_t)length >= room) {
		reserve(buffer, (size_t)length);
		vsnprintf(buffer->text + buffer->size, (size_t)length + 1,
			  format, arguments);
	}
	buffer->size += (size_t)length;
}

void mf_buffer_printf(struct mf_buffer *buffer, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	mf_buffer_vprintf(buffer, format, arguments);
	va_end(arguments);
}

const char *mf_buffer_text(const struct mf_buffer *buffer)
{
	return buffer->text ? buffer->text : "";
}

char *mf_buffer_take(struct mf_buffer *buffer)
{
	char *text = buffer->text ? buffer->text : mf_strdup("");

	*buffer = (struct mf_buffer){ 0 };
	return text;
}

void mf_buffer_clear(struct mf_buffer *buffer)
{
	buffer->size = 0;
	if (buffer->text)
		buffer->text[0] = '\0';
}

void mf_buffer_deinit(struct mf_buffer *buffer)
{
	free(buffer->text);
	*buffer = (struct mf_buffer){ 0 };
}
