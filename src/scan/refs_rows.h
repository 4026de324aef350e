/*
 * Places and references as rows of a report, for all who tell of some.
 */
#ifndef MF_SCAN_REFS_ROWS_H
#define MF_SCAN_REFS_ROWS_H

#include "memforensics/report.h"

#include "scan/refs.h"

/** "in use, 1.2 KiB at 0x..., arena 0 of glibc". */
void mf_chunk_describe(const struct mf_report *report,
		       const struct mf_chunk *chunk, struct mf_buffer *text);

/** "2 words point", "1 word points". */
void mf_words_count(uint64_t words, struct mf_buffer *text);

/**
 * A table of the words that point at the target, or at the part of it that
 * starts at ONLY (0: at any), the first MOST of them.
 */
void mf_references_write(const struct mf_refs *refs, struct mf_report *report,
			 uint64_t only, size_t most);

#endif
