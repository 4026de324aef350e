/*
 * The tables in which HotSpot describes its own classes to debuggers.
 */
#ifndef MF_HEAP_HOTSPOT_STRUCTS_H
#define MF_HEAP_HOTSPOT_STRUCTS_H

#include "heap/recognise.h"

/** One field asked for; of those with one KEY the first found counts. */
struct mf_vm_name {
	unsigned key;
	const char *type, *field;
};

/** Where a field is: offset in its object, or address when it is static. */
struct mf_vm_field {
	bool found, is_static;
	uint64_t offset, address;
};

/**
 * Looks fields up in gHotSpotVMStructs of MODULE; the layout of the table is
 * read from the process too. FIELDS is indexed by key. False: no table.
 */
bool mf_vm_structs_read(struct mf_heap_context *context,
			struct mf_reader *reader,
			const struct mf_module *module,
			const struct mf_vm_name *names, size_t count,
			struct mf_vm_field *fields);

/** Bytes of TYPE by gHotSpotVMTypes, or 0. */
uint64_t mf_vm_type_size(struct mf_heap_context *context,
			 struct mf_reader *reader,
			 const struct mf_module *module, const char *type);

/** A C string of the process; false when there is none of at most SIZE - 1. */
bool mf_vm_text(struct mf_reader *reader, uint64_t address, char *text,
		size_t size);

#endif
