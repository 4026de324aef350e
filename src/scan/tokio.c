/*
 * The scanner of Tokio's tasks: words that point at a task's vtable, where the
 * words around them are a header. In a heap whose chunks are known a task is a
 * chunk; only where no such one is found (an allocator over malloc) do those
 * inside of chunks count.
 */
#include "scan/tokio.h"

#include <stdlib.h>

#include "base/memory.h"
#include "scan/scanners.h"

enum {
	WORD = sizeof(uint64_t),
	PENDING_MAX = 1 << 16, /* of a worker */
	CHUNK_HEADER_MAX = 16,
	TRAILER_BYTES = 32, /* at least */
	NAMED_BEFORE = 256,
	RUNNING = 1 << 0,
	COMPLETE = 1 << 1,
	NOTIFIED = 1 << 2,
	REFERENCE_SHIFT = 6,
};

static const uint64_t references_max = UINT64_C(1) << 32;
static const uint64_t user_end = UINT64_C(1) << 56;

struct worker {
	const struct mf_tokio *tokio;
	struct mf_tokio_tally *own, *inside;
	MF_VEC(struct mf_tokio_pending) pending;
};

/* ---- cells ------------------------------------------------------------------- */

/* tokio/src/runtime/task/state.rs: the same since 1.0. */
bool mf_tokio_read_header(const struct mf_tokio_vtable *vtable,
			  const uint64_t *header, enum mf_tokio_state *ret)
{
	const struct mf_tokio_release *release = vtable->release;
	uint64_t state = header[0], references = state >> REFERENCE_SHIFT;
	uint64_t queue = header[release->queue_word];

	if (header[release->vtable_word] != vtable->address || !references ||
	    references > references_max || queue % WORD || queue >= user_end ||
	    (state & (RUNNING | COMPLETE)) == (RUNNING | COMPLETE))
		return false;
	if (state & COMPLETE)
		*ret = MF_TOKIO_COMPLETE;
	else if (state & RUNNING)
		*ret = MF_TOKIO_RUNNING;
	else
		*ret = state & NOTIFIED ? MF_TOKIO_SCHEDULED : MF_TOKIO_IDLE;
	return true;
}

static void count_cell(struct mf_tokio_tally *tally, enum mf_tokio_state state,
		       uint64_t bytes, uint64_t address)
{
	tally->count[state]++;
	tally->bytes[state] += bytes;
	if (!tally->example || address < tally->example)
		tally->example = address;
}

struct tallies {
	struct mf_tokio_tally *own, *inside;
};

/* A cell without a chunk around it is as large as its vtable says. */
static void count_in(const struct mf_tokio *tokio, struct tallies tallies,
		     const struct mf_tokio_pending *cell,
		     const uint64_t *header)
{
	const struct mf_tokio_vtable *vtable =
		&tokio->vtables.items[cell->vtable];
	bool own =
		!cell->chunk || cell->header - cell->chunk <= CHUNK_HEADER_MAX;
	uint64_t bytes = vtable->trailer ? vtable->trailer + TRAILER_BYTES : 0;
	enum mf_tokio_state state;

	if (!mf_tokio_read_header(vtable, header, &state))
		return;
	if (cell->chunk && own)
		bytes = cell->size;
	count_cell(own ? &tallies.own[cell->vtable]
		       : &tallies.inside[cell->vtable],
		   state, bytes, cell->header);
}

/* ---- windows ------------------------------------------------------------------ */

static bool is_in_use(const struct mf_scan_piece *piece)
{
	return piece->kind == MF_KIND_IN_USE ||
	       piece->kind == MF_KIND_MMAPPED || piece->kind == MF_KINDS;
}

