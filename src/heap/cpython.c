/*
 * CPython's object allocator in a process. Its arenas (256 KiB, 1 MiB from 3.10
 * on) are listed in an array of arena_object; a word of the interpreter's data
 * points at it. An arena is proved by its pools, whose headers hold the arena's
 * index in that array. What is larger than 512 bytes is malloc's, not ours.
 * Source: CPython 2.7 to 3.13, Objects/obmalloc.c, pycore_obmalloc.h.
 */
#include "heap/allocators.h"
#include "heap/recognise.h"

enum {
	MOST_ARENAS = 1 << 20,
	MOST_CANDIDATES = 1 << 16,
	ARENA_INDEX = 32, /* offset in a pool's header: u32 */
	SIZE_INDEX = 36,  /* u32 */
	MOST_SIZE_INDEX = 64,
};

/* One entry of the array. */
struct arena_object {
	uint64_t address;      /* 0: no arena */
	uint64_t pool_address; /* the next pool never used */
	uint32_t free_pools, total_pools;
	uint64_t free_list, next, previous;
};

struct geometry {
	uint64_t arena, pool;
};

static const struct geometry geometries[] = {
	{ 1 << 20, 16 << 10 }, /* from 3.10 on */
	{ 256 << 10, 4 << 10 },
};

/* ---- the array ------------------------------------------------------------------ */

static bool fits(struct mf_target *target, const struct arena_object *object,
		 const struct geometry *geometry)
{
	uint64_t pools = geometry->arena / geometry->pool;
	const struct mf_mapping *mapping;

	if (object->address % 4096 || object->address >> 57 ||
	    object->pool_address % geometry->pool ||
	    object->pool_address < object->address ||
	    object->pool_address > object->address + geometry->arena ||
	    object->free_pools > object->total_pools ||
	    object->total_pools !=
		    pools - (object->address % geometry->pool != 0))
		return false;
	mapping = mf_anon_at(target, object->address);
	return mapping && mapping->end >= object->address + geometry->arena;
}

/* The first pool of an arena that was ever used says the arena's index. */
static bool pool_agrees(struct mf_reader *reader,
			const struct arena_object *object, uint64_t index,
			const struct geometry *geometry)
{
	uint64_t pool = mf_align_down(object->address + geometry->pool - 1,
				      geometry->pool);
	uint32_t header[2];

	if (object->pool_address <= pool)
		return true; /* none was used yet */
	return mf_reader_read(reader, pool + ARENA_INDEX, header,
			      sizeof(header)) &&
	       header[0] == index &&
	       header[SIZE_INDEX / 4 - ARENA_INDEX / 4] < MOST_SIZE_INDEX;
}

struct arenas {
	struct mf_target *target;
	struct mf_reader *reader;
	struct mf_range data;
	uint64_t array;
	const struct geometry *geometry;
	unsigned candidates;
};

/* The next arena at or after *index; false at the array's end. */
static bool next_arena(const struct arenas *arenas, uint64_t array,
		       const struct geometry *geometry, uint64_t *index,
		       struct arena_object *ret)
{
	for (; *index < MOST_ARENAS; ++*index) {
		if (!mf_reader_read(arenas->reader,
				    array + *index * sizeof(*ret), ret,
				    sizeof(*ret)))
			return false;
		if (!ret->address) {
			/* unused ones are linked, or the last */
			if (ret->next && !mf_anon_at(arenas->target, ret->next))
				return false;
			continue;
		}
		return fits(arenas->target, ret, geometry) &&
		       pool_agrees(arenas->reader, ret, *index, geometry);
	}
	return false;
}

static bool try_array(struct arenas *arenas, uint64_t array)
{
	for (size_t i = 0; i < MF_ARRAY_SIZE(geometries); i++) {
		struct arena_object object;
		uint64_t index = 0;

		if (!mf_reader_read(arenas->reader, array, &object,
				    sizeof(object)))
			return false;
		/* the first arena made is seldom given back */
		if (!object.address ||
		    !next_arena(arenas, array, &geometries[i], &index,
				&object) ||
		    object.pool_address == object.address)
			continue;
		arenas->array = array;
		arenas->geometry = &geometries[i];
		return true;
	}
	return false;
}

