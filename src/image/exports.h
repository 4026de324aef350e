/*
 * What an object exports and imports, by its dynamic segment alone: that is
 * there in every file and in memory, whatever was stripped.
 */
#ifndef MF_IMAGE_EXPORTS_H
#define MF_IMAGE_EXPORTS_H

#include "image/object.h"

/** A table of symbols; NAMES ends in a NUL. */
struct mf_symbol_table {
	const Elf64_Sym *symbols;
	size_t count;
	const char *names;
	size_t names_size;
};

/** Has an address of its own in the object: defined, no TLS, no section. */
bool mf_symbol_has_address(const Elf64_Sym *symbol);

/** NUL-terminated; NULL when the table has no such name. */
static inline const char *mf_symbol_name(const struct mf_symbol_table *table,
					 const Elf64_Sym *symbol)
{
	return symbol->st_name < table->names_size
		       ? table->names + symbol->st_name
		       : NULL;
}

/**
 * The exported symbol NAME by hash, its default version first (another only
 * when there is no default, as dlsym). NULL: none.
 */
const Elf64_Sym *mf_exports_find(struct mf_object *object, const char *name);

/** The whole table; empty when there is none. */
struct mf_symbol_table mf_exports_table(struct mf_object *object);

/** Link-time addresses of the slots of TLS offsets; *ret: array to free(). */
size_t mf_exports_tls_slots(struct mf_object *object, uint64_t **ret);

/** Is linked as a position-independent executable, or as one of fixed place. */
bool mf_exports_is_executable(struct mf_object *object);

void mf_exports_destroy(struct mf_exports *exports);

#endif
