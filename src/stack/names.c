/*
 * What stands at an address of code: the function by symbols, those inlined
 * into it and the source line by debug information, or what a JIT compiler
 * says. Each address is looked up once.
 */
#include <string.h>

#include "stack/stack.h"

enum {
	INLINED_MAX = 32,
	NAMED_MAX = 1 << 20, /* frames that are kept; then they begin anew */
};

static void name_by_map(struct mf_stacks *stacks, uint64_t address,
			struct mf_named *named)
{
	const char *name;

	if (!stacks->perf_map_tried)
		stacks->perf_map = mf_perf_map_open(stacks->target);
	stacks->perf_map_tried = true;
	name = stacks->perf_map ? mf_perf_map_at(stacks->perf_map, address,
						 &named->start)
				: NULL;
	if (!name)
		return;
	named->frames[0].symbol = name;
	named->frames[0].perf_map = true;
}

/* The line of the code is the innermost's; each of the others called the one
 * before it. */
static void add_inlined(struct mf_stacks *stacks, uint64_t address,
			struct mf_named *named)
{
	struct mf_inlined inlined[INLINED_MAX];
	struct mf_line line = { NULL, 0 };
	struct mf_frame function = named->frames[0];
	size_t count = mf_image_inlined_at(stacks->image, address, inlined,
					   INLINED_MAX);

	mf_image_line_at(stacks->image, address, &line);
	named->frames =
		mf_realloc(named->frames, count + 1, sizeof(*named->frames));
	for (size_t i = 0; i < count; i++) {
		named->frames[i] = (struct mf_frame){
			.symbol = inlined[i].name,
			.module = function.module,
			.file = line.file,
			.line = line.line,
			.inlined = true,
		};
		line = inlined[i].call;
	}
	function.file = line.file;
	function.line = line.line;
	named->frames[count] = function;
	named->count = count + 1;
}

static struct mf_named look_up(struct mf_stacks *stacks, uint64_t address)
{
	struct mf_named named = { mf_new(struct mf_frame), 1, 0 };
	struct mf_symbol symbol;

	named.frames[0].module = mf_image_module_at(stacks->image, address);
	if (!named.frames[0].module) {
		name_by_map(stacks, address, &named);
		return named;
	}
	if (mf_image_symbol_at(stacks->image, address, &symbol)) {
		named.frames[0].symbol = symbol.name;
		named.start = symbol.address;
	}
	if (!stacks->options.no_lines)
		add_inlined(stacks, address, &named);
	return named;
}

static void drop(struct mf_stacks *stacks)
{
	mf_vec_foreach(named, &stacks->names)
		free(named->frames);
	mf_vec_deinit(&stacks->names);
	mf_map_deinit(&stacks->named);
	stacks->named_frames = 0;
}

const struct mf_named *mf_stacks_name(struct mf_stacks *stacks,
				      uint64_t address)
{
	const uint64_t *known = mf_map_get(&stacks->named, address);
	struct mf_named named;

	if (known)
		return &stacks->names.items[*known];
	named = look_up(stacks, address);
	if (stacks->named_frames >= NAMED_MAX)
		drop(stacks);
	stacks->named_frames += named.count;
	mf_map_set(&stacks->named, address, stacks->names.count);
	mf_vec_push(&stacks->names, named);
	return &stacks->names.items[stacks->names.count - 1];
}

void mf_stacks_forget_names(struct mf_stacks *stacks)
{
	drop(stacks);
	mf_perf_map_close(stacks->perf_map);
	stacks->perf_map = NULL;
	stacks->perf_map_tried = false;
}
