/*
 * The limits that a process runs under: its cgroups (v2 and v1, the lowest up
 * the tree), its rlimits, and the system's.
 */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/processors.h"
#include "target/cgroup.h"
#include "target/live.h"

enum {
	SMALL = 16384,
};

/* ---- cgroups -------------------------------------------------------------- */

static bool locate(int proc, const char *controller, struct mf_cgroup *ret)
{
	int system = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool found =
		system >= 0 && mf_cgroup_locate(system, proc, controller, ret);

	if (system >= 0)
		close(system);
	return found;
}

static void read_usage(const struct mf_cgroup *group, struct mf_limits *limits)
{
	char text[SMALL];

	limits->cgroup_memory_current = mf_cgroup_read_number(
		group, group->v2 ? "memory.current" : "memory.usage_in_bytes");
	limits->cgroup_file = limits->cgroup_slab = UINT64_MAX;
	if (!mf_cgroup_read(group, "memory.stat", text, sizeof(text)))
		return;
	mf_proc_find_number(text, group->v2 ? "file " : "total_cache ", 10,
			    &limits->cgroup_file);
	if (group->v2)
		mf_proc_find_number(text, "slab ", 10, &limits->cgroup_slab);
	else
		limits->cgroup_slab = mf_cgroup_read_number(
			group, "memory.kmem.usage_in_bytes");
}

static bool read_memory(int proc, const char *controller,
			struct mf_limits *limits)
{
	struct mf_cgroup group, lowest;

	if (!locate(proc, controller, &group))
		return false;
	lowest = group;
	for (int depth = 0; depth < MF_CGROUP_DEPTH; depth++) {
		uint64_t max = mf_cgroup_read_number(
			&group,
			group.v2 ? "memory.max" : "memory.limit_in_bytes");

		if (max < limits->cgroup_memory_max) {
			limits->cgroup_memory_max = max;
			lowest = group;
		}
		if (!mf_cgroup_climb(&group))
			break;
	}
	read_usage(&lowest, limits);
	return limits->cgroup_memory_current != UINT64_MAX;
}

/* Quota over period, in CPUs; 0: none. */
static double read_quota(const struct mf_cgroup *group)
{
	char text[64], *end;
	double quota, period;

	if (!mf_cgroup_read(group, group->v2 ? "cpu.max" : "cpu.cfs_quota_us",
			    text, sizeof(text)) ||
	    !isdigit((unsigned char)text[0]))
		return 0;
	quota = strtod(text, &end);
	period = group->v2 ? strtod(end, NULL)
			   : (double)mf_cgroup_read_number(group,
							   "cpu.cfs_period_us");
	return period > 0 ? quota / period : 0;
}

static void read_cpu(int proc, const char *controller, struct mf_limits *limits)
{
	struct mf_cgroup group;

	if (!locate(proc, controller, &group))
		return;
	for (int depth = 0; depth < MF_CGROUP_DEPTH; depth++) {
		double quota = read_quota(&group);

		if (quota > 0 &&
		    (limits->cpu_quota == 0 || quota < limits->cpu_quota))
			limits->cpu_quota = quota;
		if (!mf_cgroup_climb(&group))
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

void mf_limits_read(int proc, pid_t pid, struct mf_limits *ret)
{
	struct mf_limits limits;
	char text[SMALL];

	memset(&limits, 0xff, sizeof(limits));
	limits.cpu_quota = 0;
	/* malloc asks for as many (glibc 2.36 malloc/arena.c, arena_get2) */
	limits.cpus = mf_processors_of(pid);
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
