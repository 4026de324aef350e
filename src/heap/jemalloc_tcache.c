/*
 * What threads keep of jemalloc's regions for themselves. A thread's cache is in
 * its static TLS: a row of bins, one a size class, each with a stack of regions.
 * The stacks lie side by side in one block, so each bin says where the next
 * one's begins: that, and regions of the right class, prove a row.
 * Source: jemalloc 5.3, cache_bin.h, cache_bin.c, tcache_structs.h.
 */
#include "heap/jemalloc_model.h"

enum {
	LEAST_BINS = 16,    /* in a row, to be one */
	MOST_BINS = 80,	    /* TCACHE_NBINS_MAX, and more */
	MOST_TLS = 1 << 20, /* bytes of a thread's that are looked at */
	TCB_ABOVE = 16,
};

/* cache_bin_t: its stack grows down from empty to full, head is in between; of
 * these places only the low bits are kept. */
struct bin {
	uint64_t head, requests;
	uint16_t low_water, full, empty, unused;
};

_Static_assert(sizeof(struct bin) == 24, "as jemalloc has it");

struct search {
	struct mf_jemalloc_model *model;
	struct mf_reader *reader;
};

static uint16_t stack_size(const struct bin *bin)
{
	return (uint16_t)(bin->empty - bin->full);
}

static uint16_t cached_size(const struct bin *bin)
{
	return (uint16_t)(bin->empty - (uint16_t)bin->head);
}

static bool is_bin(const struct bin *bin)
{
	return bin->head && bin->head % sizeof(uint64_t) == 0 &&
	       bin->full % sizeof(uint64_t) == 0 &&
	       bin->empty % sizeof(uint64_t) == 0 && stack_size(bin) &&
	       cached_size(bin) <= stack_size(bin);
}

/* B's stack begins where that of A ends, not only by its low bits. */
static bool follows(const struct bin *a, const struct bin *b)
{
	uint64_t empty = a->head + cached_size(a);

	return is_bin(b) && b->full == a->empty &&
	       b->head - empty == (uint16_t)(stack_size(b) - cached_size(b));
}

static size_t count_row(const struct bin *bins, size_t most)
{
	size_t count = 1;

	if (!is_bin(bins))
		return 0;
	while (count < MF_MIN(most, (size_t)MOST_BINS) &&
	       follows(&bins[count - 1], &bins[count]))
		count++;
	return count;
}

/* ---- what a stack holds ---------------------------------------------------- */

static struct mf_jemalloc_kept *extent_at(const struct search *search,
					  uint64_t address)
{
	size_t index = mf_jemalloc_model_near(search->model, address);
	struct mf_jemalloc_kept *extent;

	if (index >= search->model->extents.count)
		return NULL;
	extent = &search->model->extents.items[index];
	return extent->start <= address ? extent : NULL;
}

/* Marks the region at ADDRESS, if it is one of this class that is not free. */
static bool mark(const struct search *search, uint64_t address,
		 unsigned size_class)
{
	struct mf_jemalloc_model *model = search->model;
	struct mf_jemalloc_kept *extent = extent_at(search, address);
	uint64_t region = mf_jemalloc_class_size(size_class), offset;

	if (!extent || extent->size_class != size_class)
		return false;
	offset = address - extent->start;
	if (extent->content == MF_JEMALLOC_OBJECT && offset == extent->offset) {
		extent->content = MF_JEMALLOC_CACHED;
		return true;
	}
	if (extent->content != MF_JEMALLOC_SLAB || offset % region ||
	    mf_jemalloc_region_is_free(model, extent, offset / region))
		return false;
	model->cached.items[extent->bitmap + offset / region / 64] |=
		UINT64_C(1) << offset / region % 64;
	return true;
}

static void mark_stack(const struct search *search, const struct bin *bin,
		       unsigned size_class)
{
	uint64_t items[64];
	uint64_t at = bin->head, end = bin->head + cached_size(bin);

	while (at < end) {
		size_t count = MF_MIN((end - at) / sizeof(uint64_t),
				      (uint64_t)MF_ARRAY_SIZE(items));

		if (!mf_reader_read(search->reader, at, items,
				    count * sizeof(uint64_t)))
			return;
		for (size_t i = 0; i < count; i++)
			if (!mark(search, items[i], size_class))
				search->model->uncached++;
		at += count * sizeof(uint64_t);
	}
}

/* ---- threads --------------------------------------------------------------- */

/* All stacks of a row: also what has left them still stands there. */
static void note_stacks(const struct search *search, const struct bin *bins,
			size_t count)
{
	const struct bin *last = &bins[count - 1];

	mf_vec_push(&search->model->own,
		    (struct mf_chunk_range){
			    bins->head - (uint16_t)((uint16_t)bins->head -
						    bins->full),
			    last->head + cached_size(last),
		    });
}

static void look_through(const struct search *search, const uint64_t *words,
			 size_t count)
{
	const size_t step = sizeof(struct bin) / sizeof(uint64_t);

	for (size_t i = 0; i + LEAST_BINS * step <= count; i++) {
		const struct bin *bins = (const void *)(words + i);
		size_t row = count_row(bins, (count - i) / step);

		if (row < LEAST_BINS)
			continue;
		for (size_t k = 0; k < row; k++)
			mark_stack(search, &bins[k], (unsigned)k);
		note_stacks(search, bins, row);
		search->model->caches++;
		return;
	}
}

/* What may be THREAD's static TLS: SIZE bytes beside its pointer, as far as its
 * mapping goes. */
static struct mf_range find_tls(struct mf_target *target,
				const struct mf_thread *thread, uint64_t size)
{
	const struct mf_mapping *mapping =
		mf_target_mapping_at(target, thread->tp);
	struct mf_range range = { thread->tp, thread->tp };

	if (!mapping || thread->tp % sizeof(uint64_t))
		return range;
	if (mf_target_info(target)->tls_above)
		range.end += MF_MIN(TCB_ABOVE + size, mapping->end - range.end);
	else
		range.start -= MF_MIN(size, range.start - mapping->start);
	return range;
}

void mf_jemalloc_model_find_caches(struct mf_jemalloc_model *model,
				   struct mf_target *target,
				   struct mf_reader *reader, uint64_t tls)
{
	const struct search search = { model, reader };
	uint64_t size = mf_align_down(MF_MIN(tls, (uint64_t)MOST_TLS), 8);
	uint64_t *words = mf_calloc(1, size + TCB_ABOVE);
	size_t count;
	const struct mf_thread *threads = mf_target_threads(target, &count);

	for (size_t i = 0; i < model->bitmaps.count; i++)
		mf_vec_push(&model->cached, 0);
	for (size_t i = 0; i < count; i++) {
		struct mf_range range = find_tls(target, &threads[i], size);
		uint64_t bytes = mf_range_size(range);

		if (bytes &&
		    mf_target_try_read(target, range.start, words, bytes))
			look_through(&search, words, bytes / sizeof(*words));
	}
	free(words);
}
