/*
 * .eh_frame_hdr, read from the target's memory: a sorted table of where each
 * function begins, and where its entry of .eh_frame lies, which says how long it
 * is (LSB core, "Exception Frames").
 */
#include "scan/functions.h"

#include <elf.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/search.h"

enum {
	FUNCTIONS_MAX = 1 << 20,
	PROGRAM_HEADERS_MAX = 64,
	UNSIGNED_4 = 0x03,	/* DW_EH_PE_udata4 */
	FROM_TABLE_4 = 0x3b,	/* DW_EH_PE_datarel | DW_EH_PE_sdata4 */
	FUNCTION_MAX = 1 << 20, /* bytes */
};

struct header {
	uint8_t version, frame_encoding, count_encoding, table_encoding;
	int32_t frame;
	uint32_t count;
};

/** Both relative to the table. */
struct entry {
	int32_t start, frame;
};

/** What begins every entry of .eh_frame. */
struct frame {
	uint32_t length, cie;
	int32_t start;
	uint32_t size;
};

struct mf_functions {
	struct mf_target *target;
	uint64_t base; /* of the table's offsets */
	struct entry *entries;
	size_t count;
};

/* The run-time address of .eh_frame_hdr, 0: none. */
static uint64_t find_table(struct mf_target *target,
			   const struct mf_module *module)
{
	Elf64_Ehdr elf;
	Elf64_Phdr program;

	if (!mf_target_try_read(target, module->start, &elf, sizeof(elf)) ||
	    memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0 ||
	    elf.e_ident[EI_CLASS] != ELFCLASS64 ||
	    elf.e_phentsize != sizeof(program))
		return 0;
	for (unsigned i = 0; i < elf.e_phnum && i < PROGRAM_HEADERS_MAX; i++) {
		uint64_t at = module->start + elf.e_phoff + i * sizeof(program);

		if (!mf_target_try_read(target, at, &program, sizeof(program)))
			return 0;
		if (program.p_type == PT_GNU_EH_FRAME)
			return program.p_vaddr + module->bias;
	}
	return 0;
}

struct mf_functions *mf_functions_open(struct mf_target *target,
				       const struct mf_module *module)
{
	uint64_t base = find_table(target, module);
	struct mf_functions *functions;
	struct header header;

	if (!base ||
	    !mf_target_try_read(target, base, &header, sizeof(header)) ||
	    header.version != 1 || header.count_encoding != UNSIGNED_4 ||
	    header.table_encoding != FROM_TABLE_4 || !header.count ||
	    header.count > FUNCTIONS_MAX)
		return NULL;
	functions = mf_new(struct mf_functions);
	functions->target = target;
	functions->base = base;
	functions->count = header.count;
	functions->entries = mf_new_array(header.count, struct entry);
	if (mf_target_try_read(target, base + sizeof(header),
			       functions->entries,
			       header.count * sizeof(struct entry)))
		return functions;
	mf_functions_close(functions);
	return NULL;
}

void mf_functions_close(struct mf_functions *functions)
{
	if (!functions)
		return;
	free(functions->entries);
	free(functions);
}

/* The table claims to be sorted: a lie gives wrong answers, no more. */
static const struct entry *last_before(const struct mf_functions *functions,
				       int64_t offset)
{
	size_t before = mf_count_leading(functions->entries, functions->count,
					 entry, entry->start <= offset);

	return before ? &functions->entries[before - 1] : NULL;
}

static uint64_t address_of(const struct mf_functions *functions, int32_t offset)
{
	return functions->base + (uint64_t)(int64_t)offset;
}

static uint64_t size_of(const struct mf_functions *functions,
			const struct entry *entry)
{
	const struct entry *end = functions->entries + functions->count;
	struct frame frame;
	uint64_t size = 0;

	if (entry + 1 < end && entry[1].start > entry->start)
		size = (uint64_t)((int64_t)entry[1].start - entry->start);
	if (mf_target_try_read(functions->target,
			       address_of(functions, entry->frame), &frame,
			       sizeof(frame)) &&
	    frame.length >= sizeof(frame) - sizeof(frame.length) &&
	    frame.size && (!size || frame.size < size))
		size = frame.size;
	return MF_MIN(size, (uint64_t)FUNCTION_MAX);
}

bool mf_functions_at(const struct mf_functions *functions, uint64_t address,
		     uint64_t *size)
{
	int64_t offset = (int64_t)(address - functions->base);
	const struct entry *entry;

	if (offset != (int32_t)offset)
		return false;
	entry = last_before(functions, offset);
	if (!entry || entry->start != offset)
		return false;
	*size = size_of(functions, entry);
	return *size != 0;
}
