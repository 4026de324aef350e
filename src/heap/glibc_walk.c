/*
 * Walks the chunks of a segment in address order. A chunk's state is said by
 * its successor's PREV_INUSE bit, so each chunk waits for the next header. Fast
 * bin and tcache chunks look in use here; their links are kept, and tell later.
 */
#include "heap/glibc.h"

enum {
	RESYNC_CHUNKS = 24,	/* a chain of so many is believed */
	EFFORT_MAX = 128 << 20, /* headers looked at to find chains, in all */
	EFFORT_REFILL = 32768,	/* reading a window costs as many headers */
	LINK_SIZE_MAX = 0x410,	/* of default tcaches; fast bins: 0xb0 */
	CHUNK_FIELDS = 32,	/* prev_size, size, fd, bk */
};

/* A chunk whose state its successor will say. */
struct pending {
	uint64_t address, size, fd, bk;
};

struct walker {
	struct mf_glibc *glibc;
	struct mf_glibc_segment *segment;
	struct mf_glibc_arena *arena;
	struct mf_window *window;
	struct pending pending; /* address 0: none */
	uint64_t limit, link_size_max, user_end;
	bool keep_free_links;
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
 * In a heap they are its last bytes: a header of 16 and one of 0, or, when the
 * old top was too small for both, a lone one of 0.
 */
static uint64_t heap_fence_size(struct mf_window *window,
				const struct header *header)
{
	uint64_t left = window->limit - header->address;
	struct header next;

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

static void commit_free(struct walker *walker, const struct pending *chunk)
{
	struct mf_glibc_arena *arena = walker->arena;

	arena->node_sum += mf_hash64(chunk->address);
	arena->fd_sum += mf_hash64(chunk->fd);
	arena->bk_sum += mf_hash64(chunk->bk);
	if (walker->keep_free_links)
		mf_link_table_add(&walker->segment->links, chunk->address,
				  chunk->fd % MF_GRANULE ||
						  chunk->fd >= walker->user_end
					  ? 0
					  : chunk->fd,
				  chunk->size, true);
	mf_chunk_log_add(&walker->segment->log, chunk->size, MF_CHUNK_FREE);
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
	if (!(header->flags & MF_GLIBC_PREV_INUSE)) {
		if (header->previous_size != chunk.size)
			mf_glibc_note_corruption(
				walker->glibc, walker->arena, chunk.address,
				"free chunk of %llu bytes, but its successor "
				"says %llu",
				(unsigned long long)chunk.size,
				(unsigned long long)header->previous_size);
		commit_free(walker, &chunk);
		return;
	}
	if (chunk.size <= walker->link_size_max)
		keep_link(walker, &chunk);
	mf_chunk_log_add(&walker->segment->log, chunk.size, MF_CHUNK_IN_USE);
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
	uint64_t refills = window->refills;
	bool found = follow_chain(glibc, arena, window, address, enough, end);

	glibc->effort += (window->refills - refills) * EFFORT_REFILL;
	return found;
}

/* The next address at which a chain of chunks begins; 0: none. */
static uint64_t resynchronise(struct walker *walker, uint64_t from)
{
	uint64_t end;

	for (uint64_t at = from; at < walker->limit; at += MF_GRANULE) {
		if (!has_effort_left(walker->glibc))
			return 0;
		if (!mf_window_at(walker->window, at, MF_GLIBC_CHUNK_HEADER)) {
			uint32_t page = walker->glibc->page_size;

			/* the loop adds one granule */
			at = (at | (page - 1)) + 1 - MF_GRANULE;
			continue;
		}
		if (mf_glibc_is_chain(walker->glibc, walker->arena,
				      walker->window, at, RESYNC_CHUNKS, &end))
			return at;
	}
	return 0;
}

/* Goes over what cannot be read or makes no sense; false: to the end. */
static bool skip_damage(struct walker *walker, uint64_t *address,
			const struct header *header)
{
	uint64_t next;

	if (header)
		mf_glibc_note_corruption(
			walker->glibc, walker->arena, *address,
			"size field 0x%llx makes no sense",
			(unsigned long long)(header->size | header->flags));
	else
		mf_target_note_partial(walker->glibc->target, "glibc chunks",
				       "some are in swapped or unreadable "
				       "pages and were not read");
	commit(walker,
	       header && header->flags & MF_GLIBC_PREV_INUSE ? header : NULL);
	next = resynchronise(walker, *address + MF_GRANULE);
	walker->glibc->lost_bytes += (next ? next : walker->limit) - *address;
	mf_chunk_log_add(&walker->segment->log,
			 (next ? next : walker->limit) - *address,
			 MF_CHUNK_UNREAD);
	*address = next ? next : walker->limit;
	return next != 0;
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
		if (MF_LIKELY(is_sane(&header, walker->limit))) {
			commit(walker, &header);
			if (*address == walker->arena->top) {
				mf_chunk_log_add(&walker->segment->log,
						 header.size, MF_CHUNK_TOP);
				*address += header.size;
				return MF_GLIBC_STOP_TOP;
			}
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

struct mf_error *mf_glibc_walk_heaps(struct mf_glibc *glibc,
				     struct mf_window *window)
{
	for (size_t i = 0; i < glibc->segments.count; i++) {
		struct mf_glibc_segment *segment = &glibc->segments.items[i];
		uint64_t end;

		mf_window_restrict(window, segment->end);
		mf_glibc_walk_chunks(glibc, segment, window, segment->start,
				     &end);
		if (end < segment->end)
			mf_chunk_log_add(&segment->log, segment->end - end,
					 MF_CHUNK_OVERHEAD);
		if (window->error)
			break;
	}
	return NULL;
}
