/*
 * jemalloc's radix tree, forged in each of its layouts: the root is found, both
 * versions' bits are told apart, extents come once and in order, and what lies
 * is counted and left.
 */
#include "heap/jemalloc_rtree.h"
#include "recognise_util.h"

static const uint64_t heap_at = UINT64_C(0x7f1240000000); /* 1 GiB aligned */
static const uint64_t edata_at = UINT64_C(0x7f3000000000);
static const uint64_t leaf_at = UINT64_C(0x7f3100000000);
static const uint64_t node_at = UINT64_C(0x7f3200000000);

enum {
	ROOT = 64,    /* offset of the root in the data */
	EDATA = 1152, /* as with 64 KiB pages, whose bitmaps are long */
};

/* A tree of one leaf; its elements are set by add_extent. */
struct tree {
	struct forged_process *process;
	uint64_t data, leaf_bits, node_bits, lg_page;
	unsigned words, extents;
	bool old_bits;
};

static void forge_tree(struct tree *tree)
{
	struct forged_process *process = forge_process();
	uint64_t root_bits = tree->node_bits ? 15 : tree->leaf_bits;
	struct forged_module *module =
		forge_module(process, "/usr/lib/libjemalloc.so.2", forged_data,
			     (UINT64_C(8) << root_bits) + 8192);
	uint64_t page = heap_at >> tree->lg_page >> tree->leaf_bits;
	uint64_t below = leaf_at;

	module->symbols[0] = "mallctl";
	module->addresses[0] = 1;
	tree->process = process;
	forge_anon(process, leaf_at,
		   UINT64_C(8) * tree->words << tree->leaf_bits);
	forge_anon(process, edata_at, 1 << 20);
	forge_anon(process, heap_at, 64 << 20);
	if (tree->node_bits) {
		forge_anon(process, node_at, UINT64_C(8) << tree->node_bits);
		forge_u64(process,
			  node_at + 8 * (page & ((1 << tree->node_bits) - 1)),
			  leaf_at);
		page >>= tree->node_bits;
		below = node_at;
	}
	forge_u64(process, forged_data + ROOT + 8 * page, below);
}

static void set_element(struct tree *tree, uint64_t page, uint64_t edata)
{
	uint64_t index = page & ((UINT64_C(1) << tree->leaf_bits) - 1);
	uint64_t value = edata;

	if (tree->words == 1)
		value |= UINT64_C(0x0005) << 48 | 1;
	forge_u64(tree->process, leaf_at + index * 8 * tree->words, value);
}

/* A slab of 64-byte regions of which FREE are free, or a large extent. */
static uint64_t add_extent(struct tree *tree, uint64_t offset, uint64_t size,
			   enum mf_jemalloc_state state, unsigned free)
{
	uint64_t edata = edata_at + EDATA * tree->extents++;
	uint64_t bits, slab = free != 0, first = heap_at + offset;

	if (tree->old_bits)
		bits = slab << 12 | (uint64_t)state << 16 | UINT64_C(4) << 18 |
		       (uint64_t)free << 26;
	else
		bits = slab << 12 | (uint64_t)state << 17 | UINT64_C(4) << 20 |
		       (uint64_t)free << 28;
	forge_u64(tree->process, edata, bits);
	forge_u64(tree->process, edata + 8, first);
	forge_u64(tree->process, edata + 16, size);
	if (free)
		forge_u64(tree->process, edata + 64, (UINT64_C(1) << free) - 1);
	set_element(tree, first >> tree->lg_page, edata);
	set_element(tree, (first + size - 1) >> tree->lg_page, edata);
	return edata;
}

static void add_usual(struct tree *tree)
{
	uint64_t page = UINT64_C(1) << tree->lg_page;

	add_extent(tree, 0, page, MF_JEMALLOC_ACTIVE, 3);
	add_extent(tree, page, page, MF_JEMALLOC_ACTIVE, 7);
	add_extent(tree, 2 * page, 4 * page, MF_JEMALLOC_DIRTY, 0);
	add_extent(tree, 32 * page, 8 * page, MF_JEMALLOC_RETAINED, 0);
	add_extent(tree, 40 * page, page, MF_JEMALLOC_ACTIVE, 1);
}

