/*
 * Whole small files (those of /proc), and files that appear under their name
 * only when they are complete.
 */
#ifndef MF_BASE_FILE_H
#define MF_BASE_FILE_H

#include <stdbool.h>
#include <stdio.h>

#include "base/buffer.h"
#include "base/error.h"

/** Adds the whole file to BUFFER; /proc files that change are read once. */
struct mf_error *mf_file_read(const char *path, struct mf_buffer *buffer)
	MF_MUST_CHECK;

/** The same, but no further than to some bytes more than MOST. */
struct mf_error *mf_file_read_most(const char *path, size_t most,
				   struct mf_buffer *buffer) MF_MUST_CHECK;

/** The same below a directory descriptor. */
struct mf_error *mf_file_read_at(int directory, const char *path,
				 struct mf_buffer *buffer) MF_MUST_CHECK;

/**
 * Opens PATH, a plain file, to be read; its links are followed inside the
 * folder ROOT only. A descriptor to close, or -1.
 */
int mf_file_open_below(const char *root, const char *path);

/** A file being written beside its final name. */
struct mf_output;

/**
 * Starts PATH: mode 0600, never through a symbolic link, and not over an
 * existing file without FORCE. PATH "-" is standard output.
 */
struct mf_error *mf_output_create(const char *path, bool force,
				  struct mf_output **ret) MF_MUST_CHECK;

/** The stream to write to; the output's. */
FILE *mf_output_stream(struct mf_output *output);

/** Its descriptor, to write at any offset; not together with the stream. */
int mf_output_fd(const struct mf_output *output);

/** Makes it appear under its name: flushes, checks every write, renames. */
struct mf_error *mf_output_commit(struct mf_output *output) MF_MUST_CHECK;

/** Closes it; what was not committed leaves nothing behind. Takes NULL. */
void mf_output_destroy(struct mf_output *output);

#endif
