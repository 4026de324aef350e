/*
 * Who points at whom in forged memory: each kind of word that can, paths that
 * share steps, cycles, bounds; and what words people type mean.
 */
#include "forge_glibc.h"
#include "scan/refs.h"

#define THREAD_STACK UINT64_C(0x7f2000000000)
#define OTHER	     UINT64_C(0x7f3000000000)

enum {
	SIZE = 0x50,
	CHUNKS = 8,
	STACK_PAGES = 4,
	STACK_USED = 0x3000, /* of the stack, from its start on */
	RED_ZONE = 128,
	REGISTER = 3,
};

/* A heap of chunks in use, with one that is free, and a thread. */
struct scene {
	struct forge forge;
	uint64_t user[CHUNKS]; /* of chunks in use */
	uint64_t freed;
	struct mf_thread thread;
	struct mf_refs *refs;
};

static void start(struct scene *scene)
{
	struct forge *forge = &scene->forge;

	*scene = (struct scene){ .refs = NULL };
	forge_init(forge);
	forge_tcache(forge);
	for (int i = 0; i < CHUNKS; i++)
		scene->user[i] = forge_chunk(forge, SIZE, FORGE_IN_USE) + 16;
	scene->freed = forge_chunk(forge, 0x500, FORGE_UNSORTED) + 16;
	forge_chunk(forge, SIZE, FORGE_IN_USE);
	forge_finish(forge);
	forge_map(forge, OTHER, FORGE_PAGE, "");
	forge_map(forge, THREAD_STACK, STACK_PAGES * FORGE_PAGE, "[stack]");
	scene->thread = (struct mf_thread){
		.tid = 77,
		.registers_known = true,
		.sp = THREAD_STACK + STACK_USED,
	};
}

static struct mf_refs *look(struct scene *scene, uint64_t target,
			    const struct mf_refs_options *options)
{
	const struct mf_scan_range range = { target, target + 1, 0 };
	struct forge *forge = &scene->forge;

	if (!forge->target) {
		forge_open(forge);
		mf_target_forge_thread(forge->target, &scene->thread);
		assert_non_null(forge_model(forge));
		assert_null(mf_space_settle(forge->space));
	}
	mf_refs_destroy(scene->refs);
	assert_null(mf_refs_create(forge->target, forge->image, options,
				   &scene->refs));
	assert_null(mf_refs_read(scene->refs, &(struct mf_scan_input){
						      .target = forge->target,
						      .image = forge->image,
						      .space = forge->space,
						      .heap = forge->model,
						      .ranges = &range,
						      .range_count = 1,
					      }));
	return scene->refs;
}

static void stop(struct scene *scene)
{
	mf_refs_destroy(scene->refs);
	forge_deinit(&scene->forge);
}

static void assert_words(const struct mf_refs *refs, uint64_t count)
{
	assert_int_equal(refs->words, count);
	assert_int_equal(refs->references.count, count);
}

static void assert_word(const struct mf_refs *refs, size_t index,
			enum mf_place_kind kind, uint64_t address)
{
	const struct mf_reference *reference = &refs->references.items[index];

	assert_string_equal(mf_place_kind_name(reference->place.kind),
			    mf_place_kind_name(kind));
	assert_int_equal(reference->place.address, address);
}

/* ---- words ------------------------------------------------------------------- */

