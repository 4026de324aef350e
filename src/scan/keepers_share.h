/*
 * Who holds what nobody holds alone: of a chunk, those below its dominator
 * through which a word leads to it.
 */
#ifndef MF_SCAN_KEEPERS_SHARE_H
#define MF_SCAN_KEEPERS_SHARE_H

#include "scan/keepers.h"

enum {
	MF_SHARERS_KEPT = 8,
};

struct mf_sharing {
	uint32_t number; /* whose holders are sought: a node's */
	/* numbers of holders, as their words come by address */
	uint32_t holders[MF_SHARERS_KEPT];
	unsigned count;
	bool more; /* than these */
};

/** Fills in the holders of COUNT nodes, in one look at all pointers. */
void mf_sharing_find(const struct mf_keepers *keepers,
		     struct mf_sharing *sharings, size_t count);

#endif
