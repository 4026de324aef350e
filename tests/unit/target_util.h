/*
 * A child process of the test as a target: it makes a state in memory that it
 * shares its address of, says so, and waits until it is ended.
 */
#ifndef MF_TESTS_TARGET_UTIL_H
#define MF_TESTS_TARGET_UTIL_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memforensics/target.h"

#include "unit.h"

enum {
	CHILD_PAGE = 4096,
	CHILD_LARGE = 1 << 30, /* a sanitizer's shadow: not looked through */
};

struct child {
	pid_t pid;
	uint64_t address; /* what the child told */
	int ready;
};

/** Under valgrind, threads and memory are not those of the program alone. */
static inline void skip_in_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");

	if (preload && strstr(preload, "vgpreload"))
		skip();
}

static inline void fail_on(struct mf_error *error)
{
	if (!error)
		return;
	print_error("%s: %s\n", error->what, error->why ? error->why : "");
	mf_error_destroy(error);
	fail();
}

/** Runs WORK (or nothing) in a child, which then waits; its result is child->address. */
static inline void start_child(struct child *child, void *(*work)(void))
{
	int ready[2];
	void *address;

	skip_in_valgrind();
	assert_int_equal(pipe(ready), 0);
	child->pid = fork();
	assert_true(child->pid >= 0);
	if (child->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
		address = work ? work() : NULL;
		if (write(ready[1], &address, sizeof(address)) !=
		    (ssize_t)sizeof(address))
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(
		read(ready[0], &child->address, sizeof(child->address)),
		sizeof(child->address));
	close(ready[0]);
}

static inline void end_child(const struct child *child)
{
	kill(child->pid, SIGKILL);
	while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static inline struct mf_target *
open_child(const struct child *child, enum mf_stop stop, uint64_t max_pause_ns)
{
	struct mf_target_options options = { .stop = stop,
					     .max_pause_ns = max_pause_ns };
	struct mf_target *target = NULL;

	fail_on(mf_target_open_live(child->pid, &options, &target));
	return target;
}

/** Field of /proc/PID/stat by its number in proc(5), from 3 on. */
static inline unsigned long long stat_field(pid_t pid, int field)
{
	char path[64], text[1024] = "", *at;
	FILE *stream;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	stream = fopen(path, "r");
	assert_non_null(stream);
	assert_true(fread(text, 1, sizeof(text) - 1, stream) > 0);
	fclose(stream);
	at = strrchr(text, ')');
	assert_non_null(at);
	for (at += 2; field > 3; field--) {
		at = strchr(at, ' ');
		assert_non_null(at);
		at++;
	}
	return strtoull(at, NULL, 10);
}

/** State letter of /proc/PID/status, and who traces it. */
static inline char state_of(pid_t pid, int *tracer)
{
	char path[64], line[256], state = '?';
	FILE *stream;

	*tracer = -1;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	stream = fopen(path, "r");
	assert_non_null(stream);
	while (fgets(line, sizeof(line), stream)) {
		if (strncmp(line, "State:\t", 7) == 0)
			state = line[7];
		if (strncmp(line, "TracerPid:\t", 11) == 0)
			*tracer = (int)strtol(line + 11, NULL, 10);
	}
	fclose(stream);
	return state;
}

#endif
