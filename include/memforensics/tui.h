/*
 * The door of the tui room: a full-screen browser of one moment of a target.
 */
#ifndef MEMFORENSICS_TUI_H
#define MEMFORENSICS_TUI_H

#include "memforensics/session.h"

struct mf_browse_options {
	bool bytes; /* plain numbers instead of IEC units */
	bool color; /* where the terminal has colours */
	/** Opens another session of the same process, for a new look at it,
	 * where SESSION shows one moment for good; the caller's. NULL: SESSION
	 * itself looks anew. */
	struct mf_error *(*open)(void *context, struct mf_session **ret);
	void *context; /* of open */
};

/** How it ended. */
struct mf_browse_end {
	int signal; /* that asked for it; 0: a key did */
	/* SESSION is being worked with, and may not be closed: the process has
	 * to end, and does no harm by it */
	bool busy;
};

/**
 * Browses what SESSION, just opened, has, until the user has enough. The
 * terminal is as it was when it returns, and whatever signal or fault ends the
 * program before. Errors: there is no terminal that can show it; the target
 * cannot be read.
 */
struct mf_error *mf_browse(struct mf_session *session,
			   const struct mf_browse_options *options,
			   struct mf_browse_end *ret) MF_MUST_CHECK;

#endif
