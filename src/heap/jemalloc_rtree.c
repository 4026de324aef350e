/*
 * jemalloc 5 keeps one radix tree from page numbers to extents. Its root is an
 * array inside the library's bss; every leaf element points at an edata (5.0 to
 * 5.2: extent_t), which repeats the address: a word of bss is the root's when
 * the array it points at agrees with what it points at. The arrangement depends
 * on the address bits and the page size that jemalloc was built for.
 * Source: jemalloc 5.0 to 5.3, rtree.h, edata.h, extent_structs.h, sz.h.
 */
#include "heap/jemalloc_rtree.h"

enum {
	EDATA_BITS = 0, /* offsets, words */
	EDATA_ADDRESS = 1,
	EDATA_SIZE = 2,
	EDATA_HEAD = 3,	   /* words read of each */
	EDATA_BITMAP = 64, /* offset, bytes */
	MOST_CANDIDATES = 4096,
	ENOUGH_ELEMENTS = 64, /* to judge a leaf by */
	ENOUGH_SLABS = 512,   /* to judge the bits by */
	MOST_REGIONS = 8192,  /* of a slab, 64 KiB pages */
	MOST_BAD = 1 << 20,   /* elements, before the tree is given up */
};

static const struct mf_jemalloc_layout layouts[] = {
	{ "48-bit addresses, 4 KiB pages", 12, 18, 0, 18, 1 },
	{ "57-bit addresses, 4 KiB pages", 12, 15, 15, 15, 2 },
	{ "48-bit addresses, 64 KiB pages", 16, 16, 0, 16, 1 },
};

uint64_t mf_jemalloc_class_size(unsigned index)
{
	unsigned group;

	if (index == 0)
		return 8;
	if (index < 5)
		return UINT64_C(16) * index;
	group = (index - 5) / 4;
	if (group > 48)
		return 0;
	return (UINT64_C(64) << group) +
	       (UINT64_C(16) << group) * ((index - 5) % 4 + 1);
}

/* ---- one extent ------------------------------------------------------------ */

struct entry {
	uint64_t edata, page; /* page: number, of the element */
	uint64_t address, size, bits;
	uint64_t offset; /* of its object, below a page */
};

static uint64_t element_edata(const struct mf_jemalloc_layout *layout,
			      uint64_t word)
{
	if (layout->leaf_words == 2)
		return word;
	return word & ((UINT64_C(1) << 48) - 1) & ~UINT64_C(63);
}

/* Reads the extent of ENTRY; false when it is not at the entry's page. */
static bool read_entry(struct mf_reader *reader,
		       const struct mf_jemalloc_layout *layout,
		       struct entry *entry)
{
	uint64_t page_mask = (UINT64_C(1) << layout->lg_page) - 1;
	uint64_t head[EDATA_HEAD], first;

	if (entry->edata % 64 ||
	    !mf_reader_read(reader, entry->edata, head, sizeof(head)))
		return false;
	entry->bits = head[EDATA_BITS];
	entry->address = head[EDATA_ADDRESS] & ~page_mask;
	entry->offset = head[EDATA_ADDRESS] & page_mask;
	entry->size = head[EDATA_SIZE] & ~page_mask;
	first = entry->address >> layout->lg_page;
	return entry->size && entry->address + entry->size > entry->address &&
	       first <= entry->page &&
	       entry->page - first < entry->size >> layout->lg_page;
}

static struct mf_jemalloc_extent decode(const struct entry *entry,
					const struct mf_jemalloc_rtree *rtree)
{
	uint64_t bits = entry->bits;
	unsigned nfree_bits = rtree->layout->lg_page == 12 ? 10 : 14;
	struct mf_jemalloc_extent extent = {
		.address = entry->address,
		.size = entry->size,
		.edata = entry->edata,
		.offset = entry->offset,
		.arena = bits & 0xfff,
		.slab = bits >> 12 & 1,
	};
	unsigned state;

	if (rtree->bits == MF_JEMALLOC_BITS_5_3) {
		state = bits >> 17 & 7;
		extent.size_class = bits >> 20 & 0xff;
		extent.free_regions = bits >> 28 & ((1U << nfree_bits) - 1);
	} else {
		state = bits >> 16 & 3;
		extent.size_class = bits >> 18 & 0xff;
		extent.free_regions = bits >> 26 & ((1U << nfree_bits) - 1);
	}
	extent.state = MF_MIN(state, (unsigned)MF_JEMALLOC_TRANSIENT);
	return extent;
}

