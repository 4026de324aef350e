/*
 * Symbols, by name and by address, compared with what the program found itself
 * (dlsym) and with nm; with the tables stripped, packed, or in another file.
 */
#include "image_util.h"

static const char *const exported[] = { "malloc",	  "fopen",  "realpath",
					"pthread_create", "stdout", "regexec",
					"environ" };

/* dlsym gives the default version; so must we, of names with several. */
static void test_exported(void **state)
{
	mf_auto_free char *path = build_victim("exported", NULL, NULL);
	struct victim victim = start_victim(path, NULL);
	const struct mf_module *libc;
	uint64_t found[MF_ARRAY_SIZE(exported)];

	(void)state;
	look_at(&victim, &(struct mf_image_options){ 0 });
	libc = module_named(victim.image, "libc.so");
	assert_non_null(libc);
	for (size_t i = 0; i < MF_ARRAY_SIZE(exported); i++) {
		uint64_t truth = said_symbol(&victim, exported[i]);

		if (mf_image_module_at(victim.image, truth) != libc)
			continue; /* copied into the program */
		assert_int_equal(address_of(&victim, libc, exported[i],
					    MF_SYMBOLS_EXPORTED),
				 truth);
	}
	assert_int_equal(mf_image_find_symbols(victim.image, libc, exported,
					       MF_ARRAY_SIZE(exported),
					       MF_SYMBOLS_EXPORTED, found),
			 MF_ARRAY_SIZE(exported));
	assert_int_equal(found[0], said_symbol(&victim, "malloc"));
	assert_int_equal(address_of(&victim, libc, "no such", MF_SYMBOLS_FILE),
			 0);
	assert_int_equal(address_of(&victim, libc, "", MF_SYMBOLS_FILE), 0);
	/* Only wanted, not defined. */
	assert_int_equal(address_of(&victim, main_module(victim.image), "dlsym",
				    MF_SYMBOLS_FILE),
			 0);
	end_victim(&victim);
}

static void expect_at(struct victim *victim, const char *name)
{
	uint64_t address = said_symbol(victim, name);
	struct mf_symbol symbol;

	assert_true(mf_image_symbol_at(victim->image, address, &symbol));
	assert_string_equal(symbol.name, name);
	assert_int_equal(symbol.address, address);
	assert_int_equal(symbol.offset, 0);
	assert_true(symbol.size > 4);
	assert_true(mf_image_symbol_at(victim->image, address + 3, &symbol));
	assert_string_equal(symbol.name, name);
	assert_int_equal(symbol.offset, 3);
	assert_true(mf_image_symbol_at(victim->image, address + symbol.size - 1,
				       &symbol));
	assert_string_equal(symbol.name, name);
	if (mf_image_symbol_at(victim->image, address + symbol.size, &symbol))
		assert_string_not_equal(symbol.name, name);
}

static void test_by_address(void **state)
{
	mf_auto_free char *path = build_victim("byaddress", NULL, NULL);
	struct victim victim = start_victim(path, NULL);
	struct mf_symbol symbol;

	(void)state;
	look_at(&victim, &(struct mf_image_options){ .no_debuginfo = true });
	expect_at(&victim, "hidden");
	expect_at(&victim, "shown");
	expect_at(&victim, "main");
	expect_at(&victim, "zeroes");
	expect_at(&victim, "outer_variable");
	expect_at(&victim, "hidden_variable");
	expect_at(&victim, "malloc");
	assert_false(mf_image_symbol_at(victim.image, 16, &symbol));
	end_victim(&victim);
}

/* "VALUE KIND NAME", one definition of the program's own. */
static char *parse_nm(char *line, uint64_t *value)
{
	char *kind;

	*value = strtoull(line, &kind, 16);
	line[strcspn(line, "\n")] = '\0';
	if (kind == line || strlen(kind) < 4 || !strchr("tTdDbBrR", kind[1]) ||
	    kind[3] == '_' || strchr(kind, '.'))
		return NULL;
	return kind + 3;
}

