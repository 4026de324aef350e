/*
 * Classic BPF as seccomp runs it: what a filter would say to a system call,
 * found out without making the call.
 */
#ifndef MF_TARGET_CBPF_H
#define MF_TARGET_CBPF_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * A system call as a filter sees it (linux/seccomp.h, struct seccomp_data).
 * Where it is made, and arguments whose bit in KNOWN is not set, may be
 * anything: a filter that looks at one of them cannot be foretold.
 */
struct mf_cbpf_call {
	uint32_t number;
	unsigned known; /* bit N: arguments[N] */
	uint64_t arguments[6];
};

/**
 * Runs a filter of COUNT instructions on CALL: false when what it returns
 * cannot be told, or it is no filter that the kernel takes; else *ret is
 * SECCOMP_RET_*. Allocates nothing.
 */
bool mf_cbpf_run(const struct sock_filter *filter, size_t count,
		 const struct mf_cbpf_call *call, uint32_t *ret);

#endif
