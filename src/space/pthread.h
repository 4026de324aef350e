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
	MF_PTHREAD_BYTES = 2560, /* of the struct that are looked at */
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
	uint64_t next, previous;	   /* of its node; 0: not known */
};

struct mf_pthread_list {
	struct mf_pthread *items; /* ascending address once collected */
	size_t count, capacity;
	struct mf_map seen; /* addresses */
};

/* ---- pthread_hints.c: what symbols and debug information say ------------ */

void mf_pthread_hints_load(struct mf_target *target, struct mf_image *image,
			   struct mf_pthread_hints *hints);

/** Adds the head of a list at ADDRESS, unless it is known. */
void mf_pthread_add_head(struct mf_pthread_hints *hints, uint64_t address);

/* ---- pthread_infer.c: what the process's own descriptors tell ----------- */

/** Fills what LAYOUT lacks; PIDS: see mf_pthread_list_complete. */
void mf_pthread_infer(struct mf_target *target,
		      const struct mf_pthread_list *list, const pid_t pids[2],
		      struct mf_pthread_layout *layout);

/** Its block can be the stack that the descriptor is on top of. */
bool mf_pthread_block_fits(uint64_t page, const struct mf_pthread *pthread);

/**
 * For other libcs (musl): sets the block of PTHREAD from the one pair of words
 * in its descriptor that can be the start and size of the stack around it.
 */
bool mf_pthread_find_block(struct mf_target *target,
			   struct mf_pthread *pthread);

/* ---- pthread_list.c: all of them ------------------------------------------ */

/** Reads the struct at ADDRESS (SIZE bytes, 0: not known); bytes read. */
size_t mf_pthread_read(struct mf_target *target, uint64_t address,
		       uint64_t size, uint8_t bytes[MF_PTHREAD_BYTES]);

/** BYTES (24 and more), of ADDRESS, point to themselves as the struct does. */
bool mf_pthread_is_one(const uint8_t *bytes, uint64_t address);

/** It is the main thread's; PIDS as below. */
bool mf_pthread_is_main(const struct mf_pthread *pthread, const pid_t pids[2]);

/**
 * Adds ADDRESS, where one may be, unless it is there; TID as in struct
 * mf_pthread.
 */
void mf_pthread_list_add(struct mf_pthread_list *list, uint64_t address,
			 pid_t tid);

/**
 * Completes LIST from what it holds and from the heads: infers what HINTS'
 * layout lacks, follows the lists of libc to all others, reads the members of
 * each, and drops what is none. PIDS: the process's pid, as the tool and as
 * the process see it; 0 when there is none.
 */
void mf_pthread_list_complete(struct mf_target *target,
			      struct mf_pthread_hints *hints,
			      const pid_t pids[2],
			      struct mf_pthread_list *list);

void mf_pthread_list_deinit(struct mf_pthread_list *list);

#endif
