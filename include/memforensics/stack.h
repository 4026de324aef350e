/*
 * The door of the stack room: the frames of a target's threads.
 *
 * In three steps, so that the target stands still for as long as a copy takes:
 * create, before it is held; capture, while it is held, which copies each
 * thread's registers and the part of its stack that is in use; unwind, when it
 * runs again, from those bytes and from the files of its modules.
 */
#ifndef MEMFORENSICS_STACK_H
#define MEMFORENSICS_STACK_H

#include "memforensics/image.h"
#include "memforensics/target.h"

struct mf_stacks;

/** Who found a frame; a bit set. */
enum mf_unwinder {
	MF_UNWINDER_REGISTERS = 0,	/* nobody: the thread's own registers */
	MF_UNWINDER_LIBUNWIND = 1 << 0, /* by unwind tables */
	MF_UNWINDER_LIBDW = 1 << 1,	/* by the same, with libdw */
	/* where there are none, a guess: by the chain of frame pointers, or,
	 * where that has not begun yet, by what the stack pointer points to */
	MF_UNWINDER_FRAME_POINTER = 1 << 2,
	MF_UNWINDER_RETURN_ADDRESS = 1 << 3,
	MF_UNWINDERS_ALL = (1 << 4) - 1,
};

/** "registers", "libunwind", "libdw", "frame-pointer", "return-address". */
const char *mf_unwinder_name(enum mf_unwinder unwinder);

enum {
	MF_STACK_FRAMES_MAX = 1024, /* when options.max_frames is 0 */
};

struct mf_stack_options {
	unsigned unwinders; /* MF_UNWINDER_*, that may be used; 0: all */
	size_t max_frames;  /* not counting inlined ones; 0: as above */
	/* bytes that capture copies of one thread's stack (0: 1 MiB), and of
	 * all (0: 64 MiB): as that comes to its end, each has less */
	uint64_t thread_bytes, total_bytes;
	bool no_lines; /* neither file and line nor inlined functions */
};

/**
 * A function that a thread is in. Text is the stacks' own or the image's, and
 * from the target: it is escaped before it is shown.
 */
struct mf_frame {
	uint64_t pc; /* of the next instruction that it will run */
	uint64_t sp; /* its stack pointer */
	/* mangled names have their form as in source; NULL: not known */
	const char *symbol;
	uint64_t offset;		/* of pc in it; of inlined ones 0 */
	const struct mf_module *module; /* NULL: none */
	const char *file;		/* of its source; NULL: not known */
	unsigned line;
	enum mf_unwinder by;
	bool inlined;  /* its caller, at the same pc, is the next frame */
	bool signal;   /* a signal's handler returns to it */
	bool perf_map; /* symbol is from /tmp/perf-PID.map: of a JIT compiler */
};

/** Why there are no more frames. */
enum mf_stack_end {
	MF_STACK_COMPLETE, /* the thread began there */
	MF_STACK_TOO_DEEP, /* max_frames were found */
	MF_STACK_NO_BYTES, /* memory was not captured, or is not there */
	MF_STACK_NO_RULE,  /* no unwind tables, and no guess succeeds */
	MF_STACK_BROKEN,   /* what was found cannot be a caller */
	MF_STACK_NO_REGISTERS,
};

/** In a few words. */
const char *mf_stack_end_text(enum mf_stack_end end);

struct mf_stack {
	pid_t tid;
	const struct mf_frame *frames; /* innermost first */
	size_t frame_count;
	enum mf_stack_end end;
};

/**
 * What can be done before TARGET is held. IMAGE must live longer than *ret;
 * TARGET as long as unwind is called.
 */
struct mf_error *mf_stacks_create(struct mf_target *target,
				  struct mf_image *image,
				  const struct mf_stack_options *options,
				  struct mf_stacks **ret) MF_MUST_CHECK;
/** Takes NULL. */
void mf_stacks_destroy(struct mf_stacks *stacks);

/** Bytes that capture will read, about: for mf_target_expect. */
uint64_t mf_stacks_foresee(struct mf_target *target);

/**
 * Copies what is needed of every thread, while TARGET stands still. Forgets
 * what was captured before. Fails only when the process is gone.
 */
struct mf_error *mf_stacks_capture(struct mf_stacks *stacks,
				   struct mf_target *target) MF_MUST_CHECK;

/** Threads that were captured, in the order of mf_target_threads. */
size_t mf_stacks_count(const struct mf_stacks *stacks);

/** Bytes that were copied of the stacks of all of them. */
uint64_t mf_stacks_bytes(const struct mf_stacks *stacks);

/**
 * The frames of thread INDEX; they live until mf_stacks_destroy, or the next
 * capture. Never none, but of a thread whose registers are not known.
 */
void mf_stacks_unwind(struct mf_stacks *stacks, size_t index,
		      struct mf_stack *ret);

#endif
