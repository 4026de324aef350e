/*
 * Shapes as they are seen in a window: what a few words say by themselves, and
 * the chunks that they say they own. Nodes can only be counted here; whether
 * they are linked is asked of a few, later.
 */
#include "scan/shapes.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum {
	CHUNK_MIN = 32,
	ALIGNMENT = 16,
	CHECKS = 512,	 /* of one shape, in one window */
	KEPT_MAX = 1024, /* nodes of one size that are kept, */
	ROOM = 1 << 14,	 /* and of all sizes */
	SPARE = 1 << 16, /* and of all, beyond that */
	SHORT_MAX = 15,
	BLOCK = 512, /* bytes of a deque's */
	DEQUE_WORDS = 10,
	TREE_WORDS = 4,
	NODE_WORDS = 5, /* of a tree with the smallest value */
	PAGE = 4096,
	LOWEST = 1 << 22, /* no program is loaded below */
};

static const uint64_t size_max = (uint64_t)1 << 40;

/* ---- life ------------------------------------------------------------------------ */

static bool see_first(const struct mf_chunk *chunk, void *data)
{
	*(uint64_t *)data = chunk->address;
	return false;
}

/* Of what is scanned, from the first chunk on. */
static void set_bounds(struct mf_shapes *shapes)
{
	const struct mf_scan_input *input = shapes->input;
	uint64_t first = 0, end = 0;

	mf_heap_each_chunk(input->heap, 0, UINT64_MAX, see_first, &first);
	for (size_t i = 0; i < input->range_count; i++) {
		if (!first || input->ranges[i].start < first)
			first = input->ranges[i].start;
		end = MF_MAX(end, input->ranges[i].end);
	}
	shapes->low = first;
	shapes->span = end > first ? end - first : 0;
}

/* The library of C++ itself: programs in C may need one that needs it. */
static bool is_runtime(const struct mf_module *module)
{
	return strncmp(module->name, "libstdc++.so", 12) == 0 ||
	       strncmp(module->name, "libc++", 6) == 0;
}

void mf_shapes_init(struct mf_shapes *shapes, const struct mf_scan_input *input,
		    const struct mf_vtables *vtables)
{
	bool any = false;

	*shapes = (struct mf_shapes){ 0 };
	for (size_t i = 0; i < vtables->classes.count; i++) {
		const struct mf_vtable_class *class =
			&vtables->classes.items[i];
		const char *raw = class->raw;
		bool known = class->proof != MF_VTABLE_ADDRESS;

		any |= known;
		shapes->classes |= known && !is_runtime(class->module);
		shapes->llvm |= raw && strstr(raw, "NSt3__1");
		shapes->gnu |= raw && strstr(raw, "NSt7__cxx11");
	}
	shapes->gnu |= !shapes->llvm;
	if (!any || !input->heap)
		return;
	shapes->input = input;
	shapes->room = ROOM;
	set_bounds(shapes);
}

void mf_shapes_deinit(struct mf_shapes *shapes)
{
	mf_vec_foreach(nodes, &shapes->nodes)
		mf_vec_deinit(&nodes->kept);
	mf_vec_deinit(&shapes->nodes);
	mf_vec_deinit(&shapes->tables);
	mf_map_deinit(&shapes->node_at);
	shapes->input = NULL;
}

void mf_shapes_fork(const struct mf_shapes *from, struct mf_shapes *ret)
{
	*ret = (struct mf_shapes){
		.input = from->input,
		.low = from->low,
		.span = from->span,
		.gnu = from->gnu,
		.llvm = from->llvm,
		.spare = SPARE,
		.room = ROOM,
	};
}

void mf_shapes_begin_window(struct mf_shapes *shapes)
{
	for (unsigned i = 0; i < MF_SHAPE_OWNERS; i++)
		shapes->checks[i] = CHECKS;
	shapes->past = 0;
}

static void note_example(uint64_t *example, uint64_t address)
{
	if (!*example || address < *example)
		*example = address;
}

/* ---- owners ----------------------------------------------------------------------- */

/* What malloc makes of a request; it may be one step more where what would
 * remain is too small for a chunk. Others have classes of sizes, four to a
 * power of two. */