static void check_usual(struct tree *tree)
{
	uint64_t page = UINT64_C(1) << tree->lg_page;

	assert_int_equal(forge_recognise(tree->process, &mf_jemalloc_ops), 1);
	assert_claim(tree->process, heap_at, heap_at + 6 * page,
		     "jemalloc extents");
	assert_claim(tree->process, heap_at + 32 * page, heap_at + 41 * page,
		     "jemalloc extents");
	assert_int_equal(forged_parameter(tree->process, "extents"), 5);
	assert_int_equal(forged_parameter(tree->process, "active"), 3 * page);
	assert_int_equal(forged_parameter(tree->process, "dirty"), 4 * page);
	assert_int_equal(forged_parameter(tree->process, "retained"), 8 * page);
}

static void finds_every_layout(void **state)
{
	static const struct tree layouts[] = {
		{ .leaf_bits = 18, .lg_page = 12, .words = 1 },
		{ .leaf_bits = 15, .node_bits = 15, .lg_page = 12, .words = 2 },
		{ .leaf_bits = 16, .lg_page = 16, .words = 1 },
	};

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(layouts); i++)
		for (int old = 0; old < 2; old++) {
			struct tree tree = layouts[i];

			tree.old_bits = old;
			forge_tree(&tree);
			add_usual(&tree);
			check_usual(&tree);
			forge_end(tree.process);
		}
}

/* A 2 MiB block whose unused rest ends at its end; its base has a second. */
static void claims_metadata(void **state)
{
	enum {
		BLOCK = 2 << 20
	};
	struct tree tree = { .leaf_bits = 18, .lg_page = 12, .words = 1 };
	const uint64_t first = UINT64_C(0x7f4000000000);
	const uint64_t second = UINT64_C(0x7f4000800000);
	struct forged_process *process;

	(void)state;
	forge_tree(&tree);
	process = tree.process;
	add_usual(&tree);
	forge_anon(process, first, BLOCK);
	forge_anon(process, second, 2 * BLOCK);
	forge_u64(process, first, BLOCK);
	forge_u64(process, first + 24, first + 8192);
	forge_u64(process, first + 32, BLOCK - 8192);
	forge_u64(process, first + 512, second); /* the base's newest */
	forge_u64(process, second, 2 * BLOCK);
	forge_u64(process, second + 8, first);
	forge_u64(process, second + 24, second + 4096);
	forge_u64(process, second + 32, 2 * BLOCK - 4096);
	forge_u64(process, forged_data, first + 4096); /* an arena */
	check_usual(&tree);
	assert_claim(process, first, first + BLOCK, "jemalloc metadata");
	assert_claim(process, second, second + 2 * BLOCK, "jemalloc metadata");
	assert_int_equal(forged_parameter(process, "metadata_blocks"),
			 3 * BLOCK);
	forge_end(process);
}

/* Elements that lie, extents that overlap, edata that wraps around. */
static void survives_lies(void **state)
{
	struct tree tree = { .leaf_bits = 18, .lg_page = 12, .words = 1 };
	struct forged_process *process;
	uint64_t edata;

	(void)state;
	forge_tree(&tree);
	process = tree.process;
	for (uint64_t i = 0; i < 70; i++)
		add_extent(&tree, i * 4096, 4096, MF_JEMALLOC_ACTIVE, 5);
	add_extent(&tree, 68 * 4096 + 0x100000, 4096, MF_JEMALLOC_ACTIVE, 0);
	edata = add_extent(&tree, 0x200000, 4096, MF_JEMALLOC_ACTIVE, 0);
	forge_u64(process, edata + 16, UINT64_MAX & ~UINT64_C(0xfff));
	edata = add_extent(&tree, 0x300000, 4096, MF_JEMALLOC_ACTIVE, 0);
	forge_u64(process, edata + 8, heap_at + 0x500000);
	set_element(&tree, (heap_at + 0x400000) >> 12, heap_at - 4096);
	/* the same leaf a second time: a cycle if it were followed */
	forge_u64(process, forged_data + ROOT + 8 * (heap_at >> 30) + 8,
		  leaf_at);
	assert_int_equal(forge_recognise(process, &mf_jemalloc_ops), 1);
	assert_claim(process, heap_at, heap_at + UINT64_C(70) * 4096,
		     "jemalloc extents");
	assert_int_equal(forged_parameter(process, "extents"), 71);
	forge_end(process);
}

