/*
 * The walked heaps chunk by chunk: each segment's log joined with the marks of
 * its links, and the mmapped chunks between the segments.
 */
#include "base/search.h"
#include "heap/glibc.h"

enum {
	LINK_PAGE_SHIFT = 12, /* of mf_link_table.pages */
	MARK_STEP = 64,	      /* chunks from one mark to the next */
};

struct mf_glibc_cursor mf_glibc_cursor(const struct mf_glibc_segment *segment)
{
	return (struct mf_glibc_cursor){
		.segment = segment,
		.address = segment->start,
	};
}

/* Chunks and links are both in address order: the next link is the next
 * chunk's, or that of one further on. */
static const struct mf_link *link_of(struct mf_glibc_cursor *cursor)
{
	const struct mf_link_table *table = &cursor->segment->links;
	size_t page = (cursor->address - table->start) >> LINK_PAGE_SHIFT;
	const struct mf_link *link;

	if (page >= table->pages.count)
		return NULL;
	if (cursor->link < table->pages.items[page])
		cursor->link = table->pages.items[page];
	if (cursor->link >= table->links.count ||
	    (page + 1 < table->pages.count &&
	     cursor->link >= table->pages.items[page + 1]))
		return NULL;
	link = &table->links.items[cursor->link];
	if (link->place != (cursor->address / MF_GRANULE & UINT8_MAX))
		return NULL;
	cursor->link++;
	return link;
}

static enum mf_chunk_kind kind_of(enum mf_chunk_state state,
				  const struct mf_link *link)
{
	static const enum mf_chunk_kind kinds[MF_CHUNK_STATES] = {
		[MF_CHUNK_IN_USE] = MF_KIND_IN_USE,
		[MF_CHUNK_FREE] = MF_KIND_FREE,
		[MF_CHUNK_TOP] = MF_KIND_TOP,
		[MF_CHUNK_OVERHEAD] = MF_KIND_OVERHEAD,
		[MF_CHUNK_UNREAD] = MF_KIND_UNREAD,
	};
	static const enum mf_chunk_kind marks[] = {
		[MF_LINK_NONE] = MF_KIND_IN_USE,
		[MF_LINK_FAST] = MF_KIND_FASTBIN,
		[MF_LINK_TCACHE] = MF_KIND_TCACHE,
		[MF_LINK_UNSORTED] = MF_KIND_UNSORTED,
	};

	return link && link->mark ? marks[link->mark] : kinds[state];
}

bool mf_glibc_next_chunk(struct mf_glibc_cursor *cursor,
			 struct mf_glibc_chunk *ret)
{
	enum mf_chunk_state state;

	if (!mf_chunk_log_next(&cursor->segment->log, &cursor->offset,
			       &ret->size, &state))
		return false;
	ret->address = cursor->address;
	ret->kind = kind_of(state, link_of(cursor));
	cursor->address += ret->size;
	return true;
}

/* ---- from anywhere ------------------------------------------------------- */

void mf_glibc_note_mark(struct mf_glibc_segment *segment,
			const struct mf_glibc_cursor *cursor, size_t index)
{
	if (index % MARK_STEP == 0)
		mf_vec_push(&segment->marks, (struct mf_glibc_mark){
						     cursor->address,
						     cursor->offset,
						     cursor->link,
					     });
}

/* Before the last marked chunk that begins at ADDRESS or before it. */
static struct mf_glibc_cursor
cursor_near(const struct mf_glibc_segment *segment, uint64_t address)
{
	size_t begun =
		mf_count_leading(segment->marks.items, segment->marks.count,
				 mark, mark->address <= address);
	const struct mf_glibc_mark *last;

	if (!begun)
		return mf_glibc_cursor(segment);
	last = &segment->marks.items[begun - 1];
	return (struct mf_glibc_cursor){
		.segment = segment,
		.address = last->address,
		.offset = last->offset,
		.link = last->link,
	};
}

/* The first segment that ends behind ADDRESS. */
static size_t segment_near(const struct mf_glibc *glibc, uint64_t address)
{
	return mf_range_after(glibc->segments.items, glibc->segments.count,
			      address);
}

/* The first mmapped chunk that ends behind ADDRESS. */
static size_t mmapped_near(const struct mf_glibc *glibc, uint64_t address)
{
	return mf_count_leading(glibc->mmapped_chunks.items,
				glibc->mmapped_chunks.count, chunk,
				chunk->address + chunk->size <= address);
}

