/*
 * Walks the chunks of a segment in address order. A chunk's state is said by
 * its successor's PREV_INUSE bit, so each chunk waits for the next header. Fast
 * bin and tcache chunks look in use here; their links are kept, and tell later.
 */
#include "heap/glibc.h"

enum {
	EFFORT_MAX = 128 << 20, /* headers looked at to find chains, in all */
	LINK_SIZE_MAX = 0x410,	/* of default tcaches; fast bins: 0xb0 */
	CHUNK_FIELDS = 32,	/* prev_size, size, fd, bk */
	FETCH_BYTES = 1024, /* so far ahead: another processor may have it */
	LARGE_MIN = 1024,   /* from here on fd_nextsize, bk_nextsize too */
	OLD_TOP = 32,	    /* of a heap, without what fences it off */
};

/* A chunk whose state its successor will say. */
struct pending {
	uint64_t address, size, fd, bk, fd_nextsize, bk_nextsize;
};

struct walker {
	struct mf_glibc *glibc;
	struct mf_glibc_segment *segment;
	struct mf_glibc_arena *arena;
	struct mf_window *window;
	struct pending pending; /* address 0: none */
	uint64_t limit, link_size_max, user_end;
	uint64_t free_end;	/* of the last free chunk */
	unsigned foreign_flags; /* that no chunk of this arena has */
	bool keep_free_links;
	bool still;
};

/* ---- chunk headers ----------------------------------------------------- */

struct header {
	uint64_t address, previous_size, size, fd, bk;
	unsigned flags;
};

/* The last chunk of a segment is a fencepost of 16 bytes. */
static bool read_header(struct mf_window *window, uint64_t address,
			struct header *ret)
{
	const uint8_t *bytes = mf_window_at(window, address, CHUNK_FIELDS);
	uint64_t word;

	ret->fd = ret->bk = 0;
	if (MF_LIKELY(bytes != NULL)) {
		__builtin_prefetch(bytes + FETCH_BYTES);
		ret->fd = mf_load(uint64_t, bytes + 16);
		ret->bk = mf_load(uint64_t, bytes + 24);
	} else {
		bytes = mf_window_at(window, address, MF_GLIBC_CHUNK_HEADER);
		if (!bytes)
			return false;
	}
	word = mf_load(uint64_t, bytes + 8);
	ret->address = address;
	ret->previous_size = mf_load(uint64_t, bytes);
	ret->size = word & ~(uint64_t)MF_GLIBC_CHUNK_FLAGS;
	ret->flags = word & MF_GLIBC_CHUNK_FLAGS;
	return true;
}

static bool is_sane(const struct header *header, uint64_t limit)
{
	return header->size >= MF_GLIBC_CHUNK_MIN &&
	       header->size % MF_GRANULE == 0 &&
	       header->size <= limit - header->address &&
	       !(header->flags & MF_GLIBC_IS_MMAPPED);
}

/*
 * The main arena's fenceposts: headers of 16 bytes that end at a page's end,
 * two of them, or three when the old top had 48 bytes. A header's own bytes, 0:
 * this is none.
 */
static uint64_t main_fence_size(struct mf_glibc *glibc,
				struct mf_window *window,
				const struct header *header)
{
	uint64_t at = header->address + MF_GRANULE;
	struct header next;

	if (header->size != MF_GRANULE)
		return 0;
	while (at % glibc->page_size) {
		if (!read_header(window, at, &next) || next.size != MF_GRANULE)
			return 0;
		at += MF_GRANULE;
		if (at - header->address > (uint64_t)3 * MF_GRANULE)
			return 0;
	}
	return at - header->address;
}

/*
 * An old top of 48 bytes, which was too small to be freed: it has the one of 0
 * behind it and, as no chunk of such a heap, no NON_MAIN_ARENA.
 */
static bool is_old_top(struct mf_window *window, const struct header *header)
{
	struct header next;

	return header->size == OLD_TOP &&
	       header->flags == MF_GLIBC_PREV_INUSE &&
	       window->limit - header->address == OLD_TOP + MF_GRANULE &&
	       read_header(window, header->address + OLD_TOP, &next) &&
	       next.size == 0;
}

/*
 * In a heap they are its last bytes: a header of 16 and one of 0, or, when the
 * old top was too small for both, a lone one of 0.
 */
static uint64_t heap_fence_size(struct mf_window *window,
				const struct header *header)
{
	uint64_t left = window->limit - header->address;
	struct header next;

	if (header->size == OLD_TOP)
		return is_old_top(window, header) ? left : 0;
	if (header->size == 0)
		return left == MF_GRANULE ? left : 0;
	if (header->size != MF_GRANULE || left != (uint64_t)2 * MF_GRANULE ||
	    !read_header(window, header->address + MF_GRANULE, &next) ||
	    next.size != 0)
		return 0;
	return left;
}

