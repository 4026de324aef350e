/*
 * Source lines: of code by its unit's line table, of a variable by where its
 * debug information says that it is declared.
 */
#include <dwarf.h>
#include <string.h>

#include "image/debug.h"
#include "image/tables.h"

enum {
	DEPTH_MAX = 8,	     /* of namespaces in namespaces */
	DIES_MAX = 1 << 22,  /* looked at for one question */
	UNITS_MAX = 1 << 18, /* looked at for one question */
};

struct line_search {
	Dwarf *dwarf;
	uint64_t vaddr; /* of the variable */
	size_t dies;
	Dwarf_Die found;
};

/* ---- code ------------------------------------------------------------------ */

bool mf_debug_scan_units(Dwarf *dwarf, uint64_t vaddr, Dwarf_Die *ret)
{
	Dwarf_CU *unit = NULL;

	for (size_t i = 0; i < UNITS_MAX; i++) {
		uint8_t kind;

		if (dwarf_get_units(dwarf, unit, &unit, NULL, &kind, ret,
				    NULL) != 0)
			return false;
		if (kind == DW_UT_compile && dwarf_haspc(ret, vaddr) > 0)
			return true;
	}
	return false;
}

bool mf_debug_unit_at(Dwarf *dwarf, uint64_t vaddr, Dwarf_Die *ret)
{
	return dwarf_addrdie(dwarf, vaddr, ret) ||
	       mf_debug_scan_units(dwarf, vaddr, ret);
}

static bool line_of_code(Dwarf *dwarf, uint64_t vaddr, struct mf_line *ret)
{
	Dwarf_Die unit;
	Dwarf_Line *line;
	int number;

	if (!mf_debug_unit_at(dwarf, vaddr, &unit))
		return false;
	line = dwarf_getsrc_die(&unit, vaddr);
	if (!line || dwarf_lineno(line, &number) != 0 || number <= 0)
		return false;
	ret->file = dwarf_linesrc(line, NULL, NULL);
	ret->line = (unsigned)number;
	return ret->file != NULL;
}

/* ---- variables ------------------------------------------------------------- */

static bool address_of(Dwarf_Attribute *attribute, const Dwarf_Op *operation,
		       uint64_t *ret)
{
	Dwarf_Attribute value;

	if (operation->atom == DW_OP_addr) {
		*ret = operation->number;
		return true;
	}
	if (operation->atom != DW_OP_addrx &&
	    operation->atom != DW_OP_GNU_addr_index)
		return false;
	return dwarf_getlocation_attr(attribute, operation, &value) == 0 &&
	       dwarf_formaddr(&value, ret) == 0;
}

static bool is_there(struct line_search *search, Dwarf_Die *die)
{
	Dwarf_Attribute attribute;
	Dwarf_Op *operations;
	uint64_t address;
	size_t count;

	return dwarf_tag(die) == DW_TAG_variable &&
	       dwarf_attr(die, DW_AT_location, &attribute) &&
	       dwarf_getlocation(&attribute, &operations, &count) == 0 &&
	       count == 1 && address_of(&attribute, operations, &address) &&
	       address == search->vaddr;
}

/* Also in namespaces, and those of functions that only they know. */
static bool find_in(struct line_search *search, Dwarf_Die *parent,
		    unsigned depth)
{
	Dwarf_Die child;

	if (depth > DEPTH_MAX || dwarf_child(parent, &child) != 0)
		return false;
	do {
		int tag = dwarf_tag(&child);

		if (++search->dies > DIES_MAX)
			return false;
		if (is_there(search, &child)) {
			search->found = child;
			return true;
		}
		if ((tag == DW_TAG_namespace || tag == DW_TAG_subprogram) &&
		    find_in(search, &child, depth + 1))
			return true;
	} while (dwarf_siblingof(&child, &child) == 0);
	return false;
}

static bool find_variable(struct line_search *search)
{
	Dwarf_CU *unit = NULL;

	for (size_t i = 0; i < UNITS_MAX && search->dies < DIES_MAX; i++) {
		Dwarf_Die die;

		if (dwarf_get_units(search->dwarf, unit, &unit, NULL, NULL,
				    &die, NULL) != 0)
			return false;
		if (find_in(search, &die, 0))
			return true;
	}
	return false;
}

/* A member's or a prior declaration has the name, this one may have none. */
static bool line_of_variable(Dwarf *dwarf, uint64_t vaddr, struct mf_line *ret)
{
	struct line_search search = { .dwarf = dwarf, .vaddr = vaddr };
	Dwarf_Attribute attribute;
	Dwarf_Die declaration;
	int number;

	if (!find_variable(&search))
		return false;
	ret->file = dwarf_decl_file(&search.found);
	if (ret->file && dwarf_decl_line(&search.found, &number) == 0) {
		ret->line = (unsigned)number;
		return true;
	}
	if (!dwarf_attr(&search.found, DW_AT_specification, &attribute) ||
	    !dwarf_formref_die(&attribute, &declaration))
		return false;
	ret->file = dwarf_decl_file(&declaration);
	if (!ret->file || dwarf_decl_line(&declaration, &number) != 0)
		return false;
	ret->line = (unsigned)number;
	return true;
}

/* ---- either ---------------------------------------------------------------- */

static bool is_code(const struct mf_module *module, uint64_t address)
{
	for (size_t i = 0; i < module->segment_count; i++)
		if (address >= module->segments[i].start &&
		    address < module->segments[i].end)
			return module->segments[i].kind == MF_SEGMENT_TEXT;
	return false;
}

bool mf_image_line_at(struct mf_image *image, uint64_t address,
		      struct mf_line *ret)
{
	const struct mf_module *module = mf_image_module_at(image, address);
	struct mf_object *object = mf_image_object(image, module);
	Dwarf *dwarf = object ? mf_debug_dwarf(image, object) : NULL;

	if (!dwarf)
		return false;
	if (is_code(module, address))
		return line_of_code(dwarf, address - module->bias, ret);
	return line_of_variable(dwarf, address - module->bias, ret);
}
