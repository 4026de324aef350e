/*
 * Regions, as a tree of class, owner and region, or flat.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "tui/region_text.h"
#include "tui/region_tree.h"
#include "tui/views.h"

struct regions {
	struct mf_region_tree *tree;
	struct mf_buffer text; /* of the row that was asked for last */
	char perms[5];
};

enum column {
	RSS,
	BAR,
	SIZE,
	WHAT,
	PERMS,
	ADDRESS,
	SWAP,
};

static const struct mf_view_column columns[] = {
	[RSS] = { "rss", MF_VALUE_SIZE, 10, 'R', MF_COLUMN_DESCENDING },
	[BAR] = { "", MF_VALUE_RATIO, 10, 0,
		  MF_COLUMN_BAR | MF_COLUMN_IF_ROOM },
	[SIZE] = { "mapped", MF_VALUE_SIZE, 10, 'S',
		   MF_COLUMN_DESCENDING | MF_COLUMN_IF_ROOM },
	[WHAT] = { "what", MF_VALUE_TEXT, 20, 'W', MF_COLUMN_FILL },
	[PERMS] = { "perm", MF_VALUE_TEXT, 4, 'P', MF_COLUMN_IF_ROOM },
	[ADDRESS] = { "address", MF_VALUE_ADDRESS, 14, 'A', MF_COLUMN_IF_ROOM },
	[SWAP] = { "swap", MF_VALUE_SIZE, 10, 'O',
		   MF_COLUMN_DESCENDING | MF_COLUMN_IF_ROOM },
};

static struct mf_error *regions_open(struct mf_pane *pane, const void *argument)
{
	const struct mf_regions_argument *only = argument;
	struct regions *regions = pane->state;
	size_t count;
	const struct mf_region *all = mf_space_regions(
		mf_browser_models(pane->browser)->space, &count);

	regions->tree =
		mf_region_tree_create(all, count, only ? &only->class : NULL);
	return NULL;
}

static void regions_close(struct mf_pane *pane)
{
	struct regions *regions = pane->state;

	mf_region_tree_destroy(regions->tree);
	mf_buffer_deinit(&regions->text);
}

static uint64_t regions_count(struct mf_pane *pane)
{
	const struct regions *regions = pane->state;

	return mf_region_tree_count(regions->tree);
}

/* ---- rows ------------------------------------------------------------------------ */

static const char *sign_of(const struct mf_pane *pane, bool open)
{
	if (!mf_browser_is_utf8(pane->browser))
		return open ? "-" : "+";
	return open ? "▾" : "▸";
}

static void describe(struct mf_pane *pane, const struct mf_tree_node *node)
{
	struct regions *regions = pane->state;
	struct mf_buffer *text = &regions->text;

	mf_buffer_clear(text);
	if (node->region) {
		if (mf_region_tree_is_flat(regions->tree))
			mf_buffer_printf(text,
					 "%s: ", mf_class_name(node->class));
		mf_tui_region_describe(text, node->region);
		return;
	}
	mf_buffer_printf(text, "%s ", sign_of(pane, node->open));
	if (node->level == MF_TREE_CLASS)
		mf_buffer_puts(text, mf_class_name(node->class));
	else
		mf_buffer_puts(text, *node->owner ? node->owner : "nobody");
	mf_buffer_printf(text, " (%" PRIu64 ")", node->regions);
}

static void regions_values(struct mf_pane *pane, uint64_t row,
			   struct mf_value *values)
{
	struct regions *regions = pane->state;
	uint64_t rss = mf_region_tree_rss(regions->tree);
	struct mf_tree_node node;

	mf_region_tree_node(regions->tree, row, &node);
	describe(pane, &node);
	values[RSS] = mf_size(node.rss);
	values[BAR] = mf_ratio(rss ? (double)node.rss / (double)rss : 0);
	values[SIZE] = mf_size(node.size);
	values[SWAP] = mf_size(node.swap);
	values[WHAT] = mf_text(mf_buffer_text(&regions->text));
	values[PERMS] = values[ADDRESS] = mf_text("");
	if (!node.region)
		return;
	mf_tui_region_perms(regions->perms, node.region);
	values[PERMS] = mf_text(regions->perms);
	values[ADDRESS] = mf_address(node.region->start);
}

static enum mf_tint regions_tint(struct mf_pane *pane, uint64_t row)
{
	const struct regions *regions = pane->state;
	struct mf_tree_node node;

	mf_region_tree_node(regions->tree, row, &node);
	if (!node.region)
		return node.level == MF_TREE_CLASS ? MF_TINT_TITLE
						   : MF_TINT_PLAIN;
	if (node.region->suspicions)
		return MF_TINT_WARNING;
	return node.rss ? MF_TINT_PLAIN : MF_TINT_DIM;
}

static unsigned regions_depth(struct mf_pane *pane, uint64_t row)
{
	const struct regions *regions = pane->state;
	struct mf_tree_node node;

	if (mf_region_tree_is_flat(regions->tree))
		return 0;
	mf_region_tree_node(regions->tree, row, &node);
	return (unsigned)node.level * 2;
}

