/*
 * Processors that a thread may run on.
 */
#ifndef MF_BASE_PROCESSORS_H
#define MF_BASE_PROCESSORS_H

#include <sys/types.h>

/** That TID (0: the caller) may run on, by its mask and its cpuset; 0: not
 * known. */
unsigned mf_processors_of(pid_t tid);

#endif
