/*
 * Thread caches: found through libc's TLS slots where the threads' registers
 * are known, and among the chunks of the heaps; believed when every one of
 * their lists holds only chunks of its size.
 */
#include <stdlib.h>
#include <string.h>

#include "heap/glibc.h"

enum {
	TCACHES_MAX = 1 << 16,
	SMALL_BINS = 64, /* bins of one size each; later ones hold ranges */
	LIST_MAX = 1 << 20,
	STEPS_MAX = 64 << 20, /* along all lists; a lying heap has no more */
};

/* Sizes of the chunk that holds tcache_perthread_struct: 2.26-2.29,
 * 2.30-2.41, 2.42 and later (2.43 has both). */
static const struct {
	uint32_t chunk_size;
	struct mf_glibc_tcache_shape shape;
} shapes[] = {
	{ 0x250, { 64, 1, 64, false } },
	{ 0x290, { 64, 2, 128, false } },
	{ 0x300, { 76, 2, 152, true } },
	{ 0x310, { 76, 2, 152, true } },
};

const struct mf_glibc_tcache_shape *
mf_glibc_tcache_shape(const struct mf_glibc *glibc, uint64_t size)
{
	if (glibc->version && glibc->version < 226)
		return NULL;
	for (size_t i = 0; i < MF_ARRAY_SIZE(shapes); i++) {
		if (size != shapes[i].chunk_size)
			continue;
		if (glibc->version && shapes[i].shape.counts_free_slots !=
					      (glibc->version >= 242))
			return NULL;
		return &shapes[i].shape;
	}
	return NULL;
}

/* ---- candidates --------------------------------------------------------- */

static uint16_t count_at(const struct mf_glibc_tcache_shape *shape,
			 const uint8_t *user, unsigned bin)
{
	return shape->count_size == 1
		       ? user[bin]
		       : mf_load(uint16_t, user + 2 * (size_t)bin);
}

/* Chunks that bin holds by its counter; UINT16_MAX: it does not say. */
static uint16_t cached(const struct mf_glibc *glibc,
		       const struct mf_glibc_tcache_shape *shape,
		       uint16_t counter)
{
	uint64_t most = glibc->parameters.tcache_count;

	if (!shape->counts_free_slots)
		return counter;
	if (most == UINT64_MAX || counter > most)
		return UINT16_MAX;
	return (uint16_t)(most - counter);
}

/* A list of a thread's own that is just being changed is still its own. */
static bool parse(const struct mf_glibc *glibc,
		  const struct mf_glibc_tcache_shape *shape,
		  const uint8_t *user, struct mf_glibc_tcache *ret)
{
	unsigned odd = 0, odd_most = ret->tid ? 1 : 0;
	bool any = false;

	for (unsigned i = 0; i < shape->bins; i++) {
		uint64_t entry = mf_load(uint64_t,
					 user + shape->entries + 8 * (size_t)i);
		uint16_t count = cached(glibc, shape, count_at(shape, user, i));

		if (entry % MF_GRANULE || entry >> 47)
			return false;
		odd += count != UINT16_MAX && !entry != !count &&
		       i < SMALL_BINS;
		if (odd > odd_most)
			return false;
		ret->entries[i] = entry;
		ret->counts[i] = count;
		any |= entry != 0;
	}
	return any;
}

/* TID: of the thread whose slot led there; 0: none did. */
static void consider(struct mf_glibc *glibc, uint64_t chunk,
		     const uint8_t *user, uint64_t size, int tid)
{
	const struct mf_glibc_tcache_shape *shape =
		mf_glibc_tcache_shape(glibc, size);
	struct mf_glibc_tcache tcache = {
		.address = chunk + MF_GLIBC_CHUNK_HEADER,
		.tid = tid,
	};

	if (!shape || glibc->tcaches.count >= TCACHES_MAX ||
	    !parse(glibc, shape, user, &tcache))
		return;
	if (mf_map_set(&glibc->tcache_index, tcache.address, 1))
		mf_vec_push(&glibc->tcaches, tcache);
}

void mf_glibc_consider_tcache(struct mf_glibc *glibc, uint64_t chunk,
			      const uint8_t *user, uint64_t size)
{
	consider(glibc, chunk, user, size, 0);
}

/* ---- through the threads ---------------------------------------------------- */

static struct mf_glibc_arena *arena_at(struct mf_glibc *glibc, uint64_t address)
{
	const uint64_t *index = mf_map_get(&glibc->arena_index, address);

	return index ? &glibc->arenas.items[*index] : NULL;
}

/* More than one slot may lead to a thread's arena. */
static void attach(struct mf_glibc_arena *arena, int tid)
{
	size_t count = arena->threads.count;

	if (!count || arena->threads.items[count - 1] != tid)
		mf_vec_push(&arena->threads, tid);
}

