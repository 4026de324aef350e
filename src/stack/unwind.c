/*
 * From the registers of a thread to its frames: for each frame the unwinders in
 * turn, the surest first, until one finds its caller, and what a caller can be.
 */
#include <string.h>

#include "stack/stack.h"

enum {
	JUMPS_MAX = 64, /* to other stacks, through signals' frames */
	/* frames of all threads; as that comes to its end, each has less, but
	 * no fewer than these */
	KEPT_MAX = 1 << 22,
	KEPT_FEWEST = 64,
};

struct walk {
	struct mf_stacks *stacks;
	struct mf_step step;
	enum mf_unwinder by; /* who found the frame that step is of */
	size_t found;	     /* frames, less those inlined */
	unsigned jumps;
	bool began; /* the stack does, with the frame that step is of */
	enum mf_stack_end end;
	MF_VEC(struct mf_frame) frames;
};

/* ---- frames ------------------------------------------------------------------ */

static void add_frames(struct walk *walk)
{
	const struct mf_frame_registers *registers = &walk->step.registers;
	const struct mf_named *named =
		mf_stacks_name(walk->stacks, walk->step.lookup);

	for (size_t i = 0; i < named->count; i++) {
		struct mf_frame frame = named->frames[i];

		frame.pc = registers->pc;
		frame.sp = registers->sp;
		frame.by = walk->by;
		frame.signal = walk->step.signal;
		if (frame.symbol && !frame.inlined)
			frame.offset = registers->pc - named->start;
		mf_vec_push(&walk->frames, frame);
	}
	walk->found++;
}

/* Nobody has called what a new stack begins with: its address was put there,
 * and no code stands before it. */
static void find_beginning(struct walk *walk)
{
	struct mf_step *step = &walk->step;
	const struct mf_cfi *cfi =
		mf_cfi_find(walk->stacks->tables, step->registers.pc);

	if (!cfi || cfi->start != step->registers.pc)
		return;
	step->lookup = step->registers.pc;
	step->cfi = cfi;
	step->signal = cfi->signal;
	walk->began = !cfi->signal;
}

/* Nobody has called what a handler returns to: no code before it counts. */
static bool is_signal_return(const struct walk *walk)
{
	const struct mf_step *step = &walk->step;
	uint8_t code[MF_SIGNAL_RETURN];

	if (step->cfi && step->cfi->end != step->registers.pc)
		return false;
	return mf_stacks_read(walk->stacks, step->thread, step->registers.pc,
			      code, sizeof(code)) &&
	       mf_cpu_is_signal_return(code);
}

/* The frame of PC, which was interrupted there (EXACT) or called another. */
static void enter(struct walk *walk, bool exact)
{
	struct mf_step *step = &walk->step;

	step->exact = exact;
	step->lookup = step->registers.pc - (exact ? 0 : 1);
	step->cfi = mf_cfi_find(walk->stacks->tables, step->lookup);
	step->signal = step->cfi && step->cfi->signal;
	if (!exact && !step->signal && is_signal_return(walk)) {
		step->lookup = step->registers.pc;
		step->cfi = NULL;
		step->signal = true;
	} else if (!exact && !step->cfi) {
		find_beginning(walk);
	}
	add_frames(walk);
}

/* ---- steps --------------------------------------------------------------------- */

static bool allows(const struct walk *walk, enum mf_unwinder unwinder)
{
	return walk->stacks->options.unwinders & unwinder;
}

/* A caller's frame is above: only a signal leads from one stack to another. */
static bool is_caller(const struct walk *walk,
		      const struct mf_frame_registers *caller)
{
	const struct mf_step *step = &walk->step;

	if (step->signal)
		return walk->jumps < JUMPS_MAX;
	if (caller->sp > step->registers.sp)
		return true;
	return step->exact && mf_cpu.link != MF_NO_REGISTER &&
	       caller->sp == step->registers.sp &&
	       caller->pc != step->registers.pc;
}

typedef enum mf_step_result step_function(struct mf_stacks *stacks,
					  const struct mf_step *step,
					  struct mf_frame_registers *ret);

/* What is no caller was not found. */
static enum mf_step_result attempt(struct walk *walk, step_function *function,
				   struct mf_frame_registers *ret)
{
	enum mf_step_result result;

