/*
 * Symbol tables: .dynsym, then .symtab and .gnu_debugdata of the file, then
 * .symtab of the separate debug file; each is loaded when a question needs it.
 * A question by address is answered from an index over all of them.
 */
#include "image/tables.h"

#include <string.h>
#include <unistd.h>

#include "base/search.h"
#include "image/debug.h"

enum table {
	TABLE_EXPORTS,
	TABLE_FILE,
	TABLE_MINI,
	TABLE_DEBUG,
	TABLE_COUNT,
};

enum {
	SYMBOLS_MAX = 1 << 24,
	WALK_MAX = 4096, /* symbols around one address */
};

struct entry {
	uint64_t start, end;
	uint64_t reach; /* the highest end of this and all before */
	uint32_t table, symbol;
	bool guessed; /* no size of its own: reaches to the next */
};

struct mf_tables {
	struct mf_symbol_table tables[TABLE_COUNT];
	Elf *elves[TABLE_COUNT]; /* whose section headers tell ends */
	bool tried[TABLE_COUNT];
	Elf *mini; /* the only one that is ours */
	int mini_fd;
	bool indexed;
	MF_VEC(struct entry) index; /* by start; of equals the best is last */
};

static struct mf_tables *tables_of(struct mf_object *object)
{
	if (!object->tables) {
		object->tables = mf_new(struct mf_tables);
		object->tables->mini_fd = -1;
	}
	return object->tables;
}

/* ---- loading ------------------------------------------------------------ */

static Elf_Data *plain_data(Elf_Scn *section)
{
	const Elf64_Shdr *header = section ? elf64_getshdr(section) : NULL;

	if (!header || header->sh_type == SHT_NOBITS || !header->sh_size ||
	    header->sh_size > MF_IMAGE_TABLE_MAX ||
	    header->sh_flags & SHF_COMPRESSED)
		return NULL;
	return elf_getdata(section, NULL);
}

static Elf_Scn *symbol_section(Elf *elf)
{
	Elf_Scn *section = NULL;

	while ((section = elf_nextscn(elf, section))) {
		const Elf64_Shdr *header = elf64_getshdr(section);

		if (header && header->sh_type == SHT_SYMTAB)
			return section;
	}
	return NULL;
}

static void load_symtab(Elf *elf, struct mf_symbol_table *ret)
{
	Elf_Scn *section = elf ? symbol_section(elf) : NULL;
	const Elf_Data *symbols = plain_data(section), *names;
	const char *end;

	if (!symbols || !symbols->d_buf)
		return;
	names = plain_data(elf_getscn(elf, elf64_getshdr(section)->sh_link));
	if (!names || !names->d_buf)
		return;
	end = memrchr(names->d_buf, '\0', names->d_size);
	if (!end)
		return;
	ret->symbols = symbols->d_buf;
	ret->count = MF_MIN(symbols->d_size / sizeof(Elf64_Sym),
			    (size_t)SYMBOLS_MAX);
	ret->names = names->d_buf;
	ret->names_size = (size_t)(end - ret->names) + 1;
}

static const struct mf_symbol_table *
load_table(struct mf_image *image, struct mf_object *object, enum table which)
{
	struct mf_tables *tables = tables_of(object);
	struct mf_symbol_table *table = &tables->tables[which];

	if (tables->tried[which])
		return table;
	tables->tried[which] = true;
	tables->elves[which] = mf_object_elf(object);
	if (which == TABLE_EXPORTS) {
		*table = mf_exports_table(object);
		return table;
	}
	if (which == TABLE_MINI)
		tables->elves[which] = tables->mini =
			mf_debug_open_mini(object, &tables->mini_fd);
	else if (which == TABLE_DEBUG)
		tables->elves[which] = mf_debug_elf(image, object);
	load_symtab(tables->elves[which], table);
	return table;
}

static enum table last_table(enum mf_symbol_depth depth)
{
	switch (depth) {
	case MF_SYMBOLS_EXPORTED:
		return TABLE_EXPORTS;
	case MF_SYMBOLS_FILE:
		return TABLE_MINI;
	case MF_SYMBOLS_DEBUG:
		break;
	}
	return TABLE_DEBUG;
}

