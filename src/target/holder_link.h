/*
 * Main's end of the line to the holder.
 */
#ifndef MF_TARGET_HOLDER_LINK_H
#define MF_TARGET_HOLDER_LINK_H

#include "target/holder.h"
#include "target/live.h"

struct mf_holder {
	pid_t pid; /* 0: not running */
	int socket;
	struct mf_holder_shared *shared;
};

/** NULL: no memory for what is shared. */
struct mf_holder *mf_holder_create(void);
/** Ends it, if it runs. Takes NULL. */
void mf_holder_destroy(struct mf_holder *holder);

/** Starts the process of LIVE's holder; false when that cannot be. */
bool mf_holder_start(struct mf_live *live);

/**
 * Asks, and waits for the answer: true and *NUMBER, 0 or errno. False when the
 * holder is gone or does not answer; it is ended then.
 */
bool mf_holder_ask(struct mf_holder *holder,
		   const struct mf_holder_request *request, int *number);

/** False once it has ended, or has let go by itself. */
bool mf_holder_is_there(const struct mf_holder *holder);

#endif
