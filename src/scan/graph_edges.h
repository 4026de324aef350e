/*
 * Pointers to chunks, by the word that holds each, in a few bytes a pointer:
 * written window by window in any order, read in address order or from any
 * address on.
 */
#ifndef MF_SCAN_GRAPH_EDGES_H
#define MF_SCAN_GRAPH_EDGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"

/** A word that points to a chunk. */
struct mf_edge {
	uint64_t slot;	 /* the word's address */
	uint64_t offset; /* in the chunk's user data; 0: their first byte */
	uint32_t node;	 /* the chunk */
	bool tagged;	 /* without its high 16 bits only */
};

/** The pointers in one window. */
struct mf_edge_leaf {
	uint64_t start;
	uint32_t pages, length; /* of marks and bytes */
	uint32_t base;		/* node that numbers are told from */
	uint32_t count;
	uint32_t *marks; /* where each page's begin; the bytes behind them */
};

struct mf_edges {
	MF_VEC(struct mf_edge_leaf) leaves; /* ascending, once sealed */
	uint64_t count;			    /* of all pointers */
	uint64_t memory;		    /* bytes of ours */
	uint64_t limit;			    /* of these; 0: none */
	uint64_t dropped;		    /* pointers that went beyond it */
};

void mf_edges_deinit(struct mf_edges *edges);

/** What one worker writes; windows one after another, slots ascending. */
struct mf_edge_writer {
	MF_VEC(uint8_t) bytes;
	MF_VEC(uint32_t) marks;
	uint64_t start, slot;
	uint32_t base, node, count;
	bool begun;
};

void mf_edge_writer_deinit(struct mf_edge_writer *writer);
void mf_edge_writer_begin(struct mf_edge_writer *writer, uint64_t start);
void mf_edge_writer_add(struct mf_edge_writer *writer,
			const struct mf_edge *edge);
/** Appends the window's leaf to EDGES (the worker's own), if it has any. */
void mf_edge_writer_end(struct mf_edge_writer *writer, struct mf_edges *edges);

/** Moves all of PART to EDGES, as far as that may grow. */
void mf_edges_take(struct mf_edges *edges, struct mf_edges *part);

/** After the last. */
void mf_edges_seal(struct mf_edges *edges);

struct mf_edge_cursor {
	const struct mf_edges *edges;
	size_t leaf;
	uint32_t page, at, end; /* of the page, in the leaf's bytes */
	uint64_t slot;
	uint32_t node;
};

/** Before the first pointer that lies at ADDRESS or later. */
struct mf_edge_cursor mf_edges_from(const struct mf_edges *edges,
				    uint64_t address);
bool mf_edge_next(struct mf_edge_cursor *cursor, struct mf_edge *ret);

#endif
