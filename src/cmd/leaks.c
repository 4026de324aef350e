/*
 * `leaks`: chunks in use and mappings that nothing reaches; once, or in two
 * looks with some time between them.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/units.h"
#include "base/vec.h"
#include "cmd/command.h"

enum {
	NS_PER_S = 1000000000,
};

static struct mf_error *usage(const char *option, const char *value,
			      const char *why, const char *hint)
{
	return mf_error_hint(
		mf_error_why(mf_error_create(MF_ERROR_USAGE, "--%s %s", option,
					     value),
			     "%s", why),
		"--%s %s", option, hint);
}

static struct mf_error *set_tagged(struct mf_settings *settings,
				   const char *value)
{
	(void)value;
	settings->leaks.options.tagged = true;
	return NULL;
}

static struct mf_error *set_all(struct mf_settings *settings, const char *value)
{
	(void)value;
	settings->leaks.options.all = true;
	return NULL;
}

static struct mf_error *set_min_size(struct mf_settings *settings,
				     const char *value)
{
	if (!mf_parse_size(value, &settings->leaks.options.min_size))
		return usage("min-size", value, "it takes a number of bytes",
			     "1K");
	return NULL;
}

static struct mf_error *set_twice(struct mf_settings *settings,
				  const char *value)
{
	if (!mf_parse_time(value, &settings->leaks.twice_ns) ||
	    !settings->leaks.twice_ns)
		return usage("twice", value,
			     "it takes the time between two looks", "10s");
	return NULL;
}

/* ---- thresholds ------------------------------------------------------------ */

static const struct {
	const char *name;
	enum mf_leaks_figure figure;
} figures[] = {
	{ "leaked", MF_LEAKS_BYTES },
	{ "leaked.bytes", MF_LEAKS_BYTES },
	{ "leaked.count", MF_LEAKS_COUNT },
	{ "new", MF_LEAKS_NEW_BYTES },
	{ "new.bytes", MF_LEAKS_NEW_BYTES },
	{ "new.count", MF_LEAKS_NEW_COUNT },
};

static bool find_figure(const char *name, size_t length,
			struct mf_leaks_limit *limit)
{
	for (size_t i = 0; i < MF_ARRAY_SIZE(figures); i++)
		if (strlen(figures[i].name) == length &&
		    !strncmp(figures[i].name, name, length)) {
			limit->figure = figures[i].figure;
			return true;
		}
	return false;
}

static struct mf_error *set_fail_if(struct mf_settings *settings,
				    const char *value)
{
	struct mf_leaks_settings *leaks = &settings->leaks;
	size_t length = strcspn(value, "> ");
	struct mf_leaks_limit limit;
	const char *rest = value + length + strspn(value + length, " ");

	if (leaks->limit_count == MF_LEAKS_LIMITS)
		return usage("fail-if", value, "there are too many already",
			     "'leaked>1M'");
	limit.or_equal = rest[0] == '>' && rest[1] == '=';
	if (rest[0] != '>' || !find_figure(value, length, &limit))
		return usage("fail-if", value,
			     "it takes leaked, leaked.count, new or new.count, "
			     "> or >=, and a number",
			     "'leaked>1M'");
	rest += 1 + limit.or_equal;
	rest += strspn(rest, " ");
	if (!mf_parse_size(rest, &limit.number))
		return usage("fail-if", value, "its number is none",
			     "'leaked>1M'");
	leaks->limits[leaks->limit_count++] = limit;
	return NULL;
}

static uint64_t figure_of(const struct mf_leaks_totals *totals,
			  enum mf_leaks_figure figure)
{
	switch (figure) {
	case MF_LEAKS_BYTES:
		return totals->leaked.bytes;
	case MF_LEAKS_COUNT:
		return totals->leaked.count;
	case MF_LEAKS_NEW_BYTES:
		return totals->fresh.bytes;
	case MF_LEAKS_NEW_COUNT:
		return totals->fresh.count;
	}
	return 0;
}

static bool is_any_met(const struct mf_leaks_settings *settings,
		       const struct mf_leaks_totals *totals)
{
	for (size_t i = 0; i < settings->limit_count; i++) {
		const struct mf_leaks_limit *limit = &settings->limits[i];
		uint64_t number = figure_of(totals, limit->figure);

		if (number > limit->number ||
		    (limit->or_equal && number == limit->number))
			return true;
	}
	return false;
}

/* ---- what is excluded ------------------------------------------------------ */

