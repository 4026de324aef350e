/*
 * The cgroups of a process: a controller's folder, its files, and the way up
 * the tree.
 */
#ifndef MF_TARGET_CGROUP_H
#define MF_TARGET_CGROUP_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	MF_CGROUP_DEPTH = 64, /* how far up anybody looks */
};

struct mf_cgroup {
	char path[PATH_MAX]; /* of its folder; shortened while climbing */
	size_t root;	     /* length of the mount point in it */
	bool v2;
};

/**
 * The cgroup of the process behind PROC (/proc/PID) in v1's hierarchy of
 * CONTROLLER, or in v2's when that is NULL. SYSTEM is /proc.
 */
bool mf_cgroup_locate(int system, int proc, const char *controller,
		      struct mf_cgroup *ret);

/** To the parent; false at the mount point. */
bool mf_cgroup_climb(struct mf_cgroup *group);

/**
 * True when the tasks of the process behind PROC wait in the kernel until its
 * cgroup is thawed (a container that is paused).
 */
bool mf_cgroup_is_frozen(int system, int proc);

bool mf_cgroup_read(const struct mf_cgroup *group, const char *name, char *text,
		    size_t size);

/** UINT64_MAX: there is no such file, or no limit. */
uint64_t mf_cgroup_read_number(const struct mf_cgroup *group, const char *name);

#endif
