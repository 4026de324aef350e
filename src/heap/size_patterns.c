/*
 * Things that are known by the sizes of their parts: each part a chunk of a
 * peculiar size, and as many of one part as of the others. One size alone, or
 * sizes that many programs have, prove nothing and are not named.
 */
#include <stdlib.h>

#include "base/memory.h"
#include "heap/chunk_census.h"

enum {
	LEAST_COUNT = 8,  /* fewer may be equal by chance */
	TOLERANCE = 20,	  /* a twentieth may be just made, or another's */
	TOLERATED_AT = 1, /* ... and so many of few */
};

struct part {
	uint64_t size; /* of the chunk, with its header */
	unsigned each;
};

/*
 * inflate allocates its state at inflateInit (7160 bytes since zlib 1.2.9, 7152
 * before) and its window of 32 KiB with the first bytes of output. deflate
 * allocates all at deflateInit: its state (5952 bytes since zlib 1.2.9, 5936
 * before), and at memLevel 8, the default, window, prev, head and pending_buf,
 * 64 KiB each; at memLevel 9 head and pending_buf have twice that, and may be
 * mmapped. Chunks are glibc's.
 */
static const struct known {
	const char *code, *name, *origin;
	struct part parts[MF_SIZE_PARTS];
} known[] = {
	{
		.code = "zlib-inflate",
		.name = "zlib inflate streams",
		.origin = "zlib 1.2.4 to 1.3.1: inflate_state and its window",
		.parts = { { 7168, 1 }, { 32784, 1 } },
	},
	{
		.code = "zlib-deflate",
		.name = "zlib deflate streams",
		.origin = "zlib 1.2.9 to 1.3.1, memLevel 8: deflate_state, "
			  "window, prev, head, pending_buf",
		.parts = { { 5968, 1 }, { 65552, 4 } },
	},
	{
		.code = "zlib-deflate",
		.name = "zlib deflate streams",
		.origin = "zlib 1.2.5 to 1.2.8, memLevel 8: deflate_state, "
			  "window, prev, head, pending_buf",
		.parts = { { 5952, 1 }, { 65552, 4 } },
	},
	{
		.code = "zlib-deflate-9",
		.name = "zlib deflate streams",
		.origin = "zlib 1.2.9 to 1.3.1, memLevel 9: deflate_state, "
			  "window, prev; head and pending_buf are apart",
		.parts = { { 5968, 1 }, { 65552, 2 } },
	},
};

_Static_assert(MF_ARRAY_SIZE(known) <= MF_SIZE_PATTERNS, "room for each");

/* Things that every part is enough for; 0: the parts do not agree. */
static uint64_t count_of(const struct mf_size_pattern *found)
{
	uint64_t least = UINT64_MAX, most = 0;

	for (size_t i = 0; i < found->part_count; i++) {
		uint64_t things = found->parts[i].count / found->parts[i].each;

		least = MF_MIN(least, things);
		most = MF_MAX(most, things);
	}
	if (least < LEAST_COUNT ||
	    most - least > least / TOLERANCE + TOLERATED_AT)
		return 0;
	return least;
}

static bool find(const struct known *pattern, mf_size_counter count,
		 const void *data, struct mf_size_pattern *ret)
{
	*ret = (struct mf_size_pattern){
		.code = pattern->code,
		.name = pattern->name,
		.origin = pattern->origin,
	};
	for (size_t i = 0; i < MF_SIZE_PARTS && pattern->parts[i].each; i++) {
		ret->parts[i].size = pattern->parts[i].size;
		ret->parts[i].each = pattern->parts[i].each;
		ret->parts[i].count = count(pattern->parts[i].size, data);
		ret->part_count++;
	}
	ret->count = count_of(ret);
	for (size_t i = 0; i < ret->part_count; i++)
		ret->bytes +=
			ret->count * ret->parts[i].each * ret->parts[i].size;
	return ret->count != 0;
}

static int by_bytes(const void *a, const void *b)
{
	const struct mf_size_pattern *left = a, *right = b;

	return left->bytes > right->bytes ? -1 : left->bytes < right->bytes;
}

size_t mf_size_patterns_find(mf_size_counter count, const void *data,
			     struct mf_size_pattern *ret)
{
	size_t found = 0;

	for (size_t i = 0; i < MF_ARRAY_SIZE(known); i++)
		found += find(&known[i], count, data, &ret[found]);
	qsort(ret, found, sizeof(*ret), by_bytes);
	return found;
}
