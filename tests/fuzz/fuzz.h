/*
 * What a fuzzer is made of: libFuzzer's two doors, and a check that ends the
 * program. replay.c stands in for libFuzzer where there is none.
 */
#ifndef MF_FUZZ_FUZZ_H
#define MF_FUZZ_FUZZ_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max,
			       unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1,
				 const uint8_t *data2, size_t size2,
				 uint8_t *out, size_t max, unsigned seed);

/** Our own promise, whatever the input: LEFT is RIGHT, or is at most that. */
#define FUZZ_EQUAL(left, right)	  fuzz_hold((left), "==", (right), __LINE__)
#define FUZZ_AT_MOST(left, right) fuzz_hold((left), "<=", (right), __LINE__)

static inline void fuzz_hold(uint64_t left, const char *sign, uint64_t right,
			     int line)
{
	if (*sign == '=' ? left == right : left <= right)
		return;
	fprintf(stderr, "line %d: 0x%" PRIx64 " %s 0x%" PRIx64 " is wrong\n",
		line, left, sign, right);
	abort();
}

#endif
