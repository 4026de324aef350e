/*
 * Chunks that are chosen, counted and put in order by size; and what their
 * sizes are known for.
 */
#include "forge_glibc.h"
#include "heap/chunk_census.h"

enum {
	SHOWN_MAX = 4096,
	MANY = 900,
};

static struct shown {
	struct mf_chunk chunks[SHOWN_MAX];
	size_t count, limit;
} shown, chosen;

static bool note(const struct mf_chunk *chunk, void *data)
{
	struct shown *into = data;

	assert_true(into->count < SHOWN_MAX);
	into->chunks[into->count++] = *chunk;
	return into->count != into->limit;
}

static void start(struct forge *forge)
{
	forge_init(forge);
	forge_tcache(forge);
	for (uint64_t i = 0; i < MANY; i++) {
		enum forge_state state = i % 5 == 3   ? FORGE_SMALL
					 : i % 7 == 1 ? FORGE_FAST
						      : FORGE_IN_USE;
		uint64_t size = 0x20 + i * 31 % 9 * 0x10;

		forge_chunk(forge,
			    state == FORGE_SMALL  ? 0x100 + i % 3 * 0x200
			    : state == FORGE_FAST ? 0x30
						  : size,
			    state);
	}
	forge_finish(forge);
	forge_arena(forge);
	forge_map(forge, FORGE_MMAP, 0x40000, "");
	forge_mmapped(forge, FORGE_MMAP, 0x40000, 0);
	assert_non_null(forge_read(forge, NULL));
}

static void choose(const struct forge *forge,
		   const struct mf_chunk_choice *choice)
{
	chosen = (struct shown){ .count = 0 };
	mf_heap_each_chosen(forge->model, choice, note, &chosen);
}

/* Of all chunks, those that a plain look at each one accepts. */
static void assert_chosen(const struct forge *forge,
			  const struct mf_chunk_choice *choice)
{
	size_t at = 0;

	choose(forge, choice);
	shown = (struct shown){ .count = 0 };
	mf_heap_each_chunk(forge->model, 0, UINT64_MAX, note, &shown);
	for (size_t i = 0; i < shown.count; i++) {
		const struct mf_chunk *chunk = &shown.chunks[i];
		bool touched = !choice->ranges;

		for (size_t k = 0; !touched && k < choice->range_count; k++)
			touched = chunk->address < choice->ranges[k].end &&
				  chunk->address + chunk->size >
					  choice->ranges[k].start;
		if (!touched || chunk->size < choice->min_size ||
		    (choice->max_size && chunk->size > choice->max_size) ||
		    (choice->kinds && !(choice->kinds >> chunk->kind & 1)))
			continue;
		assert_true(at < chosen.count);
		assert_memory_equal(&chosen.chunks[at++], chunk,
				    sizeof(*chunk));
	}
	assert_int_equal(at, chosen.count);
	assert_true(at > 0);
}

static void test_chooses_by_kind_and_size(void **state)
{
	struct forge forge;

	(void)state;
	start(&forge);
	assert_chosen(&forge, &(struct mf_chunk_choice){ 0 });
	assert_chosen(&forge, &(struct mf_chunk_choice){
				      .kinds = 1 << MF_KIND_FREE |
					       1 << MF_KIND_MMAPPED });
	assert_chosen(&forge, &(struct mf_chunk_choice){ .min_size = 0x40,
							 .max_size = 0x60 });
	assert_chosen(&forge, &(struct mf_chunk_choice){ .min_size = 0x500 });
	forge_deinit(&forge);
}

/* A chunk that reaches from one range into the next is one chunk. */
static void test_shows_what_two_ranges_share_once(void **state)
{
	struct mf_chunk_range ranges[3];
	struct forge forge;

	(void)state;
	start(&forge);
	choose(&forge, &(struct mf_chunk_choice){ .min_size = 0x500 });
	assert_true(chosen.count > 1);
	ranges[0].start = chosen.chunks[0].address - 0x100;
	ranges[0].end = chosen.chunks[0].address + 0x20;
	ranges[1].start = ranges[0].end;
	ranges[1].end = ranges[0].end + 0x20;
	ranges[2].start = ranges[1].end + 0x10;
	ranges[2].end = ranges[2].start + 0x2000;
	assert_chosen(&forge, &(struct mf_chunk_choice){ .ranges = ranges,
							 .range_count = 3 });
	forge_deinit(&forge);
}

static bool is_even(const struct mf_chunk *chunk, void *data)
{
	const uint64_t *bit = data;

	return !(chunk->address & *bit);
}

static void test_asks_whether_one_is_accepted(void **state)
{
	uint64_t bit = 0x10;
	struct forge forge;

	(void)state;
	start(&forge);
	choose(&forge,
	       &(struct mf_chunk_choice){ .accepts = is_even, .data = &bit });
	assert_true(chosen.count > 10);
	for (size_t i = 0; i < chosen.count; i++)
		assert_int_equal(chosen.chunks[i].address & bit, 0);
	forge_deinit(&forge);
}

static void assert_largest_first(const struct forge *forge, size_t limit,
				 size_t count)
{
	const struct mf_chunk_choice choice = { .max_size = 0x1000 };

	shown = (struct shown){ .count = 0 };
	mf_heap_each_by_size(forge->model, &choice, limit, note, &shown);
	assert_int_equal(shown.count, count);
	for (size_t i = 1; i < shown.count; i++) {
		const struct mf_chunk *left = &shown.chunks[i - 1],
				      *right = &shown.chunks[i];

		assert_true(left->size > right->size ||
			    (left->size == right->size &&
			     left->address < right->address));
	}
}

