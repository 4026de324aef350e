/*
 * What nothing reaches in forged memory: every kind of word that holds and of
 * those that do not; chains, rings and what hangs on two; mappings; what is left
 * out; and a second look.
 */
#include "forge_glibc.h"
#include "scan/leaks.h"

#define THREAD_STACK UINT64_C(0x7f2000000000)
#define OTHER	     UINT64_C(0x7f3000000000)

enum {
	SIZE = 0x50,
	CHUNKS = 10,
	LAST = CHUNKS, /* behind the free chunk, before the top */
	STACK_PAGES = 4,
	STACK_USED = 0x3000, /* of the stack, from its start on */
	REGISTER = 3,
};

/* What stands where a mapping is not to be written to. */
static uint64_t sealed[FORGE_PAGE / 8];

/* A heap of chunks in use, with one that is free, and a thread. */
struct scene {
	struct forge forge;
	uint64_t user[CHUNKS + 1];
	uint64_t freed;
	uint64_t filler, others; /* before a gap; the gap */
	uint64_t slot;		 /* in the stack: the next that is not used */
	struct mf_thread thread;
	bool divided; /* OTHER goes on, and is not to be written to there */
	struct mf_leaks *leaks;
	struct mf_buffer drawn;
};

static void put(struct scene *scene, uint64_t value)
{
	forge_set(&scene->forge, scene->slot, value);
	scene->slot += 8;
}

/* Others move the break by BYTES: before that malloc has a large chunk. */
static void add_gap(struct scene *scene, uint64_t bytes)
{
	struct forge *forge = &scene->forge;
	uint64_t end = forge_round_up(forge->main.next + 0x100, FORGE_PAGE);

	scene->filler =
		forge_chunk(forge, end - forge->main.next - 0x20, FORGE_IN_USE);
	forge_fence_main(forge, &forge->main, 2);
	scene->others = forge->main.next;
	forge_gap(forge, &forge->main, bytes);
}

/* Malloc's first chunk is BEFORE bytes behind the beginning of the break; GAP
 * bytes before its top are others'. */
static void start_at(struct scene *scene, uint64_t before, uint64_t gap)
{
	struct forge *forge = &scene->forge;

	memset(scene, 0, sizeof(*scene));
	forge_start(forge, forge_generation(236), FORGE_PAGE);
	forge_map(forge, FORGE_HEAP, FORGE_HEAP_SIZE, "[heap]");
	forge_sbrk_base(forge, FORGE_HEAP + before);
	forge_grow(forge, 0, FORGE_HEAP_SIZE - before);
	forge->main = (struct forge_segment){
		.next = FORGE_HEAP + before,
		.end = FORGE_HEAP + FORGE_HEAP_SIZE,
	};
	forge_tcache(forge);
	for (int i = 0; i < CHUNKS; i++)
		scene->user[i] = forge_chunk(forge, SIZE, FORGE_IN_USE) + 16;
	scene->freed = forge_chunk(forge, 0x500, FORGE_UNSORTED) + 16;
	scene->user[LAST] = forge_chunk(forge, SIZE, FORGE_IN_USE) + 16;
	if (gap)
		add_gap(scene, gap);
	forge_finish(forge);
	forge_map(forge, THREAD_STACK, STACK_PAGES * FORGE_PAGE, "[stack]");
	scene->slot = THREAD_STACK + STACK_USED + 0x20;
	scene->thread = (struct mf_thread){
		.tid = 77,
		.registers_known = true,
		.sp = THREAD_STACK + STACK_USED,
	};
	put(scene, forge->tcache);
}

static void start(struct scene *scene)
{
	start_at(scene, 0, 0);
	forge_map(&scene->forge, OTHER, FORGE_PAGE, "");
	put(scene, OTHER);
}

/* Chunks FROM to the last are held. */
static void hold_from(struct scene *scene, int from)
{
	for (int i = from; i <= LAST; i++)
		put(scene, scene->user[i]);
}

static void point(struct scene *scene, int from, int to)
{
	uint64_t at = scene->user[from];

	while (*forge_at(&scene->forge, at + 5))
		at += 8;
	forge_set(&scene->forge, at, scene->user[to]);
}

