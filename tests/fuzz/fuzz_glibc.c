/*
 * Fuzzes glibc's heaps: the whole heap room over damaged processes.
 */
#include <string.h>

#include "fuzz.h"
#include "heap_run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	heap_run(data, size, NULL);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max,
			       unsigned seed)
{
	return process_mutate(data, size, max, seed);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1,
				 const uint8_t *data2, size_t size2,
				 uint8_t *out, size_t max, unsigned seed)
{
	size1 = size1 < max ? size1 : max;
	memcpy(out, data1, size1);
	return process_cross(out, size1, max,
			     (const uint64_t *)(const void *)data2, size2 / 8,
			     seed);
}
