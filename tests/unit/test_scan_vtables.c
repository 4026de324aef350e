/*
 * Vtables in a library made by hand: found by type information alone, by
 * symbols alone, and by shape; and everything that only looks like one.
 */
#include "base/map.h"
#include "rtti_util.h"
#include "scan/vtables.h"

static struct mf_vtables *find(struct world *world)
{
	struct mf_vtables *vtables = NULL;

	must(mf_vtables_create(world->target, &world->image, &vtables));
	return vtables;
}

static const struct mf_vtable_class *class_at(struct mf_vtables *vtables,
					      uint64_t address)
{
	const struct mf_vtable_point *point =
		mf_vtables_may_be(vtables, address)
			? mf_vtables_find(vtables, address)
			: NULL;

	return point ? &vtables->classes.items[point->class] : NULL;
}

static void expect(struct mf_vtables *vtables, uint64_t address, int32_t top,
		   const char *name)
{
	const struct mf_vtable_point *point = mf_vtables_find(vtables, address);

	assert_non_null(class_at(vtables, address));
	assert_int_equal(point->top, top);
	assert_string_equal(mf_vtables_name(vtables, point->class), name);
}

static void expect_none(struct mf_vtables *vtables, uint64_t address)
{
	assert_null(class_at(vtables, address));
}

static void test_single_and_multiple(void **state)
{
	struct world *world = world_create();
	uint64_t base = world_class(world, "N2ns4BaseE");
	uint64_t other = world_class(world, "5Other");
	uint64_t one = world_derived(world, "*N12_GLOBAL__N_13OneE", base);
	uint64_t two = WORLD_WORDS_OF(
		world, world->multiple, world_text(world, "3TwoIiE"),
		UINT64_C(2) << 32, base, 2, other, 16 << 8 | 2);
	uint64_t tables[] = {
		world_vtable(world, 0, base),
		world_vtable(world, 0, one),
		world_vtable(world, 0, two),
		world_vtable(world, -16, two),
	};
	struct mf_vtables *vtables = find(world);

	(void)state;
	expect(vtables, tables[0], 0, "ns::Base");
	expect(vtables, tables[1], 0, "(anonymous namespace)::One");
	expect(vtables, tables[2], 0, "Two<int>");
	expect(vtables, tables[3], -16, "Two<int>");
	assert_int_equal(class_at(vtables, tables[0])->proof, MF_VTABLE_RTTI);
	assert_true(class_at(vtables, tables[1])->internal);
	assert_false(class_at(vtables, tables[2])->internal);
	assert_ptr_equal(class_at(vtables, tables[2]),
			 class_at(vtables, tables[3]));
	/* not where the type_info is, nor a word further */
	expect_none(vtables, base);
	expect_none(vtables, tables[0] + 8);
	expect_none(vtables, tables[0] - 8);
	/* the ring's own classes are classes */
	expect(vtables, world->single, 0, "__cxxabiv1::__si_class_type_info");
	mf_vtables_destroy(vtables);
	world_destroy(world);
}

static void test_what_is_none(void **state)
{
	struct world *world = world_create();
	uint64_t base = world_class(world, "4Base");
	uint64_t above = world_vtable(world, 8, base);
	uint64_t odd = world_vtable(world, -4, base);
	uint64_t far = world_vtable(world, -((int64_t)1 << 40), base);
	uint64_t no_code =
		WORLD_WORDS_OF(world, 0, base, WORLD_TEXTS, WORLD_TEXTS) + 16;
	/* a pointer to something else than type information */
	uint64_t wrong = world_vtable(world, 0, WORLD_TEXTS + 8);
	/* a type_info of no class: its vptr leads nowhere */
	uint64_t strange = WORLD_WORDS_OF(world, WORLD_WORDS,
					  world_text(world, "7Strange"));
	uint64_t table = world_vtable(world, 0, strange);
	/* names that are none */
	uint64_t control = world_class(world, "3a\x1b[");
	uint64_t empty = world_class(world, "");
	uint64_t plain = world_class(world, "just words");
	uint64_t bad[] = { world_vtable(world, 0, control),
			   world_vtable(world, 0, empty),
			   world_vtable(world, 0, plain) };
	struct mf_vtables *vtables = find(world);

	(void)state;
	expect_none(vtables, above);
	expect_none(vtables, odd);
	expect_none(vtables, far);
	expect_none(vtables, no_code);
	expect_none(vtables, wrong);
	expect_none(vtables, table);
	for (size_t i = 0; i < MF_ARRAY_SIZE(bad); i++)
		expect_none(vtables, bad[i]);
	mf_vtables_destroy(vtables);
	world_destroy(world);
}

