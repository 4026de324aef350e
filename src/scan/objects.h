/*
 * Objects by their vtables: what the parts of that scanner share. Whoever
 * recognises objects of another language adds rows of his own.
 */
#ifndef MF_SCAN_OBJECTS_H
#define MF_SCAN_OBJECTS_H

#include "base/map.h"
#include "base/pool.h"
#include "scan/rust.h"
#include "scan/scanner.h"
#include "scan/shapes.h"
#include "scan/vtables.h"

/** How far a count can be trusted. */
enum mf_object_confidence {
	MF_OBJECT_HIGH,	  /* each one stands where such a thing must stand */
	MF_OBJECT_MEDIUM, /* some may be remains of what is gone */
	MF_OBJECT_LOW,	  /* it only looks like one */
};

/** One type; texts are kept by the caller, or in the scanner's pool. */
struct mf_object_row {
	const char *type; /* NULL: the name of CLASS, made when it is written */
	uint32_t class;
	const char *language;
	const char *evidence; /* "rtti", "symbol", "address", "shape" */
	const char *module;   /* of its vtable; NULL: none */
	const char *note;     /* for people; NULL: none */
	uint64_t count;
	uint64_t inside;  /* of these, not at the start of a chunk */
	uint64_t remains; /* not counted: may be left of what is gone */
	uint64_t bytes;	  /* of chunks that they begin, with headers */
	uint64_t example; /* the lowest address of one */
	enum mf_object_confidence confidence;
};

struct mf_object_rows {
	MF_VEC(struct mf_object_row) list;
	struct mf_pool pool; /* of texts */
};

void mf_object_rows_deinit(struct mf_object_rows *rows);

/** Most bytes first. */
void mf_object_rows_sort(struct mf_object_rows *rows);
/** KEEPERS NULL: what is retained is not told of. */
void mf_object_rows_write(const struct mf_object_rows *rows,
			  struct mf_vtables *vtables,
			  const struct mf_keepers *keepers,
			  struct mf_report *report);

/* ---- counting ------------------------------------------------------------- */

/** What is known of the objects of one class. */
struct mf_object_tally {
	uint64_t started;  /* at the start of a chunk */
	uint64_t unproved; /* of these, where freeing would have left them */
	uint64_t arrays;   /* in arrays that say how long they are */
	uint64_t members;  /* in each object of some class, at one place */
	uint64_t loose;	   /* elsewhere in a chunk, or in none */
	uint64_t remains;  /* in some objects of a class, but not in all */
	uint64_t bytes;	   /* of chunks, headers included */
	uint64_t example;
	uint64_t expired; /* control blocks whose object is gone */
};

/** Objects of one class at equal distances in one chunk. */
struct mf_object_run {
	uint64_t chunk, size;	/* of the chunk; 0: there is none */
	uint64_t first, last;	/* addresses */
	uint64_t stride;	/* 0: there is only one */
	uint64_t count, before; /* before: the word before the first */
	uint32_t class;
	uint32_t header; /* bytes of the chunk before what its user has */
};

/** Objects of a class at one place in objects of another. */
struct mf_object_member {
	uint32_t outer, inner, offset;
	uint64_t count;
};

struct mf_objects {
	struct mf_vtables *vtables;
	struct mf_rust *rust;
	uint8_t *blocks; /* of each class: enum mf_control_block */
	struct mf_object_tally *tallies;    /* by class */
	MF_VEC(struct mf_object_run) parts; /* of chunks that span windows */
	MF_VEC(struct mf_object_member) members;
	struct mf_shapes shapes;
	struct mf_object_rows rows;
};

/** Whose control block of shared pointers a class is. */
enum mf_control_block {
	MF_BLOCK_NONE,
	MF_BLOCK_GNU,  /* counts of 32 bits: owners, and weak ones */
	MF_BLOCK_LLVM, /* counts of 64 bits, less one */
};

/** WORD follows the vptr of a block: is what it was made for gone? */
bool mf_control_block_is_expired(enum mf_control_block block, uint64_t word);

enum {
	MF_OBJECT_RUNS = 8, /* classes that are followed in a chunk at once */
	MF_OBJECT_MEMBER_END = 1 << 20, /* bytes into it; no member is behind */
};

struct mf_object_worker {
	const struct mf_objects *objects;
	struct mf_rust_worker *rust;
	struct mf_shapes shapes;
	uint32_t *slots; /* of each class: its tally's index + 1 */
	MF_VEC(struct mf_object_tally) tallies;
	MF_VEC(uint32_t) classes; /* of each tally */
	struct mf_map member_at;  /* hash of a member: its index */
	MF_VEC(struct mf_object_member) members;
	MF_VEC(struct mf_object_run) parts;
	struct mf_object_run runs[MF_OBJECT_RUNS]; /* of the chunk at hand */
	unsigned run_count;
	uint64_t low, span; /* of all words that can mean anything */
};

struct mf_object_tally *mf_object_tally_of(struct mf_object_worker *worker,
					   uint32_t class);

void mf_object_tally_add(struct mf_object_tally *sum,
			 const struct mf_object_tally *part);

/** Adds an object of CLASS at ADDRESS to the runs of the chunk at hand. */
void mf_object_runs_add(struct mf_object_worker *worker,
			const struct mf_object_run *object);

/** Ends the runs of the chunk at hand; WHOLE: all of it has been seen. */
void mf_object_runs_end(struct mf_object_worker *worker, bool whole);

/** Joins the parts of runs that span windows, and counts them. */
void mf_object_parts_count(struct mf_objects *objects,
			   struct mf_target *target);

/** Rows of all classes that have objects, and of Rust's types. */
void mf_objects_make_rows(struct mf_objects *objects);

#endif
