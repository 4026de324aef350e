/*
 * What is inside of arenas, as people read it: damage, what malloc_trim makes
 * of them, and for the curious the heaps, chunk sizes and bins of the worst one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/units.h"
#include "heap/heap_rows.h"

enum {
	CORRUPTIONS = 10,
	HEAPS = 20,
	BINS = 20,
	TCACHES = 10,
};

const char *mf_arena_name(char *text, const struct mf_arena *arena)
{
	if (arena->main)
		return "main";
	snprintf(text, MF_UNIT_TEXT, "%u", arena->index);
	return text;
}

/* ---- what is damaged ---------------------------------------------------------- */

static void write_neighbour(const struct mf_heap_writer *writer,
			    const char *name, const struct mf_neighbour *chunk)
{
	char size[MF_UNIT_TEXT];
	mf_auto_free char *state = NULL;

	if (!chunk->state)
		return;
	state = mf_strdup(chunk->state);
	for (char *at = state; *at; at++)
		if (*at == '_')
			*at = ' ';
	mf_report_line(writer->report, "    %-8s 0x%012" PRIx64 " %10s  %s",
		       name, chunk->address,
		       mf_report_size(writer->report, size, chunk->size),
		       state);
}

static void write_damage(const struct mf_heap_writer *writer,
			 const struct mf_arena *arena,
			 const struct mf_corruption *one)
{
	char number[MF_UNIT_TEXT], size[MF_UNIT_TEXT];
	const char *name = mf_arena_name(number, arena);

	mf_report_line(writer->report, "  0x%012" PRIx64 " in %s%s: %s",
		       one->address, arena->main ? "the main arena" : "arena ",
		       arena->main ? "" : name, one->what);
	write_neighbour(writer, "before", &one->previous);
	write_neighbour(writer, "chunk", &one->chunk);
	write_neighbour(writer, "after", &one->next);
	if (one->text)
		mf_report_line(writer->report, "    %-8s \"%s\"", "text",
			       one->text);
	if (one->lost)
		mf_report_line(writer->report, "    %-8s %s could not be read",
			       "lost",
			       mf_report_size(writer->report, size, one->lost));
	if (one->cause)
		mf_report_line(writer->report, "    %-8s %s", "usually",
			       one->cause);
}

static void write_corrupt(const struct mf_heap_writer *writer)
{
	size_t shown = 0, all = 0;

	for (size_t i = 0; i < writer->worst.count; i++) {
		const struct mf_arena *arena = writer->worst.items[i];

		for (size_t j = 0; j < arena->corrupt_count; j++) {
			if (!all++)
				mf_report_heading(writer->report, "DAMAGE");
			if (shown == CORRUPTIONS)
				continue;
			shown++;
			write_damage(writer, arena, &arena->corrupt[j]);
		}
	}
	if (all > shown)
		mf_report_line(writer->report, "  and %zu more: --json",
			       all - shown);
}

/* ---- verbose ------------------------------------------------------------------- */

static char *title_of(const char *what, const struct mf_arena *arena)
{
	if (arena->main)
		return mf_asprintf("%s OF THE MAIN ARENA", what);
	return mf_asprintf("%s OF ARENA %u", what, arena->index);
}

static const struct mf_column heap_columns[] = {
	{ "start", "start", MF_VALUE_ADDRESS, 0 },
	{ "committed", "committed", MF_VALUE_SIZE, 0 },
	{ "reserved", "reserved", MF_VALUE_SIZE, 0 },
	{ "resident", "resident", MF_VALUE_SIZE, 0 },
	{ "in_use", "in use", MF_VALUE_SIZE, 0 },
	{ "free", "free", MF_VALUE_SIZE, 0 },
	{ "trimmable", "trimmable", MF_VALUE_SIZE, 0 },
};

static void write_heaps(const struct mf_heap_writer *writer,
			const struct mf_arena *arena)
{
	mf_auto_free char *title = title_of("HEAPS", arena);
	const struct mf_table table = {
		.key = "heap_rows",
		.title = title,
		.columns = heap_columns,
		.column_count = MF_ARRAY_SIZE(heap_columns),
		.top = HEAPS,
		.show = MF_SHOW_TEXT_ONLY,
	};

	mf_report_table_begin(writer->report, &table);
	for (size_t i = 0; i < arena->heap_count; i++) {
		const struct mf_arena_heap *heap = &arena->heaps[i];

		mf_report_row(writer->report,
			      (struct mf_value[]){
				      mf_address(heap->start),
				      mf_size(heap->committed),
				      mf_size(heap->reserved),
				      mf_size(heap->resident),
				      mf_size(heap->in_use.bytes),
				      mf_size(heap->free.bytes),
				      mf_size(heap->trimmable),
			      });
	}
	mf_report_table_end(writer->report);
}

static const struct mf_column size_columns[] = {
	{ "min", "from", MF_VALUE_SIZE, 0 },
	{ "max", "to", MF_VALUE_SIZE, 0 },
	{ "used", "in use", MF_VALUE_COUNT, 0 },
	{ "used_bytes", "bytes", MF_VALUE_SIZE, 0 },
	{ "free", "unused", MF_VALUE_COUNT, 0 },
	{ "free_bytes", "bytes", MF_VALUE_SIZE, 0 },
};

