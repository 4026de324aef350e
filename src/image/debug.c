/*
 * Where debug information is found: in the file itself, or in
 * /usr/lib/debug/.build-id below --symfs, the target's root, and ours; last,
 * and only when asked, from debuginfod servers. A file counts only when its
 * build-id is the right one.
 */
#include "image/debug.h"

#include <dlfcn.h>
#include <elfutils/libdwelf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/log.h"

/* Files are read whole up to this size, and mapped above. */
#define READ_MAX (INT64_C(256) << 20)
/* Unpacked sections of one file; more is a trap. */
#define SECTIONS_MAX (UINT64_C(4) << 30)

/** A file that was opened for its debug information. */
struct debug_file {
	int fd;
	Elf *elf;
};

struct mf_debug {
	bool file_tried, dwarf_tried;
	struct debug_file file; /* the separate one */
	struct debug_file own;	/* the object's once more, for its DWARF */
	struct debug_file alt;	/* what dwz moved out */
	Dwarf *dwarf, *alt_dwarf;
	struct mf_layout *layouts;
};

static struct mf_debug *debug_of(struct mf_object *object)
{
	if (!object->debug) {
		object->debug = mf_new(struct mf_debug);
		object->debug->file.fd = -1;
		object->debug->own.fd = -1;
		object->debug->alt.fd = -1;
	}
	return object->debug;
}

struct mf_layout **mf_debug_layouts(struct mf_object *object)
{
	return &debug_of(object)->layouts;
}

static void close_file(struct debug_file *file)
{
	elf_end(file->elf);
	if (file->fd >= 0)
		close(file->fd);
	*file = (struct debug_file){ .fd = -1 };
}

/* ---- opening ------------------------------------------------------------ */

static bool has_build_id(Elf *elf, const void *build_id, size_t size)
{
	const void *found;

	return dwelf_elf_gnu_build_id(elf, &found) == (ssize_t)size &&
	       memcmp(found, build_id, size) == 0;
}

/* Takes FD. */
static bool adopt_file(int fd, const void *build_id, size_t size,
		       struct debug_file *ret)
{
	struct debug_file file = { .fd = fd };
	struct stat status;

	if (fd < 0)
		return false;
	elf_version(EV_CURRENT);
	if (fstat(fd, &status) == 0)
		file.elf = elf_begin(fd,
				     status.st_size > READ_MAX
					     ? ELF_C_READ_MMAP_PRIVATE
					     : ELF_C_READ,
				     NULL);
	if (!file.elf || elf_kind(file.elf) != ELF_K_ELF ||
	    (build_id && !has_build_id(file.elf, build_id, size))) {
		close_file(&file);
		return false;
	}
	*ret = file;
	return true;
}

static bool open_in_roots(const struct mf_image *image, const char *path,
			  const void *build_id, size_t size,
			  struct debug_file *ret)
{
	const struct mf_target_info *info = mf_target_info(image->target);
	const char *roots[] = { image->options.symfs, info->root, "/" };

	for (size_t i = 0; i < MF_ARRAY_SIZE(roots); i++)
		if (roots[i] && adopt_file(mf_file_open_below(roots[i], path),
					   build_id, size, ret)) {
			mf_debug("image", "debug file %s below %s", path,
				 roots[i]);
			return true;
		}
	return false;
}

static void print_hex(struct mf_buffer *buffer, const uint8_t *bytes,
		      size_t size)
{
	for (size_t i = 0; i < size; i++)
		mf_buffer_printf(buffer, "%02x", bytes[i]);
}

static bool open_by_build_id(const struct mf_image *image, const void *build_id,
			     size_t size, struct debug_file *ret)
{
	MF_AUTO_BUFFER(path);

	if (size < 2 || size > MF_BUILD_ID_MAX)
		return false;
	mf_buffer_puts(&path, "/usr/lib/debug/.build-id/");
	print_hex(&path, build_id, 1);
	mf_buffer_putc(&path, '/');
	print_hex(&path, (const uint8_t *)build_id + 1, size - 1);
	mf_buffer_puts(&path, ".debug");
	return open_in_roots(image, mf_buffer_text(&path), build_id, size, ret);
}

/* ---- debuginfod --------------------------------------------------------- */

/* The client library is used where it is there, and needed nowhere. */
struct debuginfod {
	void *library;
	void *(*begin)(void);
	int (*find)(void *client, const unsigned char *build_id, int size,
		    char **path);
	void (*end)(void *client);
};