/* ---- finding the root -------------------------------------------------------- */

struct leaf_check {
	struct mf_reader *reader;
	const struct mf_jemalloc_layout *layout;
	uint64_t leaf; /* address of its first element */
	uint64_t high; /* the page number above the leaf's bits */
	unsigned good, bad;
};

static uint64_t leaf_size(const struct mf_jemalloc_layout *layout)
{
	return sizeof(uint64_t) * layout->leaf_words << layout->leaf_bits;
}

/* An element knows only the low bits of its page: the edata gives the rest. */
static void check_element(struct leaf_check *check, uint64_t index,
			  uint64_t word)
{
	unsigned leaf_bits = check->layout->leaf_bits;
	struct entry entry = { .edata = element_edata(check->layout, word) };
	uint64_t address, high;

	if (!entry.edata)
		return;
	if (!mf_reader_u64(check->reader,
			   entry.edata + EDATA_ADDRESS * sizeof(uint64_t),
			   &address)) {
		check->bad++;
		return;
	}
	high = address >> (check->layout->lg_page + leaf_bits);
	entry.page = high << leaf_bits | index;
	if (!high || !read_entry(check->reader, check->layout, &entry) ||
	    (check->good && high != check->high)) {
		check->bad++;
		return;
	}
	check->high = high;
	check->good++;
}

static bool check_words(void *data, const struct mf_words *words)
{
	struct leaf_check *check = data;
	uint64_t end = check->leaf + leaf_size(check->layout);

	for (size_t i = 0; i < words->count; i++) {
		uint64_t at = words->address + i * sizeof(uint64_t), index;

		if (at < check->leaf || at >= end || !words->words[i])
			continue;
		index = (at - check->leaf) / sizeof(uint64_t);
		if (index % check->layout->leaf_words)
			continue;
		check_element(check, index / check->layout->leaf_words,
			      words->words[i]);
		if (check->good + check->bad >= ENOUGH_ELEMENTS ||
		    (check->bad > 8 && !check->good))
			return false;
	}
	return true;
}

/* True when a leaf is at LEAF; *high: what all its pages have in common. */
static bool check_leaf(struct mf_target *target, struct mf_reader *reader,
		       const struct mf_jemalloc_layout *layout, uint64_t leaf,
		       uint64_t *high)
{
	struct leaf_check check = {
		.reader = reader,
		.layout = layout,
		.leaf = leaf,
	};
	struct mf_range range = { leaf, leaf + leaf_size(layout) };
	const struct mf_mapping *mapping = mf_anon_at(target, leaf);

	if (!mapping || mapping->end < range.end || leaf % 64)
		return false;
	mf_scan_words(target, range, check_words, &check);
	*high = check.high;
	return check.good >= 3 && check.bad * 10 <= check.good;
}

struct search {
	struct mf_target *target;
	struct mf_reader *reader;
	struct mf_range data;
	unsigned candidates;
	struct mf_jemalloc_rtree found;
};

struct child {
	struct mf_target *target;
	uint64_t node, end, address, index;
};

static bool first_child(void *data, const struct mf_words *words)
{
	struct child *child = data;

	for (size_t i = 0; i < words->count; i++) {
		uint64_t at = words->address + i * sizeof(uint64_t);

		if (at < child->node || at >= child->end || !words->words[i])
			continue;
		child->index = (at - child->node) / sizeof(uint64_t);
		child->address = words->words[i];
		return false;
	}
	return true;
}

/* True when VALUE points at a leaf, or a node with one; *index: its place. */
static bool check_candidate(struct search *search,
			    const struct mf_jemalloc_layout *layout,
			    uint64_t value, uint64_t *index)
{
	struct child child = { .target = search->target, .node = value };
	struct mf_range node = { value, value };
	uint64_t mask;

	if (!layout->node_bits)
		return check_leaf(search->target, search->reader, layout, value,
				  index);
	node.end += sizeof(uint64_t) << layout->node_bits;
	child.end = node.end;
	mf_scan_words(search->target, node, first_child, &child);
	mask = (UINT64_C(1) << layout->node_bits) - 1;
	if (!child.address ||
	    !check_leaf(search->target, search->reader, layout, child.address,
			index) ||
	    (*index & mask) != child.index)
		return false;
	*index >>= layout->node_bits;
	return true;
}