/* Every symbol of nm is found where nm has it. */
static void test_nm(void **state)
{
	mf_auto_free char *path = build_victim("nm", NULL, NULL);
	mf_auto_free char *command = mf_asprintf("nm %s", path);
	struct victim victim = start_victim(path, NULL);
	const struct mf_module *module;
	unsigned compared = 0;
	char line[512];
	FILE *nm;

	(void)state;
	look_at(&victim, &(struct mf_image_options){ 0 });
	module = main_module(victim.image);
	nm = popen(command, "re"); // NOLINT(cert-env33-c)
	assert_non_null(nm);
	while (fgets(line, sizeof(line), nm)) {
		uint64_t value;
		const char *name = parse_nm(line, &value);

		if (!name)
			continue;
		assert_int_equal(
			address_of(&victim, module, name, MF_SYMBOLS_FILE),
			module->bias + value);
		compared++;
	}
	assert_int_equal(pclose(nm), 0);
	assert_true(compared >= 7);
	end_victim(&victim);
}

static void test_stripped(void **state)
{
	mf_auto_free char *path = build_victim("stripped", "-rdynamic", NULL);
	struct victim victim;
	const struct mf_module *module;

	(void)state;
	assert_int_equal(RUN("strip", path), 0);
	victim = start_victim(path, NULL);
	look_at(&victim, &(struct mf_image_options){ 0 });
	module = main_module(victim.image);
	assert_int_equal(
		address_of(&victim, module, "hidden", MF_SYMBOLS_DEBUG), 0);
	assert_int_equal(
		address_of(&victim, module, "shown", MF_SYMBOLS_EXPORTED),
		said_symbol(&victim, "shown"));
	assert_true(mf_image_has_section(victim.image, module, ".text"));
	assert_false(mf_image_has_section(victim.image, module, ".symtab"));
	end_victim(&victim);
}

/* What Fedora does: the table of names, packed, inside the stripped file. */
static void test_packed(void **state)
{
	char *path, *mini, *packed, *add;
	struct victim victim;
	const struct mf_module *module;

	(void)state;
	if (RUN("xz", "--version") != 0) {
		print_message("no xz here\n");
		skip();
	}
	path = build_victim("packed", NULL, NULL);
	mini = in_folder("mini");
	packed = in_folder("mini.xz");
	add = mf_asprintf("--add-section=.gnu_debugdata=%s", packed);
	assert_int_equal(
		RUN("objcopy", "-S", "--keep-symbol=hidden", path, mini), 0);
	assert_int_equal(RUN("xz", mini), 0);
	assert_int_equal(RUN("strip", path), 0);
	assert_int_equal(RUN("objcopy", add, path), 0);
	victim = start_victim(path, NULL);
	look_at(&victim, &(struct mf_image_options){ .no_debuginfo = true });
	module = main_module(victim.image);
	assert_int_equal(
		address_of(&victim, module, "hidden", MF_SYMBOLS_EXPORTED), 0);
	assert_int_equal(address_of(&victim, module, "hidden", MF_SYMBOLS_FILE),
			 said_symbol(&victim, "hidden"));
	expect_at(&victim, "hidden");
	end_victim(&victim);
	free(path);
	free(mini);
	free(packed);
	free(add);
}

/* Puts the debug file of MODULE's build-id below the test's folder. */
static void install_debug(const struct mf_module *module, const char *from)
{
	MF_AUTO_BUFFER(path);

	mf_buffer_printf(&path, "%s/usr/lib/debug/.build-id/%02x", folder,
			 module->build_id[0]);
	assert_int_equal(RUN("mkdir", "-p", path.text), 0);
	mf_buffer_putc(&path, '/');
	for (size_t i = 1; i < module->build_id_size; i++)
		mf_buffer_printf(&path, "%02x", module->build_id[i]);
	mf_buffer_puts(&path, ".debug");
	assert_int_equal(RUN("objcopy", "--only-keep-debug", from, path.text),
			 0);
}

static void expect_separate(struct victim *victim,
			    const struct mf_image_options *options, bool found)
{
	struct mf_member member = { .name = "next" };
	const struct mf_module *module;
	uint64_t size;

	mf_image_destroy(victim->image);
	assert_null(mf_image_create(victim->target, options, &victim->image));
	module = main_module(victim->image);
	assert_int_equal(address_of(victim, module, "hidden", MF_SYMBOLS_FILE),
			 0);
	assert_int_equal(address_of(victim, module, "hidden", MF_SYMBOLS_DEBUG),
			 found ? said_symbol(victim, "hidden") : 0);
	assert_int_equal(mf_image_struct_layout(victim->image, module, "shown",
						"outer", &member, 1, &size),
			 found);
}

