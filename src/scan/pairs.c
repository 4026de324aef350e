/*
 * Looks for pairs of bytes, eight offsets at a time, and past zeros faster.
 */
#include "scan/pairs.h"

#include <assert.h>

#include "base/memory.h"

enum {
	STEP = 8,
	GROUPS = 16,
	SWEEPS = 3,
	NO_GROUP = 0xff,
};

/* ---- the set ---------------------------------------------------------------- */

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

/* How often a byte is met in heaps, roughly. */
static unsigned frequency(unsigned byte)
{
	if (byte == 0)
		return 64;
	if (byte == 0xff || byte == 0x7f || byte == 0x55 || byte == ' ')
		return 8;
	if (byte < 16)
		return 6;
	return byte > ' ' && byte < 0x7f ? 3 : 1;
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

/* Bytes made of these halves, by how often they are met. */
static unsigned weigh_byte(unsigned lows, unsigned highs)
{
	unsigned weight = 0;

	for (unsigned high = highs; high; high &= high - 1)
		for (unsigned low = lows; low; low &= low - 1)
			weight += frequency((unsigned)__builtin_ctz(high) << 4 |
					    (unsigned)__builtin_ctz(low));
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

size_t mf_pairs_find_portable(const struct mf_pairs *pairs,
			      const uint8_t *bytes, size_t from, size_t size)
{
	bool zeros = mf_pairs_has(pairs, (const uint8_t[]){ 0, 0 });
	size_t at = from;

	for (; at + STEP <= size; at += STEP) {
		uint64_t word = mf_load(uint64_t, bytes + at);
		uint64_t any;

		if (!word && !bytes[at + STEP] && !zeros)
			continue;
		any = bit_of(pairs, word & 0xffff) |
		      bit_of(pairs, word >> 8 & 0xffff) |
		      bit_of(pairs, word >> 16 & 0xffff) |
		      bit_of(pairs, word >> 24 & 0xffff) |
		      bit_of(pairs, word >> 32 & 0xffff) |
		      bit_of(pairs, word >> 40 & 0xffff) |
		      bit_of(pairs, word >> 48) |
		      bit_of(pairs, (unsigned)(word >> 56) |
					    (unsigned)bytes[at + STEP] << 8);
		if (any & 1)
			break;
	}
	while (at < size && !mf_pairs_has(pairs, bytes + at))
		at++;
	return at < size ? at : size;
}

#if !defined(__x86_64__)
mf_pairs_find mf_pairs_x86_64(void)
{
	return NULL;
}
#endif

mf_pairs_find mf_pairs_best(void)
{
	mf_pairs_find own = mf_pairs_x86_64();

	return own ? own : mf_pairs_find_portable;
}
