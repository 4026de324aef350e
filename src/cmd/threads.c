/*
 * `threads`: what each thread does, what it costs, and how it got there.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/units.h"
#include "cmd/command.h"

enum {
	FRAMES_MOST = 1 << 16,
};

static struct mf_error *bad_value(const char *option, const char *value,
				  const char *wanted, const char *hint)
{
	return mf_error_hint(
		mf_error_why(mf_error_create(MF_ERROR_USAGE,
					     "--%s does not take '%s'", option,
					     value),
			     "it takes %s", wanted),
		"%s", hint);
}

static struct mf_error *set_all(struct mf_settings *settings, const char *value)
{
	(void)value;
	settings->threads.rows.each = true;
	return NULL;
}

static struct mf_error *set_frames(struct mf_settings *settings,
				   const char *value)
{
	uint64_t frames;

	if (!mf_parse_number(value, &frames) || frames > FRAMES_MOST)
		return bad_value("frames", value,
				 "how many to show of each stack, 0: all",
				 "--frames 20");
	settings->threads.rows.frames = (size_t)frames;
	settings->threads.rows.frames_set = true;
	return NULL;
}

static struct mf_error *set_no_frames(struct mf_settings *settings,
				      const char *value)
{
	(void)value;
	settings->threads.no_frames = true;
	return NULL;
}

static struct mf_error *add_tid(struct mf_threads_settings *threads,
				const char *value)
{
	uint64_t tid;

	if (!mf_parse_number(value, &tid) || !tid || tid > INT_MAX)
		return bad_value("tid", value, "numbers of threads",
				 "memforensics threads PID lists them");
	if (threads->tid_count == MF_TIDS_MAX)
		return mf_error_hint(
			mf_error_why(mf_error_create(MF_ERROR_USAGE,
						     "too many threads"),
				     "--tid takes at most %d", MF_TIDS_MAX),
			"--all shows every thread");
	threads->tids[threads->tid_count++] = (int)tid;
	return NULL;
}

static struct mf_error *set_tid(struct mf_settings *settings, const char *value)
{
	mf_auto_free char *list = mf_strdup(value);
	char *rest = list, *one;

	while ((one = strsep(&rest, ",")))
		MF_TRY(add_tid(&settings->threads, one));
	settings->threads.rows.each = true;
	return NULL;
}

static const char *const order_words[] = { "cpu", "tid", "name", "stack",
					   NULL };

static struct mf_error *set_sort(struct mf_settings *settings,
				 const char *value)
{
	static const enum mf_thread_order orders[] = {
		MF_THREADS_BY_CPU,
		MF_THREADS_BY_TID,
		MF_THREADS_BY_NAME,
		MF_THREADS_BY_STACK,
	};
	unsigned word = 0;

	MF_TRY(mf_option_word("sort", value, order_words, &word));
	settings->threads.order = orders[word];
	return NULL;
}

static const char *const unwinder_words[] = { "all", "libunwind", "libdw",
					      "frame-pointer", NULL };

static struct mf_error *set_unwinder(struct mf_settings *settings,
				     const char *value)
{
	static const unsigned unwinders[] = {
		MF_UNWINDERS_ALL,
		MF_UNWINDER_LIBUNWIND,
		MF_UNWINDER_LIBDW,
		MF_UNWINDER_FRAME_POINTER | MF_UNWINDER_RETURN_ADDRESS,
	};
	unsigned word = 0;

	MF_TRY(mf_option_word("unwinder", value, unwinder_words, &word));
	settings->threads.unwinders = unwinders[word];
	return NULL;
}

static const struct mf_option options[] = {
	{ .name = "all",
	  .summary =
		  "each thread by itself, a frame in a line, as debuggers do",
	  .set = set_all },
	{ .name = "tid",
	  .argument = "TID[,TID...]",
	  .summary = "only these threads, each by itself",
	  .set = set_tid },
	{ .name = "frames",
	  .argument = "N",
	  .summary = "at most N frames of each stack (0: all)",
	  .set = set_frames },
	{ .name = "no-frames",
	  .summary = "no stacks are copied and unwound",
	  .set = set_no_frames },
	{ .name = "sort",
	  .argument = "cpu|tid|name|stack",
	  .summary = "order of the threads (cpu); stack: its resident bytes",
	  .completion = MF_COMPLETE_WORDS,
	  .words = order_words,
	  .set = set_sort },
	{ .name = "unwinder",
	  .argument = "all|libunwind|libdw|frame-pointer",
	  .summary = "who may find frames (all: whoever can)",
	  .completion = MF_COMPLETE_WORDS,
	  .words = unwinder_words,
	  .set = set_unwinder },
};

/* ---- the pass --------------------------------------------------------------- */

/* What a pass over a target needs, and makes. */
struct pass {
	struct mf_stack_options options;
	struct mf_stacks *stacks;
};

static void pass_deinit(struct pass *pass)
{
	mf_stacks_destroy(pass->stacks);
}

static struct mf_error *prepare(struct mf_target *target,
				struct mf_image *image, void *context)
{
	struct pass *pass = context;

	mf_stacks_destroy(pass->stacks);
	pass->stacks = NULL;
	return mf_stacks_create(target, image, &pass->options, &pass->stacks);
}

static uint64_t foresee(struct mf_target *target, void *context)
{
	(void)context;
	return mf_stacks_foresee(target);
}

