/*
 * Who keeps how much alive in forged memory: what memory, a stack, a register
 * and a mapping hold alone or together, what is told of as one, and what was
 * asked about.
 */
#include "forge_glibc.h"
#include "scan/keepers_ask.h"
#include "scan/keepers_share.h"

#define THREAD_STACK UINT64_C(0x7f2000000000)
#define MAPPING	     UINT64_C(0x7f3000000000)
#define FIRST_FILE   UINT64_C(0x7f4000000000)
#define SECOND_FILE  UINT64_C(0x7f4100000000)

enum {
	SIZE = 0x50,
	CHUNKS = 12,
	STACK_PAGES = 4,
	STACK_USED = 0x3000, /* of the stack, from its start on */
	REGISTER = 3,
	TID = 77,
};

/* A heap of chunks in use, a thread, two files that were mapped and a mapping
 * that nobody claimed. */
struct scene {
	struct forge forge;
	uint64_t user[CHUNKS];
	struct mf_thread thread;
	unsigned threads; /* more of the same */
	struct mf_keepers *keepers;
	struct mf_kept_lines lines;
};

static void start(struct scene *scene)
{
	struct forge *forge = &scene->forge;

	*scene = (struct scene){ .keepers = NULL };
	forge_init(forge);
	forge_tcache(forge);
	for (int i = 0; i < CHUNKS; i++)
		scene->user[i] = forge_chunk(forge, SIZE, FORGE_IN_USE) + 16;
	forge_finish(forge);
	forge_map(forge, THREAD_STACK, STACK_PAGES * FORGE_PAGE, "[stack]");
	forge_map(forge, MAPPING, FORGE_PAGE, "");
	forge_map(forge, FIRST_FILE, FORGE_PAGE, "/tmp/first");
	forge_map(forge, SECOND_FILE, FORGE_PAGE, "/tmp/second");
	scene->thread = (struct mf_thread){
		.tid = TID,
		.registers_known = true,
		.sp = THREAD_STACK + STACK_USED,
	};
}

static void look(struct scene *scene, const struct mf_keepers_options *options,
		 uint64_t asked)
{
	const struct mf_scan_range range = { asked, asked + 1, 0 };
	struct forge *forge = &scene->forge;

	forge_open(forge);
	mf_target_forge_thread(forge->target, &scene->thread);
	for (unsigned i = 1; i <= scene->threads; i++) {
		struct mf_thread another = scene->thread;

		another.tid += (int)i;
		another.sp = 0;
		mf_target_forge_thread(forge->target, &another);
	}
	assert_non_null(forge_model(forge));
	assert_null(mf_space_settle(forge->space));
	assert_null(mf_keepers_create(forge->target, forge->image, options,
				      &scene->keepers));
	/* twice: it begins from nothing */
	for (int i = 0; i < 2; i++)
		assert_null(mf_keepers_read(scene->keepers,
					    &(struct mf_scan_input){
						    .target = forge->target,
						    .image = forge->image,
						    .space = forge->space,
						    .heap = forge->model,
						    .ranges = &range,
						    .range_count = asked != 0,
					    }));
	mf_keepers_finish(scene->keepers);
	mf_kept_lines_make(scene->keepers, 4, 1000, &scene->lines);
}

static void stop(struct scene *scene)
{
	mf_kept_lines_deinit(&scene->lines);
	mf_keepers_destroy(scene->keepers);
	forge_deinit(&scene->forge);
}

/* What the keeper of KIND that begins at START retains. */
static uint64_t retained_by(const struct scene *scene, enum mf_keeper_kind kind,
			    uint64_t start)
{
	for (size_t i = 0; i < scene->lines.list.count; i++) {
		const struct mf_kept_line *line = &scene->lines.list.items[i];
		const struct mf_keeper *keeper =
			mf_keeper_of(scene->keepers, line->number);

		if (line->level || !keeper || keeper->kind != kind ||
		    keeper->start != start)
			continue;
		return line->retained;
	}
	return 0;
}

static uint64_t reached(const struct scene *scene)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < scene->lines.list.count; i++)
		if (!scene->lines.list.items[i].level)
			sum += scene->lines.list.items[i].retained;
	assert_int_equal(sum, scene->keepers->bytes[0]);
	return sum;
}

/* Both files have the chunk at USER, and nobody else does. */
static void assert_shared(const struct scene *scene, uint64_t user)
{
	const struct mf_keepers *keepers = scene->keepers;
	struct mf_sharing sharing;
	uint64_t offset;
	uint32_t node = mf_nodes_find(&keepers->graph->nodes, user, &offset);

	sharing.number = keepers->tree.numbers[node];
	mf_sharing_find(keepers, &sharing, 1);
	assert_int_equal(sharing.count, 2);
	assert_false(sharing.more);
	assert_int_equal(mf_keeper_of(keepers, sharing.holders[0])->start,
			 FIRST_FILE);
	assert_int_equal(mf_keeper_of(keepers, sharing.holders[1])->start,
			 SECOND_FILE);
}

/* ---- keepers ---------------------------------------------------------------- */

