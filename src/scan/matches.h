/*
 * What matched: of each pattern how often, exactly, and the first ones where
 * they are.
 */
#ifndef MF_SCAN_MATCHES_H
#define MF_SCAN_MATCHES_H

#include "base/vec.h"
#include "scan/patterns.h"

struct mf_report;

enum {
	MF_MATCHES_SHOWN = 1000,      /* of a pattern */
	MF_MATCHES_MOST = 200000,     /* of all, with --all */
	MF_MATCH_CONTEXT = 64,	      /* bytes of it, and around it */
	MF_MATCH_CONTEXT_BEFORE = 16, /* of these before it */
};

struct mf_match {
	uint64_t address, size;
};

/** The matches of one pattern, or of one string of a YARA rule. */
struct mf_match_set {
	const char *pattern; /* as it was given, or RULE:$string */
	char *own;	     /* pattern, where it is ours */
	enum mf_find_kind kind;
	uint64_t count, gave_up;
	size_t limit; /* how many are kept: the lowest addresses */
	MF_VEC(struct mf_match) kept;
};

void mf_match_set_add(struct mf_match_set *set, uint64_t address,
		      uint64_t size);
/** Adds all of FROM. */
void mf_match_set_merge(struct mf_match_set *set,
			const struct mf_match_set *from);
/** Sorts, and drops what is more than the limit. */
void mf_match_set_settle(struct mf_match_set *set);
void mf_match_set_deinit(struct mf_match_set *set);

/** A match as it is told of. */
struct mf_match_row {
	const struct mf_match_set *set;
	struct mf_match match;
	const char *where; /* label of its group */
	char *context;
};

/* ---- pieces that windows cut: matches_seams.c ---------------------------------- */

/** One end of a piece, in one window, that is not the piece's own. */
struct mf_seam_side {
	uint64_t address; /* of the cut */
	uint64_t far;	  /* the other end of what the window has of it */
	uint32_t margin;  /* bytes beside the cut that are judged later */
	bool left;	  /* the piece was before the cut */
};

/** Both sides; where one is missing its bytes are none. */
struct mf_seam {
	uint64_t left, address, right; /* bytes that were read: left to right */
	uint32_t before, behind;       /* margins */
};

/** Joins sides (which are sorted) into *RET, an array that is free()d. */
size_t mf_seams_join(struct mf_seam_side *sides, size_t count,
		     struct mf_seam **ret);

/** matches_rows.c */
void mf_matches_write(const struct mf_match_set *sets, size_t set_count,
		      const struct mf_match_row *rows, size_t row_count,
		      const char *trouble, struct mf_report *report);

#endif
