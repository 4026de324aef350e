/*
 * Functions that a compiler put into others: which of them the code at an
 * address belongs to, by the tree of scopes in its unit's debug information.
 */
#include <dwarf.h>
#include <string.h>

#include "image/debug.h"

enum {
	DEPTH_MAX = 96,	    /* of scopes in scopes */
	DIES_MAX = 1 << 21, /* looked at for one question */
};

struct search {
	Dwarf_Die unit;
	uint64_t vaddr;
	size_t dies;
	Dwarf_Die found[DEPTH_MAX]; /* outermost first */
	size_t count;
};

static bool find_in(struct search *search, Dwarf_Die *parent, unsigned depth);

/* A block without addresses of its own has those of what it stands in. */
static bool may_hold(struct search *search, Dwarf_Die *die, int tag)
{
	switch (tag) {
	case DW_TAG_subprogram:
	case DW_TAG_inlined_subroutine:
		return dwarf_haspc(die, search->vaddr) > 0;
	case DW_TAG_lexical_block:
		return (!dwarf_hasattr(die, DW_AT_low_pc) &&
			!dwarf_hasattr(die, DW_AT_ranges)) ||
		       dwarf_haspc(die, search->vaddr) > 0;
	case DW_TAG_namespace:
	case DW_TAG_module:
		return true;
	default:
		return false;
	}
}

/* True when what holds the address was found: no sibling does, too. */
static bool look_at(struct search *search, Dwarf_Die *die, unsigned depth)
{
	int tag = dwarf_tag(die);
	bool function = tag == DW_TAG_subprogram;

	if (!may_hold(search, die, tag))
		return false;
	if (tag == DW_TAG_inlined_subroutine && search->count < DEPTH_MAX) {
		search->found[search->count++] = *die;
		function = true;
	}
	return find_in(search, die, depth + 1) || function;
}

static bool find_in(struct search *search, Dwarf_Die *parent, unsigned depth)
{
	Dwarf_Die child;

	if (depth >= DEPTH_MAX || dwarf_child(parent, &child) != 0)
		return false;
	do {
		if (++search->dies > DIES_MAX)
			return false;
		if (look_at(search, &child, depth))
			return true;
	} while (dwarf_siblingof(&child, &child) == 0);
	return false;
}

static const char *name_of(struct mf_image *image, Dwarf_Die *die)
{
	Dwarf_Attribute attribute;
	const char *name = NULL;

	if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute) ||
	    dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attribute))
		name = dwarf_formstring(&attribute);
	if (!name)
		name = dwarf_diename(die);
	return name ? mf_image_demangled(image, name) : NULL;
}

static struct mf_line call_of(struct search *search, Dwarf_Die *die)
{
	struct mf_line call = { NULL, 0 };
	Dwarf_Attribute attribute;
	Dwarf_Word file, line;
	Dwarf_Files *files;
	size_t count;

	if (!dwarf_attr(die, DW_AT_call_file, &attribute) ||
	    dwarf_formudata(&attribute, &file) != 0 ||
	    !dwarf_attr(die, DW_AT_call_line, &attribute) ||
	    dwarf_formudata(&attribute, &line) != 0 || !line ||
	    line > UINT32_MAX ||
	    dwarf_getsrcfiles(&search->unit, &files, &count) != 0 ||
	    file >= count)
		return call;
	call.file = dwarf_filesrc(files, file, NULL, NULL);
	call.line = call.file ? (unsigned)line : 0;
	return call;
}

size_t mf_image_inlined_at(struct mf_image *image, uint64_t address,
			   struct mf_inlined *ret, size_t room)
{
	const struct mf_module *module = mf_image_module_at(image, address);
	struct mf_object *object = mf_image_object(image, module);
	Dwarf *dwarf = object ? mf_debug_dwarf(image, object) : NULL;
	struct search search = { .count = 0 };

	if (!dwarf)
		return 0;
	search.vaddr = address - module->bias;
	if (!mf_debug_unit_at(dwarf, search.vaddr, &search.unit))
		return 0;
	find_in(&search, &search.unit, 0);
	room = MF_MIN(room, search.count);
	for (size_t i = 0; i < room; i++) {
		Dwarf_Die *die = &search.found[search.count - 1 - i];

		ret[i].name = name_of(image, die);
		ret[i].call = call_of(&search, die);
	}
	return room;
}
