/*
 * The type information of C++ classes (Itanium ABI): what is one, told by
 * structure and by the names that no strip takes away.
 */
#ifndef MF_SCAN_RTTI_H
#define MF_SCAN_RTTI_H

#include "base/map.h"
#include "base/pool.h"
#include "scan/words.h"

/** One type_info object of a class. */
struct mf_rtti_class {
	uint64_t address;
	const char *name;   /* mangled, without "_ZTS" or '*' */
	bool internal;	    /* of one source file: equal names mean nothing */
	bool virtual_bases; /* it, or one of its bases, has such */
};

struct mf_rtti {
	struct mf_target *target;
	const struct mf_module_map *map;
	struct mf_pool pool;
	size_t pool_size;
	uint64_t climbs;     /* bases that were looked at */
	struct mf_map kinds; /* vptr of a type_info: its kind, 0 for none */
	struct mf_map known; /* address: index of its class + 1, 0 for none */
	MF_VEC(struct mf_rtti_class) classes;
};

/** MAP lives as long as RTTI. */
void mf_rtti_init(struct mf_rtti *rtti, struct mf_target *target,
		  const struct mf_module_map *map);
void mf_rtti_deinit(struct mf_rtti *rtti);

/** Is there the type_info object of a class at ADDRESS? Its index, or -1. */
int64_t mf_rtti_class_at(struct mf_rtti *rtti, uint64_t address);

/** A mangled name, as type_info and symbols have it, in words; free() it. */
char *mf_rtti_demangle(const char *name);

#endif
