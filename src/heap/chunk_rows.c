/*
 * The chunks of a heap as report rows: what there is by state, exact size and
 * size class, what the sizes are known for, and the list of them, streamed.
 */
#include <stdio.h>

#include "memforensics/heap.h"
#include "memforensics/report.h"

#include "base/compiler.h"
#include "base/units.h"

enum {
	SHOWN_SIZES = 20,
	TEXT_ALL = 1 << 30, /* rows of a text table that is to have all */
	DATA = MF_SHOW_DATA_ONLY,
};

/* ---- by state -------------------------------------------------------------- */

/* The unsorted bin is one of the bins: free, as in CONTRACT.md. */
static const char *state_of(enum mf_chunk_kind kind)
{
	return mf_heap_chunk_kind_name(kind == MF_KIND_UNSORTED ? MF_KIND_FREE
								: kind);
}

/* The same for people, who type it as in-use. */
static const char *words_of(enum mf_chunk_kind kind)
{
	return kind == MF_KIND_IN_USE ? "in use" : state_of(kind);
}

static const struct mf_column state_columns[] = {
	{ "state", NULL, MF_VALUE_TEXT, DATA },
	{ "words", "state", MF_VALUE_TEXT, MF_SHOW_TEXT_ONLY },
	{ "count", "chunks", MF_VALUE_COUNT, 0 },
	{ "bytes", "bytes", MF_VALUE_SIZE, 0 },
};

static const struct mf_table state_table = {
	.key = "totals",
	.title = "CHUNKS BY STATE",
	.columns = state_columns,
	.column_count = MF_ARRAY_SIZE(state_columns),
	.top = TEXT_ALL,
	.empty = "no such chunks",
};

static void write_states(const struct mf_chunk_census *census,
			 struct mf_report *report)
{
	struct mf_amount sum = { 0, 0 };

	mf_report_table_begin(report, &state_table);
	for (unsigned kind = 0; kind < MF_KINDS; kind++) {
		struct mf_amount amount = census->kinds[kind];

		if (kind == MF_KIND_UNSORTED)
			continue;
		if (kind == MF_KIND_FREE) {
			amount.count += census->kinds[MF_KIND_UNSORTED].count;
			amount.bytes += census->kinds[MF_KIND_UNSORTED].bytes;
		}
		sum.count += amount.count;
		sum.bytes += amount.bytes;
		if (amount.count)
			mf_report_row(report, (struct mf_value[]){
						      mf_text(state_of(kind)),
						      mf_text(words_of(kind)),
						      mf_count(amount.count),
						      mf_size(amount.bytes),
					      });
	}
	mf_report_total(report, (struct mf_value[]){
					mf_none(),
					mf_text("all"),
					mf_count(sum.count),
					mf_size(sum.bytes),
				});
	mf_report_table_end(report);
}

/* ---- by size --------------------------------------------------------------- */

static const struct mf_column size_columns[] = {
	{ "size", "size", MF_VALUE_SIZE, DATA },
	{ "exact", "size", MF_VALUE_COUNT, MF_SHOW_TEXT_ONLY },
	{ "in_use_count", "in use", MF_VALUE_COUNT, 0 },
	{ "in_use_bytes", "bytes", MF_VALUE_SIZE, 0 },
	{ "free_count", "free", MF_VALUE_COUNT, 0 },
	{ "free_bytes", "bytes", MF_VALUE_SIZE, 0 },
};

static void write_sizes(const struct mf_chunk_census *census,
			struct mf_report *report, bool all)
{
	const struct mf_table table = {
		.key = "sizes",
		.title = "EXACT SIZES, MOST BYTES FIRST",
		.columns = size_columns,
		.column_count = MF_ARRAY_SIZE(size_columns),
		.top = all ? TEXT_ALL : SHOWN_SIZES,
	};

	mf_report_table_begin(report, &table);
	for (size_t i = 0; i < census->size_count; i++) {
		const struct mf_chunk_size *one = &census->sizes[i];

		mf_report_row(report, (struct mf_value[]){
					      mf_size(one->size),
					      mf_count(one->size),
					      mf_count(one->in_use.count),
					      mf_size(one->in_use.bytes),
					      mf_count(one->free.count),
					      mf_size(one->free.bytes),
				      });
	}
	mf_report_table_end(report);
	if (census->unlisted.count) {
		char bytes[MF_UNIT_TEXT];

		mf_report_line(
			report, "and %llu chunks (%s) of further sizes",
			(unsigned long long)census->unlisted.count,
			mf_report_size(report, bytes, census->unlisted.bytes));
	}
}

static const struct mf_column class_columns[] = {
	{ "min", "from", MF_VALUE_SIZE, 0 },
	{ "max", "to", MF_VALUE_SIZE, 0 },
	{ "in_use_count", "in use", MF_VALUE_COUNT, 0 },
	{ "in_use_bytes", "bytes", MF_VALUE_SIZE, 0 },
	{ "free_count", "free", MF_VALUE_COUNT, 0 },
	{ "free_bytes", "bytes", MF_VALUE_SIZE, 0 },
};

static const struct mf_table class_table = {
	.key = "classes",
	.title = "SIZE CLASSES",
	.columns = class_columns,
	.column_count = MF_ARRAY_SIZE(class_columns),
	.top = TEXT_ALL,
};

static void write_classes(const struct mf_chunk_census *census,
			  struct mf_report *report)
{
	mf_report_table_begin(report, &class_table);
	for (size_t i = 0; i < census->class_count; i++) {
		const struct mf_size_class *one = &census->classes[i];

		mf_report_row(report, (struct mf_value[]){
					      mf_size(one->min),
					      mf_size(one->max),
					      mf_count(one->in_use.count),
					      mf_size(one->in_use.bytes),
					      mf_count(one->free.count),
					      mf_size(one->free.bytes),
				      });
	}
	mf_report_table_end(report);
}

