/*
 * Errors as values: NULL is success, anything else says what failed, why, and
 * what the user can type instead. The code decides the exit status.
 */
#ifndef MF_BASE_ERROR_H
#define MF_BASE_ERROR_H

#include "base/compiler.h"

/** What kind of failure; the values are the exit codes of CONTRACT.md. */
enum mf_error_code {
	MF_ERROR_FAILED = 1,
	MF_ERROR_PERMISSION = 3,
	MF_ERROR_NO_PROCESS = 4,
	MF_ERROR_UNSUPPORTED = 5,
	MF_ERROR_USAGE = 64,
};

struct mf_error {
	enum mf_error_code code;
	char *what; /* one line: what could not be done */
	char *why;  /* one line: the reason, or NULL */
	char *hint; /* one line: what to type instead, or NULL */
};

/** A new error that says WHAT could not be done. */
struct mf_error *mf_error_create(enum mf_error_code code, const char *format,
				 ...) MF_MUST_CHECK MF_PRINTF(2, 3);

/**
 * A new error for errno value NUMBER: EPERM and EACCES are permission errors,
 * ESRCH is a process that is gone; its why is strerror's text.
 */
struct mf_error *mf_error_from_errno(int number, const char *format, ...)
	MF_MUST_CHECK MF_PRINTF(2, 3);

/** Sets the reason of ERROR, and returns ERROR. */
struct mf_error *mf_error_why(struct mf_error *error, const char *format, ...)
	MF_PRINTF(2, 3);

/** Sets what to type instead, and returns ERROR. */
struct mf_error *mf_error_hint(struct mf_error *error, const char *format, ...)
	MF_PRINTF(2, 3);

/** What was typed wrong, why it is, and what to type instead: plain texts. */
struct mf_error *mf_error_usage(const char *what, const char *why,
				const char *hint);

/** Takes NULL. */
void mf_error_destroy(struct mf_error *error);

/** For mf_cleanup, on a struct mf_error * variable. */
void mf_error_cleanup(struct mf_error **error);

#define mf_auto_error mf_cleanup(mf_error_cleanup)

/** Returns from the calling function when EXPRESSION is an error. */
#define MF_TRY(expression)                               \
	do {                                             \
		struct mf_error *mf_try_ = (expression); \
		if (mf_try_)                             \
			return mf_try_;                  \
	} while (0)

#endif
