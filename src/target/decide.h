/*
 * How a live target is to be held, and what to do when that cannot be.
 */
#ifndef MF_TARGET_DECIDE_H
#define MF_TARGET_DECIDE_H

#include "target/live.h"

/** How to hold it now, never AUTO: target->impact says so, and why. */
enum mf_stop mf_decide_stop(struct mf_target *target);

/**
 * FAILED was tried, and could not be because of WHY (of the target's pool, or
 * constant): what to do instead. Notes it where FAILED was asked for.
 */
enum mf_stop mf_decide_instead(struct mf_target *target, enum mf_stop failed,
			       const char *why);

/** Why there is no more room for a copy that has been made; NULL: there is. */
const char *mf_decide_against_keeping(struct mf_target *target);

#endif
