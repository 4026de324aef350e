/*
 * The Go runtime in a process: the program itself, or a shared object built
 * with -buildmode=c-shared. Arenas are those of mheap_.arenas, a sparse array
 * that the runtime's data points at: each entry leads to the description of a
 * 64 MiB arena whose spans say addresses inside it. The page allocator's
 * summaries and bitmaps are found by their fixed capacities.
 * Source: Go 1.11 to 1.25, runtime/mheap.go, malloc.go, mpagealloc.go;
 * debug/buildinfo.
 */
#include "heap/allocators.h"
#include "heap/recognise.h"

enum {
	ENTRIES_TRIED = 64, /* of a table of spans */
	ARENA_SIZE = 64 << 20,
	INDEX_ENTRIES = 1 << 22, /* of mheap_.arenas, 48-bit addresses */
	GO_PAGE = 8192,
	ARENA_PAGES = ARENA_SIZE / GO_PAGE,
	ARENA_FIELDS = 4096, /* of heapArena behind its spans, at most */
	SPAN_START = 24,     /* offset in mspan: address, then pages */
	MOST_CANDIDATES = 4096,
	MOST_ARENAS = 1 << 20,
	SUMMARY_LEVELS = 5,
	BITMAP_CHUNKS = 1 << 13, /* of the page allocator's first level */
	BITMAP_SIZE = 1 << 20,	 /* of each */
	CHAIN_SIZE = 256 << 10,	 /* of a chunk of persistentalloc */
	MOST_CHAIN = 1 << 16,
	BUILD_INFO_WITHIN = 1 << 20, /* bytes of the writable data */
};

struct go {
	bool alone; /* no code but Go's in the process */
};

struct claiming {
	struct mf_heap_context *context;
	struct mf_allocator_instance *instance;
	struct mf_target *target;
	struct mf_reader *reader;
	struct mf_range data;
	MF_VEC(struct mf_range) claimed; /* by structure or content */
	unsigned candidates;
	uint64_t arenas;
};

static void claim_range(struct claiming *claiming, struct mf_range range,
			enum mf_certainty certainty, const char *label,
			const char *proof)
{
	if (certainty >= MF_BY_CONTENT && range.start < range.end &&
	    claiming->claimed.count < MOST_ARENAS)
		mf_vec_push(&claiming->claimed, range);
	mf_instance_claim(claiming->context, claiming->instance,
			  (struct mf_claim){ .start = range.start,
					     .end = range.end,
					     .class = MF_CLASS_GO_HEAP,
					     .certainty = certainty,
					     .label = label,
					     .proof = proof });
}

/* ---- arenas --------------------------------------------------------------------- */

/* Where heapArena.spans is: 1.22 on, to 1.19, and between those. */
static const uint64_t span_tables[] = { 0, 2 << 20, (1 << 20) + (16 << 10) };

/* One entry of the table of spans says where its span is. */
static bool span_agrees(struct claiming *claiming, uint64_t span,
			uint64_t address)
{
	uint64_t words[2];

	return span % 8 == 0 && mf_anon_at(claiming->target, span) &&
	       mf_reader_read(claiming->reader, span + SPAN_START, words,
			      sizeof(words)) &&
	       words[0] % GO_PAGE == 0 && words[0] <= address && words[1] &&
	       words[1] >> 40 == 0 && address - words[0] < words[1] * GO_PAGE;
}

/* Pages of spans that were freed keep their old entries: most must agree. */
static bool table_agrees(struct claiming *claiming, uint64_t table,
			 uint64_t base)
{
	unsigned good = 0, bad = 0;

	for (uint64_t i = 0; i < ARENA_PAGES && good + bad < ENTRIES_TRIED;
	     i++) {
		uint64_t span;

		if (!mf_reader_u64(claiming->reader, table + i * 8, &span))
			return false;
		if (!span)
			continue;
		if (span_agrees(claiming, span, base + i * GO_PAGE))
			good++;
		else
			bad++;
	}
	return good > bad;
}

