/*
 * What depends on the processor: registers, and how an interrupted system call
 * is started again. One arch_*.c for each.
 */
#ifndef MF_TARGET_ARCH_H
#define MF_TARGET_ARCH_H

#include "memforensics/target.h"

enum {
	MF_ARCH_REGISTERS = 512, /* bytes; room for any NT_PRSTATUS set */
};

/** The general registers of a stopped thread, as ptrace gives them. */
struct mf_registers {
	uint64_t size; /* bytes in use; 0: not known */
	_Alignas(16) unsigned char raw[MF_ARCH_REGISTERS];
};

/** "x86_64", ... */
extern const char *const mf_arch_name;

/** Of a thread that we stopped; false when it is gone. */
bool mf_arch_get_registers(pid_t tid, struct mf_registers *ret);
bool mf_arch_set_registers(pid_t tid, const struct mf_registers *registers);

/**
 * True when REGISTERS are those of a system call that the stop ended with
 * EINTR, and that does nothing twice when it is started again; *REWOUND then
 * starts it again.
 */
bool mf_arch_rewind(pid_t tid, const struct mf_registers *registers,
		    struct mf_registers *rewound);

/** Fills pc, sp, tp, in_syscall and general. */
void mf_arch_fill_thread(const struct mf_registers *registers,
			 struct mf_thread *thread);

#endif
