/*
 * The look at a process for what nothing reaches: one pass over all memory that
 * may hold pointers, live and dead apart, from which the graph is made; then
 * what leaks_mark.c, leaks_list.c and leaks_group.c make of it.
 */
#include "scan/leaks.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/log.h"

enum {
	WORD = 8,
	TAG_SHIFT = 48,
};

struct mf_error *mf_leaks_create(struct mf_target *target,
				 struct mf_image *image,
				 const struct mf_leaks_options *options,
				 struct mf_leaks **ret)
{
	struct mf_leaks *leaks = mf_new(struct mf_leaks);
	struct mf_error *error;

	leaks->target = target;
	leaks->options = *options;
	mf_target_want_kernel_words(target);
	error = mf_types_create(target, image, &leaks->types);
	if (error) {
		mf_leaks_destroy(leaks);
		return error;
	}
	mf_places_init(&leaks->places, target, image, leaks->types);
	*ret = leaks;
	return NULL;
}

/* The graph is only needed while it is read. */
static void forget_graph(struct mf_leaks *leaks)
{
	mf_links_deinit(&leaks->links);
	mf_node_set_deinit(&leaks->reached);
	mf_node_set_deinit(&leaks->dead);
	mf_node_set_deinit(&leaks->tagged);
	mf_node_set_deinit(&leaks->past);
	mf_graph_destroy(leaks->graph);
	leaks->graph = NULL;
}

static void forget(struct mf_leaks *leaks)
{
	forget_graph(leaks);
	mf_roots_deinit(&leaks->roots);
	mf_vec_deinit(&leaks->leaks);
	mf_vec_foreach(group, &leaks->groups)
		mf_vec_deinit(&group->leaks);
	mf_vec_deinit(&leaks->groups);
	memset(leaks->words, 0, sizeof(leaks->words));
	leaks->totals = (struct mf_leaks_totals){ 0 };
	leaks->excluded = leaks->small = (struct mf_amount){ 0 };
	leaks->missed = (struct mf_scan_missed){ 0 };
	leaks->unlisted = 0;
	leaks->scanned = leaks->memory = leaks->doubts = 0;
}

void mf_leaks_destroy(struct mf_leaks *leaks)
{
	if (!leaks)
		return;
	forget(leaks);
	mf_types_destroy(leaks->types);
	free(leaks);
}

void mf_leaks_get_totals(const struct mf_leaks *leaks,
			 struct mf_leaks_totals *ret)
{
	*ret = leaks->totals;
}

/* ---- the pass -------------------------------------------------------------- */

/* What one thread works with. */
struct crew {
	struct mf_leaks *leaks;
	const struct mf_scan_plan *plan;
	struct mf_scan_pieces pieces;
	MF_VEC(struct mf_scan_piece) live;
	struct mf_graph_worker *graph;
	struct mf_node_set dead;
	uint64_t bytes;
};

/* Chunks that are not in use, and what no thread stands on any more. */
static bool is_dead(const struct mf_scan_piece *piece)
{
	switch (piece->kind) {
	case MF_KIND_TCACHE:
	case MF_KIND_FASTBIN:
	case MF_KIND_FREE:
	case MF_KIND_UNSORTED:
	case MF_KIND_TOP:
		return true;
	default:
		return piece->group == MF_ROOT_DEAD;
	}
}

static void note_dead(struct crew *crew, const struct mf_scan_window *window,
		      const struct mf_scan_piece *piece)
{
	const struct mf_nodes *nodes = &crew->leaks->graph->nodes;
	const uint64_t low = nodes->low, span = nodes->high - low;
	uint32_t at = (piece->start + WORD - 1) & ~(WORD - 1U);

	for (; at + WORD <= piece->end; at += WORD) {
		uint64_t value = mf_load(uint64_t, window->bytes + at), offset;
		uint32_t node;

		if (MF_LIKELY(value - low >= span))
			continue;
		node = mf_nodes_find(nodes, value, &offset);
		if (node != MF_NO_NODE)
			mf_node_set_add(&crew->dead, node);
	}
}

