/*
 * Makes and destroys error values.
 */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static char *MF_PRINTF(1, 0) format_text(const char *format, va_list arguments)
{
	char *text = NULL;

	if (vasprintf(&text, format, arguments) < 0)
		return mf_strdup("out of memory");
	return text;
}

static struct mf_error *create(enum mf_error_code code, char *what)
{
	struct mf_error *error = mf_new(struct mf_error);

	error->code = code;
	error->what = what;
	return error;
}

struct mf_error *mf_error_create(enum mf_error_code code, const char *format,
				 ...)
{
	va_list arguments;
	char *what;

	va_start(arguments, format);
	what = format_text(format, arguments);
	va_end(arguments);
	return create(code, what);
}

static enum mf_error_code code_of_errno(int number)
{
	switch (number) {
	case EPERM:
	case EACCES:
		return MF_ERROR_PERMISSION;
	case ESRCH:
		return MF_ERROR_NO_PROCESS;
	default:
		return MF_ERROR_FAILED;
	}
}

struct mf_error *mf_error_from_errno(int number, const char *format, ...)
{
	va_list arguments;
	char *what;

	va_start(arguments, format);
	what = format_text(format, arguments);
	va_end(arguments);
	return mf_error_why(create(code_of_errno(number), what), "%s",
			    strerror(number));
}

struct mf_error *mf_error_why(struct mf_error *error, const char *format, ...)
{
	va_list arguments;

	free(error->why);
	va_start(arguments, format);
	error->why = format_text(format, arguments);
	va_end(arguments);
	return error;
}

struct mf_error *mf_error_hint(struct mf_error *error, const char *format, ...)
{
	va_list arguments;

	free(error->hint);
	va_start(arguments, format);
	error->hint = format_text(format, arguments);
	va_end(arguments);
	return error;
}

struct mf_error *mf_error_usage(const char *what, const char *why,
				const char *hint)
{
	return mf_error_hint(
		mf_error_why(mf_error_create(MF_ERROR_USAGE, "%s", what), "%s",
			     why),
		"%s", hint);
}

void mf_error_destroy(struct mf_error *error)
{
	if (!error)
		return;
	free(error->what);
	free(error->why);
	free(error->hint);
	free(error);
}

void mf_error_cleanup(struct mf_error **error)
{
	mf_error_destroy(*error);
}
