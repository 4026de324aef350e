/*
 * Fuzzes the stack room: a program of three pages, whose ELF headers are made
 * here, and a thread in it. The input is what it believes: a byte that says
 * how, registers, unwind tables (.eh_frame_hdr, .eh_frame, .debug_frame), a
 * stack, and code. Its tables are read as entries, too, each of which must
 * mean the same when it is written anew; and all of the input is a perf map.
 */
#include <elf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memforensics/stack.h"

#include "base/compiler.h"
#include "base/memory.h"
#include "fuzz.h"
#include "stack/cfi_entry.h"
#include "stack/perf_map.h"
#include "target/target.h"

enum {
	PAGE = 4096,
	TABLES = PAGE, /* offsets in the program */
	CODE = 2 * PAGE,
	PROGRAM = 3 * PAGE,
	SECTIONS = 0x200,
	NAMES = 0x600,

	/* how */
	NO_HEADER = 1 << 0,   /* of .eh_frame: it is a list */
	NO_SECTIONS = 1 << 1, /* they are gone: there is the header alone */
	NO_FILE = 1 << 2,     /* the module is in memory, and nowhere else */
	UNWINDERS = 4,	      /* shift of a mask of them; 0: all */

	/* the input */
	REGISTERS = 36, /* the last are pc and sp */
	REGISTERS_AT = 8,
	HEADER_AT = REGISTERS_AT + REGISTERS * 8,
	HEADER_SIZE = 256,
	FRAMES_SIZE = 1024,
	DEBUG_SIZE = 512,
	STACK_AT = HEADER_AT + HEADER_SIZE + FRAMES_SIZE + DEBUG_SIZE,
	STACK_SIZE = 1024,
	CODE_AT = STACK_AT + STACK_SIZE,
	CODE_SIZE = 512,
	INPUT = CODE_AT + CODE_SIZE,

	FRAMES_MOST = 64,
};

static const uint64_t base = UINT64_C(0x555500000000);
static const uint64_t stack = UINT64_C(0x7f0000000000);

static struct {
	uint8_t input[INPUT];
	uint8_t program[PROGRAM];
	_Alignas(8) uint8_t stack[PAGE];
	struct mf_target_ops ops;
	struct mf_target *target;
	struct mf_image *image;
} here;

/* ---- the program ------------------------------------------------------------ */

static void put(size_t at, const void *bytes, size_t size)
{
	memcpy(here.program + at, bytes, size);
}

static void put_segment(unsigned index, uint32_t type, uint32_t flags,
			uint64_t start, uint64_t size)
{
	const Elf64_Phdr header = { .p_type = type,
				    .p_flags = flags,
				    .p_offset = start,
				    .p_vaddr = start,
				    .p_filesz = size,
				    .p_memsz = size,
				    .p_align = type == PT_LOAD ? PAGE : 4 };

	put(sizeof(Elf64_Ehdr) + index * sizeof(header), &header,
	    sizeof(header));
}

static void put_section(unsigned index, uint32_t name, uint32_t type,
			uint64_t start, uint64_t size)
{
	const Elf64_Shdr header = { .sh_name = name,
				    .sh_type = type,
				    .sh_addr = start < CODE ? start : 0,
				    .sh_offset = start,
				    .sh_size = size,
				    .sh_addralign = 1 };

	put(SECTIONS + index * sizeof(header), &header, sizeof(header));
}

static void put_sections(void)
{
	static const char names[] =
		"\0.eh_frame_hdr\0.eh_frame\0.debug_frame\0.shstrtab";
	const uint64_t frames = TABLES + HEADER_SIZE;

	put(NAMES, names, sizeof(names));
	put_section(1, 1, SHT_PROGBITS, TABLES, HEADER_SIZE);
	put_section(2, 15, SHT_PROGBITS, frames, FRAMES_SIZE);
	put_section(3, 25, SHT_PROGBITS, frames + FRAMES_SIZE, DEBUG_SIZE);
	put_section(4, 38, SHT_STRTAB, NAMES, sizeof(names));
}

