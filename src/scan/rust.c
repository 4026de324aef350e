/*
 * Counting trait objects: a fat pointer is two words, where the object is and
 * its vtable. Many may point to one object, so objects count, by their address.
 * An object is owned (Box, Rc, Arc) when it is at the start of a chunk in use:
 * pointers that were left behind, and those into other things, say nothing.
 */
#include "scan/rust.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "scan/rust_vtables.h"

enum {
	WORD = sizeof(uint64_t),
	NUMBER_BITS = 16, /* of a vtable */
	SLOTS_FIRST = 1 << 10,
	SLOTS_MAX = 1 << 19,	    /* of a worker: 4 MiB */
	SLOTS_MERGED_MAX = 1 << 20, /* of all of them */
	CHUNK_HEADER_MAX = 16,
	PENDING_MAX = 1 << 14,
};

static const uint64_t number_mask = (UINT64_C(1) << NUMBER_BITS) - 1;
static const uint64_t address_end = UINT64_C(1) << (64 - NUMBER_BITS);

/** Objects, each once: an address, and the number of its vtable. */
struct objects {
	uint64_t *slots; /* 0: free; address << NUMBER_BITS | number */
	size_t count, size, max;
};

struct pending {
	uint64_t address; /* of the word before a window */
	uint64_t number;
};

struct mf_rust_worker {
	const struct mf_rust *rust;
	struct objects objects;
	uint64_t *doubtful; /* by vtable: what there was no room for */
	MF_VEC(struct pending) pending;
};

struct mf_rust {
	struct mf_rust_vtables *vtables; /* NULL: no image */
	const struct mf_scan_input *input;
	struct objects objects;
	uint64_t *doubtful;
	MF_VEC(struct pending) pending;
	MF_VEC(struct mf_rust_row) rows;
};

/* ---- a set of objects ---------------------------------------------------------- */

static uint64_t *slot_of(const struct objects *objects, uint64_t address)
{
	size_t mask = objects->size - 1;
	size_t i = (size_t)mf_hash64(address) & mask;

	while (objects->slots[i] && objects->slots[i] >> NUMBER_BITS != address)
		i = (i + 1) & mask;
	return &objects->slots[i];
}

static void grow(struct objects *objects)
{
	struct objects larger = { .size = objects->size ? objects->size * 2
							: SLOTS_FIRST,
				  .max = objects->max };

	larger.slots = mf_new_array(larger.size, uint64_t);
	for (size_t i = 0; i < objects->size; i++)
		if (objects->slots[i])
			*slot_of(&larger, objects->slots[i] >> NUMBER_BITS) =
				objects->slots[i];
	larger.count = objects->count;
	free(objects->slots);
	*objects = larger;
}

static bool has_room(struct objects *objects)
{
	if (objects->count < objects->size / 4 * 3)
		return true;
	if (objects->size >= objects->max)
		return false;
	grow(objects);
	return true;
}

/* Of two types at one address the larger one holds the other; of equal ones it
 * is always the same, whoever comes first. */
static bool is_rather(const struct mf_rust_vtables *vtables, uint64_t number,
		      uint64_t other)
{
	uint64_t size = vtables->list.items[number].size;
	uint64_t other_size = vtables->list.items[other].size;

	return size != other_size ? size > other_size : number < other;
}

static bool add_object(struct objects *objects,
		       const struct mf_rust_vtables *vtables, uint64_t address,
		       uint64_t number)
{
	bool room = has_room(objects);
	uint64_t *slot = slot_of(objects, address);

	if (!*slot && !room)
		return false;
	if (!*slot)
		objects->count++;
	if (!*slot || is_rather(vtables, number, *slot & number_mask))
		*slot = address << NUMBER_BITS | number;
	return true;
}

/* ---- what counts ---------------------------------------------------------------- */

static bool is_owned_chunk(const struct mf_chunk *chunk, uint64_t address,
			   const struct mf_rust_vtable *vtable)
{
	return (chunk->kind == MF_KIND_IN_USE ||
		chunk->kind == MF_KIND_MMAPPED) &&
	       address - chunk->address <= CHUNK_HEADER_MAX &&
	       chunk->size >= vtable->size;
}

/* Bytes that the object at ADDRESS takes; 0: there is none that is owned. Where
 * no chunks are known (LOOSE) it may be one that was freed. */