/* Whether the chunk at USER - 16 could hold a tcache struct; reads it. */
static void consider_pointer(struct mf_glibc *glibc, uint64_t user, int tid)
{
	uint8_t bytes[0x310];
	uint64_t word, size;

	if (user % MF_GRANULE || user < MF_GLIBC_CHUNK_HEADER || user >> 47 ||
	    !mf_target_read_u64(glibc->target, user - 8, &word))
		return;
	size = word & ~(uint64_t)MF_GLIBC_CHUNK_FLAGS;
	if (!mf_glibc_tcache_shape(glibc, size) ||
	    !mf_target_try_read(glibc->target, user, bytes,
				size - MF_GLIBC_SIZE_FIELD))
		return;
	consider(glibc, user - MF_GLIBC_CHUNK_HEADER, bytes, size, tid);
}

void mf_glibc_read_thread_caches(struct mf_glibc *glibc)
{
	size_t count;
	const struct mf_thread *threads =
		mf_target_threads(glibc->target, &count);

	for (size_t i = 0; i < count; i++) {
		for (size_t slot = 0; slot < glibc->tls_slot_count; slot++) {
			uint64_t offset, value;
			struct mf_glibc_arena *arena;

			if (!threads[i].tp ||
			    !mf_target_read_u64(glibc->target,
						glibc->tls_slots[slot],
						&offset) ||
			    !mf_target_read_u64(glibc->target,
						threads[i].tp + offset, &value))
				continue;
			arena = arena_at(glibc, value);
			if (arena)
				attach(arena, threads[i].tid);
			else
				consider_pointer(glibc, value, threads[i].tid);
		}
	}
}

/* ---- proof -------------------------------------------------------------------- */

struct proof {
	struct mf_glibc *glibc;
	uint64_t steps;
};

/* Goes along one list; MARK its members, or (NONE) only checks them. The number
 * of members, or -1 when it holds what it should not. */
static int64_t follow(struct proof *proof, const struct mf_glibc_tcache *tcache,
		      unsigned bin, enum mf_link_mark mark)
{
	struct mf_glibc *glibc = proof->glibc;
	uint64_t user = tcache->entries[bin];
	int64_t count = 0;

	while (user) {
		struct mf_link *link =
			mf_glibc_link_at(glibc, user - MF_GLIBC_CHUNK_HEADER);

		if (!link || link->free ||
		    (mark == MF_LINK_NONE && link->mark != MF_LINK_NONE) ||
		    (bin < SMALL_BINS && link->granules != bin + 2) ||
		    ++count > LIST_MAX || ++proof->steps > STEPS_MAX)
			return -1;
		if (mark != MF_LINK_NONE) {
			if (link->mark != MF_LINK_NONE)
				return -1;
			link->mark = mark;
		}
		user = mf_link_next(link);
	}
	return count;
}

/* A thread that was stopped between moving a list's head and counting it. */
static bool is_between(const struct proof *proof,
		       const struct mf_glibc_tcache *tcache, int64_t off)
{
	return (off == 1 || off == -1) && !proof->glibc->ran &&
	       mf_glibc_was_inside(proof->glibc, tcache->tid);
}

/* *caught: one of its lists was being changed. */
static bool is_proved(struct proof *proof, const struct mf_glibc_tcache *tcache,
		      bool *caught)
{
	*caught = false;
	for (unsigned i = 0; i < MF_GLIBC_TCACHE_BINS_MAX; i++) {
		int64_t count = follow(proof, tcache, i, MF_LINK_NONE);

		if (count < 0)
			return false;
		if (i >= SMALL_BINS || tcache->counts[i] == UINT16_MAX ||
		    count == tcache->counts[i])
			continue;
		if (*caught ||
		    !is_between(proof, tcache, count - tcache->counts[i]))
			return false;
		*caught = true;
	}
	return true;
}

/* Its chunks are of the arena that its thread uses, nearly always. */
static void mark_caught(struct mf_glibc *glibc,
			const struct mf_glibc_tcache *tcache)
{
	const struct mf_glibc_segment *segment =
		mf_glibc_segment_at(glibc, tcache->address);

	if (!segment)
		return;
	glibc->arenas.items[segment->arena].changed = true;
	glibc->arenas.items[segment->arena].caught = true;
}

void mf_glibc_resolve_tcaches(struct mf_glibc *glibc)
{
	struct proof proof = { .glibc = glibc };
	unsigned refused = 0;

	mf_vec_foreach(tcache, &glibc->tcaches) {
		bool caught;

		tcache->valid = is_proved(&proof, tcache, &caught);
		if (!tcache->valid && tcache->tid && !glibc->ran)
			caught = mf_glibc_was_inside(glibc, tcache->tid);
		if (caught)
			mark_caught(glibc, tcache);
		/* Of chunks that merely look like one nothing need be said. */
		refused += !tcache->valid && tcache->tid && !caught;
		for (unsigned i = 0;
		     tcache->valid && i < MF_GLIBC_TCACHE_BINS_MAX; i++)
			follow(&proof, tcache, i, MF_LINK_TCACHE);
	}
	if (refused && !glibc->ran)
		mf_target_note_partial(glibc->target, "glibc tcache",
				       "the lists of %u threads do not hold "
				       "together; their chunks count as in use",
				       refused);
}
