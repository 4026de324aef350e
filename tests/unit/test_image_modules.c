/*
 * Modules of living programs, compared with what the program's own loader says
 * of itself: dynamic, static, loaded twice, deleted, merely mapped.
 */
#include <elf.h>

#include "image_util.h"

static void expect_segment(const struct mf_module *module, uint64_t start,
			   uint64_t size, unsigned flags)
{
	/* The first page is of the header's kind; writable ones may begin
	 * with what is read-only after relocation. */
	for (size_t i = 0; i < module->segment_count; i++) {
		const struct mf_segment *segment = &module->segments[i];

		if (start < segment->start || start >= segment->end)
			continue;
		if (flags & 1)
			assert_int_equal(segment->kind, MF_SEGMENT_TEXT);
		else if (!(flags & 2))
			assert_int_equal(segment->kind, MF_SEGMENT_RODATA);
		else
			assert_int_not_equal(segment->kind, MF_SEGMENT_TEXT);
		assert_true(start + size <= module->end);
		return;
	}
	fail_msg("no segment of %s at %llx", module->name,
		 (unsigned long long)start);
}

static void expect_order(const struct mf_module *module)
{
	uint64_t last = module->start;

	for (size_t i = 0; i < module->segment_count; i++) {
		assert_true(module->segments[i].start >= last);
		assert_true(module->segments[i].end >
			    module->segments[i].start);
		last = module->segments[i].end;
	}
	assert_int_equal(last, module->end);
}

/* All that the loader said, line by line; returns how many loads it named. */
static size_t compare_loads(struct victim *victim)
{
	mf_auto_free char *text = mf_strdup(mf_buffer_text(&victim->said));
	const struct mf_module *module = NULL;
	char *rest, *line = strtok_r(text, "\n", &rest);
	size_t loads = 0;

	for (; line; line = strtok_r(NULL, "\n", &rest)) {
		char *word = line + strcspn(line, " ");

		if (strncmp(line, "load ", 5) == 0) {
			loads++;
			module = NULL;
		} else if (strncmp(line, "seg ", 4) == 0) {
			uint64_t start = strtoull(word, &word, 16);
			uint64_t size = strtoull(word, &word, 16);

			if (!module)
				module = mf_image_module_at(victim->image,
							    start);
			assert_non_null(module);
			assert_ptr_equal(
				mf_image_module_at(victim->image, start),
				module);
			if (module->path[0] != '[')
				expect_segment(
					module, start, size,
					(unsigned)strtoul(word, NULL, 16));
			expect_order(module);
		}
	}
	return loads;
}

static void test_dynamic(void **state)
{
	mf_auto_free char *path = build_victim("dynamic", NULL, NULL);
	struct victim victim = start_victim(path, NULL);
	const struct mf_module *module;
	size_t count;

	(void)state;
	look_at(&victim, &(struct mf_image_options){ 0 });
	mf_image_modules(victim.image, &count);
	assert_int_equal(compare_loads(&victim), count);
	module = main_module(victim.image);
	assert_non_null(module);
	assert_string_equal(module->path, path);
	assert_string_equal(module->name, "dynamic");
	assert_int_equal(module->build_id_size, 20);
	assert_false(module->deleted);
	assert_false(module->from_memory);
	assert_ptr_equal(
		mf_image_module_at(victim.image, said_symbol(&victim, "main")),
		module);
	assert_ptr_equal(mf_image_module_at(victim.image,
					    said_symbol(&victim, "malloc")),
			 module_named(victim.image, "libc.so"));
	assert_null(mf_image_module_at(victim.image, 0));
	assert_null(mf_image_module_at(victim.image, UINT64_MAX));
	module = module_named(victim.image, "[vdso]");
	assert_true(!module || module->from_memory);
	end_victim(&victim);
}

static void expect_bss(const struct mf_module *module, uint64_t address)
{
	for (size_t i = 0; i < module->segment_count; i++)
		if (address >= module->segments[i].start &&
		    address < module->segments[i].end) {
			assert_int_equal(module->segments[i].kind,
					 MF_SEGMENT_BSS);
			return;
		}
	fail_msg("no segment at %llx", (unsigned long long)address);
}

