/*
 * Packs chunks into extents (chunks side by side) of blocks (2 KiB): of each
 * node its place in its block, of each block its first node. What is large ends
 * an extent, so that memory goes by the number of chunks, not by their sizes.
 */
#include "scan/graph_nodes.h"

#include <stdlib.h>
#include <string.h>

#include "base/units.h"

enum {
	BLOCK_SHIFT = 11, /* 256 granules, so that a place is a byte */
	GRANULE_SHIFT = 3,
	LARGE = 64 * MF_KIB, /* such a chunk is an extent of its own */
	HEADER_GLIBC = 16,
	BORROWED = 8, /* a chunk in use has the next one's first word, too */
	FENCE = 64,   /* no fenceposts are larger */
	WORD_BITS = 64,
};

#define NODES_MAX (UINT32_MAX - 1)
#define NO_BLOCK  UINT32_MAX

void mf_nodes_init(struct mf_nodes *nodes)
{
	*nodes = (struct mf_nodes){ .low = UINT64_MAX };
}

void mf_nodes_deinit(struct mf_nodes *nodes)
{
	mf_vec_deinit(&nodes->extents);
	mf_vec_deinit(&nodes->spans);
	mf_vec_deinit(&nodes->places);
	mf_vec_deinit(&nodes->blocks);
	mf_vec_deinit(&nodes->used);
	free(nodes->granules);
	nodes->granules = NULL;
}

/* ---- adding ---------------------------------------------------------------- */

static uint64_t block_of(const struct mf_node_extent *extent, uint64_t address)
{
	return (address >> BLOCK_SHIFT) - (extent->start >> BLOCK_SHIFT);
}

static struct mf_node_extent *last_extent(struct mf_nodes *nodes)
{
	return &nodes->extents.items[nodes->extents.count - 1];
}

/* Blocks up to the COUNTth of EXTENT begin with the next node. */
static void fill_blocks(struct mf_nodes *nodes,
			const struct mf_node_extent *extent, uint64_t count)
{
	while (nodes->blocks.count - extent->first_block < count)
		mf_vec_push(&nodes->blocks, mf_nodes_count(nodes));
}

static void close_extent(struct mf_nodes *nodes)
{
	struct mf_node_extent *extent;

	if (!nodes->open)
		return;
	nodes->open = false;
	extent = last_extent(nodes);
	if (mf_nodes_count(nodes) - extent->first_node == 1) {
		nodes->blocks.count = extent->first_block;
		extent->first_block = NO_BLOCK;
		return;
	}
	fill_blocks(nodes, extent, block_of(extent, extent->end - 1) + 2);
}

static void open_extent(struct mf_nodes *nodes, uint64_t start, bool headed)
{
	mf_vec_push(&nodes->extents,
		    (struct mf_node_extent){
			    .start = start,
			    .first_node = mf_nodes_count(nodes),
			    .first_block = (uint32_t)nodes->blocks.count,
			    .headed = headed,
		    });
	nodes->open = true;
}

static void push_node(struct mf_nodes *nodes, uint64_t start, bool in_use)
{
	uint32_t node = mf_nodes_count(nodes);

	if (node % WORD_BITS == 0)
		mf_vec_push(&nodes->used, 0);
	nodes->used.items[node / WORD_BITS] |= (uint64_t)in_use
					       << node % WORD_BITS;
	nodes->used_count += in_use;
	fill_blocks(nodes, last_extent(nodes),
		    block_of(last_extent(nodes), start) + 1);
	mf_vec_push(&nodes->places, (uint8_t)(start >> GRANULE_SHIFT));
}

static bool is_gap_last(const struct mf_nodes *nodes)
{
	return !mf_nodes_is_used(nodes, mf_nodes_count(nodes) - 1);
}

