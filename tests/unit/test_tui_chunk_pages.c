/*
 * Chunks by their numbers: the rows are those of a walk over all of them, in any
 * order of asking, and by size those of the sorted list.
 */
#include "forge_glibc.h"
#include "tui/chunk_pages.h"

enum {
	MANY = 3000,
	MOST = MANY + 16,
};

struct listed {
	struct mf_chunk chunks[MOST];
	uint64_t count;
};

static bool note(const struct mf_chunk *chunk, void *data)
{
	struct listed *listed = data;

	assert_true(listed->count < MOST);
	listed->chunks[listed->count++] = *chunk;
	return true;
}

static void start(struct forge *forge)
{
	static const uint64_t sizes[] = { 0x20, 0x30, 0x90, 0x20,
					  0x40, 0x20, 0x70 };

	forge_init(forge);
	forge_tcache(forge);
	for (size_t i = 0; i < MANY; i++) {
		if (i % 40 == 2)
			forge_chunk(forge, 0x100, FORGE_SMALL);
		else if (i % 41 == 4)
			forge_chunk(forge, 0x30, FORGE_TCACHE);
		else
			forge_chunk(forge, sizes[i % MF_ARRAY_SIZE(sizes)],
				    FORGE_IN_USE);
	}
	forge_finish(forge);
}

static void assert_same(struct mf_chunk_pages *pages, uint64_t row,
			const struct mf_chunk *wanted)
{
	struct mf_chunk chunk;

	mf_chunk_pages_get(pages, row, &chunk);
	assert_int_equal(chunk.address, wanted->address);
	assert_int_equal(chunk.size, wanted->size);
	assert_int_equal(chunk.kind, wanted->kind);
}

static void assert_pages(const struct forge *forge,
			 const struct mf_chunk_wish *wish)
{
	static struct listed listed;
	const struct mf_chunk_range range = { wish->start, wish->end };
	const struct mf_chunk_choice choice = {
		.ranges = wish->end ? &range : NULL,
		.range_count = 1,
		.kinds = wish->kinds,
		.min_size = wish->min_size,
		.max_size = wish->max_size,
	};
	struct mf_chunk_pages *pages =
		mf_chunk_pages_create(forge->model, wish, NULL, NULL);

	assert_non_null(pages);
	listed.count = 0;
	if (wish->by_size)
		mf_heap_each_by_size(forge->model, &choice, 0, note, &listed);
	else
		mf_heap_each_chosen(forge->model, &choice, note, &listed);
	assert_int_equal(mf_chunk_pages_amount(pages).count, listed.count);
	for (uint64_t i = 0; i < listed.count; i++)
		assert_same(pages, i, &listed.chunks[i]);
	/* from all over, as somebody jumps */
	for (uint64_t i = 0; i < listed.count; i++)
		assert_same(pages, i * 769 % listed.count,
			    &listed.chunks[i * 769 % listed.count]);
	mf_chunk_pages_destroy(pages);
}

static void rows_are_those_of_a_walk(void **state)
{
	struct forge forge;

	(void)state;
	start(&forge);
	assert_non_null(forge_read(&forge, NULL));
	assert_pages(&forge, &(struct mf_chunk_wish){ .by_size = false });
	assert_pages(&forge, &(struct mf_chunk_wish){ .by_size = true });
	for (unsigned by_size = 0; by_size < 2; by_size++) {
		assert_pages(&forge, &(struct mf_chunk_wish){
					     .kinds = 1U << MF_KIND_TCACHE,
					     .by_size = by_size });
		assert_pages(&forge,
			     &(struct mf_chunk_wish){ .min_size = 0x30,
						      .max_size = 0x40,
						      .by_size = by_size });
		assert_pages(&forge, &(struct mf_chunk_wish){
					     .start = FORGE_HEAP + 0x1008,
					     .end = FORGE_HEAP + 0x9008,
					     .by_size = by_size });
	}
	forge_deinit(&forge);
}

static void an_arena_or_an_allocator_is_asked_for(void **state)
{
	struct mf_chunk_wish wish = { .one_arena = true };
	struct mf_chunk_pages *pages;
	struct forge forge;
	size_t count;

	(void)state;
	start(&forge);
	assert_non_null(forge_read(&forge, NULL));
	wish.allocator = mf_heap_allocators(forge.model, &count);
	pages = mf_chunk_pages_create(forge.model, &wish, NULL, NULL);
	assert_int_equal(mf_chunk_pages_amount(pages).bytes,
			 wish.allocator->figures.system);
	mf_chunk_pages_destroy(pages);
	wish.arena = 1;
	pages = mf_chunk_pages_create(forge.model, &wish, NULL, NULL);
	assert_int_equal(mf_chunk_pages_amount(pages).count, 0);
	mf_chunk_pages_destroy(pages);
	forge_deinit(&forge);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_those_of_a_walk),
		cmocka_unit_test(an_arena_or_an_allocator_is_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
