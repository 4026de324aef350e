/*
 * Puts together what is known of addresses: places, pages, neighbours, first
 * bytes, and who points there, for all of them in one pass.
 */
#include "scan/explain.h"

#include <stdlib.h>
#include <string.h>

enum {
	WORD = 8,
};

struct mf_error *mf_explain_create(struct mf_target *target,
				   struct mf_image *image,
				   const struct mf_explain_options *options,
				   struct mf_explain **ret)
{
	const struct mf_refs_options refs = { .threads = options->threads };
	struct mf_explain *explain = mf_new(struct mf_explain);
	struct mf_error *error;

	explain->target = target;
	explain->options = *options;
	error = mf_refs_create(target, image, &refs, &explain->refs);
	if (error) {
		mf_explain_destroy(explain);
		return error;
	}
	*ret = explain;
	return NULL;
}

static void forget(struct mf_explain *explain)
{
	mf_vec_foreach(item, &explain->items) {
		free(item->text);
		free(item->here);
		free(item->signature_detail);
	}
	mf_vec_deinit(&explain->items);
}

void mf_explain_destroy(struct mf_explain *explain)
{
	if (!explain)
		return;
	forget(explain);
	mf_refs_destroy(explain->refs);
	free(explain);
}

/* ---- the page -------------------------------------------------------------- */

static void look_at_page(const struct mf_explain *explain,
			 struct mf_explained *item)
{
	uint64_t size = mf_target_info(explain->target)->page_size;
	mf_auto_error struct mf_error *error = NULL;

	if (!item->place.region)
		return;
	error = mf_target_residency(explain->target,
				    item->place.address & ~(size - 1), 1,
				    &item->page);
	item->page_known = !error;
}

/* ---- the chunk ------------------------------------------------------------- */

static void look_beside(const struct mf_heap *heap, struct mf_explained *item)
{
	const struct mf_chunk *chunk = &item->place.chunk;

	if (!item->place.in_chunk)
		return;
	item->has_previous =
		chunk->address &&
		mf_heap_chunk_at(heap, chunk->address - 1, &item->previous);
	item->has_next = mf_heap_chunk_at(heap, chunk->address + chunk->size,
					  &item->next);
}

/* ---- the thread ------------------------------------------------------------ */

static void look_at_thread(const struct mf_explain *explain,
			   struct mf_explained *item)
{
	size_t count;
	const struct mf_thread *threads =
		mf_target_threads(explain->target, &count);

	for (size_t i = 0; item->place.tid && i < count; i++)
		if (threads[i].tid == item->place.tid)
			item->thread = threads[i];
}

/* ---- the bytes ------------------------------------------------------------- */

/* What holds the address: its chunk's user data, its variable, or from it on to
 * the end of its region. */
static void find_holder(struct mf_explained *item)
{
	const struct mf_place *place = &item->place;

	if (place->in_chunk && place->address >= place->user) {
		item->start = place->user;
		item->size = place->user_end - place->user;
	} else if (place->symbol && place->symbol_size) {
		item->start = place->symbol_start;
		item->size = place->symbol_size;
	} else if (place->region) {
		item->start = place->address;
		item->size = place->region->end - place->address;
	}
}

/* Up to the first page that is not there. */
static size_t read_some(struct mf_target *target, uint64_t start,
			uint8_t *bytes, size_t size)
{
	uint64_t page = mf_target_info(target)->page_size, first;

	if (mf_target_try_read(target, start, bytes, size))
		return size;
	first = MF_MIN(page - start % page, (uint64_t)size);
	return mf_target_try_read(target, start, bytes, first) ? first : 0;
}

static bool is_read_safely(const struct mf_place *place)
{
	const struct mf_region *region = place->region;

	return region && region->mapping->perms & MF_PERM_READ &&
	       region->class != MF_CLASS_DEVICE &&
	       region->class != MF_CLASS_VVAR &&
	       region->class != MF_CLASS_VSYSCALL;
}

/* Further in: what the address is the middle of. */
static void look_around(const struct mf_explain *explain,
			struct mf_explained *item)
{
	uint64_t address = item->place.address;
	uint64_t page = mf_target_info(explain->target)->page_size;
	uint64_t before =
		MF_MIN(address - item->start, (uint64_t)MF_EXPLAIN_BEFORE);
	uint64_t behind = MF_MIN(item->start + item->size - address,
				 (uint64_t)MF_EXPLAIN_PREVIEW);
	mf_auto_free uint8_t *bytes = mf_calloc(before + behind, 1);

