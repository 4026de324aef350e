/*
 * What the parts of the engine share: the plan says what is read and to whom it
 * belongs, the pump carries it from the reader to the threads that scan.
 */
#ifndef MF_SCAN_ENGINE_H
#define MF_SCAN_ENGINE_H

#include "base/vec.h"
#include "scan/scanner.h"

/** Bytes of one region that are asked for: [start, end). */
struct mf_scan_stretch {
	uint64_t start, end;
	uint32_t group;
	bool chunked; /* only what belongs to chunks counts */
};

/** Pages that are present, side by side: a window without its pieces. */
struct mf_scan_slice {
	uint64_t address;
	uint32_t offset, size; /* in the batch's bytes */
	size_t stretch;	       /* the first that reaches into it */
};

/** A span of whole pages that is read at once. */
struct mf_scan_span {
	uint64_t start, end;
	size_t stretch;	 /* the first in it */
	uint32_t offset; /* in the batch's bytes */
	uint8_t *flags;	 /* of its pages, in the batch's */
};

/** What is read in one go and scanned by one thread. */
struct mf_scan_batch {
	uint8_t *bytes; /* 64-aligned; of who reads it */
	uint8_t *flags; /* of its pages, MF_PAGE_* */
	uint32_t used, pages;
	MF_VEC(struct mf_scan_span) spans;
	MF_VEC(struct mf_scan_slice) slices;
};

/** Bytes that were asked for and not had. */
struct mf_scan_missed {
	uint64_t swapped, unreadable;
};

/** Partial notes of PART: SIZE that may hold WHAT is in swap, or unreadable. */
void mf_scan_missed_note(const struct mf_scan_missed *missed,
			 struct mf_target *target, const char *part,
			 const char *what);

struct mf_scan_plan {
	const struct mf_scan_input *input;
	bool free_too;
	uint32_t page_size;
	MF_VEC(struct mf_scan_stretch) stretches; /* ascending */
	size_t next;				  /* stretch to be read */
	uint64_t at;	 /* where in it, or before it */
	bool was_absent; /* nothing was where was last read */
	struct mf_scan_missed missed;
};

void mf_scan_plan_init(struct mf_scan_plan *plan,
		       const struct mf_scan_input *input, bool free_too);
void mf_scan_plan_deinit(struct mf_scan_plan *plan);

void mf_scan_batch_init(struct mf_scan_batch *batch);
void mf_scan_batch_deinit(struct mf_scan_batch *batch);

/**
 * Says what of the target comes next in BATCH; *more is false when nothing is
 * left. The same batches come in the same order, whoever asks.
 */
struct mf_error *mf_scan_plan_next(struct mf_scan_plan *plan,
				   struct mf_scan_batch *batch, bool *more)
	MF_MUST_CHECK;

/** Room for the bytes of a batch. */
uint8_t *mf_scan_bytes_create(void);

/**
 * Reads it to BYTES. Several threads may, each a batch, where the target is shared: with
 * its lock held.
 */
struct mf_error *mf_scan_plan_fill(struct mf_scan_plan *plan,
				   struct mf_scan_batch *batch, uint8_t *bytes)
	MF_MUST_CHECK;

struct mf_scan_pieces {
	MF_VEC(struct mf_scan_piece) list;
};

/**
 * The window of SLICE, one of BATCH's, with its pieces, which stand in PIECES
 * until the next call with them; only reads the plan, so any thread may.
 */
struct mf_scan_window mf_scan_plan_cut(const struct mf_scan_plan *plan,
				       const struct mf_scan_batch *batch,
				       const struct mf_scan_slice *slice,
				       struct mf_scan_pieces *pieces);

enum {
	MF_SCAN_THREADS_MAX = 8,
};

/** WANTED, or (0) as many as are good; 1 at least. */
unsigned mf_scan_count_threads(unsigned wanted);

/** Scans a batch; CREW is no other thread's meanwhile. */
typedef void (*mf_scan_work)(void *crew, const struct mf_scan_batch *batch);

/**
 * Reads all that PLAN holds and has each batch scanned once, by one of COUNT
 * threads, of which the caller is the first. The i-th batch is for crew i %
 * COUNT, to which its batches come in order: what a crew sees depends on what
 * there is, not on which thread was quicker.
 */
struct mf_error *mf_scan_pump(struct mf_scan_plan *plan, mf_scan_work work,
			      void *const *crews, unsigned count) MF_MUST_CHECK;

#endif
