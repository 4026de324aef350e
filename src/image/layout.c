/*
 * Layouts of structs: the compilation unit by the address of one of its
 * functions, the struct by name among the unit's types, its members by name
 * through anonymous members and dotted paths. Only the units on that way are
 * read; what was found is kept.
 */
#include <dwarf.h>
#include <string.h>

#include "image/debug.h"
#include "image/tables.h"

enum {
	DEPTH_MAX = 16,	     /* of types in types, and imported units */
	DIES_MAX = 1 << 22,  /* looked at for one question */
	UNITS_MAX = 1 << 18, /* looked at for one question */
};

/** The unit of one symbol, and the types found in it. */
struct mf_layout {
	struct mf_layout *next;
	char *near, *name; /* NAME NULL: the unit itself */
	bool found;
	Dwarf_Die die;
};

struct lookup {
	struct mf_image *image;
	struct mf_object *object;
	Dwarf *dwarf;
	const char *name;
	struct mf_map units; /* imported ones seen, by offset */
	size_t dies;
	Dwarf_Die found;
};

/* ---- the unit ----------------------------------------------------------- */

static bool unit_at(void *context, uint64_t vaddr)
{
	struct lookup *lookup = context;

	return dwarf_addrdie(lookup->dwarf, vaddr, &lookup->found) != NULL;
}

static bool is_defined_variable(Dwarf_Die *die, const char *name)
{
	const char *text;

	if (dwarf_tag(die) != DW_TAG_variable)
		return false;
	text = dwarf_diename(die);
	return text && strcmp(text, name) == 0 &&
	       dwarf_hasattr(die, DW_AT_location);
}

/* A variable is in no table of ranges: looked for by name in every unit. */
static bool unit_of_variable(struct lookup *lookup, const char *near)
{
	Dwarf_CU *unit = NULL;

	for (size_t i = 0; i < UNITS_MAX; i++) {
		Dwarf_Die child;

		if (dwarf_get_units(lookup->dwarf, unit, &unit, NULL, NULL,
				    &lookup->found, NULL) != 0)
			return false;
		if (dwarf_child(&lookup->found, &child) != 0)
			continue;
		do {
			if (++lookup->dies > DIES_MAX)
				return false;
			if (is_defined_variable(&child, near))
				return true;
		} while (dwarf_siblingof(&child, &child) == 0);
	}
	return false;
}

static bool find_unit(struct lookup *lookup, const char *near)
{
	const Elf64_Sym *symbol;

	if (!mf_tables_find(lookup->image, lookup->object, &near, 1,
			    MF_SYMBOLS_DEBUG, &symbol))
		return false;
	if (unit_at(lookup, symbol->st_value))
		return true;
	if (ELF64_ST_TYPE(symbol->st_info) == STT_OBJECT)
		return mf_tables_visit_siblings(lookup->image, lookup->object,
						near, unit_at, lookup) ||
		       unit_of_variable(lookup, near);
	return mf_debug_scan_units(lookup->dwarf, symbol->st_value,
				   &lookup->found);
}

/* ---- the struct --------------------------------------------------------- */

static bool is_struct(Dwarf_Die *die, const char *name)
{
	int tag = dwarf_tag(die);
	const char *text;

	if (tag != DW_TAG_structure_type && tag != DW_TAG_class_type &&
	    tag != DW_TAG_union_type)
		return false;
	text = dwarf_diename(die);
	return text && strcmp(text, name) == 0;
}

/* A declaration may point to its definition in a type unit. */
static bool resolve_struct(Dwarf_Die *die)
{
	Dwarf_Attribute attribute;

	if (!dwarf_hasattr(die, DW_AT_declaration))
		return true;
	return dwarf_attr(die, DW_AT_signature, &attribute) &&
	       dwarf_formref_die(&attribute, die);
}

static bool find_in_unit(struct lookup *lookup, Dwarf_Die *unit,
			 unsigned depth);

static bool find_in_import(struct lookup *lookup, Dwarf_Die *import,
			   unsigned depth)
{
	Dwarf_Attribute attribute;
	Dwarf_Die unit;

	if (!dwarf_attr(import, DW_AT_import, &attribute) ||
	    !dwarf_formref_die(&attribute, &unit) ||
	    !mf_map_set(&lookup->units, (uintptr_t)unit.addr, 1))
		return false;
	return find_in_unit(lookup, &unit, depth + 1);
}

static bool find_in_unit(struct lookup *lookup, Dwarf_Die *unit, unsigned depth)
{
	Dwarf_Die child;

	if (depth > DEPTH_MAX || dwarf_child(unit, &child) != 0)
		return false;
	do {
		if (++lookup->dies > DIES_MAX)
			return false;
		if (dwarf_tag(&child) == DW_TAG_imported_unit) {
			if (find_in_import(lookup, &child, depth))
				return true;
		} else if (is_struct(&child, lookup->name)) {
			lookup->found = child;
			if (resolve_struct(&lookup->found))
				return true;
		}
	} while (dwarf_siblingof(&child, &child) == 0);
	return false;
}

