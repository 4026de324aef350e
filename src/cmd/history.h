/*
 * The file of what was typed at the prompt.
 */
#ifndef MF_CMD_HISTORY_H
#define MF_CMD_HISTORY_H

#include <stddef.h>

#include "base/vec.h"

enum {
	MF_HISTORY_LINES = 1000, /* that are kept */
};

struct mf_history {
	char *path; /* NULL: nothing is kept */
	struct mf_history_lines {
		char **items;
		size_t count, capacity;
	} added; /* since it was opened */
};

/**
 * Finds the file: what MEMFORENSICS_HISTORY names (empty: none), else
 * memforensics/history in XDG_STATE_HOME, or in ~/.local/state. There is none
 * where that folder, or HOME, belongs to another user, as below sudo.
 */
void mf_history_open(struct mf_history *ret);

/** Shows VISIT its lines, oldest first. */
void mf_history_each(const struct mf_history *history,
		     void (*visit)(const char *line));

void mf_history_add(struct mf_history *history, const char *line);

/** Writes what was added behind what is there now, and forgets it. */
void mf_history_close(struct mf_history *history);

#endif
