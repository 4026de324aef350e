/*
 * Regions of two reports. In one address space a region is where it is: it may
 * have grown at either end, taken in a neighbour, or been cut. Elsewhere, where
 * no address says anything, regions are one if their class and label are, up to
 * the numbers in it.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "analysis/diff.h"
#include "base/buffer.h"
#include "base/search.h"

enum {
	NOWHERE = UINT32_MAX,
};

struct place {
	uint64_t start, end, bytes;
	const char *class, *label;
	uint32_t match; /* places of one match are one change; or NOWHERE */
};

struct places {
	MF_VEC(struct place) items; /* ascending, never overlapping */
};

struct work {
	struct mf_diff *diff;
	struct places sides[MF_SIDES];
	uint32_t matches;
};

static void work_deinit(struct work *work)
{
	mf_vec_deinit(&work->sides[MF_BEFORE].items);
	mf_vec_deinit(&work->sides[MF_AFTER].items);
}

/* ---- reading ----------------------------------------------------------------- */

static int by_start(const void *left, const void *right)
{
	const struct place *a = left, *b = right;

	if (a->start != b->start)
		return a->start > b->start ? 1 : -1;
	if (a->end != b->end)
		return a->end > b->end ? 1 : -1;
	return strcmp(a->label, b->label);
}

/* A file may lie: no address is in two regions. */
static void drop_overlaps(struct places *places)
{
	uint64_t end = 0;
	size_t count = 0;

	mf_vec_foreach(place, &places->items) {
		if (place->start < end)
			continue;
		end = place->end;
		places->items.items[count++] = *place;
	}
	places->items.count = count;
}

/* What has no label is told of by its file, if it has one. */
static const char *label_of(const struct mf_node *row)
{
	const char *label = mf_node_text(row, "label");

	if (!label || !*label)
		label = mf_node_text(row, "path");
	return label ? label : "";
}

static void read_places(const struct mf_diff *diff, const struct mf_node *root,
			struct places *places)
{
	size_t count = mf_node_rows(root, "regions");

	for (size_t i = 0; i < count; i++) {
		const struct mf_node *row = mf_node_row(root, "regions", i);
		struct place place = { .match = NOWHERE };

		place.class = mf_node_text(row, "class");
		place.label = label_of(row);
		if (!place.class ||
		    !mf_node_number(row, "start", &place.start) ||
		    !mf_node_number(row, "end", &place.end) ||
		    place.start >= place.end)
			continue;
		place.bytes = place.end - place.start;
		if (diff->by_rss && !mf_node_number(row, "rss", &place.bytes))
			place.bytes = 0;
		mf_vec_push(&places->items, place);
	}
	mf_vec_sort(&places->items, by_start);
	drop_overlaps(places);
}

/* ---- whether addresses mean the same ------------------------------------------ */

/* The first place that starts at or behind ADDRESS. */
static size_t place_after(const struct places *places, uint64_t address)
{
	return mf_count_leading(places->items.items, places->items.count, place,
				place->start < address);
}

static struct place *place_at(const struct places *places, uint64_t start)
{
	size_t i = place_after(places, start);

	if (i >= places->items.count || places->items.items[i].start != start)
		return NULL;
	return &places->items.items[i];
}

/* Code does not move in a process, and seldom is where it was in another. */
static bool is_one_space(const struct work *work)
{
	const struct places *before = &work->sides[MF_BEFORE];
	size_t text = 0, same = 0;

	for (size_t i = 0; i < before->items.count; i++) {
		const struct place *place = &before->items.items[i], *other;

		if (strcmp(place->class, "text") != 0)
			continue;
		other = place_at(&work->sides[MF_AFTER], place->start);
		text++;
		same += other && strcmp(other->class, "text") == 0 &&
			strcmp(other->label, place->label) == 0;
	}
	return text && same * 2 > text;
}

/* ---- one address space --------------------------------------------------------- */

static void match(struct work *work, struct place *before, struct place *after)
{
	if (before->match == NOWHERE && after->match == NOWHERE)
		before->match = after->match = work->matches++;
	else if (before->match == NOWHERE)
		before->match = after->match;
	else if (after->match == NOWHERE)
		after->match = before->match;
}

