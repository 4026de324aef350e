/*
 * What the files of leaks share: chunks and mappings that nothing reaches, how
 * sure that is, which of them hold the others, and groups of those alike.
 */
#ifndef MF_SCAN_LEAKS_H
#define MF_SCAN_LEAKS_H

#include "scan/engine.h"
#include "scan/links.h"
#include "scan/place.h"
#include "scan/roots.h"

enum {
	MF_LEAKS_KEPT = 1 << 21,      /* told of one by one, at most */
	MF_LEAKS_DESCRIBED = 1 << 16, /* whose bytes are looked at */
	MF_LEAKS_ADDRESSES = 16,      /* of a group, unless all are wanted */
	MF_LEAKS_HEAD = 256,	      /* bytes of one that are looked at */
};

/** Why it may be none; a bit set. The first that is set is the reason. */
enum mf_leak_doubt {
	/* confidence is low */
	MF_DOUBT_RACY = 1 << 0,	   /* read while the process ran */
	MF_DOUBT_DROPPED = 1 << 1, /* not all pointers could be kept */
	MF_DOUBT_UNREAD = 1 << 2,  /* not all roots could be read */
	MF_DOUBT_SWAPPED = 1 << 3, /* the same, in swap */
	MF_DOUBT_BLIND = 1 << 4,   /* registers are not known */
	MF_DOUBT_DAMAGED = 1 << 5, /* its arena's heap is damaged */
	MF_DOUBT_TORN = 1 << 6,	   /* its arena was caught changing */
	/* it is medium */
	MF_DOUBT_TAGGED = 1
			  << 7, /* a word with other high 16 bits leads there */
	MF_DOUBT_DEAD = 1 << 8, /* a word that is nobody's leads there */
	MF_DOUBT_RINGS = 1 << 9,    /* io_uring may have it */
	MF_DOUBT_SIGNALS = 1 << 10, /* it may be an alternate signal stack */
	MF_DOUBT_PAST = 1 << 11,    /* a word to its very end */
};
#define MF_DOUBTS_LOW ((unsigned)MF_DOUBT_TAGGED - 1)

/** What the first bytes of one look like. */
enum mf_leak_content {
	MF_LEAK_UNSEEN,
	MF_LEAK_ZERO,
	MF_LEAK_TEXT,
	MF_LEAK_POINTERS,
	MF_LEAK_MIXED,
};

struct mf_leak {
	uint64_t address; /* of the user's first byte */
	uint64_t size;	  /* with header */
	uint64_t held;	 /* of a root: bytes that hang on it, without its own */
	uint64_t digest; /* of its first bytes; 0: they were not read */
	const char *type; /* NULL: not known */
	uint32_t node;
	uint32_t held_count;
	uint16_t doubts;
	uint8_t content; /* enum mf_leak_content */
	bool is_root;	 /* nothing that is leaked leads to it */
	bool is_mapping;
	bool is_shared; /* of a root: it leads to what another one holds, too */
	bool is_told;	/* not too small, and (with a past) in both */
	bool is_fresh;	/* with a past: not in that */
};

/** Leaks that are alike. */
struct mf_leak_group {
	uint32_t first; /* the leak at the lowest address */
	uint64_t count, bytes, held, held_count;
	bool is_shared;
	uint8_t head_size;
	uint8_t head[48];	/* bytes of the first */
	MF_VEC(uint32_t) leaks; /* the first, or all; ascending */
};

struct mf_leak_before {
	uint64_t address, size, digest;
};

struct mf_leaks_past {
	MF_VEC(struct mf_leak_before) leaks; /* ascending */
};

struct mf_leaks {
	struct mf_target *target;
	struct mf_leaks_options options;
	struct mf_types *types;
	struct mf_places places;
	/* made by a read */
	struct mf_roots roots;
	struct mf_graph *graph;
	struct mf_links links;
	struct mf_node_set reached, dead, tagged, past;
	MF_VEC(struct mf_leak) leaks;	     /* ascending */
	MF_VEC(struct mf_leak_group) groups; /* most bytes first */
	uint64_t words[MF_ROOT_KINDS];	     /* root words that lead to one */
	struct mf_leaks_totals totals;
	struct mf_amount excluded, small; /* what is not told of */
	uint64_t unlisted;		  /* leaks beyond those that are kept */
	struct mf_scan_missed missed;
	uint64_t scanned;
	uint64_t memory; /* most bytes of ours */
	unsigned doubts; /* of all */
};

/** Links that keep nothing alive. */
static inline uint32_t mf_leaks_weak(const struct mf_leaks *leaks)
{
	return MF_LINK_PAST | (leaks->options.tagged ? 0 : MF_LINK_TAGGED);
}

/** leaks_mark.c: what is reached from roots, and what may be. False: too large
 * a graph. */
bool mf_leaks_mark(struct mf_leaks *leaks);

/** leaks_list.c: lists what is leaked, with types and contents, without what
 * INPUT's ranges and the options exclude; who holds whom, and doubts. */
void mf_leaks_list(struct mf_leaks *leaks, const struct mf_scan_input *input);

/** leaks_describe.c: while the target can be read, types and contents. */
void mf_leaks_describe(struct mf_leaks *leaks);

/** leaks_hold.c: which of them hold the others. */
void mf_leaks_hold(struct mf_leaks *leaks);

/** leaks_group.c: which of them are told of; groups. */
void mf_leaks_group(struct mf_leaks *leaks);

/** Reads the first bytes of LEAK; how many. */
size_t mf_leak_read(const struct mf_leaks *leaks, const struct mf_leak *leak,
		    uint8_t head[MF_LEAKS_HEAD]);

/** "zero", "text", ... */
const char *mf_leak_content_name(enum mf_leak_content content);

#endif
