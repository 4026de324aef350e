/*
 * A Rust program without symbols, forged: an ELF object in the memory of a
 * forged target, with functions that its unwinder's table tells of, places of
 * panics, and room for vtables.
 */
#ifndef MF_TESTS_RUST_UTIL_H
#define MF_TESTS_RUST_UTIL_H

#include <elf.h>
#include <stdio.h>

#include "memforensics/image.h"

#include "base/memory.h"
#include "scan_util.h"

enum {
	RUST_TEXT = 2 * PAGE,	   /* offsets of its parts */
	RUST_CONSTANTS = 4 * PAGE, /* and as long as the file */
	RUST_CONSTANT_PAGES = 260, /* more than are read at once */
	RUST_PAGES = 4 + RUST_CONSTANT_PAGES,
	RUST_STRINGS = 0x400,
	RUST_TABLE = 0xc00, /* .eh_frame_hdr */
	RUST_FRAMES = 0x1400,
	RUST_FUNCTION = 64, /* bytes from one function to the next */
	RUST_FUNCTIONS = 64,
	RUST_LOCATIONS = 0x400, /* in the constants */
};

static const uint64_t rust_base = UINT64_C(0x555500000000);

struct rust_program {
	uint8_t *bytes;
	struct mf_target *target;
	struct mf_image *image;
	uint32_t strings;  /* where the next one goes */
	uint32_t location; /* and the next place */
};

static inline void rust_put(struct rust_program *program, uint64_t offset,
			    const void *bytes, size_t size)
{
	assert_true(offset + size <= (uint64_t)RUST_PAGES * PAGE);
	memcpy(program->bytes + offset, bytes, size);
}

static inline void rust_put_u64(struct rust_program *program, uint64_t offset,
				uint64_t value)
{
	rust_put(program, offset, &value, sizeof(value));
}

static inline void rust_put_u32(struct rust_program *program, uint64_t offset,
				uint32_t value)
{
	rust_put(program, offset, &value, sizeof(value));
}

/** The address of TEXT, which is put among the strings. */
static inline uint64_t rust_string(struct rust_program *program,
				   const char *text)
{
	uint32_t at = program->strings;

	assert_true(at + strlen(text) + 1 <= RUST_TABLE);
	rust_put(program, at, text, strlen(text) + 1);
	program->strings += (uint32_t)strlen(text) + 1;
	return rust_base + at;
}

/** The offset of function NUMBER. */
static inline uint64_t rust_function(unsigned number)
{
	return RUST_TEXT + (uint64_t)number * RUST_FUNCTION;
}

static inline void rust_put_program_header(struct rust_program *program,
					   unsigned index, uint32_t type,
					   uint32_t flags, uint64_t start,
					   uint64_t size)
{
	Elf64_Phdr header = { .p_type = type,
			      .p_flags = flags,
			      .p_offset = start,
			      .p_vaddr = start,
			      .p_paddr = start,
			      .p_filesz = size,
			      .p_memsz = size,
			      .p_align = PAGE };

	rust_put(program, sizeof(Elf64_Ehdr) + index * sizeof(header), &header,
		 sizeof(header));
}

static inline void rust_put_headers(struct rust_program *program)
{
	Elf64_Ehdr header = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
			     ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_DYN,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 5,
	};
	const uint64_t constants = (uint64_t)RUST_CONSTANT_PAGES * PAGE;

#if defined(__aarch64__)
	header.e_machine = EM_AARCH64;
#endif
	rust_put(program, 0, &header, sizeof(header));
	rust_put_program_header(program, 0, PT_LOAD, PF_R, 0, RUST_TEXT);
	rust_put_program_header(program, 1, PT_LOAD, PF_R | PF_X, RUST_TEXT,
				RUST_CONSTANTS - RUST_TEXT);
	rust_put_program_header(program, 2, PT_LOAD, PF_R | PF_W,
				RUST_CONSTANTS, constants);
	rust_put_program_header(program, 3, PT_GNU_RELRO, PF_R, RUST_CONSTANTS,
				constants);
	rust_put_program_header(program, 4, PT_GNU_EH_FRAME, PF_R, RUST_TABLE,
				12 + 8 * RUST_FUNCTIONS);
}

