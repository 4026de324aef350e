/*
 * What a live target is inside its room: descriptors of its /proc files, kept
 * open so that a recycled process id can never be mistaken for it.
 */
#ifndef MF_TARGET_LIVE_H
#define MF_TARGET_LIVE_H

#include <limits.h>

#include "base/vec.h"
#include "target/proc.h"
#include "target/rates.h"
#include "target/target.h"
#include "target/view.h"

enum {
	MF_OPEN_FILES = 8,
};

/** A file behind a mapping, kept open for its absent pages. */
struct mf_open_file {
	uint64_t inode;
	uint32_t dev_major, dev_minor;
	bool used;
	int fd;	       /* -1: cannot be opened */
	uint64_t size; /* bytes */
};

struct mf_holder;

/**
 * The copy that stands still while the process runs on (copy.c). While there is
 * one, memory_proc, memory_tid, mem and pagemap are the copy's, and these the
 * process's own.
 */
struct mf_copy {
	pid_t pid; /* 0: none */
	pid_t own_tid;
	int own_proc, own_mem, own_pagemap;
};

/** A word that the kernel had for the process. */
struct mf_kept_word {
	const char *holder; /* a constant */
	uint64_t value;
};

struct mf_kept_words {
	MF_VEC(struct mf_kept_word) list; /* in order */
};

struct mf_live {
	pid_t pid;
	pid_t memory_tid; /* whose memory is read: not the leader's if dead */
	int proc;	  /* /proc/PID */
	int memory_proc;  /* /proc/PID/task/TID of memory_tid */
	int mem, pagemap; /* -1: not to be had */
	bool no_vm_readv; /* refused: mem is read instead */
	bool no_scan;	  /* no PAGEMAP_SCAN: the pagemap is read instead */
	uint64_t scan_mask;
	uint64_t zero_pfn; /* 0: not known */
	struct mf_open_file files[MF_OPEN_FILES];
	unsigned next_file;
	struct mf_holder *holder; /* NULL: cannot be stopped */
	const char *no_hold;	  /* why not */
	const char *no_copy;	  /* why it cannot be copied; NULL: it may */
	struct mf_rates rates;	  /* each 0: not measured yet */
	bool holding;		  /* it was stopped, and not released yet */
	struct mf_copy copy;
	struct mf_view view;	    /* while there is a copy */
	struct mf_kept_words words; /* of when it was made */
	bool lost_copy;		    /* the last one was killed */
	bool sought_leftovers;	    /* of copies whose owner was killed */
	unsigned next_extra; /* of the holder's threads, see live_extra.c */
};

static inline struct mf_live *mf_live_of(const struct mf_target *target)
{
	return target->own;
}

/** Opens (anew) what reads memory; unset abilities say what is missing. */
void mf_live_open_memory(struct mf_target *target);

/** True until the memory that was opened is gone (exit or exec). */
bool mf_live_has_memory(const struct mf_live *live);

/** The same of the process itself, also while there is a copy of it. */
bool mf_live_has_own_memory(const struct mf_live *live);

/** What is read has gone: the process, or the copy of it. */
struct mf_error *mf_live_gone(struct mf_target *target);

/* refusal.c */

/** Why process PID cannot be opened at all. */
struct mf_error *mf_refusal_missing(pid_t pid);

/** Refuses what has no memory of its own: zombies, kernel threads, threads. */
struct mf_error *mf_refusal_check(int proc, pid_t pid,
				  const struct mf_proc_status *status,
				  const struct mf_proc_stat *stat);

/** Refuses a 32-bit process. */
struct mf_error *mf_refusal_check_class(int proc, pid_t pid);

/** Its memory went away while it was looked at: it ended, or runs another
 * program now. */
struct mf_error *mf_refusal_gone(int proc, pid_t pid);

/** Its copy was killed. */
struct mf_error *mf_refusal_lost_copy(pid_t pid);

/** Why its mappings cannot be read (NUMBER is errno). */
struct mf_error *mf_refusal_mappings(int proc, pid_t pid, int number);

/** One line: why its memory cannot be read (NUMBER is errno), and what to do
 * about it. */
void mf_refusal_explain(int proc, pid_t pid, int number, char *text,
			size_t size);

/* limits.c */
void mf_limits_read(int proc, pid_t pid, struct mf_limits *ret);

/* pagemap.c */

/**
 * Visits the pages of [START, END), which are in one mapping, by the descriptor
 * PAGEMAP: 0, or errno.
 */
int mf_pagemap_scan(struct mf_target *target, int pagemap,
		    const struct mf_range *range, mf_run_visit *visit,
		    void *context);
struct mf_error *mf_pagemap_runs(struct mf_target *target, uint64_t start,
				 uint64_t end, mf_run_visit *visit,
				 void *context);

/* pages.c */
struct mf_error *mf_pages_read(struct mf_target *target, uint64_t start,
			       size_t count, void *bytes, uint8_t *flags);
bool mf_pages_begin(struct mf_target *target,
		    const struct mf_target_span *span);

/* kernel_words.c */

/** Right before the process is copied, and right AFTER it: while there is a
 * copy, what it has is what was there then, not what is there by now. */
void mf_live_keep_words(struct mf_target *target, bool after);
void mf_live_kernel_words(struct mf_target *target,
			  void (*visit)(const char *holder, uint64_t value,
					void *data),
			  void *data);

/* files.c */
struct mf_error *mf_files_open(struct mf_target *target,
			       const struct mf_mapping *mapping, int *ret);
struct mf_error *mf_files_open_symfs(struct mf_target *target,
				     const struct mf_mapping *mapping,
				     int *ret);

/** The cached file behind MAPPING, or NULL when there is none to read. */
const struct mf_open_file *mf_files_cached(struct mf_target *target,
					   const struct mf_mapping *mapping);
void mf_files_close(struct mf_live *live);

/* threads.c */
void mf_threads_read(struct mf_target *target);

/* hold.c */
void mf_hold_prepare(struct mf_target *target);
void mf_hold_close(struct mf_target *target);
struct mf_error *mf_hold_begin(struct mf_target *target);
void mf_hold_end(struct mf_target *target);
bool mf_hold_is_still(struct mf_target *target);

struct mf_holder_shared;

/** What main and the holder share; NULL: there is none. */
struct mf_holder_shared *mf_hold_shared(const struct mf_live *live);

/* live_extra.c; see extra.h */
struct mf_thread_extra;
struct mf_process_extra;

/** Tells the holder whether to read extended registers; before it holds. */
void mf_live_want_extra(struct mf_target *target);
bool mf_live_thread_extra(struct mf_target *target, pid_t tid,
			  struct mf_thread_extra *ret);
void mf_live_process_extra(struct mf_target *target,
			   struct mf_process_extra *ret);

#endif
