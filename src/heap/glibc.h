/*
 * What the glibc files share: the layout of one copy of ptmalloc in a process,
 * its parameters, and the model that the walk makes of its arenas.
 */
#ifndef MF_HEAP_GLIBC_H
#define MF_HEAP_GLIBC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/map.h"
#include "base/vec.h"
#include "heap/allocator.h"
#include "heap/chunk_log.h"
#include "heap/glibc_damage.h"
#include "heap/window.h"

extern const struct mf_allocator_ops mf_glibc_ops;

/* ---- layout (glibc_layout.c) ------------------------------------------ */

enum {
	MF_GLIBC_BINS = 127, /* pairs in malloc_state.bins */
	MF_GLIBC_FASTBINS = 10,
	MF_GLIBC_CHUNK_HEADER = 16, /* prev_size, size: user data follows */
	MF_GLIBC_SIZE_FIELD = 8,    /* a chunk's user data ends so much later */
	MF_GLIBC_CHUNK_MIN = 32,
	MF_GLIBC_CHUNK_FLAGS = 7,
	MF_GLIBC_PREV_INUSE = 1,
	MF_GLIBC_IS_MMAPPED = 2,
	MF_GLIBC_NON_MAIN = 4,	    /* NON_MAIN_ARENA */
	MF_GLIBC_NONCONTIGUOUS = 2, /* malloc_state.flags */
	MF_GLIBC_ARENAS_MAX = 8192, /* glibc: 8 a processor */
	MF_GLIBC_TCACHE_BINS_MAX = 76,
	MF_GLIBC_STATE_MAX = 4096, /* bytes of a malloc_state, at most */
};

/** Bytes from a struct's start; MF_GLIBC_ABSENT: this version has no such field */
#define MF_GLIBC_ABSENT UINT32_MAX

/** One generation of malloc_state and what goes with it. */
struct mf_glibc_layout {
	const char *versions; /* "2.27-2.42" */
	unsigned first, last; /* 227, 242 */
	uint32_t fastbins, top, last_remainder, bins, next, next_free,
		attached_threads, system_mem, max_system_mem, size;
};

/** One generation of malloc_par. */
struct mf_glibc_parameters_layout {
	const char *versions;
	unsigned first, last;
	uint32_t thp_pagesize, hp_pagesize, n_mmaps, n_mmaps_max, max_n_mmaps,
		no_dyn_threshold, mmapped_mem, max_mmapped_mem, sbrk_base,
		tcache_bins, tcache_max_bytes, tcache_count, size;
};

/** All known generations of malloc_state, newest first. */
const struct mf_glibc_layout *mf_glibc_layouts(size_t *count);

/** The generations of malloc_par that go with LAYOUT; *count of them. */
const struct mf_glibc_parameters_layout *
mf_glibc_parameters_layouts(const struct mf_glibc_layout *layout,
			    size_t *count);

/** Index in bins (1..126) of a free chunk of SIZE bytes. */
unsigned mf_glibc_bin_index(uint64_t size);

/* ---- the instance -------------------------------------------------------- */

/** Values of malloc_par; UINT64_MAX: this version has none. */
struct mf_glibc_parameters {
	uint64_t trim_threshold, top_pad, mmap_threshold, arena_test, arena_max,
		thp_pagesize, hp_pagesize, n_mmaps, n_mmaps_max, max_n_mmaps,
		no_dyn_threshold, mmapped_mem, max_mmapped_mem, sbrk_base,
		tcache_bins, tcache_max_bytes, tcache_count;
};

/** The place of one chunk of many in a segment's log and links. */
struct mf_glibc_mark {
	uint64_t address;
	size_t offset;
	size_t link;
};

/** A piece of an arena that is walked on its own. */
struct mf_glibc_segment {
	uint64_t memory_start; /* a page's address */
	uint64_t base;	       /* of what system_mem counts: headers too */
	uint64_t start;	       /* first chunk */
	uint64_t end;	       /* past the last chunk or fencepost */
	uint64_t committed_end, reserved_end;
	unsigned arena; /* index in glibc.arenas */
	bool has_top;
	uint8_t *pages; /* MF_PAGE_* of each page from memory_start */
	size_t page_count;
	struct mf_chunk_log log;
	struct mf_link_table links;
	MF_VEC(struct mf_glibc_mark) marks;
	struct mf_arena_heap figures;
	size_t next; /* of the same arena, once sorted; SIZE_MAX: none */
};

