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

struct mf_sketch {
	uint32_t sets;	   /* a power of two */
	uint32_t room;	   /* bytes of text of each item */
	uint32_t *marks;   /* of the hash; 0: no item there */
	uint64_t *weights; /* bytes and doubt */
	struct mf_sketch_item *items;
	uint8_t *texts;
};

/** One sighting. */
struct mf_sighting {
	uint64_t hash, address, size;
};

void mf_sketch_init(struct mf_sketch *sketch, uint32_t sets, uint32_t room);
void mf_sketch_deinit(struct mf_sketch *sketch);

/**
 * Counts it. An item whose count is 1 is new: no text of it is kept. Who keeps
 * one sets `kept`, and fills all of its room.
 */
struct mf_sketch_item *mf_sketch_add(struct mf_sketch *sketch,
				     const struct mf_sighting *sighting);

/** ITEM, which is there, was seen once more. */
void mf_sketch_add_to(struct mf_sketch *sketch, struct mf_sketch_item *item,
		      const struct mf_sighting *sighting);

/**
 * A thing of HASH is soon to be counted: first its set is looked for, then, when
 * that has come, the item of it that will change.
 */
void mf_sketch_expect(const struct mf_sketch *sketch, uint64_t hash);
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

/** Sorts: most bytes first, then by count, text and hash. */
void mf_sketch_sum_sort(struct mf_sketch_sum *sum);

static inline uint8_t *mf_sketch_sum_text(const struct mf_sketch_sum *sum,
					  const struct mf_sketch_item *item)
{
	return sum->texts + (size_t)item->place * sum->room;
}

#endif
