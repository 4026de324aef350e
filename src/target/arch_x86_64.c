/*
 * x86-64. mf_thread.general holds the DWARF registers in DWARF's order (rax
 * rdx rcx rbx rsi rdi rbp rsp r8..r15 rip), then orig_rax, eflags, fs_base,
 * gs_base, cs.
 *
 * Restarting. Most calls that a stop interrupts return a code that the kernel
 * turns into a restart by itself (-512 to -516, kernel-internal). Some return
 * -EINTR at once (signal(7), "Interruption of system calls by stop signals");
 * those are listed here. A stop by PTRACE_INTERRUPT is reported after the call
 * returned and before the kernel decides what becomes of its result: when the
 * thread runs on it takes the signals that wait, and then looks at the result
 * again. So -EINTR is made -ERESTARTNOHAND, "EINTR if a handler runs, else
 * start the call again": the kernel decides, at the last moment and for each
 * thread by itself, and there is nothing to put back when we die.
 *
 * An EINTR that a handler has caused is never taken for ours: its frame is
 * entered with rax 0, and rt_sigreturn sets orig_rax to -1.
 */
#if defined(__x86_64__)

#include <cpuid.h>
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

#include "base/compiler.h"
#include "base/memory.h"
#include "target/arch.h"

enum {
	CODE_SEGMENT_64 = 0x33,
	SYSCALL_SIZE = 2,
	ERESTARTNOHAND = 514,	/* linux/errno.h, the kernel's own */
	SYSCALL_BYTES = 0x050f, /* 0f 05, as a little-endian number */
};

const char *const mf_arch_name = "x86_64";
const char *const mf_arch_register_names[] = {
	"rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", "r8",
	"r9",  "r10", "r11", "r12", "r13", "r14", "r15", "rip", NULL,
};
const uint64_t mf_arch_user_end = UINT64_C(1) << 47;
const bool mf_arch_tls_above = false;

_Static_assert(sizeof(struct user_regs_struct) <= MF_ARCH_REGISTERS,
	       "registers fit");

bool mf_arch_get_registers(pid_t tid, struct mf_registers *ret)
{
	struct iovec part = { ret->raw, sizeof(ret->raw) };

	if (ptrace(PTRACE_GETREGSET, tid, (void *)NT_PRSTATUS, &part) != 0 ||
	    part.iov_len != sizeof(struct user_regs_struct)) {
		ret->size = 0;
		return false;
	}
	ret->size = part.iov_len;
	return true;
}

bool mf_arch_set_registers(pid_t tid, const struct mf_registers *registers)
{
	struct user_regs_struct user;
	struct iovec part = { &user, sizeof(user) };

	if (registers->size != sizeof(user))
		return false;
	memcpy(&user, registers->raw, sizeof(user));
	return ptrace(PTRACE_SETREGSET, tid, (void *)NT_PRSTATUS, &part) == 0;
}

bool mf_arch_take_registers(const void *bytes, size_t size,
			    struct mf_registers *ret)
{
	if (size != sizeof(struct user_regs_struct))
		return false;
	memcpy(ret->raw, bytes, size);
	ret->size = size;
	return true;
}

/*
 * Calls that return -EINTR when a thread is stopped, and wait anew when they
 * are called again: nothing was taken or sent when they say EINTR. Never
 * close(): its descriptor is gone whatever it says.
 */
static bool is_restartable(unsigned long long number)
{
	static const unsigned short numbers[] = {
		SYS_read,
		SYS_readv,
		SYS_write,
		SYS_writev,
		SYS_recvfrom,
		SYS_recvmsg,
		SYS_recvmmsg,
		SYS_sendto,
		SYS_sendmsg,
		SYS_sendmmsg,
		SYS_accept,
		SYS_accept4,
		SYS_connect,
		SYS_epoll_wait,
		SYS_epoll_pwait,
		441 /* epoll_pwait2 */,
		SYS_semop,
		SYS_semtimedop,
		SYS_rt_sigtimedwait,
		SYS_io_getevents,
		SYS_io_pgetevents,
		426 /* io_uring_enter */,
		SYS_msgrcv,
		SYS_msgsnd,
	};

	for (size_t i = 0; i < MF_ARRAY_SIZE(numbers); i++)
		if (numbers[i] == number)
			return true;
	return false;
}

/* int $0x80 is as long, but counts calls in another way. */
static bool is_after_syscall(pid_t tid, unsigned long long pc)
{
	long word;

	errno = 0;
	word = ptrace(PTRACE_PEEKTEXT, tid,
		      mf_remote_pointer(pc - SYSCALL_SIZE), NULL);
	return !errno && (word & 0xffff) == SYSCALL_BYTES;
}

void mf_arch_undo_eintr(pid_t tid, const struct mf_registers *registers)
{
	struct user_regs_struct user;

	if (registers->size != sizeof(user))
		return;
	memcpy(&user, registers->raw, sizeof(user));
	if ((long long)user.rax != -EINTR || (long long)user.orig_rax < 0 ||
	    user.cs != CODE_SEGMENT_64 || !is_restartable(user.orig_rax) ||
	    !is_after_syscall(tid, user.rip))
		return;
	ptrace(PTRACE_POKEUSER, tid,
	       mf_remote_pointer(offsetof(struct user, regs.rax)),
	       mf_remote_pointer((uint64_t)-ERESTARTNOHAND));
}

