/*
 * What is kept of a moment, to be compared with a later one: figures, not memory,
 * in the form of a report.
 */
#ifndef MF_TUI_MARK_H
#define MF_TUI_MARK_H

#include "tui/worker.h"

struct mf_mark {
	char *text; /* a report in JSON; NULL: nothing is marked */
	size_t size;
	uint64_t taken_s; /* since 1970 */
	bool whole;	  /* else of its mappings alone */
};

/** Marks the moment of MODELS. Errors: there is no room for it. */
struct mf_error *mf_mark_take(const struct mf_models *models,
			      struct mf_mark *ret) MF_MUST_CHECK;
void mf_mark_deinit(struct mf_mark *mark);

/**
 * Compares two marks, SIZES bytes of TEXTS each, and writes what `diff` does of
 * reports into REPORT; *ret: what grew in one line, the caller's.
 */
struct mf_error *mf_mark_compare(const char *const texts[2],
				 const size_t sizes[2],
				 struct mf_report *report, char **ret)
	MF_MUST_CHECK;

#endif
