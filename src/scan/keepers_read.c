/*
 * What keepers read while the target stands still: all memory that can hold
 * pointers, once, for the graph; the words that objects begin with, for their
 * types; and the registers.
 */
#include <stdlib.h>

#include "base/log.h"
#include "scan/engine.h"
#include "scan/keepers.h"
#include "scan/vtables.h"

enum {
	WORD = 8,
	ASKED_MAX = 256, /* each costs a look at the whole tree */
};

struct mf_keepers_worker {
	const struct mf_keepers *keepers;
	const struct mf_vtables *vtables;
	struct mf_graph_worker *graph;
	struct mf_typed_nodes typed;
	uint64_t bytes;
};

/* ---- types ----------------------------------------------------------------- */

/* Where in a chunk the word of its object's type may stand. */
static const struct {
	uint32_t offset;
	bool sure; /* only what is known to be a vtable counts */
} type_places[] = {
	{ 0, false },
	{ WORD, true },	    /* new[]: behind how many there are */
	{ 2 * WORD, true }, /* shared: behind the counts of its owners */
};

/* The class of an object that begins with WORD; -1: of none. */
static int64_t class_of(const struct mf_vtables *vtables, uint64_t word,
			bool sure)
{
	const struct mf_vtable_point *point;

	if (MF_LIKELY(!mf_vtables_may_be(vtables, word)))
		return -1;
	point = mf_vtables_find(vtables, word);
	if (!point || point->top)
		return -1;
	if (sure &&
	    vtables->classes.items[point->class].proof == MF_VTABLE_ADDRESS)
		return -1;
	return point->class;
}

static void look_for_type(struct mf_keepers_worker *worker,
			  const struct mf_scan_window *window,
			  const struct mf_scan_piece *piece)
{
	const uint8_t *bytes = window->bytes + piece->start;
	uint32_t size = piece->end - piece->start, node;
	int64_t class = -1;
	uint64_t offset;

	for (size_t i = 0; class < 0 && i < MF_ARRAY_SIZE(type_places) &&
			   type_places[i].offset + WORD <= size;
	     i++)
		class = class_of(
			worker->vtables,
			mf_load(uint64_t, bytes + type_places[i].offset),
			type_places[i].sure);
	if (class < 0)
		return;
	node = mf_nodes_find(&worker->keepers->graph->nodes,
			     window->address + piece->start, &offset);
	if (node != MF_NO_NODE)
		mf_vec_push(&worker->typed,
			    (struct mf_typed_node){ node, (uint32_t) class });
}

/* ---- windows ----------------------------------------------------------------- */

struct mf_keepers_worker *mf_keepers_worker_create(struct mf_keepers *keepers)
{
	struct mf_keepers_worker *worker = mf_new(struct mf_keepers_worker);

	worker->keepers = keepers;
	worker->vtables = mf_types_vtables(keepers->types);
	worker->graph = mf_graph_worker_create(keepers->graph);
	return worker;
}

void mf_keepers_window(struct mf_keepers_worker *worker,
		       const struct mf_scan_window *window)
{
	mf_graph_window(worker->graph, window);
	for (uint32_t i = 0; i < window->piece_count; i++) {
		const struct mf_scan_piece *piece = &window->pieces[i];

		worker->bytes += piece->end - piece->start;
		if (piece->begins && piece->chunk)
			look_for_type(worker, window, piece);
	}
}

void mf_keepers_merge(struct mf_keepers *keepers,
		      struct mf_keepers_worker *worker)
{
	mf_graph_merge(keepers->graph, worker->graph);
	mf_vec_foreach(typed, &worker->typed)
		mf_vec_push(&keepers->typed, *typed);
	keepers->scanned += worker->bytes;
	mf_vec_deinit(&worker->typed);
	free(worker);
}

/* ---- begin and end ------------------------------------------------------------- */

/* What a read has made, and a tree of it. */
static void forget(struct mf_keepers *keepers)
{
	mf_graph_destroy(keepers->graph);
	keepers->graph = NULL;
	mf_vec_deinit(&keepers->typed);
	mf_roots_deinit(&keepers->roots);
	mf_vec_deinit(&keepers->asked);
	keepers->scanned = 0;
	mf_keepers_forget_tree(keepers);
}

void mf_keepers_begin(struct mf_keepers *keepers,
		      const struct mf_scan_input *input)
{
	const struct mf_roots_options of_roots = {
		.static_tls = keepers->places.static_tls,
	};
	struct mf_graph_options options = { .tagged = keepers->options.tagged };

	forget(keepers);
	keepers->places.space = input->space;
	keepers->places.heap = input->heap;
	mf_roots_find(keepers->target, input->space, input->heap, &of_roots,
		      &keepers->roots);
	options.mappings = keepers->roots.mappings.items;
	options.mapping_count = keepers->roots.mappings.count;
	keepers->graph = mf_graph_create(input->heap, &options);
	mf_graph_hide_allocators(keepers->graph, input->heap);
}