/** Over free chunks and their links; equal when lists are whole. */
struct mf_glibc_bin_sums {
	uint64_t nodes, fds, bks;
};

struct mf_glibc_arena {
	uint64_t address, top, last_remainder, next, next_free, system_mem,
		max_system_mem, attached_threads;
	uint32_t mutex, flags;
	bool fastbins_drained; /* nothing was put there since they were emptied */
	uint64_t fastbins[MF_GLIBC_FASTBINS];
	uint64_t bins[MF_GLIBC_BINS][2]; /* fd, bk */
	bool main, changed; /* changed: while it was being walked */
	bool lies;	    /* its own figures cannot be */
	bool caught;	    /* a thread's cache of it was being changed */
	bool incomplete;    /* not all of its memory was found */
	unsigned index;
	uint64_t top_size;
	uint32_t binmap[4];
	/* Of the free chunks of each bin's sizes, and of large ones' rings. */
	struct mf_glibc_bin_sums sums[MF_GLIBC_BINS], ring;
	MF_VEC(int) threads;
	MF_VEC(struct mf_glibc_damage) damage;
	uint64_t damage_count; /* of all, also those not kept */
	/* Once segments are sorted: the first of its own, and their number. */
	size_t first_segment, segment_count;
};

/** A chunk of the model. */
struct mf_glibc_chunk {
	uint64_t address, size;
	enum mf_chunk_kind kind;
};

/** A mapping that malloc made for one chunk, which is OFFSET bytes inside. */
struct mf_glibc_mapped {
	uint64_t base, size, offset, resident;
};

/** A tcache_perthread_struct, as found; its lists are not yet proved. */
struct mf_glibc_tcache {
	uint64_t address; /* of the struct */
	uint64_t entries[MF_GLIBC_TCACHE_BINS_MAX];
	uint16_t counts[MF_GLIBC_TCACHE_BINS_MAX];
	uint32_t chunk_size;
	int tid;     /* 0: found in a heap, its thread is not known */
	bool walked; /* the walk came by it, too */
	bool broken; /* not even its table makes sense */
	bool valid;
	bool refused; /* though its thread was not changing it */
	struct mf_amount amount, mmapped; /* once resolved */
};

/** What a pointer to a tcache_perthread_struct leads to. */
enum mf_glibc_tcache_look {
	MF_TCACHE_NONE, /* a chunk of another size, or no memory */
	MF_TCACHE_BROKEN,
	MF_TCACHE_EMPTY,
	MF_TCACHE_FILLED,
};

/** A chunk in one of the later bins of a tcache (2.42), by its user address. */
struct mf_glibc_large {
	uint64_t next, size;
	bool mmapped;
};

/** The shape of tcache_perthread_struct in this glibc. */
struct mf_glibc_tcache_shape {
	uint32_t bins, count_size, entries;
	bool counts_free_slots; /* 2.42: counters say what is left */
};

/** A thread that stood in libc when it was stopped, and perhaps in malloc. */
struct mf_glibc_suspect {
	int tid;
	bool unknown; /* it could run, but was given no time to stop */
	uint64_t pc;
	uint64_t returns[8]; /* words on its stack that lead into libc's code */
	size_t return_count;
};

