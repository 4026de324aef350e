/*
 * How the recognisers of allocators look at memory: the data of a module, runs
 * of anonymous mappings, present pages as words, and scattered structures
 * through a fixed number of windows.
 */
#include "heap/recognise.h"
#include "heap/window.h"

enum {
	PAGE = 4096,
	SCAN_PAGES = 256,  /* of one window of a scan */
	LINE_PAGES = 16,   /* of one window of a reader */
	LINE_COUNT = 128,  /* windows that a reader keeps */
	MOST_PAGE = 65536, /* the largest page size there is */
};

/* No user address of any machine is above. */
static const uint64_t most_address = UINT64_C(1) << 57;

/* ---- ranges -------------------------------------------------------------- */

struct mf_range mf_module_data(const struct mf_module *module)
{
	struct mf_range range = { 0, 0 };

	for (size_t i = 0; i < module->segment_count; i++) {
		const struct mf_segment *segment = &module->segments[i];

		if (segment->kind != MF_SEGMENT_DATA &&
		    segment->kind != MF_SEGMENT_BSS)
			continue;
		if (range.start == range.end)
			range.start = segment->start;
		range.end = MF_MAX(range.end, segment->end);
	}
	return range;
}

uint64_t mf_module_bss_size(const struct mf_module *module)
{
	uint64_t size = 0;

	for (size_t i = 0; i < module->segment_count; i++)
		if (module->segments[i].kind == MF_SEGMENT_BSS)
			size += module->segments[i].end -
				module->segments[i].start;
	return size;
}

const struct mf_mapping *mf_anon_at(struct mf_target *target, uint64_t address)
{
	const struct mf_mapping *mapping =
		mf_target_mapping_at(target, address);

	if (!mapping || !mf_mapping_is_anon(mapping) ||
	    (mapping->perms & (MF_PERM_READ | MF_PERM_WRITE)) !=
		    (MF_PERM_READ | MF_PERM_WRITE))
		return NULL;
	return mapping;
}

static bool joins_run(const struct mf_mapping *mapping)
{
	return mf_mapping_is_anon(mapping) &&
	       strcmp(mapping->path, "[heap]") != 0;
}

struct mf_range mf_anon_run(struct mf_target *target, uint64_t address)
{
	size_t count;
	const struct mf_mapping *all = mf_target_mappings(target, &count);
	const struct mf_mapping *here = mf_target_mapping_at(target, address);
	const struct mf_mapping *first = here, *last = here;

	if (!here || !joins_run(here))
		return (struct mf_range){ 0, 0 };
	while (first > all && joins_run(first - 1) &&
	       (first - 1)->end == first->start)
		first--;
	while (last + 1 < all + count && joins_run(last + 1) &&
	       last->end == (last + 1)->start)
		last++;
	return (struct mf_range){ first->start, last->end };
}

/* ---- scanning ------------------------------------------------------------- */

struct scan {
	bool (*visit)(void *data, const struct mf_words *words);
	void *data;
	uint32_t page_size;
	uint64_t *bytes;
	uint8_t *flags;
};

/* Hands on the runs of present pages in one window; *ANY: there are some. */
static bool visit_window(const struct scan *scan, uint64_t start, size_t count,
			 bool *any)
{
	size_t first = 0, per_page = scan->page_size / sizeof(uint64_t);

	while (first < count) {
		size_t last = first;
		struct mf_words words;

		while (last < count && (scan->flags[last] & MF_PAGE_PRESENT))
			last++;
		words = (struct mf_words){
			.address = start + first * scan->page_size,
			.words = scan->bytes + first * per_page,
			.count = (last - first) * per_page,
		};
		*any |= words.count > 0;
		if (words.count && !scan->visit(scan->data, &words))
			return false;
		first = last + 1;
	}
	return true;
}

bool mf_scan_words(struct mf_target *target, struct mf_range range,
		   bool (*visit)(void *data, const struct mf_words *words),
		   void *data)
{
	uint32_t page_size = mf_target_info(target)->page_size;
	mf_auto_free uint64_t *bytes = NULL;
	uint8_t flags[SCAN_PAGES];
	struct scan scan = { visit, data, page_size, NULL, flags };
	bool going = true, any;

	if (page_size < PAGE || page_size > MOST_PAGE)
		return true;
	bytes = mf_calloc(SCAN_PAGES, page_size);
	scan.bytes = bytes;
	range.start = mf_align_down(range.start, page_size);
	while (going && range.start < range.end) {
		size_t count = MF_MIN((mf_range_size(range) + page_size - 1) /
					      page_size,
				      (uint64_t)SCAN_PAGES);
		mf_auto_error struct mf_error *error = mf_target_read_pages(
			target, range.start, count, bytes, flags);

		if (error)
			return true;
		any = false;
		going = visit_window(&scan, range.start, count, &any);
		range.start += (uint64_t)count * page_size;
		if (!any)
			range.start =
				mf_skip_absent(target, range.start, range.end);
	}
	return going;
}

/* ---- cached reads ---------------------------------------------------------- */

struct line {
	uint64_t start;
	bool used;
	uint8_t flags[LINE_PAGES];
	uint8_t *bytes;
};

struct mf_reader {
	struct mf_target *target;
	uint32_t page_size;
	uint64_t line_size;
	struct line lines[LINE_COUNT];
};

struct mf_reader *mf_reader_create(struct mf_target *target)
{
	struct mf_reader *reader = mf_new(struct mf_reader);

	reader->target = target;
	reader->page_size = mf_target_info(target)->page_size;
	reader->line_size = (uint64_t)LINE_PAGES * reader->page_size;
	return reader;
}

void mf_reader_destroy(struct mf_reader *reader)
{
	if (!reader)
		return;
	for (size_t i = 0; i < LINE_COUNT; i++)
		free(reader->lines[i].bytes);
	free(reader);
}

static struct line *find_line(struct mf_reader *reader, uint64_t address)
{
	uint64_t start = mf_align_down(address, reader->line_size);
	struct line *line = &reader->lines[mf_hash64(start) & (LINE_COUNT - 1)];
	struct mf_error *error;

	if (line->used && line->start == start)
		return line;
	if (!line->bytes)
		line->bytes = mf_calloc(LINE_PAGES, reader->page_size);
	line->start = start;
	line->used = true;
	error = mf_target_read_pages(reader->target, start, LINE_PAGES,
				     line->bytes, line->flags);
	if (error)
		memset(line->flags, MF_PAGE_UNREADABLE, sizeof(line->flags));
	mf_error_destroy(error);
	return line;
}

bool mf_reader_read(struct mf_reader *reader, uint64_t address, void *bytes,
		    size_t size)
{
	uint8_t *to = bytes;

	if (address >= most_address || size > most_address - address)
		return false;
	while (size) {
		struct line *line = find_line(reader, address);
		uint64_t offset = address - line->start;
		size_t page = offset / reader->page_size;
		size_t left = (page + 1) * reader->page_size - offset;
		size_t part = MF_MIN(size, left);

		if (line->flags[page] & (MF_PAGE_UNREADABLE | MF_PAGE_SWAPPED))
			return false;
		memcpy(to, line->bytes + offset, part);
		to += part;
		address += part;
		size -= part;
	}
	return true;
}

bool mf_reader_u64(struct mf_reader *reader, uint64_t address, uint64_t *ret)
{
	return mf_reader_read(reader, address, ret, sizeof(*ret));
}
