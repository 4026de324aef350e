/*
 * The prompt's history file: where it is, whose it has to be, and that it does
 * not grow without end.
 */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "cmd/history.h"
#include "unit.h"

static char folder[] = "/tmp/mf-history-XXXXXX";

static int set_up(void **state)
{
	(void)state;
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	unsetenv("XDG_STATE_HOME");
	unsetenv("MEMFORENSICS_HISTORY");
	setenv("HOME", folder, 1);
	return 0;
}

static int remove_one(const char *path, const struct stat *status, int flag,
		      struct FTW *walk)
{
	(void)status;
	(void)flag;
	(void)walk;
	return remove(path);
}

static int tear_down(void **state)
{
	(void)state;
	return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static char *below(const char *name)
{
	return mf_asprintf("%s/%s", folder, name);
}

static void assert_path(const char *name)
{
	mf_auto_free char *expected = name ? below(name) : NULL;
	struct mf_history history;

	mf_history_open(&history);
	if (name)
		assert_string_equal(history.path, expected);
	else
		assert_null(history.path);
	mf_history_close(&history);
}

static void test_paths(void **state)
{
	mf_auto_free char *own = below("own"), *made = below("made"),
			  *missing = below("no/such");
	struct stat status;

	(void)state;
	assert_path(".local/state/memforensics/history");
	setenv("XDG_STATE_HOME", made, 1);
	assert_path("made/memforensics/history");
	assert_int_equal(stat(made, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0700);
	setenv("XDG_STATE_HOME", "relative", 1);
	assert_path(".local/state/memforensics/history");
	setenv("XDG_STATE_HOME", missing, 1);
	assert_path(NULL);
	setenv("MEMFORENSICS_HISTORY", own, 1);
	assert_path("own");
	setenv("MEMFORENSICS_HISTORY", "", 1);
	assert_path(NULL);
	setenv("MEMFORENSICS_HISTORY", "-", 1);
	assert_path(NULL);
}

static void test_not_ours(void **state)
{
	(void)state;
	/* as sudo may leave it: somebody else's */
	setenv("HOME", geteuid() ? "/" : "/no-such-home", 1);
	assert_path(NULL);
	unsetenv("HOME");
	assert_path(NULL);
	if (geteuid() != 0 || chown(folder, 12345, (gid_t)-1) != 0)
		return;
	setenv("HOME", folder, 1);
	assert_path(NULL);
}

static struct {
	size_t count;
	char first[32], last[32];
} seen;

static void see(const char *line)
{
	if (!seen.count++)
		snprintf(seen.first, sizeof(seen.first), "%s", line);
	snprintf(seen.last, sizeof(seen.last), "%s", line);
}

static void see_all(void)
{
	struct mf_history history;

	seen.count = 0;
	mf_history_open(&history);
	mf_history_each(&history, see);
	mf_history_close(&history);
}

static void add(const char *line)
{
	struct mf_history history;

	mf_history_open(&history);
	mf_history_add(&history, line);
	mf_history_close(&history);
}

static void test_lines(void **state)
{
	struct mf_history one, other;
	struct stat status;

	(void)state;
	mf_history_open(&one);
	mf_history_open(&other);
	mf_history_add(&one, "maps");
	mf_history_add(&other, "arenas | less");
	assert_int_equal(stat(one.path, &status), -1);
	mf_history_close(&other);
	mf_history_open(&other);
	assert_int_equal(stat(other.path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	mf_history_close(&one);
	mf_history_close(&other);
	see_all();
	assert_int_equal(seen.count, 2);
	assert_string_equal(seen.first, "arenas | less");
	assert_string_equal(seen.last, "maps");
}

static void test_bounded(void **state)
{
	struct mf_history history;
	char line[16];

	(void)state;
	mf_history_open(&history);
	for (int i = 1; i <= MF_HISTORY_LINES + 5; i++) {
		snprintf(line, sizeof(line), "line %d", i);
		mf_history_add(&history, line);
	}
	mf_history_close(&history);
	add("the end");
	see_all();
	assert_int_equal(seen.count, MF_HISTORY_LINES);
	assert_string_equal(seen.first, "line 7");
	assert_string_equal(seen.last, "the end");
}

/* What is a link, or no plain file, is neither read nor written through. */
static void test_links(void **state)
{
	mf_auto_free char *victim = below("victim"), *link = below("link"),
			  *fifo = below("fifo");
	FILE *file = fopen(victim, "w");

	(void)state;
	fputs("precious\n", file);
	fclose(file);
	assert_int_equal(symlink(victim, link), 0);
	setenv("MEMFORENSICS_HISTORY", link, 1);
	see_all();
	assert_int_equal(seen.count, 0);
	add("maps");
	setenv("MEMFORENSICS_HISTORY", victim, 1);
	see_all();
	assert_int_equal(seen.count, 1);
	assert_string_equal(seen.last, "precious");
	assert_int_equal(mkfifo(fifo, 0600), 0);
	setenv("MEMFORENSICS_HISTORY", fifo, 1);
	see_all();
	assert_int_equal(seen.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_paths, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_not_ours, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_lines, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bounded, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_links, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
