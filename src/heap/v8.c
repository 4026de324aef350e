/*
 * V8 (node, Chromium and embedders) in a process. Its chunks are aligned to
 * 256 KiB and begin with {size, flags, heap, area start, area end, ..., owner};
 * the owner, a space, points back at the same heap, and its vtable lies in
 * V8's own object: that is the proof of each chunk.
 * Source: V8 9 to 12, heap/basic-memory-chunk.h, heap/base-space.h.
 */
#include "heap/allocators.h"
#include "heap/recognise.h"

enum {
	CHUNK_ALIGNMENT = 256 << 10,
	HEADER_WORDS = 24, /* in which the owner is */
	MOST_CHUNKS = 1 << 20,
	MOST_STEPS = 1 << 24, /* of the alignment, through all mappings */
};

enum { /* words of a chunk's header */
	SIZE = 0,
	HEAP = 2,
	AREA_START = 3,
	AREA_END = 4,
};

struct claiming {
	struct mf_heap_context *context;
	struct mf_allocator_instance *instance;
	struct mf_reader *reader;
	struct mf_range module;
	struct mf_map heaps;
	uint64_t chunks, bytes, steps;
	uint64_t end; /* of the chunk before */
};

/* A space is {vtable, heap, ...}. */
static bool is_owner(struct claiming *claiming, uint64_t address, uint64_t heap)
{
	uint64_t space[2];

	return address % 8 == 0 && address >> 57 == 0 &&
	       mf_anon_at(claiming->context->target, address) &&
	       mf_reader_read(claiming->reader, address, space,
			      sizeof(space)) &&
	       mf_range_has(claiming->module, space[0]) && space[1] == heap;
}

static bool read_chunk(struct claiming *claiming, uint64_t address,
		       uint64_t *size, uint64_t *heap)
{
	uint64_t words[HEADER_WORDS];

	if (!mf_target_try_read(claiming->context->target, address, words,
				sizeof(words)) ||
	    words[SIZE] < 0x1000 || words[SIZE] % 0x1000 || words[SIZE] >> 40 ||
	    words[AREA_START] <= address ||
	    words[AREA_START] > words[AREA_END] ||
	    words[AREA_END] > address + words[SIZE])
		return false;
	*size = words[SIZE];
	*heap = words[HEAP];
	for (size_t i = AREA_END + 1; i < HEADER_WORDS; i++)
		if (is_owner(claiming, words[i], *heap))
			return true;
	return false;
}

static void claim_range(const struct claiming *claiming, uint64_t start,
			uint64_t end, enum mf_certainty certainty,
			const char *label, const char *proof)
{
	mf_instance_claim(claiming->context, claiming->instance,
			  (struct mf_claim){ .start = start,
					     .end = end,
					     .class = MF_CLASS_V8_HEAP,
					     .certainty = certainty,
					     .label = label,
					     .proof = proof });
}

static bool is_reserve(const struct mf_mapping *mapping)
{
	return mapping && mf_mapping_is_anon(mapping) &&
	       !(mapping->perms &
		 (MF_PERM_READ | MF_PERM_WRITE | MF_PERM_EXEC));
}

static bool holds_code(struct claiming *claiming, uint64_t start, uint64_t end)
{
	while (start < end) {
		const struct mf_mapping *mapping =
			mf_target_mapping_at(claiming->context->target, start);

		if (!mapping)
			return false;
		if (mapping->perms & MF_PERM_EXEC)
			return true;
		start = mapping->end;
	}
	return false;
}

/* Chunks of code lie in one reservation: what is free of it stays PROT_NONE. */
static void claim_code_range(const struct claiming *claiming, uint64_t start,
			     uint64_t end)
{
	struct mf_target *target = claiming->context->target;
	const struct mf_mapping *before =
		mf_target_mapping_at(target, start - 1);
	const struct mf_mapping *after = mf_target_mapping_at(target, end);
	const char *proof = "unused space beside V8's chunks of code";

	if (is_reserve(before))
		claim_range(claiming, before->start, start, MF_BY_CONTENT,
			    "V8 code range", proof);
	if (is_reserve(after))
		claim_range(claiming, end, after->end, MF_BY_CONTENT,
			    "V8 code range", proof);
}

static void claim_chunk(struct claiming *claiming, uint64_t address,
			uint64_t size, uint64_t heap)
{
	bool code = holds_code(claiming, address, address + size);
	const char *label = "V8 page";

	if (size > CHUNK_ALIGNMENT)
		label = "V8 large object";
	if (code)
		label = "V8 code page";
	claim_range(claiming, address, address + size, MF_BY_STRUCTURE, label,
		    "a chunk header whose space points back at its heap");
	if (code)
		claim_code_range(claiming, address, address + size);
	mf_map_set(&claiming->heaps, heap, 0);
	claiming->end = address + size;
	claiming->chunks++;
	claiming->bytes += size;
}

/*
 * A page of the read-only heap, which isolates may share, has no heap and is
 * cut to what it uses: header and mapping agree on where it ends.
 */
