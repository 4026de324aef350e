/*
 * Allocators as data: every key of CONTRACT.md, "arenas".
 */
#include "heap/heap_rows.h"

#include <stdlib.h>

#include "base/memory.h"

static double share_of(uint64_t part, uint64_t whole)
{
	return whole ? (double)part / (double)whole : 0;
}

static void write_object(struct mf_report *report, const char *key,
			 const struct mf_field *fields, size_t count)
{
	mf_report_fields(report, key, NULL, fields, count);
}

static void write_amount(struct mf_report *report, const char *key,
			 const struct mf_amount *amount)
{
	const struct mf_field fields[] = {
		{ "count", NULL, mf_count(amount->count), 0 },
		{ "bytes", NULL, mf_size(amount->bytes), 0 },
	};

	write_object(report, key, fields, MF_ARRAY_SIZE(fields));
}

/* ---- figures --------------------------------------------------------------- */

static void write_free(struct mf_report *report,
		       const struct mf_free_amount *free)
{
	const struct mf_field fields[] = {
		{ "count", NULL, mf_count(free->count), 0 },
		{ "bytes", NULL, mf_size(free->bytes), 0 },
		{ "resident", NULL, mf_size(free->resident), 0 },
		{ "swapped", NULL, mf_size(free->swapped), 0 },
		{ "already_returned", NULL, mf_size(free->already_returned),
		  0 },
	};

	write_object(report, "free", fields, MF_ARRAY_SIZE(fields));
}

static void write_fragmentation(struct mf_report *report,
				const struct mf_arena_figures *figures)
{
	uint64_t spare = figures->free.bytes + figures->top.bytes;
	uint64_t unused =
		spare + figures->fastbin.bytes + figures->tcache.bytes;
	const struct mf_field fields[] = {
		{ "external", NULL,
		  mf_ratio(spare ? 1 - share_of(figures->largest_free, spare)
				 : 0),
		  0 },
		{ "free_ratio", NULL,
		  mf_ratio(share_of(unused, figures->system)), 0 },
		{ "pinned_bytes", NULL, mf_size(figures->pinned_bytes), 0 },
	};

	write_object(report, "fragmentation", fields, MF_ARRAY_SIZE(fields));
}

static const struct mf_column range_columns[] = {
	{ "start", NULL, MF_VALUE_ADDRESS, 0 },
	{ "end", NULL, MF_VALUE_ADDRESS, 0 },
};

static void write_ranges(struct mf_report *report, const struct mf_arena *arena)
{
	static const struct mf_table table = {
		.key = "ranges",
		.columns = range_columns,
		.column_count = MF_ARRAY_SIZE(range_columns),
	};

	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < arena->trim_range_count; i++)
		mf_report_row(report,
			      (struct mf_value[]){
				      mf_address(arena->trim_ranges[i].start),
				      mf_address(arena->trim_ranges[i].end),
			      });
	mf_report_table_end(report);
}

/* ARENA NULL: over all arenas, which list no ranges. */
static void write_trimmable(struct mf_report *report,
			    const struct mf_arena_figures *figures,
			    const struct mf_arena *arena)
{
	const struct mf_field fields[] = {
		{ "bytes", NULL, mf_size(figures->trimmable_bytes), 0 },
		{ "pages", NULL, mf_count(figures->trimmable_pages), 0 },
	};

	if (!arena || !arena->trim_ranges) {
		write_object(report, "trimmable", fields,
			     MF_ARRAY_SIZE(fields));
		return;
	}
	mf_report_object_open(report, "trimmable");
	write_object(report, NULL, fields, MF_ARRAY_SIZE(fields));
	write_ranges(report, arena);
	mf_report_object_close(report);
}

/* Both add up to each other: resident = trimmable and all that is retained. */
static void write_unused(struct mf_report *report,
			 const struct mf_arena_figures *figures)
{
	const struct mf_unused *unused = &figures->unused;
	const struct mf_retained *retained = &figures->retained;
	const struct mf_field places[] = {
		{ "bytes", NULL, mf_size(unused->bytes), 0 },
		{ "resident", NULL, mf_size(unused->resident), 0 },
		{ "swapped", NULL, mf_size(unused->swapped), 0 },
		{ "absent", NULL, mf_size(unused->absent), 0 },
	};
	const struct mf_field reasons[] = {
		{ "pinned", NULL, mf_size(retained->pinned), 0 },
		{ "headers", NULL, mf_size(retained->headers), 0 },
		{ "main_top", NULL, mf_size(retained->main_top), 0 },
		{ "tops", NULL, mf_size(retained->tops), 0 },
		{ "tcache", NULL, mf_size(retained->tcache), 0 },
		{ "locked", NULL, mf_size(retained->locked), 0 },
		{ "hugetlb", NULL, mf_size(retained->hugetlb), 0 },
		{ "skipped", NULL, mf_size(retained->skipped), 0 },
	};

	write_object(report, "unused", places, MF_ARRAY_SIZE(places));
	write_object(report, "retained", reasons, MF_ARRAY_SIZE(reasons));
}

