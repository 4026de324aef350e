/*
 * Heavy hitters in sets of eight: which one has to go, and how the sketches of
 * several workers become one.
 */
#include "scan/sketch.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/memory.h"

enum {
	WAYS = 8,
	WAY_BITS = 3,
	LINE = 64, /* of a cache: the weights of a set are one */
	TOP = 32,  /* the half of a hash that marks are made of */
};

void mf_sketch_init(struct mf_sketch *sketch, uint32_t sets, uint32_t room)
{
	size_t count = (size_t)sets * WAYS;

	*sketch = (struct mf_sketch){
		.sets = sets,
		.room = room,
		.marks = mf_calloc_aligned(LINE, count * sizeof(uint32_t)),
		.weights = mf_calloc_aligned(LINE, count * sizeof(uint64_t)),
		.items = mf_calloc_aligned(
			LINE, count * sizeof(struct mf_sketch_item)),
		.texts = mf_calloc(count, room),
	};
}

void mf_sketch_deinit(struct mf_sketch *sketch)
{
	free(sketch->marks);
	free(sketch->weights);
	free(sketch->items);
	free(sketch->texts);
	*sketch = (struct mf_sketch){ 0 };
}

static uint32_t mark_of(uint64_t hash)
{
	return (uint32_t)(hash >> TOP) | 1;
}

static size_t set_of(uint32_t sets, uint64_t hash)
{
	return (size_t)(hash & (sets - 1)) * WAYS;
}

/*
 * The lightest of a set, and of several the first; one that is free weighs
 * nothing. Weights are of bytes that were read: their top bits are free.
 */
static inline size_t lightest(const uint64_t *weights)
{
	uint64_t least[WAYS / 2];

	_Pragma("GCC unroll 4") for (size_t i = 0; i < WAYS / 2; i++)
	{
		uint64_t one = weights[i] << WAY_BITS | i;
		uint64_t other =
			weights[i + WAYS / 2] << WAY_BITS | (i + WAYS / 2);

		least[i] = MF_MIN(one, other);
	}
	least[0] = MF_MIN(least[0], least[1]);
	least[2] = MF_MIN(least[2], least[3]);
	return MF_MIN(least[0], least[2]) % WAYS;
}

typedef uint32_t mark_lanes __attribute__((vector_size(16)));
typedef uint64_t mark_halves __attribute__((vector_size(16)));

/* Which of a set have MARK, a bit each. */
static inline unsigned find_marks(const uint32_t *marks, uint32_t mark)
{
	const mark_lanes wanted = { mark, mark, mark, mark };
	mark_lanes low, high;
	mark_halves halves;
	uint64_t found;

	memcpy(&low, marks, sizeof(low));
	memcpy(&high, marks + WAYS / 2, sizeof(high));
	halves = (mark_halves)(((mark_lanes)(low == wanted) &
				(mark_lanes){ 1, 2, 4, 8 }) |
			       ((mark_lanes)(high == wanted) &
				(mark_lanes){ 16, 32, 64, 128 }));
	found = halves[0] | halves[1];
	return (unsigned)(found | found >> 32);
}

static struct mf_sketch_item *take(struct mf_sketch *sketch, size_t set,
				   const struct mf_sighting *sighting)
{
	size_t at = set + lightest(sketch->weights + set);
	struct mf_sketch_item *item = &sketch->items[at];

	*item = (struct mf_sketch_item){
		.hash = sighting->hash,
		.count = 1,
		.bytes = sighting->size,
		.doubt = sketch->weights[at],
		.first = sighting->address,
		.size = sighting->size,
	};
	sketch->marks[at] = mark_of(sighting->hash);
	sketch->weights[at] += sighting->size;
	return item;
}

void mf_sketch_expect(const struct mf_sketch *sketch, uint64_t hash)
{
	size_t set = set_of(sketch->sets, hash);

	__builtin_prefetch(sketch->marks + set);
	__builtin_prefetch(sketch->weights + set);
}

void mf_sketch_add_to(struct mf_sketch *sketch, struct mf_sketch_item *item,
		      const struct mf_sighting *sighting)
{
	item->count++;
	item->bytes += sighting->size;
	item->first = MF_MIN(item->first, sighting->address);
	sketch->weights[item - sketch->items] += sighting->size;
}

size_t mf_sketch_expect_item(const struct mf_sketch *sketch, uint64_t hash)
{
	size_t set = set_of(sketch->sets, hash);
	unsigned found = find_marks(sketch->marks + set, mark_of(hash));
	size_t at = found ? (size_t)__builtin_ctz(found)
			  : lightest(sketch->weights + set);

	__builtin_prefetch(&sketch->items[set + at], 1);
	return set + at;
}

struct mf_sketch_item *mf_sketch_add(struct mf_sketch *sketch,
				     const struct mf_sighting *sighting)
{
	size_t set = set_of(sketch->sets, sighting->hash);
	unsigned found =
		find_marks(sketch->marks + set, mark_of(sighting->hash));

	for (; found; found &= found - 1) {
		struct mf_sketch_item *item =
			&sketch->items[set + (unsigned)__builtin_ctz(found)];

		if (item->hash != sighting->hash)
			continue;
		mf_sketch_add_to(sketch, item, sighting);
		return item;
	}
	return take(sketch, set, sighting);
}

