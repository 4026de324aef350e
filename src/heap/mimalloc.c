/*
 * mimalloc in a process. Versions 1 and 2 take segments (4 or 32 MiB, aligned)
 * each of which holds a cookie: its own address xor a random key of the main
 * heap, which lies in the library's data. A word at the start of an aligned
 * piece of memory that gives such a key is proof, wherever the field stands.
 * Source: mimalloc 1.6 to 2.1, types.h mi_segment_t, internal.h _mi_ptr_cookie.
 */
#include "heap/allocators.h"
#include "heap/recognise.h"
#include "heap/window.h"

enum {
	SEGMENT_ALIGNMENT = 4 << 20, /* version 1; 2 has 32 MiB */
	SLICE = 64 << 10,
	HEADER_WORDS = 64, /* in which the cookie is */
	MOST_SEGMENTS = 1 << 20,
};

/* ---- the key ------------------------------------------------------------------- */

static bool note_keys(void *data, const struct mf_words *words)
{
	struct mf_map *keys = data;

	for (size_t i = 0; i < words->count; i++)
		if (words->words[i] >> 48 && words->words[i] >> 48 != 0xffff)
			mf_map_set(keys, words->words[i], 0);
	return true;
}

/* ---- segments ------------------------------------------------------------------- */

struct claiming {
	struct mf_heap_context *context;
	struct mf_allocator_instance *instance;
	struct mf_window window; /* to pass over what nobody touched */
	struct mf_map keys;	 /* random-looking words of its data */
	uint64_t segments, bytes;
};

/* The cookie is followed by the number of slices; other versions: no size. */
static bool read_segment(struct claiming *claiming, uint64_t address,
			 uint64_t *size)
{
	uint64_t words[HEADER_WORDS];

	if (!mf_target_try_read(claiming->context->target, address, words,
				sizeof(words)))
		return false;
	for (size_t i = 0; i + 1 < HEADER_WORDS; i++) {
		uint64_t slices = words[i + 1];

		if (!mf_map_has(&claiming->keys, words[i] ^ address))
			continue;
		*size = slices && slices >> 32 == 0 ? slices * SLICE : 0;
		return true;
	}
	return false;
}

/* A segment may be left partly PROT_NONE: all of its mappings are its. */
static uint64_t segment_end(struct claiming *claiming, uint64_t address,
			    uint64_t size)
{
	struct mf_range run = mf_anon_run(claiming->context->target, address);

	if (size < SEGMENT_ALIGNMENT || size % SLICE)
		size = SEGMENT_ALIGNMENT;
	return MF_MIN(run.end, address + size);
}

/* Where a segment may begin, from ADDRESS on: its first page was written. */
static uint64_t next_place(struct claiming *claiming, uint64_t address)
{
	address = mf_align_down(address + SEGMENT_ALIGNMENT - 1,
				SEGMENT_ALIGNMENT);
	address = mf_window_skip_absent(&claiming->window, address);
	return mf_align_down(address + SEGMENT_ALIGNMENT - 1,
			     SEGMENT_ALIGNMENT);
}

static void claim_mapping(struct claiming *claiming,
			  const struct mf_mapping *mapping)
{
	uint64_t address;

	mf_window_restrict(&claiming->window, mapping->end);
	address = next_place(claiming, mapping->start);
	while (address < mapping->end && claiming->segments < MOST_SEGMENTS) {
		uint64_t size, end;

		if (!read_segment(claiming, address, &size)) {
			address = next_place(claiming, address + 1);
			continue;
		}
		end = segment_end(claiming, address, size);
		claiming->segments++;
		claiming->bytes += end - address;
		mf_instance_claim(
			claiming->context, claiming->instance,
			(struct mf_claim){
				.start = address,
				.end = end,
				.class = MF_CLASS_MIMALLOC,
				.certainty = MF_BY_STRUCTURE,
				.label = "mimalloc segment",
				.proof = "its cookie is its address xor "
					 "mimalloc's key",
			});
		address = next_place(claiming, end);
	}
}

