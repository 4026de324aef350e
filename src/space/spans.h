/*
 * Spans in address order that never overlap: the address space cut ever finer
 * as claims come. Finding and cutting cost the logarithm of their number.
 */
#ifndef MF_SPACE_SPANS_H
#define MF_SPACE_SPANS_H

#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"

struct mf_span {
	uint64_t start, end;
	uint32_t mapping; /* index of the mapping around it */
	uint32_t claim;	  /* index of the claim that stands; 0: none */
};

struct mf_span_block;

struct mf_spans {
	MF_VEC(struct mf_span_block *) blocks;
	size_t count;
};

/** A place in the spans; a split elsewhere makes it stale. */
struct mf_span_place {
	size_t block, item;
};

/** Adds SPAN after all others. */
void mf_spans_append(struct mf_spans *spans, const struct mf_span *span);

/** The first span that ends after ADDRESS. */
struct mf_span_place mf_spans_find(const struct mf_spans *spans,
				   uint64_t address);

/** The span at PLACE, or NULL past the last; valid until the next split. */
struct mf_span *mf_spans_at(const struct mf_spans *spans,
			    struct mf_span_place place);

struct mf_span_place mf_spans_next(const struct mf_spans *spans,
				   struct mf_span_place place);

/** Cuts the span at *PLACE at AT (inside it); *PLACE stays on the first part. */
void mf_spans_split(struct mf_spans *spans, struct mf_span_place *place,
		    uint64_t at);

void mf_spans_deinit(struct mf_spans *spans);

#endif
