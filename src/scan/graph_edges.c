/*
 * Packs pointers: of each the words since the one before it, the difference of
 * the chunks' numbers and, unless it is 0, the offset, as numbers of variable
 * length. Each page of a window begins anew, so that one can begin to read there.
 */
#include "scan/graph_edges.h"

#include <stdlib.h>
#include <string.h>

enum {
	PAGE_SHIFT = 12,
	WORD_SHIFT = 3,
	FLAG_INSIDE = 1, /* an offset follows */
	FLAG_TAGGED = 2,
	FLAG_BITS = 2,
	VARINT_BITS = 7,
	VARINT_MORE = 1 << VARINT_BITS,
	VARINT_LAST_SHIFT = 63,
};

void mf_edges_deinit(struct mf_edges *edges)
{
	mf_vec_foreach(leaf, &edges->leaves)
		free(leaf->marks);
	mf_vec_deinit(&edges->leaves);
}

void mf_edge_writer_deinit(struct mf_edge_writer *writer)
{
	mf_vec_deinit(&writer->bytes);
	mf_vec_deinit(&writer->marks);
}

/* ---- numbers --------------------------------------------------------------- */

static void put(struct mf_edge_writer *writer, uint64_t value)
{
	while (value >= VARINT_MORE) {
		mf_vec_push(&writer->bytes, (uint8_t)(value | VARINT_MORE));
		value >>= VARINT_BITS;
	}
	mf_vec_push(&writer->bytes, (uint8_t)value);
}

/* What we wrote ourselves: a number always ends. */
static uint64_t take(const uint8_t *bytes, uint32_t *at)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift <= VARINT_LAST_SHIFT;
	     shift += VARINT_BITS) {
		uint8_t byte = bytes[(*at)++];

		value |= (uint64_t)(byte & (VARINT_MORE - 1)) << shift;
		if (MF_LIKELY(!(byte & VARINT_MORE)))
			break;
	}
	return value;
}

/* Small differences of either sign are small numbers. */
static uint64_t fold(uint32_t from, uint32_t to)
{
	return to >= from ? (uint64_t)(to - from) << 1
			  : (uint64_t)(from - to) << 1 | 1;
}

static uint32_t unfold(uint32_t from, uint64_t folded)
{
	uint32_t steps = (uint32_t)(folded >> 1);

	return folded & 1 ? from - steps : from + steps;
}

/* ---- writing --------------------------------------------------------------- */

void mf_edge_writer_begin(struct mf_edge_writer *writer, uint64_t start)
{
	writer->bytes.count = 0;
	writer->marks.count = 0;
	writer->start = start;
	writer->count = 0;
	writer->begun = false;
}

static void begin_pages(struct mf_edge_writer *writer, uint64_t page)
{
	while (writer->marks.count <= page)
		mf_vec_push(&writer->marks, (uint32_t)writer->bytes.count);
	writer->slot = writer->start + (page << PAGE_SHIFT);
	writer->node = writer->base;
}

void mf_edge_writer_add(struct mf_edge_writer *writer,
			const struct mf_edge *edge)
{
	uint64_t page = (edge->slot - writer->start) >> PAGE_SHIFT;
	unsigned flags = (edge->offset ? FLAG_INSIDE : 0) |
			 (edge->tagged ? FLAG_TAGGED : 0);

	if (!writer->begun)
		writer->base = edge->node;
	writer->begun = true;
	if (page >= writer->marks.count)
		begin_pages(writer, page);
	put(writer,
	    (edge->slot - writer->slot) >> WORD_SHIFT << FLAG_BITS | flags);
	put(writer, fold(writer->node, edge->node));
	if (edge->offset)
		put(writer, edge->offset);
	writer->slot = edge->slot;
	writer->node = edge->node;
	writer->count++;
}

static size_t leaf_size(const struct mf_edge_leaf *leaf)
{
	return sizeof(*leaf) + leaf->pages * sizeof(*leaf->marks) +
	       leaf->length;
}

static uint8_t *leaf_bytes(const struct mf_edge_leaf *leaf)
{
	return (uint8_t *)(leaf->marks + leaf->pages);
}

