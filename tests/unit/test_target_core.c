/*
 * Cores as the kernel and gdb write them: threads, mappings by their names,
 * bytes, which pages were there, and files that are read in their place.
 */
#include <sys/stat.h>

#include "core_util.h"

enum {
	PID = 4711,
	READ = PF_R,
	WRITE = PF_R | PF_W,
	CODE = PF_R | PF_X,
};

static const uint64_t program = 0x555555554000;
static const uint64_t heap = 0x555555600000;
static const uint64_t memory = 0x7f0000000000;
static const uint64_t vdso = 0x7f0000200000;
static const uint64_t stack = 0x7ffffff00000;

static const char program_path[] = "/opt/program";

/* The first page of an object with a build-id of one byte, and 4 pages in all:
 * code, and then data. */
static void fill_object(uint8_t *page, uint8_t build_id)
{
	struct {
		Elf64_Ehdr header;
		Elf64_Phdr programs[3];
		Elf64_Nhdr note;
		char owner[4];
		uint8_t id[4];
	} object = {
		.header = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64,
					 ELFDATA2LSB, EV_CURRENT },
			    .e_type = ET_EXEC,
			    .e_machine = mf_arch_machine,
			    .e_version = EV_CURRENT,
			    .e_phoff = sizeof(Elf64_Ehdr),
			    .e_phentsize = sizeof(Elf64_Phdr),
			    .e_phnum = 3 },
		.note = { 4, 1, NT_GNU_BUILD_ID },
		.owner = "GNU",
		.id = { build_id },
	};

	object.programs[0] = (Elf64_Phdr){ .p_type = PT_LOAD,
					   .p_flags = CODE,
					   .p_vaddr = program,
					   .p_filesz = 2 * CORE_PAGE,
					   .p_memsz = 2 * CORE_PAGE };
	object.programs[1] = (Elf64_Phdr){ .p_type = PT_LOAD,
					   .p_flags = WRITE,
					   .p_offset = 2 * CORE_PAGE,
					   .p_vaddr = program + 2 * CORE_PAGE,
					   .p_filesz = CORE_PAGE,
					   .p_memsz = 2 * CORE_PAGE };
	object.programs[2] =
		(Elf64_Phdr){ .p_type = PT_NOTE,
			      .p_offset = offsetof(__typeof__(object), note),
			      .p_filesz = 20 };
	memset(page, 0, CORE_PAGE);
	memcpy(page, &object, sizeof(object));
}

/* A process with all that has a name: program, heap, memory, vdso, stack. */
static void forge(struct core *core, size_t object_pages)
{
	const uint64_t auxv[] = {
		AT_PHDR,	 program + sizeof(Elf64_Ehdr),
		AT_SYSINFO_EHDR, vdso,
		AT_RANDOM,	 stack + 0x123,
		AT_PAGESZ,	 CORE_PAGE,
	};
	const struct core_file files[] = {
		{ program, program + 2 * CORE_PAGE, 0, program_path },
		{ program + 2 * CORE_PAGE, program + 3 * CORE_PAGE, 2,
		  program_path },
		{ memory, memory + CORE_PAGE, 0, "/dev/zero (deleted)" },
	};
	uint8_t object[CORE_PAGE];

	core_begin(core);
	core_add_thread(core, PID, stack + 0x800);
	core_add_process(core, PID, "program", "program -x ");
	core_add_auxv(core, auxv, MF_ARRAY_SIZE(auxv) / 2);
	core_add_files(core, files, MF_ARRAY_SIZE(files));
	core_add_thread(core, PID + 1, memory + 5 * CORE_PAGE);
	core_load(core, program, 2, object_pages, CODE);
	fill_object(object, 7);
	if (object_pages)
		core_fill(core, 0, object, sizeof(object));
	core_load(core, program + 2 * CORE_PAGE, 1, 1, WRITE);
	core_fill(core, 0, "data", 4);
	core_load(core, program + 3 * CORE_PAGE, 1, 1, WRITE); /* bss */
	core_load(core, heap, 4, 4, WRITE);
	core_fill(core, 1, "heap", 4);
	core_fill(core, 3, "", 1); /* a page of zeros, and no hole */
	core_load(core, memory, 1, 1, WRITE);
	core_load(core, memory + CORE_PAGE, 1, 0, 0);
	core_load(core, memory + 2 * CORE_PAGE, 8, 8, WRITE);
	core_load(core, vdso - CORE_PAGE, 1, 0, READ);
	core_load(core, vdso, 1, 1, CODE);
	core_fill(core, 0, "vdso", 4);
	core_load(core, stack, 1, 1, WRITE);
	core_fill(core, 0, "stack", 5);
}

