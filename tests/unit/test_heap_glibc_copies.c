/*
 * Mmapped chunks shared out among the copies of malloc that count them: memory
 * that merely looks like one goes to nobody, and where glibc itself counts too
 * much its word stands.
 */
#include "heap/glibc_copies.h"
#include "space_util.h"

enum {
	COPIES_MAX = 3,
};

static const uint64_t base = UINT64_C(0x7f0000000000);

struct world {
	struct mf_target *target;
	struct mf_image *image;
	struct mf_heap_context context;
	struct mf_glibc_layout layout;
	struct mf_glibc copies[COPIES_MAX];
	struct mf_glibc_copies shared;
	uint64_t next;
};

/* COUNTED: number and bytes that each copy's mp_ says, ended by a 0. */
static void begin(struct world *world, bool is_new, const uint64_t *counted)
{
	const struct mf_image_options options = { .no_debuginfo = true };
	static const char *const owners[] = { "a", "b", "c" };

	*world = (struct world){ .next = base };
	world->target = mf_target_create_forged();
	add_mapping(world->target, base, 4096, RW, "");
	must(mf_image_create(world->target, &options, &world->image));
	must(mf_space_create(world->target, world->image,
			     &world->context.space));
	world->layout.fastbins = is_new ? MF_GLIBC_ABSENT : 16;
	for (size_t i = 0; i < COPIES_MAX && counted[2 * i]; i++) {
		struct mf_glibc *copy = &world->copies[i];

		*copy = (struct mf_glibc){
			.context = &world->context,
			.target = world->target,
			.layout = &world->layout,
			.page_size = PAGE,
			.owner = owners[i],
			.first_copy = world->copies,
		};
		copy->parameters.n_mmaps = counted[2 * i];
		copy->parameters.mmapped_mem = counted[2 * i + 1];
		if (i)
			world->copies[i - 1].next_copy = copy;
	}
	assert_true(
		mf_glibc_copies_gather(&world->shared, world->copies, is_new));
}

static void add(struct world *world, unsigned pages)
{
	uint64_t size = (uint64_t)pages * PAGE;

	mf_glibc_copies_add(&world->shared, world->next, size, 0);
	world->next += size;
}

static size_t partials(const struct world *world)
{
	size_t count;

	mf_target_partials(world->target, &count);
	return count;
}

static void end(struct world *world)
{
	mf_glibc_copies_deinit(&world->shared);
	for (size_t i = 0; i < COPIES_MAX; i++) {
		mf_vec_deinit(&world->copies[i].mapped);
		mf_vec_deinit(&world->copies[i].mmapped_chunks);
	}
	mf_space_destroy(world->context.space);
	mf_image_destroy(world->image);
	mf_target_close(world->target);
}

static void test_all_are_its_own(void **state)
{
	struct world world;

	(void)state;
	begin(&world, false, (uint64_t[]){ 2, 7 * PAGE, 0 });
	add(&world, 3);
	assert_false(mf_glibc_copies_are_whole(&world.shared));
	add(&world, 4);
	assert_true(mf_glibc_copies_are_whole(&world.shared));
	mf_glibc_copies_share(&world.shared, false);
	assert_int_equal(world.copies[0].mmapped.count, 2);
	assert_int_equal(world.copies[0].mmapped.bytes, 7 * PAGE);
	assert_int_equal(partials(&world), 0);
	end(&world);
}

/* What only looks like a chunk makes the number right and the bytes wrong. */
static void test_decoys_are_left_out(void **state)
{
	struct world world;

	(void)state;
	begin(&world, false, (uint64_t[]){ 3, 60 * PAGE, 0 });
	add(&world, 7);
	add(&world, 10);
	add(&world, 20);
	assert_false(mf_glibc_copies_are_whole(&world.shared));
	add(&world, 11);
	add(&world, 30);
	mf_glibc_copies_share(&world.shared, true);
	assert_int_equal(world.copies[0].mmapped.count, 3);
	assert_int_equal(world.copies[0].mmapped_mapped, 60 * PAGE);
	assert_int_equal(world.copies[0].mapped.items[0].size, 10 * PAGE);
	assert_int_equal(world.copies[0].mapped.items[2].size, 30 * PAGE);
	assert_int_equal(partials(&world), 0);
	end(&world);
}

