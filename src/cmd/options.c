/*
 * The options that every command takes, and how their values are read.
 */
#include <string.h>

#include "base/log.h"
#include "base/units.h"
#include "cmd/command.h"

enum {
	LEAST_WIDTH = 40,
	MOST_WIDTH = 1000,
	MOST_RETRIES = 1000,
};

/* ---- reading values ------------------------------------------------------ */

static struct mf_error *bad_value(const char *option, const char *value,
				  const char *wanted)
{
	return mf_error_hint(
		mf_error_why(mf_error_create(MF_ERROR_USAGE,
					     "--%s does not take '%s'", option,
					     value),
			     "it takes %s", wanted),
		"memforensics --help");
}

struct mf_error *mf_option_word(const char *option, const char *value,
				const char *const *words, unsigned *ret)
{
	MF_AUTO_BUFFER(wanted);

	for (unsigned i = 0; words[i]; i++) {
		if (!strcmp(words[i], value)) {
			*ret = i;
			return NULL;
		}
		mf_buffer_printf(&wanted, "%s%s", i ? ", " : "", words[i]);
	}
	return bad_value(option, value, mf_buffer_text(&wanted));
}

static struct mf_error *read_number(const char *option, const char *value,
				    uint64_t least, uint64_t most,
				    uint64_t *ret)
{
	MF_AUTO_BUFFER(wanted);

	if (mf_parse_number(value, ret) && *ret >= least && *ret <= most)
		return NULL;
	mf_buffer_printf(&wanted, "a number from %llu",
			 (unsigned long long)least);
	if (most != UINT64_MAX)
		mf_buffer_printf(&wanted, " to %llu", (unsigned long long)most);
	return bad_value(option, value, mf_buffer_text(&wanted));
}

/* ---- the target ------------------------------------------------------------- */

static struct mf_error *set_pid(struct mf_settings *settings, const char *value)
{
	uint64_t pid;

	if (!mf_parse_number(value, &pid))
		return bad_value("pid", value, "the number of a process");
	settings->target = value;
	return NULL;
}

static const char *const stop_words[] = { "auto", "none", "brief", "snapshot",
					  NULL };

static struct mf_error *set_stop(struct mf_settings *settings,
				 const char *value)
{
	static const enum mf_stop stops[] = { MF_STOP_AUTO, MF_STOP_NONE,
					      MF_STOP_BRIEF, MF_STOP_SNAPSHOT };
	unsigned word = 0;

	MF_TRY(mf_option_word("stop", value, stop_words, &word));
	settings->session.target.stop = stops[word];
	return NULL;
}

static struct mf_error *set_max_pause(struct mf_settings *settings,
				      const char *value)
{
	if (!mf_parse_time(value, &settings->session.target.max_pause_ns))
		return bad_value("max-pause", value,
				 "a time such as 50ms, 2s or 1m");
	return NULL;
}

static struct mf_error *set_retry(struct mf_settings *settings,
				  const char *value)
{
	uint64_t retries;

	MF_TRY(read_number("retry", value, 0, MOST_RETRIES, &retries));
	settings->session.retries = (unsigned)retries;
	settings->session.retries_set = true;
	return NULL;
}

static struct mf_error *set_read_swapped(struct mf_settings *settings,
					 const char *value)
{
	(void)value;
	settings->session.target.read_swapped = true;
	return NULL;
}

static struct mf_error *set_symfs(struct mf_settings *settings,
				  const char *value)
{
	settings->session.target.symfs = value;
	settings->session.image.symfs = value;
	return NULL;
}

static struct mf_error *set_debuginfod(struct mf_settings *settings,
				       const char *value)
{
	(void)value;
	settings->session.image.debuginfod = true;
	return NULL;
}

static struct mf_error *set_no_debuginfo(struct mf_settings *settings,
					 const char *value)
{
	(void)value;
	settings->session.image.no_debuginfo = true;
	return NULL;
}

