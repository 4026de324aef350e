/*
 * Where pointers can be: all memory that a program can write to, or that its
 * linker wrote to, but for stacks' ends that are not in use; and registers.
 */
#ifndef MF_SCAN_SOURCES_H
#define MF_SCAN_SOURCES_H

#include "memforensics/scan.h"

#include "base/vec.h"

struct mf_sources {
	MF_VEC(struct mf_scan_range) ranges; /* all of one group */
	struct mf_scan_group group;
	uint64_t bytes; /* of all ranges */
};

void mf_sources_find(struct mf_target *target, const struct mf_space *space,
		     struct mf_sources *ret);
void mf_sources_deinit(struct mf_sources *sources);

#endif
