/*
 * Which entry of a module's unwind tables holds an address: by the sorted table
 * of .eh_frame_hdr where there is a usable one, else by a list of .eh_frame;
 * then by a list of .debug_frame, which is all that some compilers write.
 */
#include "stack/cfi.h"

#include <string.h>

#include "base/map.h"
#include "base/pool.h"
#include "base/search.h"
#include "base/vec.h"
#include "stack/arch.h"
#include "stack/cfi_entry.h"

enum {
	HEADER_MAX = 1 << 26, /* bytes of .eh_frame_hdr */
	HEADER_VERSION = 1,
	DATA_S32 = 0x3b, /* DW_EH_PE_datarel | DW_EH_PE_sdata4 */
	OMITTED = 0xff,
	ENTRIES_MAX = 1 << 22, /* of a list */
};

/** An entry of a list. */
struct listed {
	uint64_t start, end; /* as written */
	uint64_t offset;     /* of the FDE in its section */
};

struct list {
	bool tried;
	bool debug; /* .debug_frame: not loaded, other marks */
	struct mf_section section;
	MF_VEC(struct listed) entries; /* ascending */
};

struct table {
	bool opened;
	uint64_t header; /* address of .eh_frame_hdr; 0: none */
	uint8_t *sorted; /* of it, pairs of int32_t; NULL: not usable */
	size_t count;
	struct list frames, debug;
};

struct mf_cfi_tables {
	struct mf_image *image;
	struct table *tables; /* by index of the module */
	size_t count;
	struct mf_pool pool;
	struct mf_map at;     /* address: index in found, +1; 0: none */
	struct mf_map starts; /* of functions: the same */
	MF_VEC(const struct mf_cfi *) found;
};

/** Where entries are read from. */
struct origin {
	struct mf_cfi_tables *tables;
	const struct mf_module *module;
	const struct mf_section *section; /* NULL: as it is loaded */
	bool debug;
	uint64_t header;
};

/* ---- one entry --------------------------------------------------------------- */

/* The entry at AT: an address, or an offset in a .debug_frame. */
static bool slice_of_section(const struct origin *origin, uint64_t at,
			     struct mf_slice *ret)
{
	uint64_t base = origin->debug ? 0 : origin->section->address;

	if (at < base || at - base >= origin->section->size)
		return false;
	*ret = (struct mf_slice){
		.bytes = origin->section->bytes + (at - base),
		.size = origin->section->size - (at - base),
		.address = at,
	};
	return true;
}

static bool open_entry(const struct origin *origin, uint64_t at, uint8_t *room,
		       struct mf_slice *ret, uint32_t *mark,
		       uint64_t *mark_address)
{
	uint32_t length;

	if (origin->section)
		return slice_of_section(origin, at, ret) &&
		       mf_entry_open(ret, mark, mark_address);
	if (!mf_image_read(origin->tables->image, origin->module, at, &length,
			   sizeof(length)) ||
	    length > MF_ENTRY_MAX ||
	    !mf_image_read(origin->tables->image, origin->module, at, room,
			   sizeof(length) + length))
		return false;
	*ret = (struct mf_slice){ room, sizeof(length) + length, at };
	return mf_entry_open(ret, mark, mark_address);
}

struct parsed {
	struct mf_cie cie;
	struct mf_fde fde;
	uint8_t cie_room[MF_ENTRY_MAX + sizeof(uint32_t)];
	uint8_t fde_room[MF_ENTRY_MAX + sizeof(uint32_t)];
};

static bool is_cie(const struct origin *origin, uint32_t mark)
{
	return mark == (origin->debug ? UINT32_MAX : 0);
}

/* False, too, for a CIE. */
static bool parse_at(const struct origin *origin, uint64_t at,
		     struct parsed *ret)
{
	struct mf_slice fde, cie;
	uint64_t mark_address, ignored;
	uint32_t mark, cie_mark;

	if (!open_entry(origin, at, ret->fde_room, &fde, &mark,
			&mark_address) ||
	    is_cie(origin, mark))
		return false;
	return open_entry(origin, origin->debug ? mark : mark_address - mark,
			  ret->cie_room, &cie, &cie_mark, &ignored) &&
	       is_cie(origin, cie_mark) && mf_cie_parse(&cie, &ret->cie) &&
	       mf_fde_parse(&fde, &ret->cie, origin->header, &ret->fde);
}

