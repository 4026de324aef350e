/*
 * Finds who shares a chunk: from each word that points to it up the tree of
 * dominators, to the one that the chunk's own dominator dominates as well.
 */
#include "scan/keepers_share.h"

/* Of all together: a hostile tree is as deep as it has chunks. */
#define STEPS_MOST (UINT64_C(1) << 24)

struct search {
	const struct mf_keepers *keepers;
	struct mf_sharing *sharings;
	struct mf_map wanted; /* node: index of its sharing */
	uint64_t steps;	      /* left */
};

/* The keeper that SLOT, in no node, is a word of; the smallest one. */
static uint32_t keeper_at(struct search *search, uint64_t slot)
{
	const struct mf_keepers *keepers = search->keepers;
	uint64_t least = UINT64_MAX;
	uint32_t best = MF_NO_NUMBER;

	search->steps -= MF_MIN(search->steps, (uint64_t)keepers->list.count);
	for (size_t i = 1; search->steps && i < keepers->list.count; i++) {
		const struct mf_keeper *keeper = &keepers->list.items[i];

		if (slot < keeper->start || slot >= keeper->end ||
		    keeper->end - keeper->start >= least)
			continue;
		least = keeper->end - keeper->start;
		best = keepers->tree.numbers[keepers->nodes + i];
	}
	return best;
}

static void add_holder(struct mf_sharing *sharing, uint32_t holder)
{
	for (unsigned i = 0; i < sharing->count; i++)
		if (sharing->holders[i] == holder)
			return;
	if (sharing->count == MF_SHARERS_KEPT) {
		sharing->more = true;
		return;
	}
	sharing->holders[sharing->count++] = holder;
}

/* FROM, which has a word that points there, or who holds it. */
static void climb(struct search *search, struct mf_sharing *sharing,
		  uint32_t from)
{
	const struct mf_dominators *tree = &search->keepers->tree;
	uint32_t top = tree->parents[sharing->number];

	/* what is late is no way to what is not */
	if (from == MF_NO_NUMBER ||
	    (from >= tree->late && sharing->number < tree->late))
		return;
	while (from && tree->parents[from] != top && search->steps) {
		from = tree->parents[from];
		search->steps--;
	}
	/* what it holds itself may point back to it */
	if (from && search->steps && from != sharing->number)
		add_holder(sharing, from);
}

static void look_at(struct search *search, const struct mf_edge *edge)
{
	const struct mf_keepers *keepers = search->keepers;
	const uint64_t *wanted = mf_map_get(&search->wanted, edge->node);
	uint64_t offset;
	uint32_t from;

	if (!wanted)
		return;
	from = mf_nodes_find(&keepers->graph->nodes, edge->slot, &offset);
	climb(search, &search->sharings[*wanted],
	      from == MF_NO_NODE ? keeper_at(search, edge->slot)
				 : keepers->tree.numbers[from]);
}

void mf_sharing_find(const struct mf_keepers *keepers,
		     struct mf_sharing *sharings, size_t count)
{
	struct search search = {
		.keepers = keepers,
		.sharings = sharings,
		.steps = STEPS_MOST,
	};
	struct mf_edge_cursor cursor = mf_edges_from(&keepers->graph->edges, 0);
	struct mf_edge edge;

	for (size_t i = 0; i < count; i++) {
		sharings[i].count = 0;
		sharings[i].more = false;
		mf_map_set(&search.wanted,
			   keepers->tree.vertices[sharings[i].number], i);
	}
	while (count && search.steps && mf_edge_next(&cursor, &edge))
		look_at(&search, &edge);
	mf_map_deinit(&search.wanted);
}
