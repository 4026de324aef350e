/*
 * How a process is held: decided of a child whose /proc files are forged, as
 * far as they say what this machine does not have.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "target/decide.h"
#include "target/predict.h"
#include "target_util.h"

enum {
	SIZE = 16 << 20,
	PAGES = SIZE / CHILD_PAGE,
	OTHERS = 2048, /* pages that a process has anyway, at most */
};

#define SECOND UINT64_C(1000000000)

/* ---- what a copy takes --------------------------------------------------------- */

static char *map_pages(int flags, bool write)
{
	char *bytes = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
			   flags | MAP_ANONYMOUS, -1, 0);

	assert_true(bytes != MAP_FAILED);
	madvise(bytes, SIZE, MADV_NOHUGEPAGE);
	for (size_t at = 0; write && at < SIZE; at += CHILD_PAGE)
		bytes[at] = 1;
	return bytes;
}

static void *map_one(void)
{
	return map_pages(MAP_PRIVATE, true);
}

/* Beside it what no copy takes, or takes nothing for. */
static void *map_all(void)
{
	map_pages(MAP_PRIVATE, false);
	map_pages(MAP_SHARED, true);
	madvise(map_pages(MAP_PRIVATE, true), SIZE, MADV_DONTFORK);
	return map_one();
}

static uint64_t pages_of(void *(*work)(void))
{
	struct child child;
	struct mf_target *target;
	uint64_t pages;

	start_child(&child, work);
	target = open_child(&child, MF_STOP_NONE, SECOND);
	pages = mf_predict_pages(target);
	mf_target_close(target);
	end_child(&child);
	return pages;
}

static void test_pages(void **state)
{
	uint64_t none = pages_of(NULL), one, all;

	(void)state;
	if (none > CHILD_LARGE / CHILD_PAGE)
		skip(); /* a sanitizer's shadow */
	one = pages_of(map_one);
	all = pages_of(map_all);
	assert_true(one >= none + PAGES - OTHERS &&
		    one <= none + PAGES + OTHERS);
	assert_true(all >= none + PAGES - OTHERS &&
		    all <= none + PAGES + OTHERS);
}

/* The pause grows by what is measured, and by what will be read. */
static void test_rates(void **state)
{
	struct mf_rates rates = { .fork_page_ns = 1000, .read_page_ns = 1000 };
	struct mf_prediction slow, fast, little;
	struct mf_target *target;
	struct child child;

	(void)state;
	start_child(&child, map_one);
	target = open_child(&child, MF_STOP_NONE, SECOND);
	mf_predict_pause(target, &rates, &slow);
	assert_true(slow.copy_ns > UINT64_C(1000) * PAGES);
	assert_true(slow.brief_ns > UINT64_C(2000) * PAGES);
	rates.fork_page_ns = 1;
	mf_predict_pause(target, &rates, &fast);
	assert_true(slow.copy_ns - fast.copy_ns > UINT64_C(999) * PAGES);
	mf_target_expect(target, 0);
	mf_predict_pause(target, &rates, &little);
	assert_true(little.copy_ns == fast.copy_ns);
	assert_true(little.brief_ns + UINT64_C(2000) * PAGES <= fast.brief_ns);
	mf_target_close(target);
	end_child(&child);
}

