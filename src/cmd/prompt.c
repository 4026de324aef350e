/*
 * The prompt: reads lines, and has each command run over the view that `attach`
 * took. Between, it looks after that view: a copy that the target's machine has
 * no more memory for is let go, and its user is told what has become of it and
 * of the process.
 */
#include "cmd/prompt.h"

#include <errno.h>
#include <readline/history.h>
#include <readline/readline.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/log.h"
#include "base/memory.h"
#include "cmd/child.h"
#include "cmd/complete.h"
#include "cmd/history.h"

enum {
	IDLE_US = 500000, /* between looks at what became of the view */
	GUARD_NS = 1000000000,
};

struct prompt {
	const struct mf_settings *first; /* of the command line */
	struct mf_settings base;	 /* of every command */
	struct mf_session **session;
	struct mf_typed_line
		refreshed; /* owns texts of base, if the view was */
	struct mf_history history;
	char *text;	 /* "redis-server.1234> " */
	bool has_models; /* the session's are built */
	bool told_ended, told_lost;
	bool is_over;
	uint64_t guarded_ns;
};

/* Readline's callbacks and signal handlers have no context. */
static struct {
	struct prompt *prompt;
	struct mf_offers offers;
	size_t next;
	volatile sig_atomic_t interrupted, ending;
} state;

/* ---- signals ---------------------------------------------------------------- */

static void on_signal(int number)
{
	if (number == SIGINT)
		state.interrupted = 1;
	else
		state.ending = number;
}

static void catch_signals(void)
{
	static const int caught[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = on_signal,
				    .sa_flags = SA_RESTART };

	for (size_t i = 0; i < MF_ARRAY_SIZE(caught); i++)
		sigaction(caught[i], &action, NULL);
	/* of a command, as Ctrl-C is */
	signal(SIGQUIT, SIG_IGN);
}

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
	time_t now = time(NULL);
	char at[16] = "";
	struct tm tm;

	mf_target_get_impact(target_of(prompt), &impact);
	if (localtime_r(&now, &tm))
		strftime(at, sizeof(at), "%H:%M:%S", &tm);
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
static void guard(struct prompt *prompt, struct mf_buffer *text)
{
	if (!is_process(prompt))
		return;
	look_for_end(prompt, text);
	look_for_room(prompt, text);
}

static bool is_time(struct prompt *prompt)
{
	uint64_t now = mf_now_ns();

	if (now - prompt->guarded_ns < GUARD_NS)
		return false;
	prompt->guarded_ns = now;
	return true;
}

static void tick(void *context)
{
	struct prompt *prompt = context;
	MF_AUTO_BUFFER(text);

	guard(prompt, &text);
	fputs(mf_buffer_text(&text), stderr);
}

/* ---- reading a line ------------------------------------------------------------ */

static void begin_line_anew(void)
{
	rl_replace_line("", 0);
	rl_crlf();
	rl_on_new_line();
	rl_redisplay();
}

/* Above the line that is being typed. */
static void tell(const char *text)
{
	rl_crlf();
	fputs(text, rl_outstream);
	rl_on_new_line();
	rl_redisplay();
}

static int idle(void)
{
	struct prompt *prompt = state.prompt;
	MF_AUTO_BUFFER(text);

	if (state.ending) {
		rl_done = 1;
		return 0;
	}
	if (state.interrupted) {
		state.interrupted = 0;
		begin_line_anew();
	}
	if (is_time(prompt))
		guard(prompt, &text);
	if (text.size)
		tell(mf_buffer_text(&text));
	return 0;
}

static char *next_offer(const char *text, int number)
{
	(void)text;
	if (number == 0)
		state.next = 0;
	return state.next < state.offers.count
		       ? mf_strdup(state.offers.items[state.next++])
		       : NULL;
}

static struct mf_error *get_models(struct mf_session *session,
				   struct mf_view *ret)
{
	MF_TRY(mf_session_image(session, &ret->image));
	MF_TRY(mf_session_space(session, &ret->space));
	return mf_session_heap(session, &ret->heap);
}

/* Models that would have to be made are not worth a look at the process. */
static struct mf_view view_of(const struct prompt *prompt)
{
	struct mf_view view = { .target = target_of(prompt) };

	if (prompt->has_models)
		mf_error_destroy(get_models(*prompt->session, &view));
	return view;
}