static void test_what_each_holds_alone_and_together(void **state)
{
	const struct mf_keepers_options options = { .depth = 0 };
	struct scene scene;
	struct forge *forge = &scene.forge;

	(void)state;
	start(&scene);
	/* a cycle; a chunk that both files have; a mapping's chunk */
	forge_set(forge, FIRST_FILE + 8, scene.user[0]);
	forge_set(forge, scene.user[0], scene.user[1]);
	forge_set(forge, scene.user[1], scene.user[0] + 24);
	forge_set(forge, FIRST_FILE + 16, scene.user[2]);
	forge_set(forge, SECOND_FILE + 32, scene.user[2]);
	forge_set(forge, SECOND_FILE + 64, MAPPING + 100);
	forge_set(forge, MAPPING + 0x80, scene.user[3]);
	scene.thread.general[REGISTER] = scene.user[4];
	forge_set(forge, THREAD_STACK + STACK_USED + 8, scene.user[5]);
	/* these do not count: a dead frame's, what only itself points to */
	forge_set(forge, THREAD_STACK + 64, scene.user[6]);
	forge_set(forge, scene.user[7], scene.user[7]);
	look(&scene, &options, 0);
	assert_int_equal(retained_by(&scene, MF_KEEPER_MEMORY, FIRST_FILE),
			 2 * SIZE);
	assert_int_equal(retained_by(&scene, MF_KEEPER_ROOT, 0), SIZE);
	assert_int_equal(retained_by(&scene, MF_KEEPER_MEMORY, SECOND_FILE),
			 FORGE_PAGE + SIZE);
	assert_int_equal(retained_by(&scene, MF_KEEPER_THREAD, 0), 2 * SIZE);
	assert_int_equal(reached(&scene), 6 * SIZE + FORGE_PAGE);
	assert_shared(&scene, scene.user[2]);
	assert_true(scene.keepers->in_use_bytes >= CHUNKS * SIZE + FORGE_PAGE);
	stop(&scene);
}

static void test_a_stack_keeps_what_nothing_else_does(void **state)
{
	const struct mf_keepers_options options = { .depth = 0 };
	const uint64_t in_stack = THREAD_STACK + STACK_USED;
	struct scene scene;
	struct forge *forge = &scene.forge;

	(void)state;
	start(&scene);
	forge_set(forge, FIRST_FILE + 8, scene.user[0]);
	forge_set(forge, scene.user[0], scene.user[1]);
	forge_set(forge, scene.user[1], scene.user[2]);
	/* in the middle of that; and by way of a chunk of its own */
	forge_set(forge, in_stack + 8, scene.user[1]);
	forge_set(forge, in_stack + 16, scene.user[3]);
	forge_set(forge, scene.user[3], scene.user[2]);
	forge_set(forge, scene.user[3] + 8, scene.user[4]);
	scene.thread.general[REGISTER] = scene.user[4];
	look(&scene, &options, 0);
	assert_int_equal(retained_by(&scene, MF_KEEPER_MEMORY, FIRST_FILE),
			 3 * SIZE);
	assert_int_equal(retained_by(&scene, MF_KEEPER_THREAD, 0), 2 * SIZE);
	assert_int_equal(reached(&scene), 5 * SIZE);
	stop(&scene);
}

/* Keepers are added one by one as words are found: none is lost meanwhile. */
static void test_registers_of_many_threads(void **state)
{
	const struct mf_keepers_options options = { .depth = 0 };

	(void)state;
	for (unsigned threads = 0; threads < 20; threads++) {
		struct scene scene;
		uint32_t words = 0;

		start(&scene);
		scene.threads = threads;
		scene.thread.general[REGISTER] = scene.user[0];
		scene.thread.general[REGISTER + 1] = scene.user[1];
		look(&scene, &options, 0);
		mf_vec_foreach(keeper, &scene.keepers->list)
			words += keeper->words;
		assert_int_equal(words, 2 * (threads + 1));
		assert_int_equal(reached(&scene), 2 * SIZE);
		stop(&scene);
	}
}

static void test_what_is_alike_is_one_line(void **state)
{
	const struct mf_keepers_options options = { .depth = 0 };
	const struct mf_kept_line *lines;
	struct scene scene;
	uint64_t below = 0;

	(void)state;
	start(&scene);
	forge_set(&scene.forge, FIRST_FILE, scene.user[0]);
	for (int i = 0; i < 5; i++)
		forge_set(&scene.forge, scene.user[0] + 8 * i,
			  scene.user[1 + i]);
	forge_set(&scene.forge, scene.user[1], scene.user[6]);
	look(&scene, &options, 0);
	lines = scene.lines.list.items;
	assert_int_equal(lines[0].kind, MF_LINE_KEEPER);
	assert_int_equal(lines[0].retained, 7 * SIZE);
	assert_int_equal(lines[1].kind, MF_LINE_NODE);
	assert_int_equal(lines[1].above, 0);
	assert_int_equal(lines[1].level, 1);
	assert_int_equal(lines[1].chunks, 7);
	/* what holds another is a line of its own, so large it is here */
	for (size_t i = 2; i < scene.lines.list.count; i++)
		below += lines[i].level == 2 ? lines[i].count : 0;
	assert_int_equal(below, 5);
	stop(&scene);
}

