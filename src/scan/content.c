/*
 * The scanner of content classes: blocks of 512 bytes, as far as they belong to
 * pieces, are judged as a whole, and counted for their group.
 */
#include "scan/content.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "scan/scanners.h"

enum {
	WORD = 8,
	SAMPLES = 4,	 /* pointers of a block that are followed */
	TEXT_EVERY = 16, /* blocks, one is looked at for the kind of text */
};

struct worker {
	const struct mf_content_scanner *scanner;
	struct mf_content_tally *tallies; /* of each group */
	/* the block that is being put together of pieces */
	const struct mf_scan_window *window;
	uint32_t block; /* its offset in the window */
	uint32_t group, bytes;
	uint64_t used; /* its words that belong to pieces */
	/* that the last pointer which was followed led into */
	uint64_t start, size;
	uint32_t name;
};

/* ---- names of what pointers lead into ------------------------------------------ */

/* Heaps of one arena have one name; so have all mmapped chunks, all stacks. */
static char *name_of(const struct mf_region *region)
{
	const char *label = region->label, *end;

	switch (region->class) {
	case MF_CLASS_HEAP:
		return mf_strdup("the heap");
	case MF_CLASS_ARENA:
		end = strstr(label, " heap ");
		return mf_strndup(label,
				  end ? (size_t)(end - label) : strlen(label));
	case MF_CLASS_MMAP_CHUNK:
		return mf_strdup("mmapped chunks");
	case MF_CLASS_STACK:
	case MF_CLASS_THREAD_STACK:
		return mf_strdup("stacks");
	case MF_CLASS_TEXT:
		return mf_asprintf("code of %s", region->owner);
	case MF_CLASS_RODATA:
	case MF_CLASS_DATA:
	case MF_CLASS_BSS:
		return mf_asprintf("data of %s", region->owner);
	case MF_CLASS_ANON:
		return mf_strdup("memory that nobody claims");
	default:
		return mf_strdup(mf_class_name(region->class));
	}
}

/* Index + 1 of NAME; KNOWN is that of each hash. */
static uint32_t intern(struct mf_content_scanner *scanner, struct mf_map *known,
		       const char *name)
{
	uint64_t hash = mf_hash_text(name, 0);
	const uint64_t *place = mf_map_get(known, hash);

	if (place && strcmp(scanner->names.items[*place - 1], name) == 0)
		return (uint32_t)*place;
	mf_vec_push(&scanner->names, mf_pool_strdup(&scanner->pool, name));
	mf_map_set(known, hash, scanner->names.count);
	return (uint32_t)scanner->names.count;
}

static void name_regions(struct mf_content_scanner *scanner)
{
	size_t count = scanner->index.region_count;
	struct mf_map known = { 0 };

	scanner->name_of = mf_new_array(count, uint32_t);
	for (size_t i = 0; i < count; i++) {
		mf_auto_free char *name = name_of(&scanner->index.regions[i]);

		scanner->name_of[i] = intern(scanner, &known, name);
	}
	mf_map_deinit(&known);
}

/* ---- life --------------------------------------------------------------------- */

static void destroy(void *data)
{
	struct mf_content_scanner *scanner = data;

	mf_pointer_index_deinit(&scanner->index);
	mf_vec_deinit(&scanner->names);
	mf_pool_deinit(&scanner->pool);
	free(scanner->name_of);
	free(scanner->is_java);
	free(scanner->tallies);
	free(scanner);
}

static struct mf_error *create(const struct mf_scan_context *context,
			       void **ret)
{
	struct mf_content_scanner *scanner = mf_new(struct mf_content_scanner);
	struct mf_content_kernel kernels[MF_CONTENT_JUDGES];

	(void)context;
	mf_content_judges(kernels);
	scanner->judge = kernels[0].judge;
	*ret = scanner;
	return NULL;
}

static void find_java(struct mf_content_scanner *scanner,
		      const struct mf_scan_input *input)
{
	scanner->is_java = mf_new_array(scanner->group_count, bool);
	mf_content_java_init(&scanner->java, input->space);
	for (size_t i = 0; i < scanner->group_count && scanner->java.span; i++)
		scanner->is_java[i] = mf_content_is_java_heap(
			input->groups[i].class, input->groups[i].label);
}

