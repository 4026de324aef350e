/*
 * What was typed at the prompt runs in a process of its own, which has all that
 * the prompt knows, and can be ended at any moment.
 */
#ifndef MF_CMD_CHILD_H
#define MF_CMD_CHILD_H

#include <signal.h>
#include <stdbool.h>

#include "cmd/command.h"
#include "cmd/line.h"

struct mf_child {
	/** A command, in the new process; what is returned is its exit code. */
	int (*run)(const struct mf_typed_line *line, void *context);
	/** Asked about once a second, in the old one. */
	void (*tick)(void *context);
	/** Not 0: a signal that the command and the prompt are to end by. */
	const volatile sig_atomic_t *ending;
	void *context;
};

/**
 * Runs LINE and waits for its end; says so where it ended badly. False: there
 * is no process to be had.
 */
bool mf_child_run(const struct mf_child *child,
		  const struct mf_typed_line *line);

#endif
