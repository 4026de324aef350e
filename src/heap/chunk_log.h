/*
 * The compact model of a walked heap: every chunk's size and state in address
 * order, about one byte a chunk, and the links of those chunks that may be in
 * a list. It is made while the target is held, and read afterwards.
 */
#ifndef MF_HEAP_CHUNK_LOG_H
#define MF_HEAP_CHUNK_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"

/** Chunks are 16-aligned, and so are their sizes. */
enum {
	MF_GRANULE = 16,
};

enum mf_chunk_state {
	MF_CHUNK_IN_USE, /* or in a tcache or fast bin: the links tell */
	MF_CHUNK_FREE,	 /* its successor's PREV_INUSE is clear */
	MF_CHUNK_TOP,
	MF_CHUNK_OVERHEAD, /* fencepost, gap: nobody's memory */
	MF_CHUNK_UNREAD,   /* could not be read or made no sense */
	MF_CHUNK_STATES,
};

struct mf_chunk_log {
	MF_VEC(uint8_t) bytes;
};

/** Appends a chunk of SIZE bytes (a multiple of 16). */
void mf_chunk_log_add(struct mf_chunk_log *log, uint64_t size,
		      enum mf_chunk_state state);

/** Reads the chunk at *OFFSET and moves on; false at the end. */
bool mf_chunk_log_next(const struct mf_chunk_log *log, size_t *offset,
		       uint64_t *size, enum mf_chunk_state *state);

void mf_chunk_log_deinit(struct mf_chunk_log *log);

/* ---- links ----------------------------------------------------------- */

enum mf_link_mark {
	MF_LINK_NONE,
	MF_LINK_FAST,
	MF_LINK_TCACHE,
	MF_LINK_UNSORTED,
};

/**
 * A chunk whose first word may be a list's link, in 8 bytes: its place in its
 * page, its size, and where the link leads, all in granules.
 */
struct mf_link {
	uint64_t place : 8;
	uint64_t granules : 8; /* its size; 0: more than 255 */
	uint64_t next : 44;    /* address / 16; 0: the list ends here */
	uint64_t mark : 3;     /* enum mf_link_mark */
	uint64_t free : 1;     /* its successor says that it is free */
};

_Static_assert(sizeof(struct mf_link) == 8, "millions of these are kept");

/** The most links that a segment keeps (2 GiB); a walk with more says so. */
#define MF_LINKS_MAX (UINT64_C(1) << 28)

/** Links of one segment, ascending, found through their page. */
struct mf_link_table {
	uint64_t start; /* a page's address */
	MF_VEC(struct mf_link) links;
	MF_VEC(uint32_t) pages; /* first link of a page */
	bool overflowed;
};

/** For chunks from START (rounded down to a page) on. */
void mf_link_table_init(struct mf_link_table *table, uint64_t start);
void mf_link_table_deinit(struct mf_link_table *table);

/** Appends the link of CHUNK, which lies behind all that went before. */
void mf_link_table_add(struct mf_link_table *table, uint64_t chunk,
		       uint64_t next, uint64_t size, bool is_free);

/** The link of the chunk at ADDRESS, or NULL. */
struct mf_link *mf_link_table_find(const struct mf_link_table *table,
				   uint64_t address);

/** The address that LINK leads to; 0 at the end of its list. */
static inline uint64_t mf_link_next(const struct mf_link *link)
{
	return (uint64_t)link->next * MF_GRANULE;
}

#endif
