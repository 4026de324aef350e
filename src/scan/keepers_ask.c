/*
 * Answers questions about the tree: of one chunk or variable the way up to the
 * root, of all objects of a type or all chunks of a region which keepers hold
 * them; and of either what is free without it.
 */
#include "scan/keepers_ask.h"

#include <stdlib.h>

#include "scan/vtables.h"

enum {
	BITS = 64,
	NEAREST = 256, /* of a long way up: told of at its lower end */
	FARTHEST = 16, /* and at its upper end */
	HOLDERS = 1024,
};

struct question {
	const struct mf_keepers *keepers;
	struct mf_answer *answer;
	uint64_t *asked; /* a bit a number */
	uint64_t *held;	 /* the same of what these dominate, themselves too */
};

static bool has_bit(const uint64_t *bits, uint32_t number)
{
	return bits[number / BITS] >> number % BITS & 1;
}

static void set_bit(uint64_t *bits, uint32_t number)
{
	bits[number / BITS] |= UINT64_C(1) << number % BITS;
}

void mf_answer_deinit(struct mf_answer *answer)
{
	mf_vec_deinit(&answer->holders);
	mf_kept_lines_deinit(&answer->held);
}

/* ---- what was asked about ------------------------------------------------------- */

static void add_node(struct question *question, uint32_t node, uint64_t size)
{
	struct mf_answer *answer = question->answer;
	uint32_t number = question->keepers->tree.numbers[node];

	answer->count++;
	answer->bytes += size;
	if (number == MF_NO_NUMBER)
		return;
	answer->reached++;
	set_bit(question->asked, number);
}

static void add_number(struct question *question, uint32_t number)
{
	question->answer->number = number;
	question->answer->reached = 1;
	set_bit(question->asked, number);
}

/* The variable, the stack, ... that reaches into what was asked about. */
static bool add_keeper(struct question *question)
{
	const struct mf_keepers *keepers = question->keepers;
	const struct mf_answer *answer = question->answer;

	for (size_t i = 1; i < keepers->list.count; i++) {
		const struct mf_keeper *keeper = &keepers->list.items[i];

		if (keeper->start >= answer->end ||
		    keeper->end <= answer->start)
			continue;
		if (keeper->kind == MF_KEEPER_SECTION && answer->place.symbol)
			continue;
		add_number(question, keepers->tree.numbers[keepers->nodes + i]);
		return true;
	}
	return false;
}

static void add_if_inside(uint32_t node, const struct mf_node_bounds *bounds,
			  void *data)
{
	struct question *question = data;
	const struct mf_answer *answer = question->answer;

	if (bounds->start < answer->end && bounds->end > answer->start)
		add_node(question, node,
			 mf_keepers_node_size(question->keepers, bounds->start,
					      bounds->end));
}

/* One chunk, if the range lies in it; by its header, too. */
static bool add_one_node(struct question *question)
{
	const struct mf_keepers *keepers = question->keepers;
	const struct mf_nodes *nodes = &keepers->graph->nodes;
	struct mf_answer *answer = question->answer;
	const struct mf_place *place = &answer->place;
	uint64_t address = answer->start, offset, start, end;
	uint32_t node;

	if (place->in_chunk && address < place->user)
		address = place->user;
	node = mf_nodes_find(nodes, address, &offset);
	if (node == MF_NO_NODE)
		return false;
	start = mf_nodes_start(nodes, node, &end);
	if (answer->end > end && answer->end - answer->start > 1)
		return false;
	add_node(question, node, mf_keepers_node_size(keepers, start, end));
	answer->number = keepers->tree.numbers[node];
	return true;
}

static void add_range(struct question *question,
		      const struct mf_scan_range *range)
{
	const struct mf_keepers *keepers = question->keepers;
	struct mf_answer *answer = question->answer;

	answer->start = range->start;
	answer->end = range->end;
	mf_place_find(&keepers->places, range->start, &answer->place);
	mf_place_find_symbol(&keepers->places, &answer->place);
	if (!add_one_node(question) && !add_keeper(question))
		mf_nodes_each(&keepers->graph->nodes, add_if_inside, question);
}

static void add_type(struct question *question)
{
	const struct mf_keepers *keepers = question->keepers;
	const struct mf_nodes *nodes = &keepers->graph->nodes;
	struct mf_vtables *vtables = mf_types_vtables(keepers->types);
	mf_auto_free bool *is_wanted =
		mf_new_array(vtables->classes.count + 1, bool);

	question->answer->type = keepers->options.type;
	for (uint32_t i = 0; i < vtables->classes.count; i++)
		is_wanted[i] = mf_type_matches(
			&(struct mf_type){
				.name = mf_vtables_name(vtables, i) },
			keepers->options.type);
	for (size_t i = 0; i < keepers->typed.count; i++) {
		const struct mf_typed_node *typed = &keepers->typed.items[i];
		uint64_t start, end;

		if (!is_wanted[typed->class])
			continue;
		start = mf_nodes_start(nodes, typed->node, &end);
		add_node(question, typed->node,
			 mf_keepers_node_size(keepers, start, end));
	}
}

