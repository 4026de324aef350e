/*
 * One run of the heap room over a process of a file, as `arenas` does it, and
 * what must hold of its figures whatever the process is.
 */
#include "heap_run.h"

#include <string.h>

#include "memforensics/heap.h"
#include "memforensics/report.h"
#include "memforensics/space.h"

#include "fuzz.h"

/* ---- figures --------------------------------------------------------------- */

static void check_figures(const struct mf_arena_figures *f)
{
	const struct mf_retained *kept = &f->retained;

	FUZZ_EQUAL(f->system, f->in_use.bytes + f->tcache.bytes +
				      f->fastbin.bytes + f->free.bytes +
				      f->top.bytes + f->overhead + f->unread);
	FUZZ_EQUAL(f->free.bytes, f->free.resident + f->free.swapped +
					  f->free.already_returned);
	FUZZ_EQUAL(f->unused.bytes,
		   f->unused.resident + f->unused.swapped + f->unused.absent);
	FUZZ_EQUAL(f->unused.bytes, f->free.bytes + f->fastbin.bytes +
					    f->tcache.bytes + f->top.bytes);
	FUZZ_EQUAL(f->unused.resident,
		   f->trimmable_bytes + kept->pinned + kept->headers +
			   kept->main_top + kept->tops + kept->tcache +
			   kept->locked + kept->hugetlb + kept->skipped);
	FUZZ_AT_MOST(f->trimmable_bytes, f->resident);
	FUZZ_AT_MOST(f->top_resident, f->top.bytes);
	FUZZ_AT_MOST(f->largest_free, f->free.bytes + f->top.bytes);
	FUZZ_EQUAL(f->pinned_bytes, kept->pinned);
}

struct sums {
	uint64_t system, resident, in_use, tcache, fastbin, free, top, overhead,
		unread, trimmable, trimmable_pages;
};

static void check_sums(const struct sums *sums,
		       const struct mf_arena_figures *f)
{
	FUZZ_EQUAL(sums->system, f->system);
	FUZZ_EQUAL(sums->resident, f->resident);
	FUZZ_EQUAL(sums->in_use, f->in_use.bytes);
	FUZZ_EQUAL(sums->tcache, f->tcache.bytes);
	FUZZ_EQUAL(sums->fastbin, f->fastbin.bytes);
	FUZZ_EQUAL(sums->free, f->free.bytes);
	FUZZ_EQUAL(sums->top, f->top.bytes);
	FUZZ_EQUAL(sums->overhead, f->overhead);
	FUZZ_EQUAL(sums->unread, f->unread);
	FUZZ_EQUAL(sums->trimmable, f->trimmable_bytes);
	FUZZ_EQUAL(sums->trimmable_pages, f->trimmable_pages);
}

static void add_arena(struct sums *sums, const struct mf_arena_figures *f)
{
	sums->system += f->system;
	sums->resident += f->resident;
	sums->in_use += f->in_use.bytes;
	sums->tcache += f->tcache.bytes;
	sums->fastbin += f->fastbin.bytes;
	sums->free += f->free.bytes;
	sums->top += f->top.bytes;
	sums->overhead += f->overhead;
	sums->unread += f->unread;
	sums->trimmable += f->trimmable_bytes;
	sums->trimmable_pages += f->trimmable_pages;
}

/* ---- arenas ------------------------------------------------------------------ */

static void check_heaps(const struct mf_arena *arena)
{
	struct mf_amount in_use = { 0, 0 }, free = { 0, 0 }, tcache = { 0, 0 };
	uint64_t trimmable = 0, resident = 0;

	for (size_t i = 0; i < arena->heap_count; i++) {
		const struct mf_arena_heap *heap = &arena->heaps[i];

		FUZZ_AT_MOST(heap->trimmable, heap->resident);
		in_use.bytes += heap->in_use.bytes;
		in_use.count += heap->in_use.count;
		free.bytes += heap->free.bytes;
		free.count += heap->free.count;
		tcache.bytes += heap->tcache.bytes;
		tcache.count += heap->tcache.count;
		trimmable += heap->trimmable;
		resident += heap->resident;
	}
	FUZZ_EQUAL(in_use.bytes, arena->figures.in_use.bytes);
	FUZZ_EQUAL(in_use.count, arena->figures.in_use.count);
	FUZZ_EQUAL(free.bytes, arena->figures.free.bytes);
	FUZZ_EQUAL(free.count, arena->figures.free.count);
	FUZZ_EQUAL(tcache.bytes, arena->figures.tcache.bytes);
	FUZZ_EQUAL(tcache.count, arena->figures.tcache.count);
	FUZZ_EQUAL(trimmable, arena->figures.trimmable_bytes);
	FUZZ_EQUAL(resident, arena->figures.resident);
}

