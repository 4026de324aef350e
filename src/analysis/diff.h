/*
 * The parts of a comparison: rows that are summed by their keys, arenas and
 * regions that are matched with each other first.
 */
#ifndef MF_ANALYSIS_DIFF_H
#define MF_ANALYSIS_DIFF_H

#include "memforensics/analysis.h"

#include "base/map.h"
#include "base/pool.h"
#include "base/vec.h"

enum mf_side {
	MF_BEFORE,
	MF_AFTER,
	MF_SIDES,
};

/** Sums of one key, on both sides. */
struct mf_diff_entry {
	struct mf_change change;
	uint64_t error; /* how far before and after may be off, together */
	bool seen[MF_SIDES];
};

struct mf_diff {
	struct mf_pool pool;
	MF_VEC(struct mf_diff_entry) entries;
	MF_VEC(struct mf_change) changes; /* of the entries, sorted */
	struct mf_map index;		  /* of entries, by kind and key */
	bool compared[MF_CHANGE_KINDS];
	bool cut[MF_CHANGE_KINDS]; /* a list of it does not name everything */
	struct mf_change totals[MF_CHANGE_KINDS];
	bool by_rss;	     /* else by size: of one of them RSS is not known */
	const char *measure; /* what of them is compared first; or NULL */
	uint64_t sum[MF_SIDES];	   /* of that, bytes */
	enum mf_change_kind parts; /* what that is made of */
	const char *verdict;
};

/** Adds to the entry of KEY, which is copied when it is new; returns it, until
 * the next call. */
struct mf_diff_entry *mf_diff_add(struct mf_diff *diff,
				  enum mf_change_kind kind, const char *key,
				  enum mf_side side, uint64_t bytes,
				  const uint64_t *count);

/** Arenas, by their figures, and chunk sizes. */
void mf_diff_arenas(struct mf_diff *diff, const struct mf_node *const *roots);

/** Chunk sizes of two reports of chunks, if they were not compared yet. */
void mf_diff_sizes(struct mf_diff *diff, const struct mf_node *const *roots);

/** Regions: the same place, if it is the same address space; else by label. */
void mf_diff_regions(struct mf_diff *diff, const struct mf_node *const *roots);

#endif
