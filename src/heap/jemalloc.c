/*
 * jemalloc in a process: shared, static, or static under a prefix (Rust's
 * _rjem_), several at once if need be. Its extents are claimed from its own
 * radix tree (jemalloc_rtree.c), its metadata by the headers of the blocks that
 * the tree and the arenas lie in.
 * Source: jemalloc 5.0 to 5.3, base.c, base_structs.h.
 */
#include "heap/allocators.h"
#include "heap/jemalloc_model.h"

enum {
	BLOCK_ALIGNMENT = 2 << 20, /* HUGEPAGE */
	BLOCK_STEPS = 64,	   /* of it, from a pointer to its header */
	BLOCK_BASE = 4096,	   /* bytes in which the base of a first is */
	MOST_BLOCKS = 1 << 16,
};

struct jemalloc {
	struct mf_range data; /* of the object that holds it */
	uint64_t tls;	      /* bytes of every thread's static TLS, at most */
	struct mf_jemalloc_model model;
};

/* ---- metadata blocks --------------------------------------------------------- */

struct block {
	uint64_t size, next;
	uint64_t bits, address, left; /* of its edata: what is not used yet */
};

struct blocks {
	struct mf_target *target;
	struct mf_reader *reader;
	struct mf_range data;
	struct mf_map tried; /* 2 MiB slot to 1 + index of its block, or 0 */
	MF_VEC(struct mf_range) found;
	uint64_t last_slot;
};

/* The unused rest of a block ends where the block does: that is the proof. */
static bool read_block(struct blocks *blocks, uint64_t address,
		       struct block *ret)
{
	const struct mf_mapping *mapping;

	if (!mf_reader_read(blocks->reader, address, ret, sizeof(*ret)) ||
	    !ret->size || ret->size % BLOCK_ALIGNMENT || ret->size >> 47 ||
	    ret->next % BLOCK_ALIGNMENT || ret->address <= address ||
	    ret->left > ret->size ||
	    ret->address + ret->left != address + ret->size)
		return false;
	mapping = mf_anon_at(blocks->target, address);
	return mapping && (!ret->next || mf_anon_at(blocks->target, ret->next));
}

/* Notes that ADDRESS may lie in a block; true when that is new. */
static bool find_block(struct blocks *blocks, uint64_t address, uint64_t *start,
		       struct block *ret)
{
	uint64_t slot = mf_align_down(address, BLOCK_ALIGNMENT);

	if (slot == blocks->last_slot || !mf_map_set(&blocks->tried, slot, 0))
		return false;
	blocks->last_slot = slot;
	*start = slot;
	for (unsigned i = 0; i < BLOCK_STEPS && *start; i++) {
		if (!mf_anon_at(blocks->target, *start))
			return false;
		if (read_block(blocks, *start, ret))
			return slot - *start < ret->size;
		*start -= BLOCK_ALIGNMENT;
	}
	return false;
}

/* Claims the blocks of the base that ADDRESS is in, older ones by the links. */
static void note_pointer(struct blocks *blocks, uint64_t address)
{
	struct block block;
	uint64_t start;

	if (address >> 57 || blocks->found.count >= MOST_BLOCKS ||
	    mf_range_has(blocks->data, address) ||
	    !find_block(blocks, address, &start, &block))
		return;
	while (blocks->found.count < MOST_BLOCKS) {
		mf_vec_push(&blocks->found,
			    (struct mf_range){ start, start + block.size });
		mf_map_set(&blocks->tried, start, 0);
		if (!block.next ||
		    !find_block(blocks, block.next, &start, &block))
			break;
	}
}

static bool note_words(void *data, const struct mf_words *words)
{
	struct blocks *blocks = data;

	for (size_t i = 0; i < words->count; i++)
		if (words->words[i] >= 0x10000 && words->words[i] % 8 == 0 &&
		    words->words[i] >> 47 == 0)
			note_pointer(blocks, words->words[i]);
	return true;
}

/* A base lies in its first block and points at its newest. */
static void note_bases(struct blocks *blocks)
{
	for (size_t i = 0; i < blocks->found.count; i++) {
		uint64_t words[BLOCK_BASE / sizeof(uint64_t)];
		uint64_t start = blocks->found.items[i].start;

		if (!mf_reader_read(blocks->reader, start, words,
				    sizeof(words)) ||
		    words[1])
			continue;
		for (size_t j = 0; j < MF_ARRAY_SIZE(words); j++)
			if (words[j] && words[j] % BLOCK_ALIGNMENT == 0)
				note_pointer(blocks, words[j]);
	}
}

