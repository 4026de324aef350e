/*
 * How many rows each block of `attach` may have, so that all of it fits a
 * screen.
 */
#ifndef MF_CMD_SCREEN_H
#define MF_CMD_SCREEN_H

#include "cmd/command.h"

/** Rows of each block, without its headings and sums. */
struct mf_screen {
	size_t verdicts, classes, arenas, suspects, advice, contents;
	size_t names; /* 1: what threads are called; 0: no room for it */
};

/** What there is to show. */
struct mf_screen_of {
	const struct mf_space *space;
	const struct mf_heap *heap;	   /* or NULL */
	const struct mf_finding *findings; /* all of them */
	size_t finding_count;
	const struct mf_scan *contents; /* what is in groups, or NULL */
	size_t threads; /* columns of what is said of their groups */
};

struct mf_screen mf_screen_fit(const struct mf_run *run,
			       const struct mf_screen_of *of);

/** Lines that the advice of a finding takes. */
size_t mf_advice_lines(const struct mf_finding *finding);

#endif
