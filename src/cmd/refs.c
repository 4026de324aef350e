/*
 * `refs`: which words point at an address, a range or the objects of a type, up
 * to the roots that keep them; or which roots keep how much alive.
 */
#include <string.h>

#include "base/units.h"
#include "base/vec.h"
#include "cmd/command.h"

static struct mf_error *set_depth(struct mf_settings *settings,
				  const char *value)
{
	uint64_t depth;

	if (!mf_parse_number(value, &depth) || !depth ||
	    depth > MF_REFS_DEPTH_MAX)
		return mf_error_hint(
			mf_error_why(mf_error_create(MF_ERROR_USAGE,
						     "--depth does not take "
						     "'%s'",
						     value),
				     "it takes a number from 1 to %d",
				     MF_REFS_DEPTH_MAX),
			"--depth 8");
	settings->refs.depth = (unsigned)depth;
	return NULL;
}

static struct mf_error *set_tagged(struct mf_settings *settings,
				   const char *value)
{
	(void)value;
	settings->refs.tagged = true;
	return NULL;
}

static struct mf_error *set_exact(struct mf_settings *settings,
				  const char *value)
{
	(void)value;
	settings->refs.exact = true;
	return NULL;
}

static struct mf_error *set_free(struct mf_settings *settings,
				 const char *value)
{
	(void)value;
	settings->refs.free_too = true;
	return NULL;
}

static struct mf_error *set_dominators(struct mf_settings *settings,
				       const char *value)
{
	(void)value;
	settings->dominators = settings->about_all = true;
	return NULL;
}

static const struct mf_option options[] = {
	{ .name = "dominators",
	  .summary = "who keeps how much alive: roots, types; or a PLACE",
	  .set = set_dominators },
	{ .name = "depth",
	  .argument = "N",
	  .summary = "paths of up to N steps from roots (1: no paths); "
		     "levels of --dominators (4)",
	  .set = set_depth },
	{ .name = "exact",
	  .summary = "only words that point to a beginning, not inside",
	  .set = set_exact },
	{ .name = "tagged",
	  .summary = "words with other high 16 bits, too",
	  .set = set_tagged },
	{ .name = "free",
	  .summary = "the bytes of free chunks, too",
	  .set = set_free },
};

/* What a pass over a target needs, and makes. */
struct pass {
	struct mf_refs_options options;
	MF_VEC(struct mf_spot) spots;
	struct mf_select *select; /* what else was named; or NULL */
	bool dominators;
	struct mf_refs *refs;	    /* NULL: dominators were asked for */
	struct mf_keepers *keepers; /* NULL: they were not */
	struct mf_frames *frames;
	MF_VEC(struct mf_scan_range) ranges;
};

static void pass_deinit(struct pass *pass)
{
	mf_refs_destroy(pass->refs);
	mf_keepers_destroy(pass->keepers);
	mf_frames_destroy(pass->frames);
	mf_select_destroy(pass->select);
	mf_vec_deinit(&pass->spots);
	mf_vec_deinit(&pass->ranges);
}

/* ---- what was asked for ----------------------------------------------------- */

static struct mf_error *take_type(struct pass *pass, const struct mf_spot *spot)
{
	if (pass->options.type)
		return mf_error_hint(
			mf_error_why(mf_error_create(MF_ERROR_USAGE,
						     "what is '%s' for?",
						     spot->text),
				     "there is a type already, '%s'",
				     pass->options.type),
			"type:'ns::*' means all types that are named so");
	pass->options.type = spot->name;
	return NULL;
}

static struct mf_error *take_arguments(struct pass *pass,
				       const struct mf_settings *settings)
{
	MF_VEC(const char *) regions = { 0 };
	struct mf_error *error = NULL;

	for (size_t i = 0; !error && i < settings->argument_count; i++) {
		const char *text = settings->arguments[i];
		struct mf_spot spot;

		/* an arena, a class, a label: many ranges; else a place */
		if (mf_select_has_word(text)) {
			mf_vec_push(&regions, text);
			continue;
		}
		error = mf_spot_parse(text, &spot);
		if (!error && spot.kind == MF_SPOT_TYPE)
			error = take_type(pass, &spot);
		else if (!error)
			mf_vec_push(&pass->spots, spot);
	}
	if (!error && regions.count)
		error = mf_select_parse(regions.items, regions.count,
					&pass->select);
	mf_vec_deinit(&regions);
	return error;
}

static struct mf_error *check(const struct mf_settings *settings)
{
	mf_cleanup(pass_deinit) struct pass pass = { .refs = NULL };

	return take_arguments(&pass, settings);
}

/* ---- the pass --------------------------------------------------------------- */

static struct mf_error *prepare(struct mf_target *target,
				struct mf_image *image, void *context)
{
	struct pass *pass = context;

