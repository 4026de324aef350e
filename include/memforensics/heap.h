/*
 * The door of the heap room: the allocators of a process, their arenas, heaps
 * and chunks. What the figures mean, to the byte, is said in CONTRACT.md,
 * "arenas".
 */
#ifndef MEMFORENSICS_HEAP_H
#define MEMFORENSICS_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memforensics/image.h"
#include "memforensics/space.h"
#include "memforensics/target.h"

struct mf_heap;
struct mf_report;

struct mf_heap_options {
	bool no_symbols; /* find everything by structure alone */
	bool no_walk;	 /* name the allocators, do not read their heaps */
	/* with no_walk: which arena each thread has, and its tcache by its own
	 * counters; all other figures of arenas are 0 then */
	bool thread_caches;
	bool trim_ranges; /* list what malloc_trim(0) would give back */
};

/** COUNT chunks of BYTES bytes, headers included. */
struct mf_amount {
	uint64_t count, bytes;
};

/** Free chunks in bins, and where their bytes are. */
struct mf_free_amount {
	uint64_t count, bytes;
	uint64_t resident;	   /* bytes of present pages */
	uint64_t swapped;	   /* bytes of swapped pages */
	uint64_t already_returned; /* bytes of pages that are not there */
};

/**
 * Bytes in RAM of chunks that are not in use (free, fast bins, tcache, top)
 * which malloc_trim(0) would not give back, by reason. With trimmable_bytes
 * they add up to unused.resident.
 */
struct mf_retained {
	uint64_t pinned;   /* on pages that chunks in use, or cached, share */
	uint64_t headers;  /* whole pages kept for a free chunk's own header */
	uint64_t main_top; /* of the main arena's top */
	uint64_t tops;	 /* of other arenas' tops, and what merges into them */
	uint64_t tcache; /* never flushed by others than their thread */
	uint64_t locked; /* mlock: madvise refuses */
	uint64_t
		hugetlb; /* huge page mappings: madvise refuses parts of them */
	uint64_t skipped; /* in arenas that glibc 2.22-2.26 holds for corrupt */
};

/** Chunks that are not in use, and where their bytes are. */
struct mf_unused {
	uint64_t bytes, resident, swapped, absent;
};

/** The figures that an arena, and all of them together, have in common. */
struct mf_arena_figures {
	uint64_t system, max_system;
	uint64_t resident; /* bytes of the arena's memory in RAM */
	struct mf_amount in_use, tcache, fastbin, top;
	struct mf_free_amount free;
	uint64_t overhead; /* headers, fenceposts, gaps */
	uint64_t unread;   /* bytes that could not be read (swap, damage) */
	uint64_t trimmable_bytes, trimmable_pages;
	uint64_t largest_free; /* bytes, bins and top */
	uint64_t pinned_bytes; /* free, on pages shared with chunks in use */
	uint64_t top_resident; /* bytes of top in RAM */
	struct mf_unused unused;
	struct mf_retained retained;
};

enum mf_bin_kind {
	MF_BIN_FAST,
	MF_BIN_UNSORTED,
	MF_BIN_SMALL,
	MF_BIN_LARGE,
};

struct mf_bin {
	enum mf_bin_kind kind;
	unsigned index;
	struct mf_amount amount;
};

struct mf_size_class {
	uint64_t min, max;	       /* chunk sizes, both included */
	struct mf_amount in_use, free; /* free: bins, fast bins, tcache, top */
};

/** Chunks in use, side by side, that keep free bytes from going back. */
struct mf_pinner {
	uint64_t address, size; /* of the first; of all, with headers */
	uint64_t pinned_bytes;	/* free ones */
	uint64_t count;		/* chunks, those in tcaches included */
	uint64_t cached;	/* of these in tcaches */
	/* Bytes that malloc_trim(0) would give back more, were they freed. */
	uint64_t evicted_bytes;
	const char *type; /* of the first, as far as it shows; or "" */
};

