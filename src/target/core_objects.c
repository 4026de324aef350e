/*
 * The files that a core names. A core lacks what is in them unchanged; they
 * are read in its place when they are still what they were: of ELF objects
 * the build-id must be the one that is in the core, or, where there is none,
 * all of the first page. Sought below --symfs first, then under their own
 * names.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "target/core.h"

enum {
	OPEN_FILES = 64, /* descriptors that are kept */
	NOTES_MAX = 64 * 1024,
	FIRST_PAGE = 4096,
	LISTED = 4, /* files that a note of what is missing names */
};

/* ---- heads of ELF objects ---------------------------------------------- */

static bool is_head(const Elf64_Ehdr *header)
{
	return memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
	       header->e_ident[EI_CLASS] == ELFCLASS64 &&
	       header->e_ident[EI_DATA] == ELFDATA2LSB &&
	       (header->e_type == ET_EXEC || header->e_type == ET_DYN) &&
	       header->e_phentsize == sizeof(Elf64_Phdr);
}

/* Bytes of an ELF object by their offset. */
typedef bool read_at(void *context, uint64_t offset, void *bytes, size_t size);

static bool read_notes(read_at *read, void *context, const Elf64_Phdr *program,
		       struct mf_elf_head *ret)
{
	mf_auto_free uint8_t *notes = NULL;
	size_t at;

	if (program->p_type != PT_NOTE || !program->p_filesz ||
	    program->p_filesz > NOTES_MAX)
		return false;
	notes = mf_calloc(1, program->p_filesz);
	if (!read(context, program->p_offset, notes, program->p_filesz))
		return false;
	at = mf_build_id_find(notes, program->p_filesz, &ret->build_id_size);
	if (!at)
		return false;
	memcpy(ret->build_id, notes + at, ret->build_id_size);
	return true;
}

/* What identifies the ELF object that READ reads. */
static bool read_head(read_at *read, void *context, struct mf_elf_head *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (!read(context, 0, &ret->header, sizeof(ret->header)) ||
	    !is_head(&ret->header))
		return false;
	ret->program_count = MF_MIN((size_t)ret->header.e_phnum,
				    MF_ARRAY_SIZE(ret->programs));
	if (!read(context, ret->header.e_phoff, ret->programs,
		  ret->program_count * sizeof(ret->programs[0])))
		ret->program_count = 0;
	for (size_t i = 0; i < ret->program_count; i++)
		if (read_notes(read, context, &ret->programs[i], ret))
			break;
	return true;
}

/* ---- those of the core ------------------------------------------------- */

struct mf_core_object *mf_core_object(struct mf_core *core, const char *path)
{
	uint64_t hash = mf_hash_text(path, 0);
	const uint64_t *known;

	while ((known = mf_map_get(&core->object_of_path, hash))) {
		if (strcmp(core->objects.items[*known].path, path) == 0)
			return &core->objects.items[*known];
		hash++;
	}
	mf_map_set(&core->object_of_path, hash, core->objects.count);
	mf_vec_push(&core->objects,
		    (struct mf_core_object){
			    .path = mf_pool_strdup(&core->pool, path),
			    .fd = -1,
		    });
	return &core->objects.items[core->objects.count - 1];
}

struct held_file {
	struct mf_core *core;
	const struct mf_core_object *object;
};

static bool read_held(void *context, uint64_t offset, void *bytes, size_t size)
{
	const struct held_file *file = context;
	uint64_t room = file->object->end - file->object->start;

	return offset <= room && size <= room - offset &&
	       mf_core_read_held(file->core, file->object->start + offset,
				 bytes, size);
}

const struct mf_elf_head *mf_core_object_head(struct mf_core *core,
					      struct mf_core_object *object)
{
	struct held_file file = { core, object };

	if (object->head_looked)
		return object->head;
	object->head_looked = true;
	if (object->start == object->end)
		return NULL;
	object->head = mf_new(struct mf_elf_head);
	if (!read_head(read_held, &file, object->head)) {
		free(object->head);
		object->head = NULL;
	}
	return object->head;
}

/* ---- those of this machine --------------------------------------------- */

