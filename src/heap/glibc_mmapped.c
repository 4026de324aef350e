/*
 * Chunks with mappings of their own. No list of them exists: the header that
 * malloc wrote at the start of each mapping is sought, until their number and
 * bytes are those that mp_ counts.
 */
#include <stdlib.h>

#include "heap/glibc.h"

enum {
	NEW_PADDING = 16, /* 2.43: the size field leaves 16 bytes out */
};

struct search {
	struct mf_glibc *glibc;
	struct mf_window window;
	uint64_t limit; /* end of the mapping that is searched */
	bool every_page;
	uint64_t padding;
	uint64_t count_wanted, bytes_wanted;
};

static bool is_candidate(const struct mf_mapping *mapping)
{
	return !mapping->inode && !mapping->path[0] &&
	       (mapping->perms & (MF_PERM_READ | MF_PERM_WRITE)) ==
		       (MF_PERM_READ | MF_PERM_WRITE) &&
	       !(mapping->perms & MF_PERM_SHARED);
}

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
	if (search->every_page && address % search->glibc->page_size == 0)
		bytes = mf_window_at(&search->window, address, sizeof(copy));
	else if (!mf_target_try_read(search->glibc->target, address, copy,
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
	if (total % search->glibc->page_size || total < offset + 32 ||
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

/* The first header decides, unless an aligned one follows it. */
static struct found find_at(struct search *search, uint64_t base)
{
	uint64_t first = mapping_size(search, base, 0);

	return first ? find_aligned(search, base, first)
		     : (struct found){ 0, 0 };
}

static bool is_done(const struct search *search)
{
	return search->glibc->mmapped.count >= search->count_wanted;
}

static void add(struct search *search, uint64_t base, struct found found)
{
	uint64_t size = found.size;
	struct mf_glibc *glibc = search->glibc;
	struct mf_page_counts pages = { 0 };
	struct mf_error *error =
		mf_target_count_pages(glibc->target, base, base + size, &pages);

	mf_error_destroy(error);
	glibc->mmapped.count++;
	glibc->mmapped.bytes += size;
	glibc->mmapped_resident += pages.present * glibc->page_size;
	mf_vec_push(&glibc->mmapped_chunks,
		    (struct mf_glibc_chunk){
			    .address = base + found.offset,
			    .size = size - found.offset,
			    .kind = MF_KIND_MMAPPED,
		    });
	mf_space_claim(glibc->context->space,
		       &(struct mf_claim){
			       .start = base,
			       .end = base + size,
			       .class = MF_CLASS_MMAP_CHUNK,
			       .certainty = MF_BY_STRUCTURE,
			       .label = "mmapped chunk",
			       .owner = glibc->owner,
			       .proof = "malloc's header, counted by mp_",
		       });
}

/* The end of what is known to be something at ADDRESS; 0: nothing is. */
static uint64_t end_of_claim(struct search *search, uint64_t address)
{
	const struct mf_region *region =
		mf_space_region_at(search->glibc->context->space, address);

	return region && region->certainty >= MF_BY_CONTENT ? region->end : 0;
}

/* Chunks that lie side by side; in a search of every page also those behind
 * what is none. */
static void search_mapping(struct search *search,
			   const struct mf_mapping *mapping)
{
	uint64_t at = mapping->start, end;
	struct found found;

	search->limit = mapping->end;
	mf_window_restrict(&search->window, mapping->end);
	while (at < mapping->end && !is_done(search)) {
		end = end_of_claim(search, at);
		found = end ? (struct found){ 0, 0 } : find_at(search, at);
		if (found.size)
			add(search, at, found);
		else if (!search->every_page)
			return;
		at = end	  ? end
		     : found.size ? at + found.size
				  : at + search->glibc->page_size;
	}
}

static void search_all(struct search *search)
{
	size_t count;
	const struct mf_mapping *mappings =
		mf_target_mappings(search->glibc->target, &count);

	for (size_t i = 0; i < count && !is_done(search); i++)
		if (is_candidate(&mappings[i]))
			search_mapping(search, &mappings[i]);
}

struct mf_error *mf_glibc_find_mmapped(struct mf_glibc *glibc)
{
	const struct mf_glibc_parameters *parameters = &glibc->parameters;
	struct search search = {
		.glibc = glibc,
		.padding = glibc->layout->fastbins == MF_GLIBC_ABSENT
				   ? NEW_PADDING
				   : 0,
		.count_wanted = parameters->n_mmaps,
		.bytes_wanted = parameters->mmapped_mem,
	};

	if (parameters->n_mmaps == UINT64_MAX || !parameters->n_mmaps)
		return NULL;
	mf_window_init(&search.window, glibc->target);
	search_all(&search);
	search.every_page = true;
	if (!is_done(&search))
		search_all(&search);
	mf_window_deinit(&search.window);
	if (glibc->mmapped.count != search.count_wanted ||
	    glibc->mmapped.bytes != search.bytes_wanted)
		mf_target_note_partial(
			glibc->target, "glibc mmapped chunks",
			"found %llu of %llu bytes, mp_ counts %llu of %llu",
			(unsigned long long)glibc->mmapped.count,
			(unsigned long long)glibc->mmapped.bytes,
			(unsigned long long)search.count_wanted,
			(unsigned long long)search.bytes_wanted);
	return NULL;
}
