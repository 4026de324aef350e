/*
 * Unused memory as people read it: where it is, what malloc_trim would give
 * back of it, why not the rest, and who pins that.
 */
#include <stdlib.h>

#include "base/memory.h"
#include "base/units.h"
#include "heap/heap_rows.h"

enum {
	PINNERS = 5,
	RANGES = 20,
	BREAK_LEAST = MF_MIB, /* of address space: less is no news */
};

/* ---- where it is, and why it stays ---------------------------------------------- */

static const struct mf_column unused_columns[] = {
	{ "bytes", "bytes", MF_VALUE_SIZE, 0 },
	{ "what", "unused memory: free, tops and caches", MF_VALUE_TEXT,
	  MF_SHOW_FILL },
};

struct unused_line {
	uint64_t bytes;
	const char *what;
	bool always;
};

static void write_unused_lines(const struct mf_heap_writer *writer,
			       const struct unused_line *lines, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (lines[i].bytes || lines[i].always)
			mf_report_row(writer->report,
				      (struct mf_value[]){
					      mf_size(lines[i].bytes),
					      mf_text(lines[i].what),
				      });
}

static void write_unused(const struct mf_heap_writer *writer)
{
	static const struct mf_table table = {
		.key = "unused_rows",
		.title = "WHAT BECOMES OF UNUSED MEMORY",
		.columns = unused_columns,
		.column_count = MF_ARRAY_SIZE(unused_columns),
		.show = MF_SHOW_TEXT_ONLY,
	};
	const struct mf_arena_figures *all = &writer->allocator->figures;
	const struct mf_retained *stays = &all->retained;
	mf_auto_free char *given = mf_asprintf(
		"%s would give back now", mf_heap_giver(writer->allocator));
	const struct unused_line lines[] = {
		{ all->trimmable_bytes, given, true },
		{ stays->pinned, mf_heap_pinned(writer->allocator), false },
		{ stays->headers, "stays: pages of free chunks' headers",
		  false },
		{ stays->main_top, "stays: the main arena's top", false },
		{ stays->tops, "stays: tops of other arenas", false },
		{ stays->tcache,
		  "stays: in tcaches, which only their threads "
		  "empty",
		  false },
		{ stays->locked, "stays: locked in memory (mlock)", false },
		{ stays->hugetlb, "stays: in mappings of huge pages", false },
		{ stays->skipped, "stays: in arenas that malloc found corrupt",
		  false },
		{ all->unused.swapped, "not in RAM: in swap", false },
		{ all->unused.absent,
		  "not in RAM: given back before, or never written", false },
	};
	const struct mf_value sum[] = { mf_size(all->unused.bytes),
					mf_text("in all") };

	if (!all->unused.bytes)
		return;
	mf_report_table_begin(writer->report, &table);
	write_unused_lines(writer, lines, MF_ARRAY_SIZE(lines));
	mf_report_total(writer->report, sum);
	mf_report_table_end(writer->report);
}

/* ---- who pins it ------------------------------------------------------------- */

struct pin {
	const struct mf_arena *arena;
	const struct mf_pinner *pinner;
};

static int by_pinned(const void *a, const void *b)
{
	const struct pin *left = a, *right = b;
	uint64_t left_bytes = left->pinner->pinned_bytes;
	uint64_t right_bytes = right->pinner->pinned_bytes;

	return (left_bytes < right_bytes) - (left_bytes > right_bytes);
}

static const struct mf_column pinner_columns[] = {
	{ "address", "chunks from", MF_VALUE_ADDRESS, 0 },
	{ "count", "chunks", MF_VALUE_COUNT, 0 },
	{ "cached", "cached", MF_VALUE_COUNT, MF_SHOW_IF_ANY },
	{ "size", "in use", MF_VALUE_SIZE, 0 },
	{ "pinned_bytes", "free kept", MF_VALUE_SIZE, 0 },
	{ "arena", "in arena", MF_VALUE_TEXT, 0 },
	{ "type", "type", MF_VALUE_TEXT, MF_SHOW_IF_ANY | MF_SHOW_FILL },
};

static void write_pins(const struct mf_heap_writer *writer,
		       const struct pin *pins, size_t count)
{
	static const struct mf_table table = {
		.key = "pinner_rows",
		.title = "WHAT PINS FREE MEMORY",
		.columns = pinner_columns,
		.column_count = MF_ARRAY_SIZE(pinner_columns),
		.top = PINNERS,
		.show = MF_SHOW_TEXT_ONLY,
	};

	mf_report_table_begin(writer->report, &table);
	for (size_t i = 0; i < count; i++) {
		const struct mf_pinner *pinner = pins[i].pinner;
		char name[MF_UNIT_TEXT];

		mf_report_row(
			writer->report,
			(struct mf_value[]){
				mf_address(pinner->address),
				mf_count(pinner->count),
				mf_count(pinner->cached),
				mf_size(pinner->size),
				mf_size(pinner->pinned_bytes),
				mf_text(mf_arena_name(name, pins[i].arena)),
				mf_text(pinner->type),
			});
	}
	mf_report_table_end(writer->report);
}

