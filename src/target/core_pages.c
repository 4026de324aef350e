/*
 * Bytes of a core's pages: from the core where it has them, else from the file
 * that was mapped there, if it still is what it was. Memory that nobody touched
 * is zeros; anything else that is not in the core is not known.
 */
#include <string.h>

#include "base/memory.h"
#include "target/core.h"

struct pages {
	struct mf_target *target;
	struct mf_core *core;
	uint64_t start; /* of the window */
	uint64_t page_size;
	uint8_t *bytes, *flags;
};

static size_t index_of(const struct pages *pages, uint64_t address)
{
	return (address - pages->start) / pages->page_size;
}

static void mark_unreadable(const struct pages *pages, uint64_t start,
			    uint64_t end)
{
	memset(pages->bytes + (start - pages->start), 0, end - start);
	memset(pages->flags + index_of(pages, start), MF_PAGE_UNREADABLE,
	       (end - start) / pages->page_size);
}

/* Pages START..END of one mapping, which the core has not. */
static void read_from_file(const struct pages *pages,
			   const struct mf_mapping *mapping, uint64_t start,
			   uint64_t end)
{
	uint64_t offset = mapping->offset + (start - mapping->start);
	uint8_t *to = pages->bytes + (start - pages->start);
	size_t got = mf_core_read_object(pages->target, mapping, offset, to,
					 end - start);
	/* the last page of a file is shorter; those behind it are no memory */
	size_t whole = (got + pages->page_size - 1) & -pages->page_size;

	pages->target->impact.bytes_read += got;
	memset(to + got, 0, whole - got);
	if (start + whole < end)
		mark_unreadable(pages, start + whole, end);
}

/* The file was whole when it was opened. */
static void tell_unread(const struct pages *pages)
{
	const char *damage = mf_core_file_damage(pages->core->file);

	mf_target_note_partial(pages->target, "core file", "%s",
			       damage ? damage
				      : "not all of it could be read: it was "
					"changed meanwhile, or its disk fails");
}

/* Others read meanwhile, where nothing but the file itself is needed for it. */
static size_t read_file(const struct pages *pages, uint64_t offset, void *to,
			size_t size)
{
	struct mf_core_file *file = pages->core->file;
	size_t got;

	if (!mf_core_file_is_shared(file))
		return mf_core_file_read(file, offset, to, size);
	mf_target_let_others(pages->target);
	got = mf_core_file_read(file, offset, to, size);
	mf_target_go_on(pages->target);
	return got;
}

/* What SEGMENT has from START on; pages of which it has nothing are zeros. */
static void read_from_core(const struct pages *pages,
			   const struct mf_core_segment *segment,
			   uint64_t start, uint64_t end)
{
	uint64_t within = start - segment->start;
	uint64_t room = segment->held - MF_MIN(segment->held, within);
	uint8_t *to = pages->bytes + (start - pages->start);
	size_t wanted = MF_MIN(end - start, room);
	size_t got = read_file(pages, segment->offset + within, to, wanted);

	pages->target->impact.bytes_read += got;
	memset(to + got, 0, end - start - got);
	if (got == wanted)
		return;
	mark_unreadable(pages, start + (got & -pages->page_size), end);
	tell_unread(pages);
}

static bool is_of_file(const struct mf_mapping *mapping)
{
	return mapping && mapping->inode && mapping->path[0] == '/';
}

/*
 * Pages START..END of one mapping of which the core holds nothing. Private
 * memory that is not in a core was never touched; what a file is behind must
 * come from there.
 */
static void read_lacking(const struct pages *pages,
			 const struct mf_mapping *mapping, uint64_t start,
			 uint64_t end)
{
	uint8_t flags = pages->flags[index_of(pages, start)];
	/* a core of some regions lacks what others were written to */
	bool is_changed = pages->core->residency == MF_CORE_PAGES_NOTED &&
			  flags & MF_PAGE_PRESENT && !(flags & MF_PAGE_FILE);

	if (is_of_file(mapping) && !is_changed)
		read_from_file(pages, mapping, start, end);
	else if (flags & MF_PAGE_PRESENT)
		mark_unreadable(pages, start, end);
	else
		memset(pages->bytes + (start - pages->start), 0, end - start);
}

static uint64_t page_ceil(const struct pages *pages, uint64_t address)
{
	return (address + pages->page_size - 1) & -pages->page_size;
}

/* The core had it, before it was cut off: a file's bytes may be others. */
static bool is_lost(const struct pages *pages,
		    const struct mf_core_segment *segment, uint64_t start)
{
	return segment && start >= segment->start &&
	       start >= page_ceil(pages, segment->start + segment->held) &&
	       start < page_ceil(pages, segment->start + segment->promised);
}

/* Where the next change is of who has the bytes at START; at most END. */
static uint64_t part_end(const struct pages *pages,
			 const struct mf_mapping *mapping,
			 const struct mf_core_segment *segment, uint64_t start,
			 uint64_t end, bool *held)
{
	uint64_t held_end;

	end = mapping ? MF_MIN(end, mapping->end) : end;
	*held = false;
	if (!segment)
		return end;
	if (segment->start > start)
		return MF_MIN(end, segment->start);
	held_end = page_ceil(pages, segment->start + segment->held);
	*held = start < held_end;
	if (*held)
		return MF_MIN(end, held_end);
	if (is_lost(pages, segment, start))
		return MF_MIN(end, page_ceil(pages, segment->start +
							    segment->promised));
	return MF_MIN(end, segment->end);
}

/* Pages START..END that have the same flags. */
static void read_alike(const struct pages *pages, uint64_t start, uint64_t end)
{
	uint8_t flags = pages->flags[index_of(pages, start)];

	while (start < end) {
		const struct mf_mapping *mapping =
			mf_target_mapping_at(pages->target, start);
		size_t i = mf_core_segment_after(pages->core, start);
		const struct mf_core_segment *segment =
			i < pages->core->segments.count
				? &pages->core->segments.items[i]
				: NULL;
		bool held;
		uint64_t to =
			part_end(pages, mapping, segment, start, end, &held);

		/* what our note calls absent may be a hole in the core */
		if (!(flags & MF_PAGE_PRESENT) && is_of_file(mapping) &&
		    pages->core->residency == MF_CORE_PAGES_NOTED)
			held = false;
		if (segment && held)
			read_from_core(pages, segment, start, to);
		else if (flags & MF_PAGE_PRESENT &&
			 is_lost(pages, segment, start))
			mark_unreadable(pages, start, to);
		else
			read_lacking(pages, mapping, start, to);
		start = to;
	}
}

static bool is_hidden(uint8_t flags)
{
	return flags & (MF_PAGE_UNREADABLE | MF_PAGE_SWAPPED | MF_PAGE_ZERO);
}

struct mf_error *mf_core_read_pages(struct mf_target *target, uint64_t start,
				    size_t count, void *bytes, uint8_t *flags)
{
	const struct pages pages = {
		.target = target,
		.core = mf_core_of(target),
		.start = start,
		.page_size = target->info.page_size,
		.bytes = bytes,
		.flags = flags,
	};

	for (size_t first = 0, last; first < count; first = last) {
		uint64_t from = start + first * pages.page_size;

		for (last = first + 1; last < count; last++)
			if (flags[last] != flags[first])
				break;
		if (is_hidden(flags[first]))
			memset(pages.bytes + (from - start), 0,
			       (last - first) * pages.page_size);
		else
			read_alike(&pages, from,
				   start + last * pages.page_size);
	}
	return NULL;
}
