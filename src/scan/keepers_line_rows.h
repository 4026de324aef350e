/*
 * What vertices of the tree, and lines of it, are called in rows of a report.
 */
#ifndef MF_SCAN_KEEPERS_LINE_ROWS_H
#define MF_SCAN_KEEPERS_LINE_ROWS_H

#include "memforensics/report.h"

#include "scan/keepers.h"
#include "scan/keepers_share.h"

/** NULL: it has none that is known. */
const char *mf_keepers_thread_name(const struct mf_keepers *keepers, int tid);

/** Where it begins; of what is in no memory, 0. */
uint64_t mf_keepers_address(const struct mf_keepers *keepers, uint32_t number);

/** "g_table (program)", "stack of thread 12 (worker)", ... */
void mf_keeper_print(const struct mf_keepers *keepers,
		     const struct mf_keeper *keeper, struct mf_buffer *text);

/** The same of any number: a keeper's, or "chunk of 48 B", or its type. */
void mf_keepers_print(const struct mf_keepers *keepers,
		      const struct mf_report *report, uint32_t number,
		      struct mf_buffer *text);

/** "g_left, g_right" */
void mf_sharing_print(const struct mf_keepers *keepers,
		      const struct mf_sharing *sharing, struct mf_buffer *text);

/** "variable", "chunks", ...: a word, for data. */
const char *mf_kept_line_kind(const struct mf_keepers *keepers,
			      const struct mf_kept_line *line);
void mf_kept_line_print(const struct mf_keepers *keepers,
			const struct mf_report *report,
			const struct mf_kept_line *line,
			struct mf_buffer *text);

#endif
