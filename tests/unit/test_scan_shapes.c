/*
 * Containers of C++ by their shapes, in a heap made by hand whose chunks are
 * known: what each one owns is counted, and what only looks like one is not.
 */
#include "rtti_util.h"
#include "scan/objects.h"
#include "scan_util.h"

enum {
	HEAP_SIZE = 16 * PAGE,
	HEADER = 16,
	CHUNKS = 2048,
	ONE = 0x3f800000, /* 1.0, a load factor */
};

struct mf_heap {
	struct mf_chunk chunks[CHUNKS];
	size_t count;
};

struct shapes {
	struct world *world;
	struct forged_scan scan;
	struct mf_heap heap;
	struct mf_scan_range range;
	union {
		uint64_t words[HEAP_SIZE / 8];
		uint8_t bytes[HEAP_SIZE];
	};
	uint32_t next;
};

/* ---- the heap's door --------------------------------------------------------- */

void mf_heap_each_chunk(const struct mf_heap *heap, uint64_t start,
			uint64_t end, mf_chunk_visitor visit, void *data)
{
	for (size_t i = 0; i < heap->count; i++) {
		const struct mf_chunk *chunk = &heap->chunks[i];

		if (chunk->address < end &&
		    chunk->address + chunk->size > start && !visit(chunk, data))
			return;
	}
}

bool mf_heap_chunk_at(const struct mf_heap *heap, uint64_t address,
		      struct mf_chunk *ret)
{
	for (size_t i = 0; i < heap->count; i++)
		if (address - heap->chunks[i].address < heap->chunks[i].size) {
			*ret = heap->chunks[i];
			return true;
		}
	return false;
}

const struct mf_allocator *mf_heap_allocators(const struct mf_heap *heap,
					      size_t *count)
{
	(void)heap;
	*count = 0;
	return NULL;
}

const char *mf_heap_chunk_kind_name(enum mf_chunk_kind kind)
{
	return kind == MF_KIND_IN_USE ? "in_use" : "";
}

/* ---- a heap by hand ------------------------------------------------------------ */

static void shapes_init(struct shapes *shapes)
{
	const struct mf_mapping mapping = {
		.start = FORGED_SCAN_ADDRESS,
		.end = FORGED_SCAN_ADDRESS + HEAP_SIZE,
		.perms = RW,
		.path = "",
	};

	memset(shapes, 0, sizeof(*shapes));
	shapes->range.start = mapping.start;
	shapes->range.end = mapping.end;
	shapes->world = world_create();
	world_vtable(shapes->world, 0, world_class(shapes->world, "4Base"));
	forged_scan_init(&shapes->scan, shapes->bytes, HEAP_SIZE);
	mf_target_forge_mapping(shapes->world->target, &mapping, shapes->bytes,
				NULL);
	shapes->scan.input.target = shapes->world->target;
	shapes->scan.input.image = &shapes->world->image;
	shapes->scan.input.heap = &shapes->heap;
	shapes->scan.input.ranges = &shapes->range;
	shapes->scan.input.range_count = 1;
}

static void shapes_deinit(struct shapes *shapes)
{
	forged_scan_deinit(&shapes->scan);
	world_destroy(shapes->world);
}

/* What malloc(REQUEST) gives: its address. */
static uint64_t allocate(struct shapes *shapes, uint32_t request)
{
	uint32_t size = MF_MAX((request + 8 + 15) / 16 * 16, 32U);
	uint32_t at = shapes->next + HEADER;
	uint64_t address = FORGED_SCAN_ADDRESS + at;

	assert_true(shapes->heap.count < CHUNKS);
	shapes->heap.chunks[shapes->heap.count++] = (struct mf_chunk){
		.address = address - HEADER,
		.size = size,
		.user = address,
		.usable = size - 8,
		.kind = MF_KIND_IN_USE,
	};
	forged_scan_chunk(&shapes->scan, at, at + size - 8);
	shapes->next += size;
	assert_true(shapes->next + HEADER <= HEAP_SIZE);
	return address;
}

static uint64_t *at(struct shapes *shapes, uint64_t address)
{
	return &shapes->words[(address - FORGED_SCAN_ADDRESS) / 8];
}

