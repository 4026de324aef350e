/*
 * Knows where the bytes of a core file are: in the file itself, in frames of
 * it (core_frames.c), or in a temporary file that its one stream was unpacked
 * into.
 */
#include "target/core_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <zstd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/units.h"
#include "target/core_frames.h"

enum {
	MAGIC_BYTES = 4,
	HEADER_MAX = 18,
	WINDOW_LOG_MAX = 27, /* 128 MiB; zstd itself asks for no more */
	BLOCK = 4096,	     /* zeros of this size become a hole */
};

static const char unpack_damage[] = "its compressed bytes are damaged";

struct mf_core_file {
	int fd; /* of the file, or of what it was unpacked into */
	uint64_t size;
	bool compressed;
	struct mf_frames *frames; /* NULL: FD has the bytes as they are */
	const char *damage;	  /* NULL: none known */
};

/* ---- unpacking one stream ---------------------------------------------------- */

struct stream {
	const char *path, *folder;
	int from, to;
	uint64_t packed, read; /* bytes of the file: all, and so far */
	uint64_t written;
	unsigned char *input, *output;
	size_t input_size, output_size;
	ZSTD_DCtx *context;
};

static void stream_deinit(struct stream *stream)
{
	if (stream->to >= 0)
		close(stream->to);
	ZSTD_freeDCtx(stream->context);
	free(stream->input);
	free(stream->output);
}

static struct mf_error *no_room(const struct stream *stream, uint64_t needed,
				uint64_t there)
{
	char texts[2][MF_UNIT_TEXT];

	return mf_error_hint(
		mf_error_why(mf_error_create(MF_ERROR_FAILED,
					     "cannot unpack %s", stream->path),
			     "it takes %s or more, and %s has %s left",
			     mf_format_size(texts[0], needed), stream->folder,
			     mf_format_size(texts[1], there)),
		"TMPDIR=FOLDER memforensics ..., with a folder that has more");
}

static uint64_t room_left(const struct stream *stream)
{
	struct statvfs status;

	/* some file systems do not say what they have */
	if (fstatvfs(stream->to, &status) != 0 || !status.f_blocks)
		return UINT64_MAX;
	return (uint64_t)status.f_bavail * status.f_frsize;
}

/* A header may say how much is to come; at least the file's own size is. */
static struct mf_error *check_room(const struct stream *stream)
{
	unsigned char header[HEADER_MAX];
	ssize_t got = pread(stream->from, header, sizeof(header), 0);
	unsigned long long needed = ZSTD_CONTENTSIZE_UNKNOWN;
	uint64_t there = room_left(stream);

	if (got > 0)
		needed = ZSTD_getFrameContentSize(header, (size_t)got);
	if (needed == ZSTD_CONTENTSIZE_UNKNOWN ||
	    needed == ZSTD_CONTENTSIZE_ERROR)
		needed = stream->packed;
	return needed > there ? no_room(stream, needed, there) : NULL;
}

static struct mf_error *open_stream(struct stream *stream)
{
	mf_auto_free char *name = NULL;

	stream->folder = getenv("TMPDIR");
	if (!stream->folder || !*stream->folder)
		stream->folder = "/tmp";
	name = mf_asprintf("%s/memforensics.XXXXXX", stream->folder);
	stream->to = mkostemp(name, O_CLOEXEC);
	if (stream->to < 0)
		return mf_error_hint(
			mf_error_from_errno(errno,
					    "cannot unpack %s: no file in %s",
					    stream->path, stream->folder),
			"TMPDIR=FOLDER memforensics ...");
	unlink(name);
	stream->context = ZSTD_createDCtx();
	if (!stream->context ||
	    ZSTD_isError(ZSTD_DCtx_setParameter(
		    stream->context, ZSTD_d_windowLogMax, WINDOW_LOG_MAX)))
		return mf_error_from_errno(ENOMEM, "cannot unpack %s",
					   stream->path);
	stream->input_size = ZSTD_DStreamInSize();
	stream->output_size = ZSTD_DStreamOutSize();
	stream->input = mf_calloc(stream->input_size, 1);
	stream->output = mf_calloc(stream->output_size, 1);
	return check_room(stream);
}

static bool is_zero(const unsigned char *bytes, size_t size)
{
	return !bytes[0] && memcmp(bytes, bytes + 1, size - 1) == 0;
}

/* 0, or errno; blocks of zeros are left out. */
static int put_bytes(struct stream *stream, const unsigned char *bytes,
		     size_t size)
{
	while (size) {
		size_t part =
			MF_MIN(size, BLOCK - (size_t)(stream->written % BLOCK));
		ssize_t got = (ssize_t)part;

		if (!is_zero(bytes, part))
			got = pwrite(stream->to, bytes, part,
				     (off_t)stream->written);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno;
		bytes += got;
		size -= (size_t)got;
		stream->written += (uint64_t)got;
	}
	return 0;
}

static struct mf_error *put_failed(const struct stream *stream, int number)
{
	if (number == ENOSPC)
		return no_room(stream, stream->written, room_left(stream));
	return mf_error_from_errno(number, "cannot unpack %s", stream->path);
}

/* Unpacks what is in INPUT; *DAMAGE is set when that is no longer zstd. */
static struct mf_error *unpack_input(struct stream *stream,
				     ZSTD_inBuffer *input, const char **damage)
{
	bool more = true;

	while (more) {
		ZSTD_outBuffer output = { stream->output, stream->output_size,
					  0 };
		size_t left =
			ZSTD_decompressStream(stream->context, &output, input);
		int number;

		if (ZSTD_isError(left)) {
			*damage = unpack_damage;
			return NULL;
		}
		number = put_bytes(stream, stream->output, output.pos);
		if (number)
			return put_failed(stream, number);
		more = input->pos < input->size ||
		       (left && output.pos == output.size);
		*damage = left ? "its compressed bytes end too early" : NULL;
	}
	return NULL;
}

