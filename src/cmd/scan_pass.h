/*
 * A scan as one pass over a target: of `scan` itself, and of commands that want
 * to know what is in memory besides.
 */
#ifndef MF_CMD_SCAN_PASS_H
#define MF_CMD_SCAN_PASS_H

#include "cmd/command.h"

struct mf_scan_pass {
	struct mf_scan_options options;
	const struct mf_select *select;
	struct mf_scan *scan; /* NULL before it was run */
	struct mf_selection selection;
};

/** Reads what was selected. The models of SESSION are those of the pass. */
struct mf_error *mf_scan_pass_run(struct mf_scan_pass *pass,
				  struct mf_session *session) MF_MUST_CHECK;
void mf_scan_pass_deinit(struct mf_scan_pass *pass);

#endif
