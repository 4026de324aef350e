/*
 * Chunks in use that keep free memory from going back.
 */
#ifndef MF_HEAP_GLIBC_PINNERS_H
#define MF_HEAP_GLIBC_PINNERS_H

#include "heap/glibc_trim.h"

enum {
	MF_GLIBC_PINNERS = 8,	   /* kept of an arena */
	MF_GLIBC_HEAP_PINNERS = 3, /* kept of a heap */
	MF_GLIBC_TOP_PINNERS = 4,
};

/** Chunks in use or cached, side by side, between two runs. */
struct mf_glibc_group {
	uint64_t start, end, count, cached;
	uint64_t first_size, last_size; /* of its first and last chunk */
};

struct mf_glibc_pinner {
	struct mf_glibc_group group;
	uint64_t gain; /* bytes that go when it is freed */
};

/** The worst of many, most pinned bytes first. */
struct mf_glibc_pinner_list {
	struct mf_glibc_pinner items[MF_GLIBC_PINNERS];
	size_t count, room;
};

/** What lay before the run that is being read, within a segment. */
struct mf_glibc_pinner_search {
	struct mf_glibc *glibc;
	const struct mf_glibc_segment *segment;
	struct mf_glibc_pinner_list arena, heap;
	struct mf_glibc_run before;  /* the run before the group; or none */
	struct mf_glibc_group group; /* count 0: none */
	/* The last groups of the segment, and where the runs before began. */
	struct mf_glibc_group recent[MF_GLIBC_TOP_PINNERS];
	uint64_t recent_start[MF_GLIBC_TOP_PINNERS];
	size_t recent_count; /* in all */
};

/** What a run of free chunks is for those before it. */
enum mf_glibc_run_kind {
	MF_GLIBC_RUN_HOLE,
	MF_GLIBC_RUN_MAIN_TOP,
	MF_GLIBC_RUN_TOP, /* of another arena */
};

/** Another segment begins. */
void mf_glibc_pinners_begin(struct mf_glibc_pinner_search *search,
			    const struct mf_glibc_segment *segment);

/** A chunk in use, or in a tcache, follows what was last added. */
static inline void
mf_glibc_pinners_add_chunk(struct mf_glibc_pinner_search *search,
			   uint64_t address, uint64_t size, bool cached)
{
	struct mf_glibc_group *group = &search->group;

	if (!group->count) {
		group->start = address;
		group->first_size = size;
	}
	group->end = address + size;
	group->last_size = size;
	group->count++;
	group->cached += cached;
}

/** RUN follows. */
void mf_glibc_pinners_add_run(struct mf_glibc_pinner_search *search,
			      const struct mf_glibc_run *run,
			      enum mf_glibc_run_kind kind);

/** What follows is no neighbour: the segment ends, or a gap begins. */
void mf_glibc_pinners_break(struct mf_glibc_pinner_search *search);

/* ---- for the door; the target is asked, as it is now, what they are ------ */

const struct mf_pinner *
mf_glibc_pinners_publish(struct mf_glibc *glibc,
			 const struct mf_glibc_pinner_list *list);

/** The groups below the main arena's TOP, the run last added; *count of them. */
const struct mf_top_pinner *
mf_glibc_pinners_publish_top(struct mf_glibc *glibc,
			     const struct mf_glibc_pinner_search *search,
			     const struct mf_glibc_run *top, size_t *count);

#endif
