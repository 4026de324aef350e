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
	RUNNING = 1 << 0,
	COMPLETE = 1 << 1,
	NOTIFIED = 1 << 2,
	REFERENCE_SHIFT = 6,
};

static const uint64_t references_max = UINT64_C(1) << 32;
static const uint64_t user_end = UINT64_C(1) << 56;

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

static void tally_cell(struct mf_tokio_tally *tally, enum mf_tokio_state state,
		       uint64_t bytes, uint64_t address)
{
	tally->count[state]++;
	tally->bytes[state] += bytes;
	if (!tally->example || address < tally->example)
		tally->example = address;
}

void mf_tokio_tally_add(struct mf_tokio_tally *sum,
			const struct mf_tokio_tally *part)
{
	for (size_t i = 0; i < MF_TOKIO_STATES; i++) {
		sum->count[i] += part->count[i];
		sum->bytes[i] += part->bytes[i];
	}
	if (part->example && (!sum->example || part->example < sum->example))
		sum->example = part->example;
}

uint64_t mf_tokio_sum(const uint64_t parts[MF_TOKIO_STATES])
{
	uint64_t sum = 0;

	for (size_t i = 0; i < MF_TOKIO_STATES; i++)
		sum += parts[i];
	return sum;
}

struct tallies {
	struct mf_tokio_tally *own, *inside;
	struct mf_tokio_boxes *boxes;
};

/* HEADER, and STAGE where its future may be boxed, are those of CELL. A cell
 * without a chunk around it is as large as its vtable says. */
static void count_in(const struct mf_tokio *tokio,
		     const struct tallies *tallies,
		     const struct mf_tokio_pending *cell,
		     const uint64_t *header, const uint64_t *stage)
{
	const struct mf_tokio_vtable *vtable =
		&tokio->vtables.items[cell->vtable];
	bool own =
		!cell->chunk || cell->header - cell->chunk <= CHUNK_HEADER_MAX;
	uint64_t bytes = vtable->trailer ? vtable->trailer + TRAILER_BYTES : 0;
	struct mf_tokio_tally *tally = NULL;
	enum mf_tokio_state state;

	if (!mf_tokio_read_header(vtable, header, &state))
		return;
	if (cell->chunk && own)
		bytes = cell->size;
	if (own && vtable->boxed && stage)
		tally = mf_tokio_boxes_find(tallies->boxes, tokio, cell->vtable,
					    stage);
	if (!tally)
		tally = own ? &tallies->own[cell->vtable]
			    : &tallies->inside[cell->vtable];
	tally_cell(tally, state, bytes, cell->header);
}

/* ---- windows ------------------------------------------------------------------ */

struct worker {
	const struct mf_tokio *tokio;
	struct tallies tallies;
	struct mf_tokio_boxes boxes;
	MF_VEC(struct mf_tokio_pending) pending;
};

static bool is_in_use(const struct mf_scan_piece *piece)
{
	return piece->kind == MF_KIND_IN_USE ||
	       piece->kind == MF_KIND_MMAPPED || piece->kind == MF_KINDS;
}

/* Where the words of a boxed future lie in the window; false: not in PIECE. */
static bool has_stage(const struct mf_tokio_vtable *vtable,
		      const struct mf_scan_piece *piece, int64_t start)
{
	return vtable->boxed &&
	       start + vtable->stage + (int64_t)MF_TOKIO_STAGE * WORD <=
		       (int64_t)piece->end;
}

/* The word at offset AT points at vtable number INDEX. */
static void look_at(struct worker *worker, const struct mf_scan_window *window,
		    const struct mf_scan_piece *piece, uint32_t at,
		    uint64_t index)
{
	const struct mf_tokio_vtable *vtable =
		&worker->tokio->vtables.items[index];
	int64_t start =
		(int64_t)at - (int64_t)vtable->release->vtable_word * WORD;
	int64_t end = start + (int64_t)vtable->release->header * WORD;
	uint64_t header[MF_TOKIO_HEADER], stage[MF_TOKIO_STAGE];
	bool staged = has_stage(vtable, piece, start);
	struct mf_tokio_pending cell = {
		.header = window->address + (uint64_t)start,
		.chunk = piece->chunk,
		.size = piece->size,
		.vtable = (uint32_t)index,
	};

	if ((start < piece->start && piece->begins) ||
	    (end > piece->end && piece->ends))
		return;
	if (start < piece->start || end > piece->end ||
	    (vtable->boxed && !staged && !piece->ends)) {
		if (worker->pending.count < PENDING_MAX)
			mf_vec_push(&worker->pending, cell);
		return;
	}
	memcpy(header, window->bytes + start, (size_t)(end - start));
	if (staged)
		memcpy(stage, window->bytes + start + vtable->stage,
		       sizeof(stage));
	count_in(worker->tokio, &worker->tallies, &cell, header,
		 staged ? stage : NULL);
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
	mf_tokio_close(scanner);
}

