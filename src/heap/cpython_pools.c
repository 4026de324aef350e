/*
 * Keeps what obmalloc's pools say of their blocks, and proves it: the free list
 * of a pool has as many blocks as those in use leave, and an arena as many
 * free pools as the array of arenas counts.
 * Source: CPython 2.7 to 3.13, Objects/obmalloc.c, pycore_obmalloc.h.
 */
#include "heap/cpython_pools.h"

#include <string.h>

enum {
	TORN_OF = 50, /* one of so many pools may be changing */
};

/* pool_header, of 64-bit machines */
struct header {
	uint64_t used; /* blocks, in its lower half */
	uint64_t free; /* the first block of the list */
	uint64_t next, previous;
	uint32_t arena, size_index;
	uint32_t fresh, last_fresh; /* offsets of blocks */
};

/* Blocks are multiples of 16 bytes, of 8 before 3.8: the last one's place in
 * the pool says it. */
static uint32_t block_size(const struct mf_cpython_pools *pools,
			   const struct header *header)
{
	uint64_t size = pools->pool_size - header->last_fresh;
	uint64_t number = (uint64_t)header->size_index + 1;

	if (header->last_fresh > pools->pool_size || !size ||
	    size > MF_CPYTHON_LARGEST ||
	    (size != number * 16 && size != number * 8))
		return 0;
	return (uint32_t)size;
}

/* ---- one pool -------------------------------------------------------------- */

struct reading {
	struct mf_cpython_pools *pools;
	struct mf_reader *reader;
	const struct mf_cpython_entry *entry;
	uint64_t address; /* of the pool */
};

/* Follows the free list: its COUNT blocks, each once. */
static bool read_list(const struct reading *reading,
		      const struct mf_cpython_pool *pool, uint64_t block,
		      uint64_t count)
{
	uint64_t *words = reading->pools->bitmaps.items + pool->bitmap;

	while (block) {
		uint64_t offset =
			block - reading->address - MF_CPYTHON_POOL_HEADER;
		uint64_t index = offset / pool->size;

		if (offset % pool->size || index >= pool->fresh || !count-- ||
		    words[index / 64] >> index % 64 & 1)
			return false;
		words[index / 64] |= UINT64_C(1) << index % 64;
		if (!mf_reader_u64(reading->reader, block, &block))
			return false;
	}
	return !count;
}

/* PREPARED: its blocks and its size are known. */
static bool read_blocks(const struct reading *reading,
			const struct header *header,
			struct mf_cpython_pool *pool)
{
	struct mf_cpython_pools *pools = reading->pools;
	uint64_t used = (uint32_t)header->used, prepared;

	if (header->fresh < MF_CPYTHON_POOL_HEADER ||
	    (header->fresh - MF_CPYTHON_POOL_HEADER) % pool->size)
		return false;
	prepared = (header->fresh - MF_CPYTHON_POOL_HEADER) / pool->size;
	if (prepared > mf_cpython_block_count(pools, pool) || used > prepared)
		return false;
	pool->fresh = (uint16_t)prepared;
	if (used == prepared)
		return !header->free;
	pool->listed = true;
	pool->bitmap = (uint32_t)pools->bitmaps.count;
	for (uint64_t i = 0; i < prepared; i += 64)
		mf_vec_push(&pools->bitmaps, 0);
	return read_list(reading, pool, header->free, prepared - used);
}

static enum mf_cpython_content read_pool(const struct reading *reading,
					 struct mf_cpython_pool *pool)
{
	struct header header;

	if (reading->address >= reading->entry->fresh)
		return MF_CPYTHON_FRESH;
	if (!mf_reader_read(reading->reader, reading->address, &header,
			    sizeof(header)))
		return MF_CPYTHON_TORN;
	pool->size = (uint16_t)block_size(reading->pools, &header);
	if (!pool->size || header.arena != reading->entry->index)
		return MF_CPYTHON_TORN;
	if (!(uint32_t)header.used)
		return MF_CPYTHON_EMPTY;
	return read_blocks(reading, &header, pool) ? MF_CPYTHON_USED
						   : MF_CPYTHON_TORN;
}

/* ---- all of them ----------------------------------------------------------- */

void mf_cpython_pools_add(struct mf_cpython_pools *pools,
			  struct mf_reader *reader,
			  const struct mf_cpython_entry *entry)
{
	const struct mf_cpython_arena arena = {
		.start = entry->address,
		.pool = (uint32_t)pools->pools.count,
		.count = entry->total_pools,
	};
	uint64_t count[MF_CPYTHON_TORN + 1] = { 0 };
	struct reading reading = { pools, reader, entry, 0 };

	mf_vec_push(&pools->arenas, arena);
	for (uint32_t i = 0; i < arena.count; i++) {
		struct mf_cpython_pool pool = { .size = 0 };

		reading.address = mf_cpython_pool_at(pools, &arena, i);
		pool.content = (uint8_t)read_pool(&reading, &pool);
		count[pool.content]++;
		mf_vec_push(&pools->pools, pool);
	}
	pools->used += count[MF_CPYTHON_USED];
	pools->torn += count[MF_CPYTHON_TORN];
	pools->odd += !count[MF_CPYTHON_TORN] &&
		      count[MF_CPYTHON_EMPTY] + count[MF_CPYTHON_FRESH] !=
			      entry->free_pools;
}

static int by_start(const void *a, const void *b)
{
	const struct mf_cpython_arena *left = a, *right = b;

	return (left->start > right->start) - (left->start < right->start);
}

/* Two arenas in one place are no arenas. */
static bool overlaps(const struct mf_cpython_pools *pools)
{
	for (size_t i = 1; i < pools->arenas.count; i++)
		if (pools->arenas.items[i].start -
			    pools->arenas.items[i - 1].start <
		    pools->arena_size)
			return true;
	return false;
}

const char *mf_cpython_pools_settle(struct mf_cpython_pools *pools)
{
	mf_vec_sort(&pools->arenas, by_start);
	if (!pools->arenas.count)
		return "it has no arenas";
	if (overlaps(pools))
		return "its arenas overlap";
	if (pools->torn > 1 + pools->used / TORN_OF ||
	    pools->odd > 1 + pools->arenas.count / TORN_OF)
		return "its pools count other free blocks than their lists "
		       "have";
	pools->holds = true;
	return NULL;
}

void mf_cpython_pools_deinit(struct mf_cpython_pools *pools)
{
	mf_vec_deinit(&pools->arenas);
	mf_vec_deinit(&pools->pools);
	mf_vec_deinit(&pools->bitmaps);
}
