/*
 * What is scanned: ranges are cut where regions end, read as far as their pages
 * are present, and divided into pieces, each of one chunk; or of a whole region
 * where nobody knows of chunks.
 */
#include <stdlib.h>

#include "base/search.h"
#include "base/units.h"
#include "scan/engine.h"

enum {
	SPANS = 256, /* of a batch, about: each has its own slack */
	CAPACITY = MF_SCAN_WINDOW + SPANS * MF_SCAN_SLACK,
	HEADER = 16,  /* of glibc's chunks: sizes of two of them */
	BORROWED = 8, /* a chunk in use has the next one's first word, too */
	FENCE = 64,   /* no fenceposts are larger */
	SKIP_STEP = 1 << 20,
	LEAST_PAGE = 1 << 12,
};

/* ---- stretches ----------------------------------------------------------- */

static bool see_any(const struct mf_chunk *chunk, void *data)
{
	(void)chunk;
	*(bool *)data = true;
	return false;
}

static bool has_chunks(const struct mf_heap *heap, uint64_t start, uint64_t end)
{
	bool any = false;

	if (heap)
		mf_heap_each_chunk(heap, start, end, see_any, &any);
	return any;
}

/* Others than memory: to read these has effects, or cannot be done. */
static bool is_readable(const struct mf_region *region)
{
	return region->class != MF_CLASS_DEVICE &&
	       region->class != MF_CLASS_VVAR &&
	       region->class != MF_CLASS_VSYSCALL;
}

static bool see_first(const struct mf_chunk *chunk, void *data)
{
	*(uint64_t *)data = chunk->address;
	return false;
}

/*
 * Where chunks begin in [START, END) of REGION. A program without an
 * interpreter has its main thread's TLS at the beginning of the break: it may
 * end in the page of malloc's first chunk.
 */
static uint64_t begin_of_chunks(const struct mf_scan_plan *plan,
				const struct mf_region *region, uint64_t start,
				uint64_t end)
{
	const struct mf_heap *heap = plan->input->heap;
	uint64_t first = start;

	if (!heap || region->class != MF_CLASS_HEAP)
		return start;
	mf_heap_each_chunk(heap, start, end, see_first, &first);
	return first > start && !has_chunks(heap, start, first) ? first : start;
}

static void add_stretch(struct mf_scan_plan *plan, uint64_t start, uint64_t end,
			uint32_t group)
{
	if (start >= end)
		return;
	mf_vec_push(
		&plan->stretches,
		(struct mf_scan_stretch){
			.start = start,
			.end = end,
			.group = group,
			.chunked = has_chunks(plan->input->heap, start, end),
		});
}

static void add_part(struct mf_scan_plan *plan, const struct mf_region *region,
		     const struct mf_scan_range *range)
{
	uint64_t start = MF_MAX(range->start, region->start);
	uint64_t end = MF_MIN(range->end, region->end);
	uint64_t chunks = begin_of_chunks(plan, region, start, end);

	add_stretch(plan, start, chunks, range->group);
	add_stretch(plan, chunks, end, range->group);
}

static void add_range(struct mf_scan_plan *plan,
		      const struct mf_scan_range *range)
{
	size_t count;
	const struct mf_region *regions =
		mf_space_regions(plan->input->space, &count);

	for (size_t i = mf_range_after(regions, count, range->start);
	     i < count && regions[i].start < range->end; i++)
		if (is_readable(&regions[i]))
			add_part(plan, &regions[i], range);
}

void mf_scan_plan_init(struct mf_scan_plan *plan,
		       const struct mf_scan_input *input, bool free_too)
{
	*plan = (struct mf_scan_plan){
		.input = input,
		.free_too = free_too,
		.page_size = mf_target_info(input->target)->page_size,
	};
	for (size_t i = 0; i < input->range_count; i++)
		add_range(plan, &input->ranges[i]);
}

void mf_scan_plan_deinit(struct mf_scan_plan *plan)
{
	mf_vec_deinit(&plan->stretches);
}

/* ---- batches ------------------------------------------------------------- */

uint8_t *mf_scan_bytes_create(void)
{
	return mf_calloc_aligned(MF_SCAN_SLACK, CAPACITY);
}

void mf_scan_batch_init(struct mf_scan_batch *batch)
{
	*batch = (struct mf_scan_batch){ 0 };
	batch->flags = mf_new_array(CAPACITY / LEAST_PAGE, uint8_t);
}

