/*
 * Chunks one by one, of all heaps, an arena, a heap or a size: by address or by
 * size, of one state or of all. Where the rows are is found by a job; the rows
 * themselves are made when they are looked at.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/units.h"
#include "tui/chunk_pages.h"
#include "tui/views.h"

struct chunks {
	struct mf_chunk_wish wish;
	struct mf_chunk_pages *pages; /* NULL: on their way, or given up */
	bool backwards;		      /* the last row first */
	bool given_up;
	char where[MF_UNIT_TEXT];
};

struct chunks_job {
	struct mf_job job;
	struct mf_chunk_wish wish;
	struct mf_chunk_pages *pages;
};

enum column {
	ADDRESS,
	SIZE,
	STATE,
	WHERE,
	USABLE,
	USER,
};

static const struct mf_view_column columns[] = {
	[ADDRESS] = { "address", MF_VALUE_ADDRESS, 14, 'A', 0 },
	[SIZE] = { "size", MF_VALUE_SIZE, 10, 'S', MF_COLUMN_DESCENDING },
	[STATE] = { "state", MF_VALUE_TEXT, 9, 'K', 0 },
	[WHERE] = { "where", MF_VALUE_TEXT, 14, 'W', MF_COLUMN_FILL },
	[USABLE] = { "usable", MF_VALUE_SIZE, 10, 'B',
		     MF_COLUMN_DESCENDING | MF_COLUMN_IF_ROOM },
	[USER] = { "malloc gave", MF_VALUE_ADDRESS, 14, 'M',
		   MF_COLUMN_IF_ROOM },
};

/* ---- finding where they are ------------------------------------------------------ */

static bool is_cancelled(void *data)
{
	return mf_job_is_cancelled(data);
}

static struct mf_error *make_pages(struct mf_job *job,
				   const struct mf_view *view)
{
	struct chunks_job *own = (struct chunks_job *)job;

	own->pages = mf_chunk_pages_create(view->heap, &own->wish, is_cancelled,
					   job);
	return NULL;
}

static void take_pages(struct mf_job *job, const struct mf_error *error)
{
	struct chunks_job *own = (struct chunks_job *)job;
	struct chunks *chunks = job->pane->state;

	(void)error;
	chunks->pages = own->pages;
	own->pages = NULL;
	chunks->given_up = !chunks->pages;
	mf_browser_changed(job->pane);
}

static void destroy_job(struct mf_job *job)
{
	struct chunks_job *own = (struct chunks_job *)job;

	mf_chunk_pages_destroy(own->pages);
	free(own);
}

static void ask(struct mf_pane *pane)
{
	struct mf_worker *worker = mf_browser_worker(pane->browser);
	struct chunks *chunks = pane->state;
	struct chunks_job *own = mf_new(struct chunks_job);

	mf_worker_forget(worker, pane);
	mf_chunk_pages_destroy(chunks->pages);
	chunks->pages = NULL;
	chunks->given_up = false;
	own->wish = chunks->wish;
	own->job = (struct mf_job){
		.what = "counting chunks",
		.run = make_pages,
		.done = take_pages,
		.destroy = destroy_job,
		.pane = pane,
	};
	mf_worker_ask(worker, &own->job);
	mf_browser_changed(pane);
}

static struct mf_error *chunks_open(struct mf_pane *pane, const void *argument)
{
	struct chunks *chunks = pane->state;

	if (argument)
		chunks->wish = *(const struct mf_chunk_wish *)argument;
	ask(pane);
	return NULL;
}

static void chunks_close(struct mf_pane *pane)
{
	struct chunks *chunks = pane->state;

	mf_chunk_pages_destroy(chunks->pages);
}

static const char *chunks_waits(struct mf_pane *pane)
{
	const struct chunks *chunks = pane->state;

	if (chunks->given_up)
		return "stopped (s, A or S: again)";
	return chunks->pages ? NULL : "counting chunks";
}

/* ---- rows ---------------------------------------------------------------------------- */

static uint64_t chunks_count(struct mf_pane *pane)
{
	const struct chunks *chunks = pane->state;

	return chunks->pages ? mf_chunk_pages_amount(chunks->pages).count : 0;
}

static void get(struct mf_pane *pane, uint64_t row, struct mf_chunk *ret)
{
	struct chunks *chunks = pane->state;

	if (chunks->backwards)
		row = chunks_count(pane) - 1 - row;
	mf_chunk_pages_get(chunks->pages, row, ret);
}

static const char *where_of(struct chunks *chunks, const struct mf_chunk *chunk)
{
	if (chunk->arena == MF_NO_ARENA)
		return "mapped apart";
	if (!chunk->arena && !strcmp(chunk->allocator->name, "glibc"))
		return "glibc main";
	snprintf(chunks->where, sizeof(chunks->where), "%s arena %u",
		 chunk->allocator->name, chunk->arena);
	return chunks->where;
}

