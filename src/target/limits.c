/*
 * The limits that a process runs under: its cgroups (v2 and v1, the lowest up
 * the tree), its rlimits, and the system's.
 */
#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "target/live.h"

enum {
	DEPTH_MAX = 64,
	SMALL = 16384,
};

/* v1 says "no limit" as the highest page-aligned number. */
#define NO_LIMIT_V1 (UINT64_C(1) << 62)

struct cgroup {
	char path[PATH_MAX]; /* of its folder; shortened while climbing */
	size_t root;	     /* length of the mount point in it */
	bool v2;
};

/* ---- where the cgroup is ----------------------------------------------- */

static bool has_word(const char *list, const char *word)
{
	size_t size = strlen(word);

	for (const char *at = list; (at = strstr(at, word)); at += size)
		if ((at == list || at[-1] == ',') &&
		    (at[size] == ',' || !at[size]))
			return true;
	return false;
}

/* The line "0::/path" for v2, "N:list,of,controllers:/path" for v1. */
static bool find_cgroup_path(char *text, const char *controller, char *path,
			     size_t size)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		char *list = strchr(line, ':'), *at;

		if (!list || !(at = strchr(++list, ':')))
			continue;
		*at++ = '\0';
		if (controller ? !has_word(list, controller) : *list != '\0')
			continue;
		snprintf(path, size, "%s", at);
		return true;
	}
	return false;
}

/* A mount of the hierarchy: its mount point and the cgroup that it shows. */
static bool find_mount(char *text, const char *controller, char **point,
		       char **shown)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		char *tail = strstr(line, " - "), *options, *words = NULL;
		bool wanted;

		if (!tail)
			continue;
		*tail = '\0';
		tail += 3;
		options = strrchr(tail, ' ');
		wanted = controller ? strncmp(tail, "cgroup ", 7) == 0 &&
					      options &&
					      has_word(options + 1, controller)
				    : strncmp(tail, "cgroup2 ", 8) == 0;
		if (!wanted)
			continue;
		strtok_r(line, " ", &words);
		strtok_r(NULL, " ", &words);
		strtok_r(NULL, " ", &words);
		*shown = strtok_r(NULL, " ", &words);
		*point = strtok_r(NULL, " ", &words);
		return *shown && *point;
	}
	return false;
}

static bool locate(int proc, const char *controller, struct cgroup *ret)
{
	char text[SMALL], path[PATH_MAX / 2], *point, *shown;
	size_t size;
	const char *below = path;

	if (mf_proc_read_text(proc, "cgroup", text, sizeof(text)) < 0 ||
	    !find_cgroup_path(text, controller, path, sizeof(path)))
		return false;
	if (mf_proc_read_text(AT_FDCWD, "/proc/self/mountinfo", text,
			      sizeof(text)) < 0 ||
	    !find_mount(text, controller, &point, &shown))
		return false;
	size = strlen(shown);
	if (size > 1 && strncmp(path, shown, size) == 0)
		below += size;
	else if (size > 1)
		below = ""; /* outside of what is mounted: its top must do */
	ret->root = strlen(point);
	ret->v2 = !controller;
	return (size_t)snprintf(ret->path, sizeof(ret->path), "%s%s", point,
				strcmp(below, "/") == 0 ? "" : below) <
	       sizeof(ret->path);
}

/* To the parent; false at the mount point. */
static bool climb(struct cgroup *group)
{
	char *slash = strrchr(group->path, '/');

	if (!slash || (size_t)(slash - group->path) < group->root)
		return false;
	*slash = '\0';
	return true;
}

/* ---- what is in its files ---------------------------------------------- */

static bool read_file(const struct cgroup *group, const char *name, char *text,
		      size_t size)
{
	char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/%s", group->path, name);
	return mf_proc_read_text(AT_FDCWD, path, text, size) >= 0;
}

static uint64_t read_number(const struct cgroup *group, const char *name)
{
	unsigned long long value;
	char text[64];

	if (!read_file(group, name, text, sizeof(text)) ||
	    !isdigit((unsigned char)text[0]))
		return UINT64_MAX;
	value = strtoull(text, NULL, 10);
	return value >= NO_LIMIT_V1 ? UINT64_MAX : value;
}