/* *size: of a heapArena, the few small fields behind its spans included. */
static bool arena_agrees(struct claiming *claiming, uint64_t arena,
			 uint64_t base, uint64_t *size)
{
	if (!mf_anon_at(claiming->target, arena))
		return false;
	for (size_t i = 0; i < MF_ARRAY_SIZE(span_tables); i++) {
		if (!table_agrees(claiming, arena + span_tables[i], base))
			continue;
		*size = span_tables[i] + ARENA_PAGES * sizeof(uint64_t) +
			ARENA_FIELDS;
		return true;
	}
	return false;
}

/* The sparse array that may be mheap_.arenas[0]. */
struct index {
	struct claiming *claiming;
	uint64_t address;
	uint64_t bias; /* of addresses: 2^47 on amd64, 0 elsewhere */
	uint64_t entries, proved;
	uint64_t arena_size; /* of a heapArena */
	bool claim;
};

static void claim_arena(const struct index *index, uint64_t base,
			uint64_t arena)
{
	const struct mf_mapping *mapping =
		mf_anon_at(index->claiming->target, arena);

	index->claiming->arenas++;
	claim_range(index->claiming,
		    (struct mf_range){ base, base + ARENA_SIZE },
		    MF_BY_STRUCTURE, "Go arenas",
		    "in mheap_.arenas, whose spans agree");
	if (mapping)
		claim_range(index->claiming,
			    (struct mf_range){
				    arena, MF_MIN(mapping->end,
						  arena + index->arena_size) },
			    MF_BY_STRUCTURE, "Go arena metadata",
			    "a heapArena in mheap_.arenas");
}

static void visit_arena(struct index *index, uint64_t number, uint64_t arena)
{
	uint64_t base = number * ARENA_SIZE - index->bias;
	const struct mf_mapping *mapping =
		mf_target_mapping_at(index->claiming->target, base);

	index->entries++;
	if (!mapping || !mf_mapping_is_anon(mapping))
		return;
	if (index->claim) {
		claim_arena(index, base, arena);
	} else if (index->entries <= 64 &&
		   arena_agrees(index->claiming, arena, base,
				&index->arena_size)) {
		index->proved++;
	}
}

static bool visit_index(void *data, const struct mf_words *words)
{
	struct index *index = data;

	for (size_t i = 0; i < words->count; i++) {
		uint64_t at = words->address + i * sizeof(uint64_t);

		if (!words->words[i] || at < index->address)
			continue;
		if (index->entries >= MOST_ARENAS ||
		    (!index->claim && index->entries > 64))
			return false;
		visit_arena(index, (at - index->address) / sizeof(uint64_t),
			    words->words[i]);
	}
	return true;
}

/* Most arenas have spans that agree; one that is all free has none. */
static bool is_index(struct index *index)
{
	struct mf_range range = { index->address,
				  index->address +
					  INDEX_ENTRIES * sizeof(uint64_t) };
	const struct mf_mapping *mapping =
		mf_anon_at(index->claiming->target, index->address);

	index->entries = index->proved = 0;
	if (!mapping || mapping->end < range.end)
		return false;
	mf_scan_words(index->claiming->target, range, visit_index, index);
	return index->proved && index->proved * 2 >= index->entries;
}

static void claim_index(struct index *index)
{
	struct mf_range range = { index->address,
				  index->address +
					  INDEX_ENTRIES * sizeof(uint64_t) };

	index->claim = true;
	index->entries = 0;
	mf_scan_words(index->claiming->target, range, visit_index, index);
	claim_range(index->claiming, range, MF_BY_STRUCTURE, "Go arena index",
		    "mheap_.arenas");
}

