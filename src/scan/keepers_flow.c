/*
 * The graph that dominators are found in: chunks and mappings by their numbers
 * in the graph of pointers, and before these what holds the words that are no
 * chunk's, each a vertex of its own: variables, stacks, other memory.
 */
#include <stdlib.h>

#include "scan/keepers.h"

enum {
	WORD = 8,
	KEY_SHIFT = 58, /* kinds above addresses */
};

/** No keeper: the word is of nobody. */
#define NO_KEEPER UINT32_MAX

struct maker {
	struct mf_keepers *keepers;
	struct mf_map known; /* kind and number: keeper */
	/* the words from START to END are the keeper's that was last found */
	uint64_t start, end;
	uint32_t last;
	MF_VEC(uint32_t) holders; /* of each word in no node: its keeper */
	uint64_t edges;
};

/* ---- keepers ---------------------------------------------------------------- */

static uint32_t add_keeper(struct maker *maker, uint64_t number,
			   const struct mf_keeper *keeper)
{
	uint64_t key = (uint64_t)keeper->kind << KEY_SHIFT | number;
	const uint64_t *known = mf_map_get(&maker->known, key);
	uint32_t index = (uint32_t)maker->keepers->list.count;

	if (known)
		return (uint32_t)*known;
	mf_map_set(&maker->known, key, index);
	mf_vec_push(&maker->keepers->list, *keeper);
	return index;
}

static uint32_t module_keeper(struct maker *maker,
			      const struct mf_module *module)
{
	return module ? add_keeper(maker, module->index,
				   &(struct mf_keeper){
					   .kind = MF_KEEPER_MODULE,
					   .module = module,
				   })
		      : 0;
}

static uint32_t thread_keeper(struct maker *maker, int tid)
{
	return tid ? add_keeper(maker, (uint64_t)tid,
				&(struct mf_keeper){
					.kind = MF_KEEPER_THREAD,
					.tid = tid,
				})
		   : 0;
}

/* Whose stack pointer or thread pointer leads there; 0: nobody's. */
static int thread_of(const struct mf_keepers *keepers,
		     const struct mf_root_range *range)
{
	size_t count;
	const struct mf_thread *threads =
		mf_target_threads(keepers->target, &count);
	const struct mf_region *region = range->region;

	for (size_t i = 0; i < count; i++) {
		uint64_t at = range->kind == MF_ROOT_TLS ? threads[i].tp
							 : threads[i].sp;

		if (at >= region->start && at < region->end)
			return threads[i].tid;
	}
	return 0;
}

static uint32_t stack_keeper(struct maker *maker,
			     const struct mf_root_range *range)
{
	int tid = thread_of(maker->keepers, range);
	bool is_tls = range->kind == MF_ROOT_TLS;

	return add_keeper(
		maker, range->start,
		&(struct mf_keeper){
			.kind = is_tls ? MF_KEEPER_TLS : MF_KEEPER_STACK,
			.above = is_tls ? 0 : thread_keeper(maker, tid),
			.tid = tid,
			.start = range->start,
			.end = range->end,
			.region = range->region,
		});
}

static uint32_t section_keeper(struct maker *maker,
			       const struct mf_root_range *range,
			       const struct mf_module *module)
{
	return add_keeper(maker, range->start,
			  &(struct mf_keeper){
				  .kind = MF_KEEPER_SECTION,
				  .above = module_keeper(maker, module),
				  .start = range->start,
				  .end = range->end,
				  .region = range->region,
				  .module = module,
			  });
}

/* The variable at SLOT; what has no name is its region's. */
static uint32_t variable_keeper(struct maker *maker,
				const struct mf_root_range *range,
				uint64_t slot)
{
	struct mf_image *image = maker->keepers->places.image;
	const struct mf_module *module =
		image ? mf_image_module_at(image, slot) : NULL;
	struct mf_symbol symbol;

	maker->start = slot;
	maker->end = slot + WORD;
	if (!module || !mf_image_symbol_at(image, slot, &symbol))
		return section_keeper(maker, range, module);
	maker->end = MF_MAX(maker->end, symbol.address + symbol.size);
	return add_keeper(maker, symbol.address,
			  &(struct mf_keeper){
				  .kind = MF_KEEPER_VARIABLE,
				  .above = module_keeper(maker, module),
				  .start = symbol.address,
				  .end = symbol.address + symbol.size,
				  .region = range->region,
				  .module = module,
				  .symbol = symbol.name,
			  });
}