/* ---- lists --------------------------------------------------------------------- */

static int by_start(const void *left, const void *right)
{
	const struct listed *a = left, *b = right;

	return (a->start > b->start) - (a->start < b->start);
}

static void fill_list(const struct origin *origin, struct list *list)
{
	const struct mf_section *section = &list->section;
	mf_auto_free struct parsed *parsed = mf_new(struct parsed);
	uint64_t base = origin->debug ? 0 : section->address;
	uint32_t length;

	for (uint64_t at = 0; section->size - at > sizeof(length) &&
			      list->entries.count < ENTRIES_MAX;) {
		length = mf_load(uint32_t, section->bytes + at);
		if (parse_at(origin, base + at, parsed))
			mf_vec_push(&list->entries, (struct listed){
							    parsed->fde.start,
							    parsed->fde.end,
							    base + at,
						    });
		/* an empty one ends what one object file gave */
		at += sizeof(length);
		if (length > section->size - at)
			break;
		at += length;
	}
	mf_vec_sort(&list->entries, by_start);
}

static const struct listed *find_listed(const struct list *list,
					uint64_t address)
{
	size_t begun =
		mf_count_leading(list->entries.items, list->entries.count,
				 entry, entry->start <= address);
	const struct listed *last;

	if (!begun)
		return NULL;
	last = &list->entries.items[begun - 1];
	return address < last->end ? last : NULL;
}

/* ---- .eh_frame_hdr ------------------------------------------------------------- */

static bool take_count(struct mf_slice *slice, uint8_t encoding, uint64_t *ret)
{
	return encoding != OMITTED &&
	       mf_pointer_parse(slice, encoding, 0, ret) &&
	       *ret <= slice->size / 8;
}

/* The table is taken whole: functions are looked for again and again. */
static void open_header(const struct origin *origin, struct table *table)
{
	uint64_t size, count, ignored;
	mf_auto_free uint8_t *bytes = NULL;
	struct mf_slice slice;

	if (!mf_image_unwind_header(origin->tables->image, origin->module,
				    &table->header, &size))
		return;
	if (size <= 4 || size > HEADER_MAX)
		return;
	bytes = mf_calloc(1, size);
	if (!mf_image_read(origin->tables->image, origin->module, table->header,
			   bytes, size) ||
	    bytes[0] != HEADER_VERSION || bytes[3] != DATA_S32)
		return;
	slice = (struct mf_slice){ bytes + 4, size - 4, table->header + 4 };
	if (!mf_pointer_parse(&slice, bytes[1], table->header, &ignored) ||
	    !take_count(&slice, bytes[2], &count) || !count)
		return;
	table->sorted = mf_calloc(count, 8);
	memcpy(table->sorted, slice.bytes, count * 8);
	table->count = count;
}

static uint64_t relative(const struct table *table, size_t index, size_t which)
{
	return table->header +
	       (uint64_t)(int64_t)mf_load(int32_t, table->sorted + index * 8 +
							   which * 4);
}

