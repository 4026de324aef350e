/*
 * The door's view of vtables: what type an object is of, by its first word.
 */
#include <fnmatch.h>
#include <string.h>

#include "memforensics/scan.h"

#include "base/memory.h"
#include "scan/tokio.h"
#include "scan/vtables.h"

struct mf_types {
	struct mf_vtables *vtables;
	struct mf_target *target;
	struct mf_image *image;
	struct mf_tokio *tokio;
};

struct mf_error *mf_types_create(struct mf_target *target,
				 struct mf_image *image, struct mf_types **ret)
{
	struct mf_types *types = mf_new(struct mf_types);
	struct mf_error *error =
		mf_vtables_create(target, image, &types->vtables);

	types->target = target;
	types->image = image;
	if (!error)
		error = mf_tokio_open(target, image, &types->tokio);
	if (error) {
		mf_types_destroy(types);
		return error;
	}
	*ret = types;
	return NULL;
}

void mf_types_destroy(struct mf_types *types)
{
	if (!types)
		return;
	mf_tokio_close(types->tokio);
	mf_vtables_destroy(types->vtables);
	free(types);
}

struct mf_vtables *mf_types_vtables(const struct mf_types *types)
{
	return types->vtables;
}

bool mf_types_at(struct mf_types *types, uint64_t word, struct mf_type *ret)
{
	const struct mf_vtable_point *point;
	const struct mf_vtable_class *class;

	if (!mf_vtables_may_be(types->vtables, word))
		return false;
	point = mf_vtables_find(types->vtables, word);
	if (!point)
		return false;
	class = &types->vtables->classes.items[point->class];
	*ret = (struct mf_type){
		.name = mf_vtables_name(types->vtables, point->class),
		.language = mf_vtables_language(types->vtables, point->class),
		.evidence = mf_vtable_proof_name(class->proof),
		.module = class->module,
		.offset = -(int64_t)point->top,
	};
	return true;
}

bool mf_types_task_at(struct mf_types *types, uint64_t address,
		      struct mf_type *ret)
{
	enum mf_tokio_proof proof;
	const char *name = mf_tokio_task_at(types->tokio, types->target,
					    types->image, address, &proof);

	if (!name)
		return false;
	*ret = (struct mf_type){
		.name = name,
		.language = "rust",
		.evidence = mf_tokio_proof_name(proof),
	};
	return true;
}

bool mf_type_matches(const struct mf_type *type, const char *name)
{
	return strcmp(type->name, name) == 0 ||
	       fnmatch(name, type->name, 0) == 0;
}
