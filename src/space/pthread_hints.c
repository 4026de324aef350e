/*
 * What libc says of its thread descriptors: nptl/descr.h, struct pthread
 * (members list, tid, stackblock, stackblock_size, guardsize; glibc 2.4 to
 * 2.44), from debug information; the _thread_db_* descriptions {bits, count,
 * offset} that it exports for debuggers; the heads of its lists of stacks, in
 * ld.so's _rtld_global (2.34 on) or libpthread.
 */
#include <string.h>

#include "space/pthread.h"

enum {
	FURTHEST_MEMBER = 1 << 16, /* no member is further in */
};

static bool has_prefix(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static const struct mf_module *
find_module(struct mf_image *image, const char *const *prefixes, size_t count)
{
	size_t module_count;
	const struct mf_module *modules =
		mf_image_modules(image, &module_count);

	for (size_t i = 0; i < module_count; i++)
		for (size_t j = 0; j < count; j++)
			if (has_prefix(modules[i].name, prefixes[j]))
				return &modules[i];
	return NULL;
}

static const struct mf_module *find_main(struct mf_image *image)
{
	size_t count;
	const struct mf_module *modules = mf_image_modules(image, &count);

	for (size_t i = 0; i < count; i++)
		if (modules[i].main)
			return &modules[i];
	return NULL;
}

/* The module that holds the thread functions: libpthread until 2.33. */
static const struct mf_module *find_nptl(struct mf_image *image)
{
	static const char *const old_names[] = { "libpthread.so",
						 "libpthread-" };
	static const char *const names[] = { "libc.so.6", "libc-2" };
	const struct mf_module *module;

	module = find_module(image, old_names, MF_ARRAY_SIZE(old_names));
	/* From 2.34 on libpthread is an empty shell. */
	if (module &&
	    mf_image_find_symbol(image, module, "_thread_db_sizeof_pthread",
				 MF_SYMBOLS_FILE, &(uint64_t){ 0 },
				 &(uint64_t){ 0 }))
		return module;
	module = find_module(image, names, MF_ARRAY_SIZE(names));
	return module ? module : find_main(image);
}

/* The offset in a {bits, count, offset} description. */
static int64_t read_offset(struct mf_target *target, uint64_t address)
{
	uint32_t words[3];

	if (!address ||
	    !mf_target_try_read(target, address, words, sizeof(words)) ||
	    words[2] >= FURTHEST_MEMBER)
		return -1;
	return words[2];
}

void mf_pthread_add_head(struct mf_pthread_hints *hints, uint64_t address)
{
	for (size_t i = 0; i < hints->head_count; i++)
		if (hints->heads[i] == address)
			return;
	if (address && address % 8 == 0 && hints->head_count < MF_PTHREAD_HEADS)
		hints->heads[hints->head_count++] = address;
}

static void add_loader_heads(struct mf_target *target, struct mf_image *image,
			     const uint64_t descriptions[2],
			     struct mf_pthread_hints *hints)
{
	static const char *const names[] = { "ld-linux", "ld-2", "ld64.so",
					     "ld.so" };
	const struct mf_module *loader =
		find_module(image, names, MF_ARRAY_SIZE(names));
	uint64_t address, size;

	if (!loader ||
	    !mf_image_find_symbol(image, loader, "_rtld_global",
				  MF_SYMBOLS_EXPORTED, &address, &size))
		return;
	for (int i = 0; i < 2; i++) {
		int64_t offset = read_offset(target, descriptions[i]);

		if (offset >= 0)
			mf_pthread_add_head(hints, address + (uint64_t)offset);
	}
}

static void load_exported(struct mf_target *target, struct mf_image *image,
			  const struct mf_module *nptl,
			  struct mf_pthread_hints *hints)
{
	static const char *const names[] = {
		"_thread_db_rtld_global__dl_stack_used",
		"_thread_db_rtld_global__dl_stack_user",
		"_thread_db_sizeof_pthread",
		"_thread_db_pthread_list",
		"_thread_db_pthread_tid",
		/* libpthread to 2.33 */
		"stack_used",
		"stack_cache",
		"__stack_user",
		/* static executables from 2.34 */
		"_dl_stack_used",
		"_dl_stack_user",
		"_dl_stack_cache",
	};
	uint64_t found[MF_ARRAY_SIZE(names)];
	uint32_t size;

	mf_image_find_symbols(image, nptl, names, MF_ARRAY_SIZE(names),
			      MF_SYMBOLS_FILE, found);
	if (found[2] && mf_target_read_u32(target, found[2], &size) &&
	    size < FURTHEST_MEMBER)
		hints->layout.size = size;
	hints->layout.list = read_offset(target, found[3]);
	hints->layout.tid = read_offset(target, found[4]);
	add_loader_heads(target, image, found, hints);
	for (size_t i = 5; i < MF_ARRAY_SIZE(names); i++)
		mf_pthread_add_head(hints, found[i]);
}

/* What libc exports is of the very file; DWARF that differs is of another. */
static void load_debug(struct mf_image *image, const struct mf_module *nptl,
		       struct mf_pthread_layout *layout)
{
	static const char *const near[] = { "pthread_create", "start_thread",
					    "__pthread_create_2_1" };
	struct mf_member members[] = {
		{ .name = "list" },	  { .name = "tid" },
		{ .name = "stackblock" }, { .name = "stackblock_size" },
		{ .name = "guardsize" },
	};
	uint64_t size;
	bool found = false;

	for (size_t i = 0; !found && i < MF_ARRAY_SIZE(near); i++)
		found = mf_image_struct_layout(image, nptl, near[i], "pthread",
					       members, MF_ARRAY_SIZE(members),
					       &size);
	if (!found || (layout->size && layout->size != size) ||
	    (layout->tid >= 0 && layout->tid != members[1].offset))
		return;
	*layout = (struct mf_pthread_layout){
		.list = members[0].offset,
		.tid = members[1].offset,
		.block = members[2].offset,
		.block_size = members[3].offset,
		.guard = members[4].offset,
		.size = size,
	};
}

void mf_pthread_hints_load(struct mf_target *target, struct mf_image *image,
			   struct mf_pthread_hints *hints)
{
	const struct mf_module *nptl;

	*hints = (struct mf_pthread_hints){
		.layout = { -1, -1, -1, -1, -1, 0 },
	};
	if (!image || !mf_target_can(target, MF_CAN_READ))
		return;
	nptl = find_nptl(image);
	if (!nptl)
		return;
	load_exported(target, image, nptl, hints);
	load_debug(image, nptl, &hints->layout);
}
