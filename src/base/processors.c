/*
 * The scheduler's mask: a machine may have more processors than we are given.
 */
#include "base/processors.h"

#include <sched.h>

unsigned mf_processors_of(pid_t tid)
{
	unsigned long mask[1024] = { 0 }; /* 65536 of them */
	cpu_set_t *set = (cpu_set_t *)mask;

	if (sched_getaffinity(tid, sizeof(mask), set) != 0)
		return 0;
	return (unsigned)CPU_COUNT_S(sizeof(mask), set);
}
