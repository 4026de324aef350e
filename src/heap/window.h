/*
 * A window that slides over a target's memory in address order, so that a
 * walker reads each resident page once: much at a time where it looks at all of
 * it, and what comes next while it looks at this; little where it jumps.
 */
#ifndef MF_HEAP_WINDOW_H
#define MF_HEAP_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "memforensics/target.h"

#include "base/compiler.h"

/** Room for the bytes of a window, and for one page before them. */
struct mf_window_room {
	uint8_t *block, *bytes, *flags;
	uint64_t end; /* of what is read to here ahead */
};

enum {
	MF_WINDOW_ROOMS = 4,
};

struct mf_window {
	struct mf_target *target;
	uint64_t start, end; /* of the bytes that it holds */
	uint64_t
		known_end; /* of those that are all known; START: not all are */
	uint64_t limit;	   /* it never reaches past this */
	uint32_t page_size;
	uint32_t size; /* bytes that it read last */
	uint64_t
		spent; /* on reading anew: so many headers are walked in the time */
	uint8_t *bytes, *flags; /* of START, in one of these */
	struct mf_window_room rooms[MF_WINDOW_ROOMS];
	unsigned current; /* room */
	unsigned ahead;	  /* further ones that are being read to, in order */
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

/** As mf_window_at, wherever they are. */
const uint8_t *mf_window_refill_at(struct mf_window *window, uint64_t address,
				   uint32_t size);

/**
 * The SIZE bytes (at most a page) at ADDRESS, or NULL when they are not known:
 * beyond the limit, swapped, unreadable. Valid until the next call.
 */
static inline const uint8_t *mf_window_at(struct mf_window *window,
					  uint64_t address, uint32_t size)
{
	/* for each chunk of a heap */
	if (MF_LIKELY(address >= window->start && address < window->known_end &&
		      window->known_end - address >= size))
		return window->bytes + (address - window->start);
	return mf_window_refill_at(window, address, size);
}

#endif
