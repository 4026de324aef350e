/*
 * Vtables by what they look like: an offset to the top of the object, its type
 * information, then functions; found in the relocated words of all modules.
 * Those without type information are known by their symbols, if there are any.
 * And the filter over all of them, through which every word of a heap goes.
 */
#include "scan/vtables.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/search.h"
#include "scan/rtti.h"
#include "scan/vtables_find.h"

enum {
	POINTS_MAX = 1 << 19,
	GUESSES_MAX = 1 << 16,
	FILTER_MIN_BITS = 1 << 15, /* 4 KiB: stays in the first cache */
	FILTER_MAX_BITS = 1 << 19,
	BITS_A_POINT = 32,
};

/* ---- finding --------------------------------------------------------------- */

bool mf_vtable_top(uint64_t word, int32_t *ret)
{
	const int64_t lowest = -((int64_t)1 << 24);
	int64_t top = (int64_t)word;

	if (top > 0 || top < lowest || top % (int64_t)sizeof(word))
		return false;
	*ret = (int32_t)top;
	return true;
}

uint32_t mf_vtable_search_class(struct mf_vtable_search *search, int64_t rtti,
				const struct mf_module *module)
{
	const struct mf_rtti_class *found = &search->rtti.classes.items[rtti];
	uint64_t *known = mf_map_get(&search->class_of, found->address);
	struct mf_vtable_class class = {
		.id = found->address,
		.module = module,
		.proof = MF_VTABLE_RTTI,
		.internal = found->internal,
	};

	if (known)
		return (uint32_t)*known;
	class.raw = mf_pool_strdup(&search->vtables->pool, found->name);
	mf_map_set(&search->class_of, found->address,
		   search->vtables->classes.count);
	mf_vec_push(&search->vtables->classes, class);
	return (uint32_t)search->vtables->classes.count - 1;
}

static void add_typed(struct mf_vtable_search *search,
		      const struct mf_word_run *run, size_t i, int32_t top)
{
	uint64_t first = i + 2 < run->count ? run->words[i + 2] : 0;
	int64_t rtti;

	if (!mf_module_map_is_data(&search->map, run->words[i + 1]))
		return;
	rtti = mf_rtti_class_at(&search->rtti, run->words[i + 1]);
	if (rtti < 0)
		return;
	/* A class with virtual bases may have no function: then anything
	 * follows. */
	if (first && !search->rtti.classes.items[rtti].virtual_bases &&
	    !mf_module_map_is_code(&search->map, first))
		return;
	mf_vec_push(
		&search->vtables->points,
		(struct mf_vtable_point){
			.address = run->address + (i + 2) * sizeof(uint64_t),
			.class = mf_vtable_search_class(search, rtti,
							run->module),
			.top = top,
		});
}

static void add_guess(struct mf_vtable_search *search,
		      const struct mf_word_run *run, size_t i)
{
	if (i + 2 >= run->count || search->guesses.count >= GUESSES_MAX ||
	    !mf_module_map_is_code(&search->map, run->words[i + 2]))
		return;
	mf_vec_push(&search->guesses,
		    (struct mf_vtable_guess){
			    run->address + (i + 2) * sizeof(uint64_t),
			    run->module });
}

static void look_at_run(const struct mf_word_run *run, void *data)
{
	struct mf_vtable_search *search = data;
	int32_t top;

	for (size_t i = 0; i < run->starts && i + 1 < run->count; i++) {
		if (!mf_vtable_top(run->words[i], &top) ||
		    search->vtables->points.count >= POINTS_MAX)
			continue;
		if (run->words[i + 1])
			add_typed(search, run, i, top);
		else if (top == 0)
			add_guess(search, run, i);
	}
}

static int compare_points(const void *left, const void *right)
{
	const struct mf_vtable_point *a = left, *b = right;

	if (a->address != b->address)
		return a->address < b->address ? -1 : 1;
	return (a->class > b->class) - (a->class < b->class);
}

/* Classes are in the order of how sure they are: of equals the first stays. */
static size_t sort_points(struct mf_vtables *vtables)
{
	size_t kept = 0;

	mf_vec_sort(&vtables->points, compare_points);
	for (size_t i = 0; i < vtables->points.count; i++) {
		const struct mf_vtable_point *point = &vtables->points.items[i];

		if (!kept ||
		    vtables->points.items[kept - 1].address != point->address)
			vtables->points.items[kept++] = *point;
	}
	vtables->points.count = kept;
	return kept;
}

bool mf_vtable_known(const struct mf_vtable_search *search, uint64_t start,
		     uint64_t end)
{
	const struct mf_vtable_point *points = search->vtables->points.items;
	size_t before = mf_count_leading(points, search->sorted, point,
					 point->address < start);

	return before < search->sorted && points[before].address < end;
}

static void add_guesses(struct mf_vtable_search *search)
{
	struct mf_vtables *vtables = search->vtables;

	mf_vec_foreach(guess, &search->guesses) {
		if (mf_vtable_known(search, guess->address, guess->address + 1))
			continue;
		mf_vec_push(
			&search->guessed,
			(struct mf_vtable_point){
				.address = guess->address,
				.class = (uint32_t)vtables->classes.count });
		mf_vec_push(
			&vtables->classes,
			(struct mf_vtable_class){ .id = guess->address,
						  .module = guess->module,
						  .proof = MF_VTABLE_ADDRESS,
						  .internal = true });
	}
	mf_vec_foreach(point, &search->guessed)
		mf_vec_push(&vtables->points, *point);
}