static void test_separate(void **state)
{
	mf_auto_free char *path = build_victim("separate", "-rdynamic", NULL);
	mf_auto_free char *other = build_victim("other", "-DOTHER", "-O0");
	mf_auto_free char *full = in_folder("full");
	struct mf_image_options options = { .symfs = folder };
	struct victim victim;

	(void)state;
	assert_int_equal(RUN("cp", path, full), 0);
	assert_int_equal(RUN("strip", path), 0);
	victim = start_victim(path, NULL);
	look_at(&victim, &options);
	expect_separate(&victim, &options, false);
	/* A file of another program under the right name is not believed. */
	install_debug(main_module(victim.image), other);
	expect_separate(&victim, &options, false);
	install_debug(main_module(victim.image), full);
	expect_separate(&victim, &options, true);
	options.no_debuginfo = true;
	expect_separate(&victim, &options, false);
	end_victim(&victim);
}

/* A "server" that is a folder; asked only with the option. */
static void test_debuginfod(void **state)
{
	char *path, *served, *url, *cache;
	struct mf_image_options options = { .debuginfod = false };
	const struct mf_module *module;
	struct victim victim;

	(void)state;
	if (RUN("sh", "-c", "ldconfig -p | grep -q libdebuginfod.so.1") != 0) {
		print_message("no libdebuginfod here\n");
		skip();
	}
	path = build_victim("served", "-rdynamic", "-DSERVED");
	victim = start_victim(path, NULL);
	look_at(&victim, &options);
	module = main_module(victim.image);
	served = mf_asprintf("%s/server/buildid/", folder);
	for (size_t i = 0; i < module->build_id_size; i++) {
		char *longer =
			mf_asprintf("%s%02x", served, module->build_id[i]);

		free(served);
		served = longer;
	}
	assert_int_equal(RUN("mkdir", "-p", served), 0);
	cache = mf_asprintf("%s/debuginfo", served);
	assert_int_equal(RUN("cp", path, cache), 0);
	free(cache);
	end_victim(&victim);
	assert_int_equal(RUN("strip", path), 0);

	url = mf_asprintf("file://%s/server", folder);
	cache = in_folder("cache");
	assert_int_equal(setenv("DEBUGINFOD_CACHE_PATH", cache, 1), 0);
	assert_int_equal(setenv("DEBUGINFOD_URLS", url, 1), 0);
	victim = start_victim(path, NULL);
	look_at(&victim, &options);
	expect_separate(&victim, &options, false);
	assert_int_not_equal(access(cache, F_OK), 0);
	options.debuginfod = true;
	assert_int_equal(setenv("DEBUGINFOD_URLS", url, 1), 0);
	expect_separate(&victim, &options, true);
	end_victim(&victim);
	free(path);
	free(served);
	free(url);
	free(cache);
}

/* Hand-written code has no sizes: it reaches to the next symbol or the end of
 * its section, never past a symbol that has one. */
static void test_without_size(void **state)
{
	static const char text[] = ".text\n.globl main, sized, bare, second\n"
				   ".type sized, @function\n"
				   "sized: .skip 16, 0x90\n.size sized, 8\n"
				   "inside_none: .skip 16, 0x90\n"
				   "second: .skip 16, 0x90\n"
				   ".section .lone, \"ax\"\n"
				   "bare: .skip 16, 0x90\n";
	mf_auto_free char *source = in_folder("bare.S");
	mf_auto_free char *main_source = in_folder("victim.c");
	mf_auto_free char *path = in_folder("bare");
	struct victim victim;
	const struct mf_module *module;
	struct mf_symbol symbol;
	uint64_t sized, bare;

	(void)state;
	write_file(source, text, sizeof(text) - 1);
	assert_int_equal(RUN("cc", "-o", path, main_source, source), 0);
	victim = start_victim(path, NULL);
	look_at(&victim, &(struct mf_image_options){ 0 });
	module = main_module(victim.image);
	sized = address_of(&victim, module, "sized", MF_SYMBOLS_FILE);
	bare = address_of(&victim, module, "bare", MF_SYMBOLS_FILE);
	assert_true(sized && bare);
	assert_true(mf_image_symbol_at(victim.image, sized + 7, &symbol));
	assert_string_equal(symbol.name, "sized");
	assert_false(mf_image_symbol_at(victim.image, sized + 8, &symbol));
	assert_true(mf_image_symbol_at(victim.image, sized + 31, &symbol));
	assert_string_equal(symbol.name, "inside_none");
	assert_int_equal(symbol.size, 0);
	assert_true(mf_image_symbol_at(victim.image, sized + 32, &symbol));
	assert_string_equal(symbol.name, "second");
	assert_true(mf_image_symbol_at(victim.image, bare + 15, &symbol));
	assert_string_equal(symbol.name, "bare");
	assert_int_equal(symbol.offset, 15);
	if (mf_image_symbol_at(victim.image, bare + 16, &symbol))
		assert_string_not_equal(symbol.name, "bare");
	end_victim(&victim);
}

