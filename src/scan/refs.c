/*
 * Who points at a target: reads all memory that can hold pointers once, and
 * keeps the words that point there; for paths or types also the graph of all
 * pointers to chunks.
 */
#include "scan/refs.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/log.h"
#include "scan/engine.h"
#include "scan/sources.h"

enum {
	TYPES_READ = 4096, /* references whose chunk's type is looked for */
	WORD = 8,
	SHARED = 16, /* of a shared object: its counts before it */
	BITS = 64,
};

struct mf_error *mf_refs_create(struct mf_target *target,
				struct mf_image *image,
				const struct mf_refs_options *options,
				struct mf_refs **ret)
{
	struct mf_refs *refs = mf_new(struct mf_refs);
	struct mf_error *error;

	refs->target = target;
	refs->options = *options;
	error = mf_types_create(target, image, &refs->types);
	if (error) {
		mf_refs_destroy(refs);
		return error;
	}
	mf_places_init(&refs->places, target, image, refs->types);
	*ret = refs;
	return NULL;
}

/* What a read has made, but for room that the next one can use. */
static void forget(struct mf_refs *refs)
{
	mf_graph_destroy(refs->graph);
	refs->graph = NULL;
	mf_hits_deinit(&refs->hits);
	mf_vec_deinit(&refs->targets);
	mf_vec_deinit(&refs->typed);
	mf_vec_deinit(&refs->steps);
	mf_vec_deinit(&refs->roots);
	mf_vec_deinit(&refs->levels);
	mf_vec_deinit(&refs->references);
	mf_vec_deinit(&refs->step_places);
	mf_map_deinit(&refs->place_of_step);
	refs->words = refs->register_words = refs->scanned = 0;
	refs->paths = refs->typed_count = 0;
}

void mf_refs_destroy(struct mf_refs *refs)
{
	if (!refs)
		return;
	forget(refs);
	mf_types_destroy(refs->types);
	free(refs);
}

/* ---- the target ------------------------------------------------------------ */

/* One address is what holds it: a chunk, or a variable. */
static void widen(const struct mf_refs *refs, struct mf_ref_target *target)
{
	struct mf_place *place = &target->place;

	mf_place_find(&refs->places, target->start, place);
	mf_place_find_symbol(&refs->places, place);
	if (target->end - target->start != 1)
		return;
	if (place->in_chunk && place->kind != MF_PLACE_ALLOCATOR) {
		target->start = place->user;
		target->end = MF_MAX(place->user_end, place->user + 1);
		mf_place_read_type(&refs->places, place);
	} else if (place->symbol && place->symbol_size) {
		target->start = place->symbol_start;
		target->end = place->symbol_start + place->symbol_size;
	}
}

static void set_targets(struct mf_refs *refs, const struct mf_scan_input *input)
{
	for (size_t i = 0; i < input->range_count; i++) {
		struct mf_ref_target target = {
			.start = input->ranges[i].start,
			.end = input->ranges[i].end,
			.count = 1,
		};

		widen(refs, &target);
		mf_hits_add_range(&refs->hits, target.start, target.end);
		mf_vec_push(&refs->targets, target);
	}
	mf_hits_seal(&refs->hits);
}

/* ---- the pass -------------------------------------------------------------- */

/* What one thread works with. */
struct crew {
	struct mf_refs *refs;
	const struct mf_scan_plan *plan;
	struct mf_scan_pieces pieces;
	struct mf_hits_worker *hits;
	struct mf_graph_worker *graph; /* NULL: not wanted */
	struct mf_map vtables;	       /* word: 1, if of the type asked for */
	pthread_mutex_t *lock;	       /* of types */
	MF_VEC(uint32_t) typed;
	uint64_t bytes;
};

static bool wants_graph(const struct mf_refs *refs)
{
	return refs->options.depth > 1 || refs->options.type;
}

static bool ask_type(struct crew *crew, uint64_t word)
{
	struct mf_refs *refs = crew->refs;
	struct mf_type type;
	bool is_wanted;

	pthread_mutex_lock(crew->lock);
	is_wanted = mf_types_at(refs->types, word, &type) && !type.offset &&
		    mf_type_matches(&type, refs->options.type);
	pthread_mutex_unlock(crew->lock);
	return is_wanted;
}

