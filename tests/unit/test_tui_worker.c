/*
 * Who may forget what the worker was asked for, and when it may stop its target:
 * over a listing, which there are no bytes of.
 */
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "memforensics/tui.h"

#include "tui/bytes.h"
#include "unit.h"

struct opened {
	char path[64];
	struct mf_session *session;
	struct mf_worker *worker;
};

static int open_listing(void **state)
{
	static const char text[] =
		"00400000-00500000 rw-p 00000000 00:00 0 [heap]\n";
	const struct mf_session_options options = { .keep = false };
	const struct mf_browse_options browse = { .open = NULL };
	struct opened *opened = calloc(1, sizeof(*opened));
	FILE *file;

	snprintf(opened->path, sizeof(opened->path), "/tmp/worker.XXXXXX");
	file = fdopen(mkstemp(opened->path), "w");
	fputs(text, file);
	fclose(file);
	assert_null(mf_session_open(opened->path, &options, &opened->session));
	opened->worker = mf_worker_start(opened->session, &browse);
	*state = opened;
	return 0;
}

static int close_listing(void **state)
{
	struct opened *opened = *state;

	assert_true(mf_worker_stop(opened->worker));
	mf_session_close(opened->session);
	unlink(opened->path);
	free(opened);
	return 0;
}

/* Until all that was asked for is done. */
static void take_all(struct mf_worker *worker)
{
	struct pollfd fd = { .fd = mf_worker_fd(worker), .events = POLLIN };
	struct mf_work_state state;

	do {
		poll(&fd, 1, 10);
		mf_worker_hear(worker);
		mf_worker_take_jobs(worker);
		mf_worker_state(worker, &state);
	} while (state.busy || state.waiting);
	mf_worker_take_jobs(worker);
}

static struct mf_error *count_run(struct mf_job *job,
				  const struct mf_view *view)
{
	(void)job;
	(void)view;
	return NULL;
}

static unsigned done;

static void count_done(struct mf_job *job, const struct mf_error *error)
{
	(void)job;
	(void)error;
	done++;
}

static void ask(struct mf_worker *worker, const void *owner)
{
	struct mf_job *job = calloc(1, sizeof(*job));

	job->what = "counting";
	job->run = count_run;
	job->done = count_done;
	job->owner = owner;
	job->alone = true;
	mf_worker_ask(worker, job);
}

static void what_its_owner_forgot_is_not_told_of(void **state)
{
	struct opened *opened = *state;
	int one, other;

	done = 0;
	for (unsigned i = 0; i < 100; i++) {
		ask(opened->worker, &one);
		ask(opened->worker, &other);
	}
	mf_worker_forget(opened->worker, &one);
	take_all(opened->worker);
	assert_int_equal(done, 100);
}

/* More than a screen has is not asked for at once, however much is looked for:
 * what has come makes room for more. */
static void bytes_that_are_gone_are_not_written_to(void **state)
{
	struct opened *opened = *state;
	struct mf_bytes *bytes = mf_bytes_create(opened->worker, 4096);
	struct mf_work_state work;
	char byte;

	for (uint64_t i = 0; i < 100000; i++)
		assert_int_not_equal(mf_bytes_get(bytes, i << 14, &byte, 1),
				     MF_BYTES_READ);
	mf_worker_state(opened->worker, &work);
	assert_true(work.waiting <= 64);
	take_all(opened->worker);
	for (uint64_t i = 0; i < 8; i++)
		mf_bytes_get(bytes, (i + 1) << 30, &byte, 1);
	mf_bytes_destroy(bytes);
	mf_worker_state(opened->worker, &work);
	assert_int_equal(work.waiting, 0);
	take_all(opened->worker);
}

static void what_is_suspended_can_be_so_again(void **state)
{
	struct opened *opened = *state;

	take_all(opened->worker);
	assert_true(mf_worker_suspend(opened->worker));
	assert_true(mf_worker_suspend(opened->worker));
	mf_worker_resume(opened->worker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_its_owner_forgot_is_not_told_of, open_listing,
			close_listing),
		cmocka_unit_test_setup_teardown(
			bytes_that_are_gone_are_not_written_to, open_listing,
			close_listing),
		cmocka_unit_test_setup_teardown(
			what_is_suspended_can_be_so_again, open_listing,
			close_listing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
