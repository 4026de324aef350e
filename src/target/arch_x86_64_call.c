/*
 * Remote calls on x86-64. A thread is made to run `syscall; ret` of its own
 * code with its stack pointer at a signal frame, whose first word is the
 * address of an rt_sigreturn: if nobody stops it after the call, it returns
 * into that, and the kernel sets all of its state to what it was (sigreturn(2);
 * layouts: linux asm/sigcontext.h, asm/ucontext.h, and glibc's ucontext.h,
 * which begins as the kernel's does).
 */
#if defined(__x86_64__)

#include <asm/sigcontext.h>
#include <cpuid.h>
#include <elf.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

#include "base/compiler.h"
#include "target/arch.h"

enum {
	CODE_SEGMENT_64 = 0x33,
	STACK_SEGMENT_64 = 0x2b,
	RED_ZONE = 128,
	SYSCALL_SIZE = 2,
	/* linux/errno.h, the kernel's own */
	ERESTARTSYS = 512,
	ERESTARTNOINTR = 513,
	ERESTARTNOHAND = 514,
	ERESTART_RESTARTBLOCK = 516,
	/* asm/ucontext.h */
	HAS_XSTATE = 1,
	HAS_STACK_SEGMENT = 2,
	STRICT_STACK_SEGMENT = 4,
	NO_SUCH_STACK_MODE = 7,
	/* of an xsave area */
	LEGACY_SIZE = 512,
	HEADER_SIZE = 64,
	SOFTWARE_BYTES = 464,
	ALIGNMENT = 64,
	CPUID_XSTATE = 0xd,
	LEGACY_COMPONENTS = 3, /* x87 and SSE, a mask */
	FIRST_EXTENSION = 2,
	COMPONENTS = 63,
};

/* What rt_sigreturn reads, from its return address on: struct rt_sigframe. */
struct frame {
	uint64_t return_address;
	uint64_t flags, link;
	struct {
		uint64_t start;
		uint32_t flags, reserved;
		uint64_t size;
	} stack;
	struct {
		uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
		uint64_t di, si, bp, bx, dx, ax, cx, sp, ip, flags;
		uint16_t cs, gs, fs, ss;
		uint64_t err, trap, mask, cr2;
		uint64_t fpstate;
		uint64_t reserved[8];
	} context;
	uint64_t mask;
};

_Static_assert(offsetof(struct frame, context) == 48 &&
		       offsetof(struct frame, mask) == 304,
	       "as the kernel has it");

/* ---- code --------------------------------------------------------------- */

static const uint8_t call_bytes[] = { 0x0f, 0x05, 0xc3 };
/* mov $15, %rax; syscall: glibc, musl and Go have it so */
static const uint8_t sigreturn_long[] = { 0x48, 0xc7, 0xc0, 0x0f, 0x00,
					  0x00, 0x00, 0x0f, 0x05 };
/* mov $15, %eax; syscall */
static const uint8_t sigreturn_short[] = { 0xb8, 0x0f, 0x00, 0x00,
					   0x00, 0x0f, 0x05 };

static uint64_t find(const uint8_t *bytes, size_t size, uint64_t address,
		     const uint8_t *wanted, size_t wanted_size)
{
	const uint8_t *at = memmem(bytes, size, wanted, wanted_size);

	return at ? address + (uint64_t)(at - bytes) : 0;
}

void mf_arch_find_code(const uint8_t *bytes, size_t size, uint64_t address,
		       struct mf_remote_code *ret)
{
	if (!ret->call)
		ret->call = find(bytes, size, address, call_bytes,
				 sizeof(call_bytes));
	if (!ret->sigreturn)
		ret->sigreturn = find(bytes, size, address, sigreturn_long,
				      sizeof(sigreturn_long));
	if (!ret->sigreturn)
		ret->sigreturn = find(bytes, size, address, sigreturn_short,
				      sizeof(sigreturn_short));
}

/* ---- the floating point and vector registers ------------------------------ */

