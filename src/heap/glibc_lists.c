/*
 * Follows fast bins and unsorted lists through the links that the walk kept,
 * and marks their members; needs the target no more.
 */
#include "heap/glibc.h"

enum {
	VOTES = 64, /* list members looked at to learn if links are mangled */
	FIRST_MANGLED = 232,
};

/* ---- mangling ---------------------------------------------------------- */

struct votes {
	unsigned plain, mangled;
};

static bool is_chunk_of(struct mf_glibc *glibc, uint64_t chunk, uint64_t size)
{
	uint64_t word;

	return chunk && chunk % MF_GRANULE == 0 && chunk < glibc->user_end &&
	       mf_target_read_u64(glibc->target, chunk + 8, &word) &&
	       (word & ~(uint64_t)MF_GLIBC_CHUNK_FLAGS) == size;
}

/* CHUNK's link at its user address leads to HEADER bytes before a user one. */
static void vote(struct mf_glibc *glibc, uint64_t chunk, uint64_t to_header,
		 struct votes *votes)
{
	uint64_t place = chunk + MF_GLIBC_CHUNK_HEADER;
	uint64_t size, link, revealed;

	if (!mf_target_read_u64(glibc->target, chunk + 8, &size) ||
	    !mf_target_read_u64(glibc->target, place, &link))
		return;
	size &= ~(uint64_t)MF_GLIBC_CHUNK_FLAGS;
	revealed = place >> 12 ^ link;
	if (!link || is_chunk_of(glibc, link - to_header, size))
		votes->plain++;
	if (!revealed || is_chunk_of(glibc, revealed - to_header, size))
		votes->mangled++;
}

static void vote_fastbins(struct mf_glibc *glibc, struct votes *votes)
{
	mf_vec_foreach(arena, &glibc->arenas)
		for (unsigned i = 0; i < MF_GLIBC_FASTBINS; i++)
			if (arena->fastbins[i] &&
			    votes->plain + votes->mangled < VOTES)
				vote(glibc, arena->fastbins[i], 0, votes);
}

static void vote_tcache(struct mf_glibc *glibc,
			const struct mf_glibc_tcache *tcache,
			struct votes *votes)
{
	for (unsigned i = 0; i < MF_GLIBC_TCACHE_BINS_MAX; i++)
		if (tcache->entries[i] && votes->plain + votes->mangled < VOTES)
			vote(glibc, tcache->entries[i] - MF_GLIBC_CHUNK_HEADER,
			     MF_GLIBC_CHUNK_HEADER, votes);
}

static void vote_chunk(struct mf_glibc *glibc, uint64_t chunk,
		       struct votes *votes)
{
	struct mf_glibc_tcache tcache;

	if (mf_glibc_look_at_tcache(glibc, chunk + MF_GLIBC_CHUNK_HEADER, 0,
				    &tcache) == MF_TCACHE_FILLED)
		vote_tcache(glibc, &tcache, votes);
}

/* Before all else a thread's first malloc makes its cache: where no thread led
 * to one, the first chunks are looked at (to 2.42; later ones all mangle). */
static void vote_first_chunks(struct mf_glibc *glibc, struct votes *votes)
{
	uint64_t base = glibc->parameters.sbrk_base;

	if (base != UINT64_MAX)
		vote_chunk(glibc,
			   (base + MF_GRANULE - 1) / MF_GRANULE * MF_GRANULE,
			   votes);
	mf_vec_foreach(segment, &glibc->segments)
		if (votes->plain == votes->mangled)
			vote_chunk(glibc, segment->start, votes);
}

/* No list tells: what goes with the structures that are there. */
static bool must_mangle(const struct mf_glibc *glibc)
{
	const struct mf_glibc_parameters_layout *row = glibc->parameters_layout;

	if (glibc->version)
		return glibc->version >= FIRST_MANGLED;
	if (glibc->layout->last && glibc->layout->last < FIRST_MANGLED)
		return false;
	return glibc->layout->first >= FIRST_MANGLED ||
	       (row && row->first >= FIRST_MANGLED) ||
	       glibc->heap_header_size == 0x30;
}

void mf_glibc_detect_mangling(struct mf_glibc *glibc)
{
	struct votes votes = { 0, 0 };

	vote_fastbins(glibc, &votes);
	mf_vec_foreach(tcache, &glibc->tcaches)
		vote_tcache(glibc, tcache, &votes);
	if (votes.plain == votes.mangled)
		vote_first_chunks(glibc, &votes);
	glibc->links_seen = votes.plain != votes.mangled;
	if (glibc->links_seen)
		glibc->mangled_links = votes.mangled > votes.plain;
	else
		glibc->mangled_links = must_mangle(glibc);
}

