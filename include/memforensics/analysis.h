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

/* ---- two reports compared ------------------------------------------------ */

/** What changes are told of; mf_change_kind_name. */
enum mf_change_kind {
	MF_CHANGE_CLASS,
	MF_CHANGE_REGION,
	MF_CHANGE_ARENA,
	MF_CHANGE_SIZE_CLASS, /* chunks in use, by size */
	MF_CHANGE_TYPE,
	MF_CHANGE_TASK,
	MF_CHANGE_SHAPE, /* of strings */
	MF_CHANGE_STRING,
	MF_CHANGE_SIGNATURE,
	MF_CHANGE_CONTENT,
	MF_CHANGE_KINDS,
};

/** "class", "region", "size-class", ...: a constant. */
const char *mf_change_kind_name(enum mf_change_kind kind);

/** Bytes of one thing in both reports; of regions and classes, resident. */
struct mf_change {
	enum mf_change_kind kind;
	const char *key;
	uint64_t before, after;
	bool counted; /* it has numbers, too */
	uint64_t before_count, after_count;
};

struct mf_diff;

/**
 * Compares what both reports have; what only one has tables of is left out.
 * Errors: they have nothing in common.
 */
struct mf_error *mf_diff_create(const struct mf_document *before,
				const struct mf_document *after,
				struct mf_diff **ret) MF_MUST_CHECK;
/** Takes NULL. */
void mf_diff_destroy(struct mf_diff *diff);

/** What is not the same, by kind, the greatest growth first. */
const struct mf_change *mf_diff_changes(const struct mf_diff *diff,
					size_t *count);
/** False: one of the reports has no table of it. */
bool mf_diff_compared(const struct mf_diff *diff, enum mf_change_kind kind);
/** All of a kind together, what is the same included. */
const struct mf_change *mf_diff_total(const struct mf_diff *diff,
				      enum mf_change_kind kind);
/** One line: what grew, by how much. */
const char *mf_diff_verdict(const struct mf_diff *diff);

/** CONTRACT.md, diff: `diff`, as data and as text. */
void mf_diff_write(const struct mf_diff *diff, struct mf_report *report);

#endif