static void test_words_of_each_kind_roots_first(void **state)
{
	const struct mf_refs_options options = { .depth = 1 };
	const uint64_t in_stack = THREAD_STACK + STACK_USED + 0x20;
	const struct mf_refs *refs;
	struct scene scene;
	uint64_t target;

	(void)state;
	start(&scene);
	target = scene.user[2];
	forge_set(&scene.forge, scene.user[0] + 8, target);
	forge_set(&scene.forge, scene.user[5] + 16, target + 24);
	forge_set(&scene.forge, OTHER + 0x40, target);
	forge_set(&scene.forge, in_stack, target);
	scene.thread.general[REGISTER] = target;
	/* these do not count: a free chunk's, an arena's, a dead frame's */
	forge_set(&scene.forge, scene.freed + 0x80, target);
	forge_set(&scene.forge, forge_main_arena() + 16, target);
	forge_set(&scene.forge, THREAD_STACK + 0x100, target);
	refs = look(&scene, target + 5, &options);
	assert_words(refs, 5);
	assert_int_equal(refs->register_words, 1);
	assert_int_equal(refs->hits.hidden, 1);
	assert_word(refs, 0, MF_PLACE_REGISTER, 0);
	assert_string_equal(refs->references.items[0].place.register_name,
			    mf_target_register_name(REGISTER));
	assert_int_equal(refs->references.items[0].place.tid, 77);
	assert_word(refs, 1, MF_PLACE_STACK, in_stack);
	assert_int_equal(refs->references.items[1].place.distance, 0x20);
	assert_word(refs, 2, MF_PLACE_MEMORY, OTHER + 0x40);
	assert_word(refs, 3, MF_PLACE_CHUNK, scene.user[0] + 8);
	assert_word(refs, 4, MF_PLACE_CHUNK, scene.user[5] + 16);
	assert_int_equal(refs->references.items[3].offset, 0);
	assert_int_equal(refs->references.items[4].offset, 24);
	assert_int_equal(refs->references.items[4].target, target);
	stop(&scene);
}

static void test_the_red_zone_is_in_use(void **state)
{
	const struct mf_refs_options options = { .depth = 1 };
	const uint64_t sp = THREAD_STACK + STACK_USED;
	struct scene scene;

	(void)state;
	start(&scene);
	forge_set(&scene.forge, sp - RED_ZONE, scene.user[0]);
	forge_set(&scene.forge, sp - RED_ZONE - 8, scene.user[0]);
	assert_words(look(&scene, scene.user[0], &options), 1);
	assert_word(scene.refs, 0, MF_PLACE_STACK, sp - RED_ZONE);
	stop(&scene);
}

/* The last word of a chunk is in the header of the next. */
static void test_a_chunk_ends_in_the_next_ones_header(void **state)
{
	const struct mf_refs_options options = { .depth = 1 };
	struct scene scene;
	uint64_t last;

	(void)state;
	start(&scene);
	last = scene.user[0] + SIZE - 16;
	assert_int_equal(last + 16, scene.user[1]);
	forge_set(&scene.forge, last, scene.user[4]);
	forge_set(&scene.forge, OTHER, last);
	assert_words(look(&scene, scene.user[4], &options), 1);
	assert_int_equal(scene.refs->references.items[0].place.user,
			 scene.user[0]);
	/* and who points there points into the first */
	assert_words(look(&scene, scene.user[0], &options), 1);
	assert_int_equal(scene.refs->references.items[0].offset, SIZE - 16);
	stop(&scene);
}

static void test_only_what_was_asked_for(void **state)
{
	struct scene scene;
	uint64_t target;

	(void)state;
	start(&scene);
	target = scene.user[3];
	forge_set(&scene.forge, OTHER, target);
	forge_set(&scene.forge, OTHER + 8, target + 8);
	forge_set(&scene.forge, OTHER + 16, target | UINT64_C(0xab) << 56);
	forge_set(&scene.forge, scene.freed + 0x80, target);
	look(&scene, target, &(struct mf_refs_options){ .exact = true });
	assert_words(scene.refs, 1);
	look(&scene, target, &(struct mf_refs_options){ .tagged = true });
	assert_words(scene.refs, 3);
	assert_true(scene.refs->references.items[2].tagged);
	assert_int_equal(scene.refs->references.items[2].offset, 0);
	look(&scene, target, &(struct mf_refs_options){ .free_too = true });
	assert_words(scene.refs, 3);
	assert_word(scene.refs, 2, MF_PLACE_UNUSED, scene.freed + 0x80);
	stop(&scene);
}

