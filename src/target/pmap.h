/*
 * The lines of `pmap -x`, `pmap -X`, `pmap -XX` and plain `pmap`, as mappings.
 * A header line names the columns; procps of different years print different
 * ones.
 */
#ifndef MF_TARGET_PMAP_H
#define MF_TARGET_PMAP_H

#include "target/maps.h"

enum {
	MF_PMAP_COLUMNS = 48,
	MF_PMAP_NAME = 24,
};

/** The columns of the listing at hand. */
struct mf_pmap {
	char names[MF_PMAP_COLUMNS][MF_PMAP_NAME];
	size_t count; /* 0: no header was seen */
};

/** True when LINE names columns; PMAP then has them. */
bool mf_pmap_parse_header(struct mf_pmap *pmap, const char *line);

/** True when LINE is a mapping by PMAP's columns, or by plain pmap's. */
bool mf_pmap_parse_row(const struct mf_pmap *pmap, const char *line,
		       struct mf_mapping *ret);

/** "====== =====", "---------------- -------", "total kB 5008", "total 4K". */
bool mf_pmap_is_end(const char *line);

#endif
