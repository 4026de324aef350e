/*
 * One scan from its options to its rows: the scanners that were asked for, the
 * crew of each thread, and what all of them saw.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/units.h"
#include "scan/engine.h"
#include "scan/state.h"

/* What one thread works with. */
struct crew {
	const struct mf_scan_plan *plan;
	const struct mf_scan *scan;
	void *workers[MF_SCANNERS];
	struct mf_scan_pieces pieces;
	uint64_t *group_bytes;
	struct mf_keepers_worker *keepers; /* NULL: there are none */
};

/* ---- creation -------------------------------------------------------------- */

static void destroy_scanners(struct mf_scan *scan)
{
	for (size_t i = 0; i < MF_SCANNERS; i++) {
		if (scan->own[i])
			mf_scanners[i]->destroy(scan->own[i]);
		scan->own[i] = NULL;
	}
}

static struct mf_error *create_scanners(struct mf_scan *scan)
{
	for (size_t i = 0; i < MF_SCANNERS; i++)
		if (scan->wanted[i])
			MF_TRY(mf_scanners[i]->create(&scan->context,
						      &scan->own[i]));
	return NULL;
}

static struct mf_error *create_keepers(struct mf_scan *scan)
{
	const struct mf_keepers_options options = {
		.threads = scan->options.threads,
	};

	return mf_keepers_create(scan->context.target, scan->context.image,
				 &options, &scan->keepers);
}

struct mf_error *mf_scan_create(struct mf_target *target,
				struct mf_image *image,
				const struct mf_scan_options *options,
				struct mf_scan **ret)
{
	struct mf_scan *scan = mf_new(struct mf_scan);
	struct mf_error *error;

	scan->options = *options;
	scan->context = (struct mf_scan_context){
		.target = target,
		.image = image,
		.options = &scan->options,
	};
	for (size_t i = 0; i < MF_SCANNERS; i++)
		scan->wanted[i] = options->wanted & mf_scanners[i]->scans_for;
	error = create_scanners(scan);
	if (!error && options->retained)
		error = create_keepers(scan);
	if (error) {
		mf_scan_destroy(scan);
		return error;
	}
	*ret = scan;
	return NULL;
}

void mf_scan_destroy(struct mf_scan *scan)
{
	if (!scan)
		return;
	destroy_scanners(scan);
	mf_keepers_destroy(scan->keepers);
	mf_vec_deinit(&scan->joined);
	mf_vec_deinit(&scan->groups);
	free(scan->group_bytes);
	free(scan);
}

/* ---- reading --------------------------------------------------------------- */

static void *create_crew(const struct mf_scan *scan,
			 const struct mf_scan_plan *plan)
{
	struct crew *crew = mf_new(struct crew);

	crew->scan = scan;
	crew->plan = plan;
	crew->group_bytes = mf_new_array(scan->groups.count, uint64_t);
	for (size_t i = 0; i < MF_SCANNERS; i++)
		if (scan->wanted[i])
			crew->workers[i] =
				mf_scanners[i]->worker_create(scan->own[i]);
	if (scan->keepers)
		crew->keepers = mf_keepers_worker_create(scan->keepers);
	return crew;
}

static void dismiss_crew(struct mf_scan *scan, struct crew *crew)
{
	for (size_t i = 0; i < MF_SCANNERS; i++)
		if (scan->wanted[i])
			mf_scanners[i]->merge(scan->own[i], crew->workers[i]);
	for (size_t i = 0; i < scan->groups.count; i++) {
		scan->group_bytes[i] += crew->group_bytes[i];
		scan->bytes += crew->group_bytes[i];
	}
	if (crew->keepers)
		mf_keepers_merge(scan->keepers, crew->keepers);
	mf_vec_deinit(&crew->pieces.list);
	free(crew->group_bytes);
	free(crew);
}

/* Drops the pieces that were read for keepers alone. */
static void keep_selected(struct crew *crew)
{
	size_t kept = 0;

	for (size_t i = 0; i < crew->pieces.list.count; i++)
		if (crew->pieces.list.items[i].group < crew->scan->groups.count)
			crew->pieces.list.items[kept++] =
				crew->pieces.list.items[i];
	crew->pieces.list.count = kept;
}

static void scan_slice(struct crew *crew, const struct mf_scan_batch *batch,
		       const struct mf_scan_slice *slice)
{
	struct mf_scan_window window =
		mf_scan_plan_cut(crew->plan, batch, slice, &crew->pieces);

	if (crew->keepers) {
		mf_keepers_window(crew->keepers, &window);
		keep_selected(crew);
		window.piece_count = (uint32_t)crew->pieces.list.count;
	}
	if (!window.piece_count)
		return;
	mf_vec_foreach(piece, &crew->pieces.list)
		crew->group_bytes[piece->group] += piece->end - piece->start;
	for (size_t i = 0; i < MF_SCANNERS; i++)
		if (crew->workers[i])
			mf_scanners[i]->window(crew->workers[i], &window);
}

static void scan_batch(void *data, const struct mf_scan_batch *batch)
{
	struct crew *crew = data;

	for (size_t i = 0; i < batch->slices.count; i++)
		scan_slice(crew, batch, &batch->slices.items[i]);
}

/* libyara takes one piece at a time, and keeps matches in a list by address:
 * each that is out of order walks all of it. */
