/*
 * Words and sums that the files of rows of this room share.
 */
#ifndef MF_SPACE_SPACE_ROWS_H
#define MF_SPACE_SPACE_ROWS_H

#include "memforensics/space.h"

#include "base/buffer.h"

struct mf_region_list {
	const struct mf_region **items;
	size_t count, capacity;
};

/** For qsort, over items of a list: the largest first, then by address. */
int mf_region_by_rss(const void *a, const void *b);

/** Who has a region, in one word: its owner, its file, its name; or "". */
const char *mf_region_holder(const struct mf_region *region);

#endif
