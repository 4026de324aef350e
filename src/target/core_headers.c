/*
 * The headers of a core file: whether it is one that we can read, and its
 * segments. Program headers may be cut off, too many, out of order, in each
 * other's way, or say what cannot be; what makes sense of them is kept, and
 * what does not is counted.
 */
#include <libelf.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/search.h"
#include "target/arch.h"
#include "target/core.h"

enum {
	SEGMENTS_MAX = 1 << 20,
	NOTES_MAX = 64,
	PART = 1024, /* program headers that are read at once */
};

/* Beyond these no sum with an offset in the same file can wrap. */
#define MOST (UINT64_C(1) << 62)

/* ---- what it is -------------------------------------------------------- */

static struct mf_error *refuse(const char *path, const char *why)
{
	return mf_error_hint(
		mf_error_why(mf_error_create(MF_ERROR_UNSUPPORTED,
					     "cannot look at '%s'", path),
			     "%s", why),
		"memforensics reads processes, 64-bit cores of this machine's "
		"kind, and saved maps, smaps and pmap listings");
}

static const char *refusal_of_type(unsigned type)
{
	switch (type) {
	case ET_CORE:
		return NULL;
	case ET_EXEC:
	case ET_DYN:
		return "it is a program or a library, not a core";
	case ET_REL:
		return "it is an object file, not a core";
	default:
		return "it is an ELF file of an unknown type, not a core";
	}
}

static struct mf_error *check_machine(const struct mf_core *core,
				      const char *path)
{
	mf_auto_free char *why = NULL;

	if (core->header.e_machine == mf_arch_machine)
		return NULL;
	why = mf_asprintf("it is a core of another kind of machine (ELF "
			  "machine %u, this one is %s)",
			  core->header.e_machine, mf_arch_name);
	return refuse(path, why);
}

static struct mf_error *check_header(const struct mf_core *core,
				     const char *path)
{
	const unsigned char *ident = core->header.e_ident;
	const char *why;

	if (memcmp(ident, ELFMAG, SELFMAG) != 0)
		return refuse(path, "it is no ELF file");
	if (ident[EI_CLASS] != ELFCLASS64)
		return refuse(path, ident[EI_CLASS] == ELFCLASS32
					    ? "it is of a 32-bit process"
					    : "it is neither of a 64-bit nor "
					      "of a 32-bit process");
	if (ident[EI_DATA] != ELFDATA2LSB)
		return refuse(path, "it is of a big-endian machine");
	why = refusal_of_type(core->header.e_type);
	if (why)
		return refuse(path, why);
	MF_TRY(check_machine(core, path));
	if (core->header.e_phentsize != sizeof(Elf64_Phdr))
		return refuse(path, "its program headers have no size that "
				    "is known");
	return NULL;
}

/* SIZE bytes of structures of TYPE at OFFSET, as this machine has them; how
 * many bytes there are. */
static size_t read_structures(struct mf_core *core, uint64_t offset,
			      Elf_Type type, void *bytes, size_t size)
{
	size_t got = mf_core_file_read(core->file, offset, bytes, size);
	Elf_Data data = {
		.d_buf = bytes,
		.d_type = type,
		.d_version = EV_CURRENT,
		.d_size = got,
	};

	if (got && !elf64_xlatetom(&data, &data, ELFDATA2LSB))
		return 0;
	return got;
}

/* ---- segments ---------------------------------------------------------- */

/* Of what should be in the file from OFFSET on: as much as is. */
static uint64_t held_of(const struct mf_core *core, uint64_t offset,
			uint64_t size)
{
	return offset < core->size ? MF_MIN(size, core->size - offset) : 0;
}

static void add_load(struct mf_core *core, const Elf64_Phdr *program)
{
	struct mf_core_segment segment = {
		.start = program->p_vaddr,
		.offset = program->p_offset,
		.promised = program->p_filesz,
		.flags = program->p_flags,
	};

	if (!program->p_memsz)
		return;
	if (program->p_filesz > program->p_memsz || program->p_offset > MOST ||
	    program->p_filesz > MOST ||
	    __builtin_add_overflow(program->p_vaddr, program->p_memsz,
				   &segment.end)) {
		core->senseless++;
		return;
	}
	segment.held = held_of(core, segment.offset, segment.promised);
	mf_vec_push(&core->segments, segment);
}

/* Segments that lie may lack more in all than there are numbers for. */
static void add_missing(struct mf_core *core,
			const struct mf_core_segment *segment)
{
	if (__builtin_add_overflow(core->missing,
				   segment->promised - segment->held,
				   &core->missing))
		core->missing = UINT64_MAX;
}

