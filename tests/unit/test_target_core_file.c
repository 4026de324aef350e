/*
 * A core file's bytes by their offset: plain, in many frames, in one stream;
 * and what is said of those that lie, are cut off, or are no files. The truth
 * is the bytes that were written; zstd's own reader is the witness.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "base/memory.h"
#include "target/core_file.h"
#include "target/core_frames.h"
#include "unit.h"

enum {
	SIZE = 5 * MF_FRAME_BYTES + 12345,
	HOLE = 2 * MF_FRAME_BYTES,
};

struct place {
	char folder[64], path[96];
	unsigned char *bytes; /* SIZE: noise, but for a hole in the middle */
};

static int set_up(void **state)
{
	struct place *place = mf_new(struct place);
	uint64_t noise = 1;

	snprintf(place->folder, sizeof(place->folder),
		 "/tmp/mf-core-file.XXXXXX");
	assert_non_null(mkdtemp(place->folder));
	snprintf(place->path, sizeof(place->path), "%s/core", place->folder);
	setenv("TMPDIR", place->folder, 1);
	place->bytes = mf_calloc(SIZE, 1);
	for (size_t i = 0; i < SIZE; i++) {
		noise = noise * UINT64_C(6364136223846793005) + 1;
		if (i < MF_FRAME_BYTES + 100 || i >= MF_FRAME_BYTES + HOLE)
			place->bytes[i] = (unsigned char)(noise >> 60);
	}
	*state = place;
	return 0;
}

/* Nothing stays in the folder: what was unpacked has no name. */
static int tear_down(void **state)
{
	struct place *place = *state;

	unlink(place->path);
	assert_int_equal(rmdir(place->folder), 0);
	free(place->bytes);
	free(place);
	return 0;
}

