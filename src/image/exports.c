/*
 * The dynamic segment: the hash tables (GNU and System V), the symbols and
 * names behind them, versions, and the relocations of TLS offsets. Tables are
 * read whole when a look-up first needs them; most objects never get past the
 * Bloom filter.
 */
#include "image/exports.h"

#include <string.h>

#if defined(__aarch64__)
#define TLS_OFFSET_RELOCATION R_AARCH64_TLS_TPREL
#else
#define TLS_OFFSET_RELOCATION R_X86_64_TPOFF64
#endif

enum {
	DYNAMIC_MAX = 64 * 1024, /* bytes of a dynamic segment */
	SYMBOLS_MAX = 1 << 24,
	SLOTS_MAX = 4096,
	CHAIN_STEP = 256, /* symbols read at once where the end is unknown */
};

#define HIDDEN_VERSION 0x8000

struct gnu_hash {
	uint32_t bucket_count, first, bloom_count, shift; /* as in the file */
	const uint64_t *bloom;
	const uint32_t *buckets;
	void *bytes; /* holds both */
	uint32_t *chains;
};

struct sysv_hash {
	uint32_t bucket_count, chain_count;
	uint32_t *buckets, *chains; /* one piece, the buckets' */
};

/** Addresses of the tables, link-time; 0: none. */
struct dynamic {
	uint64_t symbols, names, names_size, gnu_hash, sysv_hash, versions,
		rela, rela_size, flags_1;
};

struct mf_exports {
	struct dynamic dynamic;
	struct gnu_hash gnu;
	struct sysv_hash sysv;
	size_t count; /* symbols by the hash table */
	bool tables_tried;
	struct mf_symbol_table table; /* of the two */
	Elf64_Sym *symbols;
	char *names;
	uint16_t *versions;
};

bool mf_symbol_has_address(const Elf64_Sym *symbol)
{
	switch (ELF64_ST_TYPE(symbol->st_info)) {
	case STT_TLS:
	case STT_SECTION:
	case STT_FILE:
		return false;
	default:
		return symbol->st_shndx != SHN_UNDEF &&
		       symbol->st_shndx != SHN_ABS &&
		       symbol->st_shndx != SHN_COMMON;
	}
}

/* ---- the dynamic segment ------------------------------------------------ */

static uint64_t *dynamic_place(struct dynamic *dynamic, int64_t tag)
{
	switch (tag) {
	case DT_SYMTAB:
		return &dynamic->symbols;
	case DT_STRTAB:
		return &dynamic->names;
	case DT_STRSZ:
		return &dynamic->names_size;
	case DT_GNU_HASH:
		return &dynamic->gnu_hash;
	case DT_HASH:
		return &dynamic->sysv_hash;
	case DT_VERSYM:
		return &dynamic->versions;
	case DT_RELA:
		return &dynamic->rela;
	case DT_RELASZ:
		return &dynamic->rela_size;
	case DT_FLAGS_1:
		return &dynamic->flags_1;
	default:
		return NULL;
	}
}

static bool is_address_tag(int64_t tag)
{
	return tag != DT_STRSZ && tag != DT_RELASZ && tag != DT_FLAGS_1;
}

static void read_dynamic(struct mf_object *object, struct dynamic *ret)
{
	uint64_t size = MF_MIN(object->dynamic.size, (uint64_t)DYNAMIC_MAX);
	mf_auto_free Elf64_Dyn *entries = NULL;

	size = MF_MIN(size, mf_object_room(object, object->dynamic.vaddr));
	entries = mf_object_take(object, object->dynamic.vaddr, size);
	if (!entries)
		return;
	for (size_t i = 0; i < size / sizeof(*entries); i++) {
		uint64_t *place = dynamic_place(ret, entries[i].d_tag);

		if (entries[i].d_tag == DT_NULL)
			return;
		if (!place)
			continue;
		*place = entries[i].d_un.d_val;
		/* The loader relocates the entries where they lie. */
		if (object->fd < 0 && is_address_tag(entries[i].d_tag) &&
		    *place >= object->bias + object->loads[0].vaddr)
			*place -= object->bias;
	}
}

/* ---- hash tables -------------------------------------------------------- */

