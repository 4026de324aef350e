/*
 * Makes the graph from windows: which words point into chunks in use.
 */
#include "scan/graph.h"

#include <stdlib.h>
#include <string.h>

enum {
	WORD = 8,
	TAG_SHIFT = 48,	     /* what processors leave to programs, at most */
	STATE_SIZE = 2200,   /* glibc's malloc_state, where no symbol says it */
	TCACHE_SIZE = 0x290, /* its tcache_perthread_struct, the same */
};

struct mf_graph_worker {
	const struct mf_graph *graph;
	struct mf_edge_writer writer;
	struct mf_edges edges;
};

struct mf_graph *mf_graph_create(const struct mf_heap *heap,
				 const struct mf_graph_options *options)
{
	struct mf_graph *graph = mf_new(struct mf_graph);

	graph->options = *options;
	if (!graph->options.limit)
		graph->options.limit = MF_GRAPH_LIMIT;
	graph->edges.limit = graph->options.limit;
	mf_nodes_init(&graph->nodes);
	mf_nodes_add_heap(&graph->nodes, heap);
	for (size_t i = 0; i < options->mapping_count; i++)
		mf_nodes_add(&graph->nodes, options->mappings[i].start,
			     options->mappings[i].end, 0, true);
	graph->options.mappings = NULL;
	graph->options.mapping_count = 0;
	mf_nodes_seal(&graph->nodes);
	return graph;
}

void mf_graph_destroy(struct mf_graph *graph)
{
	if (!graph)
		return;
	mf_nodes_deinit(&graph->nodes);
	mf_edges_deinit(&graph->edges);
	mf_vec_deinit(&graph->hidden);
	free(graph);
}

/* ---- what is hidden -------------------------------------------------------- */

static int by_start(const void *a, const void *b)
{
	const struct mf_graph_hidden *left = a, *right = b;

	return (left->start > right->start) - (left->start < right->start);
}

void mf_graph_hide(struct mf_graph *graph, uint64_t start, uint64_t end)
{
	mf_vec_push(&graph->hidden, (struct mf_graph_hidden){ start, end });
	mf_vec_sort(&graph->hidden, by_start);
}

static void hide_glibc(struct mf_graph *graph,
		       const struct mf_allocator *allocator)
{
	for (size_t i = 0; i < allocator->arena_count; i++) {
		uint64_t address = allocator->arenas[i].address;

		mf_vec_push(&graph->hidden,
			    (struct mf_graph_hidden){ address,
						      address + STATE_SIZE });
	}
	for (size_t i = 0; i < allocator->tcache_count; i++) {
		uint64_t address = allocator->tcaches[i].address, offset, end;
		uint32_t node = mf_nodes_find(&graph->nodes, address, &offset);

		end = address + TCACHE_SIZE;
		if (node != MF_NO_NODE)
			mf_nodes_start(&graph->nodes, node, &end);
		mf_vec_push(&graph->hidden,
			    (struct mf_graph_hidden){ address, end });
	}
}

void mf_graph_hide_allocators(struct mf_graph *graph,
			      const struct mf_heap *heap)
{
	mf_heap_foreach_allocator(allocator, heap) {
		if (strcmp(allocator->name, "glibc") == 0)
			hide_glibc(graph, allocator);
		for (size_t k = 0; k < allocator->own_count; k++)
			mf_vec_push(&graph->hidden,
				    (struct mf_graph_hidden){
					    allocator->own[k].start,
					    allocator->own[k].end });
	}
	mf_vec_sort(&graph->hidden, by_start);
}

bool mf_graph_is_hidden(const struct mf_graph *graph, uint64_t slot)
{
	size_t first = 0, count = graph->hidden.count;

	if (!count)
		return false;
	while (count > 1) {
		size_t half = count / 2;

		if (graph->hidden.items[first + half].start <= slot)
			first += half;
		count -= half;
	}
	return slot >= graph->hidden.items[first].start &&
	       slot < graph->hidden.items[first].end;
}

/* ---- windows --------------------------------------------------------------- */

