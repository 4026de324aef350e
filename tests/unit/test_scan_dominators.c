/*
 * Dominators of thousands of random graphs, against what is no longer reached
 * when each vertex is taken away in turn; and of graphs that are deep, that are
 * wide, and that make it hard.
 */
#include <stdbool.h>

#include "base/vec.h"
#include "scan/dominators.h"
#include "unit.h"

enum {
	GRAPHS = 6000,
	MOST = 40, /* vertices of a random one */
	DEEP = 300000,
};

struct pair {
	uint32_t from, to;
};

struct graph {
	uint32_t count;
	MF_VEC(struct pair) edges;
};

/* The same numbers in every run. */
static uint64_t next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return *state >> 33;
}

static void make_flow(const struct graph *graph, uint32_t root,
		      struct mf_flow *ret)
{
	*ret = (struct mf_flow){
		.count = graph->count,
		.root = root,
		.late = graph->count,
		.firsts = mf_new_array(graph->count + 1, uint32_t),
		.successors = mf_new_array(graph->edges.count + 1, uint32_t),
	};
	for (size_t i = 0; i < graph->edges.count; i++)
		ret->firsts[graph->edges.items[i].from]++;
	for (uint32_t i = 0, sum = 0; i <= graph->count; i++) {
		sum += i < graph->count ? ret->firsts[i] : 0;
		ret->firsts[i] = sum;
	}
	for (size_t i = graph->edges.count; i-- > 0;)
		ret->successors[--ret->firsts[graph->edges.items[i].from]] =
			graph->edges.items[i].to;
}

/* ---- the plain way ------------------------------------------------------------ */

/* Marks what is reached from ROOT when nobody may go through WITHOUT. */
static void reach(const struct graph *graph, uint32_t root, uint32_t without,
		  bool *reached)
{
	bool more = root != without;

	memset(reached, 0, MOST);
	reached[root] = more;
	while (more) {
		more = false;
		for (size_t i = 0; i < graph->edges.count; i++) {
			const struct pair *edge = &graph->edges.items[i];

			if (!reached[edge->from] || reached[edge->to] ||
			    edge->to == without)
				continue;
			reached[edge->to] = more = true;
		}
	}
}

struct plain {
	bool all[MOST];
	bool dominates[MOST][MOST]; /* [a][b]: a is on each way to b */
};

static void find_plain(const struct graph *graph, uint32_t root,
		       struct plain *ret)
{
	bool reached[MOST];

	reach(graph, root, UINT32_MAX, ret->all);
	for (uint32_t a = 0; a < graph->count; a++) {
		reach(graph, root, a, reached);
		for (uint32_t b = 0; b < graph->count; b++)
			ret->dominates[a][b] =
				a != b && ret->all[b] && !reached[b];
	}
}

/* The dominator that all others of VERTEX dominate. */
static uint32_t nearest(const struct plain *plain, uint32_t count,
			uint32_t vertex)
{
	uint32_t best = UINT32_MAX;

	for (uint32_t i = 0; i < count; i++)
		if (plain->dominates[i][vertex] &&
		    (best == UINT32_MAX || plain->dominates[best][i]))
			best = i;
	return best;
}

static void compare(const struct graph *graph, uint32_t root)
{
	struct mf_dominators found;
	struct plain plain;
	struct mf_flow flow;
	uint32_t reached = 0;

	find_plain(graph, root, &plain);
	make_flow(graph, root, &flow);
	mf_dominators_find(&flow, &found);
	assert_null(flow.firsts);
	assert_int_equal(found.numbers[root], 0);
	for (uint32_t i = 0; i < graph->count; i++) {
		uint32_t number = found.numbers[i];

		reached += plain.all[i];
		assert_int_equal(number != MF_NO_NUMBER, plain.all[i]);
		if (!plain.all[i])
			continue;
		assert_int_equal(found.vertices[number], i);
		if (i == root)
			continue;
		assert_true(found.parents[number] < number);
		assert_int_equal(found.vertices[found.parents[number]],
				 nearest(&plain, graph->count, i));
	}
	assert_int_equal(found.count, reached);
	assert_int_equal(found.parents[0], 0);
	mf_dominators_deinit(&found);
}

/* ---- random graphs ---------------------------------------------------------- */

/* From sparse trees to dense knots; with loops, and edges that come twice. */
static void make_random(struct graph *graph, uint64_t *random)
{
	uint32_t count = 1 + (uint32_t)(next_random(random) % MOST);
	uint32_t edges = (uint32_t)(next_random(random) % (3 * count + 1));

	graph->count = count;
	graph->edges.count = 0;
	for (uint32_t i = 1; i < count; i++)
		if (next_random(random) % 8)
			mf_vec_push(&graph->edges,
				    (struct pair){
					    (uint32_t)(next_random(random) % i),
					    i });
	for (uint32_t i = 0; i < edges; i++)
		mf_vec_push(&graph->edges,
			    (struct pair){
				    (uint32_t)(next_random(random) % count),
				    (uint32_t)(next_random(random) % count),
			    });
}

