/*
 * One ELF object, however many times it is loaded: its program headers and
 * what hangs on them, read from its file or from the target's memory. All
 * addresses here are link-time ones; nothing in a file is believed unchecked.
 */
#ifndef MF_IMAGE_OBJECT_H
#define MF_IMAGE_OBJECT_H

#include <elf.h>
#include <libelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memforensics/target.h"

#include "base/vec.h"

/* No table of a file may take more of our memory than this. */
#define MF_IMAGE_TABLE_MAX (UINT64_C(1) << 30)

/** One PT_LOAD, checked: no sum of these wraps, ascending, no overlap. */
struct mf_load {
	uint64_t vaddr, offset, filesz, memsz;
	unsigned flags; /* PF_* */
};

enum {
	MF_LOADS_MAX = 32,
};

struct mf_extent {
	uint64_t vaddr, size;
};

struct mf_exports;
struct mf_tables;
struct mf_debug;

struct mf_object {
	struct mf_target *target; /* only of an object in memory */
	int fd;			  /* -1: in memory */
	uint64_t bias;		  /* of an object in memory: its only load's */
	uint64_t page_size;
	Elf64_Ehdr header;
	struct mf_load loads[MF_LOADS_MAX];
	size_t load_count;
	struct mf_extent relro, dynamic, unwind_header;
	uint64_t tls_size; /* rounded up to its alignment */
	bool interpreted;  /* has PT_INTERP */
	uint8_t build_id[MF_BUILD_ID_MAX];
	size_t build_id_size;
	uint64_t build_id_vaddr;

	/* made when first asked */
	bool elf_tried;
	Elf *elf; /* of the file; NULL in memory */
	struct mf_exports *exports;
	struct mf_tables *tables;
	struct mf_debug *debug;
};

/** Takes FD; NULL (and FD closed) when it is no ELF file of this machine. */
struct mf_object *mf_object_open(int fd, uint64_t page_size);

/** The object whose first page is at ADDRESS of TARGET; NULL when none. */
struct mf_object *mf_object_open_memory(struct mf_target *target,
					uint64_t address);
void mf_object_close(struct mf_object *object);

/** Bytes that the object itself holds at VADDR; false when not all are. */
bool mf_object_read(const struct mf_object *object, uint64_t vaddr, void *bytes,
		    size_t size);

/** The same in new memory to free(); NULL when not all are there. */
void *mf_object_take(const struct mf_object *object, uint64_t vaddr,
		     uint64_t size);

/** How many bytes from VADDR the object holds without a gap. */
uint64_t mf_object_room(const struct mf_object *object, uint64_t vaddr);

/** The libelf handle of its file, or NULL. */
Elf *mf_object_elf(struct mf_object *object);

/** Looks for a section by name. */
Elf_Scn *mf_elf_section(Elf *elf, const char *name, Elf64_Shdr *ret);

static inline uint64_t mf_page_floor(const struct mf_object *object,
				     uint64_t address)
{
	return address & -object->page_size;
}

static inline uint64_t mf_page_ceil(const struct mf_object *object,
				    uint64_t address)
{
	return (address + object->page_size - 1) & -object->page_size;
}

#endif
