/*
 * The graph of pointers: chunks as numbers and back, against a plain list of
 * the same chunks; pointers packed and read again, from any address on; and
 * words of forged windows that are pointers, or only look like some.
 */
#include <stdio.h>
#include <stdlib.h>

#include "scan/graph.h"
#include "unit.h"

enum {
	CHUNKS = 20000,
	EDGES = 50000,
	PAGE = 4096,
	WORDS = 2048,
};

#define BASE UINT64_C(0x555555550000)

/* The same numbers in every run. */
static uint64_t next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return *state >> 33;
}

/* ---- nodes ----------------------------------------------------------------- */

struct plain {
	uint64_t start, end; /* of what is used; the next chunk's header too */
	bool in_use;
};

struct plain_list {
	MF_VEC(struct plain) chunks;
};

static uint64_t any_size(uint64_t *random)
{
	switch (next_random(random) % 16) {
	case 0:
		return 16 * (2 + next_random(random) % 8192);
	case 1:
		return 16 * (2 + next_random(random) % 512);
	default:
		return 16 * (2 + next_random(random) % 12);
	}
}

static void make_chunks(struct plain_list *list, struct mf_nodes *nodes)
{
	uint64_t random = 1, at = BASE;

	mf_nodes_init(nodes);
	for (unsigned i = 0; i < CHUNKS; i++) {
		uint64_t size = any_size(&random);
		bool in_use = next_random(&random) % 4;

		mf_nodes_add(nodes, at, at + size, 16, in_use);
		mf_vec_push(&list->chunks,
			    (struct plain){ at + 16, at + size, in_use });
		at += size;
		if (next_random(&random) % 1000 == 0)
			at += 16 * next_random(&random);
	}
	mf_nodes_seal(nodes);
}

static void test_each_chunk_is_found_and_leads_back(void **state)
{
	struct plain_list list = { 0 };
	struct mf_nodes nodes;
	uint32_t used = 0;

	(void)state;
	make_chunks(&list, &nodes);
	mf_vec_foreach(chunk, &list.chunks) {
		uint64_t offset = 1, end;
		uint32_t node = mf_nodes_find(&nodes, chunk->start, &offset);

		if (!chunk->in_use) {
			assert_int_equal(node, MF_NO_NODE);
			continue;
		}
		used++;
		assert_int_not_equal(node, MF_NO_NODE);
		assert_int_equal(offset, 0);
		assert_int_equal(mf_nodes_start(&nodes, node, &end),
				 chunk->start);
		assert_true(end >= chunk->end && end <= chunk->end + 16);
		assert_int_equal(mf_nodes_find(&nodes, chunk->end - 1, &offset),
				 node);
		assert_int_equal(offset, chunk->end - 1 - chunk->start);
	}
	assert_int_equal(nodes.used_count, used);
	mf_nodes_deinit(&nodes);
	mf_vec_deinit(&list.chunks);
}

static void test_nodes_take_bytes_and_not_words(void **state)
{
	struct mf_nodes nodes;
	uint64_t memory;

	(void)state;
	mf_nodes_init(&nodes);
	for (uint64_t i = 0; i < 1000000; i++)
		mf_nodes_add(&nodes, BASE + i * 64, BASE + i * 64 + 64, 16,
			     i % 2);
	/* one of a terabyte costs no more than one of 16 bytes */
	mf_nodes_add(&nodes, BASE << 1, (BASE << 1) + (UINT64_C(1) << 40), 16,
		     true);
	mf_nodes_seal(&nodes);
	memory = mf_nodes_memory(&nodes);
	assert_true(memory < 3000000);
	mf_nodes_deinit(&nodes);
}

static void test_outside_of_all_chunks_is_none(void **state)
{
	struct mf_nodes nodes;
	uint64_t offset;

	(void)state;
	mf_nodes_init(&nodes);
	mf_nodes_seal(&nodes);
	assert_int_equal(mf_nodes_find(&nodes, BASE, &offset), MF_NO_NODE);
	mf_nodes_deinit(&nodes);
	mf_nodes_init(&nodes);
	mf_nodes_add(&nodes, BASE, BASE + 64, 16, true);
	mf_nodes_add(&nodes, BASE + 0x10000, BASE + 0x10040, 0, true);
	mf_nodes_seal(&nodes);
	assert_int_equal(mf_nodes_find(&nodes, BASE, &offset), MF_NO_NODE);
	assert_int_equal(mf_nodes_find(&nodes, BASE + 64, &offset), MF_NO_NODE);
	assert_int_equal(mf_nodes_find(&nodes, 0, &offset), MF_NO_NODE);
	assert_int_equal(mf_nodes_find(&nodes, UINT64_MAX, &offset),
			 MF_NO_NODE);
	assert_int_equal(mf_nodes_find(&nodes, BASE + 16, &offset), 0);
	assert_int_equal(mf_nodes_find(&nodes, BASE + 0x10000, &offset), 1);
	mf_nodes_deinit(&nodes);
}