	*ret = (struct mf_frame_registers){ 0 };
	result = function(walk->stacks, &walk->step, ret);
	if (result == MF_STEP_DONE && !ret->pc && !walk->step.signal)
		return MF_STEP_LAST;
	if (result == MF_STEP_DONE && !is_caller(walk, ret))
		return MF_STEP_FAILED;
	return result;
}

static enum mf_step_result by_tables(struct walk *walk,
				     struct mf_frame_registers *ret)
{
	enum mf_step_result result = MF_STEP_FAILED;

	if (allows(walk, MF_UNWINDER_LIBUNWIND)) {
		walk->by = MF_UNWINDER_LIBUNWIND;
		result = attempt(walk, mf_libunwind_step, ret);
	}
	if (result == MF_STEP_FAILED && allows(walk, MF_UNWINDER_LIBDW)) {
		walk->by = MF_UNWINDER_LIBDW;
		result = attempt(walk, mf_libdw_step, ret);
	}
	return result;
}

static enum mf_step_result by_guess(struct walk *walk,
				    struct mf_frame_registers *ret)
{
	enum mf_step_result result;

	result = mf_guess_step(walk->stacks, &walk->step, ret, &walk->by);
	if (result == MF_STEP_DONE && !is_caller(walk, ret))
		return MF_STEP_FAILED;
	return result;
}

static enum mf_stack_end end_of(enum mf_step_result result, bool has_rules)
{
	if (result == MF_STEP_LAST)
		return MF_STACK_COMPLETE;
	if (result == MF_STEP_BYTES)
		return MF_STACK_NO_BYTES;
	return has_rules ? MF_STACK_BROKEN : MF_STACK_NO_RULE;
}

/* False at the end. */
static bool step_out(struct walk *walk)
{
	struct mf_frame_registers caller;
	enum mf_step_result result;
	const struct mf_cfi *cfi = walk->step.cfi;
	bool signal = walk->step.signal;

	if (walk->began) {
		walk->end = MF_STACK_COMPLETE;
		return false;
	}
	result = cfi ? by_tables(walk, &caller) : by_guess(walk, &caller);
	if (result != MF_STEP_DONE) {
		walk->end = end_of(result, cfi != NULL);
		return false;
	}
	/* where a signal struck may be anywhere: a jump to nowhere, too */
	if (!signal && !mf_stacks_is_code(walk->stacks, caller.pc)) {
		walk->end = MF_STACK_BROKEN;
		return false;
	}
	walk->jumps += signal;
	walk->step.registers = caller;
	enter(walk, signal);
	return true;
}

/* ---- a thread -------------------------------------------------------------------- */

static size_t room_for(const struct mf_stacks *stacks)
{
	size_t left = KEPT_MAX - MF_MIN(stacks->kept, (size_t)KEPT_MAX);

	return MF_MAX(left / 16, (size_t)KEPT_FEWEST);
}

static void run(struct walk *walk, const struct mf_captured *thread)
{
	size_t most = walk->stacks->options.max_frames;
	size_t room = room_for(walk->stacks);

	walk->step.thread = thread;
	mf_cpu_take_registers(&thread->thread, &walk->step.registers);
	walk->by = MF_UNWINDER_REGISTERS;
	enter(walk, true);
	while (step_out(walk))
		if (walk->found >= most || walk->frames.count >= room) {
			walk->end = MF_STACK_TOO_DEEP;
			return;
		}
}

void mf_stacks_unwind(struct mf_stacks *stacks, size_t index,
		      struct mf_stack *ret)
{
	const struct mf_captured *thread = &stacks->threads.items[index];
	struct walk walk = { .stacks = stacks };
	struct mf_frame *frames;
	size_t size;

	*ret = (struct mf_stack){
		.tid = thread->thread.tid,
		.end = MF_STACK_NO_REGISTERS,
	};
	if (!thread->thread.registers_known)
		return;
	run(&walk, thread);
	size = walk.frames.count * sizeof(*frames);
	frames = mf_pool_alloc(&stacks->pool, size);
	memcpy(frames, walk.frames.items, size);
	stacks->kept += walk.frames.count;
	ret->frames = frames;
	ret->frame_count = walk.frames.count;
	ret->end = walk.end;
	mf_vec_deinit(&walk.frames);
}