/* Each thread variable of libc's own has a slot; errno's is known to it. */
static void test_tls_slots(void **state)
{
	mf_auto_free char *path = build_victim("tls", NULL, NULL);
	struct victim victim = start_victim(path, NULL);
	const struct mf_module *libc;
	uint64_t *slots, offset;
	size_t count;

	(void)state;
	look_at(&victim, &(struct mf_image_options){ 0 });
	libc = module_named(victim.image, "libc.so");
	count = mf_image_tls_slots(victim.image, libc, &slots);
	assert_true(count >= 8 && count <= 64);
	for (size_t i = 0; i < count; i++) {
		assert_true(slots[i] >= libc->start && slots[i] < libc->end);
		assert_true(
			mf_target_read_u64(victim.target, slots[i], &offset));
#if defined(__x86_64__)
		/* Thread variables lie below the thread pointer. */
		assert_true((int64_t)offset < 0 && (int64_t)offset > -65536);
#endif
	}
	free(slots);
	end_victim(&victim);
}

struct seen {
	uint64_t hidden_variable, hidden;
	size_t count;
};

static void see(const char *name, uint64_t address, uint64_t size, void *data)
{
	struct seen *seen = data;

	assert_int_equal(strncmp(name, "hidden", 6), 0);
	if (strcmp(name, "hidden_variable") == 0) {
		seen->hidden_variable = address;
		assert_true(size >= 64);
	}
	if (strcmp(name, "hidden") == 0)
		seen->hidden = address;
	seen->count++;
}

static void test_by_prefix(void **state)
{
	mf_auto_free char *path = build_victim("prefix", NULL, NULL);
	struct victim victim = start_victim(path, NULL);
	struct seen seen = { 0 };

	(void)state;
	look_at(&victim, &(struct mf_image_options){ .no_debuginfo = true });
	mf_image_each_symbol(victim.image, main_module(victim.image), "hidden",
			     MF_SYMBOLS_FILE, see, &seen);
	assert_int_equal(seen.count, 2);
	assert_int_equal(seen.hidden, said_symbol(&victim, "hidden"));
	assert_int_equal(seen.hidden_variable,
			 said_symbol(&victim, "hidden_variable"));
	/* local ones are not exported */
	mf_image_each_symbol(victim.image, main_module(victim.image), "hidden",
			     MF_SYMBOLS_EXPORTED, see, &seen);
	assert_int_equal(seen.count, 2);
	end_victim(&victim);
}

static void test_bytes(void **state)
{
	mf_auto_free char *path = build_victim("bytes", NULL, NULL);
	struct victim victim = start_victim(path, NULL);
	const struct mf_module *libc;
	char context[8];

	(void)state;
	look_at(&victim, &(struct mf_image_options){ 0 });
	libc = module_named(victim.image, "libc.so");
	assert_true(mf_image_find_bytes(victim.image, libc,
					"stable release version 2.", 25,
					context, sizeof(context)));
	assert_memory_equal(context, "stable r", 8);
	assert_true(mf_image_find_bytes(victim.image, main_module(victim.image),
					"ready %d", 8, NULL, 0));
	assert_false(mf_image_find_bytes(victim.image, libc,
					 "no such words in it", 19, NULL, 0));
	assert_false(mf_image_find_bytes(victim.image, libc, "", 0, NULL, 0));
	end_victim(&victim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exported),
		cmocka_unit_test(test_by_address),
		cmocka_unit_test(test_nm),
		cmocka_unit_test(test_stripped),
		cmocka_unit_test(test_packed),
		cmocka_unit_test(test_separate),
		cmocka_unit_test(test_debuginfod),
		cmocka_unit_test(test_without_size),
		cmocka_unit_test(test_tls_slots),
		cmocka_unit_test(test_by_prefix),
		cmocka_unit_test(test_bytes),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