static void match_starts(struct work *work, bool same_class)
{
	struct places *before = &work->sides[MF_BEFORE];

	for (size_t i = 0; i < before->items.count; i++) {
		struct place *place = &before->items.items[i];
		struct place *other =
			place_at(&work->sides[MF_AFTER], place->start);

		if (!other || place->match != NOWHERE ||
		    other->match != NOWHERE ||
		    (same_class && strcmp(place->class, other->class) != 0))
			continue;
		match(work, place, other);
	}
}

/* Places of one class that share an address are parts of one change: what grew
 * downwards, took in a neighbour, or was cut. */
static void match_overlaps(struct work *work)
{
	struct places *before = &work->sides[MF_BEFORE];
	struct places *after = &work->sides[MF_AFTER];
	size_t i = 0, j = 0;

	while (i < before->items.count && j < after->items.count) {
		struct place *left = &before->items.items[i];
		struct place *right = &after->items.items[j];

		if (left->start < right->end && right->start < left->end &&
		    strcmp(left->class, right->class) == 0)
			match(work, left, right);
		if (left->end < right->end)
			i++;
		else
			j++;
	}
}

struct sum {
	const struct place *shown; /* of AFTER, if there is one */
	uint64_t bytes[MF_SIDES];
};

static void add_sum(struct work *work, const struct sum *sum)
{
	const struct place *shown = sum->shown;
	MF_AUTO_BUFFER(key);

	mf_buffer_printf(&key, "0x%llx %s", (unsigned long long)shown->start,
			 shown->class);
	if (*shown->label)
		mf_buffer_printf(&key, " %s", shown->label);
	for (unsigned side = 0; side < MF_SIDES; side++)
		mf_diff_add(work->diff, MF_CHANGE_REGION, mf_buffer_text(&key),
			    (enum mf_side)side, sum->bytes[side], NULL);
}

/* Also those that have no like. */
static void number_rest(struct work *work)
{
	for (unsigned side = 0; side < MF_SIDES; side++)
		mf_vec_foreach(place, &work->sides[side].items)
			if (place->match == NOWHERE)
				place->match = work->matches++;
}

static void add_matches(struct work *work)
{
	mf_auto_free struct sum *sums =
		mf_new_array((size_t)work->matches + 1, struct sum);

	for (unsigned side = MF_SIDES; side-- > 0;)
		mf_vec_foreach(place, &work->sides[side].items) {
			struct sum *sum = &sums[place->match];

			sum->bytes[side] += place->bytes;
			if (!sum->shown)
				sum->shown = place;
		}
	for (uint32_t i = 0; i < work->matches; i++)
		if (sums[i].shown)
			add_sum(work, &sums[i]);
}

/* ---- two address spaces --------------------------------------------------------- */

/* "thread # stack" */
static void add_folded(struct mf_buffer *key, const char *label)
{
	while (*label) {
		if (!isdigit((unsigned char)*label)) {
			mf_buffer_putc(key, *label++);
			continue;
		}
		mf_buffer_putc(key, '#');
		while (isdigit((unsigned char)*label))
			label++;
	}
}

static void add_labels(struct work *work)
{
	for (unsigned side = 0; side < MF_SIDES; side++)
		mf_vec_foreach(place, &work->sides[side].items) {
			const uint64_t one = 1;
			MF_AUTO_BUFFER(key);

			mf_buffer_puts(&key, place->class);
			if (*place->label)
				mf_buffer_putc(&key, ' ');
			/* names of files have numbers that mean something */
			if (strchr(place->label, '.'))
				mf_buffer_puts(&key, place->label);
			else
				add_folded(&key, place->label);
			mf_diff_add(work->diff, MF_CHANGE_REGION,
				    mf_buffer_text(&key), (enum mf_side)side,
				    place->bytes, &one);
		}
}

void mf_diff_regions(struct mf_diff *diff, const struct mf_node *const *roots)
{
	mf_cleanup(work_deinit) struct work work = { .diff = diff };

	if (!mf_node_has_table(roots[MF_BEFORE], "regions") ||
	    !mf_node_has_table(roots[MF_AFTER], "regions"))
		return;
	diff->compared[MF_CHANGE_REGION] = true;
	read_places(diff, roots[MF_BEFORE], &work.sides[MF_BEFORE]);
	read_places(diff, roots[MF_AFTER], &work.sides[MF_AFTER]);
	if (!is_one_space(&work)) {
		add_labels(&work);
		return;
	}
	match_starts(&work, true);
	match_overlaps(&work);
	match_starts(&work, false);
	number_rest(&work);
	add_matches(&work);
}
