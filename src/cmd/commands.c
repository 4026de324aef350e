/*
 * The table of commands, and the way of every run: parse, open, refuse what the
 * target cannot do, run, say how it went.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/units.h"
#include "cmd/command.h"
#include "cmd/line.h"
#include "cmd/prompt.h"

enum {
	EXIT_PARTIAL = 2,
	EXIT_MET = 10,
	EXIT_USAGE = MF_ERROR_USAGE,
	DEFAULT_MAX_PAUSE_NS = 50000000,
};

/* clang-format off */
static const struct mf_command *const commands[] = {
	&mf_command_attach,
	&mf_command_maps,
	&mf_command_arenas,
	&mf_command_chunks,
	&mf_command_explain,
	&mf_command_refs,
	&mf_command_leaks,
	&mf_command_threads,
	&mf_command_scan,
	&mf_command_dump,
	&mf_command_snapshot,
	&mf_command_diff,
	&mf_command_browse,
};
/* clang-format on */

const struct mf_command *const *mf_commands(size_t *count)
{
	*count = MF_ARRAY_SIZE(commands);
	return commands;
}

const struct mf_command *mf_command_find(const char *name)
{
	for (size_t i = 0; i < MF_ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	return NULL;
}

/* ---- what a target cannot do ------------------------------------------------ */

static const char *ability_name(unsigned missing)
{
	static const struct {
		unsigned ability;
		const char *name;
	} names[] = {
		{ MF_CAN_MAPPINGS, "its mappings" },
		{ MF_CAN_READ, "its memory" },
		{ MF_CAN_THREADS, "its threads" },
		{ MF_CAN_RESIDENCY, "which of its pages are in memory" },
		{ MF_CAN_USAGE, "how much of its mappings is in memory" },
		{ MF_CAN_STOP, "its registers" },
		{ MF_CAN_FILES, "its files" },
	};

	for (size_t i = 0; i < MF_ARRAY_SIZE(names); i++)
		if (missing & names[i].ability)
			return names[i].name;
	return "it";
}

/* What a file lacks is not to be had with any permission. */
static struct mf_error *refuse_file(const struct mf_run *run,
				    enum mf_target_kind kind, unsigned missing)
{
	bool is_core = kind == MF_TARGET_CORE;

	return mf_error_hint(
		mf_error_why(
			mf_error_create(MF_ERROR_UNSUPPORTED,
					"cannot do '%s' with a %s",
					run->command->name,
					is_core ? "core" : "saved listing"),
			"it needs %s, and %s",
			is_core && missing & MF_CAN_STOP
				? "a process that runs"
				: ability_name(missing),
			is_core ? "this core does not have that"
				: "a listing has only mappings"),
		"memforensics attach %s", run->settings->target);
}

/* The target room has said why it has no more. */
static struct mf_error *refuse_process(const struct mf_run *run,
				       unsigned missing)
{
	size_t count;
	const struct mf_partial *partials =
		mf_target_partials(mf_session_target(run->session), &count);
	struct mf_error *error = mf_error_create(
		MF_ERROR_PERMISSION, "cannot do '%s' with process %s",
		run->command->name, run->settings->target);

	if (count)
		mf_error_why(error, "%s: %s", partials[0].what,
			     partials[0].why);
	else
		mf_error_why(error, "it cannot read %s", ability_name(missing));
	return mf_error_hint(error,
			     "sudo memforensics %s %s, or what its maps tell: "
			     "memforensics attach %s",
			     run->command->name, run->settings->target,
			     run->settings->target);
}

static struct mf_error *check_needs(const struct mf_run *run)
{
	const struct mf_target_info *info =
		mf_target_info(mf_session_target(run->session));
	unsigned missing = run->command->needs & ~info->abilities;

	if (!missing)
		return NULL;
	if (info->kind == MF_TARGET_LISTING || info->kind == MF_TARGET_CORE)
		return refuse_file(run, info->kind, missing);
	return refuse_process(run, missing);
}

/* ---- a run ------------------------------------------------------------------------ */

/* An output that cannot be written is said before the work, not after it. */
static struct mf_error *check_output(const struct mf_settings *settings)
{
	struct mf_output *output;

	if (!settings->output)
		return NULL;
	MF_TRY(mf_output_create(settings->output, settings->force, &output));
	mf_output_destroy(output);
	return NULL;
}

/* The target may have been named behind what is wanted of it. */
static struct mf_error *check_order(const struct mf_run *run)
{
	const struct mf_settings *settings = run->settings;
	uint64_t pid;

	if (run->session || run->command->opens_own ||
	    !settings->argument_count ||
	    mf_parse_number(settings->target, &pid) ||
	    access(settings->target, F_OK) == 0)
		return NULL;
	for (size_t i = 0; i < settings->argument_count; i++) {
		const char *argument = settings->arguments[i];

		if (mf_parse_number(argument, &pid) ||
		    access(argument, F_OK) == 0)
			return mf_error_hint(
				mf_error_why(
					mf_error_create(MF_ERROR_USAGE,
							"cannot look at '%s'",
							settings->target),
					"the target comes first, and what is "
					"wanted of it behind that"),
				"memforensics %s %s %s", run->command->name,
				argument, settings->target);
	}
	return NULL;
}

/* What makes no sense of any target is said before one is opened. */
static struct mf_error *check_arguments(struct mf_run *run)
{
	const struct mf_settings *settings = run->settings;

	if (run->command->check)
		MF_TRY(run->command->check(settings));
	if (!run->command->takes_regions || !settings->argument_count)
		return NULL;
	return mf_select_parse(settings->arguments, settings->argument_count,
			       &run->select);
}

struct mf_error *mf_command_open(const struct mf_command *command,
				 const struct mf_settings *settings,
				 struct mf_session **ret)
{
	struct mf_session_options options = settings->session;

	if (command->unstopped && options.target.stop == MF_STOP_AUTO)
		options.target.stop = MF_STOP_NONE;
	if (command->copied && options.target.stop == MF_STOP_AUTO)
		options.target.stop = MF_STOP_SNAPSHOT;
	/* what is kept is for all commands that follow */
	options.target.extended_registers = command->copied || options.keep;
	options.target.wait_channels =
		command->of_threads || command->copied || options.keep;
	options.heap.no_walk = command->no_walk && !settings->walk_heaps;
	options.heap.thread_caches = command->of_threads;
	return mf_session_open(settings->target, &options, ret);
}

/* The prompt's heaps are walked for all commands; some want to know more. */
static void use_borrowed(const struct mf_run *run)
{
	mf_session_set_heap(run->session, &run->settings->session.heap);
}

static struct mf_error *check_target(const struct mf_run *run)
{
	if (run->settings->target)
		return NULL;
	return mf_error_hint(
		mf_error_why(mf_error_create(MF_ERROR_USAGE, "%s of what?",
					     run->command->name),
			     "neither a process id nor a file was given"),
		"memforensics %s PID", run->command->name);
}

static struct mf_error *open_and_run(struct mf_run *run)
{
	MF_TRY(check_target(run));
	MF_TRY(check_order(run));
	MF_TRY(check_arguments(run));
	MF_TRY(check_output(run->settings));
	if (run->is_borrowed)
		use_borrowed(run);
	if (run->command->opens_own)
		return run->command->run(run);
	if (!run->session)
		MF_TRY(mf_command_open(run->command, run->settings,
				       &run->session));
	MF_TRY(check_needs(run));
	return run->command->run(run);
}

static int exit_code(const struct mf_run *run)
{
	size_t count = run->partial;

	if (run->is_met)
		return EXIT_MET;
	if (run->session)
		mf_target_partials(mf_session_target(run->session), &count);
	return count ? EXIT_PARTIAL : EXIT_SUCCESS;
}

/* Whoever could not know what to type instead leaves it to this. */
static const char *general_hint(enum mf_error_code code)
{
	switch (code) {
	case MF_ERROR_PERMISSION:
		return "the same with sudo";
	case MF_ERROR_NO_PROCESS:
		return "pgrep -a NAME lists process ids";
	default:
		return "memforensics --help";
	}
}

/* What is advised is what would be typed where the error was made. */
static void make_hint(struct mf_error *error,
		      const struct mf_settings *settings)
{
	char *hint;

	if (!error->hint)
		mf_error_hint(error, "%s", general_hint(error->code));
	if (!settings->at_prompt)
		return;
	hint = mf_line_shorten(error->hint, settings->target);
	mf_error_hint(error, "%s", hint);
	free(hint);
}

int mf_command_complain(struct mf_error *error,
			const struct mf_settings *settings)
{
	int code = error->code;

	make_hint(error, settings);
	mf_report_error(stderr, error);
	mf_error_destroy(error);
	return code;
}

static void end_run(struct mf_run *run)
{
	mf_report_destroy(run->report);
	mf_output_destroy(run->output);
	mf_select_destroy(run->select);
	run->report = NULL;
	run->output = NULL;
	run->select = NULL;
}

static int do_run(struct mf_run *run)
{
	struct mf_error *error = open_and_run(run);
	int code;

	mf_progress("", 1, 1);
	code = error ? mf_command_complain(error, run->settings)
		     : exit_code(run);
	end_run(run);
	if (!error && run->settings->session.keep)
		mf_prompt_run(run->settings, &run->session);
	if (!run->is_borrowed)
		mf_session_close(run->session);
	return code;
}

static int generate(const struct mf_settings *settings)
{
	struct mf_error *error = mf_generate(settings->generate, stdout);

	return error ? mf_command_complain(error, settings) : EXIT_SUCCESS;
}

static void set_log(const struct mf_settings *settings)
{
	mf_log_set_level(settings->quiet     ? MF_LOG_QUIET
			 : settings->verbose ? MF_LOG_NOTE
					     : MF_LOG_WARNING);
}

/*
 * A stream that was closed must not become a file of ours that a message is
 * written into. Only for reading: to write to it stays the error that it is.
 */
static void keep_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDONLY);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

