/*
 * Thread stacks, proved from forged ones: glibc's of living threads and of
 * those gone, merged with neighbours, without guard mappings; musl's; by the
 * stack pointer alone. The layout of struct pthread here is nobody's, so that
 * only what is inferred can be right.
 */
#include "space_util.h"
#include "target/target.h"

enum {
	LIST = 0x2a8,
	TID = LIST + 16,
	BLOCK = 0x5c0,
	STRUCT = 0x700,
	HEADS = 0x540, /* of the lists, in libpthread's data */
	USED = HEADS,
	CACHE = HEADS + 0x20,
	MEMORY_PAGES = 64,
};

#define BASE	 UINT64_C(0x7f0000000000)
#define LIBC	 UINT64_C(0x7f8000000000)
#define AT(page) (BASE + (uint64_t)(page)*PAGE)

/* MEMORY_PAGES from BASE, and one page of libpthread's data. */
struct world {
	struct mf_target *target;
	uint8_t *memory, *data;
	uint64_t last_used, last_cached; /* nodes of the lists */
};

static void *host(struct world *world, uint64_t address)
{
	return address >= LIBC ? world->data + (address - LIBC)
			       : world->memory + (address - BASE);
}

static void put(struct world *world, uint64_t address, uint64_t value)
{
	memcpy(host(world, address), &value, sizeof(value));
}

static void map_part(struct world *world, unsigned page, unsigned pages,
		     unsigned perms)
{
	mf_target_forge_mapping(world->target,
				&(struct mf_mapping){ .start = AT(page),
						      .end = AT(page + pages),
						      .perms = perms,
						      .path = "" },
				perms ? host(world, AT(page)) : NULL, NULL);
}

static struct world make_world(void)
{
	struct world world = {
		.target = mf_target_create_forged(),
		.memory = calloc(MEMORY_PAGES, PAGE),
		.data = calloc(1, PAGE),
		.last_used = LIBC + USED,
		.last_cached = LIBC + CACHE,
	};

	mf_target_forge_mapping(world.target,
				&(struct mf_mapping){ .start = LIBC,
						      .end = LIBC + PAGE,
						      .perms = RW,
						      .inode = 7,
						      .path = "/libpthread" },
				world.data, NULL);
	for (uint64_t head = LIBC + USED; head <= LIBC + CACHE; head += 16) {
		put(&world, head, head);
		put(&world, head + 8, head);
	}
	return world;
}

static void end_world(struct world *world)
{
	mf_target_close(world->target);
	free(world->memory);
	free(world->data);
}

/* Appends NODE to the ring of HEAD, whose last node was *LAST. */
static void link_node(struct world *world, uint64_t head, uint64_t *last,
		      uint64_t node)
{
	put(world, *last, node);
	put(world, node + 8, *last);
	put(world, node, head);
	put(world, head + 8, node);
	*last = node;
}

/* As pthread_create does in pages FIRST.. of COUNT, GUARD of them no access. */
static uint64_t make_stack(struct world *world, unsigned first, unsigned count,
			   unsigned guard, int tid)
{
	uint64_t end = AT(first + count), self = end - STRUCT - 0x40;
	bool used = tid > 0;

	put(world, self, self);
	put(world, self + 16, self);
	put(world, self + TID, (uint64_t)(unsigned)tid);
	put(world, self + BLOCK, AT(first));
	put(world, self + BLOCK + 8, (uint64_t)count * PAGE);
	put(world, self + BLOCK + 16, (uint64_t)guard * PAGE);
	link_node(world, LIBC + (used ? USED : CACHE),
		  used ? &world->last_used : &world->last_cached, self + LIST);
	return self;
}

static void add_thread(struct world *world, int tid, uint64_t sp, uint64_t tp)
{
	mf_target_forge_thread(world->target,
			       &(struct mf_thread){ .tid = tid,
						    .state = 'S',
						    .registers_known = true,
						    .sp = sp,
						    .tp = tp });
}

#define LIBC_LINE "7f8000000000-7f8000001000 file libpthread\n"

