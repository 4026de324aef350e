/*
 * Where the bytes of a core go, one after another: to a file as they are, with
 * holes for zeros, or through the frames of a .zst file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/memory.h"
#include "target/core_frames.h"
#include "target/core_write.h"

struct mf_core_sink {
	int fd;
	const char *path;
	struct mf_frame_writer *frames; /* NULL: as they are */
	uint64_t at;
	int number; /* errno of the first failure */
};

struct mf_core_sink *mf_core_sink_create(int fd, const char *path,
					 bool compress)
{
	struct mf_core_sink *sink = mf_new(struct mf_core_sink);

	sink->fd = fd;
	sink->path = path;
	if (compress)
		sink->frames = mf_frame_writer_create(fd);
	return sink;
}

void mf_core_sink_destroy(struct mf_core_sink *sink)
{
	if (!sink)
		return;
	mf_frame_writer_destroy(sink->frames);
	free(sink);
}

static int put_plain(const struct mf_core_sink *sink, const char *bytes,
		     size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t got = pwrite(sink->fd, bytes + done, size - done,
				     (off_t)(sink->at + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno;
		done += (size_t)got;
	}
	return 0;
}

void mf_core_sink_put(struct mf_core_sink *sink, const void *bytes, size_t size)
{
	if (sink->number)
		return;
	sink->number = sink->frames
			       ? mf_frame_writer_add(sink->frames, bytes, size)
			       : put_plain(sink, bytes, size);
	sink->at += size;
}

void mf_core_sink_skip(struct mf_core_sink *sink, uint64_t size)
{
	if (sink->number)
		return;
	if (sink->frames)
		sink->number = mf_frame_writer_skip(sink->frames, size);
	sink->at += size;
}

struct mf_error *mf_core_sink_error(const struct mf_core_sink *sink)
{
	if (!sink->number)
		return NULL;
	return mf_error_from_errno(sink->number, "cannot write %s", sink->path);
}

struct mf_error *mf_core_sink_end(struct mf_core_sink *sink)
{
	if (!sink->number && sink->frames)
		sink->number = mf_frame_writer_end(sink->frames);
	/* it may end in a hole */
	if (!sink->number && !sink->frames &&
	    ftruncate(sink->fd, (off_t)sink->at) != 0)
		sink->number = errno;
	return mf_core_sink_error(sink);
}

uint64_t mf_core_sink_size(const struct mf_core_sink *sink)
{
	return sink->at;
}
