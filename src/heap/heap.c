/*
 * The heap room's model: the array of all known allocators, and one list of
 * the instances found in a process.
 */
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "heap/allocators.h"
#include "heap/glibc.h"
#include "heap/recognise.h"

struct mf_heap {
	struct mf_heap_context context;
	struct mf_heap_options options;
	struct mf_pool pool;
	MF_VEC(struct mf_allocator_instance) instances;
	MF_VEC(struct mf_allocator)
	infos; /* the door's view, made at the end */
};

/* Those that claim by their own structures come before glibc, whose search for
 * mmapped chunks then has less to look at. */
static const struct mf_allocator_ops *const allocators[] = {
	&mf_jemalloc_ops, &mf_tcmalloc_ops, &mf_mimalloc_ops,
	&mf_musl_ops,	  &mf_go_ops,	    &mf_hotspot_ops,
	&mf_v8_ops,	  &mf_cpython_ops,  &mf_glibc_ops,
};

struct mf_allocator_instance *
mf_heap_add_instance(struct mf_heap_context *context,
		     const struct mf_allocator_ops *ops,
		     const struct mf_module *module)
{
	struct mf_allocator_instance *instance =
		mf_vec_add(&context->heap->instances);

	instance->ops = ops;
	instance->owner = ops->name;
	instance->module = module;
	instance->info.name = ops->name;
	instance->info.version = "";
	instance->info.layout = "";
	instance->info.why = "";
	instance->info.module = module ? module->path : "";
	instance->info.load = module ? module->start : 0;
	return instance;
}

/* What mf_heap_read will read, so that a pause can be foretold. */
static void foresee(struct mf_heap *heap)
{
	uint64_t bytes = 0;

	mf_vec_foreach(instance, &heap->instances)
		if (instance->ops->foresee && !heap->options.no_walk)
			bytes += instance->ops->foresee(instance);
	mf_target_expect(heap->context.target, bytes);
}

struct mf_error *mf_heap_create(struct mf_target *target,
				struct mf_image *image,
				const struct mf_heap_options *options,
				struct mf_heap **ret)
{
	struct mf_heap *heap = mf_new(struct mf_heap);

	heap->options = *options;
	heap->context = (struct mf_heap_context){
		.target = target,
		.image = image,
		.options = &heap->options,
		.pool = &heap->pool,
		.heap = heap,
	};
	for (size_t i = 0; i < MF_ARRAY_SIZE(allocators); i++) {
		struct mf_error *error =
			mf_recognise(&heap->context, allocators[i]);

		if (error) {
			mf_heap_destroy(heap);
			return error;
		}
	}
	foresee(heap);
	*ret = heap;
	return NULL;
}

static struct mf_error *read_thread_caches(struct mf_heap *heap)
{
	if (!heap->options.thread_caches)
		return NULL;
	mf_vec_foreach(instance, &heap->instances)
		if (instance->ops->thread_caches)
			MF_TRY(instance->ops->thread_caches(&heap->context,
							    instance));
	return NULL;
}

struct mf_error *mf_heap_read(struct mf_heap *heap, struct mf_space *space)
{
	heap->context.space = space;
	mf_vec_foreach(instance, &heap->instances)
		if (instance->ops->claim)
			MF_TRY(instance->ops->claim(&heap->context, instance));
	if (heap->options.no_walk)
		return read_thread_caches(heap);
	mf_vec_foreach(instance, &heap->instances)
		if (instance->ops->walk)
			MF_TRY(instance->ops->walk(&heap->context, instance));
	return NULL;
}

static int by_owner_of_malloc(const void *a, const void *b)
{
	const struct mf_allocator *left = a, *right = b;

	if (left->owns_malloc != right->owns_malloc)
		return left->owns_malloc ? -1 : 1;
	if (left->figures.system != right->figures.system)
		return left->figures.system > right->figures.system ? -1 : 1;
	return strcmp(left->name, right->name);
}

static void publish(struct mf_heap *heap)
{
	heap->infos.count = 0;
	mf_vec_foreach(instance, &heap->instances)
		mf_vec_push(&heap->infos, instance->info);
	mf_vec_sort(&heap->infos, by_owner_of_malloc);
}

