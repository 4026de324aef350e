/*
 * Runs the rules over the facts and keeps what they found, worst first.
 */
#include "memforensics/analysis.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "analysis/judge.h"
#include "base/buffer.h"
#include "base/pool.h"
#include "base/units.h"
#include "base/vec.h"

enum {
	MOST_EVIDENCE = 16,
	MOST_ADVICE = 6,
};

struct mf_analysis {
	struct mf_pool pool;
	MF_VEC(struct mf_finding) findings;
};

struct mf_judge {
	struct mf_analysis *analysis;
	const struct mf_facts *facts;
	const char *code; /* of the rule that runs */
	size_t answers;	  /* findings that are more than remarks */
	/* Those of the finding that was opened last. */
	struct mf_field *evidence;
	const char **advice;
	size_t advice_count;
};

/* ---- what rules call ---------------------------------------------------- */

static char *format_text(struct mf_judge *judge, const char *format,
			 va_list arguments) MF_PRINTF(2, 0);

static char *format_text(struct mf_judge *judge, const char *format,
			 va_list arguments)
{
	MF_AUTO_BUFFER(text);

	mf_buffer_vprintf(&text, format, arguments);
	return mf_pool_strdup(&judge->analysis->pool, mf_buffer_text(&text));
}

void mf_judge_find(struct mf_judge *judge, enum mf_severity severity,
		   uint64_t bytes, const char *title, ...)
{
	struct mf_pool *pool = &judge->analysis->pool;
	struct mf_finding *finding = mf_vec_add(&judge->analysis->findings);
	va_list arguments;

	judge->evidence =
		mf_pool_alloc(pool, MOST_EVIDENCE * sizeof(struct mf_field));
	judge->advice = mf_pool_alloc(pool, (MOST_ADVICE + 1) * sizeof(char *));
	judge->advice_count = 0;
	finding->code = judge->code;
	finding->severity = severity;
	finding->bytes = bytes;
	finding->evidence = judge->evidence;
	finding->advice = judge->advice;
	va_start(arguments, title);
	finding->title = format_text(judge, title, arguments);
	va_end(arguments);
}

void mf_judge_evidence(struct mf_judge *judge, const char *key,
		       struct mf_value value)
{
	struct mf_finding *finding =
		&judge->analysis->findings
			 .items[judge->analysis->findings.count - 1];

	assert(finding->evidence_count < MOST_EVIDENCE);
	judge->evidence[finding->evidence_count++] =
		(struct mf_field){ .key = key, .value = value };
}

void mf_judge_advise(struct mf_judge *judge, const char *format, ...)
{
	va_list arguments;

	assert(judge->advice_count < MOST_ADVICE);
	va_start(arguments, format);
	judge->advice[judge->advice_count++] =
		format_text(judge, format, arguments);
	va_end(arguments);
}

const char *mf_judge_size(struct mf_judge *judge, uint64_t bytes)
{
	char text[MF_UNIT_TEXT];

	return mf_pool_strdup(&judge->analysis->pool,
			      mf_format_size(text, bytes));
}

const char *mf_judge_count(struct mf_judge *judge, uint64_t count)
{
	char text[MF_UNIT_TEXT];

	return mf_pool_strdup(&judge->analysis->pool,
			      mf_format_count(text, count));
}

const char *mf_judge_share(struct mf_judge *judge, uint64_t part,
			   uint64_t whole)
{
	return mf_pool_printf(&judge->analysis->pool, "%.0f%%",
			      whole ? (double)part * 100 / (double)whole : 0);
}

const char *mf_judge_text(struct mf_judge *judge, const char *text)
{
	return mf_pool_strdup(&judge->analysis->pool, text);
}

const char *mf_judge_pid(struct mf_judge *judge)
{
	pid_t pid = judge->facts->info->pid;

	return pid > 0 ? mf_pool_printf(&judge->analysis->pool, "%d", pid)
		       : "PID";
}

void mf_judge_advise_environment(struct mf_judge *judge, const char *setting,
				 const char *effect)
{
	mf_judge_advise(judge, "export %s   # then restart it: %s", setting,
			effect);
}

static bool is_damaged(const struct mf_facts *facts)
{
	const struct mf_allocator *glibc = mf_facts_glibc(facts);

	for (size_t i = 0; glibc && i < glibc->arena_count; i++)
		if (glibc->arenas[i].corrupt_count)
			return true;
	return false;
}

