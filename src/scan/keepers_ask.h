/*
 * What was asked about keepers: who holds it, from the nearest on, and what it
 * holds itself.
 */
#ifndef MF_SCAN_KEEPERS_ASK_H
#define MF_SCAN_KEEPERS_ASK_H

#include "scan/keepers.h"

/** One on the way from the root; of many things, one that holds some. */
struct mf_holder {
	uint32_t number;
	uint64_t count, bytes; /* of what it holds of what was asked about */
};

/** One thing, or all that lies in a range, or is of a type. */
struct mf_answer {
	uint64_t start, end;
	struct mf_place place;
	const char *type; /* that was asked about; NULL: none */
	uint32_t number;  /* of one thing that is reached; else MF_NO_NUMBER */
	uint64_t count, bytes;	   /* chunks in it, alone */
	uint64_t reached;	   /* of these */
	uint64_t retained, chunks; /* by all of them together */
	/* of one thing, the nearest first; of many, who holds the most */
	MF_VEC(struct mf_holder) holders;
	uint64_t omitted; /* in the middle of a long way */
	struct mf_kept_lines held;
};

/** The answer to question INDEX; false: there is none. */
bool mf_keepers_answer(const struct mf_keepers *keepers, size_t index,
		       struct mf_answer *ret);
void mf_answer_deinit(struct mf_answer *answer);

#endif