/* The number of symbols is where the chain of the last bucket ends. */
static size_t count_gnu(const struct mf_object *object,
			const struct gnu_hash *gnu, uint64_t chains)
{
	uint32_t last = 0;

	for (uint32_t i = 0; i < gnu->bucket_count; i++)
		last = MF_MAX(last, gnu->buckets[i]);
	if (last < gnu->first)
		return gnu->first;
	for (uint64_t at = last; at < SYMBOLS_MAX;) {
		uint64_t vaddr = chains + (at - gnu->first) * 4;
		uint64_t room = mf_object_room(object, vaddr) / 4;
		uint32_t step[CHAIN_STEP];
		size_t count = MF_MIN(room, (uint64_t)CHAIN_STEP);

		if (!count || !mf_object_read(object, vaddr, step, count * 4))
			return 0;
		for (size_t i = 0; i < count; i++)
			if (step[i] & 1)
				return at + i + 1;
		at += count;
	}
	return 0;
}

static bool load_gnu(const struct mf_object *object, struct mf_exports *exports)
{
	struct gnu_hash *gnu = &exports->gnu;
	uint64_t vaddr = exports->dynamic.gnu_hash, size;
	uint32_t head[4];

	if (!vaddr || !mf_object_read(object, vaddr, head, sizeof(head)))
		return false;
	gnu->bucket_count = head[0];
	gnu->first = head[1];
	gnu->bloom_count = head[2];
	gnu->shift = head[3];
	if (!head[0] || head[0] > SYMBOLS_MAX || head[1] > SYMBOLS_MAX ||
	    !head[2] || head[2] > SYMBOLS_MAX || head[2] & (head[2] - 1) ||
	    head[3] > 31)
		return false;
	vaddr += sizeof(head);
	size = head[2] * UINT64_C(8) + head[0] * UINT64_C(4);
	gnu->bytes = mf_object_take(object, vaddr, size);
	if (!gnu->bytes)
		return false;
	gnu->bloom = gnu->bytes;
	gnu->buckets = (const uint32_t *)(gnu->bloom + head[2]);
	vaddr += size;
	exports->count = count_gnu(object, gnu, vaddr);
	if (exports->count > gnu->first)
		gnu->chains = mf_object_take(object, vaddr,
					     (exports->count - gnu->first) * 4);
	return gnu->chains != NULL;
}

static bool load_sysv(const struct mf_object *object,
		      struct mf_exports *exports)
{
	struct sysv_hash *sysv = &exports->sysv;
	uint64_t vaddr = exports->dynamic.sysv_hash;
	uint32_t head[2];

	if (!vaddr || !mf_object_read(object, vaddr, head, sizeof(head)) ||
	    !head[0] || head[0] > SYMBOLS_MAX || head[1] > SYMBOLS_MAX)
		return false;
	sysv->buckets =
		mf_object_take(object, vaddr + sizeof(head),
			       (head[0] + (uint64_t)head[1]) * sizeof(head[0]));
	if (!sysv->buckets)
		return false;
	sysv->bucket_count = head[0];
	sysv->chain_count = head[1];
	sysv->chains = sysv->buckets + head[0];
	exports->count = head[1];
	return true;
}

static void drop_gnu(struct gnu_hash *gnu)
{
	free(gnu->bytes);
	free(gnu->chains);
	*gnu = (struct gnu_hash){ 0 };
}

static struct mf_exports *exports_of(struct mf_object *object)
{
	struct mf_exports *exports = object->exports;

	if (exports)
		return exports;
	exports = object->exports = mf_new(struct mf_exports);
	read_dynamic(object, &exports->dynamic);
	if (!load_gnu(object, exports)) {
		drop_gnu(&exports->gnu);
		exports->count = 0;
		load_sysv(object, exports);
	}
	return exports;
}

/* ---- symbols and names -------------------------------------------------- */

static bool load_tables(struct mf_object *object, struct mf_exports *exports)
{
	const struct dynamic *dynamic = &exports->dynamic;
	size_t count = exports->count;

	if (exports->tables_tried)
		return exports->table.count > 0;
	exports->tables_tried = true;
	exports->names =
		mf_object_take(object, dynamic->names, dynamic->names_size);
	exports->symbols = mf_object_take(object, dynamic->symbols,
					  count * sizeof(*exports->symbols));
	if (!exports->names || !exports->symbols)
		return false;
	exports->names[dynamic->names_size - 1] = '\0';
	if (dynamic->versions)
		exports->versions =
			mf_object_take(object, dynamic->versions,
				       count * sizeof(*exports->versions));
	exports->table = (struct mf_symbol_table){
		.symbols = exports->symbols,
		.count = count,
		.names = exports->names,
		.names_size = dynamic->names_size,
	};
	return true;
}