static uint64_t bytes_at(const struct mf_scan_input *input, uint64_t address,
			 const struct mf_rust_vtable *vtable, bool *loose)
{
	const struct mf_mapping *mapping;
	struct mf_chunk chunk;

	*loose = false;
	if (!vtable->size || address % WORD || address >= address_end)
		return 0;
	if (input->heap && mf_heap_chunk_at(input->heap, address, &chunk))
		return is_owned_chunk(&chunk, address, vtable) ? chunk.size : 0;
	mapping = mf_target_mapping_at(input->target, address);
	if (!mapping || !(mapping->perms & MF_PERM_WRITE) ||
	    !mf_mapping_has_no_file(mapping) ||
	    strncmp(mapping->path, "[stack", 6) == 0 ||
	    vtable->size > mapping->end - address)
		return 0;
	*loose = true;
	return vtable->size;
}

static void take(struct mf_rust_worker *worker, uint64_t address,
		 uint64_t number)
{
	const struct mf_rust_vtables *vtables = worker->rust->vtables;
	const struct mf_rust_vtable *vtable = &vtables->list.items[number];
	bool loose;

	if (bytes_at(worker->rust->input, address, vtable, &loose) &&
	    !add_object(&worker->objects, vtables, address, number))
		worker->doubtful[number]++;
}

/* ---- windows ------------------------------------------------------------------- */

static void look_at(struct mf_rust_worker *worker,
		    const struct mf_scan_window *window,
		    const struct mf_scan_piece *piece, uint32_t at,
		    uint64_t number)
{
	if (at >= piece->start + WORD)
		take(worker, mf_load(uint64_t, window->bytes + at - WORD),
		     number);
	else if (!piece->begins && worker->pending.count < PENDING_MAX)
		mf_vec_push(&worker->pending,
			    (struct pending){ window->address + at - WORD,
					      number });
}

static void look_through(struct mf_rust_worker *worker,
			 const struct mf_scan_window *window,
			 const struct mf_scan_piece *piece)
{
	const struct mf_points *points = &worker->rust->vtables->points;
	uint32_t at = (piece->start + (WORD - 1)) & -(uint32_t)WORD;

	for (; at + WORD <= piece->end; at += WORD) {
		uint64_t word = mf_load(uint64_t, window->bytes + at);
		const uint64_t *number;

		if (MF_LIKELY(!mf_points_may_have(points, word)))
			continue;
		number = mf_points_find(points, word);
		if (number)
			look_at(worker, window, piece, at, *number);
	}
}

void mf_rust_window(struct mf_rust_worker *worker,
		    const struct mf_scan_window *window)
{
	if (!worker->rust->vtables || !worker->rust->vtables->list.count)
		return;
	for (uint32_t i = 0; i < window->piece_count; i++) {
		const struct mf_scan_piece *piece = &window->pieces[i];

		if (piece->kind == MF_KIND_IN_USE ||
		    piece->kind == MF_KIND_MMAPPED || piece->kind == MF_KINDS)
			look_through(worker, window, piece);
	}
}

/* ---- before and after ----------------------------------------------------------- */

struct mf_error *mf_rust_create(const struct mf_scan_context *context,
				struct mf_rust **ret)
{
	struct mf_rust *rust = mf_new(struct mf_rust);
	struct mf_error *error = NULL;

	if (context->image)
		error = mf_rust_vtables_create(context->target, context->image,
					       &rust->vtables);
	if (error) {
		mf_rust_destroy(rust);
		return error;
	}
	/* The table of symbols is read when it is first asked of. */
	if (rust->vtables && rust->vtables->list.count)
		mf_rust_vtable_name(rust->vtables, rust->vtables->list.items);
	*ret = rust;
	return NULL;
}

void mf_rust_destroy(struct mf_rust *rust)
{
	if (!rust)
		return;
	mf_rust_vtables_destroy(rust->vtables);
	free(rust->objects.slots);
	free(rust->doubtful);
	mf_vec_deinit(&rust->pending);
	mf_vec_deinit(&rust->rows);
	free(rust);
}

static uint64_t *new_counts(const struct mf_rust *rust)
{
	size_t count = rust->vtables ? rust->vtables->list.count : 0;

	return mf_new_array(MF_MAX(count, (size_t)1), uint64_t);
}

void mf_rust_begin(struct mf_rust *rust, const struct mf_scan_context *context)
{
	rust->input = context->input;
	free(rust->objects.slots);
	free(rust->doubtful);
	rust->objects = (struct objects){ .max = SLOTS_MERGED_MAX };
	rust->doubtful = new_counts(rust);
	rust->pending.count = 0;
	rust->rows.count = 0;
}

struct mf_rust_worker *mf_rust_worker_create(struct mf_rust *rust)
{
	struct mf_rust_worker *worker = mf_new(struct mf_rust_worker);

	worker->rust = rust;
	worker->objects.max = SLOTS_MAX;
	worker->doubtful = new_counts(rust);
	return worker;
}

