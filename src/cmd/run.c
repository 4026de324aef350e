/*
 * What every report has as data: the target and the impact on it, what could
 * not be known, the findings; and where it goes.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/log.h"
#include "base/units.h"
#include "cmd/command.h"

enum {
	DEFAULT_WIDTH = 100,
	DATA = MF_SHOW_DATA_ONLY,
};

/* ---- where it goes ----------------------------------------------------------- */

static bool wants_color(enum mf_color color, int fd)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	if (color != MF_COLOR_AUTO)
		return color == MF_COLOR_ALWAYS;
	return isatty(fd) && !(no_color && *no_color) &&
	       !(term && !strcmp(term, "dumb"));
}

static unsigned width_of(int fd)
{
	struct winsize size;

	if (isatty(fd) && ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 1)
		return size.ws_col;
	return DEFAULT_WIDTH;
}

unsigned mf_run_width(const struct mf_run *run)
{
	if (run->settings->report.width)
		return run->settings->report.width;
	return width_of(fileno(mf_output_stream(run->output)));
}

static struct mf_error *make_report(struct mf_run *run)
{
	const struct mf_settings *settings = run->settings;
	struct mf_report_options options = settings->report;
	const char *path = run->command->own_file ? NULL : settings->output;
	int fd;

	if (run->into) {
		options.format = MF_FORMAT_JSON;
		run->report = mf_report_create(run->into, &options);
		return NULL;
	}
	MF_TRY(mf_output_create(path ? path : "-", settings->force,
				&run->output));
	fd = fileno(mf_output_stream(run->output));
	options.color = wants_color(settings->color, fd);
	options.width = mf_run_width(run);
	run->report = mf_report_create(mf_output_stream(run->output), &options);
	return NULL;
}

/* What was said of the work is not to stand in the report's way. */
static struct mf_error *open_report(struct mf_run *run)
{
	mf_progress("", 1, 1);
	return make_report(run);
}

/* ---- data -------------------------------------------------------------------- */

static struct mf_value known_number(uint64_t number)
{
	return number ? mf_count(number) : mf_none();
}

static struct mf_value known_text(const char *text)
{
	return *text ? mf_text(text) : mf_none();
}

static void write_target(struct mf_run *run)
{
	static const char *const kinds[] = {
		[MF_TARGET_LIVE] = "live",
		[MF_TARGET_SNAPSHOT] = "snapshot",
		[MF_TARGET_CORE] = "core",
		[MF_TARGET_LISTING] = "listing",
		[MF_TARGET_FORGED] = "forged",
	};
	const struct mf_target_info *info =
		mf_target_info(mf_session_target(run->session));
	char taken[MF_UNIT_TEXT];
	const struct mf_field fields[] = {
		{ "kind", NULL, mf_text(kinds[info->kind]), DATA },
		{ "pid", NULL, known_number((uint64_t)info->pid), DATA },
		{ "nspid", NULL, known_number((uint64_t)info->nspid), DATA },
		{ "exe", NULL, mf_text(info->exe), DATA },
		{ "comm", NULL, mf_text(info->comm), DATA },
		{ "cmdline", NULL, mf_list(info->cmdline), DATA },
		{ "threads", NULL, known_number(info->thread_count), DATA },
		{ "arch", NULL, mf_text(info->arch), DATA },
		{ "page_size", NULL, mf_size(info->page_size), DATA },
		{ "age_ms", NULL, known_number(info->age_ms), DATA },
		{ "origin", NULL, known_text(info->origin), DATA },
		{ "taken", NULL,
		  info->taken_s ? mf_text(mf_format_utc(taken, info->taken_s))
				: mf_none(),
		  DATA },
	};

	mf_report_fields(run->report, "target", NULL, fields,
			 MF_ARRAY_SIZE(fields));
}

static const char *stop_name(enum mf_stop stop)
{
	static const char *const names[] = {
		[MF_STOP_AUTO] = "auto",
		[MF_STOP_NONE] = "none",
		[MF_STOP_BRIEF] = "brief",
		[MF_STOP_SNAPSHOT] = "snapshot",
	};

	return names[stop];
}

static void write_impact(struct mf_run *run)
{
	struct mf_impact impact;

	mf_target_get_impact(mf_session_target(run->session), &impact);
	const struct mf_field fields[] = {
		{ "stop", NULL, mf_text(stop_name(impact.stop)), DATA },
		{ "why", NULL, mf_text(impact.why), DATA },
		{ "consistency", NULL, mf_text(impact.racy ? "racy" : "exact"),
		  DATA },
		{ "stops", NULL, mf_count(impact.stops), DATA },
		{ "pause_ms", NULL, mf_ms(impact.pause_ms), DATA },
		{ "longest_pause_ms", NULL, mf_ms(impact.longest_pause_ms),
		  DATA },
		{ "bytes_read", NULL, mf_size(impact.bytes_read), DATA },
		{ "pages_faulted_in", NULL, mf_count(impact.pages_faulted_in),
		  DATA },
		{ "elapsed_ms", NULL, mf_ms(impact.elapsed_ms), DATA },
	};
	mf_report_fields(run->report, "impact", NULL, fields,
			 MF_ARRAY_SIZE(fields));
}

static void write_partial(struct mf_run *run)
{
	static const struct mf_column columns[] = {
		{ "what", NULL, MF_VALUE_TEXT, 0 },
		{ "why", NULL, MF_VALUE_TEXT, 0 },
	};
	static const struct mf_table table = {
		.key = "partial",
		.columns = columns,
		.column_count = MF_ARRAY_SIZE(columns),
		.show = MF_SHOW_DATA_ONLY,
	};
	size_t count;
	const struct mf_partial *partials =
		mf_target_partials(mf_session_target(run->session), &count);

	mf_report_table_begin(run->report, &table);
	for (size_t i = 0; i < count; i++)
		mf_report_row(run->report, (struct mf_value[]){
						   mf_text(partials[i].what),
						   mf_text(partials[i].why),
					   });
	mf_report_table_end(run->report);
}

/* ---- begin and end ------------------------------------------------------------- */

static struct mf_error *begin(struct mf_run *run,
			      const struct mf_finding *findings, size_t count)
{
	MF_TRY(open_report(run));
	mf_report_begin(run->report, run->command->name);
	write_target(run);
	write_impact(run);
	write_partial(run);
	mf_report_findings(run->report, findings, count, 0);
	return NULL;
}

struct mf_error *mf_run_begin(struct mf_run *run)
{
	const struct mf_finding *findings;
	struct mf_analysis *analysis;
	size_t count;

	MF_TRY(mf_session_analysis(run->session, &analysis));
	findings = mf_analysis_findings(analysis, &count);
	return begin(run, findings, count);
}

struct mf_error *mf_run_begin_bare(struct mf_run *run)
{
	return begin(run, NULL, 0);
}

struct mf_error *mf_run_begin_alone(struct mf_run *run)
{
	MF_TRY(open_report(run));
	mf_report_begin(run->report, run->command->name);
	return NULL;
}

struct mf_error *mf_run_end(struct mf_run *run)
{
	MF_TRY(mf_report_end(run->report));
	if (run->into)
		return NULL;
	return mf_output_commit(run->output);
}
