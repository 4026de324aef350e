/*
 * Single tasks: what an address is, if a task begins there.
 */
#include "scan/tokio.h"

struct mf_error *mf_tokio_open(struct mf_target *target, struct mf_image *image,
			       struct mf_tokio **ret)
{
	struct mf_tokio *tokio = mf_new(struct mf_tokio);
	struct mf_error *error =
		image ? mf_tokio_find(tokio, target, image) : NULL;

	if (error) {
		mf_tokio_close(tokio);
		return error;
	}
	*ret = tokio;
	return NULL;
}

/* A task of any release: one of these words is the address of its vtable. */
static struct mf_tokio_vtable *vtable_of(struct mf_tokio *tokio,
					 const uint64_t *header)
{
	for (size_t i = 0; i < MF_TOKIO_HEADER; i++) {
		const uint64_t *index =
			mf_points_find(&tokio->points, header[i]);

		if (index &&
		    tokio->vtables.items[*index].release->vtable_word == i)
			return &tokio->vtables.items[*index];
	}
	return NULL;
}

static const char *future_of(struct mf_tokio *tokio, struct mf_target *target,
			     struct mf_image *image,
			     const struct mf_tokio_vtable *vtable,
			     uint64_t address, enum mf_tokio_proof *proof)
{
	struct mf_error *error = NULL;
	struct mf_rust_vtable *trait;
	uint64_t stage[MF_TOKIO_STAGE];

	*proof = vtable->proof;
	if (!mf_tokio_may_be_boxed(vtable) ||
	    !mf_target_try_read(target, address + vtable->stage, stage,
				sizeof(stage)))
		return vtable->future;
	if (!tokio->traits)
		error = mf_rust_vtables_create(target, image, &tokio->traits);
	mf_error_destroy(error);
	trait = tokio->traits ? mf_tokio_boxes_trait(tokio, stage) : NULL;
	return trait ? mf_tokio_boxed_name(tokio, trait, proof)
		     : vtable->future;
}

const char *mf_tokio_task_at(struct mf_tokio *tokio, struct mf_target *target,
			     struct mf_image *image, uint64_t address,
			     enum mf_tokio_proof *proof)
{
	uint64_t header[MF_TOKIO_HEADER];
	struct mf_tokio_vtable *vtable;
	enum mf_tokio_state state;
	const char *future;

	if (!tokio->vtables.count ||
	    !mf_target_try_read(target, address, header, sizeof(header)))
		return NULL;
	vtable = vtable_of(tokio, header);
	if (!vtable || !mf_tokio_read_header(vtable, header, &state) ||
	    (!vtable->sure && !mf_tokio_confirm(tokio, target, image, vtable)))
		return NULL;
	mf_tokio_name(tokio, target, image, vtable);
	if (vtable->proof == MF_TOKIO_CALLS && !tokio->all_named)
		mf_tokio_name_all(tokio, target, image);
	future = future_of(tokio, target, image, vtable, address, proof);
	return mf_pool_printf(&tokio->pool, "task of %s, %s", future,
			      mf_tokio_state_name(state));
}
