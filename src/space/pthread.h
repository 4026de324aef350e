/*
 * glibc's `struct pthread`, one at the top of every thread's stack, and the
 * lists that string them together. Where its members are is read from libc's
 * debug information, or from what libc exports for debuggers, or inferred from
 * the process's own threads.
 */
#ifndef MF_SPACE_PTHREAD_H
#define MF_SPACE_PTHREAD_H

#include "memforensics/image.h"
#include "memforensics/target.h"

#include "base/map.h"

/** Offsets in the struct; -1: not known. */
struct mf_pthread_layout {
	int64_t list; /* list_t {next, prev} */
	int64_t tid;
	int64_t block, block_size; /* stackblock, stackblock_size */
	int64_t guard;		   /* guardsize */
	uint64_t size;		   /* of the struct; 0: not known */
};

enum {
	MF_PTHREAD_HEADS = 8,
};

/** What is known before the target is held. */
struct mf_pthread_hints {
	struct mf_pthread_layout layout;
	uint64_t heads[MF_PTHREAD_HEADS]; /* addresses of list heads */
	size_t head_count;
};

/** One struct pthread; its thread may be gone. */
struct mf_pthread {
	uint64_t address;
	pid_t tid;   /* of the thread whose thread pointer it is; or 0 */
	int own_tid; /* what the struct says; <= 0: its thread is gone */
	uint64_t block, block_size, guard; /* 0: none, or not known */
};

struct mf_pthread_list {
	struct mf_pthread *items; /* ascending address once collected */
	size_t count, capacity;
	struct mf_map seen; /* addresses */
};

/** Reads what the symbols and debug information of libc and ld.so say. */
void mf_pthread_hints_load(struct mf_target *target, struct mf_image *image,
			   struct mf_pthread_hints *hints);

/** A struct pthread is at ADDRESS: it points to itself, twice. */
bool mf_pthread_check(struct mf_target *target, uint64_t address);

/** Adds the one at ADDRESS, unless it is there; TID as in struct mf_pthread. */
void mf_pthread_list_add(struct mf_pthread_list *list, uint64_t address,
			 pid_t tid);

/** It is the main thread's; PIDS as below. */
bool mf_pthread_is_main(const struct mf_pthread *pthread, const pid_t pids[2]);

/**
 * Completes LIST from what it holds and from the heads: infers what HINTS'
 * layout lacks, follows the lists of libc to all others, and reads the members
 * of each. PIDS: the process's pid, as the tool and as the
 * process see it; 0 when there is none.
 */
void mf_pthread_list_complete(struct mf_target *target,
			      struct mf_pthread_hints *hints,
			      const pid_t pids[2],
			      struct mf_pthread_list *list);

/**
 * For other libcs (musl): sets the block of PTHREAD from the one pair of words
 * in its descriptor that can be the start and size of the stack around it.
 */
bool mf_pthread_find_block(struct mf_target *target,
			   struct mf_pthread *pthread);

void mf_pthread_list_deinit(struct mf_pthread_list *list);

#endif
