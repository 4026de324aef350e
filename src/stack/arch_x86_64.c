/*
 * x86-64: DWARF's registers (System V ABI, figure 3.36) are the first of
 * mf_thread.general, rip among them. A signal's frame is the kernel's struct
 * rt_sigframe (arch/x86/include/asm/sigframe.h): the return address into the
 * restorer, then a struct ucontext.
 */
#if defined(__x86_64__)

#include <string.h>

#include "stack/arch.h"

enum {
	REGISTERS = 17,
	CODE_SEGMENT_64 = 0x33,
	/* words of struct rt_sigframe */
	WORD_FLAGS = 1,
	WORD_LINK = 2,
	WORD_STACK = 3,
	WORD_STACK_SIZE = 5,
	WORD_SP = 21,
	WORD_SEGMENTS = 24,
	FLAGS_MAX = 7, /* UC_FP_XSTATE, UC_SIGCONTEXT_SS, UC_STRICT_... */
};

const struct mf_cpu mf_cpu = {
	.registers = REGISTERS,
	.sp = 7,
	.fp = 6,
	.pc = 16,
	.link = MF_NO_REGISTER,
	.red_zone = 128,
	.call_bytes = 7,
	.frame_below = 8, /* the return address */
};

_Static_assert((int)REGISTERS <= (int)MF_REGISTERS_MAX, "they fit");

void mf_cpu_take_registers(const struct mf_thread *thread,
			   struct mf_frame_registers *ret)
{
	memcpy(ret->value, thread->general, REGISTERS * sizeof(uint64_t));
	ret->known = (UINT64_C(1) << REGISTERS) - 1;
	ret->pc = thread->pc;
	ret->sp = thread->sp;
}

bool mf_cpu_interrupted_sp(const uint64_t *words, uint64_t address,
			   uint64_t *ret)
{
	uint64_t base = words[WORD_STACK], size = words[WORD_STACK_SIZE];

	if (words[WORD_FLAGS] > FLAGS_MAX || words[WORD_LINK] ||
	    (words[WORD_SEGMENTS] & 0xffff) != CODE_SEGMENT_64 ||
	    address < base || address - base >= size)
		return false;
	*ret = words[WORD_SP];
	return true;
}

void mf_cpu_take_interrupted(const uint64_t *words,
			     struct mf_frame_registers *ret)
{
	/* of DWARF's registers, in struct ucontext's r8 to r15, rdi ... */
	static const unsigned char places[REGISTERS] = {
		19, 18, 20, 17, 15, 14, 16, WORD_SP,	 6,
		7,  8,	9,  10, 11, 12, 13, WORD_SP + 1,
	};

	for (size_t i = 0; i < REGISTERS; i++)
		ret->value[i] = words[places[i]];
	ret->known = (UINT64_C(1) << REGISTERS) - 1;
	ret->sp = words[WORD_SP];
	ret->pc = words[WORD_SP + 1];
}

/* mov $15, %rax; syscall */
bool mf_cpu_is_signal_return(const uint8_t *code)
{
	static const uint8_t call[] = { 0x48, 0xc7, 0xc0, 0x0f, 0x00,
					0x00, 0x00, 0x0f, 0x05 };

	_Static_assert((int)sizeof(call) <= (int)MF_SIGNAL_RETURN, "it fits");
	return memcmp(code, call, sizeof(call)) == 0;
}

int mf_cpu_prologue(const uint8_t *code, size_t size, uint64_t done)
{
	static const uint8_t mark[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	static const uint8_t set[][3] = { { 0x48, 0x89, 0xe5 },
					  { 0x48, 0x8b, 0xec } };
	size_t at = 0;

	if (size >= sizeof(mark) && memcmp(code, mark, sizeof(mark)) == 0)
		at += sizeof(mark);
	if (size < at + 1 + sizeof(set[0]) || code[at] != 0x55 ||
	    (memcmp(code + at + 1, set[0], sizeof(set[0])) != 0 &&
	     memcmp(code + at + 1, set[1], sizeof(set[1])) != 0))
		return -1;
	if (done <= at)
		return 0;
	return done == at + 1 ? 8 : -1;
}

/* call rel32; or ff /2 with what its ModRM byte asks for. */
bool mf_cpu_is_call(const uint8_t *code, size_t size)
{
	if (size >= 5 && code[size - 5] == 0xe8)
		return true;
	for (size_t length = 2; length <= 7 && length <= size; length++) {
		const uint8_t *at = code + size - length;
		unsigned mode = at[1] >> 6, base = at[1] & 7;
		size_t needed = 2;

		if (at[0] != 0xff || (at[1] >> 3 & 7) != 2)
			continue;
		if (mode != 3 && base == 4)
			needed++;
		if (mode == 1)
			needed++;
		if (mode == 2 || (mode == 0 && base == 5))
			needed += 4;
		if (needed == length)
			return true;
	}
	return false;
}

#endif
