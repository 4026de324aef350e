/*
 * The door of the space room: the address space as regions, each span claimed
 * by whoever proved what it is, or by nobody (class anon).
 */
#ifndef MEMFORENSICS_SPACE_H
#define MEMFORENSICS_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memforensics/image.h"
#include "memforensics/target.h"

struct mf_space;
struct mf_report;

/** Classes of CONTRACT.md, in the order in which reports list equals. */
enum mf_class {
	MF_CLASS_ANON, /* nobody claimed it */
	MF_CLASS_TEXT,
	MF_CLASS_RODATA,
	MF_CLASS_DATA,
	MF_CLASS_BSS,
	MF_CLASS_ELF_GAP,
	MF_CLASS_HEAP,
	MF_CLASS_ARENA,
	MF_CLASS_ARENA_RESERVE,
	MF_CLASS_MMAP_CHUNK,
	MF_CLASS_STACK,
	MF_CLASS_THREAD_STACK,
	MF_CLASS_GUARD,
	MF_CLASS_TLS,
	MF_CLASS_VDSO,
	MF_CLASS_VVAR,
	MF_CLASS_VSYSCALL,
	MF_CLASS_JEMALLOC,
	MF_CLASS_TCMALLOC,
	MF_CLASS_MIMALLOC,
	MF_CLASS_MUSL_HEAP,
	MF_CLASS_GO_HEAP,
	MF_CLASS_JAVA_HEAP,
	MF_CLASS_JAVA_CODE,
	MF_CLASS_JAVA_METASPACE,
	MF_CLASS_PYTHON_ARENA,
	MF_CLASS_V8_HEAP,
	MF_CLASS_JIT,
	MF_CLASS_FILE,
	MF_CLASS_SHARED,
	MF_CLASS_MEMFD,
	MF_CLASS_HUGETLB,
	MF_CLASS_DEVICE,
	MF_CLASS_IO_URING,
	MF_CLASS_RESERVE,
	MF_CLASS_COUNT,
};

/** "arena-reserve" and the like; a constant. */
const char *mf_class_name(enum mf_class class);
bool mf_class_parse(const char *name, enum mf_class *ret);

/** How sure a claim is; a surer claim wins over a less sure one. */
enum mf_certainty {
	MF_BY_SHAPE = 1, /* size, permissions, neighbours: a listing's best */
	MF_BY_NAME,	 /* the kernel or the program named it */
	MF_BY_CONTENT,	 /* its own bytes say so (headers that check) */
	MF_BY_STRUCTURE, /* reached and confirmed from the owner's state */
};

const char *mf_certainty_name(enum mf_certainty certainty);

struct mf_claim {
	uint64_t start, end;
	enum mf_class class;
	enum mf_certainty certainty;
	const char *label; /* short: "arena 3 heap 2/5", "thread 123 stack" */
	const char *owner; /* who: "glibc", "libc.so.6", "tid 123"; or NULL */
	const char *proof; /* why we say so, one phrase */
};

enum mf_suspicion {
	MF_SUSPECT_EXEC_WRITE = 1 << 0,	 /* executable and writable */
	MF_SUSPECT_UNCLAIMED = 1 << 1,	 /* large and nobody's */
	MF_SUSPECT_ELF_HEADER = 1 << 2,	 /* an ELF header in anonymous memory */
	MF_SUSPECT_EQUAL_SIZED = 1 << 3, /* one of many equal regions */
	MF_SUSPECT_ANON_EXEC = 1 << 4,	 /* executable, anonymous, no runtime */
};

struct mf_region {
	uint64_t start, end;
	const struct mf_mapping *mapping; /* the kernel's mapping around it */
	enum mf_class class;
	enum mf_certainty certainty;	   /* 0: unclaimed */
	const char *label, *owner, *proof; /* "" when there is none */
	struct mf_usage usage;		   /* bytes of this region alone */
	bool usage_known;
	unsigned suspicions;	/* MF_SUSPECT_* */
	double suspicion_score; /* 0 to 1 */
};

/** One phrase for one bit of MF_SUSPECT_*; a constant, "" for none. */
const char *mf_suspicion_text(unsigned suspicion);

/**
 * Divides the mappings of TARGET and claims what the kernel, the ELF objects
 * and the threads prove (IMAGE NULL: by shape and name only, as for a listing).
 * Allocators claim theirs afterwards, with mf_space_claim. Two halves, so that
 * a target is held no longer than it is read:
 *   mf_space_prepare  symbols and layouts from debug information; no stop
 *   mf_space_read     under mf_target_hold: mappings as they are now, stacks
 */