/* ---- by name ------------------------------------------------------------ */

/* Most symbols of a table are told from the wanted ones by three letters. */
struct filter {
	uint64_t bits[1024];
};

static unsigned filter_key(const char *name)
{
	unsigned key = (unsigned char)name[0];

	if (name[0] && name[1] && name[1] != '@')
		key += (unsigned char)name[1] * 31U +
		       (name[2] != '@' ? (unsigned char)name[2] * 1009U : 0);
	return key & 0xffff;
}

static void filter_add(struct filter *filter, const char *name)
{
	unsigned key = filter_key(name);

	filter->bits[key / 64] |= UINT64_C(1) << key % 64;
}

static bool filter_has(const struct filter *filter, const char *name)
{
	unsigned key = filter_key(name);

	return filter->bits[key / 64] >> key % 64 & 1;
}

/* In .symtab a name may carry its version: malloc@@GLIBC_2.2.5. */
static bool is_named(const char *symbol, const char *name)
{
	size_t length = strlen(name);

	return strncmp(symbol, name, length) == 0 &&
	       (!symbol[length] || symbol[length] == '@');
}

/* Of several with one name: not local, then the default version. */
static int preference(const struct mf_symbol_table *table,
		      const Elf64_Sym *symbol)
{
	const char *version = strchr(mf_symbol_name(table, symbol), '@');

	return (ELF64_ST_BIND(symbol->st_info) != STB_LOCAL) * 2 +
	       (!version || version[1] == '@');
}

static void match(const struct mf_symbol_table *table, const Elf64_Sym *symbol,
		  const char *const *names, size_t count,
		  const Elf64_Sym **found)
{
	const char *name = mf_symbol_name(table, symbol);

	for (size_t i = 0; i < count; i++) {
		if (!is_named(name, names[i]))
			continue;
		if (!found[i] ||
		    preference(table, symbol) > preference(table, found[i]))
			found[i] = symbol;
	}
}

/* One pass over a table for all names. */
static void find_in_table(const struct mf_symbol_table *table,
			  const char *const *names, size_t count,
			  const Elf64_Sym **found)
{
	struct filter filter = { 0 };

	for (size_t i = 0; i < count; i++)
		filter_add(&filter, names[i]);
	for (size_t i = 0; i < table->count; i++) {
		const Elf64_Sym *symbol = &table->symbols[i];
		const char *name = mf_symbol_name(table, symbol);

		if (name && filter_has(&filter, name) &&
		    mf_symbol_has_address(symbol))
			match(table, symbol, names, count, found);
	}
}

/* Names found in an earlier table are settled, so each table has its own. */
static size_t find_missing(const struct mf_symbol_table *table,
			   const char *const *names, size_t count,
			   const Elf64_Sym **found)
{
	mf_auto_free const Elf64_Sym **here =
		mf_new_array(count, const Elf64_Sym *);
	size_t missing = 0;

	if (table->count)
		find_in_table(table, names, count, here);
	for (size_t i = 0; i < count; i++) {
		if (!found[i])
			found[i] = here[i];
		missing += !found[i];
	}
	return missing;
}

size_t mf_tables_find(struct mf_image *image, struct mf_object *object,
		      const char *const *names, size_t count,
		      enum mf_symbol_depth depth, const Elf64_Sym **found)
{
	size_t missing = 0;

	for (size_t i = 0; i < count; i++) {
		found[i] = mf_exports_find(object, names[i]);
		missing += !found[i];
	}
	for (enum table i = TABLE_FILE; missing && i <= last_table(depth); i++)
		missing = find_missing(load_table(image, object, i), names,
				       count, found);
	return count - missing;
}

