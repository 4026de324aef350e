/*
 * What depends on the processor: registers, how an interrupted system call is
 * started again, and how a thread is made to call the kernel for us. One
 * arch_*.c for each, and one arch_*_call.c.
 */
#ifndef MF_TARGET_ARCH_H
#define MF_TARGET_ARCH_H

#include <string.h>

#include "memforensics/target.h"

enum {
	MF_ARCH_REGISTERS = 512,  /* bytes; room for any NT_PRSTATUS set */
	MF_ARCH_EXTENDED = 16384, /* and for any extended set */
};

/** The general registers of a stopped thread, as ptrace gives them. */
struct mf_registers {
	uint64_t size; /* bytes in use; 0: not known */
	_Alignas(16) unsigned char raw[MF_ARCH_REGISTERS];
};

/** A remote address (or a signal) in the form that system calls want. */
static inline void *mf_remote_pointer(uint64_t address)
{
	void *pointer;

	_Static_assert(sizeof(pointer) == sizeof(address), "64-bit only");
	memcpy(&pointer, &address, sizeof(pointer));
	return pointer;
}

/** "x86_64", ... */
extern const char *const mf_arch_name;

/** Of mf_thread.general, in its order, as far as they can hold a pointer;
 * NULL-terminated. */
extern const char *const mf_arch_register_names[];

/** Past the last address that the kernel gives out unasked. */
extern const uint64_t mf_arch_user_end;

/** Whether the executable's TLS block lies above the thread pointer. */
extern const bool mf_arch_tls_above;

/** Of a thread that we stopped; false when it is gone. */
bool mf_arch_get_registers(pid_t tid, struct mf_registers *ret);

/** Those of NT_PRSTATUS in a core, SIZE bytes; false when they are others. */
bool mf_arch_take_registers(const void *bytes, size_t size,
			    struct mf_registers *ret);

/**
 * When REGISTERS are those of a system call that the stop ended with EINTR,
 * and that does nothing twice when it is started again: leaves it to the
 * kernel whether to start it again (no handler runs first) or to say EINTR.
 */
void mf_arch_undo_eintr(pid_t tid, const struct mf_registers *registers);

/** Fills pc, sp, tp, in_syscall and general. */
void mf_arch_fill_thread(const struct mf_registers *registers,
			 struct mf_thread *thread);

/** Names of the system calls from FIRST on. */
struct mf_arch_calls {
	const char *const *names; /* NULL: no more of them */
	int64_t first;
	size_t count;
};

/** Of the numbers that only this processor has. */
extern const struct mf_arch_calls mf_arch_calls[];

/** The arguments of the call that THREAD is in, as far as its registers still
 * have them: bit I of what is returned says so of ret[I]. */
unsigned mf_arch_call_arguments(const struct mf_thread *thread,
				uint64_t ret[MF_SYSCALL_ARGUMENTS]);

/** Of a thread that we stopped; false when it is gone. */
bool mf_arch_set_registers(pid_t tid, const struct mf_registers *registers);

/* ---- remote calls: arch_*_call.c --------------------------------------- */

/** Instructions of the target's own that a remote call runs through. */
struct mf_remote_code {
	uint64_t call;	    /* a system call, and a return; 0: not found */
	uint64_t sigreturn; /* an rt_sigreturn, with its number; 0: not found */
};

/** Sets what it finds first in SIZE bytes of code at ADDRESS and was 0. */
void mf_arch_find_code(const uint8_t *bytes, size_t size, uint64_t address,
		       struct mf_remote_code *ret);

enum {
	MF_FRAMES = 16384,    /* bytes; most that frames take */
	MF_COPY_STATUS = 109, /* exit status of a child that ran by itself */
	MF_CALL_ARGUMENTS = 6,
};

/**
 * Two signal frames, as the kernel leaves them when it runs a handler: a thread
 * that returns into one has its state from there. The thread's own frame is its
 * state before the remote call, with a system call that was interrupted started
 * again; that of a child makes it exit with MF_COPY_STATUS.
 */
struct mf_frames {
	uint64_t start;	     /* where bytes belong */
	uint64_t own, child; /* stack pointers */
	size_t size;	     /* bytes in use */
	_Alignas(64) unsigned char bytes[MF_FRAMES];
};

/**
 * Builds the frames of TID, which is stopped with REGISTERS and the signal mask
 * MASK, below TOP. False where that cannot be done: too large, no registers, or
 * not on this processor.
 */
bool mf_arch_build_frames(pid_t tid, const struct mf_registers *registers,
			  uint64_t mask, const struct mf_remote_code *code,
			  uint64_t top, struct mf_frames *ret);

/**
 * True when all that is not zero of BYTES, which stand at ADDRESS and end where a
 * stack pointer was, begins with frames as they are built here.
 */
bool mf_arch_has_frames(const unsigned char *bytes, size_t size,
			uint64_t address, const struct mf_remote_code *code);

/** The lowest address that the ABI lets the thread use below its stack pointer:
 * what lies below is dead. 0: its registers are not those of 64-bit code. */
uint64_t mf_arch_stack_end(const struct mf_registers *registers);

/** Makes REGISTERS go on at ADDRESS; false where that cannot be done. */
bool mf_arch_set_pc(struct mf_registers *registers, uint64_t address);

/** Changes REGISTERS to those of a call of NUMBER that returns into OWN. */
void mf_arch_set_call(struct mf_registers *registers,
		      const struct mf_remote_code *code, uint64_t own,
		      long number, const uint64_t *arguments);

/** The result of the call that REGISTERS are in. */
int64_t mf_arch_call_result(const struct mf_registers *registers);

/* ---- core files ---------------------------------------------------------- */

/** EM_*, of the ELF header. */
extern const uint16_t mf_arch_machine;

/** NT_*: of the extended registers, when they are more than NT_FPREGSET. */
extern const uint32_t mf_arch_extended_note;

/** Of a thread that we stopped: bytes, at most ROOM; 0: it is gone. */
size_t mf_arch_get_extended(pid_t tid, void *bytes, size_t room);

/**
 * Of SIZE bytes of them, how many a core needs: what the processor has but the
 * thread does not use, at the end, is taken out of the set.
 */
size_t mf_arch_trim_extended(void *bytes, size_t size);

/** The set of NT_PRSTATUS: what mf_arch_fill_thread has made THREAD from. */
size_t mf_arch_general_set(const struct mf_thread *thread, void *bytes,
			   size_t room);

/**
 * The set of NT_FPREGSET, at the start of SIZE bytes of extended registers:
 * its size, or 0.
 */
size_t mf_arch_float_set(void *bytes, size_t size);

#endif
