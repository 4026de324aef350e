/*
 * Whose heap is damaged, and who was merely caught inside malloc: the same
 * broken header, and threads that stand in different places.
 */
#include <sys/syscall.h>

#include "damage_util.h"

#define LIBC	(FORGE_DATA - FORGE_PAGE + 0x100) /* in its code */
#define PROGRAM UINT64_C(0x401000)

struct stand {
	const char *what;
	struct mf_thread thread;
	bool caught;
};

static const struct stand stands[] = {
	{ "the program's own code",
	  { .state = 'R', .registers_known = true, .pc = PROGRAM },
	  false },
	{ "libc's code, which has no names here",
	  { .state = 'R', .registers_known = true, .pc = LIBC },
	  true },
	{ "a call that waits",
	  { .state = 'S',
	    .registers_known = true,
	    .pc = LIBC,
	    .in_syscall = true,
	    .syscall = SYS_read },
	  false },
	{ "a call for memory",
	  { .state = 'R',
	    .registers_known = true,
	    .pc = LIBC,
	    .in_syscall = true,
	    .syscall = SYS_brk },
	  true },
	{ "nobody knows where: it waits for a processor",
	  { .state = 'R', .registers_known = false },
	  true },
	{ "nobody knows where: it waits in the kernel",
	  { .state = 'D', .registers_known = false },
	  false },
};

/* One look at a broken header, with COUNT threads like THREAD. */
static void look_at(const struct mf_thread *thread, unsigned count, bool caught)
{
	const struct mf_arena *arena;
	struct heap heap;

	start(&heap);
	forge_finish(&heap.forge);
	forge_set(&heap.forge, heap.chunks[VICTIM] + 8, TEXT);
	forge_open(&heap.forge);
	for (unsigned i = 0; i < count; i++) {
		struct mf_thread one = *thread;

		one.tid = (pid_t)(1000 + i);
		mf_target_forge_thread(heap.forge.target, &one);
	}
	arena = forge_model(&heap.forge)->arenas;
	assert_int_equal(arena->in_flight, caught);
	assert_int_equal(arena->consistency,
			 caught ? MF_IN_FLIGHT : MF_DAMAGED);
	assert_int_equal(arena->corrupt_count, !caught);
	assert_int_equal(sum_of(&arena->figures), arena->figures.system);
	forge_deinit(&heap.forge);
}

static void a_single_thread_takes_no_lock(void **state)
{
	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(stands); i++) {
		print_message("  it stands in: %s\n", stands[i].what);
		look_at(&stands[i].thread, 1, stands[i].caught);
	}
}

/* With two, malloc locks: an arena that nobody locked was left alone. */
static void two_threads_lock(void **state)
{
	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(stands); i++) {
		print_message("  it stands in: %s\n", stands[i].what);
		look_at(&stands[i].thread, 2, false);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_single_thread_takes_no_lock),
		cmocka_unit_test(two_threads_lock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
