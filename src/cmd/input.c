/*
 * How readline is made to wait for a line, and for a signal or news beside it;
 * readline's callbacks and signal handlers have no context, so that there is one
 * for all.
 */
#include "cmd/input.h"

#include <readline/history.h>
#include <readline/readline.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "cmd/complete.h"
#include "cmd/history.h"

enum {
	IDLE_US = 500000, /* between looks at whether there is news */
	WATCH_NS = 1000000000,
};

static struct {
	const struct mf_input *input;
	struct mf_history history;
	struct mf_offers offers;
	size_t next; /* of them, to be offered */
	uint64_t watched_ns;
	struct termios before; /* of the terminal */
	bool brackets;	       /* what is pasted, where it can */
	volatile sig_atomic_t interrupted, continued, ending;
} state;

/* ---- signals ---------------------------------------------------------------- */

static void on_signal(int number)
{
	if (number == SIGINT)
		state.interrupted = 1;
	else if (number == SIGCONT)
		state.continued = 1;
	else
		state.ending = number;
}

/* Nothing that is not async-signal-safe. */
static void on_fault(int number)
{
	static const char no_bracketed_paste[] = "\r\033[?2004l\n";
	ssize_t written = 0;

	if (state.brackets && RL_ISSTATE(RL_STATE_TERMPREPPED))
		written = write(STDOUT_FILENO, no_bracketed_paste,
				sizeof(no_bracketed_paste) - 1);
	(void)written;
	tcsetattr(STDIN_FILENO, TCSANOW, &state.before);
	/* SA_RESETHAND: this time it ends us */
	raise(number);
}

static void catch_signals(void)
{
	static const int told[] = { SIGINT, SIGCONT, SIGTERM, SIGHUP };
	static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL,
				      SIGABRT };
	struct sigaction action = { .sa_handler = on_signal,
				    .sa_flags = SA_RESTART };
	struct sigaction fault = { .sa_handler = on_fault,
				   .sa_flags = (int)SA_RESETHAND | SA_NODEFER };

	for (size_t i = 0; i < MF_ARRAY_SIZE(told); i++)
		sigaction(told[i], &action, NULL);
	for (size_t i = 0; i < MF_ARRAY_SIZE(faults); i++)
		sigaction(faults[i], &fault, NULL);
	/* of a command, as Ctrl-C is */
	signal(SIGQUIT, SIG_IGN);
}

bool mf_input_is_interrupted(void)
{
	return state.interrupted;
}

const volatile sig_atomic_t *mf_input_ending(void)
{
	return &state.ending;
}

/* ---- while a line is typed ------------------------------------------------------ */

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

static bool is_time(void)
{
	uint64_t now = mf_now_ns();

	if (now - state.watched_ns < WATCH_NS)
		return false;
	state.watched_ns = now;
	return true;
}

static int idle(void)
{
	MF_AUTO_BUFFER(text);

	if (state.ending) {
		rl_done = 1;
		return 0;
	}
	if (state.interrupted) {
		state.interrupted = 0;
		begin_line_anew();
	}
	/* what a shell wrote meanwhile stands where the line was */
	if (state.continued) {
		state.continued = 0;
		rl_forced_update_display();
	}
	if (is_time())
		state.input->watch(state.input->context, &text);
	if (text.size)
		tell(mf_buffer_text(&text));
	return 0;
}

/* ---- completion ------------------------------------------------------------------ */

static char *next_offer(const char *text, int number)
{
	(void)text;
	if (number == 0)
		state.next = 0;
	return state.next < state.offers.count
		       ? mf_strdup(state.offers.items[state.next++])
		       : NULL;
}

static char **complete(const char *word, int start, int end)
{
	const struct mf_view view = state.input->view(state.input->context);
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

/* ---- all -------------------------------------------------------------------------- */

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

static void remember_old(const char *line)
{
	add_history(line);
}

void mf_input_open(const struct mf_input *input)
{
	const char *term = getenv("TERM");

	state.input = input;
	tcgetattr(STDIN_FILENO, &state.before);
	state.brackets = term && strcmp(term, "dumb") != 0;
	catch_signals();
	set_up_readline();
	mf_history_open(&state.history);
	mf_history_each(&state.history, remember_old);
}

void mf_input_close(void)
{
	mf_history_close(&state.history);
	mf_offers_deinit(&state.offers);
	clear_history();
	state.input = NULL;
}

char *mf_input_read(const char *prompt)
{
	char *text;

	state.interrupted = state.continued = 0;
	text = readline(prompt);
	state.interrupted = state.continued = 0;
	if (!state.ending)
		return text;
	free(text);
	return NULL;
}

/* As shells do. */
void mf_input_remember(const char *text)
{
	const HIST_ENTRY *last =
		history_length ? history_get(history_base + history_length - 1)
			       : NULL;

	if (*text == ' ' || (last && !strcmp(last->line, text)))
		return;
	add_history(text);
	mf_history_add(&state.history, text);
}
