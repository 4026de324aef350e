/*
 * Marks all that is reached from roots, in our own memory: words of roots, then
 * breadth-first along links. Also what only words lead to that are tagged.
 */
#include "scan/leaks.h"

struct marking {
	struct mf_leaks *leaks;
	struct mf_front front;
	const struct mf_root_range *range; /* the last word's; or NULL */
	enum mf_root_kind kind;		   /* of the words there */
};

static void reach(struct marking *marking, uint32_t node, uint64_t offset,
		  bool tagged)
{
	struct mf_leaks *leaks = marking->leaks;

	if (tagged && !leaks->options.tagged)
		mf_node_set_add(&leaks->tagged, node);
	else if (mf_nodes_end_at(&leaks->graph->nodes, node, offset) ==
		 MF_END_BEHIND)
		mf_node_set_add(&leaks->past, node);
	else
		mf_front_add(&marking->front, &leaks->reached, node);
}

static enum mf_root_kind kind_of(struct marking *marking, uint64_t slot)
{
	const struct mf_root_range *range = marking->range;

	if (range && slot >= range->start && slot < range->end)
		return marking->kind;
	marking->range = mf_roots_at(&marking->leaks->roots, slot);
	marking->kind = mf_roots_kind_at(&marking->leaks->roots, slot);
	return marking->kind;
}

static void see_word(const struct mf_edge *edge, void *data)
{
	struct marking *marking = data;
	enum mf_root_kind kind = kind_of(marking, edge->slot);

	if (kind >= MF_ROOT_KINDS)
		return;
	marking->leaks->words[kind]++;
	reach(marking, edge->node, edge->offset, edge->tagged);
}

static void see_outside(struct marking *marking)
{
	struct mf_leaks *leaks = marking->leaks;

	mf_vec_foreach(word, &leaks->roots.words) {
		uint64_t offset;
		bool tagged;
		uint32_t node = mf_graph_target(leaks->graph, word->value,
						&offset, &tagged);

		if (node == MF_NO_NODE)
			continue;
		leaks->words[word->kind]++;
		reach(marking, node, offset, tagged);
	}
}

/* What malloc has made of its own accord: nobody's to free. */
static void see_caches(struct marking *marking)
{
	const struct mf_heap *heap = marking->leaks->places.heap;
	mf_heap_foreach_allocator(allocator, heap)
		for (size_t k = 0; k < allocator->tcache_count; k++) {
			uint64_t offset;
			uint32_t node = mf_nodes_find(
				&marking->leaks->graph->nodes,
				allocator->tcaches[k].address, &offset);

			if (node != MF_NO_NODE)
				reach(marking, node, 0, false);
		}
}

/* From what is reached. */
static void see_weak_links(struct mf_leaks *leaks)
{
	const struct mf_links *links = &leaks->links;
	uint32_t weak = mf_leaks_weak(leaks);

	for (uint32_t node = 0; node < links->node_count; node++) {
		uint32_t at = links->first[node];

		if (at == MF_NO_NODE || !mf_node_set_has(&leaks->reached, node))
			continue;
		for (; at != MF_NO_NODE; at = mf_links_next(links, at)) {
			uint32_t link =
				links->targets.items[at] & ~MF_LINK_LAST;

			if (link & weak)
				mf_node_set_add(link & MF_LINK_PAST
							? &leaks->past
							: &leaks->tagged,
						mf_link_node(link));
		}
	}
}

bool mf_leaks_mark(struct mf_leaks *leaks)
{
	struct marking marking = { .leaks = leaks };
	bool fits =
		mf_links_init(leaks->graph, see_word, &marking, &leaks->links);

	if (fits) {
		see_outside(&marking);
		see_caches(&marking);
		mf_links_reach(&leaks->links, mf_leaks_weak(leaks),
			       &marking.front, &leaks->reached);
		see_weak_links(leaks);
	}
	leaks->memory = mf_graph_memory(leaks->graph) +
			mf_links_memory(&leaks->links) +
			marking.front.nodes.capacity *
				sizeof(*marking.front.nodes.items);
	mf_vec_deinit(&marking.front.nodes);
	return fits;
}