/* Two allocators come one after the other, whatever their addresses. */
static void test_chunks_come_in_any_order(void **state)
{
	struct mf_nodes nodes;
	uint64_t offset, end;

	(void)state;
	mf_nodes_init(&nodes);
	for (unsigned i = 10; i-- > 0;) {
		mf_nodes_add(&nodes, BASE + i * 0x1000, BASE + i * 0x1000 + 32,
			     16, true);
		mf_nodes_add(&nodes, BASE + i * 0x1000 + 32,
			     BASE + i * 0x1000 + 96, 16, true);
	}
	/* what another says of the same place is not believed */
	mf_nodes_add(&nodes, BASE + 16, BASE + 0x20000, 0, true);
	mf_nodes_seal(&nodes);
	for (unsigned i = 0; i < 10; i++) {
		uint64_t at = BASE + i * 0x1000 + 48;
		uint32_t node = mf_nodes_find(&nodes, at + 5, &offset);

		assert_int_not_equal(node, MF_NO_NODE);
		assert_int_equal(offset, 5);
		assert_int_equal(mf_nodes_start(&nodes, node, &end), at);
	}
	assert_int_equal(nodes.used_count, 20);
	assert_true(nodes.used_bytes <= 10 * 96);
	mf_nodes_deinit(&nodes);
}

/* What an allocator says may be lies: whatever is found is a node, and lies
 * where it says. */
static void test_chunks_that_make_no_sense(void **state)
{
	struct mf_nodes nodes;
	uint64_t random = 3, offset, end;

	(void)state;
	mf_nodes_init(&nodes);
	for (unsigned i = 0; i < CHUNKS; i++) {
		uint64_t start = BASE + next_random(&random) % (CHUNKS * 64);
		uint64_t size = next_random(&random) %
				(next_random(&random) % 20 ? 300 : 1 << 20);

		mf_nodes_add(&nodes, start, start + size, i % 17,
			     next_random(&random) % 3);
	}
	mf_nodes_add(&nodes, UINT64_MAX - 100, UINT64_MAX, 16, true);
	mf_nodes_add(&nodes, UINT64_MAX - 50, 20, 16, true);
	mf_nodes_add(&nodes, 0, UINT64_MAX, 0, true);
	mf_nodes_seal(&nodes);
	for (unsigned i = 0; i < CHUNKS * 20; i++) {
		uint64_t at = BASE + next_random(&random) % (CHUNKS * 70);
		uint32_t node = mf_nodes_find(&nodes, at, &offset);

		if (node == MF_NO_NODE)
			continue;
		assert_true(node < mf_nodes_count(&nodes));
		assert_int_equal(mf_nodes_start(&nodes, node, &end),
				 at - offset);
	}
	mf_nodes_deinit(&nodes);
}

/* ---- edges ----------------------------------------------------------------- */

struct plain_edges {
	MF_VEC(struct mf_edge) items;
};

static void write_window(struct mf_edges *edges, struct plain_edges *plain,
			 uint64_t start, uint64_t *random)
{
	struct mf_edge_writer writer = { .count = 0 };
	uint64_t slot = start;

	mf_edge_writer_begin(&writer, start);
	while ((slot += 8 * (1 + next_random(random) % 900)) <
	       start + MF_SCAN_WINDOW) {
		struct mf_edge edge = {
			.slot = slot,
			.node = (uint32_t)next_random(random),
			.offset = next_random(random) % 2
					  ? 0
					  : next_random(random) << 20,
			.tagged = next_random(random) % 5 == 0,
		};

		mf_edge_writer_add(&writer, &edge);
		mf_vec_push(&plain->items, edge);
	}
	mf_edge_writer_end(&writer, edges);
	mf_edge_writer_deinit(&writer);
}

static int by_slot(const void *a, const void *b)
{
	const struct mf_edge *left = a, *right = b;

	return (left->slot > right->slot) - (left->slot < right->slot);
}

static void make_edges(struct mf_edges *edges, struct plain_edges *plain)
{
	static const unsigned order[] = { 3, 0, 7, 1, 9, 2 };
	struct mf_edges part = { .limit = 0 };
	uint64_t random = 7;

	for (unsigned i = 0; i < MF_ARRAY_SIZE(order); i++) {
		write_window(&part, plain, BASE + order[i] * MF_SCAN_WINDOW,
			     &random);
		if (i % 2)
			mf_edges_take(edges, &part);
	}
	mf_edges_seal(edges);
	mf_vec_sort(&plain->items, by_slot);
}

