/*
 * Fuzzes cores: opened as they are, and all that is asked of a target is asked;
 * then the whole report is made of it. An input that begins with "MFCS" is a
 * core with its zeros taken out, so that one of a real process is small: the
 * size of the file, and then what is in it, each as an offset, a size and
 * bytes.
 */
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memforensics/report.h"
#include "memforensics/session.h"

#include "base/compiler.h"
#include "base/memory.h"
#include "fuzz.h"

enum {
	FILE_MOST = 16 << 20,
	PAGES = 64,	      /* at once */
	PAGES_MOST = 1 << 12, /* of one mapping */
	MAPPINGS_MOST = 4096,
};

/* ---- the file ------------------------------------------------------------ */

struct head {
	char magic[4];
	uint32_t size;
};

struct piece {
	uint32_t offset;
	uint16_t size;
};

/* Little-endian and unpadded: 4 bytes and 2. */
static bool next_piece(const uint8_t **data, size_t *left, struct piece *ret)
{
	if (*left < 6)
		return false;
	ret->offset = mf_load(uint32_t, *data);
	ret->size = mf_load(uint16_t, *data + 4);
	*data += 6;
	*left -= 6;
	return ret->size <= *left;
}

static void write_pieces(int fd, const uint8_t *data, size_t left)
{
	struct piece piece;

	while (next_piece(&data, &left, &piece)) {
		if (piece.offset < FILE_MOST &&
		    pwrite(fd, data, piece.size, piece.offset) < 0)
			abort();
		data += piece.size;
		left -= piece.size;
	}
}

static int write_core(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct head head = { .size = 0 };

	if (fd < 0)
		abort();
	if (size >= sizeof(head))
		memcpy(&head, data, sizeof(head));
	if (memcmp(head.magic, "MFCS", 4) != 0) {
		if (write(fd, data, size) != (ssize_t)size)
			abort();
		return fd;
	}
	if (ftruncate(fd, MF_MIN(head.size, (uint32_t)FILE_MOST)) != 0)
		abort();
	write_pieces(fd, data + sizeof(head), size - sizeof(head));
	return fd;
}

/* ---- the target ----------------------------------------------------------- */

static void read_mapping(struct mf_target *target,
			 const struct mf_mapping *mapping)
{
	uint64_t page_size = mf_target_info(target)->page_size;
	mf_auto_free uint8_t *bytes = mf_calloc(PAGES, page_size);
	uint64_t end = mapping->end;
	uint8_t flags[PAGES], again[PAGES];
	struct mf_page_counts counts = { 0 };

	if ((end - mapping->start) / page_size > PAGES_MOST)
		end = mapping->start + PAGES_MOST * page_size;
	mf_error_destroy(
		mf_target_count_pages(target, mapping->start, end, &counts));
	FUZZ_AT_MOST(counts.present,
		     (mapping->end - mapping->start) / page_size);
	for (uint64_t at = mapping->start; at < end; at += PAGES * page_size) {
		size_t count = MF_MIN((end - at) / page_size, (uint64_t)PAGES);

		mf_error_destroy(mf_target_residency(target, at, count, again));
		mf_error_destroy(
			mf_target_read_pages(target, at, count, bytes, flags));
		/* a page can turn out to be unreadable, and nothing else */
		for (size_t i = 0; i < count; i++)
			if (!(flags[i] & MF_PAGE_UNREADABLE))
				FUZZ_EQUAL(flags[i], again[i]);
	}
}

static void open_files(struct mf_target *target,
		       const struct mf_mapping *mapping)
{
	int fd = -1;
	struct mf_error *error = mf_target_open_file(target, mapping, &fd);

	if (!error)
		close(fd);
	mf_error_destroy(error);
}

static void ask_target(const char *path)
{
	const struct mf_target_options options = { .symfs = "/nonexistent" };
	struct mf_target *target;
	struct mf_error *error = mf_target_open_core(path, &options, &target);
	const struct mf_mapping *mappings;
	const struct mf_thread *threads;
	size_t count, thread_count;
	uint64_t last = 0, word;

	if (error) {
		mf_error_destroy(error);
		return;
	}
	mappings = mf_target_mappings(target, &count);
	for (size_t i = 0; i < count; i++) {
		FUZZ_AT_MOST(last, mappings[i].start);
		FUZZ_AT_MOST(mappings[i].start + 1, mappings[i].end);
		last = mappings[i].end;
		if (i >= MAPPINGS_MOST)
			continue;
		read_mapping(target, &mappings[i]);
		open_files(target, &mappings[i]);
	}
	threads = mf_target_threads(target, &thread_count);
	for (size_t i = 0; i < thread_count; i++)
		mf_target_read_u64(target, threads[i].sp, &word);
	mf_target_close(target);
}

/* ---- the report ------------------------------------------------------------- */

static void write_report(struct mf_session *session)
{
	const struct mf_report_options options = { .format = MF_FORMAT_JSON };
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	struct mf_report *report;
	struct mf_space *space;

	if (!stream)
		abort();
	report = mf_report_create(stream, &options);
	mf_report_begin(report, "maps");
	mf_error_destroy(mf_session_space(session, &space));
	mf_space_write_regions(space, report,
			       &(struct mf_region_rows){ .proof = true });
	mf_space_write_totals(space, report, false);
	mf_error_destroy(mf_report_end(report));
	mf_report_destroy(report);
	fclose(stream);
	free(text);
}

static void ask_session(const char *path)
{
	const struct mf_session_options options = { 0 };
	struct mf_session *session;
	struct mf_analysis *analysis;
	struct mf_error *error = mf_session_open(path, &options, &session);

	if (error) {
		mf_error_destroy(error);
		return;
	}
	error = mf_session_analysis(session, &analysis);
	if (!error)
		write_report(session);
	mf_error_destroy(error);
	mf_session_close(session);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = write_core(data, size);
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ask_target(path);
	ask_session(path);
	close(fd);
	return 0;
}
