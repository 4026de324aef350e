/*
 * A sketch of heavy hitters: what holds most bytes of an endless stream of
 * things, in memory that was fixed before it began.
 *
 * It is Space-Saving (Metwally, Agrawal, El Abbadi 2005) weighted by bytes,
 * in sets of eight: a thing that is new takes the place of the one in its set
 * that weighs least, and inherits its weight as doubt. So of each thing that is
 * kept, count and bytes are those that were seen since it came, and `doubt` is
 * what may have been before; a thing that is not kept had at most the least
 * weight of its set. As long as a set has room, nothing is in doubt.
 *
 * Most things of most streams come once. A sketch may only note them: then all
 * that changes is a line or two of a cache, and an item is made of what was
 * noted when it comes again. What comes again is known by 43 bits of its hash,
 * so that once in some hundred million things another one is taken for it.
 */
#ifndef MF_SCAN_SKETCH_H
#define MF_SCAN_SKETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mf_sketch_item {
	uint64_t hash;	/* what it is */
	uint64_t count; /* times that it was seen */
	uint64_t bytes; /* that it held, over all of them */
	uint64_t doubt; /* bytes that it may have held before that, at most */
	uint64_t first; /* lowest address where it was seen */
	uint64_t size;	/* of one */
	uint16_t kept;	/* bytes of its text */
	uint8_t tag;	/* the owner's */
	uint8_t flags;	/* the owner's */
	uint32_t place; /* of its text, in a sum */
	uint64_t spare; /* so that one is a line of a cache */
};

enum {
	MF_SKETCH_WAYS = 8,
	/* weights that are no less are those of the item's own numbers */
	MF_SKETCH_HEAVY = (1 << 28) - 1,
};

/** A line of a cache: all that one must know of a set to find what is new. */
struct mf_sketch_set {
	uint32_t marks[MF_SKETCH_WAYS]; /* of the hash; 0: nothing is there */
	/* bytes and doubt, MF_SKETCH_HEAVY at most, times the ways, and the
	 * way: the least is that of the lightest, and says which that is */
	int32_t weights[MF_SKETCH_WAYS];
};

struct mf_sketch {
	uint32_t sets; /* a power of two, at least 2048 for what is noted */
	uint32_t room; /* bytes of text of each item */
	/* what is smaller is noted when it comes first, where there is no room
	 * for it; at most MF_SKETCH_NOTED */
	uint32_t noted_below;
	struct mf_sketch_set *lines;
	uint64_t *notes; /* 0: an item; else its address and size */
	struct mf_sketch_item *items;
	uint8_t *texts;
};

/** One sighting. */
struct mf_sighting {
	uint64_t hash, address, size;
};

/** Bytes of which what is noted has to be less. */
#define MF_SKETCH_NOTED (UINT32_C(1) << 16)

/** NOTED_BELOW: 0, and all is kept when it is seen. */
void mf_sketch_init(struct mf_sketch *sketch, uint32_t sets, uint32_t room,
		    uint32_t noted_below);
void mf_sketch_deinit(struct mf_sketch *sketch);

/**
 * Counts it; NULL: it was only noted. An item that is new has no text: `kept` is
 * 0. Who keeps one sets that, and fills all of its room.
 */
struct mf_sketch_item *mf_sketch_add(struct mf_sketch *sketch,
				     const struct mf_sighting *sighting);

/** Says that what is at AT weighs so many bytes. */
static inline void mf_sketch_weigh(struct mf_sketch *sketch, size_t at,
				   uint64_t weight)
{
	struct mf_sketch_set *set = &sketch->lines[at / MF_SKETCH_WAYS];
	uint32_t light =
		weight < MF_SKETCH_HEAVY ? (uint32_t)weight : MF_SKETCH_HEAVY;

	set->weights[at % MF_SKETCH_WAYS] =
		(int32_t)(light * MF_SKETCH_WAYS + at % MF_SKETCH_WAYS);
}

/** The item at AT, which is there, was seen once more. */
static inline void mf_sketch_add_to(struct mf_sketch *sketch, size_t at,
				    uint64_t address, uint64_t size)
{
	struct mf_sketch_item *item = &sketch->items[at];

	item->count++;
	item->bytes += size;
	item->first = item->first < address ? item->first : address;
	mf_sketch_weigh(sketch, at, item->bytes + item->doubt);
}

/**
 * A thing of HASH is soon to be counted: first its set is looked for, then, when
 * that has come, the item of it that will change; where most are noted only the
 * former is worth it.
 */
static inline void mf_sketch_expect(const struct mf_sketch *sketch,
				    uint64_t hash)
{
	size_t set = (size_t)(hash & (sketch->sets - 1));

	__builtin_prefetch(&sketch->lines[set], 1);
	if (sketch->notes)
		__builtin_prefetch(sketch->notes + set * MF_SKETCH_WAYS, 1);
}

/** Returns the place of that, most likely. */
size_t mf_sketch_expect_item(const struct mf_sketch *sketch, uint64_t hash);

/** Where the text of ITEM is: sketch->room bytes. */
static inline uint8_t *mf_sketch_text(const struct mf_sketch *sketch,
				      const struct mf_sketch_item *item)
{
	return sketch->texts + (size_t)(item - sketch->items) * sketch->room;
}

/* ---- several of them, as one ---------------------------------------------- */

/** What several sketches kept, together. */
struct mf_sketch_sum {
	uint32_t sets, room;
	struct mf_sketch_item *items; /* heaviest first once it is sorted */
	uint8_t *texts;		      /* room bytes of each */
	size_t count, capacity;
	uint64_t *least; /* of each set: bytes of what is not kept, at most */
	uint64_t unseen; /* bytes that anything not in it had, at most */
};

void mf_sketch_sum_init(struct mf_sketch_sum *sum, uint32_t sets,
			uint32_t room);
void mf_sketch_sum_deinit(struct mf_sketch_sum *sum);

/** Merges a text of B, which is the same as A, into that. */
typedef void (*mf_sketch_join)(struct mf_sketch_item *a, uint8_t *text,
			       const struct mf_sketch_item *b,
			       const uint8_t *other);

/** Adds all of SKETCH (of the same sets and room); JOIN may be NULL. */
void mf_sketch_sum_add(struct mf_sketch_sum *sum,
		       const struct mf_sketch *sketch, mf_sketch_join join);

/** The hash of SIZE bytes of ITEM's text, from the one at FROM on. */
uint64_t mf_sketch_sum_hash(const struct mf_sketch_sum *sum,
			    const struct mf_sketch_item *item, size_t from,
			    size_t size);

/** ITEM becomes OTHER, too, whose text turned out to be the same. */
void mf_sketch_item_unite(struct mf_sketch_item *item,
			  const struct mf_sketch_item *other);

/** Sorts: most bytes first, then by count, text and hash. */
void mf_sketch_sum_sort(struct mf_sketch_sum *sum);

static inline uint8_t *mf_sketch_sum_text(const struct mf_sketch_sum *sum,
					  const struct mf_sketch_item *item)
{
	return sum->texts + (size_t)item->place * sum->room;
}

#endif
