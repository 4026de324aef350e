/*
 * The stacks of a target: made, ended, and the words that they are told in.
 */
#include "stack/stack.h"

#include <sys/mman.h>

const char *mf_unwinder_name(enum mf_unwinder unwinder)
{
	switch (unwinder) {
	case MF_UNWINDER_REGISTERS:
		return "registers";
	case MF_UNWINDER_LIBUNWIND:
		return "libunwind";
	case MF_UNWINDER_LIBDW:
		return "libdw";
	case MF_UNWINDER_FRAME_POINTER:
		return "frame-pointer";
	case MF_UNWINDER_RETURN_ADDRESS:
		return "return-address";
	case MF_UNWINDERS_ALL:
		break;
	}
	return "?";
}

const char *mf_stack_end_text(enum mf_stack_end end)
{
	static const char *const texts[] = {
		[MF_STACK_COMPLETE] = "complete",
		[MF_STACK_TOO_DEEP] = "more frames than are shown",
		[MF_STACK_NO_BYTES] = "cut: its bytes are not known",
		[MF_STACK_NO_RULE] = "cut: no unwind tables there",
		[MF_STACK_BROKEN] = "cut: what follows is no caller",
		[MF_STACK_NO_REGISTERS] = "registers are not known",
	};

	return texts[end];
}

struct mf_error *mf_stacks_create(struct mf_target *target,
				  struct mf_image *image,
				  const struct mf_stack_options *options,
				  struct mf_stacks **ret)
{
	struct mf_stacks *stacks = mf_new(struct mf_stacks);

	stacks->target = target;
	stacks->image = image;
	stacks->options = *options;
	if (!options->unwinders)
		stacks->options.unwinders = MF_UNWINDERS_ALL;
	if (!options->max_frames)
		stacks->options.max_frames = MF_STACK_FRAMES_MAX;
	stacks->page_size = mf_target_info(target)->page_size;
	stacks->tables = mf_cfi_tables_create(image);
	mf_stacks_make_room(stacks);
	*ret = stacks;
	return NULL;
}

void mf_stacks_destroy(struct mf_stacks *stacks)
{
	if (!stacks)
		return;
	mf_stacks_forget(stacks);
	mf_stacks_forget_names(stacks);
	mf_vec_deinit(&stacks->spans);
	mf_vec_deinit(&stacks->threads);
	mf_vec_deinit(&stacks->code);
	mf_libunwind_destroy(stacks->libunwind);
	mf_libdw_destroy(stacks->libdw);
	mf_cfi_tables_destroy(stacks->tables);
	if (stacks->room)
		munmap(stacks->room, stacks->room_size);
	free(stacks);
}

size_t mf_stacks_count(const struct mf_stacks *stacks)
{
	return stacks->threads.count;
}

uint64_t mf_stacks_bytes(const struct mf_stacks *stacks)
{
	return stacks->bytes;
}
