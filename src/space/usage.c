/*
 * How much of each region is in RAM. A region that is a whole mapping has the
 * kernel's figures. Where a mapping is split its pages are counted piece by
 * piece, and the figures are then made to add up to the kernel's: what a
 * running process changed in between, and what has no page of its own (PSS),
 * is shared out.
 */
#include <stdlib.h>

#include "space/model.h"

struct split {
	struct mf_region *pieces;
	size_t count;
	struct mf_page_counts *pages; /* of each piece */
	uint64_t page;
};

/* VALUES add up to TOTAL afterwards: none over its piece while there is room. */
static void reconcile(const struct split *split, uint64_t *values,
		      uint64_t total)
{
	uint64_t left = total;

	for (size_t i = 0; i < split->count; i++) {
		values[i] = MF_MIN(values[i], left);
		left -= values[i];
	}
	for (size_t i = split->count; left && i-- > 0;) {
		uint64_t size = split->pieces[i].end - split->pieces[i].start;
		uint64_t room = size > values[i] ? size - values[i] : 0;

		room = MF_MIN(room, left);
		values[i] += room;
		left -= room;
	}
	values[split->count - 1] += left;
}

/* TOTAL in proportion to WEIGHTS, in multiples of UNIT, rest to the last. */
static void share_out(const struct split *split, const uint64_t *weights,
		      uint64_t total, uint64_t unit, uint64_t *values)
{
	uint64_t sum = 0, reached = 0, given = 0;

	for (size_t i = 0; i < split->count; i++)
		sum += weights[i];
	for (size_t i = 0; i < split->count; i++) {
		uint64_t upto;

		reached += weights[i];
		upto = sum ? (uint64_t)((unsigned __int128)(total / unit) *
					reached / sum) *
				       unit
			   : 0;
		values[i] = upto - given;
		given = upto;
	}
	/* Not to a piece of nothing, such as a guard. */
	for (size_t i = split->count; i-- > 0;) {
		if (weights[i] || i == 0) {
			values[i] += total - given;
			return;
		}
	}
}

enum figure {
	FIGURE_RSS,
	FIGURE_SWAP,
	FIGURE_THP,
	FIGURE_ANON,
	FIGURE_PSS,
	FIGURE_DIRTY,
	FIGURE_LAZYFREE,
	FIGURE_LOCKED,
	FIGURES,
};

static uint64_t *field_of(struct mf_usage *usage, enum figure figure)
{
	switch (figure) {
	case FIGURE_RSS:
		return &usage->rss;
	case FIGURE_SWAP:
		return &usage->swap;
	case FIGURE_THP:
		return &usage->thp;
	case FIGURE_ANON:
		return &usage->anon;
	case FIGURE_PSS:
		return &usage->pss;
	case FIGURE_DIRTY:
		return &usage->dirty;
	case FIGURE_LAZYFREE:
		return &usage->lazyfree;
	default:
		return &usage->locked;
	}
}

/* What pagemap counts of a figure; the others have no bit there. */
static bool counted(const struct mf_page_counts *pages, enum figure figure,
		    uint64_t *ret)
{
	switch (figure) {
	case FIGURE_RSS:
		*ret = pages->present;
		return true;
	case FIGURE_SWAP:
		*ret = pages->swapped;
		return true;
	case FIGURE_THP:
		*ret = pages->huge;
		return true;
	case FIGURE_ANON:
		*ret = pages->present - MF_MIN(pages->file, pages->present);
		return true;
	default:
		return false;
	}
}

static void fill_figure(const struct split *split, enum figure figure,
			uint64_t total, uint64_t *values, uint64_t *weights)
{
	bool known = true;

	for (size_t i = 0; i < split->count; i++) {
		known = counted(&split->pages[i], figure, &values[i]);
		values[i] = known ? values[i] * split->page : 0;
		weights[i] = split->pieces[i].usage.rss;
	}
	if (known)
		reconcile(split, values, total);
	else
		share_out(split, weights, total,
			  figure == FIGURE_PSS ? 1 : split->page, values);
	for (size_t i = 0; i < split->count; i++)
		*field_of(&split->pieces[i].usage, figure) = values[i];
}

static void know_usage(struct mf_region *region,
		       const struct mf_mapping *mapping, bool known)
{
	region->usage_known = known;
	region->usage.lacks = known ? mapping->usage.lacks : MF_FIGURES_ALL;
}

static struct mf_error *measure_split(struct mf_space *space,
				      struct split *split)
{
	const struct mf_mapping *mapping = split->pieces->mapping;
	struct mf_usage whole = mapping->usage;
	mf_auto_free uint64_t *values = mf_new_array(split->count, uint64_t);
	mf_auto_free uint64_t *weights = mf_new_array(split->count, uint64_t);
	bool countable = mf_target_can(space->target, MF_CAN_RESIDENCY);

	for (size_t i = 0; countable && i < split->count; i++) {
		const struct mf_region *piece = &split->pieces[i];

		if (mf_mapping_is_reserve(piece->mapping) && !whole.rss)
			continue;
		MF_TRY(mf_target_count_pages(space->target, piece->start,
					     piece->end, &split->pages[i]));
	}
	for (enum figure figure = 0; figure < FIGURES; figure++)
		fill_figure(split, figure, *field_of(&whole, figure), values,
			    weights);
	for (size_t i = 0; i < split->count; i++)
		know_usage(&split->pieces[i], mapping,
			   mapping->usage_known && countable);
	return NULL;
}

static size_t pieces_of(const struct mf_space *space, size_t first)
{
	const struct mf_region *regions = space->view->regions.items;
	size_t end = first + 1;

	while (end < space->view->regions.count &&
	       regions[end].mapping == regions[first].mapping)
		end++;
	return end - first;
}

struct mf_error *mf_space_measure(struct mf_space *space)
{
	size_t count = space->view->regions.count;

	for (size_t i = 0; i < count;) {
		struct mf_region *region = &space->view->regions.items[i];
		struct split split = {
			.pieces = region,
			.count = pieces_of(space, i),
			.page = space->page,
		};
		struct mf_error *error = NULL;

		if (split.count == 1) {
			region->usage = region->mapping->usage;
			know_usage(region, region->mapping,
				   region->mapping->usage_known);
		} else {
			split.pages = mf_new_array(split.count,
						   struct mf_page_counts);
			error = measure_split(space, &split);
			free(split.pages);
		}
		if (error)
			return error;
		i += split.count;
	}
	return NULL;
}
