/*
 * What was found of a signature, and what is told of it.
 */
#ifndef MF_SCAN_SIGNATURES_TALLY_H
#define MF_SCAN_SIGNATURES_TALLY_H

#include "base/buffer.h"
#include "scan/signatures.h"

struct mf_report;

struct mf_sign_tally {
	uint64_t count, bytes, first; /* first: of places, when count */
	uint64_t places, estimates;
};

static inline void mf_sign_tally_add(struct mf_sign_tally *tally,
				     uint64_t address,
				     const struct mf_sign_found *found)
{
	if (!tally->places || address < tally->first)
		tally->first = address;
	tally->places++;
	tally->count += found->count;
	tally->bytes += found->bytes;
	tally->estimates += found->estimate;
}

static inline void mf_sign_tally_merge(struct mf_sign_tally *into,
				       const struct mf_sign_tally *from)
{
	if (from->places && (!into->places || from->first < into->first))
		into->first = from->first;
	into->places += from->places;
	into->count += from->count;
	into->bytes += from->bytes;
	into->estimates += from->estimates;
}

/** All rows of one name. */
struct mf_sign_row {
	const struct mf_signature *signature; /* of the first one found */
	struct mf_sign_tally tally;
	struct mf_buffer example; /* empty: none */
};

/** signatures_rows.c: most bytes first; UNSEEN candidates were not judged. */
void mf_sign_rows_write(const struct mf_sign_row *rows, size_t count,
			uint64_t unseen, struct mf_report *report);

#endif
