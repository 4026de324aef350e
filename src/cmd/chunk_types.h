/*
 * The types of chunks, by the vtable that their first word points at.
 */
#ifndef MF_CMD_CHUNK_TYPES_H
#define MF_CMD_CHUNK_TYPES_H

#include "memforensics/scan.h"
#include "memforensics/session.h"

#include "base/vec.h"

struct mf_typed_chunk {
	uint64_t address;
	const char *type; /* of the types */
};

struct mf_chunk_types {
	struct mf_types *types;
	MF_VEC(struct mf_typed_chunk) chunks; /* by address, once read */
};

/** Before the target is held; again: from nothing. */
struct mf_error *mf_chunk_types_prepare(struct mf_chunk_types *types,
					struct mf_target *target,
					struct mf_image *image) MF_MUST_CHECK;

/**
 * While it stands still: keeps the chunks in use of CHOICE whose type is meant
 * by NAME.
 */
void mf_chunk_types_read(struct mf_chunk_types *types,
			 const struct mf_view *view,
			 const struct mf_chunk_choice *choice,
			 const char *name);

/** The type of CHUNK, if it was kept, or NULL; DATA: a mf_chunk_types. */
const char *mf_chunk_types_of(const struct mf_chunk *chunk, void *data);

/** Whether it was kept. */
bool mf_chunk_types_has(const struct mf_chunk *chunk, void *data);

void mf_chunk_types_deinit(struct mf_chunk_types *types);

#endif
