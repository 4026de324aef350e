/*
 * The map of one heap: a cell for every so many pages, and what it is made of. A
 * job asks which pages are there, and goes over the chunks once.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/units.h"
#include "tui/chunk_pages.h"
#include "tui/heap_map.h"
#include "tui/views.h"

enum {
	CELLS = 64,	      /* of a row */
	ROWS_FIRST = 15,      /* that the whole heap is to take at first */
	MOST_PAGES = 1 << 24, /* 64 GiB */
	BATCH = 1 << 14,      /* pages that are asked for at once */
};

struct heap_view {
	struct mf_heap_argument of;
	uint64_t start, end;
	uint64_t scale; /* pages of a cell */
	uint32_t page_size;
	struct mf_heap_map *map; /* NULL: on its way, or given up */
	bool given_up;
};

struct map_job {
	struct mf_job job;
	const struct mf_allocator *allocator;
	unsigned arena;
	uint64_t start, end;
	uint32_t page_size;
	struct mf_heap_map *map;
};

/* ---- making it ------------------------------------------------------------------- */

static struct mf_error *read_pages(struct map_job *own,
				   const struct mf_view *view)
{
	mf_auto_free uint8_t *flags = mf_new_array(BATCH, uint8_t);
	uint64_t count = mf_heap_map_pages(own->map);

	for (uint64_t at = 0; at < count && !mf_job_is_cancelled(&own->job);
	     at += BATCH) {
		size_t some = (size_t)MF_MIN(count - at, (uint64_t)BATCH);

		MF_TRY(mf_target_residency(view->target,
					   own->start + at * own->page_size,
					   some, flags));
		mf_heap_map_set_pages(own->map, at, flags, some);
	}
	return NULL;
}

static bool add_chunk(const struct mf_chunk *chunk, void *data)
{
	struct map_job *own = data;

	if (mf_chunk_is_of(chunk, own->allocator) && chunk->arena == own->arena)
		mf_heap_map_add(own->map, chunk);
	return !mf_job_is_cancelled(&own->job);
}

static struct mf_error *make_map(struct mf_job *job, const struct mf_view *view)
{
	struct map_job *own = (struct map_job *)job;

	own->map = mf_heap_map_create(own->start, own->end, own->page_size);
	MF_TRY(read_pages(own, view));
	mf_heap_each_chunk(view->heap, own->start, own->end, add_chunk, own);
	mf_heap_map_finish(own->map);
	return NULL;
}

static void take_map(struct mf_job *job, const struct mf_error *error)
{
	struct map_job *own = (struct map_job *)job;
	struct heap_view *heap = job->pane->state;

	heap->given_up = error || mf_job_is_cancelled(job);
	if (heap->given_up)
		return;
	heap->map = own->map;
	own->map = NULL;
	mf_browser_changed(job->pane);
}

static void destroy_job(struct mf_job *job)
{
	struct map_job *own = (struct map_job *)job;

	mf_heap_map_destroy(own->map);
	free(own);
}

static void ask(struct mf_pane *pane)
{
	const struct heap_view *heap = pane->state;
	struct map_job *own = mf_new(struct map_job);

	own->job = (struct mf_job){
		.what = "mapping the heap",
		.run = make_map,
		.done = take_map,
		.destroy = destroy_job,
		.pane = pane,
	};
	own->allocator = heap->of.allocator;
	own->arena = heap->of.arena->index;
	own->start = heap->start;
	own->end = heap->end;
	own->page_size = heap->page_size;
	mf_worker_ask(mf_browser_worker(pane->browser), &own->job);
}

static struct mf_error *heap_open(struct mf_pane *pane, const void *argument)
{
	struct heap_view *heap = pane->state;
	uint64_t pages;

	heap->of = *(const struct mf_heap_argument *)argument;
	heap->page_size = mf_browser_models(pane->browser)->facts.page_size;
	heap->start = heap->of.heap->start;
	heap->end = heap->start + heap->of.heap->committed;
	heap->start -= heap->start % heap->page_size;
	if (heap->end <= heap->start)
		return mf_error_create(MF_ERROR_FAILED,
				       "there is nothing of this heap");
	pages = (heap->end - heap->start - 1) / heap->page_size + 1;
	if (pages > MOST_PAGES)
		return mf_error_create(MF_ERROR_FAILED,
				       "this heap is too large for a map");
	for (heap->scale = 1; pages > heap->scale * CELLS * ROWS_FIRST;)
		heap->scale *= 2;
	ask(pane);
	return NULL;
}

static void heap_close(struct mf_pane *pane)
{
	struct heap_view *heap = pane->state;

	mf_heap_map_destroy(heap->map);
}

static const char *heap_waits(struct mf_pane *pane)
{
	const struct heap_view *heap = pane->state;

	if (heap->given_up)
		return "there is no map: it was stopped, or pages cannot be "
		       "asked for";
	return heap->map ? NULL : "mapping the heap";
}

/* ---- rows ------------------------------------------------------------------------- */

static uint64_t bytes_of_row(const struct heap_view *heap)
{
	return heap->scale * heap->page_size * CELLS;
}