static const struct mf_mapping *at(struct mf_target *target, uint64_t address)
{
	const struct mf_mapping *mapping =
		mf_target_mapping_at(target, address);

	assert_non_null(mapping);
	return mapping;
}

static void check_text(struct mf_target *target, uint64_t address,
		       const char *text)
{
	char bytes[16] = "";

	assert_true(mf_target_try_read(target, address, bytes, strlen(text)));
	assert_string_equal(bytes, text);
}

/* ---- what it is ------------------------------------------------------------ */

static void test_process(void **state)
{
	const struct mf_target_info *info;
	struct mf_target *target;
	struct core core;

	(void)state;
	forge(&core, 1);
	core_finish(&core);
	target = core_open(&core, NULL);
	info = mf_target_info(target);
	assert_int_equal(info->kind, MF_TARGET_CORE);
	assert_int_equal(info->pid, PID);
	assert_string_equal(info->comm, "program");
	assert_string_equal(info->cmdline[0], "program -x");
	assert_null(info->cmdline[1]);
	assert_string_equal(info->exe, program_path);
	assert_string_equal(info->arch, mf_arch_name);
	assert_string_equal(info->origin, "the kernel");
	assert_int_equal(info->thread_count, 2);
	mf_target_close(target);
	core_end(&core);
}

static void test_threads(void **state)
{
	const struct mf_thread *threads;
	struct mf_target *target;
	struct core core;
	size_t count;

	(void)state;
	forge(&core, 1);
	core_finish(&core);
	target = core_open(&core, NULL);
	threads = mf_target_threads(target, &count);
	assert_int_equal(count, 2);
	assert_int_equal(threads[0].tid, PID);
	assert_string_equal(threads[0].comm, "program");
	assert_int_equal(threads[1].tid, PID + 1);
	assert_true(threads[1].registers_known);
	assert_int_equal(threads[1].sp, memory + 5 * CORE_PAGE);
	assert_int_equal(threads[1].pc, 0x1234);
#if defined(__x86_64__)
	assert_int_equal(threads[1].tp, 0x5678);
	assert_true(threads[1].in_syscall);
	assert_int_equal(threads[1].syscall, 7);
#endif
	mf_target_close(target);
	core_end(&core);
}

static void test_names(void **state)
{
	struct mf_target *target;
	struct core core;

	(void)state;
	forge(&core, 1);
	core_finish(&core);
	target = core_open(&core, NULL);
	assert_string_equal(at(target, program)->path, program_path);
	assert_int_equal(at(target, program)->perms,
			 MF_PERM_READ | MF_PERM_EXEC);
	assert_int_equal(at(target, program + 2 * CORE_PAGE)->offset,
			 2 * CORE_PAGE);
	assert_string_equal(at(target, program + 3 * CORE_PAGE)->path, "");
	assert_string_equal(at(target, heap)->path, "[heap]");
	assert_string_equal(at(target, memory)->path, "/dev/zero");
	assert_true(at(target, memory)->deleted);
	assert_true(at(target, memory)->perms & MF_PERM_SHARED);
	assert_int_equal(at(target, memory + CORE_PAGE)->perms, 0);
	assert_string_equal(at(target, vdso - 1)->path, "[vvar]");
	assert_string_equal(at(target, vdso)->path, "[vdso]");
	assert_string_equal(at(target, stack)->path, "[stack]");
	mf_target_close(target);
	core_end(&core);
}

