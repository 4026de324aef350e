/*
 * Reads whole files and writes files atomically: an output is a temporary
 * file (O_EXCL, 0600) in the final directory until it is committed.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

enum {
	READ_STEP = 65536,
};

struct mf_output {
	FILE *stream;
	char *path, *temporary; /* temporary: NULL for standard output */
	bool force, committed;
};

static void close_fd(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

struct mf_error *mf_file_read_at(int directory, const char *path,
				 struct mf_buffer *buffer)
{
	mf_cleanup(close_fd) int fd =
		openat(directory, path, O_RDONLY | O_CLOEXEC);
	mf_auto_free char *step = mf_calloc(READ_STEP, 1);
	ssize_t got;

	if (fd < 0)
		return mf_error_from_errno(errno, "cannot open %s", path);
	while ((got = read(fd, step, READ_STEP)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return mf_error_from_errno(errno, "cannot read %s",
						   path);
		mf_buffer_add(buffer, step, (size_t)got);
	}
	return NULL;
}

struct mf_error *mf_file_read(const char *path, struct mf_buffer *buffer)
{
	return mf_file_read_at(AT_FDCWD, path, buffer);
}

static struct mf_error *refuse_existing(const char *path, bool force)
{
	struct stat status;

	if (lstat(path, &status) != 0)
		return NULL;
	if (S_ISLNK(status.st_mode))
		return mf_error_hint(
			mf_error_why(mf_error_create(MF_ERROR_FAILED,
						     "cannot write %s", path),
				     "it is a symbolic link"),
			"name another file");
	if (force && S_ISREG(status.st_mode))
		return NULL;
	return mf_error_hint(
		mf_error_why(mf_error_create(MF_ERROR_FAILED, "cannot write %s",
					     path),
			     S_ISREG(status.st_mode)
				     ? "it exists"
				     : "it is not a plain file"),
		"name another file%s",
		S_ISREG(status.st_mode) ? ", or add --force" : "");
}

static struct mf_error *open_temporary(struct mf_output *output)
{
	int fd;

	/* mkostemp makes it with mode 0600. */
	output->temporary = mf_asprintf("%s.XXXXXX", output->path);
	fd = mkostemp(output->temporary, O_CLOEXEC);
	if (fd < 0) {
		free(output->temporary);
		output->temporary = NULL;
		return mf_error_from_errno(errno, "cannot write %s",
					   output->path);
	}
	output->stream = fdopen(fd, "w");
	if (!output->stream) {
		close(fd);
		return mf_error_from_errno(errno, "cannot write %s",
					   output->path);
	}
	return NULL;
}

struct mf_error *mf_output_create(const char *path, bool force,
				  struct mf_output **ret)
{
	struct mf_output *output;
	struct mf_error *error;

	if (strcmp(path, "-") != 0)
		MF_TRY(refuse_existing(path, force));
	output = mf_new(struct mf_output);
	output->path = mf_strdup(path);
	output->force = force;
	if (strcmp(path, "-") == 0) {
		output->stream = stdout;
		*ret = output;
		return NULL;
	}
	error = open_temporary(output);
	if (error) {
		mf_output_destroy(output);
		return error;
	}
	*ret = output;
	return NULL;
}

FILE *mf_output_stream(struct mf_output *output)
{
	return output->stream;
}

/* link() refuses an existing name, rename() replaces it. */
static int put_in_place(const struct mf_output *output)
{
	if (output->force)
		return rename(output->temporary, output->path);
	if (link(output->temporary, output->path) != 0)
		return -1;
	return unlink(output->temporary);
}

struct mf_error *mf_output_commit(struct mf_output *output)
{
	if (fflush(output->stream) != 0 || ferror(output->stream))
		return mf_error_from_errno(errno ? errno : EIO,
					   "cannot write %s", output->path);
	if (output->temporary && put_in_place(output) != 0)
		return mf_error_from_errno(errno, "cannot write %s",
					   output->path);
	output->committed = true;
	return NULL;
}

void mf_output_destroy(struct mf_output *output)
{
	if (!output)
		return;
	if (output->temporary && !output->committed)
		unlink(output->temporary);
	if (output->stream && output->stream != stdout)
		fclose(output->stream);
	free(output->temporary);
	free(output->path);
	free(output);
}
