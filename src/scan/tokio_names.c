/*
 * Naming futures. Symbols of v0 mangling name the future in that of the task's
 * poll; the older ones leave types out of functions' names, but not out of those
 * that drop a value: the ones that the vtable's functions call name the cell.
 * Without symbols a future is the source line of its body.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "scan/tokio.h"

enum {
	CALLS_TO_NAME = 4,
	CALLS_TO_SOURCE = 4,
	CALLS_TO_CONFIRM = 3,
};

static struct mf_follower *follower_of(struct mf_tokio *tokio,
				       struct mf_target *target,
				       struct mf_image *image,
				       const struct mf_module *module)
{
	if (tokio->followed == module)
		return tokio->follower;
	mf_follower_destroy(tokio->follower);
	tokio->follower = mf_follower_create(target, image, module);
	tokio->followed = module;
	return tokio->follower;
}

static bool is_task_code(const char *name)
{
	return strstr(name, "tokio::runtime::task") ||
	       strstr(name, "::panicking::try");
}

struct naming {
	struct mf_follower *follower;
	char *cell, *stage; /* of the nearest drop of one */
};

static bool note_name(const struct mf_reference *reference, void *data)
{
	struct naming *naming = data;
	struct mf_symbol symbol;

	if (!reference->call || naming->cell ||
	    !mf_follower_symbol(naming->follower, reference->target, &symbol))
		return false;
	naming->cell = mf_rust_argument(symbol.name, "task::core::Cell<");
	if (naming->cell)
		return false;
	if (!naming->stage)
		naming->stage =
			mf_rust_argument(symbol.name, "task::core::CoreStage<");
	if (!naming->stage)
		naming->stage =
			mf_rust_argument(symbol.name, "task::core::Stage<");
	return is_task_code(symbol.name);
}

static char *name_by_calls(struct mf_follower *follower,
			   const struct mf_tokio_vtable *vtable)
{
	struct naming naming = { .follower = follower };

	mf_follow(follower, vtable->functions, vtable->function_count,
		  CALLS_TO_NAME, note_name, &naming);
	if (!naming.cell)
		return naming.stage;
	free(naming.stage);
	return naming.cell;
}

static char *find_name(struct mf_follower *follower, struct mf_target *target,
		       const struct mf_tokio_vtable *vtable,
		       enum mf_tokio_proof *proof)
{
	struct mf_symbol symbol;
	char *name;

	if (mf_follower_symbol(follower, vtable->functions[0], &symbol)) {
		*proof = MF_TOKIO_SYMBOL;
		name = mf_rust_argument(symbol.name, "task::raw::poll::<");
		if (name)
			return name;
		*proof = MF_TOKIO_CALLS;
		name = name_by_calls(follower, vtable);
		if (name)
			return name;
	}
	*proof = MF_TOKIO_SOURCE;
	return mf_rust_source(follower, target, vtable->functions, 1,
			      CALLS_TO_SOURCE);
}

void mf_tokio_name(struct mf_tokio *tokio, struct mf_target *target,
		   struct mf_image *image, struct mf_tokio_vtable *vtable)
{
	struct mf_follower *follower;
	mf_auto_free char *name = NULL;

	if (vtable->proof != MF_TOKIO_UNNAMED)
		return;
	follower = follower_of(tokio, target, image, vtable->module);
	name = find_name(follower, target, vtable, &vtable->proof);
	if (name) {
		vtable->future = mf_pool_strdup(&tokio->pool, name);
		return;
	}
	vtable->proof = MF_TOKIO_ADDRESS;
	vtable->future = mf_pool_printf(
		&tokio->pool, "poll at %s+0x%llx", vtable->module->name,
		(unsigned long long)(vtable->functions[0] -
				     vtable->module->bias));
}

bool mf_tokio_confirm(struct mf_tokio *tokio, struct mf_target *target,
		      struct mf_image *image,
		      const struct mf_tokio_vtable *vtable)
{
	struct mf_follower *follower =
		follower_of(tokio, target, image, vtable->module);

	return mf_rust_panics_in(follower, target, vtable->functions,
				 vtable->function_count, CALLS_TO_CONFIRM,
				 "/src/runtime/task/");
}

const char *mf_tokio_proof_name(enum mf_tokio_proof proof)
{
	static const char *const names[] = {
		[MF_TOKIO_SYMBOL] = "symbol",	[MF_TOKIO_CALLS] = "calls",
		[MF_TOKIO_SOURCE] = "source",	[MF_TOKIO_ADDRESS] = "address",
		[MF_TOKIO_UNNAMED] = "address",
	};

	return names[proof];
}
