/*
 * Pages of a live process that are read ahead, by a thread of its own: the same
 * as those that are read at once, whatever the pages are and whoever ends.
 */
#include <sched.h>
#include <semaphore.h>

#include "base/processors.h"
#include "target/ahead.h"
#include "target/live.h"
#include "target_util.h"

enum {
	PAGES = 512,
	SIZE = PAGES * CHILD_PAGE,
};

static char *map_pages(void)
{
	char *at = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	madvise(at, SIZE, MADV_NOHUGEPAGE);
	return at;
}

static void write_pages(char *at, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		memset(at + i * CHILD_PAGE, (int)(i % 251) + 1, CHILD_PAGE);
}

/* All there but some holes, of which some were read: the zero page. */
static void *make_few_holes(void)
{
	char *at = map_pages();

	write_pages(at, 0, 100);
	write_pages(at, 105, 300);
	write_pages(at, 301, PAGES);
	(void)*(volatile char *)(at + (size_t)102 * CHILD_PAGE);
	return at;
}

/* More runs than are worth a second thread. */
static void *make_many_holes(void)
{
	char *at = map_pages();

	for (size_t i = 0; i < PAGES; i += 2)
		write_pages(at, i, i + 1);
	return at;
}

static void *make_untouched(void)
{
	return map_pages();
}

static void *make_protected(void)
{
	char *at = make_few_holes();

	mprotect(at + (size_t)64 * CHILD_PAGE, (size_t)64 * CHILD_PAGE,
		 PROT_NONE);
	return at;
}

struct view {
	uint8_t bytes[SIZE], flags[PAGES];
};

static struct view *view_create(void)
{
	struct view *view = malloc(sizeof(*view));

	assert_non_null(view);
	memset(view, 0xa5, sizeof(*view));
	return view;
}

/* True if by the second thread. */
static bool read_ahead(struct mf_target *target, uint64_t address,
		       struct view *view)
{
	bool is_ahead;

	fail_on(mf_target_begin_pages(target, address, PAGES, view->bytes,
				      view->flags));
	is_ahead = target->spans[0].is_ahead;
	fail_on(mf_target_finish_pages(target));
	return is_ahead;
}

static uint64_t bytes_read(const struct mf_target *target)
{
	struct mf_impact impact;

	mf_target_get_impact(target, &impact);
	return impact.bytes_read;
}

/* Twice, since the thread of the first is that of the second. */
static bool check_same(struct mf_target *target, uint64_t address)
{
	struct view *once = view_create(), *ahead = view_create();
	uint64_t before = bytes_read(target), each;
	bool is_ahead = false;

	fail_on(mf_target_read_pages(target, address, PAGES, once->bytes,
				     once->flags));
	each = bytes_read(target) - before;
	for (unsigned i = 0; i < 2; i++) {
		memset(ahead, 0x5a, sizeof(*ahead));
		is_ahead = read_ahead(target, address, ahead);
		assert_memory_equal(ahead->bytes, once->bytes, SIZE);
		assert_memory_equal(ahead->flags, once->flags, PAGES);
	}
	assert_int_equal(bytes_read(target) - before, 3 * each);
	free(once);
	free(ahead);
	return is_ahead;
}

/* Whether the second thread reads them, if there is one. */
enum way {
	AT_ONCE,
	AHEAD_BY_FILE,
	AHEAD
};

static bool is_expected(const struct mf_target *target, uint64_t address,
			enum way way)
{
	struct mf_source source;

	if (way == AT_ONCE || mf_processors_of(0) == 1 ||
	    mf_view_source(target, address, address + SIZE, &source) !=
		    address + SIZE)
		return false;
	return way == AHEAD || source.shares || mf_live_of(target)->no_vm_readv;
}

static void check_all_ways(void *(*work)(void), enum way way)
{
	struct child child;
	struct mf_target *target;

	start_child(&child, work);
	target = open_child(&child, MF_STOP_NONE, 0);
	assert_int_equal(check_same(target, child.address),
			 is_expected(target, child.address, way));
	/* and by /proc/PID/mem */
	mf_live_of(target)->no_vm_readv = true;
	assert_int_equal(check_same(target, child.address),
			 is_expected(target, child.address, way));
	mf_target_close(target);
	end_child(&child);
}

static void test_few_holes(void **state)
{
	(void)state;
	check_all_ways(make_few_holes, AHEAD);
}

static void test_many_holes(void **state)
{
	(void)state;
	check_all_ways(make_many_holes, AHEAD_BY_FILE);
}

static void test_untouched(void **state)
{
	(void)state;
	check_all_ways(make_untouched, AT_ONCE);
}

static void test_protected(void **state)
{
	(void)state;
	check_all_ways(make_protected, AHEAD);
}

