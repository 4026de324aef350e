/*
 * All strings, in a file that has no name: so many are not held in memory. What
 * a window has stands there together, and is shown in the order of addresses.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/vec.h"
#include "scan/strings.h"

/* What one window had. */
struct block {
	uint64_t address; /* of its first */
	uint64_t offset, size;
};

struct mf_string_spill {
	int fd;
	uint64_t used;
	MF_VEC(struct block) blocks;
};

static int open_in(const char *folder)
{
	return folder ? open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL,
			     0600)
		      : -1;
}

struct mf_error *mf_string_spill_create(struct mf_string_spill **ret)
{
	const char *const folders[] = { getenv("TMPDIR"), "/var/tmp", "/tmp" };
	int fd = -1;

	for (size_t i = 0; i < MF_ARRAY_SIZE(folders) && fd < 0; i++)
		fd = open_in(folders[i]);
	if (fd < 0)
		return mf_error_hint(
			mf_error_from_errno(errno,
					    "no file for all the strings"),
			"TMPDIR=FOLDER, where there is room");
	*ret = mf_new(struct mf_string_spill);
	(*ret)->fd = fd;
	return NULL;
}

void mf_string_spill_destroy(struct mf_string_spill *spill)
{
	if (!spill)
		return;
	close(spill->fd);
	mf_vec_deinit(&spill->blocks);
	free(spill);
}

void mf_string_spill_add(struct mf_buffer *buffer,
			 const struct mf_string *string)
{
	uint8_t text[MF_STRING_HEAD * 2];
	struct mf_spilled spilled = {
		.address = string->address,
		.size = string->size,
		.hash = (uint32_t)string->hash,
		.encoding = (uint8_t)string->encoding,
		.key = string->key,
	};

	spilled.kept = (uint16_t)mf_string_utf8(string, text, sizeof(text));
	mf_buffer_add(buffer, &spilled, sizeof(spilled));
	mf_buffer_add(buffer, text, spilled.kept);
}

static struct mf_error *write_all(int fd, const char *bytes, size_t size,
				  uint64_t offset)
{
	while (size) {
		ssize_t written = pwrite(fd, bytes, size, (off_t)offset);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return mf_error_hint(
				mf_error_from_errno(
					written ? errno : ENOSPC,
					"all the strings cannot be kept"),
				"TMPDIR=FOLDER, where there is room");
		bytes += written;
		size -= (size_t)written;
		offset += (uint64_t)written;
	}
	return NULL;
}

struct mf_error *mf_string_spill_take(struct mf_string_spill *spill,
				      struct mf_buffer *buffer)
{
	const char *bytes = mf_buffer_text(buffer);
	struct block block = { .offset = spill->used, .size = buffer->size };

	if (!buffer->size)
		return NULL;
	block.address = mf_load(struct mf_spilled, bytes).address;
	MF_TRY(write_all(spill->fd, bytes, buffer->size, spill->used));
	mf_vec_push(&spill->blocks, block);
	spill->used += buffer->size;
	mf_buffer_clear(buffer);
	return NULL;
}

/* ---- reading ----------------------------------------------------------------- */

static struct mf_error *read_block(const struct mf_string_spill *spill,
				   const struct block *block, char *ret)
{
	uint64_t done = 0;

	while (done < block->size) {
		ssize_t got = pread(spill->fd, ret + done, block->size - done,
				    (off_t)(block->offset + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return mf_error_from_errno(
				got ? errno : EIO,
				"the strings cannot be read again");
		done += (uint64_t)got;
	}
	return NULL;
}

/* Where in a block a string stands. */
struct entry {
	uint64_t address;
	size_t offset;
};

static int compare_entries(const void *a, const void *b)
{
	const struct entry *left = a, *right = b;

	if (left->address != right->address)
		return left->address < right->address ? -1 : 1;
	return (left->offset > right->offset) - (left->offset < right->offset);
}

static void show_block(const char *bytes, size_t size, mf_spill_visitor visit,
		       void *data)
{
	MF_VEC(struct entry) entries = { 0 };
	struct mf_spilled spilled;
	char text[MF_STRING_HEAD * 2 + 1];

	for (size_t at = 0; at < size; at += sizeof(spilled) + spilled.kept) {
		spilled = mf_load(struct mf_spilled, bytes + at);
		mf_vec_push(&entries, (struct entry){ spilled.address, at });
	}
	mf_vec_sort(&entries, compare_entries);
	mf_vec_foreach(entry, &entries) {
		spilled = mf_load(struct mf_spilled, bytes + entry->offset);
		memcpy(text, bytes + entry->offset + sizeof(spilled),
		       spilled.kept);
		text[spilled.kept] = '\0';
		visit(&spilled, text, data);
	}
	mf_vec_deinit(&entries);
}

static int compare_blocks(const void *a, const void *b)
{
	const struct block *left = a, *right = b;

	if (left->address != right->address)
		return left->address < right->address ? -1 : 1;
	return (left->offset > right->offset) - (left->offset < right->offset);
}

struct mf_error *mf_string_spill_each(struct mf_string_spill *spill,
				      mf_spill_visitor visit, void *data)
{
	mf_vec_sort(&spill->blocks, compare_blocks);
	mf_vec_foreach(block, &spill->blocks) {
		mf_auto_free char *bytes = mf_calloc(block->size, 1);

		MF_TRY(read_block(spill, block, bytes));
		show_block(bytes, block->size, visit, data);
	}
	return NULL;
}