static uint32_t memory_keeper(struct maker *maker,
			      const struct mf_root_range *range)
{
	return add_keeper(maker, range->region->start,
			  &(struct mf_keeper){
				  .kind = MF_KEEPER_MEMORY,
				  .start = range->region->start,
				  .end = range->region->end,
				  .region = range->region,
			  });
}

/* In a chunk that is not in use, where these are read, too. */
static bool is_unused(const struct mf_keepers *keepers, uint64_t slot)
{
	struct mf_chunk chunk;

	return keepers->places.heap &&
	       mf_heap_chunk_at(keepers->places.heap, slot, &chunk) &&
	       chunk.kind != MF_KIND_UNREAD && chunk.kind != MF_KIND_OVERHEAD;
}

static uint32_t find_keeper(struct maker *maker, uint64_t slot)
{
	const struct mf_root_range *range =
		mf_roots_at(&maker->keepers->roots, slot);

	maker->start = maker->end = 0;
	if (!range || range->kind == MF_ROOT_DEAD)
		return NO_KEEPER;
	if (range->kind == MF_ROOT_NODES && is_unused(maker->keepers, slot))
		return NO_KEEPER;
	maker->start = slot;
	maker->end = range->end;
	switch (range->kind) {
	case MF_ROOT_STACK:
	case MF_ROOT_TLS:
		return stack_keeper(maker, range);
	case MF_ROOT_MODULE:
		return variable_keeper(maker, range, slot);
	case MF_ROOT_NODES:
		maker->end = slot + WORD;
		return memory_keeper(maker, range);
	default:
		return memory_keeper(maker, range);
	}
}

/* Slots come in order: most are the same keeper's as the one before. */
static uint32_t keeper_of(struct maker *maker, uint64_t slot)
{
	if (slot < maker->start || slot >= maker->end)
		maker->last = find_keeper(maker, slot);
	return maker->last;
}

static uint32_t word_keeper(struct maker *maker,
			    const struct mf_root_word *word)
{
	if (word->kind == MF_ROOT_REGISTER)
		return add_keeper(
			maker, (uint64_t)word->tid,
			&(struct mf_keeper){
				.kind = MF_KEEPER_REGISTERS,
				.above = thread_keeper(maker, word->tid),
				.tid = word->tid,
			});
	return add_keeper(maker, 0,
			  &(struct mf_keeper){ .kind = MF_KEEPER_KERNEL });
}

/* ---- counting --------------------------------------------------------------- */

static uint32_t node_of(const struct maker *maker, uint64_t slot)
{
	uint64_t offset;

	return mf_nodes_find(&maker->keepers->graph->nodes, slot, &offset);
}

/* The node that a word in no memory points to. */
static uint32_t target_of(const struct maker *maker,
			  const struct mf_root_word *word)
{
	uint64_t offset;
	bool tagged;

	return mf_graph_target(maker->keepers->graph, word->value, &offset,
			       &tagged);
}

/* COUNTS: of each node, two places further, so that sums are made in place. */
static void count_edges(struct maker *maker, uint32_t *counts)
{
	struct mf_keepers *keepers = maker->keepers;
	struct mf_edge_cursor cursor = mf_edges_from(&keepers->graph->edges, 0);
	struct mf_edge edge;

	while (mf_edge_next(&cursor, &edge)) {
		uint32_t from = node_of(maker, edge.slot);

		if (from != MF_NO_NODE) {
			counts[from + 2] += from != edge.node;
			maker->edges += from != edge.node;
			continue;
		}
		from = keeper_of(maker, edge.slot);
		mf_vec_push(&maker->holders, from);
		if (from != NO_KEEPER)
			keepers->list.items[from].words++;
	}
	mf_vec_foreach(word, &keepers->roots.words) {
		uint32_t index;

		if (target_of(maker, word) == MF_NO_NODE)
			continue;
		/* the list may move while it grows */
		index = word_keeper(maker, word);
		keepers->list.items[index].words++;
	}
}

/* ---- the graph -------------------------------------------------------------- */

/* Each keeper but the first is a successor of what it is a part of. */
static void count_keepers(struct maker *maker, uint32_t *counts)
{
	const struct mf_keepers *keepers = maker->keepers;
	uint32_t *of_keepers = counts + keepers->nodes + 2;

	for (size_t i = 0; i < keepers->list.count; i++) {
		const struct mf_keeper *keeper = &keepers->list.items[i];

		of_keepers[i] += keeper->words;
		maker->edges += keeper->words;
		if (!i)
			continue;
		of_keepers[keeper->above]++;
		maker->edges++;
	}
}