/* The word at offset AT points at vtable number INDEX. */
static void look_at(struct worker *worker, const struct mf_scan_window *window,
		    const struct mf_scan_piece *piece, uint32_t at,
		    uint64_t index)
{
	const struct mf_tokio_release *release =
		worker->tokio->vtables.items[index].release;
	int64_t start = (int64_t)at - (int64_t)release->vtable_word * WORD;
	int64_t end = start + (int64_t)release->header * WORD;
	uint64_t header[MF_TOKIO_HEADER];
	struct mf_tokio_pending cell = {
		.header = window->address + (uint64_t)start,
		.chunk = piece->chunk,
		.size = piece->size,
		.vtable = (uint32_t)index,
	};

	if ((start < piece->start && piece->begins) ||
	    (end > piece->end && piece->ends))
		return;
	if (start < piece->start || end > piece->end) {
		if (worker->pending.count < PENDING_MAX)
			mf_vec_push(&worker->pending, cell);
		return;
	}
	memcpy(header, window->bytes + start, (size_t)(end - start));
	count_in(worker->tokio, (struct tallies){ worker->own, worker->inside },
		 &cell, header);
}

static void look_through(struct worker *worker,
			 const struct mf_scan_window *window,
			 const struct mf_scan_piece *piece)
{
	const struct mf_points *points = &worker->tokio->points;
	uint32_t at = (piece->start + (WORD - 1)) & -(uint32_t)WORD;

	for (; at + WORD <= piece->end; at += WORD) {
		uint64_t word = mf_load(uint64_t, window->bytes + at);
		const uint64_t *index;

		if (MF_LIKELY(!mf_points_may_have(points, word)))
			continue;
		index = mf_points_find(points, word);
		if (index)
			look_at(worker, window, piece, at, *index);
	}
}

static void read_window(void *data, const struct mf_scan_window *window)
{
	struct worker *worker = data;

	if (!worker->tokio->vtables.count)
		return;
	for (uint32_t i = 0; i < window->piece_count; i++)
		if (is_in_use(&window->pieces[i]))
			look_through(worker, window, &window->pieces[i]);
}

/* ---- before and after ----------------------------------------------------------- */

static void destroy(void *scanner)
{
	struct mf_tokio *tokio = scanner;

	if (!tokio)
		return;
	mf_follower_destroy(tokio->follower);
	mf_vec_deinit(&tokio->vtables);
	mf_vec_deinit(&tokio->pending);
	mf_vec_deinit(&tokio->rows);
	mf_points_deinit(&tokio->points);
	free(tokio->own);
	free(tokio->inside);
	mf_pool_deinit(&tokio->pool);
	free(tokio);
}

/* Names that symbols give cost little: as many as there may be are found before
 * the target is held. */
static struct mf_error *create(const struct mf_scan_context *context,
			       void **ret)
{
	struct mf_tokio *tokio = mf_new(struct mf_tokio);
	struct mf_error *error = NULL;

	if (context->image)
		error = mf_tokio_find(tokio, context->target, context->image);
	if (error) {
		destroy(tokio);
		return error;
	}
	for (size_t i = 0; i < tokio->vtables.count && i < NAMED_BEFORE; i++)
		if (tokio->vtables.items[i].sure)
			mf_tokio_name(tokio, context->target, context->image,
				      &tokio->vtables.items[i]);
	*ret = tokio;
	return NULL;
}

static struct mf_tokio_tally *new_tallies(const struct mf_tokio *tokio)
{
	return mf_new_array(MF_MAX(tokio->vtables.count, (size_t)1),
			    struct mf_tokio_tally);
}

static struct mf_error *begin(const struct mf_scan_context *context,
			      void *scanner)
{
	struct mf_tokio *tokio = scanner;

	(void)context;
	free(tokio->own);
	free(tokio->inside);
	tokio->own = new_tallies(tokio);
	tokio->inside = new_tallies(tokio);
	tokio->pending.count = 0;
	tokio->rows.count = 0;
	return NULL;
}

static void *worker_create(void *scanner)
{
	const struct mf_tokio *tokio = scanner;
	struct worker *worker = mf_new(struct worker);

	worker->tokio = tokio;
	worker->own = new_tallies(tokio);
	worker->inside = new_tallies(tokio);
	return worker;
}

static void add_tally(struct mf_tokio_tally *sum,
		      const struct mf_tokio_tally *part)
{
	for (size_t i = 0; i < MF_TOKIO_STATES; i++) {
		sum->count[i] += part->count[i];
		sum->bytes[i] += part->bytes[i];
	}
	if (part->example && (!sum->example || part->example < sum->example))
		sum->example = part->example;
}

