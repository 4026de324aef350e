/*
 * The algorithm of Lengauer and Tarjan (1979) with their simple linking: one
 * walk of the graph, depth first, numbers its vertices; then, from the highest
 * number down, semidominators are found with a forest whose paths are
 * compressed. Without recursion, since a list of a million links is a walk as
 * deep; and a number is never wider than 32 bits.
 */
#include "scan/dominators.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/memory.h"

void mf_flow_deinit(struct mf_flow *flow)
{
	free(flow->firsts);
	free(flow->successors);
	*flow = (struct mf_flow){ 0 };
}

void mf_dominators_deinit(struct mf_dominators *dominators)
{
	free(dominators->numbers);
	free(dominators->vertices);
	free(dominators->parents);
	*dominators = (struct mf_dominators){ 0 };
}

uint64_t mf_dominators_memory(uint64_t vertices, uint64_t edges)
{
	enum {
		OF_VERTEX = 7, /* words: both tables of edges, five arrays */
		OF_EDGE = 2,
	};

	return sizeof(uint32_t) * (OF_VERTEX * vertices + OF_EDGE * edges);
}

/* ---- the walk --------------------------------------------------------------- */

struct walk {
	const struct mf_flow *flow;
	struct mf_dominators *found;
	uint32_t *from; /* of each number, whose successor it was found as */
	uint32_t *next; /* of each number, which successor comes next */
	uint32_t late;	/* numbers from here on are of the late ones */
};

static uint32_t *new_numbers(size_t count)
{
	return mf_new_array(count ? count : 1, uint32_t);
}

static uint32_t enter(struct walk *walk, uint32_t vertex, uint32_t from)
{
	uint32_t number = walk->found->count++;

	if (vertex == walk->flow->late)
		walk->late = number;
	walk->found->numbers[vertex] = number;
	walk->found->vertices[number] = vertex;
	walk->from[number] = from;
	walk->next[number] = walk->flow->firsts[vertex];
	return number;
}

/* The next successor of NUMBER that nobody has been at; false: none is left. */
static bool take_successor(struct walk *walk, uint32_t number, uint32_t *ret)
{
	const struct mf_flow *flow = walk->flow;
	uint32_t end = flow->firsts[walk->found->vertices[number] + 1];
	uint32_t at = walk->next[number];

	while (at < end) {
		*ret = flow->successors[at++];
		if (walk->found->numbers[*ret] != MF_NO_NUMBER)
			continue;
		walk->next[number] = at;
		return true;
	}
	walk->next[number] = end;
	return false;
}

static void walk_all(struct walk *walk)
{
	uint32_t number = enter(walk, walk->flow->root, 0), vertex;

	for (;;) {
		if (take_successor(walk, number, &vertex))
			number = enter(walk, vertex, number);
		else if (number)
			number = walk->from[number];
		else
			return;
	}
}

/* ---- predecessors ------------------------------------------------------------- */

/* Of numbers, as numbers. */
struct predecessors {
	uint32_t *firsts, *items;
};

static bool is_edge(uint32_t from, uint32_t to, uint32_t late)
{
	return from < late || to >= late;
}

/* Counts, then sums: firsts[n] is where the predecessors of N end. */
static void count_predecessors(const struct walk *walk,
			       struct predecessors *ret)
{
	const struct mf_dominators *found = walk->found;
	const struct mf_flow *flow = walk->flow;
	uint32_t sum = 0;

	for (uint32_t i = 0; i < found->count; i++) {
		uint32_t vertex = found->vertices[i];

		for (uint32_t k = flow->firsts[vertex];
		     k < flow->firsts[vertex + 1]; k++) {
			uint32_t to = found->numbers[flow->successors[k]];

			ret->firsts[to] += is_edge(i, to, walk->late);
		}
	}
	for (uint32_t i = 0; i < found->count; i++) {
		sum += ret->firsts[i];
		ret->firsts[i] = sum;
	}
	ret->firsts[found->count] = sum;
}

static void find_predecessors(const struct walk *walk, struct predecessors *ret)
{
	const struct mf_dominators *found = walk->found;
	const struct mf_flow *flow = walk->flow;

	ret->firsts = new_numbers((size_t)found->count + 1);
	count_predecessors(walk, ret);
	ret->items = new_numbers(ret->firsts[found->count]);
	for (uint32_t i = found->count; i-- > 0;) {
		uint32_t vertex = found->vertices[i];

		for (uint32_t k = flow->firsts[vertex];
		     k < flow->firsts[vertex + 1]; k++) {
			uint32_t to = found->numbers[flow->successors[k]];

			if (is_edge(i, to, walk->late))
				ret->items[--ret->firsts[to]] = i;
		}
	}
}

