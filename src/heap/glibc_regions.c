/*
 * Regions of the main arena that come from mmap, because something was in the
 * way of the break, or it belongs to another copy of libc. There is no list of
 * them: each is a chain of chunks from a page's start to fenceposts at a page's
 * end, or to the top. They are sought until their sizes add up to system_mem;
 * where several copies have such regions, free chunks lead to the bins of their
 * own.
 */
#include "heap/glibc_regions.h"

enum {
	LIST_STEPS = 4096, /* along a list to its bin */
	LISTS_TRIED = 16,
};

/* How sure a region must be to be taken; tried in this order. */
enum round {
	ROUND_STARTS, /* of mappings, and behind regions of ours */
	ROUND_PAGES,  /* every page that nobody claimed */
	ROUND_GUESS,  /* of whose no chunk tells whose it is */
	ROUNDS,
};

struct search {
	struct mf_glibc *glibc;
	struct mf_window *window;
	uint64_t wanted, found;
	enum round round;
	bool several; /* copies with regions of this kind */
};

static bool is_candidate(const struct mf_mapping *mapping)
{
	const char *path = mapping->path;

	return mf_mapping_has_no_file(mapping) &&
	       (!*path || *path == '/' || strncmp(path, "[anon", 5) == 0) &&
	       (mapping->perms & (MF_PERM_READ | MF_PERM_WRITE)) ==
		       (MF_PERM_READ | MF_PERM_WRITE) &&
	       !(mapping->perms & MF_PERM_SHARED);
}

/* ---- whose it is ----------------------------------------------------------- */

enum belonging {
	BELONGS_UNKNOWN,
	BELONGS_TO_US,
	BELONGS_TO_OTHERS,
};

static bool is_bin_of(const struct mf_glibc *glibc, uint64_t link)
{
	uint64_t first = glibc->main_arena + glibc->layout->bins - 16;

	return link >= first && link - first < 16 * (uint64_t)MF_GLIBC_BINS;
}

static enum belonging owner_of_bin(const struct mf_glibc *glibc, uint64_t link)
{
	if (is_bin_of(glibc, link))
		return BELONGS_TO_US;
	for (const struct mf_glibc *copy = glibc->first_copy; copy;
	     copy = copy->next_copy)
		if (is_bin_of(copy, link))
			return BELONGS_TO_OTHERS;
	return BELONGS_UNKNOWN;
}

/* Where a list that goes through free chunks ends: at its bin. */
static enum belonging follow_list(struct mf_glibc *glibc, uint64_t link)
{
	for (unsigned i = 0; i < LIST_STEPS; i++) {
		enum belonging owner = owner_of_bin(glibc, link);

		if (owner != BELONGS_UNKNOWN)
			return owner;
		if (!link || link % MF_GRANULE ||
		    !mf_target_read_u64(glibc->target, link + 16, &link))
			return BELONGS_UNKNOWN;
	}
	return BELONGS_UNKNOWN;
}

/* The chain of [START, END) is known to hold. */
static enum belonging owner_of_region(const struct search *search,
				      uint64_t start, uint64_t end)
{
	uint64_t fd = 0, bk = 0;
	unsigned tried = 0;

	for (uint64_t at = start; at < end && tried < LISTS_TRIED;) {
		const uint8_t *bytes =
			mf_window_at(search->window, at, MF_GLIBC_CHUNK_MIN);
		uint64_t word, size;

		if (!bytes)
			return BELONGS_UNKNOWN;
		word = mf_load(uint64_t, bytes + 8);
		if (!(word & MF_GLIBC_PREV_INUSE)) {
			enum belonging owner = follow_list(search->glibc, fd);

			if (owner == BELONGS_UNKNOWN)
				owner = owner_of_bin(search->glibc, bk);
			if (owner != BELONGS_UNKNOWN)
				return owner;
			tried++;
		}
		bytes = mf_window_at(search->window, at, MF_GLIBC_CHUNK_MIN);
		size = word & ~(uint64_t)MF_GLIBC_CHUNK_FLAGS;
		if (!bytes || size < MF_GLIBC_CHUNK_MIN)
			return BELONGS_UNKNOWN;
		fd = mf_load(uint64_t, bytes + 16);
		bk = mf_load(uint64_t, bytes + 24);
		at += size;
	}
	return BELONGS_UNKNOWN;
}