struct mf_error *mf_heap_finish(struct mf_heap *heap)
{
	mf_vec_foreach(instance, &heap->instances)
		if (instance->ops->finish)
			MF_TRY(instance->ops->finish(&heap->context, instance));
	publish(heap);
	return NULL;
}

const char *mf_consistency_name(enum mf_consistency consistency)
{
	static const char *const names[] = {
		[MF_EXACT] = "exact",
		[MF_RACY] = "racy",
		[MF_IN_FLIGHT] = "in-flight",
		[MF_DAMAGED] = "damaged",
	};

	return names[consistency];
}

void mf_heap_get_doubt(const struct mf_heap *heap, struct mf_heap_doubt *ret)
{
	*ret = (struct mf_heap_doubt){ 0, 0 };
	mf_heap_foreach_allocator(info, heap)
		for (size_t k = 0; k < info->arena_count; k++) {
			const struct mf_arena *arena = &info->arenas[k];

			ret->torn += arena->in_flight;
			ret->locked += arena->locked && !arena->in_flight;
		}
}

void mf_heap_destroy(struct mf_heap *heap)
{
	if (!heap)
		return;
	mf_vec_foreach(instance, &heap->instances)
		if (instance->ops->close)
			instance->ops->close(instance);
	mf_vec_deinit(&heap->instances);
	mf_vec_deinit(&heap->infos);
	mf_pool_deinit(&heap->pool);
	free(heap);
}

const struct mf_allocator *mf_heap_allocators(const struct mf_heap *heap,
					      size_t *count)
{
	*count = heap ? heap->infos.count : 0;
	return heap ? heap->infos.items : NULL;
}

void mf_heap_each_chunk(const struct mf_heap *heap, uint64_t start,
			uint64_t end, mf_chunk_visitor visit, void *data)
{
	struct mf_chunk_range range = { start, end };

	for (size_t i = 0; i < heap->instances.count; i++) {
		const struct mf_allocator_instance *instance =
			&heap->instances.items[i];

		if (instance->ops->each_chunk &&
		    !instance->ops->each_chunk(instance, range, visit, data))
			return;
	}
}

/* In a gap between chunks of one allocator there may be those of another. */
static bool take(const struct mf_chunk *chunk, void *data)
{
	*(struct mf_chunk *)data = *chunk;
	return chunk->kind == MF_KIND_OVERHEAD;
}

bool mf_heap_chunk_at(const struct mf_heap *heap, uint64_t address,
		      struct mf_chunk *ret)
{
	struct mf_chunk chunk = { .size = 0 };

	if (address == UINT64_MAX)
		return false;
	mf_heap_each_chunk(heap, address, address + 1, take, &chunk);
	if (!chunk.size)
		return false;
	*ret = chunk;
	return true;
}

const char *mf_heap_chunk_kind_name(enum mf_chunk_kind kind)
{
	static const char *const names[MF_KINDS] = {
		[MF_KIND_IN_USE] = "in_use",	 [MF_KIND_TCACHE] = "tcache",
		[MF_KIND_FASTBIN] = "fastbin",	 [MF_KIND_FREE] = "free",
		[MF_KIND_UNSORTED] = "unsorted", [MF_KIND_TOP] = "top",
		[MF_KIND_OVERHEAD] = "overhead", [MF_KIND_UNREAD] = "unread",
		[MF_KIND_MMAPPED] = "mmapped",
	};

	return names[kind];
}

void mf_heap_account(struct mf_heap *heap, const struct mf_space *space)
{
	size_t count;
	const struct mf_region *regions = mf_space_regions(space, &count);

	mf_vec_foreach(instance, &heap->instances) {
		instance->info.resident = 0;
		instance->info.mapped = 0;
		for (size_t i = 0; i < count; i++) {
			const struct mf_region *region = &regions[i];

			if (strcmp(region->owner, instance->owner) != 0)
				continue;
			instance->info.resident += region->usage.rss;
			instance->info.mapped += region->end - region->start;
		}
	}
	publish(heap);
}
