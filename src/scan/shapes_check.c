/*
 * What shapes seen in windows are worth: nodes are asked whether those that
 * they point to point back, tables whether their chain is as long as they say;
 * and what holds becomes a row.
 */
#include <stdlib.h>

#include "base/memory.h"
#include "scan/objects.h"

enum {
	FEW = 16,      /* by chance, where a program has no class of its own */
	WALK_MAX = 64, /* nodes of one table */
	WALK_ALL = 1 << 15, /* of all; then 2 of each */
	SURE = 95,	    /* per cent of the samples that must hold */
	LIKELY = 50,
	OWN_BUCKET = 48, /* bytes into a table of libstdc++ */
};

static const char *const names[MF_SHAPES] = {
	[MF_SHAPE_STRING] = "std::string text",
	[MF_SHAPE_LLVM_STRING] = "std::string text",
	[MF_SHAPE_SHORT_STRING] = "std::string, short",
	[MF_SHAPE_VECTOR] = "std::vector elements",
	[MF_SHAPE_DEQUE] = "std::deque block",
	[MF_SHAPE_HASH] = "std::unordered_map or set node",
	[MF_SHAPE_TREE] = "std::map or set node",
	[MF_SHAPE_LLVM_TREE] = "std::map or set node",
	[MF_SHAPE_LIST] = "node of a std::list or other list",
};

/* ---- owners ----------------------------------------------------------------------- */

/* Where most are what they look like, so are those that were not looked at. */
static bool can_scale(const struct mf_shape_owners *owners)
{
	return owners->held * 100 >= owners->checked * SURE;
}

static uint64_t scaled(uint64_t part, const struct mf_shape_owners *owners)
{
	if (!can_scale(owners))
		return part;
	return (uint64_t)((double)part * (double)owners->seen /
			  (double)owners->checked);
}

static void add_owners(struct mf_object_rows *rows, enum mf_shape shape,
		       const struct mf_shape_owners *owners)
{
	bool all = owners->checked == owners->seen;
	struct mf_object_row row = {
		.type = names[shape],
		.language = "c++",
		.evidence = "shape",
		.count = owners->count,
		.bytes = owners->bytes,
		.example = owners->example,
		.confidence = all ? MF_OBJECT_MEDIUM : MF_OBJECT_LOW,
	};

	if (!owners->held)
		return;
	if (!all) {
		row.count = scaled(row.count, owners);
		row.bytes = scaled(row.bytes, owners);
		row.note = mf_pool_printf(
			&rows->pool, "%s: %llu of %llu looked at",
			can_scale(owners) ? "about" : "at least",
			(unsigned long long)owners->checked,
			(unsigned long long)owners->seen);
	}
	if (shape == MF_SHAPE_SHORT_STRING)
		row.inside = row.count;
	mf_vec_push(&rows->list, row);
}

/* ---- nodes ------------------------------------------------------------------------ */

static bool reads(struct mf_target *target, uint64_t address, uint64_t *words,
		  size_t count)
{
	return mf_target_try_read(target, address, words,
				  count * sizeof(*words));
}

/* The parent has it for a child; or is the end, whose parent it is. */
static bool is_in_tree(struct mf_target *target, uint64_t node)
{
	uint64_t own[4], parent[4];

	return reads(target, node, own, 4) &&
	       reads(target, own[1], parent, 4) &&
	       (parent[2] == node || parent[3] == node || parent[1] == node);
}

static bool is_in_llvm_tree(struct mf_target *target, uint64_t node)
{
	uint64_t own[3], parent[2];

	return reads(target, node, own, 3) &&
	       reads(target, own[2], parent, 2) &&
	       (parent[0] == node || parent[1] == node);
}

static bool is_in_list(struct mf_target *target, uint64_t node)
{
	uint64_t own[2], next[2], previous[2];

	return reads(target, node, own, 2) && own[0] != node &&
	       reads(target, own[0], next, 2) && next[1] == node &&
	       reads(target, own[1], previous, 2) && previous[0] == node;
}

static bool holds(struct mf_target *target, enum mf_shape shape, uint64_t node)
{
	if (shape == MF_SHAPE_TREE)
		return is_in_tree(target, node);
	if (shape == MF_SHAPE_LLVM_TREE)
		return is_in_llvm_tree(target, node);
	return is_in_list(target, node);
}

static uint64_t count_held(struct mf_target *target, enum mf_shape shape,
			   const uint64_t *nodes, size_t count)
{
	uint64_t held = 0;

	for (size_t i = 0; i < count; i++)
		held += holds(target, shape, nodes[i]);
	return held;
}

/* All are asked where they are few, else a sample. */
static void add_nodes(struct mf_object_rows *rows, struct mf_target *target,
		      const struct mf_shape_nodes *nodes)
{
	const uint64_t *asked =
		nodes->many ? nodes->samples : nodes->kept.items;
	uint64_t all = nodes->many ? nodes->sample_count : nodes->kept.count;
	uint64_t held = count_held(target, nodes->shape, asked, all);
	uint64_t count = nodes->many ? nodes->count * held / all : held;
	bool sure = !nodes->many || held * 100 >= all * SURE;

	if (!held || (nodes->many && held * 100 < all * LIKELY))
		return;
	mf_vec_push(
		&rows->list,
		(struct mf_object_row){
			.type = mf_pool_printf(&rows->pool, "%s, %llu bytes",
					       names[nodes->shape],
					       (unsigned long long)nodes->size),
			.language = "c++",
			.evidence = "shape",
			.note = nodes->many
					? mf_pool_printf(
						  &rows->pool,
						  "%llu of %llu hold together",
						  (unsigned long long)held,
						  (unsigned long long)all)
					: NULL,
			.count = count,
			.bytes = count * nodes->size,
			.example = nodes->example,
			.confidence = sure ? MF_OBJECT_MEDIUM : MF_OBJECT_LOW,
		});
}

