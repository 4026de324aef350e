/*
 * Each thread's arena and tcache, through its own storage: libc's offsets from
 * the thread pointer stand in its GOT; a program that libc is part of has no
 * such table, and its TLS block is looked through instead. Which offset is
 * whose is seen from where they lead.
 */
#include <stdlib.h>

#include "heap/glibc.h"

enum {
	BLOCK_MAX = 4096, /* bytes of a program's TLS that are looked at */
	TCB_ABOVE = 16,	  /* what stands before a block above the pointer */
};

/* A place in every thread's TLS; HITS: how often a tcache was there. */
struct place {
	uint64_t offset; /* from the thread pointer; may wrap */
	unsigned hits;
};

struct places {
	struct place *items;
	size_t count, capacity;
};

static void gather_slots(const struct mf_glibc *glibc, struct places *ret)
{
	for (size_t i = 0; i < glibc->tls_slot_count; i++) {
		struct place place = { 0, 0 };

		if (mf_target_read_u64(glibc->target, glibc->tls_slots[i],
				       &place.offset))
			mf_vec_push(ret, place);
	}
}

/* libc's are the last of the block. */
static void gather_block(const struct mf_glibc *glibc, struct places *ret)
{
	uint64_t size = MF_MIN(glibc->tls_block, (uint64_t)BLOCK_MAX);
	uint64_t end = mf_target_info(glibc->target)->tls_above
			       ? TCB_ABOVE + glibc->tls_block
			       : 0;

	for (uint64_t before = 8; before <= size; before += 8)
		mf_vec_push(ret, ((struct place){ end - before, 0 }));
}

static struct mf_glibc_arena *arena_at(struct mf_glibc *glibc, uint64_t address)
{
	const uint64_t *index = mf_map_get(&glibc->arena_index, address);

	return index ? &glibc->arenas.items[*index] : NULL;
}

/* More than one place may lead to a thread's arena. */
static void attach(struct mf_glibc_arena *arena, int tid)
{
	size_t count = arena->threads.count;

	if (!count || arena->threads.items[count - 1] != tid)
		mf_vec_push(&arena->threads, tid);
}

static void look_through(struct mf_glibc *glibc, const struct mf_thread *thread,
			 struct places *places)
{
	mf_vec_foreach(place, places) {
		struct mf_glibc_tcache tcache;
		struct mf_glibc_arena *arena;
		enum mf_glibc_tcache_look look;
		uint64_t value;

		if (!mf_target_read_u64(glibc->target,
					thread->tp + place->offset, &value) ||
		    !value)
			continue;
		arena = arena_at(glibc, value);
		if (arena) {
			attach(arena, thread->tid);
			continue;
		}
		look = mf_glibc_look_at_tcache(glibc, value, thread->tid,
					       &tcache);
		place->hits +=
			look == MF_TCACHE_FILLED || look == MF_TCACHE_EMPTY;
		if (look == MF_TCACHE_FILLED)
			mf_glibc_keep_tcache(glibc, &tcache);
	}
}

/* 2.43's thread without one has the address of a constant. */
static bool may_hold_tcache(struct mf_glibc *glibc, uint64_t address)
{
	const struct mf_mapping *mapping =
		mf_target_mapping_at(glibc->target, address);

	return mapping && mf_mapping_has_no_file(mapping) &&
	       mapping->perms & MF_PERM_WRITE;
}

/* Where tcaches are: those of no chunks, and those that are none. */
static void look_at_rest(struct mf_glibc *glibc, const struct mf_thread *thread,
			 const struct place *place)
{
	struct mf_glibc_tcache tcache;
	enum mf_glibc_tcache_look look;
	uint64_t value;

	if (!mf_target_read_u64(glibc->target, thread->tp + place->offset,
				&value) ||
	    !may_hold_tcache(glibc, value))
		return;
	look = mf_glibc_look_at_tcache(glibc, value, thread->tid, &tcache);
	tcache.broken = look == MF_TCACHE_BROKEN || look == MF_TCACHE_NONE;
	mf_glibc_keep_tcache(glibc, &tcache);
}

static const struct place *best_place(const struct places *places)
{
	const struct place *best = NULL;

	for (size_t i = 0; i < places->count; i++)
		if (places->items[i].hits &&
		    (!best || places->items[i].hits > best->hits))
			best = &places->items[i];
	return best;
}

void mf_glibc_read_thread_caches(struct mf_glibc *glibc)
{
	size_t count;
	const struct mf_thread *threads =
		mf_target_threads(glibc->target, &count);
	struct places places = { 0 };
	const struct place *best;

	if (glibc->tls_slot_count)
		gather_slots(glibc, &places);
	else
		gather_block(glibc, &places);
	for (size_t i = 0; i < count; i++)
		if (threads[i].tp)
			look_through(glibc, &threads[i], &places);
	best = best_place(&places);
	for (size_t i = 0; best && i < count; i++)
		if (threads[i].tp)
			look_at_rest(glibc, &threads[i], best);
	mf_vec_deinit(&places);
}
