/*
 * Runs one scanner over bytes of a test: as one window, or cut in two anywhere,
 * as the engine cuts what it reads, with a worker for each part.
 *
 *   struct forged_scan scan;
 *
 *   forged_scan_init(&scan, bytes, size);
 *   forged_scan_chunk(&scan, 16, 40);            as many pieces as are wanted;
 *   scanner = forged_scan_run(&scan, &ops, 0);   none: the whole is one
 *   ... look at it, or at forged_scan_json(&scan) ...
 *   forged_scan_deinit(&scan);
 *
 * Where a test needs more than that (symbols, a heap, options), it sets fields
 * of scan.input and scan.options before the run.
 */
#ifndef MF_TESTS_SCAN_UTIL_H
#define MF_TESTS_SCAN_UTIL_H

#include <stdio.h>

#include "memforensics/report.h"

#include "scan/state.h"
#include "space_util.h"

/** Where the bytes stand in the target, unless a test says other. */
#define FORGED_SCAN_ADDRESS UINT64_C(0x7f0000100000)

struct forged_scan {
	const uint8_t *bytes;
	uint32_t size;
	uint64_t address; /* a page's */
	MF_VEC(struct mf_scan_piece) pieces;
	struct mf_scan_options options;
	struct mf_scan_group group; /* all pieces are of this one */
	struct mf_scan_input input;
	struct mf_target *own_target; /* with one mapping around the bytes */
	struct mf_space *own_space;
	struct mf_scan scan; /* what write functions are given */
	const struct mf_scanner_ops *ops;
	void *scanner;
	char *json;
};

/** BYTES stay the caller's. */
static inline void forged_scan_init(struct forged_scan *forged,
				    const void *bytes, size_t size)
{
	uint64_t pages = (size + PAGE - 1) / PAGE;

	memset(forged, 0, sizeof(*forged));
	forged->bytes = bytes;
	forged->size = (uint32_t)size;
	forged->address = FORGED_SCAN_ADDRESS;
	forged->group = (struct mf_scan_group){
		.label = "a test's",
		.class = MF_CLASS_ANON,
		.start = forged->address,
	};
	forged->own_target = mf_target_create_forged();
	add_mapping(forged->own_target, forged->address, pages ? pages : 1, RW,
		    "");
	forged->own_space = make_space(forged->own_target);
	must(mf_space_settle(forged->own_space));
	forged->input = (struct mf_scan_input){
		.target = forged->own_target,
		.space = forged->own_space,
		.groups = &forged->group,
		.group_count = 1,
	};
}

/** Bytes [START, END) are those of the user of a chunk in use. */
static inline void forged_scan_chunk(struct forged_scan *forged, uint32_t start,
				     uint32_t end)
{
	struct mf_scan_piece piece = {
		.start = start,
		.end = end,
		.kind = MF_KIND_IN_USE,
		.header = 16,
		.begins = true,
		.ends = true,
		.chunk = forged->address + start - 16,
		.size = (uint64_t)end - start + 8,
	};

	mf_vec_push(&forged->pieces, piece);
}

/* The part of PIECE in [START, END), from START on; false: there is none. */
static inline bool forged_scan_cut(const struct mf_scan_piece *piece,
				   uint32_t start, uint32_t end,
				   struct mf_scan_piece *ret)
{
	uint32_t from = MF_MAX(piece->start, start);
	uint32_t to = MF_MIN(piece->end, end);

	if (from >= to)
		return false;
	*ret = *piece;
	ret->begins = piece->begins && from == piece->start;
	ret->ends = piece->ends && to == piece->end;
	ret->start = from - start;
	ret->end = to - start;
	return true;
}

/* One window of bytes [START, END), in memory of its own, so that a sanitizer
 * sees who reads beyond its slack. */