static void stacks_of_the_living_and_the_gone(void **state)
{
	struct world world = make_world();
	struct mf_stack_census census;
	struct mf_space *space;
	uint64_t tp;

	(void)state;
	map_part(&world, 0, 1, NONE);
	map_part(&world, 1, 7, RW);
	map_part(&world, 8, 2, NONE);
	map_part(&world, 10, 6, RW);
	map_part(&world, 20, 1, NONE);
	map_part(&world, 21, 7, RW);
	tp = make_stack(&world, 0, 8, 1, 101);
	add_thread(&world, 101, tp - 64, tp);
	make_stack(&world, 8, 8, 2, 0);
	tp = make_stack(&world, 20, 8, 1, 103);
	add_thread(&world, 103, tp - 64, tp);
	space = make_space(world.target);
	assert_drawn(
		space,
		"7f0000000000-7f0000001000 guard thread 101 stack\n"
		"7f0000001000-7f0000008000 thread-stack thread 101 stack\n"
		"7f0000008000-7f000000a000 guard cached stack\n"
		"7f000000a000-7f0000010000 thread-stack cached stack\n"
		"7f0000014000-7f0000015000 guard thread 103 stack\n"
		"7f0000015000-7f000001c000 thread-stack thread 103 stack\n" LIBC_LINE);
	assert_string_equal(mf_space_region_at(space, AT(2))->owner, "tid 101");
	assert_int_equal(mf_space_region_at(space, AT(2))->certainty,
			 MF_BY_STRUCTURE);
	must(mf_space_settle(space));
	mf_space_stack_census(space, &census);
	assert_int_equal(census.live, 2);
	assert_int_equal(census.cached, 1);
	mf_space_destroy(space);
	end_world(&world);
}

/*
 * One kernel mapping: two cached stacks, one with a guard that no mapping
 * shows, a living thread's, and somebody else's pages on top.
 */
static void merged_stacks_are_split(void **state)
{
	struct world world = make_world();
	struct mf_stack_census census;
	struct mf_space *space;
	uint8_t pages[40];
	uint64_t tp;

	(void)state;
	memset(pages, MF_PAGE_PRESENT, sizeof(pages));
	memset(pages + 8, 0, 2);
	mf_target_forge_mapping(world.target,
				&(struct mf_mapping){ .start = AT(0),
						      .end = AT(40),
						      .perms = RW,
						      .path = "" },
				world.memory, pages);
	make_stack(&world, 0, 8, 0, 0);
	make_stack(&world, 8, 8, 2, -1);
	tp = make_stack(&world, 16, 16, 0, 7);
	add_thread(&world, 7, tp - 5000, tp);
	space = make_space(world.target);
	assert_drawn(space,
		     "7f0000000000-7f0000008000 thread-stack cached stack\n"
		     "7f0000008000-7f000000a000 guard cached stack\n"
		     "7f000000a000-7f0000010000 thread-stack cached stack\n"
		     "7f0000010000-7f0000020000 thread-stack thread 7 stack\n"
		     "7f0000020000-7f0000028000 anon\n" LIBC_LINE);
	must(mf_space_settle(space));
	mf_space_stack_census(space, &census);
	assert_int_equal(census.live, 1);
	assert_int_equal(census.cached, 2);
	mf_space_destroy(space);
	end_world(&world);
}

/* No thread pointers, no lists: the tops over guards are all there is. */
static void tops_over_guards(void **state)
{
	struct world world = make_world();
	struct mf_space *space;

	(void)state;
	map_part(&world, 0, 1, NONE);
	map_part(&world, 1, 7, RW);
	map_part(&world, 8, 1, NONE);
	map_part(&world, 9, 7, RW);
	map_part(&world, 16, 1, NONE);
	map_part(&world, 17, 7, RW);
	make_stack(&world, 0, 8, 1, 55);
	make_stack(&world, 8, 8, 1, 0);
	add_thread(&world, 55, AT(6), 0);
	space = make_space(world.target);
	/* The tid's place is not known, so none can be told to be gone. */
	assert_drawn(space,
		     "7f0000000000-7f0000001000 guard thread 55 stack\n"
		     "7f0000001000-7f0000008000 thread-stack thread 55 stack\n"
		     "7f0000008000-7f0000009000 guard thread stack\n"
		     "7f0000009000-7f0000010000 thread-stack thread stack\n"
		     "7f0000010000-7f0000011000 reserve\n"
		     "7f0000011000-7f0000018000 anon\n" LIBC_LINE);
	assert_int_equal(mf_space_region_at(space, AT(3))->certainty,
			 MF_BY_STRUCTURE);
	mf_space_destroy(space);
	end_world(&world);
}

