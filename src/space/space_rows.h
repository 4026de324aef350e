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
int mf_region_by_size(const void *a, const void *b);

/** Who has a region, in one word: its owner, its file, its name; or "". */
const char *mf_region_holder(const struct mf_region *region);

/** "7f0000000000-7f0000021000" */
void mf_region_add_range(struct mf_buffer *text,
			 const struct mf_region *region);

/** "rw-p" */
void mf_region_add_perms(struct mf_buffer *text,
			 const struct mf_region *region);

/** The class; with a question mark when it was only guessed from its looks. */
void mf_region_add_class(struct mf_buffer *text,
			 const struct mf_region *region);

#endif