/* Members of the object that is open. */
static void write_figures(struct mf_report *report,
			  const struct mf_arena_figures *figures,
			  const struct mf_arena *arena)
{
	const struct mf_field sizes[] = {
		{ "system", NULL, mf_size(figures->system), 0 },
		{ "max_system", NULL, mf_size(figures->max_system), 0 },
		{ "resident", NULL, mf_size(figures->resident), 0 },
		{ "largest_free", NULL, mf_size(figures->largest_free), 0 },
		{ "unread", NULL, mf_size(figures->unread), 0 },
	};
	const struct mf_field top[] = {
		{ "count", NULL, mf_count(figures->top.count), 0 },
		{ "bytes", NULL, mf_size(figures->top.bytes), 0 },
		{ "resident", NULL, mf_size(figures->top_resident), 0 },
	};
	const struct mf_field overhead[] = {
		{ "bytes", NULL, mf_size(figures->overhead), 0 },
	};

	write_object(report, NULL, sizes, MF_ARRAY_SIZE(sizes));
	write_amount(report, "in_use", &figures->in_use);
	write_amount(report, "tcache", &figures->tcache);
	write_amount(report, "fastbin", &figures->fastbin);
	write_free(report, &figures->free);
	write_object(report, "top", top, MF_ARRAY_SIZE(top));
	write_object(report, "overhead", overhead, MF_ARRAY_SIZE(overhead));
	write_trimmable(report, figures, arena);
	write_unused(report, figures);
	write_fragmentation(report, figures);
}

/* ---- inside an arena ---------------------------------------------------------- */

static const struct mf_column pinner_columns[] = {
	{ "address", NULL, MF_VALUE_ADDRESS, 0 },
	{ "size", NULL, MF_VALUE_SIZE, 0 },
	{ "pinned_bytes", NULL, MF_VALUE_SIZE, 0 },
	{ "evicted_bytes", NULL, MF_VALUE_SIZE, 0 },
	{ "count", NULL, MF_VALUE_COUNT, 0 },
	{ "cached", NULL, MF_VALUE_COUNT, 0 },
	{ "type", NULL, MF_VALUE_TEXT, 0 },
};

static void write_pinners(struct mf_report *report,
			  const struct mf_pinner *pinners, size_t count)
{
	static const struct mf_table table = {
		.key = "pinners",
		.columns = pinner_columns,
		.column_count = MF_ARRAY_SIZE(pinner_columns),
	};

	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < count; i++)
		mf_report_row(report, (struct mf_value[]){
					      mf_address(pinners[i].address),
					      mf_size(pinners[i].size),
					      mf_size(pinners[i].pinned_bytes),
					      mf_size(pinners[i].evicted_bytes),
					      mf_count(pinners[i].count),
					      mf_count(pinners[i].cached),
					      mf_text(pinners[i].type),
				      });
	mf_report_table_end(report);
}

static const struct mf_column top_pinner_columns[] = {
	{ "address", NULL, MF_VALUE_ADDRESS, 0 },
	{ "size", NULL, MF_VALUE_SIZE, 0 },
	{ "break_bytes", NULL, MF_VALUE_SIZE, 0 },
	{ "count", NULL, MF_VALUE_COUNT, 0 },
	{ "cached", NULL, MF_VALUE_COUNT, 0 },
	{ "type", NULL, MF_VALUE_TEXT, 0 },
};

