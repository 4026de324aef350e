/*
 * What the program says about its own work, on standard error: warnings,
 * notes (-v), and per-room debug lines (--debug ROOM).
 */
#ifndef MF_BASE_LOG_H
#define MF_BASE_LOG_H

#include <stdbool.h>

#include "base/compiler.h"

enum mf_log_level {
	MF_LOG_QUIET,
	MF_LOG_WARNING,
	MF_LOG_NOTE,
};

void mf_log_set_level(enum mf_log_level level);

/** Turns on debug lines of ROOMS ("heap,target", or "all"). */
void mf_log_set_debug(const char *rooms);

/** Who is told instead of standard error; each may be called by any thread. */
struct mf_log_listener {
	/** A line, without its end. */
	void (*say)(void *context, const char *line);
	/** As mf_progress; DONE == TOTAL: nothing is under way. */
	void (*progress)(void *context, const char *what,
			 unsigned long long done, unsigned long long total);
	/** As mf_work_goes_on; NULL: it always does. */
	bool (*goes_on)(void *context, unsigned long long done,
			unsigned long long total);
	void *context;
};

/** LISTENER lives until another, or NULL, takes its place. */
void mf_log_set_listener(const struct mf_log_listener *listener);

void mf_warn(const char *format, ...) MF_PRINTF(1, 2);
void mf_note(const char *format, ...) MF_PRINTF(1, 2);
void mf_debug(const char *room, const char *format, ...) MF_PRINTF(2, 3);

/**
 * Shows on a terminal's stderr how far a long piece of work is, a few times a
 * second; DONE == TOTAL removes the line. Nothing when quiet or not a terminal.
 */
void mf_progress(const char *what, unsigned long long done,
		 unsigned long long total);

/**
 * Tells whoever listens that DONE of TOTAL of a piece of work is done; false:
 * nobody wants the rest of it any more.
 */
bool mf_work_goes_on(unsigned long long done, unsigned long long total);

#endif