/* ---- patterns -------------------------------------------------------------- */

static const struct mf_column pattern_columns[] = {
	{ "code", NULL, MF_VALUE_TEXT, DATA },
	{ "name", "what", MF_VALUE_TEXT, 0 },
	{ "count", "count", MF_VALUE_COUNT, 0 },
	{ "bytes", "bytes", MF_VALUE_SIZE, 0 },
	{ "sizes", "by their sizes", MF_VALUE_TEXT, 0 },
	{ "origin", NULL, MF_VALUE_TEXT, DATA },
};

static const struct mf_table pattern_table = {
	.key = "patterns",
	.title = "KNOWN BY THEIR SIZES",
	.columns = pattern_columns,
	.column_count = MF_ARRAY_SIZE(pattern_columns),
	.top = TEXT_ALL,
};

char *mf_size_pattern_describe(const struct mf_size_pattern *pattern,
			       char text[MF_PATTERN_TEXT])
{
	size_t at = 0;

	for (size_t i = 0; i < pattern->part_count; i++)
		at += (size_t)snprintf(
			text + at, MF_PATTERN_TEXT - at, "%s%llu of %llu B",
			i ? ", " : "",
			(unsigned long long)pattern->parts[i].count,
			(unsigned long long)pattern->parts[i].size);
	return text;
}

static void write_patterns(const struct mf_chunk_census *census,
			   struct mf_report *report)
{
	char text[MF_PATTERN_TEXT];

	mf_report_table_begin(report, &pattern_table);
	for (size_t i = 0; i < census->pattern_count; i++) {
		const struct mf_size_pattern *one = &census->patterns[i];

		mf_report_row(
			report,
			(struct mf_value[]){
				mf_text(one->code),
				mf_text(one->name),
				mf_count(one->count),
				mf_size(one->bytes),
				mf_text(mf_size_pattern_describe(one, text)),
				mf_text(one->origin),
			});
	}
	mf_report_table_end(report);
}

void mf_chunk_census_write(const struct mf_chunk_census *census,
			   struct mf_report *report, bool all)
{
	write_states(census, report);
	write_patterns(census, report);
	write_sizes(census, report, all);
	if (all)
		write_classes(census, report);
}

/* ---- the list -------------------------------------------------------------- */

static const struct mf_column chunk_columns[] = {
	{ "address", "address", MF_VALUE_ADDRESS, 0 },
	{ "size", NULL, MF_VALUE_SIZE, DATA },
	{ "exact", "size", MF_VALUE_COUNT, MF_SHOW_TEXT_ONLY },
	{ "usable", NULL, MF_VALUE_SIZE, DATA },
	{ "state", NULL, MF_VALUE_TEXT, DATA },
	{ "words", "state", MF_VALUE_TEXT, MF_SHOW_TEXT_ONLY },
	{ "arena", "arena", MF_VALUE_ID, 0 },
	{ "allocator", "allocator", MF_VALUE_TEXT, MF_SHOW_IF_ROOM },
	{ "type", "type", MF_VALUE_TEXT, MF_SHOW_FILL },
};

struct writer {
	struct mf_report *report;
	const struct mf_chunk_rows *rows;
	uint64_t left;
};

static bool write_chunk(const struct mf_chunk *chunk, void *data)
{
	struct writer *writer = data;
	const struct mf_chunk_rows *rows = writer->rows;
	bool in_arena = chunk->arena != MF_NO_ARENA;
	const char *type = rows->type ? rows->type(chunk, rows->data) : NULL;

	mf_report_row(
		writer->report,
		(struct mf_value[]){
			mf_address(chunk->address),
			mf_size(chunk->size),
			mf_count(chunk->size),
			chunk->usable ? mf_size(chunk->usable) : mf_none(),
			mf_text(state_of(chunk->kind)),
			mf_text(words_of(chunk->kind)),
			in_arena ? mf_id(chunk->arena) : mf_none(),
			mf_text(chunk->allocator->name),
			mf_text(type),
		});
	return --writer->left > 0;
}

void mf_heap_write_chunks(const struct mf_heap *heap,
			  const struct mf_chunk_choice *choice,
			  const struct mf_chunk_rows *rows,
			  struct mf_report *report)
{
	struct writer writer = {
		.report = report,
		.rows = rows,
		.left = rows->limit ? rows->limit : UINT64_MAX,
	};
	const struct mf_table table = {
		.key = "chunks",
		.title = rows->by_size ? "CHUNKS, LARGEST FIRST"
				       : "CHUNKS BY ADDRESS",
		.columns = chunk_columns,
		/* the last one is that of types */
		.column_count = MF_ARRAY_SIZE(chunk_columns) - !rows->type,
		.top = TEXT_ALL,
	};
	char shown[MF_UNIT_TEXT], total[MF_UNIT_TEXT];

	mf_report_table_begin(report, &table);
	if (rows->by_size)
		mf_heap_each_by_size(heap, choice, rows->limit, write_chunk,
				     &writer);
	else
		mf_heap_each_chosen(heap, choice, write_chunk, &writer);
	mf_report_table_end(report);
	if (rows->limit && rows->limit < rows->total)
		mf_report_line(report,
			       "  %s of %s chunks: --top N, or --top all, "
			       "shows more",
			       mf_format_count(shown, rows->limit),
			       mf_format_count(total, rows->total));
}