static void chunks_values(struct mf_pane *pane, uint64_t row,
			  struct mf_value *values)
{
	struct mf_chunk chunk;

	get(pane, row, &chunk);
	values[ADDRESS] = mf_address(chunk.address);
	values[SIZE] = mf_size(chunk.size);
	values[STATE] = mf_text(mf_heap_chunk_kind_name(chunk.kind));
	values[WHERE] = mf_text(where_of(pane->state, &chunk));
	values[USABLE] = chunk.usable ? mf_size(chunk.usable) : mf_none();
	values[USER] = chunk.usable ? mf_address(chunk.user) : mf_none();
}

static enum mf_tint chunks_tint(struct mf_pane *pane, uint64_t row)
{
	struct mf_chunk chunk;

	get(pane, row, &chunk);
	switch (chunk.kind) {
	case MF_KIND_IN_USE:
	case MF_KIND_MMAPPED:
		return MF_TINT_PLAIN;
	case MF_KIND_UNREAD:
		return MF_TINT_WARNING;
	default:
		return MF_TINT_DIM;
	}
}

static bool chunks_subject(struct mf_pane *pane, uint64_t row,
			   struct mf_subject *ret)
{
	struct mf_chunk chunk;

	get(pane, row, &chunk);
	*ret = (struct mf_subject){ chunk.address, chunk.address + chunk.size,
				    chunk.usable ? chunk.user : chunk.address };
	return true;
}

/* ---- which of them, in which order ------------------------------------------------------ */

static const struct {
	unsigned kinds;
	const char *name;
} states[] = {
	{ 0, "of every state" },
	{ 1U << MF_KIND_IN_USE, "in use" },
	{ 1U << MF_KIND_FREE | 1U << MF_KIND_UNSORTED, "free" },
	{ 1U << MF_KIND_TCACHE, "in tcaches" },
	{ 1U << MF_KIND_FASTBIN, "in fast bins" },
	{ 1U << MF_KIND_TOP, "tops" },
	{ 1U << MF_KIND_MMAPPED, "mapped apart" },
	{ 1U << MF_KIND_OVERHEAD, "overhead" },
	{ 1U << MF_KIND_UNREAD, "not read" },
};

static size_t state_of(const struct chunks *chunks)
{
	for (size_t i = 0; i < MF_ARRAY_SIZE(states); i++)
		if (states[i].kinds == chunks->wish.kinds)
			return i;
	return 0;
}

static bool chunks_handle(struct mf_pane *pane, enum mf_request request)
{
	struct chunks *chunks = pane->state;

	if (request != MF_REQUEST_STATES)
		return false;
	chunks->wish.kinds =
		states[(state_of(chunks) + 1) % MF_ARRAY_SIZE(states)].kinds;
	ask(pane);
	mf_list_go(&pane->list, 0);
	return true;
}

static bool chunks_sort(struct mf_pane *pane, unsigned column, bool descending)
{
	struct chunks *chunks = pane->state;
	bool by_size = column == SIZE;

	if (column != SIZE && column != ADDRESS)
		return false;
	chunks->backwards = by_size != descending;
	if (by_size != chunks->wish.by_size || !chunks->pages) {
		chunks->wish.by_size = by_size;
		ask(pane);
	}
	return true;
}

static bool chunks_head(struct mf_pane *pane, unsigned number,
			struct mf_strip *line)
{
	const struct chunks *chunks = pane->state;
	const struct mf_chunk_wish *wish = &chunks->wish;
	struct mf_amount amount = { 0 };
	char text[MF_UNIT_TEXT];

	if (number)
		return false;
	if (chunks->pages)
		amount = mf_chunk_pages_amount(chunks->pages);
	mf_strip_printf(line, MF_TINT_TITLE, " %s chunks, ",
			chunks->pages ? mf_format_count(text, amount.count)
				      : "?");
	mf_strip_value(line, MF_TINT_TITLE, mf_size(amount.bytes));
	mf_strip_printf(line, MF_TINT_PLAIN, ", %s",
			states[state_of(chunks)].name);
	if (wish->min_size)
		mf_strip_printf(line, MF_TINT_PLAIN,
				", of %" PRIu64 " to %" PRIu64 " bytes",
				wish->min_size, wish->max_size);
	mf_strip_put(line, MF_TINT_DIM, "  (s: other states)");
	return true;
}

const struct mf_view_ops mf_view_chunks = {
	.name = "chunks",
	.brief = 5,
	.summary = "every chunk of the heaps, by address or size (s: by state)",
	.digit = '4',
	.needs = MF_NEEDS_HEAP,
	.size = sizeof(struct chunks),
	.columns = columns,
	.column_count = MF_ARRAY_SIZE(columns),
	.open = chunks_open,
	.close = chunks_close,
	.count = chunks_count,
	.values = chunks_values,
	.tint = chunks_tint,
	.head = chunks_head,
	.subject = chunks_subject,
	.handle = chunks_handle,
	.sort = chunks_sort,
	.waits = chunks_waits,
};
