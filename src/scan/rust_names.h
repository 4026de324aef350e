/*
 * Names of Rust's types, as its symbols have them; and where the source of code
 * is, as it says itself when it panics.
 */
#ifndef MF_SCAN_RUST_NAMES_H
#define MF_SCAN_RUST_NAMES_H

#include "scan/follow.h"

/**
 * Of a demangled NAME the first type argument behind the first BEFORE in it, up
 * to its comma or bracket; free() it. NULL: there is none.
 */
char *mf_rust_argument(const char *name, const char *before);

/**
 * The source line that the functions at STARTS (COUNT of them) seem to come
 * from, "src/main.rs:12:5", by the places that they would tell of in a panic,
 * at most DEPTH calls away; free() it. NULL: there is none.
 */
char *mf_rust_source(struct mf_follower *follower, struct mf_target *target,
		     const uint64_t *starts, size_t count, unsigned depth);

/** Some place of a panic in these functions is in a file whose path has TEXT. */
bool mf_rust_panics_in(struct mf_follower *follower, struct mf_target *target,
		       const uint64_t *starts, size_t count, unsigned depth,
		       const char *text);

#endif
