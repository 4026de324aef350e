/*
 * What the files of keepers share: who keeps what alive. The graph of pointers
 * with what holds its roots put before it, the tree of its dominators, and what
 * each of them retains.
 *
 * A vertex is a node of the graph, by its number, or a keeper: a variable, a
 * stack, other memory; above these the modules and threads that they belong to,
 * and over all of them the root, which is keeper 0.
 */
#ifndef MF_SCAN_KEEPERS_H
#define MF_SCAN_KEEPERS_H

#include "base/map.h"
#include "scan/dominators.h"
#include "scan/graph.h"
#include "scan/place.h"
#include "scan/roots.h"

enum mf_keeper_kind {
	MF_KEEPER_ROOT,
	MF_KEEPER_MODULE,   /* all that it has */
	MF_KEEPER_VARIABLE, /* of a module */
	MF_KEEPER_SECTION,  /* data of a module that have no name */
	MF_KEEPER_THREAD,   /* all that it has */
	MF_KEEPER_STACK,
	MF_KEEPER_REGISTERS,
	MF_KEEPER_TLS,
	MF_KEEPER_MEMORY, /* others' than malloc's */
	MF_KEEPER_KERNEL, /* what it has for the process */
	MF_KEEPER_KINDS,
};

/** "variable", "stack", ...: a word, for data. */
const char *mf_keeper_kind_name(enum mf_keeper_kind kind);

struct mf_keeper {
	enum mf_keeper_kind kind;
	uint32_t above; /* the keeper that it is a part of; of 0 itself */
	uint32_t words; /* that point to nodes */
	int tid;
	uint64_t start, end;		/* of what it is; 0: of none */
	const struct mf_region *region; /* the space's; NULL: none */
	const struct mf_module *module; /* NULL: none */
	const char *symbol;		/* NULL: none; the image's text */
	const char *holder;		/* of what the kernel has; or NULL */
};

/** What objects are, by the vtable that they begin with. */
struct mf_keeper_type {
	const char *name, *language, *evidence; /* the types' */
	const char *module;
	uint32_t class; /* of the vtables: the first of that name */
	bool internal;	/* another of the same name may be another type */
	uint64_t count, bytes; /* of the chunks that they begin */
	uint64_t retained;     /* by all of them together */
};

struct mf_typed_node {
	uint32_t node, class;
};

struct mf_typed_nodes {
	struct mf_typed_node *items;
	size_t count, capacity;
};

struct mf_keepers {
	struct mf_target *target;
	struct mf_keepers_options options;
	struct mf_types *types;
	struct mf_places places;
	/* made by a read */
	struct mf_graph *graph;
	struct mf_typed_nodes typed; /* by node, once read */
	struct mf_roots roots;
	MF_VEC(struct mf_scan_range) asked;
	uint64_t scanned; /* bytes */
	/* made by finish */
	MF_VEC(struct mf_keeper) list;
	uint32_t nodes;		   /* vertices below are nodes */
	struct mf_dominators tree; /* empty: it would be too large */
	uint64_t *bytes;	   /* that each number retains */
	uint32_t *chunks;	   /* the same as chunks */
	uint32_t *sizes;	   /* of each number's own, in words */
	MF_VEC(struct mf_keeper_type) type_list; /* by name */
	uint32_t *type_of; /* of each number: type's index + 1; NULL: none */
	uint64_t in_use_bytes, in_use_count;
	uint64_t memory; /* of ours, at most */
};

/* ---- while the target stands still: keepers_read.c ---------------------------- */

struct mf_keepers_worker;

/** What mf_keepers_read does in one, for a scan that reads for others, too. */
void mf_keepers_begin(struct mf_keepers *keepers,
		      const struct mf_scan_input *input);
struct mf_keepers_worker *mf_keepers_worker_create(struct mf_keepers *keepers);
void mf_keepers_window(struct mf_keepers_worker *worker,
		       const struct mf_scan_window *window);
void mf_keepers_merge(struct mf_keepers *keepers,
		      struct mf_keepers_worker *worker);
void mf_keepers_end(struct mf_keepers *keepers);

void mf_keepers_forget_tree(struct mf_keepers *keepers);

/* ---- the graph before the tree: keepers_flow.c --------------------------------- */

/**
 * Makes the list of keepers, and the graph with them; false: a tree of it would
 * take more than the limit. *memory: bytes that it takes, at most.
 */
bool mf_keepers_make_flow(struct mf_keepers *keepers, struct mf_flow *ret);

/** The bytes of the node from START to END, with its header. */
uint64_t mf_keepers_node_size(const struct mf_keepers *keepers, uint64_t start,
			      uint64_t end);

struct mf_vtable_class;

/** What all objects of CLASS, whose name is NAME, retain; false: there are none,
 * or no tree. */
bool mf_keepers_of_type(const struct mf_keepers *keepers, const char *name,
			const struct mf_vtable_class *class, uint64_t *ret);

/** The keeper that VERTEX is, or NULL: it is a node. */
static inline const struct mf_keeper *
mf_keeper_at(const struct mf_keepers *keepers, uint32_t vertex)
{
	return vertex < keepers->nodes
		       ? NULL
		       : &keepers->list.items[vertex - keepers->nodes];
}

/** The keeper that NUMBER is, or NULL: a node. */
static inline const struct mf_keeper *
mf_keeper_of(const struct mf_keepers *keepers, uint32_t number)
{
	return mf_keeper_at(keepers, keepers->tree.vertices[number]);
}

/** Its own bytes, header included; of a keeper none. */
static inline uint64_t mf_keepers_size(const struct mf_keepers *keepers,
				       uint32_t number)
{
	return (uint64_t)keepers->sizes[number] * sizeof(uint64_t);
}

/* ---- what is alike, told of as one: keepers_lines.c ---------------------------- */

enum mf_line_kind {
	MF_LINE_KEEPER, /* one */
	MF_LINE_SHARED, /* what several parts of a keeper hold together */
	MF_LINE_NODE,	/* one chunk, or mapping */
	MF_LINE_TYPE,	/* objects of one type */
	MF_LINE_SIZE,	/* chunks of one size, or about one */
	MF_LINE_REST,	/* what is left of all that its line holds */
};

#define MF_NO_LINE UINT32_MAX

struct mf_kept_line {
	enum mf_line_kind kind;
	uint32_t above; /* the line that holds it; MF_NO_LINE: none */
	uint32_t level;
	uint32_t number;      /* of one, the first */
	uint32_t type;	      /* its index */
	uint64_t least, most; /* sizes of one */
	uint64_t count;	      /* of nodes that it is of */
	uint64_t bytes;	      /* of these alone */
	uint64_t retained;    /* by them together */
	uint64_t chunks;      /* that are retained */
	bool open;	      /* what it holds is told of */
};

struct mf_kept_lines {
	MF_VEC(struct mf_kept_line) list; /* each after the one that holds it */
};

/**
 * The keepers, then down to LEVELS what they hold, as far as it is at least the
 * PARTth part of all that is in use: the most first.
 */
void mf_kept_lines_make(const struct mf_keepers *keepers, unsigned levels,
			unsigned part, struct mf_kept_lines *ret);

/** What the numbers with a bit in CHOSEN are, without who holds whom. */
void mf_kept_lines_sum(const struct mf_keepers *keepers, const uint64_t *chosen,
		       struct mf_kept_lines *ret);
void mf_kept_lines_deinit(struct mf_kept_lines *lines);

#endif