static bool fits(const struct mf_chunk *chunk, uint64_t request)
{
	uint64_t size = (request + sizeof(uint64_t) + ALIGNMENT - 1) &
			~(uint64_t)(ALIGNMENT - 1);

	size = MF_MAX(size, (uint64_t)CHUNK_MIN);
	if (chunk->usable < request)
		return false;
	if (chunk->kind == MF_KIND_MMAPPED)
		return chunk->size - request < PAGE + 2 * ALIGNMENT;
	if (chunk->user == chunk->address)
		return chunk->size - request <=
		       MF_MAX((uint64_t)ALIGNMENT, request / 4);
	return chunk->size >= size && chunk->size - size <= ALIGNMENT;
}

bool mf_shapes_is_chunk(const struct mf_heap *heap, uint64_t start,
			uint64_t request, struct mf_chunk *ret)
{
	return mf_heap_chunk_at(heap, start, ret) && ret->user == start &&
	       (ret->kind == MF_KIND_IN_USE || ret->kind == MF_KIND_MMAPPED) &&
	       fits(ret, request);
}

static bool owns(const struct mf_shapes *shapes, uint64_t start,
		 uint64_t request, struct mf_chunk *ret)
{
	return mf_shapes_is_chunk(shapes->input->heap, start, request, ret);
}

static void see_owner(struct mf_shapes *shapes, enum mf_shape shape,
		      uint64_t start, uint64_t request)
{
	struct mf_shape_owners *owners = &shapes->owners[shape];
	struct mf_chunk chunk;

	owners->seen++;
	if (shapes->checks[shape])
		shapes->checks[shape]--;
	else if (shapes->spare)
		shapes->spare--;
	else
		return;
	owners->checked++;
	if (!owns(shapes, start, request, &chunk))
		return;
	owners->held++;
	owners->count++;
	owners->bytes += chunk.size;
	note_example(&owners->example, start);
}

/* Its text is in it, and ends where it says. */
static void see_short(struct mf_shapes *shapes,
		      const struct mf_shape_words *words, size_t i)
{
	struct mf_shape_owners *owners = &shapes->owners[MF_SHAPE_SHORT_STRING];
	const char *text = (const char *)&words->words[i + 2];
	uint64_t length = words->words[i + 1];

	if (length > SHORT_MAX || text[length] ||
	    memchr(text, '\0', SHORT_MAX + 1) != text + length)
		return;
	owners->seen++;
	owners->checked++;
	owners->held++;
	owners->count++;
	note_example(&owners->example, words->address + i * sizeof(uint64_t));
}

/* current, first, last of a block, and where that is in the map */
static bool is_iterator(const uint64_t *words, uint64_t map, uint64_t map_end)
{
	return words[2] - words[1] == BLOCK && words[0] >= words[1] &&
	       words[0] < words[2] && words[3] >= map && words[3] < map_end &&
	       words[3] % sizeof(uint64_t) == 0;
}

static bool see_deque(struct mf_shapes *shapes, const uint64_t *words)
{
	struct mf_shape_owners *owners = &shapes->owners[MF_SHAPE_DEQUE];
	uint64_t map = words[0], slots = words[1];
	struct mf_chunk chunk;
	uint64_t blocks;

	if (slots < 3 || slots > size_max / sizeof(uint64_t) ||
	    !is_iterator(words + 2, map, map + slots * sizeof(uint64_t)) ||
	    !is_iterator(words + 6, map, map + slots * sizeof(uint64_t)) ||
	    words[5] > words[9])
		return false;
	owners->seen++;
	owners->checked++;
	if (!owns(shapes, map, slots * sizeof(uint64_t), &chunk) ||
	    !owns(shapes, words[3], BLOCK, &chunk))
		return true;
	blocks = (words[9] - words[5]) / sizeof(uint64_t) + 1;
	owners->held++;
	owners->count += blocks;
	owners->bytes += blocks * chunk.size;
	note_example(&owners->example, words[3]);
	return true;
}