	mf_refs_destroy(pass->refs);
	mf_keepers_destroy(pass->keepers);
	pass->refs = NULL;
	pass->keepers = NULL;
	mf_frames_destroy(pass->frames);
	pass->frames = NULL;
	mf_vec_foreach(spot, &pass->spots)
		MF_TRY(mf_spot_find_symbol(spot, image));
	if (!pass->dominators) {
		MF_TRY(mf_frames_create(target, image, &pass->frames));
		return mf_refs_create(target, image, &pass->options,
				      &pass->refs);
	}
	return mf_keepers_create(target, image,
				 &(struct mf_keepers_options){
					 .type = pass->options.type,
					 .depth = pass->options.depth,
					 .tagged = pass->options.tagged,
					 .threads = pass->options.threads,
				 },
				 &pass->keepers);
}

static int by_start(const void *a, const void *b)
{
	const struct mf_scan_range *left = a, *right = b;

	return (left->start > right->start) - (left->start < right->start);
}

static struct mf_error *resolve(struct pass *pass, const struct mf_view *view)
{
	struct mf_selection selection = { 0 };

	pass->ranges.count = 0;
	if (pass->select)
		MF_TRY(mf_select_resolve(pass->select, view, &selection));
	for (size_t i = 0; i < selection.range_count; i++)
		mf_vec_push(&pass->ranges, selection.ranges[i]);
	mf_selection_deinit(&selection);
	mf_vec_foreach(spot, &pass->spots) {
		MF_TRY(mf_spot_find_arena(spot, view->heap));
		mf_vec_push(&pass->ranges, (struct mf_scan_range){
						   .start = spot->start,
						   .end = spot->end,
					   });
	}
	mf_vec_sort(&pass->ranges, by_start);
	return NULL;
}

static struct mf_error *read_frames(struct mf_target *target, void *context)
{
	struct pass *pass = context;

	(void)target;
	return pass->dominators ? NULL : mf_frames_capture(pass->frames);
}

static struct mf_error *read_all(const struct mf_view *view, void *context)
{
	struct pass *pass = context;
	struct mf_scan_input input = {
		.target = view->target,
		.image = view->image,
		.space = view->space,
		.heap = view->heap,
	};

	MF_TRY(resolve(pass, view));
	input.ranges = pass->ranges.items;
	input.range_count = pass->ranges.count;
	if (pass->keepers)
		return mf_keepers_read(pass->keepers, &input);
	return mf_refs_read(pass->refs, &input);
}

static void write_refs(struct mf_run *run, struct pass *pass)
{
	mf_refs_name_frames(pass->refs, mf_frames_namer(pass->frames));
	mf_refs_write(pass->refs, run->report);
}

static struct mf_error *run_refs(struct mf_run *run)
{
	mf_cleanup(pass_deinit) struct pass pass = {
		.options = run->settings->refs,
		.dominators = run->settings->dominators,
	};
	struct mf_space *space;

	MF_TRY(take_arguments(&pass, run->settings));
	MF_TRY(mf_session_run_pass(run->session,
				   &(struct mf_session_pass){
					   .prepare = prepare,
					   .read_first = read_frames,
					   .read = read_all,
					   .context = &pass,
				   }));
	if (pass.keepers)
		mf_keepers_finish(pass.keepers);
	MF_TRY(mf_session_space(run->session, &space));
	MF_TRY(mf_run_begin(run));
	mf_run_write_head(run, space);
	mf_report_line(run->report, "%s", "");
	if (pass.keepers)
		mf_keepers_write(pass.keepers, run->report);
	else
		write_refs(run, &pass);
	mf_run_write_foot(run);
	return mf_run_end(run);
}

const struct mf_command mf_command_refs = {
	.name = "refs",
	.summary = "which words point at an address or chunk, up to a root",
	.description =
		"Looks in all memory that a program can write to, and in the "
		"registers of its threads, for words that point to or into "
		"what was named.\nAn address means the chunk or the variable "
		"that holds it, or itself where neither is known.\nRoots come "
		"first: registers, the part of stacks that is in use, TLS, "
		"data of modules, memory of others than malloc; then chunks in "
		"use.\nWhat an allocator keeps for itself does not count, nor "
		"do free chunks, unless --free is given.\nWith --depth N: who "
		"points at those chunks, and so on, until a root is found; of "
		"each level at most 65536 chunks are followed.\nWith "
		"--dominators: which variable, thread or type keeps how much "
		"alive, that is, how much would be free without it; of a "
		"PLACE, who keeps it and what it keeps itself.",
	.options = options,
	.option_count = MF_ARRAY_SIZE(options),
	.arguments = "PLACE...",
	.arguments_help =
		"PLACE: an address; START-END or START+LENGTH; SYMBOL or "
		"MODULE:SYMBOL; type:NAME, all objects of a C++ type in chunks "
		"(NAME may be a glob); or a region: heap, arena:N, stack, "
		"stack:TID, class:CLASS, label:TEXT, suspicious, all.",
	.arguments_least = 1,
	.offers_regions = true,
	.offers_symbols = true,
	.check = check,
	.needs = MF_CAN_MAPPINGS | MF_CAN_READ,
	.run = run_refs,
};
