/*
 * One arena, or all of an allocator: why it is kept, its heaps, and its chunks in
 * groups by state and by size. Enter opens the map of a heap, or the chunks of a
 * group.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/units.h"
#include "tui/arena_text.h"
#include "tui/chunk_pages.h"
#include "tui/rows.h"
#include "tui/views.h"

enum {
	WRAP = 74,
	PINNERS = 16,	   /* that are listed */
	CLASS_INDENT = 15, /* where the words of rows with a bar begin */
};

enum kind {
	KIND_TEXT,
	KIND_HEAP,   /* value: its number */
	KIND_STATE,  /* value: 1 << MF_KIND_*, together */
	KIND_CLASS,  /* value: its number in the histogram */
	KIND_PINNER, /* value: its address */
	KIND_TCACHE, /* value: its address */
};

struct arena_view {
	struct mf_text_rows rows;
	struct mf_arena_argument of;
	const struct mf_arena_figures *figures;
	bool bytes;
};

static void add_title(struct arena_view *view, const char *text)
{
	if (view->rows.rows.count)
		mf_text_rows_add(&view->rows, MF_TINT_PLAIN, 0, "%s", "");
	mf_text_rows_add(&view->rows, MF_TINT_TITLE, 1, "%s", text);
}

static void set_link(struct mf_text_row *row, enum kind kind, uint64_t value)
{
	row->kind = kind;
	row->value = value;
}

/* ---- blocks ---------------------------------------------------------------------- */

static void add_reasons(struct arena_view *view)
{
	const struct mf_allocator *allocator = view->of.allocator;
	MF_AUTO_BUFFER(text);

	add_title(view, "WHY IT IS KEPT");
	if (!allocator->supported) {
		mf_text_rows_wrap(&view->rows, MF_TINT_PLAIN, 3, WRAP,
				  *allocator->why ? allocator->why
						  : "its heap is not walked");
		return;
	}
	for (unsigned i = 0; mf_tui_arena_reason(
		     &text, allocator, view->of.arena, i, view->bytes);
	     i++) {
		mf_text_rows_wrap(&view->rows, MF_TINT_PLAIN, 3, WRAP,
				  mf_buffer_text(&text));
		mf_buffer_clear(&text);
	}
}

static void add_heap(struct arena_view *view, size_t number)
{
	const struct mf_arena_heap *heap = &view->of.arena->heaps[number];
	char size[MF_UNIT_TEXT], used[MF_UNIT_TEXT], spare[MF_UNIT_TEXT];
	struct mf_text_row *row = mf_text_rows_add(
		&view->rows, MF_TINT_PLAIN, 3,
		"%012" PRIx64 " %10s, in use %s, free %s%s", heap->start,
		mf_format_bytes(size, heap->committed, view->bytes),
		mf_format_bytes(used, heap->in_use.bytes, view->bytes),
		mf_format_bytes(spare, heap->free.bytes, view->bytes),
		heap->newest ? ", top" : "");

	row->bar = heap->committed ? (double)heap->in_use.bytes /
					     (double)heap->committed
				   : 0;
	set_link(row, KIND_HEAP, number);
}

static void add_heaps(struct arena_view *view)
{
	const struct mf_arena *arena = view->of.arena;

	if (!arena || !arena->heap_count)
		return;
	add_title(view, "HEAPS, and how much of each is in use (Enter: a map)");
	for (size_t i = 0; i < arena->heap_count; i++)
		add_heap(view, i);
}

static void add_state(struct arena_view *view, const char *name,
		      struct mf_amount amount, unsigned kinds)
{
	char count[MF_UNIT_TEXT], size[MF_UNIT_TEXT];
	uint64_t system = view->figures->system;
	struct mf_text_row *row;

	if (!amount.count)
		return;
	row = mf_text_rows_add(&view->rows, MF_TINT_PLAIN, 3,
			       "%10s  %-11s %s chunk%s",
			       mf_format_bytes(size, amount.bytes, view->bytes),
			       name, mf_format_count(count, amount.count),
			       amount.count == 1 ? "" : "s");
	row->bar = system ? (double)amount.bytes / (double)system : 0;
	set_link(row, KIND_STATE, kinds);
}