void mf_scan_batch_deinit(struct mf_scan_batch *batch)
{
	free(batch->flags);
	mf_vec_deinit(&batch->spans);
	mf_vec_deinit(&batch->slices);
	*batch = (struct mf_scan_batch){ 0 };
}

static uint64_t page_of(const struct mf_scan_plan *plan, uint64_t address)
{
	return address & ~((uint64_t)plan->page_size - 1);
}

/* No range reaches into the last page there is. */
static uint64_t page_end_of(const struct mf_scan_plan *plan, uint64_t address)
{
	return page_of(plan, address + plan->page_size - 1);
}

/* As many stretches as lie side by side, in at most ROOM bytes. */
static bool next_span(struct mf_scan_plan *plan, uint64_t room,
		      struct mf_scan_span *ret)
{
	const struct mf_scan_stretch *stretch;
	size_t i = plan->next;

	if (i == plan->stretches.count)
		return false;
	stretch = &plan->stretches.items[i];
	ret->stretch = i;
	ret->start = page_of(plan, MF_MAX(stretch->start, plan->at));
	ret->end = ret->start;
	for (; i < plan->stretches.count; i++, stretch++) {
		uint64_t start = page_of(plan, stretch->start);
		uint64_t end = page_end_of(plan, stretch->end);

		if (start > ret->end && i != ret->stretch)
			break;
		ret->end = MF_MAX(ret->end, end);
		if (ret->end - ret->start > room) {
			ret->end = ret->start + room;
			break;
		}
	}
	plan->next = i;
	plan->at = ret->end;
	return true;
}

static size_t pages_of(const struct mf_scan_plan *plan,
		       const struct mf_scan_span *span)
{
	return (span->end - span->start) / plan->page_size;
}

static bool may_be_there(uint8_t flags)
{
	return flags & (MF_PAGE_PRESENT | MF_PAGE_SWAPPED) &&
	       !(flags & (MF_PAGE_ZERO | MF_PAGE_UNREADABLE));
}

static bool is_there(uint8_t flags)
{
	return flags & MF_PAGE_PRESENT && may_be_there(flags);
}

static void count_missed(struct mf_scan_plan *plan, const uint8_t *flags,
			 size_t pages)
{
	for (size_t i = 0; i < pages; i++) {
		if (is_there(flags[i]))
			continue;
		if (flags[i] & MF_PAGE_UNREADABLE)
			plan->missed.unreadable += plan->page_size;
		else if (flags[i] & MF_PAGE_SWAPPED)
			plan->missed.swapped += plan->page_size;
	}
}

static bool is_any_there(const uint8_t *flags, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		if (may_be_there(flags[i]))
			return true;
	return false;
}

/* SPAN comes next: it takes its place in BATCH, if anything is there. */
static struct mf_error *add_span(struct mf_scan_plan *plan,
				 struct mf_scan_batch *batch,
				 struct mf_scan_span *span)
{
	size_t pages = pages_of(plan, span);

	span->offset = batch->used;
	span->flags = batch->flags + batch->pages;
	MF_TRY(mf_target_residency(plan->input->target, span->start, pages,
				   span->flags));
	plan->was_absent = !is_any_there(span->flags, pages);
	if (plan->was_absent) {
		count_missed(plan, span->flags, pages);
		return NULL;
	}
	mf_vec_push(&batch->spans, *span);
	batch->used += (uint32_t)(span->end - span->start) + MF_SCAN_SLACK;
	batch->pages += (uint32_t)pages;
	return NULL;
}

/* The runs of present pages in SPAN, which was read. */
static void add_slices(const struct mf_scan_plan *plan,
		       struct mf_scan_batch *batch,
		       const struct mf_scan_span *span)
{
	size_t count = pages_of(plan, span), last;
	size_t stretch = span->stretch;

	for (size_t first = 0; first < count; first = last) {
		bool there = is_there(span->flags[first]);
		uint64_t address = span->start + first * plan->page_size;
		uint32_t offset = span->offset + first * plan->page_size;

		for (last = first + 1; last < count; last++)
			if (is_there(span->flags[last]) != there)
				break;
		if (!there) {
			/* also where a file's bytes were filled in */
			memset(batch->bytes + offset, 0, MF_SCAN_SLACK);
			continue;
		}
		while (plan->stretches.items[stretch].end <= address)
			stretch++;
		mf_vec_push(&batch->slices,
			    (struct mf_scan_slice){
				    .address = address,
				    .offset = offset,
				    .size = (last - first) * plan->page_size,
				    .stretch = stretch,
			    });
	}
}

