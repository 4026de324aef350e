/*
 * A line that is typed at the prompt: its words, with quotes, and what the
 * program's own advice looks like there.
 */
#ifndef MF_CMD_LINE_H
#define MF_CMD_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct mf_typed_line {
	char **words; /* count of them, and a NULL */
	size_t count, capacity;
	char *pipe; /* what follows an unquoted |, for a shell; NULL: none */
};

/**
 * Cuts TEXT into words: at spaces and tabs, unless they are quoted. '...' is
 * taken as it is; in "..." a \ stands before " and \, elsewhere before any
 * character. Nothing is expanded. Errors: usage, a quote that is not closed,
 * nothing beside a |, or a word that begins with >.
 */
struct mf_error *mf_line_cut(const char *text, struct mf_typed_line *ret)
	MF_MUST_CHECK;
void mf_line_deinit(struct mf_typed_line *line);

/** A line as far as it has been typed. */
struct mf_typed {
	struct mf_typed_line before; /* words that are complete */
	char *word;   /* the one at its end, without quotes; or "" */
	char quote;   /* that is open; or 0 */
	bool in_pipe; /* behind a | */
};

/** Of the first SIZE bytes of TEXT; there are no errors. */
void mf_line_look(const char *text, size_t size, struct mf_typed *ret);
void mf_typed_deinit(struct mf_typed *typed);

/**
 * HINT ("memforensics arenas 1234 -v") as it is typed at the prompt, where
 * TARGET ("1234") is known: "arenas -v". What is no such line stays as it is.
 * free() it.
 */
char *mf_line_shorten(const char *hint, const char *target);

#endif
