/*
 * What keeps memory alive: who of the memory and the words of a process is a
 * root, who is reached only from others, and who is nobody's any more. Chunks
 * and mappings that nobody claimed are no roots: they are nodes.
 */
#ifndef MF_SCAN_ROOTS_H
#define MF_SCAN_ROOTS_H

#include "memforensics/scan.h"

#include "base/vec.h"
#include "scan/graph.h"

enum mf_root_kind {
	MF_ROOT_REGISTER, /* of a thread */
	MF_ROOT_STACK,	  /* from the stack pointer on, red zone included */
	MF_ROOT_TLS,	  /* thread-local variables, and what libc has there */
	MF_ROOT_MODULE,	  /* variables of loaded objects */
	MF_ROOT_SHARED,	  /* shared memory, mapped files */
	MF_ROOT_RUNTIME,  /* heaps that cannot be divided into chunks */
	MF_ROOT_KERNEL,	  /* words that the kernel keeps for the process */
	MF_ROOT_UNREAD,	  /* of a heap, where no chunks could be made out */
	MF_ROOT_KINDS,	  /* from here on no roots: */
	MF_ROOT_NODES = MF_ROOT_KINDS, /* chunks, or a mapping: nodes */
	MF_ROOT_DEAD,		       /* below stack pointers */
	MF_ROOT_GROUPS,
};

/** "register", "stack", ...: a word, for data and for people. */
const char *mf_root_kind_name(enum mf_root_kind kind);

/** Memory of one kind, of one region. */
struct mf_root_range {
	uint64_t start, end;
	enum mf_root_kind kind;
	const struct mf_region *region; /* the space's */
};

/** A root that is in no memory. */
struct mf_root_word {
	enum mf_root_kind kind; /* MF_ROOT_REGISTER, MF_ROOT_KERNEL */
	uint64_t value;
	int tid;	    /* of MF_ROOT_REGISTER */
	const char *holder; /* a register's name, or "epoll", "timer", ...; a
			       constant */
};

struct mf_roots {
	MF_VEC(struct mf_root_range) ranges; /* ascending, never overlapping */
	MF_VEC(struct mf_root_word) words;
	/* of MF_ROOT_NODES, those that are nodes as they are */
	MF_VEC(struct mf_graph_mapping) mappings;
	/* the same as ranges, as a scan takes them: groups are kinds */
	MF_VEC(struct mf_scan_range) scanned;
	struct mf_scan_group groups[MF_ROOT_GROUPS];
	uint64_t undivided; /* bytes of MF_ROOT_RUNTIME */
	uint64_t devices;   /* bytes that may hold some and are not read */
	unsigned blind;	    /* threads whose registers are not known */
	bool has_rings;	    /* io_uring: requests only the kernel knows */
};

struct mf_roots_options {
	uint64_t static_tls; /* bytes beside a thread pointer; mf_places */
	bool dead;	     /* MF_ROOT_DEAD, too */
};

/** HEAP (or NULL) is finished, SPACE settled; while the target can be read. */
void mf_roots_find(struct mf_target *target, const struct mf_space *space,
		   const struct mf_heap *heap,
		   const struct mf_roots_options *options,
		   struct mf_roots *ret);
void mf_roots_deinit(struct mf_roots *roots);

/** What ADDRESS, which is in no node, is; NULL: in no range. */
const struct mf_root_range *mf_roots_at(const struct mf_roots *roots,
					uint64_t address);

/**
 * The kind of root that a word at SLOT is, which is in no node: UNREAD inside
 * of a heap; MF_ROOT_DEAD, or MF_ROOT_NODES where there is nothing.
 */
enum mf_root_kind mf_roots_kind_at(const struct mf_roots *roots, uint64_t slot);

#endif
