/*
 * The parts of the core writer: what is in the file (plan), what the notes say
 * (notes), and how bytes get there (sink).
 */
#ifndef MF_TARGET_CORE_WRITE_H
#define MF_TARGET_CORE_WRITE_H

#include "base/buffer.h"
#include "base/vec.h"
#include "target/target.h"

/* ---- the plan: core_write_plan.c -------------------------------------------- */

/** A PT_LOAD: what lies past file_end reads as zeros, or is in a file. */
struct mf_core_load {
	uint64_t start, file_end, end;
	unsigned perms; /* MF_PERM_* */
};

struct mf_core_plan {
	MF_VEC(struct mf_core_load) segments; /* ascending */
	struct mf_buffer runs;		      /* a RESIDENCY note */
	uint64_t data_bytes; /* of pages that are not known to be zeros */
	uint64_t file_bytes; /* of all segments, with their gaps */
};

/** Which pages of TARGET are in the core. */
struct mf_error *mf_core_plan_make(struct mf_target *target,
				   const struct mf_core_options *options,
				   struct mf_core_plan *ret) MF_MUST_CHECK;
void mf_core_plan_deinit(struct mf_core_plan *plan);

/* ---- where bytes go: core_write_sink.c ------------------------------------- */

struct mf_core_sink;

/** To FD, an empty file that stays the caller's; PATH is for messages. */
struct mf_core_sink *mf_core_sink_create(int fd, const char *path,
					 bool compress);
/** Before anything is put: not at the file's start; or to a stream, that has no
 * holes. */
void mf_core_sink_begin(struct mf_core_sink *sink, uint64_t offset,
			bool is_stream);
/** Takes NULL. */
void mf_core_sink_destroy(struct mf_core_sink *sink);
/** Failures are kept until mf_core_sink_error is asked. */
void mf_core_sink_put(struct mf_core_sink *sink, const void *bytes,
		      size_t size);
/** As many zeros: a hole. */
void mf_core_sink_skip(struct mf_core_sink *sink, uint64_t size);
/** Puts bytes, but skips pages of the file that are zeros; what was put. */
uint64_t mf_core_sink_put_sparse(struct mf_core_sink *sink, const void *bytes,
				 size_t size, size_t page_size);
/** The first failure, if there was one. */
struct mf_error *mf_core_sink_error(const struct mf_core_sink *sink)
	MF_MUST_CHECK;
struct mf_error *mf_core_sink_end(struct mf_core_sink *sink) MF_MUST_CHECK;
/** Bytes so far, holes included, unpacked. */
uint64_t mf_core_sink_size(const struct mf_core_sink *sink);

/* ---- the notes: core_write_notes.c ------------------------------------------ */

struct mf_core_note_source;

/** What notes are made from, read once. */
struct mf_core_note_source *
mf_core_note_source_create(struct mf_target *target,
			   const struct mf_core_plan *plan, bool full);
/** Takes NULL. */
void mf_core_note_source_destroy(struct mf_core_note_source *source);
/** Writes all notes to SINK (NULL: nowhere); their size, always the same. */
uint64_t mf_core_write_notes(struct mf_core_note_source *source,
			     struct mf_core_sink *sink);

#endif
