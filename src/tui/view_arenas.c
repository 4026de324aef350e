/*
 * Allocators and their arenas, the worst first, and why each of them is kept.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/units.h"
#include "base/vec.h"
#include "tui/arena_text.h"
#include "tui/columns.h"
#include "tui/views.h"

struct row {
	const struct mf_allocator *allocator;
	const struct mf_arena *arena; /* NULL: the allocator */
};

struct arenas {
	MF_VEC(struct row) rows;
	struct mf_buffer name, why; /* of the row that was asked for last */
};

enum column {
	ARENA,
	SYSTEM,
	IN_USE,
	FREE,
	BACK,
	WHY,
	RESIDENT,
	PINNED,
	CACHED,
	THREADS,
	HEAPS,
};

static const struct mf_view_column columns[] = {
	[ARENA] = { "arena", MF_VALUE_TEXT, 14, 0, 0 },
	[SYSTEM] = { "system", MF_VALUE_SIZE, 10, 'S', MF_COLUMN_DESCENDING },
	[IN_USE] = { "in use", MF_VALUE_SIZE, 10, 'A', MF_COLUMN_DESCENDING },
	[FREE] = { "free+top", MF_VALUE_SIZE, 10, 'F', MF_COLUMN_DESCENDING },
	[BACK] = { "trimmable", MF_VALUE_SIZE, 10, 'B', MF_COLUMN_DESCENDING },
	[WHY] = { "kept for", MF_VALUE_TEXT, 13, 'W', MF_COLUMN_FILL },
	[RESIDENT] = { "resident", MF_VALUE_SIZE, 10, 'R',
		       MF_COLUMN_DESCENDING | MF_COLUMN_IF_ROOM },
	[PINNED] = { "pinned", MF_VALUE_SIZE, 10, 'P',
		     MF_COLUMN_DESCENDING | MF_COLUMN_IF_ROOM },
	[CACHED] = { "cached", MF_VALUE_SIZE, 10, 'C',
		     MF_COLUMN_DESCENDING | MF_COLUMN_IF_ROOM },
	[THREADS] = { "threads", MF_VALUE_COUNT, 7, 'T',
		      MF_COLUMN_DESCENDING | MF_COLUMN_IF_ROOM },
	[HEAPS] = { "heaps", MF_VALUE_COUNT, 5, 'H',
		    MF_COLUMN_DESCENDING | MF_COLUMN_IF_ROOM },
};

/* ---- rows ------------------------------------------------------------------------ */

static int by_badness(const void *a, const void *b)
{
	const struct row *left = a, *right = b;

	return mf_arena_compare(left->arena, right->arena, left->allocator);
}

static void add_allocator(struct arenas *arenas,
			  const struct mf_allocator *allocator)
{
	size_t first;

	mf_vec_push(&arenas->rows, (struct row){ allocator, NULL });
	first = arenas->rows.count;
	for (size_t i = 0; i < allocator->arena_count; i++)
		mf_vec_push(&arenas->rows,
			    (struct row){ allocator, &allocator->arenas[i] });
	if (arenas->rows.count > first)
		qsort(arenas->rows.items + first, arenas->rows.count - first,
		      sizeof(*arenas->rows.items), by_badness);
}

static struct mf_error *arenas_open(struct mf_pane *pane, const void *argument)
{
	struct arenas *arenas = pane->state;
	const struct mf_heap *heap = mf_browser_models(pane->browser)->heap;

	(void)argument;
	mf_heap_foreach_allocator(allocator, heap)
		add_allocator(arenas, allocator);
	return NULL;
}

static void arenas_close(struct mf_pane *pane)
{
	struct arenas *arenas = pane->state;

	mf_vec_deinit(&arenas->rows);
	mf_buffer_deinit(&arenas->name);
	mf_buffer_deinit(&arenas->why);
}

static uint64_t arenas_count(struct mf_pane *pane)
{
	const struct arenas *arenas = pane->state;

	return arenas->rows.count;
}

static void describe(struct arenas *arenas, const struct row *row)
{
	const struct mf_allocator *allocator = row->allocator;

	mf_buffer_clear(&arenas->name);
	mf_buffer_clear(&arenas->why);
	if (row->arena) {
		mf_tui_arena_name(&arenas->name, row->arena);
		mf_tui_arena_why(&arenas->why, allocator, row->arena);
		return;
	}
	mf_buffer_printf(&arenas->name, "%s%s%s", allocator->name,
			 *allocator->version ? " " : "", allocator->version);
	if (!allocator->supported)
		mf_buffer_puts(&arenas->why, "not walked");
	else if (allocator->owns_malloc)
		mf_buffer_puts(&arenas->why, "malloc");
}

static void set_figures(struct mf_value *values,
			const struct mf_arena_figures *figures)
{
	values[SYSTEM] = mf_size(figures->system);
	values[IN_USE] = mf_size(figures->in_use.bytes);
	values[FREE] = mf_size(figures->free.bytes + figures->top.bytes);
	values[BACK] = mf_size(figures->trimmable_bytes);
	values[RESIDENT] = mf_size(figures->resident);
	values[PINNED] = mf_size(figures->pinned_bytes);
	values[CACHED] =
		mf_size(figures->tcache.bytes + figures->fastbin.bytes);
}

static void arenas_values(struct mf_pane *pane, uint64_t number,
			  struct mf_value *values)
{
	struct arenas *arenas = pane->state;
	const struct row *row = &arenas->rows.items[number];

