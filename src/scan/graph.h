/*
 * Who points at whom: the chunks in use of a process as nodes, and every word
 * that points into one of them as an edge. Windows give it the words, in any
 * order and by several threads; it keeps a few bytes of each pointer and each
 * chunk, not of the heap (graph_nodes.h, graph_edges.h).
 *
 * A word in a chunk in use is an edge from that chunk; any other is a root's.
 * No edges are what an allocator keeps for itself (its ranges are skipped) and
 * what stands in chunks that are not in use.
 */
#ifndef MF_SCAN_GRAPH_H
#define MF_SCAN_GRAPH_H

#include "scan/graph_edges.h"
#include "scan/graph_nodes.h"
#include "scan/scanner.h"

/** Memory that is a node as it is, whoever made it. */
struct mf_graph_mapping {
	uint64_t start, end;
};

struct mf_graph_options {
	bool tagged;	/* words whose high 16 bits are something else, too */
	uint64_t limit; /* bytes of edges; 0: MF_GRAPH_LIMIT */
	/* more nodes than chunks; the caller's until the graph is created */
	const struct mf_graph_mapping *mappings;
	size_t mapping_count;
};

/** Unless options say otherwise; some 60 million pointers. */
#define MF_GRAPH_LIMIT (UINT64_C(256) << 20)

/** [start, end): words there are no edges. */
struct mf_graph_hidden {
	uint64_t start, end;
};

struct mf_graph {
	struct mf_graph_options options;
	struct mf_nodes nodes;
	struct mf_edges edges;
	MF_VEC(struct mf_graph_hidden) hidden; /* ascending, once begun */
};

struct mf_graph_worker;

/** HEAP (or NULL) is finished. */
struct mf_graph *mf_graph_create(const struct mf_heap *heap,
				 const struct mf_graph_options *options);
void mf_graph_destroy(struct mf_graph *graph);

/** Before the first worker. */
void mf_graph_hide(struct mf_graph *graph, uint64_t start, uint64_t end);
/** What each glibc keeps for itself: arenas' states and thread caches. */
void mf_graph_hide_allocators(struct mf_graph *graph,
			      const struct mf_heap *heap);

struct mf_graph_worker *mf_graph_worker_create(struct mf_graph *graph);
void mf_graph_window(struct mf_graph_worker *worker,
		     const struct mf_scan_window *window);
/** Ends the worker; one after another. */
void mf_graph_merge(struct mf_graph *graph, struct mf_graph_worker *worker);
/** After the last merge: edges can be read. */
void mf_graph_seal(struct mf_graph *graph);

/** True when SLOT is hidden. */
bool mf_graph_is_hidden(const struct mf_graph *graph, uint64_t slot);

/** The node that VALUE points to; *tagged: only without its high 16 bits. */
uint32_t mf_graph_target(const struct mf_graph *graph, uint64_t value,
			 uint64_t *offset, bool *tagged);

/** Bytes of our own memory. */
uint64_t mf_graph_memory(const struct mf_graph *graph);

#endif
