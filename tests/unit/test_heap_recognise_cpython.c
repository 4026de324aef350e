/*
 * obmalloc's pools, forged: every block of an arena is told as what it is, and
 * a pool whose free list lies is not read rather than believed.
 */
#include "recognise_util.h"

static const uint64_t at = UINT64_C(0x7f1240000000);
static const uint64_t far = UINT64_C(0x7f3000000000);

enum {
	DATA = 1 << 20,
	ARENA = 1 << 20,
	POOL = 16 << 10,
	HEADER = 48,
	SIZE = 496, /* of a block: 32 fill a pool, and leave some bytes */
	BLOCKS = 32,
	POOLS = 8, /* in use */
};

static uint64_t block_at(uint64_t pool, uint64_t index)
{
	return pool + HEADER + index * SIZE;
}

/* USED of PREPARED blocks; the others are listed, from the last one down. */
static void forge_pool(struct forged_process *process, uint64_t pool,
		       uint32_t used, uint32_t prepared)
{
	uint64_t link = 0;

	forge_u32(process, pool, used);
	for (uint32_t i = 0; i < prepared - used; i++) {
		forge_u64(process, block_at(pool, i), link);
		link = block_at(pool, i);
	}
	forge_u64(process, pool + 8, link);
	forge_u32(process, pool + 32, 0);
	forge_u32(process, pool + 36, SIZE / 16 - 1);
	forge_u32(process, pool + 40, HEADER + prepared * SIZE);
	forge_u32(process, pool + 44, POOL - SIZE);
}

/* An arena: full pools, of which the last is half used, and one is empty. */
static struct forged_process *forge_python(void)
{
	struct forged_process *process =
		forge_process_with("/usr/bin/python3.11", "_PyRuntime", DATA);

	forge_anon(process, far, 1 << 16);
	forge_anon(process, at, ARENA);
	forge_u64(process, forged_data + 0x800, far);
	forge_u64(process, far, at);
	forge_u64(process, far + 8, at + POOLS * POOL);
	forge_u32(process, far + 16, ARENA / POOL - POOLS + 1);
	forge_u32(process, far + 20, ARENA / POOL);
	for (uint64_t i = 0; i < POOLS - 2; i++)
		forge_pool(process, at + i * POOL, BLOCKS, BLOCKS);
	forge_pool(process, at + (POOLS - 2) * POOL, 0, BLOCKS);
	forge_pool(process, at + (POOLS - 1) * POOL, 5, 9);
	return process;
}

static struct shown {
	uint64_t count[MF_KINDS], bytes[MF_KINDS], end;
} shown;

static bool note(const struct mf_chunk *chunk, void *data)
{
	(void)data;
	assert_true(!shown.end || chunk->address == shown.end);
	shown.end = chunk->address + chunk->size;
	shown.count[chunk->kind]++;
	shown.bytes[chunk->kind] += chunk->size;
	return true;
}

static const struct mf_allocator *recognise(struct forged_process *process,
					    uint64_t start, uint64_t end)
{
	const struct mf_allocator_instance *instance =
		&process->heap.instances[0];

	memset(&shown, 0, sizeof(shown));
	if (!process->heap.instance_count)
		assert_int_equal(forge_recognise(process, &mf_cpython_ops), 1);
	assert_true(instance->ops->each_chunk(
		instance, (struct mf_chunk_range){ start, end }, note, NULL));
	return &instance->info;
}

static void every_block_is_something(void **state)
{
	struct forged_process *process = forge_python();
	const struct mf_allocator *info = recognise(process, 0, UINT64_MAX);
	const uint64_t used = (POOLS - 2) * BLOCKS + 5;

	(void)state;
	assert_true(info->supported);
	assert_int_equal(info->consistency, MF_EXACT);
	assert_int_equal(shown.count[MF_KIND_IN_USE], used);
	assert_int_equal(shown.bytes[MF_KIND_IN_USE], used * SIZE);
	/* 27 blocks, an empty pool, and those that never were used */
	assert_int_equal(shown.count[MF_KIND_FREE],
			 BLOCKS - 5 + 1 + ARENA / POOL - POOLS);
	assert_int_equal(shown.end, at + ARENA);
	assert_int_equal(info->figures.in_use.bytes, used * SIZE);
	assert_int_equal(info->figures.in_use.bytes + info->figures.free.bytes +
				 info->figures.overhead,
			 ARENA);
	assert_int_equal(info->figures.system, ARENA);
	/* a place within a block, and the one before */
	recognise(process, at + POOL + HEADER + SIZE - 1,
		  at + POOL + HEADER + SIZE + 1);
	assert_int_equal(shown.count[MF_KIND_IN_USE], 2);
	forge_end(process);
}

/* The pool in question, made false by WORD at OFFSET of it. */
static void expect_torn(uint64_t offset, uint64_t word)
{
	struct forged_process *process = forge_python();
	const uint64_t pool = at + (POOLS - 1) * POOL;
	const struct mf_allocator *info;

	forge_u64(process, pool + offset, word);
	info = recognise(process, 0, UINT64_MAX);
	assert_true(info->supported);
	assert_int_equal(info->consistency, MF_IN_FLIGHT);
	assert_int_equal(info->figures.unread, POOL);
	assert_int_equal(shown.bytes[MF_KIND_UNREAD], POOL);
	assert_int_equal(shown.end, at + ARENA);
	forge_end(process);
}

static void lies_are_not_believed(void **state)
{
	const uint64_t pool = at + (POOLS - 1) * POOL;

	(void)state;
	expect_torn(HEADER, block_at(pool, 3));	    /* a ring */
	expect_torn(HEADER, block_at(pool, 4));	    /* one too many */
	expect_torn(HEADER, block_at(pool, 2) + 8); /* within a block */
	expect_torn(HEADER, pool + POOL + HEADER);  /* another pool's */
	expect_torn(HEADER, 8);
	expect_torn(8, 0);   /* fewer than are free */
	expect_torn(0, 10);  /* more in use than there are */
	expect_torn(32, 1);  /* another arena's */
	expect_torn(40, 49); /* between two blocks */
	expect_torn(40, UINT64_MAX);
	expect_torn(36, UINT64_MAX);
}

/* Where most lie it is not what it was taken for. */
static void a_heap_of_lies_is_not_walked(void **state)
{
	struct forged_process *process = forge_python();
	const struct mf_allocator *info;

	(void)state;
	for (uint64_t i = 1; i < 4; i++)
		forge_u32(process, at + i * POOL, 3);
	info = recognise(process, 0, UINT64_MAX);
	assert_false(info->supported);
	assert_non_null(strstr(info->why, "lists"));
	assert_int_equal(shown.end, 0);
	forge_end(process);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_block_is_something),
		cmocka_unit_test(lies_are_not_believed),
		cmocka_unit_test(a_heap_of_lies_is_not_walked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