static struct mf_error *set_exclude(struct mf_settings *settings,
				    const char *value)
{
	struct mf_leaks_settings *leaks = &settings->leaks;

	if (leaks->excluded_count == MF_LEAKS_EXCLUDED)
		return usage("exclude", value, "there are too many already",
			     "type:'ns::*'");
	leaks->excluded[leaks->excluded_count++] = value;
	return NULL;
}

static const struct mf_option options[] = {
	{ .name = "twice",
	  .argument = "TIME",
	  .summary = "look again after TIME: what is leaked in both, and the "
		     "rate",
	  .set = set_twice },
	{ .name = "exclude",
	  .argument = "WHAT",
	  .summary = "leave out type:NAME, a glob of types, or a REGION, and "
		     "what hangs on it",
	  .set = set_exclude },
	{ .name = "min-size",
	  .argument = "SIZE",
	  .summary = "leave out what is smaller",
	  .set = set_min_size },
	{ .name = "tagged",
	  .summary = "words with other high 16 bits keep alive, too",
	  .set = set_tagged },
	{ .name = "all",
	  .summary = "every address, not the first of each group",
	  .set = set_all },
	{ .name = "fail-if",
	  .argument = "TEST",
	  .summary = "exit with 10 if so: 'leaked>1M', 'leaked.count>100', "
		     "'new>0'",
	  .set = set_fail_if },
};

/* What the passes over a target need, and make. */
struct pass {
	struct mf_leaks_options options;
	MF_VEC(const char *) excluded;
	struct mf_select *select; /* what is excluded; or NULL */
	struct mf_leaks *leaks;
	struct mf_leaks_past *past; /* of the first of two looks */
};

static void pass_deinit(struct pass *pass)
{
	mf_leaks_destroy(pass->leaks);
	mf_leaks_past_destroy(pass->past);
	mf_select_destroy(pass->select);
	mf_vec_deinit(&pass->excluded);
}

/* Numbers and words of region expressions; all others are types. */
static bool is_region(const char *text)
{
	return (*text >= '0' && *text <= '9') || mf_select_has_word(text);
}

static struct mf_error *take_excluded(struct pass *pass,
				      const struct mf_leaks_settings *settings)
{
	static const char prefix[] = "type:";
	MF_VEC(const char *) regions = { 0 };
	struct mf_error *error = NULL;

	for (size_t i = 0; i < settings->excluded_count; i++) {
		const char *text = settings->excluded[i];

		if (!strncmp(text, prefix, strlen(prefix)))
			mf_vec_push(&pass->excluded, text + strlen(prefix));
		else if (is_region(text))
			mf_vec_push(&regions, text);
		else
			mf_vec_push(&pass->excluded, text);
	}
	if (regions.count)
		error = mf_select_parse(regions.items, regions.count,
					&pass->select);
	mf_vec_deinit(&regions);
	pass->options.excluded = pass->excluded.items;
	pass->options.excluded_count = pass->excluded.count;
	return error;
}

static bool is_of_new(const struct mf_leaks_limit *limit)
{
	return limit->figure == MF_LEAKS_NEW_BYTES ||
	       limit->figure == MF_LEAKS_NEW_COUNT;
}

/* One look has nothing new: the threshold could never be met. */
static struct mf_error *check_limits(const struct mf_leaks_settings *settings)
{
	for (size_t i = 0; i < settings->limit_count; i++)
		if (is_of_new(&settings->limits[i]) && !settings->twice_ns)
			return mf_error_hint(
				mf_error_why(
					mf_error_create(MF_ERROR_USAGE,
							"--fail-if of what is "
							"new"),
					"only a second look has something new"),
				"--twice 10m --fail-if 'new>0'");
	return NULL;
}

static struct mf_error *check(const struct mf_settings *settings)
{
	mf_cleanup(pass_deinit) struct pass pass = { .leaks = NULL };

	MF_TRY(check_limits(&settings->leaks));
	return take_excluded(&pass, &settings->leaks);
}

/* ---- the pass --------------------------------------------------------------- */

static struct mf_error *prepare(struct mf_target *target,
				struct mf_image *image, void *context)
{
	struct pass *pass = context;

	mf_leaks_destroy(pass->leaks);
	pass->leaks = NULL;
	return mf_leaks_create(target, image, &pass->options, &pass->leaks);
}

static struct mf_error *read_all(const struct mf_view *view, void *context)
{
	struct pass *pass = context;
	struct mf_selection selection = { 0 };
	struct mf_error *error;

