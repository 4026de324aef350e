/*
 * Keys with one byte before them that says how long they are: what all of them
 * have in common is put together again.
 */
#include "scan/strings.h"

enum {
	LEAST = 4, /* bytes of what they have in common */
};

static bool is_led(const struct mf_sketch_item *item)
{
	return item->kept > LEAST && (item->flags & MF_STRING_VARIED) &&
	       !(item->flags & MF_STRING_NOT_LED);
}

/* What ITEM is without its first byte. */
static uint64_t rest_of(const struct mf_sketch_sum *sum,
			const struct mf_sketch_item *item, bool led)
{
	const uint8_t *text = mf_sketch_sum_text(sum, item) + led;
	uint64_t hash = 0;

	for (size_t i = led; i < item->kept; i++)
		hash = mf_hash64(hash + *text++);
	return hash;
}

/* For each rest, how many are led by one byte or another. */
static void count_rests(const struct mf_sketch_sum *sum, struct mf_map *rests)
{
	for (size_t i = 0; i < sum->count; i++) {
		uint64_t rest;
		const uint64_t *count;

		if (!is_led(&sum->items[i]))
			continue;
		rest = rest_of(sum, &sum->items[i], true);
		count = mf_map_get(rests, rest);
		mf_map_set(rests, rest, count ? *count + 1 : 1);
	}
}

static void drop_first(uint8_t *text, size_t size)
{
	memmove(text, text + 1, size - 1);
	text[size - 1] = 0;
}

static void unlead(struct mf_sketch_sum *sum, struct mf_sketch_item *item,
		   size_t example)
{
	uint8_t *text = mf_sketch_sum_text(sum, item);
	size_t size = example ? example : sum->room;

	drop_first(text, size);
	if (example)
		drop_first(text + example, sum->room - example);
	item->kept--;
	item->bytes -= item->count;
	item->first++;
	item->flags |= MF_STRING_NOT_LED;
}

static void add(struct mf_sketch_item *item, const struct mf_sketch_item *other)
{
	item->count += other->count;
	item->bytes += other->bytes;
	item->doubt += other->doubt;
	item->flags |= other->flags | MF_STRING_VARIED;
	item->first = MF_MIN(item->first, other->first);
}

/* Puts all that now are the same together. */
static void unite(struct mf_sketch_sum *sum, const struct mf_map *rests)
{
	struct mf_map places = { 0 };
	size_t left = 0;

	for (size_t i = 0; i < sum->count; i++) {
		struct mf_sketch_item *item = &sum->items[i];
		uint64_t hash = rest_of(sum, item, false);
		const uint64_t *count = mf_map_get(rests, hash), *place;

		if (!item->kept || !count || *count < 2) {
			sum->items[left++] = *item;
			continue;
		}
		place = mf_map_get(&places, hash);
		if (place) {
			add(&sum->items[*place], item);
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

	count_rests(sum, &rests);
	for (size_t i = 0; i < sum->count; i++) {
		struct mf_sketch_item *item = &sum->items[i];
		const uint64_t *count;

		if (!is_led(item))
			continue;
		count = mf_map_get(&rests, rest_of(sum, item, true));
		if (!count || *count < 2)
			continue;
		unlead(sum, item, example);
		any = true;
	}
	if (any)
		unite(sum, &rests);
	mf_map_deinit(&rests);
}