/* True when VALUE, the word at AT, is an element of a root in the data. */
static bool try_candidate(struct search *search, uint64_t at, uint64_t value)
{
	for (size_t i = 0; i < MF_ARRAY_SIZE(layouts); i++) {
		const struct mf_jemalloc_layout *layout = &layouts[i];
		uint64_t index, root, size;

		size = sizeof(uint64_t) << layout->root_bits;
		if (mf_range_size(search->data) < size ||
		    !check_candidate(search, layout, value, &index) ||
		    index >> layout->root_bits)
			continue;
		root = at - index * sizeof(uint64_t);
		if (root > at || root < search->data.start ||
		    root + size > search->data.end)
			continue;
		search->found.layout = layout;
		search->found.root = root;
		return true;
	}
	return false;
}

static bool search_words(void *data, const struct mf_words *words)
{
	struct search *search = data;

	for (size_t i = 0; i < words->count; i++) {
		uint64_t value = words->words[i];

		if (value < 0x10000 || value % 64 || value >> 57 ||
		    mf_range_has(search->data, value) ||
		    !mf_anon_at(search->target, value))
			continue;
		if (++search->candidates > MOST_CANDIDATES)
			return false;
		if (try_candidate(search, words->address + i * sizeof(uint64_t),
				  value))
			return false;
	}
	return true;
}

/* ---- every extent -------------------------------------------------------------- */

struct walk {
	struct mf_target *target;
	struct mf_reader *reader;
	const struct mf_jemalloc_rtree *rtree;
	const struct mf_jemalloc_visitor *visitor;
	MF_VEC(struct entry) entries; /* of the leaf at hand */
	size_t most;		      /* entries that are read of a leaf */
	uint64_t leaf, first_page;    /* its address; page of its element 0 */
	struct mf_map leaves, nodes;  /* by place: none lies in another */
	const struct mf_mapping *mapping; /* that the last extent ended in */
	uint64_t end;			  /* of that extent */
	uint64_t bad;
	bool ended;
};

static bool collect_words(void *data, const struct mf_words *words)
{
	struct walk *walk = data;
	const struct mf_jemalloc_layout *layout = walk->rtree->layout;
	uint64_t end = walk->leaf + leaf_size(layout);
	uint64_t last = 0;

	for (size_t i = 0; i < words->count; i++) {
		uint64_t at = words->address + i * sizeof(uint64_t), edata;

		if (!words->words[i] || at < walk->leaf || at >= end ||
		    (at - walk->leaf) / sizeof(uint64_t) % layout->leaf_words)
			continue;
		edata = element_edata(layout, words->words[i]);
		if (!edata || edata == last)
			continue;
		last = edata;
		if (walk->entries.count >= walk->most)
			return false;
		mf_vec_push(
			&walk->entries,
			(struct entry){ .edata = edata,
					.page = walk->first_page +
						(at - walk->leaf) /
							sizeof(uint64_t) /
							layout->leaf_words });
	}
	return true;
}

static int compare_edata(const void *a, const void *b)
{
	const struct entry *left = a, *right = b;

	if (left->edata != right->edata)
		return left->edata < right->edata ? -1 : 1;
	return (left->page > right->page) - (left->page < right->page);
}

static int compare_address(const void *a, const void *b)
{
	const struct entry *left = a, *right = b;

	return (left->address > right->address) -
	       (left->address < right->address);
}

/*
 * Extents are read in the order of their descriptions, so that each window of
 * those is read once, and given in the order of their addresses. One that began
 * in an earlier leaf was given there.
 */