/* The ring must close in the type_info that is an instance of itself. */
static void test_ring_that_does_not_close(void **state)
{
	struct world *world = world_create();
	uint64_t base, table, info;
	struct mf_vtables *vtables;

	(void)state;
	base = world_class(world, "4Base");
	table = world_vtable(world, 0, base);
	assert_true(
		mf_target_read_u64(world->target, world->single - 8, &info));
	mf_target_forget(world->target);
	world_poke(world, info, world->plain);
	vtables = find(world);
	expect_none(vtables, table);
	mf_vtables_destroy(vtables);
	world_destroy(world);
}

/* A class with virtual bases may have a vtable without a function. */
static void test_virtual_bases(void **state)
{
	struct world *world = world_create();
	uint64_t data = world_class(world, "4Data");
	uint64_t only = WORLD_WORDS_OF(
		world, world->multiple, world_text(world, "8DataOnly"),
		UINT64_C(1) << 32, data, (uint64_t)-24 << 8 | 3);
	uint64_t below = world_derived(world, "5Below", only);
	uint64_t first = WORLD_WORDS_OF(world, 16, 0, only) + 24;
	uint64_t second = WORLD_WORDS_OF(world, 16, 0, below) + 24;
	uint64_t none = WORLD_WORDS_OF(world, 0, data) + 16;
	struct mf_vtables *vtables = find(world);

	(void)state;
	expect(vtables, first, 0, "DataOnly");
	expect(vtables, second, 0, "Below");
	expect_none(vtables, none);
	mf_vtables_destroy(vtables);
	world_destroy(world);
}

static void test_symbols(void **state)
{
	struct world *world = world_create();
	/* primary, then that of a second base; before it offsets of bases */
	uint64_t table =
		WORLD_WORDS_OF(world, 24, 0, 0, WORLD_CODE, WORLD_CODE + 8,
			       (uint64_t)-24, 0, WORLD_CODE);
	uint64_t hidden = WORLD_WORDS_OF(world, 0, 0, WORLD_CODE);
	uint64_t both = world_vtable(world, 0, world_class(world, "4Both"));
	uint64_t long_one = WORLD_WORDS_OF(world, 0, 0, WORLD_CODE);
	struct mf_vtables *vtables;

	(void)state;
	world_symbol(world, "_ZTVN2ns5NamedE", table, 64);
	world_symbol(world, "_ZTVN12_GLOBAL__N_16HiddenE", hidden, 24);
	world_symbol(world, "_ZTV5Other", both - 16, 32);
	/* of a size that no table has */
	world_symbol(world, "_ZTV4Long", long_one, UINT64_MAX);
	vtables = find(world);
	expect(vtables, table + 24, 0, "ns::Named");
	expect(vtables, table + 56, -24, "ns::Named");
	expect(vtables, hidden + 16, 0, "(anonymous namespace)::Hidden");
	assert_int_equal(class_at(vtables, table + 24)->proof,
			 MF_VTABLE_SYMBOL);
	assert_true(class_at(vtables, hidden + 16)->internal);
	/* type information says more than a symbol */
	expect(vtables, both, 0, "Both");
	expect(vtables, long_one + 16, 0, "Long");
	mf_vtables_destroy(vtables);
	world_destroy(world);
}

static void test_by_shape(void **state)
{
	struct world *world = world_create();
	uint64_t bare = WORLD_WORDS_OF(world, 0, 0, WORLD_CODE) + 16;
	uint64_t table = WORLD_WORDS_OF(world, 0, 0, WORLD_CODE + 8) + 16;
	uint64_t data = WORLD_WORDS_OF(world, 0, 0, WORLD_TEXTS) + 16;
	struct mf_vtables *vtables;
	char name[64];

	(void)state;
	world_symbol(world, "connection_calls", table, 8);
	vtables = find(world);
	snprintf(name, sizeof(name), "vtable at libforged.so+0x%llx",
		 (unsigned long long)(bare - WORLD_BASE));
	expect(vtables, bare, 0, name);
	expect(vtables, table, 0, "functions of connection_calls");
	assert_int_equal(class_at(vtables, bare)->proof, MF_VTABLE_ADDRESS);
	expect_none(vtables, data);
	mf_vtables_destroy(vtables);
	world_destroy(world);
}

