/*
 * Words for a region that several views use.
 */
#ifndef MF_TUI_REGION_TEXT_H
#define MF_TUI_REGION_TEXT_H

#include "memforensics/space.h"

#include "base/buffer.h"

/** Who has it, without the folders of a path; "" nobody. */
const char *mf_tui_region_owner(const struct mf_region *region);

/** What it is: "arena 3 heap 2/5 (glibc)", or what is mapped there. */
/** With its class before it, where the description does not begin so. */
void mf_tui_region_name(struct mf_buffer *text, const struct mf_region *region);
void mf_tui_region_describe(struct mf_buffer *text,
			    const struct mf_region *region);

/** "rw-p" */
void mf_tui_region_perms(char text[5], const struct mf_region *region);

#endif
