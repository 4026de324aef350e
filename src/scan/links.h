/*
 * The graph as lists: of each node in use the nodes that its words point to, so
 * that it can be walked from any node on. Four bytes a node and four a pointer.
 */
#ifndef MF_SCAN_LINKS_H
#define MF_SCAN_LINKS_H

#include "scan/graph.h"

enum {
	MF_LINK_PAST = 1u << 29,   /* behind its end, or an old free list's */
	MF_LINK_TAGGED = 1u << 30, /* without its high 16 bits only */
};
#define MF_LINK_LAST (UINT32_C(1) << 31) /* of its node */

/** Nodes are fewer than this, or there are no links. */
#define MF_LINK_NODES (UINT32_C(1) << 29)

struct mf_links {
	uint32_t *first; /* of each node, in targets; MF_NO_NODE: it has none */
	MF_VEC(uint32_t) targets; /* nodes, with MF_LINK_* */
	uint32_t node_count;
};

/** Of a word that is in no node. */
typedef void (*mf_links_visitor)(const struct mf_edge *edge, void *data);

/**
 * Of a sealed graph; shows VISIT each pointer that is in no node, in address
 * order. False: there are too many nodes or pointers for it.
 */
bool mf_links_init(const struct mf_graph *graph, mf_links_visitor visit,
		   void *data, struct mf_links *ret);
void mf_links_deinit(struct mf_links *links);

/** Bytes of our own memory. */
uint64_t mf_links_memory(const struct mf_links *links);

static inline uint32_t mf_link_node(uint32_t link)
{
	return link & (MF_LINK_NODES - 1);
}

/** The place of the link behind that at AT, or MF_NO_NODE: it was the last. */
static inline uint32_t mf_links_next(const struct mf_links *links, uint32_t at)
{
	return links->targets.items[at] & MF_LINK_LAST ? MF_NO_NODE : at + 1;
}

/* ---- sets of nodes --------------------------------------------------------- */

/** A bit a node. */
struct mf_node_set {
	uint64_t *bits;
};

void mf_node_set_init(struct mf_node_set *set, const struct mf_nodes *nodes);
void mf_node_set_deinit(struct mf_node_set *set);
/** Adds all of PART to SET, both of NODES. */
void mf_node_set_join(struct mf_node_set *set, const struct mf_node_set *part,
		      const struct mf_nodes *nodes);

static inline bool mf_node_set_has(const struct mf_node_set *set, uint32_t node)
{
	return set->bits[node / 64] >> node % 64 & 1;
}

/** True when NODE is new. */
static inline bool mf_node_set_add(struct mf_node_set *set, uint32_t node)
{
	uint64_t bit = UINT64_C(1) << node % 64;
	bool is_new = !(set->bits[node / 64] & bit);

	set->bits[node / 64] |= bit;
	return is_new;
}

/** Nodes that were reached and not followed yet. */
struct mf_front {
	MF_VEC(uint32_t) nodes;
};

/** Adds NODE to REACHED, and to FRONT if it is new. */
static inline void mf_front_add(struct mf_front *front,
				struct mf_node_set *reached, uint32_t node)
{
	if (mf_node_set_add(reached, node))
		mf_vec_push(&front->nodes, node);
}

/** All that is reached from FRONT, which is empty then, but for links that have
 * one of the bits WEAK (MF_LINK_*). */
void mf_links_reach(const struct mf_links *links, uint32_t weak,
		    struct mf_front *front, struct mf_node_set *reached);

#endif