/* Bases that go round, that are as many as can be said, that all are two. */
static void test_endless_bases(void **state)
{
	struct world *world = world_create();
	uint64_t name = world_text(world, "5Round");
	uint64_t round = WORLD_WORDS_OF(world, world->single, name, 0);
	uint64_t many = WORLD_WORDS_OF(world, world->multiple, name,
				       UINT64_C(0xffffffff) << 32, round, 2);
	uint64_t wide[64];
	uint64_t table;
	struct mf_vtables *vtables;

	(void)state;
	world_poke(world, round + 16, round);
	for (size_t i = 0; i < MF_ARRAY_SIZE(wide); i++) {
		uint64_t base = i ? wide[i - 1] : round;

		wide[i] = WORLD_WORDS_OF(world, world->multiple, name,
					 UINT64_C(2) << 32, base, 2, base,
					 16 << 8 | 2);
	}
	table = world_vtable(world, 0, wide[63]);
	world_vtable(world, 0, many);
	vtables = find(world);
	expect(vtables, table, 0, "Round");
	mf_vtables_destroy(vtables);
	world_destroy(world);
}

/* A name may end where the mapping does, but not go beyond it. */
static void test_names_at_the_end(void **state)
{
	struct world *world = world_create();
	uint64_t end = WORLD_END - 5, table, cut;
	struct mf_vtables *vtables;

	(void)state;
	memcpy(world->bytes + WORLD_SIZE - 5, "3End", 5);
	table = world_vtable(world, 0,
			     WORLD_WORDS_OF(world, world->plain, end));
	cut = world_vtable(world, 0,
			   WORLD_WORDS_OF(world, world->plain, end + 4 + 1));
	vtables = find(world);
	expect(vtables, table, 0, "End");
	expect_none(vtables, cut);
	mf_vtables_destroy(vtables);
	memcpy(world->bytes + WORLD_SIZE - 5, "33End", 5);
	mf_target_forget(world->target);
	vtables = find(world);
	expect_none(vtables, table);
	mf_vtables_destroy(vtables);
	world_destroy(world);
}

static void test_filter(void **state)
{
	struct world *world = world_create();
	struct mf_vtables *vtables = mf_new(struct mf_vtables);
	uint64_t word = 1;

	(void)state;
	mf_vec_push(&vtables->classes, (struct mf_vtable_class){ 0 });
	for (uint64_t i = 0; i < 20000; i++)
		mf_vec_push(&vtables->points,
			    (struct mf_vtable_point){
				    .address = WORLD_BASE +
					       mf_hash64(i) % (1 << 26) * 8 });
	mf_vtables_seal(vtables);
	for (size_t i = 0; i < vtables->points.count; i++) {
		uint64_t address = vtables->points.items[i].address;

		assert_true(mf_vtables_may_be(vtables, address));
		assert_ptr_equal(mf_vtables_find(vtables, address),
				 &vtables->points.items[i]);
		assert_true(!i ||
			    address > vtables->points.items[i - 1].address);
	}
	for (int i = 0; i < 100000; i++) {
		word = mf_hash64(word);
		assert_null(mf_vtables_find(vtables, word));
	}
	mf_vtables_destroy(vtables);
	world_destroy(world);
}

static void test_no_image(void **state)
{
	struct world *world = world_create();
	struct mf_vtables *vtables = NULL;

	(void)state;
	must(mf_vtables_create(world->target, NULL, &vtables));
	expect_none(vtables, 0);
	expect_none(vtables, world->plain);
	mf_vtables_destroy(vtables);
	world_destroy(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_single_and_multiple),
		cmocka_unit_test(test_what_is_none),
		cmocka_unit_test(test_ring_that_does_not_close),
		cmocka_unit_test(test_virtual_bases),
		cmocka_unit_test(test_symbols),
		cmocka_unit_test(test_by_shape),
		cmocka_unit_test(test_endless_bases),
		cmocka_unit_test(test_names_at_the_end),
		cmocka_unit_test(test_filter),
		cmocka_unit_test(test_no_image),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