/* The FDE that may hold ADDRESS. */
static bool find_sorted(const struct table *table, uint64_t address,
			uint64_t *ret)
{
	size_t low = 0, high = table->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (relative(table, middle, 0) <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return false;
	*ret = relative(table, low - 1, 1);
	return true;
}

/* ---- of a module --------------------------------------------------------------- */

static struct table *table_of(const struct origin *origin)
{
	struct table *table = &origin->tables->tables[origin->module->index];

	if (!table->opened) {
		table->opened = true;
		table->debug.debug = true;
		open_header(origin, table);
	}
	return table;
}

static bool open_list(const struct origin *from, struct list *list,
		      struct origin *ret)
{
	*ret = *from;
	ret->debug = list->debug;
	ret->section = &list->section;
	if (list->tried)
		return list->entries.count;
	list->tried = true;
	if (!mf_image_section(from->tables->image, from->module,
			      list->debug ? ".debug_frame" : ".eh_frame",
			      &list->section))
		return false;
	fill_list(ret, list);
	return list->entries.count;
}

/* Addresses in .debug_frame are as the program was linked. */
static bool find_in_list(const struct origin *from, struct list *list,
			 uint64_t address, struct parsed *ret)
{
	const struct listed *entry;
	struct origin origin;

	if (!open_list(from, list, &origin))
		return false;
	if (list->debug)
		address -= from->module->bias;
	entry = find_listed(list, address);
	return entry && parse_at(&origin, entry->offset, ret);
}

/* *BIAS: what to add to the addresses of the entry. */
static bool find_entry(const struct origin *from, uint64_t address,
		       struct parsed *ret, uint64_t *bias)
{
	struct table *table = table_of(from);
	struct origin origin = *from;
	uint64_t at;

	origin.header = table->header;
	*bias = 0;
	if (table->sorted) {
		if (find_sorted(table, address, &at) &&
		    parse_at(&origin, at, ret) && address >= ret->fde.start &&
		    address < ret->fde.end)
			return true;
	} else if (find_in_list(&origin, &table->frames, address, ret)) {
		return true;
	}
	*bias = from->module->bias;
	return find_in_list(&origin, &table->debug, address, ret);
}

/* ---- what was found -------------------------------------------------------------- */

static const struct mf_cfi *keep(struct mf_cfi_tables *tables,
				 const struct parsed *parsed, uint64_t bias)
{
	struct mf_cfi cfi = {
		.start = parsed->fde.start + bias,
		.end = parsed->fde.end + bias,
		.signal = parsed->cie.signal,
	};
	MF_AUTO_BUFFER(buffer);
	struct mf_cfi *kept;
	uint8_t *bytes;

	/* libunwind believes that there is such a register */
	if (parsed->cie.return_register >= mf_cpu.registers)
		return NULL;
	if (!mf_rules_check(parsed->cie.rules, parsed->cie.rules_size,
			    &cfi.in_place) ||
	    !mf_rules_check(parsed->fde.rules, parsed->fde.rules_size,
			    &cfi.in_place))
		return NULL;
	cfi.fde = mf_entries_write(&parsed->cie, &parsed->fde, bias, &buffer);
	cfi.size = buffer.size;
	bytes = mf_pool_alloc(&tables->pool, cfi.size);
	memcpy(bytes, buffer.text, cfi.size);
	cfi.bytes = bytes;
	kept = mf_pool_alloc(&tables->pool, sizeof(*kept));
	*kept = cfi;
	return kept;
}

/* Index +1 of what holds ADDRESS; 0: nothing does. */
static uint64_t look_up(struct mf_cfi_tables *tables, uint64_t address)
{
	const struct mf_module *module =
		mf_image_module_at(tables->image, address);
	const struct origin origin = { .tables = tables, .module = module };
	mf_auto_free struct parsed *parsed = NULL;
	const struct mf_cfi *cfi;
	const uint64_t *known;
	uint64_t bias;

	if (!module || module->index >= tables->count)
		return 0;
	parsed = mf_new(struct parsed);
	if (!find_entry(&origin, address, parsed, &bias))
		return 0;
	known = mf_map_get(&tables->starts, parsed->fde.start + bias);
	if (known)
		return *known;
	cfi = keep(tables, parsed, bias);
	if (!cfi)
		return 0;
	mf_vec_push(&tables->found, cfi);
	mf_map_set(&tables->starts, cfi->start, tables->found.count);
	return tables->found.count;
}

const struct mf_cfi *mf_cfi_find(struct mf_cfi_tables *tables, uint64_t address)
{
	const uint64_t *known = mf_map_get(&tables->at, address);
	uint64_t index = known ? *known : look_up(tables, address);

	if (!known)
		mf_map_set(&tables->at, address, index);
	return index ? tables->found.items[index - 1] : NULL;
}

struct mf_cfi_tables *mf_cfi_tables_create(struct mf_image *image)
{
	struct mf_cfi_tables *tables = mf_new(struct mf_cfi_tables);

	tables->image = image;
	mf_image_modules(image, &tables->count);
	tables->tables = mf_new_array(tables->count + 1, struct table);
	return tables;
}

void mf_cfi_tables_destroy(struct mf_cfi_tables *tables)
{
	if (!tables)
		return;
	for (size_t i = 0; i < tables->count; i++) {
		free(tables->tables[i].sorted);
		mf_vec_deinit(&tables->tables[i].frames.entries);
		mf_vec_deinit(&tables->tables[i].debug.entries);
	}
	free(tables->tables);
	mf_map_deinit(&tables->at);
	mf_map_deinit(&tables->starts);
	mf_vec_deinit(&tables->found);
	mf_pool_deinit(&tables->pool);
	free(tables);
}
