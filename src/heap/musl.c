/*
 * musl's mallocng in a process, in its libc or in a static executable. All of
 * its areas of metadata carry one secret, which also starts its context in the
 * libc's data; each description of a group points at the group, and the group's
 * first word back at its description. What lies in no mapping of its own (slots
 * of larger groups, space donated by the linker) belongs to those already.
 * Source: musl 1.2.1 to 1.2.5, src/malloc/mallocng/meta.h, glue.h, malloc.c.
 */
#include "heap/allocators.h"
#include "heap/recognise.h"

enum {
	AREA_SIZE = 4096,
	AREA_SLOTS = (AREA_SIZE - 24) / 40,
	MOST_AREAS = 1 << 20,
	MMAP_CLASS = 63, /* size class of a single mapping */
};

struct meta_area {
	uint64_t check, next;
	int32_t slot_count;
	uint32_t padding;
};

struct meta {
	uint64_t previous, next, memory;
	uint32_t available, freed;
	uint64_t bits; /* last_idx 5, freeable 1, sizeclass 6, maplen 52 */
};

/* ---- the context ------------------------------------------------------------- */

/*
 * The context is {secret, (page size,) flags, two lists, three counts, first
 * area, last area, ...}: from the pointer to the first area back to the secret
 * it is 56 bytes, or 64 where the page size is not a constant.
 */
struct search {
	struct mf_target *target;
	struct mf_reader *reader;
	struct mf_range data;
	uint64_t first; /* area */
	uint64_t secret;
};

static bool is_context(struct search *search, uint64_t at, uint64_t area)
{
	static const uint64_t distances[] = { 56, 64 };
	struct meta_area head;

	if (!mf_reader_read(search->reader, area, &head, sizeof(head)) ||
	    !head.check || head.check >> 32 == 0 || head.slot_count < 1 ||
	    head.slot_count > AREA_SLOTS)
		return false;
	for (size_t i = 0; i < MF_ARRAY_SIZE(distances); i++) {
		uint64_t secret;

		if (at - distances[i] >= search->data.start &&
		    mf_reader_u64(search->reader, at - distances[i], &secret) &&
		    secret == head.check) {
			search->secret = secret;
			return true;
		}
	}
	return false;
}

static bool search_words(void *data, const struct mf_words *words)
{
	struct search *search = data;

	for (size_t i = 0; i < words->count; i++) {
		uint64_t area = words->words[i];

		if (area < AREA_SIZE || area % AREA_SIZE || area >> 57 ||
		    mf_range_has(search->data, area) ||
		    !mf_anon_at(search->target, area) ||
		    !is_context(search, words->address + i * sizeof(uint64_t),
				area))
			continue;
		search->first = area;
		return false;
	}
	return true;
}

static bool find_context(struct search *search, struct mf_target *target,
			 const struct mf_module *module)
{
	search->target = target;
	search->reader = mf_reader_create(target);
	search->data = mf_module_data(module);
	mf_scan_words(target, search->data, search_words, search);
	if (!search->first) {
		mf_reader_destroy(search->reader);
		search->reader = NULL;
	}
	return search->first != 0;
}

/* ---- claiming ------------------------------------------------------------------- */

struct claiming {
	struct mf_heap_context *context;
	struct mf_allocator_instance *instance;
	struct mf_reader *reader;
	MF_VEC(struct mf_range) groups;
	struct mf_map seen; /* areas */
	uint64_t areas, all_groups, single, bytes;
	struct mf_range heap; /* the brk heap, once claimed */
};

static void claim_range(const struct claiming *claiming, struct mf_range range,
			const char *label, const char *proof)
{
	mf_instance_claim(claiming->context, claiming->instance,
			  (struct mf_claim){ .start = range.start,
					     .end = range.end,
					     .class = MF_CLASS_MUSL_HEAP,
					     .certainty = MF_BY_STRUCTURE,
					     .label = label,
					     .proof = proof });
}

static void note_group(struct claiming *claiming, uint64_t address)
{
	struct mf_range range;
	uint64_t back, pages;
	struct meta meta;

	if (!mf_reader_read(claiming->reader, address, &meta, sizeof(meta)) ||
	    !meta.memory || meta.memory % 16 ||
	    !mf_reader_u64(claiming->reader, meta.memory, &back) ||
	    back != address)
		return;
	claiming->all_groups++;
	claiming->single += (meta.bits >> 6 & 63) == MMAP_CLASS;
	pages = meta.bits >> 12;
	if (!pages || pages >> 34 || meta.memory % AREA_SIZE)
		return;
	range.start = meta.memory;
	range.end = meta.memory + pages * AREA_SIZE;
	claiming->bytes += mf_range_size(range);
	mf_vec_push(&claiming->groups, range);
}

/* The brk heap holds areas only, behind a guard page. */
static void claim_area(struct claiming *claiming, uint64_t area)
{
	const struct mf_mapping *mapping =
		mf_anon_at(claiming->context->target, area);
	struct mf_range range = { area, area + AREA_SIZE };

	if (mf_range_has(claiming->heap, area))
		return;
	if (mapping && !strcmp(mapping->path, "[heap]"))
		claiming->heap = range =
			(struct mf_range){ mapping->start, mapping->end };
	claim_range(claiming, range, "musl metadata",
		    "areas of metadata with its secret");
}

