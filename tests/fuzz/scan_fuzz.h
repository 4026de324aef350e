/*
 * Runs a scanner over the bytes of a fuzzer, in one window or two, over a forged
 * target that has them, and writes what it found.
 */
#ifndef MF_FUZZ_SCAN_FUZZ_H
#define MF_FUZZ_SCAN_FUZZ_H

#include <string.h>

#include "memforensics/report.h"

#include "base/memory.h"
#include "scan/state.h"

enum {
	FUZZ_SCAN_PAGE = 4096,
	FUZZ_SCAN_MOST = 65536,
};

#define FUZZ_SCAN_ADDRESS UINT64_C(0x7f0000100000)

/* Bytes [START, END) as a window, in memory of its own. */
static inline void fuzz_scan_window(const struct mf_scanner_ops *ops,
				    void *worker, const uint8_t *data,
				    size_t start, size_t end, size_t size)
{
	size_t room = (end - start + MF_SCAN_SLACK + 63) / 64 * 64;
	uint8_t *bytes = aligned_alloc(64, room);
	const struct mf_scan_piece piece = {
		.end = (uint32_t)(end - start),
		.kind = MF_KIND_IN_USE,
		.begins = start == 0,
		.ends = end == size,
		.chunk = FUZZ_SCAN_ADDRESS - 16,
		.size = size + 8,
	};
	const struct mf_scan_window window = {
		.address = FUZZ_SCAN_ADDRESS + start,
		.bytes = bytes,
		.size = (uint32_t)(end - start),
		.pieces = &piece,
		.piece_count = 1,
	};

	if (!bytes)
		abort();
	memset(bytes, 0, room);
	memcpy(bytes, data + start, end - start);
	ops->window(worker, &window);
	free(bytes);
}

static inline void fuzz_scan_write(const struct mf_scanner_ops *ops,
				   const void *scanner)
{
	const struct mf_report_options options = { .format = MF_FORMAT_JSON };
	static const struct mf_scan nothing;
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	struct mf_report *report;

	if (!stream)
		abort();
	report = mf_report_create(stream, &options);
	mf_report_begin(report, "scan");
	ops->write(scanner, &nothing, report);
	mf_error_destroy(mf_report_end(report));
	mf_report_destroy(report);
	fclose(stream);
	free(text);
}

/** SPLIT 0: one window. */
static inline void fuzz_scan(const struct mf_scanner_ops *ops,
			     const struct mf_scan_options *options,
			     const uint8_t *data, size_t size, size_t split)
{
	size_t room =
		(size + FUZZ_SCAN_PAGE - 1) / FUZZ_SCAN_PAGE * FUZZ_SCAN_PAGE;
	uint8_t *memory = mf_calloc(room, 1);
	const struct mf_mapping mapping = {
		.start = FUZZ_SCAN_ADDRESS,
		.end = FUZZ_SCAN_ADDRESS + room,
		.perms = MF_PERM_READ | MF_PERM_WRITE,
		.path = "",
	};
	const struct mf_scan_input input = { 0 };
	struct mf_scan_context context = { .options = options };
	void *scanner = NULL, *worker;
	struct mf_error *error;

	memcpy(memory, data, size);
	context.target = mf_target_create_forged();
	mf_target_forge_mapping(context.target, &mapping, memory, NULL);
	error = ops->create(&context, &scanner);
	if (!error) {
		context.input = &input;
		mf_error_destroy(ops->begin(&context, scanner));
		worker = ops->worker_create(scanner);
		if (split)
			fuzz_scan_window(ops, worker, data, split, size, size);
		fuzz_scan_window(ops, worker, data, 0, split ? split : size,
				 size);
		ops->merge(scanner, worker);
		mf_error_destroy(ops->finish(&context, scanner));
		fuzz_scan_write(ops, scanner);
		ops->destroy(scanner);
	}
	mf_error_destroy(error);
	mf_target_close(context.target);
	free(memory);
}

#endif
