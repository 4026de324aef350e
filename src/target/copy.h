/*
 * Main's side of a copy-on-write copy of a live target: what the holder needs
 * to make one, reading it, and leaving no trace of it.
 */
#ifndef MF_TARGET_COPY_H
#define MF_TARGET_COPY_H

#include "target/live.h"

/** Tells the holder what it needs for a copy. NULL, or why there can be none. */
const char *mf_copy_plan(struct mf_target *target);

/**
 * The holder was asked for a copy: from now on it is what is read. NULL, or why
 * there is none.
 */
const char *mf_copy_open(struct mf_target *target);

/** Ends the copy, if there is one; what is read then is the process itself. */
void mf_copy_drop(struct mf_target *target);

/** Ends what is left of copies whose owner was killed; looks for them once. */
void mf_copy_reap_leftovers(struct mf_target *target);

#endif