/* ---- the forest ---------------------------------------------------------------- */

/*
 * Numbers above the one at hand are linked: to where the walk came from, and
 * once a path was compressed to the root of their tree.
 */
struct forest {
	uint32_t *ancestors;
	uint32_t *labels; /* on the way there, the one of least semidominator */
	/* semidominators of those that are linked; of the others, the first of
	 * those of which they are it, which then are a list in PARENTS */
	uint32_t *semis;
	uint32_t *parents;
};

/*
 * The number of least semidominator from NUMBER up to below its tree's root.
 * Numbers from LINKED on are linked. On the way up the path is turned round,
 * so that it is found again on the way down.
 */
static uint32_t evaluate(struct forest *forest, uint32_t number,
			 uint32_t linked)
{
	uint32_t *ancestors = forest->ancestors, *labels = forest->labels;
	uint32_t below = MF_NO_NUMBER, at = number, root;

	while (ancestors[at] >= linked) {
		uint32_t above = ancestors[at];

		ancestors[at] = below;
		below = at;
		at = above;
	}
	root = ancestors[at];
	while (below != MF_NO_NUMBER) {
		uint32_t lower = ancestors[below];

		if (forest->semis[labels[at]] < forest->semis[labels[below]])
			labels[below] = labels[at];
		ancestors[below] = root;
		at = below;
		below = lower;
	}
	return labels[at];
}

static uint32_t semidominator_of(struct forest *forest,
				 const struct predecessors *before,
				 uint32_t number)
{
	uint32_t least = forest->ancestors[number];

	for (uint32_t i = before->firsts[number];
	     i < before->firsts[number + 1]; i++) {
		uint32_t from = before->items[i];

		if (from > number)
			from = forest->semis[evaluate(forest, from,
						      number + 1)];
		least = MF_MIN(least, from);
	}
	return least;
}

/* Those whose semidominator NUMBER is: known, or known to be another's. */
static void settle(struct forest *forest, uint32_t number, uint32_t linked)
{
	uint32_t at = forest->semis[number];

	while (at != MF_NO_NUMBER) {
		uint32_t next = forest->parents[at];
		uint32_t least = evaluate(forest, at, linked);

		forest->parents[at] =
			forest->semis[least] < number ? least : number;
		at = next;
	}
	forest->semis[number] = MF_NO_NUMBER;
}

static void link_all(struct forest *forest, const struct predecessors *before,
		     uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		forest->labels[i] = i;
		forest->semis[i] = MF_NO_NUMBER;
	}
	for (uint32_t i = count; i-- > 1;) {
		uint32_t from = forest->ancestors[i];
		uint32_t semi = semidominator_of(forest, before, i);

		forest->parents[i] = forest->semis[semi];
		forest->semis[semi] = i;
		forest->semis[i] = semi;
		settle(forest, from, i);
	}
	forest->parents[0] = 0;
	for (uint32_t i = 1; i < count; i++)
		if (forest->parents[i] != forest->semis[i])
			forest->parents[i] =
				forest->parents[forest->parents[i]];
}

/* ---- all together ----------------------------------------------------------- */

void mf_dominators_find(struct mf_flow *flow, struct mf_dominators *ret)
{
	struct walk walk = {
		.flow = flow,
		.found = ret,
		.late = UINT32_MAX,
	};
	struct predecessors before;
	struct forest forest;

	*ret = (struct mf_dominators){
		.numbers = new_numbers(flow->count),
		.vertices = new_numbers(flow->count),
	};
	memset(ret->numbers, UINT8_MAX, flow->count * sizeof(*ret->numbers));
	walk.from = new_numbers(flow->count);
	walk.next = new_numbers(flow->count);
	walk_all(&walk);
	free(walk.next);
	find_predecessors(&walk, &before);
	mf_flow_deinit(flow);
	forest = (struct forest){
		.ancestors = walk.from,
		.labels = new_numbers(ret->count),
		.semis = new_numbers(ret->count),
		.parents = new_numbers(ret->count),
	};
	link_all(&forest, &before, ret->count);
	free(before.firsts);
	free(before.items);
	free(forest.ancestors);
	free(forest.labels);
	free(forest.semis);
	ret->parents = forest.parents;
	ret->late = walk.late;
}
