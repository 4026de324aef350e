/*
 * Regions of the main arena that come from mmap, because something was in the
 * way of the break, or it belongs to another copy of libc. There is no list of
 * them: each is a chain of chunks from a page's start to fenceposts at a page's
 * end, or to the top. They are sought until their sizes add up to system_mem;
 * where several copies have such regions, free chunks lead to the bins of their
 * own.
 */
#include "heap/glibc_regions.h"

#include <string.h>

#include "heap/glibc_memory.h"

enum {
	LIST_STEPS = 4096, /* along a list to its bin */
	LISTS_TRIED = 16,
	STEPS_MAX = 1 << 22, /* along all lists */
	OWNERS_MAX = 1 << 20,
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
	bool several;	/* copies with regions of this kind */
	unsigned steps; /* along lists, so far */
};

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

/* The copy that LINK is a bin of, by its main arena; 0: it is none. */
static uint64_t owner_of_bin(const struct mf_glibc *glibc, uint64_t link)
{
	for (const struct mf_glibc *copy = glibc->first_copy; copy;
	     copy = copy->next_copy)
		if (is_bin_of(copy, link))
			return copy->main_arena;
	return 0;
}

/* All that FIRST leads to, up to what is known already, is of OWNER. */
static void remember(struct mf_glibc *glibc, uint64_t first, unsigned steps,
		     uint64_t owner)
{
	struct mf_map *owners = &glibc->first_copy->owners;

	for (unsigned i = 0; i < steps && owners->count < OWNERS_MAX; i++)
		if (!mf_map_set(owners, first, owner) ||
		    !mf_target_read_u64(glibc->target, first + 16, &first))
			return;
}

/* Where a list that goes through free chunks ends: at its bin. */
static uint64_t follow_list(struct search *search, uint64_t first)
{
	struct mf_glibc *glibc = search->glibc;
	uint64_t link = first;

	for (unsigned i = 0; i < LIST_STEPS && search->steps < STEPS_MAX;
	     i++, search->steps++) {
		const uint64_t *known =
			mf_map_get(&glibc->first_copy->owners, link);
		uint64_t owner = known ? *known : owner_of_bin(glibc, link);

		if (owner) {
			remember(glibc, first, i, owner);
			return owner;
		}
		if (!link || link % MF_GRANULE ||
		    !mf_target_read_u64(glibc->target, link + 16, &link))
			return 0;
	}
	return 0;
}

struct sample {
	uint64_t fd[LISTS_TRIED];
	unsigned count;
};

/* The chain of [START, END) is known to hold. The first and the last of a list
 * say whose it is; of others some are kept in *REST. */
static uint64_t ask_chunks(const struct search *search, uint64_t start,
			   uint64_t end, struct sample *rest)
{
	uint64_t fd = 0, bk = 0;

	while (start < end) {
		const uint8_t *bytes =
			mf_window_at(search->window, start, MF_GLIBC_CHUNK_MIN);
		uint64_t word, size, owner;

		if (!bytes)
			return 0;
		word = mf_load(uint64_t, bytes + MF_GLIBC_SIZE_FIELD);
		if (!(word & MF_GLIBC_PREV_INUSE)) {
			owner = owner_of_bin(search->glibc, fd);
			if (!owner)
				owner = owner_of_bin(search->glibc, bk);
			if (owner)
				return owner;
			if (rest->count < LISTS_TRIED)
				rest->fd[rest->count++] = fd;
		}
		size = word & ~(uint64_t)MF_GLIBC_CHUNK_FLAGS;
		/* it held, but may have changed since */
		if (size < MF_GLIBC_CHUNK_MIN || size > end - start)
			return 0;
		fd = mf_load(uint64_t, bytes + 16);
		bk = mf_load(uint64_t, bytes + 24);
		start += size;
	}
	return 0;
}

static enum belonging owner_of_region(struct search *search, uint64_t start,
				      uint64_t end)
{
	struct sample rest = { .count = 0 };
	uint64_t owner = ask_chunks(search, start, end, &rest);

	for (unsigned i = 0; i < rest.count && !owner; i++)
		owner = follow_list(search, rest.fd[i]);
	if (!owner)
		return BELONGS_UNKNOWN;
	return owner == search->glibc->main_arena ? BELONGS_TO_US
						  : BELONGS_TO_OTHERS;
}

