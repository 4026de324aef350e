/*
 * Fuzzes what knows other allocators: the heap room over processes that use them.
 */
#include "fuzz.h"
#include "heap_run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	heap_run(data, size, NULL);
	return 0;
}