struct mf_error *mf_space_prepare(struct mf_target *target,
				  struct mf_image *image, struct mf_space **ret)
	MF_MUST_CHECK;
struct mf_error *mf_space_read(struct mf_space *space) MF_MUST_CHECK;
void mf_space_destroy(struct mf_space *space);

/** Both halves at once. */
struct mf_error *mf_space_create(struct mf_target *target,
				 struct mf_image *image, struct mf_space **ret)
	MF_MUST_CHECK;

/**
 * Claims a range (texts are copied). Where a surer claim stands, that part is
 * left as it is; conflicts between equals are kept as partial notes and the
 * first stands. Parts outside any mapping are ignored.
 */
void mf_space_claim(struct mf_space *space, const struct mf_claim *claim);

/**
 * After the last claim: merges neighbours of one claim, gives every region its
 * usage (split mappings page by page) and its suspicions. Regions are final.
 */
struct mf_error *mf_space_settle(struct mf_space *space) MF_MUST_CHECK;

/**
 * In address order. Before settling: without usage and suspicions, and valid
 * only until the next call of this function (or, for the second, of itself).
 * The mappings they point to are the space's own copies.
 */
const struct mf_region *mf_space_regions(const struct mf_space *space,
					 size_t *count);
const struct mf_region *mf_space_region_at(const struct mf_space *space,
					   uint64_t address);

struct mf_class_total {
	enum mf_class class;
	uint64_t regions, size;
	struct mf_usage usage;
};

/** One row for each class that occurs, largest RSS first; settled only. */
const struct mf_class_total *mf_space_totals(const struct mf_space *space,
					     size_t *count);
uint64_t mf_space_rss(const struct mf_space *space);
/** False when the RSS of no region is known. */
bool mf_space_rss_is_known(const struct mf_space *space);
/** False when that of some region is not. */
bool mf_space_rss_is_whole(const struct mf_space *space);
/** Everything but class anon. */
uint64_t mf_space_rss_explained(const struct mf_space *space);

/** Stacks of threads, and of threads that are gone (glibc keeps them). */
struct mf_stack_census {
	uint64_t live, live_rss, cached, cached_rss, thp;
};

void mf_space_stack_census(const struct mf_space *space,
			   struct mf_stack_census *ret);

/** The stack of a thread, as libc or the kernel made it. */
struct mf_stack_bounds {
	int tid;	     /* 0: not known whose */
	bool main;	     /* the kernel made it, at the program's start */
	bool cached;	     /* its thread is gone, and libc keeps it */
	uint64_t start, end; /* without a guard below it */
	uint64_t guard;	     /* bytes that nobody may touch, below or inside */
	struct mf_usage usage;
	bool usage_known;
};

/** In address order; settled only. *ret: array to free(). */
size_t mf_space_list_stacks(const struct mf_space *space,
			    struct mf_stack_bounds **ret);

/* ---- as rows of a report (settled only) ------------------------------- */

enum mf_region_order {
	MF_ORDER_ADDRESS,
	MF_ORDER_RSS,
	MF_ORDER_SIZE,
};

struct mf_region_rows {
	enum mf_region_order order; /* the largest first */
	const enum mf_class *class; /* the only one wanted; NULL: all */
	bool proof;		    /* text: say why each is what it is */
	bool data_only;		    /* nothing in text */
};

/** CONTRACT.md, maps: `regions`. */
void mf_space_write_regions(const struct mf_space *space,
			    struct mf_report *report,
			    const struct mf_region_rows *rows);

/** CONTRACT.md, maps: `totals`, `rss_total`, `rss_explained`. */
void mf_space_write_totals(const struct mf_space *space,
			   struct mf_report *report, bool data_only);

/**
 * Text only: what RSS is made of, with who has it, in at most ROWS rows that
 * add up to it; what nobody claimed is always one of them.
 */
void mf_space_write_makeup(const struct mf_space *space,
			   struct mf_report *report, size_t rows);

/** How many rows that takes without a limit: small classes share one. */
size_t mf_space_count_makeup(const struct mf_space *space);

/** Text only: the ROWS most suspicious regions; nothing when there is none. */
void mf_space_write_suspicious(const struct mf_space *space,
			       struct mf_report *report, size_t rows);

#endif