static uint64_t fence_size(struct mf_glibc *glibc,
			   const struct mf_glibc_arena *arena,
			   struct mf_window *window,
			   const struct header *header)
{
	return arena->main ? main_fence_size(glibc, window, header)
			   : heap_fence_size(window, header);
}

/* ---- committing chunks ---------------------------------------------------- */

static void keep_link(struct walker *walker, const struct pending *chunk)
{
	uint64_t next = mf_glibc_reveal(walker->glibc,
					chunk->address + MF_GLIBC_CHUNK_HEADER,
					chunk->fd);

	if (next % MF_GRANULE == 0 && next < walker->user_end)
		mf_link_table_add(&walker->segment->links, chunk->address, next,
				  chunk->size, false);
}

static void sum_up(struct mf_glibc_arena *arena, const struct pending *chunk)
{
	struct mf_glibc_bin_sums *sums =
		&arena->sums[mf_glibc_bin_index(chunk->size)];
	uint64_t hash = mf_hash64(chunk->address);

	sums->nodes += hash;
	sums->fds += mf_hash64(chunk->fd);
	sums->bks += mf_hash64(chunk->bk);
	if (!chunk->fd_nextsize)
		return;
	arena->ring.nodes += hash;
	arena->ring.fds += mf_hash64(chunk->fd_nextsize);
	arena->ring.bks += mf_hash64(chunk->bk_nextsize);
}

static void commit_free(struct walker *walker, const struct pending *chunk)
{
	if (MF_UNLIKELY(walker->free_end == chunk->address))
		mf_glibc_note_damage(walker->glibc, walker->arena,
				     MF_DAMAGE_NEIGHBOURS, chunk->address,
				     "free, and so is the chunk before it: "
				     "malloc would have merged them");
	walker->free_end = chunk->address + chunk->size;
	sum_up(walker->arena, chunk);
	if (walker->keep_free_links)
		mf_link_table_add(&walker->segment->links, chunk->address,
				  chunk->fd % MF_GRANULE ||
						  chunk->fd >= walker->user_end
					  ? 0
					  : chunk->fd,
				  chunk->size, true);
	mf_chunk_log_add(&walker->segment->log, chunk->size, MF_CHUNK_FREE);
}

static bool leads_to(struct mf_glibc *glibc, uint64_t place, uint64_t chunk)
{
	uint64_t link;

	return mf_target_read_u64(glibc->target, place, &link) && link == chunk;
}

/* In a bin: its neighbours there know it. */
static bool is_listed(struct mf_glibc *glibc, const struct pending *chunk)
{
	return leads_to(glibc, chunk->fd + 24, chunk->address) &&
	       leads_to(glibc, chunk->bk + 16, chunk->address);
}

/*
 * HEADER says that CHUNK, before it, is free, but not of which size: one of
 * both is wrong. False: CHUNK is not free at all.
 */
static bool settle_footer(struct walker *walker, const struct pending *chunk,
			  const struct header *header)
{
	struct mf_glibc *glibc = walker->glibc;
	unsigned long long size = chunk->size, other = header->previous_size;

	if (walker->still && !is_listed(glibc, chunk)) {
		mf_glibc_note_damage(glibc, walker->arena, MF_DAMAGE_PREV_INUSE,
				     header->address,
				     "PREV_INUSE is clear, but the chunk of "
				     "%llu bytes before it is in no bin",
				     size);
		return false;
	}
	mf_glibc_note_damage(glibc, walker->arena, MF_DAMAGE_PREV_SIZE,
			     header->address,
			     "prev_size is %llu (0x%llx), but the free chunk "
			     "before it has %llu",
			     other, other, size);
	return true;
}

static void note_flags(struct walker *walker, const struct header *header)
{
	mf_glibc_note_damage(
		walker->glibc, walker->arena, MF_DAMAGE_FLAGS, header->address,
		"size field 0x%llx: NON_MAIN_ARENA in the main "
		"arena",
		(unsigned long long)(header->size | header->flags));
}

/* The pending chunk, now that its successor's HEADER is known (NULL: it is
 * not). */