static void read_entries(struct walk *walk)
{
	const struct mf_jemalloc_layout *layout = walk->rtree->layout;
	uint64_t start = walk->first_page << layout->lg_page;
	uint64_t last = 0;
	size_t kept = 0;

	mf_vec_sort(&walk->entries, compare_edata);
	mf_vec_foreach(entry, &walk->entries) {
		if (entry->edata == last)
			continue;
		last = entry->edata;
		if (!read_entry(walk->reader, layout, entry))
			walk->bad++;
		else if (entry->address >= start)
			walk->entries.items[kept++] = *entry;
	}
	walk->entries.count = kept;
	mf_vec_sort(&walk->entries, compare_address);
}

/* What an extent says to be must be mapped, all of it. */
static bool is_mapped(struct walk *walk, uint64_t start, uint64_t end)
{
	size_t count;
	const struct mf_mapping *all = mf_target_mappings(walk->target, &count);
	const struct mf_mapping *at = walk->mapping;

	if (!at || start < at->start || start >= at->end)
		at = mf_target_mapping_at(walk->target, start);
	if (!at)
		return false;
	while (at->end < end && at + 1 < all + count && at[1].start == at->end)
		at++;
	walk->mapping = at;
	return at->end >= end;
}

/* An extent that one of an earlier leaf reaches into is no more of its own than
 * one of this leaf. */
static void visit_entries(struct walk *walk)
{
	mf_vec_foreach(entry, &walk->entries) {
		uint64_t end = entry->address + entry->size;
		struct mf_jemalloc_extent extent;

		if (entry->address < walk->end ||
		    !is_mapped(walk, entry->address, end)) {
			walk->bad++;
			continue;
		}
		walk->end = end;
		extent = decode(entry, walk->rtree);
		if (!walk->visitor->extent(walk->visitor->data, &extent)) {
			walk->ended = true;
			return;
		}
	}
}

static void walk_leaf(struct walk *walk, uint64_t leaf, uint64_t first_page)
{
	struct mf_range range = { leaf, leaf + leaf_size(walk->rtree->layout) };

	if (walk->bad > MOST_BAD)
		walk->ended = true;
	if (leaf % 64 || !mf_anon_at(walk->target, leaf) ||
	    !mf_map_set(&walk->leaves, leaf / mf_range_size(range), 0)) {
		walk->bad++;
		return;
	}
	walk->leaf = leaf;
	walk->first_page = first_page;
	walk->entries.count = 0;
	mf_scan_words(walk->target, range, collect_words, walk);
	if (walk->visitor->leaf)
		walk->visitor->leaf(walk->visitor->data, range.start,
				    range.end);
	read_entries(walk);
	visit_entries(walk);
}

/* An array of pointers to what is one level below it. */
struct level {
	struct walk *walk;
	uint64_t address, prefix; /* prefix: page bits above its elements */
	unsigned bits;
	bool root;
};

static bool walk_pointers(void *data, const struct mf_words *words);

static void walk_node(struct walk *walk, uint64_t address, uint64_t prefix)
{
	struct level node = { walk, address, prefix,
			      walk->rtree->layout->node_bits, false };
	uint64_t size = sizeof(uint64_t) << node.bits;

	if (!mf_anon_at(walk->target, address) ||
	    !mf_map_set(&walk->nodes, address / size, 0))
		walk->bad++;
	else
		mf_scan_words(walk->target,
			      (struct mf_range){ address, address + size },
			      walk_pointers, &node);
}

static bool walk_pointers(void *data, const struct mf_words *words)
{
	struct level *level = data;
	struct walk *walk = level->walk;
	const struct mf_jemalloc_layout *layout = walk->rtree->layout;
	uint64_t end = level->address + (sizeof(uint64_t) << level->bits);

	for (size_t i = 0; i < words->count && !walk->ended; i++) {
		uint64_t at = words->address + i * sizeof(uint64_t), prefix;

		if (!words->words[i] || at < level->address || at >= end)
			continue;
		prefix = level->prefix << level->bits |
			 (at - level->address) / sizeof(uint64_t);
		if (level->root && layout->node_bits) {
			walk_node(walk, words->words[i], prefix);
			continue;
		}
		walk_leaf(walk, words->words[i], prefix << layout->leaf_bits);
	}
	return !walk->ended;
}

