/*
 * Which mmapped chunk is whose, where libc's malloc is in a process more than
 * once: a chunk does not say, but each copy counts its own.
 */
#ifndef MF_HEAP_GLIBC_COPIES_H
#define MF_HEAP_GLIBC_COPIES_H

#include "heap/glibc.h"

/** The copies of one generation, and what was found of all of them. */
struct mf_glibc_copies {
	struct mf_glibc *first;
	bool is_new; /* 2.43 and later */
	uint64_t count_wanted, bytes_wanted;
	uint64_t count, bytes;
	MF_VEC(struct mf_glibc_mapped) found;
};

/** False when there are none, or none counts any. What they have is kept. */
bool mf_glibc_copies_gather(struct mf_glibc_copies *ret, struct mf_glibc *first,
			    bool is_new);
void mf_glibc_copies_deinit(struct mf_glibc_copies *copies);

void mf_glibc_copies_add(struct mf_glibc_copies *copies, uint64_t base,
			 uint64_t size, uint64_t offset);

/** As many and as large as all copies count. */
bool mf_glibc_copies_are_whole(const struct mf_glibc_copies *copies);

/**
 * Gives each copy its own and claims them. LAST: there will be no other search;
 * what is missing is said.
 */
void mf_glibc_copies_share(struct mf_glibc_copies *copies, bool last);

#endif