static void test_each_copy_has_its_sum(void **state)
{
	struct world world;

	(void)state;
	begin(&world, false,
	      (uint64_t[]){ 2, 9 * PAGE, 3, 8 * PAGE, 1, 16 * PAGE });
	add(&world, 1);
	add(&world, 2);
	add(&world, 16);
	add(&world, 4);
	add(&world, 5);
	add(&world, 5);
	mf_glibc_copies_share(&world.shared, true);
	assert_int_equal(world.copies[0].mmapped_mapped, 9 * PAGE);
	assert_int_equal(world.copies[1].mmapped_mapped, 8 * PAGE);
	assert_int_equal(world.copies[2].mmapped_mapped, 16 * PAGE);
	assert_int_equal(world.copies[1].mmapped.count, 3);
	assert_int_equal(partials(&world), 0);
	end(&world);
}

/* 2.43 counts 16 bytes too many for each resize. */
static void test_resized_chunks_are_whole(void **state)
{
	struct world world;

	(void)state;
	begin(&world, true, (uint64_t[]){ 2, 7 * PAGE + 48, 0 });
	add(&world, 3);
	add(&world, 4);
	assert_true(mf_glibc_copies_are_whole(&world.shared));
	mf_glibc_copies_share(&world.shared, true);
	assert_int_equal(world.copies[0].mmapped.bytes, 7 * PAGE + 48);
	assert_int_equal(world.copies[0].mmapped_mapped, 7 * PAGE);
	assert_int_equal(partials(&world), 0);
	end(&world);
}

static void test_older_glibcs_do_not_count_so(void **state)
{
	struct world world;

	(void)state;
	begin(&world, false, (uint64_t[]){ 2, 7 * PAGE + 48, 0 });
	add(&world, 3);
	add(&world, 4);
	assert_false(mf_glibc_copies_are_whole(&world.shared));
	mf_glibc_copies_share(&world.shared, true);
	assert_int_equal(partials(&world), 1);
	end(&world);
}

/* So many resizes that a page is too much: the number must do. */
static void test_a_page_too_many_is_believed_last(void **state)
{
	struct world world;

	(void)state;
	begin(&world, true, (uint64_t[]){ 2, 8 * PAGE, 0 });
	add(&world, 3);
	add(&world, 4);
	assert_false(mf_glibc_copies_are_whole(&world.shared));
	mf_glibc_copies_share(&world.shared, true);
	assert_int_equal(world.copies[0].mmapped.bytes, 8 * PAGE);
	assert_int_equal(partials(&world), 0);
	end(&world);
}

static void test_what_is_missing_is_said(void **state)
{
	struct world world;

	(void)state;
	begin(&world, false, (uint64_t[]){ 3, 9 * PAGE, 0 });
	add(&world, 3);
	add(&world, 4);
	mf_glibc_copies_share(&world.shared, false);
	assert_int_equal(partials(&world), 0);
	mf_glibc_copies_share(&world.shared, true);
	assert_int_equal(partials(&world), 1);
	end(&world);
}

/* A hostile process counts what no selection has: that ends, too. */
static void test_no_selection_ends(void **state)
{
	struct world world;

	(void)state;
	begin(&world, false, (uint64_t[]){ 500, 1000 * PAGE + 16, 0 });
	for (unsigned i = 0; i < 1000; i++)
		add(&world, 1 + i % 4);
	mf_glibc_copies_share(&world.shared, true);
	assert_int_equal(world.copies[0].mmapped.count, 500);
	assert_int_equal(partials(&world), 1);
	end(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_are_its_own),
		cmocka_unit_test(test_decoys_are_left_out),
		cmocka_unit_test(test_each_copy_has_its_sum),
		cmocka_unit_test(test_resized_chunks_are_whole),
		cmocka_unit_test(test_older_glibcs_do_not_count_so),
		cmocka_unit_test(test_a_page_too_many_is_believed_last),
		cmocka_unit_test(test_what_is_missing_is_said),
		cmocka_unit_test(test_no_selection_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
