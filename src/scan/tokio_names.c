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
	NAMED_MAX = 4096, /* at once */
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

/* ---- twins -------------------------------------------------------------------- */

/* Compilers make one of functions that do the same: then the drops of several
 * futures have one address, and all their names. Those that belong to the same
 * scheduler have the same function in their second slot. */
static int by_name(const void *left, const void *right)
{
	const struct mf_tokio_vtable *a =
		*(struct mf_tokio_vtable *const *)left;
	const struct mf_tokio_vtable *b =
		*(struct mf_tokio_vtable *const *)right;
	int order;

	if (a->module != b->module)
		return a->module->index < b->module->index ? -1 : 1;
	order = strcmp(a->future, b->future);
	if (order)
		return order;
	return (a->functions[1] > b->functions[1]) -
	       (a->functions[1] < b->functions[1]);
}

static bool are_twins(const struct mf_tokio_vtable *a,
		      const struct mf_tokio_vtable *b)
{
	return a->module == b->module && a->functions[1] == b->functions[1] &&
	       a->functions[0] != b->functions[0] &&
	       strcmp(a->future, b->future) == 0;
}

static void tell_apart(struct mf_tokio *tokio, struct mf_target *target,
		       struct mf_image *image)
{
	MF_VEC(struct mf_tokio_vtable *) named = { 0 };
	mf_auto_free bool *twin = NULL;

	mf_vec_foreach(vtable, &tokio->vtables)
		if (vtable->proof == MF_TOKIO_CALLS)
			mf_vec_push(&named, vtable);
	mf_vec_sort(&named, by_name);
	twin = mf_new_array(named.count + 1, bool);
	for (size_t i = 1; i < named.count; i++)
		if (are_twins(named.items[i - 1], named.items[i]))
			twin[i - 1] = twin[i] = true;
	for (size_t i = 0; i < named.count; i++) {
		struct mf_tokio_vtable *vtable = named.items[i];
		mf_auto_free char *source = NULL;

		if (!twin[i])
			continue;
		source = mf_rust_source(
			follower_of(tokio, target, image, vtable->module),
			target, vtable->functions, 1, CALLS_TO_SOURCE);
		vtable->proof = source ? MF_TOKIO_SOURCE : MF_TOKIO_ALIKE;
		if (source)
			vtable->future = mf_pool_strdup(&tokio->pool, source);
	}
	mf_vec_deinit(&named);
}

void mf_tokio_name_all(struct mf_tokio *tokio, struct mf_target *target,
		       struct mf_image *image)
{
	for (size_t i = 0; i < tokio->vtables.count && i < NAMED_MAX; i++)
		if (tokio->vtables.items[i].sure)
			mf_tokio_name(tokio, target, image,
				      &tokio->vtables.items[i]);
	tell_apart(tokio, target, image);
	tokio->all_named = true;
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

const char *mf_tokio_state_name(enum mf_tokio_state state)
{
	static const char *const names[MF_TOKIO_STATES] = {
		[MF_TOKIO_IDLE] = "idle",
		[MF_TOKIO_SCHEDULED] = "scheduled",
		[MF_TOKIO_RUNNING] = "running",
		[MF_TOKIO_COMPLETE] = "complete",
	};

	return names[state];
}

const char *mf_tokio_proof_name(enum mf_tokio_proof proof)
{
	static const char *const names[] = {
		[MF_TOKIO_SYMBOL] = "symbol", [MF_TOKIO_CALLS] = "calls",
		[MF_TOKIO_SOURCE] = "source", [MF_TOKIO_ADDRESS] = "address",
		[MF_TOKIO_ALIKE] = "alike",   [MF_TOKIO_UNNAMED] = "address",
	};

	return names[proof];
}