/* ---- chunk by chunk ------------------------------------------------------ */

enum {
	SHOWN_MAX = 256,
};

static struct shown {
	struct mf_chunk chunks[SHOWN_MAX];
	size_t count;
} shown;

static bool note(const struct mf_chunk *chunk, void *data)
{
	(void)data;
	assert_true(shown.count < SHOWN_MAX);
	shown.chunks[shown.count++] = *chunk;
	return true;
}

static void show(const struct forged_process *process, uint64_t start,
		 uint64_t end)
{
	const struct mf_allocator_instance *instance =
		&process->heap.instances[0];
	const struct mf_chunk_range range = { start, end };

	shown.count = 0;
	assert_true(instance->ops->each_chunk(instance, range, note, NULL));
}

static uint64_t count_kind(enum mf_chunk_kind kind, uint64_t *bytes)
{
	uint64_t count = 0;

	*bytes = 0;
	for (size_t i = 0; i < shown.count; i++)
		if (shown.chunks[i].kind == kind) {
			count++;
			*bytes += shown.chunks[i].size;
		}
	return count;
}

/* Two slabs with 3 and 1 of 64 regions free, one object, one dirty extent. */
static struct forged_process *forge_chunks(struct tree *tree)
{
	uint64_t edata;

	forge_tree(tree);
	add_extent(tree, 0, 4096, MF_JEMALLOC_ACTIVE, 3);
	add_extent(tree, 4096, 4096, MF_JEMALLOC_ACTIVE, 1);
	edata = add_extent(tree, 8192, 0x6000, MF_JEMALLOC_ACTIVE, 0);
	/* 20480 bytes, 0x340 bytes into a page more than that */
	forge_u64(tree->process, edata, UINT64_C(37) << 20);
	forge_u64(tree->process, edata + 8, heap_at + 8192 + 0x340);
	add_extent(tree, 0x10000, 0x3000, MF_JEMALLOC_DIRTY, 0);
	add_extent(tree, 0x20000, 0x3000, MF_JEMALLOC_RETAINED, 0);
	assert_int_equal(forge_recognise(tree->process, &mf_jemalloc_ops), 1);
	return tree->process;
}

static void shows_each_region(void **state)
{
	struct tree tree = { .leaf_bits = 18, .lg_page = 12, .words = 1 };
	struct forged_process *process = forge_chunks(&tree);
	const struct mf_allocator *info = &process->heap.instances[0].info;
	uint64_t bytes, last = 0;

	(void)state;
	assert_true(info->supported);
	show(process, 0, UINT64_MAX);
	for (size_t i = 0; i < shown.count; i++) {
		assert_true(shown.chunks[i].address >= last);
		last = shown.chunks[i].address + shown.chunks[i].size;
	}
	assert_int_equal(count_kind(MF_KIND_IN_USE, &bytes), 61 + 63 + 1);
	assert_int_equal(bytes, 124 * 64 + 20480);
	assert_int_equal(info->figures.in_use.count, 125);
	assert_int_equal(info->figures.in_use.bytes, bytes);
	assert_int_equal(count_kind(MF_KIND_FREE, &bytes), 3 + 1 + 1);
	assert_int_equal(bytes, 4 * 64 + 0x3000);
	assert_int_equal(info->figures.free.bytes, bytes);
	assert_int_equal(info->figures.trimmable_bytes, 0x3000);
	assert_int_equal(info->figures.pinned_bytes, 4 * 64);
	assert_int_equal(count_kind(MF_KIND_OVERHEAD, &bytes), 2);
	assert_int_equal(bytes, 0x6000 - 20480);
	assert_int_equal(info->figures.overhead, bytes);
	assert_int_equal(info->figures.system, 8192 + 0x6000 + 0x3000);
	assert_int_equal(info->arena_count, 1);
	assert_int_equal(info->arenas[0].histogram_count, 2);
	forge_end(process);
}

