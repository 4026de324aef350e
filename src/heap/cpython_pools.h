/*
 * obmalloc's pools as they were read, block by block: a model that chunks and
 * figures are made of once the target runs again. Private to the heap room.
 */
#ifndef MF_HEAP_CPYTHON_POOLS_H
#define MF_HEAP_CPYTHON_POOLS_H

#include "heap/recognise.h"

enum {
	MF_CPYTHON_POOL_HEADER = 48,
	MF_CPYTHON_LARGEST = 512, /* bytes of a block; more is malloc's */
};

enum mf_cpython_content {
	MF_CPYTHON_USED,  /* blocks of one size */
	MF_CPYTHON_EMPTY, /* was used, and is free as a whole */
	MF_CPYTHON_FRESH, /* never used */
	MF_CPYTHON_TORN,  /* not read, or what it says does not agree */
};

struct mf_cpython_pool {
	uint32_t bitmap; /* its first word in bitmaps; set: the block is free */
	uint16_t size;	 /* of a block, bytes */
	uint16_t fresh;	 /* blocks from this one on were never used */
	bool listed;	 /* it has a bitmap: some before that are free */
	uint8_t content; /* enum mf_cpython_content */
};

struct mf_cpython_arena {
	uint64_t start;
	uint32_t pool;	/* its first, in pools */
	uint32_t count; /* of its pools */
};

struct mf_cpython_pools {
	uint64_t arena_size, pool_size;
	MF_VEC(struct mf_cpython_arena) arenas; /* ascending */
	MF_VEC(struct mf_cpython_pool) pools;
	MF_VEC(uint64_t) bitmaps;
	uint64_t used, torn; /* pools */
	uint64_t odd;	     /* arenas that count other free pools */
	struct mf_arena arena;
	struct mf_size_class classes[MF_CPYTHON_LARGEST / 8];
	bool holds; /* the model was proved: there are chunks */
};

/** What obmalloc's array says of one arena. */
struct mf_cpython_entry {
	uint64_t address;
	uint64_t fresh; /* the next pool never used */
	uint32_t index, free_pools, total_pools;
};

static inline uint64_t mf_cpython_pool_at(const struct mf_cpython_pools *pools,
					  const struct mf_cpython_arena *arena,
					  uint32_t number)
{
	return mf_align_down(arena->start + pools->pool_size - 1,
			     pools->pool_size) +
	       number * pools->pool_size;
}

static inline uint64_t
mf_cpython_block_count(const struct mf_cpython_pools *pools,
		       const struct mf_cpython_pool *pool)
{
	return (pools->pool_size - MF_CPYTHON_POOL_HEADER) / pool->size;
}

static inline bool
mf_cpython_block_is_free(const struct mf_cpython_pools *pools,
			 const struct mf_cpython_pool *pool, uint64_t index)
{
	if (index >= pool->fresh)
		return true;
	return pool->listed &&
	       pools->bitmaps.items[pool->bitmap + index / 64] >> index % 64 &
		       1;
}

/** Reads the pools of an arena. */
void mf_cpython_pools_add(struct mf_cpython_pools *pools,
			  struct mf_reader *reader,
			  const struct mf_cpython_entry *entry);

/** Once all are there: what does not hold, or NULL. */
const char *mf_cpython_pools_settle(struct mf_cpython_pools *pools);

void mf_cpython_pools_deinit(struct mf_cpython_pools *pools);

/** All figures, into INFO (cpython_blocks.c). */
void mf_cpython_pools_count(struct mf_cpython_pools *pools,
			    struct mf_heap_context *context,
			    struct mf_allocator *info);

/** The each_chunk of the ops (cpython_blocks.c). */
bool mf_cpython_pools_each(const struct mf_cpython_pools *pools,
			   const struct mf_allocator *info,
			   struct mf_chunk_range range, mf_chunk_visitor visit,
			   void *data);

#endif
