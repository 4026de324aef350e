/*
 * aarch64. mf_thread.general holds the DWARF registers in DWARF's order (x0 to
 * x30, sp); pc and the thread pointer have fields of their own.
 *
 * Restarting. The kernel decides what becomes of an interrupted call before it
 * reports the stop, and shows neither the call's number nor its first argument
 * afterwards: -EINTR cannot be made a restart here, and stays what it is. A
 * thread that is in a call shows by its next instruction, or the one before: it
 * is the call.
 */
#if defined(__aarch64__)

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

#include "base/compiler.h"
#include "target/arch.h"

enum {
	INSTRUCTION = 4,
	SYSCALL_REGISTER = 8,
};

static const uint32_t supervisor_call = 0xd4000001; /* svc #0 */

const char *const mf_arch_name = "aarch64";
const char *const mf_arch_register_names[] = {
	"x0",  "x1",  "x2",  "x3",  "x4",  "x5",  "x6",	 "x7",	"x8",
	"x9",  "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17",
	"x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26",
	"x27", "x28", "x29", "x30", "sp",  NULL,
};
const uint64_t mf_arch_user_end = UINT64_C(1) << 48;
const bool mf_arch_tls_above = true;

/* What mf_registers.raw holds: the regsets, and what only a stop tells. */
struct registers {
	struct user_regs_struct user;
	uint64_t tp;
	uint64_t in_syscall;
};

_Static_assert(sizeof(struct registers) <= MF_ARCH_REGISTERS, "they fit");

static bool get_set(pid_t tid, int type, void *set, size_t size)
{
	struct iovec part = { set, size };

	return ptrace(PTRACE_GETREGSET, tid, mf_remote_pointer((unsigned)type),
		      &part) == 0 &&
	       part.iov_len >= size;
}

static bool is_syscall(pid_t tid, uint64_t pc)
{
	uint64_t aligned = pc & ~(uint64_t)7;
	long word;

	errno = 0;
	word = ptrace(PTRACE_PEEKTEXT, tid, mf_remote_pointer(aligned), NULL);
	if (errno)
		return false;
	return (uint32_t)((uint64_t)word >> (pc & 4 ? 32 : 0)) ==
	       supervisor_call;
}

bool mf_arch_get_registers(pid_t tid, struct mf_registers *ret)
{
	struct registers all = { 0 };

	ret->size = 0;
	if (!get_set(tid, NT_PRSTATUS, &all.user, sizeof(all.user)) ||
	    !get_set(tid, NT_ARM_TLS, &all.tp, sizeof(all.tp)))
		return false;
	all.in_syscall = is_syscall(tid, all.user.pc) ||
			 is_syscall(tid, all.user.pc - INSTRUCTION);
	memcpy(ret->raw, &all, sizeof(all));
	ret->size = sizeof(all);
	return true;
}

bool mf_arch_set_registers(pid_t tid, const struct mf_registers *registers)
{
	struct registers all;
	struct iovec part = { &all.user, sizeof(all.user) };

	if (registers->size != sizeof(all))
		return false;
	memcpy(&all, registers->raw, sizeof(all));
	return ptrace(PTRACE_SETREGSET, tid, mf_remote_pointer(NT_PRSTATUS),
		      &part) == 0;
}

/* The thread pointer and the call have notes of their own. */
bool mf_arch_take_registers(const void *bytes, size_t size,
			    struct mf_registers *ret)
{
	struct registers all = { 0 };

	if (size != sizeof(all.user))
		return false;
	memcpy(&all.user, bytes, size);
	memcpy(ret->raw, &all, sizeof(all));
	ret->size = sizeof(all);
	return true;
}

void mf_arch_undo_eintr(pid_t tid, const struct mf_registers *registers)
{
	(void)tid;
	(void)registers;
}

void mf_arch_fill_thread(const struct mf_registers *registers,
			 struct mf_thread *thread)
{
	struct registers all;

	if (registers->size != sizeof(all))
		return;
	memcpy(&all, registers->raw, sizeof(all));
	memcpy(thread->general, all.user.regs, sizeof(all.user.regs));
	thread->general[MF_ARRAY_SIZE(all.user.regs)] = all.user.sp;
	thread->pc = all.user.pc;
	thread->sp = all.user.sp;
	thread->tp = all.tp;
	thread->in_syscall = all.in_syscall;
	thread->syscall = (int64_t)all.user.regs[SYSCALL_REGISTER];
	thread->registers_known = true;
}

/* The first one's register has the result by now. */
unsigned mf_arch_call_arguments(const struct mf_thread *thread,
				uint64_t ret[MF_SYSCALL_ARGUMENTS])
{
	for (unsigned i = 0; i < MF_SYSCALL_ARGUMENTS; i++)
		ret[i] = thread->general[i];
	return ((1U << MF_SYSCALL_ARGUMENTS) - 1) & ~1U;
}

/* ---- core files ---------------------------------------------------------- */

const uint16_t mf_arch_machine = EM_AARCH64;
const uint32_t mf_arch_extended_note = NT_PRFPREG;

size_t mf_arch_get_extended(pid_t tid, void *bytes, size_t room)
{
	size_t size = sizeof(struct user_fpsimd_struct);

	return room >= size && get_set(tid, NT_PRFPREG, bytes, size) ? size : 0;
}

size_t mf_arch_trim_extended(void *bytes, size_t size)
{
	(void)bytes;
	return size;
}

size_t mf_arch_general_set(const struct mf_thread *thread, void *bytes,
			   size_t room)
{
	struct user_regs_struct user = { .sp = thread->sp, .pc = thread->pc };

	if (room < sizeof(user))
		return 0;
	memcpy(user.regs, thread->general, sizeof(user.regs));
	memcpy(bytes, &user, sizeof(user));
	return sizeof(user);
}

size_t mf_arch_float_set(void *bytes, size_t size)
{
	(void)bytes;
	return size == sizeof(struct user_fpsimd_struct) ? size : 0;
}

#endif
