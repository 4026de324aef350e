/*
 * Tokio's tasks: what a vtable of one looks like, in every release since 1.0,
 * and what was counted of them.
 *
 * A task is one allocation, a Cell: Header, Core (scheduler, id, future or its
 * result), Trailer. The header holds a word of state and the address of the
 * vtable, of which there is one for each type of future and scheduler.
 */
#ifndef MF_SCAN_TOKIO_H
#define MF_SCAN_TOKIO_H

#include "base/pool.h"
#include "base/vec.h"
#include "scan/points.h"
#include "scan/rust_vtables.h"
#include "scan/scanner.h"

enum mf_tokio_state {
	MF_TOKIO_IDLE,
	MF_TOKIO_SCHEDULED,
	MF_TOKIO_RUNNING,
	MF_TOKIO_COMPLETE,
	MF_TOKIO_STATES,
};

enum {
	MF_TOKIO_FUNCTIONS = 8, /* most of a vtable */
	MF_TOKIO_HEADER = 6,	/* words; most of a header */
	MF_TOKIO_STAGE = 3,	/* words of a boxed future, at most */
	MF_TOKIO_VTABLES_MAX = 1 << 15,
};

/** What headers and vtables are in releases FIRST to LAST, 1.FIRST to 1.LAST. */
struct mf_tokio_release {
	unsigned first, last;
	uint8_t functions;   /* a vtable has at least so many, then no more */
	uint8_t offsets;     /* behind them: of trailer, scheduler, id */
	uint8_t vtable_word; /* where the header has the vtable */
	uint8_t queue_word;  /* and the next task of its queue */
	uint8_t header;	     /* words of it */
};

/** How a future was named; the surest first. */
enum mf_tokio_proof {
	MF_TOKIO_SYMBOL,  /* by the symbol of its own poll */
	MF_TOKIO_CALLS,	  /* by the symbols of what that calls */
	MF_TOKIO_SOURCE,  /* by a source line */
	MF_TOKIO_ALIKE,	  /* it is this one, or another of the same code */
	MF_TOKIO_ADDRESS, /* not: where its poll lies */
	MF_TOKIO_UNNAMED, /* not yet */
};

struct mf_tokio_vtable {
	uint64_t address;
	const struct mf_module *module;
	const struct mf_tokio_release *release;
	uint64_t functions[MF_TOKIO_FUNCTIONS];
	uint32_t function_count;
	uint32_t trailer; /* bytes of a cell before it; 0: not known */
	uint32_t stage;	  /* and before its future; 0: not known */
	bool boxed;	  /* that may be a fat pointer to one */
	bool sure;	  /* its shape or its symbol proves it */
	enum mf_tokio_proof proof;
	const char *future; /* the pool's */
};

struct mf_tokio_tally {
	uint64_t count[MF_TOKIO_STATES], bytes[MF_TOKIO_STATES];
	uint64_t example; /* the lowest address; 0: none */
};

/** A future, whatever it is scheduled by. */
struct mf_tokio_row {
	const char *future;
	enum mf_tokio_proof proof;
	struct mf_tokio_tally tally;
	bool bytes_known;
};

/** Cells whose future is elsewhere, behind a fat pointer. */
struct mf_tokio_boxed {
	uint32_t vtable, trait; /* index; number of the fat pointer's vtable */
	struct mf_tokio_tally tally;
};

struct mf_tokio_boxes {
	struct mf_map indices; /* vtable << 32 | trait: index into the list */
	MF_VEC(struct mf_tokio_boxed) list;
};

/** A cell whose header was not in one piece; read again at the end. */
struct mf_tokio_pending {
	uint64_t header, chunk, size;
	uint32_t vtable;
};

struct mf_tokio {
	struct mf_pool pool;
	MF_VEC(struct mf_tokio_vtable) vtables;
	struct mf_points points;       /* address of a vtable: its index */
	struct mf_tokio_tally *own;    /* of cells that are a chunk */
	struct mf_tokio_tally *inside; /* of those inside of one */
	struct mf_tokio_boxes boxes;
	MF_VEC(struct mf_tokio_pending) pending;
	MF_VEC(struct mf_tokio_row) rows;
	struct mf_rust_vtables *traits; /* NULL: no future may be boxed */
	bool all_named;
	struct mf_follower *follower; /* of the module named last */
	const struct mf_module *followed;
};