/* .eh_frame_hdr, and as much of .eh_frame as says how long functions are. */
static inline void rust_put_functions(struct rust_program *program)
{
	const uint8_t encodings[] = { 1, 0x1b, 0x03, 0x3b };

	rust_put(program, RUST_TABLE, encodings, sizeof(encodings));
	rust_put_u32(program, RUST_TABLE + 8, RUST_FUNCTIONS);
	for (unsigned i = 0; i < RUST_FUNCTIONS; i++) {
		uint32_t frame = RUST_FRAMES + 24 * i;

		rust_put_u32(program, RUST_TABLE + 12 + 8 * i,
			     (uint32_t)rust_function(i) - RUST_TABLE);
		rust_put_u32(program, RUST_TABLE + 16 + 8 * i,
			     frame - RUST_TABLE);
		rust_put_u32(program, frame, 20);
		rust_put_u32(program, frame + 12, RUST_FUNCTION);
	}
}

static inline void rust_program_init(struct rust_program *program)
{
	memset(program, 0, sizeof(*program));
	program->bytes = mf_calloc(RUST_PAGES, PAGE);
	program->strings = RUST_STRINGS;
	program->location = RUST_CONSTANTS + RUST_LOCATIONS;
	rust_put_headers(program);
	rust_put_functions(program);
	memset(program->bytes + RUST_TEXT, 0xcc, RUST_CONSTANTS - RUST_TEXT);
}

static inline void rust_map(struct rust_program *program, uint64_t start,
			    uint64_t end, unsigned perms)
{
	mf_target_forge_mapping(program->target,
				&(struct mf_mapping){
					.start = rust_base + start,
					.end = rust_base + end,
					.offset = start,
					.inode = 7,
					.perms = perms,
					.path = "/there/program",
				},
				program->bytes + start, NULL);
}

/** Once all is put: the target and its image. */
static inline void rust_program_open(struct rust_program *program)
{
	const struct mf_image_options options = { .no_debuginfo = true };

	program->target = mf_target_create_forged();
	rust_map(program, 0, RUST_TEXT, RO);
	rust_map(program, RUST_TEXT, RUST_CONSTANTS, RX);
	rust_map(program, RUST_CONSTANTS, (uint64_t)RUST_PAGES * PAGE, RO);
	must(mf_image_create(program->target, &options, &program->image));
}

static inline void rust_program_deinit(struct rust_program *program)
{
	mf_image_destroy(program->image);
	mf_target_close(program->target);
	free(program->bytes);
}

static inline const struct mf_module *
rust_module(const struct rust_program *program)
{
	size_t count;
	const struct mf_module *modules =
		mf_image_modules(program->image, &count);

	assert_int_equal(count, 1);
	return modules;
}

/* ---- code (of x86-64) ------------------------------------------------------ */

/** Puts a call of the function at offset TO at offset AT; what follows it. */
static inline uint64_t rust_call(struct rust_program *program, uint64_t at,
				 uint64_t to)
{
	program->bytes[at] = 0xe8;
	rust_put_u32(program, at + 1, (uint32_t)(to - (at + 5)));
	return at + 5;
}

/** lea rdi, [rip + ...]: the address of offset TO. */
static inline uint64_t rust_take(struct rust_program *program, uint64_t at,
				 uint64_t to)
{
	static const uint8_t lea[] = { 0x48, 0x8d, 0x3d };

	rust_put(program, at, lea, sizeof(lea));
	rust_put_u32(program, at + 3, (uint32_t)(to - (at + 7)));
	return at + 7;
}

/** The offset of a new place in FILE; OLDER: its length has no NUL in it. */
static inline uint64_t rust_location(struct rust_program *program,
				     const char *file, uint32_t line,
				     bool older)
{
	uint64_t at = program->location;

	rust_put_u64(program, at, rust_string(program, file));
	rust_put_u64(program, at + 8, strlen(file) + (older ? 0 : 1));
	rust_put_u32(program, at + 16, line);
	rust_put_u32(program, at + 20, 5);
	program->location += 24;
	return at;
}

#endif