static int index_of(const struct scene *scene, uint64_t address)
{
	for (int i = 0; i <= LAST; i++)
		if (scene->user[i] == address)
			return i;
	return -1;
}

/* "2r+3*": chunk 2 is a root, holds 3 and shares; "4t": by a tagged word. */
static void draw(struct scene *scene)
{
	const struct mf_leaks *leaks = scene->leaks;

	mf_buffer_clear(&scene->drawn);
	for (size_t i = 0; i < leaks->leaks.count; i++) {
		const struct mf_leak *leak = &leaks->leaks.items[i];
		int chunk = index_of(scene, leak->address);

		if (leak->is_mapping)
			mf_buffer_puts(&scene->drawn, "map");
		else
			mf_buffer_printf(&scene->drawn, "%d", chunk);
		mf_buffer_puts(&scene->drawn, leak->is_root ? "r" : "");
		if (leak->held_count)
			mf_buffer_printf(&scene->drawn, "+%u",
					 leak->held_count);
		mf_buffer_puts(&scene->drawn, leak->is_shared ? "*" : "");
		if (leak->doubts & MF_DOUBT_TAGGED)
			mf_buffer_puts(&scene->drawn, "t");
		if (leak->doubts & MF_DOUBT_DEAD)
			mf_buffer_puts(&scene->drawn, "d");
		if (leak->doubts & MF_DOUBT_PAST)
			mf_buffer_puts(&scene->drawn, "p");
		mf_buffer_puts(&scene->drawn, leak->is_fresh ? "! " : " ");
	}
}

static void look(struct scene *scene, const struct mf_leaks_options *options,
		 const struct mf_scan_range *excluded)
{
	static const struct mf_leaks_options none;
	struct forge *forge = &scene->forge;

	if (!forge->target) {
		forge_open(forge);
		if (scene->divided)
			mf_target_forge_mapping(
				forge->target,
				&(struct mf_mapping){
					.start = OTHER + FORGE_PAGE,
					.end = OTHER + 2 * FORGE_PAGE,
					.perms = MF_PERM_READ,
					.path = "" },
				sealed, NULL);
		mf_target_forge_thread(forge->target, &scene->thread);
		assert_non_null(forge_model(forge));
		assert_null(mf_space_settle(forge->space));
	}
	mf_leaks_destroy(scene->leaks);
	assert_null(mf_leaks_create(forge->target, forge->image,
				    options ? options : &none, &scene->leaks));
	assert_null(mf_leaks_read(scene->leaks,
				  &(struct mf_scan_input){
					  .target = forge->target,
					  .image = forge->image,
					  .space = forge->space,
					  .heap = forge->model,
					  .ranges = excluded,
					  .range_count = excluded ? 1 : 0,
				  }));
	draw(scene);
}

static void assert_leaks(struct scene *scene, const char *expected)
{
	look(scene, NULL, NULL);
	assert_string_equal(mf_buffer_text(&scene->drawn), expected);
}

static void stop(struct scene *scene)
{
	mf_leaks_destroy(scene->leaks);
	mf_buffer_deinit(&scene->drawn);
	forge_deinit(&scene->forge);
}

/* ---- who holds ------------------------------------------------------------- */

static void test_all_that_is_held_is_not_leaked(void **state)
{
	struct mf_leaks_totals totals;
	struct scene scene;

	(void)state;
	start(&scene);
	hold_from(&scene, 2);
	scene.thread.general[REGISTER] = scene.user[0];
	forge_set(&scene.forge, OTHER + 0x40, scene.user[1] + 0x30);
	assert_leaks(&scene, "");
	mf_leaks_get_totals(scene.leaks, &totals);
	assert_int_equal(totals.leaked.count, 0);
	/* and the thread cache's table, and the mapping */
	assert_int_equal(totals.reachable.count, CHUNKS + 1 + 2);
	stop(&scene);
}

static void test_what_nothing_leads_to_is_leaked(void **state)
{
	struct mf_leaks_totals totals;
	struct scene scene;

	(void)state;
	start(&scene);
	hold_from(&scene, 3);
	assert_leaks(&scene, "0r 1r 2r ");
	mf_leaks_get_totals(scene.leaks, &totals);
	assert_int_equal(totals.leaked.count, 3);
	assert_int_equal(totals.leaked.bytes, 3 * SIZE);
	stop(&scene);
}

