/*
 * Fuzzes what is said of a whole process: heaps that were read, each scanner
 * over all of its memory, who points where, what nothing reaches, who keeps
 * how much alive, and what its first chunks are.
 */
#include <string.h>

#include "memforensics/report.h"
#include "memforensics/scan.h"

#include "base/compiler.h"
#include "base/vec.h"
#include "fuzz.h"
#include "heap_run.h"

enum {
	BYTES_MOST = 1 << 22, /* of a process, that are scanned */
	SPOTS = 8,
};

struct run {
	struct mf_target *target;
	struct mf_image *image;
	struct mf_scan_input input;
	MF_VEC(struct mf_scan_range) ranges;
	struct mf_spot spots[SPOTS];
	size_t spot_count;
};

/* ---- what is scanned ---------------------------------------------------------- */

static uint64_t choose_ranges(struct run *run)
{
	uint64_t page = mf_target_info(run->target)->page_size, sum = 0;
	const struct mf_mapping *mappings;
	size_t count;

	mappings = mf_target_mappings(run->target, &count);
	for (size_t i = 0; i < count && sum < BYTES_MOST; i++) {
		uint64_t size = mappings[i].end - mappings[i].start;
		uint64_t most = (BYTES_MOST - sum + page - 1) & -page;

		size = MF_MIN(size, most);
		if (!(mappings[i].perms & MF_PERM_READ))
			continue;
		mf_vec_push(&run->ranges,
			    (struct mf_scan_range){
				    .start = mappings[i].start,
				    .end = mappings[i].start + size,
			    });
		sum += size;
	}
	run->input.ranges = run->ranges.items;
	run->input.range_count = run->ranges.count;
	return sum;
}

static bool choose_spot(const struct mf_chunk *chunk, void *data)
{
	struct run *run = data;
	struct mf_spot *spot = &run->spots[run->spot_count];

	*spot = (struct mf_spot){
		.text = "0x0",
		.kind = MF_SPOT_ADDRESS,
		.start = chunk->address + 16,
		.end = chunk->address + 17,
	};
	return ++run->spot_count < SPOTS;
}

/* ---- reports -------------------------------------------------------------------- */

struct writing {
	char *text;
	size_t size;
	FILE *stream;
	struct mf_report *report;
};

static struct mf_report *begin(struct writing *writing, const char *command)
{
	const struct mf_report_options options = { .format = MF_FORMAT_JSON };

	*writing = (struct writing){ 0 };
	writing->stream = open_memstream(&writing->text, &writing->size);
	if (!writing->stream)
		abort();
	writing->report = mf_report_create(writing->stream, &options);
	mf_report_begin(writing->report, command);
	return writing->report;
}

/* Nothing of the target is shown as it is. */
static void end(struct writing *writing)
{
	mf_error_destroy(mf_report_end(writing->report));
	mf_report_destroy(writing->report);
	fclose(writing->stream);
	for (size_t i = 0; i < writing->size; i++)
		FUZZ_EQUAL(writing->text[i] == '\n' ||
				   (uint8_t)writing->text[i] >= ' ',
			   true);
	free(writing->text);
}

/* ---- looks ---------------------------------------------------------------------- */

static void scan(const struct run *run, unsigned wanted, uint64_t bytes)
{
	const struct mf_scan_options options = {
		.wanted = wanted,
		.threads = 1,
		.free_too = true,
		.retained = wanted == MF_SCAN_OBJECTS,
	};
	struct writing writing;
	struct mf_scan *scan = NULL;
	struct mf_error *error;

	error = mf_scan_create(run->target, run->image, &options, &scan);
	if (!error)
		error = mf_scan_read(scan, &run->input);
	if (!error) {
		mf_scan_finish(scan);
		FUZZ_AT_MOST(mf_scan_bytes(scan), bytes);
		mf_scan_write(scan, begin(&writing, "scan"));
		end(&writing);
	}
	mf_error_destroy(error);
	mf_scan_destroy(scan);
}

/* Who points to what the first spots are. */
static struct mf_scan_input input_of_spots(const struct run *run,
					   struct mf_scan_range *ranges)
{
	struct mf_scan_input input = run->input;