	if (!mf_target_try_read(explain->target, address - before, bytes,
				before + behind)) {
		before = MF_MIN(before, address % page);
		behind = MF_MIN(behind, page - address % page);
		if (!mf_target_try_read(explain->target, address - before,
					bytes, before + behind))
			return;
	}
	mf_explain_bytes_at(item, bytes, before + behind, before,
			    explain->options.redact);
}

static bool is_further_in(const struct mf_explained *item)
{
	uint64_t address = item->place.address;

	return item->size && address > item->start &&
	       address - item->start < item->size;
}

static void look_at_bytes(const struct mf_explain *explain,
			  struct mf_explained *item)
{
	uint8_t bytes[MF_EXPLAIN_PREVIEW];
	size_t size = MF_MIN(item->size, (uint64_t)sizeof(bytes));

	if (!is_read_safely(&item->place) || !size)
		return;
	size = read_some(explain->target, item->start, bytes, size);
	if (size)
		mf_explain_bytes(item, bytes, size, item->size,
				 explain->options.redact);
	if (is_further_in(item) && !mf_explain_is_masked(item))
		look_around(explain, item);
}

static void look_at_word(const struct mf_explain *explain,
			 struct mf_explained *item)
{
	const struct mf_places *places = &explain->refs->places;
	uint64_t address = item->place.address;

	if (address % WORD || !is_read_safely(&item->place) ||
	    !mf_target_read_u64(explain->target, address, &item->word))
		return;
	item->has_word = true;
	mf_place_find(places, item->word, &item->leads);
	mf_place_read_type(places, &item->leads);
}

/* ---- all of it ------------------------------------------------------------- */

static void explain_one(struct mf_explain *explain, const struct mf_spot *spot)
{
	const struct mf_places *places = &explain->refs->places;
	struct mf_explained *item = mf_vec_add(&explain->items);

	item->asked = spot->text;
	mf_place_find(places, spot->start, &item->place);
	mf_place_find_symbol(places, &item->place);
	mf_place_read_type(places, &item->place);
	look_at_page(explain, item);
	look_beside(places->heap, item);
	look_at_thread(explain, item);
	find_holder(item);
	look_at_bytes(explain, item);
	look_at_word(explain, item);
}

static struct mf_error *look_for_refs(struct mf_explain *explain,
				      const struct mf_scan_input *input,
				      const struct mf_spot *spots, size_t count)
{
	struct mf_scan_range ranges[MF_EXPLAIN_MAX];
	struct mf_scan_input all = *input;

	for (size_t i = 0; i < count; i++)
		ranges[i] = (struct mf_scan_range){
			.start = spots[i].start,
			.end = spots[i].start + 1,
		};
	all.ranges = ranges;
	all.range_count = count;
	MF_TRY(mf_refs_read(explain->refs, &all));
	for (size_t i = 0; i < count; i++) {
		const struct mf_hit_range *range =
			mf_hits_around(&explain->refs->hits,
				       explain->refs->targets.items[i].start);

		explain->items.items[i].words = range ? range->words : 0;
		explain->items.items[i].aim = range ? range->start : 0;
	}
	return NULL;
}

struct mf_error *mf_explain_read(struct mf_explain *explain,
				 const struct mf_scan_input *input,
				 const struct mf_spot *spots, size_t count)
{
	count = MF_MIN(count, (size_t)MF_EXPLAIN_MAX);
	forget(explain);
	explain->refs->places.space = input->space;
	explain->refs->places.heap = input->heap;
	for (size_t i = 0; i < count; i++)
		explain_one(explain, &spots[i]);
	if (explain->options.no_refs)
		return NULL;
	return look_for_refs(explain, input, spots, count);
}

void mf_explain_name_frames(struct mf_explain *explain,
			    const struct mf_frame_namer *namer)
{
	mf_refs_name_frames(explain->refs, namer);
	mf_vec_foreach(item, &explain->items)
		mf_place_find_symbol(&explain->refs->places, &item->place);
}