/* ---- claiming ------------------------------------------------------------------ */

struct claiming {
	struct mf_heap_context *context;
	struct mf_allocator_instance *instance;
	struct blocks blocks;
	struct mf_jemalloc_model *model; /* NULL: nobody asked for chunks */
	uint64_t tls;
	struct mf_range run; /* of extents without a gap */
	uint64_t bytes[MF_JEMALLOC_STATES];
	uint64_t extents;
};

static void claim_run(struct claiming *claiming)
{
	mf_instance_claim(
		claiming->context, claiming->instance,
		(struct mf_claim){
			.start = claiming->run.start,
			.end = claiming->run.end,
			.class = MF_CLASS_JEMALLOC,
			.certainty = MF_BY_STRUCTURE,
			.label = "jemalloc extents",
			.proof = "its radix tree has these extents, and they "
				 "agree",
		});
}

static bool claim_extent(void *data, const struct mf_jemalloc_extent *extent)
{
	struct claiming *claiming = data;

	if (claiming->run.end != extent->address) {
		claim_run(claiming);
		claiming->run.start = extent->address;
	}
	claiming->run.end = extent->address + extent->size;
	claiming->bytes[extent->state] += extent->size;
	claiming->extents++;
	if (claiming->model)
		mf_jemalloc_model_add(claiming->model, extent);
	note_pointer(&claiming->blocks, extent->edata);
	return true;
}

static void note_leaf(void *data, uint64_t start, uint64_t end)
{
	struct claiming *claiming = data;

	(void)end;
	note_pointer(&claiming->blocks, start);
}

static uint64_t claim_blocks(struct claiming *claiming)
{
	uint64_t bytes = 0;

	mf_vec_foreach(block, &claiming->blocks.found) {
		bytes += mf_range_size(*block);
		mf_instance_claim(
			claiming->context, claiming->instance,
			(struct mf_claim){
				.start = block->start,
				.end = block->end,
				.class = MF_CLASS_JEMALLOC,
				.certainty = MF_BY_STRUCTURE,
				.label = "jemalloc metadata",
				.proof = "a base block whose header agrees "
					 "with its end, pointed at by jemalloc",
			});
	}
	return bytes;
}

static void say_figures(struct claiming *claiming,
			const struct mf_jemalloc_rtree *rtree,
			uint64_t metadata)
{
	const struct mf_parameter parameters[] = {
		{ "extents", claiming->extents },
		{ "active", claiming->bytes[MF_JEMALLOC_ACTIVE] },
		{ "dirty", claiming->bytes[MF_JEMALLOC_DIRTY] },
		{ "muzzy", claiming->bytes[MF_JEMALLOC_MUZZY] },
		{ "retained", claiming->bytes[MF_JEMALLOC_RETAINED] },
		{ "metadata_blocks", metadata },
	};
	bool states = rtree->bits != MF_JEMALLOC_BITS_UNKNOWN;
	const struct mf_parameter plain[] = {
		parameters[0],
		parameters[5],
	};

	mf_instance_parameters(claiming->context, claiming->instance,
			       states ? parameters : plain,
			       states ? MF_ARRAY_SIZE(parameters)
				      : MF_ARRAY_SIZE(plain));
	mf_instance_explain(claiming->context, claiming->instance,
			    "%llu extents in its radix tree (%s)",
			    (unsigned long long)claiming->extents,
			    rtree->layout->name);
}

/* BAD: elements of the tree that did not check. */
static void make_model(struct claiming *claiming, uint64_t bad)
{
	struct mf_jemalloc_model *model = claiming->model;
	struct mf_allocator *info = &claiming->instance->info;
	const char *why;

	if (!model)
		return;
	mf_jemalloc_model_read(model, claiming->blocks.reader, bad, &why);
	if (why)
		mf_instance_explain(claiming->context, claiming->instance, "%s",
				    why);
	if (!model->holds)
		return;
	mf_jemalloc_model_find_caches(model, claiming->context->target,
				      claiming->blocks.reader, claiming->tls);
	mf_jemalloc_model_count(model, claiming->context, info);
	info->own = model->own.items;
	info->own_count = model->own.count;
	info->supported = true;
	info->layout = "inferred";
	info->why = "walked by its radix tree";
	mf_instance_explain(claiming->context, claiming->instance,
			    "thread caches found: %llu%s",
			    (unsigned long long)model->caches,
			    model->uncached ? ", in part" : "");
}

