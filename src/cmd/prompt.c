/*
 * The prompt: reads lines, and has each command run over the view that `attach`
 * took. Between, it looks after that view: a copy that the target's machine has
 * no more memory for is let go, and its user is told what has become of it and
 * of the process.
 */
#include "cmd/prompt.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/escape.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/units.h"
#include "cmd/child.h"
#include "cmd/complete.h"
#include "cmd/input.h"

struct prompt {
	const struct mf_settings *first; /* of the command line */
	struct mf_settings base;	 /* of every command */
	struct mf_session **session;
	struct mf_typed_line
		refreshed; /* owns texts of base, if the view was */
	char *text;	   /* "redis-server.1234> " */
	bool has_models;   /* the session's are built */
	bool told_ended, told_lost;
	bool is_over;
};

/* ---- the view ----------------------------------------------------------------- */

static struct mf_target *target_of(const struct prompt *prompt)
{
	return mf_session_target(*prompt->session);
}

static bool is_frozen(const struct prompt *prompt)
{
	return mf_session_is_frozen(*prompt->session);
}

static bool is_process(const struct prompt *prompt)
{
	const struct mf_target_info *info = mf_target_info(target_of(prompt));

	return info->kind == MF_TARGET_LIVE || info->kind == MF_TARGET_SNAPSHOT;
}

static void say_view(const struct prompt *prompt)
{
	const struct mf_target_info *info = mf_target_info(target_of(prompt));
	struct mf_impact impact;
	char at[MF_UNIT_TEXT];

	mf_target_get_impact(target_of(prompt), &impact);
	mf_format_clock(at, info->taken_s);
	if (!is_process(prompt))
		puts("Commands work on this file, without naming it.");
	else if (is_frozen(prompt))
		printf("The view is of %s, in a copy; process %d runs on. "
		       "'refresh' takes a new one.\n",
		       at, (int)info->pid);
	else
		printf("No view is kept (%s): each command looks anew.\n",
		       impact.stop == MF_STOP_SNAPSHOT ? "its copy has gone"
						       : impact.why);
}

static void look_for_end(struct prompt *prompt, struct mf_buffer *text)
{
	if (prompt->told_ended || !mf_target_has_ended(target_of(prompt)))
		return;
	prompt->told_ended = true;
	mf_buffer_printf(text, "process %s has ended, or began another program",
			 prompt->base.target);
	mf_buffer_puts(text, is_frozen(prompt) ? "; the view stays as it is\n"
					       : "\n");
}

static void look_for_room(struct prompt *prompt, struct mf_buffer *text)
{
	struct mf_target *target = target_of(prompt);
	const char *why = NULL;

	if (prompt->told_lost)
		return;
	if (mf_target_lost_copy(target))
		why = "its copy was killed, most likely because memory ran out";
	else if (is_frozen(prompt))
		why = mf_target_refuse_copy(target);
	if (!why)
		return;
	prompt->told_lost = true;
	mf_target_keep_copy(target, false);
	mf_buffer_printf(text,
			 "the view is let go: %s; each command looks anew, "
			 "'refresh' takes a new view\n",
			 why);
}

/* Adds what was seen of the view since it was last looked after. */
static void guard(void *context, struct mf_buffer *text)
{
	struct prompt *prompt = context;

	if (!is_process(prompt))
		return;
	look_for_end(prompt, text);
	look_for_room(prompt, text);
}

static void tick(void *context)
{
	MF_AUTO_BUFFER(text);

	guard(context, &text);
	fputs(mf_buffer_text(&text), stderr);
}

static struct mf_error *get_models(struct mf_session *session,
				   struct mf_view *ret)
{
	MF_TRY(mf_session_image(session, &ret->image));
	MF_TRY(mf_session_space(session, &ret->space));
	return mf_session_heap(session, &ret->heap);
}

/* Models that would have to be made are not worth a look at the process. */
static struct mf_view view_of(void *context)
{
	const struct prompt *prompt = context;
	struct mf_view view = { .target = target_of(prompt) };

	if (prompt->has_models)
		mf_error_destroy(get_models(*prompt->session, &view));
	return view;
}