static void put_headers(uint8_t how)
{
	const bool sections = !(how & NO_SECTIONS);
	Elf64_Ehdr header = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
			     ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_DYN,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_shoff = sections ? SECTIONS : 0,
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 3,
		.e_shentsize = sections ? sizeof(Elf64_Shdr) : 0,
		.e_shnum = sections ? 5 : 0,
		.e_shstrndx = sections ? 4 : 0,
	};

#if defined(__aarch64__)
	header.e_machine = EM_AARCH64;
#endif
	put(0, &header, sizeof(header));
	put_segment(0, PT_LOAD, PF_R, 0, CODE);
	put_segment(1, PT_LOAD, PF_R | PF_X, CODE, PAGE);
	put_segment(2, how & NO_HEADER ? PT_NULL : PT_GNU_EH_FRAME, PF_R,
		    TABLES, HEADER_SIZE);
	if (sections)
		put_sections();
}

static struct mf_error *open_file(struct mf_target *target,
				  const struct mf_mapping *mapping, int *ret)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	(void)target, (void)mapping;
	if (fd < 0 || write(fd, here.program, PROGRAM) != PROGRAM)
		abort();
	*ret = fd;
	return NULL;
}

/* ---- the target ----------------------------------------------------------------- */

static void map(uint64_t start, uint64_t size, unsigned perms, bool file,
		const uint8_t *bytes)
{
	mf_target_forge_mapping(here.target,
				&(struct mf_mapping){
					.start = start,
					.end = start + size,
					.offset = file ? start - base : 0,
					.inode = file ? 7 : 0,
					.perms = perms,
					.path = file ? "/there/program" : "",
				},
				bytes, NULL);
}

static void forge_thread(void)
{
	const uint8_t *registers = here.input + REGISTERS_AT;
	struct mf_thread thread = { .tid = 7, .registers_known = true };

	for (size_t i = 0; i < MF_ARRAY_SIZE(thread.general); i++)
		thread.general[i] = mf_load(uint64_t, registers + i * 8);
	thread.pc = mf_load(uint64_t, registers + (REGISTERS - 2) * 8);
	thread.sp = mf_load(uint64_t, registers + (REGISTERS - 1) * 8);
#if defined(__aarch64__)
	thread.general[31] = thread.sp;
#else
	thread.general[7] = thread.sp;
	thread.general[16] = thread.pc;
#endif
	mf_target_forge_thread(here.target, &thread);
}

static bool open_program(void)
{
	const struct mf_image_options options = { .no_debuginfo = true };
	uint8_t how = here.input[0];

	memset(here.program, 0, sizeof(here.program));
	memset(here.stack, 0, sizeof(here.stack));
	put_headers(how);
	put(TABLES, here.input + HEADER_AT, STACK_AT - HEADER_AT);
	put(CODE, here.input + CODE_AT, CODE_SIZE);
	memcpy(here.stack, here.input + STACK_AT, STACK_SIZE);
	here.target = mf_target_create_forged();
	here.ops = *here.target->ops;
	if (!(how & NO_FILE)) {
		here.ops.open_file = open_file;
		here.target->ops = &here.ops;
	}
	map(base, CODE, MF_PERM_READ, true, here.program);
	map(base + CODE, PAGE, MF_PERM_READ | MF_PERM_EXEC, true,
	    here.program + CODE);
	map(stack, PAGE, MF_PERM_READ | MF_PERM_WRITE, false, here.stack);
	forge_thread();
	here.image = NULL;
	mf_error_destroy(mf_image_create(here.target, &options, &here.image));
	return here.image;
}

/* ---- frames ---------------------------------------------------------------------- */

static void check_frames(const struct mf_stack *found)
{
	const struct mf_frame *frames = found->frames;

	FUZZ_AT_MOST(1, found->frame_count);
	FUZZ_AT_MOST(found->frame_count, FRAMES_MOST);
	FUZZ_EQUAL(frames[0].by, MF_UNWINDER_REGISTERS);
	for (size_t i = 1; i < found->frame_count; i++) {
		if (frames[i - 1].signal)
			continue;
		FUZZ_AT_MOST(frames[i - 1].sp, frames[i].sp);
		FUZZ_AT_MOST(base + CODE, frames[i].pc);
		FUZZ_AT_MOST(frames[i].pc, base + PROGRAM);
	}
}

