/*
 * Region expressions as they were understood: one term for each text.
 */
#ifndef MF_SESSION_SELECT_H
#define MF_SESSION_SELECT_H

#include "memforensics/session.h"

#include "base/vec.h"

enum mf_term_kind {
	MF_TERM_ADDRESS, /* the mapping that holds it */
	MF_TERM_RANGE,
	MF_TERM_HEAP,
	MF_TERM_ARENA,
	MF_TERM_STACKS,
	MF_TERM_STACK_OF,
	MF_TERM_CLASS,
	MF_TERM_LABEL,
	MF_TERM_SUSPICIOUS,
	MF_TERM_ALLOCATED,
	MF_TERM_ALL,
};

struct mf_term {
	enum mf_term_kind kind;
	const char *text;    /* as it was given */
	uint64_t start, end; /* ADDRESS: start */
	uint64_t number;     /* ARENA, STACK_OF */
	uint64_t hex;	     /* ADDRESS: as if it had 0x before it; or 0 */
	enum mf_class class;
	const char *label;
	bool optional; /* it may select nothing */
};

struct mf_select {
	MF_VEC(struct mf_term) terms;
};

#endif
