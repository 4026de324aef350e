/*
 * Frames for those who tell of stacks: copied in the pass of a command, unwound
 * for the threads that are asked about.
 */
#ifndef MF_CMD_FRAMES_H
#define MF_CMD_FRAMES_H

#include "memforensics/scan.h"
#include "memforensics/session.h"
#include "memforensics/stack.h"

#include "base/map.h"

struct mf_frames {
	struct mf_stacks *stacks;   /* NULL: there are none */
	struct mf_map index_of_tid; /* made when first asked */
	struct mf_target *target;
	struct mf_stack *known; /* by index; tid 0: not unwound yet */
	struct mf_frame_namer namer;
};

/** Before the target is held; begins from nothing. */
struct mf_error *mf_frames_prepare(struct mf_frames *frames,
				   struct mf_target *target,
				   struct mf_image *image) MF_MUST_CHECK;
/** While it stands still. */
struct mf_error *mf_frames_capture(struct mf_frames *frames,
				   struct mf_target *target) MF_MUST_CHECK;
/** When it runs again: names frames as long as FRAMES is there. */
const struct mf_frame_namer *mf_frames_namer(struct mf_frames *frames);
void mf_frames_deinit(struct mf_frames *frames);

#endif