struct mf_graph_worker *mf_graph_worker_create(struct mf_graph *graph)
{
	struct mf_graph_worker *worker = mf_new(struct mf_graph_worker);

	worker->graph = graph;
	return worker;
}

uint32_t mf_graph_target(const struct mf_graph *graph, uint64_t value,
			 uint64_t *offset, bool *tagged)
{
	const uint64_t plain = value & ((UINT64_C(1) << TAG_SHIFT) - 1);
	uint32_t node = mf_nodes_find(&graph->nodes, value, offset);

	*tagged = false;
	if (node != MF_NO_NODE || !graph->options.tagged || plain == value ||
	    !mf_nodes_may_hold(&graph->nodes, plain))
		return node;
	*tagged = true;
	return mf_nodes_find(&graph->nodes, plain, offset);
}

static void look_at(struct mf_graph_worker *worker, uint64_t slot,
		    uint64_t value)
{
	struct mf_edge edge = { .slot = slot };

	edge.node = mf_graph_target(worker->graph, value, &edge.offset,
				    &edge.tagged);
	if (edge.node != MF_NO_NODE && !mf_graph_is_hidden(worker->graph, slot))
		mf_edge_writer_add(&worker->writer, &edge);
}

/* Words that can be none, which nearly all are, take no more than this. */
static void scan_words(struct mf_graph_worker *worker, uint64_t slot,
		       const uint8_t *bytes, size_t count)
{
	const uint64_t low = worker->graph->nodes.low;
	const uint64_t span = worker->graph->nodes.high - low;
	const uint64_t kept = worker->graph->options.tagged
				      ? (UINT64_C(1) << TAG_SHIFT) - 1
				      : UINT64_MAX;

	for (size_t i = 0; i < count; i++) {
		uint64_t value = mf_load(uint64_t, bytes + i * WORD);

		if (MF_UNLIKELY((value & kept) - low < span))
			look_at(worker, slot + i * WORD, value);
	}
}

/* What a compiler that runs in the process has written into its code: the word
 * that an operand begins in is told of. Such operands have no tags. */
static void scan_code(struct mf_graph_worker *worker, uint64_t address,
		      const uint8_t *bytes, size_t size)
{
	const uint64_t low = worker->graph->nodes.low;
	const uint64_t span = worker->graph->nodes.high - low;

	for (size_t i = 0; i + WORD <= size; i++) {
		uint64_t value = mf_load(uint64_t, bytes + i);

		if (MF_UNLIKELY(value - low < span))
			look_at(worker, (address + i) & -(uint64_t)WORD, value);
	}
}

void mf_graph_window(struct mf_graph_worker *worker,
		     const struct mf_scan_window *window)
{
	if (!worker->graph->nodes.used_count)
		return;
	mf_edge_writer_begin(&worker->writer, window->address);
	for (uint32_t i = 0; i < window->piece_count; i++) {
		const struct mf_scan_piece *piece = &window->pieces[i];
		uint32_t start = (piece->start + WORD - 1) & ~(WORD - 1U);

		if (piece->code)
			scan_code(worker, window->address + piece->start,
				  window->bytes + piece->start,
				  piece->end - piece->start);
		else if (start < piece->end)
			scan_words(worker, window->address + start,
				   window->bytes + start,
				   (piece->end - start) / WORD);
	}
	mf_edge_writer_end(&worker->writer, &worker->edges);
}

void mf_graph_merge(struct mf_graph *graph, struct mf_graph_worker *worker)
{
	mf_edges_take(&graph->edges, &worker->edges);
	mf_edge_writer_deinit(&worker->writer);
	mf_edges_deinit(&worker->edges);
	free(worker);
}

void mf_graph_seal(struct mf_graph *graph)
{
	mf_edges_seal(&graph->edges);
}

uint64_t mf_graph_memory(const struct mf_graph *graph)
{
	return mf_nodes_memory(&graph->nodes) + graph->edges.memory +
	       graph->edges.leaves.capacity *
		       sizeof(*graph->edges.leaves.items);
}
