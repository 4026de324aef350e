/*
 * What depends on the processor: registers, and how an interrupted system call
 * is started again. One arch_*.c for each.
 */
#ifndef MF_TARGET_ARCH_H
#define MF_TARGET_ARCH_H

#include <string.h>

#include "memforensics/target.h"

enum {
	MF_ARCH_REGISTERS = 512, /* bytes; room for any NT_PRSTATUS set */
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

/** Past the last address that the kernel gives out unasked. */
extern const uint64_t mf_arch_user_end;

/** Whether the executable's TLS block lies above the thread pointer. */
extern const bool mf_arch_tls_above;

/** Of a thread that we stopped; false when it is gone. */
bool mf_arch_get_registers(pid_t tid, struct mf_registers *ret);

/**
 * When REGISTERS are those of a system call that the stop ended with EINTR,
 * and that does nothing twice when it is started again: leaves it to the
 * kernel whether to start it again (no handler runs first) or to say EINTR.
 */
void mf_arch_undo_eintr(pid_t tid, const struct mf_registers *registers);

/** Fills pc, sp, tp, in_syscall and general. */
void mf_arch_fill_thread(const struct mf_registers *registers,
			 struct mf_thread *thread);

#endif