/* More than are kept are counted; kept are those at the lowest addresses. */
static void test_words_are_counted_that_are_not_kept(void **state)
{
	enum {
		WORDS = 3 * MF_REFS_KEPT,
		BYTES = WORDS * 8
	};
	const struct mf_refs_options options = { .depth = 1 };
	struct scene scene;

	(void)state;
	start(&scene);
	forge_map(&scene.forge, OTHER + FORGE_MMAP, BYTES, "");
	for (uint64_t i = 0; i < WORDS; i++)
		forge_set(&scene.forge, OTHER + FORGE_MMAP + i * 8,
			  scene.user[1]);
	look(&scene, scene.user[1], &options);
	assert_int_equal(scene.refs->words, WORDS);
	assert_int_equal(scene.refs->references.count, MF_REFS_KEPT);
	assert_word(scene.refs, MF_REFS_KEPT - 1, MF_PLACE_MEMORY,
		    OTHER + FORGE_MMAP + (MF_REFS_KEPT - 1) * 8);
	stop(&scene);
}

/* ---- paths ------------------------------------------------------------------- */

/* The words of a path, from its root to the target. */
static void assert_path(const struct mf_refs *refs, size_t index,
			const uint64_t *slots, size_t count)
{
	uint32_t at = refs->roots.items[index];

	for (size_t i = 0; i < count; i++) {
		const struct mf_ref_step *step = &refs->steps.items[at];
		const uint64_t *place = mf_map_get(&refs->place_of_step, at);

		assert_int_equal(step->slot, slots[i]);
		assert_int_equal(step->level, count - i);
		assert_non_null(place);
		assert_int_equal(refs->step_places.items[*place].address,
				 slots[i]);
		at = step->next;
	}
	assert_int_equal(at, MF_REFS_TARGET);
}

/* other -> 0 -> 1 -> 2, other -> 1, and 2 -> 0. */
static void test_paths_that_share_steps_the_shortest_first(void **state)
{
	const struct mf_refs_options options = { .depth = 8 };
	const struct mf_refs *refs;
	struct scene scene;

	(void)state;
	start(&scene);
	forge_set(&scene.forge, OTHER, scene.user[0]);
	forge_set(&scene.forge, OTHER + 8, scene.user[1]);
	forge_set(&scene.forge, OTHER + 16, scene.user[0] + 8);
	forge_set(&scene.forge, scene.user[0], scene.user[1]);
	forge_set(&scene.forge, scene.user[1] + 8, scene.user[2]);
	forge_set(&scene.forge, scene.user[2], scene.user[0]);
	refs = look(&scene, scene.user[2], &options);
	assert_words(refs, 1);
	assert_int_equal(refs->roots.count, 3);
	assert_int_equal(refs->paths, 3);
	assert_path(refs, 0, (uint64_t[]){ OTHER + 8, scene.user[1] + 8 }, 2);
	assert_path(refs, 1,
		    (uint64_t[]){ OTHER, scene.user[0], scene.user[1] + 8 }, 3);
	assert_path(
		refs, 2,
		(uint64_t[]){ OTHER + 16, scene.user[0], scene.user[1] + 8 },
		3);
	/* who points back from the target is in the target */
	assert_int_equal(refs->levels.count, 3);
	assert_int_equal(refs->levels.items[2].words, 3);
	assert_int_equal(refs->levels.items[2].chunks, 0);
	stop(&scene);
}

static void test_cycles_without_a_root_end(void **state)
{
	const struct mf_refs_options options = { .depth = MF_REFS_DEPTH_MAX };
	struct scene scene;

	(void)state;
	start(&scene);
	for (int i = 0; i < CHUNKS; i++)
		forge_set(&scene.forge, scene.user[i],
			  scene.user[(i + 1) % CHUNKS]);
	/* a shorter one, which the target is not in */
	forge_set(&scene.forge, scene.user[CHUNKS - 1] + 8,
		  scene.user[CHUNKS - 3]);
	look(&scene, scene.user[0], &options);
	assert_words(scene.refs, 1);
	assert_int_equal(scene.refs->roots.count, 0);
	assert_int_equal(scene.refs->levels.count, CHUNKS);
	stop(&scene);
}

