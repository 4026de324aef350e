/*
 * C++ objects by their vptrs. Each aligned word of a chunk in use goes through
 * the filter of vtables; one that is the first of its vtable group begins an
 * object, any other is a base inside of one that is counted already. A vptr at
 * the start of a chunk is an object for sure, because freeing overwrites it;
 * further in, it may be what is left of something that is gone, unless all
 * objects of the enclosing type have it there, or an array says its length.
 */
#include "scan/objects.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "scan/scanners.h"

enum {
	MEMBERS_MAX = 1 << 16, /* of one worker */
};

/* ---- control blocks of shared pointers ----------------------------------------- */

static const struct {
	const char *prefix; /* of the mangled name */
	enum mf_control_block block;
} block_names[] = {
	{ "St15_Sp_counted_ptrI", MF_BLOCK_GNU },
	{ "St19_Sp_counted_deleterI", MF_BLOCK_GNU },
	{ "St23_Sp_counted_ptr_inplaceI", MF_BLOCK_GNU },
	{ "NSt3__120__shared_ptr_emplaceI", MF_BLOCK_LLVM },
	{ "NSt3__120__shared_ptr_pointerI", MF_BLOCK_LLVM },
};

static enum mf_control_block block_of(const struct mf_vtable_class *class)
{
	const char *name = class->raw;

	if (!name)
		return MF_BLOCK_NONE;
	if (strncmp(name, "_ZTV", 4) == 0)
		name += 4;
	for (size_t i = 0; i < MF_ARRAY_SIZE(block_names); i++)
		if (strncmp(name, block_names[i].prefix,
			    strlen(block_names[i].prefix)) == 0)
			return block_names[i].block;
	return MF_BLOCK_NONE;
}

bool mf_control_block_is_expired(enum mf_control_block block, uint64_t word)
{
	if (block == MF_BLOCK_GNU)
		return (uint32_t)word == 0;
	return block == MF_BLOCK_LLVM && word == UINT64_MAX;
}

/* ---- life ------------------------------------------------------------------------ */

static struct mf_error *create(const struct mf_scan_context *context,
			       void **ret)
{
	struct mf_objects *objects;
	struct mf_vtables *vtables = NULL;
	struct mf_rust *rust = NULL;
	struct mf_error *error;

	MF_TRY(mf_vtables_create(context->target, context->image, &vtables));
	error = mf_rust_create(context, &rust);
	if (error) {
		mf_vtables_destroy(vtables);
		return error;
	}
	objects = mf_new(struct mf_objects);
	objects->rust = rust;
	objects->vtables = vtables;
	objects->blocks = mf_new_array(vtables->classes.count + 1, uint8_t);
	objects->tallies = mf_new_array(vtables->classes.count + 1,
					struct mf_object_tally);
	for (size_t i = 0; i < vtables->classes.count; i++)
		objects->blocks[i] =
			(uint8_t)block_of(&vtables->classes.items[i]);
	*ret = objects;
	return NULL;
}

static void destroy(void *scanner)
{
	struct mf_objects *objects = scanner;

	if (!objects)
		return;
	mf_vtables_destroy(objects->vtables);
	mf_rust_destroy(objects->rust);
	mf_shapes_deinit(&objects->shapes);
	mf_object_rows_deinit(&objects->rows);
	mf_vec_deinit(&objects->parts);
	mf_vec_deinit(&objects->members);
	free(objects->blocks);
	free(objects->tallies);
	free(objects);
}

static void *worker_create(void *scanner)
{
	struct mf_objects *objects = scanner;
	struct mf_object_worker *worker = mf_new(struct mf_object_worker);

	worker->objects = objects;
	mf_shapes_fork(&objects->shapes, &worker->shapes);
	worker->rust = mf_rust_worker_create(objects->rust);
	worker->slots =
		mf_new_array(objects->vtables->classes.count + 1, uint32_t);
	return worker;
}

