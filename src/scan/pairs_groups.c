/*
 * How a set of pairs is divided into groups, for vectors: which pairs are put
 * together is what decides how many others are let through.
 */
#include <stdlib.h>

#include "base/memory.h"
#include "scan/pairs.h"

enum {
	GROUPS = 16,
	CLASSES = 7,
	SWEEPS = 3,
	NO_GROUP = 0xff,
};

/* ---- by the halves of bytes --------------------------------------------------- */

/* The halves of both bytes that a group lets through, a bit each. */
struct group {
	uint16_t low[2], high[2];
};

static struct group widened(struct group group, const uint8_t pair[2])
{
	for (unsigned byte = 0; byte < 2; byte++) {
		group.low[byte] |= (uint16_t)(1U << (pair[byte] & 15));
		group.high[byte] |= (uint16_t)(1U << (pair[byte] >> 4));
	}
	return group;
}

/*
 * Bytes made of these halves, by how often they are met in heaps, roughly: small
 * numbers and text more than others, and some bytes more than all of these.
 */
static unsigned weigh_byte(unsigned lows, unsigned highs)
{
	static const uint8_t rows[16] = { 6, 1, 3, 5, 3, 3, 6, 6,
					  1, 1, 1, 1, 1, 1, 1, 1 };
	static const struct {
		uint8_t byte, more;
	} frequent[] = {
		{ 0, 58 }, { ' ', 5 }, { 0x55, 5 }, { 0x7f, 2 }, { 0xff, 7 },
	};
	unsigned weight = 0;

	for (unsigned left = highs; left; left &= left - 1)
		weight += rows[__builtin_ctz(left)];
	weight *= (unsigned)__builtin_popcount(lows);
	for (size_t i = 0; i < MF_ARRAY_SIZE(frequent); i++)
		if (lows >> (frequent[i].byte & 15) & 1 &&
		    highs >> (frequent[i].byte >> 4) & 1)
			weight += frequent[i].more;
	return weight;
}

static uint64_t weigh(const struct group *group)
{
	return (uint64_t)weigh_byte(group->low[0], group->high[0]) *
	       weigh_byte(group->low[1], group->high[1]);
}

static struct group find_group(const struct mf_pairs *pairs, unsigned number)
{
	struct group group = { 0 };

	for (size_t i = 0; i < pairs->count; i++)
		if (pairs->group[i] == number)
			group = widened(group, pairs->pairs[i]);
	return group;
}

/* The group that lets least more through for it. */
static uint8_t choose_group(const struct group *groups, const uint8_t pair[2])
{
	uint64_t least = UINT64_MAX;
	unsigned best = 0;

	for (unsigned i = 0; i < GROUPS; i++) {
		struct group wider = widened(groups[i], pair);
		uint64_t grown = weigh(&wider) - weigh(&groups[i]);

		if (grown < least) {
			least = grown;
			best = i;
		}
	}
	return (uint8_t)best;
}

static void settle_halves(struct mf_pairs *pairs)
{
	struct group groups[GROUPS] = { 0 };

	memset(pairs->group, NO_GROUP, sizeof(pairs->group));
	for (unsigned sweep = 0; sweep < SWEEPS; sweep++)
		for (size_t i = 0; i < pairs->count; i++) {
			uint8_t group = pairs->group[i];

			pairs->group[i] = NO_GROUP;
			if (group != NO_GROUP)
				groups[group] = find_group(pairs, group);
			group = choose_group(groups, pairs->pairs[i]);
			groups[group] = widened(groups[group], pairs->pairs[i]);
			pairs->group[i] = group;
		}
	for (size_t i = 0; i < pairs->count; i++) {
		uint8_t(*halves)[16] = pairs->halves[pairs->group[i] / 8];
		uint8_t bit = (uint8_t)(1U << pairs->group[i] % 8);

		for (unsigned byte = 0; byte < 2; byte++) {
			unsigned value = pairs->pairs[i][byte];

			halves[2 * byte][value & 15] |= bit;
			halves[2 * byte + 1][value >> 4] |= bit;
		}
	}
}

/* ---- by whole bytes ------------------------------------------------------------ */

/* How many pairs of a class have that byte, first and second; and the weight of
 * all bytes that any has. */
struct class
{
	uint8_t members[2][UINT8_MAX + 1];
	unsigned weight[2];
};

static unsigned weigh_one(uint8_t byte)
{
	return weigh_byte(1U << (byte & 15), 1U << (byte >> 4));
}

static void enter(struct class *class, const uint8_t pair[2])
{
	for (unsigned i = 0; i < 2; i++)
		if (!class->members[i][pair[i]]++)
			class->weight[i] += weigh_one(pair[i]);
}

static void leave(struct class *class, const uint8_t pair[2])
{
	for (unsigned i = 0; i < 2; i++)
		if (!--class->members[i][pair[i]])
			class->weight[i] -= weigh_one(pair[i]);
}

/* What more is let through when PAIR enters CLASS. */
static uint64_t growth(const struct class *class, const uint8_t pair[2])
{
	uint64_t wider = 1;

	for (unsigned i = 0; i < 2; i++)
		wider *= class->weight[i] +
			 (class->members[i][pair[i]] ? 0 : weigh_one(pair[i]));
	return wider - (uint64_t) class->weight[0] * class->weight[1];
}

static uint8_t choose_class(const struct class *classes, const uint8_t pair[2])
{
	uint64_t least = UINT64_MAX;
	unsigned best = 0;

	for (unsigned i = 0; i < CLASSES; i++) {
		uint64_t grown = growth(&classes[i], pair);

		if (grown < least) {
			least = grown;
			best = i;
		}
	}
	return (uint8_t)best;
}

static void settle_classes(struct mf_pairs *pairs)
{
	struct class *classes = mf_new_array(CLASSES, struct class);
	uint8_t class[MF_PAIRS_MOST];

	for (unsigned sweep = 0; sweep < SWEEPS; sweep++)
		for (size_t i = 0; i < pairs->count; i++) {
			if (sweep)
				leave(&classes[class[i]], pairs->pairs[i]);
			class[i] = choose_class(classes, pairs->pairs[i]);
			enter(&classes[class[i]], pairs->pairs[i]);
		}
	for (size_t i = 0; i < pairs->count; i++)
		for (unsigned k = 0; k < 2; k++)
			pairs->classes[k][pairs->pairs[i][k]] |=
				(uint8_t)(1U << class[i]);
	for (unsigned i = 0; i <= UINT8_MAX; i++)
		if (mf_pairs_has_eighth(pairs, (uint8_t)i))
			pairs->classes[0][i] |= MF_PAIRS_EIGHTH;
	free(classes);
}

/* Each pair where it costs least, then again, now that all are there. */
void mf_pairs_settle(struct mf_pairs *pairs)
{
	settle_halves(pairs);
	settle_classes(pairs);
}