static void shows_what_touches_a_range(void **state)
{
	struct tree tree = { .leaf_bits = 18, .lg_page = 12, .words = 1 };
	struct forged_process *process = forge_chunks(&tree);

	(void)state;
	/* the low bits are those of free regions */
	show(process, heap_at + 2 * 64 + 63, heap_at + 3 * 64 + 1);
	assert_int_equal(shown.count, 2);
	assert_int_equal(shown.chunks[0].address, heap_at + 128);
	assert_int_equal(shown.chunks[0].kind, MF_KIND_FREE);
	assert_int_equal(shown.chunks[1].kind, MF_KIND_IN_USE);
	assert_int_equal(shown.chunks[1].user, heap_at + 192);
	assert_int_equal(shown.chunks[1].usable, 64);
	show(process, heap_at + 8192 + 0x340, heap_at + 8192 + 0x341);
	assert_int_equal(shown.count, 1);
	assert_int_equal(shown.chunks[0].address, heap_at + 8192 + 0x340);
	assert_int_equal(shown.chunks[0].size, 20480);
	show(process, heap_at + 8192 + 0x33f, heap_at + 8192 + 0x340);
	assert_int_equal(shown.count, 1);
	assert_int_equal(shown.chunks[0].kind, MF_KIND_OVERHEAD);
	assert_int_equal(shown.chunks[0].usable, 0);
	show(process, heap_at + 0x13000, heap_at + 0x30000);
	assert_int_equal(shown.count, 0);
	forge_end(process);
}

static struct forged_process *forge_slabs(struct tree *tree, unsigned torn)
{
	forge_tree(tree);
	for (uint64_t i = 0; i < 100; i++) {
		uint64_t edata =
			add_extent(tree, i * 4096, 4096, MF_JEMALLOC_ACTIVE, 5);

		if (i < torn)
			forge_u64(tree->process, edata + 64, 3);
	}
	assert_int_equal(forge_recognise(tree->process, &mf_jemalloc_ops), 1);
	return tree->process;
}

/* What changes hands is not known; what lies is not believed at all. */
static void does_not_believe_what_contradicts_itself(void **state)
{
	struct tree tree = { .leaf_bits = 18, .lg_page = 12, .words = 1 };
	struct tree again = tree;
	struct forged_process *process = forge_slabs(&tree, 2);
	const struct mf_allocator *info = &process->heap.instances[0].info;
	uint64_t bytes;

	(void)state;
	assert_true(info->supported);
	assert_int_equal(info->consistency, MF_IN_FLIGHT);
	assert_int_equal(info->figures.unread, 2 * 4096);
	show(process, 0, heap_at + UINT64_C(4) * 4096);
	assert_int_equal(count_kind(MF_KIND_UNREAD, &bytes), 2);
	assert_int_equal(bytes, 2 * 4096);
	forge_end(process);
	process = forge_slabs(&again, 3);
	info = &process->heap.instances[0].info;
	assert_false(info->supported);
	assert_non_null(strstr(info->why, "bitmaps"));
	show(process, 0, UINT64_MAX);
	assert_int_equal(shown.count, 0);
	forge_end(process);
}