/** What the break could shrink by, were the highest chunks in use freed. */
struct mf_top_pinner {
	uint64_t address, size, count, cached; /* as in mf_pinner */
	const char *type;
	uint64_t break_bytes; /* with all that lie higher */
};

/** Adjacent pages that malloc_trim(0) would give back: [start, end). */
struct mf_trim_range {
	uint64_t start, end;
};

/** A chunk beside a place, or at it; state NULL: there is none. */
struct mf_neighbour {
	uint64_t address, size;
	const char *state; /* "in_use", "tcache", "fastbin", "free", "top",
			      "overhead", "unread" */
};

/** A contradiction in an arena: where, what, and what usually does that. */
struct mf_corruption {
	uint64_t address; /* of the chunk whose header, or link, is wrong */
	const char *what;
	const char *kind;  /* "size", "double-free", ...: stable, for scripts */
	const char *cause; /* what usually does that */
	const char *text;  /* printable bytes that stand there; NULL: none */
	uint64_t lost;	   /* bytes from there on that nothing was made of */
	struct mf_neighbour chunk, previous, next;
};

/** One contiguous piece of an arena: a 64 MiB heap, or an sbrk segment. */
struct mf_arena_heap {
	uint64_t start;	    /* of its memory, header included */
	uint64_t committed; /* bytes that can be used */
	uint64_t reserved;  /* bytes of PROT_NONE behind it */
	uint64_t resident;
	struct mf_amount in_use, free, tcache;
	uint64_t trimmable;
	bool newest;			 /* it holds the arena's top */
	const struct mf_pinner *pinners; /* most pinned bytes first */
	size_t pinner_count;
};

/** Of what moment figures are. */
enum mf_consistency {
	MF_EXACT,     /* of one, in which nothing was under way */
	MF_RACY,      /* of several: read while the process ran */
	MF_IN_FLIGHT, /* caught locked or in the middle of a change */
	MF_DAMAGED,   /* of one, but they contradict each other */
};

/** "exact", "racy", "in-flight", "damaged". */
const char *mf_consistency_name(enum mf_consistency consistency);

struct mf_arena {
	unsigned index; /* in the ring, 0 is main */
	uint64_t address;
	bool main, locked;
	bool in_flight; /* caught inside malloc or changing: not exact */
	enum mf_consistency consistency;
	uint64_t attached_threads;
	const int *threads; /* tids whose arena this is */
	size_t thread_count;
	struct mf_arena_figures figures;
	const struct mf_arena_heap *heaps;
	size_t heap_count;
	const struct mf_bin *bins; /* those that are not empty */
	size_t bin_count;
	const struct mf_size_class *histogram; /* those that are not empty */
	size_t histogram_count;
	const struct mf_pinner *pinners; /* most pinned bytes first */
	size_t pinner_count;
	const struct mf_top_pinner *top_pinners; /* main arena; highest first */
	size_t top_pinner_count;
	const struct mf_corruption *corrupt;
	size_t corrupt_count;
	/* ascending, maximal; NULL unless trim_ranges was asked for */
	const struct mf_trim_range *trim_ranges;
	size_t trim_range_count;
};

/** Chunks that one thread keeps for itself. */
struct mf_thread_cache {
	int tid;	  /* 0: no living thread's, or not known whose */
	uint64_t address; /* of its table */
	const struct mf_arena *arena; /* that the table lies in; or NULL */
	bool valid; /* its lists hold together; else they count as in use */
	struct mf_amount amount;
	struct mf_amount mmapped; /* not in that: with mappings of their own */
};

/** One parameter of an allocator, by its own name. */
struct mf_parameter {
	const char *name;
	uint64_t value;
};

/** Addresses, [start, end). */
struct mf_chunk_range {
	uint64_t start, end;
};