static bool search_index(void *data, const struct mf_words *words)
{
	static const uint64_t biases[] = { UINT64_C(1) << 47, 0 };
	struct claiming *claiming = data;

	for (size_t i = 0; i < words->count; i++) {
		struct index index = { .claiming = claiming,
				       .address = words->words[i] };

		if (index.address < 0x10000 || index.address % 4096 ||
		    index.address >> 57 ||
		    mf_range_has(claiming->data, index.address) ||
		    !mf_anon_at(claiming->target, index.address))
			continue;
		if (++claiming->candidates > MOST_CANDIDATES)
			return false;
		for (size_t j = 0; j < MF_ARRAY_SIZE(biases); j++) {
			index.bias = biases[j];
			if (!is_index(&index))
				continue;
			claim_index(&index);
			return false;
		}
	}
	return true;
}

/* ---- what else the runtime maps ---------------------------------------------------- */

/*
 * What follows the summaries is the first level of pageAlloc.chunks: pointers
 * to bitmaps of one size.
 */
static void claim_bitmaps(struct claiming *claiming, uint64_t at)
{
	for (unsigned i = 0; i < BITMAP_CHUNKS; i++) {
		const struct mf_mapping *mapping;
		uint64_t bitmap;

		if (!mf_reader_u64(claiming->reader, at + i * 8, &bitmap))
			return;
		mapping = bitmap ? mf_anon_at(claiming->target, bitmap) : NULL;
		if (mapping && bitmap % 4096 == 0 &&
		    mapping->end - bitmap >= BITMAP_SIZE)
			claim_range(claiming,
				    (struct mf_range){ bitmap,
						       bitmap + BITMAP_SIZE },
				    MF_BY_STRUCTURE, "Go page bitmap",
				    "in pageAlloc.chunks");
	}
}

/* {pointer, length, capacity} five times, each level eight times the one above. */
static bool is_summary(struct claiming *claiming, uint64_t at,
		       const uint64_t *words)
{
	uint64_t slices[SUMMARY_LEVELS][3];

	if (words[2] < 1 << 10 || words[2] > 1 << 20 ||
	    (words[2] & (words[2] - 1)) ||
	    !mf_reader_read(claiming->reader, at, slices, sizeof(slices)))
		return false;
	for (unsigned i = 0; i < SUMMARY_LEVELS; i++)
		if (slices[i][0] % 4096 || slices[i][1] > slices[i][2] ||
		    slices[i][2] != slices[0][2] << (3 * i))
			return false;
	for (unsigned i = 0; i < SUMMARY_LEVELS; i++)
		claim_range(
			claiming,
			(struct mf_range){ slices[i][0],
					   slices[i][0] + slices[i][2] * 8 },
			MF_BY_STRUCTURE, "Go page summary",
			"one of the five levels of pageAlloc.summary");
	claim_bitmaps(claiming, at + sizeof(slices));
	return true;
}

/* What a word of the runtime's data points at the very start of is its own. */
static void claim_pointed(struct claiming *claiming, uint64_t value)
{
	const struct mf_mapping *mapping = NULL;

	if (value % 4096 == 0 && value >> 57 == 0)
		mapping = mf_target_mapping_at(claiming->target, value);
	if (!mapping || mapping->start != value ||
	    !mf_mapping_is_anon(mapping) || mapping->perms & MF_PERM_EXEC ||
	    !strcmp(mapping->path, "[heap]"))
		return;
	claim_range(claiming, (struct mf_range){ mapping->start, mapping->end },
		    MF_BY_SHAPE, "Go runtime",
		    "the runtime's data points at its start");
}

/* persistentalloc links its chunks by their first words. */
static bool claim_chain(struct claiming *claiming, uint64_t first)
{
	uint64_t chunk = first;
	unsigned count = 0;

	while (chunk && count < MOST_CHAIN) {
		const struct mf_mapping *mapping =
			mf_anon_at(claiming->target, chunk);

		if (chunk % 4096 || !mapping ||
		    mapping->end - chunk < CHAIN_SIZE ||
		    !mf_reader_u64(claiming->reader, chunk, &chunk))
			return false;
		count++;
	}
	if (chunk || count < 2)
		return false;
	for (chunk = first; chunk && count--;) {
		claim_range(claiming,
			    (struct mf_range){ chunk, chunk + CHAIN_SIZE },
			    MF_BY_CONTENT, "Go runtime",
			    "a chunk in the chain of persistentalloc");
		if (!mf_reader_u64(claiming->reader, chunk, &chunk))
			break;
	}
	return true;
}

