/*
 * Where memory of malloc may be. A program may protect some pages of a block,
 * as guards; that splits a mapping for the kernel, but no chunk for malloc.
 */
#ifndef MF_HEAP_GLIBC_MEMORY_H
#define MF_HEAP_GLIBC_MEMORY_H

#include "memforensics/target.h"

/** Whether MAPPING may be what malloc got from mmap. */
bool mf_glibc_is_from_mmap(const struct mf_mapping *mapping);

/**
 * The end of the memory from mmap that MAPPINGS[AT] is in, through those behind
 * it that differ in their permissions only.
 */
uint64_t mf_glibc_end_from_mmap(const struct mf_mapping *mappings, size_t count,
				size_t at);

#endif
