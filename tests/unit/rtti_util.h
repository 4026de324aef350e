/*
 * A loaded library of C++ made by hand: code, read-only data, words that the
 * linker has relocated, and its symbols, as lists of a test's own. It has the
 * ring of type information that every C++ library brings along.
 */
#ifndef MF_TESTS_RTTI_UTIL_H
#define MF_TESTS_RTTI_UTIL_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "memforensics/image.h"

#include "base/memory.h"
#include "space_util.h"

#define WORLD_BASE  UINT64_C(0x7f1000000000)
#define WORLD_CODE  (WORLD_BASE + 0x1000)
#define WORLD_TEXTS (WORLD_BASE + 0x2000)
#define WORLD_WORDS (WORLD_BASE + 0x10000)
#define WORLD_END   (WORLD_BASE + 0x30000)

enum {
	WORLD_SIZE = 0x30000,
	WORLD_SYMBOLS = 32,
};

struct mf_image {
	struct mf_module module;
	struct mf_segment segments[4];
	struct {
		const char *name;
		uint64_t address, size;
	} symbols[WORLD_SYMBOLS];
	size_t symbol_count;
};

struct world {
	struct mf_target *target;
	struct mf_image image;
	uint8_t bytes[WORLD_SIZE];
	uint64_t texts, words; /* where the next go */
	/* vptrs of type_info objects: of a class without bases, with one, with
	 * several */
	uint64_t plain, single, multiple;
};

static inline void world_poke(struct world *world, uint64_t address,
			      uint64_t word)
{
	assert_true(address >= WORLD_BASE && address + 8 <= WORLD_END);
	memcpy(world->bytes + (address - WORLD_BASE), &word, sizeof(word));
}

static inline uint64_t world_text(struct world *world, const char *text)
{
	uint64_t address = world->texts;

	memcpy(world->bytes + (address - WORLD_BASE), text, strlen(text) + 1);
	world->texts += strlen(text) + 1;
	return address;
}

/** COUNT words, and one of ones behind them, which are part of nothing. */
static inline uint64_t world_words(struct world *world, const uint64_t *words,
				   size_t count)
{
	uint64_t address = world->words;

	for (size_t i = 0; i < count; i++)
		world_poke(world, address + i * 8, words[i]);
	world_poke(world, address + count * 8, UINT64_MAX);
	world->words += (count + 1) * 8;
	return address;
}

#define WORLD_WORDS_OF(world, ...)                              \
	world_words((world), (const uint64_t[]){ __VA_ARGS__ }, \
		    sizeof((const uint64_t[]){ __VA_ARGS__ }) / 8)

/** A vtable without what is before it; the address that a vptr has. */
static inline uint64_t world_vtable(struct world *world, int64_t top,
				    uint64_t info)
{
	return WORLD_WORDS_OF(world, (uint64_t)top, info, WORLD_CODE + 16,
			      WORLD_CODE + 32) +
	       16;
}

/** The type_info of a class without bases. */
static inline uint64_t world_class(struct world *world, const char *name)
{
	return WORLD_WORDS_OF(world, world->plain, world_text(world, name));
}

static inline uint64_t world_derived(struct world *world, const char *name,
				     uint64_t base)
{
	return WORLD_WORDS_OF(world, world->single, world_text(world, name),
			      base);
}

/* type_info, from which come those of classes, of one base and of several. */
static inline void world_make_ring(struct world *world)
{
	const char *const names[] = { "St9type_info",
				      "N10__cxxabiv117__class_type_infoE",
				      "N10__cxxabiv120__si_class_type_infoE",
				      "N10__cxxabiv121__vmi_class_type_infoE" };
	uint64_t infos[4], tables[4];

	for (size_t i = 0; i < 4; i++)
		infos[i] = WORLD_WORDS_OF(world, 0, world_text(world, names[i]),
					  0);
	for (size_t i = 0; i < 4; i++)
		tables[i] = world_vtable(world, 0, infos[i]);
	world->plain = tables[1];
	world->single = tables[2];
	world->multiple = tables[3];
	world_poke(world, infos[0], world->plain);
	for (size_t i = 1; i < 4; i++) {
		world_poke(world, infos[i], world->single);
		world_poke(world, infos[i] + 16, infos[i == 1 ? 0 : 1]);
	}
}

static inline void world_map(struct world *world, uint64_t start, uint64_t end,
			     unsigned perms)
{
	const struct mf_mapping mapping = {
		.start = start,
		.end = end,
		.offset = start - WORLD_BASE,
		.perms = perms,
		.inode = 7,
		.path = "/lib/libforged.so",
	};

	mf_target_forge_mapping(world->target, &mapping,
				world->bytes + (start - WORLD_BASE), NULL);
}