static void commit(struct walker *walker, const struct header *header)
{
	struct pending chunk = walker->pending;

	walker->pending.address = 0;
	if (!chunk.address)
		return;
	if (!header) {
		mf_chunk_log_add(&walker->segment->log, chunk.size,
				 MF_CHUNK_UNREAD);
		return;
	}
	if (!(header->flags & MF_GLIBC_PREV_INUSE) &&
	    (header->previous_size == chunk.size ||
	     settle_footer(walker, &chunk, header))) {
		commit_free(walker, &chunk);
		return;
	}
	if (chunk.size <= walker->link_size_max)
		keep_link(walker, &chunk);
	mf_chunk_log_add(&walker->segment->log, chunk.size, MF_CHUNK_IN_USE);
}

/* Large chunks of each size are linked once more; 0 in all others. */
static void read_ring(struct walker *walker)
{
	struct pending *chunk = &walker->pending;
	const uint8_t *bytes =
		mf_window_at(walker->window, chunk->address + CHUNK_FIELDS, 16);

	if (!bytes)
		return;
	chunk->fd_nextsize = mf_load(uint64_t, bytes);
	chunk->bk_nextsize = mf_load(uint64_t, bytes + 8);
}

static void hold(struct walker *walker, const struct header *header)
{
	const struct mf_glibc_tcache_shape *shape =
		mf_glibc_tcache_shape(walker->glibc, header->size);

	walker->pending = (struct pending){
		.address = header->address,
		.size = header->size,
		.fd = header->fd,
		.bk = header->bk,
	};
	if (header->size >= LARGE_MIN)
		read_ring(walker);
	if (MF_UNLIKELY(header->flags & walker->foreign_flags))
		note_flags(walker, header);
	if (shape) {
		const uint8_t *user = mf_window_at(
			walker->window, header->address + MF_GLIBC_CHUNK_HEADER,
			(uint32_t)header->size - MF_GLIBC_SIZE_FIELD);

		if (user)
			mf_glibc_consider_tcache(walker->glibc, header->address,
						 user, header->size);
	}
}

/* ---- chains and resynchronisation --------------------------------------------- */

/* Memory that looks like chunks everywhere must not hold us up for ever. */
static bool has_effort_left(struct mf_glibc *glibc)
{
	return ++glibc->effort < EFFORT_MAX;
}

static bool follow_chain(struct mf_glibc *glibc,
			 const struct mf_glibc_arena *arena,
			 struct mf_window *window, uint64_t address,
			 unsigned enough, uint64_t *end)
{
	uint64_t limit = window->limit;
	uint64_t previous = 0;
	struct header header;

	for (unsigned count = 0; !enough || count < enough; count++) {
		uint64_t fence;

		if (!has_effort_left(glibc))
			return false;
		if (!read_header(window, address, &header))
			return false;
		if (previous && !(header.flags & MF_GLIBC_PREV_INUSE) &&
		    header.previous_size != previous)
			return false;
		if (address == arena->top && is_sane(&header, limit)) {
			*end = address + header.size;
			return true;
		}
		/* One that is sought may end in a top that is damaged too. */
		if (address == arena->top && count && enough) {
			*end = limit;
			return true;
		}
		fence = count ? fence_size(glibc, arena, window, &header) : 0;
		if (fence) {
			*end = address + fence;
			return true;
		}
		if (!is_sane(&header, limit))
			return false;
		previous = header.size;
		address += header.size;
	}
	*end = address;
	return true;
}

bool mf_glibc_is_chain(struct mf_glibc *glibc,
		       const struct mf_glibc_arena *arena,
		       struct mf_window *window, uint64_t address,
		       unsigned enough, uint64_t *end)
{
	uint64_t spent = window->spent;
	bool found = follow_chain(glibc, arena, window, address, enough, end);

	glibc->effort += window->spent - spent;
	return found;
}

/* A chain that begins at ADDRESS comes by ANCHOR, if it gets so far. */
static bool passes(struct walker *walker, uint64_t address, uint64_t anchor)
{
	struct header header;

	for (unsigned i = 0; i <= MF_GLIBC_RESYNC_CHUNKS && address < anchor;
	     i++) {
		if (!has_effort_left(walker->glibc) ||
		    !read_header(walker->window, address, &header) ||
		    !is_sane(&header, walker->limit))
			return false;
		address += header.size;
	}
	return address <= anchor;
}

/* The next address at which a chain of chunks begins; 0: none. */
static uint64_t resynchronise(struct walker *walker, uint64_t from)
{
	uint64_t anchor = mf_glibc_find_anchor(walker->glibc, walker->arena,
					       walker->window, from,
					       walker->limit),
		 end;

	for (uint64_t at = from; at < walker->limit; at += MF_GRANULE) {
		if (at == anchor || !has_effort_left(walker->glibc))
			return anchor;
		if (!mf_window_at(walker->window, at, MF_GLIBC_CHUNK_HEADER)) {
			uint32_t page = walker->glibc->page_size;

			/* the loop adds one granule */
			at = (at | (page - 1)) + 1;
			if (anchor && at > anchor)
				return anchor;
			at -= MF_GRANULE;
			continue;
		}
		if (mf_glibc_is_chain(walker->glibc, walker->arena,
				      walker->window, at,
				      MF_GLIBC_RESYNC_CHUNKS, &end) &&
		    (!anchor || passes(walker, at, anchor)))
			return at;
	}
	return anchor;
}