/* A descriptor that lies about its block, and lists that lead nowhere. */
static void lies_are_not_believed(void **state)
{
	struct world world = make_world();
	struct mf_space *space;
	uint64_t tp;

	(void)state;
	map_part(&world, 0, 1, NONE);
	map_part(&world, 1, 7, RW);
	map_part(&world, 20, 8, RW);
	tp = make_stack(&world, 0, 8, 1, 101);
	add_thread(&world, 101, tp - 64, tp);
	tp = make_stack(&world, 20, 8, 0, 102);
	put(&world, tp + BLOCK, AT(12)); /* not mapped */
	put(&world, tp + BLOCK + 8, UINT64_C(16) * PAGE);
	add_thread(&world, 102, 0, tp);
	put(&world, LIBC + CACHE, UINT64_C(0x4141414141414140));
	put(&world, LIBC + CACHE + 8, UINT64_MAX - 7);
	space = make_space(world.target);
	assert_int_equal(mf_space_region_at(space, AT(3))->class,
			 MF_CLASS_THREAD_STACK);
	assert_int_equal(mf_space_region_at(space, AT(22))->class,
			 MF_CLASS_ANON);
	mf_space_destroy(space);
	end_world(&world);
}

/* musl: its own address once; map_base and map_size somewhere behind. */
static void musl_thread(void **state)
{
	struct world world = make_world();
	struct mf_space *space;
	uint64_t tp = AT(12) - 0x300;

	(void)state;
	map_part(&world, 4, 2, NONE);
	map_part(&world, 6, 10, RW); /* four pages of somebody else's */
	put(&world, tp, tp);
	put(&world, tp + 0x58, AT(4));
	put(&world, tp + 0x60, UINT64_C(8) * PAGE);
	add_thread(&world, 9, AT(11), tp);
	space = make_space(world.target);
	assert_drawn(space,
		     "7f0000004000-7f0000006000 guard thread 9 stack\n"
		     "7f0000006000-7f000000c000 thread-stack thread 9 stack\n"
		     "7f000000c000-7f0000010000 anon\n" LIBC_LINE);
	mf_space_destroy(space);
	end_world(&world);
}

static void stack_pointer_alone(void **state)
{
	struct world world = make_world();
	struct mf_space *space;

	(void)state;
	map_part(&world, 0, 1, NONE);
	map_part(&world, 1, 9, RW);
	map_part(&world, 20, 9, RW); /* no guard: no proof of its bounds */
	add_thread(&world, 3, AT(9), AT(30));
	add_thread(&world, 4, AT(25), 0);
	space = make_space(world.target);
	assert_drawn(space,
		     "7f0000000000-7f0000001000 guard thread 3 stack\n"
		     "7f0000001000-7f000000a000 thread-stack thread 3 stack\n"
		     "7f0000014000-7f000001d000 anon\n" LIBC_LINE);
	mf_space_destroy(space);
	end_world(&world);
}

/* One kernel mapping: others' pages, and the loader's above them, of which the
 * last was not touched yet. */
static void loaders_pages_above_others(void **state)
{
	enum {
		PAGES = 400,
		SELF = (PAGES - 3) * PAGE + 0x740,
	};
	struct world world = make_world();
	uint64_t *memory = calloc(PAGES, PAGE);
	struct mf_space *space;

	(void)state;
	world.target->info.pid = world.target->info.nspid = 7;
	memory[SELF / 8] = memory[SELF / 8 + 2] = BASE + SELF;
	memory[(SELF + TID) / 8] = 7;
	mf_target_forge_mapping(world.target,
				&(struct mf_mapping){ .start = AT(0),
						      .end = AT(PAGES),
						      .perms = RW,
						      .path = "" },
				memory, NULL);
	add_thread(&world, 7, 0, BASE + SELF);
	space = make_space(world.target);
	assert_drawn(space,
		     "7f0000000000-7f000018d000 anon\n"
		     "7f000018d000-7f0000190000 tls thread 7 TLS\n" LIBC_LINE);
	mf_space_destroy(space);
	end_world(&world);
	free(memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stacks_of_the_living_and_the_gone),
		cmocka_unit_test(merged_stacks_are_split),
		cmocka_unit_test(tops_over_guards),
		cmocka_unit_test(lies_are_not_believed),
		cmocka_unit_test(musl_thread),
		cmocka_unit_test(stack_pointer_alone),
		cmocka_unit_test(loaders_pages_above_others),
	};

	return cmocka_run_group_tests_name("space stacks", tests, NULL, NULL);
}