static void worker_destroy(struct mf_object_worker *worker)
{
	mf_vec_deinit(&worker->tallies);
	mf_vec_deinit(&worker->classes);
	mf_vec_deinit(&worker->members);
	mf_vec_deinit(&worker->parts);
	mf_map_deinit(&worker->member_at);
	mf_shapes_deinit(&worker->shapes);
	free(worker->slots);
	free(worker);
}

struct mf_object_tally *mf_object_tally_of(struct mf_object_worker *worker,
					   uint32_t class)
{
	uint32_t *slot = &worker->slots[class];

	if (!*slot) {
		(void)mf_vec_add(&worker->tallies);
		mf_vec_push(&worker->classes, class);
		*slot = (uint32_t)worker->tallies.count;
	}
	return &worker->tallies.items[*slot - 1];
}

/* ---- one piece ------------------------------------------------------------------- */

/* What is looked at: words of one piece, and what it turned out to begin with. */
struct look {
	struct mf_object_worker *worker;
	const struct mf_scan_piece *piece;
	uint64_t address;      /* of the first word */
	const uint64_t *words; /* of the piece */
	size_t count;
	int64_t outer; /* class of the object that it begins with; -1: none */
	bool dead;     /* what is inside of that is gone */
};

static bool note_member(const struct look *look, uint32_t class,
			uint64_t offset)
{
	struct mf_object_worker *worker = look->worker;
	struct mf_object_member member = { (uint32_t)look->outer, class,
					   (uint32_t)offset, 1 };
	uint64_t key = mf_hash64((uint64_t)member.outer << 32 | class) ^
		       mf_hash64(offset);
	const uint64_t *known = mf_map_get(&worker->member_at, key);
	struct mf_object_member *there;

	if (known) {
		there = &worker->members.items[*known];
		if (there->outer != member.outer || there->inner != class ||
		    there->offset != member.offset)
			return false;
		there->count++;
		return true;
	}
	if (worker->members.count >= MEMBERS_MAX)
		return false;
	mf_map_set(&worker->member_at, key, worker->members.count);
	mf_vec_push(&worker->members, member);
	return true;
}

/* An object that the chunk begins with: that is what the chunk is. */
static void begin_chunk(struct look *look, uint32_t class)
{
	const struct mf_objects *objects = look->worker->objects;
	enum mf_control_block block = objects->blocks[class];

	look->outer = class;
	if (!block || look->count < 2 ||
	    !mf_control_block_is_expired(block, look->words[1]))
		return;
	look->dead = true;
	mf_object_tally_of(look->worker, class)->expired++;
}

static void see_object(struct look *look, size_t i, uint32_t class)
{
	const struct mf_scan_piece *piece = look->piece;
	uint64_t offset = i * sizeof(uint64_t);
	uint64_t address = look->address + offset;
	struct mf_object_run object = {
		.chunk = piece->chunk,
		.size = piece->chunk ? piece->size : 0,
		.first = address,
		.last = address,
		.count = 1,
		.before = i ? look->words[i - 1] : 0,
		.class = class,
		.header = piece->header,
	};
	struct mf_object_tally *tally;

	if (piece->chunk && piece->begins && i == 0)
		begin_chunk(look, class);
	else if (look->dead)
		return;
	if (look->outer >= 0 && look->outer != (int64_t) class &&
	    offset < MF_OBJECT_MEMBER_END && note_member(look, class, offset)) {
		tally = mf_object_tally_of(look->worker, class);
		if (!tally->example || address < tally->example)
			tally->example = address;
		return;
	}
	mf_object_runs_add(look->worker, &object);
}

/* A word that passed the filter. */
static void see_word(struct look *look, size_t i)
{
	const struct mf_vtables *vtables = look->worker->objects->vtables;
	const struct mf_vtable_point *point =
		mf_vtables_find(vtables, look->words[i]);

	if (!point || point->top)
		return;
	if (vtables->classes.items[point->class].proof == MF_VTABLE_ADDRESS &&
	    (i || !look->piece->begins || !look->piece->chunk))
		return;
	see_object(look, i, point->class);
}