/* ---- who holds it ---------------------------------------------------------------- */

static void add_holder(struct question *question, uint32_t number)
{
	struct mf_answer *answer = question->answer;

	mf_vec_push(&answer->holders, (struct mf_holder){
					      .number = number,
					      .count = answer->count,
					      .bytes = answer->bytes,
				      });
}

/* A module and the root hold what several of their parts do; what one of them
 * does is that one's. */
static bool is_told_of(const struct mf_keepers *keepers, uint32_t number,
		       uint32_t below)
{
	const struct mf_keeper *keeper = mf_keeper_of(keepers, number);

	return !keeper || !mf_keeper_of(keepers, below) ||
	       (keeper->kind != MF_KEEPER_ROOT &&
		keeper->kind != MF_KEEPER_MODULE);
}

/* From what holds it at once up to the root. */
static void list_way(struct question *question)
{
	const uint32_t *parents = question->keepers->tree.parents;
	struct mf_answer *answer = question->answer;
	uint32_t last[FARTHEST];
	uint64_t steps = 0;
	uint32_t at, below;

	for (below = answer->number; below; below = at) {
		at = parents[below];
		if (!is_told_of(question->keepers, at, below))
			continue;
		if (steps < NEAREST)
			add_holder(question, at);
		last[steps++ % FARTHEST] = at;
	}
	if (steps <= NEAREST)
		return;
	answer->omitted = steps - NEAREST;
	answer->omitted -= MF_MIN(answer->omitted, (uint64_t)FARTHEST);
	for (uint64_t i = NEAREST + answer->omitted; i < steps; i++)
		add_holder(question, last[i % FARTHEST]);
}

static int by_bytes(const void *a, const void *b)
{
	const struct mf_holder *left = a, *right = b;

	if (left->bytes != right->bytes)
		return left->bytes < right->bytes ? 1 : -1;
	return (left->number > right->number) - (left->number < right->number);
}

/* The keepers that are nearest to what is not held by others of it. */
static void list_keepers(struct question *question)
{
	const struct mf_keepers *keepers = question->keepers;
	const struct mf_dominators *tree = &keepers->tree;
	mf_auto_free uint32_t *nearest = mf_new_array(tree->count, uint32_t);
	mf_auto_free struct mf_holder *sums =
		mf_new_array(keepers->list.count, struct mf_holder);
	struct mf_answer *answer = question->answer;

	for (uint32_t i = 0; i < tree->count; i++) {
		const struct mf_keeper *keeper = mf_keeper_of(keepers, i);

		nearest[i] = keeper ? (uint32_t)(keeper - keepers->list.items)
				    : nearest[tree->parents[i]];
		if (!has_bit(question->asked, i))
			continue;
		sums[nearest[i]].count++;
		sums[nearest[i]].bytes += mf_keepers_size(keepers, i);
	}
	for (uint32_t i = 0; i < keepers->list.count; i++) {
		sums[i].number = tree->numbers[keepers->nodes + i];
		if (sums[i].count)
			mf_vec_push(&answer->holders, sums[i]);
	}
	mf_vec_sort(&answer->holders, by_bytes);
	if (answer->holders.count > HOLDERS) {
		answer->omitted = answer->holders.count - HOLDERS;
		answer->holders.count = HOLDERS;
	}
}

/* ---- what it holds --------------------------------------------------------------- */

static void find_held(struct question *question)
{
	const struct mf_keepers *keepers = question->keepers;
	const struct mf_dominators *tree = &keepers->tree;
	struct mf_answer *answer = question->answer;

	for (uint32_t i = 0; i < tree->count; i++) {
		bool is_below = i && has_bit(question->held, tree->parents[i]);

		if (!is_below && !has_bit(question->asked, i))
			continue;
		set_bit(question->held, i);
		if (is_below)
			continue;
		answer->retained += keepers->bytes[i];
		answer->chunks += keepers->chunks[i];
	}
	mf_kept_lines_sum(keepers, question->held, &answer->held);
}

bool mf_keepers_answer(const struct mf_keepers *keepers, size_t index,
		       struct mf_answer *ret)
{
	size_t words = keepers->tree.count / BITS + 1;
	struct question question = { .keepers = keepers, .answer = ret };

	if (index > keepers->asked.count ||
	    (index == keepers->asked.count && !keepers->options.type))
		return false;
	*ret = (struct mf_answer){ .number = MF_NO_NUMBER };
	question.asked = mf_new_array(words, uint64_t);
	question.held = mf_new_array(words, uint64_t);
	if (index < keepers->asked.count)
		add_range(&question, &keepers->asked.items[index]);
	else
		add_type(&question);
	if (ret->number != MF_NO_NUMBER)
		list_way(&question);
	else
		list_keepers(&question);
	find_held(&question);
	free(question.asked);
	free(question.held);
	return true;
}