/* Words that can be a vtable's are few different ones; each is asked once. */
static bool is_of_type(struct crew *crew, uint64_t word)
{
	const uint64_t *known;
	bool is_wanted;

	if (!mf_image_module_at(crew->refs->places.image, word))
		return false;
	known = mf_map_get(&crew->vtables, word);
	if (known)
		return *known;
	is_wanted = ask_type(crew, word);
	mf_map_set(&crew->vtables, word, is_wanted);
	return is_wanted;
}

static void look_for_type(struct crew *crew,
			  const struct mf_scan_window *window,
			  const struct mf_scan_piece *piece)
{
	uint64_t address = window->address + piece->start, offset;
	const uint8_t *bytes = window->bytes + piece->start;
	uint32_t size = piece->end - piece->start, node;

	if (!piece->begins || !piece->chunk || size < WORD ||
	    !(is_of_type(crew, mf_load(uint64_t, bytes)) ||
	      (size >= SHARED + WORD &&
	       is_of_type(crew, mf_load(uint64_t, bytes + SHARED)))))
		return;
	node = mf_nodes_find(&crew->refs->graph->nodes, address, &offset);
	if (node != MF_NO_NODE)
		mf_vec_push(&crew->typed, node);
}

static void scan_window(struct crew *crew, const struct mf_scan_window *window)
{
	for (uint32_t i = 0; i < window->piece_count; i++)
		crew->bytes += window->pieces[i].end - window->pieces[i].start;
	if (crew->refs->hits.ranges.count)
		mf_hits_window(crew->hits, window);
	if (crew->graph)
		mf_graph_window(crew->graph, window);
	for (uint32_t i = 0;
	     crew->refs->options.type && i < window->piece_count; i++)
		look_for_type(crew, window, &window->pieces[i]);
}

static void scan_batch(void *data, const struct mf_scan_batch *batch)
{
	struct crew *crew = data;

	for (size_t i = 0; i < batch->slices.count; i++) {
		struct mf_scan_window window = mf_scan_plan_cut(
			crew->plan, batch, &batch->slices.items[i],
			&crew->pieces);

		scan_window(crew, &window);
	}
}

static void *create_crew(struct mf_refs *refs, const struct mf_scan_plan *plan,
			 pthread_mutex_t *lock)
{
	struct crew *crew = mf_new(struct crew);

	crew->refs = refs;
	crew->plan = plan;
	crew->lock = lock;
	crew->hits = mf_hits_worker_create(&refs->hits);
	if (wants_graph(refs))
		crew->graph = mf_graph_worker_create(refs->graph);
	return crew;
}

static void dismiss_crew(struct crew *crew)
{
	struct mf_refs *refs = crew->refs;

	mf_hits_merge(&refs->hits, crew->hits);
	if (crew->graph)
		mf_graph_merge(refs->graph, crew->graph);
	mf_vec_foreach(node, &crew->typed)
		refs->typed.items[*node / BITS] |= UINT64_C(1) << *node % BITS;
	refs->typed_count += crew->typed.count;
	refs->scanned += crew->bytes;
	mf_vec_deinit(&crew->typed);
	mf_vec_deinit(&crew->pieces.list);
	mf_map_deinit(&crew->vtables);
	free(crew);
}

static void tell_graph(const struct mf_refs *refs)
{
	const struct mf_graph *graph = refs->graph;

	mf_debug("scan", "graph: %llu chunks, %llu pointers in %llu bytes",
		 (unsigned long long)graph->nodes.used_count,
		 (unsigned long long)graph->edges.count,
		 (unsigned long long)mf_graph_memory(graph));
}

static struct mf_error *pump(struct mf_refs *refs, struct mf_scan_plan *plan)
{
	unsigned count = mf_scan_count_threads(refs->options.threads);
	void *crews[MF_SCAN_THREADS_MAX];
	pthread_mutex_t lock;
	struct mf_error *error;

	pthread_mutex_init(&lock, NULL);
	for (unsigned i = 0; i < count; i++)
		crews[i] = create_crew(refs, plan, &lock);
	error = mf_scan_pump(plan, scan_batch, crews, count);
	for (unsigned i = 0; i < count; i++)
		dismiss_crew(crews[i]);
	pthread_mutex_destroy(&lock);
	mf_hits_finish(&refs->hits);
	mf_graph_seal(refs->graph);
	if (wants_graph(refs))
		tell_graph(refs);
	return error;
}

static void note_missed(struct mf_refs *refs,
			const struct mf_scan_missed *missed)
{
	mf_scan_missed_note(missed, refs->target, "references", "some");
	if (refs->graph->edges.dropped)
		mf_target_note_partial(
			refs->target, "paths",
			"%llu pointers are more than can be kept: some paths "
			"may be missing",
			(unsigned long long)refs->graph->edges.dropped);
}