static void write_file(const struct place *place, const void *bytes,
		       size_t size)
{
	FILE *file = fopen(place->path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static void *read_file(const struct place *place, size_t *size)
{
	FILE *file = fopen(place->path, "r");
	struct stat status;
	void *bytes;

	assert_non_null(file);
	assert_int_equal(fstat(fileno(file), &status), 0);
	*size = (size_t)status.st_size;
	bytes = mf_calloc(*size, 1);
	assert_int_equal(fread(bytes, 1, *size, file), *size);
	fclose(file);
	return bytes;
}

static struct mf_core_file *open_core(const struct place *place)
{
	struct mf_core_file *file = NULL;
	struct mf_error *error = mf_core_file_open(place->path, &file);

	if (error)
		print_error("%s: %s\n", error->what, error->why);
	assert_null(error);
	return file;
}

static void assert_refused(const struct place *place)
{
	struct mf_core_file *file = NULL;
	struct mf_error *error = mf_core_file_open(place->path, &file);

	assert_non_null(error);
	assert_null(file);
	mf_error_destroy(error);
}

/* Reads of all sizes at all kinds of places. */
static void assert_bytes(const struct place *place, struct mf_core_file *file,
			 size_t size)
{
	static const size_t sizes[] = { 1, 64, 4096, 100000, SIZE };
	mf_auto_free unsigned char *got = mf_calloc(SIZE, 1);

	assert_int_equal(mf_core_file_size(file), size);
	for (size_t i = 0; i < MF_ARRAY_SIZE(sizes); i++)
		for (size_t at = 0; at < size; at += 77777) {
			size_t wanted = MF_MIN(sizes[i], size - at);

			assert_int_equal(
				mf_core_file_read(file, at, got, sizes[i]),
				wanted);
			assert_memory_equal(got, place->bytes + at, wanted);
		}
	assert_int_equal(mf_core_file_read(file, size, got, 1), 0);
	assert_int_equal(mf_core_file_read(file, UINT64_MAX, got, 1), 0);
}

static void plain_bytes_are_read_where_they_are(void **state)
{
	struct place *place = *state;
	struct mf_core_file *file;

	write_file(place, place->bytes, SIZE);
	file = open_core(place);
	assert_false(mf_core_file_is_compressed(file));
	assert_null(mf_core_file_damage(file));
	assert_bytes(place, file, SIZE);
	mf_core_file_close(file);
}

static void holes_are_told(void **state)
{
	struct place *place = *state;
	struct mf_core_file *file;
	uint64_t start, end;
	int fd = open(place->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 4 << 20), 0);
	assert_int_equal(pwrite(fd, "x", 1, 2 << 20), 1);
	close(fd);
	file = open_core(place);
	assert_true(mf_core_file_next_data(file, 0, &start, &end));
	if (start == 0) { /* a file system that does not know */
		mf_core_file_close(file);
		skip();
	}
	assert_true(start <= 2 << 20 && end > 2 << 20 && end < 4 << 20);
	assert_false(mf_core_file_next_data(file, end, &start, &end));
	mf_core_file_close(file);
}

/* ---- frames ------------------------------------------------------------------- */

static void write_frames(const struct place *place)
{
	int fd = open(place->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
		      0600);
	struct mf_frame_writer *writer = mf_frame_writer_create(fd);
	size_t at = MF_FRAME_BYTES + 100, end = MF_FRAME_BYTES + HOLE;

	assert_int_equal(mf_frame_writer_add(writer, place->bytes, 10), 0);
	assert_int_equal(
		mf_frame_writer_add(writer, place->bytes + 10, at - 10), 0);
	assert_int_equal(mf_frame_writer_skip(writer, end - at), 0);
	assert_int_equal(
		mf_frame_writer_add(writer, place->bytes + end, SIZE - end), 0);
	assert_int_equal(mf_frame_writer_end(writer), 0);
	mf_frame_writer_destroy(writer);
	close(fd);
}

static void frames_are_read_where_they_are(void **state)
{
	struct place *place = *state;
	struct mf_core_file *file;
	uint64_t start, end;

	write_frames(place);
	file = open_core(place);
	assert_true(mf_core_file_is_compressed(file));
	assert_bytes(place, file, SIZE);
	assert_true(mf_core_file_next_data(file, 5, &start, &end));
	assert_int_equal(start, 5);
	assert_int_equal(end, SIZE);
	mf_core_file_close(file);
}

static void zstd_unpacks_frames(void **state)
{
	struct place *place = *state;
	mf_auto_free unsigned char *got = mf_calloc(SIZE, 1);
	mf_auto_free void *packed = NULL;
	size_t size;

	write_frames(place);
	packed = read_file(place, &size);
	assert_int_equal(ZSTD_decompress(got, SIZE, packed, size), SIZE);
	assert_memory_equal(got, place->bytes, SIZE);
}

static void a_damaged_frame_ends_the_read(void **state)
{
	struct place *place = *state;
	mf_auto_free unsigned char *got = mf_calloc(SIZE, 1);
	mf_auto_free unsigned char *packed = NULL;
	struct mf_core_file *file;
	size_t size;

	write_frames(place);
	packed = read_file(place, &size);
	memset(packed, 0xee, 50); /* in the first frame */
	memcpy(packed, (const uint8_t[]){ 0x28, 0xb5, 0x2f, 0xfd }, 4);
	write_file(place, packed, size);
	file = open_core(place);
	assert_int_equal(mf_core_file_read(file, 0, got, 100), 0);
	assert_int_equal(mf_core_file_read(file, MF_FRAME_BYTES, got, 100),
			 100);
	assert_memory_equal(got, place->bytes + MF_FRAME_BYTES, 100);
	mf_core_file_close(file);
}

/* A disk that changes a bit: never are other bytes read than those written. */
static void a_bit_that_changed_is_noticed(void **state)
{
	struct place *place = *state;
	mf_auto_free unsigned char *got = mf_calloc(SIZE, 1);
	mf_auto_free unsigned char *packed = NULL;
	size_t size, noticed = 0;

	write_frames(place);
	packed = read_file(place, &size);
	for (size_t at = 4; at < size; at += 1 + size / 97) {
		struct mf_core_file *file;
		size_t count;

		packed[at] ^= 0x10;
		write_file(place, packed, size);
		packed[at] ^= 0x10;
		file = open_core(place);
		count = mf_core_file_read(file, 0, got, SIZE);
		assert_memory_equal(got, place->bytes, count);
		if (count < SIZE) {
			assert_non_null(mf_core_file_damage(file));
			noticed++;
		}
		mf_core_file_close(file);
	}
	assert_true(noticed > 80);
}

/* Whatever byte of the table lies: no crash, and no bytes that are wrong. */
static void a_lying_table_is_not_believed(void **state)
{
	struct place *place = *state;
	mf_auto_free unsigned char *got = mf_calloc(SIZE + 1, 1);
	mf_auto_free unsigned char *packed = NULL;
	size_t size, table = 8 + 6 * 8 + 9;

	write_frames(place);
	packed = read_file(place, &size);
	for (size_t i = size - table; i < size; i++) {
		static const unsigned char masks[] = { 0x01, 0x80, 0xff };

		for (size_t m = 0; m < MF_ARRAY_SIZE(masks); m++) {
			struct mf_core_file *file = NULL;
			struct mf_error *error;
			size_t there;

			packed[i] ^= masks[m];
			write_file(place, packed, size);
			packed[i] ^= masks[m];
			error = mf_core_file_open(place->path, &file);
			mf_error_destroy(error);
			if (error)
				continue;
			there = mf_core_file_read(file, 0, got, SIZE + 1);
			assert_true(there <= SIZE);
			assert_memory_equal(
				got, place->bytes,
				MF_MIN(there, (size_t)MF_FRAME_BYTES));
			mf_core_file_close(file);
		}
	}
}

/* ---- one stream ----------------------------------------------------------------- */

static void *pack(const struct place *place, size_t *size)
{
	size_t room = ZSTD_compressBound(SIZE);
	void *packed = mf_calloc(room, 1);

	*size = ZSTD_compress(packed, room, place->bytes, SIZE, 1);
	assert_false(ZSTD_isError(*size));
	return packed;
}

static void a_stream_is_unpacked(void **state)
{
	struct place *place = *state;
	mf_auto_free void *packed = NULL;
	struct mf_core_file *file;
	size_t size;

	packed = pack(place, &size);
	write_file(place, packed, size);
	file = open_core(place);
	assert_true(mf_core_file_is_compressed(file));
	assert_null(mf_core_file_damage(file));
	assert_bytes(place, file, SIZE);
	mf_core_file_close(file);
}

static void a_stream_of_several_frames_is_unpacked(void **state)
{
	struct place *place = *state;
	mf_auto_free unsigned char *packed = NULL;
	struct mf_core_file *file;
	size_t size;

	write_frames(place);
	packed = read_file(place, &size);
	/* without its table: frames one after another */
	write_file(place, packed, size - (8 + 6 * 8 + 9));
	file = open_core(place);
	assert_null(mf_core_file_damage(file));
	assert_bytes(place, file, SIZE);
	mf_core_file_close(file);
}

static void a_stream_that_was_cut_off_gives_what_it_has(void **state)
{
	struct place *place = *state;
	mf_auto_free void *packed = NULL;
	struct mf_core_file *file;
	size_t size;

	packed = pack(place, &size);
	write_file(place, packed, size / 2);
	file = open_core(place);
	assert_non_null(mf_core_file_damage(file));
	assert_true(mf_core_file_size(file) > MF_FRAME_BYTES);
	assert_true(mf_core_file_size(file) < SIZE);
	assert_bytes(place, file, (size_t)mf_core_file_size(file));
	mf_core_file_close(file);
}

static void a_stream_that_needs_too_much_is_refused(void **state)
{
	/* a header that promises 2^62 bytes, and an empty last block */
	static const unsigned char packed[] = { 0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0,
						0,    0,    0,	  0,	0,    0,
						0x40, 1,    0,	  0 };
	struct place *place = *state;

	write_file(place, packed, sizeof(packed));
	assert_refused(place);
}

static void what_is_no_file_is_refused(void **state)
{
	struct place *place = *state;

	assert_refused(place);
	assert_int_equal(mkfifo(place->path, 0600), 0);
	assert_refused(place);
	unlink(place->path);
	write_file(place, "\x28\xb5\x2f\xfd", 4);
	assert_refused(place);
}

static void without_a_temporary_folder_it_says_so(void **state)
{
	struct place *place = *state;
	struct mf_core_file *file = NULL;
	mf_auto_error struct mf_error *error = NULL;
	mf_auto_free void *packed = NULL;
	size_t size;

	packed = pack(place, &size);
	write_file(place, packed, size);
	setenv("TMPDIR", "/nonexistent/folder", 1);
	error = mf_core_file_open(place->path, &file);
	assert_non_null(error);
	assert_non_null(strstr(error->what, "/nonexistent/folder"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(plain_bytes_are_read_where_they_are),
		TEST(holes_are_told),
		TEST(frames_are_read_where_they_are),
		TEST(zstd_unpacks_frames),
		TEST(a_damaged_frame_ends_the_read),
		TEST(a_bit_that_changed_is_noticed),
		TEST(a_lying_table_is_not_believed),
		TEST(a_stream_is_unpacked),
		TEST(a_stream_of_several_frames_is_unpacked),
		TEST(a_stream_that_was_cut_off_gives_what_it_has),
		TEST(a_stream_that_needs_too_much_is_refused),
		TEST(what_is_no_file_is_refused),
		TEST(without_a_temporary_folder_it_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