static struct mf_error *read_span(struct mf_scan_plan *plan,
				  struct mf_scan_batch *batch,
				  const struct mf_scan_span *span)
{
	size_t pages = pages_of(plan, span);
	uint8_t *bytes = batch->bytes + span->offset;

	MF_TRY(mf_target_read_resident(plan->input->target, span->start, pages,
				       bytes, span->flags));
	memset(bytes + (span->end - span->start), 0, MF_SCAN_SLACK);
	count_missed(plan, span->flags, pages);
	add_slices(plan, batch, span);
	return NULL;
}

static bool is_absent(struct mf_target *target, uint64_t start, uint64_t end)
{
	struct mf_page_counts counts;
	mf_auto_error struct mf_error *error =
		mf_target_count_pages(target, start, end, &counts);

	return !error && !counts.present && !counts.swapped;
}

/*
 * Reservations have terabytes: where nothing was, steps double as long as
 * nothing is.
 */
static void skip_absent(struct mf_scan_plan *plan)
{
	const struct mf_scan_stretch *stretch;
	uint64_t at, end, step = SKIP_STEP;

	if (!plan->was_absent || plan->next == plan->stretches.count)
		return;
	plan->was_absent = false;
	stretch = &plan->stretches.items[plan->next];
	at = page_of(plan, MF_MAX(plan->at, stretch->start));
	end = page_end_of(plan, stretch->end);
	while (at < end) {
		uint64_t part = MF_MIN(end - at, step);

		if (is_absent(plan->input->target, at, at + part)) {
			at += part;
			step *= 2;
		} else if (step == SKIP_STEP) {
			break;
		} else {
			step /= 2;
		}
	}
	plan->at = at;
	if (at >= end)
		plan->next++;
}

/* Bytes of whole pages that BATCH has room for, with slack behind them. */
static uint64_t room_in(const struct mf_scan_plan *plan,
			const struct mf_scan_batch *batch)
{
	uint64_t taken = batch->used + (uint64_t)MF_SCAN_SLACK;

	if (taken >= CAPACITY)
		return 0;
	return page_of(plan,
		       MF_MIN(CAPACITY - taken, (uint64_t)MF_SCAN_WINDOW));
}

struct mf_error *mf_scan_plan_next(struct mf_scan_plan *plan,
				   struct mf_scan_batch *batch, bool *more)
{
	struct mf_scan_span span;

	batch->used = batch->pages = 0;
	batch->spans.count = batch->slices.count = 0;
	for (;;) {
		uint64_t room = room_in(plan, batch);

		skip_absent(plan);
		if (!room || !next_span(plan, room, &span))
			break;
		MF_TRY(add_span(plan, batch, &span));
	}
	*more = batch->spans.count != 0;
	return NULL;
}

struct mf_error *mf_scan_plan_fill(struct mf_scan_plan *plan,
				   struct mf_scan_batch *batch, uint8_t *bytes)
{
	batch->bytes = bytes;
	mf_vec_foreach(span, &batch->spans)
		MF_TRY(read_span(plan, batch, span));
	return NULL;
}

/* ---- pieces -------------------------------------------------------------- */

struct cut {
	const struct mf_scan_plan *plan;
	const struct mf_scan_slice *slice;
	struct mf_scan_pieces *pieces;
	uint32_t group;
	uint64_t start, end; /* of the slice's part in one stretch */
	const struct mf_allocator *headed; /* whose chunks have headers */
};

static uint64_t add_saturated(uint64_t left, uint64_t right)
{
	uint64_t sum;

	return __builtin_add_overflow(left, right, &sum) ? UINT64_MAX : sum;
}

static bool is_wanted(const struct cut *cut, enum mf_chunk_kind kind)
{
	switch (kind) {
	case MF_KIND_IN_USE:
	case MF_KIND_MMAPPED:
	case MF_KIND_UNREAD: /* nobody knows that it is free */
		return true;
	case MF_KIND_OVERHEAD:
		return false;
	default:
		return cut->plan->free_too;
	}
}

/* What its user may write to: [*START, *END). */
static void find_user_bytes(struct cut *cut, const struct mf_chunk *chunk,
			    uint64_t *start, uint64_t *end)
{
	bool borrows = chunk->kind == MF_KIND_IN_USE ||
		       chunk->kind == MF_KIND_TCACHE ||
		       chunk->kind == MF_KIND_FASTBIN;

	*start = chunk->address;
	*end = add_saturated(chunk->address, chunk->size);
	if (cut->headed != chunk->allocator &&
	    strcmp(chunk->allocator->name, "glibc") == 0)
		cut->headed = chunk->allocator;
	if (cut->headed != chunk->allocator || chunk->kind == MF_KIND_UNREAD)
		return;
	*start = add_saturated(*start, HEADER);
	if (borrows)
		*end = add_saturated(*end, BORROWED);
}

