/*
 * The image as its own files see it: modules and the objects behind them.
 */
#ifndef MF_IMAGE_IMAGE_H
#define MF_IMAGE_IMAGE_H

#include "memforensics/image.h"

#include "base/map.h"
#include "base/pool.h"
#include "base/vec.h"
#include "image/object.h"

/** A module and what it was loaded from; OBJECT is NULL when that can't be
 * read: then there are no symbols, and segments are by shape. */
struct mf_loaded {
	struct mf_module module;
	struct mf_object *object;
};

struct mf_image {
	struct mf_target *target;
	struct mf_image_options options;
	uint64_t page_size;
	struct mf_pool pool;	      /* names, segments, demangled names */
	struct mf_module *modules;    /* in address order */
	struct mf_object **object_of; /* by index of the module */
	size_t module_count;
	MF_VEC(struct mf_object *) objects; /* each once */
	struct mf_map demangled; /* address of a raw name: index of its text */
	MF_VEC(const char *) texts;
};

static inline struct mf_object *mf_image_object(const struct mf_image *image,
						const struct mf_module *module)
{
	return module ? image->object_of[module->index] : NULL;
}

/** Raw NAME of a table, which lives as long as IMAGE, demangled; the image's. */
const char *mf_image_demangled(struct mf_image *image, const char *name);

/**
 * The loads of all files in the target's mappings, unsorted, with their
 * objects added to IMAGE. *ret: array of *count to free().
 */
struct mf_loaded *mf_loads_find(struct mf_image *image, size_t *count);

#endif
