/*
 * The space as its own files see it: copies of the kernel's mappings, the
 * spans that claims cut them into, and what those who claim for the space
 * itself (names, ELF objects, stacks, shapes) need of each other.
 */
#ifndef MF_SPACE_MODEL_H
#define MF_SPACE_MODEL_H

#include "memforensics/space.h"

#include "base/map.h"
#include "base/pool.h"
#include "base/vec.h"
#include "space/pthread.h"
#include "space/spans.h"

struct mf_claim_record {
	struct mf_claim claim; /* texts interned, never NULL */
	unsigned rank;	       /* the higher stands */
	bool cached;	       /* a stack whose thread is gone */
};

/** The regions as last asked for. */
struct mf_space_view {
	MF_VEC(struct mf_region) regions;
	struct mf_region single; /* of region_at, before settling */
	size_t claims;		 /* that the regions are made of */
	bool made;
};

/** ld.so, when there is one and it says where its list of objects is. */
struct mf_loader {
	const struct mf_module *module; /* NULL: not known */
	uint64_t debug;			/* address of _r_debug */
};

struct mf_space {
	struct mf_target *target;
	struct mf_image *image; /* NULL: listing */
	struct mf_pthread_hints pthread;
	struct mf_loader loader;
	uint64_t page;

	struct mf_pool pool;
	MF_VEC(const char *) texts; /* of claims, each once */
	struct mf_map text_of_hash; /* indices of texts */

	struct mf_mapping *mappings; /* in address order */
	size_t mapping_count;
	bool *elf; /* of each mapping: one of a run that loads an ELF file */
	struct mf_spans spans;
	MF_VEC(struct mf_claim_record) claims;
	size_t conflicts;

	struct mf_space_view *view;
	bool settled;
	MF_VEC(struct mf_class_total) totals;
	struct mf_stack_census stacks;
};

/** How a claim of the space itself differs from an owner's. */
enum mf_claim_manner {
	MF_CLAIM_PLAIN,
	MF_CLAIM_WEAK,	 /* gives way to any other claim as certain as it */
	MF_CLAIM_CACHED, /* plain; a stack whose thread is gone */
};

void mf_space_claim_as(struct mf_space *space, const struct mf_claim *claim,
		       enum mf_claim_manner manner);

/** Index of the first mapping that ends after ADDRESS (mapping_count: none). */
size_t mf_space_mapping_after(const struct mf_space *space, uint64_t address);

/** The mapping that holds ADDRESS, or NULL. */
const struct mf_mapping *mf_space_mapping_at(const struct mf_space *space,
					     uint64_t address);

/** The claim that stands at ADDRESS; NULL: nobody's, or nothing there. */
const struct mf_claim_record *mf_space_claim_at(const struct mf_space *space,
						uint64_t address);

static inline bool mf_mapping_is_reserve(const struct mf_mapping *mapping)
{
	return !(mapping->perms &
		 (MF_PERM_READ | MF_PERM_WRITE | MF_PERM_EXEC));
}

/** Private memory that no file is behind; the kernel may have named it. */
bool mf_mapping_is_anonymous(const struct mf_mapping *mapping);

/** Both are of one file. */
bool mf_mapping_is_same_file(const struct mf_mapping *a,
			     const struct mf_mapping *b);

/** The last component of PATH. */
const char *mf_base_name(const char *path);

void mf_loader_find(struct mf_image *image, struct mf_loader *ret);

/* ---- who claims for the space itself, in this order ------------------- */

void mf_space_mark_elf_runs(struct mf_space *space);
void mf_space_claim_names(struct mf_space *space);
void mf_space_claim_modules(struct mf_space *space);
void mf_space_claim_stacks(struct mf_space *space);
void mf_space_claim_loader(struct mf_space *space);
void mf_space_claim_shapes(struct mf_space *space);

/* ---- after the last claim ---------------------------------------------- */

struct mf_error *mf_space_measure(struct mf_space *space) MF_MUST_CHECK;
void mf_space_suspect(struct mf_space *space);

#endif