void mf_rust_merge(struct mf_rust *rust, struct mf_rust_worker *worker)
{
	size_t vtables = rust->vtables ? rust->vtables->list.count : 0;

	for (size_t i = 0; rust->vtables && i < worker->objects.size; i++) {
		uint64_t slot = worker->objects.slots[i];
		uint64_t number = slot & number_mask;

		if (slot && !add_object(&rust->objects, rust->vtables,
					slot >> NUMBER_BITS, number))
			rust->doubtful[number]++;
	}
	for (size_t i = 0; i < vtables; i++)
		rust->doubtful[i] += worker->doubtful[i];
	for (size_t i = 0; i < worker->pending.count; i++)
		mf_vec_push(&rust->pending, worker->pending.items[i]);
	mf_vec_deinit(&worker->pending);
	free(worker->objects.slots);
	free(worker->doubtful);
	free(worker);
}

/* Fat pointers that lie in two windows. */
static void read_pending(struct mf_rust *rust, struct mf_target *target)
{
	for (size_t i = 0; i < rust->pending.count; i++) {
		const struct pending *pending = &rust->pending.items[i];
		const struct mf_rust_vtable *vtable =
			&rust->vtables->list.items[pending->number];
		uint64_t address;
		bool loose;

		if (!mf_target_read_u64(target, pending->address, &address) ||
		    !bytes_at(rust->input, address, vtable, &loose))
			continue;
		if (!add_object(&rust->objects, rust->vtables, address,
				pending->number))
			rust->doubtful[pending->number]++;
	}
}

/* ---- rows ------------------------------------------------------------------------ */

/** The types that objects were found of. */
struct types {
	struct mf_rust *rust;
	struct mf_map rows_of; /* number of a vtable: index of its row */
	struct mf_map by_name; /* hash of a name: index of the last such row */
};

static size_t add_row(struct mf_rust *rust, const struct mf_rust_vtable *vtable)
{
	mf_vec_push(&rust->rows,
		    (struct mf_rust_row){
			    .type = vtable->type,
			    .evidence = mf_rust_proof_name(vtable->proof),
			    .module = vtable->module->name,
		    });
	return rust->rows.count - 1;
}

/* One type has a vtable for each trait. */
static struct mf_rust_row *row_of(struct types *types, uint64_t number)
{
	struct mf_rust *rust = types->rust;
	struct mf_rust_vtable *vtable = &rust->vtables->list.items[number];
	const uint64_t *known = mf_map_get(&types->rows_of, number);
	const char *type;
	uint64_t hash, index;

	if (known)
		return &rust->rows.items[*known];
	type = mf_rust_vtable_name(rust->vtables, vtable);
	hash = mf_hash_text(type, 0);
	known = mf_map_get(&types->by_name, hash);
	if (known && strcmp(rust->rows.items[*known].type, type) == 0)
		index = *known;
	else
		index = add_row(rust, vtable);
	mf_map_set(&types->by_name, hash, index);
	mf_map_set(&types->rows_of, number, index);
	return &rust->rows.items[index];
}

static void count_object(struct types *types, uint64_t slot)
{
	const struct mf_rust *rust = types->rust;
	uint64_t number = slot & number_mask, address = slot >> NUMBER_BITS;
	struct mf_rust_row *row = row_of(types, number);
	bool loose;

	row->count++;
	row->bytes += bytes_at(rust->input, address,
			       &rust->vtables->list.items[number], &loose);
	row->loose += loose;
	if (!row->example || address < row->example)
		row->example = address;
}

static void count_doubtful(struct types *types, uint64_t number)
{
	uint64_t count = types->rust->doubtful[number];
	struct mf_rust_row *row;

	if (!count)
		return;
	row = row_of(types, number);
	row->count += count;
	row->doubtful += count;
	row->bytes += count * types->rust->vtables->list.items[number].size;
}

void mf_rust_finish(struct mf_rust *rust, const struct mf_scan_context *context)
{
	struct types types = { .rust = rust };

	if (!rust->vtables)
		return;
	read_pending(rust, context->target);
	for (size_t i = 0; i < rust->objects.size; i++)
		if (rust->objects.slots[i])
			count_object(&types, rust->objects.slots[i]);
	for (size_t i = 0; i < rust->vtables->list.count; i++)
		count_doubtful(&types, i);
	mf_map_deinit(&types.rows_of);
	mf_map_deinit(&types.by_name);
}

const struct mf_rust_row *mf_rust_rows(const struct mf_rust *rust,
				       size_t *count)
{
	*count = rust->rows.count;
	return rust->rows.items;
}
