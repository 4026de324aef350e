/*
 * What the files of CPython's recogniser share. Private to the heap room.
 */
#ifndef MF_HEAP_CPYTHON_H
#define MF_HEAP_CPYTHON_H

#include "heap/recognise.h"

/* ---- data stacks (cpython_stacks.c) ------------------------------------ */

enum {
	MF_CPYTHON_STACK_WORDS = 3, /* of a thread state: chunk, top, limit */
};

/**
 * Whether WORDS (three of a thread state) are its data stack: the chunk they
 * point at says the size that they leave for it.
 */
bool mf_cpython_is_stack(struct mf_target *target, const uint64_t *words);

/**
 * Claims the data stacks of all threads, from the thread state whose three
 * words stand at ADDRESS; the number of chunks.
 */
uint64_t mf_cpython_claim_stacks(struct mf_heap_context *context,
				 const struct mf_allocator_instance *instance,
				 uint64_t address);

#endif
