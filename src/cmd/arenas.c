/*
 * `arenas`: every allocator found, and what is in the heaps of those that can be
 * walked.
 */
#include "cmd/command.h"

enum {
	SHOWN_ARENAS = 20,
};

static struct mf_error *set_ranges(struct mf_settings *settings,
				   const char *value)
{
	(void)value;
	settings->session.heap.trim_ranges = true;
	return NULL;
}

static const struct mf_option options[] = {
	{ .name = "ranges",
	  .summary = "list the pages that malloc_trim(0) would give back",
	  .set = set_ranges },
};

static struct mf_error *run_arenas(struct mf_run *run)
{
	struct mf_heap_rows rows = {
		.detail = run->settings->verbose ? MF_HEAP_VERBOSE
						 : MF_HEAP_ARENAS,
		.arenas = SHOWN_ARENAS,
	};
	struct mf_space *space;
	struct mf_heap *heap;

	MF_TRY(mf_session_space(run->session, &space));
	MF_TRY(mf_session_heap(run->session, &heap));
	MF_TRY(mf_run_begin(run));
	rows.rss = mf_space_rss(space);
	mf_run_write_head(run, space);
	mf_heap_write_data(heap, run->report);
	mf_heap_write_text(heap, run->report, &rows);
	mf_run_write_foot(run);
	return mf_run_end(run);
}

const struct mf_command mf_command_arenas = {
	.name = "arenas",
	.summary = "every allocator found: arenas, free lists, fragmentation",
	.description =
		"Walks every heap of glibc's malloc, chunk by chunk, and says "
		"of each arena how much of it is in use, is free, could be "
		"given back to the kernel by malloc_trim(0) now, and is pinned "
		"(free, but on pages that chunks in use share).\nThe "
		"same of jemalloc, from its radix tree of extents.\nOther "
		"allocators are named, with the memory that they hold.\nWith "
		"-v: heaps, chunk sizes and bins of the worst arena, and "
		"parameters.\nWith --ranges: of each arena the runs of pages "
		"that malloc_trim(0) would give back now; only pages that are "
		"in RAM, so their sizes add up to what it gives back.",
	.options = options,
	.option_count = MF_ARRAY_SIZE(options),
	.needs = MF_CAN_MAPPINGS | MF_CAN_READ,
	.run = run_arenas,
};