static bool is_ours(const struct search *search, uint64_t start, uint64_t end)
{
	uint64_t top = search->glibc->arenas.items[0].top;

	if (!search->several || (top >= start && top < end))
		return true;
	switch (owner_of_region(search, start, end)) {
	case BELONGS_TO_US:
		return true;
	case BELONGS_TO_OTHERS:
		return false;
	default:
		return search->round == ROUND_GUESS &&
		       end - start <= search->wanted - search->found;
	}
}

/* ---- regions ----------------------------------------------------------------- */

/* The end of what is known to be something at ADDRESS; 0: nothing is. What is
 * ours from an earlier attempt is looked at anew. */
static uint64_t end_of_claim(struct mf_glibc *glibc, uint64_t address)
{
	const struct mf_region *region =
		mf_space_region_at(glibc->context->space, address);

	if (!region || region->certainty < MF_BY_CONTENT)
		return 0;
	if (strcmp(region->owner, glibc->owner) == 0 &&
	    strcmp(region->label, MF_GLIBC_MAIN_LABEL) == 0) {
		const struct mf_glibc_segment *ours = NULL;

		mf_vec_foreach(segment, &glibc->segments)
			if (address >= segment->memory_start &&
			    address < segment->end)
				ours = segment;
		return ours ? ours->end : 0;
	}
	return region->end;
}

/* One region at START, if a chain of chunks leads from there to the end of a
 * page; its end, or 0. */
static uint64_t try_region(struct search *search, uint64_t start)
{
	struct mf_glibc *glibc = search->glibc;
	const struct mf_glibc_arena *arena = &glibc->arenas.items[0];
	const uint8_t *bytes =
		mf_window_at(search->window, start, MF_GLIBC_CHUNK_HEADER);
	struct mf_glibc_segment *segment;
	uint64_t end, word;

	if (!bytes)
		return 0;
	word = mf_load(uint64_t, bytes + 8);
	if ((word & MF_GLIBC_CHUNK_FLAGS) != MF_GLIBC_PREV_INUSE ||
	    word < MF_GLIBC_CHUNK_MIN)
		return 0;
	if (!mf_glibc_is_chain(glibc, arena, search->window, start, 0, &end) ||
	    end % glibc->page_size || !is_ours(search, start, end))
		return 0;
	segment = mf_glibc_add_segment(glibc, 0, start, end);
	if (!segment)
		return 0;
	segment->start = start;
	segment->has_top =
		mf_glibc_walk_chunks(glibc, segment, search->window, start,
				     &end) == MF_GLIBC_STOP_TOP;
	mf_glibc_claim_main(glibc, segment, MF_CLASS_ARENA,
			    "chunks from a page's start to fenceposts or the "
			    "top");
	search->found += segment->end - start;
	return segment->end;
}

static void search_mapping(struct search *search,
			   const struct mf_mapping *mapping)
{
	uint64_t at = mapping->start;

	mf_window_restrict(search->window, mapping->end);
	while (at < mapping->end && search->found < search->wanted) {
		uint64_t end = end_of_claim(search->glibc, at);

		if (!end)
			end = try_region(search, at);
		if (!end && search->round == ROUND_STARTS)
			return;
		at = end ? end : at + search->glibc->page_size;
	}
}

static void search_all(struct search *search)
{
	size_t count;
	const struct mf_mapping *mappings =
		mf_target_mappings(search->glibc->target, &count);

	for (size_t i = 0; i < count && search->found < search->wanted; i++)
		if (is_candidate(&mappings[i]))
			search_mapping(search, &mappings[i]);
}

/* Whether other copies may have regions of this kind, too. */
static bool has_rivals(const struct mf_glibc *glibc)
{
	for (const struct mf_glibc *copy = glibc->first_copy; copy;
	     copy = copy->next_copy)
		if (copy != glibc && copy->used)
			return true;
	return false;
}

void mf_glibc_find_regions(struct mf_glibc *glibc, struct mf_window *window,
			   uint64_t *found)
{
	struct search search = {
		.glibc = glibc,
		.window = window,
		.wanted = glibc->arenas.items[0].system_mem,
		.found = *found,
		.several = has_rivals(glibc),
	};

	for (; search.round < ROUNDS && search.found < search.wanted;
	     search.round++)
		if (search.round != ROUND_GUESS || search.several)
			search_all(&search);
	*found = search.found;
}