	if (pass->select)
		MF_TRY(mf_select_resolve(pass->select, view, &selection));
	error = mf_leaks_read(pass->leaks,
			      &(struct mf_scan_input){
				      .target = view->target,
				      .image = view->image,
				      .space = view->space,
				      .heap = view->heap,
				      .ranges = selection.ranges,
				      .range_count = selection.range_count,
			      });
	mf_selection_deinit(&selection);
	return error;
}

static struct mf_error *look(struct pass *pass, struct mf_session *session)
{
	return mf_session_run_pass(session, &(struct mf_session_pass){
						    .prepare = prepare,
						    .read = read_all,
						    .context = pass,
					    });
}

/* ---- two looks --------------------------------------------------------------- */

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / NS_PER_S;
}

static void wait_for(uint64_t ns)
{
	struct timespec left = {
		.tv_sec = (time_t)(ns / NS_PER_S),
		.tv_nsec = (long)(ns % NS_PER_S),
	};

	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		;
}

static struct mf_error *refuse_twice(const struct mf_run *run)
{
	const char *of = run->settings->target;
	struct mf_error *error = mf_error_create(
		MF_ERROR_UNSUPPORTED, "cannot look at this target twice");

	if (!run->is_borrowed)
		return mf_error_hint(
			mf_error_why(error, "a core is of one moment"),
			"memforensics leaks %s", of);
	return mf_error_hint(mf_error_why(error, "the view is of one moment"),
			     "in a shell: memforensics leaks %s --twice 10m",
			     of);
}

static void tell_first(const struct mf_run *run, const struct mf_leaks *leaks)
{
	struct mf_leaks_totals totals;

	mf_leaks_get_totals(leaks, &totals);
	mf_note("first look: %llu leaked, %llu bytes; the second in %.3f s",
		(unsigned long long)totals.leaked.count,
		(unsigned long long)totals.leaked.bytes,
		(double)run->settings->leaks.twice_ns / NS_PER_S);
}

static struct mf_error *look_twice(const struct mf_run *run, struct pass *pass,
				   double *seconds)
{
	const struct mf_target_info *info =
		mf_target_info(mf_session_target(run->session));
	double started;

	if (info->kind == MF_TARGET_CORE || mf_session_is_frozen(run->session))
		return refuse_twice(run);
	MF_TRY(look(pass, run->session));
	started = seconds_now();
	pass->past = mf_leaks_remember(pass->leaks);
	pass->options.past = pass->past;
	tell_first(run, pass->leaks);
	wait_for(run->settings->leaks.twice_ns);
	MF_TRY(look(pass, run->session));
	*seconds = seconds_now() - started;
	return NULL;
}

static struct mf_error *run_leaks(struct mf_run *run)
{
	const struct mf_leaks_settings *settings = &run->settings->leaks;
	mf_cleanup(pass_deinit) struct pass pass = {
		.options = settings->options,
	};
	struct mf_leaks_totals totals;
	struct mf_space *space;
	double seconds = 0;

	MF_TRY(take_excluded(&pass, settings));
	if (settings->twice_ns)
		MF_TRY(look_twice(run, &pass, &seconds));
	else
		MF_TRY(look(&pass, run->session));
	MF_TRY(mf_session_space(run->session, &space));
	MF_TRY(mf_run_begin(run));
	mf_run_write_head(run, space);
	mf_report_line(run->report, "%s", "");
	mf_leaks_write(pass.leaks, run->report, seconds);
	mf_run_write_foot(run);
	mf_leaks_get_totals(pass.leaks, &totals);
	run->is_met = is_any_met(settings, &totals);
	return mf_run_end(run);
}

const struct mf_command mf_command_leaks = {
	.name = "leaks",
	.summary = "allocations that nothing reaches",
	.description =
		"Finds chunks in use, of every allocator whose heap can be "
		"divided, and anonymous mappings that no word leads to: none "
		"in registers, the part of stacks that is in use, TLS, data of "
		"modules, shared memory, other runtimes' heaps, and none in "
		"memory that is reached itself.\nWhat is in free chunks, below "
		"stack pointers, or an allocator's own does not keep "
		"alive.\nLeaks that hold others come first, with what hangs on "
		"them; each with how sure it is, and why.\nWith --twice TIME "
		"only what is leaked in two looks counts, and what is new "
		"since the first is told with its rate.",
	.options = options,
	.option_count = MF_ARRAY_SIZE(options),
	.check = check,
	.needs = MF_CAN_MAPPINGS | MF_CAN_READ | MF_CAN_THREADS,
	.run = run_leaks,
};