void mf_nodes_add(struct mf_nodes *nodes, uint64_t start, uint64_t end,
		  uint32_t header, bool in_use)
{
	bool large = end - start >= LARGE;
	bool follows = nodes->open && start == nodes->next &&
		       last_extent(nodes)->headed == (header != 0);

	if (end <= start || end - start <= header)
		return;
	if (mf_nodes_count(nodes) >= NODES_MAX ||
	    nodes->blocks.count >= NODES_MAX) {
		nodes->overflowed = true;
		return;
	}
	if (large || !follows)
		close_extent(nodes);
	if (!nodes->open && !in_use)
		return;
	if (!nodes->open)
		open_extent(nodes, start + header, header != 0);
	if (in_use || !is_gap_last(nodes))
		push_node(nodes, start + header, in_use);
	last_extent(nodes)->end = end;
	nodes->used_bytes += in_use ? end - start : 0;
	nodes->next = end;
	nodes->low = MF_MIN(nodes->low, start);
	nodes->high = MF_MAX(nodes->high, end);
	if (large)
		close_extent(nodes);
}

static bool is_in_use(enum mf_chunk_kind kind)
{
	return kind == MF_KIND_IN_USE || kind == MF_KIND_MMAPPED;
}

/* Where no node follows, the last one's last word is behind its chunk. */
static void lend(struct mf_nodes *nodes, uint64_t end)
{
	if (!nodes->extents.count || last_extent(nodes)->end != end)
		return;
	last_extent(nodes)->end += BORROWED;
	nodes->high = MF_MAX(nodes->high, end + BORROWED);
}

static bool add_chunk(const struct mf_chunk *chunk, void *data)
{
	bool is_glibc = strcmp(chunk->allocator->name, "glibc") == 0;
	uint64_t end = chunk->address + chunk->size;

	/* others' memory, in which there may be nodes of theirs */
	if (chunk->kind == MF_KIND_OVERHEAD && is_glibc && chunk->size > FENCE)
		return true;
	mf_nodes_add(data, chunk->address, end, is_glibc ? HEADER_GLIBC : 0,
		     is_in_use(chunk->kind));
	if (is_glibc && chunk->kind == MF_KIND_IN_USE)
		lend(data, end);
	return true;
}

void mf_nodes_add_heap(struct mf_nodes *nodes, const struct mf_heap *heap)
{
	if (heap)
		mf_heap_each_chunk(heap, 0, UINT64_MAX, add_chunk, nodes);
}

static int by_start(const void *a, const void *b)
{
	const struct mf_node_span *left = a, *right = b;

	return (left->start > right->start) - (left->start < right->start);
}

/* Nobody finds what is in it: so nothing there is in use either. */
static void forget_extent(struct mf_nodes *nodes, uint32_t index)
{
	uint32_t end = index + 1 < nodes->extents.count
			       ? nodes->extents.items[index + 1].first_node
			       : mf_nodes_count(nodes);

	for (uint32_t node = nodes->extents.items[index].first_node; node < end;
	     node++) {
		uint64_t start, next, size;

		if (!mf_nodes_is_used(nodes, node))
			continue;
		start = mf_nodes_start(nodes, node, &next);
		size = MF_MIN(next - start, nodes->used_bytes);
		nodes->used_bytes -= size;
		nodes->used_count--;
		nodes->used.items[node / WORD_BITS] &=
			~(UINT64_C(1) << node % WORD_BITS);
	}
}

/* What contradicts itself (two allocators that claim one place) is the first's
 * alone. */
static void drop_overlaps(struct mf_nodes *nodes)
{
	size_t kept = 0;

	for (size_t i = 0; i < nodes->spans.count; i++) {
		const struct mf_node_span span = nodes->spans.items[i];

		if (!kept || span.start >= nodes->spans.items[kept - 1].end)
			nodes->spans.items[kept++] = span;
		else
			forget_extent(nodes, span.extent);
	}
	nodes->spans.count = kept;
}

static void mark_granules(struct mf_nodes *nodes)
{
	free(nodes->granules);
	nodes->granules = mf_new_array(MF_GRANULES / WORD_BITS, uint64_t);
	mf_vec_foreach(span, &nodes->spans) {
		uint64_t last = (span->end - 1) >> MF_GRANULE_SHIFT;
		uint64_t granule = span->start >> MF_GRANULE_SHIFT;

		for (; granule <= last && granule < MF_GRANULES; granule++)
			nodes->granules[granule / WORD_BITS] |=
				UINT64_C(1) << granule % WORD_BITS;
	}
}