struct search {
	struct mf_object *object;
	struct mf_exports *exports;
	const char *name;
	const Elf64_Sym *found; /* the best so far */
};

/* True when SYMBOL is the one, of the default version. */
static bool consider(struct search *search, size_t index)
{
	const struct mf_symbol_table *table = &search->exports->table;
	const uint16_t *versions = search->exports->versions;
	const Elf64_Sym *symbol;
	const char *name;

	if (!load_tables(search->object, search->exports) ||
	    index >= table->count)
		return false;
	symbol = &table->symbols[index];
	name = mf_symbol_name(table, symbol);
	if (!mf_symbol_has_address(symbol) || !name ||
	    strcmp(name, search->name) != 0)
		return false;
	if (versions && versions[index] & HIDDEN_VERSION) {
		search->found = symbol;
		return false;
	}
	search->found = symbol;
	return true;
}

static uint32_t hash_gnu(const char *name)
{
	uint32_t hash = 5381;

	for (; *name; name++)
		hash = hash * 33 + (unsigned char)*name;
	return hash;
}

static uint32_t hash_sysv(const char *name)
{
	uint32_t hash = 0;

	for (; *name; name++) {
		hash = (hash << 4) + (unsigned char)*name;
		hash ^= (hash >> 24) & 0xf0;
	}
	return hash & 0x0fffffff;
}

static void find_gnu(struct search *search)
{
	const struct gnu_hash *gnu = &search->exports->gnu;
	const uint32_t hash = hash_gnu(search->name);
	const uint64_t word = gnu->bloom[hash / 64 & (gnu->bloom_count - 1)];
	size_t index;

	if (!(word >> hash % 64 & word >> (hash >> gnu->shift) % 64 & 1))
		return;
	index = gnu->buckets[hash % gnu->bucket_count];
	if (index < gnu->first)
		return;
	for (; index < search->exports->count; index++) {
		uint32_t other = gnu->chains[index - gnu->first];

		if ((other | 1) == (hash | 1) && consider(search, index))
			return;
		if (other & 1)
			return;
	}
}

static void find_sysv(struct search *search)
{
	const struct sysv_hash *sysv = &search->exports->sysv;
	uint32_t index =
		sysv->buckets[hash_sysv(search->name) % sysv->bucket_count];

	/* A chain that is longer than the table runs in a circle. */
	for (uint32_t i = 0; i < sysv->chain_count; i++) {
		if (!index || index >= sysv->chain_count ||
		    consider(search, index))
			return;
		index = sysv->chains[index];
	}
}

const Elf64_Sym *mf_exports_find(struct mf_object *object, const char *name)
{
	struct mf_exports *exports = exports_of(object);
	struct search search = {
		.object = object,
		.exports = exports,
		.name = name,
	};

	if (exports->gnu.chains)
		find_gnu(&search);
	else if (exports->sysv.buckets)
		find_sysv(&search);
	return search.found;
}

struct mf_symbol_table mf_exports_table(struct mf_object *object)
{
	struct mf_exports *exports = exports_of(object);

	load_tables(object, exports);
	return exports->table;
}

bool mf_exports_is_executable(struct mf_object *object)
{
	return object->header.e_type == ET_EXEC ||
	       exports_of(object)->dynamic.flags_1 & DF_1_PIE;
}

/* ---- relocations -------------------------------------------------------- */

size_t mf_exports_tls_slots(struct mf_object *object, uint64_t **ret)
{
	const struct dynamic *dynamic = &exports_of(object)->dynamic;
	mf_auto_free Elf64_Rela *relocations =
		mf_object_take(object, dynamic->rela, dynamic->rela_size);
	MF_VEC(uint64_t) slots = { 0 };

	*ret = NULL;
	if (!relocations)
		return 0;
	for (size_t i = 0; i < dynamic->rela_size / sizeof(*relocations); i++)
		if (ELF64_R_TYPE(relocations[i].r_info) ==
			    TLS_OFFSET_RELOCATION &&
		    slots.count < SLOTS_MAX)
			mf_vec_push(&slots, relocations[i].r_offset);
	*ret = slots.items;
	return slots.count;
}

void mf_exports_destroy(struct mf_exports *exports)
{
	if (!exports)
		return;
	drop_gnu(&exports->gnu);
	free(exports->sysv.buckets);
	free(exports->versions);
	free(exports->symbols);
	free(exports->names);
	free(exports);
}
