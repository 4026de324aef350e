/*
 * Debug information of an object: inside its file, or in a file of its own
 * that is found by build-id.
 */
#ifndef MF_IMAGE_DEBUG_H
#define MF_IMAGE_DEBUG_H

#include <elfutils/libdw.h>

#include "image/image.h"

/** The separate debug file, or NULL; stays the object's. */
Elf *mf_debug_elf(struct mf_image *image, struct mf_object *object);

/** DWARF of the file itself, else of the separate debug file; or NULL. */
Dwarf *mf_debug_dwarf(struct mf_image *image, struct mf_object *object);

/** A descriptor of the separate debug file, to close; -1: there is none. */
int mf_debug_open(struct mf_image *image, struct mf_object *object);

/** The unit of the code at VADDR by the ranges that each unit has: clang writes
 * no table of all. */
bool mf_debug_scan_units(Dwarf *dwarf, uint64_t vaddr, Dwarf_Die *ret);

/** The unit of the code at VADDR. */
bool mf_debug_unit_at(Dwarf *dwarf, uint64_t vaddr, Dwarf_Die *ret);

/** .gnu_debugdata of the file, unpacked; *fd: -1, or to close after it. */
Elf *mf_debug_open_mini(struct mf_object *object, int *fd);

/** Layouts looked up so far; a list of layout.c. */
struct mf_layout **mf_debug_layouts(struct mf_object *object);

void mf_debug_destroy(struct mf_debug *debug);
void mf_layouts_destroy(struct mf_layout *layouts);

#endif
