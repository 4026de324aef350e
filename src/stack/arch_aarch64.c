/*
 * aarch64: DWARF's registers are x0 to x30 and sp; pc has no number. A call
 * leaves the return address in x30, and a function that calls others keeps it
 * beside its caller's frame pointer.
 */
#if defined(__aarch64__)

#include <string.h>

#include "stack/arch.h"

enum {
	REGISTERS = 32,
	INSTRUCTION = 4,
	/* words of struct rt_sigframe: a siginfo, then a struct ucontext */
	WORD_LINK = 17,
	WORD_STACK = 18,
	WORD_STACK_SIZE = 20,
	WORD_FAULT = 38, /* of struct sigcontext, aligned to 16 bytes */
	WORD_SP = WORD_FAULT + 1 + 31,
};

const struct mf_cpu mf_cpu = {
	.registers = REGISTERS,
	.sp = 31,
	.fp = 29,
	.pc = MF_NO_REGISTER,
	.link = 30,
	.red_zone = 0,
	.call_bytes = INSTRUCTION,
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

	if (words[WORD_LINK] || address % 16 || address < base ||
	    address - base >= size)
		return false;
	*ret = words[WORD_SP];
	return true;
}

void mf_cpu_take_interrupted(const uint64_t *words,
			     struct mf_frame_registers *ret)
{
	for (size_t i = 0; i < REGISTERS; i++)
		ret->value[i] = words[WORD_FAULT + 1 + i];
	ret->known = (UINT64_C(1) << REGISTERS) - 1;
	ret->sp = words[WORD_SP];
	ret->pc = words[WORD_SP + 1];
}

/* mov x8, #139; svc #0 */
bool mf_cpu_is_signal_return(const uint8_t *code)
{
	static const uint8_t call[] = { 0x68, 0x11, 0x80, 0xd2,
					0x01, 0x00, 0x00, 0xd4 };

	_Static_assert((int)sizeof(call) <= (int)MF_SIGNAL_RETURN, "it fits");
	return memcmp(code, call, sizeof(call)) == 0;
}

/* x30 is where the return address is, until the frame is made; then the frame
 * pointer tells. */
int mf_cpu_prologue(const uint8_t *code, size_t size, uint64_t done)
{
	(void)code;
	(void)size;
	(void)done;
	return -1;
}

bool mf_cpu_is_call(const uint8_t *code, size_t size)
{
	uint32_t word;

	if (size < INSTRUCTION)
		return false;
	memcpy(&word, code + size - INSTRUCTION, sizeof(word));
	return (word & 0xfc000000) == 0x94000000 || /* bl */
	       (word & 0xfffffc1f) == 0xd63f0000;   /* blr */
}

#endif