static bool search_rest(void *data, const struct mf_words *words)
{
	struct claiming *claiming = data;

	for (size_t i = 0; i < words->count; i++) {
		uint64_t value = words->words[i];

		if (value < 0x10000 || value % 4096 || value >> 57 ||
		    mf_range_has(claiming->data, value))
			continue;
		claim_pointed(claiming, value);
		claim_chain(claiming, value);
		if (i + 2 < words->count)
			is_summary(claiming,
				   words->address + i * sizeof(uint64_t),
				   words->words + i);
	}
	return true;
}

/* "[anon: Go: heap]": from Go 1.25 on, where the kernel keeps names. */
static void claim_named(struct claiming *claiming,
			const struct mf_mapping *mapping)
{
	static const char prefix[] = "[anon: Go: ";
	const char *name = mapping->path + sizeof(prefix) - 1;

	if (strncmp(mapping->path, prefix, sizeof(prefix) - 1) != 0)
		return;
	claim_range(claiming, (struct mf_range){ mapping->start, mapping->end },
		    MF_BY_NAME,
		    mf_pool_printf(claiming->context->pool, "Go %.*s",
				   (int)strcspn(name, "]"), name),
		    "the runtime named it");
}

/*
 * Where no code but Go's is mapped, nobody else maps memory either; what the
 * program itself took with mmap is the exception.
 */
static void claim_mappings(struct claiming *claiming)
{
	const struct go *go = claiming->instance->state;
	size_t count;
	const struct mf_mapping *mappings =
		mf_target_mappings(claiming->target, &count);

	for (size_t i = 0; i < count; i++) {
		const struct mf_mapping *mapping = &mappings[i];

		claim_named(claiming, mapping);
		if (go->alone && mf_mapping_is_anon(mapping) &&
		    !(mapping->perms & MF_PERM_EXEC) &&
		    !mf_image_module_at(claiming->context->image,
					mapping->start))
			claim_range(claiming,
				    (struct mf_range){ mapping->start,
						       mapping->end },
				    MF_BY_SHAPE, "Go runtime",
				    "no code but Go's is in the process");
	}
}

static int compare_ranges(const void *a, const void *b)
{
	const struct mf_range *left = a, *right = b;

	return (left->start > right->start) - (left->start < right->start);
}

/*
 * The kernel makes one mapping of neighbours: what lies in it between two of
 * the runtime's pieces was mapped as they were.
 */
static void claim_gaps(struct claiming *claiming)
{
	uint64_t end = 0;

	mf_vec_sort(&claiming->claimed, compare_ranges);
	for (size_t i = 0; i < claiming->claimed.count; i++) {
		struct mf_range range = claiming->claimed.items[i];
		const struct mf_mapping *mapping =
			end && end < range.start
				? mf_anon_at(claiming->target, end - 1)
				: NULL;

		if (mapping && mapping->end > range.start)
			claim_range(claiming,
				    (struct mf_range){ end, range.start },
				    MF_BY_SHAPE, "Go runtime",
				    "between two of its pieces in a mapping");
		end = MF_MAX(end, range.end);
	}
}

static struct mf_error *claim(struct mf_heap_context *context,
			      struct mf_allocator_instance *instance)
{
	struct claiming claiming = {
		.context = context,
		.instance = instance,
		.target = context->target,
		.reader = mf_reader_create(context->target),
		.data = mf_module_data(instance->module),
	};

