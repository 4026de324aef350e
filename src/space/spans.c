/*
 * Ordered spans as a list of small sorted blocks: a cut moves at most one
 * block's items, and now and then splits a block in two.
 */
#include "space/spans.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/search.h"

enum {
	BLOCK_ITEMS = 128,
};

struct mf_span_block {
	size_t count; /* never 0 */
	struct mf_span items[BLOCK_ITEMS];
};

static struct mf_span_block *add_block(struct mf_spans *spans, size_t at)
{
	struct mf_span_block *block = mf_new(struct mf_span_block);

	mf_vec_push(&spans->blocks, NULL);
	for (size_t i = spans->blocks.count - 1; i > at; i--)
		spans->blocks.items[i] = spans->blocks.items[i - 1];
	spans->blocks.items[at] = block;
	return block;
}

void mf_spans_append(struct mf_spans *spans, const struct mf_span *span)
{
	size_t count = spans->blocks.count;
	struct mf_span_block *last =
		count ? spans->blocks.items[count - 1] : NULL;

	if (!last || last->count == BLOCK_ITEMS)
		last = add_block(spans, count);
	last->items[last->count++] = *span;
	spans->count++;
}

static uint64_t block_end(const struct mf_span_block *block)
{
	return block->items[block->count - 1].end;
}

static size_t find_block(const struct mf_spans *spans, uint64_t address)
{
	return mf_count_leading(spans->blocks.items, spans->blocks.count, block,
				block_end(*block) <= address);
}

struct mf_span_place mf_spans_find(const struct mf_spans *spans,
				   uint64_t address)
{
	struct mf_span_place place = { .block = find_block(spans, address) };
	const struct mf_span_block *block;

	if (place.block == spans->blocks.count)
		return place;
	block = spans->blocks.items[place.block];
	place.item = mf_range_after(block->items, block->count - 1, address);
	return place;
}

struct mf_span *mf_spans_at(const struct mf_spans *spans,
			    struct mf_span_place place)
{
	if (place.block >= spans->blocks.count)
		return NULL;
	return &spans->blocks.items[place.block]->items[place.item];
}

struct mf_span_place mf_spans_next(const struct mf_spans *spans,
				   struct mf_span_place place)
{
	if (place.block >= spans->blocks.count)
		return place;
	if (place.item + 1 < spans->blocks.items[place.block]->count)
		return (struct mf_span_place){ place.block, place.item + 1 };
	return (struct mf_span_place){ place.block + 1, 0 };
}

static void halve_block(struct mf_spans *spans, struct mf_span_place *place)
{
	struct mf_span_block *upper = add_block(spans, place->block + 1);
	struct mf_span_block *lower = spans->blocks.items[place->block];
	size_t half = lower->count / 2;

	upper->count = lower->count - half;
	memcpy(upper->items, lower->items + half,
	       upper->count * sizeof(*upper->items));
	lower->count = half;
	if (place->item >= half)
		*place = (struct mf_span_place){ place->block + 1,
						 place->item - half };
}

void mf_spans_split(struct mf_spans *spans, struct mf_span_place *place,
		    uint64_t at)
{
	struct mf_span_block *block = spans->blocks.items[place->block];
	struct mf_span *item;

	if (block->count == BLOCK_ITEMS) {
		halve_block(spans, place);
		block = spans->blocks.items[place->block];
	}
	item = &block->items[place->item];
	memmove(item + 1, item,
		(block->count - place->item) * sizeof(*block->items));
	block->count++;
	item[0].end = at;
	item[1].start = at;
	spans->count++;
}

void mf_spans_deinit(struct mf_spans *spans)
{
	mf_vec_foreach(block, &spans->blocks)
		free(*block);
	mf_vec_deinit(&spans->blocks);
	spans->count = 0;
}