static struct mf_error *scan(struct mf_refs *refs,
			     const struct mf_scan_input *input)
{
	struct mf_sources sources;
	struct mf_scan_plan plan;
	struct mf_scan_input all = *input;
	struct mf_error *error;

	mf_sources_find(refs->target, input->space, &sources);
	all.ranges = sources.ranges.items;
	all.range_count = sources.ranges.count;
	all.groups = &sources.group;
	all.group_count = 1;
	mf_scan_plan_init(&plan, &all, refs->options.free_too);
	error = pump(refs, &plan);
	if (!error)
		note_missed(refs, &plan.missed);
	mf_scan_plan_deinit(&plan);
	mf_sources_deinit(&sources);
	return error;
}

/* ---- registers ------------------------------------------------------------- */

void mf_refs_each_register(struct mf_target *target, mf_register_visitor visit,
			   void *data)
{
	size_t count;
	const struct mf_thread *threads = mf_target_threads(target, &count);

	for (size_t i = 0; i < count; i++)
		for (size_t k = 0;
		     threads[i].registers_known && mf_target_register_name(k);
		     k++)
			visit(&threads[i], k, threads[i].general[k], data);
}

static bool is_target(struct mf_refs *refs, uint64_t value, bool *tagged)
{
	const struct mf_hit_range *range =
		mf_hits_range_of(&refs->hits, value, tagged);
	uint64_t offset;
	uint32_t node;

	if (range) {
		refs->hits.ranges.items[range - refs->hits.ranges.items]
			.words++;
		return true;
	}
	if (!refs->typed_count)
		return false;
	node = mf_graph_target(refs->graph, value, &offset, tagged);
	return node != MF_NO_NODE && mf_refs_is_typed(refs, node) &&
	       !(refs->options.exact && offset);
}

static void look_at_register(const struct mf_thread *thread, size_t number,
			     uint64_t value, void *data)
{
	struct mf_refs *refs = data;
	bool tagged;

	if (!is_target(refs, value, &tagged))
		return;
	refs->register_words++;
	refs->paths++;
	if (refs->roots.count >= MF_REFS_PATHS)
		return;
	mf_vec_push(&refs->roots, (uint32_t)refs->steps.count);
	mf_vec_push(&refs->steps, (struct mf_ref_step){
					  .value = value,
					  .node = MF_NO_NODE,
					  .next = MF_REFS_TARGET,
					  .level = 1,
					  .tagged = tagged,
					  .number = (uint8_t)number,
					  .tid = thread->tid,
				  });
}

/* ---- types ----------------------------------------------------------------- */

/* Only once all is read it is known which chunks are of the type. */
static void find_words_to_types(struct mf_refs *refs)
{
	struct mf_edge_cursor cursor = mf_edges_from(&refs->graph->edges, 0);
	struct mf_nodes *nodes = &refs->graph->nodes;
	struct mf_edge edge;

	while (refs->typed_count && mf_edge_next(&cursor, &edge)) {
		uint64_t offset, end;
		uint32_t from;

		if (!mf_refs_is_typed(refs, edge.node) ||
		    (refs->options.exact && edge.offset))
			continue;
		from = mf_nodes_find(nodes, edge.slot, &offset);
		mf_hits_note(&refs->hits,
			     &(struct mf_hit){
				     .slot = edge.slot,
				     .value = mf_nodes_start(nodes, edge.node,
							     &end) +
					      edge.offset,
				     .chunk = from == MF_NO_NODE
						      ? 0
						      : edge.slot - offset,
			     });
	}
	mf_hits_finish(&refs->hits);
}

/* ---- the result ------------------------------------------------------------ */

/* The place of the word of STEP. */
static void place_of(const struct mf_refs *refs, const struct mf_ref_step *step,
		     struct mf_place *ret)
{
	if (step->slot) {
		mf_place_find(&refs->places, step->slot, ret);
		return;
	}
	*ret = (struct mf_place){
		.kind = MF_PLACE_REGISTER,
		.tid = step->tid,
		.register_name = mf_target_register_name(step->number),
	};
}

