/*
 * Knows the seekable format, both ways. A table from elsewhere is hostile: its
 * sizes must add up to the file's, and what a frame unpacks to is bounded.
 */
#include "target/core_frames.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "base/memory.h"
#include "base/search.h"
#include "base/vec.h"

enum {
	HEADER_BYTES = 8, /* of a skippable frame */
	FOOTER_BYTES = 9,
	CHECKSUM_FLAG = 0x80,
	RESERVED_FLAGS = 0x7c,
	FRAMES_MAX = 1 << 22,
	FRAME_MAX = 1 << 23, /* bytes, unpacked; larger ones are refused */
	CACHE_BYTES = 1 << 24,
	SLOTS_MAX = 64,
	LEVEL = 1, /* as fast as the memory is read */
};

static const uint32_t table_magic = 0x184d2a5e, footer_magic = 0x8f92eab1;

/* ---- little-endian numbers ------------------------------------------------- */

static uint32_t get32(const unsigned char *bytes)
{
	return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 |
	       (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static void put32(unsigned char *bytes, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		bytes[i] = (unsigned char)(value >> (8 * i));
}

static size_t read_at(int fd, uint64_t offset, void *bytes, size_t size)
{
	size_t used = 0;

	while (used < size) {
		ssize_t got = pread(fd, (char *)bytes + used, size - used,
				    (off_t)(offset + used));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		used += (size_t)got;
	}
	return used;
}

/* ---- the table -------------------------------------------------------------- */

struct frame {
	uint64_t packed; /* where it starts in the file */
	uint64_t start;	 /* of its bytes, unpacked */
};

struct slot {
	size_t frame;  /* SIZE_MAX: none */
	uint64_t used; /* when it was last of use */
	unsigned char *bytes;
};

struct mf_frames {
	int fd;
	size_t count;
	struct frame *items; /* and one more, where the last ends */
	size_t largest, largest_packed;
	struct slot slots[SLOTS_MAX];
	size_t slot_count;
	uint64_t clock;
	unsigned char *packed;
	ZSTD_DCtx *context;
	bool damaged; /* some frame could not be unpacked */
};

/* Fills in where each frame starts; false when the sizes cannot be. */
static bool sum_up(struct mf_frames *frames, const unsigned char *table,
		   size_t entry_size, uint64_t packed_end)
{
	struct frame at = { 0 };

	for (size_t i = 0; i < frames->count; i++, table += entry_size) {
		size_t packed = get32(table), size = get32(table + 4);

		if (size > FRAME_MAX || packed > ZSTD_COMPRESSBOUND(FRAME_MAX))
			return false;
		frames->items[i] = at;
		at.packed += packed;
		at.start += size;
		frames->largest = MF_MAX(frames->largest, size);
		frames->largest_packed = MF_MAX(frames->largest_packed, packed);
	}
	frames->items[frames->count] = at;
	return at.packed == packed_end && at.start;
}

static bool read_table(struct mf_frames *frames, uint64_t size)
{
	unsigned char footer[FOOTER_BYTES], header[HEADER_BYTES];
	mf_auto_free unsigned char *table = NULL;
	size_t entry_size, table_size;
	uint64_t whole;

	if (size < HEADER_BYTES + FOOTER_BYTES ||
	    read_at(frames->fd, size - FOOTER_BYTES, footer, FOOTER_BYTES) !=
		    FOOTER_BYTES ||
	    get32(footer + 5) != footer_magic || footer[4] & RESERVED_FLAGS)
		return false;
	frames->count = get32(footer);
	entry_size = footer[4] & CHECKSUM_FLAG ? 12 : 8;
	table_size = frames->count * entry_size;
	whole = HEADER_BYTES + table_size + FOOTER_BYTES;
	if (!frames->count || frames->count > FRAMES_MAX || whole > size ||
	    read_at(frames->fd, size - whole, header, HEADER_BYTES) !=
		    HEADER_BYTES ||
	    get32(header) != table_magic ||
	    get32(header + 4) != table_size + FOOTER_BYTES)
		return false;
	table = mf_calloc(frames->count, entry_size);
	frames->items = mf_new_array(frames->count + 1, struct frame);
	return read_at(frames->fd, size - whole + HEADER_BYTES, table,
		       table_size) == table_size &&
	       sum_up(frames, table, entry_size, size - whole);
}

struct mf_frames *mf_frames_open(int fd, uint64_t size)
{
	struct mf_frames *frames = mf_new(struct mf_frames);

	frames->fd = fd;
	if (!read_table(frames, size)) {
		mf_frames_close(frames);
		return NULL;
	}
	frames->slot_count = MF_MAX(CACHE_BYTES / frames->largest, (size_t)2);
	frames->slot_count = MF_MIN(frames->slot_count, (size_t)SLOTS_MAX);
	for (size_t i = 0; i < frames->slot_count; i++)
		frames->slots[i].frame = SIZE_MAX;
	frames->packed = mf_calloc(frames->largest_packed + 1, 1);
	frames->context = ZSTD_createDCtx();
	return frames;
}

void mf_frames_close(struct mf_frames *frames)
{
	if (!frames)
		return;
	for (size_t i = 0; i < frames->slot_count; i++)
		free(frames->slots[i].bytes);
	ZSTD_freeDCtx(frames->context);
	free(frames->packed);
	free(frames->items);
	free(frames);
}

uint64_t mf_frames_size(const struct mf_frames *frames)
{
	return frames->items[frames->count].start;
}

/* ---- frames ------------------------------------------------------------------ */

/* The last frame that starts at OFFSET or before, and is not empty. */
static size_t find_frame(const struct mf_frames *frames, uint64_t offset)
{
	size_t reached = mf_count_leading(frames->items, frames->count, frame,
					  frame->start <= offset);

	return reached ? reached - 1 : 0;
}

static bool unpack(struct mf_frames *frames, size_t index, struct slot *slot)
{
	const struct frame *frame = &frames->items[index];
	size_t packed_size = frame[1].packed - frame->packed;
	size_t capacity = frame[1].start - frame->start;

	slot->frame = SIZE_MAX;
	if (!slot->bytes)
		slot->bytes = mf_calloc(frames->largest, 1);
	if (!frames->context ||
	    read_at(frames->fd, frame->packed, frames->packed, packed_size) !=
		    packed_size ||
	    ZSTD_decompressDCtx(frames->context, slot->bytes, capacity,
				frames->packed, packed_size) != capacity) {
		frames->damaged = true;
		return false;
	}
	slot->frame = index;
	return true;
}

/* The bytes of a frame; NULL when it is damaged. */
static const unsigned char *frame_bytes(struct mf_frames *frames, size_t index)
{
	struct slot *oldest = &frames->slots[0];

	for (size_t i = 0; i < frames->slot_count; i++) {
		struct slot *slot = &frames->slots[i];

		if (slot->frame == index) {
			slot->used = ++frames->clock;
			return slot->bytes;
		}
		if (slot->used < oldest->used)
			oldest = slot;
	}
	oldest->used = ++frames->clock;
	return unpack(frames, index, oldest) ? oldest->bytes : NULL;
}

size_t mf_frames_read(struct mf_frames *frames, uint64_t offset, void *bytes,
		      size_t size)
{
	uint64_t end = mf_frames_size(frames);
	unsigned char *to = bytes;
	size_t done = 0;

	while (done < size && offset + done < end) {
		size_t index = find_frame(frames, offset + done);
		const struct frame *frame = &frames->items[index];
		uint64_t within = offset + done - frame->start;
		size_t part = MF_MIN(size - done,
				     frame[1].start - frame->start - within);
		const unsigned char *from = frame_bytes(frames, index);

		if (!from)
			break;
		memcpy(to + done, from + within, part);
		done += part;
	}
	return done;
}

bool mf_frames_are_damaged(const struct mf_frames *frames)
{
	return frames->damaged;
}

/* ---- writing ----------------------------------------------------------------- */

struct entry {
	uint32_t packed, size;
};

struct mf_frame_writer {
	int fd;
	ZSTD_CCtx *context;
	unsigned char *bytes; /* of the frame that is being filled */
	size_t used;
	bool not_zero; /* some byte of it may be another */
	unsigned char *packed;
	size_t packed_size;   /* room */
	unsigned char *zeros; /* a frame of nothing else; NULL: not made yet */
	size_t zeros_size;
	MF_VEC(struct entry) entries;
};

/* With checksums: bytes that a disk has changed are not taken for others. */
static ZSTD_CCtx *create_context(void)
{
	ZSTD_CCtx *context = ZSTD_createCCtx();

	if (context && (ZSTD_isError(ZSTD_CCtx_setParameter(
				context, ZSTD_c_compressionLevel, LEVEL)) ||
			ZSTD_isError(ZSTD_CCtx_setParameter(
				context, ZSTD_c_checksumFlag, 1)))) {
		ZSTD_freeCCtx(context);
		return NULL;
	}
	return context;
}

struct mf_frame_writer *mf_frame_writer_create(int fd)
{
	struct mf_frame_writer *writer = mf_new(struct mf_frame_writer);

	writer->fd = fd;
	writer->context = create_context();
	writer->bytes = mf_calloc(MF_FRAME_BYTES, 1);
	writer->packed_size = ZSTD_compressBound(MF_FRAME_BYTES);
	writer->packed = mf_calloc(writer->packed_size, 1);
	return writer;
}

void mf_frame_writer_destroy(struct mf_frame_writer *writer)
{
	if (!writer)
		return;
	ZSTD_freeCCtx(writer->context);
	mf_vec_deinit(&writer->entries);
	free(writer->bytes);
	free(writer->packed);
	free(writer->zeros);
	free(writer);
}

static int write_all(int fd, const void *bytes, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t got =
			write(fd, (const char *)bytes + done, size - done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno;
		done += (size_t)got;
	}
	return 0;
}

static int put_frame(struct mf_frame_writer *writer, const void *packed,
		     size_t size)
{
	struct entry entry = { (uint32_t)size, (uint32_t)writer->used };

	if (writer->entries.count == FRAMES_MAX)
		return EFBIG;
	mf_vec_push(&writer->entries, entry);
	writer->used = 0;
	writer->not_zero = false;
	return write_all(writer->fd, packed, size);
}

/* Untouched memory is the same frame over and over. */
static int put_zeros(struct mf_frame_writer *writer)
{
	return put_frame(writer, writer->zeros, writer->zeros_size);
}

static int put_full(struct mf_frame_writer *writer)
{
	bool zeros = !writer->not_zero && writer->used == MF_FRAME_BYTES;
	size_t size;

	if (zeros && writer->zeros)
		return put_zeros(writer);
	if (!writer->context)
		return ENOMEM;
	size = ZSTD_compress2(writer->context, writer->packed,
			      writer->packed_size, writer->bytes, writer->used);
	if (ZSTD_isError(size))
		return EIO;
	if (zeros) {
		writer->zeros = mf_calloc(size, 1);
		writer->zeros_size = size;
		memcpy(writer->zeros, writer->packed, size);
	}
	return put_frame(writer, writer->packed, size);
}

int mf_frame_writer_add(struct mf_frame_writer *writer, const void *bytes,
			size_t size)
{
	const unsigned char *from = bytes;
	int number = 0;

	while (size && !number) {
		size_t part = MF_MIN(size, MF_FRAME_BYTES - writer->used);

		memcpy(writer->bytes + writer->used, from, part);
		writer->not_zero = true;
		writer->used += part;
		from += part;
		size -= part;
		if (writer->used == MF_FRAME_BYTES)
			number = put_full(writer);
	}
	return number;
}

int mf_frame_writer_skip(struct mf_frame_writer *writer, uint64_t size)
{
	int number = 0;

	while (size && !number) {
		size_t part =
			MF_MIN(size, (uint64_t)MF_FRAME_BYTES - writer->used);

		memset(writer->bytes + writer->used, 0, part);
		writer->used += part;
		size -= part;
		if (writer->used == MF_FRAME_BYTES)
			number = put_full(writer);
	}
	return number;
}

int mf_frame_writer_end(struct mf_frame_writer *writer)
{
	size_t count, size;
	mf_auto_free unsigned char *table = NULL;
	unsigned char *at;
	int number = writer->used ? put_full(writer) : 0;

	if (number)
		return number;
	count = writer->entries.count;
	size = HEADER_BYTES + count * sizeof(struct entry) + FOOTER_BYTES;
	at = table = mf_calloc(size, 1);
	put32(at, table_magic);
	put32(at + 4, (uint32_t)(size - HEADER_BYTES));
	at += HEADER_BYTES;
	for (size_t i = 0; i < count; i++, at += sizeof(struct entry)) {
		put32(at, writer->entries.items[i].packed);
		put32(at + 4, writer->entries.items[i].size);
	}
	put32(at, (uint32_t)count);
	put32(at + 5, footer_magic);
	return write_all(writer->fd, table, size);
}