/* ---- all of them, for the door -------------------------------------------- */

static int by_address(const void *a, const void *b)
{
	const struct mf_glibc_chunk *left = a, *right = b;

	return (left->address > right->address) -
	       (left->address < right->address);
}

void mf_glibc_sort_mmapped(struct mf_glibc *glibc)
{
	mf_vec_sort(&glibc->mmapped_chunks, by_address);
}

void mf_glibc_note_cached(struct mf_glibc *glibc, uint64_t address)
{
	const struct mf_glibc_chunk key = { .address = address };
	struct mf_glibc_chunk *chunk = NULL;

	if (glibc->mmapped_chunks.count)
		chunk = bsearch(&key, glibc->mmapped_chunks.items,
				glibc->mmapped_chunks.count, sizeof(key),
				by_address);
	if (chunk)
		chunk->kind = MF_KIND_TCACHE;
}

struct visit {
	const struct mf_allocator_instance *instance;
	const struct mf_glibc *glibc;
	struct mf_chunk_range range;
	mf_chunk_visitor visitor;
	void *data;
	size_t mmapped; /* of those, the next */
};

/* A chunk in use has its successor's prev_size too, one in a mapping of its own
 * has no successor. */
static uint64_t usable_size(const struct mf_glibc_chunk *chunk, bool mapped)
{
	switch (chunk->kind) {
	case MF_KIND_IN_USE:
	case MF_KIND_TCACHE:
	case MF_KIND_FASTBIN:
		return chunk->size -
		       (mapped ? MF_GLIBC_CHUNK_HEADER : MF_GLIBC_SIZE_FIELD);
	case MF_KIND_FREE:
	case MF_KIND_UNSORTED:
	case MF_KIND_TOP:
	case MF_KIND_MMAPPED:
		return chunk->size - MF_GLIBC_CHUNK_HEADER;
	default:
		return 0;
	}
}

static bool show(const struct visit *visit, const struct mf_glibc_chunk *chunk,
		 unsigned arena)
{
	const struct mf_chunk shown = {
		.address = chunk->address,
		.size = chunk->size,
		.user = chunk->address + MF_GLIBC_CHUNK_HEADER,
		.usable = usable_size(chunk, arena == MF_NO_ARENA),
		.kind = chunk->kind,
		.arena = arena,
		.allocator = &visit->instance->info,
	};

	if (chunk->address >= visit->range.end ||
	    chunk->address + chunk->size <= visit->range.start)
		return true;
	return visit->visitor(&shown, visit->data);
}

static bool show_mmapped(struct visit *visit, uint64_t before)
{
	const struct mf_glibc *glibc = visit->glibc;

	for (; visit->mmapped < glibc->mmapped_chunks.count; visit->mmapped++) {
		const struct mf_glibc_chunk *chunk =
			&glibc->mmapped_chunks.items[visit->mmapped];

		if (chunk->address >= MF_MIN(before, visit->range.end))
			break;
		if (!show(visit, chunk, MF_NO_ARENA))
			return false;
	}
	return true;
}

static bool show_segment(const struct visit *visit,
			 const struct mf_glibc_segment *segment)
{
	struct mf_glibc_cursor cursor =
		cursor_near(segment, visit->range.start);
	struct mf_glibc_chunk chunk;

	while (mf_glibc_next_chunk(&cursor, &chunk)) {
		if (chunk.address >= visit->range.end)
			break;
		if (!show(visit, &chunk, segment->arena))
			return false;
	}
	return true;
}

bool mf_glibc_each_chunk(const struct mf_allocator_instance *instance,
			 struct mf_chunk_range range, mf_chunk_visitor visitor,
			 void *data)
{
	const struct mf_glibc *glibc = instance->state;
	struct visit visit = {
		.instance = instance,
		.glibc = glibc,
		.range = range,
		.visitor = visitor,
		.data = data,
		.mmapped = mmapped_near(glibc, range.start),
	};

	for (size_t i = segment_near(glibc, range.start);
	     i < glibc->segments.count; i++) {
		const struct mf_glibc_segment *segment =
			&glibc->segments.items[i];

		if (segment->start >= range.end)
			break;
		if (!show_mmapped(&visit, segment->start) ||
		    !show_segment(&visit, segment))
			return false;
	}
	return show_mmapped(&visit, UINT64_MAX);
}