static void assert_edge(const struct mf_edge *edge,
			const struct mf_edge *wanted)
{
	assert_int_equal(edge->slot, wanted->slot);
	assert_int_equal(edge->node, wanted->node);
	assert_int_equal(edge->offset, wanted->offset);
	assert_int_equal(edge->tagged, wanted->tagged);
}

static void test_edges_are_read_as_they_were_written(void **state)
{
	struct plain_edges plain = { { 0 } };
	struct mf_edges edges = { .limit = 0 };
	struct mf_edge_cursor cursor;
	struct mf_edge edge;

	(void)state;
	make_edges(&edges, &plain);
	assert_int_equal(edges.count, plain.items.count);
	cursor = mf_edges_from(&edges, 0);
	mf_vec_foreach(wanted, &plain.items) {
		assert_true(mf_edge_next(&cursor, &edge));
		assert_edge(&edge, wanted);
	}
	assert_false(mf_edge_next(&cursor, &edge));
	mf_edges_deinit(&edges);
	mf_vec_deinit(&plain.items);
}

static void test_edges_are_read_from_any_address_on(void **state)
{
	struct plain_edges plain = { { 0 } };
	struct mf_edges edges = { .limit = 0 };
	struct mf_edge edge;

	(void)state;
	make_edges(&edges, &plain);
	for (size_t i = 0; i < plain.items.count; i += 3) {
		uint64_t at = plain.items.items[i].slot;
		struct mf_edge_cursor cursor = mf_edges_from(&edges, at);

		assert_true(mf_edge_next(&cursor, &edge));
		assert_edge(&edge, &plain.items.items[i]);
		cursor = mf_edges_from(&edges, at + 1);
		if (i + 1 == plain.items.count) {
			assert_false(mf_edge_next(&cursor, &edge));
			break;
		}
		assert_true(mf_edge_next(&cursor, &edge));
		assert_edge(&edge, &plain.items.items[i + 1]);
	}
	mf_edges_deinit(&edges);
	mf_vec_deinit(&plain.items);
}

static void test_no_edges_are_no_edges(void **state)
{
	struct mf_edges edges = { .limit = 0 };
	struct mf_edge_cursor cursor = mf_edges_from(&edges, BASE);
	struct mf_edge edge;

	(void)state;
	assert_false(mf_edge_next(&cursor, &edge));
	assert_false(mf_edge_next(&cursor, &edge));
}

static void test_edges_end_at_their_limit_and_say_so(void **state)
{
	struct plain_edges plain = { { 0 } };
	struct mf_edges edges = { .limit = 10000 };

	(void)state;
	make_edges(&edges, &plain);
	assert_true(edges.memory <= edges.limit);
	assert_true(edges.dropped > 0);
	assert_int_equal(edges.count + edges.dropped, plain.items.count);
	mf_edges_deinit(&edges);
	mf_vec_deinit(&plain.items);
}

/* ---- windows --------------------------------------------------------------- */

struct scene {
	_Alignas(64) uint64_t words[WORDS + MF_SCAN_SLACK / 8];
	struct mf_graph *graph;
	struct mf_scan_piece pieces[4];
	uint32_t piece_count;
};

/* Chunks of 64 bytes in use, each second one not, from BASE on. */
static void scene_init(struct scene *scene, bool tagged)
{
	*scene = (struct scene){
		.graph = mf_graph_create(
			NULL, &(struct mf_graph_options){ .tagged = tagged }),
	};
	for (unsigned i = 0; i < 100; i++)
		mf_nodes_add(&scene->graph->nodes, BASE + i * 64,
			     BASE + i * 64 + 64, 16, i % 2 == 0);
	mf_nodes_seal(&scene->graph->nodes);
}

static void scan(struct scene *scene, uint64_t address)
{
	const struct mf_scan_piece all = { .end = WORDS * 8, .kind = MF_KINDS };
	struct mf_graph_worker *worker = mf_graph_worker_create(scene->graph);
	const struct mf_scan_window window = {
		.address = address,
		.bytes = (const uint8_t *)scene->words,
		.size = WORDS * 8,
		.pieces = scene->piece_count ? scene->pieces : &all,
		.piece_count = scene->piece_count ? scene->piece_count : 1,
	};

	mf_graph_window(worker, &window);
	mf_graph_merge(scene->graph, worker);
	mf_graph_seal(scene->graph);
}

/* Each edge as "word:node+offset", '*' when tagged. */
static void assert_edges(const struct scene *scene, uint64_t address,
			 const char *wanted)
{
	struct mf_edge_cursor cursor = mf_edges_from(&scene->graph->edges, 0);
	char text[512] = "";
	struct mf_edge edge;
	size_t length = 0;

	while (mf_edge_next(&cursor, &edge))
		length += (size_t)snprintf(
			text + length, sizeof(text) - length, "%u:%u+%u%s ",
			(unsigned)((edge.slot - address) / 8), edge.node,
			(unsigned)edge.offset, edge.tagged ? "*" : "");
	assert_string_equal(text, wanted);
}

