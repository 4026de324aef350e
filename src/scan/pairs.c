/*
 * The set of pairs, its groups for wide vectors, and marks of pairs without any.
 */
#include "scan/pairs.h"

#include <assert.h>
#include <endian.h>

#include "base/memory.h"

enum {
	STEP = 8,
	GROUPS = 16,
	SWEEPS = 3,
	NO_GROUP = 0xff,
};

/* ---- the set ---------------------------------------------------------------- */

void mf_pairs_init(struct mf_pairs *pairs)
{
	*pairs = (struct mf_pairs){ 0 };
	for (unsigned i = 0; i < MF_ARRAY_SIZE(pairs->eighths); i++)
		pairs->eighths[i] = (uint8_t)(i ^ 1);
}

void mf_pairs_add_eighth(struct mf_pairs *pairs, uint8_t byte)
{
	uint8_t *place = &pairs->eighths[byte & 15];

	assert(byte < 0x80 && ((*place ^ byte) & 15 || *place == byte));
	*place = byte;
}

void mf_pairs_add(struct mf_pairs *pairs, uint8_t first, uint8_t second)
{
	unsigned pair = first | (unsigned)second << 8;
	size_t at = pairs->count;

	assert(at < MF_PAIRS_MOST);
	if (pairs->bits[pair >> 6] >> (pair & 63) & 1)
		return;
	pairs->bits[pair >> 6] |= UINT64_C(1) << (pair & 63);
	pairs->pairs[at][0] = first;
	pairs->pairs[at][1] = second;
	pairs->group[at] = NO_GROUP;
	pairs->count++;
}

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

static unsigned count_bits(unsigned bits)
{
	return (unsigned)__builtin_popcount(bits);
}

/*
 * Bytes made of these halves, by how often they are met in heaps, roughly: small
 * numbers and text more than others, and some bytes more than all of these.
 */
static unsigned weigh_byte(unsigned lows, unsigned highs)
{
	static const struct {
		uint8_t byte, more;
	} frequent[] = {
		{ 0, 58 }, { ' ', 5 }, { 0x55, 5 }, { 0x7f, 5 }, { 0xff, 7 },
	};
	const unsigned small = highs & 1, text = highs & 0xfc;
	const unsigned others = highs & 0xff02;
	unsigned weight =
		count_bits(lows) * (6 * count_bits(small) +
				    3 * count_bits(text) + count_bits(others));

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

void mf_pairs_settle(struct mf_pairs *pairs)
{
	struct group groups[GROUPS] = { 0 };

	/* Each where it costs least, then again, now that all are there. */
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

/* ---- finding ------------------------------------------------------------------ */

static inline uint64_t bit_of(const struct mf_pairs *pairs, unsigned pair)
{
	return pairs->bits[pair >> 6 & 1023] >> (pair & 63);
}

/* The bits of eight offsets. */
static uint64_t mark_eight(const struct mf_pairs *pairs, uint64_t word,
			   unsigned behind)
{
	uint64_t marks = mf_pairs_has_eighth(pairs, (uint8_t)word);

	for (unsigned i = 0; i < STEP - 1; i++)
		marks |= (bit_of(pairs, word >> 8 * i & 0xffff) & 1) << i;
	return marks | (bit_of(pairs, (unsigned)(word >> 56) | behind << 8) & 1)
			       << (STEP - 1);
}

void mf_pairs_mark_portable(const struct mf_pairs *pairs, const uint8_t *bytes,
			    size_t count, uint64_t *ret)
{
	bool zeros = mf_pairs_has(pairs, (const uint8_t[]){ 0, 0 }) ||
		     mf_pairs_has_eighth(pairs, 0);

	for (size_t i = 0; i < count; i++) {
		ret[i] = 0;
		for (unsigned at = 0; at < 64; at += STEP, bytes += STEP) {
			uint64_t word = le64toh(mf_load(uint64_t, bytes));

			if (word || bytes[STEP] || zeros)
				ret[i] |= mark_eight(pairs, word, bytes[STEP])
					  << at;
		}
	}
}

#if !defined(__x86_64__)
mf_pairs_mark mf_pairs_x86_64(void)
{
	return NULL;
}
#endif

size_t mf_pairs_kernels(mf_pairs_mark ret[MF_PAIRS_KERNELS])
{
	size_t count = 0;

	if (mf_pairs_x86_64())
		ret[count++] = mf_pairs_x86_64();
	ret[count++] = mf_pairs_mark_portable;
	return count;
}