static void read_areas(struct claiming *claiming, const struct search *search)
{
	uint64_t area = search->first;

	while (area && claiming->areas < MOST_AREAS) {
		struct meta_area head;

		if (area % AREA_SIZE ||
		    !mf_reader_read(claiming->reader, area, &head,
				    sizeof(head)) ||
		    head.check != search->secret || head.slot_count < 0 ||
		    head.slot_count > AREA_SLOTS ||
		    !mf_map_set(&claiming->seen, area, 0))
			break;
		claim_area(claiming, area);
		for (int32_t i = 0; i < head.slot_count; i++)
			note_group(claiming,
				   area + sizeof(head) +
					   (uint64_t)i * sizeof(struct meta));
		claiming->areas++;
		area = head.next;
	}
}

static int compare_ranges(const void *a, const void *b)
{
	const struct mf_range *left = a, *right = b;

	return (left->start > right->start) - (left->start < right->start);
}

static void claim_groups(struct claiming *claiming)
{
	struct mf_range run = { 0, 0 };
	const char *proof = "each group points back at its description";

	mf_vec_sort(&claiming->groups, compare_ranges);
	for (size_t i = 0; i < claiming->groups.count; i++) {
		struct mf_range group = claiming->groups.items[i];

		if (group.start > run.end) {
			claim_range(claiming, run, "musl groups", proof);
			run = group;
		}
		run.end = MF_MAX(run.end, group.end);
	}
	claim_range(claiming, run, "musl groups", proof);
}

static void explain(struct claiming *claiming)
{
	const struct mf_parameter parameters[] = {
		{ "meta_areas", claiming->areas },
		{ "groups", claiming->all_groups },
		{ "single_mappings", claiming->single },
		{ "mapped_groups", claiming->groups.count },
		{ "mapped_bytes", claiming->bytes },
	};

	mf_instance_parameters(claiming->context, claiming->instance,
			       parameters, MF_ARRAY_SIZE(parameters));
	mf_instance_explain(claiming->context, claiming->instance,
			    "%llu groups in %llu areas with its secret",
			    (unsigned long long)claiming->all_groups,
			    (unsigned long long)claiming->areas);
}

static struct mf_error *claim(struct mf_heap_context *context,
			      struct mf_allocator_instance *instance)
{
	struct claiming claiming = { .context = context, .instance = instance };
	struct search search = { 0 };

	if (!find_context(&search, context->target, instance->module)) {
		mf_instance_explain(context, instance,
				    "no metadata found: nothing was allocated, "
				    "or it is musl's older malloc");
		return NULL;
	}
	claiming.reader = search.reader;
	read_areas(&claiming, &search);
	claim_groups(&claiming);
	explain(&claiming);
	mf_vec_deinit(&claiming.groups);
	mf_map_deinit(&claiming.seen);
	mf_reader_destroy(search.reader);
	return NULL;
}

/* ---- recognising ------------------------------------------------------------------ */

static const struct mf_signature signature = { .text = "musl libc (" };

/* A C library that is not the GNU one. */
static bool may_be_musl(struct mf_heap_context *context,
			const struct mf_module *module)
{
	static const char *const names[] = { "__libc_start_main",
					     "gnu_get_libc_version" };
	uint64_t found[2] = { 0 };

	mf_image_find_symbols(context->image, module, names, 2,
			      MF_SYMBOLS_EXPORTED, found);
	return found[0] && !found[1];
}

static const char *find_version(struct mf_heap_context *context,
				const struct mf_module *module)
{
	static const char pattern[] = { '\0', '1', '.', '2', '.' };
	char text[12] = { 0 };

	if (!mf_image_find_bytes(context->image, module, pattern,
				 sizeof(pattern), text, sizeof(text) - 1))
		return "";
	return mf_version_in(context, text + 1, strlen(text + 1));
}

/* A static executable that was stripped has no text to know it by. */
static bool is_static_musl(struct mf_heap_context *context,
			   const struct mf_module *module)
{
	struct search search = { 0 };
	size_t count;
	const struct mf_module *modules =
		mf_image_modules(context->image, &count);

	for (size_t i = 0; i < count; i++)
		if (&modules[i] != module && modules[i].path[0] != '[')
			return false;
	if (!module->main || !find_context(&search, context->target, module))
		return false;
	mf_reader_destroy(search.reader);
	return true;
}

static const char *match(struct mf_heap_context *context,
			 const struct mf_module *module)
{
	if (may_be_musl(context, module))
		return mf_signature_match(context, module, &signature);
	if (is_static_musl(context, module))
		return "is static and holds the context of mallocng";
	return NULL;
}

static void added(struct mf_heap_context *context,
		  struct mf_allocator_instance *instance)
{
	instance->info.version = find_version(context, instance->module);
	mf_instance_ask_malloc(context, instance);
	/* Stripped, it does not say; a static program has one malloc. */
	if (is_static_musl(context, instance->module))
		instance->info.owns_malloc = true;
}

const struct mf_allocator_ops mf_musl_ops = {
	.name = "musl",
	.match = match,
	.added = added,
	.claim = claim,
};
