/*
 * Chunks with mappings of their own. No list of them exists: the header that
 * malloc wrote at the start of each mapping is sought, until their number and
 * bytes are those that mp_ counts; where libc is there more than once, those
 * that all of its copies count.
 */
#include <stdlib.h>

#include "heap/glibc_copies.h"
#include "heap/glibc_memory.h"

enum {
	MOVED_PAGES = 32,	    /* an alignment of 128 KiB */
	MOVED_EFFORT_MAX = 1 << 14, /* pages looked at for it */
	BLANK_WORDS = 8,
	NEW_PADDING = 16, /* 2.43: the size field leaves 16 bytes out */
};

struct search {
	struct mf_glibc_copies *copies;
	struct mf_target *target;
	struct mf_space *space;
	uint32_t page_size;
	struct mf_window window;
	uint64_t limit; /* end of the memory that is searched */
	uint64_t done;	/* end of the last chunk that was found */
	uint64_t padding;
	bool every_page;
	unsigned effort; /* left to look for chunks that were moved */
};

/* Chunks are large: only the pages of their headers are read, unless the
 * window is there already, in a search of every page. */
static bool read_words(struct search *search, uint64_t address,
		       uint64_t *previous_size, uint64_t *size)
{
	uint8_t copy[MF_GLIBC_CHUNK_HEADER];
	const uint8_t *bytes = copy;

	if (address >= search->limit ||
	    search->limit - address < MF_GLIBC_CHUNK_HEADER)
		return false;
	if (search->every_page && address % search->page_size == 0)
		bytes = mf_window_at(&search->window, address, sizeof(copy));
	else if (!mf_target_try_read(search->target, address, copy,
				     sizeof(copy)))
		return false;
	if (!bytes)
		return false;
	*previous_size = mf_load(uint64_t, bytes);
	*size = mf_load(uint64_t, bytes + 8);
	return true;
}

/* A mapping: its bytes (0: it is none), and where the chunk in it begins. */
struct found {
	uint64_t size, offset;
};

/* Bytes of the mapping whose chunk header stands at BASE + OFFSET; 0: none. */
static uint64_t mapping_size(struct search *search, uint64_t base,
			     uint64_t offset)
{
	uint64_t previous, size, total;

	if (!read_words(search, base + offset, &previous, &size))
		return 0;
	if (search->padding)
		previous &= ~UINT64_C(1); /* huge page mapping */
	if (previous != offset ||
	    (size & MF_GLIBC_CHUNK_FLAGS) != MF_GLIBC_IS_MMAPPED)
		return 0;
	total = offset + (size & ~(uint64_t)MF_GLIBC_CHUNK_FLAGS) +
		search->padding;
	if (total % search->page_size || total < offset + 32 ||
	    total > search->limit - base)
		return 0;
	return total;
}

/*
 * An aligned chunk leaves the first header in place and stands further on, 16
 * bytes before the first address of its alignment; its own header then tells
 * the current size.
 */
static struct found find_aligned(struct search *search, uint64_t base,
				 uint64_t first)
{
	uint64_t last = 0;

	for (uint64_t align = 32; align && align < 2 * first; align *= 2) {
		uint64_t user = (base + MF_GLIBC_CHUNK_HEADER + align - 1) &
				~(align - 1);
		uint64_t offset = user - MF_GLIBC_CHUNK_HEADER - base;
		uint64_t total;

		/* No room for a chunk before it: the next aligned address. */
		if (offset < MF_GLIBC_CHUNK_MIN && !search->padding)
			offset += align;
		if (offset == last || offset >= first)
			continue;
		last = offset;
		total = mapping_size(search, base, offset);
		if (total)
			return (struct found){ total, offset };
	}
	return (struct found){ first, 0 };
}

/* What the header at BASE once said: when its chunk is an aligned one that was
 * resized it is of no size that can be. */
static uint64_t stated_size(struct search *search, uint64_t base)
{
	uint64_t previous, size;

	if (!read_words(search, base, &previous, &size) ||
	    previous & ~(search->padding ? UINT64_C(1) : 0) ||
	    (size & MF_GLIBC_CHUNK_FLAGS) != MF_GLIBC_IS_MMAPPED)
		return 0;
	size = (size & ~(uint64_t)MF_GLIBC_CHUNK_FLAGS) + search->padding;
	return size % search->page_size == 0 ? size : 0;
}

/* Whether nobody ever wrote behind the header at BASE, as before an aligned
 * chunk; what a page holds is as quickly read as its header. */
