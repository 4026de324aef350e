/*
 * Which pages of a core were in RAM. The kernel leaves a hole in the file for
 * each page that was not, so holes tell, as long as nobody copied the file
 * without them. gdb writes zeros instead: there a page of zeros is taken for
 * absent, which is a guess. What was found is kept, a bit a page, for as much
 * as was asked for.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/search.h"
#include "target/core.h"

enum {
	BLOCK = 64,	   /* pages, one bit of a word each */
	WINDOW = 64 << 12, /* bytes looked through at once */
};

struct scan {
	struct mf_core *core;
	uint64_t page_size;
};

static uint64_t block_size(const struct scan *scan)
{
	return BLOCK * scan->page_size;
}

static bool is_zeros(const uint8_t *bytes, size_t size)
{
	return !bytes[0] && memcmp(bytes, bytes + 1, size - 1) == 0;
}

/* The bit of the page at ADDRESS in its block. */
static uint64_t bit_at(const struct scan *scan, uint64_t address)
{
	return UINT64_C(1) << (address / scan->page_size % BLOCK);
}

/* Sets bits of the pages of START..END that have any byte that is not zero. */
static void mark_written(const struct scan *scan,
			 const struct mf_core_segment *segment, uint64_t start,
			 uint64_t end, uint64_t *bits)
{
	uint8_t *window = scan->core->window;
	uint64_t page = scan->page_size;

	while (start < end) {
		size_t wanted = MF_MIN(end - start, (uint64_t)WINDOW);
		size_t got = mf_core_file_read(scan->core->file,
					       segment->offset +
						       (start - segment->start),
					       window, wanted);

		for (size_t at = 0; at < got; at += page)
			if (!is_zeros(window + at, MF_MIN(page, got - at)))
				*bits |= bit_at(scan, start + at);
		if (got < wanted)
			return;
		start += got;
	}
}

/* Sets bits of the pages that START..END touches. */
static void mark_all(const struct scan *scan, uint64_t start, uint64_t end,
		     uint64_t *bits)
{
	for (start &= -scan->page_size; start < end; start += scan->page_size)
		*bits |= bit_at(scan, start);
}

/* The next of what SEGMENT holds from ADDRESS on that is no hole. */
static bool next_data(const struct scan *scan,
		      const struct mf_core_segment *segment, uint64_t address,
		      uint64_t *start, uint64_t *end)
{
	uint64_t within = address - segment->start, first, last;

	if (segment->empty || within >= segment->held ||
	    !mf_core_file_next_data(scan->core->file, segment->offset + within,
				    &first, &last) ||
	    first - segment->offset >= segment->held)
		return false;
	*start = segment->start + (first - segment->offset);
	*end = segment->start + MF_MIN(last - segment->offset, segment->held);
	return true;
}

/* The pages of a block, which other segments may share. */
static uint64_t look_at_block(const struct scan *scan, uint64_t block)
{
	const struct mf_core *core = scan->core;
	uint64_t from = block * block_size(scan);
	uint64_t to = from + block_size(scan), bits = 0, start, end;

	for (size_t i = mf_core_segment_after(core, from);
	     i < core->segments.count && core->segments.items[i].start < to;
	     i++) {
		const struct mf_core_segment *segment =
			&core->segments.items[i];
		uint64_t at = MF_MAX(from, segment->start);

		while (at < to && next_data(scan, segment, at, &start, &end) &&
		       start < to) {
			at = MF_MIN(end, to);
			if (core->residency == MF_CORE_PAGES_ZEROS ||
			    segment->filled)
				mark_written(scan, segment,
					     start & -scan->page_size, at,
					     &bits);
			else
				mark_all(scan, start, at, &bits);
		}
	}
	return bits;
}

static uint64_t block_bits(const struct scan *scan, uint64_t block)
{
	const uint64_t *known = mf_map_get(&scan->core->blocks, block);
	uint64_t bits;

	if (known)
		return *known;
	bits = look_at_block(scan, block);
	mf_map_set(&scan->core->blocks, block, bits);
	return bits;
}

/** A run that may still grow. */
struct emission {
	uint64_t start, end;
	uint8_t flags;
	uint8_t held; /* the flags of a page that the core has */
	mf_run_visit *visit;
	void *context;
};

static void emit(struct emission *emission, uint64_t start, uint64_t end,
		 uint8_t flags)
{
	if (emission->start < emission->end && emission->end == start &&
	    emission->flags == flags) {
		emission->end = end;
		return;
	}
	if (emission->start < emission->end)
		emission->visit(emission->context, emission->start,
				emission->end, emission->flags);
	emission->start = start;
	emission->end = end;
	emission->flags = flags;
}