static inline struct world *world_create(void)
{
	struct world *world = mf_new(struct world);

	world->target = mf_target_create_forged();
	world_map(world, WORLD_CODE, WORLD_TEXTS, RX);
	world_map(world, WORLD_TEXTS, WORLD_WORDS, RO);
	world_map(world, WORLD_WORDS, WORLD_END, RO);
	world->image.segments[0] =
		(struct mf_segment){ WORLD_CODE, WORLD_TEXTS, MF_SEGMENT_TEXT };
	world->image.segments[1] =
		(struct mf_segment){ WORLD_TEXTS, WORLD_WORDS,
				     MF_SEGMENT_RODATA };
	world->image.segments[2] = (struct mf_segment){ WORLD_WORDS, WORLD_END,
							MF_SEGMENT_RODATA };
	world->image.module = (struct mf_module){
		.path = "/lib/libforged.so",
		.name = "libforged.so",
		.start = WORLD_BASE,
		.end = WORLD_END,
		.bias = WORLD_BASE,
		.segments = world->image.segments,
		.segment_count = 3,
	};
	world->texts = WORLD_TEXTS;
	world->words = WORLD_WORDS;
	world_make_ring(world);
	return world;
}

static inline void world_destroy(struct world *world)
{
	mf_target_close(world->target);
	free(world);
}

static inline void world_symbol(struct world *world, const char *name,
				uint64_t address, uint64_t size)
{
	size_t i = world->image.symbol_count++;

	assert_true(i < WORLD_SYMBOLS);
	world->image.symbols[i].name = name;
	world->image.symbols[i].address = address;
	world->image.symbols[i].size = size;
}

/* ---- the image that the rooms ask ------------------------------------------ */

const struct mf_module *mf_image_modules(const struct mf_image *image,
					 size_t *count)
{
	*count = image != NULL;
	return image ? &image->module : NULL;
}

const struct mf_module *mf_image_module_at(const struct mf_image *image,
					   uint64_t address)
{
	return image && address >= WORLD_BASE && address < WORLD_END
		       ? &image->module
		       : NULL;
}

void mf_image_each_symbol(struct mf_image *image,
			  const struct mf_module *module, const char *prefix,
			  enum mf_symbol_depth depth, mf_symbol_visitor visit,
			  void *data)
{
	(void)module;
	(void)depth;
	for (size_t i = 0; i < image->symbol_count; i++)
		if (strncmp(image->symbols[i].name, prefix, strlen(prefix)) ==
		    0)
			visit(image->symbols[i].name, image->symbols[i].address,
			      image->symbols[i].size, data);
}

bool mf_image_symbol_at(struct mf_image *image, uint64_t address,
			struct mf_symbol *ret)
{
	for (size_t i = 0; i < image->symbol_count; i++) {
		uint64_t start = image->symbols[i].address;

		if (address < start ||
		    address - start >= image->symbols[i].size)
			continue;
		*ret = (struct mf_symbol){
			.name = image->symbols[i].name,
			.raw_name = image->symbols[i].name,
			.module = &image->module,
			.address = start,
			.size = image->symbols[i].size,
			.offset = address - start,
		};
		return true;
	}
	return false;
}

/* ---- what it never has -------------------------------------------------------- */

struct mf_error *mf_image_create(struct mf_target *target,
				 const struct mf_image_options *options,
				 struct mf_image **ret)
{
	(void)target;
	(void)options;
	*ret = NULL;
	return NULL;
}

void mf_image_destroy(struct mf_image *image)
{
	(void)image;
}

bool mf_image_find_symbol(struct mf_image *image,
			  const struct mf_module *module, const char *name,
			  enum mf_symbol_depth depth, uint64_t *address,
			  uint64_t *size)
{
	(void)image;
	(void)module;
	(void)name;
	(void)depth;
	(void)address;
	(void)size;
	return false;
}

size_t mf_image_find_symbols(struct mf_image *image,
			     const struct mf_module *module,
			     const char *const *names, size_t count,
			     enum mf_symbol_depth depth, uint64_t *found)
{
	(void)image;
	(void)module;
	(void)names;
	(void)depth;
	memset(found, 0, count * sizeof(*found));
	return 0;
}

bool mf_image_line_at(struct mf_image *image, uint64_t address,
		      struct mf_line *ret)
{
	(void)image;
	(void)address;
	(void)ret;
	return false;
}

bool mf_image_has_section(struct mf_image *image,
			  const struct mf_module *module, const char *name)
{
	(void)image;
	(void)module;
	(void)name;
	return false;
}

bool mf_image_find_bytes(struct mf_image *image, const struct mf_module *module,
			 const void *pattern, size_t size, char *context,
			 size_t room)
{
	(void)image;
	(void)module;
	(void)pattern;
	(void)size;
	(void)context;
	(void)room;
	return false;
}

size_t mf_image_tls_slots(struct mf_image *image,
			  const struct mf_module *module, uint64_t **ret)
{
	(void)image;
	(void)module;
	*ret = NULL;
	return 0;
}

uint64_t mf_image_tls_size(struct mf_image *image,
			   const struct mf_module *module)
{
	(void)image;
	(void)module;
	return 0;
}

bool mf_image_struct_layout(struct mf_image *image,
			    const struct mf_module *module, const char *near,
			    const char *name, struct mf_member *members,
			    size_t count, uint64_t *size)
{
	(void)image;
	(void)module;
	(void)near;
	(void)name;
	(void)members;
	(void)count;
	(void)size;
	return false;
}

#endif