/* DAMAGE: why not all of it could be unpacked. */
static struct mf_error *unpack(struct stream *stream, const char **damage)
{
	ssize_t got = 1;

	*damage = "its compressed bytes end too early";
	while (got > 0) {
		ZSTD_inBuffer input = { stream->input, 0, 0 };

		got = pread(stream->from, stream->input, stream->input_size,
			    (off_t)stream->read);
		if (got < 0 && errno == EINTR) {
			got = 1;
			continue;
		}
		if (got <= 0)
			break;
		input.size = (size_t)got;
		MF_TRY(unpack_input(stream, &input, damage));
		if (input.pos < input.size)
			break;
		stream->read += (uint64_t)got;
		mf_progress("unpacking", stream->read, stream->packed);
	}
	if (got < 0)
		*damage = "its disk cannot be read";
	mf_progress("unpacking", 1, 1);
	if (ftruncate(stream->to, (off_t)stream->written) != 0)
		return put_failed(stream, errno);
	return NULL;
}

static struct mf_error *unpack_file(const char *path, struct mf_core_file *file)
{
	mf_cleanup(stream_deinit) struct stream stream = {
		.path = path,
		.from = file->fd,
		.to = -1,
		.packed = file->size,
	};

	MF_TRY(open_stream(&stream));
	MF_TRY(unpack(&stream, &file->damage));
	if (!stream.written)
		return mf_error_why(mf_error_create(MF_ERROR_FAILED,
						    "cannot unpack %s", path),
				    "%s",
				    file->damage ? file->damage
						 : "there is nothing in it");
	close(file->fd);
	file->fd = stream.to;
	file->size = stream.written;
	stream.to = -1;
	return NULL;
}

/* ---- the door ------------------------------------------------------------------ */

static bool is_zstd(int fd)
{
	static const unsigned char magic[MAGIC_BYTES] = { 0x28, 0xb5, 0x2f,
							  0xfd };
	unsigned char bytes[MAGIC_BYTES];

	return pread(fd, bytes, sizeof(bytes), 0) == MAGIC_BYTES &&
	       memcmp(bytes, magic, MAGIC_BYTES) == 0;
}

static struct mf_error *open_plain(const char *path, struct mf_core_file *file)
{
	struct stat status;

	/* not waiting for the other end of a pipe */
	file->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (file->fd < 0 || fstat(file->fd, &status) != 0)
		return mf_error_from_errno(errno, "cannot open %s", path);
	if (!S_ISREG(status.st_mode))
		return mf_error_why(mf_error_create(MF_ERROR_FAILED,
						    "cannot open %s", path),
				    "it is not a plain file");
	file->size = (uint64_t)status.st_size;
	return NULL;
}

static struct mf_error *open_file(const char *path, struct mf_core_file *file)
{
	MF_TRY(open_plain(path, file));
	if (!is_zstd(file->fd))
		return NULL;
	file->compressed = true;
	file->frames = mf_frames_open(file->fd, file->size);
	if (!file->frames)
		return unpack_file(path, file);
	file->size = mf_frames_size(file->frames);
	return NULL;
}

struct mf_error *mf_core_file_open(const char *path, struct mf_core_file **ret)
{
	struct mf_core_file *file = mf_new(struct mf_core_file);
	struct mf_error *error;

	file->fd = -1;
	error = open_file(path, file);
	if (error) {
		mf_core_file_close(file);
		return error;
	}
	*ret = file;
	return NULL;
}

void mf_core_file_close(struct mf_core_file *file)
{
	if (!file)
		return;
	mf_frames_close(file->frames);
	if (file->fd >= 0)
		close(file->fd);
	free(file);
}

uint64_t mf_core_file_size(const struct mf_core_file *file)
{
	return file->size;
}

bool mf_core_file_is_compressed(const struct mf_core_file *file)
{
	return file->compressed;
}

bool mf_core_file_is_shared(const struct mf_core_file *file)
{
	return !file->frames;
}

const char *mf_core_file_damage(const struct mf_core_file *file)
{
	if (file->frames && mf_frames_are_damaged(file->frames))
		return unpack_damage;
	return file->damage;
}

static size_t read_plain(const struct mf_core_file *file, uint64_t offset,
			 void *bytes, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t got = pread(file->fd, (char *)bytes + done, size - done,
				    (off_t)(offset + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		done += (size_t)got;
	}
	return done;
}

size_t mf_core_file_read(struct mf_core_file *file, uint64_t offset,
			 void *bytes, size_t size)
{
	if (offset >= file->size)
		return 0;
	size = MF_MIN(size, file->size - offset);
	return file->frames ? mf_frames_read(file->frames, offset, bytes, size)
			    : read_plain(file, offset, bytes, size);
}

bool mf_core_file_next_data(struct mf_core_file *file, uint64_t offset,
			    uint64_t *start, uint64_t *end)
{
	off_t data, hole;

	if (offset >= file->size)
		return false;
	*start = offset;
	*end = file->size;
	if (file->frames)
		return true;
	data = lseek(file->fd, (off_t)offset, SEEK_DATA);
	if (data < 0)
		return errno != ENXIO;
	hole = lseek(file->fd, data, SEEK_HOLE);
	*start = (uint64_t)data;
	if (hole > data)
		*end = MF_MIN((uint64_t)hole, file->size);
	return *start < *end;
}