void mf_tables_visit(struct mf_image *image, struct mf_object *object,
		     const char *prefix, enum mf_symbol_depth depth,
		     mf_symbol_visitor visit, void *data)
{
	size_t length = strlen(prefix);

	for (enum table i = TABLE_EXPORTS; i <= last_table(depth); i++) {
		const struct mf_symbol_table *table =
			load_table(image, object, i);

		for (size_t k = 0; k < table->count; k++) {
			const Elf64_Sym *symbol = &table->symbols[k];
			const char *name = mf_symbol_name(table, symbol);

			if (name && strncmp(name, prefix, length) == 0 &&
			    mf_symbol_has_address(symbol))
				visit(name, symbol->st_value, symbol->st_size,
				      data);
		}
	}
}

bool mf_tables_visit_siblings(struct mf_image *image, struct mf_object *object,
			      const char *name,
			      bool (*visit)(void *context, uint64_t vaddr),
			      void *context)
{
	for (enum table i = TABLE_FILE; i < TABLE_COUNT; i++) {
		const struct mf_symbol_table *table =
			load_table(image, object, i);
		size_t first = 0;
		bool here = false;

		/* Local symbols follow the STT_FILE symbol of their source. */
		for (size_t k = 0; k < table->count; k++) {
			const Elf64_Sym *symbol = &table->symbols[k];
			const char *text = mf_symbol_name(table, symbol);
			unsigned type = ELF64_ST_TYPE(symbol->st_info);

			if (ELF64_ST_BIND(symbol->st_info) != STB_LOCAL)
				break;
			if (type == STT_FILE && !here)
				first = k;
			else if (type == STT_FILE)
				break;
			else if (!here && text && strcmp(text, name) == 0)
				here = true;
		}
		for (size_t k = first + 1; here && k < table->count; k++) {
			const Elf64_Sym *symbol = &table->symbols[k];
			unsigned type = ELF64_ST_TYPE(symbol->st_info);

			if (type == STT_FILE ||
			    ELF64_ST_BIND(symbol->st_info) != STB_LOCAL)
				break;
			if (type == STT_FUNC && mf_symbol_has_address(symbol) &&
			    visit(context, symbol->st_value))
				return true;
		}
	}
	return false;
}

/* ---- by address --------------------------------------------------------- */

static bool is_inside(const struct mf_object *object, uint64_t start,
		      uint64_t size)
{
	for (size_t i = 0; i < object->load_count; i++) {
		const struct mf_load *load = &object->loads[i];

		if (start >= load->vaddr && start - load->vaddr < load->memsz)
			return size <= load->memsz - (start - load->vaddr);
	}
	return false;
}

/* Where the section of a symbol ends; 0: not known. */
static uint64_t section_end(const struct mf_object *object, Elf *elf,
			    const Elf64_Sym *symbol)
{
	Elf_Scn *section = elf ? elf_getscn(elf, symbol->st_shndx) : NULL;
	const Elf64_Shdr *header = section ? elf64_getshdr(section) : NULL;

	if (!elf)
		return symbol->st_value +
		       mf_object_room(object, symbol->st_value);
	if (!header || symbol->st_shndx >= SHN_LORESERVE ||
	    symbol->st_value < header->sh_addr ||
	    symbol->st_value - header->sh_addr >= header->sh_size ||
	    !is_inside(object, header->sh_addr, header->sh_size))
		return 0;
	return header->sh_addr + header->sh_size;
}

static void add_entry(struct mf_object *object, enum table which,
		      uint32_t number)
{
	struct mf_tables *tables = object->tables;
	const struct mf_symbol_table *table = &tables->tables[which];
	const Elf64_Sym *symbol = &table->symbols[number];
	const char *name = mf_symbol_name(table, symbol);
	struct entry entry = {
		.start = symbol->st_value,
		.end = symbol->st_value + symbol->st_size,
		.table = which,
		.symbol = number,
		.guessed = !symbol->st_size,
	};

	/* "$x" and the like mark code and data for the assembler's sake. */
	if (!name || !*name || *name == '$' || !mf_symbol_has_address(symbol) ||
	    !is_inside(object, symbol->st_value, symbol->st_size))
		return;
	if (entry.guessed)
		entry.end = section_end(object, tables->elves[which], symbol);
	if (entry.end > entry.start)
		mf_vec_push(&tables->index, entry);
}

