/*
 * jemalloc's extents as they were read, region by region: a model that chunks
 * and figures are made of once the target runs again.
 */
#ifndef MF_HEAP_JEMALLOC_MODEL_H
#define MF_HEAP_JEMALLOC_MODEL_H

#include "heap/jemalloc_rtree.h"

enum mf_jemalloc_content {
	MF_JEMALLOC_SLAB,   /* regions of one size; a bitmap says which */
	MF_JEMALLOC_OBJECT, /* one, and what pads it */
	MF_JEMALLOC_CACHED, /* the same, but in a thread's cache */
	MF_JEMALLOC_SPARE,  /* dirty or muzzy: to be used again */
	MF_JEMALLOC_TORN,   /* what is said of it does not agree */
};

struct mf_jemalloc_kept {
	uint64_t start;
	uint32_t pages;	 /* jemalloc's */
	uint32_t bitmap; /* of a slab: its first word in bitmaps */
	uint16_t offset; /* of an object, from start */
	uint16_t arena;
	uint8_t size_class;
	uint8_t content; /* enum mf_jemalloc_content */
};

/** Where the bitmap of a slab is to be read. */
struct mf_jemalloc_slab {
	uint64_t edata;
	uint32_t extent, free_regions;
};

struct mf_jemalloc_model {
	unsigned lg_page;
	MF_VEC(struct mf_jemalloc_kept) extents; /* ascending */
	MF_VEC(struct mf_jemalloc_slab) slabs;	 /* until they are read */
	MF_VEC(uint64_t) bitmaps;		 /* set: the region is free */
	MF_VEC(uint64_t) cached; /* set: a thread keeps it; or empty */
	MF_VEC(struct mf_chunk_range) own; /* what these are kept in */
	uint64_t caches;		   /* of threads, that were found */
	uint64_t uncached; /* what they hold that they cannot hold */
	uint64_t slab_count, torn, odd;
	bool overflowed;
	MF_VEC(struct mf_arena) arenas; /* by index */
	bool holds; /* the model was proved: there are chunks */
};

static inline uint64_t
mf_jemalloc_kept_size(const struct mf_jemalloc_model *model,
		      const struct mf_jemalloc_kept *extent)
{
	return (uint64_t)extent->pages << model->lg_page;
}

/** EXTENT lies behind all that went before. */
void mf_jemalloc_model_add(struct mf_jemalloc_model *model,
			   const struct mf_jemalloc_extent *extent);

/**
 * Reads which regions of slabs are free, and judges: *why is what does not hold,
 * or NULL, of a tree that had BAD elements.
 */
void mf_jemalloc_model_read(struct mf_jemalloc_model *model,
			    struct mf_reader *reader, uint64_t bad,
			    const char **why);

/**
 * Marks what threads keep for themselves, whose static TLS has TLS bytes; after
 * mf_jemalloc_model_read (jemalloc_tcache.c).
 */
void mf_jemalloc_model_find_caches(struct mf_jemalloc_model *model,
				   struct mf_target *target,
				   struct mf_reader *reader, uint64_t tls);

/** Index of the first extent that ends behind ADDRESS. */
size_t mf_jemalloc_model_near(const struct mf_jemalloc_model *model,
			      uint64_t address);

/** Where the bytes are, and all figures, into INFO (jemalloc_figures.c). */
void mf_jemalloc_model_count(struct mf_jemalloc_model *model,
			     struct mf_heap_context *context,
			     struct mf_allocator *info);

/** The each_chunk of the ops (jemalloc_chunks.c). */
bool mf_jemalloc_model_each(const struct mf_jemalloc_model *model,
			    const struct mf_allocator *info,
			    struct mf_chunk_range range, mf_chunk_visitor visit,
			    void *data);

void mf_jemalloc_model_deinit(struct mf_jemalloc_model *model);

/** Whether region INDEX of a slab is free. */
static inline bool
mf_jemalloc_region_is_free(const struct mf_jemalloc_model *model,
			   const struct mf_jemalloc_kept *slab, uint64_t index)
{
	return model->bitmaps.items[slab->bitmap + index / 64] >> index % 64 &
	       1;
}

/** Whether a thread keeps it. */
static inline bool
mf_jemalloc_region_is_cached(const struct mf_jemalloc_model *model,
			     const struct mf_jemalloc_kept *slab,
			     uint64_t index)
{
	return model->cached.count &&
	       (model->cached.items[slab->bitmap + index / 64] >> index % 64 &
		1);
}

#endif