static void compare_static(const char *flag)
{
	mf_auto_free char *path = build_victim("static", flag, "-DSTATIC");
	struct victim victim;
	const struct mf_module *module;

	if (!path) {
		print_message("cc makes no such programs here\n");
		skip();
	}
	victim = start_victim(path, NULL);
	look_at(&victim, &(struct mf_image_options){ 0 });
	compare_loads(&victim);
	module = main_module(victim.image);
	assert_non_null(module);
	assert_ptr_equal(
		mf_image_module_at(victim.image, said_symbol(&victim, "main")),
		module);
	expect_bss(module, said_symbol(&victim, "zeroes") + (1 << 19));
	assert_int_equal(address_of(&victim, module, "hidden", MF_SYMBOLS_FILE),
			 said_symbol(&victim, "hidden"));
	assert_int_equal(address_of(&victim, module, "malloc", MF_SYMBOLS_FILE),
			 said_symbol(&victim, "malloc"));
	end_victim(&victim);
}

static void test_static(void **state)
{
	(void)state;
	compare_static("-static");
}

static void test_static_pie(void **state)
{
	(void)state;
	compare_static("-static-pie");
}

/* Mapped whole and loaded once more: one load each, one mere mapping. */
static void test_loaded_twice(void **state)
{
	mf_auto_free char *path = build_victim("twice", NULL, NULL);
	struct victim victim = start_victim(path, NULL);
	mf_auto_free char *libc = NULL;
	const struct mf_module *modules;
	size_t count, copies = 0;
	uint64_t bias, offset;

	(void)state;
	look_at(&victim, &(struct mf_image_options){ 0 });
	modules = module_named(victim.image, "libc.so");
	libc = mf_strdup(modules->path);
	offset = said_symbol(&victim, "malloc") - modules->bias;
	end_victim(&victim);
	victim = start_victim(path, libc);
	look_at(&victim, &(struct mf_image_options){ 0 });
	bias = said(&victim, "again");
	assert_true(bias && said(&victim, "whole"));
	modules = mf_image_modules(victim.image, &count);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(modules[i].path, libc) != 0)
			continue;
		copies++;
		if (modules[i].bias == bias)
			bias = 0;
		assert_int_equal(address_of(&victim, &modules[i], "malloc",
					    MF_SYMBOLS_EXPORTED) -
					 modules[i].bias,
				 offset);
	}
	assert_int_equal(copies, 2);
	assert_int_equal(bias, 0);
	assert_null(mf_image_module_at(victim.image, said(&victim, "whole")));
	end_victim(&victim);
}

static void test_deleted(void **state)
{
	mf_auto_free char *path = build_victim("deleted", NULL, NULL);
	struct victim victim = start_victim(path, NULL);
	const struct mf_module *module;

	(void)state;
	/* In its place another program of the same name. */
	assert_int_equal(unlink(path), 0);
	write_file(path, victim_source, sizeof(victim_source));
	look_at(&victim, &(struct mf_image_options){ 0 });
	module = main_module(victim.image);
	assert_non_null(module);
	assert_true(module->deleted);
	assert_string_equal(module->path, path);
	assert_int_equal(address_of(&victim, module, "hidden", MF_SYMBOLS_FILE),
			 said_symbol(&victim, "hidden"));
	end_victim(&victim);
}

/* A listing or another's process: paths and permissions are all there is. */
static void test_by_shape(void **state)
{
	struct mf_target *target = mf_target_create_forged();
	const struct mf_mapping mappings[] = {
		{ 0x1000, 0x3000, 0, 7, 8, 1, MF_PERM_READ, .path = "/l.so" },
		{ 0x3000, 0x5000, 0x2000, 7, 8, 1, MF_PERM_READ | MF_PERM_EXEC,
		  .path = "/l.so" },
		{ 0x5000, 0x6000, 0x4000, 7, 8, 1, 0, .path = "/l.so" },
		{ 0x6000, 0x7000, 0x5000, 7, 8, 1, MF_PERM_READ | MF_PERM_WRITE,
		  .path = "/l.so" },
		{ 0x7000, 0x9000, 0, 0, 0, 0, MF_PERM_READ | MF_PERM_WRITE,
		  .path = "" },
		{ 0xa000, 0xc000, 0, 9, 8, 1, MF_PERM_READ, .path = "/data" },
		{ 0xd000, 0xf000, 0, 7, 8, 1, MF_PERM_READ | MF_PERM_EXEC,
		  .path = "/l.so" },
	};
	struct mf_image *image;
	const struct mf_module *modules;
	struct mf_symbol symbol;
	uint64_t *slots;
	size_t count;

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(mappings); i++)
		mf_target_forge_mapping(target, &mappings[i], NULL, NULL);
	assert_null(mf_image_create(target, &(struct mf_image_options){ 0 },
				    &image));
	modules = mf_image_modules(image, &count);
	assert_int_equal(count, 2);
	assert_int_equal(modules[0].start, 0x1000);
	assert_int_equal(modules[0].end, 0x9000);
	assert_int_equal(modules[0].segment_count, 4);
	assert_int_equal(modules[0].segments[1].kind, MF_SEGMENT_TEXT);
	assert_int_equal(modules[0].segments[3].kind, MF_SEGMENT_BSS);
	assert_int_equal(modules[0].segments[3].start, 0x7000);
	assert_int_equal(modules[1].start, 0xd000);
	assert_false(mf_image_symbol_at(image, 0x3000, &symbol));
	assert_false(mf_image_has_section(image, modules, ".text"));
	assert_int_equal(mf_image_tls_slots(image, modules, &slots), 0);
	assert_null(slots);
	mf_image_destroy(image);
	mf_target_close(target);
}