static void test_a_register_is_a_root_of_a_path(void **state)
{
	const struct mf_refs_options options = { .depth = 2 };
	struct scene scene;

	(void)state;
	start(&scene);
	forge_set(&scene.forge, scene.user[0], scene.user[1]);
	scene.thread.general[REGISTER] = scene.user[0] + 4;
	look(&scene, scene.user[1], &options);
	assert_words(scene.refs, 1);
	assert_int_equal(scene.refs->roots.count, 1);
	assert_path(scene.refs, 0, (uint64_t[]){ 0, scene.user[0] }, 2);
	stop(&scene);
}

/* ---- what people type ---------------------------------------------------------- */

static void assert_spot(const char *text, enum mf_spot_kind kind,
			uint64_t begin, uint64_t end)
{
	struct mf_spot spot;

	assert_null(mf_spot_parse(text, &spot));
	assert_int_equal(spot.kind, kind);
	assert_int_equal(spot.start, begin);
	assert_int_equal(spot.end, end);
	assert_ptr_equal(spot.text, text);
}

static void assert_no_spot(const char *text)
{
	mf_auto_error struct mf_error *error = NULL;
	struct mf_spot spot;

	error = mf_spot_parse(text, &spot);
	assert_non_null(error);
	assert_int_equal(error->code, MF_ERROR_USAGE);
}

static void test_places_as_they_are_typed(void **state)
{
	struct mf_spot spot;

	(void)state;
	assert_spot("0x1000", MF_SPOT_ADDRESS, 0x1000, 0x1001);
	assert_spot("4096", MF_SPOT_ADDRESS, 0x1000, 0x1001);
	assert_spot("7f12345678ab", MF_SPOT_ADDRESS, 0x7f12345678ab,
		    0x7f12345678ac);
	assert_spot("7f0000-7f1000", MF_SPOT_RANGE, 0x7f0000, 0x7f1000);
	assert_spot("0x1000+4K", MF_SPOT_RANGE, 0x1000, 0x2000);
	assert_spot("0x1000+0x10", MF_SPOT_RANGE, 0x1000, 0x1010);
	assert_spot("main_arena", MF_SPOT_SYMBOL, 0, 0);
	assert_spot("feed", MF_SPOT_SYMBOL, 0, 0);
	assert_spot("libc.so.6:environ", MF_SPOT_SYMBOL, 0, 0);
	assert_spot("ns::variable", MF_SPOT_SYMBOL, 0, 0);
	assert_null(mf_spot_parse("arena:3", &spot));
	assert_int_equal(spot.kind, MF_SPOT_ARENA);
	assert_int_equal(spot.arena, 3);
	assert_null(mf_spot_parse("type:a::B<int>", &spot));
	assert_int_equal(spot.kind, MF_SPOT_TYPE);
	assert_string_equal(spot.name, "a::B<int>");
	assert_no_spot("");
	assert_no_spot("0x");
	assert_no_spot("0x12zz");
	assert_no_spot("12-");
	assert_no_spot("0x20-0x10");
	assert_no_spot("0x10-0x10");
	assert_no_spot("0x10+0");
	assert_no_spot("0xffffffffffffffff");
	assert_no_spot("0xfffffffffffffff0+0x20");
	assert_no_spot("arena:x");
	assert_no_spot("arena:99999999999");
	assert_no_spot("type:");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words_of_each_kind_roots_first),
		cmocka_unit_test(test_the_red_zone_is_in_use),
		cmocka_unit_test(test_a_chunk_ends_in_the_next_ones_header),
		cmocka_unit_test(test_only_what_was_asked_for),
		cmocka_unit_test(test_words_are_counted_that_are_not_kept),
		cmocka_unit_test(
			test_paths_that_share_steps_the_shortest_first),
		cmocka_unit_test(test_cycles_without_a_root_end),
		cmocka_unit_test(test_a_register_is_a_root_of_a_path),
		cmocka_unit_test(test_places_as_they_are_typed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
