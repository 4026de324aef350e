/*
 * A session whose user has had enough, at any point of the building of its
 * models: it says so, leaves nothing behind, and can be asked again.
 */
#include <limits.h>

#include "memforensics/session.h"

#include "target_util.h"

enum {
	LONG_PAUSE = 2000000000,
};

static unsigned asked, asked_most;

static bool is_cancelled(void)
{
	return asked++ >= asked_most;
}

static void *make_page(void)
{
	return mmap(NULL, CHILD_PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static struct mf_session *open_session(const struct child *child,
				       enum mf_stop stop)
{
	const struct mf_session_options options = {
		.target = { .stop = stop,
			    .max_pause_ns = LONG_PAUSE,
			    .is_cancelled = is_cancelled },
		.keep = true,
	};
	struct mf_session *session;
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", (int)child->pid);
	fail_on(mf_session_open(pid, &options, &session));
	return session;
}

/* False: it was done before that. */
static bool is_refused(struct mf_session *session, unsigned after)
{
	struct mf_space *space;
	struct mf_error *error;

	asked = 0;
	asked_most = after;
	error = mf_session_space(session, &space);
	if (!error)
		return false;
	assert_string_equal(error->what, "interrupted");
	assert_true(asked > after);
	mf_error_destroy(error);
	assert_false(mf_session_is_frozen(session));
	return true;
}

/* At once, soon and late. */
static void cancel(enum mf_stop stop)
{
	struct child child;
	unsigned after = 0, refused = 0;
	bool goes_on = true;

	start_child(&child, make_page);
	while (goes_on) {
		struct mf_session *session = open_session(&child, stop);
		struct mf_space *space;
		int tracer;

		goes_on = is_refused(session, after);
		assert_int_not_equal(state_of(child.pid, &tracer), 't');
		assert_int_equal(tracer, 0);
		refused += goes_on;
		after = 8 * after + 1;
		asked_most = UINT_MAX;
		fail_on(mf_session_space(session, &space));
		assert_true(mf_space_rss(space) > 0);
		mf_session_close(session);
	}
	assert_true(refused > 1);
	end_child(&child);
}

static void test_copied(void **state)
{
	(void)state;
	cancel(MF_STOP_SNAPSHOT);
}

static void test_held(void **state)
{
	(void)state;
	cancel(MF_STOP_BRIEF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copied),
		cmocka_unit_test(test_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