static bool read_file(int fd, uint64_t offset, void *bytes, size_t size)
{
	uint8_t *to = bytes;

	while (size) {
		ssize_t got = offset > INT64_MAX
				      ? 0
				      : pread(fd, to, size, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		to += got;
		offset += (uint64_t)got;
		size -= (size_t)got;
	}
	return true;
}

static bool read_open_file(void *context, uint64_t offset, void *bytes,
			   size_t size)
{
	const int *fd = context;

	return read_file(*fd, offset, bytes, size);
}

static bool has_same_page(struct mf_core *core,
			  const struct mf_core_object *object, int fd)
{
	uint8_t held[FIRST_PAGE], named[FIRST_PAGE];

	return mf_core_read_held(core, object->start, held, sizeof(held)) &&
	       read_file(fd, 0, named, sizeof(named)) &&
	       memcmp(held, named, sizeof(held)) == 0;
}

/* Some file systems (btrfs, overlayfs) show other device numbers in maps than
 * in stat, both with the major number 0. */
static bool is_same_device(const struct mf_core_object *object, dev_t device)
{
	unsigned number = major(device);

	return number == object->dev_major &&
	       (!number || minor(device) == object->dev_minor);
}

/* Where our own note says which file it was: the same, and since then nobody
 * wrote to it. */
static bool is_same_file(const struct mf_core *core,
			 const struct mf_core_object *object, int fd)
{
	struct stat status;

	return object->inode && core->noted_s && fstat(fd, &status) == 0 &&
	       status.st_ino == object->inode &&
	       is_same_device(object, status.st_dev) &&
	       status.st_mtim.tv_sec >= 0 && status.st_ctim.tv_sec >= 0 &&
	       (uint64_t)status.st_mtim.tv_sec < core->noted_s &&
	       (uint64_t)status.st_ctim.tv_sec < core->noted_s;
}

/* Why the file is not the one that was mapped, or NULL. */
static const char *disagreement(struct mf_core *core,
				struct mf_core_object *object, int fd)
{
	const struct mf_elf_head *held = mf_core_object_head(core, object);
	mf_auto_free struct mf_elf_head *named = mf_new(struct mf_elf_head);

	if (!held)
		return is_same_file(core, object, fd)
			       ? NULL
			       : "cannot be compared with the core";
	if (!read_head(read_open_file, &fd, named))
		return "is another";
	if (!held->build_id_size)
		return has_same_page(core, object, fd) ? NULL : "is another";
	if (held->build_id_size == named->build_id_size &&
	    memcmp(held->build_id, named->build_id, held->build_id_size) == 0)
		return NULL;
	return "is another";
}

/* As a path first: no device is ever opened, whatever a core names. */
static int open_plain(const char *path, uint64_t *size)
{
	int path_fd = open(path, O_PATH | O_CLOEXEC), fd = -1;
	struct stat status;
	char own[64];

	if (path_fd < 0)
		return -1;
	if (fstat(path_fd, &status) == 0 && S_ISREG(status.st_mode)) {
		*size = (uint64_t)status.st_size;
		snprintf(own, sizeof(own), "/proc/self/fd/%d", path_fd);
		fd = open(own, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	}
	close(path_fd);
	return fd;
}

/* A descriptor, or -1 and why not. */
static int try_path(struct mf_core *core, struct mf_core_object *object,
		    const char *path)
{
	int fd = open_plain(path, &object->size);
	const char *why;

	if (fd < 0) {
		if (!object->refusal)
			object->refusal = "is not there";
		return -1;
	}
	why = disagreement(core, object, fd);
	if (!why)
		return fd;
	object->refusal = why;
	close(fd);
	return -1;
}

static int find_file(struct mf_target *target, struct mf_core_object *object)
{
	struct mf_core *core = mf_core_of(target);
	int fd = -1;

	object->refusal = NULL;
	if (object->path[0] != '/') {
		object->refusal = "has no path";
		return -1;
	}
	if (target->options.symfs) {
		mf_auto_free char *path = mf_asprintf(
			"%s%s", target->options.symfs, object->path);

		fd = try_path(core, object, path);
	}
	if (fd < 0)
		fd = try_path(core, object, object->path);
	if (fd >= 0)
		object->refusal = NULL;
	return fd;
}

static void close_object(struct mf_core *core, struct mf_core_object *object)
{
	if (object->fd < 0)
		return;
	close(object->fd);
	object->fd = -1;
	core->open_files--;
}

/* As many as there may be are open: one of them goes. */
static void make_room(struct mf_core *core)
{
	if (core->open_files < OPEN_FILES)
		return;
	mf_vec_foreach(object, &core->objects)
		close_object(core, object);
}

/* Opens the file that agrees; false when there is none. */
static bool open_object(struct mf_target *target, struct mf_core_object *object)
{
	struct mf_core *core = mf_core_of(target);

	if (object->fd >= 0)
		return true;
	if (object->looked && object->refusal)
		return false;
	object->looked = true;
	make_room(core);
	object->fd = find_file(target, object);
	if (object->fd < 0)
		return false;
	core->open_files++;
	return true;
}

static struct mf_core_object *object_of(struct mf_core *core,
					const struct mf_mapping *mapping)
{
	return mapping->inode && mapping->path[0] == '/'
		       ? mf_core_object(core, mapping->path)
		       : NULL;
}

size_t mf_core_read_object(struct mf_target *target,
			   const struct mf_mapping *mapping, uint64_t offset,
			   void *bytes, size_t size)
{
	struct mf_core_object *object = object_of(mf_core_of(target), mapping);

	if (!object || !open_object(target, object) || offset >= object->size)
		return 0;
	size = MF_MIN(size, object->size - offset);
	return read_file(object->fd, offset, bytes, size) ? size : 0;
}

struct mf_error *mf_core_open_object(struct mf_target *target,
				     const struct mf_mapping *mapping, int *ret)
{
	struct mf_core_object *object = object_of(mf_core_of(target), mapping);
	struct mf_error *error = mf_error_create(
		MF_ERROR_FAILED, "cannot open %s", mapping->path);
	int fd = -1;

	if (!object)
		return mf_error_why(error, "no file is behind this mapping");
	if (!open_object(target, object))
		return mf_error_why(error, "it %s", object->refusal);
	fd = fcntl(object->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return mf_error_why(error, "%s", strerror(errno));
	mf_error_destroy(error);
	*ret = fd;
	return NULL;
}

void mf_core_close_objects(struct mf_core *core)
{
	mf_vec_foreach(object, &core->objects) {
		close_object(core, object);
		free(object->head);
	}
	mf_vec_deinit(&core->objects);
	mf_map_deinit(&core->object_of_path);
}

/* ---- what there is none of ---------------------------------------------- */

/* Bytes of its mapping that can be read and are not in the core. */
static bool is_lacking(const struct mf_core *core,
		       const struct mf_mapping *mapping)
{
	size_t i = mf_core_segment_after(core, mapping->start);
	const struct mf_core_segment *segment;

	if (!mapping->inode || !(mapping->perms & MF_PERM_READ) ||
	    mapping->perms & MF_PERM_SHARED)
		return false;
	if (i == core->segments.count)
		return true;
	segment = &core->segments.items[i];
	return segment->start > mapping->start ||
	       segment->start + segment->held < mapping->end;
}

struct absentees {
	struct mf_buffer text;
	size_t objects, listed, data;
};

static void add_absentee(struct absentees *absentees, struct mf_core *core,
			 struct mf_core_object *object)
{
	if (!mf_core_object_head(core, object)) {
		absentees->data++;
		return;
	}
	if (absentees->objects++ >= LISTED)
		return;
	mf_buffer_printf(&absentees->text, "%s%s %s",
			 absentees->listed++ ? ", " : "", object->path,
			 object->refusal);
}

static void tell(struct mf_target *target, struct absentees *absentees)
{
	if (absentees->objects > absentees->listed)
		mf_buffer_printf(&absentees->text, ", and %zu more",
				 absentees->objects - absentees->listed);
	if (absentees->objects)
		mf_target_note_partial(
			target, "files", "of what the core lacks, %s%s",
			mf_buffer_text(&absentees->text),
			target->options.symfs
				? ""
				: " (--symfs names a folder with them)");
	if (absentees->data)
		mf_target_note_partial(target, "files",
				       "bytes of %zu mapped file%s that no "
				       "code is in are not in the core",
				       absentees->data,
				       absentees->data == 1 ? "" : "s");
}

void mf_core_find_files(struct mf_target *target)
{
	struct mf_core *core = mf_core_of(target);
	struct absentees absentees = { 0 };

	for (size_t i = 0; i < target->mappings.count; i++) {
		const struct mf_mapping *mapping = &target->mappings.items[i];
		struct mf_core_object *object;

		if (!is_lacking(core, mapping))
			continue;
		object = object_of(core, mapping);
		if (object && !object->looked && !open_object(target, object))
			add_absentee(&absentees, core, object);
	}
	tell(target, &absentees);
	mf_buffer_deinit(&absentees.text);
}
