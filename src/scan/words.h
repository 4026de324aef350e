/*
 * The words of loaded modules in which the linker has put addresses: tables of
 * functions, type information. Nobody writes to them once they are relocated,
 * so that they can be read before the target is held.
 */
#ifndef MF_SCAN_WORDS_H
#define MF_SCAN_WORDS_H

#include "memforensics/image.h"
#include "memforensics/target.h"

#include "base/vec.h"

/**
 * Words side by side. What begins in the last page of one is shown again, from
 * its beginning: so a thing may be as long as a page, and be seen whole.
 */
struct mf_word_run {
	const struct mf_module *module;
	uint64_t address;
	const uint64_t *words;
	size_t starts; /* something may begin at words[0] to [starts - 1] */
	size_t count;  /* words that can be looked at */
};

typedef void (*mf_word_visitor)(const struct mf_word_run *run, void *data);

/** In address order. */
struct mf_segments {
	MF_VEC(struct mf_segment) sorted;
};

/** What an address is by the modules' segments alone. */
struct mf_module_map {
	struct mf_segments code, data; /* data: all else of them */
};

void mf_module_map_init(struct mf_module_map *map,
			const struct mf_image *image);
void mf_module_map_deinit(struct mf_module_map *map);
bool mf_module_map_is_code(const struct mf_module_map *map, uint64_t address);
bool mf_module_map_is_data(const struct mf_module_map *map, uint64_t address);

/**
 * Shows the relocated words of all modules, a run of at most about 1 MiB at a
 * time: of what is read-only after relocation, of data that was not made so,
 * and of read-only data of a program of fixed place.
 */
struct mf_error *mf_module_words(struct mf_target *target,
				 const struct mf_image *image,
				 mf_word_visitor visit, void *data)
	MF_MUST_CHECK;

#endif