/* A first stack as the kernel makes it, with ENVIRONMENT variables. */
static void forge_stack(struct core *core, uint64_t arguments,
			uint64_t environment)
{
	const uint64_t auxv[] = { AT_RANDOM, stack + 0xf00, AT_PAGESZ,
				  CORE_PAGE };
	const uint64_t texts = stack + 2 * CORE_PAGE - 12;
	uint64_t words[64] = { arguments, texts, texts + 4, texts + 14 };
	size_t at = arguments + 2;

	for (uint64_t i = 0; i < environment; i++)
		words[at++] = texts + 16;
	at++;
	memcpy(&words[at], auxv, sizeof(auxv));
	core_begin(core);
	core_add_process(core, PID, "program", "program with a lo");
	core_add_auxv(core, auxv, MF_ARRAY_SIZE(auxv) / 2);
	core_load(core, stack, 3, 3, WRITE);
	core_put(core, CORE_LOADS + 0xe00, words, sizeof(words));
	/* the second argument goes over the end of its page */
	core_put(core, CORE_LOADS + 2 * CORE_PAGE - 12,
		 "run\0long word\0n\0E=v", 20);
	core_finish(core);
}

static void test_arguments(void **state)
{
	const char *const *cmdline;
	struct mf_target *target;
	struct core core;

	(void)state;
	for (uint64_t environment = 0; environment < 4; environment++) {
		forge_stack(&core, 3, environment);
		target = core_open(&core, NULL);
		cmdline = mf_target_info(target)->cmdline;
		assert_string_equal(cmdline[0], "run");
		assert_string_equal(cmdline[1], "long word");
		assert_string_equal(cmdline[2], "n");
		assert_null(cmdline[3]);
		mf_target_close(target);
		core_end(&core);
	}
}

/* A program that writes a title over its arguments, and moves them before. */
static void test_title(void **state)
{
	const uint64_t moved = memory;
	const char *const *cmdline;
	struct mf_target *target;
	struct core core;

	(void)state;
	forge_stack(&core, 3, 1);
	core_put(&core, CORE_LOADS + 0xe00 + 16, &moved, sizeof(moved));
	core_put(&core, CORE_LOADS + 2 * CORE_PAGE - 12, "title: busy\0\0\0\0",
		 16);
	target = core_open(&core, NULL);
	cmdline = mf_target_info(target)->cmdline;
	assert_string_equal(cmdline[0], "title: busy");
	assert_string_equal(cmdline[1], "");
	mf_target_close(target);
	core_end(&core);
}

/* Where they cannot be, what the note says stands. */
static void test_lost_arguments(void **state)
{
	const uint64_t nonsense[] = { 7, stack + 3 * CORE_PAGE - 1, 0, 0 };
	struct mf_target *target;
	struct core core;

	(void)state;
	forge_stack(&core, 3, 1);
	core_put(&core, CORE_LOADS + 0xe00 + 8, &nonsense[1], 8);
	core_put(&core, CORE_LOADS + 3 * CORE_PAGE - 1, "x", 1);
	target = core_open(&core, NULL);
	assert_string_equal(mf_target_info(target)->cmdline[0],
			    "program with a lo");
	mf_target_close(target);
	core_put(&core, CORE_LOADS + 0xe00, nonsense, 8);
	target = core_open(&core, NULL);
	assert_string_equal(mf_target_info(target)->cmdline[0],
			    "program with a lo");
	mf_target_close(target);
	core_end(&core);
}

/* The kernel writes no shared mapping of a file that has a name. */
static void test_shared(void **state)
{
	const uint64_t place = memory + UINT64_C(64) * CORE_PAGE;
	const struct core_file files[] = {
		{ place, place + CORE_PAGE, 0, "/var/shared" },
		{ place + CORE_PAGE, place + 2 * CORE_PAGE, 0, "/var/private" },
		{ place + 2 * CORE_PAGE, place + 3 * CORE_PAGE, 0,
		  "/var/read" },
	};
	struct mf_target *target;
	struct core core;

	(void)state;
	core_begin(&core);
	core_add_files(&core, files, MF_ARRAY_SIZE(files));
	core_load(&core, place, 1, 0, WRITE);
	core_load(&core, place + CORE_PAGE, 1, 1, WRITE);
	core_load(&core, place + 2 * CORE_PAGE, 1, 0, READ);
	core_finish(&core);
	target = core_open(&core, NULL);
	assert_true(at(target, place)->perms & MF_PERM_SHARED);
	assert_false(at(target, place + CORE_PAGE)->perms & MF_PERM_SHARED);
	assert_false(at(target, place + 2 * CORE_PAGE)->perms & MF_PERM_SHARED);
	mf_target_close(target);
	core_end(&core);
}

