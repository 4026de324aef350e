/*
 * The containers of C++'s libraries by their shapes: what has no vtable, but
 * words that must agree with each other. Never certain: another program's
 * structures may look the same.
 */
#ifndef MF_SCAN_SHAPES_H
#define MF_SCAN_SHAPES_H

#include "base/map.h"
#include "scan/scanner.h"
#include "scan/vtables.h"

struct mf_object_rows;

enum mf_shape {
	MF_SHAPE_STRING,       /* libstdc++: begin, length, capacity */
	MF_SHAPE_LLVM_STRING,  /* libc++: capacity, length, begin */
	MF_SHAPE_SHORT_STRING, /* libstdc++: its text is in itself */
	MF_SHAPE_VECTOR,       /* begin, end, end of capacity */
	MF_SHAPE_DEQUE, /* libstdc++: two iterators into a map of blocks */
	MF_SHAPE_OWNERS,
	MF_SHAPE_HASH = MF_SHAPE_OWNERS, /* a table whose load factor is 1 */
	MF_SHAPE_TREE,			 /* colour, parent, left, right */
	MF_SHAPE_LLVM_TREE,		 /* left, right, parent, colour */
	MF_SHAPE_LIST,			 /* next, previous */
	MF_SHAPES,
};

enum {
	MF_SHAPE_SAMPLES = 64,
	MF_SHAPE_GROUPS = 512,
	MF_SHAPE_TABLES = 1 << 14,
};

/** Words that own memory, or look as if. */
struct mf_shape_owners {
	uint64_t seen;	  /* look right by themselves */
	uint64_t checked; /* of these; what they own was looked for */
	uint64_t held;	  /* of the checked: it is there, and as large */
	uint64_t count;	  /* of what the held own */
	uint64_t bytes, example;
};

/** Chunks of one size that look like nodes of one kind. */
struct mf_shape_nodes {
	enum mf_shape shape;
	uint64_t size;
	uint64_t count, example;
	/* those with the lowest hashes, so that chance alone chooses */
	uint64_t samples[MF_SHAPE_SAMPLES];
	unsigned sample_count, worst;
	/* all of them, as long as there are few */
	MF_VEC(uint64_t) kept;
	bool many;
};

/** A hash table, as its first words say. */
struct mf_shape_table {
	uint64_t address, buckets, bucket_count, first, count;
};

/** What one worker has seen, and then all of them. */
struct mf_shapes {
	const struct mf_scan_input *input; /* NULL: shapes are not looked for */
	uint64_t low, span;		   /* of addresses of chunks */
	bool gnu, llvm; /* libstdc++, libc++ are in the program */
	bool classes;	/* and classes of others than these */
	uint64_t past;	/* words before this address have been told of */
	unsigned spare; /* checks left beyond those of a window */
	unsigned checks[MF_SHAPE_OWNERS]; /* left for this window */
	struct mf_shape_owners owners[MF_SHAPE_OWNERS];
	unsigned room; /* for addresses of nodes */
	MF_VEC(struct mf_shape_nodes) nodes;
	struct mf_map node_at; /* size and shape: index of nodes + 1 */
	MF_VEC(struct mf_shape_table) tables;
	uint64_t tables_lost;
};

/** Words of one piece, with where they stand. */
struct mf_shape_words {
	const uint64_t *words;
	size_t count;
	uint64_t address;
	uint64_t chunk_size; /* 0: these are not all words of one chunk */
};

/** Shapes are looked for where there are chunks, and C++. */
void mf_shapes_init(struct mf_shapes *shapes, const struct mf_scan_input *input,
		    const struct mf_vtables *vtables);
void mf_shapes_deinit(struct mf_shapes *shapes);

/** As INIT's, with nothing seen yet. */
void mf_shapes_fork(const struct mf_shapes *from, struct mf_shapes *ret);
void mf_shapes_merge(struct mf_shapes *into, const struct mf_shapes *from);

void mf_shapes_begin_window(struct mf_shapes *shapes);

/** words[i] leads to where chunks are: an owner of memory? */
void mf_shapes_see_pointer(struct mf_shapes *shapes,
			   const struct mf_shape_words *words, size_t i);

/** All words of a chunk: of what is it a node, were it no object? */
enum mf_shape mf_shapes_of_chunk(struct mf_shapes *shapes,
				 const struct mf_shape_words *words);
void mf_shapes_add_node(struct mf_shapes *shapes, enum mf_shape shape,
			const struct mf_shape_words *words);

static inline bool mf_shapes_is_near(const struct mf_shapes *shapes,
				     uint64_t word)
{
	return word - shapes->low < shapes->span;
}

/** Is there a chunk of HEAP that was asked for with REQUEST bytes, at START? */
bool mf_shapes_is_chunk(const struct mf_heap *heap, uint64_t start,
			uint64_t request, struct mf_chunk *ret);

/** Follows what was kept, and adds a row for each shape. */
void mf_shapes_make_rows(struct mf_shapes *shapes, struct mf_target *target,
			 struct mf_object_rows *rows);

#endif
