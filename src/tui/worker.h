/*
 * The thread that works while somebody looks. It alone has the session and its
 * target: the screen gets models, which do not change, and asks for everything
 * else by jobs.
 *
 * Who may touch what:
 *  - The worker: the session, the target, its bytes.
 *  - The screen: models that it took (mf_worker_take_models), until it gives
 *    them back (mf_models_destroy), which it does before it asks for others
 *    (mf_worker_look_again). Nothing of a pane may point into them afterwards.
 *  - A job belongs to whoever works on it: from mf_worker_ask on to the worker,
 *    from done on to the screen again.
 */
#ifndef MF_TUI_WORKER_H
#define MF_TUI_WORKER_H

#include <stdatomic.h>

#include "memforensics/session.h"
#include "memforensics/tui.h"

struct mf_worker;
struct mf_pane;

/** What is known of the target besides models; copies. */
struct mf_facts {
	enum mf_target_kind kind;
	unsigned abilities; /* MF_CAN_* */
	pid_t pid;	    /* 0: not known */
	const char *exe, *comm;
	uint32_t page_size;
	uint64_t user_end;
	unsigned thread_count;
	uint64_t age_ms;
	uint64_t taken_s; /* since 1970 */
	struct mf_limits limits;
	struct mf_status status;
	struct mf_impact impact;
	const struct mf_partial *partials;
	size_t partial_count;
};

/** One moment of the target. */
struct mf_models {
	struct mf_facts facts;
	const struct mf_space *space;
	const struct mf_heap *heap; /* NULL: not read yet, or cannot be */
	const struct mf_finding *findings; /* worst first */
	size_t finding_count;
	bool whole;  /* false: mappings alone; the rest is on its way */
	bool frozen; /* its bytes are of the moment, too: a copy, or a core */
};

/** Takes NULL. */
void mf_models_destroy(struct mf_models *models);

/** Something to be done with the target. Part of a struct of its own kind. */
struct mf_job {
	const char *what; /* for the status line: "reading strings" */
	/** By the worker. Asks mf_job_is_cancelled now and then. */
	struct mf_error *(*run)(struct mf_job *job, const struct mf_view *view);
	/** By the screen, unless the pane was closed meanwhile. ERROR is NULL
	 * or the caller's. */
	void (*done)(struct mf_job *job, const struct mf_error *error);
	/** NULL: free() is enough. */
	void (*destroy)(struct mf_job *job);
	struct mf_pane *pane; /* whose it is; NULL: the browser's own */
	const void *owner;    /* whoever else may be gone before it is done */
	bool urgent;	      /* small, and somebody waits to see it */
	bool alone; /* asks nothing of the view, which may have nothing */
	/* the worker's */
	atomic_bool cancelled;
	struct mf_error *error;
	struct mf_job *next;
};

static inline bool mf_job_is_cancelled(const struct mf_job *job)
{
	return atomic_load(&job->cancelled);
}

/** What it is doing. */
struct mf_work_state {
	bool busy;
	bool holds;    /* the target may be stopped for it just now */
	char what[96]; /* "" where nothing is to be said */
	unsigned long long done, total;
	size_t waiting; /* jobs behind it */
};

/** SESSION is open, and the worker's until mf_worker_stop; for a new look it
 * may be another one that OPTIONS opens. */
struct mf_worker *mf_worker_start(struct mf_session *session,
				  const struct mf_browse_options *options);

/** Readable when there is something to take. */
int mf_worker_fd(const struct mf_worker *worker);

/**
 * Ends it: what is under way is cancelled. False: it is in the middle of
 * something that cannot be, and the session is still its own.
 */
bool mf_worker_stop(struct mf_worker *worker);

/** JOB is the worker's now. */
void mf_worker_ask(struct mf_worker *worker, struct mf_job *job);
/** Nobody waits any more for what OWNER, a pane or another, asked for. */
void mf_worker_forget(struct mf_worker *worker, const void *owner);
/** All jobs, the one under way too. */
void mf_worker_cancel(struct mf_worker *worker);

/**
 * Looks at the target anew; models that were taken have been given back, and all
 * jobs are forgotten.
 */
void mf_worker_look_again(struct mf_worker *worker);

/**
 * Keeps it from stopping the target, until it is resumed: whoever calls is about
 * to stand still. False: the target may be stopped just now.
 */
bool mf_worker_suspend(struct mf_worker *worker) MF_MUST_CHECK;
void mf_worker_resume(struct mf_worker *worker);

/* ---- taking, all by the screen -------------------------------------------- */

/** Its descriptor is not readable any more, until something comes. */
void mf_worker_hear(struct mf_worker *worker);
/** Models that have come, the caller's; NULL: no new ones. */
struct mf_models *mf_worker_take_models(struct mf_worker *worker);
/** Why there are none and will be none; the caller's; NULL: no such thing. */
struct mf_error *mf_worker_take_error(struct mf_worker *worker);
/** Calls `done` of the jobs that are done. */
void mf_worker_take_jobs(struct mf_worker *worker);
/** What was warned of since; the caller's, to free(); NULL: nothing. */
char *mf_worker_take_warning(struct mf_worker *worker);
void mf_worker_state(struct mf_worker *worker, struct mf_work_state *ret);

#endif
