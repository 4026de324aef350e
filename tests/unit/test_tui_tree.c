/*
 * Regions as a tree, and as a list.
 */
#include "tui/region_tree.h"
#include "unit.h"

static const struct mf_mapping files[] = {
	{ .path = "/lib/libone.so" },
	{ .path = "/usr/lib/libtwo.so" },
};

#define REGION(address, bytes, of, file, in_ram)                               \
	{                                                                      \
		.start = (address), .end = (address) + (bytes), .class = (of), \
		.label = "", .owner = "", .proof = "", .mapping = (file),      \
		.usage.rss = (in_ram),                                         \
	}

static const struct mf_region regions[] = {
	REGION(0x1000, 0x1000, MF_CLASS_TEXT, &files[0], 0x1000),
	REGION(0x2000, 0x4000, MF_CLASS_DATA, &files[0], 0x2000),
	REGION(0x6000, 0x1000, MF_CLASS_TEXT, &files[1], 0x1000),
	REGION(0x7000, 0x2000, MF_CLASS_TEXT, &files[1], 0x2000),
};

static struct mf_tree_node node(const struct mf_region_tree *tree, uint64_t row)
{
	struct mf_tree_node ret;

	assert_true(row < mf_region_tree_count(tree));
	mf_region_tree_node(tree, row, &ret);
	return ret;
}

static void the_largest_comes_first_at_each_level(void **state)
{
	struct mf_region_tree *tree = mf_region_tree_create(regions, 4, NULL);

	(void)state;
	assert_int_equal(mf_region_tree_rss(tree), 0x6000);
	assert_int_equal(mf_region_tree_count(tree), 2);
	assert_int_equal(node(tree, 0).class, MF_CLASS_TEXT);
	assert_int_equal(node(tree, 0).rss, 0x4000);
	assert_int_equal(node(tree, 0).regions, 3);
	assert_int_equal(node(tree, 1).size, 0x4000);
	mf_region_tree_open(tree, 0, true);
	assert_int_equal(mf_region_tree_count(tree), 4);
	assert_string_equal(node(tree, 1).owner, "libtwo.so");
	assert_string_equal(node(tree, 2).owner, "libone.so");
	mf_region_tree_open(tree, 1, true);
	assert_int_equal(mf_region_tree_count(tree), 6);
	assert_ptr_equal(node(tree, 2).region, &regions[3]);
	assert_ptr_equal(node(tree, 3).region, &regions[2]);
	assert_null(node(tree, 4).region);
	assert_int_equal(mf_region_tree_parent(tree, 3), 1);
	assert_int_equal(mf_region_tree_parent(tree, 1), 0);
	assert_int_equal(mf_region_tree_parent(tree, 0), 0);
	assert_int_equal(mf_region_tree_parent(tree, 5), 5);
	mf_region_tree_open(tree, 0, false);
	assert_int_equal(mf_region_tree_count(tree), 2);
	mf_region_tree_destroy(tree);
}

static void flat_is_by_address(void **state)
{
	struct mf_region_tree *tree = mf_region_tree_create(regions, 4, NULL);

	(void)state;
	mf_region_tree_set_flat(tree, true);
	assert_int_equal(mf_region_tree_count(tree), 4);
	for (uint64_t i = 0; i < 4; i++)
		assert_ptr_equal(node(tree, i).region, &regions[i]);
	mf_region_tree_destroy(tree);
}

static void one_class_is_open(void **state)
{
	const enum mf_class class = MF_CLASS_TEXT, none = MF_CLASS_HEAP;
	struct mf_region_tree *tree = mf_region_tree_create(regions, 4, &class);

	(void)state;
	assert_int_equal(mf_region_tree_count(tree), 3);
	assert_int_equal(mf_region_tree_rss(tree), 0x4000);
	mf_region_tree_destroy(tree);
	tree = mf_region_tree_create(regions, 4, &none);
	assert_int_equal(mf_region_tree_count(tree), 0);
	mf_region_tree_destroy(tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_largest_comes_first_at_each_level),
		cmocka_unit_test(flat_is_by_address),
		cmocka_unit_test(one_class_is_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