/*
 * With -fdebug-types-section a type is a unit of its own, and nothing in the
 * units that use it bears its name. It counts when it is the only one so named.
 */
static bool find_type_unit(struct lookup *lookup)
{
	Dwarf_CU *unit = NULL;
	unsigned found = 0;

	for (size_t i = 0; i < UNITS_MAX && found < 2; i++) {
		Dwarf_Die die, type;
		uint8_t kind;

		if (dwarf_get_units(lookup->dwarf, unit, &unit, NULL, &kind,
				    &die, &type) != 0)
			break;
		if (kind != DW_UT_type || !is_struct(&type, lookup->name) ||
		    dwarf_hasattr(&type, DW_AT_declaration))
			continue;
		lookup->found = type;
		found++;
	}
	return found == 1;
}

/* ---- what was found ----------------------------------------------------- */

static struct mf_layout *recall(struct mf_object *object, const char *near,
				const char *name)
{
	struct mf_layout *layout = *mf_debug_layouts(object);

	for (; layout; layout = layout->next)
		if (strcmp(layout->near, near) == 0 &&
		    (name ? layout->name && strcmp(layout->name, name) == 0
			  : !layout->name))
			return layout;
	return NULL;
}

static struct mf_layout *remember(struct lookup *lookup, const char *near,
				  const char *name, bool found)
{
	struct mf_layout **first = mf_debug_layouts(lookup->object);
	struct mf_layout *layout = mf_new(struct mf_layout);

	layout->near = mf_strdup(near);
	layout->name = name ? mf_strdup(name) : NULL;
	layout->found = found;
	layout->die = lookup->found;
	layout->next = *first;
	*first = layout;
	return layout;
}

static struct mf_layout *find_layout(struct mf_image *image,
				     struct mf_object *object, const char *near,
				     const char *name)
{
	struct lookup lookup = {
		.image = image,
		.object = object,
		.name = name,
	};
	struct mf_layout *unit, *layout = recall(object, near, name);
	bool found;

	if (layout)
		return layout;
	lookup.dwarf = mf_debug_dwarf(image, object);
	if (!lookup.dwarf)
		return NULL;
	unit = recall(object, near, NULL);
	if (!unit) {
		found = find_unit(&lookup, near);
		unit = remember(&lookup, near, NULL, found);
	}
	found = unit->found && (find_in_unit(&lookup, &unit->die, 0) ||
				find_type_unit(&lookup));
	layout = remember(&lookup, near, name, found);
	mf_map_deinit(&lookup.units);
	return layout;
}

void mf_layouts_destroy(struct mf_layout *layouts)
{
	while (layouts) {
		struct mf_layout *next = layouts->next;

		free(layouts->near);
		free(layouts->name);
		free(layouts);
		layouts = next;
	}
}

/* ---- members ------------------------------------------------------------ */

/* libdw's own peeling follows typedefs in a circle for ever. */
static bool peel_type(Dwarf_Die *die)
{
	for (unsigned i = 0; i < DEPTH_MAX * 4; i++) {
		Dwarf_Attribute attribute;

		switch (dwarf_tag(die)) {
		case DW_TAG_typedef:
		case DW_TAG_const_type:
		case DW_TAG_volatile_type:
		case DW_TAG_restrict_type:
		case DW_TAG_atomic_type:
			break;
		default:
			return resolve_struct(die);
		}
		if (!dwarf_attr(die, DW_AT_type, &attribute) ||
		    !dwarf_formref_die(&attribute, die))
			return false;
	}
	return false;
}

static bool type_of(Dwarf_Die *die, Dwarf_Die *ret)
{
	Dwarf_Attribute attribute;

	return dwarf_attr(die, DW_AT_type, &attribute) &&
	       dwarf_formref_die(&attribute, ret) && peel_type(ret);
}

/* The number of elements by one dimension of an array; 0: not known. */
static uint64_t dimension(Dwarf_Die *subrange)
{
	Dwarf_Attribute attribute;
	Dwarf_Word value;

	if (dwarf_attr(subrange, DW_AT_count, &attribute))
		return dwarf_formudata(&attribute, &value) == 0 ? value : 0;
	if (!dwarf_attr(subrange, DW_AT_upper_bound, &attribute) ||
	    dwarf_formudata(&attribute, &value) != 0)
		return 0;
	return value + 1;
}

/* Elements of an array; 0 when not known. */
static uint64_t element_count(Dwarf_Die *array)
{
	Dwarf_Die child;
	uint64_t total = 1;

	if (dwarf_child(array, &child) != 0)
		return 0;
	for (unsigned i = 0; i < DEPTH_MAX; i++) {
		if (dwarf_tag(&child) == DW_TAG_subrange_type &&
		    __builtin_mul_overflow(total, dimension(&child), &total))
			return 0;
		if (dwarf_siblingof(&child, &child) != 0)
			return total;
	}
	return 0;
}