struct mf_allocator {
	const char *name;    /* "glibc", "jemalloc", "go", "hotspot", ... */
	const char *version; /* "2.36", or "" */
	const char *module;  /* path of the object that holds it */
	uint64_t load;	     /* where that object is loaded; 0: not known */
	bool supported;	     /* its heaps are walked */
	const char *why;     /* why not, or what it was recognised by */
	const char *layout;  /* "dwarf", "table", "inferred", or "" */
	bool owns_malloc;    /* the process's malloc is this one */
	uint64_t resident;   /* RSS of the regions it claimed, bytes */
	uint64_t mapped;     /* size of the regions it claimed, bytes */
	const struct mf_parameter *parameters;
	size_t parameter_count;
	struct mf_arena_figures figures; /* over all arenas */
	enum mf_consistency consistency; /* the worst of all */
	struct mf_amount mmapped;	 /* as the process counts them */
	uint64_t mmapped_mapped; /* bytes of their mappings: glibc 2.43 counts
				     some bytes of resized ones twice */
	uint64_t mmapped_resident;
	uint64_t resident_hugetlb; /* of both residents: in huge pages that
				      were reserved, which RSS does not count */
	const struct mf_arena *arenas;
	size_t arena_count;
	const struct mf_thread_cache *tcaches; /* most bytes first */
	size_t tcache_count;
	/* out of its own chunks, what it has for itself: caches' contents */
	const struct mf_chunk_range *own;
	size_t own_count;
};

/**
 * Finds the allocators of the process, claims their regions in SPACE, and walks
 * the heaps of those that are supported. Two halves, so that a target is held
 * no longer than it is read:
 *   mf_heap_create   all that needs no stop: allocators recognised, symbols
 *   mf_heap_read     under mf_target_hold: streams every heap once
 *   mf_heap_finish   after the release: lists resolved, figures made
 */
struct mf_error *mf_heap_create(struct mf_target *target,
				struct mf_image *image,
				const struct mf_heap_options *options,
				struct mf_heap **ret) MF_MUST_CHECK;
struct mf_error *mf_heap_read(struct mf_heap *heap, struct mf_space *space)
	MF_MUST_CHECK;
struct mf_error *mf_heap_finish(struct mf_heap *heap) MF_MUST_CHECK;
void mf_heap_destroy(struct mf_heap *heap);

/** Owner of malloc first; complete after mf_heap_finish; none where HEAP is NULL. */
const struct mf_allocator *mf_heap_allocators(const struct mf_heap *heap,
					      size_t *count);

/** The one behind ALLOCATOR, the first behind NULL; NULL behind the last. */
static inline const struct mf_allocator *
mf_heap_next_allocator(const struct mf_heap *heap,
		       const struct mf_allocator *allocator)
{
	size_t count;
	const struct mf_allocator *first = mf_heap_allocators(heap, &count);
	size_t next = allocator ? (size_t)(allocator - first) + 1 : 0;

	return next < count ? &first[next] : NULL;
}

/** Every allocator of HEAP, as mf_heap_allocators has them. */
#define mf_heap_foreach_allocator(allocator, heap)        \
	for (const struct mf_allocator *allocator = NULL; \
	     (allocator = mf_heap_next_allocator((heap), allocator));)

/**
 * What a look at another moment may do better, once finished: arenas whose
 * parts do not agree because they were caught in the middle of a change, and
 * those that were locked but whole.
 */
struct mf_heap_doubt {
	size_t torn, locked;
};

void mf_heap_get_doubt(const struct mf_heap *heap, struct mf_heap_doubt *ret);

/** After mf_space_settle: RSS and size of what each allocator claimed. */
void mf_heap_account(struct mf_heap *heap, const struct mf_space *space);

/* ---- chunk by chunk (finished only) ------------------------------------- */

/** What a chunk is; mf_heap_chunk_kind_name. */
enum mf_chunk_kind {
	MF_KIND_IN_USE,
	MF_KIND_TCACHE,
	MF_KIND_FASTBIN,
	MF_KIND_FREE,
	MF_KIND_UNSORTED, /* free, and in the unsorted bin */
	MF_KIND_TOP,
	MF_KIND_OVERHEAD, /* headers, fenceposts, gaps: no chunk of anybody's */
	MF_KIND_UNREAD,	  /* could not be read or made no sense */
	MF_KIND_MMAPPED,  /* in use, in a mapping of its own */
	MF_KINDS,
};

