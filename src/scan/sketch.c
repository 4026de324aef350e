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
	WAYS = MF_SKETCH_WAYS,
	LINE = 64,	/* of a cache */
	TOP = 32,	/* the half of a hash that marks are made of */
	SIZE_BITS = 16, /* of a note; its other bits are the address */
};

void mf_sketch_init(struct mf_sketch *sketch, uint32_t sets, uint32_t room,
		    uint32_t noted_below)
{
	size_t count = (size_t)sets * WAYS;

	*sketch = (struct mf_sketch){
		.sets = sets,
		.room = room,
		.noted_below = noted_below,
		.lines = mf_calloc_aligned(LINE, sets * sizeof(*sketch->lines)),
		.items = mf_calloc_aligned(
			LINE, count * sizeof(struct mf_sketch_item)),
		.texts = mf_calloc(count, room),
	};
	for (size_t at = 0; at < count; at++)
		mf_sketch_weigh(sketch, at, 0);
	if (noted_below)
		sketch->notes =
			mf_calloc_aligned(LINE, count * sizeof(uint64_t));
}

void mf_sketch_deinit(struct mf_sketch *sketch)
{
	free(sketch->lines);
	free(sketch->notes);
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
	return (size_t)(hash & (sets - 1));
}

typedef int32_t weight_lanes __attribute__((vector_size(16)));

static inline weight_lanes lesser(weight_lanes one, weight_lanes other)
{
	weight_lanes less = one < other;

	return (one & less) | (other & ~less);
}

/*
 * The lightest of a set, and of several the first; one that is free weighs
 * nothing.
 */
