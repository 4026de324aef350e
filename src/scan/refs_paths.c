/*
 * From the words that point at the target outward, level by level: who points
 * at the chunks that those are in, until a word is in no chunk. Each level is
 * one look at all pointers of the graph, in our own memory.
 */
#include <stdlib.h>

#include "base/map.h"
#include "scan/refs.h"

enum {
	BITS = 64,
};

struct walk {
	struct mf_refs *refs;
	uint64_t *seen, *front; /* a bit a node */
	size_t words;		/* of each of them */
	struct mf_map step_of;	/* node: the step in its stead */
	size_t first;		/* step of the level before */
	uint16_t level;
};

static bool has_bit(const uint64_t *bits, uint32_t node)
{
	return bits[node / BITS] >> node % BITS & 1;
}

static void set_bit(uint64_t *bits, uint32_t node)
{
	bits[node / BITS] |= UINT64_C(1) << node % BITS;
}

static struct mf_ref_level *tally_of(const struct walk *walk)
{
	return &walk->refs->levels.items[walk->level - 1];
}

static bool is_in_target(const struct mf_refs *refs, uint64_t slot,
			 uint32_t node)
{
	return mf_hits_around(&refs->hits, slot) ||
	       mf_refs_is_typed(refs, node);
}

/* ---- one word --------------------------------------------------------------- */

static void add_root(struct walk *walk, const struct mf_ref_step *step)
{
	struct mf_refs *refs = walk->refs;

	refs->paths++;
	if (refs->roots.count >= MF_REFS_PATHS)
		return;
	mf_vec_push(&refs->roots, (uint32_t)refs->steps.count);
	mf_vec_push(&refs->steps, *step);
}

static void add_chunk(struct walk *walk, const struct mf_ref_step *step)
{
	struct mf_ref_level *tally = tally_of(walk);
	struct mf_refs *refs = walk->refs;

	if (has_bit(walk->seen, step->node) ||
	    is_in_target(refs, step->slot, step->node))
		return;
	set_bit(walk->seen, step->node);
	tally->chunks++;
	if (tally->followed >= MF_REFS_FOLLOWED)
		return;
	tally->followed++;
	mf_map_set(&walk->step_of, step->node, refs->steps.count);
	mf_vec_push(&refs->steps, *step);
}

static bool is_unused(const struct mf_refs *refs, uint64_t slot)
{
	struct mf_chunk chunk;

	return refs->options.free_too && refs->places.heap &&
	       mf_heap_chunk_at(refs->places.heap, slot, &chunk);
}

/* The word of STEP is in a chunk in use, in no chunk, or in one that is free,
 * which nobody needs to point at. */
static void add_step(struct walk *walk, struct mf_ref_step *step)
{
	uint64_t offset;

	step->node =
		mf_nodes_find(&walk->refs->graph->nodes, step->slot, &offset);
	if (step->node != MF_NO_NODE)
		add_chunk(walk, step);
	else if (!is_unused(walk->refs, step->slot))
		add_root(walk, step);
}

/* ---- level 1: what was hit ------------------------------------------------- */

static void begin_with(struct walk *walk, const struct mf_hit *hit)
{
	struct mf_ref_step step = {
		.slot = hit->slot,
		.value = hit->value,
		.next = MF_REFS_TARGET,
		.level = 1,
	};

	mf_hits_range_of(&walk->refs->hits, hit->value, &step.tagged);
	add_step(walk, &step);
}

static void begin(struct walk *walk)
{
	walk->level = 1;
	for (int from = 0; from < MF_HIT_FROM; from++) {
		const struct mf_hit_list *list = &walk->refs->hits.lists[from];

		for (size_t i = 0; i < list->hits.count; i++)
			begin_with(walk, &list->hits.items[i]);
	}
}

/* ---- further levels --------------------------------------------------------- */

static void look_at_edge(struct walk *walk, const struct mf_edge *edge)
{
	struct mf_ref_level *tally = tally_of(walk);
	const struct mf_refs *refs = walk->refs;
	uint64_t end;
	struct mf_ref_step step = {
		.slot = edge->slot,
		.value = mf_nodes_start(&refs->graph->nodes, edge->node, &end) +
			 edge->offset,
		.next = (uint32_t)*mf_map_get(&walk->step_of, edge->node),
		.level = walk->level,
		.tagged = edge->tagged,
	};
	size_t roots = refs->paths;

	tally->words++;
	add_step(walk, &step);
	tally->roots += refs->paths - roots;
}

static void look_at_register(const struct mf_thread *thread, size_t number,
			     uint64_t value, void *data)
{
	struct walk *walk = data;
	const struct mf_refs *refs = walk->refs;
	struct mf_ref_level *tally = tally_of(walk);
	uint64_t offset;
	bool tagged;
	uint32_t node = mf_graph_target(refs->graph, value, &offset, &tagged);

	if (node == MF_NO_NODE || !has_bit(walk->front, node))
		return;
	tally->words++;
	tally->roots++;
	add_root(walk,
		 &(struct mf_ref_step){
			 .value = value,
			 .node = MF_NO_NODE,
			 .next = (uint32_t)*mf_map_get(&walk->step_of, node),
			 .level = walk->level,
			 .tagged = tagged,
			 .number = (uint8_t)number,
			 .tid = thread->tid,
		 });
}

/* What the level before found is what is pointed at now; false: nothing. */
static bool advance(struct walk *walk)
{
	struct mf_refs *refs = walk->refs;
	bool any = false;

	memset(walk->front, 0, walk->words * sizeof(*walk->front));
	for (size_t i = walk->first; i < refs->steps.count; i++) {
		const struct mf_ref_step *step = &refs->steps.items[i];

		if (step->node == MF_NO_NODE)
			continue;
		set_bit(walk->front, step->node);
		any = true;
	}
	walk->first = refs->steps.count;
	return any;
}

static void walk_level(struct walk *walk)
{
	struct mf_edge_cursor cursor =
		mf_edges_from(&walk->refs->graph->edges, 0);
	struct mf_edge edge;

	walk->level++;
	mf_vec_push(&walk->refs->levels, (struct mf_ref_level){ 0 });
	mf_refs_each_register(walk->refs->target, look_at_register, walk);
	while (mf_edge_next(&cursor, &edge))
		if (has_bit(walk->front, edge.node))
			look_at_edge(walk, &edge);
}

void mf_refs_find_paths(struct mf_refs *refs)
{
	size_t words = mf_nodes_count(&refs->graph->nodes) / BITS + 1;
	struct walk walk = {
		.refs = refs,
		.seen = mf_new_array(words, uint64_t),
		.front = mf_new_array(words, uint64_t),
		.words = words,
	};

	begin(&walk);
	while (walk.level < refs->options.depth && advance(&walk))
		walk_level(&walk);
	mf_map_deinit(&walk.step_of);
	free(walk.seen);
	free(walk.front);
}