static struct mf_error *find_all(struct mf_vtable_search *search)
{
	MF_TRY(mf_module_words(search->target, search->image, look_at_run,
			       search));
	search->sorted = sort_points(search->vtables);
	mf_vtables_find_symbols(search);
	search->sorted = sort_points(search->vtables);
	add_guesses(search);
	return NULL;
}

struct mf_error *mf_vtables_create(struct mf_target *target,
				   struct mf_image *image,
				   struct mf_vtables **ret)
{
	struct mf_vtables *vtables = mf_new(struct mf_vtables);
	struct mf_vtable_search search = {
		.vtables = vtables,
		.target = target,
		.image = image,
	};
	struct mf_error *error = NULL;

	vtables->image = image;
	if (image) {
		mf_module_map_init(&search.map, image);
		mf_rtti_init(&search.rtti, target, &search.map);
		error = find_all(&search);
		mf_rtti_deinit(&search.rtti);
		mf_module_map_deinit(&search.map);
	}
	mf_map_deinit(&search.class_of);
	mf_vec_deinit(&search.guesses);
	mf_vec_deinit(&search.guessed);
	mf_vtables_seal(vtables);
	if (error)
		mf_vtables_destroy(vtables);
	else
		*ret = vtables;
	return error;
}

void mf_vtables_destroy(struct mf_vtables *vtables)
{
	if (!vtables)
		return;
	mf_vec_foreach(class, &vtables->classes)
		free(class->name);
	mf_vec_deinit(&vtables->classes);
	mf_vec_deinit(&vtables->points);
	mf_pool_deinit(&vtables->pool);
	free(vtables->bits);
	free(vtables->slots);
	free(vtables);
}

/* ---- looking up ------------------------------------------------------------- */

static size_t slot_of(const struct mf_vtables *vtables, uint64_t word)
{
	const uint64_t golden = UINT64_C(0x9e3779b97f4a7c15);

	return (size_t)((word * golden) >> vtables->slot_shift);
}

static void fill_slots(struct mf_vtables *vtables)
{
	unsigned bits = 4;
	size_t mask;

	while ((size_t)1 << bits < vtables->points.count * 2)
		bits++;
	mask = ((size_t)1 << bits) - 1;
	vtables->slots = mf_new_array(mask + 1, uint32_t);
	vtables->slot_shift = 64 - bits;
	for (size_t i = 0; i < vtables->points.count; i++) {
		size_t slot =
			slot_of(vtables, vtables->points.items[i].address);

		while (vtables->slots[slot])
			slot = (slot + 1) & mask;
		vtables->slots[slot] = (uint32_t)i + 1;
	}
}

void mf_vtables_seal(struct mf_vtables *vtables)
{
	uint64_t bits = FILTER_MIN_BITS;

	sort_points(vtables);
	while (bits < FILTER_MAX_BITS &&
	       bits < vtables->points.count * BITS_A_POINT)
		bits *= 2;
	vtables->bit_mask = bits - 1;
	vtables->bits = mf_new_array(bits / 64, uint64_t);
	mf_vec_foreach(point, &vtables->points) {
		uint64_t bit = point->address >> 3 & vtables->bit_mask;

		vtables->bits[bit >> 6] |= UINT64_C(1) << (bit & 63);
	}
	fill_slots(vtables);
}

const struct mf_vtable_point *mf_vtables_find(const struct mf_vtables *vtables,
					      uint64_t word)
{
	size_t mask = ((size_t)1 << (64 - vtables->slot_shift)) - 1;
	size_t slot = slot_of(vtables, word);

	for (; vtables->slots[slot]; slot = (slot + 1) & mask) {
		const struct mf_vtable_point *point =
			&vtables->points.items[vtables->slots[slot] - 1];

		if (point->address == word)
			return point;
	}
	return NULL;
}

/* ---- names -------------------------------------------------------------------- */

const char *mf_vtable_proof_name(enum mf_vtable_proof proof)
{
	static const char *const names[] = {
		[MF_VTABLE_RTTI] = "rtti",
		[MF_VTABLE_SYMBOL] = "symbol",
		[MF_VTABLE_ADDRESS] = "address",
	};

	return names[proof];
}

static const char functions_of[] = "functions of ";

/* A table of functions may be one of C, with a name of its own. */
static char *name_by_address(const struct mf_vtables *vtables,
			     const struct mf_vtable_class *class)
{
	struct mf_symbol symbol;

	if (vtables->image &&
	    mf_image_symbol_at(vtables->image, class->id, &symbol))
		return strncmp(symbol.raw_name, "_ZTV", 4) == 0
			       ? mf_rtti_demangle(symbol.raw_name)
			       : mf_asprintf("%s%s", functions_of, symbol.name);
	return mf_asprintf(
		"vtable at %s+0x%llx", class->module->name,
		(unsigned long long)(class->id - class->module->bias));
}

const char *mf_vtables_name(struct mf_vtables *vtables, uint32_t index)
{
	struct mf_vtable_class *class = &vtables->classes.items[index];

	if (!class->name)
		class->name = class->raw ? mf_rtti_demangle(class->raw)
					 : name_by_address(vtables, class);
	return class->name;
}

const char *mf_vtables_language(struct mf_vtables *vtables, uint32_t index)
{
	const char *name = mf_vtables_name(vtables, index);

	return vtables->classes.items[index].proof == MF_VTABLE_ADDRESS &&
			       strncmp(name, functions_of,
				       sizeof(functions_of) - 1) == 0
		       ? "c"
		       : "c++";
}