/* A chunk that a list knows lies inside of the pending one: that one's size is
 * what is wrong. */
static bool step_back(struct walker *walker, uint64_t *address)
{
	struct pending *chunk = &walker->pending;
	uint64_t inside = 0;

	if (chunk->address)
		inside = mf_glibc_find_anchor(
			walker->glibc, walker->arena, walker->window,
			chunk->address + MF_GLIBC_CHUNK_MIN, *address);
	if (!inside)
		return false;
	mf_glibc_note_damage(
		walker->glibc, walker->arena, MF_DAMAGE_SIZE, chunk->address,
		"its size, %llu, leads over the chunk at 0x%llx "
		"to none",
		(unsigned long long)chunk->size, (unsigned long long)inside);
	chunk->size = inside - chunk->address;
	*address = inside;
	return true;
}

static struct mf_glibc_damage *note_header(struct walker *walker,
					   const struct header *header)
{
	unsigned long long word = header->size | header->flags;

	if (!walker->arena->main &&
	    walker->limit - header->address <= (uint64_t)2 * MF_GRANULE)
		return mf_glibc_note_damage(walker->glibc, walker->arena,
					    MF_DAMAGE_FENCE, header->address,
					    "0x%llx where the heap should end "
					    "with fenceposts",
					    word);
	return mf_glibc_note_damage(walker->glibc, walker->arena,
				    MF_DAMAGE_SIZE, header->address,
				    "size field 0x%llx makes no sense", word);
}

/* Goes over what cannot be read or makes no sense; false: to the end. */
static bool skip_damage(struct walker *walker, uint64_t *address,
			const struct header *header)
{
	struct mf_glibc_damage *damage = NULL;
	uint64_t next, lost;

	if (header && step_back(walker, address))
		return true;
	commit(walker,
	       header && header->flags & MF_GLIBC_PREV_INUSE ? header : NULL);
	next = resynchronise(walker, *address + MF_GRANULE);
	lost = (next ? next : walker->limit) - *address;
	walker->glibc->lost_bytes += lost;
	if (header)
		damage = note_header(walker, header);
	else
		mf_target_note_partial(walker->glibc->target, "glibc chunks",
				       "some are in swapped or unreadable "
				       "pages and were not read");
	if (damage)
		damage->lost = lost;
	mf_chunk_log_add(&walker->segment->log, lost, MF_CHUNK_UNREAD);
	*address = next ? next : walker->limit;
	return next != 0;
}

/* ---- the top ----------------------------------------------------------- */

/* Where the arena's own figures say that top ends; 0: they do not. */
static uint64_t end_of_top(const struct walker *walker)
{
	const struct mf_glibc_segment *segment = walker->segment;
	const struct mf_glibc_arena *arena = walker->arena;
	uint64_t end = segment->base + arena->system_mem;

	if (!arena->main)
		return segment->end;
	if (arena->flags & MF_GLIBC_NONCONTIGUOUS || arena->lies)
		return 0;
	return end % walker->glibc->page_size ? 0 : end;
}

/* Takes the top, by its own size or, where that is damaged, up to where its
 * memory ends. */
static enum mf_glibc_stop take_top(struct walker *walker, uint64_t *address,
				   const struct header *header)
{
	unsigned long long word = header->size | header->flags;
	bool sane = is_sane(header, walker->limit);
	uint64_t end = end_of_top(walker), size = header->size;

	commit(walker,
	       sane || header->flags & MF_GLIBC_PREV_INUSE ? header : NULL);
	if (end <= *address || end > walker->limit)
		end = sane ? *address + size : walker->limit;
	if (walker->free_end == *address)
		mf_glibc_note_damage(walker->glibc, walker->arena,
				     MF_DAMAGE_BEFORE_TOP, *address,
				     "the chunk before top is free: malloc "
				     "would have merged them");
	if (!sane || *address + size != end) {
		mf_glibc_note_damage(walker->glibc, walker->arena,
				     MF_DAMAGE_TOP_SIZE, *address,
				     "size field of top 0x%llx: its memory "
				     "ends after %llu bytes",
				     word,
				     (unsigned long long)(end - *address));
		size = walker->still || !sane ? end - *address : size;
	}
	mf_chunk_log_add(&walker->segment->log, size, MF_CHUNK_TOP);
	*address += size;
	return MF_GLIBC_STOP_TOP;
}