/* ---- questions --------------------------------------------------------------- */

static void test_the_way_to_a_chunk_and_what_it_keeps(void **state)
{
	const struct mf_keepers_options options = { .depth = 0 };
	struct mf_answer answer;
	struct scene scene;

	(void)state;
	start(&scene);
	forge_set(&scene.forge, FIRST_FILE, scene.user[0]);
	forge_set(&scene.forge, scene.user[0], scene.user[1]);
	forge_set(&scene.forge, scene.user[1], scene.user[2]);
	forge_set(&scene.forge, scene.user[1] + 8, scene.user[3]);
	look(&scene, &options, scene.user[1] + 20);
	assert_true(mf_keepers_answer(scene.keepers, 0, &answer));
	assert_int_equal(answer.count, 1);
	assert_int_equal(answer.bytes, SIZE);
	assert_int_equal(answer.reached, 1);
	assert_int_equal(answer.retained, 3 * SIZE);
	assert_int_equal(answer.chunks, 3);
	assert_int_equal(answer.holders.count, 2);
	assert_null(
		mf_keeper_of(scene.keepers, answer.holders.items[0].number));
	assert_int_equal(
		mf_keeper_of(scene.keepers, answer.holders.items[1].number)
			->start,
		FIRST_FILE);
	assert_int_equal(answer.held.list.count, 1);
	assert_int_equal(answer.held.list.items[0].count, 3);
	mf_answer_deinit(&answer);
	assert_false(mf_keepers_answer(scene.keepers, 1, &answer));
	stop(&scene);
}

static void test_nobody_keeps_what_nothing_reaches(void **state)
{
	const struct mf_keepers_options options = { .depth = 0 };
	struct mf_answer answer;
	struct scene scene;

	(void)state;
	start(&scene);
	forge_set(&scene.forge, FIRST_FILE, scene.user[0]);
	look(&scene, &options, scene.user[1]);
	assert_true(mf_keepers_answer(scene.keepers, 0, &answer));
	assert_int_equal(answer.count, 1);
	assert_int_equal(answer.reached, 0);
	assert_int_equal(answer.retained, 0);
	assert_int_equal(answer.holders.count, 0);
	mf_answer_deinit(&answer);
	stop(&scene);
}

/* ---- bounds ------------------------------------------------------------------- */

static void test_no_tree_beyond_the_limit(void **state)
{
	const struct mf_keepers_options options = { .limit = 100 };
	const struct mf_partial *partials;
	struct mf_answer answer;
	struct scene scene;
	size_t count, notes = 0;

	(void)state;
	start(&scene);
	forge_set(&scene.forge, FIRST_FILE, scene.user[0]);
	look(&scene, &options, 0);
	assert_int_equal(scene.keepers->tree.count, 0);
	assert_int_equal(scene.lines.list.count, 0);
	assert_false(mf_keepers_answer(scene.keepers, 0, &answer));
	partials = mf_target_partials(scene.forge.target, &count);
	for (size_t i = 0; i < count; i++)
		notes += !strcmp(partials[i].what, "retained");
	assert_int_equal(notes, 1);
	stop(&scene);
}

/* Each place costs a look at the whole tree. */
static void test_no_more_places_than_can_be_told_of(void **state)
{
	const struct mf_keepers_options options = { .depth = 0 };
	struct mf_scan_range ranges[300];
	const struct mf_partial *partials;
	struct scene scene;
	size_t count;

	(void)state;
	start(&scene);
	look(&scene, &options, 0);
	for (uint64_t i = 0; i < MF_ARRAY_SIZE(ranges); i++)
		ranges[i] = (struct mf_scan_range){ MAPPING + i,
						    MAPPING + i + 1, 0 };
	assert_null(mf_keepers_read(
		scene.keepers, &(struct mf_scan_input){
				       .target = scene.forge.target,
				       .image = scene.forge.image,
				       .space = scene.forge.space,
				       .heap = scene.forge.model,
				       .ranges = ranges,
				       .range_count = MF_ARRAY_SIZE(ranges),
			       }));
	assert_int_equal(scene.keepers->asked.count, 256);
	partials = mf_target_partials(scene.forge.target, &count);
	assert_true(count);
	assert_string_equal(partials[count - 1].what, "retained");
	stop(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_each_holds_alone_and_together),
		cmocka_unit_test(test_a_stack_keeps_what_nothing_else_does),
		cmocka_unit_test(test_registers_of_many_threads),
		cmocka_unit_test(test_what_is_alike_is_one_line),
		cmocka_unit_test(test_the_way_to_a_chunk_and_what_it_keeps),
		cmocka_unit_test(test_nobody_keeps_what_nothing_reaches),
		cmocka_unit_test(test_no_tree_beyond_the_limit),
		cmocka_unit_test(test_no_more_places_than_can_be_told_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
