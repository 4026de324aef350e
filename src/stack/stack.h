/*
 * The stacks as their own files see them: what was captured of each thread,
 * and one step from a frame to its caller, as each unwinder takes it.
 */
#ifndef MF_STACK_STACK_H
#define MF_STACK_STACK_H

#include "memforensics/stack.h"

#include "base/map.h"
#include "base/pool.h"
#include "base/vec.h"
#include "stack/arch.h"
#include "stack/cfi.h"
#include "stack/perf_map.h"

/** Bytes of memory at one moment. */
struct mf_span {
	uint64_t start, end; /* whole pages */
	uint8_t *bytes;
	uint8_t *pages; /* MF_PAGE_* of each */
	bool is_own;	/* bytes are: they are not in the room for all */
};

struct mf_captured {
	struct mf_thread thread;
	size_t first, count; /* of its spans */
};

/** What stands at one address. */
struct mf_named {
	struct mf_frame *frames; /* inlined ones first; pc and sp are 0 */
	size_t count;
	uint64_t start; /* of the symbol; 0: none */
};

struct mf_libunwind;
struct mf_libdw;

struct mf_stacks {
	struct mf_target *target;
	struct mf_image *image;
	struct mf_stack_options options;
	uint64_t page_size;

	/* captured */
	MF_VEC(struct mf_captured) threads;
	MF_VEC(struct mf_span) spans;
	MF_VEC(struct mf_address_range) code; /* executable, ascending */
	uint64_t bytes;
	uint8_t *room; /* for the bytes of spans, made ready before the stop */
	size_t room_size, room_used;
	struct mf_pool pool; /* what was unwound */
	size_t kept;	     /* frames in it */

	/* made when first needed */
	struct mf_cfi_tables *tables;
	struct mf_libunwind *libunwind;
	struct mf_libdw *libdw;
	struct mf_perf_map *perf_map;
	bool perf_map_tried;
	struct mf_map named; /* address: index in names */
	MF_VEC(struct mf_named) names;
	size_t named_frames; /* of all of them */
};

/** A frame, on the way to its caller. */
struct mf_step {
	const struct mf_captured *thread;
	struct mf_frame_registers registers;
	uint64_t lookup; /* pc, or of a call's return address the byte before */
	bool exact;	 /* pc was interrupted there: it is no return address */
	const struct mf_cfi *cfi; /* of lookup; NULL: none */
	bool signal; /* a handler returns to it: what it struck comes next */
};

enum mf_step_result {
	MF_STEP_DONE,  /* *ret is the caller */
	MF_STEP_LAST,  /* it has none */
	MF_STEP_BYTES, /* memory is needed that is not there */
	MF_STEP_FAILED,
};

/* ---- capture.c -------------------------------------------------------------- */

/** Bytes as they were when THREAD was captured; of what is not its stack, as
 * its file has them, or as they are where the target stands still. */
bool mf_stacks_read(const struct mf_stacks *stacks,
		    const struct mf_captured *thread, uint64_t address,
		    void *bytes, size_t size);

/** ADDRESS was executable when the threads were captured. */
bool mf_stacks_is_code(const struct mf_stacks *stacks, uint64_t address);

void mf_stacks_forget(struct mf_stacks *stacks);

/** Before the target is held. */
void mf_stacks_make_room(struct mf_stacks *stacks);

/* ---- the unwinders ------------------------------------------------------------ */

/** By step->cfi, which is there. */
enum mf_step_result mf_libunwind_step(struct mf_stacks *stacks,
				      const struct mf_step *step,
				      struct mf_frame_registers *ret);
void mf_libunwind_destroy(struct mf_libunwind *own);

enum mf_step_result mf_libdw_step(struct mf_stacks *stacks,
				  const struct mf_step *step,
				  struct mf_frame_registers *ret);
void mf_libdw_destroy(struct mf_libdw *own);

/** Guesses, of those that options.unwinders allows; *BY says which. */
enum mf_step_result mf_guess_step(struct mf_stacks *stacks,
				  const struct mf_step *step,
				  struct mf_frame_registers *ret,
				  enum mf_unwinder *by);

/* ---- names.c ------------------------------------------------------------------ */

/** Of the function that holds ADDRESS; valid until the next call. */
const struct mf_named *mf_stacks_name(struct mf_stacks *stacks,
				      uint64_t address);

void mf_stacks_forget_names(struct mf_stacks *stacks);

#endif