void mf_edge_writer_end(struct mf_edge_writer *writer, struct mf_edges *edges)
{
	struct mf_edge_leaf leaf = {
		.start = writer->start,
		.pages = (uint32_t)writer->marks.count,
		.length = (uint32_t)writer->bytes.count,
		.base = writer->base,
		.count = writer->count,
	};
	size_t marks = leaf.pages * sizeof(*leaf.marks);

	if (!writer->count)
		return;
	leaf.marks = mf_calloc(1, marks + leaf.length);
	memcpy(leaf.marks, writer->marks.items, marks);
	memcpy(leaf_bytes(&leaf), writer->bytes.items, leaf.length);
	mf_vec_push(&edges->leaves, leaf);
	edges->count += leaf.count;
	edges->memory += leaf_size(&leaf);
}

void mf_edges_take(struct mf_edges *edges, struct mf_edges *part)
{
	edges->dropped += part->dropped;
	mf_vec_foreach(leaf, &part->leaves) {
		size_t size = leaf_size(leaf);

		if (edges->limit && edges->memory + size > edges->limit) {
			edges->dropped += leaf->count;
			free(leaf->marks);
			continue;
		}
		mf_vec_push(&edges->leaves, *leaf);
		edges->count += leaf->count;
		edges->memory += size;
	}
	mf_vec_deinit(&part->leaves);
	*part = (struct mf_edges){ .limit = part->limit };
}

static int by_start(const void *a, const void *b)
{
	const struct mf_edge_leaf *left = a, *right = b;

	return (left->start > right->start) - (left->start < right->start);
}

void mf_edges_seal(struct mf_edges *edges)
{
	mf_vec_sort(&edges->leaves, by_start);
}

/* ---- reading --------------------------------------------------------------- */

static void enter_page(struct mf_edge_cursor *cursor, uint32_t page)
{
	const struct mf_edge_leaf *leaf =
		&cursor->edges->leaves.items[cursor->leaf];

	cursor->page = page;
	cursor->at = leaf->marks[page];
	cursor->end =
		page + 1 < leaf->pages ? leaf->marks[page + 1] : leaf->length;
	cursor->slot = leaf->start + ((uint64_t)page << PAGE_SHIFT);
	cursor->node = leaf->base;
}

/* To the next page that has any. */
static bool turn_page(struct mf_edge_cursor *cursor)
{
	const struct mf_edges *edges = cursor->edges;

	while (cursor->at == cursor->end) {
		if (cursor->leaf >= edges->leaves.count)
			return false;
		if (cursor->page + 1 < edges->leaves.items[cursor->leaf].pages)
			enter_page(cursor, cursor->page + 1);
		else if (++cursor->leaf < edges->leaves.count)
			enter_page(cursor, 0);
		else
			return false;
	}
	return true;
}

bool mf_edge_next(struct mf_edge_cursor *cursor, struct mf_edge *ret)
{
	const uint8_t *bytes;
	uint64_t head;

	if (MF_UNLIKELY(cursor->at == cursor->end) && !turn_page(cursor))
		return false;
	bytes = leaf_bytes(&cursor->edges->leaves.items[cursor->leaf]);
	head = take(bytes, &cursor->at);
	cursor->slot += head >> FLAG_BITS << WORD_SHIFT;
	cursor->node = unfold(cursor->node, take(bytes, &cursor->at));
	*ret = (struct mf_edge){
		.slot = cursor->slot,
		.node = cursor->node,
		.tagged = head & FLAG_TAGGED,
		.offset = head & FLAG_INSIDE ? take(bytes, &cursor->at) : 0,
	};
	return true;
}

/* The last leaf that begins at or below ADDRESS, or the first. */
static size_t leaf_at(const struct mf_edges *edges, uint64_t address)
{
	size_t first = 0, count = edges->leaves.count;

	while (count > 1) {
		size_t half = count / 2;

		if (edges->leaves.items[first + half].start <= address)
			first += half;
		count -= half;
	}
	return first;
}

static void begin_at(struct mf_edge_cursor *cursor, uint64_t address)
{
	const struct mf_edge_leaf *leaf =
		&cursor->edges->leaves.items[cursor->leaf];
	uint64_t page = 0;

	if (address > leaf->start)
		page = (address - leaf->start) >> PAGE_SHIFT;
	enter_page(cursor, (uint32_t)MF_MIN(page, leaf->pages - 1));
}

struct mf_edge_cursor mf_edges_from(const struct mf_edges *edges,
				    uint64_t address)
{
	struct mf_edge_cursor cursor = { .edges = edges };
	struct mf_edge_cursor before;
	struct mf_edge edge;

	if (!edges->leaves.count)
		return cursor;
	cursor.leaf = leaf_at(edges, address);
	begin_at(&cursor, address);
	do
		before = cursor;
	while (mf_edge_next(&cursor, &edge) && edge.slot < address);
	return before;
}
