/*
 * What mappings look like when nothing else can be known: a saved listing, or
 * a process whose memory may not be read. glibc's heaps are 64 MiB of rw and
 * PROT_NONE, thread stacks stand over a guard, bss follows an object's data.
 * A live process is never judged by these: other runtimes make the same shapes.
 */
#include <string.h>

#include "base/units.h"
#include "space/model.h"

#define GO_ARENA_START UINT64_C(0xc000000000)

enum {
	ARENA_SIZE = 64 * MF_MIB,
	GUARD_LIMIT = 64 * MF_KIB,
	STACK_MIN = 64 * MF_KIB,
	STACK_MAX = 64 * MF_MIB,
	STACK_TEN_MIB = 10 * MF_MIB, /* a common limit that is no power of 2 */
};

static uint64_t size_of(const struct mf_mapping *mapping)
{
	return mapping->end - mapping->start;
}

static bool is_plain(const struct mf_mapping *mapping)
{
	return !*mapping->path && !mapping->inode &&
	       !(mapping->perms & MF_PERM_SHARED);
}

static bool is_plain_rw(const struct mf_mapping *mapping)
{
	return is_plain(mapping) && mapping->perms & MF_PERM_WRITE;
}

static bool is_plain_none(const struct mf_mapping *mapping)
{
	return is_plain(mapping) && mf_mapping_is_reserve(mapping);
}

static void claim_shape(struct mf_space *space,
			const struct mf_mapping *mapping, enum mf_class class,
			const char *label, const char *proof)
{
	mf_space_claim(space, &(struct mf_claim){
				      .start = mapping->start,
				      .end = mapping->end,
				      .class = class,
				      .certainty = MF_BY_SHAPE,
				      .label = label,
				      .proof = proof,
			      });
}

/* The next mapping, when it begins where this one ends. */
static const struct mf_mapping *follower(const struct mf_space *space, size_t i)
{
	if (i + 1 >= space->mapping_count ||
	    space->mappings[i + 1].start != space->mappings[i].end)
		return NULL;
	return &space->mappings[i + 1];
}

/* True when the next mapping is taken too; so below. */
static bool claim_go(struct mf_space *space, size_t i)
{
	const struct mf_mapping *mapping = &space->mappings[i];
	const struct mf_mapping *next = follower(space, i);

	if (mapping->start != GO_ARENA_START || !is_plain_rw(mapping))
		return false;
	claim_shape(space, mapping, MF_CLASS_GO_HEAP, "Go-shaped",
		    "starts where Go puts its first arena");
	if (!next || !is_plain_none(next))
		return false;
	claim_shape(space, next, MF_CLASS_RESERVE, "Go-shaped",
		    "the tail of what looks like Go's arenas");
	return true;
}

/* Neighbouring heaps merge when the lower is full: any multiple will do. */
static bool claim_arena(struct mf_space *space, size_t i)
{
	const struct mf_mapping *mapping = &space->mappings[i];
	const struct mf_mapping *next = follower(space, i);

	if (mapping->start % ARENA_SIZE || !is_plain_rw(mapping) || !next ||
	    !is_plain_none(next) || next->end % ARENA_SIZE)
		return false;
	claim_shape(space, mapping, MF_CLASS_ARENA, "arena-shaped",
		    "64 MiB-aligned, rw and PROT_NONE add up to 65536 kB");
	claim_shape(space, next, MF_CLASS_ARENA_RESERVE, "arena-shaped",
		    "64 MiB-aligned, rw and PROT_NONE add up to 65536 kB");
	return true;
}

static bool is_stack_size(uint64_t size)
{
	if (size == STACK_TEN_MIB)
		return true;
	return size >= STACK_MIN && size <= STACK_MAX && !(size & (size - 1));
}

/* pthread_attr_setguardsize: the guard is inside the size, or on top of it. */
static bool claim_stack(struct mf_space *space, size_t i)
{
	const struct mf_mapping *guard = &space->mappings[i];
	const struct mf_mapping *stack = follower(space, i);

	if (!is_plain_none(guard) || size_of(guard) > GUARD_LIMIT || !stack ||
	    !is_plain_rw(stack) ||
	    !(is_stack_size(size_of(stack)) ||
	      is_stack_size(size_of(stack) + size_of(guard))))
		return false;
	claim_shape(space, guard, MF_CLASS_GUARD, "guard-shaped",
		    "a few PROT_NONE pages below what looks like a stack");
	claim_shape(space, stack, MF_CLASS_THREAD_STACK, "stack-shaped",
		    "of a usual stack's size, over a guard");
	return true;
}

static void claim_bss(struct mf_space *space, size_t i)
{
	const struct mf_mapping *data = &space->mappings[i];
	const struct mf_mapping *bss = follower(space, i);

	if (space->elf[i] && data->perms & MF_PERM_WRITE && bss &&
	    is_plain_rw(bss))
		claim_shape(space, bss, MF_CLASS_BSS, mf_base_name(data->path),
			    "follows an object's data");
}

/* Listings name the gap's file or not, as the loader made it. */
static void claim_gap(struct mf_space *space, size_t i)
{
	const struct mf_mapping *before = &space->mappings[i];
	const struct mf_mapping *gap = follower(space, i);
	const struct mf_mapping *after = gap ? follower(space, i + 1) : NULL;

	if (after && space->elf[i] && is_plain_none(gap) &&
	    mf_mapping_is_same_file(before, after))
		claim_shape(space, gap, MF_CLASS_ELF_GAP,
			    mf_base_name(before->path),
			    "between two mappings of one object");
}

void mf_space_claim_shapes(struct mf_space *space)
{
	for (size_t i = 0; i < space->mapping_count; i++) {
		claim_bss(space, i);
		claim_gap(space, i);
		if (claim_go(space, i) || claim_arena(space, i) ||
		    claim_stack(space, i))
			i++;
	}
}