static void test_measured(void **state)
{
	struct mf_rates rates = { 0, 0 };
	int status;
	pid_t pid;

	(void)state;
	skip_in_valgrind();
	/* a small process, as the holder is */
	pid = fork();
	if (pid == 0)
		_exit(mf_rates_measure(&rates) == 0 && rates.fork_page_ns &&
				      rates.read_page_ns &&
				      rates.fork_page_ns < 100000 &&
				      rates.read_page_ns < 1000000
			      ? 0
			      : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	/* it has no child left */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* ---- what is decided --------------------------------------------------------------- */

/* The folder is what TARGET takes for /proc/PID from now on. */
static void forge(struct mf_target *target, const char *status)
{
	char folder[] = "/tmp/mf-decide.XXXXXX", path[64];
	FILE *stream;
	int fd;

	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/status", folder);
	stream = fopen(path, "w");
	assert_non_null(stream);
	assert_true(fputs(status, stream) >= 0);
	assert_int_equal(fclose(stream), 0);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_true(dup2(fd, mf_live_of(target)->proc) >= 0);
	close(fd);
}

static void remove_forged(struct mf_target *target)
{
	char path[64], folder[128] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d",
		 mf_live_of(target)->proc);
	assert_true(readlink(path, folder, sizeof(folder) - 1) > 0);
	assert_int_equal(unlinkat(mf_live_of(target)->proc, "status", 0), 0);
	assert_int_equal(rmdir(folder), 0);
}

static void check(enum mf_stop option, const char *status, enum mf_stop wanted,
		  const char *why)
{
	struct child child;
	struct mf_target *target;
	struct mf_impact impact;
	size_t count;

	start_child(&child, NULL);
	target = open_child(&child, option, 60 * SECOND);
	forge(target, status);
	assert_int_equal(mf_decide_stop(target), wanted);
	mf_target_get_impact(target, &impact);
	if (!strstr(impact.why, why))
		print_error("%s, not %s\n", impact.why, why);
	assert_non_null(strstr(impact.why, why));
	mf_target_partials(target, &count);
	/* only what was asked for can be missed */
	assert_int_equal(count, option == MF_STOP_SNAPSHOT && wanted != option);
	remove_forged(target);
	mf_target_close(target);
	end_child(&child);
}

static void test_status(void **state)
{
	static const struct {
		const char *status, *why;
	} refused[] = {
		{ "Name:\tx\nx86_Thread_features:\tshstk wrss\n"
		  "x86_Thread_features_locked:\tshstk\n",
		  "it has a shadow stack" },
		{ "Name:\tx\nSeccomp:\t1\n", "strict mode" },
	};
	static const char *const fine[] = {
		"Name:\tx\nSeccomp:\t0\n",
		"Name:\tshstk\n",
		("Name:\tx\nx86_Thread_features:\t\n"
		 "x86_Thread_features_locked:\tshstk\n"),
	};

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(refused); i++) {
		check(MF_STOP_AUTO, refused[i].status, MF_STOP_BRIEF,
		      refused[i].why);
		check(MF_STOP_SNAPSHOT, refused[i].status, MF_STOP_BRIEF,
		      refused[i].why);
		check(MF_STOP_BRIEF, refused[i].status, MF_STOP_BRIEF,
		      "--stop brief");
	}
	for (size_t i = 0; i < MF_ARRAY_SIZE(fine); i++) {
		check(MF_STOP_AUTO, fine[i], MF_STOP_SNAPSHOT,
		      "fits --max-pause");
		check(MF_STOP_SNAPSHOT, fine[i], MF_STOP_SNAPSHOT,
		      "--stop snapshot");
	}
}

/* Once it has failed, it is not tried again. */
static void test_instead(void **state)
{
	struct child child;
	struct mf_target *target;
	struct mf_impact impact;

	(void)state;
	start_child(&child, NULL);
	target = open_child(&child, MF_STOP_AUTO, 60 * SECOND);
	assert_int_equal(mf_decide_stop(target), MF_STOP_SNAPSHOT);
	assert_int_equal(mf_decide_instead(target, MF_STOP_SNAPSHOT, "of this"),
			 MF_STOP_BRIEF);
	mf_target_get_impact(target, &impact);
	assert_non_null(strstr(impact.why, "no snapshot: of this"));
	assert_int_equal(mf_decide_stop(target), MF_STOP_BRIEF);
	assert_int_equal(mf_decide_instead(target, MF_STOP_BRIEF, "of that"),
			 MF_STOP_NONE);
	mf_target_get_impact(target, &impact);
	assert_string_equal(impact.why, "of that");
	assert_true(impact.racy);
	mf_target_close(target);
	end_child(&child);
}

/* Too long for either; what is read later decides which. */
static void test_too_long(void **state)
{
	struct child child;
	struct mf_target *target;
	struct mf_impact impact;

	(void)state;
	start_child(&child, map_one);
	target = open_child(&child, MF_STOP_AUTO, 1000);
	assert_int_equal(mf_decide_stop(target), MF_STOP_NONE);
	mf_target_get_impact(target, &impact);
	assert_non_null(strstr(impact.why, "is over --max-pause"));
	assert_non_null(strstr(impact.why, "no snapshot: predicted pause"));
	mf_target_close(target);
	end_child(&child);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_measured),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_instead),
		cmocka_unit_test(test_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
