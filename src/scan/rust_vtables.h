/*
 * The vtables of Rust's trait objects: the second word of each fat pointer.
 */
#ifndef MF_SCAN_RUST_VTABLES_H
#define MF_SCAN_RUST_VTABLES_H

#include "base/pool.h"
#include "base/vec.h"
#include "scan/points.h"
#include "scan/rust_names.h"

enum {
	MF_RUST_VTABLES_MAX = 1 << 16, /* of all modules */
	MF_RUST_METHODS = 4,	       /* that are kept of one */
};

/** How the type of a vtable was named; the surest first. */
enum mf_rust_proof {
	MF_RUST_SYMBOL,	 /* by the symbols of its functions */
	MF_RUST_SOURCE,	 /* by a source line of theirs */
	MF_RUST_ADDRESS, /* not: where it lies */
	MF_RUST_UNNAMED, /* not yet */
};

struct mf_rust_vtable {
	uint64_t address;
	const struct mf_module *module;
	uint64_t drop; /* 0: nothing to do */
	uint64_t size, align;
	uint64_t methods[MF_RUST_METHODS];
	uint32_t method_count; /* at least 1; some may be the next one's drop */
	enum mf_rust_proof proof;
	const char *type; /* the pool's */
};

struct mf_rust_vtables {
	struct mf_target *target;
	struct mf_image *image;
	struct mf_pool pool;
	MF_VEC(struct mf_rust_vtable) list;
	struct mf_points points;      /* address of a vtable: its index */
	struct mf_follower *follower; /* of the module named last */
	const struct mf_module *followed;
	bool too_many;
};

/** Those of all modules that have Rust in them. */
struct mf_error *mf_rust_vtables_create(struct mf_target *target,
					struct mf_image *image,
					struct mf_rust_vtables **ret)
	MF_MUST_CHECK;
void mf_rust_vtables_destroy(struct mf_rust_vtables *vtables);

/** Names the type of VTABLE, if it has no name; one thread. */
const char *mf_rust_vtable_name(struct mf_rust_vtables *vtables,
				struct mf_rust_vtable *vtable);

const char *mf_rust_proof_name(enum mf_rust_proof proof);

#endif
