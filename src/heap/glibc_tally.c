/*
 * Adds up an arena's chunks by state, size, bin and page: goes once over each
 * segment's log, joined with the marks of its links.
 */
#include "heap/glibc_tally.h"

/* ---- sizes and bins ------------------------------------------------------- */

static void add_amount(struct mf_amount *amount, uint64_t size)
{
	amount->count++;
	amount->bytes += size;
}

static void add_to_class(struct mf_glibc_tally *tally, uint64_t size,
			 bool in_use)
{
	struct mf_size_class *class =
		&tally->classes[mf_size_class_index(size)];

	if (!class->min || size < class->min)
		class->min = size;
	class->max = MF_MAX(class->max, size);
	add_amount(in_use ? &class->in_use : &class->free, size);
}

static void add_to_bin(struct mf_glibc_tally *tally, enum mf_chunk_kind kind,
		       uint64_t size)
{
	unsigned index = mf_glibc_bin_index(size);
	struct mf_bin *bin;

	if (kind == MF_KIND_FASTBIN) {
		index = (unsigned)(size / MF_GRANULE - 2);
		if (index >= MF_GLIBC_FASTBINS)
			return;
		bin = &tally->bins[index];
		bin->kind = MF_BIN_FAST;
	} else {
		if (kind == MF_KIND_UNSORTED)
			index = 1;
		bin = &tally->bins[MF_GLIBC_FASTBINS + index];
		bin->kind = index == 1	  ? MF_BIN_UNSORTED
			    : index <= 63 ? MF_BIN_SMALL
					  : MF_BIN_LARGE;
	}
	bin->index = index;
	add_amount(&bin->amount, size);
}

/* ---- runs of free memory --------------------------------------------------- */

/* Chunks of fast bins merge into runs, as malloc_trim consolidates them. */
static void extend_run(struct mf_glibc_tally *tally, uint64_t address,
		       uint64_t size)
{
	if (mf_glibc_run_is_empty(&tally->run))
		tally->run.start = address;
	tally->run.end = address + size;
}

static uint64_t resident(const struct mf_glibc_tally *tally,
			 const struct mf_glibc_run *run)
{
	return mf_glibc_residence(tally->glibc, tally->segment, run->start,
				  run->end)
		.resident;
}

/* Its bytes that malloc_trim gives back. */
static uint64_t release(struct mf_glibc_tally *tally,
			const struct mf_glibc_release *release)
{
	struct mf_arena_figures *figures = tally->figures;
	uint64_t bytes =
		mf_glibc_released(tally->glibc, tally->segment, release);

	figures->trimmable_bytes += bytes;
	figures->trimmable_pages += bytes / tally->glibc->page_size;
	tally->segment->figures.trimmable += bytes;
	if (tally->ranges)
		mf_glibc_list_released(tally->glibc, tally->segment, release,
				       tally->ranges);
	return bytes;
}

static void settle_hole(struct mf_glibc_tally *tally,
			const struct mf_glibc_run *run)
{
	struct mf_glibc_release pages = mf_glibc_release_run(tally->glibc, run);

	release(tally, &pages);
	mf_glibc_add_retained(tally->glibc, tally->segment, run, &pages,
			      &tally->figures->retained);
}

static void settle_main_top(struct mf_glibc_tally *tally,
			    const struct mf_glibc_run *run)
{
	struct mf_glibc_release pages = mf_glibc_release_top(tally->glibc, run);

	tally->figures->retained.main_top +=
		resident(tally, run) - release(tally, &pages);
}

/* A run has ended: what trim makes of it, and who keeps it from others. */
static void close_run(struct mf_glibc_tally *tally, enum mf_glibc_run_kind kind)
{
	struct mf_retained *retained = &tally->figures->retained;
	struct mf_glibc_run run = tally->run;

	tally->run = (struct mf_glibc_run){ 0, 0 };
	if (mf_glibc_run_is_empty(&run))
		return;
	if (tally->skipped) {
		retained->skipped += resident(tally, &run);
		return;
	}
	if (kind == MF_GLIBC_RUN_HOLE)
		settle_hole(tally, &run);
	else if (kind == MF_GLIBC_RUN_MAIN_TOP)
		settle_main_top(tally, &run);
	else
		retained->tops += resident(tally, &run);
	mf_glibc_pinners_add_run(&tally->search, &run, kind);
	if (kind == MF_GLIBC_RUN_MAIN_TOP)
		tally->top_pinners = mf_glibc_pinners_publish_top(
			tally->glibc, &tally->search, &run,
			&tally->top_pinner_count);
}

static void add_neighbour(struct mf_glibc_tally *tally, uint64_t address,
			  uint64_t size, bool cached)
{
	close_run(tally, MF_GLIBC_RUN_HOLE);
	mf_glibc_pinners_add_chunk(&tally->search, address, size, cached);
}

static void break_runs(struct mf_glibc_tally *tally)
{
	close_run(tally, MF_GLIBC_RUN_HOLE);
	mf_glibc_pinners_break(&tally->search);
}

