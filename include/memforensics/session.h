/*
 * The door of the session room: owns the target and one of each model over it,
 * each built when it is first asked for, torn down in reverse.
 */
#ifndef MEMFORENSICS_SESSION_H
#define MEMFORENSICS_SESSION_H

#include "memforensics/analysis.h"
#include "memforensics/heap.h"
#include "memforensics/image.h"
#include "memforensics/scan.h"
#include "memforensics/space.h"
#include "memforensics/stack.h"
#include "memforensics/target.h"

struct mf_session;

/** The models of one moment. */
struct mf_view {
	struct mf_target *target;
	struct mf_image *image;
	struct mf_space *space; /* settled */
	struct mf_heap *heap;	/* finished; NULL: memory cannot be read */
};

/**
 * More to be read of the target than its models. Where a look has to be taken
 * again (its copy was killed, it began another program, heaps were caught in a
 * change), all are called again, and begin from nothing.
 */
struct mf_session_pass {
	/** Before the target is held: symbols. NULL: nothing to do. */
	struct mf_error *(*prepare)(struct mf_target *target,
				    struct mf_image *image, void *context);
	/** Bytes that read will read, about, so that a pause can be foretold.
	 * NULL: none worth telling. */
	uint64_t (*foresee)(struct mf_target *target, void *context);
	/** While it stands still, before the models: what must be of the moment
	 * that its threads were stopped at, however long the rest takes. NULL:
	 * nothing. */
	struct mf_error *(*read_first)(struct mf_target *target, void *context);
	/** The same; the models are built, and of that moment. NULL: nothing. */
	struct mf_error *(*read)(const struct mf_view *view, void *context);
	void *context;
	/* brief: no look is taken for it alone. It is run at each moment that
	 * is looked at, and what it read last may be of one beside the models' */
	bool casual;
};

struct mf_session_options {
	struct mf_target_options target;
	struct mf_image_options image;
	struct mf_heap_options heap;
	/* how often to stop it again when arenas were caught in the middle of a
	 * change; unset: a few times, while all pauses fit in max_pause_ns */
	bool retries_set;
	unsigned retries;
	unsigned listing_index; /* which listing of a file that holds several */
	bool keep; /* one look for good: see mf_session_is_frozen */
};

/** TARGET: a process id, or the path of a saved listing. */
struct mf_error *mf_session_open(const char *target,
				 const struct mf_session_options *options,
				 struct mf_session **ret) MF_MUST_CHECK;
void mf_session_close(struct mf_session *session);

struct mf_target *mf_session_target(struct mf_session *session);

/**
 * With options.keep: the copy that the models were read from is kept, or the
 * target is a file. From then on passes run over the models as they are, and all
 * is of one moment. False while no models are built, and where there is no copy
 * (any more): each pass takes a look of its own then.
 */
bool mf_session_is_frozen(struct mf_session *session);

/**
 * Heaps are to be known as OPTIONS say: if they are not, the models are built
 * anew when they are next asked for, of the same moment if it is frozen.
 */
void mf_session_set_heap(struct mf_session *session,
			 const struct mf_heap_options *options);

/**
 * Models; each call builds what is missing. The target is held once, while
 * space and heap read it, and released before lists are resolved. A copy of it
 * is dropped when all of them are built: nothing is read while a report is
 * printed.
 */
struct mf_error *mf_session_image(struct mf_session *session,
				  struct mf_image **ret) MF_MUST_CHECK;
/** Settled; with the allocators' claims. */
struct mf_error *mf_session_space(struct mf_session *session,
				  struct mf_space **ret) MF_MUST_CHECK;
/** *ret is NULL when the target's memory cannot be read. */
struct mf_error *mf_session_heap(struct mf_session *session,
				 struct mf_heap **ret) MF_MUST_CHECK;
struct mf_error *mf_session_analysis(struct mf_session *session,
				     struct mf_analysis **ret) MF_MUST_CHECK;

/**
 * Builds the models (anew, if they are there and not frozen) and runs PASS over
 * them, under one hold. When it returns, the target runs, and no copy is left
 * but one that is kept.
 */
struct mf_error *mf_session_run_pass(struct mf_session *session,
				     const struct mf_session_pass *pass)
	MF_MUST_CHECK;

/* ---- region expressions (CONTRACT.md, 1) --------------------------------- */

/** What expressions say, before anything is known of a target. */
struct mf_select;

/**
 * Reads COUNT expressions, all of which are meant together. Errors: usage, with
 * what was probably meant.
 */
struct mf_error *mf_select_parse(const char *const *texts, size_t count,
				 struct mf_select **ret) MF_MUST_CHECK;

/**
 * What a program allocated, as far as anybody knows (glibc's arenas and mmapped
 * chunks, other allocators' memory), and what is suspicious; may select nothing.
 */
struct mf_select *mf_select_create_usual(void);

/** Takes NULL. */
void mf_select_destroy(struct mf_select *select);

/** The words and the beginnings of expressions, NULL-terminated. */
const char *const *mf_select_words(void);
/** TEXT is one of them, or begins with one that goes on. */
bool mf_select_has_word(const char *text);

/**
 * Ranges that were selected, as mf_scan_input has them: none goes beyond its
 * region. A group is an arena, or what an allocator calls alike, or one region.
 */
struct mf_selection {
	struct mf_scan_range *ranges; /* ascending, never overlapping */
	size_t range_count;
	struct mf_scan_group *groups;
	size_t group_count;
	uint64_t bytes; /* of all ranges */
};

/**
 * What SELECT means in VIEW. Nothing of it points into the view's models. Of a
 * range that was given by its bounds, parts that are not mapped are a partial
 * note. Errors: an expression selects nothing; why says what there is.
 */
struct mf_error *mf_select_resolve(const struct mf_select *select,
				   const struct mf_view *view,
				   struct mf_selection *ret) MF_MUST_CHECK;
void mf_selection_deinit(struct mf_selection *selection);

/* ---- frames ---------------------------------------------------------------- */

/** Names frames for those who tell of words on stacks: copied while the target
 * stands still, unwound for the threads that are asked about. */
struct mf_frames;

/** Before the target is held. */
struct mf_error *mf_frames_create(struct mf_target *target,
				  struct mf_image *image,
				  struct mf_frames **ret) MF_MUST_CHECK;
/** While it stands still; begins from nothing. */
struct mf_error *mf_frames_capture(struct mf_frames *frames) MF_MUST_CHECK;
/** When it runs again: as long as FRAMES is there. FRAMES NULL: NULL. */
const struct mf_frame_namer *mf_frames_namer(struct mf_frames *frames);
/** Takes NULL. */
void mf_frames_destroy(struct mf_frames *frames);

#endif