/* An extent must be mapped, and reach into no other, not even of another leaf. */
static void believes_no_extent_that_reaches_too_far(void **state)
{
	static const struct {
		uint64_t size, mapped; /* of an extent 8 KiB below the others */
		bool holds;
	} cases[] = {
		{ 8192, 8192, true },
		{ 8192 + 4096, 8192, false },
		{ 8192, 4096, false },
	};
	const uint64_t lower_leaf = leaf_at + (4 << 20);

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(cases); i++) {
		struct tree tree = { .leaf_bits = 18,
				     .lg_page = 12,
				     .words = 1 };
		struct forged_process *process;
		uint64_t edata;

		forge_tree(&tree);
		process = tree.process;
		add_usual(&tree);
		forge_anon(process, heap_at - 8192, cases[i].mapped);
		forge_anon(process, lower_leaf, 2 << 20);
		forge_u64(process, forged_data + ROOT + 8 * (heap_at >> 30) - 8,
			  lower_leaf);
		edata = edata_at + EDATA * tree.extents;
		forge_u64(process, edata, (uint64_t)MF_JEMALLOC_DIRTY << 17);
		forge_u64(process, edata + 8, heap_at - 8192);
		forge_u64(process, edata + 16, cases[i].size);
		forge_u64(process, lower_leaf + 8 * ((UINT64_C(1) << 18) - 2),
			  edata);
		assert_int_equal(forge_recognise(process, &mf_jemalloc_ops), 1);
		assert_int_equal(process->heap.instances[0].info.supported,
				 cases[i].holds);
		assert_int_equal(forged_parameter(process, "extents"),
				 5 + cases[i].holds);
		forge_end(process);
	}
}

/* ---- what threads keep ---------------------------------------------------- */

enum {
	TLS = 4096,
	BINS = 20,
	STACK = 64, /* bytes of each bin's */
	BIN_OF_64 = 4,
};

static const uint64_t tls_at = UINT64_C(0x7f5000000000);
static const uint64_t stack_at = UINT64_C(0x7f510000ff00); /* wraps 16 bits */

/* A row of bins, CACHED[] in that of 64 bytes; its bin BROKEN does not go on
 * where the one before it ends. */
static void forge_cache(struct forged_process *process, const uint64_t *cached,
			size_t count, unsigned broken)
{
	const struct mf_thread thread = { .tid = 7, .tp = tls_at + TLS };

	process->image.modules[0].tls = 2048;
	forge_anon(process, tls_at, TLS * 2);
	forge_anon(process, mf_align_down(stack_at, 4096), 8192);
	mf_target_forge_thread(process->target, &thread);
	for (unsigned i = 0; i < BINS; i++) {
		uint64_t at = tls_at + TLS - 1024 + i * UINT64_C(24);
		uint64_t full =
			stack_at + i * (uint64_t)STACK + (i == broken ? 8 : 0);
		uint64_t empty = stack_at + (i + 1) * (uint64_t)STACK;
		uint64_t head = empty - (i == BIN_OF_64 ? count * 8 : 0);

		forge_u64(process, at, head);
		forge_u64(process, at + 16,
			  (empty & 0xffff) | (full & 0xffff) << 16 |
				  (empty & 0xffff) << 32);
		for (size_t k = 0; i == BIN_OF_64 && k < count; k++)
			forge_u64(process, head + k * 8, cached[k]);
	}
}

static void look_at_cache(const uint64_t *cached, size_t count, unsigned broken,
			  uint64_t *kept)
{
	struct tree tree = { .leaf_bits = 18, .lg_page = 12, .words = 1 };
	const struct mf_allocator *info;
	uint64_t bytes;

	forge_tree(&tree);
	add_extent(&tree, 0, 4096, MF_JEMALLOC_ACTIVE, 3);
	add_extent(&tree, 4096, 4096, MF_JEMALLOC_ACTIVE, 1);
	add_extent(&tree, 0x10000, 4096, MF_JEMALLOC_DIRTY, 0);
	forge_cache(tree.process, cached, count, broken);
	assert_int_equal(forge_recognise(tree.process, &mf_jemalloc_ops), 1);
	info = &tree.process->heap.instances[0].info;
	assert_true(info->supported);
	show(tree.process, 0, UINT64_MAX);
	*kept = count_kind(MF_KIND_TCACHE, &bytes);
	assert_int_equal(bytes, *kept * 64);
	assert_int_equal(info->figures.tcache.count, *kept);
	assert_int_equal(info->figures.tcache.bytes, bytes);
	assert_int_equal(info->figures.in_use.count, 61 + 63 - *kept);
	assert_int_equal(info->figures.system,
			 info->figures.in_use.bytes + bytes +
				 info->figures.free.bytes);
	forge_end(tree.process);
}

