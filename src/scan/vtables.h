/*
 * The vtables of all modules: each place that an object's vptr may point to,
 * whose class that is, and a filter that tells fast that a word is none.
 */
#ifndef MF_SCAN_VTABLES_H
#define MF_SCAN_VTABLES_H

#include "memforensics/image.h"
#include "memforensics/target.h"

#include "base/pool.h"
#include "base/vec.h"

/** How a vtable was recognised; the surest first. */
enum mf_vtable_proof {
	MF_VTABLE_RTTI,	   /* it leads to type information that holds */
	MF_VTABLE_SYMBOL,  /* a symbol names it, and it looks like one */
	MF_VTABLE_ADDRESS, /* it looks like one */
};

struct mf_vtable_class {
	uint64_t id;	 /* of its type_info, its symbol, its vtable */
	const char *raw; /* mangled; NULL: not known */
	char *name;	 /* made when first asked */
	const struct mf_module *module;
	enum mf_vtable_proof proof;
	bool internal; /* another of the same name may be another class */
};

/** Where a vptr points to: past what stands before the first function. */
struct mf_vtable_point {
	uint64_t address;
	uint32_t class; /* index into classes */
	int32_t top; /* bytes from that vptr to the object's start, 0 or less */
};

struct mf_vtables {
	struct mf_image *image; /* for names */
	struct mf_pool pool;
	MF_VEC(struct mf_vtable_class) classes;
	MF_VEC(struct mf_vtable_point) points; /* ascending, each once */
	uint64_t *bits;			       /* of words that may be points */
	uint64_t bit_mask;
	uint32_t *slots; /* index of a point + 1, by hash */
	unsigned slot_shift;
};

struct mf_error *mf_vtables_create(struct mf_target *target,
				   struct mf_image *image,
				   struct mf_vtables **ret) MF_MUST_CHECK;
void mf_vtables_destroy(struct mf_vtables *vtables);

/** Makes the filter from points that stand there in any order. */
void mf_vtables_seal(struct mf_vtables *vtables);

/** The point at WORD after the filter let it pass, or NULL. */
const struct mf_vtable_point *mf_vtables_find(const struct mf_vtables *vtables,
					      uint64_t word);

/** False: WORD is surely none. */
static inline bool mf_vtables_may_be(const struct mf_vtables *vtables,
				     uint64_t word)
{
	uint64_t bit = word >> 3 & vtables->bit_mask;

	return vtables->bits[bit >> 6] >> (bit & 63) & 1;
}

/** The name of class INDEX for people, made when first asked for. One thread. */
const char *mf_vtables_name(struct mf_vtables *vtables, uint32_t index);
/** "c++"; of functions that a program of C has gathered, "c". One thread. */
const char *mf_vtables_language(struct mf_vtables *vtables, uint32_t index);
const char *mf_vtable_proof_name(enum mf_vtable_proof proof);

struct mf_types;

/** What TYPES look into. */
struct mf_vtables *mf_types_vtables(const struct mf_types *types);

#endif