/* ---- following lists ------------------------------------------------------ */

struct mf_link *mf_glibc_link_at(struct mf_glibc *glibc, uint64_t chunk)
{
	struct mf_glibc_segment *segment = mf_glibc_segment_at(glibc, chunk);

	return segment ? mf_link_table_find(&segment->links, chunk) : NULL;
}

static void resolve_fastbin(struct mf_glibc *glibc,
			    struct mf_glibc_arena *arena, unsigned bin)
{
	const struct mf_glibc_list list = {
		.size = MF_GLIBC_CHUNK_MIN + (uint64_t)bin * MF_GRANULE,
	};
	uint64_t chunk = arena->fastbins[bin], from = 0;

	while (chunk) {
		struct mf_link *link = mf_glibc_link_at(glibc, chunk);

		if (!link || link->free ||
		    link->granules != list.size / MF_GRANULE ||
		    link->mark != MF_LINK_NONE) {
			mf_glibc_blame_member(glibc, arena, &list, chunk, from);
			arena->changed = true;
			break;
		}
		link->mark = MF_LINK_FAST;
		from = chunk;
		chunk = mf_link_next(link);
	}
}

/* Where the bins were proved, the culprit is named already; what was not found
 * proves nothing. */
static void blame_unsorted(struct mf_glibc *glibc, struct mf_glibc_arena *arena,
			   uint64_t chunk)
{
	bool missing = arena->incomplete && !mf_glibc_segment_at(glibc, chunk);

	if (!arena->damage_count && !missing)
		mf_glibc_note_damage(glibc, arena, MF_DAMAGE_BIN_ENTRY, chunk,
				     "the unsorted list leads to what is no "
				     "free chunk");
	arena->changed = true;
}

/* The list ends at its own head, which lies outside of all segments (or, in
 * non-main arenas, before the first chunk). */
static void resolve_unsorted(struct mf_glibc *glibc,
			     struct mf_glibc_arena *arena)
{
	uint64_t head = arena->address + glibc->layout->bins - 16;
	uint64_t chunk = arena->bins[0][0];

	while (chunk && chunk != head) {
		struct mf_link *link = mf_glibc_link_at(glibc, chunk);

		if (!link || !link->free || link->mark != MF_LINK_NONE) {
			blame_unsorted(glibc, arena, chunk);
			return;
		}
		link->mark = MF_LINK_UNSORTED;
		chunk = mf_link_next(link);
	}
}

/* Fast bins lead to chunks, tcaches to their user addresses. A link to what the
 * walk saw in use may be either; small ones then count as in a fast bin. */
static enum mf_link_mark mark_by_link(struct mf_glibc *glibc,
				      const struct mf_link *link)
{
	uint64_t next = mf_link_next(link);
	bool small = link->granules && link->granules < MF_GLIBC_FASTBINS;

	if (next && !mf_glibc_segment_at(glibc, next))
		return MF_LINK_NONE;
	if (!small || (next && !mf_glibc_link_at(glibc, next) &&
		       mf_glibc_link_at(glibc, next - MF_GLIBC_CHUNK_HEADER)))
		return MF_LINK_TCACHE;
	return glibc->layout->fastbins == MF_GLIBC_ABSENT ? MF_LINK_TCACHE
							  : MF_LINK_FAST;
}

/* Of an arena whose lists moved on while it was read: each chunk whose own
 * link, mangled with its own address, is one. */
static void mark_by_links(struct mf_glibc *glibc,
			  struct mf_glibc_segment *segment)
{
	mf_vec_foreach(link, &segment->links.links)
		if (!link->free && link->mark == MF_LINK_NONE)
			link->mark = mark_by_link(glibc, link);
}

void mf_glibc_resolve_lists(struct mf_glibc *glibc)
{
	mf_vec_foreach(arena, &glibc->arenas) {
		if (!arena->system_mem)
			continue;
		for (unsigned i = 0; i < MF_GLIBC_FASTBINS; i++)
			resolve_fastbin(glibc, arena, i);
		resolve_unsorted(glibc, arena);
	}
	mf_glibc_resolve_tcaches(glibc);
	if (!glibc->ran || !glibc->mangled_links)
		return;
	mf_vec_foreach(segment, &glibc->segments)
		if (glibc->arenas.items[segment->arena].changed)
			mark_by_links(glibc, segment);
}
