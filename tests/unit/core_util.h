/*
 * Forges core files, byte by byte, as the kernel or gdb would write them, and
 * as neither would.
 */
#ifndef MF_TESTS_CORE_UTIL_H
#define MF_TESTS_CORE_UTIL_H

#include <elf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/procfs.h>
#include <unistd.h>

#include "memforensics/target.h"

#include "base/buffer.h"
#include "base/vec.h"
#include "target/arch.h"
#include "target/core_notes.h"
#include "unit.h"

enum {
	CORE_PAGE = 4096,
	CORE_LOADS = 64 * CORE_PAGE, /* where the bytes of loads begin */
};

struct core {
	int fd;
	char path[64];
	Elf64_Ehdr header;
	MF_VEC(Elf64_Phdr) programs;
	struct mf_buffer notes;
	uint64_t next; /* file offset of the next load */
};

/** A file without a name; nothing is in it until core_finish. */
static inline void core_begin(struct core *core)
{
	memset(core, 0, sizeof(*core));
	core->fd = memfd_create("core", MFD_CLOEXEC);
	assert_true(core->fd >= 0);
	snprintf(core->path, sizeof(core->path), "/proc/self/fd/%d", core->fd);
	memcpy(core->header.e_ident, ELFMAG, SELFMAG);
	core->header.e_ident[EI_CLASS] = ELFCLASS64;
	core->header.e_ident[EI_DATA] = ELFDATA2LSB;
	core->header.e_ident[EI_VERSION] = EV_CURRENT;
	core->header.e_type = ET_CORE;
	core->header.e_machine = mf_arch_machine;
	core->header.e_version = EV_CURRENT;
	core->header.e_phoff = sizeof(core->header);
	core->header.e_ehsize = sizeof(core->header);
	core->header.e_phentsize = sizeof(Elf64_Phdr);
	core->next = CORE_LOADS;
}

static inline void core_put(const struct core *core, uint64_t offset,
			    const void *bytes, size_t size)
{
	assert_int_equal(pwrite(core->fd, bytes, size, (off_t)offset), size);
}

static inline Elf64_Phdr *core_program(struct core *core, uint32_t type)
{
	Elf64_Phdr *program = mf_vec_add(&core->programs);

	program->p_type = type;
	return program;
}

/** A load of PAGES pages at ADDRESS, of which the file has HELD, all holes. */
static inline Elf64_Phdr *core_load(struct core *core, uint64_t address,
				    size_t pages, size_t held, uint32_t flags)
{
	Elf64_Phdr *program = core_program(core, PT_LOAD);

	program->p_vaddr = address;
	program->p_memsz = pages * CORE_PAGE;
	program->p_filesz = held * CORE_PAGE;
	program->p_offset = core->next;
	program->p_flags = flags;
	core->next += program->p_filesz;
	return program;
}

/** Writes into page INDEX of the load that was added last. */
static inline void core_fill(const struct core *core, size_t index,
			     const void *bytes, size_t size)
{
	const Elf64_Phdr *program =
		&core->programs.items[core->programs.count - 1];

	core_put(core, program->p_offset + index * CORE_PAGE, bytes, size);
}

static inline void core_note(struct core *core, const char *owner,
			     uint32_t type, const void *bytes, size_t size)
{
	mf_core_add_note(&core->notes, owner, type, bytes, size);
}

static inline void core_add_thread(struct core *core, pid_t tid, uint64_t sp)
{
	struct elf_prstatus status = { .pr_pid = tid };

#if defined(__x86_64__)
	struct user_regs_struct registers = {
		.rsp = sp, .rip = 0x1234, .orig_rax = 7, .fs_base = 0x5678
	};
#else
	struct user_regs_struct registers = { .sp = sp, .pc = 0x1234 };
#endif
	_Static_assert(sizeof(registers) == sizeof(status.pr_reg), "same");
	memcpy(&status.pr_reg, &registers, sizeof(registers));
	core_note(core, "CORE", NT_PRSTATUS, &status, sizeof(status));
}

static inline void core_add_process(struct core *core, pid_t pid,
				    const char *name, const char *arguments)
{
	struct elf_prpsinfo process = { .pr_pid = pid, .pr_sname = 'S' };

	snprintf(process.pr_fname, sizeof(process.pr_fname), "%s", name);
	snprintf(process.pr_psargs, sizeof(process.pr_psargs), "%s", arguments);
	core_note(core, "CORE", NT_PRPSINFO, &process, sizeof(process));
}

/** Pairs of type and value; the terminator is added. */
static inline void core_add_auxv(struct core *core, const uint64_t *pairs,
				 size_t count)
{
	Elf64_auxv_t auxv[32] = { 0 };

	for (size_t i = 0; i < count; i++) {
		auxv[i].a_type = pairs[2 * i];
		auxv[i].a_un.a_val = pairs[2 * i + 1];
	}
	core_note(core, "CORE", NT_AUXV, auxv, (count + 1) * sizeof(auxv[0]));
}

struct core_file {
	uint64_t start, end, page;
	const char *path;
};

static inline void core_add_files(struct core *core,
				  const struct core_file *files, size_t count)
{
	MF_AUTO_BUFFER(text);
	uint64_t head[2] = { count, CORE_PAGE };

	mf_buffer_add(&text, head, sizeof(head));
	for (size_t i = 0; i < count; i++) {
		mf_buffer_add(&text, &files[i].start, sizeof(uint64_t));
		mf_buffer_add(&text, &files[i].end, sizeof(uint64_t));
		mf_buffer_add(&text, &files[i].page, sizeof(uint64_t));
	}
	for (size_t i = 0; i < count; i++)
		mf_buffer_add(&text, files[i].path, strlen(files[i].path) + 1);
	core_note(core, "CORE", NT_FILE, text.text, text.size);
}

/** Writes headers and notes; the file is as long as its loads say. */
static inline void core_finish(struct core *core)
{
	Elf64_Phdr *notes = core_program(core, PT_NOTE);
	size_t size = core->programs.count * sizeof(*notes);

	notes->p_offset = core->header.e_phoff + size;
	notes->p_filesz = core->notes.size;
	assert_true(notes->p_offset + notes->p_filesz <= CORE_LOADS);
	if (!core->header.e_phnum)
		core->header.e_phnum = (uint16_t)core->programs.count;
	core_put(core, 0, &core->header, sizeof(core->header));
	core_put(core, core->header.e_phoff, core->programs.items, size);
	core_put(core, notes->p_offset, mf_buffer_text(&core->notes),
		 core->notes.size);
	assert_int_equal(ftruncate(core->fd, (off_t)core->next), 0);
}

static inline struct mf_target *core_open(const struct core *core,
					  const char *symfs)
{
	const struct mf_target_options options = { .symfs = symfs };
	struct mf_target *target = NULL;
	struct mf_error *error =
		mf_target_open_core(core->path, &options, &target);

	if (error)
		print_error("%s: %s\n", error->what,
			    error->why ? error->why : "");
	assert_null(error);
	return target;
}

static inline void core_end(struct core *core)
{
	close(core->fd);
	mf_vec_deinit(&core->programs);
	mf_buffer_deinit(&core->notes);
}

/** Whether what could not be had has WHAT, and WHY in its reason. */
static inline bool core_lacks(const struct mf_target *target, const char *what,
			      const char *why)
{
	size_t count;
	const struct mf_partial *partials = mf_target_partials(target, &count);

	for (size_t i = 0; i < count; i++)
		if (strcmp(partials[i].what, what) == 0 &&
		    strstr(partials[i].why, why))
			return true;
	return false;
}

#endif
