/*
 * Finding the vtables of trait objects, without symbols: what drops a value (or
 * 0), its size, its alignment, then methods (rustc_middle, ty/vtable.rs). Other
 * tables may look like that, so only modules count that have Rust in them: those
 * where panics in the standard library would be told of.
 */
#include "scan/rust_vtables.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "scan/code.h"
#include "scan/words.h"

enum {
	DROP,
	SIZE,
	ALIGN,
	METHODS,
	ALIGN_MAX = 1 << 16,
	CALLS_TO_SOURCE = 2,
	NAME_PARTS = 2,
};

static const uint64_t size_max = UINT64_C(1) << 32;

/* ---- finding ------------------------------------------------------------------ */

struct search {
	struct mf_rust_vtables *vtables;
	const struct mf_module *module;
	struct mf_code_range code;
	enum {
		UNKNOWN,
		RUST,
		OTHER
	} kind;
};

/* However its standard library was built, its paths end like that. */
static bool has_rust(struct mf_image *image, const struct mf_module *module)
{
	static const char *const paths[] = { "library/core/src/",
					     "library/std/src/",
					     "library/alloc/src/" };

	for (size_t i = 0; i < MF_ARRAY_SIZE(paths); i++)
		if (mf_image_find_bytes(image, module, paths[i],
					strlen(paths[i]), NULL, 0))
			return true;
	return false;
}

static bool is_vtable(const struct mf_code_range *code, const uint64_t *words)
{
	uint64_t drop = words[DROP], size = words[SIZE], align = words[ALIGN];

	return align && align <= ALIGN_MAX && !(align & (align - 1)) &&
	       size < size_max && size % align == 0 &&
	       mf_code_has(code, words[METHODS]) &&
	       (!drop || mf_code_has(code, drop));
}

static void add_vtable(struct search *search, uint64_t address,
		       const uint64_t *words, size_t count)
{
	struct mf_rust_vtables *vtables = search->vtables;
	struct mf_rust_vtable vtable = {
		.address = address,
		.module = search->module,
		.drop = words[DROP],
		.size = words[SIZE],
		.align = words[ALIGN],
		.proof = MF_RUST_UNNAMED,
	};

	if (vtables->list.count >= MF_RUST_VTABLES_MAX) {
		vtables->too_many = true;
		return;
	}
	for (size_t i = METHODS; i < count && i < METHODS + MF_RUST_METHODS &&
				 mf_code_has(&search->code, words[i]);
	     i++)
		vtable.methods[vtable.method_count++] = words[i];
	mf_points_add(&vtables->points, address, vtables->list.count);
	mf_vec_push(&vtables->list, vtable);
}

static void look_through(const struct mf_word_run *run, void *data)
{
	struct search *search = data;

	if (run->module != search->module) {
		search->module = run->module;
		search->code = mf_code_range_of(run->module);
		search->kind = UNKNOWN;
	}
	for (size_t i = 0; i < run->starts && i + METHODS < run->count; i++) {
		if (!is_vtable(&search->code, run->words + i))
			continue;
		if (search->kind == UNKNOWN)
			search->kind =
				has_rust(search->vtables->image, run->module)
					? RUST
					: OTHER;
		if (search->kind == OTHER)
			return;
		add_vtable(search, run->address + i * sizeof(uint64_t),
			   run->words + i, run->count - i);
	}
}

struct mf_error *mf_rust_vtables_create(struct mf_target *target,
					struct mf_image *image,
					struct mf_rust_vtables **ret)
{
	struct mf_rust_vtables *vtables = mf_new(struct mf_rust_vtables);
	struct search search = { .vtables = vtables };
	struct mf_error *error;

	vtables->target = target;
	vtables->image = image;
	error = mf_module_words(target, image, look_through, &search);
	if (error) {
		mf_rust_vtables_destroy(vtables);
		return error;
	}
	if (vtables->too_many)
		mf_target_note_partial(target, "types",
				       "there are more than %d vtables of Rust",
				       MF_RUST_VTABLES_MAX);
	*ret = vtables;
	return NULL;
}

void mf_rust_vtables_destroy(struct mf_rust_vtables *vtables)
{
	if (!vtables)
		return;
	mf_follower_destroy(vtables->follower);
	mf_vec_deinit(&vtables->list);
	mf_points_deinit(&vtables->points);
	mf_pool_deinit(&vtables->pool);
	free(vtables);
}

/* ---- naming ------------------------------------------------------------------- */

