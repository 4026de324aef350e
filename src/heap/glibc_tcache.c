/*
 * Thread caches: candidates come from the threads' own storage and from among
 * the chunks of the heaps; they are believed when every one of their lists
 * holds only chunks of its size.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "heap/glibc.h"

enum {
	TCACHES_MAX = 1 << 16,
	SMALL_BINS = 64, /* bins of one size each; later ones hold ranges */
	LIST_MAX = 1 << 20,
	LISTS_PROVED = 3,
	STEPS_MAX = 64 << 20, /* along all lists; a lying heap has no more */
	LARGE_LIST_MAX = 1 << 16, /* as long as tcache_count allows */
	LARGES_MAX = 1 << 20,
	TCACHE_BYTES = 0x320,
	THREADS_NAMED = 5,
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
	if (size < shapes[0].chunk_size ||
	    (glibc->version && glibc->version < 226))
		return NULL;
	for (size_t i = 0; i < MF_ARRAY_SIZE(shapes); i++) {
		/* what is left over of a free chunk may be too little to be
		 * one of its own */
		if (size != shapes[i].chunk_size &&
		    size != shapes[i].chunk_size + MF_GRANULE)
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
static enum mf_glibc_tcache_look
parse(const struct mf_glibc *glibc, const struct mf_glibc_tcache_shape *shape,
      const uint8_t *user, struct mf_glibc_tcache *ret)
{
	unsigned odd = 0, odd_most = ret->tid ? 1 : 0;
	bool any = false;

	for (unsigned i = 0; i < shape->bins; i++) {
		uint64_t entry = mf_load(uint64_t,
					 user + shape->entries + 8 * (size_t)i);
		uint16_t count = cached(glibc, shape, count_at(shape, user, i));

		if (entry % MF_GRANULE || entry >= glibc->user_end)
			return MF_TCACHE_BROKEN;
		odd += count != UINT16_MAX && !entry != !count &&
		       i < SMALL_BINS;
		if (odd > odd_most)
			return MF_TCACHE_BROKEN;
		ret->entries[i] = entry;
		ret->counts[i] = count;
		any |= entry != 0;
	}
	return any ? MF_TCACHE_FILLED : MF_TCACHE_EMPTY;
}

/*
 * The later bins' chunks may have mappings of their own, which no walk meets:
 * what is in them is noted while it can be read. Their glibc mangles links.
 */
static void note_large(struct mf_glibc *glibc,
		       const struct mf_glibc_tcache *tcache)
{
	for (unsigned bin = SMALL_BINS; bin < MF_GLIBC_TCACHE_BINS_MAX; bin++) {
		uint64_t user = tcache->entries[bin], word, link;

		for (unsigned i = 0; user && i < LARGE_LIST_MAX; i++) {
			if (user % MF_GRANULE || user < MF_GLIBC_CHUNK_HEADER ||
			    mf_map_has(&glibc->large_index, user) ||
			    glibc->large.count >= LARGES_MAX ||
			    !mf_target_read_u64(glibc->target, user - 8,
						&word) ||
			    !mf_target_read_u64(glibc->target, user, &link))
				break;
			link ^= user >> 12;
			mf_map_set(&glibc->large_index, user,
				   glibc->large.count);
			mf_vec_push(
				&glibc->large,
				(struct mf_glibc_large){
					.next = link,
					.size = word &
						~(uint64_t)MF_GLIBC_CHUNK_FLAGS,
					.mmapped = word & MF_GLIBC_IS_MMAPPED,
				});
			user = link;
		}
	}
}

enum mf_glibc_tcache_look mf_glibc_look_at_tcache(struct mf_glibc *glibc,
						  uint64_t user, int tid,
						  struct mf_glibc_tcache *ret)
{
	const struct mf_glibc_tcache_shape *shape;
	uint8_t bytes[TCACHE_BYTES];
	uint64_t word, size;

	*ret = (struct mf_glibc_tcache){ .address = user, .tid = tid };
	if (user % MF_GRANULE || user < MF_GLIBC_CHUNK_HEADER ||
	    user >= glibc->user_end ||
	    !mf_target_read_u64(glibc->target, user - MF_GLIBC_SIZE_FIELD,
				&word))
		return MF_TCACHE_NONE;
	size = word & ~(uint64_t)MF_GLIBC_CHUNK_FLAGS;
	shape = mf_glibc_tcache_shape(glibc, size);
	if (!shape || !mf_target_try_read(glibc->target, user, bytes,
					  size - MF_GLIBC_SIZE_FIELD))
		return MF_TCACHE_NONE;
	ret->chunk_size = (uint32_t)size;
	return parse(glibc, shape, bytes, ret);
}

bool mf_glibc_keep_tcache(struct mf_glibc *glibc,
			  const struct mf_glibc_tcache *tcache)
{
	if (glibc->tcaches.count >= TCACHES_MAX ||
	    mf_map_has(&glibc->tcache_index, tcache->address))
		return false;
	mf_map_set(&glibc->tcache_index, tcache->address, glibc->tcaches.count);
	mf_vec_push(&glibc->tcaches, *tcache);
	note_large(glibc, tcache);
	return true;
}

void mf_glibc_consider_tcache(struct mf_glibc *glibc, uint64_t chunk,
			      const uint8_t *user, uint64_t size)
{
	const struct mf_glibc_tcache_shape *shape =
		mf_glibc_tcache_shape(glibc, size);
	struct mf_glibc_tcache tcache = {
		.address = chunk + MF_GLIBC_CHUNK_HEADER,
		.walked = true,
		.chunk_size = (uint32_t)size,
	};
	const uint64_t *known =
		mf_map_get(&glibc->tcache_index, tcache.address);

	if (known)
		glibc->tcaches.items[*known].walked = true;
	else if (shape &&
		 parse(glibc, shape, user, &tcache) == MF_TCACHE_FILLED)
		mf_glibc_keep_tcache(glibc, &tcache);
}

/* ---- proof -------------------------------------------------------------------- */

struct proof {
	struct mf_glibc *glibc;
	uint64_t steps;
};

/* A chunk of a large bin that no segment has; NULL: it is none. */
static const struct mf_glibc_large *large_at(const struct mf_glibc *glibc,
					     unsigned bin, uint64_t user)
{
	const uint64_t *index =
		bin < SMALL_BINS ? NULL : mf_map_get(&glibc->large_index, user);

	return index ? &glibc->large.items[*index] : NULL;
}

static bool fits(const struct mf_link *link, unsigned bin,
		 enum mf_link_mark mark)
{
	return !link->free && link->mark == MF_LINK_NONE &&
	       (bin >= SMALL_BINS || link->granules == bin + 2) &&
	       mark <= MF_LINK_TCACHE;
}

static void add(struct mf_amount *amount, uint64_t size)
{
	amount->count++;
	amount->bytes += size;
}

/* Goes along one list; MARK its members and count them, or (NONE) only checks
 * them. The number of members, or -1 when it holds what it should not. */
static int64_t follow(struct proof *proof, struct mf_glibc_tcache *tcache,
		      unsigned bin, enum mf_link_mark mark)
{
	struct mf_glibc *glibc = proof->glibc;
	uint64_t user = tcache->entries[bin];
	int64_t count = 0;

	while (user) {
		const struct mf_glibc_large *large = large_at(glibc, bin, user);
		bool mmapped = large && large->mmapped;
		struct mf_link *link =
			mmapped ? NULL
				: mf_glibc_link_at(
					  glibc, user - MF_GLIBC_CHUNK_HEADER);

		if ((!mmapped && (!link || !fits(link, bin, mark))) ||
		    ++count > LIST_MAX || ++proof->steps > STEPS_MAX)
			return -1;
		if (mark != MF_LINK_NONE) {
			if (link)
				link->mark = mark;
			else
				mf_glibc_note_cached(
					glibc, user - MF_GLIBC_CHUNK_HEADER);
			add(mmapped ? &tcache->mmapped : &tcache->amount,
			    large ? large->size
				  : (uint64_t)link->granules * MF_GRANULE);
		}
		user = large ? large->next : mf_link_next(link);
	}
	return count;
}

static bool is_count_right(const struct mf_glibc_tcache *tcache, unsigned bin,
			   int64_t count)
{
	return bin >= SMALL_BINS || tcache->counts[bin] == UINT16_MAX ||
	       count == tcache->counts[bin];
}

/* A thread that was stopped between moving a list's head and counting it. */
static bool is_between(const struct proof *proof,
		       const struct mf_glibc_tcache *tcache, int64_t off)
{
	return (off == 1 || off == -1) && !proof->glibc->ran &&
	       mf_glibc_was_inside(proof->glibc, tcache->tid);
}

/* *caught: one of its lists was being changed. */
static bool is_proved(struct proof *proof, struct mf_glibc_tcache *tcache,
		      bool *caught)
{
	*caught = false;
	for (unsigned i = 0; i < MF_GLIBC_TCACHE_BINS_MAX; i++) {
		int64_t count = follow(proof, tcache, i, MF_LINK_NONE);

		if (count < 0)
			return false;
		if (is_count_right(tcache, i, count))
			continue;
		if (*caught ||
		    !is_between(proof, tcache, count - tcache->counts[i]))
			return false;
		*caught = true;
	}
	return true;
}

/* The arena whose memory the tcache's own chunk is: that which its thread uses,
 * nearly always. */
static struct mf_glibc_arena *arena_of(struct mf_glibc *glibc,
				       const struct mf_glibc_tcache *tcache)
{
	const struct mf_glibc_segment *segment =
		mf_glibc_segment_at(glibc, tcache->address);

	return segment ? &glibc->arenas.items[segment->arena] : NULL;
}

static void mark_caught(struct mf_glibc *glibc,
			const struct mf_glibc_tcache *tcache)
{
	struct mf_glibc_arena *arena = arena_of(glibc, tcache);

	if (!arena)
		return;
	arena->changed = true;
	arena->caught = true;
}

/* ---- what does not hold together ------------------------------------------ */

/* Not known to be a thread's, but most of its lists hold: no accident. */
static bool is_mostly_proved(struct proof *proof,
			     struct mf_glibc_tcache *tcache)
{
	unsigned lists = 0, whole = 0;

	for (unsigned i = 0; !tcache->broken && i < SMALL_BINS; i++) {
		if (!tcache->entries[i])
			continue;
		lists++;
		whole += is_count_right(tcache, i,
					follow(proof, tcache, i, MF_LINK_NONE));
	}
	return whole >= LISTS_PROVED && whole > lists / 2;
}

/* Marks the members of a list up to where it breaks, and says why there. */
static void mark_broken(struct proof *proof, struct mf_glibc_arena *arena,
			struct mf_glibc_tcache *tcache, unsigned bin)
{
	const struct mf_glibc_list list = {
		.tcache = true,
		.size = MF_GLIBC_CHUNK_MIN + (uint64_t)bin * MF_GRANULE,
	};
	uint64_t user = tcache->entries[bin], from = 0;

	while (user && ++proof->steps <= STEPS_MAX) {
		uint64_t chunk = user - MF_GLIBC_CHUNK_HEADER;
		struct mf_link *link = mf_glibc_link_at(proof->glibc, chunk);

		if (!link || !fits(link, bin, MF_LINK_TCACHE)) {
			mf_glibc_blame_member(proof->glibc, arena, &list, chunk,
					      from);
			return;
		}
		link->mark = MF_LINK_TCACHE;
		add(&tcache->amount, list.size);
		from = chunk;
		user = mf_link_next(link);
	}
}

/* A thread's tcache that was refused: list by list. */
static void resolve_broken(struct proof *proof, struct mf_glibc_arena *arena,
			   struct mf_glibc_tcache *tcache)
{
	for (unsigned i = 0; i < SMALL_BINS; i++) {
		int64_t count = follow(proof, tcache, i, MF_LINK_NONE);

		if (count < 0) {
			mark_broken(proof, arena, tcache, i);
			continue;
		}
		follow(proof, tcache, i, MF_LINK_TCACHE);
		if (!is_count_right(tcache, i, count))
			mf_glibc_note_damage(
				proof->glibc, arena, MF_DAMAGE_TCACHE_COUNT,
				tcache->address - MF_GLIBC_CHUNK_HEADER,
				"this thread cache counts %u chunks of %u "
				"bytes, but its list has %lld",
				tcache->counts[i], (i + 2) * MF_GRANULE,
				(long long)count);
	}
}

/* Refused ones, by their threads. */
struct refused {
	unsigned count;
	MF_VEC(int) tids;
};

static void note_refused(struct mf_glibc *glibc, const struct refused *refused)
{
	MF_AUTO_BUFFER(text);

	for (size_t i = 0; i < refused->tids.count; i++)
		mf_buffer_printf(&text, "%s%d", i ? ", " : "",
				 refused->tids.items[i]);
	if (refused->count > refused->tids.count)
		mf_buffer_printf(&text, " and %zu more",
				 refused->count - refused->tids.count);
	mf_target_note_partial(glibc->target, "glibc tcache",
			       "the lists of thread%s %s do not hold together; "
			       "what is behind a break counts as in use",
			       refused->count == 1 ? "" : "s",
			       mf_buffer_text(&text));
}

/* The two ways to find one must lead to the same. */
static void compare_ways(struct mf_glibc *glibc)
{
	if (glibc->ran || glibc->lost_bytes)
		return;
	mf_vec_foreach(tcache, &glibc->tcaches)
		if (tcache->valid && tcache->tid && !tcache->walked)
			mf_target_note_partial(
				glibc->target, "glibc tcache",
				"that of thread %d, at 0x%llx, is in no chunk "
				"of the heaps that were walked",
				tcache->tid,
				(unsigned long long)tcache->address);
}

static void resolve(struct proof *proof, struct mf_glibc_tcache *tcache,
		    struct refused *refused)
{
	struct mf_glibc *glibc = proof->glibc;
	bool caught = false, refuse;

	tcache->valid = !tcache->broken && is_proved(proof, tcache, &caught);
	refuse = !tcache->valid &&
		 (tcache->tid || is_mostly_proved(proof, tcache));
	if (refuse && !glibc->ran)
		caught = mf_glibc_was_inside(glibc, tcache->tid);
	if (caught)
		mark_caught(glibc, tcache);
	/* Of chunks that merely look like one nothing need be said. */
	if (!tcache->valid && tcache->tid && !caught &&
	    refused->count++ < THREADS_NAMED)
		mf_vec_push(&refused->tids, tcache->tid);
	tcache->refused = refuse && !caught;
	for (unsigned i = 0; tcache->valid && i < MF_GLIBC_TCACHE_BINS_MAX; i++)
		follow(proof, tcache, i, MF_LINK_TCACHE);
}

void mf_glibc_resolve_tcaches(struct mf_glibc *glibc)
{
	struct proof proof = { .glibc = glibc };
	struct refused refused = { 0 };

	mf_vec_foreach(tcache, &glibc->tcaches)
		resolve(&proof, tcache, &refused);
	mf_vec_foreach(tcache, &glibc->tcaches) {
		struct mf_glibc_arena *arena = arena_of(glibc, tcache);

		if (tcache->refused && !tcache->broken && arena && !glibc->ran)
			resolve_broken(&proof, arena, tcache);
	}
	if (refused.count && !glibc->ran)
		note_refused(glibc, &refused);
	compare_ways(glibc);
	mf_vec_deinit(&refused.tids);
}

/* ---- for the door ----------------------------------------------------------- */

static int by_bytes(const void *a, const void *b)
{
	const struct mf_thread_cache *left = a, *right = b;
	uint64_t left_bytes = left->amount.bytes + left->mmapped.bytes;
	uint64_t right_bytes = right->amount.bytes + right->mmapped.bytes;

	if (left_bytes != right_bytes)
		return left_bytes < right_bytes ? 1 : -1;
	return (left->tid > right->tid) - (left->tid < right->tid);
}

void mf_glibc_publish_tcaches(struct mf_glibc *glibc, struct mf_allocator *info)
{
	struct mf_thread_cache *to = mf_pool_alloc(
		glibc->context->pool, (glibc->tcaches.count + 1) * sizeof(*to));
	size_t count = 0;

	mf_vec_foreach(tcache, &glibc->tcaches) {
		const struct mf_glibc_segment *segment =
			mf_glibc_segment_at(glibc, tcache->address);

		/* Nobody's, and none: it only looked like one. */
		if (!tcache->tid && !tcache->valid)
			continue;
		to[count++] = (struct mf_thread_cache){
			.tid = tcache->tid,
			.address = tcache->address,
			.arena = segment ? &info->arenas[segment->arena] : NULL,
			.valid = tcache->valid,
			.amount = tcache->amount,
			.mmapped = tcache->mmapped,
		};
	}
	qsort(to, count, sizeof(*to), by_bytes);
	info->tcaches = to;
	info->tcache_count = count;
}