static void finds_what_threads_keep(void **state)
{
	const uint64_t cached[] = { heap_at + UINT64_C(10) * 64,
				    heap_at + UINT64_C(63) * 64,
				    heap_at + 4096 + UINT64_C(5) * 64 };
	uint64_t kept;

	(void)state;
	look_at_cache(cached, MF_ARRAY_SIZE(cached), BINS, &kept);
	assert_int_equal(kept, MF_ARRAY_SIZE(cached));
	/* a row of fewer bins than a cache has is none */
	look_at_cache(cached, MF_ARRAY_SIZE(cached), BINS / 2, &kept);
	assert_int_equal(kept, 0);
}

/* What is free already, between regions, of no slab, or said twice. */
static void keeps_only_what_can_be_kept(void **state)
{
	const uint64_t cached[] = {
		heap_at,
		heap_at + UINT64_C(10) * 64 + 8,
		heap_at + 0x10000,
		heap_at - 64,
		UINT64_MAX,
		heap_at + UINT64_C(11) * 64,
		heap_at + UINT64_C(11) * 64,
	};
	uint64_t kept;

	(void)state;
	look_at_cache(cached, MF_ARRAY_SIZE(cached), BINS, &kept);
	assert_int_equal(kept, 1);
}

static void says_that_it_is_unused(void **state)
{
	struct tree tree = { .leaf_bits = 18, .lg_page = 12, .words = 1 };
	const struct mf_allocator *info;

	(void)state;
	forge_tree(&tree);
	assert_int_equal(forge_recognise(tree.process, &mf_jemalloc_ops), 1);
	info = &tree.process->heap.instances[0].info;
	assert_false(info->supported);
	assert_non_null(strstr(info->why, "mallctl"));
	assert_non_null(strstr(info->why, "not in use"));
	assert_int_equal(tree.process->space.claim_count, 0);
	forge_end(tree.process);
}

/* The version string stands behind a NUL, with commits and hash. */
static void says_its_version(void **state)
{
	static const char text[] =
		"x5.3.9\0005.3.0-0-g54eaed1d8b56b1aa528be3bdd1877e59c56fa90c\0"
		"<jemalloc>: ";
	struct forged_process *process = forge_process();
	struct forged_module *module = forge_module(process, "/usr/bin/static",
						    forged_data, 512 << 10);

	(void)state;
	module->text = text;
	module->text_size = sizeof(text);
	assert_int_equal(forge_recognise(process, &mf_jemalloc_ops), 1);
	assert_string_equal(process->heap.instances[0].info.version, "5.3.0");
	assert_non_null(
		strstr(process->heap.instances[0].info.why, "<jemalloc>: "));
	forge_end(process);
}

static void knows_size_classes(void **state)
{
	static const uint64_t sizes[] = { 8,   16,  32,	 48,  64,  80,	96,
					  112, 128, 160, 192, 224, 256, 320 };

	(void)state;
	for (unsigned i = 0; i < MF_ARRAY_SIZE(sizes); i++)
		assert_int_equal(mf_jemalloc_class_size(i), sizes[i]);
	assert_int_equal(mf_jemalloc_class_size(35), 14336);
	assert_int_equal(mf_jemalloc_class_size(255), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_every_layout),
		cmocka_unit_test(claims_metadata),
		cmocka_unit_test(survives_lies),
		cmocka_unit_test(believes_no_extent_that_reaches_too_far),
		cmocka_unit_test(shows_each_region),
		cmocka_unit_test(shows_what_touches_a_range),
		cmocka_unit_test(does_not_believe_what_contradicts_itself),
		cmocka_unit_test(finds_what_threads_keep),
		cmocka_unit_test(keeps_only_what_can_be_kept),
		cmocka_unit_test(says_that_it_is_unused),
		cmocka_unit_test(says_its_version),
		cmocka_unit_test(knows_size_classes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
