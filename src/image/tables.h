/*
 * The symbol tables of an object, cheapest first, and what is at an address by
 * all of them.
 */
#ifndef MF_IMAGE_TABLES_H
#define MF_IMAGE_TABLES_H

#include "image/exports.h"
#include "image/image.h"

/**
 * Looks for NAMES in the tables that DEPTH allows; FOUND[i] becomes a symbol
 * or stays NULL. Returns how many were found.
 */
size_t mf_tables_find(struct mf_image *image, struct mf_object *object,
		      const char *const *names, size_t count,
		      enum mf_symbol_depth depth, const Elf64_Sym **found);

/** Shows the symbols of all tables that DEPTH allows, at link-time addresses. */
void mf_tables_visit(struct mf_image *image, struct mf_object *object,
		     const char *prefix, enum mf_symbol_depth depth,
		     mf_symbol_visitor visit, void *data);

/** The symbol that holds link-time address VADDR. */
struct mf_symbol_place {
	const char *name;
	uint64_t start, size; /* size 0: not known */
};

bool mf_tables_at(struct mf_image *image, struct mf_object *object,
		  uint64_t vaddr, struct mf_symbol_place *ret);

/**
 * Calls VISIT for each function of the source file that local symbol NAME
 * comes from (or, for a global NAME, for none) until it returns true.
 */
bool mf_tables_visit_siblings(struct mf_image *image, struct mf_object *object,
			      const char *name,
			      bool (*visit)(void *context, uint64_t vaddr),
			      void *context);

void mf_tables_destroy(struct mf_tables *tables);

#endif