void mf_nodes_seal(struct mf_nodes *nodes)
{
	close_extent(nodes);
	mf_vec_reserve(&nodes->spans, nodes->extents.count);
	for (size_t i = 0; i < nodes->extents.count; i++)
		mf_vec_push(&nodes->spans,
			    (struct mf_node_span){
				    nodes->extents.items[i].start,
				    nodes->extents.items[i].end,
				    (uint32_t)i,
			    });
	mf_vec_sort(&nodes->spans, by_start);
	drop_overlaps(nodes);
	mark_granules(nodes);
}

/* ---- finding --------------------------------------------------------------- */

/* The last span that begins at or below ADDRESS; there is one at least. */
static const struct mf_node_span *span_at(const struct mf_nodes *nodes,
					  uint64_t address)
{
	const struct mf_node_span *base = nodes->spans.items;
	size_t count = nodes->spans.count;

	while (count > 1) {
		size_t half = count / 2;

		if (base[half].start <= address)
			base += half;
		count -= half;
	}
	return base;
}

/* Of the nodes FIRST..END of one block, how many begin at or below PLACE. */
static uint32_t count_below(const struct mf_nodes *nodes, uint32_t first,
			    uint32_t end, uint8_t place)
{
	const uint8_t *places = nodes->places.items;
	uint32_t count = 0;

	for (uint32_t i = first; i < end; i++)
		count += places[i] <= place;
	return count;
}

/* The first node of the block BLOCK, or of a later one. */
static uint32_t first_of(const struct mf_nodes *nodes, size_t block)
{
	return nodes->blocks.items[block];
}

/* The node of EXTENT that holds ADDRESS, and where it begins: nearly always in
 * the same block, and never far below. */
static uint32_t node_at(const struct mf_nodes *nodes,
			const struct mf_node_extent *extent, uint64_t address,
			uint64_t *start)
{
	uint64_t number = address >> BLOCK_SHIFT;
	uint32_t node, first;
	size_t block;

	*start = extent->start;
	if (extent->first_block == NO_BLOCK)
		return extent->first_node;
	block = extent->first_block + block_of(extent, address);
	first = first_of(nodes, block);
	node = first - 1 +
	       count_below(nodes, first, first_of(nodes, block + 1),
			   (uint8_t)(address >> GRANULE_SHIFT));
	for (; first_of(nodes, block) > node; block--)
		number--;
	*start = number << BLOCK_SHIFT | (uint64_t)nodes->places.items[node]
						 << GRANULE_SHIFT;
	return node;
}

static const struct mf_node_extent *extent_of(const struct mf_nodes *nodes,
					      uint32_t node)
{
	const struct mf_node_extent *base = nodes->extents.items;
	size_t count = nodes->extents.count;

	while (count > 1) {
		size_t half = count / 2;

		if (base[half].first_node <= node)
			base += half;
		count -= half;
	}
	return base;
}

/* The block that NODE of EXTENT begins in: the last that begins with a node no
 * later than it. */
static uint64_t block_of_node(const struct mf_nodes *nodes,
			      const struct mf_node_extent *extent,
			      uint32_t node)
{
	size_t count = block_of(extent, extent->end - 1) + 1, block = 0;

	while (count > 1) {
		size_t half = count / 2;

		if (first_of(nodes, extent->first_block + block + half) <= node)
			block += half;
		count -= half;
	}
	return block;
}

static uint64_t start_of(const struct mf_nodes *nodes,
			 const struct mf_node_extent *extent, uint32_t node)
{
	uint64_t block;

	if (extent->first_block == NO_BLOCK)
		return extent->start;
	block = (extent->start >> BLOCK_SHIFT) +
		block_of_node(nodes, extent, node);
	return block << BLOCK_SHIFT | (uint64_t)nodes->places.items[node]
					      << GRANULE_SHIFT;
}