static uint64_t walk_tree(struct mf_target *target,
			  const struct mf_jemalloc_rtree *rtree,
			  const struct mf_jemalloc_visitor *visitor,
			  size_t most)
{
	struct walk walk = {
		.target = target,
		.reader = mf_reader_create(target),
		.rtree = rtree,
		.visitor = visitor,
		.most = most,
	};
	struct level root = { &walk, rtree->root, 0, rtree->layout->root_bits,
			      true };
	struct mf_range range = { rtree->root,
				  rtree->root + (sizeof(uint64_t)
						 << rtree->layout->root_bits) };

	mf_scan_words(target, range, walk_pointers, &root);
	mf_vec_deinit(&walk.entries);
	mf_map_deinit(&walk.leaves);
	mf_map_deinit(&walk.nodes);
	mf_reader_destroy(walk.reader);
	return walk.bad;
}

uint64_t mf_jemalloc_each_extent(struct mf_target *target,
				 const struct mf_jemalloc_rtree *rtree,
				 const struct mf_jemalloc_visitor *visitor)
{
	return walk_tree(target, rtree, visitor, SIZE_MAX);
}

/* ---- which version's bits ------------------------------------------------------ */

struct vote {
	struct mf_reader *reader;
	struct mf_jemalloc_rtree rtree; /* as if of the voted version */
	unsigned slabs, good;
};

static unsigned free_in_bitmap(const uint64_t *bitmap, uint64_t regions)
{
	unsigned count = 0;

	for (uint64_t i = 0; i < regions; i += 64) {
		uint64_t group = bitmap[i / 64];

		if (regions - i < 64)
			group &= (UINT64_C(1) << (regions - i)) - 1;
		count += (unsigned)__builtin_popcountll(group);
	}
	return count;
}

/* A slab's count of free regions is that of its bitmap. */
static bool slab_agrees(struct mf_reader *reader,
			const struct mf_jemalloc_extent *extent)
{
	uint64_t region = mf_jemalloc_class_size(extent->size_class);
	uint64_t bitmap[MOST_REGIONS / 64], regions, bytes;

	if (!region || extent->size % region)
		return false;
	regions = extent->size / region;
	bytes = (regions + 63) / 64 * sizeof(uint64_t);
	return regions <= MOST_REGIONS &&
	       mf_reader_read(reader, extent->edata + EDATA_BITMAP, bitmap,
			      bytes) &&
	       free_in_bitmap(bitmap, regions) == extent->free_regions;
}

static bool vote_extent(void *data, const struct mf_jemalloc_extent *extent)
{
	struct vote *vote = data;

	if (!extent->slab || extent->state != MF_JEMALLOC_ACTIVE)
		return true;
	vote->slabs++;
	vote->good += slab_agrees(vote->reader, extent);
	return vote->slabs < ENOUGH_SLABS;
}

static enum mf_jemalloc_bits choose_bits(struct mf_target *target,
					 struct mf_reader *reader,
					 const struct mf_jemalloc_rtree *rtree)
{
	static const enum mf_jemalloc_bits versions[] = {
		MF_JEMALLOC_BITS_5_3,
		MF_JEMALLOC_BITS_5_0,
	};
	enum mf_jemalloc_bits best = MF_JEMALLOC_BITS_UNKNOWN;
	unsigned most = 0;

	for (size_t i = 0; i < MF_ARRAY_SIZE(versions); i++) {
		struct vote vote = { .reader = reader, .rtree = *rtree };
		struct mf_jemalloc_visitor visitor = {
			.extent = vote_extent,
			.data = &vote,
		};

		vote.rtree.bits = versions[i];
		walk_tree(target, &vote.rtree, &visitor, 4 * ENOUGH_SLABS);
		if (vote.good > most && vote.good * 10 >= vote.slabs * 9) {
			most = vote.good;
			best = versions[i];
		}
	}
	return best;
}

bool mf_jemalloc_find_rtree(struct mf_target *target, struct mf_range data,
			    struct mf_jemalloc_rtree *ret)
{
	struct search search = {
		.target = target,
		.reader = mf_reader_create(target),
		.data = data,
	};

	mf_scan_words(target, data, search_words, &search);
	if (search.found.layout) {
		*ret = search.found;
		ret->bits = choose_bits(target, search.reader, ret);
	}
	mf_reader_destroy(search.reader);
	return search.found.layout != NULL;
}
