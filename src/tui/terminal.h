/*
 * The terminal: taken and given back, whatever happens; keys out of it, lines
 * onto it. The only file that says in which colours tints are.
 */
#ifndef MF_TUI_TERMINAL_H
#define MF_TUI_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "tui/strip.h"

/** Something that was pressed; code is of keys.h. */
struct mf_key {
	enum {
		MF_KEY_NOTHING,
		MF_KEY_NAMED, /* code: what curses calls it, or a control */
		MF_KEY_TEXT,  /* code: a character */
		MF_KEY_RESIZE,
		MF_KEY_CLICK, /* x, y */
		MF_KEY_WHEEL_UP,
		MF_KEY_WHEEL_DOWN,
	} kind;
	int code;
	int x, y;
};

/**
 * Takes the terminal of standard input and output. Errors: it is none, or it
 * cannot place a cursor (TERM=dumb).
 */
struct mf_error *mf_terminal_open(bool color) MF_MUST_CHECK;
/** Gives it back as it was. */
void mf_terminal_close(void);

bool mf_terminal_is_utf8(void);
void mf_terminal_size(unsigned *rows, unsigned *width);

/** Everything that follows is shown by the flush. */
void mf_terminal_erase(void);
/** LINE from column X of row Y on, at most WIDTH columns; OVER is laid over all
 * of them (MF_TINT_PLAIN: nothing is). */
void mf_terminal_line(unsigned y, unsigned x, unsigned width,
		      const struct mf_strip *line, enum mf_tint over);
/** Where typing goes on; X negative: nowhere, and no cursor is shown. */
void mf_terminal_cursor(int y, int x);
void mf_terminal_flush(void);
/** All of it anew, as after garbage. */
void mf_terminal_redraw(void);

/** Does not wait. */
struct mf_key mf_terminal_key(void);

/** To be polled besides standard input: readable when a signal came. */
int mf_terminal_signal_fd(void);
/** The signal that asks us to end; 0: none did. */
int mf_terminal_ending(void);
/** Somebody asks us to stand still (SIGTSTP); asked for once. */
bool mf_terminal_takes_suspension(void);
/** Gives the terminal back, stands still until SIGCONT, and takes it again. */
void mf_terminal_suspend(void);

#endif