static void add_states(struct arena_view *view)
{
	const struct mf_arena_figures *figures = view->figures;
	const struct mf_amount free = { figures->free.count,
					figures->free.bytes };
	char size[MF_UNIT_TEXT];
	size_t title;

	add_title(view, "CHUNKS BY STATE (Enter: the chunks)");
	title = view->rows.rows.count;
	add_state(view, "in use", figures->in_use, 1U << MF_KIND_IN_USE);
	add_state(view, "free", free,
		  1U << MF_KIND_FREE | 1U << MF_KIND_UNSORTED);
	add_state(view, "in tcaches", figures->tcache, 1U << MF_KIND_TCACHE);
	add_state(view, "fast bins", figures->fastbin, 1U << MF_KIND_FASTBIN);
	add_state(view, "top", figures->top, 1U << MF_KIND_TOP);
	if (!view->of.arena)
		add_state(view, "mapped", view->of.allocator->mmapped,
			  1U << MF_KIND_MMAPPED);
	if (figures->overhead)
		mf_text_rows_add(
			&view->rows, MF_TINT_DIM, 3,
			"and %s of headers and gaps",
			mf_format_bytes(size, figures->overhead, view->bytes));
	if (figures->unread)
		mf_text_rows_add(
			&view->rows, MF_TINT_WARNING, 3,
			"and %s that were not read",
			mf_format_bytes(size, figures->unread, view->bytes));
	if (view->rows.rows.count == title)
		mf_text_rows_add(&view->rows, MF_TINT_DIM, 3,
				 "none: nothing was allocated from it yet");
}

struct class_ref {
	size_t number;
	uint64_t bytes;
};

static int by_bytes(const void *a, const void *b)
{
	const struct class_ref *left = a, *right = b;

	if (left->bytes != right->bytes)
		return left->bytes < right->bytes ? 1 : -1;
	return (left->number > right->number) - (left->number < right->number);
}

/* Two columns: bytes and chunks. */
static const char *amount_text(char text[2 * MF_UNIT_TEXT + 2],
			       struct mf_amount amount, bool bytes)
{
	char size[MF_UNIT_TEXT], count[MF_UNIT_TEXT];

	snprintf(text, 2 * MF_UNIT_TEXT + 2, "%10s %10s",
		 amount.count ? mf_format_bytes(size, amount.bytes, bytes)
			      : "-",
		 amount.count ? mf_format_count(count, amount.count) : "-");
	return text;
}

static void add_class(struct arena_view *view, const struct class_ref *class)
{
	const struct mf_size_class *sizes =
		&view->of.arena->histogram[class->number];
	char range[2 * MF_UNIT_TEXT], used[2 * MF_UNIT_TEXT + 2];
	char spare[2 * MF_UNIT_TEXT + 2];
	struct mf_text_row *row;

	if (sizes->min == sizes->max)
		snprintf(range, sizeof(range), "%" PRIu64, sizes->min);
	else
		snprintf(range, sizeof(range), "%" PRIu64 "-%" PRIu64,
			 sizes->min, sizes->max);
	row = mf_text_rows_add(&view->rows, MF_TINT_PLAIN, 3, "%-15s %s %s",
			       range,
			       amount_text(used, sizes->in_use, view->bytes),
			       amount_text(spare, sizes->free, view->bytes));
	row->bar = view->figures->system ? (double)class->bytes /
						   (double)view->figures->system
					 : 0;
	set_link(row, KIND_CLASS, class->number);
}

static void add_classes(struct arena_view *view)
{
	const struct mf_arena *arena = view->of.arena;
	mf_auto_free struct class_ref *classes = NULL;

	if (!arena || !arena->histogram_count)
		return;
	classes = mf_new_array(arena->histogram_count, struct class_ref);
	for (size_t i = 0; i < arena->histogram_count; i++)
		classes[i] = (struct class_ref){
			i, arena->histogram[i].in_use.bytes +
				   arena->histogram[i].free.bytes
		};
	qsort(classes, arena->histogram_count, sizeof(*classes), by_bytes);
	add_title(view,
		  "CHUNKS BY SIZE, bytes with headers (Enter: the chunks)");
	mf_text_rows_add(&view->rows, MF_TINT_DIM, CLASS_INDENT,
			 "%-15s %10s %10s %10s %10s", "size", "in use",
			 "chunks", "free", "chunks");
	for (size_t i = 0; i < arena->histogram_count; i++)
		add_class(view, &classes[i]);
}

static void add_pinners(struct arena_view *view)
{
	const struct mf_arena *arena = view->of.arena;

	if (!arena || !arena->pinner_count)
		return;
	add_title(view, "WHAT PINS FREE MEMORY (Enter: its bytes)");
	for (size_t i = 0; i < arena->pinner_count && i < PINNERS; i++) {
		const struct mf_pinner *pinner = &arena->pinners[i];
		char pinned[MF_UNIT_TEXT];

		set_link(mf_text_rows_add(
				 &view->rows, MF_TINT_PLAIN, 3,
				 "%012" PRIx64 " %" PRIu64 " bytes, %" PRIu64
				 " chunk%s, pins %s %s",
				 pinner->address, pinner->size, pinner->count,
				 pinner->count == 1 ? "" : "s",
				 mf_format_bytes(pinned, pinner->pinned_bytes,
						 view->bytes),
				 pinner->type),
			 KIND_PINNER, pinner->address);
	}
}

