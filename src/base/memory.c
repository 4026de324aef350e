/*
 * Allocation that cannot fail: prints one line and ends the program when
 * there is no memory left for our own small needs.
 */
#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void MF_NORETURN out_of_memory(void)
{
	static const char text[] = "memforensics: out of memory\n";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(1);
	_exit(1);
}

void *mf_calloc(size_t count, size_t size)
{
	void *pointer = calloc(count ? count : 1, size ? size : 1);

	if (!pointer)
		out_of_memory();
	return pointer;
}

void *mf_calloc_aligned(size_t alignment, size_t size)
{
	size_t rest = size % alignment;
	void *pointer;

	if (rest)
		size += alignment - rest;
	pointer = aligned_alloc(alignment, size);
	if (!pointer)
		out_of_memory();
	return memset(pointer, 0, size);
}

void *mf_realloc(void *pointer, size_t count, size_t size)
{
	void *bigger = reallocarray(pointer, count ? count : 1, size);

	if (!bigger)
		out_of_memory();
	return bigger;
}

char *mf_strdup(const char *text)
{
	return mf_strndup(text, strlen(text));
}

char *mf_strndup(const char *text, size_t size)
{
	size_t length = strnlen(text, size);
	char *copy = mf_calloc(length + 1, 1);

	memcpy(copy, text, length);
	return copy;
}

char *mf_asprintf(const char *format, ...)
{
	va_list arguments;
	char *text = NULL;
	int length;

	va_start(arguments, format);
	length = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (length < 0)
		out_of_memory();
	return text;
}

void mf_free_pointer(void *pointer_to_pointer)
{
	free(*(void **)pointer_to_pointer);
}