/* buckets, how many, the first node, elements, and the load factor 1.0 */
static bool see_table(struct mf_shapes *shapes,
		      const struct mf_shape_words *words, size_t i)
{
	const uint32_t one = 0x3f800000;
	const uint64_t *at = words->words + i;

	if ((uint32_t)at[4] != one || !at[1] || at[1] > size_max || !at[3] ||
	    at[3] > size_max || !mf_shapes_is_near(shapes, at[2]) ||
	    at[2] % ALIGNMENT)
		return false;
	if (shapes->tables.count >= MF_SHAPE_TABLES) {
		shapes->tables_lost++;
		return true;
	}
	mf_vec_push(
		&shapes->tables,
		(struct mf_shape_table){ words->address + i * sizeof(uint64_t),
					 at[0], at[1], at[2], at[3] });
	return true;
}

static void see_llvm_string(struct mf_shapes *shapes, const uint64_t *at)
{
	uint64_t capacity = at[-2] & ~UINT64_C(1);

	if (at[-2] & 1 && capacity > at[-1] && capacity % ALIGNMENT == 0 &&
	    capacity >= CHUNK_MIN && capacity < size_max)
		see_owner(shapes, MF_SHAPE_LLVM_STRING, at[0], capacity);
}

/* Three words of many in order, to things side by side: no vector's. */
static bool is_in_row(const uint64_t *at, size_t before, size_t left)
{
	return before && left > 3 && at[-1] < at[0] && at[0] < at[1] &&
	       at[1] < at[2] && at[2] < at[3] && at[3] - at[-1] < PAGE &&
	       at[1] % ALIGNMENT == 0 && at[2] % ALIGNMENT == 0 &&
	       at[3] % ALIGNMENT == 0;
}

void mf_shapes_see_pointer(struct mf_shapes *shapes,
			   const struct mf_shape_words *words, size_t i)
{
	const uint64_t *at = words->words + i;
	size_t left = words->count - i;
	uint64_t address = words->address + i * sizeof(uint64_t);

	if (address < shapes->past)
		return;
	if (shapes->llvm && i >= 2)
		see_llvm_string(shapes, at);
	if (left >= 4 && shapes->gnu &&
	    at[0] == address + 2 * sizeof(uint64_t)) {
		see_short(shapes, words, i);
		return;
	}
	if (left < 3 || at[0] % ALIGNMENT)
		return;
	if (left >= NODE_WORDS && see_table(shapes, words, i))
		return;
	if (left >= DEQUE_WORDS && shapes->gnu && see_deque(shapes, at)) {
		shapes->past = address + DEQUE_WORDS * sizeof(uint64_t);
		return;
	}
	if (at[2] - at[0] - 1 < size_max) {
		if (at[1] - at[0] <= at[2] - at[0] && !is_in_row(at, i, left))
			see_owner(shapes, MF_SHAPE_VECTOR, at[0],
				  at[2] - at[0]);
		return;
	}
	if (shapes->gnu && at[1] <= at[2] && at[2] > SHORT_MAX &&
	    at[2] < size_max)
		see_owner(shapes, MF_SHAPE_STRING, at[0], at[2] + 1);
}

/* ---- nodes ------------------------------------------------------------------------ */

static bool is_link(const struct mf_shapes *shapes, uint64_t word)
{
	return mf_shapes_is_near(shapes, word) && word % ALIGNMENT == 0;
}

/* To a node, or to nothing. */
static bool is_child(const struct mf_shapes *shapes, uint64_t word)
{
	return !word || is_link(shapes, word);
}

/* To a node, or to what has no chunk of its own: the end in the container. */
static bool is_parent(uint64_t word)
{
	return word >= LOWEST && word % sizeof(uint64_t) == 0 &&
	       word >> 47 == 0;
}

static enum mf_shape shape_of(const struct mf_shapes *shapes,
			      const struct mf_shape_words *words)
{
	const uint64_t *at = words->words;

	if (words->count >= NODE_WORDS && shapes->gnu && (uint32_t)at[0] <= 1 &&
	    is_parent(at[1]) && is_child(shapes, at[2]) &&
	    is_child(shapes, at[3]))
		return MF_SHAPE_TREE;
	if (words->count >= NODE_WORDS && shapes->llvm &&
	    is_child(shapes, at[0]) && is_child(shapes, at[1]) &&
	    is_parent(at[2]) && (uint8_t)at[3] <= 1)
		return MF_SHAPE_LLVM_TREE;
	if (words->count >= 3 && is_parent(at[0]) && is_parent(at[1]) &&
	    (is_link(shapes, at[0]) || is_link(shapes, at[1])))
		return MF_SHAPE_LIST;
	return MF_SHAPES;
}