static void unwind(void)
{
	const struct mf_stack_options options = {
		.unwinders = here.input[0] >> UNWINDERS,
		.max_frames = FRAMES_MOST,
		.no_lines = true,
	};
	struct mf_stacks *stacks = NULL;
	struct mf_stack found;
	struct mf_error *error;

	error = mf_stacks_create(here.target, here.image, &options, &stacks);
	if (!error)
		error = mf_stacks_capture(stacks, here.target);
	if (!error && mf_stacks_count(stacks)) {
		mf_stacks_unwind(stacks, 0, &found);
		check_frames(&found);
	}
	mf_error_destroy(error);
	mf_stacks_destroy(stacks);
}

/* ---- entries ------------------------------------------------------------------------ */

static void check_again(const struct mf_cie *cie, const struct mf_fde *fde)
{
	MF_AUTO_BUFFER(buffer);
	size_t second = mf_entries_write(cie, fde, 0, &buffer);
	struct mf_slice common = { (const uint8_t *)buffer.text, buffer.size,
				   0x1000 };
	struct mf_slice own = { common.bytes + second, buffer.size - second,
				0x1000 + second };
	struct mf_cie cie_again;
	struct mf_fde fde_again;
	bool in_place = false;
	uint64_t place;
	uint32_t mark;

	if (!mf_entry_open(&common, &mark, &place))
		return; /* longer than is read */
	FUZZ_EQUAL(mf_cie_parse(&common, &cie_again), true);
	FUZZ_EQUAL(cie_again.code_align, cie->code_align);
	FUZZ_EQUAL((uint64_t)cie_again.data_align, (uint64_t)cie->data_align);
	FUZZ_EQUAL(cie_again.return_register, cie->return_register);
	FUZZ_EQUAL(cie_again.signal, cie->signal);
	FUZZ_EQUAL(mf_rules_check(cie_again.rules, cie_again.rules_size,
				  &in_place),
		   true);
	if (!mf_entry_open(&own, &mark, &place))
		return;
	FUZZ_EQUAL(mf_fde_parse(&own, &cie_again, 0, &fde_again), true);
	FUZZ_EQUAL(fde_again.start, fde->start);
	FUZZ_EQUAL(fde_again.end, fde->end);
	FUZZ_EQUAL(mf_rules_check(fde_again.rules, fde_again.rules_size,
				  &in_place),
		   true);
}

/* All that begin at some byte, with the last CIE that was found. */
static void read_entries(const uint8_t *data, size_t size)
{
	struct mf_cie cie, last = { 0 };
	bool in_place = false, any = false;
	struct mf_fde fde;
	uint64_t place;
	uint32_t mark;

	for (size_t at = 0; at < size; at++) {
		struct mf_slice slice = { data + at, size - at, base + at };

		if (!mf_entry_open(&slice, &mark, &place))
			continue;
		if (mf_cie_parse(&slice, &cie) &&
		    mf_rules_check(cie.rules, cie.rules_size, &in_place)) {
			last = cie;
			any = true;
		}
		if (any && mf_fde_parse(&slice, &last, base, &fde) &&
		    mf_rules_check(fde.rules, fde.rules_size, &in_place))
			check_again(&last, &fde);
	}
}

static void read_perf_map(const uint8_t *data, size_t size)
{
	struct mf_perf_map *names = mf_perf_map_parse((const char *)data, size);
	uint64_t start = 0;

	for (uint64_t at = 0; at < PAGE; at += 16)
		if (mf_perf_map_at(names, at, &start))
			FUZZ_AT_MOST(start, at);
	mf_perf_map_close(names);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* of just that size, so that a sanitizer sees a byte too far */
	const size_t tables = STACK_AT - HEADER_AT;
	uint8_t *own = mf_calloc(1, tables);

	memset(here.input, 0, sizeof(here.input));
	memcpy(here.input, data, MF_MIN(size, sizeof(here.input)));
	memcpy(own, here.input + HEADER_AT, tables);
	read_entries(own, tables);
	free(own);
	read_perf_map(data, size);
	if (open_program())
		unwind();
	mf_image_destroy(here.image);
	mf_target_close(here.target);
	return 0;
}