static const struct mf_object_row *row_of(const struct shapes *shapes,
					  const char *type)
{
	const struct mf_objects *objects = shapes->scan.scanner;
	const struct mf_object_row *found = NULL;

	for (size_t i = 0; i < objects->rows.list.count; i++) {
		const struct mf_object_row *row = &objects->rows.list.items[i];

		if (!row->type || strcmp(row->type, type) != 0)
			continue;
		assert_null(found);
		found = row;
	}
	return found;
}

/* In one window, and in two. */
static void expect(struct shapes *shapes, const char *type, uint64_t count,
		   uint64_t bytes)
{
	for (uint32_t split = 0; split <= PAGE; split += PAGE) {
		const struct mf_object_row *row;

		mf_target_forget(shapes->world->target);
		forged_scan_run(&shapes->scan, &mf_scan_objects_ops, split);
		row = row_of(shapes, type);
		assert_int_equal(row ? row->count : 0, count);
		if (!row)
			continue;
		assert_int_equal(row->bytes, bytes);
		assert_string_equal(row->evidence, "shape");
		assert_true(row->confidence != MF_OBJECT_HIGH);
	}
}

/* ---- strings, vectors ---------------------------------------------------------- */

static void finds_what_strings_and_vectors_own(void **state)
{
	struct shapes shapes;
	uint64_t holder, text, elements;

	(void)state;
	shapes_init(&shapes);
	holder = allocate(&shapes, 96);
	text = allocate(&shapes, 101);
	elements = allocate(&shapes, 160);
	at(&shapes, holder)[0] = text; /* begin, length, capacity */
	at(&shapes, holder)[1] = 90;
	at(&shapes, holder)[2] = 100;
	at(&shapes, holder)[4] = elements; /* begin, end, of capacity */
	at(&shapes, holder)[5] = elements + 96;
	at(&shapes, holder)[6] = elements + 160;
	expect(&shapes, "std::string text", 1, 112);
	expect(&shapes, "std::vector elements", 1, 176);
	/* that much was never asked for */
	at(&shapes, holder)[2] = 300;
	at(&shapes, holder)[6] = elements + 800;
	expect(&shapes, "std::string text", 0, 0);
	expect(&shapes, "std::vector elements", 0, 0);
	shapes_deinit(&shapes);
}

static void finds_short_strings(void **state)
{
	struct shapes shapes;
	uint64_t holder;

	(void)state;
	shapes_init(&shapes);
	holder = allocate(&shapes, 64);
	at(&shapes, holder)[1] = holder + 24; /* to its own text */
	at(&shapes, holder)[2] = 5;
	memcpy(&at(&shapes, holder)[3], "hello", 5);
	expect(&shapes, "std::string, short", 1, 0);
	at(&shapes, holder)[2] = 4; /* it does not end there */
	expect(&shapes, "std::string, short", 0, 0);
	shapes_deinit(&shapes);
}

/* ---- nodes --------------------------------------------------------------------- */

/* Nodes of 40 bytes in a ring, the last of them in no chunk. */
static void finds_nodes_of_lists(void **state)
{
	struct shapes shapes;
	uint64_t nodes[11];

	(void)state;
	shapes_init(&shapes);
	for (size_t i = 0; i < 10; i++)
		nodes[i] = allocate(&shapes, 40);
	nodes[10] = FORGED_SCAN_ADDRESS + HEAP_SIZE - 64;
	for (size_t i = 0; i < 11; i++) {
		at(&shapes, nodes[i])[0] = nodes[(i + 1) % 11];
		at(&shapes, nodes[i])[1] = nodes[(i + 10) % 11];
	}
	expect(&shapes, "node of a std::list or other list, 48 bytes", 10, 480);
	/* nobody points back at three of them */
	at(&shapes, nodes[3])[0] = nodes[3];
	expect(&shapes, "node of a std::list or other list, 48 bytes", 8, 384);
	shapes_deinit(&shapes);
}

/* A root with two children, under the end that is in the container. */
static void finds_nodes_of_trees(void **state)
{
	struct shapes shapes;
	uint64_t end = FORGED_SCAN_ADDRESS + HEAP_SIZE - 64, nodes[3];

	(void)state;
	shapes_init(&shapes);
	for (size_t i = 0; i < 3; i++)
		nodes[i] = allocate(&shapes, 40);
	for (size_t i = 0; i < 3; i++) {
		at(&shapes, nodes[i])[0] = i != 0; /* colour */
		at(&shapes, nodes[i])[1] = i ? nodes[0] : end;
		at(&shapes, nodes[i])[4] = 7;
	}
	at(&shapes, end)[1] = nodes[0];
	at(&shapes, nodes[0])[2] = nodes[1];
	at(&shapes, nodes[0])[3] = nodes[2];
	expect(&shapes, "std::map or set node, 48 bytes", 3, 144);
	at(&shapes, nodes[0])[3] = nodes[1]; /* the third is nobody's */
	expect(&shapes, "std::map or set node, 48 bytes", 2, 96);
	shapes_deinit(&shapes);
}