static void add_notes(struct mf_core *core, const Elf64_Phdr *program)
{
	struct mf_core_segment notes = {
		.offset = program->p_offset,
		.promised = program->p_filesz,
	};

	if (core->notes.count == NOTES_MAX || program->p_offset > MOST ||
	    program->p_filesz > MOST) {
		core->senseless++;
		return;
	}
	notes.held = held_of(core, notes.offset, notes.promised);
	add_missing(core, &notes);
	mf_vec_push(&core->notes, notes);
}

static void add_program(struct mf_core *core, const Elf64_Phdr *program)
{
	if (program->p_type == PT_LOAD)
		add_load(core, program);
	else if (program->p_type == PT_NOTE)
		add_notes(core, program);
}

/* More than fit the header's field are counted in the first section's. */
static uint64_t count_programs(struct mf_core *core)
{
	Elf64_Shdr section = { 0 };

	if (core->header.e_phnum != PN_XNUM)
		return core->header.e_phnum;
	if (core->header.e_shoff &&
	    read_structures(core, core->header.e_shoff, ELF_T_SHDR, &section,
			    sizeof(section)) == sizeof(section) &&
	    section.sh_info >= PN_XNUM)
		return section.sh_info;
	return PN_XNUM;
}

static void read_programs(struct mf_core *core)
{
	mf_auto_free Elf64_Phdr *part = mf_new_array(PART, Elf64_Phdr);
	uint64_t count = count_programs(core), at = 0;

	while (at < count && at < SEGMENTS_MAX) {
		uint64_t offset = core->header.e_phoff + at * sizeof(*part);
		size_t wanted = MF_MIN(count - at, (uint64_t)PART), got;

		if (offset < core->header.e_phoff || offset > core->size)
			break;
		got = read_structures(core, offset, ELF_T_PHDR, part,
				      wanted * sizeof(*part)) /
		      sizeof(*part);
		for (size_t i = 0; i < got; i++)
			add_program(core, &part[i]);
		at += got;
		if (got < wanted)
			break;
	}
	core->senseless += count - at;
}

struct mf_error *mf_core_read_headers(struct mf_core *core, const char *path)
{
	elf_version(EV_CURRENT);
	if (mf_core_file_read(core->file, 0, &core->header,
			      sizeof(core->header)) != sizeof(core->header))
		return refuse(path, "it ends within its header");
	MF_TRY(check_header(core, path));
	read_programs(core);
	if (core->header.e_shnum > 1)
		core->writer = MF_CORE_BY_GDB;
	return NULL;
}

/* ---- in order ---------------------------------------------------------- */

static int compare_segments(const void *left, const void *right)
{
	const struct mf_core_segment *a = left, *b = right;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	/* of two at one place the one that has bytes stands */
	return (a->held < b->held) - (a->held > b->held);
}

/* Takes SIZE bytes off the front. */
static void cut_front(struct mf_core_segment *segment, uint64_t size)
{
	segment->start += size;
	segment->offset += size;
	segment->held -= MF_MIN(segment->held, size);
	segment->promised -= MF_MIN(segment->promised, size);
}

static void settle(struct mf_core *core, struct mf_core_segment *segment,
		   uint64_t page_size, uint64_t *end, size_t *kept)
{
	if (segment->start % page_size || segment->end > -page_size) {
		core->senseless++;
		return;
	}
	segment->end = (segment->end + page_size - 1) & -page_size;
	if (*kept && segment->start < *end) {
		core->senseless++;
		if (segment->end <= *end)
			return;
		cut_front(segment, *end - segment->start);
	}
	add_missing(core, segment);
	*end = segment->end;
	core->segments.items[(*kept)++] = *segment;
}

void mf_core_settle_segments(struct mf_core *core, uint64_t page_size)
{
	uint64_t end = 0;
	size_t kept = 0;

	mf_vec_sort(&core->segments, compare_segments);
	for (size_t i = 0; i < core->segments.count; i++) {
		struct mf_core_segment segment = core->segments.items[i];

		settle(core, &segment, page_size, &end, &kept);
	}
	core->segments.count = kept;
}

/* ---- looking up -------------------------------------------------------- */

size_t mf_core_segment_after(const struct mf_core *core, uint64_t address)
{
	return mf_range_after(core->segments.items, core->segments.count,
			      address);
}

bool mf_core_read_held(struct mf_core *core, uint64_t address, void *bytes,
		       size_t size)
{
	size_t i = mf_core_segment_after(core, address);
	const struct mf_core_segment *segment;
	uint64_t within;

	if (i == core->segments.count)
		return false;
	segment = &core->segments.items[i];
	within = address - segment->start;
	return address >= segment->start && within <= segment->held &&
	       size <= segment->held - within &&
	       mf_core_file_read(core->file, segment->offset + within, bytes,
				 size) == size;
}
