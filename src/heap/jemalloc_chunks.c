/*
 * jemalloc's memory chunk by chunk: the regions of slabs, large objects with
 * what pads them, and extents that wait to be used again. No chunk has a header.
 */
#include "base/search.h"
#include "heap/jemalloc_model.h"

struct visit {
	const struct mf_jemalloc_model *model;
	const struct mf_allocator *info;
	struct mf_chunk_range range;
	mf_chunk_visitor visitor;
	void *data;
};

static bool show(const struct visit *visit,
		 const struct mf_jemalloc_kept *extent, uint64_t start,
		 uint64_t end, enum mf_chunk_kind kind)
{
	bool nobodys = kind == MF_KIND_OVERHEAD || kind == MF_KIND_UNREAD;
	const struct mf_chunk chunk = {
		.address = start,
		.size = end - start,
		.user = start,
		.usable = nobodys ? 0 : end - start,
		.kind = kind,
		.arena = extent->arena,
		.allocator = visit->info,
	};

	if (start >= end || start >= visit->range.end ||
	    end <= visit->range.start)
		return true;
	return visit->visitor(&chunk, visit->data);
}

static enum mf_chunk_kind kind_of(const struct mf_jemalloc_model *model,
				  const struct mf_jemalloc_kept *slab,
				  uint64_t index)
{
	if (mf_jemalloc_region_is_free(model, slab, index))
		return MF_KIND_FREE;
	return mf_jemalloc_region_is_cached(model, slab, index)
		       ? MF_KIND_TCACHE
		       : MF_KIND_IN_USE;
}

static bool show_slab(const struct visit *visit,
		      const struct mf_jemalloc_kept *slab)
{
	uint64_t region = mf_jemalloc_class_size(slab->size_class);
	uint64_t count = mf_jemalloc_kept_size(visit->model, slab) / region;
	uint64_t index = 0;

	if (visit->range.start > slab->start)
		index = (visit->range.start - slab->start) / region;
	for (; index < count; index++) {
		uint64_t start = slab->start + index * region;

		if (start >= visit->range.end)
			break;
		if (!show(visit, slab, start, start + region,
			  kind_of(visit->model, slab, index)))
			return false;
	}
	return true;
}

static bool show_extent(const struct visit *visit,
			const struct mf_jemalloc_kept *extent)
{
	uint64_t start = extent->start, object = start + extent->offset;
	uint64_t end = start + mf_jemalloc_kept_size(visit->model, extent);
	uint64_t object_end =
		object + mf_jemalloc_class_size(extent->size_class);

	switch ((enum mf_jemalloc_content)extent->content) {
	case MF_JEMALLOC_SLAB:
		return show_slab(visit, extent);
	case MF_JEMALLOC_OBJECT:
	case MF_JEMALLOC_CACHED:
		return show(visit, extent, start, object, MF_KIND_OVERHEAD) &&
		       show(visit, extent, object, object_end,
			    extent->content == MF_JEMALLOC_CACHED
				    ? MF_KIND_TCACHE
				    : MF_KIND_IN_USE) &&
		       show(visit, extent, object_end, end, MF_KIND_OVERHEAD);
	case MF_JEMALLOC_SPARE:
		return show(visit, extent, start, end, MF_KIND_FREE);
	case MF_JEMALLOC_TORN:
		return show(visit, extent, start, end, MF_KIND_UNREAD);
	}
	return true;
}

size_t mf_jemalloc_model_near(const struct mf_jemalloc_model *model,
			      uint64_t address)
{
	return mf_count_leading(
		model->extents.items, model->extents.count, extent,
		extent->start + mf_jemalloc_kept_size(model, extent) <=
			address);
}

bool mf_jemalloc_model_each(const struct mf_jemalloc_model *model,
			    const struct mf_allocator *info,
			    struct mf_chunk_range range, mf_chunk_visitor visit,
			    void *data)
{
	const struct visit all = { model, info, range, visit, data };

	if (!model->holds)
		return true;
	for (size_t i = mf_jemalloc_model_near(model, range.start);
	     i < model->extents.count; i++) {
		const struct mf_jemalloc_kept *extent =
			&model->extents.items[i];

		if (extent->start >= range.end)
			break;
		if (!show_extent(&all, extent))
			return false;
	}
	return true;
}
