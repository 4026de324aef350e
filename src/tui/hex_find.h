/*
 * Looking for a text among bytes, by the worker: a view of them has no more than
 * a screen of them at hand.
 */
#ifndef MF_TUI_HEX_FIND_H
#define MF_TUI_HEX_FIND_H

#include "tui/view.h"

struct mf_hex_find {
	const char *text;
	uint64_t start, end; /* where it may be */
	uint64_t from;	     /* the next one after it, or before it, is meant */
	bool forward;
	uint32_t page_size;
	/** Called with PANE when it was found, at ADDRESS. */
	void (*found)(struct mf_pane *pane, uint64_t address);
};

/** Asks for it; what PANE asked for before is forgotten. */
void mf_hex_find(struct mf_pane *pane, const struct mf_hex_find *wanted);

#endif
