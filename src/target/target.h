/*
 * What a target is inside its room: one table of operations for each kind
 * (live, listing, forged), and what all kinds have in common: mappings,
 * threads, notes, impact, and a small page cache.
 */
#ifndef MF_TARGET_TARGET_H
#define MF_TARGET_TARGET_H

#include "memforensics/target.h"

#include "base/pool.h"
#include "base/vec.h"
#include "target/maps.h"

/** Visits pages [START, END) that have FLAGS; those in between are absent. */
typedef void mf_run_visit(void *context, uint64_t start, uint64_t end,
			  uint8_t flags);

struct mf_thread_extra;
struct mf_process_extra;
struct mf_target_span;

/**
 * A kind of target. To add one (a core, a snapshot):
 *  1. add its name to enum mf_target_kind and an open function to the door;
 *  2. fill this table; what it cannot do stays NULL, and its ability unset;
 *  3. create with mf_target_create, fill info, read the mappings.
 */
struct mf_target_ops {
	void (*close)(struct mf_target *target);
	/** Fills target->mappings, which is empty, in address order. */
	struct mf_error *(*refresh)(struct mf_target *target);
	/** Visits the present and swapped pages of one mapping's part. */
	struct mf_error *(*runs)(struct mf_target *target, uint64_t start,
				 uint64_t end, mf_run_visit *visit,
				 void *context);
	/** FLAGS is filled already; sets MF_PAGE_UNREADABLE where it fails. */
	struct mf_error *(*read)(struct mf_target *target, uint64_t start,
				 size_t count, void *bytes, uint8_t *flags);
	struct mf_error *(*open_file)(struct mf_target *target,
				      const struct mf_mapping *mapping,
				      int *ret);
	/** Fills target->threads, which is empty. */
	void (*read_threads)(struct mf_target *target);
	/** The outermost hold: decides how, and sets target->impact. */
	struct mf_error *(*hold)(struct mf_target *target);
	void (*release)(struct mf_target *target);
	void (*drop_copy)(struct mf_target *target);
	bool (*lost_copy)(struct mf_target *target);
	bool (*has_copy)(struct mf_target *target);
	bool (*has_ended)(struct mf_target *target);
	/** Why a copy is not to be kept; NULL: it may be. */
	const char *(*refuse_copy)(struct mf_target *target);
	/** Adds what `read` would copy to target->ahead and fills in the rest;
	 * false, with nothing touched: it cannot. NULL: never. */
	bool (*begin)(struct mf_target *target,
		      const struct mf_target_span *span);
	bool (*is_still)(struct mf_target *target);
	/** As in extra.h, for a core that is written. */
	bool (*thread_extra)(struct mf_target *target, pid_t tid,
			     struct mf_thread_extra *ret);
	void (*process_extra)(struct mf_target *target,
			      struct mf_process_extra *ret);
	/** See the door; NULL: it has none. */
	void (*kernel_words)(struct mf_target *target,
			     void (*visit)(const char *holder, uint64_t value,
					   void *data),
			     void *data);
};

/** Pages that are read ahead. */
struct mf_target_span {
	uint64_t start;
	size_t count; /* of pages */
	uint8_t *bytes, *flags;
	bool is_ahead;	    /* by target->ahead: */
	uint64_t units_end; /* as mf_ahead_take takes it */
};

struct mf_target {
	const struct mf_target_ops *ops;
	struct mf_target_info info;
	struct mf_target_options options;
	struct mf_pool pool; /* the texts of info and notes */
	struct mf_mappings mappings;
	MF_VEC(struct mf_thread) threads;
	bool threads_known;
	MF_VEC(struct mf_partial) partials;
	struct mf_impact impact;
	uint64_t opened_ns, held_ns; /* held_ns: when the hold began */
	unsigned held;		     /* depth of holds */
	bool was_stopped;	     /* since the last rewind */
	bool keeps_copy;
	uint64_t kept_ns;  /* when it was; 0: not yet */
	uint64_t expected; /* bytes to be read under a hold; UINT64_MAX: all */
	uint64_t expected_more; /* and read again, or of other memory */
	struct mf_page_cache *cache;
	pthread_mutex_t *shared; /* NULL: one thread reads */
	bool wants_words;	 /* of the kernel, of a copy's moment */
	struct mf_ahead *ahead;	 /* NULL: not made yet, or not to be had */
	bool no_ahead;
	struct mf_target_span spans[MF_PAGES_AHEAD]; /* as they were begun */
	size_t span_count;
	void *own; /* the kind's */
};

/** Around what takes long and touches nothing of TARGET. */
static inline void mf_target_let_others(const struct mf_target *target)
{
	if (target->shared)
		pthread_mutex_unlock(target->shared);
}

static inline void mf_target_go_on(const struct mf_target *target)
{
	if (target->shared)
		pthread_mutex_lock(target->shared);
}

/** No device, and nothing that another process fills in: it may be read. */
bool mf_mapping_is_memory(const struct mf_mapping *mapping);

/**
 * Visits the pages of [START, END) that are not absent, as far as it is memory.
 */
struct mf_error *mf_target_visit_runs(struct mf_target *target, uint64_t start,
				      uint64_t end, mf_run_visit *visit,
				      void *context) MF_MUST_CHECK;

struct mf_target *mf_target_create(const struct mf_target_ops *ops, void *own);

/** Closes and forgets what the page cache holds; NULL cache is fine. */
void mf_page_cache_destroy(struct mf_page_cache *cache);

#endif
