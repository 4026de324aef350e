/*
 * What an allocator is to the heap room: one table of functions.
 *
 * To add an allocator:
 *  1. Write src/heap/<name>.c; its last lines are the ops table below.
 *  2. match: say of a module whether it is there, without stopping the process
 *     and cheaply (symbols, sections, strings); added: complete the instance.
 *     Where it is not found module by module, probe: call mf_heap_add_instance
 *     once for each copy found.
 *  3. claim: with the target held, prove which regions are its own and claim
 *     them in context->space, owner = instance->owner. Never by size alone.
 *  4. walk: stream its heaps once, in address order, keeping only a compact
 *     model; NULL when its heaps cannot be walked: then instance->info says
 *     supported = false and why.
 *     thread_caches: the same of what each thread has, and no heap.
 *  5. foresee: before the target is held, how much walk is going to read.
 *  6. finish: with the target released, make the figures.
 *  7. each_chunk: show those chunks of the model that touch a range, in address
 *     order; NULL when there is none.
 *  8. close: free instance->state.
 *  9. Add the table to the array in src/heap/heap.c.
 */
#ifndef MF_HEAP_ALLOCATOR_H
#define MF_HEAP_ALLOCATOR_H

#include "memforensics/heap.h"

#include "base/pool.h"

struct mf_heap_context {
	struct mf_target *target;
	struct mf_image *image;
	struct mf_space *space; /* NULL before mf_heap_read */
	const struct mf_heap_options *options;
	struct mf_pool *pool; /* lives as long as the heap */
	struct mf_heap *heap;
};

struct mf_allocator_instance {
	const struct mf_allocator_ops *ops;
	const char *owner; /* of its claims; unique, e.g. "jemalloc" */
	const struct mf_module *module; /* NULL: not known */
	struct mf_allocator info;
	void *state; /* of the ops alone */
};

struct mf_allocator_ops {
	const char *name;
	/* What in MODULE proves that it is there, or NULL. */
	const char *(*match)(struct mf_heap_context *context,
			     const struct mf_module *module);
	/* Completes an instance that match found: version, state. */
	void (*added)(struct mf_heap_context *context,
		      struct mf_allocator_instance *instance);
	/* Instead of these two. */
	struct mf_error *(*probe)(struct mf_heap_context *context);
	struct mf_error *(*claim)(struct mf_heap_context *context,
				  struct mf_allocator_instance *instance);
	struct mf_error *(*walk)(struct mf_heap_context *context,
				 struct mf_allocator_instance *instance);
	/* Instead of walk, where only that is wanted; NULL: nothing is known. */
	struct mf_error *(*thread_caches)(
		struct mf_heap_context *context,
		struct mf_allocator_instance *instance);
	/* Bytes that walk is likely to read; NULL: few. */
	uint64_t (*foresee)(const struct mf_allocator_instance *instance);
	struct mf_error *(*finish)(struct mf_heap_context *context,
				   struct mf_allocator_instance *instance);
	/* False when VISIT wants no more. */
	bool (*each_chunk)(const struct mf_allocator_instance *instance,
			   struct mf_chunk_range range, mf_chunk_visitor visit,
			   void *data);
	void (*close)(struct mf_allocator_instance *instance);
};

/**
 * A new instance of OPS in MODULE (NULL: not known), its info zeroed but for
 * name, module and why; valid until the next call.
 */
struct mf_allocator_instance *
mf_heap_add_instance(struct mf_heap_context *context,
		     const struct mf_allocator_ops *ops,
		     const struct mf_module *module);

#endif
