/*
 * What can be said of a caller where no unwind tables are: functions that keep
 * a frame pointer have their caller's beside the return address; of one that
 * has been called a moment ago, or that does not exist, the stack pointer
 * points to it; where a signal's handler returns to, the kernel's frame is.
 */
#include "stack/stack.h"

enum {
	CODE_BYTES = 16,     /* looked at, of a function's beginning */
	FRAME_MAX = 1 << 20, /* bytes of one frame */
};

/* ---- what a return address is ------------------------------------------------- */

static bool read_word(const struct mf_stacks *stacks,
		      const struct mf_step *step, uint64_t address,
		      uint64_t *ret)
{
	return mf_stacks_read(stacks, step->thread, address, ret, sizeof(*ret));
}

static bool follows_call(const struct mf_stacks *stacks,
			 const struct mf_step *step, uint64_t address)
{
	uint8_t code[8];
	size_t size = mf_cpu.call_bytes;

	for (; size >= 2; size--)
		if (mf_stacks_read(stacks, step->thread, address - size, code,
				   size))
			return mf_cpu_is_call(code, size);
	return false;
}

/* ---- by the stack pointer ----------------------------------------------------- */

static enum mf_step_result return_to(const struct mf_step *step, uint64_t pc,
				     uint64_t sp,
				     struct mf_frame_registers *ret)
{
	*ret = step->registers;
	ret->pc = pc;
	ret->sp = sp;
	ret->value[mf_cpu.sp] = sp;
	if (mf_cpu.pc != MF_NO_REGISTER)
		ret->value[mf_cpu.pc] = pc;
	return MF_STEP_DONE;
}

static enum mf_step_result by_link(const struct mf_stacks *stacks,
				   const struct mf_step *step,
				   struct mf_frame_registers *ret)
{
	uint64_t pc = step->registers.value[mf_cpu.link];

	if (!mf_stacks_is_code(stacks, pc) || !follows_call(stacks, step, pc))
		return MF_STEP_FAILED;
	return return_to(step, pc, step->registers.sp, ret);
}

/* ABOVE: bytes between the stack pointer and the return address. */
static enum mf_step_result by_stack(const struct mf_stacks *stacks,
				    const struct mf_step *step, unsigned above,
				    struct mf_frame_registers *ret)
{
	uint64_t at = step->registers.sp + above, pc;

	if (!read_word(stacks, step, at, &pc))
		return MF_STEP_BYTES;
	if (!mf_stacks_is_code(stacks, pc) || !follows_call(stacks, step, pc))
		return MF_STEP_FAILED;
	return return_to(step, pc, at + sizeof(pc), ret);
}

/* The kernel's frame for a handler is there. */
static enum mf_step_result by_signal(const struct mf_stacks *stacks,
				     const struct mf_step *step,
				     struct mf_frame_registers *ret)
{
	uint64_t words[MF_SIGNAL_WORDS];
	uint64_t at = step->registers.sp - mf_cpu.frame_below;

	if (!mf_stacks_read(stacks, step->thread, at, words, sizeof(words)))
		return MF_STEP_BYTES;
	mf_cpu_take_interrupted(words, ret);
	return MF_STEP_DONE;
}

/* A function that was just entered, or none at all (a call of NULL). */
static enum mf_step_result by_return_address(struct mf_stacks *stacks,
					     const struct mf_step *step,
					     struct mf_frame_registers *ret)
{
	uint64_t pc = step->registers.pc, start;
	uint8_t code[CODE_BYTES];
	int above = -1;

	if (step->signal)
		return by_signal(stacks, step, ret);
	if (!step->exact)
		return MF_STEP_FAILED;
	if (mf_cpu.link != MF_NO_REGISTER)
		return by_link(stacks, step, ret);
	if (!mf_stacks_is_code(stacks, pc))
		return by_stack(stacks, step, 0, ret);
	start = mf_stacks_name(stacks, step->lookup)->start;
	if (!start)
		return MF_STEP_FAILED;
	if (mf_stacks_read(stacks, step->thread, start, code, sizeof(code)))
		above = mf_cpu_prologue(code, sizeof(code), pc - start);
	if (above >= 0)
		return by_stack(stacks, step, (unsigned)above, ret);
	return MF_STEP_FAILED;
}

/* ---- by the frame pointer -------------------------------------------------------- */

static enum mf_step_result by_frame_pointer(const struct mf_stacks *stacks,
					    const struct mf_step *step,
					    struct mf_frame_registers *ret)
{
	const struct mf_frame_registers *from = &step->registers;
	uint64_t fp = from->value[mf_cpu.fp], link[2];

	if (!(from->known >> mf_cpu.fp & 1) || fp % sizeof(fp) ||
	    fp < from->sp || fp - from->sp > FRAME_MAX)
		return MF_STEP_FAILED;
	if (!mf_stacks_read(stacks, step->thread, fp, link, sizeof(link)))
		return MF_STEP_BYTES;
	if (!mf_stacks_is_code(stacks, link[1]))
		return MF_STEP_FAILED;
	return_to(step, link[1], fp + sizeof(link), ret);
	ret->value[mf_cpu.fp] = link[0];
	ret->known = UINT64_C(1) << mf_cpu.fp | UINT64_C(1) << mf_cpu.sp;
	return MF_STEP_DONE;
}

/* ---- either ------------------------------------------------------------------------ */

enum mf_step_result mf_guess_step(struct mf_stacks *stacks,
				  const struct mf_step *step,
				  struct mf_frame_registers *ret,
				  enum mf_unwinder *by)
{
	enum mf_step_result result = MF_STEP_FAILED;

	if (stacks->options.unwinders & MF_UNWINDER_RETURN_ADDRESS) {
		*by = MF_UNWINDER_RETURN_ADDRESS;
		result = by_return_address(stacks, step, ret);
	}
	if (result != MF_STEP_DONE && !step->signal &&
	    stacks->options.unwinders & MF_UNWINDER_FRAME_POINTER) {
		*by = MF_UNWINDER_FRAME_POINTER;
		result = by_frame_pointer(stacks, step, ret);
	}
	return result;
}
