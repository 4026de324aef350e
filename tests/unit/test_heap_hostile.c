/*
 * Heaps that lie: what fuzzers found, each said again with the forge. A figure
 * may be wrong then, and is marked; none may contradict another.
 */
#include "forge_glibc.h"

static bool comes_later(const struct mf_chunk *chunk, void *data)
{
	uint64_t *last = data;

	assert_true(chunk->address >= *last);
	*last = chunk->address + chunk->size;
	return true;
}

static void assert_chunks_in_order(const struct forge *forge)
{
	uint64_t last = 0;

	mf_heap_each_chunk(forge->model, 0, UINT64_MAX, comes_later, &last);
	assert_true(last > 0);
}

/* mp_.sbrk_base leads into a heap of another arena. */
static void sbrk_base_in_a_heap(void **state)
{
	const struct mf_allocator *glibc;
	struct forge forge;

	(void)state;
	forge_init(&forge);
	forge_tcache(&forge);
	forge_chunk(&forge, 0x100, FORGE_IN_USE);
	forge_finish(&forge);
	forge_arena(&forge);
	forge_sbrk_base(&forge, forge_arena_chunks(0));
	glibc = forge_read(&forge, NULL);
	assert_non_null(glibc);
	assert_int_equal(glibc->arena_count, 2);
	assert_chunks_in_order(&forge);
	assert_int_equal(glibc->arenas[0].figures.in_use.count, 0);
	assert_int_equal(glibc->arenas[0].consistency, MF_DAMAGED);
	assert_int_equal(glibc->arenas[1].consistency, MF_EXACT);
	forge_deinit(&forge);
}

/* mp_ counts a chunk that is nowhere, and most of the address space is a
 * reservation: pages that nobody touched are not looked through. */
static void a_chunk_sought_in_a_reservation(void **state)
{
	const uint64_t start = UINT64_C(1) << 45, end = UINT64_C(1) << 46;
	const struct mf_allocator *glibc;
	struct forge forge;

	(void)state;
	forge_init(&forge);
	forge_tcache(&forge);
	forge_chunk(&forge, 0x100, FORGE_IN_USE);
	forge_finish(&forge);
	forge_set32(&forge, forge_par(&forge, forge.generation->par.n_mmaps),
		    1);
	forge_set(&forge, forge_par(&forge, forge.generation->par.mmapped_mem),
		  0x100000);
	forge_open(&forge);
	mf_target_forge_mapping(
		forge.target,
		&(struct mf_mapping){ .start = start,
				      .end = end,
				      .perms = MF_PERM_READ | MF_PERM_WRITE,
				      .path = "" },
		NULL, NULL);
	glibc = forge_model(&forge);
	assert_non_null(glibc);
	assert_int_equal(glibc->mmapped.count, 0);
	assert_int_equal(glibc->arenas[0].consistency, MF_EXACT);
	forge_deinit(&forge);
}

/* Each page of an arena costs a byte here: what is too large is left out. */
static void a_heap_that_goes_on_for_terabytes(void **state)
{
	const uint64_t end = FORGE_HEAP + FORGE_HEAP_SIZE;
	const struct mf_partial *partials;
	const struct mf_allocator *glibc;
	struct forge forge;
	size_t count;

	(void)state;
	forge_init(&forge);
	forge_tcache(&forge);
	forge_chunk(&forge, 0x100, FORGE_IN_USE);
	forge_finish(&forge);
	forge_open(&forge);
	mf_target_forge_mapping(
		forge.target,
		&(struct mf_mapping){ .start = end,
				      .end = end + (UINT64_C(1) << 41),
				      .perms = MF_PERM_READ | MF_PERM_WRITE,
				      .path = "[heap]" },
		NULL, NULL);
	glibc = forge_model(&forge);
	assert_non_null(glibc);
	assert_int_equal(glibc->arenas[0].figures.unread, FORGE_HEAP_SIZE);
	partials = mf_target_partials(forge.target, &count);
	assert_true(count > 1);
	assert_string_equal(partials[1].what, "glibc heaps");
	forge_deinit(&forge);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sbrk_base_in_a_heap),
		cmocka_unit_test(a_chunk_sought_in_a_reservation),
		cmocka_unit_test(a_heap_that_goes_on_for_terabytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
