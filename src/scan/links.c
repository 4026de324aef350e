/*
 * Unpacks the pointers of a graph to lists by node, and walks these.
 */
#include "scan/links.h"

#include <stdlib.h>
#include <string.h>

enum {
	BITS = 64,
	FREE_LINKS = 16, /* bytes of a free chunk */
};

struct build {
	const struct mf_graph *graph;
	struct mf_links *links;
	uint32_t node;	     /* whose words are looked at; or MF_NO_NODE */
	uint32_t last;	     /* the last node that links were added to */
	uint64_t start, end; /* of it */
};

static uint32_t node_of(struct build *build, uint64_t slot)
{
	uint64_t offset;

	if (slot - build->start < build->end - build->start)
		return build->node;
	build->node = mf_nodes_find(&build->graph->nodes, slot, &offset);
	build->start = build->end = 0;
	if (build->node != MF_NO_NODE)
		build->start = mf_nodes_start(&build->graph->nodes, build->node,
					      &build->end);
	return build->node;
}

/* Links of free lists are in the first two words of what was free. */
static bool is_past(const struct build *build, const struct mf_edge *edge)
{
	enum mf_node_end end =
		mf_nodes_end_at(&build->graph->nodes, edge->node, edge->offset);

	return end == MF_END_BEHIND ||
	       (end == MF_END_LINK && edge->slot - build->start < FREE_LINKS);
}

static void add_link(struct build *build, const struct mf_edge *edge)
{
	uint32_t link = edge->node | (edge->tagged ? MF_LINK_TAGGED : 0);
	struct mf_links *links = build->links;
	uint32_t *last;

	if (edge->node == build->node)
		return;
	if (is_past(build, edge))
		link |= MF_LINK_PAST;
	if (links->first[build->node] == MF_NO_NODE) {
		build->last = build->node;
		links->first[build->node] = (uint32_t)links->targets.count;
		mf_vec_push(&links->targets, link | MF_LINK_LAST);
		return;
	}
	/* words of a node are side by side; nothing else can be told apart */
	if (build->last != build->node)
		return;
	last = &links->targets.items[links->targets.count - 1];
	if (*last == (link | MF_LINK_LAST))
		return;
	*last &= ~MF_LINK_LAST;
	mf_vec_push(&links->targets, link | MF_LINK_LAST);
}

bool mf_links_init(const struct mf_graph *graph, mf_links_visitor visit,
		   void *data, struct mf_links *ret)
{
	struct build build = {
		.graph = graph,
		.links = ret,
		.last = MF_NO_NODE,
	};
	struct mf_edge_cursor cursor = mf_edges_from(&graph->edges, 0);
	struct mf_edge edge;

	*ret = (struct mf_links){ .node_count = mf_nodes_count(&graph->nodes) };
	if (ret->node_count >= MF_LINK_NODES ||
	    graph->edges.count >= MF_NO_NODE)
		return false;
	ret->first = mf_new_array((size_t)ret->node_count + 1, uint32_t);
	memset(ret->first, 0xff, ret->node_count * sizeof(*ret->first));
	while (mf_edge_next(&cursor, &edge)) {
		if (node_of(&build, edge.slot) == MF_NO_NODE)
			visit(&edge, data);
		else
			add_link(&build, &edge);
	}
	return true;
}

void mf_links_deinit(struct mf_links *links)
{
	free(links->first);
	links->first = NULL;
	mf_vec_deinit(&links->targets);
}

uint64_t mf_links_memory(const struct mf_links *links)
{
	return links->node_count * sizeof(*links->first) +
	       links->targets.capacity * sizeof(*links->targets.items);
}

/* ---- sets ------------------------------------------------------------------ */

void mf_node_set_init(struct mf_node_set *set, const struct mf_nodes *nodes)
{
	set->bits = mf_new_array(mf_nodes_count(nodes) / BITS + 1, uint64_t);
}

void mf_node_set_deinit(struct mf_node_set *set)
{
	free(set->bits);
	set->bits = NULL;
}

void mf_node_set_join(struct mf_node_set *set, const struct mf_node_set *part,
		      const struct mf_nodes *nodes)
{
	for (uint32_t i = 0; i <= mf_nodes_count(nodes) / BITS; i++)
		set->bits[i] |= part->bits[i];
}

void mf_links_reach(const struct mf_links *links, uint32_t weak,
		    struct mf_front *front, struct mf_node_set *reached)
{
	while (front->nodes.count) {
		uint32_t node = front->nodes.items[--front->nodes.count];
		uint32_t at = links->first[node];

		for (; at != MF_NO_NODE; at = mf_links_next(links, at)) {
			uint32_t link = links->targets.items[at];

			if (!(link & weak))
				mf_front_add(front, reached,
					     mf_link_node(link));
		}
	}
}
