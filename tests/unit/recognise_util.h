/*
 * A process forged for the recognisers of allocators: memory in pieces that a
 * test writes words into, one loaded object (its symbols, sections and text are
 * lists), and a space that only remembers what was claimed.
 */
#ifndef MF_TESTS_RECOGNISE_UTIL_H
#define MF_TESTS_RECOGNISE_UTIL_H

#include "heap/allocators.h"
#include "heap/recognise.h"
#include "unit.h"

enum {
	FORGED_MOST = 16, /* pieces, modules, symbols of each */
	FORGED_CLAIMS = 64,
};

static const uint64_t forged_data = UINT64_C(0x7f0000400000);

struct forged_piece {
	uint64_t start, size;
	uint8_t *bytes;
};

struct forged_module {
	struct mf_module module;
	struct mf_segment data;
	const char *symbols[FORGED_MOST];
	uint64_t addresses[FORGED_MOST];
	const char *section, *text;
	size_t text_size;
	uint64_t tls; /* bytes */
};

struct mf_heap {
	struct mf_allocator_instance instances[FORGED_MOST];
	size_t instance_count;
};

struct mf_space {
	struct mf_claim claims[FORGED_CLAIMS];
	size_t claim_count;
};

struct mf_image {
	struct forged_module modules[FORGED_MOST];
	struct mf_module list[FORGED_MOST];
	size_t module_count;
};

struct forged_process {
	struct mf_target *target;
	struct forged_piece pieces[FORGED_MOST];
	size_t piece_count;
	struct mf_image image;
	struct mf_heap heap;
	struct mf_space space;
	struct mf_pool pool;
	struct mf_heap_context context;
};

/* ---- memory -------------------------------------------------------------- */

static inline void forge_memory(struct forged_process *process, uint64_t start,
				uint64_t size, unsigned perms, const char *path)
{
	struct forged_piece *piece = &process->pieces[process->piece_count++];
	struct mf_mapping mapping = {
		.start = start,
		.end = start + size,
		.perms = perms,
		.inode = path[0] == '/' ? 7 : 0,
		.path = path,
	};

	assert_true(process->piece_count <= FORGED_MOST);
	*piece = (struct forged_piece){ start, size, mf_calloc(1, size) };
	mf_target_forge_mapping(process->target, &mapping, piece->bytes, NULL);
}

static inline void forge_anon(struct forged_process *process, uint64_t start,
			      uint64_t size)
{
	forge_memory(process, start, size, MF_PERM_READ | MF_PERM_WRITE, "");
}

static inline void forge_bytes(struct forged_process *process, uint64_t address,
			       const void *bytes, size_t size)
{
	for (size_t i = 0; i < process->piece_count; i++) {
		struct forged_piece *piece = &process->pieces[i];

		if (address >= piece->start &&
		    address - piece->start + size <= piece->size) {
			memcpy(piece->bytes + (address - piece->start), bytes,
			       size);
			return;
		}
	}
	fail_msg("nothing forged at %#llx", (unsigned long long)address);
}

static inline void forge_u64(struct forged_process *process, uint64_t address,
			     uint64_t value)
{
	forge_bytes(process, address, &value, sizeof(value));
}

static inline void forge_u32(struct forged_process *process, uint64_t address,
			     uint32_t value)
{
	forge_bytes(process, address, &value, sizeof(value));
}

/* ---- objects --------------------------------------------------------------- */

/** A loaded object whose only segment is DATA_SIZE bytes of data at START. */
static inline struct forged_module *forge_module(struct forged_process *process,
						 const char *path,
						 uint64_t start,
						 uint64_t data_size)
{
	struct mf_image *image = &process->image;
	struct forged_module *forged = &image->modules[image->module_count];
	struct mf_module *module = &image->list[image->module_count];

	forge_memory(process, start, data_size, MF_PERM_READ | MF_PERM_WRITE,
		     path);
	forged->data =
		(struct mf_segment){ start, start + data_size, MF_SEGMENT_BSS };
	*module = (struct mf_module){
		.path = path,
		.name = strrchr(path, '/') + 1,
		.start = start,
		.end = start + data_size,
		.bias = start,
		.segments = &forged->data,
		.segment_count = 1,
		.main = image->module_count == 0,
		.index = (unsigned)image->module_count,
	};
	image->module_count++;
	return forged;
}

static inline struct forged_process *forge_process(void)
{
	static const struct mf_heap_options options;
	struct forged_process *process = mf_new(struct forged_process);

	process->target = mf_target_create_forged();
	process->context = (struct mf_heap_context){
		.target = process->target,
		.image = &process->image,
		.space = &process->space,
		.options = &options,
		.pool = &process->pool,
		.heap = &process->heap,
	};
	return process;
}

/* A process with one module, of DATA bytes of data, that has SYMBOL. */
static inline struct forged_process *
forge_process_with(const char *path, const char *symbol, uint64_t data)
{
	struct forged_process *process = forge_process();
	struct forged_module *module =
		forge_module(process, path, forged_data, data);

	module->symbols[0] = symbol;
	module->addresses[0] = 1;
	return process;
}

