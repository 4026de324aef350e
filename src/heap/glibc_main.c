/*
 * The main arena's memory: what sbrk gave, with gaps where somebody else moved
 * the break; then the regions that it has from mmap.
 */
#include "heap/glibc_regions.h"

enum {
	GAP_CHUNKS = 64, /* a chain of so many begins a segment after a gap */
};

static uint64_t round_up(uint64_t value, uint64_t to)
{
	return (value + to - 1) / to * to;
}

static bool is_plain_memory(const struct mf_mapping *mapping)
{
	return mapping && mf_mapping_has_no_file(mapping) &&
	       (mapping->perms & (MF_PERM_READ | MF_PERM_WRITE)) ==
		       (MF_PERM_READ | MF_PERM_WRITE) &&
	       !(mapping->perms & MF_PERM_SHARED);
}

static bool is_break(const struct mf_mapping *mapping)
{
	return strcmp(mapping->path, "[heap]") == 0;
}

/* The end of the anonymous mappings that begin at ADDRESS without a gap, or of
 * the break's own, whose pages a program may have protected. */
static uint64_t end_of_memory(struct mf_target *target, uint64_t address)
{
	const struct mf_mapping *mapping =
		mf_target_mapping_at(target, address);
	bool named = mapping && is_break(mapping);

	while (named ? mapping && is_break(mapping)
		     : is_plain_memory(mapping)) {
		address = mapping->end;
		mapping = mf_target_mapping_at(target, address);
	}
	return address;
}

static const struct mf_mapping *named_heap(struct mf_target *target)
{
	size_t count;
	const struct mf_mapping *mappings = mf_target_mappings(target, &count);

	for (size_t i = 0; i < count; i++)
		if (is_break(&mappings[i]))
			return &mappings[i];
	return NULL;
}

/* The break may be another copy's. */
static bool is_taken(struct mf_glibc *glibc, const struct mf_mapping *heap)
{
	for (struct mf_glibc *copy = glibc->first_copy; copy;
	     copy = copy->next_copy)
		if (copy != glibc && copy->used &&
		    copy->parameters.sbrk_base >= heap->start &&
		    copy->parameters.sbrk_base < heap->end)
			return true;
	return false;
}

/*
 * Where sbrk began for this ptmalloc: mp_.sbrk_base; 0: it never did. An arena
 * that could not have the break notes its first region from mmap there.
 */
static uint64_t sbrk_base(struct mf_glibc *glibc)
{
	uint64_t base = glibc->parameters.sbrk_base;
	const struct mf_mapping *heap;

	if (base != UINT64_MAX) {
		heap = mf_target_mapping_at(glibc->target, base);
		if (!is_plain_memory(heap) ||
		    (glibc->arenas.items[0].flags & MF_GLIBC_NONCONTIGUOUS &&
		     !is_break(heap)))
			return 0;
		return base;
	}
	heap = named_heap(glibc->target);
	return heap && !is_taken(glibc, heap) ? heap->start : 0;
}

/* After fenceposts at FROM: the next place of ours in the same memory, or 0. */
static uint64_t after_gap(struct mf_glibc *glibc,
			  const struct mf_glibc_arena *arena,
			  struct mf_window *window, uint64_t from)
{
	for (uint64_t at = round_up(from, MF_GRANULE);
	     at + MF_GLIBC_CHUNK_MIN <= window->limit; at += MF_GRANULE) {
		const uint8_t *bytes;
		uint64_t end, size;

		at = mf_window_skip_absent(window, at);
		bytes = mf_window_at(window, at, MF_GLIBC_CHUNK_HEADER);
		if (!bytes)
			continue;
		/* The first chunk of a segment has no predecessor. */
		size = mf_load(uint64_t, bytes + 8);
		if ((size & MF_GLIBC_CHUNK_FLAGS) != MF_GLIBC_PREV_INUSE ||
		    size < MF_GLIBC_CHUNK_MIN ||
		    size - MF_GLIBC_PREV_INUSE > window->limit - at)
			continue;
		if (mf_glibc_is_chain(glibc, arena, window, at, GAP_CHUNKS,
				      &end))
			return at;
	}
	return 0;
}