static void read_usage(const struct cgroup *group, struct mf_limits *limits)
{
	char text[SMALL];

	limits->cgroup_memory_current = read_number(
		group, group->v2 ? "memory.current" : "memory.usage_in_bytes");
	limits->cgroup_file = limits->cgroup_slab = UINT64_MAX;
	if (!read_file(group, "memory.stat", text, sizeof(text)))
		return;
	mf_proc_find_number(text, group->v2 ? "file " : "total_cache ", 10,
			    &limits->cgroup_file);
	if (group->v2)
		mf_proc_find_number(text, "slab ", 10, &limits->cgroup_slab);
	else
		limits->cgroup_slab =
			read_number(group, "memory.kmem.usage_in_bytes");
}

static bool read_memory(int proc, const char *controller,
			struct mf_limits *limits)
{
	struct cgroup group, lowest;

	if (!locate(proc, controller, &group))
		return false;
	lowest = group;
	for (int depth = 0; depth < DEPTH_MAX; depth++) {
		uint64_t max =
			read_number(&group, group.v2 ? "memory.max"
						     : "memory.limit_in_bytes");

		if (max < limits->cgroup_memory_max) {
			limits->cgroup_memory_max = max;
			lowest = group;
		}
		if (!climb(&group))
			break;
	}
	read_usage(&lowest, limits);
	return limits->cgroup_memory_current != UINT64_MAX;
}

/* Quota over period, in CPUs; 0: none. */
static double read_quota(const struct cgroup *group)
{
	char text[64], *end;
	double quota, period;

	if (!read_file(group, group->v2 ? "cpu.max" : "cpu.cfs_quota_us", text,
		       sizeof(text)) ||
	    !isdigit((unsigned char)text[0]))
		return 0;
	quota = strtod(text, &end);
	period = group->v2 ? strtod(end, NULL)
			   : (double)read_number(group, "cpu.cfs_period_us");
	return period > 0 ? quota / period : 0;
}

static void read_cpu(int proc, const char *controller, struct mf_limits *limits)
{
	struct cgroup group;

	if (!locate(proc, controller, &group))
		return;
	for (int depth = 0; depth < DEPTH_MAX; depth++) {
		double quota = read_quota(&group);

		if (quota > 0 &&
		    (limits->cpu_quota == 0 || quota < limits->cpu_quota))
			limits->cpu_quota = quota;
		if (!climb(&group))
			break;
	}
}

/* ---- the rest ------------------------------------------------------------ */

static uint64_t read_rlimit(const char *text, const char *name)
{
	uint64_t value;

	/* "unlimited" is no number */
	return mf_proc_find_number(text, name, 10, &value) ? value : UINT64_MAX;
}

static void read_system(struct mf_limits *limits)
{
	char text[SMALL];
	uint64_t value;

	if (mf_proc_read_text(AT_FDCWD, "/proc/sys/vm/max_map_count", text,
			      sizeof(text)) > 0)
		limits->max_map_count = strtoull(text, NULL, 10);
	if (mf_proc_read_text(AT_FDCWD, "/proc/meminfo", text, sizeof(text)) >
		    0 &&
	    mf_proc_find_number(text, "MemAvailable:", 10, &value))
		limits->memory_available = value * 1024;
}

/* malloc asks the scheduler's mask (glibc 2.36 malloc/arena.c, arena_get2). */
static unsigned count_cpus(pid_t pid)
{
	unsigned long mask[1024] = { 0 }; /* 65536 CPUs */
	cpu_set_t *set = (cpu_set_t *)mask;

	if (sched_getaffinity(pid, sizeof(mask), set) != 0)
		return 0;
	return (unsigned)CPU_COUNT_S(sizeof(mask), set);
}

void mf_limits_read(int proc, pid_t pid, struct mf_limits *ret)
{
	struct mf_limits limits;
	char text[SMALL];

	memset(&limits, 0xff, sizeof(limits));
	limits.cpu_quota = 0;
	limits.cpus = count_cpus(pid);
	if (!read_memory(proc, NULL, &limits))
		read_memory(proc, "memory", &limits);
	read_cpu(proc, NULL, &limits);
	read_cpu(proc, "cpu", &limits);
	if (mf_proc_read_text(proc, "limits", text, sizeof(text)) > 0) {
		limits.address_space = read_rlimit(text, "Max address space");
		limits.stack = read_rlimit(text, "Max stack size");
	}
	read_system(&limits);
	*ret = limits;
}