static void test_random_graphs_as_the_plain_way_says(void **state)
{
	struct graph graph = { 0 };
	uint64_t random = 7;

	(void)state;
	for (unsigned i = 0; i < GRAPHS; i++) {
		make_random(&graph, &random);
		compare(&graph, (uint32_t)(next_random(&random) % graph.count));
	}
	mf_vec_deinit(&graph.edges);
}

/* ---- graphs that are known -------------------------------------------------- */

/* The one of the paper of 1979, figure 1: R is 0, A to L are 1 to 12. */
static void test_the_graph_of_the_paper(void **state)
{
	static const char edges[] = "RA RB RC AD BA BD BE CF CG DL EH FI GI GJ "
				    "HE HK IK JI KI KR LH";
	static const char dominators[] = "RRRRRCCRRGRD";
	struct graph graph = { .count = 13 };
	struct mf_dominators found;
	struct mf_flow flow;

	(void)state;
	for (const char *at = edges; at < edges + sizeof(edges); at += 3)
		mf_vec_push(&graph.edges,
			    (struct pair){
				    at[0] == 'R' ? 0 : at[0] - 'A' + 1u,
				    at[1] == 'R' ? 0 : at[1] - 'A' + 1u,
			    });
	make_flow(&graph, 0, &flow);
	mf_dominators_find(&flow, &found);
	for (uint32_t i = 1; i < graph.count; i++) {
		char name = dominators[i - 1];
		uint32_t number = found.parents[found.numbers[i]];

		assert_int_equal(found.vertices[number],
				 name == 'R' ? 0 : name - 'A' + 1);
	}
	mf_dominators_deinit(&found);
	mf_vec_deinit(&graph.edges);
}

static void test_a_list_as_deep_as_can_be(void **state)
{
	struct graph graph = { .count = DEEP };
	struct mf_dominators found;
	struct mf_flow flow;

	(void)state;
	/* each points to the next, and back to the one before and the first */
	for (uint32_t i = 0; i + 1 < DEEP; i++) {
		mf_vec_push(&graph.edges, (struct pair){ i, i + 1 });
		mf_vec_push(&graph.edges, (struct pair){ i + 1, i });
		mf_vec_push(&graph.edges, (struct pair){ i + 1, 0 });
	}
	make_flow(&graph, 0, &flow);
	mf_dominators_find(&flow, &found);
	assert_int_equal(found.count, DEEP);
	for (uint32_t i = 1; i < DEEP; i++)
		assert_int_equal(
			found.vertices[found.parents[found.numbers[i]]], i - 1);
	mf_dominators_deinit(&found);
	mf_vec_deinit(&graph.edges);
}

/*
 * Two lists side by side with steps between them both ways: nothing dominates
 * but the root. Whoever climbs from dominator to dominator takes forever.
 */
static void test_a_ladder(void **state)
{
	struct graph graph = { .count = DEEP + 1 };
	struct mf_dominators found;
	struct mf_flow flow;

	(void)state;
	mf_vec_push(&graph.edges, (struct pair){ DEEP, 0 });
	mf_vec_push(&graph.edges, (struct pair){ DEEP, 1 });
	for (uint32_t i = 0; i + 2 < DEEP; i++) {
		mf_vec_push(&graph.edges, (struct pair){ i, i + 2 });
		mf_vec_push(&graph.edges, (struct pair){ i, (i ^ 1) + 2 });
		mf_vec_push(&graph.edges, (struct pair){ i, i ^ 1 });
	}
	make_flow(&graph, DEEP, &flow);
	mf_dominators_find(&flow, &found);
	assert_int_equal(found.count, DEEP + 1);
	for (uint32_t i = 1; i <= DEEP; i++)
		assert_int_equal(found.parents[i], 0);
	mf_dominators_deinit(&found);
	mf_vec_deinit(&graph.edges);
}

static void test_a_root_alone(void **state)
{
	struct graph graph = { .count = 1 };

	(void)state;
	compare(&graph, 0);
	graph.count = 5;
	compare(&graph, 3);
	mf_vec_push(&graph.edges, (struct pair){ 3, 3 });
	compare(&graph, 3);
	mf_vec_deinit(&graph.edges);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_graphs_as_the_plain_way_says),
		cmocka_unit_test(test_the_graph_of_the_paper),
		cmocka_unit_test(test_a_list_as_deep_as_can_be),
		cmocka_unit_test(test_a_ladder),
		cmocka_unit_test(test_a_root_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
