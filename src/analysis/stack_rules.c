/*
 * Rules about the stacks of threads: how many, what they hold in RAM, those
 * whose threads are gone, and huge pages under them.
 */
#include "analysis/judge.h"
#include "base/units.h"

enum {
	LARGE = 64 * MF_MIB,
	CACHED_LEAST = 16 * MF_MIB,
	CACHED_MANY = 32, /* more than glibc's 40 MiB hold of 8 MiB stacks */
	THREADS_MANY = 500,
	THP_LEAST = 32 * MF_MIB,
};

static void advise_names(struct mf_judge *judge)
{
	mf_judge_advise(judge,
			"ps -L -p %s -o comm= | sort | uniq -c | sort -rn | "
			"head   # pools, by name",
			mf_judge_pid(judge));
}

static void judge_threads(struct mf_judge *judge, const struct mf_facts *facts)
{
	const struct mf_stack_census *stacks = &facts->stacks;
	bool large = mf_is_large(stacks->live_rss, facts->rss, 10, LARGE);

	if (!large && stacks->live < THREADS_MANY)
		return;
	mf_judge_find(judge, large ? MF_SEVERITY_WARNING : MF_SEVERITY_INFO,
		      stacks->live_rss,
		      "%s threads: their stacks hold %s in RAM, %s of RSS",
		      mf_judge_count(judge, stacks->live),
		      mf_judge_size(judge, stacks->live_rss),
		      mf_judge_share(judge, stacks->live_rss, facts->rss));
	mf_judge_evidence(judge, "threads", mf_count(stacks->live));
	mf_judge_evidence(judge, "rss", mf_size(stacks->live_rss));
	mf_judge_evidence(
		judge, "rss_each",
		mf_size(stacks->live ? stacks->live_rss / stacks->live : 0));
	advise_names(judge);
}

static void judge_cached(struct mf_judge *judge, const struct mf_facts *facts)
{
	const struct mf_stack_census *stacks = &facts->stacks;

	if (stacks->cached < CACHED_MANY && stacks->cached_rss < CACHED_LEAST)
		return;
	mf_judge_find(judge,
		      mf_is_large(stacks->cached_rss, facts->rss, 10, LARGE)
			      ? MF_SEVERITY_WARNING
			      : MF_SEVERITY_INFO,
		      stacks->cached_rss,
		      "%s stacks of threads that are gone hold %s in RAM",
		      mf_judge_count(judge, stacks->cached),
		      mf_judge_size(judge, stacks->cached_rss));
	mf_judge_evidence(judge, "cached", mf_count(stacks->cached));
	mf_judge_evidence(judge, "cached_rss", mf_size(stacks->cached_rss));
	mf_judge_evidence(judge, "threads", mf_count(stacks->live));
	mf_judge_advise(judge, "pthread_join(thread, NULL);   /* or "
			       "pthread_detach: an unjoined thread keeps its "
			       "stack */");
}

static void judge_thp(struct mf_judge *judge, const struct mf_facts *facts)
{
	const struct mf_stack_census *stacks = &facts->stacks;
	uint64_t count = stacks->live + stacks->cached;
	uint64_t rss = stacks->live_rss + stacks->cached_rss;

	if (stacks->thp < THP_LEAST || !count || rss / count < MF_MIB)
		return;
	mf_judge_find(judge, MF_SEVERITY_WARNING, stacks->thp,
		      "huge pages fill thread stacks: %s each on average, %s "
		      "in all",
		      mf_judge_size(judge, rss / count),
		      mf_judge_size(judge, rss));
	mf_judge_evidence(judge, "stacks", mf_count(count));
	mf_judge_evidence(judge, "rss", mf_size(rss));
	mf_judge_evidence(judge, "thp", mf_size(stacks->thp));
	mf_judge_advise(judge, "echo madvise | sudo tee "
			       "/sys/kernel/mm/transparent_hugepage/enabled");
	mf_judge_advise(judge,
			"pthread_attr_setstacksize(&attributes, size);   "
			"/* no multiple of 2 MiB */");
}

static const struct mf_rule rules[] = {
	{ "thread-stacks", MF_NEED_USAGE, judge_threads },
	{ "cached-stacks", MF_NEED_USAGE, judge_cached },
	{ "huge-stacks", MF_NEED_USAGE, judge_thp },
};

const struct mf_rules mf_stack_rules = { rules, MF_ARRAY_SIZE(rules) };