static void claim_tree(struct claiming *claiming,
		       const struct mf_jemalloc_rtree *rtree)
{
	struct blocks *blocks = &claiming->blocks;
	struct mf_jemalloc_visitor visitor = {
		.extent = claim_extent,
		.leaf = note_leaf,
		.data = claiming,
	};
	uint64_t metadata, bad;

	blocks->reader = mf_reader_create(blocks->target);
	mf_scan_words(blocks->target, blocks->data, note_words, blocks);
	bad = mf_jemalloc_each_extent(blocks->target, rtree, &visitor);
	claim_run(claiming);
	make_model(claiming, bad);
	note_bases(blocks);
	metadata = claim_blocks(claiming);
	say_figures(claiming, rtree, metadata);
	mf_reader_destroy(blocks->reader);
	mf_map_deinit(&blocks->tried);
	mf_vec_deinit(&blocks->found);
}

static struct mf_error *claim(struct mf_heap_context *context,
			      struct mf_allocator_instance *instance)
{
	struct jemalloc *jemalloc = instance->state;
	struct mf_jemalloc_rtree rtree;
	struct claiming claiming = {
		.context = context,
		.instance = instance,
		.blocks = { .target = context->target, .data = jemalloc->data },
	};

	if (mf_jemalloc_find_rtree(context->target, jemalloc->data, &rtree)) {
		jemalloc->model.lg_page = rtree.layout->lg_page;
		if (rtree.bits != MF_JEMALLOC_BITS_UNKNOWN &&
		    !context->options->no_walk)
			claiming.model = &jemalloc->model;
		claiming.tls = jemalloc->tls;
		claim_tree(&claiming, &rtree);
	} else
		mf_instance_explain(context, instance,
				    "no extents found: mapped but not in use, "
				    "or of a version that is not known");
	return NULL;
}

/* ---- recognising ---------------------------------------------------------------- */

static const char *const symbols[] = {
	"mallctl", "je_mallctl", "_rjem_mallctl", "malloc_stats_print", NULL,
};

static const struct mf_signature signature = {
	.symbols = symbols,
	.text = "<jemalloc>: ",
	.text_bss = 256 << 10, /* the root of its tree alone */
};

/* "5.3.0-0-g54eaed1d...": a version, commits since, and the commit. */
static const char *find_version(struct mf_heap_context *context,
				const struct mf_module *module)
{
	static const char *const known[] = { "5.3.", "5.2.", "5.1.", "5.0.",
					     "5.4.", "4.5.", "6.0." };

	for (size_t i = 0; i < MF_ARRAY_SIZE(known); i++) {
		char text[24], pattern[8];
		const char *commit;

		pattern[0] = '\0'; /* what precedes the string */
		memcpy(pattern + 1, known[i], 4);
		memset(text, 0, sizeof(text));
		if (!mf_image_find_bytes(context->image, module, pattern, 5,
					 text, sizeof(text) - 1))
			continue;
		commit = memmem(text + 1, sizeof(text) - 1, "-g", 2);
		if (commit)
			return mf_version_in(context, text + 1,
					     (size_t)(commit - text) - 1);
	}
	return "";
}

static const char *match(struct mf_heap_context *context,
			 const struct mf_module *module)
{
	return mf_signature_match(context, module, &signature);
}

/* A library's own block may be anywhere among those of all objects. */
static uint64_t static_tls(struct mf_image *image)
{
	size_t count;
	const struct mf_module *modules = mf_image_modules(image, &count);
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += mf_image_tls_size(image, &modules[i]);
	return sum;
}

static void added(struct mf_heap_context *context,
		  struct mf_allocator_instance *instance)
{
	struct jemalloc *jemalloc = mf_new(struct jemalloc);

	jemalloc->data = mf_module_data(instance->module);
	jemalloc->tls = static_tls(context->image);
	instance->state = jemalloc;
	instance->info.version = find_version(context, instance->module);
	mf_instance_ask_malloc(context, instance);
}

static bool each_chunk(const struct mf_allocator_instance *instance,
		       struct mf_chunk_range range, mf_chunk_visitor visit,
		       void *data)
{
	const struct jemalloc *jemalloc = instance->state;

	return mf_jemalloc_model_each(&jemalloc->model, &instance->info, range,
				      visit, data);
}

static void close_instance(struct mf_allocator_instance *instance)
{
	struct jemalloc *jemalloc = instance->state;

	if (jemalloc)
		mf_jemalloc_model_deinit(&jemalloc->model);
	free(instance->state);
	instance->state = NULL;
}

const struct mf_allocator_ops mf_jemalloc_ops = {
	.name = "jemalloc",
	.match = match,
	.added = added,
	.claim = claim,
	.each_chunk = each_chunk,
	.close = close_instance,
};
