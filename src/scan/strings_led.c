/*
 * Keys with one byte before them that says how long they are: what all of them
 * have in common is put together again.
 */
#include "scan/strings.h"

enum {
	LEAST = 4,	  /* bytes of what they have in common */
	LEAST_COMMON = 7, /* where it is less than all of one */
};

static bool is_led(const struct mf_sketch_item *item)
{
	return item->kept > LEAST && (item->flags & MF_STRING_VARIED) &&
	       !(item->flags & MF_STRING_NOT_LED);
}

static uint64_t count_of(const struct mf_map *rests, uint64_t hash)
{
	const uint64_t *count = mf_map_get(rests, hash);

	return count ? *count : 0;
}

static void count_one(struct mf_map *rests, uint64_t hash)
{
	mf_map_set(rests, hash, count_of(rests, hash) + 1);
}

/* From how many bytes of a rest on others may have it in common: of texts that
 * begin alike it may be less than all. */
static size_t least_common(size_t size, bool whole)
{
	return whole ? size : MF_MIN(size, (size_t)LEAST_COMMON);
}

/* For each rest, how many are led by one byte or another, or are that rest. */
static void count_rests(const struct mf_sketch_sum *sum, bool whole,
			struct mf_map *rests)
{
	for (size_t i = 0; i < sum->count; i++) {
		const struct mf_sketch_item *item = &sum->items[i];
		size_t size = item->kept - 1u;

		if (!is_led(item))
			continue;
		for (size_t n = least_common(size, whole); n <= size; n++)
			count_one(rests, mf_sketch_sum_hash(sum, item, 1, n));
	}
	for (size_t i = 0; i < sum->count; i++) {
		const struct mf_sketch_item *item = &sum->items[i];
		uint64_t hash;

		if (is_led(item) || item->kept < LEAST)
			continue;
		hash = mf_sketch_sum_hash(sum, item, 0, item->kept);
		if (mf_map_has(rests, hash))
			count_one(rests, hash);
	}
}

/* How many bytes behind its first the led ITEM has in common with most others;
 * 0: no other is led as it is. */
static size_t common_size(const struct mf_sketch_sum *sum,
			  const struct mf_sketch_item *item, bool whole,
			  const struct mf_map *rests)
{
	size_t size = item->kept - 1u, common = 0;
	uint64_t most = 1;

	for (size_t n = size; n >= least_common(size, whole); n--) {
		uint64_t count =
			count_of(rests, mf_sketch_sum_hash(sum, item, 1, n));

		if (count <= most)
			continue;
		most = count;
		common = n;
	}
	return common;
}

static void drop_first(uint8_t *text, size_t size)
{
	memmove(text, text + 1, size - 1);
	text[size - 1] = 0;
}

/* ITEM is the first SIZE bytes behind its first. */
static void unlead(struct mf_sketch_sum *sum, struct mf_sketch_item *item,
		   size_t example, size_t size)
{
	uint8_t *text = mf_sketch_sum_text(sum, item);
	size_t width = example ? example : sum->room;

	drop_first(text, width);
	if (example)
		drop_first(text + example, sum->room - example);
	memset(text + size, 0, width - size);
	item->kept = (uint16_t)size;
	item->bytes -= item->count;
	item->first++;
	item->flags |= MF_STRING_NOT_LED;
}

/* Puts all that now are the same together. */
static void unite(struct mf_sketch_sum *sum, const struct mf_map *rests)
{
	struct mf_map places = { 0 };
	size_t left = 0;

	for (size_t i = 0; i < sum->count; i++) {
		struct mf_sketch_item *item = &sum->items[i];
		uint64_t hash = mf_sketch_sum_hash(sum, item, 0, item->kept);
		const uint64_t *place;

		if (!item->kept || count_of(rests, hash) < 2) {
			sum->items[left++] = *item;
			continue;
		}
		place = mf_map_get(&places, hash);
		if (place) {
			mf_sketch_item_unite(&sum->items[*place], item);
			sum->items[*place].flags |= MF_STRING_VARIED;
			continue;
		}
		mf_map_set(&places, hash, left);
		sum->items[left++] = *item;
	}
	sum->count = left;
	mf_map_deinit(&places);
}

void mf_string_sum_unlead(struct mf_sketch_sum *sum, size_t example)
{
	struct mf_map rests = { 0 };
	bool any = false;

	count_rests(sum, example, &rests);
	for (size_t i = 0; i < sum->count; i++) {
		struct mf_sketch_item *item = &sum->items[i];
		size_t size;

		if (!is_led(item))
			continue;
		size = common_size(sum, item, example, &rests);
		if (!size)
			continue;
		unlead(sum, item, example, size);
		any = true;
	}
	if (any)
		unite(sum, &rests);
	mf_map_deinit(&rests);
}