/* A free chunk, a dead frame, an arena's own. */
static void test_dead_words_hold_nothing(void **state)
{
	struct scene scene;

	(void)state;
	start(&scene);
	hold_from(&scene, 4);
	forge_set(&scene.forge, scene.freed + 0x80, scene.user[0]);
	forge_set(&scene.forge, THREAD_STACK + 0x100, scene.user[1]);
	forge_set(&scene.forge, forge_main_arena() + 16, scene.user[2]);
	point(&scene, 1, 3);
	assert_leaks(&scene, "0rd 1r+1d 2r 3d ");
	stop(&scene);
}

static void test_red_zone_holds(void **state)
{
	struct scene scene;

	(void)state;
	start(&scene);
	hold_from(&scene, 2);
	forge_set(&scene.forge, scene.thread.sp - 128, scene.user[0]);
	forge_set(&scene.forge, scene.thread.sp - 136, scene.user[1]);
	assert_leaks(&scene, "1rd ");
	stop(&scene);
}

static void test_tagged_words_hold_when_asked(void **state)
{
	const struct mf_leaks_options options = { .tagged = true };
	struct scene scene;

	(void)state;
	start(&scene);
	hold_from(&scene, 2);
	put(&scene, scene.user[0] | UINT64_C(0xabcd) << 48);
	forge_set(&scene.forge, scene.user[5], scene.user[1] | 1ULL << 60);
	assert_leaks(&scene, "0rt 1rt ");
	look(&scene, &options, NULL);
	assert_string_equal(mf_buffer_text(&scene.drawn), "");
	stop(&scene);
}

/* Its last word may be a member; the next chunk's size field is none. */
static void test_very_end_holds_nothing(void **state)
{
	struct scene scene;

	(void)state;
	start(&scene);
	hold_from(&scene, 3);
	put(&scene, scene.user[0] + SIZE - 16);
	put(&scene, scene.user[1] + SIZE - 8);
	/* where links of a free list were, and elsewhere */
	forge_set(&scene.forge, scene.user[5] + 8, scene.user[2] + SIZE - 16);
	assert_leaks(&scene, "1rp 2rp ");
	forge_set(&scene.forge, scene.user[5] + 8, 0);
	stop(&scene);
	start(&scene);
	hold_from(&scene, 1);
	forge_set(&scene.forge, scene.user[5] + 16, scene.user[0] + SIZE - 16);
	assert_leaks(&scene, "");
	stop(&scene);
}

/* ---- who holds whom -------------------------------------------------------- */

static void test_chains_hang_on_their_first(void **state)
{
	struct scene scene;

	(void)state;
	start(&scene);
	hold_from(&scene, 6);
	point(&scene, 4, 1);
	point(&scene, 1, 3);
	point(&scene, 1, 2);
	point(&scene, 3, 8); /* lives */
	assert_leaks(&scene, "0r 1 2 3 4r+3 5r ");
	stop(&scene);
}

static void test_rings_hang_on_their_lowest(void **state)
{
	struct scene scene;

	(void)state;
	start(&scene);
	hold_from(&scene, 8);
	point(&scene, 3, 1);
	point(&scene, 1, 2);
	point(&scene, 2, 3);
	point(&scene, 3, 4);
	/* a ring that another leads into */
	point(&scene, 5, 6);
	point(&scene, 6, 5);
	point(&scene, 7, 6);
	assert_leaks(&scene, "0r 1r+3 2 3 4 5 6 7r+2 ");
	stop(&scene);
}

static void test_what_two_lead_to_is_the_lowers(void **state)
{
	struct scene scene;

	(void)state;
	start(&scene);
	hold_from(&scene, 4);
	point(&scene, 0, 2);
	point(&scene, 1, 2);
	point(&scene, 1, 3);
	assert_leaks(&scene, "0r+1 1r+1* 2 3 ");
	stop(&scene);
}

static void test_last_word_of_a_chunk_is_its_own(void **state)
{
	struct scene scene;

	(void)state;
	start(&scene);
	hold_from(&scene, 3);
	scene.slot -= 8;
	put(&scene, scene.user[9]);
	/* in the header of what is behind: a chunk, the top */
	forge_set(&scene.forge, scene.user[0] + SIZE - 16, scene.user[1]);
	forge_set(&scene.forge, scene.user[LAST] + SIZE - 16, scene.user[2]);
	assert_leaks(&scene, "0r+1 1 2 10r+1 ");
	stop(&scene);
}

