/*
 * Remote calls on aarch64: none yet. The kernel forgets which call a stop has
 * interrupted (see arch_aarch64.c), so a thread that was made to call for us
 * cannot be put back as it was; targets are read while they are held.
 */
#if defined(__aarch64__)

#include "target/arch.h"

void mf_arch_find_code(const uint8_t *bytes, size_t size, uint64_t address,
		       struct mf_remote_code *ret)
{
	(void)bytes;
	(void)size;
	(void)address;
	(void)ret;
}

bool mf_arch_build_frames(pid_t tid, const struct mf_registers *registers,
			  uint64_t mask, const struct mf_remote_code *code,
			  uint64_t top, struct mf_frames *ret)
{
	(void)tid;
	(void)registers;
	(void)mask;
	(void)code;
	(void)top;
	(void)ret;
	return false;
}

bool mf_arch_has_frames(const unsigned char *bytes, size_t size,
			uint64_t address, const struct mf_remote_code *code)
{
	(void)bytes;
	(void)size;
	(void)address;
	(void)code;
	return false;
}

uint64_t mf_arch_stack_end(const struct mf_registers *registers)
{
	(void)registers;
	return 0;
}

bool mf_arch_set_pc(struct mf_registers *registers, uint64_t address)
{
	(void)registers;
	(void)address;
	return false;
}

void mf_arch_set_call(struct mf_registers *registers,
		      const struct mf_remote_code *code, uint64_t own,
		      long number, const uint64_t *arguments)
{
	(void)registers;
	(void)code;
	(void)own;
	(void)number;
	(void)arguments;
}

int64_t mf_arch_call_result(const struct mf_registers *registers)
{
	(void)registers;
	return -1;
}

#endif