static void aim(const struct mf_refs *refs, struct mf_reference *reference)
{
	uint64_t offset = 0;
	uint32_t node;
	const struct mf_hit_range *range = mf_hits_range_of(
		&refs->hits, reference->value, &reference->tagged);
	uint64_t plain = reference->value;

	if (range) {
		if (reference->tagged)
			plain = plain << 16 >> 16;
		reference->target = range->start;
		reference->offset = plain - range->start;
		return;
	}
	node = mf_graph_target(refs->graph, reference->value, &offset,
			       &reference->tagged);
	if (node != MF_NO_NODE)
		reference->target =
			mf_nodes_start(&refs->graph->nodes, node, &plain);
	reference->offset = offset;
}

static void add_reference(struct mf_refs *refs, const struct mf_ref_step *step)
{
	struct mf_reference reference = { .value = step->value };

	place_of(refs, step, &reference.place);
	aim(refs, &reference);
	if (refs->references.count < TYPES_READ)
		mf_place_read_type(&refs->places, &reference.place);
	mf_vec_push(&refs->references, reference);
}

static int by_place(const void *a, const void *b)
{
	const struct mf_reference *left = a, *right = b;

	if (left->place.kind != right->place.kind)
		return left->place.kind < right->place.kind ? -1 : 1;
	if (left->place.address != right->place.address)
		return left->place.address < right->place.address ? -1 : 1;
	return left->place.tid - right->place.tid;
}

static void list_references(struct mf_refs *refs, size_t registers)
{
	for (size_t i = 0; i < registers; i++)
		add_reference(refs, &refs->steps.items[i]);
	for (int i = 0; i < MF_HIT_FROM; i++)
		mf_vec_foreach(hit, &refs->hits.lists[i].hits)
			add_reference(refs, &(struct mf_ref_step){
						    .slot = hit->slot,
						    .value = hit->value,
					    });
	mf_vec_sort(&refs->references, by_place);
	refs->words = refs->register_words +
		      refs->hits.lists[MF_HIT_ROOT].total +
		      refs->hits.lists[MF_HIT_CHUNK].total;
}

/* Those of one path, as far as another has not been here before. */
static void list_path(struct mf_refs *refs, uint32_t step)
{
	for (; step != MF_REFS_TARGET; step = refs->steps.items[step].next) {
		struct mf_place place;

		if (mf_map_has(&refs->place_of_step, step))
			return;
		mf_map_set(&refs->place_of_step, step, refs->step_places.count);
		place_of(refs, &refs->steps.items[step], &place);
		if (refs->step_places.count < TYPES_READ)
			mf_place_read_type(&refs->places, &place);
		mf_vec_push(&refs->step_places, place);
	}
}

static void list_paths(struct mf_refs *refs)
{
	if (refs->options.depth > 1)
		mf_refs_find_paths(refs);
	mf_vec_foreach(root, &refs->roots)
		list_path(refs, *root);
}

/* The first level is all words, not only those that are kept. */
static void tally_first(struct mf_refs *refs)
{
	mf_vec_push(&refs->levels,
		    (struct mf_ref_level){
			    .words = refs->words,
			    .roots = refs->register_words +
				     refs->hits.lists[MF_HIT_ROOT].total,
		    });
}

static void prepare(struct mf_refs *refs, const struct mf_scan_input *input)
{
	const struct mf_graph_options options = {
		.tagged = refs->options.tagged,
	};

	forget(refs);
	refs->places.space = input->space;
	refs->places.heap = input->heap;
	refs->graph = mf_graph_create(wants_graph(refs) ? input->heap : NULL,
				      &options);
	mf_graph_hide_allocators(refs->graph, input->heap);
	mf_hits_init(&refs->hits, input->space, refs->graph, MF_REFS_KEPT);
	refs->hits.tagged = refs->options.tagged;
	refs->hits.exact = refs->options.exact;
	for (size_t i = 0; refs->options.type &&
			   i <= mf_nodes_count(&refs->graph->nodes) / BITS;
	     i++)
		mf_vec_push(&refs->typed, 0);
	set_targets(refs, input);
}

struct mf_error *mf_refs_read(struct mf_refs *refs,
			      const struct mf_scan_input *input)
{
	size_t registers;

	prepare(refs, input);
	MF_TRY(scan(refs, input));
	find_words_to_types(refs);
	mf_refs_each_register(refs->target, look_at_register, refs);
	registers = refs->steps.count;
	list_references(refs, registers);
	tally_first(refs);
	list_paths(refs);
	return NULL;
}

void mf_refs_name_frames(struct mf_refs *refs,
			 const struct mf_frame_namer *namer)
{
	refs->places.namer = namer;
	mf_vec_foreach(target, &refs->targets)
		mf_place_find_symbol(&refs->places, &target->place);
}