/* ---- vtables ------------------------------------------------------------- */

/** That of a version 1.MINOR. */
const struct mf_tokio_release *mf_tokio_release_of(unsigned minor);

/** Finds the vtables of all modules. */
struct mf_error *mf_tokio_find(struct mf_tokio *tokio, struct mf_target *target,
			       struct mf_image *image) MF_MUST_CHECK;

/* ---- cells ---------------------------------------------------------------- */

/** The state of a cell by its HEADER; false: that is none. */
bool mf_tokio_read_header(const struct mf_tokio_vtable *vtable,
			  const uint64_t *header, enum mf_tokio_state *ret);

void mf_tokio_tally_add(struct mf_tokio_tally *sum,
			const struct mf_tokio_tally *part);
uint64_t mf_tokio_sum(const uint64_t parts[MF_TOKIO_STATES]);

/* ---- boxed futures --------------------------------------------------------- */

/** Finds what of VTABLES may hold a fat pointer; all of them are named. */
struct mf_error *mf_tokio_boxes_prepare(struct mf_tokio *tokio,
					struct mf_target *target,
					struct mf_image *image) MF_MUST_CHECK;

/** VTABLE, which is named, may hold a fat pointer. */
bool mf_tokio_may_be_boxed(const struct mf_tokio_vtable *vtable);

/** The vtable of the fat pointer that is in such STAGE words, or NULL. */
struct mf_rust_vtable *mf_tokio_boxes_trait(const struct mf_tokio *tokio,
					    const uint64_t *stage);

/** The tally of cells of VTABLE that hold such STAGE words, or NULL. */
struct mf_tokio_tally *mf_tokio_boxes_find(struct mf_tokio_boxes *boxes,
					   const struct mf_tokio *tokio,
					   uint32_t vtable,
					   const uint64_t *stage);
void mf_tokio_boxes_merge(struct mf_tokio_boxes *boxes,
			  const struct mf_tokio_boxes *part);
void mf_tokio_boxes_deinit(struct mf_tokio_boxes *boxes);

/** The name of what has TRAIT for its vtable, boxed; the pool's. */
const char *mf_tokio_boxed_name(struct mf_tokio *tokio,
				struct mf_rust_vtable *trait,
				enum mf_tokio_proof *proof);

/* ---- names ---------------------------------------------------------------- */

/** Names the future of VTABLE, if it has no name. */
void mf_tokio_name(struct mf_tokio *tokio, struct mf_target *target,
		   struct mf_image *image, struct mf_tokio_vtable *vtable);

/** Names all futures, unless they are too many; tells equal names apart. */
void mf_tokio_name_all(struct mf_tokio *tokio, struct mf_target *target,
		       struct mf_image *image);

/** VTABLE's poll is Tokio's, by where it would panic. */
bool mf_tokio_confirm(struct mf_tokio *tokio, struct mf_target *target,
		      struct mf_image *image,
		      const struct mf_tokio_vtable *vtable);

/** "idle", "scheduled", "running", "complete". */
const char *mf_tokio_state_name(enum mf_tokio_state state);

const char *mf_tokio_proof_name(enum mf_tokio_proof proof);

/* ---- single tasks ------------------------------------------------------------ */

/** For asking of addresses: vtables are found, futures named when asked for. */
struct mf_error *mf_tokio_open(struct mf_target *target, struct mf_image *image,
			       struct mf_tokio **ret) MF_MUST_CHECK;
void mf_tokio_close(struct mf_tokio *tokio);

/** The task whose cell begins at ADDRESS, in words; NULL: none does. */
const char *mf_tokio_task_at(struct mf_tokio *tokio, struct mf_target *target,
			     struct mf_image *image, uint64_t address,
			     enum mf_tokio_proof *proof);

/* ---- rows ------------------------------------------------------------------ */

/** Makes the rows of what was counted. */
void mf_tokio_make_rows(struct mf_tokio *tokio,
			const struct mf_scan_context *context);

void mf_tokio_write(const void *scanner, const struct mf_scan *scan,
		    struct mf_report *report);

#endif
