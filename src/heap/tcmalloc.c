/*
 * gperftools' and Google's tcmalloc in a process. gperftools keeps a two-level
 * map from page numbers to spans, whose root lies in its bss; each span repeats
 * where it is, which proves the map and gives every range that the allocator
 * has taken from the system. Google's is named, and its regions claimed where
 * the kernel shows their names.
 * Source: gperftools 2.5 to 2.15, pagemap.h, span.h, page_heap.h; google/tcmalloc
 * system-alloc.cc.
 */
#include "heap/allocators.h"
#include "heap/recognise.h"

enum {
	ADDRESS_BITS = 48,
	LEAST_SHIFT = 12, /* of a tcmalloc page: 4 KiB to 256 KiB */
	MOST_SHIFT = 18,
	USUAL_SHIFT = 13,
	ENOUGH_SPANS = 64,
	LEAST_SPANS = 2,
	MOST_CANDIDATES = 4096,
	MOST_BAD = 1 << 20,
};

struct pagemap {
	struct mf_target *target;
	struct mf_reader *reader;
	unsigned shift;
	uint64_t root; /* address of its first element */
};

static unsigned leaf_bits(unsigned shift)
{
	return (ADDRESS_BITS - shift + 1) / 2;
}

static unsigned root_bits(unsigned shift)
{
	return ADDRESS_BITS - shift - leaf_bits(shift);
}

/* A program may have protected pages of what it allocated. */
static bool is_span_memory(const struct pagemap *map, uint64_t address)
{
	const struct mf_mapping *mapping =
		mf_target_mapping_at(map->target, address);

	return mapping && mf_mapping_is_anon(mapping);
}

/* The span at ADDRESS: its pages in memory, when they are the target's. */
static bool read_span(const struct pagemap *map, uint64_t address,
		      struct mf_range *ret)
{
	uint64_t span[2]; /* start, length; in pages */

	if (address % 8 ||
	    !mf_reader_read(map->reader, address, span, sizeof(span)) ||
	    !span[0] || !span[1] || span[0] >> (ADDRESS_BITS - map->shift) ||
	    span[1] >> (ADDRESS_BITS - map->shift))
		return false;
	ret->start = span[0] << map->shift;
	ret->end = (span[0] + span[1]) << map->shift;
	return is_span_memory(map, ret->start) &&
	       is_span_memory(map, ret->end - 1);
}

/* ---- one leaf ---------------------------------------------------------------- */

/*
 * Only the first and last element of a span are kept up to date: elements
 * inside one may be stale, and are passed over.
 */
struct leaf_walk {
	const struct pagemap *map;
	uint64_t leaf, prefix; /* its address; page bits above its elements */
	bool prefix_known;
	uint64_t next; /* page: the first not covered by a span yet */
	uint64_t good, bad, enough;
	void (*span)(void *data, struct mf_range range, uint64_t description);
	void *data;
};

static void visit_element(struct leaf_walk *walk, uint64_t index,
			  uint64_t value)
{
	unsigned bits = leaf_bits(walk->map->shift);
	struct mf_range range;
	uint64_t first, page;

	if (walk->prefix_known && (walk->prefix << bits | index) < walk->next)
		return;
	if (!read_span(walk->map, value, &range)) {
		walk->bad++;
		return;
	}
	first = range.start >> walk->map->shift;
	page = (walk->prefix_known ? walk->prefix : first >> bits) << bits |
	       index;
	if (first != page) {
		walk->bad++;
		return;
	}
	walk->prefix = first >> bits;
	walk->prefix_known = true;
	walk->next = range.end >> walk->map->shift;
	walk->good++;
	if (walk->span)
		walk->span(walk->data, range, value);
}