/* What was looked at but turned out not to be ours. */
static void cut(struct mf_glibc *glibc, struct mf_glibc_segment *segment,
		uint64_t end)
{
	size_t pages = (end - segment->memory_start + glibc->page_size - 1) /
		       glibc->page_size;

	segment->end = segment->committed_end = segment->reserved_end = end;
	segment->page_count = MF_MIN(pages, segment->page_count);
}

void mf_glibc_claim_main(struct mf_glibc *glibc,
			 const struct mf_glibc_segment *segment,
			 enum mf_class class, const char *proof)
{
	uint64_t page = glibc->page_size;

	mf_space_claim(glibc->context->space,
		       &(struct mf_claim){
			       .start = segment->memory_start,
			       .end = mf_glibc_claim_end(
				       glibc, round_up(segment->end, page)),
			       .class = class,
			       .certainty = MF_BY_STRUCTURE,
			       .label = MF_GLIBC_MAIN_LABEL,
			       .owner = glibc->owner,
			       .proof = proof,
		       });
}

/* Where a heap of another arena begins: an sbrk_base that lies can lead into
 * one, and no byte is two arenas'. */
static uint64_t before_heaps(const struct mf_glibc *glibc, uint64_t base,
			     uint64_t limit)
{
	for (size_t i = 0; i < glibc->segments.count; i++) {
		const struct mf_glibc_segment *segment =
			&glibc->segments.items[i];

		if (segment->end > base)
			limit = MF_MIN(limit, segment->memory_start);
	}
	return MF_MAX(limit, base);
}

/* The bytes that turn out to be ours from BASE on. */
static uint64_t walk_sbrk(struct mf_glibc *glibc, struct mf_window *window,
			  uint64_t base)
{
	const struct mf_glibc_arena *arena = &glibc->arenas.items[0];
	uint64_t limit =
		before_heaps(glibc, base, end_of_memory(glibc->target, base));
	struct mf_glibc_segment *segment = NULL;
	uint64_t from, end;

	if (limit > base)
		segment = mf_glibc_add_segment(glibc, 0, base, limit);
	if (!segment)
		return 0;
	from = segment->start = round_up(base, MF_GRANULE);
	mf_window_restrict(window, limit);
	for (;;) {
		enum mf_glibc_stop stop = mf_glibc_walk_chunks(
			glibc, segment, window, from, &end);

		segment->has_top = stop == MF_GLIBC_STOP_TOP;
		if (stop != MF_GLIBC_STOP_FENCE)
			break;
		from = after_gap(glibc, arena, window, end);
		if (!from)
			break;
		mf_chunk_log_add(&segment->log, from - end, MF_CHUNK_OVERHEAD);
	}
	cut(glibc, segment, end);
	if (segment->has_top)
		glibc->brk = end;
	mf_glibc_claim_main(glibc, segment, MF_CLASS_HEAP,
			    "a chain of chunks from mp_.sbrk_base on");
	return segment->end - segment->base;
}

/* All of the arena was walked, and none of its chunks is where the top says. */
static void check_top(struct mf_glibc *glibc)
{
	struct mf_glibc_arena *arena = &glibc->arenas.items[0];

	mf_vec_foreach(segment, &glibc->segments)
		if (segment->arena == 0 && segment->has_top)
			return;
	if (!glibc->lost_bytes)
		mf_glibc_note_damage(glibc, arena, MF_DAMAGE_TOP, arena->top,
				     "its top is not at the end of its "
				     "chunks");
}

struct mf_error *mf_glibc_walk_main(struct mf_glibc *glibc,
				    struct mf_window *window)
{
	const struct mf_glibc_arena *arena;
	uint64_t base, found = 0;

	if (!glibc->arenas.count || !glibc->arenas.items[0].system_mem)
		return NULL;
	arena = &glibc->arenas.items[0];
	base = sbrk_base(glibc);
	if (base)
		found = walk_sbrk(glibc, window, base);
	/* An arena that is all of sbrk has no other regions to look for. */
	if (arena->flags & MF_GLIBC_NONCONTIGUOUS)
		mf_glibc_find_regions(glibc, window, &found);
	if (found != arena->system_mem) {
		glibc->arenas.items[0].changed = true;
		glibc->arenas.items[0].incomplete = true;
	} else {
		check_top(glibc);
	}
	return NULL;
}
