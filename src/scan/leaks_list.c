/*
 * Lists the nodes that were not reached, leaves out what is excluded with all
 * that hangs on it, and says of each why it may be none.
 */
#include <string.h>

#include "base/map.h"
#include "base/search.h"
#include "scan/leaks.h"

enum {
	BITS = 64,
	HEADER = 16, /* of glibc's chunks */
	SIGNAL_LEAST = 8192,
	SIGNAL_MOST = 65536,
};

/* ---- the list -------------------------------------------------------------- */

static void count_leak(struct mf_leaks *leaks, const struct mf_leak *leak)
{
	struct mf_amount *kind = leak->is_mapping ? &leaks->totals.mappings
						  : &leaks->totals.chunks;

	kind->count++;
	kind->bytes += leak->size;
}

static void add_leak(struct mf_leaks *leaks, uint32_t node)
{
	struct mf_leak leak = { .node = node };
	struct mf_chunk chunk;
	uint64_t end;

	leak.address = mf_nodes_start(&leaks->graph->nodes, node, &end);
	leak.size = end - leak.address;
	leak.is_mapping =
		!leaks->places.heap ||
		!mf_heap_chunk_at(leaks->places.heap, leak.address, &chunk);
	if (!leak.is_mapping)
		leak.size = chunk.size;
	if (leaks->leaks.count < MF_LEAKS_KEPT) {
		mf_vec_push(&leaks->leaks, leak);
		return;
	}
	leaks->unlisted++;
	count_leak(leaks, &leak);
}

static int by_address(const void *a, const void *b)
{
	const struct mf_leak *left = a, *right = b;

	return (left->address > right->address) -
	       (left->address < right->address);
}

static void list(struct mf_leaks *leaks)
{
	const struct mf_nodes *nodes = &leaks->graph->nodes;

	for (size_t i = 0; i < nodes->used.count; i++) {
		uint64_t bits = nodes->used.items[i] & ~leaks->reached.bits[i];

		for (; bits; bits &= bits - 1)
			add_leak(leaks,
				 (uint32_t)(i * BITS +
					    (unsigned)__builtin_ctzll(bits)));
	}
	mf_vec_sort(&leaks->leaks, by_address);
}

/* ---- what is excluded ------------------------------------------------------ */

static bool is_in_ranges(const struct mf_leak *leak,
			 const struct mf_scan_input *input)
{
	return mf_range_at(input->ranges, input->range_count, leak->address);
}

static bool is_of_excluded_type(const struct mf_leaks *leaks,
				const struct mf_leak *leak)
{
	const struct mf_type type = { .name = leak->type };

	for (size_t i = 0; leak->type && i < leaks->options.excluded_count; i++)
		if (mf_type_matches(&type, leaks->options.excluded[i]))
			return true;
	return false;
}

static void drop_reached(struct mf_leaks *leaks)
{
	size_t kept = 0;

	for (size_t i = 0; i < leaks->leaks.count; i++) {
		const struct mf_leak leak = leaks->leaks.items[i];

		if (!mf_node_set_has(&leaks->reached, leak.node)) {
			leaks->leaks.items[kept++] = leak;
			continue;
		}
		leaks->excluded.count++;
		leaks->excluded.bytes += leak.size;
	}
	leaks->leaks.count = kept;
}

static void exclude(struct mf_leaks *leaks, const struct mf_scan_input *input)
{
	struct mf_front front = { 0 };

	if (!input->range_count && !leaks->options.excluded_count)
		return;
	mf_vec_foreach(leak, &leaks->leaks)
		if (is_in_ranges(leak, input) ||
		    is_of_excluded_type(leaks, leak))
			mf_front_add(&front, &leaks->reached, leak->node);
	mf_links_reach(&leaks->links, mf_leaks_weak(leaks), &front,
		       &leaks->reached);
	mf_vec_deinit(&front.nodes);
	drop_reached(leaks);
}

/* ---- doubts ---------------------------------------------------------------- */

/* To those in SET, and to all that hangs on them. */
static void spread(struct mf_leaks *leaks, const struct mf_node_set *set,
		   enum mf_leak_doubt doubt)
{
	struct mf_front front = { 0 };
	struct mf_node_set seen;