static bool visit_leaf(void *data, const struct mf_words *words)
{
	struct leaf_walk *walk = data;
	uint64_t count = UINT64_C(1) << leaf_bits(walk->map->shift);

	for (size_t i = 0; i < words->count; i++) {
		uint64_t at = words->address + i * sizeof(uint64_t);

		if (!words->words[i] || at < walk->leaf ||
		    (at - walk->leaf) / sizeof(uint64_t) >= count)
			continue;
		visit_element(walk, (at - walk->leaf) / sizeof(uint64_t),
			      words->words[i]);
		if (walk->good + walk->bad >= walk->enough)
			return false;
	}
	return true;
}

static struct mf_range leaf_range(const struct pagemap *map, uint64_t leaf)
{
	return (struct mf_range){ leaf, leaf + (sizeof(uint64_t)
						<< leaf_bits(map->shift)) };
}

static bool is_leaf_place(const struct pagemap *map, uint64_t leaf)
{
	const struct mf_mapping *mapping = mf_anon_at(map->target, leaf);

	return leaf % 8 == 0 && mapping &&
	       mapping->end >= leaf_range(map, leaf).end;
}

/* ---- finding the root ---------------------------------------------------------- */

struct search {
	struct pagemap map;
	struct mf_range data;
	unsigned candidates;
	bool found;
};

static bool try_leaf(struct search *search, uint64_t at, uint64_t leaf)
{
	struct leaf_walk walk = {
		.map = &search->map,
		.leaf = leaf,
		.enough = ENOUGH_SPANS,
	};
	uint64_t root, size;

	if (!is_leaf_place(&search->map, leaf))
		return false;
	mf_scan_words(search->map.target, leaf_range(&search->map, leaf),
		      visit_leaf, &walk);
	size = sizeof(uint64_t) << root_bits(search->map.shift);
	root = at - walk.prefix * sizeof(uint64_t);
	if (walk.good < LEAST_SPANS || walk.bad > walk.good / 4 || root > at ||
	    root < search->data.start || root + size > search->data.end)
		return false;
	search->map.root = root;
	return true;
}

static bool search_words(void *data, const struct mf_words *words)
{
	struct search *search = data;

	for (size_t i = 0; i < words->count && !search->found; i++) {
		uint64_t value = words->words[i];

		if (value < 0x10000 || value % 8 || value >> ADDRESS_BITS ||
		    mf_range_has(search->data, value) ||
		    !mf_anon_at(search->map.target, value))
			continue;
		if (++search->candidates > MOST_CANDIDATES)
			return false;
		search->found = try_leaf(
			search, words->address + i * sizeof(uint64_t), value);
	}
	return !search->found;
}

static bool find_pagemap(struct search *search)
{
	static const unsigned shifts[] = { USUAL_SHIFT, LEAST_SHIFT, 14, 15, 16,
					   17,		MOST_SHIFT };

	for (size_t i = 0; i < MF_ARRAY_SIZE(shifts) && !search->found; i++) {
		search->map.shift = shifts[i];
		search->candidates = 0;
		mf_scan_words(search->map.target, search->data, search_words,
			      search);
	}
	return search->found;
}

/* ---- claiming ------------------------------------------------------------------- */

struct claiming {
	struct mf_heap_context *context;
	struct mf_allocator_instance *instance;
	struct pagemap *map;
	struct mf_map leaves;
	struct mf_map described; /* pages that hold descriptions */
	struct mf_range run;
	uint64_t spans, bytes, bad;
};

static void claim_range(struct claiming *claiming, struct mf_range range,
			enum mf_certainty certainty, const char *label,
			const char *proof)
{
	mf_instance_claim(claiming->context, claiming->instance,
			  (struct mf_claim){ .start = range.start,
					     .end = range.end,
					     .class = MF_CLASS_TCMALLOC,
					     .certainty = certainty,
					     .label = label,
					     .proof = proof });
}

static void claim_run(struct claiming *claiming)
{
	claim_range(claiming, claiming->run, MF_BY_STRUCTURE, "tcmalloc spans",
		    "its page map has these spans, and they agree");
}

