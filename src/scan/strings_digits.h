/*
 * Digits among eight bytes at once.
 */
#ifndef MF_SCAN_STRINGS_DIGITS_H
#define MF_SCAN_STRINGS_DIGITS_H

#include <endian.h>
#include <stdint.h>

#include "base/memory.h"

#define MF_EACH_BYTE(byte) (UINT64_C(0x0101010101010101) * (byte))

/** The eight bytes there, the first the lowest. */
static inline uint64_t mf_eight_bytes(const uint8_t *bytes)
{
	return le64toh(mf_load(uint64_t, bytes));
}

/** The first COUNT of eight bytes, zeros behind. */
static inline uint64_t mf_few_bytes(const uint8_t *bytes, uint64_t count)
{
	uint64_t word = mf_eight_bytes(bytes);

	return count >= 8 ? word : word & ~(~UINT64_C(0) << (count * 8));
}

/** The high bit of each of BYTES that is a digit. */
static inline uint64_t mf_digits_of(uint64_t bytes)
{
	uint64_t from_zero = (bytes ^ MF_EACH_BYTE(0x30)) & MF_EACH_BYTE(0x7f);

	return ~(from_zero + MF_EACH_BYTE(0x76)) & ~bytes & MF_EACH_BYTE(0x80);
}

/** BYTES, all of whose DIGITS are 0. */
static inline uint64_t mf_digits_fold(uint64_t bytes, uint64_t digits)
{
	return bytes & ~((digits - (digits >> 7)) & MF_EACH_BYTE(0x0f));
}

#endif