static struct mf_error *begin(const struct mf_scan_context *context, void *data)
{
	struct mf_content_scanner *scanner = data;

	scanner->group_count = context->input->group_count;
	scanner->tallies =
		mf_new_array(scanner->group_count, struct mf_content_tally);
	mf_pointer_index_init(&scanner->index, context->input->space);
	mf_content_clusters_init(&scanner->clusters, &scanner->index);
	name_regions(scanner);
	find_java(scanner, context->input);
	return NULL;
}

/* Regions may be gone when rows are written. */
static struct mf_error *finish(const struct mf_scan_context *context,
			       void *data)
{
	struct mf_content_scanner *scanner = data;

	(void)context;
	mf_pointer_index_deinit(&scanner->index);
	return NULL;
}

static void *worker_create(void *data)
{
	struct mf_content_scanner *scanner = data;
	struct worker *worker = mf_new(struct worker);

	worker->scanner = scanner;
	worker->tallies =
		mf_new_array(scanner->group_count, struct mf_content_tally);
	return worker;
}

/* ---- where pointers lead -------------------------------------------------------- */

/* A sketch of the heaviest: what finds no place takes weight from the least. */
static void add_target(struct mf_content_tally *tally, uint32_t name,
		       uint64_t weight)
{
	struct mf_content_target *least = &tally->targets[0];

	for (size_t i = 0; i < MF_CONTENT_TARGETS; i++) {
		struct mf_content_target *target = &tally->targets[i];

		if (target->name == name) {
			target->weight += weight;
			return;
		}
		if (target->weight < least->weight)
			least = target;
	}
	if (least->weight >= weight)
		least->weight -= weight;
	else
		*least = (struct mf_content_target){ name,
						     weight - least->weight };
}

/* The name of what WORD leads into; 0: nothing. */
static uint32_t name_at(struct worker *worker, uint64_t word)
{
	const struct mf_content_scanner *scanner = worker->scanner;
	const struct mf_region *region;
	uint32_t index;

	if (word - worker->start < worker->size)
		return worker->name;
	index = mf_pointer_region(&scanner->index, word);
	if (index == MF_NO_REGION)
		return 0;
	region = &scanner->index.regions[index];
	worker->start = region->start;
	worker->size = region->end - region->start;
	worker->name = scanner->name_of[index];
	return worker->name;
}

static void follow(struct worker *worker, const uint8_t *block,
		   uint64_t pointers)
{
	for (unsigned i = 0; i < SAMPLES && pointers; i++) {
		uint64_t word = mf_load(
			uint64_t, block + WORD * __builtin_ctzll(pointers));
		uint32_t name = name_at(worker, word);

		pointers &= pointers - 1;
		if (name)
			add_target(&worker->tallies[worker->group], name,
				   worker->bytes / SAMPLES);
	}
}

/* ---- blocks ----------------------------------------------------------------------- */

static void count_words(struct mf_content_tally *tally,
			const struct mf_content_masks *masks, uint64_t used)
{
	const uint64_t looks[MF_CONTENT_COMPRESSED] = {
		[MF_CONTENT_ZERO] = masks->zero,
		[MF_CONTENT_TEXT] = masks->text,
		[MF_CONTENT_POINTERS] = masks->pointer,
		[MF_CONTENT_INTEGERS] = masks->integer,
		[MF_CONTENT_FLOATS] = masks->real,
	};

	for (size_t i = 0; i < MF_CONTENT_COMPRESSED; i++)
		tally->mixed[i] +=
			(uint64_t)__builtin_popcountll(looks[i] & used);
}

/* By what is written there: room behind it is of no kind. */
static void count_text(struct mf_content_tally *tally, const uint8_t *block,
		       uint64_t used)
{
	unsigned printed;
	enum mf_content_text text = mf_content_text_of(block, used, &printed);

	tally->texts[text] += printed;
}

/* By their addresses: the same blocks, whoever looks, and how often. One of each
 * row, but not the same one: things lie at the same places of pages. */
static bool is_sampled(const struct worker *worker)
{
	uint64_t block =
		(worker->window->address + worker->block) / MF_CONTENT_BLOCK;
	uint64_t mixed = block / TEXT_EVERY * UINT64_C(0x9e3779b97f4a7c15);

	return block % TEXT_EVERY == mixed >> 60;
}

