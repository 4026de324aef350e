/*
 * Allocators as people read them: one sentence that adds up, then arenas, the
 * worst first.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/units.h"
#include "base/vec.h"
#include "heap/heap_rows.h"

enum {
	LITTLE = 50, /* a smaller part than one in so many is not named */
};

static double share_of(uint64_t part, uint64_t whole)
{
	return whole ? (double)part / (double)whole : 0;
}

static bool is_glibc(const struct mf_allocator *allocator)
{
	return !strcmp(allocator->name, "glibc");
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

/* ---- sentences -------------------------------------------------------------- */

/* Adds " + SIZE WHAT" unless it is nothing. */
static void add_part(struct mf_buffer *text,
		     const struct mf_heap_writer *writer, uint64_t bytes,
		     const char *what)
{
	char size[MF_UNIT_TEXT];

	if (bytes)
		mf_buffer_printf(text, " + %s %s",
				 mf_report_size(writer->report, size, bytes),
				 what);
}

/* "1.2 GiB from the kernel = 0.3 GiB in use + 0.8 GiB free + ..." */
static void add_identity(struct mf_buffer *text,
			 const struct mf_heap_writer *writer)
{
	const struct mf_arena_figures *figures = &writer->allocator->figures;
	char size[MF_UNIT_TEXT], used[MF_UNIT_TEXT];

	mf_buffer_printf(
		text, "%s = %s in use",
		mf_report_size(writer->report, size, figures->system),
		mf_report_size(writer->report, used, figures->in_use.bytes));
	add_part(text, writer, figures->free.bytes, "free");
	add_part(text, writer, figures->top.bytes, "top");
	add_part(text, writer, figures->tcache.bytes, "tcache");
	add_part(text, writer, figures->fastbin.bytes, "fast bins");
	add_part(text, writer, figures->overhead, "overhead");
	add_part(text, writer, figures->unread, "not read");
}

/* The larger reasons; the table has all. */
static void add_retained(struct mf_buffer *text,
			 const struct mf_heap_writer *writer)
{
	const struct mf_arena_figures *figures = &writer->allocator->figures;
	const struct mf_retained *retained = &figures->retained;
	const struct {
		uint64_t bytes;
		const char *what;
	} reasons[] = {
		{ retained->pinned, "pinned" },
		{ retained->main_top + retained->tops, "in tops" },
		{ retained->tcache, "in tcaches" },
		{ retained->locked + retained->hugetlb, "locked" },
		{ retained->skipped, "in corrupt arenas" },
	};
	const char *before = "; what stays: ";

	for (size_t i = 0; i < MF_ARRAY_SIZE(reasons); i++) {
		char size[MF_UNIT_TEXT];

		if (reasons[i].bytes <= figures->unused.resident / LITTLE)
			continue;
		mf_buffer_printf(
			text, "%s%s %s", before,
			mf_report_size(writer->report, size, reasons[i].bytes),
			reasons[i].what);
		before = ", ";
	}
}

/* It gives back by itself what is all free; there is nothing to call. */
static bool is_cpython(const struct mf_allocator *allocator)
{
	return !strcmp(allocator->name, "cpython");
}

const char *mf_heap_giver(const struct mf_allocator *allocator)
{
	if (is_cpython(allocator))
		return "the interpreter";
	return is_glibc(allocator) ? "malloc_trim(0)" : "a purge";
}

const char *mf_heap_pinned(const struct mf_allocator *allocator)
{
	return is_cpython(allocator) ? "stays: in arenas that are not all free"
				     : "stays: shares pages with chunks in use";
}

static void add_outlook(struct mf_buffer *text,
			const struct mf_heap_writer *writer)
{
	const struct mf_allocator *allocator = writer->allocator;
	const struct mf_arena_figures *figures = &allocator->figures;
	char size[MF_UNIT_TEXT], count[MF_UNIT_TEXT];

	mf_buffer_printf(text, "%s would give back %s",
			 mf_heap_giver(allocator),
			 figures->trimmable_bytes
				 ? mf_report_size(writer->report, size,
						  figures->trimmable_bytes)
				 : "nothing");
	mf_buffer_printf(
		text, " of %s that is unused in RAM",
		mf_report_size(writer->report, size, figures->unused.resident));
	add_retained(text, writer);
	if (figures->unused.absent)
		mf_buffer_printf(text, "; %s more is not in RAM",
				 mf_report_size(writer->report, size,
						figures->unused.absent));
	if (figures->unused.swapped)
		mf_buffer_printf(text, "; %s more is in swap",
				 mf_report_size(writer->report, size,
						figures->unused.swapped));
	if (allocator->mmapped.count) {
		mf_format_count(count, allocator->mmapped.count);
		mf_buffer_printf(text, "; %s large block%s mapped apart: %s",
				 count,
				 allocator->mmapped.count == 1 ? "" : "s",
				 mf_report_size(writer->report, size,
						allocator->mmapped.bytes));
	}
}

static void write_sentences(const struct mf_heap_writer *writer)
{
	MF_AUTO_BUFFER(identity);
	MF_AUTO_BUFFER(outlook);

	add_identity(&identity, writer);
	add_outlook(&outlook, writer);
	mf_report_line(writer->report, "  %s", mf_buffer_text(&identity));
	mf_report_line(writer->report, "  %s", mf_buffer_text(&outlook));
}

static size_t lines_of(const struct mf_buffer *text, size_t columns)
{
	enum {
		INDENT = 2,
		BREAK = 8, /* columns that stay empty where a line is broken */
	};

	if (text->size + INDENT <= columns)
		return 1;
	return (text->size + columns - 1) / (columns - INDENT - BREAK);
}

size_t mf_allocator_sentence_lines(const struct mf_allocator *allocator,
				   struct mf_report *report, size_t columns)
{
	const struct mf_heap_writer writer = {
		.report = report,
		.allocator = allocator,
	};
	MF_AUTO_BUFFER(identity);
	MF_AUTO_BUFFER(outlook);

	add_identity(&identity, &writer);
	add_outlook(&outlook, &writer);
	return lines_of(&identity, columns) + lines_of(&outlook, columns);
}

static void write_heading(const struct mf_heap_writer *writer)
{
	const struct mf_allocator *allocator = writer->allocator;
	char size[MF_UNIT_TEXT], count[MF_UNIT_TEXT];
	MF_AUTO_BUFFER(text);

	mf_buffer_printf(&text, "%s%s%s", allocator->name,
			 *allocator->version ? " " : "", allocator->version);
	mf_buffer_puts(&text, ": ");
	/* what it calls arenas are parts of one here */
	if (!is_cpython(allocator))
		mf_buffer_printf(&text, "%s arena%s, ",
				 mf_format_count(count, allocator->arena_count),
				 allocator->arena_count == 1 ? "" : "s");
	if (allocator->arena_count)
		mf_buffer_printf(
			&text, "%s resident (%.1f%% of RSS)",
			mf_report_size(writer->report, size,
				       allocator->resident),
			100 * share_of(allocator->resident, writer->rows->rss));
	if (writer->owner && writer->owner != allocator &&
	    !is_cpython(allocator))
		mf_buffer_puts(&text, "; not the process's malloc");
	for (size_t i = 0; i < text.size && text.text[i] != ':'; i++)
		if (text.text[i] >= 'a' && text.text[i] <= 'z')
			text.text[i] = (char)(text.text[i] - 'a' + 'A');
	mf_report_heading(writer->report, mf_buffer_text(&text));
}

/* ---- arenas ---------------------------------------------------------------- */

/* A little that could be given back puts no arena before a large one. */
static uint64_t badness(const struct mf_arena *arena, uint64_t system)
{
	uint64_t bytes =
		arena->figures.trimmable_bytes + arena->figures.pinned_bytes;

	return bytes > system / LITTLE ? bytes : 0;
}

int mf_arena_compare(const struct mf_arena *left, const struct mf_arena *right,
		     const struct mf_allocator *allocator)
{
	uint64_t first = badness(left, allocator->figures.system);
	uint64_t second = badness(right, allocator->figures.system);

	if (first != second)
		return first < second ? 1 : -1;
	if (left->figures.system != right->figures.system)
		return left->figures.system < right->figures.system ? 1 : -1;
	return (left->index > right->index) - (left->index < right->index);
}

static int by_badness(const void *a, const void *b, void *data)
{
	const struct mf_heap_writer *writer = data;

	return mf_arena_compare(*(const struct mf_arena *const *)a,
				*(const struct mf_arena *const *)b,
				writer->allocator);
}

static const struct mf_column arena_columns[] = {
	{ "index", "arena", MF_VALUE_TEXT, 0 },
	{ "attached_threads", "threads", MF_VALUE_COUNT, 0 },
	{ "system", "system", MF_VALUE_SIZE, 0 },
	{ "resident", "resident", MF_VALUE_SIZE, MF_SHOW_IF_ROOM },
	{ "in_use", "in use", MF_VALUE_SIZE, 0 },
	{ "free", "free+top", MF_VALUE_SIZE, 0 },
	{ "trimmable", "trimmable", MF_VALUE_SIZE, 0 },
	{ "cached", "cached", MF_VALUE_SIZE, 0 },
	{ "pinned", "pinned", MF_VALUE_SIZE, MF_SHOW_IF_ROOM },
	{ "heaps", "heaps", MF_VALUE_COUNT, MF_SHOW_IF_ROOM },
	{ "note", "", MF_VALUE_TEXT, MF_SHOW_IF_ANY },
};

/* Top is free to the reader, however malloc calls it. */
static void set_arena_row(struct mf_value row[], const char *name,
			  const struct mf_arena_figures *figures)
{
	row[0] = mf_text(name);
	row[1] = mf_none();
	row[2] = mf_size(figures->system);
	row[3] = mf_size(figures->resident);
	row[4] = mf_size(figures->in_use.bytes);
	row[5] = mf_size(figures->free.bytes + figures->top.bytes);
	row[6] = mf_size(figures->trimmable_bytes);
	row[7] = mf_size(figures->tcache.bytes + figures->fastbin.bytes);
	row[8] = mf_size(figures->pinned_bytes);
	row[9] = mf_none();
	row[10] = mf_none();
}

/* Which threads use an arena of others than glibc is not known. */
static const char *note_of(const struct mf_heap_writer *writer,
			   const struct mf_arena *arena)
{
	if (arena->corrupt_count)
		return "damaged";
	if (arena->in_flight)
		return "changing";
	if (arena->locked)
		return "locked";
	if (!arena->main && !arena->attached_threads &&
	    is_glibc(writer->allocator))
		return "orphan";
	return "";
}

static void write_arena(const struct mf_heap_writer *writer,
			const struct mf_arena *arena)
{
	struct mf_value row[MF_ARRAY_SIZE(arena_columns)];
	char name[MF_UNIT_TEXT];

	set_arena_row(row, mf_arena_name(name, arena), &arena->figures);
	if (is_glibc(writer->allocator)) {
		row[1] = mf_count(arena->attached_threads);
		row[9] = mf_count(arena->heap_count);
	}
	row[10] = mf_text(note_of(writer, arena));
	mf_report_row(writer->report, row);
}

static void write_arenas(const struct mf_heap_writer *writer)
{
	const struct mf_table table = {
		.key = "arena_rows",
		.columns = arena_columns,
		.column_count = MF_ARRAY_SIZE(arena_columns),
		.top = writer->rows->arenas,
		.show = MF_SHOW_TEXT_ONLY,
	};
	struct mf_value row[MF_ARRAY_SIZE(arena_columns)];

	mf_report_table_begin(writer->report, &table);
	for (size_t i = 0; i < writer->worst.count; i++)
		write_arena(writer, writer->worst.items[i]);
	if (writer->worst.count > 1) {
		set_arena_row(row, "all", &writer->allocator->figures);
		mf_report_total(writer->report, row);
	}
	mf_report_table_end(writer->report);
}

/* ---- allocators ------------------------------------------------------------------ */

bool mf_allocator_is_shown(const struct mf_allocator *allocator)
{
	return allocator->supported &&
	       (allocator->figures.system || allocator->mmapped.count ||
		allocator->figures.unread);
}

static const char *state_of(const struct mf_heap_writer *writer)
{
	const struct mf_allocator *allocator = writer->allocator;

	if (allocator->supported)
		return "nothing is allocated from it";
	if (writer->rows->detail > MF_HEAP_BRIEF && *allocator->why)
		return allocator->why;
	return "its heap is not walked";
}

/* One that is only named, or not used: a line. */
static void write_named(const struct mf_heap_writer *writer)
{
	const struct mf_allocator *allocator = writer->allocator;
	char size[MF_UNIT_TEXT];
	MF_AUTO_BUFFER(text);

	mf_buffer_printf(&text, "%s%s%s", allocator->name,
			 *allocator->version ? " " : "", allocator->version);
	if (*allocator->module)
		mf_buffer_printf(&text, " in %s", base_name(allocator->module));
	if (allocator->resident)
		mf_buffer_printf(
			&text, ": %s, %.1f%% of RSS",
			mf_report_size(writer->report, size,
				       allocator->resident),
			100 * share_of(allocator->resident, writer->rows->rss));
	mf_buffer_printf(&text, "%s %s", allocator->resident ? ";" : ":",
			 state_of(writer));
	mf_report_line(writer->report, "  %s", mf_buffer_text(&text));
}

/* Of one arena the sentences say all, if it is whole. */
static bool needs_table(const struct mf_heap_writer *writer)
{
	return writer->rows->detail > MF_HEAP_BRIEF ||
	       (writer->worst.count > 1 && writer->rows->arenas) ||
	       (writer->worst.count && writer->worst.items[0]->corrupt_count);
}

static void write_walked(struct mf_heap_writer *writer)
{
	const struct mf_allocator *allocator = writer->allocator;

	for (size_t i = 0; i < allocator->arena_count; i++)
		mf_vec_push(&writer->worst, &allocator->arenas[i]);
	if (writer->worst.count > 1)
		qsort_r(writer->worst.items, writer->worst.count,
			mf_vec_item_size(&writer->worst), by_badness, writer);
	write_heading(writer);
	write_sentences(writer);
	if (needs_table(writer))
		write_arenas(writer);
	if (writer->rows->detail > MF_HEAP_BRIEF)
		mf_heap_write_detail(writer);
	mf_vec_deinit(&writer->worst);
}

/* Beside one that has memory, one that has none is no news. */
static bool is_named(const struct mf_heap_writer *writer,
		     const struct mf_allocator *allocator, bool beside)
{
	if (mf_allocator_is_shown(allocator))
		return false;
	return !allocator->supported || !beside ||
	       writer->rows->detail > MF_HEAP_BRIEF;
}

static void write_all_named(struct mf_heap_writer *writer,
			    const struct mf_allocator *allocators, size_t count)
{
	bool any = false, beside = false;

	for (size_t i = 0; i < count; i++)
		beside |= mf_allocator_is_shown(&allocators[i]);
	for (size_t i = 0; i < count; i++) {
		if (!is_named(writer, &allocators[i], beside))
			continue;
		if (!any)
			mf_report_heading(writer->report, "OTHER ALLOCATORS");
		any = true;
		writer->allocator = &allocators[i];
		write_named(writer);
	}
}

void mf_heap_write_text(const struct mf_heap *heap, struct mf_report *report,
			const struct mf_heap_rows *rows)
{
	struct mf_heap_writer writer = { .report = report, .rows = rows };
	size_t count;
	const struct mf_allocator *allocators =
		mf_heap_allocators(heap, &count);

	if (count && allocators[0].owns_malloc)
		writer.owner = &allocators[0];
	for (size_t i = 0; i < count; i++) {
		writer.allocator = &allocators[i];
		if (mf_allocator_is_shown(&allocators[i]))
			write_walked(&writer);
	}
	write_all_named(&writer, allocators, count);
}
