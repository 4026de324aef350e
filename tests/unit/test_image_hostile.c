/*
 * ELF files that lie: good ones with bytes changed, cut short, or with tables
 * that run in circles. Fewer answers are right, a crash or a hang is not; the
 * same bytes always, so that a failure can be repeated.
 */
#include <sys/mman.h>

#include "image/debug.h"
#include "image/tables.h"
#include "image_util.h"

enum {
	ROUNDS = 400,
};

static const char library_source[] =
	"#include <stddef.h>\n"
	"struct inner { int a, b; }; struct state { struct inner i[4];\n"
	"  union { long l; void *p; }; struct state *next; };\n"
	"struct state main_state;\n"
	"__thread int counter __attribute__((tls_model(\"initial-exec\")));\n"
	"__attribute__((noinline)) static int local(int x) { return x + counter++; }\n"
	"int alpha(int x) { return local(x) * 7; }\n"
	"int beta(int x) { return alpha(x) + main_state.i[1].b; }\n";

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void build_library(const char *path, const char *style)
{
	mf_auto_free char *source = in_folder("hostile.c");

	write_file(source, library_source, sizeof(library_source) - 1);
	assert_int_equal(RUN("cc", "-g", "-O1", "-shared", "-fPIC", "-nostdlib",
			     "-Wl,--build-id", style, "-o", path, source),
			 0);
}

static bool ask_layout(struct mf_image *image, const struct mf_module *module)
{
	struct mf_member members[] = { { .name = "next" },
				       { .name = "i" },
				       { .name = "l" } };
	uint64_t size;
	bool by_code = mf_image_struct_layout(image, module, "alpha", "state",
					      members, 3, &size);
	bool by_data = mf_image_struct_layout(image, module, "main_state",
					      "state", members, 3, &size);

	return by_code && by_data && members[0].offset == 40;
}

/* Every question there is, of an image with this one object; true when all
 * answers are those of the good file. */
static bool ask_all(struct mf_target *target, struct mf_object *object)
{
	struct mf_object *objects[] = { object };
	struct mf_module module = { .path = "x",
				    .name = "x",
				    .start = 0x10000,
				    .end = 0x10000000,
				    .bias = 0x10000 };
	struct mf_image image = { .target = target,
				  .options = { .no_debuginfo = true },
				  .page_size = 4096,
				  .modules = &module,
				  .object_of = objects,
				  .module_count = 1 };
	const char *const names[] = { "alpha", "beta", "local", "absent" };
	uint64_t found[4], *slots;
	struct mf_symbol symbol;
	char context[32];
	bool good;

	good = mf_image_find_symbols(&image, &module, names, 4,
				     MF_SYMBOLS_DEBUG, found) == 3;
	for (uint64_t address = 0x10000; address < 0x16000; address += 0x123)
		mf_image_symbol_at(&image, address, &symbol);
	good &= mf_image_tls_slots(&image, &module, &slots) == 1;
	free(slots);
	good &= !mf_image_has_section(&image, &module, ".absent");
	good &= mf_image_find_bytes(&image, &module, "alpha", 5, context,
				    sizeof(context));
	good &= ask_layout(&image, &module);
	mf_map_deinit(&image.demangled);
	mf_vec_deinit(&image.texts);
	mf_pool_deinit(&image.pool);
	return good;
}

static bool try_bytes(struct mf_target *target, const void *bytes, size_t size)
{
	int fd = memfd_create("hostile", MFD_CLOEXEC);
	struct mf_object *object;
	bool good;

	assert_int_equal(write(fd, bytes, size), size);
	object = mf_object_open(fd, 4096);
	good = object && ask_all(target, object);
	mf_object_close(object);
	return good;
}

/* Headers and tables are where a changed byte does most. */
static void change(struct mf_buffer *bytes, uint64_t *seed)
{
	static const uint64_t values[] = { 0, 1, 0x7f, 0x80, 0xff };
	unsigned changes = 1 + next_random(seed) % 8;

	for (unsigned i = 0; i < changes; i++) {
		uint64_t random = next_random(seed);
		size_t room = random & 1 ? bytes->size
					 : MF_MIN(bytes->size, (size_t)4096);
		size_t at = (random >> 8) % room;

		bytes->text[at] = random & 2 ? (char)values[(random >> 3) % 5]
					     : (char)(random >> 56);
	}
}