static uint64_t heap_count(struct mf_pane *pane)
{
	const struct heap_view *heap = pane->state;

	if (!heap->map)
		return 0;
	return (heap->end - heap->start - 1) / bytes_of_row(heap) + 1;
}

static void heap_line(struct mf_pane *pane, uint64_t row, struct mf_strip *line)
{
	const struct heap_view *heap = pane->state;
	uint64_t first = row * CELLS * heap->scale;

	mf_strip_printf(line, MF_TINT_PLAIN, "%012" PRIx64 " ",
			heap->start + row * bytes_of_row(heap));
	for (unsigned i = 0; i < CELLS; i++, first += heap->scale) {
		const struct mf_cell_look *look;

		if (first >= mf_heap_map_pages(heap->map))
			break;
		look = mf_cell_look(
			mf_heap_map_cell(heap->map, first, heap->scale));
		mf_strip_printf(line, look->tint, "%c", look->sign);
	}
}

static void add_legend(const struct heap_view *heap, bool second,
		       struct mf_strip *line)
{
	static const enum mf_cell lines[][4] = {
		{ MF_CELL_IN_USE, MF_CELL_PINNED, MF_CELL_CACHED,
		  MF_CELL_UNTOUCHED },
		{ MF_CELL_FREE, MF_CELL_RETURNED, MF_CELL_TOP, MF_CELL_OTHER },
	};

	for (size_t i = 0; i < MF_ARRAY_SIZE(*lines); i++) {
		enum mf_cell cell = lines[second][i];
		const struct mf_cell_look *look = mf_cell_look(cell);

		mf_strip_put(line, MF_TINT_PLAIN, " ");
		mf_strip_printf(line, look->tint, "%c", look->sign);
		mf_strip_printf(line, MF_TINT_PLAIN, " %s", look->name);
		if (!heap->map)
			continue;
		mf_strip_put(line, MF_TINT_PLAIN, " ");
		mf_strip_value(line, MF_TINT_TITLE,
			       mf_size(mf_heap_map_counts(heap->map)[cell] *
				       heap->page_size));
	}
}

static bool heap_head(struct mf_pane *pane, unsigned number,
		      struct mf_strip *line)
{
	const struct heap_view *heap = pane->state;
	char cell[MF_UNIT_TEXT], size[MF_UNIT_TEXT];

	if (number == 0)
		mf_strip_printf(
			line, MF_TINT_TITLE,
			" %s, a cell is %s (+ -: zoom), Enter: its chunks",
			mf_format_size(size, heap->end - heap->start),
			mf_format_size(cell, heap->scale * heap->page_size));
	else if (number < 3)
		add_legend(heap, number == 2, line);
	return number < 3;
}

/* ---- keys ------------------------------------------------------------------------- */

static bool heap_subject(struct mf_pane *pane, uint64_t row,
			 struct mf_subject *ret)
{
	const struct heap_view *heap = pane->state;
	uint64_t start = heap->start + row * bytes_of_row(heap);
	uint64_t end = start + bytes_of_row(heap);

	*ret = (struct mf_subject){ start, end, start };
	if (ret->end > heap->end)
		ret->end = heap->end;
	return true;
}

static struct mf_error *heap_enter(struct mf_pane *pane, uint64_t row)
{
	const struct heap_view *heap = pane->state;
	struct mf_subject at;
	struct mf_chunk_wish wish = {
		.allocator = heap->of.allocator,
		.one_arena = true,
		.arena = heap->of.arena->index,
	};
	char crumb[2 * MF_UNIT_TEXT];

	heap_subject(pane, row, &at);
	wish.start = at.start;
	wish.end = at.end;
	snprintf(crumb, sizeof(crumb), "0x%" PRIx64 "-0x%" PRIx64, at.start,
		 at.end);
	return mf_browser_open(pane->browser, &mf_view_chunks, &wish, crumb);
}

static bool heap_handle(struct mf_pane *pane, enum mf_request request)
{
	struct heap_view *heap = pane->state;
	uint64_t at = mf_list_row(&pane->list, pane->list.cursor) *
		      bytes_of_row(heap);

	if (request == MF_REQUEST_ZOOM_IN && heap->scale > 1)
		heap->scale /= 2;
	else if (request == MF_REQUEST_ZOOM_OUT &&
		 bytes_of_row(heap) < heap->end - heap->start)
		heap->scale *= 2;
	else
		return request == MF_REQUEST_ZOOM_IN ||
		       request == MF_REQUEST_ZOOM_OUT;
	mf_browser_changed(pane);
	mf_list_go(&pane->list, at / bytes_of_row(heap));
	return true;
}

const struct mf_view_ops mf_view_heap = {
	.name = "heap",
	.summary = "the map of a heap: in use, free, returned, pinned, top",
	.needs = MF_NEEDS_HEAP,
	.size = sizeof(struct heap_view),
	.open = heap_open,
	.close = heap_close,
	.count = heap_count,
	.line = heap_line,
	.head = heap_head,
	.subject = heap_subject,
	.enter = heap_enter,
	.handle = heap_handle,
	.waits = heap_waits,
};
