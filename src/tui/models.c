/*
 * Models of one moment, with copies of what the target's owner changes later.
 */
#include "tui/models.h"

#include <stdlib.h>
#include <time.h>

#include "memforensics/analysis.h"

#include "base/memory.h"
#include "base/pool.h"

struct owned_models {
	struct mf_models models;
	struct mf_pool pool;
	struct mf_analysis *analysis;
	/* of a listing, its own; else NULL, and the session's */
	struct mf_target *target;
	struct mf_space *space;
};

static void copy_partials(struct owned_models *owned,
			  const struct mf_target *target)
{
	size_t count;
	const struct mf_partial *partials = mf_target_partials(target, &count);
	struct mf_partial *copies =
		mf_pool_alloc(&owned->pool, (count + 1) * sizeof(*copies));

	for (size_t i = 0; i < count; i++) {
		copies[i].what = mf_pool_strdup(&owned->pool, partials[i].what);
		copies[i].why = mf_pool_strdup(&owned->pool, partials[i].why);
	}
	owned->models.facts.partials = copies;
	owned->models.facts.partial_count = count;
}

static void copy_facts(struct owned_models *owned,
		       const struct mf_target *target)
{
	const struct mf_target_info *info = mf_target_info(target);
	struct mf_facts *facts = &owned->models.facts;

	*facts = (struct mf_facts){
		.kind = info->kind,
		.abilities = info->abilities,
		.pid = info->pid,
		.exe = mf_pool_strdup(&owned->pool, info->exe),
		.comm = mf_pool_strdup(&owned->pool, info->comm),
		.page_size = info->page_size,
		.user_end = info->user_end,
		.thread_count = info->thread_count,
		.age_ms = info->age_ms,
		.taken_s = info->taken_s ? info->taken_s : (uint64_t)time(NULL),
		.limits = info->limits,
		.status = info->status,
	};
	mf_target_get_impact(target, &facts->impact);
	facts->impact.why = mf_pool_strdup(
		&owned->pool, facts->impact.why ? facts->impact.why : "");
	copy_partials(owned, target);
}

struct mf_models *mf_models_create(const struct mf_view *view, bool frozen)
{
	struct owned_models *owned = mf_new(struct owned_models);
	const struct mf_analysis_input input = {
		.target = view->target,
		.space = view->space,
		.heap = view->heap,
	};

	copy_facts(owned, view->target);
	owned->analysis = mf_analysis_create(&input);
	owned->models.space = view->space;
	owned->models.heap = view->heap;
	owned->models.findings = mf_analysis_findings(
		owned->analysis, &owned->models.finding_count);
	owned->models.whole = true;
	owned->models.frozen = frozen;
	return &owned->models;
}

static struct mf_error *list(struct owned_models *owned, pid_t pid,
			     const char *symfs)
{
	const struct mf_target_options options = {
		.stop = MF_STOP_NONE,
		.symfs = symfs,
	};

	MF_TRY(mf_target_open_live(pid, &options, &owned->target));
	MF_TRY(mf_space_create(owned->target, NULL, &owned->space));
	return mf_space_settle(owned->space);
}

struct mf_models *mf_models_list(pid_t pid, const char *symfs)
{
	struct owned_models *owned = mf_new(struct owned_models);
	mf_auto_error struct mf_error *error = list(owned, pid, symfs);

	if (error) {
		mf_models_destroy(&owned->models);
		return NULL;
	}
	copy_facts(owned, owned->target);
	owned->models.space = owned->space;
	return &owned->models;
}

void mf_models_destroy(struct mf_models *models)
{
	struct owned_models *owned = (struct owned_models *)models;

	if (!models)
		return;
	mf_analysis_destroy(owned->analysis);
	mf_space_destroy(owned->space);
	mf_target_close(owned->target);
	mf_pool_deinit(&owned->pool);
	free(owned);
}