	for (size_t i = 0; i < MF_ARRAY_SIZE(columns); i++)
		values[i] = mf_none();
	describe(arenas, row);
	values[ARENA] = mf_text(mf_buffer_text(&arenas->name));
	values[WHY] = mf_text(mf_buffer_text(&arenas->why));
	if (row->arena) {
		set_figures(values, &row->arena->figures);
		values[THREADS] = mf_count(row->arena->attached_threads);
		values[HEAPS] = mf_count(row->arena->heap_count);
	} else if (row->allocator->supported) {
		set_figures(values, &row->allocator->figures);
		values[RESIDENT] = mf_size(row->allocator->resident);
	} else {
		values[SYSTEM] = mf_size(row->allocator->mapped);
		values[RESIDENT] = mf_size(row->allocator->resident);
	}
}

/* ---- order ----------------------------------------------------------------------- */

struct order {
	unsigned column;
	bool descending;
};

/* What a row of an arena is sorted by: a number, or a text. */
static uint64_t number_of(const struct row *row, unsigned column,
			  struct mf_buffer *text)
{
	struct mf_value values[MF_ARRAY_SIZE(columns)] = { 0 };
	uint64_t number = row->arena->main ? 0 : row->arena->index;

	set_figures(values, &row->arena->figures);
	switch (column) {
	case ARENA:
		return number;
	case WHY:
		mf_tui_arena_why(text, row->allocator, row->arena);
		return 0;
	case THREADS:
		return row->arena->attached_threads;
	case HEAPS:
		return row->arena->heap_count;
	default:
		return mf_column_key(values[column], &number) ? number : 0;
	}
}

static int by_column(const void *a, const void *b, void *context)
{
	const struct order *order = context;
	MF_AUTO_BUFFER(left_text);
	MF_AUTO_BUFFER(right_text);
	uint64_t left = number_of(a, order->column, &left_text);
	uint64_t right = number_of(b, order->column, &right_text);
	int by = (left > right) - (left < right);

	if (!by)
		by = strcmp(mf_buffer_text(&left_text),
			    mf_buffer_text(&right_text));
	if (!by)
		return by_badness(a, b);
	return order->descending ? -by : by;
}

/* Arenas stay with their allocator. */
static bool arenas_sort(struct mf_pane *pane, unsigned column, bool descending)
{
	struct order order = { column, descending };
	struct arenas *arenas = pane->state;
	struct row *rows = arenas->rows.items;
	size_t count = arenas->rows.count;

	for (size_t first = 0, end; first < count; first = end + 1) {
		for (end = first; end < count && rows[end].arena; end++)
			;
		if (end > first)
			qsort_r(rows + first, end - first, sizeof(*rows),
				by_column, &order);
	}
	return true;
}

static bool arenas_head(struct mf_pane *pane, unsigned number,
			struct mf_strip *line)
{
	if (number)
		return false;
	if (!pane->list.sorted)
		mf_strip_put(line, MF_TINT_DIM,
			     " the most that is free first   ");
	mf_strip_put(line, MF_TINT_KEY, " S");
	mf_strip_put(line, MF_TINT_DIM, ": by size   ");
	mf_strip_put(line, MF_TINT_KEY, "Enter");
	mf_strip_put(line, MF_TINT_DIM, ": why it is kept, its chunks");
	return true;
}

static enum mf_tint arenas_tint(struct mf_pane *pane, uint64_t number)
{
	const struct arenas *arenas = pane->state;
	const struct row *row = &arenas->rows.items[number];

	if (!row->arena)
		return row->allocator->supported ? MF_TINT_TITLE : MF_TINT_DIM;
	if (row->arena->corrupt_count)
		return MF_TINT_CRITICAL;
	return mf_tui_arena_is_orphan(row->allocator, row->arena)
		       ? MF_TINT_WARNING
		       : MF_TINT_PLAIN;
}

static bool arenas_subject(struct mf_pane *pane, uint64_t number,
			   struct mf_subject *ret)
{
	const struct arenas *arenas = pane->state;
	const struct mf_arena *arena = arenas->rows.items[number].arena;

	if (!arena || !arena->address)
		return false;
	*ret = (struct mf_subject){ arena->address, arena->address + 1,
				    arena->address };
	if (arena->heap_count) {
		ret->start = ret->at = arena->heaps[0].start;
		ret->end = ret->start + arena->heaps[0].committed;
	}
	return true;
}

static struct mf_error *arenas_enter(struct mf_pane *pane, uint64_t number)
{
	struct arenas *arenas = pane->state;
	const struct row *row = &arenas->rows.items[number];
	const struct mf_arena_argument argument = { row->allocator,
						    row->arena };

	char crumb[MF_UNIT_TEXT] = "main";

	if (!row->arena)
		snprintf(crumb, sizeof(crumb), "of %s", row->allocator->name);
	else if (!row->arena->main)
		snprintf(crumb, sizeof(crumb), "%u", row->arena->index);
	return mf_browser_open(pane->browser, &mf_view_arena, &argument, crumb);
}

const struct mf_view_ops mf_view_arenas = {
	.name = "arenas",
	.brief = 5,
	.summary = "allocators and arenas: how large, why each is kept",
	.digit = '3',
	.needs = MF_NEEDS_HEAP,
	.size = sizeof(struct arenas),
	.columns = columns,
	.column_count = MF_ARRAY_SIZE(columns),
	.open = arenas_open,
	.close = arenas_close,
	.count = arenas_count,
	.values = arenas_values,
	.tint = arenas_tint,
	.head = arenas_head,
	.sort = arenas_sort,
	.subject = arenas_subject,
	.enter = arenas_enter,
};
