/*
 * Regions grouped by class, then by owner, each level the largest first, of
 * which some are open. Knows no terminal.
 */
#ifndef MF_TUI_REGION_TREE_H
#define MF_TUI_REGION_TREE_H

#include "memforensics/space.h"

enum mf_tree_level {
	MF_TREE_CLASS,
	MF_TREE_OWNER,
	MF_TREE_REGION,
};

struct mf_tree_node {
	enum mf_tree_level level;
	bool open;
	enum mf_class class;
	const char *owner;		/* as long as the regions; "" nobody */
	const struct mf_region *region; /* of one; else NULL */
	uint64_t regions, rss, size, swap;
};

struct mf_region_tree;

/** Of COUNT regions that live as long; CLASS: the only one; NULL: all. */
struct mf_region_tree *mf_region_tree_create(const struct mf_region *regions,
					     size_t count,
					     const enum mf_class *class);
/** Takes NULL. */
void mf_region_tree_destroy(struct mf_region_tree *tree);

/** As a list of regions, in the order of their addresses. */
void mf_region_tree_set_flat(struct mf_region_tree *tree, bool flat);
bool mf_region_tree_is_flat(const struct mf_region_tree *tree);

/** Rows as far as it is open. */
uint64_t mf_region_tree_count(const struct mf_region_tree *tree);
void mf_region_tree_node(const struct mf_region_tree *tree, uint64_t row,
			 struct mf_tree_node *ret);
/** Opens what ROW is made of, or closes it. */
void mf_region_tree_open(struct mf_region_tree *tree, uint64_t row, bool open);
/** The row that ROW is part of; of a class, itself. */
uint64_t mf_region_tree_parent(const struct mf_region_tree *tree, uint64_t row);
/** Region NUMBER of those that ROW is made of; NULL: there are no more. */
const struct mf_region *mf_region_tree_part(const struct mf_region_tree *tree,
					    uint64_t row, uint64_t number);
uint64_t mf_region_tree_rss(const struct mf_region_tree *tree);

#endif