static struct mf_error *capture(struct mf_target *target, void *context)
{
	const struct pass *pass = context;

	return mf_stacks_capture(pass->stacks, target);
}

/* Who did not ask for it is told what it takes. */
static void note_unstopped(const struct mf_run *run)
{
	struct mf_target *target = mf_session_target(run->session);
	struct mf_impact impact;

	mf_target_get_impact(target, &impact);
	if (run->settings->session.target.stop == MF_STOP_AUTO &&
	    impact.stop == MF_STOP_NONE &&
	    mf_target_info(target)->kind == MF_TARGET_LIVE &&
	    mf_target_can(target, MF_CAN_STOP))
		mf_target_note_partial(
			target, "frames",
			"none are known, as no thread was stopped: --stop "
			"snapshot, or a longer --max-pause, lets them be "
			"stopped");
}

static struct mf_error *read_stacks(struct mf_run *run, struct pass *pass)
{
	if (run->settings->threads.no_frames ||
	    !mf_target_can(mf_session_target(run->session), MF_CAN_READ))
		return NULL;
	pass->options.unwinders = run->settings->threads.unwinders;
	MF_TRY(mf_session_run_pass(run->session, &(struct mf_session_pass){
							 .prepare = prepare,
							 .foresee = foresee,
							 .read_first = capture,
							 .context = pass,
						 }));
	note_unstopped(run);
	return NULL;
}

/* ---- the threads ------------------------------------------------------------ */

static struct mf_error *take_census(struct mf_run *run,
				    struct mf_thread_census **ret)
{
	const struct mf_threads_settings *settings = &run->settings->threads;
	const struct mf_thread_choice choice = {
		.order = settings->order,
		.tids = settings->tid_count ? settings->tids : NULL,
		.tid_count = settings->tid_count,
	};
	struct mf_analysis_input input = {
		.target = mf_session_target(run->session),
	};

	MF_TRY(mf_session_space(run->session, &input.space));
	MF_TRY(mf_session_heap(run->session, &input.heap));
	*ret = mf_thread_census_create(&input, &choice);
	return NULL;
}

static bool has_tid(const struct mf_thread_census *census, int tid)
{
	size_t count;
	const struct mf_thread_facts *threads =
		mf_thread_census_threads(census, &count);

	for (size_t i = 0; i < count; i++)
		if (threads[i].thread.tid == tid)
			return true;
	return false;
}

/* Threads that were asked for by number, and that are not there. */
static struct mf_error *check_tids(struct mf_run *run,
				   const struct mf_thread_census *census)
{
	const struct mf_threads_settings *settings = &run->settings->threads;
	size_t missing = 0;
	int first = 0;

	for (size_t i = 0; i < settings->tid_count; i++) {
		if (has_tid(census, settings->tids[i]))
			continue;
		first = missing++ ? first : settings->tids[i];
	}
	if (!missing)
		return NULL;
	if (missing == settings->tid_count)
		return mf_error_hint(
			mf_error_why(mf_error_create(MF_ERROR_NO_PROCESS,
						     "there is no thread %d",
						     first),
				     "%s has no such thread, or it has ended",
				     run->settings->target),
			"memforensics threads %s", run->settings->target);
	mf_target_note_partial(mf_session_target(run->session), "threads",
			       "there is no thread %d%s", first,
			       missing > 1 ? ", nor others that were asked for"
					   : "");
	return NULL;
}

static void write_all(struct mf_run *run, const struct mf_space *space,
		      const struct mf_thread_census *census)
{
	struct mf_thread_rows rows = run->settings->threads.rows;
	size_t count;

	mf_thread_census_threads(census, &count);
	rows.each |= count == 1;
	rows.top = run->settings->report.top;
	mf_run_write_head(run, space);
	mf_thread_census_write(census, run->report, &rows);
	mf_run_write_foot(run);
}

static struct mf_error *show(struct mf_run *run,
			     const struct mf_thread_census *census)
{
	struct mf_space *space;

	MF_TRY(check_tids(run, census));
	MF_TRY(mf_session_space(run->session, &space));
	MF_TRY(mf_run_begin_bare(run));
	write_all(run, space, census);
	return mf_run_end(run);
}

static struct mf_error *run_threads(struct mf_run *run)
{
	mf_cleanup(pass_deinit) struct pass pass = { .stacks = NULL };
	struct mf_thread_census *census;
	struct mf_error *error;

	MF_TRY(read_stacks(run, &pass));
	MF_TRY(take_census(run, &census));
	if (pass.stacks)
		mf_thread_census_unwind(census, pass.stacks);
	error = show(run, census);
	mf_thread_census_destroy(census);
	return error;
}

const struct mf_command mf_command_threads = {
	.name = "threads",
	.summary = "what threads do, what their stacks cost, and their frames",
	.description =
		"Says of every thread what it does (state, CPU time, system "
		"call, wait channel), which arena it allocates from, how much "
		"its tcache keeps, how much of its stack is used and in "
		"memory, and the functions that it is in.\n"
		"Threads are told by name, worker-1 and worker-2 as "
		"worker-<number>; stacks of the same functions are shown "
		"once.\n"
		"The process stands still while stacks are copied; they are "
		"unwound when it runs again.",
	.options = options,
	.option_count = MF_ARRAY_SIZE(options),
	.needs = MF_CAN_MAPPINGS | MF_CAN_THREADS,
	.no_walk = true,
	.of_threads = true,
	.run = run_threads,
};
