/*
 * `explain`: all that is known of addresses.
 */
#include "base/vec.h"
#include "cmd/command.h"

static struct mf_error *set_no_refs(struct mf_settings *settings,
				    const char *value)
{
	(void)value;
	settings->explain.no_refs = true;
	return NULL;
}

static struct mf_error *set_redact(struct mf_settings *settings,
				   const char *value)
{
	(void)value;
	settings->explain.redact = true;
	settings->scan.redact = true;
	return NULL;
}

static const struct mf_option options[] = {
	{ .name = "no-refs",
	  .summary = "do not look for who points there",
	  .set = set_no_refs },
	{ .name = "redact",
	  .summary = "mask all that looks like a secret",
	  .set = set_redact },
};

/* What a pass over a target needs, and makes. */
struct pass {
	struct mf_explain_options options;
	MF_VEC(struct mf_spot) spots;
	struct mf_explain *explain;
	struct mf_frames *frames;
};

static void pass_deinit(struct pass *pass)
{
	mf_explain_destroy(pass->explain);
	mf_frames_destroy(pass->frames);
	mf_vec_deinit(&pass->spots);
}

static struct mf_error *refuse_type(const char *text)
{
	return mf_error_hint(
		mf_error_why(mf_error_create(MF_ERROR_USAGE,
					     "cannot explain '%s'", text),
			     "it means many objects, not one address"),
		"memforensics refs TARGET %s", text);
}

static struct mf_error *take_arguments(struct pass *pass,
				       const struct mf_settings *settings)
{
	for (size_t i = 0; i < settings->argument_count; i++) {
		struct mf_spot spot;

		MF_TRY(mf_spot_parse(settings->arguments[i], &spot));
		if (spot.kind == MF_SPOT_TYPE)
			return refuse_type(spot.text);
		mf_vec_push(&pass->spots, spot);
	}
	return NULL;
}

static struct mf_error *check(const struct mf_settings *settings)
{
	mf_cleanup(pass_deinit) struct pass pass = { .explain = NULL };

	return take_arguments(&pass, settings);
}

static struct mf_error *prepare(struct mf_target *target,
				struct mf_image *image, void *context)
{
	struct pass *pass = context;

	mf_explain_destroy(pass->explain);
	pass->explain = NULL;
	mf_frames_destroy(pass->frames);
	pass->frames = NULL;
	mf_vec_foreach(spot, &pass->spots)
		MF_TRY(mf_spot_find_symbol(spot, image));
	MF_TRY(mf_frames_create(target, image, &pass->frames));
	return mf_explain_create(target, image, &pass->options, &pass->explain);
}

static struct mf_error *read_frames(struct mf_target *target, void *context)
{
	struct pass *pass = context;

	(void)target;
	return mf_frames_capture(pass->frames);
}

static struct mf_error *read_all(const struct mf_view *view, void *context)
{
	struct pass *pass = context;

	mf_vec_foreach(spot, &pass->spots)
		MF_TRY(mf_spot_find_arena(spot, view->heap));
	return mf_explain_read(pass->explain,
			       &(struct mf_scan_input){
				       .target = view->target,
				       .image = view->image,
				       .space = view->space,
				       .heap = view->heap,
			       },
			       pass->spots.items, pass->spots.count);
}

static struct mf_error *run_explain(struct mf_run *run)
{
	mf_cleanup(pass_deinit) struct pass pass = {
		.options = run->settings->explain,
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
	MF_TRY(mf_session_space(run->session, &space));
	MF_TRY(mf_run_begin(run));
	mf_run_write_head(run, space);
	mf_explain_name_frames(pass.explain, mf_frames_namer(pass.frames));
	mf_explain_write(pass.explain, run->report);
	mf_run_write_foot(run);
	return mf_run_end(run);
}

const struct mf_command mf_command_explain = {
	.name = "explain",
	.summary = "what an address is: region, chunk, object, symbol, refs",
	.description =
		"Says of each address which region it is in and why that is "
		"known, whether its page is in memory, which chunk holds it "
		"and what lies beside that, the type of the object in it, the "
		"symbol and its line in the source, whose stack or TLS it is, "
		"what its first bytes are, and which words point there.\n"
		"Key material is masked.",
	.options = options,
	.option_count = MF_ARRAY_SIZE(options),
	.arguments = "ADDR...",
	.arguments_help = "ADDR: an address, SYMBOL, MODULE:SYMBOL, or "
			  "arena:N (the state of that arena); at most 64.",
	.arguments_least = 1,
	.offers_symbols = true,
	.arguments_most = MF_EXPLAIN_MAX,
	.check = check,
	.needs = MF_CAN_MAPPINGS | MF_CAN_READ,
	.run = run_explain,
};