static bool search_words(void *data, const struct mf_words *words)
{
	struct arenas *arenas = data;

	for (size_t i = 0; i < words->count; i++) {
		uint64_t value = words->words[i];

		if (value < 0x10000 || value % 16 || value >> 57 ||
		    mf_range_has(arenas->data, value) ||
		    !mf_anon_at(arenas->target, value))
			continue;
		if (++arenas->candidates > MOST_CANDIDATES ||
		    try_array(arenas, value))
			return false;
	}
	return true;
}

/* ---- claiming ----------------------------------------------------------------------- */

static uint64_t claim_arenas(struct mf_heap_context *context,
			     const struct mf_allocator_instance *instance,
			     const struct arenas *arenas)
{
	struct arena_object object;
	uint64_t index = 0, count = 0;

	while (next_arena(arenas, arenas->array, arenas->geometry, &index,
			  &object)) {
		mf_instance_claim(
			context, instance,
			(struct mf_claim){
				.start = object.address,
				.end = object.address + arenas->geometry->arena,
				.class = MF_CLASS_PYTHON_ARENA,
				.certainty = MF_BY_STRUCTURE,
				.label = "python arenas",
				.proof = "in obmalloc's array, and its pools "
					 "say their place in it",
			});
		index++;
		count++;
	}
	return count;
}

static struct mf_error *claim(struct mf_heap_context *context,
			      struct mf_allocator_instance *instance)
{
	struct arenas arenas = {
		.target = context->target,
		.reader = mf_reader_create(context->target),
		.data = mf_module_data(instance->module),
	};

	mf_scan_words(context->target, arenas.data, search_words, &arenas);
	if (arenas.array) {
		uint64_t count = claim_arenas(context, instance, &arenas);
		const struct mf_parameter parameters[] = {
			{ "arenas", count },
			{ "arena_size", arenas.geometry->arena },
			{ "pool_size", arenas.geometry->pool },
		};

		mf_instance_parameters(context, instance, parameters,
				       MF_ARRAY_SIZE(parameters));
		mf_instance_explain(context, instance, "%llu arenas",
				    (unsigned long long)count);
	} else {
		mf_instance_explain(context, instance,
				    "no arenas found: its objects come from "
				    "malloc, or no interpreter was started");
	}
	mf_reader_destroy(arenas.reader);
	return NULL;
}

/* ---- recognising ---------------------------------------------------------------------- */

static const char *const symbols[] = {
	"_PyRuntime", /* 3.7 on */
	"PyObject_Malloc",
	NULL,
};

static const struct mf_signature signature = { .symbols = symbols };

/* Py_Version (3.11 on) is 0x030b02f0 for 3.11.2; else the name says 3.9. */
static const char *find_version(struct mf_heap_context *context,
				const struct mf_module *module)
{
	uint64_t address, size;
	const char *digits;
	uint32_t number;

	if (mf_image_find_symbol(context->image, module, "Py_Version",
				 MF_SYMBOLS_EXPORTED, &address, &size) &&
	    mf_target_read_u32(context->target, address, &number) &&
	    number >> 24 == 3)
		return mf_pool_printf(context->pool, "%u.%u.%u", number >> 24,
				      number >> 16 & 0xff, number >> 8 & 0xff);
	digits = strstr(module->name, "python");
	return digits ? mf_version_in(context, digits, strlen(digits)) : "";
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

static struct mf_error *probe(struct mf_heap_context *context)
{
	static const struct mf_recogniser recogniser = {
		.ops = &mf_cpython_ops,
		.match = match,
		.added = added,
	};

	mf_recognise(context, &recogniser);
	return NULL;
}

const struct mf_allocator_ops mf_cpython_ops = {
	.name = "cpython",
	.probe = probe,
	.claim = claim,
};