struct mf_glibc {
	struct mf_heap_context *context;
	struct mf_target *target;
	const struct mf_module *module;
	struct mf_glibc *first_copy, *next_copy; /* all of the process */
	struct mf_map owners; /* of the first: free chunk -> main arena */
	const char *owner;    /* of its claims */
	const struct mf_glibc_layout *layout;
	struct mf_glibc_layout dwarf_layout;
	const struct mf_glibc_parameters_layout *parameters_layout;
	uint64_t main_arena, parameters_address; /* 0: not found */
	unsigned version;			 /* 236 is 2.36; 0: not known */
	uint32_t page_size;
	uint64_t heap_max;	   /* bytes of address space of a heap */
	uint32_t heap_header_size; /* sizeof(heap_info) */
	uint64_t user_end;	   /* of mf_target_info */
	bool links_seen;	   /* what follows was seen, not deduced */
	bool mangled_links;	   /* 2.32: links are xored with their place */
	bool used;		   /* has ever allocated anything */
	bool ran;		   /* while it was read */
	bool single;		   /* one thread: malloc takes no locks */
	MF_VEC(struct mf_glibc_suspect) suspects;
	uint64_t brk;		 /* by its chunks; 0: it has none */
	uint64_t curbrk_address; /* of libc's __curbrk; 0: not found */
	uint64_t libc_brk;	 /* what that says; 0: not known */
	unsigned names_left;	 /* pinners that may yet be looked at */
	struct mf_map dtvs;	 /* of threads: user address */
	bool dtvs_read;
	uint64_t *tls_slots; /* GOT slots with thread-pointer offsets */
	size_t tls_slot_count;
	uint64_t tls_block; /* bytes beside the thread pointer; 0: use slots */
	struct mf_glibc_parameters parameters;
	struct mf_map arena_index;  /* arena's address -> index */
	struct mf_map tcache_index; /* address -> index in tcaches */
	MF_VEC(uint64_t) anchors;   /* ascending; chunks that lists know */
	MF_VEC(struct mf_glibc_arena) arenas;
	MF_VEC(struct mf_glibc_segment) segments; /* by address, once walked */
	uint64_t segment_pages; /* of all of them, at most 2^28 */
	MF_VEC(struct mf_glibc_tcache) tcaches;
	struct mf_map large_index; /* user address -> index */
	MF_VEC(struct mf_glibc_large) large;
	bool mmapped_moved; /* some came or went while they were counted */
	struct mf_amount mmapped;
	uint64_t mmapped_mapped; /* bytes of their mappings */
	MF_VEC(struct mf_glibc_mapped) mapped;
	uint64_t mmapped_resident;
	MF_VEC(struct mf_glibc_chunk)
	mmapped_chunks;	     /* once sorted, by address */
	uint64_t lost_bytes; /* that the walk could make nothing of */
	uint64_t blames;     /* of lists that led astray */
	uint64_t effort;     /* spent on seeking where chunks begin */
};

/** ADDRESS, down or up to a page's start. */
static inline uint64_t mf_glibc_page_down(const struct mf_glibc *glibc,
					  uint64_t address)
{
	return address & ~((uint64_t)glibc->page_size - 1);
}

static inline uint64_t mf_glibc_page_up(const struct mf_glibc *glibc,
					uint64_t address)
{
	return mf_glibc_page_down(glibc, address + glibc->page_size - 1);
}

/* ---- finding it (glibc_find.c) --------------------------------------------- */

/** Adds an instance for every copy of ptmalloc in the process. */
struct mf_error *mf_glibc_probe(struct mf_heap_context *context);

/**
 * Once walked: what INFO says of a version that is written nowhere, from the
 * generations of all structures that were seen (glibc_version.c).
 */
void mf_glibc_deduce_version(const struct mf_glibc *glibc,
			     struct mf_allocator_instance *instance);

/** Reads mp_ anew (glibc_parameters.c). */
void mf_glibc_read_parameters(struct mf_glibc *glibc);

/* ---- its state (glibc_state.c) ----------------------------------------------- */

/** Reads the arena ring and parameters anew. */
struct mf_error *mf_glibc_read_state(struct mf_glibc *glibc);

/** Reads one arena's fields; false when they cannot be. */
bool mf_glibc_read_arena(struct mf_glibc *glibc, uint64_t address,
			 struct mf_glibc_arena *ret);

/* ---- the break, by libc's own word (glibc_break.c) ------------------------- */

/** Finds where it is said; before the stop. */
void mf_glibc_find_break(struct mf_glibc *glibc);
void mf_glibc_read_break(struct mf_glibc *glibc);

/* ---- its memory (glibc_segments.c, glibc_main.c) ------------------------ */

/** Bytes that a walk is likely to read; without a stop (glibc_foresee.c). */
uint64_t mf_glibc_foresee(const struct mf_glibc *glibc);

/** Segments of all non-main arenas, from their heap_info chains; claims. */
struct mf_error *mf_glibc_find_heaps(struct mf_glibc *glibc);

/** Walks the main arena: sbrk segments and their gaps, mmapped regions. */
struct mf_error *mf_glibc_walk_main(struct mf_glibc *glibc,
				    struct mf_window *window);

/**
 * A new segment of ARENA in [BASE, END), its pages' residency read; NULL when
 * that cannot be. Valid until the next call.
 */
struct mf_glibc_segment *mf_glibc_add_segment(struct mf_glibc *glibc,
					      unsigned arena, uint64_t base,
					      uint64_t end);

/** Which pages are there, once the walk has brought in some. */
void mf_glibc_refresh_residency(struct mf_glibc *glibc);

/* ---- its chunks (glibc_walk.c) ----------------------------------------------- */