static void write_sizes(const struct mf_heap_writer *writer,
			const struct mf_arena *arena)
{
	mf_auto_free char *title = title_of("CHUNK SIZES", arena);
	const struct mf_table table = {
		.key = "size_rows",
		.title = title,
		.columns = size_columns,
		.column_count = MF_ARRAY_SIZE(size_columns),
		.show = MF_SHOW_TEXT_ONLY,
	};

	mf_report_table_begin(writer->report, &table);
	for (size_t i = 0; i < arena->histogram_count; i++) {
		const struct mf_size_class *one = &arena->histogram[i];

		mf_report_row(writer->report,
			      (struct mf_value[]){
				      mf_size(one->min),
				      mf_size(one->max),
				      mf_count(one->in_use.count),
				      mf_size(one->in_use.bytes),
				      mf_count(one->free.count),
				      mf_size(one->free.bytes),
			      });
	}
	mf_report_table_end(writer->report);
}

static const struct mf_column bin_columns[] = {
	{ "kind", "bin", MF_VALUE_TEXT, 0 },
	{ "index", "index", MF_VALUE_COUNT, 0 },
	{ "count", "chunks", MF_VALUE_COUNT, 0 },
	{ "bytes", "bytes", MF_VALUE_SIZE, 0 },
};

static void write_bins(const struct mf_heap_writer *writer,
		       const struct mf_arena *arena)
{
	mf_auto_free char *title = title_of("BINS", arena);
	const struct mf_table table = {
		.key = "bin_rows",
		.title = title,
		.columns = bin_columns,
		.column_count = MF_ARRAY_SIZE(bin_columns),
		.top = BINS,
		.show = MF_SHOW_TEXT_ONLY,
	};

	mf_report_table_begin(writer->report, &table);
	for (size_t i = 0; i < arena->bin_count; i++) {
		const struct mf_bin *bin = &arena->bins[i];

		mf_report_row(writer->report,
			      (struct mf_value[]){
				      mf_text(mf_bin_kind_name(bin->kind)),
				      mf_count(bin->index),
				      mf_count(bin->amount.count),
				      mf_size(bin->amount.bytes),
			      });
	}
	mf_report_table_end(writer->report);
}

static const struct mf_column tcache_columns[] = {
	{ "tid", "thread", MF_VALUE_ID, 0 },
	{ "arena", "arena", MF_VALUE_TEXT, 0 },
	{ "count", "chunks", MF_VALUE_COUNT, 0 },
	{ "bytes", "bytes", MF_VALUE_SIZE, 0 },
	{ "state", "", MF_VALUE_TEXT, MF_SHOW_FILL },
};

/* What changed while it was read, or was not read, proves no damage. */
static const char *state_of(const struct mf_allocator *allocator,
			    const struct mf_thread_cache *cache)
{
	enum mf_consistency consistency = cache->arena
						  ? cache->arena->consistency
						  : allocator->consistency;

	if (cache->valid)
		return "";
	if (consistency == MF_DAMAGED ||
	    (consistency == MF_EXACT && !allocator->figures.unread))
		return "damaged";
	return "not proved";
}

/* Those of threads that do not keep anything are left out. */
static void write_tcaches(const struct mf_heap_writer *writer)
{
	static const struct mf_table table = {
		.key = "tcache_rows",
		.title = "THREAD CACHES",
		.columns = tcache_columns,
		.column_count = MF_ARRAY_SIZE(tcache_columns),
		.top = TCACHES,
		.show = MF_SHOW_TEXT_ONLY,
	};
	const struct mf_allocator *allocator = writer->allocator;

	mf_report_table_begin(writer->report, &table);
	for (size_t i = 0; i < allocator->tcache_count; i++) {
		const struct mf_thread_cache *one = &allocator->tcaches[i];
		char name[MF_UNIT_TEXT];

		if (one->valid && !one->amount.count && !one->mmapped.count)
			continue;
		mf_report_row(
			writer->report,
			(struct mf_value[]){
				one->tid ? mf_id((uint64_t)one->tid)
					 : mf_none(),
				mf_text(one->arena ? mf_arena_name(name,
								   one->arena)
						   : "-"),
				mf_count(one->amount.count +
					 one->mmapped.count),
				mf_size(one->amount.bytes + one->mmapped.bytes),
				mf_text(state_of(allocator, one)),
			});
	}
	mf_report_table_end(writer->report);
}

static void write_parameters(const struct mf_heap_writer *writer)
{
	mf_auto_free struct mf_field *fields =
		mf_heap_parameters(writer->allocator, MF_SHOW_TEXT_ONLY);

	mf_report_fields(writer->report, NULL, "PARAMETERS", fields,
			 writer->allocator->parameter_count);
}

/* ---- all of it --- */

void mf_heap_write_detail(const struct mf_heap_writer *writer)
{
	write_corrupt(writer);
	mf_heap_write_trim(writer);
	if (writer->rows->detail < MF_HEAP_VERBOSE || !writer->worst.count)
		return;
	write_heaps(writer, writer->worst.items[0]);
	write_sizes(writer, writer->worst.items[0]);
	write_bins(writer, writer->worst.items[0]);
	write_tcaches(writer);
	write_parameters(writer);
}