static void try_changed(const char *style)
{
	struct mf_target *target = mf_target_create_forged();
	mf_auto_free char *path = in_folder("hostile.so");
	uint64_t seed = 0x9e3779b97f4a7c15;
	MF_AUTO_BUFFER(good);

	build_library(path, style);
	assert_null(mf_file_read(path, &good));
	assert_true(try_bytes(target, good.text, good.size));
	for (unsigned i = 0; i < ROUNDS; i++) {
		MF_AUTO_BUFFER(bad);
		size_t size = good.size;

		mf_buffer_add(&bad, good.text, good.size);
		change(&bad, &seed);
		if (i % 4 == 0)
			size = next_random(&seed) % size;
		try_bytes(target, bad.text, size);
	}
	mf_target_close(target);
}

static void test_gnu_hash(void **state)
{
	(void)state;
	try_changed("-Wl,--hash-style=gnu");
}

static void test_sysv_hash(void **state)
{
	(void)state;
	try_changed("-Wl,--hash-style=sysv");
}

/* The library with the table at dynamic tag TAG overwritten by word VALUE. */
static void try_table(const char *style, int64_t tag, uint32_t value)
{
	struct mf_target *target = mf_target_create_forged();
	mf_auto_free char *path = in_folder("hostile.so");
	MF_AUTO_BUFFER(bytes);
	Elf64_Shdr section;
	uint32_t *words;
	Elf *elf;
	const char *name = tag == DT_HASH ? ".hash" : ".gnu.hash";

	build_library(path, style);
	assert_null(mf_file_read(path, &bytes));
	elf_version(EV_CURRENT);
	elf = elf_memory(bytes.text, bytes.size);
	assert_non_null(mf_elf_section(elf, name, &section));
	words = (uint32_t *)(bytes.text + section.sh_offset);
	/* Behind the counts: chains that run in circles, or nowhere. */
	for (size_t i = tag == DT_HASH ? 2 : 4; i < section.sh_size / 4; i++)
		words[i] = value;
	elf_end(elf);
	try_bytes(target, bytes.text, bytes.size);
	mf_target_close(target);
}

static void test_circles(void **state)
{
	static const uint32_t values[] = { 0, 1, 2, 3, 0x7fffffff, UINT32_MAX };

	(void)state;
	for (size_t i = 0; i < MF_ARRAY_SIZE(values); i++) {
		try_table("-Wl,--hash-style=sysv", DT_HASH, values[i]);
		try_table("-Wl,--hash-style=gnu", DT_GNU_HASH, values[i]);
	}
}

static void test_no_elf(void **state)
{
	struct mf_target *target = mf_target_create_forged();
	static const char header[] = { 0x7f, 'E', 'L', 'F', 2, 1, 1 };
	char zeroes[4096] = { 0 };

	(void)state;
	assert_false(try_bytes(target, "", 0));
	assert_false(try_bytes(target, "\177ELF", 4));
	assert_false(try_bytes(target, zeroes, sizeof(zeroes)));
	memcpy(zeroes, header, sizeof(header));
	assert_false(try_bytes(target, zeroes, sizeof(zeroes)));
	mf_target_close(target);
}

/* A page of memory that poses as an object of a terabyte. */
static void test_larger_than_memory(void **state)
{
	struct mf_target *target = mf_target_create_forged();
	uint8_t page[4096] = { 0 };
	const struct mf_mapping mapping = { .start = 0x10000,
					    .end = 0x11000,
					    .perms = MF_PERM_READ,
					    .path = "" };
	const Elf64_Ehdr header = {
		.e_ident = { 0x7f, 'E', 'L', 'F', 2, 1, 1 },
		.e_type = ET_DYN,
#ifdef __aarch64__
		.e_machine = EM_AARCH64,
#else
		.e_machine = EM_X86_64,
#endif
		.e_phoff = sizeof(header),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 1,
	};
	const Elf64_Phdr load = { .p_type = PT_LOAD,
				  .p_flags = PF_R,
				  .p_filesz = UINT64_C(1) << 40,
				  .p_memsz = UINT64_C(1) << 40 };
	struct mf_object *object;

	(void)state;
	memcpy(page, &header, sizeof(header));
	memcpy(page + sizeof(header), &load, sizeof(load));
	mf_target_forge_mapping(target, &mapping, page, NULL);
	object = mf_object_open_memory(target, 0x10000);
	assert_non_null(object);
	assert_int_equal(mf_object_room(object, 0), 4096);
	assert_int_equal(mf_object_room(object, 4096), 0);
	mf_object_close(object);
	mf_target_close(target);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_elf),
		cmocka_unit_test(test_larger_than_memory),
		cmocka_unit_test(test_gnu_hash),
		cmocka_unit_test(test_sysv_hash),
		cmocka_unit_test(test_circles),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
