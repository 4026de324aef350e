/*
 * The chunks of a heap one by one, in forged memory: each with its size and
 * what it is, in address order, and those of a range alone.
 */
#include "forge_glibc.h"

enum {
	SHOWN_MAX = 4096,
	MMAPPED = 0x40000,
	MANY = 1500,
};

struct shown {
	struct mf_chunk chunks[SHOWN_MAX];
	size_t count, limit;
};

static bool note(const struct mf_chunk *chunk, void *data)
{
	struct shown *shown = data;

	assert_true(shown->count < SHOWN_MAX);
	shown->chunks[shown->count++] = *chunk;
	return shown->count != shown->limit;
}

static void assert_chunk(const struct mf_chunk *chunk, uint64_t address,
			 uint64_t size, enum mf_chunk_kind kind)
{
	assert_int_equal(chunk->address, address);
	assert_int_equal(chunk->size, size);
	assert_string_equal(mf_heap_chunk_kind_name(chunk->kind),
			    mf_heap_chunk_kind_name(kind));
	assert_string_equal(chunk->allocator->name, "glibc");
	assert_int_equal(chunk->user, address + 0x10);
	assert_int_equal(chunk->usable,
			 kind == MF_KIND_IN_USE || kind == MF_KIND_TCACHE ||
					 kind == MF_KIND_FASTBIN
				 ? size - 8
				 : size - 16);
}

static const struct {
	uint64_t size;
	enum forge_state state;
	enum mf_chunk_kind kind;
} wanted[] = {
	{ 0x30, FORGE_TCACHE, MF_KIND_TCACHE },
	{ 0x30, FORGE_IN_USE, MF_KIND_IN_USE },
	{ 0x40, FORGE_FAST, MF_KIND_FASTBIN },
	{ 0x100, FORGE_SMALL, MF_KIND_FREE },
	{ 0x20, FORGE_IN_USE, MF_KIND_IN_USE },
	{ 0x500, FORGE_UNSORTED, MF_KIND_UNSORTED },
	{ 0x1000, FORGE_IN_USE, MF_KIND_IN_USE },
	{ 0x30, FORGE_TCACHE, MF_KIND_TCACHE },
};

static void start(struct forge *forge)
{
	forge_init(forge);
	forge_tcache(forge);
	for (size_t i = 0; i < MF_ARRAY_SIZE(wanted); i++)
		forge_chunk(forge, wanted[i].size, wanted[i].state);
	forge_finish(forge);
}

static void test_shows_each_kind(void **state)
{
	struct shown shown = { .count = 0 };
	uint64_t at = FORGE_HEAP + 0x290;
	struct forge forge;
	size_t i;

	(void)state;
	start(&forge);
	assert_non_null(forge_read(&forge, NULL));
	mf_heap_each_chunk(forge.model, 0, UINT64_MAX, note, &shown);
	assert_int_equal(shown.count, MF_ARRAY_SIZE(wanted) + 2);
	assert_chunk(&shown.chunks[0], FORGE_HEAP, 0x290, MF_KIND_IN_USE);
	for (i = 0; i < MF_ARRAY_SIZE(wanted); i++) {
		assert_chunk(&shown.chunks[i + 1], at, wanted[i].size,
			     wanted[i].kind);
		assert_int_equal(shown.chunks[i + 1].arena, 0);
		at += wanted[i].size;
	}
	assert_chunk(&shown.chunks[i + 1], at,
		     FORGE_HEAP + FORGE_HEAP_SIZE - at, MF_KIND_TOP);
	forge_deinit(&forge);
}

static void test_shows_a_range_alone(void **state)
{
	struct shown shown = { .count = 0 };
	const uint64_t second = FORGE_HEAP + 0x290 + 0x30;
	struct forge forge;

	(void)state;
	start(&forge);
	assert_non_null(forge_read(&forge, NULL));
	/* from the last byte of one chunk to the first of another */
	mf_heap_each_chunk(forge.model, second - 1, second + 0x31, note,
			   &shown);
	assert_int_equal(shown.count, 3);
	assert_chunk(&shown.chunks[1], second, 0x30, MF_KIND_IN_USE);
	shown.count = 0;
	mf_heap_each_chunk(forge.model, FORGE_HEAP + FORGE_HEAP_SIZE,
			   UINT64_MAX, note, &shown);
	assert_int_equal(shown.count, 0);
	mf_heap_each_chunk(forge.model, 0, FORGE_HEAP, note, &shown);
	assert_int_equal(shown.count, 0);
	forge_deinit(&forge);
}