static unsigned count_threads(const struct mf_scan_options *options)
{
	for (size_t i = 0; i < options->pattern_count; i++)
		if (options->patterns[i].kind == MF_FIND_YARA)
			return 1;
	return mf_scan_count_threads(options->threads);
}

static struct mf_error *pump(struct mf_scan *scan, struct mf_scan_plan *plan)
{
	unsigned count = count_threads(&scan->options);
	void *crews[MF_SCAN_THREADS_MAX];
	struct mf_error *error;

	for (unsigned i = 0; i < count; i++)
		crews[i] = create_crew(scan, plan);
	error = mf_scan_pump(plan, scan_batch, crews, count);
	for (unsigned i = 0; i < count; i++)
		dismiss_crew(scan, crews[i]);
	return error;
}

/* Ranges that lie: out of order, of no group. Callers make them, not targets.
 */
static void check_input(const struct mf_scan_input *input)
{
	for (size_t i = 0; i < input->range_count; i++) {
		const struct mf_scan_range *range = &input->ranges[i];

		assert(range->start < range->end);
		assert(range->group < input->group_count);
		assert(!i || range[-1].end <= range->start);
	}
}

/* A look at another moment begins from nothing. */
static struct mf_error *start(struct mf_scan *scan,
			      const struct mf_scan_input *input)
{
	if (scan->was_read) {
		destroy_scanners(scan);
		MF_TRY(create_scanners(scan));
	}
	scan->was_read = true;
	scan->groups.count = 0;
	for (size_t i = 0; i < input->group_count; i++)
		mf_vec_push(&scan->groups, input->groups[i]);
	free(scan->group_bytes);
	scan->group_bytes = mf_new_array(input->group_count, uint64_t);
	scan->bytes = 0;
	return NULL;
}

static void note_missed(struct mf_scan *scan)
{
	char size[MF_UNIT_TEXT];

	if (scan->missed.swapped)
		mf_target_note_partial(
			scan->context.target, "contents",
			"%s of what was to be scanned are in swap: "
			"--read-swapped brings them in",
			mf_format_size(size, scan->missed.swapped));
	if (scan->missed.unreadable)
		mf_target_note_partial(
			scan->context.target, "contents",
			"%s of what was to be scanned could not be read",
			mf_format_size(size, scan->missed.unreadable));
}

static struct mf_error *run(struct mf_scan *scan, struct mf_scan_plan *plan)
{
	for (size_t i = 0; i < MF_SCANNERS; i++)
		if (scan->wanted[i] && mf_scanners[i]->begin)
			MF_TRY(mf_scanners[i]->begin(&scan->context,
						     scan->own[i]));
	MF_TRY(pump(scan, plan));
	for (size_t i = 0; i < MF_SCANNERS; i++)
		if (scan->wanted[i] && mf_scanners[i]->finish)
			MF_TRY(mf_scanners[i]->finish(&scan->context,
						      scan->own[i]));
	return NULL;
}

/* What is selected, and for keepers all that can hold pointers. */
static struct mf_error *read_all(struct mf_scan *scan,
				 const struct mf_scan_input *input)
{
	struct mf_scan_input all = *input;
	struct mf_scan_plan plan;
	struct mf_error *error;

	if (scan->keepers) {
		mf_keepers_begin(scan->keepers, input);
		mf_scan_join(scan, input);
		all.ranges = scan->joined.items;
		all.range_count = scan->joined.count;
	}
	mf_scan_plan_init(&plan, &all, scan->options.free_too);
	error = run(scan, &plan);
	scan->missed = plan.missed;
	mf_scan_plan_deinit(&plan);
	if (scan->keepers)
		mf_keepers_end(scan->keepers);
	return error;
}

struct mf_error *mf_scan_read(struct mf_scan *scan,
			      const struct mf_scan_input *input)
{
	uint64_t began = mf_now_ns();
	struct mf_error *error;

	check_input(input);
	MF_TRY(start(scan, input));
	scan->context.input = input;
	error = read_all(scan, input);
	scan->context.input = NULL;
	scan->took_ns = mf_now_ns() - began;
	if (!error)
		note_missed(scan);
	return error;
}

void mf_scan_finish(struct mf_scan *scan)
{
	if (scan->keepers)
		mf_keepers_finish(scan->keepers);
}

const struct mf_keepers *mf_scan_keepers(const struct mf_scan *scan)
{
	return scan->keepers;
}

/* ---- results --------------------------------------------------------------- */

uint64_t mf_scan_bytes(const struct mf_scan *scan)
{
	return scan->bytes;
}

const struct mf_scan_options *mf_scan_get_options(const struct mf_scan *scan)
{
	return &scan->options;
}

const struct mf_scan_group *mf_scan_groups(const struct mf_scan *scan,
					   size_t *count)
{
	*count = scan->groups.count;
	return scan->groups.items;
}

uint64_t mf_scan_group_bytes(const struct mf_scan *scan, size_t group)
{
	return scan->group_bytes[group];
}

size_t mf_scan_groups_seen(const struct mf_scan *scan)
{
	size_t seen = 0;

	for (size_t i = 0; i < scan->groups.count; i++)
		seen += scan->group_bytes[i] != 0;
	return seen;
}
