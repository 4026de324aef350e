/*
 * Build-ids: where they stand in the notes of an ELF object.
 */
#include <elf.h>
#include <string.h>

#include "memforensics/target.h"

#include "base/memory.h"

/* Words of notes are of four bytes. */
static uint64_t padded(uint64_t size)
{
	return (size + 3) & ~UINT64_C(3);
}

size_t mf_build_id_find(const uint8_t *notes, size_t size, size_t *length)
{
	size_t at = 0;

	while (size - at >= sizeof(Elf64_Nhdr)) {
		const Elf64_Nhdr note = mf_load(Elf64_Nhdr, notes + at);
		uint64_t name = at + sizeof(note);
		uint64_t text = name + padded(note.n_namesz);
		uint64_t next = text + padded(note.n_descsz);

		if (text > size || note.n_descsz > size - text)
			return 0;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
		    memcmp(notes + name, "GNU", 4) == 0 && note.n_descsz &&
		    note.n_descsz <= MF_BUILD_ID_MAX) {
			*length = note.n_descsz;
			return text;
		}
		if (next >= size)
			return 0;
		at = next;
	}
	return 0;
}