/** MF_NO_ARENA: it is in none, as mmapped chunks are. */
#define MF_NO_ARENA UINT32_MAX

struct mf_chunk {
	uint64_t address, size; /* with its header */
	/* What malloc gave out, and how many bytes may be written there; of a
	 * free one what malloc keeps out of. usable is 0: it is nobody's. */
	uint64_t user, usable;
	enum mf_chunk_kind kind;
	unsigned arena; /* struct mf_arena's index, or MF_NO_ARENA */
	const struct mf_allocator *allocator; /* a copy: its name, module */
};

/** Of one chunk, valid during the call; false: no more are wanted. */
typedef bool (*mf_chunk_visitor)(const struct mf_chunk *chunk, void *data);

/**
 * Shows the chunks of every supported allocator that touch [START, END), each
 * allocator's in address order. The chunks of an arena are all of its memory:
 * their sizes add up to its system, unread bytes included, but for headers
 * before the first chunk of a heap. Nothing is read and no memory is held; what
 * lies outside of the range costs nothing.
 */
void mf_heap_each_chunk(const struct mf_heap *heap, uint64_t start,
			uint64_t end, mf_chunk_visitor visit, void *data);

/**
 * The chunk that holds ADDRESS, header included; false: none does. Like
 * mf_heap_each_chunk of a short range it costs about as much as a look into a
 * map, and both may be called by several threads at once.
 */
bool mf_heap_chunk_at(const struct mf_heap *heap, uint64_t address,
		      struct mf_chunk *ret);

/** Which chunks are meant; zeroed: all of them. */
struct mf_chunk_choice {
	const struct mf_chunk_range *ranges; /* ascending, apart; NULL: any */
	size_t range_count;
	unsigned kinds;		     /* 1 << MF_KIND_*, together; 0: any */
	uint64_t min_size, max_size; /* with headers; max_size 0: any */
	/* NULL, or false of those that are not meant either. */
	bool (*accepts)(const struct mf_chunk *chunk, void *data);
	void *data; /* of accepts */
};

/** Each chosen chunk once, each allocator's in address order. */
void mf_heap_each_chosen(const struct mf_heap *heap,
			 const struct mf_chunk_choice *choice,
			 mf_chunk_visitor visit, void *data);

/**
 * The same, largest first, those of one size in address order; LIMIT of them
 * (0: all). Holds 12 MiB at most; it goes over the chosen chunks once for each
 * quarter of a million that it shows.
 */
void mf_heap_each_by_size(const struct mf_heap *heap,
			  const struct mf_chunk_choice *choice, uint64_t limit,
			  mf_chunk_visitor visit, void *data);

/** How many chunks there are of one size. */
struct mf_chunk_size {
	uint64_t size;
	struct mf_amount in_use, free; /* as in mf_size_class */
};

enum {
	MF_SIZE_PARTS = 4,    /* sizes of one pattern, at most */
	MF_SIZE_PATTERNS = 8, /* patterns that are known, at most */
};

/**
 * What many chunks in use are by their sizes: sizes so peculiar, and as many of
 * each as of the others, that they are the parts of one thing.
 */
struct mf_size_pattern {
	const char *code;   /* "zlib-inflate": stable, for scripts */
	const char *name;   /* "zlib inflate streams" */
	const char *origin; /* whose sizes these are */
	uint64_t count;	    /* things */
	uint64_t bytes;	    /* of all their parts */
	size_t part_count;
	struct {
		uint64_t size, count; /* of all chunks of that size */
		unsigned each;	      /* chunks that one thing has */
	} parts[MF_SIZE_PARTS];
};