static bool is_blank(struct search *search, uint64_t base)
{
	uint64_t words[BLANK_WORDS];

	if (!mf_target_try_read(search->target, base + MF_GLIBC_CHUNK_HEADER,
				words, sizeof(words)))
		return false;
	for (size_t i = 0; i < BLANK_WORDS; i++)
		if (words[i])
			return false;
	return true;
}

/* mremap may have moved it: it stands at the end of a page, wherever that is
 * now. */
static struct found find_moved(struct search *search, uint64_t base)
{
	uint64_t offset = search->page_size - MF_GLIBC_CHUNK_HEADER;

	for (unsigned pages = 1; pages <= MOVED_PAGES; pages++) {
		uint64_t total;

		if (offset >= search->limit - base || !search->effort)
			break;
		search->effort--;
		total = mapping_size(search, base, offset);
		if (total)
			return (struct found){ total, offset };
		offset += search->page_size;
	}
	return (struct found){ 0, 0 };
}

/* The first header decides, unless an aligned one follows it: that may have
 * been resized since, so that the first is of no size that can be. */
static struct found find_at(struct search *search, uint64_t base)
{
	uint64_t stated = stated_size(search, base);
	uint64_t first = stated ? mapping_size(search, base, 0) : 0;
	struct found found, moved;

	if (!stated)
		return (struct found){ 0, 0 };
	found = find_aligned(search, base, stated);
	if (found.offset)
		return found;
	found.size = first;
	if (!is_blank(search, base))
		return found;
	moved = find_moved(search, base);
	return moved.size ? moved : found;
}

/* The end of what is known to be something else at ADDRESS; 0: nothing is. */
static uint64_t end_of_claim(struct search *search, uint64_t address)
{
	const struct mf_region *region =
		mf_space_region_at(search->space, address);

	if (!region || region->certainty < MF_BY_CONTENT)
		return 0;
	/* A heap that is read once more has its claims from the first time. */
	if (region->class == MF_CLASS_MMAP_CHUNK && !search->every_page)
		return 0;
	return region->end;
}

/* Chunks that lie side by side; in a search of every page also those behind
 * what is none. */
static void search_mapping(struct search *search,
			   const struct mf_mapping *mapping)
{
	uint64_t at = MF_MAX(mapping->start, search->done), end;
	struct found found;

	mf_window_restrict(&search->window, search->limit);
	while (at < mapping->end &&
	       !mf_glibc_copies_are_whole(search->copies)) {
		if (search->every_page)
			at = mf_window_skip_absent(&search->window, at);
		if (at >= mapping->end)
			return;
		end = end_of_claim(search, at);
		found = end ? (struct found){ 0, 0 } : find_at(search, at);
		if (found.size) {
			mf_glibc_copies_add(search->copies, at, found.size,
					    found.offset);
			search->done = at + found.size;
		} else if (!search->every_page) {
			return;
		}
		at = end	  ? end
		     : found.size ? at + found.size
				  : at + search->page_size;
	}
}

static void search_all(struct search *search)
{
	size_t count;
	const struct mf_mapping *mappings =
		mf_target_mappings(search->target, &count);

	search->limit = search->done = 0;
	for (size_t i = 0;
	     i < count && !mf_glibc_copies_are_whole(search->copies); i++) {
		if (!mf_glibc_is_from_mmap(&mappings[i]))
			continue;
		if (mappings[i].start >= search->limit)
			search->limit =
				mf_glibc_end_from_mmap(mappings, count, i);
		search_mapping(search, &mappings[i]);
	}
}

static void search_for(struct mf_glibc *glibc, bool is_new, bool every_page)
{
	struct mf_glibc_copies copies;
	struct search search = {
		.copies = &copies,
		.target = glibc->target,
		.space = glibc->context->space,
		.page_size = glibc->page_size,
		.padding = is_new ? NEW_PADDING : 0,
		.every_page = every_page,
		.effort = MOVED_EFFORT_MAX,
	};

	if (!mf_glibc_copies_gather(&copies, glibc->first_copy, is_new))
		return;
	if (every_page && mf_glibc_copies_are_whole(&copies)) {
		mf_glibc_copies_deinit(&copies);
		return;
	}
	mf_window_init(&search.window, glibc->target);
	search_all(&search);
	mf_window_deinit(&search.window);
	mf_glibc_copies_share(&copies, every_page);
	mf_glibc_copies_deinit(&copies);
}

/* The last of all copies looks for those of all. */
void mf_glibc_find_mmapped(struct mf_glibc *glibc, bool every_page)
{
	if (glibc->next_copy)
		return;
	for (struct mf_glibc *copy = glibc->first_copy; copy && !every_page;
	     copy = copy->next_copy)
		mf_glibc_forget_mmapped(copy);
	search_for(glibc, false, every_page);
	search_for(glibc, true, every_page);
}
