/*
 * aarch64 code: instructions are four bytes each. An address is taken in two of
 * them: the page (adrp), and what is added to it. These are bytes of a target,
 * not of this machine: it is built everywhere.
 */
#include "base/memory.h"
#include "scan/code.h"

enum {
	INSTRUCTION = 4,
	REGISTERS = 32,
};

static const uint32_t branch_mask = 0xfc000000, branch = 0x14000000,
		      branch_link = 0x94000000;
static const uint32_t adrp_mask = 0x9f000000, adrp = 0x90000000;
static const uint32_t adr = 0x10000000;
static const uint32_t add_mask = 0xff800000, add_immediate = 0x91000000;

static int64_t sign_extend(uint64_t value, unsigned bits)
{
	uint64_t sign = UINT64_C(1) << (bits - 1);

	return (int64_t)((value ^ sign) - sign);
}

/* The 21 bits that adr and adrp have in two pieces. */
static int64_t page_immediate(uint32_t word)
{
	uint64_t low = word >> 29 & 3, high = word >> 5 & 0x7ffff;

	return sign_extend(high << 2 | low, 21);
}

struct pages {
	uint64_t of[REGISTERS];
	bool known[REGISTERS];
};

static void read_add(uint32_t word, struct pages *pages, mf_code_visitor visit,
		     void *data)
{
	unsigned to = word & 31, from = word >> 5 & 31;
	uint64_t immediate = word >> 10 & 0xfff;

	if (word >> 22 & 1)
		immediate <<= 12;
	if (pages->known[from])
		visit(MF_CODE_DATA, pages->of[from] + immediate, data);
	pages->known[to] = false;
}

static void read_word(uint32_t word, uint64_t address, struct pages *pages,
		      mf_code_visitor visit, void *data)
{
	if ((word & branch_mask) == branch_link ||
	    (word & branch_mask) == branch) {
		int64_t offset =
			sign_extend(word & ~branch_mask, 26) * INSTRUCTION;

		visit(MF_CODE_CALL, address + (uint64_t)offset, data);
	} else if ((word & adrp_mask) == adrp) {
		uint64_t page = address & ~UINT64_C(0xfff);

		pages->of[word & 31] =
			page + (uint64_t)(page_immediate(word) * 4096);
		pages->known[word & 31] = true;
	} else if ((word & adrp_mask) == adr) {
		visit(MF_CODE_DATA, address + (uint64_t)page_immediate(word),
		      data);
	} else if ((word & add_mask) == add_immediate) {
		read_add(word, pages, visit, data);
	}
}

void mf_code_read_aarch64(const uint8_t *bytes, size_t size, uint64_t address,
			  mf_code_visitor visit, void *data)
{
	struct pages pages = { 0 };

	for (size_t i = 0; i + INSTRUCTION <= size; i += INSTRUCTION)
		read_word(mf_load(uint32_t, bytes + i), address + i, &pages,
			  visit, data);
}