static void test_ends_when_told_to(void **state)
{
	struct shown shown = { .count = 0, .limit = 4 };
	struct forge forge;

	(void)state;
	start(&forge);
	assert_non_null(forge_read(&forge, NULL));
	mf_heap_each_chunk(forge.model, 0, UINT64_MAX, note, &shown);
	assert_int_equal(shown.count, 4);
	forge_deinit(&forge);
}

static void test_shows_all_of_an_arena(void **state)
{
	struct shown shown = { .count = 0 };
	const struct mf_allocator *glibc;
	uint64_t bytes[2] = { 0, 0 }, last = 0;
	struct forge forge;

	(void)state;
	start(&forge);
	forge_arena(&forge);
	glibc = forge_read(&forge, NULL);
	assert_non_null(glibc);
	mf_heap_each_chunk(forge.model, 0, UINT64_MAX, note, &shown);
	for (size_t i = 0; i < shown.count; i++) {
		const struct mf_chunk *chunk = &shown.chunks[i];

		assert_true(chunk->address >= last);
		last = chunk->address + chunk->size;
		assert_true(chunk->arena < 2);
		bytes[chunk->arena] += chunk->size;
	}
	assert_int_equal(bytes[0], glibc->arenas[0].figures.system);
	assert_int_equal(bytes[1] + FORGE_FIRST_CHUNK + 0x30,
			 glibc->arenas[1].figures.system);
	forge_deinit(&forge);
}

static void test_shows_mmapped_chunks(void **state)
{
	struct shown shown = { .count = 0 };
	struct forge forge;

	(void)state;
	start(&forge);
	forge_map(&forge, FORGE_MMAP, MMAPPED, "");
	forge_mmapped(&forge, FORGE_MMAP, MMAPPED, 0x30);
	assert_non_null(forge_read(&forge, NULL));
	mf_heap_each_chunk(forge.model, FORGE_MMAP, UINT64_MAX, note, &shown);
	assert_int_equal(shown.count, 1);
	assert_chunk(&shown.chunks[0], FORGE_MMAP + 0x30, MMAPPED - 0x30,
		     MF_KIND_MMAPPED);
	assert_int_equal(shown.chunks[0].arena, MF_NO_ARENA);
	forge_deinit(&forge);
}

/* mremap put it elsewhere and made it smaller: the header at its mapping's
 * start is as it was, and its alignment is no longer one. */
static void test_finds_what_was_aligned_and_resized(void **state)
{
	const uint64_t offset = 0x4ff0, size = MMAPPED - 0x5000;
	struct shown shown = { .count = 0 };
	const struct mf_allocator *glibc;
	struct forge forge;

	(void)state;
	start(&forge);
	forge_map(&forge, FORGE_MMAP + 0x1000, size, "");
	forge_mmapped(&forge, FORGE_MMAP + 0x1000, size, offset);
	forge_set(&forge, FORGE_MMAP + 0x1008, MMAPPED | 2);
	glibc = forge_read(&forge, NULL);
	assert_non_null(glibc);
	assert_int_equal(glibc->mmapped.count, 1);
	assert_int_equal(glibc->mmapped.bytes, size);
	mf_heap_each_chunk(forge.model, FORGE_MMAP, UINT64_MAX, note, &shown);
	assert_int_equal(shown.count, 1);
	assert_chunk(&shown.chunks[0], FORGE_MMAP + 0x1000 + offset,
		     size - offset, MF_KIND_MMAPPED);
	forge_deinit(&forge);
}

/* More chunks than one mark is for, of all kinds, in several places. */
static void start_many(struct forge *forge)
{
	static const enum forge_state states[] = {
		FORGE_IN_USE, FORGE_TCACHE, FORGE_IN_USE,   FORGE_IN_USE,
		FORGE_FAST,   FORGE_IN_USE, FORGE_UNSORTED,
	};
	uint32_t random = 1;

	forge_init(forge);
	forge_tcache(forge);
	for (size_t i = 0; i < MANY; i++) {
		enum forge_state chunk_state =
			states[i % MF_ARRAY_SIZE(states)];
		uint64_t size = 0x20;

		random = random * 1103515245 + 12345;
		if (chunk_state == FORGE_UNSORTED)
			size = 0x90;
		else if (chunk_state == FORGE_IN_USE)
			size = 0x20 + (random >> 16) % 8 * 0x10;
		/* a tcache holds seven of a size */
		if (chunk_state == FORGE_TCACHE && i > 40)
			chunk_state = FORGE_IN_USE;
		forge_chunk(forge, size, chunk_state);
	}
	forge_finish(forge);
	forge_arena(forge);
	forge_map(forge, FORGE_MMAP, MMAPPED, "");
	forge_mmapped(forge, FORGE_MMAP, MMAPPED, 0x30);
	assert_non_null(forge_read(forge, NULL));
}