/* What was dropped disturbs nobody; other reads go on meanwhile. */
static void test_dropped(void **state)
{
	struct child child;
	struct mf_target *target;
	struct view *view;
	uint64_t word;

	(void)state;
	start_child(&child, make_few_holes);
	target = open_child(&child, MF_STOP_NONE, 0);
	view = view_create();
	fail_on(mf_target_begin_pages(target, child.address, PAGES, view->bytes,
				      view->flags));
	assert_true(mf_target_read_u64(target, child.address, &word));
	assert_true(word == UINT64_C(0x0101010101010101));
	mf_target_drop_pages(target);
	memset(view, 0, sizeof(*view));
	check_same(target, child.address);
	/* one that nobody waits for */
	fail_on(mf_target_begin_pages(target, child.address, PAGES, view->bytes,
				      view->flags));
	mf_target_close(target);
	end_child(&child);
	free(view);
}

static void test_process_ends(void **state)
{
	struct child child;
	struct mf_target *target;
	struct view *view;
	struct mf_error *error;

	(void)state;
	start_child(&child, make_few_holes);
	target = open_child(&child, MF_STOP_NONE, 0);
	view = view_create();
	read_ahead(target, child.address, view);
	end_child(&child);
	error = mf_target_begin_pages(target, child.address, PAGES, view->bytes,
				      view->flags);
	if (!error)
		error = mf_target_finish_pages(target);
	assert_non_null(error);
	assert_int_equal(error->code, MF_ERROR_NO_PROCESS);
	mf_error_destroy(error);
	mf_target_close(target);
	free(view);
}

/* ---- the two threads --------------------------------------------------------- */

static sem_t first_begun, second_done;

/* The first unit takes until the second is done. */
static ssize_t copy_slowly(const struct mf_ahead_from *from, uint64_t source,
			   void *to, size_t size)
{
	(void)from;
	if (source == 0) {
		sem_post(&first_begun);
		sem_wait(&second_done);
	}
	memset(to, 1, size);
	if (source)
		sem_post(&second_done);
	return (ssize_t)size;
}

/* Who has to wait for one unit does another meanwhile, and waits then. */
static void test_reader_helps(void **state)
{
	const struct mf_ahead_from from = { .copy = copy_slowly };
	struct mf_ahead *ahead = mf_ahead_create();
	const struct mf_ahead_unit *unit;
	uint8_t bytes[2] = { 0, 0 };
	uint64_t end;

	(void)state;
	if (!ahead)
		skip(); /* there is one processor */
	sem_init(&first_begun, 0, 0);
	sem_init(&second_done, 0, 0);
	assert_true(mf_ahead_add(ahead, &from, 0, &bytes[0], 1));
	end = mf_ahead_begin(ahead);
	sem_wait(&first_begun);
	assert_true(mf_ahead_add(ahead, &from, 1, &bytes[1], 1));
	mf_ahead_begin(ahead);
	unit = mf_ahead_take(ahead, end);
	assert_non_null(unit);
	assert_true(unit->copied);
	assert_int_equal(bytes[0], 1);
	assert_int_equal(bytes[1], 1);
	assert_null(mf_ahead_take(ahead, end));
	mf_ahead_destroy(ahead);
}

static ssize_t copy_at_once(const struct mf_ahead_from *from, uint64_t source,
			    void *to, size_t size)
{
	(void)from;
	(void)source;
	memset(to, 1, size);
	sem_post(&first_begun);
	return (ssize_t)size;
}

/* What was read for nobody was read. */
static void test_dropped_bytes(void **state)
{
	const struct mf_ahead_from from = { .copy = copy_at_once };
	struct mf_ahead *ahead = mf_ahead_create();
	uint8_t bytes[5];
	uint64_t end;

	(void)state;
	if (!ahead)
		skip(); /* there is one processor */
	sem_init(&first_begun, 0, 0);
	assert_true(mf_ahead_add(ahead, &from, 0, bytes, 3));
	end = mf_ahead_begin(ahead);
	assert_non_null(mf_ahead_take(ahead, end));
	sem_wait(&first_begun);
	assert_int_equal(mf_ahead_drop(ahead), 0);
	assert_true(mf_ahead_add(ahead, &from, 0, bytes, 5));
	mf_ahead_begin(ahead);
	sem_wait(&first_begun);
	assert_int_equal(mf_ahead_drop(ahead), 5);
	assert_int_equal(mf_ahead_drop(ahead), 0);
	mf_ahead_destroy(ahead);
}

/* Who is given one processor has none for a second thread. */
static void test_one_processor(void **state)
{
	struct mf_ahead *ahead;
	cpu_set_t all, one;
	int first = 0;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	while (!CPU_ISSET(first, &all))
		first++;
	CPU_ZERO(&one);
	CPU_SET(first, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	assert_null(mf_ahead_create());
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
	ahead = mf_ahead_create();
	assert_int_equal(ahead != NULL, CPU_COUNT(&all) > 1);
	mf_ahead_destroy(ahead);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_processor),
		cmocka_unit_test(test_dropped_bytes),
		cmocka_unit_test(test_few_holes),
		cmocka_unit_test(test_many_holes),
		cmocka_unit_test(test_untouched),
		cmocka_unit_test(test_protected),
		cmocka_unit_test(test_dropped),
		cmocka_unit_test(test_process_ends),
		cmocka_unit_test(test_reader_helps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
