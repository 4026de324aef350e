/*
 * Where the history of the prompt is kept: in a file of our user's own, which
 * nobody else may read, and which does not grow without end.
 */
#include "cmd/history.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"

enum {
	FILE_MOST = 4 << 20, /* bytes; a longer one is not ours */
};

/* ---- where it is ------------------------------------------------------------ */

static bool is_own_folder(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && S_ISDIR(status.st_mode) &&
	       status.st_uid == geteuid();
}

static bool make_folder(const char *path)
{
	return mkdir(path, 0700) == 0 || errno == EEXIST;
}

/* BASE/A/B/... of NAMES, made where it is not there; NULL: it cannot be. */
static char *folder_below(const char *base, const char *const *names)
{
	char *path = mf_strdup(base);

	for (; *names; names++) {
		char *next = mf_asprintf("%s/%s", path, *names);

		free(path);
		path = next;
		if (!make_folder(path) || !is_own_folder(path)) {
			free(path);
			return NULL;
		}
	}
	return path;
}

static char *find_folder(void)
{
	static const char *const below_state[] = { "memforensics", NULL };
	static const char *const below_home[] = { ".local", "state",
						  "memforensics", NULL };
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

	if (state && *state == '/') {
		make_folder(state);
		return is_own_folder(state) ? folder_below(state, below_state)
					    : NULL;
	}
	if (home && *home == '/' && is_own_folder(home))
		return folder_below(home, below_home);
	return NULL;
}

void mf_history_open(struct mf_history *ret)
{
	const char *named = getenv("MEMFORENSICS_HISTORY");
	mf_auto_free char *folder = NULL;

	*ret = (struct mf_history){ 0 };
	if (named) {
		if (*named && strcmp(named, "-") != 0)
			ret->path = mf_strdup(named);
		return;
	}
	folder = find_folder();
	if (folder)
		ret->path = mf_asprintf("%s/history", folder);
}

/* ---- its lines --------------------------------------------------------------- */

/* A plain file of our own; or there is none. */
static FILE *open_own(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat status;
	FILE *file;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) ||
	    status.st_uid != geteuid() || status.st_size > FILE_MOST) {
		close(fd);
		return NULL;
	}
	file = fdopen(fd, "r");
	if (!file)
		close(fd);
	return file;
}

static void read_lines(const struct mf_history *history,
		       struct mf_history_lines *ret)
{
	FILE *file = history->path ? open_own(history->path) : NULL;
	char *line = NULL;
	size_t room = 0;

	if (!file)
		return;
	while (getline(&line, &room, file) >= 0) {
		line[strcspn(line, "\n")] = '\0';
		if (*line)
			mf_vec_push(ret, mf_strdup(line));
	}
	free(line);
	fclose(file);
}

static void lines_deinit(struct mf_history_lines *lines)
{
	mf_vec_foreach(line, lines)
		free(*line);
	mf_vec_deinit(lines);
}

/* The last of LINES that are kept. */
static size_t first_kept(const struct mf_history_lines *lines)
{
	return lines->count > MF_HISTORY_LINES ? lines->count - MF_HISTORY_LINES
					       : 0;
}

void mf_history_each(const struct mf_history *history,
		     void (*visit)(const char *line))
{
	struct mf_history_lines lines = { 0 };

	read_lines(history, &lines);
	for (size_t i = first_kept(&lines); i < lines.count; i++)
		visit(lines.items[i]);
	lines_deinit(&lines);
}

void mf_history_add(struct mf_history *history, const char *line)
{
	mf_vec_push(&history->added, mf_strdup(line));
}

static struct mf_error *write_lines(const struct mf_history *history,
				    const struct mf_history_lines *lines)
{
	struct mf_output *output;
	struct mf_error *error;

	MF_TRY(mf_output_create(history->path, true, &output));
	for (size_t i = first_kept(lines); i < lines->count; i++)
		fprintf(mf_output_stream(output), "%s\n", lines->items[i]);
	error = mf_output_commit(output);
	mf_output_destroy(output);
	return error;
}

void mf_history_close(struct mf_history *history)
{
	struct mf_history_lines lines = { 0 };
	mf_auto_error struct mf_error *error = NULL;

	if (history->path && history->added.count) {
		/* another prompt may have ended meanwhile */
		read_lines(history, &lines);
		mf_vec_foreach(line, &history->added)
			mf_vec_push(&lines, mf_strdup(*line));
		error = write_lines(history, &lines);
		lines_deinit(&lines);
	}
	if (error)
		mf_note("the history of the prompt is not kept: %s",
			error->why ? error->why : error->what);
	lines_deinit(&history->added);
	free(history->path);
	history->path = NULL;
}