/** What there is of the chosen chunks. */
struct mf_chunk_census {
	struct mf_amount kinds[MF_KINDS];
	const struct mf_chunk_size *sizes; /* most bytes first */
	size_t size_count;
	struct mf_amount unlisted; /* of sizes beyond a quarter of a million */
	const struct mf_size_class *classes; /* ascending */
	size_t class_count;
	struct mf_size_pattern
		patterns[MF_SIZE_PATTERNS]; /* most bytes first */
	size_t pattern_count;
};

struct mf_chunk_census *
mf_chunk_census_create(const struct mf_heap *heap,
		       const struct mf_chunk_choice *choice);
void mf_chunk_census_destroy(struct mf_chunk_census *census);

/**
 * Makes zeros, in BYTES that stand at ADDRESS, of what belongs to chunks that
 * are not in use: all of them but headers and the links of lists. Returns how
 * many bytes these were.
 */
uint64_t mf_heap_blank_unused(const struct mf_heap *heap, uint64_t address,
			      uint8_t *bytes, size_t size);

/** "in_use", "tcache", ...: a word, for data and for people. */
const char *mf_heap_chunk_kind_name(enum mf_chunk_kind kind);

/* ---- as rows of a report (finished only) ------------------------------- */

/** How much text says of each allocator. */
enum mf_heap_detail {
	MF_HEAP_BRIEF,	 /* a sentence each, and the worst arenas */
	MF_HEAP_ARENAS,	 /* and what pins memory, and damage */
	MF_HEAP_VERBOSE, /* and heaps, bins and parameters */
};

struct mf_heap_rows {
	enum mf_heap_detail detail;
	size_t arenas; /* text: rows of arenas; 0: all, or none of a brief one */
	uint64_t rss;  /* of the process, bytes */
};

/** CONTRACT.md, arenas: `allocators`. Nothing in text. */
void mf_heap_write_data(const struct mf_heap *heap, struct mf_report *report);

/** Room for what mf_size_pattern_describe writes. */
enum {
	MF_PATTERN_TEXT = MF_SIZE_PARTS * 64,
};

/** "4000 of 7168 B, 3999 of 32784 B"; returns TEXT. */
char *mf_size_pattern_describe(const struct mf_size_pattern *pattern,
			       char text[MF_PATTERN_TEXT]);

/** What there is of chunks; ALL: each size and class, also in text. */
void mf_chunk_census_write(const struct mf_chunk_census *census,
			   struct mf_report *report, bool all);

/** What the list of chunks is to be like. */
struct mf_chunk_rows {
	bool by_size;	/* largest first, not by address */
	uint64_t limit; /* rows, in every format; 0: all */
	uint64_t total; /* chunks that are chosen */
	/* NULL, or what is in the chunk: a text, or NULL. */
	const char *(*type)(const struct mf_chunk *chunk, void *data);
	void *data; /* of type */
};

/** CONTRACT.md, chunks: `chunks`. */
void mf_heap_write_chunks(const struct mf_heap *heap,
			  const struct mf_chunk_choice *choice,
			  const struct mf_chunk_rows *rows,
			  struct mf_report *report);

/** What of this allocator's own gives unused memory back to the kernel. */
const char *mf_heap_giver(const struct mf_allocator *allocator);

/** Its heaps are walked, and there is something in them: text shows them. */
bool mf_allocator_is_shown(const struct mf_allocator *allocator);

/**
 * The order of two arenas of ALLOCATOR, as for qsort: first the one of which
 * more could be given back or is pinned, where that is not little.
 */
int mf_arena_compare(const struct mf_arena *left, const struct mf_arena *right,
		     const struct mf_allocator *allocator);

/** Lines of so many COLUMNS (20 at least) that text says of a shown one. */
size_t mf_allocator_sentence_lines(const struct mf_allocator *allocator,
				   struct mf_report *report, size_t columns);

/** Text only: the same for people, worst arenas first. */
void mf_heap_write_text(const struct mf_heap *heap, struct mf_report *report,
			const struct mf_heap_rows *rows);

#endif