static void claim_span(void *data, struct mf_range range, uint64_t description)
{
	struct claiming *claiming = data;

	if (claiming->run.end != range.start) {
		claim_run(claiming);
		claiming->run.start = range.start;
	}
	claiming->run.end = range.end;
	claiming->spans++;
	claiming->bytes += mf_range_size(range);
	mf_map_set(
		&claiming->described,
		mf_align_down(description,
			      mf_target_info(claiming->map->target)->page_size),
		1);
}

static bool claim_leaf(struct claiming *claiming, uint64_t leaf,
		       uint64_t prefix)
{
	struct leaf_walk walk = {
		.map = claiming->map,
		.leaf = leaf,
		.prefix = prefix,
		.prefix_known = true,
		.enough = UINT64_MAX,
		.span = claim_span,
		.data = claiming,
	};

	if (!is_leaf_place(claiming->map, leaf) ||
	    !mf_map_set(&claiming->leaves, leaf, 0))
		return true;
	mf_scan_words(claiming->map->target, leaf_range(claiming->map, leaf),
		      visit_leaf, &walk);
	claiming->bad += walk.bad;
	if (walk.good)
		claim_range(claiming, leaf_range(claiming->map, leaf),
			    MF_BY_STRUCTURE, "tcmalloc page map",
			    "a leaf of its page map");
	return claiming->bad < MOST_BAD;
}

static bool claim_root(void *data, const struct mf_words *words)
{
	struct claiming *claiming = data;
	uint64_t root = claiming->map->root;
	uint64_t count = UINT64_C(1) << root_bits(claiming->map->shift);

	for (size_t i = 0; i < words->count; i++) {
		uint64_t at = words->address + i * sizeof(uint64_t), index;

		if (!words->words[i] || at < root)
			continue;
		index = (at - root) / sizeof(uint64_t);
		if (index < count &&
		    !claim_leaf(claiming, words->words[i], index))
			return false;
	}
	return true;
}

/*
 * What is between spans in the brk heap is tcmalloc's own: descriptions come
 * from the same sbrk, which nobody else calls when malloc is tcmalloc's.
 */
static void claim_rest(struct claiming *claiming)
{
	uint32_t page = mf_target_info(claiming->map->target)->page_size;
	struct mf_range heap = { 0, 0 };

	mf_map_foreach(entry, &claiming->described) {
		const struct mf_mapping *mapping =
			mf_anon_at(claiming->map->target, entry->key);
		struct mf_range range = { entry->key, entry->key + page };

		if (!mapping || mf_range_has(heap, entry->key))
			continue;
		if (!strcmp(mapping->path, "[heap]"))
			heap = range = (struct mf_range){ mapping->start,
							  mapping->end };
		claim_range(claiming, range, MF_BY_CONTENT, "tcmalloc metadata",
			    "descriptions of its spans lie here");
	}
}

static void claim_pagemap(struct mf_heap_context *context,
			  struct mf_allocator_instance *instance,
			  struct pagemap *map)
{
	struct claiming claiming = {
		.context = context,
		.instance = instance,
		.map = map,
	};
	struct mf_range root = { map->root,
				 map->root + (sizeof(uint64_t)
					      << root_bits(map->shift)) };
	struct mf_parameter parameters[3];

	mf_scan_words(map->target, root, claim_root, &claiming);
	claim_run(&claiming);
	claim_rest(&claiming);
	parameters[0] =
		(struct mf_parameter){ "page_size", UINT64_C(1) << map->shift };
	parameters[1] = (struct mf_parameter){ "spans", claiming.spans };
	parameters[2] = (struct mf_parameter){ "span_bytes", claiming.bytes };
	mf_instance_parameters(context, instance, parameters,
			       MF_ARRAY_SIZE(parameters));
	mf_instance_explain(context, instance, "%llu spans in its page map",
			    (unsigned long long)claiming.spans);
	mf_map_deinit(&claiming.leaves);
	mf_map_deinit(&claiming.described);
}