static enum belonging belonging_of(struct search *search, uint64_t start,
				   uint64_t end)
{
	uint64_t top = search->glibc->arenas.items[0].top;
	enum belonging owner;

	if (!search->several || (top >= start && top < end))
		return BELONGS_TO_US;
	owner = owner_of_region(search, start, end);
	if (owner == BELONGS_UNKNOWN && search->round == ROUND_GUESS &&
	    end - start <= search->wanted - search->found)
		return BELONGS_TO_US;
	return owner;
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

/* The first chunk of a region has none before it. Of a mapping's start only one
 * page is read; a search of every page goes through windows. */
static bool may_begin(struct search *search, uint64_t start)
{
	const uint8_t *bytes;
	uint64_t word;

	if (search->round == ROUND_STARTS) {
		if (!mf_target_read_u64(search->glibc->target,
					start + MF_GLIBC_SIZE_FIELD, &word))
			return false;
	} else {
		bytes = mf_window_at(search->window, start,
				     MF_GLIBC_CHUNK_HEADER);
		if (!bytes)
			return false;
		word = mf_load(uint64_t, bytes + MF_GLIBC_SIZE_FIELD);
	}
	return (word & MF_GLIBC_CHUNK_FLAGS) == MF_GLIBC_PREV_INUSE &&
	       word >= MF_GLIBC_CHUNK_MIN;
}

static bool add_region(struct search *search, uint64_t start, uint64_t end)
{
	struct mf_glibc *glibc = search->glibc;
	struct mf_glibc_segment *segment =
		mf_glibc_add_segment(glibc, 0, start, end);

	if (!segment)
		return false;
	segment->start = start;
	segment->has_top =
		mf_glibc_walk_chunks(glibc, segment, search->window, start,
				     &end) == MF_GLIBC_STOP_TOP;
	mf_glibc_claim_main(glibc, segment, MF_CLASS_ARENA,
			    "chunks from a page's start to fenceposts or the "
			    "top");
	search->found += segment->end - start;
	return true;
}

/* One region at START, if a chain of chunks leads from there to the end of a
 * page; its end, if it is known whose it is, or 0. */
static uint64_t try_region(struct search *search, uint64_t start)
{
	struct mf_glibc *glibc = search->glibc;
	const struct mf_glibc_arena *arena = &glibc->arenas.items[0];
	enum belonging owner;
	uint64_t end;

	if (!may_begin(search, start) ||
	    !mf_glibc_is_chain(glibc, arena, search->window, start, 0, &end) ||
	    end % glibc->page_size)
		return 0;
	owner = belonging_of(search, start, end);
	if (owner == BELONGS_UNKNOWN ||
	    (owner == BELONGS_TO_US && !add_region(search, start, end)))
		return 0;
	return end;
}

/* What begins in MAPPING and ends before LIMIT. */
static void search_mapping(struct search *search,
			   const struct mf_mapping *mapping, uint64_t limit)
{
	uint64_t at = mapping->start;

	mf_window_restrict(search->window, limit);
	while (at < mapping->end && search->found < search->wanted) {
		uint64_t end;

		if (search->round != ROUND_STARTS)
			at = mf_window_skip_absent(search->window, at);
		if (at >= mapping->end)
			return;
		end = end_of_claim(search->glibc, at);
		if (!end)
			end = try_region(search, at);
		if (!end && search->round == ROUND_STARTS)
			return;
		at = end ? end : at + search->glibc->page_size;
	}
}

static void search_all(struct search *search)
{
	uint64_t limit = 0;
	size_t count;
	const struct mf_mapping *mappings =
		mf_target_mappings(search->glibc->target, &count);

	for (size_t i = 0; i < count && search->found < search->wanted; i++) {
		if (!mf_glibc_is_from_mmap(&mappings[i]))
			continue;
		if (mappings[i].start >= limit)
			limit = mf_glibc_end_from_mmap(mappings, count, i);
		search_mapping(search, &mappings[i], limit);
	}
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

	if (glibc == glibc->first_copy)
		mf_map_deinit(&glibc->owners);
	for (; search.round < ROUNDS && search.found < search.wanted;
	     search.round++)
		if (search.round != ROUND_GUESS || search.several)
			search_all(&search);
	*found = search.found;
}
