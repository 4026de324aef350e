/*
 * Which parts of a module hold addresses that the linker has put there, read
 * in windows; and what an address is, by the segments of all modules.
 */
#include "scan/words.h"

#include "base/memory.h"
#include "base/search.h"

enum {
	WINDOW = 1 << 20,
};

/* Of one segment; no linker makes tables as long as this. */
static const uint64_t segment_max = (uint64_t)256 << 20;

/* ---- what an address is -------------------------------------------------- */

static int compare_segments(const void *left, const void *right)
{
	const struct mf_segment *a = left, *b = right;

	return (a->start > b->start) - (a->start < b->start);
}

void mf_module_map_init(struct mf_module_map *map, const struct mf_image *image)
{
	size_t count;
	const struct mf_module *modules = mf_image_modules(image, &count);

	*map = (struct mf_module_map){ 0 };
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < modules[i].segment_count; k++) {
			const struct mf_segment *segment =
				&modules[i].segments[k];

			if (segment->kind == MF_SEGMENT_TEXT)
				mf_vec_push(&map->code.sorted, *segment);
			else
				mf_vec_push(&map->data.sorted, *segment);
		}
	mf_vec_sort(&map->code.sorted, compare_segments);
	mf_vec_sort(&map->data.sorted, compare_segments);
}

void mf_module_map_deinit(struct mf_module_map *map)
{
	mf_vec_deinit(&map->code.sorted);
	mf_vec_deinit(&map->data.sorted);
}

static bool is_inside(const struct mf_segments *segments, uint64_t address)
{
	return mf_range_at(segments->sorted.items, segments->sorted.count,
			   address);
}

bool mf_module_map_is_code(const struct mf_module_map *map, uint64_t address)
{
	return is_inside(&map->code, address);
}

bool mf_module_map_is_data(const struct mf_module_map *map, uint64_t address)
{
	return is_inside(&map->data, address);
}

/* ---- words ---------------------------------------------------------------- */

/* What is read-only and last is so after relocation, where there is such; and
 * before it lies what was never relocated, unless its place was fixed. */
static bool is_wanted(const struct mf_module *module, size_t index)
{
	switch (module->segments[index].kind) {
	case MF_SEGMENT_TEXT:
	case MF_SEGMENT_BSS:
		return false;
	case MF_SEGMENT_DATA:
		return true;
	case MF_SEGMENT_RODATA:
		break;
	}
	if (!module->bias)
		return true;
	for (size_t i = index + 1; i < module->segment_count; i++)
		if (module->segments[i].kind == MF_SEGMENT_RODATA ||
		    module->segments[i].kind == MF_SEGMENT_TEXT)
			return false;
	return true;
}

struct reader {
	struct mf_target *target;
	uint64_t page_size;
	uint64_t *window;
	mf_word_visitor visit;
	void *data;
};

static struct mf_error *read_segment(struct reader *reader,
				     const struct mf_module *module,
				     const struct mf_segment *segment)
{
	const uint64_t page = reader->page_size;
	uint64_t at = segment->start;
	uint64_t end = MF_MIN(segment->end, at + segment_max);

	if (at % page || end % page)
		return NULL;
	while (at < end) {
		uint64_t size = MF_MIN(end - at, (uint64_t)WINDOW);
		struct mf_word_run run = {
			.module = module,
			.address = at,
			.words = reader->window,
			.count = size / sizeof(uint64_t),
			.starts = size / sizeof(uint64_t),
		};

		MF_TRY(mf_target_read_pages(reader->target, at, size / page,
					    reader->window, NULL));
		if (size > page && at + size < end)
			run.starts = (size - page) / sizeof(uint64_t);
		reader->visit(&run, reader->data);
		at += run.starts * sizeof(uint64_t);
	}
	return NULL;
}

static struct mf_error *read_module(struct reader *reader,
				    const struct mf_module *module)
{
	for (size_t i = 0; i < module->segment_count; i++)
		if (is_wanted(module, i))
			MF_TRY(read_segment(reader, module,
					    &module->segments[i]));
	return NULL;
}

struct mf_error *mf_module_words(struct mf_target *target,
				 const struct mf_image *image,
				 mf_word_visitor visit, void *data)
{
	mf_auto_free uint64_t *window = mf_calloc(1, WINDOW);
	size_t count;
	const struct mf_module *modules = mf_image_modules(image, &count);
	struct reader reader = {
		.target = target,
		.page_size = mf_target_info(target)->page_size,
		.window = window,
		.visit = visit,
		.data = data,
	};

	for (size_t i = 0; i < count; i++)
		MF_TRY(read_module(&reader, &modules[i]));
	return NULL;
}
