/*
 * Pages of the target that were asked for, a few of them: what a view of bytes
 * shows is read by the worker when it comes into sight, and only pages that are
 * there.
 */
#ifndef MF_TUI_BYTES_H
#define MF_TUI_BYTES_H

#include <stdbool.h>
#include <stdint.h>

#include "tui/worker.h"

struct mf_bytes;

struct mf_bytes *mf_bytes_create(struct mf_worker *worker, uint32_t page_size);
/** Takes NULL. */
void mf_bytes_destroy(struct mf_bytes *bytes);

enum mf_bytes_state {
	MF_BYTES_COMING, /* asked for */
	MF_BYTES_READ,
	MF_BYTES_ABSENT, /* no page is there: it was not touched */
	MF_BYTES_SWAPPED,
	MF_BYTES_UNREADABLE,
};

/**
 * Copies SIZE bytes at ADDRESS, all in one page, to RET if they are known. What
 * is not is asked for, and comes with one of the next mf_worker_take_jobs.
 */
enum mf_bytes_state mf_bytes_get(struct mf_bytes *bytes, uint64_t address,
				 void *ret, size_t size);

#endif