/* Text of a target is not for a terminal to obey. */
static char *make_text(const struct prompt *prompt)
{
	const struct mf_target_info *info = mf_target_info(target_of(prompt));
	mf_auto_free char *name = mf_escaped(info->comm);
	const char *slash = strrchr(prompt->base.target, '/');
	mf_auto_free char *target =
		mf_escaped(slash ? slash + 1 : prompt->base.target);

	return mf_asprintf("%s%s%s> ", name, *name ? "." : "", target);
}

/* ---- commands ------------------------------------------------------------------ */

/* The command line that LINE would be, from its word FIRST on, as main gets one.
 * An array to free(); what is in it is LINE's, or constant. */
static char **make_arguments(const struct mf_typed_line *line, size_t first,
			     const char *command)
{
	char **words = mf_new_array(line->count + 3, char *);
	union {
		const char *constant;
		char *text;
	} program = { .constant = "memforensics" },
	  named = { .constant = command };
	size_t count = 0;

	words[count++] = program.text;
	if (command)
		words[count++] = named.text;
	memcpy(words + count, line->words + first,
	       (line->count - first) * sizeof(char *));
	return words;
}

static int run_in_child(const struct mf_typed_line *line, void *context)
{
	const struct prompt *prompt = context;
	mf_auto_free char **words = make_arguments(line, 0, NULL);

	/* what takes long is said from now on, not since the last command */
	mf_progress("", 1, 1);
	return mf_command_run_typed((int)line->count + 1, words, &prompt->base,
				    is_frozen(prompt) ? *prompt->session
						      : NULL);
}

static struct mf_error *parse_refresh(struct prompt *prompt,
				      const struct mf_typed_line *line,
				      struct mf_parsed *ret)
{
	mf_auto_free char **words =
		make_arguments(line, 1, mf_command_attach.name);

	*ret = (struct mf_parsed){ .settings = *prompt->first };
	return mf_command_parse((int)line->count + 1, words, ret);
}

static bool is_ending(void)
{
	return *mf_input_ending();
}

static bool is_cancelled(void)
{
	return mf_input_is_interrupted() || is_ending();
}

/* All that needs no moment of the process: symbols may take long. */
static struct mf_error *open_view(const struct mf_settings *settings,
				  struct mf_session **ret)
{
	struct mf_session *session;
	struct mf_image *image;
	struct mf_error *error;

	MF_TRY(mf_command_open(&mf_command_attach, settings, &session));
	error = mf_session_image(session, &image);
	if (!error && is_cancelled())
		error = mf_error_create(MF_ERROR_FAILED, "interrupted");
	if (error)
		mf_session_close(session);
	else
		*ret = session;
	return error;
}

/*
 * The old view is given up before the new one is taken, and not before it can
 * be: two copies would take twice the memory. Takes LINE, which has the texts of
 * SETTINGS.
 */
static struct mf_error *take_view(struct prompt *prompt,
				  const struct mf_settings *settings,
				  struct mf_typed_line *line)
{
	struct mf_session *session;
	struct mf_space *space;

	MF_TRY(open_view(settings, &session));
	mf_session_close(*prompt->session);
	*prompt->session = session;
	prompt->base.session = settings->session;
	mf_line_deinit(&prompt->refreshed);
	prompt->refreshed = *line;
	*line = (struct mf_typed_line){ 0 };
	prompt->told_ended = prompt->told_lost = prompt->has_models = false;
	MF_TRY(mf_session_space(session, &space));
	prompt->has_models = true;
	return NULL;
}

/* The view was not taken; what there is instead? */
static void say_failure(const struct prompt *prompt, struct mf_error *error)
{
	if (mf_input_is_interrupted()) {
		mf_error_destroy(error);
		puts("\nInterrupted.");
	} else {
		mf_command_complain(error, &prompt->base);
	}
	if (is_frozen(prompt))
		puts("The view stays as it is.");
	else
		puts("No view is kept: each command looks anew, 'refresh' "
		     "takes a view.");
}

static void refresh(struct prompt *prompt, struct mf_typed_line *line)
{
	struct mf_parsed parsed;
	struct mf_error *error = parse_refresh(prompt, line, &parsed);

	if (error) {
		mf_command_complain(error, &prompt->base);
		return;
	}
	if (parsed.settings.help) {
		mf_help_print_refresh(stdout);
		return;
	}
	parsed.settings.session.target.is_cancelled = is_cancelled;
	error = take_view(prompt, &parsed.settings, line);
	mf_progress("", 1, 1);
	if (is_ending()) {
		mf_error_destroy(error);
		return;
	}
	if (error)
		say_failure(prompt, error);
	else
		say_view(prompt);
	free(prompt->text);
	prompt->text = make_text(prompt);
}

