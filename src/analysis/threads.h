/*
 * The census of threads as its own files see it.
 */
#ifndef MF_ANALYSIS_THREADS_H
#define MF_ANALYSIS_THREADS_H

#include "memforensics/analysis.h"

#include "base/buffer.h"
#include "base/pool.h"
#include "base/vec.h"

/** Threads whose names are alike but for numbers in them. */
struct mf_thread_group {
	const char *name; /* "worker-<number>" */
	size_t count;
	const char *states; /* "28 sleeping, 4 running" */
	bool cpu_known;
	uint64_t cpu_ms;
	size_t stacks; /* that are known; the sums are of these */
	uint64_t stack_size, stack_rss, stack_huge, stack_swap;
	const char *arenas; /* their indices, "0-3, 7"; "" none known */
	size_t arena_count;
	struct mf_amount tcache;
};

struct mf_thread_census {
	struct mf_pool pool;
	MF_VEC(struct mf_thread_facts) threads; /* in the order asked for */
	MF_VEC(struct mf_thread_group) groups;
	MF_VEC(struct mf_thread_fold) folds;
	bool is_core;
};

/** "sleeping", ...: a state of /proc in a word; a constant. */
const char *mf_thread_state_word(char state);

/** Adds "epoll_wait(fd 5)" of a thread that is in a call; else nothing. */
void mf_thread_describe_call(const struct mf_thread *thread,
			     struct mf_buffer *text);

/** Makes groups of the threads that are there. */
void mf_thread_census_group(struct mf_thread_census *census);

/** `folds`, in text a paragraph for each. */
void mf_thread_write_folds(const struct mf_thread_census *census,
			   struct mf_report *report,
			   const struct mf_thread_rows *rows);

/** Text only: each thread with its frames, one in a line. */
void mf_thread_write_each(const struct mf_thread_census *census,
			  struct mf_report *report,
			  const struct mf_thread_rows *rows);

/** Makes folds of the threads that were unwound. */
void mf_thread_census_fold(struct mf_thread_census *census);

/**
 * What a frame is called in a folded stack: its function without parameters
 * and template arguments, or its module, or its address.
 */
void mf_thread_name_frame(const struct mf_frame *frame, struct mf_buffer *text);

#endif
