/*
 * Counts chunks by kind, by exact size and by size class. Small sizes have a
 * counter each; larger ones share a map, of which a heap that has too many
 * different ones cannot make more than its share.
 */
#include "heap/chunk_census.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/vec.h"

enum {
	SMALL_SIZES = 4096,    /* of 16 bytes each: below 64 KiB */
	LARGE_SIZES = 1 << 18, /* that are told apart */
};

struct counted {
	uint64_t in_use, free;
	uint64_t foreign; /* of in_use, those of others than glibc */
};

struct census {
	struct mf_chunk_census shown; /* first: the door knows only this */
	struct counted small[SMALL_SIZES];
	const struct mf_allocator *allocator; /* of the last chunk */
	bool foreign;			      /* that is not glibc */
	struct mf_map large_index;	      /* size -> index */
	MF_VEC(struct mf_chunk_size) large;
	MF_VEC(struct mf_chunk_size) sizes;
	MF_VEC(struct mf_size_class) classes;
};

/* ---- counting ------------------------------------------------------------ */

static bool is_used(enum mf_chunk_kind kind)
{
	return kind == MF_KIND_IN_USE || kind == MF_KIND_MMAPPED;
}

static void add_amount(struct mf_amount *amount, uint64_t size)
{
	amount->count++;
	amount->bytes += size;
}

static struct mf_chunk_size *large_size(struct census *census, uint64_t size)
{
	const uint64_t *index = mf_map_get(&census->large_index, size);
	struct mf_chunk_size *large;

	if (index)
		return &census->large.items[*index];
	if (census->large.count >= LARGE_SIZES)
		return NULL;
	mf_map_set(&census->large_index, size, census->large.count);
	large = mf_vec_add(&census->large);
	large->size = size;
	return large;
}

static bool count(const struct mf_chunk *chunk, void *data)
{
	struct census *census = data;
	uint64_t granules = chunk->size / MF_GRANULE;
	bool used = is_used(chunk->kind);
	struct mf_chunk_size *large;

	if (chunk->allocator != census->allocator) {
		census->allocator = chunk->allocator;
		census->foreign = strcmp(chunk->allocator->name, "glibc") != 0;
	}
	add_amount(&census->shown.kinds[chunk->kind], chunk->size);
	if (chunk->kind == MF_KIND_OVERHEAD || chunk->kind == MF_KIND_UNREAD)
		return true;
	if (granules < SMALL_SIZES && chunk->size % MF_GRANULE == 0) {
		struct counted *small = &census->small[granules];

		(*(used ? &small->in_use : &small->free))++;
		small->foreign += used && census->foreign;
		return true;
	}
	large = large_size(census, chunk->size);
	if (large)
		add_amount(used ? &large->in_use : &large->free, chunk->size);
	else
		add_amount(&census->shown.unlisted, chunk->size);
	return true;
}

/* ---- sizes and classes --------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
	const struct mf_chunk_size *left = a, *right = b;

	return left->size < right->size ? -1 : left->size > right->size;
}

static int by_bytes(const void *a, const void *b)
{
	const struct mf_chunk_size *left = a, *right = b;
	uint64_t left_bytes = left->in_use.bytes + left->free.bytes,
		 right_bytes = right->in_use.bytes + right->free.bytes;

	if (left_bytes != right_bytes)
		return left_bytes > right_bytes ? -1 : 1;
	return -by_size(a, b);
}

static void list_sizes(struct census *census)
{
	for (size_t i = 0; i < SMALL_SIZES; i++) {
		const struct counted *small = &census->small[i];
		uint64_t size = i * MF_GRANULE;

		if (small->in_use || small->free)
			mf_vec_push(&census->sizes,
				    (struct mf_chunk_size){
					    .size = size,
					    .in_use = { small->in_use,
							small->in_use * size },
					    .free = { small->free,
						      small->free * size },
				    });
	}
	mf_vec_foreach(large, &census->large)
		mf_vec_push(&census->sizes, *large);
	mf_vec_sort(&census->sizes, by_size);
}

static void merge_amount(struct mf_amount *sum, struct mf_amount amount)
{
	sum->count += amount.count;
	sum->bytes += amount.bytes;
}

/* The sizes are ascending here. */
static void list_classes(struct census *census)
{
	unsigned last = UINT32_MAX;
	struct mf_size_class *class = NULL;

	mf_vec_foreach(size, &census->sizes) {
		unsigned index = mf_size_class_index(size->size);

		if (!class || index != last) {
			class = mf_vec_add(&census->classes);
			class->min = size->size;
			last = index;
		}
		class->max = size->size;
		merge_amount(&class->in_use, size->in_use);
		merge_amount(&class->free, size->free);
	}
}

/* Of glibc's: the size classes of others are few, and prove nothing. Large ones
 * are none of theirs. */
static uint64_t count_in_use(uint64_t size, const void *data)
{
	const struct census *census = data;
	uint64_t granules = size / MF_GRANULE;
	const uint64_t *index;

	if (granules < SMALL_SIZES)
		return census->small[granules].in_use -
		       census->small[granules].foreign;
	index = mf_map_get(&census->large_index, size);
	return index ? census->large.items[*index].in_use.count : 0;
}

struct mf_chunk_census *
mf_chunk_census_create(const struct mf_heap *heap,
		       const struct mf_chunk_choice *choice)
{
	struct census *census = mf_new(struct census);
	struct mf_chunk_census *shown = &census->shown;

	mf_heap_each_chosen(heap, choice, count, census);
	list_sizes(census);
	list_classes(census);
	mf_vec_sort(&census->sizes, by_bytes);
	shown->sizes = census->sizes.items;
	shown->size_count = census->sizes.count;
	shown->classes = census->classes.items;
	shown->class_count = census->classes.count;
	shown->pattern_count =
		mf_size_patterns_find(count_in_use, census, shown->patterns);
	return shown;
}

void mf_chunk_census_destroy(struct mf_chunk_census *census)
{
	struct census *all = (struct census *)(void *)census;

	if (!all)
		return;
	mf_map_deinit(&all->large_index);
	mf_vec_deinit(&all->large);
	mf_vec_deinit(&all->sizes);
	mf_vec_deinit(&all->classes);
	free(all);
}