/* ---- sums ---------------------------------------------------------------- */

void mf_sketch_sum_init(struct mf_sketch_sum *sum, uint32_t sets, uint32_t room)
{
	*sum = (struct mf_sketch_sum){
		.sets = sets,
		.room = room,
		.least = mf_new_array(sets, uint64_t),
	};
}

void mf_sketch_sum_deinit(struct mf_sketch_sum *sum)
{
	free(sum->items);
	free(sum->texts);
	free(sum->least);
	*sum = (struct mf_sketch_sum){ 0 };
}

static void append(struct mf_sketch_sum *sum, const struct mf_sketch_item *item,
		   const uint8_t *text)
{
	if (sum->count == sum->capacity) {
		sum->capacity = sum->capacity ? sum->capacity * 2 : WAYS;
		sum->items = mf_realloc(sum->items, sum->capacity,
					sizeof(*sum->items));
		sum->texts = mf_realloc(sum->texts, sum->capacity, sum->room);
	}
	sum->items[sum->count] = *item;
	sum->items[sum->count].place = (uint32_t)sum->count;
	sum->items[sum->count].doubt +=
		sum->least[set_of(sum->sets, item->hash) / WAYS];
	if (item->kept)
		memcpy(sum->texts + sum->count * sum->room, text, sum->room);
	else
		memset(sum->texts + sum->count * sum->room, 0, sum->room);
	sum->count++;
}

static void combine(struct mf_sketch_sum *sum, struct mf_sketch_item *item,
		    const struct mf_sketch_item *other, const uint8_t *text,
		    mf_sketch_join join)
{
	uint8_t *own = mf_sketch_sum_text(sum, item);

	item->count += other->count;
	item->bytes += other->bytes;
	item->doubt += other->doubt;
	item->flags |= other->flags;
	if (!item->kept && other->kept) {
		memcpy(own, text, sum->room);
		item->kept = other->kept;
	} else if (item->kept && other->kept && join) {
		join(item, own, other, text);
	}
	item->first = MF_MIN(item->first, other->first);
}

/* What SKETCH may have lost of ITEM, which it has not. */
static uint64_t least_of(const struct mf_sketch *sketch, uint64_t hash)
{
	const uint64_t *weights = sketch->weights + set_of(sketch->sets, hash);

	return weights[lightest(weights)];
}

static void add_items(struct mf_sketch_sum *sum, const struct mf_sketch *sketch,
		      struct mf_map *places, mf_sketch_join join)
{
	size_t before = sum->count;
	uint8_t *met = mf_new_array(before + 1, uint8_t);

	for (size_t i = 0; i < (size_t)sketch->sets * WAYS; i++) {
		const struct mf_sketch_item *item = &sketch->items[i];
		const uint64_t *place;

		if (!sketch->marks[i])
			continue;
		place = mf_map_get(places, item->hash);
		if (!place) {
			append(sum, item, mf_sketch_text(sketch, item));
			continue;
		}
		met[*place] = 1;
		combine(sum, &sum->items[*place], item,
			mf_sketch_text(sketch, item), join);
	}
	for (size_t i = 0; i < before; i++)
		if (!met[i])
			sum->items[i].doubt +=
				least_of(sketch, sum->items[i].hash);
	free(met);
}

void mf_sketch_sum_add(struct mf_sketch_sum *sum,
		       const struct mf_sketch *sketch, mf_sketch_join join)
{
	struct mf_map places = { 0 };

	for (size_t i = 0; i < sum->count; i++)
		mf_map_set(&places, sum->items[i].hash, i);
	add_items(sum, sketch, &places, join);
	mf_map_deinit(&places);
	sum->unseen = 0;
	for (size_t i = 0; i < sum->sets; i++) {
		sum->least[i] +=
			sketch->weights[i * WAYS +
					lightest(sketch->weights + i * WAYS)];
		sum->unseen = MF_MAX(sum->unseen, sum->least[i]);
	}
}

/* ---- order ----------------------------------------------------------------- */

static int descending(uint64_t a, uint64_t b)
{
	return (a < b) - (a > b);
}

static int compare_items(const void *a, const void *b, void *data)
{
	const struct mf_sketch_item *left = a, *right = b;
	const struct mf_sketch_sum *sum = data;
	int order = descending(left->bytes, right->bytes);

	if (!order)
		order = descending(left->count, right->count);
	if (!order)
		order = memcmp(mf_sketch_sum_text(sum, left),
			       mf_sketch_sum_text(sum, right), sum->room);
	return order ? order : descending(left->hash, right->hash);
}

void mf_sketch_sum_sort(struct mf_sketch_sum *sum)
{
	if (sum->count > 1)
		qsort_r(sum->items, sum->count, sizeof(*sum->items),
			compare_items, sum);
}