/* The memory at a stack pointer was there, whoever lost it. */
static void test_lost_stacks(void **state)
{
	struct mf_target *target;
	struct core core;

	(void)state;
	forge(&core, 1);
	core_add_thread(&core, PID + 2, memory + UINT64_C(99) * CORE_PAGE);
	core_finish(&core);
	target = core_open(&core, NULL);
	assert_true(core_lacks(target, "stacks", "2 of 3 threads"));
	mf_target_close(target);
	core_end(&core);
}

/* ---- which pages ------------------------------------------------------------ */

static void check_heap(struct mf_target *target, const char *expected)
{
	uint8_t flags[4], bytes[4 * CORE_PAGE];
	struct mf_error *error = mf_target_residency(target, heap, 4, flags);

	assert_null(error);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(flags[i],
				 expected[i] == 'P' ? MF_PAGE_PRESENT : 0);
	error = mf_target_read_pages(target, heap, 4, bytes, flags);
	assert_null(error);
	assert_memory_equal(bytes + CORE_PAGE, "heap", 5);
	assert_int_equal(bytes[0], 0);
	assert_int_equal(bytes[3 * CORE_PAGE], 0);
}

static void test_holes(void **state)
{
	struct mf_target *target;
	struct core core;

	(void)state;
	forge(&core, 1);
	core_finish(&core);
	target = core_open(&core, NULL);
	check_heap(target, ".P.P");
	assert_int_equal(at(target, heap)->usage.rss, 2 * CORE_PAGE);
	assert_true(at(target, heap)->usage.lacks & MF_FIGURE_PSS);
	assert_false(at(target, heap)->usage.lacks & MF_FIGURE_RSS);
	assert_true(core_lacks(target, "residency", "in swap"));
	mf_target_close(target);
	core_end(&core);
}

static void test_zeros(void **state)
{
	struct mf_target *target;
	struct core core;

	(void)state;
	forge(&core, 1);
	core.header.e_shnum = 3;
	core.header.e_shoff = sizeof(Elf64_Ehdr);
	core_finish(&core);
	target = core_open(&core, NULL);
	check_heap(target, ".P..");
	assert_string_equal(mf_target_info(target)->origin, "gdb");
	assert_true(core_lacks(target, "residency", "estimated"));
	mf_target_close(target);
	core_end(&core);
}

/* A copy that filled the holes says no more which pages there were. */
static void test_lost_holes(void **state)
{
	mf_auto_free uint8_t *bytes = NULL;
	struct mf_target *target;
	struct core core;

	(void)state;
	forge(&core, 1);
	core_finish(&core);
	bytes = mf_calloc(1, core.next);
	assert_int_equal(pread(core.fd, bytes, core.next, 0), core.next);
	core_put(&core, 0, bytes, core.next);
	target = core_open(&core, NULL);
	check_heap(target, ".P..");
	assert_true(core_lacks(target, "residency", "estimated"));
	mf_target_close(target);
	core_end(&core);
}

static void test_gdb_reserve(void **state)
{
	const uint64_t place = memory + UINT64_C(64) * CORE_PAGE;
	struct mf_target *target;
	struct core core;

	(void)state;
	forge(&core, 1);
	core_load(&core, place, 40, 40, READ);
	core_load(&core, place + 50 * CORE_PAGE, 2, 2, READ);
	core_fill(&core, 1, "text", 4);
	core.header.e_shnum = 3;
	core_finish(&core);
	target = core_open(&core, NULL);
	assert_int_equal(at(target, place)->perms, 0);
	assert_int_equal(at(target, place + 50 * CORE_PAGE)->perms,
			 MF_PERM_READ);
	mf_target_close(target);
	core_end(&core);
}

/* ---- files -------------------------------------------------------------------- */

/* A folder with the program in it, whose build-id is BUILD_ID. */
static void make_root(char *root, uint8_t build_id)
{
	uint8_t page[CORE_PAGE];
	char path[128];
	FILE *file;

	assert_non_null(mkdtemp(root));
	snprintf(path, sizeof(path), "%s/opt", root);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s%s", root, program_path);
	file = fopen(path, "w");
	assert_non_null(file);
	fill_object(page, build_id);
	fwrite(page, 1, sizeof(page), file);
	memset(page, 0, sizeof(page));
	snprintf((char *)page, sizeof(page), "code");
	fwrite(page, 1, sizeof(page), file);
	fwrite(page, 1, sizeof(page), file);
	fclose(file);
}

