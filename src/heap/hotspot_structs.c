/*
 * HotSpot exports arrays that name its fields, types and their places; the
 * offsets within an entry are exported as well, so that nothing about a JDK's
 * version is assumed.
 * Source: OpenJDK 8 to 25, src/hotspot/share/runtime/vmStructs.hpp.
 */
#include "heap/hotspot_structs.h"

enum {
	MOST_ENTRIES = 16384,
	MOST_STRIDE = 4096,
	NAME_ROOM = 96,
};

/* An array that ends with an entry without a name. */
struct table {
	uint64_t address, stride;
};

static bool open_table(struct mf_reader *reader, const uint64_t *pointers,
		       struct table *ret)
{
	return pointers[0] && pointers[1] &&
	       mf_reader_u64(reader, pointers[0], &ret->address) &&
	       mf_reader_u64(reader, pointers[1], &ret->stride) &&
	       ret->address && ret->stride && ret->stride <= MOST_STRIDE;
}

bool mf_vm_text(struct mf_reader *reader, uint64_t address, char *text,
		size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (!mf_reader_read(reader, address + i, &text[i], 1))
			return false;
		if (!text[i])
			return true;
	}
	return false;
}

/* The text that the pointer at ADDRESS points at. */
static bool text_at(struct mf_reader *reader, uint64_t address, char *text,
		    size_t size)
{
	uint64_t pointer;

	return mf_reader_u64(reader, address, &pointer) && pointer &&
	       mf_vm_text(reader, pointer, text, size);
}

/* ---- fields ---------------------------------------------------------------- */

static const char *const struct_symbols[] = {
	"gHotSpotVMStructs",
	"gHotSpotVMStructEntryArrayStride",
	"gHotSpotVMStructEntryTypeNameOffset",
	"gHotSpotVMStructEntryFieldNameOffset",
	"gHotSpotVMStructEntryIsStaticOffset",
	"gHotSpotVMStructEntryOffsetOffset",
	"gHotSpotVMStructEntryAddressOffset",
};

enum { /* of the above, after the table's own */
	AT_TYPE,
	AT_FIELD,
	AT_STATIC,
	AT_OFFSET,
	AT_ADDRESS,
	AT_COUNT,
};

static bool read_field(struct mf_reader *reader, uint64_t entry,
		       const uint64_t *at, struct mf_vm_field *ret)
{
	uint32_t is_static;

	if (!mf_reader_read(reader, entry + at[AT_STATIC], &is_static,
			    sizeof(is_static)) ||
	    !mf_reader_u64(reader, entry + at[AT_OFFSET], &ret->offset) ||
	    !mf_reader_u64(reader, entry + at[AT_ADDRESS], &ret->address))
		return false;
	ret->is_static = is_static != 0;
	ret->found = ret->is_static ? ret->address != 0 : ret->offset < 1 << 20;
	return true;
}

static void match_field(struct mf_reader *reader, uint64_t entry,
			const uint64_t *at, const struct mf_vm_name *name,
			struct mf_vm_field *fields)
{
	char text[NAME_ROOM];

	if (!fields[name->key].found &&
	    text_at(reader, entry + at[AT_FIELD], text, sizeof(text)) &&
	    !strcmp(text, name->field))
		read_field(reader, entry, at, &fields[name->key]);
}

bool mf_vm_structs_read(struct mf_heap_context *context,
			struct mf_reader *reader,
			const struct mf_module *module,
			const struct mf_vm_name *names, size_t count,
			struct mf_vm_field *fields)
{
	uint64_t symbols[MF_ARRAY_SIZE(struct_symbols)] = { 0 };
	uint64_t at[AT_COUNT];
	struct table table;

	mf_image_find_symbols(context->image, module, struct_symbols,
			      MF_ARRAY_SIZE(struct_symbols),
			      MF_SYMBOLS_EXPORTED, symbols);
	if (!open_table(reader, symbols, &table))
		return false;
	for (size_t i = 0; i < AT_COUNT; i++)
		if (!symbols[i + 2] ||
		    !mf_reader_u64(reader, symbols[i + 2], &at[i]) ||
		    at[i] >= table.stride)
			return false;
	for (unsigned i = 0; i < MOST_ENTRIES; i++) {
		uint64_t entry = table.address + i * table.stride;
		char type[NAME_ROOM];

		if (!text_at(reader, entry + at[AT_TYPE], type, sizeof(type)))
			break;
		for (size_t j = 0; j < count; j++)
			if (!strcmp(type, names[j].type))
				match_field(reader, entry, at, &names[j],
					    fields);
	}
	return true;
}

/* ---- types ------------------------------------------------------------------ */

static const char *const type_symbols[] = {
	"gHotSpotVMTypes",
	"gHotSpotVMTypeEntryArrayStride",
	"gHotSpotVMTypeEntryTypeNameOffset",
	"gHotSpotVMTypeEntrySizeOffset",
};

uint64_t mf_vm_type_size(struct mf_heap_context *context,
			 struct mf_reader *reader,
			 const struct mf_module *module, const char *type)
{
	uint64_t symbols[MF_ARRAY_SIZE(type_symbols)] = { 0 };
	uint64_t name_at, size_at, size;
	struct table table;

	mf_image_find_symbols(context->image, module, type_symbols,
			      MF_ARRAY_SIZE(type_symbols), MF_SYMBOLS_EXPORTED,
			      symbols);
	if (!open_table(reader, symbols, &table) || !symbols[2] ||
	    !symbols[3] || !mf_reader_u64(reader, symbols[2], &name_at) ||
	    !mf_reader_u64(reader, symbols[3], &size_at) ||
	    name_at >= table.stride || size_at >= table.stride)
		return 0;
	for (unsigned i = 0; i < MOST_ENTRIES; i++) {
		uint64_t entry = table.address + i * table.stride;
		char text[NAME_ROOM];

		if (!text_at(reader, entry + name_at, text, sizeof(text)))
			break;
		if (!strcmp(text, type))
			return mf_reader_u64(reader, entry + size_at, &size)
				       ? size
				       : 0;
	}
	return 0;
}