enum mf_glibc_stop {
	MF_GLIBC_STOP_TOP,   /* reached the arena's top */
	MF_GLIBC_STOP_FENCE, /* reached fenceposts */
	MF_GLIBC_STOP_END,   /* reached the segment's end */
	MF_GLIBC_STOP_LOST,  /* no chunk could be made out from there on */
};

/**
 * Streams the chunks of SEGMENT from FROM on into its log and links; *end is
 * where it stopped. What makes no sense is noted, logged as unread, and
 * followed by the next chain of chunks.
 */
enum mf_glibc_stop mf_glibc_walk_chunks(struct mf_glibc *glibc,
					struct mf_glibc_segment *segment,
					struct mf_window *window, uint64_t from,
					uint64_t *end);

/**
 * Whether a chain of chunks starts at ADDRESS that reaches the top or
 * fenceposts before LIMIT (*end: where), or, if ENOUGH is not 0, holds for that
 * many chunks.
 */
bool mf_glibc_is_chain(struct mf_glibc *glibc,
		       const struct mf_glibc_arena *arena,
		       struct mf_window *window, uint64_t address,
		       unsigned enough, uint64_t *end);

/** So many chunks in a row are believed. */
enum {
	MF_GLIBC_RESYNC_CHUNKS = 24,
};

/**
 * The first chunk in [FROM, END) that a list or a top of any arena knows and
 * that begins a chain of ARENA's (glibc_anchors.c); 0: none.
 */
uint64_t mf_glibc_find_anchor(struct mf_glibc *glibc,
			      const struct mf_glibc_arena *arena,
			      struct mf_window *window, uint64_t from,
			      uint64_t end);

/** Walks all heaps of the non-main arenas. */
struct mf_error *mf_glibc_walk_heaps(struct mf_glibc *glibc,
				     struct mf_window *window);

/* ---- its lists (glibc_lists.c, glibc_tcache.c) ----------------------------------------- */

static inline uint64_t mf_glibc_reveal(const struct mf_glibc *glibc,
				       uint64_t place, uint64_t link)
{
	return glibc->mangled_links ? place >> 12 ^ link : link;
}

/** Decides from the lists themselves whether links are mangled. */
void mf_glibc_detect_mangling(struct mf_glibc *glibc);

/** The link that the walk kept of the chunk at ADDRESS, or NULL. */
struct mf_link *mf_glibc_link_at(struct mf_glibc *glibc, uint64_t chunk);

/**
 * Marks the members of fast bins, unsorted bins and tcaches; no target. Where
 * lists moved on while the heap was read, chunks' own links are believed.
 */
void mf_glibc_resolve_lists(struct mf_glibc *glibc);

/** Reads every thread's tcache and arena through its TLS (glibc_threads.c). */
void mf_glibc_read_thread_caches(struct mf_glibc *glibc);

/**
 * Looks at a chunk in use that has the size of a tcache struct; keeps it when
 * its entries look like one. USER: its usable bytes, SIZE - 8.
 */
void mf_glibc_consider_tcache(struct mf_glibc *glibc, uint64_t chunk,
			      const uint8_t *user, uint64_t size);

/** The shape that a tcache struct in a chunk of SIZE bytes has, or NULL. */
const struct mf_glibc_tcache_shape *
mf_glibc_tcache_shape(const struct mf_glibc *glibc, uint64_t size);

/** Looks at what a thread's pointer leads to; RET in all cases. */
enum mf_glibc_tcache_look mf_glibc_look_at_tcache(struct mf_glibc *glibc,
						  uint64_t user, int tid,
						  struct mf_glibc_tcache *ret);

/** False when it is kept already. */
bool mf_glibc_keep_tcache(struct mf_glibc *glibc,
			  const struct mf_glibc_tcache *tcache);

/** Once resolved: those of the threads, most bytes first. */
void mf_glibc_publish_tcaches(struct mf_glibc *glibc,
			      struct mf_allocator *info);

/* ---- without a walk (glibc_caches.c) ------------------------------------- */

/** Amounts of the thread caches by their own counters; under the hold. */
void mf_glibc_count_caches(struct mf_glibc *glibc);

/** Whose arena is which, and those amounts; nothing else of the arenas. */
void mf_glibc_publish_caches(struct mf_glibc *glibc, struct mf_allocator *info);

/** Proves the candidates by their lists and marks their members. */
void mf_glibc_resolve_tcaches(struct mf_glibc *glibc);

