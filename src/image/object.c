/*
 * ELF headers: which parts of an object are loaded where, its build-id, and
 * bytes by link-time address. Files are read, never mapped: one that is
 * truncated meanwhile must not kill us.
 */
#include "image/object.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum {
	PROGRAM_HEADERS_MAX = 512,
	NOTES_MAX = 64 * 1024,
};

/* Beyond these no sum with an offset in the same object can wrap. */
#define MOST (UINT64_C(1) << 62)

/* ---- bytes ------------------------------------------------------------- */

static bool read_file(int fd, uint64_t offset, void *bytes, size_t size)
{
	char *to = bytes;

	while (size) {
		ssize_t got = pread(fd, to, size, (off_t)offset);

		if (got <= 0)
			return false;
		to += got;
		offset += (uint64_t)got;
		size -= (size_t)got;
	}
	return true;
}

static const struct mf_load *load_at(const struct mf_object *object,
				     uint64_t vaddr)
{
	for (size_t i = 0; i < object->load_count; i++) {
		const struct mf_load *load = &object->loads[i];

		if (vaddr >= load->vaddr && vaddr - load->vaddr < load->filesz)
			return load;
	}
	return NULL;
}

uint64_t mf_object_room(const struct mf_object *object, uint64_t vaddr)
{
	const struct mf_load *load = load_at(object, vaddr);

	return load ? load->filesz - (vaddr - load->vaddr) : 0;
}

bool mf_object_read(const struct mf_object *object, uint64_t vaddr, void *bytes,
		    size_t size)
{
	const struct mf_load *load = load_at(object, vaddr);

	if (!load || size > load->filesz - (vaddr - load->vaddr))
		return false;
	if (object->fd < 0)
		return mf_target_try_read(object->target, object->bias + vaddr,
					  bytes, size);
	return read_file(object->fd, load->offset + (vaddr - load->vaddr),
			 bytes, size);
}

void *mf_object_take(const struct mf_object *object, uint64_t vaddr,
		     uint64_t size)
{
	void *bytes;

	if (!size || size > MF_IMAGE_TABLE_MAX ||
	    size > mf_object_room(object, vaddr))
		return NULL;
	bytes = mf_calloc(1, size);
	if (!mf_object_read(object, vaddr, bytes, size)) {
		free(bytes);
		return NULL;
	}
	return bytes;
}

/* ---- headers ----------------------------------------------------------- */

static unsigned native_machine(void)
{
#if defined(__x86_64__)
	return EM_X86_64;
#elif defined(__aarch64__)
	return EM_AARCH64;
#else
	return EM_NONE;
#endif
}

static bool is_native(const Elf64_Ehdr *header)
{
	const unsigned data = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
				      ? ELFDATA2LSB
				      : ELFDATA2MSB;

	return memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
	       header->e_ident[EI_CLASS] == ELFCLASS64 &&
	       header->e_ident[EI_DATA] == data &&
	       (header->e_type == ET_EXEC || header->e_type == ET_DYN) &&
	       header->e_machine == native_machine() &&
	       header->e_phentsize == sizeof(Elf64_Phdr) && header->e_phnum &&
	       header->e_phnum <= PROGRAM_HEADERS_MAX;
}

static void add_load(struct mf_object *object, const Elf64_Phdr *program)
{
	const struct mf_load *last =
		object->load_count ? &object->loads[object->load_count - 1]
				   : NULL;

	if (object->load_count == MF_LOADS_MAX || !program->p_memsz ||
	    program->p_vaddr > MOST || program->p_offset > MOST ||
	    program->p_memsz > MOST || program->p_filesz > program->p_memsz)
		return;
	if (last && program->p_vaddr < last->vaddr + last->memsz)
		return;
	if (program->p_filesz &&
	    (program->p_vaddr - program->p_offset) % object->page_size)
		return;
	object->loads[object->load_count++] = (struct mf_load){
		.vaddr = program->p_vaddr,
		.offset = program->p_offset,
		.filesz = program->p_filesz,
		.memsz = program->p_memsz,
		.flags = program->p_flags,
	};
}

static void read_notes(struct mf_object *object, const Elf64_Phdr *program)
{
	mf_auto_free uint8_t *notes = NULL;
	size_t at;

	if (object->build_id_size || program->p_filesz > NOTES_MAX)
		return;
	notes = mf_object_take(object, program->p_vaddr, program->p_filesz);
	if (!notes)
		return;
	at = mf_build_id_find(notes, program->p_filesz, &object->build_id_size);
	if (!at)
		return;
	memcpy(object->build_id, notes + at, object->build_id_size);
	object->build_id_vaddr = program->p_vaddr + at;
}

/* As the loader rounds it; no block is larger than memory allows. */
static uint64_t aligned_size(const Elf64_Phdr *program)
{
	uint64_t align = program->p_align ? program->p_align : 1;

	if (align & (align - 1) || align > UINT32_MAX)
		return 0;
	return (program->p_memsz + align - 1) & -align;
}