/* Maps the file's segments into a forged target, as a loader does. */
static uint8_t *forge_load(struct mf_target *target, const char *path,
			   uint64_t base)
{
	MF_AUTO_BUFFER(file);
	uint8_t *memory = mf_calloc(1, 1 << 20);
	const Elf64_Ehdr *header;
	const Elf64_Phdr *program;

	assert_null(mf_file_read(path, &file));
	header = (const Elf64_Ehdr *)file.text;
	program = (const Elf64_Phdr *)(file.text + header->e_phoff);
	for (; program->p_type != PT_LOAD; program++)
		;
	for (; program->p_type == PT_LOAD; program++) {
		uint64_t start = program->p_vaddr & ~UINT64_C(4095);
		uint64_t end = (program->p_vaddr + program->p_filesz + 4095) &
			       ~UINT64_C(4095);
		struct mf_mapping mapping = {
			.start = base + start,
			.end = base + end,
			.offset = program->p_offset & ~UINT64_C(4095),
			.inode = 1,
			.path = "/gone/library.so",
			.perms = MF_PERM_READ,
		};

		if (program->p_flags & PF_X)
			mapping.perms |= MF_PERM_EXEC;
		if (program->p_flags & PF_W)
			mapping.perms |= MF_PERM_WRITE;
		memcpy(memory + program->p_vaddr, file.text + program->p_offset,
		       program->p_filesz);
		mf_target_forge_mapping(target, &mapping, memory + start, NULL);
	}
	return memory;
}

/* A library whose file is out of reach is read where it lies. */
static void test_from_memory(void **state)
{
	mf_auto_free char *source = in_folder("library.c");
	mf_auto_free char *path = in_folder("library.so");
	static const char text[] = "int beta(int x) { return x * 7; }\n"
				   "int alpha(int x) { return beta(x) + 1; }\n"
				   "const char words[] = \"some words\";\n";
	struct mf_target *target = mf_target_create_forged();
	uint8_t *memory;
	struct mf_image *image;
	const struct mf_module *module;
	uint64_t alpha, size;
	struct mf_symbol symbol;
	char context[16];

	(void)state;
	write_file(source, text, sizeof(text) - 1);
	assert_int_equal(RUN("cc", "-shared", "-fPIC", "-nostdlib",
			     "-Wl,--build-id", "-o", path, source),
			 0);
	memory = forge_load(target, path, 0x7000000);
	assert_null(mf_image_create(target, &(struct mf_image_options){ 0 },
				    &image));
	module = module_named(image, "library");
	assert_non_null(module);
	assert_true(module->from_memory);
	assert_int_equal(module->build_id_size, 20);
	assert_true(mf_image_find_symbol(image, module, "alpha",
					 MF_SYMBOLS_DEBUG, &alpha, &size));
	assert_true(mf_image_symbol_at(image, alpha + 1, &symbol));
	assert_string_equal(symbol.name, "alpha");
	assert_int_equal(symbol.size, size);
	assert_true(mf_image_find_bytes(image, module, "some wo", 7, context,
					sizeof(context)));
	assert_memory_equal(context, "some words", 11);
	mf_image_destroy(image);
	mf_target_close(target);
	free(memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dynamic),
		cmocka_unit_test(test_static),
		cmocka_unit_test(test_static_pie),
		cmocka_unit_test(test_loaded_twice),
		cmocka_unit_test(test_deleted),
		cmocka_unit_test(test_by_shape),
		cmocka_unit_test(test_from_memory),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
