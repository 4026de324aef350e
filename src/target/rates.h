/*
 * What this machine takes for the work that a held process waits for.
 */
#ifndef MF_TARGET_RATES_H
#define MF_TARGET_RATES_H

#include <stdint.h>

/** Nanoseconds; none is 0. */
struct mf_rates {
	uint64_t fork_page_ns; /* to copy the page table's entry of a page */
	uint64_t read_page_ns; /* to read a page of another process */
};

/** What a machine of middling speed takes: for where it is not measured. */
void mf_rates_guess(struct mf_rates *ret);

/**
 * Measures them with some MiB of its own, in some milliseconds. 0, or errno.
 * For a small process: it forks itself, and waits for the child.
 */
int mf_rates_measure(struct mf_rates *ret);

#endif