static struct mf_error *set_no_symbols(struct mf_settings *settings,
				       const char *value)
{
	(void)value;
	settings->session.heap.no_symbols = true;
	return NULL;
}

static struct mf_error *set_listing(struct mf_settings *settings,
				    const char *value)
{
	uint64_t number;

	MF_TRY(read_number("listing", value, 1, 1000000, &number));
	settings->session.listing_index = (unsigned)number - 1;
	return NULL;
}

/* ---- the report --------------------------------------------------------------- */

static const char *const format_words[] = { "text", "json", "csv", NULL };

static struct mf_error *set_format(struct mf_settings *settings,
				   const char *value)
{
	static const enum mf_report_format formats[] = { MF_FORMAT_TEXT,
							 MF_FORMAT_JSON,
							 MF_FORMAT_CSV };
	unsigned word = 0;

	MF_TRY(mf_option_word("format", value, format_words, &word));
	settings->report.format = formats[word];
	return NULL;
}

static struct mf_error *set_json(struct mf_settings *settings,
				 const char *value)
{
	(void)value;
	settings->report.format = MF_FORMAT_JSON;
	return NULL;
}

static struct mf_error *set_output(struct mf_settings *settings,
				   const char *value)
{
	settings->to_stdout = strcmp(value, "-") == 0;
	settings->output = settings->to_stdout ? NULL : value;
	return NULL;
}

static struct mf_error *set_force(struct mf_settings *settings,
				  const char *value)
{
	(void)value;
	settings->force = true;
	return NULL;
}

static struct mf_error *set_bytes(struct mf_settings *settings,
				  const char *value)
{
	(void)value;
	settings->report.bytes = true;
	return NULL;
}

static const char *const color_words[] = { "auto", "always", "never", NULL };

static struct mf_error *set_color(struct mf_settings *settings,
				  const char *value)
{
	static const enum mf_color colors[] = { MF_COLOR_AUTO, MF_COLOR_ALWAYS,
						MF_COLOR_NEVER };
	unsigned word = 0;

	MF_TRY(mf_option_word("color", value, color_words, &word));
	settings->color = colors[word];
	return NULL;
}

static struct mf_error *set_width(struct mf_settings *settings,
				  const char *value)
{
	uint64_t width;

	MF_TRY(read_number("width", value, LEAST_WIDTH, MOST_WIDTH, &width));
	settings->report.width = (unsigned)width;
	return NULL;
}

static struct mf_error *set_top(struct mf_settings *settings, const char *value)
{
	uint64_t top = SIZE_MAX;

	if (strcmp(value, "all") != 0)
		MF_TRY(read_number("top", value, 1, UINT64_MAX, &top));
	settings->report.top = top;
	return NULL;
}

/* ---- the program ---------------------------------------------------------------- */

static struct mf_error *set_quiet(struct mf_settings *settings,
				  const char *value)
{
	(void)value;
	settings->quiet = true;
	return NULL;
}

static struct mf_error *set_verbose(struct mf_settings *settings,
				    const char *value)
{
	(void)value;
	settings->verbose = true;
	return NULL;
}

static struct mf_error *set_debug(struct mf_settings *settings,
				  const char *value)
{
	(void)settings;
	mf_log_set_debug(value);
	return NULL;
}

static struct mf_error *set_help(struct mf_settings *settings,
				 const char *value)
{
	(void)value;
	settings->help = true;
	return NULL;
}

static struct mf_error *set_version(struct mf_settings *settings,
				    const char *value)
{
	(void)value;
	settings->version = true;
	return NULL;
}

static struct mf_error *set_generate(struct mf_settings *settings,
				     const char *value)
{
	settings->generate = value;
	return NULL;
}

/* ---- the table ---------------------------------------------------------------- */

