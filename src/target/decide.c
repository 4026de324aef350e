/*
 * Decides how a live target is held: by what its user asked for, what can be
 * done to it, and how long that is likely to take.
 */
#include "target/decide.h"

#include <sys/stat.h>

#include "base/units.h"

enum {
	COST_THREAD_NS = 30000,	 /* seize, stop, read, let go */
	COST_MAPPING_NS = 8000,	 /* a mapping's smaps */
	READ_BYTES_MS = 3000000, /* reading and walking: 3 GB/s */
};

static uint64_t count_threads(const struct mf_live *live)
{
	struct stat status;

	if (fstatat(live->proc, "task", &status, 0) != 0 || status.st_nlink < 3)
		return 1;
	return status.st_nlink - 2;
}

static uint64_t predict_pause_ns(const struct mf_target *target)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < target->mappings.count; i++) {
		const struct mf_mapping *mapping = &target->mappings.items[i];

		if (mapping->perms & MF_PERM_WRITE && mapping->usage_known)
			bytes += mapping->usage.anon;
	}
	return count_threads(mf_live_of(target)) * COST_THREAD_NS +
	       target->mappings.count * COST_MAPPING_NS +
	       (uint64_t)((double)bytes / READ_BYTES_MS * 1000000.0);
}

static enum mf_stop choose(struct mf_target *target, enum mf_stop stop,
			   const char *why)
{
	/* a stop that was made once is what the report tells of */
	if (target->was_stopped && stop == MF_STOP_NONE) {
		target->impact.racy = true;
		return stop;
	}
	target->impact.stop = stop;
	target->impact.why = why;
	target->impact.racy |= stop == MF_STOP_NONE;
	return stop;
}

/* What was asked for cannot be had. */
static enum mf_stop choose_none(struct mf_target *target, const char *why)
{
	choose(target, MF_STOP_NONE, why);
	if (target->options.stop == MF_STOP_BRIEF)
		mf_target_note_partial(target, "stop", "%s", why);
	return MF_STOP_NONE;
}

enum mf_stop mf_decide_stop(struct mf_target *target)
{
	struct mf_live *live = mf_live_of(target);
	uint64_t predicted = predict_pause_ns(target);
	char expected[MF_UNIT_TEXT], allowed[MF_UNIT_TEXT];
	bool fits = predicted <= target->options.max_pause_ns;

	if (target->options.stop == MF_STOP_NONE)
		return choose(target, MF_STOP_NONE, "--stop none");
	if (!live->holder)
		return choose_none(target, live->no_hold
						   ? live->no_hold
						   : "it cannot be stopped");
	if (target->options.stop == MF_STOP_BRIEF)
		return choose(target, MF_STOP_BRIEF, "--stop brief");
	if (target->options.stop == MF_STOP_SNAPSHOT && target->options.no_copy)
		return mf_decide_instead(target, MF_STOP_SNAPSHOT,
					 target->options.no_copy);
	if (target->options.stop == MF_STOP_SNAPSHOT)
		return choose(target, MF_STOP_SNAPSHOT, "--stop snapshot");
	mf_format_time(expected, (double)predicted / 1000000.0);
	mf_format_time(allowed,
		       (double)target->options.max_pause_ns / 1000000.0);
	return choose(target, fits ? MF_STOP_BRIEF : MF_STOP_NONE,
		      mf_pool_printf(&target->pool,
				     "predicted pause %s %s --max-pause %s",
				     expected, fits ? "fits" : "is over",
				     allowed));
}

enum mf_stop mf_decide_instead(struct mf_target *target, enum mf_stop failed,
			       const char *why)
{
	(void)failed;
	return choose_none(target, why);
}