static void look_at_words(struct look *look, const struct mf_shape_words *own)
{
	const struct mf_vtables *vtables = look->worker->objects->vtables;
	struct mf_shapes *shapes = &look->worker->shapes;
	const uint64_t *bits = vtables->bits, *words = look->words;
	const uint64_t mask = vtables->bit_mask;
	const uint64_t low = shapes->low, span = shapes->span;
	const uint64_t lowest = look->worker->low, reach = look->worker->span;

	for (size_t i = 0; i < look->count; i++) {
		uint64_t bit = words[i] >> 3 & mask;

		if (words[i] - lowest >= reach)
			continue;
		if (MF_UNLIKELY(bits[bit >> 6] >> (bit & 63) & 1))
			see_word(look, i);
		if (words[i] - low < span)
			mf_shapes_see_pointer(shapes, own, i);
	}
}

static bool is_live(const struct mf_scan_piece *piece)
{
	return piece->kind == MF_KIND_IN_USE ||
	       piece->kind == MF_KIND_MMAPPED || piece->kind == MF_KINDS;
}

static void look_at_piece(struct mf_object_worker *worker,
			  const struct mf_scan_window *window,
			  const struct mf_scan_piece *piece)
{
	uint64_t start = (window->address + piece->start + 7) & ~UINT64_C(7);
	uint64_t end = window->address + piece->end;
	struct look look = {
		.worker = worker,
		.piece = piece,
		.address = start,
		.outer = -1,
	};
	enum mf_shape shape = MF_SHAPES;
	struct mf_shape_words own;

	if (!is_live(piece) || start >= end)
		return;
	/* a window begins at a page */
	look.words = (const void *)(window->bytes + (start - window->address));
	look.count = (end - start) / sizeof(uint64_t);
	own = (struct mf_shape_words){ look.words, look.count, start,
				       piece->size };
	if (piece->kind == MF_KIND_IN_USE && piece->begins && piece->ends &&
	    worker->shapes.span)
		shape = mf_shapes_of_chunk(&worker->shapes, &own);
	look_at_words(&look, &own);
	if (look.outer < 0 && shape != MF_SHAPES)
		mf_shapes_add_node(&worker->shapes, shape, &own);
	if (worker->run_count)
		mf_object_runs_end(worker, !piece->chunk || (piece->begins &&
							     piece->ends));
}

/* Vtables and chunks lie between two addresses, and most words do not. */
static void set_bounds(struct mf_object_worker *worker)
{
	const struct mf_vtables *vtables = worker->objects->vtables;
	const struct mf_shapes *shapes = &worker->shapes;
	size_t count = vtables->points.count;
	uint64_t low = UINT64_MAX, high = 0;

	if (count) {
		low = vtables->points.items[0].address;
		high = vtables->points.items[count - 1].address + 1;
	}
	if (shapes->span) {
		low = MF_MIN(low, shapes->low);
		high = MF_MAX(high, shapes->low + shapes->span);
	}
	worker->low = low;
	worker->span = high > low ? high - low : 0;
}

static void look_at_window(void *context, const struct mf_scan_window *window)
{
	struct mf_object_worker *worker = context;

	mf_shapes_begin_window(&worker->shapes);
	set_bounds(worker);
	for (uint32_t i = 0; i < window->piece_count; i++)
		look_at_piece(worker, window, &window->pieces[i]);
	mf_rust_window(worker->rust, window);
}

/* ---- together ---------------------------------------------------------------------- */

void mf_object_tally_add(struct mf_object_tally *sum,
			 const struct mf_object_tally *part)
{
	if (part->example && (!sum->example || part->example < sum->example))
		sum->example = part->example;
	sum->started += part->started;
	sum->unproved += part->unproved;
	sum->arrays += part->arrays;
	sum->members += part->members;
	sum->loose += part->loose;
	sum->remains += part->remains;
	sum->bytes += part->bytes;
	sum->expired += part->expired;
}