static inline size_t lightest(const int32_t *weights)
{
	weight_lanes low, high;

	memcpy(&low, weights, sizeof(low));
	memcpy(&high, weights + WAYS / 2, sizeof(high));
	low = lesser(low, high);
	low = lesser(low, __builtin_shufflevector(low, low, 2, 3, 0, 1));
	low = lesser(low, __builtin_shufflevector(low, low, 1, 0, 3, 2));
	return (size_t)(uint32_t)low[0] % WAYS;
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

/* ---- what is noted --------------------------------------------------------- */

static bool is_noted(const struct mf_sketch *sketch, size_t at)
{
	return sketch->notes && sketch->notes[at];
}

/* Things that are worth no more than that: small, and where others were. */
static bool may_be_noted(const struct mf_sketch *sketch, uint64_t weight,
			 const struct mf_sighting *sighting)
{
	return sighting->size < sketch->noted_below && weight &&
	       weight < MF_SKETCH_HEAVY - MF_SKETCH_NOTED &&
	       !(sighting->address >> (64 - SIZE_BITS));
}

/* The sighting that was noted. */
static struct mf_sighting noted(uint64_t note)
{
	return (struct mf_sighting){
		.address = note >> SIZE_BITS,
		.size = note & (MF_SKETCH_NOTED - 1),
	};
}

/* ---- weights --------------------------------------------------------------- */

/* As far as its set knows it. */
static uint64_t light_at(const struct mf_sketch *sketch, size_t at)
{
	return (uint32_t)sketch->lines[at / WAYS].weights[at % WAYS] / WAYS;
}

static uint64_t weight_at(const struct mf_sketch *sketch, size_t at)
{
	const struct mf_sketch_item *item = &sketch->items[at];
	uint64_t weight = light_at(sketch, at);

	return weight == MF_SKETCH_HEAVY ? item->bytes + item->doubt : weight;
}

/* ---- sightings ------------------------------------------------------------- */

/* It takes the place of what is there. */
static struct mf_sketch_item *put(struct mf_sketch *sketch, size_t at,
				  const struct mf_sighting *sighting)
{
	struct mf_sketch_item *item = &sketch->items[at];

	*item = (struct mf_sketch_item){
		.hash = sighting->hash,
		.count = 1,
		.bytes = sighting->size,
		.doubt = weight_at(sketch, at),
		.first = sighting->address,
		.size = sighting->size,
	};
	mf_sketch_weigh(sketch, at, item->bytes + item->doubt);
	return item;
}

static struct mf_sketch_item *take(struct mf_sketch *sketch, size_t set,
				   const struct mf_sighting *sighting)
{
	struct mf_sketch_set *line = &sketch->lines[set];
	size_t way = lightest(line->weights), at = set * WAYS + way;
	uint64_t weight = light_at(sketch, at);

	line->marks[way] = mark_of(sighting->hash);
	if (may_be_noted(sketch, weight, sighting)) {
		mf_sketch_weigh(sketch, at, weight + sighting->size);
		sketch->notes[at] =
			sighting->address << SIZE_BITS | sighting->size;
		return NULL;
	}
	if (sketch->notes)
		sketch->notes[at] = 0;
	return put(sketch, at, sighting);
}

/* What was noted is an item now, and was seen as SIGHTING says. */
static struct mf_sketch_item *make(struct mf_sketch *sketch, size_t at,
				   const struct mf_sighting *sighting)
{
	struct mf_sighting first = noted(sketch->notes[at]);
	struct mf_sketch_item *item;

	first.hash = sighting->hash;
	/* what it is put upon */
	mf_sketch_weigh(sketch, at, weight_at(sketch, at) - first.size);
	sketch->notes[at] = 0;
	item = put(sketch, at, &first);
	mf_sketch_add_to(sketch, at, sighting->address, sighting->size);
	return item;
}

size_t mf_sketch_expect_item(const struct mf_sketch *sketch, uint64_t hash)
{
	size_t set = set_of(sketch->sets, hash);
	const struct mf_sketch_set *line = &sketch->lines[set];
	unsigned found = find_marks(line->marks, mark_of(hash));
	size_t at = set * WAYS + (found ? (size_t)__builtin_ctz(found)
					: lightest(line->weights));

	__builtin_prefetch(&sketch->items[at], 1);
	return at;
}

struct mf_sketch_item *mf_sketch_add(struct mf_sketch *sketch,
				     const struct mf_sighting *sighting)
{
	size_t set = set_of(sketch->sets, sighting->hash);
	unsigned found =
		find_marks(sketch->lines[set].marks, mark_of(sighting->hash));

	for (; found; found &= found - 1) {
		size_t at = set * WAYS + (unsigned)__builtin_ctz(found);
		struct mf_sketch_item *item = &sketch->items[at];

		if (is_noted(sketch, at))
			return make(sketch, at, sighting);
		if (item->hash != sighting->hash)
			continue;
		mf_sketch_add_to(sketch, at, sighting->address, sighting->size);
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
		sum->least[set_of(sum->sets, item->hash)];
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

	if (!item->kept && other->kept) {
		memcpy(own, text, sum->room);
		item->kept = other->kept;
	} else if (item->kept && other->kept && join) {
		join(item, own, other, text);
	}
	mf_sketch_item_unite(item, other);
}

static uint64_t least_of(const struct mf_sketch *sketch, size_t set)
{
	return weight_at(sketch,
			 set * WAYS + lightest(sketch->lines[set].weights));
}

/* What anything of SET that is no item of SKETCH may have weighed, at most. */
static uint64_t most_lost(const struct mf_sketch *sketch, size_t set)
{
	uint64_t most = least_of(sketch, set);

	for (size_t at = set * WAYS; at < (set + 1) * WAYS; at++)
		if (is_noted(sketch, at))
			most = MF_MAX(most, weight_at(sketch, at));
	return most;
}

/* ITEM is none of SKETCH's: it was noted there, or may have been lost. */
static void add_noted(struct mf_sketch_item *item,
		      const struct mf_sketch *sketch)
{
	size_t set = set_of(sketch->sets, item->hash);
	unsigned found =
		find_marks(sketch->lines[set].marks, mark_of(item->hash));
	struct mf_sighting sighting;

	for (; found; found &= found - 1) {
		size_t at = set * WAYS + (unsigned)__builtin_ctz(found);

		if (!is_noted(sketch, at))
			continue;
		sighting = noted(sketch->notes[at]);
		item->count++;
		item->bytes += sighting.size;
		item->doubt += weight_at(sketch, at) - sighting.size;
		item->first = MF_MIN(item->first, sighting.address);
		return;
	}
	item->doubt += least_of(sketch, set);
}

static void add_items(struct mf_sketch_sum *sum, const struct mf_sketch *sketch,
		      struct mf_map *places, mf_sketch_join join)
{
	size_t before = sum->count;
	uint8_t *met = mf_new_array(before + 1, uint8_t);

	for (size_t i = 0; i < (size_t)sketch->sets * WAYS; i++) {
		const struct mf_sketch_item *item = &sketch->items[i];
		const uint64_t *place;

		if (!sketch->lines[i / WAYS].marks[i % WAYS] ||
		    is_noted(sketch, i))
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
			add_noted(&sum->items[i], sketch);
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
		sum->least[i] += most_lost(sketch, i);
		sum->unseen = MF_MAX(sum->unseen, sum->least[i]);
	}
}

uint64_t mf_sketch_sum_hash(const struct mf_sketch_sum *sum,
			    const struct mf_sketch_item *item, size_t from,
			    size_t size)
{
	const uint8_t *text = mf_sketch_sum_text(sum, item) + from;
	uint64_t hash = 0;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ text[i]) * UINT64_C(0x9e3779b97f4a7c15);
	return mf_hash64(hash);
}

void mf_sketch_item_unite(struct mf_sketch_item *item,
			  const struct mf_sketch_item *other)
{
	item->count += other->count;
	item->bytes += other->bytes;
	item->doubt += other->doubt;
	item->flags |= other->flags;
	item->first = MF_MIN(item->first, other->first);
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