/* Nothing of the process lies higher than its heap's chunks. */
static void test_last_word_of_the_last_chunk(void **state)
{
	struct scene scene;

	(void)state;
	start_at(&scene, 0, 0);
	hold_from(&scene, 1);
	scene.slot -= 8;
	put(&scene, scene.user[9]);
	forge_set(&scene.forge, scene.user[LAST] + SIZE - 16, scene.user[0]);
	assert_leaks(&scene, "0 10r+1 ");
	stop(&scene);
}

/* As in a program without an interpreter. */
static void test_variables_before_the_first_chunk(void **state)
{
	struct scene scene;

	(void)state;
	start_at(&scene, 0x340, 0);
	hold_from(&scene, 3);
	forge_set(&scene.forge, FORGE_HEAP, scene.user[0]);
	forge_set(&scene.forge, FORGE_HEAP + 0x338, scene.user[1]);
	assert_leaks(&scene, "2r ");
	assert_int_equal(scene.leaks->words[MF_ROOT_UNREAD], 2);
	stop(&scene);
}

static void test_memory_of_others_in_the_break(void **state)
{
	struct scene scene;

	(void)state;
	start_at(&scene, 0, 0x1230);
	put(&scene, scene.filler + 16);
	hold_from(&scene, 3);
	forge_set(&scene.forge, scene.others, scene.user[0]);
	forge_set(&scene.forge, scene.others + 0x1228, scene.user[1]);
	assert_leaks(&scene, "2r ");
	stop(&scene);
}

/* ---- mappings -------------------------------------------------------------- */

static void test_mappings_are_leaked_with_what_they_hold(void **state)
{
	struct mf_leaks_totals totals;
	struct scene scene;

	(void)state;
	start(&scene);
	hold_from(&scene, 2);
	forge_set(&scene.forge, THREAD_STACK + STACK_USED + 0x28, 0);
	forge_set(&scene.forge, OTHER + 0x40, scene.user[1]);
	assert_leaks(&scene, "0r 1 mapr+1 ");
	mf_leaks_get_totals(scene.leaks, &totals);
	assert_int_equal(totals.mappings.count, 1);
	assert_int_equal(totals.mappings.bytes, FORGE_PAGE);
	stop(&scene);
}

static void test_a_chunk_holds_a_mapping(void **state)
{
	struct scene scene;

	(void)state;
	start(&scene);
	hold_from(&scene, 2);
	forge_set(&scene.forge, THREAD_STACK + STACK_USED + 0x28, 0);
	forge_set(&scene.forge, scene.user[4], OTHER + 0x123);
	forge_set(&scene.forge, OTHER + 0x40, scene.user[1]);
	assert_leaks(&scene, "0r ");
	stop(&scene);
}

/* It was mapped at once: who has the address of one part has them all. */
static void test_parts_of_a_mapping_are_one(void **state)
{
	struct scene scene;

	(void)state;
	start(&scene);
	scene.divided = true;
	hold_from(&scene, 2);
	sealed[7] = scene.user[1];
	assert_leaks(&scene, "0r ");
	stop(&scene);
	/* nobody has it: it is leaked as one */
	start_at(&scene, 0, 0);
	forge_map(&scene.forge, OTHER, FORGE_PAGE, "");
	scene.divided = true;
	hold_from(&scene, 1);
	sealed[7] = scene.user[0];
	assert_leaks(&scene, "0 mapr+1 ");
	assert_int_equal(scene.leaks->leaks.items[1].size, 2 * FORGE_PAGE);
	stop(&scene);
}

/* ---- what is left out ------------------------------------------------------ */

