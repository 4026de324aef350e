/*
 * Fuzzes glibc's heaps: the whole heap room over damaged processes.
 */
#include "fuzz.h"
#include "heap_run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	heap_run(data, size, NULL);
	return 0;
}
