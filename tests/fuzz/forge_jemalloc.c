/*
 * Writes process files of forged jemallocs, one of each layout of its tree,
 * with all that its chunks are made of: slabs, large objects, spare and
 * retained extents, a thread's cache:  forge_jemalloc FOLDER
 */
#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "process.h"

enum {
	WORD = 8,
	PAGE = 4096,
	ROOT = 64,    /* offset in the data */
	EDATA = 1024, /* from one to the next; bitmaps are in between */
	DATA_MORE = 8192,
	CLASS_64 = 4,
	CLASS_20480 = 37,
	ACTIVE = 0,
	DIRTY = 1,
	MUZZY = 2,
	RETAINED = 3,
	BINS = 20,
	STACK = 64, /* bytes of a bin's */
	TLS = 2048,
};

static const uint64_t data_at = UINT64_C(0x7f0000400000);
static const uint64_t heap_at = UINT64_C(0x7f1240000000); /* 1 GiB aligned */
static const uint64_t edata_at = UINT64_C(0x7f3000000000);
static const uint64_t leaf_at = UINT64_C(0x7f3100000000);
static const uint64_t node_at = UINT64_C(0x7f3200000000);
static const uint64_t tls_at = UINT64_C(0x7f5000000000);
static const uint64_t stack_at = UINT64_C(0x7f510000f000);

struct tree {
	const char *name;
	unsigned lg_page, leaf_bits, node_bits, words; /* words: an element */
	bool old_bits;
	unsigned extents;
};

static const struct tree trees[] = {
	{ "jemalloc-chunks", 12, 18, 0, 1, false, 0 },
	{ "jemalloc-chunks-57", 12, 15, 15, 2, true, 0 },
	{ "jemalloc-chunks-64k", 16, 16, 0, 1, false, 0 },
};

static FILE *file;

/* ---- records --------------------------------------------------------------- */

static void put(enum process_kind kind, unsigned small, uint64_t address,
		const uint64_t *words, size_t count)
{
	const struct process_record record = {
		(uint8_t)kind, (uint8_t)small, 0, (uint32_t)count, address,
	};

	fwrite(&record, 1, sizeof(record), file);
	fwrite(words, WORD, count, file);
}

static void put_word(uint64_t address, uint64_t value)
{
	put(PROCESS_WORDS, 0, address, &value, 1);
}

static void put_mapping(uint64_t start, uint64_t size, bool has_bytes)
{
	const uint64_t words[] = { start + size, 0, 0,
				   MF_PERM_READ | MF_PERM_WRITE };

	put(PROCESS_MAPPING, has_bytes, start, words, 4);
}

static void put_present(uint64_t start, uint64_t pages)
{
	put(PROCESS_PAGES, MF_PAGE_PRESENT, start, &pages, 1);
}

static void put_library(uint64_t size)
{
	uint64_t mapping[8] = { data_at + size, PAGE, 7,
				MF_PERM_READ | MF_PERM_WRITE };
	uint64_t module[9] = { data_at + size, data_at, data_at, data_at + size,
			       MF_SEGMENT_BSS };
	const uint64_t symbol[] = { process_hash("mallctl"), 64 };
	const uint64_t none = 0;

	memcpy(mapping + 4, "/usr/lib/libjemalloc.so.2", 25);
	memcpy(module + 5, "/usr/lib/libjemalloc.so.2", 25);
	put(PROCESS_MODULE, 1, data_at, module, 9);
	put(PROCESS_SYMBOL, 0, data_at, symbol, 2);
	put(PROCESS_TLS, 0, TLS, &none, 0);
	put(PROCESS_MAPPING, 1, data_at, mapping, 8);
	put_present(data_at, size / PAGE);
}

/* ---- the tree -------------------------------------------------------------- */

static void put_tree(const struct tree *tree)
{
	unsigned root_bits = tree->node_bits ? 15 : tree->leaf_bits;
	uint64_t leaf = UINT64_C(8) * tree->words << tree->leaf_bits;
	uint64_t node = UINT64_C(8) << tree->node_bits;
	uint64_t index = heap_at >> tree->lg_page >> tree->leaf_bits;
	uint64_t below = leaf_at;

	put_library((UINT64_C(8) << root_bits) + DATA_MORE);
	put_mapping(leaf_at, leaf, true);
	put_mapping(edata_at, 16 << 10, true);
	put_present(edata_at, 4);
	put_mapping(heap_at, 64 << 20, false);
	if (tree->node_bits) {
		uint64_t at = index & ((UINT64_C(1) << tree->node_bits) - 1);

		put_mapping(node_at, node, true);
		put_present(node_at, node / PAGE);
		put_word(node_at + WORD * at, leaf_at);
		index >>= tree->node_bits;
		below = node_at;
	}
	put_word(data_at + ROOT + WORD * index, below);
}