static void print_help(const struct mf_parsed *parsed)
{
	const struct mf_command *command =
		parsed->named ? parsed->command : NULL;

	if (parsed->settings.at_prompt)
		mf_help_print_typed(stdout, command);
	else
		mf_help_print(stdout, command);
}

static int obey(struct mf_parsed *parsed, struct mf_session *session)
{
	struct mf_settings *settings = &parsed->settings;
	struct mf_run run = {
		.command = parsed->command,
		.settings = settings,
		.session = session,
		.is_borrowed = session != NULL,
	};

	set_log(settings);
	if (settings->version) {
		puts("memforensics " MF_VERSION);
		return EXIT_SUCCESS;
	}
	if (settings->help) {
		print_help(parsed);
		return EXIT_SUCCESS;
	}
	if (settings->generate)
		return generate(settings);
	if (!parsed->command) {
		mf_help_print(stderr, NULL);
		return EXIT_USAGE;
	}
	settings->session.keep = mf_prompt_is_wanted(parsed->command, settings);
	return do_run(&run);
}

int mf_command_run_typed(int argc, char **argv,
			 const struct mf_settings *settings,
			 struct mf_session *session)
{
	struct mf_parsed parsed = { .settings = *settings };
	struct mf_error *error = mf_command_parse(argc, argv, &parsed);

	return error ? mf_command_complain(error, settings)
		     : obey(&parsed, session);
}

int mf_command_main(int argc, char **argv)
{
	struct mf_parsed parsed = {
		.settings.session.target.max_pause_ns = DEFAULT_MAX_PAUSE_NS,
	};
	struct mf_error *error;

	keep_streams();
	/* A reader that went away ends us quietly, whoever started us. */
	signal(SIGPIPE, SIG_DFL);
	/* A file that may not grow is an error, told, with nothing left of it. */
	signal(SIGXFSZ, SIG_IGN);
	error = mf_command_parse(argc, argv, &parsed);
	return error ? mf_command_complain(error, &parsed.settings)
		     : obey(&parsed, NULL);
}
