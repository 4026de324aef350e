/*
 * Runs classic BPF, as far as seccomp has it (kernel/seccomp.c,
 * seccomp_check_filter): loads from the call only, jumps forward only, so that
 * no filter runs longer than it is. What the kernel would refuse, and what
 * depends on something that is not known, has no answer.
 */
#include "target/cbpf.h"

#include <linux/audit.h>
#include <linux/seccomp.h>

enum {
	WORDS = sizeof(struct seccomp_data) / 4,
};

#if defined(__x86_64__)
static const uint32_t this_arch = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
static const uint32_t this_arch = AUDIT_ARCH_AARCH64;
#else
#error "no seccomp architecture"
#endif

struct machine {
	uint32_t data[WORDS];
	bool known[WORDS];
	uint32_t a, x;
	uint32_t memory[BPF_MEMWORDS];
	bool stored[BPF_MEMWORDS];
	bool failed; /* there is no answer */
};

static uint32_t fail(struct machine *machine)
{
	machine->failed = true;
	return 0;
}

/* ---- the call --------------------------------------------------------------- */

static void set_word(struct machine *machine, size_t offset, uint32_t value)
{
	machine->data[offset / 4] = value;
	machine->known[offset / 4] = true;
}

/* Little-endian, as both architectures are. */
static void set_pair(struct machine *machine, size_t offset, uint64_t value)
{
	set_word(machine, offset, (uint32_t)value);
	set_word(machine, offset + 4, (uint32_t)(value >> 32));
}

static void load_call(struct machine *machine, const struct mf_cbpf_call *call)
{
	set_word(machine, offsetof(struct seccomp_data, nr), call->number);
	set_word(machine, offsetof(struct seccomp_data, arch), this_arch);
	for (unsigned i = 0; i < 6; i++)
		if (call->known & (1U << i))
			set_pair(machine,
				 offsetof(struct seccomp_data, args) + 8 * i,
				 call->arguments[i]);
}

/* ---- instructions ------------------------------------------------------------ */

static uint32_t load_word(struct machine *machine, uint32_t offset)
{
	if (offset % 4 || offset / 4 >= WORDS || !machine->known[offset / 4])
		return fail(machine);
	return machine->data[offset / 4];
}

static uint32_t load_memory(struct machine *machine, uint32_t slot)
{
	if (slot >= BPF_MEMWORDS || !machine->stored[slot])
		return fail(machine);
	return machine->memory[slot];
}

static void store_memory(struct machine *machine, uint32_t slot, uint32_t value)
{
	if (slot >= BPF_MEMWORDS) {
		fail(machine);
		return;
	}
	machine->memory[slot] = value;
	machine->stored[slot] = true;
}

/* BPF_LD and BPF_LDX; the length is that of the call's description. */
static uint32_t load(struct machine *machine,
		     const struct sock_filter *instruction)
{
	bool is_ldx = BPF_CLASS(instruction->code) == BPF_LDX;

	if (BPF_SIZE(instruction->code) != BPF_W)
		return fail(machine);
	switch (BPF_MODE(instruction->code)) {
	case BPF_IMM:
		return instruction->k;
	case BPF_MEM:
		return load_memory(machine, instruction->k);
	case BPF_LEN:
		return sizeof(struct seccomp_data);
	case BPF_ABS:
		if (!is_ldx)
			return load_word(machine, instruction->k);
	}
	return fail(machine);
}

/* Shifts by the width and more differ between machines. */
static uint32_t calculate(struct machine *machine, uint16_t code, uint32_t by)
{
	uint32_t a = machine->a;

	switch (BPF_OP(code)) {
	case BPF_ADD:
		return a + by;
	case BPF_SUB:
		return a - by;
	case BPF_MUL:
		return a * by;
	case BPF_DIV:
		return by ? a / by : fail(machine);
	case BPF_AND:
		return a & by;
	case BPF_OR:
		return a | by;
	case BPF_XOR:
		return a ^ by;
	case BPF_LSH:
		return by < 32 ? a << by : fail(machine);
	case BPF_RSH:
		return by < 32 ? a >> by : fail(machine);
	case BPF_NEG:
		return BPF_SRC(code) == BPF_K ? -a : fail(machine);
	default:
		return fail(machine);
	}
}

/* How many instructions a jump skips. */
static size_t jump(struct machine *machine,
		   const struct sock_filter *instruction)
{
	uint32_t with = BPF_SRC(instruction->code) == BPF_X ? machine->x
							    : instruction->k;
	bool is_so;

	switch (BPF_OP(instruction->code)) {
	case BPF_JA:
		return instruction->k;
	case BPF_JEQ:
		is_so = machine->a == with;
		break;
	case BPF_JGT:
		is_so = machine->a > with;
		break;
	case BPF_JGE:
		is_so = machine->a >= with;
		break;
	case BPF_JSET:
		is_so = machine->a & with;
		break;
	default:
		return fail(machine);
	}
	return is_so ? instruction->jt : instruction->jf;
}

/* Everything but jumps and returns. */
static void step(struct machine *machine, const struct sock_filter *instruction)
{
	uint16_t code = instruction->code;

	switch (BPF_CLASS(code)) {
	case BPF_LD:
		machine->a = load(machine, instruction);
		return;
	case BPF_LDX:
		machine->x = load(machine, instruction);
		return;
	case BPF_ST:
		store_memory(machine, instruction->k, machine->a);
		return;
	case BPF_STX:
		store_memory(machine, instruction->k, machine->x);
		return;
	case BPF_ALU:
		machine->a = calculate(machine, code,
				       BPF_SRC(code) == BPF_X ? machine->x
							      : instruction->k);
		return;
	case BPF_MISC:
		if (BPF_MISCOP(code) == BPF_TAX)
			machine->x = machine->a;
		else if (BPF_MISCOP(code) == BPF_TXA)
			machine->a = machine->x;
		else
			fail(machine);
		return;
	default:
		fail(machine);
	}
}

bool mf_cbpf_run(const struct sock_filter *filter, size_t count,
		 const struct mf_cbpf_call *call, uint32_t *ret)
{
	struct machine machine = { 0 };

	load_call(&machine, call);
	for (size_t at = 0; at < count && !machine.failed; at++) {
		const struct sock_filter *instruction = &filter[at];

		switch (BPF_CLASS(instruction->code)) {
		case BPF_RET:
			if (BPF_RVAL(instruction->code) == BPF_X)
				return false;
			*ret = BPF_RVAL(instruction->code) == BPF_A
				       ? machine.a
				       : instruction->k;
			return true;
		case BPF_JMP:
			at += jump(&machine, instruction);
			break;
		default:
			step(&machine, instruction);
		}
	}
	return false;
}
