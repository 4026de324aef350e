/*
 * Where the bytes of a core go, one after another: to a file as they are, with
 * holes for zeros, or through the frames of a .zst file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "target/core_frames.h"
#include "target/core_write.h"

enum {
	ZEROS = 1 << 16, /* written at once where a stream has a hole */
};

struct mf_core_sink {
	int fd;
	const char *path;
	struct mf_frame_writer *frames; /* NULL: as they are */
	uint64_t at;
	bool is_stream;
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

void mf_core_sink_begin(struct mf_core_sink *sink, uint64_t offset,
			bool is_stream)
{
	sink->at = offset;
	sink->is_stream = is_stream;
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
		ssize_t got =
			sink->is_stream
				? write(sink->fd, bytes + done, size - done)
				: pwrite(sink->fd, bytes + done, size - done,
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

static int put_zeros(const struct mf_core_sink *sink, uint64_t size)
{
	static const char zeros[ZEROS];
	int number = 0;

	for (; size && !number; size -= MF_MIN(size, (uint64_t)ZEROS))
		number = put_plain(sink, zeros,
				   (size_t)MF_MIN(size, (uint64_t)ZEROS));
	return number;
}

void mf_core_sink_skip(struct mf_core_sink *sink, uint64_t size)
{
	if (sink->number)
		return;
	if (sink->frames)
		sink->number = mf_frame_writer_skip(sink->frames, size);
	else if (sink->is_stream)
		sink->number = put_zeros(sink, size);
	sink->at += size;
}

static bool is_zeros(const uint8_t *bytes, size_t size)
{
	return !bytes[0] && memcmp(bytes, bytes + 1, size - 1) == 0;
}

uint64_t mf_core_sink_put_sparse(struct mf_core_sink *sink, const void *bytes,
				 size_t size, size_t page_size)
{
	const uint8_t *from = bytes, *data = from, *end = from + size;
	uint64_t written = 0;

	/* DATA..FROM is not written yet, and no zeros */
	while (from < end) {
		uint64_t at = sink->at + (uint64_t)(from - data);
		size_t page = page_size - (size_t)(at % page_size);

		page = MF_MIN(page, (size_t)(end - from));
		if (!is_zeros(from, page)) {
			from += page;
			continue;
		}
		if (from > data)
			mf_core_sink_put(sink, data, (size_t)(from - data));
		written += (uint64_t)(from - data);
		mf_core_sink_skip(sink, page);
		from += page;
		data = from;
	}
	if (from > data)
		mf_core_sink_put(sink, data, (size_t)(from - data));
	return written + (uint64_t)(from - data);
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
	if (!sink->number && !sink->frames && !sink->is_stream &&
	    ftruncate(sink->fd, (off_t)sink->at) != 0)
		sink->number = errno;
	return mf_core_sink_error(sink);
}

uint64_t mf_core_sink_size(const struct mf_core_sink *sink)
{
	return sink->at;
}
