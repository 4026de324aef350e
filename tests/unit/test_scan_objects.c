/*
 * Objects in chunks of a heap made by hand: which words begin one, and which
 * are a base of one, a member, an element, or what is left of one; the same
 * wherever a window ends.
 */
#include "rtti_util.h"
#include "scan/objects.h"
#include "scan_util.h"

enum {
	HEAP_SIZE = 4 * PAGE,
	STEP = 16,  /* no window ends inside of what malloc aligns */
	FIRST = 16, /* where the user's bytes of the first chunk are */
};

struct heap {
	struct world *world;
	struct forged_scan scan;
	union {
		uint64_t words[HEAP_SIZE / 8];
		uint8_t bytes[HEAP_SIZE];
	};
	uint32_t next;
};

static void heap_init(struct heap *heap)
{
	const struct mf_mapping mapping = {
		.start = FORGED_SCAN_ADDRESS,
		.end = FORGED_SCAN_ADDRESS + HEAP_SIZE,
		.perms = RW,
		.path = "",
	};

	memset(heap, 0, sizeof(*heap));
	heap->world = world_create();
	heap->next = FIRST;
	forged_scan_init(&heap->scan, heap->bytes, HEAP_SIZE);
	mf_target_forge_mapping(heap->world->target, &mapping, heap->bytes,
				NULL);
	heap->scan.input.target = heap->world->target;
	heap->scan.input.image = &heap->world->image;
}

static void heap_deinit(struct heap *heap)
{
	forged_scan_deinit(&heap->scan);
	world_destroy(heap->world);
}

/* A chunk with room for COUNT words; the first's index. */
static size_t chunk(struct heap *heap, uint32_t count)
{
	uint32_t size = (count * 8 + 8 + 15) / 16 * 16, at = heap->next;

	forged_scan_chunk(&heap->scan, at, at + size - 8);
	heap->next += size;
	assert_true(heap->next <= HEAP_SIZE);
	return at / 8;
}

static const struct mf_object_row *row_of(struct heap *heap, const char *type)
{
	struct mf_objects *objects = heap->scan.scanner;
	const struct mf_object_row *found = NULL;

	for (size_t i = 0; i < objects->rows.list.count; i++) {
		const struct mf_object_row *row = &objects->rows.list.items[i];
		const char *name = row->type ? row->type
					     : mf_vtables_name(objects->vtables,
							       row->class);

		if (strcmp(name, type) != 0)
			continue;
		assert_null(found);
		found = row;
	}
	return found;
}

static const char *language_of(struct heap *heap,
			       const struct mf_object_row *row)
{
	struct mf_objects *objects = heap->scan.scanner;

	return row->type ? row->language
			 : mf_vtables_language(objects->vtables, row->class);
}

static void expect(struct heap *heap, const char *type, uint64_t count,
		   uint64_t inside, uint64_t bytes)
{
	const struct mf_object_row *row = row_of(heap, type);

	assert_int_equal(row ? row->count : 0, count);
	if (!row)
		return;
	assert_int_equal(row->inside, inside);
	assert_int_equal(row->bytes, bytes);
	assert_string_equal(language_of(heap, row),
			    strncmp(type, "functions of ", 13) == 0 ? "c"
								    : "c++");
}

static void run(struct heap *heap, uint32_t split)
{
	forged_scan_run(&heap->scan, &mf_scan_objects_ops, split);
}

static void test_chunks_and_bases(void **state)
{
	struct heap heap;
	uint64_t base, derived, table, second;
	size_t at;

	(void)state;
	heap_init(&heap);
	base = world_class(heap.world, "4Base");
	derived = world_derived(heap.world, "7Derived", base);
	table = world_vtable(heap.world, 0, derived);
	second = world_vtable(heap.world, -16, derived);
	for (int i = 0; i < 5; i++) {
		at = chunk(&heap, 4);
		heap.words[at] = table;
		heap.words[at + 2] = second;
	}
	chunk(&heap, 4);
	at = chunk(&heap, 3);
	heap.words[at] = world_vtable(heap.world, 0, base);
	for (uint32_t split = 0; split < heap.next; split += STEP) {
		run(&heap, split);
		expect(&heap, "Derived", 5, 0, 5L * 48);
		expect(&heap, "Base", 1, 0, 32);
		assert_int_equal(row_of(&heap, "Derived")->confidence,
				 MF_OBJECT_HIGH);
		assert_int_equal(row_of(&heap, "Derived")->example,
				 FORGED_SCAN_ADDRESS + FIRST);
	}
	heap_deinit(&heap);
}

