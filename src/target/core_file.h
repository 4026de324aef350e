/*
 * The bytes of a core file by their offset, wherever they are: plain, in a
 * .zst file of many frames (read in place, a few frames in memory), or in a
 * .zst file of one, which is unpacked once into a temporary file without a
 * name.
 */
#ifndef MF_TARGET_CORE_FILE_H
#define MF_TARGET_CORE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct mf_core_file;

/**
 * Opens PATH, a plain file. Errors: it is none, cannot be read, is damaged, or
 * there is no room to unpack it ($TMPDIR).
 */
struct mf_error *mf_core_file_open(const char *path, struct mf_core_file **ret)
	MF_MUST_CHECK;

/** Takes NULL. */
void mf_core_file_close(struct mf_core_file *file);

/** Bytes, unpacked. */
uint64_t mf_core_file_size(const struct mf_core_file *file);
bool mf_core_file_is_compressed(const struct mf_core_file *file);

/** Why the end of it is missing, as far as that was seen; NULL: it is not. */
const char *mf_core_file_damage(const struct mf_core_file *file);

/** Several threads may read it at once. */
bool mf_core_file_is_shared(const struct mf_core_file *file);

/**
 * Reads up to SIZE bytes at OFFSET: how many there are, fewer only at the end
 * of the file, where its disk fails, or at a damaged frame.
 */
size_t mf_core_file_read(struct mf_core_file *file, uint64_t offset,
			 void *bytes, size_t size);

/**
 * The next bytes from OFFSET on that are no hole, [*START, *END); false when
 * there are none. A file whose holes are not known has none.
 */
bool mf_core_file_next_data(struct mf_core_file *file, uint64_t offset,
			    uint64_t *start, uint64_t *end);

#endif
