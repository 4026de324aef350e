/*
 * Words that point into chosen ranges: how many, in which regions, and the
 * first of them.
 */
#ifndef MF_SCAN_HITS_H
#define MF_SCAN_HITS_H

#include "scan/graph.h"
#include "scan/scanner.h"

/** [start, end) that is pointed at. */
struct mf_hit_range {
	uint64_t start, end;
	uint64_t words; /* that point into it, once merged */
};

struct mf_hit {
	uint64_t slot, value;
	uint64_t chunk; /* that the word is in, with header; 0: none */
};

/** The first of so many; ascending, once merged. */
struct mf_hit_list {
	MF_VEC(struct mf_hit) hits;
	uint64_t total;
};

enum mf_hit_from {
	MF_HIT_ROOT,  /* words in no chunk */
	MF_HIT_CHUNK, /* words in chunks */
	MF_HIT_FROM,
};

struct mf_hits {
	MF_VEC(struct mf_hit_range) ranges; /* ascending, never overlapping */
	uint64_t low, high;
	const struct mf_graph *graph; /* what is hidden */
	const struct mf_space *space;
	bool tagged, exact;
	size_t kept; /* of each list */
	struct mf_hit_list lists[MF_HIT_FROM];
	uint64_t *by_region; /* words in each region of the space */
	uint64_t hidden;     /* words that an allocator has for itself */
};

/** What is looked for and kept; SPACE is settled. */
void mf_hits_init(struct mf_hits *hits, const struct mf_space *space,
		  const struct mf_graph *graph, size_t kept);
void mf_hits_deinit(struct mf_hits *hits);

void mf_hits_add_range(struct mf_hits *hits, uint64_t start, uint64_t end);
/** After the last range: sorts and joins them. */
void mf_hits_seal(struct mf_hits *hits);

/** The range that VALUE points into, or NULL; *tagged: without its high bits. */
const struct mf_hit_range *mf_hits_range_of(const struct mf_hits *hits,
					    uint64_t value, bool *tagged);

/** The range that ADDRESS lies in, or NULL. */
const struct mf_hit_range *mf_hits_around(const struct mf_hits *hits,
					  uint64_t address);

/** Counts and keeps one; where many come from elsewhere than windows. */
void mf_hits_note(struct mf_hits *hits, const struct mf_hit *hit);

struct mf_hits_worker;

struct mf_hits_worker *mf_hits_worker_create(const struct mf_hits *hits);
void mf_hits_window(struct mf_hits_worker *worker,
		    const struct mf_scan_window *window);
void mf_hits_merge(struct mf_hits *hits, struct mf_hits_worker *worker);

/** After the last merge: lists are in order. */
void mf_hits_finish(struct mf_hits *hits);

#endif