/* Of a compiler that runs in the process: HotSpot has lists whose only head is
 * an operand. */
static bool is_code(const struct mf_leaks *leaks, uint64_t address,
		    const struct mf_scan_piece *piece)
{
	const struct mf_region *region;

	if (piece->kind != MF_KINDS)
		return false;
	region =
		mf_space_region_at(leaks->places.space, address + piece->start);
	return region && region->mapping->perms & MF_PERM_EXEC &&
	       mf_mapping_has_no_file(region->mapping);
}

static void scan_slice(struct crew *crew, struct mf_scan_window *window)
{
	crew->live.count = 0;
	mf_vec_foreach(piece, &crew->pieces.list) {
		crew->bytes += piece->end - piece->start;
		piece->code = is_code(crew->leaks, window->address, piece);
		if (is_dead(piece))
			note_dead(crew, window, piece);
		else
			mf_vec_push(&crew->live, *piece);
	}
	window->pieces = crew->live.items;
	window->piece_count = (uint32_t)crew->live.count;
	mf_graph_window(crew->graph, window);
}

static void scan_batch(void *data, const struct mf_scan_batch *batch)
{
	struct crew *crew = data;

	for (size_t i = 0; i < batch->slices.count; i++) {
		struct mf_scan_window window = mf_scan_plan_cut(
			crew->plan, batch, &batch->slices.items[i],
			&crew->pieces);

		scan_slice(crew, &window);
	}
}

static void *create_crew(struct mf_leaks *leaks,
			 const struct mf_scan_plan *plan)
{
	struct crew *crew = mf_new(struct crew);

	crew->leaks = leaks;
	crew->plan = plan;
	crew->graph = mf_graph_worker_create(leaks->graph);
	mf_node_set_init(&crew->dead, &leaks->graph->nodes);
	return crew;
}

static void dismiss_crew(struct crew *crew)
{
	struct mf_leaks *leaks = crew->leaks;

	mf_graph_merge(leaks->graph, crew->graph);
	mf_node_set_join(&leaks->dead, &crew->dead, &leaks->graph->nodes);
	leaks->scanned += crew->bytes;
	mf_node_set_deinit(&crew->dead);
	mf_vec_deinit(&crew->live);
	mf_vec_deinit(&crew->pieces.list);
	free(crew);
}

static struct mf_error *pump(struct mf_leaks *leaks, struct mf_scan_plan *plan)
{
	unsigned count = mf_scan_count_threads(leaks->options.threads);
	void *crews[MF_SCAN_THREADS_MAX];
	struct mf_error *error;

	for (unsigned i = 0; i < count; i++)
		crews[i] = create_crew(leaks, plan);
	error = mf_scan_pump(plan, scan_batch, crews, count);
	for (unsigned i = 0; i < count; i++)
		dismiss_crew(crews[i]);
	mf_graph_seal(leaks->graph);
	leaks->missed = plan->missed;
	return error;
}

static struct mf_error *scan(struct mf_leaks *leaks,
			     const struct mf_scan_input *input)
{
	struct mf_scan_input all = *input;
	struct mf_scan_plan plan;
	struct mf_error *error;

	all.ranges = leaks->roots.scanned.items;
	all.range_count = leaks->roots.scanned.count;
	all.groups = leaks->roots.groups;
	all.group_count = MF_ROOT_GROUPS;
	mf_scan_plan_init(&plan, &all, true);
	error = pump(leaks, &plan);
	mf_scan_plan_deinit(&plan);
	return error;
}

/* ---- what was not seen ------------------------------------------------------ */

static void doubt(struct mf_leaks *leaks)
{
	if (leaks->graph->edges.dropped)
		leaks->doubts |= MF_DOUBT_DROPPED;
	if (leaks->missed.swapped)
		leaks->doubts |= MF_DOUBT_SWAPPED;
	if (leaks->missed.unreadable)
		leaks->doubts |= MF_DOUBT_UNREAD;
	if (leaks->roots.blind)
		leaks->doubts |= MF_DOUBT_BLIND;
	if (leaks->roots.has_rings)
		leaks->doubts |= MF_DOUBT_RINGS;
}