static struct shown all, some;

static void assert_range(const struct forge *forge, uint64_t from, uint64_t to)
{
	size_t at = 0;

	some = (struct shown){ .count = 0 };
	mf_heap_each_chunk(forge->model, from, to, note, &some);
	for (size_t i = 0; i < all.count; i++) {
		const struct mf_chunk *chunk = &all.chunks[i];

		if (chunk->address >= to ||
		    chunk->address + chunk->size <= from)
			continue;
		assert_true(at < some.count);
		assert_memory_equal(&some.chunks[at], chunk, sizeof(*chunk));
		at++;
	}
	assert_int_equal(at, some.count);
}

static void test_ranges_are_parts_of_the_whole(void **state)
{
	struct forge forge;

	(void)state;
	start_many(&forge);
	all = (struct shown){ .count = 0 };
	mf_heap_each_chunk(forge.model, 0, UINT64_MAX, note, &all);
	assert_true(all.count > MANY);
	for (size_t i = 0; i < all.count; i += 37)
		for (size_t k = i; k < all.count; k += 211) {
			uint64_t from = all.chunks[i].address,
				 to = all.chunks[k].address +
				      all.chunks[k].size;

			assert_range(&forge, from, to);
			assert_range(&forge, from - 1, to + 1);
			assert_range(&forge, from + 1, to - 1);
		}
	forge_deinit(&forge);
}

static void assert_chunk_at(const struct forge *forge, uint64_t address,
			    const struct mf_chunk *wanted_chunk)
{
	struct mf_chunk chunk;

	assert_true(mf_heap_chunk_at(forge->model, address, &chunk));
	assert_memory_equal(&chunk, wanted_chunk, sizeof(chunk));
}

static void test_finds_the_chunk_of_an_address(void **state)
{
	struct mf_chunk chunk;
	struct forge forge;
	uint64_t end = 0;

	(void)state;
	start_many(&forge);
	all = (struct shown){ .count = 0 };
	mf_heap_each_chunk(forge.model, 0, UINT64_MAX, note, &all);
	for (size_t i = 0; i < all.count; i++) {
		uint64_t start_of = all.chunks[i].address;

		if (start_of != end) {
			assert_false(mf_heap_chunk_at(forge.model, start_of - 1,
						      &chunk));
			assert_false(
				mf_heap_chunk_at(forge.model, end, &chunk));
		}
		end = start_of + all.chunks[i].size;
		assert_chunk_at(&forge, start_of, &all.chunks[i]);
		assert_chunk_at(&forge, start_of + 0x11, &all.chunks[i]);
		assert_chunk_at(&forge, end - 1, &all.chunks[i]);
	}
	assert_false(mf_heap_chunk_at(forge.model, end, &chunk));
	assert_false(mf_heap_chunk_at(forge.model, UINT64_MAX, &chunk));
	forge_deinit(&forge);
}

/* 16 bytes for each time that one was resized, and then all were freed. */
static void test_says_what_is_counted_of_none(void **state)
{
	const struct mf_allocator *glibc;
	struct forge forge;

	(void)state;
	forge_start(&forge, forge_generation(243), FORGE_PAGE);
	forge_main(&forge, FORGE_HEAP, FORGE_HEAP_SIZE, "[heap]");
	forge_tcache(&forge);
	forge_finish(&forge);
	forge_set(&forge, forge_par(&forge, forge.generation->par.mmapped_mem),
		  0x60);
	forge_set(&forge,
		  forge_par(&forge, forge.generation->par.max_mmapped_mem),
		  MMAPPED);
	glibc = forge_read(&forge, NULL);
	assert_non_null(glibc);
	assert_int_equal(glibc->mmapped.count, 0);
	assert_int_equal(glibc->mmapped.bytes, 0x60);
	forge_deinit(&forge);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shows_each_kind),
		cmocka_unit_test(test_shows_a_range_alone),
		cmocka_unit_test(test_ends_when_told_to),
		cmocka_unit_test(test_shows_all_of_an_arena),
		cmocka_unit_test(test_shows_mmapped_chunks),
		cmocka_unit_test(test_finds_what_was_aligned_and_resized),
		cmocka_unit_test(test_ranges_are_parts_of_the_whole),
		cmocka_unit_test(test_finds_the_chunk_of_an_address),
		cmocka_unit_test(test_says_what_is_counted_of_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
