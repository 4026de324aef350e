/*
 * Whose frame an address on a stack is in: a frame has the bytes from its stack
 * pointer up to its caller's, the innermost the red zone below it, too.
 */
#include "cmd/frames.h"

#include <stdlib.h>

#include "base/memory.h"

enum {
	RED_ZONE = 128,
};

void mf_frames_deinit(struct mf_frames *frames)
{
	mf_stacks_destroy(frames->stacks);
	mf_map_deinit(&frames->index_of_tid);
	free(frames->known);
	*frames = (struct mf_frames){ .stacks = NULL };
}

struct mf_error *mf_frames_prepare(struct mf_frames *frames,
				   struct mf_target *target,
				   struct mf_image *image)
{
	const struct mf_stack_options options = { .no_lines = true };

	mf_frames_deinit(frames);
	frames->target = target;
	return mf_stacks_create(target, image, &options, &frames->stacks);
}

struct mf_error *mf_frames_capture(struct mf_frames *frames,
				   struct mf_target *target)
{
	mf_map_deinit(&frames->index_of_tid);
	free(frames->known);
	frames->known = NULL;
	return mf_stacks_capture(frames->stacks, target);
}

static void index_threads(struct mf_frames *frames)
{
	size_t count;
	const struct mf_thread *threads =
		mf_target_threads(frames->target, &count);

	if (frames->known)
		return;
	frames->known = mf_new_array(mf_stacks_count(frames->stacks) + 1,
				     struct mf_stack);
	for (size_t i = 0; i < count; i++)
		mf_map_set(&frames->index_of_tid, (uint64_t)threads[i].tid, i);
}

/* Each is unwound once: words of several threads can come by turns. */
static const struct mf_stack *unwind(struct mf_frames *frames, int tid)
{
	const uint64_t *index;
	struct mf_stack *stack;

	index_threads(frames);
	index = mf_map_get(&frames->index_of_tid, (uint64_t)tid);
	if (!index || *index >= mf_stacks_count(frames->stacks))
		return NULL;
	stack = &frames->known[*index];
	if (!stack->tid)
		mf_stacks_unwind(frames->stacks, *index, stack);
	return stack->tid == tid ? stack : NULL;
}

/* The outermost has no caller to say where it ends. */
static const char *name(void *context, int tid, uint64_t address,
			unsigned *frame)
{
	const struct mf_stack *stack = unwind(context, tid);
	const struct mf_frame *found = NULL;

	for (size_t i = 0; stack && i < stack->frame_count; i++) {
		const struct mf_frame *each = &stack->frames[i];

		if (each->inlined)
			continue;
		/* a handler may have a stack of its own */
		if (found && each->sp > address &&
		    found->sp <= address + RED_ZONE)
			return found->symbol;
		found = each;
		*frame = (unsigned)i;
	}
	return NULL;
}

const struct mf_frame_namer *mf_frames_namer(struct mf_frames *frames)
{
	frames->namer = (struct mf_frame_namer){ name, frames };
	return frames->stacks ? &frames->namer : NULL;
}