static bool claim_named(struct claiming *claiming,
			const struct mf_mapping *mapping)
{
	if (strcmp(mapping->path, "[anon:mimalloc]") != 0)
		return false;
	mf_instance_claim(claiming->context, claiming->instance,
			  (struct mf_claim){ .start = mapping->start,
					     .end = mapping->end,
					     .class = MF_CLASS_MIMALLOC,
					     .certainty = MF_BY_NAME,
					     .label = "mimalloc",
					     .proof = "mimalloc named it" });
	return true;
}

static void explain(struct claiming *claiming, bool named)
{
	const struct mf_parameter parameters[] = {
		{ "segments", claiming->segments },
		{ "segment_bytes", claiming->bytes },
	};

	if (claiming->segments) {
		mf_instance_parameters(claiming->context, claiming->instance,
				       parameters, MF_ARRAY_SIZE(parameters));
		mf_instance_explain(claiming->context, claiming->instance,
				    "%llu segments with its cookie",
				    (unsigned long long)claiming->segments);
	} else {
		mf_instance_explain(claiming->context, claiming->instance,
				    named ? "its memory carries its name"
					  : "no segments found: mapped but not "
					    "in use, or of a version that is "
					    "not known");
	}
}

static struct mf_error *claim(struct mf_heap_context *context,
			      struct mf_allocator_instance *instance)
{
	struct claiming claiming = { .context = context, .instance = instance };
	size_t count;
	const struct mf_mapping *mappings =
		mf_target_mappings(context->target, &count);
	bool named = false;

	mf_window_init(&claiming.window, context->target);
	mf_scan_words(context->target, mf_module_data(instance->module),
		      note_keys, &claiming.keys);
	for (size_t i = 0; i < count; i++) {
		const struct mf_mapping *mapping = &mappings[i];

		if (!mf_mapping_is_anon(mapping) ||
		    !(mapping->perms & MF_PERM_WRITE))
			continue;
		named |= claim_named(&claiming, mapping);
		claim_mapping(&claiming, mapping);
	}
	explain(&claiming, named);
	mf_map_deinit(&claiming.keys);
	mf_window_deinit(&claiming.window);
	return NULL;
}

/* ---- recognising ------------------------------------------------------------------ */

static const char *const symbols[] = {
	"mi_malloc",
	"mi_version",
	"mi_process_info",
	NULL,
};

static const struct mf_signature signature = {
	.symbols = symbols,
	.text = "mimalloc: ",
	.text_bss = 192 << 10, /* its map of segments alone */
};

/* mi_version returns a constant: "mov $209, %eax; ret", after endbr64. */
static const char *find_version(struct mf_heap_context *context,
				const struct mf_module *module)
{
	uint64_t address, size;
	uint8_t code[16];
	uint32_t number;
	size_t at = 0;

	if (!mf_image_find_symbol(context->image, module, "mi_version",
				  MF_SYMBOLS_FILE, &address, &size) ||
	    !mf_target_try_read(context->target, address, code, sizeof(code)))
		return "";
	if (!memcmp(code, "\xf3\x0f\x1e\xfa", 4))
		at = 4;
	if (code[at] != 0xb8 || code[at + 5] != 0xc3)
		return "";
	number = mf_load(uint32_t, code + at + 1);
	if (number >= 10000) /* 3.0 on: two digits each */
		return mf_pool_printf(context->pool, "%u.%u.%u", number / 10000,
				      number / 100 % 100, number % 100);
	return mf_pool_printf(context->pool, "%u.%u.%u", number / 100,
			      number / 10 % 10, number % 10);
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
	mf_instance_ask_malloc(context, instance);
}

const struct mf_allocator_ops mf_mimalloc_ops = {
	.name = "mimalloc",
	.match = match,
	.added = added,
	.claim = claim,
};