static void test_excluded_with_what_hangs_on_it(void **state)
{
	struct mf_leaks_totals totals;
	struct mf_scan_range range;
	struct scene scene;

	(void)state;
	start(&scene);
	hold_from(&scene, 4);
	point(&scene, 1, 2);
	range = (struct mf_scan_range){ scene.user[1], scene.user[1] + 1, 0 };
	look(&scene, NULL, &range);
	assert_string_equal(mf_buffer_text(&scene.drawn), "0r 3r ");
	assert_int_equal(scene.leaks->excluded.count, 2);
	mf_leaks_get_totals(scene.leaks, &totals);
	/* the table of the thread cache and the mapping, too */
	assert_int_equal(totals.reachable.count, CHUNKS + 1 - 4 + 2);
	stop(&scene);
}

static void test_smaller_ones_are_counted_apart(void **state)
{
	const struct mf_leaks_options options = { .min_size = SIZE + 1 };
	struct mf_leaks_totals totals;
	struct scene scene;

	(void)state;
	start(&scene);
	hold_from(&scene, 2);
	look(&scene, &options, NULL);
	mf_leaks_get_totals(scene.leaks, &totals);
	assert_int_equal(totals.leaked.count, 0);
	assert_int_equal(scene.leaks->small.count, 2);
	assert_int_equal(scene.leaks->groups.count, 0);
	stop(&scene);
}

/* ---- twice ----------------------------------------------------------------- */

static void test_only_what_is_the_same_in_both(void **state)
{
	struct mf_leaks_options options = { .past = NULL };
	struct mf_leaks_past *past;
	struct mf_leaks_totals totals;
	struct scene scene;

	(void)state;
	start(&scene);
	hold_from(&scene, 3);
	look(&scene, NULL, NULL);
	past = mf_leaks_remember(scene.leaks);
	/* one was not leaked, another had other bytes */
	past->leaks.items[0].address++;
	past->leaks.items[1].digest++;
	options.past = past;
	look(&scene, &options, NULL);
	assert_string_equal(mf_buffer_text(&scene.drawn), "0r! 1r! 2r ");
	mf_leaks_get_totals(scene.leaks, &totals);
	assert_int_equal(totals.leaked.count, 1);
	assert_int_equal(totals.fresh.count, 2);
	mf_leaks_past_destroy(past);
	stop(&scene);
}

/* Small ones are left out, whether they are new or not. */
static void test_small_ones_are_not_new(void **state)
{
	struct mf_leaks_options options = { .min_size = SIZE + 1 };
	struct mf_leaks_totals totals;
	struct mf_leaks_past *past;
	struct scene scene;

	(void)state;
	start(&scene);
	hold_from(&scene, 2);
	look(&scene, NULL, NULL);
	past = mf_leaks_remember(scene.leaks);
	past->leaks.items[0].address++;
	options.past = past;
	look(&scene, &options, NULL);
	mf_leaks_get_totals(scene.leaks, &totals);
	assert_int_equal(totals.leaked.count, 0);
	assert_int_equal(totals.fresh.count, 0);
	assert_int_equal(scene.leaks->small.count, 2);
	assert_int_equal(scene.leaks->groups.count, 0);
	mf_leaks_past_destroy(past);
	stop(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_that_is_held_is_not_leaked),
		cmocka_unit_test(test_what_nothing_leads_to_is_leaked),
		cmocka_unit_test(test_dead_words_hold_nothing),
		cmocka_unit_test(test_red_zone_holds),
		cmocka_unit_test(test_tagged_words_hold_when_asked),
		cmocka_unit_test(test_very_end_holds_nothing),
		cmocka_unit_test(test_chains_hang_on_their_first),
		cmocka_unit_test(test_rings_hang_on_their_lowest),
		cmocka_unit_test(test_what_two_lead_to_is_the_lowers),
		cmocka_unit_test(test_last_word_of_a_chunk_is_its_own),
		cmocka_unit_test(test_last_word_of_the_last_chunk),
		cmocka_unit_test(test_variables_before_the_first_chunk),
		cmocka_unit_test(test_memory_of_others_in_the_break),
		cmocka_unit_test(test_mappings_are_leaked_with_what_they_hold),
		cmocka_unit_test(test_a_chunk_holds_a_mapping),
		cmocka_unit_test(test_parts_of_a_mapping_are_one),
		cmocka_unit_test(test_excluded_with_what_hangs_on_it),
		cmocka_unit_test(test_smaller_ones_are_counted_apart),
		cmocka_unit_test(test_only_what_is_the_same_in_both),
		cmocka_unit_test(test_small_ones_are_not_new),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
