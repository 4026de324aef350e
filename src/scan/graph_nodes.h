/*
 * The chunks of a process as numbers, small enough to be kept for all of them:
 * about two bytes a chunk and two for each KiB of heap. From any address to the
 * chunk that holds it in constant time, and back.
 */
#ifndef MF_SCAN_GRAPH_NODES_H
#define MF_SCAN_GRAPH_NODES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memforensics/heap.h"

#include "base/vec.h"

/** No chunk's number. */
#define MF_NO_NODE UINT32_MAX

/** Chunks side by side, in the order of their numbers. */
struct mf_node_extent {
	uint64_t start, end; /* of the first's user data, of the last chunk */
	uint32_t first_node;
	uint32_t first_block; /* in blocks; of an extent of one node, none */
	bool headed;	      /* the first has a header */
};

/** The same by address. */
struct mf_node_span {
	uint64_t start, end;
	uint32_t extent;
};

/**
 * A node is a chunk in use, by where its user's data begin, or all that lies
 * between two of them side by side (chunks that are not in use).
 */
struct mf_nodes {
	MF_VEC(struct mf_node_extent) extents;
	MF_VEC(struct mf_node_span) spans;
	MF_VEC(uint8_t) places;	 /* of each node, in its block */
	MF_VEC(uint32_t) blocks; /* first node that begins there or later */
	MF_VEC(uint64_t) used;	 /* one bit a node: in use */
	uint64_t low, high;	 /* no node is outside of these */
	uint32_t used_count;
	uint64_t used_bytes; /* of these, with headers */
	uint64_t *granules;  /* a bit for each GiB of addresses: has any */
	uint64_t next;	     /* where a chunk would go on the last extent */
	bool open;	     /* the last extent may go on */
	bool overflowed; /* more than can be numbered: the rest is left out */
};

void mf_nodes_init(struct mf_nodes *nodes);
void mf_nodes_deinit(struct mf_nodes *nodes);

/**
 * Adds the chunk [START, END), whose user's data begin HEADER bytes inside.
 * Chunks come in any order, but those side by side should come so.
 */
void mf_nodes_add(struct mf_nodes *nodes, uint64_t start, uint64_t end,
		  uint32_t header, bool in_use);

/** All chunks of HEAP (NULL: none). */
void mf_nodes_add_heap(struct mf_nodes *nodes, const struct mf_heap *heap);

/** After the last: only now chunks can be found. */
void mf_nodes_seal(struct mf_nodes *nodes);

/** The node that holds ADDRESS, and *offset in its user's data; only those in
 * use, else MF_NO_NODE. */
uint32_t mf_nodes_find(const struct mf_nodes *nodes, uint64_t address,
		       uint64_t *offset);

/** Where the user's data of NODE begin, and where the next node does. */
uint64_t mf_nodes_start(const struct mf_nodes *nodes, uint32_t node,
			uint64_t *end);

/** Of a node, as mf_nodes_start says it. */
struct mf_node_bounds {
	uint64_t start, end;
	bool last; /* of its extent: END is its chunk's, not the next node's */
};

typedef void (*mf_node_visitor)(uint32_t node,
				const struct mf_node_bounds *bounds,
				void *data);

/** Shows VISIT each node in use, in the order of their numbers. */
void mf_nodes_each(const struct mf_nodes *nodes, mf_node_visitor visit,
		   void *data);

enum mf_node_end {
	MF_END_NOT,    /* well inside */
	MF_END_LINK,   /* where the next chunk begins: the last word, or what a
			  link of a free list has */
	MF_END_BEHIND, /* behind all that the user has */
};

/** What OFFSET, in what the user of NODE has, is to its end. */
enum mf_node_end mf_nodes_end_at(const struct mf_nodes *nodes, uint32_t node,
				 uint64_t offset);

static inline uint32_t mf_nodes_count(const struct mf_nodes *nodes)
{
	return (uint32_t)nodes->places.count;
}

static inline bool mf_nodes_is_used(const struct mf_nodes *nodes, uint32_t node)
{
	return nodes->used.items[node / 64] >> node % 64 & 1;
}

enum {
	MF_GRANULE_SHIFT = 30,
	MF_GRANULES = 1 << (48 - MF_GRANULE_SHIFT),
};

/** False of most addresses (below 2^48) that are in no node, at once. */
static inline bool mf_nodes_may_hold(const struct mf_nodes *nodes,
				     uint64_t address)
{
	uint64_t granule = address >> MF_GRANULE_SHIFT;

	return granule < MF_GRANULES && nodes->granules &&
	       nodes->granules[granule / 64] >> granule % 64 & 1;
}

/** Bytes of our own memory. */
uint64_t mf_nodes_memory(const struct mf_nodes *nodes);

#endif
