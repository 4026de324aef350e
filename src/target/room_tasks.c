/*
 * Knows how many tasks there may be where a process lives: pids.max of its
 * cgroups, and RLIMIT_NPROC, which counts the threads of all processes of its
 * user.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "target/cgroup.h"
#include "target/proc.h"
#include "target/room.h"

enum {
	SMALL = 8192,
	SPARE = 2, /* left to the process, unless a copy was asked for */
	PROCESSES_MAX = 1 << 15,
	/* bits of CapEff, linux/capability.h */
	CAP_ADMIN = 21,
	CAP_RESOURCE = 24,
};

/* ---- cgroups ---------------------------------------------------------------- */

static bool has_task(const struct mf_room_place *place, const char *controller,
		     uint64_t tasks)
{
	struct mf_cgroup group;

	if (!mf_cgroup_locate(place->system, place->proc, controller, &group))
		return true;
	for (int depth = 0; depth < MF_CGROUP_DEPTH; depth++) {
		uint64_t max = mf_cgroup_read_number(&group, "pids.max");
		uint64_t current =
			mf_cgroup_read_number(&group, "pids.current");

		if (max != UINT64_MAX && current != UINT64_MAX &&
		    (max < tasks || current > max - tasks))
			return false;
		if (!mf_cgroup_climb(&group))
			break;
	}
	return true;
}

/* ---- RLIMIT_NPROC -------------------------------------------------------------- */

/* Capabilities count where the limit does: in the first user namespace. */
static bool shares_namespace(const struct mf_room_place *place)
{
	char own[64], other[64];
	ssize_t size =
		readlinkat(place->system, "self/ns/user", own, sizeof(own));

	return size > 0 &&
	       size == readlinkat(place->proc, "ns/user", other,
				  sizeof(other)) &&
	       memcmp(own, other, (size_t)size) == 0;
}

static bool is_exempt(const struct mf_room_place *place, const char *status,
		      uint64_t user)
{
	const uint64_t exempting =
		UINT64_C(1) << CAP_ADMIN | UINT64_C(1) << CAP_RESOURCE;
	uint64_t capabilities = 0;

	if (!user)
		return true;
	mf_proc_find_number(status, "CapEff:", 16, &capabilities);
	return capabilities & exempting && shares_namespace(place);
}

/* Of the whole system: no user has more. */
static uint64_t count_all(const struct mf_room_place *place)
{
	char text[128];
	const char *slash;

	if (mf_proc_read_text(place->system, "loadavg", text, sizeof(text)) <=
	    0)
		return UINT64_MAX;
	slash = strchr(text, '/');
	return slash ? strtoull(slash + 1, NULL, 10) : UINT64_MAX;
}

/* Threads of process NAME, if it is USER's. */
static uint64_t count_process(int system, const char *name, uint64_t user)
{
	char path[64], text[SMALL];
	uint64_t owner, threads;

	snprintf(path, sizeof(path), "%.20s/status", name);
	if (mf_proc_read_text(system, path, text, sizeof(text)) < 0 ||
	    !mf_proc_find_number(text, "Uid:", 10, &owner) || owner != user ||
	    !mf_proc_find_number(text, "Threads:", 10, &threads))
		return 0;
	return threads;
}

/* Those that can be seen from here. */
static uint64_t count_threads(const struct mf_room_place *place, uint64_t user)
{
	int fd = openat(place->system, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	uint64_t count = 0;

	if (!directory) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	for (unsigned i = 0;
	     i < PROCESSES_MAX &&
	     /* NOLINTNEXTLINE(concurrency-mt-unsafe): our own stream */
	     (entry = readdir(directory));)
		if (isdigit((unsigned char)*entry->d_name)) {
			count += count_process(place->system, entry->d_name,
					       user);
			i++;
		}
	closedir(directory);
	return count;
}

/* True also when it is not known: then the copy's clone fails, no more. */
static bool may_have_task(const struct mf_room_place *place, uint64_t tasks)
{
	char limits[SMALL], status[SMALL];
	uint64_t limit, user;

	if (mf_proc_read_text(place->proc, "limits", limits, sizeof(limits)) <=
		    0 ||
	    mf_proc_read_text(place->proc, "status", status, sizeof(status)) <=
		    0 ||
	    /* "unlimited" is no number */
	    !mf_proc_find_number(limits, "Max processes", 10, &limit) ||
	    !mf_proc_find_number(status, "Uid:", 10, &user) ||
	    is_exempt(place, status, user))
		return true;
	if (limit < tasks)
		return false;
	/* looking through all processes only where it may matter */
	return count_all(place) <= limit - tasks ||
	       count_threads(place, user) <= limit - tasks;
}

const char *mf_room_refuse_task(const struct mf_room_place *place, bool asked)
{
	uint64_t tasks = asked ? 1 : 1 + SPARE;

	if (!has_task(place, NULL, tasks) || !has_task(place, "pids", tasks))
		return "pids.max of its cgroup leaves no room for a copy";
	if (!may_have_task(place, tasks))
		return "RLIMIT_NPROC of its user leaves no room for a copy";
	return NULL;
}