static bool regions_subject(struct mf_pane *pane, uint64_t row,
			    struct mf_subject *ret)
{
	const struct regions *regions = pane->state;
	struct mf_tree_node node;

	mf_region_tree_node(regions->tree, row, &node);
	if (!node.region)
		return false;
	*ret = (struct mf_subject){ node.region->start, node.region->end,
				    node.region->start };
	return true;
}

static bool regions_part(struct mf_pane *pane, uint64_t row, uint64_t number,
			 struct mf_subject *ret)
{
	const struct regions *regions = pane->state;
	const struct mf_region *region =
		mf_region_tree_part(regions->tree, row, number);

	if (!region)
		return false;
	*ret = (struct mf_subject){ region->start, region->end, region->start };
	return true;
}

/* ---- going in and out ---------------------------------------------------------------- */

static struct mf_error *regions_enter(struct mf_pane *pane, uint64_t row)
{
	struct regions *regions = pane->state;
	struct mf_tree_node node;

	mf_region_tree_node(regions->tree, row, &node);
	if (node.region)
		return mf_browser_open_bytes(pane->browser, node.region->start);
	mf_region_tree_open(regions->tree, row, !node.open);
	mf_browser_changed(pane);
	return NULL;
}

static bool go_out(struct mf_pane *pane)
{
	struct regions *regions = pane->state;
	uint64_t row = mf_list_row(&pane->list, pane->list.cursor);
	struct mf_tree_node node;

	if (mf_region_tree_is_flat(regions->tree) ||
	    !mf_region_tree_count(regions->tree))
		return false;
	mf_region_tree_node(regions->tree, row, &node);
	if (node.level == MF_TREE_CLASS && !node.open)
		return false;
	if (node.open)
		mf_region_tree_open(regions->tree, row, false);
	else
		mf_list_go(&pane->list,
			   mf_region_tree_parent(regions->tree, row));
	mf_browser_changed(pane);
	return true;
}

static void set_flat(struct mf_pane *pane, bool flat)
{
	struct regions *regions = pane->state;

	if (flat == mf_region_tree_is_flat(regions->tree))
		return;
	if (!flat)
		mf_list_reset(&pane->list);
	mf_region_tree_set_flat(regions->tree, flat);
	mf_browser_changed(pane);
	mf_list_go(&pane->list, 0);
}

static void regions_flatten(struct mf_pane *pane)
{
	set_flat(pane, true);
}

static bool regions_handle(struct mf_pane *pane, enum mf_request request)
{
	const struct regions *regions = pane->state;

	if (request == MF_REQUEST_LEFT)
		return go_out(pane);
	if (request != MF_REQUEST_TREE)
		return false;
	set_flat(pane, !mf_region_tree_is_flat(regions->tree));
	return true;
}

/* ---- from one moment to the next --------------------------------------------------- */

static const uint64_t flat_bit = (uint64_t)1 << 63;

_Static_assert(MF_CLASS_COUNT < 63, "a bit for each class");

/* Classes that are open, a bit each. */
static uint64_t regions_keep(struct mf_pane *pane)
{
	const struct regions *regions = pane->state;
	uint64_t kept = 0, count = mf_region_tree_count(regions->tree);
	struct mf_tree_node node;

	if (mf_region_tree_is_flat(regions->tree))
		return flat_bit;
	for (uint64_t row = 0; row < count; row++) {
		mf_region_tree_node(regions->tree, row, &node);
		if (node.level == MF_TREE_CLASS && node.open)
			kept |= (uint64_t)1 << node.class;
	}
	return kept;
}

static void regions_restore(struct mf_pane *pane, uint64_t kept)
{
	struct regions *regions = pane->state;
	struct mf_tree_node node;

	if (kept & flat_bit)
		set_flat(pane, true);
	else
		for (uint64_t row = 0;
		     kept && row < mf_region_tree_count(regions->tree); row++) {
			mf_region_tree_node(regions->tree, row, &node);
			if (node.level == MF_TREE_CLASS &&
			    (kept >> node.class & 1) && !node.open)
				mf_region_tree_open(regions->tree, row, true);
		}
	mf_browser_changed(pane);
}

const struct mf_view_ops mf_view_regions = {
	.name = "regions",
	.brief = 3,
	.summary = "the address space: by class and owner, or flat (t)",
	.digit = '2',
	.needs = MF_NEEDS_SPACE,
	.size = sizeof(struct regions),
	.columns = columns,
	.column_count = MF_ARRAY_SIZE(columns),
	.open = regions_open,
	.close = regions_close,
	.count = regions_count,
	.values = regions_values,
	.tint = regions_tint,
	.depth = regions_depth,
	.subject = regions_subject,
	.part = regions_part,
	.enter = regions_enter,
	.handle = regions_handle,
	.flatten = regions_flatten,
	.keep = regions_keep,
	.restore = regions_restore,
};