/* Only the main arena's top can be held up. */
static void write_top_pinners(struct mf_report *report,
			      const struct mf_arena *arena)
{
	static const struct mf_table table = {
		.key = "top_pinners",
		.columns = top_pinner_columns,
		.column_count = MF_ARRAY_SIZE(top_pinner_columns),
	};

	if (!arena->main)
		return;
	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < arena->top_pinner_count; i++) {
		const struct mf_top_pinner *pinner = &arena->top_pinners[i];

		mf_report_row(report, (struct mf_value[]){
					      mf_address(pinner->address),
					      mf_size(pinner->size),
					      mf_size(pinner->break_bytes),
					      mf_count(pinner->count),
					      mf_count(pinner->cached),
					      mf_text(pinner->type),
				      });
	}
	mf_report_table_end(report);
}

static const struct mf_column heap_columns[] = {
	{ "start", NULL, MF_VALUE_ADDRESS, 0 },
	{ "committed", NULL, MF_VALUE_SIZE, 0 },
	{ "reserved", NULL, MF_VALUE_SIZE, 0 },
	{ "resident", NULL, MF_VALUE_SIZE, 0 },
	{ "trimmable", NULL, MF_VALUE_SIZE, 0 },
	{ "newest", NULL, MF_VALUE_BOOL, 0 },
};

static void write_heaps(struct mf_report *report, const struct mf_arena *arena)
{
	static const struct mf_table table = {
		.key = "heaps",
		.columns = heap_columns,
		.column_count = MF_ARRAY_SIZE(heap_columns),
	};

	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < arena->heap_count; i++) {
		const struct mf_arena_heap *heap = &arena->heaps[i];

		mf_report_row_open(report, (struct mf_value[]){
						   mf_address(heap->start),
						   mf_size(heap->committed),
						   mf_size(heap->reserved),
						   mf_size(heap->resident),
						   mf_size(heap->trimmable),
						   mf_bool(heap->newest),
					   });
		write_amount(report, "in_use", &heap->in_use);
		write_amount(report, "free", &heap->free);
		write_amount(report, "tcache", &heap->tcache);
		write_pinners(report, heap->pinners, heap->pinner_count);
		mf_report_row_close(report);
	}
	mf_report_table_end(report);
}

const char *mf_bin_kind_name(enum mf_bin_kind kind)
{
	static const char *const names[] = {
		[MF_BIN_FAST] = "fast",
		[MF_BIN_UNSORTED] = "unsorted",
		[MF_BIN_SMALL] = "small",
		[MF_BIN_LARGE] = "large",
	};

	return names[kind];
}

static const struct mf_column bin_columns[] = {
	{ "kind", NULL, MF_VALUE_TEXT, 0 },
	{ "index", NULL, MF_VALUE_COUNT, 0 },
	{ "count", NULL, MF_VALUE_COUNT, 0 },
	{ "bytes", NULL, MF_VALUE_SIZE, 0 },
};

static void write_bins(struct mf_report *report, const struct mf_arena *arena)
{
	static const struct mf_table table = {
		.key = "bins",
		.columns = bin_columns,
		.column_count = MF_ARRAY_SIZE(bin_columns),
	};

	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < arena->bin_count; i++) {
		const struct mf_bin *bin = &arena->bins[i];

		mf_report_row(report,
			      (struct mf_value[]){
				      mf_text(mf_bin_kind_name(bin->kind)),
				      mf_count(bin->index),
				      mf_count(bin->amount.count),
				      mf_size(bin->amount.bytes),
			      });
	}
	mf_report_table_end(report);
}

static const struct mf_column size_class_columns[] = {
	{ "min", NULL, MF_VALUE_SIZE, 0 },
	{ "max", NULL, MF_VALUE_SIZE, 0 },
};

static void write_histogram(struct mf_report *report,
			    const struct mf_arena *arena)
{
	static const struct mf_table table = {
		.key = "histogram",
		.columns = size_class_columns,
		.column_count = MF_ARRAY_SIZE(size_class_columns),
	};

	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < arena->histogram_count; i++) {
		const struct mf_size_class *one = &arena->histogram[i];

		mf_report_row_open(report,
				   (struct mf_value[]){ mf_size(one->min),
							mf_size(one->max) });
		write_amount(report, "in_use", &one->in_use);
		write_amount(report, "free", &one->free);
		mf_report_row_close(report);
	}
	mf_report_table_end(report);
}

static const struct mf_column corrupt_columns[] = {
	{ "address", NULL, MF_VALUE_ADDRESS, 0 },
	{ "what", NULL, MF_VALUE_TEXT, 0 },
	{ "kind", NULL, MF_VALUE_TEXT, 0 },
	{ "cause", NULL, MF_VALUE_TEXT, 0 },
	{ "text", NULL, MF_VALUE_TEXT, 0 },
	{ "lost", NULL, MF_VALUE_SIZE, 0 },
};