void mf_judge_advise_trim(struct mf_judge *judge, const struct mf_facts *facts)
{
	if (is_damaged(facts)) {
		mf_judge_advise(judge, "do not trim it: malloc may abort at "
				       "the damage; restart it");
		return;
	}
	if (mf_facts_has(facts, "hotspot")) {
		mf_judge_advise(judge, "jcmd %s System.trim_native_heap",
				mf_judge_pid(judge));
		mf_judge_advise(judge, "-XX:+UnlockExperimentalVMOptions "
				       "-XX:TrimNativeHeapInterval=60000   "
				       "# at the next start");
		return;
	}
	if (mf_facts_has(facts, "cpython"))
		mf_judge_advise(judge, "import ctypes; "
				       "ctypes.CDLL(None).malloc_trim(0)   "
				       "# in the program, after a peak");
	else
		mf_judge_advise(judge, "malloc_trim(0);   "
				       "/* in the program, after a peak */");
}

/* ---- running -------------------------------------------------------------- */

static const struct mf_rules *const themes[] = {
	&mf_glibc_rules,   &mf_arena_rules,  &mf_holder_rules,	&mf_stack_rules,
	&mf_mapping_rules, &mf_kernel_rules, &mf_runtime_rules, &mf_size_rules,
};

static unsigned what_is_there(const struct mf_facts *facts)
{
	unsigned there = 0;

	if (facts->rss)
		there |= MF_NEED_USAGE;
	if (mf_facts_glibc(facts))
		there |= MF_NEED_GLIBC;
	if (facts->allocator_count)
		there |= MF_NEED_HEAP;
	return there;
}

static void run_rule(struct mf_judge *judge, const struct mf_facts *facts,
		     const struct mf_rule *rule, unsigned there)
{
	size_t before = judge->analysis->findings.count;

	if ((rule->needs & ~(there | MF_IS_REMARK)) != 0)
		return;
	judge->code = rule->code;
	rule->run(judge, facts);
	if (!(rule->needs & MF_IS_REMARK))
		judge->answers += judge->analysis->findings.count - before;
}

static void run_rules(struct mf_judge *judge, const struct mf_facts *facts)
{
	unsigned there = what_is_there(facts);

	for (size_t i = 0; i < MF_ARRAY_SIZE(themes); i++)
		for (size_t j = 0; j < themes[i]->count; j++)
			run_rule(judge, facts, &themes[i]->rules[j], there);
}

/* The last resort: a report always has a verdict. */
static void find_nothing(struct mf_judge *judge, const struct mf_facts *facts)
{
	judge->code = "nothing-stands-out";
	if (!facts->rss) {
		mf_judge_find(judge, MF_SEVERITY_INFO, 0,
			      "nothing stands out in %s mappings "
			      "(their resident sizes are not known)",
			      mf_judge_count(judge, facts->mapping_count));
		return;
	}
	/* Calm would be a claim when much is not known. */
	if (facts->rss_explained < facts->rss / 10 * 9)
		mf_judge_find(
			judge, MF_SEVERITY_INFO, facts->rss,
			"nothing large stands out, but nothing here "
			"claims %s of %s RSS",
			mf_judge_size(judge, facts->rss - facts->rss_explained),
			mf_judge_size(judge, facts->rss));
	else
		mf_judge_find(judge, MF_SEVERITY_INFO, facts->rss,
			      "nothing stands out: RSS is %s, and %s of it is "
			      "explained",
			      mf_judge_size(judge, facts->rss),
			      mf_judge_share(judge, facts->rss_explained,
					     facts->rss));
	mf_judge_evidence(judge, "rss", mf_size(facts->rss));
	mf_judge_evidence(judge, "rss_explained",
			  mf_size(facts->rss_explained));
}

static int compare_findings(const void *left, const void *right)
{
	const struct mf_finding *a = left, *b = right;

	if (a->severity != b->severity)
		return a->severity < b->severity ? 1 : -1;
	if (a->bytes != b->bytes)
		return a->bytes < b->bytes ? 1 : -1;
	return strcmp(a->code, b->code);
}

struct mf_analysis *mf_analysis_judge(const struct mf_facts *facts)
{
	struct mf_analysis *analysis = mf_new(struct mf_analysis);
	struct mf_judge judge = { .analysis = analysis, .facts = facts };

	run_rules(&judge, facts);
	if (!judge.answers)
		find_nothing(&judge, facts);
	mf_vec_sort(&analysis->findings, compare_findings);
	return analysis;
}

void mf_analysis_destroy(struct mf_analysis *analysis)
{
	if (!analysis)
		return;
	mf_vec_deinit(&analysis->findings);
	mf_pool_deinit(&analysis->pool);
	free(analysis);
}

const struct mf_finding *
mf_analysis_findings(const struct mf_analysis *analysis, size_t *count)
{
	*count = analysis->findings.count;
	return analysis->findings.items;
}
