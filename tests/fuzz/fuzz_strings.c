/*
 * Fuzzes the scanner of strings and the masks over secrets: bytes of a target,
 * in one window and cut in two. Where they are cut makes no difference to what
 * is counted; rows have no control bytes; masks change nothing but secrets.
 */
#include <stdbool.h>
#include <string.h>

#include "memforensics/report.h"

#include "base/memory.h"
#include "fuzz.h"
#include "scan/strings.h"

extern const struct mf_scanner_ops mf_scan_strings_ops;

enum {
	MOST = 1 << 16,
	HEAD = 4, /* bytes of an input that say how */
	LINE = 64,
};

/* What the first bytes of an input ask for. */
struct how {
	uint32_t split, least;
	bool all, redact;
};

static void scan_window(void *worker, const uint8_t *bytes, uint32_t start,
			uint32_t end, uint32_t size)
{
	uint32_t room = (end - start + LINE - 1) / LINE * LINE + MF_SCAN_SLACK;
	uint8_t *own = aligned_alloc(LINE, room);
	const struct mf_scan_piece piece = {
		.end = end - start,
		.kind = MF_KINDS,
		.begins = start == 0,
		.ends = end == size,
	};

	if (!own)
		abort();
	memset(own, 0, room);
	memcpy(own, bytes + start, end - start);
	mf_scan_strings_ops.window(worker, &(struct mf_scan_window){
						   .address = 4096 + start,
						   .bytes = own,
						   .size = end - start,
						   .pieces = &piece,
						   .piece_count = 1,
					   });
	free(own);
}

static struct mf_strings *scan(const struct how *how, const uint8_t *bytes,
			       uint32_t size, uint32_t split)
{
	const struct mf_scan_options options = {
		.least_characters = how->least,
		.all_strings = how->all,
		.redact = how->redact,
	};
	const struct mf_scan_context context = { .options = &options };
	void *scanner = NULL, *worker;

	mf_error_destroy(mf_scan_strings_ops.create(&context, &scanner));
	if (!scanner)
		abort();
	worker = mf_scan_strings_ops.worker_create(scanner);
	if (split)
		scan_window(worker, bytes, split, size, size);
	scan_window(worker, bytes, 0, split ? split : size, size);
	mf_scan_strings_ops.merge(scanner, worker);
	mf_error_destroy(mf_scan_strings_ops.finish(&context, scanner));
	return scanner;
}

static void check_rows(const struct mf_strings *strings, unsigned format)
{
	const struct mf_report_options options = {
		.format = (enum mf_report_format)format,
		.top = SIZE_MAX,
	};
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	struct mf_report *report;

	if (!stream)
		abort();
	report = mf_report_create(stream, &options);
	mf_report_begin(report, "scan");
	mf_scan_strings_ops.write(strings, NULL, report);
	mf_error_destroy(mf_report_end(report));
	mf_report_destroy(report);
	fclose(stream);
	for (size_t i = 0; i < size; i++)
		FUZZ_EQUAL((unsigned char)text[i] < ' ' && text[i] != '\n' &&
				   text[i] != '\r',
			   false);
	free(text);
}

/* Nothing is lost between what is counted and what is kept of it. */
static void check_sums(const struct mf_strings *strings)
{
	uint64_t bytes = 0, all = 0;

	for (size_t i = 0; i < strings->sums.texts.count; i++)
		bytes += strings->sums.texts.items[i].bytes;
	for (size_t i = 0; i < MF_STRING_ENCODINGS; i++)
		all += strings->sums.totals[i].bytes;
	FUZZ_AT_MOST(bytes, all);
	if (!strings->sums.texts.unseen)
		FUZZ_EQUAL(bytes, all);
}

static void check_masks(const uint8_t *bytes, size_t size)
{
	char *own = mf_calloc(size + 1, 1);

	for (unsigned how = 0; how < 4; how++) {
		memcpy(own, bytes, size);
		mf_secret_mask(own, size, how);
		for (size_t i = 0; i < size; i++)
			FUZZ_EQUAL(own[i] == (char)bytes[i] || own[i] == '*',
				   true);
	}
	free(own);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mf_strings *whole, *parts;
	struct how how;

	if (size <= HEAD || size > MOST)
		return 0;
	how = (struct how){
		.least = 1 + data[0] % 16,
		.all = data[1] & 1,
		.redact = data[1] & 2,
	};
	data += HEAD;
	size -= HEAD;
	how.split = (uint32_t)(mf_load(uint16_t, data - 2) % size);
	whole = scan(&how, data, (uint32_t)size, 0);
	parts = scan(&how, data, (uint32_t)size, how.split);
	for (size_t i = 0; i < MF_STRING_UTF16; i++) {
		const struct mf_string_total *left = &whole->sums.totals[i];
		const struct mf_string_total *right = &parts->sums.totals[i];

		FUZZ_EQUAL(left->count, right->count);
		FUZZ_EQUAL(left->bytes, right->bytes);
	}
	check_sums(whole);
	check_sums(parts);
	check_rows(parts, data[-3] % 3);
	mf_scan_strings_ops.destroy(whole);
	mf_scan_strings_ops.destroy(parts);
	check_masks(data, size);
	return 0;
}
