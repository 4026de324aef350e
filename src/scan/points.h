/*
 * A set of addresses with a number each, that millions of words are asked for,
 * of which nearly none is in it.
 */
#ifndef MF_SCAN_POINTS_H
#define MF_SCAN_POINTS_H

#include "base/map.h"

enum {
	MF_POINTS_BITS = 1 << 16,
};

struct mf_points {
	struct mf_map numbers;
	uint64_t low, span; /* the highest is low + span */
	uint64_t bits[MF_POINTS_BITS / 64];
};

static inline uint64_t mf_points_bit(uint64_t address)
{
	return (address >> 3) % MF_POINTS_BITS;
}

static inline void mf_points_add(struct mf_points *points, uint64_t address,
				 uint64_t number)
{
	uint64_t high = points->low + points->span;
	uint64_t bit = mf_points_bit(address);

	if (!points->numbers.count || address < points->low)
		points->low = address;
	if (!points->numbers.count || address > high)
		high = address;
	points->span = high - points->low;
	points->bits[bit / 64] |= UINT64_C(1) << bit % 64;
	mf_map_set(&points->numbers, address, number);
}

/** False: WORD is surely none of them. */
static inline bool mf_points_may_have(const struct mf_points *points,
				      uint64_t word)
{
	uint64_t bit = mf_points_bit(word);

	return word - points->low <= points->span &&
	       points->bits[bit / 64] >> bit % 64 & 1;
}

/** The number of WORD, or NULL. */
static inline const uint64_t *mf_points_find(const struct mf_points *points,
					     uint64_t word)
{
	return mf_points_may_have(points, word)
		       ? mf_map_get(&points->numbers, word)
		       : NULL;
}

static inline void mf_points_deinit(struct mf_points *points)
{
	mf_map_deinit(&points->numbers);
}

#endif