/* ---- hash tables -------------------------------------------------------------------- */

struct walk {
	const struct mf_heap *heap;
	struct mf_target *target;
	uint64_t left; /* steps */
};

/* With a load factor of 1 there are as many buckets as nodes at least: a chunk
 * full of them, or the one that libstdc++ has in the table. */
static bool has_buckets(const struct walk *walk,
			const struct mf_shape_table *table)
{
	struct mf_chunk chunk;

	if (table->count > table->bucket_count)
		return false;
	if (table->bucket_count == 1 &&
	    table->buckets == table->address + OWN_BUCKET)
		return true;
	return mf_shapes_is_chunk(walk->heap, table->buckets,
				  table->bucket_count * sizeof(uint64_t),
				  &chunk);
}

/* The size of its nodes' chunks; 0: they are none, or not as many. */
static uint64_t node_size(struct walk *walk, const struct mf_shape_table *table)
{
	uint64_t node = table->first, size = 0, steps = 0;
	uint64_t most = walk->left > WALK_MAX ? WALK_MAX : 2;
	struct mf_chunk chunk;

	if (!has_buckets(walk, table))
		return 0;
	for (; node && steps < most && steps < table->count; steps++) {
		if (!mf_heap_chunk_at(walk->heap, node, &chunk) ||
		    chunk.user != node || chunk.kind != MF_KIND_IN_USE ||
		    !mf_target_read_u64(walk->target, node, &node))
			return 0;
		if (!size || chunk.size < size)
			size = chunk.size;
	}
	walk->left -= MF_MIN(steps, walk->left);
	if (steps == table->count)
		return node ? 0 : size;
	return steps == most ? size : 0;
}

struct node_sizes {
	MF_VEC(struct mf_object_row) rows;
	struct mf_map at; /* size: index */
};

static struct mf_object_row *row_of(struct node_sizes *sizes,
				    struct mf_pool *pool, uint64_t size)
{
	const uint64_t *known = mf_map_get(&sizes->at, size);
	struct mf_object_row *row;

	if (known)
		return &sizes->rows.items[*known];
	mf_map_set(&sizes->at, size, sizes->rows.count);
	row = mf_vec_add(&sizes->rows);
	*row = (struct mf_object_row){
		.type = mf_pool_printf(pool, "%s, %llu bytes",
				       names[MF_SHAPE_HASH],
				       (unsigned long long)size),
		.language = "c++",
		.evidence = "shape",
		.example = UINT64_MAX,
		.confidence = MF_OBJECT_MEDIUM,
	};
	return row;
}

static void add_table(struct node_sizes *sizes, struct mf_pool *pool,
		      const struct mf_shape_table *table, uint64_t size)
{
	struct mf_object_row *row = row_of(sizes, pool, size);

	row->count += table->count;
	row->bytes += table->count * size;
	row->example = MF_MIN(row->example, table->first);
}

static int compare_tables(const void *left, const void *right)
{
	const struct mf_shape_table *a = left, *b = right;

	if (a->first != b->first)
		return a->first < b->first ? -1 : 1;
	return (a->address > b->address) - (a->address < b->address);
}

/* Two tables of one chain: the later words are a copy, left by a move. */
static void add_tables(struct mf_shapes *shapes, struct mf_target *target,
		       struct mf_object_rows *rows)
{
	struct walk walk = { shapes->input->heap, target, WALK_ALL };
	struct node_sizes sizes = { 0 };
	uint64_t last = 0;

	mf_vec_sort(&shapes->tables, compare_tables);
	for (size_t i = 0; i < shapes->tables.count; i++) {
		const struct mf_shape_table *table = &shapes->tables.items[i];
		uint64_t size =
			table->first == last ? 0 : node_size(&walk, table);

		if (!size)
			continue;
		last = table->first;
		add_table(&sizes, &rows->pool, table, size);
	}
	for (size_t i = 0; i < sizes.rows.count; i++) {
		struct mf_object_row *row = &sizes.rows.items[i];

		if (shapes->tables_lost) {
			row->confidence = MF_OBJECT_LOW;
			row->note = "more tables than were followed";
		}
		mf_vec_push(&rows->list, *row);
	}
	mf_vec_deinit(&sizes.rows);
	mf_map_deinit(&sizes.at);
}

/* Without a class of the program's own, rows from FIRST on: few of a shape are
 * likely chance, and certainly where there are few of each. */
static void doubt_few(struct mf_object_rows *rows, size_t first)
{
	bool many = false;

	for (size_t i = first; i < rows->list.count; i++)
		many |= rows->list.items[i].count >= FEW;
	if (!many)
		rows->list.count = MF_MIN(rows->list.count, first);
	for (size_t i = first; i < rows->list.count; i++)
		if (rows->list.items[i].count < FEW)
			rows->list.items[i].confidence = MF_OBJECT_LOW;
}

void mf_shapes_make_rows(struct mf_shapes *shapes, struct mf_target *target,
			 struct mf_object_rows *rows)
{
	size_t first = rows->list.count;

	if (!shapes->input)
		return;
	for (unsigned i = 0; i < MF_SHAPE_OWNERS; i++)
		add_owners(rows, (enum mf_shape)i, &shapes->owners[i]);
	for (size_t i = 0; i < shapes->nodes.count; i++)
		add_nodes(rows, target, &shapes->nodes.items[i]);
	add_tables(shapes, target, rows);
	if (!shapes->classes)
		doubt_few(rows, first);
}
