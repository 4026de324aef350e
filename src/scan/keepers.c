/*
 * From the graph to what each of its vertices retains: the bytes of all chunks
 * that it dominates, itself included. Pointers that are none can only add
 * paths, so that each retains at least as much as is said.
 */
#include "scan/keepers.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/units.h"
#include "scan/vtables.h"

const char *mf_keeper_kind_name(enum mf_keeper_kind kind)
{
	static const char *const names[MF_KEEPER_KINDS] = {
		[MF_KEEPER_ROOT] = "root",
		[MF_KEEPER_MODULE] = "module",
		[MF_KEEPER_VARIABLE] = "variable",
		[MF_KEEPER_SECTION] = "section",
		[MF_KEEPER_THREAD] = "thread",
		[MF_KEEPER_STACK] = "stack",
		[MF_KEEPER_REGISTERS] = "registers",
		[MF_KEEPER_TLS] = "tls",
		[MF_KEEPER_MEMORY] = "memory",
		[MF_KEEPER_KERNEL] = "kernel",
	};

	return names[kind];
}

void mf_keepers_forget_tree(struct mf_keepers *keepers)
{
	mf_vec_deinit(&keepers->list);
	mf_vec_deinit(&keepers->type_list);
	mf_dominators_deinit(&keepers->tree);
	free(keepers->bytes);
	free(keepers->chunks);
	free(keepers->sizes);
	free(keepers->type_of);
	keepers->bytes = NULL;
	keepers->chunks = keepers->sizes = keepers->type_of = NULL;
	keepers->in_use_bytes = keepers->in_use_count = 0;
}

/* ---- sizes ------------------------------------------------------------------ */

uint64_t mf_keepers_node_size(const struct mf_keepers *keepers, uint64_t start,
			      uint64_t end)
{
	struct mf_chunk chunk;

	if (keepers->places.heap &&
	    mf_heap_chunk_at(keepers->places.heap, start, &chunk))
		return chunk.size;
	return end - start;
}

static void add_size(uint32_t node, const struct mf_node_bounds *bounds,
		     void *data)
{
	struct mf_keepers *keepers = data;
	uint32_t number = keepers->tree.numbers[node];
	uint64_t size = bounds->end - bounds->start;

	if (bounds->last)
		size = mf_keepers_node_size(keepers, bounds->start,
					    bounds->end);
	keepers->in_use_bytes += size;
	keepers->in_use_count++;
	if (number == MF_NO_NUMBER)
		return;
	keepers->bytes[number] = size;
	keepers->chunks[number] = 1;
	keepers->sizes[number] =
		(uint32_t)MF_MIN(size / sizeof(uint64_t), (uint64_t)UINT32_MAX);
}

/* From the highest number down: what is dominated comes before its dominator.
 */
static void sum_up(struct mf_keepers *keepers)
{
	const struct mf_dominators *tree = &keepers->tree;

	keepers->bytes = mf_new_array(tree->count, uint64_t);
	keepers->chunks = mf_new_array(tree->count, uint32_t);
	keepers->sizes = mf_new_array(tree->count, uint32_t);
	mf_nodes_each(&keepers->graph->nodes, add_size, keepers);
	for (uint32_t i = tree->count; i-- > 1;) {
		keepers->bytes[tree->parents[i]] += keepers->bytes[i];
		keepers->chunks[tree->parents[i]] += keepers->chunks[i];
	}
}

/* ---- types ------------------------------------------------------------------ */

static int by_name(const void *a, const void *b)
{
	const struct mf_keeper_type *left = a, *right = b;
	int order = strcmp(left->name, right->name);

	if (!order)
		order = strcmp(left->module, right->module);
	return order ? order
		     : (left->class > right->class) -
			       (left->class < right->class);
}

static bool is_same(const struct mf_keeper_type *a,
		    const struct mf_keeper_type *b)
{
	return !strcmp(a->name, b->name) && ((!a->internal && !b->internal) ||
					     !strcmp(a->module, b->module));
}

/* The types of all classes that were seen, each name of a module once. OF_CLASS
 * is of each class its type's index + 1; 1 where there are any of it. */
static void list_types(struct mf_keepers *keepers, uint32_t *of_class)
{
	struct mf_vtables *vtables = mf_types_vtables(keepers->types);
	size_t kept = 0;

	for (uint32_t i = 0; i < vtables->classes.count; i++) {
		const struct mf_vtable_class *class =
			&vtables->classes.items[i];

		if (of_class[i])
			mf_vec_push(&keepers->type_list,
				    (struct mf_keeper_type){
					    .name = mf_vtables_name(vtables, i),
					    .language = mf_vtables_language(
						    vtables, i),
					    .evidence = mf_vtable_proof_name(
						    class->proof),
					    .module = class->module->name,
					    .class = i,
					    .internal = class->internal,
				    });
	}
	mf_vec_sort(&keepers->type_list, by_name);
	for (size_t i = 0; i < keepers->type_list.count; i++) {
		struct mf_keeper_type *list = keepers->type_list.items;

		if (!kept || !is_same(&list[kept - 1], &list[i]))
			list[kept++] = list[i];
		of_class[list[i].class] = (uint32_t)kept;
	}
	keepers->type_list.count = kept;
}

