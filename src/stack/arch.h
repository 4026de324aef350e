/*
 * What depends on the processor: which DWARF registers there are, how code
 * without unwind tables keeps its caller, and what a signal leaves on a stack.
 * One arch_*.c for each.
 */
#ifndef MF_STACK_ARCH_H
#define MF_STACK_ARCH_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memforensics/target.h"

enum {
	MF_REGISTERS_MAX = 34,
	MF_SIGNAL_WORDS = 80, /* of a signal's frame, that are looked at */
};

#define MF_NO_REGISTER UINT_MAX

/** The registers of one frame, by their DWARF numbers. */
struct mf_frame_registers {
	uint64_t pc, sp;
	uint64_t value[MF_REGISTERS_MAX];
	uint64_t known; /* bit n: value[n] is */
};

struct mf_cpu {
	unsigned registers; /* that have numbers; sp is among them */
	unsigned sp, fp;
	unsigned pc;	      /* or MF_NO_REGISTER: it has no number */
	unsigned link;	      /* where a call leaves the return address, or
				MF_NO_REGISTER: it pushes it */
	unsigned red_zone;    /* bytes below sp that are in use */
	unsigned call_bytes;  /* of the longest call instruction */
	unsigned frame_below; /* bytes from the kernel's frame for a handler to
				 sp when that has returned */
};

/** This machine's. */
extern const struct mf_cpu mf_cpu;

/** Of a thread, as the target room has them. */
void mf_cpu_take_registers(const struct mf_thread *thread,
			   struct mf_frame_registers *ret);

/**
 * The stack pointer that a signal has interrupted, when the kernel's frame for
 * its handler begins with WORDS (MF_SIGNAL_WORDS), which are at ADDRESS.
 */
bool mf_cpu_interrupted_sp(const uint64_t *words, uint64_t address,
			   uint64_t *ret);

/** The registers of what a signal has interrupted, of such words. */
void mf_cpu_take_interrupted(const uint64_t *words,
			     struct mf_frame_registers *ret);

enum {
	MF_SIGNAL_RETURN = 9, /* bytes of what a handler returns to, at most */
};

/** Whether CODE, MF_SIGNAL_RETURN bytes, asks the kernel to go on with what a
 * signal has interrupted; where a libc has no unwind tables for it. */
bool mf_cpu_is_signal_return(const uint8_t *code);

/**
 * Where a function that keeps a frame pointer, and begins with CODE, SIZE
 * bytes, has its return address when DONE bytes of it have run: that far above
 * sp. -1: its frame pointer is set, or it keeps none.
 */
int mf_cpu_prologue(const uint8_t *code, size_t size, uint64_t done);

/** Whether CODE, SIZE bytes, ends in a call. */
bool mf_cpu_is_call(const uint8_t *code, size_t size);

#endif