static void merge(void *scanner, void *context)
{
	struct mf_objects *objects = scanner;
	struct mf_object_worker *worker = context;

	for (size_t i = 0; i < worker->tallies.count; i++)
		mf_object_tally_add(&objects->tallies[worker->classes.items[i]],
				    &worker->tallies.items[i]);
	mf_vec_foreach(part, &worker->parts)
		mf_vec_push(&objects->parts, *part);
	mf_vec_foreach(member, &worker->members)
		mf_vec_push(&objects->members, *member);
	mf_rust_merge(objects->rust, worker->rust);
	mf_shapes_merge(&objects->shapes, &worker->shapes);
	worker_destroy(worker);
}

static int compare_members(const void *left, const void *right)
{
	const struct mf_object_member *a = left, *b = right;

	if (a->outer != b->outer)
		return a->outer < b->outer ? -1 : 1;
	if (a->offset != b->offset)
		return a->offset < b->offset ? -1 : 1;
	return (a->inner > b->inner) - (a->inner < b->inner);
}

static bool is_same_place(const struct mf_object_member *a,
			  const struct mf_object_member *b)
{
	return a->outer == b->outer && a->offset == b->offset;
}

/*
 * Members [FIRST, END) are of one place: in each object of the outer class one
 * of them is there, or else what is there in a few may be left of others that
 * had the memory before.
 */
static void count_place(struct mf_objects *objects, size_t first, size_t end)
{
	const struct mf_object_member *members = objects->members.items;
	const struct mf_object_tally *outer =
		&objects->tallies[members[first].outer];
	uint64_t sum = 0;

	for (size_t i = first; i < end; i++)
		sum += members[i].count;
	for (size_t i = first; i < end; i++) {
		struct mf_object_tally *inner =
			&objects->tallies[members[i].inner];

		if (sum == outer->started - outer->expired)
			inner->members += members[i].count;
		else
			inner->remains += members[i].count;
	}
}

static void count_members(struct mf_objects *objects)
{
	size_t first = 0, count = objects->members.count;

	mf_vec_sort(&objects->members, compare_members);
	for (size_t i = 1; i <= count; i++) {
		if (i < count && is_same_place(&objects->members.items[first],
					       &objects->members.items[i]))
			continue;
		count_place(objects, first, i);
		first = i;
	}
	objects->members.count = 0;
}

static struct mf_error *finish(const struct mf_scan_context *context,
			       void *scanner)
{
	struct mf_objects *objects = scanner;

	mf_rust_finish(objects->rust, context);
	mf_object_parts_count(objects, context->target);
	count_members(objects);
	mf_objects_make_rows(objects);
	mf_shapes_make_rows(&objects->shapes, context->target, &objects->rows);
	mf_object_rows_sort(&objects->rows);
	return NULL;
}

static struct mf_error *begin(const struct mf_scan_context *context,
			      void *scanner)
{
	struct mf_objects *objects = scanner;

	mf_rust_begin(objects->rust, context);
	memset(objects->tallies, 0,
	       objects->vtables->classes.count * sizeof(*objects->tallies));
	objects->parts.count = objects->members.count = 0;
	mf_shapes_deinit(&objects->shapes);
	mf_shapes_init(&objects->shapes, context->input, objects->vtables);
	mf_object_rows_deinit(&objects->rows);
	return NULL;
}

static void write_rows(const void *scanner, const struct mf_scan *scan,
		       struct mf_report *report)
{
	const struct mf_objects *objects = scanner;

	mf_object_rows_write(&objects->rows, objects->vtables,
			     mf_scan_keepers(scan), report);
}

const struct mf_scanner_ops mf_scan_objects_ops = {
	.scans_for = MF_SCAN_OBJECTS,
	.create = create,
	.begin = begin,
	.worker_create = worker_create,
	.window = look_at_window,
	.merge = merge,
	.finish = finish,
	.write = write_rows,
	.destroy = destroy,
};
