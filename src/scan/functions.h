/*
 * Where the functions of an object begin and end, without symbols: the table
 * that its unwinder has (.eh_frame_hdr) survives strip.
 */
#ifndef MF_SCAN_FUNCTIONS_H
#define MF_SCAN_FUNCTIONS_H

#include "memforensics/image.h"
#include "memforensics/target.h"

struct mf_functions;

/** NULL: MODULE has no such table, or it cannot be read. */
struct mf_functions *mf_functions_open(struct mf_target *target,
				       const struct mf_module *module);
void mf_functions_close(struct mf_functions *functions);

/** A function begins at ADDRESS; sets its *size. */
bool mf_functions_at(const struct mf_functions *functions, uint64_t address,
		     uint64_t *size);

#endif