static void check_histogram(const struct mf_arena *arena)
{
	uint64_t in_use = 0;

	for (size_t i = 0; i < arena->histogram_count; i++)
		in_use += arena->histogram[i].in_use.bytes;
	FUZZ_EQUAL(in_use, arena->figures.in_use.bytes);
}

static void check_bins(const struct mf_arena *arena)
{
	struct mf_amount fast = { 0, 0 }, free = { 0, 0 };

	for (size_t i = 0; i < arena->bin_count; i++) {
		const struct mf_bin *bin = &arena->bins[i];
		struct mf_amount *to = bin->kind == MF_BIN_FAST ? &fast : &free;

		to->bytes += bin->amount.bytes;
		to->count += bin->amount.count;
	}
	FUZZ_EQUAL(fast.bytes, arena->figures.fastbin.bytes);
	FUZZ_EQUAL(fast.count, arena->figures.fastbin.count);
	FUZZ_EQUAL(free.bytes, arena->figures.free.bytes);
	FUZZ_EQUAL(free.count, arena->figures.free.count);
}

static void check_ranges(const struct mf_arena *arena)
{
	uint64_t last = 0;

	for (size_t i = 0; i < arena->trim_range_count; i++) {
		const struct mf_trim_range *range = &arena->trim_ranges[i];

		FUZZ_AT_MOST(range->start + 1, range->end);
		FUZZ_AT_MOST(last, range->start);
		last = range->end;
	}
}

static void check_arenas(const struct mf_allocator *allocator)
{
	struct sums sums = { 0 };

	for (size_t i = 0; i < allocator->arena_count; i++) {
		const struct mf_arena *arena = &allocator->arenas[i];

		check_figures(&arena->figures);
		check_histogram(arena);
		/* others have neither heaps nor bins */
		if (!strcmp(allocator->name, "glibc")) {
			check_heaps(arena);
			check_bins(arena);
			check_ranges(arena);
		}
		add_arena(&sums, &arena->figures);
	}
	check_sums(&sums, &allocator->figures);
	if (allocator->arena_count)
		check_figures(&allocator->figures);
}

/* ---- chunks --------------------------------------------------------------------- */

struct chunk_sums {
	const struct mf_allocator *allocator;
	uint64_t last; /* end of the chunk before, of that allocator */
	uint64_t bytes[MF_KINDS];
};

static bool count_chunk(const struct mf_chunk *chunk, void *data)
{
	struct chunk_sums *sums = data;

	if (chunk->allocator != sums->allocator) {
		sums->allocator = chunk->allocator;
		sums->last = 0;
	}
	FUZZ_AT_MOST(sums->last, chunk->address);
	FUZZ_AT_MOST(chunk->kind, MF_KINDS - 1);
	sums->last = chunk->address + chunk->size;
	FUZZ_AT_MOST(chunk->address, sums->last);
	sums->bytes[chunk->kind] += chunk->size;
	return true;
}

