/*
 * Where the cgroups of a process are, in v2's one tree and in v1's, one for
 * each set of controllers: which part of the tree is mounted where.
 */
#include "target/cgroup.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "target/proc.h"

enum {
	SMALL = 16384,
};

/* v1 says "no limit" as the highest page-aligned number. */
#define NO_LIMIT_V1 (UINT64_C(1) << 62)

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

bool mf_cgroup_locate(int system, int proc, const char *controller,
		      struct mf_cgroup *ret)
{
	char text[SMALL], path[PATH_MAX / 2], *point, *shown;
	size_t size;
	const char *below = path;

	if (mf_proc_read_text(proc, "cgroup", text, sizeof(text)) < 0 ||
	    !find_cgroup_path(text, controller, path, sizeof(path)))
		return false;
	if (mf_proc_read_text(system, "self/mountinfo", text, sizeof(text)) <
		    0 ||
	    !find_mount(text, controller, &point, &shown))
		return false;
	size = strlen(shown);
	if (size > 1 && strncmp(path, shown, size) == 0 &&
	    (path[size] == '/' || !path[size]))
		below += size;
	else if (size > 1)
		below = ""; /* outside of what is mounted: its top must do */
	ret->root = strlen(point);
	ret->v2 = !controller;
	return (size_t)snprintf(ret->path, sizeof(ret->path), "%s%s", point,
				strcmp(below, "/") == 0 ? "" : below) <
	       sizeof(ret->path);
}

bool mf_cgroup_climb(struct mf_cgroup *group)
{
	char *slash = strrchr(group->path, '/');

	if (!slash || (size_t)(slash - group->path) < group->root)
		return false;
	*slash = '\0';
	return true;
}

/* ---- what is in its files ---------------------------------------------- */

bool mf_cgroup_read(const struct mf_cgroup *group, const char *name, char *text,
		    size_t size)
{
	char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/%s", group->path, name);
	return mf_proc_read_text(AT_FDCWD, path, text, size) >= 0;
}

uint64_t mf_cgroup_read_number(const struct mf_cgroup *group, const char *name)
{
	unsigned long long value;
	char text[64];

	if (!mf_cgroup_read(group, name, text, sizeof(text)) ||
	    !isdigit((unsigned char)text[0]))
		return UINT64_MAX;
	value = strtoull(text, NULL, 10);
	return value >= NO_LIMIT_V1 ? UINT64_MAX : value;
}

/* v2 says in each folder what holds for it, v1 too. */
bool mf_cgroup_is_frozen(int system, int proc)
{
	struct mf_cgroup group;
	char text[SMALL];

	if (mf_cgroup_locate(system, proc, NULL, &group) &&
	    mf_cgroup_read(&group, "cgroup.events", text, sizeof(text)) &&
	    strstr(text, "frozen 1"))
		return true;
	return mf_cgroup_locate(system, proc, "freezer", &group) &&
	       mf_cgroup_read(&group, "freezer.state", text, sizeof(text)) &&
	       strncmp(text, "THAWED", strlen("THAWED")) != 0;
}