	for (size_t i = 0; i < run->spot_count; i++)
		ranges[i] = (struct mf_scan_range){ run->spots[i].start,
						    run->spots[i].end, 0 };
	input.ranges = ranges;
	input.range_count = run->spot_count;
	return input;
}

static void find_refs(const struct run *run)
{
	const struct mf_refs_options options = { .depth = 4, .threads = 1 };
	struct mf_scan_range ranges[SPOTS];
	const struct mf_scan_input input = input_of_spots(run, ranges);
	struct writing writing;
	struct mf_refs *refs = NULL;
	struct mf_error *error;

	error = mf_refs_create(run->target, run->image, &options, &refs);
	if (!error)
		error = mf_refs_read(refs, &input);
	if (!error) {
		mf_refs_write(refs, begin(&writing, "refs"));
		end(&writing);
	}
	mf_error_destroy(error);
	mf_refs_destroy(refs);
}

static void find_leaks(const struct run *run)
{
	const struct mf_leaks_options options = { .threads = 1, .all = true };
	struct mf_scan_input input = run->input;
	struct mf_leaks_totals totals;
	struct writing writing;
	struct mf_leaks *leaks = NULL;
	struct mf_error *error;

	input.range_count = 0;
	error = mf_leaks_create(run->target, run->image, &options, &leaks);
	if (!error)
		error = mf_leaks_read(leaks, &input);
	if (!error) {
		mf_leaks_get_totals(leaks, &totals);
		FUZZ_EQUAL(totals.leaked.count,
			   totals.chunks.count + totals.mappings.count);
		FUZZ_EQUAL(totals.leaked.bytes,
			   totals.chunks.bytes + totals.mappings.bytes);
		mf_leaks_write(leaks, begin(&writing, "leaks"), 0);
		end(&writing);
	}
	mf_error_destroy(error);
	mf_leaks_destroy(leaks);
}

static void find_keepers(const struct run *run)
{
	const struct mf_keepers_options options = { .threads = 1 };
	struct mf_scan_range ranges[SPOTS];
	const struct mf_scan_input input = input_of_spots(run, ranges);
	struct writing writing;
	struct mf_keepers *keepers = NULL;
	struct mf_error *error;

	error = mf_keepers_create(run->target, run->image, &options, &keepers);
	if (!error)
		error = mf_keepers_read(keepers, &input);
	if (!error) {
		mf_keepers_finish(keepers);
		mf_keepers_write(keepers, begin(&writing, "refs"));
		end(&writing);
	}
	mf_error_destroy(error);
	mf_keepers_destroy(keepers);
}

static void explain(const struct run *run)
{
	const struct mf_explain_options options = { .threads = 1 };
	struct writing writing;
	struct mf_explain *explain = NULL;
	struct mf_error *error;

	error = mf_explain_create(run->target, run->image, &options, &explain);
	if (!error)
		error = mf_explain_read(explain, &run->input, run->spots,
					run->spot_count);
	if (!error) {
		mf_explain_write(explain, begin(&writing, "explain"));
		end(&writing);
	}
	mf_error_destroy(error);
	mf_explain_destroy(explain);
}

static void look(const struct process *process, struct mf_heap *heap,
		 struct mf_space *space)
{
	static const struct mf_scan_group group = { .label = "all" };
	struct run run = {
		.target = process->target,
		.image = process->image,
		.input = { .target = process->target,
			   .image = process->image,
			   .space = space,
			   .heap = heap,
			   .groups = &group,
			   .group_count = 1 },
	};
	uint64_t bytes = choose_ranges(&run);

	mf_heap_each_chunk(heap, 0, UINT64_MAX, choose_spot, &run);
	scan(&run, MF_SCAN_ALL & ~(unsigned)MF_SCAN_MATCHES, bytes);
	scan(&run, MF_SCAN_OBJECTS, bytes);
	if (run.spot_count) {
		find_refs(&run);
		find_keepers(&run);
		explain(&run);
	}
	find_leaks(&run);
	mf_vec_deinit(&run.ranges);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	heap_run(data, size, look);
	return 0;
}
