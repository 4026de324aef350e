/*
 * A walk over direct calls, breadth first. Where functions begin and end is told
 * by the unwinder's table, which every such program has, or else by symbols: so
 * that what only looks like a call is none.
 */
#include "scan/follow.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/memory.h"
#include "base/vec.h"
#include "scan/code.h"
#include "scan/functions.h"

enum {
	FUNCTIONS_MAX = 400,	 /* of one walk */
	CODE_MAX = 256 << 10,	 /* bytes of one function */
	WALK_CODE_MAX = 2 << 20, /* bytes of one walk */
};

struct mf_follower {
	struct mf_target *target;
	struct mf_image *image;
	const struct mf_module *module;
	struct mf_functions *functions; /* or NULL */
	struct mf_code_range code;
	mf_code_reader read; /* NULL: not of this architecture */
	uint8_t *bytes;	     /* of one function */
};

struct step {
	uint64_t function, size;
	unsigned depth;
};

struct walk {
	struct mf_follower *follower;
	mf_follow_visitor visit;
	void *data;
	struct mf_map seen;
	MF_VEC(struct step) steps;
	unsigned depth;
	struct step now;
};

struct mf_follower *mf_follower_create(struct mf_target *target,
				       struct mf_image *image,
				       const struct mf_module *module)
{
	struct mf_follower *follower = mf_new(struct mf_follower);

	*follower = (struct mf_follower){
		.target = target,
		.image = image,
		.module = module,
		.functions = mf_functions_open(target, module),
		.code = mf_code_range_of(module),
		.read = mf_code_reader_of(mf_target_info(target)->arch),
		.bytes = mf_calloc(1, CODE_MAX),
	};
	return follower;
}

void mf_follower_destroy(struct mf_follower *follower)
{
	if (!follower)
		return;
	mf_functions_close(follower->functions);
	free(follower->bytes);
	free(follower);
}

bool mf_follower_symbol(struct mf_follower *follower, uint64_t address,
			struct mf_symbol *ret)
{
	return follower->image &&
	       mf_image_symbol_at(follower->image, address, ret) &&
	       ret->offset == 0;
}

/* Bytes of the function that begins at ADDRESS; 0: none does. */
static uint64_t function_size(struct mf_follower *follower, uint64_t address)
{
	struct mf_symbol symbol;
	uint64_t size;

	if (!mf_code_has(&follower->code, address))
		return 0;
	if (follower->functions &&
	    mf_functions_at(follower->functions, address, &size))
		return size;
	if (!follower->functions &&
	    mf_follower_symbol(follower, address, &symbol))
		return symbol.size;
	return 0;
}

static void add_step(struct walk *walk, uint64_t function, uint64_t size,
		     unsigned depth)
{
	if (depth <= walk->depth && walk->steps.count < FUNCTIONS_MAX &&
	    mf_map_set(&walk->seen, function, 0))
		mf_vec_push(&walk->steps,
			    (struct step){ function, size, depth });
}

static void take(enum mf_code_kind kind, uint64_t target, void *data)
{
	struct walk *walk = data;
	struct mf_follower *follower = walk->follower;
	struct mf_reference reference = {
		.target = target,
		.function = walk->now.function,
		.depth = walk->now.depth,
		.call = kind != MF_CODE_DATA,
	};
	uint64_t size;

	if (kind == MF_CODE_DATA) {
		if (mf_code_is_data(follower->module, target))
			walk->visit(&reference, walk->data);
		return;
	}
	if (kind == MF_CODE_SLOT &&
	    (!mf_code_is_data(follower->module, target) ||
	     !mf_target_read_u64(follower->target, target, &reference.target)))
		return;
	size = function_size(follower, reference.target);
	if (size && walk->visit(&reference, walk->data))
		add_step(walk, reference.target, size, walk->now.depth + 1);
}

void mf_follow(struct mf_follower *follower, const uint64_t *starts,
	       size_t count, unsigned depth, mf_follow_visitor visit,
	       void *data)
{
	struct walk walk = { .follower = follower,
			     .visit = visit,
			     .data = data,
			     .depth = depth };
	size_t left = WALK_CODE_MAX;

	for (size_t i = 0; i < count; i++) {
		uint64_t size = function_size(follower, starts[i]);

		if (size)
			add_step(&walk, starts[i], size, 0);
	}
	for (size_t i = 0; follower->read && i < walk.steps.count; i++) {
		size_t size;

		walk.now = walk.steps.items[i];
		size = (size_t)MF_MIN(walk.now.size, (uint64_t)CODE_MAX);
		if (size > left)
			break;
		left -= size;
		if (mf_target_try_read(follower->target, walk.now.function,
				       follower->bytes, size))
			follower->read(follower->bytes, size, walk.now.function,
				       take, &walk);
	}
	mf_map_deinit(&walk.seen);
	mf_vec_deinit(&walk.steps);
}
