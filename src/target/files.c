/*
 * The files behind mappings. Always the target's own: through its map_files,
 * else its exe, else its root, when device and inode agree, else the root that
 * the user named. Opened as a path first, so that no device is ever opened.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/memory.h"
#include "target/live.h"

/* A plain file for reading from a descriptor of its path; closes PATH_FD. */
static int reopen_plain(int path_fd)
{
	struct stat status;
	char path[64];
	int fd = -1;

	if (path_fd < 0)
		return -1;
	if (fstat(path_fd, &status) == 0 && S_ISREG(status.st_mode)) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", path_fd);
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	}
	close(path_fd);
	return fd;
}

/* A copy has the same files, and has them also when the process has ended. */
static int proc_of(const struct mf_live *live)
{
	return live->copy.pid ? live->memory_proc : live->proc;
}

static int open_map_file(const struct mf_live *live,
			 const struct mf_mapping *mapping)
{
	char path[64];

	snprintf(path, sizeof(path), "map_files/%llx-%llx",
		 (unsigned long long)mapping->start,
		 (unsigned long long)mapping->end);
	return reopen_plain(openat(proc_of(live), path, O_PATH | O_CLOEXEC));
}

/*
 * Anonymous device numbers (major 0: btrfs, overlayfs) are not the same in
 * maps and in stat; then the inode must do.
 */
static bool is_same_file(const struct stat *status,
			 const struct mf_mapping *mapping)
{
	unsigned major_number = major(status->st_dev);

	if (status->st_ino != mapping->inode)
		return false;
	if (major_number == mapping->dev_major &&
	    minor(status->st_dev) == mapping->dev_minor)
		return true;
	return !major_number && !mapping->dev_major;
}

/* PATH, below /proc/PID, if it leads to the file that is mapped. */
static int open_same_file(const struct mf_live *live,
			  const struct mf_mapping *mapping, const char *path)
{
	int path_fd = openat(proc_of(live), path, O_PATH | O_CLOEXEC);
	struct stat status;

	if (path_fd < 0)
		return -1;
	if (fstat(path_fd, &status) != 0 || !is_same_file(&status, mapping)) {
		close(path_fd);
		errno = ESTALE;
		return -1;
	}
	return reopen_plain(path_fd);
}

/* map_files is root's alone; of a program that was deleted (or built anew)
 * since it was started, its own user has exe. */
static int open_own_file(const struct mf_live *live,
			 const struct mf_mapping *mapping)
{
	mf_auto_free char *path = mf_asprintf("root%s", mapping->path);
	int fd = open_map_file(live, mapping);

	if (fd < 0)
		fd = open_same_file(live, mapping, "exe");
	if (fd < 0 && !mapping->deleted)
		fd = open_same_file(live, mapping, path);
	return fd;
}

static struct mf_error *refuse(const struct mf_mapping *mapping,
			       const char *why)
{
	return mf_error_why(mf_error_create(MF_ERROR_FAILED, "cannot open %s",
					    mapping->path),
			    "%s", why);
}

struct mf_error *mf_files_open_symfs(struct mf_target *target,
				     const struct mf_mapping *mapping, int *ret)
{
	mf_auto_free char *path = NULL;
	int fd;

	if (!target->options.symfs)
		return refuse(mapping, "only the listing is known; --symfs "
				       "names a folder with the files");
	if (mapping->path[0] != '/')
		return refuse(mapping, "its folder is not known");
	path = mf_asprintf("%s%s", target->options.symfs, mapping->path);
	fd = reopen_plain(open(path, O_PATH | O_CLOEXEC));
	if (fd < 0)
		return refuse(mapping, "it is not below --symfs");
	*ret = fd;
	return NULL;
}

struct mf_error *mf_files_open(struct mf_target *target,
			       const struct mf_mapping *mapping, int *ret)
{
	struct mf_live *live = mf_live_of(target);
	const char *why;
	int fd;

	if (mapping->path[0] != '/' || !mapping->inode)
		return refuse(mapping, "no file is behind this mapping");
	fd = open_own_file(live, mapping);
	if (fd >= 0) {
		*ret = fd;
		return NULL;
	}
	why = mapping->deleted	? "it was deleted"
	      : errno == ESTALE ? "it was replaced since it was mapped"
				: strerror(errno);
	if (target->options.symfs)
		return mf_files_open_symfs(target, mapping, ret);
	return refuse(mapping, why);
}

/* ---- kept open for absent pages --------------------------------------- */

static void fill_slot(struct mf_target *target, struct mf_open_file *file,
		      const struct mf_mapping *mapping)
{
	struct mf_live *live = mf_live_of(target);
	struct stat status;

	if (file->used && file->fd >= 0)
		close(file->fd);
	*file = (struct mf_open_file){ .inode = mapping->inode,
				       .dev_major = mapping->dev_major,
				       .dev_minor = mapping->dev_minor,
				       .used = true };
	file->fd = open_own_file(live, mapping);
	if (file->fd >= 0 && fstat(file->fd, &status) == 0)
		file->size = (uint64_t)status.st_size;
}

const struct mf_open_file *mf_files_cached(struct mf_target *target,
					   const struct mf_mapping *mapping)
{
	struct mf_live *live = mf_live_of(target);
	struct mf_open_file *file;

	if (mapping->path[0] != '/' || !mapping->inode)
		return NULL;
	for (file = live->files; file < live->files + MF_OPEN_FILES; file++)
		if (file->used && file->inode == mapping->inode &&
		    file->dev_major == mapping->dev_major &&
		    file->dev_minor == mapping->dev_minor)
			return file->fd >= 0 ? file : NULL;
	file = &live->files[live->next_file++ % MF_OPEN_FILES];
	fill_slot(target, file, mapping);
	return file->fd >= 0 ? file : NULL;
}

void mf_files_close(struct mf_live *live)
{
	for (unsigned i = 0; i < MF_OPEN_FILES; i++)
		if (live->files[i].used && live->files[i].fd >= 0)
			close(live->files[i].fd);
}