static inline void forged_scan_window(struct forged_scan *forged, void *worker,
				      uint32_t start, uint32_t end)
{
	MF_VEC(struct mf_scan_piece) pieces = { 0 };
	uint8_t *bytes = mf_calloc_aligned(64, end - start + MF_SCAN_SLACK);
	struct mf_scan_window window = {
		.address = forged->address + start,
		.bytes = bytes,
		.size = end - start,
	};
	struct mf_scan_piece part;

	memcpy(bytes, forged->bytes + start, end - start);
	mf_vec_foreach(piece, &forged->pieces)
		if (forged_scan_cut(piece, start, end, &part))
			mf_vec_push(&pieces, part);
	window.pieces = pieces.items;
	window.piece_count = (uint32_t)pieces.count;
	if (pieces.count)
		forged->ops->window(worker, &window);
	mf_vec_deinit(&pieces);
	free(bytes);
}

static inline void forged_scan_forget(struct forged_scan *forged)
{
	if (forged->scanner)
		forged->ops->destroy(forged->scanner);
	forged->scanner = NULL;
	free(forged->json);
	forged->json = NULL;
}

/* What rows ask the scan for. */
static inline void forged_scan_count(struct forged_scan *forged)
{
	struct mf_scan *scan = &forged->scan;

	scan->options = forged->options;
	scan->context.options = &scan->options;
	scan->groups.count = 0;
	for (size_t i = 0; i < forged->input.group_count; i++)
		mf_vec_push(&scan->groups, forged->input.groups[i]);
	free(scan->group_bytes);
	scan->group_bytes = mf_new_array(scan->groups.count, uint64_t);
	scan->bytes = 0;
	mf_vec_foreach(piece, &forged->pieces) {
		scan->group_bytes[piece->group] += piece->end - piece->start;
		scan->bytes += piece->end - piece->start;
	}
}

/**
 * Runs OPS from create to finish over the bytes, in two windows where SPLIT is
 * not 0; anew each time. The scanner stays ours.
 */
static inline void *forged_scan_run(struct forged_scan *forged,
				    const struct mf_scanner_ops *ops,
				    uint32_t split)
{
	struct mf_scan_context context = {
		.target = forged->input.target,
		.image = forged->input.image,
		.options = &forged->options,
	};
	void *workers[2];

	forged_scan_forget(forged);
	forged->ops = ops;
	if (!forged->pieces.count)
		mf_vec_push(&forged->pieces, (struct mf_scan_piece){
						     .end = forged->size,
						     .kind = MF_KINDS,
						     .begins = true,
						     .ends = true,
						     .size = forged->size,
					     });
	forged_scan_count(forged);
	must(ops->create(&context, &forged->scanner));
	context.input = &forged->input;
	if (ops->begin)
		must(ops->begin(&context, forged->scanner));
	workers[0] = ops->worker_create(forged->scanner);
	workers[1] = ops->worker_create(forged->scanner);
	/* the later part first: windows come in no order */
	if (split && split < forged->size)
		forged_scan_window(forged, workers[1], split, forged->size);
	forged_scan_window(forged, workers[0], 0,
			   split ? MF_MIN(split, forged->size) : forged->size);
	ops->merge(forged->scanner, workers[1]);
	ops->merge(forged->scanner, workers[0]);
	if (ops->finish)
		must(ops->finish(&context, forged->scanner));
	return forged->scanner;
}

/** What the scanner that was run writes, as JSON; stays ours. */
static inline const char *forged_scan_json(struct forged_scan *forged)
{
	const struct mf_report_options options = { .format = MF_FORMAT_JSON };
	size_t size = 0;
	FILE *stream;
	struct mf_report *report;

	free(forged->json);
	forged->json = NULL;
	stream = open_memstream(&forged->json, &size);
	assert_non_null(stream);
	report = mf_report_create(stream, &options);
	mf_report_begin(report, "scan");
	forged->ops->write(forged->scanner, &forged->scan, report);
	must(mf_report_end(report));
	mf_report_destroy(report);
	fclose(stream);
	return forged->json;
}

static inline void forged_scan_deinit(struct forged_scan *forged)
{
	forged_scan_forget(forged);
	mf_vec_deinit(&forged->pieces);
	mf_vec_deinit(&forged->scan.groups);
	free(forged->scan.group_bytes);
	mf_space_destroy(forged->own_space);
	mf_target_close(forged->own_target);
}

#endif