static unsigned worst_of(const struct mf_shape_nodes *nodes)
{
	unsigned worst = 0;

	for (unsigned i = 1; i < nodes->sample_count; i++)
		if (mf_hash64(nodes->samples[i]) >
		    mf_hash64(nodes->samples[worst]))
			worst = i;
	return worst;
}

static void add_sample(struct mf_shape_nodes *nodes, uint64_t address)
{
	if (nodes->sample_count < MF_SHAPE_SAMPLES) {
		nodes->samples[nodes->sample_count++] = address;
		nodes->worst = worst_of(nodes);
	} else if (mf_hash64(address) <
		   mf_hash64(nodes->samples[nodes->worst])) {
		nodes->samples[nodes->worst] = address;
		nodes->worst = worst_of(nodes);
	}
}

static void keep_none(struct mf_shape_nodes *nodes)
{
	mf_vec_deinit(&nodes->kept);
	nodes->many = true;
}

static void keep(struct mf_shapes *shapes, struct mf_shape_nodes *nodes,
		 uint64_t address)
{
	if (nodes->many)
		return;
	if (nodes->kept.count >= KEPT_MAX || !shapes->room) {
		keep_none(nodes);
		return;
	}
	shapes->room--;
	mf_vec_push(&nodes->kept, address);
}

static struct mf_shape_nodes *nodes_of(struct mf_shapes *shapes,
				       enum mf_shape shape, uint64_t size)
{
	uint64_t key = size << 8 | shape;
	const uint64_t *known = mf_map_get(&shapes->node_at, key);
	struct mf_shape_nodes *nodes;

	if (known)
		return &shapes->nodes.items[*known];
	if (shapes->nodes.count >= MF_SHAPE_GROUPS)
		return NULL;
	mf_map_set(&shapes->node_at, key, shapes->nodes.count);
	nodes = mf_vec_add(&shapes->nodes);
	nodes->shape = shape;
	nodes->size = size;
	return nodes;
}

enum mf_shape mf_shapes_of_chunk(struct mf_shapes *shapes,
				 const struct mf_shape_words *words)
{
	enum mf_shape shape = shape_of(shapes, words);

	/* links of a tree may lie in the order of a vector's words */
	if (shape == MF_SHAPE_TREE || shape == MF_SHAPE_LLVM_TREE)
		shapes->past = words->address + TREE_WORDS * sizeof(uint64_t);
	return shape;
}

void mf_shapes_add_node(struct mf_shapes *shapes, enum mf_shape shape,
			const struct mf_shape_words *words)
{
	struct mf_shape_nodes *nodes =
		nodes_of(shapes, shape, words->chunk_size);

	if (!nodes)
		return;
	nodes->count++;
	note_example(&nodes->example, words->address);
	add_sample(nodes, words->address);
	keep(shapes, nodes, words->address);
}

/* ---- together ---------------------------------------------------------------------- */

static void merge_owners(struct mf_shape_owners *into,
			 const struct mf_shape_owners *from)
{
	into->seen += from->seen;
	into->checked += from->checked;
	into->held += from->held;
	into->count += from->count;
	into->bytes += from->bytes;
	if (from->example)
		note_example(&into->example, from->example);
}

void mf_shapes_merge(struct mf_shapes *into, const struct mf_shapes *from)
{
	for (unsigned i = 0; i < MF_SHAPE_OWNERS; i++)
		merge_owners(&into->owners[i], &from->owners[i]);
	for (size_t i = 0; i < from->nodes.count; i++) {
		const struct mf_shape_nodes *part = &from->nodes.items[i];
		struct mf_shape_nodes *nodes =
			nodes_of(into, part->shape, part->size);

		if (!nodes)
			continue;
		nodes->count += part->count;
		note_example(&nodes->example, part->example);
		for (unsigned k = 0; k < part->sample_count; k++)
			add_sample(nodes, part->samples[k]);
		for (size_t k = 0; k < part->kept.count; k++)
			keep(into, nodes, part->kept.items[k]);
		if (part->many)
			keep_none(nodes);
	}
	for (size_t i = 0; i < from->tables.count; i++)
		mf_vec_push(&into->tables, from->tables.items[i]);
	into->tables_lost += from->tables_lost;
}
