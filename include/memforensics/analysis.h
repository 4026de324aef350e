/*
 * The door of the analysis room: rules that judge what the other rooms read.
 * A rule is one row of a table (code, needs, run); its thresholds and evidence
 * come from real incidents.
 */
#ifndef MEMFORENSICS_ANALYSIS_H
#define MEMFORENSICS_ANALYSIS_H

#include <stddef.h>

#include "memforensics/heap.h"
#include "memforensics/report.h"
#include "memforensics/space.h"
#include "memforensics/target.h"

struct mf_analysis;

/** What may be judged; heap is NULL when memory could not be read. */
struct mf_analysis_input {
	struct mf_target *target;
	struct mf_space *space; /* settled */
	struct mf_heap *heap;	/* finished, or NULL */
};

/** Runs every rule whose needs are met. */
struct mf_analysis *mf_analysis_create(const struct mf_analysis_input *input);
void mf_analysis_destroy(struct mf_analysis *analysis);

/** Most severe first, then most bytes first. Never empty: the last resort is
 * a finding that says that nothing stands out. */
const struct mf_finding *
mf_analysis_findings(const struct mf_analysis *analysis, size_t *count);

#endif