void mf_arch_fill_thread(const struct mf_registers *registers,
			 struct mf_thread *thread)
{
	struct user_regs_struct user;

	if (registers->size != sizeof(user))
		return;
	memcpy(&user, registers->raw, sizeof(user));
	const uint64_t general[] = {
		user.rax,     user.rdx,	     user.rcx,	  user.rbx,
		user.rsi,     user.rdi,	     user.rbp,	  user.rsp,
		user.r8,      user.r9,	     user.r10,	  user.r11,
		user.r12,     user.r13,	     user.r14,	  user.r15,
		user.rip,     user.orig_rax, user.eflags, user.fs_base,
		user.gs_base, user.cs,	     user.ss,	  user.ds,
		user.es,      user.fs,	     user.gs,
	};

	_Static_assert(sizeof(general) <= sizeof(thread->general), "fits");
	memcpy(thread->general, general, sizeof(general));
	thread->pc = user.rip;
	thread->sp = user.rsp;
	thread->tp = user.fs_base;
	thread->in_syscall = (long long)user.orig_rax >= 0;
	thread->syscall = (int64_t)user.orig_rax;
	thread->registers_known = true;
}

unsigned mf_arch_call_arguments(const struct mf_thread *thread,
				uint64_t ret[MF_SYSCALL_ARGUMENTS])
{
	/* rdi rsi rdx r10 r8 r9 */
	static const unsigned char places[] = { 5, 4, 1, 10, 8, 9 };

	for (unsigned i = 0; i < MF_SYSCALL_ARGUMENTS; i++)
		ret[i] = thread->general[places[i]];
	return (1U << MF_SYSCALL_ARGUMENTS) - 1;
}

/* ---- core files ---------------------------------------------------------- */

const uint16_t mf_arch_machine = EM_X86_64;
const uint32_t mf_arch_extended_note = NT_X86_XSTATE;

enum {
	FLOAT_SET = 512,  /* FXSAVE's, which XSAVE's begins with */
	FLOAT_OWN = 464,  /* in it, what software keeps there: features */
	HEADER_END = 576, /* of XSAVE's: features in use, and no more */
	STATE_LEAF = 0xd, /* of CPUID: where each feature's state is */
};

size_t mf_arch_get_extended(pid_t tid, void *bytes, size_t room)
{
	struct iovec part = { bytes, room };

	if (ptrace(PTRACE_GETREGSET, tid, (void *)NT_X86_XSTATE, &part) == 0 &&
	    part.iov_len < room)
		return part.iov_len;
	/* no XSAVE, or no room for all of it */
	part.iov_len = MF_MIN(room, (size_t)FLOAT_SET);
	if (ptrace(PTRACE_GETREGSET, tid, (void *)NT_PRFPREG, &part) == 0 &&
	    part.iov_len == FLOAT_SET)
		return FLOAT_SET;
	return 0;
}

/*
 * Tiles of matrices are 8 KiB of each thread, which few programs use and older
 * debuggers do not know: they are left out of the features that the set claims
 * to have when they are not in use.
 */
size_t mf_arch_trim_extended(void *bytes, size_t size)
{
	const uint64_t tiles = UINT64_C(3) << 17;
	unsigned char *set = bytes;
	uint64_t features, used;
	size_t needed = HEADER_END;

	if (size <= HEADER_END)
		return size;
	features = mf_load(uint64_t, set + FLOAT_OWN);
	used = mf_load(uint64_t, set + FLOAT_SET);
	if (!(features & tiles) || used & tiles)
		return size;
	features &= ~tiles;
	for (unsigned i = 2; i < 63; i++) {
		unsigned length = 0, offset = 0, ignored;

		if (!(features >> i & 1) ||
		    !__get_cpuid_count(STATE_LEAF, i, &length, &offset,
				       &ignored, &ignored))
			continue;
		needed = MF_MAX(needed, (size_t)offset + length);
	}
	if (needed >= size)
		return size;
	memcpy(set + FLOAT_OWN, &features, sizeof(features));
	return needed;
}

size_t mf_arch_general_set(const struct mf_thread *thread, void *bytes,
			   size_t room)
{
	const uint64_t *from = thread->general;
	const struct user_regs_struct user = {
		.rax = from[0],
		.rdx = from[1],
		.rcx = from[2],
		.rbx = from[3],
		.rsi = from[4],
		.rdi = from[5],
		.rbp = from[6],
		.rsp = thread->sp,
		.r8 = from[8],
		.r9 = from[9],
		.r10 = from[10],
		.r11 = from[11],
		.r12 = from[12],
		.r13 = from[13],
		.r14 = from[14],
		.r15 = from[15],
		.rip = thread->pc,
		.orig_rax = from[17],
		.eflags = from[18],
		.fs_base = thread->tp,
		.gs_base = from[20],
		.cs = from[21],
		.ss = from[22],
		.ds = from[23],
		.es = from[24],
		.fs = from[25],
		.gs = from[26],
	};

	if (room < sizeof(user))
		return 0;
	memcpy(bytes, &user, sizeof(user));
	return sizeof(user);
}

size_t mf_arch_float_set(void *bytes, size_t size)
{
	if (size < FLOAT_SET)
		return 0;
	memset((char *)bytes + FLOAT_OWN, 0, FLOAT_SET - FLOAT_OWN);
	return FLOAT_SET;
}

#endif
