/*
 * A scan as one pass over a target: of `scan` itself, and of commands that want
 * to know what is in memory besides.
 */
#ifndef MF_CMD_SCAN_PASS_H
#define MF_CMD_SCAN_PASS_H

#include "base/vec.h"
#include "cmd/command.h"

/** The regions that words are looked for that point into them. */
struct mf_scan_pointing {
	struct mf_select *selects[MF_SCAN_PATTERNS]; /* one a pattern; NULL */
	MF_VEC(struct mf_scan_pointed) ranges;
};

struct mf_scan_pass {
	struct mf_scan_options options;
	const struct mf_select *select;
	bool usual; /* what is usual was selected */
	/* 0: all of it; else a sample of about so many bytes, unless a better
	 * moment of the target is worth more than it */
	uint64_t sample_most;
	struct mf_scan_sample sample; /* that was read */
	struct mf_scan *scan;	      /* NULL before it was run */
	struct mf_selection selection;
	struct mf_scan_pointing pointing;
};

/** Reads what was selected. The models of SESSION are those of the pass. */
struct mf_error *mf_scan_pass_run(struct mf_scan_pass *pass,
				  struct mf_session *session) MF_MUST_CHECK;
void mf_scan_pass_deinit(struct mf_scan_pass *pass);

/* ---- patterns: scan_patterns.c ---------------------------------------------- */

struct mf_error *mf_scan_set_find(struct mf_settings *settings,
				  const char *value) MF_MUST_CHECK;
struct mf_error *mf_scan_set_hex(struct mf_settings *settings,
				 const char *value) MF_MUST_CHECK;
struct mf_error *mf_scan_set_regex(struct mf_settings *settings,
				   const char *value) MF_MUST_CHECK;
struct mf_error *mf_scan_set_pointer_to(struct mf_settings *settings,
					const char *value) MF_MUST_CHECK;
struct mf_error *mf_scan_set_yara(struct mf_settings *settings,
				  const char *value) MF_MUST_CHECK;

/** Before the stop; then, while it stands still, what is meant. */
struct mf_error *mf_scan_pointed_parse(struct mf_scan_pointing *pointing,
				       const struct mf_scan_options *options)
	MF_MUST_CHECK;
struct mf_error *mf_scan_pointed_resolve(struct mf_scan_pointing *pointing,
					 const struct mf_view *view)
	MF_MUST_CHECK;
void mf_scan_pointed_deinit(struct mf_scan_pointing *pointing);

#endif