	mf_scan_words(context->target, claiming.data, search_index, &claiming);
	if (claiming.arenas) {
		const struct mf_parameter parameters[] = {
			{ "arenas", claiming.arenas },
			{ "arena_size", ARENA_SIZE },
		};

		mf_scan_words(context->target, claiming.data, search_rest,
			      &claiming);
		claim_mappings(&claiming);
		claim_gaps(&claiming);
		mf_instance_parameters(context, instance, parameters,
				       MF_ARRAY_SIZE(parameters));
		mf_instance_explain(context, instance,
				    "arenas in mheap_.arenas: %llu",
				    (unsigned long long)claiming.arenas);
	} else {
		mf_instance_explain(context, instance,
				    "no arenas found: its runtime did not "
				    "start, or of a version that is not known");
	}
	mf_vec_deinit(&claiming.claimed);
	mf_reader_destroy(claiming.reader);
	return NULL;
}

/* ---- recognising ------------------------------------------------------------------------ */

static const char *const sections[] = {
	".go.buildinfo",
	".gopclntab",
	".data.rel.ro.gopclntab",
	NULL,
};

static const struct mf_signature signature = { .sections = sections };

struct build_info {
	struct mf_heap_context *context;
	const char *version;
};

static const char *text_of(struct mf_heap_context *context, uint64_t address,
			   uint64_t size)
{
	char text[64];

	if (!size || size >= sizeof(text) ||
	    !mf_target_try_read(context->target, address, text, size) ||
	    strncmp(text, "go", 2) != 0)
		return "";
	return mf_pool_strndup(context->pool, text + 2,
			       strnlen(text + 2, size - 2));
}

/* Its strings stand inside (1.18 on), or are pointed at, as Go strings. */
static const char *read_build_info(struct mf_heap_context *context,
				   uint64_t address)
{
	uint8_t head[34];
	uint64_t string[2];

	if (!mf_target_try_read(context->target, address, head, sizeof(head)))
		return "";
	if (head[15] & 2) /* a varint length, here always one byte */
		return text_of(context, address + 33, head[32]);
	if (!mf_target_try_read(context->target, mf_load(uint64_t, head + 16),
				string, sizeof(string)))
		return "";
	return text_of(context, string[0], string[1]);
}

static bool find_build_info(void *data, const struct mf_words *words)
{
	static const char magic[] = "\xff Go buildinf:";
	struct build_info *info = data;

	for (size_t i = 0; i + 1 < words->count; i += 2) {
		if (memcmp(&words->words[i], magic, sizeof(magic) - 1) != 0)
			continue;
		info->version = read_build_info(
			info->context, words->address + i * sizeof(uint64_t));
		return false;
	}
	return true;
}

static bool is_alone(struct mf_heap_context *context,
		     const struct mf_module *module)
{
	size_t count;
	const struct mf_module *modules =
		mf_image_modules(context->image, &count);

	for (size_t i = 0; i < count; i++)
		if (&modules[i] != module && modules[i].path[0] != '[')
			return false;
	return module->main;
}

static const char *match(struct mf_heap_context *context,
			 const struct mf_module *module)
{
	return mf_signature_match(context, module, &signature);
}

static void added(struct mf_heap_context *context,
		  struct mf_allocator_instance *instance)
{
	const struct mf_module *module = instance->module;
	struct build_info info = { .context = context, .version = "" };
	struct mf_range data = { module->start, module->end };
	struct go *go = mf_new(struct go);

	go->alone = is_alone(context, module);
	for (size_t i = 0; i < module->segment_count; i++)
		if (module->segments[i].kind == MF_SEGMENT_DATA) {
			data.start = module->segments[i].start;
			break;
		}
	data.end = MF_MIN(data.end, data.start + BUILD_INFO_WITHIN);
	mf_scan_words(context->target, data, find_build_info, &info);
	instance->state = go;
	instance->info.version = info.version;
}

static void close_instance(struct mf_allocator_instance *instance)
{
	free(instance->state);
	instance->state = NULL;
}

const struct mf_allocator_ops mf_go_ops = {
	.name = "go",
	.match = match,
	.added = added,
	.claim = claim,
	.close = close_instance,
};