/** The segment numbered INDEX (first_segment, next), or NULL. */
static inline struct mf_glibc_segment *
mf_glibc_segment_numbered(struct mf_glibc *glibc, size_t index)
{
	return index == SIZE_MAX ? NULL : &glibc->segments.items[index];
}

/** Puts segments in address order, each arena's in a list, once all are there. */
void mf_glibc_sort_segments(struct mf_glibc *glibc);

/** The segment that holds ADDRESS (segments sorted), or NULL. */
struct mf_glibc_segment *mf_glibc_segment_at(struct mf_glibc *glibc,
					     uint64_t address);

/* ---- who was inside (glibc_inside.c) ------------------------------------------ */

/** Under the hold: notes the threads that may be inside this malloc. */
void mf_glibc_find_suspects(struct mf_glibc *glibc);

/** After it: whether thread TID (0: any thread) was, perhaps, inside. */
bool mf_glibc_was_inside(const struct mf_glibc *glibc, int tid);

/**
 * Whether ARENA's fast bins may have been just being emptied: chunks in nobody's
 * list then, which look as if in use, and nothing contradicts that.
 */
bool mf_glibc_may_consolidate(const struct mf_glibc *glibc,
			      const struct mf_glibc_arena *arena);

/** Whether what is wrong with ARENA may be a change that was under way. */
bool mf_glibc_is_caught(const struct mf_glibc *glibc,
			const struct mf_glibc_arena *arena);

/* ---- mmapped chunks (glibc_mmapped.c) ---------------------------------------------------- */

void mf_glibc_forget_mmapped(struct mf_glibc *glibc);

/**
 * Of all copies of malloc, once the last of them is asked: at the starts of
 * mappings, or, where some are missing, on EVERY_PAGE that nobody claimed.
 */
void mf_glibc_find_mmapped(struct mf_glibc *glibc, bool every_page);

/* ---- chunk by chunk (glibc_chunks.c) -------------------------------------- */

/** A place in the log and the links of a segment, in step with each other. */
struct mf_glibc_cursor {
	const struct mf_glibc_segment *segment;
	uint64_t address; /* of the next chunk */
	size_t offset, link;
};

/** Before the first chunk of SEGMENT. */
struct mf_glibc_cursor mf_glibc_cursor(const struct mf_glibc_segment *segment);

/** The next chunk, its lists resolved; false at the end. */
bool mf_glibc_next_chunk(struct mf_glibc_cursor *cursor,
			 struct mf_glibc_chunk *ret);

/**
 * Where every so many chunks of SEGMENT are: CURSOR stands before its chunk
 * numbered INDEX, for each of them in turn.
 */
void mf_glibc_note_mark(struct mf_glibc_segment *segment,
			const struct mf_glibc_cursor *cursor, size_t index);

/** The each_chunk of the ops: from the marks on, so a range costs its own. */
bool mf_glibc_each_chunk(const struct mf_allocator_instance *instance,
			 struct mf_chunk_range range, mf_chunk_visitor visit,
			 void *data);

/** Puts mmapped chunks in address order, once all are there. */
void mf_glibc_sort_mmapped(struct mf_glibc *glibc);

/** The mmapped chunk at ADDRESS is in a tcache (2.43); they are sorted. */
void mf_glibc_note_cached(struct mf_glibc *glibc, uint64_t address);

/** MAPPING is of reserved huge pages: in RAM, but not in RSS. */
bool mf_glibc_is_hugetlb(const struct mf_mapping *mapping);

/** The end of what belongs to memory that ends at END, of a page at least. */
uint64_t mf_glibc_claim_end(const struct mf_glibc *glibc, uint64_t end);

/** Bytes of all of it in huge pages that RSS does not count. */
uint64_t mf_glibc_hugetlb_resident(struct mf_glibc *glibc);

/* ---- names (glibc_names.c) ------------------------------------------------------ */

/**
 * Asks the target, as it is now, what the chunk in use at CHUNK is: a struct of
 * glibc's own, a class, a symbol that its first word leads to, or "".
 */
const char *mf_glibc_chunk_name(struct mf_glibc *glibc, uint64_t chunk,
				uint64_t size);

/* ---- figures (glibc_figures.c) ------------------------------------------------- */

/** All of the door's figures, from the logs and marks; no target. */
void mf_glibc_make_figures(struct mf_glibc *glibc, struct mf_allocator *info);

#endif