uint64_t mf_nodes_start(const struct mf_nodes *nodes, uint32_t node,
			uint64_t *end)
{
	const struct mf_node_extent *extent = extent_of(nodes, node);
	bool is_last = node + 1 == mf_nodes_count(nodes) ||
		       extent_of(nodes, node + 1) != extent;

	*end = is_last ? extent->end : start_of(nodes, extent, node + 1);
	return start_of(nodes, extent, node);
}

/* ---- all of them ------------------------------------------------------------- */

struct each {
	const struct mf_nodes *nodes;
	mf_node_visitor visit;
	void *data;
	uint32_t node; /* whose start is known, and whose end comes next */
	struct mf_node_bounds bounds;
};

static void show(struct each *each, uint64_t end, bool is_last)
{
	each->bounds.end = end;
	each->bounds.last = is_last;
	if (mf_nodes_is_used(each->nodes, each->node))
		each->visit(each->node, &each->bounds, each->data);
	each->bounds.start = end;
	each->node++;
}

/* Each node ends where the next one of its extent begins. */
static void show_extent(struct each *each, const struct mf_node_extent *extent)
{
	const struct mf_nodes *nodes = each->nodes;
	uint64_t first = extent->start >> BLOCK_SHIFT;
	uint64_t blocks = block_of(extent, extent->end - 1) + 1;

	each->node = extent->first_node;
	each->bounds.start = extent->start;
	for (uint64_t i = 0; extent->first_block != NO_BLOCK && i < blocks;
	     i++) {
		size_t block = extent->first_block + i;
		uint32_t end = first_of(nodes, block + 1);

		for (uint32_t node = first_of(nodes, block); node < end; node++)
			if (node != extent->first_node)
				show(each,
				     (first + i) << BLOCK_SHIFT |
					     (uint64_t)nodes->places.items[node]
						     << GRANULE_SHIFT,
				     false);
	}
	show(each, extent->end, true);
}

void mf_nodes_each(const struct mf_nodes *nodes, mf_node_visitor visit,
		   void *data)
{
	struct each each = { .nodes = nodes, .visit = visit, .data = data };

	for (size_t i = 0; i < nodes->extents.count; i++)
		show_extent(&each, &nodes->extents.items[i]);
}

enum mf_node_end mf_nodes_end_at(const struct mf_nodes *nodes, uint32_t node,
				 uint64_t offset)
{
	const struct mf_node_extent *extent = extent_of(nodes, node);
	bool is_last = node + 1 == mf_nodes_count(nodes) ||
		       extent_of(nodes, node + 1) != extent;
	uint64_t end, address;

	if (!offset || !extent->headed)
		return MF_END_NOT;
	address = mf_nodes_start(nodes, node, &end) + offset;
	/* the last one's end is that of its chunk, or of the word it borrows */
	end -= is_last ? end % HEADER_GLIBC : HEADER_GLIBC;
	if (address >= end + BORROWED)
		return MF_END_BEHIND;
	return address == end ? MF_END_LINK : MF_END_NOT;
}

uint32_t mf_nodes_find(const struct mf_nodes *nodes, uint64_t address,
		       uint64_t *offset)
{
	const struct mf_node_extent *extent;
	const struct mf_node_span *span;
	uint64_t start;
	uint32_t node;

	if (address - nodes->low >= nodes->high - nodes->low ||
	    !nodes->spans.count)
		return MF_NO_NODE;
	span = span_at(nodes, address);
	if (address < span->start || address >= span->end)
		return MF_NO_NODE;
	extent = &nodes->extents.items[span->extent];
	node = node_at(nodes, extent, address, &start);
	if (!mf_nodes_is_used(nodes, node))
		return MF_NO_NODE;
	*offset = address - start;
	return node;
}

uint64_t mf_nodes_memory(const struct mf_nodes *nodes)
{
	return nodes->extents.capacity * sizeof(*nodes->extents.items) +
	       nodes->spans.capacity * sizeof(*nodes->spans.items) +
	       nodes->places.capacity +
	       nodes->blocks.capacity * sizeof(*nodes->blocks.items) +
	       nodes->used.capacity * sizeof(*nodes->used.items);
}
