/*
 * What the finders of ptmalloc share: the scan of a module's writable data, and
 * the steps that settle what is known of a copy once it is found.
 */
#ifndef MF_HEAP_GLIBC_FIND_H
#define MF_HEAP_GLIBC_FIND_H

#include "heap/glibc.h"

/** What a scan of a module's writable data looks for. */
struct mf_glibc_scan {
	struct mf_heap_context *context;
	const struct mf_module *module;
	/* Called on each aligned word; true ends the scan. */
	bool (*look)(struct mf_glibc_scan *scan, uint64_t address,
		     uint64_t word);
	struct mf_glibc *glibc;
	uint64_t main_arena; /* found; 0: not */
	const struct mf_glibc_layout *layout;
	uint64_t unused_arena; /* the first that looks like an unused one */
	const struct mf_glibc_layout *unused_layout;
	bool any_arena_test; /* it is not what it is unless tuned */
	int best_score;
};

/** False when nothing ended the scan. */
bool mf_glibc_scan_module(struct mf_glibc_scan *scan);

/* ---- by symbols and debug information (glibc_symbols.c) ------------------ */

/** Addresses by symbol; 0: there is none. */
struct mf_glibc_symbols {
	uint64_t main_arena, parameters;
};

/**
 * KNOWN: that the module holds a ptmalloc is known by its structure; else only
 * one that exports libc's own names is worth the reading of its symbols.
 */
struct mf_glibc_symbols mf_glibc_find_symbols(struct mf_heap_context *context,
					      const struct mf_module *module,
					      bool known);

/** Compares the layout with DWARF; what mf_allocator.layout says. */
const char *mf_glibc_settle_layout(struct mf_glibc *glibc);

/** The version that the module's own text says, 236 for 2.36; 0: none. */
unsigned mf_glibc_read_banner(struct mf_heap_context *context,
			      const struct mf_module *module);

/* ---- malloc_par (glibc_parameters.c) --------------------------------------- */

/** Finds mp_ by its values, and compares with the symbol's address (0: none). */
void mf_glibc_settle_parameters(struct mf_glibc *glibc, uint64_t by_symbol);

#endif
