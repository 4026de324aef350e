/*
 * Zstandard's seekable format (contrib/seekable_format of its sources): frames
 * that stand alone, and a table of their sizes in a skippable frame at the end.
 * `zstd -d` unpacks it as any other .zst; we read it in place.
 */
#ifndef MF_TARGET_CORE_FRAMES_H
#define MF_TARGET_CORE_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	MF_FRAME_BYTES = 1 << 18, /* unpacked, of the frames that we write */
};

/* ---- reading ---------------------------------------------------------------- */

struct mf_frames;

/** NULL when FD, SIZE bytes long, has no (sound) table. FD stays the caller's. */
struct mf_frames *mf_frames_open(int fd, uint64_t size);
/** Takes NULL. */
void mf_frames_close(struct mf_frames *frames);
/** Bytes, unpacked. */
uint64_t mf_frames_size(const struct mf_frames *frames);
/** How many bytes there are; fewer than SIZE at the end or a damaged frame. */
size_t mf_frames_read(struct mf_frames *frames, uint64_t offset, void *bytes,
		      size_t size);
/** Whether a frame that was asked for could not be unpacked. */
bool mf_frames_are_damaged(const struct mf_frames *frames);

/* ---- writing ---------------------------------------------------------------- */

struct mf_frame_writer;

/** Appends to FD, which stays the caller's. */
struct mf_frame_writer *mf_frame_writer_create(int fd);
/** Takes NULL. */
void mf_frame_writer_destroy(struct mf_frame_writer *writer);
/** 0, or errno. */
int mf_frame_writer_add(struct mf_frame_writer *writer, const void *bytes,
			size_t size);
/** As many zeros. */
int mf_frame_writer_skip(struct mf_frame_writer *writer, uint64_t size);
/** The last frame and the table; nothing is added after it. */
int mf_frame_writer_end(struct mf_frame_writer *writer);

#endif
