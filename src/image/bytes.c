/*
 * The bytes of a module and of its sections, for those who read more of them
 * than symbols: unwinders.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "image/debug.h"

/* No section that stacks need is larger, nor a module that is copied. */
#define SECTION_MAX (UINT64_C(256) << 20)
#define COPY_MAX    (UINT64_C(64) << 20)

bool mf_image_read(const struct mf_image *image, const struct mf_module *module,
		   uint64_t address, void *bytes, size_t size)
{
	const struct mf_object *object = mf_image_object(image, module);

	return object &&
	       mf_object_read(object, address - module->bias, bytes, size);
}

bool mf_image_unwind_header(const struct mf_image *image,
			    const struct mf_module *module, uint64_t *address,
			    uint64_t *size)
{
	const struct mf_object *object = mf_image_object(image, module);

	if (!object || !object->unwind_header.size)
		return false;
	*address = object->unwind_header.vaddr + module->bias;
	*size = object->unwind_header.size;
	return true;
}

/* ---- sections ------------------------------------------------------------ */

static const Elf_Data *unpacked(Elf_Scn *section, const Elf64_Shdr *header)
{
	const Elf64_Chdr *packed;

	if (header->sh_type == SHT_NOBITS || !header->sh_size ||
	    header->sh_size > SECTION_MAX)
		return NULL;
	if (header->sh_flags & SHF_COMPRESSED) {
		packed = elf64_getchdr(section);
		if (!packed || packed->ch_size > SECTION_MAX ||
		    elf_compress(section, 0, 0) < 0)
			return NULL;
	}
	return elf_rawdata(section, NULL);
}

static bool find_section(Elf *elf, const char *name, struct mf_section *ret)
{
	Elf64_Shdr header;
	Elf_Scn *section = elf ? mf_elf_section(elf, name, &header) : NULL;
	const Elf_Data *data = section ? unpacked(section, &header) : NULL;

	if (!data || !data->d_buf || !data->d_size)
		return false;
	*ret = (struct mf_section){
		.bytes = data->d_buf,
		.size = data->d_size,
		.address = header.sh_addr,
	};
	return true;
}

bool mf_image_section(struct mf_image *image, const struct mf_module *module,
		      const char *name, struct mf_section *ret)
{
	struct mf_object *object = mf_image_object(image, module);

	if (!object)
		return false;
	if (!find_section(mf_object_elf(object), name, ret) &&
	    !find_section(mf_debug_elf(image, object), name, ret))
		return false;
	ret->address += module->bias;
	return true;
}

/* ---- files --------------------------------------------------------------- */

static bool copy_load(const struct mf_object *object,
		      const struct mf_load *load, int fd)
{
	mf_auto_free uint8_t *bytes =
		mf_object_take(object, load->vaddr, load->filesz);

	return bytes && pwrite(fd, bytes, load->filesz, (off_t)load->offset) ==
				(ssize_t)load->filesz;
}

/* What is loaded of one in memory, at its places in a file. */
static int copy_object(const struct mf_object *object)
{
	uint64_t total = 0;
	int fd;

	for (size_t i = 0; i < object->load_count; i++)
		total += object->loads[i].filesz;
	if (total > COPY_MAX)
		return -1;
	fd = memfd_create("module", MFD_CLOEXEC);
	if (fd < 0)
		return -1;
	for (size_t i = 0; i < object->load_count; i++) {
		const struct mf_load *load = &object->loads[i];

		if (load->offset < COPY_MAX && load->filesz &&
		    !copy_load(object, load, fd)) {
			close(fd);
			return -1;
		}
	}
	return fd;
}

int mf_image_open(struct mf_image *image, const struct mf_module *module,
		  bool debug)
{
	struct mf_object *object = mf_image_object(image, module);

	if (!object)
		return -1;
	if (debug)
		return mf_debug_open(image, object);
	if (object->fd < 0)
		return copy_object(object);
	return fcntl(object->fd, F_DUPFD_CLOEXEC, 0);
}