static void test_only_what_is_in_use(void **state)
{
	struct heap heap;
	uint64_t table;

	(void)state;
	heap_init(&heap);
	table = world_vtable(heap.world, 0, world_class(heap.world, "4Base"));
	for (int i = 0; i < MF_KINDS; i++) {
		heap.words[chunk(&heap, 3)] = table;
		heap.scan.pieces.items[i].kind = (uint8_t)i;
	}
	run(&heap, 0);
	expect(&heap, "Base", 2, 0, 64); /* in use, and mmapped */
	heap_deinit(&heap);
}

static void test_members_and_remains(void **state)
{
	struct heap heap;
	uint64_t outer, inner, other;
	size_t at;

	(void)state;
	heap_init(&heap);
	outer = world_vtable(heap.world, 0, world_class(heap.world, "5Outer"));
	inner = world_vtable(heap.world, 0, world_class(heap.world, "5Inner"));
	other = world_vtable(heap.world, 0, world_class(heap.world, "5Other"));
	for (int i = 0; i < 6; i++) {
		at = chunk(&heap, 8);
		heap.words[at] = outer;
		heap.words[at + 2] = inner;
		heap.words[at + 5] = i % 2 ? inner : other; /* one of two */
		if (i == 3)
			heap.words[at + 7] = other; /* of something before */
	}
	for (uint32_t split = 0; split < heap.next; split += STEP) {
		run(&heap, split);
		expect(&heap, "Outer", 6, 0, 6L * 80);
		expect(&heap, "Inner", 9, 9, 0);
		expect(&heap, "Other", 3, 3, 0);
		assert_int_equal(row_of(&heap, "Other")->remains, 1);
		assert_int_equal(row_of(&heap, "Inner")->remains, 0);
		assert_int_equal(row_of(&heap, "Inner")->confidence,
				 MF_OBJECT_HIGH);
	}
	heap_deinit(&heap);
}

static void test_arrays(void **state)
{
	struct heap heap;
	uint64_t table, part;
	size_t at;

	(void)state;
	heap_init(&heap);
	table = world_vtable(heap.world, 0,
			     world_class(heap.world, "7Element"));
	part = world_vtable(heap.world, 0, world_class(heap.world, "4Part"));
	at = chunk(&heap, 1 + 20 * 4);
	heap.words[at] = 20;
	for (size_t i = 0; i < 20; i++) {
		heap.words[at + 1 + i * 4] = table;
		heap.words[at + 3 + i * 4] = part;
	}
	/* of aligned elements: the length is right before the first */
	at = chunk(&heap, 2 + 3 * 4);
	heap.words[at + 1] = 3;
	for (size_t i = 0; i < 3; i++)
		heap.words[at + 2 + i * 4] = table;
	for (uint32_t split = 0; split < heap.next; split += STEP) {
		run(&heap, split);
		expect(&heap, "Element", 23, 0, 656 + 128);
		assert_int_equal(row_of(&heap, "Element")->confidence,
				 MF_OBJECT_HIGH);
		/* one in each element, but nothing says so */
		expect(&heap, "Part", 20, 20, 0);
		assert_int_equal(row_of(&heap, "Part")->confidence,
				 MF_OBJECT_MEDIUM);
	}
	/* a row without a length, and one of another length */
	heap.words[FIRST / 8] = 19;
	heap.words[at + 1] = 0;
	run(&heap, 0);
	expect(&heap, "Element", 23, 23, 0);
	assert_int_equal(row_of(&heap, "Element")->confidence,
			 MF_OBJECT_MEDIUM);
	heap_deinit(&heap);
}