static void write_pinners(const struct mf_heap_writer *writer)
{
	mf_auto_free struct pin *pins = NULL;
	size_t total = 0, count = 0;

	for (size_t i = 0; i < writer->worst.count; i++)
		total += writer->worst.items[i]->pinner_count;
	pins = mf_new_array(total ? total : 1, struct pin);
	for (size_t i = 0; i < writer->worst.count; i++)
		for (size_t j = 0; j < writer->worst.items[i]->pinner_count;
		     j++)
			pins[count++] = (struct pin){
				writer->worst.items[i],
				&writer->worst.items[i]->pinners[j],
			};
	qsort(pins, count, sizeof(*pins), by_pinned);
	write_pins(writer, pins, count);
}

/* ---- the break -------------------------------------------------------------------- */

static const struct mf_column break_columns[] = {
	{ "address", "chunks from", MF_VALUE_ADDRESS, 0 },
	{ "count", "chunks", MF_VALUE_COUNT, 0 },
	{ "size", "in use", MF_VALUE_SIZE, 0 },
	{ "break_bytes", "break falls by", MF_VALUE_SIZE, 0 },
	{ "type", "type", MF_VALUE_TEXT, MF_SHOW_IF_ANY | MF_SHOW_FILL },
};

static void write_break_of(const struct mf_heap_writer *writer,
			   const struct mf_arena *arena)
{
	static const struct mf_table table = {
		.key = "break_rows",
		.title = "WHAT HOLDS UP THE BREAK (the highest first; each "
			 "with those above it)",
		.columns = break_columns,
		.column_count = MF_ARRAY_SIZE(break_columns),
		.show = MF_SHOW_TEXT_ONLY,
	};
	size_t count = arena->top_pinner_count;

	if (!count || arena->top_pinners[count - 1].break_bytes < BREAK_LEAST)
		return;
	mf_report_table_begin(writer->report, &table);
	for (size_t i = 0; i < count; i++) {
		const struct mf_top_pinner *pinner = &arena->top_pinners[i];

		mf_report_row(writer->report,
			      (struct mf_value[]){
				      mf_address(pinner->address),
				      mf_count(pinner->count),
				      mf_size(pinner->size),
				      mf_size(pinner->break_bytes),
				      mf_text(pinner->type),
			      });
	}
	mf_report_table_end(writer->report);
}

static void write_break(const struct mf_heap_writer *writer)
{
	for (size_t i = 0; i < writer->worst.count; i++)
		if (writer->worst.items[i]->main)
			write_break_of(writer, writer->worst.items[i]);
}

/* ---- its pages ----------------------------------------------------------------- */

static const struct mf_column range_columns[] = {
	{ "start", "start", MF_VALUE_ADDRESS, 0 },
	{ "end", "end", MF_VALUE_ADDRESS, 0 },
	{ "size", "size", MF_VALUE_SIZE, 0 },
	{ "arena", "in arena", MF_VALUE_TEXT, 0 },
};

/* Only when they were asked for. */
static void write_ranges(const struct mf_heap_writer *writer)
{
	static const struct mf_table table = {
		.key = "range_rows",
		.title = "WHAT malloc_trim(0) WOULD GIVE BACK",
		.columns = range_columns,
		.column_count = MF_ARRAY_SIZE(range_columns),
		.top = RANGES,
		.show = MF_SHOW_TEXT_ONLY,
	};

	mf_report_table_begin(writer->report, &table);
	for (size_t i = 0; i < writer->worst.count; i++) {
		const struct mf_arena *arena = writer->worst.items[i];
		char number[MF_UNIT_TEXT];
		const char *name = mf_arena_name(number, arena);

		for (size_t j = 0; j < arena->trim_range_count; j++) {
			const struct mf_trim_range *range =
				&arena->trim_ranges[j];

			mf_report_row(
				writer->report,
				(struct mf_value[]){
					mf_address(range->start),
					mf_address(range->end),
					mf_size(range->end - range->start),
					mf_text(name),
				});
		}
	}
	mf_report_table_end(writer->report);
}

void mf_heap_write_trim(const struct mf_heap_writer *writer)
{
	write_unused(writer);
	write_pinners(writer);
	write_break(writer);
	write_ranges(writer);
}