static void add_edge(struct mf_flow *flow, uint32_t from, uint32_t to)
{
	flow->successors[flow->firsts[from + 1]++] = to;
}

static void add_edges(struct maker *maker, struct mf_flow *flow)
{
	struct mf_edge_cursor cursor =
		mf_edges_from(&maker->keepers->graph->edges, 0);
	uint32_t nodes = maker->keepers->nodes;
	struct mf_edge edge;
	size_t next = 0;

	while (mf_edge_next(&cursor, &edge)) {
		uint32_t from = node_of(maker, edge.slot);

		if (from == edge.node)
			continue;
		if (from == MF_NO_NODE && next < maker->holders.count) {
			from = maker->holders.items[next++];
			if (from == NO_KEEPER)
				continue;
			from += nodes;
		}
		add_edge(flow, from, edge.node);
	}
	mf_vec_foreach(word, &maker->keepers->roots.words) {
		uint32_t node = target_of(maker, word);

		if (node != MF_NO_NODE)
			add_edge(flow, nodes + word_keeper(maker, word), node);
	}
}

/* Stacks and registers: what a thread works on at the moment is in its hands,
 * but it is not what keeps it if others do. */
static bool is_late(const struct mf_keeper *keeper)
{
	return keeper->kind == MF_KEEPER_THREAD ||
	       (keeper->kind == MF_KEEPER_STACK && !keeper->above);
}

static void add_keeper_edges(const struct maker *maker, struct mf_flow *flow)
{
	const struct mf_keepers *keepers = maker->keepers;

	for (int late = 0; late < 2; late++)
		for (size_t i = 1; i < keepers->list.count; i++) {
			const struct mf_keeper *keeper =
				&keepers->list.items[i];
			uint32_t vertex = keepers->nodes + (uint32_t)i;

			if (is_late(keeper) != late)
				continue;
			if (late && flow->late == flow->count)
				flow->late = vertex;
			add_edge(flow, keepers->nodes + keeper->above, vertex);
		}
}

static void fill(struct maker *maker, uint32_t *counts, struct mf_flow *ret)
{
	struct mf_keepers *keepers = maker->keepers;
	size_t before = (size_t)keepers->nodes + 2;

	*ret = (struct mf_flow){
		.count = keepers->nodes + (uint32_t)keepers->list.count,
		.root = keepers->nodes,
	};
	ret->late = ret->count;
	ret->firsts =
		mf_realloc(counts, (size_t)ret->count + 2, sizeof(*counts));
	memset(ret->firsts + before, 0, keepers->list.count * sizeof(*counts));
	count_keepers(maker, ret->firsts);
	for (size_t i = 1; i < (size_t)ret->count + 2; i++)
		ret->firsts[i] += ret->firsts[i - 1];
	ret->successors = mf_new_array(maker->edges + 1, uint32_t);
	add_keeper_edges(maker, ret);
	add_edges(maker, ret);
}

/* More than the limit, whatever else comes: not even begun. */
static bool is_too_large(struct mf_keepers *keepers, uint64_t keeper_count)
{
	keepers->memory = mf_dominators_memory(
		keepers->nodes + keeper_count,
		keepers->graph->edges.count + keepers->roots.words.count +
			keeper_count);
	return keepers->memory > keepers->options.limit;
}

bool mf_keepers_make_flow(struct mf_keepers *keepers, struct mf_flow *ret)
{
	struct maker maker = { .keepers = keepers };
	uint32_t *counts;

	keepers->nodes = mf_nodes_count(&keepers->graph->nodes);
	keepers->list.count = 0;
	if (is_too_large(keepers, 0))
		return false;
	mf_vec_push(&keepers->list,
		    (struct mf_keeper){ .kind = MF_KEEPER_ROOT });
	counts = mf_new_array((size_t)keepers->nodes + 2, uint32_t);
	count_edges(&maker, counts);
	if (is_too_large(keepers, keepers->list.count)) {
		free(counts);
		counts = NULL;
	} else {
		fill(&maker, counts, ret);
	}
	mf_map_deinit(&maker.known);
	mf_vec_deinit(&maker.holders);
	return counts != NULL;
}
