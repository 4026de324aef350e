/*
 * Futures that were boxed before they were spawned: the task has but a fat
 * pointer, whose vtable tells what it really runs.
 */
#include <string.h>

#include "scan/tokio.h"

enum {
	STAGE_BYTES_MAX = 48, /* of what may be a fat pointer, or its result */
	BOXED_MAX = 1 << 14,  /* kinds of them, of a worker */
};

bool mf_tokio_may_be_boxed(const struct mf_tokio_vtable *vtable)
{
	if (!vtable->sure || !vtable->stage ||
	    vtable->trailer < vtable->stage + 2 * sizeof(uint64_t) ||
	    vtable->trailer - vtable->stage > STAGE_BYTES_MAX)
		return false;
	return vtable->proof >= MF_TOKIO_SOURCE ||
	       strncmp(vtable->future, "core::pin::Pin<alloc::boxed::Box<dyn",
		       36) == 0;
}

struct mf_error *mf_tokio_boxes_prepare(struct mf_tokio *tokio,
					struct mf_target *target,
					struct mf_image *image)
{
	bool any = false;

	mf_vec_foreach(vtable, &tokio->vtables) {
		vtable->boxed = mf_tokio_may_be_boxed(vtable);
		any |= vtable->boxed;
	}
	if (!any)
		return NULL;
	return mf_rust_vtables_create(target, image, &tokio->traits);
}

static struct mf_tokio_tally *tally_of(struct mf_tokio_boxes *boxes,
				       uint32_t vtable, uint32_t trait)
{
	uint64_t key = (uint64_t)vtable << 32 | trait;
	const uint64_t *known = mf_map_get(&boxes->indices, key);
	struct mf_tokio_boxed *boxed;

	if (known)
		return &boxes->list.items[*known].tally;
	if (boxes->list.count >= BOXED_MAX)
		return NULL;
	mf_map_set(&boxes->indices, key, boxes->list.count);
	boxed = mf_vec_add(&boxes->list);
	boxed->vtable = vtable;
	boxed->trait = trait;
	return &boxed->tally;
}

/* Its first word says that it is no result, unless the pointer says that. */
struct mf_rust_vtable *mf_tokio_boxes_trait(const struct mf_tokio *tokio,
					    const uint64_t *stage)
{
	for (size_t i = 1; i < MF_TOKIO_STAGE; i++) {
		const uint64_t *trait =
			mf_points_find(&tokio->traits->points, stage[i]);

		if (trait && stage[i - 1] && stage[i - 1] % 8 == 0)
			return &tokio->traits->list.items[*trait];
	}
	return NULL;
}

struct mf_tokio_tally *mf_tokio_boxes_find(struct mf_tokio_boxes *boxes,
					   const struct mf_tokio *tokio,
					   uint32_t vtable,
					   const uint64_t *stage)
{
	const struct mf_rust_vtable *trait = mf_tokio_boxes_trait(tokio, stage);

	if (!trait)
		return NULL;
	return tally_of(boxes, vtable,
			(uint32_t)(trait - tokio->traits->list.items));
}

void mf_tokio_boxes_merge(struct mf_tokio_boxes *boxes,
			  const struct mf_tokio_boxes *part)
{
	for (size_t i = 0; i < part->list.count; i++) {
		const struct mf_tokio_boxed *boxed = &part->list.items[i];
		struct mf_tokio_tally *tally =
			tally_of(boxes, boxed->vtable, boxed->trait);

		if (tally)
			mf_tokio_tally_add(tally, &boxed->tally);
	}
}

void mf_tokio_boxes_deinit(struct mf_tokio_boxes *boxes)
{
	mf_map_deinit(&boxes->indices);
	mf_vec_deinit(&boxes->list);
}

const char *mf_tokio_boxed_name(struct mf_tokio *tokio,
				struct mf_rust_vtable *trait,
				enum mf_tokio_proof *proof)
{
	const char *type = mf_rust_vtable_name(tokio->traits, trait);

	*proof = trait->proof == MF_RUST_SYMBOL	  ? MF_TOKIO_CALLS
		 : trait->proof == MF_RUST_SOURCE ? MF_TOKIO_SOURCE
						  : MF_TOKIO_ADDRESS;
	return mf_pool_printf(&tokio->pool, "Box<%s>", type);
}
