/*
 * Whose frame an address on a stack is in: a frame has the bytes from its stack
 * pointer up to its caller's, the innermost the red zone below it, too.
 */
#include <stdlib.h>

#include "memforensics/session.h"

#include "base/map.h"
#include "base/memory.h"

enum {
	RED_ZONE = 128,
};

struct mf_frames {
	struct mf_stacks *stacks;
	struct mf_map index_of_tid; /* made when first asked */
	struct mf_target *target;
	struct mf_stack *known; /* by index; tid 0: not unwound yet */
	struct mf_frame_namer namer;
};

void mf_frames_destroy(struct mf_frames *frames)
{
	if (!frames)
		return;
	mf_stacks_destroy(frames->stacks);
	mf_map_deinit(&frames->index_of_tid);
	free(frames->known);
	free(frames);
}

struct mf_error *mf_frames_create(struct mf_target *target,
				  struct mf_image *image,
				  struct mf_frames **ret)
{
	const struct mf_stack_options options = { .no_lines = true };
	struct mf_stacks *stacks;

	MF_TRY(mf_stacks_create(target, image, &options, &stacks));
	*ret = mf_new(struct mf_frames);
	(*ret)->stacks = stacks;
	(*ret)->target = target;
	return NULL;
}

struct mf_error *mf_frames_capture(struct mf_frames *frames)
{
	mf_map_deinit(&frames->index_of_tid);
	free(frames->known);
	frames->known = NULL;
	return mf_stacks_capture(frames->stacks, frames->target);
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
	if (!frames)
		return NULL;
	frames->namer = (struct mf_frame_namer){ name, frames };
	return &frames->namer;
}