static void write_neighbour(struct mf_report *report, const char *key,
			    const struct mf_neighbour *chunk)
{
	const struct mf_field fields[] = {
		{ .key = "address", .value = mf_address(chunk->address) },
		{ .key = "size", .value = mf_size(chunk->size) },
		{ .key = "state", .value = mf_text(chunk->state) },
	};

	if (chunk->state)
		mf_report_fields(report, key, NULL, fields,
				 MF_ARRAY_SIZE(fields));
}

static void write_corrupt(struct mf_report *report,
			  const struct mf_arena *arena)
{
	static const struct mf_table table = {
		.key = "corrupt",
		.columns = corrupt_columns,
		.column_count = MF_ARRAY_SIZE(corrupt_columns),
	};

	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < arena->corrupt_count; i++) {
		const struct mf_corruption *one = &arena->corrupt[i];

		mf_report_row_open(report, (struct mf_value[]){
						   mf_address(one->address),
						   mf_text(one->what),
						   mf_text(one->kind),
						   mf_text(one->cause),
						   mf_text(one->text),
						   mf_size(one->lost),
					   });
		write_neighbour(report, "chunk", &one->chunk);
		write_neighbour(report, "previous", &one->previous);
		write_neighbour(report, "next", &one->next);
		mf_report_row_close(report);
	}
	mf_report_table_end(report);
}

/* ---- arenas and allocators ----------------------------------------------------- */

static const struct mf_column arena_columns[] = {
	{ "index", NULL, MF_VALUE_COUNT, 0 },
	{ "address", NULL, MF_VALUE_ADDRESS, 0 },
	{ "main", NULL, MF_VALUE_BOOL, 0 },
	{ "locked", NULL, MF_VALUE_BOOL, 0 },
	{ "in_flight", NULL, MF_VALUE_BOOL, 0 },
	{ "consistency", NULL, MF_VALUE_TEXT, 0 },
	{ "attached_threads", NULL, MF_VALUE_COUNT, 0 },
	{ "threads", NULL, MF_VALUE_NUMBERS, 0 },
};

static void write_arena(struct mf_report *report, const struct mf_arena *arena)
{
	mf_report_row_open(
		report,
		(struct mf_value[]){
			mf_count(arena->index),
			mf_address(arena->address),
			mf_bool(arena->main),
			mf_bool(arena->locked),
			mf_bool(arena->in_flight),
			mf_text(mf_consistency_name(arena->consistency)),
			mf_count(arena->attached_threads),
			mf_numbers(arena->threads, arena->thread_count),
		});
	write_figures(report, &arena->figures, arena);
	write_heaps(report, arena);
	write_bins(report, arena);
	write_histogram(report, arena);
	write_pinners(report, arena->pinners, arena->pinner_count);
	write_top_pinners(report, arena);
	write_corrupt(report, arena);
	mf_report_row_close(report);
}

struct mf_field *mf_heap_parameters(const struct mf_allocator *allocator,
				    unsigned show)
{
	size_t count = allocator->parameter_count;
	struct mf_field *fields =
		mf_new_array(count ? count : 1, struct mf_field);

	for (size_t i = 0; i < count; i++)
		fields[i] = (struct mf_field){
			.key = allocator->parameters[i].name,
			.value = mf_count(allocator->parameters[i].value),
			.show = show,
		};
	return fields;
}

static void write_parameters(struct mf_report *report,
			     const struct mf_allocator *allocator)
{
	mf_auto_free struct mf_field *fields = mf_heap_parameters(allocator, 0);

	write_object(report, "params", fields, allocator->parameter_count);
}

static const struct mf_column tcache_columns[] = {
	{ "tid", NULL, MF_VALUE_ID, 0 },
	{ "address", NULL, MF_VALUE_ADDRESS, 0 },
	{ "arena", NULL, MF_VALUE_COUNT, 0 },
	{ "valid", NULL, MF_VALUE_BOOL, 0 },
	{ "count", NULL, MF_VALUE_COUNT, 0 },
	{ "bytes", NULL, MF_VALUE_SIZE, 0 },
	{ "mmapped_count", NULL, MF_VALUE_COUNT, 0 },
	{ "mmapped_bytes", NULL, MF_VALUE_SIZE, 0 },
};

