#ifndef MF_FUZZ_HEAP_RUN_H
#define MF_FUZZ_HEAP_RUN_H

#include "memforensics/heap.h"
#include "memforensics/space.h"

#include "process.h"

/** What else is to be done with a process whose heaps were read. */
typedef void heap_run_more(const struct process *process, struct mf_heap *heap,
			   struct mf_space *space);

/** The heap room over the process that DATA describe, then MORE (or NULL);
 * aborts when it lies. */
void heap_run(const uint8_t *data, size_t size, heap_run_more *more);

#endif