static bool load_debuginfod(struct debuginfod *ret)
{
	ret->library = dlopen("libdebuginfod.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!ret->library)
		return false;
	*(void **)&ret->begin = dlsym(ret->library, "debuginfod_begin");
	*(void **)&ret->find = dlsym(ret->library, "debuginfod_find_debuginfo");
	*(void **)&ret->end = dlsym(ret->library, "debuginfod_end");
	return ret->begin && ret->find && ret->end;
}

static bool ask_debuginfod(const struct mf_object *object,
			   struct debug_file *ret)
{
	struct debuginfod api = { 0 };
	void *client;
	int fd = -1;

	/* The library stays loaded: its transport does not bear unloading. */
	if (!load_debuginfod(&api))
		return false;
	client = api.begin();
	if (!client)
		return false;
	fd = api.find(client, object->build_id, (int)object->build_id_size,
		      NULL);
	api.end(client);
	return adopt_file(fd, object->build_id, object->build_id_size, ret);
}

Elf *mf_debug_elf(struct mf_image *image, struct mf_object *object)
{
	struct mf_debug *debug = debug_of(object);

	if (debug->file_tried || image->options.no_debuginfo ||
	    !object->build_id_size)
		return debug->file.elf;
	debug->file_tried = true;
	if (!open_by_build_id(image, object->build_id, object->build_id_size,
			      &debug->file) &&
	    image->options.debuginfod)
		ask_debuginfod(object, &debug->file);
	return debug->file.elf;
}

int mf_debug_open(struct mf_image *image, struct mf_object *object)
{
	if (!mf_debug_elf(image, object))
		return -1;
	return fcntl(object->debug->file.fd, F_DUPFD_CLOEXEC, 0);
}

/* ---- .gnu_debugdata ----------------------------------------------------- */

static bool write_all(int fd, const char *bytes, size_t size)
{
	while (size) {
		ssize_t done = write(fd, bytes, size);

		if (done <= 0)
			return false;
		bytes += done;
		size -= (size_t)done;
	}
	return lseek(fd, 0, SEEK_SET) == 0;
}

Elf *mf_debug_open_mini(struct mf_object *object, int *fd)
{
	Elf64_Shdr header;
	Elf_Scn *section = mf_elf_section(mf_object_elf(object),
					  ".gnu_debugdata", &header);
	const Elf_Data *data;
	Elf *elf = NULL;

	*fd = -1;
	if (!section || header.sh_size > MF_IMAGE_TABLE_MAX / 64)
		return NULL;
	data = elf_rawdata(section, NULL);
	if (!data || !data->d_buf)
		return NULL;
	*fd = memfd_create("gnu_debugdata", MFD_CLOEXEC);
	if (*fd >= 0 && write_all(*fd, data->d_buf, data->d_size))
		elf = dwelf_elf_begin(*fd);
	return elf;
}

/* ---- DWARF -------------------------------------------------------------- */

/* These are large, unpacked at once by libdw, and neither types nor lines nor
 * stacks need them. */
static bool is_needless(const char *name)
{
	static const char *const names[] = {
		".debug_loc",	       ".debug_loclists",     ".debug_macro",
		".debug_macinfo",      ".debug_pubnames",     ".debug_pubtypes",
		".debug_gnu_pubnames", ".debug_gnu_pubtypes",
	};

	for (size_t i = 0; i < MF_ARRAY_SIZE(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return strncmp(name, ".zdebug_", 8) == 0;
}

static uint64_t unpacked_size(Elf_Scn *section, const Elf64_Shdr *header)
{
	const Elf64_Chdr *packed = header->sh_flags & SHF_COMPRESSED
					   ? elf64_getchdr(section)
					   : NULL;

	return packed ? packed->ch_size : header->sh_size;
}

/* Hides what is not needed; false when there is nothing, or too much. */
static bool prepare_sections(Elf *elf)
{
	Elf_Scn *section = NULL;
	uint64_t total = 0;
	bool information = false;
	size_t names;

	if (elf_getshdrstrndx(elf, &names) != 0)
		return false;
	while ((section = elf_nextscn(elf, section))) {
		Elf64_Shdr *header = elf64_getshdr(section);
		const char *name =
			header ? elf_strptr(elf, names, header->sh_name) : NULL;
		uint64_t size;

		if (!name || (strncmp(name, ".debug_", 7) != 0 &&
			      strncmp(name, ".zdebug_", 8) != 0))
			continue;
		if (is_needless(name)) {
			header->sh_type = SHT_NOBITS;
			continue;
		}
		size = unpacked_size(section, header);
		if (size > SECTIONS_MAX - total)
			return false;
		total += size;
		information |= header->sh_type != SHT_NOBITS &&
			       strcmp(name, ".debug_info") == 0;
	}
	return information;
}

static Dwarf *begin_dwarf(Elf *elf)
{
	if (!elf || !prepare_sections(elf))
		return NULL;
	return dwarf_begin_elf(elf, DWARF_C_READ, NULL);
}

/* dwz names the file that holds what several have in common. */
static bool attach_alt(struct mf_image *image, struct mf_debug *debug)
{
	const void *build_id;
	const char *name;
	ssize_t size =
		dwelf_dwarf_gnu_debugaltlink(debug->dwarf, &name, &build_id);

	if (size <= 0)
		return size == 0;
	if (image->options.no_debuginfo)
		return false;
	if (!open_by_build_id(image, build_id, (size_t)size, &debug->alt) &&
	    (*name != '/' ||
	     !open_in_roots(image, name, build_id, (size_t)size, &debug->alt)))
		return true; /* libdw tries beside the file itself */
	debug->alt_dwarf = begin_dwarf(debug->alt.elf);
	if (debug->alt_dwarf)
		dwarf_setalt(debug->dwarf, debug->alt_dwarf);
	return true;
}

static void drop_dwarf(struct mf_debug *debug)
{
	dwarf_end(debug->dwarf);
	debug->dwarf = NULL;
}

Dwarf *mf_debug_dwarf(struct mf_image *image, struct mf_object *object)
{
	struct mf_debug *debug = debug_of(object);

	if (debug->dwarf_tried)
		return debug->dwarf;
	debug->dwarf_tried = true;
	if (object->fd >= 0 &&
	    adopt_file(dup(object->fd), NULL, 0, &debug->own)) {
		debug->dwarf = begin_dwarf(debug->own.elf);
		if (!debug->dwarf)
			close_file(&debug->own);
	}
	if (!debug->dwarf)
		debug->dwarf = begin_dwarf(mf_debug_elf(image, object));
	if (debug->dwarf && !attach_alt(image, debug))
		drop_dwarf(debug);
	return debug->dwarf;
}

void mf_debug_destroy(struct mf_debug *debug)
{
	if (!debug)
		return;
	mf_layouts_destroy(debug->layouts);
	drop_dwarf(debug);
	dwarf_end(debug->alt_dwarf);
	close_file(&debug->alt);
	close_file(&debug->own);
	close_file(&debug->file);
	free(debug);
}