static bool may_be_java(enum mf_content class)
{
	return class == MF_CONTENT_MIXED || class == MF_CONTENT_INTEGERS ||
	       class == MF_CONTENT_FLOATS;
}

static void judge(struct worker *worker)
{
	const struct mf_content_scanner *scanner = worker->scanner;
	const struct mf_scan_window *window = worker->window;
	struct mf_content_tally *tally = &worker->tallies[worker->group];
	const uint8_t *block = window->bytes + worker->block;
	uint32_t left = window->size - worker->block;
	uint8_t padded[MF_CONTENT_BLOCK];
	struct mf_content_masks masks = { 0 };
	enum mf_content class = MF_CONTENT_MIXED;

	if (!worker->bytes)
		return;
	if (left < MF_CONTENT_BLOCK) {
		memset(padded, 0, sizeof(padded));
		block = memcpy(padded, block, left);
	}
	if (worker->used)
		class = scanner->judge(block, worker->used, &scanner->clusters,
				       &masks);
	if (scanner->is_java[worker->group] && may_be_java(class) &&
	    mf_content_is_java(block, worker->used, &scanner->java))
		class = MF_CONTENT_JAVA;
	tally->bytes[class] += worker->bytes;
	if (class == MF_CONTENT_POINTERS)
		follow(worker, block, masks.pointer & worker->used);
	else if (class == MF_CONTENT_MIXED)
		count_words(tally, &masks, worker->used);
	else if (class == MF_CONTENT_TEXT && is_sampled(worker))
		count_text(tally, block, worker->used);
	worker->bytes = 0;
	worker->used = 0;
}

/* The words that lie wholly in [FROM, TO) of a block. */
static uint64_t words_of(uint32_t from, uint32_t to)
{
	uint32_t first = (from + WORD - 1) / WORD, last = to / WORD;

	if (first >= last)
		return 0;
	return UINT64_MAX >> (MF_CONTENT_WORDS - (last - first)) << first;
}

static void add_piece(struct worker *worker, const struct mf_scan_piece *piece)
{
	for (uint32_t from = piece->start, to; from < piece->end; from = to) {
		uint32_t block = from & ~(uint32_t)(MF_CONTENT_BLOCK - 1);

		to = MF_MIN(piece->end, block + MF_CONTENT_BLOCK);
		if (block != worker->block || piece->group != worker->group)
			judge(worker);
		worker->block = block;
		worker->group = piece->group;
		worker->used |= words_of(from - block, to - block);
		worker->bytes += to - from;
	}
}

static void window(void *data, const struct mf_scan_window *window)
{
	struct worker *worker = data;

	worker->window = window;
	for (uint32_t i = 0; i < window->piece_count; i++)
		add_piece(worker, &window->pieces[i]);
	judge(worker);
}

/* ---- merging ------------------------------------------------------------------------ */

static void merge(void *data, void *hand)
{
	struct mf_content_scanner *scanner = data;
	struct worker *worker = hand;

	for (size_t g = 0; g < scanner->group_count; g++) {
		struct mf_content_tally *sum = &scanner->tallies[g];
		const struct mf_content_tally *part = &worker->tallies[g];

		for (size_t i = 0; i < MF_CONTENTS; i++)
			sum->bytes[i] += part->bytes[i];
		for (size_t i = 0; i < MF_CONTENT_COMPRESSED; i++)
			sum->mixed[i] += part->mixed[i];
		for (size_t i = 0; i < MF_TEXTS; i++)
			sum->texts[i] += part->texts[i];
		for (size_t i = 0; i < MF_CONTENT_TARGETS; i++)
			if (part->targets[i].name)
				add_target(sum, part->targets[i].name,
					   part->targets[i].weight);
	}
	free(worker->tallies);
	free(worker);
}

const struct mf_scanner_ops mf_scan_content_ops = {
	.scans_for = MF_SCAN_CONTENT,
	.create = create,
	.begin = begin,
	.worker_create = worker_create,
	.window = window,
	.merge = merge,
	.finish = finish,
	.write = mf_content_write,
	.destroy = destroy,
};
