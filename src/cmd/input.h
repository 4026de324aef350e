/*
 * The line that a person types at a terminal, with what helps to type it:
 * editing, completion, history; and what a person does instead of typing: Ctrl-C,
 * closing the terminal.
 */
#ifndef MF_CMD_INPUT_H
#define MF_CMD_INPUT_H

#include <signal.h>
#include <stdbool.h>

#include "memforensics/session.h"

#include "base/buffer.h"

/** Who reads lines: one at a time in a program. */
struct mf_input {
	/** Asked about once a second while a line is typed: adds what is to be
	 * told above it, in whole lines. */
	void (*watch)(void *context, struct mf_buffer *text);
	/** What completion knows of the target; any model may be NULL. */
	struct mf_view (*view)(void *context);
	void *context;
};

/**
 * Takes over the signals of a terminal, and the history that was kept. INPUT
 * stays the caller's, until mf_input_close. A fault leaves the terminal as it
 * was.
 */
void mf_input_open(const struct mf_input *input);
/** Keeps the history. Signals stay taken over. */
void mf_input_close(void);

/**
 * A line, typed behind PROMPT; free() it. NULL: there are no more, or a signal
 * ends us (mf_input_ending). Ctrl-C begins the line anew. What was interrupted
 * before is forgotten.
 */
char *mf_input_read(const char *prompt);

/** Keeps TEXT for this time and the next, unless it is the last line again, or
 * begins with a space. */
void mf_input_remember(const char *text);

/** Ctrl-C was pressed since the last line. */
bool mf_input_is_interrupted(void);

/** Not 0: the signal that we are to end by. */
const volatile sig_atomic_t *mf_input_ending(void);

#endif
