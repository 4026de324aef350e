/*
 * What the search for vtables has in hand, between its parts.
 */
#ifndef MF_SCAN_VTABLES_FIND_H
#define MF_SCAN_VTABLES_FIND_H

#include "base/map.h"
#include "scan/rtti.h"
#include "scan/vtables.h"

struct mf_vtable_guess {
	uint64_t address;
	const struct mf_module *module;
};

struct mf_vtable_search {
	struct mf_vtables *vtables;
	struct mf_target *target;
	struct mf_image *image;
	struct mf_module_map map;
	struct mf_rtti rtti;
	size_t sorted;		/* so many of the points are */
	struct mf_map class_of; /* address of a type_info: its class */
	MF_VEC(struct mf_vtable_guess) guesses;
	MF_VEC(struct mf_vtable_point) guessed;
};

/** WORD is the offset from a vptr to the top of its object. */
bool mf_vtable_top(uint64_t word, int32_t *ret);

/** The class of type information number RTTI; made when it is new. */
uint32_t mf_vtable_search_class(struct mf_vtable_search *search, int64_t rtti,
				const struct mf_module *module);

/** Was one found in [START, END) before the points were sorted last? */
bool mf_vtable_known(const struct mf_vtable_search *search, uint64_t start,
		     uint64_t end);

/** Adds the vtables that symbols name and that were not found without. */
void mf_vtables_find_symbols(struct mf_vtable_search *search);

#endif
