/*
 * Texts with bytes right before or behind them that happen to be characters, as
 * fields of a record have: where very many different ones are beside the same
 * text, they are none of it, and it is put together again.
 */
#include "scan/strings.h"

enum {
	LEAST = 4,	/* bytes of what they have in common */
	MOST_STRAY = 3, /* bytes beside it */
	MANY = 24,	/* different ones, */
	MANY_SIGNS = 8, /* and so many of them no letters or digits */
	SIGN = 32,	/* of the count: where the number of signs begins */
};

/* What strays are looked for in. */
struct strays {
	struct mf_sketch_sum *sum;
	size_t width; /* bytes of a text, before its example */
	bool before;
	struct mf_map common; /* what is beside each, counted */
	struct mf_map places; /* of its one item */
};

static bool is_sign(uint8_t byte)
{
	return byte >= ' ' && !(byte >= '0' && byte <= '9') &&
	       !((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z');
}

static bool may_have(const struct strays *strays,
		     const struct mf_sketch_item *item, size_t stray)
{
	return item->count && item->kept >= LEAST + stray &&
	       item->kept < strays->width;
}

/* ITEM's text without so many bytes at its end, or beginning. */
static uint64_t rest_of(const struct strays *strays,
			const struct mf_sketch_item *item, size_t stray)
{
	return mf_sketch_sum_hash(strays->sum, item, strays->before ? stray : 0,
				  item->kept - stray);
}

static bool is_many(uint64_t count)
{
	return (uint32_t)count >= MANY && count >> SIGN >= MANY_SIGNS;
}

/* Says whether there are any. */
static bool count_strays(struct strays *strays)
{
	bool any = false;

	for (size_t i = 0; i < strays->sum->count; i++) {
		const struct mf_sketch_item *item = &strays->sum->items[i];
		const uint8_t *text = mf_sketch_sum_text(strays->sum, item);
		uint64_t rest, one = 1;
		const uint64_t *count;

		if (!may_have(strays, item, 1))
			continue;
		rest = rest_of(strays, item, 1);
		if (is_sign(text[strays->before ? 0 : item->kept - 1]))
			one |= UINT64_C(1) << SIGN;
		count = mf_map_get(&strays->common, rest);
		one += count ? *count : 0;
		mf_map_set(&strays->common, rest, one);
		any |= is_many(one);
	}
	return any;
}

static bool is_common(const struct strays *strays, uint64_t rest)
{
	const uint64_t *count = mf_map_get(&strays->common, rest);

	return count && is_many(*count);
}

/* The most bytes of ITEM that are strays; *REST: what it is without them. */
static size_t stray_of(const struct strays *strays,
		       const struct mf_sketch_item *item, uint64_t *rest)
{
	for (size_t stray = MOST_STRAY; stray; stray--) {
		if (!may_have(strays, item, stray))
			continue;
		*rest = rest_of(strays, item, stray);
		if (is_common(strays, *rest))
			return stray;
	}
	return 0;
}

/* Where texts stand alone, these are what the others join. */
static void place_alone(struct strays *strays)
{
	for (size_t i = 0; i < strays->sum->count; i++) {
		const struct mf_sketch_item *item = &strays->sum->items[i];
		uint64_t rest;

		if (!may_have(strays, item, 0) || stray_of(strays, item, &rest))
			continue;
		rest = rest_of(strays, item, 0);
		if (is_common(strays, rest))
			mf_map_set(&strays->places, rest, i);
	}
}

/* Takes COUNT bytes off TEXT, which has SIZE of a room of WIDTH. */
static void cut(uint8_t *text, size_t size, size_t count, bool before)
{
	if (before)
		memmove(text, text + count, size - count);
	memset(text + size - count, 0, count);
}

/* A mark stands for more than one byte. */
static bool is_plain(const uint8_t *text, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (mf_shape_mark(text[i]))
			return false;
	return true;
}

static void strip(const struct strays *strays, struct mf_sketch_item *item,
		  size_t stray)
{
	uint8_t *text = mf_sketch_sum_text(strays->sum, item);
	uint8_t *example = text + strays->width;
	size_t room = strays->sum->room - strays->width;
	size_t length = room ? strnlen((char *)example, room) : 0;
	const uint8_t *beside =
		strays->before ? text : text + item->kept - stray;

	if (is_plain(beside, stray)) {
		item->bytes -= MF_MIN(item->bytes, item->count * stray);
		item->first += strays->before ? stray : 0;
		if (length > stray && length < room)
			cut(example, length, stray, strays->before);
	}
	cut(text, item->kept, stray, strays->before);
	item->kept -= stray;
	item->flags |= MF_STRING_STRIPPED;
}

static void join(struct mf_sketch_item *item, struct mf_sketch_item *other)
{
	mf_sketch_item_unite(item, other);
	item->flags |= MF_STRING_VARIED;
	other->count = 0;
}

static void strip_all(struct strays *strays)
{
	for (size_t i = 0; i < strays->sum->count; i++) {
		struct mf_sketch_item *item = &strays->sum->items[i];
		const uint64_t *place;
		uint64_t rest;
		size_t stray = stray_of(strays, item, &rest);

		if (!stray)
			continue;
		strip(strays, item, stray);
		place = mf_map_get(&strays->places, rest);
		if (place)
			join(&strays->sum->items[*place], item);
		else
			mf_map_set(&strays->places, rest, i);
	}
}

static void drop_joined(struct mf_sketch_sum *sum)
{
	size_t left = 0;

	for (size_t i = 0; i < sum->count; i++)
		if (sum->items[i].count)
			sum->items[left++] = sum->items[i];
	sum->count = left;
}

void mf_string_sum_strip(struct mf_sketch_sum *sum, size_t example, bool before)
{
	struct strays strays = {
		.sum = sum,
		.width = example ? example : sum->room,
		.before = before,
	};

	if (count_strays(&strays)) {
		place_alone(&strays);
		strip_all(&strays);
		drop_joined(sum);
	}
	mf_map_deinit(&strays.common);
	mf_map_deinit(&strays.places);
}
