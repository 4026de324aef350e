/*
 * What a rule is, and how it says what it found.
 *
 * To add a rule:
 *  1. Write a static function `void judge_<what>(judge, facts)` in the file of
 *     its theme; return early when its evidence is not there. Give every
 *     threshold an absolute floor as well: a shell must stay calm.
 *  2. Say what was found: mf_judge_find (one line of at most 88 columns with
 *     its numbers), mf_judge_evidence for each number that decided, and
 *     mf_judge_advise for each line that the user can paste.
 *  3. Add {code, needs, function} to the table that ends the file. The code is
 *     a promise to scripts: it never changes its meaning.
 *  4. Forge the facts in tests/unit/test_analysis_<theme>.c: once over each
 *     threshold and once below it.
 */
#ifndef MF_ANALYSIS_JUDGE_H
#define MF_ANALYSIS_JUDGE_H

#include "analysis/facts.h"
#include "base/compiler.h"

struct mf_judge;

enum mf_rule_need {
	MF_NEED_USAGE = 1 << 0, /* RSS of the regions is known */
	MF_NEED_GLIBC = 1 << 1, /* glibc's heaps were walked */
	MF_NEED_HEAP = 1 << 2,	/* allocators were looked for */
	MF_IS_REMARK = 1 << 3,	/* no answer to "where did it go" */
};

struct mf_rule {
	const char *code;
	unsigned needs; /* MF_NEED_*, MF_IS_REMARK */
	void (*run)(struct mf_judge *judge, const struct mf_facts *facts);
};

struct mf_rules {
	const struct mf_rule *rules;
	size_t count;
};

extern const struct mf_rules mf_glibc_rules, mf_arena_rules, mf_holder_rules,
	mf_stack_rules, mf_mapping_rules, mf_kernel_rules, mf_runtime_rules,
	mf_size_rules;

/** Opens a finding of the running rule, about BYTES bytes. */
void mf_judge_find(struct mf_judge *judge, enum mf_severity severity,
		   uint64_t bytes, const char *title, ...) MF_PRINTF(4, 5);

/** Adds to the finding that was opened last. KEY is a constant. */
void mf_judge_evidence(struct mf_judge *judge, const char *key,
		       struct mf_value value);
void mf_judge_advise(struct mf_judge *judge, const char *format, ...)
	MF_PRINTF(2, 3);

/** "2.6 GiB", "38%": texts that live as long as the findings. */
const char *mf_judge_size(struct mf_judge *judge, uint64_t bytes);
const char *mf_judge_share(struct mf_judge *judge, uint64_t part,
			   uint64_t whole);
const char *mf_judge_count(struct mf_judge *judge, uint64_t count);
/** COPY of a text that may not live long enough, as evidence. */
const char *mf_judge_text(struct mf_judge *judge, const char *text);

/** The process as it is pasted into a command: "4242", or "PID". */
const char *mf_judge_pid(struct mf_judge *judge);

/** Advice to set an environment variable and to restart. */
void mf_judge_advise_environment(struct mf_judge *judge, const char *setting,
				 const char *effect);

/** How free memory is given back by what is in the process. */
void mf_judge_advise_trim(struct mf_judge *judge, const struct mf_facts *facts);

/** Runs all rules over FACTS (forged, in a test). */
struct mf_analysis *mf_analysis_judge(const struct mf_facts *facts);

#endif
