/*
 * x86-64 code, read without knowing where instructions begin: at every byte
 * there may be a call, a jump or an address that is taken, relative to the
 * instruction's end. Whoever asks drops those whose target makes no sense. These
 * are bytes of a target, not of this machine: it is built everywhere.
 */
#include "base/memory.h"
#include "scan/code.h"

enum {
	CALL = 0xe8,
	JUMP = 0xe9,
	INDIRECT = 0xff,
	INDIRECT_CALL = 0x15, /* its operand: [rip + displacement] */
	INDIRECT_JUMP = 0x25,
	LEA = 0x8d,
	MOVE_IMMEDIATE = 0xb8, /* and the seven after it, one a register */
	RELATIVE = 5,	       /* mod 0, r/m 5: [rip + displacement] */
	RELATIVE_MASK = 0xc7,
	LONGEST = 7,
};

/* Where a displacement of four bytes at BYTES leads, which ends at END. */
static uint64_t leads_to(const uint8_t *bytes, uint64_t end)
{
	return end + (uint64_t)(int64_t)mf_load(int32_t, bytes);
}

static void read_at(const uint8_t *at, uint64_t address, mf_code_visitor visit,
		    void *data)
{
	if (at[0] == CALL || at[0] == JUMP)
		visit(MF_CODE_CALL, leads_to(at + 1, address + 5), data);
	else if (at[0] == INDIRECT &&
		 (at[1] == INDIRECT_CALL || at[1] == INDIRECT_JUMP))
		visit(MF_CODE_SLOT, leads_to(at + 2, address + 6), data);
	else if ((at[0] & 0xfb) == 0x48 && at[1] == LEA &&
		 (at[2] & RELATIVE_MASK) == RELATIVE)
		visit(MF_CODE_DATA, leads_to(at + 3, address + 7), data);
	else if ((at[0] & 0xf8) == MOVE_IMMEDIATE)
		visit(MF_CODE_DATA, mf_load(uint32_t, at + 1), data);
}

void mf_code_read_x86_64(const uint8_t *bytes, size_t size, uint64_t address,
			 mf_code_visitor visit, void *data)
{
	uint8_t end[2 * LONGEST] = { 0 };
	size_t whole = size < LONGEST ? 0 : size - LONGEST + 1;

	for (size_t i = 0; i < whole; i++)
		read_at(bytes + i, address + i, visit, data);
	/* The last ones are shorter than the longest: zeros stand behind. */
	memcpy(end, bytes + whole, size - whole);
	for (size_t i = whole; i + 5 <= size; i++)
		read_at(end + (i - whole), address + i, visit, data);
}
