/*
 * Fuzzes the image room: one object, as a file that is mapped as its program
 * headers say, and as bytes in memory; all that can be asked of it is asked.
 */
#include <elf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memforensics/image.h"

#include "base/compiler.h"
#include "fuzz.h"
#include "target/target.h"

enum {
	PAGE = 4096,
	LOADS_MOST = 4,
	LINES_MOST = 0x400, /* bytes of code that are asked for */
};

static const uint64_t base = UINT64_C(0x7f0000000000);

static struct {
	const uint8_t *data;
	size_t size;
	uint8_t pages[64 * PAGE]; /* as much of it as is in memory */
} here;

static struct mf_error *open_file(struct mf_target *target,
				  const struct mf_mapping *mapping, int *ret)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	(void)target;
	(void)mapping;
	if (fd < 0 || write(fd, here.data, here.size) != (ssize_t)here.size)
		abort();
	*ret = fd;
	return NULL;
}

static void forge_mapping(struct mf_target *target, uint64_t start,
			  uint64_t offset, uint64_t size, unsigned perms)
{
	struct mf_mapping mapping = {
		.start = start,
		.end = start + size,
		.offset = offset,
		.inode = 7,
		.perms = perms,
		.path = "/lib/object.so",
	};
	size_t count;
	const struct mf_mapping *all = mf_target_mappings(target, &count);

	for (size_t i = 0; i < count; i++)
		if (mapping.start < all[i].end && mapping.end > all[i].start)
			return;
	if (offset % PAGE || offset + size > sizeof(here.pages))
		return;
	mf_target_forge_mapping(target, &mapping, here.pages + offset, NULL);
}

/* As ld.so would, where that can be. */
static void forge_loads(struct mf_target *target)
{
	Elf64_Ehdr header;
	Elf64_Phdr load;
	unsigned loads = 0;

	if (here.size < sizeof(header))
		return;
	memcpy(&header, here.data, sizeof(header));
	for (unsigned i = 0; i < header.e_phnum && loads < LOADS_MOST; i++) {
		uint64_t at = header.e_phoff + i * sizeof(load), end;

		if (at > here.size || here.size - at < sizeof(load))
			break;
		memcpy(&load, here.data + at, sizeof(load));
		if (load.p_type != PT_LOAD || load.p_vaddr >> 40 ||
		    load.p_memsz >> 20 || !load.p_memsz || load.p_offset >> 40)
			continue;
		end = (load.p_vaddr + load.p_memsz + PAGE - 1) & -PAGE;
		forge_mapping(
			target, base + (load.p_vaddr & -PAGE),
			load.p_offset & -PAGE, end - (load.p_vaddr & -PAGE),
			MF_PERM_READ |
				(load.p_flags & PF_W ? MF_PERM_WRITE : 0) |
				(load.p_flags & PF_X ? MF_PERM_EXEC : 0));
		loads++;
	}
}

static void ask_layout(struct mf_image *image, const struct mf_module *module)
{
	static const char *const structs[] = { "outer", "inner" };
	struct mf_member members[] = {
		{ .name = "first" },	 { .name = "named.deep" },
		{ .name = "next" },	 { .name = "array" },
		{ .name = "d" },	 { .name = "a" },
		{ .name = "nowhere.x" },
	};
	uint64_t size;

	for (size_t i = 0; i < MF_ARRAY_SIZE(structs); i++)
		mf_image_struct_layout(image, module, "outer_variable",
				       structs[i], members,
				       MF_ARRAY_SIZE(members), &size);
}

static void ask_symbols(struct mf_image *image, const struct mf_module *module)
{
	static const char *const names[] = { "shown", "hidden", "malloc",
					     "outer_variable", "imported" };
	uint64_t found[MF_ARRAY_SIZE(names)], size;
	struct mf_symbol symbol;

	for (int depth = MF_SYMBOLS_EXPORTED; depth <= MF_SYMBOLS_DEBUG;
	     depth++) {
		mf_image_find_symbols(image, module, names,
				      MF_ARRAY_SIZE(names),
				      (enum mf_symbol_depth)depth, found);
		mf_image_find_symbol(image, module, names[0],
				     (enum mf_symbol_depth)depth, &found[0],
				     &size);
		for (size_t i = 0; i < MF_ARRAY_SIZE(names); i++)
			if (found[i])
				mf_image_symbol_at(image, found[i], &symbol);
	}
	for (uint64_t at = module->start; at < module->start + 0x8000;
	     at += 0x135)
		if (mf_image_symbol_at(image, at, &symbol))
			FUZZ_EQUAL(symbol.address + symbol.offset, at);
}

/* The source of its code, a place every few bytes. */
static void ask_lines(struct mf_image *image, const struct mf_segment *segment)
{
	const uint64_t end =
		MF_MIN(segment->end, segment->start + (uint64_t)LINES_MOST);
	struct mf_inlined inlined[8];
	struct mf_line line;

	if (segment->kind != MF_SEGMENT_TEXT)
		return;
	for (uint64_t at = segment->start; at < end; at += 13) {
		mf_image_line_at(image, at, &line);
		FUZZ_AT_MOST(mf_image_inlined_at(image, at, inlined,
						 MF_ARRAY_SIZE(inlined)),
			     MF_ARRAY_SIZE(inlined));
	}
}

static void ask(struct mf_image *image, const struct mf_module *module)
{
	uint64_t *slots, last = 0;
	char context[64];

	for (size_t i = 0; i < module->segment_count; i++) {
		FUZZ_AT_MOST(last, module->segments[i].start);
		FUZZ_AT_MOST(module->segments[i].start + 1,
			     module->segments[i].end);
		last = module->segments[i].end;
		ask_lines(image, &module->segments[i]);
	}
	ask_symbols(image, module);
	ask_layout(image, module);
	mf_image_has_section(image, module, ".text");
	mf_image_find_bytes(image, module, "fuzz", 4, context, sizeof(context));
	mf_image_tls_slots(image, module, &slots);
	free(slots);
	mf_image_tls_size(image, module);
}

static void look_at(struct mf_target *target)
{
	const struct mf_image_options options = { .no_debuginfo = true };
	const struct mf_module *modules;
	struct mf_image *image;
	struct mf_error *error = mf_image_create(target, &options, &image);
	size_t count;

	if (error) {
		mf_error_destroy(error);
		return;
	}
	modules = mf_image_modules(image, &count);
	for (size_t i = 0; i < count; i++)
		ask(image, &modules[i]);
	mf_image_destroy(image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mf_target *target = mf_target_create_forged();
	struct mf_target_ops ops = *target->ops;
	struct mf_mapping vdso = {
		.start = base,
		.end = base + 16 * PAGE,
		.perms = MF_PERM_READ | MF_PERM_EXEC,
		.path = "[vdso]",
	};

	here.data = data;
	here.size = size;
	memset(here.pages, 0, sizeof(here.pages));
	memcpy(here.pages, data, MF_MIN(size, sizeof(here.pages)));
	ops.open_file = open_file;
	target->ops = &ops;
	forge_loads(target);
	look_at(target);
	mf_target_close(target);
	target = mf_target_create_forged();
	mf_target_forge_mapping(target, &vdso, here.pages, NULL);
	look_at(target);
	mf_target_close(target);
	return 0;
}
