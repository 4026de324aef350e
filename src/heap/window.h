/*
 * A window that slides over a target's memory in address order, so that a
 * walker reads each resident page once, a megabyte at a time.
 */
#ifndef MF_HEAP_WINDOW_H
#define MF_HEAP_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "memforensics/target.h"

struct mf_window {
	struct mf_target *target;
	uint64_t start, end; /* of the bytes that it holds */
	uint64_t limit;	     /* it never reaches past this */
	uint32_t page_size;
	uint64_t refills; /* how often it read anew */
	uint8_t *bytes, *flags;
	struct mf_error *error; /* the process is gone */
};

/**
 * ADDRESS (a page's), or a later one up to LIMIT: memory that nobody ever
 * touched is passed over, however large it is.
 */
uint64_t mf_skip_absent(struct mf_target *target, uint64_t address,
			uint64_t limit);

void mf_window_init(struct mf_window *window, struct mf_target *target);
void mf_window_deinit(struct mf_window *window);

/** Sets how far it may read; what it holds is dropped. */
void mf_window_restrict(struct mf_window *window, uint64_t limit);

/**
 * ADDRESS, or a later one up to the limit: memory that nobody ever touched,
 * and that the window does not hold, is passed over without reading it.
 */
uint64_t mf_window_skip_absent(struct mf_window *window, uint64_t address);

/**
 * The SIZE bytes (at most a page) at ADDRESS, or NULL when they are not known:
 * beyond the limit, swapped, unreadable. Valid until the next call.
 */
const uint8_t *mf_window_at(struct mf_window *window, uint64_t address,
			    uint32_t size);

#endif
