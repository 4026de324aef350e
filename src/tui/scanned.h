/*
 * Scans as jobs, for views of what bytes are.
 */
#ifndef MF_TUI_SCANNED_H
#define MF_TUI_SCANNED_H

#include "tui/gather.h"

/**
 * For a gather's RUN: scans what is usual, as OPTIONS say, into its report; said
 * is how much was looked at. With POINTED, words that point at GATHER's start
 * are looked for by the first pattern.
 */
struct mf_error *mf_scanned_gather(struct mf_gather *gather,
				   const struct mf_view *view,
				   const struct mf_scan_options *options,
				   bool pointed) MF_MUST_CHECK;

/** ARGUMENT of the view of places: where all that a pattern means is. */
struct mf_places_argument {
	enum mf_find_kind kind;
	const char *text;  /* the pattern */
	uint64_t example;  /* MF_FIND_POINTER: words that are as the one here */
	const char *about; /* for people: what is looked for */
};

/* ---- views with several tables --------------------------------------------- */

/** " [texts]  shapes   beginnings   (t: the next)"; NAMES as forms have them. */
void mf_forms_head(const struct mf_pane *pane,
		   const struct mf_sheet_form *forms, size_t count,
		   size_t shown, struct mf_strip *line);

/**
 * The next of COUNT forms behind SHOWN that has rows; SHOWN: there is none.
 */
size_t mf_forms_next(const struct mf_sheet *sheet,
		     const struct mf_sheet_form *forms, size_t count,
		     size_t shown);

/* ---- patterns ---------------------------------------------------------------- */

/**
 * A regular expression of what has SHAPE, with marks in place of what differs;
 * the caller's.
 */
char *mf_shape_pattern(const char *shape);
/** TEXT, as far as it is ASCII, as UTF-16LE in a pattern of bytes; "": none of
 * it is. The caller's. */
char *mf_wide_pattern(const char *text);
/** Some of TEXT was masked, so that it stands nowhere. */
bool mf_text_is_masked(const char *text);

#endif
