/*
 * Reads whole files and writes files atomically: until it is committed an
 * output is a file without a name in the final directory, which is gone with us
 * however we end; or, where the file system has none, a temporary one (O_EXCL).
 * Its mode is 0600.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/memory.h"

enum {
	READ_STEP = 65536,
	NAMES_MAX = 1000, /* tried for a temporary file */
};

struct mf_output {
	FILE *stream;
	char *path;
	char *temporary; /* NULL: it has no name, or is standard output */
	bool is_nameless;
	bool force, committed;
};

static void close_fd(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

int mf_file_open_below(const char *root, const char *path)
{
	const struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	int folder = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat status;
	long fd;

	if (folder < 0)
		return -1;
	fd = syscall(SYS_openat2, folder, path, &how, sizeof(how));
	if (fd < 0 && errno == ENOSYS)
		fd = openat(folder, path + strspn(path, "/"), (int)how.flags);
	close(folder);
	if (fd >= 0 &&
	    (fstat((int)fd, &status) != 0 || !S_ISREG(status.st_mode))) {
		close((int)fd);
		return -1;
	}
	return (int)fd;
}

static struct mf_error *read_upto(int directory, const char *path, size_t most,
				  struct mf_buffer *buffer)
{
	mf_cleanup(close_fd) int fd =
		openat(directory, path, O_RDONLY | O_CLOEXEC);
	mf_auto_free char *step = mf_calloc(READ_STEP, 1);
	ssize_t got;

	if (fd < 0)
		return mf_error_from_errno(errno, "cannot open %s", path);
	while (buffer->size <= most && (got = read(fd, step, READ_STEP)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return mf_error_from_errno(errno, "cannot read %s",
						   path);
		mf_buffer_add(buffer, step, (size_t)got);
	}
	return NULL;
}

struct mf_error *mf_file_read_at(int directory, const char *path,
				 struct mf_buffer *buffer)
{
	return read_upto(directory, path, SIZE_MAX, buffer);
}

struct mf_error *mf_file_read_most(const char *path, size_t most,
				   struct mf_buffer *buffer)
{
	return read_upto(AT_FDCWD, path, most, buffer);
}

struct mf_error *mf_file_read(const char *path, struct mf_buffer *buffer)
{
	return mf_file_read_at(AT_FDCWD, path, buffer);
}

/* What cannot have its name in the end is refused before any work is done. */
static struct mf_error *no_such_name(const char *path, int number)
{
	return mf_error_hint(
		mf_error_from_errno(number, "cannot write '%s'", path),
		"name a file in a folder that can be written to");
}

static struct mf_error *refuse_existing(const char *path, bool force)
{
	struct stat status;

	if (lstat(path, &status) != 0)
		return errno == ENOENT && *path ? NULL
						: no_such_name(path, errno);
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

static int open_nameless(const char *path)
{
	const char *slash = strrchr(path, '/');
	mf_auto_free char *folder =
		slash ? mf_strndup(path, (size_t)(slash - path) + 1)
		      : mf_strdup(".");

	return open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

/* mkostemp makes it with mode 0600. */
static int open_named(struct mf_output *output)
{
	int fd, number;

	output->temporary = mf_asprintf("%s.XXXXXX", output->path);
	fd = mkostemp(output->temporary, O_CLOEXEC);
	if (fd >= 0)
		return fd;
	number = errno;
	free(output->temporary);
	output->temporary = NULL;
	errno = number;
	return -1;
}

static struct mf_error *open_temporary(struct mf_output *output)
{
	int fd = open_nameless(output->path);

	output->is_nameless = fd >= 0;
	if (fd < 0)
		fd = open_named(output);
	if (fd < 0)
		return no_such_name(output->path, errno);
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

int mf_output_fd(const struct mf_output *output)
{
	return fileno(output->stream);
}

static int give_name(const struct mf_output *output, const char *name)
{
	char self[64];

	snprintf(self, sizeof(self), "/proc/self/fd/%d", mf_output_fd(output));
	return linkat(AT_FDCWD, self, AT_FDCWD, name, AT_SYMLINK_FOLLOW);
}

/* Only a name can be renamed: one that nobody has, for a moment. */
static int give_temporary_name(struct mf_output *output)
{
	for (unsigned i = 0; i < NAMES_MAX; i++) {
		output->temporary =
			mf_asprintf("%s.%d.%u", output->path, (int)getpid(), i);
		if (give_name(output, output->temporary) == 0)
			return 0;
		free(output->temporary);
		output->temporary = NULL;
		if (errno != EEXIST)
			break;
	}
	return -1;
}

/* Where no file may have two names (FAT, some in user space): an empty file
 * that is ours keeps the name until it is replaced. */
static int take_name(const struct mf_output *output)
{
	int fd = open(output->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
		      0600);
	int number;

	if (fd < 0)
		return -1;
	close(fd);
	if (rename(output->temporary, output->path) == 0)
		return 0;
	number = errno;
	unlink(output->path);
	errno = number;
	return -1;
}

/* link() refuses an existing name, rename() replaces it. */
static int put_in_place(struct mf_output *output)
{
	if (output->is_nameless && !output->force)
		return give_name(output, output->path);
	if (output->is_nameless && give_temporary_name(output) != 0)
		return -1;
	if (output->force)
		return rename(output->temporary, output->path);
	if (link(output->temporary, output->path) == 0)
		return unlink(output->temporary);
	return errno == EEXIST ? -1 : take_name(output);
}

/* Some file systems (NFS) learn only now that the disk is full: whoever closes a
 * file is told, and nobody else. */
static int settle_bytes(const struct mf_output *output)
{
	int fd = fcntl(mf_output_fd(output), F_DUPFD_CLOEXEC, 0);

	return fd < 0 ? -1 : close(fd);
}

struct mf_error *mf_output_commit(struct mf_output *output)
{
	if (fflush(output->stream) != 0 || ferror(output->stream) ||
	    (output->stream != stdout && settle_bytes(output) != 0))
		return mf_error_from_errno(errno ? errno : EIO,
					   "cannot write %s", output->path);
	if ((output->temporary || output->is_nameless) &&
	    put_in_place(output) != 0)
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