static void read_program(struct mf_object *object, const Elf64_Phdr *program)
{
	const struct mf_extent extent = { program->p_vaddr, program->p_memsz };

	if (extent.vaddr > MOST || extent.size > MOST)
		return;
	switch (program->p_type) {
	case PT_GNU_RELRO:
		object->relro = extent;
		break;
	case PT_DYNAMIC:
		object->dynamic = extent;
		break;
	case PT_GNU_EH_FRAME:
		object->unwind_header = extent;
		break;
	case PT_TLS:
		object->tls_size = aligned_size(program);
		break;
	case PT_INTERP:
		object->interpreted = true;
		break;
	case PT_NOTE:
		read_notes(object, program);
		break;
	default:
		break;
	}
}

/* Bytes of memory without a gap from ADDRESS on, at most MOST. */
static uint64_t mapped_bytes(struct mf_target *target, uint64_t address,
			     uint64_t most)
{
	uint64_t at = address;

	while (at - address < most) {
		const struct mf_mapping *mapping =
			mf_target_mapping_at(target, at);

		if (!mapping || !(mapping->perms & MF_PERM_READ))
			break;
		at = mapping->end;
	}
	return MF_MIN(at - address, most);
}

/* An object in memory has no bytes where nothing is mapped, whatever it says:
 * a search would look through all of them. */
static void believe_mappings(struct mf_object *object)
{
	for (size_t i = 0; object->fd < 0 && i < object->load_count; i++) {
		struct mf_load *load = &object->loads[i];

		load->filesz =
			mapped_bytes(object->target, object->bias + load->vaddr,
				     load->filesz);
	}
}

/* False when nothing of it is loaded. */
static bool read_programs(struct mf_object *object, const Elf64_Phdr *programs)
{
	for (size_t i = 0; i < object->header.e_phnum; i++)
		if (programs[i].p_type == PT_LOAD)
			add_load(object, &programs[i]);
	/* In memory the place of the header says where the object is. */
	if (object->load_count)
		object->bias -=
			object->loads[0].vaddr - object->loads[0].offset;
	believe_mappings(object);
	for (size_t i = 0; i < object->header.e_phnum; i++)
		read_program(object, &programs[i]);
	return object->load_count > 0;
}

struct mf_object *mf_object_open(int fd, uint64_t page_size)
{
	struct mf_object *object = mf_new(struct mf_object);
	mf_auto_free Elf64_Phdr *programs = NULL;
	Elf64_Ehdr *header = &object->header;

	object->fd = fd;
	object->page_size = page_size;
	if (read_file(fd, 0, header, sizeof(*header)) && is_native(header) &&
	    header->e_phoff < MOST) {
		programs = mf_new_array(header->e_phnum, Elf64_Phdr);
		if (read_file(fd, header->e_phoff, programs,
			      header->e_phnum * sizeof(*programs)) &&
		    read_programs(object, programs))
			return object;
	}
	mf_object_close(object);
	return NULL;
}

struct mf_object *mf_object_open_memory(struct mf_target *target,
					uint64_t address)
{
	struct mf_object *object = mf_new(struct mf_object);
	mf_auto_free Elf64_Phdr *programs = NULL;
	Elf64_Ehdr *header = &object->header;

	object->fd = -1;
	object->target = target;
	object->bias = address;
	object->page_size = mf_target_info(target)->page_size;
	if (mf_target_try_read(target, address, header, sizeof(*header)) &&
	    is_native(header) && header->e_phoff < MOST) {
		programs = mf_new_array(header->e_phnum, Elf64_Phdr);
		if (mf_target_try_read(target, address + header->e_phoff,
				       programs,
				       header->e_phnum * sizeof(*programs)) &&
		    read_programs(object, programs))
			return object;
	}
	mf_object_close(object);
	return NULL;
}

/* ---- sections ---------------------------------------------------------- */

Elf *mf_object_elf(struct mf_object *object)
{
	if (!object->elf_tried && object->fd >= 0) {
		elf_version(EV_CURRENT);
		object->elf = elf_begin(object->fd, ELF_C_READ, NULL);
	}
	object->elf_tried = true;
	return object->elf;
}

Elf_Scn *mf_elf_section(Elf *elf, const char *name, Elf64_Shdr *ret)
{
	Elf_Scn *section = NULL;
	size_t names;

	if (!elf || elf_getshdrstrndx(elf, &names) != 0)
		return NULL;
	while ((section = elf_nextscn(elf, section))) {
		const Elf64_Shdr *header = elf64_getshdr(section);
		const char *text =
			header ? elf_strptr(elf, names, header->sh_name) : NULL;

		if (text && strcmp(text, name) == 0) {
			*ret = *header;
			return section;
		}
	}
	return NULL;
}