static bool is_own_word(const char *word)
{
	for (const char *const *own = mf_prompt_words(); *own; own++)
		if (!strcmp(*own, word))
			return true;
	return false;
}

static void help(const struct prompt *prompt, const struct mf_typed_line *line)
{
	const char *word = line->count > 1 ? line->words[1] : "help";
	const struct mf_command *command = mf_command_find(word);

	if (!strcmp(word, "refresh"))
		mf_help_print_refresh(stdout);
	else if (command || is_own_word(word))
		mf_help_print_typed(stdout, command);
	else
		mf_command_complain(mf_command_refuse(word, true),
				    &prompt->base);
}

static void run(struct prompt *prompt, const struct mf_typed_line *line)
{
	const struct mf_child child = {
		.run = run_in_child,
		.tick = tick,
		.ending = mf_input_ending(),
		.context = prompt,
	};

	if (!mf_child_run(&child, line))
		fprintf(stderr, "no process for the command: %s\n",
			strerror(errno));
}

static bool is_word(const struct mf_typed_line *line, const char *word)
{
	return !strcmp(line->words[0], word);
}

/* Takes LINE. */
static void obey(struct prompt *prompt, struct mf_typed_line *line)
{
	if (is_word(line, "quit") || is_word(line, "exit"))
		prompt->is_over = true;
	else if (is_word(line, "help") && !line->pipe)
		help(prompt, line);
	else if (is_word(line, "refresh"))
		refresh(prompt, line);
	else
		run(prompt, line);
	mf_line_deinit(line);
}

/* ---- the prompt ------------------------------------------------------------------ */

bool mf_prompt_is_wanted(const struct mf_command *command,
			 const struct mf_settings *settings)
{
	return command == &mf_command_attach && !settings->at_prompt &&
	       !settings->batch && !settings->output && !settings->to_stdout &&
	       settings->report.format == MF_FORMAT_TEXT &&
	       isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

static void read_and_obey(struct prompt *prompt)
{
	mf_auto_free char *text = mf_input_read(prompt->text);
	struct mf_typed_line line;
	struct mf_error *error;

	if (is_ending())
		return;
	if (!text) {
		puts("quit");
		prompt->is_over = true;
		return;
	}
	error = mf_line_cut(text, &line);
	if (error || line.count)
		mf_input_remember(text);
	if (error)
		mf_command_complain(error, &prompt->base);
	else if (line.count)
		obey(prompt, &line);
}

static void prompt_deinit(struct prompt *prompt)
{
	mf_input_close();
	mf_line_deinit(&prompt->refreshed);
	free(prompt->text);
}

/* What all commands have of the options that the target was opened with. */
static void set_base(struct prompt *prompt)
{
	const struct mf_settings *asked = prompt->first;

	prompt->base = (struct mf_settings){
		.target = asked->target,
		.session = asked->session,
		.report = { .bytes = asked->report.bytes,
			    .width = asked->report.width },
		.color = asked->color,
		.quiet = asked->quiet,
		.verbose = asked->verbose,
		.at_prompt = true,
	};
}

void mf_prompt_run(const struct mf_settings *settings,
		   struct mf_session **session)
{
	struct prompt prompt = {
		.first = settings,
		.session = session,
		.has_models = true,
	};

	const struct mf_input input = {
		.watch = guard,
		.view = view_of,
		.context = &prompt,
	};

	set_base(&prompt);
	prompt.text = make_text(&prompt);
	mf_input_open(&input);
	putchar('\n');
	say_view(&prompt);
	puts("'help' lists the commands.");
	while (!prompt.is_over && !is_ending())
		read_and_obey(&prompt);
	prompt_deinit(&prompt);
	if (!is_ending())
		return;
	/* what was held is let go first */
	mf_session_close(*session);
	*session = NULL;
	signal(*mf_input_ending(), SIG_DFL);
	raise(*mf_input_ending());
}