/* Google's names its regions where the kernel keeps names. */
static bool claim_named(struct mf_heap_context *context,
			const struct mf_allocator_instance *instance)
{
	static const char prefix[] = "[anon:tcmalloc_region_";
	size_t count;
	const struct mf_mapping *mappings =
		mf_target_mappings(context->target, &count);
	bool any = false;

	for (size_t i = 0; i < count; i++) {
		if (strncmp(mappings[i].path, prefix, sizeof(prefix) - 1) != 0)
			continue;
		any = true;
		mf_instance_claim(
			context, instance,
			(struct mf_claim){ .start = mappings[i].start,
					   .end = mappings[i].end,
					   .class = MF_CLASS_TCMALLOC,
					   .certainty = MF_BY_NAME,
					   .label = "tcmalloc region",
					   .proof = "tcmalloc named it" });
	}
	return any;
}

static struct mf_error *claim(struct mf_heap_context *context,
			      struct mf_allocator_instance *instance)
{
	struct search search = {
		.map = { .target = context->target },
		.data = mf_module_data(instance->module),
	};
	bool named = claim_named(context, instance);

	search.map.reader = mf_reader_create(context->target);
	if (find_pagemap(&search))
		claim_pagemap(context, instance, &search.map);
	else
		mf_instance_explain(context, instance,
				    named ? "its regions carry its name"
					  : "no page map found: mapped but not "
					    "in use, or of a kind not known");
	mf_reader_destroy(search.map.reader);
	return NULL;
}

/* ---- recognising ------------------------------------------------------------------ */

static const char *const google_symbols[] = {
	"MallocExtension_Internal_GetNumericProperty",
	"TCMallocInternalMalloc",
	NULL,
};

static const char *const gperftools_symbols[] = {
	"tc_malloc",
	"tc_version",
	"MallocExtension_GetNumericProperty",
	NULL,
};

static const char *const gperftools_sections[] = {
	"google_malloc",
	"malloc_hook",
	NULL,
};

static const struct {
	const char *name;
	struct mf_signature signature;
} kinds[] = {
	{ "google", { google_symbols, NULL, NULL, 0 } },
	{ "gperftools", { gperftools_symbols, gperftools_sections, NULL, 0 } },
	{ "google", { NULL, NULL, "tcmalloc.per_cpu_caches_active", 1 << 20 } },
};

/* The kind's index, or of all kinds none. */
static size_t match_kind(struct mf_heap_context *context,
			 const struct mf_module *module, const char **evidence)
{
	size_t kind = 0;

	for (; kind < MF_ARRAY_SIZE(kinds); kind++) {
		*evidence = mf_signature_match(context, module,
					       &kinds[kind].signature);
		if (*evidence)
			break;
	}
	return kind;
}

static const char *match(struct mf_heap_context *context,
			 const struct mf_module *module)
{
	const char *evidence = NULL;

	match_kind(context, module, &evidence);
	return evidence;
}

/* tc_version's answer: "gperftools 2.10". */
static const char *find_version(struct mf_heap_context *context,
				const struct mf_module *module)
{
	static const char prefix[] = "gperftools ";
	char text[32] = { 0 };
	const char *evidence, *kind, *number;

	kind = kinds[match_kind(context, module, &evidence)].name;
	if (strcmp(kind, "gperftools") != 0 ||
	    !mf_image_find_bytes(context->image, module, prefix,
				 sizeof(prefix) - 1, text, sizeof(text) - 1))
		return kind;
	number = mf_version_in(context, text + sizeof(prefix) - 1, 12);
	return number[0] ? mf_pool_printf(context->pool, "%s %s", kind, number)
			 : kind;
}

static void added(struct mf_heap_context *context,
		  struct mf_allocator_instance *instance)
{
	instance->info.version = find_version(context, instance->module);
	mf_instance_ask_malloc(context, instance);
}

const struct mf_allocator_ops mf_tcmalloc_ops = {
	.name = "tcmalloc",
	.match = match,
	.added = added,
	.claim = claim,
};
