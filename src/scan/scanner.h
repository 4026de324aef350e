/*
 * What a scanner is: one table of functions, run over windows of bytes by
 * several threads at once.
 *
 * To add a scanner:
 *  1. Write src/scan/<name>.c; its last lines are the ops table below, and
 *     src/scan/<name>_rows.c for its write function.
 *  2. create: before the target is held; all symbol work, patterns compiled.
 *  3. begin: the target stands still, the models are built; may read it.
 *  4. worker_create, window: each thread has a worker of its own; windows come
 *     to it in no order. window may look into the models (all of that is
 *     read-only and safe), but never reads the target: what must be followed is
 *     kept, bounded, and followed in finish.
 *  5. merge: one worker after another, on one thread; ends the worker.
 *  6. finish: the target still stands still; names, sorted rows, second looks.
 *  7. write: after the release.
 *  8. Declare the table in src/scan/scanners.h, and add it to the array in
 *     src/scan/scanners.c and to its length.
 *
 * What spans two windows: a piece that goes on in the next window has ends
 * unset, and its rest there has begins unset. A scanner that must join the two
 * (a string) keeps the open end of a window, and joins them in merge or finish
 * by address.
 */
#ifndef MF_SCAN_SCANNER_H
#define MF_SCAN_SCANNER_H

#include "memforensics/scan.h"

struct mf_scan_context {
	struct mf_target *target;
	struct mf_image *image; /* or NULL */
	const struct mf_scan_options *options;
	const struct mf_scan_input *input; /* NULL before begin */
};

/**
 * Bytes of one chunk, or of a range without chunks, inside a window. Of a chunk
 * they are what its user may write to, header excluded.
 */
struct mf_scan_piece {
	uint32_t start, end; /* offsets in the window */
	uint32_t group;
	uint8_t kind;	/* enum mf_chunk_kind; MF_KINDS: no chunk */
	uint8_t header; /* bytes of the chunk before what its user has */
	bool begins;	/* its first byte is the chunk's (or range's) first */
	bool ends;	/* its last byte is the chunk's (or range's) last */
	bool code;	/* words stand anywhere in it, as operands do */
	uint64_t chunk; /* its address, with header; 0: no chunk */
	uint64_t size;	/* of the chunk, with header; else of the range */
};

/** Pages that are present, side by side in the target. */
struct mf_scan_window {
	uint64_t address;
	const uint8_t *bytes; /* 64-aligned, MF_SCAN_SLACK readable behind */
	uint32_t size;
	const struct mf_scan_piece *pieces; /* ascending, never overlapping */
	uint32_t piece_count;
};

enum {
	MF_SCAN_WINDOW = 1 << 20, /* most bytes of one */
	MF_SCAN_SLACK = 64,	  /* zeros behind it */
};

struct mf_scanner_ops {
	unsigned scans_for; /* one of MF_SCAN_* */
	struct mf_error *(*create)(const struct mf_scan_context *context,
				   void **ret);
	struct mf_error *(*begin)(const struct mf_scan_context *context,
				  void *scanner);
	void *(*worker_create)(void *scanner);
	void (*window)(void *worker, const struct mf_scan_window *window);
	void (*merge)(void *scanner, void *worker);
	struct mf_error *(*finish)(const struct mf_scan_context *context,
				   void *scanner);
	void (*write)(const void *scanner, const struct mf_scan *scan,
		      struct mf_report *report);
	void (*destroy)(void *scanner);
};

/* ---- what a write function may ask ---------------------------------------- */

const struct mf_scan_options *mf_scan_get_options(const struct mf_scan *scan);

/** The groups of what was read, and the bytes that were scanned of one. */
const struct mf_scan_group *mf_scan_groups(const struct mf_scan *scan,
					   size_t *count);
uint64_t mf_scan_group_bytes(const struct mf_scan *scan, size_t group);

struct mf_keepers;

/** What keeps how much alive; NULL: that was not asked for. */
const struct mf_keepers *mf_scan_keepers(const struct mf_scan *scan);

#endif