static void write_tcaches(struct mf_report *report,
			  const struct mf_allocator *allocator)
{
	static const struct mf_table table = {
		.key = "tcaches",
		.columns = tcache_columns,
		.column_count = MF_ARRAY_SIZE(tcache_columns),
	};

	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < allocator->tcache_count; i++) {
		const struct mf_thread_cache *one = &allocator->tcaches[i];

		mf_report_row(report,
			      (struct mf_value[]){
				      one->tid ? mf_id((uint64_t)one->tid)
					       : mf_none(),
				      mf_address(one->address),
				      one->arena ? mf_count(one->arena->index)
						 : mf_none(),
				      mf_bool(one->valid),
				      mf_count(one->amount.count),
				      mf_size(one->amount.bytes),
				      mf_count(one->mmapped.count),
				      mf_size(one->mmapped.bytes),
			      });
	}
	mf_report_table_end(report);
}

static void write_walked(struct mf_report *report,
			 const struct mf_allocator *allocator)
{
	static const struct mf_table table = {
		.key = "arenas",
		.columns = arena_columns,
		.column_count = MF_ARRAY_SIZE(arena_columns),
	};
	const struct mf_field more[] = {
		{ "consistency", NULL,
		  mf_text(mf_consistency_name(allocator->consistency)), 0 },
		{ "resident_hugetlb", NULL,
		  mf_size(allocator->resident_hugetlb), 0 },
	};
	const struct mf_field mmapped[] = {
		{ "count", NULL, mf_count(allocator->mmapped.count), 0 },
		{ "bytes", NULL, mf_size(allocator->mmapped.bytes), 0 },
		{ "mapped", NULL, mf_size(allocator->mmapped_mapped), 0 },
		{ "resident", NULL, mf_size(allocator->mmapped_resident), 0 },
	};

	write_figures(report, &allocator->figures, NULL);
	write_object(report, NULL, more, MF_ARRAY_SIZE(more));
	write_object(report, "mmapped", mmapped, MF_ARRAY_SIZE(mmapped));
	write_tcaches(report, allocator);
	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < allocator->arena_count; i++)
		write_arena(report, &allocator->arenas[i]);
	mf_report_table_end(report);
}

static const struct mf_column allocator_columns[] = {
	{ "name", NULL, MF_VALUE_TEXT, 0 },
	{ "version", NULL, MF_VALUE_TEXT, 0 },
	{ "module", NULL, MF_VALUE_TEXT, 0 },
	{ "load", NULL, MF_VALUE_ADDRESS, 0 },
	{ "supported", NULL, MF_VALUE_BOOL, 0 },
	{ "why", NULL, MF_VALUE_TEXT, 0 },
	{ "layout", NULL, MF_VALUE_TEXT, 0 },
	{ "owns_malloc", NULL, MF_VALUE_BOOL, 0 },
	{ "claimed", NULL, MF_VALUE_SIZE, 0 },
	{ "claimed_resident", NULL, MF_VALUE_SIZE, 0 },
};

static void write_allocator(struct mf_report *report,
			    const struct mf_allocator *allocator)
{
	const struct mf_field resident[] = {
		{ "resident", NULL, mf_size(allocator->resident), 0 },
	};

	mf_report_row_open(report, (struct mf_value[]){
					   mf_text(allocator->name),
					   mf_text(allocator->version),
					   mf_text(allocator->module),
					   mf_address(allocator->load),
					   mf_bool(allocator->supported),
					   mf_text(allocator->why),
					   mf_text(allocator->layout),
					   mf_bool(allocator->owns_malloc),
					   mf_size(allocator->mapped),
					   mf_size(allocator->resident),
				   });
	write_parameters(report, allocator);
	if (allocator->supported)
		write_walked(report, allocator);
	else
		write_object(report, NULL, resident, MF_ARRAY_SIZE(resident));
	mf_report_row_close(report);
}

void mf_heap_write_data(const struct mf_heap *heap, struct mf_report *report)
{
	static const struct mf_table table = {
		.key = "allocators",
		.columns = allocator_columns,
		.column_count = MF_ARRAY_SIZE(allocator_columns),
		.show = MF_SHOW_DATA_ONLY,
	};
	mf_report_table_begin(report, &table);
	mf_heap_foreach_allocator(allocator, heap)
		write_allocator(report, allocator);
	mf_report_table_end(report);
}
