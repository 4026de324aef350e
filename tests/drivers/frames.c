/*
 * Prints the frames of every thread of a process or a core, to be compared with
 * what others say of the same one:
 *
 *     frames TARGET [libunwind|libdw|tables|all]
 *
 * "thread TID END", then a line for each frame: its pc, a letter for who found
 * it, its function, "+" its offset, its source line; inlined ones begin with
 * "inlined".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memforensics/session.h"
#include "memforensics/stack.h"

#include "base/memory.h"

struct pass {
	struct mf_stack_options options;
	struct mf_stacks *stacks;
};

static struct mf_error *prepare(struct mf_target *target,
				struct mf_image *image, void *context)
{
	struct pass *pass = context;

	mf_stacks_destroy(pass->stacks);
	pass->stacks = NULL;
	return mf_stacks_create(target, image, &pass->options, &pass->stacks);
}

static struct mf_error *capture(const struct mf_view *view, void *context)
{
	const struct pass *pass = context;

	return mf_stacks_capture(pass->stacks, view->target);
}

static void print_frame(const struct mf_frame *frame)
{
	printf("%s 0x%llx %s %s %s+%llu %s:%u%s\n",
	       frame->inlined ? "inlined" : "frame",
	       (unsigned long long)frame->pc, mf_unwinder_name(frame->by),
	       frame->module ? frame->module->name : "?",
	       frame->symbol ? frame->symbol : "?",
	       (unsigned long long)frame->offset,
	       frame->file ? frame->file : "?", frame->line,
	       frame->signal ? " signal" : "");
}

static void print_threads(struct mf_stacks *stacks)
{
	for (size_t i = 0; i < mf_stacks_count(stacks); i++) {
		struct mf_stack stack;

		mf_stacks_unwind(stacks, i, &stack);
		printf("thread %d %s\n", (int)stack.tid,
		       mf_stack_end_text(stack.end));
		for (size_t k = 0; k < stack.frame_count; k++)
			print_frame(&stack.frames[k]);
	}
}

static unsigned unwinders_named(const char *name)
{
	if (strcmp(name, "libunwind") == 0)
		return MF_UNWINDER_LIBUNWIND;
	if (strcmp(name, "libdw") == 0)
		return MF_UNWINDER_LIBDW;
	if (strcmp(name, "tables") == 0)
		return MF_UNWINDER_LIBUNWIND | MF_UNWINDER_LIBDW;
	return MF_UNWINDERS_ALL;
}

int main(int argc, char **argv)
{
	struct pass pass = { .stacks = NULL };
	struct mf_session_options options = {
		.target.max_pause_ns = UINT64_C(1000000000),
	};
	struct mf_session *session;
	struct mf_error *error;

	if (argc < 2)
		return 64;
	if (argc > 2)
		pass.options.unwinders = unwinders_named(argv[2]);
	error = mf_session_open(argv[1], &options, &session);
	if (!error)
		error = mf_session_run_pass(session, &(struct mf_session_pass){
							     .prepare = prepare,
							     .read = capture,
							     .context = &pass,
						     });
	if (error) {
		fprintf(stderr, "%s: %s\n", error->what,
			error->why ? error->why : "");
		return 1;
	}
	print_threads(pass.stacks);
	mf_stacks_destroy(pass.stacks);
	mf_session_close(session);
	return 0;
}
