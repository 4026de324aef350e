/*
 * One scan: what was asked for, and what was seen.
 */
#ifndef MF_SCAN_STATE_H
#define MF_SCAN_STATE_H

#include "scan/engine.h"
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
};

#endif