	mf_node_set_init(&seen, &leaks->graph->nodes);
	mf_node_set_join(&seen, &leaks->reached, &leaks->graph->nodes);
	mf_vec_foreach(leak, &leaks->leaks)
		if (mf_node_set_has(set, leak->node))
			mf_front_add(&front, &seen, leak->node);
	mf_links_reach(&leaks->links, mf_leaks_weak(leaks), &front, &seen);
	mf_vec_foreach(leak, &leaks->leaks)
		if (mf_node_set_has(&seen, leak->node))
			leak->doubts |= doubt;
	mf_vec_deinit(&front.nodes);
	mf_node_set_deinit(&seen);
}

static uint16_t doubt_of_arena(const struct mf_heap *heap,
			       const struct mf_chunk *chunk)
{
	mf_heap_foreach_allocator(allocator, heap) {
		if (strcmp(allocator->name, chunk->allocator->name) != 0 ||
		    allocator->load != chunk->allocator->load ||
		    chunk->arena >= allocator->arena_count)
			continue;
		switch (allocator->arenas[chunk->arena].consistency) {
		case MF_DAMAGED:
			return MF_DOUBT_DAMAGED;
		case MF_IN_FLIGHT:
			return MF_DOUBT_TORN;
		default:
			return 0;
		}
	}
	return 0;
}

static bool is_any_inconsistent(const struct mf_heap *heap)
{
	mf_heap_foreach_allocator(allocator, heap)
		if (allocator->consistency == MF_DAMAGED ||
		    allocator->consistency == MF_IN_FLIGHT)
			return true;
	return false;
}

static void doubt_arenas(struct mf_leaks *leaks)
{
	const struct mf_heap *heap = leaks->places.heap;
	struct mf_chunk chunk;

	if (!is_any_inconsistent(heap))
		return;
	mf_vec_foreach(leak, &leaks->leaks)
		if (!leak->is_mapping &&
		    mf_heap_chunk_at(heap, leak->address, &chunk))
			leak->doubts |= doubt_of_arena(heap, &chunk);
}

/* Of a size that is usual for one: sigaltstack's own is a power of two. */
static bool may_be_signal_stack(const struct mf_leak *leak)
{
	uint64_t size = leak->size;

	if (!leak->is_mapping)
		size = (size - HEADER) & ~(uint64_t)(HEADER - 1);
	return size >= SIGNAL_LEAST && size <= SIGNAL_MOST &&
	       (leak->is_mapping || !(size & (size - 1)));
}

/* Only the kernel may know them; but no thread has more than one. */
static void doubt_signal_stacks(struct mf_leaks *leaks)
{
	struct mf_map counts = { 0 };
	size_t threads;

	mf_target_threads(leaks->target, &threads);
	mf_vec_foreach(leak, &leaks->leaks) {
		const uint64_t *known;

		if (!may_be_signal_stack(leak))
			continue;
		known = mf_map_get(&counts, leak->size);
		mf_map_set(&counts, leak->size, known ? *known + 1 : 1);
	}
	mf_vec_foreach(leak, &leaks->leaks)
		if (may_be_signal_stack(leak) &&
		    *mf_map_get(&counts, leak->size) <= threads)
			leak->doubts |= MF_DOUBT_SIGNALS;
	mf_map_deinit(&counts);
}

static void sum_up(struct mf_leaks *leaks)
{
	const struct mf_nodes *nodes = &leaks->graph->nodes;
	struct mf_leaks_totals *totals = &leaks->totals;
	struct mf_amount unreached;

	mf_vec_foreach(leak, &leaks->leaks)
		count_leak(leaks, leak);
	totals->leaked.count = totals->chunks.count + totals->mappings.count;
	totals->leaked.bytes = totals->chunks.bytes + totals->mappings.bytes;
	/* what was excluded is leaked, too, and not told of */
	unreached.count = totals->leaked.count + leaks->excluded.count;
	unreached.bytes = totals->leaked.bytes + leaks->excluded.bytes;
	totals->reachable.count = nodes->used_count - unreached.count;
	totals->reachable.bytes =
		nodes->used_bytes - MF_MIN(unreached.bytes, nodes->used_bytes);
}

void mf_leaks_list(struct mf_leaks *leaks, const struct mf_scan_input *input)
{
	list(leaks);
	mf_leaks_describe(leaks);
	exclude(leaks, input);
	spread(leaks, &leaks->dead, MF_DOUBT_DEAD);
	spread(leaks, &leaks->tagged, MF_DOUBT_TAGGED);
	spread(leaks, &leaks->past, MF_DOUBT_PAST);
	doubt_arenas(leaks);
	doubt_signal_stacks(leaks);
	mf_leaks_hold(leaks);
	sum_up(leaks);
	leaks->memory += leaks->leaks.capacity * sizeof(*leaks->leaks.items);
}