static void put_element(const struct tree *tree, uint64_t page, uint64_t edata)
{
	uint64_t index = page & ((UINT64_C(1) << tree->leaf_bits) - 1);

	if (tree->words == 1)
		edata |= UINT64_C(0x0005) << 48 | 1;
	index *= WORD * tree->words;
	put_present(leaf_at + index / PAGE * PAGE, 1);
	put_word(leaf_at + index, edata);
}

/* PAGES of jemalloc's; a slab, of which FREE regions are free, or none. */
static void put_extent(struct tree *tree, uint64_t page, uint64_t pages,
		       unsigned state, unsigned class, unsigned free)
{
	uint64_t edata = edata_at + EDATA * (uint64_t)tree->extents++;
	uint64_t start = heap_at + (page << tree->lg_page);
	unsigned shift = tree->old_bits ? 16 : 17;
	unsigned state_bits = tree->old_bits ? 2 : 3;
	uint64_t bits = (uint64_t)state << shift |
			(uint64_t) class << (shift + state_bits) |
			(uint64_t)free << (shift + state_bits + 8) |
			(uint64_t)(free != 0) << 12;
	uint64_t offset = class == CLASS_20480 ? 0x340 : 0;
	const uint64_t head[] = { bits, start + offset,
				  pages << tree->lg_page };

	put(PROCESS_WORDS, 0, edata, head, 3);
	if (free)
		put_word(edata + 64, (UINT64_C(1) << free) - 1);
	put_element(tree, start >> tree->lg_page, edata);
	if (pages > 1)
		put_element(tree, (start >> tree->lg_page) + pages - 1, edata);
}

/* ---- a thread's cache ------------------------------------------------------ */

static void put_cache(void)
{
	const uint64_t thread[] = { 7, 0, 0, 0 };
	const uint64_t cached[] = { heap_at + UINT64_C(10) * 64,
				    heap_at + UINT64_C(63) * 64 };

	put_mapping(tls_at, 2 * PAGE, true);
	put_present(tls_at, 2);
	put_mapping(stack_at, 2 * PAGE, true);
	put_present(stack_at, 2);
	put(PROCESS_THREAD, 0, tls_at + PAGE, thread, 4);
	for (unsigned i = 0; i < BINS; i++) {
		uint64_t full = stack_at + 0xf00 + i * (uint64_t)STACK;
		uint64_t empty = full + STACK;
		uint64_t head = empty - (i == CLASS_64 ? sizeof(cached) : 0);
		const uint64_t bin[] = { head, 1,
					 (empty & 0xffff) |
						 (full & 0xffff) << 16 |
						 (empty & 0xffff) << 32 };

		put(PROCESS_WORDS, 0, tls_at + PAGE - 1024 + i * sizeof(bin),
		    bin, 3);
		if (i == CLASS_64)
			put(PROCESS_WORDS, 0, head, cached, 2);
	}
}

static void put_process(struct tree *tree)
{
	const uint64_t none = 0;

	put(PROCESS_OPTIONS, 12, 0, &none, 0);
	put_tree(tree);
	put_extent(tree, 0, 1, ACTIVE, CLASS_64, 3);
	put_extent(tree, 1, 1, ACTIVE, CLASS_64, 7);
	put_extent(tree, 2, 6, ACTIVE, CLASS_20480, 0);
	put_extent(tree, 8, 4, DIRTY, 0, 0);
	put_extent(tree, 12, 2, MUZZY, 0, 0);
	put_extent(tree, 32, 8, RETAINED, 0, 0);
	put_extent(tree, 40, 1, ACTIVE, CLASS_64, 1);
	put_present(heap_at, 11);
	put_cache();
}

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < MF_ARRAY_SIZE(trees); i++) {
		struct tree tree = trees[i];
		char path[4096];

		snprintf(path, sizeof(path), "%s/%s", argv[1], tree.name);
		file = fopen(path, "wb");
		if (!file)
			return 1;
		put_process(&tree);
		fclose(file);
	}
	return 0;
}