static bool claim_read_only(struct claiming *claiming,
			    const struct mf_mapping *mapping)
{
	uint64_t words[AREA_END + 1];

	if (mapping->perms != MF_PERM_READ ||
	    mapping->start % CHUNK_ALIGNMENT ||
	    !mf_target_try_read(claiming->context->target, mapping->start,
				words, sizeof(words)) ||
	    words[SIZE] != mapping->end - mapping->start || words[HEAP] ||
	    words[AREA_START] <= mapping->start ||
	    words[AREA_START] >= mapping->start + 0x1000 ||
	    words[AREA_END] != mapping->end)
		return false;
	claim_range(claiming, mapping->start, mapping->end, MF_BY_CONTENT,
		    "V8 read-only page",
		    "a chunk header that agrees with its mapping");
	return true;
}

static void claim_mapping(struct claiming *claiming,
			  const struct mf_mapping *mapping)
{
	uint64_t from = MF_MAX(mapping->start, claiming->end);
	uint64_t address =
		mf_align_down(from + CHUNK_ALIGNMENT - 1, CHUNK_ALIGNMENT);

	for (; address < mapping->end; address += CHUNK_ALIGNMENT) {
		uint64_t size, heap;

		if (++claiming->steps > MOST_STEPS ||
		    claiming->chunks >= MOST_CHUNKS)
			return;
		if (address < claiming->end ||
		    !read_chunk(claiming, address, &size, &heap))
			continue;
		claim_chunk(claiming, address, size, heap);
	}
}

static void explain(struct claiming *claiming)
{
	const struct mf_parameter parameters[] = {
		{ "isolates", claiming->heaps.count },
		{ "chunks", claiming->chunks },
		{ "chunk_bytes", claiming->bytes },
	};

	if (!claiming->chunks) {
		mf_instance_explain(claiming->context, claiming->instance,
				    "no chunks found: no isolate was made, or "
				    "of a version that is not known");
		return;
	}
	mf_instance_parameters(claiming->context, claiming->instance,
			       parameters, MF_ARRAY_SIZE(parameters));
	mf_instance_explain(claiming->context, claiming->instance,
			    "chunks: %llu, isolates: %zu",
			    (unsigned long long)claiming->chunks,
			    claiming->heaps.count);
}

static struct mf_error *claim(struct mf_heap_context *context,
			      struct mf_allocator_instance *instance)
{
	struct claiming claiming = {
		.context = context,
		.instance = instance,
		.reader = mf_reader_create(context->target),
		.module = { instance->module->start, instance->module->end },
	};
	size_t count;
	const struct mf_mapping *mappings =
		mf_target_mappings(context->target, &count);

	for (size_t i = 0; i < count; i++)
		if (mf_mapping_is_anon(&mappings[i]) &&
		    (mappings[i].perms & MF_PERM_READ) &&
		    strcmp(mappings[i].path, "[heap]") != 0 &&
		    !claim_read_only(&claiming, &mappings[i]))
			claim_mapping(&claiming, &mappings[i]);
	explain(&claiming);
	mf_map_deinit(&claiming.heaps);
	mf_reader_destroy(claiming.reader);
	return NULL;
}

/* ---- recognising ------------------------------------------------------------- */

static const char *const symbols[] = {
	"_ZN2v87Isolate3NewERKNS0_12CreateParamsE",
	"_ZN2v82V810GetVersionEv",
	NULL,
};

static const struct mf_signature signature = { .symbols = symbols };

/* v8::internal::Version's numbers are exported variables. */
static const char *find_version(struct mf_heap_context *context,
				const struct mf_module *module)
{
	static const char *const parts[] = {
		"_ZN2v88internal7Version6major_E",
		"_ZN2v88internal7Version6minor_E",
		"_ZN2v88internal7Version6build_E",
		"_ZN2v88internal7Version6patch_E",
	};
	uint64_t found[MF_ARRAY_SIZE(parts)] = { 0 };
	uint32_t numbers[MF_ARRAY_SIZE(parts)];

	mf_image_find_symbols(context->image, module, parts,
			      MF_ARRAY_SIZE(parts), MF_SYMBOLS_EXPORTED, found);
	for (size_t i = 0; i < MF_ARRAY_SIZE(parts); i++)
		if (!found[i] ||
		    !mf_target_read_u32(context->target, found[i], &numbers[i]))
			return "";
	return mf_pool_printf(context->pool, "%u.%u.%u.%u", numbers[0],
			      numbers[1], numbers[2], numbers[3]);
}

static const char *match(struct mf_heap_context *context,
			 const struct mf_module *module)
{
	return mf_signature_match(context, module, &signature);
}

static void added(struct mf_heap_context *context,
		  struct mf_allocator_instance *instance)
{
	instance->info.version = find_version(context, instance->module);
}

const struct mf_allocator_ops mf_v8_ops = {
	.name = "v8",
	.match = match,
	.added = added,
	.claim = claim,
};