/* ---- hash tables --------------------------------------------------------------- */

/* A table of COUNT nodes and BUCKETS buckets; where its words are. */
static uint64_t add_table(struct shapes *shapes, uint32_t count,
			  uint32_t buckets, uint64_t *last)
{
	uint64_t table = allocate(shapes, 56);
	uint64_t *words = at(shapes, table);

	words[0] = allocate(shapes, buckets * 8);
	words[1] = buckets;
	words[3] = count;
	words[4] = ONE;
	for (uint32_t i = 0; i < count; i++) {
		uint64_t node = allocate(shapes, 24);

		*(i ? at(shapes, *last) : &words[2]) = node;
		*last = node;
	}
	return table;
}

static void counts_nodes_of_tables(void **state)
{
	static const char type[] = "std::unordered_map or set node, 32 bytes";
	struct shapes shapes;
	uint64_t last, table;

	(void)state;
	shapes_init(&shapes);
	add_table(&shapes, 100, 103, &last);
	expect(&shapes, type, 100, 3200);
	/* the one bucket in the table itself is no chunk */
	table = add_table(&shapes, 1, 1, &last);
	at(&shapes, table)[0] = table + 48;
	expect(&shapes, type, 101, 3232);
	shapes_deinit(&shapes);
}

static void believes_no_table_that_lies(void **state)
{
	static const char type[] = "std::unordered_map or set node, 32 bytes";
	struct shapes shapes;
	uint64_t last, table;

	(void)state;
	shapes_init(&shapes);
	table = add_table(&shapes, 100, 103, &last);
	/* its chain goes round, and it has no end of nodes, or of buckets */
	*at(&shapes, last) = at(&shapes, table)[2];
	at(&shapes, table)[3] = UINT64_C(1) << 39;
	expect(&shapes, type, 0, 0);
	at(&shapes, table)[1] = UINT64_C(1) << 39;
	expect(&shapes, type, 0, 0);
	/* its chain is shorter than it says */
	at(&shapes, table)[1] = 103;
	at(&shapes, table)[3] = 20;
	expect(&shapes, type, 0, 0);
	shapes_deinit(&shapes);
}

/* ---- objects side by side in one large chunk ------------------------------------ */

static void keeps_no_member_of_what_is_too_large(void **state)
{
	struct shapes shapes;
	struct mf_objects *objects;
	uint64_t table, chunk;
	uint32_t class;

	(void)state;
	shapes_init(&shapes);
	table = world_vtable(shapes.world, 0,
			     world_class(shapes.world, "5Outer"));
	chunk = allocate(&shapes, 64) - HEADER;
	at(&shapes, chunk + HEADER)[0] = table;
	objects = forged_scan_run(&shapes.scan, &mf_scan_objects_ops, 0);
	class = !mf_vtables_find(objects->vtables, table)->class;
	objects->members.count = 0;
	for (unsigned large = 0; large < 2; large++) {
		uint64_t count = large ? UINT64_C(1) << 22 : 100;

		mf_vec_push(&objects->parts,
			    (struct mf_object_run){
				    .chunk = chunk,
				    .size = UINT64_C(1) << 30,
				    .first = chunk + HEADER + 64,
				    .last = chunk + HEADER + count * 64,
				    .stride = 64,
				    .count = count,
				    .class = class,
				    .header = HEADER,
			    });
		mf_object_parts_count(objects, shapes.world->target);
		assert_int_equal(objects->members.count, 100);
	}
	shapes_deinit(&shapes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_strings_and_vectors_own),
		cmocka_unit_test(finds_short_strings),
		cmocka_unit_test(finds_nodes_of_lists),
		cmocka_unit_test(finds_nodes_of_trees),
		cmocka_unit_test(counts_nodes_of_tables),
		cmocka_unit_test(believes_no_table_that_lies),
		cmocka_unit_test(keeps_no_member_of_what_is_too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