/* Bytes of a peeled type; 0: not known, or none. */
static uint64_t type_size(Dwarf_Die *type)
{
	Dwarf_Die die = *type;
	uint64_t count = 1;

	for (unsigned i = 0; i < DEPTH_MAX; i++) {
		int size = dwarf_bytesize(&die);

		if (size >= 0)
			return __builtin_mul_overflow(count, (uint64_t)size,
						      &count)
				       ? 0
				       : count;
		if (dwarf_tag(&die) == DW_TAG_pointer_type)
			return count * sizeof(uint64_t);
		if (dwarf_tag(&die) == DW_TAG_array_type &&
		    __builtin_mul_overflow(count, element_count(&die), &count))
			return 0;
		if (!type_of(&die, &die))
			return 0;
	}
	return 0;
}

/* Members of unions have no location: they begin where it begins. */
static int64_t member_offset(Dwarf_Die *member)
{
	Dwarf_Attribute attribute;
	Dwarf_Word value;
	Dwarf_Op *expression;
	size_t length;

	if (dwarf_attr(member, DW_AT_data_bit_offset, &attribute))
		return dwarf_formudata(&attribute, &value) == 0 &&
				       value < INT64_MAX
			       ? (int64_t)(value / 8)
			       : -1;
	if (!dwarf_attr(member, DW_AT_data_member_location, &attribute))
		return 0;
	if (dwarf_formudata(&attribute, &value) == 0)
		return value < INT64_MAX ? (int64_t)value : -1;
	if (dwarf_getlocation(&attribute, &expression, &length) == 0 &&
	    length == 1 && expression[0].atom == DW_OP_plus_uconst &&
	    expression[0].number < INT64_MAX)
		return (int64_t)expression[0].number;
	return -1;
}

struct place {
	Dwarf_Die type;
	int64_t offset;
};

/* A member by name: the SIZE bytes at NAME. */
struct member_search {
	const char *name;
	size_t size;
	size_t dies; /* looked at so far */
};

static bool find_member(struct member_search *search, Dwarf_Die *type,
			unsigned depth, struct place *ret);

/* MEMBER itself, or one inside it when it has no name. */
static bool match_member(struct member_search *search, Dwarf_Die *member,
			 unsigned depth, struct place *ret)
{
	const char *text = dwarf_diename(member);
	struct place place;

	if (dwarf_tag(member) != DW_TAG_member ||
	    (text && (strlen(text) != search->size ||
		      memcmp(text, search->name, search->size) != 0)))
		return false;
	place.offset = member_offset(member);
	if (place.offset < 0 || !type_of(member, &place.type))
		return false;
	if (text) {
		*ret = place;
		return true;
	}
	return find_member(search, &place.type, depth + 1, ret) &&
	       !__builtin_add_overflow(place.offset, ret->offset, &ret->offset);
}

static bool find_member(struct member_search *search, Dwarf_Die *type,
			unsigned depth, struct place *ret)
{
	Dwarf_Die child;

	if (depth > DEPTH_MAX || dwarf_child(type, &child) != 0)
		return false;
	do {
		if (match_member(search, &child, depth, ret))
			return true;
	} while (++search->dies < DIES_MAX &&
		 dwarf_siblingof(&child, &child) == 0);
	return false;
}

/* PATH may lead through members: "header.self". */
static void fill_member(Dwarf_Die *type, struct mf_member *member)
{
	struct member_search search = { .name = member->name };
	struct place place = { .type = *type };
	int64_t offset = 0;

	for (unsigned depth = 0; depth < DEPTH_MAX; depth++) {
		Dwarf_Die holder = place.type;

		search.size = strcspn(search.name, ".");
		if (!find_member(&search, &holder, 0, &place) ||
		    __builtin_add_overflow(offset, place.offset, &offset))
			return;
		if (!search.name[search.size]) {
			member->offset = offset;
			member->size = type_size(&place.type);
			return;
		}
		search.name += search.size + 1;
	}
}

// NOLINTNEXTLINE(readability-function-size): as many as the question has
bool mf_image_struct_layout(struct mf_image *image,
			    const struct mf_module *module, const char *near,
			    const char *name, struct mf_member *members,
			    size_t count, uint64_t *size)
{
	struct mf_object *object = mf_image_object(image, module);
	struct mf_layout *layout;

	for (size_t i = 0; i < count; i++) {
		members[i].offset = -1;
		members[i].size = 0;
	}
	if (!object)
		return false;
	layout = find_layout(image, object, near, name);
	if (!layout || !layout->found)
		return false;
	for (size_t i = 0; i < count; i++)
		fill_member(&layout->die, &members[i]);
	*size = type_size(&layout->die);
	return true;
}
