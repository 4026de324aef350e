/*
 * Groups regions and keeps which groups are open. Four bytes a region, and one
 * row for each that is shown.
 */
#include "tui/region_tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/vec.h"
#include "tui/region_text.h"

struct group {
	enum mf_tree_level level;
	bool open;
	enum mf_class class;
	const char *owner;
	uint32_t first; /* an owner: of order; a class: of owners */
	uint32_t count; /* of these */
	uint64_t regions, rss, size, swap;
};

struct row {
	enum mf_tree_level level;
	uint32_t index; /* of classes, owners, or order */
};

struct mf_region_tree {
	const struct mf_region *regions;
	uint32_t *order; /* indices by class, owner, RSS */
	uint32_t *flat;	 /* by address */
	uint32_t count;
	bool is_flat;
	uint64_t rss;
	MF_VEC(struct group) owners; /* those of a class side by side */
	MF_VEC(struct group) classes;
	MF_VEC(struct row) rows;
};

/* ---- order --------------------------------------------------------------------- */

static int compare_regions(const void *a, const void *b, void *data)
{
	const struct mf_region_tree *tree = data;
	const struct mf_region *regions = tree->regions;
	const struct mf_region *left = &regions[*(const uint32_t *)a];
	const struct mf_region *right = &regions[*(const uint32_t *)b];
	int owner;

	if (left->class != right->class)
		return left->class < right->class ? -1 : 1;
	owner = strcmp(mf_tui_region_owner(left), mf_tui_region_owner(right));
	if (owner)
		return owner;
	if (left->usage.rss != right->usage.rss)
		return left->usage.rss > right->usage.rss ? -1 : 1;
	return (left->start > right->start) - (left->start < right->start);
}

static int compare_groups(const void *a, const void *b)
{
	const struct group *left = a, *right = b;

	if (left->rss != right->rss)
		return left->rss > right->rss ? -1 : 1;
	if (left->size != right->size)
		return left->size > right->size ? -1 : 1;
	return (left->first > right->first) - (left->first < right->first);
}

/* ---- groups ---------------------------------------------------------------------- */

static void add_to(struct group *group, const struct mf_region *region)
{
	group->regions++;
	group->rss += region->usage.rss;
	group->swap += region->usage.swap;
	group->size += region->end - region->start;
}

static void make_owners(struct mf_region_tree *tree)
{
	struct group *last = NULL;

	for (uint32_t i = 0; i < tree->count; i++) {
		const struct mf_region *region = &tree->regions[tree->order[i]];
		const char *owner = mf_tui_region_owner(region);

		if (!last || last->class != region->class ||
		    strcmp(last->owner, owner) != 0) {
			last = mf_vec_add(&tree->owners);
			last->level = MF_TREE_OWNER;
			last->class = region->class;
			last->owner = owner;
			last->first = i;
		}
		last->count++;
		add_to(last, region);
		tree->rss += region->usage.rss;
	}
}

static void make_classes(struct mf_region_tree *tree)
{
	struct group *last = NULL;

	for (uint32_t i = 0; i < tree->owners.count; i++) {
		const struct group *owner = &tree->owners.items[i];

		if (!last || last->class != owner->class) {
			last = mf_vec_add(&tree->classes);
			last->class = owner->class;
			last->owner = "";
			last->first = i;
		}
		last->count++;
		last->regions += owner->regions;
		last->rss += owner->rss;
		last->swap += owner->swap;
		last->size += owner->size;
	}
	mf_vec_foreach(class, &tree->classes)
		qsort(tree->owners.items + class->first, class->count,
		      sizeof(struct group), compare_groups);
	mf_vec_sort(&tree->classes, compare_groups);
}

/* ---- rows --------------------------------------------------------------------------- */

static void add_row(struct mf_region_tree *tree, enum mf_tree_level level,
		    size_t index)
{
	mf_vec_push(&tree->rows, (struct row){ level, (uint32_t)index });
}

static void show_owner(struct mf_region_tree *tree, uint32_t index)
{
	const struct group *owner = &tree->owners.items[index];

	add_row(tree, MF_TREE_OWNER, index);
	for (uint32_t i = 0; owner->open && i < owner->count; i++)
		add_row(tree, MF_TREE_REGION, owner->first + i);
}

static void show(struct mf_region_tree *tree)
{
	tree->rows.count = 0;
	for (size_t i = 0; i < tree->classes.count; i++) {
		const struct group *class = &tree->classes.items[i];

		add_row(tree, MF_TREE_CLASS, i);
		for (uint32_t j = 0; class->open && j < class->count; j++)
			show_owner(tree, class->first + j);
	}
}

