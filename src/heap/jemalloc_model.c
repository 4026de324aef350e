/*
 * Keeps what jemalloc's extents say of themselves, and proves it: a slab's
 * bitmap has as many free regions as the slab counts, its regions fill it, and
 * an object fits where it is said to be.
 * Source: jemalloc 5.0 to 5.3, edata.h, slab_data.h, bitmap.h, sz.h.
 */
#include "heap/jemalloc_model.h"

#include <string.h>

enum {
	BITMAP = 64,	     /* offset in an edata, bytes */
	MOST_REGIONS = 8192, /* of a slab, 64 KiB pages */
	MOST_EXTENTS = 1 << 23,
	MOST_PAGES_LG = 32,
	TOLERATED = 1000, /* one of so many elements may lie */
	TORN_OF = 50,	  /* one of so many slabs may be changing */
};

/* ---- what extents say ------------------------------------------------------ */

static uint64_t region_count(const struct mf_jemalloc_extent *extent)
{
	uint64_t region = mf_jemalloc_class_size(extent->size_class);

	if (!region || extent->size % region ||
	    extent->size / region > MOST_REGIONS)
		return 0;
	return extent->size / region;
}

static bool object_fits(const struct mf_jemalloc_extent *extent)
{
	uint64_t size = mf_jemalloc_class_size(extent->size_class);

	return size && extent->offset < extent->size &&
	       size <= extent->size - extent->offset;
}

static void add_slab(struct mf_jemalloc_model *model,
		     struct mf_jemalloc_kept *kept,
		     const struct mf_jemalloc_extent *extent)
{
	uint64_t regions = region_count(extent);

	model->slab_count++;
	if (!regions) {
		kept->content = MF_JEMALLOC_TORN;
		model->odd++;
		return;
	}
	kept->content = MF_JEMALLOC_SLAB;
	kept->bitmap = (uint32_t)model->bitmaps.count;
	for (uint64_t i = 0; i < regions; i += 64)
		mf_vec_push(&model->bitmaps, 0);
	mf_vec_push(&model->slabs, (struct mf_jemalloc_slab){
					   extent->edata,
					   (uint32_t)model->extents.count,
					   extent->free_regions,
				   });
}

void mf_jemalloc_model_add(struct mf_jemalloc_model *model,
			   const struct mf_jemalloc_extent *extent)
{
	struct mf_jemalloc_kept kept = {
		.start = extent->address,
		.pages = (uint32_t)(extent->size >> model->lg_page),
		.arena = (uint16_t)extent->arena,
		.size_class = (uint8_t)extent->size_class,
		.content = MF_JEMALLOC_SPARE,
	};

	if (extent->state == MF_JEMALLOC_RETAINED)
		return;
	if (model->extents.count >= MOST_EXTENTS ||
	    extent->size >> model->lg_page >> MOST_PAGES_LG) {
		model->overflowed = true;
		return;
	}
	if (extent->state >= MF_JEMALLOC_TRANSIENT) {
		kept.content = MF_JEMALLOC_TORN;
	} else if (extent->state == MF_JEMALLOC_ACTIVE && extent->slab) {
		add_slab(model, &kept, extent);
	} else if (extent->state == MF_JEMALLOC_ACTIVE) {
		bool fits = object_fits(extent);

		kept.content = fits ? MF_JEMALLOC_OBJECT : MF_JEMALLOC_TORN;
		kept.offset = (uint16_t)extent->offset;
		model->odd += !fits;
	}
	mf_vec_push(&model->extents, kept);
}

/* ---- which regions are free ------------------------------------------------ */

static int by_edata(const void *a, const void *b)
{
	const struct mf_jemalloc_slab *left = a, *right = b;

	return (left->edata > right->edata) - (left->edata < right->edata);
}

static uint64_t count_set(uint64_t *words, uint64_t regions)
{
	uint64_t count = 0;

	for (uint64_t i = 0; i < regions; i += 64) {
		if (regions - i < 64)
			words[i / 64] &= (UINT64_C(1) << (regions - i)) - 1;
		count += (uint64_t)__builtin_popcountll(words[i / 64]);
	}
	return count;
}

static void read_slab(struct mf_jemalloc_model *model, struct mf_reader *reader,
		      const struct mf_jemalloc_slab *slab)
{
	struct mf_jemalloc_kept *kept = &model->extents.items[slab->extent];
	uint64_t *words = &model->bitmaps.items[kept->bitmap];
	uint64_t regions = mf_jemalloc_kept_size(model, kept) /
			   mf_jemalloc_class_size(kept->size_class);
	size_t bytes = (regions + 63) / 64 * sizeof(uint64_t);

	if (mf_reader_read(reader, slab->edata + BITMAP, words, bytes) &&
	    count_set(words, regions) == slab->free_regions)
		return;
	kept->content = MF_JEMALLOC_TORN;
	model->torn++;
}

static const char *doubt(const struct mf_jemalloc_model *model, uint64_t bad)
{
	size_t extents = model->extents.count;

	if (model->overflowed)
		return "it has more extents than are kept in mind";
	if (bad > extents / TOLERATED || model->odd > extents / TOLERATED)
		return "what its extents say of themselves does not agree";
	if (model->torn > model->slab_count / TORN_OF)
		return "its slabs count other free regions than their bitmaps "
		       "have";
	return NULL;
}

void mf_jemalloc_model_read(struct mf_jemalloc_model *model,
			    struct mf_reader *reader, uint64_t bad,
			    const char **why)
{
	mf_vec_sort(&model->slabs, by_edata);
	mf_vec_foreach(slab, &model->slabs)
		read_slab(model, reader, slab);
	mf_vec_deinit(&model->slabs);
	*why = doubt(model, bad);
	model->holds = !*why && model->extents.count;
}

void mf_jemalloc_model_deinit(struct mf_jemalloc_model *model)
{
	mf_vec_deinit(&model->extents);
	mf_vec_deinit(&model->slabs);
	mf_vec_deinit(&model->bitmaps);
	mf_vec_deinit(&model->cached);
	mf_vec_deinit(&model->own);
	mf_vec_deinit(&model->arenas);
}
