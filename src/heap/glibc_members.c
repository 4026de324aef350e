/*
 * Why a chunk is no member of the tcache or fast bin that leads to it: what the
 * walk has at its place tells a link that was written over from a chunk that
 * was freed twice and from one whose size was changed.
 */
#include <string.h>

#include "heap/glibc.h"

enum {
	/* Each costs a look through a heap's chunks, and few rows are kept. */
	BLAMES_MAX = 1024,
};

static enum mf_damage link_of(const struct mf_glibc_list *list)
{
	return list->tcache ? MF_DAMAGE_TCACHE_LINK : MF_DAMAGE_FAST_LINK;
}

static enum mf_damage entry_of(const struct mf_glibc_list *list)
{
	return list->tcache ? MF_DAMAGE_TCACHE_ENTRY : MF_DAMAGE_FAST_ENTRY;
}

static const char *name_of(const struct mf_glibc_list *list)
{
	return list->tcache ? "tcache" : "fast bin";
}

/* It is a free chunk for another list as well. */
static bool blame_twice(struct mf_glibc *glibc, struct mf_glibc_arena *arena,
			const struct mf_glibc_list *list,
			const struct mf_neighbour *chunk)
{
	const char *other = list->tcache ? "fastbin" : "tcache";
	const char *own = list->tcache ? "tcache" : "fastbin";

	if (strcmp(chunk->state, own) == 0)
		mf_glibc_note_damage(glibc, arena, MF_DAMAGE_DOUBLE_FREE,
				     chunk->address,
				     "in a %s twice: its lists come to it "
				     "again",
				     name_of(list));
	else if (strcmp(chunk->state, other) == 0)
		mf_glibc_note_damage(glibc, arena, MF_DAMAGE_DOUBLE_FREE,
				     chunk->address,
				     "in a tcache and in a fast bin");
	else if (strcmp(chunk->state, "free") == 0)
		mf_glibc_note_damage(
			glibc, arena, MF_DAMAGE_DOUBLE_FREE, chunk->address,
			"in a %s, and free in a bin", name_of(list));
	else
		return false;
	return true;
}

/* A chunk begins there: it is of another size, or its own link is wrong. */
static void blame_chunk(struct mf_glibc *glibc, struct mf_glibc_arena *arena,
			const struct mf_glibc_list *list,
			const struct mf_neighbour *chunk)
{
	if (blame_twice(glibc, arena, list, chunk))
		return;
	if (list->size && chunk->size != list->size)
		mf_glibc_note_damage(
			glibc, arena, entry_of(list), chunk->address,
			"of %llu bytes, in a %s of chunks of %llu",
			(unsigned long long)chunk->size, name_of(list),
			(unsigned long long)list->size);
	else
		mf_glibc_note_damage(glibc, arena, link_of(list),
				     chunk->address,
				     "its link, the next in its %s, is no "
				     "address",
				     name_of(list));
}

/* A thread's cache may hold chunks of every arena, a fast bin only its own. */
static bool may_be_missing(struct mf_glibc *glibc,
			   const struct mf_glibc_arena *arena,
			   const struct mf_glibc_list *list)
{
	if (!list->tcache)
		return arena->incomplete;
	mf_vec_foreach(other, &glibc->arenas)
		if (other->incomplete)
			return true;
	return false;
}

void mf_glibc_blame_member(struct mf_glibc *glibc, struct mf_glibc_arena *arena,
			   const struct mf_glibc_list *list, uint64_t chunk,
			   uint64_t from)
{
	struct mf_corruption place = { 0 };
	bool within;

	if (++glibc->blames > BLAMES_MAX)
		return;
	within = mf_glibc_locate(glibc, chunk, &place);
	/* What was not read, or not found, proves nothing. */
	if (within ? strcmp(place.chunk.state, "unread") == 0
		   : may_be_missing(glibc, arena, list))
		return;
	if (within && place.chunk.address == chunk) {
		blame_chunk(glibc, arena, list, &place.chunk);
		return;
	}
	if (from)
		mf_glibc_note_damage(glibc, arena, link_of(list), from,
				     "its link, the next in its %s, leads to "
				     "0x%llx, where no chunk begins",
				     name_of(list), (unsigned long long)chunk);
	else
		mf_glibc_note_damage(glibc, arena, entry_of(list), chunk,
				     "a %s of chunks of %llu bytes leads here, "
				     "where no chunk begins",
				     name_of(list),
				     (unsigned long long)list->size);
}
