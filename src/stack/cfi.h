/*
 * Unwind tables (.eh_frame by its header, else as a list; .debug_frame): which
 * rules hold at an address. What is found is checked, and written anew in one
 * plain form, whatever it was encoded in.
 */
#ifndef MF_STACK_CFI_H
#define MF_STACK_CFI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memforensics/image.h"

struct mf_cfi_tables;

/** Of one function: an .eh_frame of its own. */
struct mf_cfi {
	uint64_t start, end; /* run-time */
	bool signal;	     /* a signal's frame: pc was interrupted */
	/* a CIE and an FDE, whose pointers are 8 bytes and absolute */
	const uint8_t *bytes;
	size_t size;
	size_t fde; /* where in bytes */
	/* has what such a form cannot say: only libdw reads it in place */
	bool in_place;
};

struct mf_cfi_tables *mf_cfi_tables_create(struct mf_image *image);
/** Takes NULL. */
void mf_cfi_tables_destroy(struct mf_cfi_tables *tables);

/** The rules for the code at ADDRESS, or NULL; the tables'. */
const struct mf_cfi *mf_cfi_find(struct mf_cfi_tables *tables,
				 uint64_t address);

#endif