static void add_tcaches(struct arena_view *view)
{
	const struct mf_allocator *allocator = view->of.allocator;
	bool any = false;

	for (size_t i = 0; i < allocator->tcache_count; i++) {
		const struct mf_thread_cache *cache = &allocator->tcaches[i];
		char size[MF_UNIT_TEXT], count[MF_UNIT_TEXT];

		if (view->of.arena && cache->arena != view->of.arena)
			continue;
		if (!any)
			add_title(view, "TCACHES (Enter: the table)");
		any = true;
		set_link(mf_text_rows_add(
				 &view->rows, MF_TINT_PLAIN, 3,
				 "%012" PRIx64 " thread %d: %s in %s chunks",
				 cache->address, cache->tid,
				 mf_format_bytes(size, cache->amount.bytes,
						 view->bytes),
				 mf_format_count(count, cache->amount.count)),
			 KIND_TCACHE, cache->address);
	}
}

/* ---- the view ---------------------------------------------------------------------- */

static struct mf_error *arena_open(struct mf_pane *pane, const void *argument)
{
	struct arena_view *view = pane->state;

	view->of = *(const struct mf_arena_argument *)argument;
	view->figures = view->of.arena ? &view->of.arena->figures
				       : &view->of.allocator->figures;
	view->bytes = mf_browser_wants_bytes(pane->browser);
	add_reasons(view);
	if (!view->of.allocator->supported)
		return NULL;
	add_heaps(view);
	add_states(view);
	add_pinners(view);
	add_tcaches(view);
	add_classes(view);
	pane->list.cursor = mf_text_rows_first_link(&view->rows);
	return NULL;
}

static void arena_close(struct mf_pane *pane)
{
	struct arena_view *view = pane->state;

	mf_text_rows_deinit(&view->rows);
}

static uint64_t arena_count(struct mf_pane *pane)
{
	const struct arena_view *view = pane->state;

	return view->rows.rows.count;
}

static void arena_line(struct mf_pane *pane, uint64_t row,
		       struct mf_strip *line)
{
	const struct arena_view *view = pane->state;

	mf_text_row_draw(&view->rows.rows.items[row], line);
}

static struct mf_error *open_chunks(struct mf_pane *pane,
				    struct mf_chunk_wish wish)
{
	const struct arena_view *view = pane->state;
	MF_AUTO_BUFFER(crumb);

	wish.allocator = view->of.allocator;
	if (view->of.arena) {
		wish.one_arena = true;
		wish.arena = view->of.arena->index;
		mf_tui_arena_name(&crumb, view->of.arena);
	} else {
		mf_buffer_puts(&crumb, wish.allocator->name);
	}
	return mf_browser_open(pane->browser, &mf_view_chunks, &wish,
			       mf_buffer_text(&crumb));
}

static struct mf_error *open_heap(struct mf_pane *pane, uint64_t number)
{
	const struct arena_view *view = pane->state;
	const struct mf_heap_argument argument = {
		view->of.allocator,
		view->of.arena,
		&view->of.arena->heaps[number],
	};
	char crumb[MF_UNIT_TEXT];

	snprintf(crumb, sizeof(crumb), "0x%" PRIx64, argument.heap->start);
	return mf_browser_open(pane->browser, &mf_view_heap, &argument, crumb);
}

static struct mf_error *arena_enter(struct mf_pane *pane, uint64_t number)
{
	const struct arena_view *view = pane->state;
	const struct mf_text_row *row = &view->rows.rows.items[number];
	const struct mf_size_class *sizes;

	switch (row->kind) {
	case KIND_HEAP:
		return open_heap(pane, row->value);
	case KIND_STATE:
		return open_chunks(pane, (struct mf_chunk_wish){
						 .kinds = (unsigned)row->value,
					 });
	case KIND_CLASS:
		sizes = &view->of.arena->histogram[row->value];
		return open_chunks(pane, (struct mf_chunk_wish){
						 .min_size = sizes->min,
						 .max_size = sizes->max,
					 });
	case KIND_PINNER:
	case KIND_TCACHE:
		return mf_browser_open_bytes(pane->browser, row->value);
	default:
		return NULL;
	}
}

static bool arena_subject(struct mf_pane *pane, uint64_t number,
			  struct mf_subject *ret)
{
	const struct arena_view *view = pane->state;
	const struct mf_text_row *row = &view->rows.rows.items[number];
	const struct mf_arena_heap *heap;

	switch (row->kind) {
	case KIND_HEAP:
		heap = &view->of.arena->heaps[row->value];
		*ret = (struct mf_subject){ heap->start,
					    heap->start + heap->committed,
					    heap->start };
		return true;
	case KIND_PINNER:
	case KIND_TCACHE:
		*ret = (struct mf_subject){ row->value, row->value + 1,
					    row->value };
		return true;
	default:
		return false;
	}
}

const struct mf_view_ops mf_view_arena = {
	.name = "arena",
	.summary = "why an arena is kept, its heaps, its chunks in groups",
	.needs = MF_NEEDS_HEAP,
	.size = sizeof(struct arena_view),
	.open = arena_open,
	.close = arena_close,
	.count = arena_count,
	.line = arena_line,
	.enter = arena_enter,
	.subject = arena_subject,
};