static void note_typed(struct mf_keepers *keepers,
		       const struct mf_typed_node *typed, uint32_t type)
{
	struct mf_keeper_type *row = &keepers->type_list.items[type - 1];
	uint32_t number = keepers->tree.numbers[typed->node];
	uint64_t end, start = mf_nodes_start(&keepers->graph->nodes,
					     typed->node, &end);

	row->count++;
	row->bytes += mf_keepers_node_size(keepers, start, end);
	if (number != MF_NO_NUMBER)
		keepers->type_of[number] = type;
}

static void find_types(struct mf_keepers *keepers)
{
	const struct mf_vtables *vtables = mf_types_vtables(keepers->types);
	mf_auto_free uint32_t *of_class =
		mf_new_array(vtables->classes.count + 1, uint32_t);

	if (!keepers->typed.count)
		return;
	keepers->type_of = mf_new_array(keepers->tree.count, uint32_t);
	mf_vec_foreach(typed, &keepers->typed)
		of_class[typed->class] = 1;
	list_types(keepers, of_class);
	mf_vec_foreach(typed, &keepers->typed)
		note_typed(keepers, typed, of_class[typed->class]);
}

/* ---- what types retain ---------------------------------------------------------- */

/* The dominator tree downwards, and of each type how many of it lie above. */
struct descent {
	struct mf_keepers *keepers;
	uint32_t *first, *next; /* children, siblings; 0: none */
	uint32_t *above;
};

static void enter(struct descent *descent, uint32_t number)
{
	struct mf_keepers *keepers = descent->keepers;
	uint32_t type = keepers->type_of[number];

	if (type && !descent->above[type - 1]++)
		keepers->type_list.items[type - 1].retained +=
			keepers->bytes[number];
}

static void leave(struct descent *descent, uint32_t number)
{
	uint32_t type = descent->keepers->type_of[number];

	if (type)
		descent->above[type - 1]--;
}

static void descend(struct descent *descent)
{
	const uint32_t *parents = descent->keepers->tree.parents;
	uint32_t at = 0;

	for (;;) {
		enter(descent, at);
		if (descent->first[at]) {
			at = descent->first[at];
			continue;
		}
		for (; at && !descent->next[at]; at = parents[at])
			leave(descent, at);
		if (!at)
			return;
		leave(descent, at);
		at = descent->next[at];
	}
}

/* All objects of a type together: what lies in another of it counts once. */
static void sum_types(struct mf_keepers *keepers)
{
	const struct mf_dominators *tree = &keepers->tree;
	struct descent descent = { .keepers = keepers };

	if (!keepers->type_of)
		return;
	descent.first = mf_new_array(tree->count, uint32_t);
	descent.next = mf_new_array(tree->count, uint32_t);
	descent.above = mf_new_array(keepers->type_list.count, uint32_t);
	for (uint32_t i = tree->count; i-- > 1;) {
		descent.next[i] = descent.first[tree->parents[i]];
		descent.first[tree->parents[i]] = i;
	}
	descend(&descent);
	free(descent.first);
	free(descent.next);
	free(descent.above);
}

/* ---- all together ----------------------------------------------------------- */

static void note_dropped(struct mf_keepers *keepers)
{
	if (keepers->graph->edges.dropped)
		mf_target_note_partial(
			keepers->target, "retained",
			"%llu pointers are more than can be kept: what is "
			"reached by them alone is missing",
			(unsigned long long)keepers->graph->edges.dropped);
}

static void note_too_large(struct mf_keepers *keepers)
{
	char needed[MF_UNIT_TEXT], limit[MF_UNIT_TEXT];

	mf_target_note_partial(
		keepers->target, "retained",
		"a tree of %u chunks and %llu pointers takes up to %s of our "
		"memory, and the limit is %s: there is none",
		keepers->graph->nodes.used_count,
		(unsigned long long)keepers->graph->edges.count,
		mf_format_size(needed, keepers->memory),
		mf_format_size(limit, keepers->options.limit));
}

void mf_keepers_finish(struct mf_keepers *keepers)
{
	struct mf_flow flow;

	mf_keepers_forget_tree(keepers);
	if (!keepers->options.limit)
		keepers->options.limit = MF_KEEPERS_LIMIT;
	note_dropped(keepers);
	if (!mf_keepers_make_flow(keepers, &flow)) {
		note_too_large(keepers);
		return;
	}
	mf_dominators_find(&flow, &keepers->tree);
	sum_up(keepers);
	find_types(keepers);
	sum_types(keepers);
	mf_debug("scan", "tree: %u vertices, %zu keepers, %llu bytes at most",
		 keepers->tree.count, keepers->list.count,
		 (unsigned long long)keepers->memory);
}

bool mf_keepers_of_type(const struct mf_keepers *keepers, const char *name,
			const struct mf_vtable_class *class, uint64_t *ret)
{
	const struct mf_keeper_type like = {
		.name = name,
		.module = class->module->name,
		.internal = class->internal,
	};

	for (size_t i = 0; i < keepers->type_list.count; i++) {
		if (!is_same(&keepers->type_list.items[i], &like))
			continue;
		*ret = keepers->type_list.items[i].retained;
		return true;
	}
	return false;
}