void mf_tokio_close(struct mf_tokio *tokio)
{
	if (!tokio)
		return;
	mf_follower_destroy(tokio->follower);
	mf_vec_deinit(&tokio->vtables);
	mf_vec_deinit(&tokio->pending);
	mf_vec_deinit(&tokio->rows);
	mf_points_deinit(&tokio->points);
	mf_tokio_boxes_deinit(&tokio->boxes);
	mf_rust_vtables_destroy(tokio->traits);
	free(tokio->own);
	free(tokio->inside);
	mf_pool_deinit(&tokio->pool);
	free(tokio);
}

/* All that can be named before the target is held is named then. */
static struct mf_error *prepare(struct mf_tokio *tokio,
				struct mf_target *target,
				struct mf_image *image)
{
	MF_TRY(mf_tokio_find(tokio, target, image));
	mf_tokio_name_all(tokio, target, image);
	return mf_tokio_boxes_prepare(tokio, target, image);
}

static struct mf_error *create(const struct mf_scan_context *context,
			       void **ret)
{
	struct mf_tokio *tokio = mf_new(struct mf_tokio);
	struct mf_error *error = NULL;

	if (context->image)
		error = prepare(tokio, context->target, context->image);
	if (error) {
		destroy(tokio);
		return error;
	}
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
	mf_tokio_boxes_deinit(&tokio->boxes);
	tokio->pending.count = 0;
	tokio->rows.count = 0;
	return NULL;
}

static void *worker_create(void *scanner)
{
	const struct mf_tokio *tokio = scanner;
	struct worker *worker = mf_new(struct worker);

	worker->tokio = tokio;
	worker->tallies = (struct tallies){
		.own = new_tallies(tokio),
		.inside = new_tallies(tokio),
		.boxes = &worker->boxes,
	};
	return worker;
}

static void merge(void *scanner, void *data)
{
	struct mf_tokio *tokio = scanner;
	struct worker *worker = data;

	for (size_t i = 0; i < tokio->vtables.count; i++) {
		mf_tokio_tally_add(&tokio->own[i], &worker->tallies.own[i]);
		mf_tokio_tally_add(&tokio->inside[i],
				   &worker->tallies.inside[i]);
	}
	mf_tokio_boxes_merge(&tokio->boxes, &worker->boxes);
	for (size_t i = 0; i < worker->pending.count; i++)
		mf_vec_push(&tokio->pending, worker->pending.items[i]);
	mf_tokio_boxes_deinit(&worker->boxes);
	mf_vec_deinit(&worker->pending);
	free(worker->tallies.own);
	free(worker->tallies.inside);
	free(worker);
}

/* A chunk's user has the first word of the next one, too. */
static bool stage_is_inside(const struct mf_tokio_vtable *vtable,
			    const struct mf_tokio_pending *cell)
{
	return !cell->chunk ||
	       cell->header + vtable->stage +
			       sizeof(uint64_t) * MF_TOKIO_STAGE <=
		       cell->chunk + cell->size + WORD;
}

static void read_pending(struct mf_tokio *tokio, struct mf_target *target)
{
	const struct tallies tallies = { tokio->own, tokio->inside,
					 &tokio->boxes };

	for (size_t i = 0; i < tokio->pending.count; i++) {
		const struct mf_tokio_pending *cell = &tokio->pending.items[i];
		const struct mf_tokio_vtable *vtable =
			&tokio->vtables.items[cell->vtable];
		uint64_t header[MF_TOKIO_HEADER], stage[MF_TOKIO_STAGE];
		bool staged =
			vtable->boxed && stage_is_inside(vtable, cell) &&
			mf_target_try_read(target, cell->header + vtable->stage,
					   stage, sizeof(stage));

		if (mf_target_try_read(target, cell->header, header,
				       (size_t)vtable->release->header * WORD))
			count_in(tokio, &tallies, cell, header,
				 staged ? stage : NULL);
	}
}

static struct mf_error *finish(const struct mf_scan_context *context,
			       void *scanner)
{
	struct mf_tokio *tokio = scanner;

	read_pending(tokio, context->target);
	mf_tokio_make_rows(tokio, context);
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