/* Pieces never overlap, whatever a damaged heap says of its chunks. */
static uint64_t end_of_last(const struct cut *cut)
{
	const struct mf_scan_pieces *pieces = cut->pieces;

	if (!pieces->list.count)
		return cut->slice->address;
	return cut->slice->address +
	       pieces->list.items[pieces->list.count - 1].end;
}

static void add_piece(struct cut *cut, uint64_t start, uint64_t end,
		      const struct mf_scan_piece *like)
{
	struct mf_scan_piece piece = *like;
	uint64_t least = MF_MAX(cut->start, end_of_last(cut));
	uint64_t from = MF_MAX(start, least);
	uint64_t to = MF_MIN(end, cut->end);

	if (from >= to)
		return;
	piece.start = (uint32_t)(from - cut->slice->address);
	piece.end = (uint32_t)(to - cut->slice->address);
	piece.group = cut->group;
	piece.begins = from == start;
	piece.ends = to == end;
	mf_vec_push(&cut->pieces->list, piece);
}

/* Where others moved the break: their memory, in the middle of malloc's. */
static bool is_others(const struct mf_chunk *chunk)
{
	return chunk->kind == MF_KIND_OVERHEAD && chunk->size > FENCE &&
	       !chunk->arena && strcmp(chunk->allocator->name, "glibc") == 0;
}

static bool add_chunk(const struct mf_chunk *chunk, void *data)
{
	struct cut *cut = data;
	struct mf_chunk others;
	uint64_t start, end;

	if (MF_UNLIKELY(is_others(chunk))) {
		others = *chunk;
		others.kind = MF_KIND_UNREAD;
		chunk = &others;
	}
	if (!is_wanted(cut, chunk->kind))
		return true;
	find_user_bytes(cut, chunk, &start, &end);
	add_piece(cut, start, end,
		  &(struct mf_scan_piece){
			  .kind = (uint8_t)chunk->kind,
			  .header = (uint8_t)(start - chunk->address),
			  .chunk = chunk->address,
			  .size = chunk->size,
		  });
	return true;
}

/* A chunk's last word may lie in the next chunk's header; so it is asked for
 * chunks that end a word before the part. */
static void cut_stretch(struct cut *cut, const struct mf_scan_stretch *stretch)
{
	uint64_t before = MF_MIN(cut->start, (uint64_t)BORROWED);

	if (stretch->chunked)
		mf_heap_each_chunk(cut->plan->input->heap, cut->start - before,
				   cut->end, add_chunk, cut);
	else
		add_piece(cut, stretch->start, stretch->end,
			  &(struct mf_scan_piece){
				  .kind = MF_KINDS,
				  .size = stretch->end - stretch->start,
			  });
}

struct mf_scan_window mf_scan_plan_cut(const struct mf_scan_plan *plan,
				       const struct mf_scan_batch *batch,
				       const struct mf_scan_slice *slice,
				       struct mf_scan_pieces *pieces)
{
	struct cut cut = { .plan = plan, .slice = slice, .pieces = pieces };

	pieces->list.count = 0;
	for (size_t i = slice->stretch; i < plan->stretches.count; i++) {
		const struct mf_scan_stretch *stretch =
			&plan->stretches.items[i];

		if (stretch->start >= slice->address + slice->size)
			break;
		cut.group = stretch->group;
		cut.start = MF_MAX(stretch->start, slice->address);
		cut.end = MF_MIN(stretch->end, slice->address + slice->size);
		cut_stretch(&cut, stretch);
	}
	return (struct mf_scan_window){
		.address = slice->address,
		.bytes = batch->bytes + slice->offset,
		.size = slice->size,
		.pieces = pieces->list.items,
		.piece_count = (uint32_t)pieces->list.count,
	};
}

void mf_scan_missed_note(const struct mf_scan_missed *missed,
			 struct mf_target *target, const char *part,
			 const char *what)
{
	char size[MF_UNIT_TEXT];

	if (missed->swapped)
		mf_target_note_partial(target, part,
				       "%s that may hold %s are in swap: "
				       "--read-swapped brings them in",
				       mf_format_size(size, missed->swapped),
				       what);
	if (missed->unreadable)
		mf_target_note_partial(
			target, part, "%s that may hold %s could not be read",
			mf_format_size(size, missed->unreadable), what);
}