/* Those pages of START..END, of one block, that are there. */
static void emit_block(const struct scan *scan, struct emission *emission,
		       uint64_t start, uint64_t end)
{
	uint64_t bits = block_bits(scan, start / block_size(scan));

	for (; start < end; start += scan->page_size)
		if (bits & bit_at(scan, start))
			emit(emission, start, start + scan->page_size,
			     emission->held);
}

static uint64_t page_floor(const struct scan *scan, uint64_t address)
{
	return address & -scan->page_size;
}

static uint64_t page_ceil(const struct scan *scan, uint64_t address)
{
	return page_floor(scan, address + scan->page_size - 1);
}

/* Those pages of START..END that SEGMENT has. */
static void emit_held(const struct scan *scan, struct emission *emission,
		      const struct mf_core_segment *segment, uint64_t start,
		      uint64_t end)
{
	uint64_t size = block_size(scan), data, data_end;

	while (start < end &&
	       next_data(scan, segment, start, &data, &data_end)) {
		uint64_t to;

		start = MF_MAX(start, page_floor(scan, data));
		to = MF_MIN(end, (start / size + 1) * size);
		if (start < to)
			emit_block(scan, emission, start, to);
		start = to;
	}
}

/* What SEGMENT has of START..END; then what it should have and has not. */
static void emit_segment(const struct scan *scan, struct emission *emission,
			 const struct mf_core_segment *segment, uint64_t start,
			 uint64_t end)
{
	uint64_t lost_end = page_ceil(scan, segment->start + segment->promised);
	uint64_t lost =
		segment->held < segment->promised
			? page_floor(scan, segment->start + segment->held)
			: lost_end;

	start = MF_MAX(start, segment->start);
	end = MF_MIN(end, segment->end);
	emit_held(scan, emission, segment, start, MF_MIN(end, lost));
	start = MF_MAX(start, lost);
	end = MF_MIN(end, lost_end);
	if (start < end)
		emit(emission, start, end, MF_PAGE_UNREADABLE);
}

/* ---- by our own note ---------------------------------------------------- */

static size_t run_after(const struct scan *scan, uint64_t address)
{
	const struct mf_core *core = scan->core;
	return mf_count_leading(core->runs.items, core->runs.count, run,
				run->start + run->pages * scan->page_size <=
					address);
}

static void visit_noted(const struct scan *scan, uint64_t start, uint64_t end,
			mf_run_visit *visit, void *context)
{
	const struct mf_core *core = scan->core;
	size_t i = run_after(scan, start);

	for (; i < core->runs.count && core->runs.items[i].start < end; i++) {
		const struct mf_core_run *run = &core->runs.items[i];
		uint64_t run_end = run->start + run->pages * scan->page_size;

		visit(context, MF_MAX(start, run->start), MF_MIN(end, run_end),
		      run->flags);
	}
}

/* ---- all of it ----------------------------------------------------------- */

struct mf_error *mf_core_runs(struct mf_target *target, uint64_t start,
			      uint64_t end, mf_run_visit *visit, void *context)
{
	struct mf_core *core = mf_core_of(target);
	const struct scan scan = { core, target->info.page_size };
	const struct mf_mapping *mapping = mf_target_mapping_at(target, start);
	struct emission emission = { .visit = visit,
				     .context = context,
				     .held = MF_PAGE_PRESENT };

	if (core->residency == MF_CORE_PAGES_NOTED) {
		visit_noted(&scan, start, end, visit, context);
		return NULL;
	}
	if (mapping && mapping->perms & MF_PERM_SHARED)
		emission.held |= MF_PAGE_FILE;
	for (size_t i = mf_core_segment_after(core, start);
	     i < core->segments.count && core->segments.items[i].start < end;
	     i++)
		emit_segment(&scan, &emission, &core->segments.items[i], start,
			     end);
	emit(&emission, 0, 0, 0);
	return NULL;
}

/* A whole file without a hole says nothing, nor one that is not laid out in
 * pages, nor one that was unpacked. */
static bool has_holes(const struct mf_core *core, uint64_t page_size)
{
	uint64_t start, end, at = 0;

	for (size_t i = 0; i < core->segments.count; i++)
		if (core->segments.items[i].held &&
		    core->segments.items[i].offset % page_size)
			return false;
	if (!core->segments.count || mf_core_file_is_compressed(core->file))
		return false;
	at = core->segments.items[0].offset;
	return !mf_core_file_next_data(core->file, at, &start, &end) ||
	       start > at || end < core->size;
}

void mf_core_choose_residency(struct mf_target *target)
{
	struct mf_core *core = mf_core_of(target);

	if (core->noted_residency) {
		core->residency = MF_CORE_PAGES_NOTED;
		return;
	}
	core->window = mf_calloc(1, WINDOW);
	core->residency =
		core->writer != MF_CORE_BY_GDB &&
				has_holes(core, target->info.page_size)
			? MF_CORE_PAGES_HOLES
			: MF_CORE_PAGES_ZEROS;
}