/* Bytes of a standard xsave area that holds the components of MASK. */
static size_t xstate_size(uint64_t mask)
{
	size_t size = LEGACY_SIZE + HEADER_SIZE;

	for (unsigned i = FIRST_EXTENSION; i < COMPONENTS; i++) {
		unsigned a, b, c, d;

		if (!(mask & (UINT64_C(1) << i)) ||
		    !__get_cpuid_count(CPUID_XSTATE, i, &a, &b, &c, &d))
			continue;
		size = MF_MAX(size, (size_t)a + b);
	}
	return size;
}

/*
 * Writes them to TO as a signal frame has them; 0: they cannot be had. Only
 * the components that the thread uses: the others begin anew, as they are.
 */
static size_t save_xstate(pid_t tid, unsigned char *to, size_t room)
{
	static _Alignas(ALIGNMENT) unsigned char raw[MF_FRAMES];
	struct iovec part = { raw, sizeof(raw) };
	const uint32_t end = FP_XSTATE_MAGIC2;
	struct _fpx_sw_bytes software = { .magic1 = FP_XSTATE_MAGIC1 };
	uint64_t used;
	size_t size;

	if (ptrace(PTRACE_GETREGSET, tid, (void *)NT_X86_XSTATE, &part) != 0 ||
	    part.iov_len < LEGACY_SIZE + HEADER_SIZE)
		return 0;
	memcpy(&used, raw + LEGACY_SIZE, sizeof(used));
	size = xstate_size(used);
	if (size > part.iov_len || size + sizeof(end) > room)
		return 0;
	software.xfeatures = used | LEGACY_COMPONENTS;
	software.xstate_size = (uint32_t)size;
	software.extended_size = (uint32_t)(size + sizeof(end));
	memcpy(to, raw, size);
	memcpy(to + SOFTWARE_BYTES, &software, sizeof(software));
	memcpy(to + size, &end, sizeof(end));
	return size + sizeof(end);
}

/* ---- frames ----------------------------------------------------------------- */

static bool read_user(const struct mf_registers *registers,
		      struct user_regs_struct *ret)
{
	if (registers->size != sizeof(*ret))
		return false;
	memcpy(ret, registers->raw, sizeof(*ret));
	return ret->cs == CODE_SEGMENT_64;
}

uint64_t mf_arch_stack_end(const struct mf_registers *registers)
{
	struct user_regs_struct user;

	if (!read_user(registers, &user) || user.rsp < RED_ZONE)
		return 0;
	return user.rsp - RED_ZONE;
}

/*
 * What the kernel would do with an interrupted call when the thread runs on:
 * rt_sigreturn leaves it undone. The rest of a timeout is in the kernel alone:
 * a call that has one waits for all of it again.
 */
static void restart_call(struct user_regs_struct *user)
{
	if ((long long)user->orig_rax < 0)
		return;
	switch (-(long long)user->rax) {
	case ERESTARTSYS:
	case ERESTARTNOINTR:
	case ERESTARTNOHAND:
	case ERESTART_RESTARTBLOCK:
		user->rax = user->orig_rax;
		user->rip -= SYSCALL_SIZE;
		break;
	default:
		break;
	}
}

static void fill_frame(const struct user_regs_struct *user, uint64_t mask,
		       const struct mf_remote_code *code, struct frame *ret)
{
	*ret = (struct frame){
		.return_address = code->sigreturn,
		.flags = HAS_STACK_SEGMENT | STRICT_STACK_SEGMENT,
		/* refused, so that the alternate stack stays what it is */
		.stack.flags = NO_SUCH_STACK_MODE,
		.context = { .r8 = user->r8,
			     .r9 = user->r9,
			     .r10 = user->r10,
			     .r11 = user->r11,
			     .r12 = user->r12,
			     .r13 = user->r13,
			     .r14 = user->r14,
			     .r15 = user->r15,
			     .di = user->rdi,
			     .si = user->rsi,
			     .bp = user->rbp,
			     .bx = user->rbx,
			     .dx = user->rdx,
			     .ax = user->rax,
			     .cx = user->rcx,
			     .sp = user->rsp,
			     .ip = user->rip,
			     .flags = user->eflags,
			     .cs = CODE_SEGMENT_64,
			     .ss = STACK_SEGMENT_64 },
		.mask = mask,
	};
}

