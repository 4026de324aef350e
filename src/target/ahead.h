/*
 * Bytes that are copied while their reader works on others: in units, by a
 * thread of its own, and by the reader too where it would have to wait.
 */
#ifndef MF_TARGET_AHEAD_H
#define MF_TARGET_AHEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct mf_ahead;

enum {
	MF_AHEAD_UNITS = 256,	 /* under way at once, at most */
	MF_AHEAD_UNIT = 1 << 19, /* bytes of one, at most */
};

/** What is read from; copied into each unit. */
struct mf_ahead_from {
	/** Touches nothing of the target: another thread does, meanwhile. */
	ssize_t (*copy)(const struct mf_ahead_from *from, uint64_t source,
			void *to, size_t size);
	pid_t tid;
	int fd;
};

/** SIZE bytes that come from SOURCE, which only the copier knows. */
struct mf_ahead_unit {
	struct mf_ahead_from from;
	uint64_t source;
	uint8_t *to;
	size_t size;
	bool copied; /* all of it */
};

/** NULL: a thread for it is not to be had, or would have no processor. */
struct mf_ahead *mf_ahead_create(void);
void mf_ahead_destroy(struct mf_ahead *ahead);

/** Adds what is contiguous, in units; false when there is no room for them. */
bool mf_ahead_add(struct mf_ahead *ahead, const struct mf_ahead_from *from,
		  uint64_t source, uint8_t *to, size_t size);

/** Takes back what was added since the last begin. */
void mf_ahead_undo(struct mf_ahead *ahead);

/** Lets the copying begin of what was added; the number of all units so far. */
uint64_t mf_ahead_begin(struct mf_ahead *ahead);

/** Once every unit before that numbered END was tried, takes what became of the
 * next one; NULL: all of them were taken. */
const struct mf_ahead_unit *mf_ahead_take(struct mf_ahead *ahead, uint64_t end);

/** Ends all that is under way; units that nobody has begun are not copied.
 * Returns the bytes of those that were, and that nobody took. */
uint64_t mf_ahead_drop(struct mf_ahead *ahead);

#endif