static void note_missed(const struct mf_leaks *leaks)
{
	mf_scan_missed_note(&leaks->missed, leaks->target, "leaks", "pointers");
	if (leaks->graph->edges.dropped)
		mf_target_note_partial(
			leaks->target, "leaks",
			"%llu pointers are more than can be kept",
			(unsigned long long)leaks->graph->edges.dropped);
	if (leaks->unlisted)
		mf_target_note_partial(
			leaks->target, "leaks",
			"%llu more are counted, and not told of one by one",
			(unsigned long long)leaks->unlisted);
}

/* The process's own malloc, but its heaps are not walked. */
static void note_undivided(const struct mf_leaks *leaks)
{
	mf_heap_foreach_allocator(allocator, leaks->places.heap)
		if (allocator->owns_malloc && !allocator->supported)
			mf_target_note_partial(
				leaks->target, "leaks",
				"the heap of %s cannot be divided into chunks: "
				"what leaks there is not seen",
				allocator->name);
}

/* ---- all of it -------------------------------------------------------------- */

static void prepare(struct mf_leaks *leaks, const struct mf_scan_input *input)
{
	forget(leaks);
	leaks->places.space = input->space;
	leaks->places.heap = input->heap;
	mf_roots_find(leaks->target, input->space, input->heap,
		      &(struct mf_roots_options){
			      .static_tls = leaks->places.static_tls,
			      .dead = true,
		      },
		      &leaks->roots);
	leaks->graph = mf_graph_create(
		input->heap,
		&(struct mf_graph_options){
			.tagged = true,
			.mappings = leaks->roots.mappings.items,
			.mapping_count = leaks->roots.mappings.count,
		});
	mf_graph_hide_allocators(leaks->graph, input->heap);
	mf_node_set_init(&leaks->reached, &leaks->graph->nodes);
	mf_node_set_init(&leaks->tagged, &leaks->graph->nodes);
	mf_node_set_init(&leaks->past, &leaks->graph->nodes);
	mf_node_set_init(&leaks->dead, &leaks->graph->nodes);
}

static void tell_graph(const struct mf_leaks *leaks)
{
	mf_debug("scan",
		 "leaks: %llu nodes, %llu pointers in %llu bytes, %llu in all",
		 (unsigned long long)leaks->graph->nodes.used_count,
		 (unsigned long long)leaks->graph->edges.count,
		 (unsigned long long)mf_graph_memory(leaks->graph),
		 (unsigned long long)leaks->memory);
}

struct mf_error *mf_leaks_read(struct mf_leaks *leaks,
			       const struct mf_scan_input *input)
{
	prepare(leaks, input);
	MF_TRY(scan(leaks, input));
	if (!mf_leaks_mark(leaks))
		return mf_error_why(
			mf_error_create(MF_ERROR_UNSUPPORTED,
					"cannot look for leaks"),
			"there are more chunks or pointers than a billion");
	doubt(leaks);
	mf_leaks_list(leaks, input);
	mf_leaks_group(leaks);
	tell_graph(leaks);
	note_missed(leaks);
	note_undivided(leaks);
	forget_graph(leaks);
	return NULL;
}

/* ---- another look ----------------------------------------------------------- */

struct mf_leaks_past *mf_leaks_remember(const struct mf_leaks *leaks)
{
	struct mf_leaks_past *past = mf_new(struct mf_leaks_past);

	for (size_t i = 0; i < leaks->leaks.count; i++) {
		const struct mf_leak *leak = &leaks->leaks.items[i];

		mf_vec_push(&past->leaks, (struct mf_leak_before){
						  .address = leak->address,
						  .size = leak->size,
						  .digest = leak->digest,
					  });
	}
	return past;
}

void mf_leaks_past_destroy(struct mf_leaks_past *past)
{
	if (!past)
		return;
	mf_vec_deinit(&past->leaks);
	free(past);
}