/* A child shares the files of its parent: it may do nothing but end. */
static void fill_child(const struct mf_remote_code *code, uint64_t stack,
		       struct frame *ret)
{
	const struct user_regs_struct user = {
		.rax = SYS_exit_group,
		.rdi = MF_COPY_STATUS,
		.rip = code->call,
		.rsp = stack,
	};

	fill_frame(&user, ~UINT64_C(0), code, ret);
}

bool mf_arch_build_frames(pid_t tid, const struct mf_registers *registers,
			  uint64_t mask, const struct mf_remote_code *code,
			  uint64_t top, struct mf_frames *ret)
{
	static _Alignas(ALIGNMENT) unsigned char xstate[MF_FRAMES];
	struct user_regs_struct user;
	struct frame own, child;
	uint64_t at;
	size_t size = save_xstate(tid, xstate,
				  MF_FRAMES - 2 * sizeof(own) - 2 * ALIGNMENT);

	if (!size || !read_user(registers, &user) || top < MF_FRAMES)
		return false;
	restart_call(&user);
	fill_frame(&user, mask, code, &own);
	at = (top - size) & ~(uint64_t)(ALIGNMENT - 1);
	own.context.fpstate = at;
	own.flags |= HAS_XSTATE;
	/* lowest is the thread's own: what is below that may be used */
	ret->child = at - sizeof(child);
	ret->own = ret->child - sizeof(own);
	ret->start = ret->own;
	ret->size = at + size - ret->start;
	fill_child(code, ret->child, &child);
	memcpy(ret->bytes, &own, sizeof(own));
	memcpy(ret->bytes + (ret->child - ret->start), &child, sizeof(child));
	memcpy(ret->bytes + (at - ret->start), xstate, size);
	return true;
}

bool mf_arch_has_frames(const unsigned char *bytes, size_t size,
			uint64_t address, const struct mf_remote_code *code)
{
	const size_t both = 2 * sizeof(struct frame);
	struct frame own, child;
	size_t at = 0;

	while (at < size && !bytes[at])
		at++;
	at &= ~(size_t)(sizeof(uint64_t) - 1);
	if (at + both > size)
		return false;
	memcpy(&own, bytes + at, sizeof(own));
	memcpy(&child, bytes + at + sizeof(own), sizeof(child));
	return own.return_address == code->sigreturn &&
	       own.stack.flags == NO_SUCH_STACK_MODE &&
	       own.context.fpstate == address + at + both &&
	       child.return_address == code->sigreturn &&
	       child.stack.flags == NO_SUCH_STACK_MODE &&
	       child.context.ax == SYS_exit_group &&
	       child.context.di == MF_COPY_STATUS &&
	       child.context.ip == code->call &&
	       child.context.sp == address + at + sizeof(own);
}

/* ---- calls --------------------------------------------------------------------- */

bool mf_arch_set_pc(struct mf_registers *registers, uint64_t address)
{
	struct user_regs_struct user;

	if (!read_user(registers, &user))
		return false;
	user.rip = address;
	memcpy(registers->raw, &user, sizeof(user));
	return true;
}

void mf_arch_set_call(struct mf_registers *registers,
		      const struct mf_remote_code *code, uint64_t own,
		      long number, const uint64_t *arguments)
{
	struct user_regs_struct user;

	if (!read_user(registers, &user))
		return;
	user.rax = (unsigned long long)number;
	user.orig_rax = (unsigned long long)-1;
	user.rip = code->call;
	user.rsp = own;
	user.rdi = arguments[0];
	user.rsi = arguments[1];
	user.rdx = arguments[2];
	user.r10 = arguments[3];
	user.r8 = arguments[4];
	user.r9 = arguments[5];
	memcpy(registers->raw, &user, sizeof(user));
}

int64_t mf_arch_call_result(const struct mf_registers *registers)
{
	struct user_regs_struct user;

	return read_user(registers, &user) ? (int64_t)user.rax : -ESRCH;
}

#endif