static struct mf_follower *follower_of(struct mf_rust_vtables *vtables,
				       const struct mf_module *module)
{
	if (vtables->followed == module)
		return vtables->follower;
	mf_follower_destroy(vtables->follower);
	vtables->follower =
		mf_follower_create(vtables->target, vtables->image, module);
	vtables->followed = module;
	return vtables->follower;
}

/* T of <T as Trait>::method. */
static char *implementor(const char *name)
{
	const char *as;
	char *type;

	if (name[0] != '<')
		return NULL;
	type = mf_rust_argument(name, "<");
	as = type ? strstr(type, " as ") : NULL;
	if (!as) {
		free(type);
		return NULL;
	}
	type[as - type] = '\0';
	return type;
}

/* The type of a closure, or of an async function, is called as its code is. */
static bool is_closure(const char *name)
{
	const char *last = strrchr(name, ':');

	return last && (strcmp(last, ":{{closure}}") == 0 ||
			strncmp(last, ":{closure#", 10) == 0);
}

/* A name of a type parameter says nothing: those are short, and upper case. */
static bool is_parameter(const char *type)
{
	return type[0] >= 'A' && type[0] <= 'Z' && strlen(type) <= 2;
}

/* By its methods; one further on may be what drops another type. */
static char *name_by_methods(struct mf_follower *follower,
			     const struct mf_rust_vtable *vtable,
			     char **function)
{
	for (size_t i = 0; i < vtable->method_count; i++) {
		struct mf_symbol symbol;
		char *type;

		if (!mf_follower_symbol(follower, vtable->methods[i], &symbol))
			continue;
		if (strstr(symbol.name, "drop_in_place"))
			break;
		type = implementor(symbol.name);
		if (type && !is_parameter(type))
			return type;
		free(type);
		if (is_closure(symbol.name))
			return mf_strdup(symbol.name);
		if (i == 0)
			*function = mf_strdup(symbol.name);
	}
	return NULL;
}

static char *name_by_drop(struct mf_follower *follower,
			  const struct mf_rust_vtable *vtable)
{
	struct mf_symbol symbol;
	char *type;

	if (!vtable->drop ||
	    !mf_follower_symbol(follower, vtable->drop, &symbol))
		return NULL;
	type = mf_rust_argument(symbol.name, "drop_in_place::<");
	return type ? type : mf_rust_argument(symbol.name, "drop_in_place<");
}

/* The same but for what stands in angle brackets. */
static bool is_alike(const char *left, const char *right)
{
	size_t length = strcspn(left, "<");

	return length && length == strcspn(right, "<") &&
	       strncmp(left, right, length) == 0;
}

/*
 * What drops a value has a name with all type arguments, but linkers and
 * compilers make one of those that do the same; methods seldom are alike, but
 * their names may leave arguments out.
 */
static char *find_name(struct mf_rust_vtables *vtables,
		       const struct mf_rust_vtable *vtable,
		       enum mf_rust_proof *proof)
{
	struct mf_follower *follower = follower_of(vtables, vtable->module);
	mf_auto_free char *function = NULL;
	char *drop = name_by_drop(follower, vtable);
	char *method = name_by_methods(follower, vtable, &function);
	uint64_t starts[NAME_PARTS] = { vtable->methods[0], vtable->drop };

	*proof = MF_RUST_SYMBOL;
	if (method && drop && is_alike(method, drop)) {
		free(method);
		return drop;
	}
	if (method) {
		free(drop);
		return method;
	}
	if (drop)
		return drop;
	if (function)
		return mf_strdup(function);
	*proof = MF_RUST_SOURCE;
	return mf_rust_source(follower, vtables->target, starts,
			      vtable->drop ? 2 : 1, CALLS_TO_SOURCE);
}

const char *mf_rust_vtable_name(struct mf_rust_vtables *vtables,
				struct mf_rust_vtable *vtable)
{
	mf_auto_free char *name = NULL;

	if (vtable->proof != MF_RUST_UNNAMED)
		return vtable->type;
	name = find_name(vtables, vtable, &vtable->proof);
	if (name) {
		vtable->type = mf_pool_strdup(&vtables->pool, name);
		return vtable->type;
	}
	vtable->proof = MF_RUST_ADDRESS;
	vtable->type = mf_pool_printf(
		&vtables->pool, "vtable at %s+0x%llx", vtable->module->name,
		(unsigned long long)(vtable->address - vtable->module->bias));
	return vtable->type;
}

const char *mf_rust_proof_name(enum mf_rust_proof proof)
{
	static const char *const names[] = {
		[MF_RUST_SYMBOL] = "symbol",
		[MF_RUST_SOURCE] = "source",
		[MF_RUST_ADDRESS] = "address",
		[MF_RUST_UNNAMED] = "address",
	};

	return names[proof];
}