static void remove_root(const char *root)
{
	char path[128];

	snprintf(path, sizeof(path), "%s%s", root, program_path);
	unlink(path);
	snprintf(path, sizeof(path), "%s/opt", root);
	rmdir(path);
	rmdir(root);
}

static void test_file(void **state)
{
	char root[] = "/tmp/mf-core-XXXXXX";
	struct mf_error *error;
	struct mf_target *target;
	struct core core;
	int fd = -1;

	(void)state;
	make_root(root, 7);
	forge(&core, 1);
	core_finish(&core);
	target = core_open(&core, root);
	check_text(target, program + CORE_PAGE, "code");
	check_text(target, program + 2 * CORE_PAGE, "data");
	error = mf_target_open_file(target, at(target, program), &fd);
	assert_null(error);
	close(fd);
	assert_false(core_lacks(target, "files", ""));
	mf_target_close(target);
	core_end(&core);
	remove_root(root);
}

static void test_other_file(void **state)
{
	char root[] = "/tmp/mf-core-XXXXXX";
	struct mf_error *error;
	struct mf_target *target;
	struct core core;
	uint8_t byte;
	int fd = -1;

	(void)state;
	make_root(root, 8);
	forge(&core, 1);
	core_finish(&core);
	target = core_open(&core, root);
	assert_false(mf_target_try_read(target, program + CORE_PAGE, &byte, 1));
	error = mf_target_open_file(target, at(target, program), &fd);
	assert_non_null(error);
	mf_error_destroy(error);
	assert_true(core_lacks(target, "files", program_path));
	mf_target_close(target);
	core_end(&core);
	remove_root(root);
}

static void test_no_file(void **state)
{
	struct mf_target *target;
	struct core core;

	(void)state;
	forge(&core, 1);
	core_finish(&core);
	target = core_open(&core, "/nonexistent");
	assert_true(core_lacks(target, "files", "/opt/program is not there"));
	assert_false(core_lacks(target, "files", "no code"));
	mf_target_close(target);
	core_end(&core);
}

/* Without its first page nothing tells which file it was. */
static void test_unknown_file(void **state)
{
	char root[] = "/tmp/mf-core-XXXXXX";
	struct mf_target *target;
	struct core core;
	uint8_t byte;

	(void)state;
	make_root(root, 7);
	forge(&core, 0);
	core_finish(&core);
	target = core_open(&core, root);
	assert_false(mf_target_try_read(target, program + CORE_PAGE, &byte, 1));
	assert_true(core_lacks(target, "files", "1 mapped file that no code"));
	mf_target_close(target);
	core_end(&core);
	remove_root(root);
}

/* gdb writes no mapping of which the file has all: only its name is there. */
static void test_name_alone(void **state)
{
	const uint64_t place = memory + UINT64_C(64) * CORE_PAGE;
	const struct core_file files[] = {
		{ place, place + CORE_PAGE, 0, "/opt/library" },
		{ place + CORE_PAGE, place + 2 * CORE_PAGE, 1, "/opt/library" },
		{ place + 2 * CORE_PAGE, place + 3 * CORE_PAGE, 2,
		  "/opt/library" },
	};
	struct mf_target *target;
	uint8_t object[CORE_PAGE];
	struct core core;

	(void)state;
	core_begin(&core);
	core_add_files(&core, files, MF_ARRAY_SIZE(files));
	core_load(&core, place, 1, 1, READ);
	fill_object(object, 7);
	core_fill(&core, 0, object, sizeof(object));
	core_finish(&core);
	target = core_open(&core, NULL);
	assert_int_equal(at(target, place + CORE_PAGE)->perms,
			 MF_PERM_READ | MF_PERM_EXEC);
	assert_int_equal(at(target, place + 2 * CORE_PAGE)->perms,
			 MF_PERM_READ | MF_PERM_WRITE);
	mf_target_close(target);
	core_end(&core);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_process),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_title),
		cmocka_unit_test(test_lost_arguments),
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_lost_stacks),
		cmocka_unit_test(test_holes),
		cmocka_unit_test(test_zeros),
		cmocka_unit_test(test_lost_holes),
		cmocka_unit_test(test_gdb_reserve),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_other_file),
		cmocka_unit_test(test_no_file),
		cmocka_unit_test(test_unknown_file),
		cmocka_unit_test(test_name_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
