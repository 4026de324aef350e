/*
 * Reads the first word of each chunk in use, in their order, and keeps those
 * chunks whose type was asked for: a few bytes each, and no more than some
 * millions.
 */
#include "cmd/chunk_types.h"

enum {
	MOST_TYPED = 1 << 21,
};

struct reading {
	struct mf_chunk_types *types;
	struct mf_target *target;
	const char *name;
	uint64_t last_word; /* that was looked up, and what it said */
	const char *last_type;
	uint64_t left_out;
};

struct mf_error *mf_chunk_types_prepare(struct mf_chunk_types *types,
					struct mf_target *target,
					struct mf_image *image)
{
	mf_types_destroy(types->types);
	types->types = NULL;
	return mf_types_create(target, image, &types->types);
}

/* Most chunks of a heap that has objects are of a few types. */
static const char *type_of_word(struct reading *reading, uint64_t word)
{
	struct mf_type type;

	if (word == reading->last_word)
		return reading->last_type;
	reading->last_word = word;
	reading->last_type = NULL;
	if (mf_types_at(reading->types->types, word, &type) && !type.offset &&
	    mf_type_matches(&type, reading->name))
		reading->last_type = type.name;
	return reading->last_type;
}

static bool read_chunk(const struct mf_chunk *chunk, void *data)
{
	struct reading *reading = data;
	struct mf_chunk_types *types = reading->types;
	const char *type;
	uint64_t word;

	if (chunk->usable < sizeof(word) ||
	    !mf_target_read_u64(reading->target, chunk->user, &word))
		return true;
	type = type_of_word(reading, word);
	if (!type)
		return true;
	if (types->chunks.count >= MOST_TYPED)
		reading->left_out++;
	else
		mf_vec_push(&types->chunks,
			    (struct mf_typed_chunk){ chunk->address, type });
	return true;
}

static int by_address(const void *a, const void *b)
{
	const struct mf_typed_chunk *left = a, *right = b;

	return (left->address > right->address) -
	       (left->address < right->address);
}

void mf_chunk_types_read(struct mf_chunk_types *types,
			 const struct mf_view *view,
			 const struct mf_chunk_choice *choice, const char *name)
{
	struct mf_chunk_choice used = *choice;
	struct reading reading = {
		.types = types,
		.target = view->target,
		.name = name,
	};

	types->chunks.count = 0;
	if (!view->heap)
		return;
	used.kinds = 1U << MF_KIND_IN_USE | 1U << MF_KIND_MMAPPED;
	if (choice->kinds)
		used.kinds &= choice->kinds;
	if (used.kinds)
		mf_heap_each_chosen(view->heap, &used, read_chunk, &reading);
	mf_vec_sort(&types->chunks, by_address);
	if (reading.left_out)
		mf_target_note_partial(view->target, "chunks of a type",
				       "%llu more than %d are not listed",
				       (unsigned long long)reading.left_out,
				       (int)MOST_TYPED);
}

const char *mf_chunk_types_of(const struct mf_chunk *chunk, void *data)
{
	const struct mf_chunk_types *types = data;
	const struct mf_typed_chunk key = { .address = chunk->address };
	const struct mf_typed_chunk *found = NULL;

	if (types->chunks.count)
		found = bsearch(&key, types->chunks.items, types->chunks.count,
				sizeof(key), by_address);
	return found ? found->type : NULL;
}

bool mf_chunk_types_has(const struct mf_chunk *chunk, void *data)
{
	return mf_chunk_types_of(chunk, data) != NULL;
}

void mf_chunk_types_deinit(struct mf_chunk_types *types)
{
	mf_types_destroy(types->types);
	types->types = NULL;
	mf_vec_deinit(&types->chunks);
}
