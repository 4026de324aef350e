/*
 * What the code of a function refers to, as far as it shows without decoding
 * instructions one by one: whom it calls, and which addresses it takes.
 */
#ifndef MF_SCAN_CODE_H
#define MF_SCAN_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memforensics/image.h"

enum mf_code_kind {
	MF_CODE_CALL, /* or a jump that leaves the function */
	MF_CODE_SLOT, /* a call through the pointer that lies there */
	MF_CODE_DATA, /* an address that is taken */
};

/** TARGET may be nonsense: bytes in the middle of others look like a call. */
typedef void (*mf_code_visitor)(enum mf_code_kind kind, uint64_t target,
				void *data);

/** SIZE BYTES of code that stand at ADDRESS. */
typedef void (*mf_code_reader)(const uint8_t *bytes, size_t size,
			       uint64_t address, mf_code_visitor visit,
			       void *data);

void mf_code_read_x86_64(const uint8_t *bytes, size_t size, uint64_t address,
			 mf_code_visitor visit, void *data);
void mf_code_read_aarch64(const uint8_t *bytes, size_t size, uint64_t address,
			  mf_code_visitor visit, void *data);

/** Where a module's code lies: from its first byte to its last. */
struct mf_code_range {
	uint64_t start, end;
};

struct mf_code_range mf_code_range_of(const struct mf_module *module);

static inline bool mf_code_has(const struct mf_code_range *code, uint64_t word)
{
	return word - code->start < code->end - code->start;
}

/** ADDRESS is in a part of MODULE that is not code. */
bool mf_code_is_data(const struct mf_module *module, uint64_t address);

/** That of an architecture by name (struct mf_target_info); NULL: none. */
mf_code_reader mf_code_reader_of(const char *arch);

#endif
