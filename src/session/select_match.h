/*
 * Region expressions on their way to ranges.
 */
#ifndef MF_SESSION_SELECT_MATCH_H
#define MF_SESSION_SELECT_MATCH_H

#include "session/select.h"

struct mf_piece {
	uint64_t start, end;
	size_t region; /* its index */
};

/** A heap of an arena, of the allocator with that index. */
struct mf_matched_heap {
	uint64_t start, end;
	size_t allocator;
	unsigned arena;
};

struct mf_matcher {
	const struct mf_view *view;
	const struct mf_region *regions;
	size_t count;
	MF_VEC(struct mf_piece) pieces;
	MF_VEC(struct mf_matched_heap) heaps; /* ascending */
	MF_VEC(struct mf_scan_group) groups;
};

/** An allocator has it, for what the program asked for. */
bool mf_is_allocated(const struct mf_region *region);

/** The pieces, in order, as ranges; takes the groups with it. */
void mf_select_group(struct mf_matcher *matcher, struct mf_selection *ret);

/** TERM selected nothing: why says what there is. */
struct mf_error *mf_select_refuse_empty(const struct mf_matcher *matcher,
					const struct mf_term *term)
	MF_MUST_CHECK;

#endif