static void test_control_blocks(void **state)
{
	struct heap heap;
	uint64_t block, owned;
	size_t at;

	(void)state;
	heap_init(&heap);
	block = world_vtable(
		heap.world, 0,
		world_class(heap.world, "St23_Sp_counted_ptr_inplaceI5OwnedE"));
	owned = world_vtable(heap.world, 0, world_class(heap.world, "5Owned"));
	for (uint64_t i = 0; i < 5; i++) {
		at = chunk(&heap, 4);
		heap.words[at] = block;
		/* owners, and in the upper half weak ones */
		heap.words[at + 1] = (i ? i : 0) | UINT64_C(1) << 32;
		heap.words[at + 2] = owned;
	}
	for (uint32_t split = 0; split < heap.next; split += STEP) {
		run(&heap, split);
		expect(&heap, "Owned", 4, 4, 0);
		assert_int_equal(row_of(&heap, "Owned")->remains, 0);
		expect(&heap, "std::_Sp_counted_ptr_inplace<Owned>", 5, 0,
		       5L * 48);
	}
	run(&heap, 0);
	assert_string_equal(
		row_of(&heap, "std::_Sp_counted_ptr_inplace<Owned>")->note,
		"1 expired");
	heap_deinit(&heap);
}

/* What only looks like a vtable counts where a chunk begins. */
static void test_guesses(void **state)
{
	struct heap heap;
	uint64_t table;
	size_t at;

	(void)state;
	heap_init(&heap);
	table = WORLD_WORDS_OF(heap.world, 0, 0, WORLD_CODE) + 16;
	world_symbol(heap.world, "calls", table, 8);
	at = chunk(&heap, 4);
	heap.words[at] = table;
	at = chunk(&heap, 4);
	heap.words[at + 1] = table;
	run(&heap, 0);
	expect(&heap, "functions of calls", 1, 0, 48);
	assert_int_equal(row_of(&heap, "functions of calls")->confidence,
			 MF_OBJECT_LOW);
	assert_non_null(strstr(forged_scan_json(&heap.scan),
			       "\"functions of calls\", \"language\": \"c\""));
	heap_deinit(&heap);
}

/* Equal names are one type, but not where each file may have its own. */
static void test_equal_names(void **state)
{
	static const char *const names[] = { "4Same", "4Same", "*3Own",
					     "*3Own" };
	struct heap heap;
	struct mf_objects *objects;
	size_t rows = 0;

	(void)state;
	heap_init(&heap);
	for (size_t i = 0; i < MF_ARRAY_SIZE(names); i++)
		heap.words[chunk(&heap, 4)] = world_vtable(
			heap.world, 0, world_class(heap.world, names[i]));
	run(&heap, 0);
	expect(&heap, "Same", 2, 0, 96);
	objects = heap.scan.scanner;
	for (size_t i = 0; i < objects->rows.list.count; i++)
		rows += objects->rows.list.items[i].count == 1;
	assert_int_equal(rows, 2);
	heap_deinit(&heap);
}

/* Bytes of a region without chunks: all of it is inside of something. */
static void test_without_chunks(void **state)
{
	struct heap heap;
	uint64_t table;

	(void)state;
	heap_init(&heap);
	table = world_vtable(heap.world, 0, world_class(heap.world, "4Base"));
	heap.words[0] = heap.words[9] = heap.words[100] = table;
	memcpy(heap.bytes + 1004, &table, sizeof(table)); /* not aligned */
	run(&heap, 0);
	expect(&heap, "Base", 3, 3, 0);
	assert_int_equal(row_of(&heap, "Base")->confidence, MF_OBJECT_MEDIUM);
	heap_deinit(&heap);
}

static void test_report(void **state)
{
	struct heap heap;
	const char *json;

	(void)state;
	heap_init(&heap);
	heap.words[chunk(&heap, 4)] = world_vtable(
		heap.world, 0, world_class(heap.world, "N2ns3BoxIiEE"));
	run(&heap, 0);
	json = forged_scan_json(&heap.scan);
	assert_non_null(strstr(json,
			       "\"type\": \"ns::Box<int>\", \"language\": "
			       "\"c++\", \"count\": 1, \"bytes\": 48"));
	assert_non_null(strstr(json, "\"confidence\": \"high\", \"evidence\": "
				     "\"rtti\", \"example\": "
				     "\"0x7f0000100010\", \"module\": "
				     "\"libforged.so\""));
	heap_deinit(&heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chunks_and_bases),
		cmocka_unit_test(test_only_what_is_in_use),
		cmocka_unit_test(test_members_and_remains),
		cmocka_unit_test(test_arrays),
		cmocka_unit_test(test_control_blocks),
		cmocka_unit_test(test_guesses),
		cmocka_unit_test(test_equal_names),
		cmocka_unit_test(test_without_chunks),
		cmocka_unit_test(test_report),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
