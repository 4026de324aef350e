/*
 * One scan: what was asked for, and what was seen.
 */
#ifndef MF_SCAN_STATE_H
#define MF_SCAN_STATE_H

#include "scan/engine.h"
#include "scan/keepers.h"
#include "scan/scanners.h"

struct mf_scan {
	struct mf_scan_options options;
	struct mf_scan_context context;
	void *own[MF_SCANNERS]; /* NULL: was not asked for */
	bool wanted[MF_SCANNERS];
	bool was_read;
	MF_VEC(struct mf_scan_group) groups;
	uint64_t *group_bytes; /* scanned */
	uint64_t bytes;
	struct mf_scan_missed missed;
	uint64_t took_ns;
	struct mf_keepers *keepers; /* NULL: what is retained is not asked */
	/* what is read for keepers alone is of a group past all others */
	MF_VEC(struct mf_scan_range) joined;
};

/** What INPUT selects, and between that what else keepers have to see. */
void mf_scan_join(struct mf_scan *scan, const struct mf_scan_input *input);

#endif