static void test_shows_the_largest_first(void **state)
{
	struct forge forge;

	(void)state;
	start(&forge);
	choose(&forge, &(struct mf_chunk_choice){ .max_size = 0x1000 });
	assert_largest_first(&forge, 0, chosen.count);
	assert_largest_first(&forge, 1, 1);
	assert_int_equal(shown.chunks[0].size, 0x500);
	assert_largest_first(&forge, 17, 17);
	assert_largest_first(&forge, chosen.count, chosen.count);
	assert_largest_first(&forge, chosen.count + 1, chosen.count);
	forge_deinit(&forge);
}

static void test_ends_by_size_when_told_to(void **state)
{
	struct forge forge;

	(void)state;
	start(&forge);
	shown = (struct shown){ .count = 0, .limit = 3 };
	mf_heap_each_by_size(forge.model, &(struct mf_chunk_choice){ 0 }, 0,
			     note, &shown);
	assert_int_equal(shown.count, 3);
	forge_deinit(&forge);
}

static void test_counts_each_size(void **state)
{
	struct mf_amount kinds[MF_KINDS] = { 0 }, sizes = { 0 },
			 classes = { 0 };
	struct mf_chunk_census *census;
	uint64_t last = UINT64_MAX;
	struct forge forge;

	(void)state;
	start(&forge);
	census = mf_chunk_census_create(forge.model,
					&(struct mf_chunk_choice){ 0 });
	choose(&forge, &(struct mf_chunk_choice){ 0 });
	for (size_t i = 0; i < chosen.count; i++) {
		kinds[chosen.chunks[i].kind].count++;
		kinds[chosen.chunks[i].kind].bytes += chosen.chunks[i].size;
	}
	assert_memory_equal(kinds, census->kinds, sizeof(kinds));
	for (size_t i = 0; i < census->size_count; i++) {
		const struct mf_chunk_size *one = &census->sizes[i];
		uint64_t bytes = one->in_use.bytes + one->free.bytes;

		assert_int_equal((one->in_use.count + one->free.count) *
					 one->size,
				 bytes);
		assert_true(bytes <= last);
		last = bytes;
		sizes.count += one->in_use.count;
		sizes.bytes += bytes;
	}
	assert_int_equal(sizes.count, kinds[MF_KIND_IN_USE].count +
					      kinds[MF_KIND_MMAPPED].count);
	for (size_t i = 0; i < census->class_count; i++) {
		const struct mf_size_class *one = &census->classes[i];

		assert_true(one->min <= one->max);
		assert_true(!i || one[-1].max < one->min);
		classes.count += one->in_use.count;
		classes.bytes += one->in_use.bytes + one->free.bytes;
	}
	assert_int_equal(classes.count, sizes.count);
	assert_int_equal(classes.bytes, sizes.bytes);
	mf_chunk_census_destroy(census);
	forge_deinit(&forge);
}

/* ---- patterns ------------------------------------------------------------ */

struct sizes {
	uint64_t size, count;
};

static uint64_t count_of(uint64_t size, const void *data)
{
	for (const struct sizes *at = data; at->size; at++)
		if (at->size == size)
			return at->count;
	return 0;
}

static void expect_pattern(const struct sizes *sizes, const char *code,
			   uint64_t count)
{
	struct mf_size_pattern found[MF_SIZE_PATTERNS];
	size_t patterns = mf_size_patterns_find(count_of, sizes, found);

	if (!code) {
		assert_int_equal(patterns, 0);
		return;
	}
	assert_int_equal(patterns, 1);
	assert_string_equal(found[0].code, code);
	assert_int_equal(found[0].count, count);
}

static void test_names_what_is_equal_in_number(void **state)
{
	(void)state;
	expect_pattern((struct sizes[]){ { 7168, 4000 }, { 32784, 3999 }, {} },
		       "zlib-inflate", 3999);
	expect_pattern((struct sizes[]){ { 5968, 100 }, { 65552, 400 }, {} },
		       "zlib-deflate", 100);
	expect_pattern((struct sizes[]){ { 5952, 100 }, { 65552, 402 }, {} },
		       "zlib-deflate", 100);
	expect_pattern((struct sizes[]){ { 5968, 100 }, { 65552, 200 }, {} },
		       "zlib-deflate-9", 100);
}

static void test_does_not_guess(void **state)
{
	(void)state;
	expect_pattern((struct sizes[]){ { 7168, 4000 }, {} }, NULL, 0);
	expect_pattern((struct sizes[]){ { 32784, 4000 }, {} }, NULL, 0);
	expect_pattern((struct sizes[]){ { 7168, 4000 }, { 32784, 3700 }, {} },
		       NULL, 0);
	expect_pattern((struct sizes[]){ { 7168, 7 }, { 32784, 7 }, {} }, NULL,
		       0);
	expect_pattern((struct sizes[]){ { 5968, 100 }, { 65552, 300 }, {} },
		       NULL, 0);
	expect_pattern((struct sizes[]){ {} }, NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chooses_by_kind_and_size),
		cmocka_unit_test(test_shows_what_two_ranges_share_once),
		cmocka_unit_test(test_asks_whether_one_is_accepted),
		cmocka_unit_test(test_shows_the_largest_first),
		cmocka_unit_test(test_ends_by_size_when_told_to),
		cmocka_unit_test(test_counts_each_size),
		cmocka_unit_test(test_names_what_is_equal_in_number),
		cmocka_unit_test(test_does_not_guess),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