static void merge(void *scanner, void *data)
{
	struct mf_tokio *tokio = scanner;
	struct worker *worker = data;

	for (size_t i = 0; i < tokio->vtables.count; i++) {
		add_tally(&tokio->own[i], &worker->own[i]);
		add_tally(&tokio->inside[i], &worker->inside[i]);
	}
	for (size_t i = 0; i < worker->pending.count; i++)
		mf_vec_push(&tokio->pending, worker->pending.items[i]);
	mf_vec_deinit(&worker->pending);
	free(worker->own);
	free(worker->inside);
	free(worker);
}

static void read_pending(struct mf_tokio *tokio, struct mf_target *target)
{
	for (size_t i = 0; i < tokio->pending.count; i++) {
		const struct mf_tokio_pending *cell = &tokio->pending.items[i];
		const struct mf_tokio_vtable *vtable =
			&tokio->vtables.items[cell->vtable];
		uint64_t header[MF_TOKIO_HEADER];

		if (mf_target_try_read(target, cell->header, header,
				       (size_t)vtable->release->header * WORD))
			count_in(tokio,
				 (struct tallies){ tokio->own, tokio->inside },
				 cell, header);
	}
}

/* ---- rows ---------------------------------------------------------------------- */

static uint64_t sum_of(const uint64_t *parts)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < MF_TOKIO_STATES; i++)
		sum += parts[i];
	return sum;
}

static void add_row(struct mf_tokio *tokio,
		    const struct mf_tokio_vtable *vtable,
		    const struct mf_tokio_tally *tally)
{
	struct mf_tokio_row *row = NULL;

	for (size_t i = 0; i < tokio->rows.count && !row; i++)
		if (strcmp(tokio->rows.items[i].future, vtable->future) == 0)
			row = &tokio->rows.items[i];
	if (!row) {
		row = mf_vec_add(&tokio->rows);
		row->future = vtable->future;
		row->bytes_known = true;
	}
	row->proof = MF_MAX(row->proof, vtable->proof);
	row->bytes_known &= sum_of(tally->bytes) != 0;
	add_tally(&row->tally, tally);
}

static int by_bytes(const void *left, const void *right)
{
	const struct mf_tokio_row *a = left, *b = right;
	uint64_t a_bytes = sum_of(a->tally.bytes),
		 b_bytes = sum_of(b->tally.bytes);
	uint64_t a_count = sum_of(a->tally.count),
		 b_count = sum_of(b->tally.count);

	if (a_bytes != b_bytes)
		return a_bytes < b_bytes ? 1 : -1;
	if (a_count != b_count)
		return a_count < b_count ? 1 : -1;
	return strcmp(a->future, b->future);
}

static struct mf_error *finish(const struct mf_scan_context *context,
			       void *scanner)
{
	struct mf_tokio *tokio = scanner;

	read_pending(tokio, context->target);
	for (size_t i = 0; i < tokio->vtables.count; i++) {
		struct mf_tokio_vtable *vtable = &tokio->vtables.items[i];
		const struct mf_tokio_tally *tally = &tokio->own[i];

		if (!sum_of(tally->count) && vtable->sure)
			tally = &tokio->inside[i];
		if (!sum_of(tally->count) ||
		    (!vtable->sure &&
		     !mf_tokio_confirm(tokio, context->target, context->image,
				       vtable)))
			continue;
		mf_tokio_name(tokio, context->target, context->image, vtable);
		add_row(tokio, vtable, tally);
	}
	mf_vec_sort(&tokio->rows, by_bytes);
	return NULL;
}

const struct mf_scanner_ops mf_scan_tasks_ops = {
	.scans_for = MF_SCAN_TASKS,
	.create = create,
	.begin = begin,
	.worker_create = worker_create,
	.window = read_window,
	.merge = merge,
	.finish = finish,
	.write = mf_tokio_write,
	.destroy = destroy,
};