static int rank(const struct mf_tables *tables, const struct entry *entry)
{
	const struct mf_symbol_table *table = &tables->tables[entry->table];
	const Elf64_Sym *symbol = &table->symbols[entry->symbol];
	const char *name = mf_symbol_name(table, symbol);
	int underscores = (int)strspn(name, "_");
	int bind = ELF64_ST_BIND(symbol->st_info) == STB_GLOBAL ? 2
		   : ELF64_ST_BIND(symbol->st_info) == STB_WEAK ? 1
								: 0;

	return bind * 16 - MF_MIN(underscores, 15);
}

/* Of equal starts the best comes last: with a size, global, plainly named. */
static int compare_entries(const void *left, const void *right, void *context)
{
	const struct entry *a = left, *b = right;
	int by_rank;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	if (a->guessed != b->guessed)
		return a->guessed ? -1 : 1;
	by_rank = rank(context, a) - rank(context, b);
	if (by_rank)
		return by_rank;
	if (a->table != b->table)
		return a->table > b->table ? -1 : 1;
	return a->symbol > b->symbol ? -1 : a->symbol < b->symbol;
}

/*
 * A symbol without a size reaches to the next one, unless one with a size
 * holds its start, or begins there: then what follows is neither's.
 */
static void limit_guesses(struct mf_tables *tables)
{
	uint64_t next = UINT64_MAX, next_sized = UINT64_MAX, reach = 0;

	for (size_t i = tables->index.count; i-- > 0;) {
		struct entry *entry = &tables->index.items[i];
		const struct entry *after = entry + 1;

		if (i + 1 < tables->index.count && after->start > entry->start)
			next = after->start;
		if (!entry->guessed)
			next_sized = entry->start;
		else if (next_sized == entry->start)
			entry->end = entry->start;
		else
			entry->end = MF_MIN(entry->end, next);
	}
	for (size_t i = 0; i < tables->index.count; i++) {
		struct entry *entry = &tables->index.items[i];

		if (entry->guessed && reach > entry->start)
			entry->end = entry->start;
		reach = MF_MAX(reach, entry->end);
		entry->reach = reach;
	}
}

static void make_index(struct mf_image *image, struct mf_object *object)
{
	struct mf_tables *tables = tables_of(object);

	if (tables->indexed)
		return;
	tables->indexed = true;
	for (enum table which = TABLE_EXPORTS; which < TABLE_COUNT; which++) {
		const struct mf_symbol_table *table =
			load_table(image, object, which);

		for (size_t i = 0; i < table->count; i++)
			add_entry(object, which, (uint32_t)i);
	}
	if (tables->index.count)
		qsort_r(tables->index.items, tables->index.count,
			sizeof(*tables->index.items), compare_entries, tables);
	limit_guesses(tables);
}

bool mf_tables_at(struct mf_image *image, struct mf_object *object,
		  uint64_t vaddr, struct mf_symbol_place *ret)
{
	struct mf_tables *tables = tables_of(object);
	const struct entry *entries;
	size_t low, steps = 0;

	make_index(image, object);
	entries = tables->index.items;
	low = mf_count_leading(entries, tables->index.count, entry,
			       entry->start <= vaddr);
	while (low-- > 0 && entries[low].reach > vaddr && steps++ < WALK_MAX) {
		const struct entry *entry = &entries[low];
		const struct mf_symbol_table *table =
			&tables->tables[entry->table];

		if (entry->end <= vaddr)
			continue;
		ret->name =
			mf_symbol_name(table, &table->symbols[entry->symbol]);
		ret->start = entry->start;
		ret->size = entry->guessed ? 0 : entry->end - entry->start;
		return true;
	}
	return false;
}

void mf_tables_destroy(struct mf_tables *tables)
{
	if (!tables)
		return;
	mf_vec_deinit(&tables->index);
	elf_end(tables->mini);
	if (tables->mini_fd >= 0)
		close(tables->mini_fd);
	free(tables);
}