static char **complete(const char *word, int start, int end)
{
	const struct mf_view view = view_of(state.prompt);
	struct mf_typed typed;
	char **matches = NULL;

	(void)start;
	mf_line_look(rl_line_buffer, (size_t)end, &typed);
	mf_offers_deinit(&state.offers);
	mf_complete(&typed, &view, &state.offers);
	rl_attempted_completion_over = !state.offers.files;
	/* one with a \ in it is not what readline sees */
	if (!strcmp(typed.word, word) && !state.offers.files)
		matches = rl_completion_matches(word, next_offer);
	if (matches && *matches[0] &&
	    strchr(":=", matches[0][strlen(matches[0]) - 1]))
		rl_completion_suppress_append = 1;
	mf_typed_deinit(&typed);
	return matches;
}

static void set_up_readline(void)
{
	rl_readline_name = "memforensics";
	rl_completer_word_break_characters = " \t|";
	rl_completer_quote_characters = "'\"";
	rl_attempted_completion_function = complete;
	rl_event_hook = idle;
	rl_set_keyboard_input_timeout(IDLE_US);
	rl_change_environment = 0;
	using_history();
	stifle_history(MF_HISTORY_LINES);
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

	MF_TRY(mf_command_open(&mf_command_attach, settings, &session));
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

static void refresh(struct prompt *prompt, struct mf_typed_line *line)
{
	struct mf_parsed parsed;
	struct mf_error *error = parse_refresh(prompt, line, &parsed);

	if (!error && parsed.settings.help) {
		mf_help_print_typed(stdout, NULL);
		return;
	}
	if (!error)
		error = take_view(prompt, &parsed.settings, line);
	mf_progress("", 1, 1);
	if (error)
		mf_command_complain(error, &prompt->base);
	else
		say_view(prompt);
}

static void help(const struct mf_typed_line *line)
{
	const struct mf_command *command =
		line->count > 1 ? mf_command_find(line->words[1]) : NULL;

	mf_help_print_typed(stdout, command);
}

static void run(struct prompt *prompt, const struct mf_typed_line *line)
{
	const struct mf_child child = {
		.run = run_in_child,
		.tick = tick,
		.ending = &state.ending,
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
		help(line);
	else if (is_word(line, "refresh"))
		refresh(prompt, line);
	else
		run(prompt, line);
	mf_line_deinit(line);
}

/* ---- history --------------------------------------------------------------------- */

static void remember_old(const char *line)
{
	add_history(line);
}

/* As shells do: nothing twice in a row, nothing that begins with a space. */
static void remember(struct prompt *prompt, const char *text)
{
	const HIST_ENTRY *last =
		history_length ? history_get(history_base + history_length - 1)
			       : NULL;

	if (*text == ' ' || (last && !strcmp(last->line, text)))
		return;
	add_history(text);
	mf_history_add(&prompt->history, text);
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
	mf_auto_free char *text = NULL;
	struct mf_typed_line line;
	struct mf_error *error;

	state.interrupted = 0;
	text = readline(prompt->text);
	if (state.ending)
		return;
	if (!text) {
		puts("quit");
		prompt->is_over = true;
		return;
	}
	error = mf_line_cut(text, &line);
	if (error || line.count)
		remember(prompt, text);
	if (error)
		mf_command_complain(error, &prompt->base);
	else if (line.count)
		obey(prompt, &line);
}

static void prompt_deinit(struct prompt *prompt)
{
	mf_history_close(&prompt->history);
	mf_line_deinit(&prompt->refreshed);
	mf_offers_deinit(&state.offers);
	clear_history();
	free(prompt->text);
	state.prompt = NULL;
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

	set_base(&prompt);
	prompt.text = make_text(&prompt);
	state.prompt = &prompt;
	catch_signals();
	set_up_readline();
	mf_history_open(&prompt.history);
	mf_history_each(&prompt.history, remember_old);
	putchar('\n');
	say_view(&prompt);
	puts("'help' lists the commands.");
	while (!prompt.is_over && !state.ending)
		read_and_obey(&prompt);
	prompt_deinit(&prompt);
	if (!state.ending)
		return;
	/* what was held is let go first */
	mf_session_close(*session);
	*session = NULL;
	signal(state.ending, SIG_DFL);
	raise(state.ending);
}