/* ---- the walk ------------------------------------------------------------------ */

static uint64_t largest_linked(const struct mf_glibc *glibc)
{
	uint64_t tuned = glibc->parameters.tcache_max_bytes;

	if (tuned != UINT64_MAX &&
	    tuned + MF_GLIBC_CHUNK_HEADER > LINK_SIZE_MAX)
		return MF_MIN(tuned + CHUNK_FIELDS, (uint64_t)8 << 20);
	return LINK_SIZE_MAX;
}

static enum mf_glibc_stop walk(struct walker *walker, uint64_t *address)
{
	struct header header;

	while (*address < walker->limit) {
		uint64_t fence;

		if (MF_UNLIKELY(
			    !read_header(walker->window, *address, &header))) {
			if (!skip_damage(walker, address, NULL))
				return MF_GLIBC_STOP_LOST;
			continue;
		}
		if (MF_UNLIKELY(*address == walker->arena->top))
			return take_top(walker, address, &header);
		if (MF_LIKELY(is_sane(&header, walker->limit) &&
			      !(header.size == OLD_TOP &&
				!walker->arena->main &&
				is_old_top(walker->window, &header)))) {
			commit(walker, &header);
			hold(walker, &header);
			*address += header.size;
			continue;
		}
		fence = fence_size(walker->glibc, walker->arena, walker->window,
				   &header);
		if (fence) {
			commit(walker, &header);
			mf_chunk_log_add(&walker->segment->log, fence,
					 MF_CHUNK_OVERHEAD);
			*address += fence;
			return MF_GLIBC_STOP_FENCE;
		}
		if (!skip_damage(walker, address, &header))
			return MF_GLIBC_STOP_LOST;
	}
	return MF_GLIBC_STOP_END;
}

enum mf_glibc_stop mf_glibc_walk_chunks(struct mf_glibc *glibc,
					struct mf_glibc_segment *segment,
					struct mf_window *window, uint64_t from,
					uint64_t *end)
{
	struct mf_glibc_arena *arena = &glibc->arenas.items[segment->arena];
	struct walker walker = {
		.glibc = glibc,
		.segment = segment,
		.arena = arena,
		.window = window,
		.limit = window->limit,
		.link_size_max = largest_linked(glibc),
		.user_end = glibc->user_end,
		.foreign_flags = arena->main ? MF_GLIBC_NON_MAIN : 0,
		.still = mf_target_is_still(glibc->target),
		/* An empty unsorted list points to its own head. */
		.keep_free_links = arena->bins[0][0] !=
				   arena->address + glibc->layout->bins - 16,
	};
	enum mf_glibc_stop stop;

	*end = from;
	stop = walk(&walker, end);
	commit(&walker, NULL);
	if (segment->links.overflowed)
		mf_target_note_partial(glibc->target, "glibc lists",
				       "more linked chunks than are kept: some "
				       "free ones count as in use");
	return stop;
}

static void walk_heap(struct mf_glibc *glibc, struct mf_glibc_segment *segment,
		      struct mf_window *window)
{
	struct mf_glibc_arena *arena = &glibc->arenas.items[segment->arena];
	enum mf_glibc_stop stop;
	uint64_t end;

	mf_window_restrict(window, segment->end);
	stop = mf_glibc_walk_chunks(glibc, segment, window, segment->start,
				    &end);
	if (end < segment->end)
		mf_chunk_log_add(&segment->log, segment->end - end,
				 MF_CHUNK_OVERHEAD);
	if (stop == MF_GLIBC_STOP_LOST)
		return;
	if (segment->has_top && stop != MF_GLIBC_STOP_TOP)
		mf_glibc_note_damage(glibc, arena, MF_DAMAGE_TOP, arena->top,
				     "its top is not at the end of its chunks");
	else if (!segment->has_top && stop == MF_GLIBC_STOP_END)
		mf_glibc_note_damage(glibc, arena, MF_DAMAGE_FENCE, end,
				     "the heap's last chunk reaches its end: "
				     "no fenceposts");
}

struct mf_error *mf_glibc_walk_heaps(struct mf_glibc *glibc,
				     struct mf_window *window)
{
	for (size_t i = 0; i < glibc->segments.count; i++) {
		struct mf_glibc_segment *segment = &glibc->segments.items[i];

		walk_heap(glibc, segment, window);
		if (window->error)
			break;
	}
	return NULL;
}
