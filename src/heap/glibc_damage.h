/*
 * What can be wrong with a heap: the kinds of damage, and the notes that the
 * walk and the lists make of it.
 */
#ifndef MF_HEAP_GLIBC_DAMAGE_H
#define MF_HEAP_GLIBC_DAMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "memforensics/heap.h"

#include "base/compiler.h"

struct mf_glibc;
struct mf_glibc_arena;

/** Those nearest to their cause first: so they are reported. */
enum mf_damage {
	MF_DAMAGE_SIZE,	       /* a size field that cannot be */
	MF_DAMAGE_TOP_SIZE,    /* top does not end where its memory does */
	MF_DAMAGE_FENCE,       /* no fenceposts at a heap's end */
	MF_DAMAGE_HEAP_INFO,   /* a heap's own header */
	MF_DAMAGE_PREV_INUSE,  /* clear, though that chunk is not free */
	MF_DAMAGE_PREV_SIZE,   /* not the size of the free chunk before */
	MF_DAMAGE_FLAGS,       /* a flag that this arena does not have */
	MF_DAMAGE_DOUBLE_FREE, /* a chunk in two lists, or twice in one */
	MF_DAMAGE_TCACHE_LINK, /* of a chunk in a tcache */
	MF_DAMAGE_FAST_LINK,   /* of a chunk in a fast bin */
	MF_DAMAGE_FD,	       /* of a chunk in a bin */
	MF_DAMAGE_BK,
	MF_DAMAGE_SKIP_LIST,	/* fd_nextsize, bk_nextsize */
	MF_DAMAGE_TCACHE_ENTRY, /* leads to no chunk of its size */
	MF_DAMAGE_FAST_ENTRY,
	MF_DAMAGE_BIN_ENTRY,	/* leads to no free chunk */
	MF_DAMAGE_WRONG_BIN,	/* a free chunk in another size's bin */
	MF_DAMAGE_UNLISTED,	/* a free chunk in no bin */
	MF_DAMAGE_NEIGHBOURS,	/* two free chunks side by side */
	MF_DAMAGE_BEFORE_TOP,	/* a free chunk that did not become top */
	MF_DAMAGE_TCACHE_COUNT, /* not what its list holds */
	MF_DAMAGE_BINMAP,	/* says empty of a bin that is not */
	MF_DAMAGE_BINS,		/* links and free chunks do not add up */
	MF_DAMAGE_TOP,		/* leads to what is not the last chunk */
	MF_DAMAGE_SYSTEM_MEM,
	MF_DAMAGE_ARENA, /* another field of malloc_state */
	MF_DAMAGE_KINDS,
};

enum {
	MF_DAMAGE_BYTES = 32, /* kept of what stands at the place */
};

struct mf_glibc_damage {
	enum mf_damage kind;
	uint64_t address, lost;
	const char *what;
	bool bytes_known;
	uint8_t bytes[MF_DAMAGE_BYTES];
};

/**
 * Notes a contradiction at ADDRESS, one phrase; keeps the first few of each
 * arena, and each once. The note (valid until the next), or NULL.
 */
struct mf_glibc_damage *
mf_glibc_note_damage(struct mf_glibc *glibc, struct mf_glibc_arena *arena,
		     enum mf_damage kind, uint64_t address, const char *format,
		     ...) MF_PRINTF(5, 6);

/**
 * What the walk has at ADDRESS (segments sorted): the chunk that holds it and
 * those beside it, into RET's neighbours; false: none of its memory.
 */
bool mf_glibc_locate(struct mf_glibc *glibc, uint64_t address,
		     struct mf_corruption *ret);

/** The notes of ARENA as the door has them; after all lists are resolved. */
void mf_glibc_publish_damage(struct mf_glibc *glibc,
			     struct mf_glibc_arena *arena,
			     struct mf_arena *info);

/* ---- lists (glibc_bins.c, glibc_members.c) ------------------------------ */

/**
 * Under the hold, once all is walked: whether every bin's links lead to its
 * chunks and back. Where they do not, follows that bin and names the chunk.
 */
void mf_glibc_check_bins(struct mf_glibc *glibc);

/** A list of chunks of one size that are linked in their first word. */
struct mf_glibc_list {
	bool tcache;   /* else a fast bin */
	uint64_t size; /* of its chunks; 0: of several */
};

/**
 * Says why CHUNK, to which the link of FROM (0: the list's head) leads, is no
 * member of LIST, or cannot be followed on from.
 */
void mf_glibc_blame_member(struct mf_glibc *glibc, struct mf_glibc_arena *arena,
			   const struct mf_glibc_list *list, uint64_t chunk,
			   uint64_t from);

#endif