static int by_node(const void *a, const void *b)
{
	const struct mf_typed_node *left = a, *right = b;

	return (left->node > right->node) - (left->node < right->node);
}

void mf_keepers_end(struct mf_keepers *keepers)
{
	const struct mf_graph *graph = keepers->graph;

	mf_graph_seal(keepers->graph);
	mf_vec_sort(&keepers->typed, by_node);
	mf_debug("scan", "graph: %llu chunks, %llu pointers in %llu bytes",
		 (unsigned long long)graph->nodes.used_count,
		 (unsigned long long)graph->edges.count,
		 (unsigned long long)mf_graph_memory(graph));
}

/* ---- a pass of its own --------------------------------------------------------- */

/* What one thread works with. */
struct crew {
	const struct mf_scan_plan *plan;
	struct mf_scan_pieces pieces;
	struct mf_keepers_worker *worker;
};

static void scan_batch(void *data, const struct mf_scan_batch *batch)
{
	struct crew *crew = data;

	for (size_t i = 0; i < batch->slices.count; i++) {
		struct mf_scan_window window = mf_scan_plan_cut(
			crew->plan, batch, &batch->slices.items[i],
			&crew->pieces);

		mf_keepers_window(crew->worker, &window);
	}
}

static struct mf_error *pump(struct mf_keepers *keepers,
			     struct mf_scan_plan *plan)
{
	unsigned count = mf_scan_count_threads(keepers->options.threads);
	struct crew crews[MF_SCAN_THREADS_MAX] = { 0 };
	void *all[MF_SCAN_THREADS_MAX];
	struct mf_error *error;

	for (unsigned i = 0; i < count; i++) {
		crews[i].plan = plan;
		crews[i].worker = mf_keepers_worker_create(keepers);
		all[i] = &crews[i];
	}
	error = mf_scan_pump(plan, scan_batch, all, count);
	for (unsigned i = 0; i < count; i++) {
		mf_keepers_merge(keepers, crews[i].worker);
		mf_vec_deinit(&crews[i].pieces.list);
	}
	return error;
}

static void note_unasked(struct mf_keepers *keepers,
			 const struct mf_scan_input *input)
{
	if (input->range_count > keepers->asked.count)
		mf_target_note_partial(
			keepers->target, "retained",
			"%zu places are more than can be told of at once: the "
			"first %zu are",
			input->range_count, keepers->asked.count);
}

struct mf_error *mf_keepers_read(struct mf_keepers *keepers,
				 const struct mf_scan_input *input)
{
	struct mf_scan_input all = *input;
	struct mf_scan_plan plan;
	struct mf_error *error;

	mf_keepers_begin(keepers, input);
	for (size_t i = 0; i < input->range_count && i < ASKED_MAX; i++)
		mf_vec_push(&keepers->asked, input->ranges[i]);
	all.ranges = keepers->roots.scanned.items;
	all.range_count = keepers->roots.scanned.count;
	all.groups = keepers->roots.groups;
	all.group_count = MF_ROOT_GROUPS;
	mf_scan_plan_init(&plan, &all, false);
	error = pump(keepers, &plan);
	mf_keepers_end(keepers);
	if (!error) {
		mf_scan_missed_note(&plan.missed, keepers->target, "retained",
				    "pointers");
		note_unasked(keepers, input);
	}
	mf_scan_plan_deinit(&plan);
	return error;
}

/* ---- life ------------------------------------------------------------------------ */

struct mf_error *mf_keepers_create(struct mf_target *target,
				   struct mf_image *image,
				   const struct mf_keepers_options *options,
				   struct mf_keepers **ret)
{
	struct mf_keepers *keepers = mf_new(struct mf_keepers);
	struct mf_error *error;

	keepers->target = target;
	keepers->options = *options;
	mf_target_want_kernel_words(target);
	error = mf_types_create(target, image, &keepers->types);
	if (error) {
		mf_keepers_destroy(keepers);
		return error;
	}
	mf_places_init(&keepers->places, target, image, keepers->types);
	*ret = keepers;
	return NULL;
}

void mf_keepers_destroy(struct mf_keepers *keepers)
{
	if (!keepers)
		return;
	forget(keepers);
	mf_types_destroy(keepers->types);
	free(keepers);
}