struct mf_region_tree *mf_region_tree_create(const struct mf_region *regions,
					     size_t count,
					     const enum mf_class *class)
{
	struct mf_region_tree *tree = mf_new(struct mf_region_tree);

	tree->regions = regions;
	tree->order = mf_new_array(count + 1, uint32_t);
	tree->flat = mf_new_array(count + 1, uint32_t);
	for (size_t i = 0; i < count && i < UINT32_MAX; i++)
		if (!class || regions[i].class == *class)
			tree->flat[tree->count++] = (uint32_t)i;
	memcpy(tree->order, tree->flat, tree->count * sizeof(*tree->order));
	qsort_r(tree->order, tree->count, sizeof(*tree->order), compare_regions,
		tree);
	make_owners(tree);
	make_classes(tree);
	/* the only class is there to be looked into */
	if (class && tree->classes.count)
		tree->classes.items[0].open = true;
	show(tree);
	return tree;
}

void mf_region_tree_destroy(struct mf_region_tree *tree)
{
	if (!tree)
		return;
	free(tree->order);
	free(tree->flat);
	mf_vec_deinit(&tree->owners);
	mf_vec_deinit(&tree->classes);
	mf_vec_deinit(&tree->rows);
	free(tree);
}

void mf_region_tree_set_flat(struct mf_region_tree *tree, bool flat)
{
	tree->is_flat = flat;
}

bool mf_region_tree_is_flat(const struct mf_region_tree *tree)
{
	return tree->is_flat;
}

uint64_t mf_region_tree_count(const struct mf_region_tree *tree)
{
	return tree->is_flat ? tree->count : tree->rows.count;
}

static void fill_region(const struct mf_region *region,
			struct mf_tree_node *ret)
{
	*ret = (struct mf_tree_node){
		.level = MF_TREE_REGION,
		.class = region->class,
		.owner = mf_tui_region_owner(region),
		.region = region,
		.regions = 1,
		.rss = region->usage.rss,
		.swap = region->usage.swap,
		.size = region->end - region->start,
	};
}

static struct group *group_of(const struct mf_region_tree *tree,
			      const struct row *row)
{
	return row->level == MF_TREE_CLASS ? &tree->classes.items[row->index]
					   : &tree->owners.items[row->index];
}

void mf_region_tree_node(const struct mf_region_tree *tree, uint64_t row,
			 struct mf_tree_node *ret)
{
	const struct row *at;
	const struct group *group;

	if (tree->is_flat) {
		fill_region(&tree->regions[tree->flat[row]], ret);
		return;
	}
	at = &tree->rows.items[row];
	if (at->level == MF_TREE_REGION) {
		fill_region(&tree->regions[tree->order[at->index]], ret);
		return;
	}
	group = group_of(tree, at);
	*ret = (struct mf_tree_node){
		.level = at->level,
		.open = group->open,
		.class = group->class,
		.owner = group->owner,
		.regions = group->regions,
		.rss = group->rss,
		.swap = group->swap,
		.size = group->size,
	};
}

void mf_region_tree_open(struct mf_region_tree *tree, uint64_t row, bool open)
{
	const struct row *at = &tree->rows.items[row];

	if (tree->is_flat || at->level == MF_TREE_REGION)
		return;
	group_of(tree, at)->open = open;
	show(tree);
}

const struct mf_region *mf_region_tree_part(const struct mf_region_tree *tree,
					    uint64_t row, uint64_t number)
{
	const struct row *at = &tree->rows.items[row];
	uint32_t first = at->index, count = 1;

	if (tree->is_flat || at->level == MF_TREE_REGION)
		return NULL;
	if (at->level == MF_TREE_CLASS) {
		first = tree->classes.items[at->index].first;
		count = tree->classes.items[at->index].count;
	}
	for (uint32_t i = first; i < first + count; i++) {
		const struct group *owner = &tree->owners.items[i];

		if (number < owner->count)
			return &tree->regions[tree->order[owner->first +
							  number]];
		number -= owner->count;
	}
	return NULL;
}

uint64_t mf_region_tree_parent(const struct mf_region_tree *tree, uint64_t row)
{
	enum mf_tree_level level;

	if (tree->is_flat)
		return row;
	level = tree->rows.items[row].level;
	while (row && tree->rows.items[row].level >= level &&
	       level != MF_TREE_CLASS)
		row--;
	return row;
}

uint64_t mf_region_tree_rss(const struct mf_region_tree *tree)
{
	return tree->rss;
}