static void test_words_that_point_into_chunks_in_use(void **state)
{
	const uint64_t at = UINT64_C(0x7ffff0000000);
	struct scene scene;

	(void)state;
	scene_init(&scene, false);
	scene.words[0] = BASE + 16;		      /* exact */
	scene.words[1] = BASE + 16 + 40;	      /* interior */
	scene.words[2] = BASE + 64 + 16;	      /* not in use */
	scene.words[3] = BASE - 8;		      /* below */
	scene.words[4] = BASE;			      /* a header */
	scene.words[700] = BASE + 128 + 16;	      /* on another page */
	scene.words[701] = (BASE + 16) | 7ULL << 56;  /* tagged */
	scene.words[WORDS - 1] = BASE + 98 * 64 + 17; /* the last */
	scan(&scene, at);
	assert_edges(&scene, at, "0:0+0 1:0+40 700:2+0 2047:98+1 ");
	mf_graph_destroy(scene.graph);
}

static void test_tagged_words_when_they_are_asked_for(void **state)
{
	struct scene scene;

	(void)state;
	scene_init(&scene, true);
	scene.words[5] = (BASE + 16) | 7ULL << 56;
	scene.words[6] = BASE + 16;
	scene.words[7] = UINT64_MAX;
	scan(&scene, 0x1000);
	assert_edges(&scene, 0x1000, "5:0+0* 6:0+0 ");
	mf_graph_destroy(scene.graph);
}

static void test_only_pieces_and_what_is_not_hidden(void **state)
{
	struct scene scene;

	(void)state;
	scene_init(&scene, false);
	for (unsigned i = 0; i < 32; i++)
		scene.words[i] = BASE + 16;
	scene.pieces[0] = (struct mf_scan_piece){ .start = 8, .end = 24 };
	/* begins and ends inside of words */
	scene.pieces[1] = (struct mf_scan_piece){ .start = 33, .end = 63 };
	scene.pieces[2] = (struct mf_scan_piece){ .start = 128, .end = 152 };
	scene.piece_count = 3;
	mf_graph_hide(scene.graph, 0x1000 + 136, 0x1000 + 144);
	mf_graph_hide(scene.graph, 0x100, 0x200);
	scan(&scene, 0x1000);
	assert_edges(&scene, 0x1000, "1:0+0 2:0+0 5:0+0 6:0+0 16:0+0 18:0+0 ");
	mf_graph_destroy(scene.graph);
}

/* Operands of code stand anywhere; the word that they begin in is told of. */
static void test_operands_of_code(void **state)
{
	const uint64_t value = BASE + 16;
	struct scene scene;

	(void)state;
	scene_init(&scene, true);
	memset(scene.words, 0, sizeof(scene.words));
	memcpy((uint8_t *)scene.words + 10, &value, sizeof(value));
	memcpy((uint8_t *)scene.words + 31, &value, sizeof(value));
	/* the last that is all there, and one that is not */
	memcpy((uint8_t *)scene.words + 56, &value, sizeof(value));
	memcpy((uint8_t *)scene.words + 66, &value, sizeof(value));
	scene.pieces[0] = (struct mf_scan_piece){ .end = 64,
						  .kind = MF_KINDS,
						  .code = true };
	scene.pieces[1] = (struct mf_scan_piece){ .start = 64,
						  .end = 128,
						  .kind = MF_KINDS };
	scene.piece_count = 2;
	scan(&scene, 0x1000);
	assert_edges(&scene, 0x1000, "1:0+0 3:0+0 7:0+0 ");
	mf_graph_destroy(scene.graph);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_chunk_is_found_and_leads_back),
		cmocka_unit_test(test_nodes_take_bytes_and_not_words),
		cmocka_unit_test(test_outside_of_all_chunks_is_none),
		cmocka_unit_test(test_chunks_come_in_any_order),
		cmocka_unit_test(test_chunks_that_make_no_sense),
		cmocka_unit_test(test_edges_are_read_as_they_were_written),
		cmocka_unit_test(test_edges_are_read_from_any_address_on),
		cmocka_unit_test(test_no_edges_are_no_edges),
		cmocka_unit_test(test_edges_end_at_their_limit_and_say_so),
		cmocka_unit_test(test_words_that_point_into_chunks_in_use),
		cmocka_unit_test(test_tagged_words_when_they_are_asked_for),
		cmocka_unit_test(test_only_pieces_and_what_is_not_hidden),
		cmocka_unit_test(test_operands_of_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
