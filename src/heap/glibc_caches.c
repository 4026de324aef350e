/*
 * What threads have of malloc, without a walk of its heaps: which arena, and how
 * much is in the tcache by its own counters. A cache is believed when the first
 * chunk of each of its lists has the size of that list.
 */
#include <stdlib.h>

#include "heap/glibc.h"

enum {
	SMALL_BINS = 64, /* bins of one size each; later ones hold ranges */
	LARGE_MOST = 1 << 16,
};

static bool read_size(const struct mf_glibc *glibc, uint64_t user,
		      uint64_t *ret)
{
	uint64_t word;

	if (user < MF_GLIBC_CHUNK_HEADER ||
	    !mf_target_read_u64(glibc->target, user - MF_GLIBC_SIZE_FIELD,
				&word))
		return false;
	*ret = word & ~(uint64_t)MF_GLIBC_CHUNK_FLAGS;
	return true;
}

/* False: its list begins with what is no chunk of its. */
static bool count_small(const struct mf_glibc *glibc,
			struct mf_glibc_tcache *tcache, unsigned bin)
{
	uint64_t size, wanted = (uint64_t)(bin + 2) * MF_GRANULE;
	uint16_t count = tcache->counts[bin];

	if (!tcache->entries[bin])
		return true;
	if (!read_size(glibc, tcache->entries[bin], &size) || size != wanted)
		return false;
	if (count == UINT16_MAX)
		return true;
	tcache->amount.count += count;
	tcache->amount.bytes += count * size;
	return true;
}

/* Their chunks were noted when the cache was met; none of them is in two
 * lists, so that all lists together have no more than were noted. */
static void count_large(const struct mf_glibc *glibc,
			struct mf_glibc_tcache *tcache, unsigned bin,
			size_t *left)
{
	uint64_t user = tcache->entries[bin];

	for (unsigned i = 0; user && i < LARGE_MOST && *left; i++, --*left) {
		const uint64_t *index = mf_map_get(&glibc->large_index, user);
		const struct mf_glibc_large *large;
		struct mf_amount *amount;

		if (!index)
			return;
		large = &glibc->large.items[*index];
		amount = large->mmapped ? &tcache->mmapped : &tcache->amount;
		amount->count++;
		amount->bytes += large->size;
		user = large->next;
	}
}

static bool count_all(const struct mf_glibc *glibc,
		      struct mf_glibc_tcache *tcache, size_t *left)
{
	for (unsigned i = 0; i < SMALL_BINS; i++)
		if (!count_small(glibc, tcache, i))
			return false;
	for (unsigned i = SMALL_BINS; i < MF_GLIBC_TCACHE_BINS_MAX; i++)
		count_large(glibc, tcache, i, left);
	return true;
}

void mf_glibc_count_caches(struct mf_glibc *glibc)
{
	const struct mf_amount none = { 0, 0 };
	size_t left = glibc->large.count;

	mf_vec_foreach(tcache, &glibc->tcaches) {
		tcache->amount = tcache->mmapped = none;
		tcache->valid =
			!tcache->broken && count_all(glibc, tcache, &left);
		if (!tcache->valid)
			tcache->amount = tcache->mmapped = none;
	}
}

static void publish_arenas(struct mf_glibc *glibc, struct mf_allocator *info)
{
	struct mf_arena *to = mf_pool_alloc(
		glibc->context->pool, (glibc->arenas.count + 1) * sizeof(*to));
	size_t count = 0;

	mf_vec_foreach(arena, &glibc->arenas)
		to[count++] = (struct mf_arena){
			.index = arena->index,
			.address = arena->address,
			.main = arena->main,
			.attached_threads = arena->attached_threads,
			.threads = arena->threads.items,
			.thread_count = arena->threads.count,
		};
	info->arenas = to;
	info->arena_count = count;
}

void mf_glibc_publish_caches(struct mf_glibc *glibc, struct mf_allocator *info)
{
	struct mf_thread_cache *to = mf_pool_alloc(
		glibc->context->pool, (glibc->tcaches.count + 1) * sizeof(*to));
	size_t count = 0;

	publish_arenas(glibc, info);
	mf_vec_foreach(tcache, &glibc->tcaches)
		to[count++] = (struct mf_thread_cache){
			.tid = tcache->tid,
			.address = tcache->address,
			.valid = tcache->valid,
			.amount = tcache->amount,
			.mmapped = tcache->mmapped,
		};
	info->tcaches = to;
	info->tcache_count = count;
}
