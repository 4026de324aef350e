/*
 * A copy that is kept: whatever else is done, it is the same one, of the same
 * moment, until it is let go; and the end of the process is not its end.
 */
#include <pthread.h>
#include <sched.h>

#include "target_util.h"

enum {
	LONG_PAUSE = 2000000000,
};

/* In memory that the test and the target share, and in the target's own. */
static volatile uint64_t *shared_turns;
static volatile uint64_t *own_turns;

static void *write_turns(void *argument)
{
	(void)argument;
	for (uint64_t turn = 1;; turn++) {
		*own_turns = turn;
		*shared_turns = turn;
	}
	return NULL;
}

static void *start_writing(void)
{
	void *page = mmap(NULL, CHILD_PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_t thread;

	own_turns = page;
	pthread_create(&thread, NULL, write_turns, NULL);
	return page;
}

static void await_turn(void)
{
	uint64_t before = *shared_turns;

	while (*shared_turns < before + 2)
		sched_yield();
}

static struct mf_target *open_kept(struct child *child)
{
	void *page = mmap(NULL, CHILD_PAGE, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct mf_target *target;
	struct mf_impact impact;

	assert_true(page != MAP_FAILED);
	shared_turns = page;
	start_child(child, start_writing);
	target = open_child(child, MF_STOP_SNAPSHOT, LONG_PAUSE);
	assert_false(mf_target_keeps_copy(target));
	fail_on(mf_target_hold(target));
	mf_target_get_impact(target, &impact);
	if (impact.stop != MF_STOP_SNAPSHOT)
		skip(); /* not on this processor */
	mf_target_keep_copy(target, true);
	mf_target_release(target);
	assert_true(mf_target_keeps_copy(target));
	return target;
}

static uint64_t read_turn(const struct child *child, struct mf_target *target)
{
	uint64_t turn = 0;

	mf_target_forget(target);
	assert_true(mf_target_read_u64(target, child->address, &turn));
	return turn;
}

static unsigned stops_of(const struct mf_target *target)
{
	struct mf_impact impact;

	mf_target_get_impact(target, &impact);
	return impact.stops;
}

static void test_kept(void **state)
{
	/* a hold may have begun in the second before */
	time_t opened = time(NULL) - 1;
	struct child child;
	struct mf_target *target = open_kept(&child);
	uint64_t turn = read_turn(&child, target);
	const struct mf_mapping *mappings;
	size_t before, after;

	(void)state;
	mappings = mf_target_mappings(target, &before);
	for (int i = 0; i < 3; i++) {
		await_turn();
		mf_target_drop_copy(target);
		fail_on(mf_target_hold(target));
		assert_true(mf_target_is_still(target));
		fail_on(mf_target_refresh(target));
		assert_int_equal(read_turn(&child, target), turn);
		mf_target_release(target);
	}
	assert_in_range(mf_target_info(target)->taken_s, opened, time(NULL));
	assert_ptr_equal(mf_target_mappings(target, &after), mappings);
	assert_int_equal(before, after);
	assert_int_equal(stops_of(target), 1);
	assert_false(mf_target_has_ended(target));
	assert_null(mf_target_refuse_copy(target));
	mf_target_keep_copy(target, false);
	assert_false(mf_target_keeps_copy(target));
	assert_int_equal(mf_target_info(target)->taken_s, 0);
	/* the process itself again */
	assert_true(read_turn(&child, target) > turn);
	mf_target_close(target);
	end_child(&child);
}

/* A child of ours reads it by what it was born with, and ends. */
static void test_forked(void **state)
{
	struct child child;
	struct mf_target *target = open_kept(&child);
	uint64_t turn = read_turn(&child, target);
	int status;
	pid_t pid;

	(void)state;
	await_turn();
	pid = fork();
	if (pid == 0)
		_exit(read_turn(&child, target) == turn ? 42 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 42);
	assert_int_equal(read_turn(&child, target), turn);
	mf_target_close(target);
	end_child(&child);
}

static void test_process_ends(void **state)
{
	struct child child;
	struct mf_target *target = open_kept(&child);
	uint64_t turn = read_turn(&child, target);

	(void)state;
	end_child(&child);
	assert_true(mf_target_has_ended(target));
	assert_true(mf_target_keeps_copy(target));
	assert_int_equal(read_turn(&child, target), turn);
	mf_target_close(target);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_forked),
		cmocka_unit_test(test_process_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