/* ---- chunks -------------------------------------------------------------------- */

static struct mf_glibc_residence add_unused(struct mf_glibc_tally *tally,
					    uint64_t address, uint64_t size)
{
	struct mf_unused *unused = &tally->figures->unused;
	struct mf_glibc_residence where = mf_glibc_residence(
		tally->glibc, tally->segment, address, address + size);

	unused->bytes += size;
	unused->resident += where.resident;
	unused->swapped += where.swapped;
	unused->absent += where.absent;
	add_to_class(tally, size, false);
	return where;
}

static void add_free(struct mf_glibc_tally *tally, enum mf_chunk_kind kind,
		     uint64_t address, uint64_t size)
{
	struct mf_free_amount *amount = &tally->figures->free;
	struct mf_glibc_residence where = add_unused(tally, address, size);

	amount->count++;
	amount->bytes += size;
	amount->resident += where.resident;
	amount->swapped += where.swapped;
	amount->already_returned += where.absent;
	add_amount(&tally->segment->figures.free, size);
	tally->figures->largest_free =
		MF_MAX(tally->figures->largest_free, size);
	add_to_bin(tally, kind, size);
	extend_run(tally, address, size);
}

static void add_top(struct mf_glibc_tally *tally, uint64_t address,
		    uint64_t size)
{
	struct mf_arena_figures *figures = tally->figures;

	add_amount(&figures->top, size);
	figures->top_resident += add_unused(tally, address, size).resident;
	figures->largest_free = MF_MAX(figures->largest_free, size);
	extend_run(tally, address, size);
	close_run(tally, tally->arena->main ? MF_GLIBC_RUN_MAIN_TOP
					    : MF_GLIBC_RUN_TOP);
}

static void add_in_use(struct mf_glibc_tally *tally, uint64_t address,
		       uint64_t size)
{
	add_amount(&tally->figures->in_use, size);
	add_amount(&tally->segment->figures.in_use, size);
	add_to_class(tally, size, true);
	add_neighbour(tally, address, size, false);
}

static void add_cached(struct mf_glibc_tally *tally, uint64_t address,
		       uint64_t size)
{
	add_amount(&tally->figures->tcache, size);
	add_amount(&tally->segment->figures.tcache, size);
	tally->figures->retained.tcache +=
		add_unused(tally, address, size).resident;
	add_neighbour(tally, address, size, true);
}

static void add_chunk(struct mf_glibc_tally *tally, enum mf_chunk_kind kind,
		      uint64_t address, uint64_t size)
{
	switch (kind) {
	case MF_KIND_IN_USE:
		add_in_use(tally, address, size);
		break;
	case MF_KIND_TCACHE:
		add_cached(tally, address, size);
		break;
	case MF_KIND_FASTBIN:
		add_amount(&tally->figures->fastbin, size);
		add_to_bin(tally, kind, size);
		add_unused(tally, address, size);
		extend_run(tally, address, size);
		break;
	case MF_KIND_FREE:
	case MF_KIND_UNSORTED:
		add_free(tally, kind, address, size);
		break;
	case MF_KIND_TOP:
		add_top(tally, address, size);
		break;
	case MF_KIND_OVERHEAD:
		tally->figures->overhead += size;
		break_runs(tally);
		break;
	case MF_KIND_UNREAD:
		tally->figures->unread += size;
		break_runs(tally);
		break;
	case MF_KIND_MMAPPED: /* in no segment */
	case MF_KINDS:
		break;
	}
}

/* ---- segments -------------------------------------------------------------------- */

void mf_glibc_tally_segment(struct mf_glibc_tally *tally,
			    struct mf_glibc_segment *segment)
{
	struct mf_glibc_cursor cursor = mf_glibc_cursor(segment);
	struct mf_glibc_chunk chunk;
	struct mf_arena_heap *figures = &segment->figures;
	const struct mf_glibc_run all = {
		segment->memory_start,
		segment->memory_start +
			segment->page_count * (uint64_t)tally->glibc->page_size,
	};

	tally->segment = segment;
	tally->figures->overhead += segment->start - segment->base;
	mf_glibc_pinners_begin(&tally->search, segment);
	for (size_t index = 0;; index++) {
		mf_glibc_note_mark(segment, &cursor, index);
		if (!mf_glibc_next_chunk(&cursor, &chunk))
			break;
		add_chunk(tally, chunk.kind, chunk.address, chunk.size);
	}
	break_runs(tally);
	figures->start = segment->memory_start;
	figures->committed = segment->committed_end - segment->memory_start;
	figures->reserved = segment->reserved_end - segment->committed_end;
	figures->resident = resident(tally, &all);
	figures->newest = segment->has_top;
	figures->pinners =
		mf_glibc_pinners_publish(tally->glibc, &tally->search.heap);
	figures->pinner_count = tally->search.heap.count;
	tally->figures->resident += figures->resident;
}