static const struct mf_option common[] = {
	{ .name = "pid",
	  .names_target = true,
	  .letter = 'p',
	  .argument = "PID",
	  .summary = "the process to look at; the same as TARGET",
	  .completion = MF_COMPLETE_PID,
	  .set = set_pid },
	{ .name = "format",
	  .letter = 'f',
	  .argument = "text|json|csv",
	  .summary = "how to print the result (text)",
	  .completion = MF_COMPLETE_WORDS,
	  .words = format_words,
	  .set = set_format },
	{ .name = "json", .summary = "the same as -f json", .set = set_json },
	{ .name = "output",
	  .letter = 'o',
	  .argument = "FILE",
	  .summary = "write to FILE (mode 0600, complete or not at all)",
	  .completion = MF_COMPLETE_FILE,
	  .set = set_output },
	{ .name = "force",
	  .summary = "let -o replace a file",
	  .set = set_force },
	{ .name = "bytes",
	  .summary = "text: plain bytes instead of KiB, MiB, GiB",
	  .set = set_bytes },
	{ .name = "color",
	  .argument = "auto|always|never",
	  .summary = "text: colours (auto: on a terminal, unless NO_COLOR "
		     "is set)",
	  .completion = MF_COMPLETE_WORDS,
	  .words = color_words,
	  .set = set_color },
	{ .name = "width",
	  .argument = "COLUMNS",
	  .summary = "text: fit into so many columns (the terminal's, or 100)",
	  .set = set_width },
	{ .name = "top",
	  .argument = "N",
	  .summary = "text: show N rows of each table, or all",
	  .set = set_top },
	{ .name = "stop",
	  .of_target = true,
	  .argument = "auto|none|brief|snapshot",
	  .summary = "read a copy of the process (snapshot), hold it "
		     "(brief), or neither",
	  .completion = MF_COMPLETE_WORDS,
	  .words = stop_words,
	  .set = set_stop },
	{ .name = "max-pause",
	  .of_target = true,
	  .argument = "TIME",
	  .summary = "let it run again after TIME at the latest (50ms)",
	  .set = set_max_pause },
	{ .name = "retry",
	  .of_target = true,
	  .argument = "N",
	  .summary =
		  "hold it up to N times more if arenas were caught changing",
	  .set = set_retry },
	{ .name = "read-swapped",
	  .of_target = true,
	  .summary = "read pages that are in swap too, which brings them in",
	  .set = set_read_swapped },
	{ .name = "symfs",
	  .of_target = true,
	  .argument = "DIR",
	  .summary = "look for the process's files below DIR first",
	  .completion = MF_COMPLETE_FOLDER,
	  .set = set_symfs },
	{ .name = "debuginfod",
	  .of_target = true,
	  .summary = "ask debuginfod servers for debug information",
	  .set = set_debuginfod },
	{ .name = "no-debuginfo",
	  .of_target = true,
	  .summary = "use no separate debug information",
	  .set = set_no_debuginfo },
	{ .name = "no-symbols",
	  .of_target = true,
	  .summary = "find glibc's heaps by their structure alone",
	  .set = set_no_symbols },
	{ .name = "listing",
	  .of_target = true,
	  .argument = "N",
	  .summary = "of a file with several listings, take the Nth (1)",
	  .set = set_listing },
	{ .name = "quiet",
	  .letter = 'q',
	  .summary = "no warnings and no progress",
	  .set = set_quiet },
	{ .name = "verbose",
	  .letter = 'v',
	  .summary = "more detail",
	  .set = set_verbose },
	{ .name = "debug",
	  .argument = "ROOM,...",
	  .summary = "say what parts of the program do (heap,target or all)",
	  .set = set_debug },
	{ .name = "help",
	  .letter = 'h',
	  .summary = "say what there is, and stop",
	  .set = set_help },
	{ .name = "version", .summary = "say the version", .set = set_version },
	{ .name = "generate",
	  .argument = "bash|zsh|man",
	  .summary = "completions and man page",
	  .hidden = true,
	  .set = set_generate },
};

const struct mf_option *mf_common_options(size_t *count)
{
	*count = MF_ARRAY_SIZE(common);
	return common;
}
