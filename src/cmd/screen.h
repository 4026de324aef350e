/*
 * How many rows each block of `attach` may have, so that all of it fits a
 * screen.
 */
#ifndef MF_CMD_SCREEN_H
#define MF_CMD_SCREEN_H

#include "cmd/command.h"

/** Rows of each block, without its headings and sums. */
struct mf_screen {
	size_t verdicts, classes, arenas, suspects, advice;
};

/** FINDINGS and COUNT: all of them; HEAP may be NULL. */
struct mf_screen mf_screen_fit(const struct mf_run *run,
			       const struct mf_space *space,
			       const struct mf_heap *heap,
			       const struct mf_finding *findings, size_t count);

/** Lines that the advice of a finding takes. */
size_t mf_advice_lines(const struct mf_finding *finding);

#endif