static void check_chunks(const struct mf_heap *heap,
			 const struct mf_allocator *allocators, size_t count)
{
	struct chunk_sums sums = { 0 };
	uint64_t in_use = 0, tcache = 0, fastbin = 0, free = 0, top = 0;

	mf_heap_each_chunk(heap, 0, UINT64_MAX, count_chunk, &sums);
	for (size_t i = 0; i < count; i++) {
		in_use += allocators[i].figures.in_use.bytes;
		tcache += allocators[i].figures.tcache.bytes;
		fastbin += allocators[i].figures.fastbin.bytes;
		free += allocators[i].figures.free.bytes;
		top += allocators[i].figures.top.bytes;
	}
	FUZZ_EQUAL(sums.bytes[MF_KIND_IN_USE], in_use);
	FUZZ_EQUAL(sums.bytes[MF_KIND_TCACHE], tcache);
	FUZZ_EQUAL(sums.bytes[MF_KIND_FASTBIN], fastbin);
	FUZZ_EQUAL(sums.bytes[MF_KIND_FREE] + sums.bytes[MF_KIND_UNSORTED],
		   free);
	FUZZ_EQUAL(sums.bytes[MF_KIND_TOP], top);
}

/* ---- rows ----------------------------------------------------------------------- */

/* Nothing of the target reaches a terminal as it is; CSV's lines end in CRLF. */
static void check_text(const char *text, size_t size,
		       enum mf_report_format format)
{
	for (size_t i = 0; i < size; i++) {
		bool ends = text[i] == '\n' ||
			    (format == MF_FORMAT_CSV && text[i] == '\r' &&
			     i + 1 < size && text[i + 1] == '\n');

		if ((uint8_t)text[i] < ' ' && !ends)
			abort();
	}
}

static void write_report(const struct mf_heap *heap,
			 const struct mf_space *space,
			 enum mf_report_format format)
{
	const struct mf_report_options options = { .format = format };
	const struct mf_heap_rows rows = { .detail = MF_HEAP_VERBOSE,
					   .rss = mf_space_rss(space) };
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	struct mf_report *report;

	if (!stream)
		abort();
	report = mf_report_create(stream, &options);
	mf_report_begin(report, "arenas");
	mf_heap_write_data(heap, report);
	mf_heap_write_text(heap, report, &rows);
	mf_space_write_regions(space, report,
			       &(struct mf_region_rows){ .data_only = true });
	mf_error_destroy(mf_report_end(report));
	mf_report_destroy(report);
	fclose(stream);
	check_text(text, size, format);
	free(text);
}

static struct mf_error *read_heap(const struct process *process,
				  struct mf_heap *heap, struct mf_space *space)
{
	struct mf_error *error;

	MF_TRY(mf_target_hold(process->target));
	error = mf_space_read(space);
	if (!error)
		error = mf_heap_read(heap, space);
	if (!error)
		error = mf_space_settle(space);
	mf_target_release(process->target);
	return error;
}

static void look_at(const struct process *process, struct mf_heap *heap,
		    struct mf_space *space, heap_run_more *more)
{
	struct mf_error *error = read_heap(process, heap, space);
	const struct mf_allocator *allocators;
	size_t count;

	if (!error)
		error = mf_heap_finish(heap);
	if (error) {
		mf_error_destroy(error);
		return;
	}
	mf_heap_account(heap, space);
	if (more) {
		more(process, heap, space);
		return;
	}
	allocators = mf_heap_allocators(heap, &count);
	for (size_t i = 0; i < count; i++)
		check_arenas(&allocators[i]);
	check_chunks(heap, allocators, count);
	write_report(heap, space, MF_FORMAT_TEXT);
	write_report(heap, space,
		     process->options & PROCESS_CSV ? MF_FORMAT_CSV
						    : MF_FORMAT_JSON);
}

void heap_run(const uint8_t *data, size_t size, heap_run_more *more)
{
	struct process process;
	struct mf_heap_options options = { .trim_ranges = true };
	struct mf_space *space = NULL;
	struct mf_heap *heap = NULL;
	struct mf_error *error;

	process_open(&process, data, size);
	options.no_symbols = process.options & PROCESS_NO_SYMBOLS;
	options.no_walk = process.options & PROCESS_NO_WALK;
	error = mf_space_prepare(process.target, process.image, &space);
	if (!error)
		error = mf_heap_create(process.target, process.image, &options,
				       &heap);
	if (error)
		mf_error_destroy(error);
	else
		look_at(&process, heap, space, more);
	mf_heap_destroy(heap);
	mf_space_destroy(space);
	process_close(&process);
}
