/*
 * jemalloc's radix tree of extents, found and read without any symbol.
 */
#ifndef MF_HEAP_JEMALLOC_RTREE_H
#define MF_HEAP_JEMALLOC_RTREE_H

#include "heap/recognise.h"

/** How the tree divides an address, and what a leaf's element is. */
struct mf_jemalloc_layout {
	const char *name;
	unsigned lg_page;    /* of jemalloc's own page */
	unsigned leaf_bits;  /* pages of a leaf */
	unsigned node_bits;  /* leaves of a node; 0: two levels */
	unsigned root_bits;  /* leaves, or nodes, of the root */
	unsigned leaf_words; /* of an element: 1 packed, 2 with its edata */
};

/** Where the fields of edata's e_bits are. */
enum mf_jemalloc_bits {
	MF_JEMALLOC_BITS_UNKNOWN,
	MF_JEMALLOC_BITS_5_0, /* 5.0 to 5.2, extent_t */
	MF_JEMALLOC_BITS_5_3, /* 5.3, edata_t */
};

struct mf_jemalloc_rtree {
	const struct mf_jemalloc_layout *layout;
	enum mf_jemalloc_bits bits;
	uint64_t root; /* address of its first element */
};

enum mf_jemalloc_state {
	MF_JEMALLOC_ACTIVE,
	MF_JEMALLOC_DIRTY,
	MF_JEMALLOC_MUZZY,
	MF_JEMALLOC_RETAINED,
	MF_JEMALLOC_TRANSIENT, /* and beyond: changing hands */
	MF_JEMALLOC_STATES,
};

struct mf_jemalloc_extent {
	uint64_t address, size; /* whole pages */
	uint64_t edata;		/* address of what describes it */
	uint64_t offset;	/* of its object, below a page */
	enum mf_jemalloc_state state;
	bool slab;
	unsigned arena, size_class, free_regions;
};

/** Bytes of an object of size class INDEX (quantum 16); 0: no such class. */
uint64_t mf_jemalloc_class_size(unsigned index);

/**
 * Finds the tree whose root lies in DATA, the data and bss of the object that
 * holds jemalloc. Proof: elements of its leaves point at extents that say that
 * they are at the very pages which the elements stand for.
 */
bool mf_jemalloc_find_rtree(struct mf_target *target, struct mf_range data,
			    struct mf_jemalloc_rtree *ret);

/** Where the tree's own memory is, and what it found wrong. */
struct mf_jemalloc_visitor {
	bool (*extent)(void *data, const struct mf_jemalloc_extent *extent);
	void (*leaf)(void *data, uint64_t start, uint64_t end); /* or NULL */
	void *data;
};

/**
 * Gives every extent of the tree once, in address order. Memory use is bounded
 * by one leaf, whatever the heap's size. Returns elements that did not check.
 */
uint64_t mf_jemalloc_each_extent(struct mf_target *target,
				 const struct mf_jemalloc_rtree *rtree,
				 const struct mf_jemalloc_visitor *visitor);

#endif
