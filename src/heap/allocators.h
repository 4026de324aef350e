/*
 * The tables of all allocators that this build knows; heap.c lists them.
 */
#ifndef MF_HEAP_ALLOCATORS_H
#define MF_HEAP_ALLOCATORS_H

#include "heap/allocator.h"

extern const struct mf_allocator_ops mf_jemalloc_ops;
extern const struct mf_allocator_ops mf_tcmalloc_ops;
extern const struct mf_allocator_ops mf_mimalloc_ops;
extern const struct mf_allocator_ops mf_musl_ops;
extern const struct mf_allocator_ops mf_go_ops;
extern const struct mf_allocator_ops mf_hotspot_ops;
extern const struct mf_allocator_ops mf_v8_ops;
extern const struct mf_allocator_ops mf_cpython_ops;

#endif
