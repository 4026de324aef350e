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
#include "memforensics/stack.h"
#include "memforensics/target.h"

#include "base/buffer.h"

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

/* ---- threads ------------------------------------------------------------- */

/** What is known of one thread. */
struct mf_thread_facts {
	struct mf_thread thread;
	size_t index; /* of mf_target_threads */
	bool has_stack;
	struct mf_stack_bounds stack;
	/* where its stack pointer is, if not in that: a label or a class, or
	 * NULL */
	const char *elsewhere;
	const char
		*call; /* the system call that it is in, for people; or NULL */
	const char *allocator; /* whose arena it is; NULL: not known */
	unsigned arena;	       /* mf_arena.index */
	bool tcache_known;
	struct mf_amount tcache; /* with what has mappings of its own */
	size_t group;		 /* of those whose names are alike */
	bool unwound;		 /* what follows is known */
	struct mf_stack frames;	 /* the stacks' */
	size_t fold;		 /* of mf_thread_census_folds */
};

/** Threads whose stacks are the same functions. */
struct mf_thread_fold {
	const size_t *threads; /* indices of mf_thread_census_threads */
	size_t count;
	bool cpu_known;
	uint64_t cpu_ms;
	const struct mf_frame *frames; /* of the first of them */
	size_t frame_count;
	enum mf_stack_end end;
};

enum mf_thread_order {
	MF_THREADS_BY_CPU, /* the most first */
	MF_THREADS_BY_TID,
	MF_THREADS_BY_NAME,
	MF_THREADS_BY_STACK, /* resident bytes of it, the most first */
};

struct mf_thread_choice {
	enum mf_thread_order order;
	const int *tids; /* only these; NULL: all */
	size_t tid_count;
};

struct mf_thread_census;

/** The threads as INPUT's models know them; heap may be NULL. */
struct mf_thread_census *
mf_thread_census_create(const struct mf_analysis_input *input,
			const struct mf_thread_choice *choice);
/** Takes NULL. */
void mf_thread_census_destroy(struct mf_thread_census *census);

const struct mf_thread_facts *
mf_thread_census_threads(const struct mf_thread_census *census, size_t *count);

/**
 * Unwinds the threads that are there, and folds equal stacks. STACKS, captured,
 * has to live as long as the census is used.
 */
void mf_thread_census_unwind(struct mf_thread_census *census,
			     struct mf_stacks *stacks);
/** The largest first; none before. */
const struct mf_thread_fold *
mf_thread_census_folds(const struct mf_thread_census *census, size_t *count);

/** How threads are written. */
struct mf_thread_rows {
	bool each;	 /* text: every thread by itself, a frame a line */
	bool frames_set; /* else as many as fit */
	size_t frames;	 /* text: of a stack, at most; 0: all of them */
	size_t top;	 /* text: threads or stacks, at most; 0: some */
};

/** CONTRACT.md, threads: `threads`; `folds`, `thread_groups`, `lacks`. */
void mf_thread_census_write(const struct mf_thread_census *census,
			    struct mf_report *report,
			    const struct mf_thread_rows *rows);

/** `thread_groups` alone; in text ROWS of them (0: none). */
void mf_thread_census_write_groups(const struct mf_thread_census *census,
				   struct mf_report *report, size_t rows);

/**
 * Adds a sentence about the MOST groups whose stacks have the most resident
 * bytes; nothing where all threads have names of their own.
 */
void mf_thread_census_tell_groups(const struct mf_thread_census *census,
				  const struct mf_report *report, size_t most,
				  struct mf_buffer *text);

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
