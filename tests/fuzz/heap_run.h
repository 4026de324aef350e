#ifndef MF_FUZZ_HEAP_RUN_H
#define MF_FUZZ_HEAP_RUN_H

#include "process.h"

/** The heap room over the process that DATA describe; aborts when it lies. */
void heap_run(const uint8_t *data, size_t size);

#endif
