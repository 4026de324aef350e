/*
 * Vtables by the symbols that name them (_ZTV), of classes without type
 * information: where in such a symbol a vptr can point to. And those of which
 * the linker has made a copy where nobody looks for them.
 */
#include <string.h>

#include "base/memory.h"
#include "scan/vtables_find.h"

enum {
	SYMBOLS_MAX = 1 << 19,
	WORDS_MAX = 8192, /* of one symbol */
};

struct named {
	const char *name;
	uint64_t address, size;
};

struct names {
	MF_VEC(struct named) list;
};

static void note_symbol(const char *name, uint64_t address, uint64_t size,
			void *data)
{
	struct names *names = data;

	if (address % sizeof(uint64_t) == 0 && size >= 2 * sizeof(uint64_t) &&
	    names->list.count < SYMBOLS_MAX)
		mf_vec_push(&names->list,
			    (struct named){ name, address, size });
}

static int compare_named(const void *left, const void *right)
{
	const struct named *a = left, *b = right;

	return (a->address > b->address) - (a->address < b->address);
}

static uint32_t add_class(struct mf_vtable_search *search,
			  const struct named *named,
			  const struct mf_module *module)
{
	struct mf_vtables *vtables = search->vtables;
	struct mf_vtable_class class = {
		.id = named->address,
		.raw = mf_pool_strdup(&vtables->pool, named->name),
		.module = module,
		.proof = MF_VTABLE_SYMBOL,
		.internal = strstr(named->name, "_GLOBAL__N_"),
	};

	mf_vec_push(&vtables->classes, class);
	return (uint32_t)vtables->classes.count - 1;
}

/* The table that begins at words[i] with an offset: of which class? */
struct table {
	const uint64_t *words;
	size_t count;
	const struct named *named;
	const struct mf_module *module;
	int64_t own_class; /* by the symbol's name; -1: not made yet */
};

static int64_t class_at(struct mf_vtable_search *search, struct table *table,
			size_t i)
{
	uint64_t info = table->words[i + 1];
	uint64_t first = i + 2 < table->count ? table->words[i + 2] : 0;
	int64_t rtti;

	if (info) {
		rtti = mf_rtti_class_at(&search->rtti, info);
		return rtti < 0 ? -1
				: (int64_t)mf_vtable_search_class(
					  search, rtti, table->module);
	}
	if (i + 2 < table->count && !mf_module_map_is_code(&search->map, first))
		return -1;
	if (table->own_class < 0)
		table->own_class =
			add_class(search, table->named, table->module);
	return table->own_class;
}

static void look_at_table(struct mf_vtable_search *search, struct table *table)
{
	int32_t top;

	for (size_t i = 0; i + 1 < table->count; i++) {
		int64_t class;

		if (!mf_vtable_top(table->words[i], &top))
			continue;
		class = class_at(search, table, i);
		if (class < 0)
			continue;
		mf_vec_push(&search->vtables->points,
			    (struct mf_vtable_point){
				    .address = table->named->address +
					       (i + 2) * sizeof(uint64_t),
				    .class = (uint32_t) class,
				    .top = top });
		i++;
	}
}

static void look_at_symbol(struct mf_vtable_search *search,
			   const struct mf_module *module,
			   const struct named *named, uint64_t *words)
{
	size_t count =
		MF_MIN(named->size / sizeof(uint64_t), (uint64_t)WORDS_MAX);
	struct table table = { words, count, named, module, -1 };

	/* a vptr may point past the end, where there is no function at all */
	if (mf_vtable_known(search, named->address + sizeof(*words),
			    named->address + named->size + 1))
		return;
	if (mf_target_try_read(search->target, named->address, words,
			       count * sizeof(*words)))
		look_at_table(search, &table);
}

static void look_at_module(struct mf_vtable_search *search,
			   const struct mf_module *module, uint64_t *words)
{
	struct names names = { 0 };
	uint64_t last = 0;

	mf_image_each_symbol(search->image, module, "_ZTV", MF_SYMBOLS_DEBUG,
			     note_symbol, &names);
	mf_vec_sort(&names.list, compare_named);
	mf_vec_foreach(named, &names.list) {
		if (named->address != last)
			look_at_symbol(search, module, named, words);
		last = named->address;
	}
	mf_vec_deinit(&names.list);
}

void mf_vtables_find_symbols(struct mf_vtable_search *search)
{
	mf_auto_free uint64_t *words = mf_new_array(WORDS_MAX, uint64_t);
	size_t count;
	const struct mf_module *modules =
		mf_image_modules(search->image, &count);

	for (size_t i = 0; i < count; i++)
		look_at_module(search, &modules[i], words);
}