static inline void forge_end(struct forged_process *process)
{
	for (size_t i = 0; i < process->heap.instance_count; i++) {
		struct mf_allocator_instance *instance =
			&process->heap.instances[i];

		if (instance->ops->close)
			instance->ops->close(instance);
	}
	mf_target_close(process->target);
	for (size_t i = 0; i < process->piece_count; i++)
		free(process->pieces[i].bytes);
	mf_pool_deinit(&process->pool);
	free(process);
}

/* ---- what is asked ------------------------------------------------------------ */

/** Probes, and claims for all that was found; returns how many were. */
static inline size_t forge_recognise(struct forged_process *process,
				     const struct mf_allocator_ops *ops)
{
	assert_null(mf_recognise(&process->context, ops));
	for (size_t i = 0; i < process->heap.instance_count; i++)
		assert_null(ops->claim(&process->context,
				       &process->heap.instances[i]));
	return process->heap.instance_count;
}

static inline uint64_t forged_parameter(const struct forged_process *process,
					const char *name)
{
	const struct mf_allocator *info = &process->heap.instances[0].info;

	for (size_t i = 0; i < info->parameter_count; i++)
		if (!strcmp(info->parameters[i].name, name))
			return info->parameters[i].value;
	fail_msg("no parameter %s", name);
	return 0;
}

/** The claim that starts at START ends at END and has LABEL. */
static inline void assert_claim(const struct forged_process *process,
				uint64_t start, uint64_t end, const char *label)
{
	for (size_t i = 0; i < process->space.claim_count; i++) {
		const struct mf_claim *claim = &process->space.claims[i];

		if (claim->start != start || strcmp(claim->label, label) != 0)
			continue;
		assert_int_equal(claim->end, end);
		assert_string_equal(claim->owner,
				    process->heap.instances[0].owner);
		return;
	}
	fail_msg("%s at %#llx was not claimed", label,
		 (unsigned long long)start);
}

/* ---- what the rooms around would say --------------------------------------------- */

void mf_space_claim(struct mf_space *space, const struct mf_claim *claim)
{
	assert_true(space->claim_count < FORGED_CLAIMS);
	assert_true(claim->start < claim->end);
	space->claims[space->claim_count++] = *claim;
}

struct mf_allocator_instance *
mf_heap_add_instance(struct mf_heap_context *context,
		     const struct mf_allocator_ops *ops,
		     const struct mf_module *module)
{
	struct mf_heap *heap = context->heap;
	struct mf_allocator_instance *instance =
		&heap->instances[heap->instance_count++];

	assert_true(heap->instance_count <= FORGED_MOST);
	instance->ops = ops;
	instance->owner = ops->name;
	instance->module = module;
	instance->info.name = ops->name;
	instance->info.version = "";
	instance->info.why = "";
	return instance;
}

const struct mf_module *mf_image_modules(const struct mf_image *image,
					 size_t *count)
{
	*count = image->module_count;
	return image->list;
}

const struct mf_module *mf_image_module_at(const struct mf_image *image,
					   uint64_t address)
{
	for (size_t i = 0; i < image->module_count; i++)
		if (image->list[i].start <= address &&
		    address < image->list[i].end)
			return &image->list[i];
	return NULL;
}

size_t mf_image_find_symbols(struct mf_image *image,
			     const struct mf_module *module,
			     const char *const *names, size_t count,
			     enum mf_symbol_depth depth, uint64_t *found)
{
	const struct forged_module *forged = &image->modules[module->index];
	size_t total = 0;

	(void)depth;
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < FORGED_MOST && forged->symbols[j]; j++)
			if (!strcmp(forged->symbols[j], names[i])) {
				found[i] = forged->addresses[j];
				total++;
			}
	return total;
}

bool mf_image_find_symbol(struct mf_image *image,
			  const struct mf_module *module, const char *name,
			  enum mf_symbol_depth depth, uint64_t *address,
			  uint64_t *size)
{
	*address = *size = 0;
	return mf_image_find_symbols(image, module, &name, 1, depth, address);
}

uint64_t mf_image_tls_size(struct mf_image *image,
			   const struct mf_module *module)
{
	return image->modules[module->index].tls;
}

bool mf_image_has_section(struct mf_image *image,
			  const struct mf_module *module, const char *name)
{
	const char *section = image->modules[module->index].section;

	return section && !strcmp(section, name);
}

bool mf_image_find_bytes(struct mf_image *image, const struct mf_module *module,
			 const void *pattern, size_t size, char *context,
			 size_t room)
{
	const struct forged_module *forged = &image->modules[module->index];
	const char *found = NULL;
	size_t left;

	if (forged->text)
		found = memmem(forged->text, forged->text_size, pattern, size);
	if (!found)
		return false;
	left = forged->text_size - (size_t)(found - forged->text);
	if (context)
		memcpy(context, found, MF_MIN(room, left));
	return true;
}

#endif
